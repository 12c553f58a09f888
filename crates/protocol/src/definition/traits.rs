//! What is told of a run once, as it begins, and what figures are made of besides.

use serde::{Deserialize, Serialize};

use super::{Code, Span, Words};

/// What is told of a run once, as it begins, and kept with it: figures are told apart by it, or made of it. What the
/// record says of it later changes nothing for the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trait {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// The code list its values are of. Figures are told apart by a trait that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Code>,
    /// Its value as FHIRPath on what the run knows as it begins: a code, or a whole number. Where it gives nothing, the run
    /// has no such trait.
    pub value: Code,
}

/// Traits that are numbers, of which a share is made instead of counting runs: the sum of one over the sum of the other.
/// A run counts as one of the numerator when its own numbers are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Weigh {
    /// The trait that is summed above the line.
    pub above: Code,
    /// The trait that is summed below the line. A run without both, or with nothing below the line, says nothing.
    pub below: Code,
}

/// One of several things that a share asks of a run: those behind it that lack one can be told from those that lack
/// another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Need {
    /// Its code.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// The clock that must have stopped in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Code>,
    /// Within how long; otherwise within its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The milestones that must have been reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<Code>,
    /// Milestones by any of which it is known that it is not so, as long as those of `reached` have not come about after
    /// all. Before, nothing can be said yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Code>,
}
