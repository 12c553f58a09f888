//! Interactions with one resource.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::on_both;

use crate::{Door, text_at};

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"p1","name":[{"family":"单","given":["小山"]}],"birthDate":"1950-02"}"#;

#[test]
fn what_is_created_can_be_read_where_the_answer_says() {
    on_both(async |place| {
        let door = Door::open(place);
        let made = door.send(Method::POST, "/fhir/Observation", r#"{"resourceType":"Observation","status":"final","code":{"text":"weight"},"valueQuantity":{"value":61.10}}"#).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(made.header("etag"), "W/\"1\"");
        let location = made.header("location").to_owned();
        let path = location.strip_prefix("http://qingshan.example").unwrap();
        let (plain, version) = path.split_once("/_history/").unwrap();
        assert_eq!(version, "1");
        for path in [plain, path] {
            let read = door.get(path).await;
            assert_eq!(read.status, 200);
            assert_eq!(read.body, made.body);
            assert_eq!(read.header("content-type"), "application/fhir+json; charset=utf-8");
            assert!(read.text().contains("61.10"), "the digits written are kept");
        }
    });
}

#[test]
fn an_update_makes_a_version_and_old_versions_stay() {
    on_both(async |place| {
        let door = Door::open(place);
        assert_eq!(door.put(PATIENT).await.status, 201);
        let second = door.put(&PATIENT.replace("1950-02", "1950-03")).await;
        assert_eq!((second.status.as_u16(), second.header("etag")), (200, "W/\"2\""));
        assert!(door.get("/fhir/Patient/p1").await.text().contains("1950-03"));
        assert!(door.get("/fhir/Patient/p1/_history/1").await.text().contains("1950-02"));
        door.get("/fhir/Patient/p1/_history/3").await.refused(404, "not-found");
    });
}

#[test]
fn an_update_of_a_version_that_is_no_longer_current_is_refused() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        door.put(&PATIENT.replace("1950-02", "1950-03")).await;
        let headers = [("content-type", "application/fhir+json"), ("if-match", "W/\"1\"")];
        let late = door.ask(Method::PUT, "/fhir/Patient/p1", &headers, PATIENT.as_bytes()).await;
        late.refused(412, "conflict");
        let headers = [("content-type", "application/fhir+json"), ("if-match", "W/\"2\"")];
        let timely = door.ask(Method::PUT, "/fhir/Patient/p1", &headers, PATIENT.as_bytes()).await;
        assert_eq!(timely.header("etag"), "W/\"3\"");
    });
}

#[test]
fn a_deleted_resource_is_gone_and_its_history_tells() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        let deleted = door.ask(Method::DELETE, "/fhir/Patient/p1", &[], b"").await;
        assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
        door.get("/fhir/Patient/p1").await.refused(410, "deleted");
        door.get("/fhir/Patient/p2").await.refused(404, "not-found");
        let again = door.ask(Method::DELETE, "/fhir/Patient/p1", &[], b"").await;
        assert_eq!(again.status, 204, "deleting twice is no failure");
        let history = door.get("/fhir/Patient/p1/_history").await.json();
        assert_eq!(text_at(&history, "type").as_deref(), Some("history"));
        assert_eq!(text_at(&history, "total").as_deref(), Some("2"));
        assert_eq!(text_at(&history, "entry.0.request.method").as_deref(), Some("DELETE"));
        assert_eq!(text_at(&history, "entry.0.resource"), None);
        assert_eq!(text_at(&history, "entry.1.request.method").as_deref(), Some("PUT"));
        assert_eq!(text_at(&history, "entry.1.resource.birthDate").as_deref(), Some("1950-02"));
    });
}

#[test]
fn paging_through_a_history_shows_every_version_once() {
    on_both(async |place| {
        let door = Door::open(place);
        for day in 10..17 {
            door.put(&PATIENT.replace("1950-02", &format!("1950-02-{day}"))).await;
        }
        for scope in ["/fhir/Patient/p1/_history", "/fhir/Patient/_history", "/fhir/_history"] {
            let mut seen = Vec::new();
            let mut next = Some(format!("{scope}?_count=3"));
            while let Some(path) = next {
                let page = door.get(path.trim_start_matches("http://qingshan.example")).await.json();
                for entry in page.get("entry").and_then(|entries| entries.as_array()).into_iter().flatten() {
                    seen.push(text_at(entry, "resource.meta.versionId").unwrap());
                }
                let links = page.get("link").and_then(|links| links.as_array()).unwrap();
                next = links
                    .iter()
                    .find(|link| link.get("relation").as_str() == Some("next"))
                    .map(|link| link.get("url").as_str().unwrap().to_owned());
            }
            assert_eq!(seen, ["7", "6", "5", "4", "3", "2", "1"], "{scope}");
        }
    });
}

#[test]
fn a_caller_who_has_the_version_is_not_sent_it_again() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        let read = door.get("/fhir/Patient/p1").await;
        for (name, value) in
            [("if-none-match", read.header("etag")), ("if-modified-since", read.header("last-modified"))]
        {
            let again = door.ask(Method::GET, "/fhir/Patient/p1", &[(name, value)], b"").await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{name}");
        }
        let other = door.ask(Method::GET, "/fhir/Patient/p1", &[("if-none-match", "W/\"9\"")], b"").await;
        assert_eq!(other.status, 200);
    });
}

#[test]
fn a_head_request_has_the_headers_of_a_read_and_no_body() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        let read = door.get("/fhir/Patient/p1").await;
        let head = door.ask(Method::HEAD, "/fhir/Patient/p1", &[], b"").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        assert_eq!(head.header("etag"), read.header("etag"));
        assert_eq!(head.header("content-length"), read.body.len().to_string());
    });
}

#[test]
fn the_answer_to_a_change_carries_what_the_caller_prefers() {
    on_both(async |place| {
        let door = Door::open(place);
        let prefer = |value: &'static str| [("content-type", "application/fhir+json"), ("prefer", value)];
        let minimal = door.ask(Method::PUT, "/fhir/Patient/p1", &prefer("return=minimal"), PATIENT.as_bytes()).await;
        assert_eq!((minimal.status.as_u16(), minimal.body.len()), (201, 0));
        let outcome =
            door.ask(Method::PUT, "/fhir/Patient/p1", &prefer("return=OperationOutcome"), PATIENT.as_bytes()).await;
        assert_eq!(text_at(&outcome.json(), "resourceType").as_deref(), Some("OperationOutcome"));
        let whole =
            door.ask(Method::PUT, "/fhir/Patient/p1", &prefer("return=representation"), PATIENT.as_bytes()).await;
        assert_eq!(text_at(&whole.json(), "id").as_deref(), Some("p1"));
    });
}

#[test]
fn an_update_whose_id_is_not_that_of_its_address_is_refused() {
    on_both(async |place| {
        let door = Door::open(place);
        let other = door.send(Method::PUT, "/fhir/Patient/p2", PATIENT).await;
        assert_eq!(other.refused(400, "value").expression(), "Patient.id");
        let none = door.send(Method::PUT, "/fhir/Patient/p2", r#"{"resourceType":"Patient"}"#).await;
        assert_eq!(none.refused(400, "value").expression(), "Patient.id");
        let wrong = door.send(Method::PUT, "/fhir/Group/p1", PATIENT).await;
        wrong.refused(400, "invalid");
    });
}

#[test]
fn an_invalid_resource_is_refused_where_it_is_wrong() {
    on_both(async |place| {
        let door = Door::open(place);
        let wrong = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"单"},{"fmaily":"山"}]}"#;
        let reply = door.send(Method::PUT, "/fhir/Patient/p1", wrong).await;
        assert!(matches!(reply.status.as_u16(), 400 | 422), "{}", reply.text());
        assert!(reply.expression().starts_with("Patient.name[1]"), "{}", reply.text());
        door.get("/fhir/Patient/p1").await.refused(404, "not-found");
    });
}

#[test]
fn a_part_of_a_resource_is_tagged_as_such() {
    on_both(async |place| {
        let door = Door::open(place);
        let patient = r#"{"resourceType":"Patient","id":"p1","meta":{"tag":[{"code":"a"}]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"name":[{"family":"单"}],"contact":[{"name":{"family":"解"}}],"maritalStatus":{"text":"m"}}"#;
        door.put(patient).await;
        let members = async |query: &str| {
            let value = door.get(&format!("/fhir/Patient/p1?{query}")).await.json();
            let tags =
                value.get("meta").and_then(|meta| meta.get("tag")).and_then(|tags| tags.as_array()).unwrap().len();
            assert_eq!(tags, 2, "the tag there was is kept");
            let names: Vec<String> = value.as_object().unwrap().iter().map(|(name, _)| name.to_owned()).collect();
            names
        };
        assert_eq!(members("_summary=true").await, ["resourceType", "id", "meta", "name"]);
        assert_eq!(members("_summary=text").await, ["resourceType", "id", "meta", "text"]);
        assert_eq!(members("_summary=data").await, ["resourceType", "id", "meta", "name", "contact", "maritalStatus"]);
        assert_eq!(members("_elements=maritalStatus").await, ["resourceType", "id", "meta", "maritalStatus"]);
        door.get("/fhir/Patient/p1?_summary=all").await.refused(400, "value");
    });
}

#[test]
fn json_patch_and_fhirpath_patch_change_a_resource_in_part() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(PATIENT).await;
        let json = br#"[{"op":"replace","path":"/birthDate","value":"1950-04"}]"#;
        let kind = [("content-type", "application/json-patch+json")];
        let patched = door.ask(Method::PATCH, "/fhir/Patient/p1", &kind, json).await;
        assert_eq!(text_at(&patched.json(), "birthDate").as_deref(), Some("1950-04"), "{}", patched.text());
        let fhirpath = r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.birthDate"},{"name":"value","valueDate":"1950-05"}]}]}"#;
        let patched = door.send(Method::PATCH, "/fhir/Patient/p1", fhirpath).await;
        assert_eq!(text_at(&patched.json(), "birthDate").as_deref(), Some("1950-05"), "{}", patched.text());
        assert_eq!(patched.header("etag"), "W/\"3\"");
        door.send(Method::PATCH, "/fhir/Patient/p1", PATIENT).await.refused(415, "not-supported");
    });
}

#[test]
fn several_versions_may_be_named_that_the_caller_has_or_wants_to_change() {
    on_both(async |place| {
        let door = Door::open(place);
        let patient = r#"{"resourceType":"Patient","id":"p"}"#;
        let put = async |tags: &str| {
            let headers = [("content-type", "application/fhir+json"), ("if-match", tags)];
            door.ask(Method::PUT, "/fhir/Patient/p", &headers, patient.as_bytes()).await.status.as_u16()
        };
        assert_eq!(put("*").await, 412);
        door.put(patient).await;
        assert_eq!(put("*").await, 200);
        assert_eq!(put(r#"W/"1", W/"2""#).await, 200);
        assert_eq!(put(r#"W/"1", W/"2""#).await, 412);
        let has =
            async |tags: &str| door.ask(Method::GET, "/fhir/Patient/p", &[("if-none-match", tags)], b"").await.status;
        assert_eq!(has(r#"W/"1", W/"3""#).await, 304);
        assert_eq!(has(r#"W/"1", W/"2""#).await, 200);
        let delete = door.ask(Method::DELETE, "/fhir/Patient/p", &[("if-match", "*")], b"").await;
        assert_eq!(delete.status, 204);
        assert_eq!(put("*").await, 412);
    });
}

#[test]
fn a_history_tells_what_was_when_and_what_was_made_again() {
    on_both(async |place| {
        let door = Door::open(place);
        let patient = r#"{"resourceType":"Patient","id":"p"}"#;
        door.put(patient).await;
        door.place.clock.pass(3_600);
        assert_eq!(door.ask(Method::DELETE, "/fhir/Patient/p", &[], b"").await.status, 204);
        door.place.clock.pass(3_600);
        door.put(patient).await;
        door.put(patient).await;
        door.get("/fhir/Patient/p/_history/2").await.refused(410, "deleted");
        assert_eq!(door.get("/fhir/Patient/p/_history/1").await.status, 200);
        for path in ["/fhir/Patient/p/_history", "/fhir/Patient/_history", "/fhir/_history"] {
            let history = door.get(path).await.json();
            let statuses: Vec<_> =
                (0..4).map(|at| text_at(&history, &format!("entry.{at}.response.status")).unwrap()).collect();
            assert_eq!(statuses, ["200 OK", "201 Created", "204 No Content", "201 Created"], "{path}");
        }
        let at = async |time: &str| {
            let history = door.get(&format!("/fhir/Patient/p/_history?_at={time}")).await.json();
            let entries = history.get("entry").and_then(|entries| entries.as_array()).map_or(0, |list| list.len());
            (0..entries).map(|at| text_at(&history, &format!("entry.{at}.response.etag")).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(at("2026-05-04T08:30:00%2B08:00").await, ["W/\"1\""]);
        assert_eq!(at("2026-05-04T09:30:00%2B08:00").await, ["W/\"2\""]);
        assert_eq!(at("2026-05-04T11:00:00%2B08:00").await, ["W/\"4\""]);
        assert!(at("2026-05-03").await.is_empty());
    });
}
