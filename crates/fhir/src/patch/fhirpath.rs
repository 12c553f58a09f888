//! FHIRPath Patch: operations in a Parameters resource, their places found by FHIRPath.

use std::borrow::Cow;

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::tree::{Allowance, Members, Tree, member, set, take};
use super::{during, malformed, unfit};
use crate::definitions::{Child, Kind, TypeDef, r4};
use crate::path::{Environment, Expression, Item, Node};
use crate::{Error, Value};

/// The most operations one patch may have: each reads the whole resource.
const MAX_OPERATIONS: usize = 1_000;

pub(super) fn apply(target: &Value, parameters: &Value) -> Result<Value, Error> {
    if text(parameters, "resourceType") != Some("Parameters") {
        return Err(malformed("A FHIRPath Patch is a Parameters resource."));
    }
    let operations: Vec<&Value> = parameters
        .get("parameter")
        .and_then(|list| list.as_array())
        .map(|list| list.iter().collect())
        .unwrap_or_default();
    if operations.len() > MAX_OPERATIONS {
        return Err(malformed(format!("A FHIRPath Patch has at most {MAX_OPERATIONS} operations.")));
    }
    let mut current = target.clone();
    for (position, parameter) in operations.into_iter().enumerate() {
        let operation = Operation { parameter };
        let kind = operation.text("type").unwrap_or("without type");
        let changed = operation.run(&current);
        current = changed.map_err(|error| during(error, &format!("FHIRPath Patch operation {position} ({kind})")))?;
    }
    Ok(current)
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(|member| member.as_str())
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step<'v> {
    Key(&'v str),
    At(usize),
}

/// Where an element stands: the object it is a member of, its JSON name and, in a list, its position.
#[derive(Debug)]
struct Place<'v> {
    object: Vec<Step<'v>>,
    name: Cow<'v, str>,
    index: Option<usize>,
}

/// What an operation supplies: the value, the `_name` object of a primitive, and the name of its type.
struct Supplied<'v> {
    value: Option<Tree<'v>>,
    extension: Option<Tree<'v>>,
    type_name: Option<&'static str>,
}

/// One `operation` parameter.
struct Operation<'v> {
    parameter: &'v Value,
}

impl<'v> Operation<'v> {
    fn part(&self, name: &str) -> Option<&'v Value> {
        let parts = self.parameter.get("part")?.as_array()?;
        parts.iter().find(|part| text(part, "name") == Some(name))
    }

    fn text(&self, name: &str) -> Option<&'v str> {
        let part = self.part(name)?;
        text(part, "valueString").or_else(|| text(part, "valueCode"))
    }

    fn index(&self, name: &str) -> Result<usize, Error> {
        let value = self.part(name).and_then(|part| part.get("valueInteger")).and_then(|value| value.as_u64());
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.ok_or_else(|| malformed(format!("it has no part '{name}' with a valueInteger from 0 on")))
    }

    fn supplied(&self, of: Option<&TypeDef>) -> Result<Supplied<'v>, Error> {
        let part = self.part("value").ok_or_else(|| malformed("it has no part 'value'"))?;
        supplied(part, of, 0)
    }

    fn run(&self, target: &'v Value) -> Result<Value, Error> {
        if text(self.parameter, "name") != Some("operation") {
            return Err(malformed("the name of every parameter is 'operation'"));
        }
        let path = self.text("path").ok_or_else(|| malformed("it has no part 'path'"))?;
        let nodes = nodes(target, path)?;
        let mut tree = Tree::As(target);
        match self.text("type") {
            Some("add") => self.add(target, &mut tree, single(&nodes)?)?,
            Some("insert") => self.insert(target, &mut tree, path, &nodes)?,
            Some("delete") => match nodes.as_slice() {
                // What is not there need not be deleted.
                [] => {}
                nodes => delete(&mut tree, &located(target, single(nodes)?)?)?,
            },
            Some("replace") => self.replace(target, &mut tree, single(&nodes)?)?,
            Some("move") => self.shift(target, &mut tree, &nodes)?,
            _ => return Err(malformed("its type is not add, insert, delete, replace or move")),
        }
        Allowance::new().pay(&tree, 0)?;
        tree.into_value()
    }

    fn add(&self, target: &'v Value, tree: &mut Tree<'v>, node: Node<'v>) -> Result<(), Error> {
        let name = self.text("name").ok_or_else(|| malformed("it has no part 'name'"))?;
        let of = node.type_def().ok_or_else(|| unfit("its path leads to something FHIR does not define"))?;
        let object = match of.kind {
            // The children of a primitive stand in the object beside it.
            Kind::Primitive => {
                let place = located(target, node)?;
                if place.index.is_some() {
                    return Err(unfit("adding to a primitive in a list is not offered; replace the primitive"));
                }
                let beside = format!("_{}", place.name);
                let parent = object_at(tree, &place.object)?;
                if member(parent, &beside).is_none() {
                    set(parent, &beside, Tree::Object(Vec::new()));
                }
                member(parent, &beside).and_then(Tree::members).ok_or_else(|| unfit("its place is no object"))?
            }
            _ => object_at(tree, &steps_to(target, node)?)?,
        };
        let place = name_in(of, name)?;
        let supplied = self.supplied(place.type_def())?;
        let (json_name, is_list) = place.json_name(&supplied)?;
        if is_list {
            let end = length(object, &json_name);
            return insert_at(object, &json_name, end, supplied);
        }
        if length(object, &json_name) > 0 || place.alternatives().iter().any(|other| length(object, other) > 0) {
            return Err(unfit(format!("there is a {name} already, and there can be one only")));
        }
        put(object, &json_name, supplied);
        Ok(())
    }

    fn insert(&self, target: &'v Value, tree: &mut Tree<'v>, path: &str, nodes: &[Node<'v>]) -> Result<(), Error> {
        let index = self.index("index")?;
        let Some(first) = nodes.first() else {
            // An empty list has no place of its own: it is found by the element it belongs to.
            let (parent, name) = path.rsplit_once('.').ok_or_else(|| unfit("its path leads nowhere"))?;
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let owners = if plain && index == 0 { self::nodes(target, parent)? } else { Vec::new() };
            let owner = single(&owners)?;
            let of = owner.type_def().ok_or_else(|| unfit("its path leads to something FHIR does not define"))?;
            let place = name_in(of, name)?;
            let supplied = self.supplied(place.type_def())?;
            let (json_name, is_list) = place.json_name(&supplied)?;
            if !is_list {
                return Err(unfit("its path does not lead to a list"));
            }
            return insert_at(object_at(tree, &steps_to(target, owner)?)?, &json_name, 0, supplied);
        };
        let place = one_list(target, nodes)?;
        let supplied = self.supplied(first.type_def())?;
        let object = object_at(tree, &place.object)?;
        if index > length(object, &place.name) {
            return Err(unfit("there is no such position in the list"));
        }
        insert_at(object, &place.name, index, supplied)
    }

    fn replace(&self, target: &'v Value, tree: &mut Tree<'v>, node: Node<'v>) -> Result<(), Error> {
        let place = located(target, node)?;
        let supplied = self.supplied(node.type_def())?;
        let object = object_at(tree, &place.object)?;
        if let Some(index) = place.index {
            remove_at(object, &place.name, index)?;
            return insert_at(object, &place.name, index, supplied);
        }
        let owner = type_at(target, &place.object);
        let child = owner.and_then(|owner| owner.child(&place.name));
        let json_name = match (child.filter(|child| child.element.is_choice), owner) {
            (Some(child), Some(owner)) => Named::Choice(child, owner).json_name(&supplied)?.0,
            _ => place.name.to_string(),
        };
        if json_name != place.name {
            // The new type takes the place of the old one among the members.
            let beside = format!("_{}", place.name);
            take(object, &beside);
            for (key, _) in object.iter_mut().filter(|(key, _)| *key == place.name) {
                *key = Cow::Owned(json_name.clone());
            }
        }
        put(object, &json_name, supplied);
        Ok(())
    }

    /// `move`: the item at `source` is taken out and then put at `destination`.
    fn shift(&self, target: &'v Value, tree: &mut Tree<'v>, nodes: &[Node<'v>]) -> Result<(), Error> {
        let (source, destination) = (self.index("source")?, self.index("destination")?);
        let place = one_list(target, nodes)?;
        let object = object_at(tree, &place.object)?;
        let count = length(object, &place.name);
        if source >= count || destination >= count {
            return Err(unfit("there is no such position in the list"));
        }
        let moved = remove_at(object, &place.name, source)?;
        insert_at(object, &place.name, destination, moved)
    }
}

/// The elements a path leads to.
fn nodes<'v>(target: &'v Value, path: &str) -> Result<Vec<Node<'v>>, Error> {
    let env = Environment::new(r4()).of(target);
    let items = Expression::parse(path)?.evaluate(target, &env)?;
    let nodes = items.iter().map(Item::node).collect::<Option<Vec<_>>>();
    nodes.ok_or_else(|| unfit("its path computes a value and does not lead to an element"))
}

fn single<'v>(nodes: &[Node<'v>]) -> Result<Node<'v>, Error> {
    match nodes {
        [node] => Ok(*node),
        [] => Err(unfit("its path leads to nothing")),
        _ => Err(unfit(format!("its path leads to {} elements and must lead to one", nodes.len()))),
    }
}

/// The steps from the root to a node, found by its identity.
fn steps_to<'v>(target: &'v Value, node: Node<'v>) -> Result<Vec<Step<'v>>, Error> {
    fn search<'v>(value: &'v Value, wanted: &Value, steps: &mut Vec<Step<'v>>) -> bool {
        if std::ptr::eq(value, wanted) {
            return true;
        }
        if let Some(object) = value.as_object() {
            for (key, child) in object.iter() {
                steps.push(Step::Key(key));
                if search(child, wanted, steps) {
                    return true;
                }
                steps.pop();
            }
        } else if let Some(items) = value.as_array() {
            for (index, child) in items.iter().enumerate() {
                steps.push(Step::At(index));
                if search(child, wanted, steps) {
                    return true;
                }
                steps.pop();
            }
        }
        false
    }
    let wanted = node.value().or(node.extension()).ok_or_else(|| unfit("its path leads out of the resource"))?;
    let mut steps = Vec::new();
    if search(target, wanted, &mut steps) { Ok(steps) } else { Err(unfit("its path leads out of the resource")) }
}

fn located<'v>(target: &'v Value, node: Node<'v>) -> Result<Place<'v>, Error> {
    let mut object = steps_to(target, node)?;
    let index = match object.last() {
        Some(Step::At(index)) => Some(*index),
        _ => None,
    };
    object.truncate(object.len() - usize::from(index.is_some()));
    let Some(Step::Key(name)) = object.pop() else {
        return Err(unfit("its path leads to the resource itself"));
    };
    // A primitive without a value was found by the object beside it.
    let name = if node.value().is_none() { name.strip_prefix('_').unwrap_or(name) } else { name };
    Ok(Place { object, name: Cow::Borrowed(name), index })
}

/// The list all nodes are of.
fn one_list<'v>(target: &'v Value, nodes: &[Node<'v>]) -> Result<Place<'v>, Error> {
    let mut list: Option<Place<'v>> = None;
    for node in nodes {
        let place = located(target, *node)?;
        let same = list.as_ref().is_none_or(|list| list.object == place.object && list.name == place.name);
        if place.index.is_none() || !same {
            return Err(unfit("its path does not lead to one list"));
        }
        list = Some(place);
    }
    list.ok_or_else(|| unfit("its path leads to nothing"))
}

/// The type of the object at the end of `steps`.
fn type_at(target: &Value, steps: &[Step<'_>]) -> Option<&'static TypeDef> {
    let mut value = target;
    let mut current = r4().type_(text(value, "resourceType")?)?;
    for step in steps {
        match step {
            Step::At(index) => value = value.as_array()?.get(*index)?,
            Step::Key(key) => {
                value = value.get(key)?;
                current = match key.strip_prefix('_') {
                    Some(_) => r4().type_("Element")?,
                    None => r4().type_at(current.child(key)?.type_id),
                };
            }
        }
        if current.name == "Resource" && value.is_object() {
            current = r4().type_(text(value, "resourceType")?)?;
        }
    }
    Some(current)
}

fn object_at<'t, 'v>(tree: &'t mut Tree<'v>, steps: &[Step<'_>]) -> Result<&'t mut Members<'v>, Error> {
    let mut current = tree;
    for step in steps {
        current = match step {
            Step::Key(key) => current.members().and_then(|members| member(members, key)),
            Step::At(index) => current.items().and_then(|items| items.get_mut(*index)),
        }
        .ok_or_else(|| unfit("its path leads to nothing"))?;
    }
    current.members().ok_or_else(|| unfit("its path does not lead to an element that has parts"))
}

/// What an element's name means in a type.
enum Named {
    /// One type, one JSON name.
    Plain(Child<'static>),
    /// A choice; the JSON name depends on the type of the value. Any of its alternatives stands for it.
    Choice(Child<'static>, &'static TypeDef),
}

fn name_in(of: &TypeDef, name: &str) -> Result<Named, Error> {
    let unknown = || unfit(format!("{} has no element {}", of.name, name.chars().take(64).collect::<String>()));
    let of = r4().type_(of.name).ok_or_else(unknown)?;
    if let Some(child) = of.child(name) {
        return Ok(if child.element.is_choice { Named::Choice(child, of) } else { Named::Plain(child) });
    }
    let element = of.element(name).filter(|element| element.is_choice).ok_or_else(unknown)?;
    let first = element.types.first().and_then(|found| of.child(&choice_name(element.name, found.code)));
    first.map(|child| Named::Choice(child, of)).ok_or_else(unknown)
}

/// `value` and `dateTime` to `valueDateTime`.
fn choice_name(name: &str, type_name: &str) -> String {
    let mut letters = type_name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    name.chars().chain(first).chain(letters).collect()
}

impl Named {
    fn type_def(&self) -> Option<&'static TypeDef> {
        match self {
            Self::Plain(child) => Some(r4().type_at(child.type_id)),
            Self::Choice(..) => None,
        }
    }

    /// The JSON name of a value, and whether it stands in a list.
    fn json_name(&self, supplied: &Supplied<'_>) -> Result<(String, bool), Error> {
        match self {
            Self::Plain(child) => Ok((child.element.name.to_owned(), child.element.is_list())),
            Self::Choice(child, of) => {
                let type_name =
                    supplied.type_name.ok_or_else(|| unfit("the value of a choice has to name its type"))?;
                let json_name = choice_name(child.element.name, type_name);
                match of.child(&json_name) {
                    Some(_) => Ok((json_name, false)),
                    None => Err(unfit(format!("{} cannot be a {type_name}", child.element.path))),
                }
            }
        }
    }

    /// Every JSON name the element can have.
    fn alternatives(&self) -> Vec<String> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Choice(child, _) => {
                child.element.types.iter().map(|found| choice_name(child.element.name, found.code)).collect()
            }
        }
    }
}

/// The value of a `value` part: a `value[x]`, a resource, or parts that make up an element without a type name.
fn supplied<'v>(part: &'v Value, of: Option<&TypeDef>, depth: usize) -> Result<Supplied<'v>, Error> {
    let members = part.as_object().ok_or_else(|| malformed("a part is an object"))?;
    let parameter = r4().type_("Parameters.parameter").expect("R4 defines Parameters");
    let typed = members.iter().find_map(|(key, _)| {
        let key = key.strip_prefix('_').unwrap_or(key);
        let child = parameter.child(key).filter(|child| child.element.name == "value")?;
        Some((key, child.type_name))
    });
    if let Some((key, type_name)) = typed {
        let beside = format!("_{key}");
        return Ok(Supplied {
            value: members.get(&key).map(Tree::As),
            extension: members.get(&beside).map(Tree::As),
            type_name: Some(type_name),
        });
    }
    if let Some(resource) = members.get(&"resource") {
        return Ok(Supplied { value: Some(Tree::As(resource)), extension: None, type_name: None });
    }
    let parts = members.get(&"part").and_then(|parts| parts.as_array());
    let (Some(parts), Some(of)) = (parts, of) else { return Err(malformed("its part 'value' holds no value")) };
    // The parser bounds nesting, but a deep value would be refused later anyway.
    if depth > crate::json::MAX_DEPTH {
        return Err(malformed("its part 'value' is nested too deeply"));
    }
    let mut object = Members::new();
    for part in parts {
        let name = text(part, "name").ok_or_else(|| malformed("a part has a name"))?;
        let place = name_in(of, name)?;
        let inner = supplied(part, place.type_def(), depth + 1)?;
        let (json_name, is_list) = place.json_name(&inner)?;
        if is_list {
            let end = length(&mut object, &json_name);
            insert_at(&mut object, &json_name, end, inner)?;
        } else {
            put(&mut object, &json_name, inner);
        }
    }
    Ok(Supplied { value: Some(Tree::Object(object)), extension: None, type_name: None })
}

/// How many values a member has: the longer of the list and the list beside it, or 1 for what is no list.
fn length(object: &mut Members<'_>, name: &str) -> usize {
    let mut count = |name: &str| match member(object, name) {
        None => 0,
        Some(tree) => tree.items().map_or(1, |items| items.len()),
    };
    count(name).max(count(&format!("_{name}")))
}

/// Sets what is no list.
fn put<'v>(object: &mut Members<'v>, name: &str, supplied: Supplied<'v>) {
    let beside = format!("_{name}");
    for (name, part) in [(name, supplied.value), (&beside, supplied.extension)] {
        match part {
            Some(part) => set(object, name, part),
            None => drop(take(object, name)),
        }
    }
}

/// Inserts into a list and into the list beside it, which nulls keep in step.
fn insert_at<'v>(object: &mut Members<'v>, name: &str, index: usize, supplied: Supplied<'v>) -> Result<(), Error> {
    let count = length(object, name);
    let beside = format!("_{name}");
    for (name, part) in [(name, supplied.value), (&beside, supplied.extension)] {
        if part.is_none() && member(object, name).is_none() {
            continue;
        }
        if member(object, name).is_none() {
            set(object, name, Tree::Array(Vec::new()));
        }
        let items = member(object, name).and_then(Tree::items).ok_or_else(|| unfit("its place is no list"))?;
        items.resize(count.max(items.len()), Tree::Null);
        items.insert(index.min(items.len()), part.unwrap_or(Tree::Null));
    }
    Ok(())
}

/// Takes an item out of a list and of the list beside it.
fn remove_at<'v>(object: &mut Members<'v>, name: &str, index: usize) -> Result<Supplied<'v>, Error> {
    let mut take_from = |name: &str| {
        let items = member(object, name)?.items()?;
        let taken = (index < items.len()).then(|| items.remove(index))?;
        (!taken.is_null()).then_some(taken)
    };
    let (value, extension) = (take_from(name), take_from(&format!("_{name}")));
    if value.is_none() && extension.is_none() {
        return Err(unfit("there is no such position in the list"));
    }
    Ok(Supplied { value, extension, type_name: None })
}

/// Removes an element and whatever that leaves empty.
fn delete(tree: &mut Tree<'_>, place: &Place<'_>) -> Result<(), Error> {
    let object = object_at(tree, &place.object)?;
    let beside = format!("_{}", place.name);
    match place.index {
        None => {
            take(object, &place.name);
            take(object, &beside);
        }
        Some(index) => {
            remove_at(object, &place.name, index)?;
            for name in [&*place.name, &beside] {
                let empty =
                    member(object, name).and_then(Tree::items).is_some_and(|items| items.iter().all(Tree::is_null));
                if empty {
                    take(object, name);
                }
            }
        }
    }
    if !object.is_empty() {
        return Ok(());
    }
    let mut outer = place.object.clone();
    let index = match outer.last() {
        Some(Step::At(index)) => Some(*index),
        _ => None,
    };
    outer.truncate(outer.len() - usize::from(index.is_some()));
    match outer.pop() {
        Some(Step::Key(name)) => delete(tree, &Place { object: outer, name: Cow::Borrowed(name), index }),
        _ => Ok(()),
    }
}
