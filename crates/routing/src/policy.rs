//! The numbers the rules go by: read from a file, each with its source.

use std::collections::BTreeMap;

use fhir::{Category, Error, IssueCode};
use serde::Deserialize;

/// The default: what a region has that wrote none of its own.
const DEFAULT: &str = include_str!("../routing.toml");

/// A number and where it comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// Its unit, as UCUM writes it. <https://ucum.org>
    pub unit: String,
    /// Where it is from.
    pub source: String,
}

/// Every number and word of the rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    pub(crate) duty: Duty,
    pub(crate) live: Live,
    pub(crate) travel: Travel,
    pub(crate) arrival: Arrival,
    pub(crate) level: BTreeMap<String, Vec<String>>,
    pub(crate) stroke: Stroke,
    pub(crate) chest_pain: ChestPain,
    pub(crate) trauma: Trauma,
    pub(crate) obstetric: Needs,
    pub(crate) newborn: Needs,
    pub(crate) maintenance: Maintenance,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duty {
    pub(crate) status: Vec<String>,
    pub(crate) map: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Live {
    pub(crate) stale: Number,
    pub(crate) unknown: Unknown,
}

/// What becomes of a centre whose status is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unknown {
    Warn,
    Reject,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Travel {
    pub(crate) line_speed: Number,
    pub(crate) detour: Number,
    pub(crate) snap: Number,
    pub(crate) approach_speed: Number,
    pub(crate) speed: BTreeMap<String, f64>,
}

/// When a vehicle has come.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrival {
    pub(crate) within: Number,
    pub(crate) stay: Number,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Stroke {
    pub(crate) needle_window: Number,
    pub(crate) thrombectomy_window: Number,
    pub(crate) lams: Number,
    pub(crate) bypass_urban: Number,
    pub(crate) bypass_rural: Number,
    pub(crate) assumed_dnt: Number,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ChestPain {
    pub(crate) contact_to_wire: Number,
    pub(crate) assumed_d2w: Number,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Trauma {
    pub(crate) highest_within: Number,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Needs {
    #[serde(default)]
    pub(crate) need: Vec<Need>,
}

/// What somebody needs of whom this is so.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Need {
    #[serde(default)]
    pub(crate) colours: Vec<String>,
    pub(crate) weeks_below: Option<u32>,
    pub(crate) level: Option<String>,
    pub(crate) capability: Option<String>,
    pub(crate) source: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Maintenance {
    pub(crate) needles_in_time: Number,
    pub(crate) refusals: Number,
}

impl Policy {
    /// Reads a file of numbers.
    ///
    /// # Errors
    /// As [`Category::Invalid`], with the line, when something is missing, unknown or not a number one can go by.
    pub fn read(text: &str) -> Result<Self, Error> {
        let policy: Self = toml::from_str(text).map_err(|error| {
            Error::new(Category::Invalid, IssueCode::Value, format!("The rules of routing cannot be read: {error}"))
        })?;
        policy.check()?;
        Ok(policy)
    }

    /// The rank of a level within its pathway, from 1; none for one that is not among those named.
    pub(crate) fn rank(&self, pathway: &str, level: &str) -> Option<usize> {
        Some(self.level.get(pathway)?.iter().position(|one| one == level)? + 1)
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::new(Category::Invalid, IssueCode::Value, what));
        let stroke = &self.stroke;
        let above_zero = [
            ("live.stale", &self.live.stale),
            ("travel.line-speed", &self.travel.line_speed),
            ("travel.detour", &self.travel.detour),
            ("travel.snap", &self.travel.snap),
            ("travel.approach-speed", &self.travel.approach_speed),
            ("arrival.within", &self.arrival.within),
            ("arrival.stay", &self.arrival.stay),
            ("stroke.needle-window", &stroke.needle_window),
            ("stroke.thrombectomy-window", &stroke.thrombectomy_window),
            ("stroke.lams", &stroke.lams),
            ("stroke.bypass-urban", &stroke.bypass_urban),
            ("stroke.bypass-rural", &stroke.bypass_rural),
            ("stroke.assumed-dnt", &stroke.assumed_dnt),
            ("chest-pain.contact-to-wire", &self.chest_pain.contact_to_wire),
            ("chest-pain.assumed-d2w", &self.chest_pain.assumed_d2w),
            ("trauma.highest-within", &self.trauma.highest_within),
            ("maintenance.needles-in-time", &self.maintenance.needles_in_time),
            ("maintenance.refusals", &self.maintenance.refusals),
        ];
        for (name, number) in above_zero {
            if !(number.value.is_finite() && number.value > 0.0) {
                return wrong(format!("{name} of the rules of routing must be a number above 0."));
            }
            if number.source.trim().is_empty() {
                return wrong(format!("{name} of the rules of routing has no source."));
            }
        }
        if let Some((class, _)) = self.travel.speed.iter().find(|(_, speed)| !(speed.is_finite() && **speed > 0.0)) {
            return wrong(format!("travel.speed.{class} of the rules of routing must be a number above 0."));
        }
        for (pathway, needs) in [("obstetric", &self.obstetric), ("newborn", &self.newborn)] {
            for need in &needs.need {
                if need.source.trim().is_empty() {
                    return wrong(format!("A need of {pathway} in the rules of routing has no source."));
                }
                if let Some(level) = need.level.as_deref().filter(|level| self.rank(pathway, level).is_none()) {
                    return wrong(format!("The rules of routing name no level {level} of {pathway}."));
                }
            }
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::read(DEFAULT).expect("the rules that come with the program are sound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_a_source_or_below_zero_is_refused() {
        assert_eq!(Policy::default(), Policy::read(DEFAULT).unwrap());
        let without = DEFAULT.replacen("source = \"design default, docs/decisions/routing.md\"", "source = \"\"", 1);
        assert!(Policy::read(&without).unwrap_err().to_string().contains("live.stale"));
        let negative = DEFAULT.replacen("stale = { value = 15", "stale = { value = -15", 1);
        assert!(Policy::read(&negative).unwrap_err().to_string().contains("above 0"));
        assert!(Policy::read(&format!("{DEFAULT}\n[zebra]\na = 1")).is_err());
        let level = DEFAULT.replacen("level = \"province\"", "level = \"planet\"", 1);
        assert!(Policy::read(&level).unwrap_err().to_string().contains("planet"));
    }
}
