//! The official examples and two synthetic regions are valid, except where they are not.

use conformance::Suite;
use fhir::validate::{Options, Validator};
use fhir::{Issue, Value, json};
use sonic_rs::JsonValueTrait;
use testkit::material;

fn validator() -> Validator {
    Validator::new(fhir::definitions::r4(), Options::default())
}

/// The findings, each with its place, or that there are none.
fn verdict(issues: &[Issue]) -> Result<(), String> {
    if issues.is_empty() {
        return Ok(());
    }
    let line = |issue: &Issue| format!("{}: {}", issue.expression.as_deref().unwrap_or("-"), issue.text);
    Err(issues.iter().map(line).collect::<Vec<_>>().join(" / "))
}

fn parse(bytes: &[u8]) -> Value {
    json::parse(bytes).expect("the material is JSON")
}

#[test]
fn official_examples_are_valid() {
    let (validator, mut suite) = (validator(), Suite::new("examples"));
    let found = material::each_file("official_examples_are_valid", "fhir/r4-examples.tar.gz", |name, bytes| {
        let name = name.rsplit('/').next().unwrap_or(name);
        suite.case(name, verdict(&validator.check(&parse(bytes))));
    });
    if let Some(count) = found {
        assert_eq!(count, 714);
        suite.finish();
    }
}

#[test]
fn synthea_patients_are_valid() {
    let (validator, mut suite) = (validator(), Suite::new("synthea"));
    let found = material::each_file("synthea_patients_are_valid", "fhir/synthea-r4-150.tar.gz", |name, bytes| {
        let name = name.rsplit('/').next().unwrap_or(name);
        suite.case(name, verdict(&validator.check(&parse(bytes))));
    });
    if found.is_some() {
        suite.finish();
    }
}

/// One case for each file, and one for each element some resource has wrong: where the generator leaves R4.
#[test]
fn clinosim_is_valid_but_for_listed_elements() {
    let (validator, mut suite) = (validator(), Suite::new("clinosim"));
    let (mut valid, mut refused) = (0, 0);
    let test = "clinosim_is_valid_but_for_listed_elements";
    let found = material::each_file(test, "fhir/clinosim-jp-206.tar.gz", |name, bytes| {
        suite.case(name.rsplit('/').next().unwrap_or(name), Ok(()));
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let resource = parse(line);
            let issues = validator.check(&resource);
            let dosage = resource.get("dosage").filter(|_| name.contains("MedicationAdministration"));
            for lacking in ["timing", "doseAndRate"] {
                let place = format!("MedicationAdministration.dosage.{lacking}");
                let said = issues.iter().any(|issue| issue.expression.as_deref() == Some(&place));
                assert_eq!(said, dosage.is_some_and(|dosage| dosage.get(lacking).is_some()), "{name}:{}", number + 1);
            }
            if issues.is_empty() {
                valid += 1
            } else {
                refused += 1
            }
            for issue in issues {
                let place = issue.expression.as_deref().unwrap_or_default();
                let element = place.split('[').enumerate().map(|(at, part)| match part.split_once(']') {
                    Some((_, rest)) if at > 0 => rest,
                    _ => part,
                });
                suite.case(element.collect::<String>(), Err(format!("{name}:{}: {}", number + 1, issue.text)));
            }
        }
    });
    if found.is_some() {
        eprintln!("clinosim: {valid} resources are valid, {refused} are refused");
        suite.finish();
    }
}
