//! The lexical forms of the primitive types, checked by hand-written scanners: on the write path of every
//! resource, regular expressions would cost more than all the rest of validation.
//!
//! <http://hl7.org/fhir/R4/datatypes.html#primitive>

use sonic_rs::{JsonType, JsonValueTrait};

use crate::{Value, narrative};

/// The longest string, in bytes. <http://hl7.org/fhir/R4/datatypes.html#string>
const LONGEST: usize = 1024 * 1024;

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Base64Binary,
    Boolean,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Uuid,
    Xhtml,
}

impl Format {
    pub(super) fn of(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "markdown" => Self::Markdown,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" | "url" | "canonical" => Self::Uri,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// What a value of this type looks like, to end the sentence "The value must be …".
    fn wanted(self) -> &'static str {
        match self {
            Self::Base64Binary => "a string in base64",
            Self::Boolean => "true or false, without quotes",
            Self::Code => "a code: a string without leading, trailing or doubled white space",
            Self::Date => "a date that exists: \"YYYY\", \"YYYY-MM\" or \"YYYY-MM-DD\"",
            Self::DateTime => "a date, or a date with time and zone such as \"2026-03-01T08:30:00+08:00\"",
            Self::Decimal => "a number, without quotes",
            Self::Id => "an id: 1 to 64 letters, digits, \"-\" and \".\"",
            Self::Instant => "a date with time, seconds and zone such as \"2026-03-01T08:30:00.000+08:00\"",
            Self::Integer => "a whole number of 32 bits, without quotes",
            Self::Markdown => "a string that is not empty",
            Self::Oid => "an OID such as \"urn:oid:1.2.3\"",
            Self::PositiveInt => "a whole number from 1 to 2147483647, without quotes",
            Self::String => "a string that is not empty, without control characters, of at most one megabyte",
            Self::Time => "a time of day \"hh:mm:ss\"",
            Self::UnsignedInt => "a whole number from 0 to 2147483647, without quotes",
            Self::Uri => "a URI without white space",
            Self::Uuid => "a UUID such as \"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\", in lower case",
            Self::Xhtml => "one XHTML <div> of formatting elements, without scripts, style sheets or forms",
        }
    }

    /// Says what is wrong with a value, as a sentence that never quotes it.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let fits = match value.get_type() {
            JsonType::Boolean => self == Self::Boolean,
            JsonType::Number => self.fits_number(value),
            JsonType::String => value.as_str().is_some_and(|text| self.fits(text)),
            JsonType::Null | JsonType::Object | JsonType::Array => false,
        };
        if fits { Ok(()) } else { Err(format!("The value must be {}.", self.wanted())) }
    }

    fn fits_number(self, value: &Value) -> bool {
        let range = match self {
            Self::Decimal => return true,
            Self::Integer => i64::from(i32::MIN)..=i64::from(i32::MAX),
            Self::UnsignedInt => 0..=i64::from(i32::MAX),
            Self::PositiveInt => 1..=i64::from(i32::MAX),
            _ => return false,
        };
        // The digits as written decide: `1.0` and `1e2` are whole numbers, yet not of these types.
        value
            .as_raw_number()
            .is_some_and(|number| number.as_str().parse::<i64>().is_ok_and(|number| range.contains(&number)))
    }

    fn fits(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => false,
            Self::Base64Binary => is_base64(bytes),
            Self::Code => is_code(text),
            Self::Date => date(bytes).is_some_and(<[u8]>::is_empty),
            Self::DateTime => is_date_time(bytes),
            Self::Id => is_id(text),
            Self::Instant => is_instant(bytes),
            Self::Markdown => !text.is_empty() && bytes.len() <= LONGEST,
            Self::Oid => is_oid(text),
            Self::String => {
                !text.is_empty() && bytes.len() <= LONGEST && !bytes.iter().any(|&byte| byte < b' ' && !is_break(byte))
            }
            Self::Time => time(bytes).is_some_and(<[u8]>::is_empty),
            Self::Uri => is_uri(text),
            Self::Uuid => text.strip_prefix("urn:uuid:").is_some_and(is_uuid),
            Self::Xhtml => narrative::is_safe(text),
        }
    }
}

/// Whether text may be a resource's id. <http://hl7.org/fhir/R4/datatypes.html#id>
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// Whether text has no white space and is not empty.
pub(super) fn is_uri(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte <= b' ') && !text.chars().any(char::is_whitespace)
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r')
}

fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for character in text.chars() {
        if character.is_whitespace() {
            if after_space {
                return false;
            }
            after_space = true;
        } else {
            after_space = false;
        }
    }
    !after_space
}

fn is_base64(bytes: &[u8]) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for &byte in bytes {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding).is_multiple_of(4)
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = arcs.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && arcs.clone().next().is_some()
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Two digits below `limit`, and what follows them.
fn pair(bytes: &[u8], limit: u8) -> Option<(u8, &[u8])> {
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = bytes else { return None };
    let number = (tens - b'0') * 10 + (ones - b'0');
    (number < limit).then_some((number, rest))
}

/// What follows a year, month or day.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (century, rest) = pair(bytes, 100)?;
    let (in_century, rest) = pair(rest, 100)?;
    let year = u16::from(century) * 100 + u16::from(in_century);
    if year == 0 {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (month, rest) = pair(rest, 13).filter(|(month, _)| *month > 0)?;
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let (_, rest) = pair(rest, days + 1).filter(|(day, _)| *day > 0)?;
    Some(rest)
}

/// What follows hours, minutes and seconds. A leap second is a second.
fn time(bytes: &[u8]) -> Option<&[u8]> {
    let (_, rest) = pair(bytes, 24)?;
    let (_, rest) = pair(rest.strip_prefix(b":")?, 60)?;
    let (_, rest) = pair(rest.strip_prefix(b":")?, 61)?;
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &fraction[digits..])
}

fn is_zone(bytes: &[u8]) -> bool {
    let [sign, offset @ ..] = bytes else { return false };
    if !matches!(sign, b'+' | b'-') {
        return bytes == b"Z";
    }
    let Some((hours, rest)) = pair(offset, 15) else { return false };
    let minutes = rest.strip_prefix(b":").and_then(|rest| pair(rest, 60));
    minutes.is_some_and(|(minutes, rest)| rest.is_empty() && (hours < 14 || minutes == 0))
}

fn is_date_time(bytes: &[u8]) -> bool {
    is_instant(bytes) || date(bytes).is_some_and(<[u8]>::is_empty)
}

fn is_instant(bytes: &[u8]) -> bool {
    // A date is whole only when ten characters were read before the `T`.
    bytes.get(10) == Some(&b'T')
        && date(&bytes[..10]).is_some_and(<[u8]>::is_empty)
        && time(&bytes[11..]).is_some_and(is_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(type_name: &str, good: &[&str], bad: &[&str]) {
        let format = Format::of(type_name).expect("the type is primitive");
        for (texts, fits) in [(good, true), (bad, false)] {
            for text in texts {
                let value = crate::json::parse(text.as_bytes()).expect("the case is JSON");
                assert_eq!(format.check(&value).is_ok(), fits, "{type_name} {text}");
            }
        }
    }

    #[test]
    fn dates_must_exist() {
        check(
            "date",
            &[r#""2024-02-29""#, r#""2000-02-29""#, r#""2026""#, r#""2026-12""#],
            &[
                r#""2023-02-29""#,
                r#""1900-02-29""#,
                r#""2026-13""#,
                r#""2026-04-31""#,
                r#""2026-1-1""#,
                r#""0000""#,
                "2026",
            ],
        );
    }

    #[test]
    fn a_time_of_day_needs_seconds_and_in_a_date_time_a_zone() {
        check(
            "time",
            &[r#""23:59:60""#, r#""08:00:00.5""#],
            &[r#""08:00""#, r#""24:00:00""#, r#""08:00:00.""#, r#""08:00:00Z""#],
        );
        check(
            "dateTime",
            &[r#""2026-03""#, r#""2026-03-01T08:30:00+08:00""#, r#""2026-03-01T08:30:00.123456Z""#],
            &[
                r#""2026-03-01T08:30:00""#,
                r#""2026-03-01T08:30Z""#,
                r#""2026-03T08:30:00Z""#,
                r#""2026-03-01T08:30:00+15:00""#,
            ],
        );
        check("instant", &[r#""2026-03-01T08:30:00-14:00""#], &[r#""2026-03-01""#, r#""2026-03-01T08:30:00-14:01""#]);
    }

    #[test]
    fn whole_numbers_are_judged_by_their_digits() {
        check("integer", &["-2147483648", "0", "2147483647"], &["2147483648", "1.0", "1e2", r#""1""#, "true"]);
        check("positiveInt", &["1"], &["0", "-1"]);
        check("unsignedInt", &["0"], &["-1", "4294967296"]);
        check("decimal", &["1.10", "-0.5", "1E+3", "0"], &[r#""1.1""#]);
    }

    #[test]
    fn text_has_the_form_of_its_type() {
        check("string", &[r#""a\tb""#, r#"" ""#], &[r#""""#, r#""a\u0007""#, "1"]);
        check("code", &[r#""a b""#], &[r#"" a""#, r#""a ""#, r#""a  b""#, r#""""#]);
        check("id", &[r#""A-1.b""#], &[r#""a_b""#, r#""""#, r#""甲""#]);
        check("uri", &[r#""urn:x:y""#, r##""#p1""##], &[r#""a b""#, r#""""#]);
        check(
            "oid",
            &[r#""urn:oid:1.2.0""#],
            &[r#""urn:oid:3.1""#, r#""urn:oid:1.02""#, r#""1.2.3""#, r#""urn:oid:1""#],
        );
        check(
            "uuid",
            &[r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#],
            &[r#""urn:uuid:C757873D-EC9A-4326-A141-556F43239520""#],
        );
        check("base64Binary", &[r#""QUJD""#, r#""QUI=\n""#], &[r#""QUJ""#, r#""Q=JD""#, r#""QU-D""#, r#""""#]);
    }
}
