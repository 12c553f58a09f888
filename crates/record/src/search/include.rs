//! What is added to the matches of a search. <http://hl7.org/fhir/R4/search.html#include>

use fhir::Error;
use rustc_hash::FxHashSet;

use super::query::Include;
use crate::settings::Limits;
use crate::store::value::{Dialect, Rows, SqlValue};
use crate::store::{Catalog, reads};
use crate::{ResourceType, Version};

/// The resources the includes add to the matches, each once. An include that iterates is repeated on what was added.
pub(super) async fn gather(
    rows: &mut impl Rows,
    catalog: &Catalog,
    limits: &Limits,
    includes: &[Include],
    matches: &[(i64, Version)],
) -> Result<Vec<Version>, Error> {
    let mut seen: FxHashSet<i64> = matches.iter().map(|(rid, _)| *rid).collect();
    let mut edge: Vec<i64> = matches.iter().map(|(rid, _)| *rid).collect();
    let mut added = Vec::new();
    for round in 0..=limits.include_depth {
        let mut next = Vec::new();
        for include in includes.iter().filter(|include| round == 0 || include.iterate) {
            for rid in followed(rows, catalog, include, &edge).await? {
                if seen.len() - matches.len() >= limits.included_max {
                    break;
                }
                if seen.insert(rid) {
                    next.push(rid);
                }
            }
        }
        if next.is_empty() {
            break;
        }
        added.extend(reads::by_rid(rows, &next).await?.into_iter().map(|(_, version)| version));
        edge = next;
    }
    Ok(added)
}

/// Where one include leads from some resources.
async fn followed(rows: &mut impl Rows, catalog: &Catalog, include: &Include, from: &[i64]) -> Result<Vec<i64>, Error> {
    let params: Vec<i64> = include.params.iter().map(|param| catalog.number(*param)).collect();
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
    let sql = format!("SELECT DISTINCT {end} FROM ref WHERE {start} {starts} AND param {of}{target} ORDER BY {end}");
    rows.rows(&sql, &arguments).await?.iter().map(|row| row.int(0)).collect()
}
