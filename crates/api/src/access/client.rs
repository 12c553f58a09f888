//! Machine clients: systems that sign in by themselves.

use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use record::Record;
use serde::{Deserialize, Serialize};

use super::{Scopes, digest, hex, same, unauthenticated};

/// The drawer that holds the clients.
const DRAWER: &str = "client";

/// A client as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    /// The name it signs in with.
    pub(crate) id: String,
    /// The digest of its salt and secret.
    secret: String,
    /// Makes equal secrets look different.
    salt: String,
    /// What it may ask for at most.
    pub(crate) scope: String,
    /// Whether it may no longer sign in.
    #[serde(default)]
    pub(crate) disabled: bool,
}

/// Registers a machine client, or gives a known one a new secret and scope, and returns the secret. It is not kept
/// and cannot be shown again.
///
/// `scope` is a list such as `system/*.rs system/Observation.cruds`. Fails with [`Category::Invalid`] when the id or
/// the scope cannot be read.
pub async fn add_client(record: &Record, id: &str, scope: &str) -> Result<String, Error> {
    let sound =
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !sound {
        let text = "A client id has 1 to 64 letters, digits, hyphens, underscores and points.";
        return Err(Error::new(Category::Invalid, IssueCode::Value, text));
    }
    let scopes = Scopes::parse(scope)?;
    let secret = random(record);
    let salt = hex(&record.surroundings().randomness.bytes());
    let client = Client {
        id: id.to_owned(),
        secret: digest(&format!("{salt}{secret}")),
        salt,
        scope: scopes.as_str().to_owned(),
        disabled: false,
    };
    let body = sonic_rs::to_vec(&client).map_err(Error::fault)?;
    record.drawer(DRAWER).put(id, Bytes::from(body), None).await?;
    Ok(secret)
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
        let right = same(&client.secret, &digest(&format!("{}{secret}", client.salt)));
        if right && !client.disabled { Ok(client) } else { Err(refused()) }
    }

    /// The client of that name.
    pub(crate) async fn known(record: &Record, id: &str) -> Result<Option<Self>, Error> {
        let Some(body) = record.drawer(DRAWER).get(id).await? else { return Ok(None) };
        sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
    }
}
