//! The worker that carries orders out.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fhir::definitions::r4;
use fhir::search::{IndexValue, Registry};
use fhir::{Category, Error};
use record::{Act, Caller, Job, Key, Note, Record, ResourceType, SearchRequest, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::QUEUE;
use super::files::{self, Lines};
use super::order::{File, Order, Scope, State};
use crate::access::Client;
use crate::settings::Export;

/// How long an order belongs to a worker that does not say it is still at it, in microseconds.
const LEASE: i64 = 60_000_000;
/// How often the worker looks for orders.
const POLL: Duration = Duration::from_secs(1);
/// How long it waits before it takes up again what failed, in microseconds.
const PAUSE: i64 = 10_000_000;
/// How often an order is taken up before it is given up.
const TRIES: u32 = 20;
/// Looks for orders between two clearings of what is no longer kept.
const CLEARING: u32 = 600;

/// Carries out orders for bulk export until its task is ended. Several processes may run it on one record.
pub async fn run(record: Record, settings: Export) {
    let mut looks = 0_u32;
    loop {
        let now = record.surroundings().clock.now();
        match record.jobs(QUEUE).claim(now, LEASE, 1).await {
            Ok(jobs) if jobs.is_empty() => {
                if looks.is_multiple_of(CLEARING)
                    && let Err(error) = clear(&record, &settings).await
                {
                    tracing::warn!(%error, "old export files could not be cleared");
                }
                looks = looks.wrapping_add(1);
                tokio::time::sleep(POLL).await;
            }
            Ok(jobs) => {
                for job in jobs {
                    if let Err(error) = carry_out(&record, &settings, &job).await {
                        tracing::error!(%error, "an export is put off or given up");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "orders for bulk export cannot be looked for");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Removes the files of orders that are no longer kept.
async fn clear(record: &Record, settings: &Export) -> Result<(), Error> {
    for id in files::orders(settings).await? {
        if Order::load(record, &id).await?.is_none() {
            files::remove(settings, &id).await?;
        }
    }
    Ok(())
}

async fn carry_out(record: &Record, settings: &Export, job: &Job) -> Result<(), Error> {
    let id = String::from_utf8_lossy(&job.body).into_owned();
    let Some(mut order) = Order::load(record, &id).await? else { return record.jobs(QUEUE).done(job).await };
    let result = Work::new(record, settings, job).order(&mut order).await;
    let now = record.surroundings().clock.now();
    match result {
        Ok(()) => record.jobs(QUEUE).done(job).await,
        Err(error) if job.attempts < TRIES && error.category() != Category::Fault => {
            record.jobs(QUEUE).again(job, now.saturating_add(PAUSE)).await?;
            Err(error)
        }
        Err(error) => {
            order.state = State::Failed;
            order.save(record, settings).await?;
            record.jobs(QUEUE).done(job).await?;
            Err(error)
        }
    }
}

/// A worker at one order.
struct Work<'a> {
    record: &'a Record,
    settings: &'a Export,
    job: &'a Job,
    session: Session,
    registry: Arc<Registry>,
    /// Until when the order is this worker's, in microseconds since 1970.
    until: i64,
}

impl<'a> Work<'a> {
    fn new(record: &'a Record, settings: &'a Export, job: &'a Job) -> Self {
        let session = record.session(Caller::system("HOPERAT"));
        let registry = record.search_parameters();
        let until = record.surroundings().clock.now() + LEASE;
        Self { record, settings, job, session, registry, until }
    }

    async fn order(&mut self, order: &mut Order) -> Result<(), Error> {
        // What patients keep from the client that ordered it, also since then.
        self.session = self.record.session(Client::reader_for(self.record, &order.actor).await?);
        let members = match &order.scope {
            Scope::Group(id) => Some(self.members(id).await?),
            Scope::System | Scope::Patients => None,
        };
        // Of a type that was left unfinished, nothing counts.
        order.written = order.files.iter().map(|file| file.count).sum();
        let rest: Vec<String> = order.types.iter().skip(order.files.len()).cloned().collect();
        for name in rest {
            let Some(type_) = ResourceType::named(&name) else { continue };
            let file = format!("{name}.ndjson");
            let mut lines = Lines::begin(self.settings, &order.id, &file).await?;
            let before = order.written;
            let go_on = match &members {
                None => self.all(order, type_, None, &mut lines, &mut HashSet::new()).await?,
                Some(members) => self.of_members(order, type_, members, &mut lines).await?,
            };
            if !go_on || !self.wanted(order).await? {
                return files::remove(self.settings, &order.id).await;
            }
            lines.end().await?;
            order.files.push(File { type_: name, name: file, count: order.written - before });
            order.save(self.record, self.settings).await?;
        }
        // On the trail before the files can be fetched.
        let caller = Caller { actor: order.actor.clone(), ..Caller::system("HOPERAT") };
        let detail = format!("{} resources of {}", order.written, order.types.join(","));
        self.record.note(&caller, Note { detail, ..Note::new(Act::Export) }).await?;
        order.state = State::Done;
        order.save(self.record, self.settings).await
    }

    /// The patients a Group names. <http://hl7.org/fhir/R4/group.html>
    async fn members(&self, id: &str) -> Result<Vec<Key>, Error> {
        let group = ResourceType::parse("Group")?;
        let version = self.session.read(&Key::new(group, id)).await?;
        let Some(body) = version.and_then(|version| version.body) else { return Ok(Vec::new()) };
        let group = fhir::json::parse(&body)?;
        let list = group.get("member").and_then(|list| list.as_array());
        let members = list.into_iter().flatten().filter_map(|member| {
            if member.get("inactive").and_then(|inactive| inactive.as_bool()) == Some(true) {
                return None;
            }
            let reference = member.get("entity")?.get("reference")?.as_str()?;
            Key::of(self.registry.own().relative(reference)).filter(|key| key.type_.name() == "Patient")
        });
        Ok(members.collect())
    }

    async fn of_members(
        &mut self,
        order: &mut Order,
        type_: ResourceType,
        members: &[Key],
        lines: &mut Lines,
    ) -> Result<bool, Error> {
        // A visit of a group or an appointment of two belongs to several of them and is written once.
        let mut written = HashSet::new();
        for member in members {
            if !self.all(order, type_, Some(member), lines, &mut written).await? {
                return Ok(false);
            }
        }
        self.still_mine(order).await
    }

    /// Writes all resources of a type, or of one member of a group those that are not `written` yet. `false` when the
    /// order was cancelled.
    async fn all(
        &mut self,
        order: &mut Order,
        type_: ResourceType,
        member: Option<&Key>,
        lines: &mut Lines,
        written: &mut HashSet<String>,
    ) -> Result<bool, Error> {
        let mut parameters = vec![("_count".to_owned(), self.settings.page.to_string())];
        if let Some(since) = &order.since {
            parameters.push(("_lastUpdated".to_owned(), format!("ge{since}")));
        }
        // The compartment of a patient holds other patients too, those it is linked to.
        let themself = member.filter(|member| member.type_ == type_);
        parameters.extend(themself.map(|member| ("_id".to_owned(), member.id.clone())));
        let compartment = member.filter(|member| member.type_ != type_).cloned();
        let request = SearchRequest { type_: Some(type_), compartment, parameters, strict: true };
        let mut pages = self.session.pages(request);
        while let Some(page) = pages.next().await? {
            for version in &page.matches {
                let Some(body) = &version.body else { continue };
                if order.scope == Scope::Patients && !self.of_patient(type_, body)? {
                    continue;
                }
                if member.is_some() && !written.insert(version.key.id.clone()) {
                    continue;
                }
                lines.add(body).await?;
                order.written += 1;
            }
            if !self.still_mine(order).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a resource is a patient or is in the compartment of one.
    fn of_patient(&self, type_: ResourceType, body: &[u8]) -> Result<bool, Error> {
        if type_.name() == "Patient" {
            return Ok(true);
        }
        let compartment = r4().compartments().iter().find(|compartment| compartment.code == "Patient");
        let codes = compartment.map(|compartment| compartment.params_of(type_.name())).unwrap_or_default();
        let resource = fhir::json::parse(body)?;
        Ok(self.registry.extract(&resource).iter().any(|entry| {
            matches!(&entry.value, IndexValue::Reference { target } if target.starts_with("Patient/"))
                && codes.contains(&&*self.registry.at(entry.param).code)
        }))
    }

    /// Whether the order has not been cancelled.
    async fn wanted(&self, order: &Order) -> Result<bool, Error> {
        Ok(Order::load(self.record, &order.id).await?.is_some())
    }

    /// Says now and then that somebody is at the order, and looks whether it is still wanted.
    async fn still_mine(&mut self, order: &Order) -> Result<bool, Error> {
        let now = self.record.surroundings().clock.now();
        if now < self.until - LEASE / 2 {
            return Ok(true);
        }
        if !self.wanted(order).await? {
            return Ok(false);
        }
        order.save(self.record, self.settings).await?;
        self.until = now + LEASE;
        self.record.jobs(QUEUE).again(self.job, self.until).await?;
        Ok(true)
    }
}
