//! Values that go into and come out of either database.

use bytes::Bytes;
use fhir::Error;

/// One value of a row or one argument of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SqlValue {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Bytes),
    /// A set of numbers, for `= ANY` and its like.
    Ints(Vec<i64>),
    /// The same of words.
    Texts(Vec<String>),
    /// The same of bytes.
    Blobs(Vec<Bytes>),
}

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for SqlValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for SqlValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<SqlValue>);

impl Row {
    /// The whole number in a column that is declared as one and is not null.
    pub(crate) fn int(&self, column: usize) -> Result<i64, Error> {
        match self.0.get(column) {
            Some(SqlValue::Int(value)) => Ok(*value),
            other => Err(unexpected(column, other)),
        }
    }

    /// The text in a column.
    pub(crate) fn text(&self, column: usize) -> Result<&str, Error> {
        match self.0.get(column) {
            Some(SqlValue::Text(value)) => Ok(value),
            other => Err(unexpected(column, other)),
        }
    }

    /// The bytes in a column that may be null.
    pub(crate) fn bytes_or_null(&self, column: usize) -> Result<Option<Bytes>, Error> {
        match self.0.get(column) {
            Some(SqlValue::Null) => Ok(None),
            Some(SqlValue::Bytes(value)) => Ok(Some(value.clone())),
            other => Err(unexpected(column, other)),
        }
    }
}

fn unexpected(column: usize, found: Option<&SqlValue>) -> Error {
    let kind = match found {
        None => "nothing",
        Some(SqlValue::Null) => "null",
        Some(SqlValue::Int(_)) => "a whole number",
        Some(SqlValue::Real(_)) => "a real number",
        Some(SqlValue::Text(_)) => "text",
        Some(SqlValue::Bytes(_)) => "bytes",
        Some(SqlValue::Ints(_) | SqlValue::Texts(_) | SqlValue::Blobs(_)) => "a list",
    };
    Error::fault(format!("column {column} of an answer holds {kind}"))
}

/// Which database is spoken to. The statements differ in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// What ends a statement that is asked of each candidate by itself.
    ///
    /// PostgreSQL would make joins of such statements, or fill a table with everything one of them could ever find, and
    /// choose the order of them all by guessing how many rows each has. A search has chosen where it begins; the offset
    /// keeps what follows at the rows of each candidate, and makes planning cheap.
    pub(crate) const fn each(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " OFFSET 0",
        }
    }

    /// The table of resources as `alias`, of which only the row of `rid`, a column of what stands around it, is wanted.
    ///
    /// PostgreSQL would make a join of it. Where a long condition on that row follows, it guesses its price so high that
    /// it no longer tells ways to the row apart, and reads a whole index for each; the offset keeps the row by itself.
    pub(crate) fn resource(self, rid: &str, alias: &str) -> String {
        self.resource_on(rid, alias, None)
    }

    /// The same, of a resource on a shard that is known, an argument as it is written.
    pub(crate) fn resource_on(self, rid: &str, alias: &str, shard: Option<&str>) -> String {
        match self {
            Self::Sqlite => format!("resource {alias}"),
            Self::Postgres => {
                let shard = shard.map_or_else(String::new, |shard| format!(" AND own.shard = {shard}"));
                format!("LATERAL (SELECT * FROM resource own WHERE own.rid = {rid}{shard} OFFSET 0) {alias}")
            }
        }
    }
}

/// Anything statements can be read through: a snapshot for reading or the transaction being written.
pub(crate) trait Rows: Send {
    /// Which database this is.
    fn dialect(&self) -> Dialect;

    /// Whether what is read may never come to be, since it stands in a transaction that is not committed yet. Nobody may
    /// remember it: numbers that such a transaction gave out are given to something else when it fails.
    fn is_tentative(&self) -> bool {
        false
    }

    /// The answer to a statement with arguments `$1`, `$2` …
    fn rows(
        &mut self,
        sql: &str,
        arguments: &[SqlValue],
    ) -> impl std::future::Future<Output = Result<Vec<Row>, Error>> + Send;
}
