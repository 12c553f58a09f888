//! `cargo xtask demo`: a running Qingshan with a few invented people.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::shell::{Outcome, cargo, command, has_program, must_succeed, output_of, root};

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

/// Builds the program and the portal, puts the invented people in and serves until it is interrupted.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    must_succeed(cargo().args(["build", "--package", "qingshan"]))?;
    let program = root().join("target/debug/qingshan");
    let fresh = root().join("target/demo");
    let data = options.data.clone().unwrap_or_else(|| fresh.clone());
    if options.data.is_none() && fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| format!("{} cannot be emptied: {error}", fresh.display()))?;
    }
    must_succeed(Command::new(&program).arg("import").arg("--data").arg(&data).arg(root().join("xtask/demo")))?;
    let mut serve = Command::new(&program);
    serve.args(["serve", "--open"]).arg("--data").arg(&data).args(["--listen", &options.listen]);
    eprintln!("\nTry http://{}/fhir/Patient?name=shan once it listens. Ctrl-C ends it.", options.listen);
    if let Some(portal) = portal()? {
        serve.env("QINGSHAN__PORTAL__DIRECTORY", portal);
        let add = ["client", "add", "--id", CLIENT, "--scope", "system/*.cruds"];
        let secret = output_of(Command::new(&program).args(add).arg("--data").arg(&data))?;
        eprintln!("The portal is at http://{}/ for {CLIENT} with the secret {}", options.listen, secret.trim());
    }
    must_succeed(&mut serve)
}

/// Who signs in at the portal of the demonstration.
const CLIENT: &str = "demo";

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
