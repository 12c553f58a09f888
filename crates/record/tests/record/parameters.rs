use fhir::Category;
use record::SearchRequest;
use testkit::place::{Place, on_both};

use crate::{create, json, one, update};

fn by(code: &str, value: &str) -> SearchRequest {
    SearchRequest {
        type_: record::ResourceType::named("Patient"),
        compartment: None,
        parameters: vec![(code.to_owned(), value.to_owned())],
        strict: true,
    }
}

fn nickname() -> fhir::Value {
    json(
        r#"{"resourceType":"SearchParameter","id":"nickname","url":"https://example.org/nickname","name":"nickname",
            "status":"active","description":"x","code":"nickname","base":["Patient"],"type":"string",
            "expression":"Patient.name.where(use='nickname').text"}"#,
    )
}

async fn found(place: &Place, value: &str) -> Vec<String> {
    let page = place.session().search(&by("nickname", value)).await.unwrap();
    let mut ids: Vec<String> = page.matches.into_iter().map(|version| version.key.id).collect();
    ids.sort();
    ids
}

fn named(id: &str, text: &str) -> fhir::Value {
    json(&format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"use":"nickname","text":"{text}"}}]}}"#))
}

#[test]
fn a_new_search_parameter_finds_old_resources_once_they_are_indexed_and_says_so_until_then() {
    on_both(async |place| {
        let session = place.session();
        for number in 0..250 {
            let id = format!("p{number}");
            one(&session, update("Patient", &id, named(&id, &format!("小{number}")), None)).await.unwrap();
        }
        let unknown = session.search(&by("nickname", "小")).await.unwrap_err();
        assert_eq!(unknown.category(), Category::Invalid);
        one(&session, update("SearchParameter", "nickname", nickname(), None)).await.unwrap();
        let early = session.search(&by("nickname", "小7")).await.unwrap_err();
        assert_eq!(early.category(), Category::Busy);
        assert!(!place.record.index_due().await.unwrap(), "every process gets a head start");
        place.clock.pass(10);
        assert!(place.record.index_due().await.unwrap());
        assert!(!place.record.index_due().await.unwrap());
        assert_eq!(
            found(&place, "小7").await,
            ["p7", "p70", "p71", "p72", "p73", "p74", "p75", "p76", "p77", "p78", "p79"]
        );
        let progress = place.record.indexing().await.unwrap();
        assert_eq!(progress.iter().map(|p| (p.done, p.total, p.complete)).collect::<Vec<_>>(), [(250, 250, true)]);
        one(&session, update("Patient", "p7", named("p7", "大七"), None)).await.unwrap();
        assert_eq!(found(&place, "大").await, ["p7"]);
        assert!(!found(&place, "小7").await.contains(&"p7".to_owned()));
    });
}

#[test]
fn a_search_parameter_that_could_not_be_searched_by_is_refused() {
    on_both(async |place| {
        let text = r#"{"resourceType":"SearchParameter","url":"https://example.org/odd","name":"odd","status":"active",
            "description":"x","code":"odd","base":["Patient"],"type":"string","expression":"Patient.name.("}"#;
        let refusal = one(&place.session(), create(json(text))).await.unwrap_err();
        assert_eq!(refusal.error.category(), Category::Unprocessable);
    });
}
