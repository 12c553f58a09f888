//! A few invented institutions with every duty at each, for tests of who may see what.

use std::sync::Arc;

use record::{Action, Caller, Change, DUTIES, Key, Lay, Post, Record, ResourceType, Session, Standing, Target};

/// The institutions: a hospital with a department, a community centre under its management, a hospital of its own, and
/// a village station that the latter manages from 2026 on.
pub const INSTITUTIONS: [&str; 4] = ["hospital", "centre", "other", "station"];

/// An update that stores a resource under the name it has.
///
/// # Panics
/// If the text is not a resource with a type and an id.
pub fn put(text: &str) -> Change {
    let value: serde_json::Value = serde_json::from_str(text).expect("the test's JSON is JSON");
    let part = |name: &str| value[name].as_str().expect("a resource has a type and an id").to_owned();
    let type_ = ResourceType::named(&part("resourceType")).expect("an R4 type");
    let resource = fhir::json::parse(text.as_bytes()).expect("the test's JSON is JSON");
    let target = Target::Key(Key::new(type_, part("id")));
    Change::new(Action::Update { target, resource, if_match: None, if_absent: false })
}

/// Puts the institutions in: organizations, how they are managed, and a practitioner for every duty at each.
///
/// # Panics
/// If the record refuses them.
pub async fn found(record: &Record) {
    let mut changes = Vec::new();
    for name in INSTITUTIONS {
        let part_of = if name == "centre" { r#","partOf":{"reference":"Organization/hospital"}"# } else { "" };
        changes.push(put(&format!(r#"{{"resourceType":"Organization","id":"{name}","name":"{name}"{part_of}}}"#)));
        for duty in DUTIES {
            let id = format!("{}-{name}", duty.code);
            changes.push(put(&format!(r#"{{"resourceType":"Practitioner","id":"{id}"}}"#)));
            changes.push(put(&post(&id, duty.code, name, "")));
        }
    }
    let dept = r#"{"resourceType":"Organization","id":"ward","name":"ward","partOf":{"reference":"Organization/hospital"},
        "type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/organization-type","code":"dept"}]}]}"#;
    changes.push(put(dept));
    changes.push(put(r#"{"resourceType":"Practitioner","id":"doctor-ward"}"#));
    changes.push(put(&post("doctor-ward", "doctor", "ward", "")));
    let managed = r#"{"resourceType":"OrganizationAffiliation","id":"managed","active":true,"period":{"start":"2026-01-01"},
        "organization":{"reference":"Organization/other"},"participatingOrganization":{"reference":"Organization/station"},
        "code":[{"coding":[{"system":"https://qingshan.dev/fhir/CodeSystem/affiliation","code":"direct-management"}]}]}"#;
    changes.push(put(managed));
    record.session(Caller::system("SYSADMIN")).transact(changes).await.expect("the institutions go in");
}

/// A post as a `PractitionerRole`; `more` is further JSON, such as `,"period":{…}`.
pub fn post(id: &str, duty: &str, organization: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"PractitionerRole","id":"{id}","practitioner":{{"reference":"Practitioner/{id}"}},
        "organization":{{"reference":"Organization/{organization}"}},
        "code":[{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/duty","code":"{duty}"}}]}}]{more}}}"#
    )
}

/// A session of whoever has a duty at an institution, for a purpose.
pub fn on_duty(record: &Record, duty: &str, organization: &str, purpose: &str) -> Session {
    let id = format!("{duty}-{organization}");
    let post = Post {
        practitioner: id.clone(),
        role: id.clone(),
        organization: organization.to_owned(),
        duties: vec![duty.to_owned()],
    };
    let standing = Standing::Staff(Arc::new(post));
    let (actor, purpose) = (format!("Practitioner/{id}"), purpose.to_owned());
    record.session(Caller { actor, purpose, request: "test".to_owned(), standing })
}

/// A session of a person who is patients and acts for patients.
pub fn in_person(record: &Record, own: &[&str], charges: &[&str]) -> Session {
    with_related(record, own, charges, &[])
}

/// The same, of a person who acts as these `RelatedPerson` resources.
pub fn with_related(record: &Record, own: &[&str], charges: &[&str], related: &[&str]) -> Session {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let standing = Standing::Lay(Arc::new(Lay { own: ids(own), charges: ids(charges), related: ids(related) }));
    let actor = own.first().map_or_else(|| "RelatedPerson/somebody".to_owned(), |id| format!("Patient/{id}"));
    record.session(Caller { actor, purpose: "PATRQT".to_owned(), request: "test".to_owned(), standing })
}
