//! One entry of the trail as a FHIR AuditEvent. <http://hl7.org/fhir/R4/auditevent.html>

use std::fmt::Write;

use fhir::{Error, time};
use rustc_hash::FxHashMap;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::entry::{Act, AsWhat, Entry, Outcome};
use crate::store::{Reader, reads};
use crate::{Key, Method, ResourceType};

/// Resources named in one event.
const NAMED: usize = 100;

/// The names of people and institutions, as they are now.
pub(super) struct Names<'r> {
    rows: &'r mut Reader,
    known: FxHashMap<String, Option<String>>,
}

impl<'r> Names<'r> {
    pub(super) fn new(rows: &'r mut Reader) -> Self {
        Self { rows, known: FxHashMap::default() }
    }

    async fn of(&mut self, reference: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.known.get(reference) {
            return Ok(known.clone());
        }
        let name = self.look_up(reference).await?;
        self.known.insert(reference.to_owned(), name.clone());
        Ok(name)
    }

    async fn look_up(&mut self, reference: &str) -> Result<Option<String>, Error> {
        let Some(key) = Key::of(reference) else { return Ok(None) };
        let version = reads::read(self.rows, &key).await?;
        let Some(body) = version.and_then(|version| version.body) else { return Ok(None) };
        let resource = fhir::json::parse(&body)?;
        Ok(resource.get("name").and_then(name_of))
    }
}

/// A name as it is spoken: plain text, or family and given names of the first of several.
fn name_of(name: &fhir::Value) -> Option<String> {
    if let Some(text) = name.as_str() {
        return Some(text.to_owned());
    }
    let name = name.as_array()?.iter().next()?;
    if let Some(text) = name.get("text").and_then(|text| text.as_str()) {
        return Some(text.to_owned());
    }
    let family = name.get("family").and_then(|family| family.as_str()).unwrap_or_default();
    let given = name.get("given").and_then(|given| given.as_array());
    let given: Vec<&str> = given.into_iter().flatten().filter_map(|given| given.as_str()).collect();
    let separator = if family.is_ascii() && !family.is_empty() && !given.is_empty() { " " } else { "" };
    Some(format!("{family}{separator}{}", given.join(separator))).filter(|name| !name.is_empty())
}

/// `AuditEvent.action`. <http://hl7.org/fhir/R4/valueset-audit-event-action.html>
pub(super) fn action_of(entry: &Entry) -> &'static str {
    match entry.act {
        Act::Read | Act::Vread | Act::History | Act::Follow | Act::Export => "R",
        Act::Search | Act::SignIn | Act::SignOut | Act::Emergency | Act::Request => "E",
        Act::Transact => {
            let mut actions = entry.items.iter().map(|item| method_action(item.method));
            let first = actions.next().unwrap_or("E");
            if actions.all(|action| action == first) { first } else { "E" }
        }
    }
}

fn method_action(method: Option<Method>) -> &'static str {
    match method {
        None => "R",
        Some(Method::Create) => "C",
        Some(Method::Update | Method::Patch) => "U",
        Some(Method::Delete) => "D",
    }
}

/// `AuditEvent.outcome`. <http://hl7.org/fhir/R4/valueset-audit-event-outcome.html>
pub(super) fn outcome_of(entry: &Entry) -> &'static str {
    match entry.outcome {
        Outcome::Done => "0",
        Outcome::Refused => "4",
        Outcome::Failed => "8",
    }
}

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const REST: &str = "http://hl7.org/fhir/restful-interaction";

/// Type and subtype, each a system, a code and what it is called.
/// <https://dicom.nema.org/medical/dicom/current/output/chtml/part15/sect_A.5.html>
fn kind_of(entry: &Entry) -> ([&'static str; 3], Option<[&'static str; 3]>) {
    let rest = ["http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation"];
    let signing = [DICOM, "110114", "User Authentication"];
    let interaction = |code| (rest, Some([REST, code, code]));
    match entry.act {
        Act::Read => interaction("read"),
        Act::Vread => interaction("vread"),
        Act::History => interaction("history"),
        Act::Search => interaction("search"),
        Act::Follow => interaction("history-system"),
        Act::Transact => match (&entry.items[..], action_of(entry)) {
            ([item], _) => interaction(match item.method {
                None => "read",
                Some(Method::Create) => "create",
                Some(Method::Update) => "update",
                Some(Method::Patch) => "patch",
                Some(Method::Delete) => "delete",
            }),
            _ => interaction("transaction"),
        },
        Act::SignIn => (signing, Some([DICOM, "110122", "Login"])),
        Act::SignOut => (signing, Some([DICOM, "110123", "Logout"])),
        Act::Export => ([DICOM, "110106", "Export"], None),
        Act::Emergency => ([DICOM, "110113", "Security Alert"], Some([DICOM, "110127", "Emergency Override Started"])),
        Act::Request => (rest, Some([REST, "operation", "operation"])),
    }
}

fn quoted(text: &str) -> String {
    sonic_rs::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

fn coding([system, code, display]: [&str; 3]) -> String {
    format!(r#"{{"system":"{system}","code":{},"display":{}}}"#, quoted(code), quoted(display))
}

/// The AuditEvent of an entry; with `only`, without anything about other patients.
pub(super) async fn write(names: &mut Names<'_>, id: &str, entry: &Entry, only: Option<&str>) -> Result<String, Error> {
    let when = time::instant(entry.at);
    let (type_, subtype) = kind_of(entry);
    let mut out = format!(
        r#"{{"resourceType":"AuditEvent","id":"{id}","meta":{{"versionId":"1","lastUpdated":"{when}"}},"type":{}"#,
        coding(type_)
    );
    let mut put = |text: String| out.push_str(&text);
    if let Some(subtype) = subtype {
        put(format!(r#","subtype":[{}]"#, coding(subtype)));
    }
    put(format!(r#","action":"{}","recorded":"{when}","outcome":"{}""#, action_of(entry), outcome_of(entry)));
    if !entry.purpose.is_empty() {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        put(format!(r#","purposeOfEvent":[{{"coding":[{{"system":"{system}","code":{}}}]}}]"#, quoted(&entry.purpose)));
    }
    put(format!(r#","agent":[{}"#, agent(names, entry).await?));
    if let Some(organization) = entry.organization() {
        put(format!(r#",{{"who":{},"requestor":false}}"#, who(names, &organization).await?));
    }
    put(r#"],"source":{"observer":{"display":"Qingshan"}}"#.to_owned());
    let entities = entities(entry, only);
    if !entities.is_empty() {
        put(format!(r#","entity":[{}]"#, entities.join(",")));
    }
    put("}".to_owned());
    Ok(out)
}

/// Whoever is meant: a reference, or an identifier of what is no resource, such as a machine client.
async fn who(names: &mut Names<'_>, actor: &str) -> Result<String, Error> {
    let display = match names.of(actor).await? {
        Some(name) => format!(r#","display":{}"#, quoted(&name)),
        None => String::new(),
    };
    Ok(match actor.split_once('/') {
        Some((type_, _)) if ResourceType::named(type_).is_some() => {
            format!(r#"{{"reference":{}{display}}}"#, quoted(actor))
        }
        Some((kind, name)) => {
            let system = format!("https://qingshan.dev/fhir/sid/{kind}");
            format!(r#"{{"identifier":{{"system":{},"value":{}}}{display}}}"#, quoted(&system), quoted(name))
        }
        None => format!(r#"{{"identifier":{{"value":{}}}}}"#, quoted(actor)),
    })
}

/// Whether somebody acted, if only by what the platform did for them.
fn is_person(actor: &str) -> bool {
    matches!(actor.split_once('/'), Some(("Practitioner" | "Patient" | "RelatedPerson", _)))
}

async fn agent(names: &mut Names<'_>, entry: &Entry) -> Result<String, Error> {
    let mut agent = match &entry.post {
        AsWhat::System | AsWhat::Machine { .. } if !is_person(&entry.actor) => {
            format!(r#"{{"type":{{"coding":[{}]}}"#, coding([DICOM, "110150", "Application"]))
        }
        AsWhat::System | AsWhat::Machine { .. } | AsWhat::Staff { .. } | AsWhat::Lay => {
            let system = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
            format!(r#"{{"type":{{"coding":[{}]}}"#, coding([system, "humanuser", "human user"]))
        }
    };
    let mut roles = String::new();
    let mut add = |system: &str, code: &str| {
        let separator = if roles.is_empty() { "" } else { "," };
        let coding = format!(r#"{{"system":"{system}","code":{}}}"#, quoted(code));
        write!(roles, r#"{separator}{{"coding":[{coding}]}}"#).expect("a string takes text");
    };
    if let AsWhat::Staff { duties, .. } = &entry.post {
        duties.iter().for_each(|duty| add("https://qingshan.dev/fhir/CodeSystem/duty", duty));
    }
    for relation in entry.relation.split_ascii_whitespace() {
        add("https://qingshan.dev/fhir/CodeSystem/relation", relation);
    }
    if !roles.is_empty() {
        write!(agent, r#","role":[{roles}]"#).expect("a string takes text");
    }
    write!(agent, r#","who":{},"requestor":true"#, who(names, &entry.actor).await?).expect("a string takes text");
    if !entry.origin.is_empty() {
        write!(agent, r#","network":{{"address":{},"type":"2"}}"#, quoted(&entry.origin)).expect("a string takes text");
    }
    agent.push('}');
    Ok(agent)
}

/// What it was done to: patients, resources, the query and the request.
fn entities(entry: &Entry, only: Option<&str>) -> Vec<String> {
    const TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
    let entity = |what: &str, type_: [&str; 2], role: [&str; 2], rest: &str| {
        let (type_, role) = (coding([TYPE, type_[0], type_[1]]), coding([ROLE, role[0], role[1]]));
        format!(r#"{{{what}"type":{type_},"role":{role}{rest}}}"#)
    };
    let mut patients: Vec<&String> = entry.patients.iter().collect();
    patients.extend(entry.items.iter().flat_map(|item| &item.patients));
    patients.sort_unstable();
    patients.dedup();
    let mut entities = Vec::new();
    for id in patients.into_iter().filter(|id| only.is_none_or(|only| *id == only)).take(NAMED) {
        let what = format!(r#""what":{{"reference":"Patient/{id}"}},"#);
        entities.push(entity(&what, ["1", "Person"], ["1", "Patient"], ""));
    }
    let concerns =
        |patients: &[String]| only.is_none_or(|only| patients.is_empty() || patients.iter().any(|id| id == only));
    for item in entry.items.iter().filter(|item| concerns(&item.patients)).take(NAMED) {
        // A patient is told of above.
        if item.key.type_.name() == "Patient" && item.method.is_none() {
            continue;
        }
        let version = if item.version > 0 { format!("/_history/{}", item.version) } else { String::new() };
        let what = format!(r#""what":{{"reference":"{}{version}"}},"#, item.key);
        let rest = match &item.digest {
            Some(digest) if only.is_none() => {
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!(r#","detail":[{{"type":"SM3","valueString":"{digest}"}}]"#)
            }
            _ => String::new(),
        };
        entities.push(entity(&what, ["2", "System Object"], ["4", "Domain Resource"], &rest));
    }
    if matches!(entry.act, Act::Search | Act::History | Act::Follow) && only.is_none() {
        use base64::Engine;
        let query = base64::engine::general_purpose::STANDARD.encode(&entry.detail);
        let rest = format!(r#","query":"{query}","detail":[{{"type":"results","valueString":"{}"}}]"#, entry.count);
        entities.push(entity("", ["2", "System Object"], ["24", "Query"], &rest));
    } else if !entry.detail.is_empty() && only.is_none() {
        let name = format!(r#""name":{},"#, quoted(&entry.detail));
        entities.push(entity(&name, ["4", "Other"], ["20", "Job"], ""));
    }
    if !entry.request.is_empty() && only.is_none() {
        // BALP: the name of the request stands as its own entity. <https://profiles.ihe.net/ITI/BALP>
        let what = format!(r#""what":{{"identifier":{{"value":{}}}}},"#, quoted(&entry.request));
        let type_ = coding([
            "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType",
            "XrequestId",
            "The unique identifier assigned to the transaction",
        ]);
        entities.push(format!(r#"{{{what}"type":{type_}}}"#));
    }
    entities
}
