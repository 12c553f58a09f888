//! Clients: systems that sign in by themselves, and apps that people start.
//! <http://hl7.org/fhir/smart-app-launch/STU2/app-launch.html#register-app-with-ehr>

use std::sync::Arc;

use axum::http::Uri;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use record::{Caller, Key, Machine, Record, ResourceType, Standing};
use serde::{Deserialize, Serialize};

use super::jwt::Keys;
use super::{Scopes, digest, hex, same, unauthenticated};

/// The drawer that holds the clients.
const DRAWER: &str = "client";

/// A client as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    /// The name it signs in with.
    pub(crate) id: String,
    /// What people know it by.
    #[serde(default)]
    pub(crate) name: String,
    /// The digest of its salt and secret; empty when it has none.
    #[serde(default)]
    secret: String,
    /// Makes equal secrets look different.
    #[serde(default)]
    salt: String,
    /// What it may ask for at most.
    pub(crate) scope: String,
    /// Whether it may no longer sign in.
    #[serde(default)]
    pub(crate) disabled: bool,
    /// Where people may be sent back to, letter by letter.
    #[serde(default)]
    pub(crate) redirects: Vec<String>,
    /// Whether it runs where it can keep no secret.
    #[serde(default)]
    pub(crate) public: bool,
    /// The keys it proves itself with.
    #[serde(default)]
    pub(crate) keys: Option<Keys>,
    /// The address of those keys.
    #[serde(default)]
    pub(crate) keys_at: Option<String>,
    /// The address it is started at from a patient's record.
    #[serde(default)]
    pub(crate) launch: Option<String>,
    /// The id of the institution for which it works by itself.
    #[serde(default)]
    pub(crate) institution: Option<String>,
}

/// A client to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewClient {
    /// The name it signs in with: 1 to 64 letters, digits, hyphens, underscores and points.
    pub id: String,
    /// What people know it by; the id where it is empty.
    pub name: String,
    /// What it may ask for at most, as SMART scopes.
    pub scope: String,
    /// Where people may be sent back to.
    pub redirects: Vec<String>,
    /// Whether it runs where it can keep no secret, such as in a browser.
    pub public: bool,
    /// A JSON Web Key Set by which it proves itself, or the address of one.
    pub keys: Option<String>,
    /// The address it is started at from a patient's record.
    pub launch: Option<String>,
    /// The id of the `Organization` for which it works by itself: what patients keep from that institution is kept from it.
    /// None is the consortium's own software.
    pub institution: Option<String>,
}

/// Registers a machine client, or registers it anew, and returns its secret, which is kept nowhere.
///
/// Fails with [`Category::Invalid`] when the id is not 1 to 64 letters, digits, hyphens, underscores and points, or
/// the scope cannot be read.
pub async fn add_client(record: &Record, id: &str, scope: &str) -> Result<String, Error> {
    let new = NewClient { id: id.to_owned(), scope: scope.to_owned(), ..NewClient::default() };
    let secret = register_client(record, new).await?;
    secret.ok_or_else(|| Error::fault("a client without keys was given no secret"))
}

/// Registers a client, or registers it anew, and returns its secret if it has one. The secret is kept nowhere.
///
/// Fails with [`Category::Invalid`] when something about it cannot be read.
pub async fn register_client(record: &Record, new: NewClient) -> Result<Option<String>, Error> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !(1..=64).contains(&new.id.len()) || !new.id.bytes().all(letters) {
        return Err(invalid("A client id has 1 to 64 letters, digits, hyphens, underscores and points."));
    }
    let scopes = Scopes::parse(&new.scope)?;
    for address in new.redirects.iter().chain(&new.launch) {
        let sound = address.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()) && !address.contains('#');
        if !sound {
            return Err(invalid("An address of a client is whole, such as https://app.example/back, without a “#”."));
        }
    }
    if let Some(institution) = &new.institution {
        let key = Key::new(ResourceType::parse("Organization")?, institution.as_str());
        let there = record.session(Caller::system("SYSADMIN")).read(&key).await?;
        if there.is_none_or(|version| version.body.is_none()) {
            return Err(invalid(&format!("There is no {key} in this record.")));
        }
    }
    let (keys, keys_at) = match &new.keys {
        None => (None, None),
        Some(address) if address.starts_with("https://") || address.starts_with("http://") => {
            (None, Some(address.clone()))
        }
        Some(text) => {
            let keys = Keys::read(text.as_bytes());
            (Some(keys.ok_or_else(|| invalid("The keys are a JSON Web Key Set, or the address of one."))?), None)
        }
    };
    let secret = (!new.public && new.keys.is_none()).then(|| random(record));
    let salt = hex(&record.surroundings().randomness.bytes());
    let client = Client {
        name: if new.name.is_empty() { new.id.clone() } else { new.name },
        id: new.id,
        secret: secret.as_ref().map(|secret| digest(&format!("{salt}{secret}"))).unwrap_or_default(),
        salt,
        scope: scopes.as_str().to_owned(),
        disabled: false,
        redirects: new.redirects,
        public: new.public,
        keys,
        keys_at,
        launch: new.launch,
        institution: new.institution,
    };
    let body = sonic_rs::to_vec(&client).map_err(Error::fault)?;
    record.drawer(DRAWER).put(&client.id, Bytes::from(body), None).await?;
    Ok(secret)
}

fn invalid(text: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, text)
}

/// 256 bits nobody can guess, in hexadecimal.
pub(crate) fn random(record: &Record) -> String {
    let randomness = &record.surroundings().randomness;
    hex(&[randomness.bytes(), randomness.bytes()].concat())
}

impl Client {
    /// The client that id and secret prove.
    pub(crate) async fn prove(record: &Record, id: &str, secret: &str) -> Result<Self, Error> {
        let refused = || unauthenticated("The client is not known or its secret is wrong.");
        let client = Self::known(record, id).await?.ok_or_else(refused)?;
        let right = !client.secret.is_empty() && same(&client.secret, &digest(&format!("{}{secret}", client.salt)));
        if right && !client.disabled { Ok(client) } else { Err(refused()) }
    }

    /// As what it acts by itself.
    pub(crate) fn standing(&self) -> Standing {
        Standing::Machine(Arc::new(Machine { organization: self.institution.clone() }))
    }

    /// As whom the platform reads for whoever is called so on the trail: for a client with what it may be shown now, for
    /// everybody else with all. Of a client that is no longer known nobody knows for whom it worked.
    pub(crate) async fn reader_for(record: &Record, actor: &str) -> Result<Caller, Error> {
        let standing = match actor.strip_prefix("client/") {
            None | Some("anyone") => Standing::System,
            Some(id) => match Self::known(record, id).await? {
                Some(client) => client.standing(),
                None => Standing::Machine(Arc::default()),
            },
        };
        Ok(Caller { standing, ..Caller::system("HOPERAT") })
    }

    /// The client of that name.
    pub(crate) async fn known(record: &Record, id: &str) -> Result<Option<Self>, Error> {
        let Some(body) = record.drawer(DRAWER).get(id).await? else { return Ok(None) };
        sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
    }

    /// The clients that are started from a patient's record.
    pub(crate) async fn launched(record: &Record) -> Result<Vec<Self>, Error> {
        let mut clients = Vec::new();
        for id in record.drawer(DRAWER).names().await? {
            let client = Self::known(record, &id).await?;
            clients.extend(client.filter(|client| client.launch.is_some() && !client.disabled));
        }
        Ok(clients)
    }
}
