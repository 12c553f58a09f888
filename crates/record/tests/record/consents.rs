//! What patients decide about who sees their record, as FHIR's Consent says it. <http://hl7.org/fhir/R4/consent.html>

use record::Session;
use testkit::institutions::{found, on_duty, put, with_related};
use testkit::place::{Place, on_both};

use crate::key;

const DIRECTIVE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// A patient on a visit at the hospital, with a plain finding and a sensitive one, and two people who act for them.
async fn on_a_visit(place: &Place) {
    found(&place.record).await;
    let finding = |id: &str, more: &str| {
        put(&format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final",{more}"code":{{"text":"x"}},
            "subject":{{"reference":"Patient/p"}},"performer":[{{"reference":"Organization/hospital"}}]}}"#
        ))
    };
    let visit = r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"IMP"},
        "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"}}"#;
    let secret = format!(r#""meta":{{"security":[{{"system":"{DIRECTIVE}","code":"PSY"}}]}},"#);
    let related = |id: &str| {
        put(&format!(r#"{{"resourceType":"RelatedPerson","id":"{id}","patient":{{"reference":"Patient/p"}}}}"#))
    };
    let patients = ["p", "d"].map(|id| put(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)));
    let mut changes = Vec::from(patients);
    changes.extend([put(visit), finding("o", ""), finding("s", &secret), related("daughter"), related("son")]);
    place.session().transact(changes).await.unwrap();
}

/// Writes the one consent; the base rule is a code, and a provision need not be there.
async fn decide(place: &Place, base: &str, provision: Option<&str>) {
    let base = match base {
        "" => r#"{"text":"the patient's word"}"#.to_owned(),
        code => format!(r#"{{"coding":[{{"system":"{DIRECTIVE}","code":"{code}"}}]}}"#),
    };
    let provision = provision.map(|provision| format!(r#","provision":{provision}"#)).unwrap_or_default();
    let consent = format!(
        r#"{{"resourceType":"Consent","id":"c","status":"active","scope":{{"text":"privacy"}},
        "category":[{{"text":"privacy"}}],"patient":{{"reference":"Patient/p"}},"policyRule":{base}{provision}}}"#
    );
    place.session().transact(vec![put(&consent)]).await.unwrap();
}

fn actor(reference: &str) -> String {
    format!(r#""actor":[{{"role":{{"text":"x"}},"reference":{reference}}}]"#)
}

fn towards(reference: &str) -> String {
    actor(&format!(r#"{{"reference":"{reference}"}}"#))
}

/// Whether somebody reads and finds the visit, the plain finding and the sensitive one.
async fn sees(session: &Session) -> [bool; 3] {
    let mut seen = [false; 3];
    for (at, name) in [key("Encounter", "e"), key("Observation", "o"), key("Observation", "s")].iter().enumerate() {
        seen[at] = session.read(name).await.unwrap().is_some();
        let request = record::SearchRequest::of(name.type_.name(), &[("_id", name.id.clone())]).unwrap();
        let found = session.search(&request).await.unwrap().matches;
        assert_eq!(!found.is_empty(), seen[at], "{name}");
    }
    seen
}

#[test]
fn somebody_shuts_out_one_who_acts_for_them_and_nobody_else() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let daughter = with_related(&place.record, &["d"], &["p"], &["daughter"]);
        let son = with_related(&place.record, &[], &["p"], &["son"]);
        let open = [true, true, false];
        assert_eq!((sees(&daughter).await, sees(&son).await), (open, open));
        for (provision, of_daughter, of_son) in [
            (format!(r#"{{"type":"deny",{}}}"#, towards("RelatedPerson/daughter")), [false; 3], open),
            (format!(r#"{{"type":"deny",{}}}"#, towards("Patient/d")), [false; 3], open),
            (
                format!(r#"{{"type":"deny","provision":[{{"type":"permit",{}}}]}}"#, towards("RelatedPerson/daughter")),
                open,
                [false; 3],
            ),
        ] {
            decide(&place, "", Some(&provision)).await;
            assert_eq!((sees(&daughter).await, sees(&son).await), (of_daughter, of_son), "{provision}");
        }
        decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, towards("RelatedPerson/daughter")))).await;
        assert_eq!(sees(&on_duty(&place.record, "doctor", "hospital", "TREAT")).await, [true; 3]);
    });
}

#[test]
fn the_base_rule_says_what_holds_where_no_provision_does() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let label = format!(r#""securityLabel":[{{"system":"{DIRECTIVE}","code":"PSY"}}]"#);
        let hospital = towards("Organization/hospital");
        let nested = |type_: &str| format!(r#"{{"provision":[{{"type":"{type_}",{hospital}}}]}}"#);
        let opening = format!("{{{label},{hospital}}}");
        // The base rule, the provision, the duty at the hospital, and what is seen there and by a doctor who is not.
        for (base, provision, duty, expected) in [
            ("OPTOUT", None, "doctor", [false; 3]),
            ("OPTOUTE", None, "doctor", [false; 3]),
            ("OPTIN", None, "doctor", [true; 3]),
            ("", None, "doctor", [true; 3]),
            ("OPTOUT", Some(r#"{"period":{"start":"2020-01-01"}}"#.to_owned()), "doctor", [false; 3]),
            ("OPTOUT", Some(nested("permit")), "doctor", [true; 3]),
            ("OPTOUT", Some(format!(r#"{{"type":"permit",{hospital}}}"#)), "doctor", [true; 3]),
            ("OPTOUT", Some(format!(r#"{{"type":"permit",{}}}"#, towards("Organization/other"))), "doctor", [false; 3]),
            ("OPTOUT", Some(format!(r#"{{"type":"deny",{}}}"#, towards("Organization/other"))), "doctor", [true; 3]),
            ("OPTIN", Some(nested("deny")), "doctor", [false; 3]),
            ("", Some(nested("deny")), "doctor", [false; 3]),
            ("OPTIN", Some(opening.clone()), "radiologist", [true; 3]),
            // Nothing says that this permits, so it opens no label.
            ("", Some(opening), "radiologist", [true, true, false]),
        ] {
            decide(&place, base, provision.as_deref()).await;
            let session = on_duty(&place.record, duty, "hospital", "TREAT");
            assert_eq!(sees(&session).await, expected, "{base} {provision:?} {duty}");
        }
    });
}

#[test]
fn a_refusal_towards_whoever_cannot_be_told_holds_towards_everyone() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        let named = ["CareTeam/x", "Group/x", "Location/x", "HealthcareService/x", "Device/x"];
        let named = named.map(|name| format!(r#"{{"reference":"{name}"}}"#));
        let unnamed = [r#"{"display":"the night shift"}"#.to_owned()];
        for reference in named.iter().chain(&unnamed) {
            decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, actor(reference)))).await;
            assert_eq!(sees(&doctor).await, [false; 3], "{reference}");
        }
        decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, towards("Organization/other")))).await;
        assert_eq!(sees(&doctor).await, [true; 3]);
    });
}
