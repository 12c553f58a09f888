//! The element table: every type, its elements and the constraints on them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::{Failure, Source, core_type, field, list, text};

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const BEST_PRACTICE: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";

/// Lines of tab-separated fields:
/// `K key severity human expression` constraints, numbered from 0;
/// `T name kind abstract base constraints` a type;
/// `E name min max flags types binding constraints` an element of the type above it.
pub(super) fn table(source: &Source) -> Result<String, Failure> {
    let mut constraints = Constraints::default();
    let mut types = String::new();
    for definition in
        source.resources("StructureDefinition", |name| matches!(name, "profiles-types" | "profiles-resources"))
    {
        // A logical model describes a pattern; no instance is ever of it.
        if text(definition, "kind") == "logical" {
            continue;
        }
        write_type(definition, &mut constraints, &mut types)?;
    }
    Ok(constraints.lines + &types)
}

fn write_type(definition: &Value, constraints: &mut Constraints, out: &mut String) -> Result<(), Failure> {
    let elements = list(&definition["snapshot"], "element");
    // A constraint such as SimpleQuantity keeps the paths of the type it narrows.
    let name = core_type(text(definition, "url"));
    let root = text(&elements[0], "path");
    let kind = match text(definition, "kind") {
        "primitive-type" => "p",
        "complex-type" => "c",
        "resource" => "r",
        other => return Err(format!("{name} is of kind {other}").into()),
    };
    let is_abstract = definition["abstract"].as_bool().unwrap_or_default();
    let base = core_type(text(definition, "baseDefinition"));
    let mut owners = vec![(root, name.to_owned(), kind, is_abstract, base, &elements[0])];
    for element in &elements[1..] {
        if elements.iter().any(|other| parent(text(other, "path")) == Some(text(element, "path"))) {
            let path = text(element, "path");
            let base = list(element, "type").first().map_or("BackboneElement", |kind| text(kind, "code"));
            owners.push((path, path.to_owned(), "b", false, base, element));
        }
    }
    for (path, name, kind, is_abstract, base, definition) in owners {
        let own = constraints.of(definition);
        writeln!(out, "T\t{name}\t{kind}\t{}\t{base}\t{own}", u8::from(is_abstract))?;
        for element in elements.iter().filter(|element| parent(text(element, "path")) == Some(path)) {
            // A primitive's value is the JSON value itself, not a member of it.
            if kind == "p" && text(element, "path").ends_with(".value") {
                continue;
            }
            write_element(element, elements, constraints, out)?;
        }
    }
    Ok(())
}

fn write_element(
    element: &Value,
    siblings: &[Value],
    constraints: &mut Constraints,
    out: &mut String,
) -> Result<(), Failure> {
    let path = text(element, "path");
    let name = path.rsplit('.').next().unwrap_or(path).trim_end_matches("[x]");
    let flag = |member: &str, letter: &'static str| if element[member] == true { letter } else { "" };
    let choice = if path.ends_with("[x]") { "c" } else { "" };
    let flags = format!("{choice}{}{}", flag("isModifier", "m"), flag("isSummary", "s"));
    let is_backbone = siblings.iter().any(|other| parent(text(other, "path")) == Some(path));
    let types = match element["contentReference"].as_str() {
        Some(reference) => reference.trim_start_matches('#').to_owned(),
        None if is_backbone => path.to_owned(),
        // The release gives a resource's id as a string in its data and as an `id` in its text; the text is meant.
        None if text(&element["base"], "path") == "Resource.id" => "id".to_owned(),
        None => list(element, "type").iter().map(type_field).collect::<Vec<_>>().join(" "),
    };
    let binding = match &element["binding"] {
        binding if binding["valueSet"].is_string() => {
            let url = text(binding, "valueSet");
            format!("{} {}", text(binding, "strength"), url.split('|').next().unwrap_or(url))
        }
        _ => String::new(),
    };
    let (min, max) = (&element["min"], text(element, "max"));
    let own = constraints.of(element);
    writeln!(out, "E\t{name}\t{min}\t{max}\t{flags}\t{types}\t{binding}\t{own}")?;
    Ok(())
}

/// `code`, then `>Target` for each type a reference or canonical may point at, then `^Profile`.
fn type_field(kind: &Value) -> String {
    let code = text(kind, "code");
    let mut field = match code.strip_prefix("http://hl7.org/fhirpath/System.") {
        Some(_) => list(kind, "extension")
            .iter()
            .find(|extension| text(extension, "url") == FHIR_TYPE)
            .map_or("string", |extension| text(extension, "valueUrl"))
            .to_owned(),
        None => code.to_owned(),
    };
    for target in list(kind, "targetProfile").iter().filter_map(Value::as_str) {
        field.push('>');
        field.push_str(core_type(target));
    }
    for profile in list(kind, "profile").iter().filter_map(Value::as_str) {
        field.push('^');
        field.push_str(core_type(profile));
    }
    field
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}

#[derive(Default)]
struct Constraints {
    numbers: BTreeMap<String, usize>,
    lines: String,
}

impl Constraints {
    /// The numbers of the constraints on `element`, separated by spaces.
    fn of(&mut self, element: &Value) -> String {
        let numbers: Vec<String> = list(element, "constraint")
            .iter()
            .filter(|constraint| constraint["expression"].is_string())
            .map(|constraint| self.number(constraint).to_string())
            .collect();
        numbers.join(" ")
    }

    fn number(&mut self, constraint: &Value) -> usize {
        let best_practice = list(constraint, "extension")
            .iter()
            .any(|extension| text(extension, "url") == BEST_PRACTICE && extension["valueBoolean"] == true);
        let severity = if best_practice { "warning" } else { text(constraint, "severity") };
        // One rule (que-7) asks for the System type of an element that is of the FHIR type, and would never hold.
        let expression = field(text(constraint, "expression")).replace("answer is Boolean", "answer is boolean");
        let line = format!(
            "K\t{}\t{severity}\t{}\t{}\n",
            text(constraint, "key"),
            field(text(constraint, "human")),
            expression
        );
        let next = self.numbers.len();
        *self.numbers.entry(line).or_insert_with_key(|line| {
            self.lines.push_str(line);
            next
        })
    }
}
