//! Invented residents of an invented district, and the faults with which people are written down.
//!
//! [`Generator`] makes households one after another: couples with children, some of them twins, grandparents who live
//! with them, and people alone. [`Errors`] copies a person as another institution may have registered them.
//!
//! Nobody here exists. Identity numbers begin with [`REGION`], which GB/T 2260 gives to no place: its first two digits
//! are those of a province, none of which is 99, and the numbers of foreign residents, which begin with 9, hold a
//! province there as well. Telephone numbers begin with 154 or 164, which no carrier hands out.

mod errors;
mod names;

use std::collections::HashMap;

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::dice::Dice;

pub use errors::{Errors, Fault, Rates};
pub use names::{ETHNICITIES, Ethnicity};

/// The region code all identity numbers begin with.
pub const REGION: &str = "999999";
/// The system of resident identity numbers (GB 11643-1999).
pub const RESIDENT_ID: &str = "https://qingshan.example/id/resident";
/// The system of the numbers under which people are insured.
pub const INSURANCE: &str = "https://qingshan.dev/fhir/sid/insurance";

/// The sex in somebody's papers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
}

impl Sex {
    /// The code of `Patient.gender`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

/// Whether somebody is married; the letters are those of `Patient.maritalStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marital {
    /// S: never married.
    Single,
    /// M: married.
    Married,
    /// W: widowed.
    Widowed,
    /// D: divorced.
    Divorced,
}

/// What somebody is in their household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one the household goes by.
    Head,
    /// Married to the head.
    Spouse,
    /// A child of the head.
    Child,
    /// Father or mother of the head.
    Parent,
}

/// Where somebody lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The street office or township (街道, 镇).
    pub town: String,
    /// The neighbourhood with building and flat, or the village with group and house.
    pub line: String,
}

/// The city and district everybody lives in.
pub const CITY: (&str, &str) = ("澄州市", "临溪区");

impl Address {
    /// As it is written in one line.
    pub fn text(&self) -> String {
        format!("{}{}{}{}", CITY.0, CITY.1, self.town, self.line)
    }
}

/// One person, or one person as somebody wrote them down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is: the same in every copy.
    pub number: usize,
    /// The household, counted from 0.
    pub household: usize,
    /// What they are in it.
    pub place: Place,
    /// The family name; empty for peoples who have none.
    pub family: String,
    /// The given name.
    pub given: String,
    /// The sex; unknown only in copies.
    pub sex: Option<Sex>,
    /// The birth date; unknown only in copies.
    pub birth: Option<Date>,
    /// The resident identity number.
    pub resident_id: Option<String>,
    /// The number under which they are insured.
    pub insurance: Option<String>,
    /// A mobile telephone; children and many old people give a relative's.
    pub phone: Option<String>,
    /// Where they live.
    pub address: Option<Address>,
    /// The people they belong to.
    pub ethnicity: usize,
    /// Whether they are married.
    pub marital: Marital,
    /// The other one of two born on the same day.
    pub twin: Option<usize>,
    /// Father and mother, when they live in the same household.
    pub parents: [Option<usize>; 2],
}

impl Person {
    /// Family and given name as one.
    pub fn name(&self) -> String {
        format!("{}{}", self.family, self.given)
    }

    /// The FHIR Patient, without an id.
    pub fn patient(&self) -> Value {
        let identifiers = [(RESIDENT_ID, &self.resident_id), (INSURANCE, &self.insurance)];
        let identifiers = identifiers.into_iter().filter_map(|(system, value)| {
            let use_ = if system == RESIDENT_ID { "official" } else { "secondary" };
            Some(json!({"use": use_, "system": system, "value": value.as_ref()?}))
        });
        let identifiers: Vec<Value> = identifiers.collect();
        let mut name = json!({"use": "official", "text": self.name()});
        // Without a family name there is nothing to tell apart, and the text says it all.
        if !self.family.is_empty() {
            name["family"] = self.family.clone().into();
            name["given"] = json!([self.given]);
        }
        let mut patient = json!({"resourceType": "Patient", "active": true});
        let people = &ETHNICITIES[self.ethnicity];
        patient["extension"] = json!([{
            "url": "https://qingshan.dev/fhir/StructureDefinition/ethnicity",
            "valueCoding": {"system": "urn:oid:2.16.156.10011.2.3.3.3", "code": people.code, "display": people.name},
        }]);
        if !identifiers.is_empty() {
            patient["identifier"] = identifiers.into();
        }
        patient["name"] = json!([name]);
        if let Some(phone) = &self.phone {
            patient["telecom"] = json!([{"system": "phone", "value": phone, "use": "mobile"}]);
        }
        if let Some(sex) = self.sex {
            patient["gender"] = sex.code().into();
        }
        if let Some(birth) = self.birth {
            patient["birthDate"] = birth.to_string().into();
        }
        if let Some(address) = &self.address {
            let Address { town, line } = address;
            patient["address"] = json!([{
                "use": "home", "text": address.text(), "line": [format!("{town}{line}")],
                "city": CITY.0, "district": CITY.1,
            }]);
        }
        let letter = match self.marital {
            Marital::Single => "S",
            Marital::Married => "M",
            Marital::Widowed => "W",
            Marital::Divorced => "D",
        };
        let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
        patient["maritalStatus"] = json!({"coding": [{"system": system, "code": letter}]});
        patient
    }
}

/// The check digit of the first seventeen digits of an identity number: ISO 7064 MOD 11-2, GB 11643-1999.
///
/// # Panics
/// If there are other characters than digits.
pub fn check_digit(seventeen: &str) -> char {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = seventeen.chars().map(|digit| digit.to_digit(10).expect("identity numbers are of digits"));
    let sum: u32 = digits.zip(weights).map(|(digit, weight)| digit * weight).sum();
    ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'][sum as usize % 11]
}

/// Makes households. The same seed and day make the same people, in the same order, however many are taken.
pub struct Generator {
    dice: Dice,
    today: Date,
    people: usize,
    households: usize,
    /// How many were registered under a birth date, which is what the last digits of an identity number count.
    registered: HashMap<(Date, Sex), usize>,
}

impl Generator {
    /// People as they are on a day.
    pub fn new(seed: u64, today: Date) -> Self {
        Self { dice: Dice::new(seed), today, people: 0, households: 0, registered: HashMap::new() }
    }

    /// The first `count` people; the last household may be cut short.
    pub fn people(self, count: usize) -> Vec<Person> {
        self.flatten().take(count).collect()
    }

    fn born(&mut self, age: i64) -> Date {
        let year = i64::from(self.today.year()) - age - 1;
        let first = Date::new(i16::try_from(year).expect("ages are small"), 1, 1).expect("every year has a first day");
        let day = jiff::Span::new().days(self.dice.between(0, 364));
        first.checked_add(day).expect("the year is far from the end of time").min(self.today)
    }

    /// An identity number; those of one day and sex follow one another, as at a counter.
    fn resident_id(&mut self, birth: Date, sex: Sex) -> String {
        let place = self.registered.entry((birth, sex)).or_default();
        let order = (*place * 2 + usize::from(sex == Sex::Male)) % 1_000;
        *place += 1;
        let (year, month, day) = (birth.year(), birth.month(), birth.day());
        let seventeen = format!("{REGION}{year:04}{month:02}{day:02}{order:03}");
        let check = check_digit(&seventeen);
        format!("{seventeen}{check}")
    }

    fn phone(&mut self) -> String {
        phone(&mut self.dice)
    }

    fn person(&mut self, place: Place, family: &str, ethnicity: usize, sex: Sex, birth: Date) -> Person {
        let people = &ETHNICITIES[ethnicity];
        let number = self.people;
        self.people += 1;
        Person {
            number,
            household: self.households,
            place,
            family: family.to_owned(),
            given: names::given(&mut self.dice, people, family, sex, birth.year()),
            sex: Some(sex),
            birth: Some(birth),
            resident_id: Some(self.resident_id(birth, sex)),
            // Nearly everybody is insured; the number has nothing to do with the identity number.
            insurance: self.dice.chance(0.96).then(|| format!("99{:010}", self.dice.below(10_000_000_000))),
            phone: None,
            address: None,
            ethnicity,
            marital: Marital::Single,
            twin: None,
            parents: [None, None],
        }
    }

    fn ethnicity(&mut self) -> usize {
        let one = names::ethnicity(&mut self.dice);
        ETHNICITIES.iter().position(|other| other.code == one.code).expect("it was taken from the list")
    }

    fn surname(&mut self, ethnicity: usize) -> String {
        names::surname(&mut self.dice, &ETHNICITIES[ethnicity])
    }

    /// An adult with a name of their own family.
    fn adult(&mut self, place: Place, sex: Sex, age: i64, ethnicity: usize) -> Person {
        let family = self.surname(ethnicity);
        let birth = self.born(age);
        self.person(place, &family, ethnicity, sex, birth)
    }

    fn household(&mut self) -> Vec<Person> {
        let ethnicity = self.ethnicity();
        let age = match self.dice.below(10) {
            0 | 1 => self.dice.between(20, 34),
            2..=6 => self.dice.between(30, 59),
            _ => self.dice.between(60, 88),
        };
        let is_alone = self.dice.chance(if (30..75).contains(&age) { 0.12 } else { 0.45 });
        let sex = if is_alone && self.dice.chance(0.5) { Sex::Female } else { Sex::Male };
        let mut home = vec![self.adult(Place::Head, sex, age, ethnicity)];
        if is_alone {
            home[0].marital = match age {
                ..35 => Marital::Single,
                35..60 => Marital::Divorced,
                _ => Marital::Widowed,
            };
        } else {
            // Most marry within their people.
            let other = if self.dice.chance(0.9) { ethnicity } else { self.ethnicity() };
            let years = (age - self.dice.between(-2, 5)).max(20);
            let spouse = self.adult(Place::Spouse, Sex::Female, years, other);
            home.push(spouse);
            home[0].marital = Marital::Married;
            home[1].marital = Marital::Married;
            self.children(&mut home, years);
            if (28..55).contains(&age) && self.dice.chance(0.3) {
                self.parents(&mut home, age);
            }
        }
        self.reach(&mut home);
        self.households += 1;
        home
    }

    /// The children who live at home.
    fn children(&mut self, home: &mut Vec<Person>, mothers_age: i64) {
        let (youngest, oldest) = ((mothers_age - 44).max(0), (mothers_age - 22).min(24));
        if youngest > oldest {
            return;
        }
        let mut count = *self.dice.pick(&[0, 1, 1, 1, 2, 2, 2, 3]);
        let mut age = self.dice.between(youngest, oldest);
        while count > 0 {
            let sex = if self.dice.chance(0.52) { Sex::Male } else { Sex::Female };
            let birth = self.born(age);
            let twins = self.dice.chance(0.015);
            for second in 0..=usize::from(twins) {
                // Most twins are of one sex.
                let sex = match sex {
                    Sex::Male if second == 1 && self.dice.chance(0.3) => Sex::Female,
                    Sex::Female if second == 1 && self.dice.chance(0.3) => Sex::Male,
                    sex => sex,
                };
                let (family, ethnicity) = (home[0].family.clone(), home[0].ethnicity);
                let mut child = self.person(Place::Child, &family, ethnicity, sex, birth);
                child.parents = [Some(home[0].number), Some(home[1].number)];
                if second == 1 {
                    let first = home.last_mut().expect("the first twin was put in just now");
                    first.twin = Some(child.number);
                    child.twin = Some(first.number);
                    child.given = self.alike(first, &child);
                }
                home.push(child);
            }
            count -= 1;
            let gap = self.dice.between(2, 6);
            if age - gap < youngest {
                return;
            }
            age -= gap;
        }
    }

    /// Twins are given names that go together: half share a character.
    fn alike(&mut self, first: &Person, second: &Person) -> String {
        let own: Vec<char> = first.given.chars().collect();
        let other: Vec<char> = second.given.chars().collect();
        let shared = match (own.as_slice(), other.last()) {
            ([common, own], Some(last)) if last != own && self.dice.chance(0.5) => format!("{common}{last}"),
            _ => second.given.clone(),
        };
        if shared == first.given { format!("小{shared}") } else { shared }
    }

    fn parents(&mut self, home: &mut Vec<Person>, age: i64) {
        let (family, ethnicity) = (home[0].family.clone(), home[0].ethnicity);
        let years = age + self.dice.between(21, 32);
        let both = years < 82 && self.dice.chance(0.7);
        let with_father = both || self.dice.chance(0.3);
        let first = home.len();
        if with_father {
            let birth = self.born(years);
            let father = self.person(Place::Parent, &family, ethnicity, Sex::Male, birth);
            home[0].parents[0] = Some(father.number);
            home.push(father);
        }
        if both || !with_father {
            let mother = self.adult(Place::Parent, Sex::Female, years - 1, ethnicity);
            home[0].parents[1] = Some(mother.number);
            home.push(mother);
        }
        let marital = if both { Marital::Married } else { Marital::Widowed };
        home[first..].iter_mut().for_each(|parent| parent.marital = marital);
    }

    /// One address for all; a telephone for most adults, and the mother's or head's for the others.
    fn reach(&mut self, home: &mut [Person]) {
        let address = address(&mut self.dice);
        for person in home.iter_mut() {
            let age = self.today.year() - person.birth.map_or(0, |birth| birth.year());
            let own = match age {
                ..14 => 0.05,
                14..70 => 0.97,
                _ => 0.6,
            };
            person.phone = self.dice.chance(own).then(|| self.phone());
            person.address = Some(address.clone());
        }
        let of = |place: Place| home.iter().find(|person| person.place == place).and_then(|one| one.phone.clone());
        let (head, spouse) = (of(Place::Head), of(Place::Spouse));
        for person in home.iter_mut().filter(|person| person.phone.is_none()) {
            let first = if person.place == Place::Child { &spouse } else { &head };
            person.phone = first.clone().or_else(|| head.clone()).or_else(|| spouse.clone());
        }
    }
}

impl Iterator for Generator {
    type Item = Vec<Person>;

    fn next(&mut self) -> Option<Vec<Person>> {
        Some(self.household())
    }
}

fn phone(dice: &mut Dice) -> String {
    let start = if dice.chance(0.5) { "154" } else { "164" };
    format!("{start}{:08}", dice.below(100_000_000))
}

/// Some home of the district: a flat in the town or a house in a village.
fn address(dice: &mut Dice) -> Address {
    let hills = ["松涛", "望溪", "石桥", "柳湾", "云麓", "稻香", "白鹭", "竹溪", "枫林", "青岚", "芦汀", "梅岭"];
    let words = ["和", "锦", "澄", "兰", "春", "翠", "月", "星", "玉", "桂", "荷", "清", "福", "安", "长", "南"];
    let ends = ["苑", "园", "庭", "府", "居", "里", "湾", "谷"];
    let trees = ["柳", "槐", "杏", "枣", "桑", "榆", "桃", "梨", "杨", "樟", "李", "石"];
    let lands = ["树村", "家湾村", "家坪村", "家桥村", "木冲村", "家垄村"];
    if dice.chance(0.6) {
        let town = format!("{}街道", dice.pick(&hills[..7]));
        let estate = format!("{}{}{}", dice.pick(&words), dice.pick(&words), dice.pick(&ends));
        let (building, unit) = (dice.between(1, 28), dice.between(1, 4));
        let flat = format!("{}{:02}", dice.between(1, 18), dice.between(1, 4));
        Address { town, line: format!("{estate}{building}栋{unit}单元{flat}室") }
    } else {
        let town = format!("{}镇", dice.pick(&hills[5..]));
        let village = format!("{}{}", dice.pick(&trees), dice.pick(&lands));
        let (group, house) = (dice.between(1, 12), dice.between(1, 90));
        Address { town, line: format!("{village}{group}组{house}号") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 5, 4);

    #[test]
    fn the_same_seed_makes_the_same_people() {
        let some = |seed| Generator::new(seed, TODAY).people(500);
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
        assert_eq!(Generator::new(7, TODAY).people(500)[..100], Generator::new(7, TODAY).people(100)[..]);
    }

    #[test]
    fn every_identity_number_is_well_formed_and_given_once() {
        let people = Generator::new(1, TODAY).people(20_000);
        let mut seen = HashSet::new();
        for person in &people {
            let number = person.resident_id.as_deref().unwrap();
            assert!(seen.insert(number.to_owned()), "{number} twice");
            assert_eq!(number.chars().last(), Some(check_digit(&number[..17])));
            let birth = person.birth.unwrap().to_string().replace('-', "");
            assert_eq!(&number[6..14], birth);
            let is_male = number[16..17].parse::<u8>().unwrap() % 2 == 1;
            assert_eq!(is_male, person.sex == Some(Sex::Male));
            assert!(person.birth.unwrap() <= TODAY && person.birth.unwrap().year() > 1900);
        }
        assert_eq!(check_digit("11010519491231002"), 'X');
        assert_eq!(check_digit("44052418800101001"), '4');
    }

    #[test]
    fn households_hold_together() {
        let homes: Vec<Vec<Person>> = Generator::new(2, TODAY).take(5_000).collect();
        let mut twins = 0;
        for home in &homes {
            let of = |number: usize| home.iter().find(|one| one.number == number).unwrap();
            for person in home {
                assert_eq!(person.address, home[0].address);
                for parent in person.parents.iter().flatten().map(|parent| of(*parent)) {
                    let years = person.birth.unwrap().year() - parent.birth.unwrap().year();
                    assert!((15..60).contains(&years), "a parent is {years} years older");
                }
                if let Some(twin) = person.twin.map(of) {
                    twins += 1;
                    assert_eq!((twin.birth, twin.twin), (person.birth, Some(person.number)));
                    assert_ne!(twin.name(), person.name());
                }
            }
        }
        assert!(twins > 20, "{twins} twins");
    }

    #[test]
    fn names_are_as_long_and_as_common_as_names_are() {
        let people = Generator::new(3, TODAY).people(20_000);
        let count = |fits: &dyn Fn(&Person) -> bool| people.iter().filter(|person| fits(person)).count();
        let chinese = count(&|person| !person.family.is_empty());
        let odd = count(&|person| !person.family.is_empty() && !(2..=4).contains(&person.name().chars().count()));
        assert!(chinese > 19_000 && odd == 0, "{chinese} with a surname, {odd} of odd length");
        let wang = count(&|person| person.family == "王");
        assert!((800..3_000).contains(&wang), "{wang} of 20,000 are called 王");
        assert!(count(&|person| person.family.chars().count() == 2) > 50);
    }

    #[test]
    fn copies_differ_only_where_they_say_so() {
        let mut errors = Errors::new(4);
        let mut faults = HashSet::new();
        for home in Generator::new(4, TODAY).take(20_000) {
            for person in &home {
                let (copy, made) = errors.copy(person, &home);
                assert_eq!(copy.number, person.number);
                if made.is_empty() {
                    assert_eq!(copy, *person);
                }
                faults.extend(made);
            }
        }
        assert!(faults.len() >= 23, "{faults:?}");
    }
}
