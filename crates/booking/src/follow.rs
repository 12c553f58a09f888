//! Places follow their Appointments, whoever changes them; holds end by themselves.
//!
//! One process at a time does this, from where the last one came. Going over a change twice does nothing: a place is made
//! what its Appointments say.

use std::time::Duration;

use bytes::Bytes;
use fhir::{Category, Error, IssueCode, time};
use record::tree::{self, name};
use record::{FeedEntry, Method};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::hold::reason;
use crate::{Booking, code};

/// What one process at a time holds.
const LEASE_NAME: &str = "booking";
/// How long whoever follows may be silent before another does, in microseconds.
const LEASE: i64 = 5_000_000;
/// Changes looked at before it is written down how far that was.
const PAGE: usize = 200;
/// Holds ended at a time.
const TOGETHER: usize = 64;
/// How often a change that makes the follower fail by itself is tried before it is left behind.
const FAULTS: u32 = 20;
/// The longest rest.
const REST: Duration = Duration::from_secs(1);
/// The shortest rest: whatever is written meanwhile is looked at together.
const BREATH: Duration = Duration::from_millis(50);

/// The drawer in which it stands how far the feed has been followed.
const DRAWER: &str = "booking";
const POSITION: &str = "position";

impl Booking {
    /// Looks after places for as long as it is polled. Any number of processes may do so on one record. Failures are
    /// logged and tried again.
    pub async fn keep(self) {
        let own = self.new_id();
        let mut head = self.record().head();
        let mut faults = 0;
        loop {
            match self.record().lease(LEASE_NAME.to_owned(), &own).take(LEASE).await {
                Ok(true) => {
                    let followed = self.round(&mut faults).await;
                    if let Err(error) = followed
                        && !error.issues().iter().any(|issue| issue.code == IssueCode::Transient)
                    {
                        tracing::warn!(%error, "places cannot be looked after; it is tried again");
                    }
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the lease of places cannot be kept"),
            }
            let _ = timeout(REST, head.changed()).await;
            sleep(BREATH).await;
        }
    }

    async fn round(&self, faults: &mut u32) -> Result<(), Error> {
        loop {
            match self.caught_up().await {
                Ok(true) => break,
                Ok(false) => *faults = 0,
                Err(error) if error.category() == Category::Fault && *faults >= FAULTS => {
                    tracing::error!(%error, "a change of the record cannot be followed and is left behind");
                    self.pass_over().await?;
                    *faults = 0;
                }
                Err(error) => {
                    *faults += 1;
                    return Err(error);
                }
            }
        }
        *faults = 0;
        self.end_holds(self.now()).await.map(drop)
    }

    /// Looks at some of what was written since the last time, and says whether that was all there is.
    ///
    /// What was written before the first call is not looked at.
    pub async fn caught_up(&self) -> Result<bool, Error> {
        let after = self.position().await?;
        let entries = self.platform().changes(after, PAGE).await?;
        let mut done = after;
        let mut failed = None;
        for entry in &entries {
            if let Err(error) = self.consider(entry).await {
                failed = Some(error);
                break;
            }
            done = entry.seq;
        }
        if done > after {
            self.went_to(done).await?;
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(entries.len() < PAGE && done >= *self.record().head().borrow()),
        }
    }

    /// Ends the holds that are over at a time (µs since 1970), and says how many were.
    ///
    /// Fails with [`Category::Busy`] while the search parameter is still being indexed.
    pub async fn end_holds(&self, now: i64) -> Result<usize, Error> {
        let mut ended = 0;
        loop {
            let due = [
                ("hold-until", format!("le{}", time::instant(now))),
                ("status", "pending".to_owned()),
                ("_sort", "hold-until".to_owned()),
                ("_count", TOGETHER.to_string()),
            ];
            let found = tree::first(&self.platform(), "Appointment", &due).await?;
            let mut moved = 0;
            for one in &found {
                moved += usize::from(self.end_hold(one, now).await?);
            }
            ended += moved;
            if moved == 0 {
                return Ok(ended);
            }
        }
    }

    /// Ends one hold. What carries a request goes on without a place; all else is cancelled.
    async fn end_hold(&self, appointment: &Value, now: i64) -> Result<bool, Error> {
        let is_over = |one: &Value| {
            let until = tree::extension(one, code::HOLD_UNTIL);
            let until = until.and_then(|one| tree::moment(&one["valueDateTime"], self.zone()));
            one["status"] == "pending" && until.is_some_and(|until| until <= now)
        };
        let to = if appointment["basedOn"].is_array() { "proposed" } else { "cancelled" };
        let (id, why) = (name(appointment), reason(code::HOLD_ENDED));
        Ok(self.end(&self.platform(), &id, to, Some(&why), is_over).await?.is_some())
    }

    async fn consider(&self, entry: &FeedEntry) -> Result<(), Error> {
        let type_ = entry.key.type_.name();
        if !matches!(type_, "Appointment" | "Schedule" | "Slot") {
            return Ok(());
        }
        let now = match entry.method {
            Method::Delete => None,
            _ => self.version(entry, entry.version).await?,
        };
        match (type_, now) {
            ("Appointment", now) => {
                // A place that is named no longer is free again.
                if entry.version > 1
                    && let Some(before) = self.version(entry, entry.version - 1).await?
                {
                    self.settle_places(&before).await?;
                }
                match now {
                    Some(now) => self.settle_places(&now).await,
                    None => Ok(()),
                }
            }
            ("Schedule", Some(schedule)) if schedule["active"] == false => self.stop(&schedule).await.map(drop),
            ("Slot", Some(slot)) if slot["status"] == "busy-unavailable" => self.settle_slot(&name(&slot)).await,
            _ => Ok(()),
        }
    }

    async fn version(&self, entry: &FeedEntry, version: u64) -> Result<Option<Value>, Error> {
        let found = self.platform().vread(&entry.key, version).await?;
        Ok(found.as_ref().map(tree::of).transpose()?.flatten())
    }

    async fn position(&self) -> Result<u64, Error> {
        let drawer = self.record().drawer(DRAWER);
        let first = Bytes::from(self.record().head().borrow().to_string());
        let written = match drawer.get(POSITION).await? {
            Some(position) => position,
            None => {
                drawer.add(POSITION, first.clone(), None).await?;
                first
            }
        };
        let number = std::str::from_utf8(&written).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::fault("it is not written how far the feed has been followed"))
    }

    async fn went_to(&self, position: u64) -> Result<(), Error> {
        self.record().drawer(DRAWER).put(POSITION, Bytes::from(position.to_string()), None).await
    }

    /// Leaves the change behind that cannot be taken in.
    async fn pass_over(&self) -> Result<(), Error> {
        let after = self.position().await?;
        match self.platform().changes(after, 1).await?.first() {
            Some(entry) => self.went_to(entry.seq).await,
            None => Ok(()),
        }
    }
}
