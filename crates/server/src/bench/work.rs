//! `qingshan bench-work`: staff at their worklists. All of them are signed in and hear of their list on a live stream;
//! each opens the list every so often and completes a step now and then, as in a busy hour.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::load::{Answer, Connection};
use super::server::Server;
use super::{Ground, Page, database, millis};
use crate::Outcome;

/// What is measured, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchWork {
    /// A PostgreSQL server to measure on as well, without a database: postgres://user@host:port.
    #[arg(long, value_name = "URL", env = "QINGSHAN_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Folder to work in.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Staff who are signed in.
    #[arg(long, default_value_t = 1_000)]
    users: usize,
    /// Institutions they work at.
    #[arg(long, default_value_t = 50)]
    institutions: usize,
    /// Open runs at each institution when it begins.
    #[arg(long, default_value_t = 60)]
    runs: usize,
    /// Seconds between two things one person does; of three, one is completing a step.
    #[arg(long, default_value_t = 10)]
    pause: u64,
    /// Seconds of the measurement.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// One step that a ward does within an hour.
const PROTOCOL: &str = r#"code = "round"
version = "1"
title = { zh = "查房", en = "Round" }

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
breach = "8 h"
source = "made up for this measurement"

[[clock.rung]]
at = "breach"
tell = ["ward"]
"#;

/// People who sign in at a time.
const AT_ONCE: usize = 16;
/// How long after the last step was completed streams are still listened to.
const AFTER: Duration = Duration::from_secs(3);

/// Measures on each database and returns a table, in Markdown.
pub(crate) async fn run(bench: &BenchWork) -> Outcome<String> {
    let mut page = Page::default();
    let mut columns = vec!["SQLite"];
    measure(bench, &mut page, None).await?;
    if let Some(server) = &bench.postgres {
        columns.push("PostgreSQL");
        measure(bench, &mut page, Some(server)).await?;
    }
    Ok(page.table(&columns))
}

async fn measure(bench: &BenchWork, page: &mut Page, postgres: Option<&str>) -> Outcome<()> {
    let kind = if postgres.is_some() { "postgres" } else { "sqlite" };
    let folder = bench.folder.join(format!("{kind}-work"));
    let made = std::fs::create_dir_all(folder.join("round"));
    made.map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let database = postgres.map(|server| database(server, "work")).transpose()?;
    let ground = Ground { folder: folder.join("record"), database };
    furnish(bench, &folder, &ground)?;
    let server = Server::guarded(&ground.words()).await?;
    let staff = Arc::new(sign_in(bench, &server.address).await?);
    begin(bench, &server.address, &staff).await?;

    let heard: Heard = Arc::default();
    let mut streams = JoinSet::new();
    for (number, person) in staff.iter().enumerate() {
        let open = Listening { address: server.address.clone(), person: person.clone(), number, heard: heard.clone() };
        streams.spawn(open.listen());
    }
    let began = Instant::now() + Duration::from_secs(5);
    let end = began + Duration::from_secs(bench.seconds);
    let (steps, mut people) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
    for number in 0..staff.len() {
        let shift = Duration::from_micros(bench.pause * 1_000_000 * number as u64 / staff.len() as u64);
        let (address, staff, steps) = (server.address.clone(), Arc::clone(&staff), Arc::clone(&steps));
        let every = Duration::from_secs(bench.pause.max(1));
        people.spawn(async move { work(&address, &staff, number, began + shift, every, end, &steps).await });
    }
    let mut done = Done::default();
    while let Some(one) = people.join_next().await {
        let one = one.map_err(|error| error.to_string())??;
        done.opened.extend(one.opened);
        done.completed.extend(one.completed);
        done.overtaken += one.overtaken;
    }
    sleep_until(Instant::now() + AFTER).await;
    streams.abort_all();
    note(bench, page, &server, done, &steps.lock().await, &*heard.lock().await);
    Ok(())
}

fn note(
    bench: &BenchWork,
    page: &mut Page,
    server: &Server,
    done: Done,
    steps: &[(String, usize, Instant)],
    heard: &HashMap<(String, usize), Instant>,
) {
    let each = bench.users / bench.institutions;
    let (mut lags, mut unheard) = (Vec::new(), 0);
    for (task, institution, sent) in steps {
        for listener in (0..each).map(|one| one * bench.institutions + institution) {
            match heard.get(&(task.clone(), listener)) {
                Some(at) => lags.push(at.duration_since(*sent)),
                None => unheard += 1,
            }
        }
    }
    let rate = |count: usize| count as f64 / bench.seconds as f64;
    let told = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
        let shown = |time: Option<&Duration>| time.map_or("–".to_owned(), |time| format!("{:.0} ms", millis(*time)));
        format!("{} (half within {})", shown(at(0.99)), shown(at(0.5)))
    };
    let Done { mut opened, mut completed, overtaken } = done;
    page.note("staff signed in, each with a live stream", "1,000", bench.users.to_string());
    let pace = format!("{:.0} and {:.1}", rate(opened.len()), rate(completed.len()));
    page.note("worklists opened and steps completed in a second", "–", pace);
    page.note("opening a worklist, 99 % within", "200 ms", told(&mut opened));
    page.note("completing a step, 99 % within", "300 ms", told(&mut completed));
    page.note("steps that somebody else had completed first", "–", overtaken.to_string());
    page.note("from completing a step to its being on another's stream, 99 % within", "1 s", told(&mut lags));
    let whole = steps.len() * each;
    page.note("such changes that were not heard of", "0", format!("{unheard} of {whole}"));
    let memory = server.memory("VmHWM").map_or("–".to_owned(), |size| format!("{} MB", size / 1_024));
    page.note("resident memory, the most", "–", memory);
}

/// Institutions, staff, their accounts, patients and the protocol.
fn furnish(bench: &BenchWork, folder: &std::path::Path, ground: &Ground) -> Outcome<()> {
    let mut people = String::new();
    let mut add = |resource: Value| writeln!(people, "{resource}").expect("a string takes text");
    for one in 0..bench.institutions {
        add(json!({"resourceType": "Organization", "id": institution(one), "name": institution(one)}));
    }
    for one in 0..bench.users {
        let duty = json!({"coding": [{"system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": "nurse"}]});
        let at = format!("Organization/{}", institution(one % bench.institutions));
        let id = login(one);
        add(json!({"resourceType": "Practitioner", "id": id, "name": [{"text": id}]}));
        add(json!({"resourceType": "PractitionerRole", "id": id, "active": true, "code": [duty],
            "practitioner": {"reference": format!("Practitioner/{id}")}, "organization": {"reference": at}}));
    }
    for one in 0..bench.institutions * bench.runs {
        let gender = ["female", "male"][one % 2];
        add(json!({"resourceType": "Patient", "id": format!("p{one}"), "gender": gender, "birthDate": "1956-03-01",
            "name": [{"text": format!("山{one}")}]}));
    }
    let account =
        |one: usize| json!({"login": login(one), "name": login(one), "practitioner": login(one), "demo": true});
    let accounts: String = (0..bench.users).map(|one| format!("{}\n", account(one))).collect();
    let files =
        [("people.ndjson", people), ("accounts.ndjson", accounts), ("round/protocol.toml", PROTOCOL.to_owned())];
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    ground.run(&["import"], &folder.join("people.ndjson"))?;
    ground.run(&["account", "import"], &folder.join("accounts.ndjson"))?;
    ground.run(&["protocol", "install"], &folder.join("round"))
}

fn institution(number: usize) -> String {
    format!("i{number}")
}

fn login(number: usize) -> String {
    format!("nurse{number}")
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Person {
    /// The lines of a request that say who asks.
    headers: Arc<str>,
    institution: String,
}

impl Person {
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Vec<u8> {
        let (headers, length) = (&self.headers, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Type: {kind}\r\n");
        format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    /// What the portal asks for when the list of an institution is opened, and what it listens to.
    fn criteria(&self) -> String {
        format!(
            "_tag=https%3A%2F%2Fqingshan.dev%2Ffhir%2FCodeSystem%2Frun%7Cstep&status=ready%2Cin-progress\
             &owner=Organization%2F{}&performer=https%3A%2F%2Fqingshan.dev%2Ffhir%2FCodeSystem%2Fduty%7Cnurse",
            self.institution
        )
    }
}

async fn sign_in(bench: &BenchWork, address: &str) -> Outcome<Vec<Person>> {
    let each = (0..bench.users).map(|number| async move {
        let body = json!({ "login": login(number) }).to_string();
        let nobody = Person { headers: "".into(), institution: institution(number % bench.institutions) };
        let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        let answer = connection.ask(&nobody.ask("POST", "/auth/demo", "application/json", &body)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{} may not enter: {}", login(number), answer.status));
        }
        let session: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let csrf = session["csrf"].as_str().unwrap_or_default();
        let cookies = answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        let headers = format!("Cookie: {}\r\nX-CSRF-Token: {csrf}\r\n", cookies.join("; "));
        Ok(Person { headers: headers.into(), ..nobody })
    });
    let signed_in: Vec<Outcome<Person>> = futures_util::stream::iter(each).buffered(AT_ONCE).collect().await;
    signed_in.into_iter().collect()
}

/// Begins the runs that are open at first.
async fn begin(bench: &BenchWork, address: &str, staff: &[Person]) -> Outcome<()> {
    let each = (0..bench.institutions * bench.runs).map(|number| async move {
        let person = &staff[number % bench.institutions];
        let roles = json!({ "ward": format!("Organization/{}", person.institution) });
        let body = json!({"id": format!("r{number}"), "protocol": "round", "patient": format!("Patient/p{number}"),
            "roles": roles});
        let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        let request = person.ask("POST", "/runs", "application/json", &body.to_string());
        let answer = connection.ask(&request).await.map_err(|error| error.to_string())?;
        match answer.status {
            201 => Ok(()),
            status => Err(format!("A run was not begun: {status} {}", String::from_utf8_lossy(&answer.body))),
        }
    });
    let begun: Vec<Outcome<()>> = futures_util::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    begun.into_iter().collect()
}

/// When each Task was heard of on the stream of each person.
type Heard = Arc<Mutex<HashMap<(String, usize), Instant>>>;

struct Listening {
    address: String,
    person: Person,
    number: usize,
    heard: Heard,
}

impl Listening {
    /// Listens until it is ended from outside.
    async fn listen(self) -> Option<()> {
        let topic = format!("Task?{}", self.person.criteria());
        let topic = percent_encoding::utf8_percent_encode(&topic, percent_encoding::NON_ALPHANUMERIC);
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let headers = &self.person.headers;
        let request = format!("GET /live?topic={topic} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let (mut rest, mut buffer) = (String::new(), vec![0; 1 << 14]);
        loop {
            let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            let now = Instant::now();
            rest.push_str(&String::from_utf8_lossy(&buffer[..count]));
            while let Some(end) = rest.find('\n') {
                let line: String = rest.drain(..=end).collect();
                let Some(data) = line.strip_prefix("data: ") else { continue };
                let change: Value = serde_json::from_str(data.trim()).unwrap_or_default();
                if let Some(id) = change["id"].as_str() {
                    self.heard.lock().await.entry((id.to_owned(), self.number)).or_insert(now);
                }
            }
        }
    }
}

/// What one person did, and how long each took.
#[derive(Default)]
struct Done {
    opened: Vec<Duration>,
    completed: Vec<Duration>,
    overtaken: usize,
}

async fn work(
    address: &str,
    staff: &[Person],
    number: usize,
    mut next: Instant,
    every: Duration,
    end: Instant,
    steps: &Mutex<Vec<(String, usize, Instant)>>,
) -> Outcome<Done> {
    let person = &staff[number];
    let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
    let (mut done, mut turn) = (Done::default(), number);
    while next < end {
        sleep_until(next).await;
        next += every;
        turn += 1;
        let began = Instant::now();
        let tasks = open(&mut connection, person).await?;
        done.opened.push(began.elapsed());
        if turn % 2 == 0 || tasks.is_empty() {
            continue;
        }
        // Colleagues mostly take different ones.
        let task = tasks[number / 7 % tasks.len()].clone();
        let run = task.split('.').next().unwrap_or_default();
        let body = r#"{"deed":"complete","step":"do","n":1}"#;
        let began = Instant::now();
        let request = person.ask("POST", &format!("/runs/{run}/acts"), "application/json", body);
        let answer = asked(&mut connection, &request).await?;
        match answer.status {
            200 => {
                done.completed.push(began.elapsed());
                let institution = person.institution.trim_start_matches('i').parse().unwrap_or_default();
                steps.lock().await.push((task, institution, began));
            }
            409 | 404 => done.overtaken += 1,
            status => return Err(format!("{status}: {}", String::from_utf8_lossy(&answer.body))),
        }
    }
    Ok(done)
}

/// Opens the list as the portal does: the next to break first, then their patients and runs in one batch.
async fn open(connection: &mut Connection, person: &Person) -> Outcome<Vec<String>> {
    let elements = "_elements=code,status,priority,for,partOf,owner,performerType,authoredOn,restriction,extension";
    let path = format!("/fhir/Task?{}&_sort=due&{elements}&_count=50", person.criteria());
    let answer = asked(connection, &person.ask("GET", &path, "application/fhir+json", "")).await?;
    if answer.status != 200 {
        return Err(format!("A worklist is not shown: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    let page: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let entries = page["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = |path: &str| {
        let named = entries.iter().filter_map(|entry| entry.pointer(path)?.as_str()?.split_once('/'));
        let ids: std::collections::BTreeSet<&str> = named.map(|(_, id)| id).collect();
        ids.into_iter().collect::<Vec<_>>().join(",")
    };
    let asks = [
        format!("Patient?_id={}&_count=200&_elements=name,gender,birthDate,deceased", names("/resource/for/reference")),
        format!(
            "Task?_id={}&_count=200&_elements=code,status,businessStatus,requester,owner,input",
            names("/resource/partOf/0/reference")
        ),
    ];
    if !entries.is_empty() {
        let asks = asks.map(|url| json!({"request": {"method": "GET", "url": url}}));
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": asks}).to_string();
        let answer = asked(connection, &person.ask("POST", "/fhir", "application/fhir+json", &batch)).await?;
        if answer.status != 200 {
            return Err(format!("What a worklist is about is not shown: {}", answer.status));
        }
    }
    let ids = entries.iter().filter_map(|entry| Some(entry["resource"]["id"].as_str()?.to_owned()));
    Ok(ids.collect())
}

async fn asked(connection: &mut Connection, request: &[u8]) -> Outcome<Answer> {
    connection.ask(request).await.map_err(|error| format!("The server does not answer: {error}"))
}
