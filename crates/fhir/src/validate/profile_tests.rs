use std::sync::Arc;

use super::{Options, Profiles, Validator};
use crate::definitions::r4;
use crate::error::Severity;
use crate::terminology::Source;
use crate::{Error, Value, json};

/// The resources of a region that makes its own profiles.
struct Region(Vec<Arc<Value>>);

impl Source for Region {
    fn find(&self, resource_type: &str, url: &str, _: Option<&str>) -> Result<Option<Arc<Value>>, Error> {
        let is = |value: &Value, member: &str, wanted: &str| json::text(value, member) == Some(wanted);
        Ok(self.0.iter().find(|value| is(value, "resourceType", resource_type) && is(value, "url", url)).cloned())
    }
}

fn region(resources: &[String]) -> Region {
    Region(resources.iter().map(|text| Arc::new(json::parse(text.as_bytes()).expect("the case is JSON"))).collect())
}

fn found(region: &Region, resource: &str, canonical: &str) -> Vec<String> {
    let validator = Validator::new(r4(), Options::default());
    let resource = json::parse(resource.as_bytes()).expect("the case is JSON");
    let issues =
        validator.check_against(&resource, &[canonical], &Profiles::new(), region).expect("the profile compiles");
    issues.into_iter().map(|issue| format!("{}: {}", issue.expression.unwrap_or_default(), issue.text)).collect()
}

/// A profile of `type_name` at `urn:profile`, from the elements of its differential.
fn differential(type_name: &str, elements: &str) -> Region {
    region(&[structure("urn:profile", type_name, elements)])
}

fn structure(url: &str, type_name: &str, elements: &str) -> String {
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"{url}","type":"{type_name}","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/{type_name}","differential":{{"element":[{elements}]}}}}"#
    )
}

fn conforms(region: &Region, resource: &str) {
    assert_eq!(found(region, resource, "urn:profile"), Vec::<String>::new(), "{resource}");
}

/// Exactly one finding, which begins with the place.
fn lacks(region: &Region, resource: &str, place: &str) {
    let found = found(region, resource, "urn:profile");
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}:")), "{resource}\n{found:#?}");
}

fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient"{members}}}"#)
}

fn observation(members: &str) -> String {
    format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}}{members}}}"#)
}

fn blood_pressure(systolic_code: &str) -> String {
    let component = |code: &str, value: u32| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"valueQuantity":{{"value":{value},"unit":"mmHg",
            "system":"http://unitsofmeasure.org","code":"mm[Hg]"}}}}"#
        )
    };
    format!(
        r#"{{"resourceType":"Observation","status":"final","category":[{{"coding":[{{"code":"vital-signs",
        "system":"http://terminology.hl7.org/CodeSystem/observation-category"}}]}}],"subject":{{"reference":"Patient/1"}},
        "effectiveDateTime":"2026-03-01","code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},
        "component":[{},{}]}}"#,
        component(systolic_code, 120),
        component("8462-4", 80)
    )
}

#[test]
fn an_official_profile_is_met_or_says_what_is_lacking() {
    let (none, canonical) = (region(&[]), "http://hl7.org/fhir/StructureDefinition/bp");
    assert_eq!(found(&none, &blood_pressure("8480-6"), canonical), Vec::<String>::new());
    let lacking = found(&none, &blood_pressure("1234-5"), canonical);
    assert!(
        lacking.iter().any(|line| line.contains("SystolicBP") && line.starts_with("Observation.component:")),
        "{lacking:#?}"
    );
    let lacking = found(&none, &observation(""), canonical);
    for place in ["Observation.category:", "Observation.subject:", "Observation.effective:", "Observation.component:"] {
        assert!(lacking.iter().any(|line| line.starts_with(place)), "{place} {lacking:#?}");
    }
}

#[test]
fn cardinality_is_narrowed() {
    let region = differential(
        "Patient",
        r#"{"path":"Patient.birthDate","min":1},{"path":"Patient.photo","max":"0"},{"path":"Patient.name","max":"1"}"#,
    );
    conforms(&region, &patient(r#","birthDate":"1970-01-01","name":[{"text":"x"}]"#));
    conforms(&region, &patient(r#","_birthDate":{"extension":[{"url":"urn:unknown","valueCode":"x"}]}"#));
    lacks(&region, &patient(""), "Patient.birthDate");
    lacks(&region, &patient(r#","birthDate":"1970-01-01","photo":[{"url":"urn:x"}]"#), "Patient.photo");
    lacks(&region, &patient(r#","birthDate":"1970-01-01","name":[{"text":"x"},{"text":"y"}]"#), "Patient.name");
}

#[test]
fn a_fixed_value_is_met_whole_and_a_pattern_in_part() {
    let coding = r#""coding":[{"system":"urn:x","code":"a"}]"#;
    let concept = |members: &str| format!(r#"{{"resourceType":"Observation","status":"final","code":{{{members}}}}}"#);
    let fixed =
        differential("Observation", &format!(r#"{{"path":"Observation.code","fixedCodeableConcept":{{{coding}}}}}"#));
    let pattern =
        differential("Observation", &format!(r#"{{"path":"Observation.code","patternCodeableConcept":{{{coding}}}}}"#));
    let more = concept(r#""coding":[{"code":"z"},{"system":"urn:x","code":"a","display":"A"}],"text":"t""#);
    conforms(&fixed, &concept(coding));
    lacks(&fixed, &more, "Observation.code");
    conforms(&pattern, &more);
    lacks(&pattern, &concept(r#""coding":[{"system":"urn:y","code":"a"}]"#), "Observation.code");
}

#[test]
fn identifiers_are_sliced_by_their_system() {
    let region = differential(
        "Patient",
        r#"{"id":"Patient.identifier","path":"Patient.identifier","min":1,"slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"closed"}},
        {"id":"Patient.identifier:resident","path":"Patient.identifier","sliceName":"resident","min":1,"max":"1"},
        {"id":"Patient.identifier:resident.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:resident"},
        {"id":"Patient.identifier:resident.value","path":"Patient.identifier.value","min":1,"maxLength":18},
        {"id":"Patient.identifier:card","path":"Patient.identifier","sliceName":"card"},
        {"id":"Patient.identifier:card.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:card"}"#,
    );
    let with = |identifiers: &str| patient(&format!(r#","identifier":[{identifiers}]"#));
    let resident = r#"{"system":"urn:resident","value":"1"}"#;
    conforms(&region, &with(resident));
    conforms(&region, &with(&format!(r#"{{"system":"urn:card"}},{resident}"#)));
    lacks(&region, &with(r#"{"system":"urn:card"}"#), "Patient.identifier");
    lacks(&region, &with(&format!("{resident},{resident}")), "Patient.identifier");
    lacks(&region, &with(r#"{"system":"urn:resident"}"#), "Patient.identifier[0].value");
    lacks(&region, &with(r#"{"system":"urn:resident","value":"1234567890123456789"}"#), "Patient.identifier[0].value");
    lacks(&region, &with(&format!(r#"{resident},{{"system":"urn:other"}}"#)), "Patient.identifier[1]");
}

#[test]
fn a_choice_is_narrowed_to_types_and_sliced_by_them() {
    let only = differential(
        "Observation",
        r#"{"path":"Observation.value[x]","type":[{"code":"Quantity"},{"code":"string"}]}"#,
    );
    conforms(&only, &observation(r#","valueString":"x""#));
    lacks(&only, &observation(r#","valueBoolean":true"#), "Observation.value");
    let short = differential("Observation", r#"{"path":"Observation.valueQuantity.code","min":1,"fixedCode":"mg"}"#);
    conforms(&short, &observation(r#","valueString":"x""#));
    conforms(&short, &observation(r#","valueQuantity":{"value":1,"system":"urn:x","code":"mg"}"#));
    lacks(
        &short,
        &observation(r#","valueQuantity":{"value":1,"system":"urn:x","code":"g"}"#),
        "Observation.value.code",
    );
    lacks(&short, &observation(r#","valueQuantity":{"value":1}"#), "Observation.value.code");
}

#[test]
fn slices_are_told_apart_by_existence_and_by_pattern() {
    let exists = differential(
        "Patient",
        r#"{"id":"Patient.name","path":"Patient.name","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},
        {"id":"Patient.name:now","path":"Patient.name","sliceName":"now","min":1},
        {"id":"Patient.name:now.period","path":"Patient.name.period","max":"0"},
        {"id":"Patient.name:now.family","path":"Patient.name.family","min":1},
        {"id":"Patient.name:once","path":"Patient.name","sliceName":"once"},
        {"id":"Patient.name:once.period","path":"Patient.name.period","min":1}"#,
    );
    conforms(&exists, &patient(r#","name":[{"text":"x","period":{"start":"2020"}},{"family":"y"}]"#));
    lacks(&exists, &patient(r#","name":[{"text":"x","period":{"start":"2020"}}]"#), "Patient.name");
    lacks(&exists, &patient(r#","name":[{"text":"x"}]"#), "Patient.name[0].family");
    let pattern = differential(
        "Observation",
        r#"{"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"open"}},
        {"id":"Observation.component:a","path":"Observation.component","sliceName":"a","min":1},
        {"id":"Observation.component:a.code","path":"Observation.component.code","patternCodeableConcept":{"coding":[{"code":"a"}]}}"#,
    );
    conforms(
        &pattern,
        &observation(r#","component":[{"code":{"coding":[{"system":"urn:x","code":"a"}]},"valueString":"x"}]"#),
    );
    lacks(&pattern, &observation(r#","component":[{"code":{"text":"a"},"valueString":"x"}]"#), "Observation.component");
}

#[test]
fn an_extension_is_known_by_the_url_of_its_profile_and_checked_against_it() {
    let extension = structure(
        "urn:nation",
        "Extension",
        r#"{"path":"Extension.url","fixedUri":"urn:nation"},{"path":"Extension.value[x]","min":1,"type":[{"code":"code"}]}"#,
    );
    let profile = structure(
        "urn:profile",
        "Patient",
        r#"{"id":"Patient.extension:nation","path":"Patient.extension","sliceName":"nation","min":1,"type":[{"code":"Extension","profile":["urn:nation"]}]}"#,
    );
    let region = region(&[extension, profile]);
    conforms(
        &region,
        &patient(r#","extension":[{"url":"urn:other","valueString":"x"},{"url":"urn:nation","valueCode":"HA"}]"#),
    );
    lacks(&region, &patient(r#","extension":[{"url":"urn:other","valueString":"x"}]"#), "Patient.extension");
    lacks(&region, &patient(r#","extension":[{"url":"urn:nation","valueString":"HA"}]"#), "Patient.extension[0].value");
}

#[test]
fn a_differential_stands_on_the_profile_it_narrows() {
    let base = structure("urn:base", "Patient", r#"{"path":"Patient.gender","min":1}"#);
    let derived = structure("urn:profile", "Patient", r#"{"path":"Patient.birthDate","min":1}"#)
        .replace("http://hl7.org/fhir/StructureDefinition/Patient", "urn:base");
    let region = region(&[base, derived]);
    conforms(&region, &patient(r#","gender":"male","birthDate":"1970""#));
    lacks(&region, &patient(r#","birthDate":"1970""#), "Patient.gender");
}

#[test]
fn codes_references_and_rules_are_narrowed() {
    let set = r#"{"resourceType":"ValueSet","url":"urn:set","compose":{"include":[{"system":"urn:x","concept":[{"code":"a"}]}]}}"#;
    let profile = structure(
        "urn:profile",
        "Observation",
        r#"{"path":"Observation","constraint":[{"key":"our-1","severity":"error","human":"A value or a note.","expression":"value.exists() or note.exists()"}]},
        {"path":"Observation.code","binding":{"strength":"required","valueSet":"urn:set"}},
        {"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"]}]}"#,
    );
    let region = region(&[set.to_owned(), profile]);
    let with = |code: &str, subject: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"urn:x","code":"{code}"}}]}},"subject":{{"reference":"{subject}"}}{value}}}"#
        )
    };
    conforms(&region, &with("a", "Patient/1", r#","valueString":"x""#));
    lacks(&region, &with("b", "Patient/1", r#","valueString":"x""#), "Observation.code");
    lacks(&region, &with("a", "Group/1", r#","valueString":"x""#), "Observation.subject.reference");
    lacks(&region, &with("a", "Patient/1", ""), "Observation");
}

#[test]
fn profiles_that_lead_to_each_other_come_to_an_end() {
    let loop_ = structure("urn:profile", "Patient", r#"{"path":"Patient.gender","min":1}"#)
        .replace("http://hl7.org/fhir/StructureDefinition/Patient", "urn:profile");
    assert!(!found(&region(&[loop_]), &patient(""), "urn:profile").is_empty());
}

#[test]
fn a_profile_nobody_knows_or_of_another_type_is_an_error() {
    lacks(&region(&[]), &patient(""), "Patient");
    lacks(&differential("Observation", r#"{"path":"Observation.value[x]","min":1}"#), &patient(""), "Patient");
}

#[test]
fn every_official_profile_compiles() {
    let (profiles, none) = (Profiles::new(), region(&[]));
    let mut count = 0;
    for url in r4().library("StructureDefinition").filter(|url| !url.ends_with("/MetadataResource")) {
        profiles.find(url, &none).unwrap_or_else(|error| panic!("{url}: {error}"));
        count += 1;
    }
    assert!(count > 600, "{count}");
}

#[test]
fn a_profile_the_resource_claims_is_checked_and_one_nobody_knows_is_a_warning() {
    let region = differential("Patient", r#"{"path":"Patient.gender","min":1}"#);
    let validator = Validator::new(r4(), Options::default());
    let resource = json::parse(patient(r#","meta":{"profile":["urn:profile","urn:unknown"]}"#).as_bytes())
        .expect("the case is JSON");
    let issues = validator.check_against(&resource, &[], &Profiles::new(), &region).expect("the profile compiles");
    let severities: Vec<_> = issues.iter().map(|issue| (issue.expression.as_deref(), issue.severity)).collect();
    assert_eq!(severities, [(Some("Patient.gender"), Severity::Error), (Some("Patient"), Severity::Warning)]);
}
