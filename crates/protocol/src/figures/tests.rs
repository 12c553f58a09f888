use testkit::dice::Dice;

use super::*;
use crate::definition::{Counted, Start};
use crate::rehearsal::{Played, Script, rehearse};
use crate::run::tests::{at, complete, protocol, zone};

/// Printed with every difference that is found.
const SEED: u64 = 20_261_102;

const INDICATORS: &str = r#"
[[indicator]]
code = "submitted"
title = { zh = "转诊例数", en = "Referrals" }
kind = "count"

[[indicator]]
code = "accepted"
title = { zh = "接诊率", en = "Accepted" }
kind = "share"
reached = ["accepted"]
goal = 90

[[indicator]]
code = "urgent-in-time"
title = { zh = "紧急转诊响应达标率", en = "Urgent ones answered in time" }
kind = "share"
classes = ["urgent"]
clock = "decide"

[[indicator]]
code = "within-half-an-hour"
title = { zh = "30 分钟内响应率", en = "Answered within half an hour" }
kind = "share"
clock = "decide"
within = "30 min"

[[indicator]]
code = "median"
title = { zh = "响应时间中位数", en = "Median time to answer" }
kind = "median"
clock = "decide"
without = ["asked"]

[[indicator]]
code = "p90"
title = { zh = "响应时间第 90 百分位数", en = "Time nine in ten keep" }
kind = "p90"
clock = "decide"
having = ["accepted"]

[[indicator]]
code = "refused-to-accepted"
title = { zh = "退回与接收之比", en = "Refused for each accepted" }
kind = "ratio"
having = ["accepted"]
reached = ["rejected"]
"#;

fn with_indicators() -> Protocol {
    #[derive(serde::Deserialize)]
    struct Read {
        indicator: Vec<Indicator>,
    }
    let read: Read = toml::from_str(INDICATORS).unwrap();
    let start = Start { reach: vec!["submitted".into()], ..Start::default() };
    Protocol { indicators: read.indicator, starts: vec![start], ..protocol() }
}

/// One referral as whoever counts by hand has it on their list, in minutes.
struct Line {
    urgent: bool,
    asked: Option<i64>,
    answered: Option<i64>,
    decided: Option<(i64, bool)>,
}

/// How long all are looked at: past the limit of the urgent ones, within that of the others.
const END: i64 = 300;

impl Line {
    fn cast(dice: &mut Dice) -> Self {
        let asked = dice.chance(0.3).then(|| dice.below(20) as i64 + 1);
        let answered = asked.filter(|_| dice.chance(0.8)).map(|asked| asked + 1 + dice.below(60) as i64);
        let free = if asked.is_some() { answered } else { Some(0) };
        let decided = free.filter(|_| dice.chance(0.8)).map(|free| free + 1 + dice.below(200) as i64);
        // Only an urgent one can be refused.
        let urgent = dice.chance(0.5);
        let decided = decided.map(|at| (at, !urgent || dice.chance(0.7)));
        Self { urgent, asked, answered, decided }
    }

    /// How long it took to decide, without what was spent waiting for an answer.
    fn time(&self) -> Option<i64> {
        let (decided, _) = self.decided?;
        Some(decided - self.answered.unwrap_or(0) + self.asked.unwrap_or(0))
    }

    /// Whether it was decided within so many minutes, as far as that can be said at the end.
    fn within(&self, limit: i64) -> Option<bool> {
        match (self.time(), self.asked, self.answered) {
            (Some(time), ..) => Some(time <= limit),
            // Held to this day.
            (None, Some(_), None) => None,
            (None, asked, answered) => {
                let ran = END - answered.unwrap_or(0) + asked.unwrap_or(0);
                (ran > limit).then_some(false)
            }
        }
    }

    fn played(&self, number: usize, protocol: &Protocol) -> Run {
        let deeds = [
            self.asked.map(|minutes| (minutes, complete("review", 1, Some("ask")))),
            self.answered.map(|minutes| (minutes, complete("answer", 1, None))),
            self.decided.map(|(minutes, accepted)| {
                let n = if self.asked.is_some() { 2 } else { 1 };
                (minutes, complete("review", n, Some(if accepted { "accept" } else { "reject" })))
            }),
        ];
        let events = deeds.into_iter().flatten().map(|(minutes, deed)| Played { at: at(minutes), by: None, deed });
        let script = Script {
            class: self.urgent.then(|| "urgent".to_owned()),
            began: at(0),
            events: events.collect(),
            now: at(END),
            ..Script::default()
        };
        let played = rehearse(protocol, &format!("r{number}"), &script, zone()).unwrap();
        assert!(played.refused.is_empty(), "{:?}", played.refused);
        played.run
    }
}

fn share(judged: &[bool]) -> f64 {
    100.0 * judged.iter().filter(|kept| **kept).count() as f64 / judged.len() as f64
}

#[test]
fn figures_equal_what_is_counted_from_the_list() {
    let protocol = with_indicators();
    let mut dice = Dice::new(SEED);
    let lines: Vec<Line> = (0..400).map(|_| Line::cast(&mut dice)).collect();
    let runs: Vec<Run> = lines.iter().enumerate().map(|(number, line)| line.played(number, &protocol)).collect();
    let found = figures(&protocol, &runs, at(END), zone());
    let value = |code: &str| found.iter().find(|figure| figure.code == code).unwrap().value.unwrap();

    let accepted = |line: &&Line| line.decided.is_some_and(|(_, accepted)| accepted);
    let urgent: Vec<bool> = lines.iter().filter(|line| line.urgent).filter_map(|line| line.within(120)).collect();
    let soon: Vec<bool> = lines.iter().filter_map(|line| line.within(30)).collect();
    let mut unasked: Vec<i64> = lines.iter().filter(|line| line.asked.is_none()).filter_map(Line::time).collect();
    let mut taken: Vec<i64> = lines.iter().filter(accepted).filter_map(Line::time).collect();
    unasked.sort_unstable();
    taken.sort_unstable();
    let refused = lines.iter().filter(|line| line.decided.is_some_and(|(_, accepted)| !accepted));
    let middle = unasked.len() / 2;
    let half = if unasked.len() % 2 == 1 {
        unasked[middle] as f64
    } else {
        (unasked[middle - 1] + unasked[middle]) as f64 / 2.0
    };
    let kept_by_nine =
        taken.iter().copied().find(|limit| 10 * taken.iter().filter(|time| *time <= limit).count() >= 9 * taken.len());
    let expected = [
        ("submitted", 400.0),
        ("accepted", 100.0 * lines.iter().filter(accepted).count() as f64 / 400.0),
        ("urgent-in-time", share(&urgent)),
        ("within-half-an-hour", share(&soon)),
        ("median", half),
        ("p90", kept_by_nine.unwrap() as f64),
        ("refused-to-accepted", 100.0 * refused.count() as f64 / taken.len() as f64),
    ];
    for (code, expected) in expected {
        assert!((value(code) - expected).abs() < 1e-9, "{code}: {} and not {expected}, seed {SEED}", value(code));
    }
}

#[test]
fn the_runs_behind_a_number_are_named() {
    let protocol = with_indicators();
    let line = |urgent, decided| Line { urgent, asked: None, answered: None, decided };
    let lines = [line(true, Some((20, true))), line(true, Some((150, true))), line(false, None)];
    let runs: Vec<Run> = lines.iter().enumerate().map(|(number, line)| line.played(number, &protocol)).collect();
    let found = figures(&protocol, &runs, at(END), zone());
    let of = |code: &str| found.iter().find(|figure| figure.code == code).unwrap();
    assert_eq!(of("urgent-in-time").runs, ["r0", "r1"]);
    assert_eq!(of("urgent-in-time").counted, ["r0"]);
    assert_eq!(of("within-half-an-hour").runs, ["r0", "r1", "r2"], "the one that still waits has passed half an hour");
    assert_eq!(of("median").counted, ["r1", "r0"], "the longest first");
}

#[test]
fn nothing_to_count_gives_no_value() {
    let protocol = with_indicators();
    for figure in figures(&protocol, &[], at(0), zone()) {
        let expected = if figure.kind == IndicatorKind::Count { Some(0.0) } else { None };
        assert_eq!(figure.value, expected, "{}", figure.code);
    }
}

#[test]
fn a_figure_is_a_sound_measure_report() {
    let protocol = with_indicators();
    let line = Line { urgent: true, asked: None, answered: None, decided: Some((20, true)) };
    let runs = [line.played(0, &protocol)];
    let validator = fhir::validate::Validator::new(fhir::definitions::r4(), fhir::validate::Options::default());
    for figure in figures(&protocol, &runs, at(END), zone()) {
        let report = report(&protocol, &figure, (at(0), at(END)), at(END));
        let issues = validator.check(&fhir::json::parse(&fhir::json::to_bytes(&report)).unwrap());
        assert!(issues.iter().all(|issue| issue.severity < fhir::error::Severity::Error), "{issues:?}");
    }
}

#[test]
fn a_ratio_for_each_thousand_of_what_the_record_counts_has_no_value_until_it_is_counted() {
    let mut protocol = with_indicators();
    let counted = Counted { query: "Encounter?class=AMB".into(), date: "date".into(), organization: None };
    protocol.indicators = vec![
        Indicator {
            code: "rate".into(),
            kind: IndicatorKind::Ratio,
            reached: vec!["accepted".into()],
            per: Some(counted.clone()),
            scale: Some(1_000),
            ..Indicator::default()
        },
        Indicator {
            code: "share".into(),
            kind: IndicatorKind::Ratio,
            events: Some(counted.clone()),
            per: Some(counted),
            ..Indicator::default()
        },
    ];
    let line = |decided| Line { urgent: true, asked: None, answered: None, decided };
    let runs = [line(Some((20, true))).played(0, &protocol), line(Some((30, false))).played(1, &protocol)];
    let tally = || {
        let mut tally = Tally::new(&protocol, at(END), zone()).naming_runs();
        runs.iter().for_each(|run| tally.add(run, &protocol));
        tally
    };
    assert!(tally().figures(&|_| Recorded::default()).iter().all(|figure| figure.value.is_none()));
    let found = tally().figures(&|_| Recorded { events: Some(30), per: Some(40) });
    assert_eq!((found[0].value, found[0].unit, found[0].denominator), (Some(25.0), "[ppth]", 40));
    assert_eq!((found[0].counted.as_slice(), found[0].runs.len()), (&["r0".to_owned()][..], 0));
    assert_eq!((found[1].value, found[1].unit, found[1].numerator), (Some(75.0), "%", 30));
}

#[test]
fn a_run_is_judged_by_the_limits_of_its_own_version() {
    let protocol = with_indicators();
    let mut earlier = protocol.clone();
    for limit in earlier.clocks.iter_mut().flat_map(|clock| &mut clock.limits) {
        limit.breach = "10 min".parse().unwrap();
        (limit.target, limit.warn) = (None, None);
    }
    let line = Line { urgent: true, asked: None, answered: None, decided: Some((20, true)) };
    let run = line.played(0, &protocol);
    let share = |own: &Protocol| {
        let mut tally = Tally::new(&protocol, at(END), zone());
        tally.add(&run, own);
        let found = tally.figures(&|_| Recorded::default());
        found.iter().find(|figure| figure.code == "urgent-in-time").unwrap().value
    };
    assert_eq!((share(&protocol), share(&earlier)), (Some(100.0), Some(0.0)));
}
