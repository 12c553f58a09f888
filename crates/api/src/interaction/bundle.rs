//! `POST /` with a Bundle: batch and transaction. <http://hl7.org/fhir/R4/http.html#transaction>

use axum::http::{HeaderMap, Method};
use fhir::{Category, Error, IssueCode, Value};
use futures_util::{StreamExt, stream};
use record::{Action, Change, Session, Target};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::{changed, patch, update};
use crate::App;
use crate::access::{Extent, Grant};
use crate::answer::{Answer, Payload};
use crate::ask::{self, Ask, Base, Conditions, Content, Prefer, Query, Return, shortened, type_of};
use crate::bundle::Bundle;
use crate::outcome::{self, Failure};
use crate::route::Interaction;

/// Entries of a batch that are worked on at the same time.
const AT_ONCE: usize = 16;

pub(crate) async fn run(app: &App, grant: &Grant, session: &Session, mut ask: Ask) -> Result<Answer, Failure> {
    let bundle = ask.resource("Bundle")?;
    let kind = bundle.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    if !matches!(kind, "batch" | "transaction") {
        let text = format!("A Bundle sent here is a batch or a transaction, not “{}”.", shortened(kind));
        return Err(Error::new(Category::Invalid, IssueCode::Value, text).at("Bundle.type").into());
    }
    let entries: &[Value] = match bundle.get("entry") {
        None => &[],
        Some(entries) => entries.as_array().map(|entries| entries.as_slice()).ok_or_else(|| {
            Error::new(Category::Invalid, IssueCode::Structure, "Bundle.entry is a list.").at("Bundle.entry")
        })?,
    };
    let most = app.record.settings().limits.transaction_entries;
    if entries.len() > most {
        let text = format!("A Bundle may have {most} entries here; this one has {}.", entries.len());
        return Err(Error::new(Category::TooLarge, IssueCode::TooLong, text).at("Bundle.entry").into());
    }
    let common = Common { base: ask.base.clone(), address: ask.base.to_string(), prefer: ask.prefer };
    let answers = match kind {
        "batch" => batch(app, grant, session, &common, entries).await,
        _ => transaction(app, grant, session, &common, entries).await?,
    };
    let mut written = Bundle::new(&format!("{kind}-response"), None, &[]);
    for answer in &answers {
        written.answer(&common.address, answer);
    }
    Ok(Answer::resource(written.end()))
}

/// What all entries share.
struct Common {
    base: Base,
    address: String,
    prefer: Prefer,
}

/// One entry, read.
struct Entry {
    full_url: Option<String>,
    method: Method,
    interaction: Interaction,
    ask: Ask,
}

impl Entry {
    fn read(entry: &Value, common: &Common) -> Result<Self, Failure> {
        let member = |name: &str| entry.get("request").and_then(|request| request.get(name)).and_then(|v| v.as_str());
        let missing = |name: &str| {
            let text = format!("An entry of a batch or transaction needs request.{name}.");
            Error::new(Category::Invalid, IssueCode::Required, text).at(format!("entry.request.{name}"))
        };
        let method = member("method").ok_or_else(|| missing("method"))?;
        let method = match method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => {
                let text = format!("“{}” is not a verb of HTTP that FHIR uses.", shortened(other));
                return Err(Error::new(Category::Invalid, IssueCode::Value, text).at("entry.request.method").into());
            }
        };
        let url = member("url").ok_or_else(|| missing("url"))?;
        let (path, query) = local(url, &common.address)?;
        let mut query = Query::parse(query)?;
        ask::negotiate(&HeaderMap::new(), &mut query)?;
        let mut conditions = Conditions::default();
        if let Some(tag) = member("ifMatch") {
            conditions.matches(tag)?;
        }
        if let Some(tag) = member("ifNoneMatch") {
            conditions.none_match(tag)?;
        }
        if let Some(instant) = member("ifModifiedSince") {
            conditions.if_modified_since = instant.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
        }
        conditions.if_none_exist = member("ifNoneExist").map(str::to_owned);
        let interaction = Interaction::named(&method, path)?;
        let content = match entry.get("resource") {
            None => Content::None,
            Some(resource) => content(resource.clone(), &interaction)?,
        };
        let full_url = entry.get("fullUrl").and_then(|url| url.as_str()).map(str::to_owned);
        let prefer = Prefer { returns: Some(common.prefer.returns.unwrap_or(Return::Minimal)), ..common.prefer };
        let ask = Ask { path: path.to_owned(), query, conditions, prefer, content, base: common.base.clone() };
        Ok(Self { full_url, method, interaction, ask })
    }

    /// The change this entry is, or the entry back when it is none.
    fn into_change(mut self) -> Result<Result<Change, Self>, Failure> {
        let conditions = self.ask.conditions.clone();
        let action = match &self.interaction {
            Interaction::Create(type_) => Action::Create {
                resource: self.ask.resource(type_.name())?,
                if_none_exist: conditions.if_none_exist.map(|query| query.trim_start_matches('?').to_owned()),
            },
            Interaction::Update(key) => {
                let resource = self.ask.resource(key.type_.name())?;
                update::same_id(&resource, key)?;
                let target = Target::Key(key.clone());
                Action::Update { target, resource, if_match: conditions.if_match, if_absent: conditions.if_absent }
            }
            Interaction::ConditionalUpdate(type_) => Action::Update {
                resource: self.ask.resource(type_.name())?,
                target: Target::Query(*type_, self.ask.criteria()?),
                if_match: conditions.if_match,
                if_absent: conditions.if_absent,
            },
            Interaction::Patch(key) => {
                Action::Patch { target: Target::Key(key.clone()), patch: self.patch()?, if_match: conditions.if_match }
            }
            Interaction::ConditionalPatch(type_) => {
                let target = Target::Query(*type_, self.ask.criteria()?);
                Action::Patch { target, patch: self.patch()?, if_match: conditions.if_match }
            }
            Interaction::Delete(key) => {
                Action::Delete { target: Target::Key(key.clone()), if_match: conditions.if_match }
            }
            Interaction::ConditionalDelete(type_) => {
                Action::Delete { target: Target::Query(*type_, self.ask.criteria()?), if_match: conditions.if_match }
            }
            _ => return Ok(Err(self)),
        };
        Ok(Ok(Change { full_url: self.full_url, action }))
    }

    fn patch(&mut self) -> Result<record::Patch, Failure> {
        match std::mem::replace(&mut self.ask.content, Content::None) {
            Content::JsonPatch(patch) => Ok(record::Patch::Json(patch)),
            Content::Resource(parameters) => patch::fhirpath(parameters),
            Content::None => Err(Error::invalid("An entry that patches carries a Binary or Parameters.").into()),
        }
    }
}

/// What an entry carries. A JSON Patch, which is no resource, stands in a Binary.
fn content(resource: Value, interaction: &Interaction) -> Result<Content, Failure> {
    let patches = matches!(interaction, Interaction::Patch(_) | Interaction::ConditionalPatch(_));
    if !patches || type_of(&resource) != Some("Binary") {
        return Ok(Content::Resource(resource));
    }
    use base64::Engine;
    let kind = resource.get("contentType").and_then(|kind| kind.as_str()).unwrap_or_default();
    if kind != "application/json-patch+json" {
        return Err(Failure::MediaType);
    }
    let data = resource.get("data").and_then(|data| data.as_str()).unwrap_or_default();
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let data = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| Error::new(Category::Invalid, IssueCode::Value, "Binary.data is not base64.").at("Binary.data"))?;
    Ok(Content::JsonPatch(fhir::json::parse(&data)?))
}

/// Path and query of an entry's address, which is relative or begins with this server's own.
fn local<'a>(url: &'a str, base: &str) -> Result<(&'a str, &'a str), Error> {
    let relative = match url.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        _ if url.contains("://") => {
            let text = "The address of an entry is relative or this server's own.";
            return Err(Error::new(Category::Invalid, IssueCode::Value, text).at("entry.request.url"));
        }
        _ => url,
    };
    let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
    Ok((path.trim_start_matches('/'), query))
}

/// Each entry for itself.
async fn batch(app: &App, grant: &Grant, session: &Session, common: &Common, entries: &[Value]) -> Vec<Answer> {
    let read: Vec<_> = entries.iter().map(|entry| Entry::read(entry, common)).enumerate().collect();
    stream::iter(read).map(|(at, entry)| alone(app, grant, session, at, entry)).buffered(AT_ONCE).collect().await
}

async fn alone(app: &App, grant: &Grant, session: &Session, at: usize, entry: Result<Entry, Failure>) -> Answer {
    let result = match entry {
        Ok(entry) => Box::pin(whole(app, grant, session, entry)).await,
        Err(failure) => Err(failure),
    };
    result.unwrap_or_else(|failure| refused(within(failure, at), &session.caller().request))
}

/// Does one entry; what would be streamed to an HTTP caller is gathered.
async fn whole(app: &App, grant: &Grant, session: &Session, entry: Entry) -> Result<Answer, Failure> {
    let head = entry.method == Method::HEAD;
    let mut answer = crate::door::run(app, grant, session, entry.interaction, entry.ask).await?;
    if let Payload::Stream(stream) = answer.body {
        let bytes = axum::body::to_bytes(stream, app.settings.body_max).await.map_err(|_| {
            Error::new(Category::TooLarge, IssueCode::TooCostly, "Ask for this by itself: it is too large for a batch.")
        })?;
        answer.body = Payload::Resource(bytes);
    }
    if head {
        answer.body = Payload::Nothing;
    }
    Ok(answer)
}

fn refused(failure: Failure, request: &str) -> Answer {
    outcome::log(&failure, request);
    Answer::failure(&failure)
}

/// A failure located in the Bundle.
fn within(failure: Failure, at: usize) -> Failure {
    match failure {
        Failure::Error(error) => Failure::Error(located(error, at)),
        other => other,
    }
}

/// An error of an entry, located in the Bundle: what is about the request by `request`, all else by `resource`.
fn located(error: Error, at: usize) -> Error {
    let expression = error.issues().first().and_then(|issue| issue.expression.as_deref());
    match expression {
        Some(path) if path.starts_with("entry.request") => error.within(&format!("Bundle.entry[{at}]")),
        Some(path) if path.starts_with("Bundle.entry[") => error,
        Some(_) => error.within(&format!("Bundle.entry[{at}].resource")),
        None => error.within(&format!("Bundle.entry[{at}]")),
    }
}

/// All entries or none: deletes, then creates, then updates and patches, then reads.
async fn transaction(
    app: &App,
    grant: &Grant,
    session: &Session,
    common: &Common,
    entries: &[Value],
) -> Result<Vec<Answer>, Failure> {
    let mut answers: Vec<Option<Answer>> = Vec::new();
    answers.resize_with(entries.len(), || None);
    let mut changes: Vec<(u8, usize, Change)> = Vec::with_capacity(entries.len());
    let mut reads: Vec<(usize, Entry)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let mut entry = Entry::read(entry, common).map_err(|failure| aborted(failure, at))?;
        if grant.allow(&entry.interaction, &[]).map_err(|error| aborted(error.into(), at))? == Extent::OnePatient {
            let text = "An app that was given one patient writes by single requests or in a batch.";
            return Err(aborted(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into(), at));
        }
        let conditions = &mut entry.ask.conditions;
        match &entry.interaction {
            Interaction::Update(key) | Interaction::Patch(key) | Interaction::Delete(key) => {
                conditions.look_up(session, key).await
            }
            _ => conditions.need_no_name(),
        }
        .map_err(|error| aborted(error.into(), at))?;
        let turn = match entry.method {
            Method::DELETE => 0,
            Method::POST => 1,
            _ => 2,
        };
        match entry.into_change().map_err(|failure| aborted(failure, at))? {
            Ok(change) => changes.push((turn, at, change)),
            Err(entry) if entry.interaction.is_safe() || matches!(entry.interaction, Interaction::Operation(..)) => {
                reads.push((at, entry));
            }
            Err(_) => {
                let error = Error::unsupported("This interaction cannot stand in a transaction.");
                return Err(aborted(error.into(), at));
            }
        }
    }
    changes.sort_by_key(|(turn, at, _)| (*turn, *at));
    let mut positions = Vec::with_capacity(changes.len());
    let mut ordered = Vec::with_capacity(changes.len());
    for (_, at, change) in changes {
        positions.push(at);
        ordered.push(change);
    }
    if !ordered.is_empty() {
        let applied = session.transact(ordered).await.map_err(|refusal| match refusal.change {
            Some(change) => aborted(refusal.error.into(), positions.get(change).copied().unwrap_or(change)),
            None => refusal.error.into(),
        })?;
        let wanted = common.prefer.returns.unwrap_or(Return::Minimal);
        for (at, applied) in positions.into_iter().zip(&applied) {
            answers[at] = Some(changed(applied, wanted));
        }
    }
    // What is only read cannot undo what has been written; a read that finds nothing says so in its own answer.
    for (at, entry) in reads {
        let result = Box::pin(whole(app, grant, session, entry)).await;
        answers[at] = Some(result.unwrap_or_else(|failure| refused(within(failure, at), &session.caller().request)));
    }
    answers
        .into_iter()
        .map(|answer| answer.ok_or_else(|| Error::fault("an entry of a transaction had no answer").into()))
        .collect()
}

/// Why a transaction was not made: the failure of one entry, located.
fn aborted(failure: Failure, at: usize) -> Failure {
    match failure {
        Failure::Method(_) => {
            let text = "The verb and the address of this entry do not go together.";
            located(Error::new(Category::Invalid, IssueCode::NotSupported, text), at).into()
        }
        Failure::MediaType | Failure::NotAcceptable => {
            let text = "What this entry carries or asks for is not JSON.";
            located(Error::new(Category::Invalid, IssueCode::NotSupported, text), at).into()
        }
        Failure::Error(error) => located(error, at).into(),
    }
}
