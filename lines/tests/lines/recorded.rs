//! The same stage on a record: runs are Tasks, whoever acts holds a post, and what is written is there to be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir::{Error, Value, json};
use jiff::Timestamp;
use protocol::definition::{Protocol, StartKind};
use protocol::run::{Deed, Party, Run};
use protocol::{Act, Engine, Library, Line, Start};
use record::{Action, Caller, Change, Key, Lay, Post, ResourceType, SearchRequest, Session, Standing, Target};
use serde_json::{Value as Json, json};
use testkit::place::{Place, TestClock};

use crate::paths::{Answer, filled, written};
use crate::stage::{Ground, Opening, PLATFORM, Told, zone};

/// In seconds.
const DAY: i64 = 86_400;

/// Protocols on a record of their own.
pub(crate) struct Recorded {
    place: Place,
    engine: Engine,
    line: Line,
    runs: Vec<Run>,
    /// The visits so far, by id.
    visits: BTreeMap<String, Json>,
    /// How many resources scenarios have written.
    written: usize,
    fired: Vec<Told>,
    now: i64,
}

pub(crate) fn value(json: &Json) -> Value {
    json::parse(json.to_string().as_bytes()).expect("JSON is written as it is read")
}

fn key(reference: &str) -> Key {
    let (type_, id) = reference.split_once('/').expect("a reference has a type and an id");
    Key::new(ResourceType::named(type_).expect("scenarios speak of R4 types"), id)
}

impl Recorded {
    pub(crate) fn new(place: Place, line: Line, now: i64) -> Self {
        place.clock.pass((now - TestClock::START) / 1_000_000);
        let engine = Engine::with(place.record.clone(), Library::with(line.protocols.clone()));
        Self { place, engine, line, runs: Vec::new(), visits: BTreeMap::new(), written: 0, fired: Vec::new(), now }
    }

    /// Puts the whole line into the record, so that its forms and its lists count.
    pub(crate) async fn install(&self) {
        self.engine.install(&self.line).await.expect("a line can be stored");
    }

    fn session(&self) -> Session {
        self.place.session()
    }

    async fn put(&self, resource: Json) {
        let text = |name: &str| resource[name].as_str().expect("a resource has a type and an id").to_owned();
        let target = Target::Key(key(&format!("{}/{}", text("resourceType"), text("id"))));
        let action = Action::Update { target, resource: value(&resource), if_match: None, if_absent: false };
        self.session().transact(vec![Change::new(action)]).await.expect("what a scenario begins with can be stored");
    }

    /// Somebody with the duties of a role, at the institution it is bound to.
    fn caller(&self, by: &str, run: &Run, deed: &Deed) -> Caller {
        if by == PLATFORM {
            return Caller::system("HOPERAT");
        }
        if let Some(patient) = by.strip_prefix("Patient/") {
            let lay = Lay { own: vec![patient.to_owned()], charges: Vec::new(), related: Vec::new() };
            return caller(by, Standing::Lay(Arc::new(lay)));
        }
        let protocol = self.protocol(&run.protocol);
        let step = match deed {
            Deed::Complete { step, .. } | Deed::Take { step, .. } | Deed::Acknowledge { step, .. } => {
                protocol.step(step)
            }
            _ => None,
        };
        let named = by.strip_prefix("PractitionerRole/").and_then(|role| protocol.role(role));
        let role = named.or_else(|| protocol.role(&step?.who)).expect("somebody acts in a role");
        let party = run.party(protocol, &role.code).expect("a role that acts is bound");
        let duties = role.duties.iter().map(ToString::to_string).collect();
        staff(by, &party.reference, duties)
    }

    fn filled(&self, form: &str, answers: &BTreeMap<String, Answer>) -> Value {
        let form = self.line.form(form).expect("a protocol names forms of its line");
        value(&filled(&self.line, form, answers))
    }

    fn party(&self, run: &Run, role: &str) -> String {
        let party = run.party(self.protocol(&run.protocol), role).expect("whoever receives is bound");
        party.reference.clone()
    }

    /// What happens at a desk stands in an Encounter, and the engine reads of it by following what is written.
    async fn visit(&mut self, milestone: &str, receiver: &str, at: i64) {
        let written = Timestamp::from_microsecond(at).expect("a time of a scenario").to_string();
        if milestone == "visit-ended" {
            for (id, mut visit) in std::mem::take(&mut self.visits) {
                visit["status"] = "finished".into();
                visit["period"]["end"] = written.as_str().into();
                self.put(visit.clone()).await;
                self.visits.insert(id, visit);
            }
        } else {
            let (class, place) = match milestone {
                "arrived" => ("AMB", receiver),
                "arrived-elsewhere" => ("EMER", "Organization/elsewhere"),
                other => panic!("no visit says {other}"),
            };
            let id = format!("visit-{}", self.visits.len() + 1);
            let visit = json!({
                "resourceType": "Encounter", "id": id, "status": "arrived", "class": { "code": class },
                "subject": { "reference": "Patient/p" }, "serviceProvider": { "reference": place },
                "period": { "start": written },
            });
            self.put(visit.clone()).await;
            self.visits.insert(id, visit);
        }
        while !self.engine.caught_up().await.expect("what is written can be followed") {}
    }

    fn run(&self, id: &str) -> &Run {
        self.runs.iter().find(|one| one.id == id).expect("a scenario speaks of runs there are")
    }

    /// Writes what a scenario says, with the time and the parties it leaves open, and follows it.
    async fn says(&mut self, resource: Json, run: &str, at: i64) -> String {
        self.written += 1;
        let run = self.run(run);
        let resource = written(&resource, self.protocol(&run.protocol), run, at, &format!("written-{}", self.written));
        let text = |name: &str| resource[name].as_str().expect("a resource has a type and an id");
        let reference = format!("{}/{}", text("resourceType"), text("id"));
        self.put(resource).await;
        while !self.engine.caught_up().await.expect("what is written can be followed") {}
        self.look().await;
        reference
    }

    /// What a scenario says of a run, with the time and the parties it leaves open.
    fn told(&self, resource: &Json, run: &Run, id: &str) -> Json {
        written(resource, self.protocol(&run.protocol), run, self.now, id)
    }

    /// Writes what begins a run by itself, and answers with its id. What was there before begins nothing, and what is
    /// written a second time begins nothing more.
    async fn begun(&mut self, resource: Json, first: &Run, start: &str) -> String {
        let begins = self.protocol(&first.protocol).starts.iter().find(|one| one.code.as_deref() == Some(start));
        let by = begins.map(|start| start.by);
        assert!(matches!(by, Some(StartKind::Event | StartKind::Schedule)), "{start} begins by itself");
        let criteria = Line { criteria: self.line.criteria.clone(), ..Line::default() };
        self.engine.install(&criteria).await.expect("criteria can be stored");
        self.begin_what_is_due().await;
        assert!(self.runs.is_empty(), "what was there before begins nothing");
        self.put(resource.clone()).await;
        if by == Some(StartKind::Schedule) {
            // What has been looked through today is looked through tomorrow.
            self.place.clock.pass(DAY);
            self.now += DAY * 1_000_000;
        }
        self.begin_what_is_due().await;
        let mut again = resource;
        again["language"] = "zh-CN".into();
        self.put(again).await;
        self.begin_what_is_due().await;
        let [run] = self.runs.as_slice() else { panic!("it begins one run, and not {}", self.runs.len()) };
        assert_eq!((&run.protocol, &run.patient), (&first.protocol, &first.patient));
        let protocol = self.protocol(&run.protocol);
        for (role, party) in &first.parties {
            assert_eq!(run.party(protocol, role).map(|to| &to.reference), Some(&party.reference), "{role}");
        }
        run.id.clone()
    }

    async fn begin_what_is_due(&mut self) {
        self.engine.scheduled().await.expect("schedules can be kept");
        while !self.engine.caught_up().await.expect("what is written can be followed") {}
        self.look().await;
    }

    /// Gives somebody the post from which they act.
    async fn employ(&self, caller: &Caller) {
        let Standing::Staff(post) = &caller.standing else { return };
        let duty = |code: &String| json!({ "system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": code });
        self.put(json!({ "resourceType": "Practitioner", "id": post.practitioner })).await;
        self.put(json!({
            "resourceType": "PractitionerRole", "id": post.role, "active": true,
            "practitioner": { "reference": format!("Practitioner/{}", post.practitioner) },
            "organization": { "reference": format!("Organization/{}", post.organization) },
            "code": [{ "coding": post.duties.iter().map(duty).collect::<Vec<_>>() }],
        }))
        .await;
    }

    /// Reads all runs anew.
    async fn look(&mut self) {
        let parameters = vec![
            ("_tag".to_owned(), "https://qingshan.dev/fhir/CodeSystem/run|root".to_owned()),
            ("_count".to_owned(), "100".to_owned()),
        ];
        let type_ = ResourceType::named("Task");
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = self.session().search(&request).await.expect("runs can be looked for");
        let mut runs = Vec::new();
        for task in page.matches {
            let standing = self.engine.load(&task.key.id).await.expect("a run can be read");
            runs.push(standing.expect("a root Task is a run").run);
        }
        runs.sort_by_key(|run| (run.began, run.id.clone()));
        self.runs = runs;
    }

    /// A run that is folded from its history is the run that is stored.
    pub(crate) async fn rebuilt(&self, at: &str) {
        for run in &self.runs {
            let rebuilt = self.engine.rebuild(&run.id).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(&rebuilt, run, "{at}: rebuilt");
        }
    }
}

fn caller(by: &str, standing: Standing) -> Caller {
    let (actor, purpose) = (by.to_owned(), "TREAT".to_owned());
    Caller { actor, purpose, request: String::new(), standing }
}

fn staff(by: &str, organization: &str, duties: Vec<String>) -> Caller {
    let practitioner = by.rsplit('/').next().expect("a name has a last part").to_owned();
    let organization = organization.trim_start_matches("Organization/").to_owned();
    let role = format!("{practitioner}-{organization}");
    caller(by, Standing::Staff(Arc::new(Post { practitioner, role, organization, duties })))
}

impl Ground for Recorded {
    fn protocol(&self, code: &str) -> &Protocol {
        self.line.protocol(code).expect("the protocol of a run is there")
    }

    async fn start(&mut self, by: &str, opening: Opening) -> Result<String, Error> {
        for (role, reference) in opening.roles.iter().filter(|(_, reference)| reference.starts_with("Organization/")) {
            let id = reference.trim_start_matches("Organization/");
            self.put(json!({ "resourceType": "Organization", "id": id, "name": role })).await;
        }
        self.put(json!({ "resourceType": "Patient", "id": "p" })).await;
        // What is written from now on is heard.
        while !self.engine.caught_up().await.expect("what is written can be followed") {}
        // A visit that is open before the referral is no arrival.
        if let Some(receiver) = opening.roles.get("receiver") {
            self.visit("arrived", receiver, self.now - 3_600_000_000).await;
        }
        let parties = opening.roles.iter();
        let parties = parties.map(|(role, to)| (role.clone(), Party { reference: to.clone(), display: None }));
        let (patient, parties) = (Some("Patient/p".to_owned()), parties.collect());
        let first = Run { protocol: opening.protocol.clone(), patient, parties, ..Run::default() };
        for (at, resource) in opening.before.iter().enumerate() {
            self.put(self.told(resource, &first, &format!("before-{}", at + 1))).await;
        }
        if let Some(resource) = &opening.writes {
            return Ok(self.begun(self.told(resource, &first, "begins"), &first, &opening.start).await);
        }
        let protocol = self.protocol(&opening.protocol);
        let start = protocol.starts.iter().find(|start| start.code.as_deref() == Some(&opening.start));
        let start = start.expect("a scenario begins in a way there is");
        let first = protocol.roles.iter().find_map(|role| opening.roles.get(role.code.as_str()));
        let caller = staff(
            by,
            first.expect("a scenario says who takes part"),
            start.duties.iter().map(ToString::to_string).collect(),
        );
        self.employ(&caller).await;
        let response = start.form.as_ref().map(|form| self.filled(form, &opening.answers));
        let start = Start {
            id: Some(opening.id),
            protocol: opening.protocol,
            start: Some(opening.start),
            patient: Some("Patient/p".to_owned()),
            class: opening.class,
            roles: opening.roles,
            response,
            ..Start::default()
        };
        let answer = self.engine.start(&caller, start).await;
        self.look().await;
        answer.map(|standing| standing.run.id)
    }

    async fn fact(&mut self, run: &str, milestone: &str, at: i64, resource: Option<Json>) -> Result<(), Error> {
        let Some(resource) = resource else {
            if self.run(run).party(self.protocol(&self.run(run).protocol), "receiver").is_none() {
                // What the engine wrote itself says it.
                while !self.engine.caught_up().await.expect("what is written can be followed") {}
                self.look().await;
                let reached = self.run(run).milestones.iter().any(|one| one.code == milestone && one.at == at);
                assert!(reached, "nothing that was written says {milestone}");
                return Ok(());
            }
            let receiver = self.party(self.run(run), "receiver");
            self.visit(milestone, &receiver, at).await;
            self.look().await;
            return Ok(());
        };
        let reference = self.says(resource, run, at).await;
        let reached = self
            .run(run)
            .milestones
            .iter()
            .any(|one| one.code == milestone && one.at == at && one.source.as_deref() == Some(reference.as_str()));
        assert!(reached || self.run(run).end.is_some(), "{reference} does not say {milestone}");
        Ok(())
    }

    async fn write(&mut self, resource: Json, run: &str, at: i64) {
        self.says(resource, run, at).await;
    }

    async fn act(
        &mut self,
        run: &str,
        by: &str,
        mut deed: Deed,
        answers: &BTreeMap<String, Answer>,
    ) -> Result<(), Error> {
        let found = self.runs.iter().find(|one| one.id == run).expect("a scenario acts on a run there is");
        let caller = self.caller(by, found, &deed);
        let mut form = None;
        if let Deed::Complete { step, outcome, response, .. } = &mut deed {
            let step = self.protocol(&found.protocol).step(step).expect("a scenario does a step there is");
            let chosen = outcome.as_deref().and_then(|outcome| step.outcome(outcome));
            form = chosen.and_then(|outcome| outcome.form.as_ref()).or(step.form.as_ref()).cloned();
            *response = None;
        }
        self.employ(&caller).await;
        let act = Act { deed, response: form.map(|form| self.filled(&form, answers)) };
        let answer = self.engine.act(&caller, run, act).await;
        self.look().await;
        answer.map(drop)
    }

    async fn pass(&mut self, to: i64) {
        loop {
            let due = self.runs.iter().filter_map(|run| Some((run, run.due(self.protocol(&run.protocol), zone())?)));
            let next = due.filter(|(_, due)| due.at <= to).min_by(|one, other| one.1.cmp(&other.1));
            let Some((id, due)) = next.map(|(run, due)| (run.id.clone(), due)) else { break };
            let at = self.now.max(due.at);
            self.place.clock.pass((at - self.now) / 1_000_000);
            self.now = at;
            self.fired.push((id.clone(), due.clock.clone()));
            let tick = Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at };
            let act = self.engine.act(&Caller::system("HOPERAT"), &id, tick.into()).await;
            act.expect("a clock that is due can tick");
            self.look().await;
        }
        self.place.clock.pass((to - self.now) / 1_000_000);
        self.now = to;
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn forget(&mut self) {
        self.fired.clear();
    }

    fn fired(&self) -> &[Told] {
        &self.fired
    }

    async fn status(&self, run: &Run, activity: Option<&str>) -> Option<String> {
        let reference = activity.map_or(run.focus.as_ref(), |activity| run.made.get(activity))?;
        let found = self.session().read(&key(reference)).await.expect("what a run made can be read")?;
        let resource: Json = serde_json::from_slice(found.body.as_ref()?).expect("what is stored is JSON");
        Some(resource["status"].as_str()?.to_owned())
    }
}
