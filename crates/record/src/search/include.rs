//! What is added to the matches of a search. <http://hl7.org/fhir/R4/search.html#include>

use fhir::Error;
use fhir::search::ParamId;
use rustc_hash::FxHashSet;

use super::known::Known;
use super::query::Include;
use crate::access::sight::{Columns, Conditions, Sight};
use crate::store::value::{Dialect, Rows, SqlValue};
use crate::store::{Catalog, Tools, reads};
use crate::{ResourceType, Version};

/// The resources the includes add to the matches, each once, and whether they are all. An include that iterates is
/// repeated on what was added.
pub(super) async fn gather(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    includes: &[Include],
    matches: &[(i64, Version)],
) -> Result<(Vec<Version>, bool), Error> {
    let limits = &tools.settings.limits;
    let mut seen: FxHashSet<i64> = matches.iter().map(|(rid, _)| *rid).collect();
    let mut edge: Vec<i64> = matches.iter().map(|(rid, _)| *rid).collect();
    let (mut added, mut all) = (Vec::new(), true);
    // The round after the last only looks whether there would be more.
    for round in 0..=limits.include_depth + 1 {
        let mut next = Vec::new();
        for include in includes.iter().filter(|include| round == 0 || include.iterate) {
            for rid in followed(rows, tools, catalog, sight, include, &edge).await? {
                if seen.contains(&rid) {
                    continue;
                }
                if seen.len() - matches.len() >= limits.included_max || round > limits.include_depth {
                    all = false;
                    break;
                }
                seen.insert(rid);
                next.push(rid);
            }
        }
        if next.is_empty() {
            break;
        }
        added.extend(reads::by_rid(rows, &next).await?.into_iter().map(|(_, version)| version));
        edge = next;
    }
    Ok((added, all))
}

/// Where one include leads from some resources.
async fn followed(
    rows: &mut impl Rows,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    include: &Include,
    from: &[i64],
) -> Result<Vec<i64>, Error> {
    let numbers = |params: &[ParamId]| params.iter().map(|param| catalog.number(*param)).collect::<Vec<i64>>();
    let params = numbers(&include.params);
    let (start, end) = if include.reverse { ("target", "rid") } else { ("rid", "target") };
    let dialect = rows.dialect();
    let among = move |number: usize| match dialect {
        Dialect::Sqlite => format!("IN (SELECT value FROM rarray(${number}))"),
        Dialect::Postgres => format!("= ANY(${number})"),
    };
    let (starts, of) = (among(1), among(2));
    let mut arguments = vec![SqlValue::Ints(from.to_vec()), SqlValue::Ints(params)];
    let mut target = String::new();
    if let Some(type_) = include.target.and_then(ResourceType::named) {
        arguments.push(type_.number().into());
        target = " AND ttype = $3".to_owned();
    }
    let reached = seen(dialect, sight, &format!("ref.{end}"), &mut arguments);
    let sql =
        format!("SELECT DISTINCT {end} FROM ref WHERE {start} {starts} AND param {of}{target}{reached} ORDER BY {end}");
    let mut found: Vec<i64> =
        rows.rows(&sql, &arguments).await?.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    if !include.urls.is_empty() && !include.reverse {
        // A canonical reference leads to a URL, and the URL to the resource that has it.
        let url = among(3);
        arguments.truncate(2);
        arguments.push(SqlValue::Ints(numbers(&include.urls)));
        let reached = seen(dialect, sight, "x3.rid", &mut arguments);
        let sql = format!(
            "SELECT DISTINCT x3.rid FROM ref x1 JOIN locator x2 ON x2.rid = x1.target JOIN tok x3 ON x3.code = x2.id \
             WHERE x1.rid {starts} AND x1.param {of} AND x1.ttype = 0 AND x3.param {url}{reached} ORDER BY x3.rid"
        );
        for row in rows.rows(&sql, &arguments).await? {
            found.push(row.int(0)?);
        }
    }
    if !include.urls.is_empty() && include.reverse {
        // The resources have URLs, and canonical references lead to those.
        let sql = format!("SELECT DISTINCT code FROM tok WHERE rid {starts} AND param {of} ORDER BY code");
        let own = [SqlValue::Ints(from.to_vec()), SqlValue::Ints(numbers(&include.urls))];
        let own = rows.rows(&sql, &own).await?;
        let urls: Vec<&str> = own.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
        let urls = Known::urls(rows, tools, &urls).await?;
        arguments.truncate(2);
        arguments[0] = SqlValue::Ints(urls);
        let reached = seen(dialect, sight, "ref.rid", &mut arguments);
        let sql = format!(
            "SELECT DISTINCT rid FROM ref WHERE target {starts} AND param {of} AND ttype = 0{reached} ORDER BY rid"
        );
        for row in rows.rows(&sql, &arguments).await? {
            found.push(row.int(0)?);
        }
    }
    Ok(found)
}

/// The further condition that the caller may see what an include leads to.
pub(super) fn seen(dialect: Dialect, sight: Option<&Sight>, rid: &str, arguments: &mut Vec<SqlValue>) -> String {
    let Some(sight) = sight else { return String::new() };
    let mut argument = |value: SqlValue| {
        arguments.push(value);
        format!("${}", arguments.len())
    };
    let readable = Conditions { sight, dialect, argument: &mut argument }.readable(&Columns::of("s"), None);
    let own = dialect.resource(rid, "s");
    format!(" AND EXISTS (SELECT 1 FROM {own} WHERE s.rid = {rid} AND s.body IS NOT NULL AND {readable})")
}
