//! A gateway and a push service that send nothing and remember what they were given: for demonstrations and tests.
//!
//! - `POST /messages`: a text message or a call; the same `id` a second time is a repeat
//! - `POST /push/…`: a message for a browser; `/push/gone` says that the browser wants none any more
//! - `GET /messages`: what was taken, and at `/` the same to be looked at
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
            (&Method::GET, "/") => return shown(&self.sheet()),
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
                let said = |name: &str| one.body[name].as_str().unwrap_or_default();
                tracing::info!(channel = said("channel"), to = said("to"), "not sent: {}", said("text"));
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

impl StandIn {
    /// What was taken as a page for people, the latest on top.
    fn sheet(&self) -> String {
        let taken = self.taken();
        let mut rows = String::new();
        for one in taken.iter().rev() {
            let said = |name: &str| plain(one.body[name].as_str().unwrap_or_default());
            let (kind, text) = match one.body["channel"].as_str() {
                Some("sms") => ("短信 SMS", said("text")),
                Some("voice") => ("语音电话 Call", said("text")),
                // Only the browser it is for can open it.
                _ => ("推送 Push", format!("{} B", one.size)),
            };
            rows += &format!("<li><b>{}</b> <i>{kind}</i><p>{text}</p></li>\n", said("to"));
        }
        let is_down = self.0.is_down.load(Ordering::SeqCst);
        let state = if is_down { "<p class=down>通道已断开 Down: nothing is taken.</p>" } else { "" };
        SHEET.replace("{state}", state).replace("{count}", &taken.len().to_string()).replace("{rows}", &rows)
    }
}

/// The page: it looks again by itself, and has nothing that a browser would have to fetch.
const SHEET: &str = "<!doctype html><html lang=zh-CN><meta charset=utf-8><meta http-equiv=refresh content=2>\
    <meta name=viewport content='width=device-width'><title>演示短信网关 Stand-in gateway</title><style>\
    body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:16px;background:#f4f5f7;color:#1d2129}\
    h1{font-size:20px;margin:0}ul{list-style:none;padding:0}li{background:#fff;border:1px solid #c9cdd4;border-radius:8px;\
    padding:8px 12px;margin:8px 0}li p{margin:4px 0 0}i{color:#4e5969}.down{background:#ffece8;border:2px solid #b71d18;\
    padding:8px}</style><h1>演示短信网关 · Stand-in gateway</h1><p>以下 {count} 条都没有真的发出，最新的在最上面。<br>\
    None of these {count} was really sent; the latest is on top.</p>{state}<ul>{rows}</ul></html>";

/// A text within a page.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn shown(sheet: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(sheet.to_owned())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn told(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
