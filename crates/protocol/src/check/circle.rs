//! Protocols that would begin one another for ever, with nobody doing anything in between.

use std::collections::BTreeSet;

use super::Desk;
use crate::definition::{Code, Protocol, Start};

/// A run that begins at once when another does.
struct Edge<'p> {
    /// Where that is said.
    at: &'p Code,
    start: Option<&'p str>,
    kept: BTreeSet<&'p str>,
}

/// What comes about in a run as it begins, before anybody does anything.
fn at_once<'p>(protocol: &'p Protocol, start: Option<&'p Start>, kept: &BTreeSet<&'p str>) -> BTreeSet<&'p str> {
    let mut reached: BTreeSet<&str> = kept.clone();
    reached.extend(start.into_iter().flat_map(|start| &start.reach).map(Code::as_str));
    loop {
        let before = reached.len();
        let has = |any: &Code| any.split('|').any(|code| reached.contains(code.trim()));
        let automatic = protocol.steps.iter().filter(|step| step.automatic && step.when.is_none());
        let done = automatic.filter(|step| step.requires.iter().all(has));
        let more: Vec<&str> = done.flat_map(|step| &step.reach).map(Code::as_str).collect();
        reached.extend(more);
        if reached.len() == before {
            return reached;
        }
    }
}

/// The runs that begin with one at once.
fn edges<'p>(protocol: &'p Protocol, start: Option<&'p Start>, kept: &BTreeSet<&'p str>) -> Vec<Edge<'p>> {
    let reached = at_once(protocol, start, kept);
    let has = |any: &Code| any.split('|').any(|code| reached.contains(code.trim()));
    let milestones = || protocol.milestones.iter().filter(|one| reached.contains(one.code.as_str()));
    let steps = protocol.steps.iter().filter(|step| step.when.is_none() && step.requires.iter().all(has));
    let begun = milestones().flat_map(|one| &one.begin).chain(steps.filter_map(|step| step.protocol.as_ref()));
    let begun = begun.map(|next| Edge {
        at: &next.protocol,
        start: next.start.as_deref(),
        kept: next.keep.iter().map(Code::as_str).filter(|code| reached.contains(code)).collect(),
    });
    let switched = milestones().filter_map(|one| one.switch.as_ref());
    begun.chain(switched.map(|at| Edge { at, start: None, kept: reached.clone() })).collect()
}

impl<'a> Desk<'a> {
    pub(super) fn circles(&mut self, protocol: &'a Protocol) {
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for start in &protocol.starts {
            for edge in edges(protocol, Some(start), &BTreeSet::new()) {
                let mut way = vec![protocol.code.as_str()];
                let mut seen = BTreeSet::new();
                if self.comes_back(protocol, start, &edge, &mut way, &mut seen) && told.insert(edge.at.at()) {
                    let way = way.join(" → ");
                    let fix = "put something in between that somebody does";
                    self.error(
                        edge.at,
                        format!("Beginning this begins the same again at once, for ever: {way}; {fix}."),
                    );
                }
            }
        }
    }

    /// Whether what begins leads back to where it was looked from. `way` is then the way there.
    fn comes_back(
        &self,
        home: &'a Protocol,
        from: &'a Start,
        edge: &Edge<'a>,
        way: &mut Vec<&'a str>,
        seen: &mut BTreeSet<(&'a str, Option<&'a str>)>,
    ) -> bool {
        let Some(next) = self.protocol_named(edge.at) else { return false };
        way.push(next.code.as_str());
        let start = next.way(edge.start);
        if next.code == home.code && start == Some(from) {
            return true;
        }
        if seen.insert((next.code.as_str(), edge.start)) {
            for onward in edges(next, start, &edge.kept) {
                if self.comes_back(home, from, &onward, way, seen) {
                    return true;
                }
            }
        }
        way.pop();
        false
    }
}
