//! A run: one protocol under way for one person.

mod judge;
mod migrate;
mod settle;
mod timer;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::criteria::Evidence;
use crate::definition::{Activity, Clock, End, Fact, Limit, Next, Protocol};

pub use judge::step;
pub use migrate::{MovedPoint, moved_points};
pub use timer::{Due, Times};

/// Where a run stands. Equal runs stand at the same point; [`step`] is the only thing that moves one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// The id of its root Task.
    pub id: String,
    /// The protocol.
    pub protocol: String,
    /// The version of the protocol it began with.
    pub version: String,
    /// For whom, such as `Patient/p1`.
    pub patient: Option<String>,
    /// What it is about besides, such as `ServiceRequest/s1`.
    pub focus: Option<String>,
    /// What it belongs together with: the id of the first run of its chain.
    pub chain: String,
    /// The run one of whose steps it is.
    pub parent: Option<Parent>,
    /// Its class.
    pub class: Option<String>,
    /// Whether it goes on, and how it ended.
    pub end: Option<End>,
    /// Its business status.
    pub status: Option<String>,
    /// The role that owns it.
    pub owner: Option<String>,
    /// Whom its roles are bound to.
    pub parties: BTreeMap<String, Party>,
    /// The response to the form it began with, such as `QuestionnaireResponse/q1`.
    pub response: Option<String>,
    /// Why it began, where a criterion did that.
    pub grounds: Option<Grounds>,
    /// What its protocol had told of it as it began, by code.
    pub traits: BTreeMap<String, String>,
    /// The limits that its institution keeps to in place of the protocol's, as they were when it began.
    pub own: Vec<Own>,
    /// When it began, in microseconds since 1970.
    pub began: i64,
    /// What has come about, in the order in which it became known.
    pub milestones: Vec<Reached>,
    /// What is done and was done, in the order in which it was asked for.
    pub steps: Vec<Work>,
    /// Its clocks, in the order in which they were set going.
    pub clocks: Vec<Ticking>,
    /// What is known of the conditions of steps; a step that is not named waits for data.
    pub answers: BTreeMap<String, bool>,
    /// What its activities made last, such as `Appointment/a1`.
    pub made: BTreeMap<String, String>,
}

/// The rule by which a run began, and what showed that it held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Grounds {
    /// The rule, as `PROTOCOL.RULE`.
    pub rule: String,
    /// What showed it then.
    pub evidence: Vec<Evidence>,
}

/// A limit of a clock as an institution keeps to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The clock.
    pub clock: String,
    /// The institution, such as `Organization/county`.
    pub of: String,
    /// The limit, in place of the protocol's for the same class.
    pub limit: Limit,
}

/// Somebody a role is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The reference, such as `Organization/centre`.
    pub reference: String,
    /// The name, for people.
    pub display: Option<String>,
}

/// The step a run is part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parent {
    /// The id of the root Task.
    pub run: String,
    /// The code of the step.
    pub step: String,
    /// Which time it was asked for.
    pub n: u32,
}

/// A milestone that has come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub code: String,
    /// Which occurrence, from 1. A correction keeps the number.
    pub n: u32,
    /// When it came about, in microseconds since 1970.
    pub at: i64,
    /// When it became known.
    pub recorded: i64,
    /// From what: a reference to the fact or the response; none when it follows from a step or a clock.
    pub source: Option<String>,
    /// Who says so.
    pub by: String,
    /// Why it was corrected.
    pub reason: Option<String>,
    /// With what name whoever corrected it signed.
    pub signed: Option<String>,
    /// When its source says that it came about, where that is later than the source was written.
    pub said: Option<i64>,
    /// A correction took its place.
    pub superseded: bool,
}

/// A milestone that a run begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// Which.
    pub code: String,
    /// When it came about, in microseconds since 1970.
    pub at: i64,
    /// From what that is known, where it is kept from another run that knew.
    pub source: Option<String>,
    /// Who said so there; whoever begins the run, when nobody did.
    pub by: Option<String>,
    /// When its source says that it came about, where that is later than the source was written.
    pub said: Option<i64>,
}

impl From<(String, i64)> for Brought {
    fn from((code, at): (String, i64)) -> Self {
        Self { code, at, ..Self::default() }
    }
}

impl From<&Reached> for Brought {
    fn from(reached: &Reached) -> Self {
        let Reached { code, at, source, by, said, .. } = reached.clone();
        Self { code, at, source, by: Some(by), said }
    }
}

/// A step that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub step: String,
    /// Which time, from 1.
    pub n: u32,
    /// Where it stands.
    pub status: WorkStatus,
    /// Since when it can be done, in microseconds since 1970.
    pub since: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// Its outcome, when it has several.
    pub outcome: Option<String>,
    /// The coded reason, and what was written besides.
    pub reason: Option<Reason>,
    /// The response to its form.
    pub response: Option<String>,
    /// Who it was handed to, when not to its role.
    pub party: Option<Party>,
    /// Who is at it or did it.
    pub by: Option<String>,
    /// Who has acknowledged, and when.
    pub acknowledged: Vec<(String, i64)>,
    /// The run it consists of.
    pub run: Option<String>,
    /// How many occurrences of what asks for it again had been seen when it was asked for.
    pub asked: u32,
}

/// A reason: a code of the list that is asked for, and free words besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Reason {
    /// Whether it is more than an empty place for one.
    fn says_something(&self) -> bool {
        !self.code.is_empty() || self.text.as_ref().is_some_and(|text| !text.is_empty())
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkStatus {
    /// It can be done.
    Ready,
    /// Somebody is at it.
    Taken,
    /// It was done.
    Done,
    /// It was left out for a reason.
    Skipped,
    /// It became unnecessary.
    Cancelled,
}

impl WorkStatus {
    /// Whether it is still to be done.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Ready | Self::Taken)
    }
}

/// A clock that was set going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticking {
    /// Which.
    pub clock: String,
    /// Which time, from 1.
    pub n: u32,
    /// When it was set going, in microseconds since 1970.
    pub began: i64,
    /// The moment from which its limits count, where that is another.
    pub base: Option<i64>,
    /// When it stopped.
    pub stopped: Option<i64>,
    /// It stopped because the run ended, and not because it was in time.
    pub cut: bool,
    /// Since when it is held.
    pub paused: Option<i64>,
    /// How long it was held before, in microseconds.
    pub held: i64,
    /// Which of its points have fired: the numbers of its rungs, and the number of rungs for the limit itself.
    pub fired: Vec<u32>,
}

/// Something that happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Who does it: a reference.
    pub by: String,
    /// What.
    pub deed: Deed,
    /// What is known at that time of the conditions of steps.
    pub answers: BTreeMap<String, bool>,
    /// What is known at that time of the moments from which limits of clocks count, in microseconds since 1970.
    pub instants: BTreeMap<String, i64>,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It begins, with these milestones.
    Begin {
        /// The milestones.
        reach: Vec<Brought>,
    },
    /// A step is done.
    Complete {
        /// Which step.
        step: String,
        /// Which time it was asked for.
        n: u32,
        /// Its outcome.
        outcome: Option<String>,
        /// The reason for the outcome.
        reason: Option<Reason>,
        /// The response to its form.
        response: Option<String>,
        /// When, if not just now.
        at: Option<i64>,
        /// Roles that are bound anew by it.
        bind: BTreeMap<String, Party>,
    },
    /// Somebody takes a step on.
    Take {
        /// Which step.
        step: String,
        /// Which time it was asked for.
        n: u32,
    },
    /// A step is handed to somebody.
    Hand {
        /// Which step.
        step: String,
        /// Which time it was asked for.
        n: u32,
        /// To whom.
        party: Party,
    },
    /// A step is left out.
    Skip {
        /// Which step.
        step: String,
        /// Which time it was asked for.
        n: u32,
        /// Why.
        reason: Reason,
    },
    /// Somebody has seen it.
    Acknowledge {
        /// Which step.
        step: String,
        /// Which time it was asked for.
        n: u32,
    },
    /// The record says that a step is done or a milestone reached.
    Fact {
        /// The step that is done by it.
        step: Option<(String, u32)>,
        /// The milestone that is reached by it.
        milestone: Option<String>,
        /// What says so.
        source: String,
        /// When it came about.
        at: i64,
        /// When the source says that it came about, where that is later than the source was written: a clock that is wrong.
        said: Option<i64>,
    },
    /// The time of a milestone was wrong.
    Correct {
        /// Which.
        milestone: String,
        /// Which occurrence.
        n: u32,
        /// When it really was.
        at: i64,
        /// Why that is known.
        reason: String,
        /// With what name whoever says so signs.
        signed: Option<String>,
    },
    /// A point of a clock was due.
    Tick {
        /// Which clock.
        clock: String,
        /// Which time it was set going.
        n: u32,
        /// Which of its points.
        point: u32,
        /// When it was due.
        due: i64,
    },
    /// A run that a step consists of has ended.
    Ended {
        /// Its id.
        run: String,
        /// How.
        end: End,
    },
    /// The class is another.
    Regrade {
        /// The new class.
        class: String,
        /// Why.
        reason: String,
    },
    /// It goes on under another protocol.
    Switch {
        /// Which.
        protocol: String,
        /// Why.
        reason: String,
    },
    /// It is stopped.
    Cancel {
        /// Why.
        reason: Reason,
    },
    /// More is known of conditions.
    Look,
    /// It goes on under a later version of its protocol, which says how.
    Migrate {
        /// The version it had.
        from: String,
        /// What the points of its clocks are now, so that what has fired does not fire again. The engine itself puts
        /// them in; see [`moved_points`].
        points: Vec<MovedPoint>,
    },
}

/// What is to be done about an event besides keeping the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Roles are told.
    Tell {
        /// Which.
        roles: Vec<String>,
        /// What about.
        about: About,
    },
    /// An activity is written.
    Make {
        /// Which.
        activity: String,
    },
    /// A protocol is started.
    Begin {
        /// Which, and how.
        next: Next,
        /// The step that consists of it.
        step: Option<(String, u32)>,
    },
    /// The run goes on under another protocol: a run of it begins with the milestones of this one.
    Switch {
        /// Which.
        protocol: String,
    },
}

/// What somebody is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A milestone was reached.
    Milestone {
        /// Which.
        code: String,
        /// Which occurrence.
        n: u32,
    },
    /// A clock has come to a point.
    Clock {
        /// Which.
        code: String,
        /// Which time it was set going.
        n: u32,
        /// Which of its points.
        point: u32,
    },
    /// The class is another.
    Class {
        /// Which it is now.
        code: String,
        /// Why.
        reason: String,
    },
}

impl Run {
    /// The latest occurrence of a milestone that still counts.
    pub fn reached(&self, code: &str) -> Option<&Reached> {
        self.milestones.iter().rev().find(|one| one.code == code && !one.superseded)
    }

    /// Whether a fact says nothing more of its milestone.
    pub fn is_past(&self, fact: &Fact) -> bool {
        fact.until.iter().any(|until| self.reached(until).is_some())
    }

    /// What it keeps when it goes on under another protocol: the milestones both know. One that would end the new run at
    /// once is not kept: it is why one switches.
    pub fn kept_under<'r>(&'r self, other: &'r Protocol) -> impl Iterator<Item = &'r Reached> {
        let known = |one: &&Reached| other.milestone(&one.code).is_some_and(|known| known.ends.is_none());
        self.milestones.iter().filter(|one| !one.superseded).filter(known)
    }

    /// How often a milestone has come about.
    pub fn occurrences(&self, code: &str) -> u32 {
        self.milestones.iter().filter(|one| one.code == code).map(|one| one.n).max().unwrap_or(0)
    }

    /// A step that was asked for.
    pub fn work(&self, step: &str, n: u32) -> Option<&Work> {
        self.steps.iter().find(|one| one.step == step && one.n == n)
    }

    /// The steps that can be done now.
    pub fn open(&self) -> impl Iterator<Item = &Work> {
        self.steps.iter().filter(|one| one.status.is_open())
    }

    /// What its activities created or took over, besides what it is about, in the order of the protocol.
    pub fn created<'r>(&'r self, protocol: &'r Protocol) -> impl Iterator<Item = (&'r Activity, &'r str)> {
        let created = protocol.activities.iter().filter(|activity| activity.create.is_some());
        let made = created.filter_map(|activity| Some((activity, self.made.get(activity.code.as_str())?.as_str())));
        made.filter(|(_, what)| self.focus.as_deref() != Some(what))
    }

    /// Whom a role is bound to, or the role it falls back to.
    pub fn party<'r>(&'r self, protocol: &'r Protocol, role: &str) -> Option<&'r Party> {
        let mut role = protocol.role(role)?;
        // A circle of fallbacks ends after as many turns as there are roles.
        for _ in 0..=protocol.roles.len() {
            if let Some(party) = self.parties.get(role.code.as_str()) {
                return Some(party);
            }
            role = protocol.role(role.otherwise.as_deref()?)?;
        }
        None
    }

    /// The limit of a clock in this run: that of its institution where it has one of its own.
    pub fn limit<'r>(&'r self, clock: &'r Clock) -> Option<&'r Limit> {
        let limit = clock.limit(self.class.as_deref())?;
        Some(self.own_limit(clock).map_or(limit, |own| &own.limit))
    }

    /// The limit that its institution keeps to in place of the one a clock has for this class of runs.
    pub fn own_limit(&self, clock: &Clock) -> Option<&Own> {
        let limit = clock.limit(self.class.as_deref())?;
        self.own.iter().find(|own| own.clock == clock.code.as_str() && own.limit.class == limit.class)
    }

    /// Who is to do a step.
    pub fn assignee<'r>(&'r self, protocol: &'r Protocol, work: &'r Work) -> Option<&'r Party> {
        work.party.as_ref().or_else(|| self.party(protocol, &protocol.step(&work.step)?.who))
    }
}

#[cfg(test)]
pub(crate) mod tests;
