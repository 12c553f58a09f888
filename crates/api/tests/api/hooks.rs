//! Subscriptions by REST hook.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use testkit::place::on_both;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{Door, text_at};

/// What an endpoint was sent.
#[derive(Debug)]
struct Sent {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An endpoint that refuses as often as it was told and then takes everything.
struct Hook {
    address: String,
    sent: UnboundedReceiver<Sent>,
}

#[derive(Clone)]
struct Receiver {
    refusals: Arc<std::sync::atomic::AtomicUsize>,
    sender: UnboundedSender<Sent>,
}

async fn receive(State(receiver): State<Receiver>, request: Request<Body>) -> StatusCode {
    use std::sync::atomic::Ordering;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let sent = Sent { method: parts.method, path: parts.uri.path().to_owned(), headers: parts.headers, body };
    receiver.sender.send(sent).unwrap();
    let refuses =
        receiver.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if refuses { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

impl Hook {
    async fn open(refusals: usize) -> Self {
        let (sender, sent) = unbounded_channel();
        let receiver = Receiver { refusals: Arc::new(refusals.into()), sender };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(receive).with_state(receiver);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, sent }
    }
}

fn settings() -> api::Subscriptions {
    api::Subscriptions {
        allow_private: true,
        tries: 4,
        first_wait: Duration::from_millis(1),
        poll: Duration::from_millis(5),
        ..api::Subscriptions::default()
    }
}

async fn subscribe(door: &Door, endpoint: &str, payload: &str) {
    door.put(&format!(
        r#"{{"resourceType":"Subscription","id":"s","status":"requested","reason":"r","criteria":"Observation?status=final","channel":{{"type":"rest-hook","endpoint":"{endpoint}/hook"{payload},"header":["Authorization: Bearer secret"]}}}}"#
    ))
    .await;
}

/// Waits, change by change, until the Subscription has a status.
async fn status(door: &Door, wanted: &str) -> String {
    let mut head = door.place.record.head();
    loop {
        head.borrow_and_update();
        let subscription = door.get("/fhir/Subscription/s").await;
        if text_at(&subscription.json(), "status").as_deref() == Some(wanted) {
            return subscription.text();
        }
        head.changed().await.unwrap();
    }
}

async fn observation(door: &Door, id: &str, status: &str) {
    door.put(&format!(r#"{{"resourceType":"Observation","id":"{id}","status":"{status}","code":{{"text":"x"}}}}"#))
        .await;
}

#[test]
fn a_hook_is_sent_what_meets_the_criteria_after_it_became_active() {
    on_both(async |place| {
        let door = Door::open(place);
        let mut hook = Hook::open(0).await;
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings()));
        observation(&door, "before", "final").await;
        subscribe(&door, &hook.address, r#","payload":"application/fhir+json""#).await;
        status(&door, "active").await;
        observation(&door, "other", "registered").await;
        observation(&door, "one", "final").await;
        observation(&door, "two", "final").await;
        for id in ["one", "two"] {
            let sent = hook.sent.recv().await.unwrap();
            assert_eq!((sent.method, sent.path), (Method::PUT, format!("/hook/Observation/{id}")));
            assert_eq!(sent.headers["authorization"], "Bearer secret");
            assert_eq!(sent.body, door.get(&format!("/fhir/Observation/{id}")).await.body);
        }
        service.abort();
    });
}

#[test]
fn a_notification_that_fails_is_tried_again_and_none_overtakes_it() {
    on_both(async |place| {
        let door = Door::open(place);
        let mut hook = Hook::open(2).await;
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings()));
        subscribe(&door, &hook.address, r#","payload":"application/fhir+json""#).await;
        status(&door, "active").await;
        observation(&door, "one", "final").await;
        observation(&door, "two", "final").await;
        let mut paths = Vec::new();
        for _ in 0..4 {
            paths.push(hook.sent.recv().await.unwrap().path.rsplit('/').next().unwrap().to_owned());
        }
        assert_eq!(paths, ["one", "one", "one", "two"]);
        service.abort();
    });
}

#[test]
fn a_hook_that_stays_down_is_given_up_for_all_to_see() {
    on_both(async |place| {
        let door = Door::open(place);
        let mut hook = Hook::open(usize::MAX).await;
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings()));
        subscribe(&door, &hook.address, "").await;
        status(&door, "active").await;
        observation(&door, "one", "final").await;
        let given_up = status(&door, "error").await;
        assert!(given_up.contains("Given up after 4 attempts. The endpoint answered 503."), "{given_up}");
        let mut attempts = 0;
        while let Ok(sent) = hook.sent.try_recv() {
            assert_eq!((sent.method, sent.body.len()), (Method::POST, 0), "without payload nothing is told");
            attempts += 1;
        }
        assert_eq!(attempts, 4);
        service.abort();
    });
}

#[test]
fn a_subscription_that_cannot_be_served_says_why() {
    on_both(async |place| {
        let door = Door::open(place);
        let closed = api::Subscriptions { allow_private: false, ..settings() };
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), closed));
        subscribe(&door, "http://127.0.0.1:9", "").await;
        assert!(status(&door, "error").await.contains("private or local address"));
        service.abort();
    });
}
