//! The worker that serves one Subscription.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use fhir::{Category, Error, Value};
use record::{
    Act, Action, Caller, Change, FeedEntry, Job, Key, Method, Note, Record, SearchRequest, Session, Target, Version,
};
use sonic_rs::JsonValueMutTrait;
use tokio::sync::watch;

use super::channel::{Status, Wish};
use super::{LEASE, Office, PAGE, Paper, QUEUE, endpoint};
use crate::access::{Client, Level, Permission, Scopes};

/// The longest the worker waits without saying that it is still there.
const SLICE: Duration = Duration::from_secs(8);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often a change of the Subscription itself is tried against others that change it too.
const EDITS: u32 = 5;

/// Serves the Subscription of a job for as long as it asks to be served.
pub(super) async fn serve(office: Arc<Office>, job: Job) {
    let id = String::from_utf8_lossy(&job.body).into_owned();
    let Ok(key) = Office::key(&id) else { return };
    let until = office.now() + LEASE;
    let head = office.record.head();
    let mut worker = Worker { office: &office, job: &job, key, until, head };
    match worker.run().await {
        Ok(()) => {
            if let Err(error) = office.record.jobs(QUEUE).done(&job).await {
                tracing::warn!(%error, subscription = id, "a subscription could not be put away");
            }
        }
        // The job comes back when its lease ends, and with it another worker.
        Err(error) => tracing::warn!(%error, subscription = id, "a subscription is put off"),
    }
}

/// Why a worker stopped following.
enum Stop {
    /// The Subscription has been changed.
    Changed,
    /// Another worker has it.
    Replaced,
    /// It cannot be served.
    Hopeless(String),
}

/// Why a worker could not go on: the record failed, or the Subscription is to stop.
enum Halt {
    Failed(Error),
    Stop(Stop),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// A version of a Subscription that is served.
struct Served {
    wish: Wish,
    endpoint: Uri,
    /// Who wrote it.
    author: String,
}

struct Worker<'a> {
    office: &'a Office,
    job: &'a Job,
    key: Key,
    /// Until when the Subscription is this worker's, in microseconds since 1970.
    until: i64,
    head: watch::Receiver<u64>,
}

impl Worker<'_> {
    /// Serves until the Subscription no longer asks for it.
    async fn run(&mut self) -> Result<(), Error> {
        let Some(mut paper) = self.office.paper(&self.key.id).await? else { return Ok(()) };
        let other = paper.job.is_some_and(|job| job != self.job.id);
        if other || !self.office.sign(&self.key.id, self.job.id).await? {
            return Ok(());
        }
        paper.job = Some(self.job.id);
        self.office.keep(&self.key.id, &paper).await?;
        loop {
            let Some((subscription, version)) = self.current().await? else { return self.forget().await };
            let status = Status::of(&subscription);
            let checked = match status {
                Status::Off => return self.forget().await,
                Status::Requested | Status::Active => self.checked(&subscription, version).await,
            };
            let served = match checked {
                Ok(served) => served,
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Stop(Stop::Hopeless(text))) => return self.give_up(&text).await,
                Err(Halt::Stop(_)) => continue,
            };
            if status == Status::Requested {
                // Read before the Subscription becomes active: what is written once its author sees it active counts.
                let position = self.office.head();
                if !self.set("active", None, Some(version)).await? {
                    continue;
                }
                paper.position = position;
                self.office.keep(&self.key.id, &paper).await?;
            }
            match self.follow(&mut paper, &served).await {
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Stop(Stop::Changed)) | Ok(()) => {}
                Err(Halt::Stop(Stop::Replaced)) => return Ok(()),
                Err(Halt::Stop(Stop::Hopeless(text))) => return self.give_up(&text).await,
            }
        }
    }

    /// The Subscription as it is now, and its version.
    async fn current(&self) -> Result<Option<(Value, u64)>, Error> {
        let Some(version) = self.office.session.read(&self.key).await? else { return Ok(None) };
        let Some(body) = &version.body else { return Ok(None) };
        Ok(Some((fhir::json::parse(body)?, version.version)))
    }

    /// Reads what a version asks for, and tries the criteria once.
    async fn checked(&self, subscription: &Value, version: u64) -> Result<Served, Halt> {
        let wish = Wish::of(subscription).map_err(Stop::Hopeless)?;
        let settings = &self.office.settings;
        let endpoint = endpoint::check(settings, &wish.endpoint, wish.with_content).map_err(Stop::Hopeless)?;
        let author = self.office.record.author(&self.key, version).await?;
        self.office.may_be_told(&author, &wish).await?;
        match self.search(&author, &wish, Vec::new()).await {
            Ok(_) => Ok(Served { wish, endpoint, author }),
            Err(error) if is_temporary(&error) => Err(error.into()),
            Err(error) => Err(Stop::Hopeless(format!("The criteria cannot be searched by: {error}")).into()),
        }
    }

    /// The record as far as the author of the Subscription may be shown it at this moment.
    async fn reading_for(&self, author: &str) -> Result<Session, Error> {
        Ok(self.office.record.session(Client::reader_for(&self.office.record, author).await?))
    }

    async fn search(&self, author: &str, wish: &Wish, more: Vec<(String, String)>) -> Result<bool, Error> {
        let mut parameters = wish.criteria.clone();
        parameters.extend(more);
        parameters.push(("_count".to_owned(), "1".to_owned()));
        let request = SearchRequest { type_: Some(wish.type_), compartment: None, parameters, strict: true };
        let session = self.reading_for(author).await?;
        Ok(!session.search(&request).await?.matches.is_empty())
    }

    /// Follows the feed and notifies of what meets the criteria.
    async fn follow(&mut self, paper: &mut Paper, served: &Served) -> Result<(), Halt> {
        let end = served.wish.end.as_deref().and_then(|end| end.parse::<jiff::Timestamp>().ok());
        let end = end.map(jiff::Timestamp::as_microsecond);
        loop {
            self.stay().await?;
            if end.is_some_and(|end| end <= self.office.now()) {
                self.set("off", None, None).await?;
                return Ok(());
            }
            let behind = self.office.head().saturating_sub(paper.position);
            if behind > u64::try_from(self.office.settings.backlog).unwrap_or(u64::MAX) && paper.attempts > 0 {
                return Err(Stop::Hopeless(format!("The endpoint fell {behind} changes behind.")).into());
            }
            let changes = self.office.session.changes(paper.position, PAGE).await?;
            if changes.is_empty() {
                let _ = tokio::time::timeout(SLICE, self.head.changed()).await;
                continue;
            }
            self.tell(paper, served, &changes).await?;
        }
    }

    /// Deals with a page of changes. Notifications without content say only that something happened, so those of one
    /// page become one.
    async fn tell(&mut self, paper: &mut Paper, served: &Served, changes: &[FeedEntry]) -> Result<(), Halt> {
        let wish = &served.wish;
        let mut due = false;
        let mut changed = false;
        for entry in changes {
            if entry.key == self.key {
                changed = true;
            } else if self.concerns(served, entry).await? {
                if wish.with_content {
                    self.send(paper, served, Some(entry)).await?;
                    paper.position = entry.seq;
                    self.save(paper).await?;
                } else {
                    due = true;
                }
            }
        }
        if due {
            self.send(paper, served, None).await?;
        }
        paper.position = changes.last().map_or(paper.position, |entry| entry.seq);
        self.save(paper).await?;
        if changed { Err(Stop::Changed.into()) } else { Ok(()) }
    }

    async fn concerns(&self, served: &Served, entry: &FeedEntry) -> Result<bool, Error> {
        let wish = &served.wish;
        if entry.key.type_ != wish.type_ || entry.method == Method::Delete {
            return Ok(false);
        }
        self.search(&served.author, wish, vec![("_id".to_owned(), entry.key.id.clone())]).await
    }

    /// Sends one notification, however often it takes, for as long as whoever asked for it may be told. What it shows
    /// stands on the trail before it leaves.
    async fn send(&mut self, paper: &mut Paper, served: &Served, entry: Option<&FeedEntry>) -> Result<(), Halt> {
        let Served { wish, endpoint, author } = served;
        self.office.may_be_told(author, wish).await?;
        let mut resource = None;
        if let Some(entry) = entry {
            let version = self.reading_for(author).await?.vread(&entry.key, entry.version).await?;
            let Some(version) = version.filter(|version| version.body.is_some()) else { return Ok(()) };
            self.note(served, &version).await?;
            resource = version.body.map(|body| (version.key.to_string(), body));
        }
        loop {
            let content = resource.as_ref().map(|(name, body)| (name.as_str(), body.clone()));
            let turn = self.office.turn(&wish.endpoint);
            let sent = {
                let _turn = turn.lock().await;
                self.office.client.send(endpoint, wish, content).await
            };
            let Err(text) = sent else {
                paper.attempts = 0;
                return Ok(());
            };
            paper.attempts += 1;
            self.save(paper).await?;
            if paper.attempts >= self.office.settings.tries {
                return Err(Stop::Hopeless(format!("Given up after {} attempts. {text}", paper.attempts)).into());
            }
            self.pause(paper.attempts).await?;
            self.office.may_be_told(author, wish).await?;
        }
    }

    /// Puts on the trail what is about to leave, and where it goes.
    async fn note(&self, served: &Served, version: &Version) -> Result<(), Error> {
        let caller = Caller { actor: served.author.clone(), ..Caller::system("HOPERAT") };
        // The rest of an address may hold a secret.
        let host = served.endpoint.host().unwrap_or_default();
        let (key, number) = (&version.key, version.version);
        let detail = format!("{key}/_history/{number} by {} to {host}", self.key);
        let patients = version.patients(&self.office.record.settings().own);
        self.office.record.note(&caller, Note { detail, patients, ..Note::new(Act::Export) }).await
    }

    /// Waits after a failure, twice as long as after the one before.
    async fn pause(&mut self, attempts: u32) -> Result<(), Halt> {
        let doubled = self.office.settings.first_wait.saturating_mul(1 << attempts.saturating_sub(1).min(20));
        let mut rest = doubled.min(LONGEST);
        while !rest.is_zero() {
            let slice = rest.min(SLICE);
            tokio::time::sleep(slice).await;
            rest -= slice;
            self.stay().await?;
            // Whoever corrects or ends the Subscription need not wait for the next attempt.
            match self.current().await? {
                Some((subscription, _)) if Status::of(&subscription) == Status::Active => {}
                _ => return Err(Stop::Changed.into()),
            }
        }
        Ok(())
    }

    /// Says now and then that the worker is still there.
    async fn stay(&mut self) -> Result<(), Error> {
        let now = self.office.now();
        if now >= self.until - LEASE / 2 {
            self.until = now + LEASE;
            self.office.record.jobs(QUEUE).again(self.job, self.until).await?;
        }
        Ok(())
    }

    /// Keeps how far the Subscription has been served, unless another worker has it.
    async fn save(&self, paper: &Paper) -> Result<(), Halt> {
        match self.office.paper(&self.key.id).await? {
            Some(kept) if kept.job == Some(self.job.id) => Ok(self.office.keep(&self.key.id, paper).await?),
            _ => Err(Stop::Replaced.into()),
        }
    }

    async fn forget(&self) -> Result<(), Error> {
        let record: &Record = &self.office.record;
        // The signature goes first: left behind alone, it would keep the Subscription from ever being served again.
        record.drawer(super::SIGNED).remove(&self.key.id).await?;
        record.drawer(super::DRAWER).remove(&self.key.id).await
    }

    /// Gives the Subscription up for all to see.
    async fn give_up(&self, text: &str) -> Result<(), Error> {
        tracing::error!(subscription = self.key.id, reason = text, "a subscription is given up");
        self.set("error", Some(text), None).await?;
        self.forget().await
    }

    /// Sets status and error of the Subscription. `false` when it is no longer at the version given.
    async fn set(&self, status: &str, error: Option<&str>, only: Option<u64>) -> Result<bool, Error> {
        for _ in 0..EDITS {
            let Some((mut subscription, version)) = self.current().await? else { return Ok(false) };
            if only.is_some_and(|only| only != version) {
                return Ok(false);
            }
            let members = subscription.as_object_mut().ok_or_else(|| Error::fault("a stored resource is no object"))?;
            members.insert("status", status);
            match error {
                Some(text) => members.insert("error", text),
                None => members.remove(&"error"),
            };
            let target = Target::Key(self.key.clone());
            let action = Action::Update { target, resource: subscription, if_match: Some(version), if_absent: false };
            match self.office.session.transact(vec![Change::new(action)]).await {
                Ok(_) => return Ok(true),
                Err(refusal)
                    if matches!(refusal.error.category(), Category::Conflict | Category::PreconditionFailed) => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Ok(false)
    }
}

impl Office {
    /// Refuses to serve whoever may not, or no longer, read what they ask to be told of.
    async fn may_be_told(&self, author: &str, wish: &Wish) -> Result<(), Halt> {
        let permitted = match author.strip_prefix("client/") {
            // An import by whoever runs the platform.
            None => author == Caller::system("").actor,
            Some("anyone") if self.settings.anyone => true,
            Some(id) => {
                let client = Client::known(&self.record, id).await?.filter(|client| !client.disabled);
                let scopes = client.map(|client| Scopes::parse(&client.scope)).transpose()?;
                let may = |scopes: &Scopes, what| scopes.allow(Level::System, what, Some(wish.type_));
                scopes
                    .is_some_and(|scopes| [Permission::Read, Permission::Search].iter().all(|what| may(&scopes, *what)))
            }
        };
        if permitted {
            return Ok(());
        }
        let text = format!("Whoever wrote this may not read and search resources of type {}.", wish.type_);
        Err(Stop::Hopeless(text).into())
    }
}

/// Whether the same search may succeed later.
fn is_temporary(error: &Error) -> bool {
    matches!(error.category(), Category::Busy | Category::Unavailable | Category::Fault)
}
