//! The embedded tables say what the official package says.

use conformance::Suite;
use fhir::definitions::r4;
use fhir::{Value, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::material;

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(|text| text.as_str()).unwrap_or_default()
}

fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

/// Every element of a type stands in the tables with its cardinality, and nothing else does.
fn same_elements(definition: &Value) -> Result<(), String> {
    let elements = list(&definition["snapshot"], "element");
    let is_primitive = text(definition, "kind") == "primitive-type";
    for element in &elements[1..] {
        let (path, max) = (text(element, "path"), text(element, "max"));
        let Some((owner, name)) = path.rsplit_once('.') else { return Err(format!("{path} has no owner")) };
        if is_primitive && name == "value" {
            continue;
        }
        let owner = r4().type_(owner).ok_or_else(|| format!("{owner} is not defined"))?;
        let found = owner.element(name.trim_end_matches("[x]")).ok_or_else(|| format!("{path} is not defined"))?;
        let least = u64::from(found.min);
        if element["min"].as_u64() != Some(least) || found.max.map_or("*".to_owned(), |max| max.to_string()) != max {
            return Err(format!("{path} has another cardinality"));
        }
        if found.is_choice != name.ends_with("[x]") {
            return Err(format!("{path} is a choice on one side only"));
        }
        let known = element.get("contentReference").is_some() || found.types.len() == list(element, "type").len();
        if !known {
            return Err(format!("{path} has other types"));
        }
    }
    let count = |prefix: &str| {
        let owned =
            r4().types().iter().filter(|found| found.name == prefix || found.name.starts_with(&format!("{prefix}.")));
        owned.map(|found| found.elements().len()).sum::<usize>() + usize::from(is_primitive)
    };
    let name = text(&elements[0], "path");
    if count(name) == elements.len() - 1 { Ok(()) } else { Err(format!("{name} has elements that are not official")) }
}

/// None for the parameters on extensions and the examples, which no server offers unasked.
fn same_parameter(definition: &Value) -> Option<Result<(), String>> {
    let url = text(definition, "url");
    let found = r4().search_parameters().iter().find(|found| found.url == url)?;
    let bases: Vec<_> = list(definition, "base").iter().filter_map(|base| base.as_str()).collect();
    let is_same = found.code == text(definition, "code")
        && found.kind.as_str() == text(definition, "type")
        && found.bases == bases;
    Some(if is_same { Ok(()) } else { Err("it has another code, type or base".to_owned()) })
}

#[test]
fn elements_and_search_parameters_are_the_official_ones() {
    let test = "elements_and_search_parameters_are_the_official_ones";
    let mut suite = Suite::new("definitions");
    let (mut types, mut parameters) = (0, 0);
    let found = material::each_file(test, "fhir/r4-core-4.0.1.tar.gz", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !name.starts_with("StructureDefinition-") && !name.starts_with("SearchParameter-") {
            return;
        }
        let definition = json::parse(bytes).expect("the package is JSON");
        match text(&definition, "resourceType") {
            "SearchParameter" => {
                if let Some(outcome) = same_parameter(&definition) {
                    parameters += 1;
                    suite.case(name, outcome);
                }
            }
            "StructureDefinition"
                if text(&definition, "derivation") != "constraint" && text(&definition, "kind") != "logical" =>
            {
                types += 1;
                suite.case(name, same_elements(&definition));
            }
            _ => {}
        }
    });
    if found.is_some() {
        assert!(types > 200, "{types} types");
        assert_eq!(parameters, r4().search_parameters().len());
        suite.finish();
    }
}
