//! Where stories are played: runs that move by pure judgement alone, under a clock of their own.

use std::collections::BTreeMap;

use fhir::Error;
use jiff::tz::Offset;
use protocol::definition::{Fact, Next, Protocol, Start, StartKind};
use protocol::run::{About, Brought, Deed, Effect, Event, Parent, Party, Run};
use protocol::step;
use serde_json::{Value as Json, json};

use crate::paths::{Answer, Known, response, written};

/// The platform itself, when it acts.
pub(crate) const PLATFORM: &str = "Device/platform";

/// China keeps one time.
pub(crate) fn zone() -> Offset {
    jiff::tz::offset(8)
}

/// Something that happened to a run: the run, and what.
pub(crate) type Told = (String, String);

/// Where a story can be played.
pub(crate) trait Ground {
    fn protocol(&self, code: &str) -> &Protocol;

    /// Somebody starts a run by hand, or what is written begins one. Its id is answered.
    async fn start(&mut self, by: &str, opening: Opening) -> Result<String, Error>;

    /// A fact of the record reaches a milestone of a run. `resource` says it, where it is not a visit; what it says of
    /// itself is checked where there is a record.
    async fn fact(&mut self, run: &str, milestone: &str, at: i64, resource: Option<Json>) -> Result<(), Error>;

    /// Something is written that is about no run.
    async fn write(&mut self, _resource: Json, _run: &str, _at: i64) {}

    /// Somebody acts on a run, with what they filled in.
    async fn act(&mut self, run: &str, by: &str, deed: Deed, answers: &BTreeMap<String, Answer>) -> Result<(), Error>;

    /// Time goes by, and what is due meanwhile happens when it is due.
    async fn pass(&mut self, to: i64);

    /// All runs, in the order in which they began.
    fn runs(&self) -> &[Run];

    fn now(&self) -> i64;

    /// Forgets what has been told, written and fired.
    fn forget(&mut self);

    /// Clocks that fired since, by run.
    fn fired(&self) -> &[Told];

    /// Roles that were told since, by run; none where that is not looked at.
    fn told(&self) -> Option<&[Told]> {
        None
    }

    /// Activities written since, by run; none where that is not looked at.
    fn made(&self) -> Option<&[Told]> {
        None
    }

    /// The status of the focus of a run, or of what an activity made; none where there are no resources.
    async fn status(&self, _run: &Run, _activity: Option<&str>) -> Option<String> {
        None
    }

    /// The runs of a chain, in the order in which they began.
    fn chain(&self, first: &str) -> Vec<&Run> {
        self.runs().iter().filter(|run| run.chain == first).collect()
    }
}

/// Protocols and their runs.
pub(crate) struct Stage {
    protocols: Vec<Protocol>,
    runs: Vec<Run>,
    focuses: BTreeMap<String, Json>,
    now: i64,
    told: Vec<Told>,
    fired: Vec<Told>,
    made: Vec<Told>,
    facts: usize,
}

/// How a run begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opening {
    pub(crate) id: String,
    pub(crate) protocol: String,
    pub(crate) start: String,
    pub(crate) class: Option<String>,
    pub(crate) roles: BTreeMap<String, String>,
    pub(crate) answers: BTreeMap<String, Answer>,
    pub(crate) before: Vec<Json>,
    pub(crate) writes: Option<Json>,
}

impl Stage {
    pub(crate) fn new(protocols: Vec<Protocol>, now: i64) -> Self {
        Self {
            protocols,
            runs: Vec::new(),
            focuses: BTreeMap::new(),
            now,
            told: Vec::new(),
            fired: Vec::new(),
            made: Vec::new(),
            facts: 0,
        }
    }

    fn run(&self, id: &str) -> &Run {
        self.runs.iter().find(|run| run.id == id).unwrap_or_else(|| panic!("no run {id}"))
    }

    fn begin(
        &mut self,
        by: &str,
        protocol: &str,
        start: Option<&str>,
        run: Run,
        kept: &[Brought],
        given: &Json,
    ) -> Result<(), Error> {
        let protocol = self.protocol(protocol).clone();
        let start = start_of(&protocol, start);
        let mut reach: Vec<Brought> = kept.to_vec();
        let own = start.reach.iter().filter(|code| kept.iter().all(|known| known.code != code.as_str()));
        reach.extend(own.map(|code| (code.to_string(), self.now).into()));
        let mut answers = given["item"].as_array().into_iter().flatten();
        let expected = answers.find(|item| item["linkId"] == "expected" || item["linkId"] == "eta");
        let focus = json!({
            "resourceType": "ServiceRequest", "id": run.id, "status": "active",
            "occurrenceDateTime": expected.map_or(Json::Null, |item| item["answer"][0]["valueDateTime"].clone()),
        });
        self.focuses.entry(run.id.clone()).or_insert(focus);
        let run =
            Run { protocol: protocol.code.to_string(), version: protocol.version.clone(), began: self.now, ..run };
        self.runs.push(run.clone());
        self.judge(&run.id, by, Deed::Begin { reach }, given)
    }

    fn judge(&mut self, id: &str, by: &str, mut deed: Deed, given: &Json) -> Result<(), Error> {
        let run = self.run(id).clone();
        let protocol = self.protocol(&run.protocol).clone();
        let known = Known::new(&protocol, &run, &self.focuses[id], given);
        if let Deed::Complete { step, outcome: Some(outcome), bind, .. } = &mut deed {
            let outcome = protocol.step(step).and_then(|step| step.outcome(outcome));
            for (role, path) in outcome.into_iter().flat_map(|outcome| &outcome.bind) {
                bind.extend(known.party(path).map(|party| (role.clone(), party)));
            }
        }
        let bases = protocol.clocks.iter().filter_map(|clock| Some((clock, clock.base.as_ref()?)));
        let instants = bases.filter_map(|(clock, base)| Some((clock.code.to_string(), known.instant(base)?))).collect();
        if let Deed::Complete { step, outcome: Some(outcome), .. } = &deed {
            let outcome = protocol.step(step).and_then(|step| step.outcome(outcome));
            if outcome.and_then(|outcome| outcome.when.as_ref()).is_some_and(|when| !known.holds(when)) {
                return Err(Error::invalid("What is known does not allow it."));
            }
        }
        let event = Event { by: by.to_owned(), deed, answers: BTreeMap::new(), instants };
        let (after, effects) = step(&protocol, &run, &event, self.now)?;
        let place = self.runs.iter().position(|run| run.id == id).expect("it was just read");
        let has_ended = run.end.is_none() && after.end.is_some();
        self.runs[place] = after;
        let switches = effects.iter().any(|effect| matches!(effect, Effect::Switch { .. }));
        for effect in effects {
            self.follow(id, &protocol, effect, given)?;
        }
        let run = self.run(id);
        if let (true, Some(end), Some(parent)) = (has_ended && !switches, run.end, run.parent.clone()) {
            let deed = Deed::Ended { run: id.to_owned(), end };
            self.judge(&parent.run, PLATFORM, deed, &response(&BTreeMap::new()))?;
        }
        Ok(())
    }

    /// A resource says what it says to every run of the patient it is about.
    fn says(&mut self, resource: &Json, run: &str, at: i64) {
        let about = self.run(run).clone();
        let resource =
            written(resource, self.protocol(&about.protocol), &about, at, &format!("written-{}", self.facts));
        let text = |name: &str| resource[name].as_str().unwrap_or_default();
        let source = format!("{}/{}", text("resourceType"), text("id"));
        let runs: Vec<Run> = self.runs.iter().filter(|one| one.patient == about.patient).cloned().collect();
        let nothing = response(&BTreeMap::new());
        for run in runs.iter().filter(|run| run.end.is_none()) {
            let protocol = self.protocol(&run.protocol).clone();
            let known = Known::new(&protocol, run, &self.focuses[&run.id], &nothing);
            let on = |fact: &&Fact| fact.on.as_str() == text("resourceType") && !run.is_past(fact);
            let said = protocol.milestones.iter().filter_map(|one| {
                let mut facts = one.facts.iter().filter(on);
                Some((one.code.to_string(), facts.find_map(|fact| known.said(fact, &resource, self.now))?))
            });
            let said: Vec<(String, i64)> = said.collect();
            for (milestone, at) in said {
                let deed =
                    Deed::Fact { step: None, milestone: Some(milestone), source: source.clone(), at, said: None };
                self.judge(&run.id, PLATFORM, deed, &nothing).expect("a fact is taken in");
            }
        }
    }

    /// A step consists of a run.
    fn link(&mut self, parent: &Parent, run: &str) {
        let whole = self.runs.iter_mut().find(|one| one.id == parent.run).expect("a part has a whole");
        let work = whole.steps.iter_mut().find(|work| work.step == parent.step && work.n == parent.n);
        work.expect("a part is a step of its whole").run = Some(run.to_owned());
        self.runs.iter_mut().find(|one| one.id == run).expect("it has begun").parent = Some(parent.clone());
    }

    fn follow(&mut self, id: &str, protocol: &Protocol, effect: Effect, given: &Json) -> Result<(), Error> {
        match effect {
            Effect::Tell { roles, about } => {
                let is_there = match &about {
                    About::Milestone { code, .. } => protocol.milestone(code).is_some(),
                    About::Clock { code, .. } => protocol.clock(code).is_some(),
                    About::Class { code, .. } => protocol.class(code).is_some(),
                };
                assert!(is_there, "{about:?}");
                self.told.extend(roles.into_iter().map(|role| (id.to_owned(), role)));
                Ok(())
            }
            Effect::Make { activity } => {
                assert!(protocol.activity(&activity).is_some(), "there is no activity {activity}");
                self.made.push((id.to_owned(), activity));
                Ok(())
            }
            Effect::Begin { next, step } => {
                let kept: Vec<Brought> = {
                    let from = self.run(id);
                    let kept = next.keep.iter();
                    kept.filter_map(|code| Some(from.reached(code)?.into())).collect()
                };
                let begun = self.follow_on(id, protocol, &next, &kept, given)?;
                if let Some((step, n)) = step {
                    self.link(&Parent { run: id.to_owned(), step, n }, &begun);
                }
                Ok(())
            }
            Effect::Switch { protocol: other } => {
                let into = self.protocol(&other).clone();
                let from = self.run(id).clone();
                let known = from.milestones.iter().filter(|one| !one.superseded);
                let lasting = known.filter(|one| into.milestone(&one.code).is_some_and(|known| known.ends.is_none()));
                let kept: Vec<Brought> = lasting.map(Brought::from).collect();
                let start = into.starts.iter().find(|start| start.by == StartKind::Protocol);
                let start = start.and_then(|start| start.code.clone());
                let next = Next { protocol: other.as_str().into(), start, ..Next::default() };
                let begun = self.follow_on(id, protocol, &next, &kept, given)?;
                if let Some(parent) = &from.parent {
                    self.link(parent, &begun);
                }
                Ok(())
            }
        }
    }

    /// Another run begins in the same chain: see [`Next`].
    fn follow_on(
        &mut self,
        id: &str,
        protocol: &Protocol,
        next: &Next,
        kept: &[Brought],
        given: &Json,
    ) -> Result<String, Error> {
        let from = self.run(id).clone();
        let into = self.protocol(&next.protocol).clone();
        let bound = into.roles.iter().filter_map(|role| {
            let source = next.roles.get(role.code.as_str()).unwrap_or(&role.code);
            Some((role.code.to_string(), from.party(protocol, source)?.clone()))
        });
        let own = from.class.clone().filter(|class| into.class(class).is_some());
        let patient = match &next.patient {
            Some(path) => {
                let known = Known::new(protocol, &from, &self.focuses[id], given);
                let party = known.party(path);
                Some(party.unwrap_or_else(|| panic!("{} begins for nobody", next.protocol)).reference)
            }
            None => from.patient.clone(),
        };
        let begun = format!("{}-{}", from.chain, self.runs.len() + 1);
        let run = Run {
            id: begun.clone(),
            chain: from.chain.clone(),
            patient,
            class: next.class.as_ref().map(ToString::to_string).or(own),
            parties: bound.collect(),
            ..Run::default()
        };
        let start = next.start.as_ref().map(|code| code.as_str());
        self.begin(PLATFORM, into.code.as_str(), start, run, kept, &response(&BTreeMap::new()))?;
        Ok(begun)
    }

    fn next(&self) -> Option<(String, protocol::run::Due)> {
        let due = self.runs.iter().filter_map(|run| Some((run, run.due(self.protocol(&run.protocol), zone())?)));
        due.min_by(|one, other| one.1.cmp(&other.1)).map(|(run, due)| (run.id.clone(), due))
    }
}

impl Ground for Stage {
    fn protocol(&self, code: &str) -> &Protocol {
        self.protocols.iter().find(|one| one.code.as_str() == code).unwrap_or_else(|| panic!("no protocol {code}"))
    }

    async fn start(&mut self, by: &str, opening: Opening) -> Result<String, Error> {
        let parties = opening.roles.into_iter();
        let parties = parties.map(|(role, reference)| (role, Party { reference, display: None })).collect();
        let patient = Some("Patient/p".to_owned());
        let run = Run { chain: opening.id.clone(), class: opening.class, patient, parties, ..Run::default() };
        let given = response(&opening.answers);
        let run = Run { id: opening.id.clone(), ..run };
        if let Some(resource) = &opening.writes {
            let focus = written(resource, self.protocol(&opening.protocol), &run, self.now, "begins");
            self.focuses.insert(run.id.clone(), focus);
        }
        let by = if opening.writes.is_some() { PLATFORM } else { by };
        self.begin(by, &opening.protocol, Some(&opening.start), run, &[], &given)?;
        Ok(opening.id)
    }

    async fn fact(&mut self, run: &str, milestone: &str, at: i64, resource: Option<Json>) -> Result<(), Error> {
        self.facts += 1;
        if let Some(resource) = resource {
            self.says(&resource, run, at);
            let reached = self.run(run).milestones.iter().any(|one| one.code == milestone && one.at == at);
            assert!(reached || self.run(run).end.is_some(), "{resource} does not say {milestone}");
            return Ok(());
        }
        let source = format!("Encounter/{milestone}-{}", self.facts);
        let deed = Deed::Fact { step: None, milestone: Some(milestone.to_owned()), source, at, said: None };
        self.judge(run, PLATFORM, deed, &response(&BTreeMap::new()))
    }

    async fn act(&mut self, run: &str, by: &str, deed: Deed, answers: &BTreeMap<String, Answer>) -> Result<(), Error> {
        self.judge(run, by, deed, &response(answers))
    }

    async fn pass(&mut self, to: i64) {
        while let Some((id, due)) = self.next().filter(|(_, due)| due.at <= to) {
            self.now = self.now.max(due.at);
            self.fired.push((id.clone(), due.clock.clone()));
            let tick = Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at };
            let nothing = response(&BTreeMap::new());
            self.judge(&id, PLATFORM, tick, &nothing).expect("a clock that is due can tick");
        }
        self.now = to;
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn forget(&mut self) {
        (self.told, self.fired, self.made) = Default::default();
    }

    fn fired(&self) -> &[Told] {
        &self.fired
    }

    fn told(&self) -> Option<&[Told]> {
        Some(&self.told)
    }

    fn made(&self) -> Option<&[Told]> {
        Some(&self.made)
    }
}

/// The way to start of that code, or the first.
fn start_of<'p>(protocol: &'p Protocol, code: Option<&str>) -> &'p Start {
    let found = protocol.starts.iter().find(|start| code.is_none() || start.code.as_deref() == code);
    found.unwrap_or_else(|| panic!("{} does not start as {code:?}", protocol.code))
}
