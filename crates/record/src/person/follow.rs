//! The follower of the change feed that joins registrations and asks about doubtful ones.
//!
//! It may run in any number of processes: one of them follows, and what it leaves undone another goes on with. It decides
//! by what is stored now and writes only what is not there yet, so going over a change twice does nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use fhir::{Error, Value, json};

use crate::person::link::{Assurance, human, join, part};
use crate::person::merge::{keep_merged, key, merged_with, read, replaced_by};
use crate::person::review::{self, Standing};
use crate::person::{Match, Traits, Verdict, find};
use crate::{Caller, FeedEntry, Follower, Key, Record, Session};

/// The name under which the feed is followed.
const NAME: &str = "person";
/// Changes looked at before it is written down how far that was.
const PAGE: usize = 100;
/// How long [`Record::keep_people`] rests when nothing is due.
const REST: Duration = Duration::from_secs(2);

impl Record {
    /// Follows the change feed for as long as it is polled. Failures are logged and tried again.
    pub async fn keep_people(self) {
        let follower = self.people();
        let mut head = self.head();
        loop {
            let joined = match follower.is_on().await {
                Ok(true) => self.join_people(&follower).await,
                // Another process follows; it is enough to see now and then whether it still does.
                Ok(false) => {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                Err(error) => Err(error),
            };
            match joined {
                Ok(_) => drop(tokio::time::timeout(REST, head.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "joining registrations stopped; it goes on in a moment");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Looks at what was written since the last time, and says whether there was anything.
    pub async fn people_due(&self) -> Result<bool, Error> {
        let follower = self.people();
        if !follower.is_on().await? {
            return Ok(false);
        }
        let joined = self.join_people(&follower).await;
        follower.leave().await?;
        joined
    }

    fn people(&self) -> Follower {
        Follower::new(self, NAME).of(&["Patient", "Task"]).looking_back()
    }

    /// Looks at all that was written, and says whether there was anything.
    async fn join_people(&self, follower: &Follower) -> Result<bool, Error> {
        let session = self.session(Caller::system("HOPERAT"));
        let (mut is_all, mut worked) = (false, false);
        while !is_all {
            // What is stored now decides, so that what was written often is looked at once.
            let mut looked_at = BTreeSet::new();
            let consider = |FeedEntry { key, .. }| {
                worked = true;
                let is_first = looked_at.insert(key.clone());
                let session = &session;
                async move {
                    match key.type_.name() {
                        _ if !is_first => Ok(()),
                        "Patient" => registration(self, session, &key).await,
                        _ => decision(session, &key).await,
                    }
                }
            };
            is_all = follower.follow(PAGE, consider).await?;
        }
        Ok(worked)
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
    for other in merged_with(session.own(), &value) {
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
            if body.as_ref().is_some_and(|value| replaced_by(session.own(), value).is_some()) {
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
