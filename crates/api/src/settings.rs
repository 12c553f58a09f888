//! What the HTTP door can be told.

use std::path::PathBuf;
use std::time::Duration;

use crate::Portal;

/// Everything that can be set about the HTTP door.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public address of the FHIR service without a trailing slash, such as `https://record.example/fhir`.
    /// Without it, links use the `Host` each request names.
    pub base: Option<String>,
    /// Serve without sign-in. Only sound on a loopback address, which the program that listens must see to.
    pub open: bool,
    /// The largest request body, in bytes, after decompression.
    pub body_max: usize,
    /// How long one request may take before it is answered with 503. Streams are not counted once they have begun.
    pub request_time: Duration,
    /// How long a bearer token is good for.
    pub token_time: Duration,
    /// Live streams.
    pub live: Live,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Bulk export.
    pub export: Export,
    /// What browsers are shown at every address that no other route has. Without it they are shown nothing.
    pub portal: Option<Portal>,
}

impl Settings {
    /// The defaults; `directory` is where bulk export keeps its files.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            base: None,
            open: false,
            body_max: 64 << 20,
            request_time: Duration::from_secs(60),
            token_time: Duration::from_secs(3600),
            live: Live::default(),
            subscriptions: Subscriptions::default(),
            export: Export { directory, keep: Duration::from_secs(24 * 3600), page: 1_000 },
            portal: None,
        }
    }
}

/// Live streams.
#[derive(Debug, Clone)]
pub struct Live {
    /// How often a comment is sent on a stream on which nothing happens.
    pub heartbeat: Duration,
    /// What a client is told to wait before it connects again.
    pub retry: Duration,
    /// How many changes a returning client may have missed and still be told one by one; above, it is told of a gap.
    pub backlog: u64,
    /// Streams open at the same time.
    pub streams: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), retry: Duration::from_secs(2), backlog: 10_000, streams: 10_000 }
    }
}

/// Subscriptions of the `rest-hook` kind.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    /// Prefixes of endpoints notifications may go to, such as `https://lab.example/`. Empty: any public address.
    pub allow: Vec<String>,
    /// Whether notifications may go to loopback, link-local and private addresses.
    pub allow_private: bool,
    /// How often a notification is tried before the subscription is set to `error`.
    pub tries: u32,
    /// The wait after the first failure; it doubles with each further one up to an hour.
    pub first_wait: Duration,
    /// How long one attempt may take.
    pub attempt_time: Duration,
    /// How often a worker looks for work when nobody wakes it.
    pub poll: Duration,
    /// Notifications that may wait for one subscription; when there are more it is set to `error`.
    pub backlog: usize,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_private: false,
            tries: 12,
            first_wait: Duration::from_secs(1),
            attempt_time: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            backlog: 10_000,
        }
    }
}

/// Bulk export.
#[derive(Debug, Clone)]
pub struct Export {
    /// Where the files are kept. Processes that serve one record share it.
    pub directory: PathBuf,
    /// How long files are kept after an export is complete.
    pub keep: Duration,
    /// Resources read at a time.
    pub page: usize,
}
