//! Runs as FHIR: a root Task that holds all there is to know, and what is shown of it besides: a Task for each step,
//! an Observation for each milestone, a Communication for whoever is told.
//!
//! The root Task is the run. It also holds the events that made its version, so that its history tells everything that
//! happened, in order; folding them through [`crate::step`] gives the run again. The other resources are made from it
//! and nothing is read back from them.

mod event;
mod part;
mod shown;

use std::collections::BTreeMap;

use fhir::{Error, Value};
use jiff::tz::Offset;
use record::tree;
use serde_json::{Value as Json, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::criteria::Evidence;
use crate::definition::{End, Limit, Protocol, Span, Words};
use crate::run::{Own, Parent, Reached, Run, Ticking, Work, WorkStatus};
use part::{EXTENSION, Part, Parts, date_time, reference};
pub(crate) use part::{party, party_of};

pub use event::Happened;
pub(crate) use part::date_time as written;
use part::micros;
pub use shown::{message, milestones, work};

/// The system of the tags by which resources of runs are known: `root`, `step`, `milestone`, and `series` of their numbers.
pub const RUN: &str = "https://qingshan.dev/fhir/CodeSystem/run";
/// The system of the codes of protocols.
pub const PROTOCOL: &str = "https://qingshan.dev/fhir/CodeSystem/protocol";
/// The system of the codes of steps, `PROTOCOL.STEP`.
pub const STEP: &str = "https://qingshan.dev/fhir/CodeSystem/step";
/// The system of the codes of milestones, `PROTOCOL.MILESTONE`.
pub const MILESTONE: &str = "https://qingshan.dev/fhir/CodeSystem/milestone";
/// The system of the codes of duties.
pub const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";
/// The system of the codes that say what somebody is told about.
pub const NOTICE: &str = "https://qingshan.dev/fhir/CodeSystem/notice";
/// The system of what stands in `input` and `output` of Tasks.
pub const PAPER: &str = "https://qingshan.dev/fhir/CodeSystem/run-paper";
/// The system of the roles that `input` binds.
pub const ROLE: &str = "https://qingshan.dev/fhir/CodeSystem/role";
/// The system of the codes of activities, `PROTOCOL.ACTIVITY`, by which `output` names what they made.
pub const ACTIVITY: &str = "https://qingshan.dev/fhir/CodeSystem/activity";
/// The system of the traits that `input` holds.
pub const TRAIT: &str = "https://qingshan.dev/fhir/CodeSystem/trait";
/// The system of the identifiers of chains.
pub const CHAIN: &str = "https://qingshan.dev/fhir/sid/chain";
/// Where protocols are defined; followed by the code, `|` and the version.
pub const PLAN: &str = "https://qingshan.dev/fhir/PlanDefinition/";

/// What stands in the root Task besides the run and follows it unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who started the run, such as `PractitionerRole/r1`.
    pub requester: Option<String>,
    /// The offset of the calendars the clocks keep to.
    pub zone: Offset,
}

/// The code of a `Task.status` for the end of a run.
pub(crate) fn end_code(end: End) -> &'static str {
    match end {
        End::Completed => "completed",
        End::Rejected => "rejected",
        End::Cancelled => "cancelled",
        End::Failed => "failed",
    }
}

fn end_of(code: &str) -> Option<End> {
    [End::Completed, End::Rejected, End::Cancelled, End::Failed].into_iter().find(|end| end_code(*end) == code)
}

fn status_code(status: WorkStatus) -> &'static str {
    match status {
        WorkStatus::Ready => "ready",
        WorkStatus::Taken => "taken",
        WorkStatus::Done => "done",
        WorkStatus::Skipped => "skipped",
        WorkStatus::Cancelled => "cancelled",
    }
}

fn status_of(code: &str) -> Option<WorkStatus> {
    let all = [WorkStatus::Ready, WorkStatus::Taken, WorkStatus::Done, WorkStatus::Skipped, WorkStatus::Cancelled];
    all.into_iter().find(|status| status_code(*status) == code)
}

/// The name of the Task of a step: `{run}.{step}.{n}`.
pub fn work_id(run: &str, step: &str, n: u32) -> String {
    format!("{run}.{step}.{n}")
}

/// A CodeableConcept: the code, what it is called in Chinese, and that in English beside it.
pub(crate) fn concept(system: &str, code: &str, title: Option<&Words>) -> Json {
    let mut concept = tree::concept(system, code);
    if let Some(title) = title.filter(|title| !title.zh.is_empty()) {
        concept["text"] = title.zh.as_str().into();
        if !title.en.is_empty() {
            concept["_text"] = tree::translation(&title.en);
        }
    }
    concept
}

/// The code of what a concept says in one system.
fn code_in<'v>(concept: &'v Value, system: &str) -> Option<&'v str> {
    let codings = concept.get("coding")?.as_array()?;
    let coding = codings.iter().find(|coding| coding.get("system").and_then(|found| found.as_str()) == Some(system))?;
    coding.get("code")?.as_str()
}

/// When a run ended: when the last of what it holds was put down.
fn ended(run: &Run) -> Option<i64> {
    run.end?;
    let milestones = run.milestones.iter().filter(|one| one.reason.is_none()).map(|one| one.recorded);
    let steps = run.steps.iter().filter_map(|work| work.ended);
    let clocks = run.clocks.iter().filter(|ticking| ticking.cut).filter_map(|ticking| ticking.stopped);
    milestones.chain(steps).chain(clocks).max()
}

fn priority<'p>(protocol: &'p Protocol, run: &Run) -> &'p str {
    let class = run.class.as_deref().and_then(|class| protocol.class(class));
    class.map(|class| class.priority.as_str()).filter(|priority| !priority.is_empty()).unwrap_or("routine")
}

/// Everything a run is, as its root Task; `happened` is what made this version of it.
pub fn root(protocol: &Protocol, run: &Run, frame: &Frame, happened: &[Happened]) -> Result<Value, Error> {
    let mut task = json!({
        "resourceType": "Task",
        "id": run.id,
        "meta": { "tag": [{ "system": RUN, "code": "root" }] },
        "instantiatesCanonical": format!("{PLAN}{}|{}", run.protocol, run.version),
        "groupIdentifier": { "system": CHAIN, "value": run.chain },
        "status": run.end.map_or("in-progress", end_code),
        "intent": "order",
        "priority": priority(protocol, run),
        "code": concept(PROTOCOL, &run.protocol, Some(&protocol.title)),
        "authoredOn": date_time(run.began),
        "executionPeriod": { "start": date_time(run.began) },
    });
    let due = run.due(protocol, frame.zone).map(|due| due.at);
    put_list(&mut task, "extension", extensions(run, due, happened));
    if let Some(at) = ended(run).filter(|at| *at >= run.began) {
        task["executionPeriod"]["end"] = date_time(at).into();
    }
    if let Some(last) = happened.last() {
        task["lastModified"] = date_time(last.at.max(run.began)).into();
    }
    if let Some(parent) = &run.parent {
        let step = work_id(&parent.run, &parent.step, parent.n);
        task["partOf"] = json!([reference(&format!("Task/{step}"))]);
    }
    if let Some(status) = &run.status {
        task["businessStatus"] = concept(&status_system(&run.protocol), status, None);
    }
    about(&mut task, run, frame);
    if let Some(owner) = run.owner.as_deref().and_then(|role| run.party(protocol, role)) {
        task["owner"] = party(owner);
    }
    let recipients: Vec<Json> = recipients(run).collect();
    if !recipients.is_empty() {
        task["restriction"]["recipient"] = recipients.into();
    }
    if let Some(due) = due {
        task["restriction"]["period"]["end"] = date_time(due).into();
    }
    let class = run.class.iter().map(|class| json!({ "type": concept(PAPER, "class", None), "valueCode": class }));
    let bound = run.parties.iter().map(|(code, bound)| {
        let title = protocol.role(code).map(|role| &role.title);
        json!({ "type": concept(ROLE, code, title), "valueReference": party(bound) })
    });
    let response = run.response.iter();
    let response =
        response.map(|to| json!({ "type": concept(PAPER, "response", None), "valueReference": reference(to) }));
    let traits = run.traits.iter().map(|(code, value)| {
        let title = protocol.trait_(code).map(|one| &one.title);
        json!({ "type": concept(TRAIT, code, title), "valueString": value })
    });
    put_list(&mut task, "input", class.chain(response).chain(grounds(run)).chain(traits).chain(bound).collect());
    let reached = run.milestones.iter().map(|one| milestone(protocol, run, one));
    put_list(&mut task, "output", reached.chain(created(protocol, run)).collect());
    tree::resource(&task)
}

/// What activities created besides the focus, for readers that know only FHIR; the run itself is read from its extensions.
fn created<'r>(protocol: &'r Protocol, run: &'r Run) -> impl Iterator<Item = Json> + use<'r> {
    run.created(protocol).map(|(activity, what)| {
        let code = format!("{}.{}", run.protocol, activity.code);
        json!({ "type": concept(ACTIVITY, &code, activity.title.as_ref()), "valueReference": reference(what) })
    })
}

/// Why a run began, among its input: the rule, and what showed that it held.
fn grounds(run: &Run) -> impl Iterator<Item = Json> {
    let shown = |evidence: &Evidence| {
        let type_ = concept(PAPER, "evidence", None);
        match evidence {
            Evidence::Resource(to) => json!({ "type": type_, "valueReference": reference(to) }),
            Evidence::Value(text) => json!({ "type": type_, "valueString": text }),
        }
    };
    run.grounds.iter().flat_map(move |grounds| {
        let rule = json!({ "type": concept(PAPER, "criterion", None), "valueCode": grounds.rule });
        std::iter::once(rule).chain(grounds.evidence.iter().map(shown))
    })
}

/// Puts a list where it holds something; FHIR knows no empty ones.
fn put_list(resource: &mut Json, name: &str, list: Vec<Json>) {
    if !list.is_empty() {
        resource[name] = list.into();
    }
}

/// Whom and what a Task of a run is about, and who asked for it.
fn about(task: &mut Json, run: &Run, frame: &Frame) {
    if let Some(patient) = &run.patient {
        task["for"] = reference(patient);
    }
    if let Some(focus) = &run.focus {
        task["focus"] = reference(focus);
        if focus.starts_with("ServiceRequest/") {
            task["basedOn"] = json!([reference(focus)]);
        }
    }
    if let Some(requester) = &frame.requester {
        task["requester"] = reference(requester);
    }
}

/// Everybody who takes part and whom a Task can name as recipient, each once.
fn recipients(run: &Run) -> impl Iterator<Item = Json> {
    const MAY: [&str; 6] =
        ["Patient/", "Practitioner/", "PractitionerRole/", "RelatedPerson/", "Group/", "Organization/"];
    let parties = run.parties.values().map(|party| (party.reference.as_str(), party));
    let parties: BTreeMap<&str, _> = parties.filter(|(to, _)| MAY.iter().any(|type_| to.starts_with(type_))).collect();
    parties.into_values().map(party)
}

fn status_system(protocol: &str) -> String {
    format!("https://qingshan.dev/fhir/CodeSystem/{protocol}-status")
}

fn milestone(protocol: &Protocol, run: &Run, one: &Reached) -> Json {
    let part = Part::default().number("n", one.n).time("recorded", one.recorded).text("by", &one.by);
    let part = part.some_text("source", one.source.as_deref()).some_text("reason", one.reason.as_deref());
    let part = part.some_text("signed", one.signed.as_deref()).some_time("said", one.said);
    let part = if one.superseded { part.flag("superseded", true) } else { part };
    let title = protocol.milestone(&one.code).map(|milestone| &milestone.title);
    json!({
        "extension": part.parts(),
        "type": concept(MILESTONE, &format!("{}.{}", run.protocol, one.code), title),
        "valueDateTime": date_time(one.at),
    })
}

fn extensions(run: &Run, due: Option<i64>, happened: &[Happened]) -> Vec<Json> {
    let mut all: Vec<Json> = happened.iter().map(event::to_extension).collect();
    all.extend(Part::default().some_time("due", due).parts());
    all.extend(Part::default().some_text("owner", run.owner.as_deref()).parts());
    for work in &run.steps {
        let part = Part::default().code("step", &work.step).number("n", work.n);
        let part = part.code("status", status_code(work.status)).time("since", work.since);
        let part = part.some_time("ended", work.ended).some_text("outcome", work.outcome.as_deref());
        let part = part.some_reason(work.reason.as_ref()).some_text("response", work.response.as_deref());
        let part = part.some_party("party", work.party.as_ref()).some_text("by", work.by.as_deref());
        let part = part.some_text("run", work.run.as_deref()).number("asked", work.asked);
        let part = work
            .acknowledged
            .iter()
            .fold(part, |part, (by, at)| part.part("acknowledged", Part::default().text("by", by).time("at", *at)));
        all.push(part.extension("step"));
    }
    for ticking in &run.clocks {
        let part = Part::default().code("clock", &ticking.clock).number("n", ticking.n).time("began", ticking.began);
        let part = part
            .some_time("base", ticking.base)
            .some_time("stopped", ticking.stopped)
            .some_time("paused", ticking.paused);
        let part = if ticking.cut { part.flag("cut", true) } else { part };
        let part = if ticking.held == 0 { part } else { part.length("held", ticking.held) };
        let part = ticking.fired.iter().fold(part, |part, point| part.number("fired", *point));
        all.push(part.extension("clock"));
    }
    for own in &run.own {
        let limit = &own.limit;
        let span = |span: Option<Span>| span.map(|span| span.to_string());
        let part = Part::default().code("clock", &own.clock).text("of", &own.of);
        let part = part.some_text("class", limit.class.as_deref()).some_text("target", span(limit.target).as_deref());
        let part = part.some_text("warn", span(limit.warn).as_deref()).text("breach", &limit.breach.to_string());
        let part = if limit.always { part.flag("always", true) } else { part };
        all.push(part.some_text("source", limit.source.as_deref()).extension("own-limit"));
    }
    for (step, holds) in &run.answers {
        all.push(Part::default().code("step", step).flag("holds", *holds).extension("answer"));
    }
    for (activity, what) in &run.made {
        all.push(Part::default().code("activity", activity).text("what", what).extension("made"));
    }
    all
}

/// The run a root Task holds. Fails with a fault when it is none: nobody but this module writes them.
pub fn run(task: &Value) -> Result<Run, Error> {
    let missing = |name: &str| Error::fault(format!("a root Task lacks {name}"));
    let text = |name: &str| task.get(name).and_then(|text| text.as_str());
    let to = |name: &str| Some(task.get(name)?.get("reference")?.as_str()?.to_owned());
    let canonical = text("instantiatesCanonical").and_then(|url| url.strip_prefix(PLAN));
    let (protocol, version) = canonical.and_then(|url| url.split_once('|')).ok_or_else(|| missing("its protocol"))?;
    let began = text("authoredOn").and_then(micros).ok_or_else(|| missing("its beginning"))?;
    let chain = task.get("groupIdentifier").and_then(|group| group.get("value")).and_then(|chain| chain.as_str());
    let items = |name: &str| {
        let list = task.get(name).and_then(|list| list.as_array());
        list.map(|list| list.as_slice()).unwrap_or_default()
    };
    let parts = Parts::of(task);
    let mut run = Run {
        id: text("id").ok_or_else(|| missing("its id"))?.to_owned(),
        protocol: protocol.to_owned(),
        version: version.to_owned(),
        patient: to("for"),
        focus: to("focus"),
        chain: chain.ok_or_else(|| missing("its chain"))?.to_owned(),
        parent: items("partOf").first().and_then(parent_of),
        end: end_of(text("status").unwrap_or_default()),
        status: task.get("businessStatus").and_then(|status| code_in(status, &status_system(protocol))).map(Into::into),
        owner: parts.some_text("owner"),
        began,
        ..Run::default()
    };
    for input in items("input") {
        let Some(type_) = input.get("type") else { continue };
        if let Some(role) = code_in(type_, ROLE) {
            let bound = input.get("valueReference").and_then(party_of).ok_or_else(|| missing("a party"))?;
            run.parties.insert(role.to_owned(), bound);
        } else if let Some(code) = code_in(type_, TRAIT) {
            let value = input.get("valueString").and_then(|value| value.as_str()).ok_or_else(|| missing("a trait"))?;
            run.traits.insert(code.to_owned(), value.to_owned());
        } else if code_in(type_, PAPER) == Some("class") {
            run.class = input.get("valueCode").and_then(|class| class.as_str()).map(str::to_owned);
        } else if code_in(type_, PAPER) == Some("response") {
            run.response = input.get("valueReference").and_then(party_of).map(|party| party.reference);
        } else if code_in(type_, PAPER) == Some("criterion") {
            let rule = input.get("valueCode").and_then(|rule| rule.as_str()).ok_or_else(|| missing("its rule"))?;
            run.grounds.get_or_insert_default().rule = rule.to_owned();
        } else if code_in(type_, PAPER) == Some("evidence") {
            let resource = input.get("valueReference").and_then(party_of).map(|to| Evidence::Resource(to.reference));
            let value = || Some(Evidence::Value(input.get("valueString")?.as_str()?.to_owned()));
            let evidence = resource.or_else(value).ok_or_else(|| missing("its evidence"))?;
            run.grounds.get_or_insert_default().evidence.push(evidence);
        }
    }
    for output in items("output") {
        if output.get("type").is_some_and(|type_| code_in(type_, ACTIVITY).is_some()) {
            continue;
        }
        let code = output.get("type").and_then(|type_| code_in(type_, MILESTONE));
        let code = code.and_then(|code| code.strip_prefix(protocol)?.strip_prefix('.'));
        let at = output.get("valueDateTime").and_then(|at| at.as_str()).and_then(micros);
        let (code, at) = code.zip(at).ok_or_else(|| missing("a milestone"))?;
        let parts = Parts::of(output);
        run.milestones.push(Reached {
            code: code.to_owned(),
            n: parts.number("n")?,
            at,
            recorded: parts.time("recorded")?,
            source: parts.some_text("source"),
            by: parts.some_text("by").unwrap_or_default(),
            reason: parts.some_text("reason"),
            signed: parts.some_text("signed"),
            said: parts.some_time("said"),
            superseded: parts.flag("superseded"),
        });
    }
    run.steps = parts.each("step").map(work_of).collect::<Result<_, Error>>()?;
    run.clocks = parts.each("clock").map(ticking_of).collect::<Result<_, Error>>()?;
    run.own = parts.each("own-limit").map(own_of).collect::<Result<_, Error>>()?;
    let answers = parts.each("answer").map(|one| Ok((one.text("step")?, one.flag("holds"))));
    run.answers = answers.collect::<Result<_, Error>>()?;
    let made = parts.each("made").map(|one| Ok((one.text("activity")?, one.text("what")?)));
    run.made = made.collect::<Result<_, Error>>()?;
    Ok(run)
}

/// Whether a Task is the root of a run.
pub fn is_root(task: &Value) -> bool {
    tags(task).any(|code| code == "root")
}

/// Whether a resource is one the engine makes of a run.
pub(crate) fn is_ours(resource: &Value) -> bool {
    tags(resource).next().is_some()
}

/// The codes of the tags by which resources of runs are known.
fn tags(resource: &Value) -> impl Iterator<Item = &str> {
    let tags = resource.get("meta").and_then(|meta| meta.get("tag")).and_then(|tags| tags.as_array());
    tags.into_iter().flat_map(|tags| tags.iter()).filter_map(|tag| {
        let ours = tag.get("system").and_then(|system| system.as_str()) == Some(RUN);
        tag.get("code").and_then(|code| code.as_str()).filter(|_| ours)
    })
}

/// The events that made this version of a root Task, in order.
pub fn happened(task: &Value) -> Result<Vec<Happened>, Error> {
    Parts::of(task).each("event").map(event::from_parts).collect()
}

/// What stands in a root Task besides its run.
pub fn frame(task: &Value, zone: Offset) -> Frame {
    let requester = task.get("requester").and_then(|to| to.get("reference")).and_then(|to| to.as_str());
    Frame { requester: requester.map(str::to_owned), zone }
}

fn parent_of(reference: &Value) -> Option<Parent> {
    let id = reference.get("reference")?.as_str()?.strip_prefix("Task/")?;
    // The codes of steps hold no dot; ids of runs may.
    let mut parts = id.rsplitn(3, '.');
    let (n, step, run) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    Some(Parent { run: run.to_owned(), step: step.to_owned(), n })
}

fn work_of(parts: Parts<'_>) -> Result<Work, Error> {
    let status = status_of(&parts.text("status")?);
    let acknowledged = parts.each("acknowledged").map(|one| Ok((one.text("by")?, one.time("at")?)));
    Ok(Work {
        step: parts.text("step")?,
        n: parts.number("n")?,
        status: status.ok_or_else(|| Error::fault("a step of a root Task stands nowhere"))?,
        since: parts.time("since")?,
        ended: parts.some_time("ended"),
        outcome: parts.some_text("outcome"),
        reason: parts.some_reason(),
        response: parts.some_text("response"),
        party: parts.some_party("party"),
        by: parts.some_text("by"),
        acknowledged: acknowledged.collect::<Result<_, Error>>()?,
        run: parts.some_text("run"),
        asked: parts.number("asked")?,
    })
}

fn ticking_of(parts: Parts<'_>) -> Result<Ticking, Error> {
    Ok(Ticking {
        clock: parts.text("clock")?,
        n: parts.number("n")?,
        began: parts.time("began")?,
        base: parts.some_time("base"),
        stopped: parts.some_time("stopped"),
        cut: parts.flag("cut"),
        paused: parts.some_time("paused"),
        held: parts.length("held"),
        fired: parts.numbers("fired"),
    })
}

fn own_of(parts: Parts<'_>) -> Result<Own, Error> {
    let span = |name: &str| parts.some_text(name).map(|text| text.parse::<Span>()).transpose();
    Ok(Own {
        clock: parts.text("clock")?,
        of: parts.text("of")?,
        limit: Limit {
            class: parts.some_text("class").map(Into::into),
            target: span("target")?,
            warn: span("warn")?,
            breach: parts.text("breach")?.parse()?,
            always: parts.flag("always"),
            source: parts.some_text("source"),
        },
    })
}

/// The URL of an extension of ours.
fn extension_url(name: &str) -> String {
    format!("{EXTENSION}{name}")
}

#[cfg(test)]
mod tests;
