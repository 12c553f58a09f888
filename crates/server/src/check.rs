//! `qingshan check`: whether the settings and the storage are sound.

use crate::settings::Settings;
use crate::{Outcome, place, serve};

/// Says what was found; what is unsound is an error.
pub(crate) async fn run(settings: &Settings) -> Outcome<String> {
    let address = serve::address(settings)?;
    let record = place::open(settings).await?;
    let place = match settings.record.database.as_str() {
        "" => format!("embedded in {}", settings.record.data.display()),
        _ => "in PostgreSQL".to_owned(),
    };
    let found = record.check(|_| {}).await.map_err(|error| place::describe(&error))?;
    let looked_at = format!("{} resources, {} changes so far", found.resources, found.changes);
    if !found.findings.is_empty() {
        let findings = found.findings.join("\n  ");
        return Err(format!("The record {place} ({looked_at}) does not fit together:\n  {findings}"));
    }
    Ok(format!("settings: sound; would listen at {address}\nrecord: sound; {place}, {looked_at}"))
}
