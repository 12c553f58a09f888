//! The end of the change feed, kept in memory.
//!
//! What stands in the feed never changes and has no gaps, so that what was read of it need not be read again. Everybody
//! who follows it asks for the same changes at the same moment: the first has them read, the others are answered from here.

use std::collections::VecDeque;

use fhir::Error;
use tokio::sync::Mutex;

use crate::store::reads;
use crate::{FeedEntry, Record, ResourceType};

/// Changes kept. Whoever is further behind reads the feed alone.
const KEPT: usize = 4_096;

/// Changes read at a time.
const PAGE: usize = 500;

/// Some last changes of the feed; none before anybody asked.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Held>);

/// All changes after a position, in their order.
#[derive(Default)]
struct Held {
    after: u64,
    changes: VecDeque<FeedEntry>,
}

impl Held {
    /// The position of the last of them.
    fn end(&self) -> u64 {
        self.after + self.changes.len() as u64
    }

    /// Adds those that follow; none when they do not follow.
    fn extend(&mut self, changes: Vec<FeedEntry>) -> Option<()> {
        for change in changes {
            if change.seq != self.end() + 1 {
                return None;
            }
            self.changes.push_back(change);
        }
        while self.changes.len() > KEPT {
            self.changes.pop_front();
            self.after += 1;
        }
        Some(())
    }

    /// Those after a position, of these types alone; of all where none is named.
    fn after(&self, position: u64, types: &[ResourceType], limit: usize) -> Vec<FeedEntry> {
        let passed = usize::try_from(position.saturating_sub(self.after)).unwrap_or(usize::MAX);
        let of_types = |change: &&FeedEntry| types.is_empty() || types.contains(&change.key.type_);
        self.changes.iter().skip(passed).filter(of_types).take(limit).cloned().collect()
    }
}

impl Record {
    /// What was changed after a position as far as this process has heard of it: at least up to where the head of the feed
    /// stands for it now. Of these types alone; of all where none is named.
    pub(crate) async fn heard(
        &self,
        types: &[ResourceType],
        after: u64,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let head = *self.head().borrow();
        if after >= head {
            return Ok(Vec::new());
        }
        if head - after <= KEPT as u64 / 2 {
            let mut held = self.tail().0.lock().await;
            if head.saturating_sub(held.end()) > KEPT as u64 / 2 {
                *held = Held { after, changes: VecDeque::new() };
            }
            while held.end() < head {
                let read = reads::changes(&mut self.reader().await?, &[], held.end(), PAGE, None).await?;
                if read.is_empty() || held.extend(read).is_none() {
                    break;
                }
            }
            if held.after <= after && held.end() >= head {
                return Ok(held.after(after, types, limit));
            }
        }
        reads::changes(&mut self.reader().await?, types, after, limit, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Method};

    fn changes(positions: std::ops::RangeInclusive<u64>) -> Vec<FeedEntry> {
        let change = |seq: u64| FeedEntry {
            seq,
            key: Key::new(
                ResourceType::named(if seq.is_multiple_of(2) { "Task" } else { "Patient" }).unwrap(),
                seq.to_string(),
            ),
            version: 1,
            at: 0,
            method: Method::Create,
            actor: String::new(),
            purpose: String::new(),
        };
        positions.map(change).collect()
    }

    #[test]
    fn what_is_held_is_told_from_any_position_in_it() {
        let mut held = Held { after: 10, changes: VecDeque::new() };
        held.extend(changes(11..=16)).unwrap();
        let told = |after, types: &[ResourceType], limit| {
            held.after(after, types, limit).iter().map(|change| change.seq).collect::<Vec<_>>()
        };
        assert_eq!(told(10, &[], 100), [11, 12, 13, 14, 15, 16]);
        assert_eq!(told(13, &[], 2), [14, 15]);
        assert_eq!(told(16, &[], 100), [0; 0]);
        assert_eq!(told(10, &[ResourceType::named("Task").unwrap()], 2), [12, 14]);
    }

    #[test]
    fn changes_that_do_not_follow_are_not_taken_in_and_the_oldest_are_let_go() {
        let mut held = Held::default();
        assert!(held.extend(changes(2..=3)).is_none());
        held.extend(changes(1..=KEPT as u64)).unwrap();
        held.extend(changes(KEPT as u64 + 1..=KEPT as u64 + 5)).unwrap();
        assert_eq!((held.after, held.end(), held.changes.len()), (5, KEPT as u64 + 5, KEPT));
    }
}
