//! Which interaction an address and a verb name. <http://hl7.org/fhir/R4/http.html>
//!
//! The same reading serves HTTP requests and Bundle entries, and it is the only place where the two are told apart
//! into interactions: what a caller may do is decided on its result.

use axum::http::Method;
use fhir::{Category, Error, IssueCode};
use percent_encoding::percent_decode_str;
use record::{HistoryScope, Key, ResourceType};

use crate::ask::shortened;
use crate::operation::{self, Operation};
use crate::outcome::Failure;

/// An interaction with the record.
#[derive(Debug, Clone)]
pub(crate) enum Interaction {
    /// `GET /metadata`
    Capabilities,
    /// `POST /` with a Bundle.
    Bundle,
    /// `GET /Type/id`
    Read(Key),
    /// `GET /Type/id/_history/n`
    Vread(Key, u64),
    /// `POST /Type`
    Create(ResourceType),
    /// `PUT /Type/id`
    Update(Key),
    /// `PUT /Type?criteria`
    ConditionalUpdate(ResourceType),
    /// `PATCH /Type/id`
    Patch(Key),
    /// `PATCH /Type?criteria`
    ConditionalPatch(ResourceType),
    /// `DELETE /Type/id`
    Delete(Key),
    /// `DELETE /Type?criteria`
    ConditionalDelete(ResourceType),
    /// `GET …/_history`
    History(HistoryScope),
    /// `GET /Type?…`, `POST /Type/_search`, of everything, or within a compartment.
    Search {
        /// The type searched.
        type_: Option<ResourceType>,
        /// The compartment searched.
        compartment: Option<Key>,
    },
    /// `GET` or `POST …/$name`
    Operation(Operation, On),
    /// About an export that has been ordered.
    Export(ExportPart),
}

/// What an operation is called on.
#[derive(Debug, Clone)]
pub(crate) enum On {
    /// The whole record.
    System,
    /// A type.
    Type(ResourceType),
    /// One resource.
    Instance(Key),
}

/// A part of an export that has been ordered.
#[derive(Debug, Clone)]
pub(crate) enum ExportPart {
    /// How far it is: `GET /$export-status/id`
    Status(String),
    /// It is no longer wanted: `DELETE /$export-status/id`
    Cancel(String),
    /// One of its files: `GET /$export-file/id/name`
    File(String, String),
}

impl Interaction {
    /// The interaction that `method` names at `path`, a path below the base without a leading slash.
    pub(crate) fn named(method: &Method, path: &str) -> Result<Self, Failure> {
        let verb = Verb::of(method).ok_or(Failure::Method("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))?;
        let mut segments = [""; 5];
        let mut count = 0;
        for segment in path.trim_end_matches('/').split('/') {
            if count == segments.len() {
                return Err(nowhere(path));
            }
            segments[count] = segment;
            count += 1;
        }
        match &segments[..count] {
            [""] => match verb {
                Verb::Get => Ok(Self::Search { type_: None, compartment: None }),
                Verb::Post => Ok(Self::Bundle),
                _ => Err(Failure::Method("GET, HEAD, POST, OPTIONS")),
            },
            ["metadata"] => verb.only_get(|| Ok(Self::Capabilities)),
            ["_history"] => verb.only_get(|| Ok(Self::History(HistoryScope::System))),
            ["_search"] => verb.only_post(|| Ok(Self::Search { type_: None, compartment: None })),
            ["$export-status", id] => match verb {
                Verb::Get => Ok(Self::Export(ExportPart::Status((*id).to_owned()))),
                Verb::Delete => Ok(Self::Export(ExportPart::Cancel((*id).to_owned()))),
                _ => Err(Failure::Method("GET, HEAD, DELETE, OPTIONS")),
            },
            ["$export-file", id, name] => {
                verb.only_get(|| Ok(Self::Export(ExportPart::File((*id).to_owned(), (*name).to_owned()))))
            }
            [name] if name.starts_with('$') => operation(verb, &name[1..], On::System),
            [type_] => {
                let type_ = ResourceType::parse(type_)?;
                Ok(match verb {
                    Verb::Get => Self::Search { type_: Some(type_), compartment: None },
                    Verb::Post => Self::Create(type_),
                    Verb::Put => Self::ConditionalUpdate(type_),
                    Verb::Patch => Self::ConditionalPatch(type_),
                    Verb::Delete => Self::ConditionalDelete(type_),
                })
            }
            [type_, "_history"] => {
                let type_ = ResourceType::parse(type_)?;
                verb.only_get(|| Ok(Self::History(HistoryScope::Type(type_))))
            }
            [type_, "_search"] => {
                let type_ = ResourceType::parse(type_)?;
                verb.only_post(|| Ok(Self::Search { type_: Some(type_), compartment: None }))
            }
            [type_, name] if name.starts_with('$') => {
                operation(verb, &name[1..], On::Type(ResourceType::parse(type_)?))
            }
            [type_, id] => {
                let key = key(type_, id)?;
                Ok(match verb {
                    Verb::Get => Self::Read(key),
                    Verb::Put => Self::Update(key),
                    Verb::Patch => Self::Patch(key),
                    Verb::Delete => Self::Delete(key),
                    Verb::Post => return Err(Failure::Method("GET, HEAD, PUT, PATCH, DELETE, OPTIONS")),
                })
            }
            [type_, id, "_history"] => {
                let key = key(type_, id)?;
                verb.only_get(|| Ok(Self::History(HistoryScope::Instance(key))))
            }
            [type_, id, name] if name.starts_with('$') => operation(verb, &name[1..], On::Instance(key(type_, id)?)),
            [type_, id, inner] => {
                let compartment = compartment(type_, id)?;
                let type_ = inner_type(inner)?;
                verb.only_get(|| Ok(Self::Search { type_, compartment: Some(compartment) }))
            }
            [type_, id, "_history", version] => {
                let key = key(type_, id)?;
                // A version this server cannot have given is one that does not exist.
                let version = version.parse().unwrap_or(0);
                verb.only_get(|| Ok(Self::Vread(key, version)))
            }
            [type_, id, inner, "_search"] => {
                let compartment = compartment(type_, id)?;
                let type_ = inner_type(inner)?;
                verb.only_post(|| Ok(Self::Search { type_, compartment: Some(compartment) }))
            }
            _ => Err(nowhere(path)),
        }
    }

    /// Whether it takes a body at all.
    pub(crate) const fn is_safe(&self) -> bool {
        matches!(self, Self::Capabilities | Self::Read(_) | Self::Vread(..) | Self::History(_) | Self::Search { .. })
    }
}

/// An address of our own, beside those of FHIR, and the verb it is asked with.
pub(crate) struct Address<'a> {
    method: &'a Method,
    path: &'a str,
    /// What stands between the slashes, percent-decoded.
    segments: Vec<String>,
}

impl<'a> Address<'a> {
    pub(crate) fn of(method: &'a Method, path: &'a str) -> Self {
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        Self { method, path, segments: path.trim_matches('/').split('/').map(decoded).collect() }
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    pub(crate) fn is_get(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    pub(crate) fn is_post(&self) -> bool {
        *self.method == Method::POST
    }

    /// What is asked for, which can only be read.
    pub(crate) fn get<Q>(&self, question: Q) -> Result<Q, Failure> {
        if self.is_get() { Ok(question) } else { Err(Failure::Method("GET, HEAD")) }
    }

    /// What is asked for, which can only be done.
    pub(crate) fn post<Q>(&self, question: Q) -> Result<Q, Failure> {
        if self.is_post() { Ok(question) } else { Err(Failure::Method("POST")) }
    }

    /// Nothing is there.
    pub(crate) fn nowhere<Q>(&self) -> Result<Q, Failure> {
        Err(Error::not_found(format!("There is nothing at {}.", shortened(self.path))).into())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => return None,
        })
    }

    fn only_get(self, interaction: impl FnOnce() -> Result<Interaction, Failure>) -> Result<Interaction, Failure> {
        if self == Self::Get { interaction() } else { Err(Failure::Method("GET, HEAD, OPTIONS")) }
    }

    fn only_post(self, interaction: impl FnOnce() -> Result<Interaction, Failure>) -> Result<Interaction, Failure> {
        if self == Self::Post { interaction() } else { Err(Failure::Method("POST, OPTIONS")) }
    }
}

fn operation(verb: Verb, name: &str, on: On) -> Result<Interaction, Failure> {
    let name = name.strip_prefix("%24").unwrap_or(name);
    let Some(operation) = operation::named(name, &on) else {
        let text = format!("There is no operation ${} here.", shortened(name));
        return Err(Error::new(Category::NotFound, IssueCode::NotSupported, text).into());
    };
    match verb {
        Verb::Post => Ok(Interaction::Operation(operation, on)),
        Verb::Get if !operation.changes() => Ok(Interaction::Operation(operation, on)),
        _ if operation.changes() => Err(Failure::Method("POST, OPTIONS")),
        _ => Err(Failure::Method("GET, HEAD, POST, OPTIONS")),
    }
}

fn key(type_: &str, id: &str) -> Result<Key, Error> {
    let type_ = ResourceType::parse(type_)?;
    if Key::is_id(id) {
        return Ok(Key::new(type_, id));
    }
    // Only what is not an id as it stands can need decoding, so that reads never pay for it.
    match percent_decode_str(id).decode_utf8() {
        Ok(decoded) if Key::is_id(&decoded) => Ok(Key::new(type_, decoded)),
        _ => Err(Error::new(
            Category::Invalid,
            IssueCode::Value,
            "An id has 1 to 64 letters, digits, hyphens and points.",
        )),
    }
}

fn compartment(type_: &str, id: &str) -> Result<Key, Error> {
    let key = key(type_, id)?;
    let known = fhir::definitions::r4().compartments().iter().any(|compartment| compartment.code == key.type_.name());
    if known {
        Ok(key)
    } else {
        let text = format!("R4 defines no compartment of {}.", key.type_);
        Err(Error::new(Category::NotFound, IssueCode::NotSupported, text))
    }
}

fn inner_type(name: &str) -> Result<Option<ResourceType>, Error> {
    if name == "*" { Ok(None) } else { ResourceType::parse(name).map(Some) }
}

fn nowhere(path: &str) -> Failure {
    Error::new(Category::NotFound, IssueCode::NotFound, format!("There is nothing at /{}.", shortened(path))).into()
}
