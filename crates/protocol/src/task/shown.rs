//! What is shown of a run besides its root Task.

use fhir::{Error, Value};
use jiff::tz::Offset;
use record::tree;
use serde_json::{Value as Json, json};

use super::part::{Part, date_time, party, reference};
use super::{DUTY, Frame, MILESTONE, NOTICE, PAPER, RUN, STEP, about, concept, put_list, work_id};
use crate::definition::{PartyKind, Protocol, RungKind, Step, Words};
use crate::run::{About, Reached, Run, Work, WorkStatus};

/// The Task of a step that was asked for.
pub fn work(protocol: &Protocol, run: &Run, work: &Work, frame: &Frame) -> Result<Value, Error> {
    let definition = protocol.step(&work.step);
    let role = definition.and_then(|step| protocol.role(&step.who));
    let mut task = json!({
        "resourceType": "Task",
        "id": work_id(&run.id, &work.step, work.n),
        "meta": { "tag": [{ "system": RUN, "code": "step" }] },
        "groupIdentifier": { "system": super::CHAIN, "value": run.chain },
        "partOf": [reference(&format!("Task/{}", run.id))],
        "status": match work.status {
            WorkStatus::Ready => "ready",
            WorkStatus::Taken => "in-progress",
            WorkStatus::Done => "completed",
            WorkStatus::Skipped => "rejected",
            WorkStatus::Cancelled => "cancelled",
        },
        "intent": "order",
        "priority": super::priority(protocol, run),
        "code": concept(STEP, &format!("{}.{}", run.protocol, work.step), definition.map(|step| &step.title)),
        "authoredOn": date_time(work.since),
        "lastModified": date_time(work.ended.unwrap_or(work.since).max(work.since)),
        "executionPeriod": { "start": date_time(work.since) },
    });
    if let Some(ended) = work.ended {
        task["executionPeriod"]["end"] = date_time(ended.max(work.since)).into();
    }
    about(&mut task, run, frame);
    let seen = work.acknowledged.iter().map(|(by, at)| Part::default().text("by", by).time("at", *at));
    let mut extensions: Vec<Json> = seen.map(|part| part.extension("acknowledged")).collect();
    extensions.extend(Part::default().some_text("by", work.by.as_deref()).parts());
    put_list(&mut task, "extension", extensions);
    if let Some(reason) = &work.reason {
        let list = definition.and_then(|step| match work.outcome.as_deref() {
            Some(outcome) => step.outcome(outcome)?.reasons.as_deref(),
            None => step.skip.as_deref(),
        });
        let mut coded = json!({});
        if let (Some(list), false) = (list, reason.code.is_empty()) {
            let system = format!("https://qingshan.dev/fhir/CodeSystem/{list}");
            coded["coding"] = json!([{ "system": system, "code": reason.code }]);
        }
        let words = reason.text.as_deref().or(Some(reason.code.as_str())).filter(|words| !words.is_empty());
        if let Some(words) = words {
            coded["text"] = words.into();
            task["statusReason"] = coded;
        }
    }
    if let Some(outcome) = &work.outcome {
        let system = format!("https://qingshan.dev/fhir/CodeSystem/{}-outcome", run.protocol);
        let title = definition.and_then(|step| step.outcome(outcome)).map(|outcome| &outcome.title);
        task["businessStatus"] = concept(&system, &format!("{}.{outcome}", work.step), title);
    }
    let duties = role.map(|role| role.duties.as_slice()).unwrap_or_default();
    let asked = duties.iter().map(|duty| json!({ "coding": [{ "system": DUTY, "code": duty.as_str() }] }));
    put_list(&mut task, "performerType", asked.collect());
    if let Some(owner) = run.assignee(protocol, work) {
        task["owner"] = party(owner);
    }
    if let Some((warn, breach)) = limit(protocol, run, work, frame.zone) {
        task["restriction"]["period"]["end"] = date_time(breach).into();
        if let Some(warn) = warn.filter(|warn| *warn <= breach) {
            task["restriction"]["period"]["start"] = date_time(warn).into();
        }
    }
    if let Some(form) = definition.and_then(|step| step.form.as_ref()) {
        let canonical = format!("https://qingshan.dev/fhir/Questionnaire/{form}");
        task["input"] = json!([{ "type": concept(PAPER, "form", None), "valueCanonical": canonical }]);
    }
    let response = work.response.as_ref().map(|to| ("response", to.clone()));
    let part = work.run.as_ref().map(|run| ("run", format!("Task/{run}")));
    let papers = response.into_iter().chain(part);
    let papers =
        papers.map(|(type_, to)| json!({ "type": concept(PAPER, type_, None), "valueReference": reference(&to) }));
    put_list(&mut task, "output", papers.collect());
    tree::resource(&task)
}

/// When the clock that a step would stop and that breaks first warns and breaks.
fn limit(protocol: &Protocol, run: &Run, work: &Work, zone: Offset) -> Option<(Option<i64>, i64)> {
    let step = protocol.step(&work.step).filter(|_| work.status.is_open())?;
    let running = run.clocks.iter().filter(|ticking| ticking.stopped.is_none());
    let stopped = running.filter(|ticking| protocol.clock(&ticking.clock).is_some_and(|clock| step.stops(clock)));
    let times = stopped.map(|ticking| run.times(protocol, ticking, zone));
    times.filter_map(|times| Some((times.warn, times.breach?))).min_by_key(|(_, breach)| *breach)
}

/// The Observations of the milestones of a run for a patient, with their ids.
pub fn milestones(protocol: &Protocol, run: &Run) -> Vec<(String, Json)> {
    let Some(patient) = &run.patient else { return Vec::new() };
    let mut all = Vec::with_capacity(run.milestones.len());
    for (at, one) in run.milestones.iter().enumerate() {
        let earlier = run.milestones[..at].iter().filter(|other| other.code == one.code && other.n == one.n).count();
        let correction = if earlier == 0 { String::new() } else { format!("-{earlier}") };
        let id = format!("{}.m.{}.{}{correction}", run.id, one.code, one.n);
        let observation = observation(protocol, run, patient, one, &id);
        all.push((id, observation));
    }
    all
}

fn observation(protocol: &Protocol, run: &Run, patient: &str, one: &Reached, id: &str) -> Json {
    let title = protocol.milestone(&one.code).map(|milestone| &milestone.title);
    let mut observation = json!({
        "resourceType": "Observation",
        "id": id,
        "meta": { "tag": [{ "system": RUN, "code": "milestone" }] },
        "status": if one.superseded { "entered-in-error" } else { "final" },
        "code": concept(MILESTONE, &format!("{}.{}", run.protocol, one.code), title),
        "subject": reference(patient),
        "focus": [reference(&format!("Task/{}", run.id))],
        "effectiveDateTime": date_time(one.at),
        "issued": date_time(one.recorded),
    });
    const PERFORMERS: [&str; 6] =
        ["Practitioner/", "PractitionerRole/", "Organization/", "CareTeam/", "Patient/", "RelatedPerson/"];
    if PERFORMERS.iter().any(|type_| one.by.starts_with(type_)) {
        observation["performer"] = json!([reference(&one.by)]);
    } else if one.by.starts_with("Device/") {
        observation["device"] = reference(&one.by);
    }
    const SOURCES: [&str; 6] = [
        "DocumentReference/",
        "ImagingStudy/",
        "Media/",
        "QuestionnaireResponse/",
        "Observation/",
        "MolecularSequence/",
    ];
    if let Some(source) = &one.source {
        if SOURCES.iter().any(|type_| source.starts_with(type_)) {
            observation["derivedFrom"] = json!([reference(source)]);
        } else {
            let url = super::extension_url("source");
            observation["extension"] = json!([{ "url": url, "valueReference": reference(source) }]);
        }
    }
    if let Some(reason) = &one.reason {
        observation["note"] = json!([{ "text": reason }]);
    }
    observation
}

/// The Communication that tells roles of something; none where none of them is bound to anybody.
///
/// `due` is when it should have been told. A message that goes out more than a minute later says so, as after an outage.
pub fn message(
    protocol: &Protocol,
    run: &Run,
    roles: &[String],
    what: &About,
    now: i64,
    due: Option<i64>,
) -> Option<Json> {
    let mut to = Vec::new();
    let mut only_patients = true;
    for role in roles {
        let Some(bound) = run.party(protocol, role).map(party).filter(|bound| !to.contains(bound)) else { continue };
        only_patients &= protocol.role(role).is_some_and(|role| role.party == PartyKind::Patient);
        to.push(bound);
    }
    if to.is_empty() {
        return None;
    }
    let (notice, code, words) = match what {
        About::Milestone { code, .. } => {
            ("milestone", code.as_str(), told_of_milestone(protocol, code, only_patients)?)
        }
        About::Clock { code, point, .. } => ("clock", code.as_str(), told_of_clock(protocol, code, *point)?),
        About::Class { code, reason } => ("class", "class", told_of_class(protocol, code, reason)?),
    };
    let mut payload = json!({ "contentString": words.zh });
    if !words.en.is_empty() {
        payload["_contentString"] = tree::translation(&words.en);
    }
    let mut communication = json!({
        "resourceType": "Communication",
        "status": "completed",
        "category": [{ "coding": [{ "system": NOTICE, "code": notice }] }],
        "priority": super::priority(protocol, run),
        "topic": concept(PROTOCOL_TOPIC, &format!("{}.{code}", run.protocol), Some(&protocol.title)),
        "about": [reference(&format!("Task/{}", run.id))],
        "sent": date_time(now),
        "recipient": to,
        "payload": [payload],
    });
    if let Some(patient) = &run.patient {
        communication["subject"] = reference(patient);
    }
    let mut extensions = paged(protocol, run, roles, what);
    let stands_down =
        protocol.cancel.as_ref().is_some_and(|cancel| cancel.reach.iter().any(|reach| reach.as_str() == code));
    if stands_down && protocol.roles.iter().any(|role| role.call.is_some()) {
        extensions.push(json!({ "url": super::extension_url("stand-down"), "valueBoolean": true }));
    }
    if let Some(due) = due.filter(|due| now - due > LATE) {
        extensions.push(json!({ "url": super::extension_url("late"), "valueDateTime": date_time(due) }));
    }
    put_list(&mut communication, "extension", extensions);
    Some(communication)
}

/// For which of the roles somebody is to be paged, because an answer is waited for: what each is called, what its people
/// are on call for, which duties answer in it, and to whom it is bound.
fn paged(protocol: &Protocol, run: &Run, roles: &[String], what: &About) -> Vec<Json> {
    let paged = roles.iter().filter(|role| is_asked(protocol, what, role)).filter_map(|role| {
        let bound = run.party(protocol, role)?;
        let role = protocol.role(role)?;
        let call = role.call.as_ref()?;
        let part = Part::default().code("role", role.code.as_str()).words("title", &role.title);
        let part = part.code("call", call.as_str()).party("party", bound);
        let part = role.duties.iter().fold(part, |part, duty| part.code("duty", duty.as_str()));
        Some(part.extension("page"))
    });
    paged.collect()
}

/// Whether a role is told because somebody of it has to answer, or because somebody of another has not in time. All
/// else that is told can wait until it is looked at.
fn is_asked(protocol: &Protocol, what: &About, role: &str) -> bool {
    let mut answers = protocol.steps.iter().filter(|step| step.is_paged());
    let asks = |step: &Step, code: &str| {
        let begins = |requirement: &str| requirement.split('|').any(|one| one.trim() == code);
        step.requires.iter().any(|requirement| begins(requirement))
    };
    match what {
        About::Milestone { code, .. } => answers.any(|step| step.who.as_str() == role && asks(step, code)),
        // The clock of an answer runs from what asks for it; another that an answer happens to end is not one.
        About::Clock { code, .. } => protocol
            .clock(code)
            .is_some_and(|clock| answers.any(|step| asks(step, clock.from.as_str()) && step.stops(clock))),
        About::Class { .. } => false,
    }
}

/// From how much on a message is called late, in microseconds.
const LATE: i64 = 60_000_000;

/// The system of the codes of what a message is about.
const PROTOCOL_TOPIC: &str = "https://qingshan.dev/fhir/CodeSystem/notice-topic";

fn told_of_milestone(protocol: &Protocol, code: &str, patient: bool) -> Option<Words> {
    let milestone = protocol.milestone(code)?;
    Some(milestone.patient.clone().filter(|_| patient).unwrap_or_else(|| milestone.title.clone()))
}

fn told_of_class(protocol: &Protocol, code: &str, reason: &str) -> Option<Words> {
    let title = &protocol.class(code)?.title;
    Some(Words { zh: format!("改为{}：{reason}", title.zh), en: format!("Now {}: {reason}", title.en) })
}

fn told_of_clock(protocol: &Protocol, code: &str, point: u32) -> Option<Words> {
    let clock = protocol.clock(code)?;
    let rung = clock.rungs.get(point as usize)?;
    let (zh, en) = match rung.at {
        RungKind::Begin => ("已开始计时", "time is running"),
        RungKind::Target => ("已到目标时间", "the target has passed"),
        RungKind::Warn => ("即将超时", "the limit is near"),
        RungKind::Breach => ("已超时", "the limit has passed"),
    };
    Some(Words { zh: format!("{}：{zh}", clock.title.zh), en: format!("{}: {en}", clock.title.en) })
}
