//! What is to be imported: files, folders and archives, as a stream of JSON texts in constant memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;

/// The files found under the paths given.
pub(crate) struct Found {
    /// In the order of their names within each path given.
    pub(crate) files: Vec<PathBuf>,
    /// Their size on disk, all together, in bytes.
    pub(crate) size: u64,
    /// How many files in folders were left out, because nothing in their names says that they hold FHIR.
    pub(crate) left_out: usize,
}

/// One JSON document: a whole file, or a line.
pub(crate) struct Text {
    /// The file it stands in, as a person would name it: `folder/all.zip: Patient.ndjson`.
    pub(crate) file: Arc<str>,
    /// The file as a checkpoint names it: changed content is another file.
    pub(crate) identity: Arc<str>,
    /// Its position among the documents of its file, from 1.
    pub(crate) item: u64,
    /// The line it begins in, from 1.
    pub(crate) line: u64,
    /// Its JSON, or what should be.
    pub(crate) bytes: Vec<u8>,
}

/// What the name of a file says about what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Document,
    Lines,
    Gzip,
    Tar,
    Zip,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        let base = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        // FHIR packages describe themselves in these, which are not resources.
        if base.starts_with('.') || base == "package.json" {
            return Self::Other;
        }
        match base.rsplit('.').next() {
            Some("json") => Self::Document,
            Some("ndjson" | "jsonl") => Self::Lines,
            Some("gz" | "tgz") => Self::Gzip,
            Some("tar") => Self::Tar,
            Some("zip") => Self::Zip,
            _ => Self::Other,
        }
    }
}

/// Lists what the paths hold. A file that is named itself must be of a known kind; folders are searched for such files.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Found, String> {
    let mut found = Found { files: Vec::new(), size: 0, left_out: 0 };
    for path in paths {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            search(path, &mut found).map_err(unreadable)?;
        } else if Kind::of(&path.to_string_lossy()) == Kind::Other {
            let kinds = ".json, .ndjson, .jsonl, .gz, .zip, .tar, .tar.gz and .tgz";
            return Err(format!("{} is of no kind that can be imported ({kinds}).", path.display()));
        } else {
            found.size += fs::metadata(path).map_err(unreadable)?.len();
            found.files.push(path.clone());
        }
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Found) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    for path in entries {
        let about = fs::metadata(&path)?;
        if about.is_dir() {
            search(&path, found)?;
        } else if Kind::of(&path.to_string_lossy()) == Kind::Other {
            found.left_out += 1;
        } else {
            found.size += about.len();
            found.files.push(path);
        }
    }
    Ok(())
}

/// Reads texts one after another and hands them on.
pub(crate) struct Reader<'a> {
    /// Bytes read from disk so far, for whoever shows progress.
    pub(crate) progress: Arc<AtomicU64>,
    /// The largest text accepted, in bytes.
    pub(crate) text_max: u64,
    /// How many texts of a file have been done before, by its identity.
    pub(crate) done: &'a dyn Fn(&str) -> u64,
    /// Takes a text; `false` ends the reading.
    pub(crate) take: &'a mut dyn FnMut(Text) -> bool,
}

/// Why reading ended early.
pub(crate) enum End {
    /// Whoever takes the texts wants no more.
    Enough,
    /// A sentence for the person who started the import.
    Failed(String),
}

impl Reader<'_> {
    /// Reads one file to its end.
    pub(crate) fn file(&mut self, path: &Path) -> Result<(), End> {
        let name = path.to_string_lossy();
        let failed = |error: io::Error| End::Failed(format!("{name} cannot be read: {error}"));
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let full = fs::canonicalize(path).map_err(failed)?;
        let identity = format!("{} {} {}", full.display(), about.len(), changed.as_nanos());
        if Kind::of(&name) == Kind::Zip {
            return self.zip(&name, &identity, Counted { inner: file, progress: Arc::clone(&self.progress) });
        }
        let mut counted = Counted { inner: file, progress: Arc::clone(&self.progress) };
        self.stream(&name, &name, &identity, &mut counted)
    }

    /// Reads a stream: `kind_of` is the part of its name that says what it holds.
    fn stream(&mut self, name: &str, kind_of: &str, identity: &str, input: &mut dyn Read) -> Result<(), End> {
        match Kind::of(kind_of) {
            Kind::Document => self.document(name, identity, input),
            Kind::Lines => self.lines(name, identity, input),
            Kind::Gzip => {
                let lower = kind_of.to_ascii_lowercase();
                let inner = match lower.strip_suffix(".tgz") {
                    Some(stem) => format!("{stem}.tar"),
                    None => lower.trim_end_matches(".gz").to_owned(),
                };
                self.stream(name, &inner, identity, &mut MultiGzDecoder::new(input))
            }
            Kind::Tar => self.tar(name, identity, input),
            Kind::Zip => Err(End::Failed(format!("{name}: a .zip inside another archive cannot be imported."))),
            Kind::Other => Ok(()),
        }
    }

    fn tar(&mut self, name: &str, identity: &str, input: &mut dyn Read) -> Result<(), End> {
        let broken = |error: io::Error| End::Failed(format!("{name} is not a whole tar archive: {error}"));
        let mut archive = tar::Archive::new(input);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let inner = entry.path().map_err(broken)?.to_string_lossy().into_owned();
            self.stream(&format!("{name}: {inner}"), &inner, &format!("{identity} {inner}"), &mut entry)?;
        }
        Ok(())
    }

    fn zip(&mut self, name: &str, identity: &str, file: Counted<File>) -> Result<(), End> {
        let broken = |error: zip::result::ZipError| End::Failed(format!("{name} is not a whole zip archive: {error}"));
        let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
        for position in 0..archive.len() {
            let mut entry = archive.by_index(position).map_err(broken)?;
            if entry.is_file() {
                let inner = entry.name().to_owned();
                self.stream(&format!("{name}: {inner}"), &inner, &format!("{identity} {inner}"), &mut entry)?;
            }
        }
        Ok(())
    }

    fn document(&mut self, name: &str, identity: &str, input: &mut dyn Read) -> Result<(), End> {
        if (self.done)(identity) >= 1 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let failed = |error: io::Error| End::Failed(format!("{name} cannot be read: {error}"));
        input.take(self.text_max + 1).read_to_end(&mut bytes).map_err(failed)?;
        self.hand_on(Text { file: name.into(), identity: identity.into(), item: 1, line: 1, bytes })
    }

    fn lines(&mut self, name: &str, identity: &str, input: &mut dyn Read) -> Result<(), End> {
        let failed = |error: io::Error| End::Failed(format!("{name} cannot be read: {error}"));
        let (file, identity): (Arc<str>, Arc<str>) = (name.into(), identity.into());
        let done = (self.done)(&identity);
        let mut input = BufReader::with_capacity(1 << 18, input);
        let (mut line, mut item) = (0, 0);
        loop {
            let mut bytes = Vec::new();
            let read = (&mut input).take(self.text_max + 1).read_until(b'\n', &mut bytes).map_err(failed)?;
            if read == 0 {
                return Ok(());
            }
            line += 1;
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            item += 1;
            if item > done {
                self.hand_on(Text { file: Arc::clone(&file), identity: Arc::clone(&identity), item, line, bytes })?;
            }
        }
    }

    fn hand_on(&mut self, text: Text) -> Result<(), End> {
        if text.bytes.len() as u64 > self.text_max {
            let bound = self.text_max >> 20;
            let (file, line) = (&text.file, text.line);
            return Err(End::Failed(format!(
                "{file}, line {line}: this text is larger than {bound} MB (import.document_mb); NDJSON has no such bound."
            )));
        }
        if (self.take)(text) { Ok(()) } else { Err(End::Enough) }
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: io::Seek> io::Seek for Counted<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn texts(paths: &[PathBuf], done: &dyn Fn(&str) -> u64) -> Result<Vec<String>, String> {
        let mut seen = Vec::new();
        let mut take = |text: Text| {
            let file = text.file.rsplit('/').next().unwrap_or_default().to_owned();
            seen.push(format!("{file}:{}:{}", text.line, String::from_utf8_lossy(text.bytes.trim_ascii())));
            true
        };
        let mut reader = Reader { progress: Arc::default(), text_max: 100, done, take: &mut take };
        for file in find(paths)?.files {
            match reader.file(&file) {
                Ok(()) | Err(End::Enough) => {}
                Err(End::Failed(message)) => return Err(message),
            }
        }
        Ok(seen)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn every_kind_of_file_is_read_with_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("a.json", b"{\n}");
        write("b.ndjson.gz", &gzip(b"1\n\n2\n"));
        write(
            "c.tar.gz",
            &gzip(&tar_of(&[("in/x.json", b"3"), ("in/readme.md", b"no"), ("y.jsonl.gz", &gzip(b"4\n5"))])),
        );
        let mut zip = zip::ZipWriter::new(File::create(folder.path().join("d.zip")).unwrap());
        zip.start_file("z.ndjson", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"6\n7\n").unwrap();
        zip.finish().unwrap();
        write("notes.txt", b"no");
        write("package.json", b"{}");

        let paths = [folder.path().to_owned()];
        assert_eq!(find(&paths).unwrap().left_out, 2);
        let expected = [
            "a.json:1:{\n}",
            "b.ndjson.gz:1:1",
            "b.ndjson.gz:3:2",
            "x.json:1:3",
            "c.tar.gz: y.jsonl.gz:1:4",
            "c.tar.gz: y.jsonl.gz:2:5",
            "d.zip: z.ndjson:1:6",
            "d.zip: z.ndjson:2:7",
        ];
        assert_eq!(texts(&paths, &|_| 0).unwrap(), expected);
    }

    #[test]
    fn what_was_done_before_is_not_handed_on_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        fs::write(&path, "1\n\n2\n3\n").unwrap();
        assert_eq!(texts(&[path], &|_| 2).unwrap(), ["a.ndjson:4:3"]);
    }

    #[test]
    fn a_text_beyond_the_bound_and_a_file_of_no_known_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (large, other) = (folder.path().join("a.json"), folder.path().join("a.csv"));
        fs::write(&large, vec![b' '; 101]).unwrap();
        fs::write(&other, "a,b").unwrap();
        assert!(texts(&[large], &|_| 0).unwrap_err().contains("larger than"));
        assert!(texts(&[other], &|_| 0).unwrap_err().contains("no kind"));
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let whole = gzip(&tar_of(&[("x.json", b"3")]));
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(texts(&[path], &|_| 0).is_err());
    }
}
