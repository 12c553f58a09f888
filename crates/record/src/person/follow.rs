//! The follower of the change feed that joins registrations and asks about doubtful ones.
//!
//! It may run in any number of processes: one of them follows, and what it leaves undone another goes on with. It decides
//! by what is stored now and writes only what is not there yet, so going over a change twice does nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use fhir::{Error, Value, json};
use sonic_rs::JsonValueTrait;

use crate::person::link::{Assurance, human, join, part};
use crate::person::merge::{keep_merged, key, merged_with, read, replaced_by};
use crate::person::review::{self, Standing};
use crate::person::{Match, Traits, Verdict, find};
use crate::store::value::Rows;
use crate::{Caller, Job, Key, Record, ResourceType, Session};

/// The queue that holds the one job of following.
const QUEUE: &str = "person";
/// The drawer in which it is written how far the feed has been followed.
const DRAWER: &str = "person";
const PAPER: &str = "follower";
/// How long a process may follow without a word before another takes over, in microseconds.
const LEASE: i64 = 60_000_000;
/// Changes looked at before it is written down how far that was.
const PAGE: i64 = 100;
/// How long [`Record::keep_people`] rests when nothing is due.
const REST: Duration = Duration::from_secs(2);

/// How far the feed has been followed, and by which job.
struct Paper {
    position: i64,
    job: i64,
}

impl Record {
    /// Follows the change feed for as long as it is polled. Failures are logged and tried again.
    pub async fn keep_people(self) {
        let mut head = self.head();
        loop {
            match self.people_due().await {
                Ok(true) => {}
                Ok(false) => {
                    // Other processes move the feed as well, and one that died is waited for only so long.
                    let _ = tokio::time::timeout(REST, head.changed()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "joining registrations stopped; it goes on in a moment");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Looks at what was written since the last time, and says whether there was anything.
    pub async fn people_due(&self) -> Result<bool, Error> {
        let now = || self.surroundings().clock.now();
        let jobs = self.jobs(QUEUE);
        let Some(job) = jobs.claim(now(), LEASE, 1).await?.pop() else {
            if self.paper().await?.is_none() {
                jobs.add(now(), Bytes::new()).await?;
                self.keep(&Paper { position: 0, job: 0 }).await?;
                return Ok(true);
            }
            return Ok(false);
        };
        let mut paper = self.paper().await?.unwrap_or(Paper { position: 0, job: 0 });
        if paper.job == 0 {
            paper.job = job.id;
            self.keep(&paper).await?;
        }
        if paper.job != job.id {
            // Two processes put the job down at once; one is enough.
            jobs.done(&job).await?;
            return Ok(true);
        }
        let worked = self.follow(&job, &mut paper).await;
        // Given back at once; a process that dies keeps it until its lease ends.
        jobs.again(&job, now()).await?;
        worked
    }

    async fn paper(&self) -> Result<Option<Paper>, Error> {
        let Some(bytes) = self.drawer(DRAWER).get(PAPER).await? else { return Ok(None) };
        let paper = json::parse(&bytes)?;
        let number = |name: &str| paper.get(name).and_then(|number| number.as_i64()).unwrap_or_default();
        Ok(Some(Paper { position: number("position"), job: number("job") }))
    }

    async fn keep(&self, paper: &Paper) -> Result<(), Error> {
        let text = format!(r#"{{"position":{},"job":{}}}"#, paper.position, paper.job);
        self.drawer(DRAWER).put(PAPER, Bytes::from(text), None).await
    }

    async fn follow(&self, job: &Job, paper: &mut Paper) -> Result<bool, Error> {
        let session = self.session(Caller::system("HOPERAT"));
        let mut worked = false;
        loop {
            let (changed, position) = self.changed_since(paper.position).await?;
            if position == paper.position {
                return Ok(worked);
            }
            for key in &changed {
                match key.type_.name() {
                    "Patient" => registration(self, &session, key).await?,
                    _ => decision(&session, key).await?,
                }
            }
            worked |= !changed.is_empty();
            paper.position = position;
            self.keep(paper).await?;
            self.jobs(QUEUE).again(job, self.surroundings().clock.now() + LEASE).await?;
        }
    }

    /// Patients and Tasks changed after a position, each once, and the position up to which these are all.
    async fn changed_since(&self, after: i64) -> Result<(BTreeSet<Key>, i64), Error> {
        let (patient, task) = (ResourceType::parse("Patient")?, ResourceType::parse("Task")?);
        let mut reader = self.reader().await?;
        let head = reader.rows("SELECT coalesce(max(seq), 0) FROM feed", &[]).await?;
        let head = head.first().map_or(Ok(0), |row| row.int(0))?;
        let sql = "SELECT f.seq, f.type, l.id FROM (SELECT seq, type, rid FROM feed \
                   WHERE seq > $1 AND seq <= $2 AND type IN ($3, $4) ORDER BY seq LIMIT $5) f \
                   JOIN locator l ON l.rid = f.rid ORDER BY f.seq";
        let arguments = [after.into(), head.into(), patient.number().into(), task.number().into(), PAGE.into()];
        let rows = reader.rows(sql, &arguments).await?;
        let position = match rows.last() {
            Some(last) if rows.len() as i64 == PAGE => last.int(0)?,
            _ => head.max(after),
        };
        let key = |row: &crate::store::value::Row| {
            let type_ = if row.int(1)? == patient.number() { patient } else { task };
            Ok(Key::new(type_, row.text(2)?))
        };
        Ok((rows.iter().map(key).collect::<Result<_, Error>>()?, position))
    }
}

/// A Patient was written: it is joined with what it is surely of one person with, and asked about where in doubt.
async fn registration(record: &Record, session: &Session, key: &Key) -> Result<(), Error> {
    let patient = key.id.as_str();
    let Some((value, _)) = read(session, patient).await? else { return part(session, patient).await };
    if keep_merged(session, patient, &value).await? {
        tracing::info!("a registration that is replaced by another was written anew; it stays replaced");
        return Ok(());
    }
    for other in merged_with(&value) {
        join(session, patient, &other, Assurance::Decided).await?;
    }
    let matching = &record.settings().matching;
    let traits = Traits::of(&value, matching);
    if traits.is_nobody() {
        return Ok(());
    }
    for one in find::candidates(record, &traits, Some(key)).await? {
        if one.verdict == Verdict::Other {
            break;
        }
        found(record, session, patient, &one).await?;
    }
    contradictions(record, session, patient, &traits).await
}

/// What is done about one registration that is probably of the same person.
async fn found(record: &Record, session: &Session, patient: &str, one: &Match) -> Result<(), Error> {
    let other = one.version.key.id.as_str();
    match review::standing(session, patient, other).await? {
        Standing::Different => Ok(()),
        Standing::Same => join(session, patient, other, Assurance::Decided).await,
        Standing::NotAsked | Standing::Asked if is_joined(session, patient, other).await? => {
            review::withdraw(session, patient, other).await
        }
        standing if one.verdict == Verdict::Same && !is_forbidden(record, session, patient, other).await? => {
            join(session, patient, other, Assurance::Scored).await?;
            if standing == Standing::Asked { review::withdraw(session, patient, other).await } else { Ok(()) }
        }
        _ => {
            let body = one.version.body.as_ref().map(|body| json::parse(body)).transpose()?;
            // Whoever replaced it is asked about instead.
            if body.as_ref().is_some_and(|value| replaced_by(value).is_some()) {
                return Ok(());
            }
            review::ask(session, patient, other, &one.score).await
        }
    }
}

async fn is_joined(session: &Session, one: &str, other: &str) -> Result<bool, Error> {
    Ok(human(session, one).await?.is_some_and(|human| human.patients().any(|patient| patient == other)))
}

/// Whether joining two registrations would join some that must not be.
async fn is_forbidden(record: &Record, session: &Session, one: &str, other: &str) -> Result<bool, Error> {
    let (ones, others) = (circle(record, session, one).await?, circle(record, session, other).await?);
    for (first, traits) in &ones {
        for (second, other_traits) in &others {
            if (first.as_str(), second.as_str()) == (one, other) {
                continue;
            }
            let is_refused = review::standing(session, first, second).await? == Standing::Different;
            if is_refused || find::compare(record, traits, other_traits).await?.is_forbidden {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A registration and those it is joined with.
async fn circle(record: &Record, session: &Session, patient: &str) -> Result<Vec<(String, Traits)>, Error> {
    let mut ids = vec![patient.to_owned()];
    if let Some(human) = human(session, patient).await? {
        ids.extend(human.patients().filter(|other| *other != patient).map(str::to_owned));
    }
    let mut circle = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some((value, _)) = read(session, &id).await? {
            circle.push((id, Traits::of(&value, &record.settings().matching)));
        }
    }
    Ok(circle)
}

/// Asks about registrations that are joined and, as they are written now, would not have been.
async fn contradictions(record: &Record, session: &Session, patient: &str, traits: &Traits) -> Result<(), Error> {
    for (other, others_traits) in circle(record, session, patient).await?.into_iter().skip(1) {
        let score = find::compare(record, traits, &others_traits).await?;
        if score.is_forbidden && review::standing(session, patient, &other).await? == Standing::NotAsked {
            review::ask(session, patient, &other, &score).await?;
        }
    }
    Ok(())
}

/// A Task was written: an answer about a pair is carried out.
async fn decision(session: &Session, task: &Key) -> Result<(), Error> {
    let Some(version) = session.read(task).await? else { return Ok(()) };
    let Some(body) = &version.body else { return Ok(()) };
    let task: Value = json::parse(body)?;
    let Some((one, other)) = review::pair(&task) else { return Ok(()) };
    let both = session.read(&key(&one)?).await?.is_some() && session.read(&key(&other)?).await?.is_some();
    match review::standing_of(&task) {
        Standing::Same if both => join(session, &one, &other, Assurance::Decided).await,
        Standing::Different if is_joined(session, &one, &other).await? => part(session, &other).await,
        _ => Ok(()),
    }
}
