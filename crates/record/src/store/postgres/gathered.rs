//! Reads of single resources: as many as are waiting go into one statement.
//!
//! A statement costs the database and this process about as much for one resource as for thirty. What is read is as
//! current as with a statement of its own, since a read is only ever put into one that begins after it.

use std::sync::Arc;

use deadpool_postgres::Pool;
use fhir::Error;
use rustc_hash::FxHashMap;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{failure, row, unavailable};
use crate::Version;
use crate::store::names::Place;
use crate::store::{again, reads};

/// The lists are put where the planner cannot see them: with them, it would think about each statement anew.
const CURRENT: &str = "SELECT type, id, version, at, method, body, rid FROM resource \
    WHERE rid = ANY((SELECT $1::int8[])::int8[]) AND shard = ANY((SELECT $2::int4[])::int4[])";

/// Statements under way at the same time: while one is answered, the next is filled.
const LANES: usize = 2;

/// Reads in one statement.
const TOGETHER: usize = 128;

/// Reads waiting for a statement.
const WAITING: usize = 4_096;

struct Wanted {
    place: Place,
    answer: oneshot::Sender<Result<Option<Version>, Error>>,
}

pub(super) struct Gathered(mpsc::Sender<Wanted>);

impl Gathered {
    pub(super) fn start(pool: &Pool) -> Self {
        let (wanted, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..LANES {
            tokio::spawn(lane(pool.clone(), Arc::clone(&waiting)));
        }
        Self(wanted)
    }

    /// What is at a place now; none when nothing is, or no longer.
    pub(super) async fn read(&self, place: Place) -> Result<Option<Version>, Error> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Wanted { place, answer }).await.map_err(|_| Error::fault("the readers have ended"))?;
        answered.await.map_err(Error::fault)?
    }
}

async fn lane(pool: Pool, waiting: Arc<Mutex<mpsc::Receiver<Wanted>>>) {
    loop {
        let mut group = Vec::new();
        if waiting.lock().await.recv_many(&mut group, TOGETHER).await == 0 {
            return;
        }
        match current(&pool, &group).await {
            Ok(found) => {
                for wanted in group {
                    // Several may have asked for the same; and who has gone away needs no answer.
                    let _ = wanted.answer.send(Ok(found.get(&wanted.place.rid).cloned()));
                }
            }
            Err(error) => {
                for wanted in group {
                    let _ = wanted.answer.send(Err(again(&error)));
                }
            }
        }
    }
}

async fn current(pool: &Pool, group: &[Wanted]) -> Result<FxHashMap<i64, Version>, Error> {
    let client = pool.get().await.map_err(|error| unavailable().caused_by(error))?;
    let statement = client.prepare_cached(CURRENT).await.map_err(failure)?;
    let rids: Vec<i64> = group.iter().map(|wanted| wanted.place.rid).collect();
    let shards: Vec<i32> = group.iter().map(|wanted| wanted.place.home).collect();
    let found = client.query(&statement, &[&rids, &shards]).await.map_err(failure)?;
    found
        .iter()
        .map(|found| {
            let found = row(found)?;
            Ok((found.int(6)?, reads::version(&found)?))
        })
        .collect()
}
