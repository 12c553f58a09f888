//! Whole regions of invented patients: in by `import`, out by `export`, and what belongs to a patient by `serve`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::material;
use testkit::region::{self, Region, Resources, name, parse};

use crate::closure::Compartment;
use crate::import::on_both;
use crate::serve::Server;
use crate::{qingshan, said};

/// How many patients of a region a test takes: all of them, or a part that is quick to put in twice.
fn patients(part: usize) -> usize {
    if material::whole() { usize::MAX } else { part }
}

/// Runs the import, which must succeed, and returns what it said.
fn import(place: &[&str], folder: &Path, more: &[&str]) -> String {
    let folder = folder.to_str().expect("a temporary folder's name is UTF-8");
    let output = qingshan(&[&["import"], place, more, &[folder]].concat());
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Everything in the record, as `qingshan export` writes it.
fn exported(place: &[&str], folder: &Path) -> Resources {
    let output = qingshan(&[&["export"], place, &[folder.to_str().expect("UTF-8")]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let mut resources = Resources::new();
    for file in fs::read_dir(folder).expect("the folder was made").flatten() {
        let text = fs::read(file.path()).expect("the file can be read");
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for resource in lines.map(parse) {
            let twice = resources.insert(name(&resource), resource);
            assert!(twice.is_none(), "{twice:?} is exported twice");
        }
    }
    resources
}

/// A resource without what the record itself writes about it.
fn as_sent(resource: &Value) -> Value {
    let mut resource = resource.clone();
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            resource.as_object_mut().expect("a resource is an object").shift_remove("meta");
        }
    }
    resource
}

/// Numbers are equal only when they are written with the same digits.
fn assert_kept(kept: &Resources, sent: &Resources) {
    let names = |resources: &Resources| resources.keys().cloned().collect::<BTreeSet<_>>();
    let (have, want) = (names(kept), names(sent));
    assert_eq!(have.difference(&want).collect::<Vec<_>>(), Vec::<&String>::new(), "nobody sent these");
    assert_eq!(want.difference(&have).collect::<Vec<_>>(), Vec::<&String>::new(), "these are missing");
    for (name, resource) in sent {
        assert_eq!(as_sent(&kept[name]), as_sent(resource), "{name}");
    }
}

/// `$everything` of some patients, each compared with what the test worked out.
fn assert_everything(place: &[&str], compartment: &Compartment, sent: &Resources, every: usize) {
    let expected = compartment.everything(sent);
    assert!(!expected.is_empty());
    let server = Server::start(&[place, &["--open"]].concat());
    for (patient, expected) in expected.iter().step_by(every) {
        let (status, answer) = server.ask("GET", &format!("/fhir/{patient}/$everything"), &[], "");
        assert_eq!(status, 200, "{answer:.500}");
        let answer = parse(answer.as_bytes());
        let entries = answer["entry"].as_array().expect("a patient is never alone");
        let found: Vec<String> = entries.iter().map(|entry| name(&entry["resource"])).collect();
        let once: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(found.len(), once.len(), "{patient}: something comes twice");
        assert_eq!(&once, expected, "{patient}");
    }
    assert!(server.terminate());
}

#[test]
fn american_patients_come_out_as_they_went_in_and_each_with_everything_theirs() {
    let test = "american_patients_come_out_as_they_went_in_and_each_with_everything_theirs";
    let Some(Region { mut files }) = region::synthea(test, patients(60)) else { return };
    let Some(compartment) = Compartment::of_patients(test) else { return };
    let people = Region { files: files.split_off(2) };
    let shared = Region { files };
    let mut sent = shared.resources();
    sent.extend(people.resources());
    on_both(|folder, place| {
        // The institutions and practitioners come first: the patients' bundles tell more about some of them.
        for (region, name) in [(&shared, "shared"), (&people, "people")] {
            region.write(&folder.join(name));
            import(place, &folder.join(name), &[]);
        }
        assert_kept(&exported(place, &folder.join("out")), &sent);
        assert_everything(place, &compartment, &sent, if material::whole() { 1 } else { 7 });
    });
}

#[test]
fn japanese_patients_come_out_as_they_went_in_but_for_what_is_not_r4() {
    let test = "japanese_patients_come_out_as_they_went_in_but_for_what_is_not_r4";
    let Some(region) = region::clinosim(test, patients(190)) else { return };
    let Some(compartment) = Compartment::of_patients(test) else { return };
    let (sent, refusals) = (region.resources(), region.refusals());
    let refused: BTreeSet<(&str, usize)> = refusals.iter().map(|(file, line, _)| (file.as_str(), *line)).collect();
    assert!(refused.iter().any(|(file, _)| *file == "MedicationAdministration.ndjson"));
    on_both(|folder, place| {
        region.write(&folder.join("in"));
        let told = import(place, &folder.join("in"), &["--skip-invalid"]);
        let told_of: BTreeSet<(String, usize, String)> = told.lines().filter_map(refusal).collect();
        assert_eq!(told_of.difference(&refusals).collect::<Vec<_>>(), Vec::<&_>::new(), "these are valid");
        assert_eq!(refusals.difference(&told_of).collect::<Vec<_>>(), Vec::<&_>::new(), "these are not told");
        assert!(told.contains(&format!(", {} refused", refused.len())), "{}", told.lines().last().unwrap_or_default());
        assert_kept(&exported(place, &folder.join("out")), &sent);
        assert_everything(place, &compartment, &sent, if material::whole() { 1 } else { 19 });
    });
}

/// File, line and element of a line that tells of a refused resource.
fn refusal(line: &str) -> Option<(String, usize, String)> {
    let (path, rest) = line.split_once(".ndjson:")?;
    let mut rest = rest.splitn(3, ": ");
    let number = rest.next()?.parse().ok()?;
    Some((format!("{}.ndjson", path.rsplit('/').next()?), number, rest.next()?.to_owned()))
}

/// Bundles that `import` takes apart, because they carry resources to be kept one by one.
fn is_taken_apart(resource: &Value) -> bool {
    let kinds = ["transaction", "batch", "collection", "searchset", "history"];
    resource["resourceType"] == "Bundle" && kinds.iter().any(|kind| resource["type"] == *kind)
}

#[test]
fn the_official_examples_come_out_as_they_went_in_but_for_those_that_break_r4() {
    /// Examples that are refused because of the specification's own rules; why, stands in
    /// `conformance/expected_failures.txt`.
    const BROKEN: [&str; 5] = [
        "ActivityDefinition/blood-tubes-supply",
        "ActivityDefinition/heart-valve-replacement",
        "EventDefinition/example",
        "Questionnaire/qs1",
        "Questionnaire/zika-virus-exposure-assessment",
    ];
    let test = "the_official_examples_come_out_as_they_went_in_but_for_those_that_break_r4";
    let mut sent = Resources::new();
    let found = material::each_file(test, "fhir/r4-examples.tar.gz", |_, bytes| {
        let resource = parse(bytes);
        if !is_taken_apart(&resource) {
            sent.insert(name(&resource), resource);
        }
    });
    if found.is_none() {
        return;
    }
    assert!(BROKEN.iter().all(|broken| sent.remove(*broken).is_some()));
    // What also stands in a Bundle that is taken apart is as the Bundle says.
    let mut told_elsewhere = BTreeSet::new();
    material::each_file(test, "fhir/r4-examples.tar.gz", |_, bytes| {
        let resource = parse(bytes);
        if is_taken_apart(&resource) {
            let inside = resource["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
            told_elsewhere.extend(inside.filter(|one| one["id"].is_string()).map(name));
        }
    });
    sent.retain(|name, _| !told_elsewhere.contains(name));
    assert!(sent.len() > 500, "{}", sent.len());
    let archive = material::folder().join("fhir/r4-examples.tar.gz");
    on_both(|folder, place| {
        let told = import(place, &archive, &["--skip-invalid"]);
        let kept = exported(place, &folder.join("out"));
        for (name, resource) in &sent {
            let kept = kept.get(name).unwrap_or_else(|| panic!("{name} is missing: {told}"));
            assert_eq!(as_sent(kept), as_sent(resource), "{name}");
        }
        for broken in BROKEN {
            assert!(!kept.contains_key(broken), "{broken} was taken");
        }
    });
}
