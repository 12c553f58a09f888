use super::page::{rank, times};
use super::*;

const CASES: usize = 200;

fn comparison() -> Comparison {
    Comparison::read().unwrap()
}

#[test]
fn the_serial_protocol_differs_from_the_one_in_use_by_what_its_steps_require_and_by_nothing_else() {
    let Comparison { parallel, mut serial, .. } = comparison();
    let mut waiting = 0;
    for (own, other) in parallel.steps.iter().zip(&mut serial.steps) {
        assert!(own.requires.iter().all(|one| other.requires.contains(one)), "{} lost a requirement", own.code);
        waiting += usize::from(own.requires != other.requires);
        other.requires.clone_from(&own.requires);
    }
    assert_eq!(serial, parallel);
    assert!(waiting > 10, "most of what is done before the drug waits for its turn: {waiting}");
}

#[test]
fn one_seed_gives_one_history_and_another_seed_another() {
    let comparison = comparison();
    let first = comparison.play(CASES, 7, Staffing::AsPlanned).unwrap();
    assert_eq!(comparison.play(CASES, 7, Staffing::AsPlanned).unwrap(), first);
    assert_ne!(comparison.play(CASES, 8, Staffing::AsPlanned).unwrap()[1].fates, first[1].fates);
    let page = page::write(&comparison, 7, &first, &first);
    assert!(page.contains("| door to needle: **half within** |"), "{page}");
    assert!(!page.contains("NaN"), "{page}");
}

#[test]
fn every_case_ends_and_nobody_is_treated_without_what_treatment_requires() {
    for history in comparison().play(CASES, 1, Staffing::AsPlanned).unwrap() {
        assert_eq!(history.fates.len(), CASES);
        assert!(history.fates.iter().all(|fate| fate.end.is_some()), "a case was left lying");
        assert!(!history.fates.iter().any(|fate| fate.is_unfounded), "the drug was given too soon");
        let treated = times(&history.fates, 0);
        assert!(treated.len() > CASES / 4 && treated.len() < CASES, "{} were treated", treated.len());
        assert!(treated.iter().all(|minutes| *minutes > 0.0), "nobody is treated before the door");
    }
}

#[test]
fn the_same_patients_are_treated_either_way() {
    let [serial, parallel] = comparison().play(CASES, 3, Staffing::AsPlanned).unwrap();
    for (number, (one, other)) in serial.fates.iter().zip(&parallel.fates).enumerate() {
        assert_eq!(one.door, other.door);
        assert_eq!(one.reached[0].is_some(), other.reached[0].is_some(), "case {number}");
        assert_eq!(one.reached[1].is_some(), other.reached[1].is_some(), "case {number}");
    }
}

#[test]
fn where_nobody_is_ever_busy_no_case_is_treated_sooner_one_after_another() {
    let [serial, parallel] = comparison().play(CASES, 1, Staffing::Boundless).unwrap();
    for (number, (one, other)) in serial.fates.iter().zip(&parallel.fates).enumerate() {
        for (one, other) in one.reached.iter().zip(&other.reached) {
            assert!(one >= other, "case {number}: {one:?} before {other:?}");
        }
    }
}

#[test]
fn side_by_side_is_sooner_where_people_and_machines_are_few() {
    let histories = comparison().play(CASES, 1, Staffing::AsPlanned).unwrap();
    let [serial, parallel] = histories.each_ref().map(|history| times(&history.fates, 0));
    for share in [0.1, 0.5, 0.9] {
        assert!(rank(&serial, share) > rank(&parallel, share), "{share}");
    }
    let waited = |history: &History| history.waits.iter().map(|waits| waits.long.len()).sum::<usize>();
    assert!(histories.iter().all(|history| waited(history) > 0), "somebody waits for somebody who is busy");
}

#[test]
fn a_plan_that_leaves_out_a_step_is_refused() {
    let Comparison { parallel, .. } = comparison();
    let refused = |from: &str, to: &str| Plan::read(&PLAN.replacen(from, to, 1), &parallel).unwrap_err();
    assert!(refused("\"arrive\", ", "").contains("arrive"));
    assert!(refused("high = 0.25", "high = 0.20").contains("pressure"));
    assert!(refused("pool = \"ct\"", "pool = \"mri\"").contains("scan"));
    assert!(plan::requiring(&parallel, "scan = [\"paid\"]").unwrap_err().contains("paid"));
}
