//! Following the change feed under a name: one process at a time, from where the last one came.

use bytes::Bytes;
use fhir::{Category, Error};
use parking_lot::Mutex;

use crate::{Caller, FeedEntry, Record};

/// What stands in a follower's drawer: the position up to which it has followed.
const POSITION: &str = "position";
/// How long whoever follows may be silent before another process does, in microseconds.
const LEASE: i64 = 5_000_000;
/// How often a change that makes a follower fail by itself is tried before it is left behind.
const FAULTS: u32 = 20;

/// Somebody who looks at everything that is written, in its order. What they do about a change must bear being done
/// twice: where they are is written down after it was done.
pub struct Follower {
    record: Record,
    /// The name of the lease, and of the drawer in which it stands how far was followed.
    name: &'static str,
    /// Who holds the lease.
    own: String,
    /// The change that fails, and how often it has.
    failing: Mutex<(u64, u32)>,
}

impl Follower {
    /// A follower under a name. What was written before the name was first used is not looked at.
    pub fn new(record: &Record, name: &'static str) -> Self {
        let own = record.surroundings().new_id();
        Self { record: record.clone(), name, own, failing: Mutex::default() }
    }

    /// Takes or keeps the lease, and says whether this one is to follow. To be asked more often than every five
    /// seconds.
    pub async fn is_on(&self) -> Result<bool, Error> {
        self.record.lease(self.name, &self.own).take(LEASE).await
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub async fn leave(&self) -> Result<(), Error> {
        self.record.lease(self.name, &self.own).give_back().await
    }

    /// The next changes, so many at most; none when all were looked at.
    pub async fn next(&self, count: usize) -> Result<Vec<FeedEntry>, Error> {
        let after = self.position().await?;
        self.record.session(Caller::system("HOPERAT")).changes(after, count).await
    }

    /// Writes down that everything up to a change was looked at.
    pub async fn reached(&self, change: u64) -> Result<(), Error> {
        self.record.drawer(self.name).put(POSITION, Bytes::from(change.to_string()), None).await
    }

    /// Whether a change that fails again and again by itself is left behind, so that everything after it is seen. What
    /// the database cannot do at the moment is waited for however long it takes.
    pub fn gives_up(&self, change: u64, error: &Error) -> bool {
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
        let first = Bytes::from(self.record.head().borrow().to_string());
        let written = match drawer.get(POSITION).await? {
            Some(position) => position,
            None => {
                drawer.add(POSITION, first.clone(), None).await?;
                drawer.get(POSITION).await?.unwrap_or(first)
            }
        };
        let number = std::str::from_utf8(&written).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::fault("it is not written how far the feed has been followed"))
    }
}
