//! Inputs made wrong on purpose, and their right neighbours.

use conformance::Suite;
use fhir::json;
use fhir::validate::{Options, Validator};
use testkit::material;

/// `y_` files are JSON, `n_` files are not, and with `i_` files a reader may do as it likes, save fail to answer.
#[test]
fn json_is_read_as_its_standard_says() {
    let mut suite = Suite::new("json");
    let found =
        material::each_file("json_is_read_as_its_standard_says", "negative/json-parsing.tar.gz", |path, bytes| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let outcome = match (json::parse(bytes), name.as_bytes()[0]) {
                (Ok(_), b'n') => Err("it is accepted".to_owned()),
                (Err(error), b'y') => Err(error.to_string()),
                _ => Ok(()),
            };
            suite.case(name, outcome);
        });
    if found.is_some() {
        suite.finish();
    }
}

/// The element of an extension that takes the type a file is about.
fn member(file: &str) -> &'static str {
    match file {
        "base64_binary" => "valueBase64Binary",
        "boolean" => "valueBoolean",
        "date_time" => "valueDateTime",
        "instant" => "valueInstant",
        "markdown" => "valueMarkdown",
        "positive_int" => "valuePositiveInt",
        "reference" => "valueReference",
        "string" => "valueString",
        "time" => "valueTime",
        "unsigned_int" => "valueUnsignedInt",
        "uri" => "valueUri",
        other => panic!("a type nobody knows: {other}"),
    }
}

#[test]
fn values_of_primitive_types_are_judged_by_their_form() {
    let validator = Validator::new(fhir::definitions::r4(), Options::default());
    let mut suite = Suite::new("primitives");
    let test = "values_of_primitive_types_are_judged_by_their_form";
    let found = material::each_file(test, "negative/fhir-primitives.tar.gz", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (file, is_valid) = match name.split_once('.') {
            Some((file, "valid.ndjson")) => (file, true),
            Some((file, "invalid.ndjson")) => (file, false),
            _ => panic!("a file nobody knows: {name}"),
        };
        let text = std::str::from_utf8(bytes).expect("the material is text");
        // A null is no value: in FHIR's JSON it only holds a place in an array.
        for (number, line) in text.lines().enumerate().filter(|(_, line)| *line != "null") {
            let contained = match line.contains("#p1") {
                true => r#""contained":[{"resourceType":"Patient","id":"p1"}],"#,
                false => "",
            };
            let resource = format!(
                r#"{{"resourceType":"Basic",{contained}"code":{{"text":"x"}},"extension":[{{"url":"urn:x","{}":{line}}}]}}"#,
                member(file)
            );
            let issues = json::parse(resource.as_bytes()).map(|resource| validator.check(&resource));
            let outcome = match issues {
                Ok(issues) if issues.is_empty() == is_valid => Ok(()),
                Ok(issues) if issues.is_empty() => Err(format!("{line} is accepted")),
                Ok(issues) => Err(format!("{line}: {}", issues[0].text)),
                Err(_) if !is_valid => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            suite.case(format!("{name}:{}", number + 1), outcome);
        }
    });
    if found.is_some() {
        suite.finish();
    }
}
