//! The registry: every search parameter of every type, compiled.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::Offset;
use rustc_hash::{FxBuildHasher, FxHashMap};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::expression::{self, Move, Parsed, Step, Way};
use super::extract::{Computed, Entry, Plan, Reader};
use super::names::Part;
use super::own::OwnAddresses;
use crate::definitions::{self, Definitions, ParamKind};
use crate::json::Value;
use crate::path::Expression;
use crate::{Category, Error, IssueCode};

/// The position of a parameter in its [`Registry`]. It may differ from one version of the software to the next, so
/// a store keeps `type.code` and maps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(u32);

impl ParamId {
    /// The same as an index into [`Registry::all`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A search parameter of one resource type.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its position in the registry.
    pub id: ParamId,
    /// The concrete type of resource.
    pub type_name: &'static str,
    /// The name a query uses. A derived parameter, which only the index knows, has a colon in it: `identifier:of-type`,
    /// `subject:identifier`, `code-value-string:2`.
    pub code: Arc<str>,
    /// What its values look like.
    pub kind: ParamKind,
    /// The canonical URL of its definition.
    pub url: Arc<str>,
    /// For a reference, the concrete types it may point at.
    pub targets: Vec<&'static str>,
    /// For a composite, its components in order.
    pub components: Vec<Component>,
    /// Whether one resource has at most one such value.
    pub single: bool,
    /// Whether `a,b` is allowed.
    pub multiple_or: bool,
    /// Whether the parameter may repeat.
    pub multiple_and: bool,
    /// Whether some value is a name of a person, so that a query is spelled out with [`super::spellings`].
    pub of_names: bool,
    /// Whether some value is a canonical URL rather than a literal reference.
    pub canonical: bool,
    /// Whether a value singles out few resources: an identifier, a telephone number, a name.
    pub identifying: bool,
    /// Whether there are only a handful of values: flags, and codes of a fixed list such as a status.
    pub coarse: bool,
}

impl Param {
    /// Whether a query may name it.
    pub fn is_public(&self) -> bool {
        !self.code.contains(':')
    }

    /// Whether the index has rows for it. The rest is answered otherwise: `_id` and `_lastUpdated` by the store itself,
    /// composites by their components, and special ones not at all.
    pub fn is_indexed(&self) -> bool {
        !matches!(self.kind, ParamKind::Composite | ParamKind::Special)
            && !matches!(&*self.code, "_id" | "_lastUpdated")
    }
}

/// A component of a composite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// The parameter whose rows it is matched on.
    pub param: ParamId,
    /// Whether a row of any group fits, because the component lies outside the composite's base element.
    pub across: bool,
}

/// All search parameters of all resource types.
#[derive(Clone)]
pub struct Registry {
    definitions: &'static Definitions,
    zone: Offset,
    own: OwnAddresses,
    params: Vec<Param>,
    types: FxHashMap<&'static str, TypeEntry>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("params", &self.params.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct TypeEntry {
    params: Vec<ParamId>,
    by_code: FxHashMap<Arc<str>, ParamId>,
    home: Option<ParamId>,
    /// The parameters that look at the same element as the home.
    homes: Vec<ParamId>,
    plan: Plan,
}

/// The references by which resources stand in a strict hierarchy, from the lower to the higher: those that R4 marks with
/// the extension `structuredefinition-hierarchy`. A CarePlan is also based on others and replaces others; what it is a
/// part of is its hierarchy here. <http://hl7.org/fhir/R4/extension-structuredefinition-hierarchy.html>
const HIERARCHIES: [(&str, &str); 4] =
    [("CarePlan", "part-of"), ("Encounter", "part-of"), ("Location", "partof"), ("Organization", "partof")];

/// What a parameter is defined as, official or custom.
struct Source<'s> {
    url: &'s str,
    code: &'s str,
    kind: ParamKind,
    bases: Vec<&'s str>,
    expression: Option<&'s str>,
    targets: Vec<&'s str>,
    components: Vec<(&'s str, &'s str)>,
    multiple_or: bool,
    multiple_and: bool,
}

impl Registry {
    /// The official parameters of R4. Times written without an offset are taken to be local to `zone`.
    pub fn base(zone: Offset) -> Self {
        let sources: Vec<Source<'_>> = definitions::r4().search_parameters().iter().map(official).collect();
        Self::compile(zone, &[&sources]).expect("a test compiles every official definition")
    }

    /// The official parameters and these, which are `SearchParameter` resources. The ids of the official ones stay.
    ///
    /// Refused are definitions that lack what they need, name an unknown type, repeat the code of another parameter,
    /// or have an expression outside the language understood; the error names the element.
    /// A definition with the URL of an official one is passed over: that one stands already.
    pub fn with_custom(&self, custom: &[Value]) -> Result<Self, Error> {
        let official: Vec<Source<'_>> = self.definitions.search_parameters().iter().map(official).collect();
        let mut added = Vec::with_capacity(custom.len());
        for resource in custom {
            let source = read(self.definitions, resource)?;
            if !official.iter().any(|known| known.url == source.url) {
                added.push(source);
            }
        }
        Ok(Self::compile(self.zone, &[&official, &added])?.known_as(self.own.clone()))
    }

    /// The same parameters, for a service that is known under these addresses: a reference by one of them is extracted
    /// in its relative form, `Patient/1`, as what is written so is.
    pub fn known_as(mut self, own: OwnAddresses) -> Self {
        self.own = own;
        self
    }

    /// The addresses under which the service is known.
    pub fn own(&self) -> &OwnAddresses {
        &self.own
    }

    /// A parameter of a type, `_id` and the like included.
    pub fn param(&self, resource_type: &str, code: &str) -> Option<&Param> {
        self.types.get(resource_type)?.by_code.get(code).map(|&id| self.at(id))
    }

    /// The parameter with this id, which must come from this registry.
    pub fn at(&self, id: ParamId) -> &Param {
        &self.params[id.index()]
    }

    /// Every parameter of every type, derived ones included, in the order of their ids.
    pub fn all(&self) -> &[Param] {
        &self.params
    }

    /// The parameters of a type, derived ones included.
    pub fn params(&self, resource_type: &str) -> impl Iterator<Item = &Param> {
        self.types.get(resource_type).into_iter().flat_map(|entry| &entry.params).map(|&id| self.at(id))
    }

    /// The rows of a resource in the index, each once. Nothing for a type R4 does not have.
    ///
    /// <http://hl7.org/fhir/R4/search.html>
    pub fn extract<'a>(&self, resource: &'a Value) -> Vec<Entry<'a>> {
        let resource_type = resource.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default();
        match self.types.get(resource_type) {
            Some(entry) => entry.plan.run(self.definitions, self.zone, &self.own, resource),
            None => Vec::new(),
        }
    }

    /// The reference that says to which one patient a resource of this type belongs: of the parameters that put it
    /// into the Patient compartment, one that has at most one value, `patient` before `subject` before others.
    ///
    /// None for `Patient` itself, for types outside the compartment, and for those that may belong to several.
    pub fn home(&self, resource_type: &str) -> Option<&Param> {
        self.types.get(resource_type)?.home.map(|id| self.at(id))
    }

    /// Whether a parameter looks at the very element that [`Registry::home`] does, so that where its value is a
    /// patient, that patient is the one the resource belongs to.
    pub fn leads_home(&self, param: ParamId) -> bool {
        self.types.get(self.at(param).type_name).is_some_and(|entry| entry.homes.contains(&param))
    }

    /// The reference by which resources of a type stand in a strict hierarchy, from the lower to the higher.
    /// <http://hl7.org/fhir/R4/references.html#circular>
    pub fn hierarchy(&self, resource_type: &str) -> Option<&Param> {
        let (_, code) = HIERARCHIES.iter().find(|(name, _)| *name == resource_type)?;
        self.param(resource_type, code).filter(|param| param.kind == ParamKind::Reference)
    }

    /// Whether a reference may lead into a hierarchy, so that a search by it takes `:above` and `:below`.
    /// <http://hl7.org/fhir/R4/search.html#recursive>
    pub fn is_hierarchical(&self, param: &Param) -> bool {
        param.kind == ParamKind::Reference && param.targets.iter().any(|target| self.hierarchy(target).is_some())
    }

    /// The zone of times written without an offset.
    pub fn zone(&self) -> Offset {
        self.zone
    }

    /// Compiles lists of definitions one after the other, so that a later list does not move the ids of an earlier one.
    fn compile(zone: Offset, lists: &[&[Source<'_>]]) -> Result<Self, Error> {
        let definitions = definitions::r4();
        let mut compiler = Compiler {
            definitions,
            registry: Self {
                definitions,
                zone,
                own: OwnAddresses::default(),
                params: Vec::new(),
                types: FxHashMap::default(),
            },
            ways: Vec::new(),
        };
        for (at, list) in lists.iter().enumerate() {
            for source in list.iter().filter(|source| source.kind != ParamKind::Composite) {
                compiler.add(source)?;
            }
            // Components refer to other parameters by URL, so composites come last.
            for source in list.iter().filter(|source| source.kind == ParamKind::Composite) {
                compiler.add_composite(source, &lists[..=at])?;
            }
        }
        Ok(compiler.finish())
    }
}

fn official(parameter: &'static definitions::SearchParameter) -> Source<'static> {
    Source {
        url: parameter.url,
        code: parameter.code,
        kind: parameter.kind,
        bases: parameter.bases.clone(),
        expression: parameter.expression,
        targets: parameter.targets.clone(),
        components: parameter.components.clone(),
        multiple_or: parameter.multiple_or,
        multiple_and: parameter.multiple_and,
    }
}

fn read<'v>(definitions: &Definitions, resource: &'v Value) -> Result<Source<'v>, Error> {
    let text = |name: &str| resource.get(name).and_then(|text| text.as_str());
    let needed = |name: &str| text(name).filter(|text| !text.is_empty()).ok_or_else(|| refused(name, "is missing"));
    let texts = |name: &str| -> Vec<&'v str> {
        let list = resource.get(name).and_then(|list| list.as_array());
        list.into_iter().flat_map(|list| list.iter()).filter_map(|item| item.as_str()).collect()
    };
    let code = needed("code")?;
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) || code.starts_with('_') {
        return Err(refused("code", "may hold letters, digits, `-` and `_`, and may not begin with `_`"));
    }
    let bases = texts("base");
    if bases.is_empty() {
        return Err(refused("base", "is missing"));
    }
    if let Some(base) = bases.iter().find(|base| !definitions.is_subtype(base, "Resource")) {
        return Err(refused("base", &format!("names `{base}`, which is no type of resource")));
    }
    let kind = ParamKind::parse(needed("type")?)
        .filter(|kind| *kind != ParamKind::Special)
        .ok_or_else(|| refused("type", "is not one that can be indexed"))?;
    let components = resource.get("component").and_then(|list| list.as_array());
    let flag = |name: &str| resource.get(name).and_then(|flag| flag.as_bool()).unwrap_or(true);
    Ok(Source {
        url: needed("url")?,
        code,
        kind,
        bases,
        expression: Some(needed("expression")?),
        targets: texts("target"),
        components: components
            .into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|component| {
                Some((component.get("definition")?.as_str()?, component.get("expression")?.as_str()?))
            })
            .collect(),
        multiple_or: flag("multipleOr"),
        multiple_and: flag("multipleAnd"),
    })
}

fn refused(element: &str, what: &str) -> Error {
    let text = format!("The search parameter's {element} {what}.");
    Error::new(Category::Unprocessable, IssueCode::NotSupported, text).at(format!("SearchParameter.{element}"))
}

struct Compiler {
    definitions: &'static Definitions,
    registry: Registry,
    /// By parameter id, what it was compiled to; and whether it is a component of a composite.
    ways: Vec<(Vec<(Way, Reader)>, bool)>,
}

impl Compiler {
    fn add(&mut self, source: &Source<'_>) -> Result<(), Error> {
        let Some(text) = source.expression else {
            return Ok(());
        };
        let Ok(parsed) = expression::parse(text) else { return self.add_computed(source, text) };
        for resource_type in self.concrete(&source.bases) {
            let id = self.declare(resource_type, source.code, source)?;
            let Some(id) = id else { continue };
            match &parsed {
                Parsed::Nodes(paths) => {
                    let ways = paths.iter().flat_map(|path| expression::compile(self.definitions, resource_type, path));
                    self.fill(id, ways.collect());
                }
                Parsed::Truth(path) => {
                    let ways = expression::compile(self.definitions, resource_type, path);
                    self.ways[id.index()].0 = ways.into_iter().map(|way| (way, Reader::Truth)).collect();
                    self.registry.params[id.index()].coarse = true;
                    self.registry.types.entry(resource_type).or_default().plan.truths.push(id);
                }
            }
            if self.ways[id.index()].0.is_empty() && self.registry.at(id).is_indexed() {
                return Err(refused("expression", &format!("finds nothing of its kind in {resource_type}")));
            }
            self.derive(id, source)?;
        }
        Ok(())
    }

    /// Adds a parameter whose expression goes beyond the small language, for the evaluator to find its values.
    fn add_computed(&mut self, source: &Source<'_>, text: &str) -> Result<(), Error> {
        let unfit = |error: Error| refused("expression", &format!("cannot be used: {error}"));
        let expression = Expression::parse(text).map_err(unfit)?;
        for resource_type in self.concrete(&source.bases) {
            expression.check(self.definitions, resource_type).map_err(unfit)?;
            let Some(param) = self.declare(resource_type, source.code, source)? else { continue };
            let computed = Computed { param, kind: source.kind, expression: expression.clone() };
            self.registry.types.entry(resource_type).or_default().plan.computed.push(computed);
        }
        Ok(())
    }

    /// The concrete types of these bases.
    fn concrete(&self, bases: &[&str]) -> Vec<&'static str> {
        let types = self.definitions.resource_types().iter().copied();
        types.filter(|name| bases.iter().any(|base| self.definitions.is_subtype(name, base))).collect()
    }

    /// Enters a parameter; none when the type has the code from an earlier official definition.
    fn declare(
        &mut self,
        resource_type: &'static str,
        code: &str,
        source: &Source<'_>,
    ) -> Result<Option<ParamId>, Error> {
        let entry = self.registry.types.entry(resource_type).or_default();
        if let Some(known) = entry.by_code.get(code) {
            let known = &self.registry.params[known.index()];
            if *known.url == *source.url || source.url.starts_with("http://hl7.org/fhir/SearchParameter/") {
                return Ok(None);
            }
            return Err(refused("code", &format!("`{code}` is taken on {resource_type} by {}", known.url)));
        }
        let id = ParamId(u32::try_from(self.registry.params.len()).expect("there are a few thousand parameters"));
        let code: Arc<str> = code.into();
        entry.params.push(id);
        entry.by_code.insert(code.clone(), id);
        let mut targets = self.concrete(&source.targets);
        if source.kind == ParamKind::Reference && targets.is_empty() {
            targets = self.definitions.resource_types().to_vec();
        }
        self.registry.params.push(Param {
            id,
            type_name: resource_type,
            code,
            kind: source.kind,
            url: source.url.into(),
            targets,
            components: Vec::new(),
            single: false,
            multiple_or: source.multiple_or,
            multiple_and: source.multiple_and,
            of_names: false,
            canonical: false,
            identifying: false,
            coarse: false,
        });
        self.ways.push((Vec::new(), false));
        Ok(Some(id))
    }

    /// Gives a parameter its ways, each with how it is read.
    fn fill(&mut self, id: ParamId, ways: Vec<Way>) {
        let (kind, code) = (self.registry.at(id).kind, self.registry.at(id).code.clone());
        let mut read = Vec::new();
        for way in &ways {
            let Some(mut reader) = Reader::new(self.definitions, kind, way.leaf) else { continue };
            if let (Reader::Code(system), Some(codes), "code", ParamKind::Token) =
                (&mut reader, way.codes, way.leaf, kind)
            {
                *system = system_of(self.definitions, codes);
            }
            read.push((way.clone(), reader));
            // People know neither how a name's sound is coded nor would its pinyin help there.
            if kind == ParamKind::String && &*code != "phonetic" {
                read.extend(sounds_of(way));
            }
        }
        let param = &mut self.registry.params[id.index()];
        param.single = ways.len() == 1 && ways[0].single;
        param.of_names = read.iter().any(|(_, reader)| matches!(reader, Reader::Sounds(_)));
        param.canonical = read.iter().any(|(_, reader)| matches!(reader, Reader::Canonical));
        // `where(resolve() is Patient)` leaves patients only, whatever else the definition lists.
        let narrowed: Option<Vec<&str>> = ways.iter().map(Way::refers).collect();
        if let Some(narrowed) = narrowed.filter(|names| !names.is_empty()) {
            param.targets.retain(|target| narrowed.contains(target));
        }
        param.identifying =
            param.of_names || all(&read, |reader| matches!(reader, Reader::Identifier | Reader::Contact));
        param.coarse = all(&read, |reader| matches!(reader, Reader::Flag | Reader::Code(Some(_))));
        self.ways[id.index()].0 = read;
    }

    /// Adds what the index needs for the modifiers `:of-type` and `:identifier`.
    fn derive(&mut self, id: ParamId, source: &Source<'_>) -> Result<(), Error> {
        let other = |reader: &Reader| match reader {
            Reader::Identifier => Some((Reader::IdentifierOfType, "of-type")),
            Reader::Reference => Some((Reader::ReferenceIdentifier, "identifier")),
            _ => None,
        };
        let ways = &self.ways[id.index()].0;
        let Some(modifier) = ways.iter().find_map(|(_, reader)| other(reader)).map(|(_, modifier)| modifier) else {
            return Ok(());
        };
        let derived: Vec<_> = ways.iter().filter_map(|(way, reader)| Some((way.clone(), other(reader)?.0))).collect();
        let resource_type = self.registry.at(id).type_name;
        if let Some(at) = self.declare(resource_type, &format!("{}:{modifier}", source.code), source)? {
            let param = &mut self.registry.params[at.index()];
            param.kind = ParamKind::Token;
            param.targets.clear();
            param.identifying = true;
            self.ways[at.index()].0 = derived;
        }
        Ok(())
    }

    fn add_composite(&mut self, source: &Source<'_>, lists: &[&[Source<'_>]]) -> Result<(), Error> {
        let parse = |text: &str| match expression::parse(text) {
            Ok(Parsed::Nodes(paths)) => Ok(paths),
            Ok(Parsed::Truth(_)) => Err(refused("expression", "of a composite is a list of elements")),
            Err(problem) => Err(refused("expression", &format!("cannot be used: {problem}"))),
        };
        let Some(text) = source.expression else { return Ok(()) };
        let bases = parse(text)?;
        if source.components.len() < 2 {
            return Err(refused("component", "is fewer than two"));
        }
        for resource_type in self.concrete(&source.bases) {
            let Some(id) = self.declare(resource_type, source.code, source)? else { continue };
            let mut components = Vec::new();
            for (position, (url, text)) in source.components.iter().enumerate() {
                let definition = lists
                    .iter()
                    .flat_map(|list| list.iter())
                    .find(|found| found.url == *url && found.kind != ParamKind::Composite)
                    .ok_or_else(|| refused("component", &format!("refers to {url}, which is not known")))?;
                let paths = parse(text)?;
                let across = matches!(paths[0].first(), Some(Step::Child(name)) if name == "%resource");
                let whole: Vec<Vec<Step>> = if across {
                    paths.iter().map(|path| path[1..].to_vec()).collect()
                } else {
                    bases
                        .iter()
                        .flat_map(|base| paths.iter().map(move |path| [base.as_slice(), path].concat()))
                        .collect()
                };
                let ways: Vec<Way> =
                    whole.iter().flat_map(|path| expression::compile(self.definitions, resource_type, path)).collect();
                let param = self.component(resource_type, definition, source, position + 1, ways)?;
                self.ways[param.index()].1 = true;
                components.push(Component { param, across });
            }
            self.registry.params[id.index()].components = components;
            let entry = self.registry.types.entry(resource_type).or_default();
            for way in bases.iter().flat_map(|base| expression::compile(self.definitions, resource_type, base)) {
                if matches!(way.moves.last(), Some(Move::Member(_, true))) {
                    entry.plan.group(&way.moves);
                }
            }
        }
        Ok(())
    }

    /// The parameter whose rows a component is matched on: the one it refers to if that finds the same values, and
    /// otherwise one derived for the purpose.
    fn component(
        &mut self,
        resource_type: &'static str,
        definition: &Source<'_>,
        composite: &Source<'_>,
        position: usize,
        ways: Vec<Way>,
    ) -> Result<ParamId, Error> {
        let wanted: Vec<&Way> =
            ways.iter().filter(|way| Reader::new(self.definitions, definition.kind, way.leaf).is_some()).collect();
        let known = self.registry.types[resource_type].by_code.get(definition.code).copied();
        if let Some(known) = known.filter(|&known| *self.registry.at(known).url == *definition.url) {
            let has = &self.ways[known.index()].0;
            let same = has.len() == wanted.len()
                && wanted.iter().all(|way| has.iter().any(|(found, _)| found.moves == way.moves));
            if same {
                return Ok(known);
            }
        }
        let derived = Source {
            url: composite.url,
            code: composite.code,
            bases: Vec::new(),
            targets: definition.targets.clone(),
            components: Vec::new(),
            expression: None,
            ..*definition
        };
        let id = self
            .declare(resource_type, &format!("{}:{position}", composite.code), &derived)?
            .expect("a composite is declared once on a type, so its components are new");
        self.fill(id, ways);
        Ok(id)
    }

    fn finish(self) -> Registry {
        let Self { definitions, mut registry, ways, .. } = self;
        let elements: Vec<Option<Vec<Move>>> = ways.iter().map(|(ways, _)| element(ways)).collect();
        for (param, (ways, grouped)) in registry.params.iter().zip(ways) {
            let entry = registry.types.get_mut(param.type_name).expect("a parameter is entered under its type");
            if param.is_indexed() {
                for (way, reader) in ways {
                    entry.plan.add(&way, param.id, reader, grouped);
                }
            }
        }
        let homes: Vec<_> = registry.types.keys().map(|&name| (name, home(definitions, &registry, name))).collect();
        for (name, home) in homes {
            let entry = registry.types.entry(name).or_default();
            entry.home = home;
            if let Some(home) = home {
                let params = entry.params.iter().copied();
                let is_same = |param: &ParamId| elements[param.index()] == elements[home.index()];
                entry.homes =
                    params.filter(|param| is_same(param) && registry.params[param.index()].is_public()).collect();
            }
        }
        registry
    }
}

/// The code system of a value set whose codes all come from one.
///
/// A registry is compiled anew whenever a parameter is added, and reading value sets is most of that work, so what was
/// found is kept for the life of the process; the definitions never change.
fn system_of(definitions: &Definitions, value_set: &'static str) -> Option<Cow<'static, str>> {
    static KNOWN: Mutex<FxHashMap<&str, Option<Cow<'static, str>>>> = Mutex::new(FxHashMap::with_hasher(FxBuildHasher));
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let system = known.entry(value_set).or_insert_with(|| {
        let parsed = crate::json::parse(definitions.value_set(value_set)?.as_bytes()).ok()?;
        let included = parsed.get("compose")?.get("include")?;
        let mut systems = included.as_array()?.iter().map(|include| include.get("system").and_then(|url| url.as_str()));
        let first = systems.next()??;
        systems.all(|system| system == Some(first)).then(|| Cow::Owned(first.to_owned()))
    });
    system.clone()
}

/// The additional way by which the sound of a Chinese name is found, for a parameter on names or on a part of them.
fn sounds_of(way: &Way) -> Option<(Way, Reader)> {
    if way.leaf == "HumanName" {
        return Some((way.clone(), Reader::Sounds(Part::Whole)));
    }
    let (Move::Member(member, _), rest) = way.moves.split_last()? else { return None };
    let part = match (way.parent, member.as_str()) {
        ("HumanName", "family") => Part::Family,
        ("HumanName", "given") => Part::Given,
        _ => return None,
    };
    Some((Way { moves: rest.to_vec(), leaf: "HumanName", ..way.clone() }, Reader::Sounds(part)))
}

/// The one element a parameter looks at, whatever conditions are put on it; none when there are several.
fn element(ways: &[(Way, Reader)]) -> Option<Vec<Move>> {
    let [(way, _)] = ways else { return None };
    Some(way.moves.iter().filter(|step| matches!(step, Move::Member(..))).cloned().collect())
}

fn all(ways: &[(Way, Reader)], is: impl Fn(&Reader) -> bool) -> bool {
    !ways.is_empty() && ways.iter().all(|(_, reader)| is(reader))
}

fn home(definitions: &Definitions, registry: &Registry, resource_type: &str) -> Option<ParamId> {
    let compartment = definitions.compartments().iter().find(|compartment| compartment.code == "Patient")?;
    let members = compartment.params_of(resource_type);
    if members.is_empty() || resource_type == "Patient" {
        return None;
    }
    ["patient", "subject"].iter().chain(members).find_map(|code| {
        let param = registry.param(resource_type, code)?;
        (param.kind == ParamKind::Reference && param.single && param.targets.contains(&"Patient")).then_some(param.id)
    })
}
