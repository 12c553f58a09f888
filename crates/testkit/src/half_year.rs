//! Half a year of a consortium's referrals by seed, told in advance as a list of what happens when, and counted from that
//! list alone: whoever plays it compares with what a platform counts from what it stored.
//!
//! The mix is a choice of ours, made so that every way a referral can go is gone often enough to prove something: up,
//! down as a return of somebody who went up or by itself, and to a peer; emergencies, refusals, redirections, people who
//! do not come, information asked for, withdrawals.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::dice::Dice;

/// A minute, in microseconds.
pub const MINUTE: i64 = 60_000_000;
/// A day, in microseconds.
pub const DAY: i64 = 1_440 * MINUTE;

/// How many are referred.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Patients who are sent up.
    pub up: usize,
    /// Patients who go down: those who were sent up and come back, and others.
    pub down: usize,
    /// Of those who go down, those who were not sent up before.
    pub alone: usize,
    /// Patients who are sent to a peer.
    pub lateral: usize,
}

impl Size {
    /// As many as one network of hospitals for women and children moved up and down in half a year.
    pub const WHOLE: Self = Self { up: 723, down: 366, alone: 66, lateral: 41 };

    /// About one of so many of them.
    #[must_use]
    pub fn one_of(many: usize) -> Self {
        let Self { up, down, alone, lateral } = Self::WHOLE;
        let part = |count: usize| count.div_ceil(many.max(1));
        Self { up: part(up), down: part(down), alone: part(alone), lateral: part(lateral) }
    }

    /// Patients, each the first of a chain of referrals.
    pub fn chains(&self) -> usize {
        self.up + self.alone + self.lateral
    }
}

/// One line of the list: what happens to which leg of which referral.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Which patient, from 0.
    pub chain: usize,
    /// Which of the referrals of that patient, from 1.
    pub leg: usize,
    /// What.
    pub what: What,
}

/// Something that happens to a referral.
#[derive(Debug, Clone)]
pub enum What {
    /// It begins.
    Start {
        /// The direction: `up`, `down` or `lateral`.
        way: &'static str,
        /// How urgent it is.
        class: &'static str,
    },
    /// Somebody takes on the review of it.
    Opens,
    /// Somebody does a step.
    Does {
        /// Which.
        step: &'static str,
        /// With which outcome.
        outcome: Option<&'static str>,
        /// For which reason.
        reason: Option<&'static str>,
        /// What is written into the form: times as RFC 3339, institutions as references.
        answers: Answers,
    },
    /// The patient is there.
    Arrives,
    /// The visit or the stay has ended.
    Leaves,
    /// The referring side withdraws it.
    Cancels,
}

/// Answers by the code of the question.
pub type Answers = BTreeMap<String, String>;

/// Where somebody is sent on to who was sent to the wrong place.
pub const ONWARD: &str = "Organization/linxi";

/// The list while it is written.
struct List {
    dice: Dice,
    entries: Vec<Entry>,
    chain: usize,
    leg: usize,
    way: &'static str,
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

    /// Somebody is referred up or to a peer, and it goes one of the ways such things go.
    fn away(&mut self, chain: usize, begins: i64, way: &'static str) {
        (self.chain, self.leg, self.way) = (chain, 1, way);
        let class = match self.dice.below(20) {
            0 => "emergency",
            1..=5 => "urgent",
            _ => "routine",
        };
        self.put(begins, What::Start { way, class });
        match self.dice.below(100) {
            0..4 => self.put(begins, What::Cancels),
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
                let answers = Answers::from([("target".to_owned(), ONWARD.to_owned())]);
                let (outcome, reason) = (Some("redirect"), Some("better-elsewhere"));
                self.put(decided, What::Does { step: "review", outcome, reason, answers });
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
        self.put(opened, What::Opens);
        if class == "emergency" || self.dice.below(10) > 0 {
            return self.after(opened, 1, decide);
        }
        let asked = self.after(opened, 1, 60);
        self.does(asked, "review", Some("ask"), None);
        let answered = self.after(asked, 1, 60);
        self.does(answered, "answer", None, None);
        self.after(answered, 1, decide)
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
        let answers = answers.map(|(code, at)| (code.to_owned(), written(at))).into();
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
        self.put(arrived, What::Arrives);
        let ended = self.after(arrived, 60, 14_400);
        if self.leg == 1 && self.back > 0 {
            self.back -= 1;
            let offered = self.after(arrived, 30, 59);
            self.does(offered, "offer-down", None, None);
            self.leg = 2;
            self.return_home(offered, "routine");
            self.leg = 1;
        }
        self.put(ended, What::Leaves);
        let closed = self.after(ended, 10, 2_000);
        self.does(closed, "close", None, None);
        let read = self.after(closed, 10, 4_000);
        self.does(read, "acknowledge", None, None);
        // Primary care sees to it what became of those it sent up.
        if self.way == "up" {
            let checked = self.after(closed, 10, 9_000);
            self.does(checked, "check-result", None, None);
        }
    }

    /// Somebody who went up, or was in hospital anyway, is taken over by primary care.
    fn return_home(&mut self, begins: i64, class: &str) {
        let decided = self.decided(begins, class);
        self.does(decided, "review", Some("accept"), None);
        let reserved = self.after(decided, 1, 30);
        let until = reserved + 600 * MINUTE;
        let answers = [("from", reserved), ("until", until)];
        let answers = answers.map(|(code, at)| (code.to_owned(), written(at))).into();
        self.put(reserved, What::Does { step: "reserve", outcome: Some("none"), reason: None, answers });
        let arrived = self.after(reserved, 60, 600);
        self.does(arrived, "arrive", None, None);
        let contacted = self.after(arrived, 600, 13_000);
        self.does(contacted, "contact", Some("managed"), None);
        // Most plans are carried out; some people move away before the day of their review.
        let reviewed = self.after(contacted, 1_440, 30_000);
        let (outcome, reason) = if self.dice.below(10) == 0 { ("stopped", Some("moved")) } else { ("executed", None) };
        self.does(reviewed, "plan-review", Some(outcome), reason);
        let read = self.after(reviewed, 10, 4_000);
        self.does(read, "acknowledge", None, None);
    }
}

fn written(at: i64) -> String {
    Timestamp::from_microsecond(at).expect("a time of this year").to_string()
}

/// The list of the first half of 2026, in the order in which it happens.
///
/// # Panics
/// If fewer arrive than are to go back down.
pub fn list(seed: u64, size: Size) -> Vec<Entry> {
    let first = "2026-01-01T00:00:00+08:00".parse::<Timestamp>().expect("a time").as_microsecond();
    let back = size.down - size.alone;
    let mut list = List { dice: Dice::new(seed), entries: Vec::new(), chain: 0, leg: 1, way: "up", back };
    for chain in 0..size.chains() {
        let day = list.dice.between(0, 180);
        let begins = first + day * DAY + list.dice.between(7 * 60, 21 * 60) * MINUTE;
        if chain < size.up {
            list.away(chain, begins, "up");
        } else if chain < size.up + size.alone {
            (list.chain, list.leg) = (chain, 1);
            list.put(begins, What::Start { way: "down", class: "urgent" });
            list.return_home(begins, "urgent");
        } else {
            list.away(chain, begins, "lateral");
        }
    }
    assert_eq!(list.back, 0, "enough patients arrived to go back down");
    // What happens at the same time happens in the order of the list.
    list.entries.sort_by_key(|entry| entry.at);
    list.entries
}

/// The minutes of work between two times, one by one: Monday to Friday from 8:00 to 17:30, but for the holidays of 2026
/// up to its summer, and on the days that were worked instead (国务院办公厅关于2026年部分节假日安排的通知).
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
    way: &'static str,
    class: &'static str,
    began: i64,
    /// When the patient was first referred, if that was an earlier leg.
    referred: i64,
    opened: Option<i64>,
    decided: Option<i64>,
    times: BTreeMap<&'static str, i64>,
    outcome: Option<&'static str>,
    /// The plan it went down with was carried out.
    reviewed: bool,
}

/// What an indicator must come to.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Its code.
    pub code: &'static str,
    /// How many count.
    pub numerator: usize,
    /// Of how many; none where only those that count are told by the list.
    pub denominator: Option<usize>,
    /// The time in minutes, of an indicator of times.
    pub value: Option<f64>,
}

/// What the list says, leg by leg, knowing nothing of protocols.
pub struct Legs {
    legs: BTreeMap<(usize, usize), Leg>,
    end: i64,
}

impl Legs {
    /// Reads a list, to be counted at a time.
    ///
    /// # Panics
    /// If something happens to a leg that did not begin.
    pub fn read(entries: &[Entry], end: i64) -> Self {
        let mut legs: BTreeMap<(usize, usize), Leg> = BTreeMap::new();
        for entry in entries {
            let at = (entry.chain, entry.leg);
            if let What::Start { way, class } = entry.what {
                let (began, referred) = (entry.at, entry.at);
                legs.insert(at, Leg { way, class, began, referred, ..Leg::default() });
                continue;
            }
            let leg = legs.get_mut(&at).expect("a leg begins first");
            match &entry.what {
                What::Start { .. } | What::Cancels => {}
                What::Opens => leg.opened = leg.opened.or(Some(entry.at)),
                What::Arrives => drop(leg.times.insert("arrive", entry.at)),
                What::Leaves => drop(leg.times.insert("leave", entry.at)),
                What::Does { step, outcome, .. } => {
                    leg.times.insert(if *outcome == Some("ask") { "ask" } else { step }, entry.at);
                    if matches!(*step, "review" | "arbitrate") && !matches!(*outcome, Some("cannot" | "ask")) {
                        (leg.decided, leg.outcome) = (Some(entry.at), *outcome);
                    }
                    leg.reviewed |= (*step, *outcome) == ("plan-review", Some("executed"));
                    let (way, class, referred) = (leg.way, leg.class, leg.referred);
                    let next = match (*step, *outcome) {
                        ("review", Some("redirect")) => Leg { way, class, began: entry.at, referred, ..Leg::default() },
                        ("offer-down", _) => Leg { way: "down", class: "routine", began: entry.at, ..Leg::default() },
                        _ => continue,
                    };
                    legs.insert((entry.chain, entry.leg + 1), next);
                }
            }
        }
        Self { legs, end }
    }

    /// How many legs there are.
    pub fn count(&self) -> usize {
        self.legs.len()
    }

    /// How many legs a chain has.
    pub fn of(&self, chain: usize) -> usize {
        self.legs.range((chain, 0)..(chain + 1, 0)).count()
    }

    fn all(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }

    /// What the indicators of two-way referral must come to.
    pub fn indicators(&self) -> Vec<Counted> {
        let end = self.end;
        let has = |leg: &Leg, what: &str| leg.times.contains_key(what);
        let arrived = |leg: &Leg| has(leg, "arrive");
        let accepted = |leg: &&Leg| leg.outcome == Some("accept");
        let is = |way: &'static str| move |leg: &&Leg| leg.way == way && leg.outcome != Some("redirect");
        let (up, down) = (self.all().filter(is("up")).count(), self.all().filter(is("down")).count());
        let opened = |leg: &&Leg| leg.opened.is_some();
        let opened_in_time = |leg: &Leg| in_time(leg.began, leg.opened.unwrap_or(end), leg.class, [2, 30, 240], None);
        // One working day is to the same time of the next: nine and a half hours of work. It does not count while the
        // other side looks for what was asked for.
        let decided_in_time = |leg: &Leg| {
            let waited = leg.times.get("ask").copied().zip(leg.times.get("answer").copied());
            in_time(leg.opened.unwrap_or(0), leg.decided.unwrap_or(end), leg.class, [5, 120, 570], waited)
        };
        let within = |from: &'static str, to: &'static str, minutes: i64| {
            move |leg: &Leg| leg.times[to] - leg.times[from] <= minutes * MINUTE
        };
        let reserved = |leg: &&Leg| has(leg, "reserve") || has(leg, "bed");
        let checked = self.all().filter(is("up")).filter(|leg| has(leg, "check-result"));
        let checked = checked.filter(|leg| leg.times["check-result"] - leg.referred <= 14 * DAY).count();
        let mut waits: Vec<i64> = self.all().filter_map(|leg| Some(leg.times.get("arrive")? - leg.began)).collect();
        waits.sort_unstable();
        let middle = (waits[(waits.len() - 1) / 2] + waits[waits.len() / 2]) as f64 / 2.0 / MINUTE as f64;
        let late = waits[(waits.len() * 9).div_ceil(10) - 1] as f64 / MINUTE as f64;
        let time =
            |code, value| Counted { code, numerator: waits.len(), denominator: Some(waits.len()), value: Some(value) };
        vec![
            Counted { code: "up", numerator: up, denominator: Some(up), value: None },
            Counted { code: "down", numerator: down, denominator: Some(down), value: None },
            Counted { code: "down-to-up", numerator: down, denominator: Some(up), value: None },
            share("taken-in", self.all().filter(accepted), arrived),
            share("declined", self.all(), |leg| leg.outcome == Some("reject")),
            share("redirected", self.all(), |leg| leg.outcome == Some("redirect")),
            share("asked-for-more", self.all().filter(opened), |leg| has(leg, "ask")),
            share("no-show", self.all().filter(reserved), |leg| has(leg, "follow-up")),
            share("opened-in-time", self.all().filter(opened), opened_in_time),
            share("decided-in-time", self.all().filter(opened), decided_in_time),
            share("answered-in-time", self.all().filter(|leg| has(leg, "leave")), within("leave", "close", 1_440)),
            share("managed-after-down", self.all().filter(is("down")), |leg| {
                within("arrive", "contact", 7 * 1_440)(leg) && leg.reviewed
            }),
            Counted { code: "checked", numerator: checked, denominator: None, value: None },
            share("loop", self.all().filter(|leg| arrived(leg)), |leg| has(leg, "acknowledge")),
            time("wait-median", middle),
            time("wait-p90", late),
        ]
    }
}

/// How many keep to something, of how many.
fn share<'l>(code: &'static str, legs: impl Iterator<Item = &'l Leg>, keeps: impl Fn(&Leg) -> bool) -> Counted {
    let legs: Vec<&Leg> = legs.collect();
    let numerator = legs.iter().filter(|leg| keeps(leg)).count();
    Counted { code, numerator, denominator: Some(legs.len()), value: None }
}

/// Whether a time was within its limit: in minutes that pass in an emergency, else in minutes of work, without those
/// between two other times.
fn in_time(from: i64, to: i64, class: &str, limits: [i64; 3], without: Option<(i64, i64)>) -> bool {
    let without = without.map_or(0, |(from, to)| working_minutes(from, to));
    match class {
        "emergency" => to - from <= limits[0] * MINUTE,
        "urgent" => working_minutes(from, to) - without <= limits[1],
        _ => working_minutes(from, to) - without <= limits[2],
    }
}
