//! What a case is told from besides forms: electrocardiograms, clocks of sources, and corrections of times.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Protocol;
use serde_json::{Value, json};
use testkit::place::{Place, on_both};

use crate::stage::{part, read};
use crate::{Door, Reply, text_at};

/// A protocol of the emergency department that is over once somebody says so: what stands before its tables, the milestone
/// it begins with, and its own tables.
fn protocol(head: &str, begins: &str, own: &str) -> Protocol {
    let text = format!(
        r#"
{head}
version = "1"

[[role]]
code = "emergency"
title = {{ zh = "急诊科", en = "Emergency" }}
party = "institution"
duties = ["doctor"]

[[milestone]]
code = "over"
title = {{ zh = "结束", en = "Over" }}
ends = "completed"

[[step]]
code = "end"
title = {{ zh = "结束", en = "End" }}
who = "emergency"
requires = ["{begins}"]
reach = ["over"]
{own}"#
    );
    toml::from_str(&text).unwrap()
}

fn rush() -> Protocol {
    let head = r#"
code = "rush"
title = { zh = "胸痛", en = "Chest pain" }"#;
    let own = r#"
[[start]]
by = "hand"
duties = ["doctor"]
reach = ["door"]

[[milestone]]
code = "door"
title = { zh = "到院", en = "Door" }

[[milestone]]
code = "troponin"
title = { zh = "肌钙蛋白", en = "Troponin" }

[milestone.fact]
on = "Observation"
when = "code.coding.exists(system = 'http://loinc.org' and code = '67151-1')"
at = "issued"
until = ["troponin"]

[[milestone]]
code = "ecg"
title = { zh = "心电图", en = "Electrocardiogram" }

[milestone.fact]
on = "DiagnosticReport"
when = "code.coding.exists(system = 'http://loinc.org' and code = '11524-6')"
at = "effective"
until = ["ecg"]
"#;
    protocol(head, "door", own)
}

fn warned() -> Protocol {
    let head = r#"
code = "warned"
title = { zh = "预警", en = "Warned" }
focus = "ServiceRequest""#;
    let own = r#"
[[start]]
code = "ambulance"
by = "hand"
duties = ["doctor"]
form = "warned-form"
make = "case"
reach = ["sent"]

[[milestone]]
code = "sent"
title = { zh = "发出", en = "Sent" }

[[activity]]
code = "case"
create = "ServiceRequest"
set = [
  { path = "status", value = "'active'" },
  { path = "intent", value = "'order'" },
  { path = "subject.reference", value = "'Patient/' + %patient.id" },
]
"#;
    protocol(head, "sent", own)
}

const FORM: &str = r#"
code = "warned-form"
title = { zh = "预警", en = "Warning" }

[[item]]
code = "eta"
title = { zh = "预计到达", en = "Expected" }
kind = "string"
required = true

[[item]]
code = "points"
title = { zh = "分值", en = "Points" }
kind = "integer"
hidden = true
total = ["pressure", "breath"]

[[item]]
code = "pressure"
title = { zh = "收缩压分值", en = "Points for the pressure" }
kind = "integer"

[[item]]
code = "breath"
title = { zh = "呼吸分值", en = "Points for the breath" }
kind = "integer"
"#;

/// A record with the protocol, a patient, a quality officer and a laboratory that signs in by itself.
struct House {
    door: Door,
    engine: protocol::Engine,
    bearer: String,
}

impl House {
    async fn of(place: Place) -> Self {
        let protocols = vec![rush(), warned()];
        let library = protocol::Library::with(protocols.clone());
        let engine = protocol::Engine::with(place.record.clone(), protocol::Library::with(protocols.clone()));
        let forms = vec![toml::from_str(FORM).unwrap()];
        engine.install(&protocol::Line { protocols, forms, ..protocol::Line::default() }).await.unwrap();
        let door = Door::knowing(place, library, |_| {});
        let officer = json!({"coding": [{"system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": "quality"}]});
        door.keep(&[
            json!({"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-01-31"}),
            json!({"resourceType": "Patient", "id": "q", "gender": "male", "birthDate": "1950"}),
            json!({"resourceType": "Organization", "id": "county", "name": "county"}),
            json!({"resourceType": "PractitionerRole", "id": "officer", "active": true, "code": [officer]}),
        ])
        .await;
        let secret = api::add_client(&door.place.record, "lis", "system/*.cruds").await.unwrap();
        let form = format!("grant_type=client_credentials&client_id=lis&client_secret={secret}");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let token = door.ask(Method::POST, "/auth/token", &[kind], form.as_bytes()).await;
        let bearer = format!("Bearer {}", text_at(&token.json(), "access_token").unwrap());
        while !engine.caught_up().await.unwrap() {}
        Self { door, engine, bearer }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = vec![("authorization", self.bearer.as_str())];
        if !body.is_empty() {
            headers.push(("content-type", "application/fhir+json"));
        }
        self.door.ask(method, path, &headers, body.as_bytes()).await
    }

    async fn get(&self, path: &str) -> Value {
        read(&self.ask(Method::GET, path, &Value::Null).await)
    }

    async fn start(&self) {
        let body = json!({"id": "r1", "protocol": "rush", "patient": "Patient/p", "roles": {"emergency": "Organization/county"}});
        let reply = self.ask(Method::POST, "/runs", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    async fn milestone(&self, code: &str) -> Value {
        while !self.engine.caught_up().await.unwrap() {}
        let view = self.get("/runs/r1").await;
        view["milestones"].as_array().unwrap().iter().find(|one| one["code"] == code).cloned().unwrap_or(Value::Null)
    }

    /// The laboratory says what time it has.
    async fn tells(&self, time: &str) -> Value {
        let parameters = json!({"resourceType": "Parameters", "parameter": [
            {"name": "time", "valueInstant": time}, {"name": "round-trip", "valueDecimal": 40}]});
        read(&self.ask(Method::POST, "/fhir/Device/$clock", &parameters).await)
    }

    async fn sends(&self, patient: &str, file: &str, confirmed: bool) -> Reply {
        let data = STANDARD.encode(file);
        let parameters = json!({"resourceType": "Parameters", "parameter": [
            {"name": "file", "valueAttachment": {"contentType": "application/xml", "data": data, "title": "ecg.xml"}},
            {"name": "confirmed", "valueBoolean": confirmed}]});
        self.ask(Method::POST, &format!("/fhir/Patient/{patient}/$ecg"), &parameters).await
    }
}

#[test]
fn a_laboratory_seven_minutes_ahead_is_seen_on_the_case_and_told_to_who_answers_for_it() {
    on_both(async |place| {
        let house = House::of(place).await;
        house.start().await;
        // It is 08:00, and the laboratory believes that it is 08:07.
        let told = house.tells("2026-05-04T08:07:00+08:00").await;
        assert_eq!(part(&told, "good")["valueBoolean"], false);
        assert_eq!(part(&told, "ahead")["valueQuantity"]["value"], 420.02);
        assert_eq!(part(&told, "within")["valueQuantity"]["value"], 0.02);
        let result = json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "67151-1"}]}, "issued": "2026-05-04T08:07:00+08:00"});
        read(&house.ask(Method::POST, "/fhir/Observation", &result).await);
        let reached = house.milestone("troponin").await;
        assert_eq!(reached["by"], "client/lis");
        assert_eq!(reached["at"], "2026-05-04T08:00:00.000+08:00", "it counts from when it was received");
        assert_eq!(reached["said"], "2026-05-04T08:07:00.000+08:00", "and what was said is told");

        let clocks = house.get("/fhir/Device/$clocks").await;
        let all = clocks["entry"].as_array().unwrap();
        assert_eq!(all.len(), 2, "{clocks}");
        assert_eq!(all[0]["resource"]["interpretation"][0]["coding"][0]["code"], "H");
        assert_eq!(all[1]["resource"]["identifier"][0]["value"], "lis");

        house.tells("2026-05-04T08:07:00+08:00").await;
        let notices = house.get("/fhir/Communication?category=clock-skew").await;
        assert_eq!(
            notices["total"].as_u64().unwrap_or_default().max(notices["entry"].as_array().unwrap().len() as u64),
            1
        );
        assert_eq!(notices["entry"][0]["resource"]["recipient"][0]["reference"], "PractitionerRole/officer");
        // Set right, it is right at once; what was measured before stays.
        house.door.place.clock.pass(60);
        let told = house.tells("2026-05-04T08:01:00+08:00").await;
        assert_eq!(part(&told, "good")["valueBoolean"], true);
        assert_eq!(house.get("/fhir/Device/$clocks").await["entry"].as_array().unwrap().len(), 4);
    });
}

#[test]
fn what_is_no_time_is_refused_and_nobody_tells_the_time_of_another() {
    on_both(async |place| {
        let house = House::of(place).await;
        let ask = async |path: &str, time: &str| {
            let body = json!({"resourceType": "Parameters", "parameter": [{"name": "time", "valueString": time}]});
            house.ask(Method::POST, path, &body).await
        };
        ask("/fhir/Device/$clock", "soon").await.refused(400, "value");
        ask("/fhir/Device/none/$clock", "2026-05-04T08:00:00Z").await.refused(404, "not-found");
        let pacs = json!([{"system": "https://qingshan.dev/fhir/sid/client", "value": "pacs"}]);
        house
            .door
            .keep(&[
                json!({"resourceType": "Device", "id": "pacs", "identifier": pacs}),
                json!({"resourceType": "Device", "id": "analyser"}),
            ])
            .await;
        ask("/fhir/Device/pacs/$clock", "2026-05-04T08:00:00Z").await.refused(403, "forbidden");
        assert_eq!(ask("/fhir/Device/analyser/$clock", "2026-05-04T08:00:00Z").await.status, 200);
        assert_eq!(house.ask(Method::GET, "/fhir/Device/$clock", &Value::Null).await.status, 405);
    });
}

#[test]
fn the_same_dispatch_number_is_one_case_and_what_it_says_anew_is_not_taken_for_kept() {
    on_both(async |place| {
        let house = House::of(place).await;
        let send = async |number: &str, eta: &str| {
            let response = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
                "questionnaire": "https://qingshan.dev/fhir/Questionnaire/warned-form",
                "item": [{"linkId": "eta", "answer": [{"valueString": eta}]}]});
            let begin = json!({"id": number, "protocol": "warned", "start": "ambulance", "patient": "Patient/p",
                "roles": {"emergency": "Organization/county"}, "response": response});
            house.ask(Method::POST, "/runs", &begin).await
        };
        let first = send("120-0001", "10:20").await;
        assert_eq!(first.status, 201, "{}", first.text());
        // The answer was lost on the line, and it is sent again.
        assert_eq!(send("120-0001", "10:20").await.status, 200);
        send("120-0001", "10:40").await.refused(409, "duplicate");
        assert_eq!(send("120-0002", "10:20").await.status, 201);
        let cases = house.get("/fhir/ServiceRequest?patient=p").await;
        assert_eq!(cases["entry"].as_array().unwrap().len(), 2, "one for each number");
    });
}

#[test]
fn a_machine_leaves_out_what_follows_from_its_answers_and_is_refused_when_it_sends_something_else() {
    on_both(async |place| {
        let house = House::of(place).await;
        let send = async |number: &str, points: &[(&str, i64)]| {
            let mut items = vec![json!({"linkId": "eta", "answer": [{"valueString": "10:20"}]})];
            let whole = |(code, points): &(&str, i64)| json!({"linkId": code, "answer": [{"valueInteger": points}]});
            items.extend(points.iter().map(whole));
            let response = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
                "questionnaire": "https://qingshan.dev/fhir/Questionnaire/warned-form", "item": items});
            let begin = json!({"id": number, "protocol": "warned", "start": "ambulance", "patient": "Patient/p",
                "roles": {"emergency": "Organization/county"}, "response": response});
            house.ask(Method::POST, "/runs", &begin).await
        };
        let kept = async |number: &str| {
            let run = house.get(&format!("/fhir/Task/{number}")).await;
            let inputs = run["input"].as_array().unwrap().iter();
            let mut papers = inputs.filter_map(|input| input["valueReference"]["reference"].as_str());
            let response = papers.find(|to| to.starts_with("QuestionnaireResponse/")).unwrap();
            let response = house.get(&format!("/fhir/{response}")).await;
            let answers = response["item"].as_array().unwrap().iter();
            answers
                .map(|item| (item["linkId"].as_str().unwrap().to_owned(), item["answer"][0].clone()))
                .collect::<Vec<_>>()
        };
        let both = [("pressure", 3), ("breath", 1)];
        assert_eq!(send("120-0001", &both).await.status, 201);
        // It stands where the form asks for it.
        assert_eq!(kept("120-0001").await[1], ("points".to_owned(), json!({"valueInteger": 4})));
        // What was sent again says the same as what is kept, whole or not.
        assert_eq!(send("120-0001", &both).await.status, 200);
        assert_eq!(send("120-0001", &[("points", 4), both[0], both[1]]).await.status, 200);
        send("120-0001", &both[..1]).await.refused(409, "duplicate");
        let refused = send("120-0002", &[("points", 5), both[0], both[1]]).await;
        assert_eq!(refused.refused(422, "business-rule").expression(), "QuestionnaireResponse.item[1].answer[0]");
        // A total is never made of what is missing, and not taken either.
        assert_eq!(send("120-0002", &both[..1]).await.status, 201);
        assert_eq!(kept("120-0002").await.len(), 2);
        send("120-0003", &[("points", 3), both[0]]).await.refused(422, "business-rule");
    });
}

/// One lead of one second, of a woman born on 31 January 1950, recorded at 07:30.
const FILE: &str = r#"<AnnotatedECG xmlns="urn:hl7-org:v3"><trialSubject><subjectDemographicPerson>
    <administrativeGenderCode code="F"/><birthTime value="19500131"/></subjectDemographicPerson></trialSubject>
    <component><series><code code="RHYTHM"/><component><sequenceSet>
    <component><sequence><code code="TIME_ABSOLUTE"/><value><head value="20260504073000"/><increment value="250" unit="ms"/></value></sequence></component>
    <component><sequence><code code="MDC_ECG_LEAD_II"/><value><origin value="0" unit="uV"/><scale value="5" unit="uV"/><digits>1 2 3 4</digits></value></sequence></component>
    </sequenceSet></component></series></component></AnnotatedECG>"#;

#[test]
fn an_electrocardiogram_is_kept_once_and_counts_from_when_it_was_recorded() {
    on_both(async |place| {
        let house = House::of(place).await;
        house.start().await;
        let first = house.sends("p", FILE, false).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let report = read(&first);
        assert_eq!(
            (&report["status"], &report["effectiveDateTime"]),
            (&json!("partial"), &json!("2026-05-04T07:30:00.000+08:00"))
        );
        let again = house.sends("p", FILE, false).await;
        assert_eq!((again.status.as_u16(), &read(&again)["id"]), (200, &report["id"]));
        assert_eq!(house.milestone("ecg").await["at"], "2026-05-04T07:30:00.000+08:00");
        let leads = house.get("/fhir/Observation?patient=p&code=11524-6").await;
        assert_eq!(leads["entry"][0]["resource"]["component"][0]["valueSampledData"]["data"], "1 2 3 4");
        let kept = house.get("/fhir/DocumentReference?patient=p").await;
        let data = kept["entry"][0]["resource"]["content"][0]["attachment"]["data"].as_str().unwrap().to_owned();
        assert_eq!(STANDARD.decode(data).unwrap(), FILE.as_bytes());
    });
}

#[test]
fn a_file_that_names_somebody_else_is_kept_only_once_somebody_has_looked() {
    on_both(async |place| {
        let house = House::of(place).await;
        house.sends("q", FILE, false).await.refused(409, "business-rule");
        assert!(house.get("/fhir/DiagnosticReport?patient=q").await["entry"].is_null());
        assert_eq!(house.sends("q", FILE, true).await.status, 201);
        house.sends("none", FILE, false).await.refused(404, "not-found");
        house.sends("p", "<ClinicalDocument/>", false).await.refused(501, "not-supported");
        house.sends("p", &FILE.replace("20260504073000", ""), false).await.refused(400, "structure");
        let empty = json!({"resourceType": "Parameters"});
        house.ask(Method::POST, "/fhir/Patient/p/$ecg", &empty).await.refused(400, "required");
    });
}
