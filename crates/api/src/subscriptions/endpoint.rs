//! Where notifications may go, and how they get there.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Method, Request, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use tower::Service;

use super::channel::Wish;
use crate::settings::Subscriptions;

/// Why an address is not one notifications may go to.
const PRIVATE: &str = "The endpoint is a private or local address, to which this server sends nothing.";

/// Refuses an endpoint that settings do not allow. Names are held against the same rule when they are resolved.
pub(super) fn check(settings: &Subscriptions, endpoint: &str) -> Result<Uri, String> {
    let uri: Uri = endpoint.parse().map_err(|_| "The endpoint is no address.".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("The endpoint must be an http or https address.".to_owned());
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("The endpoint names no host.")?;
    if !settings.allow.is_empty() && !settings.allow.iter().any(|prefix| begins_with(endpoint, prefix)) {
        return Err("The endpoint is not among those this server is configured to notify.".to_owned());
    }
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
        && !settings.allow_private
        && !is_public(address)
    {
        return Err(PRIVATE.to_owned());
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

/// Whether an address can be that of a server out in the world.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (18..20).contains(&second);
    let protocol = (first, second, third) == (192, 0, 0);
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || shared
        || benchmark
        || protocol)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    // Global unicast is 2000::/3; 2002::/16 and 64:ff9b::/96 can carry a private IPv4 address within.
    first & 0xe000 == 0x2000 && first != 0x2002
}

/// Resolves names to the addresses notifications may go to. Asked for each connection, so that a name whose address
/// is changed after the Subscription was accepted gains nothing.
#[derive(Clone)]
struct Resolver {
    names: GaiResolver,
    allow_private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.names.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.names.call(name);
        let allow_private = self.allow_private;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                found.await?.filter(|address| allow_private || is_public(address.ip())).collect();
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, PRIVATE));
            }
            Ok(addresses.into_iter())
        })
    }
}

type Inner = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Sends notifications.
pub(super) struct Client {
    inner: Result<Inner, String>,
    attempt_time: Duration,
}

impl Client {
    /// A client that keeps to the settings.
    pub(super) fn new(settings: &Subscriptions) -> Self {
        let resolver = Resolver { names: GaiResolver::new(), allow_private: settings.allow_private };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_connect_timeout(Some(settings.attempt_time));
        let inner = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map(|builder| {
                let connector = builder.https_or_http().enable_http1().wrap_connector(http);
                hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector)
            })
            .map_err(|error| format!("The certificates this machine trusts cannot be read: {error}"));
        Self { inner, attempt_time: settings.attempt_time }
    }

    /// Sends one notification: the resource to `endpoint/Type/id`, or nothing to the endpoint itself. The error is a
    /// sentence without any health data.
    pub(super) async fn send(
        &self,
        endpoint: &Uri,
        wish: &Wish,
        resource: Option<(&str, Bytes)>,
    ) -> Result<(), String> {
        let client = self.inner.as_ref().map_err(Clone::clone)?;
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
        let request = request.body(Full::new(body)).map_err(|_| "The endpoint is no address.".to_owned())?;
        // Redirects are not followed: they could lead to where notifications may not go.
        match tokio::time::timeout(self.attempt_time, client.request(request)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(format!("The endpoint answered {}.", response.status().as_u16())),
            Ok(Err(error)) if error.is_connect() => Err("The endpoint could not be connected to.".to_owned()),
            Ok(Err(_)) => Err("The connection to the endpoint broke.".to_owned()),
            Err(_) => Err("The endpoint did not answer in time.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_to_addresses_inside() {
        let settings = Subscriptions::default();
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
        ] {
            assert!(check(&settings, &format!("http://{host}/hook")).is_err(), "{host}");
        }
        for host in ["lab.example", "93.184.216.34", "[2606:2800:220:1::1]"] {
            assert!(check(&settings, &format!("https://{host}/hook")).is_ok(), "{host}");
        }
        let inside = Subscriptions { allow_private: true, ..settings };
        assert!(check(&inside, "http://10.1.2.3/hook").is_ok());
    }

    #[test]
    fn only_listed_endpoints_are_notified_when_there_is_a_list() {
        let settings = Subscriptions { allow: vec!["https://lab.example".to_owned()], ..Subscriptions::default() };
        assert!(check(&settings, "https://lab.example/hook").is_ok());
        for other in ["https://lab.example.org/hook", "https://lab.example:444/", "http://lab.example/", "file:///etc"]
        {
            assert!(check(&settings, other).is_err(), "{other}");
        }
    }
}
