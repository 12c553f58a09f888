//! How far an import came, so that it can go on after an interruption.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How many texts of each file are done. It may lag behind what was written, never run ahead of it.
pub(crate) struct Checkpoint {
    path: PathBuf,
    content: Content,
    unsaved: usize,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Content {
    /// By the identity of a file: how many of its texts are done.
    done: BTreeMap<String, u64>,
}

/// How many batches may be done before the file is written again.
const SAVE_EVERY: usize = 16;

impl Checkpoint {
    /// Reads the checkpoint at a path; without one the import begins at the beginning.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let content = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("The checkpoint {} is damaged: {error}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(format!("The checkpoint {} cannot be read: {error}", path.display())),
        };
        Ok(Self { path: path.to_owned(), content, unsaved: 0 })
    }

    /// Whether an earlier import left it.
    pub(crate) fn is_resumed(&self) -> bool {
        !self.content.done.is_empty()
    }

    /// How many texts of each file are done.
    pub(crate) fn done(&self) -> BTreeMap<String, u64> {
        self.content.done.clone()
    }

    /// Texts up to these positions are durably written, or refused and told.
    pub(crate) fn advance(&mut self, done: impl IntoIterator<Item = (String, u64)>) -> Result<(), String> {
        for (file, item) in done {
            let entry = self.content.done.entry(file).or_default();
            *entry = item.max(*entry);
        }
        self.unsaved += 1;
        if self.unsaved < SAVE_EVERY { Ok(()) } else { self.save() }
    }

    /// Writes it so that a crash leaves either the old one or the new one.
    pub(crate) fn save(&mut self) -> Result<(), String> {
        let failed =
            |error: std::io::Error| format!("The checkpoint {} cannot be written: {error}", self.path.display());
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside).map_err(failed)?;
        let bytes = serde_json::to_vec(&self.content).expect("a map of numbers is JSON");
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&beside, &self.path).map_err(failed)?;
        self.unsaved = 0;
        Ok(())
    }

    /// The import is complete, so there is nothing to go on from.
    pub(crate) fn forget(self) -> Result<(), String> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("The checkpoint {} cannot be removed: {error}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_import_is_remembered_and_a_complete_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner/import.json");
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        assert!(!checkpoint.is_resumed());
        checkpoint.advance([("a".to_owned(), 3), ("a".to_owned(), 2)]).unwrap();
        checkpoint.save().unwrap();

        let again = Checkpoint::open(&path).unwrap();
        assert!(again.is_resumed());
        assert_eq!(again.done()["a"], 3);
        again.forget().unwrap();
        assert!(!Checkpoint::open(&path).unwrap().is_resumed());
    }

    #[test]
    fn a_damaged_checkpoint_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("import.json");
        fs::write(&path, "{").unwrap();
        assert!(Checkpoint::open(&path).is_err());
    }
}
