//! Whether the store answers, and where to sign in.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::access::{self, WORDS};
use crate::outcome::{self, Failure};

/// Answers `GET /health`: 200 when the store can be read, 503 when not.
pub(crate) async fn health(State(app): State<App>) -> Response {
    // Reading one paper goes the whole way to the database and back.
    match app.record.drawer("health").get("probe").await {
        Ok(_) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], "ok").into_response(),
        Err(error) => {
            outcome::log(&Failure::Error(error), "health");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], "the store does not answer").into_response()
        }
    }
}

/// What this server offers to apps. <http://hl7.org/fhir/smart-app-launch/STU2/conformance.html#capabilities>
const CAPABILITIES: [&str; 17] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

/// Answers `GET /.well-known/smart-configuration`.
/// <http://hl7.org/fhir/smart-app-launch/STU2/conformance.html>
pub(crate) async fn smart_configuration(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut told = endpoints(&access::root(&app, &headers));
    told.push_str(r#","capabilities":["#);
    told.push_str(&quoted(&CAPABILITIES));
    told.push_str("]}");
    ([(header::CONTENT_TYPE, "application/json")], told).into_response()
}

/// Answers `GET /fhir/.well-known/openid-configuration`.
/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
pub(crate) async fn openid_configuration(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut told = endpoints(&access::root(&app, &headers));
    told.push_str(r#","subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]}"#);
    ([(header::CONTENT_TYPE, "application/json")], told).into_response()
}

/// What both say, as the beginning of a JSON object.
fn endpoints(root: &str) -> String {
    let mut told = format!(r#"{{"issuer":"{root}/fhir","jwks_uri":"{root}/auth/keys""#);
    for (name, path) in
        [("authorization", "authorize"), ("token", "token"), ("introspection", "introspect"), ("revocation", "revoke")]
    {
        told.push_str(&format!(r#","{name}_endpoint":"{root}/auth/{path}""#));
    }
    let words = quoted(&WORDS);
    told.push_str(&format!(r#","scopes_supported":[{words},"patient/*.cruds","user/*.cruds","system/*.cruds"]"#));
    told.push_str(concat!(
        r#","grant_types_supported":["authorization_code","refresh_token","client_credentials"]"#,
        r#","response_types_supported":["code"],"code_challenge_methods_supported":["S256"]"#,
        r#","token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","private_key_jwt"]"#,
        r#","token_endpoint_auth_signing_alg_values_supported":["RS384","ES384"]"#
    ));
    told
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",")
}
