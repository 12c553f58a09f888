//! Working times.

use std::str::FromStr;

use fhir::time::SECOND;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::span::Unit;
use super::{Code, Span};

/// Years of nothing but holidays end a search for the next working day.
const FAR: usize = 3_660;

/// When work is done: on which days, from when until when, and the days on which it is otherwise.
///
/// Minutes and hours count open time only; days and weeks count working days, to the same time of day. Mainland China
/// moves working days to weekends around long holidays (国务院办公厅关于节假日安排的通知, every year), hence `worked`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Calendar {
    /// Its code.
    pub code: Code,
    /// The days of the week on which work is done.
    pub days: Vec<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends.
    pub until: TimeOfDay,
    /// Days without work all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Day>,
    /// Days of work all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worked: Vec<Day>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    fn of(date: Date) -> Self {
        let index = date.weekday().to_monday_zero_offset();
        Self::ALL[usize::try_from(index).expect("a day of the week is 0 to 6")]
    }
}

macro_rules! written {
    ($name:ident, $inner:ty, $what:literal, $print:literal) => {
        #[doc = $what]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                <$inner>::from_str(&text).map(Self).map_err(|_| D::Error::custom(concat!("write ", $what)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0.strftime($print))
            }
        }
    };
}

written!(TimeOfDay, Time, "A time of day as `08:00`.", "%H:%M");
written!(Day, Date, "A date as `2026-10-01`.", "%Y-%m-%d");

impl Calendar {
    /// Whether work is done on a day.
    fn works(&self, date: Date) -> bool {
        let day = Day(date);
        self.worked.contains(&day) || (self.days.contains(&Weekday::of(date)) && !self.holidays.contains(&day))
    }

    /// The working time of a day as instants, in microseconds.
    fn hours(&self, date: Date, zone: Offset) -> Option<(i64, i64)> {
        if !self.works(date) || self.until <= self.from {
            return None;
        }
        let at = |time: Time| Some(zone.to_timestamp(DateTime::from_parts(date, time)).ok()?.as_microsecond());
        Some((at(self.from.0)?, at(self.until.0)?))
    }

    /// The working times of the days from the one of an instant on.
    fn from(&self, at: i64, zone: Offset) -> impl Iterator<Item = (i64, i64)> {
        let first = Timestamp::from_microsecond(at).map(|instant| zone.to_datetime(instant).date()).ok();
        let days = std::iter::successors(first, |day| day.checked_add(1.day()).ok()).take(FAR);
        days.filter_map(move |day| self.hours(day, zone))
    }

    /// The instant so much working time after another; `i64::MAX` when there never is any.
    pub fn after(&self, at: i64, span: Span, zone: Offset) -> i64 {
        let days = match span.unit {
            Unit::Day => Some(span.amount),
            Unit::Week => Some(span.amount.saturating_mul(7)),
            Unit::Month | Unit::Year => return span.after(at, zone),
            _ => None,
        };
        let Some(start) = self.from(at, zone).find(|(_, close)| *close > at).map(|(open, _)| open.max(at)) else {
            return i64::MAX;
        };
        if let Some(days) = days {
            let mut worked = self.from(start, zone);
            let Some((open, _)) = worked.next() else { return i64::MAX };
            let into = start - open;
            let last = days.checked_sub(1).map_or(Some((open, 0)), |rest| worked.nth(rest as usize));
            return last.map_or(i64::MAX, |(open, _)| open + into);
        }
        let mut left = span.micros().unwrap_or(0);
        for (open, close) in self.from(start, zone) {
            let begin = open.max(start);
            if close - begin >= left {
                return begin + left;
            }
            left -= (close - begin).max(0);
        }
        i64::MAX
    }

    /// The working time between two instants, in microseconds.
    pub fn between(&self, from: i64, to: i64, zone: Offset) -> i64 {
        let open = self.from(from, zone).take_while(|(open, _)| *open < to);
        open.map(|(open, close)| (close.min(to) - open.max(from)).max(0)).sum::<i64>() / SECOND * SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Calendar {
        Calendar {
            code: "office".into(),
            days: Weekday::ALL[..5].to_vec(),
            from: TimeOfDay("08:00".parse().unwrap()),
            until: TimeOfDay("17:30".parse().unwrap()),
            holidays: vec![Day("2026-10-01".parse().unwrap()), Day("2026-10-02".parse().unwrap())],
            worked: vec![Day("2026-10-10".parse().unwrap())],
        }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[track_caller]
    fn check(from: &str, span: &str, to: &str) {
        let due = office().after(at(from), span.parse().unwrap(), jiff::tz::offset(8));
        assert_eq!(due, at(to), "{from} + {span}");
    }

    #[test]
    fn hours_count_open_time_only() {
        check("2026-09-28T09:00:00+08:00", "4 h", "2026-09-28T13:00:00+08:00");
        // Thursday the 1st and Friday the 2nd are holidays.
        check("2026-09-30T16:30:00+08:00", "4 h", "2026-10-05T11:00:00+08:00");
        check("2026-09-27T12:00:00+08:00", "30 min", "2026-09-28T08:30:00+08:00");
    }

    #[test]
    fn days_are_working_days() {
        check("2026-09-28T09:00:00+08:00", "1 d", "2026-09-29T09:00:00+08:00");
        check("2026-09-30T09:00:00+08:00", "1 d", "2026-10-05T09:00:00+08:00");
        // Saturday the 10th is worked.
        check("2026-10-09T09:00:00+08:00", "1 d", "2026-10-10T09:00:00+08:00");
    }

    #[test]
    fn time_between_leaves_nights_and_holidays_out() {
        let zone = jiff::tz::offset(8);
        let (from, to) = (at("2026-09-30T16:30:00+08:00"), at("2026-10-05T09:00:00+08:00"));
        assert_eq!(office().between(from, to, zone), 2 * 3_600 * SECOND);
    }
}
