//! The trail as FHIR AuditEvents, made when they are asked for. <http://hl7.org/fhir/R4/auditevent.html>
//!
//! An entry's id as an AuditEvent is `trail-CHAIN-POSITION`, and nothing else is stored under such an id. Events come newest
//! first, in the order in which they were chained, and after them the AuditEvents that other systems sent, in the order
//! in which they came.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use fhir::search::Param;
use fhir::{Category, Error, IssueCode, time};
use futures_util::future::BoxFuture;

use super::chain;
use super::entry::{Act, Entry};
use super::index::{Spot, Spots};
use super::shape::{Names, action_of, outcome_of, write};
use super::view::View;
use crate::access::sight::{self, Sight};
use crate::search::{SearchPage, SearchRequest};
use crate::store::names::shard_of;
use crate::store::value::{Row, Rows, SqlValue};
use crate::store::{Reader, reads};
use crate::{Key, Method, ResourceType, Session, Version};

/// The name of the type.
const TYPE: &str = "AuditEvent";

/// The search parameters the trail is asked by.
const PARAMETERS: [&str; 7] = ["action", "agent", "altid", "date", "entity", "outcome", "patient"];

/// Whether the trail is asked by this parameter; none when it is one of another type.
pub(crate) fn is_asked_by(param: &Param) -> Option<bool> {
    (param.type_name == TYPE).then(|| PARAMETERS.contains(&&*param.code))
}

/// How the id of an event that stands on the trail begins.
const ID: &str = "trail-";

/// Whether a resource has the name of an event that stands on the trail, under which nothing is stored.
pub(crate) fn is_on_the_trail(key: &Key) -> bool {
    key.type_.name() == TYPE && key.id.starts_with(ID)
}

/// The parameter that holds where a page begins.
const CURSOR: &str = "_page";

/// What the place of a page begins with that is past the trail, among what other systems sent.
const SENT: char = 's';

/// Blocks read at a time.
const CHUNK: i64 = 32;

/// Blocks looked through for one page. A page that would need more is shorter, and says where to go on.
const THROUGH: i64 = 4_096;

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

/// Whether the rules open the whole trail to a caller; one to whom they open no part of it is refused.
fn watches(sight: Option<&Sight>) -> Result<bool, Error> {
    let Some(sight) = sight else { return Ok(true) };
    let type_ = ResourceType::parse(TYPE)?.number();
    if sight.ways(sight::Act::Read, type_).is_empty() {
        return Err(forbidden("The trail is shown to those who watch over it and to the patient it is about."));
    }
    Ok(sight.asks_nothing(&[TYPE]))
}

/// An entry as far as it is told to somebody, and the id of the patient of whom it tells them.
async fn open_part(rows: &mut Reader, sight: &Arc<Sight>, entry: &Entry) -> Result<Option<(Entry, String)>, Error> {
    let patients: BTreeSet<&str> = entry.about().collect();
    for patient in patients {
        let Some(mut view) = View::of(rows, sight, patient).await? else { continue };
        let mut part = entry.clone();
        if view.admit(rows, &mut part).await? {
            return Ok(Some((part, patient.to_owned())));
        }
    }
    Ok(None)
}

/// Whether a request is for AuditEvents alone.
pub(crate) fn is_sought(request: &SearchRequest) -> bool {
    request.type_.is_some_and(|type_| type_.name() == TYPE)
}

impl Session {
    /// Who looked at a patient's record or wrote in it, newest first, as AuditEvents that tell of nobody else's.
    ///
    /// For those to whom the rules open AuditEvents of this patient. `from` is the value of `_page` in
    /// [`SearchPage::next`]. Fails with [`Category::Forbidden`] for others.
    pub async fn who_looked(&self, patient: &str, count: usize, from: Option<&str>) -> Result<SearchPage, Error> {
        let count = count.clamp(1, self.record.settings().limits.page_max);
        let from = from.map(Place::read).transpose()?;
        let patient = Some(patient.to_owned());
        let sought = Sought { patient, narrow: true, count, from, ..Sought::default() };
        let page = self.tell(sought, format!("_count={count}"), Vec::new()).await;
        self.witness(Act::Search, None, "Patient/$who-looked".to_owned(), None, page).await
    }

    /// A search for AuditEvents. Boxed, so that other searches do not carry its state along.
    pub(crate) fn events<'s>(&'s self, request: &'s SearchRequest) -> BoxFuture<'s, Result<SearchPage, Error>> {
        Box::pin(self.events_of(request))
    }

    async fn events_of(&self, request: &SearchRequest) -> Result<SearchPage, Error> {
        let (mut sought, sent, understood, warnings) = self.understand(request)?;
        if let Some(compartment) = &request.compartment {
            match compartment.type_.name() {
                "Patient" => (sought.patient, sought.narrow) = (Some(compartment.id.clone()), true),
                _ => sought.agent = Some(compartment.to_string()),
            }
        }
        let count = sought.count;
        let mut page = match sent {
            None => self.tell(sought, understood, warnings).await?,
            Some(_) => {
                self.view(&mut sought).await?;
                nothing(understood, warnings)
            }
        };
        if page.next.is_some() {
            return Ok(page);
        }
        // The trail has been told to its end. That something follows is looked for even where nothing of it fits here.
        let left = count - page.matches.len();
        let further = self.sent(request, left.max(1), sent.as_deref().unwrap_or_default()).await?;
        let place = match left {
            0 => (!further.matches.is_empty()).then(String::new),
            _ => {
                if !further.matches.is_empty() && request.parameters.iter().any(|(name, _)| name == "_sort") {
                    let text =
                        "What stands on the trail comes newest first, and after all of it what other systems sent.";
                    page.warnings.push(fhir::Issue::warning(IssueCode::Informational, text));
                }
                page.matches.extend(further.matches);
                place_of(further.next)?
            }
        };
        page.next = place.map(|place| next_page(&page.understood, &format!("{SENT}{place}")));
        Ok(page)
    }

    /// A page of the AuditEvents that other systems sent, as far as the caller may see them.
    async fn sent(&self, request: &SearchRequest, count: usize, place: &str) -> Result<SearchPage, Error> {
        let is_asked = |name: &str| PARAMETERS.contains(&name.split(':').next().unwrap_or(name));
        let mut parameters: Vec<(String, String)> =
            request.parameters.iter().filter(|(name, _)| is_asked(name)).cloned().collect();
        parameters.push(("_count".to_owned(), count.to_string()));
        if !place.is_empty() {
            parameters.push((CURSOR.to_owned(), place.to_owned()));
        }
        let request = SearchRequest { parameters, ..request.clone() };
        crate::search::run(&self.record, &request, self.sight().await?.as_deref()).await
    }

    /// One event by its id; `None` for an id that is not one of the trail.
    pub(crate) fn event<'s>(&'s self, key: &'s Key) -> Option<BoxFuture<'s, Result<Option<Version>, Error>>> {
        let name = key.id.strip_prefix(ID).filter(|_| key.type_.name() == TYPE)?;
        let (chain, seq) = name.split_once('-')?;
        let (chain, seq) = (chain.parse().ok()?, seq.parse().ok()?);
        Some(Box::pin(self.event_at(key, chain, seq)))
    }

    async fn event_at(&self, key: &Key, chain: i64, seq: i64) -> Result<Option<Version>, Error> {
        let sight = self.sight().await?;
        let whole = watches(sight.as_deref())?;
        self.record.settle().await?;
        let mut rows = self.record.reader().await?;
        let sql = "SELECT seq, body FROM audit WHERE shard = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1";
        let found = rows.rows(sql, &[chain.into(), seq.into()]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let body = chain::unpack(row.bytes_or_null(1)?.unwrap_or_default());
        let at = usize::try_from(seq - row.int(0)?).unwrap_or(usize::MAX);
        let Some(entry) = chain::entries(&body).nth(at).flatten().and_then(|(bytes, _)| Entry::parse(bytes)) else {
            return Ok(None);
        };
        let (entry, only) = match sight.filter(|_| !whole) {
            None => (entry, None),
            Some(sight) => match open_part(&mut rows, &sight, &entry).await? {
                Some((entry, patient)) => (entry, Some(patient)),
                None => return Ok(None),
            },
        };
        let json = write(&mut Names::new(&mut rows), &key.id, &entry, only.as_deref()).await?;
        Ok(Some(version(key.clone(), &entry, json)))
    }

    /// What the caller may see of what is sought: `None` for all of it, or a view of the one patient it is about.
    async fn view(&self, sought: &mut Sought) -> Result<Option<View>, Error> {
        let sight = self.sight().await?;
        let (false, Some(sight)) = (watches(sight.as_deref())?, sight) else { return Ok(None) };
        sought.narrow = true;
        if let Some(patient) = &sought.patient
            && let Some(view) = View::of(&mut self.record.reader().await?, &sight, patient).await?
        {
            return Ok(Some(view));
        }
        let text = "You see who looked at your own record, or at that of someone you act for: patient=…";
        Err(forbidden(text))
    }

    /// What a search asks for, as it was understood, and what of it was not.
    /// A page that is past the trail has its place there beside.
    fn understand(&self, request: &SearchRequest) -> Result<(Sought, Option<String>, String, Vec<fhir::Issue>), Error> {
        let limits = &self.record.settings().limits;
        let zone = crate::store::zone(self.record.settings())?;
        let mut sought = Sought { count: limits.page, ..Sought::default() };
        let (mut understood, mut warnings, mut sent) = (Vec::new(), Vec::new(), None);
        for (name, value) in &request.parameters {
            let bad = || {
                let text = format!("The value of “{name}” cannot be read.");
                Error::new(Category::Invalid, IssueCode::Value, text).at(format!("http.{name}"))
            };
            match name.as_str() {
                "patient" | "patient:Patient" => {
                    let own = self.own().relative(value);
                    let id = own.strip_prefix("Patient/").unwrap_or(own);
                    sought.patient = Some(Some(id).filter(|id| Key::is_id(id)).ok_or_else(bad)?.to_owned());
                }
                "agent" | "altid" => sought.agent = Some(self.own().relative(value).to_owned()),
                "entity" => {
                    sought.entity = Some(Key::of(self.own().relative(value)).ok_or_else(bad)?);
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
                    match value.strip_prefix(SENT) {
                        Some(place) => sent = Some(place.to_owned()),
                        None => sought.from = Some(Place::read(value)?),
                    }
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
        Ok((sought, sent, understood.join("&"), warnings))
    }

    async fn tell(
        &self,
        mut sought: Sought,
        understood: String,
        warnings: Vec<fhir::Issue>,
    ) -> Result<SearchPage, Error> {
        let view = self.view(&mut sought).await?;
        self.record.settle().await?;
        let mut rows = self.record.reader().await?;
        let (found, next) = find(&mut rows, &sought, view).await?;
        let mut names = Names::new(&mut rows);
        let type_ = ResourceType::parse(TYPE)?;
        let only = sought.patient.as_deref().filter(|_| sought.narrow);
        let mut matches = Vec::with_capacity(found.len());
        for (chain, seq, entry) in &found {
            let key = Key::new(type_, format!("{ID}{chain}-{seq}"));
            let json = write(&mut names, &key.id, entry, only).await?;
            matches.push(version(key, entry, json));
        }
        let next = next.map(|place| next_page(&understood, &place.write()));
        Ok(SearchPage { matches, next, ..nothing(understood, warnings) })
    }
}

/// A page without events.
fn nothing(understood: String, warnings: Vec<fhir::Issue>) -> SearchPage {
    SearchPage {
        matches: Vec::new(),
        included: Vec::new(),
        total: None,
        understood,
        next: None,
        summary: None,
        elements: Vec::new(),
        warnings,
    }
}

/// The query of the page at a place.
fn next_page(understood: &str, place: &str) -> String {
    let separator = if understood.is_empty() { "" } else { "&" };
    format!("{understood}{separator}{CURSOR}={place}")
}

/// The place in the query of a page.
fn place_of(next: Option<String>) -> Result<Option<String>, Error> {
    let Some(next) = next else { return Ok(None) };
    let pairs = SearchRequest::parameters_of(&next)?;
    Ok(pairs.into_iter().find(|(name, _)| name == CURSOR).map(|(_, place)| place))
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
    async fn shard(&self, rows: &mut Reader) -> Result<Option<i32>, Error> {
        if let Some(patient) = &self.patient {
            return Ok(Some(shard_of(&format!("Patient/{patient}"))));
        }
        if let Some(entity) = &self.entity {
            // What belongs to a patient is found under the patient, on whose shard it lies.
            let home = reads::place(rows, entity).await?.map(|place| place.home);
            return Ok(Some(home.unwrap_or_else(|| shard_of(&entity.to_string()))));
        }
        Ok(self.agent.as_ref().map(|agent| shard_of(agent)))
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
async fn find(
    rows: &mut Reader,
    sought: &Sought,
    mut view: Option<View>,
) -> Result<(Vec<(i64, i64, Entry)>, Option<Place>), Error> {
    let newest = Place { at: i64::MAX, chain: i64::from(i32::MAX), block: i64::MAX, seq: i64::MAX };
    let mut from = sought.from;
    let mut spots = match sought.shard(rows).await? {
        Some(shard) => {
            let Place { at, chain, block, .. } = from.unwrap_or(newest);
            Some(Spots::of(rows, shard, sought.lo, Spot { at, chain, seq: block }).await?)
        }
        None => None,
    };
    let mut found = Vec::new();
    let mut through = 0;
    loop {
        let mut passed = None;
        let (blocks, ended) = match &mut spots {
            Some(spots) => {
                let spots = spots.next(rows, CHUNK as usize).await?;
                passed = spots.last().copied();
                (blocks_at(rows, &spots, sought.hi).await?, spots.len() < CHUNK as usize)
            }
            None => {
                let blocks = blocks_before(rows, sought, from.unwrap_or(newest)).await?;
                let ended = (blocks.len() as i64) < CHUNK;
                (blocks, ended)
            }
        };
        through += CHUNK;
        for row in &blocks {
            let place = Place { at: row.int(0)?, chain: row.int(1)?, block: row.int(2)?, seq: i64::MAX };
            for (seq, mut entry) in backwards(row, place)? {
                let done = from.is_some_and(|from| {
                    (from.at, from.chain, from.block) == (place.at, place.chain, place.block) && seq >= from.seq
                });
                if done || !sought.wants(&entry) {
                    continue;
                }
                // What is not told of an entry finds it no more than it is shown.
                if let Some(view) = &mut view
                    && (!view.admit(rows, &mut entry).await? || !sought.wants(&entry))
                {
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
        if let Some(Spot { at, chain, seq: block }) = passed {
            from = Some(Place { at, chain, block, seq: 0 });
        }
        if ended || through >= THROUGH {
            let next = from.filter(|_| !ended);
            return Ok((found.into_iter().map(|(_, chain, _, seq, entry)| (chain, seq, entry)).collect(), next));
        }
    }
}

/// Blocks at some places that begin before a time, in the order of the places: time, chain, position, body.
async fn blocks_at(rows: &mut Reader, spots: &[Spot], hi: i64) -> Result<Vec<Row>, Error> {
    if spots.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted = String::new();
    let mut arguments = vec![hi.into()];
    for (at, spot) in spots.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        wanted.push_str(&format!(
            "{separator}({at}, CAST(${} AS BIGINT), CAST(${} AS BIGINT))",
            at * 2 + 2,
            at * 2 + 3
        ));
        arguments.extend([spot.chain.into(), spot.seq.into()]);
    }
    // Written as a cross join, which SQLite takes in the order given: from what is wanted to where it lies.
    let sql = format!(
        "WITH wanted (n, chain, seq) AS (VALUES {wanted}) SELECT b.at, w.chain, w.seq, b.body \
         FROM wanted w CROSS JOIN audit b WHERE b.shard = w.chain AND b.seq = w.seq AND b.since < $1 ORDER BY w.n"
    );
    rows.rows(&sql, &arguments).await
}

/// Blocks of the whole trail within the times sought and not after a place, the latest first.
async fn blocks_before(rows: &mut Reader, sought: &Sought, from: Place) -> Result<Vec<Row>, Error> {
    let sql = "SELECT at, shard, seq, body FROM audit \
               WHERE at >= $1 AND since < $2 AND at <= $3 AND (at, shard, seq) <= ($3, $4, $5) \
               ORDER BY at DESC, shard DESC, seq DESC LIMIT $6";
    let arguments = [sought.lo, sought.hi, from.at, from.chain, from.block, CHUNK];
    rows.rows(sql, &arguments.map(SqlValue::Int)).await
}

/// The entries of a block with their positions, the last first.
fn backwards(row: &Row, place: Place) -> Result<Vec<(i64, Entry)>, Error> {
    let body = chain::unpack(row.bytes_or_null(3)?.unwrap_or_default());
    let entries = chain::entries(&body).zip(place.block..);
    let mut entries: Vec<(i64, Entry)> =
        entries.filter_map(|(found, seq)| Some((seq, Entry::parse(found?.0)?))).collect();
    entries.reverse();
    Ok(entries)
}

fn version(key: Key, entry: &Entry, json: String) -> Version {
    Version { key, version: 1, at: entry.at, method: Method::Create, body: Some(Bytes::from(json)) }
}
