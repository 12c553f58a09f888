//! Runs on the record: started, acted on, read and rebuilt.
//!
//! Whatever happens to a run is one transaction: it reads the root Task, judges with [`crate::step`], and writes the
//! root Task on the condition that nobody has changed it, together with all that follows. Of two who act at once the
//! second finds it changed, reads again and is judged by what is the case now, so that it gets the run's own refusal.
//!
//! Who acts stands on the trail as the one who wrote. Whether they may act is decided here, by the duties they hold where
//! the roles of the run are bound; the writing itself is the platform's.

mod authority;
mod concerned;
mod document;
mod draft;
mod follow;
mod library;
mod make;
mod migrate;
mod own;
mod scene;
mod suggest;
mod timers;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir::path::Expression;
use fhir::{Category, Error, IssueCode, Value, json};
use jiff::Timestamp;
use jiff::tz::Offset;
use parking_lot::RwLock;
use record::{
    Caller, Follower, HistoryRequest, HistoryScope, Key, Record, ResourceType, Session, Standing as As, Version, tree,
};
use sonic_rs::JsonValueTrait;

use crate::definition::{Protocol, Start as StartRule};
use crate::form::{fill_stored, is_kept};
use crate::knowledge;
use crate::run::{Deed, Event, Grounds, Party, Run};
use crate::task::{self, Frame, Happened};
use crate::text::Line;
use authority::Authority;
use draft::{Draft, PLATFORM};

pub use document::{Line as PrintedLine, Lines, Part, Printed, Shown, Signing};
pub use library::Library;
pub use migrate::Migrated;
pub use own::OwnLimit;
pub use suggest::{Shows, Suggested};

/// How often an act is judged anew when others act on the same run meanwhile.
const TRIES: usize = 16;
/// Into how many parts the timers are divided, each of which one process looks after at a time.
pub(crate) const SHARDS: u32 = 8;

/// Protocols at work on a record. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    record: Record,
    library: Library,
    expressions: scene::Expressions,
    /// What institutions keep to in place of what protocols say.
    own: RwLock<Arc<[OwnLimit]>>,
    /// Follows what is written.
    follower: Follower,
    /// Which runs there are to be told of it.
    concerned: concerned::Concerned,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The protocol it is under.
    pub protocol: Arc<Protocol>,
    /// The run.
    pub run: Run,
    /// The version of its root Task.
    pub version: u64,
}

/// A run that is to begin.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Its id. Starting twice under one id starts one run.
    pub id: Option<String>,
    /// The code of the protocol.
    pub protocol: String,
    /// The version; the latest when none is given.
    pub version: Option<String>,
    /// The code of the way to start, where there are several.
    pub start: Option<String>,
    /// For whom, such as `Patient/p1`.
    pub patient: Option<String>,
    /// What it is about besides, such as `ServiceRequest/s1`.
    pub focus: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Whom its roles are bound to, each a reference.
    pub roles: BTreeMap<String, String>,
    /// When the milestones of its beginning came about, in microseconds since 1970, where that was not just now.
    pub reach: Vec<(String, i64)>,
    /// A QuestionnaireResponse that is stored with it.
    pub response: Option<Value>,
    /// Why, where a criterion begins it.
    pub grounds: Option<Grounds>,
}

/// Something somebody does to a run.
#[derive(Debug, Clone)]
pub struct Act {
    /// What. The engine itself puts in what an outcome binds, and the reference to the response.
    pub deed: Deed,
    /// The QuestionnaireResponse that comes with it, which is stored in the same transaction.
    pub response: Option<Value>,
}

impl From<Deed> for Act {
    fn from(deed: Deed) -> Self {
        Self { deed, response: None }
    }
}

impl Engine {
    /// An engine on a record, with the protocols that are stored there.
    pub fn new(record: Record) -> Self {
        Self::with(record, Library::default())
    }

    /// An engine that knows these protocols besides those that are stored.
    pub fn with(record: Record, library: Library) -> Self {
        let follower = Follower::new(&record, follow::NAME);
        let own = RwLock::new(Vec::new().into());
        let (expressions, concerned) = (scene::Expressions::default(), concerned::Concerned::default());
        Self(Arc::new(Inner { record, library, expressions, own, follower, concerned }))
    }

    /// The record it works on.
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// The protocols it knows.
    pub fn library(&self) -> &Library {
        &self.0.library
    }

    /// One version of a protocol, or the latest that the record holds now.
    pub async fn protocol(&self, code: &str, version: Option<&str>) -> Result<Option<Arc<Protocol>>, Error> {
        let known = self.0.library.get(code, version);
        let is_news = match version {
            Some(_) => known.is_none(),
            // Another process may have put a later one in since.
            None => {
                let stored = knowledge::versions(&self.platform(), Some(code)).await?;
                stored.iter().any(|(code, version)| self.0.library.get(code, Some(version)).is_none())
            }
        };
        if !is_news {
            return Ok(known);
        }
        self.learn().await?;
        Ok(self.0.library.get(code, version))
    }

    /// Puts a line into the record and learns its protocols. Of a version that is stored, the stored words count.
    pub async fn install(&self, line: &Line) -> Result<knowledge::Pending, Error> {
        let pending = knowledge::install(&self.platform(), line).await?;
        self.learn().await?;
        Ok(pending)
    }

    /// Learns every protocol the record holds.
    pub async fn learn(&self) -> Result<(), Error> {
        for protocol in knowledge::load(&self.platform()).await? {
            self.0.library.put(protocol);
        }
        Ok(())
    }

    /// Starts a run by hand.
    ///
    /// Fails with [`Category::Forbidden`] when the caller may not start the protocol, with [`Category::Conflict`] when
    /// another run has the id, and as [`Error::not_found`] when the patient or the focus is not there for the caller.
    pub async fn start(&self, caller: &Caller, start: Start) -> Result<Standing, Error> {
        let protocol = self.protocol(&start.protocol, start.version.as_deref()).await?;
        let protocol = protocol.ok_or_else(|| no_protocol(&start.protocol))?;
        let permitted = Authority::new(&self.0.record, caller).start(&protocol, start.start.as_deref())?;
        let own = self.0.record.session(caller.clone());
        for reference in start.patient.iter().chain(&start.focus).chain(start.roles.values()) {
            if scene::read(&own, None, Some(reference)).await?.is_none() {
                return Err(Error::not_found(format!("There is no {reference} that you may read.")));
            }
        }
        if let Some((code, _)) = start.reach.iter().find(|(code, _)| {
            !caller.standing.is_no_person()
                && permitted.is_none_or(|start| !start.reach.iter().any(|known| known.as_str() == code))
        }) {
            return Err(Error::invalid(format!("A run does not begin with the milestone \"{code}\".")));
        }
        if permitted.is_some_and(|start| start.form.is_some()) && start.response.is_none() {
            let text = "The form with which this is started has not been filled in.";
            return Err(Error::new(Category::Invalid, IssueCode::Required, text));
        }
        if let Some(class) = start.class.as_deref().filter(|class| protocol.class(class).is_none()) {
            return Err(Error::invalid(format!("There is no class \"{class}\".")));
        }
        let id = start.id.clone().unwrap_or_else(|| self.new_id());
        let way = permitted.cloned();
        self.begin(caller, &own, id, protocol, start, way).await
    }

    async fn begin(
        &self,
        caller: &Caller,
        own: &Session,
        id: String,
        protocol: Arc<Protocol>,
        start: Start,
        way: Option<StartRule>,
    ) -> Result<Standing, Error> {
        let mut tried = 0;
        loop {
            let mut draft = Draft::new(self, &caller.actor);
            if let Some(response) = &start.response {
                let form = way.as_ref().and_then(|way| way.form.as_deref());
                let asked = Asked { form, patient: start.patient.as_deref(), focus: start.focus.as_deref() };
                self.take_answer(&mut draft, own, response, asked).await?;
            }
            let class = start.class.clone().or_else(|| Some(way.as_ref()?.class.as_ref()?.to_string()));
            let party = |to: &String| Party { reference: to.clone(), display: None };
            let run = Run {
                id: id.clone(),
                protocol: protocol.code.to_string(),
                version: protocol.version.clone(),
                patient: start.patient.clone(),
                focus: start.focus.clone(),
                chain: id.clone(),
                class,
                parties: start.roles.iter().map(|(role, to)| (role.clone(), party(to))).collect(),
                grounds: start.grounds.clone(),
                began: self.now(),
                ..Run::default()
            };
            let reach = start.reach.iter().cloned().map(Into::into).collect();
            draft.enter(Arc::clone(&protocol), run, Some(requester(caller)), way.as_ref(), reach).await?;
            draft.settle().await?;
            tried += 1;
            match self.commit(caller, &draft).await {
                Ok(()) => {
                    return draft.standing(&id).ok_or_else(|| Error::fault("a run that was begun is not there"));
                }
                Err(error) if is_overtaken(&error) => match self.load(&id).await? {
                    Some(there) if is_same(&there.run, &start) => {
                        if !self.says_the_same(&there.run, &start).await? {
                            let text = "This run is there and began with other answers; tell what has changed by a step of it.";
                            return Err(Error::new(Category::Conflict, IssueCode::Duplicate, text));
                        }
                        return Ok(there);
                    }
                    Some(_) => {
                        return Err(Error::new(Category::Conflict, IssueCode::Duplicate, "Another run has this id."));
                    }
                    // Somebody else was first with what it writes besides, such as the next number of a series.
                    None if tried < TRIES => {}
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a run that is there began with the answers with which somebody asks to start it. What is other must not be
    /// taken for kept.
    async fn says_the_same(&self, run: &Run, start: &Start) -> Result<bool, Error> {
        let Some(asked) = start.response.as_ref().filter(|response| response.get("item").is_some()) else {
            return Ok(true);
        };
        let platform = self.platform();
        match scene::read(&platform, None, run.response.as_deref()).await? {
            Some(stored) => is_kept(&platform, &stored, asked).await,
            // What cannot be found any more cannot be compared.
            None => Ok(true),
        }
    }

    /// Does something to a run, and answers where it stands then.
    ///
    /// Fails with [`Category::Conflict`] and a text that says who was first when somebody was, with
    /// [`Category::Forbidden`] when the caller may not, and as [`Error::not_found`] when there is no such run. Doing the
    /// same twice is doing it once.
    pub async fn act(&self, caller: &Caller, run: &str, act: Act) -> Result<Standing, Error> {
        let own = self.0.record.session(caller.clone());
        let mut tried = 0;
        loop {
            let (standing, frame) = self.stored(run).await?.ok_or_else(|| no_such(run))?;
            Authority::new(&self.0.record, caller).act(&standing.protocol, &standing.run, &act.deed).await?;
            if is_done(&standing.run, &caller.actor, &act.deed) {
                return Ok(standing);
            }
            if let Deed::Switch { protocol, .. } = &act.deed {
                told::is_target(&standing.protocol, protocol)?;
            }
            let (protocol, patient, focus) =
                (standing.protocol.clone(), standing.run.patient.clone(), standing.run.focus.clone());
            let mut draft = Draft::new(self, &caller.actor);
            draft.hold(standing, frame);
            draft.reasoned(run, &act.deed).await?;
            let mut deed = act.deed.clone();
            if let Some(response) = &act.response {
                let form = form_of(&protocol, &act.deed);
                let asked = Asked { form, patient: patient.as_deref(), focus: focus.as_deref() };
                let reference = self.take_answer(&mut draft, &own, response, asked).await?;
                if let Deed::Complete { response, .. } = &mut deed {
                    *response = Some(reference);
                }
            }
            if let Deed::Complete { step, outcome: Some(outcome), bind, .. } = &mut deed {
                draft.permit(run, step, outcome).await?;
                bind.extend(draft.bound(run, step, outcome).await?);
            }
            draft.happen(run, event_of(&caller.actor, deed)).await?;
            tried += 1;
            match self.commit(caller, &draft).await {
                Ok(()) => return draft.standing(run).ok_or_else(|| Error::fault("a run that was held is not there")),
                Err(error) if is_overtaken(&error) && tried < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a run stands; none when there is no such run. Asks nobody whether they may know.
    pub async fn load(&self, run: &str) -> Result<Option<Standing>, Error> {
        Ok(self.stored(run).await?.map(|(standing, _)| standing))
    }

    /// The run as everything that happened to it says, by the history of its root Task.
    pub async fn rebuild(&self, run: &str) -> Result<Run, Error> {
        let mut rebuilt: Option<Run> = None;
        for version in self.history(run).await? {
            let Some(body) = version.body else { continue };
            let task = json::parse(&body)?;
            let stored = task::run(&task)?;
            let mut now = rebuilt.take().unwrap_or_else(|| beginning(&stored));
            for Happened { at, event, made, begun } in task::happened(&task)? {
                let version = match event.deed {
                    Deed::Migrate { .. } => &stored.version,
                    _ => &now.version,
                };
                let protocol = self.protocol(&now.protocol, Some(version)).await?;
                let protocol = protocol.ok_or_else(|| no_protocol(&now.protocol))?;
                (now, _) = crate::step(&protocol, &now, &event, at)?;
                now.made.extend(made);
                begun.iter().for_each(|(step, n, run)| draft::link(&mut now, step, *n, run));
            }
            rebuilt = Some(now);
        }
        rebuilt.ok_or_else(|| no_such(run))
    }

    /// Whether a caller may do a step of a run.
    pub async fn may(&self, caller: &Caller, standing: &Standing, step: &str, n: u32) -> Result<bool, Error> {
        let Some(work) = standing.run.work(step, n) else { return Ok(false) };
        Authority::new(&self.0.record, caller).may_do(&standing.protocol, &standing.run, work).await
    }

    /// Whether a caller may start a protocol by hand.
    pub fn may_start(&self, caller: &Caller, protocol: &Protocol) -> bool {
        Authority::new(&self.0.record, caller).start(protocol, None).is_ok_and(|start| start.is_some())
    }

    /// The versions of a root Task, the oldest first.
    async fn history(&self, run: &str) -> Result<Vec<Version>, Error> {
        let (mut versions, mut before) = (Vec::new(), None);
        loop {
            let scope = HistoryScope::Instance(task_key(run)?);
            let request = HistoryRequest { scope, since: None, at: None, count: 200, before };
            let page = self.platform().history(&request).await?;
            versions.extend(page.versions);
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        versions.reverse();
        Ok(versions)
    }

    /// A run as it is stored, with what stands in its Task besides.
    async fn stored(&self, run: &str) -> Result<Option<(Standing, Frame)>, Error> {
        let Ok(key) = task_key(run) else { return Ok(None) };
        match self.platform().read(&key).await? {
            Some(version) => self.standing(&version).await,
            None => Ok(None),
        }
    }

    /// The run that a version of a Task holds; none when it holds none.
    async fn standing(&self, version: &Version) -> Result<Option<(Standing, Frame)>, Error> {
        let Some(body) = &version.body else { return Ok(None) };
        let task = json::parse(body)?;
        if !task::is_root(&task) {
            return Ok(None);
        }
        let stored = task::run(&task)?;
        let protocol = self.protocol(&stored.protocol, Some(&stored.version)).await?;
        let protocol = protocol.ok_or_else(|| no_protocol(&stored.protocol))?;
        let frame = task::frame(&task, self.zone());
        Ok(Some((Standing { protocol, run: stored, version: version.version }, frame)))
    }

    /// Takes in the response to a form: as a new one, or as the end of one that was kept half filled in.
    async fn take_answer(
        &self,
        draft: &mut Draft<'_>,
        own: &Session,
        response: &Value,
        asked: Asked<'_>,
    ) -> Result<String, Error> {
        let mut answer: serde_json::Value = serde_json::from_slice(&json::to_bytes(response)).map_err(Error::fault)?;
        if answer["resourceType"] != "QuestionnaireResponse" {
            return Err(Error::invalid("What comes with an act is a QuestionnaireResponse."));
        }
        let kept = answer["id"].as_str().map(str::to_owned);
        let (id, if_match) = match kept {
            Some(id) => {
                let stored = own.read(&Key::new(ResourceType::parse("QuestionnaireResponse")?, id.as_str())).await?;
                let body = stored.as_ref().and_then(|version| version.body.as_ref());
                let value = body.map(|body| json::parse(body)).transpose()?;
                let status = value.as_ref().and_then(|value| value.get("status")?.as_str());
                match (stored.as_ref(), status) {
                    (Some(version), Some("in-progress")) => (id, Some(version.version)),
                    (Some(_), Some(_)) => {
                        let text = "This form has already been sent.";
                        return Err(Error::new(Category::Conflict, IssueCode::Conflict, text));
                    }
                    _ => return Err(Error::not_found(format!("There is no QuestionnaireResponse/{id}."))),
                }
            }
            None => (self.new_id(), None),
        };
        answer["id"] = id.as_str().into();
        answer["status"] = "completed".into();
        if let Some(form) = asked.form {
            let canonical = knowledge::canonical("Questionnaire", form);
            if answer["questionnaire"].is_null() {
                answer["questionnaire"] = canonical.as_str().into();
            } else if answer["questionnaire"].as_str().and_then(|other| other.split('|').next()) != Some(&canonical) {
                return Err(Error::invalid(format!("The form \"{form}\" is asked for, and this answers another.")));
            }
        }
        if let Some(patient) = asked.patient {
            answer["subject"] = serde_json::json!({ "reference": patient });
        }
        if answer["authored"].is_null() {
            answer["authored"] = task::written(self.now()).into();
        }
        let author = requester(own.caller());
        if answer["author"].is_null() && key_of(&author).is_some() {
            answer["author"] = serde_json::json!({ "reference": author });
        }
        let reference = format!("QuestionnaireResponse/{id}");
        let answer = self.filled(&tree::resource(&answer)?, asked).await?;
        draft.answer(&reference, answer, if_match);
        Ok(reference)
    }

    /// A response with what follows from it. Refuses one that is not what its form asks for.
    async fn filled(&self, answer: &Value, asked: Asked<'_>) -> Result<Value, Error> {
        let platform = self.platform();
        let mut known = Vec::new();
        for (name, reference) in [("patient", asked.patient), ("focus", asked.focus)] {
            if let Some(resource) = scene::read(&platform, None, reference).await? {
                known.push((name, resource));
            }
        }
        let variables: Vec<(&str, &Value)> = known.iter().map(|(name, resource)| (*name, resource)).collect();
        let now = Timestamp::from_microsecond(self.now()).map_err(Error::fault)?;
        fill_stored(&platform, answer, &variables, (now, self.zone())).await
    }

    /// Writes a draft in the name of the one who acts.
    async fn commit(&self, caller: &Caller, draft: &Draft<'_>) -> Result<(), Error> {
        let changes = draft.changes()?;
        if changes.is_empty() {
            return Ok(());
        }
        let caller = Caller { standing: As::System, ..caller.clone() };
        self.0.record.session(caller).keeping_runs().transact(changes).await?;
        self.moved(draft);
        Ok(())
    }

    /// Looks after runs for as long as it is polled: follows what is written to the record, and fires the points of
    /// clocks as they are due. Any number of processes may do so on one record; they share the work, and what one leaves
    /// undone another goes on with. Failures are logged and tried again.
    pub async fn keep(self) {
        let name = self.new_id();
        tokio::join!(self.keep_time(&name), self.keep_following());
    }

    fn platform(&self) -> Session {
        self.0.record.session(Caller::system("HOPERAT"))
    }

    fn event(&self, deed: Deed) -> Event {
        event_of(PLATFORM, deed)
    }

    fn expression(&self, text: &str) -> Result<Expression, Error> {
        self.0.expressions.get(text)
    }

    fn new_id(&self) -> String {
        self.0.record.surroundings().new_id()
    }

    fn now(&self) -> i64 {
        self.0.record.surroundings().clock.now()
    }

    fn zone(&self) -> Offset {
        self.0.record.settings().zone()
    }
}

/// What a response answers: the form that is asked for, about whom and about what.
#[derive(Clone, Copy)]
struct Asked<'a> {
    form: Option<&'a str>,
    patient: Option<&'a str>,
    focus: Option<&'a str>,
}

/// The form that comes with a deed.
fn form_of<'p>(protocol: &'p Protocol, deed: &Deed) -> Option<&'p str> {
    let Deed::Complete { step, outcome, .. } = deed else { return None };
    let step = protocol.step(step)?;
    let outcome = outcome.as_deref().and_then(|outcome| step.outcome(outcome)?.form.as_deref());
    outcome.or(step.form.as_deref())
}

/// Something that somebody does, before anything is known besides.
fn event_of(by: &str, deed: Deed) -> Event {
    Event { by: by.to_owned(), deed, answers: BTreeMap::new(), instants: BTreeMap::new() }
}

/// The id of the run that begins because of something, so that going over it twice begins one: FNV-1a of 128 bits.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn id_because_of(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("{hash:032x}")
}

/// The part of the timers that looks after a run: FNV-1a of its id. <http://www.isthe.com/chongo/tech/comp/fnv/>
fn shard(run: &str) -> u32 {
    let hash = run.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % SHARDS
}

/// The run before anything happened to it, by the first version of its Task.
fn beginning(first: &Run) -> Run {
    Run {
        id: first.id.clone(),
        protocol: first.protocol.clone(),
        version: first.version.clone(),
        patient: first.patient.clone(),
        focus: first.focus.clone(),
        chain: first.chain.clone(),
        parent: first.parent.clone(),
        class: first.class.clone(),
        parties: first.parties.clone(),
        response: first.response.clone(),
        grounds: first.grounds.clone(),
        traits: first.traits.clone(),
        own: first.own.clone(),
        began: first.began,
        ..Run::default()
    }
}

/// Whether a run is the one somebody asks to start a second time. Where it made what it is about, nobody names that.
fn is_same(run: &Run, start: &Start) -> bool {
    let is_focus = start.focus.is_none() || run.focus == start.focus;
    run.protocol == start.protocol && run.patient == start.patient && is_focus
}

/// Whether a deed was done before by the same person, with the same outcome.
fn is_done(run: &Run, by: &str, deed: &Deed) -> bool {
    let Deed::Complete { step, n, outcome, .. } = deed else { return false };
    let done = run.work(step, *n).filter(|work| work.status == crate::run::WorkStatus::Done);
    done.is_some_and(|work| work.by.as_deref() == Some(by) && work.outcome == *outcome)
}

/// Whether a transaction failed because others changed the same meanwhile.
fn is_overtaken(error: &Error) -> bool {
    error.category() == Category::PreconditionFailed
}

/// As whom the caller asks for things: the post they act from, or who they are.
fn requester(caller: &Caller) -> String {
    match &caller.standing {
        As::Staff(post) => format!("PractitionerRole/{}", post.role),
        _ if key_of(&caller.actor).is_some() => caller.actor.clone(),
        _ => PLATFORM.to_owned(),
    }
}

fn key_of(reference: &str) -> Option<Key> {
    scene::key(reference)
}

fn task_key(run: &str) -> Result<Key, Error> {
    if !Key::is_id(run) {
        return Err(no_such(run));
    }
    Ok(Key::new(ResourceType::parse("Task")?, run))
}

fn no_such(run: &str) -> Error {
    Error::not_found(format!("There is no run {run}."))
}

fn no_protocol(code: &str) -> Error {
    Error::not_found(format!("There is no protocol \"{code}\" of this version."))
}
