//! What patients decide about who sees their record, as FHIR's Consent says it. <http://hl7.org/fhir/R4/consent.html>

use std::sync::Arc;

use record::{
    Action, Caller, Change, HistoryRequest, HistoryScope, Machine, Patch, Record, SearchRequest, Session, Standing,
    Target,
};
use testkit::institutions::{found, on_duty, put, with_related};
use testkit::place::{Place, on_both};

use crate::{delete, json, key, one, update};

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

fn machine(place: &Place, organization: Option<&str>) -> Session {
    machine_at(&place.record, organization)
}

fn machine_at(record: &Record, organization: Option<&str>) -> Session {
    let standing = Standing::Machine(Arc::new(Machine { organization: organization.map(str::to_owned) }));
    record.session(Caller { actor: "client/his".to_owned(), standing, ..Caller::system("TREAT") })
}

#[test]
fn what_a_patient_keeps_from_an_institution_is_kept_from_its_machines() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let [hospital, other, software] = [Some("hospital"), Some("other"), None].map(|of| machine(&place, of));
        let of_ward = machine(&place, Some("ward"));
        for session in [&hospital, &other, &software, &of_ward] {
            assert_eq!(sees(session).await, [true; 3], "nobody has decided anything");
        }
        let at_hospital = towards("Organization/hospital");
        let deny = format!(r#"{{"type":"deny",{at_hospital}}}"#);
        let label = format!(r#""securityLabel":[{{"system":"{DIRECTIVE}","code":"PSY"}}]"#);
        let but = format!(r#"{{"type":"deny","provision":[{{"type":"permit",{at_hospital}}}]}}"#);
        let (all, none) = ([true; 3], [false; 3]);
        for (provision, of_hospital, of_other, of_software) in [
            (deny, none, all, none),
            (format!(r#"{{"type":"deny",{label},{at_hospital}}}"#), [true, true, false], all, [true, true, false]),
            (r#"{"type":"deny"}"#.to_owned(), none, none, none),
            // What is permitted to one is not permitted to whoever passes on what it is shown.
            (but, all, none, none),
            // Those who act for somebody are no institution.
            (format!(r#"{{"type":"deny",{}}}"#, towards("RelatedPerson/son")), all, all, all),
        ] {
            decide(&place, "", Some(&provision)).await;
            assert_eq!(sees(&hospital).await, of_hospital, "{provision}");
            assert_eq!(sees(&of_ward).await, of_hospital, "{provision}");
            assert_eq!(sees(&other).await, of_other, "{provision}");
            assert_eq!(sees(&software).await, of_software, "{provision}");
        }
        let withdrawn = r#"{"resourceType":"Consent","id":"c","status":"inactive","scope":{"text":"privacy"},
            "category":[{"text":"privacy"}],"patient":{"reference":"Patient/p"},"policyRule":{"text":"x"}}"#;
        place.session().transact(vec![put(withdrawn)]).await.unwrap();
        assert_eq!(sees(&software).await, all);
    });
}

#[test]
fn every_process_hears_of_the_first_decision_any_patient_makes_and_of_the_last_that_is_gone() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let other = if place.is_shared() { place.again().await } else { place.record.clone() };
        let session = machine_at(&other, Some("hospital"));
        assert_eq!(sees(&session).await, [true; 3], "that nobody has decided anything is known there now");
        decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, towards("Organization/hospital")))).await;
        let encounter = key("Encounter", "e");
        while session.read(&encounter).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sees(&session).await, [false; 3]);
        one(&place.session(), delete("Consent", "c")).await.unwrap();
        while session.read(&encounter).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sees(&session).await, [true; 3]);
    });
}

#[test]
fn a_machine_is_shown_at_no_door_what_is_kept_from_it() {
    on_both(async |place| {
        on_a_visit(&place).await;
        decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, towards("Organization/hospital")))).await;
        let session = machine(&place, Some("hospital"));
        // That somebody exists is known to those who register people.
        assert!(session.read(&key("Patient", "p")).await.unwrap().is_some());
        assert!(session.vread(&key("Observation", "o"), 1).await.unwrap().is_none());
        assert!(session.read(&key("Consent", "c")).await.unwrap().is_none());
        for scope in [
            HistoryScope::System,
            HistoryScope::Type(key("Observation", "o").type_),
            HistoryScope::Instance(key("Observation", "o")),
        ] {
            let page = session
                .history(&HistoryRequest { scope, since: None, at: None, count: 1_000, before: None })
                .await
                .unwrap();
            assert!(
                page.versions
                    .iter()
                    .all(|version| !["Observation", "Encounter", "Consent"].contains(&version.key.type_.name()))
            );
        }
        let told = session.changes(0, 10_000).await.unwrap();
        assert!(told.iter().all(|entry| entry.key.type_.name() != "Observation"));
        for (type_, query) in [
            ("Observation", vec![("_summary", "count")]),
            ("Observation", vec![("subject", "Patient/p"), ("_total", "accurate")]),
            ("Patient", vec![("_has:Observation:subject:status", "final")]),
            ("RelatedPerson", vec![("patient._has:Observation:subject:_id", "o")]),
        ] {
            let query: Vec<(&str, String)> = query.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            let page = session.search(&SearchRequest::of(type_, &query).unwrap()).await.unwrap();
            assert!(page.matches.is_empty() && page.total.is_none_or(|total| total == 0), "{type_} {query:?}");
        }
        let with = [("_id", "p".to_owned()), ("_revinclude", "Observation:subject".to_owned())];
        let page = session.search(&SearchRequest::of("Patient", &with).unwrap()).await.unwrap();
        assert!(page.matches.len() == 1 && page.included.is_empty());
        let patch = Patch::Json(json(r#"[{"op":"replace","path":"/status","value":"amended"}]"#));
        let patched = Action::Patch { target: Target::Key(key("Observation", "o")), patch, if_match: None };
        assert!(session.transact(vec![Change::new(patched)]).await.is_err(), "its content would come back");
        // What a machine has to hand in it hands in.
        let told = r#"{"resourceType":"Observation","id":"o","status":"amended","code":{"text":"x"},
            "subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/hospital"}]}"#;
        one(&session, update("Observation", "o", json(told), None)).await.unwrap();
        assert!(session.read(&key("Observation", "o")).await.unwrap().is_none());
        assert!(place.session().read(&key("Observation", "o")).await.unwrap().unwrap().version == 2);
    });
}

#[test]
fn what_a_machine_delivers_twice_is_stored_once_though_it_may_not_read_it() {
    on_both(async |place| {
        on_a_visit(&place).await;
        decide(&place, "", Some(&format!(r#"{{"type":"deny",{}}}"#, towards("Organization/hospital")))).await;
        let session = machine(&place, Some("hospital"));
        let result = |status: &str| {
            json(&format!(
                r#"{{"resourceType":"Observation","status":"{status}","code":{{"text":"x"}},
                "identifier":[{{"system":"urn:lab","value":"7"}}],"subject":{{"reference":"Patient/p"}},
                "performer":[{{"reference":"Organization/hospital"}}]}}"#
            ))
        };
        let deliver = async |query: &str| {
            let action = Action::Create { resource: result("preliminary"), if_none_exist: Some(query.to_owned()) };
            one(&session, Change::new(action)).await
        };
        let first = deliver("identifier=urn:lab|7").await.unwrap();
        let again = deliver("identifier=urn%3Alab%7C7").await.unwrap();
        let (first, again) = (first.version.unwrap(), again.version.unwrap());
        assert_eq!((&again.key, again.version, &again.body), (&first.key, 1, &None), "it is told that it is there");
        let query = Target::Query(first.key.type_, "identifier=urn:lab|7".to_owned());
        let resource = result("final");
        let changed = Action::Update { target: query, resource, if_match: None, if_absent: false };
        assert_eq!(one(&session, Change::new(changed)).await.unwrap().version.unwrap().key, first.key);
        // What is no number of its own tells nothing of what is there, not even that it is.
        for guess in ["identifier=7", "identifier=urn:lab|7&status=final", "identifier=urn:lab|7,urn:lab|8"] {
            let made = deliver(guess).await.unwrap().version.unwrap();
            assert_ne!(made.key, first.key, "{guess}");
            let gone = Action::Delete { target: Target::Key(made.key), if_match: None };
            one(&place.session(), Change::new(gone)).await.unwrap();
        }
        let mine = SearchRequest::of("Observation", &[("identifier", "urn:lab|7".to_owned())]).unwrap();
        assert_eq!(place.session().search(&mine).await.unwrap().matches.len(), 1);
    });
}
