use fhir::definitions::r4;
use fhir::validate::{Options, Validator};
use sonic_rs::JsonContainerTrait;

use super::*;
use crate::text::Files;
use generated::Chance;

mod generated;

const PROTOCOL: &str = r#"code = "bleeding"
version = "2"
title = { zh = "消化道出血", en = "GI bleeding" }
purpose = { zh = "尽早内镜", en = "Early endoscopy" }
sources = ["an invented guideline, section 3"]
focus = "ServiceRequest"

[[class]]
code = "severe"
title = { zh = "重度", en = "Severe" }
priority = "stat"

[[role]]
code = "ward"
title = { zh = "急诊", en = "Emergency" }
party = "institution"
duties = ["doctor"]

[[role]]
code = "patient"
title = { zh = "患者", en = "Patient" }
party = "patient"

[[start]]
by = "hand"
duties = ["doctor"]
reach = ["door"]

[[start]]
by = "event"
on = "Encounter"
when = "status = 'arrived'"
reach = ["door"]

[[start]]
by = "schedule"
every = "1 d"
query = "Patient?active=true"

[[milestone]]
code = "door"
title = { zh = "到院", en = "Door" }
patient = { zh = "您已到院", en = "You have arrived" }

[[milestone]]
code = "scored"
title = { zh = "已评分", en = "Scored" }

[[milestone]]
code = "over"
title = { zh = "已结束", en = "Over" }
ends = "completed"
make = ["note"]

[[step]]
code = "score"
title = { zh = "评分", en = "Score" }
who = "ward"
requires = ["door"]
form = "gbs"
reach = ["scored"]

[[step]]
code = "scope"
title = { zh = "内镜", en = "Endoscopy" }
who = "ward"
requires = ["scored"]
when = "%focus.code.exists()"
optional = true

[[step.outcome]]
code = "done"
title = { zh = "已做", en = "Done" }
reach = ["over"]

[[step.outcome]]
code = "refused"
title = { zh = "拒绝", en = "Refused" }
reasons = "refusal"
reach = ["over"]

[[clock]]
code = "door-to-scope"
title = { zh = "到院至内镜", en = "Door to endoscopy" }
from = "door"
to = ["over"]

[[clock.limit]]
class = "severe"
target = "6 h"
warn = "10 h"
breach = "12 h"
source = "an invented guideline"

[[clock.limit]]
breach = "24 h"

[[clock.rung]]
at = "breach"
plus = "30 min"
tell = ["ward"]

[[activity]]
code = "note"
create = "Communication"

[[activity.set]]
path = "status"
value = "'completed'"

[[activity]]
code = "order"
title = { zh = "内镜申请", en = "Order" }
create = "ServiceRequest"

[[indicator]]
code = "in-time"
title = { zh = "及时率", en = "In time" }
kind = "share"
having = ["door"]
clock = "door-to-scope"
goal = 90

[[indicator]]
code = "median"
title = { zh = "中位时间", en = "Median" }
kind = "median"
clock = "door-to-scope"
"#;

const FORM: &str = r#"code = "gbs"
title = { zh = "GBS 评分", en = "Glasgow-Blatchford score" }
sources = ["an invented table"]

[[variable]]
code = "blood"
value = "%resource.item.where(linkId = 'hb').answer.value"

[[item]]
code = "vitals"
title = { zh = "生命体征", en = "Vital signs" }
kind = "group"

[[item.item]]
code = "pressure"
title = { zh = "收缩压", en = "Systolic pressure" }
kind = "choice"
required = true
list = "gbs-pressure"
help = { zh = "入院首测", en = "The first one" }

[[item.item]]
code = "hb"
title = { zh = "血红蛋白", en = "Haemoglobin" }
kind = "number"
unit = "g/L"
min = 10
max = 250.5
initial = "%patient.extension.value"
when = "true"

[[item]]
code = "doctor"
title = { zh = "医生", en = "Doctor" }
kind = "reference"
types = ["Practitioner", "PractitionerRole"]

[[item]]
code = "age"
title = { zh = "年龄", en = "Age" }
kind = "integer"
min = 0
max = 130

[[item]]
code = "score"
title = { zh = "总分", en = "Total" }
kind = "integer"
read-only = true
total = ["pressure", "age"]

[[item]]
code = "why"
title = { zh = "理由", en = "Why" }
kind = "choice"
list = "http://example.org/reasons"
other = true
repeats = true
hidden = true
"#;

const CODES: &str = r#"
[[list]]
code = "gbs-pressure"
title = { zh = "收缩压", en = "Systolic pressure" }
source = "an invented table"
entry = [
    { code = "normal", title = { zh = "正常", en = "Normal" }, score = 0 },
    { code = "low", title = { zh = "低", en = "Low" }, score = 1.5 },
    { code = "UN", title = { zh = "无法测量", en = "Cannot be measured" } },
]
"#;

fn line() -> Line {
    let files = [("protocol.toml", PROTOCOL), ("forms/gbs.toml", FORM), ("codes.toml", CODES)];
    let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Line::read(&files).unwrap()
}

fn named<'r>(resources: &'r [Value], key: &str) -> &'r Value {
    resources.iter().find(|one| super::key(one) == key).unwrap_or_else(|| panic!("there is no {key}"))
}

#[track_caller]
fn valid(resources: &[Value]) {
    let validator = Validator::new(r4(), Options::default());
    for resource in resources {
        let issues = validator.check(resource);
        assert!(issues.is_empty(), "{}: {issues:#?}\n{resource}", super::key(resource));
    }
}

#[test]
fn a_line_is_fhir_and_comes_back_as_it_was() {
    let line = line();
    let resources = to_fhir(&line).unwrap();
    valid(&resources);
    assert_eq!(from_fhir(&resources).unwrap(), line);
    assert_eq!(to_fhir(&from_fhir(&resources).unwrap()).unwrap(), resources);
}

#[test]
fn a_reader_that_knows_only_fhir_sees_steps_goals_and_what_follows_on_what() {
    let resources = to_fhir(&line()).unwrap();
    let plan = named(&resources, "PlanDefinition/bleeding-2");
    assert_eq!(plan["url"], "https://qingshan.dev/fhir/PlanDefinition/bleeding");
    let whole = &plan["action"][0];
    assert_eq!(whole["trigger"].as_array().unwrap().len(), 3);
    let scope = &whole["action"][1];
    assert_eq!(scope["title"], "内镜");
    assert_eq!(scope["relatedAction"][0]["actionId"], "score");
    assert_eq!(scope["goalId"][0], "door-to-scope");
    assert_eq!(scope["condition"][0]["expression"]["expression"], "%focus.code.exists()");
    assert_eq!(scope["action"].as_array().unwrap().len(), 2);
    assert_eq!(whole["action"][0]["definitionCanonical"], "https://qingshan.dev/fhir/Questionnaire/gbs");
    assert_eq!(plan["goal"][0]["target"][0]["due"]["code"], "h");
    assert_eq!(named(&resources, "Measure/bleeding-in-time-2")["scoring"]["coding"][0]["code"], "proportion");
    assert_eq!(named(&resources, "ActivityDefinition/bleeding-order-2")["kind"], "ServiceRequest");
    let hb = &named(&resources, "Questionnaire/gbs")["item"][0]["item"][1];
    assert_eq!(hb["type"], "decimal");
    assert_eq!(named(&resources, "CodeSystem/gbs-pressure")["concept"][1]["designation"][0]["value"], "Low");
    named(&resources, "ValueSet/gbs-pressure");
}

#[test]
fn a_protocol_is_read_from_its_plan_and_the_parts_it_names() {
    let line = line();
    let resources = to_fhir(&line).unwrap();
    let plan = named(&resources, &format!("PlanDefinition/{}", plan_id("bleeding", "2")));
    let keys = part_keys(plan);
    assert_eq!(keys.len(), 4);
    let parts: Vec<Value> = keys.iter().map(|key| named(&resources, key).clone()).collect();
    assert_eq!(protocol(plan, &parts).unwrap(), line.protocols[0]);
    assert!(protocol(plan, &parts[1..]).unwrap_err().to_string().contains("ActivityDefinition/bleeding-note-2"));
}

#[test]
fn what_a_text_cannot_say_is_refused_and_what_the_record_adds_is_not() {
    let resources = to_fhir(&line()).unwrap();
    let change = |from: &str, to: &str| -> Vec<Value> {
        let changed = resources.iter().map(|one| String::from_utf8(json::to_bytes(one)).unwrap().replace(from, to));
        changed.map(|text| json::parse(text.as_bytes()).unwrap()).collect()
    };
    let seen = change(r#""resourceType":"#, r#""meta":{"versionId":"3"},"resourceType":"#);
    assert_eq!(from_fhir(&seen).unwrap(), line());
    let related = change(r#""relationship":"after-end""#, r#""relationship":"before""#);
    let told = from_fhir(&related).unwrap_err().to_string();
    assert!(told.contains("PlanDefinition/bleeding-2: action"), "{told}");
    let approved = change(r#""resourceType":"Measure""#, r#""resourceType":"Measure","approvalDate":"2026-01-01""#);
    assert!(from_fhir(&approved).unwrap_err().to_string().contains("approvalDate"));
    let retitled = change("内镜", "胃镜");
    assert_eq!(from_fhir(&retitled).unwrap().protocols[0].steps[1].title.zh, "胃镜");
}

#[test]
fn a_line_that_says_nothing_somewhere_is_refused_and_never_changed() {
    let mut line = line();
    line.protocols[0].title.zh.clear();
    line.protocols[0].title.en.clear();
    assert!(to_fhir(&line).is_err());
}

#[test]
fn any_line_is_valid_fhir_and_comes_back_as_it_was_also_from_its_print() {
    for seed in 0..300 {
        let line = Chance::new(seed).line();
        assert_eq!(Line::read(&line.print()).unwrap(), line, "seed {seed}");
        let resources = to_fhir(&line).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        valid(&resources);
        assert_eq!(from_fhir(&resources).unwrap(), line, "seed {seed}");
    }
}
