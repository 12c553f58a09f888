//! `qingshan bench-trail`: what the trail costs, and how long it takes to say who looked.
//!
//! The same loads run on a server that keeps a trail and on one that keeps none, in turns, so that whatever else the
//! machine does meets both; the medians of the turns are compared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::load::{self, Connection, Requests, Until, get, post};
use super::server::Server;
use super::{Ground, Page, READERS, WRITERS, ask, database, millis, region};
use crate::Outcome;

/// What is measured, and with what.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchTrail {
    /// A PostgreSQL server to measure on as well, without a database: postgres://user@host:port.
    #[arg(long, value_name = "URL", env = "QINGSHAN_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Folder to work in.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Turns of each load with the trail, and as many without.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Entries on the trail among which those about one patient are sought.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
}

/// Patients in each record, and observations each of them has at first.
const PATIENTS: usize = 1_000;
const EACH: usize = 10;
/// Patients of one transaction when the records are filled.
const TOGETHER: usize = 20;
/// Reads sent at once to make the trail longer.
const FILLING: usize = 50_000;
/// How often it is asked who looked.
const ASKED: usize = 500;

/// Something to ask for, and how much of its rate the trail may cost.
struct Load {
    what: [&'static str; 3],
    bar: &'static str,
    clients: usize,
    requests: Requests,
}

/// Measures on each database and returns a table, in Markdown.
pub(crate) async fn run(bench: &BenchTrail) -> Outcome<String> {
    let mut page = Page::default();
    let mut columns = vec!["SQLite"];
    measure(bench, &mut page, None).await?;
    if let Some(server) = &bench.postgres {
        columns.push("PostgreSQL");
        measure(bench, &mut page, Some(server)).await?;
    }
    Ok(page.table(&columns))
}

async fn measure(bench: &BenchTrail, page: &mut Page, postgres: Option<&str>) -> Outcome<()> {
    let kind = if postgres.is_some() { "postgres" } else { "sqlite" };
    let ground = |name: &str| -> Outcome<Ground> {
        let folder = bench.folder.join(format!("{kind}-{name}"));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let database = postgres.map(|server| database(server, name)).transpose()?;
        Ok(Ground { folder, database })
    };
    let with = Server::start(&ground("with_trail")?.words()).await?;
    let mut words = ground("without_trail")?.words();
    words.push("--measure-without-trail".to_owned());
    let without = Server::start(&words).await?;
    let mut entries = fill(&with).await?;
    fill(&without).await?;

    let turn = Until::Passed(Duration::from_secs(bench.seconds));
    for load in loads() {
        let (mut kept, mut spared, mut failed) = (Vec::new(), Vec::new(), 0);
        for round in 0..bench.rounds {
            let mut servers = [(&with, true), (&without, false)];
            // Neither is always the one that comes after the other.
            if round % 2 == 1 {
                servers.reverse();
            }
            for (server, keeps) in servers {
                let measured = load::run(&server.address, load.clients, turn, Arc::clone(&load.requests)).await;
                failed += measured.failed;
                if keeps {
                    entries += measured.answered;
                    kept.push(measured.rate());
                } else {
                    spared.push(measured.rate());
                }
            }
        }
        if failed > 0 {
            return Err(format!("{failed} requests failed: {}.", load.what[0]));
        }
        let costs = kept.iter().zip(&spared).map(|(kept, spared)| cost(*kept, *spared)).collect::<Vec<_>>();
        let (least, most) = costs.iter().fold((f64::MAX, f64::MIN), |(l, m), cost| (l.min(*cost), m.max(*cost)));
        let (kept, spared) = (median(&mut kept), median(&mut spared));
        page.note(load.what[0], "–", format!("{spared:.0}/s"));
        page.note(load.what[1], "–", format!("{kept:.0}/s"));
        let told = format!("{:.1} % (single turns {least:.1} to {most:.1} %)", cost(kept, spared));
        page.note(load.what[2], load.bar, told);
    }
    drop(without);
    who_looked(bench, page, &with, entries).await
}

fn loads() -> [Load; 3] {
    let create =
        |number: usize| post("/fhir/Observation", region::observation(number % PATIENTS, number, false).as_bytes());
    let code = region::CODE.replace('|', "%7C");
    let search = move |number: usize| {
        let patient = region::patient_id(number * 7 % PATIENTS);
        get(&format!("/fhir/Observation?subject=Patient/{patient}&code={code}"))
    };
    [
        Load {
            what: [
                "single creates, 64 clients, without a trail",
                "single creates, 64 clients, with the trail",
                "what the trail costs of creates",
            ],
            bar: "under 10 %",
            clients: WRITERS,
            requests: Arc::new(create),
        },
        Load {
            what: [
                "reads by id, 32 clients, without a trail",
                "reads by id, 32 clients, with the trail",
                "what the trail costs of reads",
            ],
            bar: "under 15 %",
            clients: READERS,
            requests: Arc::new(read),
        },
        Load {
            what: [
                "Observation?subject=&code=, 32 clients, without a trail",
                "Observation?subject=&code=, 32 clients, with the trail",
                "what the trail costs of searches",
            ],
            bar: "under 15 %",
            clients: READERS,
            requests: Arc::new(search),
        },
    ]
}

fn read(number: usize) -> Vec<u8> {
    let (patient, which) = (number * 7 % PATIENTS, number % EACH);
    get(&format!("/fhir/Observation/bench-{patient}-{which}"))
}

/// Puts the region in over HTTP, since what `import` writes stands on the trail; answers how many entries that made.
async fn fill(server: &Server) -> Outcome<usize> {
    let transaction = |number: usize| {
        let patients = number * TOGETHER..(number + 1) * TOGETHER;
        let entry = |name: String, resource: String| {
            format!(r#"{{"resource":{resource},"request":{{"method":"PUT","url":"{name}"}}}}"#)
        };
        let entries: Vec<String> = patients
            .flat_map(|patient| {
                let own = entry(format!("Patient/{}", region::patient_id(patient)), region::patient(patient));
                let observations = (0..EACH).map(move |which| {
                    entry(format!("Observation/bench-{patient}-{which}"), region::observation(patient, which, true))
                });
                std::iter::once(own).chain(observations)
            })
            .collect();
        let bundle = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","));
        post("/fhir", bundle.as_bytes())
    };
    let count = PATIENTS / TOGETHER;
    let filled = load::run(&server.address, 2, Until::Answered(count), Arc::new(transaction)).await;
    if filled.answered == count { Ok(count) } else { Err("A record could not be filled.".to_owned()) }
}

/// How long it takes to say who looked at one patient, among as many entries as are wanted.
async fn who_looked(bench: &BenchTrail, page: &mut Page, server: &Server, mut entries: usize) -> Outcome<()> {
    while entries < bench.entries {
        let some = Until::Answered(FILLING.min(bench.entries - entries));
        let filled = load::run(&server.address, READERS, some, Arc::new(read)).await;
        if filled.answered == 0 {
            return Err("No read was answered while the trail was made longer.".to_owned());
        }
        entries += filled.answered;
    }
    let asking = |number: usize| {
        // A stride that shares no factor with the count, so that every question is about another patient.
        get(&format!("/fhir/Patient/{}/$who-looked?_count=20", region::patient_id(number * 7_919 % PATIENTS)))
    };
    let connection = Connection::open(&server.address).await.map_err(|error| error.to_string())?;
    let first = ask(connection, &asking(0)).await?;
    if !String::from_utf8_lossy(&first.body).contains("AuditEvent") {
        return Err("The trail tells of nobody who looked.".to_owned());
    }
    load::run(&server.address, 1, Until::Answered(ASKED / 10), Arc::new(asking)).await;
    let measured = load::run(&server.address, 1, Until::Answered(ASKED), Arc::new(asking)).await;
    if measured.failed > 0 {
        return Err(format!("{} questions who looked failed.", measured.failed));
    }
    let (half, late) = (millis(measured.within(0.5)), millis(measured.within(0.99)));
    let told = format!("{half:.1} ms among {entries} entries, 99 % within {late:.1} ms");
    page.note("who looked at one patient, the newest 20, median", "–", told);
    Ok(())
}

/// Which share of a rate is lost, in percent.
fn cost(kept: f64, spared: f64) -> f64 {
    100.0 * (1.0 - kept / spared.max(f64::EPSILON))
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
