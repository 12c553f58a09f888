//! Versions kept in memory where other processes write as well. A version never changes once it is written, whoever writes
//! the next; which one is the current one is not known from here.

use lru::LruCache;
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;

use crate::{Key, Version};

/// What a version takes besides its body and its id, roughly, in bytes.
const FRAME: usize = 250;

pub(crate) struct Past(Mutex<Kept>);

struct Kept {
    versions: LruCache<(Key, u64), Version, FxBuildHasher>,
    /// Bytes that are held, and how many there may be.
    held: usize,
    most: usize,
}

impl Past {
    /// Room for so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(Kept { versions: LruCache::unbounded_with_hasher(FxBuildHasher), held: 0, most }))
    }

    /// A version, if it is here.
    pub(crate) fn get(&self, key: &Key, version: u64) -> Option<Version> {
        self.0.lock().versions.get(&(key.clone(), version)).cloned()
    }

    /// Keeps a version that is committed.
    pub(crate) fn put(&self, version: &Version) {
        let mut kept = self.0.lock();
        let size = size(version);
        if size > kept.most / 16 {
            return;
        }
        kept.held += size;
        if let Some(before) = kept.versions.put((version.key.clone(), version.version), version.clone()) {
            kept.held -= self::size(&before);
        }
        while kept.held > kept.most
            && let Some((_, last)) = kept.versions.pop_lru()
        {
            kept.held -= self::size(&last);
        }
    }
}

fn size(version: &Version) -> usize {
    FRAME + 2 * version.key.id.len() + version.body.as_ref().map_or(0, bytes::Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, ResourceType};

    fn version(number: u64, length: usize) -> Version {
        let key = Key::new(ResourceType::named("Patient").unwrap(), "a");
        Version { key, version: number, at: 0, method: Method::Update, body: Some(vec![b' '; length].into()) }
    }

    #[test]
    fn each_version_is_kept_by_itself_and_those_not_asked_for_longest_make_room() {
        let past = Past::new(16_000);
        (1..=20).for_each(|number| past.put(&version(number, 700)));
        let key = version(1, 0).key;
        assert!(past.get(&key, 1).is_none() && past.get(&key, 21).is_none());
        assert!((7..=20).all(|number| past.get(&key, number).is_some_and(|found| found.version == number)));
        past.put(&version(30, 2_000));
        assert!(past.get(&key, 30).is_none(), "one that is large leaves the others their room");
        assert!(past.0.lock().held <= 16_000);
    }
}
