//! Who treats emergencies: an invented registry around the consortium, the roads between its sites, and two editions of
//! the map that were published.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Span;
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use super::history::reference;
use super::institutions::{FIRST, SECOND};

const CODES: &str = "https://qingshan.dev/fhir/CodeSystem";
const SHAPES: &str = "https://qingshan.dev/fhir/StructureDefinition";

/// The invented city's middle, in degrees, and how long a degree is there, in kilometres.
const MIDDLE: (f64, f64) = (28.4, 113.2);
const DEGREE: (f64, f64) = (111.2, 97.9);

/// Hospitals besides those of the consortium: id, name, English name.
const OTHERS: [(&str, &str, &str); 3] = [
    ("chengzhou-central", "澄州市中心医院", "Chengzhou Central Hospital"),
    ("chengzhou-maternity", "澄州市妇幼保健院", "Chengzhou Maternity and Child Hospital"),
    ("bailu-people", "白鹭县人民医院", "Bailu County Hospital"),
];

/// The sites: institution, how many kilometres east and north of the middle.
const SITES: [(&str, f64, f64); 6] = [
    (FIRST, 1.5, 1.0),
    (SECOND[0], 18.0, 4.0),
    (SECOND[1], 20.5, -1.0),
    ("chengzhou-central", -6.0, -2.5),
    ("chengzhou-maternity", -1.0, 4.0),
    ("bailu-people", 41.0, 9.0),
];

/// What a centre has: institution, pathway, name, level, what there is day and night, figures of the last quarter, what it
/// takes, with how many minutes ago that was said, and why it is not open.
struct Centre {
    at: &'static str,
    pathway: &'static str,
    name: &'static str,
    level: Option<&'static str>,
    has: &'static [&'static str],
    figures: &'static [(&'static str, i64)],
    live: (&'static str, i64, Option<&'static str>),
}

const fn centre(
    at: &'static str,
    pathway: &'static str,
    name: &'static str,
    level: Option<&'static str>,
    has: &'static [&'static str],
    figures: &'static [(&'static str, i64)],
    live: (&'static str, i64, Option<&'static str>),
) -> Centre {
    Centre { at, pathway, name, level, has, figures, live }
}

const OPEN: (&str, i64, Option<&str>) = ("open", 4, None);

const CENTRES: [Centre; 20] = [
    centre(FIRST, "emergency", "急诊科", None, &["resuscitation", "ct", "or", "blood"], &[], OPEN),
    centre(
        FIRST,
        "stroke",
        "高级卒中中心",
        Some("advanced"),
        &["ct", "cta", "mr", "ivt", "evt", "or"],
        &[("dnt", 38), ("dpt", 84), ("needles-in-time", 91)],
        OPEN,
    ),
    centre(
        FIRST,
        "chest-pain",
        "胸痛中心（标准版）",
        Some("standard"),
        &["pci", "ecmo", "lysis", "ct"],
        &[("d2w", 66)],
        ("limited", 6, Some("1号导管室检修，另一台在用")),
    ),
    centre(FIRST, "trauma", "创伤中心", Some("1"), &["ct", "or", "blood"], &[], OPEN),
    centre(FIRST, "obstetric", "危重孕产妇救治中心", Some("city"), &["or", "blood", "nicu"], &[], OPEN),
    centre(FIRST, "newborn", "危重新生儿救治中心", Some("city"), &["nicu"], &[], OPEN),
    centre(SECOND[0], "emergency", "急诊科", None, &["resuscitation", "ct", "or", "blood"], &[], OPEN),
    centre(
        SECOND[0],
        "stroke",
        "防治卒中中心",
        Some("prevention"),
        &["ct", "cta", "ivt"],
        &[("dnt", 52), ("needles-in-time", 68)],
        OPEN,
    ),
    centre(SECOND[0], "chest-pain", "胸痛中心（基层版）", Some("basic"), &["lysis", "ct"], &[], OPEN),
    centre(SECOND[0], "trauma", "创伤中心", Some("2"), &["ct", "or", "blood"], &[], OPEN),
    centre(SECOND[0], "obstetric", "危重孕产妇救治中心", Some("county"), &["or", "blood"], &[], ("open", 47, None)),
    centre(SECOND[1], "emergency", "急诊科", None, &["resuscitation", "ct"], &[], ("diverted", 8, Some("抢救室满床"))),
    centre(
        SECOND[1],
        "stroke",
        "防治卒中中心",
        Some("prevention"),
        &["ct", "ivt"],
        &[("dnt", 71), ("needles-in-time", 44)],
        ("open", 190, None),
    ),
    centre("chengzhou-central", "emergency", "急诊科", None, &["resuscitation", "ct", "or", "blood"], &[], OPEN),
    centre(
        "chengzhou-central",
        "stroke",
        "综合防治卒中中心",
        Some("comprehensive"),
        &["ct", "cta", "ivt", "evt"],
        &[("dnt", 45), ("dpt", 96), ("needles-in-time", 82)],
        ("diverted", 5, Some("CT故障，预计1小时修复")),
    ),
    centre(
        "chengzhou-central",
        "chest-pain",
        "胸痛中心（标准版）",
        Some("standard"),
        &["pci", "lysis", "ct"],
        &[("d2w", 74)],
        OPEN,
    ),
    centre("chengzhou-maternity", "obstetric", "危重孕产妇救治中心", Some("city"), &["or", "blood", "nicu"], &[], OPEN),
    centre("chengzhou-maternity", "newborn", "危重新生儿救治中心", Some("province"), &["nicu"], &[], OPEN),
    centre("bailu-people", "emergency", "急诊科", None, &["resuscitation", "ct", "or"], &[], OPEN),
    centre(
        "bailu-people",
        "stroke",
        "防治卒中中心",
        Some("prevention"),
        &["ct", "ivt"],
        &[("dnt", 58), ("needles-in-time", 55)],
        OPEN,
    ),
];

/// The registry and the two editions at a moment.
pub(super) fn registry(now: DateTime) -> Vec<Value> {
    let mut written = places();
    written.extend(CENTRES.iter().map(|centre| row(centre, now)));
    // An edition stands for itself: it holds the names of those it is about.
    let copies = |rows: Vec<Value>| members().chain(places()).chain(rows).collect::<Vec<_>>();
    let plain: Vec<Value> = CENTRES.iter().map(|centre| still(row(centre, now))).collect();
    let mut earlier: Vec<Value> = plain.iter().filter(|row| row["id"] != "bailu-people-stroke").cloned().collect();
    for row in &mut earlier {
        if row["id"] == "chengzhou-central-stroke" {
            row["name"] = json!("防治卒中中心");
            row["characteristic"][0] = characteristic("centre-level", "prevention");
        }
        if row["id"] == "linxi-stroke" {
            row["telecom"] = phone("0730-5550199");
        }
    }
    let day = |months: i32| now.date().saturating_add(Span::new().months(months));
    written.push(edition(1, day(-9), "首版", &copies(earlier)));
    let note = "白鹭县人民医院加入；市中心医院升级为综合防治卒中中心";
    written.push(edition(2, day(-1), note, &copies(plain)));
    written
}

/// The hospitals of the consortium as an edition names them.
fn members() -> impl Iterator<Item = Value> {
    let named = [
        (FIRST, "澄州市第一医院", "Chengzhou First Hospital"),
        (SECOND[0], "临溪区人民医院", "Linxi District Hospital"),
        (SECOND[1], "临溪区中医医院", "Linxi Hospital of Chinese Medicine"),
    ];
    named.into_iter().map(
        |(id, name, english)| json!({ "resourceType": "Organization", "id": id, "name": name, "alias": [english] }),
    )
}

/// The Locations of the sites, and the Organizations that are not of the consortium.
fn places() -> Vec<Value> {
    let kind = json!({ "coding": [{ "system": "https://qingshan.dev/fhir/CodeSystem/organization-type", "code": "outside" }] });
    let outside = OTHERS.iter().map(|(id, name, english)| {
        json!({ "resourceType": "Organization", "id": id, "active": true, "type": [kind], "name": name, "alias": [english] })
    });
    let sites = SITES.iter().map(|(at, east, north)| {
        let (latitude, longitude) = degrees(*east, *north);
        let kind = "http://terminology.hl7.org/CodeSystem/location-physical-type";
        json!({
            "resourceType": "Location", "id": format!("site-{at}"), "status": "active", "name": "本部",
            "physicalType": { "coding": [{ "system": kind, "code": "si" }] },
            "position": { "longitude": longitude, "latitude": latitude },
            "managingOrganization": reference("Organization", at),
        })
    });
    outside.chain(sites).collect()
}

fn row(centre: &Centre, now: DateTime) -> Value {
    let Centre { at, pathway, name, level, has, figures, live } = centre;
    let id = format!("{at}-{pathway}");
    let place = SITES.iter().position(|(site, ..)| site == at).expect("every centre stands at a site");
    let number = CENTRES.iter().position(|one| one.at == *at && one.pathway == *pathway).unwrap_or_default();
    let levels = level.iter().map(|level| characteristic("centre-level", level));
    let characteristics: Vec<Value> =
        levels.chain(has.iter().map(|one| characteristic("centre-capability", one))).collect();
    let until = Date::new(now.date().year() + 1, 12, 31).expect("every year has a last day");
    let mut extensions =
        vec![json!({ "url": format!("{SHAPES}/centre-certified-until"), "valueDate": until.to_string() })];
    let (from, to) = last_quarter(now.date());
    extensions.extend(figures.iter().map(|(code, value)| {
        json!({ "url": format!("{SHAPES}/centre-figure"), "extension": [
            { "url": "code", "valueCode": code }, { "url": "value", "valueDecimal": value },
            { "url": "quarter", "valuePeriod": { "start": from.to_string(), "end": to.to_string() } },
        ] })
    }));
    let (status, minutes, why) = live;
    let said = now.saturating_sub(Span::new().minutes(*minutes)).strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string();
    let mut told =
        vec![json!({ "url": "status", "valueCode": status }), json!({ "url": "said", "valueInstant": said })];
    told.extend(why.iter().map(|why| json!({ "url": "reason", "valueString": why })));
    extensions.push(json!({ "url": format!("{SHAPES}/centre-live"), "extension": told }));
    json!({
        "resourceType": "HealthcareService", "id": id, "active": true, "extension": extensions,
        "providedBy": reference("Organization", at), "location": [reference("Location", &format!("site-{at}"))],
        "category": [{ "coding": [{ "system": format!("{CODES}/service-category"), "code": "emergency-centre" }] }],
        "type": [{ "coding": [{ "system": format!("{CODES}/emergency-pathway"), "code": pathway }] }],
        "name": name, "characteristic": characteristics,
        "telecom": phone(&format!("0730-555{:04}", 100 + place * 20 + number)),
    })
}

fn characteristic(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": format!("{CODES}/{system}"), "code": code }] })
}

fn phone(number: &str) -> Value {
    json!([{ "system": "phone", "use": "work", "value": number }])
}

/// A row without what is said from hour to hour.
fn still(mut row: Value) -> Value {
    let live = format!("{SHAPES}/centre-live");
    if let Some(list) = row["extension"].as_array_mut() {
        list.retain(|one| one["url"] != live.as_str());
    }
    row
}

fn edition(number: u32, from: Date, note: &str, resources: &[Value]) -> Value {
    let entries: Vec<Value> = resources.iter().map(|resource| json!({ "resource": resource })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    json!({
        "resourceType": "Library", "id": format!("capability-map-{number}"),
        "url": "https://qingshan.dev/fhir/Library/capability-map", "version": number.to_string(),
        "name": "CapabilityMap", "status": "active", "date": from.to_string(), "approvalDate": from.to_string(),
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "asset-collection",
        }] },
        "effectivePeriod": { "start": from.to_string() }, "description": note,
        "content": [{ "contentType": "application/fhir+json", "data": STANDARD.encode(bundle.to_string()) }],
    })
}

/// The first day and the last of the quarter before a day.
fn last_quarter(day: Date) -> (Date, Date) {
    let first = Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1).expect("every quarter has a first day");
    let before = first.saturating_sub(Span::new().months(3));
    (before, first.saturating_sub(Span::new().days(1)))
}

fn degrees(east: f64, north: f64) -> (f64, f64) {
    let fine = |degrees: f64| (degrees * 1e5).round() / 1e5;
    (fine(MIDDLE.0 + north / DEGREE.0), fine(MIDDLE.1 + east / DEGREE.1))
}

/// A road: its class, its name, and the points it goes through, in kilometres east and north.
type Road = (&'static str, &'static str, &'static [(f64, f64)]);

const ROADS: [Road; 16] = [
    ("motorway", "澄白高速", &[(-8.0, 7.0), (0.0, 7.5), (10.0, 7.0), (20.0, 7.5), (30.0, 9.5), (40.0, 11.0)]),
    ("motorway", "澄白高速", &[(40.0, 11.0), (30.0, 9.5), (20.0, 7.5), (10.0, 7.0), (0.0, 7.5), (-8.0, 7.0)]),
    ("motorway_link", "澄州互通", &[(0.0, 7.5), (0.0, 5.0)]),
    ("motorway_link", "临溪互通", &[(20.0, 7.5), (18.5, 5.5)]),
    ("motorway_link", "白鹭互通", &[(40.0, 11.0), (41.0, 9.5)]),
    (
        "primary",
        "澄临大道",
        &[(-6.0, -2.5), (-3.0, -1.0), (0.0, 0.0), (1.5, 1.0), (6.0, 1.5), (12.0, 3.0), (18.0, 4.0)],
    ),
    ("primary", "临白公路", &[(18.0, 4.0), (24.0, 3.0), (29.0, 5.0), (35.0, 6.5), (41.0, 9.0), (41.0, 9.5)]),
    ("secondary", "北环路", &[(-8.0, 7.0), (-4.0, 5.0), (-1.0, 4.0), (0.0, 5.0), (1.5, 1.0)]),
    ("secondary", "临溪迎宾路", &[(18.0, 4.0), (18.5, 5.5), (17.0, 9.0), (15.0, 14.0), (12.0, 20.0)]),
    ("secondary", "沿溪路", &[(18.0, 4.0), (19.5, 2.0), (20.5, -1.0), (24.0, -3.0), (30.0, -6.0)]),
    ("secondary", "青岚公路", &[(0.0, 0.0), (2.0, -4.0), (5.0, -8.0), (8.0, -12.0)]),
    ("tertiary", "稻香公路", &[(18.5, 5.5), (22.0, 8.0), (26.0, 12.0)]),
    ("tertiary", "芦汀公路", &[(24.0, 3.0), (29.0, 1.0), (35.0, 1.5)]),
    ("tertiary", "竹芦公路", &[(30.0, -6.0), (33.0, -2.0), (35.0, 1.5), (35.0, 6.5)]),
    ("tertiary", "青溪公路", &[(8.0, -12.0), (13.0, -7.0), (20.5, -1.0)]),
    ("tertiary", "枫林公路", &[(12.0, 20.0), (6.0, 15.0), (-4.0, 10.0), (-8.0, 7.0)]),
];

/// The roads as an OpenStreetMap file. <https://wiki.openstreetmap.org/wiki/OSM_XML>
pub(super) fn roads() -> String {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut ways = String::new();
    for (number, (class, name, through)) in ROADS.iter().enumerate() {
        writeln!(ways, r#"  <way id="{}" version="1">"#, number + 1).expect("a string takes text");
        for point in *through {
            let at = points.iter().position(|one| one == point).unwrap_or_else(|| {
                points.push(*point);
                points.len() - 1
            });
            writeln!(ways, r#"    <nd ref="{}"/>"#, at + 1).expect("a string takes text");
        }
        writeln!(ways, "    <tag k=\"highway\" v=\"{class}\"/>\n    <tag k=\"name\" v=\"{name}\"/>\n  </way>")
            .expect("a string takes text");
    }
    let mut text =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<osm version=\"0.6\" generator=\"qingshan cast\">\n".to_owned();
    for (number, (east, north)) in points.iter().enumerate() {
        let (latitude, longitude) = degrees(*east, *north);
        writeln!(text, r#"  <node id="{}" version="1" lat="{latitude}" lon="{longitude}"/>"#, number + 1)
            .expect("a string takes text");
    }
    text + &ways + "</osm>\n"
}
