//! Moving a whole record from SQLite to PostgreSQL: versions, history, feed, index and papers, numbers and all.
//!
//! Everything is copied as it lies, in one transaction of the target, so the target is either empty or complete.

use fhir::{Category, Error, IssueCode};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Transaction};

use crate::store::derived::{DateRow, Derived, QuantityRow, ReferenceRow, TextRow, TieRow, TokenRow};
use crate::store::postgres::failure;
use crate::store::value::{Rows, SqlValue};
use crate::store::{Engine, Reader, Record};

/// Rows read at a time.
const CHUNK: i64 = 5_000;

/// A table: its name, the columns that order it, and all columns with their PostgreSQL types.
struct Table {
    name: &'static str,
    order: &'static [&'static str],
    columns: &'static [(&'static str, Type)],
}

const TABLES: [Table; 18] = [
    Table {
        name: "name",
        order: &["shard", "kind", "text"],
        columns: &[("shard", Type::INT4), ("kind", Type::INT2), ("text", Type::TEXT), ("id", Type::INT4)],
    },
    Table {
        name: "locator",
        order: &["shard", "type", "id"],
        columns: &[
            ("shard", Type::INT4),
            ("type", Type::INT2),
            ("id", Type::TEXT),
            ("rid", Type::INT8),
            ("home", Type::INT4),
        ],
    },
    Table {
        name: "resource",
        order: &["rid"],
        columns: &[
            ("rid", Type::INT8),
            ("shard", Type::INT4),
            ("type", Type::INT2),
            ("id", Type::TEXT),
            ("version", Type::INT4),
            ("at", Type::INT8),
            ("method", Type::INT2),
            ("body", Type::BYTEA),
            ("subject", Type::INT8),
            ("keeper", Type::INT8),
            ("label", Type::INT4),
        ],
    },
    Table {
        name: "history",
        order: &["rid", "version"],
        columns: &[
            ("rid", Type::INT8),
            ("version", Type::INT4),
            ("shard", Type::INT4),
            ("at", Type::INT8),
            ("method", Type::INT2),
            ("body", Type::BYTEA),
            ("subject", Type::INT8),
            ("keeper", Type::INT8),
            ("label", Type::INT4),
        ],
    },
    Table {
        name: "feed",
        order: &["seq"],
        columns: &[
            ("seq", Type::INT8),
            ("shard", Type::INT4),
            ("rid", Type::INT8),
            ("type", Type::INT2),
            ("version", Type::INT4),
            ("at", Type::INT8),
            ("method", Type::INT2),
            ("actor", Type::INT4),
            ("purpose", Type::INT4),
            ("request", Type::TEXT),
        ],
    },
    Table { name: TokenRow::TABLE, order: &["rid", "param", "grp", "code", "system"], columns: TokenRow::COLUMNS },
    Table { name: ReferenceRow::TABLE, order: &["rid", "param", "grp", "target"], columns: ReferenceRow::COLUMNS },
    Table { name: TextRow::TABLE, order: &["rid", "param", "grp", "folded", "exact"], columns: TextRow::COLUMNS },
    Table { name: DateRow::TABLE, order: &["rid", "param", "grp", "lo", "hi"], columns: DateRow::COLUMNS },
    Table {
        name: QuantityRow::TABLE,
        order: &["rid", "param", "grp", "lo", "hi", "system", "code"],
        columns: QuantityRow::COLUMNS,
    },
    Table {
        name: TieRow::TABLE,
        order: &["rid", "kind", "subject", "party", "what", "mask", "lo"],
        columns: TieRow::COLUMNS,
    },
    Table {
        name: "drawer",
        order: &["shard", "kind", "id"],
        columns: &[
            ("shard", Type::INT4),
            ("kind", Type::TEXT),
            ("id", Type::TEXT),
            ("expires", Type::INT8),
            ("body", Type::BYTEA),
        ],
    },
    Table {
        name: "job",
        order: &["id"],
        columns: &[
            ("id", Type::INT8),
            ("shard", Type::INT4),
            ("queue", Type::TEXT),
            ("due", Type::INT8),
            ("attempts", Type::INT4),
            ("body", Type::BYTEA),
        ],
    },
    Table {
        name: "audit",
        order: &["shard", "seq"],
        columns: &[
            ("shard", Type::INT4),
            ("seq", Type::INT8),
            ("count", Type::INT4),
            ("since", Type::INT8),
            ("at", Type::INT8),
            ("hash", Type::BYTEA),
            ("body", Type::BYTEA),
        ],
    },
    Table {
        name: "audit_about",
        order: &["shard", "at", "chain", "seq"],
        columns: &[
            ("shard", Type::INT4),
            ("since", Type::INT8),
            ("at", Type::INT8),
            ("chain", Type::INT4),
            ("seq", Type::INT8),
            ("marks", Type::BYTEA),
            ("blocks", Type::BYTEA),
        ],
    },
    Table {
        name: "audit_end",
        order: &["shard"],
        columns: &[("shard", Type::INT4), ("seq", Type::INT8), ("hash", Type::BYTEA), ("tray", Type::INT4)],
    },
    Table {
        name: "audit_seal",
        order: &["shard", "seq"],
        columns: &[("shard", Type::INT4), ("seq", Type::INT8), ("body", Type::TEXT), ("signature", Type::BYTEA)],
    },
    Table {
        name: "audit_countersign",
        order: &["shard", "seq", "member"],
        columns: &[
            ("shard", Type::INT4),
            ("seq", Type::INT8),
            ("member", Type::TEXT),
            ("pubkey", Type::TEXT),
            ("signature", Type::BYTEA),
        ],
    },
];

impl Record {
    /// Moves this record, which must be on SQLite, into an empty one on PostgreSQL.
    ///
    /// `progress` is told the table and how many of its rows are copied. Fails with [`Category::Conflict`] when the
    /// target holds anything; then, as after any failure, the target is as it was.
    pub async fn copy_to(&self, target: &Self, mut progress: impl FnMut(&'static str, u64)) -> Result<(), Error> {
        let (Engine::Sqlite(_), Engine::Postgres(postgres)) = (&self.0.engine, &target.0.engine) else {
            return Err(Error::unsupported("A record is copied from SQLite to PostgreSQL."));
        };
        let (mut client, connection) = postgres.config().connect(NoTls).await.map_err(failure)?;
        let driver = tokio::spawn(connection);
        let tx = client.transaction().await.map_err(failure)?;
        tx.batch_execute("LOCK TABLE feed, locator, name IN ACCESS EXCLUSIVE MODE").await.map_err(failure)?;
        let used = tx.query_one("SELECT EXISTS (SELECT 1 FROM locator)", &[]).await.map_err(failure)?;
        if used.get::<_, bool>(0) {
            let text = "The target holds resources already; a record is copied into an empty one.";
            return Err(Error::new(Category::Conflict, IssueCode::Duplicate, text));
        }
        // Opening a record numbers its search parameters; here they get the numbers the copied rows carry.
        tx.batch_execute("DELETE FROM name").await.map_err(failure)?;
        // The target goes on with the chains of this record, which may not have entries waiting any more.
        self.settle().await?;
        tx.batch_execute("DELETE FROM audit; DELETE FROM audit_about; DELETE FROM audit_end").await.map_err(failure)?;
        let mut reader = self.reader().await?;
        for table in &TABLES {
            copy_table(&mut reader, &tx, table, &mut progress).await?;
        }
        tx.batch_execute(
            "UPDATE head SET value = (SELECT coalesce(max(seq), 0) FROM feed), alone = false WHERE name = 'feed';
             SELECT setval('rid_block', (SELECT (coalesce(max(rid), 0) / 1000 + 1) * 1000 FROM locator), false);
             SELECT setval('name_id', (SELECT coalesce(max(id), 0) + 1 FROM name), false);
             SELECT setval('job_id', (SELECT coalesce(max(id), 0) + 1 FROM job), false);",
        )
        .await
        .map_err(failure)?;
        tx.commit().await.map_err(failure)?;
        drop(client);
        driver.await.map_err(Error::fault)?.map_err(failure)
    }
}

async fn copy_table(
    reader: &mut Reader,
    tx: &Transaction<'_>,
    table: &Table,
    progress: &mut impl FnMut(&'static str, u64),
) -> Result<(), Error> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let types: Vec<Type> = table.columns.iter().map(|(_, type_)| type_.clone()).collect();
    let columns_list = columns.join(", ");
    let sink = tx.copy_in(&format!("COPY {} ({columns_list}) FROM STDIN BINARY", table.name)).await.map_err(failure)?;
    let writer = BinaryCopyInWriter::new(sink, &types);
    futures_util::pin_mut!(writer);
    let order = table.order.join(", ");
    let from = |count: usize| (1..=count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    let mut last: Option<Vec<SqlValue>> = None;
    let mut copied = 0;
    loop {
        let after = match &last {
            Some(_) => format!("WHERE ({order}) > ({})", from(table.order.len())),
            None => String::new(),
        };
        let sql = format!("SELECT {columns_list} FROM {} {after} ORDER BY {order} LIMIT {CHUNK}", table.name);
        let rows = reader.rows(&sql, last.as_deref().unwrap_or_default()).await?;
        let Some(end) = rows.last() else { break };
        let place = |column: &&str| columns.iter().position(|name| name == column);
        last = table.order.iter().map(|column| Some(end.0.get(place(column)?)?.clone())).collect();
        for row in &rows {
            let values: Vec<&(dyn ToSql + Sync)> = row.0.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            writer.as_mut().write(&values).await.map_err(failure)?;
        }
        copied += rows.len() as u64;
        progress(table.name, copied);
    }
    writer.finish().await.map_err(failure).map(drop)
}
