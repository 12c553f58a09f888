//! Where notifications may go, and how they get there.

use axum::http::{Method, Request, Uri, header};
use bytes::Bytes;

use super::channel::Wish;
use crate::settings::Subscriptions;

/// Refuses an endpoint that settings do not allow. Names are held against the same rule when they are resolved.
pub(super) fn check(settings: &Subscriptions, endpoint: &str) -> Result<Uri, String> {
    let uri = outward::check(endpoint, settings.allow_private)?;
    if !settings.allow.is_empty() && !settings.allow.iter().any(|prefix| begins_with(endpoint, prefix)) {
        return Err("The endpoint is not among those this server is configured to notify.".to_owned());
    }
    Ok(uri)
}

/// Whether an address begins with a prefix that ends where a part of it ends: `https://a.example` is no prefix of
/// `https://a.example.org`.
fn begins_with(endpoint: &str, prefix: &str) -> bool {
    endpoint
        .strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/') || rest.starts_with('?'))
}

/// Sends notifications.
pub(super) struct Client(outward::Client);

impl Client {
    /// A client that keeps to the settings.
    pub(super) fn new(settings: &Subscriptions) -> Self {
        Self(outward::Client::new(settings.allow_private, settings.attempt_time))
    }

    /// Sends one notification: the resource to `endpoint/Type/id`, or nothing to the endpoint itself. The error is a
    /// sentence without any health data.
    pub(super) async fn send(
        &self,
        endpoint: &Uri,
        wish: &Wish,
        resource: Option<(&str, Bytes)>,
    ) -> Result<(), String> {
        let (method, address, body) = match resource {
            None => (Method::POST, endpoint.to_string(), Bytes::new()),
            Some((name, body)) => (Method::PUT, format!("{}/{name}", wish.endpoint.trim_end_matches('/')), body),
        };
        let mut request = Request::builder().method(&method).uri(address);
        if method == Method::PUT {
            request = request.header(header::CONTENT_TYPE, "application/fhir+json");
        }
        for (name, value) in &wish.headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|_| "The endpoint is no address.".to_owned())?;
        match self.0.send(request).await {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(format!("The endpoint answered {}.", status.as_u16())),
            Err(unanswered) => Err(unanswered.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_endpoints_are_notified_when_there_is_a_list() {
        let settings = Subscriptions { allow: vec!["https://lab.example".to_owned()], ..Subscriptions::default() };
        assert!(check(&settings, "https://lab.example/hook").is_ok());
        for other in ["https://lab.example.org/hook", "https://lab.example:444/", "http://lab.example/", "file:///etc"]
        {
            assert!(check(&settings, other).is_err(), "{other}");
        }
        assert!(check(&Subscriptions::default(), "http://127.0.0.1/hook").is_err());
    }
}
