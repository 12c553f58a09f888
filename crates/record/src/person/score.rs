//! How sure it is that two registrations are of one person.

use crate::person::matching::{Field, Matching};
use crate::person::traits::{Birth, Home, Name, Number, Traits, is_near, is_slip};

/// How much the values of a field in two registrations agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// They say the same.
    Same,
    /// The same number, which does not fit the birth date beside it.
    Doubtful,
    /// Names that are read alike.
    Sound,
    /// Family and given name in each other's place.
    Swapped,
    /// One sign away from each other.
    Near,
    /// Of a birth date, the parts that are known.
    Part,
    /// Of two addresses, one says less.
    Close,
    /// The same street or village.
    Area,
    /// Only the family name.
    Family,
    /// They differ.
    Different,
}

impl Level {
    /// Its name in the settings and in what a registrar is shown.
    pub fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Doubtful => "doubtful",
            Self::Sound => "sound",
            Self::Swapped => "swapped",
            Self::Near => "near",
            Self::Part => "part",
            Self::Close => "close",
            Self::Area => "area",
            Self::Family => "family",
            Self::Different => "different",
        }
    }

    /// Whether the rules about what is enough count the field as agreeing.
    fn agrees(self) -> bool {
        matches!(self, Self::Same | Self::Sound | Self::Swapped)
    }

    /// Whether the rules about what forbids count the field as disagreeing.
    fn disagrees(self) -> bool {
        matches!(self, Self::Different | Self::Family)
    }
}

/// What one field says about two registrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// Which field.
    pub field: Field,
    /// How much it agrees.
    pub level: Level,
    /// What that is worth, in bits.
    pub bits: f64,
}

/// What is to be done about two registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are of one person.
    Same,
    /// Somebody has to look.
    Doubtful,
    /// They are not known to be of one person.
    Other,
}

/// How sure it is that two registrations are of one person, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Every field of which both say something.
    pub reasons: Vec<Reason>,
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// Whether a rule forbids joining them.
    pub is_forbidden: bool,
    /// Whether what agrees is enough to join them.
    pub is_enough: bool,
}

impl Score {
    /// What is to be done.
    pub fn verdict(&self, matching: &Matching) -> Verdict {
        if self.probability < matching.certainty.review {
            Verdict::Other
        } else if self.probability >= matching.certainty.link && self.is_enough && !self.is_forbidden {
            Verdict::Same
        } else {
            Verdict::Doubtful
        }
    }
}

/// How many people a registration is held against, and how many of them bear its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Registrations in the record.
    pub people: u64,
    /// How many of them bear the commonest name of the registration that is looked at.
    pub namesakes: u64,
}

/// Compares two registrations. Which is given first does not matter.
pub fn score(one: &Traits, other: &Traits, crowd: Crowd, matching: &Matching) -> Score {
    let reason = |field, (level, bits)| Reason { field, level, bits };
    let both = |field| one.has(field) && other.has(field);
    let mut reasons = Vec::with_capacity(7);
    let name = both(Field::Name).then(|| name(&one.names, &other.names, crowd, matching));
    let is_named_alike = name.is_some_and(|(level, _)| level.agrees());
    if let Some(found) = resident_id(&one.resident_ids, &other.resident_ids, is_named_alike, matching) {
        reasons.push(reason(Field::ResidentId, found));
    }
    if let Some(found) = unique(&one.unique, &other.unique, matching) {
        reasons.push(reason(Field::Unique, found));
    }
    if let Some(found) = name {
        reasons.push(reason(Field::Name, found));
    }
    if let (Some(one), Some(other)) = (one.birth, other.birth) {
        reasons.push(reason(Field::Birth, birth(one, other, matching)));
    }
    if let (Some(one), Some(other)) = (one.sex, other.sex) {
        let sex = &matching.sex;
        let found = if one == other { (Level::Same, sex.same) } else { (Level::Different, sex.different) };
        reasons.push(reason(Field::Sex, found));
    }
    if both(Field::Phone) {
        reasons.push(reason(Field::Phone, phone(&one.phones, &other.phones, matching)));
    }
    if both(Field::Address) {
        reasons.push(reason(Field::Address, address(&one.addresses, &other.addresses, matching)));
    }
    let bits: f64 = reasons.iter().map(|reason| reason.bits).sum();
    // Before anything is compared, a registration may belong to any of the people there are.
    let people = crowd.people.max(matching.population.people).max(1);
    let odds = bits - (people as f64).log2();
    let level = |field: Field| reasons.iter().find(|reason| reason.field == field).map(|reason| reason.level);
    let all = |rules: &[Vec<Field>], fits: fn(Level) -> bool| {
        rules.iter().any(|fields| fields.iter().all(|field| level(*field).is_some_and(fits)))
    };
    Score {
        probability: 1.0 / (1.0 + (-odds).exp2()),
        is_forbidden: all(&matching.rules.never, Level::disagrees),
        is_enough: all(&matching.rules.enough, Level::agrees),
        reasons,
    }
}

type Found = (Level, f64);

/// The best of all pairs.
fn best<T>(one: &[T], other: &[T], compare: impl Fn(&T, &T) -> Option<Found>) -> Option<Found> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    pairs.filter_map(|(one, other)| compare(one, other)).max_by(|one, other| one.1.total_cmp(&other.1))
}

fn resident_id(one: &[Number], other: &[Number], is_named_alike: bool, matching: &Matching) -> Option<Found> {
    let bits = &matching.resident_id;
    best(one, other, |one, other| {
        let is_doubtful = one.is_doubtful || other.is_doubtful;
        if one.text == other.text {
            // One name on one card is its holder, whatever birth date was written beside it. A number that fails its
            // check may be one that many are given who have none.
            let is_sure = one.is_sound && (is_named_alike || !is_doubtful);
            return Some(if is_sure { (Level::Same, bits.same) } else { (Level::Doubtful, bits.doubtful) });
        }
        match (one.is_sound, other.is_sound) {
            // One of them may be a relative's.
            (true, true) if is_doubtful => None,
            (true, true) => Some((Level::Different, bits.different)),
            _ if is_slip(one.text.as_bytes(), other.text.as_bytes()) => Some((Level::Near, bits.near)),
            _ => None,
        }
    })
}

/// Numbers of one system that differ; those of different systems cannot be compared.
fn unique(one: &[String], other: &[String], matching: &Matching) -> Option<Found> {
    let system = |number: &str| number.split('|').next().unwrap_or_default().to_owned();
    best(one, other, |one, other| match one == other {
        true => Some((Level::Same, matching.unique.same)),
        false if system(one) == system(other) => Some((Level::Different, matching.unique.different)),
        false => None,
    })
}

fn name(one: &[Name], other: &[Name], crowd: Crowd, matching: &Matching) -> Found {
    let (names, population) = (&matching.names, &matching.population);
    let guess = population.usual_weight;
    let share = (crowd.namesakes as f64 + population.usual_name * guess) / (crowd.people as f64 + guess);
    let same = (-share.log2()).clamp(names.commonest, names.rarest);
    let compare = |one: &Name, other: &Name| {
        let level = name_level(one, other);
        let bits = match level {
            Level::Same => same,
            Level::Sound => same - names.sound_less,
            Level::Swapped => same - names.swapped_less,
            Level::Near => names.near,
            Level::Family => names.family,
            _ => names.different,
        };
        Some((level, bits))
    };
    best(one, other, compare).unwrap_or((Level::Different, names.different))
}

fn name_level(one: &Name, other: &Name) -> Level {
    let sorted = |name: &Name| {
        let mut sounds = name.sounds.clone();
        sounds.sort_unstable();
        sounds
    };
    if one.whole == other.whole {
        return Level::Same;
    }
    if one.is_han != other.is_han {
        // Letters are written with and without gaps, family name first or last.
        let together = one.sounds.concat() == other.sounds.concat();
        return if together || sorted(one) == sorted(other) { Level::Sound } else { Level::Different };
    }
    let length = one.whole.len();
    if length == other.whole.len() && length > 1 {
        let is_turned =
            |at: usize| one.whole[at..] == other.whole[..length - at] && one.whole[..at] == other.whole[length - at..];
        if (1..length).any(is_turned) {
            return Level::Swapped;
        }
    }
    if one.sounds == other.sounds {
        return Level::Sound;
    }
    if sorted(one) == sorted(other) {
        return Level::Sound;
    }
    let is_long = length.max(other.whole.len()) >= 3;
    if is_long && is_one_edit(&one.whole, &other.whole) {
        return Level::Near;
    }
    let family = |name: &Name| name.whole[..name.family].to_vec();
    let is_family = one.family > 0 && other.family > 0 && family(one) == family(other);
    if is_family { Level::Family } else { Level::Different }
}

fn birth(one: Birth, other: Birth, matching: &Matching) -> Found {
    let bits = &matching.birth;
    if let (Some(one), Some(other)) = (one.date(), other.date()) {
        if one == other {
            return (Level::Same, bits.same);
        }
        let is_near = is_near(one, other, bits.lunar_days);
        return if is_near { (Level::Near, bits.near) } else { (Level::Different, bits.different) };
    }
    let agree = |one: Option<i8>, other: Option<i8>| one.is_none() || other.is_none() || one == other;
    let is_part = one.year == other.year && agree(one.month, other.month) && agree(one.day, other.day);
    if is_part { (Level::Part, bits.part) } else { (Level::Different, bits.different) }
}

fn phone(one: &[String], other: &[String], matching: &Matching) -> Found {
    let bits = &matching.phone;
    let compare = |one: &String, other: &String| {
        Some(match one == other {
            true => (Level::Same, bits.same),
            false if is_slip(one.as_bytes(), other.as_bytes()) => (Level::Near, bits.near),
            false => (Level::Different, bits.different),
        })
    };
    best(one, other, compare).unwrap_or((Level::Different, bits.different))
}

fn address(one: &[Home], other: &[Home], matching: &Matching) -> Found {
    let bits = &matching.address;
    let compare = |one: &Home, other: &Home| {
        let is_place = one.place.ends_with(&other.place) || other.place.ends_with(&one.place);
        let (short, long) = if one.numbers.len() < other.numbers.len() { (one, other) } else { (other, one) };
        Some(match is_place {
            true if one.numbers == other.numbers => (Level::Same, bits.same),
            true if long.numbers.starts_with(&short.numbers) => (Level::Close, bits.close),
            true => (Level::Area, bits.area),
            false => (Level::Different, bits.different),
        })
    };
    best(one, other, compare).unwrap_or((Level::Different, bits.different))
}

/// Whether one character is another, missing or too many.
fn is_one_edit(one: &[char], other: &[char]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let start = short.iter().zip(long).take_while(|(left, right)| left == right).count();
    let end = short[start..].iter().rev().zip(long[start..].iter().rev()).take_while(|(one, other)| one == other);
    let kept = start + end.count();
    match long.len() - short.len() {
        0 => kept + 1 == short.len(),
        1 => kept == short.len(),
        _ => false,
    }
}
