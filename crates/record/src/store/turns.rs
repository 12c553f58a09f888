//! What was written since something was read, by types: for whoever keeps in memory what follows from resources.

use std::sync::atomic::{AtomicU64, Ordering};

use fhir::Error;

use crate::store::value::Rows;
use crate::{Record, ResourceType};

/// Changes looked at with one statement.
const PAGE: i64 = 500;

/// How often resources of each type were written, as far as this process knows.
pub(crate) struct Turns(Vec<AtomicU64>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self(std::iter::once(AtomicU64::new(0)).chain(ResourceType::all().map(|_| AtomicU64::new(0))).collect())
    }

    /// A resource of this type was written.
    pub(crate) fn turn(&self, type_: ResourceType) {
        if let Some(turns) = self.of(type_) {
            turns.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn of(&self, type_: ResourceType) -> Option<&AtomicU64> {
        usize::try_from(type_.number()).ok().and_then(|number| self.0.get(number))
    }
}

/// What was written after a position of the feed.
pub(crate) struct Since {
    /// The types, each with the last position at which one of it was written.
    pub(crate) types: Vec<(ResourceType, u64)>,
    /// The last position of all.
    pub(crate) to: u64,
}

impl Record {
    /// A number that becomes greater whenever a resource of one of these types is written: by this process before that is
    /// answered, by another as soon as this one hears of it. What was read after this was asked may be kept for as long as
    /// the number stays the same.
    pub fn turn(&self, types: &[ResourceType]) -> u64 {
        types.iter().filter_map(|type_| self.turns().of(*type_)).map(|turns| turns.load(Ordering::Acquire)).sum()
    }

    /// What was written after a position.
    pub(crate) async fn written_since(&self, after: u64) -> Result<Since, Error> {
        // Read in the order of positions and no further than asked, so that the statement goes by the index however long
        // the feed is.
        let sql = format!(
            "SELECT type, max(seq), count(*) FROM \
                   (SELECT type, seq FROM feed WHERE seq > $1 ORDER BY seq LIMIT {PAGE}) f GROUP BY type"
        );
        let mut rows = self.reader().await?;
        let (mut types, mut to) = (Vec::new(), after);
        loop {
            let position = i64::try_from(to).unwrap_or(i64::MAX);
            let mut met = 0;
            for row in rows.rows(&sql, &[position.into()]).await? {
                let last = u64::try_from(row.int(1)?).map_err(Error::fault)?;
                types.extend(ResourceType::numbered(row.int(0)?).map(|type_| (type_, last)));
                to = to.max(last);
                met += row.int(2)?;
            }
            if met < PAGE {
                return Ok(Since { types, to });
            }
        }
    }
}
