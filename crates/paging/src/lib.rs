//! Who is on call, and what care processes tell brought to them when they are not looking at a screen.
//!
//! A care process writes a Communication for whatever it tells ([`code::PAGE`] says for which of its roles somebody is
//! to be paged). [`Paging::keep`] follows the change feed for them and decides once who is paged and how: for each person and
//! channel it writes a child Communication, a *page*, before anything is handed over. What is still to be handed over
//! stands in the record and nowhere else, so that another process goes on after one that died; the id of a page is the
//! key by which whoever takes it over tells a repeat from a second one.
//!
//! Who is on call stands in Schedules and Slots ([`roster`]). What a page shows is what a lock screen may show: which
//! pathway, what happened, when and at which house; never who the patient is.

pub mod code;
mod devices;
mod gateway;
mod hand;
mod keep;
mod number;
mod page;
mod people;
mod push;
mod resolve;
pub mod roster;
pub mod stand_in;
mod troubles;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::Offset;
use parking_lot::Mutex;
use record::{Caller, Follower, Record, Session};
use tokio::sync::OnceCell;

pub use devices::{Device, Subscription, Tried};
pub use page::{Channel, State};
pub use record::tree::Words;
pub use roster::{Call, Shift};
pub use view::{Reached, Trouble};

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the gateway for text messages and calls takes requests; none when there is no gateway.
    pub gateway: Option<String>,
    /// What this server shows the gateway as `Authorization: Bearer`; empty for nothing.
    pub token: String,
    /// The channels of the gateway that are used.
    pub channels: Vec<Channel>,
    /// The name of the template for text messages at the gateway's operator, and of the one for calls.
    pub templates: (String, String),
    /// What a text message or a call says; `{pathway}`, `{what}`, `{time}`, `{place}` and `{role}` are filled in.
    pub text: String,
    /// Where the operators of push services find ours: a `mailto:` or `https:` address.
    pub contact: String,
    /// Whether the gateway and push services may be at loopback, link-local and private addresses.
    pub allow_private: bool,
    /// How often a page is tried over its channel before it is given up.
    pub tries: u32,
    /// The wait after the first failure; it doubles with each further one up to a minute.
    pub first_wait: Duration,
    /// How long one attempt may take.
    pub attempt_time: Duration,
    /// Where nobody is on call and more than so many hold the post, only their devices are paged.
    pub everyone_most: usize,
    /// What the duty chief is on call for, who hears of a channel that is down.
    pub chief: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway: None,
            token: String::new(),
            channels: vec![Channel::Sms, Channel::Voice],
            templates: (String::new(), String::new()),
            text: "{pathway}：{what}，{time}，{place}（{role}）。请登录平台应答。".to_owned(),
            contact: "mailto:qingshan@localhost".to_owned(),
            allow_private: false,
            tries: 10,
            first_wait: Duration::from_secs(2),
            attempt_time: Duration::from_secs(10),
            everyone_most: 30,
            chief: "chief".to_owned(),
        }
    }
}

/// Paging at work on a record. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Paging(Arc<Inner>);

struct Inner {
    record: Record,
    settings: Settings,
    /// Speaks to push services, whose addresses browsers name.
    push: outward::Client,
    /// Speaks to the gateway, whose address stands in the settings: it is usually inside.
    gateway: outward::Client,
    /// The pair by which push services know this server.
    pair: OnceCell<push::Pair>,
    /// Follows what is written.
    follower: Follower,
    /// Pages that are to be handed over, by id.
    waiting: Mutex<hand::Waiting>,
    /// The runs whose pages do not all go out, as they were found last.
    troubles: tokio::sync::Mutex<troubles::Kept>,
}

impl Paging {
    /// Paging on a record.
    pub fn new(record: Record, settings: Settings) -> Self {
        let push = outward::Client::new(settings.allow_private, settings.attempt_time);
        let gateway = outward::Client::new(true, settings.attempt_time);
        let follower = Follower::new(&record, "paging").of(&["Communication"]);
        let (pair, waiting, troubles) = (OnceCell::new(), Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { record, settings, push, gateway, pair, follower, waiting, troubles }))
    }

    /// The record that is paged from.
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A session that sees everything: whom a message reaches does not depend on what anybody may see.
    fn platform(&self) -> Session {
        self.0.record.session(Caller::system("HOPERAT")).keeping_runs()
    }

    fn now(&self) -> i64 {
        self.0.record.surroundings().clock.now()
    }

    fn zone(&self) -> Offset {
        self.0.record.settings().zone()
    }
}
