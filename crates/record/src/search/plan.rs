//! Where a search begins, and the statements it becomes.
//!
//! Every statement starts at one index, whose rows are the candidates, and tests each candidate by its rid. What it
//! starts at is chosen by how few resources each criterion singles out, so that neither database has to guess.

use fhir::search::ParamId;

use super::query::{Criterion, Power, Query, Relation, SortBy, SortKey, Sought, System, Table, Test};
use super::sql::{NEVER, Writer};
use crate::store::Catalog;
use crate::store::names::shard_of;
use crate::store::value::Dialect;

/// What a row of candidates costs, roughly: how many of them there may be. The least is where the search begins.
pub(super) type Cost = u32;

/// Beginnings that cost no more than this have few enough candidates to look at all of them.
pub(super) const FEW: Cost = 15;

/// Beginnings that cost more than this are no better than reading the type in order.
const POOR: Cost = 800;

/// Alternatives are followed each by itself up to this many.
const UNITED: usize = 40;

/// A way to enumerate candidates.
struct Source {
    /// Tables and their names.
    from: String,
    /// The column that holds the candidate.
    rid: String,
    conditions: Vec<String>,
}

/// The criteria of a query, where they are entered, and the shard they are confined to.
#[derive(Clone)]
pub(super) struct Plan<'q> {
    criteria: &'q [Criterion],
    types: &'q [&'static str],
    /// The position of the criterion the search begins at; none when it reads the type in order.
    entry: Option<usize>,
    /// The position of the token criterion that is looked for within one patient.
    near: Option<usize>,
    /// What the beginning costs.
    pub(super) cost: Cost,
    /// The one patient searched, if there is one.
    pub(super) patient: Option<&'q str>,
    /// The shard of that patient.
    pub(super) shard: Option<i64>,
}

/// The order of a search that can be read off an index, and whether it descends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// By the time of the last version.
    Updated { descending: bool },
    /// By the beginning of a date of which a resource has at most one.
    Date { param: ParamId, descending: bool },
}

impl Stream {
    /// The stream that gives an order, if one does.
    pub(super) fn of(catalog: &Catalog, query: &Query) -> Option<Self> {
        let ([SortKey { by, descending }], [_]) = (query.sort.as_slice(), query.types.as_slice()) else { return None };
        match by {
            SortBy::Updated => Some(Self::Updated { descending: *descending }),
            SortBy::Param { table: Table::Date, params } => match params.as_slice() {
                [param] if catalog.registry.at(*param).single => {
                    Some(Self::Date { param: *param, descending: *descending })
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'q> Plan<'q> {
    /// Chooses where to begin.
    pub(super) fn new(catalog: &Catalog, types: &'q [&'static str], criteria: &'q [Criterion]) -> Self {
        let patient = criteria.iter().find_map(|criterion| home_patient(catalog, criterion));
        let shard = patient.map(|patient| i64::from(shard_of(patient)));
        let near = shard.and_then(|_| criteria.iter().position(|criterion| is_near(catalog, criterion)));
        let costs = criteria.iter().map(entry_cost).enumerate();
        let best = costs.min_by_key(|(_, cost)| *cost).filter(|(_, cost)| *cost < POOR);
        let (entry, cost) = match (near, best) {
            (Some(near), best) if best.is_none_or(|(_, cost)| cost > 5) => (Some(near), 5),
            (_, Some((at, cost))) => (Some(at), cost),
            (_, None) => (None, POOR),
        };
        Self { criteria, types, entry, near: near.filter(|near| entry == Some(*near)), cost, patient, shard }
    }

    /// The same search begun at each other criterion at which it could, the ones that seem narrowest first.
    pub(super) fn otherwise(&self) -> Vec<Self> {
        let costs = self.criteria.iter().map(entry_cost).enumerate();
        let mut others: Vec<(usize, Cost)> =
            costs.filter(|(at, cost)| *cost < POOR && Some(*at) != self.entry).collect();
        others.sort_by_key(|(_, cost)| *cost);
        let begun_at = |(at, cost)| Self { entry: Some(at), near: None, cost, ..*self };
        others.into_iter().map(begun_at).collect()
    }

    /// The same search, read in the order of the type instead.
    pub(super) fn in_order(&self) -> Self {
        Self { entry: None, near: None, cost: POOR, ..*self }
    }

    /// Whether the candidates do not come in the order of their rids.
    pub(super) fn is_scattered(&self) -> bool {
        let Some(at) = self.entry else { return false };
        match &self.criteria[at] {
            Criterion::Row(sought) => match sought.tests.as_slice() {
                [Test::Token { .. } | Test::Target(_) | Test::Exact { .. }] => sought.params.len() > 1,
                _ => true,
            },
            Criterion::Any(either) => !matches!(either.as_slice(), [Criterion::Row(_)]),
            _ => true,
        }
    }

    /// Counts the candidates, up to a bound.
    pub(super) fn probe(&self, writer: &mut Writer<'_>, most: i64) -> String {
        let source = self.source(writer);
        let most = writer.argument(most);
        let Source { from, conditions, .. } = source;
        format!("SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {} LIMIT {most}) p", conditions.join(" AND "))
    }

    /// The rids that match, each once and from `after` on in rising order, at most `limit`.
    pub(super) fn page(&self, writer: &mut Writer<'_>, after: Option<i64>, extra: &[Criterion], limit: i64) -> String {
        let Source { from, rid, mut conditions } = self.matching(writer, extra);
        let after = writer.argument(after.unwrap_or(-1));
        conditions.push(format!("{rid} > {after}"));
        let limit = writer.argument(limit);
        let (one, conditions) = (self.once(&from), conditions.join(" AND "));
        format!("SELECT {one}{rid} AS rid FROM {from} WHERE {conditions} ORDER BY {rid} LIMIT {limit}")
    }

    /// The same with the current version of each.
    pub(super) fn page_of_versions(&self, writer: &mut Writer<'_>, after: Option<i64>, limit: i64) -> String {
        let page = self.page(writer, after, &[], limit);
        let shard = writer.shard_of_own(true);
        let own = writer.dialect.resource_on("p.rid", "r", shard.as_deref());
        format!(
            "SELECT r.type, r.id, r.version, r.at, r.method, r.body, r.rid FROM ({page}) p \
             JOIN {own} ON r.rid = p.rid WHERE r.body IS NOT NULL ORDER BY p.rid"
        )
    }

    /// How many match.
    pub(super) fn count(&self, writer: &mut Writer<'_>) -> String {
        if self.entry.is_none() {
            writer.of_all();
        }
        let Source { from, rid, conditions } = self.matching(writer, &[]);
        format!("SELECT count(DISTINCT {rid}) FROM {from} WHERE {}", conditions.join(" AND "))
    }

    /// Those of the rids that match.
    pub(super) fn verify(&self, writer: &mut Writer<'_>, rids: &[i64]) -> String {
        let plan = self.in_order();
        let Source { from, rid, conditions } = plan.matching(writer, &[]);
        let among = writer.among(&rid, rids);
        format!("SELECT {rid} FROM {from} WHERE {among} AND {}", conditions.join(" AND "))
    }

    /// The rids that match in the order asked, at most `limit`.
    pub(super) fn sorted(&self, writer: &mut Writer<'_>, sort: &[SortKey], limit: i64) -> String {
        let Source { from, rid, conditions } = self.matching(writer, &[]);
        let one = self.once(&from);
        let matching = format!("SELECT {one}{rid} AS rid FROM {from} WHERE {}", conditions.join(" AND "));
        let (mut columns, mut order) = (String::new(), String::new());
        for (at, key) in sort.iter().enumerate() {
            let value = self.sort_value(writer, key);
            columns += &format!(", ({value}) AS k{at}");
            order += &format!("k{at} {} NULLS LAST, ", if key.descending { "DESC" } else { "ASC" });
        }
        let limit = writer.argument(limit);
        format!("SELECT m.rid{columns} FROM ({matching}) m ORDER BY {order}m.rid LIMIT {limit}")
    }

    /// The value a resource `m.rid` is ordered by: of several the least, or the greatest when the order descends.
    fn sort_value(&self, writer: &mut Writer<'_>, key: &SortKey) -> String {
        let x = writer.alias();
        let shard = writer.shard(&x, true);
        let (column, table, param) = match &key.by {
            SortBy::Id => ("id", "resource", String::new()),
            SortBy::Updated => ("at", "resource", String::new()),
            SortBy::Param { table, params } => {
                let column = match table {
                    Table::Token => "code",
                    Table::Reference => "target",
                    Table::Text => "folded",
                    Table::Date | Table::Quantity => "lo",
                };
                (column, table.name(), format!(" AND {}", writer.params(params, &x)))
            }
        };
        let least = if key.descending { "max" } else { "min" };
        let own = format!("FROM {table} {x} WHERE {x}.rid = m.rid{param}{shard}");
        // For the least of a bare column a database walks the index of that column from its end until it meets the
        // resource, which takes longer the more resources there are. The sign, or the offset, keeps it at the rows of
        // the resource.
        match writer.dialect {
            Dialect::Sqlite => format!("SELECT {least}(+{x}.{column}) {own}"),
            Dialect::Postgres => format!("SELECT {least}(v) FROM (SELECT {x}.{column} AS v {own} OFFSET 0) own"),
        }
    }

    /// Rids and what they are ordered by, from a place in the order on, at most `limit`. A rid may come twice.
    pub(super) fn stream(
        &self,
        writer: &mut Writer<'_>,
        stream: Stream,
        after: Option<(i64, i64)>,
        limit: i64,
    ) -> String {
        let x = writer.alias();
        let (from, column, mut conditions, descending) = match stream {
            Stream::Updated { descending } => {
                let conditions = vec![writer.types(self.types, &format!("{x}.type")), format!("{x}.body IS NOT NULL")];
                ("resource", "at", conditions, descending)
            }
            Stream::Date { param, descending } => ("date", "lo", vec![writer.params(&[param], &x)], descending),
        };
        for criterion in self.criteria {
            let holds = writer.holds(criterion, &format!("{x}.rid"), true);
            conditions.push(holds);
        }
        conditions.extend(writer.seen(&format!("{x}.rid"), self.types, true));
        let (sign, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some((value, rid)) = after {
            let (value, rid) = (writer.argument(value), writer.argument(rid));
            conditions.push(format!("({x}.{column}, {x}.rid) {sign} ({value}, {rid})"));
        }
        let (limit, conditions) = (writer.argument(limit), conditions.join(" AND "));
        format!(
            "SELECT {x}.rid, {x}.{column} FROM {from} {x} WHERE {conditions} \
             ORDER BY {x}.{column} {direction}, {x}.rid {direction} LIMIT {limit}"
        )
    }

    /// The candidates and every condition on them.
    fn matching(&self, writer: &mut Writer<'_>, extra: &[Criterion]) -> Source {
        let mut source = self.source(writer);
        for (at, criterion) in self.criteria.iter().enumerate() {
            if Some(at) != self.entry {
                let holds = writer.holds(criterion, &source.rid, true);
                source.conditions.push(holds);
            }
        }
        for criterion in extra {
            let holds = writer.holds(criterion, &source.rid, true);
            source.conditions.push(holds);
        }
        let seen = writer.seen(&source.rid, self.types, true);
        source.conditions.extend(seen);
        source
    }

    fn source(&self, writer: &mut Writer<'_>) -> Source {
        let entry = self.entry.map(|at| (at, &self.criteria[at]));
        match entry {
            Some((at, _)) if self.near == Some(at) => self.near_source(writer, at),
            Some((_, Criterion::Updated(tests))) => self.of_types(writer, tests),
            Some((_, criterion)) => source(writer, criterion, true),
            None => None,
        }
        .unwrap_or_else(|| self.of_types(writer, &[]).expect("a type can always be read in order"))
    }

    /// The resources of the types searched, or those of them last written at some time.
    fn of_types(&self, writer: &mut Writer<'_>, updated: &[Test]) -> Option<Source> {
        let x = writer.alias();
        let mut conditions = vec![format!("{x}.body IS NOT NULL")];
        let every = self.types.len() == fhir::definitions::r4().resource_types().len();
        if !every || !updated.is_empty() {
            conditions.push(writer.types(self.types, &format!("{x}.type")));
        }
        let mut index = String::new();
        if !updated.is_empty() {
            conditions.push(writer.updated(updated, &x));
            index = hint(writer, "resource_at");
        }
        confine(writer, &mut conditions, &x, true);
        Some(Source { from: format!("resource {x}{index}"), rid: format!("{x}.rid"), conditions })
    }

    /// Tokens within one patient.
    fn near_source(&self, writer: &mut Writer<'_>, at: usize) -> Option<Source> {
        let (Criterion::Row(sought), Some(shard)) = (&self.criteria[at], self.shard) else { return None };
        let x = writer.alias();
        let rows = writer.rows(sought, &x);
        let shard = writer.argument(shard);
        let conditions = vec![format!("{x}.near = 1"), format!("{x}.shard = {shard}"), rows];
        Some(Source { from: format!("tok {x}{}", hint(writer, "tok_near")), rid: format!("{x}.rid"), conditions })
    }

    /// A table with one row for each resource gives each once by itself.
    fn once(&self, from: &str) -> &'static str {
        if from.starts_with("resource ") { "" } else { "DISTINCT " }
    }
}

/// Binds a table to an index on SQLite, which has no statistics to choose by.
fn hint(writer: &Writer<'_>, index: &str) -> String {
    match writer.dialect {
        Dialect::Sqlite => format!(" INDEXED BY {index}"),
        Dialect::Postgres => String::new(),
    }
}

/// The patient a criterion confines the search to.
fn home_patient<'c>(catalog: &Catalog, criterion: &'c Criterion) -> Option<&'c str> {
    match criterion {
        // A compartment into which one reference alone puts a resource.
        Criterion::Any(either) => match either.as_slice() {
            [only] => home_patient(catalog, only),
            _ => None,
        },
        Criterion::Row(Sought { table: Table::Reference, params, tests, .. }) => match tests.as_slice() {
            [Test::Target(target)] if target.starts_with("Patient/") && !params.is_empty() => {
                params.iter().all(|param| catalog.registry.leads_home(*param)).then_some(target.as_str())
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_near(catalog: &Catalog, criterion: &Criterion) -> bool {
    let Criterion::Row(Sought { table: Table::Token, params, tests, .. }) = criterion else { return false };
    let systems = tests.iter().map(|test| match test {
        Test::Token { system, code: Some(_) } => Some(system),
        _ => None,
    });
    let systems: Option<Vec<&System>> = systems.collect();
    // Codes of several systems would be alternatives that an index cannot follow.
    let alike = systems.is_some_and(|systems| !systems.is_empty() && systems.windows(2).all(|pair| pair[0] == pair[1]));
    alike && params.iter().all(|param| catalog.near(*param))
}

/// What beginning at a criterion of the query itself costs.
fn entry_cost(criterion: &Criterion) -> Cost {
    match criterion {
        Criterion::Updated(tests) => tests.iter().map(breadth).max().unwrap_or_default() + 65,
        other => cost(other),
    }
}

/// How many candidates a criterion gives when the search begins at it; [`POOR`] or more when it should not.
fn cost(criterion: &Criterion) -> Cost {
    match criterion {
        Criterion::Any(either) if either.len() > UNITED => POOR,
        Criterion::Any(either) => either.iter().map(cost).max().map_or(0, |most| most.saturating_add(2)),
        Criterion::Not(_) => Cost::MAX,
        Criterion::Ids { .. } => 0,
        // Times of versions lie under the types searched, which only the whole plan knows.
        Criterion::Updated(_) => POOR,
        Criterion::Row(sought) => row_cost(sought),
        Criterion::Together(parts) => {
            parts.iter().find(|part| !part.across).or(parts.first()).map_or(POOR, |part| row_cost(&part.sought))
        }
        // Canonical references are followed only from the resources that have them.
        Criterion::Chain { urls, .. } if !urls.is_empty() => POOR,
        Criterion::Chain { rest, .. } | Criterion::Has { rest, .. } => match cost(rest) {
            cost if cost < POOR => cost + 12,
            poor => poor,
        },
    }
}

fn row_cost(sought: &Sought) -> Cost {
    if apart(sought).len() > UNITED {
        return POOR;
    }
    let widest = sought.tests.iter().map(breadth).max().unwrap_or(POOR);
    let base = match sought.power {
        Power::Distinct => 10,
        Power::Reference => 20,
        Power::Code => 40,
        Power::Span => 60,
        Power::Flag => 90,
    };
    base + widest
}

/// How much less a test singles out than a plain value does.
fn breadth(test: &Test) -> Cost {
    match test {
        Test::Token { code: Some(_), .. } | Test::Exact { .. } | Test::Target(_) => 0,
        Test::Prefix(text) | Test::Beginning(text) => {
            if text.chars().count() < 2 {
                60
            } else {
                4
            }
        }
        Test::Time { relation, .. } | Test::Number { relation, .. } => match relation {
            Relation::Equal | Relation::Near => 0,
            Relation::NotEqual => POOR,
            _ => 20,
        },
        Test::Token { code: None, .. } | Test::Contains(_) => POOR,
        Test::InValueSet(_) | Test::Below { .. } | Test::Above { .. } | Test::Branch { .. } | Test::Versions { .. } => {
            POOR
        }
    }
}

/// The candidates a criterion gives; none when it cannot be begun at.
fn source(writer: &mut Writer<'_>, criterion: &Criterion, own: bool) -> Option<Source> {
    match criterion {
        Criterion::Any(either) => {
            if let [only] = either.as_slice() {
                return source(writer, only, own);
            }
            let sources: Option<Vec<Source>> = either.iter().map(|criterion| source(writer, criterion, own)).collect();
            Some(united(writer, sources?))
        }
        Criterion::Not(_) => None,
        Criterion::Ids { types, ids } => {
            let x = writer.alias();
            let among = writer.among(&format!("{x}.rid"), &writer.known.ids(types, ids));
            let conditions = vec![among, format!("{x}.body IS NOT NULL")];
            Some(Source { from: format!("resource {x}"), rid: format!("{x}.rid"), conditions })
        }
        Criterion::Updated(_) => None,
        Criterion::Row(sought) => {
            let parts = apart(sought);
            let sources: Vec<Source> = parts.iter().map(|sought| row_source(writer, sought, own)).collect();
            Some(united(writer, sources))
        }
        Criterion::Together(parts) => {
            let (from, first, rows) = writer.together(parts);
            let mut conditions = vec![rows];
            confine(writer, &mut conditions, &first, own);
            Some(Source { from, rid: format!("{first}.rid"), conditions })
        }
        Criterion::Chain { params, types, rest, .. } => {
            let mut inner = source(writer, rest, false)?;
            inner.conditions.extend(writer.seen(&inner.rid, types, false));
            let x = writer.alias();
            let targets = select(&inner);
            let mut conditions = vec![
                format!("{x}.target IN ({targets})"),
                writer.params(params, &x),
                writer.types(types, &format!("{x}.ttype")),
            ];
            confine(writer, &mut conditions, &x, own);
            let index = hint(writer, "ref_value");
            Some(Source { from: format!("ref {x}{index}"), rid: format!("{x}.rid"), conditions })
        }
        Criterion::Has { types, params, urls, rest } if !urls.is_empty() => {
            let literal =
                Criterion::Has { types: types.clone(), params: params.clone(), urls: Vec::new(), rest: rest.clone() };
            let literal = source(writer, &literal, own)?;
            let x = writer.alias();
            let canonical = referred_by_url(writer, params, urls, rest);
            let canonical = Source {
                from: format!("({canonical}) {x}"),
                rid: format!("{x}.rid"),
                conditions: vec!["1 = 1".to_owned()],
            };
            Some(united(writer, vec![literal, canonical]))
        }
        Criterion::Has { types, params, rest, .. } => {
            let mut inner = source(writer, rest, false)?;
            inner.conditions.extend(writer.seen(&inner.rid, &writer.types_of(params), false));
            let (x, y) = (writer.alias(), writer.alias());
            let referring = select(&inner);
            let conditions = vec![
                format!("{x}.rid IN ({referring})"),
                writer.params(params, &x),
                writer.types(types, &format!("{x}.ttype")),
                // What is referred to need not be there, or there any more.
                format!("EXISTS (SELECT 1 FROM resource {y} WHERE {y}.rid = {x}.target AND {y}.body IS NOT NULL)"),
            ];
            Some(Source { from: format!("ref {x}"), rid: format!("{x}.target"), conditions })
        }
    }
}

/// The resources whose URL resources for which the rest holds refer to by one of these parameters.
///
/// A URL is found by the reference to it and not the other way round, so the statement begins at those who refer; the
/// order of its tables is written down for SQLite.
pub(super) fn referred_by_url(
    writer: &mut Writer<'_>,
    params: &[ParamId],
    urls: &[ParamId],
    rest: &Criterion,
) -> String {
    let types = writer.types_of(params);
    let mut referring = match cost(rest) {
        cost if cost < POOR => source(writer, rest, false),
        _ => None,
    }
    .unwrap_or_else(|| {
        let s = writer.alias();
        let of = writer.types(&types, &format!("{s}.type"));
        let holds = writer.holds(rest, &format!("{s}.rid"), false);
        let conditions = vec![of, format!("{s}.body IS NOT NULL"), holds];
        Source { from: format!("resource {s}"), rid: format!("{s}.rid"), conditions }
    });
    referring.conditions.extend(writer.seen(&referring.rid, &types, false));
    let (x, y, z) = (writer.alias(), writer.alias(), writer.alias());
    let (from, param, url) = (select(&referring), writer.params(params, &x), writer.params(urls, &z));
    format!(
        "SELECT {z}.rid AS rid FROM ({from}) r{x} CROSS JOIN ref {x} CROSS JOIN locator {y} CROSS JOIN tok {z} \
         WHERE {x}.rid = r{x}.rid AND {param} AND {x}.ttype = 0 AND {y}.rid = {x}.target AND {url} AND {z}.code = {y}.id"
    )
}

fn confine(writer: &mut Writer<'_>, conditions: &mut Vec<String>, table: &str, own: bool) {
    if let Some(condition) = writer.shard(table, own).strip_prefix(" AND ") {
        conditions.push(condition.to_owned());
    }
}

fn row_source(writer: &mut Writer<'_>, sought: &Sought, own: bool) -> Source {
    let x = writer.alias();
    let mut conditions = vec![writer.rows(sought, &x)];
    confine(writer, &mut conditions, &x, own);
    let index = match sought.table {
        Table::Token => hint(writer, "tok_value"),
        // With no target that is known there is nothing an index could be asked for.
        Table::Reference if conditions[0].contains(NEVER) => String::new(),
        Table::Reference => hint(writer, "ref_value"),
        Table::Text => hint(writer, "str_value"),
        Table::Date | Table::Quantity => String::new(),
    };
    Source { from: format!("{} {x}{index}", sought.table.name()), rid: format!("{x}.rid"), conditions }
}

/// The same rows in parts that each follow one stretch of an index.
fn apart(sought: &Sought) -> Vec<Sought> {
    let mut parts: Vec<Sought> = Vec::new();
    for test in &sought.tests {
        let joins = |part: &Sought| match (test, &part.tests[0]) {
            (Test::Token { system: one, code: Some(_) }, Test::Token { system: other, code: Some(_) }) => one == other,
            (Test::Target(_), Test::Target(_)) => true,
            _ => false,
        };
        match parts.iter_mut().find(|part| joins(part)) {
            Some(part) => part.tests.push(test.clone()),
            None => parts.push(Sought { tests: vec![test.clone()], ..sought.clone() }),
        }
    }
    if parts.is_empty() { vec![sought.clone()] } else { parts }
}

fn select(source: &Source) -> String {
    format!("SELECT {} AS rid FROM {} WHERE {}", source.rid, source.from, source.conditions.join(" AND "))
}

/// One source from several.
fn united(writer: &mut Writer<'_>, mut sources: Vec<Source>) -> Source {
    if sources.len() == 1 {
        return sources.remove(0);
    }
    if sources.is_empty() {
        return Source {
            from: "(SELECT -1 AS rid) none".to_owned(),
            rid: "none.rid".to_owned(),
            conditions: vec![NEVER.to_owned()],
        };
    }
    let x = writer.alias().replace('x', "u");
    let each: Vec<String> = sources.iter().map(select).collect();
    // The alternatives may overlap; whoever reads the candidates takes each once.
    Source {
        from: format!("({}) {x}", each.join(" UNION ALL ")),
        rid: format!("{x}.rid"),
        conditions: vec!["1 = 1".to_owned()],
    }
}

#[cfg(test)]
mod tests;
