//! One follower of the change feed per process, from which all receivers are served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;
use record::{Caller, FeedEntry, Record, Session};
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, watch};

use super::topic::Terms;
use crate::settings::Live;

/// Groups of changes held for receivers that are not quite as fast as the record. Slower ones read the feed themselves.
const HELD: usize = 1_024;
/// Changes read at a time.
const PAGE: usize = 500;
/// How long the follower waits after the store did not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Changes whose resources need not be read again when receivers come back to them, as all do after a restart.
const KEPT: usize = 4_096;

/// Changes that were read together.
pub(super) type Group = Arc<[Arc<Seen>]>;

/// A place among the receivers, given back when it is dropped.
pub(super) struct Seat(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

/// Where all receivers of this process hang.
pub(crate) struct Hub {
    record: Record,
    session: Session,
    seats: Arc<Semaphore>,
    sender: OnceLock<Sender<Group>>,
    recent: Arc<Recent>,
}

impl Hub {
    /// A hub nobody listens to yet.
    pub(crate) fn new(record: Record, settings: &Live) -> Self {
        let session = record.session(Caller::system("HOPERAT"));
        let seats = Arc::new(Semaphore::new(settings.streams.min(Semaphore::MAX_PERMITS)));
        Self { record, session, seats, sender: OnceLock::new(), recent: Arc::default() }
    }

    /// Takes a place, if there is one.
    pub(super) fn sit(&self) -> Result<Seat, Error> {
        Arc::clone(&self.seats).try_acquire_owned().map(Seat).map_err(|_| {
            Error::new(Category::Busy, IssueCode::Throttled, "As many streams are open as this server allows.")
        })
    }

    /// The changes from now on. The first receiver sets the follower going.
    pub(super) fn follow(&self) -> Receiver<Group> {
        let mut first = None;
        let sender = self.sender.get_or_init(|| {
            let (sender, receiver) = channel(HELD);
            first = Some(receiver);
            // From where the feed stands now, and not from where it stands once the follower gets its turn: what is
            // written in between would be told to nobody.
            let head = self.record.head();
            let position = *head.borrow();
            tokio::spawn(follow(head, position, self.session.clone(), sender.clone(), Arc::clone(&self.recent)));
            sender
        });
        first.unwrap_or_else(|| sender.subscribe())
    }

    /// What was changed after a position, whoever may see it: a receiver's place in the feed does not depend on that.
    pub(super) async fn missed(&self, after: u64, limit: usize) -> Result<Vec<Arc<Seen>>, Error> {
        let changes = self.session.changes(after, limit).await?;
        Ok(changes.into_iter().map(|entry| self.recent.seen(entry)).collect())
    }

    /// What the resource of a change says that topics ask for, before and after it.
    pub(super) async fn terms<'a>(&self, seen: &'a Seen) -> Result<&'a [Terms], Error> {
        let found = seen.terms.get_or_try_init(|| async {
            let registry = self.record.search_parameters();
            let entry = &seen.entry;
            let mut terms = Vec::new();
            for version in [entry.version, entry.version.saturating_sub(1)].into_iter().filter(|number| *number > 0) {
                let found = self.session.vread(&entry.key, version).await?;
                if let Some(body) = found.and_then(|version| version.body) {
                    terms.push(Terms::of(&registry, &fhir::json::parse(&body)?));
                }
            }
            Ok::<_, Error>(terms)
        });
        found.await.map(Vec::as_slice)
    }
}

/// A change on its way to the receivers.
pub(super) struct Seen {
    /// The change.
    pub(super) entry: FeedEntry,
    /// What its resource says, read when the first receiver asks and then shared by all.
    terms: OnceCell<Vec<Terms>>,
}

/// The changes that were met last, by their positions.
#[derive(Default)]
struct Recent(Mutex<BTreeMap<u64, Arc<Seen>>>);

impl Recent {
    /// A change, as others have met it already if they have.
    fn seen(&self, entry: FeedEntry) -> Arc<Seen> {
        let mut known = self.0.lock();
        let seq = entry.seq;
        let seen = known.entry(seq).or_insert_with(|| Arc::new(Seen { entry, terms: OnceCell::new() }));
        let seen = Arc::clone(seen);
        while known.len() > KEPT {
            known.pop_first();
        }
        seen
    }
}

/// Follows the feed as long as the process runs.
///
/// What was read together is sent together: waking thousands of receivers costs more than what they do then.
async fn follow(
    mut head: watch::Receiver<u64>,
    mut position: u64,
    session: Session,
    sender: Sender<Group>,
    recent: Arc<Recent>,
) {
    loop {
        match session.changes(position, PAGE).await {
            Ok(changes) if changes.is_empty() => {
                if head.changed().await.is_err() {
                    return;
                }
            }
            Ok(changes) => {
                position = changes.last().map_or(position, |entry| entry.seq);
                // Without receivers there is nobody to tell, which is no failure.
                let _ = sender.send(changes.into_iter().map(|entry| recent.seen(entry)).collect());
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
