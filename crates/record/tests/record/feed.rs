use std::collections::HashSet;

use record::{FeedEntry, Method, Record, ResourceType};
use testkit::place::on_both;

use crate::{create, delete, json, one, patient, update};

async fn positions(record: &Record) -> Vec<u64> {
    let session = record.session(record::Caller::system("HOPERAT"));
    session.changes(0, 100_000).await.unwrap().iter().map(|entry| entry.seq).collect()
}

#[test]
fn the_feed_tells_every_change_with_who_and_why() {
    on_both(async |place| {
        let session = place.session();
        let applied = one(&session, create(json(r#"{"resourceType":"Basic","code":{"text":"x"}}"#))).await.unwrap();
        let id = applied.version.unwrap().key.id;
        one(&session, delete("Basic", &id)).await.unwrap();
        let feed = session.changes(0, 10).await.unwrap();
        let told: Vec<_> =
            feed.iter().map(|entry| (entry.seq, entry.key.id.as_str(), entry.version, entry.method)).collect();
        assert_eq!(told, [(1, id.as_str(), 1, Method::Create), (2, id.as_str(), 2, Method::Delete)]);
        assert!(feed.iter().all(|entry| entry.actor == "Practitioner/doctor" && entry.purpose == "TREAT"));
        assert_eq!(session.changes(1, 10).await.unwrap().len(), 1);
        assert_eq!(session.changes(2, 10).await.unwrap().len(), 0);
    });
}

#[test]
fn the_head_of_the_feed_moves_when_a_change_is_durable() {
    on_both(async |place| {
        let mut head = place.record.head();
        assert_eq!(*head.borrow_and_update(), 0);
        one(&place.session(), update("Patient", "p", patient("p", "卫"), None)).await.unwrap();
        head.wait_for(|head| *head == 1).await.unwrap();
    });
}

#[test]
fn positions_have_no_gap_and_no_repeat_when_many_write_at_once() {
    on_both(async |place| {
        let records = if place.is_shared() {
            vec![place.record.clone(), place.again().await, place.again().await]
        } else {
            vec![place.record.clone()]
        };
        let writers = (0..48_usize).map(|writer| {
            let session = records[writer % records.len()].session(place.session().caller().clone());
            tokio::spawn(async move {
                for turn in 0..10 {
                    let id = format!("p{}", (writer + turn) % 16);
                    // Some of these are refused; a refused change must leave no gap behind.
                    let guard = (turn % 5 == 4).then_some(9_999);
                    let _ = one(&session, update("Patient", &id, patient(&id, "蒋"), guard)).await;
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let seen = positions(&place.record).await;
        assert_eq!(seen, (1..=384).collect::<Vec<u64>>());
    });
}

#[test]
fn a_reader_that_follows_the_feed_while_it_grows_misses_nothing() {
    on_both(async |place| {
        let writers: Vec<Record> =
            if place.is_shared() { vec![place.again().await, place.again().await] } else { vec![place.record.clone()] };
        let writing: Vec<_> = (0..16_usize)
            .map(|writer| {
                let session = writers[writer % writers.len()].session(place.session().caller().clone());
                tokio::spawn(async move {
                    for turn in 0..20 {
                        let id = format!("w{writer}-{turn}");
                        one(&session, update("Patient", &id, patient(&id, "沈"), None)).await.unwrap();
                    }
                })
            })
            .collect();
        let session = place.session();
        let mut head = place.record.head();
        let (mut at, mut seen) = (0, HashSet::new());
        while seen.len() < 320 {
            head.wait_for(|head| *head > at).await.unwrap();
            for entry in session.changes(at, 7).await.unwrap() {
                assert_eq!(entry.seq, at + 1, "positions come one after another");
                assert!(seen.insert(entry.key.id));
                at = entry.seq;
            }
        }
        for writer in writing {
            writer.await.unwrap();
        }
    });
}

/// What a record tells from every position on, of everything that was changed up to one.
async fn heard(record: &Record, last: u64) -> Vec<Vec<FeedEntry>> {
    let session = record.session(record::Caller::system("HOPERAT"));
    record.head().wait_for(|head| *head >= last).await.unwrap();
    let mut told = Vec::new();
    for after in 0..=last {
        told.push(session.heard(after, 5).await.unwrap());
    }
    told
}

#[test]
fn followers_hear_what_stands_in_the_feed_from_any_position_whoever_wrote_it() {
    on_both(async |place| {
        let other = if place.is_shared() { place.again().await } else { place.record.clone() };
        let writers = [&place.record, &other].map(|record| record.session(place.session().caller().clone()));
        let platform = place.record.session(record::Caller::system("HOPERAT"));
        for turn in 0..20_u64 {
            let id = format!("p{}", turn % 7);
            let writer = &writers[usize::try_from(turn % 2).unwrap()];
            one(writer, update("Patient", &id, patient(&id, "褚"), None)).await.unwrap();
            if turn % 6 == 5 {
                let mut stands = Vec::new();
                for after in 0..=turn + 1 {
                    stands.push(platform.changes(after, 5).await.unwrap());
                }
                assert_eq!(heard(&place.record, turn + 1).await, stands);
                assert_eq!(heard(&other, turn + 1).await, stands);
            }
        }
    });
}

#[test]
fn what_is_kept_in_memory_of_a_type_is_known_to_be_old_once_one_of_it_is_written() {
    on_both(async |place| {
        let other = if place.is_shared() { place.again().await } else { place.record.clone() };
        let types = ["Patient", "Organization"].map(|name| ResourceType::named(name).unwrap());
        let turn = |record: &Record| record.turn(&types);
        let (here, there) = (turn(&place.record), turn(&other));
        one(&place.session(), create(json(r#"{"resourceType":"Basic","code":{"text":"x"}}"#))).await.unwrap();
        one(&place.session(), update("Patient", "p", patient("p", "卫"), None)).await.unwrap();
        assert!(turn(&place.record) > here, "before whoever wrote it is answered");
        // Another process hears of it in a moment.
        while turn(&other) == there {
            tokio::task::yield_now().await;
        }
        // Its own notice of what it wrote may come a second time; then nothing moves any more.
        other.head().wait_for(|head| *head >= 2).await.unwrap();
        let basic = [ResourceType::named("Basic").unwrap()];
        let before = other.turn(&basic);
        let session = other.session(place.session().caller().clone());
        one(&session, delete("Patient", "p")).await.unwrap();
        assert_eq!(other.turn(&basic), before, "of other types nothing is old");
    });
}
