//! Search parameters and what they find in a resource.
mod names;
mod text;

pub use names::spellings;
pub use text::{MAX_KEY, fold, key};
