//! Batches and transactions.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::on_both;

use crate::{Door, text_at};

fn bundle(kind: &str, entries: &[&str]) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","))
}

#[test]
fn references_within_a_transaction_become_references_to_what_was_stored() {
    on_both(async |place| {
        let door = Door::open(place);
        let sent = bundle(
            "transaction",
            &[
                r#"{"fullUrl":"urn:uuid:0a0b0c0d-0000-4000-8000-000000000002","resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:0a0b0c0d-0000-4000-8000-000000000001"}},"request":{"method":"POST","url":"Observation"}}"#,
                r#"{"fullUrl":"urn:uuid:0a0b0c0d-0000-4000-8000-000000000001","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#,
                r#"{"request":{"method":"GET","url":"Patient/none"}}"#,
            ],
        );
        let reply = door.send(Method::POST, "/fhir", &sent).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        assert_eq!(text_at(&answer, "type").as_deref(), Some("transaction-response"));
        assert_eq!(text_at(&answer, "entry.0.response.status").as_deref(), Some("201 Created"));
        assert_eq!(text_at(&answer, "entry.2.response.status").as_deref(), Some("404 Not Found"));
        let observation = text_at(&answer, "entry.0.fullUrl").unwrap();
        let patient = text_at(&answer, "entry.1.fullUrl").unwrap();
        let read = door.get(observation.trim_start_matches("http://qingshan.example")).await.json();
        let patient = patient.trim_start_matches("http://qingshan.example/fhir/");
        assert_eq!(text_at(&read, "subject.reference").as_deref(), Some(patient));
    });
}

#[test]
fn a_transaction_is_done_in_the_order_of_the_specification() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(r#"{"resourceType":"Patient","id":"a"}"#).await;
        let sent = bundle(
            "transaction",
            &[
                r#"{"request":{"method":"GET","url":"Patient/b"}}"#,
                r#"{"resource":{"resourceType":"Patient","id":"b"},"request":{"method":"PUT","url":"/Patient/b"}}"#,
                r#"{"request":{"method":"DELETE","url":"http://qingshan.example/fhir/Patient/a"}}"#,
            ],
        );
        let answer = door.send(Method::POST, "/fhir/", &sent).await.json();
        assert_eq!(text_at(&answer, "entry.0.response.status").as_deref(), Some("200 OK"), "{answer:?}");
        assert_eq!(text_at(&answer, "entry.0.resource.id").as_deref(), Some("b"));
        assert_eq!(text_at(&answer, "entry.1.response.status").as_deref(), Some("201 Created"));
        assert_eq!(text_at(&answer, "entry.2.response.status").as_deref(), Some("204 No Content"));
        door.get("/fhir/Patient/a").await.refused(410, "deleted");
        let feed = door.place.session().changes(0, 10).await.unwrap();
        let verbs: Vec<&str> = feed.iter().map(|entry| entry.method.verb()).collect();
        assert_eq!(verbs, ["PUT", "DELETE", "PUT"]);
    });
}

#[test]
fn a_refused_transaction_changes_nothing_and_names_the_entry() {
    on_both(async |place| {
        let door = Door::open(place);
        let good = r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}"#;
        let invalid =
            r#"{"resource":{"resourceType":"Patient","name":"x"},"request":{"method":"POST","url":"Patient"}}"#;
        let reply = door.send(Method::POST, "/fhir", &bundle("transaction", &[good, invalid])).await;
        assert!(reply.status.is_client_error(), "{}", reply.text());
        assert_eq!(reply.expression(), "Bundle.entry[1].resource.name");
        let stale = r#"{"resource":{"resourceType":"Patient","id":"b"},"request":{"method":"PUT","url":"Patient/b","ifMatch":"W/\"7\""}}"#;
        let reply = door.send(Method::POST, "/fhir", &bundle("transaction", &[good, stale])).await;
        assert!(reply.expression().starts_with("Bundle.entry[1]"), "{}", reply.text());
        let addressless = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST"}}"#;
        let reply = door.send(Method::POST, "/fhir", &bundle("transaction", &[good, addressless])).await;
        assert_eq!(reply.refused(400, "required").expression(), "Bundle.entry[1].request.url");
        let elsewhere = r#"{"request":{"method":"GET","url":"http://other.example/fhir/Patient/1"}}"#;
        let reply = door.send(Method::POST, "/fhir", &bundle("transaction", &[good, elsewhere])).await;
        assert_eq!(reply.refused(400, "value").expression(), "Bundle.entry[1].request.url");
        door.get("/fhir/Patient/a").await.refused(404, "not-found");
    });
}

#[test]
fn each_entry_of_a_batch_stands_for_itself() {
    on_both(async |place| {
        let door = Door::open(place);
        let sent = bundle(
            "batch",
            &[
                r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}"#,
                r#"{"resource":{"resourceType":"Patient","nmae":[]},"request":{"method":"POST","url":"Patient"}}"#,
                r#"{"request":{"method":"GET","url":"Robot/1"}}"#,
                r#"{"request":{"method":"GET","url":"metadata"}}"#,
            ],
        );
        let reply = door.send(Method::POST, "/fhir", &sent).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        let statuses: Vec<String> =
            (0..4).map(|at| text_at(&answer, &format!("entry.{at}.response.status")).unwrap()).collect();
        assert_eq!(statuses[0], "201 Created");
        assert!(statuses[1].starts_with('4'), "{statuses:?}");
        assert!(
            text_at(&answer, "entry.1.response.outcome.issue.0.expression.0")
                .unwrap()
                .starts_with("Bundle.entry[1].resource")
        );
        assert_eq!(statuses[2], "404 Not Found");
        assert_eq!(statuses[3], "200 OK");
        assert_eq!(door.get("/fhir/Patient/a").await.status, 200);
    });
}

#[test]
fn what_is_not_a_batch_or_transaction_is_refused() {
    on_both(async |place| {
        let door = Door::open(place);
        let reply = door.send(Method::POST, "/fhir", &bundle("collection", &[])).await;
        assert_eq!(reply.refused(400, "value").expression(), "Bundle.type");
        door.send(Method::POST, "/fhir", r#"{"resourceType":"Patient"}"#).await.refused(400, "invalid");
        let empty = door.send(Method::POST, "/fhir", r#"{"resourceType":"Bundle","type":"transaction"}"#).await;
        assert_eq!(empty.status, 200);
        assert!(empty.json().get("entry").and_then(|entries| entries.as_array()).is_none());
    });
}

#[test]
fn a_transaction_that_replaces_a_patient_loses_nobody() {
    on_both(async |place| {
        let door = Door::open(place);
        let patient = r#"{"resourceType":"Patient","id":"old","identifier":[{"system":"urn:x","value":"1"}]}"#;
        door.put(patient).await;
        let sent = bundle(
            "transaction",
            &[
                r#"{"resource":{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:x|1"}}"#,
                r#"{"resource":{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Patient?identifier=urn:x|1"}},"request":{"method":"POST","url":"Basic"}}"#,
                r#"{"request":{"method":"DELETE","url":"Patient/old"}}"#,
            ],
        );
        let reply = door.send(Method::POST, "/fhir", &sent).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        assert_eq!(text_at(&answer, "entry.0.response.status").as_deref(), Some("201 Created"));
        let found = crate::search::ids(&door, "/fhir/Patient?identifier=urn:x|1").await;
        let made = text_at(&answer, "entry.0.fullUrl").unwrap();
        assert_eq!(
            found.iter().map(|id| format!("http://qingshan.example/fhir/Patient/{id}")).collect::<Vec<_>>(),
            [made]
        );
        assert_eq!(crate::search::ids(&door, &format!("/fhir/Basic?subject={}", found[0])).await.len(), 1);
    });
}

#[test]
fn what_was_done_is_told_beside_a_resource_and_not_as_one() {
    on_both(async |place| {
        let door = Door::open(place);
        let put = r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}"#;
        let headers = [("content-type", "application/fhir+json"), ("prefer", "return=OperationOutcome")];
        for kind in ["batch", "transaction"] {
            let answer = door.ask(Method::POST, "/fhir", &headers, bundle(kind, &[put]).as_bytes()).await.json();
            let outcome = text_at(&answer, "entry.0.response.outcome.resourceType");
            assert_eq!(outcome.as_deref(), Some("OperationOutcome"), "{answer:?}");
            assert_eq!(text_at(&answer, "entry.0.resource"), None);
        }
    });
}
