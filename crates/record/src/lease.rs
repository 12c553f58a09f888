//! Leases: something that one process at a time looks after, and another when that one is silent.

use bytes::Bytes;
use fhir::Error;

use crate::Record;

/// The drawer of leases.
const DRAWER: &str = "lease";

/// Somebody's claim to look after something. What it guards must bear two who believe they hold it for a moment, as when
/// one was stopped for longer than its lease and goes on.
pub struct Lease<'a> {
    pub(crate) record: &'a Record,
    pub(crate) name: String,
    pub(crate) holder: &'a str,
}

impl Lease<'_> {
    /// Takes or keeps it for so many microseconds from now, and says whether it is the holder's.
    pub async fn take(&self, length: i64) -> Result<bool, Error> {
        let drawer = self.record.drawer(DRAWER);
        let until = self.record.surroundings().clock.now() + length;
        let holder = Bytes::copy_from_slice(self.holder.as_bytes());
        match drawer.get(&self.name).await? {
            Some(found) if found == holder => {
                drawer.put(&self.name, holder, Some(until)).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => drawer.add(&self.name, holder, Some(until)).await,
        }
    }

    /// Gives it back, so that nobody has to wait for its end.
    pub async fn give_back(&self) -> Result<(), Error> {
        let drawer = self.record.drawer(DRAWER);
        match drawer.get(&self.name).await? {
            Some(found) if found == self.holder.as_bytes() => drawer.remove(&self.name).await,
            _ => Ok(()),
        }
    }
}
