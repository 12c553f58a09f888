//! The documents of referral, printed from a record.

use std::collections::BTreeMap;

use protocol::engine::{Lines, Printed, Shown};
use protocol::{Deed, Engine, Start};
use record::{Action, Caller, Change, Key, ResourceType, Target};
use serde_json::{Value as Json, json};
use testkit::place::{Place, on_both};

use crate::folders;
use crate::recorded::value;

pub(crate) struct Hospital {
    pub(crate) place: Place,
    pub(crate) engine: Engine,
}

const UP: &str = r#"{"item": [
    {"linkId": "kind", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-kind", "code": "outpatient"}}]},
    {"linkId": "reason-code", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-reason", "code": "unclear"}}]},
    {"linkId": "reason", "answer": [{"valueString": "胸闷一周，心电图异常"}]},
    {"linkId": "condition", "answer": [{"valueString": "一周前活动后胸闷。\n休息可缓解。"}]},
    {"linkId": "vitals", "item": [{"linkId": "temperature", "answer": [{"valueDecimal": 36.50}]}]},
    {"linkId": "papers", "item": [
        {"linkId": "results", "answer": [{"valueReference": {"reference": "Observation/pressure"}}]},
        {"linkId": "medicines", "answer": [{"valueReference": {"reference": "MedicationStatement/amlodipine"}}]}]},
    {"linkId": "isolation", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-isolation", "code": "none"}}]},
    {"linkId": "transport", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-transport", "code": "own"}}]},
    {"linkId": "payer", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-payer", "code": "resident"}}]},
    {"linkId": "consent", "item": [
        {"linkId": "agreed", "answer": [{"valueBoolean": true}]},
        {"linkId": "signer", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-signer", "code": "patient"}}]},
        {"linkId": "sharing", "answer": [{"valueBoolean": true}]}]}
]}"#;

pub(crate) const DOWN: &str = r#"{"item": [
    {"linkId": "reason-code", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-down-reason", "code": "heart"}}]},
    {"linkId": "diagnosis", "answer": [{"valueString": "不稳定型心绞痛，支架术后"}]},
    {"linkId": "course", "answer": [{"valueString": "住院行支架植入。"}]},
    {"linkId": "condition-now", "answer": [{"valueString": "平稳"}]},
    {"linkId": "medicine", "item": [
        {"linkId": "medicine-name", "answer": [{"valueString": "阿司匹林肠溶片"}]},
        {"linkId": "dose", "answer": [{"valueString": "100 mg，每日一次"}]},
        {"linkId": "prescriber", "answer": [{"valueString": "家庭医生"}]}]},
    {"linkId": "medicine", "item": [
        {"linkId": "medicine-name", "answer": [{"valueString": "替格瑞洛片"}]},
        {"linkId": "dose", "answer": [{"valueString": "90 mg，每日两次"}]},
        {"linkId": "stop", "answer": [{"valueDate": "2027-05-01"}]},
        {"linkId": "prescriber", "answer": [{"valueString": "家庭医生"}]}]},
    {"linkId": "red-flag", "item": [
        {"linkId": "flag", "answer": [{"valueString": "胸痛超过15分钟不缓解"}]},
        {"linkId": "flag-action", "answer": [{"valueString": "立即拨打120"}]}]},
    {"linkId": "red-flag", "item": [
        {"linkId": "flag", "answer": [{"valueString": "黑便、牙龈出血"}]},
        {"linkId": "flag-action", "answer": [{"valueString": "当日到医院就诊，不要自行停药"}]}]},
    {"linkId": "rehabilitation", "answer": [{"valueString": "心脏康复门诊每周两次"}]},
    {"linkId": "goal", "item": [
        {"linkId": "goal-what", "answer": [{"valueString": "六分钟步行400米"}]},
        {"linkId": "goal-date", "answer": [{"valueDate": "2026-08-01"}]}]},
    {"linkId": "pending-result", "item": [
        {"linkId": "pending", "answer": [{"valueString": "血小板功能"}]},
        {"linkId": "pending-owner", "answer": [{"valueString": "心内科高原医生"}]}]},
    {"linkId": "review", "item": [
        {"linkId": "review-date", "answer": [{"valueDate": "2026-06-01"}]},
        {"linkId": "review-place", "answer": [{"valueString": "社区卫生服务中心"}]}]},
    {"linkId": "contact", "answer": [{"valueString": "周医生 0571-0000"}]},
    {"linkId": "consent", "item": [
        {"linkId": "agreed", "answer": [{"valueBoolean": true}]},
        {"linkId": "signer", "answer": [{"valueCoding": {"system": "https://qingshan.dev/fhir/CodeSystem/referral-signer", "code": "patient"}}]},
        {"linkId": "sharing", "answer": [{"valueBoolean": true}]}]}
]}"#;

impl Hospital {
    pub(crate) async fn open(place: Place) -> Self {
        let engine = Engine::new(place.record.clone());
        engine.install(&folders::line("referral")).await.expect("the line is sound");
        let here = Self { place, engine };
        for resource in [
            json!({ "resourceType": "Organization", "id": "clinic", "name": "松涛社区卫生服务中心" }),
            json!({ "resourceType": "Organization", "id": "heart", "name": "示范医院心内科" }),
            json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "欧阳", "given": ["明远"] }], "gender": "male",
                "birthDate": "1958-03-02", "telecom": [{ "system": "phone", "value": "13900000000" }],
                "identifier": [{ "system": "https://qingshan.example/id/resident", "value": "999999195803020031" }] }),
            json!({ "resourceType": "Observation", "id": "pressure", "status": "final", "effectiveDateTime": "2026-05-03",
                "subject": { "reference": "Patient/p" }, "code": { "text": "收缩压" },
                "valueQuantity": { "value": 168, "unit": "mmHg" } }),
            json!({ "resourceType": "MedicationStatement", "id": "amlodipine", "status": "active",
                "subject": { "reference": "Patient/p" }, "medicationCodeableConcept": { "text": "苯磺酸氨氯地平片" },
                "dosage": [{ "text": "5 mg 每日一次" }] }),
        ] {
            here.put(resource).await;
        }
        here
    }

    pub(crate) async fn put(&self, resource: Json) {
        let text = |name: &str| resource[name].as_str().expect("a resource is named").to_owned();
        let target =
            Target::Key(Key::new(ResourceType::parse(&text("resourceType")).expect("R4 has the type"), text("id")));
        let action = Action::Update { target, resource: value(&resource), if_match: None, if_absent: false };
        self.place.session().transact(vec![Change::new(action)]).await.expect("it is valid");
    }

    pub(crate) async fn start(&self, id: &str, way: &str, form: &str, answers: &str) {
        let (from, to) = if way == "up" { ("clinic", "heart") } else { ("heart", "clinic") };
        let mut response: Json = answers.parse().expect("the answers are JSON");
        response["resourceType"] = "QuestionnaireResponse".into();
        response["questionnaire"] = format!("https://qingshan.dev/fhir/Questionnaire/{form}").into();
        let roles = [("referrer", from), ("receiver", to)];
        let start = Start {
            id: Some(id.to_owned()),
            protocol: "referral".to_owned(),
            start: Some(way.to_owned()),
            patient: Some("Patient/p".to_owned()),
            class: Some("routine".to_owned()),
            roles: roles.map(|(role, at)| (role.to_owned(), format!("Organization/{at}"))).into(),
            response: Some(value(&response)),
            ..Start::default()
        };
        self.engine.start(&Caller::system("HOPERAT"), start).await.expect("it starts");
    }

    pub(crate) async fn read(&self, reference: &str) -> Json {
        let key = Key::of(reference).expect("it is a reference");
        let version = self.place.session().read(&key).await.expect("the record answers").expect("it is there");
        serde_json::from_slice(&version.body.expect("it is not deleted")).expect("it is JSON")
    }

    async fn codes(&self, id: &str) -> Vec<String> {
        let standing = self.engine.load(id).await.expect("the record answers").expect("the run is there");
        let documents =
            self.engine.documents(&self.place.session(), &standing, false).await.expect("documents are listed");
        documents.iter().map(|one| one.code.to_string()).collect()
    }

    async fn print(&self, id: &str, code: &str) -> Printed {
        let standing = self.engine.load(id).await.expect("the record answers").expect("the run is there");
        let document = standing.protocol.document(code).expect("the protocol has the document");
        let names = [("Organization/clinic", "松涛社区卫生服务中心"), ("Organization/heart", "示范医院心内科")];
        let names: BTreeMap<String, String> = names.map(|(one, name)| (one.to_owned(), name.to_owned())).into();
        self.engine.print(&self.place.session(), &standing, document, &names).await.expect("it is printed")
    }
}

/// What stands in a line of a document, by its Chinese title.
fn line<'p>(printed: &'p Printed, title: &str) -> &'p [Shown] {
    let lists = printed.sections.iter().filter_map(|part| match &part.lines {
        Lines::List { lines } => Some(lines),
        Lines::Table { .. } => None,
    });
    let found = lists.flatten().find(|line| line.title.zh == title);
    found.map(|line| line.values.as_slice()).unwrap_or_else(|| panic!("there is no line {title}"))
}

fn table<'p>(printed: &'p Printed, code: &str) -> &'p [Vec<Vec<Shown>>] {
    let part = printed.sections.iter().find(|part| part.code == code).unwrap_or_else(|| panic!("there is no {code}"));
    match &part.lines {
        Lines::Table { rows, .. } => rows,
        Lines::List { .. } => panic!("{code} is no table"),
    }
}

fn text(text: &str) -> Shown {
    Shown::Text(text.to_owned())
}

#[test]
fn a_referral_slip_says_who_is_sent_where_and_why_with_results_and_medicines() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r1", "up", "referral-request", UP).await;
        assert_eq!(here.codes("r1").await, ["slip-up"]);
        let slip = here.print("r1", "slip-up").await;
        assert_eq!(slip.issuer.as_deref(), Some("松涛社区卫生服务中心"));
        assert_eq!(slip.to.as_deref(), Some("示范医院心内科"));
        assert!(slip.number.starts_with("CLINIC-2026") && slip.number.ends_with("-0001"), "{}", slip.number);
        assert_eq!(slip.class.as_ref().unwrap().zh, "普通");
        assert_eq!(line(&slip, "姓名"), [text("欧阳明远")]);
        let male = protocol::Words { zh: "男".to_owned(), en: "Male".to_owned() };
        assert_eq!(line(&slip, "性别"), [Shown::Words(male)]);
        assert_eq!(line(&slip, "出生日期"), [Shown::Date("1958-03-02".to_owned())]);
        assert_eq!(line(&slip, "身份证号"), [text("999999195803020031")]);
        assert_eq!(line(&slip, "转诊原因"), [text("胸闷一周，心电图异常")]);
        assert_eq!(line(&slip, "病情描述"), [text("一周前活动后胸闷。\n休息可缓解。")]);
        let warm = Shown::Quantity { value: "36.50".to_owned(), unit: "Cel".to_owned() };
        assert_eq!(line(&slip, "体温"), [warm]);
        assert!(
            matches!(line(&slip, "费用来源"), [Shown::Words(words)] if !words.zh.is_empty() && !words.en.is_empty())
        );
        assert!(matches!(line(&slip, "提交时间"), [Shown::Time(_)]));
        assert_eq!(line(&slip, "过敏史"), []);
        let pressure = Shown::Quantity { value: "168".to_owned(), unit: "mmHg".to_owned() };
        let day = Shown::Time("2026-05-03".to_owned());
        assert_eq!(table(&slip, "results"), [[vec![text("收缩压")], vec![pressure], vec![day]]]);
        assert_eq!(table(&slip, "medicines"), [[vec![text("苯磺酸氨氯地平片")], vec![text("5 mg 每日一次")]]]);
    });
}

#[test]
fn a_slip_back_down_carries_each_medicine_with_who_prescribes_it_next() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r2", "down", "referral-down", DOWN).await;
        assert_eq!(here.codes("r2").await, ["slip-down"]);
        let slip = here.print("r2", "slip-down").await;
        assert_eq!(slip.issuer.as_deref(), Some("示范医院心内科"));
        let rows = table(&slip, "medicines");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][0], [text("阿司匹林肠溶片")]);
        assert_eq!(rows[0][3], []);
        assert_eq!(rows[1][3], [Shown::Date("2027-05-01".to_owned())]);
        assert_eq!(rows[1][4], [text("家庭医生")]);
        let flags = table(&slip, "red-flags");
        assert_eq!(flags[1], [vec![text("黑便、牙龈出血")], vec![text("当日到医院就诊，不要自行停药")]]);
        let goals = table(&slip, "goals");
        assert_eq!(goals, [vec![vec![text("六分钟步行400米")], vec![Shown::Date("2026-08-01".to_owned())]]]);
        assert_eq!(table(&slip, "pending")[0][1], [text("心内科高原医生")]);
        assert_eq!(line(&slip, "复查日期"), [Shown::Date("2026-06-01".to_owned())]);
    });
}

#[test]
fn a_run_that_was_begun_with_a_form_still_has_it_when_it_is_folded_from_its_history() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r3", "up", "referral-request", UP).await;
        let stored = here.engine.load("r3").await.unwrap().unwrap().run;
        assert!(stored.response.as_deref().is_some_and(|one| one.starts_with("QuestionnaireResponse/")));
        assert_eq!(here.engine.rebuild("r3").await.unwrap(), stored);
    });
}

#[test]
fn a_referral_tells_its_reason_and_how_complete_it_was_from_when_it_is_sent_on() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r4", "up", "referral-request", UP).await;
        here.start("r5", "down", "referral-down", DOWN).await;
        let traits = async |id: &str| here.engine.load(id).await.unwrap().unwrap().run.traits;
        let told = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            all.iter().map(|(code, value)| ((*code).to_owned(), (*value).to_owned())).collect()
        };
        let up = told(&[("reason", "unclear"), ("elements-given", "12"), ("elements-wanted", "19")]);
        assert_eq!(traits("r4").await, up);
        let down = told(&[("down-reason", "heart"), ("elements-given", "15"), ("elements-wanted", "23")]);
        assert_eq!(traits("r5").await, down);
        let focus = here.engine.load("r5").await.unwrap().unwrap().run.focus.unwrap();
        let request = here.read(&focus).await;
        assert_eq!(request["reasonCode"][0]["coding"][0]["code"], "heart");
        assert_eq!(request["reasonCode"][0]["text"], "不稳定型心绞痛，支架术后");
        let focus = here.engine.load("r4").await.unwrap().unwrap().run.focus.unwrap();
        let request = here.read(&focus).await;
        assert_eq!(request["reasonCode"][0]["coding"][0]["code"], "unclear");
        assert_eq!(request["reasonCode"][0]["text"], "胸闷一周，心电图异常");
    });
}

/// What is to be filled in of a form is what the protocol counts of it.
#[test]
fn what_completeness_counts_are_questions_of_the_forms() {
    let line = folders::line("referral");
    let protocol = line.protocol("referral").expect("the line has the protocol");
    let value = |code: &str| protocol.trait_(code).expect("the protocol has the trait").value.to_string();
    let (given, wanted) = (value("elements-given"), value("elements-wanted"));
    for form in ["referral-request", "referral-down"] {
        let after =
            |text: &str| text.split_once(&format!("Questionnaire/{form}'), ")).expect("it is told").1.to_owned();
        let listed = after(&given);
        let listed = listed.strip_prefix('(').and_then(|rest| rest.split_once(')')).expect("it is a list").0;
        let listed: Vec<&str> = listed.split('|').map(|one| one.trim().trim_matches('\'')).collect();
        let number: usize = after(&wanted).split(',').next().unwrap().parse().unwrap();
        assert_eq!(listed.len(), number, "{form}");
        let form = line.forms.iter().find(|one| one.code.as_str() == form).expect("the line has the form");
        let asked: Vec<&str> =
            form.items.iter().flat_map(|item| item.items.iter().chain([item])).map(|item| item.code.as_str()).collect();
        assert!(listed.iter().all(|one| asked.contains(one)), "{listed:?} among {asked:?}");
    }
}

#[test]
fn a_referral_that_becomes_more_urgent_is_so_in_the_record_as_well() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r6", "up", "referral-request", UP).await;
        let focus = here.engine.load("r6").await.unwrap().unwrap().run.focus.unwrap();
        assert_eq!(here.read(&focus).await["priority"], "routine");
        for (class, priority) in [("emergency", "stat"), ("urgent", "urgent"), ("routine", "routine")] {
            let deed = Deed::Regrade { class: class.to_owned(), reason: "病情变化".to_owned() };
            here.engine.act(&Caller::system("HOPERAT"), "r6", deed.into()).await.expect("it is regraded");
            assert_eq!(here.read(&focus).await["priority"], priority);
        }
        let stored = here.engine.load("r6").await.unwrap().unwrap().run;
        assert_eq!(here.engine.rebuild("r6").await.unwrap(), stored);
    });
}
