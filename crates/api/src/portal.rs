//! The portal: the files a browser loads, served at every address that no other route has.
//!
//! They are held in memory, compressed once, because this crate reads no files and they are few.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use fhir::Error;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::access::hex;
use crate::answer::{Asked, text};

/// The page that every screen of the portal begins with.
const FIRST: &str = "index.html";
/// Files below this folder have a digest of their content in their names, so a name never gets another content.
const HASHED: &str = "assets/";
/// Scripts and data from this address alone; the component library writes its styles into the page.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The files of a built portal. Cheap to clone.
#[derive(Clone)]
pub struct Portal(Arc<FxHashMap<String, File>>);

struct File {
    kind: &'static str,
    plain: Bytes,
    /// Absent when compressing saves nothing.
    gzip: Option<Bytes>,
    tag: HeaderValue,
}

impl fmt::Debug for Portal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A megabyte of scripts would bury whatever else is being looked at.
        write!(out, "Portal({} files)", self.0.len())
    }
}

impl Portal {
    /// Takes the files, each with its path below the portal's folder, parts separated by `/`.
    ///
    /// # Errors
    /// `Category::Invalid` when there is no `index.html` among them.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        let files: FxHashMap<String, File> =
            files.into_iter().map(|(path, content)| (path.clone(), File::new(&path, content))).collect();
        if files.contains_key(FIRST) {
            Ok(Self(Arc::new(files)))
        } else {
            Err(Error::invalid("A portal begins with index.html, and there is none."))
        }
    }

    /// The file a path leads to. Every path that looks like a screen's leads to the first page, which shows that
    /// screen; a path below the hashed files that is not there belonged to an older portal.
    fn file(&self, path: &str, accept: &str) -> Option<(&File, bool)> {
        let path = path.trim_start_matches('/');
        if let Some(file) = self.0.get(path) {
            return Some((file, path.starts_with(HASHED)));
        }
        let is_screen = !path.starts_with(HASHED) && accept.contains("text/html");
        is_screen.then(|| self.0.get(FIRST)).flatten().map(|file| (file, false))
    }
}

impl File {
    fn new(path: &str, content: Vec<u8>) -> Self {
        let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json" | "map") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("ico") => "image/x-icon",
            Some("woff2") => "font/woff2",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        let gzip = compressed(&content).filter(|small| small.len() + small.len() / 16 < content.len());
        let tag = text(&format!("\"{}\"", &hex(&Sha256::digest(&content))[..32]));
        Self { kind, plain: content.into(), gzip, tag }
    }
}

fn compressed(content: &[u8]) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Answers `GET` and `HEAD` of anything that is not of the record.
pub(crate) async fn answer(State(portal): State<Portal>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return bare(StatusCode::METHOD_NOT_ALLOWED, &[(header::ALLOW, "GET, HEAD")]);
    }
    let headers = request.headers();
    let sent = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let Some((file, is_hashed)) = portal.file(request.uri().path(), sent(header::ACCEPT)) else {
        return bare(StatusCode::NOT_FOUND, &[]);
    };
    let packed = file.gzip.as_ref().filter(|_| Asked::of(is_head, headers).gzip);
    let is_known = sent(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim().as_bytes() == file.tag.as_bytes());
    let body = if is_known || is_head { Bytes::new() } else { packed.unwrap_or(&file.plain).clone() };

    let mut response = Response::new(Body::from(body));
    *response.status_mut() = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let kept = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(header::ETAG, file.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn bare(status: StatusCode, fields: &[(header::HeaderName, &'static str)]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
