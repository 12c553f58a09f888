//! Scenarios: who does what when, and what must be the case then.

use std::collections::{BTreeMap, BTreeSet};

use fhir::Category;
use jiff::Timestamp;
use protocol::definition::{End, Protocol, Span};
use protocol::run::{Deed, Reason, Run};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::paths::Answer;
use crate::stage::{Ground, Opening, PLATFORM, Told, zone};

/// The id of the first run of a story that somebody starts, which is that of its chain.
const CHAIN: &str = "r";

/// One scenario as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Story {
    /// What it tells, in Chinese.
    #[serde(rename = "title")]
    _title: String,
    protocol: String,
    start: String,
    class: Option<String>,
    begins: String,
    roles: BTreeMap<String, String>,
    /// Resources that are there before it begins. None of them begins anything.
    #[serde(default)]
    before: Vec<Json>,
    /// The resource that begins it as it is written, where nobody starts it by hand.
    writes: Option<Json>,
    /// What happens depends on what is stored, so that it is played on records only.
    #[serde(default)]
    on_records: bool,
    #[serde(default)]
    answers: BTreeMap<String, Answer>,
    #[serde(default)]
    then: Option<Then>,
    #[serde(rename = "event")]
    events: Vec<Happening>,
}

/// One thing that happens. Without a deed, time goes by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Happening {
    /// So long after the one before.
    after: Span,
    /// A role, or a person as a reference.
    #[serde(default)]
    by: Option<String>,
    /// Which run of the chain, from 1.
    #[serde(default = "first")]
    run: usize,
    /// The step that is completed.
    does: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    takes: Option<String>,
    acknowledges: Option<String>,
    /// The reason for which the run is taken back.
    cancels: Option<String>,
    /// The milestone a fact of the record reaches.
    fact: Option<String>,
    /// How long ago the fact came about.
    ago: Option<Span>,
    /// The resource that says so, or that is written besides; `{at}` is the time, `{role}` whom a role is bound to.
    writes: Option<Json>,
    #[serde(default)]
    answers: BTreeMap<String, Answer>,
    /// It is refused, with words that contain these.
    refused: Option<String>,
    then: Option<Then>,
}

fn first() -> usize {
    1
}

/// What is the case afterwards; what is not named may be as it likes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Then {
    /// Which run of the chain; the one that was acted on, unless said.
    run: Option<usize>,
    /// How many runs the chain has.
    runs: Option<usize>,
    status: Option<String>,
    owner: Option<String>,
    class: Option<String>,
    end: Option<End>,
    /// All steps that are to be done, without those that may be left.
    open: Option<BTreeSet<String>>,
    #[serde(default)]
    reached: BTreeSet<String>,
    #[serde(default)]
    unreached: BTreeSet<String>,
    /// How long ago milestones came about, each of them once.
    #[serde(default)]
    ago: BTreeMap<String, Span>,
    /// Roles that were told since the event before, among others.
    #[serde(default)]
    told: BTreeSet<String>,
    /// Clocks of which a point fired since the event before, all of them.
    fired: Option<BTreeSet<String>>,
    /// Activities written since the event before, among others.
    #[serde(default)]
    made: BTreeSet<String>,
    /// The status of the focus, and of what activities made, where there are resources.
    #[serde(default)]
    resources: BTreeMap<String, String>,
    /// Whom roles are bound to.
    #[serde(default)]
    roles: BTreeMap<String, String>,
}

impl Story {
    pub(crate) fn read(name: &str, text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// When it begins, in microseconds since 1970.
    pub(crate) fn begins(&self) -> i64 {
        self.begins.parse::<Timestamp>().expect("a scenario begins at a time").as_microsecond()
    }

    /// Whether it can be played where nothing is stored.
    pub(crate) fn needs_a_record(&self) -> bool {
        self.on_records
    }

    /// Plays it.
    pub(crate) async fn play(&self, ground: &mut impl Ground, name: &str) {
        let opening = Opening {
            id: CHAIN.to_owned(),
            protocol: self.protocol.clone(),
            start: self.start.clone(),
            class: self.class.clone(),
            roles: self.roles.clone(),
            answers: self.answers.clone(),
            before: self.before.clone(),
            writes: self.writes.clone(),
        };
        let started = ground.start("PractitionerRole/starter", opening).await;
        let first = started.unwrap_or_else(|error| panic!("{name}, at the start: {error}"));
        if let Some(then) = &self.then {
            then.check(ground, (&first, 1), &format!("{name}, at the start")).await;
        }
        for (n, event) in self.events.iter().enumerate() {
            let at = format!("{name}, event {}", n + 1);
            ground.forget();
            ground.pass(event.after.after(ground.now(), zone())).await;
            let chain = ground.chain(&first);
            let run = chain.get(event.run - 1).unwrap_or_else(|| panic!("{at}: no such run"));
            let (id, deed) = (run.id.clone(), event.deed(run));
            let then = ground.now() - event.ago.and_then(Span::micros).unwrap_or(0);
            if let Some(milestone) = &event.fact {
                let told = ground.fact(&id, milestone, then, event.writes.clone()).await;
                told.unwrap_or_else(|error| panic!("{at}: {error}"));
            } else if let Some(resource) = &event.writes {
                ground.write(resource.clone(), &id, then).await;
            }
            if let Some(deed) = deed {
                let by = match event.by.as_deref() {
                    Some(person) if person.contains('/') => person.to_owned(),
                    Some(role) => format!("PractitionerRole/{role}"),
                    None => PLATFORM.to_owned(),
                };
                match (ground.act(&id, &by, deed, &event.answers).await, &event.refused) {
                    (Ok(()), None) => {}
                    (Ok(()), Some(words)) => panic!("{at}: should be refused with \"{words}\""),
                    (Err(error), None) => panic!("{at}: {error}"),
                    (Err(error), Some(words)) => {
                        assert!(error.category() != Category::Fault, "{at}: {error}");
                        let text = &error.issues()[0].text;
                        assert!(text.contains(words.as_str()), "{at}: refused with \"{text}\", not \"{words}\"");
                    }
                }
            }
            ground.runs().iter().for_each(|run| owned(ground.protocol(&run.protocol), run, &at));
            if let Some(then) = &event.then {
                then.check(ground, (&first, event.run), &at).await;
            }
        }
    }
}

/// A run that goes on belongs to one party that can be named, and somebody can do something or something is due.
pub(crate) fn owned(protocol: &Protocol, run: &Run, at: &str) {
    if run.end.is_some() {
        return;
    }
    let owner = run.owner.as_deref().unwrap_or_else(|| panic!("{at}: nobody owns {}", run.id));
    assert!(run.party(protocol, owner).is_some(), "{at}: {} belongs to \"{owner}\", who is nobody", run.id);
    let open = run.open().any(|work| protocol.step(&work.step).is_some_and(|step| !step.optional));
    let waits = run.due(protocol, zone()).is_some();
    assert!(open || waits, "{at}: {} is lost: nothing is to be done, and nothing is due", run.id);
}

impl Happening {
    fn deed(&self, run: &Run) -> Option<Deed> {
        let n = |step: &str| run.steps.iter().filter(|work| work.step == step).map(|work| work.n).max().unwrap_or(1);
        let reason = |code: &String| Reason { code: code.clone(), text: None };
        if let Some(step) = &self.does {
            return Some(Deed::Complete {
                step: step.clone(),
                n: n(step),
                outcome: self.outcome.clone(),
                reason: self.reason.as_ref().map(reason),
                response: Some("QuestionnaireResponse/given".to_owned()),
                at: None,
                bind: BTreeMap::new(),
            });
        }
        if let Some(step) = &self.takes {
            return Some(Deed::Take { step: step.clone(), n: n(step) });
        }
        if let Some(step) = &self.acknowledges {
            return Some(Deed::Acknowledge { step: step.clone(), n: n(step) });
        }
        if let Some(code) = &self.cancels {
            return Some(Deed::Cancel { reason: reason(code) });
        }
        None
    }
}

impl Then {
    async fn check(&self, ground: &impl Ground, (first, acted): (&str, usize), at: &str) {
        let chain = ground.chain(first);
        if let Some(runs) = self.runs {
            assert_eq!(chain.len(), runs, "{at}: runs of the chain");
        }
        let run = chain.get(self.run.unwrap_or(acted) - 1).unwrap_or_else(|| panic!("{at}: no such run"));
        let protocol = ground.protocol(&run.protocol);
        let same = |what: &str, wanted: &Option<String>, found: &Option<String>| {
            if wanted.is_some() {
                assert_eq!(found, wanted, "{at}: {what}");
            }
        };
        same("status", &self.status, &run.status);
        same("owner", &self.owner, &run.owner);
        same("class", &self.class, &run.class);
        // What a scenario says nothing of must not have ended.
        assert_eq!(run.end, self.end, "{at}: the end");
        if let Some(open) = &self.open {
            let needed = run.open().filter(|work| protocol.step(&work.step).is_some_and(|step| !step.optional));
            assert_eq!(&needed.map(|work| work.step.clone()).collect::<BTreeSet<_>>(), open, "{at}: open steps");
        }
        for code in &self.reached {
            assert!(run.reached(code).is_some(), "{at}: {code} was not reached");
        }
        for code in &self.unreached {
            assert!(run.reached(code).is_none(), "{at}: {code} was reached");
        }
        for (code, ago) in &self.ago {
            let times: Vec<i64> = run.milestones.iter().filter(|one| one.code == *code).map(|one| one.at).collect();
            let at_that_time = ground.now() - ago.micros().expect("a span of the clock");
            assert_eq!(times, [at_that_time], "{at}: when {code} came about");
        }
        let of = |pairs: &[Told]| {
            pairs.iter().filter(|(id, _)| *id == run.id).map(|(_, what)| what.clone()).collect::<BTreeSet<String>>()
        };
        if let Some(told) = ground.told().map(of) {
            assert!(told.is_superset(&self.told), "{at}: told were {told:?}, not {:?}", self.told);
        }
        if let Some(made) = ground.made().map(of) {
            assert!(made.is_superset(&self.made), "{at}: written were {made:?}, not {:?}", self.made);
        }
        if let Some(fired) = &self.fired {
            assert_eq!(&of(ground.fired()), fired, "{at}: clocks that fired");
        }
        for (what, wanted) in &self.resources {
            let activity = (what != "focus").then_some(what.as_str());
            if let Some(status) = ground.status(run, activity).await {
                assert_eq!(&status, wanted, "{at}: the status of {what}");
            }
        }
        for (role, reference) in &self.roles {
            let party = run.party(protocol, role).map(|party| party.reference.as_str());
            assert_eq!(party, Some(reference.as_str()), "{at}: {role}");
        }
    }
}
