//! What the files themselves must keep to: their size, their names, and what may not be written in them.

use std::fs;

use super::{Finding, kept_files};
use crate::shell::{Outcome, root};

/// The longest a hand-written source file may be.
const MOST_LINES: usize = 1_000;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "managers", "models", "misc"];
/// Endings of hand-written source files.
const SOURCES: &[&str] = &[".rs", ".ts", ".tsx", ".js", ".mjs", ".py", ".css", ".sql", ".toml"];
/// Crates that may read the environment: the program, and what only developers run.
const READ_ENVIRONMENT: &[&str] = &["crates/server/", "crates/testkit/", "xtask/", "conformance/"];
/// What may touch files: the crates above, and the record and bulk export, each within the folder it is given.
const TOUCH_FILES: &[&str] =
    &["crates/server/", "crates/testkit/", "crates/record/", "crates/api/src/export/", "xtask/", "conformance/"];
/// Files that every checkout must have.
const REQUIRED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "README.zh-CN.md",
    "docs/decisions/dependencies.md",
    "docs/glossary.md",
];

/// The kept text files of the workspace.
pub(crate) struct Tree {
    files: Vec<File>,
}

struct File {
    path: String,
    text: String,
}

impl Tree {
    /// Reads every file git keeps that is text.
    pub(crate) fn read() -> Outcome<Self> {
        let root = root();
        let files = kept_files()?
            .into_iter()
            .filter_map(|path| {
                let text = fs::read_to_string(root.join(&path)).ok()?;
                Some(File { path, text })
            })
            .collect();
        Ok(Self { files })
    }
}

/// Checks every file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for required in REQUIRED {
        if !tree.files.iter().any(|file| file.path == *required) {
            findings.push(format!("{required}: is missing"));
        }
    }
    for file in &tree.files {
        check_name(file, &mut findings);
        if SOURCES.iter().any(|ending| file.path.ends_with(ending)) && !is_generated(file) {
            check_source(file, &mut findings);
        }
        if file.path.ends_with(".rs") {
            check_rust(file, &mut findings);
        }
        if file.path.ends_with("Cargo.toml")
            && file.path != "Cargo.toml"
            && !file.text.contains("[lints]\nworkspace = true")
        {
            findings.push(format!("{}: does not take the workspace's lints", file.path));
        }
        if file.path.ends_with(".md") {
            check_links(file, tree, &mut findings);
        }
    }
    findings
}

fn is_generated(file: &File) -> bool {
    file.text.lines().take(3).any(|line| line.contains("@generated"))
}

fn check_name(file: &File, findings: &mut Vec<Finding>) {
    for part in file.path.split('/') {
        let stem = part.split('.').next().unwrap_or_default();
        if EMPTY_NAMES.contains(&stem) {
            findings.push(format!("{}: the name {stem} says nothing about what is inside", file.path));
        }
    }
}

fn check_source(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        findings.push(format!("{}: has {lines} lines, {MOST_LINES} are allowed", file.path));
    }
    // Written in two halves, so that this file does not find itself.
    let postponed = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    for (number, line) in file.text.lines().enumerate() {
        if let Some(word) = postponed.iter().find(|word| line.contains(**word)) {
            findings.push(format!("{}:{}: {word} is not kept in the source", file.path, number + 1));
        }
    }
}

fn check_rust(file: &File, findings: &mut Vec<Finding>) {
    let may = |allowed: &[&str]| allowed.iter().any(|folder| file.path.starts_with(folder));
    let mut in_tests = file.path.contains("/tests/") || file.path.contains("/tests.rs");
    for (number, line) in file.text.lines().enumerate() {
        in_tests |= line.starts_with("mod tests {");
        let mut find = |what: &str| findings.push(format!("{}:{}: {what}", file.path, number + 1));
        if line.trim_start().starts_with(concat!("#[ig", "nore")) {
            find("a test is either run or not kept");
        }
        if in_tests && line.contains(concat!("sle", "ep(")) {
            find("a test waits for what it waits for, never for a time");
        }
        if in_tests || file.path.contains("/examples/") {
            continue;
        }
        if line.contains("std::env::") && !line.contains("consts") && !may(READ_ENVIRONMENT) {
            find("only the server reads its environment");
        }
        if (line.contains("std::fs") || line.contains("tokio::fs")) && !may(TOUCH_FILES) {
            find("only the server and the record touch files");
        }
    }
}

/// Relative links in a page lead to a file of this checkout.
fn check_links(file: &File, tree: &Tree, findings: &mut Vec<Finding>) {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for (number, line) in file.text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let full = resolved(folder, target);
            let is_there = |kept: &File| kept.path == full || kept.path.starts_with(&format!("{full}/"));
            if !tree.files.iter().any(is_there) && !root().join(&full).exists() {
                findings.push(format!("{}:{}: the link {target} leads nowhere", file.path, number + 1));
            }
        }
    }
}

/// A relative path as seen from the root.
fn resolved(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_in(path: &str, text: &str) -> String {
        let tree = Tree { files: vec![File { path: path.to_owned(), text: text.to_owned() }] };
        let about_it: Vec<Finding> = check(&tree).into_iter().filter(|finding| finding.starts_with(path)).collect();
        about_it.join("\n")
    }

    #[test]
    fn a_file_over_the_bound_is_found_unless_a_program_wrote_it() {
        let long = "\n".repeat(MOST_LINES + 1);
        assert!(findings_in("crates/fhir/src/a.rs", &long).contains("1001 lines"));
        assert_eq!(findings_in("crates/fhir/src/a.rs", &format!("// @generated\n{long}")), "");
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert!(findings_in("crates/record/src/utils/mod.rs", "").contains("says nothing"));
        assert_eq!(findings_in("crates/record/src/commonwealth.rs", ""), "");
    }

    #[test]
    fn only_the_server_reads_the_environment_and_tests_do_not_wait_for_a_time() {
        let reads = concat!("let a = std::env::", "var_os(\"A\");");
        assert!(findings_in("crates/api/src/lib.rs", reads).contains("environment"));
        assert_eq!(findings_in("crates/server/src/main.rs", reads), "");
        let waits = concat!("std::thread::sle", "ep(one);");
        assert!(findings_in("crates/api/tests/a.rs", waits).contains("waits"));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let page = "[a](decisions/none.md) [b](https://example.org) [c](../Cargo.toml)";
        let found = findings_in("docs/page.md", page);
        assert!(found.contains("decisions/none.md") && found.lines().count() == 1, "{found}");
    }
}
