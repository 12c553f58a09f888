//! An order for a bulk export, as it is kept.

use bytes::Bytes;
use fhir::Error;
use fhir::definitions::r4;
use record::{Record, ResourceType};
use serde::{Deserialize, Serialize};

use super::files;
use crate::settings::Export;

/// The drawer that holds the orders.
const DRAWER: &str = "export";

/// Whose resources are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scope {
    /// All there are.
    System,
    /// Those of patients.
    Patients,
    /// Those of the members of the Group of this id.
    Group(String),
}

impl Scope {
    /// Whether resources of a type can be in it.
    pub(super) fn can_hold(&self, type_: ResourceType) -> bool {
        *self == Self::System
            || type_.name() == "Patient"
            || r4()
                .compartments()
                .iter()
                .any(|compartment| compartment.code == "Patient" && !compartment.params_of(type_.name()).is_empty())
    }
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Nobody has begun, or somebody is at it.
    Waiting,
    /// All files are there.
    Done,
    /// It has been given up.
    Failed,
}

/// A file that is complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct File {
    /// The type of its resources.
    pub(super) type_: String,
    /// Its name in the order's directory.
    pub(super) name: String,
    /// How many resources it holds.
    pub(super) count: u64,
}

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Its name, which nobody can guess.
    pub(super) id: String,
    /// Who ordered; nobody else may see it.
    pub(super) actor: String,
    /// The address by which it was ordered.
    pub(super) request: String,
    /// Whose resources.
    pub(super) scope: Scope,
    /// Which types, in the order in which files are made.
    pub(super) types: Vec<String>,
    /// Only what was changed since.
    pub(super) since: Option<String>,
    /// When it was ordered, in microseconds since 1970: what is written later need not be in it.
    pub(super) at: i64,
    /// How far it is.
    pub(super) state: State,
    /// The files that are complete, one for each type that has been gone through.
    pub(super) files: Vec<File>,
    /// Resources written so far.
    pub(super) written: u64,
}

impl Order {
    /// The order of that name.
    pub(super) async fn load(record: &Record, id: &str) -> Result<Option<Self>, Error> {
        let Some(paper) = record.drawer(DRAWER).get(id).await? else { return Ok(None) };
        sonic_rs::from_slice(&paper).map(Some).map_err(Error::fault)
    }

    /// Keeps it as it is now.
    pub(super) async fn save(&self, record: &Record, settings: &Export) -> Result<(), Error> {
        let paper = sonic_rs::to_vec(self).map_err(Error::fault)?;
        // An order nobody finishes goes after as long a time again.
        let keep = i64::try_from(settings.keep.as_micros()).unwrap_or(i64::MAX).saturating_mul(2);
        let end = record.surroundings().clock.now().saturating_add(keep);
        record.drawer(DRAWER).put(&self.id, Bytes::from(paper), Some(end)).await
    }

    /// Takes it and its files away. A worker that is at it notices before its next page.
    pub(super) async fn forget(&self, record: &Record, settings: &Export) -> Result<(), Error> {
        record.drawer(DRAWER).remove(&self.id).await?;
        files::remove(settings, &self.id).await
    }
}
