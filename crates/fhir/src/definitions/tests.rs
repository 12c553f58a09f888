use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::*;

fn child(type_name: &str, member: &str) -> Option<(&'static str, &'static str)> {
    let found = r4().type_(type_name).expect("the type is defined").child(member)?;
    Some((found.element.name, found.type_name))
}

#[test]
fn a_choice_is_found_by_each_of_its_json_names() {
    assert_eq!(child("Observation", "valueQuantity"), Some(("value", "Quantity")));
    assert_eq!(child("Observation", "valueDateTime"), Some(("value", "dateTime")));
    assert_eq!(child("Observation", "value"), None);
    assert_eq!(child("Observation", "valueMoney"), None);
}

#[test]
fn a_backbone_is_a_type_named_by_its_path() {
    assert_eq!(child("Patient", "contact"), Some(("contact", "Patient.contact")));
    assert_eq!(child("Patient.contact", "name"), Some(("name", "HumanName")));
    assert_eq!(child("Timing", "repeat"), Some(("repeat", "Timing.repeat")));
}

#[test]
fn content_by_reference_is_the_backbone_it_refers_to() {
    assert_eq!(child("Questionnaire.item", "item"), Some(("item", "Questionnaire.item")));
    assert_eq!(
        child("Observation.component", "referenceRange"),
        Some(("referenceRange", "Observation.referenceRange"))
    );
}

#[test]
fn ids_have_the_type_the_specification_means() {
    assert_eq!(child("Patient", "id"), Some(("id", "id")));
    assert_eq!(child("Patient.contact", "id"), Some(("id", "string")));
    assert_eq!(child("Extension", "url"), Some(("url", "uri")));
}

#[test]
fn inheritance_is_followed_to_its_root() {
    let definitions = r4();
    for (name, of) in [
        ("Patient", "DomainResource"),
        ("Patient", "Resource"),
        ("Age", "Quantity"),
        ("code", "string"),
        ("code", "Element"),
        ("Patient.contact", "BackboneElement"),
        ("Bundle", "Resource"),
    ] {
        assert!(definitions.is_subtype(name, of), "{name} of {of}");
    }
    assert!(!definitions.is_subtype("Bundle", "DomainResource"));
    assert!(!definitions.is_subtype("Nothing", "Nothing"));
}

#[test]
fn every_type_an_element_names_is_defined() {
    let definitions = r4();
    let mut seen = 0;
    for found in definitions.types() {
        for element in found.elements() {
            assert!(!element.types.is_empty(), "{} has no type", element.path);
            for kind in &element.types {
                assert!(definitions.type_(kind.code).is_some(), "{} is a {}", element.path, kind.code);
                for target in kind.targets.iter().filter(|target| !target.contains(':')) {
                    assert!(
                        definitions.type_(target).is_some() || *target == "MetadataResource",
                        "{}: {target}",
                        element.path
                    );
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 7_000, "{seen}");
}

#[test]
fn the_tables_are_those_of_the_whole_release() {
    let definitions = r4();
    assert_eq!(definitions.resource_types().len(), 146);
    assert_eq!(definitions.search_parameters().len(), 1375);
    assert_eq!(definitions.compartments().len(), 5);
    assert_eq!(definitions.operations().len(), 46);
    assert!(definitions.is_resource("Patient") && !definitions.is_resource("DomainResource"));
    assert!(!definitions.is_resource("HumanName"));
}

#[test]
fn the_patient_compartment_says_how_an_observation_belongs() {
    let patient = r4().compartments().iter().find(|found| found.code == "Patient").expect("is defined");
    assert_eq!(patient.params_of("Observation"), ["subject", "performer"]);
    assert!(patient.params_of("Medication").is_empty());
}

#[test]
fn cardinality_binding_and_constraints_are_kept() {
    let patient = r4().type_("Patient").expect("is defined");
    let gender = patient.element("gender").expect("is defined");
    let binding = gender.binding.expect("gender is bound");
    assert_eq!((gender.min, gender.max, gender.is_list()), (0, Some(1), false));
    assert_eq!(
        (binding.strength, binding.value_set),
        (Strength::Required, "http://hl7.org/fhir/ValueSet/administrative-gender")
    );
    let contact = patient.element("contact").expect("is defined");
    assert!(contact.is_list() && contact.constraints.iter().any(|rule| rule.key == "pat-1" && rule.is_error));
    assert!(patient.constraints.iter().any(|rule| rule.key == "dom-6" && !rule.is_error));
    let subject = r4().type_("Observation").and_then(|found| found.element("subject")).expect("is defined");
    assert_eq!(subject.types[0].targets, ["Patient", "Group", "Device", "Location"]);
}

#[test]
fn every_resource_of_the_library_can_be_opened_and_is_what_it_is_listed_as() {
    let definitions = r4();
    let mut seen = 0;
    for kind in ["ValueSet", "CodeSystem", "ConceptMap", "StructureDefinition"] {
        for url in definitions.library(kind).step_by(7) {
            let text = definitions.library.text(kind, url).expect("a listed resource is there");
            let value = crate::json::parse(text.as_bytes()).expect("it is JSON");
            assert_eq!(value["resourceType"].as_str(), Some(kind));
            assert_eq!(value["url"].as_str(), Some(url));
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn a_version_after_the_url_is_not_looked_at() {
    let text = r4().code_system("http://hl7.org/fhir/administrative-gender|4.0.1").expect("is in the library");
    let system = crate::json::parse(text.as_bytes()).expect("it is JSON");
    assert_eq!(system["concept"].as_array().map(|concepts| concepts.len()), Some(4));
    assert_eq!(r4().code_system("http://example.org/none"), None);
}
