use serde_json::json;

use super::*;

const URL: &str = "https://example.org/a";

fn appointment() -> Value {
    json!({
        "resourceType": "Appointment", "id": "7", "status": "booked",
        "extension": [{ "url": URL, "valueCode": "x" }, { "url": "https://example.org/b", "valueCode": "y" }],
        "serviceType": [
            { "coding": [{ "system": "s", "code": "one" }, { "system": "t", "code": "two" }] },
            { "coding": [{ "system": "s", "code": "three" }, { "system": "s" }] },
        ],
        "slot": [{ "reference": "Slot/1" }, { "display": "a room" }, { "reference": "Location/2" }],
        "start": "2026-05-04", "end": "2026-05-04T10:00:00Z",
    })
}

#[test]
fn what_is_not_there_reads_as_nothing() {
    let nothing = Value::Null;
    assert_eq!(name(&nothing), "/");
    assert_eq!(items(&nothing["a"]["b"]).count(), 0);
    assert_eq!(referred(&nothing), None);
    assert_eq!(referred_of(&nothing, "Slot").count(), 0);
    assert!(!is_coded(&nothing, "s", "one") && !is_department(&nothing));
    assert_eq!(extension(&nothing, URL), None);
    assert_eq!(span(&nothing, Offset::UTC), None);
    assert_eq!(Words::of(&nothing, "text"), Words::default());
}

#[test]
fn references_are_read_of_the_type_that_is_asked_for() {
    let tree = appointment();
    assert_eq!(name(&tree), "Appointment/7");
    assert_eq!(referred_of(&tree["slot"], "Slot").collect::<Vec<_>>(), ["Slot/1"]);
    assert_eq!(referred_of(&reference("Location/2"), "Location").collect::<Vec<_>>(), ["Location/2"]);
    assert!(!is_of("SlotMachine/1", "Slot") && !is_of("Slot", "Slot"));
}

#[test]
fn codes_are_read_of_one_concept_and_of_a_list_of_them() {
    let tree = appointment();
    assert_eq!(codes(&tree["serviceType"], "s").collect::<Vec<_>>(), ["one", "three"]);
    assert_eq!(codes(&tree["serviceType"][0], "t").collect::<Vec<_>>(), ["two"]);
    assert!(is_coded(&concept("s", "one"), "s", "one") && !is_coded(&concept("s", "one"), "t", "one"));
}

#[test]
fn an_extension_takes_the_place_of_those_of_its_address_and_leaves_no_empty_list_behind() {
    let mut tree = appointment();
    put_extension(&mut tree, json!({ "url": URL, "valueCode": "z" }));
    assert_eq!(extensions(&tree, URL).collect::<Vec<_>>(), [&json!({ "url": URL, "valueCode": "z" })]);
    assert_eq!(items(&tree["extension"]).count(), 2);
    without_extension(&mut tree, URL);
    without_extension(&mut tree, "https://example.org/b");
    assert!(tree.get("extension").is_none());
    put_extension(&mut tree, json!({ "url": URL, "valueCode": "x" }));
    assert_eq!(extension(&tree, URL).unwrap()["valueCode"], "x");
}

#[test]
fn elements_are_taken_off_and_the_others_keep_their_order() {
    let mut tree = appointment();
    without(&mut tree, &["slot", "extension", "nothing"]);
    let left: Vec<&String> = tree.as_object().unwrap().keys().collect();
    assert_eq!(left, ["resourceType", "id", "status", "serviceType", "start", "end"]);
}

#[test]
fn a_day_begins_in_the_zone_of_whoever_asks() {
    const HOUR: i64 = 3_600_000_000;
    let tree = appointment();
    let (here, end) = span(&tree, Offset::constant(8)).unwrap();
    assert_eq!(moment(&tree["start"], Offset::UTC), Some(here + 8 * HOUR));
    assert_eq!(end - here, 18 * HOUR);
    assert_eq!(moment(&json!("soon"), Offset::UTC), None);
}

#[test]
fn words_are_read_as_they_were_put() {
    let mut tree = json!({});
    let both = Words { zh: "到院".to_owned(), en: "Door".to_owned() };
    both.put(&mut tree, "text");
    assert_eq!((tree["text"].as_str(), Words::of(&tree, "text")), (Some("到院"), both));
    let mut tree = json!({});
    Words::same("CT").put(&mut tree, "text");
    assert!(tree.get("_text").is_none());
    assert_eq!(Words::of(&tree, "text"), Words::same("CT"));
}

#[test]
fn a_resource_is_put_on_the_condition_it_was_read_under() {
    let at = |version: Option<u64>| match put(&appointment(), version).unwrap().action {
        Action::Update { target: Target::Key(key), if_match, if_absent, .. } => (key.to_string(), if_match, if_absent),
        other => panic!("{other:?} is no update"),
    };
    assert_eq!(at(Some(3)), ("Appointment/7".to_owned(), Some(3), false));
    assert_eq!(at(None), ("Appointment/7".to_owned(), None, true));
    assert!(put(&json!({ "resourceType": "Appointment" }), None).is_err());
    assert!(put(&json!({ "resourceType": "Feather", "id": "7" }), None).is_err());
}
