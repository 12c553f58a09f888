//! What a screen shows of a run: every step, also those not asked for yet, clocks with where they stand, and what holds
//! the run up. A pure function of the run, the time and who looks.

mod path;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

use crate::definition::{Clock, Code, End, PartyKind, Protocol, Step, Words};
use crate::run::{Grounds, Parent, Party, Reached, Reason, Run, Ticking, Work, WorkStatus};
use path::Path;

/// Who looks at a run, when, and what the record knows besides.
#[derive(Clone, Copy)]
pub struct Viewer<'v> {
    /// The time, in microseconds since 1970.
    pub now: i64,
    /// Where times are written for.
    pub zone: Offset,
    /// The patient, or who acts for them: they are shown what is meant for them, in its words.
    pub lay: bool,
    /// Whether they may do a step that is open.
    pub may: &'v dyn Fn(&Work) -> bool,
    /// Whether they may take the run back.
    pub may_cancel: bool,
    /// Whether they may say that it is more or less urgent.
    pub may_regrade: bool,
    /// The protocols under which they may let it go on instead of its own.
    pub targets: &'v [Arc<Protocol>],
    /// What people and institutions are called, by reference.
    pub names: &'v BTreeMap<String, String>,
    /// What stands under the headings of the summary, by code.
    pub summary: &'v BTreeMap<String, String>,
}

/// A time, written with the offset of where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// In microseconds since 1970.
    pub at: i64,
    /// The offset.
    pub zone: Offset,
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.at.div_euclid(1_000);
        // A time beyond the calendar's end, such as the end of a clock whose calendar knows no working day, is its end.
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        serializer.collect_str(&format_args!("{:.3}", at.display_with_offset(self.zone)))
    }
}

/// A code and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coded<'v> {
    /// The code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
}

/// A run as a screen shows it.
#[derive(Debug, Clone, Serialize)]
pub struct View<'v> {
    /// The id of its root Task.
    pub id: &'v str,
    /// Its protocol.
    pub protocol: Named<'v>,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Someone<'v>>,
    /// What it is about besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<&'v str>,
    /// The form it was started with, filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<&'v str>,
    /// The id of the first run of its chain.
    pub chain: &'v str,
    /// The run one of whose steps it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<&'v Parent>,
    /// Its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Coded<'v>>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Its business status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'v str>,
    /// The role that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner<'v>>,
    /// When it began.
    pub began: Moment,
    /// When this was put together.
    pub now: Moment,
    /// What has come about, in the order in which it became known.
    pub milestones: Vec<MilestoneView<'v>>,
    /// What has not come about and stands between here and the end, in the order of the protocol.
    pub ahead: Vec<Coded<'v>>,
    /// All steps, in the order of the protocol.
    pub steps: Vec<StepView<'v>>,
    /// The clocks that were set going.
    pub clocks: Vec<ClockView<'v>>,
    /// What a worklist says of it.
    pub summary: Vec<SummaryView<'v>>,
    /// What its activities created that has a name, such as a plan of care, in the order of the protocol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<MadeView<'v>>,
    /// Why it began, where a criterion did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounds: Option<&'v Grounds>,
    /// How it can be taken back, for whoever may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CancelView<'v>>,
    /// The classes it can have instead of its own, for whoever may say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regrade: Vec<Coded<'v>>,
    /// The protocols under which it can go on instead, for whoever may say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub switch: Vec<SwitchView<'v>>,
    /// The steps that hold the run up: on the way to its end, those that are open or whose condition is not known.
    pub blocking: Vec<&'v str>,
    /// What those are called who are named above.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<&'v str, &'v str>,
}

/// A protocol of a version.
#[derive(Debug, Clone, Serialize)]
pub struct Named<'v> {
    /// Its code.
    pub code: &'v str,
    /// Its version.
    pub version: &'v str,
    /// What it is called.
    pub title: &'v Words,
}

/// Somebody, and what they are called.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Someone<'v> {
    /// The reference.
    pub reference: &'v str,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'v str>,
}

/// Who owns a run.
#[derive(Debug, Clone, Serialize)]
pub struct Owner<'v> {
    /// The code of the role.
    pub role: &'v str,
    /// What the role is called.
    pub title: &'v Words,
    /// Whom it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Someone<'v>>,
}

/// A milestone that has come about.
#[derive(Debug, Clone, Serialize)]
pub struct MilestoneView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// In words for the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<&'v Words>,
    /// Which occurrence.
    pub n: u32,
    /// When it came about.
    pub at: Moment,
    /// When it became known.
    pub recorded: Moment,
    /// From what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'v str>,
    /// Who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'v str>,
    /// Why it was corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'v str>,
    /// With what name whoever corrected it signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<&'v str>,
    /// When its source says that it came about, where that is later than the source was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Moment>,
    /// A correction took its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
    /// Its time lies before that of a milestone that comes before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// Where a step stands, also one that was not asked for yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// What it requires has not all come about.
    Waiting,
    /// It could be asked for, if its condition were known to hold.
    Unknown,
    /// Its condition does not hold.
    NotApplicable,
    /// It can be done.
    Ready,
    /// Somebody is at it.
    Taken,
    /// It was done.
    Done,
    /// It was left out for a reason.
    Skipped,
    /// It became unnecessary, asked for or not.
    Cancelled,
}

/// A step, once for each time it was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct StepView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// Which time.
    pub n: u32,
    /// The id of its Task, once it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Who does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coded<'v>>,
    /// Whom that is bound to, or who it was handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Someone<'v>>,
    /// The duties that may do it there.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub duties: &'v [Code],
    /// Since when it can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// Its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'v str>,
    /// The reason for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'v Reason>,
    /// Who is at it or did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'v str>,
    /// The response to its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<&'v str>,
    /// The run it consists of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<&'v str>,
    /// Who has acknowledged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledged<'v>>,
    /// How many acknowledge before it is done; 0 where somebody simply does it.
    pub acknowledgements: u32,
    /// Whether whoever is on call for its role is paged for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paged: bool,
    /// What must come about first: each one of several milestones.
    pub requires: Vec<Vec<&'v str>>,
    /// The milestones that would meet what is not met.
    pub missing: Vec<&'v str>,
    /// The run can end without it.
    pub optional: bool,
    /// The list of reasons for which it may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<&'v str>,
    /// The form to be filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'v str>,
    /// The ways it can end.
    pub outcomes: Vec<OutcomeView<'v>>,
    /// Whether whoever looks may do it.
    pub may: bool,
}

/// Somebody who has acknowledged.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Acknowledged<'v> {
    /// Who.
    pub by: &'v str,
    /// When.
    pub at: Moment,
}

/// A way a step can end.
#[derive(Debug, Clone, Serialize)]
pub struct OutcomeView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What the button says.
    pub title: &'v Words,
    /// The list one of whose reasons must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<&'v str>,
    /// The form to be filled in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'v str>,
    /// How often it may still be chosen in this run; none when any number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u32>,
}

/// How far a clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It runs.
    Running,
    /// It runs past what is aimed at.
    Target,
    /// It runs past its warning.
    Warn,
    /// It runs past its limit.
    Breach,
    /// It is held.
    Held,
    /// It stopped within its limit, or had none.
    Met,
    /// It stopped past its limit.
    Late,
    /// It stopped because the run ended.
    Cut,
}

/// A clock, once for each time it was set going.
#[derive(Debug, Clone, Serialize)]
pub struct ClockView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// Which time.
    pub n: u32,
    /// The milestone that set it going.
    pub from: &'v str,
    /// The milestones of which any stops it.
    pub to: &'v [Code],
    /// When it was set going.
    pub began: Moment,
    /// When it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Moment>,
    /// Since when it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Moment>,
    /// How long it was held before, in seconds.
    pub held: i64,
    /// It stopped because the run ended.
    pub cut: bool,
    /// What is aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Moment>,
    /// When it warns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn: Option<Moment>,
    /// Its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach: Option<Moment>,
    /// The limit is the institution's own, and not the protocol's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnView<'v>>,
    /// How far it is.
    pub level: Level,
    /// When it next comes to a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Moment>,
}

/// What an institution keeps to in place of what the protocol says.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OwnView<'v> {
    /// The institution, such as `Organization/county`.
    pub of: &'v str,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'v str>,
}

/// How a run can be taken back.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CancelView<'v> {
    /// The list one of whose reasons must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<&'v str>,
}

/// A protocol under which a run can go on, and what it keeps then.
#[derive(Debug, Clone, Serialize)]
pub struct SwitchView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// The milestones it keeps, with their times.
    pub keeps: Vec<KeptView<'v>>,
    /// Those that only the protocol knows under which it is now. They stay with the run as it was.
    pub leaves: Vec<Coded<'v>>,
}

/// A milestone that is kept.
#[derive(Debug, Clone, Serialize)]
pub struct KeptView<'v> {
    /// Its code.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// When it came about.
    pub at: Moment,
}

/// A resource that a run wrote.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MadeView<'v> {
    /// The code of the activity.
    pub code: &'v str,
    /// What it is called.
    pub title: &'v Words,
    /// The reference.
    pub reference: &'v str,
}

/// A line of the summary.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryView<'v> {
    /// Its code.
    pub code: &'v str,
    /// The heading.
    pub title: &'v Words,
    /// What stands under it.
    pub value: &'v str,
}

/// What a screen shows of a run.
pub fn view<'v>(protocol: &'v Protocol, run: &'v Run, viewer: Viewer<'v>) -> View<'v> {
    let eye = Eye { protocol, run, viewer };
    let path = Path::of(protocol, run);
    let mut view = View {
        id: &run.id,
        protocol: Named { code: &protocol.code, version: &protocol.version, title: &protocol.title },
        patient: run.patient.as_deref().map(|patient| eye.someone(patient, None)),
        focus: run.focus.as_deref(),
        response: run.response.as_deref(),
        chain: &run.chain,
        parent: run.parent.as_ref(),
        class: run.class.as_deref().and_then(|code| protocol.class(code)).map(|class| coded(&class.code, &class.title)),
        end: run.end,
        status: run.status.as_deref(),
        owner: run.owner.as_deref().and_then(|role| eye.owner(role)),
        began: eye.moment(run.began),
        now: eye.moment(viewer.now),
        milestones: run.milestones.iter().filter_map(|reached| eye.milestone(reached)).collect(),
        ahead: path.ahead().map(|one| coded(&one.code, &one.title)).collect(),
        steps: protocol.steps.iter().flat_map(|step| eye.steps(step)).collect(),
        clocks: run.clocks.iter().filter_map(|ticking| eye.clock(ticking)).collect(),
        summary: eye.summary(),
        made: eye.made(),
        grounds: run.grounds.as_ref(),
        cancel: viewer
            .may_cancel
            .then(|| CancelView { reasons: protocol.cancel.as_ref().and_then(|cancel| cancel.reasons.as_deref()) }),
        regrade: protocol
            .classes
            .iter()
            .filter(|class| viewer.may_regrade && run.end.is_none() && run.class.as_deref() != Some(&class.code))
            .map(|class| coded(&class.code, &class.title))
            .collect(),
        switch: viewer.targets.iter().map(|other| eye.switch(other)).collect(),
        blocking: path.blocking(),
        names: BTreeMap::new(),
    };
    if viewer.lay {
        view.narrow(protocol);
    }
    view.names = eye.names(&view);
    view
}

/// Where a step stands that was not asked for, or would have to be asked for again.
fn unasked(run: &Run, step: &Step) -> State {
    let unnecessary = step.until.iter().any(|code| run.reached(code).is_some());
    let answer = step.when.as_ref().map(|_| run.answers.get(step.code.as_str()));
    match answer {
        _ if !step.is_for(run.class.as_deref()) => State::NotApplicable,
        _ if run.end.is_some() || unnecessary => State::Cancelled,
        Some(Some(false)) => State::NotApplicable,
        Some(None) if unmet(run, step).next().is_none() => State::Unknown,
        _ => State::Waiting,
    }
}

/// The milestones one of which each requirement asks for.
fn alternatives(requirement: &Code) -> impl Iterator<Item = &str> {
    requirement.split('|').map(str::trim)
}

/// What a step requires and has not come about.
fn unmet<'p>(run: &Run, step: &'p Step) -> impl Iterator<Item = &'p Code> {
    step.requires.iter().filter(|one| !alternatives(one).any(|code| run.reached(code).is_some()))
}

fn coded<'v>(code: &'v Code, title: &'v Words) -> Coded<'v> {
    Coded { code: code.as_str(), title }
}

struct Eye<'v> {
    protocol: &'v Protocol,
    run: &'v Run,
    viewer: Viewer<'v>,
}

impl<'v> Eye<'v> {
    const fn moment(&self, at: i64) -> Moment {
        Moment { at, zone: self.viewer.zone }
    }

    fn someone(&self, reference: &'v str, display: Option<&'v str>) -> Someone<'v> {
        let display = display.or_else(|| self.viewer.names.get(reference).map(String::as_str));
        Someone { reference, display }
    }

    fn party(&self, party: &'v Party) -> Someone<'v> {
        self.someone(&party.reference, party.display.as_deref())
    }

    fn owner(&self, role: &str) -> Option<Owner<'v>> {
        let role = self.protocol.role(role)?;
        let party = self.run.party(self.protocol, &role.code).map(|party| self.party(party));
        Some(Owner { role: &role.code, title: &role.title, party })
    }

    fn milestone(&self, reached: &'v Reached) -> Option<MilestoneView<'v>> {
        let milestone = self.protocol.milestone(&reached.code)?;
        let later = |code: &Code| self.run.reached(code).is_some_and(|other| other.at > reached.at);
        Some(MilestoneView {
            code: &milestone.code,
            title: &milestone.title,
            patient: milestone.patient.as_ref(),
            n: reached.n,
            at: self.moment(reached.at),
            recorded: self.moment(reached.recorded),
            source: reached.source.as_deref(),
            by: Some(&reached.by),
            reason: reached.reason.as_deref(),
            signed: reached.signed.as_deref(),
            said: reached.said.map(|at| self.moment(at)),
            superseded: reached.superseded,
            early: !reached.superseded && milestone.after.iter().any(later),
        })
    }

    /// A step as often as it was asked for; once, if it was not.
    fn steps(&self, step: &'v Step) -> Vec<StepView<'v>> {
        let asked = self.run.steps.iter().filter(|work| work.step == step.code.as_str());
        let asked: Vec<StepView<'v>> = asked.map(|work| self.work(step, work)).collect();
        if asked.is_empty() { vec![self.step(step)] } else { asked }
    }

    fn work(&self, step: &'v Step, work: &'v Work) -> StepView<'v> {
        let state = match work.status {
            WorkStatus::Ready => State::Ready,
            WorkStatus::Taken => State::Taken,
            WorkStatus::Done => State::Done,
            WorkStatus::Skipped => State::Skipped,
            WorkStatus::Cancelled => State::Cancelled,
        };
        let seen = work.acknowledged.iter().map(|(by, at)| Acknowledged { by, at: self.moment(*at) });
        StepView {
            n: work.n,
            task: Some(format!("{}.{}.{}", self.run.id, work.step, work.n)),
            state,
            party: self.run.assignee(self.protocol, work).map(|party| self.party(party)),
            since: Some(self.moment(work.since)),
            ended: work.ended.map(|at| self.moment(at)),
            outcome: work.outcome.as_deref(),
            reason: work.reason.as_ref(),
            by: work.by.as_deref(),
            response: work.response.as_deref(),
            run: work.run.as_deref(),
            acknowledged: seen.collect(),
            missing: Vec::new(),
            may: work.status.is_open() && (self.viewer.may)(work),
            ..self.step(step)
        }
    }

    /// A step that was not asked for.
    fn step(&self, step: &'v Step) -> StepView<'v> {
        let role = self.protocol.role(&step.who);
        let chosen = |code: &str| {
            let works = self.run.steps.iter().filter(|work| work.step == step.code.as_str());
            works.filter(|work| work.outcome.as_deref() == Some(code)).count() as u32
        };
        let may_be_chosen = step.outcomes.iter().filter(|outcome| outcome.is_for(self.run.class.as_deref()));
        let outcomes = may_be_chosen.map(|outcome| OutcomeView {
            code: &outcome.code,
            title: &outcome.title,
            reasons: outcome.reasons.as_deref(),
            form: outcome.form.as_deref(),
            left: (outcome.most > 0).then(|| outcome.most.saturating_sub(chosen(&outcome.code))),
        });
        let state = unasked(self.run, step);
        let missing = unmet(self.run, step).flat_map(alternatives);
        StepView {
            code: &step.code,
            title: &step.title,
            n: 1,
            task: None,
            state,
            role: role.map(|role| coded(&role.code, &role.title)),
            party: self.run.party(self.protocol, &step.who).map(|party| self.party(party)),
            duties: role.map(|role| role.duties.as_slice()).unwrap_or_default(),
            since: None,
            ended: None,
            outcome: None,
            reason: None,
            by: None,
            response: None,
            run: None,
            acknowledged: Vec::new(),
            acknowledgements: step.acknowledgements,
            paged: role.is_some_and(|role| role.call.is_some()) && step.is_paged(),
            requires: step.requires.iter().map(|one| alternatives(one).collect()).collect(),
            missing: if state == State::Waiting { missing.collect() } else { Vec::new() },
            optional: step.optional,
            skip: step.skip.as_deref(),
            form: step.form.as_deref(),
            outcomes: outcomes.collect(),
            may: false,
        }
    }

    fn clock(&self, ticking: &'v Ticking) -> Option<ClockView<'v>> {
        let (run, protocol, zone) = (self.run, self.protocol, self.viewer.zone);
        let clock: &Clock = protocol.clock(&ticking.clock)?;
        let times = run.times(protocol, ticking, zone);
        let passed = |point: Option<i64>, at: i64| point.is_some_and(|point| at >= point);
        let now = self.viewer.now;
        let level = match ticking.stopped {
            _ if ticking.cut => Level::Cut,
            Some(at) if times.breach.is_some_and(|breach| at > breach) => Level::Late,
            Some(_) => Level::Met,
            None if ticking.paused.is_some() => Level::Held,
            None if passed(times.breach, now) => Level::Breach,
            None if passed(times.warn, now) => Level::Warn,
            None if passed(times.target, now) => Level::Target,
            None => Level::Running,
        };
        let moment = |at: Option<i64>| at.map(|at| self.moment(at));
        Some(ClockView {
            code: &clock.code,
            title: &clock.title,
            n: ticking.n,
            from: &clock.from,
            to: &clock.to,
            began: self.moment(ticking.began),
            stopped: moment(ticking.stopped),
            paused: moment(ticking.paused),
            held: ticking.held / fhir::time::SECOND,
            cut: ticking.cut,
            target: moment(times.target),
            warn: moment(times.warn),
            breach: moment(times.breach),
            own: run.own_limit(clock).map(|own| OwnView { of: &own.of, source: own.limit.source.as_deref() }),
            level,
            next: run.next(protocol, ticking, zone).map(|due| self.moment(due.at)),
        })
    }

    fn switch(&self, other: &'v Protocol) -> SwitchView<'v> {
        let titled = |code: &str| other.milestone(code).or_else(|| self.protocol.milestone(code));
        let keeps: Vec<KeptView<'v>> = self
            .run
            .kept_under(other)
            .filter_map(|one| {
                let known = titled(&one.code)?;
                Some(KeptView { code: &known.code, title: &known.title, at: self.moment(one.at) })
            })
            .collect();
        let mut leaves: Vec<Coded<'v>> = Vec::new();
        for one in self.run.milestones.iter().filter(|one| !one.superseded) {
            let is_told =
                keeps.iter().any(|kept| kept.code == one.code) || leaves.iter().any(|left| left.code == one.code);
            if let Some(known) = self.protocol.milestone(&one.code).filter(|_| !is_told) {
                leaves.push(coded(&known.code, &known.title));
            }
        }
        SwitchView { code: &other.code, title: &other.title, keeps, leaves }
    }

    fn made(&self) -> Vec<MadeView<'v>> {
        let named = self.run.created(self.protocol).filter_map(|(activity, reference)| {
            Some(MadeView { code: &activity.code, title: activity.title.as_ref()?, reference })
        });
        named.collect()
    }

    fn summary(&self) -> Vec<SummaryView<'v>> {
        let lines = self.protocol.summaries.iter().filter_map(|summary| {
            let value = self.viewer.summary.get(summary.code.as_str())?;
            Some(SummaryView { code: &summary.code, title: &summary.title, value })
        });
        lines.collect()
    }

    /// The names of those the view names without saying what they are called.
    fn names(&self, view: &View<'v>) -> BTreeMap<&'v str, &'v str> {
        let milestones = view.milestones.iter().filter_map(|one| one.by);
        let steps = view.steps.iter().filter_map(|one| one.by);
        let seen = view.steps.iter().flat_map(|one| &one.acknowledged).map(|one| one.by);
        let known = |by: &'v str| Some((by, self.viewer.names.get(by)?.as_str()));
        milestones.chain(steps).chain(seen).filter_map(known).collect()
    }
}

impl<'v> View<'v> {
    /// Leaves what is meant for the patient, in its words.
    fn narrow(&mut self, protocol: &'v Protocol) {
        self.milestones.retain(|one| !one.superseded && one.patient.is_some());
        for one in &mut self.milestones {
            one.title = one.patient.unwrap_or(one.title);
            (one.source, one.by, one.reason, one.early) = (None, None, None, false);
            (one.signed, one.said) = (None, None);
        }
        let worded = |one: &Coded<'v>| {
            let patient = protocol.milestone(one.code)?.patient.as_ref()?;
            Some(Coded { code: one.code, title: patient })
        };
        self.ahead = self.ahead.iter().filter_map(worded).collect();
        let theirs = |one: &StepView<'v>| {
            let role = one.role.and_then(|role| protocol.role(role.code));
            role.is_some_and(|role| role.party == PartyKind::Patient)
        };
        self.steps.retain(theirs);
        self.clocks.clear();
        self.summary.clear();
        self.blocking.clear();
        (self.parent, self.status, self.response, self.grounds) = (None, None, None, None);
    }
}

#[cfg(test)]
mod tests;
