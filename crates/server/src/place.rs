//! From settings to an open record.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fhir::search::OwnAddresses;
use record::person::Matching;
use record::{AuditSettings, Limits, Location, Record, SealKey, Surroundings};

use crate::Outcome;
use crate::arguments::Place;
use crate::settings::Settings;

/// What the command line says about the place overrides the settings.
pub(crate) fn choose(settings: &mut Settings, place: Place) {
    if let Some(data) = place.data {
        settings.record.data = data;
        // A folder named on the command line alone means the embedded record in it.
        if place.database.is_none() {
            settings.record.database.clear();
        }
    }
    if let Some(database) = place.database {
        settings.record.database = database;
    }
}

/// Opens the record that the settings describe.
pub(crate) async fn open(settings: &Settings) -> Outcome<Record> {
    open_in(settings, Surroundings::system()).await
}

/// The same under another clock than the machine's.
pub(crate) async fn open_in(settings: &Settings, surroundings: Surroundings) -> Outcome<Record> {
    let location = match settings.record.database.as_str() {
        "" => Location::Embedded(settings.record.data.clone()),
        url => Location::Postgres(url.to_owned()),
    };
    let journals = settings.record.data.join("trail");
    open_with(settings, location, Some(journals), surroundings).await
}

/// Opens the record at a place, with everything else as the settings say. `journals` is where journals of the trail are
/// kept when the settings do not say; without it what is read is written down in the record at once.
pub(crate) async fn open_at(settings: &Settings, location: Location, journals: Option<PathBuf>) -> Outcome<Record> {
    open_with(settings, location, journals, Surroundings::system()).await
}

async fn open_with(
    settings: &Settings,
    location: Location,
    journals: Option<PathBuf>,
    surroundings: Surroundings,
) -> Outcome<Record> {
    let limits = Limits {
        page: settings.limits.page,
        page_max: settings.limits.page_max,
        search_terms: settings.limits.search_terms,
        chain_depth: settings.limits.chain_depth,
        include_depth: settings.limits.include_depth,
        included_max: settings.limits.included_max,
        sorted_max: settings.limits.sorted_max,
        search_time: Duration::from_secs(settings.limits.search_seconds),
        transaction_entries: settings.limits.transaction_entries,
    };
    let matching = Arc::new(matching(&settings.record.matching)?);
    let told = record::Settings {
        limits,
        zone_offset: settings.record.zone_hours * 3_600,
        own: own(settings),
        validate: settings.record.validate,
        readers: settings.record.readers,
        shelf: settings.record.shelf_mb << 20,
        matching,
        rules: rules(&settings.record.rules)?,
        audit: trail(settings, journals)?,
        ..record::Settings::new(location)
    };
    Record::open(told, surroundings).await.map_err(|error| describe(&error))
}

/// The addresses under which the service is known. Where none is set as the public one, what its answers name is the
/// address that is listened on.
fn own(settings: &Settings) -> OwnAddresses {
    let base = settings.http.base.trim();
    let mut known: Vec<String> = settings.http.also_known_as.clone();
    match settings.server.listen.parse::<SocketAddr>() {
        _ if !base.is_empty() => known.push(base.to_owned()),
        Ok(listen) if listen.port() != 0 && !listen.ip().is_unspecified() => {
            known.push(format!("http://{listen}/fhir"));
            if listen.ip().is_loopback() {
                known.push(format!("http://localhost:{}/fhir", listen.port()));
            }
        }
        _ => {}
    }
    OwnAddresses::new(known)
}

/// Reads the rules for telling people apart; the defaults when no file is named.
fn matching(file: &Path) -> Outcome<Matching> {
    if file.as_os_str().is_empty() {
        return Ok(Matching::default());
    }
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    Matching::merged(&text).map_err(|error| format!("{name}: {}", describe(&error)))
}

/// Reads the rules of who may see what; none when no file is named.
fn rules(file: &Path) -> Outcome<Option<String>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    fs::read_to_string(file).map(Some).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// How the trail is kept.
fn trail(settings: &Settings, journals: Option<PathBuf>) -> Outcome<AuditSettings> {
    let told = &settings.trail;
    let given = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    let folder = given(&told.folder).or(journals);
    let member = |text: &String| {
        let wrong = || format!("“{text}” in trail.members is not NAME=KEY.");
        let (name, key) = text.rsplit_once('=').ok_or_else(wrong)?;
        let key: SealKey = key.trim().parse().map_err(|error| format!("{} {error}", wrong()))?;
        Ok((name.trim().to_owned(), key))
    };
    Ok(AuditSettings {
        gather: Duration::from_millis(told.gather_milliseconds),
        waiting: told.waiting,
        institution: told.institution.clone(),
        key: given(&told.key),
        seal_every: Duration::from_secs(told.seal_minutes.max(1) * 60),
        members: told.members.iter().map(member).collect::<Outcome<_>>()?,
        unaudited: told.unaudited,
        ..AuditSettings::new(folder)
    })
}

/// An error with its private cause: whoever sits at the server's terminal may know it.
pub(crate) fn describe(error: &fhir::Error) -> String {
    match error.cause() {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_knows_its_public_address_or_else_the_one_it_listens_on() {
        let mut settings = Settings::read(None, std::iter::empty()).unwrap();
        let is_own =
            |settings: &Settings, address: &str| own(settings).relative(&format!("{address}/Patient/1")) == "Patient/1";
        assert!(is_own(&settings, "http://127.0.0.1:8080/fhir") && is_own(&settings, "http://localhost:8080/fhir"));
        assert!(!is_own(&settings, "http://127.0.0.1:8081/fhir"));
        settings.http.also_known_as = vec!["http://10.0.0.7/fhir/".to_owned()];
        settings.http.base = "https://record.example/fhir".to_owned();
        assert!(is_own(&settings, "https://record.example/fhir") && is_own(&settings, "http://10.0.0.7/fhir"));
        assert!(!is_own(&settings, "http://127.0.0.1:8080/fhir"), "other machines have that address too");
        settings.http.base = String::new();
        settings.http.also_known_as.clear();
        for nowhere in ["0.0.0.0:8080", "127.0.0.1:0"] {
            settings.server.listen = nowhere.to_owned();
            assert!(own(&settings).is_empty());
        }
    }
}
