//! Validation: whether a resource is what the specification, and the profiles asked for, allow.
//!
//! One walk over the JSON tree against the element table finds everything about structure, formats and required
//! codes; invariants follow on the same walk. <http://hl7.org/fhir/R4/validation.html>

mod coded;
mod conform;
mod format;
mod place;
mod plan;
mod profile;
mod quick;
mod rule;
mod walk;

use sonic_rs::JsonValueTrait;

use crate::definitions::Definitions;
use crate::error::Severity;
use crate::terminology::{Official, Source, Terminology};
use crate::{Error, Issue, Value, json};

use plan::Plan;
pub use profile::{Profile, Profiles};

/// How much a [`Validator`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether FHIRPath invariants are evaluated.
    pub invariants: bool,
    /// Whether advice is given too: best practices, extensible and preferred bindings, unknown core extensions.
    pub advice: bool,
    /// Whether a reference may point only at the types its element names.
    pub targets: bool,
    /// The number of issues after which the walk ends.
    pub most_issues: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { invariants: true, advice: false, targets: true, most_issues: 100 }
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

    /// Everything found in a resource, and everything it lacks to meet the profiles it claims in `meta.profile` and
    /// those at these canonicals. Profiles and value sets are the official ones and those of `source`. A profile
    /// that is in neither is an error when it is asked for and a warning when it is claimed.
    ///
    /// # Errors
    ///
    /// When the source fails, or a profile cannot be compiled.
    pub fn check_against(
        &self,
        resource: &Value,
        canonicals: &[&str],
        profiles: &Profiles,
        source: &dyn Source,
    ) -> Result<Vec<Issue>, Error> {
        let mut issues = self.check(resource);
        let claimed = resource.get("meta").map(|meta| json::list(meta, "profile")).unwrap_or_default();
        let claimed = claimed.iter().filter_map(|canonical| canonical.as_str());
        let claimed =
            claimed.filter(|canonical| !canonicals.contains(canonical)).map(|canonical| (canonical, Severity::Warning));
        for (canonical, unknown) in canonicals.iter().map(|canonical| (*canonical, Severity::Error)).chain(claimed) {
            let conformance = conform::Conformance::new(self.definitions, profiles, source, resource);
            issues.extend(conformance.run(canonical, unknown)?);
        }
        issues.truncate(self.options.most_issues);
        Ok(issues)
    }
}

#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod tests;
