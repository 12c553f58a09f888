use std::sync::Arc;

use sonic_rs::JsonValueTrait;

use super::*;

/// A hospital's own resources.
struct Local(Vec<(&'static str, &'static str)>);

impl Source for Local {
    fn find(&self, resource_type: &str, url: &str, _: Option<&str>) -> Result<Option<Arc<Value>>, Error> {
        let found = self.0.iter().map(|(_, text)| json::parse(text.as_bytes()).expect("the case is JSON"));
        let mut found =
            found.filter(|value| text(value, "resourceType") == Some(resource_type) && text(value, "url") == Some(url));
        Ok(found.next().map(Arc::new))
    }
}

const WARDS: &str = r#"{"resourceType":"CodeSystem","url":"urn:wards","content":"complete","hierarchyMeaning":"is-a",
"concept":[{"code":"medical","display":"Medical","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
  {"code":"neuro","display":"Neurology","designation":[{"language":"zh-CN","value":"神经内科"}],"concept":[{"code":"stroke","display":"Stroke unit"}]},
  {"code":"cardio","display":"Cardiology","property":[{"code":"beds","valueInteger":20}]}]},
 {"code":"old","display":"Closed ward","property":[{"code":"status","valueCode":"retired"}]},
 {"code":"joint","display":"Stroke and heart","property":[{"code":"parent","valueCode":"stroke"},{"code":"parent","valueCode":"cardio"}]}]}"#;

const ELSEWHERE: &str = r#"{"resourceType":"CodeSystem","url":"urn:elsewhere","content":"not-present"}"#;

fn local() -> Local {
    Local(vec![
        ("wards", WARDS),
        ("elsewhere", ELSEWHERE),
        ("a", r#"{"resourceType":"ValueSet","url":"urn:a","compose":{"include":[{"valueSet":["urn:b"]}]}}"#),
        ("b", r#"{"resourceType":"ValueSet","url":"urn:b","compose":{"include":[{"valueSet":["urn:a"]}]}}"#),
        (
            "brain",
            r#"{"resourceType":"ValueSet","url":"urn:brain","compose":{"include":[{"system":"urn:wards","filter":[{"property":"concept","op":"is-a","value":"neuro"}]}]}}"#,
        ),
    ])
}

fn value_set(compose: &str) -> Value {
    json::parse(format!(r#"{{"resourceType":"ValueSet","compose":{compose}}}"#).as_bytes()).expect("the case is JSON")
}

fn codes_with(compose: &str, request: &Request<'_>) -> Vec<String> {
    let local = local();
    let expansion = Terminology::new(&local).expand(&value_set(compose), request).expect("the value set expands");
    expansion.concepts.into_iter().map(|concept| concept.code).collect()
}

fn codes(compose: &str) -> Vec<String> {
    codes_with(compose, &Request::default())
}

fn filtered(filter: &str) -> Vec<String> {
    codes(&format!(r#"{{"include":[{{"system":"urn:wards","filter":[{filter}]}}]}}"#))
}

fn verdict(compose: &str, system: Option<&str>, code: &str) -> Verdict {
    let local = local();
    let code = Code { system, code, display: None };
    Terminology::new(&local).validate_code(&value_set(compose), code).expect("the value set can be read")
}

const ALL: &str = r#"{"include":[{"system":"urn:wards"}]}"#;

#[test]
fn a_whole_system_is_its_codes_in_the_order_written() {
    assert_eq!(codes(ALL), ["medical", "neuro", "stroke", "cardio", "old", "joint"]);
}

#[test]
fn filters_follow_the_hierarchy_of_nesting_and_of_properties() {
    assert_eq!(filtered(r#"{"property":"concept","op":"is-a","value":"neuro"}"#), ["neuro", "stroke", "joint"]);
    assert_eq!(filtered(r#"{"property":"concept","op":"descendent-of","value":"cardio"}"#), ["joint"]);
    assert_eq!(filtered(r#"{"property":"concept","op":"is-not-a","value":"medical"}"#), ["old"]);
    assert_eq!(
        filtered(r#"{"property":"concept","op":"generalizes","value":"stroke"}"#),
        ["medical", "neuro", "stroke"]
    );
}

#[test]
fn filters_compare_codes_and_properties() {
    assert_eq!(filtered(r#"{"property":"beds","op":"=","value":"20"}"#), ["cardio"]);
    assert_eq!(filtered(r#"{"property":"beds","op":"exists","value":"true"}"#), ["cardio"]);
    assert_eq!(filtered(r#"{"property":"code","op":"regex","value":".*o"}"#), ["neuro", "cardio"]);
    assert_eq!(filtered(r#"{"property":"code","op":"in","value":"old,joint"}"#), ["old", "joint"]);
    assert_eq!(
        filtered(
            r#"{"property":"concept","op":"is-a","value":"neuro"},{"property":"code","op":"not-in","value":"joint"}"#
        ),
        ["neuro", "stroke"]
    );
}

#[test]
fn what_is_excluded_is_gone_and_what_repeats_stands_once() {
    assert_eq!(
        codes(
            r#"{"include":[{"system":"urn:wards"},{"system":"urn:wards","concept":[{"code":"old"}]}],
            "exclude":[{"valueSet":["urn:brain"]}]}"#
        ),
        ["medical", "cardio", "old"]
    );
}

#[test]
fn a_system_and_a_value_set_in_one_include_are_their_intersection() {
    let compose =
        r#"{"include":[{"system":"urn:wards","concept":[{"code":"stroke"},{"code":"old"}],"valueSet":["urn:brain"]}]}"#;
    assert_eq!(codes(compose), ["stroke"]);
    assert!(matches!(verdict(compose, Some("urn:wards"), "stroke"), Verdict::Member { .. }));
    assert_eq!(verdict(compose, Some("urn:wards"), "old"), Verdict::NotMember);
}

#[test]
fn words_language_and_pages_narrow_what_is_given() {
    assert_eq!(codes_with(ALL, &Request { filter: Some("stroke HEART"), ..Request::default() }), ["joint"]);
    assert_eq!(codes_with(ALL, &Request { offset: 1, count: Some(2), ..Request::default() }), ["neuro", "stroke"]);
    assert!(!codes_with(ALL, &Request { active_only: true, ..Request::default() }).contains(&"old".to_owned()));
    let local = local();
    let request = Request { language: Some("zh"), ..Request::default() };
    let expansion = Terminology::new(&local).expand(&value_set(ALL), &request).expect("the value set expands");
    assert_eq!(expansion.concepts[1].display.as_deref(), Some("神经内科"));
    assert_eq!(expansion.concepts[2].display.as_deref(), Some("Stroke unit"));
    assert!(expansion.concepts[0].is_abstract);
}

#[test]
fn value_sets_that_include_each_other_are_refused() {
    let local = local();
    let terminology = Terminology::new(&local);
    let set = terminology.value_set("urn:a").expect("it is there");
    let error = terminology.expand(&set, &Request::default()).expect_err("it never ends");
    assert_eq!(error.category(), Category::Unprocessable);
    let code = Code { system: None, code: "x", display: None };
    assert!(terminology.validate_code(&set, code).is_err());
}

#[test]
fn an_expansion_beyond_the_bound_is_too_costly() {
    let local = local();
    let request = Request { most: 3, ..Request::default() };
    let error = Terminology::new(&local).expand(&value_set(ALL), &request).expect_err("it is too large");
    assert_eq!(error.issues()[0].code, IssueCode::TooCostly);
}

#[test]
fn a_system_whose_codes_are_kept_elsewhere_is_never_taken_as_a_no() {
    let compose = r#"{"include":[{"system":"urn:elsewhere"},{"system":"http://loinc.org"},{"system":"urn:wards"}]}"#;
    assert_eq!(verdict(compose, Some("urn:elsewhere"), "x"), Verdict::Unknown("urn:elsewhere".to_owned()));
    assert_eq!(verdict(compose, Some("http://loinc.org"), "x"), Verdict::Unknown("http://loinc.org".to_owned()));
    assert_eq!(verdict(compose, Some("urn:other"), "x"), Verdict::NotMember);
    assert!(matches!(verdict(compose, Some("urn:wards"), "old"), Verdict::Member { .. }));
    let local = local();
    let error =
        Terminology::new(&local).expand(&value_set(compose), &Request::default()).expect_err("codes are missing");
    assert_eq!(error.category(), Category::NotFound);
}

#[test]
fn an_official_value_set_expands_to_its_codes_in_chinese_too() {
    let terminology = Terminology::new(&Official);
    let set = terminology.value_set("http://hl7.org/fhir/ValueSet/units-of-time|4.0.1").expect("it is official");
    let request = Request { language: Some("zh-CN"), ..Request::default() };
    let expansion = terminology.expand(&set, &request).expect("it expands");
    let shown: Vec<_> = expansion.concepts.iter().map(|concept| (&*concept.code, concept.display.as_deref())).collect();
    assert_eq!(shown[..2], [("s", Some("秒")), ("min", Some("分钟"))]);
    let expanded = expansion.to_value_set(&set, &request, "2026-03-01", "urn:x");
    assert_eq!(expanded["expansion"]["contains"][1]["code"].as_str(), Some("min"));
    assert!(expanded.get("compose").is_none());
}

#[test]
fn a_display_that_the_system_does_not_know_is_told() {
    let terminology = Terminology::new(&Official);
    let check = |display| {
        let code = Code { system: Some("http://hl7.org/fhir/administrative-gender"), code: "male", display };
        terminology.validate_in_system(code).expect("the system is official")
    };
    assert!(matches!(check(Some("MALE")), Verdict::Member { display_fits: true, .. }));
    assert!(matches!(check(Some("Female")), Verdict::Member { display_fits: false, .. }));
}

#[test]
fn a_lookup_tells_what_is_above_and_below() {
    let local = local();
    let terminology = Terminology::new(&local);
    let found =
        terminology.lookup("urn:wards", "neuro", Some("zh")).expect("the system is there").expect("the code is there");
    assert_eq!(found.display.as_deref(), Some("神经内科"));
    assert_eq!((found.parents, found.children), (vec!["medical".to_owned()], vec!["stroke".to_owned()]));
    assert!(terminology.lookup("urn:wards", "nothing", None).expect("the system is there").is_none());
    assert!(terminology.lookup("urn:nothing", "x", None).is_err());
}

#[test]
fn subsumption_follows_the_hierarchy_both_ways() {
    let local = local();
    let terminology = Terminology::new(&local);
    let stand = |left, right| terminology.subsumes("urn:wards", left, right).expect("both codes are there");
    assert_eq!(stand("medical", "joint"), Subsumption::Subsumes);
    assert_eq!(stand("joint", "medical"), Subsumption::SubsumedBy);
    assert_eq!(stand("old", "old"), Subsumption::Equivalent);
    assert_eq!(stand("old", "joint"), Subsumption::NotSubsumed);
    assert!(terminology.subsumes("urn:wards", "old", "nothing").is_err());
}

#[test]
fn a_map_translates_both_ways_and_says_when_there_is_nothing() {
    let map = json::parse(
        br#"{"resourceType":"ConceptMap","url":"urn:map","group":[{"source":"urn:wards","target":"urn:gb","element":[
        {"code":"neuro","target":[{"code":"03.04","equivalence":"wider"}]},{"code":"old","target":[{"equivalence":"unmatched"}]}],
        "unmapped":{"mode":"fixed","code":"99"}}]}"#,
    )
    .expect("the case is JSON");
    let of = |system, code, reverse| {
        Translation::new(&map, Code { system: Some(system), code, display: None }, None, reverse)
    };
    let neuro = of("urn:wards", "neuro", false);
    assert!(neuro.succeeds() && neuro.matches[0].code.as_deref() == Some("03.04"));
    assert!(!of("urn:wards", "old", false).succeeds());
    assert_eq!(of("urn:wards", "cardio", false).matches[0].code.as_deref(), Some("99"));
    assert!(of("urn:other", "neuro", false).matches.is_empty());
    let back = of("urn:gb", "03.04", true);
    assert_eq!((back.matches[0].code.as_deref(), back.matches[0].equivalence.as_str()), (Some("neuro"), "narrower"));
}

#[test]
fn every_official_value_set_expands_or_says_what_it_lacks() {
    let terminology = Terminology::new(&Official);
    let (mut whole, mut lacking) = (0, 0);
    for url in r4().library("ValueSet") {
        let set = terminology.value_set(url).expect("a listed value set is there");
        match terminology.expand(&set, &Request::default()) {
            Ok(_) => whole += 1,
            Err(error) => {
                assert!(matches!(error.category(), Category::NotFound), "{url}: {error}");
                lacking += 1;
            }
        }
    }
    assert!(whole > 1_000 && lacking > 50, "{whole} expand, {lacking} do not");
}

#[test]
fn a_code_carries_its_score_into_the_expansion() {
    let scored = r#"{"resourceType":"CodeSystem","url":"urn:arm","content":"complete","concept":[
        {"code":"drifts","display":"Drifts","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":1.50}]},
        {"code":"UN","display":"Untestable"}]}"#;
    let local = Local(vec![("arm", scored)]);
    let all = value_set(r#"{"include":[{"system":"urn:arm"}]}"#);
    let expansion = Terminology::new(&local).expand(&all, &Request::default()).expect("the value set expands");
    let expanded = expansion.to_value_set(&all, &Request::default(), "2026-01-01T00:00:00Z", "urn:one");
    let contains = &expanded["expansion"]["contains"];
    assert_eq!(contains[0]["extension"][0]["valueDecimal"].to_string(), "1.50");
    assert!(contains[1].get("extension").is_none());
}
