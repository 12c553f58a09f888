//! What can be known wrong with an expression before it meets data.

use std::sync::Arc;

use super::function::Function;
use super::item::Item;
use super::syntax::{Call, Expr, Operator, Start, Step, TypeName};
use crate::Error;
use crate::definitions::{Definitions, ElementDef};

/// What an expression may give: the FHIR types its items can have, where that is known.
#[derive(Clone)]
struct Shape<'a> {
    /// None when nothing is known.
    types: Option<Vec<&'a str>>,
    /// Whether its order means something.
    ordered: bool,
}

impl<'a> Shape<'a> {
    fn unknown() -> Self {
        Self { types: None, ordered: true }
    }

    fn of(name: &'a str) -> Self {
        Self { types: Some(vec![name]), ordered: true }
    }
}

/// Walks an expression with the shape of the focus in hand.
struct Checker<'a> {
    definitions: &'a Definitions,
    /// The variables there are and their types; none when any may be there.
    variables: Option<&'a [(&'a str, &'a str)]>,
}

/// Checks an expression whose focus is of `type_name`, and which may name these variables; without them, any.
pub(super) fn check(
    definitions: &Definitions,
    expr: &Expr,
    type_name: &str,
    variables: Option<&[(&str, &str)]>,
) -> Result<(), Error> {
    let Some(type_def) = definitions.type_(type_name) else {
        return Err(Error::invalid(format!("There is no type {type_name}.")));
    };
    Checker { definitions, variables }.shape(expr, &Shape::of(type_def.name)).map(drop)
}

/// The variables that are always there. <http://hl7.org/fhir/R4/fhirpath.html#variables>
fn is_standard(name: &str) -> bool {
    matches!(name, "resource" | "rootResource" | "context" | "sct" | "loinc" | "ucum")
        || name.starts_with("vs-")
        || name.starts_with("ext-")
}

impl<'a> Checker<'a> {
    fn shape(&self, expr: &Expr, focus: &Shape<'a>) -> Result<Shape<'a>, Error> {
        match expr {
            Expr::Empty => Ok(Shape { types: None, ordered: true }),
            Expr::Literal(_) => Ok(Shape { types: Some(Vec::new()), ordered: true }),
            Expr::Path(start, steps) => {
                let mut shape = match start {
                    Start::Focus | Start::This => focus.clone(),
                    Start::Inner(inner) => self.shape(inner, focus)?,
                    Start::Index | Start::Total => Shape::unknown(),
                    Start::Variable(name) => self.variable(name)?,
                };
                for (position, step) in steps.iter().enumerate() {
                    shape = match step {
                        Step::Member(name) => {
                            self.member(&shape, name, position == 0 && matches!(start, Start::Focus))?
                        }
                        Step::At(index) => {
                            self.shape(index, focus)?;
                            shape
                        }
                        Step::Call(call) => self.call(call, &shape, focus)?,
                    };
                }
                Ok(shape)
            }
            Expr::Polarity { operand, .. } => self.shape(operand, focus),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.shape(left, focus)?, self.shape(right, focus)?);
                Ok(match (operator, left.types, right.types) {
                    (Operator::Union, Some(mut left), Some(right)) => {
                        left.extend(right);
                        Shape { types: Some(left), ordered: true }
                    }
                    _ => Shape::unknown(),
                })
            }
            Expr::TypeTest { keep, operand, type_name } => {
                let shape = self.shape(operand, focus)?;
                if *keep { self.narrowed(&shape, type_name) } else { Ok(Shape::unknown()) }
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Shape<'a>, Error> {
        let Some(variables) = self.variables else { return Ok(Shape::unknown()) };
        match variables.iter().find(|(known, _)| *known == name) {
            Some((_, type_name)) => {
                Ok(self.definitions.type_(type_name).map_or_else(Shape::unknown, |found| Shape::of(found.name)))
            }
            None if is_standard(name) => Ok(Shape::unknown()),
            None => Err(Error::invalid(format!("There is no variable %{name} here."))),
        }
    }

    fn member(&self, shape: &Shape<'a>, name: &Arc<str>, leading: bool) -> Result<Shape<'a>, Error> {
        let Some(types) = &shape.types else { return Ok(Shape::unknown()) };
        if types.is_empty() {
            return Ok(Shape::unknown());
        }
        if leading && let Some(type_def) = self.definitions.type_(name) {
            let fits = |own: &&str| self.definitions.is_subtype(own, type_def.name);
            if types.iter().any(fits) {
                return Ok(shape.clone());
            }
        }
        // The value of Resource and of an element of any type can be anything.
        if types.iter().any(|own| matches!(*own, "Resource" | "DomainResource" | "Element" | "BackboneElement")) {
            return Ok(Shape::unknown());
        }
        let mut found: Vec<&'a str> = Vec::new();
        let mut exists = false;
        for own in types {
            let Some(element) = self.definitions.type_(own).and_then(|own| own.element(name)) else { continue };
            exists = true;
            found.extend(types_of(element));
        }
        if !exists {
            return Err(Error::invalid(format!("{} has no element {name}.", types.join(" or "))));
        }
        Ok(Shape { types: Some(found), ordered: shape.ordered })
    }

    fn narrowed(&self, shape: &Shape<'a>, type_name: &TypeName) -> Result<Shape<'a>, Error> {
        let system = matches!(type_name.namespace.as_deref(), Some("System"));
        match self.definitions.type_(&type_name.name) {
            Some(found) if !system => Ok(Shape { types: Some(vec![found.name]), ordered: shape.ordered }),
            _ => Ok(Shape::unknown()),
        }
    }

    fn call(&self, call: &Call, input: &Shape<'a>, focus: &Shape<'a>) -> Result<Shape<'a>, Error> {
        use Function as F;
        if call.function.needs_order() && !input.ordered {
            return Err(Error::invalid(format!("{}() is called on what has no order.", call.function.name())));
        }
        if let Some(type_name) = &call.type_name {
            return match call.function {
                F::As | F::OfType => self.narrowed(input, type_name),
                _ => Ok(Shape::unknown()),
            };
        }
        let iterates = matches!(
            call.function,
            F::Where | F::All | F::Exists | F::Select | F::Repeat | F::Iif | F::Aggregate | F::Sort | F::Trace
        );
        // What repeats sees its own results, whose type the first round does not tell.
        let inner = match call.function {
            F::Repeat | F::Aggregate => Shape::unknown(),
            _ if iterates => input.clone(),
            _ => focus.clone(),
        };
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(self.shape(argument, &inner)?);
        }
        if call.function == F::Iif
            && let Some(Expr::Literal(item)) = call.arguments.first()
            && !matches!(item, Item::Boolean(_))
        {
            return Err(Error::invalid("iif() wants a boolean as its criterion."));
        }
        Ok(match call.function {
            F::Where
            | F::Single
            | F::First
            | F::Last
            | F::Tail
            | F::Skip
            | F::Take
            | F::Exclude
            | F::Distinct
            | F::Intersect
            | F::Trace => input.clone(),
            F::Sort => Shape { ordered: true, ..input.clone() },
            F::Select => arguments.into_iter().next().unwrap_or_else(Shape::unknown),
            F::Children | F::Descendants => Shape { types: None, ordered: false },
            F::Extension => Shape::of("Extension"),
            _ => Shape::unknown(),
        })
    }
}

fn types_of(element: &ElementDef) -> impl Iterator<Item = &str> {
    element.types.iter().map(|found| found.code)
}
