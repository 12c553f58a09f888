//! Versions, newest first. <http://hl7.org/fhir/R4/http.html#history>

use fhir::Error;

use crate::access::sight::Sight;
use crate::{Key, Record, ResourceType, Version};

/// Whose history.
#[derive(Debug, Clone)]
pub enum HistoryScope {
    /// Of everything.
    System,
    /// Of one type.
    Type(ResourceType),
    /// Of one resource.
    Instance(Key),
}

/// Which part of a history.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// Whose.
    pub scope: HistoryScope,
    /// Only versions made at or after this time, in microseconds since 1970-01-01T00:00:00Z.
    pub since: Option<i64>,
    /// Only versions that were current at some time within this interval (`_at`), lower bound included.
    pub at: Option<(i64, i64)>,
    /// Versions on the page.
    pub count: usize,
    /// Where the page begins: [`HistoryPage::next`] of the page before.
    pub before: Option<u64>,
}

/// A page of a history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The versions, newest first.
    pub versions: Vec<Version>,
    /// Of each of them, whether there was no such resource before it, or only a deleted one.
    pub made: Vec<bool>,
    /// How many there are on all pages.
    pub total: u64,
    /// Where the next page begins, when there is one.
    pub next: Option<u64>,
}

pub(crate) async fn page(
    record: &Record,
    request: &HistoryRequest,
    sight: Option<&Sight>,
) -> Result<HistoryPage, Error> {
    record.store().history(request, sight).await
}
