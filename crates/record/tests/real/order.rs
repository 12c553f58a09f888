//! In which order searches find.

use serde_json::Value;
use testkit::place::on_both;
use testkit::region::name;

use crate::reading::{coded, folded, span, spans, texts};
use crate::{World, found};

/// What a resource is ordered by; nothing when it has no such value.
type Key = Option<(i128, String)>;

/// A search, which resources match it, what they are ordered by, and whether the last comes first.
type Case<'c> = (&'static str, &'c dyn Fn(&Value) -> bool, &'c dyn Fn(&Value) -> Key, bool);

fn earliest(one: &Value, path: &str) -> Key {
    spans(one, &[path]).into_iter().map(|span| (span.lo, String::new())).min()
}

fn latest(one: &Value, path: &str) -> Key {
    spans(one, &[path]).into_iter().map(|span| (span.hi, String::new())).max()
}

fn least(one: &Value, path: &str) -> Key {
    texts(one, &[path]).into_iter().map(|text| (0, folded(text))).min()
}

#[test]
fn matches_come_in_the_order_asked_for_and_those_without_a_value_last() {
    let test = "matches_come_in_the_order_asked_for_and_those_without_a_value_last";
    on_both(async |place| {
        let Some(world) = World::fill(test, &place).await else { return };
        let session = place.session();
        let everybody = |_: &Value| true;
        let american = |one: &Value| coded(one, "meta.tag", None, "synthea-5-2019");
        let heights = |one: &Value| coded(one, "code", None, "8302-2");
        let cases: [Case<'_>; 7] = [
            ("Patient?_sort=birthdate", &everybody, &|one| earliest(one, "birthDate"), false),
            ("Patient?_sort=-birthdate", &everybody, &|one| latest(one, "birthDate"), true),
            ("Observation?code=8302-2&_sort=-date", &heights, &|one| latest(one, "effectiveDateTime"), true),
            ("Observation?code=8302-2&_sort=date", &heights, &|one| earliest(one, "effectiveDateTime"), false),
            ("Encounter?_sort=date", &everybody, &|one| earliest(one, "period"), false),
            ("Condition?_sort=-onset-date", &everybody, &|one| latest(one, "onsetDateTime"), true),
            // Names in Chinese characters stand by their sound, which this test does not know.
            ("Organization?_tag=synthea-5-2019&_sort=name", &american, &|one| least(one, "name"), false),
        ];
        for (query, holds, key, descending) in cases {
            let type_ = query.split('?').next().unwrap();
            let expected: Vec<&Value> = world.of(type_).filter(|one| holds(one)).collect();
            for count in [7, 1_000] {
                let names = found(&session, &format!("{query}&_count={count}")).await;
                let mut sorted = names.clone();
                sorted.sort();
                let mut all: Vec<String> = expected.iter().map(|one| name(one)).collect();
                all.sort();
                assert_eq!(sorted, all, "{query}: what is found does not depend on the order");
                let keys: Vec<Key> = names.iter().map(|name| key(world.at(name).unwrap())).collect();
                let valued = keys.iter().take_while(|key| key.is_some()).count();
                assert!(keys[valued..].iter().all(Option::is_none), "{query}: what has no value comes last");
                let right = |pair: &[Key]| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
                let wrong = keys[..valued].windows(2).position(|pair| !right(pair));
                assert_eq!(wrong.map(|at| &keys[at..at + 2]), None, "{query}");
            }
        }
    });
}

#[test]
fn a_second_key_orders_what_the_first_leaves_equal() {
    let test = "a_second_key_orders_what_the_first_leaves_equal";
    on_both(async |place| {
        let Some(world) = World::fill(test, &place).await else { return };
        let names = found(&place.session(), "Patient?_sort=gender,-birthdate&_count=10").await;
        let key = |name: &String| {
            let one = world.at(name).unwrap();
            (one["gender"].as_str().unwrap().to_owned(), -span(one["birthDate"].as_str().unwrap()).lo)
        };
        let keys: Vec<(String, i128)> = names.iter().map(key).collect();
        assert_eq!(keys.len(), world.of("Patient").count());
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.first().unwrap().0 != keys.last().unwrap().0);
    });
}
