//! Bulk export.

use axum::http::Method;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::on_both;

use crate::{Door, Reply, text_at};

async fn order(door: &Door, path: &str) -> String {
    ordered(door, path, &[]).await
}

async fn ordered(door: &Door, path: &str, proof: &[(&str, &str)]) -> String {
    let headers = [&[("prefer", "respond-async")], proof].concat();
    let reply = door.ask(Method::GET, path, &headers, b"").await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.header("content-location").trim_start_matches("http://qingshan.example").to_owned()
}

/// The manifest of an order, once a worker has carried it out.
async fn carried_out(door: &Door, status: &str) -> Reply {
    finished(door, status, &[]).await
}

async fn finished(door: &Door, status: &str, proof: &[(&str, &str)]) -> Reply {
    let settings =
        api::Export { directory: door.directory.path().to_owned(), keep: std::time::Duration::from_secs(60), page: 2 };
    let worker = tokio::spawn(api::export::run(door.place.record.clone(), settings));
    loop {
        let reply = door.ask(Method::GET, status, proof, b"").await;
        if reply.status != 202 {
            worker.abort();
            return reply;
        }
        assert!(reply.header("x-progress").contains("types"));
        tokio::task::yield_now().await;
    }
}

/// The ids in the file of a type.
async fn file(door: &Door, manifest: &Reply, type_: &str) -> Vec<String> {
    shown(door, manifest, type_, &[]).await
}

async fn shown(door: &Door, manifest: &Reply, type_: &str, proof: &[(&str, &str)]) -> Vec<String> {
    let manifest = manifest.json();
    let outputs = manifest.get("output").and_then(|outputs| outputs.as_array()).unwrap();
    let Some(output) = outputs.iter().find(|output| output.get("type").as_str() == Some(type_)) else {
        return Vec::new();
    };
    let url = text_at(output, "url").unwrap();
    let reply = door.ask(Method::GET, url.trim_start_matches("http://qingshan.example"), proof, b"").await;
    assert_eq!(reply.header("content-type"), "application/fhir+ndjson");
    let lines: Vec<String> = reply.text().lines().map(str::to_owned).collect();
    assert_eq!(text_at(output, "count").unwrap(), lines.len().to_string());
    lines.iter().map(|line| text_at(&fhir::json::parse(line.as_bytes()).unwrap(), "id").unwrap()).collect()
}

async fn ward(door: &Door) {
    for patient in ["a", "b", "c"] {
        door.put(&format!(r#"{{"resourceType":"Patient","id":"{patient}"}}"#)).await;
        door.put(&format!(
            r#"{{"resourceType":"Observation","id":"of-{patient}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
        ))
        .await;
    }
    door.put(r#"{"resourceType":"Observation","id":"of-nobody","status":"final","code":{"text":"x"}}"#).await;
    door.put(r#"{"resourceType":"Organization","id":"o","name":"o"}"#).await;
    door.put(r#"{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"},"inactive":true}]}"#).await;
}

#[test]
fn an_export_of_everything_holds_every_resource_once() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let status = order(&door, "/fhir/$export").await;
        let manifest = carried_out(&door, &status).await;
        assert_eq!(manifest.status, 200, "{}", manifest.text());
        assert_eq!(text_at(&manifest.json(), "request").as_deref(), Some("http://qingshan.example/fhir/$export"));
        let mut observations = file(&door, &manifest, "Observation").await;
        observations.sort();
        assert_eq!(observations, ["of-a", "of-b", "of-c", "of-nobody"]);
        assert_eq!(file(&door, &manifest, "Organization").await, ["o"]);
        assert!(file(&door, &manifest, "Encounter").await.is_empty());
    });
}

#[test]
fn exports_of_patients_and_groups_hold_what_is_theirs() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let status = order(&door, "/fhir/Patient/$export?_type=Observation,Organization,Patient").await;
        let manifest = carried_out(&door, &status).await;
        let mut observations = file(&door, &manifest, "Observation").await;
        observations.sort();
        assert_eq!(observations, ["of-a", "of-b", "of-c"]);
        assert!(file(&door, &manifest, "Organization").await.is_empty());
        let status = order(&door, "/fhir/Group/g/$export").await;
        let manifest = carried_out(&door, &status).await;
        assert_eq!(file(&door, &manifest, "Patient").await, ["a"]);
        assert_eq!(file(&door, &manifest, "Observation").await, ["of-a"]);
    });
}

#[test]
fn a_cancelled_export_is_forgotten() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        let status = order(&door, "/fhir/$export?_type=Patient").await;
        assert_eq!(door.ask(Method::DELETE, &status, &[], b"").await.status, 202);
        door.get(&status).await.refused(404, "not-found");
    });
}

#[test]
fn an_order_that_cannot_be_carried_out_is_refused_at_once() {
    on_both(async |place| {
        let door = Door::open(place);
        door.get("/fhir/$export").await.refused(400, "required");
        let prefer = [("prefer", "respond-async")];
        for path in ["/fhir/$export?_type=Robot", "/fhir/$export?_since=then", "/fhir/$export?_outputFormat=csv"] {
            assert_eq!(door.ask(Method::GET, path, &prefer, b"").await.status, 400, "{path}");
        }
        door.ask(Method::GET, "/fhir/Group/none/$export", &prefer, b"").await.refused(404, "not-found");
    });
}

#[test]
fn an_export_of_a_group_holds_what_its_members_share_once_and_nothing_older_than_asked() {
    on_both(async |place| {
        let door = Door::open(place);
        ward(&door).await;
        door.put(r#"{"resourceType":"Group","id":"two","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"}}]}"#).await;
        door.place.clock.pass(3_600);
        door.put(r#"{"resourceType":"Appointment","id":"both","status":"proposed","participant":[{"actor":{"reference":"Patient/a"},"status":"accepted"},{"actor":{"reference":"Patient/b"},"status":"accepted"}]}"#).await;
        door.put(r#"{"resourceType":"Patient","id":"b","active":true,"link":[{"other":{"reference":"Patient/c"},"type":"seealso"}]}"#).await;
        let status = order(&door, "/fhir/Group/two/$export?_type=Appointment,Observation,Patient").await;
        let manifest = carried_out(&door, &status).await;
        assert_eq!(file(&door, &manifest, "Appointment").await, ["both"]);
        let mut patients = file(&door, &manifest, "Patient").await;
        patients.sort();
        assert_eq!(patients, ["a", "b"]);
        let status = order(
            &door,
            "/fhir/Group/two/$export?_type=Appointment,Observation,Patient&_since=2026-05-04T08:30:00%2B08:00",
        )
        .await;
        let manifest = carried_out(&door, &status).await;
        assert_eq!(file(&door, &manifest, "Appointment").await, ["both"]);
        assert_eq!(file(&door, &manifest, "Patient").await, ["b"]);
        assert!(file(&door, &manifest, "Observation").await.is_empty());
    });
}

/// What a patient decides about an institution.
pub(crate) fn refusal(patient: &str, institution: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"of-{patient}","status":"active","scope":{{"text":"privacy"}},"category":[{{"text":"privacy"}}],"policyRule":{{"text":"the patient's word"}},"patient":{{"reference":"Patient/{patient}"}},"provision":{{"type":"deny","actor":[{{"role":{{"text":"x"}},"reference":{{"reference":"Organization/{institution}"}}}}]}}}}"#
    )
}

#[test]
fn an_export_leaves_out_what_patients_keep_from_the_institution_whose_machine_asks() {
    on_both(async |place| {
        let mut door = Door::open(place);
        ward(&door).await;
        door.put(r#"{"resourceType":"Organization","id":"elsewhere","name":"e"}"#).await;
        door.reopen(false);
        let before = door.machine("before", Some("o"), "system/*.rs").await;
        let proof = [("authorization", before.as_str())];
        let asked_before = ordered(&door, "/fhir/$export?_type=Observation", &proof).await;
        door.reopen(true);
        door.put(&refusal("b", "o")).await;
        door.reopen(false);
        // What is decided after the order and before its files holds as well.
        let manifest = finished(&door, &asked_before, &proof).await;
        let mut observations = shown(&door, &manifest, "Observation", &proof).await;
        observations.sort();
        assert_eq!(observations, ["of-a", "of-c", "of-nobody"]);
        for (client, institution, count) in [("own", None, 3), ("other", Some("elsewhere"), 4)] {
            let bearer = door.machine(client, institution, "system/*.rs").await;
            let proof = [("authorization", bearer.as_str())];
            let status = ordered(&door, "/fhir/$export?_type=Observation", &proof).await;
            let manifest = finished(&door, &status, &proof).await;
            assert_eq!(shown(&door, &manifest, "Observation", &proof).await.len(), count, "{client}");
        }
    });
}
