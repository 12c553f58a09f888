//! The one place where a failure becomes an HTTP status and an `OperationOutcome`.
//! <http://hl7.org/fhir/R4/http.html#Status-Codes>

use axum::http::StatusCode;
use fhir::{Category, Error, Issue, IssueCode};
use record::Refusal;

use crate::json;

/// Why a request was not answered as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The platform says so.
    Error(Error),
    /// There is something at this address, but not for this verb; these are the verbs it knows.
    Method(&'static str),
    /// No form this server can write suits the caller.
    NotAcceptable,
    /// The body is of a kind this interaction does not take.
    MediaType,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Error(refusal.error)
    }
}

/// What the caller is told.
#[derive(Debug)]
pub(crate) struct Told {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// An `OperationOutcome`.
    pub(crate) body: Vec<u8>,
    /// Verbs that are allowed here.
    pub(crate) allow: Option<&'static str>,
    /// Seconds after which the same request may succeed.
    pub(crate) retry_after: Option<u32>,
    /// Whether the caller must sign in first.
    pub(crate) sign_in: bool,
}

/// What a failure tells the caller.
pub(crate) fn tell(failure: &Failure) -> Told {
    let (status, body, allow) = match failure {
        Failure::Error(error) => (status(error.category()), outcome(error.issues()), None),
        Failure::Method(allow) => {
            let text = format!("This address takes {allow}.");
            let body = outcome(&[Issue::error(IssueCode::NotSupported, text)]);
            (StatusCode::METHOD_NOT_ALLOWED, body, Some(*allow))
        }
        Failure::NotAcceptable => {
            let text = "This server writes JSON only: application/fhir+json.";
            (StatusCode::NOT_ACCEPTABLE, outcome(&[Issue::error(IssueCode::NotSupported, text)]), None)
        }
        Failure::MediaType => {
            let text = "Resources are taken as application/fhir+json; patches as application/json-patch+json or, \
                        being Parameters, as application/fhir+json; searches as application/x-www-form-urlencoded.";
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, outcome(&[Issue::error(IssueCode::NotSupported, text)]), None)
        }
    };
    Told {
        status,
        body,
        allow,
        retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(2),
        sign_in: status == StatusCode::UNAUTHORIZED,
    }
}

const fn status(category: Category) -> StatusCode {
    match category {
        Category::Invalid => StatusCode::BAD_REQUEST,
        Category::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Category::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Category::Unauthenticated => StatusCode::UNAUTHORIZED,
        Category::Forbidden => StatusCode::FORBIDDEN,
        Category::NotFound => StatusCode::NOT_FOUND,
        Category::Gone => StatusCode::GONE,
        Category::Conflict => StatusCode::CONFLICT,
        Category::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Category::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Category::Busy | Category::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Category::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An `OperationOutcome` with these issues. <http://hl7.org/fhir/R4/operationoutcome.html>
pub(crate) fn outcome(issues: &[Issue]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"resourceType":"OperationOutcome","issue":["#);
    for (at, issue) in issues.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"severity":"#);
        json::string(&mut out, issue.severity.as_str());
        json::member(&mut out, "code", issue.code.as_str());
        json::member(&mut out, "diagnostics", &issue.text);
        if let Some(expression) = &issue.expression {
            out.extend_from_slice(br#","expression":["#);
            json::string(&mut out, expression);
            out.push(b']');
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Writes a failure of ours into the log. What callers did wrong is theirs to know.
pub(crate) fn log(failure: &Failure, request: &str) {
    if let Failure::Error(error) = failure
        && matches!(error.category(), Category::Fault | Category::Unavailable)
    {
        let cause = error.cause().map(ToString::to_string).unwrap_or_default();
        tracing::error!(request, category = ?error.category(), cause, "a request failed");
    }
}
