//! The values of search parameters. <http://hl7.org/fhir/R4/search.html#ptypes>

use fhir::search::{fold, key};
use fhir::time;
use jiff::tz::Offset;

use super::query::{Relation, System, Test};

/// Cuts a value at every unescaped `separator`. The pieces keep their escapes.
/// <http://hl7.org/fhir/R4/search.html#escaping>
pub(super) fn split(value: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, letter) in value.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == separator {
            pieces.push(&value[start..at]);
            start = at + letter.len_utf8();
        }
    }
    pieces.push(&value[start..]);
    pieces
}

/// Takes the escapes out of a piece.
pub(super) fn plain(piece: &str) -> String {
    let mut text = String::with_capacity(piece.len());
    let mut letters = piece.chars();
    while let Some(letter) = letters.next() {
        // A backslash before any other character, or at the end, stands for itself.
        match letter {
            '\\' => match letters.next() {
                Some(next @ ('\\' | ',' | '|' | '$')) => text.push(next),
                Some(next) => text.extend(['\\', next]),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

/// `code`, `system|code`, `|code` or `system|`. None when there is nothing in it.
pub(super) fn token(piece: &str) -> Option<Test> {
    let parts: Vec<String> = split(piece, '|').into_iter().map(plain).collect();
    let code = |code: &str| (!code.is_empty()).then(|| key(code).to_owned());
    let test = match parts.as_slice() {
        [only] => Test::Token { system: System::Any, code: Some(code(only)?) },
        [system, last] if system.is_empty() => Test::Token { system: System::Absent, code: Some(code(last)?) },
        [system, last] => Test::Token { system: System::Is(system.clone()), code: code(last) },
        _ => return None,
    };
    Some(test)
}

/// Of `system|code`, the two, for tests that need a code.
pub(super) fn coded(piece: &str) -> Option<(Option<String>, String)> {
    match token(piece)? {
        Test::Token { system: System::Is(system), code } => Some((Some(system), code?)),
        Test::Token { code, .. } => Some((None, code?)),
        _ => None,
    }
}

/// `type-system|type-code|value`, as the derived parameter holds it.
pub(super) fn of_type(piece: &str) -> Option<Test> {
    let parts: Vec<String> = split(piece, '|').into_iter().map(plain).collect();
    let [system, code, value] = parts.as_slice() else { return None };
    if code.is_empty() || value.is_empty() {
        return None;
    }
    let system = if system.is_empty() { System::Any } else { System::Is(system.clone()) };
    Some(Test::Token { system, code: Some(fhir::search::of_type_code(code, value)) })
}

/// What a text may be found by: as typed and, of names, as people spell their sound.
pub(super) fn prefixes(piece: &str, of_names: bool) -> Vec<Test> {
    let text = plain(piece);
    let spelled = if of_names { fhir::search::spellings(&text) } else { vec![fold(&text)] };
    spelled.into_iter().filter(|folded| !folded.is_empty()).map(Test::Prefix).collect()
}

/// A date with its prefix. `now` is where "about" is measured from.
pub(super) fn date(piece: &str, zone: Offset, now: i64) -> Option<Test> {
    let (relation, text) = relation(piece);
    // A `+` that a client forgot to encode arrives as a blank.
    let span = time::parse(&plain(text).replace(' ', "+"), zone)?;
    let margin = match relation {
        // A tenth of the time between then and now, as the standard suggests.
        Relation::Near => (now.saturating_sub(span.lo)).unsigned_abs() / 10,
        _ => 0,
    };
    let margin = i64::try_from(margin).unwrap_or(i64::MAX);
    Some(Test::Time { relation, lo: span.lo.saturating_sub(margin), hi: span.hi.saturating_add(margin) })
}

/// A number with its prefix and, when `with_unit`, `|system|code` after it.
pub(super) fn number(piece: &str, with_unit: bool) -> Option<Test> {
    let parts = split(piece, '|');
    let unit = match parts.as_slice() {
        [_] => None,
        [_, system, code] if with_unit && !code.is_empty() => {
            let system = if system.is_empty() { System::Any } else { System::Is(plain(system)) };
            Some((system, key(&plain(code)).to_owned()))
        }
        [_, system, ""] if with_unit && system.is_empty() => None,
        _ => return None,
    };
    let (relation, text) = relation(parts[0]);
    let (value, half) = decimal(text)?;
    let (lo, hi) = match relation {
        Relation::Near => (value - value.abs() / 10.0, value + value.abs() / 10.0),
        _ => (value - half, value + half),
    };
    Some(Test::Number { relation, value, lo, hi, unit })
}

/// A decimal, and half of what its last digit counts. <http://hl7.org/fhir/R4/search.html#number>
fn decimal(text: &str) -> Option<(f64, f64)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || (digits.contains('.') && fraction.is_empty()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let half = 0.5 * 10_f64.powi(exponent.saturating_sub(places).clamp(-400, 400));
    (value.is_finite() && half.is_finite()).then_some((value, half))
}

fn relation(text: &str) -> (Relation, &str) {
    let known = match text.get(..2) {
        Some("eq") => Relation::Equal,
        Some("ne") => Relation::NotEqual,
        Some("gt") => Relation::Greater,
        Some("lt") => Relation::Less,
        Some("ge") => Relation::GreaterOrEqual,
        Some("le") => Relation::LessOrEqual,
        Some("sa") => Relation::StartsAfter,
        Some("eb") => Relation::EndsBefore,
        Some("ap") => Relation::Near,
        _ => return (Relation::Equal, text),
    };
    (known, &text[2..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_separators_do_not_separate() {
        assert_eq!(split(r"a\,b,c", ','), [r"a\,b", "c"]);
        assert_eq!(plain(r"a\,b\|c\$d\\e\f\"), r"a,b|c$d\e\f\");
        assert_eq!(split("", ','), [""]);
    }

    #[test]
    fn tokens_say_what_they_ask_of_the_system() {
        let read = |text: &str| token(text);
        let test = |system: System, code: Option<&str>| Some(Test::Token { system, code: code.map(str::to_owned) });
        assert_eq!(read("c"), test(System::Any, Some("c")));
        assert_eq!(read("|c"), test(System::Absent, Some("c")));
        assert_eq!(read("s|"), test(System::Is("s".to_owned()), None));
        assert_eq!(read(r"s\|t|c"), test(System::Is("s|t".to_owned()), Some("c")));
        for nothing in ["", "|", "a|b|c"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_number_leaves_open_half_of_its_last_digit() {
        for (text, lo, hi) in
            [("100", 99.5, 100.5), ("100.00", 99.995, 100.005), ("1e2", 50.0, 150.0), ("-5", -5.5, -4.5)]
        {
            let Some(Test::Number { lo: found_lo, hi: found_hi, .. }) = number(text, false) else { panic!("{text}") };
            assert!((found_lo - lo).abs() < 1e-9 && (found_hi - hi).abs() < 1e-9, "{text}: {found_lo} to {found_hi}");
        }
        for text in ["", "x", "1.", ".5", "gt", "1e", "1e999", "--1", "inf", "NaN", "1|2"] {
            assert_eq!(number(text, false), None, "{text}");
        }
    }

    #[test]
    fn a_quantity_may_name_its_unit_with_or_without_system() {
        let unit = |text: &str| match number(text, true) {
            Some(Test::Number { unit, .. }) => unit,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(unit("5.4"), None);
        assert_eq!(unit("gt5.4||mg"), Some((System::Any, "mg".to_owned())));
        assert_eq!(unit("5.4|u|mg"), Some((System::Is("u".to_owned()), "mg".to_owned())));
        assert_eq!(number("5.4|mg", true), None);
    }

    #[test]
    fn dates_take_prefixes_and_forgive_a_lost_plus() {
        let zone = jiff::tz::offset(8);
        let span = |text: &str| match date(text, zone, 0) {
            Some(Test::Time { relation, lo, hi }) => (relation, lo, hi),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(span("2026-01-01T00:00:00 08:00"), span("2026-01-01T00:00:00+08:00"));
        assert_eq!(span("ge2026").0, Relation::GreaterOrEqual);
        assert_eq!(span("sa2026").1, span("2026").1);
        let (_, lo, hi) = span("ap1970-01-11T00:00:00Z");
        assert_eq!((lo, hi), (9 * 86_400_000_000, 11 * 86_400_000_000 + 1_000_000));
        assert_eq!(date("yesterday", zone, 0), None);
    }
}
