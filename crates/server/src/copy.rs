//! `qingshan copy`: a whole record, with its history and its change feed, into an empty one.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use record::{Location, Record};

use crate::settings::Settings;
use crate::{Outcome, place};

/// Copies and says what was copied. A target that holds anything is refused and left as it is.
pub(crate) async fn run(settings: &Settings, from: &str, to: &str) -> Outcome<String> {
    if let Location::Embedded(folder) = location(from)
        && !folder.join("record.db").is_file()
    {
        return Err(format!("There is no record in {from}."));
    }
    let source = opened(settings, from).await?;
    let target = opened(settings, to).await?;
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
    let bar = ProgressBar::new_spinner().with_style(style);
    let mut rows = std::collections::BTreeMap::new();
    let progress = |table: &'static str, copied: u64| {
        rows.insert(table, copied);
        bar.set_message(format!("{table}: {} rows", HumanCount(copied)));
        bar.tick();
    };
    source.copy_to(&target, progress).await.map_err(|error| place::describe(&error))?;
    bar.finish_and_clear();
    let total: u64 = rows.values().sum();
    let resources = rows.get("resource").copied().unwrap_or_default();
    Ok(format!("{resources} resources with their history and feed copied, {total} rows in all"))
}

/// A record with the journals that lie beside it, whatever folder the settings name for another.
async fn opened(settings: &Settings, record: &str) -> Outcome<Record> {
    let location = location(record);
    let journals = match &location {
        Location::Embedded(folder) => Some(folder.join("trail")),
        Location::Postgres(_) => None,
    };
    place::open_at(settings, location, journals).await
}

fn location(record: &str) -> Location {
    if record.starts_with("postgres://") || record.starts_with("postgresql://") {
        Location::Postgres(record.to_owned())
    } else {
        Location::Embedded(record.into())
    }
}
