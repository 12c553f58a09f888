//! Writes the cast of the demonstration into a folder: `cast --seed 1 --now 2026-05-04T09:30:00 --folder OUT`.
//!
//! Without `--now` it is as at this moment. What it writes is said by [`testkit::cast::Cast::write`].

use std::path::PathBuf;

use clap::Parser;
use jiff::civil::DateTime;
use record::Surroundings;
use testkit::cast::Cast;

#[derive(Parser)]
struct Arguments {
    /// The same seed and moment make the same cast.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The moment of the cast, in the time of China.
    #[arg(long, value_name = "TIME")]
    now: Option<DateTime>,
    /// How many live in the district.
    #[arg(long, default_value_t = 3_200)]
    residents: usize,
    /// Where to write; made if it does not exist.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> Result<(), String> {
    let arguments = Arguments::parse();
    let now = arguments.now.map_or_else(this_moment, Ok)?;
    let cast = Cast::new(arguments.seed, now, arguments.residents);
    cast.write(&arguments.folder)
        .map_err(|error| format!("{} cannot be written: {error}", arguments.folder.display()))?;
    let (residents, histories) = (cast.residents.len(), cast.histories.len());
    eprintln!("{residents} residents and {histories} resources of theirs, by seed {} at {now}", arguments.seed);
    Ok(())
}

fn this_moment() -> Result<DateTime, String> {
    let now = jiff::Timestamp::from_microsecond(Surroundings::system().clock.now());
    let now = now.map_err(|error| format!("The clock cannot be read: {error}"))?;
    let now = jiff::tz::Offset::constant(8).to_datetime(now);
    now.with().subsec_nanosecond(0).build().map_err(|error| error.to_string())
}
