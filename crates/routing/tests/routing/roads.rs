//! Ways by a graph of roads, and what is read from a file that anybody may have written.

use routing::{Lines, Point, Policy, Roads, Travel};
use testkit::dice::Dice;

/// A road of 0.1 degrees along the equator, which takes a car at 60 km/h eleven minutes, and a slow short cut.
const TOWN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
  <node id="1" lat="0" lon="0"/><node id="2" lat="0" lon="0.05"/><node id="3" lat="0" lon="0.1"/>
  <node id="4" lat="0.02" lon="0.05"/><node id="8" lat="1" lon="1"/><node id="9" lat="1" lon="1.001"/>
  <way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way>
  <way id="2"><nd ref="2"/><nd ref="4"/><tag k="highway" v="service"/></way>
  <way id="3"><nd ref="8"/><nd ref="9"/><tag k="highway" v="residential"/></way>
  <way id="4"><nd ref="1"/><nd ref="3"/><tag k="waterway" v="river"/></way>
</osm>"#;

fn read(text: &str) -> Roads {
    Roads::read(text.as_bytes(), &Policy::default()).unwrap()
}

fn point(latitude: f64, longitude: f64) -> Point {
    Point::new(latitude, longitude).unwrap()
}

#[test]
fn a_way_follows_roads_at_the_speed_of_their_class() {
    let roads = read(TOWN);
    assert_eq!(roads.len(), 4, "what is not joined to the rest is left out");
    let legs = roads.legs(point(0.0, 0.0), &[point(0.0, 0.1), point(0.02, 0.05)]);
    // 11.12 km at 60 km/h; 5.56 km at 60 and 2.22 km at 15 km/h.
    assert!((legs[0].minutes - 11.12).abs() < 0.02 && legs[0].by_road, "{legs:?}");
    assert!((legs[1].minutes - (5.56 + 8.9)).abs() < 0.05, "{legs:?}");
    assert_eq!(roads.drawn().len(), 1);
}

#[test]
fn what_lies_far_from_every_road_is_a_straight_line_that_says_so() {
    let roads = read(TOWN);
    let legs = roads.legs(point(0.0, 0.0), &[point(0.5, 0.5), point(0.0, 0.1)]);
    assert_eq!((legs[0].by_road, legs[1].by_road), (false, true));
    let lines = Lines::new(&Policy::default()).legs(point(0.0, 0.0), &[point(0.5, 0.5)]);
    assert_eq!(legs[0], lines[0]);
    // 78.6 km with a detour of 1.4 at 45 km/h.
    assert!((lines[0].minutes - 146.7).abs() < 0.5, "{lines:?}");
}

#[test]
fn a_one_way_road_is_not_driven_against() {
    let ring = r#"<osm><node id="1" lat="0" lon="0"/><node id="2" lat="0" lon="0.01"/><node id="3" lat="0.01" lon="0"/>
        <way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="highway" v="tertiary"/>
        <tag k="oneway" v="DIRECTION"/></way></osm>"#;
    let minutes = |direction: &str| {
        let roads = read(&ring.replace("DIRECTION", direction));
        roads.legs(point(0.0, 0.0), &[point(0.0, 0.01)])[0].minutes
    };
    let (forward, both, against) = (minutes("yes"), minutes("no"), minutes("-1"));
    assert!((forward - both).abs() < 1e-9 && against > 2.0 * forward, "{forward} {both} {against}");
}

#[test]
fn what_is_no_file_of_roads_is_refused() {
    for (text, said) in [
        ("", "XML"),
        ("<gpx/>", "<osm>"),
        ("<osm/>", "no roads"),
        ("<osm><node id='1' lat='91' lon='0'/><node id='2' lat='NaN' lon='0'/></osm>", "no roads"),
        ("<!DOCTYPE osm [<!ENTITY a 'b'>]><osm>&a;</osm>", "XML"),
    ] {
        let error = Roads::read(text.as_bytes(), &Policy::default()).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    assert!(Roads::read(&[0xff, 0xfe, 0x00], &Policy::default()).is_err());
}

#[test]
fn no_bytes_whatever_break_the_reader() {
    let policy = Policy::default();
    let mut dice = Dice::new(11);
    for end in 0..TOWN.len() {
        drop(Roads::read(&TOWN.as_bytes()[..end], &policy));
    }
    for _ in 0..3_000 {
        let mut bytes = TOWN.as_bytes().to_vec();
        for _ in 0..=dice.below(6) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] = dice.number() as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, *dice.pick(b"<>\"'&0-9e.")),
                _ => {
                    let to = dice.below(bytes.len());
                    bytes.swap(at, to);
                }
            }
        }
        if let Ok(roads) = Roads::read(&bytes, &policy) {
            let places = [point(0.0, 0.1), point(89.9, -179.9)];
            let legs = roads.legs(point(0.0, 0.0), &places);
            assert!(legs.iter().all(|leg| leg.minutes.is_finite() && leg.minutes >= 0.0), "{legs:?}");
        }
    }
    let deep = format!("<osm>{}{}</osm>", "<way>".repeat(20_000), "</way>".repeat(20_000));
    assert!(Roads::read(deep.as_bytes(), &policy).is_err());
}
