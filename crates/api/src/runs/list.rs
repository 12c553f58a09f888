//! `GET /protocols`: the latest version of every protocol.

use axum::http::StatusCode;
use protocol::Words;
use protocol::definition::Start;
use record::ResourceType;
use serde::Serialize;

use super::{Visit, json};
use crate::answer::Answer;
use crate::outcome::Failure;
use crate::route::Interaction;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'p> {
    code: &'p str,
    version: &'p str,
    title: &'p Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'p Words>,
    starts: &'p [Start],
    may_start: bool,
    /// There are criteria by which the record suggests it.
    suggests: bool,
}

pub(super) async fn run(visit: &Visit<'_>) -> Result<Answer, Failure> {
    let plans = ResourceType::parse("PlanDefinition")?;
    visit.allow(Interaction::Search { type_: Some(plans), compartment: None }).await?;
    let engine = &visit.app.engine;
    let protocols = engine.protocols().await?;
    let suggested = engine.suggests().await?;
    let entry = |protocol| {
        let protocol: &protocol::Protocol = protocol;
        Entry {
            code: &protocol.code,
            version: &protocol.version,
            title: &protocol.title,
            purpose: protocol.purpose.as_ref(),
            starts: &protocol.starts,
            may_start: engine.may_start(visit.session.caller(), protocol),
            suggests: suggested.iter().any(|code| *code == *protocol.code),
        }
    };
    let entries: Vec<Entry<'_>> = protocols.iter().map(|protocol| entry(protocol)).collect();
    json(StatusCode::OK, &entries)
}
