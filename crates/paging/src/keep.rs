//! Looking after pages: what is told is followed, and what is decided is handed over.

use std::time::Duration;

use fhir::{Category, Error};
use record::{FeedEntry, Method, tree};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Paging;

/// Changes looked at before it is written down how far that was.
const PAGE: usize = 500;
/// How often the lease is kept, in microseconds.
const KEEP: i64 = 1_500_000;
/// The longest rest, and the shortest when nothing is written.
const REST: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(20);

impl Paging {
    /// Pages people for as long as it is polled. Any number of processes may do so on one record; one of them does.
    /// Failures are logged and tried again.
    pub async fn keep(self) {
        let mut head = self.record().head();
        let mut kept = None;
        let mut flights = JoinSet::new();
        loop {
            if kept.is_none_or(|kept| self.now() - kept >= KEEP) {
                match self.0.follower.is_on().await {
                    Ok(true) => {
                        if kept.is_none()
                            && let Err(error) = self.gather().await
                        {
                            tracing::warn!(%error, "it cannot be told which pages are to be handed over");
                            sleep(REST).await;
                            continue;
                        }
                        kept = Some(self.now());
                    }
                    not => {
                        if let Err(error) = not {
                            tracing::warn!(%error, "it cannot be told who looks after pages; it is tried again");
                        }
                        // Somebody else pages. What is on its way here goes out under the same ids.
                        kept = None;
                        flights.abort_all();
                        self.let_go();
                        sleep(REST).await;
                        continue;
                    }
                }
            }
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
        let follower = &self.0.follower;
        let entries = follower.next(PAGE).await?;
        let (mut done, mut failed) = (None, None);
        for entry in &entries {
            if let Err(error) = self.consider(entry).await
                && !self.is_passed_over(entry.seq, &error)
            {
                failed = Some(error);
                break;
            }
            done = Some(entry.seq);
        }
        if let Some(done) = done {
            follower.reached(done).await?;
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(entries.len() < PAGE),
        }
    }

    /// What one message says wrongly must not keep others from being paged.
    fn is_passed_over(&self, change: u64, error: &Error) -> bool {
        if matches!(error.category(), Category::Busy | Category::Unavailable | Category::Fault) {
            return self.0.follower.gives_up(change, error);
        }
        tracing::error!(%error, change, "somebody is to be paged and cannot be");
        true
    }

    async fn consider(&self, entry: &FeedEntry) -> Result<(), Error> {
        if entry.key.type_.name() != "Communication" || entry.version != 1 || entry.method == Method::Delete {
            return Ok(());
        }
        let Some(version) = self.platform().vread(&entry.key, entry.version).await? else { return Ok(()) };
        let Some(told) = tree::of(&version)? else { return Ok(()) };
        let pages = self.decide(&told).await?;
        self.take_up(pages);
        Ok(())
    }
}
