use std::collections::BTreeSet;

use fhir::Category;
use protocol::Start;
use record::{Action, Change, Target};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::on_both;

use crate::{Town, key, read};

const SERIES: &str = r#"
[[series]]
code = "serial"
issuer = "receiver"
prefix = "identifier.where(system = 'urn:short').value.first()"
pattern = "{prefix}{date}{serial:3}号"
"#;

/// Every referral bears a number from when it is submitted on.
fn numbered() -> protocol::Protocol {
    let text = include_str!("referral.toml").replacen("code = \"referral\"", "code = \"numbered\"", 1);
    let text = text.replacen("owner = \"receiver\"", "make = [\"accept\"]\nowner = \"receiver\"", 1);
    let text = text.replacen("note[0].text\", value = \"'accepted'\"", "note[0].text\", value = \"%serial\"", 1);
    read(&(text + SERIES))
}

fn start(number: usize) -> Start {
    Start {
        id: Some(format!("n{number}")),
        protocol: "numbered".to_owned(),
        patient: Some("Patient/p".to_owned()),
        focus: Some(format!("ServiceRequest/s{number}")),
        ..Start::default()
    }
}

#[test]
fn numbers_of_an_institution_have_no_gaps_and_none_is_given_twice_however_many_draw_at_once() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.engine.library().put(numbered());
        for number in 1..=8 {
            town.request(&format!("s{number}"), "").await;
        }
        let begun = (1..=6).map(|number| {
            let (engine, machine) = (town.engine.clone(), town.machine());
            tokio::spawn(async move { engine.start(&machine, start(number)).await.map(drop) })
        });
        for begun in begun.collect::<Vec<_>>() {
            begun.await.unwrap().unwrap();
        }
        let number_of = async |id: &str| {
            let request = town.read("ServiceRequest", id).await.unwrap();
            let notes = request.get("note").and_then(|notes| notes.as_array()).unwrap();
            notes[0].get("text").as_str().unwrap().to_owned()
        };
        let mut numbers = BTreeSet::new();
        for number in 1..=6 {
            numbers.insert(number_of(&format!("s{number}")).await);
        }
        let expected = (1..=6).map(|serial| format!("HOSPITAL20260504{serial:03}号"));
        assert_eq!(numbers, expected.collect());
        // What is refused draws nothing, and what is asked for again has the number it has.
        let kept = number_of("s1").await;
        town.engine.start(&town.machine(), start(1)).await.unwrap();
        assert_eq!(number_of("s1").await, kept);
        let other = Start { id: Some("n1".to_owned()), ..start(7) };
        town.engine.start(&town.machine(), other).await.unwrap_err();
        town.engine.start(&town.machine(), start(7)).await.unwrap();
        assert_eq!(number_of("s7").await, "HOSPITAL20260504007号");
        // Nobody else sets it back.
        let series = town.all("Basic").await.remove(0);
        let id = crate::text(&series, "id");
        let target = Target::Key(key("Basic", id));
        let action = Action::Update { target, resource: series.clone(), if_match: None, if_absent: false };
        let refused = town.place.session().transact(vec![Change::new(action)]).await.unwrap_err();
        assert_eq!(refused.error.category(), Category::Forbidden);
        // The next day begins anew, by the short name the institution has by then.
        let named = r#"{"resourceType":"Organization","id":"hospital","name":"hospital",
            "identifier":[{"system":"urn:short","value":"QS"}]}"#;
        town.put("Organization", "hospital", named).await;
        town.place.clock.pass(86_400);
        town.engine.start(&town.machine(), start(8)).await.unwrap();
        assert_eq!(number_of("s8").await, "QS20260505001号");
        town.is_as_it_came_about().await;
    });
}
