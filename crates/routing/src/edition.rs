//! Editions of the map: drafted from the registry, published on a day, and never changed afterwards.
//!
//! An edition is a `Library` of the canonical address [`code::MAP`], whose content is a Bundle with a copy of the registry.
//! What is published is the *version* of that Library in which it first was `active`: versions never change, so whatever
//! is written over it later is not what is shown. <http://hl7.org/fhir/R4/library.html>

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fhir::{Error, time};
use jiff::civil::Date;
use jiff::tz::Offset;
use record::tree::{self, items, name, put};
use record::{HistoryRequest, HistoryScope, Key, Session};
use serde_json::{Value, json};

use crate::registry::{Row, Site};
use crate::{Registry, Routing, code, invalid};

/// How often a draft is made anew when others are quicker.
const TRIES: usize = 16;
/// The longest note, in characters.
const LONGEST: usize = 500;

/// An edition of the map.
#[derive(Debug, Clone)]
pub struct Edition {
    /// Its number, from 1.
    pub number: u32,
    /// The first day it is in force; none of a draft.
    pub from: Option<String>,
    /// What is new, in words.
    pub note: Option<String>,
    /// The registry as it was.
    pub sites: Vec<Site>,
}

/// What is different between two editions.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The numbers of the two.
    pub between: (u32, u32),
    /// Rows that are only in the later one: institution, row.
    pub joined: Vec<(String, String)>,
    /// Rows that are only in the earlier one.
    pub left: Vec<(String, String)>,
    /// What changed of the others: institution, row, what, before, after.
    pub changed: Vec<Changed>,
}

/// One thing about a row that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// What the institution is called.
    pub institution: String,
    /// What the row is called.
    pub row: String,
    /// `suspended`, `level`, `hotline`, `capabilities`, `certified`, `position` or `name`.
    pub what: &'static str,
    /// As it was; none where there was none.
    pub before: Option<String>,
    /// As it is.
    pub after: Option<String>,
}

impl Routing {
    /// Copies the registry into a draft: the one there is, or that of the next edition.
    ///
    /// Fails with [`fhir::Category::Forbidden`] when the caller does not keep the map, and with
    /// [`fhir::Category::Conflict`] when the registry is empty.
    pub async fn draft(&self, session: &Session, note: Option<String>) -> Result<Value, Error> {
        self.is_editor(session.caller()).await?;
        if note.as_ref().is_some_and(|note| note.chars().count() > LONGEST) {
            return Err(invalid(format!("A note has at most {LONGEST} characters.")).at("note"));
        }
        for _ in 0..TRIES {
            let registry = self.registry().await?;
            if registry.services.is_empty() {
                return Err(Error::conflict("The registry is empty: there is nothing to draw a map of."));
            }
            let all = self.editions().await?;
            let last = all.last();
            let number = last.map_or(1, |last| if last.from.is_none() { last.number } else { last.number + 1 });
            let id = format!("Library/capability-map-{number}");
            let version = tree::read(&self.platform(), &id).await?.map(|(_, version)| version);
            let bundle = serde_json::to_vec(&copied(&registry)).map_err(Error::fault)?;
            let mut library = json!({
                "resourceType": "Library", "id": format!("capability-map-{number}"), "url": code::MAP,
                "version": number.to_string(), "name": "CapabilityMap", "status": "draft",
                "type": { "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "asset-collection",
                }] },
                "date": time::instant(self.now()),
                "content": [{ "contentType": "application/fhir+json", "data": STANDARD.encode(bundle) }],
            });
            if let Some(note) = note.as_deref().map(str::trim).filter(|note| !note.is_empty()) {
                library["description"] = json!(note);
            }
            match self.for_caller(session.caller()).transact(vec![put(&library, version)?]).await {
                Ok(_) => return Ok(library),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::conflict("Others draft the map at the same time. Try again in a moment."))
    }

    /// Publishes the draft, to be in force from a day on: today when none is named.
    ///
    /// Fails as [`Error::not_found`] when there is no draft of that number, with [`fhir::Category::Conflict`] when it is
    /// published already, and with [`fhir::Category::Forbidden`] when the caller does not keep the map.
    pub async fn publish(&self, session: &Session, library: &str, from: Option<&str>) -> Result<Value, Error> {
        self.is_editor(session.caller()).await?;
        let today = self.today();
        let day = match from {
            None => today,
            Some(text) => text.parse::<Date>().map_err(|_| invalid("The day is not a date.").at("date"))?,
        };
        if day < today {
            return Err(invalid("An edition is in force from today on, or from a day to come.").at("date"));
        }
        let absent = || Error::not_found(format!("There is no edition {library}."));
        let there = tree::read(&self.platform(), library).await?.filter(|(tree, _)| tree["url"] == code::MAP);
        let (mut tree, version) = there.ok_or_else(absent)?;
        if self.first_published(library).await?.is_some() {
            return Err(Error::conflict(
                "This edition is published. What is published does not change: draft the next one.",
            ));
        }
        let before = self.editions().await?.into_iter().filter_map(|one| one.from).max();
        if before.is_some_and(|before| before > day.to_string()) {
            return Err(Error::conflict("An earlier edition is in force from a later day on."));
        }
        tree["status"] = json!("active");
        tree["approvalDate"] = json!(today.to_string());
        tree["effectivePeriod"] = json!({ "start": day.to_string() });
        match self.for_caller(session.caller()).transact(vec![put(&tree, Some(version))?]).await {
            Ok(_) => Ok(tree),
            Err(refusal) if refusal.is_overtaken() => {
                Err(Error::conflict("The draft was changed meanwhile. Look at it again before you publish it."))
            }
            Err(refusal) => Err(refusal.error),
        }
    }

    /// Every edition, the earliest first; a draft is the last.
    pub async fn editions(&self) -> Result<Vec<Edition>, Error> {
        let asked = [("url", code::MAP.to_owned()), ("_count", "200".to_owned())];
        let found = tree::every(&self.platform(), "Library", &asked).await?;
        let mut editions = Vec::new();
        for current in found {
            let published = self.first_published(&name(&current)).await?;
            let Some(edition) = read(&published.unwrap_or(current), self.zone()) else { continue };
            editions.push(edition);
        }
        editions.sort_by_key(|edition| edition.number);
        Ok(editions)
    }

    /// The edition in force, if one is.
    pub async fn current(&self) -> Result<Option<Edition>, Error> {
        let today = self.today().to_string();
        let in_force = |edition: &Edition| edition.from.as_ref().is_some_and(|from| *from <= today);
        Ok(self.editions().await?.into_iter().rfind(in_force))
    }

    /// What is different between two editions, a draft among them.
    ///
    /// Fails with [`fhir::Category::Forbidden`] when the caller is not on duty, and as [`Error::not_found`] when there is no
    /// such edition.
    pub async fn difference(&self, session: &Session, from: u32, to: u32) -> Result<Difference, Error> {
        if let record::Standing::Lay(_) = session.caller().standing {
            return Err(Error::forbidden(
                "Editions are compared by those on duty. The map is open to everybody at /map.",
            ));
        }
        let editions = self.editions().await?;
        let one = |number: u32| {
            let absent = || Error::not_found(format!("There is no edition {number}."));
            editions.iter().find(|edition| edition.number == number).ok_or_else(absent)
        };
        Ok(Difference::between(one(from)?, one(to)?))
    }

    /// The first version of a Library in which it was active: what was published.
    async fn first_published(&self, library: &str) -> Result<Option<Value>, Error> {
        let Some(key) = Key::of(library) else { return Ok(None) };
        let (mut before, mut first) = (None, None);
        loop {
            let scope = HistoryScope::Instance(key.clone());
            let request = HistoryRequest { scope, since: None, at: None, count: 100, before };
            let page = self.platform().history(&request).await?;
            for version in &page.versions {
                first = tree::of(version)?.filter(|tree| tree["status"] == "active").or(first);
            }
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok(first),
            }
        }
    }

    fn today(&self) -> Date {
        let now = jiff::Timestamp::from_microsecond(self.now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.zone().to_datetime(now).date()
    }
}

/// The registry as a Bundle: what is said from hour to hour stays out of it.
fn copied(registry: &Registry) -> Value {
    const KEPT: [&str; 9] =
        ["resourceType", "id", "name", "alias", "type", "partOf", "position", "address", "managingOrganization"];
    let services = registry.services.iter().map(|service| {
        let mut copy = service.clone();
        tree::without_extension(&mut copy, code::LIVE);
        tree::without(&mut copy, &["meta", "text"]);
        copy
    });
    let others = registry.others.values().map(|other| {
        let members = other.as_object().into_iter().flatten().filter(|(member, _)| KEPT.contains(&member.as_str()));
        Value::Object(members.map(|(member, value)| (member.clone(), value.clone())).collect())
    });
    let entries: Vec<Value> = services.chain(others).map(|resource| json!({ "resource": resource })).collect();
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
}

/// Reads an edition off its Library; nothing when its content is not what this program writes.
fn read(library: &Value, zone: Offset) -> Option<Edition> {
    let data = library["content"][0]["data"].as_str()?;
    let bundle: Value = serde_json::from_slice(&STANDARD.decode(data).ok()?).ok()?;
    let mut registry = Registry::default();
    for resource in items(&bundle["entry"]).map(|entry| &entry["resource"]) {
        match resource["resourceType"].as_str() {
            Some("HealthcareService") => registry.services.push(resource.clone()),
            _ => drop(registry.others.insert(name(resource), resource.clone())),
        }
    }
    let is_published = library["status"] == "active";
    Some(Edition {
        number: library["version"].as_str()?.parse().ok()?,
        from: library["effectivePeriod"]["start"].as_str().filter(|_| is_published).map(str::to_owned),
        note: library["description"].as_str().map(str::to_owned),
        sites: registry.sites(zone),
    })
}

/// A row with the site it belongs to, under its name and pathway.
type Named<'e> = BTreeMap<(String, String), (&'e Site, &'e Row)>;

fn rows(edition: &Edition) -> Named<'_> {
    let all = edition.sites.iter().flat_map(|site| site.rows.iter().map(move |(pathway, row)| (site, pathway, row)));
    all.map(|(site, pathway, row)| ((row.service.clone(), pathway.clone()), (site, row))).collect()
}

impl Difference {
    /// What became of the rows of one edition in another.
    pub fn between(earlier: &Edition, later: &Edition) -> Self {
        let (before, after) = (rows(earlier), rows(later));
        let words = |(site, row): &(&Site, &Row)| (site.institution_name.0.clone(), row.name.clone());
        let only = |these: &Named<'_>, others: &Named<'_>| {
            these.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, one)| words(one)).collect()
        };
        let mut changed = Vec::new();
        for (key, (site, row)) in &after {
            let Some((old_site, old)) = before.get(key) else { continue };
            let list = |row: &Row| row.capabilities.iter().cloned().collect::<BTreeSet<_>>();
            let joined = |set: BTreeSet<String>| Some(set.into_iter().collect::<Vec<_>>().join(" "));
            let place = |site: &Site| site.position.map(|at| format!("{:.5} {:.5}", at.latitude, at.longitude));
            let day = |row: &Row| row.certified.as_ref().map(|(day, _)| day.clone());
            let pairs = [
                ("suspended", old.suspended.clone(), row.suspended.clone()),
                ("level", old.level.clone(), row.level.clone()),
                ("hotline", old.hotline.clone(), row.hotline.clone()),
                ("capabilities", joined(list(old)), joined(list(row))),
                ("certified", day(old), day(row)),
                ("position", place(old_site), place(site)),
                ("name", Some(old.name.clone()), Some(row.name.clone())),
            ];
            let (institution, name) = words(&(*site, *row));
            changed.extend(pairs.into_iter().filter(|(_, before, after)| before != after).map(
                |(what, before, after)| Changed {
                    institution: institution.clone(),
                    row: name.clone(),
                    what,
                    before,
                    after,
                },
            ));
        }
        Self {
            between: (earlier.number, later.number),
            joined: only(&after, &before),
            left: only(&before, &after),
            changed,
        }
    }

    /// As a Parameters resource: `from`, `to`, each `joined` and `left` with `institution` and `row`, and each `changed` with
    /// `what`, `before` and `after` besides.
    pub fn parameters(&self) -> Value {
        let words = |institution: &str, row: &str| {
            vec![
                json!({ "name": "institution", "valueString": institution }),
                json!({ "name": "row", "valueString": row }),
            ]
        };
        let mut all = vec![
            json!({ "name": "from", "valueInteger": self.between.0 }),
            json!({ "name": "to", "valueInteger": self.between.1 }),
        ];
        for (name, list) in [("joined", &self.joined), ("left", &self.left)] {
            all.extend(list.iter().map(|(house, row)| json!({ "name": name, "part": words(house, row) })));
        }
        for one in &self.changed {
            let mut parts = words(&one.institution, &one.row);
            parts.push(json!({ "name": "what", "valueCode": one.what }));
            let side = |name: &str, text: &Option<String>| {
                text.as_ref().map(|text| json!({ "name": name, "valueString": text }))
            };
            parts.extend(side("before", &one.before));
            parts.extend(side("after", &one.after));
            all.push(json!({ "name": "changed", "part": parts }));
        }
        json!({ "resourceType": "Parameters", "parameter": all })
    }
}
