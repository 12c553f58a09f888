//! What holds for every registry and every question.

use std::collections::BTreeMap;

use routing::{Site, Taking, route};
use testkit::dice::Dice;

use crate::{MINUTE, Minutes, NOW, figure, policy, question, row, said, site};

const PATHWAYS: [&str; 7] = ["stroke", "chest-pain", "trauma", "obstetric", "newborn", "emergency", "poisoning"];
const LEVELS: [&str; 9] = ["1", "2", "3", "county", "city", "province", "advanced", "standard", "unheard-of"];
const CAPABILITIES: [&str; 8] = ["ivt", "evt", "pci", "lysis", "nicu", "blood", "resuscitation", "ct"];

fn any_site(dice: &mut Dice, number: usize) -> Site {
    let mut one = site(&format!("s{number}"));
    one.rows = BTreeMap::new();
    if dice.chance(0.1) {
        one.position = None;
    }
    for pathway in PATHWAYS {
        if dice.chance(0.4) {
            continue;
        }
        let has: Vec<&str> = CAPABILITIES.into_iter().filter(|_| dice.chance(0.6)).collect();
        let mut made = row(&has);
        if dice.chance(0.7) {
            made.level = Some((*dice.pick(&LEVELS)).to_owned());
        }
        for code in ["dnt", "d2w"] {
            if dice.chance(0.6) {
                made = figure(made, code, dice.between(10, 120) as f64);
            }
        }
        if dice.chance(0.1) {
            made.certified = None;
        }
        if dice.chance(0.1) {
            made.suspended = Some("other".to_owned());
        }
        let taking = *dice.pick(&[Taking::Open, Taking::Open, Taking::Limited, Taking::Diverted]);
        made.live = dice.chance(0.9).then(|| said(taking, dice.between(-3, 30)));
        one.rows.insert(pathway.to_owned(), made);
    }
    one
}

#[test]
fn every_site_is_named_once_and_the_chosen_one_is_never_a_rejected_one() {
    let mut dice = Dice::new(7);
    let (mut found, mut none) = (0, 0);
    for _ in 0..4_000 {
        let count = dice.below(9);
        let sites: Vec<Site> = (0..count).map(|number| any_site(&mut dice, number)).collect();
        let placed = sites.iter().filter(|one| one.position.is_some()).count();
        let minutes: Vec<f64> = (0..placed).map(|_| dice.between(0, 120) as f64).collect();
        let mut asked = question(PATHWAYS[dice.below(PATHWAYS.len())]);
        asked.unstable = dice.chance(0.2);
        asked.last_well = dice.chance(0.8).then(|| NOW - dice.between(0, 1_600) * MINUTE);
        asked.contact = dice.chance(0.8).then(|| NOW - dice.between(0, 150) * MINUTE);
        asked.lams = dice.chance(0.8).then(|| dice.below(6) as u32);
        asked.tier = dice.chance(0.5).then(|| dice.between(1, 2) as u32);
        asked.colour = dice.chance(0.5).then(|| (*dice.pick(&["green", "orange", "red"])).to_owned());
        asked.weeks = dice.chance(0.5).then(|| dice.between(22, 41) as u32);
        asked.wish = (count > 0 && dice.chance(0.5)).then(|| format!("Location/s{}", dice.below(count)));
        let answer = route(&asked, &sites, &Minutes(minutes), &policy(), NOW);

        let places = answer.chosen.iter().chain(&answer.alternatives);
        let mut named: Vec<usize> =
            places.clone().map(|place| place.site).chain(answer.rejected.iter().map(|one| one.site)).collect();
        named.sort_unstable();
        assert_eq!(named, (0..count).collect::<Vec<_>>(), "{asked:?} {answer:?}");
        assert!(answer.rejected.iter().all(|one| !one.reasons.is_empty()), "{asked:?} {answer:?}");
        assert!(places.clone().all(|place| place.minutes.is_finite() && place.leg.minutes <= place.minutes));
        assert_eq!(answer.wish.is_some(), asked.wish.is_some());
        // Nobody is sent where it was said, not long ago, that such patients are turned away.
        for place in places {
            let pathway = if asked.unstable { "emergency" } else { asked.pathway.as_str() };
            let counts = |row: &&routing::Row| !asked.unstable || row.capabilities.contains("resuscitation");
            let live = sites[place.site].rows.get(pathway).filter(counts);
            let live = live.and_then(|row| row.live.as_ref()).filter(|live| live.is_fresh(NOW, 15.0));
            assert!(live.is_none_or(|live| live.taking != Taking::Diverted), "{asked:?} {answer:?}");
        }
        assert_eq!(answer.chosen.is_none(), answer.rule == "nobody");
        found += usize::from(answer.chosen.is_some());
        none += usize::from(answer.chosen.is_none());
        // The same question has the same answer.
        let minutes: Vec<f64> =
            sites.iter().enumerate().filter(|(_, one)| one.position.is_some()).map(|_| 1.0).collect();
        let again = || route(&asked, &sites, &Minutes(minutes.clone()), &policy(), NOW);
        assert_eq!(again(), again());
    }
    assert!(found > 1_000 && none > 100, "{found} {none}");
}
