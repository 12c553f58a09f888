//! How well registrations of invented people are joined: `person_quality [PEOPLE] [SEED]`.
//!
//! Every registration is a copy with the faults of a district, and the registrations of all people come one after
//! another in an order of their own, as at its counters. What is joined without asking is compared with who they are.

#![allow(clippy::print_stdout, reason = "this program exists to print")]

use std::collections::{BTreeMap, HashMap, HashSet};

use record::person::{Crowd, Matching, Traits, Verdict, keys, score};
use testkit::dice::Dice;
use testkit::people::{Errors, Fault, Generator, Person};

/// How many registrations a person has, in percent: one, two, three, four.
const REGISTRATIONS: [u64; 4] = [45, 30, 17, 8];

struct Registration {
    person: Person,
    faults: Vec<Fault>,
    traits: Traits,
    keys: Vec<String>,
}

fn registrations(people: usize, seed: u64, matching: &Matching) -> Vec<Registration> {
    let today = jiff::civil::date(2026, 5, 4);
    let (mut errors, mut dice) = (Errors::new(seed), Dice::new(seed).apart(1));
    let mut all = Vec::new();
    let mut taken = 0;
    for home in Generator::new(seed, today) {
        for person in &home {
            let mut place = dice.below(100) as u64;
            let count = 1 + REGISTRATIONS
                .iter()
                .take_while(|share| place.checked_sub(**share).inspect(|rest| place = *rest).is_some())
                .count();
            for _ in 0..count {
                let (copy, faults) = errors.copy(person, &home);
                let patient = serde_json::to_vec(&copy.patient()).expect("a tree is JSON");
                let traits = Traits::of(&fhir::json::parse(&patient).expect("a tree is JSON"), matching);
                all.push(Registration { person: copy, faults, keys: keys(&traits), traits });
            }
            taken += 1;
        }
        if taken >= people {
            break;
        }
    }
    for at in (1..all.len()).rev() {
        all.swap(at, dice.below(at + 1));
    }
    all
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let people: usize = arguments.next().map_or(5_000, |text| text.parse().expect("a number of people"));
    let seed: u64 = arguments.next().map_or(1, |text| text.parse().expect("a seed"));
    let matching = Matching::default();
    let all = registrations(people, seed, &matching);
    let mut namesakes: HashMap<&str, u64> = HashMap::new();
    for name in all.iter().flat_map(|one| &one.keys).filter(|key| key.starts_with("n:")) {
        *namesakes.entry(name).or_default() += 1;
    }
    let mut blocks: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut circles: Vec<usize> = (0..all.len()).collect();
    let mut members: Vec<Vec<usize>> = (0..all.len()).map(|at| vec![at]).collect();
    let (mut asked, mut compared, mut met) = (HashSet::new(), 0_u64, HashSet::new());
    for (at, one) in all.iter().enumerate() {
        let mut near: Vec<usize> = Vec::new();
        for key in &one.keys {
            let block = blocks.entry(key).or_default();
            if block.len() <= matching.block() {
                near.extend_from_slice(block);
            }
            block.push(at);
        }
        near.sort_unstable();
        near.dedup();
        let names = one.keys.iter().filter(|key| key.starts_with("n:"));
        let namesakes = names.filter_map(|key| namesakes.get(key.as_str())).max().copied().unwrap_or_default();
        let crowd = Crowd { people: all.len() as u64, namesakes };
        let judge = |left: usize, right: usize| score(&all[left].traits, &all[right].traits, crowd, &matching);
        let mut found: Vec<_> = near.iter().map(|&other| (judge(at, other), other)).collect();
        compared += found.len() as u64;
        met.extend(
            near.iter().filter(|&&other| all[other].person.number == one.person.number).map(|&other| (other, at)),
        );
        found.sort_by(|left, right| right.0.probability.total_cmp(&left.0.probability));
        for (score, other) in found {
            let (mine, theirs) = (circles[at], circles[other]);
            match score.verdict(&matching) {
                Verdict::Other => break,
                _ if mine == theirs => {}
                Verdict::Same => {
                    let pairs =
                        members[mine].iter().flat_map(|&left| members[theirs].iter().map(move |&right| (left, right)));
                    let is_forbidden = pairs.into_iter().any(|(left, right)| judge(left, right).is_forbidden);
                    if is_forbidden {
                        asked.insert((other, at));
                        continue;
                    }
                    let moved = std::mem::take(&mut members[theirs]);
                    moved.iter().for_each(|&one| circles[one] = mine);
                    members[mine].extend(moved);
                }
                Verdict::Doubtful => {
                    asked.insert((other, at));
                }
            }
        }
    }
    report(&all, &circles, &asked, &met, compared, seed);
}

fn report(
    all: &[Registration],
    circles: &[usize],
    asked: &HashSet<(usize, usize)>,
    met: &HashSet<(usize, usize)>,
    compared: u64,
    seed: u64,
) {
    let mut by_person: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut by_circle: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        by_person.entry(one.person.number).or_default().push(at);
        by_circle.entry(circles[at]).or_default().push(at);
    }
    let pairs = |groups: &HashMap<usize, Vec<usize>>| -> HashSet<(usize, usize)> {
        let within = groups.values().flat_map(|group| {
            group
                .iter()
                .enumerate()
                .flat_map(|(place, &one)| group[..place].iter().map(move |&other| (other.min(one), other.max(one))))
        });
        within.collect()
    };
    let (truth, joined) = (pairs(&by_person), pairs(&by_circle));
    let right = joined.intersection(&truth).count();
    println!("seed {seed}, {} people, {} registrations, {} true pairs", by_person.len(), all.len(), truth.len());
    println!("compared {compared} pairs; {:.4} of the true ones share a key", met.len() as f64 / truth.len() as f64);
    println!(
        "joined {}: precision {:.5}, recall {:.5}",
        joined.len(),
        right as f64 / joined.len() as f64,
        right as f64 / truth.len() as f64
    );
    let open: Vec<_> = asked.iter().filter(|(one, other)| circles[*one] != circles[*other]).collect();
    let useful = open.iter().filter(|pair| truth.contains(pair)).count();
    println!("asked about {} pairs, {useful} of them of one person", open.len());
    let mut totals: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for pair in &truth {
        let mut faults: Vec<Fault> = [&all[pair.0].faults[..], &all[pair.1].faults[..]].concat();
        faults.sort_unstable();
        faults.dedup();
        for fault in faults {
            let total = totals.entry(format!("{fault:?}")).or_default();
            total.0 += 1;
            total.1 += usize::from(joined.contains(pair));
        }
    }
    println!("\n| a registration with | true pairs | joined |\n|---|---|---|");
    for (fault, (pairs, joined)) in totals {
        println!("| {fault} | {pairs} | {:.2} % |", 100.0 * joined as f64 / pairs as f64);
    }
    let mut wrong: BTreeMap<&str, usize> = BTreeMap::new();
    for (one, other) in joined.difference(&truth) {
        let (one, other) = (&all[*one].person, &all[*other].person);
        let kind = match () {
            () if one.twin == Some(other.number) => "twins",
            () if one.household == other.household => "of one household",
            () if one.name() == other.name() => "strangers of one name",
            () => "strangers",
        };
        *wrong.entry(kind).or_default() += 1;
    }
    println!("\n| joined wrongly | pairs |\n|---|---|");
    for (kind, pairs) in wrong {
        println!("| {kind} | {pairs} |");
    }
}
