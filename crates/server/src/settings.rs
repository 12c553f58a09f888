//! Settings: embedded documented defaults, then one file, then the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use protocol::definition::Span;
use serde::Deserialize;
use toml::{Table, Value};

/// The defaults, which are also the list of everything that can be set.
pub(crate) const DEFAULTS: &str = include_str!("../settings.toml");

/// The prefix of environment variables that set something.
const PREFIX: &str = "QINGSHAN__";

/// Everything that can be set; `settings.toml` says what each field means.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) tls: Tls,
    pub(crate) record: Record,
    pub(crate) trail: Trail,
    pub(crate) limits: Limits,
    pub(crate) http: Http,
    pub(crate) portal: Portal,
    pub(crate) sign_in: SignIn,
    #[serde(default)]
    pub(crate) oidc: Vec<api::Provider>,
    pub(crate) protocols: Protocols,
    #[serde(default)]
    pub(crate) own_limit: Vec<OwnLimit>,
    pub(crate) booking: Booking,
    pub(crate) routing: Routing,
    pub(crate) paging: Paging,
    pub(crate) clocks: Clocks,
    pub(crate) live: Live,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) export: Export,
    pub(crate) import: Import,
    pub(crate) log: Log,
}

/// What one institution keeps to in place of a limit of a protocol. Lengths are written as in protocols: `45 min`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnLimit {
    pub(crate) institution: String,
    pub(crate) protocol: String,
    pub(crate) role: Option<String>,
    pub(crate) clock: String,
    pub(crate) class: Option<String>,
    pub(crate) target: Option<Span>,
    pub(crate) warn: Option<Span>,
    pub(crate) breach: Span,
    #[serde(default)]
    pub(crate) always: bool,
    pub(crate) source: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) listen: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) threads: usize,
    pub(crate) plain_http: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A part of the platform that a process may run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// The HTTP door, and nothing that happens by itself.
    Api,
    /// What happens by itself within: care processes and their clocks, places, people, subscriptions, exports, re-indexing,
    /// seals.
    Jobs,
    /// What goes to other systems' wires: people are called by Web Push, text message and telephone.
    Gateways,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    pub(crate) data: PathBuf,
    pub(crate) database: String,
    pub(crate) validate: bool,
    pub(crate) readers: usize,
    pub(crate) shelf_mb: usize,
    pub(crate) zone_hours: i32,
    pub(crate) matching: PathBuf,
    pub(crate) rules: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trail {
    pub(crate) folder: PathBuf,
    pub(crate) gather_milliseconds: u64,
    pub(crate) waiting: usize,
    pub(crate) institution: String,
    pub(crate) key: PathBuf,
    pub(crate) seal_minutes: u64,
    pub(crate) members: Vec<String>,
    /// Set by `serve --measure-without-trail` alone.
    #[serde(skip)]
    pub(crate) unaudited: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Limits {
    pub(crate) page: usize,
    pub(crate) page_max: usize,
    pub(crate) search_terms: usize,
    pub(crate) chain_depth: usize,
    pub(crate) include_depth: usize,
    pub(crate) included_max: usize,
    pub(crate) sorted_max: usize,
    pub(crate) search_seconds: u64,
    pub(crate) transaction_entries: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Http {
    pub(crate) base: String,
    pub(crate) also_known_as: Vec<String>,
    pub(crate) body_mb: usize,
    pub(crate) request_seconds: u64,
    pub(crate) behind_proxy: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Portal {
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) open: bool,
    pub(crate) token_seconds: u64,
    pub(crate) demo: bool,
    pub(crate) idle_minutes: u64,
    pub(crate) session_hours: u64,
    pub(crate) offline_days: u64,
    pub(crate) failures: u32,
    pub(crate) lock_minutes: u64,
    pub(crate) address_failures: u32,
    pub(crate) address_minutes: u64,
    pub(crate) password_length: usize,
    pub(crate) password_classes: usize,
    pub(crate) password_days: u64,
    pub(crate) hash_kib: u32,
    pub(crate) hash_passes: u32,
    pub(crate) hash_lanes: u32,
    pub(crate) hash_at_once: usize,
    pub(crate) hash_waiting: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Protocols {
    pub(crate) install: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Booking {
    pub(crate) hold_minutes: u32,
    pub(crate) hold_hours_most: u32,
    pub(crate) bed_hold_hours: u32,
    pub(crate) pool_release_hours: u32,
    pub(crate) open_bookings: usize,
    pub(crate) horizon_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Routing {
    pub(crate) rules: PathBuf,
    pub(crate) roads: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Paging {
    pub(crate) gateway: String,
    pub(crate) token: String,
    pub(crate) channels: Vec<paging::Channel>,
    pub(crate) sms_template: String,
    pub(crate) voice_template: String,
    pub(crate) text: String,
    pub(crate) contact: String,
    pub(crate) allow_private: bool,
    pub(crate) tries: u32,
    pub(crate) wait_seconds: u64,
    pub(crate) attempt_seconds: u64,
    pub(crate) everyone_most: usize,
    pub(crate) chief: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Clocks {
    pub(crate) skew_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Live {
    pub(crate) heartbeat_seconds: u64,
    pub(crate) backlog: u64,
    pub(crate) streams: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Subscriptions {
    pub(crate) allow: Vec<String>,
    pub(crate) allow_private: bool,
    pub(crate) tries: u32,
    pub(crate) attempt_seconds: u64,
    pub(crate) backlog: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Export {
    pub(crate) keep_hours: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Import {
    pub(crate) batch: usize,
    pub(crate) ahead: usize,
    pub(crate) document_mb: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Log {
    pub(crate) filter: String,
}

impl Settings {
    /// Reads the defaults, the file if one is given, and the environment, each over the one before.
    ///
    /// # Errors
    /// A sentence that names the key, and the key that was probably meant.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, String> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("The settings file {} cannot be read: {error}", path.display()))?,
            None => String::new(),
        };
        let place = file.map_or_else(String::new, |path| path.display().to_string());
        Self::merged(&text, &place, environment)
    }

    fn merged(
        text: &str,
        place: &str,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, String> {
        let mut settings: Table = DEFAULTS.parse().expect("the embedded defaults are TOML");
        let file: Table = text.parse().map_err(|error| format!("{place} is not TOML: {error}"))?;
        for (section, fields) in file {
            if ["oidc", "own_limit"].contains(&section.as_str()) && fields.is_array() {
                settings.insert(section, fields);
                continue;
            }
            let Value::Table(fields) = fields else {
                return Err(format!("{place}: {section} stands outside any section."));
            };
            for (field, value) in fields {
                set(&mut settings, &section, &field, value).map_err(|what| format!("{place}: {what}"))?;
            }
        }
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.to_str().ok_or_else(|| format!("{name} is not UTF-8."))?;
            let path = name[PREFIX.len()..].to_lowercase();
            let (section, field) =
                path.split_once("__").ok_or_else(|| format!("{name} does not read {PREFIX}SECTION__FIELD."))?;
            let value = written(&settings, section, field, value);
            set(&mut settings, section, field, value).map_err(|what| format!("{name}: {what}"))?;
        }
        settings.try_into().map_err(|error| format!("{place}: {}", error.to_string().trim()))
    }
}

/// Puts a value in the place of a default.
fn set(settings: &mut Table, section: &str, field: &str, value: Value) -> Result<(), String> {
    let sections: Vec<String> = settings.keys().cloned().collect();
    let Some(Value::Table(fields)) = settings.get_mut(section) else {
        return Err(format!("There is no section [{section}].{}", meant(section, sections.iter().map(String::as_str))));
    };
    let known: Vec<String> = fields.keys().cloned().collect();
    let Some(default) = fields.get_mut(field) else {
        return Err(format!("There is no {field} in [{section}].{}", meant(field, known.iter().map(String::as_str))));
    };
    if default.type_str() != value.type_str() {
        let (wanted, given) = (default.type_str(), value.type_str());
        return Err(format!("{field} in [{section}] is of type {wanted}, not {given}."));
    }
    *default = value;
    Ok(())
}

/// An environment variable's text, read as the type its default has. Lists are written with commas.
fn written(settings: &Table, section: &str, field: &str, text: &str) -> Value {
    let default = settings.get(section).and_then(|section| section.get(field));
    match default {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
        Some(Value::Array(_)) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => None,
    }
    .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// “Did you mean …?”, when something close enough exists.
pub(crate) fn meant<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let measured = known.into_iter().map(|name| (distance(given, name), name));
    let near = measured.filter(|(distance, _)| *distance <= 3).min();
    near.map_or_else(String::new, |(_, name)| format!(" Did you mean {name}?"))
}

/// How many letters must be changed, added or left out to get from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::merged(file, "file", environment.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn the_defaults_alone_are_a_complete_set() {
        let settings = read("", &[]).unwrap();
        assert_eq!(settings.server.listen, "127.0.0.1:8080");
        assert_eq!(settings.server.parts, [Part::Api, Part::Jobs, Part::Gateways]);
        assert!(!settings.sign_in.open);
    }

    #[test]
    fn the_environment_overrides_the_file_which_overrides_the_defaults() {
        let file = "[http]\nbody_mb = 2\nrequest_seconds = 7\n[server]\nparts = ['api']";
        let set = [("QINGSHAN__HTTP__BODY_MB", "3"), ("QINGSHAN__SUBSCRIPTIONS__ALLOW", "https://a/, https://b/")];
        let settings = read(file, &set).unwrap();
        assert_eq!((settings.http.body_mb, settings.http.request_seconds), (3, 7));
        assert_eq!(settings.server.parts, [Part::Api]);
        assert_eq!(settings.subscriptions.allow, ["https://a/", "https://b/"]);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it_and_what_was_meant() {
        let refusal = read("[http]\nbody_md = 2", &[]).unwrap_err();
        assert!(refusal.contains("no body_md in [http]") && refusal.contains("Did you mean body_mb?"), "{refusal}");
        let refusal = read("", &[("QINGSHAN__HTP__BODY_MB", "2")]).unwrap_err();
        assert!(refusal.contains("QINGSHAN__HTP__BODY_MB") && refusal.contains("Did you mean http?"), "{refusal}");
        assert!(read("listen = 'a'", &[]).unwrap_err().contains("outside any section"));
        assert!(!read("[zebra]\na = 1", &[]).unwrap_err().contains("mean"));
    }

    #[test]
    fn providers_are_listed_and_nothing_in_them_is_unknown() {
        let provider = "[[oidc]]\nname = 'a'\ntitle = 'A'\nissuer = 'https://a.example'\nclient_id = 'q'\n";
        let settings = read(&provider.repeat(2), &[]).unwrap();
        assert_eq!(settings.oidc.len(), 2);
        assert!(read(&format!("{provider}sercet = 'x'"), &[]).unwrap_err().contains("sercet"));
    }

    #[test]
    fn limits_of_institutions_are_listed_and_nothing_in_them_is_unknown() {
        let own = "[[own_limit]]\ninstitution = 'county'\nprotocol = 'stroke'\nclock = 'dnt'\nbreach = '45 min'\nsource = '本院'\n";
        let settings = read(&own.repeat(2), &[]).unwrap();
        assert_eq!(settings.own_limit[1].breach, Span::minutes(45));
        assert!(read(&own.replace("45 min", "45 minutes"), &[]).is_err());
        assert!(read(&own.replace("breach", "braech"), &[]).unwrap_err().contains("braech"));
        assert!(read(&own.replace("source = '本院'", ""), &[]).unwrap_err().contains("source"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        assert!(read("[http]\nbody_mb = 'many'", &[]).unwrap_err().contains("of type integer"));
        assert!(read("", &[("QINGSHAN__HTTP__BODY_MB", "many")]).unwrap_err().contains("of type integer"));
        assert!(read("[server]\nparts = ['everything']", &[]).is_err());
        assert!(read("[http]\nbody_mb = -1", &[]).is_err());
    }
}
