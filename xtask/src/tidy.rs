//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that a compiler does not hold.

mod graph;
mod licences;
mod sources;

use std::fs;

use crate::shell::{Outcome, command, output_of, root};

/// One broken rule: where and what.
type Finding = String;

/// Checks every rule; the error lists all that is broken.
pub(crate) fn run() -> Outcome<()> {
    let metadata = graph::Metadata::read()?;
    let tree = sources::Tree::read()?;
    let mut findings = Vec::new();
    findings.extend(graph::check(&metadata, &read("ARCHITECTURE.md")?)?);
    findings.extend(licences::check(&metadata, &read("deny.toml")?, &read("docs/decisions/dependencies.md")?)?);
    findings.extend(sources::check(&tree));
    if findings.is_empty() {
        return Ok(());
    }
    findings.sort();
    Err(format!("tidy found {}:\n  {}", findings.len(), findings.join("\n  ")))
}

/// A file of the workspace that must exist.
fn read(path: &str) -> Outcome<String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// The files that git keeps or would keep, as paths from the root.
fn kept_files() -> Outcome<Vec<String>> {
    let listing = output_of(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]))?;
    let mut paths: Vec<String> = listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
