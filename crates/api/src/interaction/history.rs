//! `GET …/_history`. <http://hl7.org/fhir/R4/http.html#history>

use fhir::{Category, Error, IssueCode};
use record::{HistoryRequest, HistoryScope, Session};

use super::not_found;
use crate::App;
use crate::answer::Answer;
use crate::ask::{Ask, Query, encode};
use crate::bundle::Bundle;
use crate::outcome::Failure;
use crate::summary::Part;

/// The parameter that says where a page begins.
const PAGE: &str = "_page";

pub(crate) async fn run(app: &App, session: &Session, ask: &Ask, scope: HistoryScope) -> Result<Answer, Failure> {
    let limits = &app.record.settings().limits;
    let count = ask.query.number("_count")?.unwrap_or(limits.page).min(limits.page_max);
    let request = HistoryRequest {
        scope,
        since: interval(app, &ask.query, "_since")?.map(|(lo, _)| lo),
        at: interval(app, &ask.query, "_at")?,
        count,
        before: match ask.query.number(PAGE)? {
            None => None,
            Some(position) => u64::try_from(position).ok(),
        },
    };
    let page = session.history(&request).await?;
    if let (HistoryScope::Instance(key), 0) = (&request.scope, page.total)
        && session.read(key).await?.is_none()
    {
        return Err(not_found(key).into());
    }
    let base = ask.base.to_string();
    let mut links = vec![("self", address(&base, ask, None))];
    if let Some(next) = page.next.filter(|_| count > 0) {
        links.push(("next", address(&base, ask, Some(next))));
    }
    let part = Part::of(&ask.query)?;
    let mut bundle = Bundle::new("history", Some(page.total), &links);
    if ask.query.get("_summary") != Some("count") {
        for (version, made) in page.versions.iter().zip(page.made).take(count) {
            match (&part, &version.body) {
                (Some(part), Some(body)) => bundle.version(&base, version, made, Some(&part.cut(body)?)),
                (_, body) => bundle.version(&base, version, made, body.as_deref()),
            }
        }
    }
    Ok(Answer::resource(bundle.end()))
}

fn address(base: &str, ask: &Ask, page: Option<u64>) -> String {
    let mut address = format!("{base}/{}", ask.path);
    let mut separator = '?';
    for (name, value) in ask.query.pairs().iter().filter(|(name, _)| page.is_none() || name != PAGE) {
        address.push(separator);
        address.push_str(&encode(name));
        address.push('=');
        address.push_str(&encode(value));
        separator = '&';
    }
    if let Some(page) = page {
        address.push_str(&format!("{separator}{PAGE}={page}"));
    }
    address
}

/// The times a parameter covers, in microseconds since 1970.
fn interval(app: &App, query: &Query, name: &str) -> Result<Option<(i64, i64)>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    crate::interaction::time(app, text).map(|interval| Some((interval.lo, interval.hi))).ok_or_else(|| {
        Error::new(
            Category::Invalid,
            IssueCode::Value,
            format!("{name} is a date or time such as 2026-03-01T08:00:00Z."),
        )
    })
}
