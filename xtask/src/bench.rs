//! `cargo xtask bench record`: measures a release build on both databases and writes docs/performance.md.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::shell::{self, Outcome, cargo, command, must_succeed, output_of, root};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    subject: Subject,
    /// Resources of the large record.
    #[arg(long, default_value_t = 1_000_000)]
    resources: usize,
    /// Seconds of each measurement under load.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Real transaction bundles; by default the public ones beside the checkout.
    #[arg(long)]
    bundles: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// The record and its HTTP door.
    Record,
}

/// The part of the page that people write; what is measured follows it.
const HEAD: &str = "\
# Performance

Written by `cargo xtask bench record`; the numbers below are those of its last run, on the machine described. Server,
database and the program that loads them share its cores. Every goal is a ratio to something measured in the same run:

- *The floor* writes the same rows, index rows included, by prepared statements alone, with the same durability, in
  groups of 64 resources. It reads no JSON, validates nothing and answers nobody.
- *Constant bytes* are answered by the same HTTP library without routing, look-up or database.
";

/// Builds, measures and writes the page.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let Subject::Record = options.subject;
    shell::need_debian_packages(&["postgresql"])?;
    let build = ["build", "--release", "--package", "qingshan", "--package", "testkit", "--package", "record"];
    must_succeed(cargo().args(build).args(["--bins", "--example", "floor"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let release = root().join("target/release");
    let data = std::env::var_os("QINGSHAN_TEST_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let bundles = options.bundles.clone().unwrap_or_else(|| data.join("fhir/synthea-r4-150.tar.gz"));
    let measured = output_of(
        command(release.join("with-postgres"))
            .arg(release.join("qingshan"))
            .arg("bench")
            .arg("--floor")
            .arg(release.join("examples/floor"))
            .arg("--bundles")
            .arg(bundles)
            .arg("--folder")
            .arg(folder.path())
            .args(["--resources", &options.resources.to_string(), "--seconds", &options.seconds.to_string()])
            .env("QINGSHAN__LOG__FILTER", "warn,qingshan=info"),
    )?;
    let page = format!("{HEAD}\n{}\n{measured}", machine(options)?);
    fs::write(root().join("docs/performance.md"), page).map_err(|error| format!("docs/performance.md: {error}"))?;
    eprintln!("docs/performance.md is written.");
    Ok(())
}

/// What it was measured on.
fn machine(options: &Options) -> Outcome<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or("not known").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let busy = read("/proc/loadavg").split(' ').next().unwrap_or("not known").to_owned();
    let compiler = output_of(command("rustc").arg("--version"))?;
    let commit = output_of(command("git").args(["describe", "--always", "--dirty"]))?;
    Ok(format!(
        "{cores} cores of {processor}, {memory} of memory, {}, commit {}; load average when the run ended {busy} \
         (the run itself makes 2 to 4, more means that others were at work).\n\
         Large record: {} resources; {} seconds a load.\n",
        compiler.trim(),
        commit.trim(),
        options.resources,
        options.seconds,
    ))
}
