//! What is told of a run once, as it begins.

use serde::{Deserialize, Serialize};

use super::{Code, Words};

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
