//! Every folder is a line, whole and readable.

use std::collections::BTreeSet;

use protocol::{Files, Line};

/// A line, read.
pub(crate) fn line(name: &str) -> Line {
    let files = lines::line(name).unwrap_or_else(|| panic!("there is no line {name}"));
    let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Line::read(&files).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_line_reads_and_prints_back() {
    let mut seen = BTreeSet::new();
    for (name, _) in lines::all() {
        let read = line(name);
        assert_eq!(Line::read(&read.print()).unwrap(), read, "{name}");
        for protocol in &read.protocols {
            assert!(seen.insert(protocol.code.to_string()), "two protocols are called {}", protocol.code);
        }
        let (forms, lists) = (read.forms.iter().map(|form| &form.code), read.lists.iter().map(|list| &list.code));
        for code in forms.chain(lists) {
            let own = |protocol: &protocol::Protocol| code.starts_with(protocol.code.as_str());
            assert!(read.protocols.iter().any(own), "{name}: {code} could meet one of another line by its name");
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
fn what_a_line_names_is_in_its_folder() {
    for (name, _) in lines::all() {
        let read = line(name);
        for protocol in &read.protocols {
            let outcomes = || protocol.steps.iter().flat_map(|step| &step.outcomes);
            let forms = protocol.steps.iter().filter_map(|step| step.form.as_ref());
            let forms = forms.chain(outcomes().filter_map(|outcome| outcome.form.as_ref()));
            for form in forms.chain(protocol.starts.iter().filter_map(|start| start.form.as_ref())) {
                assert!(read.form(form).is_some(), "{name}: there is no form {form}");
            }
            let reasons = outcomes().filter_map(|outcome| outcome.reasons.as_ref());
            let cancel = protocol.cancel.iter().filter_map(|cancel| cancel.reasons.as_ref());
            for list in reasons.chain(protocol.steps.iter().filter_map(|step| step.skip.as_ref())).chain(cancel) {
                assert!(read.list(list).is_some(), "{name}: there is no list {list}");
            }
            let statuses = read.list(&format!("{}-status", protocol.code));
            for status in protocol.milestones.iter().filter_map(|milestone| milestone.status.as_ref()) {
                let known = |entry: &protocol::text::Entry| entry.code == *status;
                assert!(statuses.is_some_and(|list| list.entries.iter().any(known)), "{name}: what is {status}?");
            }
        }
        for list in read.forms.iter().flat_map(|form| form.all()).filter_map(|item| item.list.as_ref()) {
            assert!(list.contains(':') || read.list(list).is_some(), "{name}: there is no list {list}");
        }
    }
}

#[test]
fn a_line_is_its_folder_alone() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("lines stand in the workspace");
    let mut folders =
        vec![root.join("crates"), root.join("xtask"), root.join("web/client/src"), root.join("web/portal/src")];
    folders.push(root.join("lines/src"));
    let mut texts = vec![root.join("lines/build.rs"), root.join("lines/Cargo.toml"), root.join("Cargo.toml")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                texts.push(entry.path());
            }
        }
    }
    assert!(texts.len() > 100, "the sources of the program are looked through");
    for text in texts {
        let said = String::from_utf8_lossy(&std::fs::read(&text).unwrap()).into_owned();
        assert!(!said.contains("gi-bleeding"), "{} names a line", text.display());
    }
}
