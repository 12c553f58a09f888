//! The check of what is stored finds what does not fit.

use testkit::place::{Place, on_both};

use crate::{create, delete, json, one, patient, update};

/// A patient of two versions, a deleted one, and an observation with rows in every table of the index.
async fn filled(place: &Place) {
    let session = place.session();
    for family in ["赵", "钱"] {
        one(&session, update("Patient", "p", patient("p", family), None)).await.unwrap();
    }
    one(&session, update("Patient", "q", patient("q", "孙"), None)).await.unwrap();
    one(&session, delete("Patient", "q")).await.unwrap();
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:x","code":"w"}]},
        "subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-05","valueQuantity":{"value":-0.0,"system":"urn:u","code":"kg"}}"#;
    one(&session, create(json(observation))).await.unwrap();
}

#[test]
fn what_was_stored_through_the_record_is_sound() {
    on_both(async |place| {
        filled(&place).await;
        let mut told = Vec::new();
        let soundness = place.record.check(|done| told.push(done)).await.unwrap();
        assert_eq!((soundness.resources, soundness.changes, soundness.findings), (3, 5, Vec::new()));
        assert_eq!(told, [3]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_is_found_and_told_without_patient_data() {
    let place = Place::postgres().await;
    filled(&place).await;
    // What damages, what undoes it, and what is to be told in between.
    let damages = [
        (
            "UPDATE feed SET seq = 6 WHERE seq = 5",
            "UPDATE feed SET seq = 5 WHERE seq = 6",
            "after position 4 the feed goes on with 6",
        ),
        (
            "UPDATE head SET value = 6 WHERE name = 'feed'",
            "UPDATE head SET value = 5 WHERE name = 'feed'",
            "its head says otherwise",
        ),
        (
            "UPDATE feed SET version = 7 WHERE seq = 2",
            "UPDATE feed SET version = 2 WHERE seq = 2",
            "position 2 tells of version 7 after version 1",
        ),
        (
            "UPDATE feed SET at = at + 1 WHERE seq = 1",
            "UPDATE feed SET at = at - 1 WHERE seq = 1",
            "position 1 and the version it tells of differ",
        ),
        (
            "UPDATE history SET version = 9 WHERE version = 1 AND body IS NOT NULL",
            "UPDATE history SET version = 1 WHERE version = 9",
            "Patient/p lacks earlier versions, or has too many",
        ),
        (
            "UPDATE resource SET version = 3 WHERE id = 'p'",
            "UPDATE resource SET version = 2 WHERE id = 'p'",
            "Patient/p says another name, version or time than its row",
        ),
        (
            "UPDATE locator SET home = home + 1 WHERE id = 'p'",
            "UPDATE locator SET home = home - 1 WHERE id = 'p'",
            "Patient/p is not where its name leads",
        ),
        (
            "UPDATE str SET exact = '李' WHERE exact = '钱'",
            "UPDATE str SET exact = '钱' WHERE exact = '李'",
            "Patient/p is not indexed by Patient.family as it should be",
        ),
        (
            "UPDATE tok SET code = 'v' WHERE code = 'w'",
            "UPDATE tok SET code = 'w' WHERE code = 'v'",
            "is indexed by Observation.code as it should not be",
        ),
        (
            "UPDATE ref SET target = 0 WHERE ttype <> 0",
            "UPDATE ref SET target = (SELECT rid FROM resource WHERE id = 'p') WHERE target = 0",
            "is not indexed by Observation.subject as it should be",
        ),
        (
            "INSERT INTO date VALUES (123456, 1, 0, 0, 1, 0)",
            "DELETE FROM date WHERE rid = 123456",
            "there are rows of the number 123456, which no resource has",
        ),
    ];
    let database = place.database().unwrap();
    for (damage, repair, told) in damages {
        database.query(damage);
        let findings = place.record.check(|_| {}).await.unwrap().findings;
        assert!(findings.iter().any(|finding| finding.contains(told)), "{damage}: {findings:?}");
        assert!(!findings.iter().any(|finding| finding.contains('钱')), "{damage}: {findings:?}");
        database.query(repair);
        assert_eq!(place.record.check(|_| {}).await.unwrap().findings, Vec::<String>::new(), "{repair}");
    }
}
