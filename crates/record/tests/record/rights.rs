//! What somebody may change of what they see, and what ends a right while it lasts.

use fhir::Category;
use record::{Reason, Relation, Session};
use testkit::institutions::{found, in_person, on_duty, put};
use testkit::place::{Place, on_both};

use crate::{json, key, one, update};

const HIV: &str =
    r#""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]},"#;

/// A result of the hospital's, with further elements.
fn result(id: &str, status: &str, code: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"{status}",{more}
        "code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},
        "subject":{{"reference":"Patient/p"}},"performer":[{{"reference":"Organization/hospital"}}]}}"#
    )
}

/// A patient on a visit at the hospital, with a result that bears a label by its security and one by its code.
async fn on_a_visit(place: &Place) {
    found(&place.record).await;
    let patient = r#"{"resourceType":"Patient","id":"p"}"#;
    let visit = r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"IMP"},
        "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"}}"#;
    let (marked, coded) = (result("marked", "final", "718-7", HIV), result("coded", "final", "75622-1", ""));
    place.session().transact(vec![put(patient), put(visit), put(&marked), put(&coded)]).await.unwrap();
}

async fn change(session: &Session, id: &str, text: &str) -> Result<(), Category> {
    let changed = one(session, update("Observation", id, json(text), None)).await;
    changed.map(drop).map_err(|refusal| refusal.error.category())
}

#[test]
fn a_nurse_cannot_open_an_hiv_result_by_taking_its_label_off() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let nurse = on_duty(&place.record, "nurse", "hospital", "TREAT");
        let radiologist = on_duty(&place.record, "radiologist", "hospital", "TREAT");
        let open = async |id: &str| radiologist.read(&key("Observation", id)).await.unwrap().is_some();
        for (id, kept, stripped) in [
            ("marked", result("marked", "amended", "718-7", HIV), result("marked", "amended", "718-7", "")),
            ("coded", result("coded", "amended", "75622-1", ""), result("coded", "amended", "718-7", "")),
        ] {
            assert!(nurse.read(&key("Observation", id)).await.unwrap().is_some());
            assert_eq!(change(&nurse, id, &stripped).await, Err(Category::Forbidden), "{id}");
            assert!(!open(id).await);
            assert_eq!(change(&nurse, id, &kept).await, Ok(()), "{id}");
            assert!(!open(id).await);
            let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
            assert_eq!(change(&doctor, id, &stripped).await, Ok(()), "{id}");
            assert!(open(id).await);
        }
    });
}

#[test]
fn what_a_closed_department_wrote_is_still_its_institutions() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let found = result("found", "final", "718-7", "").replace("Organization/hospital", "Organization/ward");
        let ended = r#"{"resourceType":"Encounter","id":"e","status":"entered-in-error","class":{"code":"IMP"},
            "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"}}"#;
        let closed = r#"{"resourceType":"Organization","id":"ward","name":"ward","active":false,
            "partOf":{"reference":"Organization/hospital"},
            "type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/organization-type","code":"dept"}]}]}"#;
        place.session().transact(vec![put(&found), put(ended), put(closed)]).await.unwrap();
        let sees = async |organization: &str| {
            let session = on_duty(&place.record, "doctor", organization, "TREAT");
            session.read(&key("Observation", "found")).await.unwrap().is_some()
        };
        assert!(sees("hospital").await);
        assert!(!sees("other").await);
    });
}

#[test]
fn what_was_deleted_does_not_come_back_without_its_label() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let nurse = on_duty(&place.record, "nurse", "hospital", "TREAT");
        one(&nurse, crate::delete("Observation", "marked")).await.unwrap();
        let again = result("marked", "final", "718-7", "");
        assert_eq!(change(&nurse, "marked", &again).await, Err(Category::Forbidden));
    });
}

#[test]
fn an_institution_shares_its_own_notes_when_it_wants_to() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let note = |more: &str| {
            format!(
                r#"{{"resourceType":"ClinicalImpression","id":"n","status":"completed",{more}
                "subject":{{"reference":"Patient/p"}},"encounter":{{"reference":"Encounter/e"}}}}"#
            )
        };
        place.session().transact(vec![put(&note(""))]).await.unwrap();
        let group = on_duty(&place.record, "nurse", "centre", "TREAT");
        let name = key("ClinicalImpression", "n");
        assert!(group.read(&name).await.unwrap().is_none());
        let shared =
            r#""meta":{"security":[{"system":"https://qingshan.dev/fhir/CodeSystem/sharing","code":"shared"}]},"#;
        let nurse = on_duty(&place.record, "nurse", "hospital", "TREAT");
        one(&nurse, update("ClinicalImpression", "n", json(&note(shared)), None)).await.unwrap();
        assert!(group.read(&name).await.unwrap().is_some());
    });
}

#[test]
fn an_emergency_access_found_unjustified_ends_while_it_still_runs() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let plain = result("plain", "final", "718-7", "");
        place.session().transact(vec![put(&plain)]).await.unwrap();
        let (patient, name) = (key("Patient", "p"), key("Observation", "plain"));
        let doctor = on_duty(&place.record, "doctor", "other", "ETREAT");
        let reason = Reason { code: Some("unconscious".to_owned()), text: None };
        let opened = doctor.break_glass(&patient, &reason).await.unwrap();
        assert!(doctor.read(&name).await.unwrap().is_some());
        let officer = on_duty(&place.record, "privacy-officer", "other", "HOPERAT");
        for (finding, open) in [("justified", true), ("unjustified", false)] {
            let task = officer.read(&opened.task).await.unwrap().unwrap();
            let mut task: serde_json::Value = serde_json::from_slice(&task.body.unwrap()).unwrap();
            let system = "https://qingshan.dev/fhir/CodeSystem/review";
            task["status"] = "completed".into();
            task["businessStatus"] = serde_json::json!({"coding": [{"system": system, "code": finding}]});
            one(&officer, update("Task", &opened.task.id, json(&task.to_string()), None)).await.unwrap();
            assert_eq!(doctor.read(&name).await.unwrap().is_some(), open, "{finding}");
            let held = doctor.relations(&patient).await.unwrap().unwrap().held;
            assert_eq!(held.iter().any(|held| held.relation == Relation::Emergency), open, "{finding}");
        }
        // Another emergency is another access, announced and reviewed anew.
        assert_ne!(doctor.break_glass(&patient, &reason).await.unwrap().task, opened.task);
    });
}

#[test]
fn asking_how_one_stands_to_somebody_and_being_refused_an_emergency_stand_on_the_trail() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let patient = key("Patient", "p");
        on_duty(&place.record, "doctor", "other", "TREAT").relations(&patient).await.unwrap();
        let reason = Reason { code: Some("unconscious".to_owned()), text: None };
        let registrar = on_duty(&place.record, "registrar", "other", "ETREAT");
        registrar.break_glass(&patient, &reason).await.unwrap_err();
        place.record.settle().await.unwrap();
        let officer = on_duty(&place.record, "privacy-officer", "other", "HOPERAT");
        let told = async |agent: &str| {
            let asked = [("patient", "Patient/p".to_owned()), ("agent", format!("Practitioner/{agent}"))];
            let request = record::SearchRequest::of("AuditEvent", &asked).unwrap();
            let found = officer.search(&request).await.unwrap().matches;
            assert_eq!(found.len(), 1, "{agent}");
            String::from_utf8(found[0].body.clone().unwrap().to_vec()).unwrap()
        };
        assert!(told("doctor-other").await.contains("Patient/p/$relation"));
        let refused = told("registrar-other").await;
        assert!(refused.contains("110127") && refused.contains(r#""outcome":"4""#), "{refused}");
    });
}

#[test]
fn an_emergency_is_announced_to_an_officer_also_where_the_institution_has_none() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let away = |at: &str| {
            let id = format!("privacy-officer-{at}");
            put(&testkit::institutions::post(&id, "privacy-officer", at, r#","active":false"#))
        };
        let told = async |of: &str| {
            let doctor = on_duty(&place.record, of, "station", "ETREAT");
            let reason = Reason { code: Some("unconscious".to_owned()), text: None };
            let task = doctor.break_glass(&key("Patient", "p"), &reason).await.unwrap().task;
            let request = record::SearchRequest::of("Communication", &[("_sort", "-_lastUpdated".to_owned())]).unwrap();
            let found = place.session().search(&request).await.unwrap().matches;
            let mut bodies =
                found.into_iter().map(|version| String::from_utf8(version.body.unwrap().to_vec()).unwrap());
            let body = bodies.find(|body| body.contains(&task.to_string())).unwrap();
            let at = ["station", "other", "centre", "hospital"];
            at.into_iter().filter(|at| body.contains(&format!("privacy-officer-{at}"))).collect::<Vec<_>>()
        };
        assert_eq!(told("doctor").await, ["station"]);
        place.session().transact(vec![away("station")]).await.unwrap();
        assert_eq!(told("nurse").await, ["other"], "whoever manages it");
        place.session().transact(vec![away("other")]).await.unwrap();
        assert_eq!(told("village-doctor").await, ["centre", "hospital"], "all there are");
        let bound = |id: &str, code: &str, whom: &str| {
            put(&format!(
                r#"{{"resourceType":"OrganizationAffiliation","id":"{id}","organization":{{"reference":"Organization/bond"}},
                "participatingOrganization":{{"reference":"Organization/{whom}"}},
                "code":[{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/affiliation","code":"{code}"}}]}}]}}"#
            ))
        };
        let bond = r#"{"resourceType":"Organization","id":"bond","name":"bond"}"#;
        let changes = vec![put(bond), bound("lead", "lead", "hospital"), bound("member", "member", "station")];
        place.session().transact(changes).await.unwrap();
        assert_eq!(told("paramedic").await, ["hospital"], "whoever leads the consortium");
    });
}

#[test]
fn an_emergency_access_is_neither_lengthened_nor_handed_on_by_those_who_review_it() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let plain = result("plain", "final", "718-7", "");
        let other = r#"{"resourceType":"Patient","id":"q"}"#;
        place.session().transact(vec![put(&plain), put(other)]).await.unwrap();
        let (patient, name) = (key("Patient", "p"), key("Observation", "plain"));
        let doctor = on_duty(&place.record, "doctor", "other", "ETREAT");
        let reason = Reason { code: Some("unconscious".to_owned()), text: None };
        let opened = doctor.break_glass(&patient, &reason).await.unwrap();
        let officer = on_duty(&place.record, "privacy-officer", "other", "HOPERAT");
        let task = officer.read(&opened.task).await.unwrap().unwrap();
        let task: serde_json::Value = serde_json::from_slice(&task.body.unwrap()).unwrap();
        for (element, value) in [
            ("executionPeriod", serde_json::json!({"start": task["executionPeriod"]["start"], "end": "2099-01-01"})),
            ("requester", serde_json::json!({"reference": "PractitionerRole/nurse-other"})),
            ("for", serde_json::json!({"reference": "Patient/q"})),
        ] {
            let mut changed = task.clone();
            changed[element] = value;
            let refused = one(&officer, update("Task", &opened.task.id, json(&changed.to_string()), None)).await;
            assert_eq!(refused.unwrap_err().error.category(), Category::Forbidden, "{element}");
            let refused = one(&officer, crate::create(json(&changed.to_string()))).await;
            assert_eq!(refused.unwrap_err().error.category(), Category::Forbidden, "a new one with another {element}");
        }
        assert!(on_duty(&place.record, "nurse", "other", "ETREAT").read(&name).await.unwrap().is_none());
        place.clock.pass(4 * 3_600);
        assert!(doctor.read(&name).await.unwrap().is_none());
    });
}

#[test]
fn an_emergency_access_is_one_posts_and_short_whatever_is_written_of_it() {
    on_both(async |place| {
        on_a_visit(&place).await;
        place.session().transact(vec![put(&result("plain", "final", "718-7", ""))]).await.unwrap();
        let name = key("Observation", "plain");
        let doctor = on_duty(&place.record, "doctor", "other", "ETREAT");
        let task = |requester: &str, period: &str| {
            format!(
                r#"{{"resourceType":"Task","id":"t","status":"requested","intent":"order",
                "code":{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/task","code":"emergency-access"}}]}},
                "for":{{"reference":"Patient/p"}},"requester":{{"reference":"{requester}"}},"executionPeriod":{{{period}}}}}"#
            )
        };
        let start = fhir::time::instant(place.record.surroundings().clock.now());
        let long = format!(r#""start":"{start}","end":"2099-01-01""#);
        for (requester, period, opens) in [
            ("PractitionerRole/doctor-other", long.as_str(), true),
            ("PractitionerRole/doctor-other", r#""end":"2099-01-01""#, false),
            ("Practitioner/doctor-other", long.as_str(), false),
            ("Organization/other", long.as_str(), false),
            ("PractitionerRole/doctor-other", long.as_str(), true),
        ] {
            place.session().transact(vec![put(&task(requester, period))]).await.unwrap();
            assert_eq!(doctor.read(&name).await.unwrap().is_some(), opens, "{requester} {period}");
        }
        place.clock.pass(4 * 3_600);
        assert!(doctor.read(&name).await.unwrap().is_none());
    });
}

#[test]
fn a_family_doctors_contract_opens_a_record_from_a_day_to_a_day() {
    on_both(async |place| {
        on_a_visit(&place).await;
        place.session().transact(vec![put(&result("plain", "final", "718-7", ""))]).await.unwrap();
        let doctor = on_duty(&place.record, "family-doctor", "other", "TREAT");
        for (period, opens) in [
            ("", false),
            (r#","period":{"start":"2026-01-01"}"#, false),
            (r#","period":{"end":"2026-12-31"}"#, false),
            (r#","period":{"start":"2026-01-01","end":"2026-12-31"}"#, true),
            (r#","period":{"start":"2025-01-01","end":"2025-12-31"}"#, false),
        ] {
            let contract = format!(
                r#"{{"resourceType":"CareTeam","id":"t","status":"active","category":[{{"coding":[
                {{"system":"https://qingshan.dev/fhir/CodeSystem/care-team","code":"family-doctor"}}]}}],
                "subject":{{"reference":"Patient/p"}},"managingOrganization":[{{"reference":"Organization/other"}}]{period}}}"#
            );
            place.session().transact(vec![put(&contract)]).await.unwrap();
            let seen = doctor.read(&key("Observation", "plain")).await.unwrap().is_some();
            assert_eq!(seen, opens, "{period}");
        }
    });
}

#[test]
fn a_task_is_not_turned_to_another_patient() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let task = |patient: &str, status: &str| {
            format!(
                r#"{{"resourceType":"Task","id":"t","status":"{status}","intent":"order",
                "code":{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/request","code":"referral"}}]}},
                "for":{{"reference":"Patient/{patient}"}},"requester":{{"reference":"Organization/hospital"}},
                "owner":{{"reference":"Organization/other"}}}}"#
            )
        };
        let other = r#"{"resourceType":"Patient","id":"q"}"#;
        place.session().transact(vec![put(other), put(&task("p", "requested"))]).await.unwrap();
        let doctor = on_duty(&place.record, "doctor", "other", "TREAT");
        let refused = one(&doctor, update("Task", "t", json(&task("q", "accepted")), None)).await;
        assert_eq!(refused.unwrap_err().error.category(), Category::Forbidden);
        one(&doctor, update("Task", "t", json(&task("p", "accepted")), None)).await.unwrap();
    });
}

#[test]
fn that_the_own_institution_keeps_something_is_told_to_whoever_may_see_it() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let kept = async |duty: &str, at: &str, patient: &str| {
            let session = on_duty(&place.record, duty, at, "TREAT");
            let told = session.relations(&key("Patient", patient)).await.unwrap().unwrap();
            (told.held.iter().any(|held| held.relation == Relation::Keeper), told.closed)
        };
        assert_eq!(kept("doctor", "hospital", "p").await, (true, false));
        // Nobody is treated any more, and what is left bears a label that opens only to those who treat.
        let of_q = |text: String| text.replace("Patient/p", "Patient/q");
        let marked = of_q(result("marked-q", "final", "718-7", HIV));
        place.session().transact(vec![put(r#"{"resourceType":"Patient","id":"q"}"#), put(&marked)]).await.unwrap();
        assert_eq!(kept("doctor", "hospital", "q").await, (false, true));
        place.session().transact(vec![put(&of_q(result("plain-q", "final", "718-7", "")))]).await.unwrap();
        assert_eq!(kept("doctor", "hospital", "q").await, (true, true));
        assert_eq!(kept("registrar", "hospital", "q").await, (false, true));
        assert_eq!(kept("doctor", "other", "q").await, (false, true));
    });
}

#[test]
fn people_correct_what_they_measured_and_leave_what_an_institution_found() {
    on_both(async |place| {
        on_a_visit(&place).await;
        let own = r#"{"resourceType":"Observation","status":"final","code":{"text":"收缩压"},"valueString":"138",
            "subject":{"reference":"Patient/p"}}"#;
        for session in [in_person(&place.record, &["p"], &[]), in_person(&place.record, &[], &["p"])] {
            let made = one(&session, crate::create(json(own))).await.unwrap().version.unwrap();
            assert_eq!(change(&session, &made.key.id, &with_id(own, &made.key.id)).await, Ok(()));
            let found = result("found", "final", "718-7", "");
            place.session().transact(vec![put(&found)]).await.unwrap();
            let changed = result("found", "amended", "718-7", "");
            assert!(session.read(&key("Observation", "found")).await.unwrap().is_some());
            assert_eq!(change(&session, "found", &changed).await, Err(Category::Forbidden));
            let gone = one(&session, crate::delete("Observation", "found")).await;
            assert_eq!(gone.unwrap_err().error.category(), Category::Forbidden);
        }
    });
}

fn with_id(resource: &str, id: &str) -> String {
    resource.replacen('{', &format!(r#"{{"id":"{id}","#), 1).replace("138", "136")
}

#[test]
fn an_account_is_its_owners_so_that_the_office_there_sees_what_is_owed_after_the_visit() {
    on_both(async |place| {
        found(&place.record).await;
        let account = r#"{"resourceType":"Account","id":"a","status":"active","subject":[{"reference":"Patient/p"}],
            "owner":{"reference":"Organization/hospital"}}"#;
        let task = r#"{"resourceType":"Task","id":"t","status":"requested","intent":"order","for":{"reference":"Patient/p"},
            "owner":{"reference":"Organization/hospital"}}"#;
        let patient = r#"{"resourceType":"Patient","id":"p"}"#;
        // The platform opens it, and nobody is treated any more.
        place.session().transact(vec![put(patient), put(account), put(task)]).await.unwrap();
        for (duty, at, sees) in
            [("registrar", "hospital", true), ("registrar", "other", false), ("nurse", "hospital", false)]
        {
            let session = on_duty(&place.record, duty, at, "TREAT");
            let seen = session.read(&key("Account", "a")).await.unwrap().is_some();
            assert_eq!(seen, sees, "{duty} at {at}");
        }
        // Of a Task the owner is whoever is asked, and it is not theirs by that.
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        let told = doctor.relations(&key("Patient", "p")).await.unwrap().unwrap();
        assert!(!told.held.iter().any(|held| held.relation == Relation::Keeper));
    });
}
