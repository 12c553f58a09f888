//! A record of a test's own, on each database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use record::{Caller, Clock, Location, Record, Session, Settings, Standing, Surroundings, SystemRandomness};

use crate::cluster::{Cluster, Database};

/// A clock that stands until it is told to move: 2026-05-04T08:00:00+08:00 at first.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// The time it shows at first, in microseconds since 1970-01-01T00:00:00Z.
    pub const START: i64 = 1_777_852_800_000_000;

    /// Moves on by seconds.
    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(Self::START))
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Where a record lies; gone with this value.
enum Ground {
    Directory(tempfile::TempDir),
    /// With the folder in which the process keeps its journal.
    Database(Database<'static>, #[expect(dead_code, reason = "it is held, not read")] tempfile::TempDir),
}

/// A record of its own, with the clock it goes by.
pub struct Place {
    /// The record.
    pub record: Record,
    /// Its clock.
    pub clock: Arc<TestClock>,
    settings: Settings,
    ground: Ground,
}

impl Place {
    /// A record in a temporary directory.
    pub async fn embedded() -> Self {
        Self::embedded_with(|_| {}).await
    }

    /// A record in a temporary directory, with other settings than the defaults.
    pub async fn embedded_with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let location = Location::Embedded(directory.path().to_owned());
        let mut settings = Settings::new(location);
        change(&mut settings);
        Self::open(settings, Ground::Directory(directory)).await
    }

    /// A record in a database of its own.
    pub async fn postgres() -> Self {
        Self::postgres_with(|_| {}).await
    }

    /// A record in a database of its own, with other settings than the defaults.
    pub async fn postgres_with(change: impl FnOnce(&mut Settings)) -> Self {
        let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database is made");
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let mut settings = Settings::new(Location::Postgres(database.url()));
        settings.audit.folder = Some(folder.path().to_owned());
        // So short that tests meet processes that have the record to themselves, and such that have to make way.
        settings.alone_after = Duration::from_millis(100);
        change(&mut settings);
        Self::open(settings, Ground::Database(database, folder)).await
    }

    async fn open(settings: Settings, ground: Ground) -> Self {
        let clock = Arc::new(TestClock::default());
        let surroundings = Surroundings { clock: clock.clone(), randomness: Arc::new(SystemRandomness) };
        let record = Record::open(settings.clone(), surroundings).await.expect("a record opens");
        Self { record, clock, settings, ground }
    }

    /// The same record as another process would open it; only PostgreSQL allows two at once.
    pub async fn again(&self) -> Record {
        let surroundings = Surroundings { clock: self.clock.clone(), randomness: Arc::new(SystemRandomness) };
        Record::open(self.settings.clone(), surroundings).await.expect("a record opens")
    }

    /// A session of a doctor who treats.
    pub fn session(&self) -> Session {
        let (actor, purpose) = ("Practitioner/doctor".to_owned(), "TREAT".to_owned());
        self.record.session(Caller { actor, purpose, request: "test".to_owned(), standing: Standing::System })
    }

    /// Whether several processes can have this record open.
    pub fn is_shared(&self) -> bool {
        matches!(self.ground, Ground::Database(..))
    }

    /// The directory of an embedded record.
    pub fn directory(&self) -> Option<&std::path::Path> {
        match &self.ground {
            Ground::Directory(directory) => Some(directory.path()),
            Ground::Database(..) => None,
        }
    }

    /// The database of a record on PostgreSQL.
    pub fn database(&self) -> Option<&Database<'static>> {
        match &self.ground {
            Ground::Directory(_) => None,
            Ground::Database(database, _) => Some(database),
        }
    }
}

/// Runs a test on a record on SQLite, then on one on PostgreSQL.
pub fn on_both<F: AsyncFn(Place)>(test: F) {
    on_both_with(|_| {}, test);
}

/// The same with other settings than the defaults.
pub fn on_both_with<F: AsyncFn(Place)>(change: impl Fn(&mut Settings), test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        test(Place::embedded_with(&change).await).await;
        test(Place::postgres_with(&change).await).await;
    });
}
