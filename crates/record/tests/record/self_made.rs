//! Relations that clinicians make for themselves: told on the trail, and reviewed unless somebody else confirms them.

use fhir::Category;
use record::{Clock, Key, SearchRequest, Session};
use serde_json::Value;
use testkit::institutions::{found, in_person, on_duty, put};
use testkit::place::{Place, on_both, on_both_with};

use crate::{create, json, key, one, update};

fn asking(type_: &str, query: &[(&str, &str)]) -> SearchRequest {
    SearchRequest {
        type_: Some(key(type_, "any").type_),
        compartment: None,
        parameters: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        strict: true,
    }
}

async fn set_up(place: &Place) {
    found(&place.record).await;
    let people = ["father", "daughter"].map(|id| put(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)));
    place.session().transact(people.into()).await.unwrap();
}

async fn step(place: &Place) {
    place.record.settle().await.unwrap();
    place.clock.pass(60);
}

fn visit(at: &str, status: &str, patient: &str) -> String {
    format!(
        r#"{{"resourceType":"Encounter","status":"{status}","class":{{"code":"AMB"}},
        "subject":{{"reference":"Patient/{patient}"}},"serviceProvider":{{"reference":"Organization/{at}"}}}}"#
    )
}

fn referral(from: &str, to: &str) -> String {
    format!(
        r#"{{"resourceType":"ServiceRequest","status":"active","intent":"order",
        "code":{{"coding":[{{"system":"http://snomed.info/sct","code":"3457005"}}]}},
        "subject":{{"reference":"Patient/father"}},"requester":{{"reference":"Organization/{from}"}},
        "performer":[{{"reference":"Organization/{to}"}}]}}"#
    )
}

fn booked(with: &str, start: i64) -> String {
    let (start, end) = (fhir::time::instant(start), fhir::time::instant(start + 900_000_000));
    format!(
        r#"{{"resourceType":"Appointment","status":"booked","start":"{start}","end":"{end}","participant":[
        {{"actor":{{"reference":"Patient/father"}},"status":"accepted"}},
        {{"actor":{{"reference":"{with}"}},"status":"accepted"}}]}}"#
    )
}

async fn write(session: &Session, text: &str) -> Key {
    one(session, create(json(text))).await.unwrap().version.unwrap().key
}

/// The relations by which somebody was let in when they last did anything to a patient.
async fn latest(place: &Place, patient: &str, who: &str) -> String {
    let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
    let agent = format!("Practitioner/{who}");
    let query = [("patient", patient), ("agent", agent.as_str()), ("_count", "1")];
    let found = officer.search(&asking("AuditEvent", &query)).await.unwrap();
    let event: Value = serde_json::from_slice(found.matches[0].body.as_deref().unwrap()).unwrap();
    let roles = event["agent"][0]["role"].as_array().cloned().unwrap_or_default();
    let codings = roles.iter().map(|role| &role["coding"][0]);
    let relations = codings.filter(|coding| coding["system"] == "https://qingshan.dev/fhir/CodeSystem/relation");
    relations.map(|coding| coding["code"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// What waits for the privacy officers, or has the status asked for.
async fn reviews(place: &Place, more: &[(&str, &str)]) -> Vec<Value> {
    let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
    let mut query = vec![("code", "https://qingshan.dev/fhir/CodeSystem/task|self-made"), ("_sort", "authored-on")];
    query.extend(more);
    let found = officer.search(&asking("Task", &query)).await.unwrap();
    found.matches.iter().map(|task| serde_json::from_slice(task.body.as_deref().unwrap()).unwrap()).collect()
}

async fn waiting(place: &Place) -> Vec<Value> {
    reviews(place, &[("status", "requested")]).await
}

#[test]
fn the_trail_says_when_somebody_made_the_relation_by_which_they_were_let_in() {
    on_both(async |place| {
        set_up(&place).await;
        let doctor = on_duty(&place.record, "doctor", "other", "TREAT");
        step(&place).await;
        // A visit that is only planned ties nobody to anybody.
        write(&doctor, &visit("other", "planned", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-other").await, "keeper");
        step(&place).await;
        write(&doctor, &visit("other", "in-progress", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-other").await, "treats self-made");
        // From then on they treat, as whoever treats.
        step(&place).await;
        write(&doctor, &visit("other", "in-progress", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-other").await, "treats");
        // Whoever was sent somebody by another house did not make the relation.
        write(&doctor, &referral("other", "station")).await;
        step(&place).await;
        let asked = on_duty(&place.record, "doctor", "station", "TREAT");
        write(&asked, &visit("station", "in-progress", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-station").await, "treats");
        // A referral ties whoever writes it as a visit does.
        step(&place).await;
        let writer = on_duty(&place.record, "doctor", "centre", "TREAT");
        write(&writer, &referral("centre", "other")).await;
        assert_eq!(latest(&place, "father", "doctor-centre").await, "referred-from self-made");
        // Of several people at once each is told.
        step(&place).await;
        let hospital = on_duty(&place.record, "doctor", "hospital", "TREAT");
        let both = ["father", "daughter"].map(|id| create(json(&visit("hospital", "in-progress", id))));
        hospital.transact(both.into()).await.unwrap();
        assert_eq!(latest(&place, "father", "doctor-hospital").await, "self-made");
        assert_eq!(latest(&place, "daughter", "doctor-hospital").await, "self-made");
        let about: Vec<Value> = waiting(&place).await.iter().map(|task| task["for"]["reference"].clone()).collect();
        // The first was confirmed by the centre, which sent them there as well.
        assert_eq!(about.iter().filter(|about| **about == "Patient/father").count(), 2, "{about:?}");
        assert_eq!(about.iter().filter(|about| **about == "Patient/daughter").count(), 1, "{about:?}");
    });
}

#[test]
fn a_relation_that_a_clinician_made_waits_for_the_privacy_officer_and_is_seen_by_nobody_else() {
    on_both(async |place| {
        set_up(&place).await;
        let doctor = on_duty(&place.record, "village-doctor", "station", "TREAT");
        let opened = write(&doctor, &visit("station", "in-progress", "father")).await;
        let tasks = waiting(&place).await;
        assert_eq!(tasks.len(), 1, "{tasks:#?}");
        assert_eq!(tasks[0]["focus"]["reference"], opened.to_string());
        assert_eq!(tasks[0]["for"]["reference"], "Patient/father");
        assert_eq!(tasks[0]["requester"]["reference"], "PractitionerRole/village-doctor-station");
        assert_eq!(reviews(&place, &[("owner", "Organization/station"), ("authored-on", "gt2000")]).await.len(), 1);
        assert_eq!(reviews(&place, &[("owner", "Organization/hospital")]).await.len(), 0);
        assert_eq!(reviews(&place, &[("authored-on", "lt2000")]).await.len(), 0);
        let task = key("Task", tasks[0]["id"].as_str().unwrap());
        for other in [&doctor, &on_duty(&place.record, "doctor", "station", "TREAT")] {
            assert!(other.read(&task).await.unwrap().is_none());
        }
        assert!(in_person(&place.record, &["father"], &[]).read(&task).await.unwrap().is_none());
        // Nobody writes one, makes another of it or takes it out of the list but by judging it.
        let by_hand = tasks[0].to_string().replace(tasks[0]["id"].as_str().unwrap(), "made");
        let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
        for session in [&doctor, &officer] {
            let refused = one(session, create(json(&by_hand))).await.unwrap_err();
            assert_eq!(refused.error.category(), Category::Forbidden);
        }
        let judged = |from: &str, to: &str| tasks[0].to_string().replacen(from, to, 1);
        let other = judged("Patient/father", "Patient/daughter");
        let refused = one(&officer, update("Task", &task.id, json(&other), None)).await.unwrap_err();
        assert_eq!(refused.error.category(), Category::Forbidden);
        let found = judged(r#""status":"requested""#, r#""status":"completed","note":[{"text":"n"}]"#);
        one(&officer, update("Task", &task.id, json(&found), None)).await.unwrap();
        assert!(waiting(&place).await.is_empty());
    });
}

#[test]
fn what_somebody_else_does_confirms_it_before_or_afterwards() {
    on_both(async |place| {
        set_up(&place).await;
        let now = place.clock.now();
        let at = |duty: &str, place_: &str| on_duty(&place.record, duty, place_, "TREAT");
        // The desk came first.
        write(&at("registrar", "station"), &visit("station", "arrived", "father")).await;
        write(&at("doctor", "station"), &visit("station", "in-progress", "father")).await;
        assert!(reviews(&place, &[]).await.is_empty());
        // So did the patient, who booked for now; what was booked for another day says nothing of today.
        let patient = in_person(&place.record, &["father"], &[]);
        write(&patient, &booked("PractitionerRole/doctor-other", now + 30 * 86_400_000_000)).await;
        step(&place).await;
        write(&at("doctor", "other"), &visit("other", "in-progress", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-other").await, "treats self-made");
        assert_eq!(waiting(&place).await.len(), 1);
        write(&patient, &booked("PractitionerRole/doctor-hospital", now + 3_600_000_000)).await;
        step(&place).await;
        write(&at("doctor", "hospital"), &visit("hospital", "in-progress", "father")).await;
        assert_eq!(latest(&place, "father", "doctor-hospital").await, "treats");
        assert_eq!(waiting(&place).await.len(), 1);
        // A colleague of the same house who treats confirms nothing; neither does the doctor.
        write(&at("nurse", "other"), &visit("other", "in-progress", "father")).await;
        write(&at("doctor", "other"), &visit("other", "in-progress", "father")).await;
        assert_eq!(waiting(&place).await.len(), 1);
        // The desk does.
        let registered = write(&at("registrar", "other"), &visit("other", "in-progress", "father")).await;
        assert!(waiting(&place).await.is_empty());
        let confirmed = reviews(&place, &[("status", "completed")]).await;
        assert_eq!(confirmed[0]["businessStatus"]["coding"][0]["code"], "confirmed");
        assert_eq!(confirmed[0]["output"][0]["valueReference"]["reference"], registered.to_string());
        // So does another house that sends them, or the patient who books.
        write(&at("doctor", "centre"), &visit("centre", "in-progress", "father")).await;
        assert_eq!(waiting(&place).await.len(), 1);
        write(&at("doctor", "other"), &referral("other", "centre")).await;
        assert!(waiting(&place).await.is_empty());
        write(&at("doctor", "hospital"), &visit("hospital", "in-progress", "daughter")).await;
        assert_eq!(waiting(&place).await.len(), 1);
        let other = booked("PractitionerRole/nurse-hospital", now).replace("Patient/father", "Patient/daughter");
        let daughter = in_person(&place.record, &["daughter"], &[]);
        write(&daughter, &other.replace("PractitionerRole/nurse-hospital", "Organization/hospital")).await;
        assert!(waiting(&place).await.is_empty());
    });
}

#[test]
fn neither_the_desk_nor_whoever_registers_somebody_new_makes_a_relation_for_themselves() {
    on_both(async |place| {
        set_up(&place).await;
        step(&place).await;
        let desk = on_duty(&place.record, "registrar", "other", "TREAT");
        write(&desk, &visit("other", "arrived", "father")).await;
        assert_eq!(latest(&place, "father", "registrar-other").await, "treats");
        let doctor = on_duty(&place.record, "doctor", "station", "TREAT");
        let mut new = create(json(r#"{"resourceType":"Patient","name":[{"text":"x"}]}"#));
        new.full_url = Some("urn:uuid:0".to_owned());
        let visit = visit("station", "in-progress", "father").replace("Patient/father", "urn:uuid:0");
        doctor.transact(vec![new, create(json(&visit))]).await.unwrap();
        assert!(waiting(&place).await.is_empty());
    });
}

#[test]
fn rules_without_the_label_show_nobody_who_is_reviewed() {
    let default = include_str!("../../rules.toml");
    let rules = default.replace("begin = [\"self-made\"]", "begin = [\"other\"]").replace("\"self-made\"", "\"else\"");
    on_both_with(
        |settings| settings.rules = Some(rules.clone()),
        async |place| {
            set_up(&place).await;
            let doctor = on_duty(&place.record, "doctor", "station", "TREAT");
            write(&doctor, &visit("station", "in-progress", "father")).await;
            let all = place.session().search(&asking("Task", &[])).await.unwrap();
            assert!(all.matches.is_empty());
            place.record.settle().await.unwrap();
            assert_eq!(latest(&place, "father", "doctor-station").await, "treats self-made");
        },
    );
}
