//! What the entries of a transaction call each other, and the names those get here.
//! <http://hl7.org/fhir/R4/bundle.html#references>

use fhir::Error;
use fhir::definitions::{TypeDef, r4};
use fhir::json::{self, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::{Key, ResourceType};

/// The names of a transaction's entries, by what other entries call them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// By `fullUrl`.
    entries: FxHashMap<String, String>,
    /// By conditional reference, such as `Patient?identifier=x|1`.
    conditions: FxHashMap<String, String>,
}

impl Links {
    /// An entry that others may refer to by its `fullUrl`.
    pub(crate) fn entry(&mut self, full_url: &str, key: &Key) {
        self.entries.insert(unversioned(full_url).to_owned(), key.to_string());
    }

    /// What a conditional reference has been found to mean.
    pub(crate) fn condition(&mut self, reference: String, key: &Key) {
        self.conditions.insert(reference, key.to_string());
    }

    /// A resource with the names of other entries where it refers to them. `full_url` is that of its own entry, against
    /// whose root relative references are looked up.
    ///
    /// Links are what the specification says they are: literal references, URIs, and `href` and `src` of a narrative;
    /// not canonical URLs and no other text. A plain `uri` is followed by `urn:` names alone, because that of a
    /// definition says what it is called everywhere; `uuid` and `oid` keep theirs, because no name fits in there.
    /// <http://hl7.org/fhir/R4/http.html#trules>
    pub(crate) fn applied(&self, resource: Value, full_url: Option<&str>) -> Result<Value, Error> {
        if self.entries.is_empty() && self.conditions.is_empty() {
            return Ok(resource);
        }
        let root = full_url.and_then(root_of);
        let json = Vec::with_capacity(1_024);
        let mut walk = Walk { links: self, root, inside: FxHashSet::default(), json, changed: false };
        walk.node(&resource, Place::Resource);
        // The tree is written and read again rather than changed, because a changed one forgets the order of its members.
        if walk.changed { json::parse(&walk.json) } else { Ok(resource) }
    }

    fn named(&self, link: &str, root: Option<&str>, inside: &FxHashSet<&str>) -> Option<String> {
        let (whole, fragment) = link.split_once('#').map_or((link, None), |(whole, rest)| (whole, Some(rest)));
        // The version of another server's resource is none of the one that is stored here.
        let whole = unversioned(whole);
        if inside.contains(whole) {
            return None;
        }
        let relative = || self.entries.get(&format!("{}/{whole}", root.filter(|_| is_relative(whole))?));
        let name = self.entries.get(whole).or_else(relative)?;
        Some(fragment.map_or_else(|| name.clone(), |fragment| format!("{name}#{fragment}")))
    }
}

fn unversioned(url: &str) -> &str {
    url.split_once("/_history/").map_or(url, |(url, _)| url)
}

/// Whether a link is `Type/id`.
fn is_relative(link: &str) -> bool {
    link.split_once('/').is_some_and(|(type_, id)| ResourceType::named(type_).is_some() && Key::is_id(id))
}

/// The root of a `fullUrl` that is the address of a resource: `http://a.example/fhir` of
/// `http://a.example/fhir/Patient/1`.
fn root_of(full_url: &str) -> Option<&str> {
    let url = unversioned(full_url);
    let (rest, id) = url.rsplit_once('/')?;
    let (root, type_) = rest.rsplit_once('/')?;
    let is_address = root.contains("://") && ResourceType::named(type_).is_some() && Key::is_id(id);
    is_address.then_some(root)
}

/// What a value is, as far as links go.
#[derive(Clone, Copy)]
enum Place {
    /// A resource, whose type it says itself.
    Resource,
    /// A value of a type with elements.
    Of(&'static TypeDef),
    /// `Reference.reference`.
    Reference,
    /// A `url`, which leads to something.
    Url,
    /// Any other `uri`.
    Uri,
    /// A narrative.
    Xhtml,
    /// Anything else.
    Plain,
}

impl Place {
    fn of(parent: &'static TypeDef, name: &str) -> Self {
        if name.starts_with('_') {
            return r4().type_("Element").map_or(Self::Plain, Self::Of);
        }
        let Some(child) = parent.child(name) else { return Self::Plain };
        match child.type_name {
            "string" if parent.name == "Reference" && name == "reference" => Self::Reference,
            "url" => Self::Url,
            "uri" => Self::Uri,
            "xhtml" => Self::Xhtml,
            "Resource" | "DomainResource" => Self::Resource,
            _ => Self::Of(r4().type_at(child.type_id)),
        }
    }
}

struct Walk<'l> {
    links: &'l Links,
    root: Option<&'l str>,
    /// What a Bundle among the entries calls its own.
    inside: FxHashSet<&'l str>,
    json: Vec<u8>,
    changed: bool,
}

impl<'l> Walk<'l> {
    fn node(&mut self, value: &'l Value, place: Place) {
        if let Some(object) = value.as_object() {
            let type_ = match place {
                Place::Resource => {
                    value.get("resourceType").and_then(|name| name.as_str()).and_then(|name| r4().type_(name))
                }
                Place::Of(type_) => Some(type_),
                _ => None,
            };
            let outside = self.enter(value, type_);
            self.json.push(b'{');
            for (at, (name, child)) in object.iter().enumerate() {
                if at > 0 {
                    self.json.push(b',');
                }
                write_name(name, &mut self.json);
                self.node(child, type_.map_or(Place::Plain, |type_| Place::of(type_, name)));
            }
            self.json.push(b'}');
            if let Some((root, inside)) = outside {
                (self.root, self.inside) = (root, inside);
            }
        } else if let Some(array) = value.as_array() {
            self.json.push(b'[');
            for (at, child) in array.iter().enumerate() {
                if at > 0 {
                    self.json.push(b',');
                }
                self.node(child, place);
            }
            self.json.push(b']');
        } else {
            match value.as_str().and_then(|text| self.linked(text, place)) {
                Some(text) => {
                    self.changed = true;
                    self.json.extend_from_slice(&json::to_bytes(&Value::from(text.as_str())));
                }
                None => self.json.extend_from_slice(&json::to_bytes(value)),
            }
        }
    }

    /// A Bundle that is stored looks its references up in itself first. Answers with what held outside it.
    fn enter(&mut self, value: &'l Value, type_: Option<&TypeDef>) -> Option<(Option<&'l str>, FxHashSet<&'l str>)> {
        type_.filter(|type_| type_.name == "Bundle")?;
        let outside = (self.root.take(), self.inside.clone());
        let entries = value.get("entry").and_then(|entries| entries.as_array());
        let names = entries.into_iter().flat_map(|entries| entries.iter());
        self.inside.extend(names.filter_map(|entry| entry.get("fullUrl")?.as_str()).map(unversioned));
        Some(outside)
    }

    /// What a text becomes; none when it stays.
    fn linked(&self, text: &str, place: Place) -> Option<String> {
        let named = |link: &str| self.links.named(link, self.root, &self.inside);
        match place {
            Place::Reference => self.links.conditions.get(text).cloned().or_else(|| named(text)),
            Place::Url => named(text),
            Place::Uri => named(text).filter(|_| text.starts_with("urn:")),
            Place::Xhtml => in_narrative(text, named),
            Place::Resource | Place::Of(_) | Place::Plain => None,
        }
    }
}

/// A narrative with its links replaced; none when none of them is.
fn in_narrative(text: &str, named: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut written = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    // In the allowed subset of XHTML `<` begins a tag wherever it stands, and quotes matter only inside one.
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        let end = if tag.starts_with("<!--") { tag.find("-->").map(|end| end + 3) } else { tag_end(tag) };
        let (tag, after) = tag.split_at(end.unwrap_or(tag.len()));
        written.push_str(before);
        let mut tag = tag;
        while let Some((at, quote)) = tag.char_indices().find(|(_, letter)| matches!(letter, '"' | '\'')) {
            let (head, value) = tag.split_at(at + 1);
            let Some((value, tail)) = value.split_once(quote) else { break };
            written.push_str(head);
            let attribute = head[..at].trim_end().strip_suffix('=').map(str::trim_end).unwrap_or_default();
            let is_link = ["href", "src"].iter().any(|name| {
                let space = attribute.strip_suffix(name).unwrap_or_default();
                space.ends_with(|letter: char| letter.is_ascii_whitespace())
            });
            match named(&value.replace("&amp;", "&")).filter(|_| is_link) {
                Some(name) => {
                    changed = true;
                    written.push_str(&name);
                }
                None => written.push_str(value),
            }
            written.push(quote);
            tag = tail;
        }
        written.push_str(tag);
        rest = after;
    }
    written.push_str(rest);
    changed.then_some(written)
}

/// Where a tag ends that begins a text: after the first `>` outside quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quoted = None;
    for (at, letter) in tag.char_indices() {
        match (quoted, letter) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quoted = Some(letter),
            (Some(quote), letter) if quote == letter => quoted = None,
            _ => {}
        }
    }
    None
}

/// A resource under an id.
pub(crate) fn with_id(resource: &Value, id: &str) -> Result<Value, Error> {
    let mut json = format!(r#"{{"id":"{id}""#).into_bytes();
    for (name, value) in resource.as_object().into_iter().flat_map(|object| object.iter()) {
        if name != "id" {
            json.push(b',');
            write_name(name, &mut json);
            json.extend_from_slice(&json::to_bytes(value));
        }
    }
    json.push(b'}');
    json::parse(&json)
}

fn write_name(name: &str, json: &mut Vec<u8>) {
    json.extend_from_slice(&json::to_bytes(&Value::from(name)));
    json.push(b':');
}

/// The query of a conditional reference, such as `Patient?identifier=x|1`, with its type.
pub(crate) fn conditional_reference(reference: &str) -> Option<(ResourceType, &str)> {
    let (type_, query) = reference.split_once('?')?;
    Some((ResourceType::named(type_)?, query))
}

/// Every `reference` in a resource.
pub(crate) fn each_reference<'v>(value: &'v Value, visit: &mut impl FnMut(&'v str)) {
    if let Some(object) = value.as_object() {
        for (name, child) in object.iter() {
            match child.as_str() {
                Some(text) if name == "reference" => visit(text),
                Some(_) => {}
                None => each_reference(child, visit),
            }
        }
    } else if let Some(array) = value.as_array() {
        array.iter().for_each(|child| each_reference(child, visit));
    }
}
