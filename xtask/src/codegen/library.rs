//! The library: value sets, code systems, concept maps and structure definitions as JSON text,
//! in frames small enough to be opened one at a time.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Failure, Source, compress, text};

/// Bytes of JSON after which a frame is closed: large enough to compress well, small enough to open at once.
const FRAME: usize = 192 * 1024;

/// The index (`type url frame-offset frame-length offset length`, a line each) and the frames one after another.
pub(super) fn pack(source: &Source) -> Result<(String, Vec<u8>), Failure> {
    let mut entries = BTreeMap::new();
    for kind in ["CodeSystem", "ConceptMap", "StructureDefinition", "ValueSet"] {
        for resource in source.resources(kind, |_| true) {
            let mut resource = resource.clone();
            slim(&mut resource);
            // An element's `short` says in a line what its definition says in a page.
            if let Some(elements) = resource["snapshot"]["element"].as_array_mut() {
                for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                    element.remove("definition");
                }
            }
            // The package names a few tables twice; the first is as good as the second.
            entries.entry((kind, text(&resource, "url").to_owned())).or_insert(serde_json::to_string(&resource)?);
        }
    }
    let (mut index, mut frames) = (String::new(), Vec::new());
    let (mut frame, mut members) = (String::new(), Vec::new());
    let mut close = |frame: &mut String, members: &mut Vec<(&str, String, usize, usize)>| -> Result<(), Failure> {
        let bytes = compress(frame.as_bytes())?;
        for (kind, url, offset, length) in members.drain(..) {
            index.push_str(&format!("{kind}\t{url}\t{}\t{}\t{offset}\t{length}\n", frames.len(), bytes.len()));
        }
        frames.extend(bytes);
        frame.clear();
        Ok(())
    };
    for ((kind, url), json) in entries {
        members.push((kind, url, frame.len(), json.len()));
        frame.push_str(&json);
        if frame.len() >= FRAME {
            close(&mut frame, &mut members)?;
        }
    }
    close(&mut frame, &mut members)?;
    Ok((index, frames))
}

/// Removes what nothing here reads and no client of a server needs to work.
fn slim(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(slim),
        Value::Object(members) => {
            // `text` is narrative at the top and prose elsewhere; only the narrative goes.
            members.retain(|name, value| match name.as_str() {
                "text" => !value.is_object(),
                "meta" | "contact" | "mapping" | "comment" | "requirements" | "alias" | "xpath"
                | "isModifierReason" => false,
                "extension" | "example" | "meaningWhenMissing" | "orderMeaning" => false,
                _ => true,
            });
            if let Some(Value::Array(designations)) = members.get_mut("designation") {
                designations.retain(|designation| matches!(text(designation, "language"), "" | "en" | "zh" | "zh-CN"));
            }
            members.retain(|_, value| !matches!(value, Value::Array(items) if items.is_empty()));
            members.values_mut().for_each(slim);
        }
        _ => {}
    }
}
