use fhir::Category;
use record::{Action, Change, Effect, ResourceType, Target};
use testkit::place::on_both;

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
