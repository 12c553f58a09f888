//! Where an import goes: a record of this machine, or a running server.

use std::time::Duration;

use fhir::{Category, Error, Value, json};
use record::{Action, Change, Effect, Key, Refusal, Session, Target};
use rustc_hash::FxHashMap;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::group::{Group, Member, Place, Refused};
use super::remote::Remote;

/// How often a group that was turned away for now is offered again; the waits add up to about two minutes.
const TRIES: u32 = 10;

/// Where resources go.
pub(crate) enum Sink {
    Record(Session),
    Remote(Box<Remote>),
}

/// What became of a group.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Resources written.
    pub(crate) written: u64,
    /// Resources that were there already, just so.
    pub(crate) unchanged: u64,
    /// What was not written.
    pub(crate) refused: Vec<Refused>,
}

impl Sink {
    /// Writes a group. `resumed` says that part of it may have been written before, which is then left as it is.
    /// With `skip_invalid` what is refused is left out, together with its whole transaction if it stood in one.
    ///
    /// # Errors
    /// What is no fault of the resources: the record or the server is not there. Then nothing of the group is known to
    /// have been written.
    pub(crate) async fn write(&self, group: Group, resumed: bool, skip_invalid: bool) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut members = group.members;
        if resumed {
            let before = members.len();
            members = self.new_among(members, group.atomic).await?;
            outcome.unchanged += (before - members.len()) as u64;
        }
        while !members.is_empty() {
            let changes = members.iter().map(|member| member.change.clone()).collect();
            let refusal = match self.transact(changes).await {
                Ok(effects) => {
                    let unchanged = effects.iter().filter(|effect| **effect == Effect::Unchanged).count() as u64;
                    outcome.unchanged += unchanged;
                    outcome.written += effects.len() as u64 - unchanged;
                    return Ok(outcome);
                }
                Err(refusal) => refusal,
            };
            if !is_about_content(&refusal.error) {
                return Err(refusal.error);
            }
            let at = refusal.change.filter(|at| *at < members.len());
            let whole = Place { within: String::new(), ..members[0].place.clone() };
            outcome.refused.push(Refused::new(at.map_or(&whole, |at| &members[at].place), &refusal.error));
            match at {
                Some(at) if skip_invalid && !group.atomic => drop(members.remove(at)),
                _ => return Ok(outcome),
            }
        }
        Ok(outcome)
    }

    /// Offers the changes again while the other side is busy or away.
    async fn transact(&self, changes: Vec<Change>) -> Result<Vec<Effect>, Refusal> {
        let mut wait = Duration::from_millis(250);
        for _ in 1..TRIES {
            match self.transact_once(changes.clone()).await {
                Err(refusal) if is_passing(&refusal.error) => tokio::time::sleep(wait).await,
                answer => return answer,
            }
            wait = (wait * 2).min(Duration::from_secs(30));
        }
        self.transact_once(changes).await
    }

    async fn transact_once(&self, changes: Vec<Change>) -> Result<Vec<Effect>, Refusal> {
        match self {
            Self::Record(session) => {
                let applied = session.transact(changes).await?;
                Ok(applied.into_iter().map(|applied| applied.effect).collect())
            }
            Self::Remote(remote) => remote.transact(&changes).await,
        }
    }

    /// The members that are not in the record yet just as they stand here. A transaction was written whole or not at all.
    async fn new_among(&self, members: Vec<Member>, atomic: bool) -> Result<Vec<Member>, Error> {
        let names: FxHashMap<String, String> = members
            .iter()
            .filter_map(|member| Some((member.change.full_url.clone()?, own_key(&member.change)?.to_string())))
            .collect();
        let mut missing = Vec::new();
        for member in &members {
            missing.push(match (&member.change.action, own_key(&member.change)) {
                (Action::Update { resource, .. }, Some(key)) => match self.current(key).await? {
                    Some(stored) => !is_same(&stored, resource, &names),
                    None => true,
                },
                _ => true,
            });
        }
        if atomic && missing.contains(&true) {
            return Ok(members);
        }
        Ok(members.into_iter().zip(missing).filter(|(_, missing)| *missing).map(|(member, _)| member).collect())
    }

    async fn current(&self, key: &Key) -> Result<Option<Value>, Error> {
        let body = match self {
            Self::Record(session) => session.read(key).await?.and_then(|version| version.body),
            Self::Remote(remote) => remote.read(key).await?,
        };
        body.map(|body| json::parse(&body)).transpose()
    }
}

/// The resource that a change names outright.
fn own_key(change: &Change) -> Option<&Key> {
    match &change.action {
        Action::Update { target: Target::Key(key), .. } => Some(key),
        _ => None,
    }
}

/// Whether an error lies in what was offered, rather than in the state of the other side.
fn is_about_content(error: &Error) -> bool {
    use Category::{Conflict, Gone, Invalid, NotFound, PreconditionFailed, TooLarge, Unprocessable, Unsupported};
    matches!(
        error.category(),
        Invalid | Unprocessable | TooLarge | Conflict | PreconditionFailed | NotFound | Gone | Unsupported
    )
}

fn is_passing(error: &Error) -> bool {
    matches!(error.category(), Category::Busy | Category::Unavailable)
}

/// Whether a stored resource is the one in the file, but for what the record itself writes: version, time, and the
/// names that entries of a transaction were given.
fn is_same(stored: &Value, sent: &Value, names: &FxHashMap<String, String>) -> bool {
    contents(stored, names) == contents(sent, names)
}

fn contents(resource: &Value, names: &FxHashMap<String, String>) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut add = |prefix: &str, object: &sonic_rs::Object, left_out: &[&str]| {
        for (name, value) in object.iter().filter(|(name, _)| !left_out.contains(name)) {
            let text = String::from_utf8(json::to_bytes(value)).expect("JSON is UTF-8");
            members.push((format!("{prefix}{name}"), renamed(&text, names)));
        }
    };
    if let Some(object) = resource.as_object() {
        add("", object, &["meta"]);
    }
    if let Some(meta) = resource.get("meta").and_then(|meta| meta.as_object()) {
        add("meta.", meta, &["versionId", "lastUpdated"]);
    }
    members.sort();
    members
}

/// The JSON text with `"urn:…"` replaced by the name that was given to it.
fn renamed(text: &str, names: &FxHashMap<String, String>) -> String {
    if names.is_empty() || !text.contains("\"urn:") {
        return text.to_owned();
    }
    let mut parts = text.split('"');
    let mut result = String::with_capacity(text.len());
    result.push_str(parts.next().unwrap_or_default());
    for part in parts {
        result.push('"');
        let (whole, fragment) = part.split_once('#').map_or((part, ""), |(whole, _)| (whole, &part[whole.len()..]));
        match names.get(whole) {
            Some(name) => {
                result.push_str(name);
                result.push_str(fragment);
            }
            None => result.push_str(part),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Value {
        json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_stored_resource_is_the_same_but_for_version_time_and_given_names() {
        let names = FxHashMap::from_iter([("urn:uuid:1".to_owned(), "Patient/1".to_owned())]);
        let stored = parsed(
            r#"{"resourceType":"Observation","id":"a","meta":{"versionId":"3","lastUpdated":"2026-01-01T00:00:00Z",
                "tag":[{"code":"t"}]},"subject":{"reference":"Patient/1"},"valueQuantity":{"value":1.10}}"#,
        );
        let sent = r#"{"resourceType":"Observation","meta":{"tag":[{"code":"t"}]},"id":"a",
            "subject":{"reference":"urn:uuid:1"},"valueQuantity":{"value":1.10}}"#;
        assert!(is_same(&stored, &parsed(sent), &names));
        assert!(!is_same(&stored, &parsed(&sent.replace("1.10", "1.1")), &names));
        assert!(!is_same(&stored, &parsed(&sent.replace("urn:uuid:1", "urn:uuid:2")), &names));
    }
}
