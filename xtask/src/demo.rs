//! `cargo xtask demo`: a running Qingshan with an invented consortium, its people and their histories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use clap::Args;

use crate::shell::{Outcome, cargo, command, has_program, must_succeed, root};

/// Where the demonstration keeps its record and listens, and how large it is.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the record. One that is there already is served with what it holds, and with the service lines of this
    /// tree; without this a fresh one is made under target/demo.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Address and port of what stands in for a gateway of text messages and calls, and shows what it was given.
    #[arg(long, default_value = "127.0.0.1:8093")]
    gateway: String,
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
    if data.join("record.db").exists() {
        // A record keeps the words of a protocol it holds; a demonstration is of the words there are now.
        must_succeed(
            Command::new(&program).args(["protocol", "install", "--replace", "--data"]).arg(&data).args(lines()?),
        )?;
    } else {
        put_in(options, &program, &data)?;
    }
    let _gateway = Gateway::begin(&program, &options.gateway)?;
    let mut serve = Command::new(&program);
    serve.arg("serve").arg("--data").arg(&data).args(["--listen", &options.listen]);
    serve.env("QINGSHAN__SIGN_IN__DEMO", "true");
    serve.env("QINGSHAN__PAGING__GATEWAY", format!("http://{}/messages", options.gateway));
    let roads = data.join("roads.osm");
    if roads.exists() {
        serve.env("QINGSHAN__ROUTING__ROADS", roads);
    }
    match portal {
        Some(portal) => {
            serve.env("QINGSHAN__PORTAL__DIRECTORY", portal);
            eprintln!("\nSign in at http://{}/ as anybody, with one click. Ctrl-C ends it.", options.listen);
            eprintln!("Text messages and calls go to nobody; what they say stands at http://{}/", options.gateway);
        }
        None => eprintln!("\nIt listens at http://{}/fhir. Ctrl-C ends it.", options.listen),
    }
    must_succeed(&mut serve)
}

/// What stands in for the gateway; it ends with the demonstration, however that ends.
struct Gateway(Child);

impl Gateway {
    fn begin(program: &Path, listen: &str) -> Outcome<Self> {
        let child = Command::new(program).args(["stand-in-gateway", "--listen", listen]).spawn();
        child.map(Self).map_err(|error| format!("{} cannot be run: {error}", program.display()))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself, as after Ctrl-C.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folders of the service lines.
fn lines() -> Outcome<Vec<PathBuf>> {
    let folder = root().join("lines");
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let names = path.is_dir().then(|| fs::read_dir(&path)).transpose().map_err(unreadable)?;
        let is_line = |name: &str| name.ends_with("protocol.toml");
        if names.into_iter().flatten().flatten().any(|one| is_line(&one.file_name().to_string_lossy())) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
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
