//! A line as text: a folder of files read into one value, and that value printed back.
//!
//! `protocol.toml` and `NAME.protocol.toml` hold a protocol each, `forms/NAME.toml` a form each, `codes.toml` the lists of
//! codes. A protocol goes on in the files of the folders `protocol/` and `views/`, or `NAME.protocol/` and `NAME.views/`,
//! and the lists in `codes/`, in the order of their names: they are read as if they stood below. By custom `views/` has a
//! file for each document that can be printed. `criteria.toml`, or `NAME.criteria.toml`, holds what suggests a protocol.
//! What a line has besides (`scenarios/`, `web/`) is read by others.

mod print;

use std::collections::BTreeMap;
use std::fmt;

use fhir::error::Severity;
use fhir::{Category, Error, Issue, IssueCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::criteria::Criteria;
use crate::definition::{Code, Protocol, Words};
use crate::form::{Form, Number};

/// The files of a folder: path below it with `/`, and text.
pub type Files = BTreeMap<String, String>;

/// One service line: its protocols, the forms they ask for and the codes they give reasons with. Each kind is in the
/// order of its codes, protocols of one code in the order of their versions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Its protocols; the versions of one are several.
    pub protocols: Vec<Protocol>,
    /// Its forms.
    pub forms: Vec<Form>,
    /// Its lists of codes.
    pub lists: Vec<List>,
    /// What suggests its protocols, at most one for each.
    pub criteria: Vec<Criteria>,
}

/// A list of codes from which one is chosen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct List {
    /// Its name among lists.
    pub code: Code,
    /// What it is called.
    pub title: Words,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its codes, in the order in which they are offered.
    #[serde(default, rename = "entry", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Entry>,
}

/// A code of a list.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// What is shown for it.
    pub title: Words,
    /// What it counts in a total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Number>,
}

/// `codes.toml`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lists {
    #[serde(default, rename = "list", skip_serializing_if = "Vec::is_empty")]
    pub(crate) lists: Vec<List>,
}

/// Something about a text: where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// An error keeps the line from being installed; a warning does not.
    pub severity: Severity,
    /// A sentence in English.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.severity == Severity::Error { "" } else { "warning: " };
        write!(f, "{}:{}:{}: {kind}{}", self.path, self.line, self.column, self.text)
    }
}

/// What was read, each with the file it stands in.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) protocols: Vec<(String, Protocol)>,
    pub(crate) forms: Vec<(String, Form)>,
    pub(crate) lists: Vec<(String, List)>,
    pub(crate) criteria: Vec<(String, Criteria)>,
    pub(crate) findings: Vec<Finding>,
}

impl Line {
    /// Reads a folder.
    ///
    /// # Errors
    /// What is no TOML, has unknown keys or lacks known ones, every file's first fault with `path:line:column`.
    pub fn read(files: &Files) -> Result<Self, Error> {
        let reading = Reading::of(files);
        if !reading.findings.is_empty() {
            let issue = |finding: &Finding| Issue::error(IssueCode::Structure, finding.to_string());
            return Err(Error::with_issues(Category::Invalid, reading.findings.iter().map(issue).collect()));
        }
        Ok(reading.line())
    }

    /// Prints it as the files of a folder: read again, they give the same line.
    pub fn print(&self) -> Files {
        let mut files = Files::new();
        for protocol in &self.protocols {
            let versions = self.protocols.iter().filter(|other| other.code == protocol.code).count();
            let path = match (self.protocols.len(), versions) {
                (1, _) => "protocol.toml".to_owned(),
                (_, 1) => format!("{}.protocol.toml", protocol.code),
                _ => format!("{}-{}.protocol.toml", protocol.code, protocol.version),
            };
            files.insert(path, print::print(protocol));
        }
        for form in &self.forms {
            files.insert(format!("forms/{}.toml", form.code), print::print(form));
        }
        if !self.lists.is_empty() {
            files.insert("codes.toml".to_owned(), print::print(&Lists { lists: self.lists.clone() }));
        }
        for criteria in &self.criteria {
            let path = match self.criteria.len() {
                1 => "criteria.toml".to_owned(),
                _ => format!("{}.criteria.toml", criteria.protocol),
            };
            files.insert(path, print::print(criteria));
        }
        files
    }

    /// The latest version of a protocol.
    pub fn protocol(&self, code: &str) -> Option<&Protocol> {
        self.protocols.iter().rev().find(|one| one.code.as_str() == code)
    }

    /// The form of that code.
    pub fn form(&self, code: &str) -> Option<&Form> {
        self.forms.iter().find(|one| one.code.as_str() == code)
    }

    /// The list of that code.
    pub fn list(&self, code: &str) -> Option<&List> {
        self.lists.iter().find(|one| one.code.as_str() == code)
    }

    /// The same line in the order in which lines are kept.
    #[must_use]
    pub(crate) fn in_order(mut self) -> Self {
        self.protocols.sort_by(|one, other| {
            one.code.cmp(&other.code).then_with(|| parts(&one.version).cmp(&parts(&other.version)))
        });
        self.forms.sort_by(|one, other| one.code.cmp(&other.code));
        self.lists.sort_by(|one, other| one.code.cmp(&other.code));
        self.criteria.sort_by(|one, other| one.protocol.cmp(&other.protocol));
        self
    }
}

/// A version in parts that can be compared: 2.10 comes after 2.9.
fn parts(version: &str) -> Vec<(u64, &str)> {
    version.split('.').map(|part| (part.parse().unwrap_or(u64::MAX), part)).collect()
}

impl Reading {
    pub(crate) fn of(files: &Files) -> Self {
        let mut reading = Self::default();
        for path in files.keys() {
            reading.take(files, path);
        }
        reading
    }

    pub(crate) fn line(&self) -> Line {
        let line = Line {
            protocols: self.protocols.iter().map(|(_, protocol)| protocol.clone()).collect(),
            forms: self.forms.iter().map(|(_, form)| form.clone()).collect(),
            lists: self.lists.iter().map(|(_, list)| list.clone()).collect(),
            criteria: self.criteria.iter().map(|(_, criteria)| criteria.clone()).collect(),
        };
        line.in_order()
    }

    fn take(&mut self, files: &Files, path: &str) {
        let form = path.strip_prefix("forms/").and_then(|name| name.strip_suffix(".toml"));
        if is_protocol(path) {
            if let Some(protocol) = self.parse(files, path) {
                self.protocols.push((path.to_owned(), protocol));
            }
        } else if let Some(name) = form {
            if let Some(form) = self.parse::<Form>(files, path) {
                if form.code.as_str() != name {
                    let told = format!("The form is called `{}`, so its file is forms/{}.toml.", form.code, form.code);
                    self.findings.push(finding(files, path, form.code.at(), told));
                }
                self.forms.push((path.to_owned(), form));
            }
        } else if path == "codes.toml" {
            if let Some(lists) = self.parse::<Lists>(files, path) {
                self.lists.extend(lists.lists.into_iter().map(|list| (path.to_owned(), list)));
            }
        } else if path == "criteria.toml" || (path.ends_with(".criteria.toml") && !path.contains('/')) {
            if let Some(criteria) = self.parse(files, path) {
                self.criteria.push((path.to_owned(), criteria));
            }
        } else if path.ends_with(".toml") && !path.contains('/') {
            let told = "A line has no such file; name a protocol NAME.protocol.toml, a form forms/NAME.toml, the lists \
                        codes.toml, what suggests a protocol criteria.toml.";
            self.findings.push(finding(files, path, 0, told.to_owned()));
        } else if let Some(begun) = continued(path).filter(|begun| !files.contains_key(begun)) {
            let told = format!("This goes on with {begun}, which is not there.");
            self.findings.push(finding(files, path, 0, told));
        }
    }

    fn parse<T: DeserializeOwned>(&mut self, files: &Files, path: &str) -> Option<T> {
        let text: String = pieces(files, path).into_iter().flat_map(|(_, text)| [text, "\n"]).collect();
        match toml::from_str(&text) {
            Ok(read) => Some(read),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.findings.push(finding(files, path, at, plainly(error.message())));
                None
            }
        }
    }
}

/// The file of the lists of codes.
const LISTS: &str = "codes.toml";

/// Whether a file of this name holds a protocol.
fn is_protocol(path: &str) -> bool {
    path == "protocol.toml" || (path.ends_with(".protocol.toml") && !path.contains('/'))
}

/// The file that a file goes on with; none where it goes on with none.
fn continued(path: &str) -> Option<String> {
    let (folder, _) = path.split_once('/').filter(|_| path.ends_with(".toml"))?;
    let folder = folder.strip_suffix("views").map_or_else(|| folder.to_owned(), |stem| format!("{stem}protocol"));
    Some(format!("{folder}.toml")).filter(|begun| is_protocol(begun) || begun == LISTS)
}

/// The folders in which a file goes on.
fn folders(path: &str) -> Vec<String> {
    if path == LISTS {
        return vec!["codes/".to_owned()];
    }
    let stem = path.strip_suffix("protocol.toml").filter(|_| is_protocol(path));
    stem.map(|stem| vec![format!("{stem}protocol/"), format!("{stem}views/")]).unwrap_or_default()
}

/// A file and those it goes on in, in order.
fn pieces<'f>(files: &'f Files, path: &'f str) -> Vec<(&'f str, &'f str)> {
    let own = files.get(path).map(|text| (path, text.as_str()));
    let folders = folders(path);
    let more = folders.iter().flat_map(|folder| {
        let below = files.range(folder.clone()..).take_while(move |(path, _)| path.starts_with(folder.as_str()));
        below.filter(|(path, _)| path.ends_with(".toml"))
    });
    own.into_iter().chain(more.map(|(path, text)| (path.as_str(), text.as_str()))).collect()
}

/// An error at a byte of what a file and those it goes on in say together.
pub(crate) fn finding(files: &Files, path: &str, at: usize, told: String) -> Finding {
    let pieces = pieces(files, path);
    let (mut path, mut text, mut at) = (path, "", at);
    let last = pieces.len().saturating_sub(1);
    for (number, piece) in pieces.into_iter().enumerate() {
        (path, text) = piece;
        // A line break stands behind each.
        if at <= text.len() || number == last {
            break;
        }
        at -= text.len() + 1;
    }
    let before = text.get(..at.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Finding { path: path.to_owned(), line, column, severity: Severity::Error, text: told }
}

/// What the reader of TOML says, as one sentence with the near miss.
fn plainly(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((name, [])) if message.starts_with("missing field") => format!("`{name}` is missing here."),
        Some((name, known)) if message.starts_with("unknown ") => {
            let what = if message.starts_with("unknown field") { "key" } else { "word" };
            match nearest(name, known.iter().copied()) {
                Some(near) => format!("There is no {what} `{name}` here; did you mean `{near}`?"),
                None => format!("There is no {what} `{name}` here; there are {}.", known.join(", ")),
            }
        }
        _ => format!("{}.", message.trim_end().trim_end_matches('.').replace('\n', ", ")),
    }
}

/// The word that one who wrote another probably meant.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let far = word.chars().count().div_ceil(3).min(3);
    let near = known.into_iter().map(|one| (distance(word, one), one)).filter(|(distance, _)| *distance <= far);
    near.min_by_key(|(distance, _)| *distance).map(|(_, one)| one)
}

/// How many letters must be put in, taken out or exchanged.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (to, against) in other.iter().enumerate() {
            let exchanged = corner + usize::from(letter != *against);
            corner = row[to + 1];
            row[to + 1] = exchanged.min(row[to] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests;
