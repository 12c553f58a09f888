//! Conversions between the system types.
//!
//! <http://hl7.org/fhirpath/N1/#conversion>

use rust_decimal::Decimal;

use super::item::{Item, Text};
use super::quantity::{Measure, Quantity};
use super::temporal::{Date, DateTime, Time};
use crate::ucum::Unit;

/// A JSON number, exponent and all. Digits beyond the 28th are rounded.
pub(super) fn json_decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { text.parse().ok() }
}

/// `[+-]?digits(.digits)?`
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(fraction) { text.parse().ok() } else { None }
}

fn integer(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(super) fn to_boolean<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let truth = match item {
        Item::Boolean(value) => Some(*value),
        Item::Integer(0) => Some(false),
        Item::Integer(1) => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    truth.map(Item::Boolean)
}

pub(super) fn to_integer<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Integer(_) => Some(item.clone()),
        Item::Boolean(value) => Some(Item::Integer(i64::from(*value))),
        Item::String(text) => integer(text).map(Item::Integer),
        _ => None,
    }
}

pub(super) fn to_decimal<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let value = match item {
        Item::Decimal(value) => Some(*value),
        Item::Integer(value) => Some((*value).into()),
        Item::Boolean(value) => Some(Decimal::from(u8::from(*value))),
        Item::String(text) => decimal(text),
        _ => None,
    };
    value.map(Item::Decimal)
}

pub(super) fn to_date<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let date = match item {
        Item::Date(date) => Some(*date),
        Item::DateTime(moment) => Some(moment.date()),
        Item::String(text) => Date::parse(text).or_else(|| DateTime::parse(text).map(DateTime::date)),
        _ => None,
    };
    date.map(Item::Date)
}

pub(super) fn to_date_time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let moment = match item {
        Item::DateTime(moment) => Some(*moment),
        Item::Date(date) => Some((*date).into()),
        Item::String(text) => DateTime::parse(text),
        _ => None,
    };
    moment.map(Item::DateTime)
}

pub(super) fn to_time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Time(_) => Some(item.clone()),
        Item::String(text) => Time::parse(text.strip_prefix('T').unwrap_or(text)).map(Item::Time),
        _ => None,
    }
}

/// To a quantity, in `unit` when one is asked for.
pub(super) fn to_quantity<'a>(item: &Item<'a>, unit: Option<&str>) -> Option<Item<'a>> {
    let plain = |value: Decimal| Some(Quantity { value, unit: Measure::one() });
    let quantity = match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        Item::Integer(value) => plain((*value).into()),
        Item::Decimal(value) => plain(*value),
        Item::Boolean(value) => plain(Decimal::from(u8::from(*value))),
        Item::String(text) => Quantity::parse(text),
        _ => None,
    }?;
    let quantity = match unit.map(Measure::quoted) {
        None => quantity,
        Some(unit) if unit == quantity.unit => quantity,
        Some(unit) => {
            let code = |unit: &Measure| match unit {
                Measure::Calendar(unit) => Unit::parse(unit.ucum()),
                Measure::Ucum(code) => Unit::parse(code),
                Measure::Other(_) => None,
            };
            let value = code(&quantity.unit)?.convert(quantity.value, &code(&unit)?)?;
            Quantity { value, unit }
        }
    };
    Some(Item::Quantity(Box::new(quantity)))
}

pub(super) fn to_text<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Type(_) => None,
        Item::String(_) => Some(item.clone()),
        other => other.to_text().map(|text| Item::String(Text::from(text.into_owned()))),
    }
}
