use std::sync::LazyLock;

use super::*;
use crate::Value;
use crate::definitions::{ParamKind, r4};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::base(jiff::tz::offset(8)));

fn json(text: &str) -> Value {
    crate::json::parse(text.as_bytes()).unwrap()
}

fn shown(entry: &Entry<'_>) -> String {
    let day = |micros: i64| match micros {
        i64::MIN | i64::MAX => "…".to_owned(),
        other => jiff::Timestamp::from_microsecond(other).unwrap().to_string(),
    };
    let text = match &entry.value {
        IndexValue::Token { system: Some(system), code } => format!("{system}|{code}"),
        IndexValue::Token { system: None, code } => code.to_string(),
        IndexValue::Reference { target } => target.to_string(),
        IndexValue::Text { folded, exact } => format!("{folded} ({exact})"),
        IndexValue::Date { lo, hi } => format!("{} to {}", day(*lo), day(*hi)),
        IndexValue::Number { lo, hi } => format!("{lo} to {hi}"),
        IndexValue::Quantity { lo, hi, system, code } => {
            let [system, code] = [system, code].map(|part| part.as_deref().unwrap_or_default());
            format!("{lo} to {hi} {system}|{code}")
        }
    };
    if entry.group == 0 { text } else { format!("#{} {text}", entry.group) }
}

fn rows_in(registry: &Registry, resource: &str, code: &str) -> Vec<String> {
    let resource = json(resource);
    let resource_type = sonic_rs::JsonValueTrait::as_str(&resource["resourceType"]).unwrap().to_owned();
    let param = registry.param(&resource_type, code).unwrap_or_else(|| panic!("{resource_type} has no {code}")).id;
    registry.extract(&resource).iter().filter(|entry| entry.param == param).map(shown).collect()
}

fn rows(resource: &str, code: &str) -> Vec<String> {
    rows_in(&REGISTRY, resource, code)
}

#[test]
fn tokens_come_with_their_systems() {
    let resource = r#"{"resourceType":"Observation","status":"final","meta":{"tag":[{"code":"t"}],
        "profile":["http://a/p|1.0"]},
        "identifier":[{"system":"urn:x","value":"7"},{"value":"8","type":{"coding":[{"system":"urn:t","code":"MR"}]}}],
        "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"},{"code":"bp"},{"display":"no code"}]}}"#;
    assert_eq!(rows(resource, "code"), ["http://loinc.org|8480-6", "bp"]);
    assert_eq!(rows(resource, "identifier"), ["urn:x|7", "8"]);
    assert_eq!(rows(resource, "identifier:of-type"), ["urn:t|MR|8"]);
    assert_eq!(rows(resource, "status"), ["http://hl7.org/fhir/observation-status|final"]);
    assert_eq!(rows(resource, "_tag"), ["t"]);
    assert_eq!(rows(resource, "_profile"), ["http://a/p", "http://a/p|1.0"]);
}

#[test]
fn a_patient_is_alive_unless_the_record_says_otherwise() {
    let deceased = |member: &str| rows(&format!(r#"{{"resourceType":"Patient"{member}}}"#), "deceased");
    assert_eq!(deceased(""), ["false"]);
    assert_eq!(deceased(r#","deceasedBoolean":false"#), ["false"]);
    assert_eq!(deceased(r#","deceasedBoolean":true"#), ["true"]);
    assert_eq!(deceased(r#","deceasedDateTime":"2020""#), ["true"]);
}

#[test]
fn references_keep_their_target_and_lose_their_version() {
    let resource = r##"{"resourceType":"Observation","subject":{"reference":"Patient/1/_history/2"},
        "performer":[{"reference":"#p"},{"reference":"http://h/fhir/Practitioner/9"},
                     {"identifier":{"system":"urn:x","value":"5"}}],
        "focus":[{"reference":"urn:uuid:1"},{"reference":"Patient/1"},{"reference":"Patient/1"}]}"##;
    assert_eq!(rows(resource, "subject"), ["Patient/1"]);
    assert_eq!(rows(resource, "patient"), ["Patient/1"]);
    assert_eq!(rows(resource, "performer"), ["http://h/fhir/Practitioner/9"]);
    assert_eq!(rows(resource, "performer:identifier"), ["urn:x|5"]);
    assert_eq!(rows(resource, "focus"), ["urn:uuid:1", "Patient/1"]);
    let of_group = r#"{"resourceType":"Observation","subject":{"reference":"Group/1"}}"#;
    assert_eq!(rows(of_group, "patient"), Vec::<String>::new());
    let stated = r#"{"resourceType":"Observation","subject":{"type":"Patient","reference":"urn:uuid:2"}}"#;
    assert_eq!(rows(stated, "patient"), ["urn:uuid:2"]);
}

#[test]
fn canonical_references_are_found_with_and_without_version() {
    let resource = r#"{"resourceType":"QuestionnaireResponse","questionnaire":"http://a/q|2"}"#;
    assert_eq!(rows(resource, "questionnaire"), ["http://a/q", "http://a/q|2"]);
    assert!(REGISTRY.param("QuestionnaireResponse", "questionnaire").unwrap().canonical);
}

#[test]
fn names_and_addresses_are_found_by_each_of_their_parts() {
    let resource = r#"{"resourceType":"Patient","name":[{"family":"Müller","given":["Anna","Maria"]}],
        "address":[{"line":["1 Main St"],"city":"ＢＥＩＪＩＮＧ","country":"CN"}]}"#;
    assert_eq!(rows(resource, "name"), ["muller (Müller)", "anna (Anna)", "maria (Maria)"]);
    assert_eq!(rows(resource, "given"), ["anna (Anna)", "maria (Maria)"]);
    assert_eq!(rows(resource, "address"), ["1 main st (1 Main St)", "beijing (ＢＥＩＪＩＮＧ)", "cn (CN)"]);
    assert_eq!(rows(resource, "address-city"), ["beijing (ＢＥＩＪＩＮＧ)"]);
}

#[test]
fn a_chinese_name_is_also_found_by_its_sound_and_once() {
    let resource = r#"{"resourceType":"Patient","name":[{"text":"欧阳修","family":"欧阳","given":["修"]}]}"#;
    let name = rows(resource, "name");
    for row in ["欧阳修 (欧阳修)", "欧阳 (欧阳)", "ouyangxiu ()", "oyx ()", "xiu ()"] {
        assert_eq!(name.iter().filter(|found| **found == row).count(), 1, "{row} in {name:?}");
    }
    assert!(!name.contains(&"欧阳修 ()".to_owned()) && !name.contains(&"欧阳 ()".to_owned()), "{name:?}");
    assert_eq!(rows(resource, "family"), ["ouyang ()", "欧阳 (欧阳)"]);
    assert_eq!(rows(resource, "phonetic"), ["欧阳修 (欧阳修)", "欧阳 (欧阳)", "修 (修)"]);
    assert!(REGISTRY.param("Practitioner", "name").unwrap().of_names);
    assert!(!REGISTRY.param("Patient", "address").unwrap().of_names);
}

#[test]
fn dates_of_all_shapes_become_spans() {
    let period = |text: &str| rows(&format!(r#"{{"resourceType":"Encounter","period":{text}}}"#), "date");
    assert_eq!(period(r#"{"start":"2026-03-01T08:00:00Z"}"#), ["2026-03-01T08:00:00Z to …"]);
    assert_eq!(period(r#"{"end":"2026-03-01"}"#), ["… to 2026-03-01T16:00:00Z"]);
    assert_eq!(period("{}"), Vec::<String>::new());
    let timing = r#"{"resourceType":"ServiceRequest","occurrenceTiming":
        {"event":["2026-01-05T00:00:00Z","2026-01-02T00:00:00Z"],"repeat":{"boundsPeriod":{"start":"2026-01-01T00:00:00Z","end":"2026-01-03T00:00:00Z"}}}}"#;
    assert_eq!(rows(timing, "occurrence"), ["2026-01-01T00:00:00Z to 2026-01-05T00:00:01Z"]);
    assert_eq!(
        rows(r#"{"resourceType":"Patient","birthDate":"1980-05"}"#, "birthdate"),
        ["1980-04-30T16:00:00Z to 1980-05-31T16:00:00Z"]
    );
}

#[test]
fn numbers_and_quantities_keep_units_and_open_sides() {
    let quantity =
        |text: &str| rows(&format!(r#"{{"resourceType":"Observation","valueQuantity":{text}}}"#), "value-quantity");
    assert_eq!(
        quantity(r#"{"value":5.40,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}"#),
        ["5.4 to 5.4 http://unitsofmeasure.org|mg"]
    );
    assert_eq!(quantity(r#"{"value":1.20E-3,"comparator":"<","unit":"g"}"#), [format!("{} to 0.0012 |g", f64::MIN)]);
    assert_eq!(quantity(r#"{"unit":"mg"}"#), Vec::<String>::new());
    let onset =
        r#"{"resourceType":"Condition","onsetRange":{"low":{"value":40,"unit":"a"},"high":{"value":50,"unit":"a"}}}"#;
    assert_eq!(rows(onset, "onset-age"), ["40 to 50 |a"]);
    let risk = r#"{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":0.25},{"probabilityRange":{"low":{"value":1}}}]}"#;
    assert_eq!(rows(risk, "probability"), ["0.25 to 0.25".to_owned(), format!("1 to {}", f64::MAX)]);
    let account = r#"{"resourceType":"Invoice","totalNet":{"value":100,"currency":"CNY"}}"#;
    assert_eq!(rows(account, "totalnet"), ["100 to 100 urn:iso:std:iso:4217|CNY"]);
}

#[test]
fn components_of_composites_share_the_group_of_their_base_element() {
    let resource = r#"{"resourceType":"Observation","code":{"coding":[{"code":"bp"}]},"component":[
        {"code":{"coding":[{"code":"sys"},{"code":"s"}]},"valueQuantity":{"value":120}},
        {"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80}}]}"#;
    assert_eq!(rows(resource, "component-code"), ["#1 sys", "#1 s", "#2 dia"]);
    assert_eq!(rows(resource, "combo-code"), ["bp", "#1 sys", "#1 s", "#2 dia"]);
    assert_eq!(rows(resource, "component-value-quantity"), ["#1 120 to 120 |", "#2 80 to 80 |"]);
    assert_eq!(rows(resource, "code"), ["bp"]);
    let composite = REGISTRY.param("Observation", "component-code-value-quantity").unwrap();
    let codes: Vec<&str> = composite.components.iter().map(|part| &*REGISTRY.at(part.param).code).collect();
    assert_eq!(codes, ["component-code", "component-value-quantity"]);
}

#[test]
fn a_component_that_finds_less_than_its_parameter_has_rows_of_its_own() {
    let resource = r#"{"resourceType":"Observation","valueCodeableConcept":{"text":"red"}}"#;
    assert_eq!(rows(resource, "value-string"), ["red (red)"]);
    let composite = REGISTRY.param("Observation", "code-value-string").unwrap();
    let value = REGISTRY.at(composite.components[1].param);
    assert!(!value.is_public() && rows(resource, &value.code).is_empty());
}

#[test]
fn a_component_outside_the_base_element_fits_every_group() {
    let composite = REGISTRY.param("MolecularSequence", "chromosome-variant-coordinate").unwrap();
    assert_eq!(composite.components.iter().map(|part| part.across).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn every_composite_of_every_type_has_its_components() {
    let composites: Vec<_> = REGISTRY.all().iter().filter(|param| param.kind == ParamKind::Composite).collect();
    assert!(composites.len() > 60, "{}", composites.len());
    for param in composites {
        assert!(param.components.len() >= 2, "{}.{}", param.type_name, param.code);
        assert!(param.components.iter().all(|part| REGISTRY.at(part.param).type_name == param.type_name));
    }
}

#[test]
fn every_official_parameter_with_an_expression_is_known_on_its_types() {
    for parameter in r4().search_parameters().iter().filter(|parameter| parameter.expression.is_some()) {
        for base in parameter.bases.iter().filter(|base| r4().is_resource(base)) {
            assert!(REGISTRY.param(base, parameter.code).is_some(), "{base}.{}", parameter.code);
        }
    }
    assert!(REGISTRY.param("Patient", "_profile").is_some() && REGISTRY.param("Patient", "near").is_none());
}

#[test]
fn ids_are_positions_in_the_registry() {
    assert!(REGISTRY.all().iter().enumerate().all(|(at, param)| param.id.index() == at));
}

#[test]
fn a_type_has_a_home_when_it_belongs_to_one_patient() {
    let home = |name: &str| REGISTRY.home(name).map(|param| param.code.to_string());
    for name in ["Observation", "Encounter", "Condition", "MedicationRequest", "Claim", "Immunization", "RelatedPerson"]
    {
        assert_eq!(home(name).as_deref(), Some("patient"), "{name}");
    }
    for name in ["Patient", "Practitioner", "Organization", "Group", "ValueSet", "Appointment", "Provenance"] {
        assert_eq!(home(name), None, "{name}");
    }
    // Whatever the compartment names but has no home may belong to several patients.
    for name in r4().resource_types().iter().filter(|name| home(name).is_some()) {
        assert!(REGISTRY.home(name).unwrap().single, "{name}");
    }
}

#[test]
fn parameters_on_the_same_element_lead_to_the_same_home() {
    let leads = |code: &str| REGISTRY.leads_home(REGISTRY.param("Observation", code).unwrap().id);
    assert!(leads("patient") && leads("subject"));
    assert!(!leads("performer") && !leads("subject:identifier") && !leads("code"));
}

#[test]
fn a_parameter_on_patients_points_at_patients_only() {
    assert_eq!(REGISTRY.param("Observation", "patient").unwrap().targets, ["Patient"]);
    assert!(REGISTRY.param("Observation", "subject").unwrap().targets.len() > 1);
}

const CUSTOM: &str = r#"{"resourceType":"SearchParameter","url":"http://a/sp","code":"ward","base":["Encounter"],
    "type":"token","expression":"Encounter.extension('http://a/ward')"}"#;

#[test]
fn a_parameter_added_at_run_time_finds_its_values_and_moves_no_other() {
    let registry = REGISTRY.with_custom(&[json(CUSTOM)]).unwrap();
    let resource = r#"{"resourceType":"Encounter","extension":[{"url":"http://a/ward","valueCoding":{"system":"urn:w","code":"3"}},
        {"url":"http://a/other","valueCode":"4"}]}"#;
    assert_eq!(rows_in(&registry, resource, "ward"), ["urn:w|3"]);
    for param in REGISTRY.all() {
        assert_eq!(registry.at(param.id).code, param.code);
    }
}

#[test]
fn a_parameter_may_compute_its_values() {
    let find = |kind: &str, expression: &str| {
        let text = CUSTOM
            .replace("\"token\"", &format!("\"{kind}\""))
            .replace("Encounter.extension('http://a/ward')", expression);
        let registry = REGISTRY.with_custom(&[json(&text)]).unwrap();
        let resource = r#"{"resourceType":"Encounter","status":"finished","length":{"value":90},
            "period":{"start":"2026-03-01T08:00:00+08:00","end":"2026-03-01T10:00:00+08:00"}}"#;
        rows_in(&registry, resource, "ward")
    };
    assert_eq!(find("token", "Encounter.status.select($this)"), ["finished"]);
    assert_eq!(find("token", "(Encounter.length.value > 60).toString()"), ["true"]);
    assert_eq!(find("string", "Encounter.status & '!'"), ["finished! (finished!)"]);
    assert_eq!(find("number", "Encounter.length.value * 2"), ["180 to 180"]);
    assert_eq!(find("date", "Encounter.period.end.select($this)"), ["2026-03-01T02:00:00Z to 2026-03-01T02:00:01Z"]);
    assert_eq!(find("quantity", "Encounter.length.where(value > 60)"), ["90 to 90 |"]);
}

#[test]
fn a_parameter_that_cannot_be_used_is_refused_with_its_element() {
    let refusal = |from: &str, to: &str| {
        let text = CUSTOM.replace(from, to);
        assert_ne!(text, CUSTOM);
        REGISTRY.with_custom(&[json(&text)]).expect_err("must be refused").to_string()
    };
    assert!(
        refusal("Encounter.extension('http://a/ward')", "Encounter.period.start.colour(")
            .starts_with("SearchParameter.expression:")
    );
    assert!(
        refusal("Encounter.extension('http://a/ward')", "Encounter.period").starts_with("SearchParameter.expression:")
    );
    assert!(refusal("[\"Encounter\"]", "[\"Visit\"]").starts_with("SearchParameter.base:"));
    assert!(refusal("\"ward\"", "\"status\"").starts_with("SearchParameter.code:"));
    assert!(refusal("\"ward\"", "\"a:b\"").starts_with("SearchParameter.code:"));
    assert!(refusal("\"token\"", "\"colour\"").starts_with("SearchParameter.type:"));
}

#[test]
fn many_equal_values_make_one_row() {
    let codes = r#"{"code":"a"},"#.repeat(200) + r#"{"code":"b"}"#;
    let resource = format!(r#"{{"resourceType":"Observation","code":{{"coding":[{codes}]}}}}"#);
    assert_eq!(rows(&resource, "code"), ["a", "b"]);
}

#[test]
fn values_of_the_wrong_shape_are_passed_over() {
    let resource = r#"{"resourceType":"Patient","name":"x","birthDate":7,"active":"yes","telecom":{"value":null},
        "gender":["male"],"identifier":[null,{"value":""}],"meta":[],"managingOrganization":"Organization/1"}"#;
    let found = json(resource);
    let rows: Vec<_> = REGISTRY.extract(&found).iter().map(|entry| REGISTRY.at(entry.param).code.to_string()).collect();
    assert_eq!(rows, ["gender", "deceased"]);
    assert!(REGISTRY.extract(&json(r#"{"resourceType":"Nothing"}"#)).is_empty());
    assert!(REGISTRY.extract(&json("[]")).is_empty());
}
