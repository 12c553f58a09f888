//! Where notifications may go, and how they get there.

use axum::http::{Method, Request, Uri, header};
use bytes::Bytes;

use super::channel::Wish;
use crate::settings::Subscriptions;

/// Refuses an endpoint that settings do not allow, or not for what is to be sent there. Names are held against the same
/// rule when they are resolved.
pub(super) fn check(settings: &Subscriptions, endpoint: &str, with_content: bool) -> Result<Uri, String> {
    let uri = outward::check(endpoint, settings.allow_private)?;
    // Where nobody is asked who they are, everything is open to whoever reaches the server.
    if with_content && settings.allow.is_empty() && !settings.anyone {
        let text = "Resources are sent only to endpoints this server is configured to notify, and none is. Without \
                    a payload it is told that something has changed.";
        return Err(text.to_owned());
    }
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

/// Where a resource goes: below the path of the endpoint, which keeps its query.
fn below(endpoint: &str, name: &str) -> String {
    let (path, query) = endpoint.split_at(endpoint.find('?').unwrap_or(endpoint.len()));
    format!("{}/{name}{query}", path.trim_end_matches('/'))
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
            Some((name, body)) => (Method::PUT, below(&wish.endpoint, name), body),
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
        assert!(check(&settings, "https://lab.example/hook", true).is_ok());
        for other in ["https://lab.example.org/hook", "https://lab.example:444/", "http://lab.example/", "file:///etc"]
        {
            assert!(check(&settings, other, false).is_err(), "{other}");
        }
        assert!(check(&Subscriptions::default(), "http://127.0.0.1/hook", false).is_err());
    }

    #[test]
    fn a_resource_goes_below_the_path_of_the_endpoint() {
        assert_eq!(below("https://lab.example/hook/", "Patient/p"), "https://lab.example/hook/Patient/p");
        assert_eq!(below("https://lab.example?key=a/b", "Patient/p"), "https://lab.example/Patient/p?key=a/b");
    }

    #[test]
    fn without_a_list_no_resource_leaves() {
        assert!(check(&Subscriptions::default(), "https://8.8.8.8/hook", false).is_ok());
        assert!(check(&Subscriptions::default(), "https://8.8.8.8/hook", true).is_err());
        let open = Subscriptions { anyone: true, ..Subscriptions::default() };
        assert!(check(&open, "https://8.8.8.8/hook", true).is_ok());
    }
}
