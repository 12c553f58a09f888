//! Dates, times and instants that may be partial.
//!
//! <http://hl7.org/fhirpath/N1/#date-time-and-time>

use std::cmp::Ordering;
use std::fmt;

use jiff::civil;
use jiff::{Span, Timestamp, tz::Offset};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How much of a date or time is said. Fractions of a second belong to [`Precision::Second`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// The year only.
    Year,
    /// Year and month.
    Month,
    /// The full date.
    Day,
    /// The hour.
    Hour,
    /// The hour and minute.
    Minute,
    /// The second, with or without a fraction.
    Second,
}

/// A date: a year, a month or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    year: i16,
    /// 0 when not said.
    month: u8,
    /// 0 when not said.
    day: u8,
}

/// A time of day without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    /// How many digits of the fraction were written, at most nine.
    digits: u8,
    nanoseconds: u32,
    precision: Precision,
}

/// A date with, perhaps, a time and, perhaps, an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    date: Date,
    time: Option<Time>,
    zone: Option<Zone>,
}

/// An offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Zone {
    /// Minutes east of UTC.
    minutes: i16,
    /// Written as `Z`.
    zulu: bool,
}

/// The units of calendar arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarUnit {
    /// 0.001 s
    Millisecond,
    /// 1 s
    Second,
    /// 60 s
    Minute,
    /// 60 min
    Hour,
    /// A day of the calendar.
    Day,
    /// 7 days
    Week,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

/// Which end of the interval a partial value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Low,
    High,
}

impl CalendarUnit {
    /// The unit of that English name, singular or plural.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "year" | "years" => Self::Year,
            "month" | "months" => Self::Month,
            "week" | "weeks" => Self::Week,
            "day" | "days" => Self::Day,
            "hour" | "hours" => Self::Hour,
            "minute" | "minutes" => Self::Minute,
            "second" | "seconds" => Self::Second,
            "millisecond" | "milliseconds" => Self::Millisecond,
            _ => return None,
        })
    }

    /// The singular English name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Millisecond => "millisecond",
        }
    }

    /// The UCUM code of the definite duration of that name. A calendar year or month is only *like* it.
    pub const fn ucum(self) -> &'static str {
        match self {
            Self::Year => "a",
            Self::Month => "mo",
            Self::Week => "wk",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
        }
    }

    /// The unit meant by a UCUM code. Years and months are left out: `1 'a'` is 365.25 days, not a calendar year.
    pub fn from_ucum(code: &str) -> Option<Self> {
        Some(match code {
            "wk" => Self::Week,
            "d" => Self::Day,
            "h" => Self::Hour,
            "min" => Self::Minute,
            "s" => Self::Second,
            "ms" => Self::Millisecond,
            _ => return None,
        })
    }

    /// Months, when it is a whole number of months.
    const fn months(self) -> Option<i64> {
        match self {
            Self::Year => Some(12),
            Self::Month => Some(1),
            _ => None,
        }
    }

    /// Milliseconds, a month being 30 days and a year 365, as the specification's conversion has it.
    const fn milliseconds(self) -> i64 {
        match self {
            Self::Year => 365 * 86_400_000,
            Self::Month => 30 * 86_400_000,
            Self::Week => 7 * 86_400_000,
            Self::Day => 86_400_000,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1_000,
            Self::Millisecond => 1,
        }
    }
}

/// Exactly `length` digits.
fn number(text: &str, length: usize) -> Option<u32> {
    if text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl Date {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a day that exists.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let year = i16::try_from(number(parts.next()?, 4)?).ok().filter(|year| *year > 0)?;
        let month = match parts.next() {
            Some(month) => u8::try_from(number(month, 2)?).ok().filter(|month| (1..=12).contains(month))?,
            None => 0,
        };
        let day = match parts.next() {
            Some(day) => u8::try_from(number(day, 2)?).ok()?,
            None => 0,
        };
        if parts.next().is_some() {
            return None;
        }
        let date = Self { year, month, day };
        if text.len() == 10 && date.civil().is_none() {
            return None;
        }
        Some(date)
    }

    /// How much is said.
    pub const fn precision(self) -> Precision {
        match (self.month, self.day) {
            (0, _) => Precision::Year,
            (_, 0) => Precision::Month,
            _ => Precision::Day,
        }
    }

    /// The same as a full date, when it is one.
    fn civil(self) -> Option<civil::Date> {
        civil::Date::new(self.year, i8::try_from(self.month).ok()?, i8::try_from(self.day).ok()?).ok()
    }

    fn from_civil(date: civil::Date, precision: Precision) -> Self {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        match precision {
            Precision::Year => Self { year: date.year(), month: 0, day: 0 },
            Precision::Month => Self { year: date.year(), month, day: 0 },
            _ => Self { year: date.year(), month, day },
        }
    }

    /// The first or the last day of what is said.
    fn filled(self, bound: Bound) -> civil::Date {
        let month = match (self.month, bound) {
            (0, Bound::Low) => 1,
            (0, Bound::High) => 12,
            (month, _) => month,
        };
        let first = civil::Date::constant(self.year, month.cast_signed(), 1);
        match (self.day, bound) {
            (0, Bound::Low) => first,
            (0, Bound::High) => first.last_of_month(),
            (day, _) => civil::Date::new(self.year, month.cast_signed(), day.cast_signed()).unwrap_or(first),
        }
    }

    fn limited(self, precision: Precision) -> Self {
        Self {
            year: self.year,
            month: if precision < Precision::Month { 0 } else { self.month },
            day: if precision < Precision::Day { 0 } else { self.day },
        }
    }

    /// `None` when the precisions differ and what both say is the same.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        DateTime::from(self).compare(DateTime::from(other))
    }

    /// This date moved by `amount` of `unit`; `None` beyond the years 1 to 9999.
    pub fn plus(self, amount: Decimal, unit: CalendarUnit) -> Option<Self> {
        DateTime::from(self).plus(amount, unit).map(|moved| moved.date)
    }
}

impl Time {
    /// Reads `HH`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (text, None),
        };
        let mut parts = clock.split(':');
        let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
        let minute = parts.next().map(|minute| number(minute, 2).filter(|minute| *minute < 60));
        // A leap second is a second: FHIR's instant allows it.
        let second = parts.next().map(|second| number(second, 2).filter(|second| *second <= 60));
        let precision = match (minute.is_some(), second.is_some()) {
            (false, _) => Precision::Hour,
            (true, false) => Precision::Minute,
            (true, true) => Precision::Second,
        };
        if parts.next().is_some() || (fraction.is_some() && precision != Precision::Second) {
            return None;
        }
        let (mut nanoseconds, mut digits) = (0, 0);
        if let Some(fraction) = fraction {
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            for digit in fraction.bytes().take(9) {
                nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
                digits += 1;
            }
            nanoseconds *= 10_u32.pow(9 - u32::from(digits));
        }
        Some(Self {
            hour: u8::try_from(hour).ok()?,
            minute: u8::try_from(minute.unwrap_or(Some(0))?).ok()?,
            second: u8::try_from(second.unwrap_or(Some(0))?).ok()?,
            digits,
            nanoseconds,
            precision,
        })
    }

    /// How much is said.
    pub const fn precision(self) -> Precision {
        self.precision
    }

    fn from_civil(time: civil::Time, precision: Precision, digits: u8) -> Self {
        let nanoseconds = time.subsec_nanosecond().unsigned_abs();
        // A fraction that arithmetic brought in is shown in milliseconds at least.
        let digits = if !nanoseconds.is_multiple_of(1_000_000) {
            9
        } else if nanoseconds != 0 {
            digits.max(3)
        } else {
            digits
        };
        Self {
            hour: time.hour().unsigned_abs(),
            minute: time.minute().unsigned_abs(),
            second: time.second().unsigned_abs(),
            digits,
            nanoseconds,
            precision,
        }
    }

    fn civil(self) -> civil::Time {
        let whole = |part: u8, limit: u8| part.min(limit).cast_signed();
        civil::Time::constant(
            whole(self.hour, 23),
            whole(self.minute, 59),
            whole(self.second, 59),
            self.nanoseconds.cast_signed(),
        )
    }

    /// `None` when the precisions differ and what both say is the same.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let shared = self.precision.min(other.precision);
        let mut order = self.hour.cmp(&other.hour);
        if shared >= Precision::Minute {
            order = order.then(self.minute.cmp(&other.minute));
        }
        if shared >= Precision::Second {
            order = order.then(self.second.cmp(&other.second)).then(self.nanoseconds.cmp(&other.nanoseconds));
        }
        if order == Ordering::Equal && self.precision != other.precision { None } else { Some(order) }
    }

    /// This time moved by `amount` of `unit`, past midnight if need be; `None` for units of a day and longer.
    pub fn plus(self, amount: Decimal, unit: CalendarUnit) -> Option<Self> {
        if unit > CalendarUnit::Hour {
            return None;
        }
        let (amount, unit) = at_precision(amount, unit, self.precision)?;
        let moved = self.civil().wrapping_add(duration(amount, unit)?);
        Some(Self::from_civil(moved, self.precision, self.digits))
    }

    fn filled(self, bound: Bound) -> Self {
        let mut filled = self;
        if bound == Bound::High {
            if self.precision < Precision::Minute {
                filled.minute = 59;
            }
            if self.precision < Precision::Second {
                filled.second = 59;
            }
            filled.nanoseconds += 10_u32.pow(9 - u32::from(self.digits.min(9))) - 1;
        }
        filled.precision = Precision::Second;
        filled
    }

    /// This time at the number of digits the specification counts precision in: 2, 4, 6 or 9.
    fn with_digits(self, count: i64) -> Option<Self> {
        let (precision, digits) = match count {
            2 => (Precision::Hour, 0),
            4 => (Precision::Minute, 0),
            6 => (Precision::Second, 0),
            9 => (Precision::Second, 3),
            _ => return None,
        };
        let mut limited = Self { precision, digits, ..self };
        if precision < Precision::Minute {
            limited.minute = 0;
        }
        if precision < Precision::Second {
            limited.second = 0;
        }
        limited.nanoseconds = match digits {
            0 => 0,
            _ => self.nanoseconds / 1_000_000 * 1_000_000,
        };
        Some(limited)
    }

    /// The least or greatest time this one may stand for, at 2, 4, 6 or 9 digits.
    pub(super) fn boundary(self, bound: Bound, digits: i64) -> Option<Self> {
        self.filled(bound).with_digits(digits)
    }

    /// The number of digits said: 2, 4, 6 or 9.
    pub(super) fn digit_count(self) -> i64 {
        match (self.precision, self.digits) {
            (Precision::Hour, _) => 2,
            (Precision::Minute, _) => 4,
            (_, 0) => 6,
            _ => 9,
        }
    }
}

impl From<Date> for DateTime {
    fn from(date: Date) -> Self {
        Self { date, time: None, zone: None }
    }
}

impl DateTime {
    /// Reads a date, or a date, `T` and perhaps a time and an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let Some((date, clock)) = text.split_once('T') else { return Date::parse(text).map(Self::from) };
        let date = Date::parse(date)?;
        if clock.is_empty() {
            return Some(date.into());
        }
        if date.precision() != Precision::Day {
            return None;
        }
        let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(zone_at);
        let zone = match zone {
            "" => None,
            "Z" => Some(Zone { minutes: 0, zulu: true }),
            _ => {
                let (hours, minutes) = zone[1..].split_once(':')?;
                let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
                if hours > 14 || minutes > 59 {
                    return None;
                }
                let minutes = i16::try_from(hours * 60 + minutes).ok()?;
                Some(Zone { minutes: if zone.starts_with('-') { -minutes } else { minutes }, zulu: false })
            }
        };
        Some(Self { date, time: Some(Time::parse(clock)?), zone })
    }

    /// The instant as a clock at `offset` shows it, in milliseconds.
    pub fn at(instant: Timestamp, offset: Offset) -> Self {
        let civil = offset.to_datetime(instant);
        let milliseconds = civil.time().with().subsec_nanosecond(i32::from(civil.millisecond()) * 1_000_000).build();
        let time = Time::from_civil(milliseconds.unwrap_or(civil.time()), Precision::Second, 3);
        Self {
            date: Date::from_civil(civil.date(), Precision::Day),
            time: Some(Time { digits: 3, ..time }),
            zone: Some(Zone { minutes: i16::try_from(offset.seconds() / 60).unwrap_or(0), zulu: false }),
        }
    }

    /// The date alone.
    pub const fn date(self) -> Date {
        self.date
    }

    /// The time of day, if one is said.
    pub const fn time(self) -> Option<Time> {
        self.time
    }

    /// How much is said.
    pub const fn precision(self) -> Precision {
        match self.time {
            Some(time) => time.precision(),
            None => self.date.precision(),
        }
    }

    /// The same moment with its clock moved to UTC.
    fn in_utc(self) -> Self {
        let (Some(time), Some(zone), Some(date)) = (self.time, self.zone, self.date.civil()) else { return self };
        if zone.minutes == 0 {
            return self;
        }
        let local = civil::DateTime::from_parts(date, time.civil());
        match local.checked_sub(Span::new().minutes(zone.minutes)) {
            Ok(moved) => Self {
                date: Date::from_civil(moved.date(), Precision::Day),
                // The leap second that the calendar cannot hold is put back.
                time: Some(Time { second: time.second, ..Time::from_civil(moved.time(), time.precision, time.digits) }),
                zone: Some(Zone { minutes: 0, zulu: true }),
            },
            Err(_) => self,
        }
    }

    /// `None` when precision or a missing offset leaves the order open.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let (mut left, mut right) = (self, other);
        if self.time.is_some() && other.time.is_some() {
            left = self.in_utc();
            right = other.in_utc();
            if self.zone.is_some() != other.zone.is_some() {
                // An unknown offset is at most 14 hours; only values further apart than that are ordered.
                let days = |value: Self| value.date.civil();
                let apart = days(left)?.until(days(right)?).ok()?.get_days();
                return if apart.abs() >= 2 { Some(0.cmp(&apart)) } else { None };
            }
        }
        let shared = left.date.precision().min(right.date.precision());
        let mut order = left.date.year.cmp(&right.date.year);
        if shared >= Precision::Month {
            order = order.then(left.date.month.cmp(&right.date.month));
        }
        if shared >= Precision::Day {
            order = order.then(left.date.day.cmp(&right.date.day));
        }
        if order != Ordering::Equal {
            return Some(order);
        }
        match (left.time, right.time) {
            (Some(left), Some(right)) => left.compare(right),
            _ if left.precision() == right.precision() => Some(order),
            _ => None,
        }
    }

    /// This moment moved by `amount` of `unit`; `None` beyond the years 1 to 9999.
    ///
    /// A fraction of an amount counts only in seconds; an amount finer than what is said is
    /// first brought to that precision. <http://hl7.org/fhirpath/N1/#datetime-arithmetic>
    pub fn plus(self, amount: Decimal, unit: CalendarUnit) -> Option<Self> {
        let precision = self.precision();
        let (amount, unit) = at_precision(amount, unit, precision)?;
        let date = self.date.filled(Bound::Low);
        let time = self.time.map_or(civil::Time::midnight(), Time::civil);
        let start = civil::DateTime::from_parts(date, time);
        let moved = match unit.months() {
            Some(months) => {
                let months = amount.to_i64()?.checked_mul(months)?;
                start.checked_add(Span::new().try_months(months).ok()?).ok()?
            }
            None => start.checked_add(duration(amount, unit)?).ok()?,
        };
        if moved.year() < 1 {
            return None;
        }
        Some(Self {
            date: Date::from_civil(moved.date(), self.date.precision()),
            time: self.time.map(|time| Time::from_civil(moved.time(), time.precision, time.digits)),
            zone: self.zone,
        })
    }

    /// The least or greatest moment this one may stand for, at 4, 6, 8, 10, 12, 14 or 17 digits.
    ///
    /// Without an offset the least moment is that of the easternmost clock and the greatest that of the westernmost.
    pub(super) fn boundary(self, bound: Bound, digits: i64) -> Option<Self> {
        let date = Date::from_civil(self.date.filled(bound), Precision::Day);
        let date = match digits {
            4 => return Some(date.limited(Precision::Year).into()),
            6 => return Some(date.limited(Precision::Month).into()),
            8 => return Some(date.into()),
            _ => date,
        };
        let start = Time { hour: 0, minute: 0, second: 0, digits: 0, nanoseconds: 0, precision: Precision::Second };
        let end = Time { hour: 23, minute: 59, second: 59, nanoseconds: 999_999_999, ..start };
        let time = match (self.time, bound) {
            (Some(time), _) => time.filled(bound),
            (None, Bound::Low) => start,
            (None, Bound::High) => end,
        };
        let minutes = match bound {
            Bound::Low => 14 * 60,
            Bound::High => -12 * 60,
        };
        Some(Self {
            date,
            time: Some(time.with_digits(digits - 8)?),
            zone: Some(self.zone.unwrap_or(Zone { minutes, zulu: false })),
        })
    }

    /// The number of digits said: 4, 6, 8, 10, 12, 14 or 17.
    pub(super) fn digit_count(self) -> i64 {
        match (self.time, self.date.precision()) {
            (Some(time), _) => 8 + time.digit_count(),
            (None, Precision::Year) => 4,
            (None, Precision::Month) => 6,
            (None, _) => 8,
        }
    }
}

/// `amount` of `unit` in the finest unit that `precision` can express, whole unless it is seconds.
fn at_precision(amount: Decimal, unit: CalendarUnit, precision: Precision) -> Option<(Decimal, CalendarUnit)> {
    let finest = match precision {
        Precision::Year => CalendarUnit::Year,
        Precision::Month => CalendarUnit::Month,
        Precision::Day => CalendarUnit::Day,
        Precision::Hour => CalendarUnit::Hour,
        Precision::Minute => CalendarUnit::Minute,
        Precision::Second => CalendarUnit::Millisecond,
    };
    let whole = if unit > CalendarUnit::Second { amount.trunc() } else { amount };
    if unit >= finest {
        return Some((whole, unit));
    }
    let milliseconds = whole.checked_mul(Decimal::from(unit.milliseconds()))?;
    let (Some(own), CalendarUnit::Year) = (unit.months(), finest) else {
        return Some(((milliseconds / Decimal::from(finest.milliseconds())).trunc(), finest));
    };
    let months = whole.checked_mul(Decimal::from(own))?;
    Some(((months / Decimal::from(12)).trunc(), finest))
}

/// A span of a unit whose length is fixed.
fn duration(amount: Decimal, unit: CalendarUnit) -> Option<jiff::SignedDuration> {
    let milliseconds = amount.checked_mul(Decimal::from(unit.milliseconds()))?;
    let nanoseconds = milliseconds.checked_mul(Decimal::from(1_000_000))?.trunc();
    let seconds = (nanoseconds / Decimal::from(1_000_000_000)).trunc();
    let rest = nanoseconds - seconds * Decimal::from(1_000_000_000);
    Some(jiff::SignedDuration::new(seconds.to_i64()?, rest.to_i32()?))
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.hour)?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.digits > 0 {
            let digits = usize::from(self.digits);
            write!(f, ".{}", &format!("{:09}", self.nanoseconds)[..digits])?;
        }
        Ok(())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date)?;
        if let Some(time) = self.time {
            write!(f, "T{time}")?;
        }
        match self.zone {
            None => Ok(()),
            Some(Zone { zulu: true, .. }) => f.write_str("Z"),
            Some(Zone { minutes, .. }) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn moment(text: &str) -> DateTime {
        DateTime::parse(text).unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in ["2015", "2015-02", "2015-02-04", "2015-02-04T14:34", "2015-02-04T14:34:28.120Z"] {
            assert_eq!(moment(text).to_string(), text);
        }
        assert_eq!(moment("2015-02-04T14:34:28-09:30").to_string(), "2015-02-04T14:34:28-09:30");
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2015-02-29", "2015-13", "2015-00", "2015-01-00", "0000", "15", "2015-1", "2015-01-01-01", ""] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        for text in ["24", "12:60", "12:00:61", "12.5", "12:00:00.", "1:00"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_order_that_precision_leaves_open_is_no_order() {
        assert_eq!(date("2018-03").compare(date("2018-03-01")), None);
        assert_eq!(date("2018-03").compare(date("2018-04-01")), Some(Ordering::Less));
        assert_eq!(moment("2018-03-01T10:30Z").compare(moment("2018-03-01T11:30")), None);
        assert_eq!(moment("2018-03-01T10:30Z").compare(moment("2018-03-05T11:30")), Some(Ordering::Less));
        assert_eq!(moment("2018-03-01T10:30:00+08:00").compare(moment("2018-03-01T02:30:00Z")), Some(Ordering::Equal));
    }

    #[test]
    fn a_month_after_the_last_of_january_is_the_last_of_february() {
        assert_eq!(date("2023-01-31").plus(1.into(), CalendarUnit::Month), Some(date("2023-02-28")));
        assert_eq!(date("2024-02-29").plus((-1).into(), CalendarUnit::Year), Some(date("2023-02-28")));
    }

    #[test]
    fn an_amount_finer_than_the_date_is_brought_to_its_precision() {
        assert_eq!(date("2014").plus(24.into(), CalendarUnit::Month), Some(date("2016")));
        assert_eq!(date("2014").plus(11.into(), CalendarUnit::Month), Some(date("2014")));
        assert_eq!(date("2014-01-01").plus(49.into(), CalendarUnit::Hour), Some(date("2014-01-03")));
    }

    #[test]
    fn time_wraps_at_midnight_and_dates_do_not_leave_the_calendar() {
        assert_eq!(Time::parse("23:59").unwrap().plus(2.into(), CalendarUnit::Minute), Time::parse("00:01"));
        assert_eq!(date("9999-12-31").plus(1.into(), CalendarUnit::Day), None);
        assert_eq!(date("0001-01-01").plus((-1).into(), CalendarUnit::Day), None);
        assert_eq!(date("2000").plus(Decimal::MAX, CalendarUnit::Week), None);
    }
}
