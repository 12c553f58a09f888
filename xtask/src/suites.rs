//! `cargo xtask test`: every suite of every language, each with what it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{self, Outcome, cargo, command, has_program, root, succeeds};
use crate::tally::Tally;

/// Runs all suites and counts them. A suite that cannot start counts as one failure, so that the others still run.
///
/// Some tests take a part of the material; with `all` they take the whole of it.
pub(crate) fn run(all: bool) -> Outcome<Tally> {
    shell::need_debian_packages(&["postgresql"])?;
    let mut total = Tally::default();
    let mut add = |name: &str, counted: Outcome<Tally>| {
        let tally = counted.unwrap_or_else(|message| {
            eprintln!("{message}");
            Tally::of_one(false)
        });
        eprintln!("{name}: {} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
        total += tally;
    };

    // One build serves every suite; the tests find the finished programs in the target folder.
    shell::must_succeed(cargo().args(["build", "--workspace", "--all-targets"]))?;
    add("Rust", rust(all));
    add("Rust documentation", documentation());
    for folder in folders_of(&root().join("conformance/clients"))? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.join("requirements.txt").is_file() {
            add(&format!("client {name}"), python(&folder));
        } else if folder.join("package.json").is_file() {
            add(&format!("client {name}"), node_client(&folder));
        }
    }
    add("web", shell::need_debian_packages(&["chromium", "fonts-noto-cjk"]).and_then(|()| node(&root())));
    Ok(total)
}

/// The Rust tests, all sharing one PostgreSQL cluster that lives for this run only.
fn rust(all: bool) -> Outcome<Tally> {
    let target = root().join("target");
    let mut with_cluster = command(target.join("debug/with-postgres"));
    // As many kills as the record promises to survive; a test run by hand makes a few.
    with_cluster.env("QINGSHAN_FAULT_ROUNDS", "50");
    if all {
        with_cluster.env("QINGSHAN_TEST_ALL", "1");
    }
    if has_program("cargo-nextest") {
        // The report outlives a run that never started, so an old one must not be counted.
        let report = target.join("nextest/ci/junit.xml");
        let _ = fs::remove_file(&report);
        let succeeded = succeeds(with_cluster.args(["cargo", "nextest", "run", "--workspace", "--profile", "ci"]))?;
        let text = fs::read_to_string(&report).map_err(|error| format!("nextest left no report: {error}"))?;
        print_skips(&text);
        return Ok(Tally::of_junit(&text).or_failed(succeeded));
    }
    let (succeeded, output) = captured(with_cluster.args([
        "cargo",
        "test",
        "--workspace",
        "--no-fail-fast",
        "--all-targets",
        "--",
        "--show-output",
    ]))?;
    Ok(Tally::of_cargo_test(&output).or_failed(succeeded))
}

fn documentation() -> Outcome<Tally> {
    let (succeeded, output) = captured(cargo().args(["test", "--workspace", "--doc", "--quiet"]))?;
    Ok(Tally::of_cargo_test(&output).or_failed(succeeded))
}

/// A suite of an independent Python client, in a virtual environment of its own, on both databases.
fn python(folder: &Path) -> Outcome<Tally> {
    let environment = environment_of(folder);
    let tool = |name: &str| environment.join("bin").join(name);
    shell::must_succeed(command("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut install = command(tool("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(folder.join("requirements.txt"));
    if !succeeds(&mut install)? {
        return Ok(unreachable(folder));
    }
    let report = environment.join("report.xml");
    let _ = fs::remove_file(&report);
    let succeeded = succeeds(
        command(root().join("target/debug/with-postgres"))
            .arg(tool("python"))
            .args(["-m", "pytest", "--quiet", "--junit-xml"])
            .arg(&report)
            .arg(folder)
            .env("QINGSHAN_BINARY", root().join("target/debug/qingshan")),
    )?;
    let text = fs::read_to_string(&report).map_err(|error| format!("pytest left no report: {error}"))?;
    Ok(Tally::of_junit(&text).or_failed(succeeded))
}

/// A suite of an independent Node client, in a copy of its folder where its packages are installed.
fn node_client(folder: &Path) -> Outcome<Tally> {
    let environment = environment_of(folder);
    fs::create_dir_all(&environment).map_err(|error| format!("{} cannot be made: {error}", environment.display()))?;
    shell::must_succeed(command("cp").arg("-rT").arg(folder).arg(&environment))?;
    let mut install = command("npm");
    if !succeeds(install.args(["ci", "--no-audit", "--no-fund"]).current_dir(&environment))? {
        return Ok(unreachable(folder));
    }
    npm_test(&environment)
}

/// Where what a client's suite needs is installed.
fn environment_of(folder: &Path) -> PathBuf {
    root().join("target/clients").join(folder.file_name().unwrap_or_default())
}

/// A suite whose packages cannot be had is skipped, by name, and counts as one test that did not run.
fn unreachable(folder: &Path) -> Tally {
    eprintln!("skipped: {}: its packages could not be installed", folder.display());
    Tally::of_skipped()
}

fn node(folder: &Path) -> Outcome<Tally> {
    shell::must_succeed(command("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
    npm_test(folder)
}

fn npm_test(folder: &Path) -> Outcome<Tally> {
    let (succeeded, output) = captured(
        command("npm")
            .args(["test", "--silent"])
            .current_dir(folder)
            // The closing lines are read by their words, which colours would break up.
            .env("NO_COLOR", "1")
            .env_remove("FORCE_COLOR")
            .env("QINGSHAN_BINARY", root().join("target/debug/qingshan")),
    )?;
    Ok(Tally::of_node(&output).or_failed(succeeded))
}

/// Runs a command, shows its output and returns it.
fn captured(command: &mut Command) -> Outcome<(bool, String)> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("A suite did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprint!("{text}");
    Ok((output.status.success(), text))
}

/// Skipped tests are silent in the runner's own output, so they are named here.
fn print_skips(report: &str) {
    for line in report.lines().filter(|line| line.contains("skipped: ")) {
        eprintln!("{}", line.rsplit('>').next().unwrap_or_default());
    }
}

/// The folders in a folder, in the order of their names; none if it does not exist.
fn folders_of(parent: &Path) -> Outcome<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(parent).map_err(|error| format!("{} cannot be read: {error}", parent.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}
