//! Where an emergency is brought: the rules, the roads, and the registry on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod arriving;
mod chance;
mod keeping;
mod roads;
mod rules;

use std::collections::BTreeMap;

use routing::{Figure, Leg, Live, Point, Policy, Question, Row, Site, Taking, Travel};

/// 2026-05-04T08:00:00+08:00, and a minute, in microseconds.
const NOW: i64 = 1_777_852_800_000_000;
const MINUTE: i64 = 60_000_000;

/// Ways whose minutes are given, in the order of the sites.
struct Minutes(Vec<f64>);

impl Travel for Minutes {
    fn legs(&self, _: Point, to: &[Point]) -> Vec<Leg> {
        assert_eq!(to.len(), self.0.len());
        self.0.iter().map(|minutes| Leg { minutes: *minutes, kilometres: *minutes, by_road: true }).collect()
    }
}

/// A site with nothing yet.
fn site(name: &str) -> Site {
    Site {
        location: format!("Location/{name}"),
        name: name.to_owned(),
        institution: format!("Organization/{name}"),
        institution_name: (name.to_owned(), None),
        position: Point::new(28.0, 113.0),
        rows: BTreeMap::new(),
    }
}

/// A row that is certified, open as of a minute ago, and has this day and night.
fn row(has: &[&str]) -> Row {
    Row {
        service: "HealthcareService/x".to_owned(),
        name: String::new(),
        level: None,
        capabilities: has.iter().map(|one| (*one).to_owned()).collect(),
        hotline: None,
        certified: Some(("2026-12-31".to_owned(), NOW + 1_000_000 * MINUTE)),
        suspended: None,
        figures: BTreeMap::new(),
        live: Some(said(Taking::Open, 1)),
    }
}

/// What was said so many minutes ago.
fn said(taking: Taking, minutes: i64) -> Live {
    Live { taking, said: NOW - minutes * MINUTE, by: None, reason: None, resources: Vec::new() }
}

fn with(mut site: Site, pathway: &str, row: Row) -> Site {
    site.rows.insert(pathway.to_owned(), row);
    site
}

fn figure(mut row: Row, code: &str, value: f64) -> Row {
    let quarter = ("2026-01-01".to_owned(), "2026-03-31".to_owned());
    row.figures.insert(code.to_owned(), Figure { value, quarter, end: NOW - 30 * 24 * 60 * MINUTE });
    row
}

fn level(mut row: Row, level: &str) -> Row {
    row.level = Some(level.to_owned());
    row
}

/// Somebody with this, of whom nothing else is known.
fn question(pathway: &str) -> Question {
    Question {
        pathway: pathway.to_owned(),
        from: Point::new(28.0, 113.0).unwrap(),
        unstable: false,
        last_well: None,
        contact: None,
        lams: None,
        tier: None,
        colour: None,
        weeks: None,
        rural: false,
        wish: None,
    }
}

/// A moment so many minutes before now.
fn ago(minutes: i64) -> Option<i64> {
    Some(NOW - minutes * MINUTE)
}

fn policy() -> Policy {
    Policy::default()
}
