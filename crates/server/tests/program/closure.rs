//! What belongs to a patient, worked out from the official package alone and over the test's own copy of the data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use testkit::material;
use testkit::region::{Resources, parse};

/// Where a resource of each type says to which patient it belongs: paths of references.
pub(crate) struct Compartment(BTreeMap<String, Vec<Vec<String>>>);

impl Compartment {
    /// The patient compartment of the official package; none, said on behalf of `test`, when it is not there.
    pub(crate) fn of_patients(test: &str) -> Option<Self> {
        let (mut rules, mut expressions) = (Vec::new(), Vec::new());
        material::each_file(test, "fhir/r4-core-4.0.1.tar.gz", |name, bytes| {
            let name = name.rsplit('/').next().unwrap_or(name);
            if name == "CompartmentDefinition-patient.json" {
                let definition = parse(bytes);
                for rule in definition["resource"].as_array().expect("a compartment has resources") {
                    let type_ = rule["code"].as_str().expect("a rule names a type").to_owned();
                    let params = rule["param"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    rules.extend(params.map(|param| (type_.clone(), param.to_owned())));
                }
            } else if name.starts_with("SearchParameter-") {
                let parameter = parse(bytes);
                let Some(expression) = parameter["expression"].as_str() else { return };
                let code = parameter["code"].as_str().expect("a parameter has a code").to_owned();
                expressions.push((code, expression.to_owned()));
            }
        })?;
        let mut paths: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for (type_, param) in rules {
            let of_code = expressions.iter().filter(|(code, _)| *code == param);
            let alternatives = of_code.flat_map(|(_, expression)| expression.split('|'));
            let found: Vec<Vec<String>> = alternatives.filter_map(|alternative| path(alternative, &type_)).collect();
            paths.entry(type_).or_default().extend(found);
        }
        assert!(paths.len() > 50, "the package names {} types", paths.len());
        Some(Self(paths))
    }

    /// The patients to whom a resource belongs.
    fn owners<'r>(&self, resource: &'r Value) -> BTreeSet<&'r str> {
        let type_ = resource["resourceType"].as_str().unwrap_or_default();
        let paths = self.0.get(type_).into_iter().flatten();
        let targets = paths.flat_map(|path| at(resource, path)).filter_map(|value| value["reference"].as_str());
        targets.filter(|target| target.starts_with("Patient/")).collect()
    }

    /// What `$everything` must answer for each patient: the patient, what belongs to them, and what any of these
    /// refers to unless it belongs to somebody else.
    pub(crate) fn everything(&self, resources: &Resources) -> BTreeMap<String, BTreeSet<String>> {
        let is_person = |name: &str| name.starts_with("Patient/");
        let owners: BTreeMap<&String, BTreeSet<&str>> =
            resources.iter().map(|(name, resource)| (name, self.owners(resource))).collect();
        let mut all: BTreeMap<String, BTreeSet<String>> =
            resources.keys().filter(|name| is_person(name)).map(|name| (name.clone(), [name.clone()].into())).collect();
        for (name, owners) in &owners {
            for owner in owners {
                all.entry((*owner).to_owned()).or_default().insert((*name).clone());
            }
        }
        for own in all.values_mut() {
            let mut referred = BTreeSet::new();
            own.iter().filter_map(|name| resources.get(name)).for_each(|resource| references(resource, &mut referred));
            let common =
                |target: &String| resources.contains_key(target) && !is_person(target) && owners[target].is_empty();
            own.extend(referred.into_iter().filter(common));
        }
        all
    }
}

/// The members an alternative of a search parameter leads through from a resource of this type.
fn path(alternative: &str, type_: &str) -> Option<Vec<String>> {
    let plain = alternative.trim().trim_start_matches('(').trim();
    let plain = plain.split(".where(").next().unwrap_or(plain);
    let (plain, is_choice) = match plain.split_once(" as ").or_else(|| plain.split_once(".as(")) {
        Some((before, _)) => (before, true),
        None => (plain, false),
    };
    let mut steps: Vec<String> = plain.trim_end_matches(')').split('.').map(str::to_owned).collect();
    if steps.remove(0) != type_ {
        return None;
    }
    if let Some(last) = steps.last_mut().filter(|_| is_choice) {
        last.push_str("Reference");
    }
    Some(steps)
}

/// The values at a path, every list on the way opened.
fn at<'r>(value: &'r Value, path: &[String]) -> Vec<&'r Value> {
    match (value, path) {
        (Value::Array(items), _) => items.iter().flat_map(|item| at(item, path)).collect(),
        (_, []) => vec![value],
        (_, [step, rest @ ..]) => value.get(step).into_iter().flat_map(|value| at(value, rest)).collect(),
    }
}

/// Every literal reference anywhere in a resource.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(target) = value.as_str().filter(|_| name == "reference") {
                    found.insert(target.to_owned());
                } else {
                    references(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
