//! What an expression works on: nodes of a JSON tree, borrowed, and values computed from them.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use rust_decimal::Decimal;
use smallvec::SmallVec;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::convert;
use super::quantity::{Measure, Quantity};
use super::temporal::{Date, DateTime, Time};
use crate::Value;
use crate::definitions::{Definitions, Kind, TypeDef};

/// An ordered collection. Nearly all hold one item, which then needs no allocation.
pub(super) type Items<'a> = SmallVec<[Item<'a>; 1]>;

/// One member of a collection.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// An element or resource of the tree.
    Node(Node<'a>),
    /// `System.Boolean`
    Boolean(bool),
    /// `System.Integer`
    Integer(i64),
    /// `System.Decimal`
    Decimal(Decimal),
    /// `System.String`
    String(Text<'a>),
    /// `System.Date`
    Date(Date),
    /// `System.DateTime`
    DateTime(DateTime),
    /// `System.Time`
    Time(Time),
    /// `System.Quantity`
    Quantity(Box<Quantity>),
    /// What `type()` gives.
    Type(Box<TypeInfo<'a>>),
}

/// The namespace and name of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo<'a> {
    /// `FHIR` or `System`.
    pub namespace: &'static str,
    /// `Patient`, `string`, `Integer`.
    pub name: Text<'a>,
}

/// Text, borrowed from the tree where possible.
#[derive(Clone)]
pub enum Text<'a> {
    /// Of the tree.
    Borrowed(&'a str),
    /// Computed, or of the expression.
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

/// An element of the tree: its JSON value, the `_name` member that extends a primitive, and its type.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    value: Option<&'a Value>,
    extension: Option<&'a Value>,
    type_def: Option<&'a TypeDef>,
}

impl<'a> Node<'a> {
    /// A resource, its type taken from `resourceType`. What has none is a node without a type.
    pub fn resource(definitions: &'a Definitions, value: &'a Value) -> Self {
        let name = value.get("resourceType").and_then(|name| name.as_str());
        Self { value: Some(value), extension: None, type_def: name.and_then(|name| definitions.type_(name)) }
    }

    /// An element of a known type. `extension` is the object beside a primitive, the member `_name`.
    pub fn element(value: Option<&'a Value>, extension: Option<&'a Value>, type_def: &'a TypeDef) -> Self {
        Self { value, extension, type_def: Some(type_def) }
    }

    /// A resource of which only the type is known.
    pub(super) fn absent(type_def: &'a TypeDef) -> Self {
        Self { value: None, extension: None, type_def: Some(type_def) }
    }

    /// The JSON value; none for a primitive that has only extensions.
    pub fn value(self) -> Option<&'a Value> {
        self.value
    }

    /// The object that holds `id` and `extension` of a primitive.
    pub fn extension(self) -> Option<&'a Value> {
        self.extension
    }

    /// The declared type; none where the definitions say nothing.
    pub fn type_def(self) -> Option<&'a TypeDef> {
        self.type_def
    }

    /// Whether it is a primitive, that is, not an object.
    pub(super) fn is_primitive(self) -> bool {
        match self.type_def {
            Some(type_def) => type_def.kind == Kind::Primitive,
            None => self.value.is_none_or(|value| !value.is_object()),
        }
    }

    /// The object whose members are the children.
    fn object(self) -> Option<&'a sonic_rs::Object> {
        let holder = if self.is_primitive() { self.extension } else { self.value };
        holder.and_then(|value| value.as_object())
    }

    /// Appends the children of that FHIRPath name.
    pub(super) fn push_named(self, definitions: &'a Definitions, name: &str, out: &mut Items<'a>) {
        let Some(object) = self.object() else { return };
        let Some(type_def) = self.type_def else {
            let (value, extension) = member(object, name);
            push(definitions, value, extension, None, out);
            return;
        };
        match type_def.child(name) {
            Some(child) if !child.element.is_choice => {
                let child_type = definitions.type_at(child.type_id);
                let (value, extension) = match child_type.kind {
                    Kind::Primitive => member(object, name),
                    _ => (object.get(&name), None),
                };
                push(definitions, value, extension, Some(child_type), out);
            }
            // `valueQuantity` is the JSON name of a choice; its FHIRPath name is `value`.
            Some(_) => {}
            None => self.push_choice(definitions, type_def, object, name, out),
        }
    }

    fn push_choice(
        self,
        definitions: &'a Definitions,
        type_def: &'a TypeDef,
        object: &'a sonic_rs::Object,
        name: &str,
        out: &mut Items<'a>,
    ) {
        if !type_def.element(name).is_some_and(|element| element.is_choice) {
            return;
        }
        let found = object.iter().find_map(|(key, _)| {
            let key = key.strip_prefix('_').unwrap_or(key);
            let child = type_def.child(key.starts_with(name).then_some(key)?)?;
            (child.element.name == name).then_some((key, child))
        });
        if let Some((key, child)) = found {
            let (value, extension) = member(object, key);
            push(definitions, value, extension, Some(definitions.type_at(child.type_id)), out);
        }
    }

    /// Appends all children in the order of the tree.
    pub(super) fn push_children(self, definitions: &'a Definitions, out: &mut Items<'a>) {
        let Some(object) = self.object() else { return };
        for (key, value) in object.iter() {
            if key == "resourceType" {
                continue;
            }
            let (name, value, extension) = match key.strip_prefix('_') {
                Some(name) if object.contains_key(&name) => continue,
                Some(name) => (name, None, Some(value)),
                None => (key, Some(value), None),
            };
            let child = self.type_def.and_then(|type_def| type_def.child(name));
            let child_type = child.map(|child| definitions.type_at(child.type_id));
            let extension = match extension {
                None if child_type.is_none_or(|found| found.kind == Kind::Primitive) => member(object, name).1,
                other => other,
            };
            push(definitions, value, extension, child_type, out);
        }
    }

    /// The value as the system type its FHIR type converts to; none for what has no value or is no primitive.
    fn system(self) -> Option<Item<'a>> {
        let value = self.value?;
        let name = self.type_def.map_or("", |type_def| type_def.name);
        if let Some(flag) = value.as_bool() {
            return Some(Item::Boolean(flag));
        }
        if let Some(text) = value.as_str() {
            let typed = match name {
                "date" => Date::parse(text).map(Item::Date),
                "dateTime" | "instant" => DateTime::parse(text).map(Item::DateTime),
                "time" => Time::parse(text).map(Item::Time),
                _ => None,
            };
            return Some(typed.unwrap_or(Item::String(Text::Borrowed(text))));
        }
        if value.is_number() {
            let number = value.as_raw_number()?;
            let text = number.as_str();
            if name != "decimal"
                && let Ok(integer) = text.parse()
            {
                return Some(Item::Integer(integer));
            }
            return convert::json_decimal(text).map(Item::Decimal);
        }
        None
    }

    /// Whether it is a Quantity that only bounds a value.
    pub(super) fn has_comparator(self) -> bool {
        self.value.is_some_and(|value| value.get("comparator").is_some_and(|comparator| !comparator.is_null()))
    }

    /// A FHIR Quantity as a system quantity; none when it is only a bound. The printed unit takes no part.
    fn quantity(self, definitions: &Definitions) -> Option<Quantity> {
        let type_def = self.type_def?;
        if type_def.kind != Kind::Complex || !definitions.is_subtype(type_def.name, "Quantity") {
            return None;
        }
        let object = self.value?;
        // "Less than 5" is not 5.
        if self.has_comparator() {
            return None;
        }
        let text = |name: &str| object.get(name).and_then(|value| value.as_str());
        let value = convert::json_decimal(object.get("value")?.as_raw_number()?.as_str())?;
        let unit = match (text("system"), text("code").or_else(|| text("unit"))) {
            (_, None) => Measure::one(),
            (Some("http://unitsofmeasure.org"), Some(code)) => Measure::Ucum(code.into()),
            (_, Some(unit)) => Measure::Other(unit.into()),
        };
        Some(Quantity { value, unit })
    }
}

/// The members `name` and `_name`.
fn member<'a>(object: &'a sonic_rs::Object, name: &str) -> (Option<&'a Value>, Option<&'a Value>) {
    let (mut value, mut extension) = (None, None);
    for (key, found) in object.iter() {
        if key == name {
            value = Some(found);
        } else if key.len() == name.len() + 1 && key.strip_prefix('_') == Some(name) {
            extension = Some(found);
        }
    }
    (value, extension)
}

/// Appends the one or many values of a member, each with its share of the extensions.
fn push<'a>(
    definitions: &'a Definitions,
    value: Option<&'a Value>,
    extension: Option<&'a Value>,
    type_def: Option<&'a TypeDef>,
    out: &mut Items<'a>,
) {
    let mut one = |value: Option<&'a Value>, extension: Option<&'a Value>| {
        let value = value.filter(|value| !value.is_null());
        let extension = extension.filter(|extension| !extension.is_null());
        let node = match (value, type_def) {
            (None, _) if extension.is_none() => return,
            (Some(value), Some(found)) if found.name == "Resource" => Node::resource(definitions, value),
            _ => Node { value, extension, type_def },
        };
        out.push(Item::Node(node));
    };
    let values = value.and_then(|value| value.as_array());
    let extensions = extension.and_then(|extension| extension.as_array());
    if values.is_none() && extensions.is_none() {
        return one(value, extension);
    }
    let count = values.map_or(0, |values| values.len()).max(extensions.map_or(0, |extensions| extensions.len()));
    for at in 0..count {
        one(values.and_then(|values| values.get(at)), extensions.and_then(|extensions| extensions.get(at)));
    }
}

impl<'a> Item<'a> {
    /// The node, when it is one.
    pub fn node(&self) -> Option<Node<'a>> {
        match self {
            Self::Node(node) => Some(*node),
            _ => None,
        }
    }

    /// The value itself, a node's primitive converted to its system type; none for objects.
    pub fn system(&self) -> Option<Item<'a>> {
        match self {
            Self::Node(node) => node.system(),
            other => Some(other.clone()),
        }
    }

    /// Like [`Item::system`], and a FHIR Quantity becomes a system quantity.
    pub(super) fn operand(&self, definitions: &Definitions) -> Option<Item<'a>> {
        match self {
            Self::Node(node) => {
                node.system().or_else(|| node.quantity(definitions).map(|found| Self::Quantity(Box::new(found))))
            }
            other => Some(other.clone()),
        }
    }

    /// The flag, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(flag) => Some(*flag),
            Self::Node(node) => node.value.and_then(|value| value.as_bool()),
            _ => None,
        }
    }

    /// The text of a string, or of a node whose JSON value is one.
    pub fn as_text(&self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(text.clone()),
            Self::Node(node) => node.value.and_then(|value| value.as_str()).map(Text::Borrowed),
            _ => None,
        }
    }

    /// `FHIR` or `System` and the name of the type; a node of no known type is `FHIR` and an empty name.
    pub fn type_info(&self) -> TypeInfo<'a> {
        let name = match self {
            Self::Node(node) => {
                let name = node.type_def.map_or("", |type_def| type_def.name);
                return TypeInfo { namespace: "FHIR", name: Text::Borrowed(name) };
            }
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Decimal(_) => "Decimal",
            Self::String(_) => "String",
            Self::Date(_) => "Date",
            Self::DateTime(_) => "DateTime",
            Self::Time(_) => "Time",
            Self::Quantity(_) => "Quantity",
            Self::Type(_) => "TypeInfo",
        };
        TypeInfo { namespace: "System", name: Text::Borrowed(name) }
    }

    /// The value as `toString()` writes it; none for objects.
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        Some(match self {
            // What the tree wrote is what is shown: a date keeps the digits it has.
            Self::Node(node) => match node.value?.as_str() {
                Some(text) => Cow::Borrowed(text),
                None => return node.system()?.to_text(),
            },
            Self::String(Text::Borrowed(text)) => Cow::Borrowed(text),
            Self::String(text) => Cow::Owned(text.to_string()),
            Self::Boolean(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Decimal(value) => Cow::Owned(value.to_string()),
            Self::Date(value) => Cow::Owned(value.to_string()),
            Self::DateTime(value) => Cow::Owned(value.to_string()),
            Self::Time(value) => Cow::Owned(value.to_string()),
            Self::Quantity(value) => Cow::Owned(value.to_string()),
            Self::Type(value) => Cow::Owned(format!("{}.{}", value.namespace, &*value.name)),
        })
    }
}
