//! Evaluation: operators, navigation and the call of functions.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use smallvec::smallvec;

use super::compare;
use super::environment::Environment;
use super::function::Function;
use super::item::{Item, Items, Text};
use super::quantity::Quantity;
use super::syntax::{Call, Expr, Operator, Start, Step, TypeName};
use super::{math, strings, too_costly};
use crate::Error;
use crate::definitions::{Definitions, Kind};

/// The result of every part of an expression.
pub(super) type Outcome<'a> = Result<Items<'a>, Error>;

/// One evaluation: its surroundings and what work it may still do.
pub(super) struct Evaluator<'e, 'a> {
    pub(super) env: &'e Environment<'a>,
    pub(super) definitions: &'a Definitions,
    focus: Item<'a>,
    steps: u64,
}

/// What `$this`, `$index` and `$total` stand for.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) this: Items<'a>,
    pub(super) index: Option<usize>,
    pub(super) total: Option<Items<'a>>,
}

pub(super) fn one(item: Item<'_>) -> Items<'_> {
    smallvec![item]
}

pub(super) fn truth<'a>(value: bool) -> Items<'a> {
    one(Item::Boolean(value))
}

pub(super) fn maybe(item: Option<Item<'_>>) -> Items<'_> {
    item.into_iter().collect()
}

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn new(env: &'e Environment<'a>, focus: Item<'a>) -> Self {
        Self { env, definitions: env.definitions(), focus, steps: env.steps }
    }

    pub(super) fn run(mut self, expr: &Expr) -> Outcome<'a> {
        let scope = Scope { this: one(self.focus.clone()), index: None, total: None };
        self.eval(expr, &scope)
    }

    /// Takes `steps` off what may still be done.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Error> {
        self.steps = self.steps.checked_sub(steps as u64 + 1).ok_or_else(too_costly)?;
        Ok(())
    }

    pub(super) fn eval(&mut self, expr: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        self.charge(0)?;
        match expr {
            Expr::Empty => Ok(Items::new()),
            Expr::Literal(item) => Ok(one(item.clone())),
            Expr::Path(start, steps) => self.path(start, steps, scope),
            Expr::Polarity { negative, operand } => self.polarity(*negative, operand, scope),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, scope),
            Expr::TypeTest { keep, operand, type_name } => {
                let items = self.eval(operand, scope)?;
                if *keep { self.cast(items, type_name) } else { self.test_type(items, type_name) }
            }
        }
    }

    fn path(&mut self, start: &Start, steps: &[Step], scope: &Scope<'a>) -> Outcome<'a> {
        let mut current = match start {
            Start::Focus | Start::This => scope.this.clone(),
            Start::Index => scope.index.map(|index| Item::Integer(index as i64)).into_iter().collect(),
            Start::Total => scope.total.clone().unwrap_or_default(),
            Start::Variable(name) => self.variable(name)?,
            Start::Inner(inner) => self.eval(inner, scope)?,
        };
        for (position, step) in steps.iter().enumerate() {
            self.charge(current.len())?;
            current = match step {
                Step::Member(name) => {
                    let leading = position == 0 && matches!(start, Start::Focus);
                    self.member(&current, name, leading)
                }
                Step::Call(call) => self.call(call, current, scope)?,
                Step::At(index) => {
                    let index = self.eval(index, scope)?;
                    match self.integer(&index)? {
                        Some(at) => {
                            usize::try_from(at).ok().and_then(|at| current.get(at).cloned()).into_iter().collect()
                        }
                        None => Items::new(),
                    }
                }
            };
        }
        Ok(current)
    }

    fn variable(&self, name: &str) -> Outcome<'a> {
        if name == "context" {
            return Ok(one(self.focus.clone()));
        }
        match self.env.variable(name) {
            Some(items) => Ok(items.into()),
            None => Err(Error::invalid(format!("The FHIRPath variable %{name} is not defined."))),
        }
    }

    /// The children of that name. A path may begin with the type of its focus: `Patient.name`.
    fn member(&self, current: &[Item<'a>], name: &str, leading: bool) -> Items<'a> {
        let mut found = Items::new();
        let may_be_type = leading && name.starts_with(|first: char| first.is_ascii_uppercase());
        for item in current {
            match item {
                Item::Node(node) => {
                    let own_type = node.type_def().map_or("", |type_def| type_def.name);
                    if may_be_type && (own_type == name || self.definitions.is_subtype(own_type, name)) {
                        found.push(item.clone());
                    } else {
                        node.push_named(self.definitions, name, &mut found);
                    }
                }
                Item::Type(info) => match name {
                    "namespace" => found.push(Item::String(Text::Borrowed(info.namespace))),
                    "name" => found.push(Item::String(info.name.clone())),
                    _ => {}
                },
                Item::Quantity(quantity) if name == "value" => found.push(Item::Decimal(quantity.value)),
                _ => {}
            }
        }
        found
    }

    /// The only item; none of an empty collection; an error for several.
    pub(super) fn single<'i>(&self, items: &'i [Item<'a>]) -> Result<Option<&'i Item<'a>>, Error> {
        match items {
            [] => Ok(None),
            [item] => Ok(Some(item)),
            _ => Err(Error::invalid(format!("FHIRPath wants one value here and there are {}.", items.len()))),
        }
    }

    /// The only item as a system value or quantity; an error when it is an object.
    pub(super) fn operand(&self, items: &[Item<'a>]) -> Result<Option<Item<'a>>, Error> {
        let Some(item) = self.single(items)? else { return Ok(None) };
        match item.operand(self.definitions) {
            // A primitive that has only extensions has no value to compute with, nor has a quantity "less than 5".
            None if item.node().is_some_and(|node| node.is_primitive() || node.has_comparator()) => Ok(None),
            None => Err(Error::invalid("FHIRPath cannot compute with an object.")),
            found => Ok(found),
        }
    }

    /// The only item as an integer.
    pub(super) fn integer(&self, items: &[Item<'a>]) -> Result<Option<i64>, Error> {
        match self.operand(items)? {
            None => Ok(None),
            Some(Item::Integer(value)) => Ok(Some(value)),
            Some(_) => Err(Error::invalid("FHIRPath wants an integer here.")),
        }
    }

    /// The only item as text.
    pub(super) fn text(&self, items: &[Item<'a>]) -> Result<Option<Text<'a>>, Error> {
        match self.single(items)? {
            None => Ok(None),
            Some(item) => match item.as_text() {
                None if item.node().is_some_and(|node| node.is_primitive() && node.value().is_none()) => Ok(None),
                None => Err(Error::invalid("FHIRPath wants a string here.")),
                found => Ok(found),
            },
        }
    }

    /// The only item as a truth value: what is there and is no boolean counts as true.
    /// <http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>
    pub(super) fn truth(&self, items: &[Item<'a>]) -> Result<Option<bool>, Error> {
        Ok(self.single(items)?.map(|item| item.as_bool().unwrap_or(true)))
    }

    fn polarity(&mut self, negative: bool, operand: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let items = self.eval(operand, scope)?;
        let sign = |value: Decimal| if negative { -value } else { value };
        match self.operand(&items)? {
            None => Ok(Items::new()),
            Some(Item::Integer(value)) if negative => Ok(maybe(value.checked_neg().map(Item::Integer))),
            Some(Item::Integer(value)) => Ok(one(Item::Integer(value))),
            Some(Item::Decimal(value)) => Ok(one(Item::Decimal(sign(value)))),
            Some(Item::Quantity(quantity)) => {
                let Quantity { value, unit } = *quantity;
                Ok(one(Item::Quantity(Box::new(Quantity { value: sign(value), unit }))))
            }
            Some(_) => Err(Error::invalid("FHIRPath can give a sign to numbers and quantities only.")),
        }
    }

    fn binary(&mut self, operator: Operator, left: &Expr, right: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let left = self.eval(left, scope)?;
        if matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies) {
            return self.logic(operator, &left, right, scope);
        }
        let right = self.eval(right, scope)?;
        match operator {
            Operator::Equal | Operator::NotEqual => {
                self.charge(left.len())?;
                let equal = compare::all_equal(self.definitions, &left, &right);
                Ok(maybe(equal.map(|equal| Item::Boolean(equal == (operator == Operator::Equal)))))
            }
            Operator::Equivalent | Operator::NotEquivalent => {
                self.charge(left.len().saturating_mul(right.len()))?;
                let equivalent = compare::all_equivalent(self.definitions, &left, &right);
                Ok(truth(equivalent == (operator == Operator::Equivalent)))
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                let (Some(left), Some(right)) = (self.operand(&left)?, self.operand(&right)?) else {
                    return Ok(Items::new());
                };
                let order = compare::order(&left, &right)
                    .map_err(|_| Error::invalid("FHIRPath cannot order values of different types."))?;
                Ok(maybe(order.map(|order| Item::Boolean(satisfies(operator, order)))))
            }
            Operator::Union => self.union(left, right),
            Operator::In => self.membership(&left, &right),
            Operator::Contains => self.membership(&right, &left),
            Operator::Concatenate => {
                let part = |items: &[Item<'a>]| -> Result<String, Error> {
                    match self.operand(items)? {
                        None => Ok(String::new()),
                        Some(item) => Ok(item.to_text().unwrap_or_default().into_owned()),
                    }
                };
                let text = part(&left)? + &part(&right)?;
                self.text_item(text)
            }
            _ => {
                let (Some(left), Some(right)) = (self.operand(&left)?, self.operand(&right)?) else {
                    return Ok(Items::new());
                };
                if let (Operator::Add, Item::String(left), Item::String(right)) = (operator, &left, &right) {
                    return self.text_item(format!("{}{}", &**left, &**right));
                }
                math::arithmetic(operator, &left, &right).map(maybe)
            }
        }
    }

    /// A computed text, paid for by its length.
    pub(super) fn text_item(&mut self, text: String) -> Outcome<'a> {
        self.charge(text.len() / strings::BYTES_PER_STEP)?;
        Ok(one(Item::String(text.into())))
    }

    /// Three-valued logic; the right side is not looked at when the left decides.
    /// <http://hl7.org/fhirpath/N1/#boolean-logic>
    fn logic(&mut self, operator: Operator, left: &[Item<'a>], right: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let left = self.truth(left)?;
        match (operator, left) {
            (Operator::And, Some(false)) => return Ok(truth(false)),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => return Ok(truth(true)),
            _ => {}
        }
        let right = self.eval(right, scope)?;
        let right = self.truth(&right)?;
        let result = match (operator, left, right) {
            (Operator::And, _, Some(false)) => Some(false),
            (Operator::And, Some(true), Some(true)) | (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
            (Operator::Or, Some(false), Some(false)) | (Operator::Implies, Some(true), Some(false)) => Some(false),
            (Operator::Xor, Some(left), Some(right)) => Some(left != right),
            _ => None,
        };
        Ok(maybe(result.map(Item::Boolean)))
    }

    fn membership(&mut self, member: &[Item<'a>], collection: &[Item<'a>]) -> Outcome<'a> {
        let Some(member) = self.single(member)? else { return Ok(Items::new()) };
        self.charge(collection.len())?;
        Ok(truth(collection.iter().any(|item| compare::equal(self.definitions, member, item) == Some(true))))
    }

    /// Whether an item is of a type or of one derived from it. `exactly` makes an exception of primitives:
    /// `as` and `ofType` do not take a `code` for a `string`, though it is one.
    fn is_of(&self, item: &Item<'a>, type_name: &TypeName, exactly: bool) -> Result<bool, Error> {
        let name = &*type_name.name;
        let namespace = type_name.namespace.as_deref();
        let known = match namespace {
            None => self.definitions.type_(name).is_some() || is_system(name),
            Some("FHIR") => self.definitions.type_(name).is_some(),
            // A FHIR name in the System namespace is a question with the answer no.
            Some("System") => is_system(name) || self.definitions.type_(name).is_some(),
            Some(_) => false,
        };
        if !known {
            return Err(Error::invalid(format!("There is no type {name}.")));
        }
        let Item::Node(node) = item else {
            return Ok(namespace != Some("FHIR") && *item.type_info().name == *name);
        };
        let Some(type_def) = node.type_def() else { return Ok(false) };
        Ok(namespace != Some("System")
            && (type_def.name == name
                || (!(exactly && type_def.kind == Kind::Primitive)
                    && self.definitions.is_subtype(type_def.name, name))))
    }

    fn test_type(&self, items: Items<'a>, type_name: &TypeName) -> Outcome<'a> {
        match self.single(&items)? {
            None => Ok(Items::new()),
            Some(item) => Ok(truth(self.is_of(item, type_name, false)?)),
        }
    }

    fn cast(&self, items: Items<'a>, type_name: &TypeName) -> Outcome<'a> {
        self.single(&items)?;
        self.of_type(items, type_name)
    }

    fn of_type(&self, mut items: Items<'a>, type_name: &TypeName) -> Outcome<'a> {
        let mut failure = None;
        items.retain(|item| {
            self.is_of(item, type_name, true).unwrap_or_else(|error| {
                failure = Some(error);
                false
            })
        });
        failure.map_or(Ok(items), Err)
    }

    fn call(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use Function as F;
        let type_name = || call.type_name.as_ref().expect("the parser gives these functions a type");
        match call.function {
            F::Is => self.test_type(input, type_name()),
            F::As => self.cast(input, type_name()),
            F::OfType => self.of_type(input, type_name()),
            F::Type => Ok(input.iter().map(|item| Item::Type(Box::new(item.type_info()))).collect()),
            F::Iif => self.iif(call, input, scope),
            F::Now | F::Today | F::TimeOfDay => self.clock(call.function),
            F::Not => Ok(maybe(self.truth(&input)?.map(|value| Item::Boolean(!value)))),
            F::Trace => Ok(input),
            F::Resolve
            | F::Extension
            | F::HasValue
            | F::GetValue
            | F::MemberOf
            | F::Subsumes
            | F::SubsumedBy
            | F::ConformsTo
            | F::HtmlChecks
            | F::ResourceKey
            | F::ReferenceKey
            | F::Children
            | F::Descendants => self.on_tree(call, input, scope),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape
            | F::Trim
            | F::Split
            | F::Join => self.on_text(call, input, scope),
            F::Abs
            | F::Ceiling
            | F::Exp
            | F::Floor
            | F::Ln
            | F::Log
            | F::Power
            | F::Round
            | F::Sqrt
            | F::Truncate
            | F::LowBoundary
            | F::HighBoundary
            | F::Precision
            | F::Comparable => self.on_number(call, input, scope),
            F::ToBoolean
            | F::ToInteger
            | F::ToDate
            | F::ToDateTime
            | F::ToTime
            | F::ToDecimal
            | F::ToQuantity
            | F::ToText
            | F::ConvertsToBoolean
            | F::ConvertsToInteger
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToTime
            | F::ConvertsToDecimal
            | F::ConvertsToQuantity
            | F::ConvertsToText => self.convert(call, input, scope),
            _ => self.on_collection(call, input, scope),
        }
    }

    /// The criterion and the results see the input as `$this`; only the chosen result is evaluated.
    fn iif(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        self.single(&input)?;
        let inner = Scope { this: input, index: scope.index, total: scope.total.clone() };
        let criterion = self.eval(&call.arguments[0], &inner)?;
        let chosen = match self.single(&criterion)? {
            None => false,
            Some(item) => item.as_bool().ok_or_else(|| Error::invalid("iif() wants a boolean as its criterion."))?,
        };
        match (chosen, call.arguments.get(2)) {
            (true, _) => self.eval(&call.arguments[1], &inner),
            (false, Some(otherwise)) => self.eval(otherwise, &inner),
            (false, None) => Ok(Items::new()),
        }
    }

    fn clock(&self, function: Function) -> Outcome<'a> {
        let Some((now, offset)) = self.env.now else {
            return Err(Error::unsupported(format!("{}() is not available here.", function.name())));
        };
        let now = super::temporal::DateTime::at(now, offset);
        Ok(match function {
            Function::Today => one(Item::Date(now.date())),
            Function::TimeOfDay => maybe(now.time().map(Item::Time)),
            _ => one(Item::DateTime(now)),
        })
    }

    fn convert(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use super::convert as to;
        let Some(item) = self.single(&input)? else { return Ok(Items::new()) };
        let item = match item {
            // The text of a node is what the tree wrote.
            Item::Node(node) if matches!(call.function, Function::ToText | Function::ConvertsToText) => {
                Item::Node(*node).to_text().map(|text| Item::String(Text::from(text.into_owned())))
            }
            item => item.operand(self.definitions),
        };
        let unit = match call.arguments.first() {
            Some(unit) => {
                let unit = self.eval(unit, scope)?;
                self.text(&unit)?
            }
            None => None,
        };
        use Function as F;
        let converted = item.and_then(|item| match call.function {
            F::ToBoolean | F::ConvertsToBoolean => to::to_boolean(&item),
            F::ToInteger | F::ConvertsToInteger => to::to_integer(&item),
            F::ToDate | F::ConvertsToDate => to::to_date(&item),
            F::ToDateTime | F::ConvertsToDateTime => to::to_date_time(&item),
            F::ToTime | F::ConvertsToTime => to::to_time(&item),
            F::ToDecimal | F::ConvertsToDecimal => to::to_decimal(&item),
            F::ToQuantity | F::ConvertsToQuantity => to::to_quantity(&item, unit.as_deref()),
            _ => to::to_text(&item),
        });
        Ok(if call.function.name().starts_with("converts") { truth(converted.is_some()) } else { maybe(converted) })
    }
}

fn is_system(name: &str) -> bool {
    matches!(name, "Boolean" | "String" | "Integer" | "Decimal" | "Date" | "DateTime" | "Time" | "Quantity" | "Any")
}

fn satisfies(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}
