//! Resources that match. <http://hl7.org/fhir/R4/search.html>
//!
//! A search is read into a [`query::Query`] once, which no database can be seen in; the names in it are looked up;
//! a [`plan::Plan`] says at which index it begins; and each statement of the plan is written once for both databases.

mod branch;
mod include;
mod known;
mod matches;
mod page;
mod parse;
mod plan;
mod query;
mod settle;
mod sql;
mod value;

use std::borrow::Cow;

use fhir::definitions::ParamKind;
use fhir::search::{Entry, Param, ParamId, Registry};
use fhir::{Category, Error, IssueCode};

use crate::access;
use crate::access::sight::Sight;
use crate::store::names::indexed;
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools, reads};
use crate::{Key, Record, ResourceType, Session, Version};
use known::Known;
use page::{Cursor, Held, Then};
use parse::{CURSOR, Reading, Scope};
pub(crate) use parse::{encode, pairs};
use plan::{FEW, Plan, Stream};
use query::{Criterion, Query, Sought, Table, Test};
use sql::Writer;

/// A search as it was asked.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The type searched; `None` for all types or those of `_type`.
    pub type_: Option<ResourceType>,
    /// Only within this compartment, such as `Patient/1`.
    pub compartment: Option<Key>,
    /// The parameters, percent-decoded, in the order given.
    pub parameters: Vec<(String, String)>,
    /// Refuse parameters that are not known (`Prefer: handling=strict`) rather than leave them out.
    pub strict: bool,
}

impl SearchRequest {
    /// A search of one type, which fails on parameters that are not known.
    pub fn of(type_: &str, parameters: &[(&str, String)]) -> Result<Self, Error> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Ok(Self { type_: Some(ResourceType::parse(type_)?), compartment: None, parameters, strict: true })
    }

    /// The query of its self link where these search parameters are known: what of it is understood. It asks no record,
    /// so that any text can be tried.
    pub fn understood(&self, registry: &Registry, now: i64) -> Result<String, Error> {
        let limits = crate::Limits::default();
        let reading = Reading { registry, limits: &limits, now, strict: self.strict };
        let compartment = self.compartment.as_ref().map(|key| (key.type_.name(), key.id.as_str()));
        let scope = Scope { type_name: self.type_.map(ResourceType::name), compartment };
        Ok(parse::query(&reading, scope, &self.parameters)?.understood)
    }

    /// The parameters of a query string, such as [`SearchPage::next`]: percent-decoded, in the order given.
    pub fn parameters_of(query: &str) -> Result<Vec<(String, String)>, Error> {
        parse::pairs(query)
    }
}

/// Whether searches are made by a parameter. Those defined in words alone, such as `near`, are not known, and what is
/// asked of the trail is less than what R4 has for AuditEvents.
pub fn is_offered(param: &Param) -> bool {
    let is_known = param.kind != ParamKind::Special && param.is_public();
    is_known && crate::audit::event::is_asked_by(param).unwrap_or(true)
}

/// A page of results.
#[derive(Debug, Clone)]
pub struct SearchPage {
    /// What matched, in order.
    pub matches: Vec<Version>,
    /// What `_include` and `_revinclude` added, each once and none that is also a match.
    pub included: Vec<Version>,
    /// How many match on all pages, where it was asked for.
    pub total: Option<u64>,
    /// The parameters that were understood, percent-encoded: the query of the self link.
    pub understood: String,
    /// The query of the next page, when there is one.
    pub next: Option<String>,
    /// `_summary` as asked, one of `true`, `text`, `data`, `count`, `false`.
    pub summary: Option<String>,
    /// `_elements` as asked.
    pub elements: Vec<String>,
    /// What the caller should know: parameters that were left out, includes that were cut short.
    pub warnings: Vec<fhir::Issue>,
}

/// A search page by page, from [`Session::pages`]. Each page is asked for when it is wanted.
pub struct Pages {
    session: Session,
    /// What is asked for next; none after the last page.
    next: Option<SearchRequest>,
}

impl Pages {
    pub(crate) fn new(session: Session, request: SearchRequest) -> Self {
        Self { session, next: Some(request) }
    }

    /// The next page; none after the last.
    pub async fn next(&mut self) -> Result<Option<SearchPage>, Error> {
        let Some(request) = &mut self.next else { return Ok(None) };
        let page = self.session.search(request).await?;
        match &page.next {
            Some(query) => request.parameters = SearchRequest::parameters_of(query)?,
            None => self.next = None,
        }
        Ok(Some(page))
    }

    /// All that matches on this page and those after it.
    pub async fn matches(mut self) -> Result<Vec<Version>, Error> {
        let mut found = Vec::new();
        while let Some(page) = self.next().await? {
            found.extend(page.matches);
        }
        Ok(found)
    }
}

/// A beginning with more candidates than this is not taken if there is another way.
const MANY: i64 = 2_000;

/// With fewer candidates than this every one is looked at, rather than all that comes first in an order.
const PLENTY: i64 = 20_000;

/// So many criteria are asked how many candidates they have.
const ASKED: usize = 3;

/// So many matches are read ahead when an order is read off an index.
const AHEAD: i64 = 1_000;

/// Runs a search and answers one page of it.
pub(crate) async fn run(record: &Record, request: &SearchRequest, sight: Option<&Sight>) -> Result<SearchPage, Error> {
    page_through(record, request, sight, &mut record.reader().await?).await
}

/// Runs a search and tells how the database went about each of its statements.
pub(crate) async fn explain(
    record: &Record,
    request: &SearchRequest,
    sight: Option<&Sight>,
) -> Result<Vec<String>, Error> {
    let mut rows = Explained { rows: record.reader().await?, plans: Vec::new() };
    page_through(record, request, sight, &mut rows).await?;
    Ok(rows.plans)
}

/// Has every statement explained before it is run.
struct Explained<R> {
    rows: R,
    plans: Vec<String>,
}

impl<R: Rows> Rows for Explained<R> {
    fn dialect(&self) -> Dialect {
        self.rows.dialect()
    }

    fn is_tentative(&self) -> bool {
        self.rows.is_tentative()
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        let (word, column) = match self.dialect() {
            Dialect::Sqlite => ("EXPLAIN QUERY PLAN", 3),
            Dialect::Postgres => ("EXPLAIN", 0),
        };
        let told = self.rows.rows(&format!("{word} {sql}"), arguments).await?;
        let steps: Vec<&str> = told.iter().map(|row| row.text(column)).collect::<Result<_, Error>>()?;
        self.plans.push(steps.join("\n"));
        self.rows.rows(sql, arguments).await
    }
}

async fn page_through<R: Rows>(
    record: &Record,
    request: &SearchRequest,
    sight: Option<&Sight>,
    rows: &mut R,
) -> Result<SearchPage, Error> {
    let (tools, catalog) = (record.tools(), record.catalog());
    let compartment = request.compartment.as_ref().map(|key| (key.type_.name(), key.id.as_str()));
    let scope = Scope { type_name: request.type_.map(ResourceType::name), compartment };
    let mut query = parse::query(&reading(tools, &catalog, request.strict), scope, &request.parameters)?;
    for param in query.params() {
        record.ensure_indexed(catalog.registry.at(param)).await?;
    }
    settle::criteria(rows, tools, &catalog, sight, &mut query.criteria).await?;
    let known = Known::gather(rows, tools, &query.criteria).await?;
    let plan = Plan::new(&catalog, &query.types, &query.criteria);
    if let (Some(sight), Some(patient)) = (sight, plan.patient.and_then(|patient| known.target(patient)))
        && !access::may_concern(rows, sight, patient, &query.types).await?
    {
        return Ok(blank(&query, (query.total || query.count_only).then_some(0)));
    }
    let mut search = Search { record, catalog: &catalog, known: &known, sight, query: &query, plan, rows };
    search.answer().await
}

/// A page without matches.
fn blank(query: &Query, total: Option<u64>) -> SearchPage {
    SearchPage {
        matches: Vec::new(),
        included: Vec::new(),
        total,
        understood: query.understood.clone(),
        next: None,
        summary: query.summary.clone(),
        elements: query.elements.clone(),
        warnings: query.warnings.clone(),
    }
}

/// What a conditional interaction asks for, from its percent-encoded query.
/// <http://hl7.org/fhir/R4/http.html#ccreate>
pub(crate) async fn condition(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    type_: ResourceType,
    query: &str,
) -> Result<Condition, Error> {
    let parameters = parse::pairs(query)?;
    let scope = Scope { type_name: Some(type_.name()), compartment: None };
    // A condition of which a part is left out would hold for more than was meant.
    let mut query = parse::query(&reading(tools, catalog, true), scope, &parameters)?;
    if query.criteria.is_empty() {
        let text = "A condition names at least one search parameter.";
        return Err(Error::new(Category::PreconditionFailed, IssueCode::Required, text));
    }
    settle::criteria(rows, tools, catalog, sight, &mut query.criteria).await?;
    Ok(Condition { types: query.types, criteria: query.criteria })
}

/// What a conditional interaction asks for.
#[derive(Debug)]
pub(crate) struct Condition {
    types: Vec<&'static str>,
    criteria: Vec<Criterion>,
}

impl Condition {
    /// The names of the stored resources that fulfil it, at most `most`.
    pub(crate) async fn keys(
        &self,
        rows: &mut impl Rows,
        tools: &Tools,
        catalog: &Catalog,
        sight: Option<&Sight>,
        most: usize,
    ) -> Result<Vec<Key>, Error> {
        let known = Known::gather(rows, tools, &self.criteria).await?;
        let plan = Plan::new(catalog, &self.types, &self.criteria);
        let mut writer = Writer::new(rows.dialect(), catalog, &known, sight, plan.shard);
        let sql = plan.page(&mut writer, None, &[], whole(most));
        let found = rows.rows(&sql, &writer.arguments).await?;
        let rids = first_column(&found)?;
        Ok(reads::by_rid(rows, &rids).await?.into_iter().map(|(_, version)| version.key).collect())
    }

    /// Of a condition that asks for codes, the parameters and the codes, one of which what fulfils it has.
    pub(crate) fn codes(&self) -> Option<(&[ParamId], Vec<Cow<'_, str>>)> {
        self.criteria.iter().find_map(|criterion| {
            let Criterion::Row(sought) = criterion else { return None };
            let codes = sought.tests.iter().map(|test| match test {
                Test::Token { code: Some(code), .. } => Some(indexed(code)),
                _ => None,
            });
            let codes: Vec<Cow<'_, str>> = codes.collect::<Option<_>>()?;
            (!codes.is_empty()).then_some((sought.params.as_slice(), codes))
        })
    }

    /// Whether a resource that is not stored yet fulfils it; none where only the record could say.
    pub(crate) fn holds(&self, key: &Key, entries: &[Entry<'_>]) -> Option<bool> {
        if !self.types.contains(&key.type_.name()) {
            return Some(false);
        }
        let each = || self.criteria.iter().map(|criterion| matches::holds(criterion, key, entries));
        if each().any(|held| held == Some(false)) { Some(false) } else { each().try_fold(true, |_, held| held) }
    }
}

fn reading<'r>(tools: &'r Tools, catalog: &'r Catalog, strict: bool) -> Reading<'r> {
    let now = tools.surroundings.clock.now();
    Reading { registry: &catalog.registry, limits: &tools.settings.limits, now, strict }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn first_column(rows: &[Row]) -> Result<Vec<i64>, Error> {
    rows.iter().map(|row| row.int(0)).collect()
}

/// One search under way.
struct Search<'s, R> {
    record: &'s Record,
    catalog: &'s Catalog,
    known: &'s Known,
    sight: Option<&'s Sight>,
    query: &'s Query,
    plan: Plan<'s>,
    rows: &'s mut R,
}

impl<R: Rows> Search<'_, R> {
    async fn answer(&mut self) -> Result<SearchPage, Error> {
        let query = self.query;
        let total = if query.total || query.count_only { Some(self.total().await?) } else { None };
        let mut page = blank(query, total);
        if query.count_only {
            return Ok(page);
        }
        let cursor = match &query.cursor {
            Some(text) => Some(Cursor::read(self.record, text).await?),
            None => None,
        };
        let (matches, next) =
            if query.sort.is_empty() { self.by_rid(cursor).await? } else { self.in_order(cursor).await? };
        if !query.includes.is_empty() {
            let tools = self.record.tools();
            let (included, all) =
                include::gather(self.rows, tools, self.catalog, self.sight, &query.includes, &matches).await?;
            page.included = included;
            if !all {
                let text = "More would belong on this page than one page may include, or it lies more steps away than \
                            includes are followed. Ask for what is missing by itself, or for fewer matches with _count.";
                page.warnings.push(fhir::Issue::warning(IssueCode::Incomplete, text));
            }
        }
        page.matches = matches.into_iter().map(|(_, version)| version).collect();
        page.next = next.map(|cursor| {
            let separator = if page.understood.is_empty() { "" } else { "&" };
            format!("{}{separator}{CURSOR}={cursor}", page.understood)
        });
        Ok(page)
    }

    async fn ask(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        self.rows.rows(sql, arguments).await
    }

    fn writer(&self) -> Writer<'_> {
        Writer::new(self.rows.dialect(), self.catalog, self.known, self.sight, self.plan.shard)
    }

    async fn total(&mut self) -> Result<u64, Error> {
        let mut writer = self.writer();
        let (sql, arguments) = (self.plan.count(&mut writer), writer.arguments);
        let counted = self.ask(&sql, &arguments).await?;
        let count = counted.first().map_or(Ok(0), |row| row.int(0))?;
        u64::try_from(count).map_err(Error::fault)
    }

    /// Begins the search where few candidates are. Whether there are many wherever it begins, so that another way may
    /// be better.
    ///
    /// How much a criterion singles out is a guess by its kind. What is open is little in a record and what one
    /// institution ever did is much, so where the guess finds many, the other criteria are asked.
    async fn begins_wide(&mut self) -> Result<bool, Error> {
        let first = self.plan.clone();
        if first.cost <= FEW || !self.is_wide(&first, MANY).await? {
            return Ok(false);
        }
        let mut others = first.otherwise();
        if others.is_empty() {
            return Ok(true);
        }
        others.truncate(ASKED);
        others.push(first);
        for most in [MANY, PLENTY] {
            for other in &others {
                if !self.is_wide(other, most).await? {
                    self.plan = other.clone();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn is_wide(&mut self, plan: &Plan<'_>, most: i64) -> Result<bool, Error> {
        let mut writer = self.writer();
        let (sql, arguments) = (plan.probe(&mut writer, most), writer.arguments);
        let counted = self.ask(&sql, &arguments).await?;
        Ok(counted.first().map_or(Ok(0), |row| row.int(0))? >= most)
    }

    /// A page in the order of rids.
    async fn by_rid(&mut self, cursor: Option<Cursor>) -> Result<(Vec<(i64, Version)>, Option<String>), Error> {
        let after = match cursor {
            None => None,
            Some(Cursor::After(rid)) => Some(rid),
            Some(Cursor::Held(_)) => return Err(Error::invalid("The link belongs to another search.").at("http._page")),
        };
        // Candidates that do not come in the order of rids must all be read for the first page.
        if self.plan.is_scattered() {
            if self.begins_wide().await? {
                self.plan = self.plan.in_order();
            }
        } else if self.query.criteria.len() > 1 {
            self.begins_wide().await?;
        }
        let count = self.query.count;
        let mut writer = self.writer();
        let sql = self.plan.page_of_versions(&mut writer, after, whole(count) + 1);
        let arguments = writer.arguments;
        let mut found = self.ask(&sql, &arguments).await?;
        let more = found.len() > count;
        found.truncate(count);
        let matches: Vec<(i64, Version)> =
            found.iter().map(|row| Ok((row.int(6)?, reads::version(row)?))).collect::<Result<_, Error>>()?;
        let next = match matches.last() {
            Some((rid, _)) if more => Some(Cursor::After(*rid).write(self.record, None, 0).await?),
            _ => None,
        };
        Ok((matches, next))
    }

    /// A page in the order asked for.
    async fn in_order(&mut self, cursor: Option<Cursor>) -> Result<(Vec<(i64, Version)>, Option<String>), Error> {
        let (mut held, mut fresh) = match cursor {
            None => (self.first_held().await?, true),
            Some(Cursor::Held(held)) => (held, false),
            Some(Cursor::After(_)) => {
                return Err(Error::invalid("The link belongs to another search.").at("http._page"));
            }
        };
        let before = self.query.cursor.as_deref();
        let (mut matches, mut taken, mut same) = (Vec::new(), 0, true);
        loop {
            while matches.len() < self.query.count && !held.rids.is_empty() {
                let wanted = (self.query.count - matches.len()).min(held.rids.len());
                let rids: Vec<i64> = held.rids.drain(..wanted).collect();
                taken += rids.len();
                let still = if fresh { rids } else { self.still(&rids).await? };
                matches.extend(reads::by_rid_on(self.rows, &still, self.plan.shard).await?);
            }
            if !held.rids.is_empty() || held.then == Then::End {
                break;
            }
            held = self.next_held(held.then).await?;
            (fresh, same) = (true, false);
        }
        let next = if held.rids.is_empty() {
            None
        } else {
            let before = before.filter(|_| same);
            Some(Cursor::Held(held).write(self.record, before, taken).await?)
        };
        Ok((matches, next))
    }

    /// Those that still match, in the same order.
    async fn still(&mut self, rids: &[i64]) -> Result<Vec<i64>, Error> {
        let mut writer = self.writer();
        let (sql, arguments) = (self.plan.verify(&mut writer, rids), writer.arguments);
        let found: rustc_hash::FxHashSet<i64> = first_column(&self.ask(&sql, &arguments).await?)?.into_iter().collect();
        Ok(rids.iter().copied().filter(|rid| found.contains(rid)).collect())
    }

    async fn first_held(&mut self) -> Result<Held, Error> {
        if let Some(stream) = Stream::of(self.catalog, self.query)
            && self.begins_wide().await?
        {
            return self.streamed(stream, None).await;
        }
        let most = self.record.settings().limits.sorted_max;
        let mut writer = self.writer();
        let sql = self.plan.sorted(&mut writer, &self.query.sort, whole(most) + 1);
        let arguments = writer.arguments;
        let rids = first_column(&self.ask(&sql, &arguments).await?)?;
        if rids.len() > most {
            let text =
                format!("More than {most} resources match, which is too many to put in this order; narrow it down.");
            return Err(Error::new(Category::Unprocessable, IssueCode::TooCostly, text).at("http._sort"));
        }
        Ok(Held { rids, then: Then::End })
    }

    async fn next_held(&mut self, then: Then) -> Result<Held, Error> {
        let Some(stream) = Stream::of(self.catalog, self.query) else { return Ok(Held::default()) };
        match then {
            Then::End => Ok(Held::default()),
            Then::Key(value, rid) => self.streamed(stream, Some((value, rid))).await,
            Then::Without(rid) => self.without(stream, rid).await,
        }
    }

    /// The next matches in the order of an index.
    async fn streamed(&mut self, stream: Stream, after: Option<(i64, i64)>) -> Result<Held, Error> {
        let mut writer = self.writer();
        let sql = self.plan.stream(&mut writer, stream, after, AHEAD);
        let arguments = writer.arguments;
        let found = self.ask(&sql, &arguments).await?;
        let mut rids = first_column(&found)?;
        let mut seen = rustc_hash::FxHashSet::default();
        rids.retain(|rid| seen.insert(*rid));
        let then = match (found.last(), stream) {
            (Some(last), _) if whole(found.len()) == AHEAD => Then::Key(last.int(1)?, last.int(0)?),
            (_, Stream::Updated { .. }) => Then::End,
            (_, Stream::Date { .. }) => Then::Without(-1),
        };
        Ok(Held { rids, then })
    }

    /// The next matches that have no date to be ordered by.
    async fn without(&mut self, stream: Stream, after: i64) -> Result<Held, Error> {
        let Stream::Date { param, .. } = stream else { return Ok(Held::default()) };
        let dated = Sought { table: Table::Date, params: vec![param], tests: Vec::new(), power: query::Power::Span };
        let undated = [Criterion::Not(Box::new(Criterion::Row(dated)))];
        let mut writer = self.writer();
        let sql = self.plan.page(&mut writer, Some(after), &undated, AHEAD);
        let arguments = writer.arguments;
        let rids = first_column(&self.ask(&sql, &arguments).await?)?;
        let then = match rids.last() {
            Some(last) if whole(rids.len()) == AHEAD => Then::Without(*last),
            _ => Then::End,
        };
        Ok(Held { rids, then })
    }
}
