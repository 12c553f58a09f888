//! Rows that follow from a resource: those of the indexes, and ties. When the resource is written anew most of them stay
//! as they are, and only the others are touched.
//!
//! Each table is told once, here, with its columns: both databases write and find its rows by that.

use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use fhir::Error;
use rustc_hash::FxHashMap;
use tokio_postgres::types::{ToSql, Type};

use crate::store::value::{Row, SqlValue};

/// Lists of values of many rows, one for each column.
pub(crate) type Lists<'r> = Vec<Box<dyn ToSql + Sync + Send + 'r>>;

/// A row of one of these tables.
pub(crate) trait Derived: Hash + Eq + Sized + Sync {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, in the order in which [`Derived::read`] takes them, and their types in PostgreSQL. The first is the
    /// resource.
    const COLUMNS: &'static [(&'static str, Type)];

    /// A row from its columns.
    fn read(row: &Row) -> Result<Self, Error>;

    /// The statement of SQLite that puts one row in.
    fn one() -> &'static str;

    /// Puts the row in by [`Derived::one`].
    fn put(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize>;

    /// The statement of PostgreSQL that puts many rows in, told as [`Derived::lists`].
    fn many() -> &'static str;

    /// The columns of many rows.
    fn lists(rows: &[Self]) -> Lists<'_>;
}

/// The names of the columns of a table.
pub(crate) fn names<T: Derived>() -> String {
    T::COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A value as a column holds it.
trait Held: Sized {
    /// How it is called in PostgreSQL when it is passed; a column may be narrower.
    const TYPE: &'static str;
    /// What of it is passed in a list.
    type Listed<'v>: ToSql + Sync + Send
    where
        Self: 'v;

    fn listed(&self) -> Self::Listed<'_>;

    fn read(row: &Row, column: usize) -> Result<Self, Error>;
}

impl Held for i64 {
    type Listed<'v> = Self;
    const TYPE: &'static str = "int8";

    fn listed(&self) -> Self {
        *self
    }

    fn read(row: &Row, column: usize) -> Result<Self, Error> {
        row.int(column)
    }
}

impl Held for f64 {
    type Listed<'v> = Self;
    const TYPE: &'static str = "float8";

    fn listed(&self) -> Self {
        *self
    }

    fn read(row: &Row, column: usize) -> Result<Self, Error> {
        match row.0.get(column) {
            Some(SqlValue::Real(value)) => Ok(*value),
            _ => Err(Error::fault(format!("column {column} of an answer holds no real number"))),
        }
    }
}

impl Held for Box<str> {
    type Listed<'v> = &'v str;
    const TYPE: &'static str = "text";

    fn listed(&self) -> &str {
        self
    }

    fn read(row: &Row, column: usize) -> Result<Self, Error> {
        Ok(row.text(column)?.into())
    }
}

/// Takes out of the rows that are wanted those that are there, and answers with what is there and not wanted, as each was
/// told.
pub(crate) fn settle<T: Derived, H>(wanted: &mut Vec<T>, there: Vec<(T, H)>) -> Vec<H> {
    if there.is_empty() {
        return Vec::new();
    }
    let mut known: FxHashMap<T, Vec<H>> = FxHashMap::default();
    for (row, told) in there {
        known.entry(row).or_default().push(told);
    }
    // Of equal rows each that is there stands for one that is wanted.
    wanted.retain(|row| known.get_mut(row).is_none_or(|left| left.pop().is_none()));
    known.into_values().flatten().collect()
}

/// A table of rows that follow from a resource: each field with its column and the type of that in PostgreSQL.
macro_rules! derived {
    ($(#[$meta:meta])* $row:ident in $table:literal: $($field:ident: $held:ty = $column:literal $type:ident),+ $(,)?) => {
        $(#[$meta])*
        pub(crate) struct $row {
            $(pub(crate) $field: $held,)+
        }

        impl Derived for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [(&'static str, Type)] = &[$(($column, Type::$type)),+];

            fn read(row: &Row) -> Result<Self, Error> {
                let mut columns = 0..Self::COLUMNS.len();
                let mut next = || columns.next().unwrap_or_default();
                Ok(Self { $($field: Held::read(row, next())?,)+ })
            }

            fn one() -> &'static str {
                static SQL: LazyLock<String> = LazyLock::new(|| {
                    let places: Vec<String> = (1..=$row::COLUMNS.len()).map(|place| format!("?{place}")).collect();
                    format!("INSERT OR IGNORE INTO {} ({}) VALUES ({})", $table, names::<$row>(), places.join(", "))
                });
                &SQL
            }

            fn put(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize> {
                statement.execute(rusqlite::params![$(self.$field),+])
            }

            fn many() -> &'static str {
                static SQL: LazyLock<String> = LazyLock::new(|| {
                    let types = [$(<$held as Held>::TYPE),+];
                    let lists: Vec<String> = (1..).zip(types).map(|(at, type_)| format!("${at}::{type_}[]")).collect();
                    let (names, lists) = (names::<$row>(), lists.join(", "));
                    format!("INSERT INTO {} ({names}) SELECT * FROM unnest({lists})", $table)
                });
                &SQL
            }

            fn lists(rows: &[Self]) -> Lists<'_> {
                vec![$(Box::new(rows.iter().map(|row| row.$field.listed()).collect::<Vec<_>>())),+]
            }
        }
    };
}

derived!(
    #[derive(Debug, PartialEq, Eq, Hash)]
    TokenRow in "tok":
    rid: i64 = "rid" INT8,
    param: i64 = "param" INT4,
    group: i64 = "grp" INT2,
    code: Box<str> = "code" TEXT,
    system: i64 = "system" INT4,
    shard: i64 = "shard" INT4,
    near: i64 = "near" INT2,
);

derived!(
    #[derive(Debug, PartialEq, Eq, Hash)]
    ReferenceRow in "ref":
    rid: i64 = "rid" INT8,
    param: i64 = "param" INT4,
    group: i64 = "grp" INT2,
    target: i64 = "target" INT8,
    target_type: i64 = "ttype" INT2,
    shard: i64 = "shard" INT4,
);

derived!(
    #[derive(Debug, PartialEq, Eq, Hash)]
    TextRow in "str":
    rid: i64 = "rid" INT8,
    param: i64 = "param" INT4,
    group: i64 = "grp" INT2,
    folded: Box<str> = "folded" TEXT,
    exact: Box<str> = "exact" TEXT,
    shard: i64 = "shard" INT4,
);

derived!(
    #[derive(Debug, PartialEq, Eq, Hash)]
    DateRow in "date":
    rid: i64 = "rid" INT8,
    param: i64 = "param" INT4,
    group: i64 = "grp" INT2,
    lo: i64 = "lo" INT8,
    hi: i64 = "hi" INT8,
    shard: i64 = "shard" INT4,
);

derived!(
    #[derive(Debug)]
    QuantityRow in "qty":
    rid: i64 = "rid" INT8,
    param: i64 = "param" INT4,
    group: i64 = "grp" INT2,
    lo: f64 = "lo" FLOAT8,
    hi: f64 = "hi" FLOAT8,
    system: i64 = "system" INT4,
    code: Box<str> = "code" TEXT,
    shard: i64 = "shard" INT4,
);

derived!(
    #[derive(Debug, PartialEq, Eq, Hash)]
    TieRow in "tie":
    rid: i64 = "rid" INT8,
    kind: i64 = "kind" INT2,
    subject: i64 = "subject" INT8,
    party: i64 = "party" INT8,
    what: i64 = "what" INT2,
    mask: i64 = "mask" INT4,
    lo: i64 = "lo" INT8,
    hi: i64 = "hi" INT8,
    shard: i64 = "shard" INT4,
);

impl TieRow {
    /// Whether two ties of one resource differ in their end alone.
    pub(crate) fn is_but_for_its_end(&self, other: &Self) -> bool {
        let key = |row: &Self| (row.kind, row.subject, row.party, row.what, row.mask, row.lo);
        key(self) == key(other)
    }
}

impl QuantityRow {
    /// Two rows are equal when they are written with the same bits.
    fn bits(&self) -> (i64, i64, i64, u64, u64, i64, &str, i64) {
        let (lo, hi) = (self.lo.to_bits(), self.hi.to_bits());
        (self.rid, self.param, self.group, lo, hi, self.system, &self.code, self.shard)
    }
}

impl PartialEq for QuantityRow {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for QuantityRow {}

impl Hash for QuantityRow {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(param: i64, lo: i64) -> DateRow {
        DateRow { rid: 7, param, group: 0, lo, hi: lo + 1, shard: 3 }
    }

    #[test]
    fn only_rows_that_differ_come_and_go() {
        let there = vec![(date(1, 10), "a"), (date(2, 20), "b"), (date(3, 30), "c")];
        let mut wanted = vec![date(1, 10), date(2, 21), date(4, 40)];
        let mut gone = settle(&mut wanted, there);
        gone.sort_unstable();
        assert_eq!((gone, wanted), (vec!["b", "c"], vec![date(2, 21), date(4, 40)]));
    }

    #[test]
    fn equal_rows_are_counted() {
        let mut wanted = vec![date(1, 10), date(1, 10)];
        assert!(settle(&mut wanted, vec![(date(1, 10), "a")]).is_empty());
        assert_eq!(wanted, [date(1, 10)]);
        let mut wanted = vec![date(1, 10)];
        assert_eq!(settle(&mut wanted, vec![(date(1, 10), "a"), (date(1, 10), "b")]), ["a"]);
        assert!(wanted.is_empty());
    }

    #[test]
    fn numbers_are_compared_as_they_are_written() {
        let quantity =
            |lo: f64| QuantityRow { rid: 7, param: 1, group: 0, lo, hi: lo, system: 0, code: "".into(), shard: 3 };
        let mut wanted = vec![quantity(-0.0), quantity(0.1)];
        assert_eq!(settle(&mut wanted, vec![(quantity(0.0), "a"), (quantity(0.1), "b")]), ["a"]);
        assert_eq!(wanted.len(), 1);
    }

    #[test]
    fn a_table_is_told_to_each_database_by_one_list_of_columns() {
        assert_eq!(
            DateRow::one(),
            "INSERT OR IGNORE INTO date (rid, param, grp, lo, hi, shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        );
        assert_eq!(
            QuantityRow::many(),
            "INSERT INTO qty (rid, param, grp, lo, hi, system, code, shard) SELECT * FROM unnest($1::int8[], $2::int8[], \
             $3::int8[], $4::float8[], $5::float8[], $6::int8[], $7::text[], $8::int8[])"
        );
        assert_eq!(TokenRow::lists(&[]).len(), TokenRow::COLUMNS.len());
    }
}
