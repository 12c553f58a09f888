//! Whether the store answers, and where to sign in.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::App;
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

/// Answers `GET /.well-known/smart-configuration`.
/// <http://hl7.org/fhir/smart-app-launch/STU2/conformance.html>
pub(crate) async fn smart_configuration(State(app): State<App>, headers: HeaderMap) -> Response {
    let base = crate::door::base(&app, &headers).to_string();
    let root = base.strip_suffix("/fhir").unwrap_or(&base);
    let body = format!(
        concat!(
            r#"{{"token_endpoint":"{root}/auth/token","grant_types_supported":["client_credentials"],"#,
            r#""token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"#,
            r#""scopes_supported":["system/*.cruds"],"capabilities":["permission-v2","permission-v1"]}}"#
        ),
        root = root
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
