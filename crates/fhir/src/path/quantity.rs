//! Amounts with a unit.
//!
//! <http://hl7.org/fhirpath/N1/#quantity>

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::temporal::CalendarUnit;
use crate::ucum::Unit;

/// A number and what it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// How many.
    pub value: Decimal,
    /// Of what.
    pub unit: Measure,
}

/// What a quantity counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// `day`, `month`, `year`: as the calendar has it.
    Calendar(CalendarUnit),
    /// A UCUM code.
    Ucum(Arc<str>),
    /// A unit of another system, which is only ever the same as itself.
    Other(Arc<str>),
}

impl Measure {
    /// The unit `1`.
    pub(super) fn one() -> Self {
        Self::Ucum("1".into())
    }

    /// The unit written between quotes in a literal: a UCUM code, though `'month'` is understood too.
    pub(super) fn quoted(text: &str) -> Self {
        match CalendarUnit::from_name(text) {
            Some(unit) => Self::Calendar(unit),
            None => Self::Ucum(text.into()),
        }
    }

    /// The unit for arithmetic with dates. A definite year (`'a'`) is none: a date has no room for its quarter day.
    pub(super) fn calendar(&self) -> Option<CalendarUnit> {
        match self {
            Self::Calendar(unit) => Some(*unit),
            Self::Ucum(code) => CalendarUnit::from_ucum(code),
            Self::Other(_) => None,
        }
    }

    fn ucum(&self) -> Option<Unit> {
        match self {
            Self::Calendar(unit) => Unit::parse(unit.ucum()),
            Self::Ucum(code) => Unit::parse(code),
            Self::Other(_) => None,
        }
    }

    /// Calendar years and months, whose length varies, are not definite durations.
    fn is_indefinite(&self) -> bool {
        matches!(self, Self::Calendar(CalendarUnit::Year | CalendarUnit::Month))
    }
}

impl Quantity {
    /// Reads `value`, `value 'code'` or `value unit`, as `toQuantity()` does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let length = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (number, unit) = text.split_at(length);
        let value = super::convert::decimal(number)?;
        let named = unit.trim_start();
        let unit = match named.strip_prefix('\'') {
            Some(code) => Measure::quoted(code.strip_suffix('\'')?),
            None if named.is_empty() => Measure::one(),
            None if named.len() == unit.len() => return None,
            None => Measure::Calendar(CalendarUnit::from_name(named)?),
        };
        Some(Self { value, unit })
    }

    /// The order of two amounts; none when their units do not allow one.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        if self.unit.is_indefinite() != other.unit.is_indefinite() {
            return None;
        }
        self.compare_as_durations(other)
    }

    fn compare_as_durations(&self, other: &Self) -> Option<Ordering> {
        self.unit.ucum()?.compare(self.value, &other.unit.ucum()?, other.value)
    }

    /// Whether the units are both known and of different kinds, so that the amounts are surely not equal.
    pub(super) fn is_of_other_kind(&self, other: &Self) -> bool {
        match (self.unit.ucum(), other.unit.ucum()) {
            (Some(left), Some(right)) => !left.is_comparable(&right),
            _ => self.unit != other.unit,
        }
    }

    /// `~`: equal when rounded to the precision of the less precise of the two.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        let (left, right) = (self, other);
        if left.unit == right.unit {
            return super::compare::decimals_equivalent(left.value, right.value);
        }
        let Some((from, to)) = right.unit.ucum().zip(left.unit.ucum()) else { return false };
        let Some(converted) = from.convert(right.value, &to) else { return false };
        // A conversion adds digits that nobody measured, so it is the written digits that count.
        let digits = left.value.normalize().scale().min(converted.normalize().scale());
        left.value.round_dp(digits) == converted.round_dp(digits)
    }

    /// Whether the two can be compared at all.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        match (self.unit.ucum(), other.unit.ucum()) {
            (Some(left), Some(right)) => left.is_comparable(&right),
            _ => self.unit == other.unit,
        }
    }

    /// The sum in the unit of the first.
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        let more = if self.unit == other.unit {
            other.value
        } else if self.unit.is_indefinite() != other.unit.is_indefinite() {
            return None;
        } else {
            other.unit.ucum()?.convert(other.value, &self.unit.ucum()?)?
        };
        Some(Self { value: self.value.checked_add(more)?, unit: self.unit.clone() })
    }

    /// The product, its unit the product of the units.
    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        let value = self.value.checked_mul(other.value)?;
        Some(Self { value, unit: joined(&self.unit, '.', &other.unit)? })
    }

    /// The quotient, its unit the quotient of the units.
    pub(super) fn over(&self, other: &Self) -> Option<Self> {
        if self.is_comparable(other) && !self.unit.is_indefinite() && !other.unit.is_indefinite() {
            let divisor = match self.unit == other.unit {
                true => other.value,
                false => other.unit.ucum()?.convert(other.value, &self.unit.ucum()?)?,
            };
            return Some(Self { value: self.value.checked_div(divisor)?, unit: Measure::one() });
        }
        let value = self.value.checked_div(other.value)?;
        Some(Self { value, unit: joined(&self.unit, '/', &other.unit)? })
    }
}

/// The code of the product or quotient of two units.
fn joined(left: &Measure, operator: char, right: &Measure) -> Option<Measure> {
    let code = |unit: &Measure| match unit {
        Measure::Calendar(unit) => Some(Arc::from(unit.ucum())),
        Measure::Ucum(code) => Some(code.clone()),
        Measure::Other(_) => None,
    };
    let (left, right) = (code(left)?, code(right)?);
    let joined = match (&*left, &*right) {
        (_, "1") => left.to_string(),
        ("1", _) if operator == '.' => right.to_string(),
        _ if right.contains(['.', '/']) => format!("{left}{operator}({right})"),
        _ => format!("{left}{operator}{right}"),
    };
    Unit::parse(&joined).map(|_| Measure::Ucum(joined.into()))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Measure::Calendar(unit) if self.value.abs() == Decimal::ONE => write!(f, "{} {}", self.value, unit.name()),
            Measure::Calendar(unit) => write!(f, "{} {}s", self.value, unit.name()),
            Measure::Ucum(code) | Measure::Other(code) => write!(f, "{} '{code}'", self.value),
        }
    }
}
