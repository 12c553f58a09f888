//! What forms work out: the published examples and boundary values of every score, and that nothing is worked out from
//! what is missing.

use std::collections::{BTreeMap, BTreeSet};

use fhir::path::{Environment, Expression, Item, Node};
use fhir::{Value, definitions, json};
use jiff::Timestamp;
use protocol::form::{Beside, Form, Item as Asked, Kind, Shelf, fill, judge};
use protocol::{Line, knowledge};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::folders;
use crate::stage::zone;

const SCORE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
const CALCULATED: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";

/// The examples of one form: `scores/NAME.toml` of a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    form: String,
    /// Answers that every example begins with.
    #[serde(default)]
    answers: Map<String, Json>,
    #[serde(rename = "example")]
    examples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    title: String,
    #[serde(default)]
    answers: Map<String, Json>,
    /// Of the answers that every example begins with, those this one leaves out.
    #[serde(default)]
    without: Vec<String>,
    /// What is worked out; `"nothing"` where nothing is.
    gives: Map<String, Json>,
}

/// A form with everything needed to work it out.
struct Desk {
    line: Line,
    shelf: Shelf,
    /// By address.
    questionnaires: BTreeMap<String, Json>,
}

impl Desk {
    fn of(line: &str) -> Self {
        let line = folders::line(line);
        let resources = knowledge::to_fhir(&line).expect("the line can be told in FHIR");
        let asked = resources.iter().map(read).filter(|one| one["resourceType"] == "Questionnaire");
        let questionnaires = asked.map(|one| (one["url"].as_str().unwrap_or_default().to_owned(), one)).collect();
        Self { line, shelf: Shelf::new(resources), questionnaires }
    }

    fn form(&self, code: &str) -> &Form {
        self.line.form(code).unwrap_or_else(|| panic!("there is no form {code}"))
    }

    fn questionnaire(&self, form: &str) -> &Json {
        let found = self.questionnaires.get(&format!("https://qingshan.dev/fhir/Questionnaire/{form}"));
        found.unwrap_or_else(|| panic!("there is no Questionnaire {form}"))
    }

    /// Everything that is worked out from some answers.
    fn worked_out(&self, form: &str, given: &Map<String, Json>) -> Map<String, Json> {
        let (form, questionnaire) = (self.form(form), self.questionnaire(form));
        let asked = value(questionnaire);
        let now = (Timestamp::from_second(1_790_000_000).expect("a time"), zone());
        let beside = Beside { source: &self.shelf, variables: &[], now };
        let filled = fill(&asked, &self.response(form, given), &beside);
        let filled = filled.unwrap_or_else(|error| panic!("{}: {error:?}", form.code));
        let answers = answers(&read(&filled));
        // A form that is filled in so is taken by the record.
        let asked_for = form.all().into_iter().filter(|item| item.required && is_asked(form, item, &filled));
        let mut needed = asked_for.filter(|item| item.kind != Kind::Group);
        if needed.all(|item| answers.contains_key(item.code.as_str())) {
            judge(&asked, &filled, &beside).unwrap_or_else(|error| panic!("{}: {error:?}", form.code));
        }
        let formulas = formulas(questionnaire);
        answers.into_iter().filter(|(code, _)| formulas.contains_key(code)).collect()
    }

    fn response(&self, form: &Form, all: &Map<String, Json>) -> Value {
        let url = format!("https://qingshan.dev/fhir/Questionnaire/{}", form.code);
        let mut response =
            json!({ "resourceType": "QuestionnaireResponse", "questionnaire": url, "status": "completed" });
        let items = self.items(&form.items, all);
        if !items.is_empty() {
            response["item"] = items.into();
        }
        value(&response)
    }

    fn items(&self, asked: &[Asked], all: &Map<String, Json>) -> Vec<Json> {
        let mut found = Vec::new();
        for item in asked {
            let inner = self.items(&item.items, all);
            let answers = match all.get(item.code.as_str()) {
                Some(Json::Array(several)) => several.iter().map(|one| self.answer(item, one)).collect(),
                Some(one) => vec![self.answer(item, one)],
                None => Vec::new(),
            };
            if inner.is_empty() && answers.is_empty() {
                continue;
            }
            let mut entry = json!({ "linkId": item.code.as_str() });
            if !inner.is_empty() {
                entry["item"] = inner.into();
            }
            if !answers.is_empty() {
                entry["answer"] = answers.into();
            }
            found.push(entry);
        }
        found
    }

    fn answer(&self, item: &Asked, given: &Json) -> Json {
        match item.kind {
            Kind::YesNo => json!({ "valueBoolean": given }),
            Kind::Number => json!({ "valueDecimal": given }),
            Kind::Integer => json!({ "valueInteger": given }),
            Kind::Choice => {
                let list = item.list.as_deref().and_then(|list| self.line.list(list)).expect("a choice is from a list");
                let code = given.as_str().unwrap_or_else(|| panic!("{}: a code is text", item.code));
                let entry = list.entries.iter().find(|entry| entry.code.as_str() == code);
                let entry = entry.unwrap_or_else(|| panic!("{} has no code {code}", list.code));
                let system = format!("https://qingshan.dev/fhir/CodeSystem/{}", list.code);
                let mut coding = json!({ "system": system, "code": code });
                if let Some(score) = &entry.score {
                    let score: Json = serde_json::from_str(score.as_str()).expect("a score is a number");
                    coding["extension"] = json!([{ "url": SCORE, "valueDecimal": score }]);
                }
                json!({ "valueCoding": coding })
            }
            Kind::Reference => json!({ "valueReference": { "reference": given } }),
            _ => json!({ "valueString": given }),
        }
    }
}

fn read(told: &Value) -> Json {
    serde_json::from_slice(&json::to_bytes(told)).expect("what is told is JSON")
}

fn value(json: &Json) -> Value {
    json::parse(json.to_string().as_bytes()).expect("JSON is written as it is read")
}

/// What is worked out, by item.
fn formulas(questionnaire: &Json) -> BTreeMap<String, String> {
    fn walk(item: &Json, out: &mut BTreeMap<String, String>) {
        let extensions = item["extension"].as_array().into_iter().flatten();
        let formula = extensions
            .filter(|one| one["url"] == CALCULATED)
            .find_map(|one| one["valueExpression"]["expression"].as_str().map(str::to_owned));
        if let (Some(code), Some(formula)) = (item["linkId"].as_str(), formula) {
            out.insert(code.to_owned(), formula);
        }
        item["item"].as_array().into_iter().flatten().for_each(|inner| walk(inner, out));
    }
    let mut found = BTreeMap::new();
    walk(questionnaire, &mut found);
    found
}

/// The first answer to each item that has one.
fn answers(holder: &Json) -> Map<String, Json> {
    let mut found = Map::new();
    for item in holder["item"].as_array().into_iter().flatten() {
        let first = item["answer"][0].as_object().and_then(|answer| answer.values().next());
        if let (Some(code), Some(first)) = (item["linkId"].as_str(), first) {
            found.insert(code.to_owned(), first.clone());
        }
        found.extend(answers(item));
    }
    found
}

/// Whether an item and what it stands in is asked.
fn is_asked(form: &Form, item: &Asked, response: &Value) -> bool {
    fn way<'f>(items: &'f [Asked], item: &Asked) -> Option<Vec<&'f Asked>> {
        items.iter().find_map(|one| {
            if one.code == item.code {
                return Some(vec![one]);
            }
            let mut inner = way(&one.items, item)?;
            inner.push(one);
            Some(inner)
        })
    }
    let holds = |path: &str| {
        let expression = Expression::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let env = Environment::new(definitions::r4())
            .of(response)
            .with("resource", vec![Item::Node(Node::resource(definitions::r4(), response))]);
        let items = expression.evaluate(response, &env).unwrap_or_else(|error| panic!("{path}: {error}"));
        matches!(items.as_slice(), [one] if one.as_bool() == Some(true))
    };
    way(&form.items, item).into_iter().flatten().all(|one| one.when.as_deref().is_none_or(holds))
}

/// The examples of all lines.
fn examples() -> Vec<(&'static str, String, Examples)> {
    let mut all = Vec::new();
    for (line, files) in lines::all() {
        for (path, text) in files.iter().filter(|(path, _)| path.starts_with("scores/")) {
            let name = format!("{line}/{path}");
            let read = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.push((line, name, read));
        }
    }
    assert!(!all.is_empty());
    all
}

impl Examples {
    fn given(&self, example: &Example) -> Map<String, Json> {
        let mut given = self.answers.clone();
        given.retain(|code, _| !example.without.contains(code));
        given.extend(example.answers.clone());
        given
    }
}

#[test]
fn every_score_comes_to_what_its_authors_say() {
    let mut wrong = Vec::new();
    for (line, name, examples) in examples() {
        let desk = Desk::of(line);
        for example in &examples.examples {
            let found = desk.worked_out(&examples.form, &examples.given(example));
            for (item, wanted) in &example.gives {
                let same = match (found.get(item), wanted) {
                    (None, Json::String(nothing)) => nothing == "nothing",
                    (Some(found), Json::Number(wanted)) => {
                        found.as_f64().zip(wanted.as_f64()).is_some_and(|(one, other)| (one - other).abs() < 1e-6)
                    }
                    (found, wanted) => found == Some(wanted),
                };
                if !same {
                    let title = &example.title;
                    wrong.push(format!("{name}, {title}: {item} is {:?}, not {wanted}", found.get(item)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The answers an item is worked out from: those a total adds, and those named in the formulas of what it adds.
fn sources(form: &Form, formulas: &BTreeMap<String, String>, item: &Asked) -> BTreeSet<String> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![item.code.to_string()]);
    while let Some(code) = waiting.pop() {
        let all = form.all();
        let Some(one) = all.into_iter().find(|one| one.code.as_str() == code) else { continue };
        let named =
            |other: &&Asked| formulas.get(&code).is_some_and(|path| path.contains(&format!("'{}'", other.code)));
        let of_formula = form.all().into_iter().filter(named).map(|other| other.code.to_string());
        let parts: Vec<String> = match one.total.is_empty() {
            false => one.total.iter().map(ToString::to_string).collect(),
            true => of_formula.filter(|other| *other != code).collect(),
        };
        waiting.extend(parts.into_iter().filter(|part| found.insert(part.clone())));
    }
    found
}

/// Of every example that has a total, each answer that counts in it is left out once.
#[test]
fn no_total_is_worked_out_while_one_of_its_items_is_missing() {
    for (line, name, examples) in examples() {
        let desk = Desk::of(line);
        let form = desk.form(&examples.form);
        let formulas = formulas(desk.questionnaire(&examples.form));
        for example in &examples.examples {
            let given = examples.given(example);
            let whole = desk.worked_out(&examples.form, &given);
            for total in form.all().into_iter().filter(|item| !item.total.is_empty()) {
                if !whole.contains_key(total.code.as_str()) {
                    continue;
                }
                for part in sources(form, &formulas, total).iter().filter(|part| given.contains_key(part.as_str())) {
                    let mut less = given.clone();
                    less.remove(part.as_str());
                    let found = desk.worked_out(&examples.form, &less);
                    let code = total.code.as_str();
                    assert!(!found.contains_key(code), "{name}, {}: {code} without {part}", example.title);
                }
            }
        }
    }
}

/// Whoever adds a score says what it must come to, and shows it at its ends.
#[test]
fn every_total_has_examples_in_which_it_comes_to_different_numbers() {
    let all = examples();
    let mut wanting = Vec::new();
    for (line, _) in lines::all() {
        for form in &folders::line(line).forms {
            for total in form.all().into_iter().filter(|item| !item.total.is_empty()) {
                let own = all.iter().filter(|(of, _, one)| *of == line && one.form == form.code.as_str());
                let given =
                    own.flat_map(|(_, _, one)| &one.examples).filter_map(|one| one.gives.get(total.code.as_str()));
                let told: BTreeSet<String> = given.filter(|one| one.is_number()).map(ToString::to_string).collect();
                if told.len() < 2 {
                    wanting.push(format!("{line}/{}: {}", form.code, total.code));
                }
            }
        }
    }
    assert!(wanting.is_empty(), "{}", wanting.join("\n"));
}
