//! Resources that match. <http://hl7.org/fhir/R4/search.html>

use fhir::Error;

use crate::{Key, Record, ResourceType, Version};

/// A search as it was asked.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The type searched; `None` for all types or those of `_type`.
    pub type_: Option<ResourceType>,
    /// Only within this compartment, such as `Patient/1`.
    pub compartment: Option<Key>,
    /// The parameters, percent-decoded, in the order given.
    pub parameters: Vec<(String, String)>,
    /// Refuse parameters that are not known (`Prefer: handling=strict`) rather than leave them out.
    pub strict: bool,
}

/// A page of results.
#[derive(Debug, Clone)]
pub struct SearchPage {
    /// What matched, in order.
    pub matches: Vec<Version>,
    /// What `_include` and `_revinclude` added, each once and none that is also a match.
    pub included: Vec<Version>,
    /// How many match on all pages, where it was asked for.
    pub total: Option<u64>,
    /// The parameters that were understood, percent-encoded: the query of the self link.
    pub understood: String,
    /// The query of the next page, when there is one.
    pub next: Option<String>,
    /// `_summary` as asked, one of `true`, `text`, `data`, `count`, `false`.
    pub summary: Option<String>,
    /// `_elements` as asked.
    pub elements: Vec<String>,
    /// What the caller should know: parameters that were left out.
    pub warnings: Vec<fhir::Issue>,
}

pub(crate) async fn run(_record: &Record, _request: &SearchRequest) -> Result<SearchPage, Error> {
    Err(Error::unsupported("Search is not there yet."))
}

pub(crate) fn criteria(
    _t: &crate::store::Tools,
    _c: &crate::store::Catalog,
    _type: ResourceType,
    _q: &str,
) -> Result<(), Error> {
    Err(Error::unsupported("stub"))
}
pub(crate) async fn keys(
    _tx: &mut impl crate::store::value::Rows,
    _t: &crate::store::Tools,
    _c: &crate::store::Catalog,
    _q: &(),
    _n: usize,
) -> Result<Vec<Key>, Error> {
    Err(Error::unsupported("stub"))
}
