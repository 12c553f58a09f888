//! Processes and servers that die at random moments.

use record::Location;
use testkit::cluster::Cluster;

use crate::load::{Dice, Witness, Worker, block_on, rounds, work};

/// The test that a working process runs.
const WORK: &str = "crashes::a_load_that_is_asked_to_end_leaves_a_sound_record";

/// The most transactions acknowledged before a kill. The fewest is none, so that opening is interrupted as well.
const LONGEST: u64 = 120;

/// The length of notes in rounds that are to write more than SQLite keeps in its log.
const LONG_NOTE: usize = 160_000;

#[test]
fn a_load_that_is_asked_to_end_leaves_a_sound_record() {
    if work() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Embedded(folder.path().to_owned());
    let mut worker = Worker::start(WORK, &location, Dice::thrown("a load that ends").next(), 0);
    worker.acknowledges(200);
    worker.end();
    let mut witness = Witness::default();
    block_on(witness.look(&location, &[worker]));
    assert!(witness.several > 0, "no transaction of several resources was tried");
    assert!(witness.made_once() > 0, "no conditional create was tried");
}

#[test]
fn a_process_killed_at_any_moment_loses_nothing_it_acknowledged_on_sqlite() {
    let mut dice = Dice::thrown("killed on SQLite");
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Embedded(folder.path().to_owned());
    let mut witness = Witness::default();
    for round in 0..rounds() {
        let note = if round % 5 == 4 { LONG_NOTE } else { 0 };
        let mut worker = Worker::start(WORK, &location, dice.next(), note);
        worker.acknowledges(dice.below(LONGEST));
        worker.kill();
        block_on(witness.look(&location, &[worker]));
    }
    assert!(witness.acknowledged > 0 && witness.several > 0 && witness.made_once() > 0, "the rounds did nothing");
}

#[test]
fn of_two_processes_on_postgresql_one_is_killed_and_the_other_goes_on_and_nothing_is_lost() {
    let mut dice = Dice::thrown("killed on PostgreSQL");
    let database = Cluster::shared().database();
    let location = Location::Postgres(database.url());
    let mut witness = Witness::default();
    for _ in 0..rounds() {
        let mut one = Worker::start(WORK, &location, dice.next(), 0);
        let mut other = Worker::start(WORK, &location, dice.next(), 0);
        one.acknowledges(dice.below(LONGEST));
        one.kill();
        // Whatever the dead process had locked must not stay locked.
        other.acknowledges(1 + dice.below(LONGEST));
        other.kill();
        block_on(witness.look(&location, &[one, other]));
    }
    assert!(witness.acknowledged > 0 && witness.several > 0 && witness.made_once() > 0, "the rounds did nothing");
}

#[test]
fn a_postgresql_server_that_crashes_under_load_is_missed_while_it_is_down_and_loses_nothing() {
    let mut dice = Dice::thrown("PostgreSQL crashes");
    let cluster = Cluster::start().unwrap();
    let database = cluster.database();
    let location = Location::Postgres(database.url());
    let mut witness = Witness::default();
    // A crash of the server takes its time to recover from, so there are fewer of these rounds.
    for _ in 0..rounds().div_ceil(3) {
        let mut workers = [dice.next(), dice.next()].map(|seed| Worker::start(WORK, &location, seed, 0));
        for worker in &mut workers {
            worker.acknowledges(1);
        }
        workers[0].acknowledges(dice.below(LONGEST));
        cluster.stop();
        for worker in &mut workers {
            let told = worker.is_refused();
            let nothing = "The database cannot be reached; nothing was written. Try again in a moment.";
            let unsure = "The connection to the database broke while the transaction was ending. It may or may not \
                          have been stored; read before you send it again.";
            assert!(told == nothing || told == unsure, "{told}");
        }
        cluster.restart();
        for worker in &mut workers {
            worker.acknowledges(1 + dice.below(LONGEST / 2));
            worker.kill();
        }
        block_on(witness.look(&location, &workers));
    }
    assert!(witness.acknowledged > 0 && witness.several > 0 && witness.made_once() > 0, "the rounds did nothing");
}
