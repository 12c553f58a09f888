//! `qingshan client …`: machines that sign in by themselves, and apps that people let in.

use record::Record;

use crate::arguments::AddClient;
use crate::place::describe;
use crate::{Outcome, named};

/// Registers a client and returns its secret, if it has one, which is all that standard output shows, so that a script
/// can take it.
pub(crate) async fn add(record: &Record, add: AddClient) -> Outcome<Option<String>> {
    let AddClient { id, name, scope, redirect_uri, public, jwks, launch_url, institution, .. } = add;
    let new = api::NewClient {
        id: id.clone(),
        name,
        scope,
        redirects: redirect_uri,
        public,
        keys: named(jwks)?,
        launch: launch_url,
        institution,
    };
    let secret = api::register_client(record, new).await.map_err(|error| describe(&error))?;
    match &secret {
        Some(_) => {
            let text = "signs in at /auth/token with this secret. It is kept nowhere and cannot be shown again.";
            eprintln!("Client {id} {text}");
        }
        None => eprintln!("Client {id} is registered. It has no secret."),
    }
    Ok(secret)
}
