//! What entries of a transaction call each other.

use fhir::Value;
use record::{Change, Session};
use testkit::place::on_both;

use crate::{body, create, json};

fn named(full_url: &str, resource: Value) -> Change {
    Change { full_url: Some(full_url.to_owned()), ..create(resource) }
}

/// Stores a patient under one name and another resource under another: the patient's name here, and what became of
/// the other.
async fn beside(session: &Session, patient: &str, full_url: &str, resource: &str) -> (String, String) {
    let patient = named(patient, json(r#"{"resourceType":"Patient"}"#));
    let applied = session.transact(vec![named(full_url, json(resource)), patient]).await.unwrap();
    (applied[1].version.as_ref().unwrap().key.to_string(), body(&applied[0]))
}

const PATIENT: &str = "urn:uuid:7a1e8f5c-6f0e-4a3e-9d3c-000000000001";
const OTHER: &str = "urn:uuid:7a1e8f5c-6f0e-4a3e-9d3c-000000000002";

#[test]
fn what_is_no_link_keeps_the_name_an_entry_was_sent_under() {
    on_both(async |place| {
        let sent = format!(
            r##"{{"resourceType":"Questionnaire","status":"draft","derivedFrom":["{PATIENT}"],"title":"{PATIENT}",
                "identifier":[{{"system":"urn:ietf:rfc:3986","value":"{PATIENT}"}}],
                "code":[{{"system":"{PATIENT}","code":"{PATIENT}"}}],
                "extension":[{{"url":"http://a.example/uuid","valueUuid":"{PATIENT}"}},
                             {{"url":"http://a.example/uri","valueUri":"{PATIENT}"}},
                             {{"url":"http://a.example/url","valueUrl":"{PATIENT}#part"}},
                             {{"url":"http://a.example/to","valueReference":{{"reference":"{PATIENT}","display":"{PATIENT}"}}}}]}}"##
        );
        let (patient, stored) = beside(&place.session(), PATIENT, OTHER, &sent).await;
        for kept in [
            format!(r#""derivedFrom":["{PATIENT}"],"title":"{PATIENT}""#),
            format!(r#"{{"system":"urn:ietf:rfc:3986","value":"{PATIENT}"}}"#),
            format!(r#"{{"system":"{patient}","code":"{PATIENT}"}}"#),
            format!(r#""valueUuid":"{PATIENT}""#),
            format!(r#""valueUri":"{patient}""#),
            format!(r#""valueUrl":"{patient}#part""#),
            format!(r#"{{"reference":"{patient}","display":"{PATIENT}"}}"#),
        ] {
            assert!(stored.contains(&kept), "{kept} in {stored}");
        }
    });
}

#[test]
fn links_of_a_narrative_follow_and_its_text_does_not() {
    on_both(async |place| {
        let sent = format!(
            r##"{{"resourceType":"Basic","code":{{"text":"x"}},"text":{{"status":"generated",
                "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><!-- {PATIENT} --><a title='{PATIENT}' href='{PATIENT}#p'>{PATIENT}</a> 5 &gt; 4 <img alt=\"x\" src=\"{PATIENT}\"/></div>"}}}}"##
        );
        let (patient, stored) = beside(&place.session(), PATIENT, OTHER, &sent).await;
        let shown = format!(
            r##"<!-- {PATIENT} --><a title='{PATIENT}' href='{patient}#p'>{PATIENT}</a> 5 &gt; 4 <img alt=\"x\" src=\"{patient}\"/></div>"##
        );
        assert!(stored.contains(&shown), "{stored}");
    });
}

#[test]
fn a_relative_reference_is_looked_up_under_the_root_of_its_own_entry() {
    on_both(async |place| {
        let session = place.session();
        let other = "http://a.example/fhir/Observation/2";
        let seen = |reference: &str| {
            format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                    "subject":{{"reference":"{reference}"}}}}"#
            )
        };
        for (patient, full_url, reference) in [
            ("http://a.example/fhir/Patient/1", other, "Patient/1"),
            ("http://a.example/fhir/Patient/1", other, "Patient/1/_history/7"),
            ("http://a.example/fhir/Patient/1", other, "http://a.example/fhir/Patient/1/_history/7"),
            ("http://a.example/fhir/Patient/1/_history/7", other, "Patient/1"),
            ("http://a.example/fhir/Patient/1", "http://a.example/fhir/Observation/2/_history/1", "Patient/1"),
        ] {
            let (patient, stored) = beside(&session, patient, full_url, &seen(reference)).await;
            assert!(stored.contains(&format!(r#"{{"reference":"{patient}"}}"#)), "{reference}: {stored}");
        }
        for (patient, full_url, reference) in [
            ("http://b.example/fhir/Patient/1", other, "Patient/1"),
            ("http://a.example/fhir/Patient/1", OTHER, "Patient/1"),
            ("http://a.example/fhir/Patient/1", other, "Patient/11"),
        ] {
            let (_, stored) = beside(&session, patient, full_url, &seen(reference)).await;
            assert!(stored.contains(&format!(r#"{{"reference":"{reference}"}}"#)), "{reference}: {stored}");
        }
    });
}

#[test]
fn a_bundle_among_the_entries_keeps_its_own_links() {
    on_both(async |place| {
        let sent = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[
                {{"fullUrl":"{OTHER}","resource":{{"resourceType":"Basic","code":{{"text":"x"}},"subject":{{"reference":"{PATIENT}"}}}}}},
                {{"fullUrl":"urn:uuid:7a1e8f5c-6f0e-4a3e-9d3c-000000000003","resource":{{"resourceType":"Basic",
                  "code":{{"text":"y"}},"subject":{{"reference":"{OTHER}"}}}}}}]}}"#
        );
        let (patient, stored) = beside(&place.session(), PATIENT, OTHER, &sent).await;
        assert!(stored.contains(&format!(r#""subject":{{"reference":"{patient}"}}"#)), "{stored}");
        assert!(stored.contains(&format!(r#""fullUrl":"{OTHER}""#)), "{stored}");
        assert!(stored.contains(&format!(r#""subject":{{"reference":"{OTHER}"}}"#)), "{stored}");
    });
}
