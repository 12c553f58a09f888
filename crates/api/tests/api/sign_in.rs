//! Machine clients, tokens and scopes.

use axum::http::Method;
use base64::Engine;
use testkit::place::{Place, on_both};

use crate::{Door, Reply, text_at};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn token(door: &Door, id: &str, secret: &str, scope: &str) -> Reply {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}");
    door.ask(Method::POST, "/auth/token", &[FORM], form.as_bytes()).await
}

async fn signed_in(door: &Door, scope: &str) -> String {
    let secret = api::add_client(&door.place.record, "lab", "system/*.cruds").await.unwrap();
    let reply = token(door, "lab", &secret, scope).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    format!("Bearer {}", text_at(&reply.json(), "access_token").unwrap())
}

#[test]
fn without_a_token_nothing_but_the_capability_statement_is_shown() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let reply = door.get("/fhir/Patient/1").await;
        reply.refused(401, "login");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let reply = door.send(Method::POST, "/fhir", r#"{"resourceType":"Bundle","type":"batch"}"#).await;
        reply.refused(401, "login");
        let forged = [("authorization", "Bearer 00")];
        door.ask(Method::GET, "/fhir/Patient/1", &forged, b"").await.refused(401, "login");
        assert_eq!(door.get("/live?topic=*").await.status, 401);
        assert_eq!(door.get("/fhir/metadata").await.status, 200);
    });
}

#[test]
fn a_client_signs_in_by_form_or_by_basic() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let secret = api::add_client(&door.place.record, "lab", "system/Observation.rs").await.unwrap();
        let by_form = token(&door, "lab", &secret, "").await;
        assert_eq!(text_at(&by_form.json(), "scope").as_deref(), Some("system/Observation.rs"));
        assert_eq!(by_form.header("cache-control"), "no-store");
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("lab:{secret}"));
        let headers = [FORM, ("authorization", &format!("Basic {pair}"))];
        let by_basic = door.ask(Method::POST, "/auth/token", &headers, b"grant_type=client_credentials").await;
        assert_eq!(by_basic.status, 200, "{}", by_basic.text());
        for (id, secret) in [("lab", "wrong"), ("other", secret.as_str()), ("lab", "")] {
            let refused = token(&door, id, secret, "").await;
            assert_eq!(refused.status, 401, "{id}");
            assert_eq!(text_at(&refused.json(), "error").as_deref(), Some("invalid_client"));
        }
        let other = door.ask(Method::POST, "/auth/token", &[FORM], b"grant_type=password").await;
        assert_eq!(text_at(&other.json(), "error").as_deref(), Some("unsupported_grant_type"));
    });
}

#[test]
fn a_client_gets_no_scope_beyond_its_own() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let secret = api::add_client(&door.place.record, "lab", "system/Observation.rs").await.unwrap();
        let refused = token(&door, "lab", &secret, "system/*.rs").await;
        assert_eq!(text_at(&refused.json(), "error").as_deref(), Some("invalid_scope"));
        assert!(api::add_client(&door.place.record, "lab", "everything").await.is_err());
        assert!(api::add_client(&door.place.record, "no spaces", "system/*.r").await.is_err());
    });
}

#[test]
fn a_scope_covers_its_interactions_and_no_others_also_within_a_batch() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let bearer = signed_in(&door, "system/Patient.cr").await;
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/fhir+json")];
        let patient = br#"{"resourceType":"Patient","id":"a"}"#;
        let made = door.ask(Method::POST, "/fhir/Patient", &headers, patient).await;
        assert_eq!(made.status, 201, "{}", made.text());
        door.ask(Method::PUT, "/fhir/Patient/a", &headers, patient).await.refused(403, "forbidden");
        door.ask(Method::GET, "/fhir/Patient?name=x", &headers, b"").await.refused(403, "forbidden");
        door.ask(Method::GET, "/fhir/Observation/a", &headers, b"").await.refused(403, "forbidden");
        door.ask(Method::GET, "/fhir/_history", &headers, b"").await.refused(403, "forbidden");
        let entry = r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}"#;
        let transaction = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entry}]}}"#);
        door.ask(Method::POST, "/fhir", &headers, transaction.as_bytes()).await.refused(403, "forbidden");
        let batch = transaction.replace("transaction", "batch");
        let reply = door.ask(Method::POST, "/fhir", &headers, batch.as_bytes()).await;
        assert_eq!(text_at(&reply.json(), "entry.0.response.status").as_deref(), Some("403 Forbidden"));
    });
}

#[test]
fn a_token_ends_with_its_time() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let bearer = signed_in(&door, "").await;
        let headers = [("authorization", bearer.as_str())];
        door.ask(Method::GET, "/fhir/Patient/none", &headers, b"").await.refused(404, "not-found");
        door.place.clock.pass(3_601);
        door.ask(Method::GET, "/fhir/Patient/none", &headers, b"").await.refused(401, "login");
    });
}

#[tokio::test]
async fn who_acts_and_why_is_kept_with_every_change() {
    let door = Door::with(Place::embedded().await, |_| {});
    let bearer = signed_in(&door, "").await;
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/fhir+json"), ("x-purpose-of-use", "ETREAT")];
    door.ask(Method::POST, "/fhir/Patient", &headers, br#"{"resourceType":"Patient"}"#).await;
    let feed = door.place.session().changes(0, 1).await.unwrap();
    assert_eq!((feed[0].actor.as_str(), feed[0].purpose.as_str()), ("client/lab", "ETREAT"));
    let headers = [("authorization", bearer.as_str()), ("x-purpose-of-use", "for fun")];
    door.ask(Method::GET, "/fhir/Patient/a", &headers, b"").await.refused(400, "invalid");
}

#[tokio::test]
async fn the_smart_configuration_names_the_token_endpoint() {
    let door = Door::with(Place::embedded().await, |_| {});
    let configuration = door.get("/.well-known/smart-configuration").await.json();
    assert_eq!(text_at(&configuration, "token_endpoint").as_deref(), Some("http://qingshan.example/auth/token"));
}
