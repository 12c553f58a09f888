//! Invariants: the rules in FHIRPath, each read once and looked at quickly before it is evaluated.

use std::sync::OnceLock;

use super::quick::Quick;
use crate::definitions::{Constraint, TypeDef};
use crate::path::Expression;

/// Rules the walk checks itself, on every element or resource it meets.
const NATIVE: [&str; 11] =
    ["ele-1", "ext-1", "ref-1", "txt-1", "txt-2", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "sqty-1"];

/// A rule on values of one type.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) constraint: &'static Constraint,
    pub(super) quick: Quick,
    expression: OnceLock<Option<Expression>>,
}

impl Rule {
    /// The rule, unless the walk checks it itself. Without the type of its focus it is never settled quickly.
    pub(super) fn new(constraint: &'static Constraint, definition: Option<&TypeDef>) -> Option<Self> {
        (!NATIVE.contains(&constraint.key)).then(|| Self {
            constraint,
            quick: definition.map_or(Quick::Unknown, |definition| Quick::read(constraint.expression, definition)),
            expression: OnceLock::new(),
        })
    }

    /// The rule in FHIRPath; none when it cannot be read.
    pub(super) fn expression(&self) -> Option<&Expression> {
        self.expression.get_or_init(|| Expression::parse(self.constraint.expression).ok()).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use crate::definitions::r4;
    use crate::path::Expression;

    #[test]
    fn every_official_rule_can_be_read() {
        let rules = || {
            r4().types().iter().flat_map(|found| {
                found.constraints.iter().chain(found.elements().iter().flat_map(|element| element.constraints))
            })
        };
        assert!(rules().count() > 7_000);
        for rule in rules() {
            Expression::parse(rule.expression).unwrap_or_else(|error| panic!("{}: {error}", rule.key));
        }
    }
}
