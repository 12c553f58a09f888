//! Lines in a record.

use std::collections::BTreeMap;

use fhir::{Category, Error, Value, json};
use record::{Action, Change, Key, ResourceType, SearchRequest, Session, Target};
use sonic_rs::JsonValueTrait;

use super::place::{list, text};
use super::{BASE, bare, canonical, criteria, key, protocol, rules, to_fhir};
use crate::criteria::Criteria;
use crate::definition::Protocol;
use crate::text::Line;

/// The types of which each version is a resource of its own, which says the same for ever.
const VERSIONED: &[&str] = &["PlanDefinition", "ActivityDefinition", "Measure"];
/// Ids asked for in one search, and resources on one page.
const PAGE: usize = 100;
/// Another process that installs the same line at the same time makes a first try fail.
const TRIES: usize = 3;

/// What it takes for a record to hold some resources.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    /// What is missing, and forms and lists that are stored and say otherwise; each with the version it replaces.
    pub write: Vec<(Value, Option<u64>)>,
    /// What is stored as a version of a protocol and says otherwise: runs may have begun with it.
    pub differing: Vec<(Value, Option<u64>)>,
    /// How many are as they should be.
    pub unchanged: usize,
}

impl Pending {
    /// Compares what should be with what is stored under the same names.
    pub fn between(wanted: Vec<Value>, stored: &[Value]) -> Self {
        let stored: BTreeMap<String, &Value> = stored.iter().map(|one| (key(one), one)).collect();
        let mut pending = Self::default();
        for resource in wanted {
            let Some(before) = stored.get(&key(&resource)) else {
                pending.write.push((resource, None));
                continue;
            };
            if json::same(&bare(before), &bare(&resource)) {
                pending.unchanged += 1;
                continue;
            }
            let version = before.get("meta").and_then(|meta| text(meta, "versionId")?.parse().ok());
            let of_version = |type_: &str| VERSIONED.contains(&type_) && resource.get("version").is_some();
            let is_versioned = text(&resource, "resourceType").is_some_and(of_version);
            let list = if is_versioned { &mut pending.differing } else { &mut pending.write };
            list.push((resource, version));
        }
        pending
    }
}

/// Makes a record hold a line: what is missing is written, and forms and lists as the line has them now, in one
/// transaction. Versions of protocols that are stored and say otherwise stay as they are and are among what comes back.
///
/// # Errors
/// When the line cannot be told as FHIR, or the record refuses it.
pub async fn install(session: &Session, line: &Line) -> Result<Pending, Error> {
    let wanted = to_fhir(line)?;
    let mut tries = 0;
    loop {
        let pending = Pending::between(wanted.clone(), &stored(session, &wanted).await?);
        if pending.write.is_empty() {
            return Ok(pending);
        }
        let changes = pending.write.iter().map(change).collect::<Result<Vec<_>, Error>>()?;
        match session.transact(changes).await {
            Ok(_) => return Ok(pending),
            Err(refusal) => {
                let lost = matches!(refusal.error.category(), Category::Conflict | Category::PreconditionFailed);
                tries += 1;
                if !lost || tries == TRIES {
                    return Err(refusal.error);
                }
            }
        }
    }
}

/// Every version of every protocol a record holds.
///
/// # Errors
/// When the record fails, or a stored plan is none that can be run; which one, the error says.
pub async fn load(session: &Session) -> Result<Vec<Protocol>, Error> {
    let part = format!("{BASE}sid/protocol-part|");
    let mut parts = search(session, "ActivityDefinition", "identifier", &part).await?;
    parts.extend(search(session, "Measure", "identifier", &part).await?);
    let plans = search(session, "PlanDefinition", "identifier", &format!("{BASE}sid/protocol|")).await?;
    plans.iter().map(|plan| protocol(plan, &parts)).collect()
}

/// The code and version of every protocol that a record holds, or of every version of one.
///
/// # Errors
/// When the record fails.
pub async fn versions(session: &Session, code: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let system = format!("{BASE}sid/protocol");
    let asked = format!("{system}|{}", code.unwrap_or_default());
    let plans = search(session, "PlanDefinition", "identifier", &asked).await?;
    let named = plans.iter().filter_map(|plan| {
        let own = list(plan, "identifier").iter().find(|one| text(one, "system") == Some(&system))?;
        Some((text(own, "value")?.to_owned(), text(plan, "version")?.to_owned()))
    });
    Ok(named.collect())
}

/// What suggests a protocol, as it is stored now.
///
/// # Errors
/// When the record fails.
pub async fn suggesting(session: &Session, protocol: &str) -> Result<Option<Criteria>, Error> {
    let asked = format!("{}|{protocol}", rules::system());
    let found = search(session, "PlanDefinition", "identifier", &asked).await?;
    found.first().map(criteria).transpose()
}

/// The codes of the protocols that something suggests.
///
/// # Errors
/// When the record fails.
pub async fn suggested(session: &Session) -> Result<Vec<String>, Error> {
    let plans = search(session, "PlanDefinition", "identifier", &format!("{}|", rules::system())).await?;
    let named = plans.iter().filter_map(|plan| text(list(plan, "identifier").first()?, "value").map(str::to_owned));
    Ok(named.collect())
}

/// The form or the list of codes of that name as it is stored now, or whatever else has the platform's canonical.
///
/// # Errors
/// When the record fails.
pub async fn latest(session: &Session, type_: &str, name: &str) -> Result<Option<Value>, Error> {
    let parameters =
        [("url", canonical(type_, name)), ("_sort", "-_lastUpdated".to_owned()), ("_count", "1".to_owned())];
    let page = session.search(&SearchRequest::of(type_, &parameters)?).await?;
    let body = page.matches.into_iter().find_map(|version| version.body);
    body.map(|body| json::parse(&body)).transpose()
}

/// What is stored under the names of these resources.
async fn stored(session: &Session, wanted: &[Value]) -> Result<Vec<Value>, Error> {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in wanted {
        let (type_, id) = (text(resource, "resourceType"), text(resource, "id"));
        ids.entry(type_.unwrap_or_default()).or_default().push(id.unwrap_or_default());
    }
    let mut stored = Vec::new();
    for (type_, ids) in ids {
        for some in ids.chunks(PAGE) {
            stored.extend(search(session, type_, "_id", &some.join(",")).await?);
        }
    }
    Ok(stored)
}

/// All pages of a search.
async fn search(session: &Session, type_: &str, name: &str, value: &str) -> Result<Vec<Value>, Error> {
    let request = SearchRequest::of(type_, &[(name, value.to_owned()), ("_count", PAGE.to_string())])?;
    let matches = session.pages(request).matches().await?;
    matches.into_iter().filter_map(|version| version.body).map(|body| json::parse(&body)).collect()
}

fn change((resource, version): &(Value, Option<u64>)) -> Result<Change, Error> {
    let (type_, id) = (text(resource, "resourceType"), text(resource, "id"));
    let type_ = ResourceType::parse(type_.unwrap_or_default())?;
    Ok(Change::new(Action::Update {
        target: Target::Key(Key::new(type_, id.unwrap_or_default())),
        resource: resource.clone(),
        if_match: *version,
        if_absent: version.is_none(),
    }))
}
