//! The trail over HTTP.

use axum::http::Method;
use sonic_rs::JsonValueTrait;
use testkit::place::on_both;

use crate::stream::Stream;
use crate::{Door, text_at};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","name":[{"family":"林"}]}"#;

#[test]
fn who_looked_is_answered_in_pages_of_events() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        for _ in 0..3 {
            door.ask(Method::GET, "/fhir/Patient/p", &[("x-purpose-of-use", "ETREAT")], b"").await;
            door.place.clock.pass(1);
        }
        let first = door.get("/fhir/Patient/p/$who-looked?_count=2").await.json();
        assert_eq!(text_at(&first, "entry.0.resource.resourceType").as_deref(), Some("AuditEvent"));
        assert_eq!(text_at(&first, "entry.1.resource.purposeOfEvent.0.coding.0.code").as_deref(), Some("ETREAT"));
        assert_eq!(text_at(&first, "entry.0.resource.agent.0.who.identifier.value").as_deref(), Some("anyone"));
        assert_eq!(text_at(&first, "link.1.relation").as_deref(), Some("next"));
        let next = text_at(&first, "link.1.url").unwrap();
        let second = door.get(next.strip_prefix("http://qingshan.example").unwrap()).await.json();
        assert_eq!(text_at(&second, "entry.0.resource.subtype.0.code").as_deref(), Some("read"));
        assert_eq!(text_at(&second, "entry.1.resource.action").as_deref(), Some("U"));
        assert_eq!(text_at(&second, "link.1.relation"), None);
    });
}

#[test]
fn who_follows_a_record_stands_on_the_trail_once_and_hearing_of_a_change_is_no_reading() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        door.place.clock.pass(1);
        let mut stream = Stream::open_with(&door, "Patient/p", &[]).await;
        door.place.clock.pass(1);
        door.put(PATIENT.replace("林", "森").as_str()).await;
        assert_eq!(stream.event().await.1, 2);
        let looked = door.get("/fhir/Patient/p/$who-looked").await.json();
        let subtype = |at: usize| text_at(&looked, &format!("entry.{at}.resource.subtype.0.code"));
        assert_eq!([subtype(0), subtype(1), subtype(2)].map(Option::unwrap), ["update", "history-system", "update"]);
        assert_eq!(subtype(3), None);
    });
}

#[test]
fn audit_events_are_searched_and_read_like_any_resource() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        door.get("/fhir/Patient/p").await;
        let found = door.get("/fhir/AuditEvent?patient=Patient/p&action=R&date=ge2026-05").await.json();
        let id = text_at(&found, "entry.0.resource.id").unwrap();
        assert!(text_at(&found, "entry.1").is_none());
        let read = door.get(&format!("/fhir/AuditEvent/{id}")).await.json();
        assert_eq!(text_at(&read, "outcome").as_deref(), Some("0"));
        assert_eq!(text_at(&read, "entity.0.what.reference").as_deref(), Some("Patient/p"));
        door.get("/fhir/AuditEvent?patient=Patient/p&date=yesterday").await.refused(400, "value");
        door.get("/fhir/AuditEvent/trail-0-999").await.refused(404, "not-found");
    });
}

#[test]
fn seals_are_handed_to_other_members_who_sign_them() {
    on_both(async |place| {
        let door = Door::open(place);
        assert_eq!(door.get("/audit/head").await.status.as_u16(), 404);
        door.put(PATIENT).await;
        let seal = door.place.record.seal().await.unwrap().unwrap();
        assert_eq!(door.get("/audit/head").await.text(), seal.to_string());
        assert_eq!(record::Seal::parse_all(&door.get("/audit/heads?after=0").await.text()).unwrap(), [seal]);
        let signed = format!(r#"{{"member":"clinic","number":1,"signature":"{}"}}"#, "07".repeat(64));
        let taken = door.ask(Method::POST, "/audit/countersign", &[], signed.as_bytes()).await;
        assert_eq!(taken.status.as_u16(), 403, "{}", taken.text());
        let taken = door.ask(Method::POST, "/audit/countersign", &[], b"{}").await;
        assert_eq!(taken.status.as_u16(), 400);
        assert!(taken.json().get("issue").is_some());
    });
}

#[test]
fn an_audit_event_of_another_system_is_kept_as_it_was_sent_and_a_search_tells_of_the_trail() {
    on_both(async |place| {
        let door = Door::open(place);
        let event = r#"{"resourceType":"AuditEvent","id":"e","type":{"code":"rest"},"recorded":"2026-05-04T08:00:00+08:00","agent":[{"requestor":true}],"source":{"observer":{"display":"x"}}}"#;
        assert_eq!(door.send(Method::PUT, "/fhir/AuditEvent/e", event).await.status, 201);
        let kept = door.send(Method::GET, "/fhir/AuditEvent/e", "").await;
        assert_eq!(text_at(&kept.json(), "source.observer.display").as_deref(), Some("x"));
        let told = door.get("/fhir/AuditEvent?action=R").await;
        assert_eq!(text_at(&told.json(), "entry.0.resource.subtype.0.code").as_deref(), Some("read"));
        assert!(!told.text().contains(r#""id":"e""#), "{}", told.text());
    });
}
