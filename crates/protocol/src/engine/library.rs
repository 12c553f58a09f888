//! The protocols there are.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::Protocol;

/// Protocols by code and version. Cheap to clone; all clones are the same library.
#[derive(Clone, Default)]
pub struct Library(Arc<RwLock<BTreeMap<String, Vec<Arc<Protocol>>>>>);

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
        let versions = shelves.entry(protocol.code.to_string()).or_default();
        versions.retain(|known| known.version != protocol.version);
        versions.push(Arc::new(protocol));
        versions.sort_by(|one, other| in_order(&one.version, &other.version));
    }

    /// One version of a protocol, or the latest.
    pub fn get(&self, code: &str, version: Option<&str>) -> Option<Arc<Protocol>> {
        let shelves = self.0.read();
        let mut versions = shelves.get(code)?.iter();
        match version {
            Some(version) => versions.find(|protocol| protocol.version == version),
            None => versions.next_back(),
        }
        .cloned()
    }

    /// The latest version of each protocol, by code.
    pub fn latest(&self) -> Vec<Arc<Protocol>> {
        self.0.read().values().filter_map(|versions| versions.last().cloned()).collect()
    }

    /// Every version of every protocol.
    pub fn all(&self) -> Vec<Arc<Protocol>> {
        self.0.read().values().flatten().cloned().collect()
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
