//! Lengths of time as they are written in protocols: `90 s`, `20 min`, `24 h`, `7 d`, `2 wk`, `3 mo`, `1 a` (UCUM units).

use std::fmt;
use std::str::FromStr;

use fhir::time::SECOND;
use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time. Months and years follow the calendar, everything else is so many seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// How many.
    pub amount: u32,
    /// Of what.
    pub unit: Unit,
}

/// A UCUM unit of time. <https://ucum.org/ucum>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Seconds.
    Second,
    /// Minutes.
    #[default]
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months of the calendar.
    Month,
    /// Years of the calendar.
    Year,
}

impl Unit {
    const ALL: [Self; 7] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Its UCUM code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "wk",
            Self::Month => "mo",
            Self::Year => "a",
        }
    }

    const fn seconds(self) -> Option<i64> {
        match self {
            Self::Second => Some(1),
            Self::Minute => Some(60),
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
            Self::Week => Some(7 * 86_400),
            Self::Month | Self::Year => None,
        }
    }
}

impl Span {
    /// So many minutes.
    pub const fn minutes(amount: u32) -> Self {
        Self { amount, unit: Unit::Minute }
    }

    /// Its length in microseconds, unless only the calendar knows it.
    pub fn micros(self) -> Option<i64> {
        Some(i64::from(self.amount) * self.unit.seconds()? * SECOND)
    }

    /// The instant (µs since 1970) so long after another, as the calendar at `zone` has it.
    pub fn after(self, at: i64, zone: Offset) -> i64 {
        if let Some(micros) = self.micros() {
            return at.saturating_add(micros);
        }
        let amount = i64::from(self.amount);
        let span = if self.unit == Unit::Month { amount.months() } else { amount.years() };
        let later = Timestamp::from_microsecond(at).ok().and_then(|instant| {
            let civil = zone.to_datetime(instant).checked_add(span).ok()?;
            zone.to_timestamp(civil).ok()
        });
        later.map_or(i64::MAX, Timestamp::as_microsecond)
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let text =
                format!("\"{text}\" is no length of time; write a number and s, min, h, d, wk, mo or a: \"20 min\".");
            Error::new(Category::Invalid, IssueCode::Value, text)
        };
        let (amount, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let amount = amount.parse().map_err(|_| wrong())?;
        let unit = Unit::ALL.into_iter().find(|one| one.code() == unit.trim()).ok_or_else(wrong)?;
        Ok(Self { amount, unit })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.unit.code())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| {
            let text = error.issues().first().map(|issue| issue.text.clone()).unwrap_or_default();
            serde::de::Error::custom(text)
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_they_are_written() {
        for text in ["90 s", "20 min", "24 h", "7 d", "2 wk", "3 mo", "1 a"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "20", "min", "-1 min", "20 minutes", "1.5 h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_after_the_last_of_january_is_the_last_of_february() {
        let zone = jiff::tz::offset(8);
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        let month: Span = "1 mo".parse().unwrap();
        assert_eq!(month.after(at("2026-01-31T09:00:00+08:00"), zone), at("2026-02-28T09:00:00+08:00"));
    }
}
