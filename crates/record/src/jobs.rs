//! Durable jobs: work that must happen once, later, whatever happens to a process in between.

use bytes::Bytes;
use fhir::Error;

use crate::Record;

/// A job that is due and now belongs to the caller until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// When it was claimed, in microseconds since 1970-01-01T00:00:00Z.
    pub due: i64,
    /// How often it was claimed before.
    pub attempts: u32,
    /// What is to be done, as its queue understands it.
    pub body: Bytes,
}

/// The jobs of one queue.
pub struct Jobs<'a> {
    pub(crate) record: &'a Record,
    pub(crate) queue: &'static str,
}

impl Jobs<'_> {
    /// Adds a job.
    pub async fn add(&self, due: i64, body: Bytes) -> Result<(), Error> {
        self.record.store().job_add(self.queue, due, body).await
    }

    /// Takes up to `most` jobs that are due at `now`, the longest due first. No other process gets them before
    /// `now + lease` (µs).
    pub async fn claim(&self, now: i64, lease: i64, most: usize) -> Result<Vec<Job>, Error> {
        self.record.store().job_claim(self.queue, now, lease, most).await
    }

    /// The job is done.
    pub async fn done(&self, job: &Job) -> Result<(), Error> {
        self.record.store().job_done(job.id).await
    }

    /// The job is to be tried again at `due`.
    pub async fn again(&self, job: &Job, due: i64) -> Result<(), Error> {
        self.record.store().job_again(job.id, due).await
    }
}
