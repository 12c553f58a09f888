//! The search parameters in force: the official ones, those stored in the record, and how far each is indexed.

use std::sync::Arc;

use bytes::Bytes;
use fhir::json::{self, Value};
use fhir::search::{Param, ParamId, Registry};
use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use sonic_rs::JsonValueTrait;

use crate::store::value::Rows;
use crate::store::{Record, body};
use crate::transact::commit::{Slice, Work, WorkContent};
use crate::{Caller, Job, ResourceType};

/// Codes of the token parameters that are also indexed by patient, because within one patient they tell most.
const NEAR: [&str; 3] = ["code", "type", "vaccine-code"];

/// The drawer in which it is written how far a parameter of ours is indexed.
const PAPERS: &str = "index";

/// What the keys of Patients are numbered as, beside the search parameters.
const PERSON_KEYS: &str = "Patient person keys";

/// The queue of parameters to be indexed.
const QUEUE: &str = "index";

/// How long every process has to learn of a new parameter before old resources are indexed for it, in µs.
/// What a process writes before it knows is found by that pass; what it writes later is indexed as it is written.
const HEAD_START: i64 = 5_000_000;

/// How long a process may work on one parameter before another takes over, in µs.
const LEASE: i64 = 60_000_000;

/// Resources indexed in one transaction.
const SLICE: i64 = 200;

/// The search parameters in force, with the numbers their rows carry.
pub(crate) struct Catalog {
    pub(crate) registry: Arc<Registry>,
    numbers: Vec<i64>,
    near: Vec<bool>,
    /// The number under which the keys of Patients stand among the tokens.
    person_keys: i64,
    building: FxHashSet<ParamId>,
    /// The feed position up to which this catalog knows of stored parameters.
    known_to: u64,
}

impl Catalog {
    /// The official parameters, before any are numbered.
    pub(crate) fn unnumbered(registry: Arc<Registry>) -> Self {
        let building = FxHashSet::default();
        Self { registry, numbers: Vec::new(), near: Vec::new(), person_keys: 0, building, known_to: 0 }
    }

    /// Numbered by position, for looking at statements without a database.
    #[cfg(test)]
    pub(crate) fn numbered_in_order(registry: Arc<Registry>) -> Self {
        let numbers = (1..).take(registry.all().len()).collect();
        let near = registry.all().iter().map(|param| is_near(&registry, param)).collect();
        Self { numbers, near, ..Self::unnumbered(registry) }
    }

    /// The number of a parameter in index rows.
    pub(crate) fn number(&self, param: ParamId) -> i64 {
        self.numbers[param.index()]
    }

    /// Whether a parameter's tokens are also indexed by patient.
    pub(crate) fn near(&self, param: ParamId) -> bool {
        self.near[param.index()]
    }

    /// The numbers of the parameters that every resource is indexed by.
    pub(crate) fn complete(&self) -> FxHashSet<i64> {
        let complete = self.registry.all().iter().filter(|param| !self.building.contains(&param.id));
        complete.map(|param| self.number(param.id)).chain([self.person_keys]).collect()
    }

    /// The number under which the keys of Patients stand among the tokens. They are no search parameter, so that
    /// nobody can search by them.
    pub(crate) fn person_keys(&self) -> i64 {
        self.person_keys
    }
}

/// How far a parameter of ours is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexProgress {
    /// The resource type.
    pub type_: ResourceType,
    /// The code of the parameter.
    pub code: String,
    /// Resources looked at.
    pub done: u64,
    /// Resources there were when it began.
    pub total: u64,
    /// Whether searches may use it.
    pub complete: bool,
}

/// What the paper of a parameter says.
struct Paper {
    progress: IndexProgress,
    /// The last rid looked at.
    rid: i64,
    /// The definition this is about; another definition begins anew.
    definition: String,
}

impl Paper {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let value = json::parse(bytes)?;
        let text = |name: &str| value.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        let number = |name: &str| value.get(name).and_then(|number| number.as_u64()).unwrap_or_default();
        Ok(Self {
            progress: IndexProgress {
                type_: ResourceType::parse(&text("type"))?,
                code: text("code"),
                done: number("done"),
                total: number("total"),
                complete: value.get("complete").and_then(|complete| complete.as_bool()).unwrap_or_default(),
            },
            rid: i64::try_from(number("rid")).unwrap_or_default(),
            definition: text("definition"),
        })
    }

    fn write(&self) -> Bytes {
        let IndexProgress { type_, code, done, total, complete } = &self.progress;
        let value = sonic_rs::json!({
            "type": type_.name(), "code": code, "done": done, "total": total, "complete": complete,
            "rid": self.rid, "definition": self.definition,
        });
        json::to_bytes(&value).into()
    }

    fn name(&self) -> String {
        name(self.progress.type_.name(), &self.progress.code)
    }
}

fn name(type_: &str, code: &str) -> String {
    format!("{type_}.{code}")
}

fn is_near(registry: &Registry, param: &Param) -> bool {
    registry.home(param.type_name).is_some() && NEAR.contains(&&*param.code)
}

impl Record {
    /// Reads the stored search parameters and puts a new catalog in place. Parameters that are not indexed yet are
    /// put down to be, by whoever notices first.
    pub(crate) async fn load_catalog(&self) -> Result<(), Error> {
        let known_to = *self.0.head.borrow();
        let stored = self.stored_parameters().await?;
        let official = self.0.official.all().len();
        let registry = extended(&self.0.official, &stored);
        let mut words: Vec<Box<str>> =
            registry.all().iter().map(|param| name(param.type_name, &param.code).into()).collect();
        words.push(PERSON_KEYS.into());
        let mut numbers = self.number_params(words).await?;
        let person_keys = numbers.pop().ok_or_else(|| Error::fault("a word was left without a number"))?;
        let near = registry.all().iter().map(|param| is_near(&registry, param)).collect();
        let building = self.unfinished(&registry.all()[official..], &stored).await?;
        let mut current = self.0.catalog.write();
        // Of two that load at once, the one that saw less must not have the last word.
        if known_to >= current.known_to {
            *current = Arc::new(Catalog { registry, numbers, near, person_keys, building, known_to });
        }
        Ok(())
    }

    /// The bodies of the active SearchParameters of the record.
    async fn stored_parameters(&self) -> Result<Vec<Value>, Error> {
        let type_ = ResourceType::parse("SearchParameter")?;
        let sql = "SELECT body FROM resource WHERE type = $1 AND body IS NOT NULL ORDER BY rid";
        let rows = self.reader().await?.rows(sql, &[type_.number().into()]).await?;
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(bytes) = row.bytes_or_null(0)? else { continue };
            let value = json::parse(&body::unpack(bytes)?)?;
            if value.get("status").and_then(|status| status.as_str()) == Some("active") {
                stored.push(value);
            }
        }
        Ok(stored)
    }

    /// Those of our own parameters that are not wholly indexed; new ones are put down to be.
    async fn unfinished(&self, ours: &[Param], stored: &[Value]) -> Result<FxHashSet<ParamId>, Error> {
        let papers = self.drawer(PAPERS);
        let mut building = FxHashSet::default();
        let mut wanted = FxHashSet::default();
        for param in ours.iter().filter(|param| param.is_indexed()) {
            let name = name(param.type_name, &param.code);
            let definition = definition(stored, &param.url);
            let paper = papers.get(&name).await?.map(|bytes| Paper::read(&bytes)).transpose()?;
            let paper = paper.filter(|paper| paper.definition == definition);
            if paper.as_ref().is_none_or(|paper| !paper.progress.complete) {
                building.insert(param.id);
            }
            if paper.is_none() {
                let type_ = ResourceType::parse(param.type_name)?;
                let total = self.count_of(type_).await?;
                let progress = IndexProgress { type_, code: param.code.to_string(), done: 0, total, complete: false };
                papers.put(&name, Paper { progress, rid: 0, definition }.write(), None).await?;
                let due = self.surroundings().clock.now() + HEAD_START;
                self.jobs(QUEUE).add(due, Bytes::from(name.clone())).await?;
            }
            wanted.insert(name);
        }
        for name in papers.names().await? {
            if !wanted.contains(&name) {
                papers.remove(&name).await?;
            }
        }
        Ok(building)
    }

    async fn count_of(&self, type_: ResourceType) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM resource WHERE type = $1 AND body IS NOT NULL";
        let rows = self.reader().await?.rows(sql, &[type_.number().into()]).await?;
        rows.first().map_or(Ok(0), |row| u64::try_from(row.int(0)?).map_err(Error::fault))
    }

    /// How far the parameters stored in this record are indexed.
    pub async fn indexing(&self) -> Result<Vec<IndexProgress>, Error> {
        let papers = self.drawer(PAPERS);
        let mut all = Vec::new();
        for name in papers.names().await? {
            if let Some(bytes) = papers.get(&name).await? {
                all.push(Paper::read(&bytes)?.progress);
            }
        }
        Ok(all)
    }

    /// Refuses a parameter that does not find everything yet. Another process may have finished it meanwhile.
    pub(crate) async fn ensure_indexed(&self, param: &Param) -> Result<(), Error> {
        if !self.catalog().building.contains(&param.id) {
            return Ok(());
        }
        let bytes = self.drawer(PAPERS).get(&name(param.type_name, &param.code)).await?;
        let progress = bytes.map(|bytes| Paper::read(&bytes)).transpose()?.map(|paper| paper.progress);
        match progress {
            Some(progress) if progress.complete => self.load_catalog().await,
            progress => {
                let (done, total) = progress.map_or((0, 0), |progress| (progress.done, progress.total));
                let text = format!(
                    "The search parameter “{}” is still being indexed: {done} of {total} resources. Try again later.",
                    param.code
                );
                Err(Error::new(Category::Busy, IssueCode::Transient, text))
            }
        }
    }

    /// Learns of search parameters that another process stored. To be called when the feed has moved.
    pub async fn refresh(&self) -> Result<(), Error> {
        let type_ = ResourceType::parse("SearchParameter")?;
        let known_to = i64::try_from(self.catalog().known_to).unwrap_or(i64::MAX);
        let sql = "SELECT seq FROM feed WHERE type = $1 AND seq > $2 ORDER BY seq DESC LIMIT 1";
        let rows = self.reader().await?.rows(sql, &[type_.number().into(), known_to.into()]).await?;
        if rows.is_empty() { Ok(()) } else { self.load_catalog().await }
    }

    /// Indexes old resources for parameters that are due, if any, and says whether there were any.
    ///
    /// May be called by any number of processes at once: each parameter is worked on by one, and what one leaves
    /// undone another goes on with.
    pub async fn index_due(&self) -> Result<bool, Error> {
        let jobs = self.jobs(QUEUE);
        while let Some(job) = jobs.claim(self.surroundings().clock.now(), LEASE, 1).await?.pop() {
            self.refresh().await?;
            let indexed = self.index_for(&job).await?;
            jobs.done(&job).await?;
            self.load_catalog().await?;
            // Two processes may have put one parameter down; then the second job finds nothing left to do.
            if indexed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn index_for(&self, job: &Job) -> Result<bool, Error> {
        let clock = &self.surroundings().clock;
        let jobs = self.jobs(QUEUE);
        let mut indexed = false;
        let name = String::from_utf8_lossy(&job.body).into_owned();
        let papers = self.drawer(PAPERS);
        while let Some(bytes) = papers.get(&name).await? {
            let mut paper = Paper::read(&bytes)?;
            let catalog = self.catalog();
            let param = catalog.registry.param(paper.progress.type_.name(), &paper.progress.code);
            let Some(param) = param.filter(|_| !paper.progress.complete) else { break };
            let slice = Arc::new(Slice {
                type_: paper.progress.type_,
                param: param.id,
                after: paper.rid,
                most: SLICE,
                reached: Mutex::new(None),
            });
            let caller = Arc::new(Caller::system("HOPERAT"));
            let content = WorkContent::Reindex(Arc::clone(&slice));
            self.submit(Work { caller, sight: None, keeps_runs: false, origin: None, content }, catalog).await?;
            let reached = *slice.reached.lock();
            match reached {
                Some((rid, count)) => {
                    paper.rid = rid;
                    paper.progress.done += count;
                    jobs.again(job, clock.now() + LEASE).await?;
                }
                None => paper.progress.complete = true,
            }
            papers.put(&paper.name(), paper.write(), None).await?;
            indexed = true;
        }
        Ok(indexed)
    }
}

/// How long [`Record::keep_indexed`] rests when nothing is due.
const REST: std::time::Duration = std::time::Duration::from_secs(2);

impl Record {
    /// Indexes old resources for new search parameters whenever there are any. Never ends; failures are logged and
    /// tried again.
    pub async fn keep_indexed(self) {
        loop {
            match self.index_due().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(REST).await,
                Err(error) => {
                    tracing::warn!(%error, "indexing for a search parameter stopped; it goes on in a moment");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// The official parameters and as many of the stored ones as fit together.
fn extended(base: &Arc<Registry>, stored: &[Value]) -> Arc<Registry> {
    if stored.is_empty() {
        return Arc::clone(base);
    }
    if let Ok(all) = base.with_custom(stored) {
        return Arc::new(all);
    }
    // Each was accepted when it was stored, but two may claim one code; then the older stays.
    let mut accepted: Vec<Value> = Vec::new();
    for parameter in stored {
        accepted.push(parameter.clone());
        if let Err(error) = base.with_custom(&accepted) {
            tracing::warn!(%error, "a stored SearchParameter is left out");
            accepted.pop();
        }
    }
    base.with_custom(&accepted).map_or_else(|_| Arc::clone(base), Arc::new)
}

fn definition(stored: &[Value], url: &str) -> String {
    let found = stored.iter().find(|value| value.get("url").and_then(|found| found.as_str()) == Some(url));
    let field = |name: &str| {
        found.and_then(|value| value.get(name)).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    format!("{} {} {}", field("url"), field("type"), field("expression"))
}
