//! The platform's own papers and its durable jobs.

use bytes::Bytes;
use fhir::Error;

use crate::Record;
use crate::jobs::Job;
use crate::store::names::shard_of;
use crate::store::value::{Dialect, Row, Rows, SqlValue};

fn shard(kind: &str, id: &str) -> SqlValue {
    i64::from(shard_of(&format!("{kind}/{id}"))).into()
}

pub(crate) async fn get(record: &Record, kind: &str, id: &str) -> Result<Option<Bytes>, Error> {
    let sql =
        "SELECT body FROM drawer WHERE shard = $1 AND kind = $2 AND id = $3 AND (expires IS NULL OR expires > $4)";
    let now = record.surroundings().clock.now();
    let arguments = [shard(kind, id), kind.into(), id.into(), now.into()];
    match record.reader().await?.rows(sql, &arguments).await?.first() {
        Some(row) => row.bytes_or_null(0),
        None => Ok(None),
    }
}

pub(crate) async fn put(record: &Record, kind: &str, id: &str, body: Bytes, expires: Option<i64>) -> Result<(), Error> {
    let sql = "INSERT INTO drawer (shard, kind, id, expires, body) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (shard, kind, id) DO UPDATE SET expires = excluded.expires, body = excluded.body";
    let expiry = expires.map_or(SqlValue::Null, SqlValue::Int);
    record.statement(sql, vec![shard(kind, id), kind.into(), id.into(), expiry, SqlValue::Bytes(body)]).await?;
    if expires.is_some() {
        // Whoever adds something that expires also sweeps what has, so no timer has to.
        let now = record.surroundings().clock.now();
        record.statement("DELETE FROM drawer WHERE expires IS NOT NULL AND expires <= $1", vec![now.into()]).await?;
    }
    Ok(())
}

pub(crate) async fn add(
    record: &Record,
    kind: &str,
    id: &str,
    body: Bytes,
    expires: Option<i64>,
) -> Result<bool, Error> {
    let now = record.surroundings().clock.now();
    record.statement("DELETE FROM drawer WHERE expires IS NOT NULL AND expires <= $1", vec![now.into()]).await?;
    let sql = "INSERT INTO drawer (shard, kind, id, expires, body) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (shard, kind, id) DO NOTHING RETURNING id";
    let expiry = expires.map_or(SqlValue::Null, SqlValue::Int);
    let added =
        record.statement(sql, vec![shard(kind, id), kind.into(), id.into(), expiry, SqlValue::Bytes(body)]).await?;
    Ok(!added.is_empty())
}

pub(crate) async fn replace(record: &Record, kind: &str, id: &str, old: Bytes, new: Bytes) -> Result<bool, Error> {
    let sql = "UPDATE drawer SET body = $1, expires = NULL WHERE shard = $2 AND kind = $3 AND id = $4 AND body = $5 \
               RETURNING id";
    let arguments = vec![SqlValue::Bytes(new), shard(kind, id), kind.into(), id.into(), SqlValue::Bytes(old)];
    Ok(!record.statement(sql, arguments).await?.is_empty())
}

pub(crate) async fn remove(record: &Record, kind: &str, id: &str) -> Result<(), Error> {
    let sql = "DELETE FROM drawer WHERE shard = $1 AND kind = $2 AND id = $3";
    record.statement(sql, vec![shard(kind, id), kind.into(), id.into()]).await.map(drop)
}

pub(crate) async fn take(record: &Record, kind: &str, id: &str) -> Result<Option<Bytes>, Error> {
    let sql = "DELETE FROM drawer WHERE shard = $1 AND kind = $2 AND id = $3 \
               AND (expires IS NULL OR expires > $4) RETURNING body";
    let now = record.surroundings().clock.now();
    let taken = record.statement(sql, vec![shard(kind, id), kind.into(), id.into(), now.into()]).await?;
    taken.first().map_or(Ok(None), |row| row.bytes_or_null(0))
}

pub(crate) async fn names(record: &Record, kind: &str, beginning: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT id FROM drawer WHERE kind = $1 AND (expires IS NULL OR expires > $2) \
               AND id >= $3 AND id < $4 ORDER BY id";
    let now = record.surroundings().clock.now();
    // Names are ordered by their bytes in both databases, and none holds the last character there is.
    let end = format!("{beginning}{}", char::MAX);
    let found = record.reader().await?.rows(sql, &[kind.into(), now.into(), beginning.into(), end.into()]).await?;
    found.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

pub(crate) async fn job_add(record: &Record, queue: &str, due: i64, body: Bytes) -> Result<(), Error> {
    let id = match record.dialect() {
        Dialect::Sqlite => "NULL",
        Dialect::Postgres => "nextval('job_id')",
    };
    let sql = format!("INSERT INTO job (id, shard, queue, due, attempts, body) VALUES ({id}, $1, $2, $3, 0, $4)");
    let arguments = vec![i64::from(shard_of(queue)).into(), queue.into(), due.into(), SqlValue::Bytes(body)];
    record.statement(&sql, arguments).await.map(drop)
}

pub(crate) async fn job_claim(
    record: &Record,
    queue: &str,
    now: i64,
    lease: i64,
    most: usize,
) -> Result<Vec<Job>, Error> {
    let skip = match record.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    // A claimed job is due again when its lease ends, so a process that dies loses nothing.
    let sql = format!(
        "UPDATE job SET due = $1, attempts = attempts + 1 WHERE id IN \
         (SELECT id FROM job WHERE queue = $2 AND due <= $3 ORDER BY due, id LIMIT $4 {skip}) \
         RETURNING id, attempts, body"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let claimed = record.statement(&sql, vec![(now + lease).into(), queue.into(), now.into(), most.into()]).await?;
    let job = |row: &Row| {
        Ok(Job {
            id: row.int(0)?,
            due: now,
            attempts: u32::try_from(row.int(1)? - 1).map_err(Error::fault)?,
            body: row.bytes_or_null(2)?.unwrap_or_default(),
        })
    };
    let mut jobs: Vec<Job> = claimed.iter().map(job).collect::<Result<_, Error>>()?;
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

pub(crate) async fn job_done(record: &Record, id: i64) -> Result<(), Error> {
    record.statement("DELETE FROM job WHERE id = $1", vec![id.into()]).await.map(drop)
}

pub(crate) async fn job_again(record: &Record, id: i64, due: i64) -> Result<(), Error> {
    record.statement("UPDATE job SET due = $1 WHERE id = $2", vec![due.into(), id.into()]).await.map(drop)
}
