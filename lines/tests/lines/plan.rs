//! The plan with which somebody goes back down: a plan of care in the record, in the hands of who carries it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir::validate::{Options, Validator};
use protocol::Act;
use protocol::run::{Deed, Reason, Run};
use record::{Caller, Key, Post, Standing};
use serde_json::{Value as Json, json};
use testkit::place::on_both;

use crate::documents::{DOWN, Hospital};
use crate::recorded::value;

impl Hospital {
    async fn run(&self, id: &str) -> Run {
        self.engine.load(id).await.expect("the record answers").expect("the run is there").run
    }

    async fn act(&self, id: &str, deed: Deed, response: Option<Json>) {
        let act = Act { deed, response: response.as_ref().map(value) };
        self.engine.act(&Caller::system("HOPERAT"), id, act).await.expect("it can be done");
    }

    async fn does(&self, id: &str, step: &str, outcome: Option<&str>, response: Option<Json>) {
        let deed = Deed::Complete {
            step: step.to_owned(),
            n: 1,
            outcome: outcome.map(str::to_owned),
            reason: Some(Reason { code: "better-elsewhere".to_owned(), text: None }),
            response: None,
            at: None,
            bind: BTreeMap::new(),
        };
        self.act(id, deed, response).await;
    }

    /// Whether somebody with a duty at an institution may read something.
    async fn sees(&self, at: &str, duty: &str, reference: &str) -> bool {
        let id = format!("{duty}-{at}");
        let coded = json!({ "system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": duty });
        self.put(json!({ "resourceType": "Practitioner", "id": id })).await;
        self.put(
            json!({ "resourceType": "PractitionerRole", "id": id, "active": true, "code": [{ "coding": [coded] }],
            "practitioner": { "reference": format!("Practitioner/{id}") },
            "organization": { "reference": format!("Organization/{at}") } }),
        )
        .await;
        let post = Post {
            practitioner: id.clone(),
            role: id.clone(),
            organization: at.to_owned(),
            duties: vec![duty.to_owned()],
        };
        let caller = Caller {
            actor: format!("PractitionerRole/{id}"),
            purpose: "TREAT".to_owned(),
            request: String::new(),
            standing: Standing::Staff(Arc::new(post)),
        };
        let key = Key::of(reference).expect("it is a reference");
        self.place.record.session(caller).read(&key).await.is_ok_and(|found| found.is_some())
    }
}

fn response(form: &str, items: Json) -> Json {
    json!({ "resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": format!("https://qingshan.dev/fhir/Questionnaire/{form}"), "item": items })
}

/// The parts of a plan of one kind.
fn parts<'p>(plan: &'p Json, code: &str) -> Vec<&'p Json> {
    let all = plan["activity"].as_array().expect("a plan has activities").iter().map(|one| &one["detail"]);
    all.filter(|detail| detail["code"]["coding"][0]["code"] == code).collect()
}

fn is_valid(resource: &Json) {
    let issues = Validator::new(fhir::definitions::r4(), Options::default()).check(&value(resource));
    assert!(issues.is_empty(), "{issues:?}\n{resource:#}");
}

#[test]
fn a_referral_down_puts_its_plan_into_the_record_as_a_plan_of_care() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.start("r1", "down", "referral-down", DOWN).await;
        let run = here.run("r1").await;
        let plan = here.read(&run.made["plan"]).await;
        is_valid(&plan);
        assert_eq!((&plan["status"], &plan["subject"]["reference"]), (&json!("draft"), &json!("Patient/p")));
        assert_eq!(plan["instantiatesCanonical"][0], "https://qingshan.dev/fhir/PlanDefinition/referral|4");
        assert_eq!(plan["author"]["reference"], "Organization/heart");
        assert_eq!(plan["description"], "不稳定型心绞痛，支架术后");

        let medicines = parts(&plan, "medicine");
        assert_eq!(medicines.len(), 2);
        assert_eq!(medicines[1]["productCodeableConcept"]["text"], "替格瑞洛片");
        assert_eq!(medicines[1]["description"], "90 mg，每日两次");
        assert_eq!(medicines[1]["scheduledPeriod"], json!({ "end": "2027-05-01" }));
        assert_eq!(medicines[1]["performer"], json!([{ "display": "家庭医生" }]));
        let flags = parts(&plan, "red-flag");
        assert_eq!(flags[0]["reasonCode"][0]["text"], "胸痛超过15分钟不缓解");
        assert_eq!(flags[0]["description"], "立即拨打120");
        let [review] = parts(&plan, "review")[..] else { panic!("one review is planned") };
        assert_eq!(review["scheduledPeriod"]["start"], "2026-06-01");
        assert_eq!(review["location"]["display"], "社区卫生服务中心");
        assert_eq!(review["performer"][0]["reference"], "Organization/clinic");
        let pending = parts(&plan, "pending-result");
        assert_eq!(pending[0]["description"], "血小板功能");
        assert_eq!(pending[0]["performer"][0]["display"], "心内科高原医生");
        assert_eq!(parts(&plan, "ask")[0]["performer"][0]["display"], "周医生 0571-0000");
        assert!(parts(&plan, "care").is_empty(), "what the form does not say stands in no plan");

        let goal = here.read(plan["goal"][0]["reference"].as_str().expect("it has a goal")).await;
        is_valid(&goal);
        assert_eq!(goal["target"], json!([{ "measure": { "text": "六分钟步行400米" }, "dueDate": "2026-08-01" }]));

        // The run and the referral name it, and it names them.
        let named = json!({ "reference": run.made["plan"] });
        let request = here.read(run.focus.as_deref().expect("a referral is about a request")).await;
        assert_eq!(request["supportingInfo"][1], named);
        let task = here.read("Task/r1").await;
        let outputs = task["output"].as_array().expect("a run has an output");
        let output = outputs.iter().find(|one| one["type"]["coding"][0]["code"] == "referral.plan");
        assert_eq!(output.expect("the plan is among it")["valueReference"], named);
        assert_eq!(plan["supportingInfo"][1]["reference"], "Task/r1");
        is_valid(&task);
        assert_eq!(here.engine.rebuild("r1").await.unwrap(), run);
    });
}

#[test]
fn a_plan_is_read_where_it_is_carried_out_and_not_elsewhere() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.put(json!({ "resourceType": "Organization", "id": "elsewhere", "name": "别处" })).await;
        here.start("r1", "down", "referral-down", DOWN).await;
        let plan = here.run("r1").await.made["plan"].clone();
        assert!(here.sees("clinic", "family-doctor", &plan).await);
        assert!(here.sees("heart", "doctor", &plan).await);
        assert!(!here.sees("elsewhere", "family-doctor", &plan).await);
    });
}

#[test]
fn a_plan_goes_along_when_its_referral_is_redirected_and_is_revoked_when_it_is_taken_back() {
    on_both(async |place| {
        let here = Hospital::open(place).await;
        here.put(json!({ "resourceType": "Organization", "id": "other", "name": "竹林卫生院" })).await;
        here.start("r1", "down", "referral-down", DOWN).await;
        let before = here.run("r1").await.made["plan"].clone();
        let answers = json!([
            { "linkId": "target", "answer": [{ "valueReference": { "reference": "Organization/other" } }] },
            { "linkId": "explanation", "answer": [{ "valueString": "患者已迁居竹林" }] },
            { "linkId": "told", "answer": [{ "valueBoolean": true }] },
        ]);
        here.does("r1", "review", Some("redirect"), Some(response("referral-redirect", answers))).await;
        let session = here.place.session();
        let asked = [("_tag", "https://qingshan.dev/fhir/CodeSystem/run|root"), ("status", "in-progress")];
        let asked = asked.map(|(name, value)| (name, value.to_owned()));
        let page = session.search(&record::SearchRequest::of("Task", &asked).unwrap()).await.unwrap();
        let [next] = &page.matches[..] else { panic!("one goes on") };
        let next = next.key.id.clone();
        let run = here.run(&next).await;
        assert_eq!(run.made["plan"], before, "the plan is the same one");
        let plan = here.read(&before).await;
        assert_eq!(parts(&plan, "review")[0]["performer"][0]["reference"], "Organization/other");
        assert_eq!(parts(&plan, "medicine").len(), 2);
        assert_eq!(plan["supportingInfo"][1]["reference"], format!("Task/{next}"));
        assert_eq!(plan["status"], "draft");
        assert!(here.sees("other", "family-doctor", &before).await);

        let reason = Reason { code: "patient".to_owned(), text: None };
        here.act(&next, Deed::Cancel { reason }, None).await;
        let plan = here.read(&before).await;
        assert_eq!(plan["status"], "revoked");
        is_valid(&plan);
        let goal = here.read(plan["goal"][0]["reference"].as_str().expect("it has a goal")).await;
        assert_eq!(goal["lifecycleStatus"], "cancelled");
        assert_eq!(here.engine.rebuild(&next).await.unwrap(), here.run(&next).await);
    });
}
