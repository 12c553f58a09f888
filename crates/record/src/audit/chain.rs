//! Chains of entries: each entry's digest covers the digest of the one before.
//!
//! Entries that are committed together lie in one row, a *block*, each followed by the beginning of its digest, so that
//! a change is found at the very entry. What is chained is `SM3(digest before ‖ position ‖ entry)`, the position as
//! eight bytes, the highest first. SM3 is GB/T 32905-2016.

use bytes::Bytes;
use sm3::{Digest, Sm3};

use super::entry::{Entry, Gist, number, put_number, take};
use crate::store::body;

/// Chains of a record. Processes and their lanes write to different ones, so that they do not wait for each other.
/// Stored chains are counted from 0, so this can only ever grow.
pub(crate) const CHAINS: i64 = 8;

/// A block is closed when it holds this many bytes.
const BLOCK: usize = 64 << 10;

/// Bytes of an entry's digest that stand behind it.
const CHECK: usize = 8;

pub(crate) type Hash = [u8; 32];

/// The digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> Hash {
    Sm3::digest(bytes).into()
}

/// The end of a chain: the position of its last entry, and that entry's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
}

impl Head {
    /// The head of a chain without entries.
    pub(crate) fn empty(chain: i64) -> Self {
        Self { seq: 0, hash: digest(format!("qingshan trail {chain}").as_bytes()) }
    }

    /// The head after one more entry.
    pub(crate) fn and(self, entry: &[u8]) -> Self {
        let seq = self.seq + 1;
        let hash = Sm3::new().chain_update(self.hash).chain_update(seq.to_be_bytes()).chain_update(entry).finalize();
        Self { seq, hash: hash.into() }
    }
}

/// Entries that lie in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The position of its first entry.
    pub(crate) seq: i64,
    pub(crate) count: i64,
    /// The times of its earliest and its latest entry, in microseconds since 1970.
    pub(crate) since: i64,
    pub(crate) at: i64,
    /// The digest of its last entry.
    pub(crate) hash: Hash,
    pub(crate) body: Vec<u8>,
    /// Under which shards its entries are found, in order, each once.
    pub(crate) about: Vec<i32>,
}

impl Block {
    /// Where the chain ends with this block.
    pub(crate) fn head(&self) -> Head {
        Head { seq: self.seq + self.count - 1, hash: self.hash }
    }
}

/// Adds entries to a chain, in as many blocks as they need.
///
/// Where they need several, those about one patient are put together: a block is found under everybody it is about, so the
/// fewer they are, the fewer rows tell of it. What is put in order so was noted within the same moment.
pub(crate) fn link(head: &mut Head, entries: &[Bytes]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // The shards of all entries lie one after another, since each has only a few.
    let mut under = Vec::with_capacity(entries.len() * 4);
    let mut known: Vec<(Gist, &Bytes, std::ops::Range<usize>)> = Vec::with_capacity(entries.len());
    for bytes in entries {
        let before = under.len();
        match Gist::of(bytes, &mut under) {
            Some(gist) => known.push((gist, bytes, before..under.len())),
            None => under.truncate(before),
        }
    }
    if known.iter().map(|(_, bytes, _)| bytes.len() + CHECK).sum::<usize>() > BLOCK {
        known.sort_by_key(|(gist, _, _)| gist.first);
    }
    for (gist, bytes, shards) in known {
        let next = head.and(bytes);
        if blocks.last().is_none_or(|block| block.body.len() >= BLOCK) {
            let (since, at) = (gist.at, gist.at);
            let (body, about) = (Vec::new(), Vec::new());
            blocks.push(Block { seq: next.seq, count: 0, since, at, hash: next.hash, body, about });
        }
        let block = blocks.last_mut().expect("one was pushed above if there was none");
        put_number(&mut block.body, bytes.len() as u64);
        block.body.extend_from_slice(bytes);
        block.body.extend_from_slice(&next.hash[..CHECK]);
        block.count += 1;
        block.since = block.since.min(gist.at);
        block.at = block.at.max(gist.at);
        block.hash = next.hash;
        block.about.extend_from_slice(&under[shards]);
        *head = next;
    }
    for block in &mut blocks {
        block.about.sort_unstable();
        block.about.dedup();
    }
    blocks
}

/// The entries of a block's body, each with the beginning of its digest. `None` in place of what is no entry.
pub(crate) fn entries(body: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut read = || {
            let length = usize::try_from(number(&mut rest)?).ok()?;
            Some((take(&mut rest, length)?, take(&mut rest, CHECK)?))
        };
        let found = read();
        if found.is_none() {
            rest = &[];
        }
        Some(found)
    })
}

/// A block shorter than this is stored as it is: packing it would save less than a page of the database.
const PACK_FROM: usize = 2_048;

/// Stands before what is packed. No entry is of length 0, so nothing that is not packed begins with it.
const PACKED: u8 = 0;

/// The body of a block as it is stored.
pub(crate) fn pack(body: Vec<u8>) -> Vec<u8> {
    if body.len() < PACK_FROM {
        return body;
    }
    let mut packed = body::pack(&body);
    packed.insert(0, PACKED);
    packed
}

/// The body of a stored block. What cannot be unpacked has no entries, which whoever counts them will find.
pub(crate) fn unpack(stored: Bytes) -> Bytes {
    match stored.first() {
        Some(&PACKED) => body::unpack(stored.slice(1..)).unwrap_or_default(),
        _ => stored,
    }
}

/// What does not fit about a block that should follow a head: nothing, or the position and what is wrong with it.
pub(crate) fn fault(before: Head, block: &Block) -> Option<(i64, &'static str)> {
    if block.seq != before.seq + 1 {
        let what = if block.seq > before.seq + 1 { "entries before it are missing" } else { "it stands there twice" };
        return Some((block.seq, what));
    }
    let mut head = before;
    for found in entries(&block.body) {
        let at = head.seq + 1;
        let Some((bytes, check)) = found else { return Some((at, "it cannot be read")) };
        head = head.and(bytes);
        if head.hash[..CHECK] != *check {
            return Some((at, "it is not what was written, or does not follow the one before"));
        }
        if Entry::parse(bytes).is_none() {
            return Some((at, "it cannot be read"));
        }
    }
    if head.seq != block.seq + block.count - 1 {
        return Some((head.seq + 1, "entries are missing or too many"));
    }
    (head.hash != block.hash).then_some((head.seq, "its digest is not the one kept"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Act;
    use crate::{Caller, audit::entry::Entry};

    fn some(count: i64) -> Vec<Bytes> {
        (0..count).map(|at| Entry::new(&Caller::system("TREAT"), Act::Read, at).to_bytes().into()).collect()
    }

    #[test]
    fn sm3_is_the_one_of_the_standard() {
        // GB/T 32905-2016, example 1 of annex A.
        let hash = digest(b"abc");
        assert_eq!(hash[..8], [0x66, 0xc7, 0xf0, 0xf4, 0x62, 0xee, 0xed, 0xd9]);
        assert_eq!(hash[28..], [0x8f, 0x4b, 0xa8, 0xe0]);
    }

    #[test]
    fn what_was_linked_fits_and_goes_on_where_it_ended() {
        let mut head = Head::empty(3);
        let before = head;
        let first = link(&mut head, &some(5));
        let between = head;
        let second = link(&mut head, &some(3));
        assert_eq!((first.len(), second.len(), head.seq), (1, 1, 8));
        assert_eq!(fault(before, &first[0]), None);
        assert_eq!(fault(between, &second[0]), None);
        assert_eq!(fault(before, &second[0]), Some((6, "entries before it are missing")));
    }

    #[test]
    fn every_single_changed_byte_of_a_block_is_found() {
        let mut head = Head::empty(0);
        let before = head;
        let block = link(&mut head, &some(4)).remove(0);
        for at in 0..block.body.len() {
            let mut changed = block.clone();
            changed.body[at] ^= 1;
            assert!(fault(before, &changed).is_some(), "byte {at}");
        }
    }

    #[test]
    fn a_block_comes_back_from_where_it_is_stored_and_one_that_was_damaged_there_is_at_fault() {
        for count in [1, 4, 600] {
            let mut head = Head::empty(0);
            let before = head;
            let block = link(&mut head, &some(count)).remove(0);
            let stored = pack(block.body.clone());
            assert_eq!(unpack(Bytes::from(stored.clone())), block.body, "{count} entries");
            for at in 0..stored.len() {
                let mut damaged = stored.clone();
                damaged[at] ^= 1;
                let body = unpack(Bytes::from(damaged)).to_vec();
                let same = body == block.body;
                assert!(same || fault(before, &Block { body, ..block.clone() }).is_some(), "byte {at} of {count}");
            }
        }
    }

    #[test]
    fn of_entries_that_need_several_blocks_those_about_one_patient_lie_together() {
        let caller = Caller::system("TREAT");
        let entries = (0..6_000).map(|at| {
            let mut entry = Entry::new(&caller, Act::Read, at);
            entry.patients = vec![format!("p{}", at % 200)];
            Bytes::from(entry.to_bytes())
        });
        let blocks = link(&mut Head::empty(0), &entries.collect::<Vec<_>>());
        let told: usize = blocks.iter().map(|block| block.about.len()).sum();
        assert!(blocks.len() > 4 && told < 200 + 3 * blocks.len(), "{told} shards tell of {} blocks", blocks.len());
        assert_eq!(blocks.iter().map(|block| block.count).sum::<i64>(), 6_000);
    }

    #[test]
    fn many_entries_lie_in_several_blocks_of_one_chain() {
        let mut head = Head::empty(0);
        let mut before = head;
        let blocks = link(&mut head, &some(3_000));
        assert!(blocks.len() > 1);
        for block in &blocks {
            assert_eq!(fault(before, block), None);
            before = Head { seq: block.seq + block.count - 1, hash: block.hash };
        }
        assert_eq!(before, head);
    }
}
