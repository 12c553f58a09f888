//! The journal of a process: entries that are not in the database yet, in a file that outlives the process.
//!
//! An entry is one `write`, not a `sync`: what was answered survives the end of the process at any moment. What survives
//! the loss of power is what has gone to the database, which is at most the time entries gather later.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;

use crate::transact::commit::Noted;

/// How the files of journals end.
const ENDING: &str = "journal";

/// A file that has grown to this many bytes is left for a new one, and is taken away as soon as all of it is in the database.
const FULL: u64 = 16 << 20;

/// Entries that go to the database together.
const TOGETHER: usize = 10_000;

/// Bytes before each entry: its length and its checksum, which tells an entry that was not written to its end. Against
/// those who change it on purpose only the chain helps, which the entry is about to become part of.
const HEADER: usize = 8;

pub(crate) struct Journal {
    folder: PathBuf,
    most: usize,
    full: u64,
    open: Mutex<Open>,
}

struct Open {
    /// What this journal is called in the database.
    name: String,
    path: PathBuf,
    file: File,
    /// Bytes of the file that are entries.
    length: u64,
    /// The number of the last entry, counted over all files of this journal.
    last: i64,
    waiting: VecDeque<(i64, Bytes)>,
    /// Files that were left for new ones, in order.
    past: VecDeque<Past>,
    /// Whether the file ends in something that is no entry and could not be taken away.
    broken: bool,
}

/// A file of this journal that is written no more.
struct Past {
    path: PathBuf,
    /// The number of its last entry.
    last: i64,
    /// Held so that nobody takes it for that of a process that is gone.
    _file: File,
}

fn unusable(error: std::io::Error) -> Error {
    let text = "The journal of what is read cannot be written, so nothing can be shown.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

/// Makes a file and keeps it for this process.
fn make(path: &Path) -> Result<File, Error> {
    let file = File::options().create_new(true).append(true).open(path).map_err(unusable)?;
    file.try_lock().map_err(|error| unusable(error.into()))?;
    Ok(file)
}

impl Journal {
    /// Begins a journal. `name` is one that no process ever had.
    pub(crate) fn open(folder: &Path, name: &str, most: usize) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(unusable)?;
        let path = path_of(folder, name, 0);
        let file = make(&path)?;
        let (length, last, waiting, past, broken) = (0, 0, VecDeque::new(), VecDeque::new(), false);
        let open = Open { name: name.to_owned(), path, file, length, last, waiting, past, broken };
        Ok(Self { folder: folder.to_owned(), most, full: FULL, open: Mutex::new(open) })
    }

    /// Writes an entry. When this returns, it survives the end of the process.
    pub(crate) fn append(&self, entry: Bytes) -> Result<(), Error> {
        let framed = frame(&entry);
        let mut open = self.open.lock();
        if open.broken || open.waiting.len() >= self.most {
            let text = "What was read lately cannot be brought into the database, so nothing more can be shown.";
            return Err(Error::new(Category::Unavailable, IssueCode::NoStore, text));
        }
        if let Err(error) = open.file.write_all(&framed) {
            // Half an entry would hide those after it.
            open.broken = open.file.set_len(open.length).is_err();
            return Err(unusable(error));
        }
        open.length += framed.len() as u64;
        open.last += 1;
        let number = open.last;
        open.waiting.push_back((number, entry));
        Ok(())
    }

    /// The number of the last entry.
    pub(crate) fn last(&self) -> i64 {
        self.open.lock().last
    }

    /// The entries to be moved next, which stay here until they are [moved](Self::moved).
    pub(crate) fn waiting(&self) -> Option<Noted> {
        let open = self.open.lock();
        if open.waiting.is_empty() {
            return None;
        }
        let entries = open.waiting.iter().take(TOGETHER).cloned().collect();
        Some(Noted { entries, journal: Some(open.name.clone()) })
    }

    /// The entries up to this number are in the database.
    pub(crate) fn moved(&self, number: i64) -> Result<(), Error> {
        let mut open = self.open.lock();
        while open.waiting.front().is_some_and(|(other, _)| *other <= number) {
            open.waiting.pop_front();
        }
        // Where many read without a pause there is always something waiting, so a full file cannot wait for all of it.
        if open.length >= self.full {
            let path = path_of(&self.folder, &open.name, open.last);
            let file = std::mem::replace(&mut open.file, make(&path)?);
            let path = std::mem::replace(&mut open.path, path);
            let last = open.last;
            open.past.push_back(Past { path, last, _file: file });
            open.length = 0;
        }
        while open.past.front().is_some_and(|past| past.last <= number) {
            // What it held is in the database; if it stays, whoever takes it over finds that it is.
            let past = open.past.pop_front().map(|past| past.path);
            past.map_or(Ok(()), fs::remove_file).map_err(unusable)?;
        }
        Ok(())
    }

    /// The journals of processes that are gone, each of them now this process's. The files of one journal stand in the order
    /// in which they were written.
    pub(crate) fn left_behind(&self) -> Result<Vec<Left>, Error> {
        let own: Vec<PathBuf> = {
            let open = self.open.lock();
            open.past.iter().map(|past| &past.path).chain([&open.path]).cloned().collect()
        };
        let mut paths: Vec<(String, i64, PathBuf)> = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(unusable)? {
            let path = file.map_err(unusable)?.path();
            if own.contains(&path) || path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let named = stem.rsplit_once('-').and_then(|(name, before)| Some((name.to_owned(), before.parse().ok()?)));
            if let Some((name, before)) = named {
                paths.push((name, before, path));
            }
        }
        paths.sort();
        let mut found = Vec::new();
        for files in paths.chunk_by(|one, next| one.0 == next.0) {
            for (name, before, path) in files {
                // Whoever has the first has all: entries that came to the database before earlier ones would hide those.
                let Some(left) = take_over(name, *before, path)? else { break };
                found.push(left);
            }
        }
        Ok(found)
    }
}

/// A file of a journal whose process is gone. `None` where another process has it, or had it until now.
fn take_over(name: &str, before: i64, path: &Path) -> Result<Option<Left>, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    match file.try_lock() {
        // Its process took it away between the opening and now.
        Ok(()) if !path.exists() => return Ok(None),
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unusable)?;
    Ok(Some(Left { name: name.to_owned(), entries: framed(&bytes, before), path: path.to_owned(), _file: file }))
}

/// Where the file of a journal lies that begins after so many entries.
fn path_of(folder: &Path, name: &str, before: i64) -> PathBuf {
    folder.join(format!("{name}-{before}.{ENDING}"))
}

/// A file of the journal of a process that is gone.
pub(crate) struct Left {
    name: String,
    path: PathBuf,
    /// Entries by number.
    entries: Vec<(i64, Bytes)>,
    /// Held so that nobody else takes it over as well.
    _file: File,
}

impl Left {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All its entries; those that are in the database already are passed over there.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Noted> {
        self.entries.chunks(TOGETHER).map(|some| Noted { entries: some.to_vec(), journal: Some(self.name.clone()) })
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(unusable)
    }
}

fn frame(entry: &[u8]) -> Vec<u8> {
    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(entry.len() + HEADER);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&crc32fast::hash(entry).to_be_bytes());
    framed.extend_from_slice(entry);
    framed
}

/// The entries of a file by number. What a process did not come to write in whole was never answered.
fn framed(bytes: &[u8], before: i64) -> Vec<(i64, Bytes)> {
    let mut found = Vec::new();
    let mut number = before;
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + HEADER) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(entry) = bytes.get(at + HEADER..at + HEADER + length).filter(|entry| !entry.is_empty()) else { break };
        if crc32fast::hash(entry).to_be_bytes() != header[4..] {
            break;
        }
        at += HEADER + length;
        number += 1;
        found.push((number, Bytes::copy_from_slice(entry)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_cut_anywhere_gives_back_all_entries_before_the_cut() {
        let entries: Vec<Bytes> = ["one", "two", "three"].map(Bytes::from).into();
        let whole: Vec<u8> = entries.iter().flat_map(|entry| frame(entry)).collect();
        for cut in 0..=whole.len() {
            let found = framed(&whole[..cut], 7);
            let whole_ones = (1..=3)
                .rev()
                .find(|count| entries.iter().take(*count).map(|entry| frame(entry).len()).sum::<usize>() <= cut);
            assert_eq!(found.len(), whole_ones.unwrap_or_default(), "cut at {cut}");
            assert!(found.iter().map(|(_, entry)| entry).eq(entries.iter().take(found.len())), "cut at {cut}");
            assert!(found.iter().map(|(number, _)| *number).eq(8..8 + found.len() as i64));
        }
    }

    #[test]
    fn entries_wait_until_they_are_moved_and_a_journal_with_too_many_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "n", 2).unwrap();
        journal.append("one".into()).unwrap();
        journal.append("two".into()).unwrap();
        assert_eq!(journal.append("three".into()).unwrap_err().category(), Category::Unavailable);
        let first = journal.waiting().unwrap();
        assert_eq!(first.entries.len(), 2);
        journal.moved(first.entries[0].0).unwrap();
        assert_eq!(journal.waiting().unwrap().entries[0].1, "two");
        journal.append("three".into()).unwrap();
    }

    #[test]
    fn a_full_file_is_left_for_a_new_one_while_more_comes_and_goes_when_all_of_it_is_moved() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let journal = Journal { full: 1, ..Journal::open(folder.path(), "n", 10).unwrap() };
        journal.append("one".into()).unwrap();
        journal.append("two".into()).unwrap();
        journal.moved(1).unwrap();
        assert_eq!(files(), 2, "the second entry is in the file that was left");
        journal.append("three".into()).unwrap();
        journal.moved(2).unwrap();
        assert_eq!(files(), 2, "the first file is gone, and the second was left for a third");
        journal.append("four".into()).unwrap();
        drop(journal);
        let heir = Journal::open(folder.path(), "heir", 10).unwrap();
        let left: Vec<_> = heir.left_behind().unwrap().iter().flat_map(|file| file.entries.clone()).collect();
        assert_eq!(left, [(3, Bytes::from("three")), (4, Bytes::from("four"))]);
    }

    #[test]
    fn only_the_journals_of_processes_that_are_gone_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Journal::open(folder.path(), "gone", 10).unwrap();
        gone.append("left".into()).unwrap();
        drop(gone);
        let _alive = Journal::open(folder.path(), "alive", 10).unwrap();
        let own = Journal::open(folder.path(), "own", 10).unwrap();
        let left = own.left_behind().unwrap();
        assert_eq!(left.iter().map(Left::name).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(left[0].waiting().next().unwrap().entries[0].1, "left");
    }
}
