//! `GET /metadata`: what this server can do, written from the tables it works by.
//! <http://hl7.org/fhir/R4/capabilitystatement.html>

use std::collections::BTreeMap;

use fhir::definitions::ParamKind;
use fhir::search::{Param, Registry};
use record::ResourceType;

use crate::App;
use crate::answer::Answer;
use crate::ask::Base;
use crate::json;
use crate::operation::OFFERED;

/// What can be done with every type.
const INTERACTIONS: [&str; 9] =
    ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"];

pub(crate) fn run(app: &App, base: &Base) -> Answer {
    let base = base.to_string();
    let registry = app.record.search_parameters();
    let mut out = Vec::with_capacity(512 << 10);
    out.extend_from_slice(br#"{"resourceType":"CapabilityStatement","status":"active""#);
    json::member(&mut out, "date", &json::instant(app.started));
    out.extend_from_slice(br#","kind":"instance","software":{"name":"Qingshan""#);
    json::member(&mut out, "version", env!("CARGO_PKG_VERSION"));
    out.extend_from_slice(br#"},"implementation":{"description":"The shared health record of a consortium""#);
    json::member(&mut out, "url", &base);
    out.extend_from_slice(br#"},"fhirVersion":"4.0.1","format":["application/fhir+json","json"],"#);
    out.extend_from_slice(br#""patchFormat":["application/json-patch+json","application/fhir+json"],"#);
    out.extend_from_slice(br#""rest":[{"mode":"server","#);
    security(&mut out, app, &base);
    out.extend_from_slice(br#""resource":["#);
    let targets = targets(&registry);
    for (at, type_) in ResourceType::all().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        resource(&mut out, &registry, &targets, type_.name());
    }
    out.extend_from_slice(br#"],"interaction":["#);
    list(&mut out, ["transaction", "batch", "search-system", "history-system"], |out, code| {
        out.extend_from_slice(br#"{"code":"#);
        json::string(out, code);
        out.push(b'}');
    });
    out.push(b']');
    operations(&mut out, |row| row.system);
    out.extend_from_slice(br#","compartment":["#);
    list(&mut out, fhir::definitions::r4().compartments(), |out, compartment| json::string(out, compartment.url));
    out.extend_from_slice(b"]}]}");
    Answer::resource(out)
}

fn security(out: &mut Vec<u8>, app: &App, base: &str) {
    if app.settings.open {
        return;
    }
    let root = base.strip_suffix("/fhir").unwrap_or(base);
    out.extend_from_slice(br#""security":{"extension":[{"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[{"url":"token","valueUri":"#);
    json::string(out, &format!("{root}/auth/token"));
    for (name, path) in [("authorize", "authorize"), ("introspect", "introspect"), ("revoke", "revoke")] {
        out.extend_from_slice(format!(r#"}},{{"url":"{name}","valueUri":"#).as_bytes());
        json::string(out, &format!("{root}/auth/{path}"));
    }
    out.extend_from_slice(br#"}]}],"cors":true,"service":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/restful-security-service","code":"SMART-on-FHIR"}]}]},"#);
}

fn resource(out: &mut Vec<u8>, registry: &Registry, targets: &BTreeMap<&str, Vec<String>>, type_: &str) {
    out.extend_from_slice(br#"{"type":"#);
    json::string(out, type_);
    json::member(out, "profile", &format!("http://hl7.org/fhir/StructureDefinition/{type_}"));
    out.extend_from_slice(br#","interaction":["#);
    list(out, INTERACTIONS, |out, code| {
        out.extend_from_slice(br#"{"code":"#);
        json::string(out, code);
        out.push(b'}');
    });
    out.extend_from_slice(
        br#"],"versioning":"versioned-update","readHistory":true,"updateCreate":true,"conditionalCreate":true,"#,
    );
    out.extend_from_slice(
        br#""conditionalRead":"full-support","conditionalUpdate":true,"conditionalDelete":"single","#,
    );
    out.extend_from_slice(br#""referencePolicy":["literal","local"]"#);
    let params: Vec<_> = registry.params(type_).filter(|param| record::is_offered(param)).collect();
    let references: Vec<_> = params.iter().filter(|param| is_followed(param)).collect();
    if !references.is_empty() {
        out.extend_from_slice(br#","searchInclude":["*","#);
        list(out, references, |out, param| json::string(out, &format!("{type_}:{}", param.code)));
        out.push(b']');
    }
    if let Some(from) = targets.get(type_).filter(|from| !from.is_empty()) {
        out.extend_from_slice(br#","searchRevInclude":["#);
        list(out, from, |out, name| json::string(out, name));
        out.push(b']');
    }
    out.extend_from_slice(br#","searchParam":["#);
    list(out, params, |out, param| {
        out.extend_from_slice(br#"{"name":"#);
        json::string(out, &param.code);
        if !param.url.is_empty() {
            json::member(out, "definition", &param.url);
        }
        json::member(out, "type", param.kind.as_str());
        // Of the modifiers, those that not every parameter of the kind takes. R4 has no element for them here.
        if is_followed(param) {
            let branches = registry.is_hierarchical(param).then_some("Takes :below and :above along a hierarchy.");
            let versions = param.canonical.then_some("Takes :below for versions that begin so, or any.");
            if let Some(text) = versions.or(branches) {
                json::member(out, "documentation", text);
            }
        }
        out.push(b'}');
    });
    out.push(b']');
    operations(out, |row| (row.on_type || row.instance) && row.type_.is_none_or(|name| name == type_));
    out.push(b'}');
}

/// Whether includes follow a parameter. A search for AuditEvents asks the trail, where nothing is stored under them.
fn is_followed(param: &Param) -> bool {
    param.kind == ParamKind::Reference && record::is_offered(param) && param.type_name != "AuditEvent"
}

/// For each type, the reference parameters that can point to it.
fn targets(registry: &Registry) -> BTreeMap<&str, Vec<String>> {
    let mut targets: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for type_ in ResourceType::all() {
        let type_ = type_.name();
        let references = registry.params(type_).filter(|param| is_followed(param));
        for param in references {
            for target in &param.targets {
                targets.entry(target).or_default().push(format!("{type_}:{}", param.code));
            }
        }
    }
    targets
}

fn operations(out: &mut Vec<u8>, here: impl Fn(&crate::operation::Row) -> bool) {
    let rows: Vec<_> = OFFERED.iter().filter(|row| here(row)).collect();
    if rows.is_empty() {
        return;
    }
    out.extend_from_slice(br#","operation":["#);
    list(out, rows, |out, row| {
        out.extend_from_slice(br#"{"name":"#);
        json::string(out, row.code);
        json::member(out, "definition", &row.url());
        out.push(b'}');
    });
    out.push(b']');
}

/// Writes items with commas between them.
fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}
