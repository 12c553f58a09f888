//! A gateway and a push service that send nothing and remember what they were given: for demonstrations and tests.
//!
//! - `POST /messages`: a text message or a call; the same `id` a second time is a repeat
//! - `POST /push/…`: a message for a browser; `/push/gone` says that the browser wants none any more
//! - `GET /messages`: what was taken
//! - `POST /down`, `POST /up`: takes nothing, and takes again

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The largest body taken.
const BODY: usize = 64 << 10;

/// Something that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Where it was sent: `/messages` or `/push/…`.
    pub path: String,
    /// Its id: the `Idempotency-Key` of a message, the `Topic` of what goes to a browser.
    pub key: String,
    /// What a message says; nothing of what goes to a browser, which is sealed.
    pub body: Value,
    /// How many bytes were sent.
    pub size: usize,
    /// How often it was sent again after it had been taken.
    pub repeats: usize,
}

/// What stands in. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct StandIn(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_down: AtomicBool,
    taken: Mutex<Vec<Taken>>,
    heard: Mutex<Option<mpsc::UnboundedSender<Taken>>>,
}

impl StandIn {
    /// Answers whoever connects, for as long as it is polled.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((connection, _)) = listener.accept().await else { continue };
            let own = self.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let own = own.clone();
                async move { Ok::<_, Infallible>(own.answer(request).await) }
            });
            let serving = hyper::server::conn::http1::Builder::new();
            if connection.set_nodelay(true).is_ok() {
                tokio::spawn(serving.serve_connection(TokioIo::new(connection), answer));
            }
        }
    }

    /// Takes nothing from now on, or takes again.
    pub fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    /// What was taken, in the order it came.
    pub fn taken(&self) -> Vec<Taken> {
        self.0.taken.lock().clone()
    }

    /// Hears of everything that is taken from now on.
    pub fn hear(&self) -> mpsc::UnboundedReceiver<Taken> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.heard.lock() = Some(sender);
        receiver
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        match (&parts.method, path.as_str()) {
            (&Method::GET, "/messages") => return told(StatusCode::OK, &self.list()),
            (&Method::POST, "/down" | "/up") => {
                self.set_down(path == "/down");
                return told(StatusCode::OK, &json!({ "down": path == "/down" }));
            }
            (&Method::POST, "/push/gone") => return told(StatusCode::GONE, &Value::Null),
            (&Method::POST, "/messages") => {}
            (&Method::POST, path) if path.starts_with("/push/") => {}
            _ => return told(StatusCode::NOT_FOUND, &Value::Null),
        }
        if self.0.is_down.load(Ordering::SeqCst) {
            return told(StatusCode::SERVICE_UNAVAILABLE, &Value::Null);
        }
        let Ok(body) = Limited::new(body, BODY).collect().await else {
            return told(StatusCode::PAYLOAD_TOO_LARGE, &Value::Null);
        };
        let body = body.to_bytes();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_message = path == "/messages";
        let key = header(if is_message { "idempotency-key" } else { "topic" }).to_owned();
        let read: Option<Value> = if is_message { serde_json::from_slice(&body).ok() } else { Some(Value::Null) };
        let Some(read) = read.filter(|_| !key.is_empty()) else {
            return told(StatusCode::BAD_REQUEST, &Value::Null);
        };
        self.take(Taken { path, key, body: read, size: body.len(), repeats: 0 });
        told(if is_message { StatusCode::ACCEPTED } else { StatusCode::CREATED }, &Value::Null)
    }

    fn take(&self, one: Taken) {
        let mut taken = self.0.taken.lock();
        match taken.iter_mut().find(|known| known.path == one.path && known.key == one.key) {
            Some(known) => known.repeats += 1,
            None => {
                if let Some(heard) = &*self.0.heard.lock() {
                    // Nobody may listen any more.
                    let _ = heard.send(one.clone());
                }
                taken.push(one);
            }
        }
    }

    fn list(&self) -> Value {
        let taken = self.taken();
        let taken = taken.iter().map(|one| {
            json!({ "path": one.path, "key": one.key, "body": one.body, "size": one.size, "repeats": one.repeats })
        });
        Value::Array(taken.collect())
    }
}

fn told(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
