use super::{Options, Validator};
use crate::definitions::r4;
use crate::json;

/// `place: text` of everything found, one a line.
fn findings(text: &str) -> Vec<String> {
    let validator = Validator::new(r4(), Options::default());
    let resource = json::parse(text.as_bytes()).expect("the case is JSON");
    let line = |issue: crate::Issue| format!("{}: {}", issue.expression.unwrap_or_default(), issue.text);
    validator.check(&resource).into_iter().map(line).collect()
}

fn valid(text: &str) {
    assert_eq!(findings(text), Vec::<String>::new(), "{text}");
}

/// Exactly one finding, which begins with the place.
fn wrong(text: &str, place: &str) {
    let found = findings(text);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}:")), "{text}\n{found:#?}");
}

fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{members}}}"#)
}

#[test]
fn a_whole_patient_is_valid() {
    valid(&patient(
        r#""id":"p1","meta":{"versionId":"1"},"text":{"status":"generated","div":"<div>x</div>"},"active":true,
        "name":[{"use":"official","family":"Zhang","given":["San",null],"_given":[null,{"extension":[{"url":"http://example.org/x","valueCode":"a"}]}]}],
        "birthDate":"1970-03-30","_birthDate":{"id":"b"},"multipleBirthInteger":2,
        "contact":[{"name":{"text":"Li"}}],"managingOrganization":{"reference":"Organization/1"}"#,
    ));
}

#[test]
fn an_element_the_type_lacks_is_refused_at_its_place() {
    wrong(&patient(r#""nickname":"x""#), "Patient.nickname");
    wrong(&patient(r#""name":[{"text":"x"},{"text":"y","first":"z"}]"#), "Patient.name[1].first");
    wrong(&patient(r#""_name":{"id":"a"}"#), "Patient._name");
    wrong(&patient(r#""name":[{"resourceType":"HumanName","text":"x"}]"#), "Patient.name[0].resourceType");
}

#[test]
fn the_name_of_an_unknown_element_is_said_only_when_it_is_a_name() {
    let found = findings(&patient(r#""Zhang San, 13800000000":1"#));
    assert!(found.len() == 1 && !found[0].contains("Zhang"), "{found:?}");
}

#[test]
fn arrays_and_single_values_may_not_be_exchanged() {
    wrong(&patient(r#""name":{"text":"x"}"#), "Patient.name");
    wrong(&patient(r#""gender":["male"]"#), "Patient.gender");
    wrong(&patient(r#""name":[]"#), "Patient.name");
    wrong(&patient(r#""name":["x"]"#), "Patient.name[0]");
    wrong(&patient(r#""active":"true""#), "Patient.active");
    wrong(&patient(r#""birthDate":null"#), "Patient.birthDate");
}

#[test]
fn a_null_stands_only_for_a_value_that_has_extensions() {
    wrong(&patient(r#""name":[{"given":["a",null]}]"#), "Patient.name[0].given[1]");
    wrong(
        &patient(
            r#""name":[{"given":["a"],"_given":[null,{"extension":[{"url":"http://example.org/x","valueCode":"a"}]}]}]"#,
        ),
        "Patient.name[0].given",
    );
    wrong(&patient(r#""name":[{"_given":[null]}]"#), "Patient.name[0].given[0]");
}

#[test]
fn a_choice_has_one_type() {
    wrong(&patient(r#""multipleBirthInteger":1,"multipleBirthBoolean":true"#), "Patient.multipleBirth");
    wrong(&patient(r#""multipleBirthInteger":1,"_multipleBirthBoolean":{"id":"x"}"#), "Patient.multipleBirth");
    valid(&patient(r#""multipleBirthInteger":1,"_multipleBirthInteger":{"id":"x"}"#));
}

#[test]
fn what_is_required_must_be_there() {
    let found = findings(r#"{"resourceType":"Observation"}"#);
    let places: Vec<_> = found.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(places, ["Observation.status", "Observation.code"]);
    valid(
        r#"{"resourceType":"Observation","_status":{"extension":[{"url":"http://example.org/x","valueCode":"a"}]},"code":{"text":"x"}}"#,
    );
}

#[test]
fn an_element_must_have_more_than_an_id() {
    wrong(&patient(r#""contact":[{"id":"a"}]"#), "Patient.contact[0]");
    wrong(&patient(r#""name":[{}]"#), "Patient.name[0]");
    wrong(&patient(r#""_birthDate":{"id":"a"}"#), "Patient.birthDate");
}

#[test]
fn an_extension_has_a_url_and_either_a_value_or_extensions() {
    wrong(&patient(r#""extension":[{"valueCode":"a"}]"#), "Patient.extension[0].url");
    wrong(&patient(r#""extension":[{"url":"relative","valueCode":"a"}]"#), "Patient.extension[0].url");
    wrong(&patient(r#""extension":[{"url":"http://example.org/x"}]"#), "Patient.extension[0]");
    valid(&patient(r#""extension":[{"url":"http://example.org/x","extension":[{"url":"part","valueCode":"a"}]}]"#));
    wrong(
        &patient(
            r#""extension":[{"url":"http://example.org/x","valueCode":"b","extension":[{"url":"part","valueCode":"a"}]}]"#,
        ),
        "Patient.extension[0]",
    );
}

#[test]
fn a_reference_points_at_a_type_its_element_allows() {
    let place = "Patient.managingOrganization.reference";
    let to = |target: &str| patient(&format!(r#""managingOrganization":{{"reference":"{target}"}}"#));
    for target in [
        "Organization/1",
        "Organization/1/_history/2",
        "http://example.org/fhir/Organization/1",
        "urn:uuid:x",
        "Organization?identifier=a|b",
        "http://example.org/a",
    ] {
        valid(&to(target));
    }
    for target in ["Patient/1", "Nothing/1", "http://example.org/fhir/Patient/1", "#nobody", "Organization/ 1"] {
        wrong(&to(target), place);
    }
}

#[test]
fn a_contained_resource_is_checked_where_it_stands_and_shares_its_containers_references() {
    let contained = |body: &str| {
        patient(&format!(
            r##""contained":[{{"resourceType":"Organization","id":"o"{body}}}],"managingOrganization":{{"reference":"#o"}}"##
        ))
    };
    valid(&contained(r##","name":"x","partOf":{"reference":"#o"}"##));
    wrong(&contained(r#","nickname":"x""#), "Patient.contained[0].nickname");
    wrong(&contained(r##","name":"x","partOf":{"reference":"#p"}"##), "Patient.contained[0].partOf.reference");
}

#[test]
fn a_resource_says_its_type_wherever_it_stands() {
    wrong(r#"{"id":"x"}"#, "Resource");
    wrong(r#"{"resourceType":"DomainResource"}"#, "Resource");
    wrong(r#"["x"]"#, "Resource");
    wrong(
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"x"}}]}"#,
        "Bundle.entry[0].resource",
    );
}

#[test]
fn the_walk_ends_when_it_has_found_enough() {
    let names = vec![r#"{"a":1}"#; 500].join(",");
    assert_eq!(findings(&patient(&format!(r#""name":[{names}]"#))).len(), 100);
}

#[test]
fn a_code_outside_the_value_set_its_element_requires_is_refused() {
    wrong(&patient(r#""gender":"robot""#), "Patient.gender");
    let allergy = |system: &str| {
        format!(
            r#"{{"resourceType":"AllergyIntolerance","patient":{{"reference":"Patient/1"}},
            "clinicalStatus":{{"coding":[{{"system":"{system}","code":"active"}}]}}}}"#
        )
    };
    valid(&allergy("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"));
    wrong(&allergy("http://example.org/status"), "AllergyIntolerance.clinicalStatus");
}

#[test]
fn a_value_set_whose_codes_are_kept_elsewhere_refuses_nothing() {
    valid(r#"{"resourceType":"Binary","contentType":"application/x-anything"}"#);
    valid(&patient(r#""communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"zh-CN"}]}}]"#));
}

#[test]
fn a_code_outside_an_extensible_set_is_only_advice() {
    let text = patient(r#""maritalStatus":{"coding":[{"system":"http://example.org/x","code":"y"}]}"#);
    valid(&text);
    let options = Options { advice: true, ..Options::default() };
    let found = Validator::new(r4(), options).check(&json::parse(text.as_bytes()).expect("the case is JSON"));
    let advice = found.iter().find(|issue| issue.expression.as_deref() == Some("Patient.maritalStatus"));
    assert_eq!(advice.map(|issue| issue.severity), Some(crate::error::Severity::Warning), "{found:?}");
}

#[test]
fn a_rule_is_judged_by_its_expression() {
    wrong(&patient(r#""contact":[{"gender":"male"}]"#), "Patient.contact[0]");
    wrong(&patient(r#""name":[{"period":{"start":"2026-02","end":"2026-01"}}]"#), "Patient.name[0].period");
    wrong(
        &patient(r#""name":[{"period":{"start":"2026-01-01T08:00:00+08:00","end":"2025-12-31T23:00:00Z"}}]"#),
        "Patient.name[0].period",
    );
    valid(&patient(r#""name":[{"period":{"start":"2026-01-01T08:00:00+08:00","end":"2026-01-01T00:00:00Z"}}]"#));
    wrong(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"x","dataAbsentReason":{"text":"y"}}"#,
        "Observation",
    );
    wrong(
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:x","code":"a"}]},"valueString":"x",
        "component":[{"code":{"coding":[{"system":"urn:x","code":"a"}]},"valueString":"y"}]}"#,
        "Observation",
    );
    wrong(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"referenceRange":[{"low":{"value":2},"high":{"value":1}},
        {"low":{"value":1,"comparator":"<"}}]}"#,
        "Observation.referenceRange[1].low",
    );
    wrong(
        r#"{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"outcome":{"text":"x"},"probabilityDecimal":100.5}]}"#,
        "RiskAssessment.prediction[0]",
    );
}

#[test]
fn rules_are_not_judged_on_what_is_malformed() {
    wrong(&patient(r#""contact":[{"sex":"male"}]"#), "Patient.contact[0].sex");
}

#[test]
fn a_contained_resource_obeys_its_own_rules() {
    let with = |members: &str, reference: &str| {
        patient(&format!(
            r##""contained":[{{"resourceType":"Organization","id":"o","name":"x"{members}}}],"managingOrganization":{{"reference":"{reference}"}}"##
        ))
    };
    valid(&with("", "#o"));
    wrong(&with("", "Organization/1"), "Patient.contained[0]");
    wrong(&with(r#","meta":{"versionId":"1"}"#, "#o"), "Patient.contained[0]");
    wrong(&with(r#","meta":{"security":[{"code":"R"}]}"#, "#o"), "Patient.contained[0]");
    wrong(
        &with(r##","contained":[{"resourceType":"Organization","name":"y","partOf":{"reference":"#"}}]"##, "#o"),
        "Patient.contained[0]",
    );
}

#[test]
fn a_best_practice_is_advice() {
    let options = Options { advice: true, ..Options::default() };
    let resource = json::parse(patient(r#""active":true"#).as_bytes()).expect("the case is JSON");
    let found = Validator::new(r4(), options).check(&resource);
    assert!(found.len() == 1 && found[0].severity == crate::error::Severity::Warning, "{found:?}");
}

#[test]
fn without_invariants_only_structure_is_judged() {
    let options = Options { invariants: false, ..Options::default() };
    let resource = json::parse(patient(r#""contact":[{"gender":"male"}]"#).as_bytes()).expect("the case is JSON");
    assert_eq!(Validator::new(r4(), options).check(&resource), []);
}

#[test]
fn an_official_extension_that_does_not_exist_is_advised_against() {
    let options = Options { advice: true, ..Options::default() };
    let advice = |name: &str| {
        let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
        let text = patient(&format!(
            r#""text":{{"status":"generated","div":"<div>x</div>"}},"extension":[{{"url":"{url}","valueString":"x"}}]"#
        ));
        Validator::new(r4(), options).check(&json::parse(text.as_bytes()).expect("the case is JSON"))
    };
    assert_eq!(advice("patient-birthPlace"), []);
    let found = advice("patient-shoeSize");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].expression.as_deref(), Some("Patient.extension[0].url"));
}
