//! `qingshan bench-pathway`: the same cases of stroke through the protocol as it is, where whatever lacks nothing can be
//! done at once, and through one that does the same one after another.
//!
//! Nothing is measured of the machine. A hospital of invented people plays under a clock of its own; what may be done at
//! each moment is asked of the engine's judgement itself.

mod chance;
mod page;
mod plan;
mod world;

use clap::Args;
use protocol::{Files, Line, Protocol};

use crate::Outcome;
use crate::place::describe;
use plan::Plan;
use world::{History, Question, Staffing};

/// How many cases, and by which throws of the dice.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchPathway {
    /// Cases of suspected stroke.
    #[arg(long, default_value_t = 10_000)]
    cases: usize,
    /// The seed of all that is thrown.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const PLAN: &str = include_str!("pathway/stroke.toml");
const SERIAL: &str = include_str!("pathway/serial.toml");

/// The milestones whose times are asked for: lysis and thrombectomy. The first is the one that must be well founded.
const ASKED: [&str; 2] = ["needle", "puncture"];

/// What is compared, and with what.
struct Comparison {
    parallel: Protocol,
    serial: Protocol,
    plan: Plan,
}

impl Comparison {
    fn read() -> Outcome<Self> {
        let files: Files = lines::line("emergency")
            .ok_or("The line of emergencies is not there.")?
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let line = Line::read(&files).map_err(|error| describe(&error))?;
        let parallel = line.protocol("stroke").ok_or("The protocol of stroke is not there.")?.clone();
        let serial = plan::requiring(&parallel, SERIAL)?;
        let plan = Plan::read(PLAN, &parallel)?;
        Ok(Self { parallel, serial, plan })
    }

    /// Plays the cases one after the other way: serial, then parallel.
    fn play(&self, cases: usize, seed: u64, staffing: Staffing) -> Outcome<[History; 2]> {
        let needle = ASKED[0];
        let founded = self.parallel.step(needle).map(|step| step.requires.as_slice()).unwrap_or_default();
        let question = |protocol| Question {
            plan: &self.plan,
            protocol,
            founded: (needle, founded),
            asked: &ASKED,
            cases,
            seed,
            staffing,
        };
        let (serial, parallel) = std::thread::scope(|scope| {
            let serial = scope.spawn(|| world::play(question(&self.serial)));
            let parallel = world::play(question(&self.parallel));
            (serial.join(), parallel)
        });
        let serial = serial.map_err(|_| "The simulation of the serial protocol ended early.".to_owned())?;
        Ok([serial?, parallel?])
    }
}

/// Plays both and returns a page, in Markdown.
pub(crate) fn run(bench: &BenchPathway) -> Outcome<String> {
    let comparison = Comparison::read()?;
    let histories = comparison.play(bench.cases, bench.seed, Staffing::AsPlanned)?;
    let alone = comparison.play(bench.cases.min(ALONE), bench.seed, Staffing::Boundless)?;
    Ok(page::write(&comparison, bench.seed, &histories, &alone))
}

/// Cases that are played once more as if nobody were ever busy.
const ALONE: usize = 2_000;

#[cfg(test)]
mod tests;
