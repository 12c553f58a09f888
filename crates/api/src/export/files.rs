//! The files of bulk exports: one directory for each order, one file of lines for each type.

use std::io::ErrorKind;
use std::path::PathBuf;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use fhir::{Category, Error, IssueCode};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

use crate::settings::Export;

/// Bytes read or written at a time.
const CHUNK: usize = 128 << 10;

/// Where the files of an order lie. Names of orders and types consist of letters and digits alone.
fn directory(settings: &Export, order: &str) -> PathBuf {
    settings.directory.join(order)
}

/// A disk that is full or away may be back later; what was being done can be asked for again.
fn unavailable(error: std::io::Error) -> Error {
    let text = "The directory for bulk export cannot be used now.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

/// A file being written under a passing name, so that a half one is never taken for a whole one.
pub(super) struct Lines {
    passing: PathBuf,
    name: PathBuf,
    out: BufWriter<File>,
}

impl Lines {
    /// Begins a file, over one of the same name that was left unfinished.
    pub(super) async fn begin(settings: &Export, order: &str, name: &str) -> Result<Self, Error> {
        let directory = directory(settings, order);
        tokio::fs::create_dir_all(&directory).await.map_err(unavailable)?;
        let passing = directory.join(format!("{name}.part"));
        let file = File::create(&passing).await.map_err(unavailable)?;
        Ok(Self { passing, name: directory.join(name), out: BufWriter::with_capacity(CHUNK, file) })
    }

    /// Adds a resource. Stored JSON has no line breaks.
    pub(super) async fn add(&mut self, resource: &[u8]) -> Result<(), Error> {
        self.out.write_all(resource).await.map_err(unavailable)?;
        self.out.write_all(b"\n").await.map_err(unavailable)
    }

    /// Makes it a whole file.
    pub(super) async fn end(mut self) -> Result<(), Error> {
        self.out.flush().await.map_err(unavailable)?;
        self.out.get_ref().sync_all().await.map_err(unavailable)?;
        tokio::fs::rename(&self.passing, &self.name).await.map_err(unavailable)
    }
}

/// The content of a file, read as it is sent.
pub(super) async fn stream(settings: &Export, order: &str, name: &str) -> Result<Body, Error> {
    let file = File::open(directory(settings, order).join(name)).await.map_err(unavailable)?;
    let chunks = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match file.read_buf(&mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some((Ok::<Bytes, std::io::Error>(chunk.freeze()), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Body::from_stream(chunks))
}

/// Removes the files of an order, if there are any.
pub(super) async fn remove(settings: &Export, order: &str) -> Result<(), Error> {
    match tokio::fs::remove_dir_all(directory(settings, order)).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unavailable(error)),
        _ => Ok(()),
    }
}

/// The names of the orders that have files.
pub(super) async fn orders(settings: &Export) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut entries = match tokio::fs::read_dir(&settings.directory).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(unavailable(error)),
    };
    while let Some(entry) = entries.next_entry().await.map_err(unavailable)? {
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}
