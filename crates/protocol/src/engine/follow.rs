//! What is written to the record and matters to runs: facts that complete steps or reach milestones, conditions that can
//! be told now, runs that an event or a schedule begins.
//!
//! One process at a time follows the change feed, as [`Follower`](record::Follower) says. Going over a change twice does nothing: a
//! fact counts once by what it says it from, a run that begins because of something has an id made of it, and a condition
//! is only noted when its answer is another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use fhir::{Category, Error, IssueCode, Value, json};
use jiff::Timestamp;
use record::{Caller, FeedEntry, Key, Method, SearchRequest};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use tokio::time::timeout;

use super::draft::{Draft, PLATFORM};
use super::scene::{self, About, Scene};
use super::{Engine, Standing, Start, event_of, id_because_of, is_overtaken};
use crate::definition::{Fact, Protocol, Start as StartRule, StartKind, Unit};
use crate::run::{Deed, Run};
use crate::task::{self, Frame};

/// Changes looked at before it is written down how far that was.
const PAGE: usize = 500;
/// How much later than it was written something may be said to come about before that is told, in microseconds: clocks of
/// one house differ by so much (急诊各系统时钟最大偏差1秒).
const AHEAD: i64 = 1_000_000;
/// How long following rests when there is nothing to follow.
const REST: Duration = Duration::from_secs(1);

/// The name under which the feed is followed, and of the drawer in which it stands which schedules have been kept.
pub(super) const NAME: &str = "protocol";

impl Engine {
    /// Looks at some of what was written since the last time, and says whether that was all there is.
    ///
    /// What was written before the first call is not looked at.
    pub async fn caught_up(&self) -> Result<bool, Error> {
        self.0.follower.follow(PAGE, |change| async move { self.consider(&change).await }).await
    }

    pub(super) async fn keep_following(&self) {
        let mut head = self.record().head();
        let mut has_learnt = false;
        loop {
            // What facts and beginnings there are to look for is known before anything is passed over for want of it.
            if !has_learnt {
                match passed_over("protocols", self.learn().await) {
                    Ok(()) => has_learnt = true,
                    Err(error) => {
                        tracing::warn!(%error, "the protocols of the record cannot be read; they are tried again");
                        tokio::time::sleep(REST).await;
                        continue;
                    }
                }
            }
            match self.0.follower.is_on().await {
                Ok(true) => {}
                // Somebody else follows; it is enough to see now and then whether they still do.
                Ok(false) => {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "it cannot be told who follows what is written; it is tried again");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            }
            match self.follow_on().await {
                Ok(false) => {}
                Ok(true) => drop(timeout(REST, head.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "following what is written stopped; it goes on in a moment");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn follow_on(&self) -> Result<bool, Error> {
        let looked_through = self.look_through().await?;
        Ok(self.caught_up().await? && looked_through)
    }

    async fn consider(&self, entry: &FeedEntry) -> Result<(), Error> {
        self.0.concerned.comes(entry);
        if entry.key.type_.name() == "PlanDefinition" {
            // Another process may have put a protocol in whose facts and beginnings matter from now on.
            return passed_over(&entry.key.id, self.learn().await);
        }
        let (type_, concerns) = (entry.key.type_.name(), self.library().concerns());
        let matters = concerns.matter.contains(type_);
        if entry.method == Method::Delete || !(type_ == "Task" || matters) {
            return Ok(());
        }
        let Some(version) = self.platform().vread(&entry.key, entry.version).await? else { return Ok(()) };
        let Some(body) = &version.body else { return Ok(()) };
        let value = json::parse(body)?;
        if task::is_ours(&value) {
            if !task::is_root(&value) {
                return Ok(());
            }
            let run = &entry.key.id;
            self.0.concerned.forget_runs(patients_of(&value).iter().map(String::as_str));
            // Facts that were there before their step was asked for count as well.
            return if concerns.looks_back { passed_over(run, self.look_back(run, &value).await) } else { Ok(()) };
        }
        if !matters {
            return Ok(());
        }
        let change = Written { key: &entry.key, value: &value, at: version.at, by: &entry.actor };
        for run in self.concerned(&patients_of(change.value), change.key).await? {
            passed_over(&run, self.tell(&run, &change).await)?;
        }
        if !concerns.begin.contains(type_) {
            return Ok(());
        }
        for protocol in self.library().latest() {
            for start in protocol.starts.iter().filter(|start| start.by == StartKind::Event) {
                if start.on.as_deref() == Some(type_) {
                    passed_over(&protocol.code, self.begin_because(&protocol, start, &change, "").await)?;
                }
            }
        }
        Ok(())
    }

    /// Tells a run of something that was written.
    async fn tell(&self, run: &str, change: &Written<'_>) -> Result<(), Error> {
        let caller = Caller::system("HOPERAT");
        for _ in 0..super::TRIES {
            let Some((standing, frame)) = self.stored(run).await? else { return Ok(()) };
            let facts = self.facts(&standing, &frame, change).await?;
            let mut draft = Draft::new(self, PLATFORM);
            draft.hold(standing, frame);
            for deed in facts {
                draft.happen(run, event_of(change.by, deed)).await?;
            }
            draft.look_at(run).await?;
            match self.commit(&caller, &draft).await {
                Ok(()) => return Ok(()),
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let text = "Others act on the run all the time; it is told in a moment.";
        Err(Error::new(Category::Busy, IssueCode::Transient, text))
    }

    /// Looks for facts that were written before the steps they complete were asked for, when a version of a root Task
    /// asks for some, and, when it begins the run, for those that count from before it began.
    async fn look_back(&self, run: &str, task: &Value) -> Result<(), Error> {
        let happened = task::happened(task)?;
        let begins = happened.iter().any(|happened| matches!(happened.event.deed, Deed::Begin { .. }));
        let asked: Vec<i64> = happened.iter().map(|happened| happened.at).collect();
        let Some((standing, _)) = self.stored(run).await? else { return Ok(()) };
        let Some(patient) = standing.run.patient.as_deref().and_then(scene::key) else { return Ok(()) };
        let open = standing.run.open().filter(|work| asked.contains(&work.since));
        let facts = open.filter_map(|work| standing.protocol.step(&work.step)?.fact.as_ref());
        // From when each type is looked through.
        let began = standing.run.began;
        let mut types: BTreeMap<String, i64> = facts.map(|fact| (fact.on.to_string(), began)).collect();
        let early = standing.protocol.milestones.iter().filter(|_| begins).flat_map(|one| &one.facts);
        for (fact, back) in early.filter_map(|fact| Some((fact, fact.back?.micros()?))) {
            let since = types.entry(fact.on.to_string()).or_insert(began);
            *since = (*since).min(began.saturating_sub(back));
        }
        for (type_, since) in types {
            let asked = [("_lastUpdated", format!("ge{}", task::written(since))), ("_count", "200".to_owned())];
            let compartment = Some(patient.clone());
            let request = SearchRequest { compartment, ..SearchRequest::of(&type_, &asked)? };
            for version in self.platform().pages(request).matches().await? {
                let Some(body) = &version.body else { continue };
                let value = json::parse(body)?;
                let change = Written { key: &version.key, value: &value, at: version.at, by: PLATFORM };
                self.tell(run, &change).await?;
            }
        }
        Ok(())
    }

    /// What a resource says to a run.
    async fn facts(&self, standing: &Standing, frame: &Frame, change: &Written<'_>) -> Result<Vec<Deed>, Error> {
        let Standing { protocol, run, .. } = standing;
        let source = change.key.to_string();
        let on = |fact: &&Fact| fact.on.as_str() == change.key.type_.name();
        let mut deeds = Vec::new();
        for work in run.open() {
            let Some(fact) = protocol.step(&work.step).and_then(|step| step.fact.as_ref()).filter(on) else { continue };
            if let Some((at, said)) = self.said(fact, protocol, run, frame, change).await? {
                let step = Some((work.step.clone(), work.n));
                deeds.push(Deed::Fact { step, milestone: None, source: source.clone(), at, said });
            }
        }
        for milestone in &protocol.milestones {
            let code = milestone.code.as_str();
            let known = run.milestones.iter().any(|one| one.code == code && one.source.as_deref() == Some(&*source));
            if known {
                continue;
            }
            for fact in milestone.facts.iter().filter(on).filter(|fact| !run.is_past(fact)) {
                if let Some((at, said)) = self.said(fact, protocol, run, frame, change).await? {
                    let milestone = Some(code.to_owned());
                    deeds.push(Deed::Fact { step: None, milestone, source: source.clone(), at, said });
                    break;
                }
            }
        }
        Ok(deeds)
    }

    /// When a fact came about, if a resource says it; when it was written where it does not say when. What is said to come
    /// about later than it was written counts from when it was written, and what was said is told besides.
    async fn said(
        &self,
        fact: &Fact,
        protocol: &Protocol,
        run: &Run,
        frame: &Frame,
        change: &Written<'_>,
    ) -> Result<Option<(i64, Option<i64>)>, Error> {
        let texts: Vec<&str> = fact.when.iter().chain(&fact.at).map(crate::Code::as_str).collect();
        if texts.is_empty() {
            return Ok(Some((change.at, None)));
        }
        let about = About { resource: Some(change.value), ..About::default() };
        let told = async {
            let scene = Scene::gather(&self.platform(), protocol, run, frame, about, &texts, self.now()).await?;
            if let Some(when) = &fact.when
                && scene.holds(&self.expression(when)?)? != Some(true)
            {
                return Ok(None);
            }
            let Some(at) = &fact.at else { return Ok(Some((change.at, None))) };
            let at = scene.evaluate(&self.expression(at)?, |items| {
                Ok(items.first().and_then(|item| scene::instant(item, frame.zone)))
            })?;
            // What is said to come about later than it was written is a plan, or a clock that goes wrong.
            let at = at.unwrap_or(change.at);
            Ok(Some((at.min(change.at), (at > change.at + AHEAD).then_some(at))))
        };
        match told.await {
            Err(error) if Error::category(&error) == Category::Invalid => {
                tracing::warn!(%error, protocol = %protocol.code, on = %fact.on, "a fact cannot be told");
                Ok(None)
            }
            told => told,
        }
    }

    /// Begins a run because of a resource, unless it has begun before.
    async fn begin_because(
        &self,
        protocol: &std::sync::Arc<Protocol>,
        start: &StartRule,
        change: &Written<'_>,
        period: &str,
    ) -> Result<(), Error> {
        let name = change.key.to_string();
        let because = |of: &str| id_because_of(&[&protocol.code, start.code.as_deref().unwrap_or_default(), &name, of]);
        let mut id = because(period);
        if start.criterion.is_none() && self.stored(&id).await?.is_some() {
            return Ok(());
        }
        let patient = patients_of(change.value).into_iter().next().map(|id| format!("Patient/{id}"));
        let focus = protocol.focus.as_ref().filter(|type_| type_.as_str() == change.key.type_.name());
        let focus = focus.map(|_| name.clone());
        if let Some(when) = &start.when {
            let run = Run { patient: patient.clone(), focus: focus.clone(), ..Run::default() };
            let frame = Frame { requester: None, zone: self.zone() };
            let about = About { resource: Some(change.value), ..About::default() };
            let scene = Scene::gather(&self.platform(), protocol, &run, &frame, about, &[when], self.now()).await?;
            match self.expression(when).and_then(|when| scene.holds(&when)) {
                Ok(Some(true)) => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, protocol = %protocol.code, "what a run begins with cannot be told");
                    return Ok(());
                }
            }
        }
        let mut grounds = None;
        if let Some(rule) = &start.criterion {
            let Some((held, key)) = self.grounds(rule, patient.as_deref()).await? else { return Ok(()) };
            (id, grounds) = (because(&key), Some(held));
            if self.stored(&id).await?.is_some() {
                return Ok(());
            }
        }
        let caller = Caller::system("HOPERAT");
        let own = self.platform();
        let (id_of, code) = (Some(id.clone()), protocol.code.to_string());
        let begun = Start { id: id_of, protocol: code, patient, focus, grounds, ..Start::default() };
        self.begin(&caller, &own, id, protocol.clone(), begun, Some(start.clone())).await.map(drop)
    }

    /// Begins the runs that are due by schedules, once for each match in each period.
    pub async fn scheduled(&self) -> Result<(), Error> {
        while !self.look_through().await? {}
        Ok(())
    }

    /// Begins some of the runs that are due by schedules, and says whether those were all. What is looked through is long
    /// at times, and what is written meanwhile must be heard in between.
    async fn look_through(&self) -> Result<bool, Error> {
        let mut are_all = true;
        for protocol in self.library().latest() {
            for (at, start) in protocol.starts.iter().enumerate() {
                if let (StartKind::Schedule, Some(every), Some(query)) = (start.by, start.every, &start.query) {
                    let name = format!("schedule-{}-{at}", protocol.code);
                    match self.keep_schedule(&protocol, start, &name, self.period(every), query).await {
                        Ok(are_done) => are_all &= are_done,
                        failed => passed_over(&protocol.code, failed.map(drop))?,
                    }
                }
            }
        }
        Ok(are_all)
    }

    /// Looks through one page of what a schedule searches for, and says whether it was the last one in this period. How far
    /// it has come stands in the drawer: the period, and below it the next page.
    async fn keep_schedule(
        &self,
        protocol: &std::sync::Arc<Protocol>,
        start: &StartRule,
        name: &str,
        period: String,
        query: &str,
    ) -> Result<bool, Error> {
        let drawer = self.record().drawer(NAME);
        let kept = drawer.get(name).await?.unwrap_or_default();
        let kept = String::from_utf8_lossy(&kept).into_owned();
        let next = match kept.split_once('\n') {
            Some((known, next)) if known == period => Some(next),
            None if kept == period => return Ok(true),
            _ => None,
        };
        let SearchRequest { type_, parameters, .. } = scene::request(query)?;
        let parameters = next.map(SearchRequest::parameters_of).transpose()?.unwrap_or(parameters);
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = match self.platform().search(&request).await {
            Ok(page) => page,
            // A page that cannot be had any more is one to begin anew at.
            Err(error) if next.is_some() && matches!(error.category(), Category::Invalid | Category::Gone) => {
                drawer.put(name, Bytes::new(), None).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        for version in page.matches {
            let Some(body) = &version.body else { continue };
            let value = json::parse(body)?;
            let change = Written { key: &version.key, value: &value, at: version.at, by: PLATFORM };
            passed_over(&protocol.code, self.begin_because(protocol, start, &change, &period).await)?;
        }
        let (is_last, reached) = match page.next {
            Some(next) => (false, format!("{period}\n{next}")),
            None => (true, period),
        };
        drawer.put(name, Bytes::from(reached), None).await?;
        Ok(is_last)
    }

    /// The name of the period that is now: so many spans since 1970 by the clock of the consortium.
    fn period(&self, every: crate::definition::Span) -> String {
        let amount = i64::from(every.amount.max(1));
        let local = self.now() + i64::from(self.zone().seconds()) * 1_000_000;
        let date = Timestamp::from_microsecond(local).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
        let months = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        let count = match every.unit {
            Unit::Month => months / amount,
            Unit::Year => i64::from(date.year()) / amount,
            _ => local.div_euclid(every.micros().unwrap_or(i64::MAX).max(1)),
        };
        format!("{every} {count}")
    }
}

/// What one run or protocol cannot take in must not keep the others from hearing; only what may be otherwise in a moment
/// is tried again.
fn passed_over(what: &str, done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if !matches!(error.category(), Category::Busy | Category::Unavailable | Category::Fault) => {
            tracing::error!(%error, of = what, "something that was written cannot be taken in");
            Ok(())
        }
        done => done,
    }
}

/// A resource that was written.
struct Written<'a> {
    key: &'a Key,
    value: &'a Value,
    /// When, in microseconds since 1970.
    at: i64,
    by: &'a str,
}

/// The ids of the patients a resource is about.
pub(super) fn patients_of(resource: &Value) -> BTreeSet<String> {
    let id = |value: &Value| Some(value.get("reference")?.as_str()?.strip_prefix("Patient/")?.to_owned());
    // An Account may be about several.
    let ids = |value: &Value| match value.as_array() {
        Some(list) => list.iter().filter_map(id).collect::<Vec<_>>(),
        None => id(value).into_iter().collect(),
    };
    let mut found = BTreeSet::new();
    if resource.get("resourceType").and_then(|name| name.as_str()) == Some("Patient") {
        found.extend(resource.get("id").and_then(|id| id.as_str()).map(str::to_owned));
    }
    found.extend(
        ["subject", "patient", "for", "beneficiary"].into_iter().filter_map(|name| resource.get(name)).flat_map(ids),
    );
    let participants = resource.get("participant").and_then(|list| list.as_array());
    found.extend(participants.into_iter().flat_map(|list| list.iter()).filter_map(|one| id(one.get("actor")?)));
    found
}
