//! Looking after pages: what is told is followed, and what is decided is handed over.

use std::time::Duration;

use fhir::{Category, Error};
use record::{FeedEntry, Method, tree};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Paging;

/// Changes looked at before it is written down how far that was.
const PAGE: usize = 500;
/// The longest rest, and the shortest when nothing is written.
const REST: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(20);

impl Paging {
    /// Pages people for as long as it is polled. Any number of processes may do so on one record; one of them does.
    /// Failures are logged and tried again.
    pub async fn keep(self) {
        let mut head = self.record().head();
        let mut was_on = false;
        let mut flights = JoinSet::new();
        loop {
            let is_on = self.0.follower.is_on().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "it cannot be told who looks after pages; it is tried again");
                false
            });
            if !is_on {
                // Somebody else pages. What is on its way here goes out under the same ids.
                was_on = false;
                flights.abort_all();
                self.let_go();
                sleep(REST).await;
                continue;
            }
            if !was_on && let Err(error) = self.gather().await {
                tracing::warn!(%error, "it cannot be told which pages are to be handed over");
                sleep(REST).await;
                continue;
            }
            was_on = true;
            let is_all = self.caught_up().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what is told cannot be followed; it is tried again");
                true
            });
            for page in self.take_due(self.now()) {
                let own = self.clone();
                flights.spawn(async move { own.hand_over(page).await });
            }
            while flights.try_join_next().is_some() {}
            if is_all {
                let next = self.next_due().map_or(i64::MAX, |due| due - self.now());
                let rest = Duration::from_micros(u64::try_from(next).unwrap_or_default()).clamp(BREATH, REST);
                let _ = timeout(rest, head.changed()).await;
            }
        }
    }

    /// Decides about some of what was told since the last time, and says whether that was all there is. What was told
    /// before the first call is not paged.
    pub async fn caught_up(&self) -> Result<bool, Error> {
        let consider = |change: FeedEntry| async move {
            match self.consider(&change).await {
                // What one message says wrongly must not keep others from being paged.
                Err(error) if !matches!(error.category(), Category::Busy | Category::Unavailable | Category::Fault) => {
                    tracing::error!(%error, change = change.seq, "somebody is to be paged and cannot be");
                    Ok(())
                }
                done => done,
            }
        };
        self.0.follower.follow(PAGE, consider).await
    }

    async fn consider(&self, entry: &FeedEntry) -> Result<(), Error> {
        if entry.version != 1 || entry.method == Method::Delete {
            return Ok(());
        }
        let Some(version) = self.platform().vread(&entry.key, entry.version).await? else { return Ok(()) };
        let Some(told) = tree::of(&version)? else { return Ok(()) };
        let pages = self.decide(&told).await?;
        self.take_up(pages);
        Ok(())
    }
}
