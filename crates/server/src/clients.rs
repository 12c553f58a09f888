//! Machine clients that sign in with a secret.

use record::Record;

use crate::Outcome;
use crate::place::describe;

/// Registers a client and says what its keeper must know.
pub(crate) async fn add(record: &Record, id: &str, scope: &str) -> Outcome<String> {
    let secret = api::add_client(record, id, scope).await.map_err(|error| describe(&error))?;
    Ok(format!("client_id {id}\nclient_secret {secret}\nThe secret is kept nowhere; it cannot be shown again."))
}
