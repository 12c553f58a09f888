//! What the databases themselves can do: `floor FROM TO SKIP COUNT`.
//!
//! Takes COUNT resources of the SQLite record in the folder FROM, those after the first SKIP, with every row that was
//! written for them, and writes the same rows into TO, a folder or a PostgreSQL database that is empty or holds what was
//! written there for earlier ones, by prepared statements alone: 64
//! resources at a time, in as many durable transactions as the record would have open. Prints resources a second. What the record itself does
//! more than this (reading JSON, validating, finding index values, answering) is what a comparison shows.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

const SQLITE: &str = include_str!("../src/store/sqlite/schema.sql");
const POSTGRES: &str = include_str!("../src/store/postgres/schema.sql");

/// Resources being written at a time: as many as there are clients in the measurement this is compared with.
const AT_ONCE: usize = 64;
/// Connections that write to PostgreSQL at the same time, as many as the record has.
const LANES: usize = 2;

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Real,
    Text,
    Bytes,
}

/// A table that a create writes to. All hold the column `rid`.
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
}

/// The rows of one group, table by table.
type Group = Vec<Vec<Vec<Value>>>;

/// What was taken out of a record: its tables, the rows of each group, and how many resources they are about.
type Taken = (Vec<Table>, Vec<Group>, usize);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, skip, count] = words.as_slice() else { return Err("usage: floor FROM TO SKIP COUNT".into()) };
    let is_postgres = to.starts_with("postgres://");
    let group = if is_postgres { AT_ONCE / LANES } else { AT_ONCE };
    let (tables, groups, resources) = read(Path::new(from), skip.parse()?, count.parse()?, group)?;
    let time =
        if is_postgres { postgres(to, &tables, groups).await? } else { sqlite(Path::new(to), &tables, &groups)? };
    writeln!(std::io::stdout(), "{:.0}", resources as f64 / time.as_secs_f64())?;
    Ok(())
}

/// Resources of a record and all that was written for them, in the order it was written.
fn read(folder: &Path, skip: i64, count: i64, group: usize) -> Result<Taken, Box<dyn Error>> {
    let connection = Connection::open_with_flags(folder.join("record.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // The feed is not found by resource, and need not be; here a copy is, in the temporary database of this connection.
    connection.execute_batch(
        "CREATE TEMP TABLE feed AS SELECT * FROM main.feed; CREATE INDEX temp.feed_rid ON feed (rid);",
    )?;
    let those = "SELECT rid FROM resource WHERE body IS NOT NULL ORDER BY rid LIMIT ?2 OFFSET ?1";
    let mut statement = connection.prepare(those)?;
    let rids: Vec<i64> = statement.query_map([skip, count], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let tables = tables(&connection)?;
    let mut groups = Vec::new();
    for rids in rids.chunks(group) {
        let mut group = Vec::new();
        for table in &tables {
            let columns = table.names();
            let sql = format!("SELECT {} FROM {} WHERE rid = ?1", columns.join(", "), table.name);
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = Vec::new();
            for rid in rids {
                let mut found = statement.query([rid])?;
                while let Some(row) = found.next()? {
                    rows.push((0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()?);
                }
            }
            group.push(rows);
        }
        groups.push(group);
    }
    Ok((tables, groups, rids.len()))
}

/// The tables of a record that are about resources, with all their columns; what a newly made resource has no row in costs
/// next to nothing. The trail is no part of the floor.
fn tables(connection: &Connection) -> Result<Vec<Table>, Box<dyn Error>> {
    let mut named = connection.prepare(
        "SELECT m.name FROM main.sqlite_schema m, pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.name = 'rid' AND m.name NOT LIKE 'audit%' ORDER BY m.name",
    )?;
    let names: Vec<String> = named.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut tables = Vec::new();
    for name in names {
        let mut described = connection.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
        let columns = described.query_map([&name], |row| {
            let kind = match row.get::<_, String>(1)?.as_str() {
                // A copied table says INT.
                "INTEGER" | "INT" => Kind::Int,
                "REAL" => Kind::Real,
                "BLOB" => Kind::Bytes,
                _ => Kind::Text,
            };
            Ok((row.get(0)?, kind))
        })?;
        let columns = columns.collect::<Result<_, _>>()?;
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

impl Table {
    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn sqlite(folder: &Path, tables: &[Table], groups: &[Group]) -> Result<Duration, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let connection = Connection::open(folder.join("record.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
         PRAGMA cache_size = -65536;",
    )?;
    let is_new = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if is_new {
        connection.execute_batch(SQLITE)?;
    }
    let began = Instant::now();
    for group in groups {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (table, rows) in tables.iter().zip(group) {
            let columns = table.names();
            let places: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
            let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), places.join(", "));
            let mut statement = connection.prepare_cached(&sql)?;
            for row in rows {
                statement.execute(rusqlite::params_from_iter(row))?;
            }
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(began.elapsed())
}

async fn postgres(url: &str, tables: &[Table], groups: Vec<Group>) -> Result<Duration, Box<dyn Error>> {
    let mut clients = Vec::new();
    for _ in 0..LANES {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        clients.push(client);
    }
    let there = clients[0].query_one("SELECT to_regclass('head') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        clients[0].batch_execute(POSTGRES).await?;
    }
    let groups: Vec<(usize, &Group)> = groups.iter().enumerate().collect();
    let began = Instant::now();
    try_join_all(clients.iter().enumerate().map(async |(lane, client)| {
        let statements =
            try_join_all(tables.iter().map(|table| client.prepare(Box::leak(insert(table).into())))).await?;
        for (_, group) in groups.iter().filter(|(at, _)| at % LANES == lane) {
            write(client, tables, &statements, group).await?;
        }
        Ok::<(), tokio_postgres::Error>(())
    }))
    .await?;
    Ok(began.elapsed())
}

/// A statement that takes a table's rows as one array for each column.
fn insert(table: &Table) -> String {
    let columns = table.names();
    let arrays: Vec<String> = (1..)
        .zip(&table.columns)
        .map(|(at, (_, kind))| match kind {
            Kind::Int => format!("${at}::int8[]"),
            Kind::Real => format!("${at}::float8[]"),
            Kind::Text => format!("${at}::text[]"),
            Kind::Bytes => format!("${at}::bytea[]"),
        })
        .collect();
    format!("INSERT INTO {} ({}) SELECT * FROM unnest({})", table.name, columns.join(", "), arrays.join(", "))
}

async fn write(
    client: &Client,
    tables: &[Table],
    statements: &[Statement],
    group: &Group,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    // The statements of a group travel together, without waiting for each other's answers.
    let written = tables.iter().zip(statements).zip(group).filter(|(_, rows)| !rows.is_empty());
    try_join_all(written.map(async |((table, statement), rows)| {
        let arrays: Vec<Box<dyn ToSql + Sync + Send>> =
            table.columns.iter().enumerate().map(|(at, (_, kind))| array(rows, at, *kind)).collect();
        let arguments: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array.as_ref() as &(dyn ToSql + Sync)).collect();
        client.execute(statement, &arguments).await
    }))
    .await?;
    let moved = tables.iter().zip(group).find(|(table, _)| table.name == "feed").map_or(0, |(_, rows)| rows.len());
    client.batch_execute(&format!("UPDATE head SET value = value + {moved} WHERE name = 'feed'; COMMIT")).await
}

/// A column of some rows.
fn array(rows: &[Vec<Value>], at: usize, kind: Kind) -> Box<dyn ToSql + Sync + Send> {
    let column = rows.iter().map(|row| row[at].clone());
    match kind {
        Kind::Int => {
            Box::new(column.map(|value| if let Value::Integer(value) = value { value } else { 0 }).collect::<Vec<_>>())
        }
        Kind::Real => {
            Box::new(column.map(|value| if let Value::Real(value) = value { value } else { 0.0 }).collect::<Vec<_>>())
        }
        Kind::Text => Box::new(
            column.map(|value| if let Value::Text(value) = value { value } else { String::new() }).collect::<Vec<_>>(),
        ),
        Kind::Bytes => Box::new(
            column.map(|value| if let Value::Blob(value) = value { value } else { Vec::new() }).collect::<Vec<_>>(),
        ),
    }
}
