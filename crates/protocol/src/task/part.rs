//! Parts of a resource that FHIR has no element for: extensions with parts of their own, written and read back.

use fhir::{Error, Value, time};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value as Json, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::definition::Words;
use crate::run::{Party, Reason};

/// Where the platform's own extensions are defined.
pub(crate) const EXTENSION: &str = "https://qingshan.dev/fhir/StructureDefinition/run-";

/// A `dateTime` that keeps every microsecond.
pub(crate) fn date_time(at: i64) -> String {
    Timestamp::from_microsecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX }).to_string()
}

/// The microsecond of a `dateTime`.
pub(crate) fn micros(text: &str) -> Option<i64> {
    time::parse(text, Offset::UTC).map(|span| span.lo)
}

pub(crate) fn reference(reference: &str) -> Json {
    json!({ "reference": reference })
}

pub(crate) fn party(party: &Party) -> Json {
    match &party.display {
        Some(display) => json!({ "reference": party.reference, "display": display }),
        None => reference(&party.reference),
    }
}

/// An extension being written. A part that is not there is left out.
#[derive(Default)]
pub(super) struct Part(Vec<Json>);

impl Part {
    fn put(mut self, name: &str, type_: &str, value: Json) -> Self {
        self.0.push(json!({ "url": name, type_: value }));
        self
    }

    pub(super) fn code(self, name: &str, code: &str) -> Self {
        self.put(name, "valueCode", code.into())
    }

    /// A text; an empty one says nothing and cannot be written in FHIR.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.put(name, "valueString", text.into()) }
    }

    /// Words, the English ones beside the Chinese.
    pub(super) fn words(mut self, name: &str, words: &Words) -> Self {
        let mut part = json!({ "url": name, "valueString": words.zh });
        if !words.en.is_empty() {
            part["_valueString"] = record::tree::translation(&words.en);
        }
        self.0.push(part);
        self
    }

    pub(super) fn some_text(self, name: &str, text: Option<&str>) -> Self {
        text.into_iter().fold(self, |part, text| part.text(name, text))
    }

    pub(super) fn number(self, name: &str, number: u32) -> Self {
        self.put(name, "valueInteger", number.into())
    }

    pub(super) fn flag(self, name: &str, flag: bool) -> Self {
        self.put(name, "valueBoolean", flag.into())
    }

    pub(super) fn time(self, name: &str, at: i64) -> Self {
        self.put(name, "valueDateTime", date_time(at).into())
    }

    pub(super) fn some_time(self, name: &str, at: Option<i64>) -> Self {
        at.into_iter().fold(self, |part, at| part.time(name, at))
    }

    pub(super) fn length(self, name: &str, micros: i64) -> Self {
        let value = json!({ "value": micros, "unit": "µs", "system": "http://unitsofmeasure.org", "code": "us" });
        self.put(name, "valueDuration", value)
    }

    pub(super) fn party(self, name: &str, to: &Party) -> Self {
        self.put(name, "valueReference", party(to))
    }

    pub(super) fn some_party(self, name: &str, to: Option<&Party>) -> Self {
        to.into_iter().fold(self, |part, to| part.party(name, to))
    }

    pub(super) fn some_reason(self, reason: Option<&Reason>) -> Self {
        let Some(reason) = reason else { return self };
        self.text("reason", &reason.code).some_text("reasonText", reason.text.as_deref())
    }

    pub(super) fn part(mut self, name: &str, part: Part) -> Self {
        self.0.push(json!({ "url": name, "extension": part.0 }));
        self
    }

    /// The whole, as an extension of ours.
    pub(super) fn extension(self, name: &str) -> Json {
        json!({ "url": format!("{EXTENSION}{name}"), "extension": self.0 })
    }

    /// The parts themselves, to stand beside other elements.
    pub(super) fn parts(self) -> Vec<Json> {
        self.0.into_iter().map(owned).collect()
    }
}

/// A part that stands directly in an element is an extension of ours, and has the name of one.
fn owned(mut part: Json) -> Json {
    let name = part.get("url").and_then(|url| url.as_str()).map(|url| format!("{EXTENSION}{url}"));
    if let Some(name) = name {
        part["url"] = name.into();
    }
    part
}

/// The extensions of an element, being read.
#[derive(Clone, Copy)]
pub(super) struct Parts<'v> {
    list: &'v [Value],
    prefix: &'static str,
}

fn list(value: &Value) -> &[Value] {
    let list = value.get("extension").and_then(|list| list.as_array());
    list.map(|list| list.as_slice()).unwrap_or_default()
}

fn missing(name: &str) -> Error {
    Error::fault(format!("a Task of a run lacks {name}"))
}

impl<'v> Parts<'v> {
    /// Those of ours that stand directly in an element.
    pub(super) fn of(element: &'v Value) -> Self {
        Self { list: list(element), prefix: EXTENSION }
    }

    fn all(self, name: &'v str) -> impl Iterator<Item = &'v Value> {
        self.list.iter().filter(move |one| {
            let url = one.get("url").and_then(|url| url.as_str()).unwrap_or_default();
            url.strip_prefix(self.prefix) == Some(name)
        })
    }

    fn value(self, name: &'v str, type_: &str) -> Option<&'v Value> {
        self.all(name).find_map(|one| one.get(type_))
    }

    /// The extensions of that name, each with its parts.
    pub(super) fn each(self, name: &'v str) -> impl Iterator<Item = Parts<'v>> {
        self.all(name).map(|one| Parts { list: list(one), prefix: "" })
    }

    pub(super) fn some_text(self, name: &'v str) -> Option<String> {
        let text = self.value(name, "valueString").or_else(|| self.value(name, "valueCode"))?;
        text.as_str().map(str::to_owned)
    }

    pub(super) fn text(self, name: &'v str) -> Result<String, Error> {
        self.some_text(name).ok_or_else(|| missing(name))
    }

    pub(super) fn number(self, name: &'v str) -> Result<u32, Error> {
        let number = self.value(name, "valueInteger").and_then(|number| number.as_u64());
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| missing(name))
    }

    pub(super) fn numbers(self, name: &'v str) -> Vec<u32> {
        let numbers = self.all(name).filter_map(|one| one.get("valueInteger")?.as_u64());
        numbers.filter_map(|number| u32::try_from(number).ok()).collect()
    }

    pub(super) fn flag(self, name: &'v str) -> bool {
        self.value(name, "valueBoolean").and_then(|flag| flag.as_bool()).unwrap_or_default()
    }

    pub(super) fn some_time(self, name: &'v str) -> Option<i64> {
        micros(self.value(name, "valueDateTime")?.as_str()?)
    }

    pub(super) fn time(self, name: &'v str) -> Result<i64, Error> {
        self.some_time(name).ok_or_else(|| missing(name))
    }

    pub(super) fn length(self, name: &'v str) -> i64 {
        let value = self.value(name, "valueDuration").and_then(|length| length.get("value"));
        value.and_then(|value| value.as_i64()).unwrap_or_default()
    }

    pub(super) fn some_party(self, name: &'v str) -> Option<Party> {
        party_of(self.value(name, "valueReference")?)
    }

    pub(super) fn some_reason(self) -> Option<Reason> {
        let (code, text) = (self.some_text("reason"), self.some_text("reasonText"));
        (code.is_some() || text.is_some()).then(|| Reason { code: code.unwrap_or_default(), text })
    }
}

/// Who a Reference names.
pub(crate) fn party_of(value: &Value) -> Option<Party> {
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    Some(Party { reference: text("reference")?, display: text("display") })
}
