//! A quick look at a rule: most hold because something is there or is not, which needs no evaluation.
//!
//! A rule is read down to its `and`, `or`, `implies` and `not`; what stands between them is understood when it asks
//! whether an element is there, compares one with a literal or puts two times in order. Anything else is unknown, and
//! a rule that stays unknown is left to FHIRPath. `total.empty() or type = 'searchset'` is thus settled for every
//! Bundle that has no total.

use std::cmp::Ordering;

use sonic_rs::{JsonValueTrait, Object};

use crate::definitions::TypeDef;

/// What was understood of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quick {
    /// Nothing.
    Unknown,
    /// The element is there.
    There(Element),
    /// The element, a primitive, has a value of its own besides extensions.
    HasValue(&'static str),
    /// There is something along a path that begins with the element.
    Along(Element),
    /// The element is this text.
    Is(&'static str, &'static str),
    /// The first is not later than the second.
    InOrder(&'static str, &'static str),
    Not(Box<Quick>),
    And(Vec<Quick>),
    Or(Vec<Quick>),
}

/// An element by its FHIRPath name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    name: &'static str,
    is_choice: bool,
}

impl Element {
    fn is_in(&self, object: &Object) -> bool {
        object.iter().any(|(key, _)| {
            let key = key.strip_prefix('_').unwrap_or(key);
            match key.strip_prefix(self.name) {
                Some("") => !self.is_choice,
                Some(rest) => self.is_choice && rest.starts_with(|letter: char| letter.is_ascii_uppercase()),
                None => false,
            }
        })
    }
}

impl Quick {
    /// Reads a rule whose focus is of this type.
    pub(super) fn read(rule: &'static str, definition: &TypeDef) -> Self {
        let rule = unwrapped(rule.trim());
        if let Some((left, right)) = halves(rule, " implies ") {
            return Self::Or(vec![Self::read(left, definition).negated(), Self::read(right, definition)]);
        }
        if halves(rule, " xor ").is_some() {
            return Self::Unknown;
        }
        for (operator, join) in [(" or ", Self::Or as fn(Vec<Self>) -> Self), (" and ", Self::And)] {
            let parts = split(rule, operator);
            if parts.len() > 1 {
                return join(parts.into_iter().map(|part| Self::read(part, definition)).collect());
            }
        }
        Self::atom(rule, definition)
    }

    fn negated(self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            other => Self::Not(Box::new(other)),
        }
    }

    fn atom(rule: &'static str, definition: &TypeDef) -> Self {
        if let Some(name) = rule.strip_suffix(".hasValue()") {
            return plain(name, definition).map_or(Self::Unknown, |_| Self::HasValue(name));
        }
        if let Some(inner) = rule.strip_suffix(".not()") {
            return Self::read(inner, definition).negated();
        }
        for (operator, is_equal) in [("!=", false), ("=", true)] {
            if let Some((left, right)) = rule.split_once(operator) {
                let (left, right) = (left.trim(), right.trim());
                let literal = right.strip_prefix('\'').and_then(|right| right.strip_suffix('\''));
                return match (plain(left, definition), literal) {
                    (Some(_), Some(literal)) if !literal.contains(['\'', '\\']) => {
                        let found = Self::Is(left, literal);
                        if is_equal { found } else { found.negated() }
                    }
                    _ => Self::ordered(rule, definition),
                };
            }
        }
        if let Some(path) = rule.strip_suffix(".empty()") {
            return Self::path(path, definition).negated();
        }
        rule.strip_suffix(".exists()").map_or(Self::Unknown, |path| Self::path(path, definition))
    }

    fn path(path: &'static str, definition: &TypeDef) -> Self {
        let head = path.split(['.', '(', '[', ' ']).next().unwrap_or(path);
        let Some(element) = definition.element(head) else { return Self::Unknown };
        let element = Element { name: element.name, is_choice: element.is_choice };
        if head == path {
            return Self::There(element);
        }
        // These find nothing in nothing; `count()` or `not()`, say, would find something.
        let mut calls =
            path.split('(').rev().skip(1).map(|before| before.rsplit(['.', '(', ' ']).next().unwrap_or(before));
        let keeps_empty = path[head.len()..].starts_with('.')
            && calls.all(|name| matches!(name, "where" | "select" | "first" | "exists" | "intersect" | ""))
            && split(path, " | ").len() == 1;
        if keeps_empty { Self::Along(element) } else { Self::Unknown }
    }

    fn ordered(rule: &'static str, definition: &TypeDef) -> Self {
        let times = |text: &'static str| {
            plain(text.trim(), definition).filter(|kind| matches!(*kind, "dateTime" | "date" | "instant"))
        };
        match rule.split_once("<=") {
            Some((left, right)) if times(left).is_some() && times(right).is_some() => {
                Self::InOrder(left.trim(), right.trim())
            }
            _ => Self::Unknown,
        }
    }

    /// Whether the rule holds, when that can be seen.
    pub(super) fn holds(&self, object: &Object) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::There(element) => Some(element.is_in(object)),
            Self::HasValue(name) => Some(object.contains_key(name)),
            Self::Along(element) => (!element.is_in(object)).then_some(false),
            Self::Is(name, literal) => Some(object.get(name)?.as_str()? == *literal),
            Self::InOrder(left, right) => {
                let order = same_scale(object.get(left)?.as_str()?, object.get(right)?.as_str()?)?;
                Some(order != Ordering::Greater)
            }
            Self::Not(inner) => inner.holds(object).map(|holds| !holds),
            Self::And(parts) => all(parts, object, false),
            Self::Or(parts) => all(parts, object, true),
        }
    }
}

/// The parts joined so that one part which is `decisive` decides.
fn all(parts: &[Quick], object: &Object, decisive: bool) -> Option<bool> {
    let mut joined = Some(!decisive);
    for part in parts {
        match part.holds(object) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => joined = None,
        }
    }
    joined
}

/// The order of two times of the same precision in the same zone, whose text is in the same order.
fn same_scale(left: &str, right: &str) -> Option<Ordering> {
    if left.len() != right.len() {
        return None;
    }
    let (Some(left_time), Some(right_time)) = (left.get(11..), right.get(11..)) else { return Some(left.cmp(right)) };
    let zone = |time: &str| time.find(['Z', '+', '-']);
    let at = zone(left_time)?;
    (zone(right_time) == Some(at) && left_time[at..] == right_time[at..]).then(|| left.cmp(right))
}

/// The type of a single element that is named alone and is no choice.
fn plain(name: &str, definition: &TypeDef) -> Option<&'static str> {
    let element = definition.element(name)?;
    (!element.is_choice && !element.is_list()).then(|| element.types[0].code)
}

/// The text within parentheses that enclose the whole.
fn unwrapped(text: &'static str) -> &'static str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else { return text };
    // `(a) or (b)` begins and ends so too, but its first parenthesis closes earlier.
    let mut depth = 0_i32;
    for byte in outside_quotes(inner).map(|(_, byte)| byte) {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        if depth < 0 {
            return text;
        }
    }
    unwrapped(inner.trim())
}

fn halves(text: &'static str, operator: &str) -> Option<(&'static str, &'static str)> {
    match split(text, operator).as_slice() {
        [left, right] => Some((left, right)),
        _ => None,
    }
}

/// The parts between an operator that stands in no parentheses and no quotes.
fn split(text: &'static str, operator: &str) -> Vec<&'static str> {
    let (mut depth, mut from, mut parts) = (0_i32, 0, Vec::new());
    for (at, byte) in outside_quotes(text) {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        if depth == 0 && at >= from && text[at..].starts_with(operator) {
            parts.push(&text[from..at]);
            from = at + operator.len();
        }
    }
    parts.push(&text[from..]);
    parts
}

fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        let was_quoted = quoted;
        if escaped {
            escaped = false;
        } else if quoted && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'\'' {
            quoted = !quoted;
        }
        // A multi-byte character never begins an operator, and its bytes are no place to cut.
        !was_quoted && !quoted && byte.is_ascii()
    })
}

#[cfg(test)]
mod tests {
    use sonic_rs::JsonContainerTrait;

    use super::*;
    use crate::definitions::r4;

    fn look(type_name: &str, rule: &'static str, text: &str) -> Option<bool> {
        let definition = r4().type_(type_name).expect("the type is defined");
        let value = crate::json::parse(text.as_bytes()).expect("the case is JSON");
        Quick::read(rule, definition).holds(value.as_object().expect("the case is an object"))
    }

    #[test]
    fn what_is_there_or_not_settles_a_rule() {
        let rule = "dataAbsentReason.empty() or value.empty()";
        assert_eq!(look("Observation", rule, r#"{"valueString":"x"}"#), Some(true));
        assert_eq!(look("Observation", rule, r#"{"valueString":"x","dataAbsentReason":{}}"#), Some(false));
        assert_eq!(look("Observation", rule, r#"{"_valueString":{},"dataAbsentReason":{}}"#), Some(false));
        assert_eq!(look("Observation", rule, r#"{"dataAbsentReason":{}}"#), Some(true));
        assert_eq!(
            look("Timing.repeat", "duration.empty() or durationUnit.exists()", r#"{"durationUnit":"h"}"#),
            Some(true)
        );
    }

    #[test]
    fn one_side_that_decides_is_enough() {
        let rule = "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()";
        assert_eq!(look("Observation", rule, r#"{"component":[]}"#), Some(true));
        assert_eq!(look("Observation", rule, r#"{"valueString":"x"}"#), Some(true));
        assert_eq!(look("Observation", rule, r#"{"valueString":"x","component":[]}"#), None);
    }

    #[test]
    fn implication_negation_and_literals_are_understood() {
        let rule = "(type='group' implies item.empty().not()) and (type.trace('type')='display' implies item.trace('item').empty())";
        assert_eq!(look("Questionnaire.item", rule, r#"{"type":"group"}"#), Some(false));
        assert_eq!(
            look("Questionnaire.item", "type!='display' or code.empty()", r#"{"type":"group","code":[]}"#),
            Some(true)
        );
        assert_eq!(
            look("Questionnaire.item", "type!='display' or code.empty()", r#"{"type":"display","code":[]}"#),
            Some(false)
        );
        assert_eq!(look("Questionnaire.item", "type!='display' or code.empty()", r#"{"code":[]}"#), None);
    }

    #[test]
    fn times_are_compared_only_on_the_same_scale() {
        let rule = "start.hasValue().not() or end.hasValue().not() or (start <= end)";
        let period = |start: &str, end: &str| look("Period", rule, &format!(r#"{{"start":"{start}","end":"{end}"}}"#));
        assert_eq!(period("2026-01-01", "2026-01-02"), Some(true));
        assert_eq!(period("2026-01-01T00:00:00+08:00", "2026-01-01T00:00:01+08:00"), Some(true));
        assert_eq!(period("2026-01-01T00:00:00+08:00", "2026-01-01T00:00:01+09:00"), None);
        assert_eq!(period("2026-01", "2026-01-02"), None);
    }

    #[test]
    fn what_is_not_understood_stays_unknown() {
        assert_eq!(look("Questionnaire", "name.matches('[A-Z] or x')", r#"{"name":"A"}"#), None);
        assert_eq!(look("Organization", "(identifier.count() + name.count()) > 0", "{}"), None);
        assert_eq!(
            look(
                "Ratio",
                "(numerator.empty() xor denominator.exists()) and (numerator.exists() or extension.exists())",
                r#"{"numerator":{}}"#
            ),
            None
        );
        assert_eq!(
            look(
                "Goal.target",
                "(detail.exists() and measure.exists()) or detail.exists().not()",
                r#"{"detailString":"x"}"#
            ),
            Some(false)
        );
    }
}
