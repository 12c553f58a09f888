//! One human and their registrations, over HTTP.

use axum::http::Method;
use testkit::people::{Errors, Fault, Generator, Person, Rates};
use testkit::place::on_both;

use crate::{Door, text_at};

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 5, 4);

fn someone() -> Person {
    let home = Generator::new(3, TODAY).find(|home| home[0].insurance.is_some());
    home.expect("nearly everybody is insured").remove(0)
}

fn copy(person: &Person, faults: &[Fault]) -> Person {
    let rates = faults.iter().fold(Rates::none(), |rates, fault| rates.with(*fault, 1.0));
    Errors::with_rates(5, rates).copy(person, &[]).0
}

fn patient(id: &str, person: &Person) -> String {
    let mut patient = person.patient();
    patient["id"] = id.into();
    patient.to_string()
}

async fn settle(door: &Door) {
    while door.place.record.people_due().await.unwrap() {}
}

fn parameters(parts: &[(&str, &str)]) -> String {
    let part = |(name, patient): &(&str, &str)| {
        format!(r#"{{"name":"{name}","valueReference":{{"reference":"Patient/{patient}"}}}}"#)
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, parts.join(","))
}

#[test]
fn a_match_is_graded_and_the_certain_ones_can_be_asked_for_alone() {
    on_both(async |place| {
        let (door, person) = (Door::open(place), someone());
        door.put(&patient("a", &person)).await;
        let vague = copy(&person, &[Fault::NoId, Fault::NoInsurance, Fault::NoPhone, Fault::NoAddress]);
        door.put(&patient("b", &vague)).await;
        let asked = copy(&person, &[Fault::Moved]).patient().to_string();
        let resource = |more: &str| {
            format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{asked}}}{more}]}}"#)
        };
        let found = door.send(Method::POST, "/fhir/Patient/$match", &resource("")).await;
        assert_eq!(found.status, 200, "{}", found.text());
        let bundle = found.json();
        assert_eq!(text_at(&bundle, "total").as_deref(), Some("2"));
        assert_eq!(text_at(&bundle, "entry.0.resource.id").as_deref(), Some("a"));
        assert_eq!(text_at(&bundle, "entry.0.search.extension.0.valueCode").as_deref(), Some("certain"));
        assert_eq!(text_at(&bundle, "entry.1.search.extension.0.valueCode").as_deref(), Some("probable"));
        let score = |entry: usize| text_at(&bundle, &format!("entry.{entry}.search.score")).unwrap().parse::<f64>();
        assert!(score(0).unwrap() > score(1).unwrap() && score(0).unwrap() <= 1.0);
        let certain = resource(r#",{"name":"onlyCertainMatches","valueBoolean":true}"#);
        let found = door.send(Method::POST, "/fhir/Patient/$match", &certain).await.json();
        assert_eq!(text_at(&found, "total").as_deref(), Some("1"));
        let first = resource(r#",{"name":"count","valueInteger":1}"#);
        let found = door.send(Method::POST, "/fhir/Patient/$match", &first).await.json();
        assert_eq!(text_at(&found, "entry.1.resource.id"), None);
        door.send(Method::POST, "/fhir/Patient/$match", &parameters(&[])).await.refused(400, "required");
    });
}

#[test]
fn registrations_are_merged_shown_as_one_human_and_parted_again() {
    on_both(async |place| {
        let (door, person) = (Door::open(place), someone());
        door.put(&patient("a", &person)).await;
        door.put(&patient("b", &copy(&person, &[Fault::NoId, Fault::ShortName]))).await;
        door.put(r#"{"resourceType":"Basic","id":"of-a","code":{"text":"x"},"subject":{"reference":"Patient/a"}}"#)
            .await;
        door.put(r#"{"resourceType":"Basic","id":"of-b","code":{"text":"x"},"subject":{"reference":"Patient/b"}}"#)
            .await;
        let merge = parameters(&[("source-patient", "b"), ("target-patient", "a")]);
        let merged = door.send(Method::POST, "/fhir/Patient/$merge", &merge).await;
        assert_eq!(merged.status, 200, "{}", merged.text());
        assert_eq!(text_at(&merged.json(), "parameter.0.resource.id").as_deref(), Some("a"));
        settle(&door).await;
        let shown = door.get("/fhir/Patient/b/$person").await.text();
        assert!(shown.contains("Person/") && shown.contains("Patient/a") && shown.contains("Patient/b"), "{shown}");
        let own = door.get("/fhir/Patient/a/$everything").await.text();
        assert!(own.contains("of-a") && !own.contains("of-b"), "{own}");
        let whole = door.get("/fhir/Patient/a/$everything?person=true").await.text();
        assert!(whole.contains("of-a") && whole.contains("of-b"), "{whole}");
        let (mut pages, mut next) = (Vec::new(), Some("/fhir/Patient/a/$everything?person=true&_count=1".to_owned()));
        while let Some(page) = next {
            let page = door.get(&page).await.json();
            pages.push(text_at(&page, "entry.0.resource.id").unwrap_or_default());
            let link = text_at(&page, "link.1.url");
            next = link.map(|url| url.strip_prefix("http://qingshan.example").unwrap().to_owned());
        }
        pages.retain(|id| !id.is_empty());
        pages.sort();
        // The first is the Person, whose id the record made.
        assert_eq!(pages[1..], ["a", "b", "of-a", "of-b"]);
        door.send(Method::POST, "/fhir/Patient/$merge", &merge).await.refused(409, "conflict");
        let back = parameters(&[("source-patient", "b")]);
        let parted = door.send(Method::POST, "/fhir/Patient/$unmerge", &back).await;
        assert_eq!(text_at(&parted.json(), "parameter.0.resource.active").as_deref(), Some("true"));
        settle(&door).await;
        let alone = door.get("/fhir/Patient/b/$person").await.text();
        assert!(!alone.contains("Patient/a"), "{alone}");
        assert_eq!(door.get("/fhir/Patient/$merge").await.status, 405);
        door.get("/fhir/Patient/none/$person").await.refused(404, "not-found");
        door.send(Method::POST, "/fhir/Patient/$merge", &parameters(&[])).await.refused(400, "value");
    });
}
