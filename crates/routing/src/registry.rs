//! Who can treat what: the rows of the registry, read off HealthcareServices and their Locations.

use std::collections::{BTreeMap, BTreeSet};

use fhir::time;
use jiff::tz::Offset;
use record::tree::{codes, extension as part, extensions, is_coded, items, name, referred};
use serde_json::Value;

use crate::code;

/// A place on the globe, WGS 84, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// North is above zero.
    pub latitude: f64,
    /// East is above zero.
    pub longitude: f64,
}

impl Point {
    /// A place, if there is one of these degrees.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let is_one = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        is_one.then_some(Self { latitude, longitude })
    }

    /// Along the surface, in metres.
    pub fn metres_to(self, other: Self) -> f64 {
        /// The mean radius of the earth.
        const RADIUS: f64 = 6_371_008.8;
        let (north, south) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let chord =
            half(other.latitude - self.latitude) + north.cos() * south.cos() * half(other.longitude - self.longitude);
        2.0 * RADIUS * chord.sqrt().min(1.0).asin()
    }
}

/// A site of an institution, with what it can treat.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The `Location/…`.
    pub location: String,
    /// What people call the site.
    pub name: String,
    /// The `Organization/…` of the institution.
    pub institution: String,
    /// What people call it, and in English where it has such a name.
    pub institution_name: (String, Option<String>),
    /// Where it is; nothing where nobody has said.
    pub position: Option<Point>,
    /// Its rows by pathway.
    pub rows: BTreeMap<String, Row>,
}

/// What a site can treat of one pathway.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The `HealthcareService/…`.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// How it is certified.
    pub level: Option<String>,
    /// What it has day and night.
    pub capabilities: BTreeSet<String>,
    /// Whom to call.
    pub hotline: Option<String>,
    /// The last day of its certificate, as written, and the moment that day ends, in microseconds since 1970.
    pub certified: Option<(String, i64)>,
    /// Why it is suspended, where it is.
    pub suspended: Option<String>,
    /// Figures of quarters, the latest of each code.
    pub figures: BTreeMap<String, Figure>,
    /// What was said last of what it takes.
    pub live: Option<Live>,
}

/// A figure of a quarter.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Minutes, percent or a count, by its code.
    pub value: f64,
    /// The first day of the quarter and its last, as written.
    pub quarter: (String, String),
    /// The moment the quarter ends, in microseconds since 1970.
    pub end: i64,
}

/// What a centre takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// Whoever comes.
    Open,
    /// Some: the reason says what not.
    Limited,
    /// Nobody.
    Diverted,
}

impl Taking {
    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Limited => "limited",
            Self::Diverted => "diverted",
        }
    }

    /// What a code means.
    pub fn of(code: &str) -> Option<Self> {
        [Self::Open, Self::Limited, Self::Diverted].into_iter().find(|one| one.code() == code)
    }
}

/// What was said of what a centre takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What it took then.
    pub taking: Taking,
    /// When that was said, in microseconds since 1970.
    pub said: i64,
    /// Who said so: `PractitionerRole/…`.
    pub by: Option<String>,
    /// Why it is not open.
    pub reason: Option<String>,
    /// How many of what is free, such as beds.
    pub resources: Vec<(String, i64)>,
}

impl Live {
    /// How old it is, in whole minutes; below zero when it was said by a clock that is ahead.
    pub fn age(&self, now: i64) -> i64 {
        (now - self.said).div_euclid(60_000_000)
    }

    /// Whether it can be gone by: not older than so many minutes, and not from the future.
    pub fn is_fresh(&self, now: i64, minutes: f64) -> bool {
        /// How far clocks may be apart, in microseconds.
        const SKEW: i64 = 60_000_000;
        let age = now - self.said;
        age >= -SKEW && (age as f64) <= minutes * 60_000_000.0
    }
}

/// Reads a row off a HealthcareService: its pathways, its Location and what it says; nothing when it is none.
pub(crate) fn row(service: &Value, zone: Offset) -> Option<(Vec<String>, String, Row)> {
    if service["active"] == false || !is_coded(&service["category"], code::CATEGORY, code::CENTRE) {
        return None;
    }
    let location = items(&service["location"]).find_map(referred)?.to_owned();
    let pathways = codes(&service["type"], code::PATHWAY).map(str::to_owned).collect();
    let phone = items(&service["telecom"]).find(|one| one["system"] == "phone");
    let certified = extensions(service, code::CERTIFIED_UNTIL).find_map(|one| {
        let day = one["valueDate"].as_str()?;
        Some((day.to_owned(), time::parse(day, zone)?.hi))
    });
    let row = Row {
        service: name(service),
        name: service["name"].as_str().unwrap_or_default().to_owned(),
        level: codes(&service["characteristic"], code::LEVEL).next().map(str::to_owned),
        capabilities: codes(&service["characteristic"], code::CAPABILITY).map(str::to_owned).collect(),
        hotline: phone.and_then(|one| one["value"].as_str()).map(str::to_owned),
        certified,
        suspended: extensions(service, code::SUSPENDED)
            .map(|one| part(one, "reason").and_then(|part| part["valueCode"].as_str()).unwrap_or("other").to_owned())
            .next(),
        figures: figures(service, zone),
        live: extensions(service, code::LIVE).find_map(|one| live(one, zone)),
    };
    Some((pathways, location, row))
}

fn figures(service: &Value, zone: Offset) -> BTreeMap<String, Figure> {
    let mut found: BTreeMap<String, Figure> = BTreeMap::new();
    for one in extensions(service, code::FIGURE) {
        let code = part(one, "code").and_then(|part| part["valueCode"].as_str());
        let value = part(one, "value").and_then(|part| part["valueDecimal"].as_f64());
        let quarter = part(one, "quarter").map(|part| &part["valuePeriod"]);
        let (Some(code), Some(value), Some(quarter)) = (code, value, quarter) else { continue };
        let day = |side: &str| quarter[side].as_str().unwrap_or_default().to_owned();
        let Some(end) = time::parse(&day("end"), zone).map(|span| span.hi) else { continue };
        // A figure that is no number of minutes would silently win every comparison.
        if !value.is_finite() || value < 0.0 || found.get(code).is_some_and(|other| other.end >= end) {
            continue;
        }
        found.insert(code.to_owned(), Figure { value, quarter: (day("start"), day("end")), end });
    }
    found
}

fn live(extension: &Value, zone: Offset) -> Option<Live> {
    let text = |url: &str, member: &str| Some(part(extension, url)?[member].as_str()?.to_owned());
    let resources = extensions(extension, "resource").filter_map(|one| {
        Some((part(one, "code")?["valueCode"].as_str()?.to_owned(), part(one, "count")?["valueInteger"].as_i64()?))
    });
    Some(Live {
        taking: Taking::of(&text("status", "valueCode")?)?,
        said: time::parse(&text("said", "valueInstant")?, zone)?.lo,
        by: part(extension, "by").and_then(|one| referred(&one["valueReference"])).map(str::to_owned),
        reason: text("reason", "valueString"),
        resources: resources.collect(),
    })
}

/// Where a Location is.
pub(crate) fn position(location: &Value) -> Option<Point> {
    let degrees = |side: &str| location["position"][side].as_f64();
    Point::new(degrees("latitude")?, degrees("longitude")?)
}

/// Brings rows together by their sites. Of two rows of one pathway at one site, the first by its name counts.
pub(crate) fn sites(services: &[Value], zone: Offset, mut about: impl FnMut(&Value, &str) -> Site) -> Vec<Site> {
    let mut sites: BTreeMap<String, Site> = BTreeMap::new();
    let mut sorted: Vec<&Value> = services.iter().collect();
    sorted.sort_by_cached_key(|service| name(service));
    for service in sorted {
        let Some((pathways, location, row)) = row(service, zone) else { continue };
        let site = sites.entry(location.clone()).or_insert_with(|| about(service, &location));
        for pathway in pathways {
            site.rows.entry(pathway).or_insert_with(|| row.clone());
        }
    }
    sites.into_values().collect()
}
