//! How long it takes to find who a registration may be of, among many: `person_search FOLDER|postgres PEOPLE QUERIES [SEED]`.
//!
//! Fills an empty record with invented people, each registered once, then asks for copies of some with the faults of a
//! district, one after another. Prints a table row: how long the middle of the answers took, and the slowest hundredth.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "this program exists to measure time and print it")]

use std::time::Instant;

use fhir::Error;
use record::{Action, Caller, Change, Key, Location, Record, ResourceType, Settings, Surroundings, Target};
use testkit::dice::Dice;
use testkit::people::{Errors, Generator, Person};

/// Patients in one transaction, and transactions on their way at once.
const BATCH: usize = 500;
const AHEAD: usize = 4;
/// People after which it is said how far the filling is; a million take minutes.
const TOLD: usize = 50_000;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, people, queries, ..] = arguments.as_slice() else {
        return Err(Error::invalid("person_search FOLDER|postgres PEOPLE QUERIES [SEED]"));
    };
    let number = |text: &str| text.parse::<usize>().map_err(|_| Error::invalid("a number is needed"));
    let (people, queries) = (number(people)?, number(queries)?);
    let seed = arguments.get(3).map_or(Ok(1), |text| number(text))? as u64;
    let is_shared = place == "postgres";
    let database = is_shared.then(|| testkit::cluster::Cluster::shared().database());
    let location = match &database {
        Some(database) => Location::Postgres(database.url()),
        None => Location::Embedded(place.into()),
    };
    // What is measured is the index; that the people are valid FHIR is tested elsewhere.
    let record = Record::open(Settings { validate: false, ..Settings::new(location) }, Surroundings::system()).await?;
    let begun = Instant::now();
    let asked = fill(&record, people, queries, seed).await?;
    eprintln!("{people} people in {:.0} s", begun.elapsed().as_secs_f64());
    let session = record.session(Caller::system("HOPERAT"));
    let mut errors = Errors::new(seed);
    let (mut times, mut found) = (Vec::with_capacity(queries), 0);
    for (at, (person, home)) in asked.iter().enumerate() {
        let (copy, _) = errors.copy(person, home);
        let patient = fhir::json::parse(copy.patient().to_string().as_bytes())?;
        let begun = Instant::now();
        let matches = session.matches(&patient, false, 10).await?;
        // The first few warm what every later one finds warm.
        if at >= queries / 10 {
            times.push(begun.elapsed());
            let id = person.number.to_string();
            found += usize::from(matches.first().is_some_and(|first| first.version.key.id == id));
        }
    }
    times.sort_unstable();
    let milliseconds = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1_000.0;
    println!(
        "| {} | {people} | {:.1} ms | {:.1} ms | {:.1} % |",
        if is_shared { "PostgreSQL" } else { "SQLite" },
        milliseconds(50),
        milliseconds(99),
        100.0 * found as f64 / times.len() as f64
    );
    Ok(())
}

/// Registers everybody, and chooses some to be asked for, with their households.
async fn fill(record: &Record, people: usize, queries: usize, seed: u64) -> Result<Vec<(Person, Vec<Person>)>, Error> {
    let session = record.session(Caller::system("HOPERAT"));
    let type_ = ResourceType::parse("Patient")?;
    let today = jiff::civil::date(2026, 5, 4);
    let mut dice = Dice::new(seed).apart(2);
    let (mut chosen, mut batch, mut done, mut told) = (Vec::new(), Vec::new(), 0, TOLD);
    let begun = Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    for home in Generator::new(seed, today) {
        for person in &home {
            let mut patient = person.patient();
            patient["id"] = person.number.to_string().into();
            let resource = fhir::json::parse(patient.to_string().as_bytes())?;
            let target = Target::Key(Key::new(type_, person.number.to_string()));
            batch.push(Change::new(Action::Update { target, resource, if_match: None, if_absent: false }));
            if dice.chance(queries as f64 * 1.02 / people as f64) && chosen.len() < queries {
                chosen.push((person.clone(), home.clone()));
            }
            done += 1;
        }
        if batch.len() >= BATCH || done >= people {
            if under_way.len() >= AHEAD
                && let Some(ended) = under_way.join_next().await
            {
                ended.map_err(Error::fault)??;
            }
            let (session, changes) = (session.clone(), std::mem::take(&mut batch));
            under_way.spawn(async move { session.transact(changes).await.map(drop).map_err(Error::from) });
        }
        if done >= told {
            eprintln!("{done} of {people} after {:.0} s", begun.elapsed().as_secs_f64());
            told += TOLD;
        }
        if done >= people {
            break;
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.map_err(Error::fault)??;
    }
    Ok(chosen)
}
