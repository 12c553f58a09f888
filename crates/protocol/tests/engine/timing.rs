use protocol::definition::{Limit, Span};
use protocol::engine::OwnLimit;
use protocol::{Engine, Start};
use sonic_rs::JsonValueTrait;
use testkit::place::{Place, on_both};

use crate::{Town, beginning, complete, library, text};

/// A town whose timers can be searched by.
async fn town(place: Place) -> Town {
    let town = Town::of(place).await;
    town.engine.prepare().await.unwrap();
    town.place.clock.pass(10);
    while town.place.record.index_due().await.unwrap() {}
    town
}

impl Town {
    fn now(&self) -> i64 {
        self.place.record.surroundings().clock.now()
    }

    async fn due(&self) -> usize {
        self.engine.due(self.now()).await.unwrap()
    }

    async fn messages(&self, code: &str) -> usize {
        let all = self.all("Communication").await;
        all.iter().filter(|one| one.get("topic").is_some_and(|topic| topic.to_string().contains(code))).count()
    }
}

#[test]
fn what_is_due_fires_once_and_in_order() {
    on_both(async |place| {
        let town = town(place).await;
        town.start().await;
        assert_eq!(town.due().await, 0);
        town.place.clock.pass(3_600);
        assert_eq!(town.due().await, 1, "the warning");
        assert_eq!(town.due().await, 0);
        town.place.clock.pass(3_600 + 600);
        assert_eq!(town.due().await, 2, "the limit, and ten minutes later who is told of it");
        let run = town.engine.load("r1").await.unwrap().unwrap().run;
        assert_eq!(run.clocks[0].fired, [0, 2, 1]);
        assert_eq!(town.messages("referral.decide").await, 2);
        // The step is with the duty chief, who falls back to the receiver, and the run is due no more.
        assert!(run.work("review", 1).unwrap().party.is_some());
        let root = town.read("Task", "r1").await.unwrap();
        assert!(root.get("restriction").is_none_or(|restriction| restriction.get("period").is_none()));
        town.is_as_it_came_about().await;
    });
}

#[test]
fn after_a_day_without_anybody_everything_that_was_due_fires_and_is_marked_late() {
    on_both(async |place| {
        let town = town(place).await;
        for number in 0..150 {
            let id = format!("r{number}");
            town.engine.start(&town.machine(), Start { id: Some(id), ..beginning() }).await.unwrap();
        }
        town.place.clock.pass(86_400);
        // A new process, which knows nothing but the record.
        let engine = Engine::with(town.place.record.clone(), library());
        assert_eq!(engine.due(town.now()).await.unwrap(), 3 * 150);
        assert_eq!(engine.due(town.now()).await.unwrap(), 0);
        let late = town.all("Communication").await;
        let late = late.iter().filter(|one| one.get("extension").is_some());
        assert!(late.count() > 100, "messages of clocks say when they were due");
        for id in ["r0", "r77", "r149"] {
            let run = town.engine.load(id).await.unwrap().unwrap().run;
            assert_eq!(run.clocks[0].fired, [0, 2, 1]);
            assert_eq!(town.engine.rebuild(id).await.unwrap(), run);
        }
    });
}

#[test]
fn two_processes_that_fire_the_same_at_once_fire_it_once() {
    on_both(async |place| {
        let town = town(place).await;
        for number in 0..40 {
            let id = format!("r{number}");
            town.engine.start(&town.machine(), Start { id: Some(id), ..beginning() }).await.unwrap();
        }
        town.place.clock.pass(3_600);
        let other = if town.place.is_shared() { town.place.again().await } else { town.place.record.clone() };
        let other = Engine::with(other, library());
        let accept = complete("review", 1, Some("accept"));
        let machine = town.machine();
        let (one, two, accepted) =
            tokio::join!(town.engine.due(town.now()), other.due(town.now()), town.act(&machine, "r7", accept));
        let fired = one.unwrap() + two.unwrap();
        accepted.unwrap();
        // The one that was accepted meanwhile may have been warned of before.
        assert!((39..=40).contains(&fired), "{fired} fired");
        assert_eq!(town.messages("referral.decide").await, fired);
    });
}

#[test]
fn a_step_says_when_it_warns_and_when_it_is_due_and_the_list_is_in_that_order() {
    on_both(async |place| {
        let town = town(place).await;
        town.request("slow", "").await;
        let urgent = Start { id: Some("late".to_owned()), ..beginning() };
        let routine = Start { id: Some("early".to_owned()), class: Some("routine".to_owned()), ..beginning() };
        town.engine.start(&town.machine(), routine).await.unwrap();
        town.place.clock.pass(60);
        town.engine.start(&town.machine(), urgent).await.unwrap();
        let pairs = [
            ("_tag", "https://qingshan.dev/fhir/CodeSystem/run|step"),
            ("status", "ready"),
            ("owner", "Organization/medicine"),
            ("_sort", "due"),
        ];
        let parameters = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let type_ = record::ResourceType::named("Task");
        let request = record::SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = town.place.session().search(&request).await.unwrap();
        let ids: Vec<&str> = page.matches.iter().map(|version| version.key.id.as_str()).collect();
        assert_eq!(ids, ["late.review.1", "early.review.1"], "the clock that breaks first stands first");
        let step = town.read("Task", "late.review.1").await.unwrap();
        let period = step.get("restriction").and_then(|to| to.get("period")).unwrap();
        assert_eq!(text(period, "start"), "2026-05-04T01:01:10Z");
        assert_eq!(text(period, "end"), "2026-05-04T02:01:10Z");
    });
}

/// What the hospital keeps to in place of two hours for what is urgent.
fn own() -> OwnLimit {
    OwnLimit {
        institution: "medicine".to_owned(),
        protocol: "referral".into(),
        role: Some("receiver".into()),
        clock: "decide".into(),
        limit: Limit {
            class: Some("urgent".into()),
            warn: Some(Span::minutes(20)),
            breach: Span::minutes(30),
            source: Some("本院转诊管理规定".to_owned()),
            ..Limit::default()
        },
    }
}

#[test]
fn a_run_keeps_the_limits_its_institution_had_when_it_began_and_is_rebuilt_with_them() {
    on_both(async |place| {
        let town = town(place).await;
        town.start().await;
        town.engine.keep_to(vec![own()]).await.unwrap();
        town.engine.start(&town.machine(), Start { id: Some("r2".to_owned()), ..beginning() }).await.unwrap();
        // Another institution's limits are not this one's.
        let others = OwnLimit { institution: "other".to_owned(), ..own() };
        town.engine.keep_to(vec![others]).await.unwrap();
        town.engine.start(&town.machine(), Start { id: Some("r3".to_owned()), ..beginning() }).await.unwrap();

        let breach = async |id: &str| {
            let standing = town.engine.load(id).await.unwrap().unwrap();
            let (run, protocol) = (&standing.run, &standing.protocol);
            let times = run.times(protocol, &run.clocks[0], jiff::tz::Offset::UTC);
            let standard = run.standard(protocol, &run.clocks[0], jiff::tz::Offset::UTC);
            let minutes = |at: Option<i64>| (at.unwrap() - run.clocks[0].began) / 60_000_000;
            (minutes(times.breach), minutes(standard), run.own.first().map(|own| own.of.clone()))
        };
        assert_eq!(breach("r1").await, (120, 120, None), "what began before stays as it was");
        assert_eq!(breach("r2").await, (30, 120, Some("Organization/medicine".to_owned())));
        assert_eq!(breach("r3").await, (120, 120, None));
        town.place.clock.pass(30 * 60);
        assert_eq!(town.due().await, 2, "the warning and the limit of the one run");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_limit_of_an_institution_that_takes_the_place_of_nothing_is_refused() {
    on_both(async |place| {
        let town = town(place).await;
        let refused = async |change: fn(&mut OwnLimit)| {
            let mut wrong = own();
            change(&mut wrong);
            town.engine.keep_to(vec![own(), wrong]).await.unwrap_err().to_string()
        };
        assert!(refused(|own| own.protocol = "referal".into()).await.contains("no such protocol"));
        assert!(refused(|own| own.clock = "decided".into()).await.contains("no clock"));
        assert!(refused(|own| own.role = Some("nobody".into())).await.contains("no such role"));
        assert!(refused(|own| own.limit.class = Some("red".into())).await.contains("no such class"));
        assert!(refused(|own| own.limit.class = Some("routine".into())).await.contains("take the place"));
        assert!(refused(|own| own.limit.source = Some(" ".to_owned())).await.contains("source"));
        assert!(refused(|own| own.limit.warn = Some(Span::minutes(31))).await.contains("order"));
    });
}
