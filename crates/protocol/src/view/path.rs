//! The way from where a run stands to its end: what has to come about, and which steps everything waits for.

use std::collections::BTreeSet;

use super::{State, alternatives, unasked, unmet};
use crate::definition::{End, Milestone, Protocol, Step};
use crate::run::Run;

/// The way to the end of a run.
pub(super) struct Path<'p> {
    protocol: &'p Protocol,
    run: &'p Run,
    milestones: BTreeSet<&'p str>,
    steps: BTreeSet<&'p str>,
}

impl<'p> Path<'p> {
    /// Goes back from the milestones that end a run as intended, or from all that end it when none does.
    ///
    /// Where several steps can reach a milestone, those that may be left out are not waited for unless there is no
    /// other; where several milestones are as good, any of them is waited for.
    pub(super) fn of(protocol: &'p Protocol, run: &'p Run) -> Self {
        let mut path = Self { protocol, run, milestones: BTreeSet::new(), steps: BTreeSet::new() };
        if run.end.is_none() {
            let ends = |milestone: &&Milestone| milestone.ends == Some(End::Completed);
            let intended: Vec<&Milestone> = protocol.milestones.iter().filter(ends).collect();
            let all = protocol.milestones.iter().filter(|milestone| milestone.ends.is_some());
            let goals = if intended.is_empty() { all.collect() } else { intended };
            goals.into_iter().for_each(|goal| path.needs(&goal.code));
        }
        path
    }

    /// What has to come about, in the order of the protocol.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &'p Milestone> {
        let on_the_way = |one: &&Milestone| self.milestones.contains(one.code.as_str());
        self.protocol.milestones.iter().filter(on_the_way).filter(|one| self.run.reached(&one.code).is_none())
    }

    /// The steps that everything waits for, in the order of the protocol.
    pub(super) fn blocking(&self) -> Vec<&'p str> {
        let codes = self.protocol.steps.iter().map(|step| step.code.as_str());
        codes.filter(|code| self.steps.contains(code)).collect()
    }

    fn needs(&mut self, code: &'p str) {
        if !self.milestones.insert(code) {
            return;
        }
        let protocol = self.protocol;
        let reaches = |step: &&Step| {
            let outcomes = step.outcomes.iter().flat_map(|outcome| &outcome.reach);
            step.reach.iter().chain(outcomes).any(|reached| reached.as_str() == code)
        };
        let can = |step: &&Step| !matches!(unasked(self.run, step), State::NotApplicable | State::Cancelled);
        let able: Vec<&Step> = protocol.steps.iter().filter(reaches).filter(can).collect();
        let required = able.iter().any(|step| !step.optional);
        able.into_iter().filter(|step| !(required && step.optional)).for_each(|step| self.waits_for(step));
    }

    fn waits_for(&mut self, step: &'p Step) {
        let last = self.run.steps.iter().rev().find(|work| work.step == step.code.as_str());
        match last {
            Some(work) if work.status.is_open() => {
                self.steps.insert(&step.code);
            }
            // It ended in another way, and is done again when something comes about again.
            Some(_) => step.again.iter().for_each(|code| self.needs(code)),
            None if unasked(self.run, step) == State::Unknown => {
                self.steps.insert(&step.code);
            }
            None => unmet(self.run, step).flat_map(alternatives).for_each(|code| self.needs(code)),
        }
    }
}
