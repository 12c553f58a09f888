//! JSON as FHIR needs it: decimals as written, order kept, and no input that can hurt.
//!
//! <http://hl7.org/fhir/R4/json.html>

use rustc_hash::FxHashSet;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::{Category, Error, IssueCode};

/// A JSON tree: members in the order written, numbers with the digits written.
pub type Value = sonic_rs::Value;

/// The deepest nesting accepted. FHIR's own recursion (Questionnaire items, contained parts) stays far below.
pub const MAX_DEPTH: usize = 100;

/// The most values in one document, give or take the empty ones. Bundles of real records have one in 20 to 30 bytes.
pub const MAX_VALUES: usize = 4_000_000;

/// Objects with more members than this are checked for duplicates with a set instead of pairwise.
const PAIRWISE: usize = 16;

/// Reads one JSON document.
///
/// Refuses bytes that are not UTF-8, nesting beyond [`MAX_DEPTH`], more than [`MAX_VALUES`] values, and objects that
/// name a member twice, besides what JSON itself forbids. The error says line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(bytes, error.valid_up_to());
        structure(format!("The body is not UTF-8 at line {line}, column {column}."))
    })?;
    if let Err((excess, offset)) = check_shape(bytes) {
        let (line, column) = position(bytes, offset);
        return Err(match excess {
            Excess::Depth => {
                structure(format!("The JSON is nested deeper than {MAX_DEPTH} levels at line {line}, column {column}."))
            }
            Excess::Values => {
                let text = format!("The JSON holds more than {MAX_VALUES} values; send it in parts.");
                Error::new(Category::TooLarge, IssueCode::TooLong, text)
            }
        });
    }
    let value: Value = sonic_rs::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The parser's message quotes the input after its first line, and the input may hold a patient.
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default();
        let message = message.split(" at line ").next().unwrap_or_default();
        structure(format!("The body is not JSON: {message} (line {line}, column {column})."))
    })?;
    match duplicate(&value) {
        Some(path) => Err(structure("A JSON object names this member twice.".to_owned()).at(path)),
        None => Ok(value),
    }
}

/// Writes a tree without white space.
pub fn to_bytes(value: &Value) -> Vec<u8> {
    sonic_rs::to_vec(value).expect("a parsed tree has only string keys and finite numbers")
}

/// A member that is a string.
pub(crate) fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}

/// The items of a member that is an array, or the empty list.
pub(crate) fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

fn structure(text: String) -> Error {
    Error::new(Category::Invalid, IssueCode::Structure, text)
}

/// Line and column, both from 1, of a byte offset.
fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    (line, before.len() - start + 1)
}

/// The bound that a document is beyond.
enum Excess {
    Depth,
    Values,
}

/// The bound and the offset where it is first exceeded. The parser recurses, and takes many times the memory of a
/// document that is mostly punctuation, so this runs before it.
fn check_shape(bytes: &[u8]) -> Result<(), (Excess, usize)> {
    let (mut depth, mut values, mut in_string, mut at) = (0_usize, 1_usize, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                (depth, values) = (depth + 1, values + 1);
                if depth > MAX_DEPTH {
                    return Err((Excess::Depth, at));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            b',' if !in_string => {
                values += 1;
                if values > MAX_VALUES {
                    return Err((Excess::Values, at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The path of the first member that stands twice in one object.
fn duplicate(value: &Value) -> Option<String> {
    if let Some(object) = value.as_object() {
        let repeated = if object.len() <= PAIRWISE {
            object.iter().enumerate().find_map(|(at, (key, _))| {
                object.iter().take(at).any(|(earlier, _)| earlier == key).then(|| key.to_owned())
            })
        } else {
            let mut seen = FxHashSet::default();
            object.iter().find_map(|(key, _)| (!seen.insert(key)).then(|| key.to_owned()))
        };
        let type_name = value.get("resourceType").and_then(|name| name.as_str());
        if let Some(key) = repeated {
            return Some(match type_name {
                Some(name) => format!("{name}.{key}"),
                None => key,
            });
        }
        return object.iter().find_map(|(key, child)| {
            let inner = duplicate(child)?;
            Some(match type_name {
                Some(name) => format!("{name}.{key}.{inner}"),
                None => format!("{key}.{inner}"),
            })
        });
    }
    value.as_array()?.iter().enumerate().find_map(|(at, item)| Some(format!("[{at}].{}", duplicate(item)?)))
}

/// Whether two trees say the same: the order of members does not matter, nor how a number is written.
pub fn same(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (left.as_object(), right.as_object()) {
        return left.len() == right.len()
            && left.iter().all(|(key, value)| right.get(&key).is_some_and(|other| same(value, other)));
    }
    if let (Some(left), Some(right)) = (left.as_array(), right.as_array()) {
        return left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| same(left, right));
    }
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return left == right;
    }
    if let (Some(left), Some(right)) = (left.as_raw_number(), right.as_raw_number()) {
        return same_number(left.as_str(), right.as_str());
    }
    left.get_type() == right.get_type() && left.as_bool() == right.as_bool()
}

/// Whether two JSON numbers are equal, whatever their size.
fn same_number(left: &str, right: &str) -> bool {
    left == right || number_parts(left) == number_parts(right)
}

/// Sign, significant digits without zeros around them, and the power of ten of the first digit.
fn number_parts(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // An exponent beyond 64 bits is no number anybody means; it equals others of its kind.
    let exponent = exponent.parse().unwrap_or(i64::MAX / 2);
    let negative = mantissa.starts_with('-');
    let (whole, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let first = whole.len() as i64 - (digits.len() - significant.len()) as i64;
    (negative, significant.trim_end_matches('0').to_owned(), first.saturating_add(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text.as_bytes()).expect_err("must be refused").to_string()
    }

    #[test]
    fn decimals_keep_the_digits_written() {
        for text in [r#"{"v":1.10}"#, r#"{"v":1.20E-3}"#, r#"{"v":100000000000000000000.0}"#, r#"{"v":-0.0}"#] {
            assert_eq!(to_bytes(&parse(text.as_bytes()).unwrap()), text.as_bytes());
        }
    }

    #[test]
    fn trees_are_the_same_whatever_the_order_of_members_and_the_digits_of_numbers() {
        let same = |left: &str, right: &str| same(&parse(left.as_bytes()).unwrap(), &parse(right.as_bytes()).unwrap());
        for (left, right) in
            [(r#"{"a":1.0,"b":[true]}"#, r#"{"b":[true],"a":1}"#), ("[1e2,-0]", "[100,0]"), ("[0.00120]", "[12E-4]")]
        {
            assert!(same(left, right), "{left} {right}");
        }
        for (left, right) in
            [("[1]", "[\"1\"]"), ("[1,2]", "[2,1]"), ("[null]", "[false]"), ("[1]", "[-1]"), ("[10]", "[1]")]
        {
            assert!(!same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn a_member_named_twice_is_refused_with_its_path() {
        assert!(refusal(r#"{"resourceType":"Patient","id":"a","id":"b"}"#).starts_with("Patient.id:"));
    }

    #[test]
    fn deep_nesting_is_refused_where_it_begins() {
        let text = "[".repeat(100_000);
        assert!(refusal(&text).contains("line 1, column 101"));
    }

    #[test]
    fn brackets_inside_text_are_not_nesting() {
        let text = format!(r#"{{"v":"{}\""}}"#, "[".repeat(500));
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused_with_their_place() {
        let error = parse(b"{\n\"v\": \"\xff\"}").expect_err("must be refused");
        assert!(error.to_string().contains("line 2, column 7"), "{error}");
    }

    #[test]
    fn the_message_never_quotes_the_input() {
        assert!(!refusal(r#"{"name": "Zhang San" oops}"#).contains("Zhang"));
    }
}
