//! Equality, equivalence and order.
//!
//! <http://hl7.org/fhirpath/N1/#equality>

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::item::{Item, Node};
use super::quantity::{Measure, Quantity};
use super::temporal::DateTime;
use crate::Value;
use crate::definitions::Definitions;
use crate::json::same;

/// `=` between two items: none when precision leaves it open.
pub(super) fn equal(definitions: &Definitions, left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    let (left, right) = match (left.operand(definitions), right.operand(definitions)) {
        (Some(left), Some(right)) => (left, right),
        (None, None) => match (left.node(), right.node()) {
            (Some(left), Some(right)) => return Some(same_nodes(left, right)),
            _ => return Some(false),
        },
        _ => return Some(false),
    };
    match (&left, &right) {
        (Item::Boolean(left), Item::Boolean(right)) => Some(left == right),
        (Item::String(left), Item::String(right)) => Some(left == right),
        (Item::Type(left), Item::Type(right)) => Some(left == right),
        (Item::Quantity(left), Item::Quantity(right)) if left.is_of_other_kind(right) => Some(false),
        _ => match order(&left, &right) {
            Ok(order) => order.map(Ordering::is_eq),
            // Values of different types are not equal.
            Err(Incomparable) => Some(false),
        },
    }
}

/// `=` between two collections.
pub(super) fn all_equal(definitions: &Definitions, left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut result = Some(true);
    for (left, right) in left.iter().zip(right) {
        match equal(definitions, left, right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// `~` between two items.
pub(super) fn equivalent(definitions: &Definitions, left: &Item<'_>, right: &Item<'_>) -> bool {
    let (left, right) = match (left.operand(definitions), right.operand(definitions)) {
        (Some(left), Some(right)) => (left, right),
        (None, None) => match (left.node(), right.node()) {
            (Some(left), Some(right)) => {
                return left.value().zip(right.value()).is_some_and(|(left, right)| similar(left, right));
            }
            _ => return false,
        },
        _ => return false,
    };
    match (&left, &right) {
        (Item::String(left), Item::String(right)) => normal(left).eq(normal(right)),
        (Item::Quantity(left), Item::Quantity(right)) => left.is_equivalent(right),
        (Item::Decimal(_) | Item::Integer(_), Item::Decimal(_) | Item::Integer(_)) => {
            match (number(&left), number(&right)) {
                (Some(left), Some(right)) => decimals_equivalent(left, right),
                _ => false,
            }
        }
        _ => equal(definitions, &left, &right) == Some(true),
    }
}

/// `~` between two collections, whose order does not matter.
pub(super) fn all_equivalent(definitions: &Definitions, left: &[Item<'_>], right: &[Item<'_>]) -> bool {
    matched(left, right, |left, right| equivalent(definitions, left, right))
}

/// Whether each of `left` has one partner in `right`.
fn matched<L, R>(left: &[L], right: &[R], same: impl Fn(&L, &R) -> bool) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut free = vec![true; right.len()];
    left.iter().all(|left| {
        let found = right.iter().zip(&mut free).find(|(right, free)| **free && same(left, right));
        found.map(|(_, free)| *free = false).is_some()
    })
}

/// Lower case, with runs of white space as one space.
fn normal(text: &str) -> impl Iterator<Item = char> {
    let mut after_blank = false;
    text.chars()
        .filter_map(move |character| {
            let blank = character.is_whitespace();
            let repeated = blank && after_blank;
            after_blank = blank;
            (!repeated).then_some(if blank { ' ' } else { character })
        })
        .flat_map(char::to_lowercase)
}

/// Equal when rounded to the digits of the one with fewer.
pub(super) fn decimals_equivalent(left: Decimal, right: Decimal) -> bool {
    let digits = left.normalize().scale().min(right.normalize().scale());
    let round = |value: Decimal| value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    round(left) == round(right)
}

/// The two values have no order, being of different types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incomparable;

/// The number an integer or decimal is.
pub(super) fn number(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some((*value).into()),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// The quantity an item is or converts to.
pub(super) fn as_quantity(item: &Item<'_>) -> Option<Quantity> {
    match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        other => number(other).map(|value| Quantity { value, unit: Measure::one() }),
    }
}

/// The order of two system values; `Ok(None)` when precision or units leave it open.
pub(super) fn order(left: &Item<'_>, right: &Item<'_>) -> Result<Option<Ordering>, Incomparable> {
    match (left, right) {
        (Item::String(left), Item::String(right)) => Ok(Some((**left).cmp(right))),
        (Item::Integer(left), Item::Integer(right)) => Ok(Some(left.cmp(right))),
        (Item::Date(left), Item::Date(right)) => Ok(left.compare(*right)),
        (Item::DateTime(left), Item::DateTime(right)) => Ok(left.compare(*right)),
        (Item::Date(left), Item::DateTime(right)) => Ok(DateTime::from(*left).compare(*right)),
        (Item::DateTime(left), Item::Date(right)) => Ok(left.compare(DateTime::from(*right))),
        (Item::Time(left), Item::Time(right)) => Ok(left.compare(*right)),
        (Item::Quantity(_), _) | (_, Item::Quantity(_)) => match (as_quantity(left), as_quantity(right)) {
            (Some(left), Some(right)) => Ok(left.compare(&right)),
            _ => Err(Incomparable),
        },
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => Ok(Some(left.cmp(&right))),
            _ => Err(Incomparable),
        },
    }
}

fn same_nodes(left: Node<'_>, right: Node<'_>) -> bool {
    let same_part = |left: Option<&Value>, right: Option<&Value>| match (left, right) {
        (Some(left), Some(right)) => std::ptr::eq(left, right) || same(left, right),
        (None, None) => true,
        _ => false,
    };
    same_part(left.value(), right.value()) && same_part(left.extension(), right.extension())
}

/// Whether two JSON trees are equivalent: the order of repetitions does not matter either, nor case.
fn similar(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (left.as_object(), right.as_object()) {
        return left.len() == right.len()
            && left.iter().all(|(key, value)| right.get(&key).is_some_and(|other| similar(value, other)));
    }
    if let (Some(left), Some(right)) = (left.as_array(), right.as_array()) {
        return matched(left.as_slice(), right.as_slice(), similar);
    }
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => normal(left).eq(normal(right)),
        _ => same(left, right),
    }
}
