//! Concept maps: what a code is called in another system.
//!
//! <http://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use sonic_rs::JsonValueTrait;

use super::Code;
use crate::Value;
use crate::json::{list, text};

/// What a map says of a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// Every mapping, of any equivalence.
    pub matches: Vec<Match>,
}

impl Translation {
    /// Whether some mapping holds: one that is neither `unmatched` nor `disjoint`.
    pub fn succeeds(&self) -> bool {
        self.matches.iter().any(|found| !matches!(found.equivalence.as_str(), "unmatched" | "disjoint"))
    }
}

/// A mapping of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// How the target stands to the source. <http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>
    pub equivalence: String,
    /// The system of the target.
    pub system: Option<String>,
    /// The target; none when the map says that there is none.
    pub code: Option<String>,
    /// What to show for it.
    pub display: Option<String>,
    /// The canonical URL of the map.
    pub source: Option<String>,
}

impl Translation {
    /// What `map` says of `code`, into `target_system` when one is given; with `reverse`, of targets that map to it.
    pub fn new(map: &Value, code: Code<'_>, target_system: Option<&str>, reverse: bool) -> Self {
        let mut translation = Self::default();
        for group in list(map, "group") {
            let (source, target) = (text(group, "source"), text(group, "target"));
            let (from, to) = if reverse { (target, source) } else { (source, target) };
            let is_other =
                |wanted: Option<&str>, found: Option<&str>| wanted.is_some() && found.is_some() && wanted != found;
            if is_other(code.system, from) || is_other(target_system, to) {
                continue;
            }
            let before = translation.matches.len();
            for element in list(group, "element") {
                for mapping in list(element, "target") {
                    let (known, found) = if reverse { (mapping, element) } else { (element, mapping) };
                    if text(known, "code") == Some(code.code) {
                        translation.matches.push(Match {
                            equivalence: text(mapping, "equivalence")
                                .map_or_else(|| "equivalent".to_owned(), |text| turned(text, reverse)),
                            system: to.map(str::to_owned),
                            code: text(found, "code").map(str::to_owned),
                            display: text(found, "display").map(str::to_owned),
                            source: text(map, "url").map(str::to_owned),
                        });
                    }
                }
            }
            if translation.matches.len() == before && !reverse {
                translation.matches.extend(unmapped(map, group, code, to));
            }
        }
        translation
    }
}

/// The same relation seen from the target.
fn turned(equivalence: &str, reverse: bool) -> String {
    let turned = match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    };
    if reverse { turned } else { equivalence }.to_owned()
}

/// What a group says of codes it does not list.
fn unmapped(map: &Value, group: &Value, code: Code<'_>, to: Option<&str>) -> Option<Match> {
    let rule = group.get("unmapped")?;
    let (found, display) = match text(rule, "mode")? {
        "provided" => (code.code, code.display),
        "fixed" => (text(rule, "code")?, text(rule, "display")),
        _ => return None,
    };
    Some(Match {
        equivalence: "inexact".to_owned(),
        system: to.map(str::to_owned),
        code: Some(found.to_owned()),
        display: display.map(str::to_owned),
        source: text(map, "url").map(str::to_owned),
    })
}
