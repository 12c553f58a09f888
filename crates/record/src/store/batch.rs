//! What one group of transactions writes, row by row.

use bytes::Bytes;
use fhir::Error;

use crate::access::facts::Tie;
use crate::access::sight::Facts;
pub(crate) use crate::store::derived::{DateRow, QuantityRow, ReferenceRow, TextRow, TieRow, TokenRow};
use crate::store::names::{Address, Kind, Place};
use crate::store::value::Rows;

/// The tables of index rows.
pub(crate) const INDEX_TABLES: [&str; 5] = ["tok", "ref", "str", "date", "qty"];

/// The target of a reference: numbered already, or to be numbered in the transaction that writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Pointer {
    Rid(i64),
    Name(Address),
}

/// A numbered word, or one to be numbered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    Number(i64),
    Text(Box<str>),
}

/// One index row, still without the resource it belongs to. `param` is the number in the table `name`.
#[derive(Debug, Clone)]
pub(crate) enum IndexRow {
    Token { param: i64, group: i64, system: Word, code: Box<str>, near: bool },
    Reference { param: i64, group: i64, target: Pointer, target_type: i64 },
    Text { param: i64, group: i64, folded: Box<str>, exact: Box<str> },
    Date { param: i64, group: i64, lo: i64, hi: i64 },
    Quantity { param: i64, group: i64, lo: f64, hi: f64, system: Word, code: Box<str> },
    Tie(Tie),
}

impl IndexRow {
    /// The names it refers to that are still to be numbered.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Address> {
        let pointers = match self {
            Self::Reference { target, .. } => [Some(target), None],
            Self::Tie(tie) => [Some(&tie.subject), tie.party.pointer()],
            _ => [None, None],
        };
        pointers.into_iter().flatten().filter_map(Pointer::name)
    }
}

impl Pointer {
    /// The name, where it is still to be numbered.
    pub(crate) fn name(&self) -> Option<&Address> {
        match self {
            Self::Name(address) => Some(address),
            Self::Rid(_) => None,
        }
    }
}

/// A current version to store.
#[derive(Debug)]
pub(crate) struct ResourceRow {
    pub(crate) rid: i64,
    pub(crate) shard: i64,
    pub(crate) type_: i64,
    pub(crate) id: Box<str>,
    pub(crate) version: i64,
    pub(crate) at: i64,
    pub(crate) method: i64,
    /// As packed by [`crate::store::body::pack`]; `None` for a deletion.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) facts: Facts,
    /// Whether a row of this rid is there already and is to become history.
    pub(crate) replaces: bool,
}

/// A feed entry to store; its position is given at the very end of the transaction.
#[derive(Debug)]
pub(crate) struct FeedRow {
    pub(crate) shard: i64,
    pub(crate) rid: i64,
    pub(crate) type_: i64,
    pub(crate) version: i64,
    pub(crate) at: i64,
    pub(crate) method: i64,
    pub(crate) actor: i64,
    pub(crate) purpose: i64,
    pub(crate) request: Box<str>,
}

/// Everything to be written at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) resources: Vec<ResourceRow>,
    /// Resources that have index rows, of which those go that are not among the new ones.
    pub(crate) unindex: Vec<i64>,
    /// Resources that moved to another shard: where their name is, and the new home.
    pub(crate) moved: Vec<(Address, i64)>,
    pub(crate) tokens: Vec<TokenRow>,
    pub(crate) references: Vec<ReferenceRow>,
    pub(crate) texts: Vec<TextRow>,
    pub(crate) dates: Vec<DateRow>,
    pub(crate) quantities: Vec<QuantityRow>,
    pub(crate) ties: Vec<TieRow>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
            && self.unindex.is_empty()
            && self.tokens.is_empty()
            && self.references.is_empty()
            && self.texts.is_empty()
            && self.dates.is_empty()
            && self.quantities.is_empty()
            && self.ties.is_empty()
    }
}

/// A name to be located, and made if it is not there.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) address: Address,
    /// The shard its resource will live on, when it is made now.
    pub(crate) home: i32,
    /// Whether the resource itself will be written, so that nobody else may write it meanwhile.
    pub(crate) lock: bool,
    /// Whether the id was made just now by this server, so that the name cannot be there yet.
    pub(crate) fresh: bool,
}

/// The state of a resource inside a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    pub(crate) version: i64,
    pub(crate) shard: i64,
    pub(crate) deleted: bool,
    pub(crate) facts: Facts,
}

/// The open database transaction of one group.
pub(crate) trait WriteTx: Rows {
    /// The places of names, in the same order; names that were not there are made.
    fn locate(&mut self, wanted: &[Wanted]) -> impl Future<Output = Result<Vec<Place>, Error>> + Send;

    /// The current versions of located and locked resources, in the same order.
    fn current(&mut self, rids: &[i64]) -> impl Future<Output = Result<Vec<Option<Current>>, Error>> + Send;

    /// The numbers of words, in the same order; words that were not there are made.
    fn number(&mut self, kind: Kind, words: &[Box<str>]) -> impl Future<Output = Result<Vec<i64>, Error>> + Send;

    /// Keeps every other process from evaluating conditions on this type until this transaction ends.
    fn lock_type(&mut self, type_: i64) -> impl Future<Output = Result<(), Error>> + Send;

    /// Writes the rows.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<(), Error>> + Send;

    /// The last steps before commit: writes the rows, adds entries to the end of the chain of this lane, and gives feed
    /// positions. Says the last one given.
    ///
    /// Nothing else of this transaction comes after the chain is taken: from there on, no other transaction of the same
    /// lane of any process goes on until this one ends.
    fn finish(
        &mut self,
        batch: Batch,
        entries: &[Bytes],
        feed: Vec<FeedRow>,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;
}
