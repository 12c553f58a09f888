//! The parts of the program in processes of their own, on one PostgreSQL: a door, clocks, and what calls people.

use std::fs;

use paging::roster::Wanted;
use paging::stand_in::StandIn;
use paging::{Paging, code};
use protocol::Engine;
use record::{
    Caller, Clock, HistoryRequest, HistoryScope, Key, Location, Record, ResourceType, SearchRequest, Session, Settings,
    Surroundings, SystemClock,
};
use serde_json::json;
use testkit::cluster::Cluster;
use testkit::institutions::put;
use testkit::stage::{organization, person};

use crate::serve::Server;
use crate::{qingshan, said};

/// One step that somebody on call answers, and a clock that calls them again.
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
call = "ward"
duties = ["nurse"]

[[milestone]]
code = "begun"
title = { zh = "已开始", en = "Begun" }

[[milestone]]
code = "done"
title = { zh = "已完成", en = "Done" }
ends = "completed"

[[step]]
code = "answer"
title = { zh = "应答", en = "Answer" }
who = "ward"
requires = ["begun"]
acknowledgements = 1
reach = ["done"]

[[clock]]
code = "limit"
title = { zh = "应答时限", en = "Limit" }
from = "begun"
to = ["done"]

[[clock.limit]]
breach = "1 s"
source = "made up for this test"

[[clock.rung]]
at = "breach"
tell = ["ward"]
"#;

/// Half a day, in microseconds.
const HALF_A_DAY: i64 = 12 * 3_600_000_000;

/// The record as one more process has it.
async fn open(url: String) -> Record {
    Record::open(Settings::new(Location::Postgres(url)), Surroundings::system()).await.expect("the record opens")
}

fn session(record: &Record) -> Session {
    record.session(Caller::system("HOPERAT"))
}

/// Somebody with a telephone who is on call, from whom on everything told is followed.
async fn on_call(record: &Record) {
    let [mut who, post] = person("lin", "ward", "nurse");
    who["telecom"] = json!([{ "system": "phone", "use": "mobile", "value": "13900000001" }]);
    let people = [organization("ward", None), who, post].map(|one| put(&one.to_string()));
    session(record).transact(people.to_vec()).await.expect("people go in");
    let paging = Paging::new(record.clone(), paging::Settings::default());
    assert!(paging.caught_up().await.expect("it is followed"));
    let now = SystemClock.now();
    let wanted = Wanted {
        key: None,
        institution: "Organization/ward".to_owned(),
        call: "ward".to_owned(),
        who: "PractitionerRole/lin-role".to_owned(),
        span: (now - HALF_A_DAY, now + HALF_A_DAY),
        instead: Vec::new(),
    };
    paging.set_shift(&session(record), &wanted).await.expect("the roster takes it");
}

/// The versions of a run, the first first: when each was written.
async fn written(record: &Record, run: &str) -> Vec<i64> {
    let scope = HistoryScope::Instance(Key::new(ResourceType::parse("Task").expect("R4 has Tasks"), run));
    let request = HistoryRequest { scope, since: None, at: None, count: 100, before: None };
    let mut versions = session(record).history(&request).await.expect("its history is kept").versions;
    versions.reverse();
    versions.iter().map(|version| version.at).collect()
}

/// When each page was first put down.
async fn pages(record: &Record) -> Vec<i64> {
    let category = format!("{}|{}", code::NOTICE, code::PAGED);
    let asked = SearchRequest::of("Communication", &[("category", category)]).expect("it can be asked");
    let found = session(record).search(&asked).await.expect("pages can be looked for").matches;
    let mut first = Vec::new();
    for page in found {
        let version = session(record).vread(&page.key, 1).await.expect("it is read").expect("it is there");
        first.push(version.at);
    }
    first
}

#[test]
fn a_door_alone_fires_no_clock_and_calls_nobody_and_each_other_part_does_its_own() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let line = folder.path().join("watch");
    fs::create_dir(&line).expect("the disk takes a folder");
    fs::write(line.join("protocol.toml"), PROTOCOL).expect("the disk takes a file");
    let url = database.url();
    let data = |name: &str| folder.path().join(name).display().to_string();
    let (installing, door, jobs, gateways) = (data("installing"), data("door"), data("jobs"), data("gateways"));
    let line = line.display().to_string();
    let installed = qingshan(&["protocol", "install", &line, "--data", &installing, "--database", &url]);
    assert!(installed.status.success(), "{}", said(&installed));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let record = runtime.block_on(open(url.clone()));
    runtime.block_on(on_call(&record));
    let stand_in = StandIn::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let gateway = format!("http://{}/messages", listener.local_addr().expect("it has an address"));
    runtime.spawn(stand_in.clone().serve(listener));
    let mut heard = stand_in.hear();
    let outside = [("QINGSHAN__PAGING__GATEWAY", gateway.as_str()), ("QINGSHAN__PAGING__CHANNELS", "sms")];

    let door = Server::start_with(&["--only", "api", "--open", "--data", &door, "--database", &url], &outside);
    let start = json!({ "id": "r", "protocol": "watch", "roles": { "ward": "Organization/ward" } }).to_string();
    let (status, answer) = door.ask("POST", "/runs", &["Content-Type: application/json"], start);
    assert_eq!(status, 201, "{answer}");
    // The door is asked until what is due has been due for a while.
    let begun = SystemClock.now();
    while SystemClock.now() < begun + 2_000_000 {
        assert_eq!(door.ask("GET", "/runs/r", &[], "").0, 200);
    }
    assert_eq!(runtime.block_on(written(&record, "r")).len(), 1, "no clock has fired");

    let started = SystemClock.now();
    let jobs = Server::without_a_door(&["--only", "jobs", "--data", &jobs, "--database", &url], &outside);
    runtime.block_on(async {
        let engine = Engine::new(record.clone());
        let mut head = record.head();
        loop {
            let standing = engine.load("r").await.expect("it is read").expect("it is there");
            if !standing.run.clocks[0].fired.is_empty() {
                break;
            }
            head.changed().await.expect("the record is open");
        }
        assert!(written(&record, "r").await[1] >= started, "it fired once there was somebody to fire it");
        assert_eq!(pages(&record).await, Vec::<i64>::new(), "clocks call nobody");
    });
    assert!(jobs.terminate(), "it ends as it should");

    let started = SystemClock.now();
    let gateways = Server::without_a_door(&["--only", "gateways", "--data", &gateways, "--database", &url], &outside);
    runtime.block_on(async {
        let called = heard.recv().await.expect("somebody is called");
        assert_eq!(called.body["to"].as_str(), Some("13900000001"));
        let pages = pages(&record).await;
        assert!(!pages.is_empty() && pages.iter().all(|at| *at >= started), "{pages:?} after {started}");
    });
    assert!(gateways.terminate() && door.terminate(), "they end as they should");
}
