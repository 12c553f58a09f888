//! Forms: what a person is asked, as text and as a FHIR `Questionnaire`. The names of the fields are the words of the
//! text a form is written in.

mod fill;
mod judge;
mod stored;

use std::fmt;
use std::str::FromStr;

use fhir::{Category, Error, IssueCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::definition::{Code, Words};

pub use fill::fill;
pub use judge::{Beside, Shelf, judge, lists};
pub use stored::{fill_stored, is_kept};

/// What somebody fills in.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Form {
    /// Its name among forms, which is also the name of its file.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Words>,
    /// Where its questions and scores come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// What its expressions may call `%code`, in order.
    #[serde(default, rename = "variable", skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// What is asked, in order.
    #[serde(default, rename = "item", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// A name for the result of an expression.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variable {
    /// The name.
    pub code: Code,
    /// What it stands for, as FHIRPath on the response.
    pub value: Code,
}

/// A question, a heading or a text of a form.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Item {
    /// Its code, unique in the form: the `linkId`.
    pub code: Code,
    /// What is asked.
    #[serde(default)]
    pub title: Words,
    /// What kind of answer it takes.
    pub kind: Kind,
    /// A form without an answer to it is not complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// It takes several answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
    /// It is shown and cannot be typed into.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// It is not shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Of a choice: its codes, a list of the line or the canonical URL of a value set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Code>,
    /// Of a choice: something else may be written instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other: bool,
    /// Of a reference: the types of resources it may point at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<Code>,
    /// Of a number: its unit, in UCUM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of a number: the least that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// Of a number: the most that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// Of a text: the most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// It is asked only while this holds, as FHIRPath on the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// What stands in it at first, as FHIRPath on `%patient`, `%focus`, `%run` and the data of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Code>,
    /// Its answer follows from others, as FHIRPath on the response. Whoever sends the form may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calculated: Option<Code>,
    /// Its answer is the sum of the scores and numbers of these items, and empty while one of them has no answer. An
    /// answer whose code has no score, such as one for what cannot be tested, does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub total: Vec<Code>,
    /// What must hold once it is answered, such as that somebody agreed before they are sent.
    #[serde(default, rename = "must", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What helps to answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Words>,
    /// Where its limits or its wording come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What is asked within it.
    #[serde(default, rename = "item", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// Something that must hold of a form before it is sent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// What, as FHIRPath on the response. What gives nothing does not hold.
    pub holds: Code,
    /// What whoever fills it in is told where it does not hold.
    pub told: Words,
}

/// What kind of answer an item takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// None; it holds others together.
    Group,
    /// A line.
    #[default]
    String,
    /// Several lines.
    Text,
    /// A decimal number.
    Number,
    /// A whole number.
    Integer,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A date and a time.
    Instant,
    /// One of a list.
    Choice,
    /// Yes or no.
    YesNo,
    /// A resource of the record.
    Reference,
    /// None; it is read.
    Display,
    /// A file or a picture.
    Attachment,
}

/// A number as it is written: digits, at most one point, perhaps a sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, rest) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let are = |part: &str| !part.is_empty() && part.len() <= 15 && part.bytes().all(|byte| byte.is_ascii_digit());
        if are(whole) && rest.is_none_or(are) && (whole == "0" || !whole.starts_with('0')) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Category::Invalid, IssueCode::Value, format!("\"{text}\" is no number; write 2 or 2.5.")))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Float(number) if number.is_finite() => {
                let text = number.to_string();
                text.parse().map_err(|_| D::Error::custom("write a number of at most 15 digits on each side"))
            }
            _ => Err(D::Error::custom("write a number, such as 2 or 2.5")),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<i64>() {
            Ok(number) => serializer.serialize_i64(number),
            Err(_) => serializer.serialize_f64(self.0.parse().unwrap_or_default()),
        }
    }
}

impl Form {
    /// All its items, outer before inner.
    pub fn all(&self) -> Vec<&Item> {
        fn walk<'f>(items: &'f [Item], out: &mut Vec<&'f Item>) {
            for item in items {
                out.push(item);
                walk(&item.items, out);
            }
        }
        let mut all = Vec::new();
        walk(&self.items, &mut all);
        all
    }
}

#[cfg(test)]
mod tests;
