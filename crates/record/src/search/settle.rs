//! Tests that ask a terminology, settled into plain tokens before the search runs; those that ask a hierarchy of
//! references in [`branch`].
//! <http://hl7.org/fhir/R4/search.html#token>

use std::sync::Arc;

use fhir::terminology::{Request, Source, System as CodeSystem, Terminology};
use fhir::{Category, Error, IssueCode, Value, json};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::branch;
use super::known::Known;
use super::plan::Plan;
use super::query::{Criterion, Power, Sought, System, Table, Test};
use super::sql::Writer;
use crate::access::sight::Sight;
use crate::store::value::Rows;
use crate::store::{Catalog, Tools, reads};

/// The most codes one test may come to.
const CODES: usize = 10_000;

/// How often a value set may lead to further resources of the record.
const ROUNDS: usize = 10;

/// Replaces every test by a value set or a hierarchy in the criteria.
pub(super) async fn criteria(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    criteria: &mut [Criterion],
) -> Result<(), Error> {
    let mut sought = Vec::new();
    criteria.iter_mut().for_each(|criterion| each(criterion, &mut |found| sought.push(found)));
    for sought in &mut sought {
        if sought.tests.iter().any(branch::is_settled_here) {
            sought.tests = branch::settled(rows, tools, catalog, sight, &sought.tests).await?;
        }
    }
    sought.retain(|sought| sought.tests.iter().any(needs_terminology));
    if sought.is_empty() {
        return Ok(());
    }
    let stored = Stored::default();
    for round in 0.. {
        let settled: Result<Vec<Vec<Test>>, Error> =
            sought.iter().map(|sought| settled(&Terminology::new(&stored), &sought.tests)).collect();
        let missing = stored.missing();
        if missing.is_empty() || round == ROUNDS {
            for (sought, tests) in sought.into_iter().zip(settled?) {
                sought.tests = tests;
            }
            return Ok(());
        }
        // What the terminology asked for in vain may be stored here; then it is asked again.
        for (resource_type, url) in missing {
            let found = find(rows, tools, catalog, &resource_type, &url).await?;
            stored.0.lock().insert((resource_type, url), Some(found));
        }
    }
    Ok(())
}

fn each<'c>(criterion: &'c mut Criterion, visit: &mut impl FnMut(&'c mut Sought)) {
    match criterion {
        Criterion::Any(either) => either.iter_mut().for_each(|criterion| each(criterion, visit)),
        Criterion::Not(rest) | Criterion::Chain { rest, .. } | Criterion::Has { rest, .. } => each(rest, visit),
        Criterion::Ids { .. } | Criterion::Updated(_) => {}
        Criterion::Row(sought) => visit(sought),
        Criterion::Together(parts) => parts.iter_mut().for_each(|part| visit(&mut part.sought)),
    }
}

fn needs_terminology(test: &Test) -> bool {
    matches!(test, Test::InValueSet(_) | Test::Below { .. } | Test::Above { .. })
}

/// The same tests as tokens. A value set without codes leaves a test that nothing passes.
fn settled(terminology: &Terminology<'_>, tests: &[Test]) -> Result<Vec<Test>, Error> {
    let mut tokens = Vec::new();
    for test in tests {
        match test {
            Test::InValueSet(canonical) => {
                let value_set = terminology.value_set(canonical)?;
                let request = Request { most: CODES, ..Request::default() };
                for concept in terminology.expand(&value_set, &request)?.concepts {
                    let system = System::Is(concept.system.to_string());
                    tokens.push(Test::Token { system, code: Some(concept.code) });
                }
            }
            Test::Below { system, code } => tokens.extend(related(terminology, system.as_deref(), code, false)?),
            Test::Above { system, code } => tokens.extend(related(terminology, system.as_deref(), code, true)?),
            other => tokens.push(other.clone()),
        }
    }
    if tokens.is_empty() {
        tokens.push(Test::Token { system: System::Absent, code: None });
    }
    Ok(tokens)
}

/// The codes below a code, or above it, and the code itself.
fn related(terminology: &Terminology<'_>, system: Option<&str>, code: &str, above: bool) -> Result<Vec<Test>, Error> {
    let url = system.ok_or_else(|| {
        let text = "A search by :above or :below names the code system: system|code.";
        Error::new(Category::Invalid, IssueCode::Value, text)
    })?;
    let resource = terminology.code_system(url)?;
    let system = CodeSystem::new(&resource);
    let Some(start) = system.find(code) else { return Ok(Vec::new()) };
    let (mut found, mut next) = (vec![start], 0);
    while let Some(&at) = found.get(next) {
        let more: Vec<usize> = if above { system.parents(at).to_vec() } else { system.children(at).collect() };
        let new = more.into_iter().filter(|at| !found.contains(at)).collect::<Vec<_>>();
        found.extend(new);
        next += 1;
        if found.len() > CODES {
            let text = format!("The code has more than {CODES} others below or above it.");
            return Err(Error::new(Category::Unprocessable, IssueCode::TooCostly, text));
        }
    }
    let token =
        |at: &usize| Test::Token { system: System::Is(url.to_owned()), code: Some(system.code(*at).to_owned()) };
    Ok(found.iter().map(token).collect())
}

/// What the record has under a type and canonical URL.
type Found = Option<Arc<Value>>;

/// The terminology resources of the record that have been asked for; none for one that is still to be looked up.
#[derive(Default)]
struct Stored(Mutex<FxHashMap<(String, String), Option<Found>>>);

impl Stored {
    fn missing(&self) -> Vec<(String, String)> {
        self.0.lock().iter().filter(|(_, found)| found.is_none()).map(|(name, _)| name.clone()).collect()
    }
}

impl Source for Stored {
    fn find(&self, resource_type: &str, url: &str, _: Option<&str>) -> Result<Found, Error> {
        let mut asked = self.0.lock();
        Ok(asked.entry((resource_type.to_owned(), url.to_owned())).or_default().clone().flatten())
    }
}

/// The newest resource of the record with a canonical URL.
async fn find(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    resource_type: &str,
    url: &str,
) -> Result<Found, Error> {
    let Some(param) = catalog.registry.param(resource_type, "url") else { return Ok(None) };
    let test = Test::Token { system: System::Any, code: Some(fhir::search::key(url).to_owned()) };
    let sought = Sought { table: Table::Token, params: vec![param.id], tests: vec![test], power: Power::Distinct };
    let criteria = [Criterion::Row(sought)];
    let known = Known::gather(rows, tools, &criteria).await?;
    let types = [param.type_name];
    let plan = Plan::new(catalog, &types, &criteria);
    let mut writer = Writer::new(rows.dialect(), catalog, &known, None, None);
    let sql = plan.page(&mut writer, None, &[], 100);
    let found = rows.rows(&sql, &writer.arguments).await?;
    let rids: Vec<i64> = found.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    let newest = reads::by_rid(rows, &rids).await?.into_iter().max_by_key(|(_, version)| version.at);
    let body = newest.and_then(|(_, version)| version.body);
    body.map(|body| json::parse(&body).map(Arc::new)).transpose()
}
