//! Search, by GET and by POST. <http://hl7.org/fhir/R4/search.html>

use bytes::Bytes;
use fhir::Issue;
use fhir::definitions::ParamKind;
use fhir::search::Registry;
use record::{Key, ResourceType, SearchPage, SearchRequest, Session, Version};

use crate::App;
use crate::access::{Extent, Grant};
use crate::answer::Answer;
use crate::ask::Ask;
use crate::bundle::Bundle;
use crate::outcome::{self, Failure};
use crate::summary::Part;

pub(crate) async fn run(
    app: &App,
    grant: &Grant,
    session: &Session,
    ask: Ask,
    type_: Option<ResourceType>,
    compartment: Option<Key>,
) -> Result<Answer, Failure> {
    let path = ask.path.trim_end_matches('/').trim_end_matches("_search").trim_end_matches('/').to_owned();
    let base = ask.base.to_string();
    let mut parameters = ask.query.into_pairs();
    for (name, value) in &mut parameters {
        also_relative(&app.record.search_parameters(), &base, name, value);
    }
    let request = SearchRequest { type_, compartment, parameters, strict: ask.prefer.strict };
    let page = session.search(&request).await?;
    let address = |query: &str| match (path.as_str(), query) {
        ("", query) => format!("{base}/?{query}"),
        (path, "") => format!("{base}/{path}"),
        (path, query) => format!("{base}/{path}?{query}"),
    };
    let mut links = vec![("self", address(&page.understood))];
    if let Some(next) = &page.next {
        links.push(("next", address(next)));
    }
    let mut bundle = Bundle::new("searchset", page.total, &links);
    fill(&mut bundle, &base, &page, |version| seen_besides(app, grant, version))?;
    Ok(Answer::resource(bundle.end()))
}

/// A reference to a resource of this server by its whole address also means the relative one, and may be stored as
/// either. <http://hl7.org/fhir/R4/search.html#reference>
fn also_relative(registry: &Registry, base: &str, name: &str, value: &mut String) {
    // By an address that the record knows to be its own, it is understood there.
    if !value.contains(base) || registry.own().relative(&format!("{base}/Patient/1")) == "Patient/1" {
        return;
    }
    // The parameter that the value is of is the last of a chain, without its modifier.
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let last = last.strip_prefix("_has:").and_then(|last| last.splitn(3, ':').last()).unwrap_or(last);
    let code = last.split(':').next().unwrap_or(last);
    if !registry.all().iter().any(|param| *param.code == *code && param.kind == ParamKind::Reference) {
        return;
    }
    let both = |piece: &str| {
        let relative = piece
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|relative| Key::of(relative.split_once("/_history/").map_or(relative, |(key, _)| key)).is_some());
        relative.map_or_else(|| piece.to_owned(), |relative| format!("{relative},{piece}"))
    };
    let pieces: Vec<String> = value.split(',').map(both).collect();
    *value = pieces.join(",");
}

/// Adds a page of results.
fn fill(
    bundle: &mut Bundle,
    base: &str,
    page: &SearchPage,
    seen_besides: impl Fn(&Version) -> bool,
) -> Result<(), Failure> {
    let part = Part::named(page.summary.as_deref(), page.elements.clone())?;
    for version in &page.matches {
        add(bundle, base, version, part.as_ref(), "match")?;
    }
    for version in page.included.iter().filter(|version| seen_besides(version)) {
        add(bundle, base, version, part.as_ref(), "include")?;
    }
    if !page.warnings.is_empty() {
        warn(bundle, &page.warnings);
    }
    Ok(())
}

/// Whether a caller may see what is included besides what they searched for.
fn seen_besides(app: &App, grant: &Grant, version: &Version) -> bool {
    match grant.extent_of(version.key.type_) {
        None => false,
        Some(Extent::Whole) => true,
        Some(Extent::OnePatient) => grant.one_patient(app).is_some_and(|patient| patient.holds_version(version)),
    }
}

fn add(bundle: &mut Bundle, base: &str, version: &Version, part: Option<&Part>, mode: &str) -> Result<(), Failure> {
    let Some(body) = &version.body else { return Ok(()) };
    match part {
        None => bundle.found(base, Some(&version.key), body, mode),
        Some(part) => bundle.found(base, Some(&version.key), &Bytes::from(part.cut(body)?), mode),
    }
    Ok(())
}

fn warn(bundle: &mut Bundle, warnings: &[Issue]) {
    bundle.found("", None, &outcome::outcome(warnings), "outcome");
}
