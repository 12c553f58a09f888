//! The index by whom a block is about.
//!
//! A new block is one row in the *tray* of its chain, with all its names. A full tray is *filed*: each group of names has
//! one row then for all the blocks. Names lie as shards of four bytes, since of most of them nobody ever asks.
//!
//! Whoever seeks reads the trays before the files: what is filed meanwhile is met in both, and nothing is missed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fhir::Error;
use rustc_hash::FxHashMap;

use super::chain::{Block, CHAINS, Hash, digest};
use super::entry::{number, put_number};
use crate::store::Reader;
use crate::store::value::{Dialect, Row, Rows, SqlValue};

/// Shards are filed in this many groups by their first bits. Stored rows are counted by it, so it can never change.
///
/// A row for each shard would lie on a page of its own, and when thousands of entries are committed together most of what
/// is written would be such pages. What belongs to a group lies at one place instead.
const GROUPS: i32 = 256;

/// Blocks a tray holds before it is filed: so many blocks share a row of each group, and so many more rows are looked
/// through in each chain by whoever seeks.
const TRAY: i64 = 64;

/// The group in which a shard is filed.
fn group_of(shard: i32) -> i64 {
    i64::from(shard / (i32::MAX / GROUPS + 1))
}

/// A shard as it stands among others.
fn mark_of(shard: i32) -> [u8; 4] {
    shard.to_be_bytes()
}

/// Where the tray of a chain lies. No group has such a number.
pub(crate) fn tray_of(chain: i64) -> i64 {
    -1 - chain
}

/// Shards one after another, as they lie in a tray. They are in order, each once.
pub(crate) fn marks(shards: &[i32]) -> Bytes {
    shards.iter().copied().flat_map(mark_of).collect()
}

/// Of marks one after another those of each group, with its number.
fn grouped(marks: &Bytes) -> Vec<(i64, Bytes)> {
    let (whole, _) = marks.as_chunks::<4>();
    let group = |mark: &[u8; 4]| group_of(i32::from_be_bytes(*mark));
    let mut at = 0;
    let groups = whole.chunk_by(|one, next| group(one) == group(next)).map(|found| {
        let begin = at;
        at += found.len() * 4;
        (group(&found[0]), marks.slice(begin..at))
    });
    groups.collect()
}

/// Whether a tray that holds `waiting` blocks is filed before so many more come.
pub(crate) fn is_full(waiting: i64, more: usize) -> bool {
    waiting > 0 && waiting + i64::try_from(more).unwrap_or(i64::MAX) > TRAY
}

/// The statement for what lies in a tray, in the order in which it came.
pub(crate) const ASK_TRAY: &str =
    "SELECT shard, since, at, chain, seq, marks, blocks FROM audit_about WHERE shard = $1 ORDER BY seq, at";

/// The statement that empties a tray.
pub(crate) const EMPTY_TRAY: &str = "DELETE FROM audit_about WHERE shard = $1";

/// Where a block lies on the trail, in the order in which blocks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) at: i64,
    pub(super) chain: i64,
    pub(super) seq: i64,
}

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slip {
    /// A group, or the tray of a chain.
    pub(crate) shard: i64,
    /// The earliest of its blocks.
    pub(crate) since: i64,
    /// The latest of its blocks.
    pub(crate) at: i64,
    pub(crate) chain: i64,
    /// The last of its blocks.
    pub(crate) seq: i64,
    /// Of one block after the other the marks that are of the group.
    pub(crate) marks: Bytes,
    /// Of each block how much earlier than `at` it is, how far before `seq` it lies and how many marks it has. Nothing in
    /// a tray, where there is one block.
    pub(crate) blocks: Bytes,
}

impl Slip {
    /// A block as it lies in the tray of its chain.
    fn of(chain: i64, block: &Block) -> Self {
        let (shard, at, marks) = (tray_of(chain), block.at, marks(&block.about));
        Self { shard, since: at, at, chain, seq: block.seq, marks, blocks: Bytes::new() }
    }

    /// Reads a row of [`ASK_TRAY`] or its like.
    fn read(row: &Row) -> Result<Self, Error> {
        let bytes = |column| Ok::<_, Error>(row.bytes_or_null(column)?.unwrap_or_default());
        let (shard, since, at, chain, seq) = (row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?);
        Ok(Self { shard, since, at, chain, seq, marks: bytes(5)?, blocks: bytes(6)? })
    }

    /// Its blocks, each with its marks; as far as they can be read, since whoever can write in the database may have
    /// written anything.
    fn blocks(&self) -> Vec<(Spot, Bytes)> {
        let own = Spot { at: self.at, chain: self.chain, seq: self.seq };
        if self.shard < 0 {
            return vec![(own, self.marks.clone())];
        }
        let (mut rest, mut begin) = (&self.blocks[..], 0_usize);
        let mut read = || {
            let (earlier, before) = (number(&mut rest)?, number(&mut rest)?);
            let end = begin.checked_add(usize::try_from(number(&mut rest)?).ok()?.checked_mul(4)?)?;
            let at = own.at.checked_sub_unsigned(earlier)?;
            let seq = own.seq.checked_sub_unsigned(before)?;
            let marks = (end <= self.marks.len()).then(|| self.marks.slice(begin..end))?;
            begin = end;
            Some((Spot { at, seq, ..own }, marks))
        };
        std::iter::from_fn(&mut read).collect()
    }

    /// Its columns: shard, since, at, chain, seq, marks, blocks.
    fn arguments(self) -> [SqlValue; 7] {
        let numbers = [self.shard, self.since, self.at, self.chain, self.seq].map(SqlValue::Int);
        let [shard, since, at, chain, seq] = numbers;
        [shard, since, at, chain, seq, SqlValue::Bytes(self.marks), SqlValue::Bytes(self.blocks)]
    }
}

/// What a tray becomes when it is filed: a row for each group of names.
fn file(tray: &[Slip]) -> Vec<Slip> {
    let mut groups: BTreeMap<(i64, i64), Vec<(Spot, Bytes)>> = BTreeMap::new();
    for (spot, marks) in tray.iter().flat_map(Slip::blocks) {
        for (group, marks) in grouped(&marks) {
            groups.entry((group, spot.chain)).or_default().push((spot, marks));
        }
    }
    let filed = groups.into_iter().map(|((shard, chain), found)| {
        let times = found.iter().map(|(spot, _)| spot.at);
        let (since, at) = times.fold((i64::MAX, i64::MIN), |(since, at), time| (since.min(time), at.max(time)));
        let seq = found.iter().map(|(spot, _)| spot.seq).max().unwrap_or_default();
        let mut blocks = Vec::with_capacity(found.len() * 6);
        for (spot, marks) in &found {
            put_number(&mut blocks, at.abs_diff(spot.at));
            put_number(&mut blocks, seq.abs_diff(spot.seq));
            put_number(&mut blocks, (marks.len() / 4) as u64);
        }
        let marks = found.iter().flat_map(|(_, marks)| marks.iter().copied()).collect();
        Slip { shard, since, at, chain, seq, marks, blocks: blocks.into() }
    });
    filed.collect()
}

/// The arguments of a row for a new block, for `(shard, since, at, chain, seq, marks, blocks)`.
pub(super) fn new_row(chain: i64, block: &Block) -> [SqlValue; 7] {
    Slip::of(chain, block).arguments()
}

/// The rows that file what was found in a tray, each as the arguments for `(shard, since, at, chain, seq, marks, blocks)`.
pub(super) fn filed_rows(tray: &[Row]) -> Result<Vec<[SqlValue; 7]>, Error> {
    let tray = tray.iter().map(Slip::read).collect::<Result<Vec<_>, Error>>()?;
    Ok(file(&tray).into_iter().map(Slip::arguments).collect())
}

/// The statement that files a tray at once, and its arguments.
pub(crate) fn file_at_once(chain: i64, tray: &[Row]) -> Result<(&'static str, [SqlValue; 7]), Error> {
    let tray = tray.iter().map(Slip::read).collect::<Result<Vec<_>, Error>>()?;
    let slips = file(&tray);
    let numbers = |of: fn(&Slip) -> i64| SqlValue::Ints(slips.iter().map(of).collect());
    let bytes = |of: fn(&Slip) -> &Bytes| SqlValue::Blobs(slips.iter().map(|slip| of(slip).clone()).collect());
    let sql = "INSERT INTO audit_about (shard, since, at, chain, seq, marks, blocks) \
               SELECT a.shard, a.since, a.at, $4::int8, a.seq, a.marks, a.blocks \
               FROM unnest($1::int8[], $2::int8[], $3::int8[], $5::int8[], $6::bytea[], $7::bytea[]) \
               AS a(shard, since, at, seq, marks, blocks)";
    let (groups, since, at) = (numbers(|slip| slip.shard), numbers(|slip| slip.since), numbers(|slip| slip.at));
    let (seq, marks, blocks) = (numbers(|slip| slip.seq), bytes(|slip| &slip.marks), bytes(|slip| &slip.blocks));
    Ok((sql, [groups, since, at, chain.into(), seq, marks, blocks]))
}

/// Rows of the index read at a time.
const ROWS: i64 = 64;

/// The blocks that may be about a shard, the latest first.
pub(super) struct Spots {
    group: i64,
    mark: [u8; 4],
    /// Nothing earlier is sought.
    lo: i64,
    /// Nothing later is.
    from: Spot,
    /// What was found and is not told yet.
    found: BTreeSet<Spot>,
    /// All files before this one have been read; `None` when there are no more.
    files: Option<Spot>,
}

impl Spots {
    /// Those not earlier than `lo` and not later than `from`.
    pub(super) async fn of(rows: &mut Reader, shard: i32, lo: i64, from: Spot) -> Result<Self, Error> {
        let last = Spot { at: i64::MAX, chain: i64::MAX, seq: i64::MAX };
        let (group, mark) = (group_of(shard), mark_of(shard));
        let mut spots = Self { group, mark, lo, from, found: BTreeSet::new(), files: Some(last) };
        let holds = holds(rows.dialect(), 2);
        let sql = format!(
            "SELECT shard, since, at, chain, seq, marks, blocks FROM audit_about WHERE shard = $1 AND at >= $3 AND {holds}"
        );
        for chain in 0..CHAINS {
            let arguments = [tray_of(chain).into(), spots.sought(), lo.into()];
            spots.take(&rows.rows(&sql, &arguments).await?)?;
        }
        Ok(spots)
    }

    fn sought(&self) -> SqlValue {
        SqlValue::Bytes(Bytes::copy_from_slice(&self.mark))
    }

    fn take(&mut self, rows: &[Row]) -> Result<(), Error> {
        for row in rows {
            for (spot, marks) in Slip::read(row)?.blocks() {
                let is_sought = spot.at >= self.lo && spot <= self.from;
                if is_sought && marks.as_chunks::<4>().0.contains(&self.mark) {
                    self.found.insert(spot);
                }
            }
        }
        Ok(())
    }

    /// The next `count`, or all that are left.
    pub(super) async fn next(&mut self, rows: &mut Reader, count: usize) -> Result<Vec<Spot>, Error> {
        let sql = format!(
            "SELECT shard, since, at, chain, seq, marks, blocks FROM audit_about \
             WHERE shard = $1 AND {} AND at >= $3 AND since <= $4 AND at <= $5 AND (at, chain, seq) < ($5, $6, $7) \
             ORDER BY at DESC, chain DESC, seq DESC LIMIT $8",
            holds(rows.dialect(), 2)
        );
        let mut next = Vec::with_capacity(count);
        while next.len() < count {
            // A file holds nothing later than itself, so what is later than the last one read is all known.
            if let Some(spot) = self.found.last()
                && self.files.is_none_or(|read| *spot > read)
            {
                next.push(*spot);
                // What a file and a tray both held must not come again.
                self.from = *spot;
                self.found.pop_last();
                continue;
            }
            let Some(Spot { at, chain, seq }) = self.files else { break };
            let numbers = [self.lo, self.from.at, at, chain.min(i32::MAX.into()), seq, ROWS].map(SqlValue::Int);
            let mut arguments = vec![self.group.into(), self.sought()];
            arguments.extend(numbers);
            let files = rows.rows(&sql, &arguments).await?;
            self.take(&files)?;
            let last = files.last().filter(|_| files.len() as i64 == ROWS).map(Slip::read).transpose()?;
            self.files = last.map(|last| Spot { at: last.at, chain: last.chain, seq: last.seq });
        }
        Ok(next)
    }
}

/// The condition that some bytes, the argument of a number, are among a row's marks. They may also lie across two marks.
fn holds(dialect: Dialect, argument: usize) -> String {
    match dialect {
        Dialect::Sqlite => format!("instr(marks, ${argument}) > 0"),
        Dialect::Postgres => format!("position(${argument} IN marks) > 0"),
    }
}

/// What the index says of every block, to hold it to what the blocks say.
#[derive(Default)]
pub(super) struct Held {
    blocks: FxHashMap<(i64, i64), Hash>,
}

impl Held {
    /// Reads the whole index. Needs about 60 bytes of memory for each block.
    pub(super) async fn read(rows: &mut Reader) -> Result<Self, Error> {
        let sql = format!(
            "SELECT shard, since, at, chain, seq, marks, blocks FROM audit_about \
             WHERE (shard, at, chain, seq) > ($1, $2, $3, $4) ORDER BY shard, at, chain, seq LIMIT {ROWS}"
        );
        let mut held = Self::default();
        let mut after = [i64::from(i32::MIN), i64::MIN, i64::from(i32::MIN), i64::MIN];
        loop {
            let found = rows.rows(&sql, &after.map(SqlValue::Int)).await?;
            for row in &found {
                let slip = Slip::read(row)?;
                after = [slip.shard, slip.at, slip.chain, slip.seq];
                held.add(&slip);
            }
            if (found.len() as i64) < ROWS {
                return Ok(held);
            }
        }
    }

    fn add(&mut self, slip: &Slip) {
        let blocks = slip.blocks();
        let mut in_place = slip.since == blocks.iter().map(|(spot, _)| spot.at).min().unwrap_or(i64::MAX);
        in_place &= slip.shard >= 0 || slip.shard == tray_of(slip.chain);
        for (spot, marks) in blocks {
            let mut told = grouped(&marks);
            let fits = |told: &[(i64, Bytes)]| slip.shard < 0 || told.iter().all(|(group, _)| *group == slip.shard);
            if !in_place || marks.len() % 4 != 0 || !fits(&told) {
                // Nobody who seeks would come by it; no block says anything like this.
                told = vec![(-1, Bytes::from_static(b"?"))];
            }
            let said = self.blocks.entry((spot.chain, spot.seq)).or_default();
            *said = told.iter().fold(*said, |said, (_, marks)| said_and(said, spot.at, marks));
        }
    }

    /// Whether the index says of a block what the block says itself. It is not asked of that block again.
    pub(super) fn fits(&mut self, chain: i64, block: &Block, about: &[i32]) -> bool {
        let said = self.blocks.remove(&(chain, block.seq)).unwrap_or_default();
        let marks = marks(about);
        let wanted = grouped(&marks).iter().fold(Hash::default(), |said, (_, marks)| said_and(said, block.at, marks));
        said == wanted
    }

    /// Blocks the index tells of that were not met.
    pub(super) fn rest(&self) -> usize {
        self.blocks.len()
    }
}

/// What is said of a block with what one more group says of it. Groups come in the order of their numbers.
fn said_and(said: Hash, at: i64, marks: &[u8]) -> Hash {
    digest(&[&said[..], &at.to_be_bytes(), marks].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slip(seq: i64, at: i64, shards: &[i32]) -> Slip {
        let marks = marks(shards);
        Slip { shard: tray_of(3), since: at, at, chain: 3, seq, marks, blocks: Bytes::new() }
    }

    #[test]
    fn shards_of_one_group_lie_together() {
        let found = grouped(&marks(&[0, 7, 0x007f_ffff, 0x0080_0000, i32::MAX]));
        let first = [[0; 4], [0, 0, 0, 7], [0, 0x7f, 0xff, 0xff]].concat();
        let expected: [(i64, Vec<u8>); 3] = [(0, first), (1, vec![0, 0x80, 0, 0]), (255, vec![0x7f, 0xff, 0xff, 0xff])];
        assert_eq!(found.into_iter().map(|(group, marks)| (group, marks.to_vec())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_filed_tells_of_the_same_blocks_by_the_same_names_and_has_a_row_for_each_group() {
        let tray =
            [slip(1, 900, &[5, 7, i32::MAX]), slip(4, 700, &[7]), slip(5, 1_000, &[]), slip(9, 800, &[i32::MAX])];
        let files = file(&tray);
        let rows: Vec<_> = files.iter().map(|slip| (slip.shard, slip.since, slip.at, slip.chain, slip.seq)).collect();
        assert_eq!(rows, [(0, 700, 900, 3, 4), (255, 800, 900, 3, 9)]);
        let told = |slips: &[Slip]| {
            let blocks = slips.iter().flat_map(Slip::blocks);
            let names =
                blocks.flat_map(|(spot, marks)| marks.as_chunks::<4>().0.to_vec().into_iter().map(move |m| (spot, m)));
            names.collect::<BTreeSet<_>>()
        };
        assert_eq!(told(&files), told(&tray));
    }

    #[test]
    fn the_index_is_held_to_the_blocks_in_a_tray_as_in_a_file() {
        let about = [[5, 7, i32::MAX].to_vec(), vec![7], vec![8, i32::MAX]];
        let tray: Vec<Slip> = (1..).zip(&about).map(|(seq, about)| slip(seq, 100 + seq, about)).collect();
        let files = file(&tray);
        let fits = |slips: &[Slip]| {
            let mut held = Held::default();
            slips.iter().for_each(|slip| held.add(slip));
            let mut fits = true;
            for (seq, about) in (1..).zip(&about) {
                let (count, since, at) = (1, 100 + seq, 100 + seq);
                let (hash, body, names) = (Hash::default(), Vec::new(), Vec::new());
                fits &= held.fits(3, &Block { seq, count, since, at, hash, body, about: names }, about);
            }
            fits && held.rest() == 0
        };
        assert!(fits(&tray) && fits(&files));
        let both: Vec<Slip> = tray[..1].iter().chain(&files).cloned().collect();
        assert!(!fits(&both), "a block stands in a tray and in a file");
        for at in 0..files.len() {
            let change = |change: &dyn Fn(&mut Slip)| {
                let mut files = files.clone();
                change(&mut files[at]);
                files
            };
            assert!(!fits(&change(&|slip| slip.shard += 1)));
            assert!(!fits(&change(&|slip| slip.since += 1)));
            assert!(!fits(&change(&|slip| slip.at += 1)));
            assert!(!fits(&change(&|slip| slip.seq += 1)));
            assert!(!fits(&change(&|slip| slip.chain += 1)));
            for byte in 0..files[at].marks.len() {
                let flipped = |slip: &mut Slip| {
                    let mut marks = slip.marks.to_vec();
                    marks[byte] ^= 1;
                    slip.marks = marks.into();
                };
                assert!(!fits(&change(&flipped)));
            }
            for byte in 0..files[at].blocks.len() {
                let flipped = |slip: &mut Slip| {
                    let mut blocks = slip.blocks.to_vec();
                    blocks[byte] ^= 1;
                    slip.blocks = blocks.into();
                };
                assert!(!fits(&change(&flipped)));
            }
        }
    }
}
