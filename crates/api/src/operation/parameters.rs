//! What an operation is given and gives back: a Parameters resource, or the query of a GET.
//! <http://hl7.org/fhir/R4/parameters.html>

use fhir::{Category, Error, IssueCode, Value, time};
use jiff::tz::Offset;
use record::Key;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::answer::Answer;
use crate::ask::{Ask, Content, Query, type_of};
use crate::json;
use crate::outcome::Failure;

/// The parameters of a call.
pub(crate) struct Parameters {
    query: Query,
    body: Option<Value>,
}

impl Parameters {
    /// Takes them out of a request. A resource that is not a Parameters stands for the parameter `resource`.
    pub(crate) fn of(ask: &mut Ask) -> Result<Self, Failure> {
        let body = match ask.content {
            Content::None => None,
            _ => Some(ask.any_resource()?),
        };
        Ok(Self { query: std::mem::take(&mut ask.query), body })
    }

    fn part(&self, name: &str) -> Option<&Value> {
        let body = self.body.as_ref().filter(|body| type_of(body) == Some("Parameters"))?;
        let list = body.get("parameter")?.as_array()?;
        list.iter().find(|part| part.get("name").and_then(|name| name.as_str()) == Some(name))
    }

    /// The parts of every parameter of a name, as text by the name of each.
    pub(crate) fn lists(&self, name: &str) -> Vec<Vec<(String, String)>> {
        let body = self.body.as_ref().filter(|body| type_of(body) == Some("Parameters"));
        let all = body.and_then(|body| body.get("parameter")?.as_array()).into_iter().flatten();
        let named = all.filter(|one| one.get("name").and_then(|text| text.as_str()) == Some(name));
        named
            .map(|one| {
                let parts = one.get("part").and_then(|parts| parts.as_array()).into_iter().flatten();
                let written = |part: &Value| {
                    let (_, value) = part.as_object()?.iter().find(|(member, _)| member.starts_with("value"))?;
                    let text = match value.as_str() {
                        Some(text) => text.to_owned(),
                        None => String::from_utf8_lossy(&fhir::json::to_bytes(value)).into_owned(),
                    };
                    Some((part.get("name")?.as_str()?.to_owned(), text))
                };
                parts.filter_map(written).collect()
            })
            .collect()
    }

    /// The `value[x]` of a parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let part = self.part(name)?.as_object()?;
        part.iter().find(|(member, _)| member.starts_with("value")).map(|(_, value)| value)
    }

    /// A parameter that is a resource, or the body itself when it is one.
    pub(crate) fn resource(&self, name: &str) -> Option<&Value> {
        match self.body.as_ref() {
            Some(body) if type_of(body) != Some("Parameters") => Some(body),
            _ => self.part(name)?.get("resource"),
        }
    }

    /// A parameter as text: from the query, or a primitive.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        if let Some(text) = self.query.get(name) {
            return Some(text.to_owned());
        }
        let value = self.value(name)?;
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None if value.is_object() || value.is_array() => None,
            None => Some(String::from_utf8_lossy(&fhir::json::to_bytes(value)).into_owned()),
        }
    }

    /// A parameter that must be there, as text.
    pub(crate) fn required(&self, name: &str) -> Result<String, Error> {
        self.text(name).ok_or_else(|| needed(name))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Error> {
        self.text(name).map(|text| text.parse().map_err(|_| malformed(name, "a whole number"))).transpose()
    }

    /// What a parameter refers to, of one of these types: a Reference, or its text in a query.
    pub(crate) fn reference(&self, name: &str, types: &[&str]) -> Result<Option<String>, Error> {
        let value = self.value(name).and_then(|value| value.get("reference"));
        let given = value.and_then(|text| text.as_str()).map(str::to_owned).or_else(|| self.text(name));
        let Some(given) = given else { return Ok(None) };
        if Key::of(&given).is_some_and(|key| types.contains(&key.type_.name())) {
            return Ok(Some(given));
        }
        let such: Vec<String> = types.iter().map(|type_| format!("{type_}/7")).collect();
        Err(malformed(name, &format!("a reference such as {}", such.join(" or "))))
    }

    /// A moment, in microseconds since 1970. What is written without a zone is meant in the one given.
    pub(crate) fn moment(&self, name: &str, zone: Offset) -> Result<Option<i64>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let read = time::parse(&text, zone).map(|span| span.lo);
        read.map(Some).ok_or_else(|| malformed(name, "a date or a time such as 2026-05-04T08:00:00+08:00"))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.text(name).map(|text| text.parse().map_err(|_| malformed(name, "true or false"))).transpose()
    }
}

/// A parameter is not there and has to be.
pub(crate) fn needed(name: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Required, format!("The parameter “{name}” is needed."))
}

/// A parameter is not what it has to be.
pub(crate) fn malformed(name: &str, wanted: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, format!("The parameter “{name}” must be {wanted}."))
}

/// A Parameters resource being written.
pub(crate) struct Writer {
    out: Vec<u8>,
    first: bool,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { out: br#"{"resourceType":"Parameters","parameter":["#.to_vec(), first: true }
    }

    fn begin(&mut self, name: &str) {
        self.out.extend_from_slice(if self.first { br#"{"name":"# } else { br#",{"name":"# });
        self.first = false;
        json::string(&mut self.out, name);
    }

    /// Adds a parameter whose value is written already; `member` is its name, such as `valueMeta`.
    pub(crate) fn raw(&mut self, name: &str, member: &str, value: &[u8]) {
        self.begin(name);
        self.out.extend_from_slice(format!(",\"{member}\":").as_bytes());
        self.out.extend_from_slice(value);
        self.out.push(b'}');
    }

    /// Adds text, of the type `member` names, such as `valueString`.
    pub(crate) fn text(&mut self, name: &str, member: &str, value: &str) {
        self.begin(name);
        json::member(&mut self.out, member, value);
        self.out.push(b'}');
    }

    /// Adds yes or no.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, "valueBoolean", if value { b"true" } else { b"false" });
    }

    /// Adds a parameter that consists of others.
    pub(crate) fn parts(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.begin(name);
        self.out.extend_from_slice(br#","part":["#);
        self.first = true;
        write(self);
        self.first = false;
        self.out.extend_from_slice(b"]}");
    }

    /// Ends it.
    pub(crate) fn answer(mut self) -> Answer {
        self.out.extend_from_slice(b"]}");
        Answer::resource(self.out)
    }
}
