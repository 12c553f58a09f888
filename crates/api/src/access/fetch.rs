//! What is read from servers that the settings name: the keys of clients, OpenID providers.

use std::time::Duration;

use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The largest answer that is read.
const MOST: usize = 1 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

type Inner = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks other servers.
pub(crate) struct Fetcher(Result<Inner, String>);

impl Default for Fetcher {
    fn default() -> Self {
        let client = HttpsConnectorBuilder::new().with_native_roots().map(|builder| {
            let connector = builder.https_or_http().enable_http1().build();
            hyper_util::client::legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(outward::IDLE)
                .build(connector)
        });
        Self(client.map_err(|error| error.to_string()))
    }
}

impl Fetcher {
    /// What stands at an address.
    pub(crate) async fn get(&self, address: &str) -> Result<Bytes, Error> {
        let request = Request::get(address).header("accept", "application/json").body(Full::new(Bytes::new()));
        let response = self.ask(request.map_err(unreachable)?).await?;
        if !response.status().is_success() {
            return Err(unreachable(format!("answered {}", response.status())));
        }
        Ok(response.into_body())
    }

    /// Asks, and reads the answer to its end. Redirects are not followed.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
        if !is_trusted(request.uri()) {
            return Err(unreachable("only https is asked, or http on this machine"));
        }
        let client = self.0.as_ref().map_err(|error| unreachable(error.clone()))?;
        let asking = async {
            let (parts, body) = client.request(request).await.map_err(unreachable)?.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(unreachable)?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(PATIENCE, asking).await.map_err(unreachable)?
    }
}

/// Whether what an address says can be believed: keys that came over an open line could be anybody's.
fn is_trusted(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default();
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    address.scheme_str() == Some("https") || (address.scheme_str() == Some("http") && local)
}

fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let text = "A server that is needed for this does not answer.";
    Error::new(Category::Unavailable, IssueCode::Transient, text).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_over_tls_or_from_this_machine_only() {
        for (address, trusted) in [
            ("https://app.example/keys", true),
            ("http://127.0.0.1:9/keys", true),
            ("http://app.example/keys", false),
            ("ftp://app.example/keys", false),
        ] {
            assert_eq!(is_trusted(&address.parse().unwrap()), trusted, "{address}");
        }
    }
}
