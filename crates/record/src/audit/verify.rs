//! Whether the trail is whole, and whether what is stored is what it says was stored.

use fhir::{Error, time};
use rustc_hash::FxHashMap;

use super::chain::{self, Block, CHAINS, Hash, Head, digest};
use super::entry::{Entry, Gist, Item};
use super::index::Held;
use super::seal::{self, Countersignature, Seal, SealKey};
use super::table;
use crate::store::names::shard_of;
use crate::store::value::{Row, Rows, SqlValue};
use crate::store::{Reader, body};
use crate::{Record, ResourceType};

/// What [`Record::verify`] looked at, and what does not fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries of all chains.
    pub entries: u64,
    /// Versions of resources whose bytes were compared with the digests in the entries.
    pub versions: u64,
    /// Seals that were held against the chains, those kept elsewhere included.
    pub seals: u64,
    /// The first hundred things that do not fit, each a sentence that says where and when. Empty when all is whole.
    pub findings: Vec<String>,
}

/// Blocks read at a time.
const CHUNK: i64 = 50;

/// Versions looked up at a time.
const VERSIONS: usize = 200;

/// Findings told. Whoever has more needs the other custodians' copies, not a longer list.
const FINDINGS: usize = 100;

impl Record {
    /// Recomputes the whole trail as of one moment.
    ///
    /// Every entry is what was written and follows the one before; the index by which people find who looked names every
    /// block; every stored version is the one its entry tells of, and none is stored of which no entry tells; and the
    /// chains pass through the ends that were sealed, also by the seals in `kept`, which come from another custodian.
    /// `progress` is told how many entries are done. Needs about 30 bytes of memory for each resource and 60 for
    /// each block.
    pub async fn verify(&self, kept: &[Seal], progress: impl FnMut(u64)) -> Result<Verified, Error> {
        self.settle().await?;
        let mut reader = self.snapshot().await?;
        let index = Held::read(&mut reader).await?;
        let (found, written) = (Verified::default(), FxHashMap::default());
        let (waiting, sealed) = (Vec::new(), FxHashMap::default());
        let mut verify = Verify { reader, found, written, waiting, index, sealed, progress };
        if table::forgone(&mut verify.reader).await? {
            verify.find("this record was made to measure with, and was written without a trail".to_owned());
        }
        verify.seals(kept, &self.settings().audit.members).await?;
        for chain in 0..CHAINS {
            verify.chain(chain).await?;
        }
        verify.versions().await?;
        verify.index();
        verify.unwitnessed().await?;
        Ok(verify.found)
    }
}

struct Verify<P> {
    reader: Reader,
    found: Verified,
    /// How many versions of each resource the entries tell of.
    written: FxHashMap<i64, i64>,
    /// Versions that are still to be compared.
    waiting: Vec<Item>,
    /// What the index says of blocks that are still to be read.
    index: Held,
    /// What seals say of a chain at a position.
    sealed: FxHashMap<(i64, i64), Vec<(u64, Hash)>>,
    progress: P,
}

impl<P: FnMut(u64)> Verify<P> {
    fn find(&mut self, what: String) {
        if self.found.findings.len() < FINDINGS {
            self.found.findings.push(what);
        }
    }

    /// Holds the seals to each other, and notes what they say of the chains.
    async fn seals(&mut self, kept: &[Seal], members: &[(String, SealKey)]) -> Result<(), Error> {
        let own = seal::read_all(&mut self.reader, 0).await?;
        let name = |seal: &Seal| format!("seal {} of {}", seal.number, time::instant(seal.at));
        for (at, seal) in own.iter().enumerate() {
            let follows = match at.checked_sub(1) {
                Some(before) => seal.follows(&own[before]),
                None => seal.number == 1,
            };
            if !follows {
                self.find(format!("{} does not follow the one before", name(seal)));
            }
            for Countersignature { member, key, signature } in &seal.countersignatures {
                if !key.signed(&seal.text, signature)
                    || members.iter().any(|(name, known)| name == member && known != key)
                {
                    self.find(format!("the countersignature of {member} under {} is not theirs", name(seal)));
                }
            }
        }
        for seal in kept {
            if !own.iter().any(|other| other.number == seal.number && other.text == seal.text) {
                self.find(format!("{}, of which a copy was kept, is not the one here, or is not here", name(seal)));
            }
        }
        for seal in own.iter().chain(kept) {
            if !seal.is_signed() {
                self.find(format!("{} is not signed by the key it names", name(seal)));
            }
            for chain in 0..CHAINS {
                let Some(end) = seal.end(chain) else { continue };
                let said = self.sealed.entry((chain, end.seq)).or_default();
                said.push((seal.number, end.hash));
            }
            self.found.seals += 1;
        }
        Ok(())
    }

    /// Compares what seals say with the chain at a position.
    fn held(&mut self, chain: i64, head: Head) {
        for (number, hash) in self.sealed.remove(&(chain, head.seq)).unwrap_or_default() {
            if hash != head.hash {
                let what = "something at or before it is not what was sealed";
                self.find(format!("chain {chain}, entry {}: {what} with seal {number}", head.seq));
            }
        }
    }

    async fn chain(&mut self, chain: i64) -> Result<(), Error> {
        let sql =
            "SELECT seq, count, since, at, hash, body FROM audit WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let mut head = Head::empty(chain);
        let (mut read, mut last) = (i64::MIN, None);
        self.held(chain, head);
        loop {
            let rows = self.reader.rows(sql, &[chain.into(), read.into(), CHUNK.into()]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let block = block(row)?;
                read = block.seq;
                if let Some((seq, what)) = chain::fault(head, &block) {
                    let when = last.map_or_else(String::new, |at| format!(", after {}", time::instant(at)));
                    self.find(format!("chain {chain}, entry {seq}{when}: {what}"));
                }
                self.content(chain, &block).await?;
                // What follows is held to what stands here, so that one fault is told once.
                head = Head { seq: block.seq + block.count - 1, hash: block.hash };
                self.held(chain, head);
                last = Some(block.at);
            }
            (self.progress)(self.found.entries);
        }
        let end = self.reader.rows("SELECT seq, hash FROM audit_end WHERE shard = $1", &[chain.into()]).await?;
        let end = match end.first() {
            Some(row) => Some(table::end(chain, row.int(0)?, || table::hash(row, 1))?),
            None => None,
        };
        if end != Some(head) {
            let when = last.map_or_else(String::new, |at| format!(" of {}", time::instant(at)));
            let told = end.map_or_else(|| "nothing".to_owned(), |end| format!("entry {}", end.seq));
            self.find(format!("chain {chain} is cut off after entry {}{when}: its end should be {told}", head.seq));
        }
        // Blocks end where they were sealed, so whatever was not met is gone.
        let missed: Vec<(i64, i64)> = self.sealed.keys().copied().filter(|(other, _)| *other == chain).collect();
        for (_, seq) in missed {
            for (number, _) in self.sealed.remove(&(chain, seq)).unwrap_or_default() {
                let what =
                    format!("chain {chain} ends at entry {} or passes by, but seal {number} saw entry {seq}", head.seq);
                self.find(what);
            }
        }
        Ok(())
    }

    /// Looks at what a block's entries say.
    async fn content(&mut self, chain: i64, block: &Block) -> Result<(), Error> {
        let entries: Vec<Entry> = chain::entries(&block.body).filter_map(|found| Entry::parse(found?.0)).collect();
        self.found.entries += entries.len() as u64;
        let times = entries.iter().map(|entry| entry.at);
        if (times.clone().min(), times.max()) != (Some(block.since), Some(block.at)) {
            self.find(format!("chain {chain}, entry {}: its block says other times than its entries", block.seq));
        }
        let mut about = Vec::new();
        for (bytes, _) in chain::entries(&block.body).flatten() {
            Gist::of(bytes, &mut about);
        }
        about.sort_unstable();
        about.dedup();
        if !self.index.fits(chain, block, &about) {
            self.find(format!("chain {chain}, entry {}: not everybody it is about would find it", block.seq));
        }
        let items = entries.into_iter().flat_map(|entry| entry.items);
        self.waiting.extend(items.filter(|item| item.method.is_some()));
        while self.waiting.len() >= VERSIONS {
            let some = self.waiting.split_off(self.waiting.len() - VERSIONS);
            self.compare(&some).await?;
        }
        Ok(())
    }

    async fn versions(&mut self) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.waiting);
        if rest.is_empty() { Ok(()) } else { self.compare(&rest).await }
    }

    /// Compares stored versions with what entries say of them.
    async fn compare(&mut self, items: &[Item]) -> Result<(), Error> {
        let mut values = String::new();
        let mut ids = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let (shard, type_, version) = (shard_of(&item.key.to_string()), item.key.type_.number(), item.version);
            let separator = if at == 0 { "" } else { ", " };
            values.push_str(&format!("{separator}({at}, {shard}, {type_}, CAST(${} AS TEXT), {version})", at + 1));
            ids.push(SqlValue::Text(item.key.id.clone()));
        }
        // Written as a cross join, which SQLite takes in the order given: from what is wanted to where it lies.
        let sql = format!(
            "WITH wanted (n, shard, type, id, version) AS (VALUES {values}) \
             SELECT w.n, l.rid, coalesce(r.version, h.version), coalesce(r.body, h.body) \
             FROM wanted w CROSS JOIN locator l \
             LEFT JOIN resource r ON r.rid = l.rid AND r.version = w.version \
             LEFT JOIN history h ON h.rid = l.rid AND h.version = w.version \
             WHERE l.shard = w.shard AND l.type = w.type AND l.id = w.id"
        );
        let rows = self.reader.rows(&sql, &ids).await?;
        let mut stored: Vec<Option<Option<Hash>>> = vec![None; items.len()];
        for row in &rows {
            let at = usize::try_from(row.int(0)?).map_err(Error::fault)?;
            *self.written.entry(row.int(1)?).or_default() += 1;
            if row.0.get(2) != Some(&SqlValue::Null) {
                let json = row.bytes_or_null(3)?.map(body::unpack).transpose();
                // Bytes that cannot be unpacked are not those that were stored.
                stored[at] = Some(json.map_or(Some([0; 32]), |json| json.map(|json| digest(&json))));
            }
        }
        for (item, stored) in items.iter().zip(stored) {
            let what = match stored {
                None => "is not there any more",
                Some(found) if found != item.digest => "is not what was stored",
                Some(_) => continue,
            };
            let told = format!("version {} of {} {what}", item.version, item.key);
            self.find(told);
        }
        self.found.versions += items.len() as u64;
        Ok(())
    }

    /// Whether the index leads to blocks that are not there.
    fn index(&mut self) {
        match self.index.rest() {
            0 => {}
            count => self.find(format!("the index of the trail tells of {count} blocks that are not there")),
        }
    }

    /// Versions of which no entry tells.
    async fn unwitnessed(&mut self) -> Result<(), Error> {
        let sql = "SELECT rid, version, type, id FROM resource WHERE rid > $1 ORDER BY rid LIMIT 5000";
        let mut after = i64::MIN;
        loop {
            let rows = self.reader.rows(sql, &[after.into()]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.int(0)?;
            for row in &rows {
                let (rid, versions) = (row.int(0)?, row.int(1)?);
                let told = self.written.get(&rid).copied().unwrap_or_default();
                if told != versions {
                    let name = ResourceType::numbered(row.int(2)?).map_or("?", ResourceType::name);
                    let id = row.text(3)?;
                    self.find(format!("{name}/{id} has {versions} versions, but the trail tells of {told}"));
                }
            }
        }
    }
}

fn block(row: &Row) -> Result<Block, Error> {
    let body = chain::unpack(row.bytes_or_null(5)?.unwrap_or_default()).to_vec();
    let (seq, count, since, at) = (row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?);
    Ok(Block { seq, count, since, at, hash: table::hash(row, 4)?, body, about: Vec::new() })
}
