//! What is wrong with a line before anybody runs it: every finding with the place in the text and what to do about it.

mod circle;
mod criteria;
mod document;
mod form;
mod held;
mod path;
mod protocol;
mod reach;

use std::collections::BTreeSet;

use fhir::definitions::r4;
use fhir::error::Severity;
use fhir::validate::{Options, Validator};

use crate::definition::{Code, Protocol, Words};
use crate::knowledge;
use crate::text::{Files, Finding, Line, Reading, finding, nearest};

/// FHIR ids have at most 64 characters (<http://hl7.org/fhir/R4/datatypes.html#id>); those of runs have 36.
const ID: usize = 64;
/// A Task of a step is `{run}.{step}.{n}`, asked for at most 99 times.
const STEP: usize = ID - 36 - ".".len() - ".99".len();
/// An Observation of a milestone is `{run}.m.{code}.{n}-{k}`, reached at most 99 times and corrected at most 9.
const MILESTONE: usize = ID - 36 - ".m.".len() - ".99-9".len();
/// Code systems of the engine's own, which no list can be called as.
const RESERVED: &[&str] = &[
    "run",
    "protocol",
    "step",
    "milestone",
    "clock",
    "role",
    "outcome",
    "duty",
    "notice",
    "run-paper",
    "run-shard",
    "trait",
];

/// What there is besides the line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Other lines: their protocols may be started, their forms and lists may not be named again.
    pub others: &'a [Line],
    /// The duties that somebody in the consortium holds, where that is known: a role whose duties nobody holds is found.
    pub duties: Option<&'a BTreeSet<String>>,
}

/// Everything found in a folder, by file and place. A line is fit to be installed when no finding is an error.
///
/// When a file cannot be read, that is all that can be said.
pub fn check(files: &Files, known: &Known<'_>) -> Vec<Finding> {
    let mut reading = Reading::of(files);
    let findings = std::mem::take(&mut reading.findings);
    if !findings.is_empty() {
        return findings;
    }
    let line = reading.line();
    let mut desk = Desk { files, known, line: &line, path: "", findings };
    desk.lists(&reading);
    desk.forms(&reading);
    for (path, protocol) in &reading.protocols {
        desk.path = path;
        desk.protocol(protocol);
    }
    desk.criteria(&reading);
    desk.versions(&reading);
    if desk.findings.iter().all(|one| one.severity != Severity::Error) {
        desk.resources(&reading);
    }
    desk.findings.sort();
    desk.findings.dedup();
    desk.findings
}

/// A line under examination.
struct Desk<'a> {
    files: &'a Files,
    known: &'a Known<'a>,
    line: &'a Line,
    /// The file that is looked at.
    path: &'a str,
    findings: Vec<Finding>,
}

impl<'a> Desk<'a> {
    fn error(&mut self, code: &Code, told: impl Into<String>) {
        self.findings.push(finding(self.files, self.path, code.at(), told.into()));
    }

    fn warning(&mut self, code: &Code, told: impl Into<String>) {
        self.error(code, told);
        if let Some(last) = self.findings.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    /// A word of a protocol: small letters, digits and hyphens, so that it can be part of an id and of a variable's name.
    fn name(&mut self, code: &Code, what: &str, most: usize) {
        let fits = code.starts_with(|first: char| first.is_ascii_lowercase())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            let told = "write small letters, digits and hyphens, beginning with a letter";
            self.error(code, format!("`{code}` cannot name a {what}; {told}."));
        } else if code.len() > most {
            let length = code.len();
            let told = format!("an id made of it would be longer than {ID} characters; use at most {most}");
            self.error(code, format!("`{code}` has {length} characters, and {told}."));
        }
    }

    /// Codes of one kind, each there once.
    fn differ<'c>(&mut self, codes: impl IntoIterator<Item = &'c Code>, what: &str) {
        let mut seen = BTreeSet::new();
        for code in codes {
            if !seen.insert(code.as_str()) {
                self.error(code, format!("There is a {what} `{code}` already; give this one another code."));
            }
        }
    }

    /// A code that must be one of those known.
    fn refers<'c>(&mut self, code: &Code, what: &str, known: impl IntoIterator<Item = &'c str>) -> bool {
        let known: Vec<&str> = known.into_iter().collect();
        if known.contains(&code.as_str()) {
            return true;
        }
        let told = match nearest(code, known) {
            Some(near) => format!("There is no {what} `{code}`; did you mean `{near}`?"),
            None => format!("There is no {what} `{code}`; write one, or take the word out."),
        };
        self.error(code, told);
        false
    }

    /// Words in both languages.
    fn words(&mut self, owner: &Code, words: &Words, what: &str) {
        for (language, text) in [("zh", &words.zh), ("en", &words.en)] {
            if text.trim().is_empty() {
                self.error(owner, format!("The {what} of `{owner}` is missing in {language}."));
            }
        }
    }

    fn lists_of_line(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.line.lists.iter().map(|list| list.code.as_str())
    }

    fn forms_of_line(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.line.forms.iter().map(|form| form.code.as_str())
    }

    /// Protocols of this line and of others, the latest version of each last.
    fn protocols(&self) -> impl Iterator<Item = &'a Protocol> + use<'a> {
        let others = self.known.others.iter().flat_map(|line| &line.protocols);
        others.chain(&self.line.protocols)
    }

    fn protocol_named(&self, code: &str) -> Option<&'a Protocol> {
        self.protocols().filter(|one| one.code.as_str() == code).last()
    }

    /// What FHIR itself says of what would be stored.
    fn resources(&mut self, reading: &'a Reading) {
        let first = reading.protocols.first().map(|(path, _)| path).or_else(|| self.files.keys().next());
        let Some(path) = first else { return };
        self.path = path;
        let resources = match knowledge::to_fhir(self.line) {
            Ok(resources) => resources,
            Err(error) => return self.error(&Code::default(), error.to_string()),
        };
        let validator = Validator::new(r4(), Options::default());
        for resource in &resources {
            for issue in validator.check(resource).into_iter().filter(|issue| issue.severity == Severity::Error) {
                let place = issue.expression.unwrap_or_default();
                self.error(&Code::default(), format!("As FHIR this cannot be, at {place}: {}", issue.text));
            }
        }
    }
}

#[cfg(test)]
mod tests;
