//! What agreement and disagreement are worth: `person.toml`, or a file that differs from it in some keys.

use fhir::{Category, Error, IssueCode};
use serde::Deserialize;
use toml::{Table, Value};

/// Weights, thresholds and rules by which registrations are told to be of one person.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    pub(super) population: Population,
    pub(super) certainty: Certainty,
    pub(super) identifiers: Identifiers,
    pub(super) candidates: Candidates,
    pub(super) names: Names,
    pub(super) resident_id: ResidentIds,
    pub(super) unique: Unique,
    pub(super) birth: Birth,
    pub(super) sex: Sexes,
    pub(super) phone: Phones,
    pub(super) address: Addresses,
    pub(super) rules: Rules,
}

macro_rules! section {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
    };
}

section!(Population { people: u64, usual_name: f64, usual_weight: f64 });
section!(Certainty { link: f64, review: f64, show: f64 });
section!(Identifiers { resident_id: Vec<String>, unique: Vec<String> });
section!(Candidates { block: usize, most: usize });
section!(Names {
    nameless: Vec<String>,
    commonest: f64,
    rarest: f64,
    sound_less: f64,
    swapped_less: f64,
    near: f64,
    family: f64,
    different: f64,
});
section!(ResidentIds { same: f64, doubtful: f64, near: f64, different: f64 });
section!(Unique { same: f64, different: f64 });
section!(Birth { same: f64, near: f64, lunar_days: i32, part: f64, different: f64 });
section!(Sexes { same: f64, different: f64 });
section!(Phones { same: f64, near: f64, different: f64 });
section!(Addresses { same: f64, close: f64, area: f64, different: f64 });
section!(Rules { enough: Vec<Vec<Field>>, never: Vec<Vec<Field>> });

/// A field that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The resident identity number.
    ResidentId,
    /// A number of another system in which each is given to one person.
    Unique,
    /// The name.
    Name,
    /// The birth date.
    Birth,
    /// The sex.
    Sex,
    /// Telephone numbers.
    Phone,
    /// Addresses.
    Address,
}

impl Field {
    /// Its name in the settings and in what a registrar is shown.
    pub fn code(self) -> &'static str {
        match self {
            Self::ResidentId => "resident_id",
            Self::Unique => "unique",
            Self::Name => "name",
            Self::Birth => "birth",
            Self::Sex => "sex",
            Self::Phone => "phone",
            Self::Address => "address",
        }
    }
}

const DEFAULTS: &str = include_str!("../../person.toml");

impl Default for Matching {
    fn default() -> Self {
        Self::merged("").expect("the defaults are complete")
    }
}

impl Matching {
    /// The defaults, but for what stands in `text`, which is TOML.
    ///
    /// Fails with [`Category::Invalid`] when it is no TOML, or holds a key or a kind of value the defaults do not.
    pub fn merged(text: &str) -> Result<Self, Error> {
        let mut all: Table = DEFAULTS.parse().map_err(wrong)?;
        let own: Table = text.parse().map_err(wrong)?;
        for (section, values) in own {
            let known = all.get_mut(&section).and_then(Value::as_table_mut);
            let Some(known) = known else { return Err(wrong(format!("there is no section [{section}]"))) };
            let Value::Table(values) = values else { return Err(wrong(format!("{section} is a section"))) };
            for (key, value) in values {
                match known.get_mut(&key) {
                    Some(Value::Float(kept)) if value.is_integer() => {
                        *kept = value.as_integer().unwrap_or_default() as f64;
                    }
                    Some(kept) => *kept = value,
                    None => return Err(wrong(format!("there is no {key} in [{section}]"))),
                }
            }
        }
        let matching: Self = all.try_into().map_err(wrong)?;
        let Certainty { link, review, show } = matching.certainty;
        if !(0.0 < show && show <= review && review <= link && link < 1.0) {
            return Err(wrong("in [certainty], 0 < show ≤ review ≤ link < 1"));
        }
        Ok(matching)
    }

    /// A key that more registrations share than this tells nothing, and is left out.
    pub fn block(&self) -> usize {
        self.candidates.block
    }
}

fn wrong(what: impl std::fmt::Display) -> Error {
    let text = format!("The rules for telling people apart cannot be used: {}.", what.to_string().trim_end());
    Error::new(Category::Invalid, IssueCode::Value, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ones_own_holds_only_what_differs() {
        let own = Matching::merged("[certainty]\nlink = 0.9999\n[sex]\nsame = 2").unwrap();
        assert_eq!((own.certainty.link, own.sex.same), (0.9999, 2.0));
        assert_eq!(own.birth, Matching::default().birth);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for (text, named) in [
            ("[sex]\nsome = 1", "no some in [sex]"),
            ("[sax]\nsame = 1", "no section [sax]"),
            ("[sex]\nsame = 'much'", "f64"),
            ("[rules]\nnever = [['shoe']]", "shoe"),
            ("[certainty]\nreview = 1.5", "show ≤ review"),
        ] {
            let error = Matching::merged(text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
