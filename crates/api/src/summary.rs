//! Parts of a resource: `_summary` and `_elements`. <http://hl7.org/fhir/R4/search.html#summary>

use fhir::definitions::{TypeDef, r4};
use fhir::{Category, Error, IssueCode, Value};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::ask::{Query, shortened, type_of};
use crate::json;

/// Which part is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the specification marks as summary.
    Summary,
    /// The narrative and what is mandatory.
    Text,
    /// All but the narrative.
    Data,
    /// These elements and what is mandatory.
    Elements(Vec<String>),
}

impl Part {
    /// The part a read asks for; `None` for the whole.
    pub(crate) fn of(query: &Query) -> Result<Option<Self>, Error> {
        let elements = query.values("_elements").map(str::to_owned).collect();
        Self::named(query.get("_summary"), elements)
    }

    /// The part that `_summary` and `_elements` name; `None` for the whole.
    pub(crate) fn named(summary: Option<&str>, elements: Vec<String>) -> Result<Option<Self>, Error> {
        match summary {
            None if elements.is_empty() => Ok(None),
            None => Ok(Some(Self::Elements(elements))),
            Some("false" | "count") => Ok(None),
            Some("true") => Ok(Some(Self::Summary)),
            Some("text") => Ok(Some(Self::Text)),
            Some("data") => Ok(Some(Self::Data)),
            Some(other) => {
                let text = format!("_summary is true, text, data, count or false, not “{}”.", shortened(other));
                Err(Error::new(Category::Invalid, IssueCode::Value, text))
            }
        }
    }

    /// The part of a stored resource, tagged as incomplete.
    pub(crate) fn cut(&self, resource: &[u8]) -> Result<Vec<u8>, Error> {
        let value = fhir::json::parse(resource).map_err(Error::fault)?;
        let definition = type_of(&value).and_then(|name| r4().type_(name));
        let definition = definition.ok_or_else(|| Error::fault("a stored resource has no known type"))?;
        let mut out = Vec::with_capacity(resource.len());
        self.resource(&mut out, &value, definition);
        Ok(out)
    }

    fn resource(&self, out: &mut Vec<u8>, value: &Value, definition: &TypeDef) {
        out.push(b'{');
        let mut tagged = false;
        let mut first = true;
        for (name, member) in value.as_object().into_iter().flat_map(|object| object.iter()) {
            let bare = name.strip_prefix('_').unwrap_or(name);
            if !matches!(name, "resourceType" | "id" | "meta") && !self.keeps(definition, bare) {
                continue;
            }
            if name == "meta" {
                begin(out, &mut first, name);
                tag(out, Some(member));
                tagged = true;
            } else if let (Self::Summary, Some(inner)) = (self, backbone(definition, bare)) {
                begin(out, &mut first, name);
                summary(out, member, inner);
            } else {
                begin(out, &mut first, name);
                whole(out, member);
            }
        }
        if !tagged {
            begin(out, &mut first, "meta");
            tag(out, None);
        }
        out.push(b'}');
    }

    fn keeps(&self, definition: &TypeDef, name: &str) -> bool {
        let Some(child) = definition.child(name) else { return false };
        let element = child.element;
        match self {
            Self::Summary => element.is_summary,
            Self::Text => element.name == "text" || element.min > 0,
            Self::Data => element.name != "text",
            Self::Elements(names) => {
                element.min > 0 || element.is_modifier || names.iter().any(|wanted| *wanted == element.name)
            }
        }
    }
}

fn begin(out: &mut Vec<u8>, first: &mut bool, name: &str) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    json::string(out, name);
    out.push(b':');
}

fn whole(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(&fhir::json::to_bytes(value));
}

/// The definition of an element that is defined where it stands and not by a data type of its own.
fn backbone(definition: &TypeDef, name: &str) -> Option<&'static TypeDef> {
    let child = definition.child(name)?;
    child.type_name.contains('.').then(|| r4().type_(child.type_name)).flatten()
}

/// The summary elements of a backbone element or of each in an array.
fn summary(out: &mut Vec<u8>, value: &Value, definition: &TypeDef) {
    if let Some(items) = value.as_array() {
        out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            summary(out, item, definition);
        }
        out.push(b']');
        return;
    }
    let Some(object) = value.as_object() else { return whole(out, value) };
    out.push(b'{');
    let mut first = true;
    for (name, member) in object.iter() {
        let bare = name.strip_prefix('_').unwrap_or(name);
        if definition.child(bare).is_none_or(|child| !child.element.is_summary) {
            continue;
        }
        begin(out, &mut first, name);
        match backbone(definition, bare) {
            Some(inner) => summary(out, member, inner),
            None => whole(out, member),
        }
    }
    out.push(b'}');
}

/// `meta` with the tag that says the resource is not complete.
/// <http://hl7.org/fhir/R4/v3/ObservationValue/cs.html#v3-ObservationValue-SUBSETTED>
fn tag(out: &mut Vec<u8>, meta: Option<&Value>) {
    const SUBSETTED: &[u8] =
        br#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;
    out.push(b'{');
    let mut first = true;
    for (name, member) in meta.and_then(|meta| meta.as_object()).into_iter().flat_map(|object| object.iter()) {
        if name != "tag" {
            begin(out, &mut first, name);
            whole(out, member);
        }
    }
    begin(out, &mut first, "tag");
    out.push(b'[');
    for tag in meta.and_then(|meta| meta.get("tag")).and_then(|tags| tags.as_array()).into_iter().flatten() {
        whole(out, tag);
        out.push(b',');
    }
    out.extend_from_slice(SUBSETTED);
    out.extend_from_slice(b"]}");
}
