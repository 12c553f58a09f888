//! The protocols there are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::definition::{Protocol, StartKind};

/// Protocols by code and version. Cheap to clone; all clones are the same library.
#[derive(Clone, Default)]
pub struct Library(Arc<RwLock<Shelves>>);

#[derive(Default)]
struct Shelves {
    versions: BTreeMap<String, Vec<Arc<Protocol>>>,
    concerns: Arc<Concerns>,
}

/// The names of the types of which the protocols there are want to hear. It is asked for each change of the record, so it is
/// not sought in the protocols each time.
#[derive(Debug, Default)]
pub(super) struct Concerns {
    /// Of which a change can matter to any run there is or could be.
    pub(super) matter: BTreeSet<String>,
    /// Which runs are about.
    pub(super) focus: BTreeSet<String>,
    /// Of which a change begins runs.
    pub(super) begin: BTreeSet<String>,
    /// Whether any step could be completed by a fact that was there before it.
    pub(super) looks_back: bool,
}

impl Concerns {
    fn add(&mut self, protocol: &Protocol) {
        let facts = protocol.milestones.iter().flat_map(|one| &one.facts);
        let facts = facts.chain(protocol.steps.iter().filter_map(|step| step.fact.as_ref()));
        self.matter.extend(facts.map(|fact| fact.on.to_string()));
        self.matter.extend(protocol.starts.iter().filter_map(|start| start.on.as_ref()).map(ToString::to_string));
        let conditional = protocol.steps.iter().any(|step| step.when.is_some())
            || protocol.clocks.iter().any(|clock| clock.base.is_some());
        if conditional {
            self.matter.insert("Patient".to_owned());
            self.matter.extend(protocol.focus.iter().map(ToString::to_string));
            self.matter.extend(protocol.data.iter().filter_map(|data| data.query.split('?').next()).map(str::to_owned));
        }
        self.focus.extend(protocol.focus.iter().map(ToString::to_string));
        let events = protocol.starts.iter().filter(|start| start.by == StartKind::Event);
        self.begin.extend(events.filter_map(|start| start.on.as_ref()).map(ToString::to_string));
        self.looks_back |= protocol.steps.iter().any(|step| step.fact.is_some());
    }
}

impl Library {
    /// A library that holds these.
    pub fn with(protocols: impl IntoIterator<Item = Protocol>) -> Self {
        let library = Self::default();
        protocols.into_iter().for_each(|protocol| library.put(protocol));
        library
    }

    /// Puts a protocol in, in the place of one of the same code and version.
    pub fn put(&self, protocol: Protocol) {
        let mut shelves = self.0.write();
        let versions = shelves.versions.entry(protocol.code.to_string()).or_default();
        versions.retain(|known| known.version != protocol.version);
        versions.push(Arc::new(protocol));
        versions.sort_by(|one, other| in_order(&one.version, &other.version));
        let mut concerns = Concerns::default();
        shelves.versions.values().flatten().for_each(|protocol| concerns.add(protocol));
        shelves.concerns = Arc::new(concerns);
    }

    /// Of what they want to hear.
    pub(super) fn concerns(&self) -> Arc<Concerns> {
        Arc::clone(&self.0.read().concerns)
    }

    /// One version of a protocol, or the latest.
    pub fn get(&self, code: &str, version: Option<&str>) -> Option<Arc<Protocol>> {
        let shelves = self.0.read();
        let mut versions = shelves.versions.get(code)?.iter();
        match version {
            Some(version) => versions.find(|protocol| protocol.version == version),
            None => versions.next_back(),
        }
        .cloned()
    }

    /// The latest version of each protocol, by code.
    pub fn latest(&self) -> Vec<Arc<Protocol>> {
        self.0.read().versions.values().filter_map(|versions| versions.last().cloned()).collect()
    }

    /// Every version of every protocol.
    pub fn all(&self) -> Vec<Arc<Protocol>> {
        self.0.read().versions.values().flatten().cloned().collect()
    }
}

/// Versions in order: part by part, numbers as numbers, so that 10 comes after 9.
pub(crate) fn in_order(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| -> Vec<(Option<u64>, String)> {
        version.split(['.', '-']).map(|part| (part.parse().ok(), part.to_owned())).collect()
    };
    parts(one).cmp(&parts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_version_comes_after_the_ninth() {
        let version = |version: &str| Protocol { code: "x".into(), version: version.to_owned(), ..Protocol::default() };
        let library = Library::with(["1.10", "1.9", "1.2"].map(version));
        assert_eq!(library.get("x", None).unwrap().version, "1.10");
        assert!(library.get("x", Some("1.3")).is_none());
        assert_eq!(library.latest().len(), 1);
    }
}
