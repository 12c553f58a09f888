//! Forms in a record.

use fhir::{Error, Value, json};
use jiff::Timestamp;
use jiff::tz::Offset;
use record::{SearchRequest, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::fill::is_filled;
use super::{Beside, Shelf, fill, judge, lists};

/// A response to a form of the record with everything in it that follows from what was answered, judged with the lists of
/// codes the record holds. A response to a form that is not there cannot be judged, and is let through as it is.
///
/// # Errors
/// As [`fill`] and [`judge`] do, and when the record fails.
pub async fn fill_stored(
    session: &Session,
    response: &Value,
    variables: &[(&str, &Value)],
    now: (Timestamp, Offset),
) -> Result<Value, Error> {
    let Some(questionnaire) = form_of(session, response).await? else { return Ok(response.clone()) };
    let mut known = Vec::new();
    for list in lists(&questionnaire) {
        let Some(set) = find(session, "ValueSet", &list).await? else { continue };
        for system in systems(&set) {
            known.extend(find(session, "CodeSystem", &system).await?);
        }
        known.push(set);
    }
    let shelf = Shelf::new(known);
    let beside = Beside { source: &shelf, variables, now };
    let filled = fill(&questionnaire, response, &beside)?;
    judge(&questionnaire, &filled, &beside)?;
    Ok(filled)
}

/// Whether a response that the record keeps says what one says that is sent: the same answers, and besides them only what
/// follows from them.
///
/// # Errors
/// When the record fails.
pub async fn is_kept(session: &Session, kept: &Value, sent: &Value) -> Result<bool, Error> {
    let same = match (kept.get("item"), sent.get("item")) {
        (Some(kept), Some(sent)) => json::same(kept, sent),
        (kept, sent) => kept.is_none() && sent.is_none(),
    };
    if same {
        return Ok(true);
    }
    let form = form_of(session, kept).await?;
    Ok(form.is_some_and(|form| is_filled(&form, kept, sent)))
}

/// The form a response answers, where the record has it.
async fn form_of(session: &Session, response: &Value) -> Result<Option<Value>, Error> {
    match response.get("questionnaire").and_then(|form| form.as_str()) {
        Some(canonical) => find(session, "Questionnaire", canonical).await,
        None => Ok(None),
    }
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
