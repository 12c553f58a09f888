//! The trail: who did what to whose record, when, from which post and why. Written before the answer leaves.
//!
//! An [`Entry`] is one act: a read, a search, a transaction, a sign-in. The entries of transactions are committed with
//! them; all others are first written to the journal of their process, which outlives the process, and from there in
//! groups to the database. There every entry is a link of a [`chain`] of SM3 digests, the ends of the chains are
//! [sealed](seal) with SM2 at intervals and countersigned by other members, and [`verify`] finds what was changed,
//! left out, put in, put elsewhere or cut off.
//!
//! Entries name resources, people, posts and purposes. They hold no content of a resource, only its digest.

pub(crate) mod chain;
pub(crate) mod entry;
pub(crate) mod event;
mod index;
mod journal;
mod seal;
mod shape;
mod table;
mod verify;
mod view;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fhir::search::OwnAddresses;
use fhir::{Category, Error, IssueCode};
use futures_util::FutureExt;
use tokio::sync::Notify;

pub use entry::{Act, Outcome};
pub use seal::{Countersignature, Seal, SealKey};
pub use verify::Verified;

use crate::history::HistoryPage;
use crate::search::{SearchPage, SearchRequest};
use crate::store::{Inner, Record};
use crate::transact::Refusal;
use crate::transact::commit::{Noted, Work, WorkContent};
use crate::{Caller, FeedEntry, HistoryScope, Key, Relation, Session, Standing, Version};
use entry::{Entry, Item};
use journal::Journal;

pub(crate) use chain::link;
pub(crate) use event::{is_on_the_trail, is_sought};
pub(crate) use index::{ASK_TRAY, EMPTY_TRAY, file_at_once, is_full, tray_of};
pub(crate) use table::{ASK_END, End, append, chain_of, ended, put_at_once, reach, reached};

/// How the trail is kept.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// Where this process keeps the journal of what is not in the database yet, and the key of its seals. Without it
    /// every read waits until its entry is in the database, and nothing is sealed.
    pub folder: Option<PathBuf>,
    /// How long entries gather in the journal before they go to the database together.
    pub gather: Duration,
    /// Entries that may wait in the journal. Above that nothing is shown any more.
    pub waiting: usize,
    /// What this institution is called on its seals.
    pub institution: String,
    /// The file of the private key of its seals; without it `seal.key` in the folder above. Made where there is none.
    pub key: Option<PathBuf>,
    /// How often the ends of the chains are sealed.
    pub seal_every: Duration,
    /// Members who countersign: what they are called, and their public keys.
    pub members: Vec<(String, SealKey)>,
    /// Keeps no trail, to measure what it costs. A record made so says so for ever, and none that has a trail opens.
    #[doc(hidden)]
    pub unaudited: bool,
}

impl AuditSettings {
    /// The defaults.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            gather: Duration::from_millis(200),
            waiting: 200_000,
            institution: "qingshan".to_owned(),
            key: None,
            seal_every: Duration::from_secs(3_600),
            members: Vec::new(),
            unaudited: false,
        }
    }
}

/// Something that happened outside the verbs of a session: a sign-in, a refusal at a door, an export.
#[derive(Debug, Clone)]
pub struct Note {
    /// What was done or tried.
    pub act: Act,
    /// What came of it.
    pub outcome: Outcome,
    /// From where: an address on the network, or nothing.
    pub origin: String,
    /// What else there is to say, in codes or names; never a secret, never content of a resource.
    pub detail: String,
    /// Ids of the patients it is about.
    pub patients: Vec<String>,
}

impl Note {
    /// Something that was done.
    pub fn new(act: Act) -> Self {
        Self { act, outcome: Outcome::Done, origin: String::new(), detail: String::new(), patients: Vec::new() }
    }
}

/// Where the entries of this process go.
pub(crate) struct Trail {
    /// Without a folder there is none, and entries go straight to the database.
    journal: Option<Journal>,
    /// Only one group is on its way from the journal to the database at a time.
    moving: tokio::sync::Mutex<()>,
    wake: Arc<Notify>,
    kept: bool,
}

impl Trail {
    pub(crate) fn open(settings: &AuditSettings, name: &str) -> Result<Self, Error> {
        let journal = match &settings.folder {
            Some(folder) if !settings.unaudited => Some(Journal::open(folder, name, settings.waiting)?),
            _ => None,
        };
        Ok(Self { journal, moving: tokio::sync::Mutex::default(), wake: Arc::default(), kept: !settings.unaudited })
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        // Whoever moves entries finds the record gone and ends.
        self.wake.notify_one();
    }
}

impl Caller {
    /// Whether this is the platform at its own work. What it reads, such as to follow the feed, is shown to nobody by
    /// itself, so only whom it is shown to stands on the trail. What it writes does as well.
    pub(crate) fn is_platform(&self) -> bool {
        self.standing == Standing::System && self.reads_for_the_platform()
    }

    /// The same, also where the platform reads no more than a machine may be shown for which it does: whoever lets that have
    /// it notes it.
    pub(crate) fn reads_for_the_platform(&self) -> bool {
        self.standing.is_no_person() && self.actor == Self::system("").actor
    }
}

impl Record {
    /// Writes down what happened outside the verbs of a session. When this returns, it outlives the process.
    ///
    /// Fails with [`Category::Unavailable`] when it cannot be written down; then whatever it is about must not be
    /// answered.
    pub async fn note(&self, caller: &Caller, note: Note) -> Result<(), Error> {
        let mut entry = Entry::new(caller, note.act, self.surroundings().clock.now());
        entry.outcome = note.outcome;
        entry.origin = note.origin;
        entry.detail = note.detail;
        entry.patients = note.patients;
        let opened = note.act == Act::Emergency && note.outcome == Outcome::Done;
        entry.allowed_by(opened.then_some(Relation::Emergency));
        self.write_down(caller, entry).await
    }

    async fn write_down(&self, caller: &Caller, entry: Entry) -> Result<(), Error> {
        let trail = self.trail();
        if !trail.kept {
            return Ok(());
        }
        let bytes = entry.into_bytes();
        match &trail.journal {
            Some(journal) => {
                journal.append(&bytes).await?;
                trail.wake.notify_one();
                Ok(())
            }
            // Boxed, so that no verb carries the state of a write along, which its entry mostly does not need.
            None => {
                let noted = Noted { entries: vec![(0, bytes.into())], journal: None };
                self.put_on_the_trail(caller, noted).boxed().await
            }
        }
    }

    async fn put_on_the_trail(&self, caller: &Caller, noted: Noted) -> Result<(), Error> {
        let work = Work {
            caller: Arc::new(caller.clone()),
            sight: None,
            keeps_runs: false,
            origin: None,
            content: WorkContent::Noted(noted),
        };
        match self.submit(work, self.catalog()).await {
            Ok(_) => Ok(()),
            Err(refusal) => {
                let text = "What was asked for cannot be written down at the moment, so it cannot be answered.";
                Err(Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(refusal.error))
            }
        }
    }

    /// Brings everything noted so far into the database.
    pub async fn settle(&self) -> Result<(), Error> {
        let trail = self.trail();
        let Some(journal) = &trail.journal else { return Ok(()) };
        let _turn = trail.moving.lock().await;
        // What is noted meanwhile gathers again: while many read there is always something, and a few entries at a time
        // cost the database nearly as much as thousands.
        let until = journal.last();
        let mut moved = 0;
        while moved < until
            && let Some(noted) = journal.waiting()
        {
            moved = noted.entries.last().map_or(until, |(end, _)| *end);
            self.put_on_the_trail(&Caller::system("HOPERAT"), noted).await?;
            journal.moved(moved)?;
        }
        Ok(())
    }

    /// Takes over the journals of processes that are gone, and goes on to move this one's for as long as it is open.
    pub(crate) async fn keep_trail(&self) -> Result<(), Error> {
        if !self.trail().kept {
            return table::forgo(self).await;
        }
        let Some(journal) = &self.trail().journal else { return Ok(()) };
        let left = journal.left_behind()?;
        for file in &left {
            for noted in file.waiting() {
                self.put_on_the_trail(&Caller::system("HOPERAT"), noted).await?;
            }
        }
        for file in &left {
            file.remove()?;
        }
        // All files go first: without them, how far a journal was moved is never asked again.
        for files in left.chunk_by(|one, next| one.name() == next.name()) {
            table::forget_journal(self, files[0].name()).await?;
        }
        let gather = self.settings().audit.gather;
        tokio::spawn(move_along(self.weak(), Arc::clone(&self.trail().wake), gather));
        Ok(())
    }
}

async fn move_along(record: Weak<Inner>, wake: Arc<Notify>, gather: Duration) {
    loop {
        wake.notified().await;
        tokio::time::sleep(gather).await;
        let Some(record) = Record::upgrade(&record) else { return };
        if let Err(error) = record.settle().await {
            tracing::warn!(%error, "noted reads could not be brought into the database; it is tried again");
            wake.notify_one();
            tokio::time::sleep(gather * 5).await;
        }
    }
}

/// What a verb of a session answered, as far as the trail tells of it.
pub(crate) trait Shown {
    fn tell(&self, entry: &mut Entry, own: &OwnAddresses);
}

impl Shown for Option<Version> {
    fn tell(&self, entry: &mut Entry, own: &OwnAddresses) {
        if let Some(version) = self {
            entry.count = 1;
            entry.saw(version, own);
            if let [item] = &mut entry.items[..] {
                item.version = version.version;
            }
        } else {
            // There is no such thing, or none for this caller; which of the two, nobody is told.
            entry.outcome = Outcome::Refused;
        }
    }
}

impl Shown for SearchPage {
    fn tell(&self, entry: &mut Entry, own: &OwnAddresses) {
        entry.count = (self.matches.len() + self.included.len()) as u64;
        self.matches.iter().chain(&self.included).for_each(|version| entry.saw(version, own));
    }
}

impl Shown for HistoryPage {
    fn tell(&self, entry: &mut Entry, own: &OwnAddresses) {
        entry.count = self.versions.len() as u64;
        self.versions.iter().for_each(|version| entry.saw(version, own));
    }
}

impl Shown for Vec<FeedEntry> {
    fn tell(&self, entry: &mut Entry, _: &OwnAddresses) {
        entry.count = self.len() as u64;
    }
}

impl Session {
    /// Writes down what the caller did, or was refused, outside the verbs of a session: see [`Record::note`].
    pub async fn note(&self, note: Note) -> Result<(), Error> {
        let mut note = note;
        if let Some(origin) = self.origin.as_deref().filter(|_| note.origin.is_empty()) {
            note.origin = origin.to_owned();
        }
        self.record.note(&self.caller, note).await
    }

    /// Writes down what a verb was asked, what it answered and by which relation, and only then lets the answer go.
    pub(crate) async fn witness<T: Shown>(
        &self,
        act: Act,
        item: Option<Item>,
        detail: String,
        by: Option<Relation>,
        answer: Result<T, Error>,
    ) -> Result<T, Error> {
        if self.caller.reads_for_the_platform() {
            return answer;
        }
        let mut entry = Entry::new(&self.caller, act, self.record.surroundings().clock.now());
        entry.came_from(self.origin.as_deref());
        entry.items.extend(item);
        entry.detail = detail;
        entry.allowed_by(by);
        match &answer {
            Ok(shown) => {
                shown.tell(&mut entry, &self.record.settings().own);
                self.record.write_down(&self.caller, entry).await?;
            }
            Err(error) => self.witness_failure(entry, error).await,
        }
        answer
    }

    /// Writes down that a transaction was refused. One that was made stands on the trail already, committed with it.
    pub(crate) async fn witness_refusal(&self, refusal: Refusal, changes: usize) -> Refusal {
        let mut entry = Entry::new(&self.caller, Act::Transact, self.record.surroundings().clock.now());
        entry.came_from(self.origin.as_deref());
        entry.count = changes as u64;
        self.witness_failure(entry, &refusal.error).await;
        refusal
    }

    /// Writes down that somebody was refused before it came to what they asked for.
    pub(crate) async fn witness_request(&self, refusal: Error) -> Error {
        let mut entry = Entry::new(&self.caller, Act::Request, self.record.surroundings().clock.now());
        entry.came_from(self.origin.as_deref());
        self.witness_failure(entry, &refusal).await;
        refusal
    }

    /// Whoever is shown nothing is told why, also when that cannot be written down: the reason is mostly the same.
    async fn witness_failure(&self, mut entry: Entry, failure: &Error) {
        entry.outcome = Outcome::of(failure);
        if let Err(error) = self.record.write_down(&self.caller, entry).await {
            tracing::warn!(%error, "a refusal could not be written down");
        }
    }
}

/// What a search asked for, as it was asked.
pub(crate) fn asked(request: &SearchRequest) -> String {
    let mut asked = String::new();
    if let Some(compartment) = &request.compartment {
        asked = format!("{compartment}/");
    }
    asked.push_str(request.type_.map_or("*", |type_| type_.name()));
    for (at, (name, value)) in request.parameters.iter().enumerate() {
        asked.push(if at == 0 { '?' } else { '&' });
        asked.push_str(name);
        asked.push('=');
        asked.push_str(value);
    }
    // A query of many thousand values says no more about its purpose than its beginning.
    if asked.len() > ASKED {
        let cut = (0..=ASKED).rev().find(|at| asked.is_char_boundary(*at)).unwrap_or_default();
        asked.truncate(cut);
    }
    asked
}

/// Bytes of a query that are kept.
const ASKED: usize = 1_000;

/// Whose history was asked for.
pub(crate) fn asked_history(scope: &HistoryScope) -> (Option<Item>, String) {
    match scope {
        HistoryScope::System => (None, "*".to_owned()),
        HistoryScope::Type(type_) => (None, type_.to_string()),
        HistoryScope::Instance(key) => (Some(Item::of(key)), String::new()),
    }
}

impl Item {
    pub(crate) fn of(key: &Key) -> Self {
        Self { key: key.clone(), version: 0, method: None, digest: None, patients: Vec::new() }
    }

    /// A version that was shown or written.
    pub(crate) fn shown(version: &Version, own: &OwnAddresses) -> Self {
        let mut item = Self { version: version.version, ..Self::of(&version.key) };
        version.name_patients(own, &mut item.patients);
        item
    }
}
