//! Real material nobody here wrote: official examples, synthetic patients, inputs made wrong on purpose.
//!
//! It lies outside the repository, in `../shared/data` or where `QINGSHAN_TEST_DATA` says. A test that finds it
//! missing says so on standard error and returns, so a checkout alone still passes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the material lies, whether or not it is there.
pub fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration; this is the one place they look")]
    let chosen = std::env::var("QINGSHAN_TEST_DATA").ok();
    match chosen {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    }
}

/// Whether tests are to take all of the material, which `QINGSHAN_TEST_ALL` asks for; most take a part of it by default.
pub fn whole() -> bool {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration; this is the one place they look")]
    let asked = std::env::var("QINGSHAN_TEST_ALL");
    asked.is_ok_and(|asked| !asked.is_empty() && asked != "0")
}

/// The bytes of one file of the material, or none, said on behalf of `test`, when it is not there.
pub fn read(test: &str, path: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(folder().join(path)).ok();
    if bytes.is_none() {
        skipped(test, path);
    }
    bytes
}

/// Shows `visit` every file of a `.tar.gz`, by name within the archive, unpacking one at a time.
///
/// Returns how many there were, or none, said on behalf of `test`, when the archive is not there.
pub fn each_file(test: &str, archive: &str, mut visit: impl FnMut(&str, &[u8])) -> Option<usize> {
    let Ok(file) = File::open(folder().join(archive)) else {
        skipped(test, archive);
        return None;
    };
    let mut count = 0;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().expect("the archive is a tar file") {
        let mut entry = entry.expect("the archive is whole");
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().expect("a name in the archive is a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("the archive is whole");
        visit(&name, &bytes);
        count += 1;
    }
    Some(count)
}

fn skipped(test: &str, missing: &str) {
    eprintln!("skipped: {test}: {} is missing", folder().join(missing).display());
}
