//! A run that looks back, an outcome that holds a condition, and a run that follows for somebody else.

use std::collections::BTreeMap;

use fhir::Category;
use protocol::Start;
use testkit::place::{Place, on_both};

use crate::{Town, complete};

const MOTHER: &str = r#"{"resourceType":"Patient","id":"p","active":true}"#;
const MOTHER_OF: &str = r#"{"resourceType":"Patient","id":"p","active":true,
    "link":[{"other":{"reference":"Patient/child"},"type":"seealso"}]}"#;

async fn town(place: Place) -> Town {
    let town = Town::of(place).await;
    town.put("Patient", "child", r#"{"resourceType":"Patient","id":"child"}"#).await;
    town.followed().await;
    town
}

impl Town {
    async fn begins(&self, id: &str) {
        let start = Start {
            id: Some(id.to_owned()),
            protocol: "birth".to_owned(),
            patient: Some("Patient/p".to_owned()),
            roles: BTreeMap::from([("doctor".to_owned(), "Organization/medicine".to_owned())]),
            ..Start::default()
        };
        self.engine.start(&self.machine(), start).await.unwrap();
    }
}

#[test]
fn what_was_written_before_a_run_began_counts_as_far_back_as_its_protocol_says() {
    on_both(async |place| {
        let town = town(place).await;
        town.visit("early", "p", "arrived").await;
        town.followed().await;
        town.place.clock.pass(1_800);
        town.begins("soon").await;
        town.followed().await;
        let run = town.engine.load("soon").await.unwrap().unwrap().run;
        let here = run.reached("here").unwrap();
        assert_eq!(here.source.as_deref(), Some("Encounter/early"));
        assert!(here.at < run.began);
        town.place.clock.pass(7_200);
        town.begins("late").await;
        town.followed().await;
        assert!(town.engine.load("late").await.unwrap().unwrap().run.reached("here").is_none());
        town.is_as_it_came_about().await;
    });
}

#[test]
fn an_outcome_is_chosen_only_while_its_condition_is_known_to_hold() {
    on_both(async |place| {
        let town = town(place).await;
        town.begins("b").await;
        let error = town.act(&town.machine(), "b", complete("deliver", 1, Some("born"))).await.unwrap_err();
        assert_eq!(error.category(), Category::Unprocessable);
        assert!(town.engine.load("b").await.unwrap().unwrap().run.end.is_none());
        town.put("Patient", "p", MOTHER_OF).await;
        town.act(&town.machine(), "b", complete("deliver", 1, Some("born"))).await.unwrap();
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_run_that_follows_is_for_whom_its_protocol_says_and_never_for_somebody_else_instead() {
    on_both(async |place| {
        let town = town(place).await;
        town.put("Patient", "p", MOTHER).await;
        town.begins("b").await;
        let refused = town.act(&town.machine(), "b", complete("deliver", 1, Some("born"))).await.unwrap_err();
        assert_eq!(refused.category(), Category::Invalid);
        town.put("Patient", "p", MOTHER_OF).await;
        town.act(&town.machine(), "b", complete("deliver", 1, Some("born"))).await.unwrap();
        let mut patients = Vec::new();
        for task in town.all("Task").await {
            let id = crate::text(&task, "id").to_owned();
            if let Some(standing) = town.engine.load(&id).await.ok().flatten() {
                patients.push((standing.run.protocol, standing.run.patient, standing.run.chain));
            }
        }
        let child = patients.iter().find(|(protocol, ..)| protocol == "follow-up").unwrap();
        assert_eq!((child.1.as_deref(), child.2.as_str()), (Some("Patient/child"), "b"));
        town.is_as_it_came_about().await;
    });
}
