//! Where an emergency is brought, over HTTP: who asks, who says, and what everybody may read.

use axum::http::Method;
use protocol::Library;
use record::DUTIES;
use serde_json::{Value, json};
use testkit::place::{Place, on_both};

use crate::Door;
use crate::stage::{Someone, part, read, stage};

const CODES: &str = "https://qingshan.dev/fhir/CodeSystem";

/// A hospital that leads a consortium and has a stroke centre, a post of every duty, and a patient.
async fn door(place: Place) -> Door {
    let door = stage(place, Library::default(), |_| {}).await;
    let all = [
        json!({"resourceType": "Patient", "id": "p"}),
        json!({"resourceType": "OrganizationAffiliation", "id": "lead", "active": true,
            "participatingOrganization": {"reference": "Organization/hospital"},
            "code": [{"coding": [{"system": format!("{CODES}/affiliation"), "code": "lead"}]}]}),
        json!({"resourceType": "Location", "id": "site", "name": "本部", "position": {"longitude": 113.2, "latitude": 28.4}}),
        json!({"resourceType": "HealthcareService", "id": "a", "active": true, "name": "卒中中心",
            "extension": [{"url": routing::code::CERTIFIED_UNTIL, "valueDate": "2027-12-31"}],
            "providedBy": {"reference": "Organization/hospital"}, "location": [{"reference": "Location/site"}],
            "category": [{"coding": [{"system": routing::code::CATEGORY, "code": routing::code::CENTRE}]}],
            "type": [{"coding": [{"system": routing::code::PATHWAY, "code": "stroke"}]}],
            "characteristic": [{"coding": [{"system": routing::code::CAPABILITY, "code": "ivt"}]}]}),
    ];
    door.keep(&all).await;
    door
}

const HERE: [(&str, f64); 2] = [("latitude", 28.5), ("longitude", 113.2)];

fn here(more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&str, Value)> = HERE.iter().map(|(name, value)| (*name, json!(value))).collect();
    all.push(("pathway", json!("stroke")));
    all.extend(more.iter().cloned());
    all
}

#[test]
fn a_crew_asks_where_to_and_is_told_why() {
    on_both(async |place| {
        let door = door(place).await;
        let crew = Someone::enter(&door, "paramedic-hospital").await;
        let answer = read(&crew.operate("HealthcareService/$route", &here(&[("lams", json!(5))])).await);
        let chosen = part(&answer, "chosen");
        assert_eq!(part(chosen, "institution")["valueReference"]["reference"], "Organization/hospital");
        assert_eq!(part(part(chosen, "warning"), "code")["valueCode"], "status-unknown");
        assert_eq!(part(chosen, "by-road")["valueBoolean"], false);
        assert_eq!(part(&answer, "rule")["valueCode"], "quickest-needle");
        assert!(part(part(&answer, "step"), "rule")["valueCode"].is_string());

        for (name, value, code) in [
            ("lams", json!(6), "value"),
            ("latitude", json!(91), "value"),
            ("last-well", json!("yesterday"), "value"),
            ("wish", json!("Patient/p"), "value"),
        ] {
            let mut asked = here(&[]);
            asked.retain(|(one, _)| *one != name);
            asked.push((name, value));
            crew.operate("HealthcareService/$route", &asked).await.refused(400, code);
        }
        crew.operate("HealthcareService/$route", &[]).await.refused(400, "required");
    });
}

#[test]
fn each_operation_is_open_to_whom_the_decision_says_and_to_nobody_else() {
    on_both(async |place| {
        let door = door(place).await;
        let say = [("status", json!("limited")), ("reason", json!("CT检修"))];
        let tells = ["doctor", "nurse", "registrar", "dispatcher"];
        let edits = ["quality", "system-admin"];
        for duty in DUTIES {
            let browser = Someone::enter(&door, &format!("{}-hospital", duty.code)).await;
            let may = |duties: &[&str]| if duties.contains(&duty.code) { 200 } else { 403 };
            let told = browser.operate("HealthcareService/a/$status", &say).await;
            assert_eq!(told.status.as_u16(), may(&tells), "{}: {}", duty.code, told.text());
            let suspended = browser.operate("HealthcareService/a/$suspend", &[("lift", json!(true))]).await;
            assert_eq!(suspended.status.as_u16(), may(&edits), "{}: {}", duty.code, suspended.text());
            let drafted = browser.operate("Library/$draft-map", &[]).await;
            assert_eq!(drafted.status.as_u16(), may(&edits), "{}: {}", duty.code, drafted.text());
            let asked = browser.operate("HealthcareService/$route", &here(&[])).await;
            assert_eq!(asked.status.as_u16(), 200, "{}: {}", duty.code, asked.text());
            for path in ["HealthcareService/$registry", "Library/$map-editions"] {
                let listed = browser.get(&format!("/fhir/{path}")).await;
                assert_eq!(listed.status.as_u16(), 200, "{}: {}", duty.code, listed.text());
            }
        }
        let other = Someone::enter(&door, "doctor-other").await;
        other.operate("HealthcareService/a/$status", &say).await.refused(403, "forbidden");
        let patient = Someone::enter(&door, "p").await;
        patient.operate("HealthcareService/a/$status", &say).await.refused(403, "forbidden");
        patient.operate("HealthcareService/$route", &here(&[])).await.refused(403, "forbidden");
        for path in ["HealthcareService/$registry", "Library/$map-editions", "Library/$map-difference?from=1&to=1"] {
            patient.get(&format!("/fhir/{path}")).await.refused(403, "forbidden");
        }
        // Nobody who is not signed in reaches any of them.
        for path in ["HealthcareService/$route", "HealthcareService/a/$status", "Library/$draft-map"] {
            let body = r#"{"resourceType":"Parameters"}"#;
            door.send(Method::POST, &format!("/fhir/{path}"), body).await.refused(401, "login");
        }
        let doctor = Someone::enter(&door, "doctor-hospital").await;
        doctor.operate("HealthcareService/a/$status", &[("status", json!("closed"))]).await.refused(400, "value");
        doctor.operate("HealthcareService/none/$status", &say).await.refused(404, "not-found");
    });
}

/// `GET /map.json` is the one address that tells of the record to who has not signed in: what was published, and no more.
#[test]
fn the_published_map_is_open_to_everybody_and_nothing_else_is() {
    on_both(async |place| {
        let door = door(place).await;
        door.get("/map.json").await.refused(404, "not-found");
        let keeper = Someone::enter(&door, "quality-hospital").await;
        read(&keeper.operate("Library/$draft-map", &[("note", json!("首版"))]).await);
        door.get("/map.json?edition=1").await.refused(404, "not-found");
        read(&keeper.operate("Library/capability-map-1/$publish-map", &[]).await);
        let shown = read(&door.get("/map.json").await);
        assert_eq!(shown["edition"]["number"], 1);
        assert_eq!(shown["sites"][0]["rows"][0]["pathway"], "stroke");
        door.get("/map.json?edition=one").await.refused(400, "value");
        door.get("/map.json?edition=7").await.refused(404, "not-found");
        door.get("/fhir/HealthcareService").await.refused(401, "login");
        door.get("/fhir/Library/capability-map-1").await.refused(401, "login");
        let published = keeper.operate("Library/capability-map-1/$publish-map", &[]).await;
        published.refused(409, "conflict");
    });
}
