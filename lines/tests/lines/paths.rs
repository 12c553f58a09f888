//! What a run knows, for FHIRPath, where there is no record: the response that was just given, the run and its focus.

use std::collections::BTreeMap;

use fhir::path::{Environment, Expression, Item, Node};
use fhir::{Value, definitions, json};
use jiff::Timestamp;
use protocol::definition::Fact;
use protocol::form::{Form, Item as Asked, Kind};
use protocol::run::{Party, Run};
use protocol::{Code, Line, Protocol};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::stage::zone;

/// An answer to a question of a form, as it is written in a scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Flag(bool),
    Number(f64),
    Text(String),
}

/// A response to a form with these answers.
pub(crate) fn response(answers: &BTreeMap<String, Answer>) -> Json {
    let items: Vec<Json> = answers
        .iter()
        .map(|(code, answer)| {
            let value = match answer {
                Answer::Flag(flag) => json!({ "valueBoolean": flag }),
                Answer::Number(number) => json!({ "valueDecimal": number }),
                Answer::Text(text) if text.parse::<Timestamp>().is_ok() => json!({ "valueDateTime": text }),
                Answer::Text(text) if text.starts_with("Organization/") || text.starts_with("Patient/") => {
                    json!({ "valueReference": { "reference": text } })
                }
                Answer::Text(text) => json!({ "valueString": text }),
            };
            json!({ "linkId": code, "answer": [value] })
        })
        .collect();
    json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "item": items })
}

/// A response to a form: these answers, and something to every other question that must be answered.
pub(crate) fn filled(line: &Line, form: &Form, answers: &BTreeMap<String, Answer>) -> Json {
    let items = asked(line, &form.items, answers);
    let questionnaire = format!("https://qingshan.dev/fhir/Questionnaire/{}", form.code);
    let mut response =
        json!({ "resourceType": "QuestionnaireResponse", "questionnaire": questionnaire, "status": "completed" });
    if !items.is_empty() {
        response["item"] = items.into();
    }
    response
}

fn asked(line: &Line, items: &[Asked], answers: &BTreeMap<String, Answer>) -> Vec<Json> {
    let mut given = Vec::new();
    for item in items {
        let mut entry = json!({ "linkId": item.code.as_str() });
        let inner = asked(line, &item.items, answers);
        let answer = answers.get(item.code.as_str());
        if !inner.is_empty() && (!item.repeats || item.required) {
            entry["item"] = inner.into();
        } else if answer.is_some() || (item.required && item.kind != Kind::Group) {
            entry["answer"] = json!([typed(line, item, answer)]);
        } else {
            continue;
        }
        given.push(entry);
    }
    given
}

fn typed(line: &Line, item: &Asked, answer: Option<&Answer>) -> Json {
    let text = match answer {
        Some(Answer::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let number = match answer {
        Some(Answer::Number(number)) => Some(*number),
        _ => None,
    };
    let on = "2026-11-02";
    match item.kind {
        Kind::YesNo => json!({ "valueBoolean": !matches!(answer, Some(Answer::Flag(false))) }),
        Kind::Number => json!({ "valueDecimal": number.unwrap_or(1.0) }),
        Kind::Integer => json!({ "valueInteger": number.map_or(60, |number| number as i64) }),
        Kind::Date => json!({ "valueDate": text.unwrap_or(on) }),
        Kind::Instant => json!({ "valueDateTime": text.unwrap_or("2026-11-02T09:00:00+08:00") }),
        Kind::Reference => json!({ "valueReference": { "reference": text.unwrap_or("Patient/p") } }),
        Kind::Choice => {
            let list = item.list.as_deref().and_then(|list| line.list(list)).expect("a choice is from a list");
            let code = text.unwrap_or_else(|| &list.entries.first().expect("a list has entries").code);
            let system = format!("https://qingshan.dev/fhir/CodeSystem/{}", list.code);
            json!({ "valueCoding": { "system": system, "code": code } })
        }
        _ => json!({ "valueString": text.unwrap_or("见病历") }),
    }
}

/// What a scenario writes, with the time and the parties it leaves open. It is about the patient of the run.
pub(crate) fn written(resource: &Json, protocol: &Protocol, run: &Run, at: i64, id: &str) -> Json {
    let at = Timestamp::from_microsecond(at).expect("a time of a scenario").to_string();
    let mut text = resource.to_string().replace("{at}", &at);
    for role in &protocol.roles {
        if let Some(party) = run.party(protocol, &role.code) {
            text = text.replace(&format!("{{{}}}", role.code), &party.reference);
        }
    }
    let mut resource: Json = serde_json::from_str(&text).expect("what is filled in stays JSON");
    if resource["id"].is_null() {
        resource["id"] = id.into();
    }
    let type_ = resource["resourceType"].as_str().and_then(|name| definitions::r4().type_(name));
    let type_ = type_.expect("scenarios speak of R4 types");
    let subject = match type_.name {
        "Consent" => Some("patient"),
        _ => type_.child("subject").map(|_| "subject"),
    };
    if let Some(subject) = subject.filter(|subject| resource[*subject].is_null()) {
        resource[subject] = json!({ "reference": run.patient });
    }
    resource
}

/// What FHIRPath may ask about.
pub(crate) struct Known {
    response: Value,
    run: Value,
    focus: Value,
    parties: Vec<(String, Value)>,
    /// What activities make and what searches find, of which there is nothing where there is no record.
    unfound: Vec<String>,
}

fn value(json: &Json) -> Value {
    json::parse(json.to_string().as_bytes()).expect("JSON is written as it is read")
}

impl Known {
    pub(crate) fn new(protocol: &Protocol, run: &Run, focus: &Json, response: &Json) -> Self {
        let class = run.class.as_deref().and_then(|class| protocol.class(class));
        let parties = protocol.roles.iter().filter_map(|role| {
            let party = run.party(protocol, &role.code)?;
            Some((role.code.to_string(), value(&json!({ "reference": party.reference }))))
        });
        let parties = parties.collect();
        let task = json!({
            "resourceType": "Task", "id": run.id, "status": "in-progress", "intent": "order",
            "priority": class.map_or("routine", |class| class.priority.as_str()),
        });
        let made = protocol.activities.iter().map(|activity| activity.code.to_string());
        let unfound = made.chain(protocol.data.iter().map(|data| data.code.to_string())).collect();
        Self { response: value(response), run: value(&task), focus: value(focus), parties, unfound }
    }

    fn environment(&self) -> Environment<'_> {
        let node = |value| vec![Item::Node(Node::resource(definitions::r4(), value))];
        let mut env = Environment::new(definitions::r4())
            .with("response", node(&self.response))
            .with("run", node(&self.run))
            .with("focus", node(&self.focus));
        for name in &self.unfound {
            env = env.with(name, Vec::new());
        }
        let type_ = definitions::r4().type_("Reference").expect("R4 has references");
        for (role, party) in &self.parties {
            env = env.with(role, vec![Item::Node(Node::element(Some(party), None, type_))]);
        }
        env
    }

    fn found<R>(&self, expression: &Code, read: impl Fn(&[Item<'_>]) -> R) -> R {
        let expression = Expression::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let env = self.environment().of(&self.run);
        read(&expression.evaluate(&self.run, &env).unwrap_or_else(|error| panic!("{}: {error}", expression.text())))
    }

    /// The instant an expression gives.
    pub(crate) fn instant(&self, expression: &Code) -> Option<i64> {
        self.found(expression, |items| {
            let text = items.first()?.to_text()?.into_owned();
            Some(text.parse::<Timestamp>().ok()?.as_microsecond())
        })
    }

    /// When a fact came about, if a resource says it. `now` is in microseconds since 1970.
    pub(crate) fn said(&self, fact: &Fact, resource: &Json, now: i64) -> Option<i64> {
        let resource = value(resource);
        let read = |path: &Code, read: &dyn Fn(&[Item<'_>]) -> Option<i64>| {
            let expression = Expression::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let instant = Timestamp::from_microsecond(now).expect("a time of a scenario");
            let env = self.environment().of(&resource).at(instant, zone());
            read(&expression.evaluate(&resource, &env).unwrap_or_else(|error| panic!("{path}: {error}")))
        };
        if let Some(when) = &fact.when {
            read(when, &|items| matches!(items, [one] if one.as_bool() == Some(true)).then_some(now))?;
        }
        let at = fact
            .at
            .as_ref()
            .and_then(|at| read(at, &|items| Some(fhir::time::parse(&items.first()?.to_text()?, zone())?.lo)));
        Some(at.unwrap_or(now).min(now))
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, expression: &Code) -> bool {
        self.found(expression, |items| matches!(items, [one] if one.as_bool() == Some(true)))
    }

    /// The reference an expression gives.
    pub(crate) fn party(&self, expression: &Code) -> Option<Party> {
        self.found(expression, |items| {
            let reference = items.first()?.node()?.value()?;
            let reference = serde_json::from_slice::<Json>(&json::to_bytes(reference)).ok()?;
            Some(Party { reference: reference["reference"].as_str()?.to_owned(), display: None })
        })
    }
}
