//! From an HTTP request to an interaction and back.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use futures_util::FutureExt;
use record::{Act, Note, Outcome, ResourceType, Session};

use crate::App;
use crate::access::{self, Extent, Grant, unauthenticated};
use crate::answer::{Answer, Asked, Format};
use crate::ask::{self, Ask, Base, Conditions, Content, Prefer, Query};
use crate::export;
use crate::interaction;
use crate::outcome::{self, Failure};
use crate::route::Interaction;

/// Bodies from this size on are read away from the threads that serve connections.
const LONG_WORK: usize = 256 << 10;

/// Answers everything at and below `/fhir`.
pub(crate) async fn fhir(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts.method == Method::HEAD, &parts.headers);
    let name = request_name(&app, &parts.headers);
    let base = base(&app, &parts.headers);
    let mut format = Format::default();

    let answer = {
        let work = pin!(serve(&app, &parts, body, &base, &name, &mut format));
        answered(&app, &name, work).await
    };
    named(answer.into_response(&base, format, &asked).await, &name)
}

/// Does the work of a request within the time it may take, and makes an answer of whatever comes of it.
///
/// The work is pinned where it is: handed on by value, its whole state would be copied at each step.
pub(crate) async fn answered(
    app: &App,
    name: &str,
    work: Pin<&mut impl Future<Output = Result<Answer, Failure>>>,
) -> Answer {
    let work = AssertUnwindSafe(work).catch_unwind();
    let result = match tokio::time::timeout(app.settings.request_time, work).await {
        Ok(Ok(result)) => result,
        // The panic itself has been reported by the hook of the process; this ties it to the request.
        Ok(Err(_)) => Err(Error::fault("a request ended in a panic").into()),
        Err(_) => {
            let text = "The request took longer than this server allows; a change may or may not have been made.";
            Err(Error::new(Category::Busy, IssueCode::Timeout, text).into())
        }
    };
    result.unwrap_or_else(|failure| {
        outcome::log(&failure, name);
        Answer::failure(&failure)
    })
}

/// The response with the name of its request.
pub(crate) fn named(mut response: Response, name: &str) -> Response {
    if let Ok(name) = HeaderValue::from_str(name) {
        response.headers_mut().insert("x-request-id", name);
    }
    response
}

/// Who calls, and the record as they may see it.
pub(crate) async fn enter(app: &App, parts: &Parts, name: &str) -> Result<(Grant, Session), Failure> {
    let grant =
        Grant::of(app, &parts.method, &parts.headers, true).await?.ok_or_else(|| unauthenticated("Sign in first."))?;
    let session = app.record.session(grant.caller(&parts.headers, name)?);
    let session = match access::address(app, parts) {
        Some(address) => session.from_address(&address.to_string()),
        None => session,
    };
    Ok((grant, session))
}

/// The request's name: the caller's own if it is harmless in a log, or a new one.
pub(crate) fn request_name(app: &App, headers: &HeaderMap) -> String {
    let own = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(|value| {
        (1..=64).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte))
    });
    match own {
        Some(own) => own.to_owned(),
        None => format!("{}-{}", app.name, app.requests.fetch_add(1, Ordering::Relaxed)),
    }
}

/// The address of the service as this caller knows it.
pub(crate) fn base(app: &App, headers: &HeaderMap) -> Base {
    match &app.settings.base {
        Some(base) => Base::Fixed(base.clone()),
        None => Base::Host { secure: app.settings.sign_in.secure, host: headers.get(header::HOST).cloned() },
    }
}

async fn serve(
    app: &App,
    parts: &Parts,
    body: Body,
    base: &Base,
    name: &str,
    format: &mut Format,
) -> Result<Answer, Failure> {
    let path =
        parts.uri.path().trim_start_matches('/').strip_prefix("fhir").unwrap_or_default().trim_start_matches('/');
    let mut query = Query::parse(parts.uri.query().unwrap_or_default())?;
    *format = ask::negotiate(&parts.headers, &mut query)?;
    if parts.method == Method::OPTIONS {
        return Ok(options(path));
    }
    let interaction = Interaction::named(&parts.method, path)?;
    let conditions = Conditions::of(&parts.headers)?;
    let prefer = Prefer::of(&parts.headers);
    let content = content(app, parts, body, &interaction, &mut query, format).await?;
    let ask = Ask { path: path.to_owned(), query, conditions, prefer, content, base: base.clone() };
    if let Interaction::Capabilities = interaction {
        return Ok(interaction::capabilities::run(app, base));
    }
    let (grant, session) = enter(app, parts, name).await?;
    match interaction {
        Interaction::Bundle => interaction::bundle::run(app, &grant, &session, ask).boxed().await,
        interaction => run(app, &grant, &session, interaction, ask).await,
    }
}

/// Does one interaction that is not itself a Bundle of them.
///
/// All but reads are boxed: together they have several times the state of a read, and each request would make room for it.
pub(crate) async fn run(
    app: &App,
    grant: &Grant,
    session: &Session,
    interaction: Interaction,
    mut ask: Ask,
) -> Result<Answer, Failure> {
    let extent = allow(app, grant, session, &interaction, &named_types(&ask.query)?, &ask.path).await?;
    let interaction = match (extent, grant.one_patient(app)) {
        (Extent::OnePatient, Some(patient)) => patient.confine(session, interaction, &mut ask).boxed().await?,
        _ => interaction,
    };
    match interaction {
        Interaction::Capabilities => Ok(interaction::capabilities::run(app, &ask.base)),
        Interaction::Bundle => Err(Error::unsupported("A Bundle cannot stand within a Bundle here.").into()),
        Interaction::Read(key) => interaction::read::run(session, &ask, &key).await,
        Interaction::Vread(key, version) => interaction::vread::run(session, &ask, &key, version).boxed().await,
        Interaction::Create(type_) => interaction::create::run(session, ask, type_).boxed().await,
        Interaction::Update(key) => interaction::update::run(session, ask, key).boxed().await,
        Interaction::ConditionalUpdate(type_) => interaction::update::conditional(session, ask, type_).boxed().await,
        Interaction::Patch(key) => interaction::patch::run(session, ask, key).boxed().await,
        Interaction::ConditionalPatch(type_) => interaction::patch::conditional(session, ask, type_).boxed().await,
        Interaction::Delete(key) => interaction::delete::run(session, ask, key).boxed().await,
        Interaction::ConditionalDelete(type_) => interaction::delete::conditional(session, ask, type_).boxed().await,
        Interaction::History(scope) => interaction::history::run(app, session, &ask, scope).boxed().await,
        Interaction::Search { type_, compartment } => {
            interaction::search::run(app, grant, session, ask, type_, compartment).boxed().await
        }
        Interaction::Export(part) => export::part(app, grant, &ask, part).boxed().await,
        Interaction::Operation(operation, on) => operation.run(app, grant, session, ask, on).boxed().await,
    }
}

/// How far the scopes of a caller cover an interaction. A refusal is noted, with the address that was asked.
pub(crate) async fn allow(
    app: &App,
    grant: &Grant,
    session: &Session,
    interaction: &Interaction,
    named_types: &[ResourceType],
    path: &str,
) -> Result<Extent, Failure> {
    match grant.allow(interaction, named_types) {
        Ok(extent) => Ok(extent),
        Err(refusal) => {
            let note = Note { outcome: Outcome::Refused, detail: path.to_owned(), ..Note::new(Act::Request) };
            app.record.note(session.caller(), note).boxed().await?;
            Err(refusal.into())
        }
    }
}

/// The types named by `_type`.
fn named_types(query: &Query) -> Result<Vec<ResourceType>, Error> {
    query
        .values("_type")
        .map(|name| {
            ResourceType::named(name).ok_or_else(|| {
                let text = format!("“{}” in _type is not an R4 resource type.", ask::shortened(name));
                Error::new(Category::Invalid, IssueCode::Value, text)
            })
        })
        .collect()
}

/// The verbs an address takes.
fn options(path: &str) -> Answer {
    const VERBS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut allow = String::from("OPTIONS");
    for verb in VERBS {
        if Interaction::named(&verb, path).is_ok() {
            allow.push_str(", ");
            allow.push_str(verb.as_str());
            if verb == Method::GET {
                allow.push_str(", HEAD");
            }
        }
    }
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    answer.headers.push((header::ALLOW, crate::answer::text(&allow)));
    answer
}

/// Reads what came with a request, as far as its interaction takes anything.
async fn content(
    app: &App,
    parts: &Parts,
    body: Body,
    interaction: &Interaction,
    query: &mut Query,
    format: &mut Format,
) -> Result<Content, Failure> {
    let form_post = matches!(interaction, Interaction::Search { .. } | Interaction::Operation(..));
    if parts.method == Method::GET || parts.method == Method::HEAD || parts.method == Method::DELETE {
        return Ok(Content::None);
    }
    let bytes = whole(app, parts, body).await?;
    if bytes.is_empty() {
        return Ok(Content::None);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/fhir+json" | "application/json" | "text/json"
            if !matches!(interaction, Interaction::Search { .. }) =>
        {
            Ok(Content::Resource(parsed(bytes).await?))
        }
        "application/json-patch+json"
            if matches!(interaction, Interaction::Patch(_) | Interaction::ConditionalPatch(_)) =>
        {
            Ok(Content::JsonPatch(parsed(bytes).await?))
        }
        "application/x-www-form-urlencoded" if form_post => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Error::invalid("The form is not UTF-8."))?;
            let mut form = Query::parse(text)?;
            if form.get("_format").is_some() || form.get("_pretty").is_some() {
                *format = ask::negotiate(&HeaderMap::new(), &mut form)?;
            }
            query.append(form);
            Ok(Content::None)
        }
        _ => Err(Failure::MediaType),
    }
}

async fn parsed(bytes: Bytes) -> Result<fhir::Value, Error> {
    if bytes.len() < LONG_WORK {
        return fhir::json::parse(&bytes);
    }
    tokio::task::spawn_blocking(move || fhir::json::parse(&bytes)).await.map_err(Error::fault)?
}

/// The whole body, decompressed, within the configured bound.
pub(crate) async fn whole(app: &App, parts: &Parts, body: Body) -> Result<Bytes, Failure> {
    let bound = app.settings.body_max;
    let too_large = || {
        let text = format!("The body is larger than the {} MiB this server takes.", bound >> 20);
        Failure::Error(Error::new(Category::TooLarge, IssueCode::TooLong, text))
    };
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bound) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, bound).await.map_err(|error| {
        let over =
            std::error::Error::source(&error).is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if over { too_large() } else { Error::invalid("The body ended before it was complete.").into() }
    })?;
    let coding = parts.headers.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip") => {
            let inflated = tokio::task::spawn_blocking(move || inflate(&bytes, bound)).await.map_err(Error::fault)?;
            match inflated {
                Ok(inflated) if inflated.len() > bound => Err(too_large()),
                Ok(inflated) => Ok(Bytes::from(inflated)),
                Err(_) => Err(Error::invalid("The body is not sound gzip.").into()),
            }
        }
        Some(_) => Err(Failure::MediaType),
    }
}

/// Decompresses, stopping one byte after the bound.
fn inflate(bytes: &[u8], bound: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut inflated = Vec::new();
    let most = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(bytes).take(most).read_to_end(&mut inflated)?;
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state<F>(_: fn(State<App>, Request<Body>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_makes_room_for_no_more_than_a_read_needs() {
        // It is copied and given room twice on its way here. What needs more, and is asked for less often, is boxed.
        let bytes = state(fhir);
        assert!(bytes <= 4 << 10, "{bytes} bytes");
    }
}
