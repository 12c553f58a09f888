//! One transaction on its way: the runs it moves, and what it writes besides.

mod reason;
mod series;
mod traits;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fhir::path::Expression;
use fhir::{Error, Value, json};
use jiff::tz::Offset;
use record::{Action, Change, Key, Session, Target, tree};
use serde_json::{Map, Value as Json};

use super::make::{all_to_json, put_items};
use super::scene::{self, About, Pending, Scene, key};
use super::{Engine, Standing};
use crate::definition::{Activity, Adopt, Next, Protocol, Start, StartKind, Step};
use crate::run::{Brought, Deed, Effect, Event, Parent, Party, Run, moved_points};
use crate::task::{self, Frame, Happened};

/// How often one transaction looks at conditions anew before it leaves the rest to the next change.
const LOOKS: usize = 8;

/// How many runs one transaction moves at most. Only protocols that begin one another in a circle need more.
const BEGUN: usize = 64;

/// Who the platform is when nobody else acts.
pub(super) const PLATFORM: &str = "Device/qingshan";

/// A run that a transaction moves.
struct Moving {
    protocol: Arc<Protocol>,
    /// As it is stored, with the protocol it was under; none when it begins here.
    before: Option<(Arc<Protocol>, Run)>,
    run: Run,
    /// The version of the root Task that is stored.
    version: u64,
    frame: Frame,
    happened: Vec<Happened>,
}

/// What an activity works on: its name, its tree, the version it was read from, and whether it is new.
type Material = (String, Map<String, Json>, Option<u64>, bool);

/// A resource that is written besides.
struct Paper {
    resource: Value,
    /// The version it was made from; none when it is new, or whatever is there is to be replaced.
    if_match: Option<u64>,
    is_new: bool,
}

pub(super) struct Draft<'e> {
    engine: &'e Engine,
    /// Sees everything: what follows from an act does not depend on what the one who acts may see.
    session: Session,
    by: String,
    now: i64,
    zone: Offset,
    runs: Vec<Moving>,
    papers: BTreeMap<String, Paper>,
    pending: Pending,
    /// The response that was given, and its reference.
    response: Option<Value>,
    answered: Option<String>,
    queue: VecDeque<(String, Event)>,
}

impl<'e> Draft<'e> {
    pub(super) fn new(engine: &'e Engine, by: &str) -> Self {
        Self {
            engine,
            session: engine.platform(),
            by: by.to_owned(),
            now: engine.now(),
            zone: engine.zone(),
            runs: Vec::new(),
            papers: BTreeMap::new(),
            pending: Pending::new(),
            response: None,
            answered: None,
            queue: VecDeque::new(),
        }
    }

    /// Takes a run in that is stored.
    pub(super) fn hold(&mut self, standing: Standing, frame: Frame) {
        let Standing { protocol, run, version } = standing;
        let before = Some((Arc::clone(&protocol), run.clone()));
        self.runs.push(Moving { protocol, before, run, version, frame, happened: Vec::new() });
    }

    /// The ids of the patients whose runs it moves.
    pub(super) fn patients(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().filter_map(|moving| moving.run.patient.as_deref()?.strip_prefix("Patient/"))
    }

    /// Takes a response to a form in, which is stored with whatever follows from it.
    pub(super) fn answer(&mut self, reference: &str, response: Value, if_match: Option<u64>) {
        self.response = Some(response.clone());
        self.answered = Some(reference.to_owned());
        self.write(reference, response, if_match, if_match.is_none());
    }

    fn write(&mut self, reference: &str, resource: Value, if_match: Option<u64>, is_new: bool) {
        self.pending.insert(reference.to_owned(), resource.clone());
        match self.papers.get_mut(reference) {
            Some(paper) => paper.resource = resource,
            None => drop(self.papers.insert(reference.to_owned(), Paper { resource, if_match, is_new })),
        }
    }

    /// Judges an event and all that follows from it.
    pub(super) async fn happen(&mut self, run: &str, event: Event) -> Result<(), Error> {
        self.queue.push_back((run.to_owned(), event));
        self.settle().await
    }

    /// Judges the events that are still to come, and all that follows from them.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        while let Some((id, event)) = self.queue.pop_front() {
            let at = self.find(&id).await?;
            self.judge(at, event).await?;
            self.look(at).await?;
        }
        Ok(())
    }

    /// Looks at the conditions of a run anew, without anything else having happened to it.
    pub(super) async fn look_at(&mut self, run: &str) -> Result<(), Error> {
        let at = self.find(run).await?;
        self.look(at).await?;
        self.settle().await
    }

    /// The place of a run among those that move, read if it is not there yet.
    async fn find(&mut self, id: &str) -> Result<usize, Error> {
        if let Some(at) = self.runs.iter().position(|moving| moving.run.id == id) {
            return Ok(at);
        }
        let (standing, frame) = self.engine.stored(id).await?.ok_or_else(|| super::no_such(id))?;
        self.hold(standing, frame);
        Ok(self.runs.len() - 1)
    }

    async fn judge(&mut self, at: usize, mut event: Event) -> Result<(), Error> {
        let moving = &mut self.runs[at];
        if let Deed::Migrate { points, .. } = &mut event.deed {
            let latest = self.engine.protocol(&moving.run.protocol, None).await?;
            let latest = latest.ok_or_else(|| super::no_protocol(&moving.run.protocol))?;
            *points = moved_points(&moving.protocol, &latest);
            moving.protocol = latest;
        }
        let had_ended = moving.run.end.is_some();
        let (run, effects) = crate::step(&moving.protocol, &moving.run, &event, self.now)?;
        if run == moving.run && effects.is_empty() {
            return Ok(());
        }
        moving.run = run;
        let mut happened = Happened { at: self.now, event, made: BTreeMap::new(), begun: Vec::new() };
        let mut switched = false;
        for effect in effects {
            match effect {
                Effect::Tell { roles, about } => {
                    let due = match &happened.event.deed {
                        Deed::Tick { due, .. } => Some(*due),
                        _ => None,
                    };
                    let moving = &self.runs[at];
                    let message = task::message(&moving.protocol, &moving.run, &roles, &about, self.now, due);
                    if let Some(mut message) = message {
                        let id = self.engine.new_id();
                        message["id"] = id.as_str().into();
                        self.write(&format!("Communication/{id}"), tree::resource(&message)?, None, true);
                    }
                }
                Effect::Make { activity } => {
                    if let Some(what) = self.make(at, &activity).await? {
                        self.runs[at].run.made.insert(activity.clone(), what.clone());
                        happened.made.insert(activity, what);
                    }
                }
                Effect::Begin { next, step } => {
                    let id = self.begin(at, &next, step.as_ref(), Vec::new()).await?;
                    if let Some((step, n)) = step {
                        link(&mut self.runs[at].run, &step, n, &id);
                        happened.begun.push((step, n, id));
                    }
                }
                Effect::Switch { protocol } => {
                    switched = true;
                    self.switch(at, &protocol).await?;
                }
            }
        }
        let moving = &mut self.runs[at];
        moving.happened.push(happened);
        if let (false, false, Some(end), Some(parent)) = (had_ended, switched, moving.run.end, &moving.run.parent) {
            let deed = Deed::Ended { run: moving.run.id.clone(), end };
            self.queue.push_back((parent.run.clone(), self.engine.event(deed)));
        }
        Ok(())
    }

    /// Looks at the conditions of steps that wait for nothing else.
    async fn look(&mut self, at: usize) -> Result<(), Error> {
        for _ in 0..LOOKS {
            let (answers, instants) = (self.answers(at).await?, self.instants(at).await?);
            if answers.is_empty() && instants.is_empty() {
                return Ok(());
            }
            let event = Event { answers, instants, ..self.engine.event(Deed::Look) };
            self.judge(at, event).await?;
        }
        Ok(())
    }

    /// What is known now, and was not before, of the conditions of steps that could be asked for.
    async fn answers(&self, at: usize) -> Result<BTreeMap<String, bool>, Error> {
        let Moving { protocol, run, frame, .. } = &self.runs[at];
        let mut open: Vec<(&Step, &str)> = Vec::new();
        if run.end.is_none() {
            open.extend(
                protocol
                    .steps
                    .iter()
                    .filter(|step| run.waits_for_its_condition(step))
                    .filter_map(|step| Some((step, step.when.as_deref()?))),
            );
        }
        if open.is_empty() {
            return Ok(BTreeMap::new());
        }
        let texts: Vec<&str> = open.iter().map(|(_, when)| *when).collect();
        let Some(scene) = self.looked(protocol, run, frame, &texts).await? else { return Ok(BTreeMap::new()) };
        let mut answers = BTreeMap::new();
        for (step, when) in open {
            let holds = self.engine.expression(when).and_then(|expression| scene.holds(&expression));
            match holds {
                Ok(Some(holds)) if run.answers.get(step.code.as_str()) != Some(&holds) => {
                    answers.insert(step.code.to_string(), holds);
                }
                Ok(_) => {}
                // A condition that cannot be told must not keep anybody from what they do.
                Err(error) => {
                    tracing::warn!(%error, protocol = %protocol.code, step = %step.code, "a condition cannot be told");
                }
            }
        }
        Ok(answers)
    }

    /// What is known now, and was not before, of the moments from which the limits of running clocks count.
    async fn instants(&self, at: usize) -> Result<BTreeMap<String, i64>, Error> {
        let Moving { protocol, run, frame, .. } = &self.runs[at];
        let running = run.clocks.iter().filter(|ticking| ticking.stopped.is_none());
        let based: Vec<_> =
            running.filter_map(|ticking| Some((ticking, protocol.clock(&ticking.clock)?.base.as_deref()?))).collect();
        if based.is_empty() {
            return Ok(BTreeMap::new());
        }
        let texts: Vec<&str> = based.iter().map(|(_, base)| *base).collect();
        let Some(scene) = self.looked(protocol, run, frame, &texts).await? else { return Ok(BTreeMap::new()) };
        let mut instants = BTreeMap::new();
        for (ticking, base) in based {
            let found = self.engine.expression(base).and_then(|expression| {
                scene.evaluate(&expression, |items| Ok(items.first().and_then(|item| scene::instant(item, self.zone))))
            });
            match found {
                Ok(Some(base)) if ticking.base != Some(base) => drop(instants.insert(ticking.clock.clone(), base)),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, protocol = %protocol.code, clock = %ticking.clock, "a moment cannot be told");
                }
            }
        }
        Ok(instants)
    }

    /// What conditions look at; none when the protocol asks the record for what cannot be asked, which must not keep
    /// anybody from what they do.
    async fn looked(
        &self,
        protocol: &Protocol,
        run: &Run,
        frame: &Frame,
        expressions: &[&str],
    ) -> Result<Option<Scene>, Error> {
        match self.scene(protocol, run, frame, expressions).await {
            Ok(scene) => Ok(Some(scene)),
            Err(error) if error.category() == fhir::Category::Invalid => {
                tracing::warn!(%error, protocol = %protocol.code, "what conditions look up cannot be looked up");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn scene(&self, protocol: &Protocol, run: &Run, frame: &Frame, expressions: &[&str]) -> Result<Scene, Error> {
        let about = About { response: self.response.as_ref(), resource: None, pending: Some(&self.pending) };
        Scene::gather(&self.session, protocol, run, frame, about, expressions, self.now).await
    }

    /// Writes what an activity makes or changes, and answers with the reference.
    async fn make(&mut self, at: usize, code: &str) -> Result<Option<String>, Error> {
        let Moving { protocol, run, frame, .. } = &self.runs[at];
        let (protocol, run, frame) = (Arc::clone(protocol), run.clone(), frame.clone());
        self.made(&protocol, &run, &frame, code).await
    }

    async fn made(
        &mut self,
        protocol: &Protocol,
        run: &Run,
        frame: &Frame,
        code: &str,
    ) -> Result<Option<String>, Error> {
        let Some(activity) = protocol.activity(code) else { return Ok(None) };
        let mut run = run.clone();
        let adopted = match &activity.adopt {
            Some(adopt) => self.adopted(protocol, &run, frame, activity, adopt).await?,
            None => None,
        };
        if activity.adopt.is_some() {
            run.made.remove(code);
            run.made.extend(adopted.as_ref().map(|(reference, ..)| (code.to_owned(), reference.clone())));
        }
        let texts = activity.values().chain(&activity.when);
        let texts: Vec<&str> = texts.map(crate::Code::as_str).collect();
        let mut scene = self.scene(protocol, &run, frame, &texts).await?;
        if let Some(when) = &activity.when
            && scene.holds(&self.engine.expression(when)?)? != Some(true)
        {
            return Ok(None);
        }
        let material = match adopted {
            Some(adopted) => Some(adopted),
            None => self.material(&run, activity).await?,
        };
        let Some((reference, mut resource, if_match, is_new)) = material else { return Ok(None) };
        for series in protocol.series.iter().filter(|series| texts.iter().any(|text| scene::names(text, &series.code)))
        {
            let number = self.draw(series, protocol, &run).await?;
            scene.put(&series.code, vec![Value::from(number.as_str())]);
        }
        let mut begun: Vec<&str> = Vec::new();
        for set in &activity.set {
            let expression = self.engine.expression(&set.value)?;
            if set.set.is_empty() {
                super::make::put(&mut resource, &set.path, scene.evaluate(&expression, all_to_json)?)?;
                continue;
            }
            let inner: Vec<Expression> =
                set.set.iter().map(|inner| self.engine.expression(&inner.value)).collect::<Result<_, Error>>()?;
            let paths = || set.set.iter().map(|inner| inner.path.as_str());
            let mut items = Vec::new();
            for row in scene.table(&expression, &inner, |_, found| all_to_json(found))? {
                let values: Vec<Vec<Json>> = row.into_iter().collect::<Result<_, Error>>()?;
                items.push(paths().zip(values).collect());
            }
            // What several find for one path is one list; what stood there before is done away with once.
            if put_items(&mut resource, &set.path, items, !begun.contains(&set.path.as_str()))? {
                begun.push(&set.path);
            }
        }
        self.write(&reference, tree::resource(&Json::Object(resource))?, if_match, is_new);
        Ok(Some(reference))
    }

    /// What an activity takes over, if there is such a thing. Refuses what must not be.
    async fn adopted(
        &self,
        protocol: &Protocol,
        run: &Run,
        frame: &Frame,
        activity: &Activity,
        adopt: &Adopt,
    ) -> Result<Option<Material>, Error> {
        let scene = self.scene(protocol, run, frame, &[&adopt.from]).await?;
        let found = scene.evaluate(&self.engine.expression(&adopt.from)?, |items| Ok(scene::referenced(&items)))?;
        let Some(reference) = found.map(|party| party.reference) else { return Ok(None) };
        let gone = || {
            let text = format!("{reference} cannot be taken over any more. Choose anew, or go on without it.");
            Error::new(fhir::Category::Conflict, fhir::IssueCode::Conflict, text)
        };
        let is_meant = activity.create.as_deref() == reference.split_once('/').map(|(type_, _)| type_);
        // What is judged here is the version that is written on: whoever changes it meanwhile is noticed by that.
        let material = self.stored(reference.clone()).await?.filter(|_| is_meant).ok_or_else(gone)?;
        let there = tree::resource(&Json::Object(material.1.clone()))?;
        let patient = run.patient.as_deref().and_then(|patient| patient.strip_prefix("Patient/"));
        if patient.is_some_and(|patient| !super::follow::patients_of(&there).contains(patient)) {
            return Err(gone());
        }
        if let Some(when) = &adopt.when {
            let about =
                About { response: self.response.as_ref(), resource: Some(&there), pending: Some(&self.pending) };
            let scene = Scene::gather(&self.session, protocol, run, frame, about, &[when], self.now).await?;
            if scene.holds(&self.engine.expression(when)?)? != Some(true) {
                return Err(gone());
            }
        }
        Ok(Some(material))
    }

    /// What an activity begins with: nothing but a name, or what it changes. None when that is not there.
    async fn material(&self, run: &Run, activity: &Activity) -> Result<Option<Material>, Error> {
        if let Some(type_) = &activity.create {
            let id = self.engine.new_id();
            let resource = [("resourceType", type_.to_string()), ("id", id.clone())];
            let resource = resource.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
            return Ok(Some((format!("{type_}/{id}"), resource, None, true)));
        }
        let reference = match activity.change.as_deref() {
            Some("focus") => run.focus.clone(),
            Some(other) => run.made.get(other).cloned(),
            None => None,
        };
        match reference {
            Some(reference) => self.stored(reference).await,
            None => Ok(None),
        }
    }

    /// A resource as it will be once the transaction is through, or as it is stored.
    async fn stored(&self, reference: String) -> Result<Option<Material>, Error> {
        let read = |value: &Value| serde_json::from_slice(&json::to_bytes(value)).map_err(Error::fault);
        if let Some(pending) = self.pending.get(&reference) {
            return Ok(Some((reference, read(pending)?, None, false)));
        }
        let Some(key) = key(&reference) else { return Ok(None) };
        let Some(version) = self.session.read(&key).await? else { return Ok(None) };
        let Some(body) = &version.body else { return Ok(None) };
        Ok(Some((reference, read(&json::parse(body)?)?, Some(version.version), false)))
    }

    /// Begins a run that follows from another, with milestones that are there already.
    async fn begin(
        &mut self,
        from: usize,
        next: &Next,
        step: Option<&(String, u32)>,
        reach: Vec<Brought>,
    ) -> Result<String, Error> {
        let code = next.protocol.as_str();
        let protocol = self.engine.protocol(code, None).await?.ok_or_else(|| super::no_protocol(code))?;
        let way = protocol.way(next.start.as_deref()).cloned();
        let source = &self.runs[from];
        let mut parties = BTreeMap::new();
        for role in &protocol.roles {
            let same = next.roles.get(role.code.as_str()).unwrap_or(&role.code);
            if let Some(party) = source.run.party(&source.protocol, same) {
                parties.insert(role.code.to_string(), party.clone());
            }
        }
        let focus = match &next.focus {
            Some(text) => {
                let scene = self.scene(&source.protocol, &source.run, &source.frame, &[text]).await?;
                let found = scene.evaluate(&self.engine.expression(text)?, |items| Ok(scene::referenced(&items)))?;
                found.map(|party| party.reference)
            }
            None => source.run.focus.clone(),
        };
        let patient = match &next.patient {
            Some(text) => {
                let scene = self.scene(&source.protocol, &source.run, &source.frame, &[text]).await?;
                let found = scene.evaluate(&self.engine.expression(text)?, |items| Ok(scene::referenced(&items)))?;
                let found = found.map(|party| party.reference).filter(|reference| reference.starts_with("Patient/"));
                let told = || {
                    Error::new(
                        fhir::Category::Invalid,
                        fhir::IssueCode::Required,
                        format!("Say for whom \"{code}\" begins."),
                    )
                };
                Some(found.ok_or_else(told)?)
            }
            None => source.run.patient.clone(),
        };
        let id = self.engine.new_id();
        let parent = step.map(|(step, n)| Parent { run: source.run.id.clone(), step: step.clone(), n: *n });
        let class = next
            .class
            .as_deref()
            .map(str::to_owned)
            .or_else(|| source.run.class.clone().filter(|class| protocol.class(class).is_some()));
        let run = Run {
            id: id.clone(),
            protocol: code.to_owned(),
            version: protocol.version.clone(),
            patient,
            focus,
            chain: source.run.chain.clone(),
            parent,
            class,
            parties,
            began: self.now,
            ..Run::default()
        };
        let requester = source.frame.requester.clone();
        let kept = next.keep.iter().filter_map(|code| Some(Brought::from(source.run.reached(code)?)));
        let reach = reach.into_iter().chain(kept).collect();
        self.enter(protocol, run, requester, way.as_ref(), reach).await?;
        Ok(id)
    }

    /// Puts a new run among those that move, and its beginning among the events to come.
    pub(super) async fn enter(
        &mut self,
        protocol: Arc<Protocol>,
        mut run: Run,
        requester: Option<String>,
        way: Option<&Start>,
        mut reach: Vec<Brought>,
    ) -> Result<(), Error> {
        if self.runs.len() >= BEGUN {
            let text =
                format!("The protocol \"{}\" begins others without an end; it cannot be run as it is.", run.protocol);
            return Err(Error::new(fhir::Category::Unprocessable, fhir::IssueCode::BusinessRule, text));
        }
        let frame = Frame { requester, zone: self.zone };
        run.response = self.answered.clone();
        // Whoever starts by hand and gives a focus has made it already.
        let given = way.is_some_and(|way| way.by == StartKind::Hand) && run.focus.is_some();
        if let Some(activity) = way.and_then(|way| way.make.as_ref()).filter(|_| !given) {
            let made = self.made(&protocol, &run, &frame, activity).await?;
            run.focus = made.or(run.focus);
        }
        self.bind(&protocol, &mut run, &frame).await?;
        run.traits = self.traits(&protocol, &run, &frame).await?;
        run.own = self.engine.own_limits(&protocol, &run).await?;
        for code in way.into_iter().flat_map(|way| &way.reach) {
            if !reach.iter().any(|known| known.code == code.as_str()) {
                reach.push((code.to_string(), self.now).into());
            }
        }
        let event = super::event_of(&self.by, Deed::Begin { reach });
        self.queue.push_back((run.id.clone(), event));
        self.runs.push(Moving { protocol, before: None, run, version: 0, frame, happened: Vec::new() });
        Ok(())
    }

    /// Binds roles and finds the class as the protocol says, where whoever starts the run does not.
    async fn bind(&self, protocol: &Protocol, run: &mut Run, frame: &Frame) -> Result<(), Error> {
        let open: Vec<(&str, &str)> = protocol
            .roles
            .iter()
            .filter(|role| !run.parties.contains_key(role.code.as_str()))
            .filter_map(|role| Some((role.code.as_str(), role.bind.as_deref()?)))
            .collect();
        let graded = protocol.class_from.as_deref().filter(|_| run.class.is_none());
        let texts: Vec<&str> = open.iter().map(|(_, bind)| *bind).chain(graded).collect();
        if !texts.is_empty() {
            let scene = self.scene(protocol, run, frame, &texts).await?;
            for (role, bind) in open {
                let found = scene.evaluate(&self.engine.expression(bind)?, |items| Ok(scene::referenced(&items)))?;
                run.parties.extend(found.map(|party| (role.to_owned(), party)));
            }
            if let Some(class) = graded {
                let read = |expression: Expression| {
                    scene.evaluate(&expression, |items| {
                        Ok(items.first().and_then(|item| item.as_text()).map(|text| text.to_string()))
                    })
                };
                run.class = read(self.engine.expression(class)?)?.filter(|class| protocol.class(class).is_some());
            }
        }
        for role in &protocol.roles {
            use crate::definition::PartyKind;
            let known = match role.party {
                PartyKind::Patient => run.patient.clone(),
                PartyKind::System => Some(PLATFORM.to_owned()),
                _ => None,
            };
            if let (Some(reference), false) = (known, run.parties.contains_key(role.code.as_str())) {
                run.parties.insert(role.code.to_string(), Party { reference, display: None });
            }
        }
        let bare = |role: &&crate::definition::Role| !role.optional && run.party(protocol, &role.code).is_none();
        if let Some(role) = protocol.roles.iter().find(bare) {
            let text = format!("Say who the role \"{}\" is bound to; the run cannot start without.", role.code);
            return Err(Error::new(fhir::Category::Invalid, fhir::IssueCode::Required, text));
        }
        Ok(())
    }

    /// The run goes on under another protocol, which begins with the milestones it knows too.
    async fn switch(&mut self, from: usize, protocol: &str) -> Result<(), Error> {
        let other = self.engine.protocol(protocol, None).await?.ok_or_else(|| super::no_protocol(protocol))?;
        let source = &self.runs[from].run;
        let reach = source.kept_under(&other).map(Brought::from).collect();
        let parent = source.parent.clone();
        let next = Next { protocol: protocol.into(), ..Next::default() };
        let id = self.begin(from, &next, None, reach).await?;
        if let Some(parent) = parent {
            let at = self.runs.iter().position(|moving| moving.run.id == id);
            let at = at.ok_or_else(|| Error::fault("a run that was just begun is not there"))?;
            self.runs[at].run.parent = Some(parent.clone());
            let whole = self.find(&parent.run).await?;
            let whole = &mut self.runs[whole];
            link(&mut whole.run, &parent.step, parent.n, &id);
            let begun = vec![(parent.step, parent.n, id)];
            let event = self.engine.event(Deed::Look);
            whole.happened.push(Happened { at: self.now, event, made: BTreeMap::new(), begun });
        }
        Ok(())
    }

    /// What an outcome binds anew, as its form says.
    pub(super) async fn bound(&self, run: &str, step: &str, outcome: &str) -> Result<BTreeMap<String, Party>, Error> {
        let mut bound = BTreeMap::new();
        let moving = self.runs.iter().find(|moving| moving.run.id == run);
        let Some(Moving { protocol, run, frame, .. }) = moving else { return Ok(bound) };
        let Some(outcome) = protocol.step(step).and_then(|step| step.outcome(outcome)) else { return Ok(bound) };
        if outcome.bind.is_empty() {
            return Ok(bound);
        }
        let texts: Vec<&str> = outcome.bind.values().map(crate::Code::as_str).collect();
        let about = About { response: self.response.as_ref(), resource: self.response.as_ref(), pending: None };
        let scene = Scene::gather(&self.session, protocol, run, frame, about, &texts, self.now).await?;
        for (role, text) in &outcome.bind {
            let found = scene.evaluate(&self.engine.expression(text)?, |items| Ok(scene::referenced(&items)))?;
            bound.extend(found.map(|party| (role.clone(), party)));
        }
        Ok(bound)
    }

    /// Refuses an outcome whose condition does not hold for what was filled in.
    pub(super) async fn permit(&self, run: &str, step: &str, outcome: &str) -> Result<(), Error> {
        let moving = self.runs.iter().find(|moving| moving.run.id == run);
        let Some(Moving { protocol, run, frame, .. }) = moving else { return Ok(()) };
        let outcome = protocol.step(step).and_then(|step| step.outcome(outcome));
        let Some((outcome, when)) = outcome.and_then(|outcome| Some((outcome, outcome.when.as_ref()?))) else {
            return Ok(());
        };
        let scene = self.scene(protocol, run, frame, &[when]).await?;
        if scene.holds(&self.engine.expression(when)?)? == Some(true) {
            return Ok(());
        }
        let text = format!("What is known does not allow \"{}\".", outcome.code);
        Err(Error::new(fhir::Category::Unprocessable, fhir::IssueCode::BusinessRule, text))
    }

    /// Takes in what another draft moves, so that both are one transaction. Refuses one that moves or writes the same.
    pub(super) fn join(&mut self, other: Self) -> Result<(), Error> {
        let twice = other.runs.iter().any(|run| self.runs.iter().any(|known| known.run.id == run.run.id))
            || other.papers.keys().any(|reference| self.papers.contains_key(reference));
        if twice {
            return Err(Error::fault("two drafts move the same"));
        }
        self.runs.extend(other.runs);
        self.papers.extend(other.papers);
        Ok(())
    }

    /// The time of this draft, in microseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// The offset of its calendars.
    pub(super) fn zone(&self) -> Offset {
        self.zone
    }

    /// Where a run stands at the end of this draft.
    pub(super) fn standing(&self, run: &str) -> Option<Standing> {
        let moving = self.runs.iter().find(|moving| moving.run.id == run)?;
        let version = moving.version + u64::from(!moving.happened.is_empty());
        Some(Standing { protocol: Arc::clone(&moving.protocol), run: moving.run.clone(), version })
    }

    /// Everything that is to be written; nothing when nothing has moved.
    pub(super) fn changes(&self) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        for moving in self.runs.iter().filter(|moving| !moving.happened.is_empty()) {
            moving.changes(&mut changes)?;
        }
        if changes.is_empty() {
            return Ok(changes);
        }
        for (reference, paper) in &self.papers {
            let key = key(reference).ok_or_else(|| Error::fault("a resource was written under a name that is none"))?;
            changes.push(update(key, paper.resource.clone(), paper.if_match, paper.is_new));
        }
        Ok(changes)
    }
}

impl Moving {
    fn changes(&self, changes: &mut Vec<Change>) -> Result<(), Error> {
        let task = |id: &str| key(&format!("Task/{id}")).ok_or_else(|| Error::invalid(format!("{id} is no id.")));
        let root = task::root(&self.protocol, &self.run, &self.frame, &self.happened)?;
        let if_match = self.before.as_ref().map(|_| self.version);
        changes.push(update(task(&self.run.id)?, root, if_match, if_match.is_none()));
        let before = self.before.as_ref().map(|(protocol, run)| (protocol.as_ref(), run));
        for work in &self.run.steps {
            let was = before.and_then(|(_, run)| run.work(&work.step, work.n));
            let is_settled = |(protocol, run): (&Protocol, &Run)| {
                !work.status.is_open() && std::ptr::eq(protocol, &*self.protocol) && run.class == self.run.class
            };
            if was == Some(work) && before.is_some_and(is_settled) {
                continue;
            }
            let shown = task::work(&self.protocol, &self.run, work, &self.frame)?;
            let stored = match (was, before) {
                (Some(was), Some((protocol, run))) => Some(task::work(protocol, run, was, &self.frame)?),
                _ => None,
            };
            if stored.is_none_or(|stored| json::to_bytes(&stored) != json::to_bytes(&shown)) {
                changes.push(update(task(&task::work_id(&self.run.id, &work.step, work.n))?, shown, None, false));
            }
        }
        let stored = before.map(|(protocol, run)| task::milestones(protocol, run)).unwrap_or_default();
        for (id, observation) in task::milestones(&self.protocol, &self.run) {
            if !stored.iter().any(|(known, was)| *known == id && *was == observation) {
                let key = key(&format!("Observation/{id}"));
                let key = key.ok_or_else(|| Error::invalid(format!("{id} is too long for an id.")))?;
                changes.push(update(key, tree::resource(&observation)?, None, false));
            }
        }
        if let Some((protocol, run)) = before {
            let gone = run.steps.iter().filter(|work| self.run.work(&work.step, work.n).is_none());
            for work in gone {
                let renamed = crate::run::Work { status: crate::run::WorkStatus::Cancelled, ..work.clone() };
                let shown = task::work(protocol, run, &renamed, &self.frame)?;
                changes.push(update(task(&task::work_id(&run.id, &work.step, work.n))?, shown, None, false));
            }
        }
        Ok(())
    }
}

/// The run that a step consists of.
pub(super) fn link(run: &mut Run, step: &str, n: u32, id: &str) {
    if let Some(work) = run.steps.iter_mut().find(|work| work.step == step && work.n == n) {
        work.run = Some(id.to_owned());
    }
}

fn update(key: Key, resource: Value, if_match: Option<u64>, if_absent: bool) -> Change {
    Change::new(Action::Update { target: Target::Key(key), resource, if_match, if_absent })
}
