//! The one thread that writes: it takes whatever is waiting, commits it at once and answers.

use std::sync::Arc;

use bytes::Bytes;
use fhir::{Category, Error};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot, watch};

use crate::access::sight::Facts;
use crate::audit;
use crate::store::batch::{Batch, Current, FeedRow, Wanted, WriteTx};
use crate::store::derived::{Derived, names, settle};
use crate::store::names::{Address, Kind, Place, shard_of};
use crate::store::shelf::Shelf;
use crate::store::sqlite::{failure, query};
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools, again};
use crate::transact::commit::{Done, Work, commit_group};
use crate::transact::{Applied, Refusal};

/// Transactions in one group. More would make the first wait longer than the sync they share is worth.
const GROUP: usize = 128;

/// Transactions waiting to be written.
const WAITING: usize = 4_096;

type WorkAnswer = Result<(Vec<Applied>, bool), Refusal>;

/// Something for the writer to do.
pub(super) enum Command {
    Work { work: Work, catalog: Arc<Catalog>, answer: oneshot::Sender<WorkAnswer> },
    Statement { sql: String, arguments: Vec<SqlValue>, answer: oneshot::Sender<Result<Vec<Row>, Error>> },
    Number { kind: Kind, words: Vec<Box<str>>, answer: oneshot::Sender<Result<Vec<i64>, Error>> },
}

pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        tools: Arc<Tools>,
        shelf: Arc<Shelf>,
        announce: watch::Sender<u64>,
    ) -> Result<Self, Error> {
        let last = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(failure);
        let counters = Counters {
            rid: last("SELECT coalesce(max(rid), 0) FROM locator")?,
            seq: last("SELECT coalesce(max(seq), 0) FROM feed")?,
            name: last("SELECT coalesce(max(id), 0) FROM name")?,
            at: last("SELECT coalesce((SELECT at FROM feed ORDER BY seq DESC LIMIT 1), 0)")?,
        };
        announce.send_replace(u64::try_from(counters.seq).map_err(Error::fault)?);
        let (commands, waiting) = mpsc::channel(WAITING);
        let thread = Thread { connection, tools, shelf, announce, counters };
        std::thread::Builder::new()
            .name("record-writer".to_owned())
            .spawn(move || thread.run(waiting))
            .map_err(Error::fault)?;
        Ok(Self { commands })
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::fault("the writer has ended"))
    }
}

/// The last numbers given out. They go back when a group is not committed.
#[derive(Debug, Clone, Copy)]
struct Counters {
    rid: i64,
    seq: i64,
    name: i64,
    at: i64,
}

struct Thread {
    connection: Connection,
    tools: Arc<Tools>,
    shelf: Arc<Shelf>,
    announce: watch::Sender<u64>,
    counters: Counters,
}

impl Thread {
    fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Vec<Command>) {
        let mut works = Vec::new();
        let mut answers = Vec::new();
        let mut catalog: Option<Arc<Catalog>> = None;
        for command in group {
            match command {
                Command::Work { work, catalog: prepared_with, answer } => {
                    if catalog.as_ref().is_some_and(|catalog| !Arc::ptr_eq(catalog, &prepared_with)) {
                        self.commit(&std::mem::take(&mut works), std::mem::take(&mut answers), catalog.as_deref());
                    }
                    catalog = Some(prepared_with);
                    works.push(work);
                    answers.push(answer);
                }
                Command::Statement { sql, arguments, answer } => {
                    let _ = answer.send(query(&self.connection, &sql, &arguments));
                }
                Command::Number { kind, words, answer } => {
                    let _ = answer.send(self.number_alone(kind, &words));
                }
            }
        }
        self.commit(&works, answers, catalog.as_deref());
    }

    fn number_alone(&mut self, kind: Kind, words: &[Box<str>]) -> Result<Vec<i64>, Error> {
        let before = self.counters;
        let outcome = self.within(|tx| futures_util::FutureExt::now_or_never(tx.number(kind, words)).expect(READY));
        if outcome.is_err() {
            self.counters = before;
        }
        outcome
    }

    fn commit(&mut self, works: &[Work], answers: Vec<oneshot::Sender<WorkAnswer>>, catalog: Option<&Catalog>) {
        let Some(catalog) = catalog.filter(|_| !works.is_empty()) else { return };
        let outcomes = match self.attempt(works, catalog) {
            Ok(done) => self.announce(done),
            // One transaction the database cannot take must not take its neighbours with it.
            Err(error) if works.len() > 1 && error.category() == Category::Fault => works
                .iter()
                .flat_map(|work| match self.attempt(std::slice::from_ref(work), catalog) {
                    Ok(done) => self.announce(done),
                    Err(error) => vec![Err(Refusal::from(error))],
                })
                .collect(),
            Err(error) => works.iter().map(|_| Err(Refusal::from(again(&error)))).collect(),
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A caller who has gone away does not need the answer; what was written stays written.
            let _ = answer.send(outcome);
        }
    }

    fn attempt(&mut self, works: &[Work], catalog: &Catalog) -> Result<Done, Error> {
        let before = self.counters;
        let now = self.tools.surroundings.clock.now();
        // Whole milliseconds, as lastUpdated is written, and never back in time.
        let at = (now - now.rem_euclid(1_000)).max(self.counters.at);
        self.counters.at = at;
        let tools = Arc::clone(&self.tools);
        let outcome = self.within(|tx| {
            let committing = commit_group(tx, &tools, catalog, works, at);
            futures_util::FutureExt::now_or_never(committing).expect(READY)
        });
        if outcome.is_err() {
            self.counters = before;
        }
        outcome
    }

    fn within<R>(&mut self, act: impl FnOnce(&mut Tx<'_>) -> Result<R, Error>) -> Result<R, Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
        let mut tx = Tx { connection: &mut self.connection, counters: &mut self.counters, written: Vec::new() };
        let outcome = act(&mut tx);
        let written = tx.written;
        let outcome = outcome.and_then(|done| {
            self.connection.execute_batch("COMMIT").map_err(failure)?;
            Ok(done)
        });
        // Also when it failed: then it only has to be read again.
        self.shelf.take(&written);
        if outcome.is_err()
            && !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
        outcome
    }

    fn announce(&self, done: Done) -> Vec<WorkAnswer> {
        for (kind, text, number) in done.words {
            self.tools.names.learn_word(kind, &text, number);
        }
        for (address, place) in done.places {
            self.tools.names.learn_place(address, place);
        }
        if let Some(head) = done.head {
            self.announce.send_replace(head);
        }
        let changed = done.catalog_changed;
        done.answers.into_iter().map(|answer| answer.map(|applied| (applied, changed))).collect()
    }
}

const READY: &str = "SQLite answers before it returns, so nothing is ever waited for";

struct Tx<'a> {
    connection: &'a mut Connection,
    counters: &'a mut Counters,
    /// Resources that have a new version.
    written: Vec<Address>,
}

impl Rows for Tx<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn is_tentative(&self) -> bool {
        true
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        query(self.connection, sql, arguments)
    }
}

impl WriteTx for Tx<'_> {
    async fn locate(&mut self, wanted: &[Wanted]) -> Result<Vec<Place>, Error> {
        let connection = &*self.connection;
        let mut find = connection
            .prepare_cached("SELECT rid, home FROM locator WHERE shard = ?1 AND type = ?2 AND id = ?3")
            .map_err(failure)?;
        let mut make = connection
            .prepare_cached("INSERT INTO locator (shard, type, id, rid, home) VALUES (?1, ?2, ?3, ?4, ?5)")
            .map_err(failure)?;
        let mut places = Vec::with_capacity(wanted.len());
        for want in wanted {
            let address = &want.address;
            let shard = crate::transact::commit::home_of(address);
            if !want.fresh {
                let found = find
                    .query_row(params![shard, address.type_, address.id], |row| {
                        Ok(Place { rid: row.get(0)?, home: row.get(1)? })
                    })
                    .optional()
                    .map_err(failure)?;
                if let Some(place) = found {
                    places.push(place);
                    continue;
                }
            }
            self.counters.rid += 1;
            let place = Place { rid: self.counters.rid, home: want.home };
            make.execute(params![shard, address.type_, address.id, place.rid, place.home]).map_err(failure)?;
            places.push(place);
        }
        Ok(places)
    }

    async fn current(&mut self, rids: &[i64]) -> Result<Vec<Option<Current>>, Error> {
        let mut find = self
            .connection
            .prepare_cached(
                "SELECT version, shard, body IS NULL, type, subject, keeper, label FROM resource WHERE rid = ?1",
            )
            .map_err(failure)?;
        rids.iter()
            .map(|rid| {
                find.query_row([rid], |row| {
                    let (type_, subject, keeper, label) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
                    let facts = Facts { rid: *rid, type_, subject, keeper, label };
                    Ok(Current { version: row.get(0)?, shard: row.get(1)?, deleted: row.get(2)?, facts })
                })
                .optional()
                .map_err(failure)
            })
            .collect()
    }

    async fn number(&mut self, kind: Kind, words: &[Box<str>]) -> Result<Vec<i64>, Error> {
        let connection = &*self.connection;
        let mut find = connection
            .prepare_cached("SELECT id FROM name WHERE shard = ?1 AND kind = ?2 AND text = ?3")
            .map_err(failure)?;
        let mut make = connection
            .prepare_cached("INSERT INTO name (shard, kind, text, id) VALUES (?1, ?2, ?3, ?4)")
            .map_err(failure)?;
        let mut numbers = Vec::with_capacity(words.len());
        for word in words {
            let shard = shard_of(word);
            let found = find.query_row(params![shard, kind.number(), word], |row| row.get(0)).optional();
            let number = match found.map_err(failure)? {
                Some(number) => number,
                None => {
                    self.counters.name += 1;
                    make.execute(params![shard, kind.number(), word, self.counters.name]).map_err(failure)?;
                    self.counters.name
                }
            };
            numbers.push(number);
        }
        Ok(numbers)
    }

    async fn lock_type(&mut self, _type: i64) -> Result<(), Error> {
        // There is one writer, and this is it.
        Ok(())
    }

    async fn write(&mut self, mut batch: Batch) -> Result<(), Error> {
        let Batch { unindex, tokens, references, texts, dates, quantities, ties, .. } = &mut batch;
        unwrite(self.connection, unindex, tokens)?;
        unwrite(self.connection, unindex, references)?;
        unwrite(self.connection, unindex, texts)?;
        unwrite(self.connection, unindex, dates)?;
        unwrite(self.connection, unindex, quantities)?;
        unwrite(self.connection, unindex, ties)?;
        let written = batch.resources.iter().filter(|row| row.replaces);
        self.written.extend(written.map(|row| Address { type_: row.type_, id: row.id.clone() }));
        write(self.connection, &batch).map_err(failure)
    }

    async fn finish(&mut self, batch: Batch, entries: &[Bytes], feed: Vec<FeedRow>) -> Result<Option<u64>, Error> {
        if !batch.is_empty() {
            self.write(batch).await?;
        }
        // There is one lane.
        audit::append(self, audit::chain_of(0), entries).await?;
        if feed.is_empty() {
            return Ok(None);
        }
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO feed (seq, shard, rid, type, version, at, method, actor, purpose, request) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .map_err(failure)?;
        for row in feed {
            self.counters.seq += 1;
            let FeedRow { shard, rid, type_, version, at, method, actor, purpose, request } = row;
            insert
                .execute(params![self.counters.seq, shard, rid, type_, version, at, method, actor, purpose, request])
                .map_err(failure)?;
        }
        u64::try_from(self.counters.seq).map(Some).map_err(Error::fault)
    }
}

/// Takes away what resources have in a table and are not to have, and leaves in `wanted` what they do not have yet.
fn unwrite<T: Derived>(connection: &Connection, rids: &[i64], wanted: &mut Vec<T>) -> Result<(), Error> {
    if rids.is_empty() {
        return Ok(());
    }
    let table = T::TABLE;
    let find = format!("SELECT {} FROM {table} WHERE rid = $1", names::<T>());
    let mut there = Vec::new();
    for rid in rids {
        for row in query(connection, &find, &[(*rid).into()])? {
            there.push((T::read(&row)?, row));
        }
    }
    let same: Vec<String> = (1..).zip(T::COLUMNS).map(|(place, (column, _))| format!("{column} = ?{place}")).collect();
    let delete = format!("DELETE FROM {table} WHERE {}", same.join(" AND "));
    let mut delete = connection.prepare_cached(&delete).map_err(failure)?;
    for row in settle(wanted, there) {
        delete.execute(rusqlite::params_from_iter(row.0)).map_err(failure)?;
    }
    Ok(())
}

fn write(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for (address, home) in &batch.moved {
        let shard = crate::transact::commit::home_of(address);
        connection
            .prepare_cached("UPDATE locator SET home = ?1 WHERE shard = ?2 AND type = ?3 AND id = ?4")?
            .execute(params![home, shard, address.type_, address.id])?;
    }
    let mut archive = connection.prepare_cached(
        "INSERT INTO history (rid, version, shard, at, method, body, subject, keeper, label) \
         SELECT rid, version, shard, at, method, body, subject, keeper, label FROM resource WHERE rid = ?1",
    )?;
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO resource (rid, shard, type, id, version, at, method, body, subject, keeper, label) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for row in &batch.resources {
        if row.replaces {
            archive.execute([row.rid])?;
        }
        let Facts { subject, keeper, label, .. } = row.facts;
        let body = &row.body;
        put.execute(params![
            row.rid,
            row.shard,
            row.type_,
            row.id,
            row.version,
            row.at,
            row.method,
            body,
            subject,
            keeper,
            label
        ])?;
    }
    put_in(connection, &batch.tokens)?;
    put_in(connection, &batch.references)?;
    put_in(connection, &batch.texts)?;
    put_in(connection, &batch.dates)?;
    put_in(connection, &batch.quantities)?;
    put_in(connection, &batch.ties)
}

fn put_in<T: Derived>(connection: &Connection, rows: &[T]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(T::one())?;
    rows.iter().try_for_each(|row| row.put(&mut statement).map(drop))
}
