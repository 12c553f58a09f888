//! FHIR dates and times as intervals of microseconds.
//!
//! A date of any precision stands for all the time it may mean: `2026` is the whole year, `2026-03-01T10:00:00Z`
//! one second. Searching, sorting and the single-patient timeline compare these intervals.
//! <http://hl7.org/fhir/R4/search.html#date>

use jiff::civil::Date;
use jiff::tz::Offset;

/// Microseconds in one second.
pub const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The most digits of a second's fraction that are kept; finer ones are cut.
const FRACTION_DIGITS: usize = 6;

/// A half-open span of time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The first microsecond inside; [`i64::MIN`] when the beginning is open.
    pub lo: i64,
    /// The first microsecond after; [`i64::MAX`] when the end is open.
    pub hi: i64,
}

impl Interval {
    /// All of time.
    pub const ALWAYS: Self = Self { lo: i64::MIN, hi: i64::MAX };

    /// From the beginning of `start` to the end of `end`; a side that is absent is open.
    /// <http://hl7.org/fhir/R4/datatypes.html#Period>
    pub fn spanning(start: Option<Self>, end: Option<Self>) -> Self {
        Self { lo: start.map_or(i64::MIN, |start| start.lo), hi: end.map_or(i64::MAX, |end| end.hi) }
    }

    /// The smallest interval holding both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }
}

/// A point in time as an `instant` with milliseconds, in UTC: `2026-05-04T00:00:00.000Z`.
/// <http://hl7.org/fhir/R4/datatypes.html#instant>
///
/// Times beyond what a calendar of four-digit years holds are written as the nearest it does.
pub fn instant(at: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or(if at < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{at:.3}")
}

/// Reads a `date`, `dateTime` or `instant` of any precision, from year to fractions of a second.
///
/// A time may stop at the minute, as search values may. A value without an offset is taken to be local to `zone`.
/// `None` when the text is none of these.
/// <http://hl7.org/fhir/R4/datatypes.html#dateTime>
pub fn parse(text: &str, zone: Offset) -> Option<Interval> {
    let bytes = text.as_bytes();
    let year = i16::try_from(digits(bytes, 0, 4)?).ok().filter(|&year| year > 0)?;
    let local = |from: i64, to: i64| {
        let shift = i64::from(zone.seconds()) * SECOND;
        Interval { lo: from - shift, hi: to - shift }
    };
    if bytes.len() == 4 {
        return Some(local(days(year, 1, 1)? * DAY, year_end(year)?));
    }
    let month = after(bytes, 4, b'-').and_then(|at| digits(bytes, at, 2))?;
    if bytes.len() == 7 {
        let end = if month == 12 { year_end(year)? } else { days(year, month + 1, 1)? * DAY };
        return Some(local(days(year, month, 1)? * DAY, end));
    }
    let day = after(bytes, 7, b'-').and_then(|at| digits(bytes, at, 2))?;
    let midnight = days(year, month, day)? * DAY;
    if bytes.len() == 10 {
        return Some(local(midnight, midnight + DAY));
    }
    let hour = after(bytes, 10, b'T').and_then(|at| digits(bytes, at, 2)).filter(|&hour| hour < 24)?;
    let minute = after(bytes, 13, b':').and_then(|at| digits(bytes, at, 2)).filter(|&minute| minute < 60)?;
    let mut lo = midnight + hour * HOUR + minute * MINUTE;
    let mut width = MINUTE;
    let mut at = 16;
    if bytes.get(at) == Some(&b':') {
        // A leap second is written 60 and lies where the next minute begins.
        lo += digits(bytes, at + 1, 2).filter(|&second| second <= 60)? * SECOND;
        width = SECOND;
        at += 3;
        if bytes.get(at) == Some(&b'.') {
            let from = at + 1;
            at = from;
            while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
                if at - from < FRACTION_DIGITS {
                    width /= 10;
                    lo += i64::from(digit - b'0') * width;
                }
                at += 1;
            }
            if at == from {
                return None;
            }
        }
    }
    let shift = match &bytes[at..] {
        [] => i64::from(zone.seconds()),
        b"Z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let hours = digits(rest, 0, 2).filter(|&hours| hours <= 14)?;
            let minutes = digits(rest, 3, 2).filter(|&minutes| minutes < 60)?;
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    lo -= shift * SECOND;
    Some(Interval { lo, hi: lo + width })
}

/// The number that `count` ASCII digits at `at` write.
fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    bytes
        .get(at..at + count)?
        .iter()
        .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// The position after `expected`, if it stands at `at`.
fn after(bytes: &[u8], at: usize, expected: u8) -> Option<usize> {
    (bytes.get(at) == Some(&expected)).then_some(at + 1)
}

/// Days from 1970-01-01 to a day of the calendar; `None` when there is no such day.
fn days(year: i16, month: i64, day: i64) -> Option<i64> {
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(i64::from(Date::constant(1970, 1, 1).until(date).ok()?.get_days()))
}

/// Microseconds to the midnight that ends a year. 9999 is the last year FHIR can write and jiff can count.
fn year_end(year: i16) -> Option<i64> {
    Some((days(year, 12, 31)? + 1) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINA: Offset = jiff::tz::offset(8);

    fn micros(instant: &str) -> i64 {
        instant.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    fn check(text: &str, lo: &str, hi: &str) {
        assert_eq!(parse(text, CHINA), Some(Interval { lo: micros(lo), hi: micros(hi) }), "{text}");
    }

    #[test]
    fn a_value_covers_all_the_time_its_precision_leaves_open() {
        check("2026", "2025-12-31T16:00:00Z", "2026-12-31T16:00:00Z");
        check("2024-02", "2024-01-31T16:00:00Z", "2024-02-29T16:00:00Z");
        check("2026-12", "2026-11-30T16:00:00Z", "2026-12-31T16:00:00Z");
        check("2026-03-01", "2026-02-28T16:00:00Z", "2026-03-01T16:00:00Z");
        check("2026-03-01T10:30Z", "2026-03-01T10:30:00Z", "2026-03-01T10:31:00Z");
        check("2026-03-01T10:30:05Z", "2026-03-01T10:30:05Z", "2026-03-01T10:30:06Z");
        check("2026-03-01T10:30:05.25Z", "2026-03-01T10:30:05.25Z", "2026-03-01T10:30:05.26Z");
        check("2026-03-01T10:30:05.123456789Z", "2026-03-01T10:30:05.123456Z", "2026-03-01T10:30:05.123457Z");
    }

    #[test]
    fn an_offset_written_wins_over_the_local_zone() {
        check("2026-03-01T10:30:05+09:00", "2026-03-01T01:30:05Z", "2026-03-01T01:30:06Z");
        check("2026-03-01T10:30:05-05:30", "2026-03-01T16:00:05Z", "2026-03-01T16:00:06Z");
        check("2026-03-01T10:30:05", "2026-03-01T02:30:05Z", "2026-03-01T02:30:06Z");
    }

    #[test]
    fn the_first_and_the_last_year_are_read() {
        assert!(parse("0001", CHINA).is_some_and(|interval| interval.lo < interval.hi));
        assert!(parse("9999-12-31", CHINA).is_some_and(|interval| interval.lo < interval.hi));
    }

    #[test]
    fn a_leap_second_begins_the_next_minute() {
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "26",
            "20260301",
            "2026-13",
            "2026-02-29",
            "2026-3-1",
            "2026-03-01T",
            "2026-03-01T24:00",
            "0000",
            "2026-03-01T10",
            "2026-03-01T10:30:",
            "2026-03-01T10:30:05.Z",
            "2026-03-01T10:30:05+0900",
            "2026-03-01T10:30:05+15:00",
            "2026-03-01 10:30",
            "２０２６",
            "2026-03-01T10:30:05ZZ",
        ] {
            assert_eq!(parse(text, CHINA), None, "{text}");
        }
    }

    #[test]
    fn a_period_without_an_end_goes_on() {
        let start = parse("2026-03-01", CHINA);
        assert_eq!(Interval::spanning(start, None).hi, i64::MAX);
        assert_eq!(Interval::spanning(None, None), Interval::ALWAYS);
    }
}
