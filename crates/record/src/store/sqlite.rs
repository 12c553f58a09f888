//! The record on SQLite: one writer thread, many readers, one directory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::store::names::{Address, Kind, Place, shard_of};
use crate::store::shelf::Shelf;
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools, body};
use crate::transact::commit::Work;
use crate::transact::{Applied, Refusal};
use crate::{Key, Method, Version};

mod writer;

use writer::{Command, Writer};

/// The layout of the tables. A newer program refuses an older layout it does not know how to bring up to date.
const SCHEMA: &str = include_str!("sqlite/schema.sql");
const SCHEMA_VERSION: i64 = 3;

/// Statements each connection keeps prepared.
const PREPARED: usize = 256;

pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    writer: Writer,
    shelf: Arc<Shelf>,
    tools: Arc<Tools>,
    /// Held as long as the record is open, so that no second process writes to the same directory.
    _lock: File,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    pub(crate) async fn open(directory: &Path, tools: Arc<Tools>, announce: watch::Sender<u64>) -> Result<Self, Error> {
        let directory = directory.to_owned();
        let opening = move || {
            std::fs::create_dir_all(&directory).map_err(|error| unreachable(&directory, error))?;
            let lock = lock(&directory)?;
            let path = directory.join("record.db");
            let connection = connect(&path, true)?;
            lay_out(&connection)?;
            let readers = Arc::new(Readers {
                path: path.clone(),
                idle: Mutex::default(),
                permits: Arc::new(Semaphore::new(tools.settings.readers.max(1))),
            });
            let shelf = Arc::new(Shelf::new(tools.settings.shelf));
            let writer = Writer::start(connection, Arc::clone(&tools), Arc::clone(&shelf), announce)?;
            Ok(Self { readers, writer, shelf, tools, _lock: lock })
        };
        tokio::task::spawn_blocking(opening).await.map_err(Error::fault)?
    }

    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        let permit = Arc::clone(&self.readers.permits).acquire_owned().await.map_err(Error::fault)?;
        self.reading(Some(permit))
    }

    /// A reader whose statements run on the calling thread: for look-ups by key, which cost less than handing them to another
    /// thread, and more so while that has much to do.
    pub(crate) fn reader_here(&self) -> Result<Reader, Error> {
        self.reading(None)
    }

    fn reading(&self, permit: Option<OwnedSemaphorePermit>) -> Result<Reader, Error> {
        Ok(Reader {
            connection: Some(self.readers.take()?),
            readers: Arc::clone(&self.readers),
            limit: self.tools.settings.limits.search_time,
            permit,
        })
    }

    /// Reads one resource on the calling thread: two look-ups by key cost less than handing them to another thread.
    pub(crate) fn read_now(&self, key: &Key) -> Result<Option<Version>, Error> {
        let stamp = match self.shelf.look(key) {
            Ok(version) => return Ok(Some(version)),
            Err(stamp) => stamp,
        };
        let connection = self.readers.take()?;
        let found = read_now(&connection, &self.tools, key);
        self.readers.give_back(connection);
        if let Ok(Some(version)) = &found {
            self.shelf.put(stamp, version);
        }
        found
    }

    pub(crate) async fn submit(&self, work: Work, catalog: Arc<Catalog>) -> Result<(Vec<Applied>, bool), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Command::Work { work, catalog, answer }).await?;
        answered.await.map_err(Error::fault)?
    }

    pub(crate) async fn statement(&self, sql: &str, arguments: Vec<SqlValue>) -> Result<Vec<Row>, Error> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Command::Statement { sql: sql.to_owned(), arguments, answer }).await?;
        answered.await.map_err(Error::fault)?
    }

    pub(crate) async fn number_params(&self, words: Vec<Box<str>>) -> Result<Vec<i64>, Error> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Command::Number { kind: Kind::Param, words, answer }).await?;
        answered.await.map_err(Error::fault)?
    }
}

fn read_now(connection: &Connection, tools: &Tools, key: &Key) -> Result<Option<Version>, Error> {
    let address = Address { type_: key.type_.number(), id: key.id.as_str().into() };
    if let Some(place) = tools.names.place(&address)
        && let Some(version) = read_at(connection, key, place.rid)?
    {
        return Ok(Some(version));
    }
    let mut statement = connection
        .prepare_cached("SELECT rid, home FROM locator WHERE shard = ?1 AND type = ?2 AND id = ?3")
        .map_err(failure)?;
    let shard = shard_of(&key.to_string());
    let place = statement
        .query_row((shard, key.type_.number(), &key.id), |row| Ok(Place { rid: row.get(0)?, home: row.get(1)? }))
        .optional()
        .map_err(failure)?;
    let Some(place) = place else { return Ok(None) };
    tools.names.learn_place(address, place);
    read_at(connection, key, place.rid)
}

fn read_at(connection: &Connection, key: &Key, rid: i64) -> Result<Option<Version>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT version, at, method, body, type, id FROM resource WHERE rid = ?1")
        .map_err(failure)?;
    let found = statement
        .query_row((rid,), |row| {
            let body: Option<Vec<u8>> = row.get(3)?;
            let same = row.get::<_, i64>(4)? == key.type_.number() && row.get_ref(5)?.as_str()? == key.id;
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, body, same))
        })
        .optional()
        .map_err(failure)?;
    let Some((version, at, method, body, same)) = found else { return Ok(None) };
    if !same {
        // One resource must never be answered for another, whatever went wrong before.
        return Err(Error::fault(format!("the row {rid} does not hold the resource its name leads to")));
    }
    let version = u64::try_from(version).map_err(Error::fault)?;
    let body = body.map(|body| body::unpack(Bytes::from(body))).transpose()?;
    Ok(Some(Version { key: key.clone(), version, at, method: Method::numbered(method), body }))
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| unreachable(directory, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let text = format!(
                "Another process has the record in {} open. Stop it, or speak to it over HTTP.",
                directory.display()
            );
            Err(Error::new(Category::Unavailable, IssueCode::LockError, text))
        }
        Err(TryLockError::Error(error)) => Err(unreachable(directory, error)),
    }
}

fn unreachable(directory: &Path, error: std::io::Error) -> Error {
    let text = format!("The directory {} cannot be used: {error}.", directory.display());
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

fn connect(path: &Path, write: bool) -> Result<Connection, Error> {
    let access = if write {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failure)?;
    rusqlite::vtab::array::load_module(&connection).map_err(failure)?;
    // A statement keeps the plan it was prepared with. Otherwise each new value of an argument has it planned anew, which
    // costs more than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failure)?;
    // FULL, because an acknowledged write must survive the loss of power; group commit pays for it once per group.
    // No automatic indexes: every statement has an index to begin at, and building one costs more than it saves.
    // The writer itself copies the log back: only then does the log begin anew instead of growing while it is busy.
    let pragmas = if write {
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000;
         PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA automatic_index = OFF;"
    } else {
        "PRAGMA query_only = ON; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA automatic_index = OFF;"
    };
    connection.execute_batch(pragmas).map_err(failure)?;
    Ok(connection)
}

fn lay_out(connection: &Connection) -> Result<(), Error> {
    let there: bool = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'head'", (), |row| row.get(0))
        .map_err(failure)?;
    if !there {
        connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map_err(failure)?;
    }
    let version: i64 =
        connection.query_row("SELECT value FROM head WHERE name = 'schema'", (), |row| row.get(0)).map_err(failure)?;
    if version == SCHEMA_VERSION { Ok(()) } else { Err(crate::store::other_layout(version, SCHEMA_VERSION)) }
}

impl Readers {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self.idle.lock().pop();
        idle.map_or_else(|| connect(&self.path, false), Ok)
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().push(connection);
    }
}

/// A connection for reading. All its statements see the record as it was at the first of them.
pub(crate) struct Reader {
    /// Empty only while a statement runs, or after one was lost with its thread.
    connection: Option<Connection>,
    readers: Arc<Readers>,
    limit: std::time::Duration,
    /// A place among those who read on other threads; a reader without one reads on the thread that asks.
    permit: Option<OwnedSemaphorePermit>,
}

impl Rows for Reader {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        let connection = self.connection.take().ok_or_else(|| Error::fault("the reading connection was lost"))?;
        if self.permit.is_none() {
            let answer = query_as_of_one_moment(&connection, sql, arguments);
            self.connection = Some(connection);
            return answer;
        }
        let interrupt = connection.get_interrupt_handle();
        let (sql, arguments) = (sql.to_owned(), arguments.to_vec());
        let reading = tokio::task::spawn_blocking(move || {
            let answer = query_as_of_one_moment(&connection, &sql, &arguments);
            (connection, answer)
        });
        tokio::pin!(reading);
        let finished = tokio::select! {
            finished = &mut reading => finished,
            () = tokio::time::sleep(self.limit) => {
                interrupt.interrupt();
                reading.await
            }
        };
        let (connection, answer) = finished.map_err(Error::fault)?;
        self.connection = Some(connection);
        answer
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (connection.is_autocommit() || connection.execute_batch("COMMIT").is_ok())
        {
            self.readers.give_back(connection);
        }
    }
}

/// Runs a statement that sees the record as it was at the first one of this connection that has not been ended yet.
fn query_as_of_one_moment(connection: &Connection, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
    if connection.is_autocommit() {
        connection.execute_batch("BEGIN").map_err(failure)?;
    }
    query(connection, sql, arguments)
}

/// Runs a statement written with `$1`, which SQLite would take for a name.
fn query(connection: &Connection, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
    let mut statement = connection.prepare_cached(&sql.replace('$', "?")).map_err(failure)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(arguments)).map_err(failure)?;
    let mut answer = Vec::new();
    while let Some(row) = rows.next().map_err(failure)? {
        let values = (0..columns).map(|at| row.get_ref(at).map(value)).collect::<Result<_, _>>();
        answer.push(Row(values.map_err(failure)?));
    }
    Ok(answer)
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(value) => SqlValue::Int(value),
        ValueRef::Real(value) => SqlValue::Real(value),
        ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Bytes(Bytes::copy_from_slice(bytes)),
    }
}

impl rusqlite::ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Ints(values) => array(values.iter().copied().map(Value::Integer).collect()),
            Self::Texts(texts) => array(texts.iter().cloned().map(Value::Text).collect()),
            Self::Blobs(blobs) => array(blobs.iter().map(|bytes| Value::Blob(bytes.to_vec())).collect()),
        })
    }
}

fn array(values: Vec<Value>) -> ToSqlOutput<'static> {
    // The name under which rusqlite's array module looks for its argument.
    ToSqlOutput::from_rc(Rc::new(values), c"rarray")
}

/// What a failing SQLite means for the caller.
pub(crate) fn failure(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let (category, code, text) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            (Category::Unavailable, IssueCode::NoStore, "The disk is full; nothing was written.")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Category::Unavailable, IssueCode::NoStore, "The disk can only be read; nothing was written.")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            (Category::Unavailable, IssueCode::NoStore, "The disk cannot be used; nothing was written.")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Category::Busy, IssueCode::LockError, "The record is busy; try again.")
        }
        Some(ErrorCode::OperationInterrupted) => {
            (Category::Unprocessable, IssueCode::TooCostly, "The search takes too long; narrow it down.")
        }
        _ => return Error::fault(error),
    };
    Error::new(category, code, text).caused_by(error)
}
