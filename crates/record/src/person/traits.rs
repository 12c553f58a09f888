//! What is compared about a person: the fields of a Patient in a form in which the same is written alike.

use fhir::Value;
use fhir::search::{fold, reading};
use jiff::civil::Date;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::person::matching::{Field, Matching};
use crate::person::resident_id::{ResidentId, plain};

/// Male or female; whatever else is recorded says nothing about who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
}

/// What is compared about a person. Empty where nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traits {
    pub(super) resident_ids: Vec<Number>,
    /// Numbers of other systems in which each is given to one person, as `system|value`.
    pub(super) unique: Vec<String>,
    pub(super) names: Vec<Name>,
    pub(super) birth: Option<Birth>,
    pub(super) sex: Option<Sex>,
    pub(super) phones: Vec<String>,
    pub(super) addresses: Vec<Home>,
}

/// A resident identity number as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// In its plain form.
    pub(super) text: String,
    /// Whether its check digit fits and its birth date is a day.
    pub(super) is_sound: bool,
    /// Whether it names another birth date than the one beside it, and so may be somebody else's.
    pub(super) is_doubtful: bool,
}

/// A name, as written and as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// The characters, family name first, folded and without gaps.
    pub(super) whole: Vec<char>,
    /// How many of them are the family name.
    pub(super) family: usize,
    /// A syllable for each character, or the words of a name in letters.
    pub(super) sounds: Vec<String>,
    /// Whether it is written in characters, so that a name in letters can only be compared by its sounds.
    pub(super) is_han: bool,
}

/// A birth date, of which day and month may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Birth {
    pub(super) year: i16,
    pub(super) month: Option<i8>,
    pub(super) day: Option<i8>,
}

impl Birth {
    pub(super) fn date(self) -> Option<Date> {
        Date::new(self.year, self.month?, self.day?).ok()
    }
}

/// Whether two days are the same but for a slip of the hand: one digit differs, two neighbours or day and month changed
/// places, or one is the day by the lunar calendar, which is some weeks away.
pub(super) fn is_near(one: Date, other: Date, lunar_days: i32) -> bool {
    let digits = |date: Date| format!("{:04}{:02}{:02}", date.year(), date.month(), date.day()).into_bytes();
    let is_turned = one.year() == other.year() && one.month() == other.day() && one.day() == other.month();
    is_turned || (one - other).get_days().abs() <= lunar_days || is_slip(&digits(one), &digits(other))
}

/// Whether two numbers differ as a slip of the hand would make them: in one digit, or two neighbours changed places.
pub(super) fn is_slip(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let differ: Vec<usize> = (0..one.len()).filter(|&at| one[at] != other[at]).collect();
    match differ[..] {
        [_] => true,
        [first, second] => second == first + 1 && one[first] == other[second] && one[second] == other[first],
        _ => false,
    }
}

/// An address: the words before its first number, and its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) place: String,
    pub(super) numbers: Vec<String>,
}

impl Traits {
    /// The traits of a Patient.
    pub fn of(patient: &Value, matching: &Matching) -> Self {
        let birth = text(patient, "birthDate").and_then(birth);
        let (resident_ids, unique) = numbers(patient, matching, birth);
        let phones = list(patient, "telecom").iter().filter(|point| is_current(point));
        let phones = phones.filter(|point| matches!(text(point, "system"), Some("phone" | "sms")));
        Self {
            resident_ids,
            unique,
            names: each(list(patient, "name"), |name| self::name(name, matching)),
            birth,
            sex: match text(patient, "gender") {
                Some("male") => Some(Sex::Male),
                Some("female") => Some(Sex::Female),
                _ => None,
            },
            phones: phones.filter_map(|point| phone(text(point, "value")?)).collect(),
            addresses: each(list(patient, "address"), home),
        }
    }

    /// Whether nothing is known by which a person could be found again.
    pub fn is_nobody(&self) -> bool {
        self.resident_ids.is_empty() && self.unique.is_empty() && self.names.is_empty() && self.phones.is_empty()
    }

    /// Whether something is known of a field.
    pub(super) fn has(&self, field: Field) -> bool {
        match field {
            Field::ResidentId => !self.resident_ids.is_empty(),
            Field::Unique => !self.unique.is_empty(),
            Field::Name => !self.names.is_empty(),
            Field::Birth => self.birth.is_some(),
            Field::Sex => self.sex.is_some(),
            Field::Phone => !self.phones.is_empty(),
            Field::Address => !self.addresses.is_empty(),
        }
    }
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}

fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

fn is_current(item: &Value) -> bool {
    text(item, "use") != Some("old")
}

/// What the items still in use are read as, each once.
fn each<T: PartialEq>(items: &[Value], read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in items.iter().filter(|item| is_current(item)).filter_map(read) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn numbers(patient: &Value, matching: &Matching, birth: Option<Birth>) -> (Vec<Number>, Vec<String>) {
    let (mut resident_ids, mut unique) = (Vec::new(), Vec::new());
    for identifier in list(patient, "identifier").iter().filter(|identifier| is_current(identifier)) {
        let (Some(system), Some(value)) = (text(identifier, "system"), text(identifier, "value")) else { continue };
        let is = |systems: &[String]| systems.iter().any(|known| known == system);
        if is(&matching.identifiers.resident_id) {
            let sound = ResidentId::read(value);
            let is_doubtful = match (&sound, birth.and_then(Birth::date)) {
                (Some(number), Some(born)) => !is_near(number.birth(), born, matching.birth.lunar_days),
                _ => false,
            };
            let text = match &sound {
                Some(number) => number.as_str().to_owned(),
                None => String::from_utf8_lossy(&plain(value)).into_owned(),
            };
            resident_ids.push(Number { text, is_sound: sound.is_some(), is_doubtful });
        } else if is(&matching.identifiers.unique) {
            unique.push(format!("{system}|{}", String::from_utf8_lossy(&plain(value))));
        }
    }
    (resident_ids, unique)
}

fn name(name: &Value, matching: &Matching) -> Option<Name> {
    let (family, written) = (text(name, "family"), text(name, "text"));
    let given: Vec<&str> = list(name, "given").iter().filter_map(|given| given.as_str()).collect();
    let spelled = match written {
        Some(written) => written.to_owned(),
        None => format!("{}{}", family.unwrap_or_default(), given.concat()),
    };
    let folded = fold(&spelled);
    if folded.is_empty() || matching.names.nameless.iter().any(|none| folded.starts_with(none.as_str())) {
        return None;
    }
    if let Some(read) = reading(family, &given, written) {
        let whole = fold(&format!("{}{}", read.family, read.given)).chars().collect();
        let sounds = read.syllables.into_iter().map(str::to_owned).collect();
        return Some(Name { whole, family: read.family.chars().count(), sounds, is_han: true });
    }
    let parts = match family {
        Some(family) => format!("{family} {}", given.join(" ")),
        None => spelled,
    };
    let folded = fold(&parts);
    let is_gap = |letter: char| !letter.is_alphanumeric();
    let sounds: Vec<String> = folded.split(is_gap).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let family = family.map_or(0, |family| fold(family).chars().filter(|letter| !is_gap(*letter)).count());
    let whole: Vec<char> = sounds.concat().chars().collect();
    (!whole.is_empty()).then_some(Name { whole, family, sounds, is_han: false })
}

fn birth(written: &str) -> Option<Birth> {
    let mut parts = written.split('-');
    let year = parts.next()?.parse().ok()?;
    Some(Birth {
        year,
        month: parts.next().and_then(|part| part.parse().ok()),
        day: parts.next().and_then(|p| p.parse().ok()),
    })
}

/// The digits of a number within the country.
fn phone(written: &str) -> Option<String> {
    let digits: String = String::from_utf8_lossy(&plain(written)).chars().filter(char::is_ascii_digit).collect();
    let within = match digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86")) {
        Some(rest) if rest.len() >= 10 => rest,
        _ => digits.as_str(),
    };
    // Shorter ones are extensions within a house.
    (within.len() >= 7).then(|| within.to_owned())
}

fn home(address: &Value) -> Option<Home> {
    let lines: String = list(address, "line").iter().filter_map(|line| line.as_str()).collect();
    let written = if lines.is_empty() { text(address, "text")? } else { lines.as_str() };
    // Province, city and district, which some write before the line, tell nobody apart within one region.
    let mut folded = fold(written);
    for known in ["state", "city", "district"].iter().filter_map(|part| text(address, part)) {
        if let Some(rest) = folded.strip_prefix(&fold(known)) {
            folded = rest.trim_start().to_owned();
        }
    }
    let letters: String = folded.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let end = letters.find(|letter: char| letter.is_ascii_digit()).unwrap_or(letters.len());
    let (place, rest) = letters.split_at(end);
    let numbers = rest.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty());
    (!place.is_empty()).then(|| Home { place: place.to_owned(), numbers: numbers.map(str::to_owned).collect() })
}
