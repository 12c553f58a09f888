//! The trail: everything that is done stands on it, and nothing on it can be changed unseen.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fhir::Category;
use record::{
    Act, Caller, HistoryRequest, HistoryScope, Lay, Location, Machine, Note, Outcome, Post, Record, ResourceType, Seal,
    SearchPage, SearchRequest, Session, Settings, Standing, Surroundings,
};
use sonic_rs::JsonValueTrait;
use testkit::place::{Place, on_both};

use crate::load::{block_on, rounds};
use crate::{create, delete, json, key, one, patient, update};

/// Someone at a post that is in force.
async fn staff(place: &Place, name: &str, duty: &str) -> Session {
    let role = format!(
        r#"{{"resourceType":"PractitionerRole","id":"{name}-role","active":true,
            "practitioner":{{"reference":"Practitioner/{name}"}},"organization":{{"reference":"Organization/clinic"}},
            "code":[{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/duty","code":"{duty}"}}]}}]}}"#
    );
    let clerk = place.record.session(Caller { actor: "client/posts".to_owned(), ..Caller::system("HOPERAT") });
    one(&clerk, update("PractitionerRole", &format!("{name}-role"), json(&role), None)).await.unwrap();
    let post = Post {
        practitioner: name.to_owned(),
        role: format!("{name}-role"),
        organization: "clinic".to_owned(),
        duties: vec![duty.to_owned()],
    };
    place.record.session(Caller {
        actor: format!("Practitioner/{name}"),
        purpose: "TREAT".to_owned(),
        request: "r-1".to_owned(),
        standing: Standing::Staff(Arc::new(post)),
    })
}

/// Somebody who treats and to whom no rule about persons applies, so that it does not matter here what rules permit.
fn treating(place: &Place) -> Session {
    let request = "r-1".to_owned();
    place.record.session(Caller { actor: "Practitioner/lin".to_owned(), request, ..Caller::system("TREAT") })
}

async fn officer(place: &Place) -> Session {
    staff(place, "officer", "privacy-officer").await
}

/// A patient at their own record.
fn themself(place: &Place, id: &str) -> Session {
    place.record.session(Caller {
        actor: format!("Patient/{id}"),
        purpose: "PATRQT".to_owned(),
        request: String::new(),
        standing: Standing::Lay(Arc::new(Lay { own: vec![id.to_owned()], ..Lay::default() })),
    })
}

fn search(type_: &str, query: &[(&str, &str)]) -> SearchRequest {
    SearchRequest {
        type_: ResourceType::named(type_),
        compartment: None,
        parameters: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        strict: true,
    }
}

fn bodies(page: &SearchPage) -> Vec<fhir::Value> {
    let bodies = page.matches.iter().map(|version| version.body.as_deref().expect("an event has a body"));
    bodies.map(|body| fhir::json::parse(body).expect("an event is JSON")).collect()
}

/// What each event says was done, the oldest first: subtype, action and outcome.
async fn told(session: &Session, query: &[(&str, &str)]) -> Vec<String> {
    let page = session.search(&search("AuditEvent", query)).await.unwrap();
    let told = bodies(&page).into_iter().rev().map(|event| {
        let subtype = event["subtype"][0]["code"].as_str().unwrap_or("-").to_owned();
        format!("{subtype} {} {}", event["action"].as_str().unwrap(), event["outcome"].as_str().unwrap())
    });
    told.collect()
}

fn observation(patient: &str) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
    ))
}

#[test]
fn every_verb_and_every_refusal_stands_on_the_trail() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        one(&doctor, update("Patient", "p", patient("p", "森"), Some(9))).await.unwrap_err();
        doctor.read(&key("Patient", "p")).await.unwrap();
        doctor.vread(&key("Patient", "p"), 1).await.unwrap();
        doctor.search(&search("Patient", &[("family", "林")])).await.unwrap();
        doctor.search(&search("Patient", &[("nonsense", "1")])).await.unwrap_err();
        let scope = HistoryScope::Instance(key("Patient", "p"));
        doctor.history(&HistoryRequest { scope, since: None, at: None, count: 10, before: None }).await.unwrap();
        one(&doctor, delete("Patient", "p")).await.unwrap();
        doctor.changes(0, 10).await.unwrap();
        let note = Note { outcome: Outcome::Refused, ..Note::new(Act::SignIn) };
        place.record.note(doctor.caller(), note).await.unwrap();
        let all = told(&officer(&place).await, &[("agent", "Practitioner/lin")]).await;
        // What goes through the journal may come to the chain after what was committed later.
        let mut sorted = all.clone();
        sorted.sort();
        let mut expected = vec![
            "update U 0",
            "transaction E 4",
            "read R 0",
            "vread R 0",
            "search E 0",
            "search E 4",
            "history R 0",
            "delete D 0",
            "history-system R 0",
            "110122 E 4",
        ];
        expected.sort_unstable();
        assert_eq!(sorted, expected);
    });
}

#[test]
fn whose_machine_it_was_stands_on_the_trail() {
    on_both(async |place| {
        let hospital = json(r#"{"resourceType":"Organization","id":"hospital","name":"示范县医院"}"#);
        one(&place.session(), update("Organization", "hospital", hospital, None)).await.unwrap();
        let machine = |actor: &str, organization: Option<&str>| {
            let standing = Standing::Machine(Arc::new(Machine { organization: organization.map(str::to_owned) }));
            place.record.session(Caller { actor: actor.to_owned(), standing, ..Caller::system("TREAT") })
        };
        one(&machine("client/lab", Some("hospital")), update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        machine("client/own", None).read(&key("Patient", "p")).await.unwrap();
        let officer = officer(&place).await;
        let page = officer.search(&search("AuditEvent", &[("agent", "Organization/hospital")])).await.unwrap();
        let [event] = &bodies(&page)[..] else { panic!("one act of its machine, and not {}", page.matches.len()) };
        assert_eq!(event["agent"][0]["type"]["coding"][0]["code"].as_str(), Some("110150"));
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"].as_str(), Some("lab"));
        assert_eq!(event["agent"][1]["who"]["display"].as_str(), Some("示范县医院"));
        assert_eq!(told(&officer, &[("patient", "p"), ("action", "R")]).await, ["read R 0"]);
    });
}

#[test]
fn what_the_platform_itself_reads_is_not_noted_but_what_it_writes_is() {
    on_both(async |place| {
        let platform = place.record.session(Caller::system("HOPERAT"));
        one(&platform, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        platform.read(&key("Patient", "p")).await.unwrap();
        assert_eq!(told(&officer(&place).await, &[("agent", "Device/qingshan")]).await, ["update U 0"]);
    });
}

#[test]
fn a_patient_sees_who_looked_and_nothing_about_anybody_else() {
    on_both(async |place| {
        let doctor = treating(&place);
        let named = r#"{"resourceType":"Practitioner","id":"lin","name":[{"family":"林","given":["青"]}]}"#;
        one(&doctor, update("Practitioner", "lin", json(named), None)).await.unwrap();
        for id in ["p", "q"] {
            one(&doctor, update("Patient", id, patient(id, "林"), None)).await.unwrap();
            one(&doctor, create(observation(id))).await.unwrap();
        }
        place.clock.pass(60);
        doctor.search(&search("Patient", &[("family", "林")])).await.unwrap();
        doctor.search(&search("Observation", &[])).await.unwrap();
        doctor.read(&key("Patient", "q")).await.unwrap();
        place.record.settle().await.unwrap();
        place.clock.pass(60);
        let nurse = staff(&place, "lin", "nurse").await;
        nurse.read(&key("Patient", "p")).await.unwrap();

        let page = themself(&place, "p").who_looked("p", 10, None).await.unwrap();
        assert_eq!(page.matches.len(), 5);
        let events = bodies(&page);
        assert_eq!(events[0]["agent"][0]["who"]["display"].as_str(), Some("林青"));
        assert_eq!(events[0]["agent"][1]["who"]["reference"].as_str(), Some("Organization/clinic"));
        for version in &page.matches {
            let body = std::str::from_utf8(version.body.as_deref().unwrap()).unwrap();
            assert!(body.contains("Patient/p") && !body.contains("Patient/q") && !body.contains("query"), "{body}");
        }
        let refused = themself(&place, "p").who_looked("q", 10, None).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        let refused = nurse.who_looked("p", 10, None).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        let refused = themself(&place, "p").search(&search("AuditEvent", &[])).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        // That somebody asked is written down as well, and the next who asks sees it.
        assert!(officer(&place).await.who_looked("p", 100, None).await.unwrap().matches.len() > 5);
    });
}

#[test]
fn who_wrote_and_deleted_what_belongs_to_a_patient_is_found_under_the_patient() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        place.clock.pass(1);
        let made = one(&doctor, create(observation("p"))).await.unwrap().version.unwrap();
        place.clock.pass(1);
        one(&doctor, delete("Observation", &made.key.id)).await.unwrap();
        let found = told(&officer(&place).await, &[("patient", "Patient/p")]).await;
        assert_eq!(found, ["update U 0", "create C 0", "delete D 0"]);
        let name = made.key.to_string();
        assert_eq!(told(&officer(&place).await, &[("entity", &name)]).await, ["create C 0", "delete D 0"]);
        assert_eq!(told(&officer(&place).await, &[("entity", &name), ("action", "D")]).await, ["delete D 0"]);
        assert_eq!(told(&officer(&place).await, &[("patient", "p"), ("date", "lt2026-05-04")]).await, [""; 0]);
    });
}

#[test]
fn pages_of_the_trail_give_every_event_once_newest_first() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        for _ in 0..30 {
            doctor.read(&key("Patient", "p")).await.unwrap();
            place.clock.pass(1);
            place.record.settle().await.unwrap();
        }
        let officer = officer(&place).await;
        let (mut seen, mut times, mut next) = (Vec::new(), Vec::new(), None);
        loop {
            let page = officer.who_looked("p", 7, next.as_deref()).await.unwrap();
            seen.extend(page.matches.iter().map(|version| version.key.id.clone()));
            times.extend(page.matches.iter().map(|version| version.at));
            let Some(query) = page.next else { break };
            next = query.split("_page=").nth(1).map(str::to_owned);
        }
        let mut different = seen.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!((seen.len(), different.len()), (31, 31));
        assert!(times.is_sorted_by(|one, other| one >= other));
        let again = officer.read(&key("AuditEvent", &seen[0])).await.unwrap().unwrap();
        assert_eq!(again.at, times[0]);
    });
}

/// What another system did, as it tells it.
fn sent(id: &str, patient: &str, action: &str) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"AuditEvent","id":"{id}","type":{{"code":"rest"}},"action":"{action}","outcome":"0",
        "recorded":"2026-05-04T08:00:00+08:00",
        "agent":[{{"requestor":true,"who":{{"reference":"Practitioner/elsewhere"}}}}],
        "source":{{"observer":{{"display":"another system"}}}},
        "entity":[{{"what":{{"reference":"Patient/{patient}"}}}}]}}"#
    ))
}

#[test]
fn audit_events_of_other_systems_are_found_after_those_of_the_trail_page_by_page() {
    on_both(async |place| {
        let doctor = treating(&place);
        for id in ["p", "q"] {
            one(&doctor, update("Patient", id, patient(id, "林"), None)).await.unwrap();
        }
        for at in 0..9 {
            let (id, about) = (format!("sent-{at}"), if at % 3 == 0 { "q" } else { "p" });
            one(&doctor, update("AuditEvent", &id, sent(&id, about, "R"), None)).await.unwrap();
            doctor.read(&key("Patient", about)).await.unwrap();
        }
        place.record.settle().await.unwrap();
        let officer = officer(&place).await;
        for (query, own, counts) in [
            (vec![], 9, vec![1, 100]),
            (vec![("patient", "p")], 6, vec![2, 7]),
            (vec![("entity", "Patient/q"), ("action", "R")], 3, vec![3]),
        ] {
            for count in counts {
                let mut asked = search("AuditEvent", &query);
                asked.parameters.push(("_count".to_owned(), count.to_string()));
                let (mut seen, mut turns) = (Vec::new(), 0);
                loop {
                    let page = officer.search(&asked).await.unwrap();
                    assert!(page.matches.len() <= count && (!page.matches.is_empty() || page.next.is_none()));
                    seen.extend(page.matches.iter().map(|version| version.key.id.clone()));
                    // Others go on being looked at and heard of; that comes before the pages still to be seen, or after.
                    if turns < 5 {
                        doctor.read(&key("Patient", "p")).await.unwrap();
                        place.record.settle().await.unwrap();
                    }
                    turns += 1;
                    assert!(turns < 400, "{query:?}: paging comes to an end");
                    let Some(next) = page.next else { break };
                    asked.parameters = SearchRequest::parameters_of(&next).unwrap();
                }
                let begun = seen.iter().position(|id| id.starts_with("sent-")).unwrap();
                assert!(begun > 0 && seen[begun..].iter().all(|id| id.starts_with("sent-")), "{seen:?}");
                assert_eq!(seen.len() - begun, own, "{query:?} by {count}");
                let mut distinct = seen.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), seen.len(), "{query:?} by {count}");
            }
        }
        let elsewhere = search("AuditEvent", &[("agent", "Practitioner/elsewhere")]);
        assert_eq!(officer.search(&elsewhere).await.unwrap().matches.len(), 9);
        // Nobody is told more of what was sent than the rules open.
        let own = themself(&place, "p").search(&search("AuditEvent", &[("patient", "p"), ("_count", "1000")])).await;
        let own = own.unwrap().matches.iter().filter(|event| event.key.id.starts_with("sent-")).count();
        assert_eq!(own, 6);
    });
}

#[test]
fn nothing_is_stored_under_the_name_of_an_event_of_the_trail() {
    on_both(async |place| {
        let session = place.session();
        let refused = one(&session, update("AuditEvent", "trail-1-1", sent("trail-1-1", "p", "R"), None)).await;
        assert_eq!(refused.unwrap_err().error.category(), Category::Forbidden);
        assert_eq!(
            one(&session, delete("AuditEvent", "trail-1-1")).await.unwrap_err().error.category(),
            Category::Forbidden
        );
    });
}

#[test]
fn events_are_valid_audit_events() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        doctor.read(&key("Patient", "p")).await.unwrap();
        doctor.search(&search("Patient", &[("family", "林")])).await.unwrap();
        themself(&place, "p").read(&key("Patient", "p")).await.unwrap();
        place.session().read(&key("Patient", "p")).await.unwrap();
        for act in [Act::SignIn, Act::SignOut, Act::Export, Act::Emergency, Act::Request, Act::Follow] {
            let note = Note { origin: "192.0.2.7".to_owned(), detail: "x".to_owned(), ..Note::new(act) };
            let caller = Caller { actor: "client/lab".to_owned(), ..Caller::system("TREAT") };
            place.record.note(&caller, note).await.unwrap();
        }
        let page = officer(&place).await.search(&search("AuditEvent", &[("_count", "100")])).await.unwrap();
        assert!(page.matches.len() >= 11);
        let validator = fhir::validate::Validator::new(fhir::definitions::r4(), fhir::validate::Options::default());
        for event in bodies(&page) {
            let issues = validator.check(&event);
            assert!(issues.iter().all(|issue| issue.severity != fhir::error::Severity::Error), "{issues:?}");
        }
    });
}

#[test]
fn a_read_that_cannot_be_written_down_is_not_answered() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(Location::Embedded(folder.path().to_owned()));
        settings.audit.waiting = 0;
        let record = Record::open(settings, Surroundings::system()).await.unwrap();
        let caller = Caller { actor: "Practitioner/lin".to_owned(), ..Caller::system("TREAT") };
        let refused = record.session(caller).read(&key("Patient", "p")).await.unwrap_err();
        assert_eq!(refused.category(), Category::Unavailable);
    });
}

#[test]
fn two_processes_on_one_database_write_one_trail() {
    block_on(async {
        let place = Place::postgres().await;
        let other = place.again().await;
        let session = |record: &Record, name: &str| {
            record.session(Caller { actor: format!("Practitioner/{name}"), ..Caller::system("TREAT") })
        };
        let works = (0..40).map(|number| {
            let record = if number % 2 == 0 { &place.record } else { &other };
            let session = session(record, "lin");
            async move {
                one(&session, create(observation("p"))).await.unwrap();
                session.search(&search("Observation", &[])).await.unwrap();
            }
        });
        futures_util::future::join_all(works).await;
        // Each process brings what it noted into the database itself.
        place.record.settle().await.unwrap();
        let verified = other.verify(&[], |_| {}).await.unwrap();
        assert_eq!((verified.entries, verified.versions, verified.findings), (80, 40, Vec::new()));
    });
}

/// Statements on a record's database past the record, as somebody with a password for it can make them.
struct Behind<'p>(&'p Place);

impl Behind<'_> {
    fn run(&self, sql: &str) -> Vec<String> {
        match self.0.directory() {
            Some(directory) => {
                let connection = rusqlite::Connection::open(directory.join("record.db")).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let columns = statement.column_count();
                if columns == 0 {
                    statement.execute(()).unwrap();
                    return Vec::new();
                }
                let rows = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            None => self.0.database().unwrap().query(sql),
        }
    }

    /// The blocks of all chains: chain, position, count, body.
    fn blocks(&self) -> Vec<(i64, i64, i64, Vec<u8>)> {
        let (hex, text) = match self.0.directory() {
            Some(_) => ("hex(body)", "CAST(count AS TEXT)"),
            None => ("encode(body, 'hex')", "count"),
        };
        let rows = self.run(&format!(
            "SELECT shard || '|' || seq || '|' || {text} || '|' || {hex} FROM audit ORDER BY shard, seq"
        ));
        let block = |row: &String| {
            let mut parts = row.split('|');
            let mut number = || parts.next().unwrap().parse().unwrap();
            let (chain, seq, count) = (number(), number(), number());
            let hex = parts.next().unwrap();
            let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            (chain, seq, count, bytes.collect())
        };
        rows.iter().map(block).collect()
    }

    fn put(&self, chain: i64, seq: i64, count: i64, body: &[u8]) {
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = match self.0.directory() {
            Some(_) => format!("x'{hex}'"),
            None => format!("'\\x{hex}'::bytea"),
        };
        self.run(&format!("UPDATE audit SET body = {body}, count = {count} WHERE shard = {chain} AND seq = {seq}"));
    }
}

/// The entries of a block, each with its length before it and the beginning of its digest behind it.
fn entries(body: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut found) = (0, Vec::new());
    while at < body.len() {
        let (mut length, mut place, begin) = (0, 0, at);
        loop {
            length |= usize::from(body[at] & 0x7f) << place;
            place += 7;
            at += 1;
            if body[at - 1] < 0x80 {
                break;
            }
        }
        at += length + 8;
        found.push(body[begin..at].to_vec());
    }
    found
}

#[test]
fn every_single_entry_changed_removed_repeated_or_moved_is_found_and_named() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        // Every statement behind a PostgreSQL record is a process of its own, so there it is fewer.
        let rounds = if place.is_shared() { 3 } else { 25 };
        for round in 0..rounds {
            for _ in 0..8 {
                doctor.read(&key("Patient", "p")).await.unwrap();
            }
            place.record.settle().await.unwrap();
            if round % 4 == 0 {
                one(&doctor, create(observation("p"))).await.unwrap();
            }
        }
        let behind = Behind(&place);
        let verify = async || place.record.verify(&[], |_| {}).await.unwrap();
        let whole = verify().await;
        assert_eq!(whole.findings, Vec::<String>::new());
        for (chain, seq, count, body) in behind.blocks() {
            let parts = entries(&body);
            assert_eq!(parts.len() as i64, count);
            for at in 0..parts.len() {
                let position = seq + at as i64;
                let mut changed = parts.clone();
                let middle = changed[at].len() / 2;
                changed[at][middle] ^= 1;
                let mut removed = parts.clone();
                removed.remove(at);
                let mut repeated = parts.clone();
                repeated.insert(at, parts[at].clone());
                let mut tampered = vec![("changed", changed), ("removed", removed), ("repeated", repeated)];
                if at + 1 < parts.len() {
                    let mut moved = parts.clone();
                    moved.swap(at, at + 1);
                    tampered.push(("moved", moved));
                }
                for (how, parts) in tampered {
                    behind.put(chain, seq, parts.len() as i64, &parts.concat());
                    let findings = verify().await.findings;
                    let names = |position: i64| {
                        let name = format!("chain {chain}, entry {position}");
                        findings.iter().any(|found| found.starts_with(&name))
                    };
                    // Of two equal neighbours it cannot be said which was there first; the end of a block is told by
                    // the last that is left.
                    let near = names(position) || names(position + 1) || how == "removed" && names(position - 1);
                    assert!(near, "{how} {chain}/{position}: {findings:?}");
                }
            }
            behind.put(chain, seq, count, &body);
        }
        assert_eq!(verify().await, whole);
    });
}

#[test]
fn whole_blocks_versions_and_the_index_cannot_be_tampered_with_unseen() {
    on_both(async |place| {
        let doctor = treating(&place);
        for family in ["赵", "钱", "孙"] {
            one(&doctor, update("Patient", "p", patient("p", family), None)).await.unwrap();
            doctor.read(&key("Patient", "p")).await.unwrap();
            place.record.settle().await.unwrap();
        }
        let behind = Behind(&place);
        let last = "(SELECT max(seq) FROM audit a WHERE a.shard = audit.shard)";
        let plain = if place.is_shared() { "'\\x00'::bytea || '{}'::bytea" } else { "CAST(x'007b7d' AS BLOB)" };
        let damages = [
            ("audit", format!("DELETE FROM audit WHERE seq = {last}"), "is cut off after entry"),
            ("audit", "DELETE FROM audit WHERE seq = 1".to_owned(), "entries before it are missing"),
            ("audit", "UPDATE audit SET seq = seq + 1000 WHERE seq > 1".to_owned(), "entries before it are missing"),
            ("audit", "UPDATE audit SET at = at + 1 WHERE seq = 1".to_owned(), "other times than its entries"),
            ("audit_end", "UPDATE audit_end SET seq = seq - 1 WHERE seq > 0".to_owned(), "is cut off after entry"),
            (
                "audit_about",
                "DELETE FROM audit_about WHERE seq = 1".to_owned(),
                "not everybody it is about would find it",
            ),
            ("audit_about", "UPDATE audit_about SET shard = shard + 256".to_owned(), "not everybody"),
            ("audit_about", format!("UPDATE audit_about SET marks = {plain}"), "not everybody"),
            (
                "resource",
                format!("UPDATE resource SET body = {plain}"),
                "version 3 of Patient/p is not what was stored",
            ),
            (
                "history",
                format!("UPDATE history SET body = {plain} WHERE version = 1"),
                "version 1 of Patient/p is not what",
            ),
            (
                "history",
                "DELETE FROM history WHERE version = 2".to_owned(),
                "version 2 of Patient/p is not there any more",
            ),
            ("resource", "UPDATE resource SET version = 4".to_owned(), "but the trail tells of 3"),
        ];
        for (table, damage, finding) in damages {
            behind.run(&format!("CREATE TABLE kept AS SELECT * FROM {table}"));
            behind.run(&damage);
            let findings = place.record.verify(&[], |_| {}).await.unwrap().findings;
            assert!(findings.iter().any(|found| found.contains(finding)), "{damage}: {findings:?}");
            behind.run(&format!("DELETE FROM {table}"));
            behind.run(&format!("INSERT INTO {table} SELECT * FROM kept"));
            behind.run("DROP TABLE kept");
            assert_eq!(place.record.verify(&[], |_| {}).await.unwrap().findings, Vec::<String>::new());
        }
    });
}

#[test]
fn a_trail_of_many_blocks_is_told_in_full_and_in_order_also_while_it_grows() {
    on_both(async |place| {
        let doctor = treating(&place);
        let names = ["p", "q", "r"];
        for name in names {
            one(&doctor, update("Patient", name, patient(name, "林"), None)).await.unwrap();
        }
        // More blocks than wait to be filed, some of them about two patients.
        for round in 0..180 {
            doctor.read(&key("Patient", "p")).await.unwrap();
            if round % 3 == 0 {
                doctor.read(&key("Patient", "q")).await.unwrap();
            }
            place.clock.pass(1);
            place.record.settle().await.unwrap();
        }
        doctor.read(&key("Patient", "r")).await.unwrap();
        assert_eq!(place.record.verify(&[], |_| {}).await.unwrap().findings, Vec::<String>::new());
        let officer = officer(&place).await;
        for (name, expected) in [("p", 181), ("q", 61), ("r", 2)] {
            let asked = search("AuditEvent", &[("patient", name), ("agent", "Practitioner/lin"), ("_count", "17")]);
            let (mut asked, mut seen, mut times) = (asked, Vec::new(), Vec::new());
            loop {
                let page = officer.search(&asked).await.unwrap();
                seen.extend(page.matches.iter().map(|version| version.key.id.clone()));
                times.extend(page.matches.iter().map(|version| version.at));
                let Some(next) = page.next else { break };
                asked.parameters = SearchRequest::parameters_of(&next).unwrap();
                // What comes meanwhile is later than all that is still to be told, wherever it was filed.
                for _ in 0..20 {
                    doctor.read(&key("Patient", name)).await.unwrap();
                    place.clock.pass(1);
                    place.record.settle().await.unwrap();
                }
            }
            let mut distinct = seen.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!((seen.len(), distinct.len()), (expected, expected), "{name}");
            assert!(times.is_sorted_by(|one, other| one >= other), "{name}");
        }
        let day = search("AuditEvent", &[("patient", "q"), ("date", "lt2026-05-04")]);
        assert_eq!(officer.search(&day).await.unwrap().matches.len(), 0);
        assert_eq!(place.record.verify(&[], |_| {}).await.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn what_is_filed_in_the_index_cannot_be_tampered_with_unseen() {
    on_both(async |place| {
        let doctor = treating(&place);
        one(&doctor, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        for _ in 0..140 {
            doctor.read(&key("Patient", "p")).await.unwrap();
            place.record.settle().await.unwrap();
        }
        let behind = Behind(&place);
        let filed = behind.run("SELECT CAST(count(*) AS TEXT) FROM audit_about WHERE shard >= 0").remove(0);
        assert_ne!(filed, "0", "nothing has been filed");
        let kept = place.record.verify(&[], |_| {}).await.unwrap();
        assert_eq!(kept.findings, Vec::<String>::new());
        let first = "shard = (SELECT min(shard) FROM audit_about WHERE shard >= 0)";
        let nothing = if place.is_shared() { "''::bytea" } else { "x''" };
        let damages = [
            format!("DELETE FROM audit_about WHERE {first}"),
            format!("UPDATE audit_about SET shard = shard + 1000 WHERE {first}"),
            format!("UPDATE audit_about SET since = since - 1 WHERE {first}"),
            format!("UPDATE audit_about SET at = at + 1 WHERE {first}"),
            format!("UPDATE audit_about SET seq = seq + 1 WHERE {first}"),
            format!("UPDATE audit_about SET marks = {nothing} WHERE {first}"),
            format!("UPDATE audit_about SET blocks = {nothing} WHERE {first}"),
            "UPDATE audit_about SET shard = shard - 1 WHERE shard < 0".to_owned(),
        ];
        for damage in damages {
            behind.run("CREATE TABLE kept AS SELECT * FROM audit_about");
            behind.run(&damage);
            let findings = place.record.verify(&[], |_| {}).await.unwrap().findings;
            assert!(findings.iter().any(|found| found.contains("not everybody it is about")), "{damage}: {findings:?}");
            behind.run("DELETE FROM audit_about");
            behind.run("INSERT INTO audit_about SELECT * FROM kept");
            behind.run("DROP TABLE kept");
        }
        behind.run("CREATE TABLE kept AS SELECT * FROM audit_about");
        let columns = "since, at, chain, seq + 1000000, marks, blocks";
        behind.run(&format!("INSERT INTO audit_about SELECT shard, {columns} FROM kept WHERE {first}"));
        behind.run("DROP TABLE kept");
        let findings = place.record.verify(&[], |_| {}).await.unwrap().findings;
        assert!(findings.iter().any(|found| found.contains("blocks that are not there")), "{findings:?}");
    });
}

#[test]
fn a_tail_cut_off_with_everything_that_tells_of_it_is_found_by_a_seal_kept_elsewhere() {
    on_both(async |place| {
        let doctor = treating(&place);
        for _ in 0..3 {
            one(&doctor, create(observation("p"))).await.unwrap();
            place.clock.pass(60);
            place.record.seal().await.unwrap().unwrap();
        }
        assert!(place.record.seal().await.unwrap().is_none(), "nothing was added");
        let seals = place.record.seals(0).await.unwrap();
        let handed: String = seals.iter().map(|seal| format!("{seal}\n")).collect();
        let kept = Seal::parse_all(&handed).unwrap();
        assert_eq!(kept, seals);
        let found = place.record.verify(&kept, |_| {}).await.unwrap();
        assert_eq!((found.seals, found.findings), (6, Vec::new()));

        // As somebody does who knows how the trail is kept, and has the database.
        let behind = Behind(&place);
        let newest = behind.run("SELECT shard || '|' || seq FROM audit ORDER BY at DESC LIMIT 1").remove(0);
        let (chain, seq) = newest.split_once('|').unwrap();
        let (chain, seq): (i64, i64) = (chain.parse().unwrap(), seq.parse().unwrap());
        behind.run(&format!("DELETE FROM audit WHERE shard = {chain} AND seq = {seq}"));
        behind.run(&format!("DELETE FROM audit_about WHERE chain = {chain} AND seq = {seq}"));
        behind.run(&format!(
            "UPDATE audit_end SET seq = {seq} - 1, hash = \
             coalesce((SELECT hash FROM audit WHERE shard = {chain} ORDER BY seq DESC LIMIT 1), hash) \
             WHERE shard = {chain}"
        ));
        let newest = behind.run("SELECT CAST(rid AS TEXT) FROM feed ORDER BY seq DESC LIMIT 1").remove(0);
        for table in ["resource", "locator", "tok", "str", "date", "ref"] {
            behind.run(&format!("DELETE FROM {table} WHERE rid = {newest}"));
        }
        behind.run("DELETE FROM audit_seal WHERE seq = 3");
        assert_eq!(place.record.verify(&[], |_| {}).await.unwrap().findings, Vec::<String>::new());
        let found = place.record.verify(&kept, |_| {}).await.unwrap().findings;
        let cut = format!("chain {chain} ends at entry {} or passes by, but seal 3 saw entry {seq}", seq - 1);
        assert!(found.contains(&cut), "{found:?}");
        assert!(found.iter().any(|found| found.starts_with("seal 3 of")), "{found:?}");
    });
}

#[test]
fn a_member_countersigns_and_nobody_else_can() {
    block_on(async {
        let (hospital, clinic) = (Place::embedded().await, Place::embedded().await);
        one(&hospital.session(), create(observation("p"))).await.unwrap();
        let seal = hospital.record.seal().await.unwrap().unwrap();
        let signed = clinic.record.countersignature(&seal).unwrap();
        let refused = hospital.record.countersign(1, "clinic", &signed.signature).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);

        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(Location::Embedded(folder.path().to_owned()));
        settings.audit.members = vec![("clinic".to_owned(), clinic.record.seal_public_key().unwrap())];
        let record = Record::open(settings, Surroundings::system()).await.unwrap();
        let session = record.session(Caller::system("TREAT"));
        one(&session, create(observation("p"))).await.unwrap();
        let seal = record.seal().await.unwrap().unwrap();
        let signed = clinic.record.countersignature(&seal).unwrap();
        let other = record.countersignature(&seal).unwrap();
        assert!(record.countersign(1, "clinic", &other.signature).await.is_err());
        assert!(record.countersign(2, "clinic", &signed.signature).await.is_err());
        record.countersign(1, "clinic", &signed.signature).await.unwrap();
        let seals = record.seals(0).await.unwrap();
        assert_eq!(seals[0].countersignatures[0].member, "clinic");
        assert_eq!(record.verify(&[], |_| {}).await.unwrap().findings, Vec::<String>::new());
        let key = std::fs::metadata(folder.path().join("trail/seal.key")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    });
}

/// What the process that reads is told by its environment: the folder of the record.
const READING: &str = "QINGSHAN_TRAIL_PLACE";

/// Reads for ever, and says so after each answer.
#[test]
fn a_process_that_reads() {
    let Some(folder) = std::env::var_os(READING) else { return };
    block_on(async {
        let record =
            Record::open(Settings::new(Location::Embedded(folder.into())), Surroundings::system()).await.unwrap();
        let session = record.session(Caller { actor: "Practitioner/lin".to_owned(), ..Caller::system("TREAT") });
        one(&session, update("Patient", "p", patient("p", "林"), None)).await.unwrap();
        println!("written");
        loop {
            session.read(&key("Patient", "p")).await.unwrap();
            println!("read");
        }
    });
}

#[test]
fn a_process_killed_at_any_moment_loses_no_entry_of_a_read_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (mut answered, mut written) = (0, 0);
    for round in 0..rounds() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "trail::a_process_that_reads", "--nocapture"])
            .env(READING, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = 1 + 137 * round;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut count = |lines: &mut dyn Iterator<Item = String>| {
            for line in lines {
                written += u64::from(line.ends_with("written"));
                answered += u64::from(line.ends_with("read"));
            }
        };
        count(&mut lines.by_ref().take(wanted as usize + 4));
        child.kill().unwrap();
        // Whatever it said before it died was said.
        count(&mut lines);
        child.wait().unwrap();
        block_on(async {
            let location = Location::Embedded(folder.path().to_owned());
            let record = Record::open(Settings::new(location), Surroundings::system()).await.unwrap();
            let verified = record.verify(&[], |_| {}).await.unwrap();
            assert_eq!(verified.findings, Vec::<String>::new());
            let most = answered + written + (round + 1) * 2;
            assert!((answered + written..=most).contains(&verified.entries), "{verified:?}, {answered} {written}");
        });
    }
    assert!(answered > rounds(), "the rounds did nothing");
}
