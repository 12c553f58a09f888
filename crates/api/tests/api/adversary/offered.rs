//! Every operation the server offers, asked about what somebody may not see. Which there are is read off its
//! CapabilityStatement, so that one that comes to be offered is asked too, and has to be known here.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Value, json};
use testkit::region::name;

use super::probe::Probe;

/// What nobody has.
const NOBODY: &str = "nobody-there";

/// An operation and the type it is offered for; none for the whole record.
pub(super) type Offer = (Option<String>, String);

/// All that is offered.
pub(super) fn offers(statement: &Value) -> BTreeSet<Offer> {
    let rest = &statement["rest"][0];
    let names = |of: &Value| -> Vec<String> {
        let listed = of["operation"].as_array().into_iter().flatten();
        listed.map(|one| one["name"].as_str().expect("an operation has a name").to_owned()).collect()
    };
    let mut offers: BTreeSet<Offer> = names(rest).into_iter().map(|code| (None, code)).collect();
    for resource in rest["resource"].as_array().expect("types are served") {
        let type_ = resource["type"].as_str().expect("a type has a name");
        offers.extend(names(resource).into_iter().map(|code| (Some(type_.to_owned()), code)));
    }
    offers
}

/// Something hidden of a type, or what is not there when nothing of it is.
struct Secrets<'h> {
    by_type: BTreeMap<&'h str, &'h Value>,
}

impl<'h> Secrets<'h> {
    fn of(hidden: &[&'h Value]) -> Self {
        let typed = hidden.iter().rev().filter_map(|one| Some((one["resourceType"].as_str()?, *one)));
        Self { by_type: typed.collect() }
    }

    fn name(&self, type_: &str) -> String {
        self.by_type.get(type_).map_or_else(|| format!("{type_}/{NOBODY}"), |one| name(one))
    }

    fn reference(&self, part: &str, type_: &str) -> Value {
        json!({"name": part, "valueReference": {"reference": self.name(type_)}})
    }
}

fn text(part: &str, value: &str) -> Value {
    json!({"name": part, "valueString": value})
}

/// What an operation is asked with besides nothing, so that it gets as far as it can with what is hidden.
///
/// # Panics
/// For one that is not known here: whoever offers another operation says how it is tried.
fn parameters(code: &str, type_: &str, secrets: &Secrets<'_>) -> Vec<Vec<Value>> {
    let moment = |part: &str| json!({"name": part, "valueDateTime": "2026-05-06T08:00:00+08:00"});
    match code {
        "availability" => vec![vec![text("specialty", "心内科")]],
        "hold" => vec![
            vec![secrets.reference("patient", "Patient"), secrets.reference("slot", "Slot")],
            vec![
                secrets.reference("patient", "Patient"),
                secrets.reference("service", "HealthcareService"),
                secrets.reference("request", "ServiceRequest"),
                secrets.reference("instead", "Appointment"),
            ],
        ],
        "book" | "relation" | "person" | "everything" | "meta" | "clocks" | "registry" | "map-editions" => Vec::new(),
        "release" | "cancel-session" | "suspend" => vec![vec![text("reason", "临时取消")]],
        "mark" => ["arrived", "fulfilled", "noshow"].iter().map(|status| vec![text("status", status)]).collect(),
        "plan-session" => vec![vec![
            secrets.reference("who", "Practitioner"),
            json!({"name": "place", "valueReference": {"reference": "Organization/songtao"}}),
            moment("from"),
            json!({"name": "to", "valueDateTime": "2026-05-06T11:00:00+08:00"}),
        ]],
        "sessions" => vec![vec![moment("from")]],
        "bookings" => Vec::new(),
        "route" => vec![vec![
            text("pathway", "stroke"),
            json!({"name": "latitude", "valueDecimal": 29.4}),
            json!({"name": "longitude", "valueDecimal": 113.1}),
        ]],
        "status" => vec![vec![text("status", "open")]],
        "draft-map" => vec![vec![text("note", "试")]],
        "publish-map" => vec![vec![text("date", "2026-05-04")]],
        "map-difference" => vec![vec![text("from", "1"), text("to", "2")]],
        "break-glass" => vec![vec![text("reason", "昏迷")]],
        "evaluate-measure" => vec![vec![
            json!({"name": "periodStart", "valueDate": "2026-01-01"}),
            json!({"name": "periodEnd", "valueDate": "2026-12-31"}),
            text("subject", &secrets.name("Patient")),
        ]],
        "clock" => vec![vec![moment("time")]],
        "ecg" => vec![vec![secrets.reference("encounter", "Encounter")]],
        "export" => vec![vec![text("_type", "Observation")], vec![secrets.reference("patient", "Patient")]],
        "meta-add" | "meta-delete" => vec![vec![json!({"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}})]],
        "match" | "validate" => {
            let resource = secrets.by_type.get(type_).map(|one| json!({"name": "resource", "resource": one}));
            resource.into_iter().map(|resource| vec![resource]).collect()
        }
        "merge" => vec![vec![
            secrets.reference("source-patient", "Patient"),
            json!({"name": "target-patient", "valueReference": {"reference": format!("Patient/{NOBODY}")}}),
        ]],
        "unmerge" => vec![vec![secrets.reference("source-patient", "Patient")]],
        "expand" | "validate-code" | "lookup" | "subsumes" | "translate" => vec![vec![
            json!({"name": "url", "valueUri": "http://hl7.org/fhir/ValueSet/administrative-gender"}),
            json!({"name": "system", "valueUri": "http://hl7.org/fhir/administrative-gender"}),
            json!({"name": "code", "valueCode": "male"}),
        ]],
        "who-looked" => Vec::new(),
        unknown => panic!("${unknown} of {type_} is offered and nobody tries it: say here what it is asked with"),
    }
}

/// Operations that are offered for every type. One hidden resource of each type is tried.
const OF_ALL: [&str; 4] = ["meta", "meta-add", "meta-delete", "validate"];

/// Every operation, with nothing and with all it takes, of the record, of its type, and of something hidden.
pub(super) fn each_offered(offers: &BTreeSet<Offer>, hidden: &[&Value]) -> Vec<Probe> {
    let secrets = Secrets::of(hidden);
    let mut probes = Vec::new();
    for (type_, code) in offers {
        let mut bodies = vec![Vec::new()];
        bodies.extend(parameters(code, type_.as_deref().unwrap_or("Patient"), &secrets));
        let mut places = vec![match type_ {
            Some(type_) => format!("/fhir/{type_}"),
            None => "/fhir".to_owned(),
        }];
        match type_ {
            Some(type_) => {
                let is_hidden = secrets.by_type.contains_key(type_.as_str());
                if is_hidden || !OF_ALL.contains(&code.as_str()) {
                    places.push(format!("/fhir/{}", secrets.name(type_)));
                }
                places.push(format!("/fhir/{type_}/{NOBODY}"));
            }
            None => places.extend(secrets.by_type.values().map(|one| format!("/fhir/{}", name(one)))),
        }
        for place in places {
            let path = format!("{place}/${code}");
            probes.push(Probe { method: Method::GET, path: path.clone(), body: String::new() });
            for parts in &bodies {
                let body = json!({"resourceType": "Parameters", "parameter": parts}).to_string();
                probes.push(Probe { method: Method::POST, path: path.clone(), body });
            }
        }
    }
    probes
}
