//! `POST /auth/token`, `/auth/introspect` and `/auth/revoke`: what clients ask for with proof of who they are.
//! <https://www.rfc-editor.org/rfc/rfc6749#section-3.2>, <https://www.rfc-editor.org/rfc/rfc7662>,
//! <https://www.rfc-editor.org/rfc/rfc7009>

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use fhir::{Category, Error};
use record::Standing;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::account::Account;
use super::allowed::{self, Allowed, Code, Paper};
use super::attempts::micros;
use super::client::Client;
use super::jwt::{Keys, Unproven};
use super::{Happening, Scopes, digest, same, unauthenticated};
use crate::App;
use crate::ask::Query;

/// How a client says that it proves itself by a signature. <https://www.rfc-editor.org/rfc/rfc7523#section-2.2>
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The drawer of the assertions that were taken, each once.
const TAKEN: &str = "assertion";
/// How far ahead an assertion may end, in seconds. SMART: “no more than five minutes”.
const AHEAD: i64 = 300;
/// How far the clock of a client may be from ours, in seconds.
const SKEW: i64 = 60;

/// Why no token was given, in the words of OAuth 2. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
struct Refused {
    status: StatusCode,
    error: &'static str,
    text: &'static str,
}

const fn refused(error: &'static str, text: &'static str) -> Refused {
    Refused { status: StatusCode::BAD_REQUEST, error, text }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.category() {
            Category::Unauthenticated => Self {
                status: StatusCode::UNAUTHORIZED,
                error: "invalid_client",
                text: "The client is not known or its proof is wrong.",
            },
            Category::Invalid => refused("invalid_request", "The request cannot be read."),
            _ => {
                let cause = error.cause().map(ToString::to_string).unwrap_or_default();
                tracing::error!(cause, "a client could not be answered");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self { status, error: "temporarily_unavailable", text: "Try again later." }
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = format!(r#"{{"error":"{}","error_description":"{}"}}"#, self.error, self.text);
        let mut response = answered(self.status, body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"qingshan\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn answered(status: StatusCode, body: impl Into<Body>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (status, headers, body.into()).into_response()
}

fn written(answer: &impl Serialize) -> Result<Response, Refused> {
    Ok(answered(StatusCode::OK, sonic_rs::to_vec(answer).map_err(Error::fault)?))
}

/// A request of a client, read.
struct Asked {
    headers: HeaderMap,
    form: Query,
    /// The address of this server, such as `https://record.example`.
    root: String,
    /// The address on the network it comes from.
    origin: String,
}

impl Asked {
    async fn read(app: &App, request: Request<Body>) -> Result<Self, Refused> {
        let unreadable = refused("invalid_request", "The body must be application/x-www-form-urlencoded.");
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 64 << 10).await.unwrap_or_default();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let text = std::str::from_utf8(&body).ok().filter(|_| kind.starts_with("application/x-www-form-urlencoded"));
        let form = Query::parse(text.ok_or(unreadable)?)?;
        let origin = super::address(app, &parts).map(|address| address.to_string()).unwrap_or_default();
        Ok(Self { root: super::root(app, &parts.headers), origin, headers: parts.headers, form })
    }

    /// Whether the client says nothing about who it is.
    fn is_anonymous(&self) -> bool {
        let named = ["client_id", "client_assertion"].into_iter().any(|name| self.form.get(name).is_some());
        !named && !self.headers.contains_key(header::AUTHORIZATION)
    }

    fn needed(&self, name: &str) -> Result<&str, Refused> {
        self.form.get(name).ok_or(refused("invalid_request", "A parameter is missing."))
    }
}

/// Answers `POST /auth/token`.
pub(crate) async fn token(State(app): State<App>, request: Request<Body>) -> Response {
    let given = async {
        let asked = Asked::read(&app, request).await?;
        match asked.form.get("grant_type") {
            Some("client_credentials") => for_machine(&app, &asked).await,
            Some("authorization_code") => for_code(&app, &asked).await,
            Some("refresh_token") => anew(&app, &asked).await,
            _ => {
                let text = "The grant types offered are authorization_code, refresh_token and client_credentials.";
                Err(refused("unsupported_grant_type", text))
            }
        }
    };
    given.await.unwrap_or_else(IntoResponse::into_response)
}

/// What a client is given. <http://hl7.org/fhir/smart-app-launch/STU2/app-launch.html#response-5>
#[derive(Serialize)]
struct Given<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encounter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need_patient_banner: Option<bool>,
}

async fn for_machine(app: &App, asked: &Asked) -> Result<Response, Refused> {
    let beyond = refused("invalid_scope", "The client may not have this scope.");
    let client = prove(app, asked).await?;
    if client.public {
        return Err(refused("unauthorized_client", "A client that can keep no secret acts for people only."));
    }
    let own = Scopes::parse(&client.scope)?.of_machines();
    let scopes = match asked.form.get("scope").filter(|scope| !scope.trim().is_empty()) {
        None => own.ok(),
        Some(text) => {
            own.ok().zip(Scopes::parse(text).ok()).filter(|(own, asked)| own.cover(asked)).map(|(_, asked)| asked)
        }
    };
    let scopes = scopes.ok_or(beyond)?;
    let (expires, seconds) = expiry(app, i64::MAX);
    let paper = Paper { client: client.id, scope: scopes.as_str().to_owned(), expires, allowed: None };
    note_of(app, asked, Happening::SignedIn, Some(&paper.client)).await?;
    let token = paper.token(&app.record).await?;
    written(&Given {
        access_token: &token,
        token_type: "bearer",
        expires_in: seconds,
        scope: scopes.as_str(),
        refresh_token: None,
        id_token: None,
        patient: None,
        encounter: None,
        need_patient_banner: None,
    })
}

/// When a token given out now ends, and in how many seconds.
fn expiry(app: &App, last: i64) -> (i64, u64) {
    let now = app.record.surroundings().clock.now();
    let expires = now.saturating_add(micros(app.settings.token_time)).min(last);
    (expires, u64::try_from((expires - now) / 1_000_000).unwrap_or_default())
}

async fn for_code(app: &App, asked: &Asked) -> Result<Response, Refused> {
    let wrong = || refused("invalid_grant", "The code is not known, was used, or is not for this client.");
    let client = prove(app, asked).await?;
    let (code, redirect) = (asked.needed("code")?, asked.needed("redirect_uri")?);
    let verifier = asked.needed("code_verifier")?;
    let code = Code::redeem(&app.record, code).await?.ok_or_else(wrong)?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let right = code.allowed.client == client.id && code.redirect == redirect && same(&code.challenge, &challenge);
    // A password that was changed meanwhile has ended what was allowed before.
    let account = Account::named(&app.record, &code.allowed.login).await?.filter(|account| !account.disabled);
    if !right || account.is_none_or(|account| account.password_set > code.allowed.began) {
        return Err(wrong());
    }
    code.allowed.keep(&app.record).await?;
    give(app, asked, &code.allowed, code.nonce.as_deref()).await
}

async fn anew(app: &App, asked: &Asked) -> Result<Response, Refused> {
    let wrong = || refused("invalid_grant", "The refresh token is not known, was used, or has ended.");
    let token = asked.needed("refresh_token")?;
    let client = match asked.is_anonymous() {
        // Whoever can prove nothing need not name themselves either: the token says whom it was given to.
        true => match Allowed::client_of(&app.record, token).await? {
            Some(id) => public(app, &id).await?,
            None => return Err(wrong()),
        },
        false => prove(app, asked).await?,
    };
    let allowed = Allowed::renewed(&app.record, &client.id, token).await?.ok_or_else(wrong)?;
    let account = Account::named(&app.record, &allowed.login).await?;
    if account.is_none_or(|account| account.disabled) {
        return Err(wrong());
    }
    let narrower = match asked.form.get("scope") {
        None => allowed.clone(),
        Some(text) => {
            let scopes = Scopes::parse(&allowed.scope)?.of_those(text);
            let scopes = scopes.map_err(|_| refused("invalid_scope", "This was not allowed."))?;
            Allowed { scope: scopes.as_str().to_owned(), ..allowed.clone() }
        }
    };
    give(app, asked, &narrower, None).await
}

/// Gives a client what a person allowed it.
async fn give(app: &App, asked: &Asked, allowed: &Allowed, nonce: Option<&str>) -> Result<Response, Refused> {
    let scopes = Scopes::parse(&allowed.scope)?;
    let (expires, seconds) = expiry(app, allowed.ends);
    if let Some(account) = Account::named(&app.record, &allowed.login).await? {
        let (happening, standing) =
            (Happening::TokenGiven(&allowed.client, allowed.patient.as_deref()), Standing::Lay(Arc::default()));
        super::note_from(app, asked.origin.clone(), happening, &account.actor(), standing).await?;
    }
    let token = allowed.token(&app.record, expires).await?;
    let renews = scopes.has("offline_access") || scopes.has("online_access");
    let refresh_token = if renews { Some(allowed.renewal(&app.record).await?) } else { None };
    let id_token = match scopes.has("openid") {
        true => Some(identity(app, &asked.root, allowed, &scopes, nonce, expires).await?),
        false => None,
    };
    written(&Given {
        access_token: &token,
        token_type: "bearer",
        expires_in: seconds,
        scope: scopes.as_str(),
        refresh_token,
        id_token,
        patient: allowed.patient.as_deref(),
        encounter: allowed.encounter.as_deref(),
        need_patient_banner: allowed.patient.is_some().then_some(true),
    })
}

/// Who signed in, for the client. <https://openid.net/specs/openid-connect-core-1_0.html#IDToken>
#[derive(Serialize)]
struct Identity<'a> {
    iss: String,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    fhir_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

async fn identity(
    app: &App,
    root: &str,
    allowed: &Allowed,
    scopes: &Scopes,
    nonce: Option<&str>,
    expires: i64,
) -> Result<String, Refused> {
    let account = Account::named(&app.record, &allowed.login).await?;
    let account = account.ok_or_else(|| unauthenticated("The account is gone."))?;
    let claims = Identity {
        iss: format!("{root}/fhir"),
        // The login may be a phone number, which is not the client's to know.
        sub: &digest(&allowed.login)[..32],
        aud: &allowed.client,
        iat: app.record.surroundings().clock.now() / 1_000_000,
        exp: expires / 1_000_000,
        nonce,
        fhir_user: scopes.has("fhirUser").then(|| format!("{root}/fhir/{}", account.actor())),
        name: scopes.has("profile").then_some(account.name.as_str()),
    };
    Ok(app.signer().await?.sign(&claims)?)
}

/// Answers `GET /auth/keys`: the keys by which identity tokens can be checked.
pub(crate) async fn keys(State(app): State<App>) -> Response {
    match app.signer().await {
        Ok(signer) => answered(StatusCode::OK, signer.public()),
        Err(error) => Refused::from(error).into_response(),
    }
}

#[derive(Serialize)]
struct Introspected<'a> {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encounter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    fhir_user: Option<String>,
}

/// Answers `POST /auth/introspect`: what a token stands for, for a client that can prove itself.
pub(crate) async fn introspect(State(app): State<App>, request: Request<Body>) -> Response {
    let told = async {
        let asked = Asked::read(&app, request).await?;
        if prove(&app, &asked).await?.public {
            return Err(unauthenticated("").into());
        }
        let known = allowed::look(&app.record, asked.needed("token")?).await?;
        let account = match known.as_ref().and_then(|known| known.allowed.as_ref()) {
            Some(allowed) => Account::named(&app.record, &allowed.login).await?,
            None => None,
        };
        let ended = known.as_ref().is_some_and(|known| known.allowed.is_some())
            && account.as_ref().is_none_or(|account| account.disabled);
        let known = known.filter(|_| !ended);
        let paper = known.as_ref().map(|known| &known.paper);
        let allowed = known.as_ref().and_then(|known| known.allowed.as_ref());
        let says_who = allowed.is_some_and(|allowed| allowed.scope.split(' ').any(|scope| scope == "fhirUser"));
        written(&Introspected {
            active: known.is_some(),
            scope: paper.map(|paper| paper.scope.as_str()),
            client_id: paper.map(|paper| paper.client.as_str()),
            exp: paper.map(|paper| paper.expires / 1_000_000),
            patient: allowed.and_then(|allowed| allowed.patient.as_deref()),
            encounter: allowed.and_then(|allowed| allowed.encounter.as_deref()),
            sub: allowed.map(|allowed| digest(&allowed.login)[..32].to_owned()),
            fhir_user: account.filter(|_| says_who).map(|account| format!("{}/fhir/{}", asked.root, account.actor())),
        })
    };
    told.await.unwrap_or_else(IntoResponse::into_response)
}

/// Answers `POST /auth/revoke`. Whether there was such a token is not told.
pub(crate) async fn revoke(State(app): State<App>, request: Request<Body>) -> Response {
    let done = async {
        let asked = Asked::read(&app, request).await?;
        let client = prove(&app, &asked).await?;
        app.tokens.revoke(&app.record, &client.id, asked.needed("token")?).await?;
        note_of(&app, &asked, Happening::TokenRevoked, Some(&client.id)).await?;
        Ok::<_, Refused>(answered(StatusCode::OK, Body::empty()))
    };
    done.await.unwrap_or_else(IntoResponse::into_response)
}

/// Writes down what a client did; of one that proved nothing, not under which name.
async fn note_of(app: &App, asked: &Asked, happening: Happening<'_>, client: Option<&str>) -> Result<(), Error> {
    let actor = format!("client/{}", client.unwrap_or("unknown"));
    super::note_from(app, asked.origin.clone(), happening, &actor, Standing::System).await
}

/// The client that asks, by whatever proof it brings. A proof that is wrong stands on the trail.
async fn prove(app: &App, asked: &Asked) -> Result<Client, Refused> {
    let proven = proof(app, asked).await;
    if proven.as_ref().is_err_and(|refused| refused.status == StatusCode::UNAUTHORIZED) {
        note_of(app, asked, Happening::Refused, None).await?;
    }
    proven
}

/// The client that a proof is of. One that can keep no secret brings its name alone.
async fn proof(app: &App, asked: &Asked) -> Result<Client, Refused> {
    let unknown = || Refused::from(unauthenticated(""));
    if asked.form.get("client_assertion_type") == Some(ASSERTION) {
        return by_assertion(app, asked).await;
    }
    if let Some((id, secret)) = basic(&asked.headers)? {
        return Ok(Client::prove(&app.record, &id, &secret).await?);
    }
    match (asked.form.get("client_id"), asked.form.get("client_secret")) {
        (Some(id), Some(secret)) => Ok(Client::prove(&app.record, id, secret).await?),
        (Some(id), None) => public(app, id).await,
        _ => Err(unknown()),
    }
}

/// The client of that name, if it can keep no secret.
async fn public(app: &App, id: &str) -> Result<Client, Refused> {
    let client = Client::known(&app.record, id).await?;
    client.filter(|client| client.public && !client.disabled).ok_or_else(|| unauthenticated("").into())
}

/// The client that signed an assertion for this server, which is taken once.
/// <http://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html#authentication-using-a-jwt>
async fn by_assertion(app: &App, asked: &Asked) -> Result<Client, Refused> {
    let unknown = || Refused::from(unauthenticated(""));
    let text = asked.needed("client_assertion")?;
    let unproven = Unproven::read(text).ok_or_else(unknown)?;
    let id = unproven.claims().get("iss").and_then(|iss| iss.as_str()).ok_or_else(unknown)?;
    let client = Client::known(&app.record, id).await?.filter(|client| !client.disabled).ok_or_else(unknown)?;
    let claims = match (&client.keys, &client.keys_at) {
        (Some(keys), _) => unproven.proven(keys),
        (None, Some(address)) => {
            let keys = Keys::read(&app.fetcher.get(address).await?).ok_or_else(unknown)?;
            unproven.proven(&keys)
        }
        (None, None) => None,
    };
    let claims = claims.ok_or_else(unknown)?;
    let text = |name: &str| claims.get(name).and_then(|value| value.as_str());
    let now = app.record.surroundings().clock.now() / 1_000_000;
    let address = format!("{}/auth/token", asked.root);
    let meant = match claims.get("aud").map(|aud| (aud.as_str(), aud.as_array())) {
        Some((Some(aud), _)) => aud == address,
        Some((None, Some(list))) => list.iter().any(|aud| aud.as_str() == Some(&address)),
        _ => false,
    };
    let expires = claims.get("exp").and_then(|exp| exp.as_i64()).unwrap_or_default();
    let begins = claims.get("nbf").and_then(|nbf| nbf.as_i64()).unwrap_or(now);
    let timely = expires > now - SKEW && expires <= now + AHEAD + SKEW && begins <= now + SKEW;
    let named = asked.form.get("client_id").is_none_or(|named| named == client.id);
    let Some(jti) = text("jti").filter(|_| meant && timely && named && text("sub") == Some(&client.id)) else {
        return Err(unknown());
    };
    let once = Duration::from_secs(2 * u64::try_from(AHEAD + SKEW).unwrap_or_default());
    let until = app.record.surroundings().clock.now() + micros(once);
    let name = digest(&format!("{} {jti}", client.id));
    let first = app.record.drawer(TAKEN).add(&name, Bytes::new(), Some(until)).await?;
    if first { Ok(client) } else { Err(unknown()) }
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
