//! Search parameters and what they find in a resource.
//!
//! A [`Registry`] holds every parameter of every type, the official ones and those added at run time, compiled to
//! JSON member names. [`Registry::extract`] walks a resource once and returns the rows of its search index.
//! <http://hl7.org/fhir/R4/search.html>

mod expression;
mod extract;
mod names;
mod own;
mod registry;
mod text;

pub use extract::{Entry, IndexValue, of_type_code, reference_type};
pub use names::{Reading, reading, spellings};
pub use own::OwnAddresses;
pub use registry::{Component, Param, ParamId, Registry};
pub use text::{MAX_KEY, fold, key};

#[cfg(test)]
mod tests;
