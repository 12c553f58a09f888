//! Subscriptions by REST hook.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use testkit::place::on_both;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::export::refusal;
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

/// Serves Subscriptions of whoever is there, with content to this endpoint alone.
fn settings(endpoint: &str) -> api::Subscriptions {
    api::Subscriptions {
        allow: vec![endpoint.to_owned()],
        allow_private: true,
        anyone: true,
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
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings(&hook.address)));
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
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings(&hook.address)));
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
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings(&hook.address)));
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
        let closed = api::Subscriptions { allow_private: false, ..settings("http://127.0.0.1:9") };
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), closed));
        subscribe(&door, "http://127.0.0.1:9", "").await;
        assert!(status(&door, "error").await.contains("private or local address"));
        service.abort();
    });
}

/// A machine client with these scopes, as it asks.
async fn machine<'d>(door: &'d Door, id: &str, scope: &str) -> Machine<'d> {
    let secret = api::add_client(&door.place.record, id, scope).await.unwrap();
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let reply = door.ask(Method::POST, "/auth/token", &kind, form.as_bytes()).await;
    Machine { door, bearer: format!("Bearer {}", text_at(&reply.json(), "access_token").unwrap()) }
}

/// What is said in a channel to be sent resources.
const CONTENT: &str = r#","payload":"application/fhir+json""#;

struct Machine<'d> {
    door: &'d Door,
    bearer: String,
}

impl Machine<'_> {
    async fn subscribe(&self, endpoint: &str, payload: &str) {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/fhir+json")];
        let body = format!(
            r#"{{"resourceType":"Subscription","id":"s","status":"requested","reason":"r","criteria":"Observation?status=final","channel":{{"type":"rest-hook","endpoint":"{endpoint}/hook?key=secret"{payload}}}}}"#
        );
        let reply = self.door.ask(Method::PUT, "/fhir/Subscription/s", &headers, body.as_bytes()).await;
        assert!(reply.status.is_success(), "{}", reply.text());
    }
}

/// Waits, change by change, until the Subscription stands so, and answers with it.
async fn stands(door: &Door, wanted: &str) -> String {
    let mut head = door.place.record.head();
    let key = record::Key::of("Subscription/s").unwrap();
    loop {
        head.borrow_and_update();
        let body = door.place.session().read(&key).await.unwrap().unwrap().body.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        if text.contains(&format!(r#""status":"{wanted}""#)) {
            // Whoever gave it up puts their papers away after saying so.
            while wanted == "error" && door.place.record.drawer("subscription").get("s").await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
            return text;
        }
        head.changed().await.unwrap();
    }
}

fn of_a_patient(id: &str) -> serde_json::Value {
    serde_json::json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}})
}

#[test]
fn a_hook_is_served_as_far_as_whoever_wrote_it_may_read_at_that_time() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let mut hook = Hook::open(0).await;
        let asked = api::Subscriptions { anyone: false, ..settings(&hook.address) };
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), asked));
        door.place.keep(&[serde_json::json!({"resourceType": "Patient", "id": "p"})]).await;
        machine(&door, "narrow", "system/Subscription.cu").await.subscribe(&hook.address, CONTENT).await;
        let refused = stands(&door, "error").await;
        assert!(refused.contains("may not read and search resources of type Observation"), "{refused}");
        machine(&door, "wide", "system/Subscription.cu system/Observation.rs")
            .await
            .subscribe(&hook.address, CONTENT)
            .await;
        stands(&door, "active").await;
        door.place.keep(&[of_a_patient("one")]).await;
        assert_eq!(hook.sent.recv().await.unwrap().path, "/hook/Observation/one");
        // The machine is registered anew with less, and is told no more.
        api::add_client(&door.place.record, "wide", "system/Subscription.cu system/Patient.rs").await.unwrap();
        door.place.keep(&[of_a_patient("two")]).await;
        stands(&door, "error").await;
        assert!(hook.sent.try_recv().is_err());
        service.abort();
    });
}

#[test]
fn what_a_hook_is_sent_stands_on_the_trail_of_the_patient() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let mut hook = Hook::open(0).await;
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings(&hook.address)));
        door.place.keep(&[serde_json::json!({"resourceType": "Patient", "id": "p"})]).await;
        machine(&door, "lab", "system/Subscription.cu system/Observation.rs")
            .await
            .subscribe(&hook.address, CONTENT)
            .await;
        stands(&door, "active").await;
        door.place.keep(&[of_a_patient("one")]).await;
        hook.sent.recv().await.unwrap();
        let auditor = machine(&door, "auditor", "system/AuditEvent.rs").await;
        let headers = [("authorization", auditor.bearer.as_str())];
        let found = door.ask(Method::GET, "/fhir/AuditEvent?patient=Patient/p&agent=client/lab", &headers, b"").await;
        let found = found.text();
        assert!(found.contains("Observation/one/_history/1 by Subscription/s to 127.0.0.1"), "{found}");
        assert!(!found.contains("secret"), "{found}");
        service.abort();
    });
}

#[test]
fn without_a_list_of_endpoints_no_resource_is_sent() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let hook = Hook::open(0).await;
        let unlisted = api::Subscriptions { allow: Vec::new(), anyone: false, ..settings(&hook.address) };
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), unlisted));
        let wide = machine(&door, "wide", "system/Subscription.cu system/Observation.rs").await;
        wide.subscribe(&hook.address, CONTENT).await;
        assert!(stands(&door, "error").await.contains("only to endpoints this server is configured to notify"));
        wide.subscribe(&hook.address, "").await;
        stands(&door, "active").await;
        service.abort();
    });
}

#[test]
fn people_do_not_subscribe() {
    on_both(async |place| {
        let door = crate::stage::stage(place, protocol::Library::default(), |_| {}).await;
        let admin = crate::stage::Someone::enter(&door, "system-admin-hospital").await;
        for payload in ["", "application/fhir+json"] {
            let subscription = serde_json::json!({"resourceType": "Subscription", "status": "requested", "reason": "r",
                "criteria": "Observation?", "channel": {"type": "rest-hook", "endpoint": "https://lab.example/hook"}});
            let mut subscription = subscription;
            if !payload.is_empty() {
                subscription["channel"]["payload"] = payload.into();
            }
            admin.post("/fhir/Subscription", &subscription).await.refused(403, "business-rule");
        }
    });
}

#[test]
fn a_machine_is_sent_nothing_that_patients_keep_from_its_institution() {
    on_both(async |place| {
        let mut door = Door::open(place);
        let mut hook = Hook::open(0).await;
        door.put(r#"{"resourceType":"Organization","id":"o","name":"o"}"#).await;
        for patient in ["a", "b"] {
            door.put(&format!(r#"{{"resourceType":"Patient","id":"{patient}"}}"#)).await;
        }
        door.put(&refusal("b", "o")).await;
        let service = tokio::spawn(api::subscriptions::run(door.place.record.clone(), settings(&hook.address)));
        door.reopen(false);
        let bearer = door.machine("lab", Some("o"), "system/*.cruds").await;
        let subscription = format!(
            r#"{{"resourceType":"Subscription","id":"s","status":"requested","reason":"r","criteria":"Observation?status=final","channel":{{"type":"rest-hook","endpoint":"{}/hook","payload":"application/fhir+json"}}}}"#,
            hook.address
        );
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/fhir+json")];
        let made = door.ask(Method::PUT, "/fhir/Subscription/s", &headers, subscription.as_bytes()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        door.reopen(true);
        status(&door, "active").await;
        for (id, patient) in [("kept", "b"), ("shown", "a")] {
            door.put(&format!(
                r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
            ))
            .await;
        }
        // They are sent in the order of the feed, so the first that comes is the first there is for it.
        assert_eq!(hook.sent.recv().await.unwrap().path, "/hook/Observation/shown");
        service.abort();
    });
}

#[test]
fn a_machine_is_not_registered_for_an_institution_that_is_not_there() {
    on_both(async |place| {
        let institution = Some("nowhere".to_owned());
        let new = api::NewClient {
            id: "lab".to_owned(),
            scope: "system/*.rs".to_owned(),
            institution,
            ..api::NewClient::default()
        };
        let refused = api::register_client(&place.record, new).await.unwrap_err();
        assert!(refused.to_string().contains("Organization/nowhere"), "{refused}");
    });
}
