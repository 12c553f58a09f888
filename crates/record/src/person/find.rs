//! Finding the registrations that may be of one person with another.

use std::cmp::Reverse;

use fhir::{Error, Value, json};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::person::keys::name_key;
use crate::person::{Crowd, Score, Traits, Verdict, keys, score};
use crate::store::names::indexed;
use crate::store::reads;
use crate::store::value::Rows;
use crate::{Key, Record, ResourceType, Session, Version};

/// How long a count of all registrations is good enough, in microseconds.
const COUNT_KEPT: i64 = 600_000_000;

/// Namesakes beyond this many make a name no commoner.
const NAMESAKES: i64 = 20_000;

/// How many registrations there are, counted now and then.
#[derive(Default)]
pub(crate) struct Census(Mutex<Option<(i64, u64)>>);

/// A registration that may be of the person asked for.
#[derive(Debug, Clone)]
pub struct Match {
    /// The Patient.
    pub version: Version,
    /// How sure it is, and why.
    pub score: Score,
    /// What the rules make of it.
    pub verdict: Verdict,
}

impl Session {
    /// Registrations that may be of the person a Patient describes, the likeliest first, and of those only what this
    /// caller may see. <http://hl7.org/fhir/R4/patient-operation-match.html>
    pub async fn matches(&self, patient: &Value, only_certain: bool, most: usize) -> Result<Vec<Match>, Error> {
        let matching = &self.record.settings().matching;
        let traits = Traits::of(patient, matching);
        let mut found = Vec::new();
        for one in candidates(&self.record, &traits, None).await? {
            if found.len() == most || one.score.probability < matching.certainty.show {
                break;
            }
            if only_certain && one.verdict != Verdict::Same {
                continue;
            }
            // The door decides what may be seen, and the version it shows is the one that is given out.
            if let Some(version) = self.read(&one.version.key).await?
                && version.body.is_some()
            {
                found.push(Match { version, ..one });
            }
        }
        Ok(found)
    }
}

/// Registrations that share a key, scored, the likeliest first.
pub(super) async fn candidates(record: &Record, traits: &Traits, but: Option<&Key>) -> Result<Vec<Match>, Error> {
    let matching = &record.settings().matching;
    let mut reader = record.reader().await?;
    let rids = sharing(record, &mut reader, traits).await?;
    if rids.is_empty() {
        return Ok(Vec::new());
    }
    let crowd = crowd(record, &mut reader, traits).await?;
    let mut found = Vec::new();
    for (_, version) in reads::by_rid(&mut reader, &rids).await? {
        let Some(body) = version.body.as_ref().filter(|_| but != Some(&version.key)) else { continue };
        let other = Traits::of(&json::parse(body)?, matching);
        let score = score(traits, &other, crowd, matching);
        let verdict = score.verdict(matching);
        found.push(Match { version, score, verdict });
    }
    found.sort_by(|one, other| other.score.probability.total_cmp(&one.score.probability));
    Ok(found)
}

/// Compares two registrations as if one had been found by the other.
pub(super) async fn compare(record: &Record, one: &Traits, other: &Traits) -> Result<Score, Error> {
    let crowd = crowd(record, &mut record.reader().await?, one).await?;
    Ok(score(one, other, crowd, &record.settings().matching))
}

/// Rids of Patients that share a key, those first that share most, without keys that too many share.
async fn sharing(record: &Record, rows: &mut impl Rows, traits: &Traits) -> Result<Vec<i64>, Error> {
    let limits = &record.settings().matching.candidates;
    let keys = keys(traits);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let param = record.catalog().person_keys();
    let mut arguments = vec![param.into(), (limits.block as i64 + 1).into()];
    let mut parts = Vec::with_capacity(keys.len());
    for key in keys {
        arguments.push(indexed(&key).as_ref().into());
        let place = arguments.len();
        parts.push(format!(
            "SELECT * FROM (SELECT {place} AS key, rid FROM tok WHERE param = $1 AND code = ${place} LIMIT $2) k{place}"
        ));
    }
    let found = rows.rows(&parts.join(" UNION ALL "), &arguments).await?;
    let mut blocks: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
    for row in &found {
        blocks.entry(row.int(0)?).or_default().push(row.int(1)?);
    }
    let mut shared: FxHashMap<i64, usize> = FxHashMap::default();
    for rid in blocks.values().filter(|block| block.len() <= limits.block).flatten() {
        *shared.entry(*rid).or_default() += 1;
    }
    let mut rids: Vec<(Reverse<usize>, i64)> = shared.into_iter().map(|(rid, keys)| (Reverse(keys), rid)).collect();
    rids.sort_unstable();
    Ok(rids.into_iter().take(limits.most).map(|(_, rid)| rid).collect())
}

/// How many registrations there are, and how many bear the commonest name of this one.
async fn crowd(record: &Record, rows: &mut impl Rows, traits: &Traits) -> Result<Crowd, Error> {
    let param = record.catalog().person_keys();
    let mut namesakes = 0;
    for name in &traits.names {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM tok WHERE param = $1 AND code = $2 LIMIT $3) k";
        let key = name_key(name);
        let found = rows.rows(sql, &[param.into(), indexed(&key).as_ref().into(), NAMESAKES.into()]).await?;
        namesakes = namesakes.max(found.first().map_or(Ok(0), |row| row.int(0))?);
    }
    let people = people(record, rows).await?;
    Ok(Crowd { people, namesakes: u64::try_from(namesakes).map_err(Error::fault)? })
}

async fn people(record: &Record, rows: &mut impl Rows) -> Result<u64, Error> {
    let census = &record.tools().census;
    let now = record.surroundings().clock.now();
    if let Some((at, people)) = *census.0.lock()
        && now - at < COUNT_KEPT
    {
        return Ok(people);
    }
    let sql = "SELECT count(*) FROM resource WHERE type = $1 AND body IS NOT NULL";
    let found = rows.rows(sql, &[ResourceType::parse("Patient")?.number().into()]).await?;
    let people = found.first().map_or(Ok(0), |row| row.int(0))?;
    let people = u64::try_from(people).map_err(Error::fault)?;
    *census.0.lock() = Some((now, people));
    Ok(people)
}
