//! A hospital in which cases queue for people and machines, under a clock of its own. What may be done is asked of
//! [`protocol::step`] alone; how long it takes and who is free is the hospital's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use fhir::time::SECOND;
use jiff::tz::Offset;
use protocol::definition::End;
use protocol::run::{Party, Reason, WorkStatus};
use protocol::{Deed, Event, Protocol, Run, step};

use super::chance::Chance;
use super::plan::{Activity, CLASSES, HANDS, Plan};
use crate::Outcome;
use crate::place::describe;

/// Whether people and machines can be busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Staffing {
    /// As many as the plan says.
    AsPlanned,
    /// Always one more: no case waits for anything but its own.
    Boundless,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fate {
    /// When it came to the door, in microseconds.
    pub(super) door: i64,
    /// When the milestones that are asked for came about, in the order in which they are asked for.
    pub(super) reached: Vec<Option<i64>>,
    /// How its run ended.
    pub(super) end: Option<End>,
    /// The drug was given while something that must come first had not.
    pub(super) is_unfounded: bool,
    /// Points of clocks that fired: somebody was told that something is late.
    pub(super) told: usize,
}

/// How long was waited for one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waits {
    /// How often it was asked for.
    pub(super) asked: usize,
    /// The waits of a minute and more, in microseconds.
    pub(super) long: Vec<i64>,
}

/// What became of all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct History {
    pub(super) fates: Vec<Fate>,
    /// By pool, in the order of the plan.
    pub(super) waits: Vec<Waits>,
    /// Events the engine judged.
    pub(super) judged: u64,
}

/// What is asked of a simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'p> {
    pub(super) plan: &'p Plan,
    pub(super) protocol: &'p Protocol,
    /// The step before which everything its first text requires must have come about, and that text's requirements.
    pub(super) founded: (&'p str, &'p [protocol::Code]),
    /// The milestones whose times are asked for.
    pub(super) asked: &'p [&'p str],
    pub(super) cases: usize,
    pub(super) seed: u64,
    pub(super) staffing: Staffing,
}

/// Plays all cases to their end, or until nothing happens any more.
///
/// # Errors
/// When the engine refuses what was done by the plan.
pub(super) fn play(question: Question<'_>) -> Outcome<History> {
    let mut world = World::new(question);
    while let Some(Reverse((at, _, happening))) = world.agenda.pop() {
        world.now = at;
        world.take_in(happening)?;
        world.begin_what_can();
        if world.ended == question.cases {
            break;
        }
    }
    let fates = world.cases.into_iter().map(|case| case.fate).collect();
    Ok(History { fates, waits: world.waits, judged: world.judged })
}

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The team is called for a case.
    Called(usize),
    /// A case that was announced is at the door.
    AtTheDoor(usize),
    /// A point of a clock of a case is due.
    Point(usize),
    /// Something is done.
    Done(Job),
    /// Whoever did it is free again.
    Free(Job),
    /// Something that is not of the protocol has come for a pool.
    Other(usize),
}

/// Something that takes time. The order is that of who goes first among those that came at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    /// An activity of a case, by its number, and which time.
    Of { case: usize, activity: usize, n: u32 },
    /// Something else that a pool has to do: which pool, and the how manieth.
    Other { pool: usize, number: u64 },
}

struct Case {
    run: Run,
    chance: Chance,
    door: i64,
    is_warned: bool,
    is_unknown: bool,
    /// What was begun or waits.
    asked: BTreeSet<(usize, u32)>,
    hands: usize,
    fate: Fate,
}

struct World<'p> {
    question: Question<'p>,
    /// The activity of each step.
    of_step: HashMap<&'p str, usize>,
    pool_of: Vec<Option<usize>>,
    parties: BTreeMap<String, Party>,
    cases: Vec<Case>,
    free: Vec<usize>,
    /// Who waits, first who goes first.
    waiting: BTreeSet<(u8, i64, Job)>,
    agenda: BinaryHeap<Reverse<(i64, u64, Happening)>>,
    waits: Vec<Waits>,
    others: Vec<u64>,
    now: i64,
    order: u64,
    judged: u64,
    ended: usize,
}

/// Purposes for which a case is thrown for.
mod purpose {
    pub(super) const APART: u64 = 1;
    pub(super) const WARNED: u64 = 2;
    pub(super) const AHEAD: u64 = 3;
    pub(super) const UNKNOWN: u64 = 4;
    pub(super) const ONSET: u64 = 5;
    pub(super) const GLUCOSE: u64 = 6;
    pub(super) const OTHERS: u64 = 7;
    /// Activities, by their number; each has a length, a length of what comes after it, and an outcome.
    pub(super) const ACTIVITIES: u64 = 100;
}

/// What is not of the protocol goes last.
const LAST: u8 = u8::MAX;
/// The clock of the hospital; the protocol keeps to no working times.
const ZONE: Offset = Offset::UTC;
/// When the simulation begins, in microseconds since 1970: 1 January 2026.
const BEGINNING: i64 = 1_767_225_600 * SECOND;
/// How long after the last case has come other work goes on: a week.
const REST: i64 = 7 * 24 * 3_600 * SECOND;
/// What the engine is told wherever a paper or a reason is asked for.
const SUPPOSED: &str = "supposed";

impl<'p> World<'p> {
    fn new(question: Question<'p>) -> Self {
        let Question { plan, protocol, .. } = question;
        let of_step = plan.activities.iter().enumerate().filter_map(|(at, one)| Some((one.step.as_deref()?, at)));
        let pool_at = |code: &str| plan.pools.iter().position(|pool| pool.code == code);
        let party = |code: &str| Party { reference: format!("role/{code}"), display: None };
        let mut world = Self {
            question,
            of_step: of_step.collect(),
            pool_of: plan.activities.iter().map(|one| one.pool.as_deref().and_then(pool_at)).collect(),
            parties: protocol.roles.iter().map(|role| (role.code.to_string(), party(&role.code))).collect(),
            cases: Vec::with_capacity(question.cases),
            free: plan.pools.iter().map(|pool| pool.size).collect(),
            waiting: BTreeSet::new(),
            agenda: BinaryHeap::new(),
            waits: vec![Waits::default(); plan.pools.len()],
            others: vec![0; plan.pools.len()],
            now: BEGINNING,
            order: 0,
            judged: 0,
            ended: 0,
        };
        world.people();
        if question.staffing == Staffing::AsPlanned {
            (0..plan.pools.len()).for_each(|pool| world.next_other(pool));
        }
        world
    }

    /// Draws the cases and when they come.
    fn people(&mut self) {
        let Question { plan, asked, cases, seed, .. } = self.question;
        let supposed = &plan.cases;
        let mut door = BEGINNING;
        for number in 0..cases {
            let chance = Chance::new(seed).of(number as u64);
            door += chance.of(purpose::APART).until_next(supposed.apart);
            let is_warned = chance.of(purpose::WARNED).share() <= supposed.warned.share;
            let ahead = match is_warned {
                true => -chance.of(purpose::AHEAD).length(supposed.warned.ahead),
                false => chance.of(purpose::AHEAD).length(supposed.triage.lasts),
            };
            let fate = Fate { door, reached: vec![None; asked.len()], end: None, is_unfounded: false, told: 0 };
            self.cases.push(Case {
                run: Run::default(),
                chance,
                door,
                is_warned,
                is_unknown: chance.of(purpose::UNKNOWN).share() <= supposed.onset.unknown,
                asked: BTreeSet::new(),
                hands: 0,
                fate,
            });
            // Somebody who is announced right at the beginning was called for before it.
            self.later(door + ahead, Happening::Called(number));
            if is_warned {
                self.later(door, Happening::AtTheDoor(number));
            }
        }
    }

    fn later(&mut self, at: i64, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((at, self.order, happening)));
    }

    fn next_other(&mut self, pool: usize) {
        // Nothing more comes once the last case must have ended, so that everything comes to rest.
        if self.cases.last().is_none_or(|last| self.now > last.door + REST) {
            return;
        }
        self.others[pool] += 1;
        let apart = self.question.plan.pools[pool].other.apart;
        let until = self.other(pool, self.others[pool]).of(purpose::APART).until_next(apart);
        self.later(self.now + until, Happening::Other(pool));
    }

    fn other(&self, pool: usize, number: u64) -> Chance {
        Chance::new(self.question.seed ^ purpose::OTHERS).of(pool as u64).of(number)
    }

    fn take_in(&mut self, happening: Happening) -> Outcome<()> {
        match happening {
            Happening::Called(case) => self.call(case),
            Happening::AtTheDoor(case) => self.comes_about(case, "door", self.now),
            Happening::Point(case) => self.points(case),
            Happening::Done(job) => self.done(job),
            Happening::Free(job) => {
                self.release(job);
                Ok(())
            }
            Happening::Other(pool) => {
                let job = Job::Other { pool, number: self.others[pool] };
                self.waiting.insert((LAST, self.now, job));
                self.next_other(pool);
                Ok(())
            }
        }
    }

    /// The run of a case begins.
    fn call(&mut self, number: usize) -> Outcome<()> {
        let Question { plan, protocol, .. } = self.question;
        let start = protocol.starts.iter().find(|start| start.code.as_deref() == Some(plan.start.as_str()));
        let start = start.ok_or_else(|| format!("There is no way to start called {}.", plan.start))?;
        let reach = start.reach.iter().map(|code| (code.to_string(), self.now).into()).collect();
        let id = format!("case-{number}");
        let case = &mut self.cases[number];
        case.run = Run {
            chain: id.clone(),
            id,
            protocol: protocol.code.to_string(),
            version: protocol.version.clone(),
            parties: self.parties.clone(),
            began: self.now,
            ..Run::default()
        };
        let (door, is_warned, chance) = (case.door, case.is_warned, case.chance);
        self.happens(number, "role/starter", Deed::Begin { reach })?;
        if !is_warned {
            return self.comes_about(number, "door", door);
        }
        self.onset(number)?;
        match chance.of(purpose::GLUCOSE).share() <= plan.cases.glucose.share {
            true => self.comes_about(number, "glucose", self.now),
            false => Ok(()),
        }
    }

    /// Somebody has asked when it began.
    fn onset(&mut self, number: usize) -> Outcome<()> {
        let case = &self.cases[number];
        let before = case.chance.of(purpose::ONSET).length(self.question.plan.cases.onset.before);
        let at = case.door - before;
        match case.run.reached("onset") {
            None => self.comes_about(number, "onset", at.min(self.now)),
            Some(_) => Ok(()),
        }
    }

    /// The record says that something has come about.
    fn comes_about(&mut self, case: usize, milestone: &str, at: i64) -> Outcome<()> {
        let (milestone, source) = (Some(milestone.to_owned()), format!("Observation/{SUPPOSED}"));
        self.happens(case, "Device/qingshan", Deed::Fact { step: None, milestone, source, at, said: None })
    }

    /// The clocks of a case that are due fire.
    fn points(&mut self, case: usize) -> Outcome<()> {
        while let Some(due) = self.cases[case].run.due(self.question.protocol, ZONE).filter(|due| due.at <= self.now) {
            let tick = Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at };
            self.cases[case].fate.told += 1;
            self.happens(case, "Device/qingshan", tick)?;
        }
        Ok(())
    }

    /// The one place where anything happens to a run.
    fn happens(&mut self, number: usize, by: &str, deed: Deed) -> Outcome<()> {
        let Question { protocol, asked, founded, .. } = self.question;
        let event = Event { by: by.to_owned(), deed, answers: BTreeMap::new(), instants: BTreeMap::new() };
        let case = &mut self.cases[number];
        let was_ended = case.run.end.is_some();
        let before = case.run.due(protocol, ZONE).map(|due| due.at);
        let (run, _) = step(protocol, &case.run, &event, self.now)
            .map_err(|error| format!("{} at {}: {}", case.run.id, self.now, describe(&error)))?;
        self.judged += 1;
        case.run = run;
        for (place, code) in asked.iter().enumerate() {
            if let (None, Some(reached)) = (case.fate.reached[place], case.run.reached(code)) {
                case.fate.reached[place] = Some(reached.at);
                case.fate.is_unfounded |= *code == founded.0
                    && founded.1.iter().any(|one| !one.split('|').any(|code| case.run.reached(code).is_some()));
            }
        }
        if let (false, Some(end)) = (was_ended, case.run.end) {
            case.fate.end = Some(end);
            self.ended += 1;
            return Ok(());
        }
        let due = case.run.due(protocol, ZONE).map(|due| due.at);
        if let Some(at) = due.filter(|_| due != before) {
            self.later(at.max(self.now), Happening::Point(number));
        }
        self.look(number);
        Ok(())
    }

    /// Finds out what can be done for a case now.
    fn look(&mut self, number: usize) {
        let plan = self.question.plan;
        let case = &mut self.cases[number];
        let steps = case.run.open().filter_map(|work| Some((*self.of_step.get(work.step.as_str())?, work.n)));
        let others = plan
            .activities
            .iter()
            .enumerate()
            .filter(|(_, one)| one.follows.as_deref().is_some_and(|code| case.run.reached(code).is_some()));
        let found: Vec<(usize, u32)> = steps.chain(others.map(|(at, _)| (at, 1))).collect();
        for (activity, n) in found {
            let one = &plan.activities[activity];
            let more = if case.is_unknown { one.when_unknown.as_slice() } else { &[] };
            let can = one.needs.iter().chain(more).all(|code| case.run.reached(code).is_some());
            if can && case.asked.insert((activity, n)) {
                self.waiting.insert((one.rank, self.now, Job::Of { case: number, activity, n }));
            }
        }
    }

    /// Begins whatever waits only for somebody who is free.
    fn begin_what_can(&mut self) {
        let mut begun = Vec::new();
        for &(rank, since, job) in &self.waiting {
            let pool = self.pool(job);
            if let Job::Of { case, activity, n } = job {
                let (one, case) = (&self.question.plan.activities[activity], &mut self.cases[case]);
                // What nobody waits for any more is not begun.
                if !is_wanted(one, case, n) {
                    begun.push((rank, since, job, false));
                    continue;
                }
                if self.question.staffing == Staffing::AsPlanned {
                    if case.hands + one.hands > HANDS || pool.is_some_and(|pool| self.free[pool] == 0) {
                        continue;
                    }
                    case.hands += one.hands;
                }
            } else if pool.is_some_and(|pool| self.free[pool] == 0) {
                continue;
            }
            if let Some(pool) = pool.filter(|_| self.question.staffing == Staffing::AsPlanned) {
                self.free[pool] -= 1;
            }
            begun.push((rank, since, job, true));
        }
        for (rank, since, job, is_begun) in begun {
            self.waiting.remove(&(rank, since, job));
            if is_begun {
                self.begin(job, self.now - since);
            }
        }
    }

    fn pool(&self, job: Job) -> Option<usize> {
        match job {
            Job::Of { activity, .. } => self.pool_of[activity],
            Job::Other { pool, .. } => Some(pool),
        }
    }

    fn begin(&mut self, job: Job, waited: i64) {
        let lasts = match job {
            Job::Other { pool, number } => {
                let lasts = self.question.plan.pools[pool].other.lasts;
                self.later(self.now + self.other(pool, number).length(lasts), Happening::Free(job));
                return;
            }
            Job::Of { case, activity, n } => {
                let (one, case) = (&self.question.plan.activities[activity], &self.cases[case]);
                let usual = one.warned.filter(|_| case.is_warned).unwrap_or(one.lasts);
                let lasts = one.again.filter(|_| n > 1).unwrap_or(usual);
                thrown(case, activity, n).of(1).length(lasts)
            }
        };
        if let Some(pool) = self.pool(job) {
            self.waits[pool].asked += 1;
            self.waits[pool].long.extend(Some(waited).filter(|waited| *waited >= 60 * SECOND));
        }
        self.later(self.now + lasts, Happening::Done(job));
    }

    /// Something is done: the run is told, and whoever did it is free, at once or a little later.
    fn done(&mut self, job: Job) -> Outcome<()> {
        let Job::Of { case: number, activity, n } = job else { return Ok(()) };
        let one = &self.question.plan.activities[activity];
        let case = &self.cases[number];
        match one.after {
            Some(after) => {
                let after = thrown(case, activity, n).of(2).length(after);
                self.later(self.now + after, Happening::Free(job));
            }
            None => self.release(job),
        }
        let case = &self.cases[number];
        if !is_wanted(one, case, n) {
            return Ok(());
        }
        let Some(code) = &one.step else {
            return self.comes_about(number, one.reach.as_deref().unwrap_or_default(), self.now);
        };
        let step = self.question.protocol.step(code).ok_or_else(|| format!("There is no step {code}."))?;
        let by = format!("role/{}", step.who);
        if step.acknowledgements > 0 {
            return self.happens(number, &by, Deed::Acknowledge { step: code.clone(), n });
        }
        let outcome = match one.by_class {
            true => Some(CLASSES[usize::from(case.is_unknown)].to_owned()),
            false => drawn(one, thrown(case, activity, n).of(3).share()),
        };
        let deed = Deed::Complete {
            step: code.clone(),
            n,
            outcome,
            reason: Some(Reason { code: SUPPOSED.to_owned(), text: None }),
            response: Some(format!("QuestionnaireResponse/{SUPPOSED}")),
            at: None,
            bind: BTreeMap::new(),
        };
        self.happens(number, &by, deed)?;
        if one.by_class { self.onset(number) } else { Ok(()) }
    }

    fn release(&mut self, job: Job) {
        if self.question.staffing == Staffing::Boundless {
            return;
        }
        if let Some(pool) = self.pool(job) {
            self.free[pool] += 1;
        }
        if let Job::Of { case, activity, .. } = job {
            self.cases[case].hands -= self.question.plan.activities[activity].hands;
        }
    }
}

/// Whether it is still to be done.
fn is_wanted(activity: &Activity, case: &Case, n: u32) -> bool {
    case.run.end.is_none()
        && match &activity.step {
            Some(step) => {
                case.run.work(step, n).is_some_and(|work| matches!(work.status, WorkStatus::Ready | WorkStatus::Taken))
            }
            None => activity.reach.as_deref().is_some_and(|code| case.run.reached(code).is_none()),
        }
}

/// The throws for an activity of a case.
fn thrown(case: &Case, activity: usize, n: u32) -> Chance {
    case.chance.of(purpose::ACTIVITIES + activity as u64).of(u64::from(n))
}

/// The outcome a throw stands for.
fn drawn(activity: &Activity, throw: f64) -> Option<String> {
    let mut upto = 0.0;
    let last = activity.outcomes.keys().next_back();
    let found = activity.outcomes.iter().find(|(_, share)| {
        upto += **share;
        throw <= upto
    });
    found.map(|(code, _)| code).or(last).cloned()
}
