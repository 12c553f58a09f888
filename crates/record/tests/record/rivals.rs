//! Many who want the same resource at once.

use std::collections::HashSet;

use fhir::Category;
use record::{Action, Change, Effect, Record};
use sonic_rs::JsonValueTrait;
use testkit::place::{Place, on_both};

use crate::{json, key, one, update};

/// The record as several processes have it open, where that is possible.
async fn processes(place: &Place) -> Vec<Record> {
    if place.is_shared() {
        vec![place.record.clone(), place.again().await, place.again().await]
    } else {
        vec![place.record.clone()]
    }
}

fn counter(id: &str, count: u64) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"n"}},"valueInteger":{count}}}"#
    ))
}

#[test]
fn of_sixty_four_who_count_on_the_same_resources_none_loses_a_step() {
    on_both(async |place| {
        let records = processes(&place).await;
        for id in ["a", "b", "c", "d"] {
            one(&place.session(), update("Observation", id, counter(id, 0), None)).await.unwrap();
        }
        let counting: Vec<_> = (0..64_usize)
            .map(|client| {
                let session = records[client % records.len()].session(place.session().caller().clone());
                tokio::spawn(async move {
                    let id = ["a", "b", "c", "d"][client % 4];
                    let mut steps = 0;
                    while steps < 3 {
                        let current = session.read(&key("Observation", id)).await.unwrap().unwrap();
                        let resource = fhir::json::parse(&current.body.unwrap()).unwrap();
                        let count = resource.get("valueInteger").and_then(|count| count.as_u64()).unwrap();
                        let next = update("Observation", id, counter(id, count + 1), Some(current.version));
                        match one(&session, next).await {
                            Ok(_) => steps += 1,
                            Err(refusal) => assert_eq!(refusal.error.category(), Category::PreconditionFailed),
                        }
                    }
                })
            })
            .collect();
        for client in counting {
            client.await.unwrap();
        }
        for id in ["a", "b", "c", "d"] {
            let last = place.session().read(&key("Observation", id)).await.unwrap().unwrap();
            // Sixteen clients took three steps each, after the version that began with nothing.
            assert_eq!(last.version, 49);
            assert!(String::from_utf8_lossy(&last.body.unwrap()).contains(r#""valueInteger":48}"#));
        }
        assert_eq!(place.record.check(|_| {}).await.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn of_many_who_create_on_the_same_condition_one_does_and_the_others_are_shown_it() {
    on_both(async |place| {
        let records = processes(&place).await;
        let creating: Vec<_> = (0..64_usize)
            .map(|client| {
                let session = records[client % records.len()].session(place.session().caller().clone());
                tokio::spawn(async move {
                    let wanted = client / 3 % 4;
                    let identifier = format!(r#"{{"system":"urn:x-rivals","value":"{wanted}"}}"#);
                    let resource = format!(r#"{{"resourceType":"Patient","active":true,"identifier":[{identifier}]}}"#);
                    let if_none_exist = Some(format!("identifier=urn:x-rivals|{wanted}"));
                    let change = Change::new(Action::Create { resource: json(&resource), if_none_exist });
                    let applied = one(&session, change).await.unwrap();
                    (wanted, applied.effect, applied.version.unwrap().key)
                })
            })
            .collect();
        let (mut made, mut shown) = (0, HashSet::new());
        for client in creating {
            let (wanted, effect, key) = client.await.unwrap();
            made += usize::from(effect == Effect::Created);
            shown.insert((wanted, key));
        }
        assert_eq!((made, shown.len()), (4, 4));
        assert_eq!(place.session().changes(0, 100).await.unwrap().len(), 4);
    });
}
