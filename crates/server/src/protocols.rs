//! `qingshan protocol`: care processes as folders of text, checked and put into a record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fhir::error::Severity;
use fhir::{Value, json};
use protocol::check::Known;
use protocol::knowledge::{self, Pending};
use protocol::{Engine, Files, Line, check};
use record::{Caller, Record};
use sonic_rs::JsonValueTrait;

use crate::Outcome;
use crate::consortium::{Holder, Step, StepKind, key};
use crate::place::describe;

/// Ids asked for in one search.
const ASKED: usize = 100;
/// What a folder of a line may hold that is no text of it.
const PASSED_OVER: &[&str] = &["web", "node_modules"];

/// What was found in some folders: a line a finding, and how many of them are errors.
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) errors: usize,
}

/// Checks folders, which may start one another's protocols; by what the people of a consortium do, where that is known.
///
/// # Errors
/// When a folder cannot be read or holds no line.
pub(crate) fn check(folders: &[PathBuf], duties: Option<&BTreeSet<String>>) -> Outcome<Found> {
    let read: Vec<(&PathBuf, Files)> =
        folders.iter().map(|folder| Ok((folder, files(folder)?))).collect::<Outcome<_>>()?;
    let lines: Vec<Option<Line>> = read.iter().map(|(_, files)| Line::read(files).ok()).collect();
    let (mut text, mut errors, mut warnings) = (String::new(), 0, 0);
    for (at, (folder, files)) in read.iter().enumerate() {
        let others = lines.iter().enumerate().filter(|(other, _)| *other != at);
        let others: Vec<Line> = others.filter_map(|(_, line)| line.clone()).collect();
        for finding in check::check(files, &Known { others: &others, duties }) {
            match finding.severity {
                Severity::Error => errors += 1,
                _ => warnings += 1,
            }
            text += &format!("{}\n", folder.join(finding.to_string()).display());
        }
    }
    text += &format!("{} folders checked: {errors} errors, {warnings} warnings.", folders.len());
    Ok(Found { text, errors })
}

/// Checks folders and makes a record hold what they say. Doing it twice changes nothing.
///
/// # Errors
/// When the folders are not fit, or a version of a protocol is there already and says otherwise, unless `replace`.
pub(crate) async fn install(holder: &Holder, folders: &[PathBuf], replace: bool) -> Outcome<String> {
    let found = check(folders, None)?;
    if found.errors > 0 {
        return Err(format!("{}\nNothing was written.", found.text));
    }
    let mut steps = Vec::new();
    let mut unchanged = 0;
    for folder in folders {
        let line = Line::read(&files(folder)?).map_err(|error| describe(&error))?;
        let wanted =
            knowledge::to_fhir(&line).map_err(|error| format!("{}: {}", folder.display(), describe(&error)))?;
        let mut pending = Pending::between(wanted.clone(), &stored(holder, &wanted).await?);
        unchanged += pending.unchanged;
        if replace {
            pending.write.append(&mut pending.differing);
        }
        if let Some((resource, _)) = pending.differing.first() {
            let name = key(&tree(resource)?);
            return Err(format!(
                "{name} is in the record and says otherwise, and runs may have begun with it. Give the protocol a new \
                 version, or write over it with --replace. Nothing was written."
            ));
        }
        for (resource, version) in pending.write {
            let kind = if version.is_some() { StepKind::Change } else { StepKind::Add };
            steps.push(Step { kind, resource: tree(&resource)?, version, details: Vec::new() });
        }
    }
    if !steps.is_empty() {
        holder.take(&steps).await?;
    }
    Ok(format!("{} resources written, {unchanged} as they should be.", steps.len()))
}

/// Lets the open runs of an earlier version go on under the latest.
///
/// # Errors
/// When the latest version does not say how, and, after everything else is done, when a run has to stay.
pub(crate) async fn migrate(record: Record, code: &str, from: &str) -> Outcome<String> {
    let engine = Engine::new(record);
    engine.learn().await.map_err(|error| describe(&error))?;
    let done = engine.migrate(&Caller::system("SYSADMIN"), code, from).await.map_err(|error| describe(&error))?;
    let moved = format!("{} runs go on under the latest version, {} stay.", done.moved, done.stayed.len());
    if done.stayed.is_empty() {
        return Ok(moved);
    }
    let stayed = done.stayed.iter().map(|(run, error)| format!("{run}: {}\n", describe(error)));
    Err(format!("{}{moved}", stayed.collect::<String>()))
}

/// Puts the lines that come with the program into its record. Of a version that is stored, the stored words count, since
/// runs may have begun with it.
pub(crate) async fn install_own(engine: &Engine) -> Outcome<()> {
    for (name, texts) in lines::all() {
        let files = texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let line = Line::read(&files).map_err(|error| format!("{name}: {}", describe(&error)))?;
        let pending = engine.install(&line).await.map_err(|error| format!("{name}: {}", describe(&error)))?;
        for (resource, _) in &pending.differing {
            let id = resource.get("id").and_then(|id| id.as_str()).unwrap_or_default();
            tracing::warn!(line = name, id, "a protocol is stored in other words than the program's; they stay");
        }
    }
    Ok(())
}

/// What is stored under the names of these resources.
async fn stored(holder: &Holder, wanted: &[Value]) -> Outcome<Vec<Value>> {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in wanted {
        let text = |name: &str| resource.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        ids.entry(text("resourceType")).or_default().push(text("id"));
    }
    let mut stored = Vec::new();
    for (type_, ids) in ids {
        for some in ids.chunks(ASKED) {
            for one in holder.find(type_, "_id", &some.join(",")).await? {
                let bytes = serde_json::to_vec(&one).expect("a tree is JSON");
                stored.push(json::parse(&bytes).map_err(|error| describe(&error))?);
            }
        }
    }
    Ok(stored)
}

/// A resource as the steps of a holder have it.
fn tree(resource: &Value) -> Outcome<serde_json::Value> {
    serde_json::from_slice(&json::to_bytes(resource)).map_err(|error| error.to_string())
}

/// The texts of a folder, by their path below it.
fn files(folder: &Path) -> Outcome<Files> {
    let mut files = Files::new();
    let mut waiting = vec![(folder.to_owned(), String::new())];
    while let Some((at, path)) = waiting.pop() {
        let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", at.display());
        for entry in std::fs::read_dir(&at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            if entry.path().is_dir() {
                if !PASSED_OVER.contains(&name.as_str()) {
                    waiting.push((entry.path(), below));
                }
            } else if name.ends_with(".toml") {
                let text = std::fs::read_to_string(entry.path());
                files.insert(
                    below,
                    text.map_err(|error| format!("{} cannot be read: {error}", entry.path().display()))?,
                );
            }
        }
    }
    if !files.keys().any(|path| path.ends_with("protocol.toml")) {
        return Err(format!("{} holds no line: there is no protocol.toml in it.", folder.display()));
    }
    Ok(files)
}
