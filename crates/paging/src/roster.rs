//! Who is on call: shifts of people at an institution, each for one call.
//!
//! What somebody is on call for is a code, the *call*: that of a role of care processes. For each institution, call and
//! post there is one Schedule of the category [`code::ON_CALL`] whose actor is the post, and each shift is a Slot of it
//! that is `busy`. A shift that is taken off is `entered-in-error`; nothing is deleted, so that it can be told later who
//! was on call when.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Category, Error, IssueCode, time};
use record::tree::{self, codes, concept, extension, items, name, put, reference, referred};
use record::{Change, Key, Session, Standing};
use serde::Serialize;
use serde_json::{Value, json};

use crate::people::Person;
use crate::{Paging, code};

/// The longest shift, in microseconds: a week of duty.
const LONGEST: i64 = 7 * 86_400_000_000;
/// The identifier of the Schedules and Slots of rosters: whoever sets a shift twice sets it once.
const IDENTIFIER: &str = "https://qingshan.dev/fhir/sid/on-call";
/// How many Schedules are asked for in one search.
const TOGETHER: usize = 50;
/// How often a shift is written anew when others write the same meanwhile.
const TRIES: usize = 8;

/// What people can be on call for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Its code.
    pub code: String,
    /// What it is called.
    pub title: crate::Words,
    /// The duties that may be on call for it; any where none is named.
    pub duties: Vec<String>,
}

/// Hours in which somebody is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The id of its Slot.
    pub id: String,
    /// What for.
    pub call: String,
    /// Who.
    pub who: Person,
    /// From when to when, in microseconds since 1970.
    pub span: (i64, i64),
}

/// A shift that is to be set.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The caller's name for it, an id; setting twice under one name sets once.
    pub key: Option<String>,
    /// The institution: `Organization/…`.
    pub institution: String,
    /// What for.
    pub call: String,
    /// Who: `PractitionerRole/…`.
    pub who: String,
    /// From when to when, in microseconds since 1970.
    pub span: (i64, i64),
    /// Ids of the shifts that it takes the place of.
    pub instead: Vec<String>,
}

impl Paging {
    /// Sets a shift: its Slot, and its Schedule where there is none yet.
    ///
    /// Fails with [`Category::Conflict`] when the same post is on call for the same at that time already, and with
    /// [`Category::Forbidden`] when it is another institution's roster or the rules of access do not let the caller keep
    /// duty lists.
    pub async fn set_shift(&self, session: &Session, wanted: &Wanted) -> Result<Shift, Error> {
        let (from, to) = wanted.span;
        if to <= from || to - from > LONGEST {
            return Err(Error::invalid("A shift ends after it begins, and lasts a week at most."));
        }
        if to <= self.now() {
            return Err(Error::invalid("The shift is over before it is set."));
        }
        let is_code = |text: &str| Key::is_id(text) && text.len() <= 40;
        if !is_code(&wanted.call) || wanted.key.as_deref().is_some_and(|key| !Key::is_id(key)) {
            return Err(Error::invalid("A call is a code, and a name for a shift an id."));
        }
        self.keeps_roster(session, &wanted.institution).await?;
        let absent = |what: &str| Error::not_found(format!("There is no {what}."));
        tree::read(&self.platform(), &wanted.institution).await?.ok_or_else(|| absent(&wanted.institution))?;
        let who = self.person(&wanted.who).await?.filter(|one| one.role.is_some());
        let who = who.ok_or_else(|| absent(&wanted.who))?;
        let key = wanted.key.clone().unwrap_or_else(|| self.record().surroundings().new_id());
        for _ in 0..TRIES {
            if let Some(there) = self.first("Slot", &key).await? {
                let id = there["id"].as_str().unwrap_or_default();
                return self.shift(id).await?.ok_or_else(|| absent("shift of that name any more"));
            }
            let changes = self.written(wanted, &key, session).await?;
            match session.transact(changes).await {
                Ok(applied) => {
                    let slot = applied.into_iter().next_back().and_then(|one| one.version);
                    let id = slot.ok_or_else(|| Error::fault("a shift that was set is not there"))?.key.id;
                    return Ok(Shift { id, call: wanted.call.clone(), who, span: wanted.span });
                }
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::conflict("Others change this roster at the moment. Look again."))
    }

    async fn first(&self, type_: &str, value: &str) -> Result<Option<Value>, Error> {
        let found = tree::every(&self.platform(), type_, &[("identifier", format!("{IDENTIFIER}|{value}"))]).await?;
        Ok(found.into_iter().next())
    }

    async fn written(&self, wanted: &Wanted, key: &str, session: &Session) -> Result<Vec<Change>, Error> {
        let of = crate::page::digest(&[&wanted.institution, &wanted.call, &wanted.who]);
        let mut changes = Vec::new();
        for one in &wanted.instead {
            changes.extend(self.off(session, one).await?);
        }
        let schedule = match self.first("Schedule", &of).await? {
            Some(schedule) => {
                let schedule = name(&schedule);
                for (other, span) in self.slots(std::slice::from_ref(&schedule), wanted.span).await? {
                    if !wanted.instead.contains(&other) {
                        let from = time::instant(span.0);
                        let text = format!("They are on call for this from {from} already (Slot/{other}).");
                        return Err(Error::new(Category::Conflict, IssueCode::Duplicate, text));
                    }
                }
                schedule
            }
            None => {
                let full_url = format!("urn:uuid:{}", self.record().surroundings().new_id());
                let schedule = json!({
                    "resourceType": "Schedule",
                    "identifier": [{ "system": IDENTIFIER, "value": of }],
                    "extension": [{ "url": code::PLACE, "valueReference": reference(&wanted.institution) }],
                    "active": true,
                    "serviceCategory": [concept(code::SESSION, code::ON_CALL)],
                    "serviceType": [concept(code::CALL, &wanted.call)],
                    "actor": [reference(&wanted.who)],
                });
                changes.push(created(&schedule, &of, Some(full_url.clone()))?);
                full_url
            }
        };
        let slot = json!({
            "resourceType": "Slot",
            "identifier": [{ "system": IDENTIFIER, "value": key }],
            "serviceCategory": [concept(code::SESSION, code::ON_CALL)],
            "serviceType": [concept(code::CALL, &wanted.call)],
            "schedule": reference(&schedule),
            "status": "busy",
            "start": time::instant(wanted.span.0),
            "end": time::instant(wanted.span.1),
        });
        changes.push(created(&slot, key, None)?);
        Ok(changes)
    }

    /// Takes a shift off. Doing so twice does nothing.
    pub async fn drop_shift(&self, session: &Session, id: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(change) = self.off(session, id).await? else { return Ok(()) };
            match session.transact(vec![change]).await {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::conflict("Others change this shift at the moment. Look again."))
    }

    /// What takes a shift off; none when it is off already.
    async fn off(&self, session: &Session, id: &str) -> Result<Option<Change>, Error> {
        let absent = || Error::not_found(format!("There is no shift {id}."));
        let (mut slot, version) = tree::read(&self.platform(), &format!("Slot/{id}")).await?.ok_or_else(absent)?;
        if !tree::is_coded(&slot["serviceCategory"], code::SESSION, code::ON_CALL) {
            return Err(absent());
        }
        let schedule = referred(&slot["schedule"]).unwrap_or_default();
        let (schedule, _) = tree::read(&self.platform(), schedule).await?.ok_or_else(absent)?;
        self.keeps_roster(session, place_of(&schedule).unwrap_or_default()).await?;
        if slot["status"] == "entered-in-error" {
            return Ok(None);
        }
        slot["status"] = json!("entered-in-error");
        put(&slot, Some(version)).map(Some)
    }

    /// Refuses whoever does not work at the institution whose roster it is.
    async fn keeps_roster(&self, session: &Session, institution: &str) -> Result<(), Error> {
        let permitted = match &session.caller().standing {
            Standing::System | Standing::Machine(_) => true,
            Standing::Lay(_) => false,
            Standing::Staff(post) => {
                let own = tree::up_from(&self.platform(), &format!("Organization/{}", post.organization)).await?;
                own.iter().any(|id| institution.strip_prefix("Organization/") == Some(id))
            }
        };
        if permitted { Ok(()) } else { Err(Error::forbidden("A roster is kept by those who work at the institution.")) }
    }

    async fn shift(&self, id: &str) -> Result<Option<Shift>, Error> {
        let Some((slot, _)) = tree::read(&self.platform(), &format!("Slot/{id}")).await? else { return Ok(None) };
        let schedule = referred(&slot["schedule"]).unwrap_or_default();
        let Some((schedule, _)) = tree::read(&self.platform(), schedule).await? else { return Ok(None) };
        let (Some(span), Some(who)) = (tree::span(&slot, self.zone()), post_of(&schedule)) else { return Ok(None) };
        let Some(who) = self.person(who).await? else { return Ok(None) };
        let call = codes(&schedule["serviceType"], code::CALL).next().unwrap_or_default().to_owned();
        Ok(Some(Shift { id: id.to_owned(), call, who, span }))
    }

    /// The shifts of an institution (`Organization/…`) that overlap a time, by beginning.
    pub async fn shifts(&self, institution: &str, span: (i64, i64)) -> Result<Vec<Shift>, Error> {
        let schedules = self.schedules(None).await?;
        let own: Vec<&Value> = schedules.iter().filter(|one| place_of(one) == Some(institution)).collect();
        let mut shifts = Vec::new();
        let mut known: BTreeMap<String, Option<Person>> = BTreeMap::new();
        for schedule in own {
            let Some(post) = post_of(schedule) else { continue };
            let call = codes(&schedule["serviceType"], code::CALL).next().unwrap_or_default();
            let slots = self.slots(&[name(schedule)], span).await?;
            if slots.is_empty() {
                continue;
            }
            if !known.contains_key(post) {
                known.insert(post.to_owned(), self.person(post).await?);
            }
            let Some(Some(who)) = known.get(post) else { continue };
            shifts.extend(slots.into_iter().map(|(id, span)| Shift {
                id,
                call: call.to_owned(),
                who: who.clone(),
                span,
            }));
        }
        shifts.sort_by(|one, other| (one.span, &one.call, &one.id).cmp(&(other.span, &other.call, &other.id)));
        Ok(shifts)
    }

    /// The posts that are on call for something at a time, at the first of these houses at which anybody is; each a
    /// reference to a PractitionerRole.
    pub async fn on_call(&self, call: &str, houses: &[String], at: i64) -> Result<Vec<String>, Error> {
        let schedules = self.schedules(Some(call)).await?;
        for house in houses {
            let place = format!("Organization/{house}");
            let own = schedules.iter().filter(|one| place_of(one) == Some(place.as_str()));
            let posts: BTreeMap<String, &str> = own.filter_map(|one| Some((name(one), post_of(one)?))).collect();
            let names: Vec<String> = posts.keys().cloned().collect();
            let on: BTreeSet<String> = self.schedules_at(&names, at).await?;
            if !on.is_empty() {
                let mut found: Vec<String> =
                    on.iter().filter_map(|schedule| posts.get(schedule)).map(|post| (*post).to_owned()).collect();
                found.dedup();
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn schedules(&self, call: Option<&str>) -> Result<Vec<Value>, Error> {
        let mut asked = vec![
            ("service-category", format!("{}|{}", code::SESSION, code::ON_CALL)),
            ("active", "true".to_owned()),
            ("_count", "200".to_owned()),
        ];
        asked.extend(call.map(|call| ("service-type", format!("{}|{call}", code::CALL))));
        tree::every(&self.platform(), "Schedule", &asked).await
    }

    /// The shifts of some Schedules that overlap a time: the ids of their Slots, and from when to when.
    async fn slots(&self, schedules: &[String], span: (i64, i64)) -> Result<Vec<(String, (i64, i64))>, Error> {
        let found = self.slots_between(schedules, span).await?;
        Ok(found.into_iter().map(|(slot, _, span)| (slot, span)).collect())
    }

    async fn schedules_at(&self, schedules: &[String], at: i64) -> Result<BTreeSet<String>, Error> {
        let found = self.slots_between(schedules, (at, at + 1)).await?;
        Ok(found.into_iter().map(|(_, schedule, _)| schedule).collect())
    }

    async fn slots_between(
        &self,
        schedules: &[String],
        (from, to): (i64, i64),
    ) -> Result<Vec<(String, String, (i64, i64))>, Error> {
        let mut found = Vec::new();
        for some in schedules.chunks(TOGETHER) {
            let asked = [
                ("schedule", some.join(",")),
                ("status", "busy".to_owned()),
                ("start", format!("ge{}", time::instant(from - LONGEST))),
                ("start", format!("le{}", time::instant(to))),
                ("_count", "500".to_owned()),
            ];
            for slot in tree::every(&self.platform(), "Slot", &asked).await? {
                let Some(span) = tree::span(&slot, self.zone()) else { continue };
                if span.0 < to && span.1 > from {
                    let id = slot["id"].as_str().unwrap_or_default().to_owned();
                    found.push((id, referred(&slot["schedule"]).unwrap_or_default().to_owned(), span));
                }
            }
        }
        Ok(found)
    }
}

/// Makes a resource unless one of its identifier is there.
fn created(tree: &Value, identifier: &str, full_url: Option<String>) -> Result<Change, Error> {
    let created = tree::create(tree, Some(format!("identifier={IDENTIFIER}|{identifier}")))?;
    Ok(Change { full_url, ..created })
}

/// The institution a Schedule is of.
fn place_of(schedule: &Value) -> Option<&str> {
    referred(&extension(schedule, code::PLACE)?["valueReference"])
}

/// The post a Schedule is of.
fn post_of(schedule: &Value) -> Option<&str> {
    items(&schedule["actor"]).filter_map(referred).find(|to| to.starts_with("PractitionerRole/"))
}
