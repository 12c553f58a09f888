//! Disks that are full or can only be read, and a database that turns its back for a while.

use std::path::Path;
use std::process::Command;

use fhir::Category;
use record::{Caller, Key, Location, Record, Session, Settings, Surroundings, Version};
use testkit::cluster::{Cluster, Database};
use testkit::place::Place;

use crate::load::{block_on, open};
use crate::{create, json, one};

/// Set in the process that has a small disk of its own, to where that is.
const DISK: &str = "QINGSHAN_TEST_DISK";

/// Runs a test in a process that has a disk of 64 MB, which goes with the process. Only root may mount one.
fn on_a_small_disk(test: &str, act: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(DISK) {
        return act(Path::new(&disk));
    }
    if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: {test}: mounting a small disk needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = r#"mount -t tmpfs -o size=64m,mode=777 tmpfs "$1" && exec "$2" --exact "$3" --nocapture"#;
    let status = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", mounted, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(DISK, folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "the test failed in the process with the small disk");
}

/// Fills a disk to the last byte.
fn fill(disk: &Path) {
    let ballast = std::fs::File::create(disk.join("ballast")).unwrap();
    let error = std::io::copy(&mut std::io::repeat(0), &mut &ballast).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

fn note(length: usize) -> record::Change {
    let text = "卒".repeat(length);
    create(json(&format!(r#"{{"resourceType":"Basic","code":{{"text":"{text}"}}}}"#)))
}

/// Writes until it is refused and says how often it was not, and why then.
async fn write_until_refused(session: &Session) -> (u64, fhir::Error) {
    for written in 0..10_000 {
        if let Err(refusal) = one(session, note(3_000)).await {
            return (written, refusal.error);
        }
    }
    panic!("there seems to be no end to the disk");
}

/// Writes until it is not refused: at most once for each connection that was lost meanwhile.
async fn write_again(session: &Session) {
    for _ in 0..20 {
        match one(session, note(1)).await {
            Ok(_) => return,
            Err(refusal) => assert_eq!(refusal.error.category(), Category::Unavailable, "{refusal:?}"),
        }
    }
    panic!("the record does not recover by itself");
}

/// What stands under a key, asked for until no connection is left that was ended: each is found out by one refusal.
async fn read_again(session: &Session, key: &Key) -> Option<Version> {
    for _ in 0..20 {
        match session.read(key).await {
            Ok(read) => return read,
            Err(error) => assert_eq!(error.category(), Category::Unavailable, "{error:?}"),
        }
    }
    panic!("the record does not recover by itself");
}

fn text(error: &fhir::Error) -> &str {
    &error.issues()[0].text
}

async fn outlives_a_full_disk(record: &Record, disk: &Path, told: &str) {
    let session = record.session(Caller::system("HOPERAT"));
    let first = one(&session, note(1)).await.unwrap().version.unwrap();
    fill(disk);
    let (written, error) = write_until_refused(&session).await;
    assert_eq!((error.category(), text(&error)), (Category::Unavailable, told));
    assert_eq!(session.read(&first.key).await.unwrap().unwrap().body, first.body, "reading needs no space");
    assert_eq!(session.changes(0, 20_000).await.unwrap().len() as u64, written + 1);
    std::fs::remove_file(disk.join("ballast")).unwrap();
    one(&session, note(3_000)).await.expect("with space there again, writing goes on");
    let soundness = record.check(|_| {}).await.unwrap();
    assert_eq!((soundness.changes, soundness.findings), (written + 2, Vec::new()));
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_space_again() {
    on_a_small_disk("outages::a_full_disk_refuses_writes_and_nothing_else_until_there_is_space_again", |disk| {
        block_on(async {
            let record = open(&Location::Embedded(disk.join("record"))).await;
            outlives_a_full_disk(&record, disk, "The disk is full; nothing was written.").await;
        });
    });
}

#[test]
fn a_full_disk_of_postgresql_refuses_writes_and_nothing_else_until_there_is_space_again() {
    let test = "outages::a_full_disk_of_postgresql_refuses_writes_and_nothing_else_until_there_is_space_again";
    on_a_small_disk(test, |disk| {
        // Started here, so that the server sees this process's disk.
        let cluster = Cluster::start().unwrap();
        let (database, other) = (cluster.database(), cluster.database());
        let space = disk.join("space");
        std::fs::create_dir(&space).unwrap();
        assert!(Command::new("chown").arg("postgres").arg(&space).status().unwrap().success());
        other.query(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
        other.query(&format!("ALTER DATABASE {} SET TABLESPACE small", name(&database)));
        block_on(async {
            let record = open(&Location::Postgres(database.url())).await;
            outlives_a_full_disk(&record, disk, "The database's disk is full; nothing was written.").await;
        });
    });
}

#[test]
fn a_record_on_a_disk_that_can_only_be_read_says_so_and_opens_when_it_can_be_written() {
    let test = "outages::a_record_on_a_disk_that_can_only_be_read_says_so_and_opens_when_it_can_be_written";
    on_a_small_disk(test, |disk| {
        let mount = |options: &[&str]| assert!(Command::new("mount").args(options).status().unwrap().success());
        let (kept, seen) = (disk.join("kept"), disk.join("seen"));
        std::fs::create_dir(&kept).unwrap();
        std::fs::create_dir(&seen).unwrap();
        let seen_text = seen.to_str().unwrap();
        block_on(async {
            let record = open(&Location::Embedded(kept.clone())).await;
            let stored = one(&record.session(Caller::system("HOPERAT")), note(1)).await.unwrap().version.unwrap();
            drop(record);
            mount(&["--bind", kept.to_str().unwrap(), seen_text]);
            mount(&["-o", "remount,bind,ro", seen_text]);
            let location = Location::Embedded(seen.clone());
            let refused = Record::open(Settings::new(location.clone()), Surroundings::system()).await;
            let error = refused.err().expect("a record that cannot be written is not opened");
            assert_eq!(error.category(), Category::Unavailable);
            assert!(text(&error).contains(seen_text) && text(&error).contains("Read-only"), "{}", text(&error));
            mount(&["-o", "remount,bind,rw", seen_text]);
            let record = open(&location).await;
            let session = record.session(Caller::system("HOPERAT"));
            assert_eq!(session.read(&stored.key).await.unwrap().unwrap().body, stored.body);
            one(&session, note(1)).await.unwrap();
        });
    });
}

fn name(database: &Database<'_>) -> String {
    database.url().rsplit('/').next().unwrap().to_owned()
}

/// Sets whether a database can be written, said from another one, and ends all connections to it.
fn turn(database: &Database<'_>, from: &Database<'_>, read_only: &str) {
    let name = name(database);
    from.query(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {read_only}"));
    from.query(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
}

#[test]
fn a_database_that_can_only_be_read_refuses_writes_and_nothing_else_until_it_can_be_written() {
    block_on(async {
        let (place, other) = (Place::postgres().await, Cluster::shared().database());
        let session = place.session();
        let first = one(&session, note(1)).await.unwrap().version.unwrap();
        turn(place.database().unwrap(), &other, "on");
        let told = "The database can only be read; nothing was written.";
        let mut refused = 0;
        while refused < 3 {
            let error =
                one(&session, note(1)).await.expect_err("a database that can only be read stores nothing").error;
            assert_eq!(error.category(), Category::Unavailable);
            refused += if text(&error) == told { 1 } else { 0 };
            assert!(read_again(&session, &first.key).await.is_some(), "what is stored can be read");
        }
        turn(place.database().unwrap(), &other, "off");
        write_again(&session).await;
        let soundness = place.record.check(|_| {}).await.unwrap();
        assert_eq!((soundness.changes, soundness.findings), (2, Vec::new()));
    });
}
