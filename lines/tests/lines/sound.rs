//! What a hospital would be told of the lines, and whether the record keeps them as they are.

use protocol::check::{Known, check};
use protocol::{Files, Line, knowledge};

fn files(name: &str) -> Files {
    let texts = lines::line(name).unwrap_or_else(|| panic!("there is no line {name}"));
    texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn nothing_is_wrong_with_any_line() {
    let read: Vec<(&str, Line)> = lines::all().map(|(name, _)| (name, Line::read(&files(name)).unwrap())).collect();
    let mut findings = Vec::new();
    for (name, _) in lines::all() {
        let others: Vec<Line> = read.iter().filter(|(other, _)| *other != name).map(|(_, line)| line.clone()).collect();
        let found = check(&files(name), &Known { others: &others, ..Known::default() });
        findings.extend(found.iter().map(|finding| format!("{name}/{finding}")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_line_comes_back_from_fhir_as_it_was() {
    for (name, _) in lines::all() {
        let line = Line::read(&files(name)).unwrap();
        let resources = knowledge::to_fhir(&line).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(knowledge::from_fhir(&resources).unwrap(), line, "{name}");
        assert_eq!(knowledge::to_fhir(&knowledge::from_fhir(&resources).unwrap()).unwrap(), resources, "{name}");
    }
}
