//! Arithmetic, functions on numbers, and the bounds of imprecise values.
//!
//! <http://hl7.org/fhirpath/N1/#math-2>

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::compare::{as_quantity, number};
use super::evaluator::{Evaluator, Outcome, Scope, maybe, one, truth};
use super::function::Function;
use super::item::{Item, Items};
use super::quantity::Quantity;
use super::syntax::{Call, Operator};
use super::temporal::Bound;
use crate::Error;

/// The digits a boundary has after the point unless told otherwise.
const BOUNDARY_DIGITS: i64 = 8;

/// `left operator right`; none when the result is beyond what can be represented, or a division by zero.
pub(super) fn arithmetic<'a>(operator: Operator, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>, Error> {
    if let (Item::Integer(left), Item::Integer(right)) = (left, right) {
        return Ok(integers(operator, *left, *right));
    }
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Ok(decimals(operator, left, right));
    }
    if matches!(left, Item::Date(_) | Item::DateTime(_) | Item::Time(_)) {
        return moved(operator, left, right);
    }
    let quantities = matches!(left, Item::Quantity(_)) || matches!(right, Item::Quantity(_));
    match (as_quantity(left), as_quantity(right)) {
        (Some(left), Some(right)) if quantities => {
            let result = match operator {
                Operator::Add => left.plus(&right),
                Operator::Subtract => left.plus(&Quantity { value: -right.value, unit: right.unit }),
                Operator::Multiply => left.times(&right),
                Operator::Divide => left.over(&right),
                _ => return Err(Error::invalid("FHIRPath has no div and mod of quantities.")),
            };
            Ok(result.map(|quantity| Item::Quantity(Box::new(quantity))))
        }
        _ => Err(Error::invalid("FHIRPath cannot compute with values of these types.")),
    }
}

fn integers<'a>(operator: Operator, left: i64, right: i64) -> Option<Item<'a>> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        // The quotient of two integers is a decimal.
        _ => return Decimal::from(left).checked_div(right.into()).map(Item::Decimal),
    }
    .map(Item::Integer)
}

fn decimals<'a>(operator: Operator, left: Decimal, right: Decimal) -> Option<Item<'a>> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Mod => left.checked_rem(right),
        Operator::Div => return left.checked_div(right)?.trunc().to_i64().map(Item::Integer),
        _ => left.checked_div(right),
    }
    .map(Item::Decimal)
}

/// A date or time moved by a quantity of time.
fn moved<'a>(operator: Operator, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>, Error> {
    let Item::Quantity(amount) = right else {
        return Err(Error::invalid("FHIRPath can only add a quantity of time to a date or time."));
    };
    let unit = amount.unit.calendar().ok_or_else(|| {
        Error::invalid(
            "FHIRPath can only add calendar units to a date or time, and no 'mo' or 'a', which are no whole days.",
        )
    })?;
    let amount = match operator {
        Operator::Add => amount.value,
        Operator::Subtract => -amount.value,
        _ => return Err(Error::invalid("FHIRPath can only add to and subtract from a date or time.")),
    };
    Ok(match left {
        Item::Date(date) => date.plus(amount, unit).map(Item::Date),
        Item::DateTime(moment) => moment.plus(amount, unit).map(Item::DateTime),
        Item::Time(time) => time.plus(amount, unit).map(Item::Time),
        _ => None,
    })
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn on_number(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use Function as F;
        let Some(item) = self.operand(&input)? else { return Ok(Items::new()) };
        let argument = match call.arguments.first() {
            Some(argument) => {
                let argument = self.eval(argument, scope)?;
                match self.operand(&argument)? {
                    Some(argument) => Some(argument),
                    None => return Ok(Items::new()),
                }
            }
            None => None,
        };
        match call.function {
            F::LowBoundary | F::HighBoundary => {
                let bound = if call.function == F::LowBoundary { Bound::Low } else { Bound::High };
                let digits = match argument {
                    None => None,
                    Some(Item::Integer(digits)) => Some(digits),
                    Some(_) => return Err(Error::invalid("A boundary's precision is an integer.")),
                };
                return Ok(maybe(boundary(&item, bound, digits)?));
            }
            F::Precision => return Ok(maybe(precision(&item).map(Item::Integer))),
            F::Comparable => {
                let other = argument.as_ref().and_then(as_quantity);
                return match (as_quantity(&item), other) {
                    (Some(left), Some(right)) => Ok(truth(left.is_comparable(&right))),
                    _ => Err(Error::invalid("comparable() wants quantities.")),
                };
            }
            _ => {}
        }
        if let Item::Quantity(quantity) = &item {
            let Quantity { value, unit } = (**quantity).clone();
            let value = rounded(call.function, value, &argument)?;
            return Ok(maybe(value.map(|value| Item::Quantity(Box::new(Quantity { value, unit })))));
        }
        let Some(value) = number(&item) else {
            return Err(Error::invalid(format!("{}() wants a number.", call.function.name())));
        };
        let is_integer = matches!(item, Item::Integer(_));
        let result = match call.function {
            F::Abs if is_integer => value.abs().to_i64().map(Item::Integer),
            F::Abs => Some(Item::Decimal(value.abs())),
            F::Ceiling => value.ceil().to_i64().map(Item::Integer),
            F::Floor => value.floor().to_i64().map(Item::Integer),
            F::Truncate => value.trunc().to_i64().map(Item::Integer),
            F::Round => rounded(F::Round, value, &argument)?.map(Item::Decimal),
            F::Sqrt => value.sqrt().map(Item::Decimal),
            F::Exp => real(value, f64::exp),
            F::Ln => real(value, f64::ln),
            F::Log | F::Power => {
                let Some(other) = argument.as_ref().and_then(number) else {
                    return Err(Error::invalid(format!("{}() wants a number.", call.function.name())));
                };
                if call.function == F::Log {
                    other.to_f64().and_then(|base| real(value, |value| value.ln() / base.ln()))
                } else {
                    power(&item, value, argument.as_ref(), other)
                }
            }
            function => return Err(Error::unsupported(format!("{}() is not available here.", function.name()))),
        };
        Ok(result.map_or_else(Items::new, one))
    }
}

/// Functions that keep the unit of a quantity.
fn rounded(function: Function, value: Decimal, argument: &Option<Item<'_>>) -> Result<Option<Decimal>, Error> {
    Ok(match function {
        Function::Abs => Some(value.abs()),
        Function::Ceiling => Some(value.ceil()),
        Function::Floor => Some(value.floor()),
        Function::Truncate => Some(value.trunc()),
        Function::Round => {
            let digits = match argument {
                None => 0,
                Some(Item::Integer(digits)) => u32::try_from(*digits)
                    .map_err(|_| Error::invalid("round() wants a number of digits that is not negative."))?,
                Some(_) => return Err(Error::invalid("round() wants an integer as its number of digits.")),
            };
            Some(value.round_dp_with_strategy(digits.min(Decimal::MAX_SCALE), RoundingStrategy::MidpointAwayFromZero))
        }
        other => return Err(Error::invalid(format!("{}() wants a number.", other.name()))),
    })
}

/// A function that has no exact result: 15 digits of it.
fn real<'a>(value: Decimal, function: impl Fn(f64) -> f64) -> Option<Item<'a>> {
    let result = function(value.to_f64()?);
    if !result.is_finite() {
        return None;
    }
    Decimal::from_f64(result)?.round_sf(15).map(|value| Item::Decimal(value.normalize()))
}

fn power<'a>(item: &Item<'a>, base: Decimal, exponent: Option<&Item<'a>>, value: Decimal) -> Option<Item<'a>> {
    match (item, exponent) {
        (Item::Integer(base), Some(Item::Integer(exponent))) if *exponent >= 0 => {
            base.checked_pow(u32::try_from(*exponent).ok()?).map(Item::Integer)
        }
        (_, Some(Item::Integer(exponent))) => base.checked_powi(*exponent).map(Item::Decimal),
        _ => real(base, |base| base.powf(value.to_f64().unwrap_or(f64::NAN))),
    }
}

/// The least or greatest value an imprecise one may stand for.
fn boundary<'a>(item: &Item<'a>, bound: Bound, digits: Option<i64>) -> Result<Option<Item<'a>>, Error> {
    Ok(match item {
        Item::Integer(_) | Item::Decimal(_) => {
            number(item).and_then(|value| decimal_boundary(value, bound, digits)).map(Item::Decimal)
        }
        Item::Quantity(quantity) => decimal_boundary(quantity.value, bound, digits)
            .map(|value| Item::Quantity(Box::new(Quantity { value, unit: quantity.unit.clone() }))),
        Item::Date(date) => match digits.unwrap_or(8) {
            digits @ (4 | 6 | 8) => {
                super::temporal::DateTime::from(*date).boundary(bound, digits).map(|moment| Item::Date(moment.date()))
            }
            digits => super::temporal::DateTime::from(*date).boundary(bound, digits).map(Item::DateTime),
        },
        Item::DateTime(moment) => moment.boundary(bound, digits.unwrap_or(17)).map(Item::DateTime),
        Item::Time(time) => time.boundary(bound, digits.unwrap_or(9)).map(Item::Time),
        _ => return Err(Error::invalid("Only numbers, quantities, dates and times have boundaries.")),
    })
}

/// Half a unit of the last written digit to either side. With fewer digits than that needs, the bound further
/// from zero is rounded and the nearer one cut, which is what the specification's examples do.
fn decimal_boundary(value: Decimal, bound: Bound, digits: Option<i64>) -> Option<Decimal> {
    let digits =
        u32::try_from(digits.unwrap_or(BOUNDARY_DIGITS)).ok().filter(|digits| *digits <= Decimal::MAX_SCALE)?;
    let half = Decimal::try_new(5, value.scale().checked_add(1)?).ok()?;
    let exact = match bound {
        Bound::Low => value.checked_sub(half)?,
        Bound::High => value.checked_add(half)?,
    };
    let strategy = match exact.abs() > value.abs() {
        true => RoundingStrategy::MidpointAwayFromZero,
        false => RoundingStrategy::ToZero,
    };
    let mut result = exact.round_dp_with_strategy(digits, strategy);
    result.rescale(digits);
    Some(result)
}

fn precision(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Decimal(value) => Some(i64::from(value.scale())),
        Item::Integer(_) => Some(0),
        Item::Date(date) => Some(super::temporal::DateTime::from(*date).digit_count()),
        Item::DateTime(moment) => Some(moment.digit_count()),
        Item::Time(time) => Some(time.digit_count()),
        _ => None,
    }
}
