//! Text to tokens.
//!
//! <http://hl7.org/fhirpath/N1/#lexical-elements>

use std::sync::Arc;

use rust_decimal::Decimal;

use super::temporal::{Date, DateTime, Time};
use super::{invalid_at, item::Item};
use crate::Error;

/// One token and the byte offset it begins at.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) offset: usize,
}

/// The kinds of token.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word(Arc<str>),
    /// A name between back-ticks, which is never a keyword.
    Delimited(Arc<str>),
    /// `%name`
    Variable(Arc<str>),
    /// `$this`, `$index`, `$total`
    Special(&'static str),
    /// A string, number, date or time.
    Literal(Item<'static>),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// The longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 22] =
    ["<=", ">=", "!=", "!~", ".", "[", "]", "(", ")", "{", "}", ",", "*", "/", "+", "-", "&", "|", "<", ">", "=", "~"];

/// All tokens of `text`, the last being [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let offset = lexer.at;
        let kind = lexer.next()?;
        let end = matches!(kind, Kind::End);
        tokens.push(Token { kind, offset });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_blank(&mut self) -> Result<(), Error> {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace());
            if self.rest().starts_with("//") {
                self.take_while(|byte| byte != b'\n' && byte != b'\r');
            } else if self.rest().starts_with("/*") {
                let start = self.at;
                match self.rest().find("*/") {
                    Some(length) => self.at += length + 2,
                    None => return Err(invalid_at(start, "a comment that is never closed")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        let Some(byte) = self.peek() else { return Ok(Kind::End) };
        match byte {
            b'\'' => {
                let text = self.quoted(b'\'')?;
                Ok(Kind::Literal(Item::String(text.into())))
            }
            b'`' => Ok(Kind::Delimited(self.quoted(b'`')?.into())),
            b'%' => {
                self.at += 1;
                let name = match self.peek() {
                    Some(quote @ (b'`' | b'\'')) => self.quoted(quote)?,
                    _ => self.word().to_owned(),
                };
                if name.is_empty() {
                    return Err(invalid_at(start, "% without a name"));
                }
                Ok(Kind::Variable(name.into()))
            }
            b'$' => {
                self.at += 1;
                match self.word() {
                    "this" => Ok(Kind::Special("this")),
                    "index" => Ok(Kind::Special("index")),
                    "total" => Ok(Kind::Special("total")),
                    _ => Err(invalid_at(start, "only $this, $index and $total begin with $")),
                }
            }
            b'@' => self.temporal(),
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(Kind::Word(self.word().into())),
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Kind::Symbol(symbol))
                }
                None => Err(invalid_at(start, "a character that begins nothing")),
            },
        }
    }

    fn word(&mut self) -> &'t str {
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Text between two `quote`s, its escapes resolved.
    fn quoted(&mut self, quote: u8) -> Result<String, Error> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            if character == char::from(quote) {
                self.at += offset + 1;
                return Ok(text);
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            let Some((_, escaped)) = characters.next() else { break };
            text.push(match escaped {
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = if digits.len() == 4 { u32::from_str_radix(&digits, 16).ok() } else { None };
                    code.and_then(char::from_u32)
                        .ok_or_else(|| invalid_at(self.at + offset, "\\u without the four digits of a character"))?
                }
                // A backslash before any other character is dropped.
                other => other,
            });
        }
        Err(invalid_at(start, "a quotation that is never closed"))
    }

    fn number(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_digit());
        let bytes = self.text.as_bytes();
        // `1.convertsToInteger()` is a call on an integer.
        if bytes.get(self.at) == Some(&b'.') && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
            let value = Decimal::from_str_exact(&self.text[start..self.at])
                .map_err(|_| invalid_at(start, "a decimal with more than 28 digits"))?;
            return Ok(Kind::Literal(Item::Decimal(value)));
        }
        let value = self.text[start..self.at].parse().map_err(|_| invalid_at(start, "an integer beyond 64 bits"))?;
        Ok(Kind::Literal(Item::Integer(value)))
    }

    fn temporal(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some(b'T') {
            let length = clock_length(&self.rest().as_bytes()[1..]) + 1;
            let time = Time::parse(&self.rest()[1..length]).ok_or_else(|| invalid_at(start, "a time that is none"))?;
            self.at += length;
            return Ok(Kind::Literal(Item::Time(time)));
        }
        let bytes = self.rest().as_bytes();
        let mut length = date_length(bytes);
        let has_time = bytes.get(length) == Some(&b'T');
        if has_time {
            length += 1;
            length += clock_length(&bytes[length..]);
            length += zone_length(&bytes[length..]);
        }
        let text = &self.rest()[..length];
        self.at += length;
        let item = if has_time { DateTime::parse(text).map(Item::DateTime) } else { Date::parse(text).map(Item::Date) };
        item.map(Kind::Literal).ok_or_else(|| invalid_at(start, "a date that is none"))
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of `YYYY(-MM(-DD)?)?`.
fn date_length(bytes: &[u8]) -> usize {
    let mut length = digits(bytes);
    for _ in 0..2 {
        if bytes.get(length) == Some(&b'-') && digits(&bytes[length + 1..]) > 0 {
            length += 1 + digits(&bytes[length + 1..]);
        }
    }
    length
}

/// The length of `HH(:MM(:SS(.f+)?)?)?`.
fn clock_length(bytes: &[u8]) -> usize {
    let mut length = digits(bytes);
    for separator in [b':', b':', b'.'] {
        if bytes.get(length) != Some(&separator) || digits(&bytes[length + 1..]) == 0 {
            break;
        }
        length += 1 + digits(&bytes[length + 1..]);
    }
    length
}

/// The length of `Z` or `±HH:MM`.
fn zone_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'Z', ..] => 1,
        [b'+' | b'-', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => 6,
        _ => 0,
    }
}
