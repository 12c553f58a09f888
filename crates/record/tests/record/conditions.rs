use fhir::{Category, Value};
use record::{Action, Change, Effect, Key, ResourceType, SearchRequest, Target};
use testkit::place::{Place, on_both};

use crate::load::block_on;
use crate::{body, create, json, one};

const RESIDENT: &str = "https://example.org/ns/resident-id";

fn resident(number: &str, family: &str) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"Patient","identifier":[{{"system":"{RESIDENT}","value":"{number}"}}],
            "name":[{{"family":"{family}"}}]}}"#
    ))
}

fn create_once(number: &str, family: &str) -> Change {
    let if_none_exist = Some(format!("identifier={RESIDENT}|{number}"));
    Change::new(Action::Create { resource: resident(number, family), if_none_exist })
}

fn where_number(number: &str) -> Target {
    Target::Query(ResourceType::named("Patient").unwrap(), format!("identifier={RESIDENT}|{number}"))
}

#[test]
fn a_conditional_create_makes_one_resource_however_many_ask_at_once() {
    on_both(async |place| {
        let records = if place.is_shared() {
            vec![place.record.clone(), place.again().await]
        } else {
            vec![place.record.clone()]
        };
        let asking = (0..32_usize).map(|turn| {
            let session = records[turn % records.len()].session(place.session().caller().clone());
            tokio::spawn(async move { one(&session, create_once("11010119900307001X", "张")).await.unwrap() })
        });
        let (mut made, mut ids) = (0, std::collections::BTreeSet::new());
        for asking in asking.collect::<Vec<_>>() {
            let applied = asking.await.unwrap();
            made += usize::from(applied.effect == Effect::Created);
            ids.insert(applied.version.unwrap().key.id);
        }
        assert_eq!((made, ids.len()), (1, 1));
    });
}

#[test]
fn a_conditional_update_makes_changes_or_refuses_by_the_number_of_matches() {
    on_both(async |place| {
        let session = place.session();
        let change = |family: &str| {
            let resource = resident("7", family);
            Change::new(Action::Update { target: where_number("7"), resource, if_match: None, if_absent: false })
        };
        let first = one(&session, change("孔")).await.unwrap();
        let second = one(&session, change("曹")).await.unwrap();
        assert_eq!((first.effect, second.effect), (Effect::Created, Effect::Updated));
        let (first, second) = (first.version.unwrap(), second.version.unwrap());
        assert_eq!((&first.key, second.version), (&second.key, 2));
        one(&session, create(resident("7", "严"))).await.unwrap();
        let refusal = one(&session, change("华")).await.unwrap_err();
        assert_eq!(refusal.error.category(), Category::PreconditionFailed);
    });
}

#[test]
fn a_conditional_deletion_takes_the_one_match_and_nothing_when_there_is_none() {
    on_both(async |place| {
        let session = place.session();
        let change = || Change::new(Action::Delete { target: where_number("8"), if_match: None });
        assert_eq!(one(&session, change()).await.unwrap().effect, Effect::Unchanged);
        let made = one(&session, create(resident("8", "金"))).await.unwrap().version.unwrap();
        assert_eq!(one(&session, change()).await.unwrap().effect, Effect::Deleted);
        assert!(session.read(&made.key).await.unwrap().unwrap().body.is_none());
    });
}

#[test]
fn a_conditional_reference_becomes_the_name_of_its_one_match() {
    on_both(async |place| {
        let session = place.session();
        let made = one(&session, create(resident("9", "魏"))).await.unwrap().version.unwrap();
        let visit = |number: &str| {
            create(json(&format!(
                r#"{{"resourceType":"Encounter","status":"planned","class":{{"code":"AMB"}},
                    "subject":{{"reference":"Patient?identifier={RESIDENT}|{number}"}}}}"#
            )))
        };
        let stored = one(&session, visit("9")).await.unwrap();
        assert!(body(&stored).contains(&format!(r#""reference":"{}""#, made.key)), "{}", body(&stored));
        let refusal = session.transact(vec![create(resident("10", "陶")), visit("404")]).await.unwrap_err();
        assert_eq!((refusal.change, refusal.error.category()), (Some(1), Category::PreconditionFailed));
    });
}

#[test]
fn other_entries_refer_to_what_a_conditional_create_found() {
    on_both(async |place| {
        let session = place.session();
        let made = one(&session, create_once("12", "姜")).await.unwrap().version.unwrap();
        let mut again = create_once("12", "姜");
        again.full_url = Some("urn:uuid:5d2f8a0e-1111-4222-8333-0123456789ab".to_owned());
        let visit = create(json(
            r#"{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},
                "subject":{"reference":"urn:uuid:5d2f8a0e-1111-4222-8333-0123456789ab"}}"#,
        ));
        let applied = session.transact(vec![visit, again]).await.unwrap();
        assert_eq!((applied[0].effect, applied[1].effect), (Effect::Created, Effect::Unchanged));
        assert!(body(&applied[0]).contains(&format!(r#""reference":"{}""#, made.key)), "{}", body(&applied[0]));
    });
}

fn visit(subject: &str) -> Change {
    create(json(&format!(
        r#"{{"resourceType":"Encounter","status":"planned","class":{{"code":"AMB"}},
            "subject":{{"reference":"{subject}"}}}}"#
    )))
}

fn by_number(number: &str) -> String {
    format!("Patient?identifier={RESIDENT}|{number}")
}

#[test]
fn a_condition_does_not_find_what_the_same_transaction_deletes() {
    on_both(async |place| {
        let session = place.session();
        let by_key = |key: &Key| Change::new(Action::Delete { target: Target::Key(key.clone()), if_match: None });
        let by_query = |_: &Key| Change::new(Action::Delete { target: where_number("20"), if_match: None });
        for delete in [&by_key as &dyn Fn(&Key) -> Change, &by_query] {
            let old = one(&session, create_once("20", "戚")).await.unwrap().version.unwrap().key;
            // However the changes are written down, deletions come first.
            let changes = vec![create_once("20", "谢"), visit(&by_number("20")), delete(&old)];
            let applied = session.transact(changes).await.unwrap();
            let effects: Vec<Effect> = applied.iter().map(|applied| applied.effect).collect();
            assert_eq!(effects, [Effect::Created, Effect::Created, Effect::Deleted]);
            let new = applied[0].version.clone().unwrap().key;
            assert_ne!(new, old);
            assert!(session.read(&new).await.unwrap().unwrap().body.is_some());
            assert!(body(&applied[1]).contains(&format!(r#""reference":"{new}""#)), "{}", body(&applied[1]));
            one(&session, by_key(&new)).await.unwrap();
        }
    });
}

#[test]
fn a_conditional_reference_to_what_the_same_transaction_deletes_is_refused() {
    on_both(async |place| {
        let session = place.session();
        let old = one(&session, create_once("21", "邹")).await.unwrap().version.unwrap().key;
        let delete = Change::new(Action::Delete { target: Target::Key(old.clone()), if_match: None });
        let refusal = session.transact(vec![delete, visit(&by_number("21"))]).await.unwrap_err();
        assert_eq!((refusal.change, refusal.error.category()), (Some(1), Category::PreconditionFailed));
        assert!(session.read(&old).await.unwrap().unwrap().body.is_some());
    });
}

#[test]
fn a_conditional_creation_finds_what_an_earlier_one_of_its_transaction_makes() {
    on_both(async |place| {
        let session = place.session();
        let named = |mut change: Change, full_url: &str| {
            change.full_url = Some(full_url.to_owned());
            change
        };
        let (first, second) =
            ("urn:uuid:5d2f8a0e-2222-4222-8333-000000000001", "urn:uuid:5d2f8a0e-2222-4222-8333-000000000002");
        // Another way to write the condition is the same condition.
        let mut again = create_once("22", "喻");
        let Action::Create { if_none_exist, .. } = &mut again.action else { unreachable!() };
        *if_none_exist = Some(format!("_id:not=none&identifier={RESIDENT}%7C22"));
        let changes = vec![named(create_once("22", "柏"), first), named(again, second), visit(first), visit(second)];
        let applied = session.transact(changes).await.unwrap();
        assert_eq!((applied[0].effect, applied[1].effect), (Effect::Created, Effect::Unchanged));
        let made = applied[0].version.clone().unwrap();
        assert_eq!(applied[1].version.as_ref().unwrap().key, made.key);
        for visit in &applied[2..] {
            assert!(body(visit).contains(&format!(r#""reference":"{}""#, made.key)), "{}", body(visit));
        }
        // What neither holds itself, the condition says.
        let bare = |number: &str| {
            let if_none_exist = Some(format!("identifier={RESIDENT}|{number}"));
            Change::new(Action::Create { resource: json(r#"{"resourceType":"Patient"}"#), if_none_exist })
        };
        let applied = session.transact(vec![bare("23"), bare("23"), bare("24")]).await.unwrap();
        let effects: Vec<Effect> = applied.iter().map(|applied| applied.effect).collect();
        assert_eq!(effects, [Effect::Created, Effect::Unchanged, Effect::Created]);
    });
}

#[test]
fn a_conditional_update_of_what_the_same_transaction_stores_is_refused_as_a_duplicate() {
    on_both(async |place| {
        let session = place.session();
        let update = |family: &str| {
            let resource = resident("25", family);
            Change::new(Action::Update { target: where_number("25"), resource, if_match: None, if_absent: false })
        };
        for changes in [vec![update("水"), update("窦")], vec![create(resident("25", "章")), update("云")]] {
            let refusal = session.transact(changes).await.unwrap_err();
            assert_eq!((refusal.change, refusal.error.category()), (Some(1), Category::Invalid));
            assert_eq!(refusal.error.issues()[0].code, fhir::IssueCode::Duplicate);
        }
        assert!(session.changes(0, 10).await.unwrap().is_empty());
    });
}

#[test]
fn a_conditional_reference_is_asked_of_the_record_as_the_transaction_leaves_it() {
    on_both(async |place| {
        let session = place.session();
        let applied = session.transact(vec![visit(&by_number("30")), create(resident("30", "苏"))]).await.unwrap();
        let made = applied[1].version.clone().unwrap().key;
        assert!(body(&applied[0]).contains(&format!(r#""reference":"{made}""#)), "{}", body(&applied[0]));
        // Two of them leave open which is meant.
        let refusal = session.transact(vec![visit(&by_number("30")), create(resident("30", "潘"))]).await.unwrap_err();
        assert_eq!((refusal.change, refusal.error.category()), (Some(0), Category::PreconditionFailed));
        // One that loses the number is not found by it, one that gets it is.
        let renumbered = |number: &str| {
            let resource = json(&format!(
                r#"{{"resourceType":"Patient","id":"{}","identifier":[{{"system":"{RESIDENT}","value":"{number}"}}]}}"#,
                made.id
            ));
            Change::new(Action::Update {
                target: Target::Key(made.clone()),
                resource,
                if_match: None,
                if_absent: false,
            })
        };
        let refusal = session.transact(vec![visit(&by_number("30")), renumbered("31")]).await.unwrap_err();
        assert_eq!((refusal.change, refusal.error.category()), (Some(0), Category::PreconditionFailed));
        let applied = session.transact(vec![visit(&by_number("31")), renumbered("31")]).await.unwrap();
        assert!(body(&applied[0]).contains(&format!(r#""reference":"{made}""#)), "{}", body(&applied[0]));
    });
}

/// Conditions of every kind of value on one Observation, and whether it fulfils them.
const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final",
    "identifier":[{"system":"https://example.org/ns/lab","value":"L-1"}],
    "code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}],"text":"糖化血红蛋白"},
    "subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-05-03T08:30:00+08:00",
    "valueQuantity":{"value":6.5,"unit":"%","system":"http://unitsofmeasure.org","code":"%"},
    "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120}},
                 {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80}}]}"#;

const ASKED: [(&str, bool); 34] = [
    ("identifier=https://example.org/ns/lab|L-1", true),
    ("identifier=L-1", true),
    ("identifier=|L-1", false),
    ("identifier=https://example.org/ns/lab|", true),
    ("identifier=https://example.org/ns/other|L-1", false),
    ("identifier=L-2,L-1", true),
    ("identifier=L-1&status=final", true),
    ("identifier=L-1&status=amended", false),
    ("identifier=L-1&status:not=amended", true),
    ("subject=Patient/p", true),
    ("subject=p", true),
    ("subject=Patient/q", false),
    ("subject:Group=p", false),
    ("date=2026-05-03", true),
    ("date=2026-05", true),
    ("date=gt2026-05-03", false),
    ("date=ge2026-05-03", true),
    ("date=lt2026-05-03", false),
    ("date=le2026-05-03", true),
    ("date=ne2026-05-03", false),
    ("date=sa2026-05-02", true),
    ("date=eb2026-05-04", true),
    ("value-quantity=6.5", true),
    ("value-quantity=gt6.5", false),
    ("value-quantity=ge6.5|http://unitsofmeasure.org|%25", true),
    ("value-quantity=6.5||mg", false),
    ("component-code-value-quantity=8480-6$120", true),
    ("component-code-value-quantity=8480-6$80", false),
    ("code-value-quantity=4548-4$lt7", true),
    ("value-quantity:missing=true", false),
    ("value-quantity:missing=false", true),
    ("_id=o", true),
    ("_id=x", false),
    ("_tag=none", false),
];

#[test]
fn conditions_hold_for_what_a_transaction_stores_as_they_do_once_it_is_stored() {
    on_both(async |place| {
        let session = place.session();
        let observation = OBSERVATION.replacen('{', r#"{"id":"o","#, 1);
        let store = || crate::update("Observation", "o", json(&observation), None);
        let report = |query: &str| {
            create(json(&format!(
                r#"{{"resourceType":"DiagnosticReport","status":"final","code":{{"text":"x"}},
                    "result":[{{"reference":"Observation?{query}"}}]}}"#
            )))
        };
        for (query, holds) in ASKED {
            let refusal = session.transact(vec![store(), report(query), crate::delete("Observation", "none")]).await;
            assert_eq!(refusal.is_ok(), holds, "{query}: {refusal:?}");
            one(&session, crate::delete("Observation", "o")).await.unwrap();
        }
        one(&session, store()).await.unwrap();
        for (query, holds) in ASKED {
            assert_eq!(one(&session, report(query)).await.is_ok(), holds, "stored: {query}");
        }
    });
}

#[test]
fn entries_with_one_name_are_refused_at_the_second() {
    on_both(async |place| {
        let session = place.session();
        let named = |mut change: Change| {
            change.full_url = Some("urn:uuid:5d2f8a0e-3333-4222-8333-0123456789ab".to_owned());
            change
        };
        for second in [create(resident("33", "范")), create_once("33", "彭")] {
            let refusal = session.transact(vec![named(create(resident("32", "葛"))), named(second)]).await.unwrap_err();
            assert_eq!((refusal.change, refusal.error.category()), (Some(1), Category::Invalid));
            assert_eq!(refusal.error.issues()[0].code, fhir::IssueCode::Duplicate);
        }
    });
}

fn observation_of(patient: &str) -> Value {
    json(&format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
    ))
}

#[test]
fn a_number_that_a_failed_transaction_gave_a_name_is_not_taken_for_the_names_own() {
    block_on(async {
        let place = Place::embedded().await;
        let session = place.session();
        let behind = rusqlite::Connection::open(place.directory().unwrap().join("record.db")).unwrap();
        // As a database refuses whose disk is full at the last moment.
        let refusing = "CREATE TRIGGER refusing BEFORE INSERT ON feed BEGIN SELECT RAISE(ABORT, 'full'); END";
        behind.execute_batch(refusing).unwrap();
        let record = |patient: &str, if_none_exist: Option<String>| {
            one(&session, Change::new(Action::Create { resource: observation_of(patient), if_none_exist }))
        };
        // Until the database is let go, all but the first gather to one group, in which the first gives the patient a number
        // and the next comes by it as it looks for its condition.
        behind.execute_batch("BEGIN IMMEDIATE").unwrap();
        let works = (0..40).map(|at| record("never", (at % 2 == 1).then(|| "subject=Patient/never".to_owned())));
        let mut works = std::pin::pin!(futures_util::future::join_all(works));
        let gathering = async {
            for _ in 0..20_000 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut works => panic!("nothing could be written yet"),
            () = gathering => {}
        }
        behind.execute_batch("ROLLBACK").unwrap();
        assert!(works.await.iter().all(Result::is_err));
        behind.execute_batch("DROP TRIGGER refusing").unwrap();

        for at in 0..60 {
            record(&format!("p{at}"), None).await.unwrap();
        }
        let found = async |patient: &str| {
            let asked = [("subject", format!("Patient/{patient}"))];
            session.search(&SearchRequest::of("Observation", &asked).unwrap()).await.unwrap().matches.len()
        };
        assert_eq!(found("never").await, 0, "nothing was ever stored about them");
        assert_eq!(found("p7").await, 1);
        record("never", None).await.unwrap();
        assert_eq!(found("never").await, 1);
    });
}
