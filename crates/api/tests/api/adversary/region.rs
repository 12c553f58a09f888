//! A region of several institutions, somebody for every duty in it, and two records of it: one whole, and one that
//! never held what somebody may not see.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use record::{Caller, Change, DUTIES};
use serde_json::{Value, json};
use testkit::cast::Cast;
use testkit::institutions::{post, put};
use testkit::place::Place;
use testkit::region::name;

use crate::{Door, Reply, text_at};

/// Where each duty is done.
const FIRST: &str = "chengzhou-first";
/// The moment the clock of a test shows.
const NOW: jiff::civil::DateTime = jiff::civil::date(2026, 5, 4).at(8, 0, 0, 0);

/// Everyone who asks: the login of their account.
pub(super) fn everyone() -> Vec<String> {
    DUTIES.iter().map(|duty| duty.code).chain(["lent", "patient", "proxy"]).map(str::to_owned).collect()
}

/// The machine clients that ask: one of an institution, and one of the consortium's own software.
pub(super) const MACHINES: [&str; 2] = ["machine", "software"];

/// The region, in the order in which it goes in.
pub(super) struct Region {
    /// Institutions and posts, which everybody on duty sees.
    directory: Vec<Value>,
    /// Residents and what happened to them.
    pub(super) records: Vec<Value>,
    /// The resident of the account `patient`, and the one for whom `proxy` acts.
    own: String,
    charge: String,
}

impl Region {
    pub(super) fn new(seed: u64) -> Self {
        let cast = Cast::new(seed, NOW, 70);
        let residents: Vec<String> =
            cast.residents.iter().filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect();
        let (own, charge) = (residents[3].clone(), residents[5].clone());
        let mut records = cast.residents;
        records.extend(cast.histories);
        for (at, resident) in residents.iter().take(12).enumerate() {
            records.extend(more(at, resident));
        }
        records.push(json!({
            "resourceType": "RelatedPerson", "id": "acts", "active": true,
            "patient": {"reference": format!("Patient/{charge}")},
        }));
        records.extend(refusals(&residents));
        let directory = directory(&records);
        Self { directory, records, own, charge }
    }

    /// A door to a record that holds the directory, and of the rest what is not left out.
    pub(super) async fn door(&self, place: Place, left_out: &BTreeSet<String>) -> Door {
        let door = Door::with(place, |settings| settings.sign_in.demo = true);
        let session = door.place.record.session(Caller::system("SYSADMIN"));
        let kept = self.records.iter().filter(|one| !left_out.contains(&name(one)));
        let changes: Vec<Change> = self.directory.iter().chain(kept).map(|one| put(&one.to_string())).collect();
        for some in changes.chunks(400) {
            session.transact(some.to_vec()).await.expect("the region goes in");
        }
        let accounts = api::Accounts::new(door.place.record.clone(), api::Password::default());
        for login in everyone() {
            let mut account = json!({"login": login, "name": login, "demo": true});
            match login.as_str() {
                "patient" => account["patients"] = json!([self.own]),
                "proxy" => account["related"] = json!(["acts"]),
                _ => account["practitioner"] = json!(login),
            }
            accounts.put(sonic_rs::from_str(&account.to_string()).unwrap()).await.unwrap();
        }
        door
    }

    /// A few patients, some of them of those that are hidden.
    pub(super) fn some_patients(&self, hidden: &BTreeSet<String>) -> Vec<&Value> {
        let patients = self.records.iter().filter(|one| one["resourceType"] == "Patient");
        let (hidden, seen): (Vec<&Value>, Vec<&Value>) = patients.partition(|one| hidden.contains(&name(one)));
        seen.into_iter().take(6).chain(hidden.into_iter().take(6)).collect()
    }

    /// The residents whose records somebody has of their own: of the accounts `patient` and `proxy`.
    pub(super) fn lay(&self) -> [&str; 2] {
        [&self.own, &self.charge]
    }
}

/// Every institution that the records name, who manages whom, and a post for each duty.
fn directory(records: &[Value]) -> Vec<Value> {
    let mut named: BTreeSet<String> = BTreeSet::from([FIRST.to_owned(), "songtao".to_owned(), "linxi".to_owned()]);
    for record in records {
        let text = record.to_string();
        let references = text.split("\"Organization/").skip(1).filter_map(|rest| rest.split('"').next());
        named.extend(references.map(str::to_owned));
    }
    let mut directory: Vec<Value> =
        named.iter().map(|id| json!({"resourceType": "Organization", "id": id, "active": true, "name": id})).collect();
    let system = "https://qingshan.dev/fhir/CodeSystem/affiliation";
    directory.push(json!({
        "resourceType": "OrganizationAffiliation", "id": "managed", "active": true,
        "organization": {"reference": "Organization/linxi"},
        "participatingOrganization": {"reference": "Organization/songtao"},
        "code": [{"coding": [{"system": system, "code": "direct-management"}]}],
    }));
    for login in everyone() {
        let (duty, at) = match login.as_str() {
            "patient" | "proxy" => continue,
            "lent" => ("doctor", "linxi"),
            "family-doctor" | "public-health" | "registrar" => (login.as_str(), "songtao"),
            "village-doctor" => ("village-doctor", "liuwan"),
            duty => (duty, FIRST),
        };
        directory.push(json!({"resourceType": "Practitioner", "id": login}));
        directory.push(serde_json::from_str(&post(&login, duty, at, "")).unwrap());
    }
    directory
}

/// What the cast has none of, for one resident.
fn more(at: usize, resident: &str) -> Vec<Value> {
    let patient = json!({"reference": format!("Patient/{resident}")});
    let keeper = json!({"reference": format!("Organization/{}", [FIRST, "linxi-tcm", "songtao"][at % 3])});
    let practitioner = json!({"reference": "Practitioner/doctor"});
    let code =
        json!({"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": format!("Z0{at}.1")}], "text": "体检"});
    let day = format!("2026-04-{:02}", at + 1);
    let mut made = vec![
        json!({"resourceType": "Procedure", "status": "completed", "code": code, "subject": patient,
            "performedDateTime": day, "performer": [{"actor": practitioner, "onBehalfOf": keeper}]}),
        json!({"resourceType": "ClinicalImpression", "status": "completed", "subject": patient, "date": day,
            "assessor": practitioner, "summary": format!("讨论{at}")}),
        json!({"resourceType": "Flag", "status": "active", "code": code, "subject": patient, "author": keeper}),
        json!({"resourceType": "EpisodeOfCare", "status": "active", "patient": patient, "managingOrganization": keeper,
            "period": {"start": day}}),
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "subject": patient, "authored": day,
            "item": [{"linkId": "1", "answer": [{"valueString": format!("答{at}")}]}]}),
        json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": patient, "author": keeper,
            "title": format!("计划{at}"), "period": {"start": day}}),
        json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "血压达标"}, "subject": patient}),
        json!({"resourceType": "DocumentReference", "status": "current", "subject": patient, "custodian": keeper,
            "date": format!("{day}T08:00:00+08:00"), "content": [{"attachment": {"title": format!("文书{at}"), "url": "urn:x"}}]}),
        json!({"resourceType": "Communication", "status": "completed", "subject": patient, "sent": format!("{day}T08:00:00Z"),
            "recipient": [keeper], "payload": [{"contentString": format!("消息{at}")}]}),
        json!({"resourceType": "Appointment", "status": "booked", "start": format!("{day}T08:00:00Z"),
            "end": format!("{day}T08:15:00Z"), "participant": [{"actor": patient, "status": "accepted"}]}),
        json!({"resourceType": "List", "status": "current", "mode": "working", "subject": patient, "title": format!("清单{at}")}),
        json!({"resourceType": "Group", "type": "person", "actual": true, "member": [{"entity": patient}]}),
        json!({"resourceType": "Account", "status": "active", "subject": [patient], "owner": keeper, "name": format!("账户{at}")}),
        json!({"resourceType": "Coverage", "status": "active", "beneficiary": patient, "payor": [keeper],
            "subscriberId": format!("S{at}")}),
        json!({"resourceType": "Observation", "status": "final", "subject": patient, "performer": [keeper],
            "code": {"coding": [{"system": "http://loinc.org", "code": "44249-1"}]}, "effectiveDateTime": day,
            "valueQuantity": {"value": at, "system": "http://unitsofmeasure.org", "code": "{score}"}}),
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "subject": patient, "authored": day,
            "meta": {"security": [{"system": "https://qingshan.dev/fhir/CodeSystem/sensitive", "code": "minors-mailbox"}]},
            "item": [{"linkId": "1", "answer": [{"valueString": format!("心里话{at}")}]}]}),
    ];
    for (number, resource) in made.iter_mut().enumerate() {
        resource["id"] = json!(format!("more-{at}-{number}"));
    }
    made
}

/// What residents decide who do not want everything shown: towards an institution, its machines included, or everyone.
fn refusals(residents: &[String]) -> Vec<Value> {
    let refused = residents.iter().enumerate().skip(20).take(12);
    let refusal = |(at, resident): (usize, &String)| {
        let towards = if at % 4 == 0 { "songtao" } else { FIRST };
        let mut provision = json!({"type": "deny"});
        if at % 3 != 0 {
            provision["actor"] =
                json!([{"role": {"text": "x"}, "reference": {"reference": format!("Organization/{towards}")}}]);
        }
        json!({"resourceType": "Consent", "id": format!("refusal-{at}"), "status": "active", "scope": {"text": "privacy"},
            "category": [{"text": "privacy"}], "policyRule": {"text": "the patient's word"},
            "patient": {"reference": format!("Patient/{resident}")}, "provision": provision})
    };
    refused.map(refusal).collect()
}

/// What somebody's browser holds, or a machine.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    cookie: String,
    csrf: String,
    bearer: Option<String>,
}

impl Browser {
    /// Signs in with one click.
    pub(crate) async fn enter(door: &Door, login: &str) -> Self {
        if MACHINES.contains(&login) {
            return Self::of_machine(door, login).await;
        }
        let body = format!(r#"{{"login":"{login}"}}"#);
        let reply =
            door.ask(Method::POST, "/auth/demo", &[("content-type", "application/json")], body.as_bytes()).await;
        assert_eq!(reply.status, StatusCode::OK, "{login}: {}", reply.text());
        let cookies = reply.headers.get_all("set-cookie").iter();
        let pairs: Vec<&str> = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()).collect();
        Self {
            cookie: pairs.join("; "),
            csrf: text_at(&reply.json(), "csrf").expect("a session has a token"),
            bearer: None,
        }
    }

    /// Signs a machine in: of an institution, or the consortium's own.
    async fn of_machine(door: &Door, login: &str) -> Self {
        let bearer = door.machine(login, (login == "machine").then_some(FIRST), "system/*.rs").await;
        Self { cookie: String::new(), csrf: String::new(), bearer: Some(bearer) }
    }

    /// What it proves who it is with.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    pub(crate) async fn ask(&self, door: &Door, method: Method, path: &str, body: &str) -> Reply {
        let content = match method {
            Method::PATCH => "application/json-patch+json",
            _ if path.contains("/_search") => "application/x-www-form-urlencoded",
            _ => "application/fhir+json",
        };
        if let Some(bearer) = &self.bearer {
            let headers = [("authorization", bearer.as_str()), ("content-type", content)];
            return door.ask(method, path, &headers, body.as_bytes()).await;
        }
        let headers =
            [("cookie", self.cookie.as_str()), ("x-csrf-token", self.csrf.as_str()), ("content-type", content)];
        door.ask(method, path, &headers, body.as_bytes()).await
    }

    /// What of the region they can read, and what answers as if it were not there.
    pub(super) async fn look(&self, door: &Door, region: &Region) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut statuses: BTreeMap<String, String> = BTreeMap::new();
        for some in region.records.chunks(500) {
            let names: Vec<String> = some.iter().map(name).collect();
            let entries: Vec<Value> =
                names.iter().map(|name| json!({"request": {"method": "GET", "url": name}})).collect();
            let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
            let reply = self.ask(door, Method::POST, "/fhir", &batch).await;
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
            let reply: Value = serde_json::from_slice(&reply.body).unwrap();
            for (name, entry) in names.into_iter().zip(reply["entry"].as_array().unwrap()) {
                statuses.insert(name, entry["response"]["status"].as_str().unwrap()[..3].to_owned());
            }
        }
        let with = |wanted: &str| {
            statuses.iter().filter(|(_, status)| *status == wanted).map(|(name, _)| name.clone()).collect()
        };
        let (seen, hidden): (BTreeSet<String>, BTreeSet<String>) = (with("200"), with("404"));
        assert_eq!(seen.len() + hidden.len(), statuses.len(), "a read is answered or finds nothing");
        (seen, hidden)
    }
}
