//! `POST /auth/token`: the client credentials grant, and the opaque bearer tokens it gives out.
//! <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Bytes;
use fhir::{Category, Error};
use parking_lot::RwLock;
use record::{Record, Standing};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::client::{Client, random};
use super::{Grant, Scopes, digest, unauthenticated};
use crate::App;
use crate::ask::Query;

/// The drawer that holds the tokens, by their digests.
const DRAWER: &str = "token";
/// How long a token is believed without looking again, in microseconds: the time it takes to lock a client out.
const BELIEVED: i64 = 10_000_000;
/// Tokens remembered at most.
const REMEMBERED: usize = 10_000;

/// A token as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Paper {
    client: String,
    scope: String,
    expires: i64,
}

/// Tokens seen lately, so that most requests are checked without asking the record.
#[derive(Default)]
pub(crate) struct Tokens(RwLock<FxHashMap<String, (Grant, i64)>>);

impl Tokens {
    /// What a token grants.
    pub(crate) async fn grant(&self, record: &Record, token: &str) -> Result<Grant, Error> {
        let now = record.surroundings().clock.now();
        let name = digest(token);
        if let Some((grant, until)) = self.0.read().get(&name)
            && *until > now
        {
            return Ok(grant.clone());
        }
        let refused = || unauthenticated("The bearer token is not known or has expired.");
        let body = record.drawer(DRAWER).get(&name).await?.ok_or_else(refused)?;
        let paper: Paper = sonic_rs::from_slice(&body).map_err(Error::fault)?;
        let client = Client::known(record, &paper.client).await?;
        if paper.expires <= now || client.is_none_or(|client| client.disabled) {
            return Err(refused());
        }
        let actor = format!("client/{}", paper.client);
        let grant =
            Grant { actor: actor.into(), scopes: Arc::new(Scopes::parse(&paper.scope)?), standing: Standing::System };
        let mut seen = self.0.write();
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (_, until)| *until > now);
        }
        if seen.len() < REMEMBERED {
            seen.insert(name, (grant.clone(), paper.expires.min(now + BELIEVED)));
        }
        Ok(grant)
    }
}

/// Answers `POST /auth/token`.
pub(crate) async fn token(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 10).await.unwrap_or_default();
    match give(&app, &parts.headers, &body).await {
        Ok(answer) => answered(StatusCode::OK, answer),
        Err(Refused { status, error, text }) => {
            let body = format!(r#"{{"error":"{error}","error_description":"{text}"}}"#);
            let mut response = answered(status, body);
            if status == StatusCode::UNAUTHORIZED {
                let challenge = HeaderValue::from_static("Basic realm=\"qingshan\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

fn answered(status: StatusCode, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// Why no token was given, in the words of OAuth 2. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
struct Refused {
    status: StatusCode,
    error: &'static str,
    text: &'static str,
}

const fn refused(status: StatusCode, error: &'static str, text: &'static str) -> Refused {
    Refused { status, error, text }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.category() {
            Category::Unauthenticated => {
                refused(StatusCode::UNAUTHORIZED, "invalid_client", "The client is not known or its secret is wrong.")
            }
            Category::Invalid => refused(StatusCode::BAD_REQUEST, "invalid_request", "The request cannot be read."),
            _ => {
                let cause = error.cause().map(ToString::to_string).unwrap_or_default();
                tracing::error!(cause, "no token could be given");
                refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Try again later.")
            }
        }
    }
}

async fn give(app: &App, headers: &HeaderMap, body: &Bytes) -> Result<String, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = std::str::from_utf8(body).ok().filter(|_| kind.starts_with("application/x-www-form-urlencoded"));
    let form = text.ok_or(refused(
        StatusCode::BAD_REQUEST,
        "invalid_request",
        "The body must be application/x-www-form-urlencoded.",
    ))?;
    let form = Query::parse(form)?;
    if form.get("grant_type") != Some("client_credentials") {
        let text = "The grant type offered is client_credentials.";
        return Err(refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", text));
    }
    let (id, secret) = match basic(headers)? {
        Some(pair) => pair,
        None => match (form.get("client_id"), form.get("client_secret")) {
            (Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
            _ => return Err(unauthenticated("").into()),
        },
    };
    let client = Client::prove(&app.record, &id, &secret).await?;
    let allowed = Scopes::parse(&client.scope)?;
    let scopes = match form.get("scope").filter(|scope| !scope.trim().is_empty()) {
        None => allowed.clone(),
        Some(asked) => Scopes::parse(asked).ok().filter(|asked| allowed.cover(asked)).ok_or(refused(
            StatusCode::BAD_REQUEST,
            "invalid_scope",
            "The client may not have this scope.",
        ))?,
    };
    let token = random(&app.record);
    let seconds = app.settings.token_time.as_secs();
    let life = i64::try_from(app.settings.token_time.as_micros()).unwrap_or(i64::MAX);
    let expires = app.record.surroundings().clock.now().saturating_add(life);
    let paper = Paper { client: client.id, scope: scopes.as_str().to_owned(), expires };
    let paper = sonic_rs::to_vec(&paper).map_err(Error::fault)?;
    app.record.drawer(DRAWER).put(&digest(&token), Bytes::from(paper), Some(expires)).await?;
    let scope = scopes.as_str();
    Ok(format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{seconds},"scope":"{scope}"}}"#))
}

/// Id and secret from `Authorization: Basic`. <https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1>
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let Some((scheme, encoded)) = value.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let refused = || unauthenticated("");
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).map_err(|_| refused())?;
    let decoded = String::from_utf8(decoded).map_err(|_| refused())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(refused)?;
    // Both halves are form-encoded before they are joined.
    let half = |text: &str| Query::parse(&format!("v={text}")).map(|mut query| query.take("v").unwrap_or_default());
    Ok(Some((half(id)?, half(secret)?)))
}
