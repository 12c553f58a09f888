//! An answer in the words of FHIR, and how it becomes an HTTP response.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use record::{Key, Version};

use crate::ask::Base;
use crate::json;
use crate::outcome::{self, Failure};

/// Bodies from this size on are compressed for callers who take gzip.
const WORTH_COMPRESSING: usize = 2 << 10;
/// Bodies from this size on are compressed away from the threads that serve connections.
const LONG_WORK: usize = 128 << 10;

/// The content type of resources.
pub(crate) const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json; charset=utf-8");
/// The content type of other JSON.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// `ETag` and `Last-Modified`: version and time in microseconds since 1970.
    pub(crate) version: Option<(u64, i64)>,
    /// `Location` of the version that was made.
    pub(crate) location: Option<(Key, u64)>,
    /// Other headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub(crate) body: Payload,
    /// Whether the body tells about what was done instead of being what was asked for.
    pub(crate) tells: bool,
}

/// A body.
#[derive(Debug)]
pub(crate) enum Payload {
    /// None.
    Nothing,
    /// One resource.
    Resource(Bytes),
    /// JSON that is no resource.
    Json(Bytes),
    /// Anything, as it comes; the content type stands among the headers.
    Stream(Body),
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, version: None, location: None, headers: Vec::new(), body: Payload::Nothing, tells: false }
    }

    /// A resource that has no version, such as a Bundle.
    pub(crate) fn resource(body: impl Into<Bytes>) -> Self {
        Self { body: Payload::Resource(body.into()), ..Self::empty(StatusCode::OK) }
    }

    /// A failure as an answer.
    pub(crate) fn failure(failure: &Failure) -> Self {
        let told = outcome::tell(failure);
        let mut headers = Vec::new();
        if let Some(allow) = told.allow {
            headers.push((header::ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(seconds) = told.retry_after {
            headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if told.sign_in {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        Self { headers, body: Payload::Resource(told.body.into()), ..Self::empty(told.status) }
    }

    /// The same answer with the version it is about.
    #[must_use]
    pub(crate) fn about(mut self, version: &Version) -> Self {
        self.version = Some((version.version, version.at));
        self
    }

    /// The HTTP response.
    pub(crate) async fn into_response(self, base: &Base, format: Format, asked: &Asked) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        // Whoever uses this browser next must not find in its cache what somebody else was shown.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((version, at)) = self.version {
            headers.insert(header::ETAG, text(&format!("W/\"{version}\"")));
            headers.insert(header::LAST_MODIFIED, text(&http_date(at)));
        }
        if let Some((key, version)) = self.location {
            headers.insert(header::LOCATION, text(&format!("{base}/{key}/_history/{version}")));
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        let (body, kind) = match self.body {
            Payload::Nothing => return response,
            Payload::Stream(stream) => {
                *response.body_mut() = if asked.head { Body::empty() } else { stream };
                return response;
            }
            Payload::Resource(body) => (body, FHIR_JSON),
            Payload::Json(body) => (body, JSON),
        };
        headers.entry(header::CONTENT_TYPE).or_insert(kind);
        let body = if format.pretty { Bytes::from(json::pretty(&body)) } else { body };
        let body = if asked.gzip && body.len() >= WORTH_COMPRESSING {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            compressed(body).await
        } else {
            body
        };
        if asked.head {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        } else {
            *response.body_mut() = Body::from(body);
        }
        response
    }
}

/// How the body is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Format {
    /// With line breaks and indentation.
    pub(crate) pretty: bool,
}

/// What the transport asks of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Only the headers.
    pub(crate) head: bool,
    /// gzip is welcome.
    pub(crate) gzip: bool,
}

impl Asked {
    /// Reads the headers.
    pub(crate) fn of(head: bool, headers: &HeaderMap) -> Self {
        let gzip = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|coding| matches!(coding.trim(), "gzip" | "gzip;q=1.0" | "*")));
        Self { head, gzip }
    }
}

async fn compressed(body: Bytes) -> Bytes {
    if body.len() < LONG_WORK {
        return gzip(&body);
    }
    let whole = body.clone();
    tokio::task::spawn_blocking(move || gzip(&whole)).await.expect("compression does not panic")
}

fn gzip(body: &[u8]) -> Bytes {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds").into()
}

/// A time in microseconds since 1970 as `Last-Modified` has it.
pub(crate) fn http_date(micros: i64) -> String {
    let since = std::time::Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

/// A header of text this server made.
pub(crate) fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}
