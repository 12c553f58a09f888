//! Regions of invented patients, as their generators wrote them: what goes into a record and what must come out of it.
//!
//! A test judges the record by its own copy of the data, which is kept here as plain `serde_json` trees, whose numbers
//! are equal only when they are written the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use record::{Action, Change, Key, ResourceType, Target};
use serde_json::Value;

use crate::material;

/// Resources by their name, such as `Patient/7`.
pub type Resources = BTreeMap<String, Value>;

/// Some of the invented patients of one generator, with everything that belongs to them.
pub struct Region {
    /// In the order in which they are to go in.
    pub files: Vec<File>,
}

/// A file of JSON texts: one Bundle, or a resource a line.
pub struct File {
    /// Its name without folders.
    pub name: String,
    /// Its texts.
    pub texts: Vec<Vec<u8>>,
}

impl File {
    /// Whether it holds one resource a line.
    pub fn is_lines(&self) -> bool {
        self.name.ends_with(".ndjson")
    }

    /// The file as it lies on a disk.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.texts.join(&b'\n');
        bytes.push(b'\n');
        bytes
    }
}

/// American patients, each in a transaction: the institutions, the practitioners, then at most `patients` people.
///
/// None, said on behalf of `test`, when the material is not there.
pub fn synthea(test: &str, patients: usize) -> Option<Region> {
    let (mut shared, mut people) = (Vec::new(), Vec::new());
    material::each_file(test, "fhir/synthea-r4-150.tar.gz", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let is_shared = name.starts_with("hospital") || name.starts_with("practitioner");
        let files = if is_shared { &mut shared } else { &mut people };
        files.push(File { name, texts: vec![bytes.to_vec()] });
    })?;
    shared.sort_by(|one, other| one.name.cmp(&other.name));
    // The smallest first, so that a part of the region is quick to put in.
    people.sort_by_key(|file| file.texts[0].len());
    people.truncate(patients);
    shared.append(&mut people);
    Some(Region { files: shared })
}

/// Japanese patients of one hospital, a resource a line: the `patients` with the fewest resources, and what belongs to
/// nobody. With `usize::MAX` it is the whole region.
///
/// None, said on behalf of `test`, when the material is not there.
pub fn clinosim(test: &str, patients: usize) -> Option<Region> {
    let mut files = Vec::new();
    material::each_file(test, "fhir/clinosim-jp-206.tar.gz", |path, bytes| {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec);
        files.push(File { name: path.rsplit('/').next().unwrap_or(path).to_owned(), texts: lines.collect() });
    })?;
    if patients == usize::MAX {
        return Some(Region { files });
    }
    let owners: Vec<Vec<Option<String>>> =
        files.iter().map(|file| file.texts.iter().map(|text| owner(&parse(text))).collect()).collect();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for owner in owners.iter().flatten().flatten() {
        *sizes.entry(owner).or_default() += 1;
    }
    let mut by_size: Vec<(usize, &str)> = sizes.into_iter().map(|(owner, size)| (size, owner)).collect();
    by_size.sort_unstable();
    let chosen: BTreeSet<&str> = by_size.into_iter().take(patients).map(|(_, owner)| owner).collect();
    for (file, owners) in files.iter_mut().zip(&owners) {
        let mut owners = owners.iter();
        file.texts.retain(|_| owners.next().and_then(Option::as_deref).is_none_or(|owner| chosen.contains(owner)));
    }
    Some(Region { files })
}

/// Official examples of some resource types, each in a file of its own.
///
/// None, said on behalf of `test`, when the material is not there.
pub fn examples(test: &str, types: &[&str]) -> Option<Region> {
    let mut files = Vec::new();
    material::each_file(test, "fhir/r4-examples.tar.gz", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.split_once('-').is_some_and(|(type_, _)| types.contains(&type_)) {
            files.push(File { name: name.to_owned(), texts: vec![bytes.to_vec()] });
        }
    })?;
    Some(Region { files })
}

/// The patient to whom a resource of the Japanese region belongs.
fn owner(resource: &Value) -> Option<String> {
    if resource["resourceType"] == "Patient" {
        return Some(format!("Patient/{}", resource["id"].as_str()?));
    }
    let owner = ["subject", "patient", "beneficiary"].iter().find_map(|name| resource[name]["reference"].as_str());
    owner.map(str::to_owned)
}

impl Region {
    /// Writes the files into a folder, which is made.
    ///
    /// # Panics
    /// If the disk does not take them.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        for file in &self.files {
            std::fs::write(folder.join(&file.name), file.bytes()).expect("the disk takes the file");
        }
    }

    /// The resources of each text, in order, with what their references mean once they are stored.
    fn read(&self) -> Vec<Vec<Value>> {
        let texts = self.files.iter().flat_map(|file| &file.texts);
        texts.map(|text| resources_of(parse(text))).collect()
    }

    /// What a record holds once everything valid has gone in, by name. What comes twice is as it came last.
    pub fn resources(&self) -> Resources {
        let read = self.read().into_iter().flatten().filter(|resource| faults(resource).is_empty());
        read.map(|resource| (name(&resource), resource)).collect()
    }

    /// What must be refused: file, line, and the element that is at fault.
    pub fn refusals(&self) -> BTreeSet<(String, usize, String)> {
        let mut refusals = BTreeSet::new();
        for file in self.files.iter().filter(|file| file.is_lines()) {
            for (at, text) in file.texts.iter().enumerate() {
                refusals.extend(faults(&parse(text)).into_iter().map(|fault| (file.name.clone(), at + 1, fault)));
            }
        }
        refusals
    }

    /// Transactions that put everything valid in: one for each Bundle, and one for every few hundred lines.
    pub fn transactions(&self) -> Vec<Vec<Change>> {
        let (mut transactions, mut loose) = (Vec::new(), Vec::new());
        for (file, text) in self.files.iter().flat_map(|file| file.texts.iter().map(move |text| (file, text))) {
            let value = parse(text);
            if !file.is_lines() && value["resourceType"] == "Bundle" && value["type"] == "transaction" {
                let entries = value["entry"].as_array().expect("a transaction has entries");
                let change = |entry: &Value| change(&entry["resource"], entry["fullUrl"].as_str());
                transactions.push(entries.iter().map(change).collect());
            } else if faults(&value).is_empty() {
                loose.push(change(&value, None));
            }
        }
        while !loose.is_empty() {
            transactions.push(loose.drain(..loose.len().min(500)).collect());
        }
        transactions
    }
}

/// An update that stores a resource under the name it has.
fn change(resource: &Value, full_url: Option<&str>) -> Change {
    let type_ = resource["resourceType"].as_str().and_then(ResourceType::named).expect("the material is R4");
    let key = Key::new(type_, resource["id"].as_str().expect("the material has ids"));
    let bytes = serde_json::to_vec(resource).expect("a tree is JSON");
    let resource = fhir::json::parse(&bytes).expect("the material is JSON");
    let action = Action::Update { target: Target::Key(key), resource, if_match: None, if_absent: false };
    Change { full_url: full_url.map(str::to_owned), action }
}

/// A JSON text of the material.
///
/// # Panics
/// If it is not JSON.
pub fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("the material is JSON")
}

/// `Patient/7`.
///
/// # Panics
/// If the resource has no type or no id.
pub fn name(resource: &Value) -> String {
    let part = |name: &str| resource[name].as_str().expect("every resource of the material has a type and an id");
    format!("{}/{}", part("resourceType"), part("id"))
}

/// A resource itself, or the resources of a transaction, their references by `urn:uuid` turned into names.
fn resources_of(value: Value) -> Vec<Value> {
    if value["resourceType"] != "Bundle" || value["type"] != "transaction" {
        return vec![value];
    }
    let entries = value["entry"].as_array().expect("a transaction has entries");
    let names: BTreeMap<&str, String> =
        entries.iter().filter_map(|entry| Some((entry["fullUrl"].as_str()?, name(&entry["resource"])))).collect();
    let mut resources: Vec<Value> = entries.iter().map(|entry| entry["resource"].clone()).collect();
    resources.iter_mut().for_each(|resource| rename(resource, &names));
    resources
}

fn rename(value: &mut Value, names: &BTreeMap<&str, String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                match (member.as_str(), value.as_str().and_then(|text| names.get(text))) {
                    ("reference", Some(name)) => *value = Value::String(name.clone()),
                    _ => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// The elements at which a resource of the Japanese region leaves R4, found without the validator.
fn faults(resource: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let type_ = resource["resourceType"].as_str().unwrap_or_default();
    if type_ == "MedicationAdministration" {
        for element in ["timing", "doseAndRate"] {
            if resource["dosage"].get(element).is_some() {
                faults.push(format!("MedicationAdministration.dosage.{element}"));
            }
        }
        // The rule mad-1: a dosage says at least one of dose and rate.
        let said = |name: &str| resource["dosage"].get(name).is_some();
        if resource.get("dosage").is_some() && !["dose", "rateRatio", "rateQuantity"].into_iter().any(said) {
            faults.push("MedicationAdministration.dosage".to_owned());
        }
    }
    empty_strings(resource, type_, &mut faults);
    faults
}

fn empty_strings(value: &Value, place: &str, faults: &mut Vec<String>) {
    match value {
        Value::String(text) if text.is_empty() => faults.push(place.to_owned()),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                empty_strings(item, &format!("{place}[{at}]"), faults);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                empty_strings(value, &format!("{place}.{name}"), faults);
            }
        }
        _ => {}
    }
}
