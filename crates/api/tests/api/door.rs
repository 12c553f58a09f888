//! What every request meets before and after its interaction.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::{Place, on_both};

use crate::{Door, text_at};

async fn door() -> Door {
    Door::open(Place::embedded().await)
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so() {
    let door = door().await;
    door.get("/fhir/Robot/1").await.refused(404, "not-supported");
    door.get("/fhir/Patient/1/_history/2/3/4").await.refused(404, "not-found");
    door.get("/fhir/Patient/not_an_id").await.refused(400, "value");
    door.get("/fhir/Patient/1/$nothing").await.refused(404, "not-supported");
}

#[tokio::test]
async fn a_verb_an_address_does_not_take_is_refused_with_those_it_does() {
    let door = door().await;
    let reply = door.send(Method::POST, "/fhir/Patient/1", "{}").await;
    reply.refused(405, "not-supported");
    assert_eq!(reply.header("allow"), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
    let options = door.ask(Method::OPTIONS, "/fhir/Patient/1", &[], b"").await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "OPTIONS, GET, HEAD, PUT, PATCH, DELETE"));
}

#[tokio::test]
async fn xml_is_neither_written_nor_read() {
    let door = door().await;
    door.get("/fhir/metadata?_format=xml").await.refused(406, "not-supported");
    let accept = [("accept", "application/fhir+xml")];
    door.ask(Method::GET, "/fhir/metadata", &accept, b"").await.refused(406, "not-supported");
    let kind = [("content-type", "application/fhir+xml")];
    door.ask(Method::POST, "/fhir/Patient", &kind, b"<Patient/>").await.refused(415, "not-supported");
    door.ask(Method::POST, "/fhir/Patient", &[], b"{}").await.refused(415, "not-supported");
}

#[tokio::test]
async fn malformed_json_is_refused_with_line_and_column() {
    let door = door().await;
    let reply = door.send(Method::POST, "/fhir/Patient", "{\n  \"resourceType\": oops\n}").await;
    reply.refused(400, "structure");
    assert!(reply.text().contains("line 2"), "{}", reply.text());
    assert!(!reply.text().contains("oops"), "the input is not repeated");
    for hostile in ["", "[]", "1", "null", "{}", r#"{"resourceType":7}"#, r#"{"resourceType":"Robot"}"#, "\u{feff}"] {
        let reply = door.send(Method::POST, "/fhir/Patient", hostile).await;
        assert_eq!(reply.status, 400, "{hostile:?}: {}", reply.text());
    }
    let deep = format!("{{\"resourceType\":\"Patient\",\"x\":{}", "[".repeat(100_000));
    door.send(Method::POST, "/fhir/Patient", &deep).await.refused(400, "structure");
    let kind = [("content-type", "application/fhir+json")];
    door.ask(Method::POST, "/fhir/Patient", &kind, b"{\"resourceType\":\"Pat\xffient\"}")
        .await
        .refused(400, "structure");
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused_also_when_it_only_unpacks_to_that() {
    use std::io::Write;
    let door = Door::with(Place::embedded().await, |settings| {
        settings.open = true;
        settings.body_max = 1_000;
    });
    let large = format!(r#"{{"resourceType":"Patient","language":"{}"}}"#, "a".repeat(2_000));
    door.send(Method::POST, "/fhir/Patient", &large).await.refused(413, "too-long");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(large.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1_000);
    let headers = [("content-type", "application/fhir+json"), ("content-encoding", "gzip")];
    door.ask(Method::POST, "/fhir/Patient", &headers, &packed).await.refused(413, "too-long");
    door.ask(Method::POST, "/fhir/Patient", &headers, b"no gzip").await.refused(400, "invalid");
}

#[test]
fn a_large_answer_is_compressed_for_callers_who_take_it() {
    use std::io::Read;
    on_both(async |place| {
        let door = Door::open(place);
        let plain = door.get("/fhir/metadata").await;
        let packed = door.ask(Method::GET, "/fhir/metadata", &[("accept-encoding", "br, gzip")], b"").await;
        assert_eq!(packed.header("content-encoding"), "gzip");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
    });
}

#[tokio::test]
async fn every_answer_carries_the_name_of_its_request() {
    let door = door().await;
    let own = door.ask(Method::GET, "/fhir/Patient/1", &[("x-request-id", "ward-7/42")], b"").await;
    assert_eq!(own.header("x-request-id"), "ward-7/42");
    let forged = door.ask(Method::GET, "/fhir/Patient/1", &[("x-request-id", "a b\"c")], b"").await;
    assert_ne!(forged.header("x-request-id"), "a b\"c");
    let given = door.get("/fhir/Patient/1").await;
    assert_ne!(given.header("x-request-id"), door.get("/fhir/Patient/1").await.header("x-request-id"));
}

#[tokio::test]
async fn pretty_json_says_the_same() {
    let door = door().await;
    door.put(r#"{"resourceType":"Patient","id":"p","active":true}"#).await;
    let pretty = door.get("/fhir/Patient/p?_pretty=true").await;
    assert!(pretty.text().contains("\n  \"active\": true"));
    assert_eq!(pretty.json(), door.get("/fhir/Patient/p?_format=json").await.json());
}

#[tokio::test]
async fn the_capability_statement_names_every_type_and_only_what_is_offered() {
    let door = door().await;
    let statement = door.get("/fhir/metadata").await.json();
    assert_eq!(text_at(&statement, "fhirVersion").as_deref(), Some("4.0.1"));
    let resources =
        statement.get("rest").unwrap().get(0).unwrap().get("resource").and_then(|list| list.as_array()).unwrap();
    let names: Vec<String> = resources.iter().map(|resource| text_at(resource, "type").unwrap()).collect();
    assert_eq!(names, fhir::definitions::r4().resource_types());
    let observation = resources.iter().find(|resource| resource.get("type").as_str() == Some("Observation")).unwrap();
    let params: Vec<String> = observation
        .get("searchParam")
        .and_then(|list| list.as_array())
        .unwrap()
        .iter()
        .map(|param| text_at(param, "name").unwrap())
        .collect();
    for code in ["_id", "_lastUpdated", "code", "subject", "combo-code-value-quantity"] {
        assert!(params.iter().any(|name| name == code), "{code} in {params:?}");
    }
    let issues =
        fhir::validate::Validator::new(fhir::definitions::r4(), fhir::validate::Options::default()).check(&statement);
    assert!(issues.iter().all(|issue| issue.severity < fhir::error::Severity::Error), "{issues:?}");
}

#[tokio::test]
async fn health_tells_whether_the_store_answers() {
    let door = door().await;
    assert_eq!(door.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_query_that_cannot_be_decoded_is_refused() {
    let door = door().await;
    door.get("/fhir/Patient?name=%ff").await.refused(400, "value");
}
