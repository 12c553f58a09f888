//! A run that goes on under a later version of its protocol.

use std::collections::BTreeMap;

use fhir::{Category, Error, IssueCode};

use super::WorkStatus;
use super::settle::Course;
use crate::definition::{Clock, Code, Migration, Protocol, Rung};

/// A point of a clock, and what it is under a later version. Points are numbers of rungs, and rungs come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedPoint {
    /// The clock, by the name it had.
    pub clock: String,
    /// The point it was.
    pub before: u32,
    /// The point it is.
    pub after: u32,
}

/// What the points of an earlier version's clocks are under a later one: a rung is the same when it counts from the same,
/// for the same classes, and comes as long after it. A rung that is new has not fired; one that is gone does not matter.
pub fn moved_points(before: &Protocol, after: &Protocol) -> Vec<MovedPoint> {
    let migration = after.migrations.iter().find(|migration| migration.from == before.version);
    let now = |clock: &Clock| {
        let renamed = migration.and_then(|migration| migration.clocks.get(clock.code.as_str()));
        after.clock(renamed.map_or(clock.code.as_str(), Code::as_str))
    };
    let mut moved = Vec::new();
    for was in &before.clocks {
        let Some(is) = now(was) else { continue };
        let mut point = |before: usize, after: usize| {
            moved.push(MovedPoint { clock: was.code.to_string(), before: before as u32, after: after as u32 });
        };
        for (at, rung) in was.rungs.iter().enumerate() {
            // Of several alike the first is the first, and so on.
            let which = was.rungs[..at].iter().filter(|other| alike(other, rung)).count();
            let mut same = is.rungs.iter().enumerate().filter(|(_, other)| alike(other, rung));
            if let Some((now, _)) = same.nth(which) {
                point(at, now);
            }
        }
        point(was.rungs.len(), is.rungs.len());
    }
    moved
}

fn alike(one: &Rung, other: &Rung) -> bool {
    (one.at, one.plus, &one.classes) == (other.at, other.plus, &other.classes)
}

impl Course<'_> {
    /// The run goes on under this version of its protocol: what is called otherwise now gets its new name.
    pub(super) fn migrate(&mut self, from: &str, points: &[MovedPoint]) -> Result<(), Error> {
        let to = &self.protocol.version;
        if self.run.version != from {
            let text = format!("This is under version {}, not {from}.", self.run.version);
            return Err(Error::new(Category::Conflict, IssueCode::Conflict, text));
        }
        let migration = self.protocol.migrations.iter().find(|migration| migration.from == from);
        let migration: &Migration = migration.ok_or_else(|| {
            Error::unsupported(format!("Version {to} does not say how runs of version {from} go on."))
        })?;
        for ticking in &mut self.run.clocks {
            let mut own = points.iter().filter(|point| point.clock == ticking.clock).peekable();
            if own.peek().is_some() {
                let moved: BTreeMap<u32, u32> = own.map(|point| (point.before, point.after)).collect();
                ticking.fired = ticking.fired.iter().filter_map(|point| moved.get(point).copied()).collect();
            }
        }
        let rename = |names: &BTreeMap<String, Code>, name: &mut String| {
            if let Some(new) = names.get(name.as_str()) {
                *name = new.to_string();
            }
        };
        self.run.steps.iter_mut().for_each(|work| rename(&migration.steps, &mut work.step));
        self.run.milestones.iter_mut().for_each(|one| rename(&migration.milestones, &mut one.code));
        self.run.clocks.iter_mut().for_each(|one| rename(&migration.clocks, &mut one.clock));
        let made = std::mem::take(&mut self.run.made).into_iter();
        self.run.made = made
            .map(|(mut activity, what)| {
                rename(&migration.activities, &mut activity);
                (activity, what)
            })
            .collect();
        self.run.own.iter_mut().for_each(|one| rename(&migration.clocks, &mut one.clock));
        let now = self.now;
        for work in self.run.steps.iter_mut().filter(|work| work.status.is_open()) {
            if self.protocol.step(&work.step).is_none() {
                (work.status, work.ended) = (WorkStatus::Cancelled, Some(now));
            }
        }
        let lost =
            self.run.clocks.iter().find(|one| one.stopped.is_none() && self.protocol.clock(&one.clock).is_none());
        if let Some(ticking) = lost {
            let text = format!("The clock \"{}\" runs, and version {to} has none of that name.", ticking.clock);
            return Err(Error::unsupported(text));
        }
        self.run.version = to.clone();
        Ok(())
    }
}
