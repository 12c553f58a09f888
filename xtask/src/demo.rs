//! `cargo xtask demo`: a running Qingshan with a few invented people.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::shell::{Outcome, cargo, must_succeed, root};

/// Where the demonstration keeps its record and listens.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the record. Without it a fresh one is made under target/demo.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
}

/// Builds the program, puts the invented people in and serves until it is interrupted.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    must_succeed(cargo().args(["build", "--package", "qingshan"]))?;
    let program = root().join("target/debug/qingshan");
    let fresh = root().join("target/demo");
    let data = options.data.clone().unwrap_or_else(|| fresh.clone());
    if options.data.is_none() && fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| format!("{} cannot be emptied: {error}", fresh.display()))?;
    }
    must_succeed(Command::new(&program).arg("import").arg("--data").arg(&data).arg(root().join("xtask/demo")))?;
    eprintln!("Try http://{}/fhir/Patient?name=shan once it listens. Ctrl-C ends it.", options.listen);
    must_succeed(
        Command::new(&program).args(["serve", "--open"]).arg("--data").arg(&data).args(["--listen", &options.listen]),
    )
}
