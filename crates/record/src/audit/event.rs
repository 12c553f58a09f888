//! The trail as FHIR AuditEvents, made when they are asked for. <http://hl7.org/fhir/R4/auditevent.html>
//!
//! An entry's id as an AuditEvent is `trail-CHAIN-POSITION`. Events come newest first, in the order in which they were
//! chained.

use std::fmt::Write;

use bytes::Bytes;
use fhir::{Category, Error, IssueCode, time};
use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::chain;
use super::entry::{Act, AsWhat, Entry, Outcome};
use crate::search::{SearchPage, SearchRequest};
use crate::store::names::shard_of;
use crate::store::value::{Row, Rows, SqlValue};
use crate::store::{Reader, reads};
use crate::{Key, Method, ResourceType, Session, Standing, Version};

/// The name of the type.
const TYPE: &str = "AuditEvent";

/// How the id of an event that stands on the trail begins.
const ID: &str = "trail-";

/// The parameter that holds where a page begins.
const CURSOR: &str = "_page";

/// Blocks read at a time.
const CHUNK: i64 = 32;

/// Blocks looked through for one page. A page that would need more is shorter, and says where to go on.
const THROUGH: i64 = 4_096;

/// Duties that may see the whole trail.
const WATCHING: [&str; 2] = ["privacy-officer", "data-officer"];

/// Resources named in one event.
const NAMED: usize = 100;

/// What is sought on the trail.
#[derive(Debug, Clone)]
struct Sought {
    patient: Option<String>,
    agent: Option<String>,
    entity: Option<Key>,
    actions: Vec<String>,
    outcomes: Vec<String>,
    lo: i64,
    hi: i64,
    /// Whether only what concerns the patient sought may be told: nobody learns of others from their own trail.
    narrow: bool,
    count: usize,
    from: Option<Place>,
}

/// The place of an entry: time of its block, chain, position of its block, its own position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: i64,
    chain: i64,
    block: i64,
    seq: i64,
}

impl Place {
    fn read(text: &str) -> Result<Self, Error> {
        let numbers: Vec<i64> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match numbers[..] {
            [at, chain, block, seq] => Ok(Self { at, chain, block, seq }),
            _ => Err(Error::invalid("The link to this page cannot be read.").at("http._page")),
        }
    }

    fn write(self) -> String {
        format!("{}.{}.{}.{}", self.at, self.chain, self.block, self.seq)
    }
}

fn forbidden(text: &str) -> Error {
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

/// Whether a request is for AuditEvents alone.
pub(crate) fn is_sought(request: &SearchRequest) -> bool {
    request.type_.is_some_and(|type_| type_.name() == TYPE)
}

impl Session {
    /// Who looked at a patient's record or wrote in it, newest first, as AuditEvents that tell of nobody else's.
    ///
    /// For the patient, whoever acts for them, and those who watch over the trail. `from` is the value of `_page` in
    /// [`SearchPage::next`]. Fails with [`Category::Forbidden`] for others.
    pub async fn who_looked(&self, patient: &str, count: usize, from: Option<&str>) -> Result<SearchPage, Error> {
        let count = count.clamp(1, self.record.settings().limits.page_max);
        let from = from.map(Place::read).transpose()?;
        let patient = Some(patient.to_owned());
        let sought = Sought { patient, narrow: true, count, from, ..Sought::default() };
        let page = self.tell(sought, format!("_count={count}"), Vec::new()).await;
        self.witness(Act::Search, None, "Patient/$who-looked".to_owned(), page).await
    }

    /// A search for AuditEvents. Boxed, so that other searches do not carry its state along.
    pub(crate) fn events<'s>(&'s self, request: &'s SearchRequest) -> BoxFuture<'s, Result<SearchPage, Error>> {
        Box::pin(self.events_of(request))
    }

    async fn events_of(&self, request: &SearchRequest) -> Result<SearchPage, Error> {
        let (mut sought, understood, warnings) = self.understand(request)?;
        if let Some(compartment) = &request.compartment {
            match compartment.type_.name() {
                "Patient" => (sought.patient, sought.narrow) = (Some(compartment.id.clone()), true),
                _ => sought.agent = Some(compartment.to_string()),
            }
        }
        self.tell(sought, understood, warnings).await
    }

    /// One event by its id; `None` for an id that is not one of the trail.
    pub(crate) fn event<'s>(&'s self, key: &'s Key) -> Option<BoxFuture<'s, Result<Option<Version>, Error>>> {
        let name = key.id.strip_prefix(ID).filter(|_| key.type_.name() == TYPE)?;
        let (chain, seq) = name.split_once('-')?;
        let (chain, seq) = (chain.parse().ok()?, seq.parse().ok()?);
        Some(Box::pin(self.event_at(key, chain, seq)))
    }

    async fn event_at(&self, key: &Key, chain: i64, seq: i64) -> Result<Option<Version>, Error> {
        self.allow(&mut Sought::default())?;
        self.record.settle().await?;
        let mut rows = self.record.reader().await?;
        let sql = "SELECT seq, body FROM audit WHERE shard = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1";
        let found = rows.rows(sql, &[chain.into(), seq.into()]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let body = row.bytes_or_null(1)?.unwrap_or_default();
        let at = usize::try_from(seq - row.int(0)?).unwrap_or(usize::MAX);
        let Some(entry) = chain::entries(&body).nth(at).flatten().and_then(|(bytes, _)| Entry::parse(bytes)) else {
            return Ok(None);
        };
        let mut names = Names { rows: &mut rows, known: FxHashMap::default() };
        let json = write(&mut names, &key.id, &entry, None).await?;
        Ok(Some(version(key.clone(), &entry, json)))
    }

    /// Holds what is sought to what the caller may see of the trail.
    fn allow(&self, sought: &mut Sought) -> Result<(), Error> {
        match &self.caller().standing {
            Standing::System => Ok(()),
            Standing::Staff(post) if post.duties.iter().any(|duty| WATCHING.contains(&duty.as_str())) => Ok(()),
            Standing::Staff(_) => Err(forbidden(
                "The trail is shown to the privacy officer, the data officer and the patient it is about.",
            )),
            Standing::Lay(lay) => {
                sought.narrow = true;
                let theirs = |patient: &String| lay.own.contains(patient) || lay.charges.contains(patient);
                if sought.patient.as_ref().is_some_and(theirs) {
                    return Ok(());
                }
                Err(forbidden("You see who looked at your own record, or at that of someone you act for: patient=…"))
            }
        }
    }

    /// What a search asks for, as it was understood, and what of it was not.
    fn understand(&self, request: &SearchRequest) -> Result<(Sought, String, Vec<fhir::Issue>), Error> {
        let limits = &self.record.settings().limits;
        let zone = crate::store::zone(self.record.settings())?;
        let mut sought = Sought { count: limits.page, ..Sought::default() };
        let (mut understood, mut warnings) = (Vec::new(), Vec::new());
        for (name, value) in &request.parameters {
            let bad = || {
                let text = format!("The value of “{name}” cannot be read.");
                Error::new(Category::Invalid, IssueCode::Value, text).at(format!("http.{name}"))
            };
            match name.as_str() {
                "patient" | "patient:Patient" => {
                    let id = value.strip_prefix("Patient/").unwrap_or(value);
                    sought.patient = Some(Some(id).filter(|id| Key::is_id(id)).ok_or_else(bad)?.to_owned());
                }
                "agent" | "altid" => sought.agent = Some(value.clone()),
                "entity" => {
                    let (type_, id) = value.split_once('/').ok_or_else(bad)?;
                    let type_ = ResourceType::named(type_).filter(|_| Key::is_id(id)).ok_or_else(bad)?;
                    sought.entity = Some(Key::new(type_, id));
                }
                "action" => sought.actions = value.split(',').map(str::to_owned).collect(),
                "outcome" => sought.outcomes = value.split(',').map(str::to_owned).collect(),
                "date" => {
                    let (prefix, date) = value
                        .split_at_checked(2)
                        .filter(|(prefix, _)| prefix.bytes().all(|letter| letter.is_ascii_lowercase()))
                        .unwrap_or(("eq", value));
                    let when = time::parse(date, zone).ok_or_else(bad)?;
                    match prefix {
                        "eq" => (sought.lo, sought.hi) = (sought.lo.max(when.lo), sought.hi.min(when.hi)),
                        "ge" => sought.lo = sought.lo.max(when.lo),
                        "gt" | "sa" => sought.lo = sought.lo.max(when.hi),
                        "le" => sought.hi = sought.hi.min(when.hi),
                        "lt" | "eb" => sought.hi = sought.hi.min(when.lo),
                        _ => return Err(bad()),
                    }
                }
                "_count" => sought.count = value.parse::<usize>().map_err(|_| bad())?.clamp(1, limits.page_max),
                "_sort" if value == "-date" => {}
                CURSOR => {
                    sought.from = Some(Place::read(value)?);
                    continue;
                }
                _ => {
                    let text = format!(
                        "AuditEvents are found by patient, agent, entity, action, outcome and date; “{}” was left out.",
                        name.chars().take(64).collect::<String>()
                    );
                    if request.strict {
                        return Err(Error::new(Category::Invalid, IssueCode::NotSupported, text));
                    }
                    warnings.push(fhir::Issue::warning(IssueCode::NotSupported, text));
                    continue;
                }
            }
            understood.push(format!("{}={}", name, crate::search::encode(value)));
        }
        Ok((sought, understood.join("&"), warnings))
    }

    async fn tell(
        &self,
        mut sought: Sought,
        understood: String,
        warnings: Vec<fhir::Issue>,
    ) -> Result<SearchPage, Error> {
        self.allow(&mut sought)?;
        self.record.settle().await?;
        let mut rows = self.record.reader().await?;
        let (found, next) = find(&mut rows, &sought).await?;
        let mut names = Names { rows: &mut rows, known: FxHashMap::default() };
        let type_ = ResourceType::parse(TYPE)?;
        let only = sought.patient.as_deref().filter(|_| sought.narrow);
        let mut matches = Vec::with_capacity(found.len());
        for (chain, seq, entry) in &found {
            let key = Key::new(type_, format!("{ID}{chain}-{seq}"));
            let json = write(&mut names, &key.id, entry, only).await?;
            matches.push(version(key, entry, json));
        }
        let next = next.map(|place| {
            let separator = if understood.is_empty() { "" } else { "&" };
            format!("{understood}{separator}{CURSOR}={}", place.write())
        });
        Ok(SearchPage {
            matches,
            included: Vec::new(),
            total: None,
            understood,
            next,
            summary: None,
            elements: Vec::new(),
            warnings,
        })
    }
}

impl Default for Sought {
    fn default() -> Self {
        Self {
            patient: None,
            agent: None,
            entity: None,
            actions: Vec::new(),
            outcomes: Vec::new(),
            lo: i64::MIN,
            hi: i64::MAX,
            narrow: false,
            count: 20,
            from: None,
        }
    }
}

impl Sought {
    /// The shard under which all that is sought is found; `None` if only the whole trail holds it.
    async fn shard(&self, rows: &mut Reader) -> Result<Option<i64>, Error> {
        if let Some(patient) = &self.patient {
            return Ok(Some(shard_of(&format!("Patient/{patient}")).into()));
        }
        if let Some(entity) = &self.entity {
            // What belongs to a patient is found under the patient, on whose shard it lies.
            let home = reads::place(rows, entity).await?.map(|place| i64::from(place.home));
            return Ok(Some(home.unwrap_or_else(|| shard_of(&entity.to_string()).into())));
        }
        Ok(self.agent.as_ref().map(|agent| shard_of(agent).into()))
    }

    fn wants(&self, entry: &Entry) -> bool {
        let named = |key: &Key| entry.items.iter().any(|item| item.key == *key);
        (self.lo..self.hi).contains(&entry.at)
            && self.patient.as_ref().is_none_or(|patient| entry.is_about(patient))
            && self
                .agent
                .as_ref()
                .is_none_or(|agent| entry.actor == *agent || entry.organization().as_ref() == Some(agent))
            && self
                .entity
                .as_ref()
                .is_none_or(|key| named(key) || key.type_.name() == "Patient" && entry.is_about(&key.id))
            && (self.actions.is_empty() || self.actions.iter().any(|action| action == action_of(entry)))
            && (self.outcomes.is_empty() || self.outcomes.iter().any(|outcome| outcome == outcome_of(entry)))
    }
}

/// A page of entries with their chains and positions, and where the next one begins.
async fn find(rows: &mut Reader, sought: &Sought) -> Result<(Vec<(i64, i64, Entry)>, Option<Place>), Error> {
    let shard = sought.shard(rows).await?;
    let among = match shard {
        Some(_) => "audit_about a JOIN audit b ON b.shard = a.chain AND b.seq = a.seq WHERE a.shard = $7 AND",
        None => {
            "(SELECT at, shard AS chain, seq, since, body FROM audit) a JOIN audit b \
                 ON b.shard = a.chain AND b.seq = a.seq WHERE"
        }
    };
    let sql = format!(
        "SELECT a.at, a.chain, a.seq, b.body FROM {among} a.at >= $1 AND b.since < $2 AND a.at <= $3 \
         AND (a.at, a.chain, a.seq) <= ($3, $4, $5) ORDER BY a.at DESC, a.chain DESC, a.seq DESC LIMIT $6"
    );
    let mut from = sought.from;
    let mut found = Vec::new();
    let mut through = 0;
    loop {
        let (at, chain, block) =
            from.map_or((i64::MAX, i64::from(i32::MAX), i64::MAX), |from| (from.at, from.chain, from.block));
        let mut arguments: Vec<SqlValue> = [sought.lo, sought.hi, at, chain, block, CHUNK].map(SqlValue::Int).into();
        arguments.extend(shard.map(SqlValue::Int));
        let blocks = rows.rows(&sql, &arguments).await?;
        through += CHUNK;
        for row in &blocks {
            let place = Place { at: row.int(0)?, chain: row.int(1)?, block: row.int(2)?, seq: i64::MAX };
            for (seq, entry) in backwards(row, place)? {
                let done = from.is_some_and(|from| {
                    (from.at, from.chain, from.block) == (place.at, place.chain, place.block) && seq >= from.seq
                });
                if done || !sought.wants(&entry) {
                    continue;
                }
                if found.len() == sought.count {
                    let last: &(i64, i64, i64, i64, Entry) = found.last().expect("a page is not empty");
                    let next = Place { at: last.0, chain: last.1, block: last.2, seq: last.3 };
                    return Ok((
                        found.into_iter().map(|(_, chain, _, seq, entry)| (chain, seq, entry)).collect(),
                        Some(next),
                    ));
                }
                found.push((place.at, place.chain, place.block, seq, entry));
            }
            from = Some(Place { seq: 0, ..place });
        }
        let ended = (blocks.len() as i64) < CHUNK;
        if ended || through >= THROUGH {
            let next = from.filter(|_| !ended);
            return Ok((found.into_iter().map(|(_, chain, _, seq, entry)| (chain, seq, entry)).collect(), next));
        }
    }
}

/// The entries of a block with their positions, the last first.
fn backwards(row: &Row, place: Place) -> Result<Vec<(i64, Entry)>, Error> {
    let body = row.bytes_or_null(3)?.unwrap_or_default();
    let entries = chain::entries(&body).zip(place.block..);
    let mut entries: Vec<(i64, Entry)> =
        entries.filter_map(|(found, seq)| Some((seq, Entry::parse(found?.0)?))).collect();
    entries.reverse();
    Ok(entries)
}

fn version(key: Key, entry: &Entry, json: String) -> Version {
    Version { key, version: 1, at: entry.at, method: Method::Create, body: Some(Bytes::from(json)) }
}

/// The names of people and institutions, as they are now.
struct Names<'r> {
    rows: &'r mut Reader,
    known: FxHashMap<String, Option<String>>,
}

impl Names<'_> {
    async fn of(&mut self, reference: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.known.get(reference) {
            return Ok(known.clone());
        }
        let name = self.look_up(reference).await?;
        self.known.insert(reference.to_owned(), name.clone());
        Ok(name)
    }

    async fn look_up(&mut self, reference: &str) -> Result<Option<String>, Error> {
        let Some((type_, id)) = reference.split_once('/') else { return Ok(None) };
        let Some(type_) = ResourceType::named(type_).filter(|_| Key::is_id(id)) else { return Ok(None) };
        let version = reads::read(self.rows, &Key::new(type_, id)).await?;
        let Some(body) = version.and_then(|version| version.body) else { return Ok(None) };
        let resource = fhir::json::parse(&body)?;
        Ok(resource.get("name").and_then(name_of))
    }
}

/// A name as it is spoken: plain text, or family and given names of the first of several.
fn name_of(name: &fhir::Value) -> Option<String> {
    if let Some(text) = name.as_str() {
        return Some(text.to_owned());
    }
    let name = name.as_array()?.iter().next()?;
    if let Some(text) = name.get("text").and_then(|text| text.as_str()) {
        return Some(text.to_owned());
    }
    let family = name.get("family").and_then(|family| family.as_str()).unwrap_or_default();
    let given = name.get("given").and_then(|given| given.as_array());
    let given: Vec<&str> = given.into_iter().flatten().filter_map(|given| given.as_str()).collect();
    let separator = if family.is_ascii() && !family.is_empty() && !given.is_empty() { " " } else { "" };
    Some(format!("{family}{separator}{}", given.join(separator))).filter(|name| !name.is_empty())
}

/// `AuditEvent.action`. <http://hl7.org/fhir/R4/valueset-audit-event-action.html>
fn action_of(entry: &Entry) -> &'static str {
    match entry.act {
        Act::Read | Act::Vread | Act::History | Act::Follow | Act::Export => "R",
        Act::Search | Act::SignIn | Act::SignOut | Act::Emergency | Act::Request => "E",
        Act::Transact => {
            let mut actions = entry.items.iter().map(|item| method_action(item.method));
            let first = actions.next().unwrap_or("E");
            if actions.all(|action| action == first) { first } else { "E" }
        }
    }
}

fn method_action(method: Option<Method>) -> &'static str {
    match method {
        None => "R",
        Some(Method::Create) => "C",
        Some(Method::Update | Method::Patch) => "U",
        Some(Method::Delete) => "D",
    }
}

/// `AuditEvent.outcome`. <http://hl7.org/fhir/R4/valueset-audit-event-outcome.html>
fn outcome_of(entry: &Entry) -> &'static str {
    match entry.outcome {
        Outcome::Done => "0",
        Outcome::Refused => "4",
        Outcome::Failed => "8",
    }
}

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const REST: &str = "http://hl7.org/fhir/restful-interaction";

/// Type and subtype, each a system, a code and what it is called.
/// <https://dicom.nema.org/medical/dicom/current/output/chtml/part15/sect_A.5.html>
fn kind_of(entry: &Entry) -> ([&'static str; 3], Option<[&'static str; 3]>) {
    let rest = ["http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation"];
    let signing = [DICOM, "110114", "User Authentication"];
    let interaction = |code| (rest, Some([REST, code, code]));
    match entry.act {
        Act::Read => interaction("read"),
        Act::Vread => interaction("vread"),
        Act::History => interaction("history"),
        Act::Search => interaction("search"),
        Act::Follow => interaction("history-system"),
        Act::Transact => match (&entry.items[..], action_of(entry)) {
            ([item], _) => interaction(match item.method {
                None => "read",
                Some(Method::Create) => "create",
                Some(Method::Update) => "update",
                Some(Method::Patch) => "patch",
                Some(Method::Delete) => "delete",
            }),
            _ => interaction("transaction"),
        },
        Act::SignIn => (signing, Some([DICOM, "110122", "Login"])),
        Act::SignOut => (signing, Some([DICOM, "110123", "Logout"])),
        Act::Export => ([DICOM, "110106", "Export"], None),
        Act::Emergency => ([DICOM, "110113", "Security Alert"], Some([DICOM, "110127", "Emergency Override Started"])),
        Act::Request => (rest, Some([REST, "operation", "operation"])),
    }
}

fn quoted(text: &str) -> String {
    sonic_rs::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

fn coding([system, code, display]: [&str; 3]) -> String {
    format!(r#"{{"system":"{system}","code":{},"display":{}}}"#, quoted(code), quoted(display))
}

/// The AuditEvent of an entry; with `only`, without anything about other patients.
async fn write(names: &mut Names<'_>, id: &str, entry: &Entry, only: Option<&str>) -> Result<String, Error> {
    let when = time::instant(entry.at);
    let (type_, subtype) = kind_of(entry);
    let mut out = format!(
        r#"{{"resourceType":"AuditEvent","id":"{id}","meta":{{"versionId":"1","lastUpdated":"{when}"}},"type":{}"#,
        coding(type_)
    );
    let mut put = |text: String| out.push_str(&text);
    if let Some(subtype) = subtype {
        put(format!(r#","subtype":[{}]"#, coding(subtype)));
    }
    put(format!(r#","action":"{}","recorded":"{when}","outcome":"{}""#, action_of(entry), outcome_of(entry)));
    if !entry.purpose.is_empty() {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        put(format!(r#","purposeOfEvent":[{{"coding":[{{"system":"{system}","code":{}}}]}}]"#, quoted(&entry.purpose)));
    }
    put(format!(r#","agent":[{}"#, agent(names, entry).await?));
    if let Some(organization) = entry.organization() {
        put(format!(r#",{{"who":{},"requestor":false}}"#, who(names, &organization).await?));
    }
    put(r#"],"source":{"observer":{"display":"Qingshan"}}"#.to_owned());
    let entities = entities(entry, only);
    if !entities.is_empty() {
        put(format!(r#","entity":[{}]"#, entities.join(",")));
    }
    put("}".to_owned());
    Ok(out)
}

/// Whoever is meant: a reference, or an identifier of what is no resource, such as a machine client.
async fn who(names: &mut Names<'_>, actor: &str) -> Result<String, Error> {
    let display = match names.of(actor).await? {
        Some(name) => format!(r#","display":{}"#, quoted(&name)),
        None => String::new(),
    };
    Ok(match actor.split_once('/') {
        Some((type_, _)) if ResourceType::named(type_).is_some() => {
            format!(r#"{{"reference":{}{display}}}"#, quoted(actor))
        }
        Some((kind, name)) => {
            let system = format!("https://qingshan.dev/fhir/sid/{kind}");
            format!(r#"{{"identifier":{{"system":{},"value":{}}}{display}}}"#, quoted(&system), quoted(name))
        }
        None => format!(r#"{{"identifier":{{"value":{}}}}}"#, quoted(actor)),
    })
}

async fn agent(names: &mut Names<'_>, entry: &Entry) -> Result<String, Error> {
    let mut agent = match &entry.post {
        AsWhat::System => format!(r#"{{"type":{{"coding":[{}]}}"#, coding([DICOM, "110150", "Application"])),
        AsWhat::Staff { .. } | AsWhat::Lay => {
            let system = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
            format!(r#"{{"type":{{"coding":[{}]}}"#, coding([system, "humanuser", "human user"]))
        }
    };
    let mut roles = String::new();
    let mut add = |system: &str, code: &str| {
        let separator = if roles.is_empty() { "" } else { "," };
        let coding = format!(r#"{{"system":"{system}","code":{}}}"#, quoted(code));
        write!(roles, r#"{separator}{{"coding":[{coding}]}}"#).expect("a string takes text");
    };
    if let AsWhat::Staff { duties, .. } = &entry.post {
        duties.iter().for_each(|duty| add("https://qingshan.dev/fhir/CodeSystem/duty", duty));
    }
    if !entry.relation.is_empty() {
        add("https://qingshan.dev/fhir/CodeSystem/relation", &entry.relation);
    }
    if !roles.is_empty() {
        write!(agent, r#","role":[{roles}]"#).expect("a string takes text");
    }
    write!(agent, r#","who":{},"requestor":true"#, who(names, &entry.actor).await?).expect("a string takes text");
    if !entry.origin.is_empty() {
        write!(agent, r#","network":{{"address":{},"type":"2"}}"#, quoted(&entry.origin)).expect("a string takes text");
    }
    agent.push('}');
    Ok(agent)
}

/// What it was done to: patients, resources, the query and the request.
fn entities(entry: &Entry, only: Option<&str>) -> Vec<String> {
    const TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
    let entity = |what: &str, type_: [&str; 2], role: [&str; 2], rest: &str| {
        let (type_, role) = (coding([TYPE, type_[0], type_[1]]), coding([ROLE, role[0], role[1]]));
        format!(r#"{{{what}"type":{type_},"role":{role}{rest}}}"#)
    };
    let mut patients: Vec<&String> = entry.patients.iter().collect();
    patients.extend(entry.items.iter().flat_map(|item| &item.patients));
    patients.sort_unstable();
    patients.dedup();
    let mut entities = Vec::new();
    for id in patients.into_iter().filter(|id| only.is_none_or(|only| *id == only)).take(NAMED) {
        let what = format!(r#""what":{{"reference":"Patient/{id}"}},"#);
        entities.push(entity(&what, ["1", "Person"], ["1", "Patient"], ""));
    }
    let concerns =
        |patients: &[String]| only.is_none_or(|only| patients.is_empty() || patients.iter().any(|id| id == only));
    for item in entry.items.iter().filter(|item| concerns(&item.patients)).take(NAMED) {
        // A patient is told of above.
        if item.key.type_.name() == "Patient" && item.method.is_none() {
            continue;
        }
        let version = if item.version > 0 { format!("/_history/{}", item.version) } else { String::new() };
        let what = format!(r#""what":{{"reference":"{}{version}"}},"#, item.key);
        let rest = match &item.digest {
            Some(digest) if only.is_none() => {
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!(r#","detail":[{{"type":"SM3","valueString":"{digest}"}}]"#)
            }
            _ => String::new(),
        };
        entities.push(entity(&what, ["2", "System Object"], ["4", "Domain Resource"], &rest));
    }
    if matches!(entry.act, Act::Search | Act::History | Act::Follow) && only.is_none() {
        use base64::Engine;
        let query = base64::engine::general_purpose::STANDARD.encode(&entry.detail);
        let rest = format!(r#","query":"{query}","detail":[{{"type":"results","valueString":"{}"}}]"#, entry.count);
        entities.push(entity("", ["2", "System Object"], ["24", "Query"], &rest));
    } else if !entry.detail.is_empty() && only.is_none() {
        let name = format!(r#""name":{},"#, quoted(&entry.detail));
        entities.push(entity(&name, ["4", "Other"], ["20", "Job"], ""));
    }
    if !entry.request.is_empty() && only.is_none() {
        // BALP: the name of the request stands as its own entity. <https://profiles.ihe.net/ITI/BALP>
        let what = format!(r#""what":{{"identifier":{{"value":{}}}}},"#, quoted(&entry.request));
        let type_ = coding([
            "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType",
            "XrequestId",
            "The unique identifier assigned to the transaction",
        ]);
        entities.push(format!(r#"{{{what}"type":{type_}}}"#));
    }
    entities
}
