//! The official cases of FHIRPath Patch and JSON Patch.

use conformance::{Suite, xml};
use fhir::patch::{fhirpath_patch, json_patch};
use fhir::{Value, json};
use roxmltree::{Document, Node};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::material;

fn read(text: &str) -> Result<Value, String> {
    json::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// Compares a result with what is expected; none when a failure is expected.
fn compare(result: Result<Value, fhir::Error>, expected: Option<&Value>) -> Result<(), String> {
    let text = |value: &Value| String::from_utf8_lossy(&json::to_bytes(value)).into_owned();
    match (result, expected) {
        (Ok(found), Some(expected)) if json::same(&found, expected) => Ok(()),
        (Ok(found), Some(expected)) => Err(format!("{} instead of {}", text(&found), text(expected))),
        (Ok(found), None) => Err(format!("{} instead of a failure", text(&found))),
        (Err(error), Some(_)) => Err(error.to_string()),
        (Err(_), None) => Ok(()),
    }
}

#[test]
fn fhirpath_patch_gives_what_the_official_cases_expect() {
    let Some(bytes) = material::read("fhirpath-patch", "fhir-patch/fhir-patch-tests.xml") else { return };
    let text = String::from_utf8(bytes).expect("the cases are UTF-8");
    let document = Document::parse(&text).expect("the cases are XML");
    let mut suite = Suite::new("fhirpath-patch");
    for case in document.root_element().children().filter(|node| node.has_tag_name("case")) {
        suite.case(case.attribute("name").expect("a case has a name"), fhirpath_case(case));
    }
    suite.finish();
}

fn fhirpath_case(case: Node<'_, '_>) -> Result<(), String> {
    let part = |name: &str| -> Result<Option<Value>, String> {
        let holder = case.children().find(|node| node.has_tag_name(name));
        let resource = holder.and_then(|holder| holder.children().find(Node::is_element));
        resource.map(|resource| read(&plain(&xml::resource(resource)?))).transpose()
    };
    let input = part("input")?.ok_or("it has no input")?;
    let patch = part("diff")?.ok_or("it has no patch")?;
    compare(fhirpath_patch(&input, &patch), part("output")?.as_ref())
}

/// White space and the spelling of quotation marks in narrative differ between a case's patch and its output, and
/// mean nothing in XHTML.
fn plain(json: &str) -> String {
    let mut text = json.replace("&quot;", "\\\"").replace("\\n", " ").replace("\\t", " ").replace("\\r", " ");
    while text.contains("  ") {
        text = text.replace("  ", " ");
    }
    text.replace("> <", "><").replace(" <", "<").replace("> ", ">")
}

#[test]
fn json_patch_gives_what_the_official_cases_expect() {
    let Some(bytes) = material::read("json-patch", "fhir-patch/json-patch-tests.json") else { return };
    let cases = json::parse(&bytes).expect("the cases are JSON");
    let mut suite = Suite::new("json-patch");
    for case in cases.as_array().expect("the cases are a list").iter() {
        let name = case.get("comment").and_then(|name| name.as_str()).expect("a case has a name");
        suite.case(name, compare(json_patch(&case["doc"], &case["patch"]), case.get("expected")));
    }
    suite.finish();
}
