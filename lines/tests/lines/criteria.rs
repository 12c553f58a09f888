//! What the criteria of referral suggest from what a record says.

use std::collections::BTreeMap;

use fhir::{Value, json};
use jiff::Timestamp;
use protocol::criteria::{Criteria, Evidence};
use serde_json::{Value as Json, json};

use crate::folders;
use crate::stage::zone;

const NOW: &str = "2026-11-02T09:00:00+08:00";

fn criteria() -> Criteria {
    let text = lines::text("referral", "criteria.toml").expect("referral has criteria");
    Criteria::read(text).unwrap_or_else(|error| panic!("{error}"))
}

/// What is found for a patient, by the name of the search.
#[derive(Default)]
struct Found(BTreeMap<String, Vec<Value>>);

impl Found {
    fn with(mut self, data: &str, resource: &Json) -> Self {
        let value = json::parse(resource.to_string().as_bytes()).expect("JSON is written as it is read");
        self.0.entry(data.to_owned()).or_default().push(value);
        self
    }

    fn problem(self, code: &str, since: &str) -> Self {
        let system = "http://hl7.org/fhir/sid/icd-10";
        let problem = json!({
            "resourceType": "Condition", "id": format!("c-{}", code.replace('.', "-")), "recordedDate": since,
            "code": { "coding": [{ "system": system, "code": code }] },
        });
        self.with("problems", &problem)
    }

    fn pressure(self, id: &str, systolic: u32, diastolic: u32, at: &str) -> Self {
        let part = |code: &str, value: u32| {
            let coding = json!([{ "system": "http://loinc.org", "code": code }]);
            json!({ "code": { "coding": coding }, "valueQuantity": { "value": value, "unit": "mm[Hg]" } })
        };
        let pressure = json!({
            "resourceType": "Observation", "id": id, "status": "final", "effectiveDateTime": at,
            "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9" }] },
            "component": [part("8480-6", systolic), part("8462-4", diastolic)],
        });
        self.with("pressures", &pressure)
    }

    fn measured(self, data: &str, id: &str, value: &str, at: &str) -> Self {
        let value: Json = value.parse().expect("a number");
        let measured = json!({
            "resourceType": "Observation", "id": id, "status": "final", "effectiveDateTime": at,
            "code": { "text": data }, "valueQuantity": { "value": value },
        });
        self.with(data, &measured)
    }

    #[track_caller]
    fn suggests(&self, expected: &[(&str, &str)]) {
        let (criteria, patient) =
            (criteria(), json::parse(br#"{"resourceType":"Patient","id":"p"}"#).expect("it is JSON"));
        let now = NOW.parse::<Timestamp>().expect("it is a time");
        let suggestions = criteria.judge(&patient, &self.0, now, zone());
        let found: Vec<(&str, &str)> =
            suggestions.iter().map(|one| (one.rule.code.as_str(), one.rule.class.as_str())).collect();
        assert_eq!(found, expected);
        assert!(suggestions.iter().all(|one| !one.evidence.is_empty()), "every suggestion shows why");
    }
}

#[test]
fn every_criterion_suggests_a_way_to_start_and_says_where_it_comes_from() {
    let criteria = criteria();
    let line = folders::line("referral");
    let protocol = line.protocol(&criteria.protocol).unwrap();
    for rule in &criteria.rules {
        assert!(protocol.starts.iter().any(|start| start.code.as_ref() == Some(&rule.start)), "{}", rule.code);
        assert!(protocol.class(&rule.class).is_some(), "{}", rule.code);
        assert!(!rule.title.zh.is_empty() && !rule.title.en.is_empty() && !rule.source.is_empty(), "{}", rule.code);
        assert!(!rule.evidence.is_empty(), "{}", rule.code);
    }
    let printed = toml::to_string(&criteria).unwrap();
    assert_eq!(Criteria::read(&printed).unwrap(), criteria);
}

#[test]
fn a_record_that_says_nothing_suggests_nothing() {
    Found::default().suggests(&[]);
}

#[test]
fn high_pressure_is_an_emergency_with_symptoms_of_today_only() {
    let alone = Found::default().problem("I10", "2020-01-01").pressure("b", 182, 100, "2026-11-02T08:40:00+08:00");
    alone.suggests(&[]);
    let crisis = alone.problem("R51", "2026-11-02T08:45:00+08:00");
    crisis.suggests(&[("htn-crisis", "emergency")]);
    let old = Found::default().pressure("b", 182, 100, "2026-10-20T08:40:00+08:00");
    old.problem("R51", "2026-11-02T08:45:00+08:00").suggests(&[]);
}

#[test]
fn glucose_at_the_limit_refers_and_just_inside_does_not() {
    let diabetic = || Found::default().problem("E11.9", "2019-05-01");
    let at = "2026-11-02T08:30:00+08:00";
    diabetic().measured("glucoses", "g", "16.7", at).suggests(&[("dm-glucose-high", "emergency")]);
    diabetic().measured("glucoses", "g", "16.6", at).suggests(&[]);
    diabetic().measured("glucoses", "g", "3.9", at).suggests(&[("dm-glucose-low", "emergency")]);
    diabetic().measured("glucoses", "g", "4.0", at).suggests(&[]);
    Found::default().measured("glucoses", "g", "16.7", at).suggests(&[]);
}

#[test]
fn two_visits_above_target_suggest_a_referral_with_both_as_evidence() {
    let one = Found::default().problem("I10", "2020-01-01").pressure("b2", 150, 85, "2026-10-30T09:00:00+08:00");
    one.suggests(&[]);
    let two = one.pressure("b1", 138, 92, "2026-08-01T09:00:00+08:00");
    two.suggests(&[("htn-uncontrolled", "routine")]);
    let (criteria, patient) = (criteria(), json::parse(br#"{"resourceType":"Patient","id":"p"}"#).expect("it is JSON"));
    let now = NOW.parse::<Timestamp>().expect("it is a time");
    let suggestions = criteria.judge(&patient, &two.0, now, zone());
    let evidence = ["Observation/b2", "Observation/b1"].map(|one| Evidence::Resource(one.to_owned()));
    assert_eq!(suggestions[0].evidence, evidence);
    let controlled = Found::default().problem("I10", "2020-01-01").pressure("b2", 150, 85, "2026-10-30T09:00:00+08:00");
    controlled.pressure("b1", 130, 80, "2026-08-01T09:00:00+08:00").suggests(&[]);
}

#[test]
fn glycated_haemoglobin_counts_only_three_months_apart() {
    let diabetic = || Found::default().problem("E11.9", "2019-05-01").measured("glycated", "h2", "7.4", "2026-10-20");
    diabetic().measured("glycated", "h1", "7.9", "2026-07-10").suggests(&[("dm-uncontrolled", "routine")]);
    diabetic().measured("glycated", "h1", "7.9", "2026-09-10").suggests(&[]);
    diabetic().measured("glycated", "h1", "6.8", "2026-07-10").suggests(&[]);
}

#[test]
fn the_colour_of_a_pregnancy_says_how_urgent_it_is() {
    for (colour, suggested) in [
        ("red", Some(("pregnancy-red", "emergency"))),
        ("orange", Some(("pregnancy-orange", "urgent"))),
        ("purple", Some(("pregnancy-purple", "urgent"))),
        ("yellow", Some(("pregnancy-yellow", "routine"))),
        ("green", None),
    ] {
        let graded = json!({
            "resourceType": "Observation", "id": "o", "status": "final", "code": { "text": "pregnancy-colour" },
            "valueCodeableConcept": { "coding": [{ "code": colour }] },
        });
        Found::default().with("colours", &graded).suggests(&suggested.into_iter().collect::<Vec<_>>());
    }
}
