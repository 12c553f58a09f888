//! Followers of the change feed.

use std::future::ready;

use fhir::{Category, Error, IssueCode};
use record::{FeedEntry, Follower, Record};
use testkit::place::{Place, on_both};

use crate::{create, delete, json, one, patient, update};

/// The lease of a follower, and a moment more.
const SILENCE: i64 = 6;

async fn put(place: &Place, id: &str) {
    one(&place.session(), update("Patient", id, patient(id, "卫"), None)).await.unwrap();
}

async fn basic(place: &Place) {
    one(&place.session(), create(json(r#"{"resourceType":"Basic","code":{"text":"x"}}"#))).await.unwrap();
}

/// What a follower sees until it has seen all.
async fn seen(follower: &Follower, at_once: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut look = |change: FeedEntry| {
        seen.push(format!("{} {}", change.seq, change.key.id));
        ready(Ok(()))
    };
    while !follower.follow(at_once, &mut look).await.unwrap() {}
    seen
}

fn follower(record: &Record) -> Follower {
    Follower::new(record, "test")
}

#[test]
fn what_is_written_is_seen_once_in_its_order_by_whoever_follows_under_the_name() {
    on_both(async |place| {
        put(&place, "before").await;
        let first = follower(&place.record);
        assert!(seen(&first, 10).await.is_empty(), "what was there before is not looked at");
        for id in ["a", "b", "c", "d", "e"] {
            put(&place, id).await;
        }
        assert_eq!(seen(&first, 2).await, ["2 a", "3 b", "4 c", "5 d", "6 e"]);
        put(&place, "f").await;
        one(&place.session(), delete("Patient", "a")).await.unwrap();
        // Another process goes on where this one came to.
        assert_eq!(seen(&follower(&place.record), 10).await, ["7 f", "8 a"]);
        assert!(seen(&first, 10).await.is_empty());
    });
}

#[test]
fn only_what_matters_is_looked_at_and_all_else_is_passed() {
    on_both(async |place| {
        put(&place, "before").await;
        let of = |name| Follower::new(&place.record, name).of(&["Patient", "Task"]).looking_back();
        for id in ["a", "b"] {
            basic(&place).await;
            put(&place, id).await;
        }
        basic(&place).await;
        assert_eq!(seen(&of("one"), 1).await, ["1 before", "3 a", "5 b"]);
        basic(&place).await;
        assert!(seen(&of("one"), 1).await.is_empty());
        put(&place, "c").await;
        assert_eq!(seen(&of("one"), 10).await, ["8 c"]);
        assert_eq!(seen(&of("other"), 10).await, ["1 before", "3 a", "5 b", "8 c"]);
    });
}

#[test]
fn one_process_follows_at_a_time_and_another_when_it_is_silent_or_leaves() {
    on_both(async |place| {
        let (one, other) = (follower(&place.record), follower(&place.record));
        assert!(one.is_on().await.unwrap() && !other.is_on().await.unwrap());
        place.clock.pass(4);
        assert!(one.is_on().await.unwrap(), "and it is kept by being asked for");
        place.clock.pass(4);
        assert!(!other.is_on().await.unwrap());
        place.clock.pass(SILENCE);
        assert!(other.is_on().await.unwrap() && !one.is_on().await.unwrap());
        other.leave().await.unwrap();
        assert!(one.is_on().await.unwrap());
    });
}

#[test]
fn how_far_was_followed_is_written_down_once_a_second_and_when_the_lease_is_given_back() {
    on_both(async |place| {
        let (one, other) = (follower(&place.record), follower(&place.record));
        assert!(one.is_on().await.unwrap() && seen(&one, 10).await.is_empty());
        put(&place, "a").await;
        assert_eq!(seen(&one, 10).await, ["1 a"]);
        assert!(seen(&one, 10).await.is_empty(), "whoever follows remembers how far it came");
        assert_eq!(seen(&other, 10).await, ["1 a"], "another may go over it once more");
        place.clock.pass(1);
        put(&place, "b").await;
        assert_eq!((seen(&one, 10).await, seen(&other, 10).await.len()), (vec!["2 b".to_owned()], 0));
        put(&place, "c").await;
        assert_eq!(seen(&one, 10).await, ["3 c"]);
        one.leave().await.unwrap();
        assert!(other.is_on().await.unwrap() && seen(&other, 10).await.is_empty());
    });
}

#[test]
fn whoever_had_to_take_the_lease_anew_goes_on_where_the_other_came_to() {
    on_both(async |place| {
        let (one, other) = (follower(&place.record), follower(&place.record));
        assert!(one.is_on().await.unwrap() && seen(&one, 10).await.is_empty());
        place.clock.pass(SILENCE);
        assert!(other.is_on().await.unwrap());
        put(&place, "a").await;
        assert_eq!(seen(&other, 10).await, ["1 a"]);
        other.leave().await.unwrap();
        assert!(one.is_on().await.unwrap() && seen(&one, 10).await.is_empty());
    });
}

#[test]
fn who_was_silent_for_too_long_stops_in_the_middle_and_leaves_the_rest_to_another() {
    on_both(async |place| {
        let (slow, next) = (follower(&place.record), follower(&place.record));
        assert!(slow.is_on().await.unwrap() && seen(&slow, 10).await.is_empty());
        for id in ["a", "b", "c"] {
            put(&place, id).await;
        }
        let mut looked = Vec::new();
        let look = |change: FeedEntry| {
            looked.push(change.key.id);
            place.clock.pass(SILENCE);
            async {
                assert!(next.is_on().await?);
                Ok(())
            }
        };
        slow.follow(10, look).await.unwrap();
        assert_eq!(looked, ["a"]);
        assert_eq!(
            seen(&next, 10).await,
            ["1 a", "2 b", "3 c"],
            "what was done may be done once more, and nothing is lost"
        );
    });
}

#[test]
fn a_change_that_fails_is_tried_again_before_those_after_it() {
    on_both(async |place| {
        let follower = follower(&place.record);
        assert!(seen(&follower, 10).await.is_empty());
        for id in ["a", "b", "c"] {
            put(&place, id).await;
        }
        let busy = || Error::new(Category::Busy, IssueCode::Transient, "Not now.");
        let look = |change: FeedEntry| ready(if change.key.id == "b" { Err(busy()) } else { Ok(()) });
        for _ in 0..50 {
            let failed = follower.follow(10, look).await;
            assert_eq!(
                failed.unwrap_err().category(),
                Category::Busy,
                "the database is waited for however long it takes"
            );
        }
        assert_eq!(seen(&follower, 10).await, ["2 b", "3 c"]);
    });
}

#[test]
fn a_change_that_fails_by_itself_holds_up_those_after_it_only_for_a_while() {
    on_both(async |place| {
        let follower = follower(&place.record);
        assert!(seen(&follower, 10).await.is_empty());
        for id in ["a", "b", "c"] {
            put(&place, id).await;
        }
        let (mut tries, mut passed) = (0, Vec::new());
        let mut look = |change: FeedEntry| {
            if change.key.id == "b" {
                tries += 1;
                return ready(Err(Error::fault("it cannot be taken in")));
            }
            passed.push(change.key.id);
            ready(Ok(()))
        };
        while follower.follow(10, &mut look).await.is_err() {}
        assert_eq!((tries, passed), (20, vec!["a".to_owned(), "c".to_owned()]));
        put(&place, "d").await;
        assert_eq!(seen(&follower, 10).await, ["4 d"]);
    });
}
