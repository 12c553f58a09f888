//! Machine clients that sign in with a secret.

use record::Record;

use crate::Outcome;
use crate::place::describe;

/// Registers a client and returns its secret, which is all that standard output shows, so that a script can take it.
pub(crate) async fn add(record: &Record, id: &str, scope: &str) -> Outcome<String> {
    let secret = api::add_client(record, id, scope).await.map_err(|error| describe(&error))?;
    eprintln!("Client {id} signs in at /auth/token with this secret. It is kept nowhere and cannot be shown again.");
    Ok(secret)
}
