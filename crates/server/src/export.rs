//! `qingshan export`: the current resources as NDJSON, one file for each type.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use record::{Act, Caller, Note, Record, ResourceType, SearchRequest, Session};

use crate::Outcome;
use crate::place::describe;

/// Resources read at a time.
const PAGE: &str = "1000";

/// Writes every type that has resources to `FOLDER/TYPE.ndjson` and returns how many there were.
/// A file takes its name only when it is complete.
pub(crate) async fn run(record: &Record, folder: &Path) -> Outcome<u64> {
    fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let session = record.session(Caller::system("SYSADMIN"));
    let note = Note { detail: "all resources to files".to_owned(), ..Note::new(Act::Export) };
    record.note(session.caller(), note).await.map_err(|error| describe(&error))?;
    let mut written = 0;
    for type_ in ResourceType::all() {
        written += export_type(&session, type_, folder).await?;
    }
    Ok(written)
}

async fn export_type(session: &Session, type_: ResourceType, folder: &Path) -> Outcome<u64> {
    let path = folder.join(format!("{type_}.ndjson"));
    let beside = folder.join(format!("{type_}.ndjson.part"));
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let all = SearchRequest::of(type_.name(), &[("_count", PAGE.to_owned())]).map_err(|error| describe(&error))?;
    let mut pages = session.pages(all);
    let mut file: Option<BufWriter<File>> = None;
    let mut written = 0;
    while let Some(page) = pages.next().await.map_err(|error| describe(&error))? {
        for body in page.matches.iter().filter_map(|version| version.body.as_ref()) {
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(BufWriter::new(File::create(&beside).map_err(failed)?)),
            };
            file.write_all(body).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
            written += 1;
        }
    }
    if let Some(file) = file {
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().and_then(|()| fs::rename(&beside, &path)).map_err(failed)?;
    }
    Ok(written)
}
