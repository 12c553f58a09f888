//! The workspace's own commands: `cargo xtask demo | test | ci | codegen | tidy | bench`.
//!
//! They are Rust so that they run the same on every machine and are held to the same lints as the product.

mod bench;
mod ci;
mod codegen;
mod demo;
mod shell;
mod suites;
mod tally;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands for people who work on Qingshan.
#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Starts Qingshan with a few invented people and prints where to look. Ctrl-C ends it.
    Demo(demo::Options),
    /// Runs every test suite; the last line counts them all.
    Test {
        /// Take all of the test material where some tests take a part by default.
        #[arg(long)]
        all: bool,
    },
    /// All that must hold before a change lands: format, lints, tidy, tests.
    Ci,
    /// Fetches the official FHIR definitions and writes the tables that `crates/fhir` embeds.
    Codegen,
    /// Measures the product beside its floors and writes docs/performance.md.
    Bench(bench::Options),
    /// Checks the rules of ARCHITECTURE.md that a compiler cannot.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test { all } => suites::run(all).and_then(|tally| tally.close()),
        Task::Ci => ci::run().and_then(|tally| tally.close()),
        Task::Codegen => codegen::run(&shell::root()).map_err(|failure| failure.to_string()),
        Task::Bench(options) => bench::run(&options),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
