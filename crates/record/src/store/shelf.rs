//! Current versions read lately, kept in memory where no other process can write to the record.
//!
//! What is on the shelf is what a reader would find at this moment: a group of writes takes what it replaced off the
//! shelf before anybody is told that it is written, and a version that was read before that cannot be put back after.

use std::hash::{BuildHasher, BuildHasherDefault};

use lru::LruCache;
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHasher};

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
}

/// How things stood when a version was looked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Shelf {
    /// A shelf for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let board = |_| {
            let versions = LruCache::unbounded_with_hasher(FxBuildHasher);
            Mutex::new(Board { versions, held: 0, most: bytes / BOARDS, taken: 0 })
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
        if board.taken != stamp.0 || size > board.most / 4 {
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
        for address in written {
            let Some(type_) = ResourceType::numbered(address.type_) else { continue };
            let key = Key::new(type_, &*address.id);
            let mut board = self.board(&key).lock();
            board.taken += 1;
            if let Some(before) = board.versions.pop(&key) {
                board.held -= size(&before);
            }
        }
    }

    fn board(&self, key: &Key) -> &Mutex<Board> {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(&key.id);
        &self.boards[usize::try_from(hash % BOARDS as u64).expect("a board's number is small")]
    }
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
