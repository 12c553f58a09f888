//! A JSON tree that is copied only where it changes.
//!
//! The parser's own tree forgets the order of an object's members once one is changed, so changes are made here
//! and the result is written and read again.

use std::borrow::Cow;

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::unfit;
use crate::{Category, Error, IssueCode, Value, json};

/// The members of an object, in order.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Tree<'a>)>;

/// A value: as it was, or opened for change.
#[derive(Debug, Clone)]
pub(super) enum Tree<'a> {
    /// Not changed.
    As(&'a Value),
    /// `null`, where the place must be kept.
    Null,
    Object(Members<'a>),
    Array(Vec<Tree<'a>>),
}

/// The most values one patch may copy and insert, so that a patch that copies its target into itself ends.
const MAX_VALUES: usize = 1_000_000;

/// What a patch may still insert.
pub(super) struct Allowance(usize);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(MAX_VALUES)
    }

    /// Pays for a value that will stand `depth` levels below the root.
    pub(super) fn pay(&mut self, tree: &Tree<'_>, depth: usize) -> Result<(), Error> {
        let too_much = || Error::new(Category::TooLarge, IssueCode::TooCostly, "the result is too large or too deep");
        if depth > json::MAX_DEPTH {
            return Err(too_much());
        }
        self.0 = self.0.checked_sub(1).ok_or_else(too_much)?;
        match tree {
            Tree::Null => Ok(()),
            Tree::As(value) => self.pay_value(value, depth).ok_or_else(too_much),
            Tree::Object(members) => members.iter().try_for_each(|(_, member)| self.pay(member, depth + 1)),
            Tree::Array(items) => items.iter().try_for_each(|item| self.pay(item, depth + 1)),
        }
    }

    fn pay_value(&mut self, value: &Value, depth: usize) -> Option<()> {
        if depth > json::MAX_DEPTH {
            return None;
        }
        self.0 = self.0.checked_sub(1)?;
        if let Some(object) = value.as_object() {
            object.iter().try_for_each(|(_, member)| self.pay_value(member, depth + 1))
        } else if let Some(items) = value.as_array() {
            items.iter().try_for_each(|item| self.pay_value(item, depth + 1))
        } else {
            Some(())
        }
    }
}

impl<'a> Tree<'a> {
    /// Opens one level for change.
    fn open(&mut self) {
        let Tree::As(value) = *self else { return };
        if let Some(object) = value.as_object() {
            *self = Tree::Object(object.iter().map(|(key, value)| (Cow::Borrowed(key), Tree::As(value))).collect());
        } else if let Some(items) = value.as_array() {
            *self = Tree::Array(items.iter().map(Tree::As).collect());
        }
    }

    /// The members, when it is an object.
    pub(super) fn members(&mut self) -> Option<&mut Members<'a>> {
        self.open();
        match self {
            Tree::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items, when it is an array.
    pub(super) fn items(&mut self) -> Option<&mut Vec<Tree<'a>>> {
        self.open();
        match self {
            Tree::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        match self {
            Tree::Null => true,
            Tree::As(value) => value.is_null(),
            _ => false,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Tree::As(value) => out.extend(json::to_bytes(value)),
            Tree::Null => out.extend(b"null"),
            Tree::Object(members) => {
                out.push(b'{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    out.extend(sonic_rs::to_vec(&**key).expect("a string can be written"));
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
            Tree::Array(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// The tree as the rest of the platform knows it.
    pub(super) fn into_value(self) -> Result<Value, Error> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        json::parse(&bytes).map_err(|error| unfit("the result is not JSON that FHIR allows").caused_by(error))
    }
}

/// The member of that name.
pub(super) fn member<'t, 'a>(members: &'t mut Members<'a>, name: &str) -> Option<&'t mut Tree<'a>> {
    members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Sets a member, in its place when it is there, else at the end.
pub(super) fn set<'a>(members: &mut Members<'a>, name: &str, value: Tree<'a>) {
    match member(members, name) {
        Some(old) => *old = value,
        None => members.push((Cow::Owned(name.to_owned()), value)),
    }
}

/// Takes a member out.
pub(super) fn take<'a>(members: &mut Members<'a>, name: &str) -> Option<Tree<'a>> {
    let at = members.iter().position(|(key, _)| key == name)?;
    Some(members.remove(at).1)
}
