//! The change feed: everything that was written, in commit order and without gaps.

use crate::Key;

/// How a version came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Made by the server under a new id.
    Create,
    /// Replaced, or made under an id the caller chose.
    Update,
    /// Changed in part.
    Patch,
    /// Deleted.
    Delete,
}

impl Method {
    /// The HTTP verb, as in `Bundle.entry.request.method`.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Create => "POST",
            Self::Update => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Create => 1,
            Self::Update => 2,
            Self::Patch => 3,
            Self::Delete => 4,
        }
    }

    pub(crate) const fn numbered(number: i64) -> Self {
        match number {
            1 => Self::Create,
            3 => Self::Patch,
            4 => Self::Delete,
            _ => Self::Update,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its position: 1, 2, 3 … in commit order, with no number left out.
    pub seq: u64,
    /// What was changed.
    pub key: Key,
    /// Into which version.
    pub version: u64,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// How.
    pub method: Method,
    /// By whom.
    pub actor: String,
    /// For which purpose.
    pub purpose: String,
}
