//! Care processes over HTTP: a consultation that a doctor asks another hospital for.

use axum::http::{Method, StatusCode};
use protocol::text::{Entry, List};
use protocol::{Library, Protocol};
use record::{Caller, DUTIES};
use serde_json::{Value, json};
use testkit::institutions::put;
use testkit::place::{Place, on_both};

use crate::adversary::region::Browser;
use crate::stage::{Someone, read, stage};
use crate::stream::Stream;
use crate::{Door, Reply};

const CONSULTATION: &str = r#"
code = "consultation"
version = "1"
title = { zh = "会诊", en = "Consultation" }

[[class]]
code = "urgent"
title = { zh = "急", en = "Urgent" }
priority = "urgent"

[[class]]
code = "calm"
title = { zh = "普通", en = "Calm" }
priority = "routine"

[[role]]
code = "asker"
title = { zh = "申请方", en = "Who asks" }
party = "institution"
duties = ["doctor"]

[[role]]
code = "answerer"
title = { zh = "受邀方", en = "Who is asked" }
party = "institution"
duties = ["referral-officer", "doctor"]

[[start]]
by = "hand"
duties = ["doctor"]
reach = ["asked"]

[cancel]
who = ["asker"]
reasons = "withdrawal"

[[milestone]]
code = "asked"
title = { zh = "已申请", en = "Asked" }
patient = { zh = "医生已为您申请会诊", en = "Your doctor has asked for a second opinion" }
owner = "answerer"

[[milestone]]
code = "accepted"
title = { zh = "已接受", en = "Accepted" }

[[milestone]]
code = "answered"
title = { zh = "已答复", en = "Answered" }
patient = { zh = "会诊意见已出", en = "The second opinion is there" }
ends = "completed"

[[step]]
code = "accept"
title = { zh = "接受会诊", en = "Accept" }
who = "answerer"
requires = ["asked"]
reach = ["accepted"]

[[step]]
code = "opinion"
title = { zh = "出具意见", en = "Give the opinion" }
who = "answerer"
requires = ["accepted"]
reach = ["answered"]

[[clock]]
code = "acceptance"
title = { zh = "接受时限", en = "To accept" }
from = "asked"
to = ["accepted"]

[[clock.limit]]
warn = "10 min"
breach = "30 min"
source = "made up for this test"

[[clock.rung]]
at = "breach"
tell = ["asker"]

[[document]]
code = "paper"
title = { zh = "会诊单", en = "Consultation" }
issuer = "asker"
to = "answerer"
requires = ["accepted"]
patient = true

[[document.section]]
code = "who"
row = [
    { title = { zh = "姓名", en = "Name" }, value = "%patient.name.first()" },
    { role = "answerer" },
    { milestone = "accepted" },
]

[[document]]
code = "inner"
title = { zh = "内部存根", en = "Counterfoil" }
issuer = "asker"

[[document.section]]
code = "who"
row = [{ title = { zh = "住院", en = "Stays" }, value = "%patient.id" }]

[[indicator]]
code = "asked"
title = { zh = "会诊例数", en = "Consultations" }
kind = "count"

[[indicator]]
code = "in-time"
title = { zh = "及时接受率", en = "Accepted in time" }
kind = "share"
clock = "acceptance"
goal = 90

[[trait]]
code = "urgency"
title = { zh = "紧急程度", en = "Urgency" }
list = "withdrawal"
value = "%run.priority"

[[summary]]
code = "from"
title = { zh = "申请科室", en = "Asked by" }
value = "%asker.display"

[[indicator]]
code = "per-stay"
title = { zh = "每千住院会诊数", en = "For each thousand stays" }
kind = "ratio"
scale = 1000
per = { query = "Encounter?class=IMP", date = "date", organization = "service-provider" }
"#;

const CRITERIA: &str = r#"
protocol = "consultation"
into = "reason"

[[data]]
code = "pressures"
query = "Observation?patient={patient}&code=http://loinc.org|8480-6&_sort=-date&_count=1"

[[criterion]]
code = "broken"
title = { zh = "无法判断", en = "Cannot be told" }
start = "ask"
class = "urgent"
when = "%pressures.first().value.value + 'x'"
evidence = ["%patient"]
source = "made up for this test"

[[criterion]]
code = "high"
title = { zh = "血压过高", en = "Pressure too high" }
start = "ask"
class = "urgent"
when = "%pressures.first().value.value >= 180"
evidence = ["%pressures.first()"]
sensitive = "mental-health"
source = "made up for this test"
"#;

/// The institutions with everybody's accounts, a patient of the hospital, and one protocol.
async fn door(place: Place) -> Door {
    let protocol: Protocol = toml::from_str(CONSULTATION).unwrap();
    let door = stage(place, Library::with([protocol]), |_| {}).await;
    let people = [
        r#"{"resourceType":"Patient","id":"p","name":[{"family":"林","given":["月"]}]}"#,
        r#"{"resourceType":"Patient","id":"q","name":[{"text":"周山"}]}"#,
        r#"{"resourceType":"Practitioner","id":"doctor-other","name":[{"text":"陈平"}]}"#,
        r#"{"resourceType":"Encounter","id":"e","status":"in-progress","class":{"code":"IMP"},
            "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"}}"#,
    ];
    let session = door.place.record.session(Caller::system("SYSADMIN"));
    session.transact(people.map(put).to_vec()).await.unwrap();
    door
}

impl Someone<'_> {
    async fn start(&self, id: &str) -> Reply {
        let roles = json!({"asker": "Organization/hospital", "answerer": "Organization/other"});
        let body =
            json!({"id": id, "protocol": "consultation", "patient": "Patient/p", "class": "urgent", "roles": roles});
        self.post("/runs", &body).await
    }

    async fn complete(&self, id: &str, step: &str) -> Reply {
        self.post(&format!("/runs/{id}/acts"), &json!({"deed": "complete", "step": step, "n": 1})).await
    }
}

fn step<'v>(view: &'v Value, code: &str) -> &'v Value {
    view["steps"].as_array().unwrap().iter().find(|step| step["code"] == code).unwrap()
}

#[test]
fn a_run_is_started_by_one_hospital_and_ended_by_another() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "doctor-other").await);
        let started = asker.start("run-1").await;
        assert_eq!((started.status, started.header("location")), (StatusCode::CREATED, "/runs/run-1"));
        assert_eq!(started.header("cache-control"), "no-store");
        let view = read(&started);
        assert_eq!((&view["class"]["code"], &view["patient"]["display"]), (&json!("urgent"), &json!("林月")));
        assert_eq!((&step(&view, "accept")["state"], &step(&view, "accept")["may"]), (&json!("ready"), &json!(false)));
        assert_eq!(step(&view, "opinion")["missing"], json!(["accepted"]));
        assert_eq!((&view["clocks"][0]["level"], &view["blocking"]), (&json!("running"), &json!(["accept"])));

        let theirs = read(&answerer.get("/runs/run-1").await);
        assert_eq!(step(&theirs, "accept")["may"], true);
        let view = read(&answerer.complete("run-1", "accept").await);
        assert_eq!(
            (&step(&view, "accept")["state"], &view["names"]["Practitioner/doctor-other"]),
            (&json!("done"), &json!("陈平"))
        );
        let view = read(&answerer.complete("run-1", "opinion").await);
        assert_eq!((&view["end"], &view["clocks"][0]["level"]), (&json!("completed"), &json!("met")));
        assert_eq!(read(&asker.get("/runs/run-1").await)["milestones"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn a_corrected_time_needs_a_reason_and_the_name_of_who_corrects_it() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        asker.start("run-1").await;
        let correct = async |more: Value| {
            let mut act = json!({"deed": "correct", "milestone": "asked", "n": 1, "at": "2026-05-04T07:50:00+08:00"});
            act.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            asker.post("/runs/run-1/acts", &act).await
        };
        correct(json!({"reason": "typed wrongly"})).await.refused(422, "required");
        correct(json!({"reason": "typed wrongly", "signature": "doctor-other"})).await.refused(422, "required");
        correct(json!({"reason": " ", "signature": "doctor-hospital"})).await.refused(400, "required");
        let view = read(&correct(json!({"reason": "typed wrongly", "signature": " Doctor-Hospital "})).await);
        let asked: Vec<&Value> =
            view["milestones"].as_array().unwrap().iter().filter(|one| one["code"] == "asked").collect();
        assert_eq!((&asked[0]["superseded"], &asked[0]["at"]), (&json!(true), &json!("2026-05-04T08:00:00.000+08:00")));
        assert_eq!((&asked[1]["reason"], &asked[1]["signed"]), (&json!("typed wrongly"), &json!("Doctor-Hospital")));
        assert_eq!(asked[1]["at"], "2026-05-04T07:50:00.000+08:00");
    });
}

#[test]
fn a_department_is_called_with_its_hospital_wherever_a_run_names_it() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        let roles = json!({"asker": "Organization/ward", "answerer": "Organization/other"});
        let start = json!({"id": "run-1", "protocol": "consultation", "patient": "Patient/p", "class": "urgent", "roles": roles});
        let view = read(&asker.post("/runs", &start).await);
        assert_eq!(
            (&view["summary"][0]["code"], &view["summary"][0]["value"]),
            (&json!("from"), &json!("hospital, ward"))
        );
        assert_eq!(view["owner"]["party"]["display"], "other");
    });
}

#[test]
fn starting_twice_under_one_id_starts_one_run() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        let first = read(&asker.start("run-1").await);
        let again = asker.start("run-1").await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(read(&again)["milestones"], first["milestones"]);
        let other = json!({"id": "run-1", "protocol": "consultation", "patient": "Patient/q",
            "roles": {"asker": "Organization/hospital", "answerer": "Organization/other"}});
        assert_eq!(asker.post("/runs", &other).await.status, StatusCode::CONFLICT);
    });
}

#[test]
fn the_second_of_two_who_do_the_same_is_told_by_name_who_was_first() {
    on_both(async |place| {
        let door = door(place).await;
        Someone::enter(&door, "doctor-hospital").await.start("run-1").await;
        let (first, second) =
            (Someone::enter(&door, "doctor-other").await, Someone::enter(&door, "referral-officer-other").await);
        read(&first.complete("run-1", "accept").await);
        let refused = second.complete("run-1", "accept").await;
        refused.refused(409, "conflict");
        assert!(refused.text().contains("陈平 has already done this."), "{}", refused.text());
    });
}

#[test]
fn whoever_may_not_act_is_refused_and_whoever_may_not_see_finds_nothing() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        asker.start("run-1").await;
        asker.complete("run-1", "accept").await.refused(403, "forbidden");
        Someone::enter(&door, "nurse-hospital").await.start("run-2").await.refused(403, "forbidden");
        let stranger = Someone::enter(&door, "q").await;
        let (hidden, absent) = (stranger.get("/runs/run-1").await, stranger.get("/runs/run-2").await);
        hidden.refused(404, "not-found");
        assert_eq!(hidden.text().replace("run-1", "run-2"), absent.text());
        stranger.complete("run-1", "accept").await.refused(404, "not-found");
        door.get("/runs/run-1").await.refused(401, "login");
        door.get("/protocols").await.refused(401, "login");
        // What is a Task, but no run, is no run either.
        asker.get("/runs/run-1.accept.1").await.refused(404, "not-found");
    });
}

#[test]
fn a_run_is_shown_to_those_who_may_read_its_tasks_and_to_nobody_else() {
    on_both(async |place| {
        let door = door(place).await;
        Someone::enter(&door, "doctor-hospital").await.start("run-1").await;
        for duty in DUTIES {
            for at in ["hospital", "other"] {
                let login = format!("{}-{at}", duty.code);
                let someone = Someone::enter(&door, &login).await;
                let tasks = ["Task/run-1", "Task/run-1.accept.1"];
                let mut reads = false;
                for task in tasks {
                    reads |= someone.get(&format!("/fhir/{task}")).await.status == StatusCode::OK;
                }
                let expected = if reads { 200 } else { 404 };
                assert_eq!(someone.get("/runs/run-1").await.status.as_u16(), expected, "{login}");
            }
        }
    });
}

#[test]
fn a_run_comes_with_whom_it_is_for_for_those_who_may_read_them_and_the_trail_says_so() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        asker.start("run-1").await;
        let plain = read(&asker.get("/runs/run-1").await);
        let officer = Someone::enter(&door, "privacy-officer-hospital").await;
        let noted = async || {
            let trail = officer.get("/fhir/AuditEvent?patient=Patient/p&action=R&_count=200").await;
            trail.text().matches(r#""reference":"Patient/p""#).count()
        };
        let before = noted().await;
        let view = read(&asker.get("/runs/run-1?with=patient").await);
        assert!(noted().await > before);
        assert_eq!((&view["whom"]["id"], &view["whom"]["name"][0]["family"]), (&json!("p"), &json!("林")));
        assert_eq!((&view["steps"], &view["patient"]), (&plain["steps"], &plain["patient"]));
        assert!(plain.get("whom").is_none());
        let refused = asker.get("/runs/run-1?with=everything").await;
        refused.refused(400, "invalid");
        for duty in DUTIES {
            for at in ["hospital", "other"] {
                let login = format!("{}-{at}", duty.code);
                let someone = Someone::enter(&door, &login).await;
                let shown = someone.get("/runs/run-1?with=patient").await;
                if shown.status != StatusCode::OK {
                    shown.refused(404, "not-found");
                    continue;
                }
                let reads = someone.get("/fhir/Patient/p").await.status == StatusCode::OK;
                assert_eq!(read(&shown).get("whom").is_some(), reads, "{login}");
            }
        }
    });
}

#[test]
fn a_patient_sees_their_own_run_in_plain_words() {
    on_both(async |place| {
        let door = door(place).await;
        Someone::enter(&door, "doctor-hospital").await.start("run-1").await;
        read(&Someone::enter(&door, "doctor-other").await.complete("run-1", "accept").await);
        let view = read(&Someone::enter(&door, "p").await.get("/runs/run-1").await);
        let said: Vec<&Value> = view["milestones"].as_array().unwrap().iter().map(|one| &one["title"]["zh"]).collect();
        assert_eq!(said, ["医生已为您申请会诊"]);
        assert_eq!(view["ahead"][0]["title"]["zh"], "会诊意见已出");
        assert_eq!((&view["steps"], &view["clocks"]), (&json!([]), &json!([])));
        assert!(!view.to_string().contains("陈平"), "{view}");
    });
}

#[test]
fn protocols_are_listed_with_whether_one_may_start_them_and_shown_whole() {
    on_both(async |place| {
        let door = door(place).await;
        let (doctor, nurse) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "nurse-hospital").await);
        assert_eq!(read(&doctor.get("/protocols").await)[0]["mayStart"], true);
        assert_eq!(read(&nurse.get("/protocols").await)[0]["mayStart"], false);
        let whole = read(&nurse.get("/protocols/consultation?version=1").await);
        assert_eq!(
            (&whole["step"][0]["code"], &whole["clock"][0]["limit"][0]["breach"]),
            (&json!("accept"), &json!("30 min"))
        );
        assert_eq!(whole["lists"][0]["code"], "withdrawal");
        nurse.get("/protocols/consultation?version=2").await.refused(404, "not-found");
        nurse.get("/protocols/nothing").await.refused(404, "not-found");
        let reply = nurse.post("/protocols/consultation", &json!({})).await;
        reply.refused(405, "not-supported");
        assert_eq!(reply.header("allow"), "GET, HEAD");
    });
}

#[test]
fn a_version_that_another_process_put_in_is_offered_with_its_lists_and_runs_stay_with_theirs() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        asker.start("run-1").await;
        let mut later: Protocol = toml::from_str(CONSULTATION).unwrap();
        later.version = "2".to_owned();
        let words = |zh: &str, en: &str| protocol::Words { zh: zh.to_owned(), en: en.to_owned() };
        let entry = Entry { code: "moved".into(), title: words("转往外地", "Moved away"), score: None };
        let list = List {
            code: "withdrawal".into(),
            title: words("撤回原因", "Why taken back"),
            entries: vec![entry],
            source: None,
        };
        let line = protocol::Line { protocols: vec![later], lists: vec![list], ..protocol::Line::default() };
        protocol::Engine::new(door.place.record.clone()).install(&line).await.unwrap();

        assert_eq!(read(&asker.get("/protocols").await)[0]["version"], "2");
        let whole = read(&asker.get("/protocols/consultation").await);
        assert_eq!((&whole["version"], &whole["lists"][0]["title"]["en"]), (&json!("2"), &json!("Why taken back")));
        let moved = &whole["lists"][0]["codes"][0];
        assert_eq!((&moved["title"]["zh"], &moved["title"]["en"]), (&json!("转往外地"), &json!("Moved away")));
        assert_eq!(read(&asker.get("/runs/run-1").await)["protocol"]["version"], "1");
        assert_eq!(read(&asker.start("run-2").await)["protocol"]["version"], "2");
        let report = "/fhir/Measure/consultation-asked-2/$evaluate-measure?periodStart=2026&periodEnd=2026";
        assert_eq!(read(&asker.get(report).await)["group"][0]["population"][0]["count"], 2);
    });
}

#[test]
fn a_rehearsal_runs_under_its_own_clock_and_stores_nothing() {
    on_both(async |place| {
        let door = door(place).await;
        let doctor = Someone::enter(&door, "doctor-hospital").await;
        let before = *door.place.record.head().borrow();
        let at = |minute: u32| format!("2026-05-04T09:{minute:02}:00+08:00");
        let script = json!({"facts": {}, "began": at(0), "now": at(50), "events": [
            {"at": at(40), "deed": "complete", "step": "accept", "n": 1},
            {"at": at(45), "deed": "complete", "step": "accept", "n": 1},
        ]});
        let view = read(&doctor.post("/protocols/consultation/rehearsal", &script).await);
        assert_eq!((&view["clocks"][0]["level"], &step(&view, "opinion")["state"]), (&json!("late"), &json!("ready")));
        assert_eq!(
            (&view["told"][0]["clock"], &view["told"][0]["at"]),
            (&json!("acceptance"), &json!("2026-05-04T09:30:00.000+08:00"))
        );
        assert_eq!(view["refused"][0]["event"], 1);
        assert_eq!(*door.place.record.head().borrow(), before);
    });
}

#[test]
fn figures_name_the_runs_behind_each_number_that_one_may_see() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "doctor-other").await);
        for id in ["run-1", "run-2", "run-3"] {
            asker.start(id).await;
        }
        read(&answerer.complete("run-1", "accept").await);
        door.place.clock.pass(31 * 60);
        read(&answerer.complete("run-2", "accept").await);
        let path = "/protocols/consultation/figures?from=2026-05&to=2026-05&organization=other";
        let figures = read(&asker.get(path).await);
        assert_eq!((&figures[0]["value"], &figures[1]["counted"]), (&json!(3.0), &json!(["run-1"])));
        assert_eq!((&figures[1]["denominator"], &figures[1]["unit"]), (&json!(3), &json!("%")));
        let none = read(&asker.get("/protocols/consultation/figures?to=2026-04").await);
        assert_eq!((&none[0]["value"], none[1].get("value")), (&json!(0.0), None));
        let unseen = read(&Someone::enter(&door, "q").await.get(path).await);
        assert_eq!(unseen[0]["runs"], json!([]));

        let report = "/fhir/Measure/consultation-in-time/$evaluate-measure?periodStart=2026-05-01&periodEnd=2026-05-31";
        let report = read(&asker.get(report).await);
        assert_eq!(report["resourceType"], "MeasureReport");
        assert_eq!(report["group"][0]["population"][0]["count"], 3);
        asker
            .get("/fhir/Measure/nothing/$evaluate-measure?periodStart=2026&periodEnd=2026")
            .await
            .refused(404, "not-found");
    });
}

#[test]
fn what_cannot_be_understood_is_refused_with_what_is_missing() {
    on_both(async |place| {
        let door = door(place).await;
        let asker = Someone::enter(&door, "doctor-hospital").await;
        asker.start("run-1").await;
        let acts = "/runs/run-1/acts";
        asker.post(acts, &json!({"deed": "dance"})).await.refused(400, "value");
        asker.post(acts, &json!({"deed": "skip", "step": "accept"})).await.refused(400, "required");
        asker.post(acts, &json!({"step": "accept"})).await.refused(400, "structure");
        asker
            .post(acts, &json!({"deed": "take", "step": "accept", "by": "Practitioner/x"}))
            .await
            .refused(400, "invalid");
        asker.post("/runs", &json!({"protocol": "nothing"})).await.refused(404, "not-found");
        asker.get("/runs").await.refused(405, "not-supported");
        asker.get("/runs/run-1/steps").await.refused(404, "not-found");
        let forged = json!({"deed": "cancel", "reason": {"code": "moved"}}).to_string();
        let cookie = door.ask(Method::POST, acts, &[("content-type", "application/json")], forged.as_bytes()).await;
        cookie.refused(401, "login");
    });
}

#[test]
fn those_who_work_on_a_run_say_how_urgent_it_is_and_everybody_is_told_why() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer, patient) = (
            Someone::enter(&door, "doctor-hospital").await,
            Someone::enter(&door, "doctor-other").await,
            Someone::enter(&door, "p").await,
        );
        asker.start("run-1").await;
        let regrade = |class: &str, reason: &str| json!({"deed": "regrade", "class": class, "reason": {"code": "", "text": reason}});
        let offered = read(&answerer.get("/runs/run-1").await)["regrade"].clone();
        assert_eq!(offered, json!([{"code": "calm", "title": {"zh": "普通", "en": "Calm"}}]));
        assert_eq!(read(&patient.get("/runs/run-1").await).get("regrade"), None);
        patient.post("/runs/run-1/acts", &regrade("calm", "不急")).await.refused(403, "forbidden");
        answerer.post("/runs/run-1/acts", &regrade("calm", " ")).await.refused(400, "required");
        let view = read(&answerer.post("/runs/run-1/acts", &regrade("calm", "症状已缓解")).await);
        assert_eq!(view["class"]["code"], "calm");
        let told = read(&asker.get("/fhir/Communication?patient=Patient/p").await);
        let told = &told["entry"][0]["resource"];
        assert_eq!(told["payload"][0]["contentString"], "改为普通：症状已缓解");
        assert_eq!(told["recipient"].as_array().unwrap().len(), 2, "{told}");
        // What a run is under is for those who look after the platform.
        let migrate = json!({"deed": "migrate", "from": "1"});
        asker.post("/runs/run-1/acts", &migrate).await.refused(403, "forbidden");
    });
}

#[test]
fn those_who_work_on_a_run_are_told_what_it_keeps_under_another_protocol_and_let_it_go_over_with_a_reason() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer, patient) = (
            Someone::enter(&door, "doctor-hospital").await,
            Someone::enter(&door, "doctor-other").await,
            Someone::enter(&door, "p").await,
        );
        let worse = "[[milestone]]\ncode = \"worse\"\ntitle = { zh = \"转急会诊\", en = \"Urgent\" }\nswitch = \"urgent-consultation\"\n\n[[step]]";
        let mut first: Protocol = toml::from_str(&CONSULTATION.replacen("[[step]]", worse, 1)).unwrap();
        first.version = "2".to_owned();
        let second = CONSULTATION.replace("\"consultation\"", "\"urgent-consultation\"");
        // The other protocol asks and answers, and nobody accepts anything.
        let second = second.replace("code = \"accepted\"\n", "code = \"taken\"\n").replace("\"accepted\"", "\"taken\"");
        let protocols = vec![first, toml::from_str(&second).unwrap()];
        let line = protocol::Line { protocols, ..protocol::Line::default() };
        protocol::Engine::new(door.place.record.clone()).install(&line).await.unwrap();
        asker.start("run-1").await;
        let began = read(&asker.get("/runs/run-1").await)["milestones"][0]["at"].clone();
        read(&answerer.complete("run-1", "accept").await);
        let offered = read(&answerer.get("/runs/run-1").await)["switch"].clone();
        assert_eq!((&offered[0]["code"], &offered[1]), (&json!("urgent-consultation"), &Value::Null));
        assert_eq!(
            offered[0]["keeps"],
            json!([{"code": "asked", "title": {"zh": "已申请", "en": "Asked"}, "at": began}])
        );
        assert_eq!(offered[0]["leaves"][0]["code"], "accepted");
        assert_eq!(read(&patient.get("/runs/run-1").await).get("switch"), None);
        let switch = |reason: &str| json!({"deed": "switch", "protocol": "urgent-consultation", "reason": {"code": "", "text": reason}});
        patient.post("/runs/run-1/acts", &switch("急")).await.refused(403, "forbidden");
        answerer.post("/runs/run-1/acts", &switch(" ")).await.refused(400, "required");
        let aside = json!({"deed": "switch", "protocol": "consultation", "reason": {"code": "", "text": "病情加重"}});
        answerer.post("/runs/run-1/acts", &aside).await.refused(422, "business-rule");
        let left = read(&answerer.post("/runs/run-1/acts", &switch("病情加重")).await);
        assert_eq!((&left["end"], left.get("switch")), (&json!("cancelled"), None));
        let path = "/fhir/Task?group-identifier=https://qingshan.dev/fhir/sid/chain%7Crun-1&status=in-progress\
                    &_tag=https://qingshan.dev/fhir/CodeSystem/run%7Croot";
        let found = read(&answerer.get(path).await);
        let next = found["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
        let next = read(&answerer.get(&format!("/runs/{next}")).await);
        assert_eq!((&next["protocol"]["code"], &next["chain"]), (&json!("urgent-consultation"), &json!("run-1")));
        assert_eq!((&next["milestones"][0]["code"], &next["milestones"][0]["at"]), (&json!("asked"), &began));
    });
}

#[test]
fn a_run_can_be_taken_back_by_whoever_asked() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "doctor-other").await);
        assert_eq!(read(&asker.start("run-1").await)["cancel"]["reasons"], "withdrawal");
        assert_eq!(read(&answerer.get("/runs/run-1").await).get("cancel"), None);
        let cancel = json!({"deed": "cancel", "reason": {"code": "moved", "text": "转往外地"}});
        answerer.post("/runs/run-1/acts", &cancel).await.refused(403, "forbidden");
        assert_eq!(read(&asker.post("/runs/run-1/acts", &cancel).await)["end"], "cancelled");
        asker.post("/runs/run-1/acts", &cancel).await.refused(409, "conflict");
    });
}

#[test]
fn a_worklist_is_a_search_and_its_criteria_are_a_topic() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "doctor-other").await);
        let criteria =
            "_tag=https://qingshan.dev/fhir/CodeSystem/run|step&status=ready,in-progress&owner=Organization/other";
        let topic = format!("Task?{}", criteria.replace('&', "%26").replace('|', "%7C"));
        let stranger = Browser::enter(&door, "q").await;
        let mut theirs = Stream::open_with(&door, &topic, &[("cookie", answerer.browser.cookie())]).await;
        let mut strangers = Stream::open_with(&door, &topic, &[("cookie", stranger.cookie())]).await;
        asker.start("run-1").await;
        let (event, _, data) = theirs.event().await;
        assert!(event == "change" && data.contains(r#""id":"run-1.accept.1""#), "{data}");
        let found = read(&answerer.get(&format!("/fhir/Task?{criteria}")).await);
        assert_eq!(found["entry"].as_array().map(Vec::len), Some(1));
        // What was done leaves the list, which its receivers hear as well.
        read(&answerer.complete("run-1", "accept").await);
        let (_, _, data) = theirs.event().await;
        assert!(data.contains(r#""id":"run-1.accept.1","version":2"#), "{data}");
        // Whoever may see none of it hears of a Task of their own next, and of nothing before.
        let own = r#"{"resourceType":"Task","id":"own","status":"ready","intent":"order","for":{"reference":"Patient/q"},
            "meta":{"tag":[{"system":"https://qingshan.dev/fhir/CodeSystem/run","code":"step"}]},
            "owner":{"reference":"Organization/other"}}"#;
        let session = door.place.record.session(Caller::system("SYSADMIN")).keeping_runs();
        session.transact(vec![put(own)]).await.unwrap();
        let (_, _, data) = strangers.event().await;
        assert!(data.contains(r#""id":"own""#), "{data}");
    });
}

#[tokio::test]
async fn an_address_opened_as_a_page_is_the_portals() {
    let portal = api::Portal::new([("index.html".to_owned(), b"<!doctype html>".to_vec())]).unwrap();
    let door = Door::with(Place::embedded().await, |settings| {
        settings.open = true;
        settings.portal = Some(portal);
    });
    for path in ["/runs/run-1", "/protocols", "/protocols/consultation"] {
        let page = door.ask(Method::GET, path, &[("accept", "text/html,*/*;q=0.8")], b"").await;
        assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "<!doctype html>"), "{path}");
    }
    door.ask(Method::GET, "/runs/run-1", &[("accept", "application/json")], b"").await.refused(404, "not-found");
}

#[test]
fn a_run_is_printed_once_it_has_come_so_far_and_the_trail_says_by_whom() {
    on_both(async |place| {
        let door = door(place).await;
        let (asker, answerer) =
            (Someone::enter(&door, "doctor-hospital").await, Someone::enter(&door, "doctor-other").await);
        asker.start("run-1").await;
        let codes = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(codes(&read(&asker.get("/runs/run-1/documents").await)), ["inner"]);
        asker.get("/runs/run-1/documents/paper").await.refused(404, "not-found");
        read(&answerer.complete("run-1", "accept").await);
        assert_eq!(codes(&read(&asker.get("/runs/run-1/documents").await)), ["paper", "inner"]);

        let paper = read(&answerer.get("/runs/run-1/documents/paper").await);
        let lines = &paper["sections"][0]["lines"];
        assert_eq!((&lines[0]["title"]["en"], &lines[0]["values"]), (&json!("Name"), &json!([{"text": "林月"}])));
        assert_eq!(lines[1]["title"]["zh"], "受邀方");
        assert_eq!(lines[2]["title"]["en"], "Accepted");
        assert!(lines[2]["values"][0]["time"].as_str().unwrap().ends_with("+08:00"), "{lines}");
        assert_eq!(
            (&paper["run"], &paper["protocol"]["version"], &paper["by"]),
            (&json!("run-1"), &json!("1"), &json!("陈平"))
        );
        assert!(paper["printed"].is_string() && paper["title"]["zh"] == "会诊单", "{paper}");

        let patient = Someone::enter(&door, "p").await;
        assert_eq!(codes(&read(&patient.get("/runs/run-1/documents").await)), ["paper"]);
        read(&patient.get("/runs/run-1/documents/paper").await);
        patient.get("/runs/run-1/documents/inner").await.refused(404, "not-found");
        let stranger = Someone::enter(&door, "q").await;
        stranger.get("/runs/run-1/documents").await.refused(404, "not-found");
        stranger.get("/runs/run-1/documents/paper").await.refused(404, "not-found");
        let post = asker.post("/runs/run-1/documents/paper", &json!({})).await;
        post.refused(405, "not-supported");

        let officer = Someone::enter(&door, "privacy-officer-hospital").await;
        let trail = officer.get("/fhir/AuditEvent?patient=Patient/p&_count=200").await;
        assert!(trail.text().contains("runs/run-1/documents/paper"), "{}", trail.text());
    });
}

/// A pressure of the hospital's patient.
async fn pressure(door: &Door, id: &str, value: u32, day: u32) {
    let observation = json!({
        "resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "收缩压"}]},
        "effectiveDateTime": format!("2026-05-{day:02}T08:00:00+08:00"),
        "valueQuantity": {"value": value, "unit": "mmHg"},
        "performer": [{"reference": "Organization/hospital"}],
    });
    let session = door.place.record.session(Caller::system("SYSADMIN"));
    session.transact(vec![put(&observation.to_string())]).await.unwrap();
}

#[test]
fn a_suggestion_shows_its_evidence_and_once_declined_comes_again_for_new_evidence_only() {
    on_both(async |place| {
        let door = door(place).await;
        let line = protocol::Line {
            protocols: vec![toml::from_str(CONSULTATION).unwrap()],
            criteria: vec![protocol::criteria::Criteria::read(CRITERIA).unwrap()],
            ..protocol::Line::default()
        };
        let engine = protocol::Engine::new(door.place.record.clone());
        engine.install(&line).await.unwrap();
        // Put in again it is as it was.
        assert!(engine.install(&line).await.unwrap().write.is_empty());
        let path = "/protocols/consultation/suggestions";
        let doctor = Someone::enter(&door, "doctor-hospital").await;
        assert_eq!(read(&doctor.get("/protocols").await)[0]["suggests"], true);
        let of_p = format!("{path}?patient=p");
        assert_eq!(read(&doctor.get(&of_p).await), json!([]));
        pressure(&door, "o1", 179, 1).await;
        assert_eq!(read(&doctor.get(&of_p).await), json!([]));
        pressure(&door, "o2", 182, 2).await;
        let suggested = read(&doctor.get(&of_p).await);
        assert_eq!(suggested.as_array().unwrap().len(), 1, "{suggested}");
        let one = &suggested[0];
        assert_eq!(
            (&one["rule"], &one["class"]["priority"], &one["into"]),
            (&json!("high"), &json!("urgent"), &json!("reason"))
        );
        assert_eq!(one["evidence"][0]["reference"], "Observation/o2");
        assert_eq!(one["evidence"][0]["title"], "收缩压");
        assert_eq!(one["evidence"][0]["values"], json!([{"value": "182", "unit": "mmHg"}]));
        assert_eq!(one["patient"]["display"], "林月");
        assert_eq!(read(&doctor.get(&format!("{path}?organization=hospital")).await)[0]["key"], one["key"]);

        let told = |reason: &str| json!({"patient": "Patient/p", "key": one["key"], "reason": reason});
        doctor.post(path, &told(" ")).await.refused(400, "required");
        let wrong = json!({"patient": "Patient/p", "key": "0", "reason": "复测正常"});
        doctor.post(path, &wrong).await.refused(409, "conflict");
        for _ in 0..2 {
            let answered = read(&doctor.post(path, &told("复测正常")).await);
            assert_eq!(answered[0]["declined"]["reason"], "复测正常");
        }
        let found = read(&doctor.get("/fhir/DetectedIssue?patient=Patient/p").await);
        assert_eq!(found["entry"].as_array().unwrap().len(), 1, "{found}");
        let issue = &found["entry"][0]["resource"];
        assert_eq!(issue["identifier"][0]["value"], one["key"]);
        assert_eq!(issue["implicated"][0]["reference"], "Observation/o2");
        assert_eq!(issue["meta"]["security"][0]["code"], "mental-health");
        pressure(&door, "o3", 190, 3).await;
        let again = read(&doctor.get(&of_p).await);
        assert!(again[0].get("declined").is_none() && again[0]["key"] != one["key"], "{again}");

        doctor.start("run-1").await;
        assert_eq!(read(&doctor.get(&of_p).await)[0]["run"], "run-1");
        Someone::enter(&door, "q").await.get(&of_p).await.refused(404, "not-found");
        let other = Someone::enter(&door, "nurse-other").await.get(&of_p).await;
        assert!(!other.text().contains("Observation/"), "{}", other.text());
        doctor.get(path).await.refused(400, "required");
        doctor.get(&format!("{path}?patient=nobody")).await.refused(404, "not-found");
    });
}

#[test]
fn figures_are_told_apart_by_month_and_member_with_what_the_record_counts() {
    on_both(async |place| {
        let door = door(place).await;
        let stay = r#"{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"IMP"},
            "subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"Organization/hospital"},
            "period":{"start":"2026-05-01T08:00:00+08:00","end":"2026-05-03T08:00:00+08:00"}}"#;
        door.place.record.session(Caller::system("SYSADMIN")).transact(vec![put(stay)]).await.unwrap();
        let asker = Someone::enter(&door, "doctor-hospital").await;
        for id in ["run-1", "run-2"] {
            asker.start(id).await;
        }
        let path = "/protocols/consultation/figures?from=2026-04&to=2026-05&by=month,role:asker";
        let table = read(&asker.get(path).await);
        assert_eq!(table["groups"][0], json!([{"key": "2026-04"}, {"key": "2026-05"}]));
        assert_eq!(table["groups"][1][0]["key"], "Organization/hospital");
        assert!(table["groups"][1][0]["title"].is_string(), "{table}");
        let cell = |row: usize, month: Value, member: Value| {
            let cells = table["indicators"][row]["cells"].as_array().unwrap();
            let at = json!([month, member]);
            cells.iter().find(|cell| cell["at"] == at).unwrap_or_else(|| panic!("{at} in {table}")).clone()
        };
        let here = json!("Organization/hospital");
        assert_eq!(cell(0, json!("2026-05"), here.clone())["value"], 2.0);
        assert_eq!(cell(0, json!("2026-04"), here.clone())["value"], 0.0);
        assert_eq!(cell(0, Value::Null, Value::Null)["value"], 2.0);
        let rate = cell(2, json!("2026-05"), here.clone());
        assert_eq!((&rate["numerator"], &rate["denominator"], &rate["value"]), (&json!(2), &json!(1), &json!(2000.0)));
        assert!(cell(2, json!("2026-04"), here).get("value").is_none());
        assert_eq!(
            (&table["indicators"][2]["unit"], &table["indicators"][2]["recorded"]),
            (&json!("[ppth]"), &json!(true))
        );

        let as_answerer = "/protocols/consultation/figures?organization=hospital&role=answerer";
        assert_eq!(read(&asker.get(as_answerer).await)[0]["value"], 0.0);
        let as_asker = "/protocols/consultation/figures?organization=hospital&role=asker";
        assert_eq!(read(&asker.get(as_asker).await)[0]["counted"].as_array().unwrap().len(), 2);
        let by_trait = "/protocols/consultation/figures?from=2026-05&to=2026-05&by=month,trait:urgency";
        let table = read(&asker.get(by_trait).await);
        assert_eq!(table["groups"][1], json!([{"key": "urgent"}]));
        let cells = table["indicators"][0]["cells"].as_array().unwrap();
        let of_month = cells.iter().find(|cell| cell["at"] == json!(["2026-05", "urgent"])).unwrap();
        assert_eq!(of_month["value"], 2.0);
        // What the record counts below the line is the same for every group.
        let cells = table["indicators"][2]["cells"].as_array().unwrap();
        let rate = cells.iter().find(|cell| cell["at"] == json!(["2026-05", "urgent"])).unwrap();
        assert_eq!((&rate["numerator"], &rate["denominator"]), (&json!(2), &json!(1)));
        let behind = async |value: &str| {
            let found = asker.get(&format!("/protocols/consultation/figures?trait=urgency:{value}")).await;
            read(&found)[0]["counted"].as_array().unwrap().len()
        };
        assert_eq!((behind("urgent").await, behind("routine").await), (2, 0));
        asker.get("/protocols/consultation/figures?trait=colour:red").await.refused(400, "invalid");
        asker.get("/protocols/consultation/figures?by=trait:colour").await.refused(400, "invalid");
        asker.get("/protocols/consultation/figures?by=week").await.refused(400, "invalid");
        asker.get("/protocols/consultation/figures?by=role:nobody").await.refused(400, "invalid");
    });
}
