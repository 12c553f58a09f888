//! The program killed, and its database restarted, at random moments while runs are begun and done and their clocks fire:
//! afterwards every clock has fired once and in order, and nothing that was acknowledged is lost.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use protocol::Engine;
use protocol::run::{Deed, WorkStatus};
use protocol::task;
use record::{
    Caller, HistoryRequest, HistoryScope, Key, Location, Record, ResourceType, SearchRequest, Session, Settings,
    Surroundings,
};
use serde_json::{Value, json};
use testkit::cluster::Cluster;
use testkit::dice::Dice;

use crate::serve::Server;
use crate::{qingshan, said};

/// One step, and a clock whose warning and limit the ward is told of within seconds.
const PROTOCOL: &str = r#"code = "watch"
version = "1"
title = { zh = "计时", en = "Watch" }

[[start]]
by = "hand"
duties = ["nurse"]
reach = ["begun"]

[[role]]
code = "ward"
title = { zh = "病区", en = "Ward" }
party = "institution"
duties = ["nurse"]

[[milestone]]
code = "begun"
title = { zh = "已开始", en = "Begun" }
owner = "ward"

[[milestone]]
code = "done"
title = { zh = "已完成", en = "Done" }
ends = "completed"

[[step]]
code = "do"
title = { zh = "处理", en = "Do" }
who = "ward"
requires = ["begun"]
reach = ["done"]

[[clock]]
code = "limit"
title = { zh = "处理时限", en = "Limit" }
from = "begun"
to = ["done"]

[[clock.limit]]
warn = "1 s"
breach = "2 s"
source = "made up for this test"

[[clock.rung]]
at = "warn"
tell = ["ward"]

[[clock.rung]]
at = "breach"
tell = ["ward"]
"#;

/// Runs that are begun, of which every third is done by somebody.
const RUNS: u64 = 150;
/// The most requests that are answered between two kills.
const LONGEST: usize = 60;
/// The points of the clock: two rungs, and the limit itself.
const POINTS: usize = 3;

/// How often the program is killed: as many times as the record's own tests, or a few.
fn kills() -> usize {
    std::env::var_os("QINGSHAN_FAULT_ROUNDS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(5).min(12)
}

#[test]
fn a_server_killed_while_clocks_go_on_fires_each_once_on_sqlite() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record");
    play(folder.path(), &["--data", &data.display().to_string()], &Location::Embedded(data.clone()), &Fault::Killed);
}

#[test]
fn a_server_killed_while_clocks_go_on_fires_each_once_on_postgresql() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    let place = ["--data", &data, "--database", &database.url()];
    play(folder.path(), &place, &Location::Postgres(database.url()), &Fault::Killed);
}

#[test]
fn a_server_whose_database_restarts_under_it_goes_on_by_itself_and_fires_each_clock_once() {
    let cluster = Cluster::start().expect("a PostgreSQL cluster starts");
    let database = cluster.database();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    let place = ["--data", &data, "--database", &database.url()];
    play(folder.path(), &place, &Location::Postgres(database.url()), &Fault::Restarted(&cluster));
}

/// What happens again and again in the middle of everything.
enum Fault<'c> {
    /// The server dies, and another is started.
    Killed,
    /// The database dies under the server, which is left alone, and comes back.
    Restarted(&'c Cluster),
}

fn play(folder: &std::path::Path, place: &[&str], location: &Location, fault: &Fault<'_>) {
    let line = folder.join("watch");
    fs::create_dir(&line).expect("the disk takes a folder");
    fs::write(line.join("protocol.toml"), PROTOCOL).expect("the disk takes a file");
    let installed = qingshan(&[&["protocol", "install", &line.display().to_string()], place].concat());
    assert!(installed.status.success(), "{}", said(&installed));
    let serve = || Some(Server::start(&[&["--open"], place].concat()));

    let mut dice = Dice::new(u64::from(std::process::id()));
    eprintln!("dice of {}", std::process::id());
    let mut server = serve();
    let (mut kills, mut left) = (kills(), dice.below(LONGEST));
    let organization = json!({"resourceType": "Organization", "id": "ward", "name": "ward"});
    let mut orders: Vec<(String, &str, Value)> = vec![("PUT".to_owned(), "/fhir/Organization/ward", organization)];
    let roles = json!({"ward": "Organization/ward"});
    for number in 0..RUNS {
        let start = json!({"id": format!("r{number}"), "protocol": "watch", "roles": roles});
        orders.push(("POST".to_owned(), "/runs", start));
    }
    let mut acts: Vec<String> = (0..RUNS).step_by(3).map(|number| format!("/runs/r{number}/acts")).collect();
    let done = json!({"deed": "complete", "step": "do", "n": 1});
    // Whatever is not answered is sent again to the next server, as a browser does.
    let mut say = |server: &mut Option<Server>, method: &str, path: &str, body: &Value| loop {
        if left == 0 && kills > 0 {
            (left, kills) = (dice.below(LONGEST), kills - 1);
            let (address, text) = (server.as_ref().expect("one is running").address.clone(), body.to_string());
            // It dies with a request under way.
            let asked = send(&address, method, path, &text);
            match fault {
                Fault::Killed => {
                    server.take().expect("one is running").kill();
                    drop(asked);
                    *server = serve();
                }
                Fault::Restarted(cluster) => {
                    cluster.stop();
                    drop(asked);
                    cluster.restart();
                }
            }
        }
        left = left.saturating_sub(1);
        let (address, text) = (server.as_ref().expect("one is running").address.clone(), body.to_string());
        let Some((status, answer)) = send(&address, method, path, &text).and_then(heard) else { continue };
        // A database that is coming back is no refusal.
        if matches!(fault, Fault::Restarted(_)) && status >= 500 {
            continue;
        }
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        return;
    };
    for (method, path, body) in &orders {
        say(&mut server, method, path, body);
        // Somebody does what was begun a while ago.
        if *path == "/runs" && acts.len() * 3 + 30 < RUNS as usize && !acts.is_empty() {
            let act = acts.remove(0);
            say(&mut server, "POST", &act, &done);
        }
    }
    while !acts.is_empty() {
        say(&mut server, "POST", &acts.remove(0), &done);
    }
    // What is still due fires while this listens.
    let running = server.as_ref().expect("one is running");
    let mut changes = send(&running.address, "GET", "/live?topic=Task", "").expect("the server listens");
    let open = "/fhir/Task?_tag=https://qingshan.dev/fhir/CodeSystem/run%7Croot&status=in-progress&\
                run-due=le2200-01-01&_summary=count";
    while !running.ask("GET", open, &[], "").1.contains(r#""total":0"#) {
        let heard = changes.read(&mut [0; 4_096]).expect("the stream goes on");
        assert!(heard > 0, "the stream goes on");
    }
    drop(changes);
    assert!(server.take().is_some_and(Server::terminate), "it ends as it should");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(look(folder, location));
}

/// Sends a request and leaves its answer to be read.
fn send(address: &str, method: &str, path: &str, body: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let kind = if path.starts_with("/fhir") { "application/fhir+json" } else { "application/json" };
    let head = format!("{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Type: {kind}\r\nContent-Length: {length}");
    write!(stream, "{head}\r\n\r\n{body}").ok()?;
    Some(stream)
}

fn heard(mut stream: TcpStream) -> Option<(u16, String)> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

/// Looks at every run when nobody serves the record any more.
async fn look(folder: &std::path::Path, location: &Location) {
    let mut settings = Settings::new(location.clone());
    settings.audit.folder = Some(folder.join("look"));
    let record = Record::open(settings, Surroundings::system()).await.expect("the record opens");
    let engine = Engine::new(record.clone());
    let session = record.session(Caller::system("HOPERAT"));
    let messages = messages(&session).await;
    for number in 0..RUNS {
        let id = format!("r{number}");
        let standing = engine.load(&id).await.expect("it is read").unwrap_or_else(|| panic!("{id} is lost"));
        let rebuilt = engine.rebuild(&id).await.expect("it is rebuilt");
        assert_eq!(rebuilt, standing.run, "{id} is what happened to it");
        assert_eq!(standing.run.clocks.len(), 1, "{id} has one clock");
        let fired = &standing.run.clocks[0].fired;
        if number % 3 == 0 {
            let status = standing.run.work("do", 1).map(|work| work.status);
            assert_eq!(status, Some(WorkStatus::Done), "{id} was done, and that was acknowledged");
        } else {
            assert_eq!(fired.len(), POINTS, "{id}: every point has fired");
        }
        // Of a done one, too, no point has fired twice, and each when its turn came.
        let mut due = Vec::new();
        let task = ResourceType::parse("Task").expect("R4 has Tasks");
        let scope = HistoryScope::Instance(Key::new(task, id.as_str()));
        let request = HistoryRequest { scope, since: None, at: None, count: 100, before: None };
        let mut versions = session.history(&request).await.expect("its history is kept").versions;
        versions.reverse();
        for body in versions.into_iter().filter_map(|version| version.body) {
            let happened = task::happened(&fhir::json::parse(&body).expect("it is JSON")).expect("it is a run");
            due.extend(happened.into_iter().filter_map(|one| match one.event.deed {
                Deed::Tick { due, point, .. } => Some((due, point)),
                _ => None,
            }));
        }
        assert!(due.is_sorted_by_key(|(due, _)| *due), "{id}: {due:?}");
        let points: Vec<u32> = due.iter().map(|(_, point)| *point).collect();
        assert_eq!(&points, fired, "{id}: each point fired once");
        let about = format!(r#""reference":"Task/{id}""#);
        let told = messages.iter().filter(|message| message.contains(&about)).count();
        let rungs = fired.iter().filter(|point| (**point as usize) < POINTS - 1).count();
        assert_eq!(told, rungs, "{id}: each is told of once");
    }
}

/// Every message there is, as it is written.
async fn messages(session: &Session) -> Vec<String> {
    let type_ = ResourceType::named("Communication");
    let mut parameters = vec![("_count".to_owned(), "1000".to_owned())];
    let mut found = Vec::new();
    loop {
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = session.search(&request).await.expect("messages can be looked for");
        let bodies = page.matches.iter().filter_map(|version| version.body.as_ref());
        found.extend(bodies.map(|body| String::from_utf8_lossy(body).into_owned()));
        let Some(next) = page.next else { return found };
        let pairs = next.split('&').filter_map(|pair| pair.split_once('='));
        parameters = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }
}
