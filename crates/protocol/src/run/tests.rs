use std::collections::BTreeMap;

use fhir::Category;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::*;
use crate::definition::Protocol;

const REFERRAL: &str = r#"
code = "referral"
version = "1"
title = { zh = "转诊", en = "Referral" }

[cancel]
who = ["referrer"]
reasons = "withdrawal"
until = ["arrived"]
reach = ["withdrawn"]

[[calendar]]
code = "office"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "08:00"
until = "17:30"

[[class]]
code = "emergency"
title = { zh = "急诊", en = "Emergency" }
priority = "stat"

[[class]]
code = "urgent"
title = { zh = "紧急", en = "Urgent" }
priority = "urgent"

[[role]]
code = "referrer"
title = { zh = "转出医生", en = "Referrer" }
party = "institution"

[[role]]
code = "receiver"
title = { zh = "接诊科室", en = "Receiver" }
party = "institution"

[[role]]
code = "chief"
title = { zh = "总值班", en = "Duty chief" }
party = "institution"
otherwise = "receiver"

[[milestone]]
code = "submitted"
title = { zh = "已提交", en = "Submitted" }
owner = "receiver"
tell = ["receiver"]

[[milestone]]
code = "asked"
title = { zh = "要求补充", en = "Information asked" }
owner = "referrer"

[[milestone]]
code = "answered"
title = { zh = "已补充", en = "Answered" }
owner = "receiver"

[[milestone]]
code = "accepted"
title = { zh = "已接收", en = "Accepted" }

[[milestone]]
code = "rejected"
title = { zh = "已退回", en = "Rejected" }
owner = "referrer"
ends = "rejected"

[[milestone]]
code = "arrived"
title = { zh = "已到诊", en = "Arrived" }
fact = { on = "Encounter", at = "period.start", until = ["arrived"] }

[[milestone]]
code = "opened"
title = { zh = "已查看", en = "Opened" }

[[milestone]]
code = "reserved"
title = { zh = "已预约", en = "Reserved" }

[[milestone]]
code = "no-show"
title = { zh = "未到诊", en = "Did not come" }

[[milestone]]
code = "prepared"
title = { zh = "已备好", en = "Prepared" }

[[milestone]]
code = "withdrawn"
title = { zh = "已撤回", en = "Withdrawn" }
owner = "referrer"

[[milestone]]
code = "closed"
title = { zh = "已结束", en = "Closed" }
ends = "completed"

[[step]]
code = "review"
title = { zh = "审核", en = "Review" }
who = "receiver"
requires = ["submitted"]
again = ["answered"]
begins = ["opened"]

[[step.outcome]]
code = "accept"
title = { zh = "接收", en = "Accept" }
reach = ["accepted"]

[[step.outcome]]
code = "reject"
title = { zh = "退回", en = "Reject" }
classes = ["urgent"]
reasons = "rejection"
reach = ["rejected"]

[[step.outcome]]
code = "ask"
title = { zh = "要求补充", en = "Ask" }
most = 2
reach = ["asked"]

[[step]]
code = "answer"
title = { zh = "补充资料", en = "Answer" }
who = "referrer"
requires = ["asked"]
again = ["asked"]
reach = ["answered"]

[[step]]
code = "bed"
title = { zh = "备床", en = "Prepare a bed" }
who = "receiver"
requires = ["accepted"]
when = "%focus.code.exists()"
skip = "no-bed-needed"

[[step]]
code = "reserve"
title = { zh = "预约", en = "Reserve" }
who = "receiver"
requires = ["accepted"]
classes = ["urgent"]
reach = ["reserved"]

[[step]]
code = "prepare"
title = { zh = "抢救间备好", en = "Prepare the room" }
who = "receiver"
requires = ["submitted"]
classes = ["emergency"]
reach = ["prepared"]

[[step]]
code = "team"
title = { zh = "团队到位", en = "Team ready" }
who = "receiver"
requires = ["accepted"]
acknowledgements = 2
until = ["closed"]

[[step]]
code = "close"
title = { zh = "结束", en = "Close" }
who = "receiver"
requires = ["arrived"]
reach = ["closed"]

[[clock]]
code = "decide"
title = { zh = "审核时限", en = "To decide" }
from = "submitted"
to = ["accepted", "rejected"]
pauses = [{ from = "asked", to = "answered" }]

[[clock.limit]]
class = "urgent"
warn = "1 h"
breach = "2 h"

[[clock.limit]]
breach = "24 h"

[[clock.rung]]
at = "breach"
plus = "10 min"
tell = ["chief"]
hand = "chief"

[[clock.rung]]
at = "begin"
plus = "2 min"
classes = ["emergency"]
tell = ["receiver"]

[[clock]]
code = "hold"
title = { zh = "号源保留", en = "Held" }
from = "reserved"
to = ["arrived", "no-show"]
base = "%response.item.answer.value"
calendar = "office"

[[clock.limit]]
breach = "30 min"
always = true

[[clock.rung]]
at = "breach"
reach = ["no-show"]
"#;

pub(crate) fn protocol() -> Protocol {
    toml::from_str(REFERRAL).unwrap()
}

pub(crate) fn at(minutes: i64) -> i64 {
    "2026-11-02T09:00:00+08:00".parse::<Timestamp>().unwrap().as_microsecond() + minutes * 60_000_000
}

pub(crate) fn zone() -> Offset {
    jiff::tz::offset(8)
}

pub(crate) struct Play {
    pub(crate) protocol: Protocol,
    pub(crate) run: Run,
    pub(crate) effects: Vec<Effect>,
}

impl Play {
    pub(crate) fn new() -> Self {
        let party = |reference: &str| Party { reference: reference.to_owned(), display: None };
        let parties = [
            ("referrer", "Organization/centre"),
            ("receiver", "Organization/hospital"),
            ("chief", "Organization/duty"),
        ];
        let run = Run {
            id: "r".to_owned(),
            class: Some("urgent".to_owned()),
            parties: parties.map(|(role, reference)| (role.to_owned(), party(reference))).into(),
            began: at(0),
            ..Run::default()
        };
        let mut play = Self { protocol: protocol(), run, effects: Vec::new() };
        play.does("referrer", Deed::Begin { reach: vec![("submitted".to_owned(), at(0)).into()] }, 0);
        play
    }

    fn tries(&mut self, by: &str, deed: Deed, minutes: i64) -> Result<(), fhir::Error> {
        let event = event(by, deed);
        let (run, effects) = step(&self.protocol, &self.run, &event, at(minutes))?;
        (self.run, self.effects) = (run, effects);
        Ok(())
    }

    #[track_caller]
    pub(crate) fn does(&mut self, by: &str, deed: Deed, minutes: i64) {
        self.tries(by, deed, minutes).unwrap();
    }

    fn reached(&self) -> Vec<&str> {
        self.run.milestones.iter().map(|one| one.code.as_str()).collect()
    }

    fn open(&self) -> Vec<(&str, u32)> {
        self.run.open().map(|work| (work.step.as_str(), work.n)).collect()
    }
}

pub(crate) fn event(by: &str, deed: Deed) -> Event {
    Event { by: by.to_owned(), deed, answers: BTreeMap::new(), instants: BTreeMap::new() }
}

pub(crate) fn complete(step: &str, n: u32, outcome: Option<&str>) -> Deed {
    Deed::Complete {
        step: step.to_owned(),
        n,
        outcome: outcome.map(str::to_owned),
        reason: None,
        response: None,
        at: None,
        bind: BTreeMap::new(),
    }
}

#[test]
fn what_can_run_in_parallel_does() {
    let mut play = Play::new();
    assert_eq!(play.open(), [("review", 1)]);
    play.does("receiver", complete("review", 1, Some("accept")), 5);
    // Whether a bed is needed is not known yet, so that step waits.
    assert_eq!(play.open(), [("reserve", 1), ("team", 1)]);
    let known = BTreeMap::from([("bed".to_owned(), true)]);
    let event = Event { answers: known, ..event("system", Deed::Look) };
    play.run = step(&play.protocol, &play.run, &event, at(6)).unwrap().0;
    assert_eq!(play.open(), [("reserve", 1), ("team", 1), ("bed", 1)]);
}

#[test]
fn the_second_of_two_who_decide_at_once_is_told_who_was_first() {
    let mut play = Play::new();
    play.does("one", complete("review", 1, Some("accept")), 5);
    let refused = play.tries("two", complete("review", 1, Some("accept")), 5).unwrap_err();
    assert_eq!(refused.category(), Category::Conflict);
    assert_eq!(refused.issues()[0].text, "one has already done this.");
    assert_eq!(play.run.occurrences("accepted"), 1);
}

#[test]
fn a_refusal_without_a_coded_reason_is_refused() {
    let mut play = Play::new();
    assert!(play.tries("two", complete("review", 1, Some("reject")), 5).is_err());
    let reason = Some(Reason { code: "no-bed".to_owned(), text: None });
    let Deed::Complete { step, n, outcome, response, at, bind, .. } = complete("review", 1, Some("reject")) else {
        unreachable!()
    };
    play.does("two", Deed::Complete { step, n, outcome, reason, response, at, bind }, 5);
    assert_eq!(play.run.end, Some(End::Rejected));
    assert_eq!(play.run.owner.as_deref(), Some("referrer"));
    assert_eq!(play.run.due(&play.protocol, zone()), None);
}

#[test]
fn information_can_be_asked_for_only_so_often_and_the_clock_waits_for_it() {
    let mut play = Play::new();
    for n in 1..=2 {
        play.does("two", complete("review", n, Some("ask")), 20 * i64::from(n) - 10);
        assert_eq!(play.open(), [("answer", n)]);
        assert_eq!(play.run.due(&play.protocol, zone()), None, "a held clock is not due");
        play.does("one", complete("answer", n, None), 20 * i64::from(n));
        assert_eq!(play.open(), [("review", n + 1)]);
    }
    assert!(play.tries("two", complete("review", 3, Some("ask")), 50).is_err());
    // Twice ten minutes were spent waiting.
    let due = play.run.due(&play.protocol, zone()).unwrap();
    assert_eq!((due.at, due.point), (at(120 + 20), 2));
}

#[test]
fn points_of_a_clock_fire_in_order_and_once() {
    let mut play = Play::new();
    let mut fired = Vec::new();
    while let Some(due) = play.run.due(&play.protocol, zone()) {
        fired.push(due.at);
        let tick = Deed::Tick { clock: due.clock.clone(), n: due.n, point: due.point, due: due.at };
        // The machine was off for a day, and what fires fires late.
        play.does("system", tick.clone(), 1_440);
        let before = play.run.clone();
        play.does("system", tick, 1_441);
        assert_eq!(play.run, before);
        assert!(play.effects.is_empty());
    }
    assert_eq!(fired, [at(120), at(130)]);
    // The step that would have stopped the clock went to the duty chief.
    let work = play.run.work("review", 1).unwrap();
    assert_eq!(play.run.assignee(&play.protocol, work).unwrap().reference, "Organization/duty");
    assert!(play.run.clocks[0].stopped.is_none(), "a clock that was broken still runs");
}

#[test]
fn a_corrected_milestone_keeps_the_old_time_and_moves_the_clock() {
    let mut play = Play::new();
    let correct = |minutes, reason: &str| Deed::Correct {
        milestone: "submitted".to_owned(),
        n: 1,
        at: at(minutes),
        reason: reason.to_owned(),
        signed: None,
    };
    assert!(play.tries("one", correct(-30, " "), 1).is_err());
    assert!(play.tries("one", correct(300, "typed wrongly"), 1).is_err());
    play.does("one", correct(-30, "typed wrongly"), 1);
    assert_eq!(play.run.milestones.len(), 2);
    assert!(play.run.milestones[0].superseded);
    assert_eq!(play.run.reached("submitted").unwrap().at, at(-30));
    assert_eq!(play.run.due(&play.protocol, zone()).unwrap().at, at(90));
}

#[test]
fn a_fact_that_comes_twice_counts_once() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("accept")), 5);
    let fact = Deed::Fact {
        step: None,
        milestone: Some("arrived".to_owned()),
        source: "Encounter/e".to_owned(),
        at: at(40),
        said: None,
    };
    play.does("system", fact.clone(), 41);
    play.does("system", fact, 42);
    assert_eq!(play.run.occurrences("arrived"), 1);
    assert_eq!(play.run.reached("arrived").unwrap().at, at(40));
    assert!(play.open().contains(&("close", 1)));
}

#[test]
fn acknowledging_twice_counts_once_and_enough_of_them_complete_the_step() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("accept")), 5);
    let seen = Deed::Acknowledge { step: "team".to_owned(), n: 1 };
    play.does("a", seen.clone(), 6);
    play.does("a", seen.clone(), 7);
    assert_eq!(play.open(), [("reserve", 1), ("team", 1)]);
    play.does("b", seen, 8);
    assert_eq!(play.open(), [("reserve", 1)]);
    assert_eq!(play.run.work("team", 1).unwrap().acknowledged.len(), 2);
}

#[test]
fn a_run_that_ends_leaves_nothing_open_and_says_which_clocks_were_cut() {
    let mut play = Play::new();
    play.does("one", Deed::Cancel { reason: Reason { code: "patient".to_owned(), text: None } }, 10);
    assert_eq!(play.run.end, Some(End::Cancelled));
    assert!(play.open().is_empty());
    assert!(play.run.clocks.iter().all(|clock| clock.cut));
    assert!(play.tries("two", complete("review", 1, Some("accept")), 11).is_err());
}

#[test]
fn a_run_is_taken_back_for_a_coded_reason_and_in_time() {
    let mut play = Play::new();
    let words = Reason { code: String::new(), text: Some("changed my mind".to_owned()) };
    assert!(play.tries("one", Deed::Cancel { reason: words }, 1).is_err());
    let coded = Deed::Cancel { reason: Reason { code: "patient".to_owned(), text: None } };
    let mut late = Play::new();
    let arrived = Deed::Fact {
        step: None,
        milestone: Some("arrived".to_owned()),
        source: "Encounter/e".to_owned(),
        at: at(1),
        said: None,
    };
    late.does("system", arrived, 1);
    assert_eq!(late.tries("one", coded.clone(), 2).unwrap_err().category(), Category::Conflict);
    play.does("one", coded, 2);
    assert_eq!((play.run.end, play.run.owner.as_deref()), (Some(End::Cancelled), Some("referrer")));
    assert!(play.run.reached("withdrawn").is_some());
}

#[test]
fn whoever_takes_a_step_on_has_begun_it_once() {
    let mut play = Play::new();
    play.does("two", Deed::Take { step: "review".to_owned(), n: 1 }, 3);
    assert_eq!(play.reached(), ["submitted", "opened"]);
    play.does("two", complete("review", 1, Some("accept")), 5);
    assert_eq!(play.run.reached("opened").unwrap().at, at(3));
    assert_eq!(play.run.occurrences("opened"), 1);

    let mut direct = Play::new();
    direct.does("two", complete("review", 1, Some("accept")), 5);
    assert_eq!(direct.reached(), ["submitted", "opened", "accepted"]);
}

#[test]
fn steps_and_outcomes_are_for_their_classes_only() {
    let mut play = Play::new();
    let class = |class: &str| Deed::Regrade { class: class.to_owned(), reason: "worse".to_owned() };
    play.does("two", class("emergency"), 1);
    assert_eq!(play.open(), [("review", 1), ("prepare", 1)]);
    let reason = Some(Reason { code: "no-bed".to_owned(), text: None });
    let reject = match complete("review", 1, Some("reject")) {
        Deed::Complete { step, n, outcome, response, at, bind, .. } => {
            Deed::Complete { step, n, outcome, reason, response, at, bind }
        }
        other => other,
    };
    assert!(play.tries("two", reject, 2).is_err(), "an emergency is not simply rejected");
    play.does("two", class("urgent"), 3);
    assert_eq!(play.open(), [("review", 1)]);
}

#[test]
fn a_limit_can_count_from_a_moment_that_is_planned_and_moves_with_it() {
    let mut play = Play::new();
    play.does("two", complete("review", 1, Some("accept")), 5);
    let planned = |deed: Deed, minutes: i64| Event {
        instants: BTreeMap::from([("hold".to_owned(), at(minutes))]),
        ..event("two", deed)
    };
    // The appointment lies outside working hours; this limit does not mind.
    let reserve = planned(complete("reserve", 1, None), 720);
    play.run = step(&play.protocol, &play.run, &reserve, at(6)).unwrap().0;
    assert_eq!(play.run.due(&play.protocol, zone()).unwrap().at, at(750));
    play.run = step(&play.protocol, &play.run, &planned(Deed::Look, 780), at(7)).unwrap().0;
    let due = play.run.due(&play.protocol, zone()).unwrap();
    assert_eq!(due.at, at(810));
    play.does("system", Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at }, 810);
    assert!(play.run.reached("no-show").is_some());
    assert_eq!(play.run.clocks.iter().find(|one| one.clock == "hold").unwrap().stopped, Some(at(810)));
}

#[test]
fn a_fact_that_is_no_longer_asked_for_says_nothing() {
    let mut play = Play::new();
    let arrival = |source: &str, minutes| Deed::Fact {
        step: None,
        milestone: Some("arrived".to_owned()),
        source: source.to_owned(),
        at: at(minutes),
        said: None,
    };
    play.does("system", arrival("Encounter/emergency", 40), 41);
    play.does("system", arrival("Encounter/ward", 200), 201);
    assert_eq!(play.run.occurrences("arrived"), 1);
    assert_eq!(play.run.reached("arrived").unwrap().at, at(40));
}

#[test]
fn a_protocol_reads_as_it_is_written() {
    let read = protocol();
    let written = toml::to_string(&read).unwrap();
    assert_eq!(toml::from_str::<Protocol>(&written).unwrap(), read);
}

#[test]
fn a_step_that_stops_a_clock_by_being_taken_on_is_due_by_it() {
    let protocol = protocol();
    let mut review = protocol.step("review").unwrap().clone();
    review.begins.clear();
    let opening = crate::definition::Clock { to: vec!["opened".into()], ..protocol.clocks[0].clone() };
    assert!(!review.stops(&opening));
    review.begins = vec!["opened".into()];
    assert!(review.stops(&opening));
}

#[test]
fn a_clock_that_its_own_beginning_stops_measures_one_stretch_after_another() {
    let mut play = Play::new();
    let asked = crate::definition::Clock {
        code: "silence".into(),
        from: "asked".into(),
        to: vec!["asked".into(), "arrived".into()],
        limits: vec![crate::definition::Limit { breach: crate::definition::Span::minutes(5), ..Default::default() }],
        ..Default::default()
    };
    play.protocol.clocks = vec![asked];
    let ask = |minutes: i64| {
        let source = format!("Observation/{minutes}");
        Deed::Fact { step: None, milestone: Some("asked".to_owned()), source, at: at(minutes), said: None }
    };
    play.does("crew", ask(1), 1);
    assert_eq!(play.run.due(&play.protocol, zone()).unwrap().at, at(6));
    play.does("crew", ask(4), 4);
    assert_eq!(play.run.due(&play.protocol, zone()).unwrap().at, at(9));
    let stretches: Vec<_> = play.run.clocks.iter().filter(|one| one.clock == "silence").collect();
    assert_eq!(
        stretches.iter().map(|one| (one.n, one.began, one.stopped)).collect::<Vec<_>>(),
        [(1, at(1), Some(at(4))), (2, at(4), None),]
    );
    let there = Deed::Fact {
        step: None,
        milestone: Some("arrived".to_owned()),
        source: "Encounter/e".to_owned(),
        at: at(6),
        said: None,
    };
    play.does("crew", there, 6);
    assert!(play.run.clocks.iter().all(|one| one.clock != "silence" || one.stopped.is_some()));
}
