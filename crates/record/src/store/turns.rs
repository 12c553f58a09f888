//! What was written since something was read, by types: for whoever keeps in memory what follows from resources.

use std::sync::atomic::{AtomicU64, Ordering};

use fhir::Error;

use crate::{Record, ResourceType};

/// Changes looked at at a time.
const PAGE: usize = 500;

/// How often resources of each type were written, as far as this process knows.
pub(crate) struct Turns(Vec<AtomicU64>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self(std::iter::once(AtomicU64::new(0)).chain(ResourceType::all().map(|_| AtomicU64::new(0))).collect())
    }

    /// A resource of this type was written.
    pub(crate) fn turn(&self, type_: ResourceType) {
        if let Some(turns) = self.of(type_) {
            turns.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn of(&self, type_: ResourceType) -> Option<&AtomicU64> {
        usize::try_from(type_.number()).ok().and_then(|number| self.0.get(number))
    }
}

/// What was written after a position of the feed.
pub(crate) struct Since {
    /// The types, each with the last position at which one of it was written.
    pub(crate) types: Vec<(ResourceType, u64)>,
    /// The last position of all.
    pub(crate) to: u64,
}

impl Record {
    /// A number that becomes greater whenever a resource of one of these types is written: by this process before that is
    /// answered, by another as soon as this one hears of it. What was read after this was asked may be kept for as long as
    /// the number stays the same.
    pub fn turn(&self, types: &[ResourceType]) -> u64 {
        types.iter().filter_map(|type_| self.turns().of(*type_)).map(|turns| turns.load(Ordering::Acquire)).sum()
    }

    /// What was written after a position, as far as this process has heard of it.
    pub(crate) async fn written_since(&self, after: u64) -> Result<Since, Error> {
        let (mut types, mut to): (Vec<(ResourceType, u64)>, u64) = (Vec::new(), after);
        loop {
            // What followers are told is read once for all of them.
            let changes = self.heard(&[], to, PAGE).await?;
            for change in &changes {
                to = change.seq;
                match types.iter_mut().find(|(type_, _)| *type_ == change.key.type_) {
                    Some((_, last)) => *last = to,
                    None => types.push((change.key.type_, to)),
                }
            }
            if changes.len() < PAGE {
                return Ok(Since { types, to });
            }
        }
    }
}
