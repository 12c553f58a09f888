//! A clock that stands still until it is told to move on, for demonstrations and tests: half a year of a hospital is
//! played in minutes, and whatever is due meanwhile happens when it is due.
//!
//! Each line of standard input is a time (RFC 3339). Once everything that was due by then has happened, the clock shows
//! that time, and it is written to standard output.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use protocol::Engine;
use record::Clock;
use tokio::sync::mpsc;

use crate::{Outcome, place};

/// The clock.
pub(crate) struct Stepped(AtomicI64);

impl Clock for Stepped {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Stepped {
    pub(crate) fn new(from: Timestamp) -> Self {
        Self(AtomicI64::new(from.as_microsecond()))
    }

    /// A clock never goes back.
    fn set(&self, to: i64) {
        self.0.fetch_max(to, Ordering::SeqCst);
    }
}

/// How long after a search parameter was put into the record its index is built, and more, in microseconds.
const SETTLING: i64 = 60_000_000;

/// Obeys standard input until it ends. What goes wrong is told where the time would be, and then it ends as well.
pub(crate) async fn obey(engine: &Engine, clock: &Stepped) {
    if let Err(message) = follow_orders(engine, clock).await {
        tracing::error!("the clock stands still: {message}");
        // Whoever listens no longer needs no answer.
        let _ = writeln!(std::io::stdout(), "{message}");
    }
}

async fn follow_orders(engine: &Engine, clock: &Stepped) -> Outcome<()> {
    clock.set(clock.now() + SETTLING);
    let (sender, mut lines) = mpsc::channel(1);
    // Reading waits for as long as whoever writes likes, which no thread of the server must.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let wrong = |_| format!("{line} is not a time, such as 2026-05-04T08:00:00Z.");
        let to: Timestamp = line.trim().parse().map_err(wrong)?;
        pass(engine, clock, to.as_microsecond()).await.map_err(|error| place::describe(&error))?;
        writeln!(std::io::stdout(), "{to}").map_err(|error| format!("The time cannot be told: {error}"))?;
    }
    Ok(())
}

async fn pass(engine: &Engine, clock: &Stepped, to: i64) -> Result<(), fhir::Error> {
    while engine.record().index_due().await? {}
    follow(engine).await?;
    while let Some(due) = engine.next_due(to).await? {
        clock.set(due);
        let fired = engine.due(clock.now()).await?;
        follow(engine).await?;
        if fired == 0 {
            return Err(fhir::Error::fault("a clock is due and cannot fire"));
        }
    }
    clock.set(to);
    engine.scheduled().await
}

/// Lets the engine take in all that was written.
async fn follow(engine: &Engine) -> Result<(), fhir::Error> {
    while !engine.caught_up().await? {}
    Ok(())
}
