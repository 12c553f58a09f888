//! One walk over a resource that finds the values of all its search parameters.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use jiff::tz::Offset;
use rustc_hash::FxHashSet;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::ParamId;
use super::expression::{Condition, Move, Way};
use super::names::{self, Part};
use super::own::OwnAddresses;
use super::text::{fold, key};
use crate::definitions::{Definitions, ParamKind};
use crate::json::Value;
use crate::path::{Environment, Expression, Item};
use crate::time::{self, Interval};

/// One row of the search index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// The parameter it is a value of.
    pub param: ParamId,
    /// Which repetition of the composite's base element it comes from, from 1; 0 for the resource itself.
    /// The components of a composite match when their rows agree in it.
    pub group: u16,
    /// The value.
    pub value: IndexValue<'a>,
}

/// A value as the index compares it. Texts are cut by [`key`] and [`fold`] to what an index row can hold.
#[derive(Debug, Clone)]
pub enum IndexValue<'a> {
    /// A code, identifier, flag or uri; a uri has no system. A code bound to a value set of one system has that system.
    Token {
        /// The system, if there is one.
        system: Option<Cow<'a, str>>,
        /// The code.
        code: Cow<'a, str>,
    },
    /// A literal reference as written, without `/_history/…`: `Patient/1`, an absolute URL or a `urn:`. One by an
    /// address of the service itself is `Patient/1` as well.
    /// Of a canonical reference both `url` and, when it has a version, `url|version`.
    Reference {
        /// What is referred to.
        target: Cow<'a, str>,
    },
    /// Text.
    Text {
        /// Folded for comparison.
        folded: String,
        /// As written; empty for a form under which a Chinese name is also found.
        exact: Cow<'a, str>,
    },
    /// A half-open span of time in microseconds, as in [`Interval`].
    Date {
        /// Its first microsecond.
        lo: i64,
        /// The first microsecond after it.
        hi: i64,
    },
    /// A number, or the closed range of numbers it may be; an open side is [`f64::MIN`] or [`f64::MAX`].
    Number {
        /// The least.
        lo: f64,
        /// The greatest.
        hi: f64,
    },
    /// A number with a unit.
    Quantity {
        /// The least.
        lo: f64,
        /// The greatest.
        hi: f64,
        /// The system of the unit.
        system: Option<Cow<'a, str>>,
        /// The coded unit; or, in a row without a system, the unit in words where that differs.
        code: Option<Cow<'a, str>>,
    },
}

impl IndexValue<'_> {
    /// What is compared, with numbers by their bits: they come from JSON, so there is no NaN.
    fn parts(&self) -> (u8, [Option<&str>; 3], [u64; 2]) {
        match self {
            Self::Token { system, code } => (0, [system.as_deref(), Some(code), None], [0; 2]),
            Self::Reference { target } => (1, [Some(target), None, None], [0; 2]),
            Self::Text { folded, exact } => (2, [Some(folded), Some(exact), None], [0; 2]),
            Self::Date { lo, hi } => (3, [None; 3], [lo.cast_unsigned(), hi.cast_unsigned()]),
            Self::Number { lo, hi } => (4, [None; 3], [lo.to_bits(), hi.to_bits()]),
            Self::Quantity { lo, hi, system, code } => {
                (5, [system.as_deref(), code.as_deref(), None], [lo.to_bits(), hi.to_bits()])
            }
        }
    }
}

impl PartialEq for IndexValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for IndexValue<'_> {}

impl Hash for IndexValue<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// How a value of one type is turned into rows of one kind of parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reader {
    Code(Option<Cow<'static, str>>),
    Coding,
    Concept,
    Identifier,
    IdentifierOfType,
    Contact,
    Flag,
    /// `true` when the value is there and is not `false`.
    Truth,
    Reference,
    ReferenceIdentifier,
    Canonical,
    Inline,
    CanonicalUri,
    Text,
    Name,
    Sounds(Part),
    Address,
    Instant,
    Period,
    Timing,
    Number,
    NumberRange,
    Quantity,
    QuantityRange,
    Money,
    /// An extension, read as its value.
    Extension(ParamKind),
}

impl Reader {
    /// How a parameter of this kind reads values of this type; none when it finds nothing in them.
    pub(super) fn new(definitions: &Definitions, kind: ParamKind, type_name: &str) -> Option<Self> {
        let is = |of: &str| definitions.is_subtype(type_name, of);
        let textual = || is("string") || is("uri");
        Some(match kind {
            _ if type_name == "Extension" => Self::Extension(kind),
            ParamKind::Token => match type_name {
                "Coding" => Self::Coding,
                "CodeableConcept" => Self::Concept,
                "Identifier" => Self::Identifier,
                "ContactPoint" => Self::Contact,
                "boolean" => Self::Flag,
                _ if textual() => Self::Code(None),
                _ => return None,
            },
            ParamKind::Reference => match type_name {
                "Reference" => Self::Reference,
                _ if definitions
                    .type_(type_name)
                    .is_some_and(|found| found.kind == crate::definitions::Kind::Resource) =>
                {
                    Self::Inline
                }
                _ if textual() => Self::Canonical,
                _ => return None,
            },
            ParamKind::Uri => match type_name {
                "canonical" => Self::CanonicalUri,
                _ if textual() => Self::Code(None),
                _ => return None,
            },
            ParamKind::String => match type_name {
                "HumanName" => Self::Name,
                "Address" => Self::Address,
                _ if textual() => Self::Text,
                _ => return None,
            },
            ParamKind::Date => match type_name {
                "date" | "dateTime" | "instant" => Self::Instant,
                "Period" => Self::Period,
                "Timing" => Self::Timing,
                _ => return None,
            },
            ParamKind::Number => match type_name {
                "Range" => Self::NumberRange,
                _ if is("decimal") || is("integer") => Self::Number,
                _ => return None,
            },
            ParamKind::Quantity => match type_name {
                "Range" => Self::QuantityRange,
                "Money" => Self::Money,
                _ if is("Quantity") => Self::Quantity,
                _ => return None,
            },
            ParamKind::Composite | ParamKind::Special => return None,
        })
    }
}

/// All the ways of one resource type, merged where they begin alike.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    /// Parameters that are `false` when no way finds them `true`.
    pub(super) truths: Vec<ParamId>,
    /// Parameters whose expression goes beyond ways.
    pub(super) computed: Vec<Computed>,
}

/// A parameter whose values an evaluator finds.
#[derive(Debug, Clone)]
pub(super) struct Computed {
    pub(super) param: ParamId,
    pub(super) kind: ParamKind,
    pub(super) expression: Expression,
}

/// The steps one expression may take on one resource; beyond them it finds nothing there.
const STEPS: u64 = 20_000;

#[derive(Debug, Clone, Default)]
struct Node {
    members: Vec<(Box<str>, usize)>,
    conditions: Vec<(Condition, usize)>,
    leaves: Vec<Leaf>,
    /// Whether its position is the group of the rows found below.
    groups: bool,
}

#[derive(Debug, Clone)]
struct Leaf {
    param: ParamId,
    reader: Reader,
    grouped: bool,
}

impl Plan {
    /// Adds one way. `grouped` says that the parameter is a component of a composite.
    pub(super) fn add(&mut self, way: &Way, param: ParamId, reader: Reader, grouped: bool) {
        let at = self.node(&way.moves);
        let leaves = &mut self.nodes[at].leaves;
        if !leaves.iter().any(|leaf| leaf.param == param && leaf.reader == reader) {
            leaves.push(Leaf { param, reader, grouped });
        }
    }

    /// Marks the element at the end of a way as the base of a composite.
    pub(super) fn group(&mut self, moves: &[Move]) {
        let at = self.node(moves);
        self.nodes[at].groups = true;
    }

    fn node(&mut self, moves: &[Move]) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        moves.iter().fold(0, |at, step| {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            let known = match step {
                Move::Member(name, _) => node.members.iter().find(|(known, _)| **known == **name).map(|found| found.1),
                Move::If(condition) => {
                    node.conditions.iter().find(|(known, _)| known == condition).map(|found| found.1)
                }
            };
            if let Some(known) = known {
                return known;
            }
            match step {
                Move::Member(name, _) => node.members.push((name.as_str().into(), next)),
                Move::If(condition) => node.conditions.push((condition.clone(), next)),
            }
            self.nodes.push(Node::default());
            next
        })
    }

    /// The rows of a resource, each once.
    pub(super) fn run<'a>(
        &self,
        definitions: &'static Definitions,
        zone: Offset,
        own: &OwnAddresses,
        resource: &'a Value,
    ) -> Vec<Entry<'a>> {
        let found = Vec::with_capacity(32);
        let mut walk = Walk { definitions, zone, own, nodes: &self.nodes, found, sounded: false };
        if !self.nodes.is_empty() {
            walk.visit(0, resource, 0, 0);
        }
        for &param in &self.truths {
            if !walk.found.iter().any(|entry| entry.param == param) {
                walk.push(param, 0, token("false"));
            }
        }
        for computed in &self.computed {
            walk.compute(computed, resource);
        }
        if walk.sounded {
            drop_known_sounds(&mut walk.found);
        }
        distinct(walk.found)
    }
}

/// A reading that equals a text written in the resource says nothing new.
fn drop_known_sounds(found: &mut Vec<Entry<'_>>) {
    let is_known = |entry: &Entry<'_>, found: &[Entry<'_>]| {
        match &entry.value {
        IndexValue::Text { folded, exact } if exact.is_empty() => found.iter().any(|other| {
            other.param == entry.param
                && matches!(&other.value, IndexValue::Text { folded: known, exact } if known == folded && !exact.is_empty())
        }),
        _ => false,
    }
    };
    let known: Vec<bool> = found.iter().map(|entry| is_known(entry, found)).collect();
    let mut known = known.into_iter();
    found.retain(|_| !known.next().unwrap_or(false));
}

/// Few rows are compared pairwise, many through a set.
const PAIRWISE: usize = 48;

fn distinct(mut found: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let first: Vec<bool> = if found.len() <= PAIRWISE {
        found.iter().enumerate().map(|(at, entry)| !found[..at].contains(entry)).collect()
    } else {
        let mut seen = FxHashSet::default();
        found.iter().map(|entry| seen.insert(entry)).collect()
    };
    let mut first = first.into_iter();
    found.retain(|_| first.next().unwrap_or(true));
    found
}

struct Walk<'p, 'a> {
    definitions: &'static Definitions,
    zone: Offset,
    own: &'p OwnAddresses,
    nodes: &'p [Node],
    found: Vec<Entry<'a>>,
    sounded: bool,
}

impl<'a> Walk<'_, 'a> {
    fn push(&mut self, param: ParamId, group: u16, value: IndexValue<'a>) {
        self.found.push(Entry { param, group, value });
    }

    fn visit(&mut self, node: usize, value: &'a Value, position: usize, group: u16) {
        let nodes = self.nodes;
        let node = &nodes[node];
        let group = if node.groups { u16::try_from(position + 1).unwrap_or(u16::MAX) } else { group };
        for leaf in &node.leaves {
            self.read(&leaf.reader, leaf.param, if leaf.grouped { group } else { 0 }, value);
        }
        for (condition, next) in &node.conditions {
            if holds(condition, value, position) {
                self.visit(*next, value, position, group);
            }
        }
        if node.members.is_empty() {
            return;
        }
        let Some(object) = value.as_object() else { return };
        for (name, inner) in object.iter() {
            let Some((_, next)) = node.members.iter().find(|(known, _)| **known == *name) else { continue };
            match inner.as_array() {
                Some(items) => {
                    for (position, item) in items.iter().enumerate() {
                        self.visit(*next, item, position, group);
                    }
                }
                None => self.visit(*next, inner, 0, group),
            }
        }
    }

    fn compute(&mut self, computed: &Computed, resource: &'a Value) {
        let environment = Environment::new(self.definitions).of(resource).limited_to(STEPS);
        for item in computed.expression.evaluate(resource, &environment).unwrap_or_default() {
            let node = item.node().and_then(|node| Some((node.value()?, node.type_def()?.name)));
            match node {
                Some((value, type_name)) => {
                    if let Some(reader) = Reader::new(self.definitions, computed.kind, type_name) {
                        self.read(&reader, computed.param, 0, value);
                    }
                }
                None => self.computed_value(computed, &item),
            }
        }
    }

    /// A value the expression made, which stands nowhere in the resource.
    fn computed_value(&mut self, computed: &Computed, item: &Item<'a>) {
        let Some(text) = item.to_text() else { return };
        let value = match computed.kind {
            ParamKind::Token | ParamKind::Uri => IndexValue::Token { system: None, code: key(&text).to_owned().into() },
            ParamKind::Reference => IndexValue::Reference { target: key(self.own.relative(&text)).to_owned().into() },
            ParamKind::String => IndexValue::Text { folded: fold(&text), exact: text },
            ParamKind::Date => match time::parse(&text, self.zone) {
                Some(Interval { lo, hi }) => IndexValue::Date { lo, hi },
                None => return,
            },
            ParamKind::Number => match text.parse() {
                Ok(number) => IndexValue::Number { lo: number, hi: number },
                Err(_) => return,
            },
            ParamKind::Quantity | ParamKind::Composite | ParamKind::Special => return,
        };
        self.push(computed.param, 0, value);
    }

    fn read(&mut self, reader: &Reader, param: ParamId, group: u16, value: &'a Value) {
        match reader {
            Reader::Code(system) => {
                if let Some(code) = value.as_str() {
                    self.push(param, group, IndexValue::Token { system: system.clone(), code: key(code).into() });
                }
            }
            Reader::Coding => self.coding(param, group, value),
            Reader::Concept => {
                for coding in list(value, "coding") {
                    self.coding(param, group, coding);
                }
            }
            Reader::Identifier => {
                if let Some(code) = member(value, "value") {
                    let system = member(value, "system").map(Cow::Borrowed);
                    self.push(param, group, IndexValue::Token { system, code: code.into() });
                }
            }
            Reader::IdentifierOfType => {
                let (Some(text), Some(kind)) = (member(value, "value"), value.get("type")) else { return };
                for coding in list(kind, "coding") {
                    let Some(code) = member(coding, "code") else { continue };
                    let system = member(coding, "system").map(Cow::Borrowed);
                    let code = Cow::Owned(of_type_code(code, text));
                    self.push(param, group, IndexValue::Token { system, code });
                }
            }
            Reader::Contact => self.contact(param, group, value),
            Reader::Flag => {
                if let Some(flag) = value.as_bool() {
                    self.push(param, group, token(if flag { "true" } else { "false" }));
                }
            }
            Reader::Truth => {
                if !value.is_null() && value.as_bool() != Some(false) {
                    self.push(param, group, token("true"));
                }
            }
            Reader::Reference => {
                let target = value.get("reference").and_then(|reference| reference.as_str());
                if let Some(target) = target.filter(|target| !target.starts_with('#') && !target.is_empty()) {
                    let target = target.split_once("/_history/").map_or(target, |(target, _)| target);
                    let target = key(self.own.relative(target));
                    self.push(param, group, IndexValue::Reference { target: target.into() });
                }
            }
            Reader::ReferenceIdentifier => {
                if let Some(identifier) = value.get("identifier") {
                    self.read(&Reader::Identifier, param, group, identifier);
                }
            }
            Reader::Canonical => {
                for form in canonical(value) {
                    self.push(param, group, IndexValue::Reference { target: form.into() });
                }
            }
            Reader::CanonicalUri => {
                for form in canonical(value) {
                    self.push(param, group, token(form));
                }
            }
            Reader::Inline => {
                if let (Some(name), Some(id)) = (member(value, "resourceType"), member(value, "id")) {
                    self.push(param, group, IndexValue::Reference { target: format!("{name}/{id}").into() });
                }
            }
            Reader::Text => self.text(param, group, value),
            Reader::Name => self.texts(param, group, value, &["text", "family", "given", "prefix", "suffix"]),
            Reader::Address => {
                let parts = ["text", "line", "city", "district", "state", "postalCode", "country"];
                self.texts(param, group, value, &parts);
            }
            Reader::Sounds(part) => self.sounds(param, group, value, *part),
            Reader::Instant | Reader::Period | Reader::Timing => {
                if let Some(Interval { lo, hi }) = self.interval(reader, value) {
                    self.push(param, group, IndexValue::Date { lo, hi });
                }
            }
            Reader::Number => {
                if let Some(number) = number(value) {
                    self.push(param, group, IndexValue::Number { lo: number, hi: number });
                }
            }
            Reader::NumberRange => {
                if let Some((lo, hi)) = range(value) {
                    self.push(param, group, IndexValue::Number { lo, hi });
                }
            }
            Reader::Quantity => {
                if let Some((lo, hi)) = measured(value) {
                    self.quantity(param, group, (lo, hi), value);
                }
            }
            Reader::QuantityRange => {
                let unit = value.get("low").or_else(|| value.get("high"));
                if let (Some(ends), Some(unit)) = (range(value), unit) {
                    self.quantity(param, group, ends, unit);
                }
            }
            Reader::Money => {
                if let Some(number) = value.get("value").and_then(number) {
                    let (system, code) =
                        (Some("urn:iso:std:iso:4217".into()), member(value, "currency").map(Cow::Borrowed));
                    let (lo, hi) = (number, number);
                    self.push(param, group, IndexValue::Quantity { lo, hi, system, code });
                }
            }
            Reader::Extension(kind) => {
                let definition = self.definitions.type_("Extension");
                for (name, inner) in value.as_object().into_iter().flat_map(|object| object.iter()) {
                    let type_name = definition.and_then(|found| found.child(name)).map(|child| child.type_name);
                    let reader = type_name
                        .filter(|_| name.starts_with("value"))
                        .and_then(|type_name| Reader::new(self.definitions, *kind, type_name));
                    if let Some(reader) = reader {
                        self.read(&reader, param, group, inner);
                    }
                }
            }
        }
    }

    fn coding(&mut self, param: ParamId, group: u16, coding: &'a Value) {
        if let Some(code) = member(coding, "code") {
            let system = member(coding, "system").map(Cow::Borrowed);
            self.push(param, group, IndexValue::Token { system, code: code.into() });
        }
    }

    /// The value as written and, of a telephone number, its digits, so that spacing does not matter.
    fn contact(&mut self, param: ParamId, group: u16, value: &'a Value) {
        let Some(written) = member(value, "value") else { return };
        let system = member(value, "system");
        self.push(param, group, IndexValue::Token { system: system.map(Cow::Borrowed), code: written.into() });
        if matches!(system, Some("phone" | "fax" | "sms" | "pager")) {
            let digits: String = written.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
            if digits != written && !digits.is_empty() {
                self.push(param, group, IndexValue::Token { system: system.map(Cow::Borrowed), code: digits.into() });
            }
        }
    }

    fn text(&mut self, param: ParamId, group: u16, value: &'a Value) {
        if let Some(exact) = value.as_str() {
            let folded = fold(exact);
            self.push(param, group, IndexValue::Text { folded, exact: exact.into() });
        }
    }

    fn texts(&mut self, param: ParamId, group: u16, value: &'a Value, parts: &[&str]) {
        let Some(object) = value.as_object() else { return };
        for (_, inner) in object.iter().filter(|(name, _)| parts.contains(name)) {
            match inner.as_array() {
                Some(items) => items.iter().for_each(|item| self.text(param, group, item)),
                None => self.text(param, group, inner),
            }
        }
    }

    fn sounds(&mut self, param: ParamId, group: u16, name: &'a Value, part: Part) {
        let written = |part: &str| name.get(part).and_then(|text| text.as_str());
        let given: Vec<&str> = list(name, "given").iter().filter_map(|given| given.as_str()).collect();
        for folded in names::sounds(written("family"), &given, written("text"), part) {
            self.sounded = true;
            self.push(param, group, IndexValue::Text { folded, exact: Cow::Borrowed("") });
        }
    }

    fn interval(&self, reader: &Reader, value: &Value) -> Option<Interval> {
        let read = |value: &Value| value.as_str().and_then(|text| time::parse(text, self.zone));
        match reader {
            Reader::Instant => read(value),
            Reader::Period => {
                let (start, end) = (value.get("start").and_then(read), value.get("end").and_then(read));
                (start.is_some() || end.is_some()).then(|| Interval::spanning(start, end))
            }
            // Only the outer limits of a schedule matter to a search.
            Reader::Timing => {
                let events = list(value, "event").iter().filter_map(read);
                let bounds = value
                    .get("repeat")
                    .and_then(|repeat| repeat.get("boundsPeriod"))
                    .and_then(|period| self.interval(&Reader::Period, period));
                events.chain(bounds).reduce(Interval::hull)
            }
            _ => None,
        }
    }

    fn quantity(&mut self, param: ParamId, group: u16, (lo, hi): (f64, f64), unit: &'a Value) {
        let [system, code, words] = ["system", "code", "unit"].map(|name| member(unit, name));
        let coded = code.or(words);
        let row = |system: Option<&'a str>, code: Option<&'a str>| {
            let (system, code) = (system.map(Cow::Borrowed), code.map(Cow::Borrowed));
            IndexValue::Quantity { lo, hi, system, code }
        };
        self.push(param, group, row(system.filter(|_| code.is_some()), coded));
        if words.is_some() && words != coded {
            self.push(param, group, row(None, words));
        }
    }
}

/// The code under which `:of-type` finds an identifier: the code of its type and its value.
/// <http://hl7.org/fhir/R4/search.html#token>
pub fn of_type_code(type_code: &str, value: &str) -> String {
    key(&format!("{type_code}|{value}")).to_owned()
}

fn token(code: &str) -> IndexValue<'_> {
    IndexValue::Token { system: None, code: code.into() }
}

/// A string member, cut to what the index holds; an empty one is as good as none.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().map(key).filter(|text| !text.is_empty())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

/// A canonical reference without and, if it has one, with its version.
fn canonical(value: &Value) -> impl Iterator<Item = &str> {
    let whole = value.as_str().filter(|whole| !whole.starts_with('#'));
    let bare = whole.and_then(|whole| whole.split_once('|')).map(|(bare, _)| bare);
    bare.into_iter().chain(whole).map(key).filter(|form| !form.is_empty())
}

/// A number as the index compares it. Its digits, kept in the resource, may be finer.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_raw_number()?.as_str().parse().ok())?;
    number.is_finite().then_some(number)
}

/// The values a quantity may have, by its comparator.
fn measured(quantity: &Value) -> Option<(f64, f64)> {
    let number = quantity.get("value").and_then(number)?;
    Some(match member(quantity, "comparator") {
        Some("<" | "<=") => (f64::MIN, number),
        Some(">" | ">=") => (number, f64::MAX),
        _ => (number, number),
    })
}

/// The ends of a Range; an absent one is open.
fn range(value: &Value) -> Option<(f64, f64)> {
    let end = |name: &str| value.get(name).and_then(|end| end.get("value")).and_then(number);
    let (low, high) = (end("low"), end("high"));
    (low.is_some() || high.is_some()).then(|| (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX)))
}

fn holds(condition: &Condition, value: &Value, position: usize) -> bool {
    match condition {
        Condition::Equals(name, text) => value.get(name).and_then(|found| found.as_str()) == Some(text),
        Condition::Refers(type_name) => refers(value, type_name),
        Condition::Extension(url) => list(value, "extension")
            .iter()
            .any(|extension| extension.get("url").and_then(|found| found.as_str()) == Some(url)),
        Condition::Position(wanted) => position == *wanted,
    }
}

/// Whether a Reference is to a type of resource, as far as it says itself: by its type or by its literal reference.
/// One that says neither, only an identifier, may be.
fn refers(value: &Value, type_name: &str) -> bool {
    let written = |name: &str| value.get(name).and_then(|text| text.as_str());
    if let Some(stated) = written("type") {
        return stated == type_name;
    }
    match written("reference").or_else(|| value.as_str()) {
        Some(reference) => reference_type(reference) == Some(type_name),
        None => value.get("identifier").is_some(),
    }
}

/// The type of resource a literal reference names: `Patient` of `Patient/1`, of `http://a/b/Patient/1` and of
/// `Patient/1/_history/2`; none for `urn:` and `#` references.
pub fn reference_type(reference: &str) -> Option<&str> {
    let reference = reference.split_once("/_history/").map_or(reference, |(reference, _)| reference);
    let (head, _) = reference.rsplit_once('/')?;
    let name = head.rsplit_once('/').map_or(head, |(_, name)| name);
    super::expression::starts_upper(name).then_some(name)
}
