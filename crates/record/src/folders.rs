//! Files beside the database: large things that are made once, read as a stream and thrown away as a whole.

use std::io::ErrorKind;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use fhir::{Category, Error, IssueCode};
use futures_util::{Stream, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

/// Bytes read or written at a time.
const CHUNK: usize = 128 << 10;

/// Folders of files in one directory. Processes that share a record share the directory.
///
/// Names of folders and files consist of letters, digits, dots and hyphens; they are never taken from a caller.
#[derive(Debug, Clone)]
pub struct Folders {
    directory: PathBuf,
}

/// A disk that is full or away may be back later; what was being done can be asked for again.
fn unavailable(error: std::io::Error) -> Error {
    let text = "The directory for large files cannot be used now.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

impl Folders {
    /// The folders in a directory, which is made when it is first needed.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Begins a file of lines, over one of the same name that was left unfinished.
    pub async fn begin(&self, folder: &str, name: &str) -> Result<Lines, Error> {
        let folder = self.directory.join(folder);
        tokio::fs::create_dir_all(&folder).await.map_err(unavailable)?;
        let passing = folder.join(format!("{name}.part"));
        let file = File::create(&passing).await.map_err(unavailable)?;
        Ok(Lines { passing, name: folder.join(name), out: BufWriter::with_capacity(CHUNK, file) })
    }

    /// The content of a file, read as it is asked for.
    pub async fn stream(
        &self,
        folder: &str,
        name: &str,
    ) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + 'static, Error> {
        let file = File::open(self.directory.join(folder).join(name)).await.map_err(unavailable)?;
        Ok(stream::unfold(Some(file), |file| async {
            let mut file = file?;
            let mut chunk = BytesMut::with_capacity(CHUNK);
            match file.read_buf(&mut chunk).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(chunk.freeze()), Some(file))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Removes a folder with its files, if it is there.
    pub async fn remove(&self, folder: &str) -> Result<(), Error> {
        match tokio::fs::remove_dir_all(self.directory.join(folder)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// The names of the folders there are.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut entries = match tokio::fs::read_dir(&self.directory).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(unavailable(error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(unavailable)? {
            names.extend(entry.file_name().into_string().ok());
        }
        Ok(names)
    }
}

/// A file being written under a passing name, so that a half one is never taken for a whole one.
pub struct Lines {
    passing: PathBuf,
    name: PathBuf,
    out: BufWriter<File>,
}

impl Lines {
    /// Adds a line, which holds no line break itself.
    pub async fn add(&mut self, line: &[u8]) -> Result<(), Error> {
        self.out.write_all(line).await.map_err(unavailable)?;
        self.out.write_all(b"\n").await.map_err(unavailable)
    }

    /// Makes it a whole file, durably.
    pub async fn end(mut self) -> Result<(), Error> {
        self.out.flush().await.map_err(unavailable)?;
        self.out.get_ref().sync_all().await.map_err(unavailable)?;
        tokio::fs::rename(&self.passing, &self.name).await.map_err(unavailable)
    }
}
