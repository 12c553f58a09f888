//! Forms in a record.

use fhir::{Error, Value, json};
use jiff::Timestamp;
use jiff::tz::Offset;
use record::{SearchRequest, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::{Beside, Shelf, judge, lists};

/// Judges a response to a form of the record, with the lists of codes the record holds. A response to a form that is not
/// there cannot be judged, and is let through.
///
/// # Errors
/// As [`judge`] does, and when the record fails.
pub async fn judge_stored(
    session: &Session,
    response: &Value,
    variables: &[(&str, &Value)],
    now: (Timestamp, Offset),
) -> Result<(), Error> {
    let Some(canonical) = response.get("questionnaire").and_then(|form| form.as_str()) else { return Ok(()) };
    let Some(questionnaire) = find(session, "Questionnaire", canonical).await? else { return Ok(()) };
    let mut known = Vec::new();
    for list in lists(&questionnaire) {
        let Some(set) = find(session, "ValueSet", &list).await? else { continue };
        for system in systems(&set) {
            known.extend(find(session, "CodeSystem", &system).await?);
        }
        known.push(set);
    }
    judge(&questionnaire, response, &Beside { source: &Shelf::new(known), variables, now })
}

/// The systems a value set takes its codes from.
fn systems(set: &Value) -> Vec<String> {
    let includes = set.get("compose").and_then(|compose| compose.get("include")?.as_array());
    let includes = includes.into_iter().flat_map(|includes| includes.iter());
    includes.filter_map(|include| include.get("system")?.as_str().map(str::to_owned)).collect()
}

/// The resource of a canonical; without a version, the one that was changed last.
async fn find(session: &Session, type_: &str, canonical: &str) -> Result<Option<Value>, Error> {
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let which = version.map_or(("_sort", "-_lastUpdated"), |version| ("version", version));
    let asked = [("url", url), ("_count", "1"), which].map(|(name, value)| (name, value.to_owned()));
    let page = session.search(&SearchRequest::of(type_, &asked)?).await?;
    let body = page.matches.into_iter().find_map(|version| version.body);
    body.map(|body| json::parse(&body)).transpose()
}
