//! Functions on text.
//!
//! <http://hl7.org/fhirpath/N1/#string-manipulation>

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::{Regex, RegexBuilder};

use super::evaluator::{Evaluator, Outcome, Scope, one, truth};
use super::function::Function;
use super::item::{Item, Items, Text};
use super::syntax::Call;
use crate::Error;

/// The bytes of text one step pays for.
pub(super) const BYTES_PER_STEP: usize = 64;

/// The memory one regular expression may take once compiled.
const PATTERN_SIZE: usize = 1 << 20;

/// Compiles a pattern. A dot matches line ends too; `full` makes it match the whole text or nothing.
pub(super) fn pattern(text: &str, full: bool) -> Result<Regex, Error> {
    let anchored = if full { format!("^(?:{text})$") } else { String::new() };
    RegexBuilder::new(if full { &anchored } else { text })
        .dot_matches_new_line(true)
        .size_limit(PATTERN_SIZE)
        .build()
        .map_err(|error| Error::invalid("a regular expression that cannot be read").caused_by(error))
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn on_text(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use Function as F;
        if call.function == F::Join {
            return self.join(call, &input, scope);
        }
        let Some(text) = self.text(&input)? else { return Ok(Items::new()) };
        self.charge(text.len() / BYTES_PER_STEP)?;
        let integer = |value: usize| Ok(one(Item::Integer(value as i64)));
        match call.function {
            F::Upper => return self.text_item(text.to_uppercase()),
            F::Lower => return self.text_item(text.to_lowercase()),
            F::Trim => return self.text_item(text.trim().to_owned()),
            F::Length => return integer(text.chars().count()),
            F::ToChars => {
                self.charge(text.len())?;
                return Ok(text.chars().map(|character| Item::String(character.to_string().into())).collect());
            }
            F::Substring => return self.substring(call, &text, scope),
            F::Matches | F::MatchesFull | F::ReplaceMatches => return self.matches(call, &text, scope),
            _ => {}
        }
        let argument = match call.arguments.first() {
            Some(argument) => self.eval(argument, scope)?,
            None => Items::new(),
        };
        let Some(argument) = self.text(&argument)? else { return Ok(Items::new()) };
        match call.function {
            F::IndexOf | F::LastIndexOf => {
                let found = match call.function {
                    F::IndexOf => text.find(&*argument),
                    _ => text.rfind(&*argument),
                };
                match found {
                    Some(at) => integer(text[..at].chars().count()),
                    None => Ok(one(Item::Integer(-1))),
                }
            }
            F::StartsWith => Ok(truth(text.starts_with(&*argument))),
            F::EndsWith => Ok(truth(text.ends_with(&*argument))),
            F::Contains => Ok(truth(text.contains(&*argument))),
            F::Split => {
                let parts = text.split(&*argument).map(|part| Item::String(part.to_owned().into()));
                let parts: Items<'a> = parts.collect();
                self.charge(parts.len())?;
                Ok(parts)
            }
            F::Replace => {
                let with = self.eval(&call.arguments[1], scope)?;
                let Some(with) = self.text(&with)? else { return Ok(Items::new()) };
                self.charge_growth(&text, &with)?;
                self.text_item(text.replace(&*argument, &with))
            }
            F::Encode => match encode(&text, &argument) {
                Some(encoded) => self.text_item(encoded),
                None => Err(unknown_format(&argument)),
            },
            F::Decode => match decode(&text, &argument) {
                Some(decoded) => Ok(decoded.map(|text| Item::String(text.into())).into_iter().collect()),
                None => Err(unknown_format(&argument)),
            },
            F::Escape => match escape(&text, &argument) {
                Some(escaped) => self.text_item(escaped),
                None => Err(unknown_format(&argument)),
            },
            F::Unescape => match unescape(&text, &argument) {
                Some(unescaped) => self.text_item(unescaped),
                None => Err(unknown_format(&argument)),
            },
            function => Err(Error::unsupported(format!("{}() is not available here.", function.name()))),
        }
    }

    /// Pays in advance for the longest text a replacement can give.
    fn charge_growth(&mut self, text: &str, with: &str) -> Result<(), Error> {
        self.charge((text.len() + 1).saturating_mul(with.len() + 1) / BYTES_PER_STEP)
    }

    fn substring(&mut self, call: &Call, text: &str, scope: &Scope<'a>) -> Outcome<'a> {
        let start = self.eval(&call.arguments[0], scope)?;
        let Some(start) = self.integer(&start)? else { return Ok(Items::new()) };
        let length = match call.arguments.get(1) {
            Some(length) => {
                let length = self.eval(length, scope)?;
                self.integer(&length)?
            }
            None => None,
        };
        let Ok(start) = usize::try_from(start) else { return Ok(Items::new()) };
        if start >= text.chars().count() {
            return Ok(Items::new());
        }
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        self.text_item(text.chars().skip(start).take(length).collect())
    }

    fn matches(&mut self, call: &Call, text: &str, scope: &Scope<'a>) -> Outcome<'a> {
        let compiled;
        let regex = match &call.pattern {
            Some(regex) => regex,
            None => {
                let argument = self.eval(&call.arguments[0], scope)?;
                let Some(argument) = self.text(&argument)? else { return Ok(Items::new()) };
                // Compiling costs far more than matching.
                self.charge(1_000 + argument.len())?;
                compiled = pattern(&argument, call.function == Function::MatchesFull)?;
                &compiled
            }
        };
        if call.function != Function::ReplaceMatches {
            return Ok(truth(regex.is_match(text)));
        }
        let with = self.eval(&call.arguments[1], scope)?;
        let Some(with) = self.text(&with)? else { return Ok(Items::new()) };
        // An empty pattern finds nothing to replace.
        if regex.as_str().is_empty() {
            return self.text_item(text.to_owned());
        }
        self.charge_growth(text, &with)?;
        self.text_item(regex.replace_all(text, &*with).into_owned())
    }

    fn join(&mut self, call: &Call, input: &[Item<'a>], scope: &Scope<'a>) -> Outcome<'a> {
        let separator = match call.arguments.first() {
            Some(separator) => {
                let separator = self.eval(separator, scope)?;
                self.text(&separator)?
            }
            None => None,
        };
        if input.is_empty() {
            return Ok(Items::new());
        }
        let separator = separator.unwrap_or(Text::Borrowed(""));
        let mut joined = String::new();
        for (position, item) in input.iter().enumerate() {
            let Some(text) = self.text(std::slice::from_ref(item))? else { continue };
            self.charge((text.len() + separator.len()) / BYTES_PER_STEP)?;
            if position > 0 {
                joined.push_str(&separator);
            }
            joined.push_str(&text);
        }
        self.text_item(joined)
    }
}

fn unknown_format(name: &str) -> Error {
    Error::invalid(format!("FHIRPath knows no text format '{}'.", name.chars().take(20).collect::<String>()))
}

fn encode(text: &str, format: &str) -> Option<String> {
    Some(match format {
        "hex" => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        "base64" => STANDARD.encode(text),
        "urlbase64" => URL_SAFE.encode(text),
        _ => return None,
    })
}

/// None for an unknown format; `Some(None)` for text that is not in that format.
fn decode(text: &str, format: &str) -> Option<Option<String>> {
    let bytes = match format {
        "hex" => {
            let digit = |at: usize| char::from(text.as_bytes()[at]).to_digit(16);
            let pairs = (0..text.len() / 2).map(|at| Some((digit(2 * at)? * 16 + digit(2 * at + 1)?) as u8));
            if text.len().is_multiple_of(2) { pairs.collect() } else { None }
        }
        "base64" => STANDARD.decode(text).ok(),
        "urlbase64" => URL_SAFE.decode(text).ok(),
        _ => return None,
    };
    Some(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

const HTML: [(char, &str); 5] = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];

fn escape(text: &str, format: &str) -> Option<String> {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match (format, character) {
            ("html", _) => match HTML.iter().find(|(plain, _)| *plain == character) {
                Some((_, entity)) => escaped.push_str(entity),
                None => escaped.push(character),
            },
            ("json", '"' | '\\') => escaped.extend(['\\', character]),
            ("json", '\n') => escaped.push_str("\\n"),
            ("json", '\r') => escaped.push_str("\\r"),
            ("json", '\t') => escaped.push_str("\\t"),
            ("json", control) if control < ' ' => escaped.push_str(&format!("\\u{:04x}", u32::from(control))),
            ("json", _) => escaped.push(character),
            _ => return None,
        }
    }
    matches!(format, "html" | "json").then_some(escaped)
}

fn unescape(text: &str, format: &str) -> Option<String> {
    match format {
        "html" => {
            let mut plain = String::with_capacity(text.len());
            let mut rest = text;
            while let Some(at) = rest.find('&') {
                plain.push_str(&rest[..at]);
                rest = &rest[at..];
                let (character, length) = HTML
                    .iter()
                    .find(|(_, entity)| rest.starts_with(entity))
                    .map_or(('&', 1), |(character, entity)| (*character, entity.len()));
                plain.push(character);
                rest = &rest[length..];
            }
            plain.push_str(rest);
            Some(plain)
        }
        "json" => Some(sonic_rs::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())),
        _ => None,
    }
}
