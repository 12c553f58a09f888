use fhir::Category;
use record::{Effect, HistoryRequest, HistoryScope, Method, ResourceType};
use testkit::place::on_both;

use crate::{body, create, delete, json, key, one, patient, update};

fn all(scope: HistoryScope) -> HistoryRequest {
    HistoryRequest { scope, since: None, at: None, count: 100, before: None }
}

#[test]
fn what_is_created_is_read_back_with_its_version_and_its_digits() {
    on_both(async |place| {
        let session = place.session();
        let sent =
            r#"{"resourceType":"Observation","status":"final","code":{"text":"体重"},"valueQuantity":{"value":1.10}}"#;
        let applied = one(&session, create(json(sent))).await.unwrap();
        let version = applied.version.clone().unwrap();
        assert_eq!((applied.effect, version.version), (Effect::Created, 1));
        let read = session.read(&version.key).await.unwrap().unwrap();
        assert_eq!(read.body, version.body);
        let expected = format!(
            r#"{{"resourceType":"Observation","id":"{}","meta":{{"versionId":"1","lastUpdated":"{}"}},"status":"final","code":{{"text":"体重"}},"valueQuantity":{{"value":1.10}}}}"#,
            version.key.id,
            fhir::time::instant(version.at),
        );
        assert_eq!(body(&applied), expected);
    });
}

#[test]
fn every_version_stays_readable_after_updates_and_a_deletion() {
    on_both(async |place| {
        let session = place.session();
        for family in ["甲", "乙"] {
            one(&session, update("Patient", "p", patient("p", family), None)).await.unwrap();
            place.clock.pass(1);
        }
        assert_eq!(one(&session, delete("Patient", "p")).await.unwrap().effect, Effect::Deleted);
        place.clock.pass(1);
        assert_eq!(one(&session, delete("Patient", "p")).await.unwrap().effect, Effect::Unchanged);
        let gone = session.read(&key("Patient", "p")).await.unwrap().unwrap();
        assert_eq!((gone.version, gone.body, gone.method), (3, None, Method::Delete));
        let again = one(&session, update("Patient", "p", patient("p", "丙"), None)).await.unwrap();
        assert_eq!((again.effect, again.version.as_ref().unwrap().version), (Effect::Created, 4));
        for (number, family) in [(1, Some("甲")), (2, Some("乙")), (3, None), (4, Some("丙"))] {
            let version = session.vread(&key("Patient", "p"), number).await.unwrap().unwrap();
            let text = version.body.map(|body| String::from_utf8(body.to_vec()).unwrap());
            assert_eq!(text.is_some(), family.is_some(), "version {number}");
            if let (Some(text), Some(family)) = (text, family) {
                assert!(text.contains(family), "version {number}: {text}");
            }
        }
        assert!(session.vread(&key("Patient", "p"), 5).await.unwrap().is_none());
        let history = session.history(&all(HistoryScope::Instance(key("Patient", "p")))).await.unwrap();
        let numbers: Vec<u64> = history.versions.iter().map(|version| version.version).collect();
        assert_eq!((numbers, history.total), (vec![4, 3, 2, 1], 4));
    });
}

#[test]
fn a_history_is_paged_newest_first_and_narrowed_by_time() {
    on_both(async |place| {
        let session = place.session();
        for number in 0..5 {
            one(&session, update("Patient", &format!("p{number}"), patient(&format!("p{number}"), "赵"), None))
                .await
                .unwrap();
            place.clock.pass(60);
        }
        one(&session, create(json(r#"{"resourceType":"Basic","code":{"text":"x"}}"#))).await.unwrap();
        let mut request = all(HistoryScope::Type(ResourceType::named("Patient").unwrap()));
        request.count = 2;
        let mut seen = Vec::new();
        loop {
            let page = session.history(&request).await.unwrap();
            assert_eq!(page.total, 5);
            seen.extend(page.versions.into_iter().map(|version| version.key.id));
            request.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["p4", "p3", "p2", "p1", "p0"]);
        let mut late = all(HistoryScope::System);
        late.since = Some(testkit::place::TestClock::START + 180 * 1_000_000);
        let late = session.history(&late).await.unwrap();
        assert_eq!(late.versions.len(), 3);
    });
}

#[test]
fn a_change_to_an_older_version_is_refused() {
    on_both(async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", patient("p", "钱"), None)).await.unwrap();
        one(&session, update("Patient", "p", patient("p", "孙"), Some(1))).await.unwrap();
        let refusal = one(&session, update("Patient", "p", patient("p", "李"), Some(1))).await.unwrap_err();
        assert_eq!(refusal.error.category(), Category::PreconditionFailed);
        let refusal = one(&session, update("Patient", "q", patient("q", "李"), Some(1))).await.unwrap_err();
        assert_eq!(refusal.error.category(), Category::PreconditionFailed);
    });
}

#[test]
fn of_many_writers_with_one_version_in_hand_exactly_one_wins_each_round() {
    on_both(async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", patient("p", "周"), None)).await.unwrap();
        for round in 1..=8 {
            let tries = (0..64).map(|_| {
                let session = session.clone();
                tokio::spawn(
                    async move { one(&session, update("Patient", "p", patient("p", "吴"), Some(round))).await },
                )
            });
            let mut won = 0;
            for attempt in tries.collect::<Vec<_>>() {
                match attempt.await.unwrap() {
                    Ok(applied) => {
                        won += 1;
                        assert_eq!(applied.version.unwrap().version, round + 1);
                    }
                    Err(refusal) => assert_eq!(refusal.error.category(), Category::PreconditionFailed),
                }
            }
            assert_eq!(won, 1, "round {round}");
        }
    });
}

#[test]
fn a_transaction_is_all_or_nothing_and_says_which_change_was_refused() {
    on_both(async |place| {
        let session = place.session();
        let changes =
            vec![update("Patient", "a", patient("a", "郑"), None), update("Patient", "b", patient("b", "王"), Some(7))];
        let refusal = session.transact(changes).await.unwrap_err();
        assert_eq!(refusal.change, Some(1));
        assert!(session.read(&key("Patient", "a")).await.unwrap().is_none());
        assert!(session.changes(0, 10).await.unwrap().is_empty());
    });
}

#[test]
fn a_resource_changed_twice_in_one_transaction_is_refused() {
    on_both(async |place| {
        let changes =
            vec![update("Patient", "a", patient("a", "冯"), None), update("Patient", "a", patient("a", "陈"), None)];
        let refusal = place.session().transact(changes).await.unwrap_err();
        assert_eq!((refusal.change, refusal.error.category()), (Some(1), Category::Invalid));
    });
}

#[test]
fn references_inside_a_transaction_become_the_names_that_were_given() {
    on_both(async |place| {
        let session = place.session();
        let mut mother = create(json(r#"{"resourceType":"Patient"}"#));
        mother.full_url = Some("urn:uuid:4f1e8f5c-6f0e-4a3e-9d3c-0123456789ab".to_owned());
        let mut visit = create(json(
            r#"{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},
                "subject":{"reference":"urn:uuid:4f1e8f5c-6f0e-4a3e-9d3c-0123456789ab"}}"#,
        ));
        visit.full_url = Some("urn:uuid:4f1e8f5c-6f0e-4a3e-9d3c-0123456789ac".to_owned());
        let applied = session.transact(vec![visit, mother]).await.unwrap();
        let mother = applied[1].version.as_ref().unwrap().key.to_string();
        assert!(
            body(&applied[0]).contains(&format!(r#""subject":{{"reference":"{mother}"}}"#)),
            "{}",
            body(&applied[0])
        );
    });
}

#[test]
fn members_keep_their_order_where_references_are_given_new_names() {
    on_both(async |place| {
        let session = place.session();
        let mut mother = create(json(r#"{"resourceType":"Patient"}"#));
        mother.full_url = Some("urn:uuid:4f1e8f5c-6f0e-4a3e-9d3c-0123456789ad".to_owned());
        let visit = create(json(
            r#"{"status":"planned","subject":{"display":"母","reference":"urn:uuid:4f1e8f5c-6f0e-4a3e-9d3c-0123456789ad"},
                "class":{"code":"AMB","system":"http://terminology.hl7.org/CodeSystem/v3-ActCode"},
                "resourceType":"Encounter"}"#,
        ));
        let applied = session.transact(vec![mother, visit]).await.unwrap();
        let name = applied[0].version.as_ref().unwrap().key.to_string();
        let expected = format!(
            r#","status":"planned","subject":{{"display":"母","reference":"{name}"}},"class":{{"code":"AMB","system":"http://terminology.hl7.org/CodeSystem/v3-ActCode"}}}}"#
        );
        assert!(body(&applied[1]).ends_with(&expected), "{}", body(&applied[1]));
    });
}

#[test]
fn an_update_whose_id_differs_from_its_address_is_refused_where_the_id_stands() {
    on_both(async |place| {
        let refusal = one(&place.session(), update("Patient", "a", patient("b", "褚"), None)).await.unwrap_err();
        assert_eq!(refusal.error.issues()[0].expression.as_deref(), Some("Patient.id"));
    });
}
