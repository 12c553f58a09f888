//! `cargo xtask demo`: a running Qingshan with an invented consortium, its people and their histories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::shell::{Outcome, cargo, command, has_program, must_succeed, root};

/// Where the demonstration keeps its record and listens, and how large it is.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the record. One that is there already is served as it is; without this a fresh one is made under
    /// target/demo.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Another seed makes other people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many live in the district.
    #[arg(long, default_value_t = 3_200)]
    residents: usize,
}

/// Builds the program and the portal, puts the cast in and serves until it is interrupted.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    must_succeed(cargo().args(["build", "--package", "qingshan", "--package", "testkit", "--bins"]))?;
    let portal = portal()?;
    let program = root().join("target/debug/qingshan");
    let fresh = root().join("target/demo");
    if options.data.is_none() && fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| format!("{} cannot be emptied: {error}", fresh.display()))?;
    }
    let data = options.data.clone().unwrap_or_else(|| fresh.join("data"));
    if !data.join("record.db").exists() {
        put_in(options, &program, &data)?;
    }
    let mut serve = Command::new(&program);
    serve.arg("serve").arg("--data").arg(&data).args(["--listen", &options.listen]);
    serve.env("QINGSHAN__SIGN_IN__DEMO", "true");
    let roads = data.join("roads.osm");
    if roads.exists() {
        serve.env("QINGSHAN__ROUTING__ROADS", roads);
    }
    match portal {
        Some(portal) => {
            serve.env("QINGSHAN__PORTAL__DIRECTORY", portal);
            eprintln!("\nSign in at http://{}/ as anybody, with one click. Ctrl-C ends it.", options.listen);
        }
        None => eprintln!("\nIt listens at http://{}/fhir. Ctrl-C ends it.", options.listen),
    }
    must_succeed(&mut serve)
}

/// The cast as of now, in a record that does not exist yet.
fn put_in(options: &Options, program: &Path, data: &Path) -> Outcome<()> {
    let cast = tempfile::tempdir().map_err(|error| format!("No temporary folder can be made: {error}"))?;
    let cast = cast.path();
    let mut make = Command::new(root().join("target/debug/cast"));
    make.args(["--seed", &options.seed.to_string(), "--residents", &options.residents.to_string(), "--folder"])
        .arg(cast);
    must_succeed(&mut make)?;
    let steps = [
        (&["consortium", "apply", "--yes"][..], "consortium.toml"),
        (&["import"][..], "records"),
        (&["account", "import"][..], "accounts.jsonl"),
    ];
    for (words, file) in steps {
        must_succeed(Command::new(program).args(words).arg("--data").arg(data).arg(cast.join(file)))?;
    }
    let roads = data.join("roads.osm");
    fs::copy(cast.join("roads.osm"), &roads)
        .map_err(|error| format!("The roads cannot be copied to {}: {error}", roads.display()))?;
    Ok(())
}

/// The folder of the portal, built anew; `None` where there is no npm to build it with, which the person is told.
fn portal() -> Outcome<Option<PathBuf>> {
    if !has_program("npm") {
        eprintln!("The portal is left out: it is built with npm, which is not installed.");
        return Ok(None);
    }
    must_succeed(command("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]))?;
    must_succeed(command("npm").args(["run", "--silent", "build"]))?;
    Ok(Some(root().join("web/portal/dist")))
}
