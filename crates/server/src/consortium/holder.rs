//! Where a consortium is kept: a record of this machine, or a running server.

use fhir::json;
use record::{Action, Change, Key, ResourceType, SearchRequest, Session, Target};
use serde_json::Value;

use super::difference::Step;
use crate::Outcome;
use crate::import::Remote;
use crate::place::describe;

/// Resources read at a time.
const PAGE: usize = 1_000;

/// Where the resources are.
pub(crate) enum Holder {
    Record(Session),
    Remote(Box<Remote>),
}

impl Holder {
    /// All resources of a type that match one parameter.
    pub(crate) async fn find(&self, type_: &str, name: &str, value: &str) -> Outcome<Vec<Value>> {
        let parameters = vec![(name.to_owned(), value.to_owned()), ("_count".to_owned(), PAGE.to_string())];
        let bodies = match self {
            Self::Record(session) => find(session, named(type_), parameters).await,
            Self::Remote(remote) => remote.find(type_, &parameters).await,
        };
        let bodies = bodies.map_err(|error| describe(&error))?;
        let parsed = bodies.iter().map(|body| serde_json::from_slice(body));
        parsed.collect::<Result<_, _>>().map_err(|error| format!("A stored {type_} is not JSON: {error}"))
    }

    /// Takes the steps, all or none. A resource that somebody changed meanwhile is a refusal.
    pub(crate) async fn take(&self, steps: &[Step]) -> Outcome<()> {
        let changes: Vec<Change> = steps.iter().map(change).collect();
        let taken = match self {
            Self::Record(session) => session.transact(changes).await.map(drop),
            Self::Remote(remote) => remote.transact(&changes).await.map(drop),
        };
        taken.map_err(|refusal| {
            let about = refusal.change.and_then(|at| steps.get(at));
            let about = about.map_or_else(String::new, |step| format!("{}: ", super::difference::key(&step.resource)));
            format!("{about}{} Nothing was written.", describe(&refusal.error))
        })
    }
}

async fn find(
    session: &Session,
    type_: ResourceType,
    parameters: Vec<(String, String)>,
) -> Result<Vec<bytes::Bytes>, fhir::Error> {
    let request = SearchRequest { type_: Some(type_), compartment: None, parameters, strict: true };
    Ok(session.pages(request).matches().await?.into_iter().filter_map(|version| version.body).collect())
}

fn change(step: &Step) -> Change {
    let type_ = named(step.resource["resourceType"].as_str().unwrap_or_default());
    let id = step.resource["id"].as_str().unwrap_or_default();
    let bytes = serde_json::to_vec(&step.resource).expect("a tree is JSON");
    Change::new(Action::Update {
        target: Target::Key(Key::new(type_, id)),
        resource: json::parse(&bytes).expect("what was just written can be read"),
        if_match: step.version,
        if_absent: step.version.is_none(),
    })
}

fn named(type_: &str) -> ResourceType {
    ResourceType::named(type_).expect("a consortium consists of types of R4")
}
