//! The trail in the database.

use fhir::{Category, Error, IssueCode};

use super::chain::{self, Block, CHAINS, Hash, Head};
use super::index;
use crate::Record;
use crate::store::names::shard_of;
use crate::store::value::{Row, Rows, SqlValue};

/// The chain of a lane.
pub(crate) fn chain_of(lane: i64) -> i64 {
    lane.rem_euclid(CHAINS)
}

/// Asks for the row where a chain ends, and on PostgreSQL takes it as well.
pub(crate) const ASK_END: &str = "SELECT seq, hash, tray FROM audit_end WHERE shard = $1 FOR UPDATE";
const ASK_END_ALONE: &str = "SELECT seq, hash, tray FROM audit_end WHERE shard = $1";

/// Where a chain ends, and how many blocks wait in its tray to be filed in the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) head: Head,
    pub(crate) tray: i64,
}

/// The end of a chain, as its row tells it.
pub(crate) fn ended(chain: i64, found: &[Row]) -> Result<End, Error> {
    let row = found.first().ok_or_else(|| Error::fault(format!("the trail has no chain {chain}")))?;
    Ok(End { head: end(chain, row.int(0)?, || hash(row, 1))?, tray: row.int(2)? })
}

/// Adds entries to the end of a chain, by one statement after another, of a database that has one writer.
pub(crate) async fn append(rows: &mut impl Rows, chain: i64, entries: &[bytes::Bytes]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut end = ended(chain, &rows.rows(ASK_END_ALONE, &[chain.into()]).await?)?;
    let blocks = chain::link(&mut end.head, entries);
    let index = "INSERT INTO audit_about (shard, since, at, chain, seq, marks, blocks) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)";
    if index::is_full(end.tray, blocks.len()) {
        let tray = rows.rows(index::ASK_TRAY, &[index::tray_of(chain).into()]).await?;
        rows.rows(index::EMPTY_TRAY, &[index::tray_of(chain).into()]).await?;
        for row in index::filed_rows(&tray)? {
            rows.rows(index, &row).await?;
        }
        end.tray = 0;
    }
    for block in blocks {
        end.tray += 1;
        rows.rows(index, &index::new_row(chain, &block)).await?;
        let Block { seq, count, since, at, hash, body, .. } = block;
        let (hash, body) = (SqlValue::Bytes(hash.to_vec().into()), SqlValue::Bytes(chain::pack(body).into()));
        let sql = "INSERT INTO audit (shard, seq, count, since, at, hash, body) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        rows.rows(sql, &[chain.into(), seq.into(), count.into(), since.into(), at.into(), hash.clone(), body]).await?;
        let sql = "UPDATE audit_end SET seq = $1, hash = $2, tray = $3 WHERE shard = $4";
        rows.rows(sql, &[(seq + count - 1).into(), hash, end.tray.into(), chain.into()]).await?;
    }
    Ok(())
}

/// The statement that puts a block at the end of its chain, if that is `before`, and into its tray, where it is found by
/// whom it is about, and moves the end; it answers with a row if it has. One, since every other is one more for PostgreSQL
/// to go about while the chain is held. `tray` is how many blocks are in the tray then.
pub(crate) fn put_at_once(chain: i64, before: Head, block: Block, tray: i64) -> (&'static str, [SqlValue; 13]) {
    let marks = SqlValue::Bytes(index::marks(&block.about));
    let Block { seq, count, since, at, hash, body, .. } = block;
    let digest = |hash: chain::Hash| SqlValue::Bytes(hash.to_vec().into());
    let last = seq + count - 1;
    let sql = "WITH held AS (\
                 UPDATE audit_end SET seq = $10, hash = $6, tray = $11 WHERE shard = $1 AND seq = $12 AND \
                 (hash = $13 OR seq = 0) RETURNING shard\
               ), about AS (\
                 INSERT INTO audit_about (shard, since, at, chain, seq, marks, blocks) \
                 SELECT $8::int8, $5::int8, $5::int8, $1::int8, $2::int8, $9::bytea, ''::bytea FROM held\
               ) INSERT INTO audit (shard, seq, count, since, at, hash, body) \
               SELECT $1::int8, $2::int8, $3::int8, $4::int8, $5::int8, $6::bytea, $7::bytea FROM held RETURNING seq";
    let in_tray = index::tray_of(chain);
    let arguments = [
        chain.into(),
        seq.into(),
        count.into(),
        since.into(),
        at.into(),
        digest(hash),
        SqlValue::Bytes(chain::pack(body).into()),
        in_tray.into(),
        marks,
        last.into(),
        tray.into(),
        before.seq.into(),
        digest(before.hash),
    ];
    (sql, arguments)
}

/// The digest in a column.
pub(super) fn hash(row: &Row, column: usize) -> Result<Hash, Error> {
    let bytes = row.bytes_or_null(column)?.unwrap_or_default();
    bytes.as_ref().try_into().map_err(|_| Error::fault("a digest of the trail has another length than SM3 gives"))
}

/// The end of a chain as its row tells it; that of an empty one has no digest yet.
pub(super) fn end(chain: i64, seq: i64, hash: impl FnOnce() -> Result<Hash, Error>) -> Result<Head, Error> {
    if seq == 0 { Ok(Head::empty(chain)) } else { Ok(Head { seq, hash: hash()? }) }
}

/// The row of `head` in which a journal says how far it has got.
fn place_of(journal: &str) -> [SqlValue; 2] {
    let name = format!("journal/{journal}");
    [i64::from(shard_of(&name)).into(), name.into()]
}

/// The number of the last entry of a journal that is in the database.
pub(crate) async fn reached(rows: &mut impl Rows, journal: &str) -> Result<i64, Error> {
    let found = rows.rows("SELECT value FROM head WHERE shard = $1 AND name = $2", &place_of(journal)).await?;
    found.first().map_or(Ok(0), |row| row.int(0))
}

pub(crate) async fn reach(rows: &mut impl Rows, journal: &str, number: i64) -> Result<(), Error> {
    let sql = "INSERT INTO head (shard, name, value) VALUES ($1, $2, $3) \
               ON CONFLICT (shard, name) DO UPDATE SET value = excluded.value";
    let [shard, name] = place_of(journal);
    rows.rows(sql, &[shard, name, number.into()]).await.map(drop)
}

/// The row of `head` of a record that was once opened without a trail.
const FORGONE: &str = "unaudited";

/// Marks a record for ever as one that was written without a trail. Fails when it has one.
pub(super) async fn forgo(record: &Record) -> Result<(), Error> {
    let found = record.reader().await?.rows("SELECT count(*) FROM audit", &[]).await?;
    if found.first().map_or(Ok(0), |row| row.int(0))? > 0 {
        return Err(Error::new(
            Category::Conflict,
            IssueCode::Conflict,
            "A record that has a trail is not opened without.",
        ));
    }
    let sql = "INSERT INTO head (shard, name, value) VALUES (0, $1, 1) ON CONFLICT (shard, name) DO NOTHING";
    record.statement(sql, vec![FORGONE.into()]).await.map(drop)
}

/// Whether a record was once written without a trail.
pub(super) async fn forgone(rows: &mut impl Rows) -> Result<bool, Error> {
    let found = rows.rows("SELECT value FROM head WHERE shard = 0 AND name = $1", &[FORGONE.into()]).await?;
    Ok(!found.is_empty())
}

/// The journal is gone and all of it is in the database.
pub(super) async fn forget_journal(record: &Record, journal: &str) -> Result<(), Error> {
    record.statement("DELETE FROM head WHERE shard = $1 AND name = $2", place_of(journal).into()).await.map(drop)
}
