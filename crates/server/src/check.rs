//! `qingshan check`: whether the settings and the storage are sound.

use record::Caller;

use crate::settings::Settings;
use crate::{Outcome, place, serve};

/// Says what was found; what is unsound is an error.
pub(crate) async fn run(settings: &Settings) -> Outcome<String> {
    let address = serve::address(settings)?;
    let record = place::open(settings).await?;
    let session = record.session(Caller::system("SYSADMIN"));
    let head = *record.head().borrow();
    let newest = session.changes(head.saturating_sub(1), 1).await.map_err(|error| place::describe(&error))?;
    let place = match settings.record.database.as_str() {
        "" => format!("embedded in {}", settings.record.data.display()),
        _ => "in PostgreSQL".to_owned(),
    };
    // Positions are given without gaps, so the last one is also the number of changes.
    let changes = newest.last().map_or(0, |entry| entry.seq);
    Ok(format!("settings: sound; would listen at {address}\nrecord: {place}, {changes} changes so far"))
}
