//! Running other programs, and finding what they need.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, in a sentence for the person at the terminal.
pub(crate) type Outcome<T> = Result<T, String>;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace").to_owned()
}

/// A command that will run in the workspace's root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// `cargo`, the one that runs this task.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command with its output on the terminal and says whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Outcome<bool> {
    eprintln!("$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{} cannot be started: {error}", shown(command)))?;
    Ok(status.success())
}

/// Runs a command with its output on the terminal; failing is an error.
pub(crate) fn must_succeed(command: &mut Command) -> Outcome<()> {
    if succeeds(command)? { Ok(()) } else { Err(format!("This command failed: {}", shown(command))) }
}

/// Runs a command and returns what it wrote to its standard output; failing is an error.
pub(crate) fn output_of(command: &mut Command) -> Outcome<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("This command failed: {}", shown(command)));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{} wrote text that is not UTF-8", shown(command)))
}

/// Whether a program of this name stands on the PATH.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Makes sure that Debian's packages are installed. Root gets them installed; anybody else gets told, in one line.
pub(crate) fn need_debian_packages(packages: &[&str]) -> Outcome<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    let may_install = has_program("apt-get") && output_of(Command::new("id").arg("-u"))?.trim() == "0";
    if !may_install {
        return Err(format!("These packages are missing; as root run: {install}"));
    }
    must_succeed(command("apt-get").args(["update", "--quiet"]))?;
    must_succeed(
        command("apt-get")
            .args(["install", "-y", "--quiet", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).stderr(Stdio::null()).output();
    query.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).ends_with("ok installed"))
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
