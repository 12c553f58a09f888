//! Every rule with its boundaries.

use routing::{Answer, Question, Row, Site, Taking, route};

use crate::{MINUTE, Minutes, NOW, ago, figure, level, policy, question, row, said, site, with};

fn ask(question: &Question, sites: &[(Site, f64)]) -> Answer {
    let (sites, minutes): (Vec<Site>, Vec<f64>) = sites.iter().cloned().unzip();
    route(question, &sites, &Minutes(minutes), &policy(), NOW)
}

/// The number of the site that was chosen.
fn chosen(answer: &Answer) -> Option<usize> {
    answer.chosen.as_ref().map(|place| place.site)
}

/// Why a site was rejected.
fn why(answer: &Answer, site: usize) -> Vec<&'static str> {
    let rejected = answer.rejected.iter().find(|one| one.site == site).unwrap();
    rejected.reasons.iter().map(|reason| reason.code).collect()
}

/// Whether a rule held, the first time it was asked.
fn held(answer: &Answer, rule: &str) -> bool {
    answer.trace.iter().find(|step| step.rule == rule).unwrap_or_else(|| panic!("{rule} in {answer:?}")).held
}

fn needle(dnt: f64) -> Row {
    figure(row(&["ct", "ivt"]), "dnt", dnt)
}

fn thrombectomy(dnt: f64) -> Row {
    figure(row(&["ct", "ivt", "evt"]), "dnt", dnt)
}

fn stroke(name: &str, row: Row) -> Site {
    with(site(name), "stroke", row)
}

#[test]
fn somebody_unstable_goes_to_the_nearest_that_resuscitates_whatever_is_suspected() {
    let mut asked = question("stroke");
    (asked.unstable, asked.last_well, asked.lams) = (true, ago(30), Some(5));
    let near = with(site("near"), "emergency", row(&["resuscitation"]));
    let clinic = stroke("clinic", needle(10.0));
    let far = with(stroke("far", thrombectomy(30.0)), "emergency", row(&["resuscitation"]));
    let answer = ask(&asked, &[(near, 9.0), (clinic, 2.0), (far, 12.0)]);
    assert_eq!((chosen(&answer), answer.rule), (Some(0), "resuscitation"));
    assert_eq!(answer.alternatives[0].site, 2);
    assert_eq!(why(&answer, 1), ["lacks"]);
}

#[test]
fn who_is_not_certified_suspended_without_ivt_or_diverting_is_rejected_and_told_why() {
    let mut expired = needle(20.0);
    expired.certified = Some(("2026-05-03".to_owned(), NOW - 1));
    let mut uncertified = needle(20.0);
    uncertified.certified = None;
    let mut suspended = needle(20.0);
    suspended.suspended = Some("refused".to_owned());
    let mut diverted = needle(20.0);
    diverted.live = Some(said(Taking::Diverted, 3));
    let mut lost = stroke("lost", needle(20.0));
    lost.position = None;
    let sites = [
        (stroke("expired", expired), 1.0),
        (stroke("uncertified", uncertified), 1.0),
        (stroke("suspended", suspended), 1.0),
        (stroke("diverted", diverted), 1.0),
        (stroke("no-ivt", row(&["ct"])), 1.0),
        (site("none"), 1.0),
        (stroke("good", needle(50.0)), 40.0),
    ];
    let mut asked = question("stroke");
    asked.last_well = ago(60);
    let answer = ask(&asked, &sites);
    assert_eq!(chosen(&answer), Some(6));
    let told: Vec<_> = (0..6).map(|at| why(&answer, at)).collect();
    let expected =
        ["certificate-expired", "not-certified", "suspended", "diverted", "lacks", "no-centre"].map(|code| vec![code]);
    assert_eq!(told, expected);
    let answer = route(&asked, &[lost], &Minutes(Vec::new()), &policy(), NOW);
    assert_eq!((chosen(&answer), why(&answer, 0)), (None, vec!["no-position"]));
}

#[test]
fn a_status_of_15_minutes_is_known_and_an_older_one_is_not_and_is_warned_of() {
    for (minutes, seconds, known) in [(14, 0, true), (15, 0, true), (15, 1, false), (300, 0, false), (-2, 0, false)] {
        let mut diverted = needle(20.0);
        diverted.live = Some(said(Taking::Diverted, minutes));
        diverted.live.as_mut().unwrap().said -= seconds * 1_000_000;
        let answer = ask(&question("stroke"), &[(stroke("one", diverted), 5.0), (stroke("other", needle(20.0)), 9.0)]);
        if known {
            assert_eq!((chosen(&answer), why(&answer, 0)), (Some(1), vec!["diverted"]), "{minutes} min");
        } else {
            let place = answer.chosen.as_ref().unwrap();
            assert_eq!((place.site, place.warnings[0].code), (0, "status-unknown"), "{minutes} min");
            assert_eq!(place.warnings[0].limit, Some(15.0));
            assert_eq!(place.warnings[0].detail.as_deref(), Some("diverted"));
        }
    }
    let mut silent = needle(20.0);
    silent.live = None;
    let answer = ask(&question("stroke"), &[(stroke("silent", silent), 5.0)]);
    assert_eq!(answer.chosen.unwrap().warnings[0].code, "status-unknown");
    let mut limited = needle(20.0);
    limited.live = Some(said(Taking::Limited, 5));
    let answer = ask(&question("stroke"), &[(stroke("limited", limited), 5.0)]);
    assert_eq!(answer.chosen.unwrap().warnings[0].code, "limited");
}

#[test]
fn without_a_large_vessel_the_quickest_needle_wins_and_not_the_nearest_door() {
    let mut asked = question("stroke");
    (asked.last_well, asked.lams) = (ago(60), Some(3));
    let answer = ask(&asked, &[(stroke("near", needle(71.0)), 10.0), (stroke("quick", thrombectomy(38.0)), 22.0)]);
    assert_eq!((chosen(&answer), answer.rule), (Some(1), "quickest-needle"));
    assert!(!held(&answer, "large-vessel"));
    let place = answer.chosen.unwrap();
    assert_eq!((place.minutes, place.treatment), (60.0, Some(("dnt", 38.0, false))));
    assert_eq!(answer.alternatives[0].minutes, 81.0);
    // Who has told no median is taken at the national target, and that is said.
    let answer = ask(&asked, &[(stroke("silent", row(&["ivt"])), 10.0)]);
    assert_eq!(answer.chosen.unwrap().treatment, Some(("dnt", 60.0, true)));
}

#[test]
fn from_lams_4_on_the_nearest_is_passed_for_a_thrombectomy_centre_not_more_than_delta_away() {
    // LAMS, minutes to the centre past the nearest at 10, long ways, whether it is gone to.
    for (lams, centre, rural, passes) in [
        (Some(4), 25.0, false, true),
        (Some(5), 25.0, false, true),
        (Some(4), 25.1, false, false),
        (Some(4), 40.0, true, true),
        (Some(4), 40.1, true, false),
        (Some(3), 25.0, false, false),
        (None, 25.0, false, false),
    ] {
        let mut asked = question("stroke");
        (asked.last_well, asked.lams, asked.rural) = (ago(60), lams, rural);
        let sites = [(stroke("near", needle(30.0)), 10.0), (stroke("centre", thrombectomy(40.0)), centre)];
        let answer = ask(&asked, &sites);
        let (site, rule) = if passes { (1, "bypass") } else { (0, "quickest-needle") };
        assert_eq!((chosen(&answer), answer.rule), (Some(site), rule), "{lams:?} {centre} {rural}");
        assert_eq!(answer.alternatives.len(), 1);
    }
}

#[test]
fn the_needle_is_not_lost_by_driving_on_unless_it_is_lost_anyway() {
    // Minutes since last known well; nearest 10 + 30, centre 20 + 40: the window of 270 ends for the centre at 210.
    for (elapsed, passes) in [(209, true), (210, true), (211, false), (230, false), (231, true), (600, true)] {
        let mut asked = question("stroke");
        (asked.last_well, asked.lams) = (ago(elapsed), Some(5));
        let sites = [(stroke("near", needle(30.0)), 10.0), (stroke("centre", thrombectomy(40.0)), 20.0)];
        let answer = ask(&asked, &sites);
        assert_eq!(chosen(&answer), Some(usize::from(passes)), "{elapsed} min");
        assert_eq!(held(&answer, "needle-window"), elapsed <= 230, "{elapsed} min");
    }
}

#[test]
fn a_thrombectomy_centre_is_not_driven_on_to_beyond_24_hours_or_when_nobody_knows_the_time() {
    for (last_well, passes) in [(ago(1_420), true), (ago(1_421), false), (None, false)] {
        let mut asked = question("stroke");
        (asked.last_well, asked.lams) = (last_well, Some(5));
        let sites = [(stroke("near", needle(30.0)), 10.0), (stroke("centre", thrombectomy(40.0)), 20.0)];
        let answer = ask(&asked, &sites);
        assert_eq!(chosen(&answer), Some(usize::from(passes)), "{last_well:?}");
        assert_eq!(answer.warnings.iter().any(|one| one.code == "last-well-unknown"), last_well.is_none());
    }
    // A time that has not come yet is no time.
    let mut asked = question("stroke");
    (asked.last_well, asked.lams) = (Some(NOW + MINUTE), Some(5));
    let answer = ask(&asked, &[(stroke("near", thrombectomy(30.0)), 10.0)]);
    assert_eq!(answer.warnings[0].code, "last-well-unknown");
}

#[test]
fn when_nobody_fits_the_nearest_that_resuscitates_is_the_last_resort_with_all_that_speaks_against_it() {
    let mut uncertified = needle(20.0);
    uncertified.certified = None;
    let near = with(stroke("near", uncertified), "emergency", row(&["resuscitation"]));
    let mut diverting = needle(20.0);
    diverting.live = Some(said(Taking::Diverted, 2));
    let diverting = with(stroke("diverting", diverting), "emergency", row(&["resuscitation"]));
    let answer = ask(&question("stroke"), &[(near, 12.0), (diverting, 3.0)]);
    assert_eq!((chosen(&answer), answer.rule), (Some(0), "last-resort"));
    assert_eq!(answer.chosen.as_ref().unwrap().warnings[0].code, "not-certified");
    assert_eq!(why(&answer, 1), ["diverted"]);
}

#[test]
fn when_all_divert_nobody_is_recommended_and_that_is_said() {
    let closed = |name: &str| {
        let mut stroke = needle(20.0);
        stroke.live = Some(said(Taking::Diverted, 2));
        let mut emergency = row(&["resuscitation"]);
        emergency.live = Some(said(Taking::Diverted, 2));
        with(with(site(name), "stroke", stroke), "emergency", emergency)
    };
    for unstable in [false, true] {
        let mut asked = question("stroke");
        asked.unstable = unstable;
        let answer = ask(&asked, &[(closed("one"), 5.0), (closed("other"), 9.0)]);
        assert_eq!((chosen(&answer), answer.rule, answer.rejected.len()), (None, "nobody", 2));
        assert!(answer.warnings.iter().any(|one| one.code == "nobody"));
    }
    let answer = ask(&question("stroke"), &[]);
    assert_eq!((chosen(&answer), answer.rule), (None, "nobody"));
}

fn chest(name: &str, row: Row) -> Site {
    with(site(name), "chest-pain", row)
}

#[test]
fn an_infarction_goes_to_the_nearest_wire_within_120_minutes_of_the_first_contact() {
    // Minutes since contact; the way 20 and door to wire 70 leave 30.
    for (contact, rule) in [(29, "primary-pci"), (30, "primary-pci"), (31, "lysis-first")] {
        let mut asked = question("chest-pain");
        asked.contact = ago(contact);
        let sites =
            [(chest("basic", row(&["lysis"])), 8.0), (chest("standard", figure(row(&["pci"]), "d2w", 70.0)), 20.0)];
        let answer = ask(&asked, &sites);
        let is_wire = rule == "primary-pci";
        assert_eq!((chosen(&answer), answer.rule), (Some(usize::from(is_wire)), rule), "{contact} min");
        assert_eq!(
            why(&answer, usize::from(!is_wire)),
            if is_wire { vec!["lacks"] } else { vec!["too-late", "lacks"] }
        );
    }
    // Of two in time the nearer is gone to, though the other's figures are better.
    let sites = [
        (chest("near", figure(row(&["pci"]), "d2w", 80.0)), 15.0),
        (chest("quick", figure(row(&["pci"]), "d2w", 50.0)), 25.0),
    ];
    let answer = ask(&question("chest-pain"), &sites);
    assert_eq!((chosen(&answer), answer.chosen.as_ref().unwrap().minutes), (Some(0), 95.0));
    assert_eq!(answer.warnings[0].code, "contact-unknown");
}

#[test]
fn where_nobody_dissolves_the_clot_a_late_wire_is_better_than_none() {
    let mut asked = question("chest-pain");
    asked.contact = ago(90);
    let answer = ask(&asked, &[(chest("standard", figure(row(&["pci"]), "d2w", 70.0)), 20.0)]);
    assert_eq!((chosen(&answer), answer.rule), (Some(0), "late-pci"));
    let place = answer.chosen.unwrap();
    assert_eq!((place.warnings[0].code, place.warnings[0].value), ("too-late", Some(180.0)));
}

#[test]
fn who_is_hurt_worst_goes_to_the_highest_level_within_45_minutes_and_others_to_the_nearest() {
    let trauma = |name: &str, rank: &str| with(site(name), "trauma", level(row(&["or"]), rank));
    for (tier, minutes, expected, rule) in [
        (Some(1), 45.0, 1, "highest-level"),
        (Some(1), 45.1, 0, "highest-level"),
        (Some(2), 20.0, 0, "nearest"),
        (None, 20.0, 0, "nearest"),
    ] {
        let mut asked = question("trauma");
        asked.tier = tier;
        let answer = ask(&asked, &[(trauma("second", "2"), 10.0), (trauma("first", "1"), minutes)]);
        assert_eq!((chosen(&answer), answer.rule), (Some(expected), rule), "{tier:?} {minutes}");
        if minutes > 45.0 {
            assert_eq!(why(&answer, 1), ["too-far"]);
        }
    }
    let mut asked = question("trauma");
    asked.tier = Some(1);
    let answer = ask(&asked, &[(trauma("first", "1"), 90.0), (trauma("third", "3"), 60.0)]);
    assert_eq!((chosen(&answer), answer.rule), (Some(1), "nearest"), "beyond reach the nearest counts");
}

#[test]
fn a_mother_and_a_newborn_go_where_their_colour_and_weeks_are_looked_after() {
    let house = |pathway: &str, rank: &str, has: &[&str]| with(site(rank), pathway, level(row(has), rank));
    let sites = |pathway: &str| {
        [
            (house(pathway, "county", &["blood"]), 5.0),
            (house(pathway, "city", &["blood", "nicu"]), 20.0),
            (house(pathway, "province", &["blood", "nicu"]), 50.0),
        ]
    };
    for (pathway, colour, weeks, expected) in [
        ("obstetric", Some("green"), Some(39), 0),
        ("obstetric", Some("orange"), Some(39), 1),
        ("obstetric", Some("red"), Some(39), 1),
        ("obstetric", None, Some(34), 0),
        ("obstetric", None, Some(33), 1),
        ("obstetric", None, None, 0),
        ("newborn", None, Some(37), 0),
        ("newborn", None, Some(36), 1),
        ("newborn", None, Some(28), 1),
        ("newborn", None, Some(27), 2),
        ("newborn", Some("red"), Some(40), 1),
    ] {
        let mut asked = question(pathway);
        (asked.colour, asked.weeks) = (colour.map(str::to_owned), weeks);
        let answer = ask(&asked, &sites(pathway));
        assert_eq!(chosen(&answer), Some(expected), "{pathway} {colour:?} {weeks:?}: {answer:?}");
        assert_eq!(answer.warnings.iter().any(|one| one.code == "weeks-unknown"), weeks.is_none());
    }
}

#[test]
fn what_has_no_rules_of_its_own_goes_to_the_nearest_centre_for_it_or_whoever_resuscitates() {
    let sites = [
        (with(site("near"), "emergency", row(&["resuscitation"])), 5.0),
        (with(site("centre"), "haemoptysis", row(&["blood"])), 20.0),
    ];
    assert_eq!(chosen(&ask(&question("haemoptysis"), &sites)), Some(1));
    assert_eq!(chosen(&ask(&question("poisoning"), &sites)), Some(0));
}

#[test]
fn what_the_patient_wants_is_told_with_the_minutes_it_costs() {
    let mut asked = question("stroke");
    asked.last_well = ago(60);
    let mut diverted = needle(20.0);
    diverted.live = Some(said(Taking::Diverted, 2));
    let sites = [
        (stroke("best", needle(30.0)), 10.0),
        (stroke("wanted", needle(50.0)), 25.0),
        (stroke("closed", diverted), 40.0),
    ];
    asked.wish = Some("Organization/wanted".to_owned());
    let wish = ask(&asked, &sites).wish.unwrap();
    assert_eq!((wish.site, wish.way_lost, wish.lost, wish.rejected), (1, Some(15.0), Some(35.0), false));
    asked.wish = Some("Location/closed".to_owned());
    let wish = ask(&asked, &sites).wish.unwrap();
    assert_eq!((wish.site, wish.way_lost, wish.lost, wish.rejected), (2, Some(30.0), None, true));
    asked.wish = Some("Location/best".to_owned());
    assert_eq!(ask(&asked, &sites).wish.unwrap().lost, Some(0.0));
    asked.wish = Some("Location/nowhere".to_owned());
    assert_eq!(ask(&asked, &sites).wish, None);
}

#[test]
fn every_number_compared_is_named_with_its_source() {
    let mut asked = question("stroke");
    (asked.last_well, asked.lams) = (ago(60), Some(5));
    let answer = ask(&asked, &[(stroke("near", needle(30.0)), 10.0), (stroke("centre", thrombectomy(40.0)), 20.0)]);
    let rules: Vec<&str> = answer.trace.iter().map(|step| step.rule).collect();
    assert_eq!(
        rules,
        [
            "unstable",
            "takes-patients",
            "capability",
            "needle-window",
            "large-vessel",
            "thrombectomy-window",
            "bypass",
            "bypass-keeps-needle"
        ]
    );
    let sourced = answer.trace.iter().filter_map(|step| step.limit.as_ref()).all(|limit| !limit.source.is_empty());
    assert!(sourced);
}

#[test]
fn a_centre_is_to_be_suspended_for_late_needles_refusals_and_figures_it_does_not_tell() {
    let codes = |row: Row| row.findings("stroke", &policy(), NOW).iter().map(|one| one.code).collect::<Vec<_>>();
    assert_eq!(codes(needle(40.0)), Vec::<&str>::new());
    assert_eq!(codes(row(&["ivt"])), ["missing-figures"]);
    assert_eq!(codes(figure(needle(40.0), "needles-in-time", 49.9)), ["needles-late"]);
    assert_eq!(codes(figure(needle(40.0), "needles-in-time", 50.0)), Vec::<&str>::new());
    assert_eq!(codes(figure(needle(40.0), "refusals", 1.0)), ["refused"]);
    let mut old = needle(40.0);
    old.figures.get_mut("dnt").unwrap().end = NOW - 93 * 24 * 60 * MINUTE;
    assert_eq!(codes(old), ["missing-figures"]);
}
