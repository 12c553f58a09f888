//! The journal of a process: entries that are not in the database yet, in a file that outlives the process.
//!
//! What was answered has been written, not synced: it survives the end of the process at any moment. What survives the loss
//! of power is what has gone to the database, which is at most the time entries gather later. Entries that come while others
//! are still at work go to the file in one `write`.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

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
    /// Entries that are not in the file yet. Never taken before `open` is by whoever takes both.
    gathering: Mutex<Batch>,
    open: Mutex<Open>,
}

/// Entries that go to the file together.
#[derive(Default)]
struct Batch {
    /// As they stand in the file.
    bytes: Vec<u8>,
    /// Where in `bytes` each entry itself lies.
    entries: Vec<Range<usize>>,
    outcome: Outcome,
}

/// Whether a batch came to be in the file; nothing before it was tried.
type Outcome = Arc<OnceLock<Result<(), Unwritten>>>;

/// Why a batch is not in the file.
#[derive(Debug, Clone)]
enum Unwritten {
    /// Too much waits to go to the database.
    Waiting,
    Disk(Arc<io::Error>),
}

impl From<&Unwritten> for Error {
    fn from(unwritten: &Unwritten) -> Self {
        match unwritten {
            Unwritten::Waiting => {
                let text = "What was read lately cannot be brought into the database, so nothing more can be shown.";
                Self::new(Category::Unavailable, IssueCode::NoStore, text)
            }
            Unwritten::Disk(error) => unusable(Arc::clone(error)),
        }
    }
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

impl Open {
    /// Writes entries at the end of the file, all or none.
    fn write(&mut self, bytes: Vec<u8>, entries: &[Range<usize>], most: usize) -> Result<(), Unwritten> {
        if self.broken || self.waiting.len() >= most {
            return Err(Unwritten::Waiting);
        }
        if let Err(error) = self.file.write_all(&bytes) {
            // Half an entry would hide those after it.
            self.broken = self.file.set_len(self.length).is_err();
            return Err(Unwritten::Disk(error.into()));
        }
        self.length += bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        for entry in entries {
            self.last += 1;
            self.waiting.push_back((self.last, bytes.slice(entry.clone())));
        }
        Ok(())
    }
}

/// A file of this journal that is written no more.
struct Past {
    path: PathBuf,
    /// The number of its last entry.
    last: i64,
    /// Held so that nobody takes it for that of a process that is gone.
    _file: File,
}

fn unusable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let text = "The journal of what is read cannot be written, so nothing can be shown.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

/// Makes a file and keeps it for this process.
fn make(path: &Path) -> Result<File, Error> {
    let file = File::options().create_new(true).append(true).open(path).map_err(unusable)?;
    file.try_lock().map_err(|error| unusable(io::Error::from(error)))?;
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
        let (gathering, open) = (Mutex::default(), Mutex::new(open));
        Ok(Self { folder: folder.to_owned(), most, full: FULL, gathering, open })
    }

    /// Writes an entry. When this returns, it survives the end of the process.
    pub(crate) async fn append(&self, entry: &[u8]) -> Result<(), Error> {
        let outcome = self.gather(entry);
        // Whoever is at work as well comes to its entry meanwhile, and the first to go on writes for all.
        tokio::task::yield_now().await;
        self.written(&outcome)
    }

    fn gather(&self, entry: &[u8]) -> Outcome {
        let mut gathering = self.gathering.lock();
        put_frame(&mut gathering.bytes, entry);
        let end = gathering.bytes.len();
        gathering.entries.push(end - entry.len()..end);
        Arc::clone(&gathering.outcome)
    }

    /// Sees to it that a batch is in the file.
    fn written(&self, outcome: &Outcome) -> Result<(), Error> {
        if outcome.get().is_none() {
            let mut open = self.open.lock();
            // Where nobody else has written it meanwhile, it still gathers.
            if outcome.get().is_none() {
                let batch = std::mem::take(&mut *self.gathering.lock());
                let done = open.write(batch.bytes, &batch.entries, self.most);
                let _ = batch.outcome.set(done);
            }
        }
        let lost = || Err(Error::fault("a batch of the journal was lost"));
        outcome.get().map_or_else(lost, |done| done.as_ref().copied().map_err(Error::from))
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

/// Puts an entry where it is to stand in a file, with its header before it.
fn put_frame(out: &mut Vec<u8>, entry: &[u8]) {
    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(entry).to_be_bytes());
    out.extend_from_slice(entry);
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

    impl Journal {
        fn put(&self, entry: &str) -> Result<(), Error> {
            self.written(&self.gather(entry.as_bytes()))
        }
    }

    fn frame(entry: &[u8]) -> Vec<u8> {
        let mut framed = Vec::new();
        put_frame(&mut framed, entry);
        framed
    }

    #[test]
    fn entries_that_gather_are_written_together_by_the_first_who_goes_on_and_those_after_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "n", 10).unwrap();
        let (one, two) = (journal.gather(b"one"), journal.gather(b"two"));
        journal.written(&two).unwrap();
        let three = journal.gather(b"three");
        journal.written(&one).unwrap();
        assert_eq!((journal.last(), three.get().is_none()), (2, true));
        journal.written(&three).unwrap();
        let waiting = journal.waiting().unwrap().entries;
        assert_eq!(waiting, [(1, Bytes::from("one")), (2, Bytes::from("two")), (3, Bytes::from("three"))]);
        drop(journal);
        let heir = Journal::open(folder.path(), "heir", 10).unwrap();
        assert_eq!(heir.left_behind().unwrap()[0].entries, waiting);
    }

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
        journal.put("one").unwrap();
        journal.put("two").unwrap();
        assert_eq!(journal.put("three").unwrap_err().category(), Category::Unavailable);
        let first = journal.waiting().unwrap();
        assert_eq!(first.entries.len(), 2);
        journal.moved(first.entries[0].0).unwrap();
        assert_eq!(journal.waiting().unwrap().entries[0].1, "two");
        journal.put("three").unwrap();
    }

    #[test]
    fn a_full_file_is_left_for_a_new_one_while_more_comes_and_goes_when_all_of_it_is_moved() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let journal = Journal { full: 1, ..Journal::open(folder.path(), "n", 10).unwrap() };
        journal.put("one").unwrap();
        journal.put("two").unwrap();
        journal.moved(1).unwrap();
        assert_eq!(files(), 2, "the second entry is in the file that was left");
        journal.put("three").unwrap();
        journal.moved(2).unwrap();
        assert_eq!(files(), 2, "the first file is gone, and the second was left for a third");
        journal.put("four").unwrap();
        drop(journal);
        let heir = Journal::open(folder.path(), "heir", 10).unwrap();
        let left: Vec<_> = heir.left_behind().unwrap().iter().flat_map(|file| file.entries.clone()).collect();
        assert_eq!(left, [(3, Bytes::from("three")), (4, Bytes::from("four"))]);
    }

    #[test]
    fn only_the_journals_of_processes_that_are_gone_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Journal::open(folder.path(), "gone", 10).unwrap();
        gone.put("left").unwrap();
        drop(gone);
        let _alive = Journal::open(folder.path(), "alive", 10).unwrap();
        let own = Journal::open(folder.path(), "own", 10).unwrap();
        let left = own.left_behind().unwrap();
        assert_eq!(left.iter().map(Left::name).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(left[0].waiting().next().unwrap().entries[0].1, "left");
    }
}
