//! Where the record is kept, and the one way in and out of it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use fhir::Error;
use fhir::search::Registry;
use fhir::validate::{Options, Validator};
use futures_util::FutureExt;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::access::rules::Rules;
use crate::access::sight::Sight;
use crate::access::{self, Access};
use crate::audit::Trail;
use crate::history::{HistoryPage, HistoryRequest};
use crate::jobs::Job;
use crate::person::Census;
use crate::transact::commit::Work;
use crate::transact::prepare::address_of;
use crate::transact::{Applied, Refusal};
use crate::{
    Caller, Drawer, FeedEntry, Jobs, Key, Lease, Location, Relation, ResourceType, Session, Settings, Surroundings,
    Version,
};

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod catalog;
mod copy;
pub(crate) mod derived;
pub(crate) mod names;
pub(crate) mod papers;
pub(crate) mod past;
pub(crate) mod postgres;
pub(crate) mod reads;
mod shelf;
pub(crate) mod sqlite;
pub(crate) mod tail;
pub(crate) mod turns;
pub(crate) mod value;

pub(crate) use catalog::Catalog;
use names::Names;
use past::Past;
use tail::Tail;
use turns::{Since, Turns};
use value::{Dialect, Row, Rows, SqlValue};

/// What a resource must fulfil to be stored. A reference to another type than its element names is not refused here:
/// records from elsewhere hold such references, and losing the resource helps nobody. `$validate` tells of them.
const ON_WRITE: Options = Options { invariants: true, advice: false, targets: false, most_issues: 100 };

/// What everything that prepares, decides or searches needs.
pub(crate) struct Tools {
    pub(crate) settings: Settings,
    pub(crate) surroundings: Surroundings,
    pub(crate) validator: Validator,
    pub(crate) rules: Arc<Rules>,
    pub(crate) names: Names,
    pub(crate) census: Census,
}

/// The shared record. Cheap to clone; all clones are the same record.
#[derive(Clone)]
pub struct Record(Arc<Inner>);

pub(crate) struct Inner {
    tools: Arc<Tools>,
    trail: Trail,
    official: Arc<Registry>,
    catalog: RwLock<Arc<Catalog>>,
    engine: Engine,
    head: watch::Receiver<u64>,
    tail: Tail,
    past: Past,
    turns: Turns,
    access: Access,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

/// Somewhere statements can be read through.
pub(crate) enum Reader {
    Sqlite(sqlite::Reader),
    Postgres(postgres::Reader),
    /// Everything as of one moment, for as long as it takes.
    PostgresSnapshot(postgres::Snapshot),
}

impl Rows for Reader {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) | Self::PostgresSnapshot(_) => Dialect::Postgres,
        }
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(reader) => reader.rows(sql, arguments).await,
            Self::Postgres(reader) => reader.rows(sql, arguments).await,
            Self::PostgresSnapshot(snapshot) => snapshot.rows(sql, arguments).await,
        }
    }
}

impl Record {
    /// Opens the record, making it where there is none.
    ///
    /// Fails with [`fhir::Category::Unavailable`] when the place cannot be reached or another process has it.
    pub async fn open(settings: Settings, surroundings: Surroundings) -> Result<Self, Error> {
        let tools = Arc::new(Tools {
            validator: Validator::new(fhir::definitions::r4(), ON_WRITE),
            names: Names::new(),
            census: Census::default(),
            rules: Arc::new(Rules::parse(settings.rules.as_deref().unwrap_or(access::rules::DEFAULT))?),
            settings,
            surroundings,
        });
        let (announce, head) = watch::channel(0);
        let engine = match &tools.settings.location {
            Location::Embedded(directory) => {
                Engine::Sqlite(sqlite::Sqlite::open(directory, Arc::clone(&tools), announce).await?)
            }
            Location::Postgres(url) => {
                Engine::Postgres(Box::new(postgres::Postgres::open(url, Arc::clone(&tools), announce).await?))
            }
        };
        // After the engine, which sees to it that nobody else has the record.
        let trail = Trail::open(&tools.settings.audit, &tools.surroundings.new_id())?;
        let official = Arc::new(Registry::base(zone(&tools.settings)?).known_as(tools.settings.own.clone()));
        let catalog = RwLock::new(Arc::new(Catalog::unnumbered(Arc::clone(&official))));
        // On SQLite what is current is on a shelf, and what is past is read as quickly as it would be found here.
        let past = Past::new(if matches!(engine, Engine::Postgres(_)) { tools.settings.shelf } else { 0 });
        let (tail, turns, access) = (Tail::default(), Turns::new(), Access::default());
        // What is read into memory from here on is no older than this.
        let begun = *head.borrow();
        let inner = Inner { tools, trail, official, catalog, engine, head, tail, past, turns, access };
        let record = Self(Arc::new(inner));
        record.load_catalog().await?;
        record.load_institutions().await?;
        record.keep_trail().await?;
        if record.dialect() == Dialect::Postgres {
            tokio::spawn(follow_others(Arc::downgrade(&record.0), record.head(), begun));
        }
        Ok(record)
    }

    /// Says to other processes that this one ends, so that none waits to find out.
    pub async fn end(&self) -> Result<(), Error> {
        match &self.0.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => postgres.end().await,
        }
    }

    /// Opens a session for one caller and one purpose.
    pub fn session(&self, caller: Caller) -> Session {
        Session { record: self.clone(), caller: Arc::new(caller), origin: None, keeps_runs: false }
    }

    /// Who wrote a version, as [`Caller::actor`] has it; where the platform itself did, who wrote the closest before it,
    /// if anybody else ever wrote the resource.
    pub async fn author(&self, key: &Key, version: u64) -> Result<String, Error> {
        let platform = Caller::system("").actor;
        let found = reads::author(&mut self.reader().await?, key, version, &platform).await?;
        Ok(found.unwrap_or(platform))
    }

    /// The platform's own papers of one kind.
    pub fn drawer(&self, kind: &'static str) -> Drawer<'_> {
        Drawer { record: self, kind }
    }

    /// The durable jobs of one queue.
    pub fn jobs(&self, queue: &'static str) -> Jobs<'_> {
        Jobs { record: self, queue }
    }

    /// The lease of something, for somebody who looks after it or would.
    pub fn lease<'a>(&'a self, name: impl Into<String>, holder: &'a str) -> Lease<'a> {
        Lease { record: self, name: name.into(), holder }
    }

    /// The last position of the change feed, as it moves.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head.clone()
    }

    /// What this record was told and given.
    pub fn settings(&self) -> &Settings {
        &self.0.tools.settings
    }

    /// The time of day and the randomness of this record.
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.tools.surroundings
    }

    /// The search parameters in force.
    pub fn search_parameters(&self) -> Arc<Registry> {
        Arc::clone(&self.catalog().registry)
    }

    pub(crate) fn store(&self) -> &Self {
        self
    }

    pub(crate) fn trail(&self) -> &Trail {
        &self.0.trail
    }

    /// Something that does not keep the record open.
    pub(crate) fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    /// The record, if it is still open.
    pub(crate) fn upgrade(weak: &Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    pub(crate) fn tools(&self) -> &Arc<Tools> {
        &self.0.tools
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.0.tail
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.catalog.read())
    }

    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.reader().await.map(Reader::Sqlite),
            Engine::Postgres(postgres) => postgres.reader().await.map(Reader::Postgres),
        }
    }

    /// A reader for a few look-ups by key, which wait neither for searches nor for another thread.
    pub(crate) async fn reader_by_key(&self) -> Result<Reader, Error> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.reader_here().map(Reader::Sqlite),
            Engine::Postgres(postgres) => postgres.reader().await.map(Reader::Postgres),
        }
    }

    /// A reader whose statements all see the record as it is at the first of them.
    pub(crate) async fn snapshot(&self) -> Result<Reader, Error> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.reader().await.map(Reader::Sqlite),
            Engine::Postgres(postgres) => postgres.snapshot().await.map(Reader::PostgresSnapshot),
        }
    }

    pub(crate) async fn submit(&self, work: Work, catalog: Arc<Catalog>) -> Result<Vec<Applied>, Refusal> {
        let (answer, catalog_changed) = match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.submit(work, catalog).await?,
            Engine::Postgres(postgres) => postgres.submit(work, catalog).await?,
        };
        if catalog_changed {
            self.load_catalog().await?;
        }
        for version in answer.iter().filter_map(|applied| applied.version.as_ref()) {
            self.0.turns.turn(version.key.type_);
            self.0.past.put(version);
        }
        self.keep_access_in_step(&answer).await?;
        Ok(answer)
    }

    /// Keeps what is in memory in step with what others wrote after a position; says up to where that is.
    async fn learn_after(&self, after: u64) -> Result<u64, Error> {
        let Since { types, to } = self.written_since(after).await?;
        types.iter().for_each(|(type_, _)| self.0.turns.turn(*type_));
        if types.iter().any(|(type_, _)| type_.name() == "SearchParameter") {
            self.refresh().await?;
        }
        self.refresh_access(&types).await?;
        Ok(to)
    }

    /// A statement that writes on its own, outside any transaction of the record.
    pub(crate) async fn statement(&self, sql: &str, arguments: Vec<SqlValue>) -> Result<Vec<Row>, Error> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.statement(sql, arguments).await,
            Engine::Postgres(postgres) => postgres.statement(sql, arguments).await,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.0.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn read(&self, key: &Key, sight: Option<&Sight>) -> Result<Option<Version>, Error> {
        if let Some(sight) = sight {
            return Ok(self.read_seen(key, None, sight).boxed().await?.map(|(version, _)| version));
        }
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.read_now(key),
            Engine::Postgres(postgres) => postgres.read(key).await,
        }
    }

    /// One version, the current one when none is named, if the caller may see it and the current one; and the closest
    /// relation by which they may.
    pub(crate) async fn read_seen(
        &self,
        key: &Key,
        version: Option<u64>,
        sight: &Sight,
    ) -> Result<Option<(Version, Relation)>, Error> {
        let (mut rows, address) = (self.reader_by_key().await?, address_of(key));
        let remembered = self.0.tools.names.place(&address);
        if let Some(place) = remembered
            && let Some(seen) = reads::read_seen_at(&mut rows, key, place, version, sight).await?
        {
            return Ok(seen);
        }
        let Some(place) = reads::place(&mut rows, key).await? else { return Ok(None) };
        if remembered == Some(place) {
            return Ok(None);
        }
        self.0.tools.names.learn_place(address, place);
        Ok(reads::read_seen_at(&mut rows, key, place, version, sight).await?.flatten())
    }

    pub(crate) async fn vread(&self, key: &Key, version: u64) -> Result<Option<Version>, Error> {
        if let Some(kept) = self.0.past.get(key, version) {
            return Ok(Some(kept));
        }
        // Mostly somebody follows what has just been written, and that lies where current versions do.
        if let Engine::Sqlite(sqlite) = &self.0.engine
            && let Some(current) = sqlite.read_now(key)?.filter(|current| current.version == version)
        {
            return Ok(Some(current));
        }
        let found = reads::vread(&mut self.reader().await?, key, version).await?;
        found.iter().for_each(|version| self.0.past.put(version));
        Ok(found)
    }

    pub(crate) async fn history(&self, request: &HistoryRequest, sight: Option<&Sight>) -> Result<HistoryPage, Error> {
        reads::history(&mut self.reader().await?, request, sight).await
    }

    pub(crate) async fn changes(
        &self,
        types: &[ResourceType],
        after: u64,
        limit: usize,
        sight: Option<&Sight>,
    ) -> Result<Vec<FeedEntry>, Error> {
        reads::changes(&mut self.reader().await?, types, after, limit, sight).await
    }

    pub(crate) async fn drawer_get(&self, kind: &str, id: &str) -> Result<Option<Bytes>, Error> {
        papers::get(self, kind, id).await
    }

    pub(crate) async fn drawer_put(
        &self,
        kind: &str,
        id: &str,
        body: Bytes,
        expires: Option<i64>,
    ) -> Result<(), Error> {
        papers::put(self, kind, id, body, expires).await
    }

    pub(crate) async fn drawer_add(
        &self,
        kind: &str,
        id: &str,
        body: Bytes,
        expires: Option<i64>,
    ) -> Result<bool, Error> {
        papers::add(self, kind, id, body, expires).await
    }

    pub(crate) async fn drawer_remove(&self, kind: &str, id: &str) -> Result<(), Error> {
        papers::remove(self, kind, id).await
    }

    pub(crate) async fn drawer_replace(&self, kind: &str, id: &str, old: Bytes, new: Bytes) -> Result<bool, Error> {
        papers::replace(self, kind, id, old, new).await
    }

    pub(crate) async fn drawer_take(&self, kind: &str, id: &str) -> Result<Option<Bytes>, Error> {
        papers::take(self, kind, id).await
    }

    pub(crate) async fn drawer_names(&self, kind: &str, beginning: &str) -> Result<Vec<String>, Error> {
        papers::names(self, kind, beginning).await
    }

    pub(crate) async fn job_add(&self, queue: &str, due: i64, body: Bytes) -> Result<(), Error> {
        papers::job_add(self, queue, due, body).await
    }

    pub(crate) async fn job_claim(&self, queue: &str, now: i64, lease: i64, most: usize) -> Result<Vec<Job>, Error> {
        papers::job_claim(self, queue, now, lease, most).await
    }

    pub(crate) async fn job_done(&self, id: i64) -> Result<(), Error> {
        papers::job_done(self, id).await
    }

    pub(crate) async fn job_again(&self, id: i64, due: i64) -> Result<(), Error> {
        papers::job_again(self, id, due).await
    }

    async fn number_params(&self, words: Vec<Box<str>>) -> Result<Vec<i64>, Error> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.number_params(words).await,
            Engine::Postgres(postgres) => postgres.number_params(words).await,
        }
    }
}

/// Learns of what other processes store and this one keeps in memory, for as long as the record is open.
async fn follow_others(record: Weak<Inner>, mut head: watch::Receiver<u64>, begun: u64) {
    let mut after = begun;
    loop {
        let Some(inner) = record.upgrade() else { return };
        match Record(inner).learn_after(after).await {
            Ok(to) => after = to,
            Err(error) => tracing::warn!(%error, "what other processes wrote could not be learnt; it is tried again"),
        }
        if head.changed().await.is_err() {
            return;
        }
    }
}

/// The offset of times written without one.
pub(crate) fn zone(settings: &Settings) -> Result<jiff::tz::Offset, Error> {
    jiff::tz::Offset::from_seconds(settings.zone_offset)
        .map_err(|error| Error::invalid("The offset of times written without one lies within a day.").caused_by(error))
}

/// The tables were laid out by another version of the program.
pub(crate) fn other_layout(found: i64, known: i64) -> Error {
    let text = format!(
        "The record has layout {found}; this program knows layout {known}. Use the program it was made with, or copy it."
    );
    Error::new(fhir::Category::Unavailable, fhir::IssueCode::NoStore, text)
}

/// The same failure for another caller.
pub(crate) fn again(error: &Error) -> Error {
    Error::with_issues(error.category(), error.issues().to_vec()).caused_by(error.to_string())
}
