//! `qingshan bench`: what this program can do on this machine, beside what the machine can do.
//!
//! It starts servers of its own on loopback, loads them from this process and writes what it measured as a page.
//! Server, database and load share the machine's cores, as they would in a clinic, so the rates are those of the whole.

mod load;
mod paging;
mod pathway;
mod region;
mod server;
mod trail;
mod work;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fhir::json;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use tokio::time::Instant;

pub(crate) use self::paging::{BenchPaging, run as run_paging};
use crate::Outcome;
use load::{Connection, Measured, Until, get, post};
pub(crate) use pathway::{BenchPathway, run as run_pathway};
use server::Server;
pub(crate) use server::constantly;
pub(crate) use trail::{BenchTrail, run as run_trail};
pub(crate) use work::{BenchWork, run as run_work};

/// What is measured, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bench {
    /// Transaction bundles to send: a folder, or an archive that holds them.
    #[arg(long, value_name = "PATH")]
    bundles: Option<PathBuf>,
    /// The program that writes the same rows by prepared statements alone (the example `floor` of the crate record).
    #[arg(long, value_name = "PROGRAM")]
    floor: PathBuf,
    /// A PostgreSQL server to measure on as well, without a database: postgres://user@host:port.
    #[arg(long, value_name = "URL", env = "QINGSHAN_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Folder to work in; it needs about 10 GB for a million resources.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Resources of the large record; the small one has a tenth of them.
    #[arg(long, default_value_t = 1_000_000)]
    resources: usize,
    /// Seconds of each measurement under load, of which what is compared has five.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
}

/// One line of the page.
struct Figure {
    what: &'static str,
    wanted: &'static str,
    found: Vec<String>,
}

/// The figures in the order they were first measured, one column for each database.
#[derive(Default)]
struct Page(Vec<Figure>);

impl Page {
    fn note(&mut self, what: &'static str, wanted: &'static str, found: String) {
        eprintln!("{what}: {found}");
        match self.0.iter_mut().find(|figure| figure.what == what) {
            Some(figure) => figure.found.push(found),
            None => self.0.push(Figure { what, wanted, found: vec![found] }),
        }
    }

    /// A table in Markdown, with these databases as columns.
    fn table(&self, columns: &[&str]) -> String {
        let rules = " --- |".repeat(columns.len());
        let mut text = format!("| measured | goal | {} |\n| --- | --- |{rules}\n", columns.join(" | "));
        for figure in &self.0 {
            let found = figure.found.join(" | ");
            writeln!(text, "| {} | {} | {found} |", figure.what, figure.wanted).expect("a string takes text");
        }
        text
    }
}

/// Clients that create, as the goal says.
const WRITERS: usize = 64;
/// Clients that read and search, as the goal says.
const READERS: usize = 32;
/// How often each of two loads that are compared has its turn. A machine that others share is faster at one moment than at
/// the next, so what is told is the middle of the shares of each turn.
const TURNS: usize = 5;
/// How long is read before reads are counted: caches are filled, and on PostgreSQL nobody else has written for as long as
/// the process wants to see before it takes the record to itself.
const SETTLING: Duration = Duration::from_secs(8);
/// Resources of the patient whose everything is asked for.
const EVERYTHING: usize = 5_000;

/// Measures everything and returns the page, in Markdown.
pub(crate) async fn run(bench: &Bench) -> Outcome<String> {
    let mut page = Page::default();
    let mut columns = vec!["SQLite"];
    measure(bench, &mut page, None).await?;
    if let Some(server) = &bench.postgres {
        columns.push("PostgreSQL");
        measure(bench, &mut page, Some(server)).await?;
    }
    let mut text = page.table(&columns);
    text.push('\n');
    text.push_str(&alone()?);
    Ok(text)
}

/// Everything on one database.
async fn measure(bench: &Bench, page: &mut Page, postgres: Option<&str>) -> Outcome<()> {
    let kind = if postgres.is_some() { "postgres" } else { "sqlite" };
    let ground = |name: &str| -> Outcome<Ground> {
        let folder = bench.folder.join(format!("{kind}-{name}"));
        fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let database = postgres.map(|server| database(server, name)).transpose()?;
        Ok(Ground { folder, database })
    };
    rates(bench, page, &ground("rates")?, &ground("floor")?).await?;
    growth(bench, page, &ground("growth")?).await
}

/// Where a record is, in the words of the command line.
struct Ground {
    folder: PathBuf,
    database: Option<String>,
}

impl Ground {
    fn words(&self) -> Vec<String> {
        let mut words = vec!["--data".to_owned(), self.folder.display().to_string()];
        if let Some(database) = &self.database {
            words.extend(["--database".to_owned(), database.clone()]);
        }
        words
    }

    /// Imports a path and says how long it took.
    fn import(&self, path: &Path) -> Outcome<Duration> {
        let began = Instant::now();
        self.run(&["import"], path).map(|()| began.elapsed())
    }

    /// Runs a command of this program on a path.
    fn run(&self, words: &[&str], path: &Path) -> Outcome<()> {
        let program = std::env::current_exe().map_err(|error| format!("This program cannot be found: {error}"))?;
        let mut command = Command::new(program);
        // What it says is no part of the page.
        let status = command.args(words).args(self.words()).arg(path).stdout(std::process::Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("{} failed for {}.", words.join(" "), path.display())),
        }
    }
}

/// A new database on a server.
fn database(server: &str, name: &str) -> Outcome<String> {
    let name = format!("bench_{name}");
    let status = Command::new("createdb").arg(format!("--maintenance-db={server}/postgres")).arg(&name).status();
    match status {
        Ok(status) if status.success() => Ok(format!("{server}/{name}")),
        _ => Err(format!("createdb did not make {name}.")),
    }
}

/// What a server can do under load, beside the floor.
async fn rates(bench: &Bench, page: &mut Page, ground: &Ground, floor: &Ground) -> Outcome<()> {
    const PATIENTS: usize = 1_000;
    let file = bench.folder.join("few.ndjson");
    write_region(&file, 0..PATIENTS, 10, true)?;
    ground.import(&file)?;
    let server = Server::start(&ground.words()).await?;
    page.note("resident memory at rest", "under 150 MB", megabytes(server.memory("VmRSS")));

    let lasting = Until::Passed(Duration::from_secs(bench.seconds));
    let create = Arc::new(|number: usize| {
        post("/fhir/Observation", region::observation(number % PATIENTS, number, false).as_bytes())
    });
    let (mut creates, mut floors) = (Vec::new(), Vec::new());
    let mut before = PATIENTS * 11;
    for _ in 0..TURNS {
        let created = load::run(&server.address, WRITERS, lasting, create.clone()).await;
        // Both records grow by the same rows, so that neither is the smaller one for long.
        let alone = floor_rate(bench, floor, before, created.answered)?;
        before += created.answered;
        creates.push((created.rate(), alone, created));
        floors.push(alone);
    }
    let floor = median(floors);
    let told = format!("{floor:.0}/s");
    page.note("floor: the same rows by prepared statements alone, 64 resources at a time", "–", told);
    page.note("single creates, 64 clients, validated, over HTTP", "50 % of the floor", beside(creates));

    let bundles = bundles(bench)?;
    let inside: usize = bundles.iter().map(|(_, resources)| resources).sum();
    let count = bundles.len();
    let send = Arc::new(move |number: usize| post("/fhir", &bundles[number % count].0));
    let sent = load::run(&server.address, 4, Until::Answered(count), send).await;
    let resources = sent.rate() * inside as f64 / count as f64;
    let share = beside(vec![(resources, floor, sent)]);
    page.note("transaction bundles, 4 clients, validated, over HTTP, resources", "50 % of the floor", share);

    let read = Arc::new(|number: usize| {
        let (patient, which) = (number * 7 % PATIENTS, number % 10);
        get(&format!("/fhir/Observation/bench-{patient}-{which}"))
    });
    let size = Connection::open(&server.address).await.map_err(|error| error.to_string())?;
    let size = ask(size, &read(0)).await?.body.len();
    load::run(&server.address, READERS, Until::Passed(SETTLING), read.clone()).await;
    let constant = Server::constant(size).await?;
    let (mut reads, mut constants) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let answered = load::run(&server.address, READERS, lasting, read.clone()).await;
        let whole = load::run(&constant.address, READERS, lasting, read.clone()).await.rate();
        reads.push((answered.rate(), whole, answered));
        constants.push(whole);
    }
    drop(constant);
    let whole = format!("{:.0}/s", median(constants));
    page.note("constant bytes of a read's size through the same HTTP stack", "–", whole);
    page.note("reads by id, 32 clients", "70 % of constant bytes", beside(reads));

    let code = region::CODE.replace('|', "%7C");
    let search = Arc::new(move |number: usize| {
        let patient = region::patient_id(number * 7 % PATIENTS);
        get(&format!("/fhir/Observation?subject=Patient/{patient}&code={code}"))
    });
    let searches = load::run(&server.address, READERS, lasting, search).await;
    let told =
        format!("{:.0}/s{}, half within {:.1} ms", searches.rate(), failures(&searches), millis(searches.within(0.5)));
    page.note("Observation?subject=&code=, 32 clients", "6,000/s", told);
    page.note("resident memory, the most under these loads", "under 600 MB", megabytes(server.memory("VmHWM")));
    Ok(())
}

/// How many resources a second the databases themselves store: some after the first so many of the record.
fn floor_rate(bench: &Bench, target: &Ground, skip: usize, count: usize) -> Outcome<f64> {
    // The rows are taken from the SQLite record, which is measured first, so both databases get the same ones.
    let from = bench.folder.join("sqlite-rates");
    let to = target.database.clone().unwrap_or_else(|| target.folder.join("rows").display().to_string());
    let output = Command::new(&bench.floor).arg(from).arg(to).args([skip.to_string(), count.to_string()]).output();
    let output = output.map_err(|error| format!("{} does not start: {error}", bench.floor.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// How the time of a search grows with the record, and what a large record costs at the start.
async fn growth(bench: &Bench, page: &mut Page, ground: &Ground) -> Outcome<()> {
    let patients = bench.resources / (region::EACH + 1);
    let (small, rest) = (bench.folder.join("small.ndjson"), bench.folder.join("rest.ndjson"));
    write_region(&small, 0..patients / 10, region::EACH, true)?;
    ground.import(&small)?;
    let first = median_search(ground, patients / 10).await?;

    write_region(&rest, patients / 10..patients, region::EACH, true)?;
    let time = ground.import(&rest)?;
    let rate = (patients - patients / 10) as f64 * (region::EACH + 1) as f64 / time.as_secs_f64();
    page.note("import of NDJSON, validated", "–", format!("{rate:.0} resources/s"));
    let many = bench.folder.join("many.ndjson");
    write_many(&many, patients)?;
    ground.import(&many)?;

    let began = Instant::now();
    let server = Server::start(&ground.words()).await?;
    let connection = Connection::open(&server.address).await.map_err(|error| error.to_string())?;
    ask(connection, &get("/fhir/Patient/bench-0")).await?;
    page.note("start to first answer, large record", "under 1 s", format!("{:.0} ms", millis(began.elapsed())));
    page.note("resident memory at rest, large record", "under 150 MB", megabytes(server.memory("VmRSS")));
    let everything = get(&format!("/fhir/Patient/{}/$everything", region::patient_id(patients)));
    let mut fastest: Option<Duration> = None;
    for _ in 0..5 {
        let connection = Connection::open(&server.address).await.map_err(|error| error.to_string())?;
        let answer = ask(connection, &everything).await?;
        fastest = Some(fastest.map_or(answer.first_byte, |before| before.min(answer.first_byte)));
    }
    let told = format!("{:.1} ms", millis(fastest.unwrap_or_default()));
    page.note("$everything of 5,000 resources: first byte", "under 20 ms", told);
    drop(server);
    let second = median_search(ground, patients).await?;
    let factor = second.as_secs_f64() / first.as_secs_f64().max(f64::EPSILON);
    let told = format!("{:.2} ms → {:.2} ms = {factor:.2}x", millis(first), millis(second));
    page.note("Observation?patient=&code=&_sort=-date&_count=20, median, tenfold data", "less than 1.3x", told);
    Ok(())
}

async fn median_search(ground: &Ground, patients: usize) -> Outcome<Duration> {
    let server = Server::start(&ground.words()).await?;
    let code = region::CODE.replace('|', "%7C");
    let search = Arc::new(move |number: usize| {
        // A stride that shares no factor with the count, so that every search meets another patient.
        let patient = region::patient_id(number * 7_919 % patients);
        get(&format!("/fhir/Observation?patient={patient}&code={code}&_sort=-date&_count=20"))
    });
    // The first answers fill caches; a clinic's server is warm.
    load::run(&server.address, 1, Until::Answered(200), search.clone()).await;
    let measured = load::run(&server.address, 1, Until::Answered(1_000), search).await;
    if measured.answered == 0 {
        return Err("No search was answered.".to_owned());
    }
    Ok(measured.within(0.5))
}

/// What validation and index extraction cost, without any server.
fn alone() -> Outcome<String> {
    const ROUNDS: usize = 20_000;
    let parsed: Vec<fhir::Value> = (0..100)
        .map(|number| json::parse(region::observation(number, number, true).as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let options = fhir::validate::Options::default();
    let validator = fhir::validate::Validator::new(fhir::definitions::r4(), options);
    let registry = fhir::search::Registry::base(jiff::tz::Offset::constant(8));
    let each = |act: &dyn Fn(&fhir::Value) -> usize| {
        let warm: usize = parsed.iter().map(act).sum();
        let began = Instant::now();
        let found: usize = (0..ROUNDS).map(|round| act(&parsed[round % parsed.len()])).sum();
        let time = began.elapsed();
        // The sums keep the compiler from leaving the work out.
        (time.as_secs_f64() * 1e6 / ROUNDS as f64, warm + found)
    };
    let (validation, issues) = each(&|value| validator.check(value).len());
    let (extraction, rows) = each(&|value| registry.extract(value).len());
    eprintln!("validation {validation:.1} µs ({issues} issues), extraction {extraction:.1} µs ({rows} rows)");
    Ok(format!(
        "| in memory | goal | found |\n| --- | --- | --- |\n\
         | validation of an Observation, invariants included | under 20 µs | {validation:.1} µs |\n\
         | index extraction of an Observation | under 10 µs | {extraction:.1} µs |\n"
    ))
}

async fn ask(mut connection: Connection, request: &[u8]) -> Outcome<load::Answer> {
    let answer = connection.ask(request).await.map_err(|error| format!("The server does not answer: {error}"))?;
    if answer.status == 200 { Ok(answer) } else { Err(format!("The server answered with {}.", answer.status)) }
}

/// The rates of some turns, and which share each is of what it is compared with.
fn beside(turns: Vec<(f64, f64, Measured)>) -> String {
    let rate = median(turns.iter().map(|(rate, _, _)| *rate).collect());
    let share = median(turns.iter().map(|(rate, whole, _)| 100.0 * rate / whole).collect());
    let late = median(turns.iter().map(|(_, _, measured)| millis(measured.within(0.99))).collect());
    let failed: String = turns.iter().map(|(_, _, measured)| failures(measured)).collect();
    let each = turns.iter().map(|(rate, whole, _)| format!("{rate:.0} of {whole:.0}"));
    eprintln!("in turns: {}", each.collect::<Vec<_>>().join(", "));
    format!("{rate:.0}/s = {share:.0} %{failed}, 99 % within {late:.0} ms")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn failures(measured: &Measured) -> String {
    if measured.failed == 0 { String::new() } else { format!(", {} failed", measured.failed) }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(kilobytes: Option<u64>) -> String {
    kilobytes.map_or_else(|| "not known".to_owned(), |kilobytes| format!("{} MB", kilobytes / 1_024))
}

/// Transaction bundles with the number of their entries.
fn bundles(bench: &Bench) -> Outcome<Vec<(Vec<u8>, usize)>> {
    let mut found = Vec::new();
    if let Some(path) = &bench.bundles {
        for bytes in crate::import::documents(path)? {
            let entries = json::parse(&bytes).ok().and_then(|bundle| Some(bundle.get("entry")?.as_array()?.len()));
            found.extend(entries.map(|entries| (bytes, entries)));
        }
    }
    if found.is_empty() {
        return Err("There are no transaction bundles to send; name them with --bundles.".to_owned());
    }
    Ok(found)
}

fn write_region(path: &Path, patients: std::ops::Range<usize>, each: usize, with_id: bool) -> Outcome<()> {
    write_lines(path, |file| {
        for patient in patients {
            writeln!(file, "{}", region::patient(patient))?;
            for number in 0..each {
                writeln!(file, "{}", region::observation(patient, number, with_id))?;
            }
        }
        Ok(())
    })
}

fn write_many(path: &Path, patient: usize) -> Outcome<()> {
    write_lines(path, |file| {
        writeln!(file, "{}", region::patient(patient))?;
        (1..EVERYTHING).try_for_each(|number| writeln!(file, "{}", region::observation(patient, number, true)))
    })
}

fn write_lines(path: &Path, lines: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Outcome<()> {
    let written = File::create(path).map(BufWriter::new).and_then(|mut file| {
        lines(&mut file)?;
        file.flush()
    });
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
