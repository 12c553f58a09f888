//! JSON Patch (RFC 6902) and the JSON Pointers (RFC 6901) it is written in.

use std::borrow::Cow;

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::tree::{Allowance, Tree, member, set, take};
use super::{during, malformed, unfit};
use crate::{Error, Value, json};

/// A pointer's parts, unescaped.
type Parts<'p> = Vec<Cow<'p, str>>;

pub(super) fn apply(target: &Value, patch: &Value) -> Result<Value, Error> {
    let operations = patch.as_array().ok_or_else(|| malformed("A JSON Patch is an array of operations."))?;
    let mut tree = Tree::As(target);
    let mut allowance = Allowance::new();
    for (position, operation) in operations.iter().enumerate() {
        let text = |name: &str| operation.get(name).and_then(|value| value.as_str());
        let name = text("op").unwrap_or("without op");
        let place = text("path").unwrap_or("without path");
        run(&mut tree, operation, &mut allowance)
            .map_err(|error| during(error, &format!("JSON Patch operation {position} ({name} {place})")))?;
    }
    tree.into_value()
}

fn run<'a>(tree: &mut Tree<'a>, operation: &'a Value, allowance: &mut Allowance) -> Result<(), Error> {
    let pointer = |name: &str| {
        let text = operation.get(name).and_then(|value| value.as_str());
        parts(text.ok_or_else(|| malformed(format!("it has no text member '{name}'")))?)
    };
    let value = || operation.get("value").map(Tree::As).ok_or_else(|| malformed("it has no member 'value'"));
    let path = pointer("path")?;
    match operation.get("op").and_then(|op| op.as_str()) {
        Some("add") => add(tree, &path, value()?, allowance),
        Some("remove") => remove(tree, &path).map(drop),
        Some("replace") => {
            let value = value()?;
            allowance.pay(&value, path.len())?;
            *find(tree, &path)? = value;
            Ok(())
        }
        Some("move") => {
            let from = pointer("from")?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(unfit("a value cannot be moved into itself"));
            }
            let value = remove(tree, &from)?;
            add(tree, &path, value, allowance)
        }
        Some("copy") => {
            let value = find(tree, &pointer("from")?)?.clone();
            add(tree, &path, value, allowance)
        }
        Some("test") => {
            let wanted = value()?.into_value()?;
            let found = find(tree, &path)?.clone().into_value()?;
            if json::same(&found, &wanted) { Ok(()) } else { Err(unfit("the value there is another")) }
        }
        Some(_) => Err(malformed("there is no such operation")),
        None => Err(malformed("it has no text member 'op'")),
    }
}

fn parts(pointer: &str) -> Result<Parts<'_>, Error> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let inner = pointer.strip_prefix('/').ok_or_else(|| malformed("a pointer begins with '/'"))?;
    inner
        .split('/')
        .map(|part| {
            if part.replace("~0", "").replace("~1", "").contains('~') {
                return Err(malformed("in a pointer '~' is followed by 0 or 1"));
            }
            // The order matters: `~01` is `~1`.
            Ok(if part.contains('~') { Cow::Owned(part.replace("~1", "/").replace("~0", "~")) } else { part.into() })
        })
        .collect()
}

/// An array index: digits, without leading zeros.
fn index(part: &str) -> Option<usize> {
    let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { part.parse().ok() } else { None }
}

fn missing() -> Error {
    unfit("there is nothing at that place")
}

fn find<'t, 'a>(tree: &'t mut Tree<'a>, path: &[Cow<'_, str>]) -> Result<&'t mut Tree<'a>, Error> {
    let mut current = tree;
    for part in path {
        // Asked first and taken second, because a borrow taken in one arm would last through the other.
        current = if current.members().is_some() {
            current.members().and_then(|members| member(members, part))
        } else {
            index(part).and_then(|at| current.items()?.get_mut(at))
        }
        .ok_or_else(missing)?;
    }
    Ok(current)
}

fn add<'a>(
    tree: &mut Tree<'a>,
    path: &[Cow<'_, str>],
    value: Tree<'a>,
    allowance: &mut Allowance,
) -> Result<(), Error> {
    allowance.pay(&value, path.len())?;
    let Some((last, before)) = path.split_last() else {
        *tree = value;
        return Ok(());
    };
    let parent = find(tree, before)?;
    if let Some(members) = parent.members() {
        set(members, last, value);
        return Ok(());
    }
    let items = parent.items().ok_or_else(|| unfit("what should hold it is neither object nor array"))?;
    let at = if last == "-" { Some(items.len()) } else { index(last) };
    let at = at.filter(|at| *at <= items.len()).ok_or_else(|| unfit("there is no such position in the array"))?;
    items.insert(at, value);
    Ok(())
}

fn remove<'a>(tree: &mut Tree<'a>, path: &[Cow<'_, str>]) -> Result<Tree<'a>, Error> {
    let Some((last, before)) = path.split_last() else {
        return Ok(std::mem::replace(tree, Tree::Null));
    };
    let parent = find(tree, before)?;
    if let Some(members) = parent.members() {
        return take(members, last).ok_or_else(missing);
    }
    let items = parent.items().ok_or_else(missing)?;
    let at = index(last).filter(|at| *at < items.len()).ok_or_else(missing)?;
    Ok(items.remove(at))
}
