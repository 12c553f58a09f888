//! What suggests a protocol, as a `PlanDefinition` of rules.

use fhir::Value;
use sonic_rs::{JsonValueTrait, json};

use super::place::{Place, expression, list, push, put_text, set, take_text, text};
use super::{BASE, canonical, name_of};

/// The system of the identifiers by which rules are known: the code of the protocol they suggest.
pub(super) fn system() -> String {
    format!("{BASE}sid/criteria")
}

pub(super) const RULES: &[Place] = &[
    Place::Fixed("resourceType", r#""PlanDefinition""#),
    Place::With(
        |table, out, _| {
            let protocol = take_text(table, "protocol").unwrap_or_default();
            let name = format!("{protocol}-criteria");
            set(out, "id", Value::from(name.as_str()));
            set(out, "url", Value::from(canonical("PlanDefinition", &name).as_str()));
            set(out, "name", Value::from(name_of(&name).as_str()));
            push(out, "identifier", json!({ "system": system(), "value": protocol }));
            let plan = canonical("PlanDefinition", &protocol);
            push(out, "relatedArtifact", json!({ "type": "depends-on", "resource": plan }));
        },
        |value, table| {
            put_text(table, "protocol", list(value, "identifier").first().and_then(|one| text(one, "value")))
        },
    ),
    Place::Fixed(
        "type",
        r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/plan-definition-type","code":"eca-rule"}]}"#,
    ),
    Place::Fixed("status", r#""active""#),
    Place::Each("criterion", "action", RULE),
];

const RULE: &[Place] = &[
    Place::Text("code", "id"),
    Place::Words("title", "title"),
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
    Place::With(
        |table, out, _| {
            if let Some(source) = take_text(table, "source") {
                push(out, "documentation", json!({ "type": "citation", "display": source }));
            }
        },
        |value, table| {
            put_text(table, "source", list(value, "documentation").first().and_then(|one| text(one, "display")));
        },
    ),
];

/// Whether a plan holds rules, and no protocol.
pub(super) fn are_rules(plan: &Value) -> bool {
    let system = system();
    list(plan, "identifier").iter().any(|one| text(one, "system") == Some(&system))
}
