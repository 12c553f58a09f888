//! Current versions read lately, kept in memory while no other process can write to the record.
//!
//! What is on the shelf is what a reader would find at this moment: a group of writes takes what it replaced off the
//! shelf before anybody is told that it is written, and a version that was read before that cannot be put back after.
//! Where others can hear of a commit before the writer does, what it replaces comes down before it and stays down
//! until the writer knows how it ended.

use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault};

use lru::LruCache;
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};

use crate::store::names::Address;
use crate::{Key, ResourceType, Version};

/// Readers on different boards do not wait for each other.
const BOARDS: usize = 16;

/// What a version takes besides its body and its id, roughly, in bytes.
const FRAME: usize = 200;

pub(crate) struct Shelf {
    boards: [Mutex<Board>; BOARDS],
}

struct Board {
    versions: LruCache<Key, Version, FxBuildHasher>,
    /// Bytes on this board, and how many there may be.
    held: usize,
    most: usize,
    /// How often something was taken off because it was written.
    taken: u64,
    /// What is not put up for now, and how many writers want that.
    kept_down: FxHashMap<Key, u32>,
}

/// How things stood when a version was looked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Shelf {
    /// A shelf for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let board = |_| {
            let versions = LruCache::unbounded_with_hasher(FxBuildHasher);
            Mutex::new(Board { versions, held: 0, most: bytes / BOARDS, taken: 0, kept_down: FxHashMap::default() })
        };
        Self { boards: std::array::from_fn(board) }
    }

    /// The current version of a resource, or what to put it up with once it is read.
    pub(crate) fn look(&self, key: &Key) -> Result<Version, Stamp> {
        let mut board = self.board(key).lock();
        match board.versions.get(key) {
            Some(version) => Ok(version.clone()),
            None => Err(Stamp(board.taken)),
        }
    }

    /// Puts up a version that was read after `stamp`, unless something on its board was written since.
    pub(crate) fn put(&self, stamp: Stamp, version: &Version) {
        let mut board = self.board(&version.key).lock();
        let size = size(version);
        let is_old = board.taken != stamp.0 || board.kept_down.contains_key(&version.key);
        if is_old || size > board.most / 4 {
            return;
        }
        board.held += size;
        if let Some(before) = board.versions.put(version.key.clone(), version.clone()) {
            board.held -= self::size(&before);
        }
        while board.held > board.most
            && let Some((_, last)) = board.versions.pop_lru()
        {
            board.held -= self::size(&last);
        }
    }

    /// Takes down what has been written anew.
    pub(crate) fn take(&self, written: &[Address]) {
        for key in written.iter().filter_map(key) {
            self.board(&key).lock().take(&key);
        }
    }

    /// Takes down what is about to be written anew, and lets nobody put it up again until [`Shelf::let_up`].
    pub(crate) fn keep_down(&self, written: &[Address]) {
        for key in written.iter().filter_map(key) {
            let mut board = self.board(&key).lock();
            board.take(&key);
            *board.kept_down.entry(key).or_default() += 1;
        }
    }

    /// Ends what [`Shelf::keep_down`] began.
    pub(crate) fn let_up(&self, written: &[Address]) {
        for key in written.iter().filter_map(key) {
            let mut board = self.board(&key).lock();
            // Somebody may have read it before it was written, and put it up only now.
            board.take(&key);
            if let Entry::Occupied(mut kept) = board.kept_down.entry(key) {
                *kept.get_mut() -= 1;
                if *kept.get() == 0 {
                    kept.remove();
                }
            }
        }
    }

    /// Takes down everything.
    pub(crate) fn clear(&self) {
        for board in &self.boards {
            let mut board = board.lock();
            board.versions.clear();
            board.held = 0;
            board.taken += 1;
        }
    }

    fn board(&self, key: &Key) -> &Mutex<Board> {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(&key.id);
        &self.boards[usize::try_from(hash % BOARDS as u64).expect("a board's number is small")]
    }
}

impl Board {
    fn take(&mut self, key: &Key) {
        self.taken += 1;
        if let Some(before) = self.versions.pop(key) {
            self.held -= size(&before);
        }
    }
}

fn key(address: &Address) -> Option<Key> {
    ResourceType::numbered(address.type_).map(|type_| Key::new(type_, &*address.id))
}

fn size(version: &Version) -> usize {
    FRAME + version.key.id.len() + version.body.as_ref().map_or(0, bytes::Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    fn patient(id: &str, number: u64, length: usize) -> Version {
        let key = Key::new(ResourceType::named("Patient").unwrap(), id);
        let body = Some(bytes::Bytes::from(vec![b' '; length]));
        Version { key, version: number, at: 0, method: Method::Create, body }
    }

    fn address(version: &Version) -> Address {
        Address { type_: version.key.type_.number(), id: version.key.id.as_str().into() }
    }

    #[test]
    fn what_was_written_meanwhile_is_not_put_up_as_it_was_before() {
        let shelf = Shelf::new(1 << 20);
        let old = patient("a", 1, 10);
        let stamp = shelf.look(&old.key).unwrap_err();
        shelf.take(&[address(&old)]);
        shelf.put(stamp, &old);
        let stamp = shelf.look(&old.key).unwrap_err();
        shelf.put(stamp, &patient("a", 2, 10));
        assert_eq!(shelf.look(&old.key).unwrap().version, 2);
        shelf.take(&[address(&old)]);
        assert!(shelf.look(&old.key).is_err());
    }

    #[test]
    fn what_is_kept_down_is_put_up_only_by_who_read_it_after_every_writer_was_done() {
        let shelf = Shelf::new(1 << 20);
        let old = patient("a", 1, 10);
        let stamp = shelf.look(&old.key).unwrap_err();
        shelf.put(stamp, &old);
        shelf.keep_down(&[address(&old)]);
        let meanwhile = shelf.look(&old.key).unwrap_err();
        shelf.put(meanwhile, &old);
        assert!(shelf.look(&old.key).is_err(), "it is kept down");
        shelf.keep_down(&[address(&old)]);
        shelf.let_up(&[address(&old)]);
        let between = shelf.look(&old.key).unwrap_err();
        shelf.put(between, &old);
        assert!(shelf.look(&old.key).is_err(), "another still writes it");
        shelf.let_up(&[address(&old)]);
        shelf.put(between, &old);
        assert!(shelf.look(&old.key).is_err(), "it was read before the last writer was done");
        shelf.put(shelf.look(&old.key).unwrap_err(), &patient("a", 3, 10));
        assert_eq!(shelf.look(&old.key).unwrap().version, 3);
        shelf.clear();
        assert!(shelf.look(&old.key).is_err());
        let held: usize = shelf.boards.iter().map(|board| board.lock().held).sum();
        assert_eq!(held, 0);
    }

    #[test]
    fn a_full_shelf_lets_go_of_what_was_not_read_for_longest() {
        let shelf = Shelf::new(BOARDS * 10_000);
        for number in 0..10_000 {
            let version = patient(&number.to_string(), 1, 500);
            let stamp = shelf.look(&version.key).unwrap_err();
            shelf.put(stamp, &version);
        }
        let held: usize = shelf.boards.iter().map(|board| board.lock().held).sum();
        assert!(held <= BOARDS * 10_000 && held > BOARDS * 5_000, "{held}");
        assert!(shelf.look(&patient("9999", 1, 0).key).is_ok());
        assert!(shelf.look(&patient("0", 1, 0).key).is_err());
    }
}
