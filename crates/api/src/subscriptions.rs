//! Subscriptions of R4, by REST hook. <http://hl7.org/fhir/R4/subscription.html>
//!
//! Each active Subscription is a follower of the change feed with a position of its own, which is kept: what waits for
//! an endpoint that is down is the part of the feed after that position, not a queue that could grow. One worker at a
//! time has a Subscription, by a durable job whose lease it renews; it sends one notification at a time, waits twice
//! as long after each failure, and at last sets the Subscription to `error` with the reason.

mod channel;
mod endpoint;
mod worker;

use std::sync::Arc;

use bytes::Bytes;
use fhir::Error;
use parking_lot::Mutex;
use record::{Caller, Key, Method, Record, ResourceType, SearchRequest, Session};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::settings::Subscriptions;

use channel::Status;
use endpoint::Client;

/// The queue with one job for each Subscription that is at work.
const QUEUE: &str = "subscription";
/// The drawer that says how far each Subscription has been served.
const DRAWER: &str = "subscription";
/// The drawer in which the one job that serves a Subscription signs for it.
const SIGNED: &str = "subscription-job";
/// How long a Subscription belongs to a worker that does not say it is still there, in microseconds.
const LEASE: i64 = 30_000_000;
/// Subscriptions taken up at a time.
const TAKEN: usize = 32;
/// Changes read at a time.
const PAGE: usize = 200;

/// Serves the Subscriptions of a record until its task is ended. Several processes may run it on one record.
pub async fn run(record: Record, settings: Subscriptions) {
    let office = Arc::new(Office {
        session: record.session(Caller::system("HOPERAT")),
        client: Client::new(&settings),
        record,
        settings,
        turns: Mutex::default(),
    });
    tokio::join!(watch(&office), staff(&office));
}

/// What all workers of a process share.
struct Office {
    record: Record,
    session: Session,
    settings: Subscriptions,
    client: Client,
    /// Whose turn it is to speak to an endpoint.
    turns: Mutex<FxHashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// How far a Subscription has been served.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Paper {
    /// The last change of the feed that has been dealt with.
    position: u64,
    /// How often the notification after it has failed.
    attempts: u32,
    /// The job whose worker serves it.
    job: Option<i64>,
}

impl Office {
    fn now(&self) -> i64 {
        self.record.surroundings().clock.now()
    }

    fn head(&self) -> u64 {
        *self.record.head().borrow()
    }

    fn key(id: &str) -> Result<Key, Error> {
        Ok(Key::new(ResourceType::parse("Subscription")?, id))
    }

    async fn paper(&self, id: &str) -> Result<Option<Paper>, Error> {
        let Some(body) = self.record.drawer(DRAWER).get(id).await? else { return Ok(None) };
        sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
    }

    async fn keep(&self, id: &str, paper: &Paper) -> Result<(), Error> {
        let body = sonic_rs::to_vec(paper).map_err(Error::fault)?;
        self.record.drawer(DRAWER).put(id, Bytes::from(body), None).await
    }

    /// Signs for a Subscription: of several jobs that were put down for it, one serves it.
    async fn sign(&self, id: &str, job: i64) -> Result<bool, Error> {
        let (signed, mine) = (self.record.drawer(SIGNED), Bytes::from(job.to_string()));
        Ok(signed.add(id, mine.clone(), None).await? || signed.get(id).await?.is_some_and(|held| held == mine))
    }

    /// The turn to speak to an endpoint.
    fn turn(&self, endpoint: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock();
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(endpoint.to_owned()).or_default())
    }

    /// Gives a Subscription that asks to be served a job, unless it has one.
    async fn enlist(&self, id: &str) -> Result<(), Error> {
        let Some(version) = self.session.read(&Self::key(id)?).await? else { return Ok(()) };
        let Some(body) = version.body else { return Ok(()) };
        let status = Status::of(&fhir::json::parse(&body)?);
        if !matches!(status, Status::Requested | Status::Active) {
            return Ok(());
        }
        // The paper comes first, because a worker puts a job without one away. A process that ends in between leaves
        // a paper no worker has signed, for which a job is added at the next start; of two jobs one gives way.
        match self.paper(id).await? {
            Some(paper) if paper.job.is_some() => return Ok(()),
            Some(_) => {}
            None => self.keep(id, &Paper { position: self.head(), attempts: 0, job: None }).await?,
        }
        self.record.jobs(QUEUE).add(self.now(), Bytes::from(id.to_owned())).await
    }

    /// Gives every Subscription that asks to be served its job.
    async fn enlist_all(&self) -> Result<(), Error> {
        let asked = [("status", "requested,active".to_owned())];
        let mut pages = self.session.pages(SearchRequest::of("Subscription", &asked)?);
        while let Some(page) = pages.next().await? {
            for version in &page.matches {
                self.enlist(&version.key.id).await?;
            }
        }
        Ok(())
    }
}

/// Watches for Subscriptions that ask to be served.
async fn watch(office: &Office) {
    let mut head = office.record.head();
    let mut position = *head.borrow_and_update();
    let mut all_enlisted = false;
    loop {
        if !all_enlisted {
            match office.enlist_all().await {
                Ok(()) => all_enlisted = true,
                Err(error) => {
                    tracing::warn!(%error, "subscriptions cannot be looked for");
                    tokio::time::sleep(office.settings.poll).await;
                    continue;
                }
            }
        }
        match office.session.heard(position, PAGE).await {
            Ok(changes) if changes.is_empty() => {
                if head.changed().await.is_err() {
                    return;
                }
            }
            Ok(changes) => {
                for entry in changes {
                    position = entry.seq;
                    let subscribes = entry.key.type_.name() == "Subscription" && entry.method != Method::Delete;
                    // What fails here is found again by looking at all of them.
                    all_enlisted &= !subscribes || office.enlist(&entry.key.id).await.is_ok();
                }
            }
            Err(_) => tokio::time::sleep(office.settings.poll).await,
        }
    }
}

/// Takes up Subscriptions that have a job and no worker. Workers end with this task.
async fn staff(office: &Arc<Office>) {
    let mut workers = JoinSet::new();
    loop {
        match office.record.jobs(QUEUE).claim(office.now(), LEASE, TAKEN).await {
            Ok(jobs) => {
                for job in jobs {
                    workers.spawn(worker::serve(Arc::clone(office), job));
                }
            }
            Err(error) => tracing::warn!(%error, "subscriptions cannot be taken up"),
        }
        while workers.try_join_next().is_some() {}
        tokio::time::sleep(office.settings.poll).await;
    }
}
