//! Rows that follow from a resource: those of the indexes, and ties. When the resource is written anew most of them stay
//! as they are, and only the others are touched.

use std::hash::{Hash, Hasher};

use fhir::Error;
use rustc_hash::FxHashMap;

use crate::store::batch::{DateRow, QuantityRow, ReferenceRow, TextRow, TieRow, TokenRow};
use crate::store::value::{Row, SqlValue};

/// A row of one of these tables.
pub(crate) trait Derived: Hash + Eq + Sized {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, in the order in which [`Derived::read`] takes them.
    const COLUMNS: &'static [&'static str];

    /// A row from its columns.
    fn read(row: &Row) -> Result<Self, Error>;
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

macro_rules! derived {
    ($row:ident, $table:literal, [$($column:literal),+], |$found:ident| $read:expr) => {
        impl Derived for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($column),+];

            fn read($found: &Row) -> Result<Self, Error> {
                Ok($read)
            }
        }
    };
}

derived!(TokenRow, "tok", ["rid", "param", "grp", "code", "system", "shard", "near"], |row| Self {
    rid: row.int(0)?,
    param: row.int(1)?,
    group: row.int(2)?,
    code: row.text(3)?.into(),
    system: row.int(4)?,
    shard: row.int(5)?,
    near: row.int(6)?,
});

derived!(ReferenceRow, "ref", ["rid", "param", "grp", "target", "ttype", "shard"], |row| Self {
    rid: row.int(0)?,
    param: row.int(1)?,
    group: row.int(2)?,
    target: row.int(3)?,
    target_type: row.int(4)?,
    shard: row.int(5)?,
});

derived!(TextRow, "str", ["rid", "param", "grp", "folded", "exact", "shard"], |row| Self {
    rid: row.int(0)?,
    param: row.int(1)?,
    group: row.int(2)?,
    folded: row.text(3)?.into(),
    exact: row.text(4)?.into(),
    shard: row.int(5)?,
});

derived!(DateRow, "date", ["rid", "param", "grp", "lo", "hi", "shard"], |row| Self {
    rid: row.int(0)?,
    param: row.int(1)?,
    group: row.int(2)?,
    lo: row.int(3)?,
    hi: row.int(4)?,
    shard: row.int(5)?,
});

derived!(QuantityRow, "qty", ["rid", "param", "grp", "lo", "hi", "system", "code", "shard"], |row| Self {
    rid: row.int(0)?,
    param: row.int(1)?,
    group: row.int(2)?,
    lo: real(row, 3)?,
    hi: real(row, 4)?,
    system: row.int(5)?,
    code: row.text(6)?.into(),
    shard: row.int(7)?,
});

derived!(TieRow, "tie", ["rid", "kind", "subject", "party", "what", "mask", "lo", "hi", "shard"], |row| Self {
    rid: row.int(0)?,
    kind: row.int(1)?,
    subject: row.int(2)?,
    party: row.int(3)?,
    what: row.int(4)?,
    mask: row.int(5)?,
    lo: row.int(6)?,
    hi: row.int(7)?,
    shard: row.int(8)?,
});

fn real(row: &Row, column: usize) -> Result<f64, Error> {
    match row.0.get(column) {
        Some(SqlValue::Real(value)) => Ok(*value),
        _ => Err(Error::fault(format!("column {column} of an answer holds no real number"))),
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
}
