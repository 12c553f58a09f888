//! What the index holds of a resource equals what FHIRPath finds in it, for every official search parameter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use fhir::definitions::{ParamKind, r4};
use fhir::path::{Environment, Expression, Node};
use fhir::search::{IndexValue, Registry};
use fhir::{Value, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::material;

/// What one value may be found by, in words that both sides can say. Numbers and times only say that they are there.
fn found_by(kind: ParamKind, node: Node<'_>) -> BTreeSet<String> {
    let (Some(value), Some(type_def)) = (node.value(), node.type_def()) else { return BTreeSet::new() };
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let all = |names: &[&str]| names.iter().flat_map(|name| strings(&value[*name])).collect();
    let own = || value.as_str().map(str::to_owned).into_iter().collect();
    let there = |is: bool| if is { BTreeSet::from(["there".to_owned()]) } else { BTreeSet::new() };
    match (kind, type_def.name) {
        (ParamKind::Token, "Coding") => text("code").into_iter().collect(),
        (ParamKind::Token, "CodeableConcept") => {
            let codings = value.get("coding").and_then(|list| list.as_array());
            let code = |coding: &Value| Some(coding.get("code")?.as_str()?.to_owned());
            codings.into_iter().flat_map(|list| list.iter()).filter_map(code).collect()
        }
        (ParamKind::Token, "Identifier" | "ContactPoint") => text("value").into_iter().collect(),
        (ParamKind::Token, "boolean") => value.as_bool().map(|flag| flag.to_string()).into_iter().collect(),
        (ParamKind::Token | ParamKind::Uri, _) => own(),
        (ParamKind::String, "HumanName") => all(&["text", "family", "given", "prefix", "suffix"]),
        (ParamKind::String, "Address") => all(&["text", "line", "city", "district", "state", "postalCode", "country"]),
        (ParamKind::String, _) => own(),
        (ParamKind::Reference, "Reference") => {
            let target = text("reference").filter(|target| !target.starts_with('#'));
            target.map(|target| target.split("/_history/").next().unwrap_or_default().to_owned()).into_iter().collect()
        }
        (ParamKind::Reference, _) if value.is_object() => {
            let (name, id) = (text("resourceType"), text("id"));
            name.zip(id).map(|(name, id)| format!("{name}/{id}")).into_iter().collect()
        }
        (ParamKind::Reference, _) => own().into_iter().filter(|target: &String| !target.starts_with('#')).collect(),
        (ParamKind::Date, "Period") => there(text("start").is_some() || text("end").is_some()),
        (ParamKind::Date, "Timing") => there(
            value.get("event").is_some()
                || value.get("repeat").is_some_and(|repeat| repeat.get("boundsPeriod").is_some()),
        ),
        (ParamKind::Date, "date" | "dateTime" | "instant") => there(value.is_str()),
        // Words such as "last spring" can be no date.
        (ParamKind::Date, _) => BTreeSet::new(),
        (ParamKind::Number | ParamKind::Quantity, "Range") => {
            there(value.get("low").is_some() || value.get("high").is_some())
        }
        (ParamKind::Number, _) => there(value.is_number()),
        (ParamKind::Quantity, "SampledData") => BTreeSet::new(),
        (ParamKind::Quantity, _) => there(value.get("value").is_some()),
        (ParamKind::Composite | ParamKind::Special, _) => BTreeSet::new(),
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value.as_array() {
        Some(list) => list.iter().filter_map(|item| item.as_str()).map(str::to_owned).collect(),
        None => value.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// The same of an index row; none for one that is there besides, such as the sound of a name.
fn told_by(value: &IndexValue<'_>) -> Option<String> {
    Some(match value {
        IndexValue::Token { code, .. } => code.to_string(),
        IndexValue::Reference { target } => target.to_string(),
        IndexValue::Text { exact: Cow::Borrowed(""), .. } => return None,
        IndexValue::Text { exact, .. } => exact.to_string(),
        IndexValue::Date { .. } | IndexValue::Number { .. } | IndexValue::Quantity { .. } => "there".to_owned(),
    })
}

struct Check {
    registry: Registry,
    expressions: BTreeMap<&'static str, Expression>,
    compared: usize,
    not_empty: usize,
    differences: Vec<String>,
}

impl Check {
    fn new() -> Self {
        let expressions = r4().search_parameters().iter().filter_map(|parameter| {
            Some((parameter.url, Expression::parse(parameter.expression?).expect("official expressions are FHIRPath")))
        });
        let registry = Registry::base(jiff::tz::offset(8));
        Self { expressions: expressions.collect(), registry, compared: 0, not_empty: 0, differences: Vec::new() }
    }

    fn resource(&mut self, resource: &Value) {
        let Some(type_name) = resource.get("resourceType").and_then(|name| name.as_str()) else { return };
        let rows = self.registry.extract(resource);
        for param in self.registry.params(type_name).filter(|param| param.is_public() && param.is_indexed()) {
            let Some(expression) = self.expressions.get(&*param.url) else { continue };
            let environment = Environment::new(r4()).of(resource);
            let nodes = expression.evaluate(resource, &environment).expect("official expressions can be evaluated");
            let mut expected: BTreeSet<String> = BTreeSet::new();
            for item in &nodes {
                match item.node() {
                    Some(node) => expected.extend(found_by(param.kind, node)),
                    None => expected.extend(item.to_text().map(Cow::into_owned)),
                }
            }
            let told: BTreeSet<String> =
                rows.iter().filter(|entry| entry.param == param.id).filter_map(|entry| told_by(&entry.value)).collect();
            // The index also knows a canonical without its version and a telephone number without its blanks.
            let besides = |told: &&String| {
                expected.contains(*told)
                    || expected.iter().any(|whole| {
                        let digits: String =
                            whole.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
                        whole.split('|').next() == Some(told.as_str()) || digits == **told
                    })
            };
            let id = resource.get("id").and_then(|id| id.as_str()).unwrap_or_default();
            let cut: BTreeSet<String> = expected.iter().map(|text| fhir::search::key(text).to_owned()).collect();
            let whole = cut.is_subset(&told) || (param.kind == ParamKind::String && expected.is_subset(&told));
            if !whole || !told.iter().all(|told| besides(&told) || cut.contains(told)) {
                let (code, total) = (&param.code, nodes.len());
                self.differences.push(format!("{type_name}/{id} {code}: {told:?} for {expected:?} of {total} nodes"));
            }
            self.compared += 1;
            self.not_empty += usize::from(!expected.is_empty());
        }
    }

    fn finish(&self, compared: usize, not_empty: usize) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        let enough = self.compared > compared && self.not_empty > not_empty;
        assert!(enough, "{} compared, {} of them not empty", self.compared, self.not_empty);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let value = json::parse(bytes).expect("the material is JSON");
        self.resource(&value);
        for entry in value.get("entry").and_then(|list| list.as_array()).into_iter().flat_map(|list| list.iter()) {
            if let Some(resource) = entry.get("resource") {
                self.resource(resource);
            }
        }
    }
}

#[test]
fn the_index_holds_what_the_official_expressions_find_in_the_official_examples() {
    let mut check = Check::new();
    let test = "the_index_holds_what_the_official_expressions_find_in_the_official_examples";
    if material::each_file(test, "fhir/r4-examples.tar.gz", |_, bytes| check.bytes(bytes)).is_some() {
        check.finish(10_000, 3_000);
    }
}

#[test]
fn the_index_holds_what_the_official_expressions_find_in_synthetic_patients() {
    let mut check = Check::new();
    let Ok(folder) = std::fs::read_dir(material::folder().join("fhir/mini")) else {
        eprintln!(
            "skipped: the_index_holds_what_the_official_expressions_find_in_synthetic_patients: fhir/mini is missing"
        );
        return;
    };
    for file in folder {
        check.bytes(&std::fs::read(file.expect("the folder can be listed").path()).expect("the file can be read"));
    }
    check.finish(5_000, 2_000);
}
