//! One follower of the change feed per process, from which all receivers are served.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;
use record::{Caller, FeedEntry, Openness, Record, Session};
use rustc_hash::FxHashMap;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::room::{Place, Room};
use super::topic::{Terms, Topic};
use crate::settings::Live;

/// Changes read at a time.
const PAGE: usize = 500;
/// How long the follower waits after the store did not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// How long what decides who may be told of a change is not looked up again. Only *that* something changed is told by it.
const FRESH: Duration = Duration::from_secs(1);

/// Changes whose resources need not be read again when receivers come back to them, as all do after a restart.
const KEPT: usize = 4_096;

/// A place among the receivers, given back when it is dropped.
pub(super) struct Seat {
    /// How many were taken before it.
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Which part of an interval passes before this receiver's first heartbeat, so that those who came back together, as
    /// all do after a restart, do not have theirs together for ever. Multiples of the golden ratio lie evenly however
    /// many there are.
    pub(super) fn phase(&self) -> f64 {
        phase(self.number)
    }
}

fn phase(number: u64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    1.0 - (number as f64 * GOLDEN).fract()
}

/// Where all receivers of this process hang.
pub(crate) struct Hub {
    seats: Arc<Semaphore>,
    taken: AtomicU64,
    going: OnceLock<()>,
    shared: Arc<Shared>,
}

/// What receivers and the follower have in common.
pub(super) struct Shared {
    record: Record,
    session: Session,
    /// By what is followed, as it was asked for.
    rooms: Mutex<FxHashMap<String, Arc<Room>>>,
    /// The position up to which every room was told.
    reached: AtomicU64,
    recent: Recent,
}

impl Hub {
    /// A hub nobody listens to yet.
    pub(crate) fn new(record: Record, settings: &Live) -> Self {
        let session = record.session(Caller::system("HOPERAT"));
        let (rooms, reached, recent) = (Mutex::default(), AtomicU64::new(0), Recent::default());
        Self {
            seats: Arc::new(Semaphore::new(settings.streams.min(Semaphore::MAX_PERMITS))),
            taken: AtomicU64::new(0),
            going: OnceLock::new(),
            shared: Arc::new(Shared { record, session, rooms, reached, recent }),
        }
    }

    /// Takes a place, if there is one.
    pub(super) fn sit(&self) -> Result<Seat, Error> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            Error::new(Category::Busy, IssueCode::Throttled, "As many streams are open as this server allows.")
        })?;
        Ok(Seat { number: self.taken.fetch_add(1, Ordering::Relaxed), _permit: permit })
    }

    /// Takes a place where the changes from now on of one topic are told; `asked` is how it was asked for. The first
    /// receiver of all sets the follower going.
    pub(super) fn join(&self, asked: &str, topic: Topic) -> Place {
        self.going.get_or_init(|| {
            // From where the feed stands now, and not from where it stands once the follower gets its turn: what is
            // written in between would be told to nobody.
            let head = self.shared.record.head();
            let position = *head.borrow();
            self.shared.reached.store(position, Ordering::Release);
            tokio::spawn(follow(head, position, Arc::clone(&self.shared)));
        });
        let mut rooms = self.shared.rooms.lock();
        let room = rooms.entry(asked.to_owned()).or_insert_with(|| {
            // What is on its way to the other rooms at this moment may pass this one by; receivers read the feed first.
            Arc::new(Room::new(topic, self.shared.reached.load(Ordering::Acquire)))
        });
        Place::take(room)
    }

    /// What was changed after a position, whoever may see it: a receiver's place in the feed does not depend on that.
    pub(super) async fn missed(&self, after: u64, limit: usize) -> Result<Vec<Arc<Seen>>, Error> {
        let changes = self.shared.session.heard(after, limit).await?;
        Ok(changes.into_iter().map(|entry| self.shared.recent.seen(entry)).collect())
    }

    /// What receivers and the follower have in common.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
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

    /// What decides who may be told of a change: found for the first receiver and shared by all who ask within
    /// [`FRESH`], since a change concerns many at one moment. `None` when the version is gone.
    pub(super) async fn openness(&self, seen: &Seen) -> Result<Option<Arc<Openness>>, Error> {
        let mut known = seen.openness.lock().await;
        if let Some((openness, since)) = &*known
            && since.elapsed() < FRESH
        {
            return Ok(openness.clone());
        }
        let since = Instant::now();
        let found = self.session.openness(&seen.entry.key, seen.entry.version).await?.map(Arc::new);
        *known = Some((found.clone(), since));
        Ok(found)
    }

    /// The rooms somebody is in.
    fn rooms(&self) -> Vec<Arc<Room>> {
        let mut rooms = self.rooms.lock();
        rooms.retain(|_, room| !room.is_empty());
        rooms.values().cloned().collect()
    }
}

/// A change on its way to the receivers.
pub(super) struct Seen {
    /// The change.
    pub(super) entry: FeedEntry,
    /// What its resource says, read when the first room asks and then shared by all.
    terms: OnceCell<Vec<Terms>>,
    /// What decides who may be told, and since when that is known.
    openness: tokio::sync::Mutex<Option<(Option<Arc<Openness>>, Instant)>>,
}

impl Seen {
    fn of(entry: FeedEntry) -> Self {
        Self { entry, terms: OnceCell::new(), openness: tokio::sync::Mutex::default() }
    }
}

/// The changes that were met last, by their positions.
#[derive(Default)]
struct Recent(Mutex<BTreeMap<u64, Arc<Seen>>>);

impl Recent {
    /// A change, as others have met it already if they have.
    fn seen(&self, entry: FeedEntry) -> Arc<Seen> {
        let mut known = self.0.lock();
        let seen = known.entry(entry.seq).or_insert_with(|| Arc::new(Seen::of(entry)));
        let seen = Arc::clone(seen);
        while known.len() > KEPT {
            known.pop_first();
        }
        seen
    }
}

/// Follows the feed as long as the process runs, and tells every room what concerns it.
///
/// A room is asked once for all who are in it: waking thousands of receivers for what does not concern them would cost
/// more than everything else the server does.
async fn follow(mut head: watch::Receiver<u64>, mut position: u64, shared: Arc<Shared>) {
    loop {
        match shared.session.heard(position, PAGE).await {
            Ok(changes) if changes.is_empty() => {
                if head.changed().await.is_err() {
                    return;
                }
            }
            Ok(changes) => {
                position = changes.last().map_or(position, |entry| entry.seq);
                let seen: Vec<Arc<Seen>> = changes.into_iter().map(|entry| shared.recent.seen(entry)).collect();
                for room in shared.rooms() {
                    room.tell(&shared, &seen, position).await;
                }
                shared.reached.store(position, Ordering::Release);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeats_of_receivers_who_came_together_lie_evenly() {
        let mut phases: Vec<f64> = (0..1_000).map(phase).collect();
        phases.sort_unstable_by(f64::total_cmp);
        assert!(phases.first().is_some_and(|first| *first > 0.0) && phases.last().is_some_and(|last| *last <= 1.0));
        assert!(phases.windows(2).all(|pair| pair[1] - pair[0] < 0.003), "two are far apart, so others are crowded");
    }
}
