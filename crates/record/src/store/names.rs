//! Numbers for words, and rids for names, as far as this process has met them. Both mappings never change
//! once they are committed, so what is remembered here stays true in every process.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

/// What a numbered word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A search parameter of a type, such as `Observation.code`.
    Param,
    /// A code system or identifier system.
    System,
    /// An actor or a purpose.
    Actor,
}

impl Kind {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Param => 1,
            Self::System => 2,
            Self::Actor => 3,
        }
    }
}

/// More words than this are not remembered but looked up, so that a hostile sender cannot fill the memory.
const WORDS: usize = 100_000;

/// Names whose rid is remembered.
const PLACES: usize = 100_000;

/// What a name stands for: the number of the resource and the shard it lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rid: i64,
    /// Where the resource was when this was read. It may have moved since, so a miss there is looked up again.
    pub(crate) home: i32,
}

/// A name as it stands in the locator: the number of the type (0 for a URL) and the id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) type_: i64,
    pub(crate) id: Box<str>,
}

/// What this process has met.
pub(crate) struct Names {
    words: RwLock<FxHashMap<(Kind, Box<str>), i64>>,
    places: Mutex<LruCache<Address, Place>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            words: RwLock::default(),
            places: Mutex::new(LruCache::new(NonZeroUsize::new(PLACES).expect("not zero"))),
        }
    }

    pub(crate) fn word(&self, kind: Kind, text: &str) -> Option<i64> {
        // A borrowed pair cannot be looked up among owned ones; the allocation is small beside the statement it saves.
        self.words.read().get(&(kind, Box::from(text))).copied()
    }

    pub(crate) fn learn_word(&self, kind: Kind, text: &str, number: i64) {
        let mut words = self.words.write();
        if words.len() < WORDS {
            words.insert((kind, text.into()), number);
        }
    }

    pub(crate) fn place(&self, address: &Address) -> Option<Place> {
        self.places.lock().get(address).copied()
    }

    pub(crate) fn learn_place(&self, address: Address, place: Place) {
        self.places.lock().put(address, place);
    }
}

/// The shard of a name: FNV-1a over `Type/id`, folded to 31 bits so that it is a plain positive number everywhere.
/// It is stored, so it can never change. <https://www.rfc-editor.org/rfc/rfc9923>
pub(crate) fn shard_of(name: &str) -> i32 {
    shard_of_parts([name.as_bytes()])
}

/// The same of a name that lies in several parts.
pub(crate) fn shard_of_parts<const N: usize>(parts: [&[u8]; N]) -> i32 {
    let hash = parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let folded = (hash >> 32) ^ hash;
    i32::try_from(folded & 0x7fff_ffff).expect("31 bits fit")
}

/// The longest text an index can hold in both databases.
const INDEXED: usize = 500;

/// A text as it stands in an index: as it is, or cut and told apart by a digest when it is too long.
/// Beginnings stay comparable up to the cut.
pub(crate) fn indexed(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= INDEXED {
        return text.into();
    }
    use sha2::Digest;
    let mut cut = 400;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let digest = sha2::Sha256::digest(text.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}#{digest}", &text[..cut]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_a_name_never_changes() {
        assert_eq!(shard_of("Patient/1"), 462269460);
        assert_eq!(shard_of("Patient/张"), 1877983145);
    }

    #[test]
    fn long_texts_stay_different_and_short_ones_stay_themselves() {
        let long = "病".repeat(400);
        let longer = format!("{long}。");
        assert_eq!(indexed("短"), "短");
        assert_ne!(indexed(&long), indexed(&longer));
        assert!(indexed(&long).len() <= INDEXED);
    }
}
