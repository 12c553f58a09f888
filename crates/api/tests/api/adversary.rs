//! Somebody who looks for what they may not see. For every role, a record that holds hidden things must answer every
//! question just as one that never held them: the same matches, counts, pages, errors and texts.

mod beyond;
mod offered;
mod probe;
pub(crate) mod region;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::Method;
use record::{Caller, Key, ResourceType};
use serde_json::Value;
use testkit::dice::Dice;
use testkit::institutions::put;
use testkit::place::{Place, on_both};
use testkit::region::name;

use crate::{Door, Reply};
use probe::{Clues, Probe};
use region::{Browser, MACHINES, Region, everyone};

/// Which region, and which questions: printed with every difference that is found.
const SEED: u64 = 20_260_504;
/// Questions made by chance that each role asks, beside those about every parameter.
const QUESTIONS: usize = 100;
/// Attempts to write that each role makes.
const ATTEMPTS: usize = 60;
/// Pages of an answer that are followed.
const PAGES: usize = 3;

/// One role before two records: the whole one, and the one without what the role may not see.
struct Pair {
    login: String,
    whole: Door,
    bare: Door,
    at_whole: Browser,
    at_bare: Browser,
    seen: BTreeSet<String>,
    hidden: BTreeSet<String>,
}

impl Pair {
    async fn new(region: &Region, login: &str, place: &mut impl AsyncFnMut() -> Place) -> Self {
        let whole = region.door(place().await, &BTreeSet::new()).await;
        let at_whole = Browser::enter(&whole, login).await;
        let (seen, hidden) = at_whole.look(&whole, region).await;
        let bare = region.door(place().await, &hidden).await;
        let at_bare = Browser::enter(&bare, login).await;
        Self { login: login.to_owned(), whole, bare, at_whole, at_bare, seen, hidden }
    }

    /// Every operation that is offered, about what is hidden.
    async fn try_each_operation(&self, region: &Region) {
        let statement = self.at_whole.ask(&self.whole, Method::GET, "/fhir/metadata", "").await;
        let offers = offered::offers(&serde_json::from_slice(&statement.body).unwrap());
        assert!(offers.len() > 40, "{} operations are offered", offers.len());
        let hidden: Vec<&Value> = region.records.iter().filter(|one| self.hidden.contains(&name(one))).collect();
        // Whoever watches over the trail reads there what was done about what they may not see.
        let path = "/fhir/Patient/nobody-there/$who-looked";
        let watches = self.at_whole.ask(&self.whole, Method::GET, path, "").await.status.is_success();
        for probe in offered::each_offered(&offers, &hidden) {
            if !(watches && probe.path.ends_with("/$who-looked")) {
                self.compare(&probe).await;
            }
        }
        let session = self.whole.place.record.session(Caller::system("SYSADMIN"));
        for hidden in &hidden {
            let key = Key::new(
                ResourceType::named(hidden["resourceType"].as_str().unwrap()).unwrap(),
                name(hidden).split('/').nth(1).unwrap(),
            );
            let version = session.read(&key).await.unwrap().unwrap();
            assert!(version.version == 1 && version.body.is_some(), "{} changed {}", self.login, name(hidden));
        }
    }

    fn clues<'r>(&self, registry: &'r fhir::search::Registry, region: &'r Region) -> Clues<'r> {
        let hidden = region.records.iter().filter(|one| self.hidden.contains(&name(one))).collect();
        Clues::new(registry, hidden, self.seen.iter().cloned().collect())
    }

    /// What opens a record to a role is told, whether or not the role may see what makes it hold, which is not named.
    async fn ask_for_relation(&self, patient: &str) {
        let path = format!("/fhir/{patient}/$relation");
        let told = self.at_whole.ask(&self.whole, Method::GET, &path, "").await.text();
        let hidden = beyond::named(&told, &self.hidden);
        assert!(!self.seen.contains(patient) || hidden.is_empty(), "{} asks {path}: {hidden:?}", self.login);
    }

    /// Asks both and compares the answers, following their pages.
    async fn compare(&self, probe: &Probe) {
        let Probe { method, path, body } = probe;
        let (mut one, mut other) = (path.clone(), path.clone());
        for page in 0..PAGES {
            let whole = self.at_whole.ask(&self.whole, method.clone(), &one, body).await;
            let bare = self.at_bare.ask(&self.bare, method.clone(), &other, body).await;
            let about = format!("seed {SEED}, {} asks {method} {path} {body}, page {page}", self.login);
            assert_eq!(whole.status, bare.status, "{about}\n{}\n{}", whole.text(), bare.text());
            same(&plain(&whole), &plain(&bare), &about);
            let (Some(next), Some(next_other)) = (next(&whole), next(&bare)) else { return };
            (one, other) = (next, next_other);
        }
    }
}

/// An answer without what is by chance: ids the record made, the name of the request, where in the index a page ends or
/// on the trail an entry stands, in which order things stand that were stored at once, and in which order the members of
/// an object do.
fn plain(reply: &Reply) -> String {
    let text = reply.text();
    let Ok(mut answer) = serde_json::from_str::<Value>(&text) else { return without_uuids(&text) };
    if let Some(entries) = answer["entry"].as_array_mut()
        && entries.iter().all(|entry| entry["fullUrl"].is_string())
    {
        // The trail alone is in an order of its own.
        entries.sort_by_key(|entry| entry["fullUrl"].to_string().split("/trail-").next().map(str::to_owned));
    }
    // An expansion is named by the request that asked for it.
    let chances = ["_page=", "/trail-", "\"trail-", "urn:qingshan:expansion:"];
    let text = by_name(answer).to_string();
    without_uuids(&chances.iter().fold(text, |text, mark| without_what_follows(mark, &text)))
}

/// The same with the members of each object in the order of their names.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, value)| (name, by_name(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(by_name).collect()),
        other => other,
    }
}

/// The text without the word that follows each `mark`.
fn without_what_follows(mark: &str, text: &str) -> String {
    let mut pieces = text.split(mark);
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        kept.push_str(mark);
        kept.push_str(
            piece.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "-_%.".contains(letter)),
        );
    }
    kept
}

/// Fails where two answers differ, and shows what stands there.
#[track_caller]
fn same(one: &str, other: &str, about: &str) {
    if one != other {
        let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        let around = |text: &str| {
            let bytes = &text.as_bytes()[at.saturating_sub(200).min(text.len())..(at + 300).min(text.len())];
            String::from_utf8_lossy(bytes).into_owned()
        };
        panic!("{about}\nthe whole record: …{}…\nthe bare one: …{}…", around(one), around(other));
    }
}

/// The text with every UUID replaced by one word.
fn without_uuids(text: &str) -> String {
    let is_uuid = |piece: &[u8]| {
        piece.len() == 36
            && piece.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let (bytes, mut kept, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        if bytes.get(at..at + 36).is_some_and(is_uuid) {
            kept.extend_from_slice(b"made");
            at += 36;
        } else {
            kept.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(kept).expect("only whole words of ASCII were taken out")
}

/// Where the next page is.
fn next(reply: &Reply) -> Option<String> {
    let answer: Value = serde_json::from_slice(&reply.body).ok()?;
    let link = answer["link"].as_array()?.iter().find(|link| link["relation"] == "next")?;
    link["url"].as_str()?.strip_prefix("http://qingshan.example").map(str::to_owned)
}

/// Some roles ask about every hidden parameter, or by chance about a share of them, and then whatever comes to mind.
async fn ask_everything(logins: &[String], share: f64, questions: usize, mut place: impl AsyncFnMut() -> Place) {
    let region = Region::new(SEED);
    for login in logins {
        let pair = Pair::new(&region, login, &mut place).await;
        let registry = pair.whole.place.record.search_parameters();
        let clues = pair.clues(&registry, &region);
        let mut dice = Dice::new(SEED).apart(login.bytes().map(u64::from).sum());
        assert!(pair.hidden.len() > 100, "{login} is to be shown little: {} are hidden", pair.hidden.len());
        for probe in clues.each_parameter(&mut dice) {
            if dice.chance(share) {
                pair.compare(&probe).await;
            }
        }
        let patients = region.some_patients(&pair.hidden);
        for probe in clues.each_operation(&patients) {
            pair.compare(&probe).await;
        }
        for patient in patients {
            pair.ask_for_relation(&name(patient)).await;
        }
        for _ in 0..questions {
            pair.compare(&clues.any(&mut dice)).await;
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(test);
}

#[test]
fn no_role_finds_any_trace_of_what_is_hidden() {
    run(ask_everything(&everyone(), 1.0, QUESTIONS, Place::embedded));
}

#[test]
fn no_trace_is_left_by_postgresql_either() {
    let some = ["radiologist", "proxy"].map(str::to_owned);
    run(ask_everything(&some, 0.2, QUESTIONS / 2, Place::postgres));
}

#[test]
fn no_machine_finds_any_trace_of_what_patients_keep_from_it() {
    run(ask_everything(&MACHINES.map(str::to_owned), 1.0, QUESTIONS, Place::embedded));
}

#[test]
fn no_machine_finds_any_in_postgresql_either() {
    run(ask_everything(&MACHINES.map(str::to_owned), 0.1, QUESTIONS / 2, Place::postgres));
}

#[test]
fn no_operation_that_is_offered_tells_or_changes_what_is_hidden() {
    run(async {
        let region = Region::new(SEED);
        for login in everyone() {
            Pair::new(&region, &login, &mut Place::embedded).await.try_each_operation(&region).await;
        }
    });
}

#[test]
fn whoever_treats_sees_and_whoever_does_not_sees_nothing_of_care() {
    run(async {
        let region = Region::new(SEED);
        let door = region.door(Place::embedded().await, &BTreeSet::new()).await;
        let care = |names: &BTreeSet<String>| {
            let about = ["Observation/", "Condition/", "MedicationRequest/", "DiagnosticReport/", "Composition/"];
            names.iter().filter(|name| about.iter().any(|type_| name.starts_with(type_))).count()
        };
        for login in everyone() {
            let (seen, hidden) = Browser::enter(&door, &login).await.look(&door, &region).await;
            let treats = matches!(login.as_str(), "doctor" | "nurse" | "family-doctor" | "lent" | "patient" | "proxy");
            assert!(!treats || care(&seen) > 0, "{login} sees nothing");
            assert!(care(&hidden) > 0, "{login} sees everything");
            let blind =
                matches!(login.as_str(), "data-officer" | "security-admin" | "system-admin" | "privacy-officer");
            assert!(!blind || care(&seen) == 0, "{login} sees {} resources of care", care(&seen));
            let lay = region.lay().map(|id| format!("Patient/{id}"));
            assert!(
                !matches!(login.as_str(), "patient" | "proxy")
                    || lay.iter().filter(|one| seen.contains(*one)).count() == 1
            );
        }
    });
}

#[test]
fn what_is_hidden_can_neither_be_changed_nor_told_by_trying() {
    run(async {
        let region = Region::new(SEED);
        for login in ["doctor", "nurse", "registrar", "patient", "proxy"] {
            let pair = Pair::new(&region, login, &mut Place::embedded).await;
            let registry = pair.whole.place.record.search_parameters();
            let clues = pair.clues(&registry, &region);
            let mut dice = Dice::new(SEED).apart(7);
            for _ in 0..ATTEMPTS {
                pair.compare(&clues.attempt(&mut dice)).await;
            }
            let session = pair.whole.place.record.session(Caller::system("SYSADMIN"));
            for hidden in &pair.hidden {
                let (type_, id) = hidden.split_once('/').unwrap();
                let key = Key::new(ResourceType::named(type_).unwrap(), id);
                let version = session.read(&key).await.unwrap().unwrap();
                assert!(version.version == 1 && version.body.is_some(), "seed {SEED}, {login} changed {hidden}");
            }
        }
    });
}

#[test]
fn counting_what_is_hidden_takes_no_telling_time() {
    on_both(async |place| {
        let region = Region::new(SEED);
        let door = region.door(place, &BTreeSet::new()).await;
        let session = door.place.record.session(Caller::system("SYSADMIN"));
        let observation = |at: usize| {
            put(&format!(
                r#"{{"resourceType":"Observation","id":"many-{at}","status":"final","subject":{{"reference":"Patient/unknown"}},
                "code":{{"coding":[{{"system":"urn:x","code":"many"}}]}},"effectiveDateTime":"2026-05-01"}}"#
            ))
        };
        session.transact((0..HIDDEN).map(observation).collect()).await.unwrap();
        let browser = Browser::enter(&door, "doctor").await;
        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (at, code) in ["many", "none"].into_iter().enumerate() {
                let path = format!("/fhir/Observation?code=urn:x|{code}&_summary=count");
                let begun = tokio::time::Instant::now();
                let reply = browser.ask(&door, Method::GET, &path, "").await;
                times[at].push(begun.elapsed());
                assert_eq!(crate::text_at(&reply.json(), "total").as_deref(), Some("0"), "{}", reply.text());
            }
        }
        let [hidden, absent] = times.map(|mut times| {
            times.sort_unstable();
            times[ROUNDS / 2]
        });
        assert!(hidden < absent * 10, "counting {HIDDEN} hidden takes {hidden:?}, counting none {absent:?}");
    });
}

/// So many results of one person are hidden, as many as somebody with a chronic illness has in some years.
const HIDDEN: usize = 60;
/// How often each count is taken; the middle one counts, so that a machine that is busy does not decide.
const ROUNDS: usize = 31;
