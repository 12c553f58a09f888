//! The FHIRPath suite for R4: values, their types and their order, and what must be refused.

use conformance::{Suite, xml};
use fhir::definitions::r4;
use fhir::path::{Environment, Expression, Item};
use fhir::{Value, json};
use jiff::{Timestamp, tz};
use roxmltree::{Document, Node};
use sonic_rs::JsonValueTrait;
use testkit::material;

const TEST: &str = "fhirpath";

#[test]
fn fhirpath_gives_what_the_official_suite_expects() {
    let Some(bytes) = material::read(TEST, "fhirpath/tests-fhir-r4.xml") else { return };
    let text = String::from_utf8(bytes).expect("the suite is UTF-8");
    let document = Document::parse(&text).expect("the suite is XML");
    let mut suite = Suite::new(TEST);
    let mut names: Vec<String> = Vec::new();
    let groups = document.root_element().children().filter(|node| node.has_tag_name("group"));
    for case in groups.flat_map(|group| group.children()).filter(|node| node.has_tag_name("test")) {
        let name = case.attribute("name").expect("a case has a name");
        // One name is given to two cases.
        let count = names.iter().filter(|known| *known == name).count();
        names.push(name.to_owned());
        let label = if count == 0 { name.to_owned() } else { format!("{name}#{}", count + 1) };
        suite.case(label, run(case));
    }
    suite.finish();
}

fn input(case: Node<'_, '_>) -> Result<Value, String> {
    let Some(name) = case.attribute("inputfile") else {
        return json::parse(b"{}").map_err(|error| error.to_string());
    };
    let bytes = material::read(TEST, &format!("fhirpath/{name}")).ok_or("its input is missing")?;
    if name.ends_with(".json") {
        return json::parse(&bytes).map_err(|error| error.to_string());
    }
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let document = Document::parse(&text).map_err(|error| error.to_string())?;
    let resource = xml::resource(document.root_element())?;
    json::parse(resource.as_bytes()).map_err(|error| error.to_string())
}

/// The type and text of one item, in the words of the suite.
fn shown(item: &Item<'_>) -> (String, String) {
    let name = item.type_info().name.to_string();
    let first = name.chars().next().map(|first| first.to_ascii_lowercase());
    let name = match (&*name, first) {
        ("Quantity", _) | (_, None) => name,
        (_, Some(first)) => format!("{first}{}", &name[1..]),
    };
    let text = item.to_text().map_or_else(|| "an object".to_owned(), std::borrow::Cow::into_owned);
    // Zero has no sign.
    let text = if text.starts_with("-0.") && text.trim_matches(['-', '0', '.']).is_empty() {
        text[1..].to_owned()
    } else {
        text
    };
    (name, text)
}

fn run(case: Node<'_, '_>) -> Result<(), String> {
    let part = |name: &str| case.children().filter(move |node| node.has_tag_name(name)).collect::<Vec<_>>();
    let expression = *part("expression").first().ok_or("it has no expression")?;
    let invalid = expression.attribute("invalid");
    let input = input(case)?;
    let env = Environment::new(r4()).of(&input).at(Timestamp::constant(1_767_225_600, 0), tz::Offset::constant(8));
    let parsed = Expression::parse(expression.text().unwrap_or_default());
    let checked = parsed.and_then(|parsed| {
        if let (Some("semantic"), Some(type_name)) = (invalid, input["resourceType"].as_str()) {
            parsed.check(r4(), type_name)?;
        }
        Ok(parsed)
    });
    let found = match checked.and_then(|parsed| parsed.evaluate(&input, &env)) {
        Err(_) if invalid.is_some() => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(found) => found,
    };
    let mut found: Vec<_> = found.iter().map(shown).collect();
    if let Some(kind) = invalid {
        return Err(format!("a {kind} error is expected, and there is {found:?}"));
    }
    if case.attribute("predicate") == Some("true") {
        let holds = !matches!(found.as_slice(), [] | [(_, _)] if found.first().is_none_or(|(_, text)| text == "false"));
        found = vec![("boolean".to_owned(), holds.to_string())];
    }
    let mut expected: Vec<_> = part("output")
        .into_iter()
        .map(|output| {
            let text = output.text().unwrap_or_default();
            let text = text.strip_prefix("@T").or_else(|| text.strip_prefix('@')).unwrap_or(text);
            let text = if text == "-0.0" { "0.0" } else { text };
            (output.attribute("type").unwrap_or_default().to_owned(), text.to_owned())
        })
        .collect();
    if case.attribute("ordered") == Some("false") {
        found.sort();
        expected.sort();
    }
    let same = found.len() == expected.len()
        && found
            .iter()
            .zip(&expected)
            .all(|(found, expected)| found.1 == expected.1 && (expected.0.is_empty() || found.0 == expected.0));
    if same { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
