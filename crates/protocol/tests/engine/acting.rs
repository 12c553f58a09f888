use fhir::{Category, IssueCode};
use protocol::definition::End;
use protocol::run::Reason;
use protocol::{Act, Deed, Start};
use record::{Action, Change, Patch, Target};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::institutions::in_person;
use testkit::place::on_both;

use crate::{Town, beginning, complete, json, key, read, staff, text};

#[test]
fn a_run_is_a_root_task_with_a_task_for_each_step_and_an_observation_for_each_milestone() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let begun = town.start().await;
        assert_eq!(begun.run.class.as_deref(), Some("urgent"), "its class comes from the request");
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap(), begun);
        let root = town.read("Task", "r1").await.unwrap();
        assert_eq!(text(&root, "status"), "in-progress");
        assert_eq!(root.get("owner").and_then(|owner| owner.get("reference")?.as_str()), Some("Organization/medicine"));
        let step = town.read("Task", "r1.review.1").await.unwrap();
        assert_eq!((text(&step, "status"), text(&step, "priority")), ("ready", "urgent"));
        let due = step.get("restriction").and_then(|to| to.get("period")?.get("end")?.as_str()).unwrap();
        assert_eq!(due, "2026-05-04T02:00:00Z", "two hours after it was submitted");
        assert!(town.read("Observation", "r1.m.submitted.1").await.is_some());
        assert_eq!(town.all("Communication").await.len(), 1);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn starting_twice_under_one_id_starts_one_run() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let first = town.start().await;
        assert_eq!(town.start().await, first);
        let other = protocol::Start { patient: None, focus: None, ..beginning() };
        let refused = town.engine.start(&town.machine(), other).await.unwrap_err();
        assert!(matches!(refused.category(), Category::Conflict | Category::Invalid), "{refused}");
    });
}

#[test]
fn what_follows_from_an_act_is_written_with_it() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let doctor = staff("wu", "medicine", "doctor");
        let accepted = town.act(&doctor, "r1", complete("review", 1, Some("accept"))).await.unwrap();
        // The appointment is made, the request is changed, the referrer and the patient are told in their words.
        let appointment = accepted.run.made.get("visit").unwrap().strip_prefix("Appointment/").unwrap();
        let appointment = town.read("Appointment", appointment).await.unwrap();
        assert_eq!(text(&appointment, "status"), "proposed");
        let actors = appointment.get("participant").and_then(|list| list.as_array()).unwrap();
        assert_eq!(
            actors[1].get("actor").and_then(|actor| actor.get("reference")?.as_str()),
            Some("Organization/medicine")
        );
        let request = town.read("ServiceRequest", "s").await.unwrap();
        assert!(request.get("note").is_some());
        // A bed is not needed, and the transport is a run of its own in the same chain.
        assert_eq!(accepted.run.answers.get("bed"), Some(&false));
        let transport = accepted.run.work("transport", 1).unwrap().run.clone().unwrap();
        let drive = town.engine.load(&transport).await.unwrap().unwrap();
        assert_eq!((drive.run.chain.as_str(), drive.run.parent.unwrap().run.as_str()), ("r1", "r1"));
        let crew = staff("lin", "clinic", "doctor");
        town.act(&crew, &transport, complete("drive", 1, None)).await.unwrap();
        let after = town.engine.load("r1").await.unwrap().unwrap();
        assert_eq!(after.run.work("transport", 1).unwrap().status, protocol::run::WorkStatus::Done);
        assert_eq!(text(&town.read("Task", "r1.transport.1").await.unwrap(), "status"), "completed");
        town.is_as_it_came_about().await;
    });
}

#[test]
fn of_two_who_decide_at_once_one_has_it_and_the_other_is_told_who() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let (one, other) = (staff("wu", "medicine", "doctor"), staff("he", "hospital", "referral-officer"));
        let (first, second) = tokio::join!(
            town.act(&one, "r1", complete("review", 1, Some("accept"))),
            town.act(&other, "r1", complete("review", 1, Some("accept"))),
        );
        let (winner, refused) = match (first, second) {
            (Ok(run), Err(error)) | (Err(error), Ok(run)) => (run, error),
            other => panic!("one of the two is to have it: {other:?}"),
        };
        assert_eq!(refused.category(), Category::Conflict);
        let by = winner.run.work("review", 1).unwrap().by.clone().unwrap();
        assert_eq!(refused.issues()[0].text, format!("{by} has already done this."));
        assert_eq!(town.all("Appointment").await.len(), 1);
        // Whoever did it may send it again.
        let again = if by == "Practitioner/wu" { &one } else { &other };
        assert!(town.act(again, "r1", complete("review", 1, Some("accept"))).await.is_ok());
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().run, winner.run);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn only_those_act_who_hold_a_duty_where_the_role_is_bound() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let accept = || complete("review", 1, Some("accept"));
        for (stranger, organization, duty) in
            [("zhao", "other", "doctor"), ("qi", "hospital", "nurse"), ("lin", "clinic", "doctor")]
        {
            let refused = town.act(&staff(stranger, organization, duty), "r1", accept()).await.unwrap_err();
            assert_eq!(refused.category(), Category::Forbidden, "{stranger}");
        }
        // The hospital holds the department that is bound.
        town.act(&staff("he", "hospital", "referral-officer"), "r1", accept()).await.unwrap();
    });
}

#[test]
fn a_patient_changes_neither_times_nor_urgency_nor_protocol_and_takes_back_what_they_may() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let patient = in_person(&town.place.record, &["p"], &[]).caller().clone();
        let at = town.place.now() - 60_000_000;
        let reason = || "不想等".to_owned();
        for deed in [
            Deed::Correct { milestone: "submitted".to_owned(), n: 1, at, reason: reason(), signed: None },
            Deed::Regrade { class: "routine".to_owned(), reason: reason() },
            Deed::Switch { protocol: "follow-up".to_owned(), reason: reason() },
            // This protocol names nobody who may take it back, so it is for those who work on it.
            Deed::Cancel { reason: Reason { code: "own-choice".to_owned(), text: None } },
        ] {
            let refused = town.act(&patient, "r1", deed.clone()).await.unwrap_err();
            assert_eq!(refused.category(), Category::Forbidden, "{deed:?}");
        }
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().version, 1);
        let wu = staff("wu", "medicine", "doctor");
        let unexplained = Deed::Regrade { class: "routine".to_owned(), reason: " ".to_owned() };
        assert_eq!(town.act(&wu, "r1", unexplained).await.unwrap_err().category(), Category::Invalid);
        let graded =
            town.act(&wu, "r1", Deed::Regrade { class: "routine".to_owned(), reason: reason() }).await.unwrap();
        assert_eq!(graded.run.class.as_deref(), Some("routine"));
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_reason_is_one_of_the_list_that_is_asked_for() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        town.put(
            "CodeSystem",
            "rejection",
            r#"{"resourceType":"CodeSystem","id":"rejection","status":"active","content":"complete",
            "concept":[{"code":"no-bed","display":"无床"}]}"#,
        )
        .await;
        let wu = staff("wu", "medicine", "doctor");
        let reject = |code: &str| {
            let mut deed = complete("review", 1, Some("reject"));
            if let Deed::Complete { reason, .. } = &mut deed {
                *reason = Some(Reason { code: code.to_owned(), text: Some("床位已满".to_owned()) });
            }
            deed
        };
        for (code, told) in [("不想收", IssueCode::CodeInvalid), ("", IssueCode::Required)] {
            let refused = town.act(&wu, "r1", reject(code)).await.unwrap_err();
            assert_eq!(refused.issues()[0].code, told, "{code}");
        }
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().version, 1, "nothing was written");
        let refused = town.act(&wu, "r1", reject("no-bed")).await.unwrap();
        assert_eq!(refused.run.end, Some(End::Rejected));
        town.is_as_it_came_about().await;
    });
}

#[test]
fn a_protocol_that_begins_itself_without_an_end_is_refused_and_nothing_is_written() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let text = r#"
            code = "echo"
            version = "1"
            title = { zh = "回声", en = "Echo" }
            [[start]]
            by = "hand"
            reach = ["heard"]
            [[start]]
            by = "protocol"
            reach = ["heard"]
            [[milestone]]
            code = "heard"
            title = { zh = "听见", en = "Heard" }
            begin = [{ protocol = "echo" }]
        "#;
        town.engine.library().put(read(text));
        let start = Start { protocol: "echo".to_owned(), focus: None, ..beginning() };
        let refused = town.engine.start(&town.machine(), start).await.unwrap_err();
        assert_eq!(refused.category(), Category::Unprocessable);
        assert!(town.all("Task").await.is_empty());
    });
}

#[test]
fn a_task_of_a_run_is_written_by_nobody_but_the_engine() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let root = town.read("Task", "r1").await.unwrap();
        let target = |id: &str| Target::Key(key("Task", id));
        let plain = r#"{"resourceType":"Task","id":"r1.review.1","status":"completed","intent":"order"}"#;
        let patch = Patch::Json(json(r#"[{"op":"replace","path":"/status","value":"completed"}]"#));
        let forged = r#"{"resourceType":"Task","id":"x","meta":{"tag":[{"system":"https://qingshan.dev/fhir/CodeSystem/run","code":"root"}]},"status":"ready","intent":"order"}"#;
        let update =
            |id: &str, resource| Action::Update { target: target(id), resource, if_match: None, if_absent: false };
        for action in [
            update("r1", root),
            update("r1.review.1", json(plain)),
            update("x", json(forged)),
            Action::Patch { target: target("r1"), patch, if_match: None },
            Action::Delete { target: target("r1.review.1"), if_match: None },
        ] {
            let refused = town.place.session().transact(vec![Change::new(action)]).await.unwrap_err().error;
            assert_eq!(refused.category(), Category::Forbidden);
            assert!(refused.to_string().contains("/acts"), "{refused}");
        }
        assert_eq!(town.engine.load("r1").await.unwrap().unwrap().version, 1);
    });
}

#[test]
fn a_form_is_stored_with_the_act_and_may_bind_a_role_anew() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let response = json(
            r#"{"resourceType":"QuestionnaireResponse","status":"in-progress","item":[{"linkId":"to","answer":[
            {"valueReference":{"reference":"Organization/other"}}]}]}"#,
        );
        let act = Act { deed: complete("review", 1, Some("redirect")), response: Some(response) };
        let officer = staff("he", "hospital", "referral-officer");
        let redirected = town.engine.act(&officer, "r1", act).await.unwrap();
        assert_eq!(redirected.run.parties["receiver"].reference, "Organization/other");
        let stored = town.all("QuestionnaireResponse").await;
        assert_eq!((stored.len(), text(&stored[0], "status")), (1, "completed"));
        // It is reviewed anew, by those it was sent to.
        let refused = town.act(&officer, "r1", complete("review", 2, Some("accept"))).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        town.act(&staff("zhao", "other", "doctor"), "r1", complete("review", 2, Some("accept"))).await.unwrap();
        town.is_as_it_came_about().await;
    });
}

#[test]
fn the_protocol_that_follows_begins_in_the_same_chain() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.start().await;
        let machine = town.machine();
        town.act(&machine, "r1", complete("review", 1, Some("accept"))).await.unwrap();
        let at = town.engine.load("r1").await.unwrap().unwrap().run.began;
        let source = "Encounter/e".to_owned();
        let fact = Deed::Fact { step: None, milestone: Some("arrived".to_owned()), source, at, said: None };
        town.act(&machine, "r1", fact).await.unwrap();
        let closed = town.act(&machine, "r1", complete("close", 1, None)).await.unwrap();
        assert_eq!(closed.run.end, Some(End::Completed));
        let roots = town.all("Task").await.into_iter().filter(protocol::task::is_root);
        let runs: Vec<_> = roots.map(|root| protocol::task::run(&root).unwrap()).collect();
        let next = runs.iter().find(|run| run.protocol == "follow-up").unwrap();
        assert_eq!((next.chain.as_str(), next.parties["doctor"].reference.as_str()), ("r1", "Organization/clinic"));
        assert_eq!(next.open().count(), 1);
        town.is_as_it_came_about().await;
    });
}

impl Town {
    /// An appointment that was held for a patient before the run began.
    async fn held(&self, id: &str, patient: &str, status: &str) {
        let text = format!(
            r#"{{"resourceType":"Appointment","id":"{id}","status":"{status}","start":"2026-05-06T09:00:00+08:00",
            "end":"2026-05-06T09:20:00+08:00","slot":[{{"reference":"Slot/morning"}}],
            "participant":[{{"actor":{{"reference":"Patient/{patient}"}},"status":"accepted"}}]}}"#
        );
        self.put("Appointment", id, &text).await;
        self.request("s", &format!(r#","supportingInfo":[{{"reference":"Appointment/{id}"}}]"#)).await;
    }
}

#[test]
fn what_was_held_before_a_run_began_is_taken_over_instead_of_being_made() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.held("held", "p", "pending").await;
        town.start().await;
        let doctor = staff("wu", "medicine", "doctor");
        let accepted = town.act(&doctor, "r1", complete("review", 1, Some("accept"))).await.unwrap();
        assert_eq!(accepted.run.made.get("visit").map(String::as_str), Some("Appointment/held"));
        let appointment = town.read("Appointment", "held").await.unwrap();
        assert_eq!(text(&appointment, "status"), "booked", "its own code stands for it while it is set");
        assert!(appointment.get("slot").is_some(), "what it had is kept");
        assert_eq!(town.all("Appointment").await.len(), 1);
        town.is_as_it_came_about().await;
    });
}

#[test]
fn what_is_not_to_be_taken_over_is_refused_and_nothing_is_written() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.put("Patient", "q", r#"{"resourceType":"Patient","id":"q"}"#).await;
        town.start().await;
        let doctor = staff("wu", "medicine", "doctor");
        for (id, patient, status) in [("over", "p", "cancelled"), ("anothers", "q", "pending")] {
            town.held(id, patient, status).await;
            let refused = town.act(&doctor, "r1", complete("review", 1, Some("accept"))).await.unwrap_err();
            assert_eq!(refused.category(), Category::Conflict, "{refused}");
            assert_eq!(text(&town.read("Appointment", id).await.unwrap(), "status"), status);
        }
        assert!(town.engine.load("r1").await.unwrap().unwrap().run.reached("accepted").is_none());
    });
}
