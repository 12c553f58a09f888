//! Who may use whom: the arrows written in ARCHITECTURE.md equal those Cargo sees.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;
use crate::shell::{Outcome, cargo, output_of, root};

/// Crates that speak to a database, and who may use them.
const DRIVERS: &[&str] = &["rusqlite", "libsqlite3-sys", "tokio-postgres", "postgres", "deadpool-postgres", "sqlx"];
const DRIVER_USERS: &[&str] = &["record"];
/// Crates that serve HTTP, and who may use them.
const HTTP_SERVERS: &[&str] = &["axum", "warp", "actix-web", "poem", "rocket"];
const HTTP_SERVER_USERS: &[&str] = &["api", "exchange"];
/// The one crate every other may use in its tests.
const FOR_TESTS: &str = "testkit";

/// What Cargo says about the workspace and everything it depends on.
pub(crate) struct Metadata {
    document: Value,
}

/// One crate and what it names in its manifest.
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) licence: Option<&'a str>,
    folder: &'a str,
    dependencies: Vec<Dependency<'a>>,
}

struct Dependency<'a> {
    name: &'a str,
    only_for_tests: bool,
}

impl Metadata {
    /// Asks Cargo. Crates that only other platforms build are left out, so that they need not be fetched.
    pub(crate) fn read() -> Outcome<Self> {
        let text = output_of(cargo().args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform=x86_64-unknown-linux-gnu",
        ]))?;
        let document = serde_json::from_str(&text).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
        Ok(Self { document })
    }

    /// Every crate in the graph.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        let packages = self.document["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        packages.iter().map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: package["license"].as_str(),
            folder: text(&package["manifest_path"]).trim_end_matches("/Cargo.toml"),
            dependencies: package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    only_for_tests: dependency["kind"].as_str() == Some("dev"),
                })
                .collect(),
        })
    }

    /// The workspace's own crates.
    pub(crate) fn own(&self) -> Vec<Package<'_>> {
        let root = root().to_string_lossy().into_owned();
        self.packages().filter(|package| package.folder.starts_with(&root)).collect()
    }
}

impl Package<'_> {
    /// The names of other crates in the manifest, tests included.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().map(|dependency| dependency.name)
    }

    /// The name of its folder, by which ARCHITECTURE.md calls it.
    pub(crate) fn folder_name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or_default()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compares the real graph with the drawn one.
pub(crate) fn check(metadata: &Metadata, architecture: &str) -> Outcome<Vec<Finding>> {
    let drawn = arrows(architecture)?;
    let own = metadata.own();
    let folder_of: BTreeMap<&str, &str> = own.iter().map(|package| (package.name, package.folder_name())).collect();
    let mut findings = Vec::new();
    for package in &own {
        let folder = package.folder_name();
        if package.name != folder && (package.name, folder) != ("qingshan", "server") {
            findings.push(format!("{folder}/Cargo.toml: the crate is called {}, its folder {folder}", package.name));
        }
        for driver in package.uses().filter(|name| DRIVERS.contains(name)) {
            if !DRIVER_USERS.contains(&folder) {
                findings.push(format!("{folder}/Cargo.toml: {driver} is a database driver; only record has one"));
            }
        }
        for server in package.uses().filter(|name| HTTP_SERVERS.contains(name)) {
            if !HTTP_SERVER_USERS.contains(&folder) {
                findings.push(format!("{folder}/Cargo.toml: {server} serves HTTP; only api and exchange do"));
            }
        }
        let Some(allowed) = drawn.get(folder) else {
            findings.push(format!("ARCHITECTURE.md: no arrow starts at {folder}"));
            continue;
        };
        let real: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|used| !used.only_for_tests)
            .filter_map(|used| folder_of.get(used.name).copied())
            .collect();
        for extra in real.difference(allowed) {
            findings.push(format!("{folder}/Cargo.toml: uses {extra}, which no arrow of ARCHITECTURE.md allows"));
        }
        for missing in allowed.difference(&real) {
            findings.push(format!("ARCHITECTURE.md: draws {folder} -> {missing}, which is not so"));
        }
        for used in package.dependencies.iter().filter(|used| used.only_for_tests) {
            let Some(&tested_with) = folder_of.get(used.name) else { continue };
            // The program as a whole is tested from outside; everything else reaches only what it may use anyway.
            if tested_with != FOR_TESTS && !allowed.contains(tested_with) && !allowed.is_empty() {
                findings.push(format!("{folder}/Cargo.toml: tests with {tested_with}, beyond its arrows"));
            }
        }
    }
    let folders: BTreeSet<&str> = folder_of.values().copied().collect();
    for name in drawn.keys().filter(|name| !folders.contains(*name)) {
        findings.push(format!("ARCHITECTURE.md: draws {name}, which does not exist"));
    }
    Ok(findings)
}

/// The block of ARCHITECTURE.md fenced as `arrows`: one crate a line, then what it may use.
fn arrows(architecture: &str) -> Outcome<BTreeMap<&str, BTreeSet<&str>>> {
    let block = architecture
        .split_once("```arrows\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block)
        .ok_or("ARCHITECTURE.md has no block fenced as arrows")?;
    block
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (from, to) = line.split_once("->").ok_or_else(|| format!("ARCHITECTURE.md: not an arrow: {line}"))?;
            let to = to.split(',').map(str::trim).filter(|name| *name != "nothing").collect();
            Ok((from.trim(), to))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_read_from_their_block_only() {
        let page = "a -> b\n```arrows\nrecord  -> fhir\nfhir    -> nothing\napi -> record, fhir\n```\nc -> d";
        let drawn = arrows(page).unwrap();
        assert_eq!(drawn.len(), 3);
        assert!(drawn["fhir"].is_empty());
        assert_eq!(drawn["api"], BTreeSet::from(["fhir", "record"]));
    }

    fn metadata(dependency: &str, kind: &str) -> Metadata {
        let root = root().display().to_string();
        let package = |name: &str, used: &str| {
            format!(
                r#"{{"name":"{name}","version":"1.0.0","manifest_path":"{root}/crates/{name}/Cargo.toml",
                    "dependencies":[{{"name":"{used}","kind":{kind}}}]}}"#
            )
        };
        let document = format!(r#"{{"packages":[{},{}]}}"#, package("api", dependency), package("fhir", "jiff"));
        Metadata { document: serde_json::from_str(&document).unwrap() }
    }

    #[test]
    fn a_dependency_without_an_arrow_is_found_and_an_arrow_without_a_dependency_too() {
        let drawn = "```arrows\napi -> nothing\nfhir -> nothing\n```";
        assert_eq!(check(&metadata("fhir", "null"), drawn).unwrap().len(), 1);
        let drawn = "```arrows\napi -> fhir\nfhir -> nothing\n```";
        assert_eq!(check(&metadata("fhir", "null"), drawn).unwrap(), Vec::<Finding>::new());
        assert_eq!(check(&metadata("bytes", "null"), drawn).unwrap().len(), 1);
    }

    #[test]
    fn a_database_driver_outside_the_record_is_found_even_in_tests() {
        let drawn = "```arrows\napi -> nothing\nfhir -> nothing\n```";
        let findings = check(&metadata("rusqlite", r#""dev""#), drawn).unwrap();
        assert!(findings.iter().any(|finding| finding.contains("database driver")), "{findings:?}");
    }
}
