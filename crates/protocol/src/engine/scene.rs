//! What conditions and activities look at: the record around one run, gathered as far as an expression asks for it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fhir::path::{Environment, Expression, Item, Node, Resolver};
use fhir::{Error, Value, definitions, json};
use jiff::Timestamp;
use jiff::tz::Offset;
use lru::LruCache;
use parking_lot::Mutex;
use record::{Key, ResourceType, SearchRequest, Session, tree};
use sonic_rs::JsonValueTrait;

use crate::run::Run;
use crate::{Protocol, task};

/// Expressions kept parsed.
const PARSED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(4_096).expect("it is not 0");

/// Expressions that were parsed before.
pub(super) struct Expressions(Mutex<LruCache<String, Expression>>);

impl Default for Expressions {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(PARSED)))
    }
}

impl Expressions {
    pub(super) fn get(&self, text: &str) -> Result<Expression, Error> {
        if let Some(known) = self.0.lock().get(text) {
            return Ok(known.clone());
        }
        let parsed = Expression::parse(text)?;
        self.0.lock().put(text.to_owned(), parsed.clone());
        Ok(parsed)
    }
}

/// Whether an expression names a variable. One that only seems to costs a read more.
pub(super) fn names(expression: &str, variable: &str) -> bool {
    expression.match_indices('%').any(|(at, _)| {
        let rest = expression[at + 1..].trim_start_matches(['\'', '`']);
        rest.strip_prefix(variable)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    })
}

/// The key of a reference to a resource of this record, or to one version of it.
pub(super) fn key(reference: &str) -> Option<Key> {
    Key::of(reference.split_once("/_history/").map_or(reference, |(name, _)| name))
}

/// What an expression begins at where there is nothing else.
static NOTHING: LazyLock<Value> = LazyLock::new(Value::new_object);

/// Resources as they will be once a transaction is through, by reference.
pub(super) type Pending = BTreeMap<String, Value>;

/// What an expression may be about besides what the run names.
#[derive(Default)]
pub(super) struct About<'a> {
    /// The response that was given just now.
    pub(super) response: Option<&'a Value>,
    /// The resource that was written just now.
    pub(super) resource: Option<&'a Value>,
    /// What this transaction writes besides.
    pub(super) pending: Option<&'a Pending>,
}

/// Resources by reference.
#[derive(Default)]
struct Shelf(BTreeMap<String, Value>);

impl Resolver for Shelf {
    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.get(reference)
    }
}

/// The variables of some expressions, and what they begin at.
pub(super) struct Scene {
    variables: Vec<(String, Vec<Value>)>,
    parties: Vec<(String, Value)>,
    base: Option<Value>,
    /// What `resolve()` finds, by reference.
    shelf: Shelf,
    now: Timestamp,
    zone: Offset,
}

impl Scene {
    /// Gathers what the expressions name. They begin at the resource that was written, or else at the focus of the run,
    /// or else at its patient.
    ///
    /// The variables: `%patient`, `%focus`, `%run` (the root Task), `%response` (given now, or else last), `%resource`
    /// (written now), each `data` of the protocol, each activity's code for what it made last, and each role's code for
    /// the Reference it is bound to.
    pub(super) async fn gather(
        session: &Session,
        protocol: &Protocol,
        run: &Run,
        frame: &task::Frame,
        about: About<'_>,
        expressions: &[&str],
        now: i64,
    ) -> Result<Self, Error> {
        let wanted = |variable: &str| expressions.iter().any(|expression| names(expression, variable));
        let read = async |reference: Option<&str>| read(session, about.pending, reference).await;
        let mut variables = Vec::new();
        let focus = read(run.focus.as_deref()).await?;
        if wanted("patient") || (focus.is_none() && about.resource.is_none()) {
            variables.push(("patient".to_owned(), read(run.patient.as_deref()).await?.into_iter().collect()));
        }
        let patient = variables.first().and_then(|(_, values): &(String, Vec<Value>)| values.first()).cloned();
        let base = about.resource.cloned().or_else(|| focus.clone()).or(patient);
        variables.push(("focus".to_owned(), focus.into_iter().collect()));
        if wanted("run") {
            variables.push(("run".to_owned(), vec![task::root(protocol, run, frame, &[])?]));
        }
        if wanted("response") {
            let given = match about.response {
                Some(response) => Some(response.clone()),
                None => read(run.steps.iter().rev().find_map(|work| work.response.as_deref())).await?,
            };
            variables.push(("response".to_owned(), given.into_iter().collect()));
        }
        for activity in protocol.activities.iter().filter(|activity| wanted(&activity.code)) {
            let made = run.made.get(activity.code.as_str()).map(String::as_str);
            variables.push((activity.code.to_string(), read(made).await?.into_iter().collect()));
        }
        for data in protocol.data.iter().filter(|data| wanted(&data.code)) {
            variables.push((data.code.to_string(), search(session, run, &data.query).await?));
        }
        let bound = protocol.roles.iter().filter(|role| wanted(&role.code));
        let bound = bound.filter_map(|role| Some((role.code.to_string(), run.party(protocol, &role.code)?)));
        let mut parties = Vec::new();
        for (role, party) in bound {
            parties.push((role, tree::resource(&task::party(party))?));
        }
        let now = Timestamp::from_microsecond(now).map_err(Error::fault)?;
        Ok(Self { variables, parties, base, shelf: Shelf::default(), now, zone: frame.zone })
    }

    /// Makes a variable known besides.
    pub(super) fn put(&mut self, name: &str, values: Vec<Value>) {
        self.variables.push((name.to_owned(), values));
    }

    /// Lets `resolve()` find a resource.
    pub(super) fn shelve(&mut self, reference: &str, resource: Value) {
        self.shelf.0.insert(reference.to_owned(), resource);
    }

    /// What an expression gives, handed to a reader while it is there.
    pub(super) fn evaluate<T>(
        &self,
        expression: &Expression,
        read: impl FnOnce(Vec<Item<'_>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let base = self.base.as_ref().unwrap_or(&NOTHING);
        read(expression.evaluate(base, &self.environment(base))?)
    }

    /// The rows of a table: what the columns give on each thing that an expression finds.
    pub(super) fn table<T>(
        &self,
        each: &Expression,
        columns: &[Expression],
        read: impl Fn(usize, Vec<Item<'_>>) -> T,
    ) -> Result<Vec<Vec<T>>, Error> {
        let base = self.base.as_ref().unwrap_or(&NOTHING);
        let environment = self.environment(base);
        let row = |item: Item<'_>| {
            let cells = columns.iter().enumerate();
            cells.map(|(at, column)| Ok(read(at, column.evaluate_on(item.clone(), &environment)?))).collect()
        };
        each.evaluate(base, &environment)?.into_iter().map(row).collect()
    }

    fn environment<'s>(&'s self, base: &'s Value) -> Environment<'s> {
        let r4 = definitions::r4();
        let mut environment = Environment::new(r4).of(base).at(self.now, self.zone).resolving(&self.shelf);
        for (name, values) in &self.variables {
            let items = values.iter().map(|value| Item::Node(Node::resource(r4, value))).collect();
            environment = environment.with(name, items);
        }
        if let Some(type_) = r4.type_("Reference") {
            for (name, value) in &self.parties {
                environment = environment.with(name, vec![Item::Node(Node::element(Some(value), None, type_))]);
            }
        }
        environment
    }

    /// Whether a condition holds; none when it is not known yet.
    pub(super) fn holds(&self, expression: &Expression) -> Result<Option<bool>, Error> {
        self.evaluate(expression, |items| match items.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.as_bool().unwrap_or(true))),
            _ => Err(Error::invalid("A condition of the protocol gives more than one value.")),
        })
    }
}

/// A resource as it will be once the transaction is through, or as it is stored.
pub(super) async fn read(
    session: &Session,
    pending: Option<&Pending>,
    reference: Option<&str>,
) -> Result<Option<Value>, Error> {
    let Some(reference) = reference else { return Ok(None) };
    if let Some(value) = pending.and_then(|pending| pending.get(reference)) {
        return Ok(Some(value.clone()));
    }
    let Some(key) = key(reference) else { return Ok(None) };
    let found = session.read(&key).await?.and_then(|version| version.body);
    found.map(|body| json::parse(&body)).transpose()
}

/// What a search of the protocol finds, at most one page of it.
async fn search(session: &Session, run: &Run, query: &str) -> Result<Vec<Value>, Error> {
    let id = |reference: &Option<String>| {
        let reference = reference.as_deref().unwrap_or_default();
        reference.split_once('/').map_or("", |(_, id)| id).to_owned()
    };
    let query = query.replace("{patient}", &id(&run.patient)).replace("{focus}", &id(&run.focus));
    let request = request(&query.replace("{run}", &run.id))?;
    let page = session.search(&request).await?;
    page.matches.into_iter().filter_map(|version| version.body).map(|body| json::parse(&body)).collect()
}

/// A search as it is written in protocols: `Type?name=value&…`.
pub(super) fn request(query: &str) -> Result<SearchRequest, Error> {
    let (type_, parameters) = query.split_once('?').unwrap_or((query, ""));
    let parameters = SearchRequest::parameters_of(parameters)?;
    Ok(SearchRequest { type_: Some(ResourceType::parse(type_)?), compartment: None, parameters, strict: true })
}

/// The instant a FHIRPath result names, in microseconds since 1970; of a date its beginning.
pub(super) fn instant(item: &Item<'_>, zone: Offset) -> Option<i64> {
    fhir::time::parse(&item.to_text()?, zone).map(|span| span.lo)
}

/// The text of a FHIRPath result that is a Reference or a string, such as `Organization/o1`.
pub(super) fn referenced(items: &[Item<'_>]) -> Option<crate::run::Party> {
    let item = items.first()?;
    if let Some(text) = item.as_text() {
        return Some(crate::run::Party { reference: text.to_string(), display: None });
    }
    let value = item.node()?.value()?;
    task::party_of(value).or_else(|| {
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let reference = format!("{}/{}", text("resourceType")?, text("id")?);
        Some(crate::run::Party { reference, display: None })
    })
}
