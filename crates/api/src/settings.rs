//! What the HTTP door can be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

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
    /// Whether a proxy stands before this server and says in `X-Forwarded-For` from where a request came.
    pub behind_proxy: bool,
    /// People who sign in.
    pub sign_in: SignIn,
    /// OpenID providers at which people may sign in.
    pub providers: Vec<Provider>,
    /// Live streams.
    pub live: Live,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Bulk export.
    pub export: Export,
    /// Slots, beds and sessions.
    pub booking: booking::Settings,
    /// Where emergencies are brought.
    pub routing: routing::Settings,
    /// Who is on call, and how they are paged.
    pub paging: paging::Settings,
    /// How far the clock of a source may be off before somebody is told.
    pub clock_skew: Duration,
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
            behind_proxy: false,
            sign_in: SignIn::default(),
            providers: Vec::new(),
            live: Live::default(),
            subscriptions: Subscriptions::default(),
            export: Export { directory, keep: Duration::from_secs(24 * 3600), page: 1_000 },
            booking: booking::Settings::default(),
            routing: routing::Settings::default(),
            paging: paging::Settings::default(),
            clock_skew: Duration::from_secs(1),
            portal: None,
        }
    }
}

/// People who sign in. The defaults are those of GB/T 22239-2019, level 3, 8.1.4.1.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Whether anybody may enter under the accounts that are marked as those of a demonstration.
    pub demo: bool,
    /// Whether browsers reach this server by TLS, so that cookies are to be held to it.
    pub secure: bool,
    /// After how long without a request somebody is signed out.
    pub idle: Duration,
    /// After how long somebody is signed out in any case.
    pub length: Duration,
    /// How long an app may go on for somebody who is not there, if they allowed that.
    pub offline: Duration,
    /// How many failures lock an account.
    pub failures: u32,
    /// How long it stays locked, and how long failures are remembered.
    pub lock: Duration,
    /// How many attempts may fail from one address, of browsers with which nobody has signed in before.
    pub address_failures: u32,
    /// The time in which those are counted.
    pub address_time: Duration,
    /// Passwords.
    pub password: Password,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            demo: false,
            secure: false,
            idle: Duration::from_secs(15 * 60),
            length: Duration::from_secs(12 * 3600),
            offline: Duration::from_secs(90 * 86_400),
            failures: 5,
            lock: Duration::from_secs(15 * 60),
            address_failures: 50,
            address_time: Duration::from_secs(5 * 60),
            password: Password::default(),
        }
    }
}

/// What passwords must be like, and what hashing one costs.
///
/// The cost is the first choice of the OWASP Password Storage Cheat Sheet for argon2id.
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id>
#[derive(Debug, Clone)]
pub struct Password {
    /// Characters at least.
    pub length: usize,
    /// Of small letters (and characters of scripts without case), capitals, digits and signs: kinds at least.
    pub classes: usize,
    /// After how long it must be changed; zero means never.
    pub age: Duration,
    /// Memory that hashing one takes.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes of that memory.
    pub lanes: u32,
    /// Passwords hashed at the same time.
    pub at_once: usize,
    /// Passwords that may wait to be hashed; more are refused at once.
    pub waiting: usize,
}

impl Default for Password {
    fn default() -> Self {
        Self {
            length: 8,
            classes: 3,
            age: Duration::from_secs(90 * 86_400),
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            at_once: 2,
            waiting: 64,
        }
    }
}

/// An OpenID provider: another institution whose accounts are good here.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in addresses: letters, digits and hyphens.
    pub name: String,
    /// What people know it by.
    pub title: String,
    /// Its `iss`, at which its configuration is found.
    pub issuer: String,
    /// The name this server has there.
    pub client_id: String,
    /// The secret this server has there; empty for none.
    #[serde(default)]
    pub secret: String,
    /// Whether somebody whose address the provider has verified has the account of that login here. Otherwise accounts
    /// name those who have them by `elsewhere`.
    #[serde(default)]
    pub by_email: bool,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).field("issuer", &self.issuer).finish_non_exhaustive()
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
    /// Prefixes of endpoints notifications may go to, such as `https://lab.example/`. Empty: any public address, but only
    /// to say that something has changed, never with the resource itself.
    pub allow: Vec<String>,
    /// Whether Subscriptions of callers who did not sign in are served, as where nobody is asked to; these may then also be
    /// sent resources anywhere.
    pub anyone: bool,
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
            anyone: false,
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
