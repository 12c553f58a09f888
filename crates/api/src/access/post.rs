//! As what people act: the posts they hold now, or the patients they are and care for.

use std::sync::Arc;

use fhir::time::{self, Interval};
use fhir::{Error, Value};
use jiff::tz::Offset;
use parking_lot::RwLock;
use record::{Caller, Key, Lay, Post, Record, ResourceType, SearchRequest, Session, Version};
use rustc_hash::FxHashMap;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::account::Account;

/// The codes that say what somebody does at their post.
const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";
/// Posts of one person that are looked at.
const MOST: usize = 100;

/// A post that is in force.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) post: Arc<Post>,
    /// What the organisation is called.
    pub(crate) organization_name: String,
    /// When it ends by itself, in microseconds since 1970.
    pub(crate) until: Option<i64>,
}

/// A post as it stands in the record, whether or not it is in force now.
#[derive(Debug)]
struct Written {
    held: Held,
    within: Interval,
}

/// The posts of practitioners as the record has them, kept in memory for as long as nothing they follow from is written:
/// everybody who is signed in is looked up every few seconds.
#[derive(Default)]
pub(crate) struct Kept(RwLock<FxHashMap<String, Read>>);

/// Posts, and the turn of the record at which they were read.
type Read = (u64, Arc<[Written]>);

/// Practitioners whose posts are kept. More than a city has at work at once.
const KEPT: usize = 50_000;

impl Kept {
    /// The posts a practitioner holds now.
    pub(crate) async fn held(&self, record: &Record, practitioner: &str) -> Result<Vec<Held>, Error> {
        let turn = record.turn(&types()?);
        let known = self.0.read().get(practitioner).filter(|(kept, _)| *kept == turn).map(|(_, posts)| posts.clone());
        let posts = match known {
            Some(posts) => posts,
            None => {
                let posts: Arc<[Written]> = written(&Reading::new(record)?, practitioner).await?.into();
                let mut kept = self.0.write();
                if kept.len() >= KEPT {
                    kept.clear();
                }
                kept.insert(practitioner.to_owned(), (turn, Arc::clone(&posts)));
                posts
            }
        };
        Ok(in_force_at(record.surroundings().clock.now(), &posts))
    }
}

/// The types of what posts follow from.
fn types() -> Result<[ResourceType; 3], Error> {
    Ok([
        ResourceType::parse("Organization")?,
        ResourceType::parse("Practitioner")?,
        ResourceType::parse("PractitionerRole")?,
    ])
}

/// Reads the record for the platform itself.
struct Reading {
    session: Session,
    now: i64,
    zone: Offset,
}

/// The posts a practitioner holds now.
pub(crate) async fn held(record: &Record, practitioner: &str) -> Result<Vec<Held>, Error> {
    let reading = Reading::new(record)?;
    Ok(in_force_at(reading.now, &written(&reading, practitioner).await?))
}

fn in_force_at(now: i64, posts: &[Written]) -> Vec<Held> {
    let in_force = posts.iter().filter(|post| post.within.lo <= now && now < post.within.hi);
    in_force.map(|post| post.held.clone()).collect()
}

/// The posts of a practitioner that are not switched off, ordered by the ids of their roles.
async fn written(reading: &Reading, practitioner: &str) -> Result<Vec<Written>, Error> {
    let parameters = [
        ("practitioner", format!("Practitioner/{practitioner}")),
        ("_include", "PractitionerRole:organization".to_owned()),
        ("_include", "PractitionerRole:practitioner".to_owned()),
        ("_count", MOST.to_string()),
    ];
    let (roles, included) = reading.search("PractitionerRole", &parameters).await?;
    let of = |kind: &str, id: &str| included.iter().find(|(key, _)| key.type_.name() == kind && key.id == id);
    if of("Practitioner", practitioner).is_none_or(|(_, person)| !is_active(person)) {
        return Ok(Vec::new());
    }
    let mut posts: Vec<Written> = Vec::new();
    for (key, role) in roles {
        let Some(within) = reading.within(&role) else { continue };
        let Some(organization) = reference(role.get("organization"), "Organization/") else { continue };
        let Some((_, place)) = of("Organization", organization).filter(|(_, place)| is_active(place)) else { continue };
        let codings = role.get("code").and_then(|codes| codes.as_array()).into_iter().flatten();
        let codings = codings.filter_map(|code| code.get("coding")?.as_array()).flatten();
        let duties = codings.filter(|coding| coding.get("system").as_str() == Some(DUTY));
        let post = Post {
            practitioner: practitioner.to_owned(),
            role: key.id,
            organization: organization.to_owned(),
            duties: duties.filter_map(|coding| coding.get("code")?.as_str().map(str::to_owned)).collect(),
        };
        let organization_name = place.get("name").as_str().unwrap_or_default().to_owned();
        let until = (within.hi < i64::MAX).then_some(within.hi);
        posts.push(Written { held: Held { post: Arc::new(post), organization_name, until }, within });
    }
    posts.sort_by(|one, other| one.held.post.role.cmp(&other.held.post.role));
    Ok(posts)
}

/// The patients somebody is, and those they act for now.
pub(crate) async fn lay(record: &Record, account: &Account) -> Result<Lay, Error> {
    let mut charges = Vec::new();
    if !account.related.is_empty() {
        let reading = Reading::new(record)?;
        let parameters = [("_id", account.related.join(",")), ("_count", MOST.to_string())];
        for (_, person) in reading.search("RelatedPerson", &parameters).await?.0 {
            if reading.in_force(&person)
                && let Some(patient) = reference(person.get("patient"), "Patient/")
            {
                charges.push(patient.to_owned());
            }
        }
        charges.sort();
        charges.dedup();
    }
    Ok(Lay { own: account.patients.clone(), charges, related: account.related.clone() })
}

type Found = Vec<(Key, Value)>;

impl Reading {
    fn new(record: &Record) -> Result<Self, Error> {
        let zone = record.settings().zone();
        let now = record.surroundings().clock.now();
        Ok(Self { session: record.session(Caller::system("SYSADMIN")), now, zone })
    }

    async fn search(&self, type_: &str, parameters: &[(&str, String)]) -> Result<(Found, Found), Error> {
        let page = self.session.search(&SearchRequest::of(type_, parameters)?).await?;
        let parsed = |versions: Vec<Version>| -> Result<Found, Error> {
            let bodies = versions.into_iter().filter_map(|version| Some((version.key, version.body?)));
            bodies.map(|(key, body)| Ok((key, fhir::json::parse(&body)?))).collect()
        };
        Ok((parsed(page.matches)?, parsed(page.included)?))
    }

    /// Whether a resource is not switched off and its period holds now.
    fn in_force(&self, resource: &Value) -> bool {
        self.within(resource).is_some_and(|within| within.lo <= self.now && self.now < within.hi)
    }

    /// The period of a resource that is not switched off.
    fn within(&self, resource: &Value) -> Option<Interval> {
        let side = |name: &str| resource.get("period")?.get(name)?.as_str();
        let read = |text: Option<&str>| text.map(|text| time::parse(text, self.zone));
        // A side that cannot be read must not let anybody in for ever.
        let (start, end) = (read(side("start")), read(side("end")));
        if start == Some(None) || end == Some(None) {
            return None;
        }
        let within = Interval::spanning(start.flatten(), end.flatten());
        is_active(resource).then_some(within)
    }
}

/// Whether a resource is in use; those that do not say are.
fn is_active(resource: &Value) -> bool {
    resource.get("active").as_bool() != Some(false)
}

/// The id a reference names, if it is to this type.
fn reference<'a>(element: Option<&'a Value>, type_: &str) -> Option<&'a str> {
    element?.get("reference")?.as_str()?.strip_prefix(type_)
}
