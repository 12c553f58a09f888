//! Embeds every text of every line, so that a new line is a new folder and no edit anywhere else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo names the crate's folder"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo names a folder for what is made"));
    println!("cargo::rerun-if-changed={}", root.display());
    let mut table = String::from("&[\n");
    for line in folders(&root)? {
        let mut files = Vec::new();
        texts(&line, &mut files)?;
        // What has no protocol is the crate's own: its sources and its tests.
        if !files.iter().any(|file| file.to_string_lossy().ends_with("protocol.toml")) {
            continue;
        }
        writeln!(table, "    ({:?}, &[", name(&line)).expect("a string takes what is written");
        for file in files {
            let path = file.strip_prefix(&line).expect("a file lies below its folder").to_string_lossy();
            writeln!(table, "        ({path:?}, include_str!({:?})),", file.to_string_lossy())
                .expect("a string takes what is written");
        }
        table.push_str("    ]),\n");
    }
    table.push(']');
    fs::write(out.join("lines.rs"), table)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders in a folder, by name.
fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(root)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

/// The texts below a folder, by path. What the portal builds for itself is left to it.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if !matches!(name(&path).as_str(), "web" | "node_modules" | "target") {
                texts(&path, found)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "toml" || ending == "json") {
            found.push(path);
        }
    }
    Ok(())
}
