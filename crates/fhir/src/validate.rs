//! Validation: whether a resource is what the specification, and the profiles asked for, allow.
//!
//! One walk over the JSON tree against the element table finds everything about structure, formats and required
//! codes; invariants follow on the same walk. <http://hl7.org/fhir/R4/validation.html>

mod coded;
mod format;
mod place;
mod plan;
mod quick;
mod rule;
mod walk;

use crate::definitions::Definitions;
use crate::terminology::{Official, Terminology};
use crate::{Issue, Value};

use plan::Plan;

/// How much a [`Validator`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether FHIRPath invariants are evaluated.
    pub invariants: bool,
    /// Whether advice is given too: best practices, extensible and preferred bindings, unknown core extensions.
    pub advice: bool,
    /// The number of issues after which the walk ends.
    pub most_issues: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { invariants: true, advice: false, most_issues: 100 }
    }
}

/// Checks resources against one set of definitions. Made once: it compiles the definitions and caches value sets.
#[derive(Debug)]
pub struct Validator {
    definitions: &'static Definitions,
    options: Options,
    plan: Plan,
    terminology: Terminology<'static>,
}

impl Validator {
    /// A validator over `definitions`.
    pub fn new(definitions: &'static Definitions, options: Options) -> Self {
        Self { definitions, options, plan: Plan::new(definitions), terminology: Terminology::new(&Official) }
    }

    /// Everything found in a resource, in the order of its members; empty when it is valid.
    pub fn check(&self, resource: &Value) -> Vec<Issue> {
        walk::Walk::new(self, resource).run()
    }
}

#[cfg(test)]
mod tests;
