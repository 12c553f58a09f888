//! Following the change feed under a name: one process at a time, from where the last one came.

use bytes::Bytes;
use fhir::{Category, Error};
use parking_lot::Mutex;

use crate::{Caller, FeedEntry, Record, ResourceType, Session};

/// What stands in a follower's drawer: the position up to which it has followed.
const POSITION: &str = "position";
/// How long whoever follows may be silent before another process does, in microseconds.
const LEASE: i64 = 5_000_000;
/// How often the lease is kept, in microseconds.
const KEEP: i64 = 1_500_000;
/// How often a change that makes a follower fail by itself is tried before it is left behind.
const FAULTS: u32 = 20;
/// So many changes are passed at most before it is written down that they were.
const STRIDE: u64 = 1_000;
/// How often whoever holds the lease writes down how far it has followed, in microseconds.
const WRITE: i64 = 1_000_000;

/// How far a follower has come.
#[derive(Debug, Clone, Copy)]
struct Reached {
    /// Everything up to this change was looked at.
    done: u64,
    /// Up to where that is written down, and when it was; in microseconds since 1970.
    written: u64,
    at: i64,
    /// Whether anything has mattered since.
    mattered: bool,
}

/// Somebody who looks at what is written, in its order and without leaving anything out.
///
/// Any number of processes may have the follower of one name: the one that holds its lease follows, and another goes on
/// where it came to when it is silent for five seconds. How far was followed is written down after it was done, and no more
/// than once a second while the lease is held. So what is done about a change must bear being done twice, and two who
/// believe for a moment that they hold the lease.
pub struct Follower {
    record: Record,
    /// The name of the lease, and of the drawer in which it stands how far was followed.
    name: &'static str,
    /// Who holds the lease.
    own: String,
    /// The types whose changes matter; none for all.
    types: Vec<ResourceType>,
    /// Whether what was written before the name was first used is looked at as well.
    looks_back: bool,
    /// When the lease was kept last, while it is held; in microseconds since 1970.
    kept: Mutex<Option<i64>>,
    /// How far was followed, while the lease is held and nobody else follows.
    place: Mutex<Option<Reached>>,
    /// The change that fails, and how often it has.
    failing: Mutex<(u64, u32)>,
}

impl Follower {
    /// A follower under a name. What was written before the name was first used is not looked at.
    pub fn new(record: &Record, name: &'static str) -> Self {
        Self {
            record: record.clone(),
            name,
            own: record.surroundings().new_id(),
            types: Vec::new(),
            looks_back: false,
            kept: Mutex::default(),
            place: Mutex::default(),
            failing: Mutex::default(),
        }
    }

    /// The same, to which only changes of resources of these types matter. The names are those of R4.
    #[must_use]
    pub fn of(self, types: &[&str]) -> Self {
        let types = types.iter().map(|name| ResourceType::named(name).expect("a follower names types of R4"));
        Self { types: types.collect(), ..self }
    }

    /// The same, who also looks at everything that was written before the name was first used.
    #[must_use]
    pub fn looking_back(self) -> Self {
        Self { looks_back: true, ..self }
    }

    /// Takes or keeps the lease, and says whether this one is to follow. To be asked more often than every five seconds;
    /// the record is asked no more often than is needed.
    pub async fn is_on(&self) -> Result<bool, Error> {
        let now = self.record.surroundings().clock.now();
        if self.kept.lock().is_some_and(|kept| now - kept < KEEP) {
            return Ok(true);
        }
        let is_on = self.record.lease(self.name, &self.own).take(LEASE).await?;
        let before = std::mem::replace(&mut *self.kept.lock(), is_on.then_some(now));
        // Where it was not held throughout, another may have followed meanwhile.
        if !is_on || before.is_none_or(|kept| now - kept >= LEASE) {
            *self.place.lock() = None;
        }
        Ok(is_on)
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub async fn leave(&self) -> Result<(), Error> {
        let place = self.place.lock().take();
        if let Some(place) = place.filter(|place| place.mattered) {
            self.write_down(place.done).await?;
        }
        *self.kept.lock() = None;
        self.record.lease(self.name, &self.own).give_back().await
    }

    /// Considers the next changes one after another, so many at most, and says whether those were all there are.
    ///
    /// A change that fails stops it there, with that failure, and is the first of the next time. One that fails by itself
    /// ([`Category::Fault`]) again and again is left behind, and that is logged as an error: what comes after it is to be
    /// seen. What the database cannot do at the moment is waited for however long it takes. A lease that is held is kept
    /// meanwhile; with it ends the following.
    pub async fn follow<C: Future<Output = Result<(), Error>>>(
        &self,
        most: usize,
        mut consider: impl FnMut(FeedEntry) -> C,
    ) -> Result<bool, Error> {
        let place = self.place().await?;
        let after = place.done;
        let (changes, end) = self.changes(after, most).await?;
        let (mut done, mut failed) = (after, None);
        for change in changes {
            let position = change.seq;
            match self.is_still_on().await {
                Ok(true) => {}
                // Whoever follows now writes down how far that was.
                Ok(false) => return Ok(true),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            if let Err(error) = consider(change).await
                && !self.gives_up(position, &error)
            {
                failed = Some(error);
                break;
            }
            done = position;
        }
        let end = if failed.is_none() { end } else { done };
        self.reached(Reached { done: end, mattered: place.mattered || done > after, ..place }).await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(end >= *self.record.head().borrow()),
        }
    }

    /// The next changes that matter, so many at most, and the position up to which there are no others.
    async fn changes(&self, after: u64, most: usize) -> Result<(Vec<FeedEntry>, u64), Error> {
        // Read before the changes: all up to it are there to be read.
        let head = *self.record.head().borrow();
        let platform = self.platform();
        let is_on = self.kept.lock().is_some();
        // Whoever keeps following is told when the head moves.
        let changes = match is_on {
            true => platform.heard_of(&self.types, after, most).await?,
            false => platform.changes_of(&self.types, after, most).await?,
        };
        let last = changes.last().map_or(after, |change| change.seq);
        let end = if changes.len() < most { last.max(head) } else { last };
        Ok((changes, end))
    }

    /// Whether the lease is held still, where it was.
    async fn is_still_on(&self) -> Result<bool, Error> {
        let was_on = self.kept.lock().is_some();
        Ok(!was_on || self.is_on().await?)
    }

    /// Whether a change that fails again and again by itself is left behind.
    fn gives_up(&self, change: u64, error: &Error) -> bool {
        if error.category() != Category::Fault {
            return false;
        }
        let mut failing = self.failing.lock();
        let tried = if failing.0 == change { failing.1 + 1 } else { 1 };
        *failing = (change, tried);
        if tried >= FAULTS {
            tracing::error!(%error, change, follower = self.name, "a change of the record is left behind");
        }
        tried >= FAULTS
    }

    async fn position(&self) -> Result<u64, Error> {
        let drawer = self.record.drawer(self.name);
        let first = if self.looks_back { 0 } else { *self.record.head().borrow() };
        let first = Bytes::from(first.to_string());
        let written = match drawer.get(POSITION).await? {
            Some(position) => position,
            None => {
                // Of several processes that begin at the same time, one is first.
                drawer.add(POSITION, first.clone(), None).await?;
                drawer.get(POSITION).await?.unwrap_or(first)
            }
        };
        let number = std::str::from_utf8(&written).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::fault("it is not written how far the feed has been followed"))
    }

    /// Where to go on.
    async fn place(&self) -> Result<Reached, Error> {
        let known = *self.place.lock();
        match known {
            Some(place) => Ok(place),
            None => {
                let written = self.position().await?;
                Ok(Reached { done: written, written, at: self.record.surroundings().clock.now(), mattered: false })
            }
        }
    }

    /// Keeps how far was followed. While the lease is held that is written down only now and then: at worst another goes
    /// over it once more.
    async fn reached(&self, mut place: Reached) -> Result<(), Error> {
        let now = self.record.surroundings().clock.now();
        let is_on = self.kept.lock().is_some();
        let is_late = !is_on || now - place.at >= WRITE;
        if (place.mattered && is_late) || place.done - place.written >= STRIDE {
            self.write_down(place.done).await?;
            place = Reached { written: place.done, at: now, mattered: false, ..place };
        }
        *self.place.lock() = is_on.then_some(place);
        Ok(())
    }

    async fn write_down(&self, change: u64) -> Result<(), Error> {
        self.record.drawer(self.name).put(POSITION, Bytes::from(change.to_string()), None).await
    }

    fn platform(&self) -> Session {
        self.record.session(Caller::system("HOPERAT"))
    }
}
