//! Signing in with the account of another institution: any OpenID Connect provider that the settings name.
//! <https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth>

use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use http_body_util::Full;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::client::random;
use super::people::{No, answer, begin};
use super::sign_in::cookie;
use super::{Happening, digest, note, same};
use crate::App;
use crate::ask::Query;
use crate::outcome::{self, Failure};
use crate::settings::Provider;

/// The drawer of those who are away signing in elsewhere.
const AWAY: &str = "oidc";
/// How long they may stay away, in microseconds.
const AWAY_TIME: i64 = 600_000_000;
/// The cookie by which a browser is known when it comes back.
const COOKIE: &str = "qingshan-oidc";

/// The routes of signing in elsewhere.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/oidc", get(providers))
        .route("/auth/oidc/{name}/start", get(start))
        .route("/auth/oidc/callback", get(back))
}

/// Somebody who is away signing in elsewhere, as it is kept until they come back.
#[derive(Serialize, Deserialize)]
struct Away {
    provider: String,
    /// The digest of what their browser holds.
    browser: String,
    nonce: String,
    verifier: String,
    to: String,
}

#[derive(Serialize)]
struct Providers<'a> {
    providers: Vec<Offered<'a>>,
}

#[derive(Serialize)]
struct Offered<'a> {
    name: &'a str,
    title: &'a str,
}

async fn providers(State(app): State<App>) -> Response {
    let offered = app.settings.providers.iter();
    let providers = offered.map(|provider| Offered { name: &provider.name, title: &provider.title }).collect();
    answer(StatusCode::OK, &Providers { providers }, Vec::new())
}

async fn start(State(app): State<App>, Path(name): Path<String>, request: Request<Body>) -> Result<Response, No> {
    let provider = app.settings.providers.iter().find(|provider| provider.name == name).ok_or(No::Missing)?;
    let query = Query::parse(request.uri().query().unwrap_or_default()).map_err(|_| No::Unreadable)?;
    // Only an address of ours: "//" would lead to another host.
    let to = query.get("to").filter(|to| to.starts_with('/') && !to.starts_with("//") && !to.contains('\\'));
    let record = &app.record;
    let (state, nonce, browser, verifier) = (random(record), random(record), random(record), random(record));
    let metadata = metadata(&app, provider).await?;
    let verifier = PkceCodeVerifier::new(verifier);
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(provider.client_id.clone()), None)
        .set_redirect_uri(redirect(&app, request.headers())?);
    let (state, nonce) = (CsrfToken::new(state), Nonce::new(nonce));
    let (told_state, told_nonce) = (state.clone(), nonce.clone());
    let (address, _, _) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || told_state, move || told_nonce)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .url();
    let away = Away {
        provider: name,
        browser: digest(&browser),
        nonce: nonce.secret().clone(),
        verifier: verifier.into_secret(),
        to: to.unwrap_or("/").to_owned(),
    };
    let body = sonic_rs::to_vec(&away).map_err(Error::fault)?;
    let until = record.surroundings().clock.now() + AWAY_TIME;
    record.drawer(AWAY).put(&digest(state.secret()), Bytes::from(body), Some(until)).await?;
    let secure = if app.settings.sign_in.secure { "; Secure" } else { "" };
    let age = AWAY_TIME / 1_000_000;
    let kept = format!("{COOKIE}={browser}; Max-Age={age}; Path=/auth/oidc; HttpOnly; SameSite=Lax{secure}");
    let mut response = Redirect::to(address.as_str()).into_response();
    response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(&kept).map_err(Error::fault)?);
    Ok(response)
}

async fn back(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default()).map_err(|_| No::Unreadable)?;
    let (account, to) = match proven(&app, &parts.headers, &query).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            note(&app, &parts, Happening::Refused, "").await?;
            return Ok(Redirect::to("/?sign-in=refused").into_response());
        }
        Err(error) => {
            outcome::log(&Failure::Error(error), "oidc");
            return Ok(Redirect::to("/?sign-in=unavailable").into_response());
        }
    };
    let (_, cookies) = begin(&app, &parts, &account).await?;
    let mut response = Redirect::to(&to).into_response();
    for cookie in cookies.set(&app.settings.sign_in) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The account of whoever comes back, and where they want to go; `None` if they are nobody here.
async fn proven(app: &App, headers: &HeaderMap, query: &Query) -> Result<Option<(Account, String)>, Error> {
    let Some((state, code)) = query.get("state").zip(query.get("code")) else { return Ok(None) };
    let Some(kept) = app.record.drawer(AWAY).take(&digest(state)).await? else { return Ok(None) };
    let away: Away = sonic_rs::from_slice(&kept).map_err(Error::fault)?;
    // Another's browser must not be signed in as whoever began.
    if !cookie(headers, COOKIE).is_some_and(|browser| same(&digest(browser), &away.browser)) {
        return Ok(None);
    }
    let provider = app.settings.providers.iter().find(|provider| provider.name == away.provider);
    let Some(provider) = provider else { return Ok(None) };
    let secret = (!provider.secret.is_empty()).then(|| ClientSecret::new(provider.secret.clone()));
    let metadata = metadata(app, provider).await?;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(provider.client_id.clone()), secret)
        .set_redirect_uri(redirect(app, headers)?);
    let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned())).map_err(unusable)?;
    let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(away.verifier));
    let Ok(answer) = exchange.request_async(&Outside(app.clone())).await else { return Ok(None) };
    let Some(token) = answer.id_token() else { return Ok(None) };
    let nonce = Nonce::new(away.nonce);
    let Ok(claims) = token.claims(&client.id_token_verifier(), &nonce) else { return Ok(None) };
    let known = Account::known_elsewhere(&app.record, &provider.issuer, claims.subject().as_str()).await?;
    let account = match (known, claims.email()) {
        (Some(account), _) => Some(account),
        (None, Some(email)) if provider.by_email && claims.email_verified() == Some(true) => {
            Account::named(&app.record, &email.to_lowercase()).await?
        }
        _ => None,
    };
    Ok(account.filter(|account| !account.disabled).map(|account| (account, away.to)))
}

/// What a provider says about itself.
async fn metadata(app: &App, provider: &Provider) -> Result<CoreProviderMetadata, Error> {
    let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(unusable)?;
    let outside = Outside(app.clone());
    CoreProviderMetadata::discover_async(issuer, &outside).await.map_err(unusable)
}

fn redirect(app: &App, headers: &HeaderMap) -> Result<RedirectUrl, Error> {
    RedirectUrl::new(format!("{}/auth/oidc/callback", super::root(app, headers))).map_err(unusable)
}

/// Asks providers for the library.
struct Outside(App);

impl AsyncHttpClient<'_> for Outside {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send>>;

    fn call(&self, request: HttpRequest) -> Self::Future {
        let app = self.0.clone();
        Box::pin(async move {
            let response = app.fetcher.ask(request.map(|body| Full::new(Bytes::from(body)))).await?;
            Ok(response.map(|body| body.to_vec()))
        })
    }
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = "The provider at which you would sign in does not answer as it should.";
    Error::new(Category::Unavailable, IssueCode::Transient, text).caused_by(cause)
}
