//! `qingshan`: the one program. It reads settings, files and the environment, and wires the parts together.

mod accounts;
mod arguments;
mod audit;
mod bench;
mod check;
mod clients;
mod consortium;
mod copy;
mod export;
mod import;
mod place;
mod protocols;
mod serve;
mod settings;
mod stepped;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use record::{Caller, Record};

use arguments::{Arguments, Command};
use settings::Settings;

/// Takes the memory of SQLite as well, whose own calls it answers.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, in a sentence for the person at the terminal.
pub(crate) type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Outcome<()> {
    let settings = Settings::read(arguments.settings.as_deref(), std::env::vars_os())?;
    log_to_standard_error(&settings)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if settings.server.threads > 0 {
        runtime.worker_threads(settings.server.threads);
    }
    let runtime = runtime.enable_all().build().map_err(|error| format!("No threads can be started: {error}"))?;
    runtime.block_on(obey(arguments.command, settings))
}

async fn obey(command: Command, mut settings: Settings) -> Outcome<()> {
    match command {
        Command::Bench(bench) => bench::run(&bench).await.and_then(|page| say(&page)),
        Command::BenchTrail(bench) => bench::run_trail(&bench).await.and_then(|page| say(&page)),
        Command::BenchWork(bench) => bench::run_work(&bench).await.and_then(|page| say(&page)),
        Command::BenchPathway(bench) => bench::run_pathway(&bench).and_then(|page| say(&page)),
        Command::BenchPaging(bench) => bench::run_paging(&bench).await.and_then(|page| say(&page)),
        Command::StandInGateway { listen } => {
            let listener = tokio::net::TcpListener::bind(listen).await;
            let listener = listener.map_err(|error| format!("{listen} cannot be listened on: {error}"))?;
            tracing::info!(
                "a gateway is stood in for at http://{listen}/messages; what it took is shown at http://{listen}/"
            );
            paging::stand_in::StandIn::default().serve(listener).await;
            Ok(())
        }
        Command::Constant { size } => bench::constantly(size).await,
        Command::Settings => say(settings::DEFAULTS.trim_end()),
        Command::Serve(serve) => {
            place::choose(&mut settings, serve.place);
            settings.server.listen = serve.listen.unwrap_or(settings.server.listen);
            settings.sign_in.open |= serve.open;
            settings.trail.unaudited = serve.measure_without_trail;
            if !serve.only.is_empty() {
                settings.server.parts = serve.only;
            }
            serve::run(&settings, serve.stepped_clock).await
        }
        Command::Import(import) => {
            place::choose(&mut settings, import.place);
            let checkpoint = match (import.checkpoint, &import.to) {
                (Some(path), _) => path,
                (None, Some(_)) => PathBuf::from("qingshan-import.json"),
                (None, None) => settings.record.data.join("import.json"),
            };
            let sink = match import.to {
                Some(base) => import::Sink::Remote(Box::new(import::Remote::new(&base, named(import.token)?)?)),
                None => import::Sink::Record(open(&settings).await?.session(Caller::system("SYSADMIN"))),
            };
            let plan = import::Plan {
                paths: import.paths,
                skip_invalid: import.skip_invalid,
                checkpoint,
                batch: settings.import.batch.max(1),
                ahead: settings.import.ahead.max(1),
                text_max: settings.import.document_mb << 20,
            };
            say(&import::run(sink, plan).await?.to_string())
        }
        Command::Export(export) => {
            place::choose(&mut settings, export.place);
            let written = export::run(&open(&settings).await?, &export.folder).await?;
            say(&format!("{written} resources written to {}", export.folder.display()))
        }
        Command::Check(place) => {
            place::choose(&mut settings, place);
            say(&check::run(&settings).await?)
        }
        Command::Copy(copy) => copy::run(&settings, &copy.from, &copy.to).await.and_then(|told| say(&told)),
        Command::Audit(command) => audit::obey(command, &mut settings).await.and_then(|told| say(told.trim_end())),
        Command::Account(command) => accounts::obey(command, &mut settings).await.and_then(|told| say(&told)),
        Command::Consortium(arguments::Consortium::Apply { holder, yes, full, file }) => {
            let at_once = settings.limits.transaction_entries;
            let manner = consortium::Manner { yes, full, today: today(&settings)?, at_once };
            let consortium = consortium::read(&file)?;
            let holder = hold(&mut settings, holder).await?;
            say(&consortium::apply(&holder, &consortium, &manner).await?)
        }
        Command::Consortium(arguments::Consortium::Show { holder, id }) => {
            let holder = hold(&mut settings, holder).await?;
            say(consortium::show(&holder, id.as_deref(), today(&settings)?).await?.trim_end())
        }
        Command::Protocol(arguments::Protocol::Check { consortium, folders }) => {
            let duties = match consortium {
                Some(file) => Some(consortium::read(&file)?.duties(today(&settings)?)),
                None => None,
            };
            let found = protocols::check(&folders, duties.as_ref())?;
            let (findings, count) = found.text.rsplit_once('\n').unwrap_or(("", &found.text));
            if !findings.is_empty() {
                say(findings)?;
            }
            if found.errors > 0 { Err(count.to_owned()) } else { say(count) }
        }
        Command::Protocol(arguments::Protocol::Install { holder, replace, folders }) => {
            let holder = hold(&mut settings, holder).await?;
            say(&protocols::install(&holder, &folders, replace).await?)
        }
        Command::Protocol(arguments::Protocol::Migrate { place, from, code }) => {
            place::choose(&mut settings, place);
            say(&protocols::migrate(open(&settings).await?, &code, &from).await?)
        }
        Command::Client(arguments::Client::Add(add)) => {
            place::choose(&mut settings, add.place.clone());
            clients::add(&open(&settings).await?, add).await?.map_or(Ok(()), |secret| say(&secret))
        }
    }
}

async fn open(settings: &Settings) -> Outcome<Record> {
    place::open(settings).await
}

async fn hold(settings: &mut Settings, holder: arguments::Holder) -> Outcome<consortium::Holder> {
    place::choose(settings, holder.place);
    Ok(match holder.to {
        Some(base) => consortium::Holder::Remote(Box::new(import::Remote::new(&base, named(holder.token)?)?)),
        None => consortium::Holder::Record(open(settings).await?.session(Caller::system("SYSADMIN"))),
    })
}

/// The day it is where the record is.
fn today(settings: &Settings) -> Outcome<jiff::civil::Date> {
    let hours = i8::try_from(settings.record.zone_hours).ok().filter(|hours| (-24..=24).contains(hours));
    let offset = jiff::tz::Offset::constant(hours.ok_or("record.zone_hours is no offset from UTC.")?);
    let now = jiff::Timestamp::from_microsecond(record::Surroundings::system().clock.now());
    Ok(offset.to_datetime(now.map_err(|error| format!("The clock cannot be read: {error}"))?).date())
}

/// A text itself, or what stands in the file after `@`.
pub(crate) fn named(given: Option<String>) -> Outcome<Option<String>> {
    match given.as_deref().and_then(|given| given.strip_prefix('@')) {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
            Ok(Some(text.trim().to_owned()))
        }
        None => Ok(given),
    }
}

/// Writes a command's result to standard output.
fn say(text: &str) -> Outcome<()> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| format!("The result cannot be written: {error}"))
}

/// Logs go to standard error, so that a command's result stands alone on standard output.
fn log_to_standard_error(settings: &Settings) -> Outcome<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log.filter)
        .map_err(|error| format!("log.filter cannot be read: {error}"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
