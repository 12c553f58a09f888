//! A session: what one caller may do for one purpose.

use std::sync::Arc;

use bytes::Bytes;
use fhir::Error;
use fhir::search::OwnAddresses;
use futures_util::FutureExt;

use crate::access::sight::Sight;
use crate::access::{Relations, of_one_patient};
use crate::audit::{self, Act, Note, Outcome, entry::Item};
use crate::history::{HistoryPage, HistoryRequest};
use crate::search::{Pages, SearchPage, SearchRequest};
use crate::transact::{Applied, Change, Refusal};
use crate::{FeedEntry, Method, Record, Relation, ResourceType};

/// Who acts, and why. Stored with every version they make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A reference to the person, device or machine client, such as `Practitioner/7` or `client/lab`.
    pub actor: String,
    /// The purpose of use, a code of <http://terminology.hl7.org/CodeSystem/v3-ActReason>, such as `TREAT`.
    pub purpose: String,
    /// The caller's name for this request, to find it again in their own log.
    pub request: String,
    /// As what they act, which decides what they may see and do.
    pub standing: Standing,
}

/// As what someone acts. Everything the record shows or takes is held to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The platform itself: no rule about persons applies.
    System,
    /// A machine client, which is trusted with all its scopes name but what patients keep from it.
    Machine(Arc<Machine>),
    /// Someone on duty at the work centre they chose.
    Staff(Arc<Post>),
    /// A patient, or someone who acts for patients.
    Lay(Arc<Lay>),
}

impl Standing {
    /// Whether it is no person: the platform, or a machine that is trusted with all its scopes name.
    pub fn is_no_person(&self) -> bool {
        matches!(self, Self::System | Self::Machine(_))
    }
}

/// For whom a machine client works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// The id of the `Organization` whose it is; none for the consortium's own software. What patients keep from an
    /// institution they keep from its machines, and from those that may pass on to anybody what they are shown.
    pub organization: Option<String>,
}

/// The post from which a member of staff acts: one `PractitionerRole` that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The id of the `Practitioner`.
    pub practitioner: String,
    /// The id of the `PractitionerRole`.
    pub role: String,
    /// The id of the `Organization` it is held at.
    pub organization: String,
    /// Codes of what they do there, such as `doctor`; the access rules speak of these.
    pub duties: Vec<String>,
}

/// Someone who is not staff, and the people whose records they may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lay {
    /// Ids of the `Patient` resources that are this person.
    pub own: Vec<String>,
    /// Ids of the `Patient` resources of people they act for.
    pub charges: Vec<String>,
    /// Ids of the `RelatedPerson` resources that are this person, by which those people may shut them out.
    pub related: Vec<String>,
}

impl Caller {
    /// The platform itself, for a purpose.
    pub fn system(purpose: &str) -> Self {
        Self {
            actor: "Device/qingshan".to_owned(),
            purpose: purpose.to_owned(),
            request: String::new(),
            standing: Standing::System,
        }
    }
}

/// What was read, and by which relation.
fn apart(seen: Result<Option<(Version, Relation)>, Error>) -> (Result<Option<Version>, Error>, Option<Relation>) {
    match seen {
        Ok(Some((version, relation))) => (Ok(Some(version)), Some(relation)),
        Ok(None) => (Ok(None), None),
        Err(error) => (Err(error), None),
    }
}

/// The name of one resource: its type and its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The resource type.
    pub type_: ResourceType,
    /// The logical id.
    pub id: String,
}

impl Key {
    /// The name of a resource.
    pub fn new(type_: ResourceType, id: impl Into<String>) -> Self {
        Self { type_, id: id.into() }
    }

    /// The name that a reference to a resource of this record is, such as `Slot/7`; none when it is none.
    pub fn of(reference: &str) -> Option<Self> {
        let (type_, id) = reference.split_once('/')?;
        ResourceType::named(type_).filter(|_| Self::is_id(id)).map(|type_| Self::new(type_, id))
    }

    /// Whether the id has the shape FHIR gives ids. <http://hl7.org/fhir/R4/datatypes.html#id>
    pub fn is_id(id: &str) -> bool {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.type_, self.id)
    }
}

/// One version of one resource.
#[derive(Debug, Clone)]
pub struct Version {
    /// Which resource.
    pub key: Key,
    /// `meta.versionId`, from 1.
    pub version: u64,
    /// `meta.lastUpdated`, in microseconds since 1970-01-01T00:00:00Z, in whole milliseconds.
    pub at: i64,
    /// How this version came about.
    pub method: Method,
    /// The resource's JSON without white space; `None` when this version is a deletion.
    pub body: Option<Bytes>,
}

impl Version {
    /// The ids of the patients it names, each once, in a record that is known under these addresses.
    pub fn patients(&self, own: &OwnAddresses) -> Vec<String> {
        let mut patients = Vec::new();
        self.name_patients(own, &mut patients);
        patients
    }

    pub(crate) fn name_patients(&self, own: &OwnAddresses, into: &mut Vec<String>) {
        audit::entry::patients(own, &self.key, self.body.as_deref().unwrap_or_default(), into);
    }
}

/// What one caller may do for one purpose. Cheap to make; made anew for every request.
#[derive(Clone)]
pub struct Session {
    pub(crate) record: Record,
    pub(crate) caller: Arc<Caller>,
    /// From where on the network they ask, for the trail.
    pub(crate) origin: Option<Arc<str>>,
    /// Whether this session may write the Tasks of runs, and messages that call people.
    pub(crate) keeps_runs: bool,
}

impl Session {
    /// The same session, asked for from an address on the network.
    #[must_use]
    pub fn from_address(self, address: &str) -> Self {
        Self { origin: Some(address.into()), ..self }
    }

    /// The same session, for the parts of the platform that keep the Tasks of runs and call people; every other is refused to
    /// write such Tasks and messages.
    #[must_use]
    pub fn keeping_runs(self) -> Self {
        Self { keeps_runs: true, ..self }
    }

    /// Who acts.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The current version, which may be a deletion; `None` if there never was such a resource.
    pub async fn read(&self, key: &Key) -> Result<Option<Version>, Error> {
        let sight = self.sight().await?;
        let (found, by) = match (self.event(key), sight) {
            (Some(event), _) => (event.await, None),
            (None, None) => (self.record.store().read(key, None).await, None),
            // Boxed, so that what no rule about persons applies to is read with no more state than it needs.
            (None, Some(sight)) => apart(self.record.store().read_seen(key, None, &sight).boxed().await),
        };
        self.witness(Act::Read, Some(Item::of(key)), String::new(), by, found).await
    }

    /// One version, current or past.
    pub async fn vread(&self, key: &Key, version: u64) -> Result<Option<Version>, Error> {
        let sight = self.sight().await?;
        let (found, by) = match sight {
            None => (self.record.store().vread(key, version).await, None),
            Some(sight) => apart(self.record.store().read_seen(key, Some(version), &sight).await),
        };
        let asked = Item { version, ..Item::of(key) };
        self.witness(Act::Vread, Some(asked), String::new(), by, found).await
    }

    /// Versions, newest first. <http://hl7.org/fhir/R4/http.html#history>
    pub async fn history(&self, request: &HistoryRequest) -> Result<HistoryPage, Error> {
        let sight = self.sight().await?;
        let page = crate::history::page(&self.record, request, sight.as_deref()).await;
        let by = match (&sight, &page) {
            (Some(sight), Ok(page)) => {
                self.record.closest(sight, of_one_patient(self.own(), page.versions.iter())).await?
            }
            _ => None,
        };
        let (item, detail) = audit::asked_history(&request.scope);
        self.witness(Act::History, item, detail, by, page).await
    }

    /// Resources that match. <http://hl7.org/fhir/R4/search.html>
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchPage, Error> {
        let sight = self.sight().await?;
        // The platform copies what is stored, such as the AuditEvents of other systems; everybody else asks the trail.
        let page = match audit::is_sought(request) && !self.caller.reads_for_the_platform() {
            true => self.events(request).await,
            false => crate::search::run(&self.record, request, sight.as_deref()).await,
        };
        let by = match (&sight, &page) {
            (Some(sight), Ok(page)) => {
                let shown = page.matches.iter().chain(&page.included);
                self.record.closest(sight, of_one_patient(self.own(), shown)).await?
            }
            _ => None,
        };
        self.witness(Act::Search, None, audit::asked(request), by, page).await
    }

    /// The pages of a search, each asked for when it is wanted.
    pub fn pages(&self, request: SearchRequest) -> Pages {
        Pages::new(self.clone(), request)
    }

    /// How the database goes about a search, a text for each statement: for whoever looks after its indexes.
    #[doc(hidden)]
    pub async fn explain(&self, request: &SearchRequest) -> Result<Vec<String>, Error> {
        let sight = self.sight().await?;
        crate::search::explain(&self.record, request, sight.as_deref()).await
    }

    /// Makes the changes, all or none, and answers once they are durable. Answers stand in the order of the changes.
    ///
    /// References to another change's `full_url` and conditional references become references to what was stored.
    /// <http://hl7.org/fhir/R4/http.html#trules>
    pub async fn transact(&self, changes: Vec<Change>) -> Result<Vec<Applied>, Refusal> {
        let count = changes.len();
        let sight = self.sight().await?;
        match crate::transact::run(self, sight, changes).await {
            Ok(applied) => Ok(applied),
            Err(refusal) => Err(self.witness_refusal(refusal, count).await),
        }
    }

    /// What was changed after the position `after`, oldest first: the change feed, in commit order and without gaps.
    pub async fn changes(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        self.changes_of(&[], after, limit).await
    }

    /// The same for the platform itself, as far as this process has heard of it: what another wrote a moment ago is among it
    /// once [`Record::head`] has moved there. For those who follow the feed, and ask again when it does.
    pub async fn heard(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        self.heard_of(&[], after, limit).await
    }

    /// The same, of resources of these types alone; of all where none is named.
    pub(crate) async fn heard_of(
        &self,
        types: &[ResourceType],
        after: u64,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        match self.caller.is_platform() {
            true => self.record.heard(types, after, limit).await,
            false => self.changes_of(types, after, limit).await,
        }
    }

    /// What was changed after a position, of resources of these types alone; of all where none is named.
    pub(crate) async fn changes_of(
        &self,
        types: &[ResourceType],
        after: u64,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let sight = self.sight().await?;
        let changes = self.record.store().changes(types, after, limit, sight.as_deref()).await;
        // Followers ask again and again; being told that there is nothing new shows nothing.
        if changes.as_ref().is_ok_and(Vec::is_empty) {
            return changes;
        }
        self.witness(Act::Follow, None, format!("after {after}"), None, changes).await
    }

    /// How the caller stands to a patient: what opens the record to them, until when, and what else would. `None` when
    /// there is no such patient for them. Someone to whom no rule about persons applies stands in no relation.
    pub async fn relations(&self, patient: &Key) -> Result<Option<Relations>, Error> {
        let told = self.relations_untold(patient).await?;
        let outcome = if told.is_some() { Outcome::Done } else { Outcome::Refused };
        let detail = format!("{patient}/$relation");
        let patients = told.iter().map(|_| patient.id.clone()).collect();
        self.note(Note { outcome, detail, patients, ..Note::new(Act::Request) }).await?;
        Ok(told)
    }

    async fn relations_untold(&self, patient: &Key) -> Result<Option<Relations>, Error> {
        match self.sight().await? {
            Some(sight) => self.record.relations(&sight, patient).await,
            None => {
                let there = self.record.store().read(patient, None).await?.filter(|version| version.body.is_some());
                let (held, opened_by) = (Vec::new(), Vec::new());
                let open = Relations { held, closed: false, refused: false, opened_by, emergency: false };
                Ok(there.map(|_| open))
            }
        }
    }

    /// The addresses under which the record is known.
    pub(crate) fn own(&self) -> &OwnAddresses {
        &self.record.settings().own
    }

    /// What the caller may see and do now; none where no rule about persons applies.
    pub(crate) async fn sight(&self) -> Result<Option<Arc<Sight>>, Error> {
        match self.record.sight(&self.caller).await {
            Ok(sight) => Ok(sight),
            Err(refusal) => Err(self.witness_request(refusal).await),
        }
    }
}
