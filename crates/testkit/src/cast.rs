//! The cast of the demonstration: an invented consortium, the people who work in it, the people it looks after, and what
//! happened to them over the years until a given moment.
//!
//! One tertiary and two secondary hospitals, nine community centres and twenty village stations; one secondary hospital
//! manages five of the centres and their stations directly. Everything follows from a seed and a moment.

mod history;
mod illness;
mod institutions;
mod places;
mod registry;
mod roster;

use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::people::{Errors, Generator, Person, Sex};
use history::{Life, Teller, chronic};
use institutions::{FIRST, Institutions, SECOND};

/// Everything that a demonstration begins with.
pub struct Cast {
    /// The file of the consortium, for `qingshan consortium apply`.
    pub consortium: String,
    /// The residents, each a Patient.
    pub residents: Vec<Value>,
    /// What happened to them.
    pub histories: Vec<Value>,
    /// Slots, beds and expert sessions.
    pub places: Vec<Value>,
    /// Who treats emergencies, and the map of it.
    pub registry: Vec<Value>,
    /// Who is on call, from yesterday on for a week.
    pub roster: Vec<Value>,
    /// The roads between them, as an OpenStreetMap file.
    pub roads: String,
    /// Accounts for each role, for `qingshan account import`.
    pub accounts: Vec<Value>,
}

impl Cast {
    /// The cast as it is at a moment, in the time of China, with so many residents.
    pub fn new(seed: u64, now: DateTime, residents: usize) -> Self {
        let today = now.date();
        let institutions = Institutions::new(seed, today);
        let people = Generator::new(seed, today).people(residents);
        let mut dice = Dice::new(seed).apart(3);
        let lives: Vec<Life<'_>> = people.iter().map(|person| life(person, now, &mut dice)).collect();
        let mut residents: Vec<Value> = lives.iter().map(resident).collect();
        let mut teller = Teller { institutions: &institutions, dice, now, written: Vec::new() };
        lives.iter().for_each(|life| teller.life(life));
        current(&mut teller, &lives);
        again(&mut teller, seed, &people, now, &mut residents);
        let lay = family(&mut teller, &lives);
        let histories = teller.written;
        let places = places::places(&institutions, &lives, Dice::new(seed).apart(4), now);
        let mut accounts = posts(&institutions);
        accounts.extend(lay);
        let (registry, roads) = (registry::registry(now), registry::roads());
        let roster = roster::roster(&institutions, today);
        Self { consortium: institutions.file(), residents, histories, places, registry, roster, roads, accounts }
    }

    /// Writes `consortium.toml`, `accounts.jsonl`, `roads.osm` and the folder `records` with the residents, their
    /// histories, what can be booked, who treats emergencies, and who is on call.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let records = folder.join("records");
        fs::create_dir_all(&records)?;
        fs::write(folder.join("consortium.toml"), &self.consortium)?;
        fs::write(folder.join("accounts.jsonl"), lines(&self.accounts))?;
        fs::write(records.join("1-residents.ndjson"), lines(&self.residents))?;
        fs::write(records.join("2-histories.ndjson"), lines(&self.histories))?;
        fs::write(records.join("3-places.ndjson"), lines(&self.places))?;
        fs::write(records.join("4-registry.ndjson"), lines(&self.registry))?;
        fs::write(records.join("5-roster.ndjson"), lines(&self.roster))?;
        fs::write(folder.join("roads.osm"), &self.roads)
    }
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

fn life<'p>(person: &'p Person, now: DateTime, dice: &mut Dice) -> Life<'p> {
    let age = person
        .birth
        .map_or(40, |birth| i64::from(now.date().since((jiff::Unit::Year, birth)).map_or(40, |span| span.get_years())));
    let address = person.address.as_ref().expect("every generated person lives somewhere");
    let (centre, station) = Institutions::near(&address.town, &address.line);
    let chronic = chronic(dice, age);
    Life { id: format!("resident-{:05}", person.number), person, age, centre, station, chronic }
}

fn resident(life: &Life<'_>) -> Value {
    let mut patient = life.person.patient();
    patient["id"] = json!(life.id);
    patient["managingOrganization"] = history::reference("Organization", life.centre);
    patient
}

/// What goes on at this moment: people in hospital wards, at emergency departments and at offices; referrals under way
/// and over; images waiting to be read; records closed to an institution.
fn current<'i>(teller: &mut Teller<'i>, lives: &[Life<'i>]) {
    let some = |teller: &mut Teller<'i>, count: usize, tell: &dyn Fn(&mut Teller<'i>, &Life<'i>)| {
        for _ in 0..count {
            let life = &lives[teller.dice.below(lives.len())];
            if life.age > 16 {
                tell(teller, life);
            }
        }
    };
    let share = lives.len().div_ceil(100);
    some(teller, share, &|teller, life| {
        let days = teller.dice.between(1, 7);
        let since = teller.now.saturating_sub(jiff::Span::new().days(days));
        teller.stay(life, since, true);
    });
    some(teller, share / 3, &|teller, life| teller.open(life, true));
    some(teller, share * 2, &|teller, life| teller.open(life, false));
    some(teller, share * 3, &|teller, life| teller.referral(life, false));
    some(teller, share, &|teller, life| teller.referral(life, true));
    some(teller, share, &|teller, life| teller.reading(life, false));
    some(teller, share / 2, &|teller, life| teller.reading(life, true));
    some(teller, share / 2, &|teller, life| teller.refusal(life, SECOND[1]));
}

/// Some are registered a second time at a hospital, with the mistakes that are made there.
fn again<'i>(teller: &mut Teller<'i>, seed: u64, people: &'i [Person], now: DateTime, residents: &mut Vec<Value>) {
    let mut errors = Errors::new(seed);
    for number in 0..people.len() / 50 {
        let person = &people[teller.dice.below(people.len())];
        let home: Vec<Person> = people.iter().filter(|one| one.household == person.household).cloned().collect();
        let (copy, _) = errors.copy(person, &home);
        let mut patient = copy.patient();
        let id = format!("second-{number:03}");
        patient["id"] = json!(id);
        patient["managingOrganization"] = history::reference("Organization", FIRST);
        residents.push(patient);
        let mut second = life(person, now, &mut teller.dice);
        second.id = id;
        let at = now.saturating_sub(jiff::Span::new().days(teller.dice.between(3, 700)));
        teller.illness(&second, at);
    }
}

/// A father, and the daughter who acts for him: their accounts.
fn family<'i>(teller: &mut Teller<'i>, lives: &[Life<'i>]) -> Vec<Value> {
    let is_father = |life: &&Life<'_>| {
        life.person.sex == Some(Sex::Male)
            && (68..85).contains(&life.age)
            && life.chronic.len() > 1
            && !life.person.family.is_empty()
    };
    let pair = lives.iter().filter(is_father).find_map(|father| {
        let is_daughter = |life: &&Life<'_>| {
            let years = father.age - life.age;
            life.person.sex == Some(Sex::Female)
                && life.person.family == father.person.family
                && (24..38).contains(&years)
                && life.person.household != father.person.household
        };
        lives.iter().find(is_daughter).map(|daughter| (father, daughter))
    });
    let Some((father, daughter)) = pair else { return Vec::new() };
    let related = teller.proxy(father, daughter.person, ("DAUC", "女儿"));
    vec![
        json!({"login": "patient", "name": father.person.name(), "patients": [father.id], "demo": true}),
        json!({
            "login": "daughter", "name": daughter.person.name(), "patients": [daughter.id], "related": [related],
            "demo": true,
        }),
    ]
}

/// An account for every duty; the doctor is one with two posts.
fn posts(institutions: &Institutions) -> Vec<Value> {
    let at = |department: &str| format!("{FIRST}-{department}");
    let held = [
        ("nurse", at("cardiology"), "nurse"),
        ("registrar", at("front"), "registrar"),
        ("radiologist", at("imaging"), "radiologist"),
        ("technician", at("laboratory"), "technician"),
        ("pharmacist", at("pharmacy"), "pharmacist"),
        ("family-doctor", "songtao".to_owned(), "family-doctor"),
        ("village-doctor", "daoxiang-station-1".to_owned(), "village-doctor"),
        ("public-health", "songtao".to_owned(), "public-health"),
        ("district-doctor", format!("{}-medicine", SECOND[0]), "doctor"),
        ("referral-officer", at("referral"), "referral-officer"),
        ("quality", at("quality"), "quality"),
        ("privacy-officer", at("information"), "privacy-officer"),
        ("data-officer", at("information"), "data-officer"),
        ("security-admin", at("information"), "security-admin"),
        ("system-admin", at("information"), "system-admin"),
        ("paramedic", at("emergency"), "paramedic"),
        ("dispatcher", at("emergency"), "dispatcher"),
    ];
    let lent = institutions.lent();
    let doctor = json!({"login": "doctor", "name": lent.name, "practitioner": lent.id, "demo": true});
    let others = held.iter().map(|(login, at, duty)| {
        let worker = institutions.worker(at, duty, 0);
        json!({"login": login, "name": worker.name, "practitioner": worker.id, "demo": true})
    });
    std::iter::once(doctor).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fhir::validate::{Options, Validator};

    use super::*;

    fn some() -> Cast {
        Cast::new(7, jiff::civil::date(2026, 5, 4).at(9, 30, 0, 0), 1_200)
    }

    fn everything(cast: &Cast) -> impl Iterator<Item = &Value> {
        cast.residents.iter().chain(&cast.histories).chain(&cast.places).chain(&cast.registry).chain(&cast.roster)
    }

    #[test]
    fn the_same_seed_and_moment_make_the_same_cast() {
        let (one, other) = (some(), some());
        assert_eq!(one.consortium, other.consortium);
        assert_eq!(one.residents, other.residents);
        assert_eq!(one.histories, other.histories);
        assert_eq!(one.places, other.places);
        assert_eq!((one.registry, one.roster, one.roads), (other.registry, other.roster, other.roads));
        assert_eq!(one.accounts, other.accounts);
    }

    #[test]
    fn every_resource_is_valid_and_refers_to_what_is_there() {
        let cast = some();
        let mut known: BTreeSet<String> = everything(&cast).map(crate::region::name).collect();
        for line in cast.consortium.lines() {
            let id = line.split("id = \"").nth(1).and_then(|rest| rest.split('"').next());
            for type_ in ["Organization", "Practitioner", "HealthcareService", "Location"] {
                known.extend(id.map(|id| format!("{type_}/{id}")));
            }
        }
        let validator = Validator::new(fhir::definitions::r4(), Options::default());
        for resource in everything(&cast) {
            let text = resource.to_string();
            for name in text.split("\"reference\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                // A post is called after its person and place.
                let name = name.replace("PractitionerRole/", "Practitioner/");
                let name =
                    if name.starts_with("Practitioner/") { name.split('.').next().unwrap_or_default() } else { &name };
                assert!(known.contains(name), "nothing is called {name}");
            }
            let issues = validator.check(&fhir::json::parse(text.as_bytes()).unwrap());
            assert!(issues.is_empty(), "{}: {issues:?}", crate::region::name(resource));
        }
    }

    #[test]
    fn histories_are_as_varied_as_a_district() {
        let cast = some();
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for resource in &cast.histories {
            *count.entry(resource["resourceType"].as_str().unwrap()).or_default() += 1;
        }
        for type_ in [
            "AllergyIntolerance",
            "CareTeam",
            "Composition",
            "Condition",
            "Consent",
            "DiagnosticReport",
            "Encounter",
            "ImagingStudy",
            "Immunization",
            "MedicationRequest",
            "Observation",
            "RelatedPerson",
            "ServiceRequest",
            "Task",
        ] {
            assert!(count.contains_key(type_), "no {type_} in {count:?}");
        }
        let each = cast.histories.len() / cast.residents.len();
        assert!((12..30).contains(&each), "{each} resources for each resident");
        let open =
            cast.histories.iter().filter(|one| one["status"] == "in-progress" && one["resourceType"] == "Encounter");
        let places: BTreeSet<&str> = open.filter_map(|one| one["serviceProvider"]["reference"].as_str()).collect();
        assert!(places.len() > 5, "{places:?}");
        let sensitive = cast.histories.iter().filter(|one| one["meta"]["security"].is_array()).count();
        assert!(sensitive > 20, "{sensitive} resources bear a label");
    }

    #[test]
    fn there_is_something_to_be_booked_in_every_department_and_in_the_community() {
        let cast = some();
        let of = |type_: &'static str| cast.places.iter().filter(move |one| one["resourceType"] == type_);
        assert!((1_500..5_000).contains(&of("Slot").count()), "{} slots", of("Slot").count());
        let pooled = of("Slot").filter(|one| one["appointmentType"].is_object()).count();
        assert!(pooled * 5 > of("Slot").count(), "{pooled} are kept for referrals");
        for status in ["free", "busy"] {
            assert!(of("Slot").any(|one| one["status"] == status));
        }
        assert!(of("Location").filter(|one| one["operationalStatus"]["code"] == "U").count() > 10);
        assert!(of("Appointment").any(|one| one["status"] == "fulfilled"));
        assert!(of("Appointment").any(|one| one["status"] == "booked"));
    }

    #[test]
    fn somebody_is_on_call_for_everything_at_every_moment_and_can_be_reached() {
        let cast = some();
        let slots = |call: &str| {
            let of = cast.roster.iter().filter(|one| one["resourceType"] == "Slot");
            of.filter(|one| one["serviceType"][0]["coding"][0]["code"] == call).count()
        };
        for call in ["stroke", "imaging", "laboratory", "emergency", "chief", "chest-pain"] {
            assert_eq!(slots(call) % roster::DAYS, 0, "{call}");
            assert!(slots(call) > 0, "nobody is on call for {call}");
        }
        let people = cast.consortium.matches("[[person]]").count();
        assert_eq!(cast.consortium.matches("mobile = \"1540000").count(), people);
    }

    #[test]
    fn somebody_can_sign_in_for_each_role() {
        let cast = some();
        let logins: BTreeSet<&str> = cast.accounts.iter().filter_map(|one| one["login"].as_str()).collect();
        assert_eq!(logins.len(), cast.accounts.len());
        for login in ["doctor", "nurse", "patient", "daughter", "village-doctor", "privacy-officer", "system-admin"] {
            assert!(logins.contains(login), "nobody signs in as {login}");
        }
        let doctor = cast.accounts[0]["practitioner"].as_str().unwrap();
        let posts =
            cast.consortium.split(&format!("id = \"{doctor}\"")).nth(1).unwrap().split("[[person]]").next().unwrap();
        assert_eq!(posts.matches("at = ").count(), 2, "the doctor has two posts");
    }
}
