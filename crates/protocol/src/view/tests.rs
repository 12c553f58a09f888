use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::run::tests::{Play, at, complete, event, zone};
use crate::{Deed, Event};

fn seen(play: &Play, minutes: i64) -> serde_json::Value {
    look(play, minutes, false)
}

fn look(play: &Play, minutes: i64, lay: bool) -> serde_json::Value {
    let names = BTreeMap::from([
        ("Organization/hospital".to_owned(), "青山县人民医院".to_owned()),
        ("two".to_owned(), "陈平".to_owned()),
    ]);
    let may = |work: &Work| work.step == "review";
    let viewer = Viewer {
        now: at(minutes),
        zone: zone(),
        lay,
        may: &may,
        may_cancel: !lay,
        may_regrade: !lay,
        targets: &[],
        names: &names,
        summary: &BTreeMap::new(),
    };
    serde_json::to_value(view(&play.protocol, &play.run, viewer)).unwrap()
}

fn step<'v>(view: &'v serde_json::Value, code: &str, n: u64) -> &'v serde_json::Value {
    let steps = view["steps"].as_array().unwrap();
    steps.iter().find(|step| step["code"] == code && step["n"] == n).unwrap()
}

fn reached(view: &serde_json::Value) -> Vec<&str> {
    view["milestones"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn a_step_that_was_not_asked_for_says_what_it_misses() {
    let view = seen(&Play::new(), 5);
    assert_eq!(step(&view, "close", 1)["state"], "waiting");
    assert_eq!(step(&view, "close", 1)["missing"], serde_json::json!(["arrived"]));
    assert!(view["cancel"].is_object());
    let review = step(&view, "review", 1);
    assert_eq!(
        (&review["state"], &review["task"], &review["may"]),
        (&"ready".into(), &"r.review.1".into(), &true.into())
    );
    assert_eq!(review["party"]["display"], "青山县人民医院");
    assert_eq!(review["since"], "2026-11-02T09:00:00.000+08:00");
    assert_eq!(view["owner"]["party"]["reference"], "Organization/hospital");
}

#[test]
fn whether_a_step_applies_is_unknown_until_the_record_says() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("accept")), 5);
    assert_eq!(step(&seen(&play, 6), "bed", 1)["state"], "unknown");
    let look = Event { answers: BTreeMap::from([("bed".to_owned(), false)]), ..event("x", Deed::Look) };
    play.run = crate::step(&play.protocol, &play.run, &look, at(6)).unwrap().0;
    assert_eq!(step(&seen(&play, 6), "bed", 1)["state"], "not-applicable");
}

#[test]
fn a_clock_says_how_far_it_is() {
    let mut play = Play::new();
    let level = |play: &Play, minutes| seen(play, minutes)["clocks"][0]["level"].as_str().unwrap().to_owned();
    // It warns after an hour and breaks after two, for this class.
    assert_eq!([59, 60, 119, 120].map(|minutes| level(&play, minutes)), ["running", "warn", "warn", "breach"]);
    let view = seen(&play, 0);
    assert_eq!(view["clocks"][0]["breach"], "2026-11-02T11:00:00.000+08:00");
    assert_eq!(view["clocks"][0]["next"], view["clocks"][0]["breach"]);
    play.does("two", complete("review", 1, Some("ask")), 30);
    assert_eq!(level(&play, 300), "held");
    play.does("one", complete("answer", 1, None), 60);
    assert_eq!(seen(&play, 60)["clocks"][0]["held"], 30 * 60);
    play.does("two", complete("review", 2, Some("accept")), 149);
    assert_eq!(level(&play, 400), "met", "half an hour was spent waiting");
}

#[test]
fn a_clock_that_stopped_past_its_limit_was_late() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("accept")), 121);
    assert_eq!(seen(&play, 121)["clocks"][0]["level"], "late");
}

#[test]
fn what_holds_a_run_up_is_the_open_step_on_the_way_to_its_end() {
    let mut play = Play::new();
    assert_eq!(seen(&play, 1)["blocking"], serde_json::json!([]), "an arrival is awaited, which no step brings about");
    let goal = |play: &mut Play, code: &str| {
        play.protocol.steps.iter_mut().find(|step| step.code.as_str() == "close").unwrap().requires = vec![code.into()];
    };
    goal(&mut play, "accepted");
    assert_eq!(seen(&play, 1)["blocking"], serde_json::json!(["review"]));
    play.does("two", complete("review", 1, Some("ask")), 10);
    assert_eq!(seen(&play, 11)["blocking"], serde_json::json!(["answer"]));
    let ahead: Vec<String> =
        seen(&play, 11)["ahead"].as_array().unwrap().iter().map(|one| one["code"].to_string()).collect();
    assert_eq!(ahead, [r#""answered""#, r#""accepted""#, r#""closed""#]);
}

#[test]
fn how_often_an_outcome_may_still_be_chosen_is_shown() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("ask")), 10);
    play.does("one", complete("answer", 1, None), 20);
    let view = seen(&play, 21);
    let outcomes = step(&view, "review", 2)["outcomes"].as_array().unwrap();
    assert_eq!(outcomes[2]["left"], 1);
    assert_eq!(outcomes[0].get("left"), None);
    assert_eq!(step(&view, "review", 1)["by"], "two");
    assert_eq!(view["names"]["two"], "陈平");
}

#[test]
fn a_milestone_before_one_that_comes_before_it_is_marked() {
    let mut play = Play::new();
    play.protocol.milestones.iter_mut().find(|one| one.code.as_str() == "arrived").unwrap().after =
        vec!["submitted".into()];
    let arrived = |source: &str, minutes| Deed::Fact {
        step: None,
        milestone: Some("arrived".to_owned()),
        source: source.to_owned(),
        at: at(minutes),
        said: None,
    };
    play.does("x", arrived("Encounter/a", -5), 10);
    play.does("x", arrived("Encounter/b", 5), 10);
    let view = seen(&play, 11);
    assert_eq!((&view["milestones"][1]["early"], view["milestones"][2].get("early")), (&true.into(), None));
}

#[test]
fn a_patient_is_shown_what_is_meant_for_them_in_its_words() {
    let mut play = Play::new();
    let words = Words { zh: "医院已同意接收您".to_owned(), en: "The hospital will receive you".to_owned() };
    play.protocol.milestones.iter_mut().find(|one| one.code.as_str() == "accepted").unwrap().patient =
        Some(words.clone());
    let ahead = look(&play, 1, true)["ahead"].clone();
    assert_eq!(ahead, serde_json::json!([]), "the end waits for an arrival and for nothing that has words");
    play.does("two", complete("review", 1, Some("accept")), 5);
    let (staff, own) = (seen(&play, 6), look(&play, 6, true));
    assert_eq!(reached(&staff), ["submitted", "opened", "accepted"]);
    assert_eq!(reached(&own), ["accepted"]);
    assert_eq!(own["milestones"][0]["title"]["zh"], words.zh);
    for hidden in ["by", "source", "reason"] {
        assert_eq!(own["milestones"][0].get(hidden), None);
    }
    assert_eq!((&own["steps"], &own["clocks"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(own.get("cancel"), None);
    assert_eq!(own["owner"]["title"]["zh"], "接诊科室");
}

#[test]
fn a_run_that_has_ended_waits_for_nothing() {
    let mut play = Play::new();
    play.does("one", Deed::Cancel { reason: Reason { code: "patient".to_owned(), text: None } }, 10);
    let view = seen(&play, 11);
    assert_eq!((&view["end"], &view["blocking"]), (&"cancelled".into(), &serde_json::json!([])));
    let states: BTreeSet<&str> =
        view["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, BTreeSet::from(["cancelled", "not-applicable"]), "one step is for other classes");
    assert_eq!(view["clocks"][0]["level"], "cut");
}
