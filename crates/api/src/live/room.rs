//! Where those who follow the same are told together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::hub::{Seen, Shared};
use super::topic::Topic;

/// What is held for receivers that are not quite as fast as the record. Slower ones read the feed themselves.
const HELD: usize = 32;

/// The receivers of one topic.
pub(super) struct Room {
    topic: Topic,
    sender: Sender<News>,
    /// The position of the last change that was told here, or where the feed stood when the room was opened.
    told: AtomicU64,
    /// The position up to which everything that concerns the topic was told.
    reached: AtomicU64,
}

/// What a room is told.
#[derive(Clone)]
pub(super) enum News {
    /// Changes of its topic.
    Changes {
        /// The position of the change that was told before these. Whoever has not come as far has missed something.
        since: u64,
        /// The position up to which these are all.
        to: u64,
        /// In the order of the feed.
        changes: Arc<[Arc<Seen>]>,
    },
    /// It could not be found out which changes are of the topic. The feed has to be read.
    Unknown,
}

impl Room {
    /// A room in which nobody is yet. `reached` is a position at or before that of the feed.
    pub(super) fn new(topic: Topic, reached: u64) -> Self {
        Self { topic, sender: channel(HELD).0, told: AtomicU64::new(reached), reached: AtomicU64::new(reached) }
    }

    /// Whether nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.sender.receiver_count() == 0
    }

    /// What is followed here.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Tells those of these changes that are of the topic. `position` is that of the last of them. Only the follower tells.
    pub(super) async fn tell(&self, shared: &Shared, seen: &[Arc<Seen>], position: u64) {
        let mut changes = Vec::new();
        let mut unknown = false;
        for one in seen {
            match self.topic.concerns(shared, one).await {
                Ok(true) => changes.push(Arc::clone(one)),
                Ok(false) => {}
                Err(_) => unknown = true,
            }
        }
        // That everybody left meanwhile is no failure.
        if unknown {
            self.told.store(position, Ordering::Relaxed);
            let _ = self.sender.send(News::Unknown);
        } else if let Some(last) = changes.last() {
            let since = self.told.swap(last.entry.seq, Ordering::Relaxed);
            let _ = self.sender.send(News::Changes { since, to: position, changes: changes.into() });
        }
        // After what was sent, so that whoever finds nothing waiting and then this has been told everything up to it.
        self.reached.store(position, Ordering::Release);
    }
}

/// A receiver's place in a room.
pub(super) struct Place {
    room: Arc<Room>,
    news: Receiver<News>,
}

impl Place {
    /// Takes a place: everything that is told from now on is heard.
    pub(super) fn take(room: &Arc<Room>) -> Self {
        Self { news: room.sender.subscribe(), room: Arc::clone(room) }
    }

    /// What is followed.
    pub(super) fn topic(&self) -> &Topic {
        self.room.topic()
    }

    /// The next that is told; `None` when nobody will tell anything any more.
    pub(super) async fn next(&mut self) -> Option<News> {
        match self.news.recv().await {
            Ok(news) => Some(news),
            // It was not fast enough for what is held.
            Err(RecvError::Lagged(_)) => Some(News::Unknown),
            Err(RecvError::Closed) => None,
        }
    }

    /// What waits to be heard, or else the position up to which nothing that was not heard concerns the topic.
    pub(super) fn waiting(&mut self) -> Result<News, u64> {
        let reached = self.room.reached.load(Ordering::Acquire);
        match self.news.try_recv() {
            Ok(news) => Ok(news),
            Err(TryRecvError::Lagged(_)) => Ok(News::Unknown),
            Err(TryRecvError::Empty | TryRecvError::Closed) => Err(reached),
        }
    }
}
