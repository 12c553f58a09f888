//! Current versions in memory, for as long as this process is the only one that writes.
//!
//! Where several processes share a database, what is current is known only there. Mostly, though, one process has it to
//! itself for hours. It then says so in the row of the feed's head, which every transaction that stores anything has to
//! move just before it commits: while the row says that one process is alone, no other's transaction can move it, and so
//! none can replace what the one has in memory. Whoever finds the row like that asks the process that is alone to make
//! way, which it does at once, and goes on.
//!
//! A process that does not answer (it has ended, stands still, or the network is cut) is waited for. As long as it reads
//! from memory, it moves a beat in the row every [`BEAT`], and it believes what it has in memory for [`TRUST`] from the
//! moment before it asked for the last beat that the database confirmed. Another process ends that only when it has seen
//! the same beat for [`PATIENCE`], which is longer. Both are measured by clocks that go on while a machine sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use fhir::{Category, Error, IssueCode};
use tokio::sync::{Notify, watch};

use super::{failure, unavailable};
use crate::store::Tools;
use crate::store::names::Address;
use crate::store::shelf::{Shelf, Stamp};
use crate::{Key, Version};

/// The channel on which a process that is alone is asked to make way, by its number.
pub(super) const CHANNEL: &str = "qingshan_alone";

/// How often a process that is alone and reads says that it still is.
const BEAT: Duration = Duration::from_millis(500);

/// How long what is in memory is believed after a beat was asked for.
const TRUST: Duration = Duration::from_millis(1_500);

/// How long a beat is seen to stand still before whoever should move it is taken to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a writer waits to be let in before it says so.
const LONGEST: Duration = Duration::from_secs(20);

/// The longest pause between two looks of somebody who waits to be let in.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Alone {
    /// What the row of the head calls this process; never 0, which is nobody.
    number: i64,
    shelf: Shelf,
    /// Until when the shelf may be believed, by the steady clock; 0 when it may not.
    until: AtomicI64,
    /// Whether anybody has read since the last beat or look.
    wanted: AtomicBool,
    /// Somebody else wants to write.
    asked: Notify,
    pool: Pool,
    tools: Arc<Tools>,
}

/// What the row of the head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    value: i64,
    writer: i64,
    alone: bool,
    beat: i64,
}

impl Alone {
    pub(super) fn new(pool: &Pool, tools: &Arc<Tools>) -> Self {
        let random = tools.surroundings.randomness.bytes();
        let number = i64::from_le_bytes(std::array::from_fn(|at| random[at])) & i64::MAX;
        Self {
            number: number.max(1),
            shelf: Shelf::new(tools.settings.shelf),
            until: AtomicI64::new(0),
            wanted: AtomicBool::new(false),
            asked: Notify::new(),
            pool: pool.clone(),
            tools: Arc::clone(tools),
        }
    }

    /// What transactions of this process put into the row of the head.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// The current version of a resource, or what to put it up with once it is read, if it may be.
    pub(super) fn look(&self, key: &Key) -> Result<Version, Option<Stamp>> {
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::Relaxed);
        }
        // The stamp may be used only if the shelf was to be believed after it was taken: it is emptied before that.
        let found = self.shelf.look(key);
        let until = self.until.load(Ordering::SeqCst);
        if until == 0 || self.now() >= until { Err(None) } else { found.map_err(Some) }
    }

    pub(super) fn put(&self, stamp: Stamp, version: &Version) {
        self.shelf.put(stamp, version);
    }

    /// A transaction of this process is about to be committed: what it replaces is not read from memory any more.
    pub(super) fn replacing(&self, written: &[Address]) {
        self.shelf.keep_down(written);
    }

    /// The database has said how that transaction ended. Where it has not, this is not called: the transaction may end at
    /// any later time, and what it wrote stays down.
    pub(super) fn replaced(&self, written: &[Address]) {
        self.shelf.let_up(written);
    }

    /// Somebody may have asked this process to make way.
    pub(super) fn hear(&self, asked: &str) {
        if asked.parse() == Ok(self.number) {
            self.asked.notify_one();
        }
    }

    /// Nobody could ask this process anything for a while.
    pub(super) fn deafened(&self) {
        self.asked.notify_one();
    }

    /// Lets others write at once, since this process ends.
    pub(super) async fn end(&self) -> Result<(), Error> {
        self.disbelieve();
        self.leave().await
    }

    /// Keeps what this process knows of itself in step with the database, for as long as the record is open.
    pub(super) async fn keep(self: Arc<Self>, mut open: watch::Receiver<()>) {
        // Whoever was alone last may be gone, and then somebody should find out before the first who writes has to.
        if let Err(error) = self.make_way().await {
            tracing::warn!(%error, "who else writes to the database could not be found out");
        }
        let after = self.tools.settings.alone_after;
        let (mut holding, mut leaving, mut last, mut looked) = (false, false, None, self.now());
        loop {
            let closing = tokio::select! {
                () = tokio::time::sleep(BEAT.min(after)) => false,
                () = self.asked.notified() => {
                    leaving = holding;
                    false
                }
                _ = open.changed() => true,
            };
            if (leaving || closing) && holding {
                self.disbelieve();
            }
            let done = if leaving || closing {
                self.leave().await.map(|()| (holding, leaving, last, looked) = (false, false, None, self.now()))
            } else if holding {
                self.beat().await.map(|still| holding = still)
            } else if self.now() - looked >= micros(after) {
                looked = self.now();
                self.look_around(&mut last).await.map(|alone| holding = alone)
            } else {
                Ok(())
            };
            if closing {
                return;
            }
            if let Err(error) = done {
                tracing::debug!(%error, "the row of the feed's head could not be seen to; it is tried again");
            }
        }
    }

    /// Waits until this process may write, and says to whoever is alone that it wants to.
    pub(super) async fn make_way(&self) -> Result<(), Error> {
        let begun = self.now();
        let (mut known, mut since, mut pause) = (None, begun, Duration::from_millis(1));
        loop {
            let seen = self.see().await?;
            if !seen.alone || seen.writer == self.number {
                return Ok(());
            }
            let mark = (seen.writer, seen.beat);
            if known != Some(mark) {
                (known, since) = (Some(mark), self.now());
                self.execute(&format!("NOTIFY {CHANNEL}, '{}'", seen.writer)).await?;
            } else if self.now() - since >= micros(PATIENCE) {
                let sql = format!(
                    "UPDATE head SET alone = false \
                     WHERE shard = 0 AND name = 'feed' AND alone AND writer = {} AND beat = {}",
                    seen.writer, seen.beat
                );
                if self.execute(&sql).await? > 0 {
                    tracing::info!("the process that had the database to itself is gone");
                }
                continue;
            }
            if self.now() - begun >= micros(LONGEST) {
                let text = "Another process has the database to itself and does not make way; nothing was written. \
                            Try again in a moment.";
                return Err(Error::new(Category::Unavailable, IssueCode::LockError, text));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Becomes alone if nobody else has written since the last look; says whether it is.
    async fn look_around(&self, last: &mut Option<Seen>) -> Result<bool, Error> {
        let seen = self.see().await?;
        let mine = |seen: &Seen| seen.writer == self.number;
        let quiet = last.is_some_and(|last| last.value == seen.value || (mine(&last) && mine(&seen)));
        *last = Some(seen);
        if seen.alone || !quiet || !self.wanted.swap(false, Ordering::Relaxed) {
            return Ok(false);
        }
        let asked = self.now();
        let sql = format!(
            "UPDATE head SET alone = true, writer = {}, beat = beat + 1 WHERE shard = 0 AND name = 'feed' AND NOT alone",
            self.number
        );
        if self.execute(&sql).await? == 0 {
            return Ok(false);
        }
        // A read that began earlier may be of what another process has replaced since.
        self.shelf.clear();
        self.believe_from(asked);
        tracing::debug!("no other process writes; current versions are kept in memory");
        Ok(true)
    }

    /// Says that this process is still alone, if anybody reads; says whether it is.
    async fn beat(&self) -> Result<bool, Error> {
        if !self.wanted.swap(false, Ordering::Relaxed) {
            return Ok(true);
        }
        let asked = self.now();
        let sql = format!("UPDATE head SET beat = beat + 1 WHERE shard = 0 AND name = 'feed' AND {}", self.own());
        if self.execute(&sql).await? == 0 {
            self.disbelieve();
            return Ok(false);
        }
        self.believe_from(asked);
        Ok(true)
    }

    async fn leave(&self) -> Result<(), Error> {
        let sql = format!("UPDATE head SET alone = false WHERE shard = 0 AND name = 'feed' AND {}", self.own());
        self.execute(&sql).await.map(drop)
    }

    fn own(&self) -> String {
        format!("alone AND writer = {}", self.number)
    }

    fn believe_from(&self, asked: i64) {
        self.until.store(asked + micros(TRUST), Ordering::SeqCst);
    }

    fn disbelieve(&self) {
        self.until.store(0, Ordering::SeqCst);
        self.shelf.clear();
    }

    fn now(&self) -> i64 {
        self.tools.surroundings.clock.steady()
    }

    async fn see(&self) -> Result<Seen, Error> {
        let client = self.pool.get().await.map_err(|error| unavailable().caused_by(error))?;
        let sql = "SELECT value, writer, alone, beat FROM head WHERE shard = 0 AND name = 'feed'";
        let row = client.query_one(sql, &[]).await.map_err(failure)?;
        Ok(Seen { value: row.get(0), writer: row.get(1), alone: row.get(2), beat: row.get(3) })
    }

    async fn execute(&self, sql: &str) -> Result<u64, Error> {
        let client = self.pool.get().await.map_err(|error| unavailable().caused_by(error))?;
        client.execute(sql, &[]).await.map_err(failure)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
