//! Runs a command with a PostgreSQL cluster that lives exactly as long: `with-postgres cargo nextest run`.
//!
//! The command finds it through `QINGSHAN_TEST_POSTGRES`. A test runner that gives each test a process of its own would
//! otherwise start a cluster for each.

use std::process::{Command, ExitCode};

use testkit::cluster::{Cluster, SHARED};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().ok_or("usage: with-postgres COMMAND [ARGUMENT]…")?;
    let cluster = Cluster::start()?;
    let status = Command::new(&program)
        .args(words)
        .env(SHARED, cluster.address())
        .status()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
