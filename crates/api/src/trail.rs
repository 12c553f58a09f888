//! The seals of the trail over HTTP, for the members who keep copies and countersign.
//!
//! - `GET /audit/head`: the newest seal; `GET /audit/heads?after=N`: all after number N, as text
//! - `POST /audit/countersign`: `{"member": …, "number": …, "signature": …}`, the signature 128 hexadecimal digits

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fhir::{Category, Error, IssueCode};
use record::{ResourceType, Seal};
use serde::Deserialize;

use crate::App;
use crate::access::{Grant, unauthenticated};
use crate::answer::{Answer, Asked, Format};
use crate::ask::Query;
use crate::outcome::{self, Failure};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/audit/head", get(head))
        .route("/audit/heads", get(heads))
        .route("/audit/countersign", post(countersign))
}

async fn head(State(app): State<App>, parts: Parts) -> Response {
    let newest = async {
        allow(&app, &parts).await?;
        let newest = app.record.seals(0).await?.pop();
        Ok(newest.ok_or_else(|| Error::not_found("The trail has not been sealed yet."))?.to_string())
    };
    told(&app, newest.await).await
}

async fn heads(State(app): State<App>, parts: Parts) -> Response {
    let all = async {
        allow(&app, &parts).await?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let after = query.number("after")?.unwrap_or_default();
        let seals = app.record.seals(u64::try_from(after).unwrap_or(u64::MAX)).await?;
        Ok(seals.iter().map(|seal: &Seal| format!("{seal}\n")).collect())
    };
    told(&app, all.await).await
}

/// Bytes of a countersignature at most.
const BODY: usize = 4 << 10;

#[derive(Deserialize)]
struct Signed {
    member: String,
    number: u64,
    signature: String,
}

/// Takes a signature. It proves itself, so nobody has to sign in to bring it.
async fn countersign(State(app): State<App>, request: Request<Body>) -> Response {
    let taken = async {
        let unreadable = || Error::new(Category::Invalid, IssueCode::Value, "The signature is 128 hexadecimal digits.");
        let body = axum::body::to_bytes(request.into_body(), BODY).await.map_err(|_| unreadable())?;
        let signed: Signed = sonic_rs::from_slice(&body).map_err(|_| unreadable())?;
        let bytes = (0..signed.signature.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(signed.signature.get(at..at + 2)?, 16).ok()).collect();
        let bytes: Option<Vec<u8>> = bytes;
        let bytes = bytes.ok_or_else(unreadable)?;
        app.record.countersign(signed.number, &signed.member, &bytes).await?;
        Ok(String::new())
    };
    told(&app, taken.await).await
}

/// Whoever may read AuditEvents may see how far the trail has come.
async fn allow(app: &App, parts: &Parts) -> Result<(), Failure> {
    let grant = Grant::of(app, &parts.method, &parts.headers, false).await?;
    let grant = grant.ok_or_else(|| unauthenticated("Sign in first."))?;
    if grant.may_read(ResourceType::parse("AuditEvent")?) {
        return Ok(());
    }
    let text = "This needs the scope system/AuditEvent.r.";
    Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into())
}

async fn told(app: &App, result: Result<String, Failure>) -> Response {
    match result {
        Ok(text) if text.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
            .into_response(),
        Err(failure) => {
            outcome::log(&failure, "audit");
            let asked = Asked { head: false, gzip: false };
            let base = crate::door::base(app, &axum::http::HeaderMap::new());
            Answer::failure(&failure).into_response(&base, Format::default(), &asked).await
        }
    }
}
