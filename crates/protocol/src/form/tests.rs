use std::collections::BTreeMap;

use fhir::{Error, Value, json};
use jiff::Timestamp;
use jiff::tz::Offset;
use sonic_rs::JsonValueTrait;

use super::fill::is_filled;
use super::*;
use crate::knowledge::to_fhir;
use crate::text::Line;

/// The fifteen items of the NIH Stroke Scale, the most each can score, and whether it may be untestable.
const NIHSS: &[(&str, u32, bool)] = &[
    ("1a", 3, false),
    ("1b", 2, false),
    ("1c", 2, false),
    ("2", 2, false),
    ("3", 3, false),
    ("4", 3, false),
    ("5a", 4, true),
    ("5b", 4, true),
    ("6a", 4, true),
    ("6b", 4, true),
    ("7", 2, true),
    ("8", 2, false),
    ("9", 3, false),
    ("10", 2, true),
    ("11", 2, false),
];

/// A form, and the lists of its line.
struct Desk {
    questionnaire: Value,
    shelf: Shelf,
}

impl Desk {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let resources = to_fhir(&Line::read(&files).unwrap()).unwrap();
        let is_form = |one: &&Value| one["resourceType"] == "Questionnaire";
        let questionnaire = resources.iter().find(is_form).unwrap().clone();
        Self { questionnaire, shelf: Shelf::new(resources) }
    }

    fn judge(&self, status: &str, items: &str) -> Result<(), Error> {
        self.with(status, items, judge)
    }

    fn with<T>(&self, status: &str, items: &str, look: impl Fn(&Value, &Value, &Beside<'_>) -> T) -> T {
        let patient = json::parse(br#"{"resourceType":"Patient","gender":"female"}"#).unwrap();
        let items = if items.is_empty() { String::new() } else { format!(r#","item":[{items}]"#) };
        let form = &self.questionnaire["url"];
        let response =
            format!(r#"{{"resourceType":"QuestionnaireResponse","status":"{status}","questionnaire":{form}{items}}}"#);
        let beside = Beside {
            source: &self.shelf,
            variables: &[("patient", &patient)],
            now: (Timestamp::from_second(1_800_000_000).unwrap(), Offset::constant(8)),
        };
        look(&self.questionnaire, &json::parse(response.as_bytes()).unwrap(), &beside)
    }

    /// The items of a response with what follows from them, which the form takes.
    #[track_caller]
    fn fills(&self, items: &str) -> String {
        self.with("completed", items, |form, response, beside| {
            let filled = fill(form, response, beside).unwrap();
            judge(form, &filled, beside).unwrap_or_else(|error| panic!("{items}: {error}"));
            assert!(is_filled(form, &filled, response), "{items}");
            let items = filled.get("item").map(|items| String::from_utf8(json::to_bytes(items)).unwrap());
            items.unwrap_or_default()
        })
    }

    #[track_caller]
    fn accepts(&self, items: &str) {
        self.judge("completed", items).unwrap_or_else(|error| panic!("{items}: {error}"));
    }

    #[track_caller]
    fn refuses(&self, items: &str, told: &str) {
        let error = self.judge("completed", items).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

fn nihss() -> Desk {
    let mut form = "code = \"nihss\"\ntitle = { zh = \"NIHSS 评分\", en = \"NIHSS\" }\n".to_owned();
    let mut codes = String::new();
    for (item, most, untestable) in NIHSS {
        form += &format!(
            "[[item]]\ncode = \"{item}\"\ntitle = {{ zh = \"第 {item} 项\", en = \"Item {item}\" }}\nkind = \"choice\"\n\
             list = \"nihss-{item}\"\n"
        );
        codes += &format!("[[list]]\ncode = \"nihss-{item}\"\ntitle = {{ zh = \"{item}\", en = \"{item}\" }}\n");
        for score in 0..=*most {
            let title = format!("{{ zh = \"{score} 分\", en = \"{score}\" }}");
            codes += &format!("[[list.entry]]\ncode = \"{score}\"\ntitle = {title}\nscore = {score}\n");
        }
        if *untestable {
            codes += "[[list.entry]]\ncode = \"UN\"\ntitle = { zh = \"无法检查\", en = \"Untestable\" }\n";
        }
    }
    let items: Vec<String> = NIHSS.iter().map(|(item, ..)| format!("\"{item}\"")).collect();
    form += &format!(
        "[[item]]\ncode = \"total\"\ntitle = {{ zh = \"总分\", en = \"Total\" }}\nkind = \"integer\"\nread-only = true\n\
         total = [{}]\n",
        items.join(", ")
    );
    Desk::of(&[("forms/nihss.toml", &form), ("codes.toml", &codes)])
}

/// The items of a response with these codes, and a total if there is one.
fn answers(codes: &BTreeMap<&str, String>, total: Option<u32>) -> String {
    let coded = codes.iter().map(|(item, code)| {
        let system = format!("https://qingshan.dev/fhir/CodeSystem/nihss-{item}");
        format!(r#"{{"linkId":"{item}","answer":[{{"valueCoding":{{"system":"{system}","code":"{code}"}}}}]}}"#)
    });
    let total = total.map(|total| format!(r#"{{"linkId":"total","answer":[{{"valueInteger":{total}}}]}}"#));
    coded.chain(total).collect::<Vec<_>>().join(",")
}

fn codes(of: impl Fn(u32, bool) -> String) -> BTreeMap<&'static str, String> {
    NIHSS.iter().map(|(item, most, untestable)| (*item, of(*most, *untestable))).collect()
}

#[test]
fn a_stroke_scale_goes_from_0_to_42() {
    let desk = nihss();
    desk.accepts(&answers(&codes(|_, _| "0".to_owned()), Some(0)));
    desk.accepts(&answers(&codes(|most, _| most.to_string()), Some(42)));
    desk.refuses(&answers(&codes(|most, _| most.to_string()), Some(41)), "`total` is not what follows");
    desk.refuses(&answers(&codes(|most, _| most.to_string()), None), "`total` is not what follows");
    let mut beyond = codes(|_, _| "0".to_owned());
    beyond.insert("1b", "3".to_owned());
    desk.refuses(&answers(&beyond, None), "not one of those to choose from");
}

#[test]
fn what_cannot_be_tested_does_not_count() {
    let desk = nihss();
    let given = codes(|most, untestable| if untestable { "UN".to_owned() } else { most.to_string() });
    desk.accepts(&answers(&given, Some(22)));
    let mut wrong = codes(|_, _| "0".to_owned());
    wrong.insert("9", "UN".to_owned());
    desk.refuses(&answers(&wrong, Some(0)), "not one of those to choose from");
}

#[test]
fn a_score_is_never_computed_from_a_missing_item() {
    let desk = nihss();
    for (missing, most, _) in NIHSS {
        let mut given = codes(|most, _| most.to_string());
        given.remove(missing);
        desk.accepts(&answers(&given, None));
        desk.refuses(&answers(&given, Some(42 - most)), "must be empty");
    }
    desk.accepts("");
}

#[test]
fn what_follows_is_filled_in_once_all_it_follows_from_is_there() {
    let desk = nihss();
    let total = |items: &str| desk.fills(items).rsplit_once(r#""linkId":"total""#).map(|(_, rest)| rest.to_owned());
    let full = codes(|most, _| most.to_string());
    assert!(total(&answers(&full, None)).unwrap().ends_with(r#""answer":[{"valueInteger":42}]}]"#));
    for (missing, ..) in NIHSS {
        let mut given = full.clone();
        given.remove(missing);
        assert_eq!(total(&answers(&given, None)), None, "without {missing}");
    }
    assert_eq!(desk.fills(""), "");
}

#[test]
fn what_was_sent_is_never_replaced_by_what_follows() {
    let desk = nihss();
    let wrong = answers(&codes(|most, _| most.to_string()), Some(41));
    let error = desk.with("completed", &wrong, |form, response, beside| {
        let filled = fill(form, response, beside).unwrap();
        assert!(json::same(&filled, response));
        judge(form, &filled, beside).unwrap_err()
    });
    let place = format!("QuestionnaireResponse.item[{}].answer[0]", NIHSS.len());
    assert_eq!(error.issues()[0].expression.as_deref(), Some(place.as_str()));
}

const DOSE: &str = r#"
code = "dose"
title = { zh = "剂量", en = "Dose" }

[[variable]]
code = "heavy"
value = "%resource.repeat(item).where(linkId = 'weight').answer.value > 100"

[[item]]
code = "given"
title = { zh = "用药", en = "Given" }
kind = "group"

[[item.item]]
code = "daily"
title = { zh = "每日", en = "A day" }
kind = "number"
calculated = "%resource.repeat(item).where(linkId = 'dose').answer.value / 7"

[[item.item]]
code = "dose"
title = { zh = "剂量", en = "Dose" }
kind = "number"
calculated = "iif(%heavy, 90.0, %resource.repeat(item).where(linkId = 'weight').answer.value * 0.9)"

[[item]]
code = "weight"
title = { zh = "体重", en = "Weight" }
kind = "number"

[[item.item]]
code = "fits"
title = { zh = "在范围内", en = "Within limits" }
kind = "yes-no"
calculated = "%resource.repeat(item).where(linkId = 'weight').answer.value < 150"

[[item]]
code = "reduced"
title = { zh = "已减量", en = "Reduced" }
kind = "yes-no"
when = "%heavy"
calculated = "%resource.repeat(item).where(linkId = 'dose').answer.value < 95"

[[item]]
code = "visit"
title = { zh = "每次", en = "Each time" }
kind = "group"
repeats = true

[[item.item]]
code = "of"
title = { zh = "第几次", en = "Which" }
kind = "integer"

[[item.item]]
code = "next"
title = { zh = "下一次", en = "Next" }
kind = "integer"
calculated = "%resource.repeat(item).where(linkId = 'of').answer.value + 1"
"#;

fn names(names: [&str; 2]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[test]
fn what_follows_from_what_follows_stands_where_the_form_asks_for_it() {
    let desk = Desk::of(&[("forms/dose.toml", DOSE)]);
    let filled = desk.fills(r#"{"linkId":"weight","answer":[{"valueDecimal":70.50}]}"#);
    // In the order of the form, in a part of it that was not sent, with the digits of what was.
    let items: serde_json::Value = serde_json::from_str(&filled).unwrap();
    let links = |items: &serde_json::Value| -> Vec<String> {
        items.as_array().unwrap().iter().map(|item| item["linkId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((links(&items), links(&items[0]["item"])), (names(["given", "weight"]), names(["daily", "dose"])));
    assert_eq!(items[1]["answer"][0]["item"][0]["linkId"], "fits");
    assert_eq!(items[1]["answer"][0]["item"][0]["answer"][0]["valueBoolean"], true);
    for digits in ["9.06428571", "63.45", r#""valueDecimal":70.50"#] {
        assert!(filled.contains(digits), "{digits} is not in {filled}");
    }
    assert!(!filled.contains("reduced"), "it is not asked: {filled}");
    assert!(!filled.contains("next"), "nobody came: {filled}");
    let heavy = desk.fills(r#"{"linkId":"weight","answer":[{"valueDecimal":110}]}"#);
    assert!(heavy.contains(r#""valueDecimal":90.0"#) && heavy.contains("reduced"), "{heavy}");
}

#[test]
fn a_number_that_does_not_end_is_kept_to_eight_digits_and_taken_with_as_many() {
    let desk = Desk::of(&[("forms/dose.toml", DOSE)]);
    assert!(desk.fills(r#"{"linkId":"weight","answer":[{"valueDecimal":71}]}"#).contains("9.12857143"));
    let sent = |daily: &str| {
        let daily = format!(r#"{{"linkId":"daily","answer":[{{"valueDecimal":{daily}}}]}}"#);
        let dose = r#"{"linkId":"dose","answer":[{"valueDecimal":63.9}]}"#;
        let fits = r#"{"linkId":"fits","answer":[{"valueBoolean":true}]}"#;
        let weight = format!(r#"{{"linkId":"weight","answer":[{{"valueDecimal":71,"item":[{fits}]}}]}}"#);
        format!(r#"{{"linkId":"given","item":[{daily},{dose}]}},{weight}"#)
    };
    desk.accepts(&sent("9.12857143"));
    // As a browser works it out.
    desk.accepts(&sent("9.128571428571428"));
    desk.refuses(&sent("9.1285714"), "`daily` is not what follows");
}

#[test]
fn a_sender_may_give_the_score_of_a_code_but_only_the_right_one() {
    let desk = nihss();
    let given = answers(&codes(|_, _| "1".to_owned()), Some(15));
    let scored = |score: &str| {
        let url = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
        let coding = format!(r#""valueCoding":{{"extension":[{{"url":"{url}","valueDecimal":{score}}}],"#);
        given.replacen(r#""valueCoding":{"#, &coding, 1)
    };
    desk.accepts(&scored("1.0"));
    desk.refuses(&scored("0"), "does not have the score");
}

const REQUEST: &str = r#"
code = "request"
title = { zh = "申请", en = "Request" }

[[item]]
code = "urgent"
title = { zh = "是否紧急", en = "Urgent" }
kind = "yes-no"
required = true

[[item]]
code = "why"
title = { zh = "紧急理由", en = "Why" }
kind = "string"
required = true
length = 5
when = "item.where(linkId = 'urgent').answer.value = true"

[[item]]
code = "medicines"
title = { zh = "用药", en = "Medicines" }
kind = "group"
repeats = true

[[item.item]]
code = "name"
title = { zh = "药名", en = "Name" }
kind = "string"
required = true

[[item.item]]
code = "dose"
title = { zh = "剂量", en = "Dose" }
kind = "number"
unit = "mg"
min = 0.5
max = 1000

[[item]]
code = "to"
title = { zh = "转往", en = "To" }
kind = "reference"
types = ["Organization"]

[[item]]
code = "sex"
title = { zh = "性别", en = "Sex" }
kind = "string"
hidden = true
calculated = "%patient.gender"
"#;

const CALM: &str =
    r#"{"linkId":"urgent","answer":[{"valueBoolean":false}]},{"linkId":"sex","answer":[{"valueString":"female"}]}"#;

#[test]
fn a_question_is_answered_while_it_is_asked() {
    let desk = Desk::of(&[("forms/request.toml", REQUEST)]);
    desk.accepts(CALM);
    desk.refuses("", "An answer to `urgent` is missing.");
    let why = r#",{"linkId":"why","answer":[{"valueString":"rising"}]}"#;
    desk.refuses(&format!("{CALM}{why}"), "This is not asked");
    let urgent = CALM.replace("false", "true");
    desk.refuses(&urgent, "An answer to `why` is missing.");
    desk.refuses(&format!("{urgent}{why}"), "room for 5 characters");
    desk.accepts(&format!("{urgent}{}", why.replace("rising", "now")));
    desk.refuses(&CALM.replace("female", "male"), "`sex` is not what follows");
}

#[test]
fn a_form_that_is_put_aside_may_lack_answers_but_not_have_wrong_ones() {
    let desk = Desk::of(&[("forms/request.toml", REQUEST)]);
    desk.judge("in-progress", "").unwrap();
    let wrong = r#"{"linkId":"urgent","answer":[{"valueString":"yes"}]}"#;
    assert!(desk.judge("in-progress", wrong).unwrap_err().to_string().contains("kind boolean"));
}

#[test]
fn answers_are_of_the_kind_and_number_asked_for_and_within_limits() {
    let desk = Desk::of(&[("forms/request.toml", REQUEST)]);
    let with = |item: &str| format!("{CALM},{item}");
    let medicine = |dose: &str| {
        let name = r#"{"linkId":"name","answer":[{"valueString":"阿司匹林"}]}"#;
        let dose = format!(r#"{{"linkId":"dose","answer":[{{"valueDecimal":{dose}}}]}}"#);
        with(&format!(r#"{{"linkId":"medicines","item":[{name},{dose}]}}"#))
    };
    desk.accepts(&medicine("0.50"));
    desk.accepts(&medicine("1000"));
    desk.refuses(&medicine("0.49"), "The least that can be is 0.5.");
    desk.refuses(&medicine("1000.01"), "The most that can be is 1000.");
    desk.refuses(&with(r#"{"linkId":"medicines"}"#), "An answer to `name` is missing.");
    let second = r#"{"linkId":"medicines","item":[{"linkId":"name","answer":[{"valueString":"氯吡格雷"}]}]}"#;
    desk.accepts(&format!("{},{second}", medicine("100")));
    desk.refuses(&with(r#"{"linkId":"mood"}"#), "does not ask for this");
    let to = |reference: &str| {
        with(&format!(r#"{{"linkId":"to","answer":[{{"valueReference":{{"reference":"{reference}"}}}}]}}"#))
    };
    desk.accepts(&to("Organization/centre"));
    desk.refuses(&to("Practitioner/p"), "Another type of resource");
    let twice = CALM.replacen(r#"{"valueBoolean":false}"#, r#"{"valueBoolean":false},{"valueBoolean":true}"#, 1);
    desk.refuses(&twice, "One answer is asked for");
}

const CONSENT: &str = r#"code = "consent"
title = { zh = "知情同意", en = "Consent" }
[[item]]
code = "agreed"
title = { zh = "同意", en = "Agrees" }
kind = "yes-no"
[[item.must]]
holds = "%resource.item.where(linkId = 'agreed').answer.value = true or %resource.item.where(linkId = 'signer').answer.value = 'nobody'"
told = { zh = "不同意的不能提交。", en = "Nobody goes who does not agree." }
[[item]]
code = "signer"
title = { zh = "签署人", en = "Signer" }
kind = "string"
"#;

#[test]
fn what_must_hold_is_asked_of_a_whole_form_whose_question_is_answered() {
    let desk = Desk::of(&[("forms/consent.toml", CONSENT)]);
    let agreed = |yes: bool| format!(r#"{{"linkId":"agreed","answer":[{{"valueBoolean":{yes}}}]}}"#);
    let signer = |who: &str| format!(r#"{{"linkId":"signer","answer":[{{"valueString":"{who}"}}]}}"#);
    desk.accepts(&agreed(true));
    desk.accepts("");
    desk.refuses(&agreed(false), "不同意的不能提交。");
    // What is not known does not hold.
    desk.refuses(&format!("{},{}", agreed(false), signer("son")), "不同意的不能提交。");
    desk.accepts(&format!("{},{}", agreed(false), signer("nobody")));
    desk.judge("in-progress", &agreed(false)).unwrap();
}

#[test]
fn the_lists_of_a_form_are_told() {
    assert_eq!(lists(&nihss().questionnaire).len(), NIHSS.len());
}
