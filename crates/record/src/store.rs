//! Where the record is kept, and the one way in and out of it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use fhir::Error;
use fhir::search::Registry;
use fhir::validate::{Options, Validator};
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
pub(crate) mod postgres;
pub(crate) mod reads;
mod shelf;
pub(crate) mod sqlite;
pub(crate) mod value;

pub(crate) use catalog::Catalog;
use names::Names;
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
        let official = Arc::new(Registry::base(zone(&tools.settings)?));
        let catalog = RwLock::new(Arc::new(Catalog::unnumbered(Arc::clone(&official))));
        let access = Access::default();
        let record = Self(Arc::new(Inner { tools, trail, official, catalog, engine, head, access }));
        record.load_catalog().await?;
        record.load_institutions().await?;
        record.keep_trail().await?;
        if record.dialect() == Dialect::Postgres {
            tokio::spawn(follow_parameters(Arc::downgrade(&record.0), record.head()));
        }
        Ok(record)
    }

    /// Opens a session for one caller and one purpose.
    pub fn session(&self, caller: Caller) -> Session {
        Session { record: self.clone(), caller: Arc::new(caller), origin: None, keeps_runs: false }
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
        self.keep_access_in_step(&answer).await?;
        Ok(answer)
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
            return Ok(self.read_seen(key, None, sight).await?.map(|(version, _)| version));
        }
        let found = match &self.0.engine {
            Engine::Sqlite(sqlite) => return sqlite.read_now(key),
            Engine::Postgres(postgres) => postgres.read(key).await?,
        };
        match found {
            // One resource must never be answered for another, whatever went wrong before.
            Some(version) if version.key != *key => {
                Err(Error::fault("a name leads to a row that holds another resource"))
            }
            found => Ok(found),
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
        reads::read_seen(&mut self.reader().await?, key, version, sight).await
    }

    pub(crate) async fn vread(&self, key: &Key, version: u64) -> Result<Option<Version>, Error> {
        reads::vread(&mut self.reader().await?, key, version).await
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

/// Learns of the search parameters other processes store, for as long as the record is open.
async fn follow_parameters(record: Weak<Inner>, mut head: watch::Receiver<u64>) {
    while head.changed().await.is_ok() {
        let Some(inner) = record.upgrade() else { return };
        let record = Record(inner);
        if let Err(error) = record.refresh().await {
            tracing::warn!(%error, "the search parameters of other processes could not be read; they are tried again");
        }
        if let Err(error) = record.refresh_access().await {
            tracing::warn!(%error, "the institutions and posts of other processes could not be read; they are tried again");
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
