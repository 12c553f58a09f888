//! Several processes on one database, of which now and then one has it to itself and reads from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use record::{Record, Session};
use testkit::cluster::Database;
use testkit::place::Place;
use tokio::runtime::{Builder, Runtime};

use crate::{key, one, patient, update};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn session(place: &Place, record: &Record) -> Session {
    record.session(place.session().caller().clone())
}

/// The process that has the database to itself, as the row of the head calls it.
fn alone(database: &Database<'_>) -> Option<String> {
    database.query("SELECT writer FROM head WHERE name = 'feed' AND alone").pop()
}

async fn version(session: &Session) -> u64 {
    session.read(&key("Patient", "p")).await.unwrap().unwrap().version
}

async fn write(session: &Session, next: u64) {
    let written = one(session, update("Patient", "p", patient("p", &format!("第{next}版")), None)).await.unwrap();
    assert_eq!(written.version.unwrap().version, next);
}

#[test]
fn what_a_process_has_in_memory_is_never_older_than_what_another_was_told_is_stored() {
    runtime().block_on(async {
        let place = Place::postgres().await;
        let other = place.again().await;
        let sessions = [place.session(), session(&place, &other)];
        write(&sessions[0], 1).await;
        let (told, ended) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|reader| {
                let (session, told, ended) = (sessions[reader % 2].clone(), Arc::clone(&told), Arc::clone(&ended));
                tokio::spawn(async move {
                    while !ended.load(Ordering::SeqCst) {
                        let known = told.load(Ordering::SeqCst);
                        let read = version(&session).await;
                        assert!(read >= known, "version {read} was read after version {known} was acknowledged");
                    }
                })
            })
            .collect();
        let mut holders = std::collections::BTreeSet::new();
        let mut last = 1;
        for round in 0..12 {
            // Either may be the one that is alone, and then both write, each several times in a row.
            let holder = loop {
                if let Some(holder) = alone(place.database().unwrap()) {
                    break holder;
                }
                tokio::task::yield_now().await;
            };
            holders.insert(holder);
            for turn in 0..8 {
                last += 1;
                write(&sessions[(round + turn / 4) % 2], last).await;
                told.store(last, Ordering::SeqCst);
            }
        }
        ended.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
        assert!(!holders.is_empty());
        assert_eq!(place.record.check(|_| {}).await.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn a_process_that_was_alone_and_ended_without_a_word_keeps_nobody_from_writing() {
    let (lasting, ending) = (runtime(), runtime());
    let place = lasting.block_on(Place::postgres());
    let first = place.session();
    lasting.block_on(write(&first, 1));
    let other = ending.block_on(async { session(&place, &place.again().await) });
    let holder = lasting.block_on(async {
        let reading = ending.spawn(async move {
            loop {
                version(&other).await;
            }
        });
        loop {
            // The one that lasts does not read, and so does not want to be alone.
            if let Some(holder) = alone(place.database().unwrap()) {
                reading.abort();
                break holder;
            }
        }
    });
    ending.shutdown_background();
    assert_eq!(alone(place.database().unwrap()), Some(holder.clone()), "it ended without a word");
    lasting.block_on(async {
        write(&first, 2).await;
        assert_eq!(version(&first).await, 2);
    });
    assert_ne!(alone(place.database().unwrap()), Some(holder));
}

#[test]
fn a_record_that_is_closed_is_no_longer_alone() {
    runtime().block_on(async {
        let place = Place::postgres().await;
        write(&place.session(), 1).await;
        let other = place.again().await;
        let leaving = session(&place, &other);
        let holder = loop {
            version(&leaving).await;
            if let Some(holder) = alone(place.database().unwrap()) {
                break holder;
            }
        };
        drop((leaving, other));
        while alone(place.database().unwrap()) == Some(holder.clone()) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_process_that_ends_in_order_leaves_the_database_to_others_at_once() {
    runtime().block_on(async {
        let place = Place::postgres().await;
        write(&place.session(), 1).await;
        let other = place.again().await;
        let leaving = session(&place, &other);
        let holder = loop {
            version(&leaving).await;
            if let Some(holder) = alone(place.database().unwrap()) {
                break holder;
            }
        };
        other.end().await.unwrap();
        assert_ne!(alone(place.database().unwrap()), Some(holder));
        drop((leaving, other));
        write(&place.session(), 2).await;
    });
}
