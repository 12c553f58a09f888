//! One follower of the change feed per process, from which all receivers are served.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use fhir::{Category, Error, IssueCode};
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

/// A place among the receivers, given back when it is dropped.
pub(super) struct Seat(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

/// Where all receivers of this process hang.
pub(crate) struct Hub {
    record: Record,
    session: Session,
    seats: Arc<Semaphore>,
    sender: OnceLock<Sender<Arc<[Seen]>>>,
}

impl Hub {
    /// A hub nobody listens to yet.
    pub(crate) fn new(record: Record, settings: &Live) -> Self {
        let session = record.session(Caller::system("HOPERAT"));
        let seats = Arc::new(Semaphore::new(settings.streams.min(Semaphore::MAX_PERMITS)));
        Self { record, session, seats, sender: OnceLock::new() }
    }

    /// Takes a place, if there is one.
    pub(super) fn sit(&self) -> Result<Seat, Error> {
        Arc::clone(&self.seats).try_acquire_owned().map(Seat).map_err(|_| {
            Error::new(Category::Busy, IssueCode::Throttled, "As many streams are open as this server allows.")
        })
    }

    /// The changes from now on. The first receiver sets the follower going.
    pub(super) fn follow(&self) -> Receiver<Arc<[Seen]>> {
        let mut first = None;
        let sender = self.sender.get_or_init(|| {
            let (sender, receiver) = channel(HELD);
            first = Some(receiver);
            // From where the feed stands now, and not from where it stands once the follower gets its turn: what is
            // written in between would be told to nobody.
            let head = self.record.head();
            let position = *head.borrow();
            tokio::spawn(follow(head, position, self.session.clone(), sender.clone()));
            sender
        });
        first.unwrap_or_else(|| sender.subscribe())
    }

    /// What was changed after a position, whoever may see it: a receiver's place in the feed does not depend on that.
    pub(super) async fn missed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        self.session.changes(after, limit).await
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

impl Seen {
    /// A change nobody has asked about yet.
    pub(super) fn new(entry: FeedEntry) -> Self {
        Self { entry, terms: OnceCell::new() }
    }
}

/// Follows the feed as long as the process runs.
///
/// What was read together is sent together: waking thousands of receivers costs more than what they do then.
async fn follow(mut head: watch::Receiver<u64>, mut position: u64, session: Session, sender: Sender<Arc<[Seen]>>) {
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
                let _ = sender.send(changes.into_iter().map(Seen::new).collect());
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
