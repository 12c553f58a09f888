//! FHIR R4 (4.0.1) as data: resource trees, the official definitions, FHIRPath, validation,
//! search parameters, patches and outcomes.
//!
//! This crate is pure. It reads no file, clock, network or environment; whatever varies is an argument.

pub mod definitions;
pub mod error;
pub mod json;
mod narrative;
pub mod patch;
pub mod path;
pub mod search;
pub mod terminology;
pub mod time;
pub mod ucum;
pub mod validate;

pub use error::{Category, Error, Issue, IssueCode};
pub use json::Value;
