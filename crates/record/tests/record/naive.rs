//! Searches made by chance over small records made by chance, compared with what a reading of the standard finds that
//! looks at every resource: chains, `_has`, `:not` and `:missing`, also where references lead to what is not there.
//!
//! A chain holds where a reference leads to a resource that is there and for which the rest holds; `:not` and `:missing`
//! at its end are asked of that resource. So a reference that leads nowhere fulfils no chain, whatever its end.
//! <http://hl7.org/fhir/R4/search.html#chaining> <http://hl7.org/fhir/R4/search.html#modifiers>

use std::collections::{BTreeMap, BTreeSet};

use record::SearchRequest;
use testkit::dice::Dice;
use testkit::place::{Place, on_both};

use crate::{delete, json, key, update};

/// A type, and the id of a resource.
type Name = (&'static str, String);

/// A resource, as far as searches ask.
#[derive(Debug, Clone, Default)]
struct Thing {
    codes: BTreeMap<&'static str, String>,
    references: BTreeMap<&'static str, Vec<Name>>,
}

type World = BTreeMap<Name, Thing>;

/// A parameter and the codes it is asked for.
type Coded = (&'static str, &'static [&'static str]);

/// The types, how many of each there may be, and by which parameters they are asked for codes.
const TYPES: [(&str, usize, &[Coded]); 3] = [
    ("Organization", 5, &[("active", &["true", "false"])]),
    ("Patient", 7, &[("gender", &["male", "female"])]),
    ("Observation", 12, &[("status", &["final", "preliminary"]), ("code", &["x", "y"])]),
];

/// References: of which type, by which parameter, as a chain spells it, to which type.
const REFERENCES: [(&str, &str, &str, &str); 4] = [
    ("Organization", "partof", "partof", "Organization"),
    ("Patient", "organization", "organization", "Organization"),
    ("Observation", "patient", "patient", "Patient"),
    ("Observation", "performer", "performer:Organization", "Organization"),
];

/// One condition.
#[derive(Debug, Clone)]
enum Ask {
    Code { param: &'static str, values: Vec<&'static str>, not: bool },
    Id { ids: Vec<String>, not: bool },
    Written,
    Refers { param: &'static str, to: Name },
    Missing { param: &'static str, missing: bool },
    Chain { param: &'static str, spelled: &'static str, rest: Box<Ask> },
    Has { type_: &'static str, param: &'static str, rest: Box<Ask> },
}

impl Ask {
    fn of(dice: &mut Dice, type_: &'static str, depth: usize) -> Self {
        let from: Vec<_> = REFERENCES.iter().filter(|(of, ..)| *of == type_).collect();
        let to: Vec<_> = REFERENCES.iter().filter(|(.., to)| *to == type_).collect();
        let (_, _, codes) = TYPES.iter().find(|(name, ..)| *name == type_).unwrap();
        if depth < 3 && dice.chance(0.6) {
            let reference = dice.below(from.len() + to.len());
            return match from.get(reference) {
                Some((_, param, spelled, to)) => {
                    Self::Chain { param, spelled, rest: Box::new(Self::of(dice, to, depth + 1)) }
                }
                None => {
                    let (type_, param, ..) = to[reference - from.len()];
                    Self::Has { type_, param, rest: Box::new(Self::of(dice, type_, depth + 1)) }
                }
            };
        }
        let (param, values) = *dice.pick(codes);
        match dice.below(6) {
            0 => {
                let ids = (0..2).map(|_| id(type_, dice.below(12))).collect();
                Self::Id { ids, not: dice.chance(0.5) }
            }
            1 => Self::Written,
            2 => {
                let param =
                    from.first().map_or(param, |(_, reference, ..)| if dice.chance(0.5) { reference } else { param });
                Self::Missing { param, missing: dice.chance(0.5) }
            }
            3 => match from.first() {
                Some((_, param, _, to)) => Self::Refers { param, to: (to, id(to, dice.below(8))) },
                None => Self::Missing { param, missing: true },
            },
            _ => {
                let values = if dice.chance(0.3) { values.to_vec() } else { vec![*dice.pick(values)] };
                Self::Code { param, values, not: dice.chance(0.5) }
            }
        }
    }

    /// The name and the value of the parameter.
    fn spelled(&self) -> (String, String) {
        let not = |not: bool| if not { ":not" } else { "" };
        match self {
            Self::Code { param, values, not: is_not } => (format!("{param}{}", not(*is_not)), values.join(",")),
            Self::Id { ids, not: is_not } => (format!("_id{}", not(*is_not)), ids.join(",")),
            Self::Written => ("_lastUpdated".to_owned(), "gt2000".to_owned()),
            Self::Refers { param, to } => ((*param).to_owned(), format!("{}/{}", to.0, to.1)),
            Self::Missing { param, missing } => (format!("{param}:missing"), missing.to_string()),
            Self::Chain { spelled, rest, .. } => {
                let (name, value) = rest.spelled();
                (format!("{spelled}.{name}"), value)
            }
            Self::Has { type_, param, rest } => {
                let (name, value) = rest.spelled();
                (format!("_has:{type_}:{param}:{name}"), value)
            }
        }
    }

    /// Whether it holds of a resource that is there.
    fn holds(&self, world: &World, name: &Name) -> bool {
        let thing = &world[name];
        let leads = |param: &str| thing.references.get(param).map(Vec::as_slice).unwrap_or_default();
        match self {
            Self::Code { param, values, not } => {
                thing.codes.get(param).is_some_and(|code| values.contains(&code.as_str())) != *not
            }
            Self::Id { ids, not } => ids.contains(&name.1) != *not,
            Self::Written => true,
            Self::Refers { param, to } => leads(param).contains(to),
            Self::Missing { param, missing } => {
                (!thing.codes.contains_key(param) && leads(param).is_empty()) == *missing
            }
            Self::Chain { param, rest, .. } => {
                leads(param).iter().any(|to| world.contains_key(to) && rest.holds(world, to))
            }
            Self::Has { type_, param, rest } => world.iter().any(|(other, found)| {
                let leads = found.references.get(param).map(Vec::as_slice).unwrap_or_default();
                other.0 == *type_ && leads.contains(name) && rest.holds(world, other)
            }),
        }
    }
}

fn id(type_: &str, at: usize) -> String {
    format!("{}{at}", type_[..1].to_lowercase())
}

fn reference((type_, id): &Name) -> String {
    format!(r#"{{"reference":"{type_}/{id}"}}"#)
}

impl Thing {
    fn by_chance(dice: &mut Dice, type_: &'static str) -> Self {
        let mut thing = Self::default();
        let (_, _, codes) = TYPES.iter().find(|(name, ..)| *name == type_).unwrap();
        for (param, values) in *codes {
            // An Observation says its status.
            if *param == "status" || dice.chance(0.6) {
                thing.codes.insert(param, (*dice.pick(values)).to_owned());
            }
        }
        for (_, param, _, to) in REFERENCES.iter().filter(|(of, ..)| *of == type_) {
            let most = if *param == "performer" { 3 } else { 2 };
            // Some lead to what was never there, or is there no more.
            let leads: BTreeSet<Name> = (0..dice.below(most)).map(|_| (*to, id(to, dice.below(9)))).collect();
            thing.references.insert(param, leads.into_iter().collect());
        }
        thing
    }

    fn text(&self, (type_, id): &Name) -> String {
        let mut text = format!(r#"{{"resourceType":"{type_}","id":"{id}""#);
        for (param, code) in &self.codes {
            text += &match *param {
                "active" => format!(r#","active":{code}"#),
                "code" => format!(r#","code":{{"coding":[{{"code":"{code}"}}]}}"#),
                plain => format!(r#","{plain}":"{code}""#),
            };
        }
        if *type_ == "Organization" {
            text += r#","name":"some house""#;
        }
        if *type_ == "Observation" && !self.codes.contains_key("code") {
            text += r#","code":{"text":"none"}"#;
        }
        for (param, leads) in self.references.iter().filter(|(_, leads)| !leads.is_empty()) {
            let all: Vec<String> = leads.iter().map(reference).collect();
            text += &match *param {
                "partof" => format!(r#","partOf":{}"#, all[0]),
                "organization" => format!(r#","managingOrganization":{}"#, all[0]),
                "patient" => format!(r#","subject":{}"#, all[0]),
                list => format!(r#","{list}":[{}]"#, all.join(",")),
            };
        }
        text + "}"
    }
}

/// A record by chance: what is in it, when some of what went in has gone again.
async fn fill(place: &Place, dice: &mut Dice) -> World {
    let session = place.session();
    let (mut world, mut changes, mut gone) = (World::new(), Vec::new(), Vec::new());
    for (type_, count, _) in TYPES {
        for at in 0..count {
            let name = (type_, id(type_, at));
            let thing = Thing::by_chance(dice, type_);
            changes.push(update(type_, &name.1, json(&thing.text(&name)), None));
            match dice.chance(0.2) {
                true => gone.push(delete(type_, &name.1)),
                false => drop(world.insert(name, thing)),
            }
        }
    }
    session.transact(changes).await.unwrap();
    if !gone.is_empty() {
        session.transact(gone).await.unwrap();
    }
    world
}

#[test]
fn chains_backwards_chains_not_and_missing_find_what_looking_at_every_resource_finds() {
    on_both(async |place| {
        let (mut found_some, mut found_none) = (0, 0);
        for seed in 1..=4_u64 {
            let mut dice = Dice::new(seed);
            let world = fill(&place, &mut dice).await;
            for _ in 0..250 {
                let type_ = dice.pick(&TYPES).0;
                let asks: Vec<Ask> = (0..dice.below(2) + 1).map(|_| Ask::of(&mut dice, type_, 0)).collect();
                let mut parameters: Vec<(String, String)> = asks.iter().map(Ask::spelled).collect();
                parameters.push(("_total".to_owned(), "accurate".to_owned()));
                if dice.chance(0.3) {
                    parameters.push(("_sort".to_owned(), "-_lastUpdated".to_owned()));
                }
                let expected: BTreeSet<String> = world
                    .keys()
                    .filter(|name| name.0 == type_ && asks.iter().all(|ask| ask.holds(&world, name)))
                    .map(|name| name.1.clone())
                    .collect();
                let request = SearchRequest {
                    type_: Some(key(type_, "x").type_),
                    compartment: None,
                    parameters: parameters.clone(),
                    strict: true,
                };
                let page = place.session().search(&request).await;
                let page = page.unwrap_or_else(|error| panic!("seed {seed} {type_} {parameters:?}: {error}"));
                let found: BTreeSet<String> = page.matches.iter().map(|version| version.key.id.clone()).collect();
                assert_eq!(found, expected, "seed {seed} {type_} {parameters:?}");
                assert_eq!(page.total, Some(expected.len() as u64), "seed {seed} {type_} {parameters:?}");
                if expected.is_empty() { found_none += 1 } else { found_some += 1 }
            }
        }
        assert!(found_some > 100 && found_none > 100, "{found_some} find something, {found_none} nothing");
    });
}
