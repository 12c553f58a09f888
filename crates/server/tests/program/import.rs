//! `qingshan import` as a person runs it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::cluster::Cluster;

use crate::{qingshan, said};

/// `"3 changes so far"` as `qingshan check` tells it: each write is one change, so it counts what was written.
fn changes(place: &[&str]) -> u64 {
    let output = qingshan(&[&["check"], place].concat());
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    let before = text.split(" changes so far").next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// Runs a test on a fresh embedded record and on a fresh PostgreSQL one; it gets the folder and the words naming it.
pub(crate) fn on_both(test: impl Fn(&Path, &[&str])) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    test(folder.path(), &["--data", &data]);

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    let database = Cluster::shared().database();
    test(folder.path(), &["--data", &data, "--database", &database.url()]);
}

fn patients(count: usize) -> String {
    let mut lines = String::new();
    for number in 0..count {
        writeln!(lines, r#"{{"resourceType":"Patient","id":"p{number}","active":true}}"#).expect("a string takes text");
    }
    lines
}

#[test]
fn an_import_that_is_killed_goes_on_and_writes_each_resource_once() {
    const COUNT: usize = 12_000;
    on_both(|folder, place| {
        let file = folder.join("patients.ndjson");
        fs::write(&file, patients(COUNT)).unwrap();
        let words = [&["import"], place, &[file.to_str().unwrap()]].concat();
        let mut first = Command::new(env!("CARGO_BIN_EXE_qingshan")).args(&words).spawn().unwrap();
        // The checkpoint appears when a good part is written and much is still to come.
        let checkpoint = folder.join("record/import.json");
        while !checkpoint.exists() && first.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        first.kill().unwrap();
        first.wait().unwrap();
        let before = changes(place);
        assert!(before > 0 && before < COUNT as u64, "the import was interrupted at {before}");

        let again = qingshan(&words);
        assert!(again.status.success(), "{}", said(&again));
        assert_eq!(changes(place), COUNT as u64);
        assert!(!checkpoint.exists(), "nothing is left to go on from");
    });
}

#[test]
fn a_refused_resource_stops_the_import_and_is_told_by_file_line_and_path() {
    on_both(|folder, place| {
        let file = folder.join("patients.ndjson");
        fs::write(&file, format!("{}{}", patients(2), r#"{"resourceType":"Patient","id":"bad","age":7}"#)).unwrap();
        let words = [&["import"], place, &[file.to_str().unwrap()]].concat();
        let output = qingshan(&words);
        assert!(!output.status.success());
        assert!(said(&output).contains("patients.ndjson:3: Patient"), "{}", said(&output));
        assert!(said(&output).contains("age"), "{}", said(&output));

        let output = qingshan(&[&words[..], &["--skip-invalid"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("patients.ndjson:3: Patient"), "{}", said(&output));
        assert!(said(&output).contains("1 refused"), "{}", said(&output));
        assert_eq!(changes(place), 2);
    });
}

#[test]
fn a_transaction_with_a_refused_resource_leaves_nothing_behind() {
    on_both(|folder, place| {
        let entry = |id: &str, more: &str| {
            format!(
                r#"{{"fullUrl":"urn:uuid:{id}","resource":{{"resourceType":"Patient"{more}}},
                    "request":{{"method":"POST","url":"Patient"}}}}"#
            )
        };
        let (good, bad) = ("61ebe359-bfdc-4613-8bf2-c5e300945f0a", "88f151c0-a954-468a-88bd-5ae15c08e059");
        let bundle = |second: &str| {
            let (first, second) = (entry(good, ""), entry(bad, second));
            format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{first},{second}]}}"#)
        };
        let file = folder.join("bundle.json");
        let words = [&["import", "--skip-invalid"], place, &[file.to_str().unwrap()]].concat();

        fs::write(&file, bundle(r#","age":7"#)).unwrap();
        let output = qingshan(&words);
        assert!(said(&output).contains("bundle.json:2: Bundle.entry[1].resource.ofType(Patient)"), "{}", said(&output));
        assert_eq!(changes(place), 0);

        fs::write(&file, bundle("")).unwrap();
        assert!(qingshan(&words).status.success());
        assert_eq!(changes(place), 2);
    });
}

#[test]
fn real_patients_of_another_generator_are_taken_whole() {
    let Some(folder) = material("real_patients_of_another_generator_are_taken_whole", "fhir/mini") else { return };
    on_both(|_, place| {
        let output = qingshan(&[&["import"], place, &[folder.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(changes(place), 435);
    });
}

#[test]
fn a_setting_that_does_not_exist_is_refused_by_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_qingshan"))
        .args(["check", "--data", "nowhere"])
        .env("QINGSHAN__HTTP__BODYMB", "3")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("Did you mean body_mb?"), "{}", said(&output));
}

/// A folder of the public material, or one line saying that the test is skipped.
fn material(test: &str, name: &str) -> Option<std::path::PathBuf> {
    let folder = testkit::material::folder().join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {test}: {} is missing", folder.display());
    None
}
