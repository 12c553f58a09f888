//! How late the clocks of runs fire: many runs are open, so many of them are due in every second, and the engine that
//! looks after them runs as it does in the server. Prints one row of a table.
//!
//! `timers FOLDER|postgres RUNS PER_SECOND SECONDS PROCESSES`

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use protocol::{Engine, Library, Start, task};
use record::{
    Caller, Clock, Key, Location, Record, ResourceType, Settings, Surroundings, SystemClock, SystemRandomness,
};
use testkit::cluster::Cluster;
use tokio::task::JoinSet;

/// One step, one clock that breaks after an hour, and somebody who is told.
const PROTOCOL: &str = r#"
code = "watch"
version = "1"
title = { zh = "计时", en = "Watch" }
[[start]]
by = "hand"
reach = ["begun"]
[[role]]
code = "ward"
title = { zh = "病区", en = "Ward" }
party = "institution"
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
breach = "1 h"
[[clock.rung]]
at = "breach"
tell = ["ward"]
"#;

const HOUR: i64 = 3_600_000_000;
/// Runs started at a time.
const AT_ONCE: usize = 64;
/// How long the engine is given to come to rest before the first clock is due, in microseconds.
const AHEAD: i64 = 3_000_000;

/// The machine's clock, moved.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> i64 {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, runs, rate, seconds, processes] = arguments.as_slice() else {
        return Err("timers FOLDER|postgres RUNS PER_SECOND SECONDS PROCESSES".into());
    };
    let (runs, rate, seconds) = (runs.parse::<usize>()?, rate.parse::<usize>()?, seconds.parse::<usize>()?);
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if place == "postgres" {
        let database = Cluster::shared().database();
        let load = Load { runs, rate, seconds, processes: processes.parse()?, clock };
        runtime.block_on(load.measure("PostgreSQL", &Location::Postgres(database.url())))
    } else {
        let load = Load { runs, rate, seconds, processes: 1, clock };
        runtime.block_on(load.measure("SQLite", &Location::Embedded(place.into())))
    }
}

struct Load {
    runs: usize,
    rate: usize,
    seconds: usize,
    processes: usize,
    clock: Arc<Moved>,
}

impl Load {
    async fn open(&self, location: &Location) -> Result<Engine, Box<dyn Error>> {
        let surroundings = Surroundings { clock: self.clock.clone(), randomness: Arc::new(SystemRandomness) };
        let mut settings = Settings::new(location.clone());
        if settings.audit.folder.is_none() {
            settings.audit.folder = Some(tempfile::tempdir()?.keep());
        }
        let record = Record::open(settings, surroundings).await?;
        Ok(Engine::with(record, Library::with([toml::from_str(PROTOCOL)?])))
    }

    async fn measure(&self, name: &str, location: &Location) -> Result<(), Box<dyn Error>> {
        let engine = self.open(location).await?;
        engine.prepare().await?;
        let organization = r#"{"resourceType":"Organization","id":"ward","name":"ward"}"#;
        let key = Key::new(ResourceType::parse("Organization")?, "ward");
        let (target, resource) = (record::Target::Key(key), fhir::json::parse(organization.as_bytes())?);
        let put = record::Action::Update { target, resource, if_match: None, if_absent: false };
        let session = engine.record().session(Caller::system("HOPERAT"));
        session.transact(vec![record::Change::new(put)]).await.map_err(|refusal| refusal.error)?;
        // The first is due so long after now that all can be started before; then time is moved to just before it.
        let first = self.clock.now() + HOUR / 2;
        let started = self.clock.now();
        self.start(&engine, first).await?;
        let starts = self.runs as f64 / ((self.clock.now() - started) as f64 / 1e6);
        self.clock.0.fetch_add(10_000_000, Ordering::SeqCst);
        while engine.record().index_due().await? {}
        let mut keeping = JoinSet::new();
        keeping.spawn(engine.clone().keep());
        for _ in 1..self.processes {
            keeping.spawn(self.open(location).await?.keep());
        }
        self.clock.0.fetch_add(first - AHEAD - self.clock.now(), Ordering::SeqCst);
        let due = self.due();
        let last = first + self.at(due);
        let mut lags = Vec::new();
        // What has not fired within a minute after the last was due is not waited for.
        while lags.len() < due && self.clock.now() < last + 60_000_000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.clock.now() > last {
                lags = self.lags(&engine, first, due).await?;
            }
        }
        lags.sort_unstable();
        let part = |share: f64| lags.get(((lags.len() as f64 * share) as usize).min(lags.len().saturating_sub(1)));
        let shown = |lag: Option<&i64>| lag.map_or("–".to_owned(), |lag| format!("{} ms", lag / 1_000));
        println!(
            "| {name} | {} | {starts:.0}/s | {} | {} of {due} | {} | {} | {} | {} |",
            self.processes,
            self.rate,
            lags.len(),
            shown(part(0.5)),
            shown(part(0.99)),
            shown(lags.last()),
            self.runs,
        );
        Ok(())
    }

    /// How many become due while it is measured.
    fn due(&self) -> usize {
        (self.rate * self.seconds).min(self.runs)
    }

    /// When a run is due, after the first.
    fn at(&self, number: usize) -> i64 {
        (number as f64 / self.rate as f64 * 1e6) as i64
    }

    async fn start(&self, engine: &Engine, first: i64) -> Result<(), Box<dyn Error>> {
        let mut starting = JoinSet::new();
        for number in 0..self.runs {
            if starting.len() >= AT_ONCE
                && let Some(done) = starting.join_next().await
            {
                done??;
            }
            // Those that are not measured are due some other day.
            let later = if number < self.due() { self.at(number) } else { 0 };
            let begun = if number < self.due() { first - HOUR + later } else { self.clock.now() };
            let start = Start {
                id: Some(format!("r{number}")),
                protocol: "watch".to_owned(),
                roles: [("ward".to_owned(), "Organization/ward".to_owned())].into(),
                reach: vec![("begun".to_owned(), begun)],
                ..Start::default()
            };
            let engine = engine.clone();
            starting.spawn(async move { engine.start(&Caller::system("HOPERAT"), start).await.map(drop) });
        }
        while let Some(done) = starting.join_next().await {
            done??;
        }
        Ok(())
    }

    /// How long after it was due each clock that fired was stored as fired, in microseconds.
    async fn lags(&self, engine: &Engine, first: i64, due: usize) -> Result<Vec<i64>, Box<dyn Error>> {
        let session = engine.record().session(Caller::system("HOPERAT"));
        let mut lags = Vec::with_capacity(due);
        for number in 0..due {
            let key = Key::new(ResourceType::parse("Task")?, format!("r{number}"));
            let Some(version) = session.read(&key).await? else { continue };
            let run = task::run(&fhir::json::parse(version.body.as_deref().unwrap_or_default())?)?;
            if run.clocks.iter().any(|ticking| !ticking.fired.is_empty()) {
                lags.push(version.at - (first + self.at(number)));
            }
        }
        Ok(lags)
    }
}
