//! Where each word of a text stands in a FHIR resource.
//!
//! A text is a tree of tables. A list of [`Place`]s says which of a table's keys have a home among the elements of a
//! resource; every other key becomes an extension by its own name, so nothing is lost and a new key needs no line here.
//! The same list is read in both directions.

use fhir::Value;
use sonic_rs::{JsonContainerTrait, JsonValueMutTrait, JsonValueTrait, Object, json};
use toml::{Table, Value as Word};

use crate::definition::Protocol;

/// What every extension and every canonical of the platform begins with.
pub(super) const EXTENSION: &str = "https://qingshan.dev/fhir/StructureDefinition/";
/// <http://hl7.org/fhir/R4/extension-translation.html>
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";
/// The name of each value of a list within its extension. No code can be called so.
const EACH: &str = "*";

/// A home for a key, and the other way about.
pub(super) enum Place {
    /// A text as it is: key and element.
    Text(&'static str, &'static str),
    /// A yes or no.
    Flag(&'static str, &'static str),
    /// A whole number.
    Whole(&'static str, &'static str),
    /// Words in both languages: Chinese as the value, English as its translation.
    Words(&'static str, &'static str),
    /// FHIRPath as an `Expression`.
    Expression(&'static str, &'static str),
    /// FHIRPath as an extension that holds an `Expression`: key and address.
    Formula(&'static str, &'static str),
    /// A yes as an extension: key and address.
    Mark(&'static str, &'static str),
    /// Tables, each with places of its own.
    Each(&'static str, &'static str, &'static [Place]),
    /// What is always the same: element and JSON.
    Fixed(&'static str, &'static str),
    /// Anything else.
    With(fn(&mut Table, &mut Value, &Protocol), fn(&Value, &mut Table)),
}

/// The resource or element that says what a table says. `protocol` is the one the table belongs to.
pub(super) fn write(mut table: Table, places: &[Place], protocol: &Protocol) -> Value {
    let mut out = Value::from(Object::new());
    for place in places {
        place.write(&mut table, &mut out, protocol);
    }
    for (key, word) in &table {
        if let Some(extension) = extension(&format!("{EXTENSION}{key}"), word) {
            push(&mut out, "extension", extension);
        }
    }
    out
}

/// The table that says what a resource or element says.
pub(super) fn read(value: &Value, places: &[Place]) -> Table {
    let mut table = Table::new();
    for one in list(value, "extension") {
        let key = text(one, "url").and_then(|url| url.strip_prefix(EXTENSION));
        if let (Some(key), Some(word)) = (key, word(one)) {
            table.insert(key.to_owned(), word);
        }
    }
    for place in places {
        place.read(value, &mut table);
    }
    table
}

impl Place {
    fn write(&self, table: &mut Table, out: &mut Value, protocol: &Protocol) {
        match *self {
            Self::Text(key, element) | Self::Flag(key, element) | Self::Whole(key, element) => {
                if let Some(word) = table.remove(key) {
                    set(out, element, scalar(&word));
                }
            }
            Self::Words(key, element) => {
                if let Some(Word::Table(words)) = table.remove(key) {
                    set_words(out, element, &words);
                }
            }
            Self::Expression(key, element) => {
                if let Some(path) = take_text(table, key) {
                    set(out, element, expression(&path));
                }
            }
            Self::Formula(key, url) => {
                if let Some(path) = take_text(table, key) {
                    push(out, "extension", json!({ "url": url, "valueExpression": expression(&path) }));
                }
            }
            Self::Mark(key, url) => {
                if let Some(Word::Boolean(true)) = table.remove(key) {
                    push(out, "extension", json!({ "url": url, "valueBoolean": true }));
                }
            }
            Self::Each(key, element, places) => {
                for inner in take_tables(table, key) {
                    push(out, element, write(inner, places, protocol));
                }
            }
            Self::Fixed(element, text) => set(out, element, sonic_rs::from_str(text).expect("the constant is JSON")),
            Self::With(write, _) => write(table, out, protocol),
        }
    }

    fn read(&self, value: &Value, table: &mut Table) {
        match *self {
            Self::Text(key, element) => put_text(table, key, text(value, element)),
            Self::Flag(key, element) => {
                // A flag that is down is not written in texts.
                if value.get(element).and_then(|flag| flag.as_bool()) == Some(true) {
                    table.insert(key.to_owned(), Word::Boolean(true));
                }
            }
            Self::Whole(key, element) => {
                if let Some(number) = value.get(element).and_then(number) {
                    table.insert(key.to_owned(), number);
                }
            }
            Self::Words(key, element) => {
                if let Some(words) = words(value, element) {
                    table.insert(key.to_owned(), Word::Table(words));
                }
            }
            Self::Expression(key, element) => {
                put_text(table, key, value.get(element).and_then(|expression| text(expression, "expression")));
            }
            Self::Formula(key, url) => {
                let expression = extensions(value, url).next().and_then(|one| one.get("valueExpression"));
                put_text(table, key, expression.and_then(|expression| text(expression, "expression")));
            }
            Self::Mark(key, url) => {
                let found = extensions(value, url).next().and_then(|one| one.get("valueBoolean")?.as_bool());
                if found == Some(true) {
                    table.insert(key.to_owned(), Word::Boolean(true));
                }
            }
            Self::Each(key, element, places) => {
                put_tables(table, key, list(value, element).iter().map(|one| read(one, places)));
            }
            Self::Fixed(..) => {}
            Self::With(_, read) => read(value, table),
        }
    }
}

/// A key's value as an extension; none when it says nothing.
fn extension(url: &str, word: &Word) -> Option<Value> {
    let inner: Vec<Value> = match word {
        Word::Array(items) => items.iter().filter_map(|item| extension(EACH, item)).collect(),
        Word::Table(words) if is_words(words) => {
            let mut value = json!({ "url": url });
            set_words(&mut value, "valueString", words);
            return Some(value);
        }
        Word::Table(table) => table.iter().filter_map(|(key, word)| extension(key, word)).collect(),
        scalar_word => {
            let element = match scalar_word {
                Word::Boolean(_) => "valueBoolean",
                Word::Integer(_) => "valueInteger",
                Word::Float(_) => "valueDecimal",
                _ => "valueString",
            };
            let mut value = json!({ "url": url });
            set(&mut value, element, scalar(scalar_word));
            return Some(value);
        }
    };
    (!inner.is_empty()).then(|| json!({ "url": url, "extension": inner }))
}

/// What an extension says.
fn word(extension: &Value) -> Option<Word> {
    let inner = list(extension, "extension");
    if !inner.is_empty() {
        if inner.iter().all(|one| text(one, "url") == Some(EACH)) {
            return Some(Word::Array(inner.iter().filter_map(word).collect()));
        }
        let members = inner.iter().filter_map(|one| Some((text(one, "url")?.to_owned(), word(one)?)));
        return Some(Word::Table(members.collect()));
    }
    if extension.get("_valueString").is_some() {
        return words(extension, "valueString").map(Word::Table);
    }
    if let Some(flag) = extension.get("valueBoolean") {
        return flag.as_bool().map(Word::Boolean);
    }
    if let Some(found) = extension.get("valueInteger").or_else(|| extension.get("valueDecimal")) {
        return number(found);
    }
    text(extension, "valueString").map(|text| Word::String(text.to_owned()))
}

/// Both languages are there and nothing else is.
fn is_words(table: &Table) -> bool {
    table.len() == 2 && ["zh", "en"].iter().all(|language| table.get(*language).is_some_and(Word::is_str))
}

/// Words as a primitive element and its translation.
pub(super) fn set_words(out: &mut Value, element: &str, words: &Table) {
    if let Some(zh) = words.get("zh").and_then(Word::as_str) {
        set(out, element, Value::from(zh));
    }
    if let Some(en) = words.get("en").and_then(Word::as_str) {
        let translation = json!({ "url": TRANSLATION, "extension": [
            { "url": "lang", "valueCode": "en" },
            { "url": "content", "valueString": en },
        ] });
        set(out, &format!("_{element}"), json!({ "extension": [translation] }));
    }
}

/// The words of a primitive element and its translation.
pub(super) fn words(value: &Value, element: &str) -> Option<Table> {
    let mut table = Table::new();
    put_text(&mut table, "zh", text(value, element));
    let more = value.get(format!("_{element}").as_str());
    let translation = more.and_then(|more| extensions(more, TRANSLATION).next());
    let parts = translation.map(|one| list(one, "extension")).unwrap_or_default();
    let content = parts.iter().find(|part| text(part, "url") == Some("content"));
    put_text(&mut table, "en", content.and_then(|content| text(content, "valueString")));
    (!table.is_empty()).then_some(table)
}

/// FHIRPath as FHIR has it. <http://hl7.org/fhir/R4/metadatatypes.html#Expression>
pub(super) fn expression(path: &str) -> Value {
    json!({ "language": "text/fhirpath", "expression": path })
}

/// The extensions of that address.
pub(super) fn extensions<'v>(value: &'v Value, url: &str) -> impl Iterator<Item = &'v Value> {
    list(value, "extension").iter().filter(move |one| text(one, "url") == Some(url))
}

/// A number of JSON, with its digits.
pub(super) fn number(value: &Value) -> Option<Word> {
    let digits = value.is_number().then(|| value.to_string())?;
    digits.parse().map(Word::Integer).ok().or_else(|| digits.parse().map(Word::Float).ok())
}

fn scalar(word: &Word) -> Value {
    match word {
        Word::Boolean(flag) => Value::from(*flag),
        Word::String(text) => Value::from(text.as_str()),
        other => sonic_rs::from_str(&other.to_string()).expect("a number of TOML is a number of JSON"),
    }
}

pub(super) fn set(out: &mut Value, element: &str, value: Value) {
    out.as_object_mut().expect("it was made as an object").insert(&element, value);
}

/// Puts a value at the end of a list that may not be there yet.
pub(super) fn push(out: &mut Value, element: &str, value: Value) {
    match out.get_mut(element).and_then(|list| list.as_array_mut()) {
        Some(list) => list.push(value),
        None => set(out, element, json!([value])),
    }
}

pub(super) fn text<'v>(value: &'v Value, element: &str) -> Option<&'v str> {
    value.get(element)?.as_str()
}

pub(super) fn list<'v>(value: &'v Value, element: &str) -> &'v [Value] {
    value.get(element).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

pub(super) fn take_text(table: &mut Table, key: &str) -> Option<String> {
    table.remove(key).and_then(|word| word.as_str().map(str::to_owned))
}

pub(super) fn take_tables(table: &mut Table, key: &str) -> Vec<Table> {
    let items = match table.remove(key) {
        Some(Word::Array(items)) => items,
        _ => Vec::new(),
    };
    items.into_iter().filter_map(|item| if let Word::Table(table) = item { Some(table) } else { None }).collect()
}

pub(super) fn take_texts(table: &mut Table, key: &str) -> Vec<String> {
    let items = table.remove(key);
    let items = items.as_ref().and_then(Word::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

pub(super) fn put_text(table: &mut Table, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        table.insert(key.to_owned(), Word::String(text.to_owned()));
    }
}

pub(super) fn put_tables(table: &mut Table, key: &str, tables: impl Iterator<Item = Table>) {
    let tables: Vec<Word> = tables.map(Word::Table).collect();
    if !tables.is_empty() {
        table.insert(key.to_owned(), Word::Array(tables));
    }
}

pub(super) fn put_texts<'t>(table: &mut Table, key: &str, texts: impl Iterator<Item = &'t str>) {
    let texts: Vec<Word> = texts.map(|text| Word::String(text.to_owned())).collect();
    if !texts.is_empty() {
        table.insert(key.to_owned(), Word::Array(texts));
    }
}
