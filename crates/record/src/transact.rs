//! Changes, all or none. <http://hl7.org/fhir/R4/http.html#transaction>

use std::sync::Arc;

use fhir::{Error, Value};

use crate::{Key, ResourceType, Session, Version};

/// One change of a transaction.
#[derive(Debug, Clone)]
pub struct Change {
    /// `Bundle.entry.fullUrl`, by which other changes of the same transaction may refer to this one.
    pub full_url: Option<String>,
    /// What is to be done.
    pub action: Action,
}

impl Change {
    /// A change nobody refers to.
    pub fn new(action: Action) -> Self {
        Self { full_url: None, action }
    }
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Action {
    /// Store under a new id. <http://hl7.org/fhir/R4/http.html#create>
    Create {
        /// The resource; an id in it is ignored.
        resource: Value,
        /// Only if nothing matches this query (`If-None-Exist`).
        if_none_exist: Option<String>,
    },
    /// Store under a known id, or where exactly one match is. <http://hl7.org/fhir/R4/http.html#update>
    Update {
        /// Which resource.
        target: Target,
        /// Its new content.
        resource: Value,
        /// Only if this is the current version (`If-Match`).
        if_match: Option<u64>,
        /// Only if there is no such resource yet (`If-None-Match: *`).
        if_absent: bool,
    },
    /// Change in part. <http://hl7.org/fhir/R4/http.html#patch>
    Patch {
        /// Which resource.
        target: Target,
        /// The change.
        patch: Patch,
        /// Only if this is the current version (`If-Match`).
        if_match: Option<u64>,
    },
    /// Delete. <http://hl7.org/fhir/R4/http.html#delete>
    Delete {
        /// Which resource.
        target: Target,
        /// Only if this is the current version (`If-Match`).
        if_match: Option<u64>,
    },
}

/// Which resource a change is about.
#[derive(Debug, Clone)]
pub enum Target {
    /// The one of that name.
    Key(Key),
    /// The one that matches a search: type and query string without `?`.
    Query(ResourceType, String),
}

/// A change in part.
#[derive(Debug, Clone)]
pub enum Patch {
    /// JSON Patch, RFC 6902.
    Json(Value),
    /// FHIRPath Patch, a Parameters resource. <http://hl7.org/fhir/R4/fhirpatch.html>
    FhirPath(Value),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// There is a resource where there was none (or only a deleted one).
    Created,
    /// There is a new version.
    Updated,
    /// It is deleted now.
    Deleted,
    /// Nothing had to be done: a conditional create found its match, or there was nothing to delete.
    Unchanged,
}

/// The answer to one change.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What became of it.
    pub effect: Effect,
    /// The version made, or the one found; `None` when there was nothing to delete.
    pub version: Option<Version>,
}

/// Why nothing was changed, and by which of the changes.
#[derive(Debug)]
pub struct Refusal {
    /// The position of the change that was refused, from 0; `None` when the whole failed.
    pub change: Option<usize>,
    /// Why.
    pub error: Error,
}

impl Refusal {
    /// Whether others changed the same meanwhile, or had made what was to be made: who reads again may succeed.
    pub fn is_overtaken(&self) -> bool {
        self.error.category() == fhir::Category::PreconditionFailed
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { change: None, error }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

mod barred;
pub(crate) mod commit;
pub(crate) mod kept;
pub(crate) mod links;
mod permit;
pub(crate) mod prepare;
mod resolve;
mod self_made;
mod written;

use commit::{Work, WorkContent};

use crate::access::sight::Sight;
use crate::store::{Catalog, Tools};

pub(crate) async fn run(
    session: &Session,
    sight: Option<Arc<Sight>>,
    changes: Vec<Change>,
) -> Result<Vec<Applied>, Refusal> {
    let record = &session.record;
    let most = record.settings().limits.transaction_entries;
    if changes.len() > most {
        let text = format!("A transaction holds at most {most} changes; this one has {}.", changes.len());
        return Err(Error::new(fhir::Category::TooLarge, fhir::IssueCode::TooLong, text).into());
    }
    prepare::refuse_same_name(&changes)?;
    let catalog = record.catalog();
    let content = if prepare::needs_lookup(&changes) {
        WorkContent::Late(changes)
    } else if changes.len() <= AT_ONCE {
        ready(record.tools(), &catalog, changes)?
    } else {
        let (tools, catalog) = (Arc::clone(record.tools()), Arc::clone(&catalog));
        tokio::task::spawn_blocking(move || ready(&tools, &catalog, changes)).await.map_err(Error::fault)??
    };
    let (caller, origin) = (Arc::clone(&session.caller), session.origin.clone());
    record.submit(Work { caller, sight, keeps_runs: session.keeps_runs, origin, content }, catalog).await
}

/// Larger transactions are prepared on a thread of their own, so that they hold up nobody's small one.
const AT_ONCE: usize = 16;

fn ready(tools: &Tools, catalog: &Catalog, changes: Vec<Change>) -> Result<WorkContent, Refusal> {
    let count = changes.len();
    Ok(WorkContent::Ready { operations: prepare::prepare_all(tools, catalog, changes)?, changes: count })
}
