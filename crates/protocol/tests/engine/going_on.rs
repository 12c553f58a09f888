use fhir::Category;
use protocol::definition::{End, Migration, Rung, RungKind};
use protocol::{Deed, Engine, Library};
use record::Session;
use sonic_rs::JsonValueTrait;
use testkit::place::on_both;

use crate::{Town, beginning, complete, key, library, read, staff};

/// The second version calls the decision otherwise.
fn later() -> protocol::Protocol {
    let text = include_str!("referral.toml").replace("code = \"review\"", "code = \"decide-on\"");
    let mut later = read(&text.replacen("version = \"1\"", "version = \"2\"", 1));
    let steps = [("review".to_owned(), "decide-on".into())].into();
    later.migrations = vec![Migration { from: "1".to_owned(), steps, ..Migration::default() }];
    later
}

fn migrate() -> Deed {
    Deed::Migrate { from: "1".to_owned(), points: Vec::new() }
}

#[test]
fn a_run_stays_under_its_version_until_it_is_told_to_go_on_under_a_later_one() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        town.engine.library().put(later());
        let stays = town.engine.load("r1").await.unwrap().unwrap();
        assert_eq!(stays.protocol.version, "1");
        let machine = town.machine();
        let moved = town.act(&machine, "r1", migrate()).await.unwrap();
        assert_eq!((moved.run.version.as_str(), moved.run.open().next().unwrap().step.as_str()), ("2", "decide-on"));
        // What was shown of the step under its old name is no longer to be done.
        let old = town.read("Task", "r1.review.1").await.unwrap();
        assert_eq!(crate::text(&old, "status"), "cancelled");
        town.act(&machine, "r1", complete("decide-on", 1, Some("accept"))).await.unwrap();
        town.is_as_it_came_about().await;
        let stranger = staff("zhao", "other", "doctor");
        let refused = town.act(&stranger, "r1", migrate()).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
    });
}

#[test]
fn what_has_fired_does_not_fire_again_under_a_later_version_and_what_is_new_there_does() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.engine.prepare().await.unwrap();
        town.place.clock.pass(10);
        while town.place.record.index_due().await.unwrap() {}
        town.start().await;
        town.place.clock.pass(4_200);
        let due = async || town.engine.due(town.place.now()).await.unwrap();
        assert_eq!(due().await, 1, "the warning");
        // A rung now comes before the others, so that each has another number.
        let mut later = later();
        let first = later.clocks[0].rungs[0].clone();
        let earlier = Rung { at: RungKind::Begin, plus: Some("30 min".parse().unwrap()), ..first };
        later.clocks[0].rungs.insert(0, earlier);
        town.engine.library().put(later);
        let done = town.engine.migrate(&town.machine(), "referral", "1").await.unwrap();
        assert_eq!((done.moved, done.stayed.len()), (1, 0));
        let fired = async || town.engine.load("r1").await.unwrap().unwrap().run.clocks[0].fired.clone();
        assert_eq!(fired().await, [1], "the warning, by the number it has now");
        assert_eq!(due().await, 1, "what is new was due half an hour after the beginning");
        town.place.clock.pass(3_600 + 600);
        assert_eq!(due().await, 2, "the limit, and ten minutes later who is told of it");
        assert_eq!((fired().await, due().await), (vec![1, 0, 3, 2], 0));
        town.is_as_it_came_about().await;
        let again = town.engine.migrate(&town.machine(), "referral", "1").await.unwrap();
        assert_eq!((again.moved, again.stayed.len()), (0, 0));
        let unknown = town.engine.migrate(&town.machine(), "referral", "0").await.unwrap_err();
        assert_eq!(unknown.category(), Category::Unsupported);
    });
}

#[test]
fn what_an_activity_has_made_is_found_under_the_name_it_has_in_a_later_version() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.followed().await;
        town.start().await;
        town.act(&town.machine(), "r1", complete("review", 1, Some("accept"))).await.unwrap();
        let made = town.engine.load("r1").await.unwrap().unwrap().run.made["visit"].clone();
        // The visit is called a booking now, and it is told when the patient has come.
        let came = "[[activity]]\ncode = \"came\"\nchange = \"booking\"\nset = [{ path = \"comment\", value = \"'has come'\" }]\n";
        let text = include_str!("referral.toml").replacen("version = \"1\"", "version = \"2\"", 1);
        let text = text.replace("code = \"visit\"", "code = \"booking\"").replace("%visit.", "%booking.");
        let text = text.replace("make = [\"visit\", \"accept\"]", "make = [\"booking\", \"accept\"]");
        let text = text.replacen("status = \"arrived\"\nfact", "status = \"arrived\"\nmake = [\"came\"]\nfact", 1);
        let mut later = read(&(text + "\n" + came));
        let activities = [("visit".to_owned(), "booking".into())].into();
        later.migrations = vec![Migration { from: "1".to_owned(), activities, ..Migration::default() }];
        town.engine.library().put(later);
        let moved = town.act(&town.machine(), "r1", migrate()).await.unwrap();
        assert_eq!((moved.run.made.get("booking"), moved.run.made.get("visit")), (Some(&made), None));
        town.visit("v", "p", "arrived").await;
        town.followed().await;
        let (type_, id) = made.split_once('/').unwrap();
        assert_eq!(crate::text(&town.read(type_, id).await.unwrap(), "comment"), "has come");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_run_that_would_lose_a_clock_stays_under_the_version_it_has() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let mut later = later();
        later.clocks.clear();
        town.engine.library().put(later);
        let done = town.engine.migrate(&town.machine(), "referral", "1").await.unwrap();
        let stayed: Vec<&str> = done.stayed.iter().map(|(run, _)| run.as_str()).collect();
        assert_eq!((done.moved, stayed), (0, vec!["r1"]));
        assert!(done.stayed[0].1.to_string().contains("decide"), "{}", done.stayed[0].1);
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().run.version, "1");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn switching_to_another_protocol_keeps_the_times_that_both_know() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let begun = town.start().await;
        let text = include_str!("referral.toml").replacen("code = \"referral\"", "code = \"green-lane\"", 1);
        town.engine.library().put(read(&text));
        town.place.clock.pass(900);
        let deed = Deed::Switch { protocol: "green-lane".to_owned(), reason: "病情加重".to_owned() };
        let left = town.act(&staff("wu", "medicine", "doctor"), "r1", deed).await.unwrap();
        assert_eq!(left.run.end, Some(End::Cancelled));
        let roots = town.all("Task").await.into_iter().filter(protocol::task::is_root);
        let runs: Vec<_> = roots.map(|root| protocol::task::run(&root).unwrap()).collect();
        let next = runs.iter().find(|run| run.protocol == "green-lane").unwrap();
        assert_eq!((next.chain.as_str(), next.end), ("r1", None));
        assert_eq!(next.reached("submitted").unwrap().at, begun.run.began, "the clock has run since then");
        assert_eq!(next.clocks[0].began, begun.run.began);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_run_goes_over_only_to_a_protocol_that_its_own_names() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let text = include_str!("referral.toml").replacen("code = \"referral\"", "code = \"aside\"", 1);
        town.engine.library().put(read(&text));
        let by = staff("wu", "medicine", "doctor");
        for other in ["aside", "referral", "no-such"] {
            let deed = Deed::Switch { protocol: other.to_owned(), reason: "病情加重".to_owned() };
            let refused = town.act(&by, "r1", deed).await.unwrap_err();
            assert_eq!(refused.category(), Category::Unprocessable, "{other}");
            assert!(refused.to_string().contains("It can go over to: green-lane."), "{refused}");
        }
        let stands = town.engine.load("r1").await.unwrap().unwrap();
        assert_eq!((stands.run.end, stands.version), (None, 1), "nothing has come of it");
    });
}

#[test]
fn a_time_that_is_kept_from_another_run_still_says_from_what_and_by_whom_it_is_known() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.followed().await;
        town.start().await;
        town.place.clock.pass(3_600);
        town.visit("v", "p", "arrived").await;
        town.followed().await;
        let text = include_str!("referral.toml").replacen("code = \"referral\"", "code = \"green-lane\"", 1);
        town.engine.library().put(read(&text));
        let known = town.engine.load("r1").await.unwrap().unwrap().run.reached("arrived").unwrap().clone();
        assert_eq!(known.source.as_deref(), Some("Encounter/v"));
        let deed = Deed::Switch { protocol: "green-lane".to_owned(), reason: "病情加重".to_owned() };
        town.act(&staff("wu", "medicine", "doctor"), "r1", deed).await.unwrap();
        let next = async || {
            let roots = town.all("Task").await.into_iter().filter(protocol::task::is_root);
            let mut runs = roots.map(|root| protocol::task::run(&root).unwrap());
            runs.find(|run| run.protocol == "green-lane").unwrap()
        };
        let run = next().await;
        let kept = run.reached("arrived").unwrap();
        assert_eq!((kept.at, &kept.source, &kept.by), (known.at, &known.source, &known.by));
        let shown = town.read("Observation", &format!("{}.m.arrived.1", run.id)).await.unwrap();
        let of = &shown["extension"][0]["valueReference"]["reference"];
        assert_eq!(of.as_str(), Some("Encounter/v"));
        // The visit says it again, and it is known already.
        town.visit("v", "p", "arrived").await;
        town.followed().await;
        assert_eq!(next().await.occurrences("arrived"), 1);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn everybody_who_takes_part_sees_the_run_and_nobody_else() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let roles = [("chief".to_owned(), "Organization/other".to_owned())].into();
        let start = protocol::Start { roles, ..beginning() };
        town.engine.start(&town.machine(), start).await.unwrap();
        let session = |name: &str, organization: &str| -> Session {
            town.place.record.session(staff(name, organization, "doctor"))
        };
        let sees = async |session: Session| session.read(&key("Task", "r1")).await.unwrap().is_some();
        // The receiver owns it, the chief may be called, the clinic asked for it.
        for (name, organization) in [("wu", "medicine"), ("zhao", "other"), ("lin", "clinic")] {
            assert!(sees(session(name, organization)).await, "{name}");
        }
        town.put("Organization", "far", r#"{"resourceType":"Organization","id":"far","name":"far"}"#).await;
        town.place.keep(&testkit::stage::person("sun", "far", "doctor")).await;
        assert!(!sees(session("sun", "far")).await);
        town.act(&town.machine(), "r1", Deed::Cancel { reason: protocol::run::Reason::default() }).await.unwrap();
        assert!(sees(session("zhao", "other")).await, "that it was taken back is known to those it was meant for");
    });
}

#[test]
fn a_process_that_looks_after_runs_and_dies_is_replaced() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.engine.prepare().await.unwrap();
        town.place.clock.pass(10);
        while town.place.record.index_due().await.unwrap() {}
        town.start().await;
        let fired = async |at_least: usize| {
            let mut head = town.place.record.head();
            loop {
                let run = town.engine.load("r1").await.unwrap().unwrap().run;
                if run.clocks[0].fired.len() >= at_least {
                    return run;
                }
                head.changed().await.unwrap();
            }
        };
        let one = tokio::spawn(town.engine.clone().keep());
        town.place.clock.pass(3_600);
        // Whatever is written wakes whoever looks after timers.
        town.request("s2", "").await;
        fired(1).await;
        one.abort();
        let _ = one.await;
        // It held its leases when it died; they end of themselves.
        town.place.clock.pass(3_600);
        let other =
            Engine::with(town.place.record.clone(), Library::with(library().all().iter().map(|one| (**one).clone())));
        let two = tokio::spawn(other.keep());
        let run = fired(2).await;
        assert!(run.clocks[0].fired.contains(&2), "the limit itself");
        two.abort();
        town.is_as_it_came_about().await;
    });
}
