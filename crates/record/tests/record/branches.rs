//! Searches by `:below` and `:above` along references: hierarchies, and versions of canonical URLs.

use testkit::institutions::in_person;
use testkit::place::on_both;

use crate::json;
use crate::search::{check, page, refusal, settle};
use crate::{one, update};

/// A house of floors and rooms, with visits in them; and two rooms that are each a part of the other.
const HOUSE: &[&str] = &[
    r#"{"resourceType":"Location","id":"house","name":"House"}"#,
    r#"{"resourceType":"Location","id":"floor","name":"Floor","partOf":{"reference":"Location/house"}}"#,
    r#"{"resourceType":"Location","id":"room","name":"Room","partOf":{"reference":"Location/floor"}}"#,
    r#"{"resourceType":"Location","id":"shed","name":"Shed"}"#,
    r#"{"resourceType":"Location","id":"hen","partOf":{"reference":"Location/egg"}}"#,
    r#"{"resourceType":"Location","id":"egg","partOf":{"reference":"Location/hen"}}"#,
    r#"{"resourceType":"Location","id":"leased","partOf":{"reference":"https://else.example/Location/estate"}}"#,
    r#"{"resourceType":"Encounter","id":"stay","status":"finished","class":{"code":"IMP"},
        "location":[{"location":{"reference":"Location/house"}}]}"#,
    r#"{"resourceType":"Encounter","id":"surgery","status":"finished","class":{"code":"IMP"},
        "partOf":{"reference":"Encounter/stay"},"location":[{"location":{"reference":"Location/room"}}]}"#,
    r#"{"resourceType":"Encounter","id":"nap","status":"finished","class":{"code":"IMP"},
        "location":[{"location":{"reference":"Location/leased"}}]}"#,
    r#"{"resourceType":"Procedure","id":"cut","status":"completed","subject":{"reference":"Patient/p"},
        "encounter":{"reference":"Encounter/surgery"},"location":{"reference":"Location/room"}}"#,
    r#"{"resourceType":"Procedure","id":"walk","status":"completed","subject":{"reference":"Patient/p"},
        "encounter":{"reference":"Encounter/stay"},"location":{"reference":"Location/egg"}}"#,
];

#[test]
fn what_is_in_a_house_is_found_by_the_house_and_what_a_room_is_in_by_the_room() {
    on_both(async |place| {
        let session = settle(&place, HOUSE).await;
        check(
            &session,
            &[
                ("Procedure?location:below=house", &["cut"]),
                ("Procedure?location:below=Location/floor", &["cut"]),
                ("Procedure?location:below=Location/room,Location/hen", &["cut", "walk"]),
                ("Procedure?location:below=shed", &[]),
                ("Procedure?location:below=unheard-of", &[]),
                ("Encounter?location:below=house", &["stay", "surgery"]),
                ("Encounter?location:above=room", &["stay", "surgery"]),
                ("Encounter?location:above=house", &["stay"]),
                ("Encounter?location:below=https://else.example/Location/estate", &["nap"]),
                ("Location?partof:below=house", &["floor", "room"]),
                ("Location?partof:above=floor", &["floor", "room"]),
                ("Location?partof:below=egg", &["hen", "egg"]),
                ("Procedure?encounter:below=stay", &["cut", "walk"]),
                ("Procedure?encounter:above=surgery", &["cut", "walk"]),
                ("Procedure?encounter:above=stay", &["walk"]),
                ("Procedure?encounter.location:below=floor", &["cut"]),
                ("Location?_has:Procedure:location:encounter:below=stay", &["room", "egg"]),
            ],
        )
        .await;
        for (query, code) in [
            ("Procedure?subject:below=Patient/p", fhir::IssueCode::NotSupported),
            ("Procedure?patient:above=p", fhir::IssueCode::NotSupported),
            ("Encounter?location:below=Patient/p", fhir::IssueCode::Value),
        ] {
            assert_eq!(refusal(&session, query).await.issues()[0].code, code, "{query}");
        }
    });
}

#[test]
fn a_branch_ends_for_somebody_at_what_they_may_not_see() {
    on_both(async |place| {
        let session = place.session();
        for patient in ["p", "q"] {
            let resource = json(&format!(r#"{{"resourceType":"Patient","id":"{patient}"}}"#));
            one(&session, update("Patient", patient, resource, None)).await.unwrap();
        }
        for (id, patient, above) in [("a", "p", ""), ("b", "q", "a"), ("c", "p", "b"), ("d", "p", "c"), ("e", "p", "a")]
        {
            let part = if above.is_empty() {
                String::new()
            } else {
                format!(r#","partOf":{{"reference":"Encounter/{above}"}}"#)
            };
            let visit = json(&format!(
                r#"{{"resourceType":"Encounter","id":"{id}","status":"finished","class":{{"code":"IMP"}},
                "subject":{{"reference":"Patient/{patient}"}}{part}}}"#
            ));
            one(&session, update("Encounter", id, visit, None)).await.unwrap();
        }
        check(&session, &[("Encounter?part-of:below=a", &["b", "c", "d", "e"])]).await;
        let themself = in_person(&place.record, &["p"], &[]);
        check(
            &themself,
            &[
                ("Encounter?part-of:below=a", &["e"]),
                ("Encounter?part-of:below=b", &["c", "d"]),
                ("Encounter?part-of:above=c", &["c", "d"]),
            ],
        )
        .await;
    });
}

#[test]
fn canonical_references_are_found_below_a_version() {
    let answer = |id: &str, form: &str| {
        format!(
            r#"{{"resourceType":"QuestionnaireResponse","id":"{id}","status":"completed",
            "questionnaire":"http://example.org/{form}"}}"#
        )
    };
    on_both(async move |place| {
        let answers = [
            answer("bare", "form"),
            answer("one", "form|1"),
            answer("one-one", "form|1.1"),
            answer("one-beta", "form|1-beta"),
            answer("ten", "form|10"),
            answer("two", "form|2.0"),
            answer("other", "forms|1.1"),
        ];
        let session = settle(&place, &answers.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let all = ["bare", "one", "one-one", "one-beta", "ten", "two"];
        check(
            &session,
            &[
                ("QuestionnaireResponse?questionnaire:below=http://example.org/form", &all),
                (
                    "QuestionnaireResponse?questionnaire:below=http://example.org/form|1",
                    &["one", "one-one", "one-beta"],
                ),
                ("QuestionnaireResponse?questionnaire:below=http://example.org/form|1.1", &["one-one"]),
                ("QuestionnaireResponse?questionnaire:below=http://example.org/form|3", &[]),
                ("QuestionnaireResponse?questionnaire=http://example.org/form|1", &["one"]),
            ],
        )
        .await;
        let above = refusal(&session, "QuestionnaireResponse?questionnaire:above=http://example.org/form|1").await;
        assert_eq!(above.issues()[0].code, fhir::IssueCode::NotSupported);
        let found =
            page(&session, "QuestionnaireResponse?questionnaire:below=http://example.org/form|1&_count=2").await;
        assert!(found.next.is_some());
    });
}
