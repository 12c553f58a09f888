//! Who may see the trail: the rules say so, as they do of everything else.

use fhir::Category;
use record::{SearchPage, SearchRequest, Session};
use testkit::institutions::{found, in_person, on_duty, put};
use testkit::place::{Place, on_both, on_both_with};

use crate::{key, one, patient, update};

fn events(query: &[(&str, &str)]) -> SearchRequest {
    SearchRequest {
        type_: Some(key("AuditEvent", "any").type_),
        compartment: None,
        parameters: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        strict: true,
    }
}

/// A father, his daughter and a stranger, each with a finding that a doctor of the hospital read.
async fn looked_at(place: &Place) {
    found(&place.record).await;
    let mut changes = Vec::new();
    for id in ["father", "daughter", "stranger"] {
        changes.push(put(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)));
        for (finding, more) in [("plain", ""), ("confided", CONFIDED)] {
            changes.push(put(&format!(
                r#"{{"resourceType":"Observation","id":"{finding}-{id}","status":"final","code":{{"text":"x"}}{more},
                "subject":{{"reference":"Patient/{id}"}},"performer":[{{"reference":"Organization/hospital"}}]}}"#
            )));
        }
    }
    place.session().transact(changes).await.unwrap();
    let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
    for id in ["father", "daughter", "stranger"] {
        place.clock.pass(1);
        assert!(doctor.read(&key("Observation", &format!("plain-{id}"))).await.unwrap().is_some());
    }
    place.clock.pass(1);
    let minor = place.session();
    assert!(minor.read(&key("Observation", "confided-father")).await.unwrap().is_some());
}

const CONFIDED: &str = r#","meta":{"security":[
    {"system":"https://qingshan.dev/fhir/CodeSystem/sensitive","code":"minors-mailbox"}]}"#;

fn texts(page: &SearchPage) -> Vec<String> {
    let bodies = page.matches.iter().map(|event| event.body.as_deref().unwrap().to_vec());
    bodies.map(|body| String::from_utf8(body).unwrap()).collect()
}

async fn refused(session: &Session, query: &[(&str, &str)]) {
    assert_eq!(session.search(&events(query)).await.unwrap_err().category(), Category::Forbidden, "{query:?}");
}

#[test]
fn a_proxy_sees_who_looked_at_her_charge_and_nothing_else() {
    on_both(async |place| {
        looked_at(&place).await;
        let daughter = in_person(&place.record, &["daughter"], &["father"]);
        let page = daughter.who_looked("father", 10, None).await.unwrap();
        let told = texts(&page);
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told[0].contains(r#""reference":"Practitioner/doctor-hospital""#), "{}", told[0]);
        assert!(told.iter().all(|event| event.contains("Patient/father")));
        for hidden in ["stranger", "daughter\"", "confided"] {
            assert!(told.iter().all(|event| !event.contains(hidden)), "{hidden}: {told:#?}");
        }
        // That she asked is now told as well.
        assert_eq!(daughter.search(&events(&[("patient", "father")])).await.unwrap().matches.len(), 3);
        let confided = events(&[("patient", "father"), ("entity", "Observation/confided-father")]);
        assert_eq!(daughter.search(&confided).await.unwrap().matches.len(), 0);
        let own = daughter.who_looked("daughter", 10, None).await.unwrap();
        assert!(own.matches.len() >= 2);
        for query in [&[][..], &[("patient", "stranger")], &[("agent", "Practitioner/doctor-hospital")]] {
            refused(&daughter, query).await;
        }
        let again = daughter.read(&page.matches[0].key).await.unwrap().unwrap();
        assert_eq!(again.body, page.matches[0].body);
        // Whoever is the father sees what he confided, and who read it.
        let father = in_person(&place.record, &["father"], &[]);
        let told = texts(&father.who_looked("father", 10, None).await.unwrap());
        assert!(told.iter().any(|event| event.contains("Observation/confided-father")), "{told:#?}");
        let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
        let of_her = events(&[("entity", "Observation/plain-daughter"), ("action", "R")]);
        let of_her = officer.search(&of_her).await.unwrap().matches.remove(0).key;
        assert!(daughter.read(&of_her).await.unwrap().is_some());
        assert!(father.read(&of_her).await.unwrap().is_none());
    });
}

#[test]
fn whoever_has_no_part_in_the_trail_is_refused_whatever_they_ask_for() {
    on_both(async |place| {
        looked_at(&place).await;
        let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
        let there = officer.search(&events(&[("patient", "father")])).await.unwrap().matches.remove(0).key;
        assert!(officer.read(&there).await.unwrap().is_some());
        for duty in ["nurse", "doctor", "quality", "system-admin"] {
            let session = on_duty(&place.record, duty, "hospital", "TREAT");
            refused(&session, &[]).await;
            refused(&session, &[("patient", "father")]).await;
            let looked = session.who_looked("father", 10, None).await.unwrap_err();
            assert_eq!(looked.category(), Category::Forbidden);
            for key in [&there, &key("AuditEvent", "trail-0-99999")] {
                assert_eq!(session.read(key).await.unwrap_err().category(), Category::Forbidden, "{duty} {key}");
            }
        }
    });
}

#[test]
fn an_institutions_own_notes_are_not_named_to_the_patient_who_sees_that_somebody_looked() {
    on_both(async |place| {
        looked_at(&place).await;
        let note = r#"{"resourceType":"ClinicalImpression","id":"note","status":"completed",
            "subject":{"reference":"Patient/father"}}"#;
        place.session().transact(vec![put(note)]).await.unwrap();
        place.clock.pass(1);
        place.session().read(&key("ClinicalImpression", "note")).await.unwrap().unwrap();
        let father = in_person(&place.record, &["father"], &[]);
        let told = texts(&father.who_looked("father", 10, None).await.unwrap());
        assert_eq!(told.len(), 5, "{told:#?}");
        assert!(told[0].contains("Practitioner/doctor") && told[0].contains(r#""code":"read""#), "{}", told[0]);
        assert!(told.iter().all(|event| !event.contains("ClinicalImpression")), "{told:#?}");
    });
}

#[test]
fn a_consortium_that_puts_its_own_rules_gets_its_own_watchers() {
    let from = "to = [\"data-officer\", \"security-admin\"]\nthrough = [\"anyone\"]\nread = [\"trail\"]";
    let to = "to = [\"quality\"]\nthrough = [\"anyone\"]\nread = [\"trail\"]\n\n[[grant]]\nreason = \"x\"\n\
              to = [\"doctor\"]\nthrough = [\"treats\"]\nread = [\"trail\"]";
    let default = include_str!("../../rules.toml");
    let rules = default.replacen(from, to, 1);
    assert_ne!(rules, default);
    on_both_with(
        |settings| settings.rules = Some(rules.clone()),
        async |place| {
            looked_at(&place).await;
            let quality = on_duty(&place.record, "quality", "station", "HOPERAT");
            assert!(quality.search(&events(&[])).await.unwrap().matches.len() > 3);
            for duty in ["data-officer", "security-admin"] {
                refused(&on_duty(&place.record, duty, "station", "HOPERAT"), &[]).await;
            }
            let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
            let refusal = doctor.who_looked("father", 10, None).await.unwrap_err();
            assert_eq!(refusal.category(), Category::Forbidden);
            let visit = r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"IMP"},
                "subject":{"reference":"Patient/father"},"serviceProvider":{"reference":"Organization/hospital"}}"#;
            place.session().transact(vec![put(visit)]).await.unwrap();
            assert!(!doctor.who_looked("father", 10, None).await.unwrap().matches.is_empty());
            refused(&doctor, &[]).await;
            refused(&doctor, &[("patient", "stranger")]).await;
            one(&place.session(), update("Patient", "late", patient("late", "林"), None)).await.unwrap();
            refused(&doctor, &[("patient", "late")]).await;
        },
    );
}

/// By which relation whoever did the newest thing to the father was let in.
async fn latest(place: &Place) -> String {
    let officer = on_duty(&place.record, "privacy-officer", "hospital", "HOPERAT");
    let found = officer.search(&events(&[("patient", "father"), ("_count", "1")])).await.unwrap();
    let event: serde_json::Value = serde_json::from_slice(found.matches[0].body.as_deref().unwrap()).unwrap();
    let roles = event["agent"][0]["role"].as_array().cloned().unwrap_or_default();
    let codings = roles.iter().map(|role| &role["coding"][0]);
    let relations = codings.filter(|coding| coding["system"] == "https://qingshan.dev/fhir/CodeSystem/relation");
    relations.map(|coding| coding["code"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_trail_says_by_which_relation_somebody_was_let_in() {
    on_both(async |place| {
        looked_at(&place).await;
        let visit = r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"IMP"},
            "subject":{"reference":"Patient/father"},"serviceProvider":{"reference":"Organization/hospital"}}"#;
        place.session().transact(vec![put(visit)]).await.unwrap();
        let (patient, finding) = (key("Patient", "father"), key("Observation", "plain-father"));
        let session = |duty: &str, at: &str| on_duty(&place.record, duty, at, "TREAT");
        let doctor = session("doctor", "hospital");
        let step = async || {
            place.record.settle().await.unwrap();
            place.clock.pass(60);
        };
        step().await;
        doctor.read(&finding).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "treats");
        step().await;
        doctor.read(&patient).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "treats");
        step().await;
        let mut found = events(&[("patient", "father")]);
        found.type_ = Some(finding.type_);
        assert_eq!(doctor.search(&found).await.unwrap().matches.len(), 1);
        assert_eq!(latest(&place).await, "treats");
        step().await;
        let written = r#"{"resourceType":"Condition","subject":{"reference":"Patient/father"}}"#;
        one(&doctor, crate::create(crate::json(written))).await.unwrap();
        assert_eq!(latest(&place).await, "treats");
        step().await;
        session("registrar", "other").read(&patient).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "anyone");
        step().await;
        session("nurse", "centre").read(&finding).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "group");
        step().await;
        let stranger = session("doctor", "other");
        let reason = record::Reason { code: Some("unconscious".to_owned()), text: None };
        stranger.break_glass(&patient, &reason).await.unwrap();
        step().await;
        stranger.vread(&finding, 1).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "emergency");
        step().await;
        in_person(&place.record, &["father"], &[]).read(&finding).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "self");
        step().await;
        in_person(&place.record, &["daughter"], &["father"]).read(&finding).await.unwrap().unwrap();
        assert_eq!(latest(&place).await, "proxy");
    });
}
