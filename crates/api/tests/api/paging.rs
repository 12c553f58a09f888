//! Calling people over HTTP: a team that is started, who is on call, on which devices, and what does not go out.

use paging::stand_in::StandIn;
use paging::{Channel, Paging, Settings};
use protocol::{Library, Protocol};
use record::Caller;
use serde_json::json;
use testkit::institutions::put;
use testkit::place::{Place, on_both};

use crate::stage::{Someone, read, stage};
use crate::{Door, Reply};

const TEAM: &str = r#"
code = "team"
version = "1"
title = { zh = "急救团队", en = "Team" }

[cancel]
who = ["emergency"]
reach = ["stood-down"]

[[role]]
code = "emergency"
title = { zh = "急诊科", en = "Emergency" }
party = "institution"
duties = ["nurse"]

[[role]]
code = "stroke"
title = { zh = "卒中团队", en = "Stroke team" }
party = "institution"
call = "stroke"
duties = ["doctor"]
otherwise = "emergency"
optional = true

[[role]]
code = "chief"
title = { zh = "总值班", en = "Duty chief" }
party = "institution"
call = "chief"
duties = ["quality"]
otherwise = "emergency"
optional = true

[[start]]
by = "hand"
duties = ["nurse"]
reach = ["activated"]

[[milestone]]
code = "activated"
title = { zh = "团队启动", en = "Team activated" }
tell = ["stroke", "emergency"]

[[milestone]]
code = "answered"
title = { zh = "已应答", en = "Answered" }
tell = ["stroke"]

[[milestone]]
code = "stood-down"
title = { zh = "撤销", en = "Stood down" }
ends = "cancelled"
tell = ["stroke"]

[[milestone]]
code = "over"
title = { zh = "结束", en = "Over" }
ends = "completed"

[[step]]
code = "answer"
title = { zh = "应答", en = "Answer" }
who = "stroke"
requires = ["activated"]
acknowledgements = 1
reach = ["answered"]

[[step]]
code = "end"
title = { zh = "结束", en = "End" }
who = "emergency"
requires = ["answered"]
reach = ["over"]

[[clock]]
code = "answer"
title = { zh = "启动至应答", en = "To answer" }
from = "activated"
to = ["answered", "stood-down"]

[[clock.limit]]
warn = "2 min"
breach = "5 min"
source = "made up for this test"

[[clock.rung]]
at = "warn"
tell = ["stroke"]

[[clock.rung]]
at = "breach"
tell = ["stroke", "chief"]
"#;

/// A warning is answered by taking it; updates of it and what else happens to end with it are not asked about.
const WARNING: &str = r#"
code = "warning"
version = "1"
title = { zh = "院前预警", en = "Warning" }

[[role]]
code = "desk"
title = { zh = "急诊科", en = "Emergency" }
party = "institution"
call = "desk"
duties = ["doctor"]

[[role]]
code = "crew"
title = { zh = "急救单元", en = "Crew" }
party = "institution"
duties = ["nurse"]

[[start]]
by = "hand"
duties = ["nurse"]
reach = ["sent"]

[[milestone]]
code = "sent"
title = { zh = "预警送达", en = "Sent" }
tell = ["desk"]

[[milestone]]
code = "updated"
title = { zh = "更新预警", en = "Updated" }
tell = ["desk"]

[[milestone]]
code = "taken"
title = { zh = "已接收", en = "Taken" }

[[milestone]]
code = "over"
title = { zh = "结束", en = "Over" }
ends = "completed"

[[step]]
code = "answer"
title = { zh = "接收院前预警", en = "Answer the warning" }
who = "desk"
requires = ["sent"]
page = true

[[step.outcome]]
code = "accept"
title = { zh = "接收", en = "Accept" }
reach = ["taken"]

[[step]]
code = "update"
title = { zh = "更新", en = "Update" }
who = "crew"
requires = ["sent"]
again = ["updated"]
optional = true
reach = ["updated"]

[[step]]
code = "reread"
title = { zh = "查看更新", en = "Read the update" }
who = "desk"
requires = ["updated"]
optional = true
acknowledgements = 1
page = false

[[step]]
code = "end"
title = { zh = "结束", en = "End" }
who = "crew"
requires = ["taken"]
reach = ["over"]

[[clock]]
code = "answer"
title = { zh = "送达至接收", en = "Sent to taken" }
from = "sent"
to = ["taken"]

[[clock.limit]]
warn = "2 min"
breach = "5 min"
source = "made up for this test"

[[clock.rung]]
at = "warn"
tell = ["desk"]

[[clock]]
code = "silence"
title = { zh = "途中无更新", en = "No update" }
from = "updated"
to = ["updated", "taken"]

[[clock.limit]]
breach = "1 min"
source = "made up for this test"

[[clock.rung]]
at = "breach"
tell = ["desk"]
"#;

struct Ward {
    door: Door,
    engine: protocol::Engine,
    paging: Paging,
    stand_in: StandIn,
    outside: String,
}

impl Ward {
    async fn of(place: Place) -> Self {
        let stand_in = StandIn::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outside = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(stand_in.clone().serve(listener));
        let settings = Settings {
            gateway: Some(format!("{outside}/messages")),
            channels: vec![Channel::Sms],
            allow_private: true,
            ..Settings::default()
        };
        let protocols = [TEAM, WARNING].map(|text| toml::from_str::<Protocol>(text).unwrap());
        let library = Library::with(protocols.clone());
        let told = settings.clone();
        let door = stage(place, Library::with(protocols), move |door| door.paging = told).await;
        let record = door.place.record.clone();
        let people = [
            r#"{"resourceType":"Patient","id":"p","name":[{"text":"林月"}]}"#,
            r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"EMER"},
                "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"}}"#,
            r#"{"resourceType":"Practitioner","id":"doctor-hospital","name":[{"text":"陈平"}],
                "telecom":[{"system":"phone","use":"mobile","value":"13900000001"}]}"#,
            r#"{"resourceType":"Practitioner","id":"quality-hospital","name":[{"text":"周山"}],
                "telecom":[{"system":"phone","use":"mobile","value":"13900000002"}]}"#,
        ];
        record.session(Caller::system("SYSADMIN")).transact(people.map(put).to_vec()).await.unwrap();
        let engine = protocol::Engine::with(record.clone(), library);
        engine.prepare().await.unwrap();
        door.place.clock.pass(10);
        while record.index_due().await.unwrap() {}
        let paging = Paging::new(record, settings);
        assert!(paging.caught_up().await.unwrap());
        Self { door, engine, paging, stand_in, outside }
    }

    async fn enter(&self, login: &str) -> Someone<'_> {
        Someone::enter(&self.door, login).await
    }

    /// A minute passes so often, clocks fire, and whoever is to be paged is.
    async fn pass(&self, minutes: i64) {
        self.door.place.clock.pass(minutes * 60);
        self.engine.due(self.door.place.record.surroundings().clock.now()).await.unwrap();
        while !self.paging.caught_up().await.unwrap() {}
        self.paging.hand_due().await;
    }

    /// The numbers to which text messages went, in the order they did.
    fn texted(&self) -> Vec<String> {
        let taken = self.stand_in.taken().into_iter().filter(|one| one.path == "/messages");
        taken.map(|one| one.body["to"].as_str().unwrap().trim_start_matches("1390000000").to_owned()).collect()
    }
}

impl Someone<'_> {
    async fn on_call(&self, call: &str, who: &str) -> Reply {
        let shift = json!({"institution": "Organization/hospital", "call": call, "who": format!("PractitionerRole/{who}"),
            "from": "2026-05-04T08:00:00+08:00", "to": "2026-05-05T08:00:00+08:00"});
        self.post("/paging/roster", &shift).await
    }

    async fn activate(&self) -> Reply {
        let roles = json!({"emergency": "Organization/hospital"});
        self.post("/runs", &json!({"id": "run-1", "protocol": "team", "patient": "Patient/p", "roles": roles})).await
    }
}

#[test]
fn whoever_is_on_call_is_paged_until_they_answer_and_told_when_it_is_over() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let (nurse, doctor) = (ward.enter("nurse-hospital").await, ward.enter("doctor-hospital").await);
        read(&nurse.on_call("stroke", "doctor-hospital").await);
        read(&nurse.on_call("chief", "quality-hospital").await);
        let roster = read(&doctor.get("/paging/roster?institution=hospital").await);
        assert_eq!(roster["calls"].as_array().unwrap().len(), 3);
        let shift = roster["shifts"].as_array().unwrap().iter().find(|shift| shift["name"] == "陈平").unwrap();
        assert_eq!(shift["channels"], json!(["sms"]));
        read(&nurse.activate().await);
        ward.pass(0).await;
        assert_eq!(ward.texted(), ["1"], "those on call, and not the department that starts it");
        ward.pass(2).await;
        ward.pass(3).await;
        let mut texted = ward.texted();
        texted.sort();
        assert_eq!(texted, ["1", "1", "1", "2"], "again after two minutes, with the chief after five");
        let pages = read(&doctor.get("/runs/run-1/pages").await);
        assert_eq!(pages.as_array().unwrap().len(), 4);
        assert!(pages.as_array().unwrap().iter().all(|page| page["state"] == "handed" && page["channel"] == "sms"));
        let acknowledged = json!({"deed": "acknowledge", "step": "answer", "n": 1});
        read(&doctor.post("/runs/run-1/acts", &acknowledged).await);
        ward.pass(10).await;
        assert_eq!(ward.texted().len(), 4, "who has answered is left alone");
        read(&nurse.post("/runs/run-1/acts", &json!({"deed": "cancel", "reason": "not a stroke"})).await);
        ward.pass(0).await;
        let mut last = ward.texted().split_off(4);
        last.sort();
        assert_eq!(last, ["1", "2"], "everybody who was called");
    });
}

#[test]
fn what_is_answered_by_deciding_is_paged_and_what_is_only_told_is_not() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let nurse = ward.enter("nurse-hospital").await;
        read(&nurse.on_call("desk", "doctor-hospital").await);
        let roles = json!({"desk": "Organization/hospital", "crew": "Organization/hospital"});
        let warning = json!({"id": "run-2", "protocol": "warning", "patient": "Patient/p", "roles": roles});
        let begun = read(&nurse.post("/runs", &warning).await);
        let steps = begun["steps"].as_array().unwrap();
        let paged = steps.iter().filter(|step| step["paged"] == true).map(|step| &step["code"]);
        assert_eq!(paged.collect::<Vec<_>>(), ["answer"]);
        ward.pass(0).await;
        assert_eq!(ward.texted(), ["1"]);
        read(&nurse.post("/runs/run-2/acts", &json!({"deed": "complete", "step": "update", "n": 1})).await);
        ward.pass(0).await;
        assert_eq!(ward.texted().len(), 1, "an update is looked at on a screen");
        ward.pass(1).await;
        assert_eq!(ward.texted().len(), 1, "and so is that none came");
        ward.pass(1).await;
        assert_eq!(ward.texted(), ["1", "1"], "nobody has taken it");
        let doctor = ward.enter("doctor-hospital").await;
        let taken = json!({"deed": "complete", "step": "answer", "n": 1, "outcome": "accept"});
        read(&doctor.post("/runs/run-2/acts", &taken).await);
        ward.pass(5).await;
        assert_eq!(ward.texted().len(), 2, "somebody has");
    });
}

#[test]
fn a_channel_that_is_down_is_told_to_those_who_may_see_the_run() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let nurse = ward.enter("nurse-hospital").await;
        read(&nurse.on_call("stroke", "doctor-hospital").await);
        ward.stand_in.set_down(true);
        read(&nurse.activate().await);
        ward.pass(0).await;
        let trouble = read(&nurse.get("/paging/trouble").await);
        assert_eq!(trouble["runs"][0]["channels"], json!(["sms"]));
        assert_eq!(trouble["runs"][0]["unreached"], json!(["陈平"]));
        let stranger = ward.enter("doctor-other").await;
        assert_eq!(read(&stranger.get("/paging/trouble").await)["runs"], json!([]));
        stranger.get("/runs/run-1/pages").await.refused(404, "not-found");
        let patient = ward.enter("p").await;
        patient.get("/runs/run-1/pages").await.refused(403, "forbidden");
        patient.get("/paging/trouble").await.refused(403, "forbidden");
        ward.stand_in.set_down(false);
        ward.pass(1).await;
        assert_eq!(read(&nurse.get("/paging/trouble").await)["runs"][0]["channels"], json!([]));
    });
}

#[test]
fn nobody_can_have_telephones_ring_by_writing_a_message() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let (nurse, patient) = (ward.enter("nurse-hospital").await, ward.enter("p").await);
        read(&nurse.on_call("stroke", "doctor-hospital").await);
        let base = "https://qingshan.dev/fhir/StructureDefinition";
        let page = json!({"url": format!("{base}/run-page"), "extension": [
            {"url": "role", "valueCode": "stroke"}, {"url": "call", "valueCode": "stroke"},
            {"url": "party", "valueReference": {"reference": "Organization/hospital"}}]});
        let over = json!({"url": format!("{base}/run-stand-down"), "valueBoolean": true});
        let handing =
            json!({"url": format!("{base}/page-handing"), "extension": [{"url": "role", "valueCode": "stroke"}]});
        for extension in [page, over, handing] {
            let message = json!({"resourceType": "Communication", "status": "preparation", "extension": [extension],
                "subject": {"reference": "Patient/p"}, "sender": {"reference": "Patient/p"},
                "recipient": [{"reference": "Organization/hospital"}], "sent": "2026-05-04T08:00:00+08:00",
                "payload": [{"contentString": "..."}]});
            for who in [&nurse, &patient] {
                who.post("/fhir/Communication", &message).await.refused(403, "business-rule");
            }
        }
        ward.pass(1).await;
        assert!(ward.texted().is_empty());
    });
}

#[test]
fn devices_are_ones_own_and_of_staff() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let doctor = ward.enter("doctor-hospital").await;
        let mut device = json!({"endpoint": format!("{}/push/1", ward.outside), "auth": "BTBZMqHH6r4Tts7J_aSIgg",
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "name": "Firefox", "locale": "zh-CN"});
        let added = read(&doctor.post("/paging/devices", &device).await);
        assert!(added.get("endpoint").is_none(), "where it is reached is nobody's to read");
        let known = read(&doctor.get("/paging/devices").await);
        assert_eq!((&known["devices"][0]["name"], &known["channels"]), (&json!("Firefox"), &json!(["push", "sms"])));
        assert_eq!(known["key"].as_str().unwrap().len(), 87);
        assert_eq!(read(&doctor.post("/paging/devices/trial", &json!({})).await)[0]["taken"], true);
        let other = ward.enter("nurse-hospital").await;
        assert_eq!(read(&other.get("/paging/devices").await)["devices"], json!([]));
        let id = added["id"].as_str().unwrap();
        read(&other.post(&format!("/paging/devices/{id}/off"), &json!({})).await);
        assert_eq!(read(&doctor.get("/paging/devices").await)["devices"].as_array().unwrap().len(), 1);
        read(&doctor.post(&format!("/paging/devices/{id}/off"), &json!({})).await);
        assert_eq!(read(&doctor.get("/paging/devices").await)["devices"], json!([]));
        device["p256dh"] = json!("AAAA");
        doctor.post("/paging/devices", &device).await.refused(400, "invalid");
        ward.door.get("/paging/devices").await.refused(401, "login");
    });
}

#[test]
fn a_roster_is_kept_at_home() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let (nurse, stranger) = (ward.enter("nurse-hospital").await, ward.enter("nurse-other").await);
        stranger.on_call("stroke", "doctor-hospital").await.refused(403, "forbidden");
        let people = read(&nurse.get("/paging/roster/people?institution=hospital&call=stroke").await);
        let names: Vec<&str> = people.as_array().unwrap().iter().map(|one| one["who"].as_str().unwrap()).collect();
        assert_eq!(names, ["PractitionerRole/doctor-hospital", "PractitionerRole/doctor-ward"]);
        let shift = read(&nurse.on_call("stroke", "doctor-hospital").await);
        nurse.on_call("stroke", "doctor-hospital").await.refused(409, "duplicate");
        let off = format!("/paging/roster/{}/off", shift["id"].as_str().unwrap());
        stranger.post(&off, &json!({})).await.refused(403, "forbidden");
        read(&nurse.post(&off, &json!({})).await);
        assert_eq!(read(&stranger.get("/paging/roster?institution=hospital").await)["shifts"], json!([]));
    });
}

#[test]
fn somebody_keeps_the_number_over_which_they_are_called_and_nobody_elses() {
    on_both(async |place| {
        let ward = Ward::of(place).await;
        let (doctor, nurse) = (ward.enter("doctor-hospital").await, ward.enter("nurse-hospital").await);
        assert_eq!(read(&nurse.get("/paging/number").await)["number"], json!(null));
        let set = read(&nurse.post("/paging/number", &json!({"number": "+86 139-0000 0007"})).await);
        assert_eq!(set["number"], "13900000007");
        let (nurse_tree, _) =
            record::tree::read(&ward.door.place.session(), "Practitioner/nurse-hospital").await.unwrap().unwrap();
        assert_eq!(nurse_tree["telecom"], json!([{"system": "phone", "use": "mobile", "value": "13900000007"}]));
        assert_ne!(read(&doctor.get("/paging/number").await)["number"], "13900000007", "one's own alone");
        // The directory is written by the platform, and the trail tells for whom.
        let officer = ward.enter("privacy-officer-hospital").await;
        let trail = read(&officer.get("/fhir/AuditEvent?entity=Practitioner/nurse-hospital&action=U").await);
        let event = &trail["entry"][0]["resource"];
        assert_eq!(event["agent"][0]["who"]["reference"], "Practitioner/nurse-hospital", "{trail}");
        assert_eq!(event["agent"][0]["type"]["coding"][0]["code"], "humanuser", "{trail}");
        assert_eq!(event["entity"][0]["what"]["reference"], "Practitioner/nurse-hospital/_history/2", "{trail}");
        // Nobody else is named anywhere, and the directory is not theirs to write.
        nurse
            .post("/paging/number", &json!({"number": "13900000008", "who": "Practitioner/doctor-hospital"}))
            .await
            .refused(400, "structure");
        let direct = nurse
            .browser
            .ask(&ward.door, axum::http::Method::PUT, "/fhir/Practitioner/nurse-hospital", &nurse_tree.to_string())
            .await;
        direct.refused(403, "forbidden");
        for wrong in
            ["23900000007", "1390000000", "139000000070", "0731-85550100", "1390000000a", "１３９００００００７７"]
        {
            nurse.post("/paging/number", &json!({"number": wrong})).await.refused(400, "value");
        }
        assert_eq!(read(&nurse.get("/paging/number").await)["number"], "13900000007");
        assert_eq!(read(&nurse.post("/paging/number", &json!({"number": " "})).await)["number"], json!(null));
        let patient = ward.enter("p").await;
        patient.get("/paging/number").await.refused(403, "forbidden");
        ward.door.get("/paging/number").await.refused(401, "login");
    });
}
