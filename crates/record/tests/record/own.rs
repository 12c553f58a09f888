//! References that are written with an address of the record itself.

use fhir::search::OwnAddresses;
use record::{Action, Change, Effect, Settings};
use testkit::institutions::in_person;
use testkit::place::on_both_with;

use crate::search::{ALONG_REFERENCES, DISTRICT, check, page, settle};
use crate::{body, create, json, key, one, update};

const OWN: &str = "https://own.example/fhir";

fn known(settings: &mut Settings) {
    settings.own = OwnAddresses::new([OWN]);
}

/// The district with every reference written in full, now and then by the other protocol.
fn in_full() -> Vec<String> {
    let whole = |(at, text): (usize, &&str)| {
        let address = if at % 4 == 0 { OWN.replace("https:", "http:") } else { OWN.to_owned() };
        text.replace(r#""reference":""#, &format!(r#""reference":"{address}/"#))
    };
    DISTRICT.iter().enumerate().map(whole).collect()
}

#[test]
fn a_reference_by_an_own_address_is_one_to_this_record() {
    on_both_with(known, async |place| {
        let texts = in_full();
        let session = settle(&place, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        check(&session, ALONG_REFERENCES).await;
        check(
            &session,
            &[
                ("Observation?subject=https://own.example/fhir/Patient/zhang", &["pressure", "weight"]),
                ("Observation?subject=http://own.example/fhir/Patient/zhang&status=final", &["pressure"]),
                ("Observation?patient:Patient=https://OWN.example/fhir/Patient/zhang", &["pressure", "weight"]),
                ("Observation?subject=https://else.example/fhir/Patient/zhang", &[]),
                ("Patient/zhang/Observation?status=final", &["pressure"]),
                ("Patient/zhang/Encounter", &["visit"]),
                ("Practitioner/doctor/Observation", &["pressure"]),
                ("Observation?encounter.subject:Patient.gender=male", &["pressure"]),
            ],
        )
        .await;
        let found = page(&session, "Observation?_id=pressure&_include=Observation:subject").await;
        assert_eq!(found.included.len(), 1);
        let found = page(&session, "Patient?_id=zhang&_revinclude=Observation:patient").await;
        assert_eq!(found.included.len(), 2);
        let stored = session.read(&key("Observation", "pressure")).await.unwrap().unwrap().body.unwrap();
        let stored = String::from_utf8(stored.to_vec()).unwrap();
        assert!(stored.contains("own.example/fhir/Patient/zhang\""), "what was sent is kept: {stored}");
        assert_eq!(place.record.check(|_| {}).await.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn a_reference_by_another_address_stays_a_foreign_one() {
    on_both_with(known, async |place| {
        let texts: Vec<String> = in_full().iter().map(|text| text.replace("own.example", "else.example")).collect();
        let session = settle(&place, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        check(
            &session,
            &[
                ("Observation?subject=Patient/zhang", &[]),
                ("Observation?patient.gender=male", &[]),
                ("Observation?subject=https://else.example/fhir/Patient/muller", &["smoker"]),
                ("Patient/zhang/Observation", &[]),
            ],
        )
        .await;
    });
}

#[test]
fn conditions_are_asked_along_references_in_full_as_well() {
    on_both_with(known, async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", json(r#"{"resourceType":"Patient","id":"p"}"#), None)).await.unwrap();
        let flag = |address: &str| {
            json(&format!(
                r#"{{"resourceType":"Flag","status":"active","code":{{"text":"falls"}},
                "subject":{{"reference":"{address}Patient/p"}}}}"#
            ))
        };
        one(&session, create(flag("https://own.example/fhir/"))).await.unwrap();
        let again =
            |resource, query: &str| Change::new(Action::Create { resource, if_none_exist: Some(query.to_owned()) });
        for (address, query) in
            [("", "patient=Patient/p"), ("http://own.example/fhir/", "subject=https://own.example/fhir/Patient/p")]
        {
            let applied = one(&session, again(flag(address), query)).await.unwrap();
            assert_eq!(applied.effect, Effect::Unchanged, "{query}");
        }
        // Within one transaction, what is not stored yet is asked in the same way.
        let other = || {
            let text = r#"{"resourceType":"List","status":"current","mode":"working",
                "subject":{"reference":"https://own.example/fhir/Patient/p"}}"#;
            json(text)
        };
        let both = vec![again(other(), "subject=Patient/p"), again(other(), "patient=p")];
        let applied = session.transact(both).await.unwrap();
        assert_eq!(body(&applied[0]), body(&applied[1]));
    });
}

#[test]
fn whose_a_resource_is_does_not_depend_on_how_its_patient_is_written() {
    on_both_with(known, async |place| {
        let session = place.session();
        for id in ["p", "q"] {
            let patient = json(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#));
            one(&session, update("Patient", id, patient, None)).await.unwrap();
            let observation = json(&format!(
                r#"{{"resourceType":"Observation","id":"of-{id}","status":"final","code":{{"text":"pulse"}},
                "subject":{{"reference":"{OWN}/Patient/{id}"}}}}"#
            ));
            one(&session, update("Observation", &format!("of-{id}"), observation, None)).await.unwrap();
        }
        let themself = in_person(&place.record, &["p"], &[]);
        assert!(themself.read(&key("Observation", "of-p")).await.unwrap().is_some());
        assert!(themself.read(&key("Observation", "of-q")).await.unwrap().is_none());
        // Who looked at it looked at the patient's record.
        session.read(&key("Observation", "of-p")).await.unwrap();
        let told = themself.who_looked("p", 10, None).await.unwrap().matches;
        let reads = told.iter().filter(|event| {
            let text = String::from_utf8_lossy(event.body.as_deref().unwrap_or_default());
            text.contains("Practitioner/doctor") && text.contains("Observation/of-p") && text.contains("\"read\"")
        });
        assert_eq!(reads.count(), 1, "{}", told.len());
    });
}
