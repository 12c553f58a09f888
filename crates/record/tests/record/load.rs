//! A mixed load on a record by a process of its own, which can be killed, and the witness who checks what it left.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use fhir::{Category, Value};
use record::{
    Action, Applied, Caller, Change, Effect, Key, Location, Method, Randomness, Record, Session, Settings,
    Surroundings, SystemRandomness, Target,
};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::{create, json, key};

/// Numbers that look random and come again with the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by `QINGSHAN_FAULT_SEED`, or anew; says the seed, so that a failure can be repeated.
    pub(crate) fn thrown(test: &str) -> Self {
        let bytes = SystemRandomness.bytes();
        let fresh = u64::from_le_bytes(std::array::from_fn(|at| bytes[at])) >> 16;
        let seed = number("QINGSHAN_FAULT_SEED").unwrap_or(fresh);
        eprintln!("{test}: QINGSHAN_FAULT_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// How many rounds the tests of faults make.
pub(crate) fn rounds() -> u64 {
    number("QINGSHAN_FAULT_ROUNDS").unwrap_or(6)
}

fn number(name: &str) -> Option<u64> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

/// What the working process is told by its environment: the place of the record, a seed, and the size of notes.
const PLACE: &str = "QINGSHAN_LOAD_PLACE";
const SEED: &str = "QINGSHAN_LOAD_SEED";
const NOTE: &str = "QINGSHAN_LOAD_NOTE";

/// Clients of one working process.
const CLIENTS: u64 = 8;

/// The system of the identifiers by which a version says which transaction made it: `TAG/MEMBERS`.
const TAGGED: &str = "urn:x-load:tag";

/// The system of the identifiers that conditional creates ask for.
const KEYED: &str = "urn:x-load:key";

/// Opens a record as any process does.
pub(crate) async fn open(location: &Location) -> Record {
    Record::open(Settings::new(location.clone()), Surroundings::system()).await.expect("a record opens")
}

/// Runs something to its end on a runtime of its own.
pub(crate) fn block_on<F: Future>(act: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(act)
}

/// One version an acknowledgement named.
#[derive(Debug)]
struct Member {
    key: Key,
    version: u64,
    left: Left,
}

/// What a version must be.
#[derive(Debug)]
enum Left {
    Tagged(String),
    Deleted,
    Something,
}

impl Member {
    fn of(applied: &Applied, tag: &str) -> Option<String> {
        let version = applied.version.as_ref()?;
        let left = match applied.effect {
            Effect::Unchanged => "~".to_owned(),
            Effect::Deleted => "-".to_owned(),
            Effect::Created | Effect::Updated => format!("={tag}"),
        };
        Some(format!(" {}@{}{left}", version.key, version.version))
    }

    fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('@')?;
        let (type_, id) = name.split_once('/')?;
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let left = match rest[digits..].split_at(1) {
            ("=", tag) => Left::Tagged(tag.to_owned()),
            ("-", _) => Left::Deleted,
            _ => Left::Something,
        };
        Some(Self { key: key(type_, id), version: rest[..digits].parse().ok()?, left })
    }
}

/// What a working process says: one line each.
enum Said {
    /// It has the record open.
    Open,
    /// A transaction was acknowledged.
    Acknowledged(Vec<Member>),
    /// The database or the disk was not there, for the first time since it last was.
    Unavailable(String),
}

/// A process that works on a record, as its parent sees it.
pub(crate) struct Worker {
    child: Child,
    said: mpsc::Receiver<Said>,
    acknowledged: Vec<Vec<Member>>,
}

impl Worker {
    /// Starts this test program anew, to run `test` only, which is to call [`work`].
    pub(crate) fn start(test: &str, location: &Location, seed: u64, note: usize) -> Self {
        let place = match location {
            Location::Embedded(directory) => directory.to_str().expect("a path in UTF-8").to_owned(),
            Location::Postgres(url) => url.clone(),
        };
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(PLACE, place)
            .env(SEED, seed.to_string())
            .env(NOTE, note.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let (say, said) = mpsc::channel();
        // A thread, so that a worker is never held up by a parent who looks at another one.
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                let said = match line.split_at_checked(1) {
                    Some(("+", members)) => {
                        // The last line of a killed process may be cut; without its full stop it was not said.
                        let members = members.strip_suffix(" .").map(str::split_whitespace);
                        members.map(|members| {
                            let read = |text| Member::read(text).expect("a worker says what it did in one form");
                            Said::Acknowledged(members.map(read).collect())
                        })
                    }
                    Some(("!", text)) => Some(Said::Unavailable(text.to_owned())),
                    _ if line == "open" => Some(Said::Open),
                    _ => None,
                };
                if let Some(said) = said {
                    let _ = say.send(said);
                }
            }
        });
        Self { child, said, acknowledged: Vec::new() }
    }

    /// Waits until so many more transactions are acknowledged.
    pub(crate) fn acknowledges(&mut self, count: u64) {
        let until = self.acknowledged.len() + usize::try_from(count).expect("a small number");
        while self.acknowledged.len() < until {
            if let Said::Acknowledged(members) = self.said.recv().expect("the worker works until it is killed") {
                self.acknowledged.push(members);
            }
        }
    }

    /// Waits until it has found the record unavailable, and returns how it was told.
    pub(crate) fn is_refused(&mut self) -> String {
        loop {
            match self.said.recv().expect("the worker works until it is killed") {
                Said::Unavailable(text) => return text,
                Said::Acknowledged(members) => self.acknowledged.push(members),
                Said::Open => {}
            }
        }
    }

    /// Kills it and returns how many transactions it had acknowledged by then.
    pub(crate) fn kill(&mut self) -> usize {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is dead");
        self.hear_out();
        self.acknowledged.len()
    }

    /// Asks it to end after what it has begun.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.hear_out();
        assert!(self.child.wait().expect("it ends").success(), "the worker met something it did not expect");
    }

    fn hear_out(&mut self) {
        while let Ok(said) = self.said.recv() {
            if let Said::Acknowledged(members) = said {
                self.acknowledged.push(members);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Works, if this process was started to: until its standard input ends. Says whether it was.
pub(crate) fn work() -> bool {
    let Some(place) = std::env::var_os(PLACE).and_then(|place| place.into_string().ok()) else { return false };
    let location =
        if place.starts_with("postgres://") { Location::Postgres(place) } else { Location::Embedded(place.into()) };
    let seed = number(SEED).expect("a worker is told its seed");
    let note = usize::try_from(number(NOTE).expect("a worker is told how long its notes are")).expect("a length");
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Ordering::SeqCst);
    });
    block_on(async {
        let record = open(&location).await;
        // Whatever the test runner has written so far stands on a line of its own.
        say("\nopen");
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let session = record.session(Caller::system("HOPERAT"));
                let client = Client { session, dice: Dice(seed ^ (number << 48)), seed, number, note };
                tokio::spawn(client.work(Arc::clone(&ended)))
            })
            .collect();
        for client in clients {
            client.await.expect("a client meets nothing it does not expect");
        }
    });
    true
}

/// Writes a whole line at once, so that a kill leaves no half of one in the middle.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // A parent who has gone away hears nothing.
    let _ = output.write_all(format!("{line}\n").as_bytes()).and_then(|()| output.flush());
}

struct Client {
    session: Session,
    dice: Dice,
    seed: u64,
    number: u64,
    note: usize,
}

impl Client {
    async fn work(mut self, ended: Arc<AtomicBool>) {
        let (mut turn, mut available) = (0, true);
        while !ended.load(Ordering::SeqCst) {
            turn += 1;
            let tag = format!("{:x}-{}-{turn}", self.seed, self.number);
            let outcome = match self.changes(&tag).await {
                Ok((changes, tag)) => self.session.transact(changes).await.map(|applied| (applied, tag)),
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok((applied, tag)) => {
                    available = true;
                    let members: String = applied.iter().filter_map(|applied| Member::of(applied, &tag)).collect();
                    say(&format!("+{members} ."));
                }
                Err(refusal) if refusal.error.category() == Category::Unavailable => {
                    if std::mem::take(&mut available) {
                        say(&format!("!{}", refusal.error.issues()[0].text));
                    }
                }
                Err(refusal) => {
                    // Somebody else was first. Nothing else may go wrong.
                    assert_eq!(refusal.error.category(), Category::PreconditionFailed, "{refusal:?}");
                }
            }
        }
    }

    /// What to do next, with the whole tag its members carry.
    async fn changes(&mut self, tag: &str) -> Result<(Vec<Change>, String), fhir::Error> {
        let alone = format!("{tag}/1");
        let changes = match self.dice.below(100) {
            0..25 => vec![create(self.observation(&alone, "Patient/p0", None))],
            25..50 => {
                let key = self.of_the_pool();
                let current = self.session.read(&key).await?;
                let if_match = current.map(|version| version.version);
                vec![self.update(&key, &alone, if_match)]
            }
            50..60 => {
                let key = self.of_the_pool();
                vec![self.update(&key, &alone, None)]
            }
            60..70 => {
                vec![Change::new(Action::Delete { target: Target::Key(self.of_the_pool()), if_match: None })]
            }
            70..90 => return Ok(self.several(tag)),
            _ => {
                let wanted = self.dice.below(12);
                let resource = format!(
                    r#"{{"resourceType":"Organization","name":"社区卫生服务站","identifier":[
                        {{"system":"{KEYED}","value":"{wanted}"}},{{"system":"{TAGGED}","value":"{alone}"}}]}}"#
                );
                let if_none_exist = Some(format!("identifier={KEYED}|{wanted}"));
                vec![Change::new(Action::Create { resource: json(&resource), if_none_exist })]
            }
        };
        Ok((changes, alone))
    }

    /// A transaction: a new patient, observations about them, and a resource everybody works on.
    fn several(&mut self, tag: &str) -> (Vec<Change>, String) {
        let observations = 1 + self.dice.below(4);
        let tag = format!("{tag}/{}", observations + 2);
        let urn = format!("urn:uuid:{:08x}-0000-4000-8000-{:012x}", self.dice.below(1 << 32), self.dice.below(1 << 48));
        let mut changes = vec![Change { full_url: Some(urn.clone()), ..create(patient(&tag, None)) }];
        for _ in 0..observations {
            changes.push(create(self.observation(&tag, &urn, None)));
        }
        let key = self.of_the_pool();
        changes.push(self.update(&key, &tag, None));
        (changes, tag)
    }

    /// One of the resources that all clients work on.
    fn of_the_pool(&mut self) -> Key {
        let (kind, number) = (self.dice.below(2), self.dice.below(12));
        if kind == 0 { key("Patient", &format!("p{number}")) } else { key("Observation", &format!("o{number}")) }
    }

    fn update(&mut self, key: &Key, tag: &str, if_match: Option<u64>) -> Change {
        let resource = if key.type_.name() == "Patient" {
            patient(tag, Some(&key.id))
        } else {
            let subject = format!("Patient/p{}", self.dice.below(12));
            self.observation(tag, &subject, Some(&key.id))
        };
        crate::update(key.type_.name(), &key.id, resource, if_match)
    }

    fn observation(&mut self, tag: &str, subject: &str, id: Option<&str>) -> Value {
        let id = id.map(|id| format!(r#""id":"{id}","#)).unwrap_or_default();
        let value = self.dice.below(2_000);
        let words = self.note / 16;
        let note: String = (0..words).map(|_| format!("{:016x}", self.dice.next())).collect();
        let note = if note.is_empty() { note } else { format!(r#","note":[{{"text":"{note}"}}]"#) };
        json(&format!(
            r#"{{"resourceType":"Observation",{id}"identifier":[{{"system":"{TAGGED}","value":"{tag}"}}],
                "status":"final","code":{{"text":"体重"}},"subject":{{"reference":"{subject}"}},
                "effectiveDateTime":"2026-05-04","valueQuantity":{{"value":{value}.10,"unit":"kg"}}{note}}}"#
        ))
    }
}

fn patient(tag: &str, id: Option<&str>) -> Value {
    let id = id.map(|id| format!(r#""id":"{id}","#)).unwrap_or_default();
    json(&format!(
        r#"{{"resourceType":"Patient",{id}"identifier":[{{"system":"{TAGGED}","value":"{tag}"}}],
            "name":[{{"family":"单","given":["青山"]}}],"birthDate":"1961-02"}}"#
    ))
}

/// Who remembers what was in the feed, and compares it with what is there now.
#[derive(Default)]
pub(crate) struct Witness {
    feed: Vec<(Key, u64, Method)>,
    keyed: HashMap<String, Key>,
    /// Transactions that were acknowledged and are all there.
    pub(crate) acknowledged: usize,
    /// Transactions of several resources that are there, acknowledged or not.
    pub(crate) several: usize,
}

impl Witness {
    /// Opens the record and looks whether everything the workers acknowledged is there and everything else fits.
    pub(crate) async fn look(&mut self, location: &Location, workers: &[Worker]) {
        let record = open(location).await;
        let soundness = record.check(|_| {}).await.unwrap();
        assert_eq!(soundness.findings, Vec::<String>::new());
        let session = record.session(Caller::system("HOPERAT"));
        self.follow(&session).await;
        assert_eq!(soundness.changes, self.feed.len() as u64);
        for member in workers.iter().flat_map(|worker| &worker.acknowledged).flatten() {
            let version = session.vread(&member.key, member.version).await.unwrap();
            let version = version.unwrap_or_else(|| panic!("{member:?} was acknowledged and is lost"));
            let tags = version.body.as_deref().map(|body| identifiers(body, TAGGED));
            match &member.left {
                Left::Tagged(tag) => assert_eq!(tags.as_deref(), Some(&[tag.clone()][..]), "{member:?}"),
                Left::Deleted => assert!(tags.is_none(), "{member:?}"),
                Left::Something => assert!(tags.is_some(), "{member:?}"),
            }
            let current = session.read(&member.key).await.unwrap().expect("what has versions is there");
            assert!(current.version >= member.version, "{member:?} is no longer the past of {}", current.version);
        }
        self.acknowledged += workers.iter().map(|worker| worker.acknowledged.len()).sum::<usize>();
    }

    /// Reads the feed: what was known is unchanged, and what is new came in whole transactions.
    async fn follow(&mut self, session: &Session) {
        let mut told = Vec::new();
        loop {
            let page = session.changes(told.len() as u64, 1_000).await.unwrap();
            if page.is_empty() {
                break;
            }
            for entry in page {
                assert_eq!(entry.seq, told.len() as u64 + 1, "positions come one after another");
                told.push((entry.key, entry.version, entry.method));
            }
        }
        assert!(told.len() >= self.feed.len(), "the feed is shorter than it was");
        assert_eq!(told[..self.feed.len()], self.feed, "the feed no longer begins as it did");
        let mut members: HashMap<String, usize> = HashMap::new();
        for (key, version, method) in &told[self.feed.len()..] {
            let version = session.vread(key, *version).await.unwrap().expect("the feed tells of what is there");
            assert_eq!(version.body.is_none(), *method == Method::Delete, "{version:?}");
            let Some(body) = &version.body else { continue };
            for tag in identifiers(body, TAGGED) {
                *members.entry(tag).or_default() += 1;
            }
            for wanted in identifiers(body, KEYED) {
                let known = self.keyed.insert(wanted, key.clone());
                assert!(known.is_none(), "{key} and {known:?} were both made on the condition that there is neither");
            }
        }
        for (tag, count) in &members {
            let (_, all) = tag.split_once('/').expect("a tag says how many carry it");
            assert_eq!(all, count.to_string(), "of the transaction {tag} only a part is there");
            self.several += usize::from(*count > 1);
        }
        self.feed = told;
    }

    /// How many conditional creates found nothing and made something.
    pub(crate) fn made_once(&self) -> usize {
        self.keyed.len()
    }
}

/// The values of a resource's identifiers of one system.
fn identifiers(body: &[u8], system: &str) -> Vec<String> {
    let resource = fhir::json::parse(body).expect("what is stored is JSON");
    let identifiers = resource.get("identifier").and_then(|all| all.as_array()).into_iter().flatten();
    identifiers
        .filter(|identifier| identifier.get("system").and_then(|found| found.as_str()) == Some(system))
        .filter_map(|identifier| Some(identifier.get("value")?.as_str()?.to_owned()))
        .collect()
}
