//! What of the trail is open to a caller who may not see the whole of it: what it tells of one patient.
//!
//! An entry is told when the rules open AuditEvents of the patient to the caller, as they would those of a resource that
//! no institution keeps and that bears no label. What an entry names is told only where it may be read. An entry about
//! nothing but what a sensitive label keeps from the caller is not told at all: that something was confided is as private
//! as what. One about what an institution keeps to itself is told without naming it.

use std::sync::Arc;

use fhir::Error;
use rustc_hash::FxHashMap;

use super::entry::{Entry, Item};
use crate::access;
use crate::access::sight::{Act, Facts, Held, Sight};
use crate::store::{Reader, reads};
use crate::{Key, ResourceType};

/// One caller's view of what the trail tells of one patient.
pub(super) struct View {
    sight: Arc<Sight>,
    patient: Key,
    subject: i64,
    /// Ties of the patient that hold.
    ties: Vec<Held>,
    /// Resources that entries named before.
    met: FxHashMap<Key, Named>,
}

/// How a resource that an entry names stands to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Open,
    /// It is the patient's, and a sensitive label keeps it from the caller.
    Sensitive,
    Hidden,
}

impl View {
    /// The view of a patient's entries, when the rules open them.
    pub(super) async fn of(rows: &mut Reader, sight: &Arc<Sight>, patient: &str) -> Result<Option<Self>, Error> {
        let patient = Key::new(ResourceType::parse("Patient")?, patient);
        let Some(place) = reads::place(rows, &patient).await? else { return Ok(None) };
        let type_ = ResourceType::parse("AuditEvent")?.number();
        let facts = Facts { rid: -1, type_, subject: place.rid, keeper: -1, label: 0 };
        let ties = access::ties(rows, &[place.rid], &[], sight.now).await?;
        let open = sight.allows(Act::Read, &facts, &ties);
        let sight = Arc::clone(sight);
        Ok(open.then(|| Self { sight, patient, subject: place.rid, ties, met: FxHashMap::default() }))
    }

    /// The id of the patient.
    pub(super) fn patient(&self) -> &str {
        &self.patient.id
    }

    /// Leaves of an entry what may be told; answers whether it is told at all.
    pub(super) async fn admit(&mut self, rows: &mut Reader, entry: &mut Entry) -> Result<bool, Error> {
        if !entry.is_about(self.patient()) {
            return Ok(false);
        }
        let (mut sensitive, mut others) = (false, false);
        let mut told: Vec<Item> = Vec::new();
        for item in std::mem::take(&mut entry.items) {
            match self.named(rows, &item.key).await? {
                Named::Open => told.push(item),
                Named::Sensitive => sensitive = true,
                Named::Hidden => others |= item.patients.contains(&self.patient.id),
            }
        }
        let telling = !sensitive || others || !told.is_empty();
        entry.items = told;
        // What was written names its patients beside each item, of which none may be left.
        entry.patients = vec![self.patient.id.clone()];
        Ok(telling)
    }

    async fn named(&mut self, rows: &mut Reader, key: &Key) -> Result<Named, Error> {
        if let Some(known) = self.met.get(key) {
            return Ok(*known);
        }
        let named = match reads::facts(rows, key).await? {
            Some(facts) => self.standing(&facts),
            None => Named::Hidden,
        };
        self.met.insert(key.clone(), named);
        Ok(named)
    }

    fn standing(&self, facts: &Facts) -> Named {
        let opens = |label: i64| self.sight.allows(Act::Read, &Facts { label, ..*facts }, &self.ties);
        // The ties of others are not known here, and nothing of theirs is told.
        if facts.subject != self.subject && facts.subject != 0 {
            return Named::Hidden;
        }
        let sensitive = facts.label & !self.sight.keeper_only();
        match opens(facts.label) {
            true => Named::Open,
            false if sensitive != 0 && !opens(sensitive) && opens(0) => Named::Sensitive,
            false => Named::Hidden,
        }
    }
}
