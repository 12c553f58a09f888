//! When a patient on the road is expected, worked out from where the vehicle is: on both databases.

use std::sync::Arc;

use record::{Caller, tree};
use routing::{Policy, Roads, Routing, Settings, code};
use serde_json::{Value, json};
use testkit::institutions::on_duty;
use testkit::place::{Place, on_both};

use crate::keeping::region;

const RUN: &str = "https://qingshan.dev/fhir/CodeSystem/run";

/// A road that leads past both hospitals of the region.
const ROADS: &str = r#"<osm version="0.6"><node id="1" lat="28.4" lon="113.2"/><node id="2" lat="28.41" lon="113.25"/>
<node id="3" lat="28.4" lon="113.3"/><way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way></osm>"#;

/// A case that a hospital has and a crew brings; `more` stands in its root Task besides.
async fn case(place: &Place, id: &str, patient: &str, owner: &str, more: Value) {
    let mut run = json!({
        "resourceType": "Task", "id": id, "status": "in-progress", "intent": "order",
        "meta": { "tag": [{ "system": RUN, "code": "root" }] },
        "for": { "reference": format!("Patient/{patient}") },
        "owner": { "reference": format!("Organization/{owner}") },
        "input": [{ "type": tree::concept("https://qingshan.dev/fhir/CodeSystem/role", "crew"),
            "valueReference": { "reference": "Organization/station" } }],
    });
    for (name, value) in more.as_object().unwrap() {
        run[name] = value.clone();
    }
    place.keep(&[json!({ "resourceType": "Patient", "id": patient })]).await;
    let engine = place.record.session(Caller::system("HOPERAT")).keeping_runs();
    engine.transact(vec![tree::put(&run, None).unwrap()]).await.unwrap();
}

/// Where a vehicle was, so many seconds after the clock of the test began.
fn position(id: &str, patient: &str, longitude: f64, seconds: i64) -> Value {
    let degrees = |code: &str, value: f64| {
        json!({ "code": tree::concept(code::OBSERVATION, code),
            "valueQuantity": { "value": value, "system": "http://unitsofmeasure.org", "code": "deg" } })
    };
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": tree::concept(code::OBSERVATION, code::POSITION),
        "subject": { "reference": format!("Patient/{patient}") },
        "performer": [{ "reference": "Organization/station" }],
        "effectiveDateTime": fhir::time::instant(crate::NOW + seconds * 1_000_000),
        "component": [degrees("latitude", 28.4), degrees("longitude", longitude)],
    })
}

async fn all_caught_up(routing: &Routing) {
    while !routing.caught_up().await.unwrap() {}
}

/// What was reckoned of a run: by which way, and how many whole minutes after the position.
async fn reckoned(place: &Place, run: &str) -> Option<(String, i64, Value)> {
    let (tree, _) = tree::read(&place.session(), &format!("Observation/{run}.eta")).await.unwrap()?;
    let moment = |name: &str| tree::moment(&tree[name], jiff::tz::Offset::UTC).unwrap();
    let minutes = (moment("valueDateTime") - moment("effectiveDateTime")) / crate::MINUTE;
    let way = tree::codes(&tree["method"], code::ETA_METHOD).next().unwrap().to_owned();
    Some((way, minutes, tree))
}

#[test]
fn an_arrival_follows_the_vehicle_and_says_by_which_way_it_was_reckoned() {
    on_both(async |place| {
        region(&place).await;
        let roads = Roads::read(ROADS.as_bytes(), &Policy::default()).unwrap();
        let routing = Routing::new(
            place.record.clone(),
            Settings { policy: Arc::new(Policy::default()), roads: Some(Arc::new(roads)) },
        );
        all_caught_up(&routing).await;
        // Whoever has the case at the house need not be the house itself.
        case(&place, "c", "p", "ward", json!({})).await;
        place.keep(&[position("far", "p", 113.3, 0)]).await;
        all_caught_up(&routing).await;
        let (way, far, tree) = reckoned(&place, "c").await.unwrap();
        assert_eq!((way.as_str(), &tree["focus"][0]["reference"]), (code::BY_ROAD, &json!("Organization/hospital")));
        assert_eq!(tree["derivedFrom"][0]["reference"], "Observation/far");

        place.clock.pass(300);
        place.keep(&[position("near", "p", 113.25, 300)]).await;
        all_caught_up(&routing).await;
        let (_, near, tree) = reckoned(&place, "c").await.unwrap();
        assert!(near < far && far > 0, "{near} {far}");
        // What was sent earlier and comes later, as out of a tunnel, does not take its place.
        place.keep(&[position("late", "p", 113.3, 60)]).await;
        all_caught_up(&routing).await;
        assert_eq!(reckoned(&place, "c").await.unwrap().2["effectiveDateTime"], tree["effectiveDateTime"]);

        // Far from every road it is a straight line, and says so.
        place.keep(&[position("field", "p", 114.3, 330)]).await;
        all_caught_up(&routing).await;
        let (way, _, tree) = reckoned(&place, "c").await.unwrap();
        assert_eq!((way.as_str(), &tree["method"]["text"]), (code::BY_LINE, &json!("按直线估算")));

        // It is the crew's, as the position is.
        let crew = on_duty(&place.record, "doctor", "station", "TREAT");
        assert!(tree::read(&crew, "Observation/c.eta").await.unwrap().is_some());
        let other = on_duty(&place.record, "doctor", "other", "TREAT");
        assert!(tree::read(&other, "Observation/c.eta").await.unwrap().is_none());
    });
}

#[test]
fn nothing_is_reckoned_of_who_has_come_and_of_a_house_whose_place_nobody_knows() {
    on_both(async |place| {
        let routing = region(&place).await;
        all_caught_up(&routing).await;
        let come = tree::concept("https://qingshan.dev/fhir/CodeSystem/milestone", "emergency.arrived");
        case(&place, "come", "a", "hospital", json!({ "output": [{ "type": come, "valueDateTime": "2026-05-04" }] }))
            .await;
        case(&place, "part", "b", "hospital", json!({ "partOf": [{ "reference": "Task/come" }] })).await;
        case(&place, "nowhere", "d", "centre", json!({})).await;
        case(&place, "old", "e", "hospital", json!({})).await;
        let mut crooked = position("crooked", "e", 113.3, 0);
        crooked["component"][0]["valueQuantity"]["value"] = json!(91);
        place
            .keep(&[
                position("1", "a", 113.3, 0),
                position("2", "b", 113.3, 0),
                position("3", "d", 113.3, 0),
                position("4", "e", 113.3, -7200),
                crooked,
            ])
            .await;
        all_caught_up(&routing).await;
        for run in ["come", "part", "nowhere", "old"] {
            assert!(reckoned(&place, run).await.is_none(), "{run}");
        }
    });
}

/// That somebody has come, as it is told of a case: to where, when, and from which positions.
async fn told_of(place: &Place, run: &str) -> Option<(String, String, Vec<String>)> {
    let (tree, _) = tree::read(&place.session(), &format!("Observation/{run}.arrived")).await.unwrap()?;
    assert!(tree::is_coded(&tree["code"], code::OBSERVATION, code::ARRIVED));
    let from = tree::items(&tree["derivedFrom"]).filter_map(tree::referred).map(str::to_owned).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some((text(&tree["focus"][0]["reference"]), text(&tree["effectiveDateTime"]), from))
}

/// At the door of the hospital, and where one drives past it.
const DOOR: f64 = 113.2005;
const AWAY: f64 = 113.21;

#[test]
fn a_vehicle_that_stays_at_the_door_has_come_since_its_first_position_there() {
    on_both(async |place| {
        let routing = region(&place).await;
        all_caught_up(&routing).await;
        case(&place, "c", "p", "ward", json!({})).await;
        // It drives past, comes, and what it wrote on the way comes last, as out of a tunnel.
        for (id, longitude, seconds) in
            [("away", AWAY, 0), ("past", DOOR, 25), ("on", AWAY, 50), ("there", DOOR, 300), ("still", DOOR, 325)]
        {
            assert_eq!(told_of(&place, "c").await, None, "before {id}");
            place.clock.pass(25);
            place.keep(&[position(id, "p", longitude, seconds)]).await;
            all_caught_up(&routing).await;
        }
        let (house, at, from) = told_of(&place, "c").await.unwrap();
        assert_eq!(house, "Organization/hospital");
        assert_eq!(at, fhir::time::instant(crate::NOW + 300 * 1_000_000));
        assert_eq!(from, ["Observation/there", "Observation/still"]);
        // Whoever may see the positions may see this.
        let crew = on_duty(&place.record, "doctor", "station", "TREAT");
        assert!(tree::read(&crew, "Observation/c.arrived").await.unwrap().is_some());
        let other = on_duty(&place.record, "doctor", "other", "TREAT");
        assert!(tree::read(&other, "Observation/c.arrived").await.unwrap().is_none());
        // It is told once, though it goes on standing there.
        let (_, version) = tree::read(&place.session(), "Observation/c.arrived").await.unwrap().unwrap();
        place.keep(&[position("long", "p", DOOR, 350)]).await;
        all_caught_up(&routing).await;
        assert_eq!(tree::read(&place.session(), "Observation/c.arrived").await.unwrap().unwrap().1, version);
    });
}

#[test]
fn a_vehicle_that_begins_at_the_door_or_does_not_know_where_it_is_has_not_come() {
    on_both(async |place| {
        let routing = region(&place).await;
        all_caught_up(&routing).await;
        case(&place, "sets-out", "a", "hospital", json!({})).await;
        case(&place, "elsewhere", "b", "hospital", json!({})).await;
        case(&place, "inexact", "d", "hospital", json!({})).await;
        let inexact = |id: &str, seconds: i64| {
            let mut tree = position(id, "d", DOOR, seconds);
            tree["component"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "code": tree::concept(code::OBSERVATION, "accuracy"),
                "valueQuantity": { "value": 900, "system": "http://unitsofmeasure.org", "code": "m" } }));
            tree
        };
        place
            .keep(&[
                position("1", "a", DOOR, 0),
                position("2", "a", DOOR, 60),
                // The other hospital of the region is not the one that has the case.
                position("3", "b", AWAY, 0),
                position("4", "b", 113.3, 25),
                position("5", "b", 113.3, 90),
                position("6", "d", AWAY, 0),
                inexact("7", 30),
                inexact("8", 90),
            ])
            .await;
        all_caught_up(&routing).await;
        for run in ["sets-out", "elsewhere", "inexact"] {
            assert_eq!(told_of(&place, run).await, None, "{run}");
        }
        // Once it has been elsewhere and comes back, it has.
        place.clock.pass(600);
        place
            .keep(&[position("9", "a", AWAY, 120), position("10", "a", DOOR, 500), position("11", "a", DOOR, 530)])
            .await;
        all_caught_up(&routing).await;
        assert_eq!(told_of(&place, "sets-out").await.unwrap().2, ["Observation/10", "Observation/11"]);
    });
}
