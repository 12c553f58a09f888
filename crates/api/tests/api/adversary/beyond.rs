//! What else somebody might ask who looks for what they may not see: the trail and the live stream.

use std::collections::BTreeSet;

use axum::http::Method;
use record::{Caller, Key, ResourceType};
use serde_json::{Value, json};
use testkit::institutions::put;
use testkit::place::Place;
use testkit::region::name;

use super::region::{Browser, Region, everyone};
use super::{SEED, run};
use crate::stream::Stream;

/// Duties to which the default rules open the whole trail.
const WATCHERS: [&str; 3] = ["privacy-officer", "data-officer", "security-admin"];
/// Positions of each chain at which an entry is asked for by its id.
const POSITIONS: usize = 12;
/// Of so many records one changes while everybody listens.
const EVERY: usize = 9;

fn key(name: &str) -> Key {
    let (type_, id) = name.split_once('/').expect("a name has a type and an id");
    Key::new(ResourceType::named(type_).expect("an R4 type"), id)
}

/// Which of these resources a text names.
pub(super) fn named<'n>(text: &str, names: &'n BTreeSet<String>) -> Vec<&'n String> {
    let is_named = |name: &&String| text.contains(&format!("{name}\"")) || text.contains(&format!("{name}/_history"));
    names.iter().filter(is_named).collect()
}

/// An answer without who looked, which is told to whoever may see that somebody did.
fn without_agents(text: &str) -> String {
    let Ok(mut answer) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let strip = |event: &mut Value| drop(event.as_object_mut().and_then(|event| event.remove("agent")));
    strip(&mut answer);
    let entries = answer["entry"].as_array_mut().into_iter().flatten();
    entries.for_each(|entry| strip(&mut entry["resource"]));
    answer.to_string()
}

#[test]
fn the_trail_names_to_nobody_what_they_may_not_read() {
    run(async {
        let region = Region::new(SEED);
        let door = region.door(Place::embedded().await, &BTreeSet::new()).await;
        let reader = Caller { actor: "client/reader".to_owned(), ..Caller::system("TREAT") };
        let session = door.place.record.session(reader);
        for record in &region.records {
            session.read(&key(&name(record))).await.unwrap();
        }
        door.place.record.settle().await.unwrap();
        for login in everyone() {
            let browser = Browser::enter(&door, &login).await;
            let (seen, hidden) = browser.look(&door, &region).await;
            let patients = region.lay().map(|id| format!("Patient/{id}"));
            let others = region.records.iter().map(name).filter(|name| name.starts_with("Patient/")).take(3);
            let patients: Vec<String> =
                patients.into_iter().chain(others).chain(["Patient/nobody".to_owned()]).collect();
            let mut asked = vec!["/fhir/AuditEvent".to_owned(), "/fhir/AuditEvent?agent=client/reader".to_owned()];
            for patient in &patients {
                asked.push(format!("/fhir/{patient}/$who-looked?_count=1000"));
                asked.push(format!("/fhir/AuditEvent?patient={patient}&_count=1000"));
                asked.push(format!("/fhir/{patient}/AuditEvent?_count=1000"));
            }
            let mine =
                patients.iter().find(|patient| matches!(&*login, "patient" | "proxy") && seen.contains(*patient));
            for secret in hidden.iter().step_by(hidden.len() / 20 + 1) {
                asked.push(format!("/fhir/AuditEvent?entity={secret}"));
                asked.extend(mine.map(|mine| format!("/fhir/AuditEvent?patient={mine}&entity={secret}")));
            }
            asked.extend((0..16).flat_map(|chain| {
                (1..=POSITIONS).map(move |position| format!("/fhir/AuditEvent/trail-{chain}-{position}"))
            }));
            let (mut refusals, mut answered) = (BTreeSet::new(), 0);
            for path in &asked {
                let reply = browser.ask(&door, Method::GET, path, "").await;
                let about = format!("{login} asks {path}: {}", reply.text());
                match reply.status.as_u16() {
                    200 => answered += 1,
                    403 => drop(refusals.insert(reply.text())),
                    status => assert!(status == 404 && path.contains("/trail-"), "{about}"),
                }
                let watches = WATCHERS.contains(&&*login);
                assert!(watches || mine.is_some() || reply.status == 403, "{about}");
                assert!(!watches || reply.status != 403, "{about}");
                let answer = without_agents(&reply.text());
                let mut told = named(&answer, &hidden);
                // The address that was asked for is told again.
                told.retain(|name| !path.contains(&format!("entity={name}")));
                assert!(watches || told.is_empty(), "{login} asks {path} and is told of {told:?}");
                if path.contains("entity=") && !watches {
                    assert!(!reply.text().contains("\"AuditEvent\""), "{about}");
                }
            }
            assert_eq!(answered > 0, mine.is_some() || WATCHERS.contains(&&*login), "{login}");
            let most = if mine.is_some() { 2 } else { 1 };
            assert!(refusals.len() <= most, "{login} is refused in different words: {refusals:?}");
        }
    });
}

#[test]
fn the_live_stream_tells_everybody_of_what_they_may_read_and_of_nothing_else() {
    run(async {
        let region = Region::new(SEED);
        let door = region.door(Place::embedded().await, &BTreeSet::new()).await;
        let changed: Vec<_> = region.records.iter().step_by(EVERY).collect();
        let names: BTreeSet<String> = changed.iter().map(|one| name(one)).collect();
        let mut listening = Vec::new();
        for login in everyone() {
            let browser = Browser::enter(&door, &login).await;
            let (seen, _) = browser.look(&door, &region).await;
            let stream = Stream::open_with(&door, "*", &[("cookie", browser.cookie())]).await;
            listening.push((login, seen, stream));
        }
        let session = door.place.record.session(Caller::system("SYSADMIN"));
        for some in changed.chunks(100) {
            let changes = some.iter().map(|one| {
                let mut one = (*one).clone();
                one["language"] = json!("zh-CN");
                put(&one.to_string())
            });
            session.transact(changes.collect()).await.unwrap();
        }
        // Everybody may see an organization, so whoever has heard of this one has heard of all before.
        let last = r#"{"resourceType":"Organization","id":"last","name":"last"}"#;
        session.transact(vec![put(last)]).await.unwrap();
        for (login, seen, mut stream) in listening {
            let mut told = BTreeSet::new();
            loop {
                let (event, _, data) = stream.event().await;
                assert_eq!(event, "change", "{login}: {data}");
                let data: Value = serde_json::from_str(&data).unwrap();
                let name = format!("{}/{}", data["type"].as_str().unwrap(), data["id"].as_str().unwrap());
                if name == "Organization/last" {
                    break;
                }
                told.insert(name);
            }
            let expected: BTreeSet<String> = names.intersection(&seen).cloned().collect();
            assert_eq!(told, expected, "{login}");
        }
    });
}
