//! What follows from what has come about: steps are asked for or become unnecessary, clocks start and stop.

use std::collections::BTreeMap;

use super::{About, Brought, Effect, Reached, Run, Ticking, Work, WorkStatus};
use crate::definition::{Clock, End, Protocol, Step};

/// A run on its way from one point to the next.
pub(super) struct Course<'p> {
    pub(super) protocol: &'p Protocol,
    pub(super) run: Run,
    pub(super) effects: Vec<Effect>,
    pub(super) now: i64,
    pub(super) by: String,
    pub(super) instants: &'p BTreeMap<String, i64>,
}

impl Run {
    /// Whether a step waits for nothing more than what its condition says.
    pub(crate) fn waits_for_its_condition(&self, step: &Step) -> bool {
        let again: u32 = step.again.iter().map(|code| self.occurrences(code)).sum();
        let last = self.steps.iter().rev().find(|work| work.step == step.code.as_str());
        step.when.is_some()
            && last.is_none_or(|work| !work.status.is_open() && again > work.asked)
            && self.has_what_it_requires(step)
    }

    fn has_what_it_requires(&self, step: &Step) -> bool {
        let reached = |code: &str| self.reached(code.trim()).is_some();
        step.is_for(self.class.as_deref())
            && step.requires.iter().all(|requirement| requirement.split('|').any(reached))
            && !step.until.iter().any(|code| reached(code))
    }
}

impl Course<'_> {
    /// A milestone comes about that is known from before the run.
    pub(super) fn bring(&mut self, brought: &Brought) {
        let own = match &brought.by {
            Some(by) => std::mem::replace(&mut self.by, by.clone()),
            None => self.by.clone(),
        };
        self.reach_as_said(&brought.code, brought.at, brought.said, brought.source.as_deref());
        self.by = own;
    }

    /// A milestone comes about, and everything that hangs on it.
    pub(super) fn reach(&mut self, code: &str, at: i64, source: Option<&str>) {
        self.reach_as_said(code, at, None, source);
    }

    /// The same, from a source that says another time than can be.
    pub(super) fn reach_as_said(&mut self, code: &str, at: i64, said: Option<i64>, source: Option<&str>) {
        if self.run.end.is_some() {
            return;
        }
        let n = self.run.occurrences(code) + 1;
        self.run.milestones.push(Reached {
            code: code.to_owned(),
            n,
            at,
            recorded: self.now,
            source: source.map(str::to_owned),
            by: self.by.clone(),
            reason: None,
            signed: None,
            said,
            superseded: false,
        });
        self.tick(code, at);
        let Some(milestone) = self.protocol.milestone(code) else { return };
        if let Some(status) = &milestone.status {
            self.run.status = Some(status.to_string());
        }
        if let Some(owner) = &milestone.owner {
            self.run.owner = Some(owner.to_string());
        }
        self.tell(&milestone.tell, About::Milestone { code: code.to_owned(), n });
        for activity in &milestone.make {
            self.effects.push(Effect::Make { activity: activity.to_string() });
        }
        for next in &milestone.begin {
            self.effects.push(Effect::Begin { next: next.clone(), step: None });
        }
        if let Some(switch) = &milestone.switch {
            self.effects.push(Effect::Switch { protocol: switch.to_string() });
            self.finish(End::Cancelled);
        }
        if let Some(end) = milestone.ends {
            self.finish(end);
        }
    }

    pub(super) fn tell(&mut self, roles: &[crate::Code], about: About) {
        if !roles.is_empty() {
            let roles = roles.iter().map(ToString::to_string).collect();
            self.effects.push(Effect::Tell { roles, about });
        }
    }

    /// The run ends: what is open becomes unnecessary, and a clock that still runs is cut off and says so.
    pub(super) fn finish(&mut self, end: End) {
        if self.run.end.is_some() {
            return;
        }
        self.run.end = Some(end);
        for work in self.run.steps.iter_mut().filter(|work| work.status.is_open()) {
            (work.status, work.ended) = (WorkStatus::Cancelled, Some(self.now));
        }
        for ticking in self.run.clocks.iter_mut().filter(|ticking| ticking.stopped.is_none()) {
            (ticking.stopped, ticking.cut) = (Some(self.now), true);
        }
    }

    /// Clocks start, stop, are held and go on as a milestone comes about.
    fn tick(&mut self, code: &str, at: i64) {
        for clock in &self.protocol.clocks {
            let running = self.run.clocks.iter_mut().rev().find(|one| one.clock == clock.code.as_str());
            let running = running.filter(|one| one.stopped.is_none());
            let renews = clock.from.as_str() == code && clock.to.contains(&clock.from);
            if let Some(ticking) = running {
                if clock.to.iter().any(|to| to.as_str() == code) {
                    if let Some(since) = ticking.paused.take() {
                        ticking.held += (at - since).max(0);
                    }
                    ticking.stopped = Some(at);
                    if renews {
                        self.run.clocks.push(self.begun(clock, at));
                    }
                } else if clock.pauses.iter().any(|pause| pause.from.as_str() == code) {
                    ticking.paused.get_or_insert(at);
                } else if clock.pauses.iter().any(|pause| pause.to.as_str() == code)
                    && let Some(since) = ticking.paused.take()
                {
                    ticking.held += (at - since).max(0);
                }
            } else if clock.from.as_str() == code {
                self.run.clocks.push(self.begun(clock, at));
            }
        }
    }

    /// A clock that is set going.
    fn begun(&self, clock: &Clock, at: i64) -> Ticking {
        // What ends a clock may be known before what sets it going.
        let others = clock.to.iter().filter(|to| **to != clock.from);
        let ended = others.filter_map(|to| self.run.reached(to)).map(|one| one.at);
        Ticking {
            clock: clock.code.to_string(),
            n: self.run.clocks.iter().filter(|one| one.clock == clock.code.as_str()).count() as u32 + 1,
            began: at,
            base: self.instants.get(clock.code.as_str()).copied(),
            stopped: ended.filter(|end| *end >= at).min(),
            cut: false,
            paused: None,
            held: 0,
            fired: Vec::new(),
        }
    }

    /// Asks for what can be done now and drops what has become unnecessary, until nothing more follows.
    pub(super) fn settle(&mut self) {
        // Every turn asks for at least one step more; a protocol that never comes to rest is stopped here.
        for _ in 0..=self.protocol.steps.len() * 4 {
            if self.run.end.is_some() || !self.turn() {
                return;
            }
        }
    }

    fn turn(&mut self) -> bool {
        let mut moved = false;
        for step in &self.protocol.steps {
            if self.run.end.is_some() {
                return false;
            }
            if self.drop_unnecessary(step) {
                moved = true;
                continue;
            }
            let again = step.again.iter().map(|code| self.run.occurrences(code)).sum();
            let last = self.run.steps.iter_mut().rev().find(|work| work.step == step.code.as_str());
            let n = match last {
                Some(work) if work.status.is_open() => {
                    work.asked = again;
                    continue;
                }
                Some(work) if again <= work.asked => continue,
                Some(work) => work.n + 1,
                None => 1,
            };
            if self.is_asked_for(step) {
                self.ask(step, n, again);
                moved = true;
            }
        }
        moved
    }

    fn drop_unnecessary(&mut self, step: &Step) -> bool {
        let over = step.until.iter().any(|code| self.run.reached(code).is_some());
        if !over && step.is_for(self.run.class.as_deref()) {
            return false;
        }
        let now = self.now;
        let mut open =
            self.run.steps.iter_mut().filter(|work| work.step == step.code.as_str() && work.status.is_open());
        let Some(work) = open.next() else { return false };
        (work.status, work.ended) = (WorkStatus::Cancelled, Some(now));
        true
    }

    fn is_asked_for(&self, step: &Step) -> bool {
        self.run.has_what_it_requires(step)
            && (step.when.is_none() || self.run.answers.get(step.code.as_str()) == Some(&true))
    }

    fn ask(&mut self, step: &Step, n: u32, asked: u32) {
        self.run.steps.push(Work {
            step: step.code.to_string(),
            n,
            status: WorkStatus::Ready,
            since: self.now,
            ended: None,
            outcome: None,
            reason: None,
            response: None,
            party: None,
            by: None,
            acknowledged: Vec::new(),
            run: None,
            asked,
        });
        if let Some(next) = &step.protocol {
            self.effects.push(Effect::Begin { next: next.clone(), step: Some((step.code.to_string(), n)) });
        }
        if step.automatic {
            let work = self.run.steps.last_mut().expect("a step was just asked for");
            (work.status, work.ended) = (WorkStatus::Done, Some(self.now));
            let now = self.now;
            step.reach.iter().for_each(|code| self.reach(code, now, None));
        }
    }
}
