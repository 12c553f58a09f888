//! Every folder is a line, whole and readable.

use std::collections::BTreeSet;

use protocol::Protocol;

/// The protocols of a line, read.
pub(crate) fn protocols(line: &str) -> Vec<Protocol> {
    let files = lines::line(line).unwrap_or_else(|| panic!("there is no line {line}"));
    let own = files.iter().filter(|(path, _)| path.ends_with("protocol.toml"));
    own.map(|(path, text)| toml::from_str(text).unwrap_or_else(|error| panic!("{line}/{path}: {error}"))).collect()
}

#[test]
fn every_protocol_reads_and_prints_back() {
    let mut seen = BTreeSet::new();
    for (line, _) in lines::all() {
        for protocol in protocols(line) {
            let printed = toml::to_string(&protocol).unwrap();
            assert_eq!(toml::from_str::<Protocol>(&printed).unwrap(), protocol, "{line}");
            assert!(seen.insert(protocol.code.to_string()), "two protocols are called {}", protocol.code);
        }
    }
    assert!(seen.contains("referral"));
}

#[test]
fn every_text_of_a_line_is_found_by_its_path() {
    for (line, files) in lines::all() {
        for (path, text) in files {
            assert_eq!(lines::text(line, path), Some(*text));
        }
    }
    assert_eq!(lines::text("referral", "no-such.toml"), None);
}

#[test]
fn forms_and_reasons_that_a_protocol_names_are_there() {
    for (line, _) in lines::all() {
        let codes = lines::text(line, "codes.toml").unwrap_or_default();
        for protocol in protocols(line) {
            let outcomes = || protocol.steps.iter().flat_map(|step| &step.outcomes);
            let forms = protocol.steps.iter().filter_map(|step| step.form.as_ref());
            let forms = forms.chain(outcomes().filter_map(|outcome| outcome.form.as_ref()));
            for form in forms.chain(protocol.starts.iter().filter_map(|start| start.form.as_ref())) {
                assert!(lines::text(line, &format!("forms/{form}.toml")).is_some(), "{line}: form {form}");
            }
            let reasons = outcomes().filter_map(|outcome| outcome.reasons.as_ref());
            let cancel = protocol.cancel.iter().filter_map(|cancel| cancel.reasons.as_ref());
            for list in reasons.chain(protocol.steps.iter().filter_map(|step| step.skip.as_ref())).chain(cancel) {
                assert!(codes.contains(&format!("code = \"{list}\"")), "{line}: list {list}");
            }
        }
    }
}
