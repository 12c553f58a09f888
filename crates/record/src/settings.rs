//! What a record needs to be told, and what it takes from the world.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fhir::search::OwnAddresses;
use jiff::tz::Offset;

use crate::AuditSettings;
use crate::person::Matching;

/// Where the record is kept.
#[derive(Debug, Clone)]
pub enum Location {
    /// SQLite and blobs in one directory: a complete record on one machine.
    Embedded(PathBuf),
    /// A PostgreSQL database shared by several processes, named by a `postgres://` URL.
    Postgres(String),
}

/// Everything that can be set about a record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is kept.
    pub location: Location,
    /// Bounds on what one request may cost.
    pub limits: Limits,
    /// The offset, in seconds east of UTC, of dates and times that are written without one.
    pub zone_offset: i32,
    /// The addresses under which the FHIR service of this record is known: a reference that is written with one of them
    /// is one to a resource of this record. What was written before an address was added here is not read again.
    pub own: OwnAddresses,
    /// Whether resources are validated before they are stored.
    pub validate: bool,
    /// Connections for reading.
    pub readers: usize,
    /// Bytes of current versions kept in memory, while no other process can write to the record.
    pub shelf: usize,
    /// How long no other process must have written to a shared record before this one takes it to itself.
    pub alone_after: Duration,
    /// How two registrations are told to be of one person.
    pub matching: Arc<Matching>,
    /// The access rules as a text in TOML; those that come with the record when there are none.
    pub rules: Option<String>,
    /// The trail.
    pub audit: AuditSettings,
}

impl Settings {
    /// The defaults for a location.
    pub fn new(location: Location) -> Self {
        let folder = match &location {
            Location::Embedded(directory) => Some(directory.join("trail")),
            Location::Postgres(_) => None,
        };
        Self {
            location,
            limits: Limits::default(),
            zone_offset: 8 * 3600,
            own: OwnAddresses::default(),
            validate: true,
            readers: 4,
            shelf: 32 << 20,
            alone_after: Duration::from_secs(5),
            matching: Arc::new(Matching::default()),
            rules: None,
            audit: AuditSettings::new(folder),
        }
    }

    /// The offset of dates and times that are written without one. A record is not opened with one that is none.
    pub fn zone(&self) -> Offset {
        Offset::from_seconds(self.zone_offset).unwrap_or(Offset::UTC)
    }
}

/// Bounds on what one request may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Items on a page when the caller does not say.
    pub page: usize,
    /// The most items on a page.
    pub page_max: usize,
    /// Values (OR) and criteria (AND) in one search, all together.
    pub search_terms: usize,
    /// Links in a chain or nested `_has`.
    pub chain_depth: usize,
    /// How often `:iterate` may follow references further.
    pub include_depth: usize,
    /// Items a page may include besides its matches.
    pub included_max: usize,
    /// Results of a sorted search whose order is held while the caller pages through it.
    pub sorted_max: usize,
    /// How long one search may run.
    pub search_time: Duration,
    /// Entries in one transaction.
    pub transaction_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page: 20,
            page_max: 1_000,
            search_terms: 1_000,
            chain_depth: 5,
            include_depth: 5,
            included_max: 5_000,
            sorted_max: 50_000,
            search_time: Duration::from_secs(10),
            transaction_entries: 20_000,
        }
    }
}

/// The time of day, as an argument.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> i64;

    /// Microseconds since the machine was started, which nobody can set, and which pass while it sleeps as well: for what
    /// other processes have to agree upon. That is the machine's own, also where the time of day is made up.
    fn steady(&self) -> i64 {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since.tv_sec * 1_000_000 + since.tv_nsec / 1_000
    }
}

/// Randomness, as an argument.
pub trait Randomness: Send + Sync {
    /// Sixteen bytes nobody can guess.
    fn bytes(&self) -> [u8; 16];
}

/// What a record takes from the world.
#[derive(Clone)]
pub struct Surroundings {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and secrets.
    pub randomness: Arc<dyn Randomness>,
}

impl Surroundings {
    /// The machine's own clock and randomness.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), randomness: Arc::new(SystemRandomness) }
    }

    /// A new identifier: a UUID of version 7, so that ids made one after another sort that way.
    /// <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7>
    pub fn new_id(&self) -> String {
        let millis = u64::try_from(self.clock.now() / 1_000).unwrap_or_default();
        let random = self.randomness.bytes();
        let tail: [u8; 10] = std::array::from_fn(|at| random[at]);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().to_string()
    }
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the argument comes from")]
    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.map_or(0, |since| since.as_micros())).unwrap_or(i64::MAX)
    }
}

/// The machine's randomness.
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}
