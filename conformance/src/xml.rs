//! The XML form of a resource as JSON, by the table of elements.
//!
//! Official cases are written in XML; what is under test reads JSON. <http://hl7.org/fhir/R4/xml.html>

use std::fmt::Write;

use fhir::definitions::{Kind, TypeDef, r4};
use roxmltree::Node;

/// The JSON text of the resource `node` is.
pub fn resource(node: Node<'_, '_>) -> Result<String, String> {
    let name = node.tag_name().name();
    let type_def = r4().type_(name).ok_or_else(|| format!("there is no type {name}"))?;
    let mut out = format!("{{\"resourceType\":\"{name}\"");
    members(node, type_def, &mut out)?;
    out.push('}');
    Ok(out)
}

fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

fn text(value: &str) -> String {
    sonic_rs::to_string(value).expect("a string can be written")
}

/// Appends the members of an object, each with a comma before it.
fn members(node: Node<'_, '_>, type_def: &TypeDef, out: &mut String) -> Result<(), String> {
    for attribute in node.attributes().filter(|attribute| matches!(attribute.name(), "id" | "url")) {
        write!(out, ",\"{}\":{}", attribute.name(), text(attribute.value())).expect("a string takes all");
    }
    let mut names: Vec<&str> = Vec::new();
    for child in elements(node) {
        if !names.contains(&child.tag_name().name()) {
            names.push(child.tag_name().name());
        }
    }
    for name in names {
        let same: Vec<_> = elements(node).filter(|child| child.tag_name().name() == name).collect();
        let child = type_def.child(name).ok_or_else(|| format!("{} has no element {name}", type_def.name))?;
        let of = r4().type_at(child.type_id);
        let mut values = Vec::new();
        let mut extensions = Vec::new();
        for one in same {
            let (value, extension) = value(one, of)?;
            values.push(value);
            extensions.push(extension);
        }
        for (prefix, parts) in [("", values), ("_", extensions)] {
            if parts.iter().all(Option::is_none) {
                continue;
            }
            let mut parts = parts.into_iter().map(|part| part.unwrap_or_else(|| "null".to_owned()));
            let joined = match child.element.is_list() {
                true => format!("[{}]", parts.collect::<Vec<_>>().join(",")),
                false => parts.next().unwrap_or_default(),
            };
            write!(out, ",\"{prefix}{name}\":{joined}").expect("a string takes all");
        }
    }
    Ok(())
}

/// The value of one element and, of a primitive, the object that holds its id and extensions.
fn value(node: Node<'_, '_>, of: &TypeDef) -> Result<(Option<String>, Option<String>), String> {
    if of.name == "Resource" {
        let inner = elements(node).next().ok_or("a resource is missing")?;
        return Ok((Some(resource(inner)?), None));
    }
    if of.name == "xhtml" {
        return Ok((Some(text(&node.document().input_text()[node.range()])), None));
    }
    let mut object = String::new();
    let is_primitive = of.kind == Kind::Primitive;
    let element = r4().type_("Element").ok_or("there is no Element")?;
    members(node, if is_primitive { element } else { of }, &mut object)?;
    let object = (!object.is_empty()).then(|| format!("{{{}}}", &object[1..]));
    if !is_primitive {
        return Ok((Some(object.unwrap_or_else(|| "{}".to_owned())), None));
    }
    let literal = node.attribute("value").map(|value| match of.name {
        "boolean" | "integer" | "positiveInt" | "unsignedInt" | "decimal" => value.to_owned(),
        _ => text(value),
    });
    Ok((literal, object))
}
