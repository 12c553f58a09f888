use protocol::Line;
use protocol::criteria::{Criteria, Evidence};
use protocol::run::WorkStatus;
use testkit::place::{Place, on_both};

use crate::{Town, complete, read};

impl Town {
    pub(crate) async fn followed(&self) {
        while !self.engine.caught_up().await.unwrap() {}
    }

    pub(crate) async fn visit(&self, id: &str, patient: &str, status: &str) {
        let text = format!(
            r#"{{"resourceType":"Encounter","id":"{id}","status":"{status}","class":{{"code":"AMB"}},
            "subject":{{"reference":"Patient/{patient}"}},"period":{{"start":"2026-05-04T08:20:00+08:00"}}}}"#
        );
        self.put("Encounter", id, &text).await;
    }

    async fn report(&self, id: &str, status: &str) {
        let text = format!(
            r#"{{"resourceType":"DiagnosticReport","id":"{id}","status":"{status}","code":{{"text":"CT"}},
            "subject":{{"reference":"Patient/p"}},"issued":"2026-05-04T08:30:00+08:00"}}"#
        );
        self.put("DiagnosticReport", id, &text).await;
    }
}

async fn town(place: Place) -> Town {
    let town = Town::of(place).await;
    town.followed().await;
    town
}

#[test]
fn a_fact_of_the_record_reaches_its_milestone_at_the_time_it_says_and_once() {
    on_both(async |place| {
        let town = town(place).await;
        town.start().await;
        town.place.clock.pass(3_600);
        town.visit("other", "somebody-else", "arrived").await;
        town.visit("planned", "p", "planned").await;
        town.followed().await;
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().run.occurrences("arrived"), 0);
        town.visit("planned", "p", "arrived").await;
        town.followed().await;
        // The same is said again with every change of the visit.
        town.visit("planned", "p", "arrived").await;
        town.followed().await;
        let run = town.engine.load("r1").await.unwrap().unwrap().run;
        assert_eq!(run.occurrences("arrived"), 1);
        let arrived = run.reached("arrived").unwrap();
        assert_eq!(arrived.source.as_deref(), Some("Encounter/planned"));
        assert_eq!(arrived.at, 1_777_854_000_000_000, "at 08:20, when the visit says it began");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_fact_reaches_a_run_that_came_to_concern_its_patient_a_moment_ago() {
    on_both(async |place| {
        let town = town(place).await;
        // By then it is known that there is no run for either of them.
        town.visit("p-before", "p", "planned").await;
        town.visit("q-before", "q", "planned").await;
        town.followed().await;
        town.start().await;
        town.visit("begun", "p", "arrived").await;
        town.followed().await;
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().run.occurrences("arrived"), 1);

        let linked =
            r#"{"resourceType":"Patient","id":"q","link":[{"type":"seealso","other":{"reference":"Patient/p"}}]}"#;
        town.put("Patient", "q", linked).await;
        let person = r#"{"resourceType":"Person","id":"one","link":[
            {"target":{"reference":"Patient/p"},"assurance":"level4"},
            {"target":{"reference":"Patient/q"},"assurance":"level4"}]}"#;
        town.put("Person", "one", person).await;
        town.visit("joined", "q", "arrived").await;
        town.followed().await;
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().run.occurrences("arrived"), 2);
    });
}

#[test]
fn a_fact_completes_its_step_whether_it_comes_before_or_after_the_step() {
    on_both(async |place| {
        let town = town(place).await;
        town.start().await;
        town.place.clock.pass(1_800);
        town.report("before", "final").await;
        town.followed().await;
        town.visit("e", "p", "arrived").await;
        town.followed().await;
        let run = town.engine.load("r1").await.unwrap().unwrap().run;
        let report = run.work("report", 1).unwrap();
        assert_eq!(report.status, WorkStatus::Done, "the report was there before it was asked for");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_condition_is_looked_at_again_when_what_it_looks_at_changes() {
    on_both(async |place| {
        let town = town(place).await;
        town.start().await;
        town.act(&town.machine(), "r1", complete("review", 1, Some("accept"))).await.unwrap();
        town.followed().await;
        assert!(town.engine.load("r1").await.unwrap().unwrap().run.work("bed", 1).is_none());
        let flag = r#"{"resourceType":"Flag","id":"f","status":"active","code":{"text":"接触隔离"},
            "subject":{"reference":"Patient/p"}}"#;
        town.put("Flag", "f", flag).await;
        town.followed().await;
        let run = town.engine.load("r1").await.unwrap().unwrap().run;
        assert_eq!(run.work("bed", 1).unwrap().status, WorkStatus::Ready);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn what_is_written_and_the_calendar_begin_runs_once() {
    on_both(async |place| {
        let town = town(place).await;
        let condition = |id: &str, text: &str| {
            format!(
                r#"{{"resourceType":"Condition","id":"{id}","code":{{"text":"{text}"}},
                "subject":{{"reference":"Patient/p"}}}}"#
            )
        };
        for _ in 0..2 {
            town.put("Condition", "new", &condition("new", "高血压")).await;
            town.put("Condition", "old", &condition("old", "骨折")).await;
            town.followed().await;
        }
        let runs = async || {
            let roots = town.all("Task").await.into_iter().filter(protocol::task::is_root);
            roots.map(|root| protocol::task::run(&root).unwrap()).collect::<Vec<_>>()
        };
        let begun = runs().await;
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].focus.as_deref(), Some("Condition/new"));
        // Twice in one month is once; in the next month it is due again.
        for (days, expected) in [(0, 2), (1, 2), (31, 3)] {
            town.place.clock.pass(days * 86_400);
            town.engine.scheduled().await.unwrap();
            assert_eq!(runs().await.len(), expected);
        }
        town.is_as_it_came_about().await;
    });
}

const RULES: &str = r#"
protocol = "referral"

[[data]]
code = "pressures"
query = "Observation?patient={patient}&code=http://loinc.org|8480-6&_sort=-date&_count=1"

[[criterion]]
code = "high"
title = { zh = "血压过高", en = "High pressure" }
start = "up"
class = "urgent"
when = "%pressures.first().value.value >= 180"
evidence = ["%pressures.first()", "%pressures.first().value.value"]
source = "test"
"#;

#[test]
fn what_a_schedule_begins_by_a_criterion_keeps_its_evidence_and_begins_once_on_it() {
    on_both(async |place| {
        let town = town(place).await;
        let criteria = vec![Criteria::read(RULES).unwrap()];
        town.engine.install(&Line { criteria, ..Line::default() }).await.unwrap();
        let text = include_str!("check-up.toml").replacen("code = \"check-up\"", "code = \"asked\"", 1);
        let text = text.replacen("every = \"1 mo\"", "every = \"1 d\"\ncriterion = \"referral.high\"", 1);
        town.engine.library().put(read(&text));
        let old = r#"{"resourceType":"Condition","id":"old","subject":{"reference":"Patient/p"}}"#;
        town.put("Condition", "old", old).await;
        let measured = async |id: &str, value: u32| {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"{id}","status":"final","subject":{{"reference":"Patient/p"}},
                "code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6"}}]}},
                "effectiveDateTime":"2026-05-0{}T08:00:00+08:00","valueQuantity":{{"value":{value}}}}}"#,
                &id[1..]
            );
            town.put("Observation", id, &text).await;
        };
        // The next day, with how many runs there are then.
        let looked_through = async || {
            town.place.clock.pass(86_400);
            town.engine.scheduled().await.unwrap();
            let roots = town.all("Task").await.into_iter().filter(protocol::task::is_root);
            let runs = roots.map(|root| protocol::task::run(&root).unwrap());
            runs.filter(|run| run.protocol == "asked").collect::<Vec<_>>()
        };
        measured("o1", 179).await;
        assert_eq!(looked_through().await, Vec::new());
        measured("o2", 182).await;
        let begun = looked_through().await;
        let grounds = begun[0].grounds.clone().unwrap();
        assert_eq!(grounds.rule, "referral.high");
        let shown = [Evidence::Resource("Observation/o2".to_owned()), Evidence::Value("182".to_owned())];
        assert_eq!(grounds.evidence, shown);
        assert_eq!(looked_through().await.len(), 1, "nothing is new");
        measured("o3", 190).await;
        assert_eq!(looked_through().await.len(), 2);
        // What it suggests is under way.
        town.start().await;
        measured("o4", 200).await;
        assert_eq!(looked_through().await.len(), 2);
        town.is_as_it_came_about().await;
    });
}
