//! Expert sessions in the community: planned, called off, and counted.
//!
//! A session is a Schedule of the category [`code::EXPERT_SESSION`] with its Slots. Who may plan one is decided by the
//! rules of access: it is written as the caller writes.

use std::collections::BTreeSet;

use fhir::{Category, Error, IssueCode, time};
use record::tree::{self, concept, extension, is_coded, list_of, name, put, reference, referred};
use record::{Change, Session, Standing};
use serde_json::{Value, json};

use crate::availability::{expert_of, place_of};
use crate::hold::reason;
use crate::place::actors;
use crate::{Booking, code};

/// How often a booking is called off anew when others change it meanwhile.
const TRIES: usize = 16;
/// How long one plan for one expert keeps others waiting, in microseconds.
const PLANNING: i64 = 10_000_000;
/// The shortest and the longest visit, and the most places of one session.
const MINUTES: std::ops::RangeInclusive<i64> = 3..=240;
const PLACES: usize = 200;
/// The identifier of what is planned: whoever asks twice plans once.
const IDENTIFIER: &str = "https://qingshan.dev/fhir/sid/session";
/// The extension of a Schedule that says why it does not take place: a `valueString`.
const WHY: &str = "https://qingshan.dev/fhir/StructureDefinition/session-cancelled";

/// A session that is to be planned.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The caller's name for this request; asking twice under one plans once.
    pub key: Option<String>,
    /// The expert: `PractitionerRole/…` or `Practitioner/…`.
    pub who: String,
    /// The institution: `Organization/…`.
    pub place: String,
    /// The room: `Location/…`.
    pub location: Option<String>,
    /// What it is about, such as “冠心病、高血压”.
    pub about: Option<String>,
    /// When it begins and ends, in microseconds since 1970.
    pub span: (i64, i64),
    /// How long one visit is, in minutes.
    pub minutes: Option<i64>,
    /// How many places there are, where no length of a visit is given.
    pub places: Option<usize>,
    /// Whether all places are kept for those who refer until they are released.
    pub pool: bool,
    /// What people should know, in Chinese and in English.
    pub note: (Option<String>, Option<String>),
}

/// What became of the places of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Places there are.
    pub places: usize,
    /// Places that can be had.
    pub free: usize,
    /// Places held and not booked yet.
    pub held: usize,
    /// Booked, and not come yet.
    pub booked: usize,
    /// Come, and not seen yet.
    pub arrived: usize,
    /// Seen.
    pub seen: usize,
    /// Booked, and did not come.
    pub missed: usize,
}

/// A session and its count.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The Schedule.
    pub schedule: Value,
    /// The expert's name and title.
    pub expert: (String, String),
    /// The institution's name.
    pub place: String,
    /// What became of its places.
    pub count: Count,
}

/// The sessions of a time.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was asked, in microseconds since 1970.
    pub at: i64,
    /// The earliest first.
    pub sessions: Vec<Counted>,
    /// Whether the one who asked may know what became of each place, or only what is free.
    pub whole: bool,
}

impl Booking {
    /// Plans a session: its Schedule and its Slots in one transaction.
    ///
    /// Fails with [`Category::Conflict`] when the expert is elsewhere at the time, and with [`Category::Forbidden`] when the
    /// rules of access do not let the caller keep duty lists.
    pub async fn plan(&self, session: &Session, plan: &Plan) -> Result<Value, Error> {
        if let Standing::Lay(_) = session.caller().standing {
            return Err(Error::forbidden("Sessions are planned by those who keep duty lists."));
        }
        let slots = cut(plan)?;
        if plan.span.1 <= self.now() {
            return Err(Error::invalid("The session is over before it is planned."));
        }
        for (reference, what) in
            [(Some(&plan.who), "expert"), (Some(&plan.place), "institution"), (plan.location.as_ref(), "room")]
        {
            let Some(reference) = reference else { continue };
            if tree::read(session, reference).await?.is_none() {
                return Err(Error::not_found(format!("There is no {what} {reference}.")));
            }
        }
        let selves = self.selves(&plan.who).await?;
        // Of two who plan for one expert at once, the second sees what the first planned.
        let first = selves.first().cloned().unwrap_or_else(|| plan.who.clone());
        let (lease, own) = (format!("session-{}", first.replace('/', "-")), self.new_id());
        let lease = self.record().lease(lease, &own);
        if !lease.take(PLANNING).await? {
            let text = "Somebody else is planning for this expert. Try again in a moment.";
            return Err(Error::new(Category::Busy, IssueCode::Transient, text));
        }
        let planned = self.write_plan(session, plan, &selves, &slots).await;
        lease.give_back().await?;
        planned
    }

    async fn write_plan(
        &self,
        session: &Session,
        plan: &Plan,
        selves: &[String],
        slots: &[(i64, i64)],
    ) -> Result<Value, Error> {
        let id = plan.key.clone().unwrap_or_else(|| self.new_id());
        let known = [("identifier", format!("{IDENTIFIER}|{id}"))];
        if let Some(there) = tree::first(&self.platform(), "Schedule", &known).await?.into_iter().next() {
            return Ok(there);
        }
        if let Some(other) = self.sessions_of(selves, plan.span).await?.first() {
            let place = place_of(other).unwrap_or_default();
            let from = other["planningHorizon"]["start"].as_str().unwrap_or_default();
            return Err(Error::conflict(format!("The expert has a session at {place} from {from} ({}).", name(other))));
        }
        let full_url = format!("urn:uuid:{}", self.new_id());
        let mut schedule = json!({
            "resourceType": "Schedule",
            "identifier": [{ "system": IDENTIFIER, "value": id }],
            "extension": [{ "url": code::SESSION_PLACE, "valueReference": reference(&plan.place) }],
            "active": true,
            "serviceCategory": [concept(code::SESSION, code::EXPERT_SESSION)],
            "actor": [reference(&plan.who)],
            "planningHorizon": { "start": time::instant(plan.span.0), "end": time::instant(plan.span.1) },
        });
        if let Some(about) = &plan.about {
            schedule["specialty"] = json!([{ "text": about }]);
        }
        if let (Some(location), Some(actors)) = (&plan.location, list_of(&mut schedule, "actor")) {
            actors.push(reference(location));
        }
        match &plan.note {
            (Some(zh), en) => {
                schedule["comment"] = json!(zh);
                if let Some(en) = en {
                    schedule["_comment"] = tree::translation(en);
                }
            }
            (None, Some(en)) => schedule["comment"] = json!(en),
            (None, None) => {}
        }
        let mut changes = vec![Change { full_url: Some(full_url.clone()), ..tree::create(&schedule, None)? }];
        for (start, end) in slots {
            let mut slot = json!({
                "resourceType": "Slot",
                "schedule": reference(&full_url),
                "serviceCategory": schedule["serviceCategory"],
                "status": "free",
                "start": time::instant(*start),
                "end": time::instant(*end),
            });
            if plan.pool {
                slot["appointmentType"] = concept(code::POOL, code::REFERRAL_POOL);
            }
            changes.push(tree::create(&slot, None)?);
        }
        let applied = session.transact(changes).await?;
        let planned = applied.into_iter().next().and_then(|one| one.version);
        let planned = planned.as_ref().map(tree::of).transpose()?.flatten();
        planned.ok_or_else(|| Error::fault("a session that was planned is not there"))
    }

    /// The references by which schedules may name an expert: the person, and each post they hold.
    async fn selves(&self, who: &str) -> Result<Vec<String>, Error> {
        let person = match who.starts_with("PractitionerRole/") {
            true => {
                let role = tree::read(&self.platform(), who).await?;
                role.and_then(|(role, _)| referred(&role["practitioner"]).map(str::to_owned))
            }
            false => Some(who.to_owned()),
        };
        let mut selves: Vec<String> = person.iter().cloned().collect();
        if let Some(person) = person {
            let asked = [("practitioner", person), ("_count", "100".to_owned())];
            selves.extend(tree::every(&self.platform(), "PractitionerRole", &asked).await?.iter().map(name));
        }
        if !selves.iter().any(|one| one == who) {
            selves.push(who.to_owned());
        }
        Ok(selves)
    }

    /// The sessions of an expert that take place and overlap a time.
    async fn sessions_of(&self, selves: &[String], (from, to): (i64, i64)) -> Result<Vec<Value>, Error> {
        let asked = [
            ("actor", selves.join(",")),
            ("active", "true".to_owned()),
            ("service-category", format!("{}|{}", code::SESSION, code::EXPERT_SESSION)),
            ("date", format!("ge{}", time::instant(from))),
            ("date", format!("le{}", time::instant(to))),
            ("_count", "200".to_owned()),
        ];
        let found = tree::every(&self.platform(), "Schedule", &asked).await?;
        let overlaps = |one: &Value| self.horizon(one).is_some_and(|(start, end)| start < to && end > from);
        Ok(found.into_iter().filter(overlaps).collect())
    }

    fn horizon(&self, schedule: &Value) -> Option<(i64, i64)> {
        tree::span(&schedule["planningHorizon"], self.zone())
    }

    /// Calls a session off for a reason: nobody can book it, and whoever has is told.
    pub async fn cancel_session(&self, session: &Session, id: &str, why: &str) -> Result<Value, Error> {
        let reference = format!("Schedule/{id}");
        for _ in 0..TRIES {
            let absent = || Error::not_found(format!("There is no {reference}."));
            let (mut tree, version) = tree::read(session, &reference).await?.ok_or_else(absent)?;
            if !is_session(&tree) {
                return Err(Error::invalid("This is no expert session."));
            }
            if !self.keeps(session, &tree).await? {
                return Err(Error::forbidden(
                    "A session is called off by those at whose place it is, or from whom the expert comes.",
                ));
            }
            if tree["active"] != false {
                tree["active"] = json!(false);
                tree::put_extension(&mut tree, json!({ "url": WHY, "valueString": why }));
                match session.transact(vec![put(&tree, Some(version))?]).await {
                    Ok(_) => {}
                    Err(refusal) if refusal.is_overtaken() => continue,
                    Err(refusal) => return Err(refusal.error),
                }
            }
            // Should this process end here, whoever follows the feed goes on.
            self.stop(&tree).await?;
            return Ok(tree);
        }
        Err(Error::conflict("Others change this session at the moment. Look again."))
    }

    /// Whether a caller has to do with a session: it is where they work, or the expert comes from there.
    pub(crate) async fn keeps(&self, session: &Session, schedule: &Value) -> Result<bool, Error> {
        let Standing::Staff(post) = &session.caller().standing else {
            return Ok(session.caller().standing.is_no_person());
        };
        let expert = expert_of(schedule).unwrap_or_default();
        if expert == format!("PractitionerRole/{}", post.role)
            || expert == format!("Practitioner/{}", post.practitioner)
        {
            return Ok(true);
        }
        let mut houses = self.houses(schedule).await?;
        for one in self.selves(expert).await? {
            if let Some((role, _)) = tree::read(&self.platform(), &one).await?
                && let Some(organization) = referred(&role["organization"])
            {
                houses.extend(tree::up_from(&self.platform(), organization).await?);
            }
        }
        Ok(houses.contains(&post.organization))
    }

    /// Takes the places of a session that does not take place, and calls off who has them. Doing so twice does nothing.
    pub(crate) async fn stop(&self, schedule: &Value) -> Result<usize, Error> {
        let asked = [("schedule", name(schedule)), ("_count", "200".to_owned())];
        let mut stopped = 0;
        for slot in tree::every(&self.platform(), "Slot", &asked).await? {
            for _ in 0..TRIES {
                let Some((mut slot, version)) = tree::read(&self.platform(), &name(&slot)).await? else { break };
                if !matches!(slot["status"].as_str(), Some("busy-unavailable" | "entered-in-error")) {
                    slot["status"] = json!("busy-unavailable");
                    match self.platform().transact(vec![put(&slot, Some(version))?]).await {
                        Ok(_) => {}
                        Err(refusal) if refusal.is_overtaken() => continue,
                        Err(refusal) => return Err(refusal.error),
                    }
                }
                let live = self.live(&name(&slot)).await?;
                stopped += live.len();
                let why = extension(schedule, WHY).and_then(|one| one["valueString"].as_str());
                self.call_off(&live, &reference(&name(schedule)), why).await?;
                break;
            }
        }
        Ok(stopped)
    }

    /// Cancels what was held or booked at a place that is not to be had, and tells the patients. What carries a request
    /// goes on without a place.
    pub(crate) async fn call_off(&self, live: &[Value], about: &Value, why: Option<&str>) -> Result<(), Error> {
        for one in live {
            let id = name(one);
            for _ in 0..TRIES {
                let Some((mut tree, version)) = tree::read(&self.platform(), &id).await? else { break };
                if !matches!(tree["status"].as_str(), Some("pending" | "booked")) {
                    break;
                }
                let told = self.told(&tree, about, why);
                tree::without_extension(&mut tree, code::HOLD_UNTIL);
                if tree["basedOn"].is_array() {
                    tree["status"] = json!("proposed");
                    tree::without(&mut tree, &["slot", "start", "end"]);
                } else {
                    tree["status"] = json!("cancelled");
                    let mut reason = reason(code::SESSION_CANCELLED);
                    if let Some(why) = why {
                        reason["text"] = json!(why);
                    }
                    tree["cancelationReason"] = reason;
                }
                match self.platform().transact(vec![put(&tree, Some(version))?, put(&told, None)?]).await {
                    Ok(_) => break,
                    Err(refusal) if refusal.is_overtaken() => {}
                    Err(refusal) => return Err(refusal.error),
                }
            }
        }
        Ok(())
    }

    /// What the patient of an Appointment is told when it is called off.
    fn told(&self, appointment: &Value, about: &Value, why: Option<&str>) -> Value {
        let patient = actors(appointment, "Patient").next().unwrap_or_default();
        let mut told = json!({
            "resourceType": "Communication",
            "id": self.new_id(),
            "status": "completed",
            "category": [reason(code::SESSION_CANCELLED)],
            "subject": reference(patient),
            "about": [about, reference(&name(appointment))],
            "sent": time::instant(self.now()),
            "recipient": [reference(patient)],
        });
        if let Some(why) = why {
            told["payload"] = json!([{ "contentString": why }]);
        }
        told
    }

    /// The sessions of a time with what became of their places, at one institution or all.
    pub async fn sessions(&self, session: &Session, span: (i64, i64), place: Option<&str>) -> Result<Overview, Error> {
        let whole = !matches!(session.caller().standing, Standing::Lay(_));
        let asked = [
            ("service-category", format!("{}|{}", code::SESSION, code::EXPERT_SESSION)),
            ("date", format!("ge{}", time::instant(span.0))),
            ("date", format!("lt{}", time::instant(span.1))),
            ("_count", "200".to_owned()),
        ];
        let mut found = tree::every(&self.platform(), "Schedule", &asked).await?;
        found.retain(|one| place.is_none_or(|place| place_of(one) == Some(place)));
        found.retain(|one| self.horizon(one).is_some_and(|(start, _)| start >= span.0 && start < span.1));
        found.sort_by_cached_key(|one| (self.horizon(one), name(one)));
        let mut sessions = Vec::new();
        for schedule in found {
            let count = self.counted(&name(&schedule)).await?;
            let (expert, place) = (self.expert(&schedule).await?, self.called(place_of(&schedule)).await?);
            sessions.push(Counted { schedule, expert, place, count });
        }
        Ok(Overview { at: self.now(), sessions, whole })
    }

    async fn counted(&self, schedule: &str) -> Result<Count, Error> {
        let asked = [("schedule", schedule.to_owned()), ("_count", "200".to_owned())];
        let slots = tree::every(&self.platform(), "Slot", &asked).await?;
        let asked = [
            ("slot.schedule", schedule.to_owned()),
            ("status", "booked,arrived,checked-in,fulfilled,noshow".to_owned()),
            ("_count", "200".to_owned()),
        ];
        let visits = tree::every(&self.platform(), "Appointment", &asked).await?;
        let are = |statuses: &[&str]| {
            visits.iter().filter(|one| one["status"].as_str().is_some_and(|status| statuses.contains(&status))).count()
        };
        let now = self.now();
        let is_to_come = |slot: &&Value| self.span(slot).is_ok_and(|(start, _)| start > now);
        let stand = |status: &str| slots.iter().filter(|slot| slot["status"] == status).filter(is_to_come).count();
        Ok(Count {
            places: slots.iter().filter(|slot| slot["status"] != "entered-in-error").count(),
            free: stand("free"),
            held: stand("busy-tentative"),
            booked: are(&["booked"]),
            arrived: are(&["arrived", "checked-in"]),
            seen: are(&["fulfilled"]),
            missed: are(&["noshow"]),
        })
    }

    /// The name and the title of whoever gives a session.
    async fn expert(&self, schedule: &Value) -> Result<(String, String), Error> {
        let mut who = expert_of(schedule).unwrap_or_default().to_owned();
        if who.starts_with("PractitionerRole/")
            && let Some((role, _)) = tree::read(&self.platform(), &who).await?
            && let Some(person) = referred(&role["practitioner"])
        {
            who = person.to_owned();
        }
        let Some((person, _)) = tree::read(&self.platform(), &who).await? else { return Ok(Default::default()) };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok((text(&person["name"][0]["text"]), text(&person["qualification"][0]["code"]["text"])))
    }

    async fn called(&self, reference: Option<&str>) -> Result<String, Error> {
        let found = tree::read(&self.platform(), reference.unwrap_or_default()).await?;
        Ok(found.and_then(|(tree, _)| tree["name"].as_str().map(str::to_owned)).unwrap_or_default())
    }

    /// Who has booked a session, with the patients, as a Bundle: for those who work there, and for the expert. It is read
    /// in the name of the caller, whom the trail names.
    pub async fn bookings(&self, session: &Session, id: &str) -> Result<Value, Error> {
        let reference = format!("Schedule/{id}");
        let absent = || Error::not_found(format!("There is no {reference}."));
        let (schedule, _) = tree::read(session, &reference).await?.ok_or_else(absent)?;
        if !is_session(&schedule) || !self.keeps(session, &schedule).await? {
            return Err(Error::forbidden(
                "Who has booked is shown where the session is, and where the expert comes from.",
            ));
        }
        let own = self.for_caller(session.caller());
        let asked = [
            ("slot.schedule", reference),
            ("status", "pending,booked,arrived,checked-in,fulfilled,noshow".to_owned()),
            ("_sort", "date".to_owned()),
            ("_count", "200".to_owned()),
        ];
        let (mut entries, mut patients) = (Vec::new(), BTreeSet::new());
        for tree in tree::every(&own, "Appointment", &asked).await? {
            patients.extend(actors(&tree, "Patient").map(str::to_owned));
            entries.push(json!({ "resource": tree, "search": { "mode": "match" } }));
        }
        let total = entries.len();
        for patient in patients {
            if let Some((tree, _)) = tree::read(&own, &patient).await? {
                entries.push(json!({ "resource": tree, "search": { "mode": "include" } }));
            }
        }
        let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": total });
        if !entries.is_empty() {
            bundle["entry"] = json!(entries);
        }
        Ok(bundle)
    }
}

impl Overview {
    /// As a Parameters resource: `as-of` (instant) and a `session` for each, with the parts `schedule` (the resource),
    /// `expert`, `title`, `place` (a reference with its name), and the counts `places`, `free`, and for staff `held`,
    /// `booked`, `arrived`, `seen`, `missed`. <http://hl7.org/fhir/R4/parameters.html>
    pub fn parameters(&self) -> Value {
        let mut parameters = vec![json!({ "name": "as-of", "valueInstant": time::instant(self.at) })];
        for one in &self.sessions {
            let Count { places, free, held, booked, arrived, seen, missed } = one.count;
            let mut counts = vec![("places", places), ("free", free)];
            if self.whole {
                counts.extend([
                    ("held", held),
                    ("booked", booked),
                    ("arrived", arrived),
                    ("seen", seen),
                    ("missed", missed),
                ]);
            }
            let place = place_of(&one.schedule).unwrap_or_default();
            let mut parts = vec![
                json!({ "name": "schedule", "resource": one.schedule }),
                json!({ "name": "place", "valueReference": { "reference": place, "display": one.place } }),
            ];
            for (name, text) in [("expert", &one.expert.0), ("title", &one.expert.1)] {
                if !text.is_empty() {
                    parts.push(json!({ "name": name, "valueString": text }));
                }
            }
            parts.extend(counts.into_iter().map(|(name, count)| json!({ "name": name, "valueInteger": count })));
            parameters.push(json!({ "name": "session", "part": parts }));
        }
        json!({ "resourceType": "Parameters", "parameter": parameters })
    }
}

/// Whether a Schedule is an expert's session.
fn is_session(schedule: &Value) -> bool {
    is_coded(&schedule["serviceCategory"], code::SESSION, code::EXPERT_SESSION)
}

/// The times of the places of a session.
fn cut(plan: &Plan) -> Result<Vec<(i64, i64)>, Error> {
    const MINUTE: i64 = 60_000_000;
    let (from, to) = plan.span;
    let whole = (to - from) / MINUTE;
    if whole < *MINUTES.start() {
        return Err(Error::invalid("The session ends before anybody can be seen."));
    }
    let minutes = match (plan.minutes, plan.places) {
        (Some(minutes), _) => minutes,
        (None, Some(places)) if places > 0 => whole / i64::try_from(places).unwrap_or(i64::MAX),
        _ => return Err(Error::invalid("Say how long a visit is, or how many places there are.")),
    };
    if !MINUTES.contains(&minutes) || minutes > whole {
        let text = format!(
            "A visit is {} to {} minutes long, and no longer than the session.",
            MINUTES.start(),
            MINUTES.end()
        );
        return Err(Error::invalid(text));
    }
    let most = plan.places.unwrap_or(usize::MAX).min(usize::try_from(whole / minutes).unwrap_or(usize::MAX));
    if most > PLACES {
        return Err(Error::invalid(format!("A session has no more than {PLACES} places.")));
    }
    let places = 0..i64::try_from(most).unwrap_or(i64::MAX);
    Ok(places.map(|place| from + place * minutes * MINUTE).map(|start| (start, start + minutes * MINUTE)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn plan(hours: i64, minutes: Option<i64>, places: Option<usize>) -> Plan {
        Plan {
            key: None,
            who: "Practitioner/a".to_owned(),
            place: "Organization/b".to_owned(),
            location: None,
            about: None,
            span: (0, hours * 60 * MINUTE),
            minutes,
            places,
            pool: false,
            note: (None, None),
        }
    }

    #[test]
    fn a_session_is_cut_by_the_length_of_a_visit_or_by_the_number_of_places() {
        let by_length = cut(&plan(3, Some(20), None)).unwrap();
        assert_eq!((by_length.len(), by_length[8]), (9, (160 * MINUTE, 180 * MINUTE)));
        let by_places = cut(&plan(3, None, Some(12))).unwrap();
        assert_eq!((by_places.len(), by_places[1]), (12, (15 * MINUTE, 30 * MINUTE)));
        let both = cut(&plan(3, Some(10), Some(6))).unwrap();
        assert_eq!((both.len(), both[5]), (6, (50 * MINUTE, 60 * MINUTE)));
    }

    #[test]
    fn a_session_that_nobody_could_be_seen_in_is_refused() {
        for wrong in [plan(0, Some(20), None), plan(1, Some(90), None), plan(2, None, None), plan(1, None, Some(60))] {
            assert!(cut(&wrong).is_err(), "{wrong:?}");
        }
    }
}
