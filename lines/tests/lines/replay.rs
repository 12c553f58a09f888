//! Half a year of a consortium's referrals, told in advance as a list, played, and counted twice: by the indicators of the
//! protocol over the runs, and by hand over the list.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use protocol::figures::{Figure, figures};
use protocol::run::{Deed, Reason, Run};
use testkit::dice::Dice;

use crate::folders;
use crate::paths::Answer;
use crate::stage::{Ground, Opening, PLATFORM, Stage, zone};
use crate::story::owned;

/// As many as one network of hospitals for women and children moved up and down in half a year.
const UP: usize = 723;
const DOWN: usize = 366;
/// Of those who went down, so many were not sent up before.
const DOWN_ALONE: usize = 66;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;

/// One line of the list: what happens to which leg of which referral.
#[derive(Debug, Clone)]
struct Entry {
    at: i64,
    chain: usize,
    leg: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Start { way: &'static str, class: &'static str },
    Does { step: &'static str, outcome: Option<&'static str>, reason: Option<&'static str>, answers: Answers },
    Fact(&'static str),
    Cancels,
}

type Answers = BTreeMap<String, Answer>;

/// The list while it is written.
struct List {
    dice: Dice,
    entries: Vec<Entry>,
    chain: usize,
    leg: usize,
    /// Referrals that still have to go back down.
    back: usize,
}

impl List {
    fn put(&mut self, at: i64, what: What) {
        self.entries.push(Entry { at, chain: self.chain, leg: self.leg, what });
    }

    fn does(&mut self, at: i64, step: &'static str, outcome: Option<&'static str>, reason: Option<&'static str>) {
        self.put(at, What::Does { step, outcome, reason, answers: Answers::new() });
    }

    fn after(&mut self, at: i64, least: i64, most: i64) -> i64 {
        at + self.dice.between(least, most) * MINUTE
    }

    /// Somebody is referred up, and it goes one of the ways such things go.
    fn up(&mut self, chain: usize, begins: i64) {
        (self.chain, self.leg) = (chain, 1);
        let class = match self.dice.below(20) {
            0 => "emergency",
            1..=5 => "urgent",
            _ => "routine",
        };
        self.put(begins, What::Start { way: "up", class });
        match self.dice.below(100) {
            0..4 => {
                let at = self.after(begins, 0, 0);
                self.put(at, What::Cancels);
            }
            4..9 => {
                let decided = self.decided(begins, class);
                let refused = if class == "emergency" {
                    self.does(decided, "review", Some("cannot"), Some("no-bed"));
                    self.does(decided + MINUTE, "arbitrate", Some("reject"), Some("no-bed"));
                    decided + MINUTE
                } else {
                    self.does(decided, "review", Some("reject"), Some("outside-scope"));
                    decided
                };
                let kept = self.after(refused, 1, 60);
                self.does(kept, "after-refusal", Some("keep"), Some("trust"));
            }
            9..13 => {
                let decided = self.decided(begins, class);
                let target = Answer::Text("Organization/linxi".to_owned());
                let answers = Answers::from([("target".to_owned(), target)]);
                let what =
                    What::Does { step: "review", outcome: Some("redirect"), reason: Some("better-elsewhere"), answers };
                self.put(decided, what);
                self.leg = 2;
                self.accepted(decided, class, false);
            }
            13..19 => self.accepted(begins, class, true),
            _ => self.accepted(begins, class, false),
        }
    }

    /// When a leg that began then is decided; opening it stands in the list.
    fn decided(&mut self, begins: i64, class: &str) -> i64 {
        let (open, decide) = match class {
            "emergency" => (3, 8),
            "urgent" => (60, 200),
            _ => (600, 2_000),
        };
        let opened = self.after(begins, 1, open);
        self.does(opened, "open", None, None);
        self.after(opened, 1, decide)
    }

    fn accepted(&mut self, begins: i64, class: &'static str, misses: bool) {
        let decided = self.decided(begins, class);
        self.does(decided, "review", Some("accept"), None);
        let reserved = self.after(decided, 1, 100);
        let from = match class {
            "emergency" => self.after(reserved, 10, 60),
            "urgent" => self.after(reserved, 60, 1_200),
            _ => self.after(reserved, 1_440, 7_200),
        };
        let until = from + 30 * MINUTE;
        let answers = [("from", from), ("until", until)];
        let answers = answers.map(|(code, at)| (code.to_owned(), Answer::Text(written(at)))).into();
        let (step, outcome) = if class == "emergency" { ("bed", None) } else { ("reserve", Some("slot")) };
        self.put(reserved, What::Does { step, outcome, reason: None, answers });
        self.does(reserved + MINUTE, "inform", Some("agreed"), None);
        if misses {
            let hold = match class {
                "emergency" => reserved + 120 * MINUTE,
                "urgent" => reserved + DAY,
                _ => until + 30 * MINUTE,
            };
            let called = self.after(hold, 10, 300);
            self.does(called, "follow-up", Some("expire"), Some("unreachable"));
            return;
        }
        let arrived = self.after(from, 0, 20);
        self.put(arrived, What::Fact("arrived"));
        let ended = self.after(arrived, 60, 14_400);
        if self.leg == 1 && self.back > 0 {
            self.back -= 1;
            let offered = self.after(arrived, 30, 59);
            self.does(offered, "offer-down", None, None);
            self.leg = 2;
            self.return_home(offered, "routine");
            self.leg = 1;
        }
        self.put(ended, What::Fact("visit-ended"));
        let closed = self.after(ended, 10, 2_000);
        self.does(closed, "close", None, None);
        let read = self.after(closed, 10, 4_000);
        self.does(read, "acknowledge", None, None);
        let checked = self.after(closed, 10, 9_000);
        self.does(checked, "check-result", None, None);
    }

    /// Somebody who went up, or was in hospital anyway, is taken over by primary care.
    fn return_home(&mut self, begins: i64, class: &str) {
        let decided = self.decided(begins, class);
        self.does(decided, "review", Some("accept"), None);
        let reserved = self.after(decided, 1, 30);
        let until = reserved + 600 * MINUTE;
        let answers = [("from", reserved), ("until", until)];
        let answers = answers.map(|(code, at)| (code.to_owned(), Answer::Text(written(at)))).into();
        self.put(reserved, What::Does { step: "reserve", outcome: Some("none"), reason: None, answers });
        let arrived = self.after(reserved, 60, 600);
        self.does(arrived, "arrive", None, None);
        let contacted = self.after(arrived, 600, 13_000);
        self.does(contacted, "contact", Some("managed"), None);
        let read = self.after(contacted, 10, 4_000);
        self.does(read, "acknowledge", None, None);
    }
}

fn written(at: i64) -> String {
    Timestamp::from_microsecond(at).expect("a time of this year").to_string()
}

fn list() -> Vec<Entry> {
    let first = "2026-01-01T00:00:00+08:00".parse::<Timestamp>().expect("a time").as_microsecond();
    let mut list = List { dice: Dice::new(723), entries: Vec::new(), chain: 0, leg: 1, back: DOWN - DOWN_ALONE };
    for chain in 0..UP + DOWN_ALONE {
        let day = list.dice.between(0, 180);
        let begins = first + day * DAY + list.dice.between(7 * 60, 21 * 60) * MINUTE;
        if chain < UP {
            list.up(chain, begins);
        } else {
            (list.chain, list.leg) = (chain, 1);
            list.put(begins, What::Start { way: "down", class: "urgent" });
            list.return_home(begins, "urgent");
        }
    }
    assert_eq!(list.back, 0, "enough patients arrived to go back down");
    // What happens at the same time happens in the order of the list.
    list.entries.sort_by_key(|entry| entry.at);
    list.entries
}

/// Plays the list.
async fn play(entries: &[Entry]) -> Stage {
    let mut stage = Stage::new(folders::line("referral").protocols, entries[0].at);
    for entry in entries {
        stage.pass(entry.at).await;
        let first = format!("c{}", entry.chain);
        let at = format!("{first}, leg {}, {:?}", entry.leg, entry.what);
        if let What::Start { way, class } = &entry.what {
            let roles = [("referrer", "Organization/clinic"), ("receiver", "Organization/hospital")];
            let roles = roles.map(|(role, party)| (role.to_owned(), party.to_owned())).into();
            let (start, class) = ((*way).to_owned(), Some((*class).to_owned()));
            let opening =
                Opening { id: first, protocol: "referral".to_owned(), start, class, roles, ..Opening::default() };
            stage.start("PractitionerRole/doctor", opening).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            continue;
        }
        let run = stage.chain(&first).get(entry.leg - 1).map(|run| (*run).clone());
        let run = run.unwrap_or_else(|| panic!("{at}: there is no such run"));
        let (by, deed, answers) = deed(&entry.what, &run, entry.at);
        stage.act(&run.id, by, deed, &answers).await.unwrap_or_else(|error| panic!("{at}: {error}"));
        let run = stage.runs().iter().find(|one| one.id == run.id).expect("it was just acted on");
        owned(stage.protocol("referral"), run, &at);
    }
    stage
}

fn deed(what: &What, run: &Run, at: i64) -> (&'static str, Deed, Answers) {
    let person = "PractitionerRole/doctor";
    match what {
        What::Does { step: "open", .. } => {
            let n = run.steps.iter().filter(|work| work.step == "review").count() as u32;
            (person, Deed::Take { step: "review".to_owned(), n }, Answers::new())
        }
        What::Does { step, outcome, reason, answers } => {
            let deed = Deed::Complete {
                step: (*step).to_owned(),
                n: 1,
                outcome: outcome.map(str::to_owned),
                reason: reason.map(|code| Reason { code: code.to_owned(), text: None }),
                response: Some("QuestionnaireResponse/given".to_owned()),
                at: None,
                bind: BTreeMap::new(),
            };
            (person, deed, answers.clone())
        }
        What::Fact(milestone) => {
            let (milestone, source) = (Some((*milestone).to_owned()), format!("Encounter/{}", run.id));
            (PLATFORM, Deed::Fact { step: None, milestone, source, at }, Answers::new())
        }
        What::Cancels => {
            let reason = Reason { code: "improved".to_owned(), text: None };
            (person, Deed::Cancel { reason }, Answers::new())
        }
        What::Start { .. } => unreachable!("a start is no deed on a run"),
    }
}

/// The minutes of work between two times, one by one: Monday to Friday from 8:00 to 17:30, but for the holidays of the
/// first half of 2026.
fn working_minutes(from: i64, to: i64) -> i64 {
    let off =
        ["01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06", "05-01", "05-04", "05-05"];
    let worked = ["01-04", "02-14", "02-28", "05-09"];
    let first: Date = "2026-01-01".parse().expect("a date");
    let zero = "2026-01-01T00:00:00+08:00".parse::<Timestamp>().expect("a time").as_microsecond();
    let works = |minute: i64| {
        let day = first + (minute / 1_440).days();
        let (name, of_day) = (day.strftime("%m-%d").to_string(), minute % 1_440);
        let weekday = day.weekday().to_monday_zero_offset() < 5 && !off.contains(&name.as_str()) && name != "06-19";
        (weekday || worked.contains(&name.as_str())) && (480..1_050).contains(&of_day)
    };
    ((from - zero) / MINUTE..(to - zero) / MINUTE).filter(|minute| works(*minute)).count() as i64
}

/// What the list itself says of one leg.
#[derive(Debug, Default, Clone)]
struct Leg {
    class: &'static str,
    began: i64,
    /// When the patient was first referred, if that was an earlier leg.
    referred: i64,
    opened: Option<i64>,
    decided: Option<i64>,
    times: BTreeMap<&'static str, i64>,
    outcome: Option<&'static str>,
    is_down: bool,
}

/// Reads the list leg by leg, knowing nothing of protocols.
fn legs(entries: &[Entry]) -> BTreeMap<(usize, usize), Leg> {
    let mut legs: BTreeMap<(usize, usize), Leg> = BTreeMap::new();
    for entry in entries {
        let at = (entry.chain, entry.leg);
        match &entry.what {
            What::Start { way, class } => {
                legs.insert(
                    at,
                    Leg { class, began: entry.at, referred: entry.at, is_down: *way == "down", ..Leg::default() },
                );
            }
            What::Does { step: "open", .. } => legs.get_mut(&at).expect("a leg begins first").opened = Some(entry.at),
            What::Does { step, outcome, .. } => {
                let leg = legs.get_mut(&at).expect("a leg begins first");
                leg.times.insert(step, entry.at);
                if matches!(*step, "review" | "arbitrate") && *outcome != Some("cannot") {
                    (leg.decided, leg.outcome) = (Some(entry.at), *outcome);
                }
                let (class, referred) = (leg.class, leg.referred);
                let next = match (*step, *outcome) {
                    ("review", Some("redirect")) => Leg { class, began: entry.at, referred, ..Leg::default() },
                    ("offer-down", _) => Leg { class: "routine", began: entry.at, is_down: true, ..Leg::default() },
                    _ => continue,
                };
                legs.insert((entry.chain, entry.leg + 1), next);
            }
            What::Fact(code) => drop(legs.get_mut(&at).expect("a leg begins first").times.insert(code, entry.at)),
            What::Cancels => {}
        }
    }
    legs
}

/// How many keep to something, of how many.
fn tally<'l>(legs: impl Iterator<Item = &'l Leg>, keeps: impl Fn(&Leg) -> bool) -> (usize, usize) {
    let legs: Vec<&Leg> = legs.collect();
    (legs.iter().filter(|leg| keeps(leg)).count(), legs.len())
}

#[tokio::test]
async fn half_a_year_of_referrals_counts_the_same_from_the_runs_as_from_the_list() {
    let entries = list();
    let legs = legs(&entries);
    let mut stage = play(&entries).await;
    let end = entries.last().expect("the list is not empty").at + 60 * DAY;
    stage.pass(end).await;

    // Nobody is lost or doubled: every leg of the list is one run, and every one has come to its end.
    assert_eq!(stage.runs().len(), legs.len());
    for chain in 0..UP + DOWN_ALONE {
        let runs = stage.chain(&format!("c{chain}"));
        assert_eq!(runs.len(), legs.range((chain, 0)..(chain + 1, 0)).count(), "the legs of c{chain}");
        assert!(runs.iter().all(|run| run.end.is_some()), "c{chain} has not come to its end");
    }

    let protocol = stage.protocol("referral");
    let figures = figures(protocol, stage.runs(), stage.now(), zone());
    let figure = |code: &str| -> &Figure<'_> { figures.iter().find(|one| one.code == code).expect("an indicator") };
    let check = |code: &str, (counted, of): (usize, usize)| {
        let found = figure(code);
        assert_eq!((found.numerator, found.denominator), (counted, of), "{code}");
        assert!(counted > 0 && (counted < of || found.unit == "1"), "{code}: {counted} of {of} proves little");
    };
    let all = || legs.values();
    let has = |leg: &Leg, what: &str| leg.times.contains_key(what);
    let arrived = |leg: &Leg| has(leg, "arrived") || has(leg, "arrive");
    let accepted = |leg: &&Leg| leg.outcome == Some("accept");
    let is_up = |leg: &&Leg| !leg.is_down && leg.outcome != Some("redirect");

    check("up", (UP, UP));
    check("down", (DOWN, DOWN));
    let ratio = figure("down-to-up");
    assert_eq!((ratio.numerator, ratio.denominator), (DOWN, UP));
    assert_eq!(ratio.value.map(|value| (value * 10.0).round()), Some(506.0), "50.6 of a hundred");
    check("taken-in", tally(all().filter(accepted), arrived));
    check("declined", tally(all(), |leg| leg.outcome == Some("reject")));
    check("redirected", tally(all(), |leg| leg.outcome == Some("redirect")));
    let reserved = |leg: &&Leg| has(leg, "reserve") || has(leg, "bed");
    check("no-show", tally(all().filter(reserved), |leg| has(leg, "follow-up")));

    let in_time = |from: i64, to: i64, class: &str, limits: [i64; 3]| match class {
        "emergency" => to - from <= limits[0] * MINUTE,
        "urgent" => working_minutes(from, to) <= limits[1],
        _ => working_minutes(from, to) <= limits[2],
    };
    let opened = |leg: &&Leg| leg.opened.is_some();
    let opened_in_time = |leg: &Leg| in_time(leg.began, leg.opened.unwrap_or(end), leg.class, [2, 30, 240]);
    check("opened-in-time", tally(all().filter(opened), opened_in_time));
    // One working day is to the same time of the next: nine and a half hours of work.
    let decided_in_time =
        |leg: &Leg| in_time(leg.opened.unwrap_or(0), leg.decided.unwrap_or(end), leg.class, [5, 120, 570]);
    check("decided-in-time", tally(all().filter(opened), decided_in_time));

    let within = |from: &'static str, to: &'static str, minutes: i64| {
        move |leg: &Leg| leg.times[to] - leg.times[from] <= minutes * MINUTE
    };
    check(
        "answered-in-time",
        tally(all().filter(|leg| has(leg, "visit-ended")), within("visit-ended", "close", 1_440)),
    );
    check("managed-after-down", tally(all().filter(|leg| leg.is_down), within("arrive", "contact", 7 * 1_440)));
    let checked = tally(all().filter(is_up).filter(|leg| has(leg, "check-result")), |leg| {
        leg.times["check-result"] - leg.referred <= 14 * DAY
    });
    assert_eq!(figure("checked").numerator, checked.0, "checked");

    let mut waits: Vec<i64> = all()
        .filter(|leg| arrived(leg))
        .map(|leg| leg.times.get("arrived").or(leg.times.get("arrive")).expect("it has arrived") - leg.began)
        .collect();
    waits.sort_unstable();
    let middle = (waits[(waits.len() - 1) / 2] + waits[waits.len() / 2]) as f64 / 2.0 / MINUTE as f64;
    assert_eq!(figure("wait-median").value, Some(middle), "the median wait");
    assert_eq!(figure("wait-p90").value, Some(waits[(waits.len() * 9).div_ceil(10) - 1] as f64 / MINUTE as f64));
    let loops = tally(all().filter(|leg| arrived(leg)), |leg| has(leg, "acknowledge"));
    assert_eq!((figure("loop").numerator, figure("loop").denominator), loops, "loop");
}
