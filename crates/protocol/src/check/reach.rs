//! Whether what a protocol wants can come about at all.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use super::protocol::nexts;
use crate::definition::{Code, Protocol, Step};

/// What can come about in runs of a protocol, starting from nothing.
struct Reachable<'p> {
    protocol: &'p Protocol,
    milestones: BTreeSet<&'p str>,
    steps: BTreeSet<&'p str>,
}

impl<'p> Reachable<'p> {
    /// `given` is what runs can begin with besides what their starts say.
    fn of(protocol: &'p Protocol, given: impl Iterator<Item = &'p str>) -> Self {
        let mut found = Self { protocol, milestones: given.collect(), steps: BTreeSet::new() };
        found.milestones.extend(protocol.starts.iter().flat_map(|start| &start.reach).map(Code::as_str));
        let facts = protocol.milestones.iter().filter(|one| one.fact.is_some());
        found.milestones.extend(facts.map(|one| one.code.as_str()));
        found.milestones.extend(protocol.cancel.iter().flat_map(|cancel| &cancel.reach).map(Code::as_str));
        loop {
            let before = found.milestones.len() + found.steps.len();
            for step in &protocol.steps {
                if step.requires.iter().all(|any| found.has_any(any)) {
                    found.steps.insert(&step.code);
                    found.milestones.extend(results(step));
                }
            }
            let running = protocol.clocks.iter().filter(|clock| found.has(&clock.from));
            let rungs: Vec<&str> =
                running.flat_map(|clock| &clock.rungs).flat_map(|rung| &rung.reach).map(Code::as_str).collect();
            found.milestones.extend(rungs);
            if found.milestones.len() + found.steps.len() == before {
                return found;
            }
        }
    }

    /// A code that no milestone has is told of where it stands, and not once more for everything that follows from it.
    fn has(&self, milestone: &str) -> bool {
        self.milestones.contains(milestone) || self.protocol.milestone(milestone).is_none()
    }

    fn has_any(&self, required: &str) -> bool {
        required.split('|').any(|milestone| self.has(milestone.trim()))
    }
}

/// What a step can reach.
fn results(step: &Step) -> impl Iterator<Item = &str> {
    let outcomes = step.outcomes.iter().flat_map(|outcome| &outcome.reach);
    step.begins.iter().chain(&step.reach).chain(outcomes).map(Code::as_str)
}

impl<'a> Desk<'a> {
    pub(super) fn reach(&mut self, protocol: &'a Protocol) {
        let found = Reachable::of(protocol, self.given(protocol).into_iter());
        self.steps_and_milestones(protocol, &found);
        for clock in &protocol.clocks {
            let there = |code: &Code| protocol.milestone(code).is_some();
            if there(&clock.from) && !found.has(&clock.from) {
                let told = format!("`{}` never comes about, so the clock `{}` can never start", clock.from, clock.code);
                self.error(&clock.from, format!("{told}; let a step or a fact reach it."));
            }
            if !clock.to.is_empty() && clock.to.iter().all(there) && !clock.to.iter().any(|to| found.has(to)) {
                let told = format!("None of these ever comes about, so the clock `{}` can never stop", clock.code);
                self.error(&clock.to[0], format!("{told}; name a milestone that does."));
            }
            for pause in clock.pauses.iter().filter(|pause| found.has(&pause.from) && !found.has(&pause.to)) {
                let told = format!(
                    "`{}` never comes about, so the clock `{}`, once held, never goes on",
                    pause.to, clock.code
                );
                self.error(&pause.to, format!("{told}."));
            }
        }
        let ends = protocol.milestones.iter().filter(|one| one.ends.is_some() || one.switch.is_some());
        if ends.clone().next().is_none() {
            let told = "No milestone ends a run, so every run stays open for ever; give one `ends`.";
            self.error(&protocol.code, told);
        } else if !ends.clone().any(|one| found.has(&one.code)) {
            for end in ends {
                self.error(&end.code, format!("Nothing ever reaches `{}`, so no run can end.", end.code));
            }
        }
    }

    /// Milestones with which others begin a run of a protocol: those kept by a protocol that begins it or goes over to it.
    fn given(&self, protocol: &'a Protocol) -> BTreeSet<&'a str> {
        let kept = self.protocols().flat_map(nexts).filter(|next| next.protocol == protocol.code);
        let mut given: BTreeSet<&str> = kept.flat_map(|next| &next.keep).map(Code::as_str).collect();
        let switches = |other: &&Protocol| {
            other.milestones.iter().any(|one| one.switch.as_deref() == Some(protocol.code.as_str()))
        };
        let before = self.protocols().filter(switches).flat_map(|other| &other.milestones);
        given.extend(before.map(|one| one.code.as_str()).filter(|code| protocol.milestone(code).is_some()));
        given
    }

    fn steps_and_milestones(&mut self, protocol: &'a Protocol, found: &Reachable<'a>) {
        let mut makers: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in &protocol.steps {
            results(step).for_each(|milestone| makers.entry(milestone).or_default().push(step));
        }
        for milestone in &protocol.milestones {
            let code = milestone.code.as_str();
            let by_clock = protocol
                .clocks
                .iter()
                .flat_map(|clock| &clock.rungs)
                .any(|rung| rung.reach.iter().any(|reached| reached.as_str() == code));
            if !found.has(code) && !makers.contains_key(code) && !by_clock {
                let told = "let a step, a fact, a clock or a start reach it, or take it out";
                self.error(&milestone.code, format!("Nothing reaches the milestone `{code}`; {told}."));
            }
        }
        for step in protocol.steps.iter().filter(|step| !found.steps.contains(step.code.as_str())) {
            let missing = step.requires.iter().find(|any| !found.has_any(any));
            let Some(missing) = missing else { continue };
            let told = match circle(found, &makers, step) {
                Some(circle) => {
                    format!("needs what only comes after it: {}; take one requirement out", circle.join(" → "))
                }
                None => format!("needs `{missing}`, which never comes about"),
            };
            self.error(missing, format!("The step `{}` can never be done, because it {told}.", step.code));
        }
    }
}

/// The way from a step over what it requires back to itself.
fn circle<'p>(found: &Reachable<'p>, makers: &BTreeMap<&str, Vec<&'p Step>>, step: &'p Step) -> Option<Vec<&'p str>> {
    let mut way = vec![step];
    let mut seen = BTreeSet::new();
    // Each step is left at most once, so the search ends; the way is the stack of a search into the depth.
    while let Some(at) = way.last().copied() {
        let missing = at.requires.iter().filter(|any| !found.has_any(any)).flat_map(|any| any.split('|'));
        let before = missing.flat_map(|milestone| makers.get(milestone.trim()).into_iter().flatten());
        let mut before = before.filter(|other| !found.steps.contains(other.code.as_str()));
        let next = before.clone().find(|other| other.code == step.code);
        if next.is_some() {
            let mut codes: Vec<&str> = way.iter().rev().map(|one| one.code.as_str()).collect();
            codes.insert(0, &step.code);
            return Some(codes);
        }
        match before.find(|other| !seen.contains(other.code.as_str())) {
            Some(other) => {
                seen.insert(other.code.as_str());
                way.push(other);
            }
            None => {
                way.pop();
            }
        }
    }
    None
}
