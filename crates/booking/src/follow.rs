//! Places follow their Appointments, whoever changes them; holds end by themselves.
//!
//! One process at a time does this, from where the last one came. Going over a change twice does nothing: a place is made
//! what its Appointments say.

use std::time::Duration;

use fhir::{Error, IssueCode, time};
use record::tree::{self, name};
use record::{FeedEntry, Method};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::hold::reason;
use crate::{Booking, code};

/// Changes looked at before it is written down how far that was.
const PAGE: usize = 200;
/// Holds ended at a time.
const TOGETHER: usize = 64;
/// The longest rest.
const REST: Duration = Duration::from_secs(1);
/// The shortest rest: whatever is written meanwhile is looked at together.
const BREATH: Duration = Duration::from_millis(50);

impl Booking {
    /// Looks after places for as long as it is polled. Any number of processes may do so on one record. Failures are
    /// logged and tried again.
    pub async fn keep(self) {
        let mut head = self.record().head();
        loop {
            if let Err(error) = self.round().await
                && !error.issues().iter().any(|issue| issue.code == IssueCode::Transient)
            {
                tracing::warn!(%error, "places cannot be looked after; it is tried again");
            }
            let _ = timeout(REST, head.changed()).await;
            sleep(BREATH).await;
        }
    }

    /// Looks at all that was written and ends the holds that are over, while this process is the one that does.
    async fn round(&self) -> Result<(), Error> {
        let mut followed = Ok(false);
        while matches!(followed, Ok(false)) {
            if !self.0.follower.is_on().await? {
                return Ok(());
            }
            followed = self.caught_up().await;
        }
        // A change that cannot be taken in keeps nobody's place held.
        let ended = self.end_holds(self.now()).await;
        followed.and(ended).map(drop)
    }

    /// Looks at some of what was written since the last time, and says whether that was all there is.
    ///
    /// What was written before the first call is not looked at.
    pub async fn caught_up(&self) -> Result<bool, Error> {
        self.0.follower.follow(PAGE, |change| async move { self.consider(&change).await }).await
    }

    /// Ends the holds that are over at a time (µs since 1970), and says how many were.
    ///
    /// Fails with [`fhir::Category::Busy`] while the search parameter is still being indexed.
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
        let now = match entry.method {
            Method::Delete => None,
            _ => self.version(entry, entry.version).await?,
        };
        match (entry.key.type_.name(), now) {
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
}
