//! `GET /protocols/{code}`: the whole of a protocol, in the words of the text it is written in, with the forms it asks
//! for and the lists of codes it names.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use fhir::{Error, Value, json};
use protocol::knowledge::canonical;
use protocol::{Code, Protocol};
use record::SearchRequest;
use serde::Serialize;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::{Visit, json};
use crate::answer::Answer;
use crate::outcome::Failure;

#[derive(Serialize)]
struct Whole<'p> {
    #[serde(flatten)]
    protocol: &'p Protocol,
    forms: Vec<Titled>,
    lists: Vec<List>,
}

#[derive(Serialize)]
struct Titled {
    code: String,
    title: Both,
}

#[derive(Serialize)]
struct List {
    code: String,
    title: Both,
    codes: Vec<Titled>,
}

/// In both languages, as far as there are.
#[derive(Default, Serialize)]
struct Both {
    #[serde(skip_serializing_if = "Option::is_none")]
    zh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    en: Option<String>,
}

pub(super) async fn run(visit: &Visit<'_>, code: &str, version: Option<&str>) -> Result<Answer, Failure> {
    let protocol = visit.protocol(code, version).await?;
    let (mut forms, mut lists) = (Vec::new(), Vec::new());
    for code in forms_of(&protocol) {
        let form = stored(visit, "Questionnaire", code).await?;
        forms.push(Titled { code: code.to_owned(), title: form.map(|form| words(&form, "title")).unwrap_or_default() });
    }
    for code in lists_of(&protocol) {
        let list = stored(visit, "CodeSystem", code).await?;
        let title = list.as_ref().map(|list| words(list, "title")).unwrap_or_default();
        let concepts = list.as_ref().and_then(|list| list.get("concept")?.as_array());
        let codes = concepts.into_iter().flat_map(|list| list.iter()).filter_map(|concept| {
            let code = concept.get("code").as_str()?.to_owned();
            Some(Titled { code, title: words(concept, "display") })
        });
        lists.push(List { code: code.to_owned(), title, codes: codes.collect() });
    }
    json(StatusCode::OK, &Whole { protocol: &protocol, forms, lists })
}

fn forms_of(protocol: &Protocol) -> BTreeSet<&str> {
    let outcomes = protocol.steps.iter().flat_map(|step| &step.outcomes);
    let of_starts = protocol.starts.iter().filter_map(|start| start.form.as_ref());
    let of_steps = protocol.steps.iter().filter_map(|step| step.form.as_ref());
    let of_outcomes = outcomes.filter_map(|outcome| outcome.form.as_ref());
    of_starts.chain(of_steps).chain(of_outcomes).map(Code::as_str).collect()
}

fn lists_of(protocol: &Protocol) -> BTreeSet<&str> {
    let outcomes = protocol.steps.iter().flat_map(|step| &step.outcomes);
    let of_steps = protocol.steps.iter().filter_map(|step| step.skip.as_ref());
    let of_outcomes = outcomes.filter_map(|outcome| outcome.reasons.as_ref());
    let of_cancel = protocol.cancel.iter().filter_map(|cancel| cancel.reasons.as_ref());
    let of_traits = protocol.traits.iter().filter_map(|one| one.list.as_ref());
    of_steps.chain(of_outcomes).chain(of_cancel).chain(of_traits).map(Code::as_str).collect()
}

/// What is stored under the canonical of a name.
async fn stored(visit: &Visit<'_>, type_: &str, name: &str) -> Result<Option<Value>, Error> {
    let parameters =
        [("url", canonical(type_, name)), ("_sort", "-_lastUpdated".to_owned()), ("_count", "1".to_owned())];
    let page = visit.session.search(&SearchRequest::of(type_, &parameters)?).await?;
    let body = page.matches.into_iter().next().and_then(|version| version.body);
    body.map(|body| json::parse(&body)).transpose()
}

/// An element with its translation. <http://hl7.org/fhir/R4/extension-translation.html>
fn words(value: &Value, element: &str) -> Both {
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let designated = value.get("designation").and_then(|list| list.get(0)?.get("value")?.as_str()).map(str::to_owned);
    let extended = || {
        let parts = value.get(&format!("_{element}"))?.get("extension")?.get(0)?.get("extension")?;
        parts.as_array()?.iter().find_map(|part| {
            let is_content = part.get("url").as_str() == Some("content");
            is_content.then(|| text(part, "valueString").or_else(|| text(part, "valueMarkdown")))?
        })
    };
    Both { zh: text(value, element), en: extended().or(designated) }
}
