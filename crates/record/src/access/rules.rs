//! The rules: who may do what through which relation, read from a file and checked word by word.

use std::collections::BTreeMap;
use std::ops::Range;

use fhir::Error;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use toml::Spanned;

use super::duties::DUTIES;
use crate::ResourceType;

/// The rules that hold where a consortium has none of its own.
pub(crate) const DEFAULT: &str = include_str!("../../rules.toml");

/// A patient towards their own record.
pub(crate) const PATIENT: &str = "patient";

/// Someone towards the record of a person they act for.
pub(crate) const PROXY: &str = "proxy";

/// What joins a caller to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Nothing is asked of the relation.
    Anyone,
    /// The resource belongs to no patient.
    Nobody,
    /// The resource is the caller's institution's.
    Keeper,
    /// The resource itself is addressed to the caller or their institution.
    Addressed,
    /// The patient is on a visit at the caller's institution.
    Treats,
    /// The patient was referred to the caller's institution.
    ReferredTo,
    /// The caller's institution referred the patient.
    ReferredFrom,
    /// The caller's institution was asked to read or to do something for the patient.
    ReadsFor,
    /// The patient has a family doctor's contract there.
    Contracted,
    /// The patient is registered there.
    Registered,
    /// An institution under the same direct management treats the patient or has a contract with them.
    Group,
    /// The caller opened the record in an emergency.
    Emergency,
    /// The patient is the caller.
    Own,
    /// The caller acts for the patient.
    Proxy,
}

impl Relation {
    /// Every relation, as the rules file spells it.
    pub(crate) const ALL: [(&'static str, Self); 14] = [
        ("anyone", Self::Anyone),
        ("nobody", Self::Nobody),
        ("keeper", Self::Keeper),
        ("addressed", Self::Addressed),
        ("treats", Self::Treats),
        ("referred-to", Self::ReferredTo),
        ("referred-from", Self::ReferredFrom),
        ("reads-for", Self::ReadsFor),
        ("contracted", Self::Contracted),
        ("registered", Self::Registered),
        ("group", Self::Group),
        ("emergency", Self::Emergency),
        ("self", Self::Own),
        ("proxy", Self::Proxy),
    ];

    /// The word of the rules file, a code of <https://qingshan.dev/fhir/CodeSystem/relation>.
    pub fn code(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, relation)| *relation == self);
        found.map(|(code, _)| *code).expect("every relation is listed")
    }
}

/// A set of resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Types([u64; 3]);

impl Types {
    pub(crate) fn insert(&mut self, type_: i64) {
        if let Some((word, bit)) = place(type_) {
            self.0[word] |= bit;
        }
    }

    pub(crate) fn contains(&self, type_: i64) -> bool {
        place(type_).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    pub(crate) fn common(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn numbers(self) -> impl Iterator<Item = i64> {
        ResourceType::all().map(ResourceType::number).filter(move |number| self.contains(*number))
    }
}

impl FromIterator<i64> for Types {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        let mut types = Self::default();
        numbers.into_iter().for_each(|number| types.insert(number));
        types
    }
}

fn place(type_: i64) -> Option<(usize, u64)> {
    let at = usize::try_from(type_).ok().filter(|at| *at < 192)?;
    Some((at / 64, 1 << (at % 64)))
}

/// One permission.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) to: Vec<&'static str>,
    pub(crate) through: Vec<Relation>,
    pub(crate) read: Types,
    pub(crate) write: Types,
    /// Labels it opens besides.
    pub(crate) labels: i64,
    /// Labels that whoever writes through it may take off again.
    pub(crate) takes_off: i64,
    /// When not 0, it is for resources alone that bear one of these labels.
    pub(crate) only: i64,
    /// It lets change only what no institution keeps.
    pub(crate) unkept: bool,
    /// Purposes of use it is for; any when there are none.
    pub(crate) purposes: Vec<String>,
    /// Whether it holds even where the patient refused.
    pub(crate) despite_refusal: bool,
}

/// A label and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) bit: i64,
    types: Types,
    unless: Vec<(Box<str>, Box<str>)>,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) grants: Vec<Grant>,
    pub(crate) labels: Vec<Label>,
    /// Labels that nobody but the keeper may open.
    pub(crate) keeper_only: i64,
    /// Labels by system and the beginning of a code, and whether it must be the whole of a security label.
    codes: FxHashMap<Box<str>, Vec<(Box<str>, i64)>>,
    security: FxHashMap<Box<str>, Vec<(Box<str>, i64)>>,
    referral: Vec<(Box<str>, Box<str>)>,
    contract: Vec<(Box<str>, Box<str>)>,
    /// How long ties outlast what made them, in microseconds.
    pub(crate) after: After,
}

/// How long ties outlast what made them, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After {
    pub(crate) treats: i64,
    pub(crate) referred: i64,
    pub(crate) reads: i64,
    /// How long an emergency access lasts.
    pub(crate) emergency: i64,
    /// How long before and after its time an appointment tells that somebody is expected.
    pub(crate) booked: i64,
}

impl Rules {
    /// Reads and checks a rules file. Every word that is not known is an error that names its line.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line(text, &span));
            invalid(line, error.message().trim_end_matches('.'))
        })?;
        let reader = Reader { text, file: &file };
        let (mut codes, mut security) = (FxHashMap::default(), FxHashMap::default());
        let (mut labels, mut keeper_only) = (Vec::<Label>::new(), 0);
        for entry in &file.label {
            let label = reader.label(entry, &labels)?;
            for (sources, into) in [(&entry.codes, &mut codes), (&entry.security, &mut security)] {
                for source in sources {
                    let known: &mut Vec<(Box<str>, i64)> = into.entry(source.system.as_str().into()).or_default();
                    known.extend(source.words().map(|word| (word.into(), label.bit)));
                }
            }
            if entry.keeper_only {
                keeper_only |= label.bit;
            }
            labels.push(label);
        }
        let grants: Vec<Grant> =
            file.grant.iter().map(|grant| reader.grant(grant, &labels)).collect::<Result<_, _>>()?;
        reader.emergency_opens_nothing_else(&grants)?;
        let hours = |hours: u32| i64::from(hours) * 3_600_000_000;
        Ok(Self {
            grants,
            labels,
            keeper_only,
            codes,
            security,
            referral: pairs(&file.ties.referral.codes),
            contract: pairs(&file.ties.contract.codes),
            after: After {
                treats: hours(file.ties.treats_hours_after),
                referred: hours(file.ties.referred_hours_after),
                reads: hours(file.ties.reads_hours_after),
                emergency: hours(file.ties.emergency_hours),
                booked: hours(file.ties.booked_hours_around),
            },
        })
    }

    /// The labels one code of a resource gives it.
    pub(crate) fn label_of_code(&self, system: &str, code: &str) -> i64 {
        let known = self.codes.get(system).into_iter().flatten();
        known.filter(|(begin, _)| code.starts_with(&**begin)).fold(0, |bits, (_, bit)| bits | bit)
    }

    /// The labels one of `meta.security` gives.
    pub(crate) fn label_of_security(&self, system: &str, code: &str) -> i64 {
        let known = self.security.get(system).into_iter().flatten();
        known.filter(|(whole, _)| code == &**whole).fold(0, |bits, (_, bit)| bits | bit)
    }

    /// The labels every resource of a type bears unless one of its security labels says otherwise.
    pub(crate) fn label_of_type(&self, type_: i64, security: &[(&str, &str)]) -> i64 {
        let says = |(system, code): &(Box<str>, Box<str>)| security.contains(&(&**system, &**code));
        let given = self.labels.iter().filter(|label| label.types.contains(type_) && !label.unless.iter().any(says));
        given.fold(0, |bits, label| bits | label.bit)
    }

    /// Whether a code says that a request is a referral.
    pub(crate) fn is_referral(&self, system: &str, code: &str) -> bool {
        self.referral.iter().any(|(known, word)| &**known == system && &**word == code)
    }

    /// Whether a code says that a care team is a family doctor's contract.
    pub(crate) fn is_contract(&self, system: &str, code: &str) -> bool {
        self.contract.iter().any(|(known, word)| &**known == system && &**word == code)
    }

    /// The bit of a label.
    pub(crate) fn label(&self, name: &str) -> Option<i64> {
        self.labels.iter().find(|label| label.name == name).map(|label| label.bit)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ties: TiesEntry,
    #[serde(default)]
    label: Vec<LabelEntry>,
    types: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    roles: BTreeMap<String, Vec<Spanned<String>>>,
    grant: Vec<GrantEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TiesEntry {
    treats_hours_after: u32,
    referred_hours_after: u32,
    reads_hours_after: u32,
    emergency_hours: u32,
    #[serde(default = "a_day")]
    booked_hours_around: u32,
    referral: CodesEntry,
    contract: CodesEntry,
}

/// For rules that were written before there was this setting.
const fn a_day() -> u32 {
    24
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodesEntry {
    codes: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LabelEntry {
    name: Spanned<String>,
    bit: u32,
    #[serde(default)]
    keeper_only: bool,
    #[serde(default)]
    types: Vec<Spanned<String>>,
    #[serde(default)]
    security: Vec<Source>,
    #[serde(default)]
    unless: Vec<Source>,
    #[serde(default)]
    codes: Vec<Source>,
}

/// Codes of a system: whole ones, or beginnings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    system: String,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    begin: Vec<String>,
}

impl Source {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.codes.iter().chain(&self.begin).map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GrantEntry {
    /// Why, for whoever reads the file.
    #[serde(rename = "reason")]
    _reason: String,
    to: Vec<Spanned<String>>,
    through: Vec<Spanned<String>>,
    #[serde(default)]
    read: Vec<Spanned<String>>,
    #[serde(default)]
    write: Vec<Spanned<String>>,
    #[serde(default)]
    labels: Vec<Spanned<String>>,
    #[serde(default)]
    takes_off: Vec<Spanned<String>>,
    #[serde(default)]
    only: Vec<Spanned<String>>,
    unkept: Option<Spanned<bool>>,
    #[serde(default)]
    purposes: Vec<String>,
    #[serde(default)]
    despite_refusal: bool,
}

struct Reader<'f> {
    text: &'f str,
    file: &'f File,
}

impl Reader<'_> {
    fn refuse<T>(&self, word: &Spanned<String>, what: &str) -> Result<T, Error> {
        Err(invalid(line(self.text, &word.span()), &format!("“{}” {what}", word.get_ref())))
    }

    fn label(&self, entry: &LabelEntry, before: &[Label]) -> Result<Label, Error> {
        if entry.bit > 30 {
            return self.refuse(&entry.name, "has a bit above 30");
        }
        let bit = 1 << entry.bit;
        if before.iter().any(|label| label.bit == bit || label.name == *entry.name.get_ref()) {
            return self.refuse(&entry.name, "has the name or the bit of another label");
        }
        let types = self.types(&entry.types)?;
        Ok(Label { name: entry.name.get_ref().clone(), bit, types, unless: pairs(&entry.unless) })
    }

    fn grant(&self, entry: &GrantEntry, labels: &[Label]) -> Result<Grant, Error> {
        let bits = |names: &[Spanned<String>]| {
            names.iter().try_fold(0, |bits, name| match labels.iter().find(|label| label.name == *name.get_ref()) {
                Some(label) => Ok(bits | label.bit),
                None => self.refuse(name, "is not a label of this file"),
            })
        };
        let mut through = Vec::new();
        for word in &entry.through {
            match Relation::ALL.iter().find(|(code, _)| code == word.get_ref()) {
                Some((_, relation)) => through.push(*relation),
                None => return self.refuse(word, "is not a relation"),
            }
        }
        let mut to = Vec::new();
        for word in &entry.to {
            self.role(word, &mut to)?;
        }
        to.sort_unstable();
        to.dedup();
        let opened = bits(&entry.labels)?;
        for name in &entry.takes_off {
            if bits(std::slice::from_ref(name))? & !opened != 0 || entry.write.is_empty() {
                return self.refuse(name, "is not a label that this grant opens for writing");
            }
        }
        if let (Some(unkept), false) = (&entry.unkept, entry.read.is_empty()) {
            let text = "“unkept” is about what may be changed; give what may be read a grant of its own";
            return Err(invalid(line(self.text, &unkept.span()), text));
        }
        Ok(Grant {
            to,
            through,
            read: self.types(&entry.read)?,
            write: self.types(&entry.write)?,
            labels: opened,
            takes_off: bits(&entry.takes_off)?,
            only: bits(&entry.only)?,
            unkept: entry.unkept.as_ref().is_some_and(|unkept| *unkept.get_ref()),
            purposes: entry.purposes.clone(),
            despite_refusal: entry.despite_refusal,
        })
    }

    fn role(&self, word: &Spanned<String>, to: &mut Vec<&'static str>) -> Result<(), Error> {
        let duty = |word: &str| DUTIES.iter().map(|duty| duty.code).find(|code| *code == word);
        let known = duty(word.get_ref()).or([PATIENT, PROXY].into_iter().find(|role| role == word.get_ref()));
        match (known, self.file.roles.get(word.get_ref())) {
            (Some(duty), _) => to.push(duty),
            (None, Some(duties)) => {
                for word in duties {
                    match duty(word.get_ref()) {
                        Some(code) => to.push(code),
                        None => return self.refuse(word, "is not a duty"),
                    }
                }
            }
            (None, None) => return self.refuse(word, "is neither a duty nor a role of this file"),
        }
        Ok(())
    }

    fn types(&self, words: &[Spanned<String>]) -> Result<Types, Error> {
        let mut types = Types::default();
        for word in words {
            let group = self.file.types.get(word.get_ref());
            for name in group.map_or(std::slice::from_ref(word), Vec::as_slice) {
                match ResourceType::named(name.get_ref()) {
                    Some(type_) => types.insert(type_.number()),
                    None => return self.refuse(name, "is neither a resource type nor a kind of this file"),
                }
            }
        }
        Ok(types)
    }

    /// An emergency opens to a duty no type that no other relation opens to it.
    fn emergency_opens_nothing_else(&self, grants: &[Grant]) -> Result<(), Error> {
        for (grant, entry) in grants.iter().zip(&self.file.grant) {
            if !grant.through.contains(&Relation::Emergency) {
                continue;
            }
            for duty in &grant.to {
                let others = grants.iter().filter(|other| other.to.contains(duty));
                let others = others.filter(|other| other.through.iter().any(|through| *through != Relation::Emergency));
                let open = others.fold(Types::default(), |types, other| types.union(other.read));
                let widened = grant.read.numbers().any(|type_| !open.contains(type_)) || !grant.write.is_empty();
                if widened && let Some(word) = entry.through.first() {
                    return self.refuse(word, &format!("opens to {duty} what no other relation opens"));
                }
            }
        }
        Ok(())
    }
}

fn pairs(sources: &[Source]) -> Vec<(Box<str>, Box<str>)> {
    sources.iter().flat_map(|source| source.words().map(|word| (source.system.as_str().into(), word.into()))).collect()
}

fn line(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).map_or(0, |before| before.matches('\n').count() + 1)
}

fn invalid(line: usize, what: &str) -> Error {
    Error::invalid(format!("The access rules cannot be used: line {line}: {what}."))
}

/// The kinds of resource that a rules file names.
#[cfg(test)]
pub(super) fn kinds(text: &str) -> Result<BTreeMap<String, Types>, Error> {
    let file: File = toml::from_str(text).map_err(Error::fault)?;
    let reader = Reader { text, file: &file };
    file.types.iter().map(|(name, types)| Ok((name.clone(), reader.types(types)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(from: &str, to: &str) -> String {
        let text = DEFAULT.replacen(from, to, 1);
        assert_ne!(text, DEFAULT);
        Rules::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn every_type_stands_in_one_kind_of_the_default_rules() {
        let file: File = toml::from_str(DEFAULT).unwrap();
        for type_ in ResourceType::all() {
            let kinds = file.types.values().filter(|types| types.iter().any(|name| name.get_ref() == type_.name()));
            assert_eq!(kinds.count(), 1, "{type_}");
        }
    }

    #[test]
    fn everyone_on_duty_is_staff_by_the_default_rules() {
        let file: File = toml::from_str(DEFAULT).unwrap();
        let staff: Vec<&str> = file.roles["staff"].iter().map(|duty| duty.get_ref().as_str()).collect();
        assert_eq!(staff, DUTIES.map(|duty| duty.code));
    }

    #[test]
    fn a_word_that_is_not_known_is_refused_with_its_line() {
        for (from, to, what) in [
            ("to = [\"staff\"]", "to = [\"stuff\"]", "“stuff” is neither a duty nor a role"),
            ("through = [\"nobody\"]", "through = [\"everyone\"]", "“everyone” is not a relation"),
            (
                "read = [\"directory\", \"knowledge\"]",
                "read = [\"directories\"]",
                "“directories” is neither a resource",
            ),
            ("only = [\"person-review\"]", "only = [\"person\"]", "“person” is not a label"),
            ("takes-off = [\"minors-mailbox\"]", "takes-off = [\"own-notes\"]", "“own-notes” is not a label that this"),
            ("unkept = true", "unkept = true\nread = [\"result\"]", "“unkept” is about what may be changed"),
            ("despite-refusal = true\n", "despite_refusal = true\n", "unknown field"),
        ] {
            let text = refusal(from, to);
            let line = DEFAULT[..DEFAULT.find(from).unwrap()].matches('\n').count() + 1;
            assert!(text.contains(what) && text.contains(&format!("line {line}:")), "{text}");
        }
    }

    #[test]
    fn an_emergency_opens_no_type_that_nothing_else_opens() {
        let text = refusal(
            "through = [\"emergency\"]\nread = [\"visit\"",
            "through = [\"emergency\"]\nread = [\"money\", \"visit\"",
        );
        assert!(text.contains("what no other relation opens"), "{text}");
    }

    #[test]
    fn codes_and_security_labels_give_labels() {
        let rules = Rules::parse(DEFAULT).unwrap();
        let bit = |name: &str| rules.label(name).unwrap();
        assert_eq!(rules.label_of_code("http://hl7.org/fhir/sid/icd-10", "F32.1"), bit("mental-health"));
        assert_eq!(rules.label_of_code("http://hl7.org/fhir/sid/icd-10", "I63.9"), 0);
        assert_eq!(rules.label_of_security("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HIV"), bit("hiv"));
        assert_eq!(rules.label_of_security("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HIVX"), 0);
        let impression = ResourceType::named("ClinicalImpression").unwrap().number();
        let shared = ("https://qingshan.dev/fhir/CodeSystem/sharing", "shared");
        assert_eq!(rules.label_of_type(impression, &[]), bit("own-notes"));
        assert_eq!(rules.label_of_type(impression, &[shared]), 0);
    }
}
