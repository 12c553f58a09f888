//! What a resource says, read off its JSON. Nothing here knows how the record reads it.

use jiff::civil::{Date, date};
use serde_json::Value;

/// The values at a path of members, every list on the way opened.
pub(crate) fn at<'r>(value: &'r Value, path: &str) -> Vec<&'r Value> {
    if let Value::Array(items) = value {
        return items.iter().flat_map(|item| at(item, path)).collect();
    }
    if path.is_empty() {
        return vec![value];
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    value.get(step).into_iter().flat_map(|value| at(value, rest)).collect()
}

/// The texts at some paths.
pub(crate) fn texts<'r>(resource: &'r Value, paths: &[&str]) -> Vec<&'r str> {
    paths.iter().flat_map(|path| at(resource, path)).filter_map(Value::as_str).collect()
}

/// Whether a code, Coding, CodeableConcept, Identifier, ContactPoint or boolean at a path is this one.
pub(crate) fn coded(resource: &Value, path: &str, system: Option<&str>, code: &str) -> bool {
    at(resource, path).into_iter().any(|value| is_coded(value, system, code))
}

fn is_coded(value: &Value, system: Option<&str>, code: &str) -> bool {
    match value {
        Value::String(text) => text == code,
        Value::Bool(truth) => truth.to_string() == code,
        Value::Object(_) => {
            let own = at(value, "coding").into_iter().any(|coding| is_coded(coding, system, code));
            let said = value.get("code").or_else(|| value.get("value")).and_then(Value::as_str);
            own || (said == Some(code) && system.is_none_or(|system| value["system"] == system))
        }
        _ => false,
    }
}

/// Whether a Reference at a path points at this.
pub(crate) fn refers(resource: &Value, path: &str, target: &str) -> bool {
    at(resource, path).into_iter().any(|value| value["reference"] == target)
}

/// Whether there is anything at a path.
pub(crate) fn says(resource: &Value, path: &str) -> bool {
    !at(resource, path).is_empty()
}

/// Lower case, without the accents that occur in the material.
pub(crate) fn folded(text: &str) -> String {
    let bare = |letter: char| match letter {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        'ñ' => 'n',
        other => other,
    };
    text.chars().flat_map(char::to_lowercase).map(bare).collect()
}

/// Whether any of the texts begins so, whatever the case and the accents.
pub(crate) fn begins(texts: &[&str], with: &str) -> bool {
    texts.iter().any(|text| folded(text).starts_with(&folded(with)))
}

/// A span of time in nanoseconds, the end not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) lo: i128,
    pub(crate) hi: i128,
}

/// What a date, dateTime or instant covers; without an offset it is meant at +08:00, as the record is set.
pub(crate) fn span(text: &str) -> Span {
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    let numbers: Vec<i16> = day.split('-').map(|part| part.parse().expect("a date is made of numbers")).collect();
    let small = |number: i16| i8::try_from(number).expect("a month or day is small");
    let first = |year, month| date(year, small(month), 1);
    let Some(time) = time else {
        let (from, to): (Date, Date) = match *numbers {
            [year] => (first(year, 1), first(year + 1, 1)),
            [year, 12] => (first(year, 12), first(year + 1, 1)),
            [year, month] => (first(year, month), first(year, month + 1)),
            [year, month, day] => {
                let whole = date(year, small(month), small(day));
                (whole, whole.tomorrow().expect("a day has a tomorrow"))
            }
            _ => panic!("{text} is no date"),
        };
        let midnight = |day: Date| nanoseconds(day, 0, 8 * 3_600);
        return Span { lo: midnight(from), hi: midnight(to) };
    };
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], offset(&time[at..])),
        None => (time, 8 * 3_600),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<i128> = clock.split(':').map(|part| part.parse().expect("a time is made of numbers")).collect();
    let unit = 10_i128.pow(9 - u32::try_from(fraction.len()).expect("a fraction is short"));
    let (seconds, length) = match *parts {
        [hour, minute] => (hour * 3_600 + minute * 60, 60 * 1_000_000_000),
        [hour, minute, second] => (hour * 3_600 + minute * 60 + second, unit),
        _ => panic!("{text} is no time"),
    };
    let fraction = fraction.parse::<i128>().unwrap_or(0) * if fraction.is_empty() { 0 } else { unit };
    let day = date(numbers[0], small(numbers[1]), small(numbers[2]));
    let lo = nanoseconds(day, seconds * 1_000_000_000 + fraction, offset);
    Span { lo, hi: lo + length }
}

fn offset(text: &str) -> i128 {
    if text == "Z" {
        return 0;
    }
    let (hours, minutes) = text[1..].split_once(':').expect("an offset has hours and minutes");
    let number = |text: &str| text.parse::<i128>().expect("an offset is made of numbers");
    let size = number(hours) * 3_600 + number(minutes) * 60;
    if text.starts_with('-') { -size } else { size }
}

fn nanoseconds(day: Date, since_midnight: i128, offset: i128) -> i128 {
    let days = i128::from(date(1970, 1, 1).until(day).expect("both are dates").get_days());
    (days * 86_400 - offset) * 1_000_000_000 + since_midnight
}

/// The spans of the dates and Periods at some paths.
pub(crate) fn spans(resource: &Value, paths: &[&str]) -> Vec<Span> {
    let values = paths.iter().flat_map(|path| at(resource, path));
    let read = |value: &Value| match value {
        Value::String(text) => Some(span(text)),
        Value::Object(period) => {
            let end = |name: &str| period.get(name).and_then(Value::as_str).map(span);
            Some(Span {
                lo: end("start").map_or(i128::MIN, |start| start.lo),
                hi: end("end").map_or(i128::MAX, |end| end.hi),
            })
        }
        _ => None,
    };
    values.filter_map(read).collect()
}

/// Whether a span relates to the searched one as a prefix asks. <http://hl7.org/fhir/R4/search.html#prefix>
pub(crate) fn relates(own: Span, prefix: &str, searched: Span) -> bool {
    let inside = searched.lo <= own.lo && own.hi <= searched.hi;
    match prefix {
        "eq" => inside,
        "ne" => !inside,
        "gt" => own.hi > searched.hi,
        "lt" => own.lo < searched.lo,
        "ge" => own.hi > searched.hi || inside,
        "le" => own.lo < searched.lo || inside,
        "sa" => own.lo >= searched.hi,
        "eb" => own.hi <= searched.lo,
        _ => panic!("{prefix} is no prefix"),
    }
}

/// Whether any of the dates at some paths relates so.
pub(crate) fn timed(resource: &Value, paths: &[&str], prefix: &str, searched: &str) -> bool {
    spans(resource, paths).into_iter().any(|own| relates(own, prefix, span(searched)))
}

/// A number as it is written.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_number()?.to_string().parse().ok()
}

/// Whether a quantity relates so to a number written as here, and is in the unit if one is asked for.
pub(crate) fn measures(quantity: &Value, prefix: &str, searched: &str, unit: Option<&str>) -> bool {
    let Some(own) = number(&quantity["value"]) else { return false };
    let of_unit = unit.is_none_or(|unit| quantity["code"] == unit || quantity["unit"] == unit);
    of_unit && compares(own, prefix, searched)
}

/// Whether a number relates so to one written as here; equal means equal to as many digits.
pub(crate) fn compares(own: f64, prefix: &str, searched: &str) -> bool {
    let value: f64 = searched.parse().expect("a number is searched for");
    let digits = searched.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let half = 0.5 * 10_f64.powi(-i32::try_from(digits).expect("few digits"));
    match prefix {
        "eq" => value - half <= own && own < value + half,
        "ne" => !(value - half <= own && own < value + half),
        "gt" => own > value,
        "lt" => own < value,
        "ge" => own >= value,
        "le" => own <= value,
        _ => panic!("{prefix} is no prefix of a number here"),
    }
}
