//! The HTTP door over real records on both databases.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod adversary;
mod batch;
mod booking;
mod case;
mod door;
mod export;
mod hooks;
mod operations;
mod paging;
mod people;
mod person;
mod portal;
mod rest;
mod routing;
mod runs;
mod search;
mod sign_in;
mod smart;
mod stage;
mod stream;
mod trail;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use fhir::Value;
use sonic_rs::JsonValueTrait;
use testkit::place::Place;
use tower::ServiceExt;

/// The HTTP door of a place, with nobody asked to sign in.
pub(crate) struct Door {
    pub(crate) place: Place,
    pub(crate) router: Router,
    pub(crate) directory: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Door {
    /// Opens it without sign-in.
    pub(crate) fn open(place: Place) -> Self {
        Self::with(place, |settings| settings.open = true)
    }

    /// Opens it with other settings than the defaults.
    pub(crate) fn with(place: Place, change: impl FnOnce(&mut api::Settings)) -> Self {
        Self::knowing(place, protocol::Library::default(), change)
    }

    /// Opens it where there are protocols besides those that are stored.
    pub(crate) fn knowing(place: Place, library: protocol::Library, change: impl FnOnce(&mut api::Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = api::Settings::new(directory.path().to_owned());
        settings.base = Some("http://qingshan.example/fhir".to_owned());
        change(&mut settings);
        let router = api::router(protocol::Engine::with(place.record.clone(), library), settings);
        Self { place, router, directory }
    }

    /// Asks.
    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Opens it anew over the same record, with or without sign-in.
    pub(crate) fn reopen(&mut self, open: bool) {
        let mut settings = api::Settings::new(self.directory.path().to_owned());
        settings.base = Some("http://qingshan.example/fhir".to_owned());
        settings.open = open;
        self.router =
            api::router(protocol::Engine::with(self.place.record.clone(), protocol::Library::default()), settings);
    }

    /// Signs a machine client in, of an institution or the consortium's own, and gives what it proves itself with.
    pub(crate) async fn machine(&self, id: &str, institution: Option<&str>, scope: &str) -> String {
        let institution = institution.map(str::to_owned);
        let new =
            api::NewClient { id: id.to_owned(), scope: scope.to_owned(), institution, ..api::NewClient::default() };
        let secret = api::register_client(&self.place.record, new).await.unwrap().unwrap();
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let token = self.ask(Method::POST, "/auth/token", &[kind], form.as_bytes()).await;
        format!("Bearer {}", text_at(&token.json(), "access_token").expect("a machine is let in"))
    }

    /// Asks with GET.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], b"").await
    }

    /// Sends a resource.
    pub(crate) async fn send(&self, method: Method, path: &str, resource: &str) -> Reply {
        self.ask(method, path, &[("content-type", "application/fhir+json")], resource.as_bytes()).await
    }

    /// Stores a resource under the id it carries.
    pub(crate) async fn put(&self, resource: &str) -> Reply {
        let value = fhir::json::parse(resource.as_bytes()).unwrap();
        let path =
            format!("/fhir/{}/{}", value.get("resourceType").as_str().unwrap(), value.get("id").as_str().unwrap());
        let reply = self.send(Method::PUT, &path, resource).await;
        assert!(reply.status.is_success(), "{reply:?}");
        reply
    }
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        fhir::json::parse(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {self:?}")).to_str().unwrap()
    }

    /// Asserts that it is refused in this way, with an OperationOutcome that says so.
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let outcome = self.json();
        assert_eq!(outcome.get("resourceType").as_str(), Some("OperationOutcome"));
        assert_eq!(
            outcome.pointer(["issue"]).and_then(|issues| issues.get(0)?.get("code")).as_str(),
            Some(code),
            "{}",
            self.text()
        );
        self
    }

    /// The element the first issue of an outcome is about.
    pub(crate) fn expression(&self) -> String {
        let outcome = self.json();
        let issue = outcome.get("issue").and_then(|issues| issues.get(0)).expect("an issue");
        let expression = issue.get("expression").and_then(|list| list.get(0)).expect("an expression");
        expression.as_str().expect("text").to_owned()
    }
}

/// A text at a path of members and positions, such as `entry.0.response.status`.
pub(crate) fn text_at(value: &Value, path: &str) -> Option<String> {
    let mut value = value;
    for step in path.split('.') {
        value = match step.parse::<usize>() {
            Ok(position) => value.get(position)?,
            Err(_) => value.get(step)?,
        };
    }
    Some(match value.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8(fhir::json::to_bytes(value)).unwrap(),
    })
}
