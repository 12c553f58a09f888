//! Searches and what stands on them.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::on_both;

use crate::{Door, text_at};

/// The ids in a Bundle, page after page.
pub(crate) async fn ids(door: &Door, path: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let reply = door.get(path.trim_start_matches("http://qingshan.example")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        for entry in page.get("entry").and_then(|entries| entries.as_array()).into_iter().flatten() {
            ids.push(text_at(entry, "resource.id").unwrap());
        }
        next = page
            .get("link")
            .and_then(|links| links.as_array())
            .into_iter()
            .flatten()
            .find(|link| link.get("relation").as_str() == Some("next"))
            .map(|link| link.get("url").as_str().unwrap().to_owned());
    }
    ids
}

async fn ward(door: &Door) {
    door.put(r#"{"resourceType":"Practitioner","id":"doc","name":[{"family":"仇"}]}"#).await;
    for patient in ["a", "b"] {
        door.put(&format!(r#"{{"resourceType":"Patient","id":"{patient}","name":[{{"family":"单"}}],"generalPractitioner":[{{"reference":"Practitioner/doc"}}]}}"#)).await;
        for number in 0..5 {
            door.put(&format!(
                r#"{{"resourceType":"Observation","id":"{patient}{number}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"29463-7"}}]}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2026-03-0{}"}}"#,
                number + 1
            ))
            .await;
        }
    }
}

#[test]
fn a_search_finds_what_matches_by_get_and_by_post() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let reply = door.get("/fhir/Observation?subject=Patient/a&code=29463-7&_count=3&_total=accurate").await;
        let page = reply.json();
        assert_eq!(text_at(&page, "type").as_deref(), Some("searchset"), "{}", reply.text());
        assert_eq!(text_at(&page, "total").as_deref(), Some("5"));
        assert_eq!(text_at(&page, "link.0.relation").as_deref(), Some("self"));
        assert_eq!(text_at(&page, "entry.0.search.mode").as_deref(), Some("match"));
        let full_url = text_at(&page, "entry.0.fullUrl").unwrap();
        assert!(full_url.starts_with("http://qingshan.example/fhir/Observation/a"), "{full_url}");
        let mut found = ids(&door, "/fhir/Observation?subject=Patient/a&_count=2").await;
        found.sort();
        assert_eq!(found, ["a0", "a1", "a2", "a3", "a4"]);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = door
            .ask(Method::POST, "/fhir/Observation/_search?_count=3", &form, b"subject=Patient%2Fa&code=29463-7")
            .await;
        assert_eq!(posted.json().get("entry").and_then(|list| list.as_array()).unwrap().len(), 3, "{}", posted.text());
        let compartment = ids(&door, "/fhir/Patient/b/Observation").await;
        assert_eq!(compartment.len(), 5);
    });
}

#[test]
fn an_unknown_parameter_is_refused_or_left_out_as_the_caller_prefers() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let lenient = door.get("/fhir/Patient?nmae=x").await;
        assert_eq!(lenient.status, 200);
        assert!(
            !text_at(&lenient.json(), "link.0.url").unwrap().contains("nmae"),
            "the self link says what was understood"
        );
        let strict = door.ask(Method::GET, "/fhir/Patient?nmae=x", &[("prefer", "handling=strict")], b"").await;
        assert_eq!(strict.status, 400, "{}", strict.text());
    });
}

#[test]
fn included_resources_are_marked_and_held_to_the_scope_of_the_caller() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let page = door.get("/fhir/Patient?_id=a&_include=Patient:general-practitioner").await.json();
        assert_eq!(text_at(&page, "entry.1.search.mode").as_deref(), Some("include"));
        assert_eq!(text_at(&page, "entry.1.resource.resourceType").as_deref(), Some("Practitioner"));
        let secret = api::add_client(&door.place.record, "narrow", "system/Patient.rs").await.unwrap();
        let closed = Door::with(door.place, |_| {});
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("grant_type=client_credentials&client_id=narrow&client_secret={secret}");
        let token = closed.ask(Method::POST, "/auth/token", &form, body.as_bytes()).await.json();
        let bearer = format!("Bearer {}", text_at(&token, "access_token").unwrap());
        let headers = [("authorization", bearer.as_str())];
        let page = closed
            .ask(Method::GET, "/fhir/Patient?_id=a&_include=Patient:general-practitioner", &headers, b"")
            .await
            .json();
        assert_eq!(text_at(&page, "entry.0.resource.id").as_deref(), Some("a"));
        assert_eq!(text_at(&page, "entry.1"), None, "the practitioner is not theirs to read");
    });
}

#[test]
fn conditional_interactions_find_their_one_match() {
    on_both(async |place| {
        let door = Door::open(place);
        let patient = r#"{"resourceType":"Patient","identifier":[{"system":"http://id.example","value":"7"}]}"#;
        let headers = [("content-type", "application/fhir+json"), ("if-none-exist", "identifier=http://id.example|7")];
        let first = door.ask(Method::POST, "/fhir/Patient", &headers, patient.as_bytes()).await;
        let second = door.ask(Method::POST, "/fhir/Patient", &headers, patient.as_bytes()).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200), "{}", second.text());
        assert_eq!(first.header("location"), second.header("location"));
        let criteria = "/fhir/Patient?identifier=http://id.example|7";
        let criteria = criteria.replace('|', "%7C");
        let updated = door.send(Method::PUT, &criteria, &patient.replace("}]}", "}],\"active\":true}")).await;
        assert_eq!((updated.status.as_u16(), updated.header("etag")), (200, "W/\"2\""), "{}", updated.text());
        let patch = br#"[{"op":"replace","path":"/active","value":false}]"#;
        let kind = [("content-type", "application/json-patch+json")];
        let patched = door.ask(Method::PATCH, &criteria, &kind, patch).await;
        assert_eq!(patched.header("etag"), "W/\"3\"", "{}", patched.text());
        let deleted = door.ask(Method::DELETE, &criteria, &[], b"").await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
        assert!(ids(&door, &criteria).await.is_empty());
        door.send(Method::PUT, "/fhir/Patient", patient).await.refused(400, "required");
    });
}

#[test]
fn everything_about_a_patient_is_their_compartment_and_what_it_refers_to() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let mut whole = ids(&door, "/fhir/Patient/a/$everything").await;
        assert_eq!(whole[0], "a", "the patient comes first");
        whole.sort();
        assert_eq!(whole, ["a", "a0", "a1", "a2", "a3", "a4", "doc"]);
        let mut paged = ids(&door, "/fhir/Patient/a/$everything?_count=2").await;
        paged.sort();
        assert_eq!(paged, whole, "in pages it is the same");
        let mut some =
            ids(&door, "/fhir/Patient/a/$everything?_type=Observation&start=2026-03-02&end=2026-03-03").await;
        some.sort();
        assert_eq!(some, ["a1", "a2"]);
        door.get("/fhir/Patient/none/$everything").await.refused(404, "not-found");
        door.get("/fhir/Patient/a/$everything?start=yesterday").await.refused(400, "value");
        door.get("/fhir/Patient/a/$everything?_count=2&_page=forged").await.refused(410, "not-found");
    });
}

/// A value that a parameter of this kind can have.
fn plausible(type_: &str, code: &str, kind: &str) -> &'static str {
    match (type_, code, kind) {
        (_, _, "date") => "2026-05",
        (_, _, "number") => "1",
        (_, _, "quantity") => "1||mg",
        (_, _, "reference") => "Patient/x",
        (_, _, "uri") => "http://a.example/x",
        _ => "x",
    }
}

#[test]
fn what_the_capability_statement_says_of_search_is_known_by_a_strict_search() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let door = Door::open(testkit::place::Place::embedded().await);
        let statement = door.get("/fhir/metadata").await.json();
        let (mut asked, mut unknown) = (0, Vec::new());
        for resource in
            statement.get("rest").unwrap()[0].get("resource").and_then(|list| list.as_array()).unwrap().iter()
        {
            let type_ = text_at(resource, "type").unwrap();
            let names = |member: &str| -> Vec<String> {
                let list = resource.get(member).and_then(|list| list.as_array());
                list.into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let mut queries: Vec<String> = Vec::new();
            for param in resource.get("searchParam").and_then(|list| list.as_array()).into_iter().flatten() {
                let (code, kind) = (text_at(param, "name").unwrap(), text_at(param, "type").unwrap());
                queries.push(format!("{code}={}", plausible(&type_, &code, &kind)));
            }
            queries.extend(names("searchInclude").iter().map(|name| format!("_id=x&_include={name}")));
            for query in queries {
                asked += 1;
                let path = format!("/fhir/{type_}?{query}");
                let reply = door.ask(Method::GET, &path, &[("prefer", "handling=strict")], b"").await;
                if reply.text().contains("not-supported") {
                    unknown.push(path);
                }
            }
        }
        assert!(asked > 1_500, "{asked}");
        assert!(unknown.is_empty(), "{unknown:?}");
    });
}

#[test]
fn a_reference_by_this_servers_own_address_means_the_relative_one_too() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let own = "http://qingshan.example/fhir/Patient/a";
        door.put(&format!(
            r#"{{"resourceType":"Observation","id":"whole","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{own}"}}}}"#
        ))
        .await;
        let count = async |path: &str| {
            let mut found = ids(&door, path).await;
            found.sort();
            found
        };
        assert_eq!(count(&format!("/fhir/Observation?subject={own}")).await, ["a0", "a1", "a2", "a3", "a4", "whole"]);
        assert_eq!(count(&format!("/fhir/Observation?subject:Patient={own}&code=29463-7")).await.len(), 5);
        let doctor = "http://qingshan.example/fhir/Practitioner/doc";
        assert_eq!(count(&format!("/fhir/Observation?patient.general-practitioner={doctor}")).await.len(), 10);
        assert_eq!(count("/fhir/Practitioner?_has:Patient:general-practitioner:_id=a").await, ["doc"]);
        assert!(count("/fhir/Observation?subject=http://other.example/fhir/Patient/a").await.is_empty());
    });
}
