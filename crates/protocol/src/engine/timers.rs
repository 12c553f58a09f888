//! The points of clocks, fired as they are due.
//!
//! When a run is next due stands in its root Task and can be searched by, so that nothing else has to be kept in step
//! with it: whatever was due while nobody looked is found, in order, by whoever looks next. It is searched by alone, so
//! that the search reads one index from its beginning however many runs are open. Runs are divided into parts; each
//! process holds the lease of its share of them. Should two look after one part for a moment, the version of the
//! root Task lets one of them fire.

use std::time::Duration;

use fhir::{Error, IssueCode, json};
use record::{Action, Caller, Change, Key, ResourceType, SearchRequest, Target, Version};
use tokio::time::{sleep, timeout};

use super::draft::Draft;
use super::{Engine, SHARDS, Standing, is_overtaken};
use crate::run::Deed;
use crate::task;

/// How long a process may be silent before others take over what it looks after, in microseconds.
const LEASE: i64 = 5_000_000;
/// How often leases are kept, in microseconds.
const KEEP: i64 = 1_500_000;
/// The longest rest between two looks, after which leases are seen to.
const REST: Duration = Duration::from_secs(1);
/// The shortest rest: whatever is written meanwhile is looked at together.
const BREATH: Duration = Duration::from_millis(100);
/// Runs looked at in one search.
const PAGE: usize = 256;
/// Runs moved in one transaction.
const TOGETHER: usize = 64;
/// Pages of runs that others look after, or that cannot be moved, which are passed over in one round.
const PASSED: usize = 20;
/// Points of one run that fire in one transaction; more than any ladder has.
const POINTS: usize = 100;

/// The drawer in which each process that looks after runs says that it is there.
const PRESENT: &str = "protocol-engine";

/// The search parameters of Tasks that the engine brings: their id, and what they are.
const PARAMETERS: [(&str, &str); 2] = [
    (
        "task-due",
        r#"{"resourceType":"SearchParameter","id":"task-due",
        "url":"https://qingshan.dev/fhir/SearchParameter/task-due","version":"1","name":"TaskDue","status":"active",
        "description":"When a Task is due: the end of restriction.period.","code":"due","base":["Task"],"type":"date",
        "expression":"Task.restriction.period.end"}"#,
    ),
    (
        "run-due",
        r#"{"resourceType":"SearchParameter","id":"run-due",
        "url":"https://qingshan.dev/fhir/SearchParameter/run-due","version":"1","name":"RunDue","status":"active",
        "description":"When the next point of a clock of a run is due; only root Tasks have it.","code":"run-due",
        "base":["Task"],"type":"date",
        "expression":"Task.extension('https://qingshan.dev/fhir/StructureDefinition/run-due').value.ofType(dateTime)"}"#,
    ),
];

impl Engine {
    /// Puts into the record what the engine needs there: the search parameters `due` and `run-due` of Tasks. Doing so
    /// twice does nothing.
    pub async fn prepare(&self) -> Result<(), Error> {
        for (id, text) in PARAMETERS {
            let key = Key::new(ResourceType::parse("SearchParameter")?, id);
            if self.platform().read(&key).await?.is_some_and(|version| version.body.is_some()) {
                continue;
            }
            let (target, resource) = (Target::Key(key), json::parse(text.as_bytes())?);
            let put = Action::Update { target, resource, if_match: None, if_absent: true };
            match self.platform().transact(vec![Change::new(put)]).await {
                Ok(_) => {}
                Err(refusal) if is_overtaken(&refusal.error) => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Ok(())
    }

    /// Fires every point that is due at a time (µs since 1970), and says how many did.
    ///
    /// Fails with [`fhir::Category::Busy`] while the search parameter is still being indexed.
    pub async fn due(&self, now: i64) -> Result<usize, Error> {
        self.fire(&(0..SHARDS).collect::<Vec<_>>(), now).await
    }

    /// When the next point of a clock is due, in microseconds since 1970, if that is no later than a time.
    pub async fn next_due(&self, by: i64) -> Result<Option<i64>, Error> {
        let next = self.platform().search(&due_first(by, 1)?).await?;
        let Some(next) = next.matches.first() else { return Ok(None) };
        let Some((Standing { protocol, run, .. }, frame)) = self.standing(next).await? else { return Ok(None) };
        Ok(run.due(&protocol, frame.zone).map(|due| due.at))
    }

    pub(super) async fn keep_time(&self, name: &str) {
        let mut held = Vec::new();
        let mut kept = i64::MIN;
        let mut head = self.record().head();
        loop {
            if kept == i64::MIN || self.now() - kept >= KEEP {
                match self.share(name, &held).await {
                    Ok(share) => (held, kept) = (share, self.now()),
                    Err(error) => tracing::warn!(%error, "the leases of timers cannot be kept"),
                }
            }
            let rest = match self.round(&held).await {
                Ok(rest) => rest,
                Err(error) if error.issues().iter().any(|issue| issue.code == IssueCode::Transient) => REST,
                Err(error) => {
                    tracing::warn!(%error, "timers stopped; they go on in a moment");
                    REST
                }
            };
            // What is written may be due earlier than all that is known.
            let _ = timeout(rest, head.changed()).await;
            sleep(BREATH.min(rest)).await;
        }
    }

    /// Fires what is due, and says how long there is nothing to do.
    async fn round(&self, held: &[u32]) -> Result<Duration, Error> {
        if held.is_empty() {
            return Ok(REST);
        }
        self.fire(held, self.now()).await?;
        // What is due later than the longest rest is looked for then.
        let soon = self.now() + REST.as_micros() as i64;
        let wait = self.next_due(soon).await?.map_or(i64::MAX, |due| due - self.now());
        Ok(Duration::from_micros(u64::try_from(wait).unwrap_or_default()).min(REST))
    }

    /// Takes, keeps and gives back leases so that every process that is there has as many as the others.
    async fn share(&self, name: &str, held: &[u32]) -> Result<Vec<u32>, Error> {
        self.prepare().await?;
        let drawer = self.record().drawer(PRESENT);
        drawer.put(name, bytes::Bytes::new(), Some(self.now() + LEASE)).await?;
        let present = u32::try_from(drawer.names().await?.len().max(1)).unwrap_or(SHARDS);
        let most = SHARDS.div_ceil(present) as usize;
        let lease = |shard: u32| self.record().lease(format!("timers-{shard}"), name);
        let mut share = Vec::new();
        // Those it has come first, so that they do not wander.
        let free = (0..SHARDS).filter(|shard| !held.contains(shard));
        for shard in held.iter().copied().chain(free) {
            if share.len() < most {
                if lease(shard).take(LEASE).await? {
                    share.push(shard);
                }
            } else if held.contains(&shard) {
                lease(shard).give_back().await?;
            }
        }
        Ok(share)
    }

    async fn fire(&self, shards: &[u32], now: i64) -> Result<usize, Error> {
        let mut fired = 0;
        let mut request = due_first(now, PAGE)?;
        let mut passed = 0;
        loop {
            let page = self.platform().search(&request).await?;
            let ours = page.matches.iter().filter(|version| shards.contains(&super::shard(&version.key.id)));
            let ours: Vec<&Version> = ours.collect();
            // While one transaction is written the next are judged.
            let together = ours.chunks(TOGETHER).map(|some| self.fire_together(some));
            let moved: usize = futures_util::future::try_join_all(together).await?.into_iter().sum();
            fired += moved;
            match page.next {
                _ if page.matches.is_empty() => return Ok(fired),
                // What was moved is due later now or never, so that the first page holds what is next.
                _ if moved > 0 => {}
                // Runs that cannot be moved must not hold up those behind them.
                Some(next) if passed < PASSED => {
                    passed += 1;
                    request.parameters = SearchRequest::parameters_of(&next)?;
                }
                _ => return Ok(fired),
            }
        }
    }

    /// Fires the points of some runs in one transaction; those that were moved meanwhile each in one of its own.
    async fn fire_together(&self, versions: &[&Version]) -> Result<usize, Error> {
        let mut draft = Draft::new(self, super::PLATFORM);
        let mut fired = 0;
        let mut alone = Vec::new();
        for &version in versions {
            match self.standing(version).await {
                Ok(Some((standing, frame))) => {
                    let mut own = Draft::new(self, super::PLATFORM);
                    own.hold(standing.clone(), frame.clone());
                    match tick(&mut own, &standing.run.id).await {
                        Ok(0) => {}
                        Ok(points) => {
                            fired += points;
                            if draft.join(own).is_err() {
                                alone.push(version);
                            }
                        }
                        Err(error) => unmoved(version, &error),
                    }
                }
                Ok(None) => {}
                Err(error) => unmoved(version, &error),
            }
        }
        let caller = Caller::system("HOPERAT");
        match self.commit(&caller, &draft).await {
            Ok(()) if alone.is_empty() => return Ok(fired),
            Ok(()) => {}
            Err(error) if versions.len() == 1 && is_overtaken(&error) => return Ok(0),
            // One of them was moved meanwhile, or cannot be: each is tried for itself, and read again.
            Err(_) => (fired, alone) = (0, versions.to_vec()),
        }
        for version in alone {
            fired += match self.fire_one(&version.key.id).await {
                Ok(points) => points,
                Err(error) => {
                    unmoved(version, &error);
                    0
                }
            };
        }
        Ok(fired)
    }

    async fn fire_one(&self, run: &str) -> Result<usize, Error> {
        let caller = Caller::system("HOPERAT");
        for _ in 0..super::TRIES {
            let Some((standing, frame)) = self.stored(run).await? else { return Ok(0) };
            let mut draft = Draft::new(self, super::PLATFORM);
            draft.hold(standing, frame);
            let points = tick(&mut draft, run).await?;
            match self.commit(&caller, &draft).await {
                Ok(()) => return Ok(points),
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }
}

/// Fires the points of one run that are due, the earliest first.
async fn tick(draft: &mut Draft<'_>, id: &str) -> Result<usize, Error> {
    let mut fired = 0;
    while let Some(Standing { protocol, run, .. }) = draft.standing(id)
        && fired < POINTS
    {
        let due = run.due(&protocol, draft.zone()).filter(|due| due.at <= draft.now());
        let Some(due) = due else { break };
        let tick = Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at };
        draft.happen(id, super::event_of(super::PLATFORM, tick)).await?;
        fired += 1;
    }
    Ok(fired)
}

/// A run whose clock cannot fire; it is tried again, and whoever looks after the platform must know.
fn unmoved(version: &Version, error: &Error) {
    tracing::error!(%error, run = %version.key.id, "a clock of a run is due and cannot fire");
}

/// Root Tasks that are due by a time, the one that is due first first.
fn due_first(by: i64, count: usize) -> Result<SearchRequest, Error> {
    let due = format!("le{}", task::written(by));
    SearchRequest::of("Task", &[("run-due", due), ("_sort", "run-due".to_owned()), ("_count", count.to_string())])
}
