//! `qingshan bench-paging`: from one touch that starts a team to its last page handed over. The gateway and the push
//! service are stood in for by this process, on loopback.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use paging::stand_in::{StandIn, Taken};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

use super::load::Connection;
use super::server::Server;
use super::{Ground, Page, database, millis};
use crate::Outcome;

/// What is measured, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchPaging {
    /// A PostgreSQL server to measure on as well, without a database: postgres://user@host:port.
    #[arg(long, value_name = "URL", env = "QINGSHAN_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Folder to work in.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// People of the team.
    #[arg(long, default_value_t = 12)]
    team: usize,
    /// Teams started, one after another.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
}

/// The key and the secret of a browser, those of the example of RFC 8291: what is sealed here nobody opens.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// Roles of the team: what their people are on call for, and a duty that answers in them.
const CALLS: [(&str, &str); 3] = [("stroke", "doctor"), ("imaging", "technician"), ("laboratory", "technician")];

/// How long is waited for the last page of a team.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures on each database and returns a table, in Markdown.
pub(crate) async fn run(bench: &BenchPaging) -> Outcome<String> {
    let mut page = Page::default();
    let mut columns = vec!["SQLite"];
    measure(bench, &mut page, None).await?;
    if let Some(server) = &bench.postgres {
        columns.push("PostgreSQL");
        measure(bench, &mut page, Some(server)).await?;
    }
    Ok(page.table(&columns))
}

async fn measure(bench: &BenchPaging, page: &mut Page, postgres: Option<&str>) -> Outcome<()> {
    let kind = if postgres.is_some() { "postgres" } else { "sqlite" };
    let folder = bench.folder.join(format!("{kind}-paging"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let database = postgres.map(|server| database(server, "paging")).transpose()?;
    let ground = Ground { folder: folder.join("record"), database };
    furnish(bench, &folder, &ground)?;

    let stand_in = StandIn::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let outside = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let mut heard = stand_in.hear();
    let standing_in = tokio::spawn(stand_in.serve(listener));
    let gateway = format!("{outside}/messages");
    let settings = [
        ("QINGSHAN__PAGING__GATEWAY", gateway.as_str()),
        ("QINGSHAN__PAGING__CHANNELS", "sms"),
        ("QINGSHAN__PAGING__ALLOW_PRIVATE", "true"),
    ];
    let server = Server::guarded_with(&ground.words(), &settings).await?;
    for one in 0..bench.team {
        let mut person = Person::enter(&server.address, &login(one)).await?;
        let device = json!({ "endpoint": format!("{outside}/push/{one}"), "p256dh": P256DH, "auth": AUTH,
            "name": "bench", "locale": "zh-CN" });
        person.ask("POST", "/paging/devices", &device, 201).await?;
    }
    let mut starter = Person::enter(&server.address, "starter").await?;
    // The first round finds caches empty and connections closed, and counts like the others.
    let (mut first, mut last, mut started) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let begin = json!({ "id": format!("team{round}"), "protocol": "stroke", "start": "door",
            "patient": format!("Patient/p{round}"), "roles": { "hospital": "Organization/h" } });
        let began = Instant::now();
        starter.ask("POST", "/runs", &begin, 201).await?;
        started.push(began.elapsed());
        let times = handed(&mut heard, began, bench.team * 2).await?;
        first.push(times.0);
        last.push(times.1);
    }
    standing_in.abort();
    let told = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
        format!(
            "{:.0} ms (half within {:.0} ms, the longest {:.0} ms)",
            millis(at(0.99)),
            millis(at(0.5)),
            millis(at(1.0))
        )
    };
    page.note("people of a team, each over push and text message", "12", bench.team.to_string());
    page.note("teams started", "–", bench.rounds.to_string());
    page.note("from the touch to the answer that it is started, 99 % within", "–", told(&mut started));
    page.note("from the touch to the first page handed over, 99 % within", "–", told(&mut first));
    page.note("from the touch to the last page handed over, 99 % within", "1 s", told(&mut last));
    Ok(())
}

/// When the first and the last of so many pages were handed over.
async fn handed(heard: &mut UnboundedReceiver<Taken>, began: Instant, count: usize) -> Outcome<(Duration, Duration)> {
    let (mut first, mut keys) = (None, BTreeSet::new());
    while keys.len() < count {
        let one =
            timeout(PATIENCE, heard.recv()).await.map_err(|_| format!("{} of {count} pages came.", keys.len()))?;
        let Taken { path, key, .. } = one.ok_or("Nobody stands in any more.")?;
        first.get_or_insert(began.elapsed());
        keys.insert((path, key));
    }
    Ok((first.unwrap_or_default(), began.elapsed()))
}

/// The hospital, its people, who is on call, accounts and patients.
fn furnish(bench: &BenchPaging, folder: &std::path::Path, ground: &Ground) -> Outcome<()> {
    const HOUR: i64 = 3_600_000_000;
    let now = record::Surroundings::system().clock.now();
    let mut text = String::new();
    let mut add = |resource: Value| writeln!(text, "{resource}").expect("a string takes text");
    add(json!({ "resourceType": "Organization", "id": "h", "active": true, "name": "示例医院" }));
    let mut post = |id: &str, duty: &str, number: usize| {
        add(json!({ "resourceType": "Practitioner", "id": id, "name": [{ "text": id }],
            "telecom": [{ "system": "phone", "use": "mobile", "value": format!("139{number:08}") }] }));
        add(json!({ "resourceType": "PractitionerRole", "id": id, "active": true,
            "code": [{ "coding": [{ "system": paging::code::DUTY, "code": duty }] }],
            "practitioner": { "reference": format!("Practitioner/{id}") },
            "organization": { "reference": "Organization/h" } }));
    };
    post("starter", "doctor", 0);
    for one in 0..bench.team {
        post(&login(one), CALLS[one % CALLS.len()].1, one + 1);
    }
    for one in 0..bench.team {
        let call = CALLS[one % CALLS.len()].0;
        let concept = |system: &str, code: &str| json!([{ "coding": [{ "system": system, "code": code }] }]);
        let (category, type_) =
            (concept(paging::code::SESSION, paging::code::ON_CALL), concept(paging::code::CALL, call));
        add(json!({ "resourceType": "Schedule", "id": login(one), "active": true,
            "extension": [{ "url": paging::code::PLACE, "valueReference": { "reference": "Organization/h" } }],
            "serviceCategory": category, "serviceType": type_,
            "actor": [{ "reference": format!("PractitionerRole/{}", login(one)) }] }));
        add(json!({ "resourceType": "Slot", "id": login(one), "status": "busy", "serviceCategory": category,
            "serviceType": type_, "schedule": { "reference": format!("Schedule/{}", login(one)) },
            "start": fhir::time::instant(now - HOUR), "end": fhir::time::instant(now + 24 * HOUR) }));
    }
    for round in 0..bench.rounds {
        add(
            json!({ "resourceType": "Patient", "id": format!("p{round}"), "gender": "female", "birthDate": "1946-03-01" }),
        );
    }
    let account = |id: &str| json!({ "login": id, "name": id, "practitioner": id, "demo": true });
    let mut accounts = format!("{}\n", account("starter"));
    for one in 0..bench.team {
        writeln!(accounts, "{}", account(&login(one))).expect("a string takes text");
    }
    for (name, text) in [("people.ndjson", text), ("accounts.ndjson", accounts)] {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    ground.run(&["import"], &folder.join("people.ndjson"))?;
    ground.run(&["account", "import"], &folder.join("accounts.ndjson"))
}

fn login(number: usize) -> String {
    format!("team{number}")
}

/// Somebody who is signed in, on a connection of their own.
struct Person {
    connection: Connection,
    /// The lines of a request that say who asks.
    headers: String,
}

impl Person {
    async fn enter(address: &str, login: &str) -> Outcome<Self> {
        let connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        let mut person = Self { connection, headers: String::new() };
        let (head, session) = person.answered("POST", "/auth/demo", &json!({ "login": login }), 200).await?;
        let csrf = session["csrf"].as_str().unwrap_or_default();
        let cookies = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        person.headers = format!("Cookie: {}\r\nX-CSRF-Token: {csrf}\r\n", cookies.join("; "));
        Ok(person)
    }

    async fn ask(&mut self, method: &str, path: &str, body: &Value, wanted: u16) -> Outcome<()> {
        self.answered(method, path, body, wanted).await.map(drop)
    }

    async fn answered(&mut self, method: &str, path: &str, body: &Value, wanted: u16) -> Outcome<(String, Value)> {
        let (headers, body) = (&self.headers, body.to_string());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let answer = self.connection.ask(request.as_bytes()).await;
        let answer = answer.map_err(|error| format!("The server does not answer: {error}"))?;
        if answer.status != wanted {
            return Err(format!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        Ok((answer.head, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }
}
