//! Requests to addresses that other people name: of subscribers, of browsers' push services, of gateways.
//!
//! Whoever may name an address could make this server speak to machines that only it can reach. So names are held
//! against the same rule when they are resolved as addresses are when they are given, and redirects are not followed.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

/// Why an address is not one that is spoken to.
const PRIVATE: &str = "The endpoint is a private or local address, to which this server sends nothing.";

/// Reads an address and refuses what is no `http` or `https` address, or not one out in the world.
///
/// # Errors
/// A sentence for whoever gave the address.
pub fn check(address: &str, allow_private: bool) -> Result<Uri, String> {
    let uri: Uri = address.parse().map_err(|_| "The endpoint is no address.".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("The endpoint must be an http or https address.".to_owned());
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("The endpoint names no host.")?;
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
        && !allow_private
        && !is_public(address)
    {
        return Err(PRIVATE.to_owned());
    }
    Ok(uri)
}

/// Whether an address can be that of a server out in the world.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
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

/// How long a connection is kept for the next request. Servers close idle ones after five seconds or more, and what is sent
/// at that moment is lost with them.
pub const IDLE: Duration = Duration::from_secs(2);

type Inner = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Why nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody is there, or the way there is cut.
    Unconnected,
    /// The connection broke before the answer was there.
    Broken,
    /// There was no answer in time.
    Late,
    /// This machine cannot speak to anybody: a sentence for whoever looks after it.
    Unable(String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unconnected => "The endpoint could not be connected to.",
            Self::Broken => "The connection to the endpoint broke.",
            Self::Late => "The endpoint did not answer in time.",
            Self::Unable(why) => why,
        })
    }
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Result<Inner, String>,
    attempt_time: Duration,
}

impl Client {
    /// A client that waits so long for an answer, and speaks to machines inside only if it may.
    pub fn new(allow_private: bool, attempt_time: Duration) -> Self {
        let resolver = Resolver { names: GaiResolver::new(), allow_private };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_connect_timeout(Some(attempt_time));
        let inner = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map(|builder| {
                let connector = builder.https_or_http().enable_http1().wrap_connector(http);
                hyper_util::client::legacy::Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE)
                    .build(connector)
            })
            .map_err(|error| format!("The certificates this machine trusts cannot be read: {error}"));
        Self { inner, attempt_time }
    }

    /// Sends one request, and says with which status it was answered. Redirects are not followed: they could lead to
    /// where nothing may be sent.
    ///
    /// # Errors
    /// When there was no answer; its words hold nothing of the request.
    pub async fn send(&self, request: Request<Bytes>) -> Result<StatusCode, Unanswered> {
        let client = self.inner.as_ref().map_err(|why| Unanswered::Unable(why.clone()))?;
        match tokio::time::timeout(self.attempt_time, client.request(request.map(Full::new))).await {
            Ok(Ok(response)) => Ok(response.status()),
            Ok(Err(error)) if error.is_connect() => Err(Unanswered::Unconnected),
            Ok(Err(_)) => Err(Unanswered::Broken),
            Err(_) => Err(Unanswered::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_to_addresses_inside() {
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
            assert!(check(&format!("http://{host}/hook"), false).is_err(), "{host}");
        }
        for host in ["lab.example", "93.184.216.34", "[2606:2800:220:1::1]"] {
            assert!(check(&format!("https://{host}/hook"), false).is_ok(), "{host}");
        }
        assert!(check("http://10.1.2.3/hook", true).is_ok());
        assert!(check("file:///etc", true).is_err());
    }
}
