//! Reading what is known by name or by position. The statements are the same on both databases.

use fhir::Error;

use crate::access::sight::{Columns, Conditions, Facts, Sight};
use crate::history::{HistoryPage, HistoryRequest, HistoryScope};
use crate::store::body;
use crate::store::names::{Place, shard_of};
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::{FeedEntry, Key, Method, Relation, ResourceType, Version};

/// The place of a name: its rid and the shard its resource lives on.
const PLACE: &str = "SELECT rid, home FROM locator WHERE shard = $1 AND type = $2 AND id = $3";

const CURRENT: &str = "SELECT type, id, version, at, method, body FROM resource WHERE rid = $1 AND shard = $2";

const EARLIER: &str = "SELECT at, method, body FROM history WHERE rid = $1 AND version = $2";

pub(crate) async fn place(rows: &mut impl Rows, key: &Key) -> Result<Option<Place>, Error> {
    let shard = i64::from(shard_of(&key.to_string()));
    let arguments = [shard.into(), key.type_.number().into(), key.id.as_str().into()];
    match rows.rows(PLACE, &arguments).await?.first() {
        Some(row) => {
            let home = i32::try_from(row.int(1)?).map_err(Error::fault)?;
            Ok(Some(Place { rid: row.int(0)?, home }))
        }
        None => Ok(None),
    }
}

pub(crate) async fn read(rows: &mut impl Rows, key: &Key) -> Result<Option<Version>, Error> {
    let Some(Place { rid, home }) = place(rows, key).await? else { return Ok(None) };
    let home = i64::from(home);
    match rows.rows(CURRENT, &[rid.into(), home.into()]).await?.first() {
        Some(row) => version(row).map(Some),
        None => Ok(None),
    }
}

/// What stands beside the current version of a resource, be it a deletion.
pub(crate) async fn facts(rows: &mut impl Rows, key: &Key) -> Result<Option<Facts>, Error> {
    let Some(Place { rid, home }) = place(rows, key).await? else { return Ok(None) };
    let sql = "SELECT subject, keeper, label FROM resource WHERE rid = $1 AND shard = $2";
    let found = rows.rows(sql, &[rid.into(), i64::from(home).into()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let (type_, subject, keeper, label) = (key.type_.number(), row.int(0)?, row.int(1)?, row.int(2)?);
    Ok(Some(Facts { rid, type_, subject, keeper, label }))
}

/// A version from columns type, id, version, at, method, body.
pub(crate) fn version(row: &Row) -> Result<Version, Error> {
    let type_ = type_numbered(row.int(0)?)?;
    let number = row.int(2)?;
    Ok(Version {
        key: Key::new(type_, row.text(1)?),
        version: u64::try_from(number).map_err(Error::fault)?,
        at: row.int(3)?,
        method: Method::numbered(row.int(4)?),
        body: row.bytes_or_null(5)?.map(body::unpack).transpose()?,
    })
}

fn type_numbered(number: i64) -> Result<ResourceType, Error> {
    ResourceType::numbered(number).ok_or_else(|| Error::fault(format!("type {number} is stored and not in R4")))
}

pub(crate) async fn vread(rows: &mut impl Rows, key: &Key, number: u64) -> Result<Option<Version>, Error> {
    let Some(Place { rid, home }) = place(rows, key).await? else { return Ok(None) };
    let home = i64::from(home);
    if let Some(row) = rows.rows(CURRENT, &[rid.into(), home.into()]).await?.first() {
        let current = version(row)?;
        if current.version == number {
            return Ok(Some(current));
        }
    }
    let Ok(wanted) = i64::try_from(number) else { return Ok(None) };
    let found = rows.rows(EARLIER, &[rid.into(), wanted.into()]).await?;
    found.first().map(|row| earlier(key.clone(), number, row)).transpose()
}

/// A version from columns at, method, body.
fn earlier(key: Key, version: u64, row: &Row) -> Result<Version, Error> {
    let body = row.bytes_or_null(2)?.map(body::unpack).transpose()?;
    Ok(Version { key, version, at: row.int(0)?, method: Method::numbered(row.int(1)?), body })
}

/// Current versions by rid, in the order asked; what was deleted meanwhile is left out.
pub(crate) async fn by_rid(rows: &mut impl Rows, rids: &[i64]) -> Result<Vec<(i64, Version)>, Error> {
    by_rid_on(rows, rids, None).await
}

/// The same, of resources that lie on one shard, where it is known.
pub(crate) async fn by_rid_on(
    rows: &mut impl Rows,
    rids: &[i64],
    shard: Option<i64>,
) -> Result<Vec<(i64, Version)>, Error> {
    if rids.is_empty() {
        return Ok(Vec::new());
    }
    let mut arguments = vec![SqlValue::Ints(rids.to_vec())];
    let sql = match (rows.dialect(), shard) {
        (Dialect::Sqlite, _) => {
            "SELECT type, id, version, at, method, body, rid FROM resource \
             WHERE rid IN (SELECT value FROM rarray($1)) AND body IS NOT NULL"
        }
        // The list is put where the planner cannot see it: with it, it would think each time anew.
        (Dialect::Postgres, None) => {
            "SELECT type, id, version, at, method, body, rid FROM resource \
             WHERE rid = ANY((SELECT $1::int8[])::int8[]) AND body IS NOT NULL"
        }
        (Dialect::Postgres, Some(shard)) => {
            arguments.push(shard.into());
            "SELECT type, id, version, at, method, body, rid FROM resource \
             WHERE rid = ANY((SELECT $1::int8[])::int8[]) AND shard = $2 AND body IS NOT NULL"
        }
    };
    let found = rows.rows(sql, &arguments).await?;
    let mut versions = rustc_hash::FxHashMap::default();
    for row in &found {
        versions.insert(row.int(6)?, version(row)?);
    }
    Ok(rids.iter().filter_map(|rid| Some((*rid, versions.remove(rid)?))).collect())
}

/// The condition that a caller may see the version a row of the feed `f` tells of: by what stands beside it, and by
/// what stands beside the current one, so that a label put on later covers what was before.
fn seen(rows: &impl Rows, sight: Option<&Sight>, arguments: &mut Vec<SqlValue>) -> String {
    let Some(sight) = sight else { return String::new() };
    let mut argument = |value: SqlValue| {
        arguments.push(value);
        format!("${}", arguments.len())
    };
    let mut conditions = Conditions { sight, dialect: rows.dialect(), argument: &mut argument };
    let current = conditions.readable(&Columns::of("s"), None);
    let past = conditions.readable(&Columns { type_: "f.type".to_owned(), ..Columns::of("h") }, None);
    let own = rows.dialect().resource("f.rid", "s");
    format!(
        " AND EXISTS (SELECT 1 FROM {own} WHERE s.rid = f.rid AND {current} AND (s.version = f.version OR EXISTS \
         (SELECT 1 FROM history h WHERE h.rid = f.rid AND h.version = f.version AND {past})))"
    )
}

/// One version, the current one when none is named, if the caller may see it and the current one; and the closest
/// relation by which they may.
pub(crate) async fn read_seen(
    rows: &mut impl Rows,
    key: &Key,
    number: Option<u64>,
    sight: &Sight,
) -> Result<Option<(Version, Relation)>, Error> {
    let Some(place) = place(rows, key).await? else { return Ok(None) };
    Ok(read_seen_at(rows, key, place, number, sight).await?.flatten())
}

/// The same of what is at a place. The outer `None` says that it, or that version of it, is not there.
pub(crate) async fn read_seen_at(
    rows: &mut impl Rows,
    key: &Key,
    place: Place,
    number: Option<u64>,
    sight: &Sight,
) -> Result<Option<Option<(Version, Relation)>>, Error> {
    let Some((version, facts)) = with_facts(rows, key, place, number).await? else { return Ok(None) };
    Ok(Some(crate::access::way_to_read(rows, sight, &facts).await?.map(|way| (version, way))))
}

/// One version, the current one when none is named; with what stands beside the current one and, if it is another, beside
/// the one asked for.
async fn with_facts(
    rows: &mut impl Rows,
    key: &Key,
    Place { rid, home }: Place,
    number: Option<u64>,
) -> Result<Option<(Version, Vec<Facts>)>, Error> {
    let sql = "SELECT type, id, version, at, method, body, subject, keeper, label FROM resource \
               WHERE rid = $1 AND shard = $2";
    let found = rows.rows(sql, &[rid.into(), i64::from(home).into()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let facts = |row: &Row, from: usize| -> Result<Facts, Error> {
        let (subject, keeper, label) = (row.int(from)?, row.int(from + 1)?, row.int(from + 2)?);
        Ok(Facts { rid, type_: key.type_.number(), subject, keeper, label })
    };
    let (mut answer, mut beside) = (version(row)?, vec![facts(row, 6)?]);
    // One resource must never be answered for another, whatever went wrong before.
    if answer.key != *key {
        return Err(Error::fault("a name leads to a row that holds another resource"));
    }
    if let Some(number) = number.filter(|number| *number != answer.version) {
        let Ok(wanted) = i64::try_from(number) else { return Ok(None) };
        let sql = "SELECT at, method, body, subject, keeper, label FROM history WHERE rid = $1 AND version = $2";
        let found = rows.rows(sql, &[rid.into(), wanted.into()]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        answer = earlier(key.clone(), number, row)?;
        beside.push(facts(row, 3)?);
    }
    Ok(Some((answer, beside)))
}

/// What stands beside the current version of a resource, and beside the one asked for; `None` when there is no such version.
pub(crate) async fn beside(
    rows: &mut impl Rows,
    type_: ResourceType,
    rid: i64,
    number: u64,
) -> Result<Option<Vec<Facts>>, Error> {
    let Ok(number) = i64::try_from(number) else { return Ok(None) };
    let sql = "SELECT version, subject, keeper, label FROM resource WHERE rid = $1 UNION ALL \
               SELECT version, subject, keeper, label FROM history WHERE rid = $2 AND version = $3";
    let found = rows.rows(sql, &[rid.into(), rid.into(), number.into()]).await?;
    let (mut is_there, mut beside) = (false, Vec::with_capacity(2));
    for row in &found {
        is_there |= row.int(0)? == number;
        let (subject, keeper, label) = (row.int(1)?, row.int(2)?, row.int(3)?);
        beside.push(Facts { rid, type_: type_.number(), subject, keeper, label });
    }
    Ok(is_there.then_some(beside))
}

pub(crate) async fn changes(
    rows: &mut impl Rows,
    types: &[ResourceType],
    after: u64,
    limit: usize,
    sight: Option<&Sight>,
) -> Result<Vec<FeedEntry>, Error> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut arguments = vec![after.into(), limit.into()];
    let seen = seen(rows, sight, &mut arguments);
    let numbers: Vec<String> = types.iter().map(|type_| type_.number().to_string()).collect();
    let of = if types.is_empty() { String::new() } else { format!(" AND f.type IN ({})", numbers.join(", ")) };
    let sql = format!(
        "SELECT f.seq, l.type, l.id, f.version, f.at, f.method, a.text, p.text \
         FROM (SELECT * FROM feed f WHERE seq > $1{of}{seen} ORDER BY seq LIMIT $2) f \
         JOIN locator l ON l.rid = f.rid \
         JOIN name a ON a.id = f.actor JOIN name p ON p.id = f.purpose ORDER BY f.seq"
    );
    let found = rows.rows(&sql, &arguments).await?;
    found
        .iter()
        .map(|row| {
            Ok(FeedEntry {
                seq: u64::try_from(row.int(0)?).map_err(Error::fault)?,
                key: Key::new(type_numbered(row.int(1)?)?, row.text(2)?),
                version: u64::try_from(row.int(3)?).map_err(Error::fault)?,
                at: row.int(4)?,
                method: Method::numbered(row.int(5)?),
                actor: row.text(6)?.to_owned(),
                purpose: row.text(7)?.to_owned(),
            })
        })
        .collect()
}

/// By whom a version of a resource was written; where somebody is to be left out, the closest version before it that is
/// not theirs.
pub(crate) async fn author(
    rows: &mut impl Rows,
    key: &Key,
    version: u64,
    except: &str,
) -> Result<Option<String>, Error> {
    let Some(Place { rid, .. }) = place(rows, key).await? else { return Ok(None) };
    let sql = "SELECT a.text FROM feed f JOIN name a ON a.id = f.actor \
               WHERE f.type = $1 AND f.rid = $2 AND f.version <= $3 AND a.text <> $4 ORDER BY f.seq DESC LIMIT 1";
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let found = rows.rows(sql, &[key.type_.number().into(), rid.into(), version.into(), except.into()]).await?;
    found.first().map(|row| row.text(0).map(str::to_owned)).transpose()
}

pub(crate) async fn history(
    rows: &mut impl Rows,
    request: &HistoryRequest,
    sight: Option<&Sight>,
) -> Result<HistoryPage, Error> {
    let mut conditions: Vec<String> = Vec::new();
    let mut arguments: Vec<SqlValue> = Vec::new();
    let mut argument = |value: SqlValue| {
        arguments.push(value);
        format!("${}", arguments.len())
    };
    let feed = match &request.scope {
        HistoryScope::System => "feed",
        HistoryScope::Type(type_) => {
            conditions.push(format!("type = {}", argument(type_.number().into())));
            "feed"
        }
        HistoryScope::Instance(key) => {
            let Some(Place { rid, .. }) = place(rows, key).await? else {
                return Ok(HistoryPage { versions: Vec::new(), made: Vec::new(), total: 0, next: None });
            };
            conditions.push(format!("rid = {}", argument(rid.into())));
            // One resource's versions are found by its rid; their numbers order them as positions would.
            "(SELECT CAST(version AS BIGINT) AS seq, rid, type, version, at, method FROM resource \
              UNION ALL SELECT h.version, h.rid, r.type, h.version, h.at, h.method \
              FROM history h JOIN resource r ON r.rid = h.rid)"
        }
    };
    if let Some(since) = request.since {
        conditions.push(format!("at >= {}", argument(since.into())));
    }
    if let Some((from, until)) = request.at {
        conditions.push(format!("at < {}", argument(until.into())));
        let next = "SELECT 1 FROM feed later WHERE later.rid = f.rid AND later.version = f.version + 1";
        conditions.push(format!("NOT EXISTS ({next} AND later.at <= {})", argument(from.into())));
    }
    let mut matching = if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") };
    matching += &seen(rows, sight, &mut arguments);
    let counted = rows.rows(&format!("SELECT count(*) FROM {feed} f WHERE {matching}"), &arguments).await?;
    let total = counted.first().map_or(Ok(0), |row| row.int(0))?;
    let before = request.before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    arguments.push(before.into());
    arguments.push((i64::try_from(request.count).unwrap_or(i64::MAX - 1) + 1).into());
    let (before, limit) = (arguments.len() - 1, arguments.len());
    let page = format!(
        "SELECT f.seq, f.rid, f.version, l.type, l.id FROM \
         (SELECT seq, rid, version FROM {feed} f WHERE {matching} AND seq < ${before} ORDER BY seq DESC LIMIT ${limit}) f \
         JOIN locator l ON l.rid = f.rid ORDER BY f.seq DESC"
    );
    let mut found = rows.rows(&page, &arguments).await?;
    let more = found.len() > request.count;
    found.truncate(request.count);
    let next = match found.last() {
        Some(row) if more => Some(u64::try_from(row.int(0)?).map_err(Error::fault)?),
        _ => None,
    };
    let rids: Vec<i64> = found.iter().map(|row| row.int(1)).collect::<Result<_, _>>()?;
    let current = current_or_deleted(rows, &rids).await?;
    let mut versions = Vec::with_capacity(found.len());
    for row in &found {
        let (rid, number) = (row.int(1)?, row.int(2)?);
        let unsigned = u64::try_from(number).map_err(Error::fault)?;
        match current.get(&rid) {
            Some(version) if version.version == unsigned => versions.push(version.clone()),
            _ => {
                let key = Key::new(type_numbered(row.int(3)?)?, row.text(4)?);
                let past = rows.rows(EARLIER, &[rid.into(), number.into()]).await?;
                let past = past.first().ok_or_else(|| Error::fault("the feed names a version that is not kept"))?;
                versions.push(earlier(key, unsigned, past)?);
            }
        }
    }
    let deletions = deletions(rows, &rids).await?;
    let follows_none = |row: &Row| {
        let (rid, number) = (row.int(1)?, row.int(2)?);
        Ok(number == 1 || deletions.contains(&(rid, number - 1)))
    };
    let made = found.iter().map(follows_none).collect::<Result<_, Error>>()?;
    Ok(HistoryPage { versions, made, total: u64::try_from(total).map_err(Error::fault)?, next })
}

/// The earlier versions of resources that deleted them.
async fn deletions(rows: &mut impl Rows, rids: &[i64]) -> Result<rustc_hash::FxHashSet<(i64, i64)>, Error> {
    let among = match rows.dialect() {
        Dialect::Sqlite => "IN (SELECT value FROM rarray($1))",
        Dialect::Postgres => "= ANY($1)",
    };
    let sql = format!("SELECT rid, version FROM history WHERE rid {among} AND method = $2");
    let found = rows.rows(&sql, &[SqlValue::Ints(rids.to_vec()), Method::Delete.number().into()]).await?;
    found.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

async fn current_or_deleted(rows: &mut impl Rows, rids: &[i64]) -> Result<rustc_hash::FxHashMap<i64, Version>, Error> {
    let among = match rows.dialect() {
        Dialect::Sqlite => "IN (SELECT value FROM rarray($1))",
        Dialect::Postgres => "= ANY($1)",
    };
    let sql = format!("SELECT type, id, version, at, method, body, rid FROM resource WHERE rid {among}");
    let found = rows.rows(&sql, &[SqlValue::Ints(rids.to_vec())]).await?;
    found.iter().map(|row| Ok((row.int(6)?, version(row)?))).collect()
}
