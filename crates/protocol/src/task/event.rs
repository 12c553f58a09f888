//! Events as they stand in the version of the root Task they made.

use std::collections::BTreeMap;

use fhir::Error;
use serde_json::Value as Json;

use super::part::{Part, Parts};
use super::{end_code, end_of};
use crate::run::{Brought, Deed, Event, MovedPoint, Party};

/// Something that happened to a run, with what came of it besides what [`crate::step`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When it was judged, in microseconds since 1970.
    pub at: i64,
    /// What happened.
    pub event: Event,
    /// What activities made of it: a reference for each activity.
    pub made: BTreeMap<String, String>,
    /// The runs that steps consist of, begun or put in another's place by it: step, which time, run.
    pub begun: Vec<(String, u32, String)>,
}

/// The extension that holds an event.
pub(super) fn to_extension(happened: &Happened) -> Json {
    let Happened { at, event, made, begun } = happened;
    let mut part = deed(Part::default().time("at", *at).text("by", &event.by), &event.deed);
    for (step, holds) in &event.answers {
        part = part.part("answer", Part::default().code("step", step).flag("holds", *holds));
    }
    for (clock, at) in &event.instants {
        part = part.part("instant", Part::default().code("clock", clock).time("at", *at));
    }
    for (activity, what) in made {
        part = part.part("made", Part::default().code("activity", activity).text("what", what));
    }
    for (step, n, run) in begun {
        part = part.part("begun", Part::default().code("step", step).number("n", *n).text("run", run));
    }
    part.extension("event")
}

/// The event an extension holds.
pub(super) fn from_parts(parts: Parts<'_>) -> Result<Happened, Error> {
    let answers = parts.each("answer").map(|one| Ok((one.text("step")?, one.flag("holds"))));
    let made = parts.each("made").map(|one| Ok((one.text("activity")?, one.text("what")?)));
    let begun = parts.each("begun").map(|one| Ok((one.text("step")?, one.number("n")?, one.text("run")?)));
    let instants = parts.each("instant").map(|one| Ok((one.text("clock")?, one.time("at")?)));
    let event = Event {
        by: parts.text("by")?,
        deed: deed_of(parts)?,
        answers: answers.collect::<Result<_, Error>>()?,
        instants: instants.collect::<Result<_, Error>>()?,
    };
    Ok(Happened {
        at: parts.time("at")?,
        event,
        made: made.collect::<Result<_, Error>>()?,
        begun: begun.collect::<Result<_, Error>>()?,
    })
}

fn deed(part: Part, deed: &Deed) -> Part {
    let on = |part: Part, code: &str, step: &str, n: u32| part.code("deed", code).code("step", step).number("n", n);
    match deed {
        Deed::Begin { reach } => reach.iter().fold(part.code("deed", "begin"), |part, brought| {
            let Brought { code, at, source, by, said } = brought;
            let reach = Part::default().code("milestone", code).time("at", *at).some_text("source", source.as_deref());
            part.part("reach", reach.some_text("by", by.as_deref()).some_time("said", *said))
        }),
        Deed::Complete { step, n, outcome, reason, response, at, bind } => {
            let part = on(part, "complete", step, *n).some_text("outcome", outcome.as_deref());
            let part = part.some_reason(reason.as_ref()).some_text("response", response.as_deref());
            bind.iter().fold(part.some_time("when", *at), |part, (role, party)| {
                part.part("bind", Part::default().code("role", role).party("party", party))
            })
        }
        Deed::Take { step, n } => on(part, "take", step, *n),
        Deed::Hand { step, n, party } => on(part, "hand", step, *n).party("party", party),
        Deed::Skip { step, n, reason } => on(part, "skip", step, *n).some_reason(Some(reason)),
        Deed::Acknowledge { step, n } => on(part, "acknowledge", step, *n),
        Deed::Fact { step, milestone, source, at, said } => {
            let part = match step {
                Some((step, n)) => on(part, "fact", step, *n),
                None => part.code("deed", "fact"),
            };
            let part = part.some_text("milestone", milestone.as_deref()).text("source", source);
            part.time("when", *at).some_time("said", *said)
        }
        Deed::Correct { milestone, n, at, reason, signed } => {
            let part = part.code("deed", "correct").text("milestone", milestone).number("n", *n);
            part.time("when", *at).text("reason", reason).some_text("signed", signed.as_deref())
        }
        Deed::Tick { clock, n, point, due } => {
            let part = part.code("deed", "tick").code("clock", clock).number("n", *n);
            part.number("point", *point).time("due", *due)
        }
        Deed::Ended { run, end } => part.code("deed", "ended").text("run", run).code("end", end_code(*end)),
        Deed::Regrade { class, reason } => part.code("deed", "regrade").code("class", class).text("reason", reason),
        Deed::Switch { protocol, reason } => {
            part.code("deed", "switch").code("protocol", protocol).text("reason", reason)
        }
        Deed::Cancel { reason } => part.code("deed", "cancel").some_reason(Some(reason)),
        Deed::Look => part.code("deed", "look"),
        Deed::Migrate { from, points } => {
            points.iter().fold(part.code("deed", "migrate").text("from", from), |part, moved| {
                let MovedPoint { clock, before, after } = moved;
                part.part(
                    "moved",
                    Part::default().code("clock", clock).number("before", *before).number("after", *after),
                )
            })
        }
    }
}

fn deed_of(parts: Parts<'_>) -> Result<Deed, Error> {
    let reason = || parts.some_reason().ok_or_else(|| Error::fault("an event lacks its reason"));
    let plain = || parts.some_text("reason").unwrap_or_default();
    let (step, n) = (|| parts.text("step"), || parts.number("n"));
    Ok(match parts.text("deed")?.as_str() {
        "begin" => {
            let reach = parts.each("reach").map(|one| {
                let (code, at) = (one.text("milestone")?, one.time("at")?);
                let (source, by, said) = (one.some_text("source"), one.some_text("by"), one.some_time("said"));
                Ok(Brought { code, at, source, by, said })
            });
            Deed::Begin { reach: reach.collect::<Result<_, Error>>()? }
        }
        "complete" => {
            let bind = parts.each("bind").map(|one| Ok((one.text("role")?, party(one)?)));
            Deed::Complete {
                step: step()?,
                n: n()?,
                outcome: parts.some_text("outcome"),
                reason: parts.some_reason(),
                response: parts.some_text("response"),
                at: parts.some_time("when"),
                bind: bind.collect::<Result<_, Error>>()?,
            }
        }
        "take" => Deed::Take { step: step()?, n: n()? },
        "hand" => Deed::Hand { step: step()?, n: n()?, party: party(parts)? },
        "skip" => Deed::Skip { step: step()?, n: n()?, reason: reason()? },
        "acknowledge" => Deed::Acknowledge { step: step()?, n: n()? },
        "fact" => Deed::Fact {
            step: parts.some_text("step").map(|step| Ok::<_, Error>((step, n()?))).transpose()?,
            milestone: parts.some_text("milestone"),
            source: parts.text("source")?,
            at: parts.time("when")?,
            said: parts.some_time("said"),
        },
        "correct" => {
            let (milestone, at) = (parts.text("milestone")?, parts.time("when")?);
            Deed::Correct { milestone, n: n()?, at, reason: plain(), signed: parts.some_text("signed") }
        }
        "tick" => {
            Deed::Tick { clock: parts.text("clock")?, n: n()?, point: parts.number("point")?, due: parts.time("due")? }
        }
        "ended" => {
            let end = end_of(&parts.text("end")?).ok_or_else(|| Error::fault("an event names no end that is known"))?;
            Deed::Ended { run: parts.text("run")?, end }
        }
        "regrade" => Deed::Regrade { class: parts.text("class")?, reason: plain() },
        "switch" => Deed::Switch { protocol: parts.text("protocol")?, reason: plain() },
        "cancel" => Deed::Cancel { reason: parts.some_reason().unwrap_or_default() },
        "look" => Deed::Look,
        "migrate" => {
            let points = parts.each("moved").map(|one| {
                let (before, after) = (one.number("before")?, one.number("after")?);
                Ok(MovedPoint { clock: one.text("clock")?, before, after })
            });
            Deed::Migrate { from: parts.text("from")?, points: points.collect::<Result<_, Error>>()? }
        }
        other => return Err(Error::fault(format!("an event of a run is of an unknown kind, {other}"))),
    })
}

fn party(parts: Parts<'_>) -> Result<Party, Error> {
    parts.some_party("party").ok_or_else(|| Error::fault("an event lacks its party"))
}
