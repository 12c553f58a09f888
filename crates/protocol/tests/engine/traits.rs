use fhir::path::Expression;
use protocol::Start;
use protocol::figures::{Recorded, Tally};
use testkit::place::on_both;

use crate::{Town, beginning, read};

const TRAITS: &str = r#"
[[trait]]
code = "why"
title = { zh = "原因", en = "Why" }
list = "whys"
value = "%focus.reasonCode.coding.code.first()"

[[trait]]
code = "given"
title = { zh = "已填", en = "Given" }
value = "(%focus.reasonCode | %focus.note).count()"

[[trait]]
code = "wanted"
title = { zh = "应填", en = "Wanted" }
value = "2"

[[indicator]]
code = "complete"
title = { zh = "完整率", en = "Complete" }
kind = "share"
weigh = { above = "given", below = "wanted" }
"#;

fn told() -> protocol::Protocol {
    let text = include_str!("referral.toml").replacen("code = \"referral\"", "code = \"told\"", 1);
    read(&(text + TRAITS))
}

fn start(id: &str) -> Start {
    let focus = Some(format!("ServiceRequest/{id}"));
    Start { id: Some(id.to_owned()), protocol: "told".to_owned(), focus, ..beginning() }
}

#[test]
fn what_a_run_is_told_apart_by_is_kept_as_it_was_when_it_began() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.engine.library().put(told());
        let why = |code: &str| format!(r#","reasonCode":[{{"coding":[{{"system":"urn:why","code":"{code}"}}]}}]"#);
        town.request("full", &(why("worse") + r#","note":[{"text":"三天"}]"#)).await;
        town.request("half", &why("worse")).await;
        town.request("bare", "").await;
        for id in ["full", "half", "bare"] {
            town.engine.start(&town.machine(), start(id)).await.unwrap();
        }
        // What the record says later is of no account for runs that have begun.
        town.request("half", &(why("better") + r#","note":[{"text":"两天"}]"#)).await;
        let run = async |id: &str| town.engine.load(id).await.unwrap().unwrap().run;
        let half = run("half").await;
        let traits: Vec<(&str, &str)> = half.traits.iter().map(|(code, value)| (&**code, &**value)).collect();
        assert_eq!(traits, [("given", "1"), ("wanted", "2"), ("why", "worse")]);
        assert!(!run("bare").await.traits.contains_key("why"), "nothing is made up");
        town.is_as_it_came_about().await;

        let protocol = told();
        let mut tally = Tally::new(&protocol, town.place.now(), town.place.record.settings().zone()).naming_runs();
        for id in ["full", "half", "bare"] {
            tally.add(&run(id).await, &protocol);
        }
        let figures = tally.figures(&|_| Recorded::default());
        let complete = figures.iter().find(|figure| figure.code == "complete").unwrap();
        assert_eq!((complete.numerator, complete.denominator, complete.value), (3, 6, Some(50.0)));
        assert_eq!((complete.counted.as_slice(), complete.runs.len()), (&["full".to_owned()][..], 3));
        assert!(complete.weighed);
    });
}

#[test]
fn a_trait_that_cannot_be_told_keeps_nobody_from_beginning() {
    // Two values where a sum wants one.
    let wrong = "('a' | 'b') + 1";
    assert!(Expression::parse(wrong).is_ok());
    on_both(async |place| {
        let town = Town::of(place).await;
        let mut protocol = told();
        protocol.traits[1].value = wrong.into();
        town.engine.library().put(protocol);
        town.request("odd", "").await;
        let begun = town.engine.start(&town.machine(), start("odd")).await.unwrap();
        assert_eq!(begun.run.traits.keys().map(String::as_str).collect::<Vec<_>>(), ["wanted"]);
    });
}
