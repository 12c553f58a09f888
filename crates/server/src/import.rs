//! `qingshan import`: FHIR resources from files into a record, once each, however often it is interrupted.
//!
//! A thread reads the files, tasks parse and write what it read, a few batches at a time, and a checkpoint follows what
//! is durably written. After an interruption whatever the checkpoint does not vouch for is compared with the record
//! before it is written, so nothing is lost and nothing gets a second version.

mod checkpoint;
mod group;
mod remote;
mod sink;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fhir::Error;
use futures_util::StreamExt;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use checkpoint::Checkpoint;
pub(crate) use remote::Remote;
use sink::Outcome;
pub(crate) use sink::Sink;
use source::{End, Reader, Text};

/// A batch is closed at this size even if it holds few resources, so that memory stays bounded.
const BATCH_BYTES: usize = 4 << 20;

/// What is imported, and how.
pub(crate) struct Plan {
    /// Files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether to go on when a resource is refused.
    pub(crate) skip_invalid: bool,
    /// Where to remember how far it came.
    pub(crate) checkpoint: PathBuf,
    /// Resources in a batch.
    pub(crate) batch: usize,
    /// Batches under way at the same time.
    pub(crate) ahead: usize,
    /// The largest single document or line, in bytes.
    pub(crate) text_max: u64,
}

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    files: usize,
    left_out: usize,
    written: u64,
    unchanged: u64,
    refused: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} resources written from {} files", self.written, self.files)?;
        if self.unchanged > 0 {
            write!(f, ", {} unchanged", self.unchanged)?;
        }
        if self.refused > 0 {
            write!(f, ", {} refused", self.refused)?;
        }
        if self.left_out > 0 {
            write!(f, ", {} files left out that do not look like FHIR", self.left_out)?;
        }
        Ok(())
    }
}

/// A batch that has been dealt with.
struct Done {
    /// The last text of each file that it reaches.
    reached: BTreeMap<String, u64>,
    outcome: Result<Outcome, Error>,
}

/// Imports until everything is in, something is refused, or the person interrupts.
///
/// # Errors
/// Sentences for that person; those about resources begin with file and line.
pub(crate) async fn run(sink: Sink, plan: Plan) -> Result<Summary, String> {
    let found = source::find(&plan.paths)?;
    let mut checkpoint = Checkpoint::open(&plan.checkpoint)?;
    let resumed = checkpoint.is_resumed();
    let mut summary = Summary { files: found.files.len(), left_out: found.left_out, ..Summary::default() };

    let progress = Arc::new(AtomicU64::new(0));
    let (batches, mut arriving) = mpsc::channel(2);
    let reading = tokio::task::spawn_blocking({
        let (progress, done, files) = (Arc::clone(&progress), checkpoint.done(), found.files);
        let (batch, text_max) = (plan.batch, plan.text_max);
        move || read(&files, progress, &done, batch, text_max, &batches)
    });

    let bar = bar(found.size);
    let (sink, skip_invalid) = (Arc::new(sink), plan.skip_invalid);
    let arrived = futures_util::stream::poll_fn(move |context| arriving.poll_recv(context));
    let mut finished =
        arrived.map(|texts| tokio::spawn(write(Arc::clone(&sink), texts, resumed, skip_invalid))).buffered(plan.ahead);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);

    let stopped = loop {
        let done = tokio::select! {
            done = finished.next() => done,
            _ = &mut interrupted => break Some("Interrupted.".to_owned()),
        };
        let Some(done) = done else { break None };
        let done = done.map_err(|error| format!("The import broke down: {error}"))?;
        let outcome = match done.outcome {
            Ok(outcome) => outcome,
            Err(error) => break Some(error.to_string()),
        };
        summary.written += outcome.written;
        summary.unchanged += outcome.unchanged;
        summary.refused += outcome.refused.len() as u64;
        for refused in &outcome.refused {
            bar.suspend(|| eprintln!("{refused}"));
        }
        if !outcome.refused.is_empty() && !skip_invalid {
            break Some("A resource was refused. With --skip-invalid such resources are left out.".to_owned());
        }
        checkpoint.advance(done.reached)?;
        show(&bar, &summary, progress.load(Ordering::Relaxed));
    };
    // Ends the reader, which may be waiting to hand on one more batch.
    drop(finished);
    let read = reading.await.map_err(|error| format!("The import broke down: {error}"))?;
    bar.finish_and_clear();
    match stopped.map_or(read, Err) {
        Ok(()) => {
            checkpoint.forget()?;
            Ok(summary)
        }
        Err(why) => {
            checkpoint.save()?;
            Err(format!("{why}\nSo far: {summary}. The same command goes on from here."))
        }
    }
}

/// Reads all files and hands on batches, until nobody takes them any more.
fn read(
    files: &[PathBuf],
    progress: Arc<AtomicU64>,
    done: &BTreeMap<String, u64>,
    size: usize,
    text_max: u64,
    batches: &mpsc::Sender<Vec<Text>>,
) -> Result<(), String> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut take = |text: Text| {
        bytes += text.bytes.len();
        batch.push(text);
        if batch.len() < size && bytes < BATCH_BYTES {
            return true;
        }
        bytes = 0;
        batches.blocking_send(std::mem::take(&mut batch)).is_ok()
    };
    let done = |identity: &str| done.get(identity).copied().unwrap_or_default();
    let mut reader = Reader { progress, text_max, done: &done, take: &mut take };
    for file in files {
        match reader.file(file) {
            Ok(()) => {}
            Err(End::Enough) => return Ok(()),
            Err(End::Failed(message)) => return Err(message),
        }
    }
    if !batch.is_empty() {
        // Nobody taking it means that the import has stopped, and said why.
        let _ = batches.blocking_send(batch);
    }
    Ok(())
}

/// The documents that a path holds, whole; for what is small enough to be kept in memory.
pub(crate) fn documents(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut documents = Vec::new();
    let mut take = |text: Text| {
        documents.push(text.bytes);
        true
    };
    let mut reader = Reader { progress: Arc::default(), text_max: 1 << 30, done: &|_| 0, take: &mut take };
    for file in source::find(&[path.to_owned()])?.files {
        if let Err(End::Failed(message)) = reader.file(&file) {
            return Err(message);
        }
    }
    Ok(documents)
}

async fn write(sink: Arc<Sink>, texts: Vec<Text>, resumed: bool, skip_invalid: bool) -> Done {
    let reached = texts.iter().map(|text| (text.identity.to_string(), text.item)).collect();
    let (groups, refused) = group::group(&texts);
    drop(texts);
    let mut total = Outcome { refused, ..Outcome::default() };
    for group in groups {
        if !total.refused.is_empty() && !skip_invalid {
            break;
        }
        match sink.write(group, resumed, skip_invalid).await {
            Ok(outcome) => {
                total.written += outcome.written;
                total.unchanged += outcome.unchanged;
                total.refused.extend(outcome.refused);
            }
            Err(error) => return Done { reached, outcome: Err(error) },
        }
    }
    Done { reached, outcome: Ok(total) }
}

fn bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {percent:>3}% {msg} · {eta} remaining")
        .expect("the template is well formed");
    ProgressBar::new(size).with_style(style)
}

fn show(bar: &ProgressBar, summary: &Summary, read: u64) {
    let dealt_with = summary.written + summary.unchanged + summary.refused;
    let rate = dealt_with as f64 / bar.elapsed().as_secs_f64().max(0.001);
    bar.set_position(read);
    bar.set_message(format!("{} resources, {}/s", HumanCount(dealt_with), HumanCount(rate as u64)));
}
