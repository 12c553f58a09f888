//! Operations other than `$everything` and `$export`.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::{Place, on_both};

use crate::{Door, text_at};

async fn door() -> Door {
    Door::open(Place::embedded().await)
}

/// The parameter of that name in a Parameters resource.
fn parameter(reply: &crate::Reply, name: &str) -> Option<String> {
    let parameters = reply.json();
    let list = parameters.get("parameter").and_then(|list| list.as_array()).expect("a Parameters").to_vec();
    let part = list.iter().find(|part| part.get("name").as_str() == Some(name))?;
    let (member, _) = part.as_object()?.iter().find(|(member, _)| member.starts_with("value"))?;
    text_at(part, member)
}

#[test]
fn what_meta_says_can_be_read_added_to_and_taken_from() {
    on_both(async |place| {
        let door = Door::open(place);
        door.put(r#"{"resourceType":"Patient","id":"p","meta":{"tag":[{"system":"s","code":"a"}]}}"#).await;
        let sent = r#"{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"system":"s","code":"a"},{"system":"s","code":"b"}],"profile":["http://p.example"]}}]}"#;
        let reply = door.send(Method::POST, "/fhir/Patient/p/$meta-add", sent).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let shown = door.get("/fhir/Patient/p/$meta").await;
        let meta = shown.json();
        assert_eq!(text_at(&meta, "parameter.0.valueMeta.tag.1.code").as_deref(), Some("b"));
        assert_eq!(text_at(&meta, "parameter.0.valueMeta.tag.2"), None, "what was there is not added again");
        assert_eq!(text_at(&meta, "parameter.0.valueMeta.versionId").as_deref(), Some("2"));
        door.send(Method::POST, "/fhir/Patient/p/$meta-delete", sent).await;
        let meta = door.get("/fhir/Patient/p/$meta").await.json();
        assert_eq!(text_at(&meta, "parameter.0.valueMeta.tag"), None);
        assert_eq!(text_at(&meta, "parameter.0.valueMeta.profile"), None);
        assert_eq!(door.get("/fhir/Patient/p/$meta-add").await.status, 405);
        door.get("/fhir/Patient/none/$meta").await.refused(404, "not-found");
    });
}

#[tokio::test]
async fn validation_tells_what_is_wrong_and_stores_nothing() {
    let door = door().await;
    let wrong = r#"{"resourceType":"Patient","gender":"robot","name":"x"}"#;
    let wrapped = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{wrong}}}]}}"#);
    for body in [wrong, &wrapped] {
        let reply = door.send(Method::POST, "/fhir/Patient/$validate", body).await;
        assert_eq!(reply.status, 200);
        let text = reply.text();
        assert!(text.contains("Patient.gender") && text.contains("Patient.name"), "{text}");
        assert!(text.contains(r#""severity":"error""#));
    }
    let good = door.send(Method::POST, "/fhir/Patient/$validate", r#"{"resourceType":"Patient","active":true}"#).await;
    assert!(!good.text().contains(r#""severity":"error""#), "{}", good.text());
    door.send(Method::POST, "/fhir/Group/$validate", wrong).await.refused(400, "invalid");
    door.send(Method::POST, "/fhir/Patient/$validate?mode=guess", wrong).await.refused(400, "value");
    assert_eq!(*door.place.record.head().borrow(), 0);
}

#[tokio::test]
async fn validation_follows_the_profiles_stored_here() {
    let door = door().await;
    let profile = r#"{"resourceType":"StructureDefinition","id":"born","url":"http://example.org/born","name":"Born","status":"active",
        "kind":"resource","abstract":false,"type":"Patient","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
        "differential":{"element":[{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}"#;
    let stored = door.send(Method::PUT, "/fhir/StructureDefinition/born", profile).await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    let claimed = r#"{"resourceType":"Patient","meta":{"profile":["http://example.org/born"]},"active":true}"#;
    let (plain, born) =
        (r#"{"resourceType":"Patient","active":true}"#, r#"{"resourceType":"Patient","birthDate":"1970"}"#);
    for (path, body, is_wrong) in [
        ("/fhir/Patient/$validate", claimed, true),
        ("/fhir/Patient/$validate", plain, false),
        ("/fhir/Patient/$validate?profile=http://example.org/born", plain, true),
        ("/fhir/Patient/$validate?profile=http://example.org/born", born, false),
        ("/fhir/Patient/$validate?profile=http://example.org/unknown", born, true),
    ] {
        let reply = door.send(Method::POST, path, body).await;
        let text = reply.text();
        assert_eq!(text.contains(r#""severity":"error""#), is_wrong, "{path} {body} {text}");
    }
}

#[tokio::test]
async fn an_official_value_set_is_expanded_though_it_is_not_stored() {
    let door = door().await;
    let url = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let reply = door.get(&format!("/fhir/ValueSet/$expand?url={url}&filter=ma&count=1")).await;
    let expanded = reply.json();
    assert_eq!(text_at(&expanded, "expansion.total").as_deref(), Some("2"), "male and female: {}", reply.text());
    assert!(text_at(&expanded, "expansion.contains.0.code").is_some());
    assert_eq!(text_at(&expanded, "expansion.contains.1"), None);
    door.get("/fhir/ValueSet/$expand").await.refused(400, "required");
}

#[tokio::test]
async fn a_code_is_checked_against_a_value_set_and_a_system() {
    let door = door().await;
    let gender =
        "url=http://hl7.org/fhir/ValueSet/administrative-gender&system=http://hl7.org/fhir/administrative-gender";
    let good = door.get(&format!("/fhir/ValueSet/$validate-code?{gender}&code=male")).await;
    assert_eq!(parameter(&good, "result").as_deref(), Some("true"), "{}", good.text());
    let bad = door.get(&format!("/fhir/ValueSet/$validate-code?{gender}&code=robot")).await;
    assert_eq!(parameter(&bad, "result").as_deref(), Some("false"));
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"url","valueUri":"http://hl7.org/fhir/administrative-gender"},{"name":"coding","valueCoding":{"system":"http://hl7.org/fhir/administrative-gender","code":"female"}}]}"#;
    let system = door.send(Method::POST, "/fhir/CodeSystem/$validate-code", body).await;
    assert_eq!(parameter(&system, "result").as_deref(), Some("true"), "{}", system.text());
}

#[tokio::test]
async fn a_code_is_looked_up_and_compared() {
    let door = door().await;
    let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    let found = door.get(&format!("/fhir/CodeSystem/$lookup?system={system}&code=TREAT")).await;
    assert_eq!(parameter(&found, "display").as_deref(), Some("treatment"), "{}", found.text());
    let none = door.get(&format!("/fhir/CodeSystem/$lookup?system={system}&code=NONE-SUCH")).await;
    none.refused(404, "not-found");
    let compared =
        door.get(&format!("/fhir/CodeSystem/$subsumes?system={system}&codeA=PurposeOfUse&codeB=TREAT")).await;
    assert!(matches!(parameter(&compared, "outcome").as_deref(), Some("subsumes")), "{}", compared.text());
}

#[tokio::test]
async fn a_code_is_translated_by_a_map_that_is_sent_or_stored() {
    let door = door().await;
    let map = r#"{"resourceType":"ConceptMap","id":"m","status":"active","url":"http://m.example","group":[{"source":"http://a.example","target":"http://b.example","element":[{"code":"1","target":[{"code":"one","equivalence":"equivalent"}]}]}]}"#;
    door.put(map).await;
    let reply = door.get("/fhir/ConceptMap/m/$translate?system=http://a.example&code=1").await;
    assert_eq!(parameter(&reply, "result").as_deref(), Some("true"), "{}", reply.text());
    assert!(reply.text().contains(r#""valueCoding":{"system":"http://b.example","code":"one"}"#), "{}", reply.text());
    let none = door.get("/fhir/ConceptMap/m/$translate?system=http://a.example&code=2").await;
    assert_eq!(parameter(&none, "result").as_deref(), Some("false"));
}

#[tokio::test]
async fn a_machine_stands_in_no_relation_and_breaks_no_glass() {
    let door = door().await;
    door.put(r#"{"resourceType":"Patient","id":"p"}"#).await;
    let shown = door.get("/fhir/Patient/p/$relation").await;
    assert_eq!(parameter(&shown, "closed").as_deref(), Some("false"));
    assert_eq!(parameter(&shown, "emergency").as_deref(), Some("false"));
    door.get("/fhir/Patient/none/$relation").await.refused(404, "not-found");
    assert_eq!(door.get("/fhir/Patient/p/$break-glass").await.status, 405);
    let reason = r#"{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"unconscious"}]}"#;
    door.send(Method::POST, "/fhir/Patient/p/$break-glass", reason).await.refused(403, "forbidden");
}
