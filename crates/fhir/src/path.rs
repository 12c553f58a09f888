//! FHIRPath (N1) with the additions of FHIR R4, over a borrowed JSON tree.
//!
//! An [`Expression`] is parsed once and evaluated as often as wanted. Results are references into the tree
//! wherever the expression only navigates. Evaluation is bounded: a hostile expression ends with an error whose
//! issue is `too-costly`.
//!
//! <http://hl7.org/fhirpath/N1/>, <http://hl7.org/fhir/R4/fhirpath.html>

mod check;
mod collection;
mod compare;
mod convert;
mod environment;
mod evaluator;
mod function;
mod item;
mod lexer;
mod math;
mod parser;
mod quantity;
mod resource;
mod strings;
mod syntax;
mod temporal;

use std::fmt;
use std::sync::Arc;

pub use environment::{Environment, Profiles, Resolver, Terminology};
pub use item::{Item, Node, Text, TypeInfo};
pub use quantity::{Measure, Quantity};
pub use temporal::{CalendarUnit, Date, DateTime, Precision, Time};

use crate::definitions::Definitions;
use crate::{Category, Error, IssueCode, Value};
use evaluator::Evaluator;

/// A parsed expression, cheap to clone and to share between threads.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    expr: Arc<syntax::Expr>,
}

impl Expression {
    /// Reads an expression. Refuses unknown functions and wrong numbers of arguments too.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let expr = parser::parse(text)?;
        Ok(Self { text: text.into(), expr: Arc::new(expr) })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it finds in a resource.
    pub fn evaluate<'a>(&self, focus: &'a Value, env: &Environment<'a>) -> Result<Vec<Item<'a>>, Error> {
        self.evaluate_on(Item::Node(Node::resource(env.definitions(), focus)), env)
    }

    /// What it finds from any item: an element, or what another expression gave.
    pub fn evaluate_on<'a>(&self, focus: Item<'a>, env: &Environment<'a>) -> Result<Vec<Item<'a>>, Error> {
        Evaluator::new(env, focus).run(&self.expr).map(smallvec::SmallVec::into_vec)
    }

    /// Whether the rule it states is kept. Only `false` breaks a rule; a rule about what is absent says nothing.
    pub fn holds<'a>(&self, focus: Item<'a>, env: &Environment<'a>) -> Result<bool, Error> {
        let found = Evaluator::new(env, focus).run(&self.expr)?;
        match found.as_slice() {
            [] => Ok(true),
            [single] => Ok(single.as_bool().unwrap_or(true)),
            _ => Err(Error::invalid("A rule in FHIRPath gave more than one value.")),
        }
    }

    /// Looks for what can be known wrong without data, when the focus is of `type_name`: elements that do not
    /// exist, types that do not exist, an order that is not given.
    pub fn check(&self, definitions: &Definitions, type_name: &str) -> Result<(), Error> {
        check::check(definitions, &self.expr, type_name, None)
    }

    /// The same where it is known what the expression may name: each variable with the type of what it holds, `Element`
    /// where that is not known. One that is not among them, and is none of FHIRPath's own, is an error.
    pub fn check_with(
        &self,
        definitions: &Definitions,
        type_name: &str,
        variables: &[(&str, &str)],
    ) -> Result<(), Error> {
        check::check(definitions, &self.expr, type_name, Some(variables))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// A syntax error: what was met, and the byte it was met at.
fn invalid_at(offset: usize, met: &str) -> Error {
    Error::invalid(format!("The FHIRPath expression has, at byte {offset}, {met}."))
}

/// The bound on the work one evaluation may do was reached.
fn too_costly() -> Error {
    Error::new(
        Category::Invalid,
        IssueCode::TooCostly,
        "The FHIRPath expression needs more work than one evaluation may take.",
    )
}

#[cfg(test)]
mod tests;
