//! `cargo xtask bench SUBJECT`: measures a release build on both databases and writes its part of docs/performance.md.
//!
//! The page is made of parts, each under a heading; the first, about the record, has the title of the page.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::shell::{self, Outcome, cargo, command, must_succeed, output_of, root};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    subject: Subject,
    /// Resources of the large record; for the person index, the people among whom is searched; for the trail, its
    /// entries.
    #[arg(long, default_value_t = 1_000_000)]
    resources: usize,
    /// Seconds of each measurement under load.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Turns of each load with the trail, and as many without.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Real transaction bundles; by default the public ones beside the checkout.
    #[arg(long)]
    bundles: Option<PathBuf>,
    /// Invented people whose registrations are joined.
    #[arg(long, default_value_t = 100_000)]
    people: usize,
    /// Open runs of protocols.
    #[arg(long, default_value_t = 100_000)]
    runs: usize,
    /// Clocks of runs that are due in each second.
    #[arg(long, default_value_t = 1_000)]
    due: usize,
    /// Staff who are signed in at once.
    #[arg(long, default_value_t = 1_000)]
    users: usize,
    /// Cases of stroke that are played through the serial and the parallel protocol.
    #[arg(long, default_value_t = 10_000)]
    cases: usize,
    /// Boards that are open at once.
    #[arg(long, default_value_t = 50)]
    boards: usize,
    /// Warnings that are timed until they are painted on a board.
    #[arg(long, default_value_t = 200)]
    warnings: usize,
    /// The seed of the invented people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// The record and its HTTP door.
    Record,
    /// The person index: how well registrations are joined, and how fast they are found.
    Person,
    /// Protocols: how late the clocks of runs fire.
    Protocol,
    /// The trail: what keeping it costs, and how long it takes to say who looked.
    Audit,
    /// Paging: from starting a team to its last page.
    Paging,
    /// Worklists: how long staff wait for them, and for a change to be on another's screen.
    Work,
    /// Stroke: the same cases one after another and side by side, in a hospital under a clock of its own.
    Pathway,
    /// The board of emergencies: from the ambulance's POST until it is painted, in Chromium.
    Board,
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
    match options.subject {
        Subject::Record => record(options),
        Subject::Person => person(options),
        Subject::Protocol => protocol(options),
        Subject::Audit => audit(options),
        Subject::Paging => paging(options),
        Subject::Work => work(options),
        Subject::Pathway => pathway(options),
        Subject::Board => board(options),
    }
}

/// The heading of the part about the person index.
const PERSON: &str = "One person index";

fn person(options: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["postgresql"])?;
    let build =
        ["build", "--release", "--package", "record", "--example", "person_quality", "--example", "person_search"];
    must_succeed(cargo().args(build))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let examples = root().join("target/release/examples");
    let (people, seed) = (options.people.to_string(), options.seed.to_string());
    let quality = output_of(command(examples.join("person_quality")).args([&people, &seed]))?;
    let search = |place: &str| {
        let among = options.resources.to_string();
        output_of(command(examples.join("person_search")).args([place, &among, "1000", &seed]))
    };
    let rows = [search(&folder.path().display().to_string())?, search("postgres")?].concat();
    let text = format!(
        "## {PERSON}\n\nWritten by `cargo xtask bench person`. {}\n{quality}\nThe search of `Patient/$match`, one after \
         another, for copies with such faults of people who are registered once:\n\n\
         | database | people | median | 99 % within | the right one first |\n|---|---|---|---|---|\n{rows}",
        machine()?
    );
    put(Some(PERSON), &text)
}

/// The heading of the part about protocols.
const PROTOCOL: &str = "Clocks of runs";

fn protocol(options: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["postgresql"])?;
    must_succeed(cargo().args(["build", "--release", "--package", "protocol", "--example", "timers"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let program = root().join("target/release/examples/timers");
    let timers = |place: &str, processes: &str| {
        let (runs, due, seconds) = (options.runs.to_string(), options.due.to_string(), options.seconds.to_string());
        output_of(command(&program).args([place, &runs, &due, &seconds, processes]))
    };
    let rows = [timers(&folder.path().display().to_string(), "1")?, timers("postgres", "1")?, timers("postgres", "3")?];
    let text = format!(
        "## {PROTOCOL}\n\nWritten by `cargo xtask bench protocol`. {}\nOpen runs with a clock each, so many of which are \
         due in every second for {} seconds. The lag is from when a clock is due to when it is stored that it fired, with \
         the message to whoever is told. The goal is 99 % within 1 s, on both databases, with several processes.\n\n\
         | database | processes | runs started | due per second | fired | median lag | 99 % within | longest | open runs |\n\
         |---|---|---|---|---|---|---|---|---|\n{}",
        machine()?,
        options.seconds,
        rows.concat(),
    );
    put(Some(PROTOCOL), &text)
}

/// The heading of the part about the trail.
const AUDIT: &str = "The trail";

fn audit(options: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["postgresql"])?;
    must_succeed(cargo().args(["build", "--release", "--package", "qingshan", "--package", "testkit", "--bins"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let release = root().join("target/release");
    let (seconds, rounds) = (options.seconds.to_string(), options.rounds.to_string());
    let measured = output_of(
        command(release.join("with-postgres"))
            .arg(release.join("qingshan"))
            .arg("bench-trail")
            .arg("--folder")
            .arg(folder.path())
            .args(["--entries", &options.resources.to_string(), "--seconds", &seconds, "--rounds", &rounds])
            .env("QINGSHAN__LOG__FILTER", "warn,qingshan=info"),
    )?;
    let text = format!(
        "## {AUDIT}\n\nWritten by `cargo xtask bench audit`. Each load runs for {seconds} seconds on a server that keeps a \
         trail and as long on one that keeps none, {rounds} times each and in turns; rates are the medians, and what the \
         trail costs is the share by which they differ. {}\n{measured}",
        machine()?
    );
    put(Some(AUDIT), &text)
}

/// The heading of the part about worklists.
const WORK: &str = "Worklists";

fn work(options: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["postgresql"])?;
    must_succeed(cargo().args(["build", "--release", "--package", "qingshan", "--package", "testkit", "--bins"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let release = root().join("target/release");
    let (users, seconds) = (options.users.to_string(), options.seconds.max(30).to_string());
    let measured = output_of(
        command(release.join("with-postgres"))
            .arg(release.join("qingshan"))
            .arg("bench-work")
            .arg("--folder")
            .arg(folder.path())
            .args(["--users", &users, "--seconds", &seconds])
            .env("QINGSHAN__LOG__FILTER", "warn,qingshan=info"),
    )?;
    let text = format!(
        "## {WORK}\n\nWritten by `cargo xtask bench work`. All are signed in and hear of the worklist of their institution on \
         a live stream; each opens it every ten seconds, as the portal does, and completes a step of it every twenty, for \
         {seconds} seconds. A change is on another's screen when the stream of each colleague has told of it, counted from \
         when the step was sent. {}\n{measured}",
        machine()?
    );
    put(Some(WORK), &text)
}

/// The heading of the part about stroke.
const PATHWAY: &str = "Side by side instead of one after another";

/// What is published of such times, to hold the simulated ones against.
const PUBLISHED: &str = "\
Published, to hold these against: half within 116 minutes (quartiles 70 and 150) in 132 Chinese hospitals of 2007 and 2008
([CNSR](https://scholar.barrowneuro.org/neurology/1829)); 54 minutes in a usual emergency department and 44 with a guided
one in Lanzhou, 2019 to 2022 ([hanspub 55174](http://www.hanspub.org/journal/PaperInformation.aspx?paperID=55174)); door to
puncture 143 minutes one after another and 107 side by side at one American hospital
([PMC4338685](https://pmc.ncbi.nlm.nih.gov/articles/PMC4338685/)). The simulation says what the order of steps does where all
else is equal, and nothing of how long a hospital of one's own takes.
";

fn pathway(options: &Options) -> Outcome<()> {
    must_succeed(cargo().args(["build", "--release", "--package", "qingshan", "--bins"]))?;
    let (cases, seed) = (options.cases.to_string(), options.seed.to_string());
    let program = root().join("target/release/qingshan");
    let played = output_of(command(program).args(["bench-pathway", "--cases", &cases, "--seed", &seed]))?;
    let commit = output_of(command("git").args(["describe", "--always", "--dirty"]))?;
    let written = format!("Written by `cargo xtask bench pathway`, commit {}.", commit.trim());
    put(Some(PATHWAY), &format!("## {PATHWAY}\n\n{written}\n\n{}\n\n{PUBLISHED}", played.trim_end()))
}

/// The heading of the part about the board.
const BOARD: &str = "The board of emergencies";

fn board(options: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["chromium", "fonts-noto-cjk"])?;
    must_succeed(cargo().args(["build", "--release", "--package", "qingshan", "--bins"]))?;
    must_succeed(command("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]))?;
    must_succeed(command("npm").args(["run", "--silent", "build"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let written = folder.path().join("board.md");
    must_succeed(
        command("npx")
            .args(["vitest", "run", "--config", "bench/vitest.config.ts"])
            .current_dir(root().join("web/e2e"))
            .env("QINGSHAN_BINARY", root().join("target/release/qingshan"))
            .env("QINGSHAN_BENCH_BOARDS", options.boards.to_string())
            .env("QINGSHAN_BENCH_WARNINGS", options.warnings.to_string())
            .env("QINGSHAN_BENCH_OUT", &written),
    )?;
    let measured = fs::read_to_string(&written).map_err(|error| format!("{}: {error}", written.display()))?;
    let text = format!(
        "## {BOARD}\n\nWritten by `cargo xtask bench board`, on SQLite. Server, Chromium and all who look share the \
         machine. A few boards are real pages, which note by a MutationObserver when a row says what was sent, and by the \
         frame after it when that is painted; the others are clients that list, listen and read again as a board does, \
         without drawing. {}\n{measured}",
        machine()?
    );
    put(Some(BOARD), &text)
}

/// The heading of the part about paging.
const PAGING: &str = "One touch starts the team";

fn paging(_: &Options) -> Outcome<()> {
    shell::need_debian_packages(&["postgresql"])?;
    must_succeed(cargo().args(["build", "--release", "--package", "qingshan", "--package", "testkit", "--bins"]))?;
    let folder = tempfile::tempdir_in(root().join("target")).map_err(|error| format!("No room to work in: {error}"))?;
    let release = root().join("target/release");
    let measured = output_of(
        command(release.join("with-postgres"))
            .arg(release.join("qingshan"))
            .arg("bench-paging")
            .arg("--folder")
            .arg(folder.path())
            .env("QINGSHAN__LOG__FILTER", "warn,qingshan=info"),
    )?;
    let text = format!(
        "## {PAGING}\n\nWritten by `cargo xtask bench paging`. A doctor starts the stroke team at the door; everybody who is on \
         call for it has a browser that takes messages and a mobile number. Counted is from when the request is sent to when \
         the push service and the gateway, which this machine stands in for, have the last page, sealed for its browser; \
         how long theirs takes to a pocket is not in it. {}\n{measured}",
        machine()?
    );
    put(Some(PAGING), &text)
}

/// Puts a part of the page in the place of the one that was there; the first part has no heading of its own.
fn put(heading: Option<&str>, text: &str) -> Outcome<()> {
    let page = root().join("docs/performance.md");
    let old = fs::read_to_string(&page).unwrap_or_default();
    let mut parts = old.split("\n## ");
    let first = parts.next().unwrap_or_default().trim_end();
    let others = parts.filter(|part| heading.is_none_or(|heading| !part.starts_with(heading)));
    let others = others.map(|part| format!("## {}", part.trim_end()));
    let first = if heading.is_none() { text.trim_end() } else { first };
    let own = heading.map(|_| text.trim_end().to_owned());
    let all: Vec<String> = std::iter::once(first.to_owned()).chain(others).chain(own).collect();
    fs::write(&page, all.join("\n\n") + "\n").map_err(|error| format!("docs/performance.md: {error}"))?;
    eprintln!("docs/performance.md is written.");
    Ok(())
}

fn record(options: &Options) -> Outcome<()> {
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
    let load = format!("Large record: {} resources; {} seconds a load.", options.resources, options.seconds);
    put(None, &format!("{HEAD}\n{}{load}\n\n{measured}", machine()?))
}

/// What it was measured on.
fn machine() -> Outcome<String> {
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
         (the run itself makes 2 to 4, more means that others were at work).\n",
        compiler.trim(),
        commit.trim(),
    ))
}
