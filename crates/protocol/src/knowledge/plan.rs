//! A protocol as `PlanDefinition`, `ActivityDefinition` and `Measure`.
//!
//! The steps are the actions below one action whose triggers are the starts; the outcomes of a step are its own actions;
//! a clock is a goal and its limits are the goal's targets. What the others of those words say follows as extensions.
//! `relatedAction` and `goalId` say again, for readers that know only FHIR, what requirements and clocks say.

use fhir::Value;
use sonic_rs::{JsonValueTrait, Object, json};
use toml::{Table, Value as Word};

use super::place::{
    Place, expression, list, push, put_tables, put_text, put_texts, read, set, set_words, take_tables, take_text,
    take_texts, text, words, write,
};
use super::{BASE, canonical, code_of, name_of};
use crate::definition::{PartyKind, Protocol, Step};

/// `ActivityDefinition.kind` in R4. <http://hl7.org/fhir/R4/valueset-request-resource-types.html>
const REQUESTS: &[&str] = &[
    "Appointment",
    "AppointmentResponse",
    "CarePlan",
    "Claim",
    "CommunicationRequest",
    "Contract",
    "DeviceRequest",
    "EnrollmentRequest",
    "ImmunizationRecommendation",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "SupplyRequest",
    "Task",
    "VisionPrescription",
];

pub(super) const PLAN: &[Place] = &[
    Place::Fixed("resourceType", r#""PlanDefinition""#),
    Place::With(write_name, read_name),
    Place::Words("title", "title"),
    Place::Fixed(
        "type",
        r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/plan-definition-type","code":"workflow-definition"}]}"#,
    ),
    Place::Fixed("status", r#""active""#),
    Place::Words("purpose", "purpose"),
    Place::With(write_sources, read_sources),
    Place::With(write_parts, |_, _| {}),
    Place::Each("clock", "goal", GOAL),
    Place::With(write_actions, read_actions),
];

const GOAL: &[Place] = &[
    Place::Text("code", "id"),
    Place::With(
        |table, out, protocol| {
            let mut description = coded("clock", protocol, text(out, "id").unwrap_or_default());
            if let Some(Word::Table(title)) = table.remove("title") {
                set_words(&mut description, "text", &title);
            }
            set(out, "description", description);
        },
        |value, table| {
            if let Some(title) = value.get("description").and_then(|description| words(description, "text")) {
                table.insert("title".to_owned(), Word::Table(title));
            }
        },
    ),
    Place::With(
        |table, out, protocol| {
            if let Some(from) = take_text(table, "from") {
                set(out, "start", coded("milestone", protocol, &from));
            }
        },
        |value, table| put_text(table, "from", value.get("start").and_then(code_in)),
    ),
    Place::Each("limit", "target", TARGET),
];

const TARGET: &[Place] = &[Place::With(
    |table, out, _| {
        if let Some((amount, unit)) = take_span(table, "breach") {
            let due = json!({ "value": amount, "unit": &unit, "system": "http://unitsofmeasure.org", "code": &unit });
            set(out, "due", due);
        }
    },
    |value, table| {
        if let Some(due) = value.get("due") {
            put_span(table, "breach", due.get("value"), text(due, "code"));
        }
    },
)];

const ACTION: &[Place] = &[
    Place::Text("code", "id"),
    Place::Words("title", "title"),
    Place::With(
        |_, out, protocol| {
            let code = coded("step", protocol, text(out, "id").unwrap_or_default());
            push(out, "code", code);
        },
        |_, _| {},
    ),
    Place::With(
        |table, out, _| {
            if let Some(when) = take_text(table, "when") {
                push(out, "condition", json!({ "kind": "applicability", "expression": expression(&when) }));
            }
        },
        |value, table| {
            let when = list(value, "condition").first().and_then(|condition| condition.get("expression"));
            put_text(table, "when", when.and_then(|when| text(when, "expression")));
        },
    ),
    Place::With(write_related, |_, _| {}),
    Place::With(
        |table, out, protocol| {
            if let Some(who) = take_text(table, "who") {
                let kind = match protocol.role(&who).map(|role| role.party) {
                    Some(PartyKind::Patient) => "patient",
                    Some(PartyKind::System) => "device",
                    _ => "practitioner",
                };
                push(out, "participant", json!({ "type": kind, "role": coded("role", protocol, &who) }));
            }
        },
        |value, table| {
            let who = list(value, "participant").first().and_then(|participant| participant.get("role"));
            put_text(table, "who", who.and_then(code_in));
        },
    ),
    Place::With(
        |table, out, _| {
            let optional = table.remove("optional").is_some();
            set(out, "requiredBehavior", Value::from(if optional { "could" } else { "must" }));
        },
        |value, table| {
            if text(value, "requiredBehavior") == Some("could") {
                table.insert("optional".to_owned(), Word::Boolean(true));
            }
        },
    ),
    Place::With(write_definition, read_definition),
    Place::With(
        |table, out, _| {
            if table.contains_key("outcome") {
                set(out, "selectionBehavior", Value::from("exactly-one"));
            }
        },
        |_, _| {},
    ),
    Place::Each("outcome", "action", OUTCOME),
];

const OUTCOME: &[Place] = &[
    Place::With(
        |table, out, protocol| {
            if let Some(code) = take_text(table, "code") {
                push(out, "code", coded("outcome", protocol, &code));
            }
        },
        |value, table| put_text(table, "code", list(value, "code").first().and_then(code_in)),
    ),
    Place::Words("title", "title"),
    Place::With(write_definition, read_definition),
];

pub(super) const ACTIVITY: &[Place] = &[
    Place::Fixed("resourceType", r#""ActivityDefinition""#),
    Place::With(write_part, read_part),
    Place::Words("title", "title"),
    Place::Fixed("status", r#""active""#),
    Place::With(
        |table, out, _| {
            let is_request = table.get("create").and_then(Word::as_str).is_some_and(|name| REQUESTS.contains(&name));
            if let Some(kind) = is_request.then(|| take_text(table, "create")).flatten() {
                set(out, "kind", Value::from(kind.as_str()));
            }
        },
        |value, table| put_text(table, "create", text(value, "kind")),
    ),
    Place::Each("set", "dynamicValue", &[Place::Text("path", "path"), Place::Expression("value", "expression")]),
];

pub(super) const MEASURE: &[Place] = &[
    Place::Fixed("resourceType", r#""Measure""#),
    Place::With(write_part, read_part),
    Place::Words("title", "title"),
    Place::Fixed("status", r#""active""#),
    Place::With(write_scoring, read_scoring),
    Place::With(
        |table, out, _| {
            if table.remove("less").is_some() {
                let system = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation";
                set(out, "improvementNotation", json!({ "coding": [{ "system": system, "code": "decrease" }] }));
            }
        },
        |value, table| {
            if value.get("improvementNotation").and_then(code_whole) == Some("decrease") {
                table.insert("less".to_owned(), Word::Boolean(true));
            }
        },
    ),
    Place::With(
        |table, out, _| {
            if let Some(source) = take_text(table, "source") {
                push(out, "relatedArtifact", json!({ "type": "citation", "display": source }));
            }
        },
        |value, table| {
            put_text(table, "source", list(value, "relatedArtifact").first().and_then(|one| text(one, "display")));
        },
    ),
];

fn write_name(table: &mut Table, out: &mut Value, _: &Protocol) {
    let (code, version) = (take_text(table, "code"), take_text(table, "version"));
    let (code, version) = (code.unwrap_or_default(), version.unwrap_or_default());
    named(out, "PlanDefinition", &code, &version);
    push(out, "identifier", json!({ "system": format!("{BASE}sid/protocol"), "value": code }));
}

fn read_name(value: &Value, table: &mut Table) {
    let code = text(value, "url").and_then(|url| code_of(url, "PlanDefinition"));
    put_text(table, "code", code);
    put_text(table, "version", text(value, "version"));
}

/// A part is named for its protocol and itself, and has its protocol's version.
fn write_part(table: &mut Table, out: &mut Value, protocol: &Protocol) {
    let code = take_text(table, "code").unwrap_or_default();
    let type_ = text(out, "resourceType").unwrap_or_default().to_owned();
    named(out, &type_, &part_name(protocol, &code), &protocol.version);
    push(out, "identifier", json!({ "system": format!("{BASE}sid/protocol-part"), "value": code }));
}

fn read_part(value: &Value, table: &mut Table) {
    put_text(table, "code", list(value, "identifier").first().and_then(|one| text(one, "value")));
}

fn part_name(protocol: &Protocol, code: &str) -> String {
    format!("{}-{code}", protocol.code)
}

fn named(out: &mut Value, type_: &str, name: &str, version: &str) {
    set(out, "id", Value::from(format!("{name}-{version}").as_str()));
    set(out, "url", Value::from(canonical(type_, name).as_str()));
    set(out, "version", Value::from(version));
    set(out, "name", Value::from(name_of(name).as_str()));
}

fn write_sources(table: &mut Table, out: &mut Value, _: &Protocol) {
    for source in take_texts(table, "sources") {
        push(out, "relatedArtifact", json!({ "type": "citation", "display": source }));
    }
}

fn read_sources(value: &Value, table: &mut Table) {
    let citations = list(value, "relatedArtifact").iter().filter(|one| text(one, "type") == Some("citation"));
    put_texts(table, "sources", citations.filter_map(|one| text(one, "display")));
}

/// Activities and indicators are resources of their own; the plan names them.
fn write_parts(table: &mut Table, out: &mut Value, protocol: &Protocol) {
    for (key, type_) in [("activity", "ActivityDefinition"), ("indicator", "Measure")] {
        for part in take_tables(table, key) {
            let code = part.get("code").and_then(Word::as_str).unwrap_or_default();
            let resource = format!("{}|{}", canonical(type_, &part_name(protocol, code)), protocol.version);
            push(out, "relatedArtifact", json!({ "type": "composed-of", "resource": resource }));
        }
    }
}

fn write_actions(table: &mut Table, out: &mut Value, protocol: &Protocol) {
    let mut whole = Value::from(Object::new());
    for start in take_tables(table, "start") {
        push(&mut whole, "trigger", write(start, TRIGGER, protocol));
    }
    for step in take_tables(table, "step") {
        push(&mut whole, "action", write(step, ACTION, protocol));
    }
    if whole.get("trigger").is_some() || whole.get("action").is_some() {
        set(&mut whole, "groupingBehavior", Value::from("logical-group"));
        push(out, "action", whole);
    }
}

fn read_actions(value: &Value, table: &mut Table) {
    let Some(whole) = list(value, "action").first() else { return };
    put_tables(table, "start", list(whole, "trigger").iter().map(|one| read(one, TRIGGER)));
    put_tables(table, "step", list(whole, "action").iter().map(|one| read(one, ACTION)));
}

const TRIGGER: &[Place] = &[Place::With(write_trigger, read_trigger)];

fn write_trigger(table: &mut Table, out: &mut Value, _: &Protocol) {
    let by = take_text(table, "by").unwrap_or_default();
    if by == "event"
        && let Some(on) = take_text(table, "on")
    {
        set(out, "type", Value::from("data-changed"));
        push(out, "data", json!({ "type": on }));
        if let Some(when) = take_text(table, "when") {
            set(out, "condition", expression(&when));
        }
    } else if by == "schedule"
        && let Some((amount, unit)) = take_span(table, "every")
    {
        set(out, "type", Value::from("periodic"));
        let repeat = json!({ "frequency": 1, "period": amount, "periodUnit": unit });
        set(out, "timingTiming", json!({ "repeat": repeat }));
    } else {
        set(out, "type", Value::from("named-event"));
        set(out, "name", Value::from(by.as_str()));
    }
}

fn read_trigger(value: &Value, table: &mut Table) {
    let by = match text(value, "type") {
        Some("data-changed") => Some("event"),
        Some("periodic") => Some("schedule"),
        _ => text(value, "name"),
    };
    put_text(table, "by", by);
    put_text(table, "on", list(value, "data").first().and_then(|data| text(data, "type")));
    put_text(table, "when", value.get("condition").and_then(|condition| text(condition, "expression")));
    if let Some(repeat) = value.get("timingTiming").and_then(|timing| timing.get("repeat")) {
        put_span(table, "every", repeat.get("period"), text(repeat, "periodUnit"));
    }
}

/// What a step consists of: another protocol, otherwise a form.
fn write_definition(table: &mut Table, out: &mut Value, _: &Protocol) {
    let next = table.get_mut("protocol").and_then(Word::as_table_mut);
    let defined = match next.and_then(|next| take_text(next, "protocol")) {
        Some(code) => Some(canonical("PlanDefinition", &code)),
        None => take_text(table, "form").map(|code| canonical("Questionnaire", &code)),
    };
    if let Some(defined) = defined {
        set(out, "definitionCanonical", Value::from(defined.as_str()));
    }
}

fn read_definition(value: &Value, table: &mut Table) {
    let Some(defined) = text(value, "definitionCanonical") else { return };
    if let Some(code) = code_of(defined, "PlanDefinition") {
        let next = table.entry("protocol").or_insert_with(|| Word::Table(Table::new()));
        if let Word::Table(next) = next {
            put_text(next, "protocol", Some(code));
        }
    }
    if let Some(code) = code_of(defined, "Questionnaire") {
        put_text(table, "form", Some(code));
    }
}

/// The steps after whose end this one can begin, and the clocks it stops.
fn write_related(_: &mut Table, out: &mut Value, protocol: &Protocol) {
    let Some(step) = text(out, "id").and_then(|code| protocol.step(code)) else { return };
    let required: Vec<&str> = step.requires.iter().flat_map(|any| any.split('|')).map(str::trim).collect();
    let stopped = protocol.clocks.iter().filter(|clock| clock.to.iter().any(|to| reaches(step, to)));
    for clock in stopped {
        push(out, "goalId", Value::from(clock.code.as_str()));
    }
    let before = protocol.steps.iter().filter(|other| other.code != step.code);
    for other in before.filter(|other| required.iter().any(|milestone| reaches(other, milestone))) {
        push(out, "relatedAction", json!({ "actionId": other.code.as_str(), "relationship": "after-end" }));
    }
}

/// Whether a step can reach a milestone.
fn reaches(step: &Step, milestone: &str) -> bool {
    let all = step.outcomes.iter().flat_map(|outcome| &outcome.reach).chain(&step.reach);
    all.into_iter().any(|code| code.as_str() == milestone)
}

fn write_scoring(table: &mut Table, out: &mut Value, protocol: &Protocol) {
    let kind = table.get("kind").and_then(Word::as_str).unwrap_or_default();
    let (scoring, of, measured) = match kind {
        "share" => ("proportion", "denominator", "numerator"),
        "ratio" => ("ratio", "denominator", "numerator"),
        "median" | "p90" => ("continuous-variable", "measure-population", "measure-observation"),
        _ => ("cohort", "", ""),
    };
    // What is made of times needs a word of its own; the others are told by their scoring.
    if matches!(kind, "share" | "ratio" | "count") {
        table.remove("kind");
    }
    let scoring = json!({ "system": "http://terminology.hl7.org/CodeSystem/measure-scoring", "code": scoring });
    set(out, "scoring", json!({ "coding": [scoring] }));
    let texts = |key: &str| -> Vec<&str> {
        table.get(key).and_then(Word::as_array).into_iter().flatten().filter_map(Word::as_str).collect()
    };
    let reached = |code: &str| format!("output.where(type.coding.code = '{}.{code}').exists()", protocol.code);
    let mut about: Vec<String> = texts("having").into_iter().map(reached).collect();
    about.extend(texts("without").into_iter().map(|code| format!("{}.not()", reached(code))));
    let mut counted: Vec<String> = texts("reached").into_iter().map(reached).collect();
    let needs = table.get("need").and_then(Word::as_array).into_iter().flatten();
    let needed = needs.filter_map(|need| need.get("reached")?.as_array()).flatten().filter_map(Word::as_str);
    counted.extend(needed.map(reached));
    let population = |code: &str, rules: &[String]| {
        let rule = if rules.is_empty() { "true".to_owned() } else { rules.join(" and ") };
        let coding = json!({ "system": "http://terminology.hl7.org/CodeSystem/measure-population", "code": code });
        json!({ "code": { "coding": [coding] }, "criteria": expression(&rule) })
    };
    let mut populations = vec![population("initial-population", &about)];
    if !measured.is_empty() {
        populations.push(population(of, &about));
        populations.push(population(measured, &counted));
    }
    set(out, "group", json!([{ "population": populations }]));
}

fn read_scoring(value: &Value, table: &mut Table) {
    let scoring = value.get("scoring").and_then(code_whole);
    if !table.contains_key("kind") {
        let kind = match scoring {
            Some("proportion") => "share",
            Some("ratio") => "ratio",
            _ => "count",
        };
        put_text(table, "kind", Some(kind));
    }
}

/// A code of a protocol, such as `referral.review` in the system of steps.
fn coded(system: &str, protocol: &Protocol, code: &str) -> Value {
    let code = format!("{}.{code}", protocol.code);
    json!({ "coding": [{ "system": format!("{BASE}CodeSystem/{system}"), "code": code }] })
}

/// The code in a concept, as it stands in its system.
fn code_whole(concept: &Value) -> Option<&str> {
    list(concept, "coding").first().and_then(|coding| text(coding, "code"))
}

/// The code in a concept, without its protocol.
fn code_in(concept: &Value) -> Option<&str> {
    code_whole(concept)?.split_once('.').map(|(_, code)| code)
}

fn take_span(table: &mut Table, key: &str) -> Option<(u32, String)> {
    let text = take_text(table, key)?;
    let (amount, unit) = text.split_once(' ')?;
    Some((amount.parse().ok()?, unit.to_owned()))
}

fn put_span(table: &mut Table, key: &str, amount: Option<&Value>, unit: Option<&str>) {
    if let (Some(amount), Some(unit)) = (amount, unit) {
        put_text(table, key, Some(&format!("{amount} {unit}")));
    }
}
