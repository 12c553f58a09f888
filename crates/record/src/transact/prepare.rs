//! From a change to rows, as far as that needs no database: validated, named, serialised, indexed.

use fhir::error::Severity;
use fhir::json::{self, Value};
use fhir::search::{IndexValue, ParamId};
use fhir::{Category, Error, Issue, IssueCode};
use rustc_hash::FxHashSet;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::access::facts::{Belongings, Derivation};
use crate::audit;
use crate::person::{self, Traits};
use crate::store::batch::{IndexRow, Pointer, Word};
use crate::store::names::{Address, Kind, Names, indexed, shard_of};
use crate::store::{Catalog, Tools};
use crate::transact::kept::kept_by;
use crate::transact::links::{Links, conditional_reference, each_reference};
use crate::transact::{Action, Change, Refusal, Target};
use crate::{Key, Method, ResourceType};

/// One resource to be written, ready but for its version and time.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The position of the change among those of its transaction.
    pub(crate) change: usize,
    pub(crate) key: Key,
    /// Whether the id was made just now.
    pub(crate) fresh: bool,
    pub(crate) if_match: Option<u64>,
    pub(crate) if_absent: bool,
    pub(crate) method: Method,
    /// What to store; `None` to delete.
    pub(crate) content: Option<Content>,
}

/// A resource as bytes, open where its version and time go, and what an index holds of it.
#[derive(Debug)]
pub(crate) struct Content {
    head: Vec<u8>,
    tail: Vec<u8>,
    pub(crate) shard: i32,
    pub(crate) rows: Vec<IndexRow>,
    pub(crate) belongings: Belongings,
    /// Whether this is a search parameter that is in force once it is stored.
    pub(crate) in_force: bool,
    /// The run that keeps it, when it is a Task of one.
    pub(crate) kept_by: Option<String>,
}

impl Content {
    /// The JSON of this version.
    pub(crate) fn json(&self, version: i64, at: i64) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.head.len() + self.tail.len() + 64);
        json.extend_from_slice(&self.head);
        json.extend_from_slice(version.to_string().as_bytes());
        json.extend_from_slice(br#"","lastUpdated":""#);
        json.extend_from_slice(fhir::time::instant(at).as_bytes());
        json.push(b'"');
        json.extend_from_slice(&self.tail);
        json
    }
}

/// The name of a resource as the locator holds it.
pub(crate) fn address_of(key: &Key) -> Address {
    Address { type_: key.type_.number(), id: key.id.as_str().into() }
}

/// Whether a transaction holds anything that must be looked up in the database before it can be prepared.
pub(crate) fn needs_lookup(changes: &[Change]) -> bool {
    changes.iter().any(|change| match &change.action {
        Action::Create { if_none_exist, resource } => if_none_exist.is_some() || has_conditional_reference(resource),
        Action::Update { target, resource, .. } => {
            matches!(target, Target::Query(..)) || has_conditional_reference(resource)
        }
        Action::Patch { .. } => true,
        Action::Delete { target, .. } => matches!(target, Target::Query(..)),
    })
}

/// A change that is decided: what is to stand under which name.
#[derive(Debug)]
pub(crate) struct Decided {
    /// The position of the change among those of its transaction.
    pub(crate) change: usize,
    pub(crate) key: Key,
    fresh: bool,
    pub(crate) full_url: Option<String>,
    if_match: Option<u64>,
    if_absent: bool,
    pub(crate) method: Method,
    /// What to store; `None` to delete.
    pub(crate) resource: Option<Value>,
}

/// Decides a concrete change: without conditions, and no patch.
pub(crate) fn decided(tools: &Tools, at: usize, change: Change) -> Result<Decided, Error> {
    let (key, fresh) = key_of(tools, &change)?;
    let (method, resource, if_match, if_absent) = match change.action {
        Action::Create { resource, .. } => (Method::Create, Some(resource), None, false),
        Action::Update { resource, if_match, if_absent, .. } => (Method::Update, Some(resource), if_match, if_absent),
        Action::Delete { if_match, .. } => (Method::Delete, None, if_match, false),
        Action::Patch { .. } => return Err(Error::fault("a patch was not applied before it was prepared")),
    };
    Ok(Decided { change: at, key, fresh, full_url: change.full_url, if_match, if_absent, method, resource })
}

/// Prepares changes of which none asks anything of the database.
pub(crate) fn prepare_all(tools: &Tools, catalog: &Catalog, changes: Vec<Change>) -> Result<Vec<Operation>, Refusal> {
    let each = changes.into_iter().enumerate();
    let decided = each.map(|(at, change)| decided(tools, at, change).map_err(refused(at)));
    let decided: Vec<Decided> = decided.collect::<Result<_, _>>()?;
    let mut links = Links::default();
    for one in &decided {
        if let Some(full_url) = &one.full_url {
            links.entry(full_url, &one.key);
        }
    }
    prepare(tools, catalog, decided, &links)
}

/// Prepares decided changes.
pub(crate) fn prepare(
    tools: &Tools,
    catalog: &Catalog,
    changes: Vec<Decided>,
    links: &Links,
) -> Result<Vec<Operation>, Refusal> {
    let mut operations = Vec::with_capacity(changes.len());
    for Decided { change, key, fresh, full_url, if_match, if_absent, method, resource } in changes {
        let content = match resource {
            Some(resource) => {
                let resource = links.applied(resource, full_url.as_deref()).map_err(refused(change))?;
                Some(content(tools, catalog, &key, &resource).map_err(refused(change))?)
            }
            None => None,
        };
        operations.push(Operation { change, key, fresh, if_match, if_absent, method, content });
    }
    refuse_twice(&operations)?;
    Ok(operations)
}

pub(crate) fn refused(at: usize) -> impl Fn(Error) -> Refusal {
    move |error| Refusal { change: Some(at), error }
}

/// "A resource can only appear in a transaction once." <http://hl7.org/fhir/R4/http.html#trules>
fn refuse_twice(operations: &[Operation]) -> Result<(), Refusal> {
    let mut seen = FxHashSet::default();
    match operations.iter().find(|operation| !seen.insert(&operation.key)) {
        Some(operation) => Err(refused(operation.change)(twice())),
        None => Ok(()),
    }
}

/// The refusal of a change of what the same transaction changes already.
pub(crate) fn twice() -> Error {
    let text = "A transaction may change a resource once; another entry changes this one already.";
    Error::new(Category::Invalid, IssueCode::Duplicate, text)
}

/// Entries are told apart by their `fullUrl`. <http://hl7.org/fhir/R4/bundle.html#bdl-7>
pub(crate) fn refuse_same_name(changes: &[Change]) -> Result<(), Refusal> {
    let mut seen = FxHashSet::default();
    match changes.iter().position(|change| change.full_url.as_deref().is_some_and(|full_url| !seen.insert(full_url))) {
        Some(at) => {
            let text = "Another entry of this transaction has the same fullUrl, so a reference could mean either.";
            Err(refused(at)(Error::new(Category::Invalid, IssueCode::Duplicate, text)))
        }
        None => Ok(()),
    }
}

fn key_of(tools: &Tools, change: &Change) -> Result<(Key, bool), Error> {
    match &change.action {
        Action::Create { resource, .. } => Ok((Key::new(type_of(resource)?, tools.surroundings.new_id()), true)),
        Action::Update { target: Target::Key(key), resource, .. } => {
            let type_ = type_of(resource)?;
            if type_ != key.type_ {
                let text = format!("The resource is a {type_}, but the request names {key}.");
                return Err(Error::invalid(text).at(format!("{type_}.resourceType")));
            }
            match resource.get("id").and_then(|id| id.as_str()) {
                Some(id) if id == key.id => {}
                Some(_) => {
                    let text = format!("The id in the resource differs from the one in the request, {}.", key.id);
                    return Err(Error::invalid(text).at(format!("{type_}.id")));
                }
                None => {
                    let text = "An update holds the id of the resource.";
                    return Err(Error::new(Category::Invalid, IssueCode::Required, text).at(format!("{type_}.id")));
                }
            }
            check_id(key)?;
            Ok((key.clone(), false))
        }
        Action::Delete { target: Target::Key(key), .. } | Action::Patch { target: Target::Key(key), .. } => {
            check_id(key)?;
            Ok((key.clone(), false))
        }
        Action::Update { .. } | Action::Delete { .. } | Action::Patch { .. } => {
            Err(Error::fault("a condition was not resolved before it was prepared"))
        }
    }
}

fn check_id(key: &Key) -> Result<(), Error> {
    if audit::is_on_the_trail(key) {
        let text = "Under ids that begin with “trail-” stands what the record's own trail tells; nobody writes there.";
        return Err(Error::new(Category::Forbidden, IssueCode::BusinessRule, text).at(format!("{}.id", key.type_)));
    }
    if Key::is_id(&key.id) {
        return Ok(());
    }
    let text = "An id has 1 to 64 letters, digits, dots and hyphens.";
    Err(Error::new(Category::Invalid, IssueCode::Value, text).at(format!("{}.id", key.type_)))
}

pub(crate) fn type_of(resource: &Value) -> Result<ResourceType, Error> {
    let name = resource.get("resourceType").and_then(|name| name.as_str());
    let name = name.ok_or_else(|| {
        let text = "A resource says its type in “resourceType”.";
        Error::new(Category::Invalid, IssueCode::Structure, text).at("Resource.resourceType")
    })?;
    ResourceType::named(name).ok_or_else(|| {
        let text = "“resourceType” does not name an R4 resource type.";
        Error::new(Category::Invalid, IssueCode::Value, text).at("Resource.resourceType")
    })
}

fn content(tools: &Tools, catalog: &Catalog, key: &Key, resource: &Value) -> Result<Content, Error> {
    if tools.settings.validate {
        let mut issues = tools.validator.check(resource);
        issues.retain(|issue| issue.severity == Severity::Error);
        if !issues.is_empty() {
            let category = category_of(&issues);
            return Err(Error::with_issues(category, issues));
        }
    }
    let in_force = key.type_.name() == "SearchParameter"
        && resource.get("status").and_then(|status| status.as_str()) == Some("active");
    if in_force {
        // What could not be searched by must not be stored as if it could.
        catalog.registry.with_custom(std::slice::from_ref(resource)).map_err(unprocessable)?;
    }
    let (head, tail) = serialise(key, resource);
    let Indexed { shard, rows, belongings } = indexed_as(tools, &tools.names, catalog, key, resource);
    let kept_by = kept_by(key.type_, resource);
    Ok(Content { head, tail, shard, rows, belongings, in_force, kept_by })
}

/// All that is kept of a resource besides its bytes.
pub(crate) struct Indexed {
    pub(crate) shard: i32,
    pub(crate) rows: Vec<IndexRow>,
    pub(crate) belongings: Belongings,
}

/// The shard a resource lives on, all that an index holds of it, and whose it is. `names` are those known by number.
pub(crate) fn indexed_as(tools: &Tools, names: &Names, catalog: &Catalog, key: &Key, resource: &Value) -> Indexed {
    let entries = catalog.registry.extract(resource);
    let home = catalog.registry.home(key.type_.name()).map(|param| param.id);
    let patient = entries.iter().find_map(|entry| match &entry.value {
        IndexValue::Reference { target } if Some(entry.param) == home && target.starts_with("Patient/") => {
            Some(shard_of(target))
        }
        _ => None,
    });
    let shard = patient.unwrap_or_else(|| shard_of(&key.to_string()));
    let (belongings, ties) = Derivation { rules: &tools.rules, names, catalog, key, resource }.run(&entries);
    let mut rows: Vec<IndexRow> = entries.into_iter().map(|entry| index_row(names, catalog, entry)).collect();
    if key.type_.name() == "Patient" {
        let param = catalog.person_keys();
        let row = |key: String| {
            let code = indexed(&key).into();
            IndexRow::Token { param, group: 0, system: Word::Number(0), code, near: false }
        };
        rows.extend(person::keys(&Traits::of(resource, &tools.settings.matching)).into_iter().map(row));
    }
    rows.extend(ties);
    Indexed { shard, rows, belongings }
}

/// What an index holds of a resource for one parameter.
pub(crate) fn index_rows(tools: &Tools, catalog: &Catalog, resource: &Value, param: ParamId) -> Vec<IndexRow> {
    let entries = catalog.registry.extract(resource).into_iter().filter(|entry| entry.param == param);
    entries.map(|entry| index_row(&tools.names, catalog, entry)).collect()
}

fn unprocessable(error: Error) -> Error {
    Error::with_issues(Category::Unprocessable, error.issues().to_vec())
}

/// What cannot be read as FHIR at all is a bad request; what can be read and breaks a rule is unprocessable.
/// <http://hl7.org/fhir/R4/http.html#create>
fn category_of(issues: &[Issue]) -> Category {
    let unreadable = issues.iter().any(|issue| issue.code == IssueCode::Structure);
    if unreadable { Category::Invalid } else { Category::Unprocessable }
}

fn index_row(names: &Names, catalog: &Catalog, entry: fhir::search::Entry<'_>) -> IndexRow {
    let param = catalog.number(entry.param);
    let group = i64::from(entry.group);
    let word = |system: Option<std::borrow::Cow<'_, str>>| match system {
        None => Word::Number(0),
        Some(system) => {
            let system = indexed(&system);
            names.word(Kind::System, &system).map_or_else(|| Word::Text(system.as_ref().into()), Word::Number)
        }
    };
    match entry.value {
        IndexValue::Token { system, code } => IndexRow::Token {
            param,
            group,
            system: word(system),
            code: indexed(&code).into(),
            near: catalog.near(entry.param),
        },
        IndexValue::Reference { target } => {
            let address = address(&target);
            let target_type = address.type_;
            let target = names.place(&address).map_or(Pointer::Name(address), |place| Pointer::Rid(place.rid));
            IndexRow::Reference { param, group, target, target_type }
        }
        IndexValue::Text { folded, exact } => {
            IndexRow::Text { param, group, folded: indexed(&folded).into(), exact: indexed(&exact).into() }
        }
        IndexValue::Date { lo, hi } => IndexRow::Date { param, group, lo, hi },
        IndexValue::Number { lo, hi } => {
            IndexRow::Quantity { param, group, lo, hi, system: Word::Number(0), code: "".into() }
        }
        IndexValue::Quantity { lo, hi, system, code } => IndexRow::Quantity {
            param,
            group,
            lo,
            hi,
            system: word(system),
            code: code.map_or_else(|| "".into(), |code| indexed(&code).into()),
        },
    }
}

/// The place a reference names: a resource of this record, or a URL.
pub(crate) fn address(reference: &str) -> Address {
    if let Some((type_, rest)) = reference.split_once('/')
        && let Some(type_) = ResourceType::named(type_)
    {
        let id = rest.split_once("/_history/").map_or(rest, |(id, _)| id);
        if Key::is_id(id) {
            return Address { type_: type_.number(), id: id.into() };
        }
    }
    Address { type_: 0, id: indexed(reference).into() }
}

/// The resource's bytes before and after the value of `meta.versionId`.
fn serialise(key: &Key, resource: &Value) -> (Vec<u8>, Vec<u8>) {
    let head = format!(r#"{{"resourceType":"{}","id":"{}","meta":{{"versionId":""#, key.type_, key.id).into_bytes();
    let mut tail = Vec::with_capacity(1_024);
    let kept = |object: &sonic_rs::Object, left_out: &[&str], tail: &mut Vec<u8>| {
        for (name, value) in object.iter().filter(|(name, _)| !left_out.contains(name)) {
            tail.push(b',');
            tail.extend_from_slice(&json::to_bytes(&Value::from(name)));
            tail.push(b':');
            tail.extend_from_slice(&json::to_bytes(value));
        }
        tail.push(b'}');
    };
    match resource.get("meta").and_then(|meta| meta.as_object()) {
        Some(meta) => kept(meta, &["versionId", "lastUpdated"], &mut tail),
        None => tail.push(b'}'),
    }
    if let Some(object) = resource.as_object() {
        kept(object, &["resourceType", "id", "meta"], &mut tail);
    }
    (head, tail)
}

fn has_conditional_reference(value: &Value) -> bool {
    let mut found = false;
    each_reference(value, &mut |reference| found |= conditional_reference(reference).is_some());
    found
}
