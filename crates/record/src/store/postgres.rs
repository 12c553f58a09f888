//! The record on PostgreSQL, shared by any number of processes.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use fhir::{Category, Error, IssueCode};
use futures_util::FutureExt;
use tokio::sync::{oneshot, watch};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, NoTls};

use crate::store::names::{Address, Kind};
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools, other_layout, reads};
use crate::transact::commit::Work;
use crate::transact::prepare::address_of;
use crate::transact::{Applied, Refusal};
use crate::{Key, Version};

mod alone;
mod gathered;
mod writer;

use alone::Alone;
use gathered::Gathered;
use writer::{Command, Writer};

const SCHEMA: &str = include_str!("postgres/schema.sql");
const SCHEMA_VERSION: i64 = 4;

/// The channel on which every process hears that the feed has moved, and to where.
pub(super) const CHANNEL: &str = "qingshan_feed";

/// How often the head of the feed is looked at, in case a call was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) struct Postgres {
    config: tokio_postgres::Config,
    pool: Pool,
    gathered: Gathered,
    alone: Arc<Alone>,
    writer: Writer,
    tools: Arc<Tools>,
    /// Gone with the record.
    _open: watch::Sender<()>,
}

impl Postgres {
    pub(crate) async fn open(url: &str, tools: Arc<Tools>, announce: watch::Sender<u64>) -> Result<Self, Error> {
        let mut config: tokio_postgres::Config = url.parse().map_err(|error: tokio_postgres::Error| {
            Error::invalid("The database URL cannot be read; write postgres://user:password@host:port/name.")
                .caused_by(error)
        })?;
        config.application_name("qingshan");
        // Statements here end in milliseconds. Where rows are guessed too many, as before a table was ever analysed,
        // compiling one first takes hundreds.
        let options = format!("{} -c jit=off", config.get_options().unwrap_or_default());
        config.options(options.trim_start());
        lay_out(&config).await?;
        let mut reading = config.clone();
        let limit = tools.settings.limits.search_time.as_millis();
        reading.options(format!("{} -c statement_timeout={limit}", options.trim_start()));
        let manager = Manager::from_config(reading, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let waiting = Some(tools.settings.limits.search_time);
        let timeouts = Timeouts { wait: waiting, create: waiting, recycle: waiting };
        let pool = Pool::builder(manager)
            .max_size(tools.settings.readers.max(1) * 4)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(Error::fault)?;
        let head = feed_head(&pool).await?;
        announce.send_replace(head);
        let announce = Arc::new(announce);
        let alone = Arc::new(Alone::new(&pool, &tools));
        tokio::spawn(follow(config.clone(), pool.clone(), Arc::clone(&announce), Arc::clone(&alone)));
        let (open, is_open) = watch::channel(());
        tokio::spawn(Arc::clone(&alone).keep(is_open));
        let gathered = Gathered::start(&pool);
        let writer = Writer::start(config.clone(), Arc::clone(&tools), announce, Arc::clone(&alone));
        Ok(Self { config, pool, gathered, alone, writer, tools, _open: open })
    }

    pub(crate) fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        let client = self.pool.get().await.map_err(|error| unavailable().caused_by(error))?;
        Ok(Reader { client })
    }

    /// Reads one resource: from memory, if nobody else can have written it meanwhile.
    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Version>, Error> {
        let stamp = match self.alone.look(key) {
            Ok(version) => return Ok(Some(version)),
            Err(stamp) => stamp,
        };
        let found = self.read_there(key).await?;
        if let Some(version) = &found {
            // One resource must never be answered for another, whatever went wrong before.
            if version.key != *key {
                return Err(Error::fault("a name leads to a row that holds another resource"));
            }
            if let Some(stamp) = stamp {
                self.alone.put(stamp, version);
            }
        }
        Ok(found)
    }

    /// Reads one resource from the database, asking for its place only if this process has not met it or it has moved
    /// since.
    async fn read_there(&self, key: &Key) -> Result<Option<Version>, Error> {
        let address = address_of(key);
        if let Some(known) = self.tools.names.place(&address)
            && let Some(version) = self.gathered.read(known).await?
        {
            return Ok(Some(version));
        }
        self.find(key, address).boxed().await
    }

    /// Reads what this process does not know the place of.
    async fn find(&self, key: &Key, address: Address) -> Result<Option<Version>, Error> {
        let Some(place) = reads::place(&mut self.reader().await?, key).await? else { return Ok(None) };
        self.tools.names.learn_place(address, place);
        self.gathered.read(place).await
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(failure)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection that read a snapshot of the database ended");
            }
        });
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failure)?;
        Ok(Snapshot { client })
    }

    /// Lets other processes write at once, since this one ends.
    pub(crate) async fn end(&self) -> Result<(), Error> {
        self.alone.end().await
    }

    pub(crate) async fn submit(&self, work: Work, catalog: Arc<Catalog>) -> Result<(Vec<Applied>, bool), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Command { work, catalog, answer }).await?;
        answered.await.map_err(Error::fault)?
    }

    pub(crate) async fn statement(&self, sql: &str, arguments: Vec<SqlValue>) -> Result<Vec<Row>, Error> {
        self.reader().await?.rows(sql, &arguments).await
    }

    pub(crate) async fn number_params(&self, words: Vec<Box<str>>) -> Result<Vec<i64>, Error> {
        let client = self.pool.get().await.map_err(|error| unavailable().caused_by(error))?;
        writer::number(&client, Kind::Param, &words).await
    }
}

/// Makes the tables where there are none. Several processes may start at once, so the first keeps the others waiting.
async fn lay_out(config: &tokio_postgres::Config) -> Result<(), Error> {
    let (mut client, connection) = config.connect(NoTls).await.map_err(failure)?;
    let driver = tokio::spawn(connection);
    let tx = client.transaction().await.map_err(failure)?;
    // The number names this purpose among the advisory locks of the database: "qs".
    tx.batch_execute("SELECT pg_advisory_xact_lock(29043)").await.map_err(failure)?;
    let there = tx.query_one("SELECT to_regclass('head') IS NOT NULL", &[]).await.map_err(failure)?;
    if !there.get::<_, bool>(0) {
        tx.batch_execute(SCHEMA).await.map_err(failure)?;
    }
    let version: i64 = tx.query_one("SELECT value FROM head WHERE name = 'schema'", &[]).await.map_err(failure)?.get(0);
    tx.commit().await.map_err(failure)?;
    drop(client);
    driver.await.map_err(Error::fault)?.map_err(failure)?;
    if version == SCHEMA_VERSION { Ok(()) } else { Err(other_layout(version, SCHEMA_VERSION)) }
}

async fn feed_head(pool: &Pool) -> Result<u64, Error> {
    let client = pool.get().await.map_err(|error| unavailable().caused_by(error))?;
    let row =
        client.query_one("SELECT value FROM head WHERE shard = 0 AND name = 'feed'", &[]).await.map_err(failure)?;
    u64::try_from(row.get::<_, i64>(0)).map_err(Error::fault)
}

/// Keeps the head of the feed up to date with what other processes write, for as long as anybody listens.
async fn follow(config: tokio_postgres::Config, pool: Pool, announce: Arc<watch::Sender<u64>>, alone: Arc<Alone>) {
    while !announce.is_closed() {
        if let Err(error) = listen(&config, &pool, Arc::clone(&announce), Arc::clone(&alone)).await {
            tracing::warn!(%error, "the feed of other processes cannot be heard; it is tried again");
        }
        alone.deafened();
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Tells of a head that may be further than the one that is known.
pub(super) fn advance(announce: &watch::Sender<u64>, head: u64) {
    announce.send_if_modified(|known| {
        let moved = head > *known;
        *known = head.max(*known);
        moved
    });
}

async fn listen(
    config: &tokio_postgres::Config,
    pool: &Pool,
    announce: Arc<watch::Sender<u64>>,
    alone: Arc<Alone>,
) -> Result<(), Error> {
    let (client, mut connection) = config.connect(NoTls).await.map_err(failure)?;
    let (called, mut calls) = tokio::sync::mpsc::channel::<()>(1);
    let hearing = Arc::clone(&announce);
    let driver = tokio::spawn(async move {
        let mut messages =
            std::pin::pin!(futures_util::stream::poll_fn(move |context| connection.poll_message(context)));
        while let Some(message) = futures_util::StreamExt::next(&mut messages).await {
            match message {
                Ok(AsyncMessage::Notification(call)) if call.channel() == alone::CHANNEL => alone.hear(call.payload()),
                Ok(AsyncMessage::Notification(call)) => match call.payload().parse() {
                    Ok(head) => advance(&hearing, head),
                    // Other programs call without saying so. A full channel means that somebody is about to look anyway.
                    Err(_) => drop(called.try_send(())),
                },
                Ok(_) => {}
                Err(error) => return Err(failure(error)),
            }
        }
        Ok(())
    });
    client.batch_execute(&format!("LISTEN {CHANNEL}; LISTEN {}", alone::CHANNEL)).await.map_err(failure)?;
    while !announce.is_closed() {
        advance(&announce, feed_head(pool).await?);
        if let Ok(None) = tokio::time::timeout(LOOK_AGAIN, calls.recv()).await {
            break;
        }
    }
    drop(client);
    driver.await.map_err(Error::fault)?
}

/// A connection for reading.
pub(crate) struct Reader {
    client: Object,
}

impl Rows for Reader {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        let statement = self.client.prepare_cached(sql).await.map_err(failure)?;
        let arguments: Vec<&(dyn ToSql + Sync)> = arguments.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.client.query(&statement, &arguments).await.map_err(failure)?;
        rows.iter().map(row).collect()
    }
}

/// A connection of its own in one long transaction, which ends with the connection.
pub(crate) struct Snapshot {
    client: tokio_postgres::Client,
}

impl Rows for Snapshot {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        let arguments: Vec<&(dyn ToSql + Sync)> = arguments.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.client.query(sql, &arguments).await.map_err(failure)?;
        rows.iter().map(row).collect()
    }
}

pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    (0..row.len()).map(|at| row.try_get::<_, SqlValue>(at).map_err(Error::fault)).collect::<Result<_, _>>().map(Row)
}

impl<'a> FromSql<'a> for SqlValue {
    fn from_sql(type_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(match *type_ {
            Type::INT2 => Self::Int(i16::from_sql(type_, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(type_, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(type_, raw)?),
            Type::BOOL => Self::Int(bool::from_sql(type_, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(type_, raw)?),
            Type::BYTEA => Self::Bytes(Bytes::copy_from_slice(raw)),
            _ => Self::Text(String::from_sql(type_, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(type_: &Type) -> bool {
        matches!(*type_, Type::INT2 | Type::INT4 | Type::INT8 | Type::BOOL | Type::FLOAT8 | Type::BYTEA)
            || <String as FromSql>::accepts(type_)
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => match *type_ {
                Type::INT2 => i16::try_from(*value)?.to_sql(type_, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(type_, out),
                Type::FLOAT8 => {
                    // Whole numbers this large do not occur among quantities, which are the only columns of this type.
                    #[expect(clippy::cast_precision_loss, reason = "see above")]
                    let real = *value as f64;
                    real.to_sql(type_, out)
                }
                _ => value.to_sql(type_, out),
            },
            Self::Real(value) => value.to_sql(type_, out),
            Self::Text(text) => text.to_sql(type_, out),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(type_, out),
            Self::Ints(values) => match type_.kind() {
                TypeKind::Array(Type::INT2) => {
                    values.iter().map(|v| i16::try_from(*v)).collect::<Result<Vec<_>, _>>()?.to_sql(type_, out)
                }
                TypeKind::Array(Type::INT4) => {
                    values.iter().map(|v| i32::try_from(*v)).collect::<Result<Vec<_>, _>>()?.to_sql(type_, out)
                }
                _ => values.to_sql(type_, out),
            },
            Self::Texts(texts) => texts.to_sql(type_, out),
            Self::Blobs(blobs) => blobs.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().to_sql(type_, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

pub(super) fn unavailable() -> Error {
    let text = "The database cannot be reached; nothing was written. Try again in a moment.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text)
}

/// What a failing PostgreSQL means for the caller.
pub(crate) fn failure(error: tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        let broken = StdError::source(&error).is_some_and(|cause| cause.is::<std::io::Error>());
        return if broken || error.is_closed() { unavailable().caused_by(error) } else { Error::fault(error) };
    };
    let (category, code, text) = match state.code() {
        "57014" => (Category::Unprocessable, IssueCode::TooCostly, "The search takes too long; narrow it down."),
        "53100" => (Category::Unavailable, IssueCode::NoStore, "The database's disk is full; nothing was written."),
        "25006" => (Category::Unavailable, IssueCode::NoStore, "The database can only be read; nothing was written."),
        "53300" => (Category::Busy, IssueCode::Throttled, "The database has no connection left; try again."),
        _ if *state == SqlState::T_R_SERIALIZATION_FAILURE || *state == SqlState::T_R_DEADLOCK_DETECTED => {
            (Category::Busy, IssueCode::LockError, "Two transactions stood in each other's way; try again.")
        }
        code if code.starts_with("57P") || code.starts_with("08") => return unavailable().caused_by(error),
        code if code.starts_with("53") || code.starts_with("58") => {
            (Category::Unavailable, IssueCode::NoStore, "The database is short of something; nothing was written.")
        }
        _ => return Error::fault(error),
    };
    Error::new(category, code, text).caused_by(error)
}
