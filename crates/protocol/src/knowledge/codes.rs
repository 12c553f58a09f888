//! A list of codes as `CodeSystem`, and the `ValueSet` of all of it.

use fhir::Value;
use sonic_rs::json;
use toml::{Table, Value as Word};

use super::place::{Place, extensions, list, number, push, put_text, set, set_words, take_text, text, words};
use super::questionnaire::SCORE;
use super::{canonical, code_of, name_of};
use sonic_rs::JsonValueTrait;

pub(super) const SYSTEM: &[Place] = &[
    Place::Fixed("resourceType", r#""CodeSystem""#),
    Place::With(
        |table, out, _| {
            let code = take_text(table, "code").unwrap_or_default();
            set(out, "id", Value::from(code.as_str()));
            set(out, "url", Value::from(canonical("CodeSystem", &code).as_str()));
            set(out, "name", Value::from(name_of(&code).as_str()));
            set(out, "valueSet", Value::from(canonical("ValueSet", &code).as_str()));
        },
        |value, table| put_text(table, "code", text(value, "url").and_then(|url| code_of(url, "CodeSystem"))),
    ),
    Place::Words("title", "title"),
    Place::Fixed("status", r#""active""#),
    Place::Fixed("content", r#""complete""#),
    Place::Fixed("caseSensitive", "true"),
    Place::Each("entry", "concept", CONCEPT),
];

const CONCEPT: &[Place] = &[
    Place::Text("code", "code"),
    Place::With(
        |table, out, _| {
            let Some(Word::Table(mut title)) = table.remove("title") else { return };
            put_text_into(out, "display", take_text(&mut title, "zh"));
            if let Some(en) = take_text(&mut title, "en") {
                push(out, "designation", json!({ "language": "en", "value": en }));
            }
        },
        |value, table| {
            let mut title = Table::new();
            put_text(&mut title, "zh", text(value, "display"));
            let english = list(value, "designation").iter().find(|one| text(one, "language") == Some("en"));
            put_text(&mut title, "en", english.and_then(|one| text(one, "value")));
            if !title.is_empty() {
                table.insert("title".to_owned(), Word::Table(title));
            }
        },
    ),
    Place::With(
        |table, out, _| {
            if let Some(score) = table.remove("score") {
                let score = sonic_rs::from_str::<Value>(&score.to_string()).expect("a number of TOML is one of JSON");
                push(out, "extension", json!({ "url": SCORE, "valueDecimal": score }));
            }
        },
        |value, table| {
            let score = extensions(value, SCORE).next().and_then(|one| one.get("valueDecimal"));
            if let Some(score) = score.and_then(number) {
                table.insert("score".to_owned(), score);
            }
        },
    ),
];

fn put_text_into(out: &mut Value, element: &str, text: Option<String>) {
    if let Some(text) = text {
        set(out, element, Value::from(text.as_str()));
    }
}

/// The value set of all codes of a list.
pub(super) fn value_set(system: &Value) -> Value {
    let code = text(system, "id").unwrap_or_default();
    let mut set_of_all = json!({
        "resourceType": "ValueSet",
        "id": code,
        "url": canonical("ValueSet", code),
        "name": name_of(code),
        "status": "active",
        "compose": { "include": [{ "system": canonical("CodeSystem", code) }] },
    });
    if let Some(title) = words(system, "title") {
        set_words(&mut set_of_all, "title", &title);
    }
    set_of_all
}
