//! Who may be told that something changed, for many callers at once.

use fhir::Error;

use super::sight::{Act, Facts, Held};
use crate::store::reads;
use crate::{Key, Session};

/// What decides who may see one version, as it stood at one moment: found once, then held against many callers.
///
/// It is for telling *that* a resource changed to whoever may see it. What it says has to be read through a session, which
/// asks anew and notes the reading on the trail.
#[derive(Debug)]
pub struct Openness {
    /// Of the version and of the current one: a label put on later covers what was before.
    facts: Vec<Facts>,
    /// The ties that held of its patients and of itself.
    ties: Vec<Held>,
}

impl Session {
    /// What decides now who may see a version; `None` when there is no such version.
    pub async fn openness(&self, key: &Key, version: u64) -> Result<Option<Openness>, Error> {
        let now = self.record.surroundings().clock.now();
        let mut rows = self.record.reader_by_key().await?;
        let Some(rid) = self.record.rid(&mut rows, key).await? else { return Ok(None) };
        let Some(facts) = reads::beside(&mut rows, key.type_, rid, version).await? else { return Ok(None) };
        let ties = super::ties_of(&mut rows, &facts, now).await?;
        Ok(Some(Openness { facts, ties }))
    }

    /// Whether the caller may be told of it. Nothing is shown, so the trail is told nothing.
    pub async fn may_be_told(&self, openness: &Openness) -> Result<bool, Error> {
        let Some(sight) = self.sight().await? else { return Ok(true) };
        Ok(openness.facts.iter().all(|facts| sight.allows(Act::Read, facts, &openness.ties)))
    }
}
