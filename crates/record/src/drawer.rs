//! The platform's own small papers: machine clients, export orders, paging cursors. No health data.

use bytes::Bytes;
use fhir::Error;

use crate::Record;

/// The papers of one kind.
pub struct Drawer<'a> {
    pub(crate) record: &'a Record,
    pub(crate) kind: &'static str,
}

impl Drawer<'_> {
    /// The paper of that name, unless it has expired.
    pub async fn get(&self, id: &str) -> Result<Option<Bytes>, Error> {
        self.record.store().drawer_get(self.kind, id).await
    }

    /// Puts a paper in, replacing one of the same name. It goes by itself at `expires` (µs since 1970), if given.
    pub async fn put(&self, id: &str, body: Bytes, expires: Option<i64>) -> Result<(), Error> {
        self.record.store().drawer_put(self.kind, id, body, expires).await
    }

    /// Puts a paper in unless there is one of that name, and says whether it did: of several who try, one does.
    pub async fn add(&self, id: &str, body: Bytes, expires: Option<i64>) -> Result<bool, Error> {
        self.record.store().drawer_add(self.kind, id, body, expires).await
    }

    /// Puts a paper that stays in the place of this one, and says whether it did: it does not if it has been replaced or
    /// taken out meanwhile.
    pub async fn replace(&self, id: &str, old: Bytes, new: Bytes) -> Result<bool, Error> {
        self.record.store().drawer_replace(self.kind, id, old, new).await
    }

    /// Takes a paper out.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        self.record.store().drawer_remove(self.kind, id).await
    }

    /// Takes a paper out and returns it, unless it has expired: of several who try, one gets it.
    pub async fn take(&self, id: &str) -> Result<Option<Bytes>, Error> {
        self.record.store().drawer_take(self.kind, id).await
    }

    /// The names that begin so, in order.
    pub async fn names_of(&self, beginning: &str) -> Result<Vec<String>, Error> {
        self.record.store().drawer_names(self.kind, beginning).await
    }

    /// All names, in order.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        self.record.store().drawer_names(self.kind, "").await
    }
}
