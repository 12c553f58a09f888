//! Writing to PostgreSQL: a few lanes, each taking whatever is waiting into one database transaction.
//!
//! The locator row of a resource is its lock; lanes and processes take locks in one order. The row of the feed's
//! head is taken last, just before commit, so positions are given in commit order and nobody waits behind a holder
//! that waits for something else.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

use crate::access::sight::Facts;
use crate::audit;
use crate::audit::chain::Block;
use crate::store::batch::{Batch, Current, FeedRow, ResourceRow, Wanted, WriteTx};
use crate::store::derived::{
    DateRow, Derived, Lists, QuantityRow, ReferenceRow, TextRow, TieRow, TokenRow, names, settle,
};
use crate::store::names::{Address, Kind, Place, shard_of};
use crate::store::postgres::alone::Alone;
use crate::store::postgres::{CHANNEL, advance, failure, row};
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Tools, again};
use crate::transact::commit::{Done, Work, commit_group, home_of};
use crate::transact::{Applied, Refusal};

/// Transactions in one group.
const GROUP: usize = 64;

/// Groups that may be open at once in this process.
const LANES: i64 = 2;

/// How long the transactions of a group wait for more while another group is under way.
const GATHER: Duration = Duration::from_millis(5);

/// Transactions waiting to be written.
const WAITING: usize = 4_096;

/// How often a group is tried again when another stood in its way.
const TRIES: usize = 5;

/// How many rids a lane takes from the sequence at once; the sequence moves in these steps.
const RID_BLOCK: i64 = 1_000;

type WorkAnswer = Result<(Vec<Applied>, bool), Refusal>;

/// A transaction to be written, with the catalog it was prepared with.
pub(super) struct Command {
    pub(super) work: Work,
    pub(super) catalog: Arc<Catalog>,
    pub(super) answer: oneshot::Sender<WorkAnswer>,
}

pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    pub(super) fn start(
        config: tokio_postgres::Config,
        tools: Arc<Tools>,
        announce: Arc<watch::Sender<u64>>,
        alone: Arc<Alone>,
    ) -> Self {
        let (commands, waiting) = mpsc::channel(WAITING);
        let (under_way, _) = watch::channel(0);
        let under_way = Arc::new(under_way);
        let waiting = Waiting { commands: waiting, under_way: under_way.subscribe() };
        let waiting = Arc::new(Mutex::new(waiting));
        // Lanes of different processes mostly get different numbers, and so do not wait for each other's chains.
        let first = i64::from(tools.surroundings.randomness.bytes()[0]);
        for number in 0..LANES {
            let lane = Lane {
                number: first + number,
                config: config.clone(),
                tools: Arc::clone(&tools),
                announce: Arc::clone(&announce),
                alone: Arc::clone(&alone),
                under_way: Arc::clone(&under_way),
                link: None,
                rids: Rids { next: 0, end: 0 },
                end: None,
                stands: Stands::Well,
            };
            tokio::spawn(lane.run(Arc::clone(&waiting)));
        }
        Self { commands }
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::fault("the writer has ended"))
    }
}

/// What waits to be written.
struct Waiting {
    commands: mpsc::Receiver<Command>,
    /// How many transactions are being written.
    under_way: watch::Receiver<usize>,
}

impl Waiting {
    /// The transactions to be written next; none when there will be no more.
    ///
    /// A group costs the database about as much with one transaction as with ten. So while another group is under way, one
    /// goes beside it only once it is as large, or when the other takes long, which is when it waits for somebody's lock.
    async fn group(&mut self) -> Vec<Command> {
        let mut group = Vec::new();
        self.commands.recv_many(&mut group, GROUP).await;
        let late = tokio::time::sleep(GATHER);
        tokio::pin!(late);
        while !group.is_empty() && group.len() < GROUP && group.len() < *self.under_way.borrow_and_update() {
            let room = GROUP - group.len();
            tokio::select! {
                more = self.commands.recv_many(&mut group, room) => if more == 0 { break },
                ended = self.under_way.changed() => if ended.is_err() { break },
                () = &mut late => break,
            }
        }
        group
    }
}

/// The rids a lane may still give out. Numbers that are lost with a lane are never missed.
struct Rids {
    next: i64,
    end: i64,
}

struct Lane {
    number: i64,
    config: tokio_postgres::Config,
    tools: Arc<Tools>,
    announce: Arc<watch::Sender<u64>>,
    alone: Arc<Alone>,
    /// How many transactions the lanes of this process are at work on.
    under_way: Arc<watch::Sender<usize>>,
    link: Option<Link>,
    rids: Rids,
    /// Where the lane's chain of the trail ended when this lane last wrote to it. A lane of another process may have
    /// written to it since.
    end: Option<audit::End>,
    stands: Stands,
}

/// Why the last transaction of a lane failed, where something is to be done about it before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Well,
    /// The connection had ended while it was idle.
    CutOff,
    /// Another process is alone.
    ShutOut,
}

/// A connection with its prepared statements.
struct Link {
    client: Arc<Client>,
    prepared: rustc_hash::FxHashMap<String, Statement>,
}

/// The answer to the statement that begins a transaction.
type Opening = BoxFuture<'static, Result<(), tokio_postgres::Error>>;

impl Lane {
    async fn run(mut self, waiting: Arc<Mutex<Waiting>>) {
        loop {
            let mut group = {
                let mut waiting = waiting.lock().await;
                let group = waiting.group().await;
                self.under_way.send_modify(|count| *count += group.len());
                group
            };
            if group.is_empty() {
                return;
            }
            let count = group.len();
            while !group.is_empty() {
                let catalog = Arc::clone(&group[0].catalog);
                let same = group.iter().take_while(|command| Arc::ptr_eq(&command.catalog, &catalog)).count();
                let rest = group.split_off(same);
                self.commit(group, &catalog).await;
                group = rest;
            }
            self.under_way.send_modify(|under_way| *under_way -= count);
        }
    }

    async fn commit(&mut self, group: Vec<Command>, catalog: &Catalog) {
        let (works, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|command| (command.work, command.answer)).unzip();
        let outcomes = match self.attempt(&works, catalog).await {
            Ok(done) => self.announce(done),
            Err(error) if works.len() > 1 && matches!(error.category(), Category::Fault | Category::Busy) => {
                let mut outcomes = Vec::with_capacity(works.len());
                for work in &works {
                    match self.attempt(std::slice::from_ref(work), catalog).await {
                        Ok(done) => outcomes.extend(self.announce(done)),
                        Err(error) => outcomes.push(Err(Refusal::from(error))),
                    }
                }
                outcomes
            }
            Err(error) => works.iter().map(|_| Err(Refusal::from(again(&error)))).collect(),
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A caller who has gone away does not need the answer; what was written stays written.
            let _ = answer.send(outcome);
        }
    }

    async fn attempt(&mut self, works: &[Work], catalog: &Catalog) -> Result<Done, Error> {
        let mut tried = 0;
        loop {
            let outcome = self.attempt_once(works, catalog).await;
            match std::mem::replace(&mut self.stands, Stands::Well) {
                // Nothing can have been written, and the next connection is a new one.
                Stands::CutOff => continue,
                Stands::ShutOut => self.alone.make_way().await?,
                Stands::Well => {}
            }
            tried += 1;
            match outcome {
                Err(error) if error.category() == Category::Busy && tried < TRIES => {}
                other => return other,
            }
        }
    }

    async fn attempt_once(&mut self, works: &[Work], catalog: &Catalog) -> Result<Done, Error> {
        let (mut link, opening) = self.begin().await?;
        let now = self.tools.surroundings.clock.now();
        let at = now - now.rem_euclid(1_000);
        let mut tx = Tx {
            tools: &self.tools,
            link: &mut link,
            opening,
            rids: &mut self.rids,
            number: self.number,
            process: self.alone.number(),
            end: self.end.take(),
            written: Vec::new(),
            stands: Stands::Well,
        };
        let outcome = commit_group(&mut tx, &self.tools, catalog, works, at).await;
        let opened = tx.opened().await;
        let Tx { written, stands, end, .. } = tx;
        let outcome = match opened.and(outcome) {
            Ok(done) => {
                let ending = match done.head {
                    Some(head) => format!("NOTIFY {CHANNEL}, '{head}'; COMMIT"),
                    None => "COMMIT".to_owned(),
                };
                self.alone.replacing(&written);
                let ended = link.client.batch_execute(&ending).await;
                if !ended.as_ref().is_err_and(is_cut_off) {
                    self.alone.replaced(&written);
                }
                if ended.is_ok() {
                    self.end = end;
                }
                ended.map_err(unsure).map(|()| done)
            }
            Err(error) => {
                self.stands = stands;
                // A connection that cannot roll back is dropped below, which rolls back as well.
                let _ = link.client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        };
        if !link.client.is_closed() && self.stands != Stands::CutOff {
            self.link = Some(link);
        }
        outcome
    }

    /// A connection on which a transaction begins, and, where that one is not new, the answer to come. It is not waited for
    /// before the first statement is sent. A connection that broke while it was idle is found out only so, and nothing is
    /// lost with it, so a new one takes its place.
    async fn begin(&mut self) -> Result<(Link, Option<Opening>), Error> {
        if let Some(link) = self.link.take() {
            let client = Arc::clone(&link.client);
            let mut opening: Opening = Box::pin(async move { client.batch_execute("BEGIN").await });
            // It is sent when it is first polled.
            match futures_util::poll!(&mut opening) {
                Poll::Pending => return Ok((link, Some(opening))),
                Poll::Ready(Ok(())) => return Ok((link, None)),
                Poll::Ready(Err(_)) => {}
            }
        }
        let link = self.connect().await?;
        link.client.batch_execute("BEGIN").await.map_err(failure)?;
        Ok((link, None))
    }

    async fn connect(&self) -> Result<Link, Error> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(failure)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a writing connection to the database ended");
            }
        });
        Ok(Link { client: Arc::new(client), prepared: rustc_hash::FxHashMap::default() })
    }

    fn announce(&self, done: Done) -> Vec<WorkAnswer> {
        for (kind, text, number) in done.words {
            self.tools.names.learn_word(kind, &text, number);
        }
        for (address, place) in done.places {
            self.tools.names.learn_place(address, place);
        }
        if let Some(head) = done.head {
            advance(&self.announce, head);
        }
        let changed = done.catalog_changed;
        done.answers.into_iter().map(|answer| answer.map(|applied| (applied, changed))).collect()
    }
}

/// Whether the server has not said how a transaction ended.
fn is_cut_off(error: &tokio_postgres::Error) -> bool {
    // A server that is shut down says so instead of the answer to a commit it may have made.
    error.code().is_none_or(|state| state.code().starts_with("57P"))
}

/// A commit whose answer was lost may have happened, and the caller must know that.
fn unsure(error: tokio_postgres::Error) -> Error {
    if !is_cut_off(&error) {
        return failure(error);
    }
    let text = "The connection to the database broke while the transaction was ending. \
                It may or may not have been stored; read before you send it again.";
    Error::new(Category::Unavailable, IssueCode::Transient, text).caused_by(error)
}

struct Tx<'a> {
    tools: &'a Tools,
    link: &'a mut Link,
    /// The answer to BEGIN, until it is known.
    opening: Option<Opening>,
    rids: &'a mut Rids,
    number: i64,
    /// What the row of the feed's head calls this process.
    process: i64,
    /// Where the lane's chain seems to end, and after [`WriteTx::finish`] where it does.
    end: Option<audit::End>,
    /// The resources that get another version.
    written: Vec<Address>,
    stands: Stands,
}

impl Tx<'_> {
    async fn statement(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.link.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.link.client.prepare(sql).await.map_err(failure)?;
        self.link.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Carries out one statement. The first of a transaction may be under way before the transaction is known to be open;
    /// nothing follows from its answer if it is not.
    async fn query(&mut self, sql: &str, arguments: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>, Error> {
        let statement = self.statement(sql).await?;
        let answer = self.link.client.query(&statement, arguments).await;
        self.opened().await?;
        answer.map_err(failure)
    }

    /// Waits until the transaction is open.
    async fn opened(&mut self) -> Result<(), Error> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        opening.await.map_err(|error| {
            if is_cut_off(&error) {
                self.stands = Stands::CutOff;
            }
            failure(error)
        })
    }

    async fn next_rid(&mut self) -> Result<i64, Error> {
        if self.rids.next >= self.rids.end {
            let block = self.query("SELECT nextval('rid_block')", &[]).await?;
            let block: i64 = block.first().ok_or_else(|| Error::fault("a sequence gives no number"))?.get(0);
            // Rid 0 is never given out, so that it can never be mistaken for a missing number.
            *self.rids = Rids { next: block.max(1), end: block + RID_BLOCK };
        }
        let rid = self.rids.next;
        self.rids.next += 1;
        Ok(rid)
    }
}

impl Rows for Tx<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn is_tentative(&self) -> bool {
        true
    }

    async fn rows(&mut self, sql: &str, arguments: &[SqlValue]) -> Result<Vec<Row>, Error> {
        let arguments: Vec<&(dyn ToSql + Sync)> = arguments.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.query(sql, &arguments).await?.iter().map(row).collect()
    }
}

/// Locks what will be written, in the order given, and finds the rest.
const FIND_LOCKED: &str = "SELECT l.type::int8, l.id, l.rid, l.home FROM unnest($1::int8[], $2::int8[], $3::text[]) \
     AS k(shard, type, id) JOIN locator l ON l.shard = k.shard AND l.type = k.type AND l.id = k.id \
     ORDER BY l.shard, l.type, l.id FOR UPDATE OF l";
const FIND: &str = "SELECT l.type::int8, l.id, l.rid, l.home FROM unnest($1::int8[], $2::int8[], $3::text[]) \
     AS k(shard, type, id) JOIN locator l ON l.shard = k.shard AND l.type = k.type AND l.id = k.id";
const MAKE: &str = "INSERT INTO locator (shard, type, id, rid, home) \
     SELECT * FROM unnest($1::int4[], $2::int2[], $3::text[], $4::int8[], $5::int4[]) ON CONFLICT DO NOTHING \
     RETURNING rid";

impl Tx<'_> {
    async fn find(
        &mut self,
        sql: &str,
        wanted: &[&Wanted],
        found: &mut rustc_hash::FxHashMap<Address, Place>,
    ) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let shards: Vec<i64> = wanted.iter().map(|want| home_of(&want.address).into()).collect();
        let types: Vec<i64> = wanted.iter().map(|want| want.address.type_).collect();
        let ids: Vec<&str> = wanted.iter().map(|want| &*want.address.id).collect();
        for row in self.query(sql, &[&shards, &types, &ids]).await? {
            let address = Address { type_: row.get(0), id: row.get::<_, &str>(1).into() };
            found.insert(address, Place { rid: row.get(2), home: row.get(3) });
        }
        Ok(())
    }

    /// Makes names; those another process made first are left out of what is found.
    async fn make(
        &mut self,
        wanted: &[&Wanted],
        found: &mut rustc_hash::FxHashMap<Address, Place>,
    ) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let shards: Vec<i32> = wanted.iter().map(|want| home_of(&want.address)).collect();
        let types: Result<Vec<i16>, _> = wanted.iter().map(|want| i16::try_from(want.address.type_)).collect();
        let types = types.map_err(Error::fault)?;
        let ids: Vec<&str> = wanted.iter().map(|want| &*want.address.id).collect();
        let homes: Vec<i32> = wanted.iter().map(|want| want.home).collect();
        let mut rids = Vec::with_capacity(wanted.len());
        for _ in wanted {
            rids.push(self.next_rid().await?);
        }
        let made = self.query(MAKE, &[&shards, &types, &ids, &rids, &homes]).await?;
        let made: rustc_hash::FxHashSet<i64> = made.iter().map(|row| row.get(0)).collect();
        for (want, rid) in wanted.iter().zip(rids).filter(|(_, rid)| made.contains(rid)) {
            found.insert(want.address.clone(), Place { rid, home: want.home });
        }
        Ok(())
    }
}

impl WriteTx for Tx<'_> {
    async fn locate(&mut self, wanted: &[Wanted]) -> Result<Vec<Place>, Error> {
        let mut found = rustc_hash::FxHashMap::default();
        let locking: Vec<&Wanted> = wanted.iter().filter(|want| want.lock && !want.fresh).collect();
        let mut pointing: Vec<&Wanted> = wanted.iter().filter(|want| !want.lock).collect();
        // What is only pointed at is needed for its number, and a name that has one keeps it for ever.
        pointing.retain(|want| match self.tools.names.place(&want.address) {
            Some(place) => {
                found.insert(want.address.clone(), place);
                false
            }
            None => true,
        });
        self.find(FIND_LOCKED, &locking, &mut found).await?;
        self.find(FIND, &pointing, &mut found).await?;
        let missing: Vec<&Wanted> = wanted.iter().filter(|want| !found.contains_key(&want.address)).collect();
        self.make(&missing, &mut found).await?;
        let lost = |want: &&Wanted| !found.contains_key(&want.address);
        let (relock, refind): (Vec<&Wanted>, Vec<&Wanted>) = missing.into_iter().filter(lost).partition(|w| w.lock);
        self.find(FIND_LOCKED, &relock, &mut found).await?;
        self.find(FIND, &refind, &mut found).await?;
        let places: Option<Vec<Place>> = wanted.iter().map(|want| found.get(&want.address).copied()).collect();
        places.ok_or_else(|| Error::fault("a name was neither found nor made"))
    }

    async fn current(&mut self, rids: &[i64]) -> Result<Vec<Option<Current>>, Error> {
        if rids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT rid, version::int8, shard::int8, body IS NULL, type::int8, subject, keeper, label::int8 \
                   FROM resource WHERE rid = ANY($1)";
        let rows = self.query(sql, &[&rids]).await?;
        let states: rustc_hash::FxHashMap<i64, Current> = rows
            .iter()
            .map(|row| {
                let (rid, type_, subject) = (row.get(0), row.get(4), row.get(5));
                let facts = Facts { rid, type_, subject, keeper: row.get(6), label: row.get(7) };
                (rid, Current { version: row.get(1), shard: row.get(2), deleted: row.get(3), facts })
            })
            .collect();
        Ok(rids.iter().map(|rid| states.get(rid).copied()).collect())
    }

    async fn number(&mut self, kind: Kind, words: &[Box<str>]) -> Result<Vec<i64>, Error> {
        self.opened().await?;
        number(&self.link.client, kind, words).await
    }

    async fn lock_type(&mut self, type_: i64) -> Result<(), Error> {
        // The first key names this purpose among the advisory locks of the database: "cond".
        self.query("SELECT pg_advisory_xact_lock(1668247140, $1::int8::int4)", &[&type_]).await.map(drop)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        self.write_and(batch, Vec::new()).await.map(drop)
    }

    async fn finish(&mut self, batch: Batch, entries: &[Bytes], feed: Vec<FeedRow>) -> Result<Option<u64>, Error> {
        let chain = audit::chain_of(self.number);
        let mut last = Vec::new();
        if !entries.is_empty() {
            last.push(self.order(audit::ASK_END, [chain.into()]).await?);
        }
        // Where the chain still ends where this lane left it, all of this goes to the server at once. Where it does not, the
        // chain is held all the same, and the entries go to its end after that.
        let guess = self.guess(chain, entries);
        let is_guessed = guess.is_some();
        let mut after = None;
        if let Some((sql, arguments, end)) = guess {
            last.push(self.order(sql, arguments).await?);
            after = Some(end);
        }
        let is_published = !feed.is_empty() && (is_guessed || entries.is_empty());
        if is_published {
            last.push(self.publish(&feed).await?);
        }
        let mut answers = self.write_and(batch, last).await?;
        let mut published = if is_published { answers.pop() } else { None };
        let is_put = is_guessed && answers.get(1).is_some_and(|put| !put.is_empty());
        if !entries.is_empty() && !is_put {
            let end = answers.first().into_iter().flatten().map(row).collect::<Result<Vec<Row>, Error>>()?;
            let (mut orders, puts, end) = self.append(chain, audit::ended(chain, &end)?, entries).await?;
            after = Some(end);
            let is_to_publish = !feed.is_empty() && !is_published;
            if is_to_publish {
                orders.push(self.publish(&feed).await?);
            }
            let mut answers = self.carry_out(orders).await?;
            if is_to_publish {
                published = answers.pop();
            }
            if answers.iter().rev().take(puts).any(Vec::is_empty) {
                return Err(Error::fault("the end of a chain of the trail moved while it was held"));
            }
        }
        self.end = after.or(self.end);
        if feed.is_empty() {
            return Ok(None);
        }
        let Some(last) = published.iter().flatten().map(|row| row.get::<_, i64>(0)).max() else {
            self.stands = Stands::ShutOut;
            let text = "Another process has the database to itself; nothing was written. Try again in a moment.";
            return Err(Error::new(Category::Busy, IssueCode::LockError, text));
        };
        u64::try_from(last).map(Some).map_err(Error::fault)
    }
}

impl Tx<'_> {
    /// A statement to be carried out with others.
    async fn order<'b, const N: usize>(&mut self, sql: &str, arguments: [SqlValue; N]) -> Result<Order<'b>, Error> {
        let arguments = arguments.into_iter().map(|value| Box::new(value) as Box<dyn ToSql + Sync + Send + 'b>);
        Ok(Order { statement: self.statement(sql).await?, arguments: arguments.collect() })
    }

    /// What puts entries where the lane's chain seems to end, and where it ends then. Nothing where there is more to do than
    /// to put one block there.
    fn guess(&self, chain: i64, entries: &[Bytes]) -> Option<(&'static str, [SqlValue; 13], audit::End)> {
        let mut end = self.end?;
        let before = end.head;
        if entries.is_empty() || audit::is_full(end.tray, 1) {
            return None;
        }
        let [block] = <[Block; 1]>::try_from(audit::link(&mut end.head, entries)).ok()?;
        end.tray += 1;
        let (sql, arguments) = audit::put_at_once(chain, before, block, end.tray);
        Some((sql, arguments, end))
    }

    /// What puts entries at the end of a chain, which is held; how many of these statements, the last ones, put a block
    /// there; and where the chain ends then.
    async fn append<'b>(
        &mut self,
        chain: i64,
        mut end: audit::End,
        entries: &[Bytes],
    ) -> Result<(Vec<Order<'b>>, usize, audit::End), Error> {
        let mut orders = Vec::new();
        let mut before = end.head;
        let blocks = audit::link(&mut end.head, entries);
        let puts = blocks.len();
        if audit::is_full(end.tray, puts) {
            orders = self.file(chain).await?;
            end.tray = 0;
        }
        for block in blocks {
            end.tray += 1;
            let next = block.head();
            let (sql, arguments) = audit::put_at_once(chain, std::mem::replace(&mut before, next), block, end.tray);
            orders.push(self.order(sql, arguments).await?);
        }
        Ok((orders, puts, end))
    }

    /// What files the tray of a chain, which is held.
    async fn file<'b>(&mut self, chain: i64) -> Result<Vec<Order<'b>>, Error> {
        let tray = audit::tray_of(chain);
        let ask = self.order(audit::ASK_TRAY, [tray.into()]).await?;
        let answers = self.carry_out(vec![ask]).await?;
        let found = answers.iter().flatten().map(row).collect::<Result<Vec<Row>, Error>>()?;
        let (sql, arguments) = audit::file_at_once(chain, &found)?;
        Ok(vec![self.order(audit::EMPTY_TRAY, [tray.into()]).await?, self.order(sql, arguments).await?])
    }

    /// Writes the rows and carries out more statements after them, whose rows are answered. Where nothing has to be taken
    /// back first, all of it travels to the server at once.
    async fn write_and(
        &mut self,
        mut batch: Batch,
        last: Vec<Order<'_>>,
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, Error> {
        let mut gone: Vec<(&str, Places)> = Vec::new();
        let mut orders = Vec::new();
        if !batch.resources.is_empty() {
            let address = |row: &ResourceRow| Address { type_: row.type_, id: row.id.clone() };
            self.written.extend(batch.resources.iter().map(address));
            self.write_resources(&batch, &mut orders).await?;
        }
        if !batch.unindex.is_empty() {
            // After the rows above are locked, so that an index being built for them cannot slip in between.
            let finds = self.find_derived(&batch.unindex, &mut orders).await?;
            let first = orders.len() - finds;
            let mut found = self.carry_out(orders).await?.into_iter().skip(first);
            let Batch { tokens, references, texts, dates, quantities, ties, .. } = &mut batch;
            let mut next = || found.next().unwrap_or_default();
            gone.push(not_wanted(tokens, &next())?);
            gone.push(not_wanted(references, &next())?);
            gone.push(not_wanted(texts, &next())?);
            gone.push(not_wanted(dates, &next())?);
            gone.push(not_wanted(quantities, &next())?);
            gone.push(not_wanted(ties, &next())?);
            orders = Vec::new();
        }
        for (table, places) in gone.into_iter().filter(|(_, places)| !places.is_empty()) {
            // Where a row lies tells it apart only from those of its resource: a distributed table has many first pages.
            let sql = format!(
                "DELETE FROM {table} AS one USING unnest($1::int8[], $2::text[]) AS gone (rid, place) \
                 WHERE one.rid = gone.rid AND one.ctid = gone.place::tid"
            );
            let (rids, places): (Vec<i64>, Vec<String>) = places.into_iter().unzip();
            let arguments: Lists<'_> = vec![Box::new(rids), Box::new(places)];
            orders.push(Order { statement: self.statement(&sql).await?, arguments });
        }
        self.write_index(&batch, &mut orders).await?;
        let rows = orders.len();
        orders.extend(last);
        Ok(self.carry_out(orders).await?.split_off(rows))
    }

    /// The statement that gives feed positions, unless another process is alone: then it gives none.
    async fn publish<'b>(&mut self, feed: &'b [FeedRow]) -> Result<Order<'b>, Error> {
        let ints = |field: fn(&FeedRow) -> i64| Box::new(feed.iter().map(field).collect::<Vec<i64>>());
        let requests: Vec<&str> = feed.iter().map(|row| &*row.request).collect();
        let sql = "WITH h AS (UPDATE head SET value = value + $1, writer = $11 WHERE shard = 0 AND name = 'feed' \
             AND (NOT alone OR writer = $11) RETURNING value) \
             INSERT INTO feed (seq, shard, rid, type, version, at, method, actor, purpose, request) \
             SELECT h.value - $1 + n, shard, rid, type, version, at, method, actor, purpose, request FROM h, \
             unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], \
             $10::text[]) WITH ORDINALITY AS f(shard, rid, type, version, at, method, actor, purpose, request, n) \
             RETURNING seq";
        let statement = self.statement(sql).await?;
        let count = i64::try_from(feed.len()).map_err(Error::fault)?;
        let arguments: Lists<'b> = vec![
            Box::new(count),
            ints(|row| row.shard),
            ints(|row| row.rid),
            ints(|row| row.type_),
            ints(|row| row.version),
            ints(|row| row.at),
            ints(|row| row.method),
            ints(|row| row.actor),
            ints(|row| row.purpose),
            Box::new(requests),
            Box::new(self.process),
        ];
        Ok(Order { statement, arguments })
    }
}

/// The numbers of words, in the same order; words that were not there are made.
pub(super) async fn number(client: &Client, kind: Kind, words: &[Box<str>]) -> Result<Vec<i64>, Error> {
    let shards: Vec<i32> = words.iter().map(|word| shard_of(word)).collect();
    let texts: Vec<&str> = words.iter().map(|word| &**word).collect();
    let kind = i16::try_from(kind.number()).map_err(Error::fault)?;
    let find = "SELECT text, id::int8 FROM name WHERE kind = $1 AND shard = ANY($2) AND text = ANY($3)";
    let make = "INSERT INTO name (shard, kind, text, id) SELECT w.shard, $1::int2, w.text, nextval('name_id') \
                FROM unnest($2::int4[], $3::text[]) AS w(shard, text) \
                WHERE NOT EXISTS (SELECT 1 FROM name n WHERE n.shard = w.shard AND n.kind = $1 AND n.text = w.text) \
                ON CONFLICT DO NOTHING";
    client.execute(make, &[&kind, &shards, &texts]).await.map_err(failure)?;
    let rows = client.query(find, &[&kind, &shards, &texts]).await.map_err(failure)?;
    let numbers: rustc_hash::FxHashMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let numbers: Option<Vec<i64>> = words.iter().map(|word| numbers.get(&**word).copied()).collect();
    numbers.ok_or_else(|| Error::fault("a word was neither found nor made"))
}

/// A statement with its arguments.
struct Order<'b> {
    statement: Statement,
    arguments: Lists<'b>,
}

/// Rows of a table: the resource each is of, and where it lies.
type Places = Vec<(i64, String)>;

/// Takes out of the rows that are wanted those that are there, and says where in its table what is not wanted lies.
fn not_wanted<T: Derived>(wanted: &mut Vec<T>, there: &[tokio_postgres::Row]) -> Result<(&'static str, Places), Error> {
    let told = |found: &tokio_postgres::Row| {
        let found = row(found)?;
        // The first column of each of these tables is the resource.
        Ok((T::read(&found)?, (found.int(0)?, found.text(T::COLUMNS.len())?.to_owned())))
    };
    let there: Vec<(T, (i64, String))> = there.iter().map(told).collect::<Result<_, Error>>()?;
    Ok((T::TABLE, settle(wanted, there)))
}

impl Tx<'_> {
    /// Sends all of them at once; the server goes about them in order, and the first that fails is told.
    async fn carry_out(&mut self, orders: Vec<Order<'_>>) -> Result<Vec<Vec<tokio_postgres::Row>>, Error> {
        self.opened().await?;
        let client = &self.link.client;
        let asked = orders.iter().map(|order| async {
            let arguments: Vec<&(dyn ToSql + Sync)> =
                order.arguments.iter().map(|argument| &**argument as &(dyn ToSql + Sync)).collect();
            client.query(&order.statement, &arguments).await.map_err(failure)
        });
        // Each is sent when it is first polled, so that the first round over them sends them in their order.
        let mut asked: Vec<_> = asked.map(Box::pin).collect();
        let mut answers: Vec<Option<Result<_, Error>>> = asked.iter().map(|_| None).collect();
        poll_fn(|context| {
            let open = asked.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none());
            let waiting = open.fold(false, |waiting, (one, answer)| match one.as_mut().poll(context) {
                Poll::Ready(told) => {
                    *answer = Some(told);
                    waiting
                }
                Poll::Pending => true,
            });
            if waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        answers.into_iter().flatten().collect()
    }

    /// Asks for all rows of some resources in the tables that follow from them; says how many tables those are.
    async fn find_derived<'b>(&mut self, rids: &'b Vec<i64>, orders: &mut Vec<Order<'b>>) -> Result<usize, Error> {
        let before = orders.len();
        self.find_rows::<TokenRow>(rids, orders).await?;
        self.find_rows::<ReferenceRow>(rids, orders).await?;
        self.find_rows::<TextRow>(rids, orders).await?;
        self.find_rows::<DateRow>(rids, orders).await?;
        self.find_rows::<QuantityRow>(rids, orders).await?;
        self.find_rows::<TieRow>(rids, orders).await?;
        Ok(orders.len() - before)
    }

    async fn find_rows<'b, T: Derived>(
        &mut self,
        rids: &'b Vec<i64>,
        orders: &mut Vec<Order<'b>>,
    ) -> Result<(), Error> {
        let sql = format!("SELECT {}, ctid::text FROM {} WHERE rid = ANY($1)", names::<T>(), T::TABLE);
        orders.push(Order { statement: self.statement(&sql).await?, arguments: vec![Box::new(rids)] });
        Ok(())
    }

    async fn write_resources<'b>(&mut self, batch: &'b Batch, orders: &mut Vec<Order<'b>>) -> Result<(), Error> {
        for (address, home) in &batch.moved {
            let sql = "UPDATE locator SET home = $1::int8 WHERE shard = $2::int8 AND type = $3::int8 AND id = $4";
            let statement = self.statement(sql).await?;
            let shard = i64::from(home_of(address));
            let id = &*address.id;
            orders.push(Order {
                statement,
                arguments: vec![Box::new(home), Box::new(shard), Box::new(address.type_), Box::new(id)],
            });
        }
        let replaced: Vec<i64> = batch.resources.iter().filter(|row| row.replaces).map(|row| row.rid).collect();
        if !replaced.is_empty() {
            let sql = "WITH past AS (DELETE FROM resource WHERE rid = ANY($1) RETURNING *) \
                       INSERT INTO history (rid, version, shard, at, method, body, subject, keeper, label) \
                       SELECT rid, version, shard, at, method, body, subject, keeper, label FROM past";
            orders.push(Order { statement: self.statement(sql).await?, arguments: vec![Box::new(replaced)] });
        }
        let rows = &batch.resources;
        let ints = |field: fn(&ResourceRow) -> i64| Box::new(rows.iter().map(field).collect::<Vec<i64>>());
        let ids: Vec<&str> = rows.iter().map(|row| &*row.id).collect();
        let bodies: Vec<Option<&[u8]>> = rows.iter().map(|row| row.body.as_deref()).collect();
        let sql = "INSERT INTO resource (rid, shard, type, id, version, at, method, body, subject, keeper, label) SELECT * FROM \
                   unnest($1::int8[], $2::int8[], $3::int8[], $4::text[], $5::int8[], $6::int8[], $7::int8[], $8::bytea[], \
                   $9::int8[], $10::int8[], $11::int8[])";
        orders.push(Order {
            statement: self.statement(sql).await?,
            arguments: vec![
                ints(|row| row.rid),
                ints(|row| row.shard),
                ints(|row| row.type_),
                Box::new(ids),
                ints(|row| row.version),
                ints(|row| row.at),
                ints(|row| row.method),
                Box::new(bodies),
                ints(|row| row.facts.subject),
                ints(|row| row.facts.keeper),
                ints(|row| row.facts.label),
            ],
        });
        Ok(())
    }

    async fn write_index<'b>(&mut self, batch: &'b Batch, orders: &mut Vec<Order<'b>>) -> Result<(), Error> {
        self.put_in(&batch.tokens, orders).await?;
        self.put_in(&batch.references, orders).await?;
        self.put_in(&batch.texts, orders).await?;
        self.put_in(&batch.dates, orders).await?;
        self.put_in(&batch.quantities, orders).await?;
        self.put_in(&batch.ties, orders).await
    }

    async fn put_in<'b, T: Derived>(&mut self, rows: &'b [T], orders: &mut Vec<Order<'b>>) -> Result<(), Error> {
        if !rows.is_empty() {
            orders.push(Order { statement: self.statement(T::many()).await?, arguments: T::lists(rows) });
        }
        Ok(())
    }
}
