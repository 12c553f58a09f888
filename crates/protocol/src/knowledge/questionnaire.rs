//! A form as `Questionnaire`, with the extensions of Structured Data Capture.
//! <http://hl7.org/fhir/uv/sdc/STU3/expressions.html>

use fhir::Value;
use sonic_rs::{JsonValueTrait, json};
use toml::{Table, Value as Word};

use super::place::{
    Place, expression, extensions, list, number, push, put_tables, put_text, put_texts, read, set, set_words,
    take_tables, take_text, take_texts, text, words, write,
};
use super::{canonical, code_of, name_of};
use crate::definition::Protocol;

const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";
const VARIABLE: &str = "http://hl7.org/fhir/StructureDefinition/variable";
const HIDDEN: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden";
const CONTROL: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl";
const TARGET: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource";
const UNIT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit";
const LIMITS: [(&str, &str); 2] = [
    ("min", "http://hl7.org/fhir/StructureDefinition/minValue"),
    ("max", "http://hl7.org/fhir/StructureDefinition/maxValue"),
];
/// What the code of an answer counts. <http://hl7.org/fhir/R4/extension-ordinalvalue.html>
pub(super) const SCORE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
/// <http://hl7.org/fhir/R4/extension-questionnaire-constraint.html>
const CONSTRAINT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-constraint";
const ENABLED: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression";
const INITIAL: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-initialExpression";
const CALCULATED: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";

pub(super) const QUESTIONNAIRE: &[Place] = &[
    Place::Fixed("resourceType", r#""Questionnaire""#),
    Place::With(
        |table, out, _| {
            let code = take_text(table, "code").unwrap_or_default();
            set(out, "id", Value::from(code.as_str()));
            set(out, "url", Value::from(canonical("Questionnaire", &code).as_str()));
            set(out, "name", Value::from(name_of(&code).as_str()));
        },
        |value, table| put_text(table, "code", text(value, "url").and_then(|url| code_of(url, "Questionnaire"))),
    ),
    Place::Words("title", "title"),
    Place::Fixed("status", r#""active""#),
    Place::Words("purpose", "purpose"),
    Place::With(write_launch, |_, _| {}),
    Place::With(
        |table, out, _| {
            for mut variable in take_tables(table, "variable") {
                let (name, path) = (take_text(&mut variable, "code"), take_text(&mut variable, "value"));
                let mut value = expression(&path.unwrap_or_default());
                set(&mut value, "name", Value::from(name.unwrap_or_default().as_str()));
                push(out, "extension", json!({ "url": VARIABLE, "valueExpression": value }));
            }
        },
        |value, table| {
            let found = extensions(value, VARIABLE).filter_map(|one| one.get("valueExpression"));
            let variables = found.map(|one| {
                let mut variable = Table::new();
                put_text(&mut variable, "code", text(one, "name"));
                put_text(&mut variable, "value", text(one, "expression"));
                variable
            });
            put_tables(table, "variable", variables);
        },
    ),
    Place::With(write_items, read_items),
];

const ITEM: &[Place] = &[
    Place::Text("code", "linkId"),
    Place::Words("title", "text"),
    Place::With(write_kind, read_kind),
    Place::Flag("required", "required"),
    Place::Flag("repeats", "repeats"),
    Place::Flag("read-only", "readOnly"),
    Place::Whole("length", "maxLength"),
    Place::Mark("hidden", HIDDEN),
    Place::Formula("when", ENABLED),
    Place::Formula("initial", INITIAL),
    Place::Formula("calculated", CALCULATED),
    Place::With(write_total, read_total),
    Place::With(write_rules, read_rules),
    Place::With(
        |table, out, _| {
            if let Some(code) = take_text(table, "list") {
                let set_url = if code.contains(':') { code } else { canonical("ValueSet", &code) };
                set(out, "answerValueSet", Value::from(set_url.as_str()));
            }
        },
        |value, table| {
            let found = text(value, "answerValueSet");
            put_text(table, "list", found.map(|url| code_of(url, "ValueSet").unwrap_or(url)));
        },
    ),
    Place::With(
        |table, out, _| {
            for name in take_texts(table, "types") {
                push(out, "extension", json!({ "url": TARGET, "valueCode": name }));
            }
        },
        |value, table| put_texts(table, "types", extensions(value, TARGET).filter_map(|one| text(one, "valueCode"))),
    ),
    Place::With(
        |table, out, _| {
            if let Some(unit) = take_text(table, "unit") {
                let coding = json!({ "system": "http://unitsofmeasure.org", "code": &unit, "display": &unit });
                push(out, "extension", json!({ "url": UNIT, "valueCoding": coding }));
            }
        },
        |value, table| {
            let coding = extensions(value, UNIT).next().and_then(|one| one.get("valueCoding"));
            put_text(table, "unit", coding.and_then(|coding| text(coding, "code")));
        },
    ),
    Place::With(write_limits, read_limits),
    Place::With(write_help, read_help),
    Place::With(write_items, read_items),
];

/// The kinds of items, and what FHIR calls them. <http://hl7.org/fhir/R4/valueset-item-type.html>
const KINDS: &[(&str, &str)] = &[
    ("group", "group"),
    ("string", "string"),
    ("text", "text"),
    ("number", "decimal"),
    ("integer", "integer"),
    ("date", "date"),
    ("time", "time"),
    ("instant", "dateTime"),
    ("choice", "choice"),
    ("yes-no", "boolean"),
    ("reference", "reference"),
    ("display", "display"),
    ("attachment", "attachment"),
];

fn write_kind(table: &mut Table, out: &mut Value, _: &Protocol) {
    let kind = take_text(table, "kind").unwrap_or_default();
    let type_ = KINDS.iter().find(|(own, _)| *own == kind).map_or("string", |(_, type_)| type_);
    let open = kind == "choice" && table.remove("other").is_some();
    set(out, "type", Value::from(if open { "open-choice" } else { type_ }));
}

fn read_kind(value: &Value, table: &mut Table) {
    let type_ = text(value, "type").unwrap_or_default();
    if type_ == "open-choice" {
        table.insert("other".to_owned(), Word::Boolean(true));
    }
    let type_ = type_.strip_prefix("open-").unwrap_or(type_);
    put_text(table, "kind", Some(KINDS.iter().find(|(_, known)| *known == type_).map_or(type_, |(kind, _)| kind)));
}

fn write_items(table: &mut Table, out: &mut Value, protocol: &Protocol) {
    for item in take_tables(table, "item") {
        push(out, "item", write(item, ITEM, protocol));
    }
}

fn read_items(value: &Value, table: &mut Table) {
    let items = list(value, "item").iter().filter(|one| !is_help(one));
    put_tables(table, "item", items.map(|one| read(one, ITEM)));
}

/// A total is kept as what it is the total of; the expression that follows from it is for everybody else.
fn write_total(table: &mut Table, out: &mut Value, _: &Protocol) {
    let Some(items) = table.get("total").and_then(Word::as_array) else { return };
    let items: Vec<&str> = items.iter().filter_map(Word::as_str).collect();
    if extensions(out, CALCULATED).next().is_none() {
        push(out, "extension", json!({ "url": CALCULATED, "valueExpression": expression(&total(&items)) }));
    }
}

fn read_total(_: &Value, table: &mut Table) {
    let items = table.get("total").and_then(Word::as_array).into_iter().flatten();
    let items: Vec<&str> = items.filter_map(Word::as_str).collect();
    if !items.is_empty() && table.get("calculated").and_then(Word::as_str) == Some(&total(&items)) {
        table.remove("calculated");
    }
}

/// The sum of the scores of coded answers and of numbers, and nothing while one of the items has no answer. A code
/// without a score adds nothing; when none has one, there is no sum.
pub(super) fn total(items: &[&str]) -> String {
    let quoted: Vec<String> = items.iter().map(|code| format!("'{}'", code.replace(['\\', '\''], ""))).collect();
    let answers =
        format!("%resource.repeat(item).where(linkId in ({})).where(answer.value.exists())", quoted.join(" | "));
    let score = format!("iif(code.exists(), extension('{SCORE}').value, $this)");
    format!(
        "iif({answers}.linkId.distinct().count() = {}, {answers}.answer.value.select({score})\
         .aggregate(iif($total.empty(), $this, $total + $this)), {{}})",
        items.len()
    )
}

/// A rule keeps the words in both languages beside its expression.
fn write_rules(table: &mut Table, out: &mut Value, _: &Protocol) {
    let code = text(out, "linkId").unwrap_or_default().to_owned();
    for (at, mut rule) in take_tables(table, "must").into_iter().enumerate() {
        let path = take_text(&mut rule, "holds").unwrap_or_default();
        let mut human = json!({ "url": "human" });
        if let Some(Word::Table(told)) = rule.remove("told") {
            set_words(&mut human, "valueString", &told);
        }
        let parts = [
            json!({ "url": "key", "valueId": format!("{}-{}", key_of(&code), at + 1) }),
            json!({ "url": "severity", "valueCode": "error" }),
            json!({ "url": "expression", "valueString": path }),
            human,
        ];
        push(out, "extension", json!({ "url": CONSTRAINT, "extension": parts }));
    }
}

fn read_rules(value: &Value, table: &mut Table) {
    let rules = extensions(value, CONSTRAINT).map(|one| {
        let part = |name: &str| list(one, "extension").iter().find(|part| text(part, "url") == Some(name));
        let mut rule = Table::new();
        put_text(&mut rule, "holds", part("expression").and_then(|part| text(part, "valueString")));
        if let Some(told) = part("human").and_then(|part| words(part, "valueString")) {
            rule.insert("told".to_owned(), Word::Table(told));
        }
        rule
    });
    put_tables(table, "must", rules);
}

/// What of an item's code can stand in an id. <http://hl7.org/fhir/R4/datatypes.html#id>
fn key_of(code: &str) -> String {
    let fits = |one: char| if one.is_ascii_alphanumeric() || one == '-' || one == '.' { one } else { '-' };
    code.chars().map(fits).take(60).collect()
}

/// A whole number is limited by whole numbers.
fn write_limits(table: &mut Table, out: &mut Value, _: &Protocol) {
    let is_whole = text(out, "type") == Some("integer");
    for (key, url) in LIMITS {
        let limit = match table.get(key) {
            Some(Word::Integer(limit)) if is_whole => json!({ "url": url, "valueInteger": limit }),
            Some(Word::Integer(_) | Word::Float(_)) => {
                let digits = table[key].to_string();
                let mut limit = json!({ "url": url });
                set(&mut limit, "valueDecimal", sonic_rs::from_str(&digits).expect("a number of TOML is one of JSON"));
                limit
            }
            _ => continue,
        };
        table.remove(key);
        push(out, "extension", limit);
    }
}

fn read_limits(value: &Value, table: &mut Table) {
    for (key, url) in LIMITS {
        let limit = extensions(value, url).next();
        let limit = limit.and_then(|one| one.get("valueInteger").or_else(|| one.get("valueDecimal")));
        if let Some(limit) = limit.and_then(number) {
            table.insert(key.to_owned(), limit);
        }
    }
}

/// Help is a text within its question. <http://hl7.org/fhir/R4/valueset-questionnaire-item-control.html>
fn write_help(table: &mut Table, out: &mut Value, _: &Protocol) {
    if text(out, "type") == Some("display") {
        return;
    }
    let Some(Word::Table(help)) = table.remove("help") else { return };
    let code = text(out, "linkId").unwrap_or_default();
    let system = "http://hl7.org/fhir/questionnaire-item-control";
    let control = json!({ "coding": [{ "system": system, "code": "help" }] });
    let mut item = json!({ "linkId": format!("{code}.help"), "type": "display" });
    push(&mut item, "extension", json!({ "url": CONTROL, "valueCodeableConcept": control }));
    set_words(&mut item, "text", &help);
    push(out, "item", item);
}

fn read_help(value: &Value, table: &mut Table) {
    let help = list(value, "item").iter().find(|one| is_help(one));
    if let Some(help) = help.and_then(|help| words(help, "text")) {
        table.insert("help".to_owned(), Word::Table(help));
    }
}

/// Whether an item helps to answer the one around it.
fn is_help(item: &Value) -> bool {
    let control = extensions(item, CONTROL).next().and_then(|one| one.get("valueCodeableConcept"));
    let coding = control.map(|control| list(control, "coding")).unwrap_or_default();
    coding.iter().any(|coding| text(coding, "code") == Some("help"))
}

/// Whoever shows the form must know the patient when an answer is taken from them.
fn write_launch(table: &mut Table, out: &mut Value, _: &Protocol) {
    if !asks_for_patient(table) {
        return;
    }
    let name = json!({ "system": "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext", "code": "patient" });
    let parts = [json!({ "url": "name", "valueCoding": name }), json!({ "url": "type", "valueCode": "Patient" })];
    push(out, "extension", json!({ "url": format!("{SDC}launchContext"), "extension": parts }));
}

fn asks_for_patient(table: &Table) -> bool {
    let items = table.get("item").and_then(Word::as_array).into_iter().flatten().filter_map(Word::as_table);
    items.into_iter().any(|item| {
        item.get("initial").and_then(Word::as_str).is_some_and(|path| path.contains("%patient"))
            || asks_for_patient(item)
    })
}
