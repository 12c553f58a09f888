//! Tokens to an expression, by operator precedence.
//!
//! <http://hl7.org/fhirpath/N1/#formal-specifications>

use std::sync::Arc;

use super::function::Function;
use super::invalid_at;
use super::item::Item;
use super::lexer::{Kind, Token, tokens};
use super::quantity::{Measure, Quantity};
use super::strings;
use super::syntax::{Call, Expr, Operator, Start, Step, TYPE_PRECEDENCE, TypeName};
use super::temporal::CalendarUnit;
use crate::Error;

/// The longest text read. The longest expression of R4 has 1,500 bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// The greatest height of the tree, which bounds the recursion of all that walk it.
const MAX_HEIGHT: usize = 100;

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > MAX_LENGTH {
        return Err(invalid_at(MAX_LENGTH, "more text than an expression may have"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let (expr, _) = parser.expression(0)?;
    match parser.peek() {
        Kind::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

/// An expression and its height.
type Built = (Expr, usize);

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        // The lexer ends every list with `End`, and nothing advances past it.
        &self.tokens[self.at.min(self.tokens.len() - 1)].kind
    }

    fn unexpected(&self, wanted: &str) -> Error {
        invalid_at(self.tokens[self.at.min(self.tokens.len() - 1)].offset, &format!("something else than {wanted}"))
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Kind::Symbol(found) if *found == symbol)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let accepted = self.is_symbol(symbol);
        self.at += usize::from(accepted);
        accepted
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Error> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn bounded(&self, height: usize) -> Result<usize, Error> {
        if height > MAX_HEIGHT || self.depth > MAX_HEIGHT {
            return Err(invalid_at(
                self.tokens[self.at.min(self.tokens.len() - 1)].offset,
                "more nesting than is read",
            ));
        }
        Ok(height)
    }

    /// Operators that bind tighter than `floor`, and their operands.
    fn expression(&mut self, floor: u8) -> Result<Built, Error> {
        self.depth += 1;
        self.bounded(0)?;
        let (mut left, mut height) = self.operand()?;
        loop {
            if let Some(keep) = self.type_operator().filter(|_| TYPE_PRECEDENCE > floor) {
                self.at += 1;
                let type_name = self.type_name()?;
                left = Expr::TypeTest { keep, operand: Box::new(left), type_name };
                height = self.bounded(height + 1)?;
                continue;
            }
            let Some(operator) = self.operator().filter(|operator| operator.precedence() > floor) else {
                self.depth -= 1;
                return Ok((left, height));
            };
            self.at += 1;
            let (right, other) = self.expression(operator.precedence())?;
            height = self.bounded(height.max(other) + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn type_operator(&self) -> Option<bool> {
        match self.peek() {
            Kind::Word(word) if &**word == "is" => Some(false),
            Kind::Word(word) if &**word == "as" => Some(true),
            _ => None,
        }
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek() {
            Kind::Symbol(symbol) => match *symbol {
                "*" => Operator::Multiply,
                "/" => Operator::Divide,
                "+" => Operator::Add,
                "-" => Operator::Subtract,
                "&" => Operator::Concatenate,
                "|" => Operator::Union,
                "<=" => Operator::LessOrEqual,
                "<" => Operator::Less,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                "=" => Operator::Equal,
                "~" => Operator::Equivalent,
                "!=" => Operator::NotEqual,
                "!~" => Operator::NotEquivalent,
                _ => return None,
            },
            Kind::Word(word) => match &**word {
                "div" => Operator::Div,
                "mod" => Operator::Mod,
                "in" => Operator::In,
                "contains" => Operator::Contains,
                "and" => Operator::And,
                "or" => Operator::Or,
                "xor" => Operator::Xor,
                "implies" => Operator::Implies,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// A signed operand, or a term and the steps from it.
    fn operand(&mut self) -> Result<Built, Error> {
        let negative = self.is_symbol("-");
        if negative || self.is_symbol("+") {
            self.at += 1;
            self.depth += 1;
            self.bounded(0)?;
            let (operand, height) = self.operand()?;
            self.depth -= 1;
            return Ok((Expr::Polarity { negative, operand: Box::new(operand) }, self.bounded(height + 1)?));
        }
        let (start, mut steps, mut height) = self.term()?;
        loop {
            if self.accept(".") {
                let (step, inner) = self.invocation()?;
                height = height.max(inner + 1);
                steps.push(step);
            } else if self.accept("[") {
                let (index, inner) = self.expression(0)?;
                self.expect("]")?;
                height = height.max(inner + 1);
                steps.push(Step::At(index));
            } else {
                break;
            }
        }
        self.bounded(height)?;
        Ok(match (start, steps.is_empty()) {
            (Start::Inner(inner), true) => (*inner, height),
            (start, _) => (Expr::Path(start, steps), height),
        })
    }

    fn term(&mut self) -> Result<(Start, Vec<Step>, usize), Error> {
        let inner = |expr| Start::Inner(Box::new(expr));
        let kind = self.peek().clone();
        match kind {
            Kind::Literal(item) => {
                self.at += 1;
                let item = self.with_unit(item);
                Ok((inner(Expr::Literal(item)), Vec::new(), 1))
            }
            Kind::Variable(name) => {
                self.at += 1;
                Ok((Start::Variable(name), Vec::new(), 1))
            }
            Kind::Special(name) => {
                self.at += 1;
                let start = match name {
                    "this" => Start::This,
                    "index" => Start::Index,
                    _ => Start::Total,
                };
                Ok((start, Vec::new(), 1))
            }
            Kind::Symbol("(") => {
                self.at += 1;
                let (expr, height) = self.expression(0)?;
                self.expect(")")?;
                Ok((inner(expr), Vec::new(), height + 1))
            }
            Kind::Symbol("{") => {
                self.at += 1;
                self.expect("}")?;
                Ok((inner(Expr::Empty), Vec::new(), 1))
            }
            Kind::Word(word) if matches!(&*word, "true" | "false") => {
                self.at += 1;
                Ok((inner(Expr::Literal(Item::Boolean(&*word == "true"))), Vec::new(), 1))
            }
            Kind::Word(_) | Kind::Delimited(_) => {
                let (step, height) = self.invocation()?;
                Ok((Start::Focus, vec![step], height + 1))
            }
            Kind::Symbol(_) | Kind::End => Err(self.unexpected("a value")),
        }
    }

    /// A number followed by a unit is a quantity.
    fn with_unit(&mut self, item: Item<'static>) -> Item<'static> {
        let value = match &item {
            Item::Integer(value) => (*value).into(),
            Item::Decimal(value) => *value,
            _ => return item,
        };
        let unit = match self.peek() {
            Kind::Literal(Item::String(code)) => Measure::quoted(code),
            Kind::Word(word) => match CalendarUnit::from_name(word) {
                Some(unit) => Measure::Calendar(unit),
                None => return item,
            },
            _ => return item,
        };
        self.at += 1;
        Item::Quantity(Box::new(Quantity { value, unit }))
    }

    fn name(&mut self) -> Result<Arc<str>, Error> {
        match self.peek().clone() {
            Kind::Word(name) | Kind::Delimited(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// A member or a call; the second part is the height of the arguments.
    fn invocation(&mut self) -> Result<(Step, usize), Error> {
        if let Kind::Special(name) = self.peek() {
            // `x.$this` is allowed by the grammar and means nothing more than `x.select($this)`.
            return Err(self.unexpected(&format!("a name after a dot (${name} stands alone)")));
        }
        let at = self.tokens[self.at].offset;
        let name = self.name()?;
        if !self.accept("(") {
            return Ok((Step::Member(name), 0));
        }
        let Some(function) = Function::named(&name) else {
            return Err(invalid_at(at, &format!("a function that does not exist: {name}()")));
        };
        let (mut arguments, mut height) = (Vec::new(), 0);
        if !self.is_symbol(")") {
            loop {
                let (argument, inner) = self.expression(0)?;
                height = height.max(inner);
                arguments.push(argument);
                if !self.accept(",") {
                    break;
                }
            }
        }
        self.expect(")")?;
        if !function.arity().contains(&arguments.len()) {
            return Err(invalid_at(at, &format!("{name}() with {} arguments", arguments.len())));
        }
        let mut call = Call { function, arguments, type_name: None, pattern: None };
        if function.takes_type() && !call.arguments.is_empty() {
            let type_name = specifier(&call.arguments[0]);
            call.type_name = Some(type_name.ok_or_else(|| invalid_at(at, &format!("{name}() without a type")))?);
        }
        if function.takes_pattern()
            && let Some(Expr::Literal(Item::String(pattern))) = call.arguments.first()
        {
            let compiled = strings::pattern(pattern, function == Function::MatchesFull);
            call.pattern = Some(compiled.map_err(|error| invalid_at(at, error.issues()[0].text.as_str()))?);
        }
        Ok((Step::Call(call), height))
    }

    fn type_name(&mut self) -> Result<TypeName, Error> {
        let first = self.name()?;
        if !self.accept(".") {
            return Ok(TypeName { namespace: None, name: first });
        }
        Ok(TypeName { namespace: Some(first), name: self.name()? })
    }
}

/// An argument read as a type: `Patient` or `FHIR.Patient`.
fn specifier(argument: &Expr) -> Option<TypeName> {
    let Expr::Path(Start::Focus, steps) = argument else {
        // SQL on FHIR quotes the type.
        let Expr::Literal(Item::String(name)) = argument else { return None };
        return Some(TypeName { namespace: None, name: Arc::from(&**name) });
    };
    match steps.as_slice() {
        [Step::Member(name)] => Some(TypeName { namespace: None, name: name.clone() }),
        [Step::Member(namespace), Step::Member(name)] => {
            Some(TypeName { namespace: Some(namespace.clone()), name: name.clone() })
        }
        _ => None,
    }
}
