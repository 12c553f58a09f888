//! Whether what a protocol wants can come about at all.

use std::collections::{BTreeMap, BTreeSet};

use super::Desk;
use super::protocol::nexts;
use crate::definition::{Code, Outcome, Protocol, Step};

/// What can come about in runs of a protocol, starting from nothing.
struct Reachable<'p> {
    protocol: &'p Protocol,
    milestones: BTreeSet<&'p str>,
    steps: BTreeSet<&'p str>,
}

/// One of several ways that a run can go once, and then no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice<'p> {
    /// Whatever can be.
    Any,
    /// It begins like this; by its place among the starts, or in none of those ways.
    Begins(Option<usize>),
    /// A step that is asked for once ends like this.
    Ends(&'p str, &'p str),
}

impl<'p> Reachable<'p> {
    /// `given` is what runs can begin with besides what their starts say.
    fn of(protocol: &'p Protocol, given: impl Iterator<Item = &'p str>, choice: Choice<'p>) -> Self {
        let mut found = Self { protocol, milestones: given.collect(), steps: BTreeSet::new() };
        let starts = protocol.starts.iter().enumerate().filter(|(at, _)| match choice {
            Choice::Begins(begins) => begins == Some(*at),
            _ => true,
        });
        found.milestones.extend(starts.flat_map(|(_, start)| &start.reach).map(Code::as_str));
        let facts = protocol.milestones.iter().filter(|one| !one.facts.is_empty());
        found.milestones.extend(facts.map(|one| one.code.as_str()));
        found.milestones.extend(protocol.cancel.iter().flat_map(|cancel| &cancel.reach).map(Code::as_str));
        loop {
            let before = found.milestones.len() + found.steps.len();
            for step in &protocol.steps {
                if step.requires.iter().all(|any| found.has_any(any)) {
                    found.steps.insert(&step.code);
                    let outcomes = step.outcomes.iter().filter(|outcome| can_end(step, outcome));
                    let outcomes = outcomes.filter(|outcome| match choice {
                        Choice::Ends(chosen, ends) => step.code.as_str() != chosen || outcome.code.as_str() == ends,
                        _ => true,
                    });
                    let outcomes = outcomes.flat_map(|outcome| &outcome.reach);
                    found.milestones.extend(step.begins.iter().chain(&step.reach).chain(outcomes).map(Code::as_str));
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

/// Whether a step can end like this at all: it is part of runs of a class in which it may, and what it is chosen under is
/// not plainly false.
fn can_end(step: &Step, outcome: &Outcome) -> bool {
    let shared = |class: &Code| outcome.classes.contains(class);
    let of_a_class = step.classes.is_empty() || outcome.classes.is_empty() || step.classes.iter().any(shared);
    of_a_class && !outcome.when.as_ref().is_some_and(is_never)
}

/// Whether a condition can never hold, as far as it says so itself.
fn is_never(when: &Code) -> bool {
    when.trim() == "false"
}

/// What a step can reach.
fn results(step: &Step) -> impl Iterator<Item = &str> {
    let outcomes = step.outcomes.iter().flat_map(|outcome| &outcome.reach);
    step.begins.iter().chain(&step.reach).chain(outcomes).map(Code::as_str)
}

impl<'a> Desk<'a> {
    pub(super) fn reach(&mut self, protocol: &'a Protocol) {
        let given = self.given(protocol);
        let found = Reachable::of(protocol, given.iter().copied(), Choice::Any);
        self.steps_and_milestones(protocol, &found);
        self.never(protocol);
        self.choices(protocol, &found, &given);
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

    /// Conditions and classes that leave nothing over.
    fn never(&mut self, protocol: &'a Protocol) {
        for step in &protocol.steps {
            if let Some(when) = step.when.as_ref().filter(|when| is_never(when)) {
                self.error(when, format!("The step `{}` can never be done, because this never holds.", step.code));
            }
            for outcome in step.outcomes.iter().filter(|outcome| !can_end(step, outcome)) {
                let told = match &outcome.when {
                    Some(when) if is_never(when) => "its condition never holds".to_owned(),
                    _ => format!("it is for no class that `{}` is for", step.code),
                };
                self.error(&outcome.code, format!("The outcome `{}` can never be chosen: {told}.", outcome.code));
            }
        }
    }

    /// Steps that need what no run has at once. A run begins in one way, and a step that is asked for once ends in one way:
    /// what is only there when it goes one way is not there when it goes another. Each choice is looked at by itself, so
    /// that whatever is found here is really so. A class is no such choice: a run can be given another.
    fn choices(&mut self, protocol: &'a Protocol, found: &Reachable<'a>, given: &BTreeSet<&'a str>) {
        let of = |choice| Reachable::of(protocol, given.iter().copied(), choice);
        let starts: Vec<Reachable<'a>> = std::iter::once(None)
            .chain((0..protocol.starts.len()).map(Some))
            .map(|at| of(Choice::Begins(at)))
            .collect();
        let mut all = vec![("and a run begins in one way".to_owned(), starts)];
        for step in protocol.steps.iter().filter(|step| step.again.is_empty() && step.outcomes.len() > 1) {
            let ends = step.outcomes.iter().map(|outcome| of(Choice::Ends(&step.code, &outcome.code))).collect();
            all.push((format!("and `{}`, which is done once, ends in one way", step.code), ends));
        }
        let mut told = BTreeSet::new();
        for (why, ways) in all {
            let never = |code: &str| found.steps.contains(code) && !ways.iter().any(|way| way.steps.contains(code));
            let lost: Vec<&Step> = protocol.steps.iter().filter(|step| never(&step.code)).collect();
            for step in &lost {
                // What only follows from a step that is never done needs no finding of its own.
                let directly = ways.iter().any(|way| {
                    let missing = step.requires.iter().filter(|any| !way.has_any(any));
                    missing
                        .flat_map(|any| any.split('|'))
                        .all(|code| !lost.iter().any(|one| results(one).any(|reached| reached == code.trim())))
                });
                if directly && told.insert(step.code.as_str()) {
                    let needs = step.requires.iter().map(|any| format!("`{any}`")).collect::<Vec<_>>().join(", ");
                    let at = step.requires.first().unwrap_or(&step.code);
                    self.error(at, format!("The step `{}` can never be done: it needs {needs}, {why}.", step.code));
                }
            }
        }
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
