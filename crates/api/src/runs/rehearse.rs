//! `POST /protocols/{code}/rehearsal`: a protocol played through under a clock of its own. Nothing is stored.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use protocol::Effect;
use protocol::rehearsal::{Played, Script, rehearse};
use protocol::run::About;
use protocol::view::{Moment, View, Viewer, view};
use serde::{Deserialize, Serialize};

use super::{Sent, Visit, deed, json};
use crate::answer::Answer;
use crate::interaction::moment;
use crate::outcome::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    class: Option<String>,
    #[serde(default)]
    facts: BTreeMap<String, bool>,
    began: Option<String>,
    #[serde(default)]
    events: Vec<deed::Told>,
    now: String,
}

#[derive(Serialize)]
struct Shown<'v> {
    #[serde(flatten)]
    view: View<'v>,
    /// Who would have been told, and when.
    told: Vec<Notice<'v>>,
    /// What was refused, by the number of the event from 0.
    refused: Vec<Refused<'v>>,
}

#[derive(Serialize)]
struct Notice<'v> {
    at: Moment,
    roles: &'v [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    milestone: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'v str>,
}

#[derive(Serialize)]
struct Refused<'v> {
    event: usize,
    text: &'v str,
}

pub(super) async fn run(visit: &Visit<'_>, code: &str, version: Option<&str>, sent: &Sent) -> Result<Answer, Failure> {
    let protocol = visit.protocol(code, version).await?;
    let told: Told = sent.read_as("a rehearsal")?;
    let (app, zone) = (visit.app, visit.zone());
    let events = told.events.into_iter().map(|event| {
        let (at, by, deed) = event.rehearsed(app)?;
        Ok(Played { at, by, deed })
    });
    let events = events.collect::<Result<Vec<Played>, fhir::Error>>()?;
    let now = moment(app, &told.now)?;
    let began = told.began.as_deref().map(|began| moment(app, began)).transpose()?;
    let began = began.or_else(|| events.iter().map(|event| event.at).min()).unwrap_or(now);
    let script = Script { class: told.class, facts: told.facts, began, events, now };
    let played = rehearse(&protocol, "rehearsal", &script, zone)?;
    let nothing = BTreeMap::new();
    let viewer = Viewer {
        now,
        zone,
        lay: false,
        may: &|_| true,
        may_cancel: true,
        may_regrade: false,
        targets: &[],
        names: &nothing,
        summary: &nothing,
    };
    let refused = played.refused.iter().map(|(event, error)| {
        let text = error.issues().first().map_or("", |issue| issue.text.as_str());
        Refused { event: *event, text }
    });
    let shown = Shown {
        view: view(&protocol, &played.run, viewer),
        told: played.effects.iter().filter_map(|(at, effect)| notice(Moment { at: *at, zone }, effect)).collect(),
        refused: refused.collect(),
    };
    json(StatusCode::OK, &shown)
}

/// What somebody would have been told; nothing where nobody is.
fn notice(at: Moment, effect: &Effect) -> Option<Notice<'_>> {
    let Effect::Tell { roles, about } = effect else { return None };
    Some(match about {
        About::Milestone { code, .. } => Notice { at, roles, milestone: Some(code), clock: None },
        About::Clock { code, .. } => Notice { at, roles, milestone: None, clock: Some(code) },
        About::Class { .. } => return None,
    })
}
