//! What a protocol says. The names of the fields are the words of the text it is written in.

mod calendar;
mod document;
mod few;
mod series;
mod span;
mod traits;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use calendar::{Calendar, Day, TimeOfDay, Weekday};
pub use document::{Document, PaperSize, Row, Section, Signature};
pub use series::Series;
pub use span::{Span, Unit};
pub use traits::{Need, Trait, Weigh};

/// A code that remembers where in its text it stands. Two codes are equal when they read the same.
#[derive(Clone, Default)]
pub struct Code {
    text: String,
    at: usize,
}

impl Code {
    /// The byte of the text it was read from at which it stands; 0 when it was not read from a text.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T: Into<String>> From<T> for Code {
    fn from(text: T) -> Self {
        Self { text: text.into(), at: 0 }
    }
}

impl Deref for Code {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Borrow<str> for Code {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<String>::deserialize(deserializer)?;
        let at = spanned.span().start;
        Ok(Self { text: spanned.into_inner(), at })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What a person reads, in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In Chinese as written on the mainland.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zh: String,
    /// In English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub en: String,
}

/// A care process as data.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Protocol {
    /// Its name among protocols.
    pub code: Code,
    /// Its version. A run stays with the one it began with.
    pub version: String,
    /// What it is called.
    pub title: Words,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Words>,
    /// Where its rules come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The type of the resource a run is about besides its patient, such as `ServiceRequest`; `%focus` in conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Code>,
    /// Grades that clocks tell apart, such as how urgent it is.
    #[serde(default, rename = "class", skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
    /// The class of a run, as FHIRPath on its focus, when whoever starts it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_from: Option<Code>,
    /// Who takes part.
    #[serde(default, rename = "role", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Working times that clocks keep to.
    #[serde(default, rename = "calendar", skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    /// What a run begins with.
    #[serde(default, rename = "start", skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// How a run is taken back; without it, whoever may act can stop it for any reason at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// What is told of a run once, as it begins.
    #[serde(default, rename = "trait", skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<Trait>,
    /// What conditions look up in the record.
    #[serde(default, rename = "data", skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Data>,
    /// What can come about.
    #[serde(default, rename = "milestone", skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<Milestone>,
    /// What is done.
    #[serde(default, rename = "step", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What runs meanwhile.
    #[serde(default, rename = "clock", skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Clock>,
    /// What the engine writes to the record.
    #[serde(default, rename = "activity", skip_serializing_if = "Vec::is_empty")]
    pub activities: Vec<Activity>,
    /// The numbers it gives to what it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
    /// What is counted.
    #[serde(default, rename = "indicator", skip_serializing_if = "Vec::is_empty")]
    pub indicators: Vec<Indicator>,
    /// What a worklist says of a run.
    #[serde(default, rename = "summary", skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<Summary>,
    /// What a run can be printed as.
    #[serde(default, rename = "document", skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// Runs of earlier versions that may go on under this one.
    #[serde(default, rename = "migration", skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
}

/// A grade of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Class {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// `Task.priority`: routine, urgent, asap or stat.
    pub priority: Code,
    /// Activities that are written when a run comes to be of this class that was of another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make: Vec<Code>,
}

/// Somebody who takes part: an institution or a department with the duties that count, a person, a team, the patient, or
/// a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Role {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// What it is bound to.
    pub party: PartyKind,
    /// The duties that may act for an institution, department or team; any of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<Code>,
    /// To whom it is bound when a run starts, as FHIRPath on the focus that gives a Reference; otherwise whoever starts
    /// the run says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Code>,
    /// The role it falls back to when it is bound to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Code>,
    /// A run can start without it being bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// What somebody is on call for who answers in it, as rosters have it. For steps that wait for an answer
    /// ([`Step::page`]) they are paged over every channel they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Code>,
}

/// What a role is bound to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    /// An Organization: an institution or one of its departments.
    #[default]
    Institution,
    /// A PractitionerRole or Practitioner.
    Person,
    /// A CareTeam.
    Team,
    /// The patient of the run, or who acts for them.
    Patient,
    /// The platform or another system.
    System,
}

/// What a run begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Start {
    /// Its code, where there are several ways to start and it matters which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What the button says, where it is not simply the protocol's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Words>,
    /// How.
    pub by: StartKind,
    /// By hand: the form to be filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Code>,
    /// The activity that makes what the run is about. `%focus` in it is what the run was given; whoever starts a run by
    /// hand and gives it a focus has made that already, and the activity is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub make: Option<Code>,
    /// By hand: the duties that may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<Code>,
    /// By an event: the type of the resource that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Code>,
    /// By an event: what must hold of it, as FHIRPath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// By a schedule: how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// By a schedule: a search whose matches each begin a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Code>,
    /// By an event or a schedule: the rule of criteria that must hold for the patient of what was written or found, as
    /// `PROTOCOL.RULE`. What shows that it holds stays with the run, and the same evidence begins one run. Nothing begins
    /// where the suggestion was declined on that evidence, or what it suggests is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criterion: Option<Code>,
    /// Which class the run has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Code>,
    /// Milestones reached at the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Code>,
}

/// How a run is taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cancel {
    /// The roles that may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<Code>,
    /// The code list one of whose reasons must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Code>,
    /// Milestones after any of which it is too late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<Code>,
    /// Milestones reached; the run ends even if none of them ends it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Code>,
}

/// How a run begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// Somebody starts it.
    #[default]
    Hand,
    /// Something is written to the record.
    Event,
    /// It is time.
    Schedule,
    /// Another protocol starts it.
    Protocol,
}

/// What conditions look up: `%code` is what the search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Data {
    /// The name of the variable.
    pub code: Code,
    /// A search, with `{patient}`, `{focus}` and `{run}` standing for ids.
    pub query: Code,
}

/// Something that comes about, and what follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Milestone {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// In words for the patient; where absent, the patient is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Words>,
    /// The facts of the record that say so, one or several: whichever is told first.
    #[serde(default, rename = "fact", with = "few", skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Milestones that come before it; a time before theirs is marked, not refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Code>,
    /// The business status of the run from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Code>,
    /// The role that owns the run from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Code>,
    /// The run ends, with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<End>,
    /// Roles that are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<Code>,
    /// Activities that are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make: Vec<Code>,
    /// Protocols that are started for the same patient in the same chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begin: Vec<Next>,
    /// The protocol the run goes on under, its time points kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<Code>,
}

/// How a run ends: a `Task.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// As intended.
    Completed,
    /// Whoever was asked refused.
    Rejected,
    /// Whoever asked took it back.
    Cancelled,
    /// It could not be done.
    Failed,
}

/// A fact of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fact {
    /// The type of the resource.
    pub on: Code,
    /// What must hold of it, as FHIRPath; `%focus`, `%run` and the data stand for what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// When it came about, as FHIRPath on the resource; otherwise when it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Code>,
    /// Of a milestone: milestones after any of which it says nothing more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<Code>,
    /// Of a milestone: how long before the run began it counts as well if it was written then, such as the registration
    /// of somebody for whom a run is begun a few minutes after they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Span>,
}

/// A protocol that follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Next {
    /// Its code.
    pub protocol: Code,
    /// The way it starts, where it matters which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Code>,
    /// Its class; otherwise that of this run, where the protocol has one of that code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Code>,
    /// Milestones that it begins with, at the times they have in this run; those not reached are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Code>,
    /// Its roles, each bound to a role of this protocol; a role of the same name is bound without being named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Code>,
    /// For whom it is, such as the child that was born, as FHIRPath on what this run knows that gives a Reference or a
    /// Patient; otherwise for this run's patient. It does not begin where that gives nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Code>,
    /// Its focus, as FHIRPath on what this run knows; otherwise this run's focus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Code>,
}

/// Something somebody does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Its code.
    pub code: Code,
    /// What it is called, as one says it to who does it.
    pub title: Words,
    /// The role that does it.
    pub who: Code,
    /// The classes of runs it is part of; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Code>,
    /// What must have come about first: each a milestone, or several of which one is enough, `accepted|redirected`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Code>,
    /// Milestones each of whose further occurrences asks for the step anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Code>,
    /// Milestones that make it unnecessary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<Code>,
    /// Whether it applies at all, as FHIRPath on the record; empty means it is not known yet, and the step waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// The run can end without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Reasons for which it may be skipped; none means it may not. A code list of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Code>,
    /// The form to be filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Code>,
    /// The fact of the record that completes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<Fact>,
    /// How many of the role acknowledge before it is complete; 0 where somebody simply does it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub acknowledgements: u32,
    /// Whether whoever is on call for its role is paged for it, and again by the clocks it stops. Where nothing is said
    /// they are if the step waits for acknowledgements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<bool>,
    /// The protocol it consists of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Next>,
    /// The platform does it, at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// Milestones reached when somebody takes it on, or does it without having said so before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begins: Vec<Code>,
    /// Milestones reached when it is done, whatever its outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Code>,
    /// The ways it can end; none means it is simply done.
    #[serde(default, rename = "outcome", skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A way a step can end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// Its code.
    pub code: Code,
    /// What the button says.
    pub title: Words,
    /// The classes of runs it is for; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Code>,
    /// Milestones reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Code>,
    /// The code list one of whose reasons must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Code>,
    /// The form to be filled in for this outcome, instead of that of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Code>,
    /// It may be chosen only while this holds, as FHIRPath on what the run knows; `%response` is what was filled in for
    /// it. What is not known yet does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// How often it may be chosen in one run; 0 means any number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub most: u32,
    /// Roles that are bound anew, each as FHIRPath on the form's response that gives a Reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bind: BTreeMap<String, Code>,
    /// The class the run has from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Code>,
}

/// What runs between milestones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clock {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// The milestone that sets it going; each further occurrence sets it going anew once it has stopped.
    pub from: Code,
    /// The milestones of which any stops it. The one that sets it going may be among them: each further occurrence then
    /// ends one stretch and begins the next, as where something must happen every few minutes.
    pub to: Vec<Code>,
    /// The moment from which its limits count, such as the end of an appointment, as FHIRPath on what the run knows;
    /// where it gives nothing they count from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Code>,
    /// The working times it keeps to; otherwise it runs day and night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Code>,
    /// Milestones that hold it, and those that let it go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// Its limits; the one of the run's class, otherwise the one without a class. Without either it only measures.
    #[serde(default, rename = "limit", skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What happens as it runs.
    #[serde(default, rename = "rung", skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
}

/// What holds a clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pause {
    /// The milestone that holds it.
    pub from: Code,
    /// The milestone that lets it go on.
    pub to: Code,
}

/// How long a clock may run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// The class of runs it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Code>,
    /// What is aimed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Span>,
    /// When a warning is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<Span>,
    /// What must not be exceeded.
    pub breach: Span,
    /// It counts day and night, whatever working times the clock keeps to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// Where the figure comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What happens when a clock has run so long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rung {
    /// From where it counts.
    pub at: RungKind,
    /// The classes of runs in which it happens; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Code>,
    /// How long after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plus: Option<Span>,
    /// Roles that are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<Code>,
    /// The role to which the steps that would stop the clock are handed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<Code>,
    /// Milestones reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Code>,
}

/// From where a rung counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RungKind {
    /// The beginning.
    Begin,
    /// The target.
    Target,
    /// The warning.
    Warn,
    /// The limit.
    #[default]
    Breach,
}

/// A resource the engine writes, made of FHIRPath.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Activity {
    /// Its code.
    pub code: Code,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Words>,
    /// The type of the resource that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Code>,
    /// What is changed instead: `focus`, or the code of the activity that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Code>,
    /// What is taken over instead of one being created, where there is such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// What must hold of what the run knows, as FHIRPath; where it does not, nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// Element by element, in order: where, and what as FHIRPath on what the run knows. An empty result leaves the
    /// element out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Assignment>,
}

/// A resource that is there already and becomes what an activity has made, such as an appointment that was held before
/// the run began. Its elements are set as those of one that is created; to them, the activity's own code stands for it,
/// and for nothing where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Adopt {
    /// Which, as FHIRPath on what the run knows that gives a Reference; where it gives nothing, one is created.
    pub from: Code,
    /// What must hold of it, as FHIRPath on the resource. What it does not hold of is not taken over, and neither is what
    /// belongs to another patient: the act is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
}

/// One element of an activity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Assignment {
    /// The element, such as `status` or `participant[0].actor`.
    pub path: Code,
    /// Its value as FHIRPath.
    pub value: Code,
    /// Where there are any, each thing that `value` finds becomes one item of the list at `path`, made of these: a medicine
    /// of a form one activity of a plan. What several find for the same path is one list, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Element>,
}

/// One element of an item of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Element {
    /// The element of the item, such as `detail.status`.
    pub path: Code,
    /// Its value as FHIRPath on the thing the item is made of; the variables are those of the activity.
    pub value: Code,
}

impl Activity {
    /// All FHIRPath of which its elements are made.
    pub fn values(&self) -> impl Iterator<Item = &Code> {
        self.set.iter().flat_map(|set| std::iter::once(&set.value).chain(set.set.iter().map(|inner| &inner.value)))
    }
}

/// What is counted over runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Indicator {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// What is made of the times.
    pub kind: IndicatorKind,
    /// The runs it is about: those that reached all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<Code>,
    /// And none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Code>,
    /// And are of one of these classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Code>,
    /// Of a share: what those that count have reached. Of a ratio: what those above the line have reached, who need not
    /// be among those `having` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<Code>,
    /// Of a time: the clock whose time it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Code>,
    /// Of a share: within how long the clock must have stopped; otherwise within its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Of a share: everything that is asked of a run, instead of `clock` and `reached`.
    #[serde(default, rename = "need", skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Of a share: numbers of runs that are summed, instead of runs that are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weigh: Option<Weigh>,
    /// Of a ratio: what the record counts above the line, instead of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Counted>,
    /// Of a ratio: what the record counts below the line, instead of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Counted>,
    /// Of a ratio: for how many it is told, such as 1000; otherwise 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// What is aimed at, in the unit of the value: percent, minutes, or for each `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<u32>,
    /// The less of it the better, as of deaths; of times it is understood. Without it a share is the better the larger it
    /// is, and `goal` is what it should at least be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub less: bool,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What the record counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Counted {
    /// A search whose matches are counted.
    pub query: Code,
    /// The parameter of that search that says when; the period is put there.
    pub date: Code,
    /// The parameter that says where; without it nothing is told of one institution alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Code>,
}

/// What an indicator makes of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndicatorKind {
    /// How many.
    #[default]
    Count,
    /// Which share of them.
    Share,
    /// How many of some there are for each of the others.
    Ratio,
    /// The median time.
    Median,
    /// The time nine in ten keep.
    P90,
}

/// What a worklist says of a run besides its patient and its clocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Summary {
    /// Its code.
    pub code: Code,
    /// The heading.
    pub title: Words,
    /// What stands under it, as FHIRPath on what the run knows.
    pub value: Code,
}

/// How a run of an earlier version goes on under this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Migration {
    /// The earlier version.
    pub from: String,
    /// Steps that are called otherwise now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, Code>,
    /// Milestones that are called otherwise now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub milestones: BTreeMap<String, Code>,
    /// Clocks that are called otherwise now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clocks: BTreeMap<String, Code>,
    /// Activities that are called otherwise now: what they made is found under the new name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub activities: BTreeMap<String, Code>,
}

impl Protocol {
    /// The milestone of that code.
    pub fn milestone(&self, code: &str) -> Option<&Milestone> {
        self.milestones.iter().find(|one| one.code.as_str() == code)
    }

    /// The step of that code.
    pub fn step(&self, code: &str) -> Option<&Step> {
        self.steps.iter().find(|one| one.code.as_str() == code)
    }

    /// The clock of that code.
    pub fn clock(&self, code: &str) -> Option<&Clock> {
        self.clocks.iter().find(|one| one.code.as_str() == code)
    }

    /// The role of that code.
    pub fn role(&self, code: &str) -> Option<&Role> {
        self.roles.iter().find(|one| one.code.as_str() == code)
    }

    /// The trait of that code.
    pub fn trait_(&self, code: &str) -> Option<&Trait> {
        self.traits.iter().find(|one| one.code.as_str() == code)
    }

    /// The calendar of that code.
    pub fn calendar(&self, code: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|one| one.code.as_str() == code)
    }

    /// The activity of that code.
    pub fn activity(&self, code: &str) -> Option<&Activity> {
        self.activities.iter().find(|one| one.code.as_str() == code)
    }

    /// The document of that code.
    pub fn document(&self, code: &str) -> Option<&Document> {
        self.documents.iter().find(|one| one.code.as_str() == code)
    }

    /// The way in which it is started by another protocol: that of the code, or the one that is for such.
    pub fn way(&self, code: Option<&str>) -> Option<&Start> {
        self.starts.iter().find(|start| match code {
            Some(code) => start.code.as_deref() == Some(code),
            None => start.by == StartKind::Protocol,
        })
    }

    /// The class of that code.
    pub fn class(&self, code: &str) -> Option<&Class> {
        self.classes.iter().find(|one| one.code.as_str() == code)
    }
}

/// Whether something that is for these classes is for runs of that class.
fn is_for(classes: &[Code], class: Option<&str>) -> bool {
    classes.is_empty() || class.is_some_and(|class| classes.iter().any(|one| one.as_str() == class))
}

impl Step {
    /// Whether it is part of runs of that class.
    pub fn is_for(&self, class: Option<&str>) -> bool {
        is_for(&self.classes, class)
    }

    /// The outcome of that code.
    pub fn outcome(&self, code: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|one| one.code.as_str() == code)
    }

    /// The milestones it may reach, whatever its outcome.
    pub fn reaches(&self) -> impl Iterator<Item = &Code> {
        self.reach.iter().chain(self.outcomes.iter().flat_map(|outcome| &outcome.reach))
    }

    /// Whether somebody is paged for it: it waits for an answer.
    pub fn is_paged(&self) -> bool {
        self.page.unwrap_or(self.acknowledgements > 0)
    }

    /// Whether taking it on or doing it may stop a clock.
    pub fn stops(&self, clock: &Clock) -> bool {
        self.begins.iter().chain(self.reaches()).any(|code| clock.to.contains(code))
    }
}

impl Outcome {
    /// Whether it may be chosen in runs of that class.
    pub fn is_for(&self, class: Option<&str>) -> bool {
        is_for(&self.classes, class)
    }
}

impl Rung {
    /// Whether it happens in runs of that class.
    pub fn is_for(&self, class: Option<&str>) -> bool {
        is_for(&self.classes, class)
    }
}

impl Clock {
    /// The limit that holds for runs of a class.
    pub fn limit(&self, class: Option<&str>) -> Option<&Limit> {
        let own = self.limits.iter().find(|limit| limit.class.is_some() && limit.class.as_deref() == class);
        own.or_else(|| self.limits.iter().find(|limit| limit.class.is_none()))
    }
}
