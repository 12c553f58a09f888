//! The engine's judgement.

use fhir::{Category, Error, IssueCode};

use super::settle::Course;
use super::{About, Deed, Effect, Event, Reached, Reason, Run, Work, WorkStatus};
use crate::definition::{Code, Milestone, Outcome, PartyKind, Protocol, Role, Step};

/// How far a clock elsewhere may run ahead of ours, in microseconds (`emergency.md` 1.1 of the domain rules: a time more
/// than a minute from now is refused).
const AHEAD: i64 = 60_000_000;
/// What whoever gives words where a coded reason is asked for is told.
const CODED: &str = "Give one of the reasons of the list; words alone are not enough.";

/// What becomes of a run when something happens to it, and what is to be done about it.
///
/// Pure: the same run, event and time give the same answer. `now` is in microseconds since 1970. An event that does not
/// fit is refused with a reason people can read, and changes nothing; an event that was taken in before is refused as a
/// conflict, except a point of a clock, which then simply does nothing.
pub fn step(protocol: &Protocol, run: &Run, event: &Event, now: i64) -> Result<(Run, Vec<Effect>), Error> {
    let (by, instants) = (event.by.clone(), &event.instants);
    let mut course = Course { protocol, run: run.clone(), effects: Vec::new(), now, by, instants };
    course.run.answers.extend(event.answers.iter().map(|(code, holds)| (code.clone(), *holds)));
    if run.end.is_some() {
        return match event.deed {
            // A clock, a fact or another run may speak after the end; a correction must be possible for ever.
            Deed::Tick { .. } | Deed::Fact { .. } | Deed::Ended { .. } | Deed::Look => Ok((run.clone(), Vec::new())),
            Deed::Correct { ref milestone, n, at, ref reason, ref signed } => {
                course.correct(milestone, n, at, (reason, signed.as_deref()))?;
                Ok((course.run, course.effects))
            }
            _ => Err(conflict("This has already been closed.")),
        };
    }
    for ticking in course.run.clocks.iter_mut().filter(|ticking| ticking.stopped.is_none()) {
        if let Some(base) = instants.get(&ticking.clock) {
            ticking.base = Some(*base);
        }
    }
    course.take_in(&event.deed)?;
    course.settle();
    Ok((course.run, course.effects))
}

fn conflict(text: impl Into<String>) -> Error {
    Error::new(Category::Conflict, IssueCode::Conflict, text)
}

fn required(text: impl Into<String>) -> Error {
    Error::new(Category::Invalid, IssueCode::Required, text)
}

impl<'p> Course<'p> {
    fn take_in(&mut self, deed: &Deed) -> Result<(), Error> {
        match deed {
            Deed::Begin { reach } => {
                for brought in reach {
                    self.known(&brought.code)?;
                    self.plausible(Some(brought.at))?;
                    self.bring(brought);
                }
            }
            Deed::Complete { step, n, outcome, reason, response, at, bind } => {
                let at = self.plausible(*at)?;
                let definition = self.definition(step)?;
                let outcome = self.outcome(definition, outcome.as_deref(), reason.as_ref())?;
                let open = self.open(step, *n)?.status == WorkStatus::Ready;
                let form = outcome.and_then(|outcome| outcome.form.as_ref()).or(definition.form.as_ref());
                if form.is_some() && response.is_none() {
                    return Err(required("The form of this step has not been filled in."));
                }
                if open {
                    self.begin(definition, *n, at);
                }
                self.run.parties.extend(bind.iter().map(|(role, party)| (role.clone(), party.clone())));
                if let Some(class) = outcome.and_then(|outcome| outcome.class.as_ref()) {
                    self.becomes(class);
                }
                let (by, outcome_code) = (self.by.clone(), outcome.map(|outcome| outcome.code.to_string()));
                let work = self.open(step, *n)?;
                let reason = reason.clone().filter(Reason::says_something);
                (work.outcome, work.reason, work.response) = (outcome_code, reason, response.clone());
                self.done(step, *n, Some(by), at, response.as_deref(), outcome);
            }
            Deed::Take { step, n } => {
                let by = self.by.clone();
                let work = self.open(step, *n)?;
                if let (WorkStatus::Taken, Some(other)) = (work.status, work.by.as_ref().filter(|other| **other != by))
                {
                    return Err(conflict(format!("{other} is already at it.")));
                }
                (work.status, work.by) = (WorkStatus::Taken, Some(by));
                let (definition, now) = (self.definition(step)?, self.now);
                self.begin(definition, *n, now);
            }
            Deed::Hand { step, n, party } => {
                let work = self.open(step, *n)?;
                (work.status, work.by, work.party) = (WorkStatus::Ready, None, Some(party.clone()));
            }
            Deed::Skip { step, n, reason } => {
                if self.definition(step)?.skip.is_none() {
                    return Err(Error::invalid("This step cannot be left out."));
                }
                if reason.code.is_empty() {
                    return Err(required(CODED));
                }
                let (by, now) = (self.by.clone(), self.now);
                let work = self.open(step, *n)?;
                (work.status, work.ended) = (WorkStatus::Skipped, Some(now));
                (work.by, work.reason) = (Some(by), Some(reason.clone()));
            }
            Deed::Acknowledge { step, n } => self.acknowledge(step, *n)?,
            Deed::Fact { step, milestone, source, at, said } => {
                self.fact(step.as_ref(), milestone.as_deref(), source, (*at, *said))?
            }
            Deed::Correct { milestone, n, at, reason, signed } => {
                self.correct(milestone, *n, *at, (reason, signed.as_deref()))?
            }
            Deed::Tick { clock, n, point, .. } => self.point(clock, *n, *point),
            Deed::Ended { run, .. } => {
                let now = self.now;
                let work = self.run.steps.iter().find(|work| work.run.as_deref() == Some(run) && work.status.is_open());
                if let Some((step, n)) = work.map(|work| (work.step.clone(), work.n)) {
                    self.done(&step, n, None, now, None, None);
                }
            }
            Deed::Regrade { class, reason } => {
                if self.protocol.class(class).is_none() {
                    return Err(Error::invalid(format!("There is no class \"{class}\".")));
                }
                if reason.trim().is_empty() {
                    return Err(required("Say why the class is another."));
                }
                if self.becomes(class) {
                    self.tell(&self.hands(), About::Class { code: class.clone(), reason: reason.clone() });
                }
            }
            Deed::Switch { protocol, reason } => {
                if reason.trim().is_empty() {
                    return Err(required("Say why it goes on under another protocol."));
                }
                self.effects.push(Effect::Switch { protocol: protocol.clone() });
                self.finish(crate::definition::End::Cancelled);
            }
            Deed::Cancel { reason } => self.cancel(reason)?,
            Deed::Look => {}
            Deed::Migrate { from, points } => self.migrate(from, points)?,
        }
        Ok(())
    }

    /// The run is of a class from now on, and what is written for that follows; whether it was of another.
    fn becomes(&mut self, class: &str) -> bool {
        if self.run.class.as_deref() == Some(class) {
            return false;
        }
        self.run.class = Some(class.to_owned());
        let made = self.protocol.class(class).into_iter().flat_map(|class| &class.make);
        self.effects.extend(made.map(|activity| Effect::Make { activity: activity.to_string() }));
        true
    }

    /// The roles in which institutions, people and teams take part.
    fn hands(&self) -> Vec<Code> {
        let works = |role: &&Role| !matches!(role.party, PartyKind::Patient | PartyKind::System);
        let bound = |role: &&Role| self.run.parties.contains_key(role.code.as_str());
        self.protocol.roles.iter().filter(works).filter(bound).map(|role| role.code.clone()).collect()
    }

    fn known(&self, code: &str) -> Result<&'p Milestone, Error> {
        let text = || Error::invalid(format!("There is no milestone \"{code}\"."));
        let protocol = self.protocol;
        protocol.milestone(code).ok_or_else(text)
    }

    /// A time that is not in the future; now, when none is given.
    fn plausible(&self, at: Option<i64>) -> Result<i64, Error> {
        match at {
            Some(at) if at > self.now + AHEAD => Err(Error::invalid("The time given lies in the future.")),
            Some(at) => Ok(at),
            None => Ok(self.now),
        }
    }

    /// A step that is to be done, or who did it first.
    fn open(&mut self, step: &str, n: u32) -> Result<&mut Work, Error> {
        let work = self.run.steps.iter_mut().find(|work| work.step == step && work.n == n);
        let work = work.ok_or_else(|| conflict("This step is not to be done now."))?;
        match work.status {
            WorkStatus::Ready | WorkStatus::Taken => Ok(work),
            WorkStatus::Done => Err(conflict(match &work.by {
                Some(by) => format!("{by} has already done this."),
                None => "This has already been done.".to_owned(),
            })),
            WorkStatus::Skipped => Err(conflict("This step was left out.")),
            WorkStatus::Cancelled => Err(conflict("This step is no longer needed.")),
        }
    }

    /// The outcome that is meant, if it may be chosen.
    fn outcome<'s>(
        &self,
        step: &'s Step,
        code: Option<&str>,
        reason: Option<&Reason>,
    ) -> Result<Option<&'s Outcome>, Error> {
        let Some(code) = code else {
            return if step.outcomes.is_empty() {
                Ok(None)
            } else {
                let class = self.run.class.as_deref();
                let open = step.outcomes.iter().filter(|outcome| outcome.is_for(class));
                let all: Vec<&str> = open.map(|outcome| outcome.code.as_str()).collect();
                Err(required(format!("Say how it ended; one of {}.", all.join(", "))))
            };
        };
        let outcome = step.outcome(code);
        let outcome = outcome.filter(|outcome| outcome.is_for(self.run.class.as_deref()));
        let outcome = outcome.ok_or_else(|| Error::invalid(format!("This step cannot end as \"{code}\".")))?;
        let coded = reason.is_some_and(|reason| !reason.code.is_empty());
        if outcome.reasons.is_some() && !coded {
            return Err(required(CODED));
        }
        let chosen = |work: &&Work| work.step == step.code.as_str() && work.outcome.as_deref() == Some(code);
        if outcome.most > 0 && self.run.steps.iter().filter(chosen).count() >= outcome.most as usize {
            let text = format!("This has been chosen {} times already, which is as often as it may be.", outcome.most);
            return Err(Error::new(Category::Conflict, IssueCode::BusinessRule, text));
        }
        Ok(Some(outcome))
    }

    /// Somebody is at a step for the first time since it was asked for.
    fn begin(&mut self, step: &Step, n: u32, at: i64) {
        let since = self.run.work(step.code.as_str(), n).map_or(at, |work| work.since);
        for code in &step.begins {
            let already = |one: &Reached| one.code == code.as_str() && one.recorded >= since;
            if !self.run.milestones.iter().any(already) {
                self.reach(code, at, None);
            }
        }
    }

    /// The run is taken back, if it is not too late.
    fn cancel(&mut self, reason: &Reason) -> Result<(), Error> {
        if let Some(cancel) = &self.protocol.cancel {
            if cancel.until.iter().any(|code| self.run.reached(code).is_some()) {
                return Err(conflict("It is too late to take this back."));
            }
            if cancel.reasons.is_some() && reason.code.is_empty() {
                return Err(required(CODED));
            }
            let now = self.now;
            cancel.reach.iter().for_each(|code| self.reach(code, now, None));
        }
        self.finish(crate::definition::End::Cancelled);
        Ok(())
    }

    /// A step is done, and what it and its outcome reach comes about.
    fn done(
        &mut self,
        code: &str,
        n: u32,
        by: Option<String>,
        at: i64,
        source: Option<&str>,
        outcome: Option<&Outcome>,
    ) {
        let now = self.now;
        if let Some(work) = self.run.steps.iter_mut().find(|work| work.step == code && work.n == n) {
            (work.status, work.ended) = (WorkStatus::Done, Some(now));
            work.by = by.or_else(|| work.by.take());
        }
        let protocol = self.protocol;
        let step = protocol.step(code).map(|step| step.reach.as_slice()).unwrap_or_default();
        for reached in step.iter().chain(outcome.map(|outcome| outcome.reach.as_slice()).unwrap_or_default()) {
            self.reach(reached, at, source);
        }
    }

    fn acknowledge(&mut self, step: &str, n: u32) -> Result<(), Error> {
        let (by, now) = (self.by.clone(), self.now);
        let wanted = self.definition(step)?.acknowledgements as usize;
        let work = self.open(step, n)?;
        // Pressing twice is one acknowledgement.
        if !work.acknowledged.iter().any(|(other, _)| *other == by) {
            work.acknowledged.push((by, now));
        }
        if wanted > 0 && work.acknowledged.len() >= wanted {
            self.done(step, n, None, now, None, None);
        }
        Ok(())
    }

    fn fact(
        &mut self,
        step: Option<&(String, u32)>,
        milestone: Option<&str>,
        source: &str,
        (at, said): (i64, Option<i64>),
    ) -> Result<(), Error> {
        if let Some(code) = milestone {
            let facts = &self.known(code)?.facts;
            let over = !facts.is_empty() && facts.iter().all(|fact| self.run.is_past(fact));
            let again = self.run.milestones.iter().any(|one| one.code == code && one.source.as_deref() == Some(source));
            if !again && !over {
                self.reach_as_said(code, at, said, Some(source));
            }
        }
        if let Some((step, n)) = step {
            // Somebody may have done it by hand before the fact arrived.
            if self.run.work(step, *n).is_some_and(|work| work.status.is_open()) {
                self.done(step, *n, None, at, Some(source), None);
            }
        }
        Ok(())
    }

    /// A milestone gets another time. The old one stays, superseded; clocks that hung on it hang on the new one.
    fn correct(&mut self, code: &str, n: u32, at: i64, (reason, signed): (&str, Option<&str>)) -> Result<(), Error> {
        if reason.trim().is_empty() {
            return Err(required("Say why the time is another."));
        }
        let at = self.plausible(Some(at))?;
        let wrong = self.run.milestones.iter_mut().rev().find(|one| one.code == code && one.n == n && !one.superseded);
        let wrong = wrong.ok_or_else(|| Error::not_found("This milestone has not been reached."))?;
        wrong.superseded = true;
        let before = wrong.at;
        let (source, by) = (wrong.source.clone(), self.by.clone());
        self.run.milestones.push(Reached {
            code: code.to_owned(),
            n,
            at,
            recorded: self.now,
            source,
            by,
            reason: Some(reason.to_owned()),
            signed: signed.map(str::to_owned),
            said: None,
            superseded: false,
        });
        for ticking in &mut self.run.clocks {
            let Some(clock) = self.protocol.clock(&ticking.clock) else { continue };
            if clock.from.as_str() == code && ticking.began == before {
                ticking.began = at;
            }
            if !ticking.cut && ticking.stopped == Some(before) && clock.to.iter().any(|to| to.as_str() == code) {
                ticking.stopped = Some(at);
            }
        }
        Ok(())
    }

    /// A point of a clock was due: who is to be told is told, what is to be handed on is handed on.
    fn point(&mut self, code: &str, n: u32, point: u32) {
        let protocol = self.protocol;
        let Some(clock) = protocol.clock(code) else { return };
        let ticking = self.run.clocks.iter_mut().find(|one| one.clock == code && one.n == n);
        let Some(ticking) = ticking.filter(|one| one.stopped.is_none() && !one.fired.contains(&point)) else { return };
        ticking.fired.push(point);
        let Some(rung) = clock.rungs.get(point as usize) else { return };
        self.tell(&rung.tell, About::Clock { code: code.to_owned(), n, point });
        if let Some(party) = rung.hand.as_ref().and_then(|role| self.run.party(protocol, role)).cloned() {
            for work in self.run.steps.iter_mut().filter(|work| work.status.is_open()) {
                if protocol.step(&work.step).is_some_and(|step| step.stops(clock)) {
                    work.party = Some(party.clone());
                }
            }
        }
        let now = self.now;
        rung.reach.iter().for_each(|reached| self.reach(reached, now, None));
    }

    fn definition(&self, step: &str) -> Result<&'p Step, Error> {
        self.protocol.step(step).ok_or_else(|| Error::invalid(format!("There is no step \"{step}\".")))
    }
}
