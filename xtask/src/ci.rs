//! `cargo xtask ci`: all that must hold before a change lands, from a clean clone.

use std::process::Command;

use crate::shell::{Outcome, cargo, command, root, succeeds};
use crate::tally::Tally;
use crate::{codegen, suites, tidy};

/// Runs the stages in the order of their cost. Each stage counts as one check, and a failed one does not hide the next.
pub(crate) fn run() -> Outcome<Tally> {
    let mut total = Tally::default();
    let mut stage = |name: &str, command: &mut Command| -> Outcome<()> {
        let passed = succeeds(command)?;
        if !passed {
            eprintln!("stage failed: {name}");
        }
        total += Tally::of_one(passed);
        Ok(())
    };
    stage("format", cargo().args(["fmt", "--all", "--check"]))?;
    stage(
        "lockfile",
        cargo().args(["metadata", "--locked", "--format-version=1", "--quiet"]).stdout(std::process::Stdio::null()),
    )?;
    stage("lints", cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let tidied = tidy::run();
    if let Err(message) = &tidied {
        eprintln!("{message}\nstage failed: tidy");
    }
    total += Tally::of_one(tidied.is_ok());
    total += generated_files()?;
    match suites::run(false) {
        Ok(tally) => total += tally,
        Err(message) => {
            eprintln!("{message}\nstage failed: tests");
            total += Tally::of_one(false);
        }
    }
    Ok(total)
}

/// Writes the generated files anew and compares them with the committed ones. Without the registry that the official
/// definitions come from, nothing can be said, and the stage counts as skipped.
fn generated_files() -> Outcome<Tally> {
    if let Err(failure) = codegen::run(&root()) {
        eprintln!("skipped: generated files: {failure}");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    }
    let clean = succeeds(command("git").args(["diff", "--exit-code", "--stat", "--", "crates/fhir/definitions"]))?;
    if !clean {
        eprintln!("stage failed: the generated files are not those that cargo xtask codegen writes");
    }
    Ok(Tally::of_one(clean))
}
