//! Tests that ask a hierarchy of references or the versions of a canonical URL, settled into plain references before the
//! search runs. <http://hl7.org/fhir/R4/search.html#recursive>

use fhir::search::ParamId;
use fhir::{Category, Error, IssueCode};
use rustc_hash::FxHashSet;

use super::include::seen;
use super::known::Known;
use super::query::{Criterion, Power, Sought, Table, Test};
use crate::ResourceType;
use crate::access::sight::Sight;
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools};

/// The most resources of a hierarchy, or versions of a URL, one test may come to.
const MOST: usize = 10_000;

/// Whether a test is one that is settled here.
pub(super) fn is_settled_here(test: &Test) -> bool {
    matches!(test, Test::Branch { .. } | Test::Versions { .. })
}

/// The same tests as plain references.
pub(super) async fn settled(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    tests: &[Test],
) -> Result<Vec<Test>, Error> {
    let mut targets = Vec::new();
    for test in tests {
        match test {
            Test::Branch { root, by, above } => {
                let found = branch(rows, tools, catalog, sight, root, *by, *above).await?;
                targets.extend(found.into_iter().map(Test::Target));
            }
            Test::Versions { url, version } => targets.extend(versions(rows, url, version).await?),
            other => targets.push(other.clone()),
        }
    }
    Ok(targets)
}

/// The names of what stands below a resource by a reference, or above it, and its own.
///
/// Where somebody may not see a resource, they are not told to what it refers: the branch ends there for them.
async fn branch(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    root: &str,
    by: ParamId,
    above: bool,
) -> Result<Vec<String>, Error> {
    let mut names = vec![root.to_owned()];
    let tests = vec![Test::Target(root.to_owned())];
    let own = Sought { table: Table::Reference, params: vec![by], tests, power: Power::Reference };
    let known = Known::gather(rows, tools, &[Criterion::Row(own)]).await?;
    // What has no number is neither stored nor referred to.
    let Some(start) = known.target(root) else { return Ok(names) };
    let (from, to) = if above { ("rid", "target") } else { ("target", "rid") };
    let among = match rows.dialect() {
        Dialect::Sqlite => "IN (SELECT value FROM rarray($1))",
        Dialect::Postgres => "= ANY($1)",
    };
    // References that lead around in a ring come to an end as well.
    let mut met = FxHashSet::from_iter([start]);
    let mut edge = vec![start];
    while !edge.is_empty() {
        let mut arguments = vec![SqlValue::Ints(std::mem::take(&mut edge)), catalog.number(by).into()];
        let seen = seen(rows.dialect(), sight, "x.rid", &mut arguments);
        let sql = format!(
            "SELECT DISTINCT l.rid, l.type, l.id FROM ref x JOIN locator l ON l.rid = x.{to} \
             WHERE x.{from} {among} AND x.param = $2{seen} ORDER BY l.rid"
        );
        for row in rows.rows(&sql, &arguments).await? {
            let rid = row.int(0)?;
            if met.insert(rid) {
                edge.push(rid);
                names.push(name(&row)?);
            }
        }
        if names.len() > MOST {
            let text = format!("More than {MOST} resources stand below what the search names, or above it.");
            return Err(Error::new(Category::Unprocessable, IssueCode::TooCostly, text));
        }
    }
    Ok(names)
}

fn name(row: &Row) -> Result<String, Error> {
    let (type_, id) = (row.int(1)?, row.text(2)?);
    Ok(ResourceType::numbered(type_).map_or_else(|| id.to_owned(), |type_| format!("{type_}/{id}")))
}

/// The versions of a URL that are referred to and begin so: `1` stands for itself, `1.0` and `1.1`, and not for `10`.
/// <http://hl7.org/fhir/R4/search.html#versions>
async fn versions(rows: &mut impl Rows, url: &str, version: &str) -> Result<Vec<Test>, Error> {
    let least = format!("{url}|{version}");
    let Some(end) = super::sql::successor(&least) else { return Ok(vec![Test::Target(least)]) };
    let most = i64::try_from(MOST).map_err(Error::fault)? + 1;
    let sql = "SELECT id FROM locator WHERE type = 0 AND id >= $1 AND id < $2 ORDER BY id LIMIT $3";
    let found = rows.rows(sql, &[least.as_str().into(), end.as_str().into(), most.into()]).await?;
    if found.len() > MOST {
        let text = format!("More than {MOST} versions begin so.");
        return Err(Error::new(Category::Unprocessable, IssueCode::TooCostly, text));
    }
    let mut tests = vec![Test::Target(least.clone())];
    for row in &found {
        let name = row.text(0)?;
        let rest = name.strip_prefix(&least).unwrap_or_default();
        if rest.starts_with(|letter: char| !letter.is_alphanumeric()) {
            tests.push(Test::Target(name.to_owned()));
        }
    }
    Ok(tests)
}
