//! A place is held, booked, given back, and what became of the visit is marked.

use fhir::{Category, Error, IssueCode, time};
use record::tree::{
    self, concept, extension, is_coded, items, list_of, moment, name, put, put_extension, reference, referred,
    referred_of, without, without_extension,
};
use record::{Caller, Session, Standing};
use serde_json::{Value, json};

use crate::place::{actors, is_bed, is_free_bed};
use crate::{Booking, code};

/// How often a hold is tried anew when others are quicker.
const TRIES: usize = 16;
/// How many free slots are named to whoever came too late.
const NAMED: usize = 3;
/// Who arranged an Appointment for the patient.
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// What is to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This slot, such as `Slot/7`.
    Slot(String),
    /// The next slot of a department that the caller may have, such as `HealthcareService/cardiology`.
    Next(String),
    /// This bed, such as `Location/bed-7`.
    Bed(String),
    /// A bed of the department that offers this `HealthcareService/…`.
    BedOf(String),
}

/// A hold that somebody asks for.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The id of the Appointment; asking twice under one id holds once.
    pub id: Option<String>,
    /// For whom, such as `Patient/7`.
    pub patient: String,
    /// What.
    pub wanted: Wanted,
    /// The request that is to be carried out there, such as `ServiceRequest/7`. Where an Appointment for it waits for its
    /// time, that one is given the place.
    pub request: Option<String>,
    /// The hold that this one takes the place of, such as `Appointment/7`: its place is given back as the new one is taken.
    pub instead: Option<String>,
    /// When the visit begins, for a bed; in microseconds since 1970.
    pub from: Option<i64>,
    /// When the hold ends by itself, in microseconds since 1970; no later than the settings permit.
    pub until: Option<i64>,
    /// How urgent it is: `routine`, `urgent`, `asap` or `stat`. A bed goes to who can wait least.
    pub priority: Option<String>,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The patient has come.
    Arrived,
    /// The patient has been seen.
    Seen,
    /// The patient did not come.
    Missed,
}

impl Mark {
    /// The `Appointment.status`.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Seen => "fulfilled",
            Self::Missed => "noshow",
        }
    }

    /// The mark of a status.
    pub fn of(status: &str) -> Option<Self> {
        [Self::Arrived, Self::Seen, Self::Missed].into_iter().find(|mark| mark.status() == status)
    }
}

/// Where a hold goes: the Appointment that is to have it.
struct Bearer {
    tree: Value,
    version: Option<u64>,
}

impl Booking {
    /// Holds a place and answers the Appointment.
    ///
    /// Fails with [`Category::Conflict`] and a text that names what is free when somebody else has the place, as
    /// [`Error::not_found`] when the patient is not there for the caller, and with [`Category::Forbidden`] when the place is
    /// kept for others.
    pub async fn hold(&self, session: &Session, hold: &Hold) -> Result<Value, Error> {
        self.may_book_for(session, &hold.patient).await?;
        if let Some(there) = self.held_before(session, hold).await? {
            return Ok(there);
        }
        if let Some(instead) = &hold.instead {
            let (tree, _) = self.theirs(session, instead).await?;
            if tree["status"] != "pending" || !actors(&tree, "Patient").any(|patient| patient == hold.patient) {
                return Err(Error::conflict("What is to be exchanged is not held for this patient any more."));
            }
        }
        if let Some(request) = &hold.request {
            let found = tree::read(session, request).await?;
            let for_patient = |tree: &Value| referred(&tree["subject"]) == Some(hold.patient.as_str());
            if !found.is_some_and(|(tree, _)| for_patient(&tree)) {
                return Err(Error::not_found(format!("There is no {request} of this patient that you may read.")));
            }
        }
        match &hold.wanted {
            Wanted::Slot(slot) => self.hold_slot(session, hold, slot).await,
            Wanted::Next(service) => self.hold_next(session, hold, service).await,
            Wanted::Bed(bed) => self.hold_bed(session, hold, bed).await,
            Wanted::BedOf(service) => self.hold_bed_of(session, hold, service).await,
        }
    }

    /// The hold that the same request made before, as far as the caller may read it. Of an Appointment that they may not
    /// read, or that is another's, they are told the same: that the id is taken.
    async fn held_before(&self, session: &Session, hold: &Hold) -> Result<Option<Value>, Error> {
        let has_it = |tree: &Value| match &hold.wanted {
            Wanted::Slot(slot) => referred_of(&tree["slot"], "Slot").any(|to| to == slot),
            Wanted::Bed(bed) => actors(tree, "Location").any(|to| to == bed),
            Wanted::Next(_) | Wanted::BedOf(_) => hold.instead.is_none(),
        };
        let is_theirs = |tree: &Value| actors(tree, "Patient").any(|to| to == hold.patient);
        if let Some(instead) = &hold.instead {
            let found = tree::read(session, instead).await?.map(|(tree, _)| tree);
            return Ok(found.filter(|tree| has_it(tree) && is_theirs(tree) && tree["status"] == "pending"));
        }
        let Some(id) = &hold.id else { return Ok(None) };
        let name = format!("Appointment/{id}");
        if tree::read(&self.platform(), &name).await?.is_none() {
            return Ok(None);
        }
        let seen = tree::read(session, &name).await?.map(|(tree, _)| tree);
        match seen.filter(|tree| is_theirs(tree) && has_it(tree) && tree["status"] != "cancelled") {
            Some(tree) => Ok(Some(tree)),
            None => Err(Error::new(Category::Conflict, IssueCode::Duplicate, "Another appointment has this id.")),
        }
    }

    async fn hold_next(&self, session: &Session, hold: &Hold, service: &str) -> Result<Value, Error> {
        for _ in 0..TRIES {
            let free = self.free_slots(session.caller(), service, hold.request.is_some(), None, NAMED).await?;
            let Some(first) = free.first() else {
                return Err(Error::conflict("Nothing is free there in the coming days."));
            };
            match self.hold_slot(session, hold, &name(first)).await {
                Err(error) if error.category() == Category::Conflict => {}
                done => return done,
            }
        }
        Err(busy())
    }

    async fn hold_slot(&self, session: &Session, hold: &Hold, slot: &str) -> Result<Value, Error> {
        let caller = session.caller();
        for _ in 0..TRIES {
            let absent = || Error::not_found(format!("There is no {slot}."));
            let (mut tree, version) = tree::read(&self.platform(), slot).await?.ok_or_else(absent)?;
            let schedule = self.schedule_of(&tree).await?;
            if tree["status"] != "free" || !self.live(slot).await?.is_empty() {
                return Err(self.taken(caller, &tree, &schedule, hold.request.is_some()).await?);
            }
            let (start, end) = self.span(&tree)?;
            if end <= self.now() {
                return Err(Error::conflict("This time is past."));
            }
            self.is_open_to(caller, &tree, &schedule, hold.request.is_some()).await?;
            self.is_within_limits(caller, hold, &schedule, start).await?;
            let bearer = self.bearer(hold).await?;
            let (before, until) = (bearer.tree.clone(), self.until(hold, self.0.settings.hold_most));
            let mut appointment = self.tentative(caller, hold, bearer.tree, until);
            for element in ["start", "end", "serviceCategory", "serviceType", "specialty", "appointmentType"] {
                if !tree[element].is_null() {
                    appointment[element] = tree[element].clone();
                }
            }
            appointment["slot"] = json!([reference(slot)]);
            for actor in items(&schedule["actor"]).filter_map(referred) {
                take_part(&mut appointment, actor, "needs-action");
            }
            tree["status"] = json!("busy-tentative");
            let changes = vec![put(&tree, Some(version))?, put(&appointment, bearer.version)?];
            match self.for_caller(caller).transact(changes).await {
                Ok(_) => {
                    self.settle_places(&before).await?;
                    return Ok(appointment);
                }
                Err(refusal) if refusal.is_overtaken() => {
                    if let Some(there) = self.held_before(session, hold).await? {
                        return Ok(there);
                    }
                }
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(busy())
    }

    async fn hold_bed_of(&self, session: &Session, hold: &Hold, service: &str) -> Result<Value, Error> {
        let absent = || Error::not_found(format!("There is no {service}."));
        let (offer, _) = tree::read(&self.platform(), service).await?.ok_or_else(absent)?;
        let department = referred(&offer["providedBy"]).unwrap_or_default().to_owned();
        for _ in 0..TRIES {
            let beds = self.beds_of(&department).await?;
            let Some(bed) = beds.iter().find(|bed| is_free_bed(bed)) else {
                match self.give_way(session.caller(), hold, &beds).await? {
                    true => continue,
                    false => {
                        return Err(Error::conflict(
                            "No bed is free there, and nobody who could wait longer holds one.",
                        ));
                    }
                }
            };
            match self.hold_bed(session, hold, &name(bed)).await {
                Err(error) if error.category() == Category::Conflict => {}
                done => return done,
            }
        }
        Err(busy())
    }

    /// The beds of a department that are in use.
    pub(crate) async fn beds_of(&self, department: &str) -> Result<Vec<Value>, Error> {
        let asked = [("organization", department.to_owned()), ("_count", "200".to_owned())];
        let found = tree::every(&self.platform(), "Location", &asked).await?;
        Ok(found.into_iter().filter(is_bed).collect())
    }

    /// Ends the hold of a bed by whoever can wait longest, if the hold that is asked for is more urgent. Of those equally
    /// urgent the latest gives way. What is booked stays booked.
    async fn give_way(&self, caller: &Caller, hold: &Hold, beds: &[Value]) -> Result<bool, Error> {
        let mut last: Option<(u64, String, Value)> = None;
        for bed in beds {
            let by = extension(bed, code::HELD_BY).and_then(|one| referred(&one["valueReference"]));
            let Some((by, _)) = tree::read(&self.platform(), by.unwrap_or_default()).await? else { continue };
            if by["status"] == "pending" {
                let order = (by["priority"].as_u64().unwrap_or_default(), by["created"].to_string(), by);
                if last.as_ref().is_none_or(|last| (last.0, &last.1) < (order.0, &order.1)) {
                    last = Some(order);
                }
            }
        }
        let Some((priority, _, by)) = last.filter(|(priority, ..)| *priority > rank(hold.priority.as_deref())) else {
            return Ok(false);
        };
        let id = name(&by);
        tracing::info!(appointment = %id, priority, "the hold of a bed gives way to somebody who can wait less");
        let reason = reason(code::GAVE_WAY);
        self.end(&self.for_caller(caller), &id, "cancelled", Some(&reason), |one| one["status"] == "pending").await?;
        Ok(true)
    }

    async fn hold_bed(&self, session: &Session, hold: &Hold, bed: &str) -> Result<Value, Error> {
        let caller = session.caller();
        if let Standing::Lay(_) = caller.standing {
            return Err(Error::forbidden("A bed is held by those who send the patient."));
        }
        for _ in 0..TRIES {
            let absent = || Error::not_found(format!("There is no {bed}."));
            let (mut tree, version) = tree::read(&self.platform(), bed).await?.ok_or_else(absent)?;
            if !is_free_bed(&tree) {
                return Err(Error::conflict(format!("{bed} is not free.")));
            }
            let bearer = self.bearer(hold).await?;
            let (before, until) = (bearer.tree.clone(), self.until(hold, self.0.settings.bed_hold));
            let mut appointment = self.tentative(caller, hold, bearer.tree, until);
            let from = hold.from.unwrap_or_else(|| self.now());
            appointment["start"] = json!(time::instant(from));
            appointment["end"] = json!(time::instant(until.max(from + 1_000_000)));
            take_part(&mut appointment, bed, "accepted");
            let held = json!({ "url": code::HELD_BY, "valueReference": reference(&name(&appointment)) });
            put_extension(&mut tree, held);
            let changes = vec![put(&tree, Some(version))?, put(&appointment, bearer.version)?];
            match self.for_caller(caller).transact(changes).await {
                Ok(_) => {
                    self.settle_places(&before).await?;
                    return Ok(appointment);
                }
                Err(refusal) if refusal.is_overtaken() => {
                    if let Some(there) = self.held_before(session, hold).await? {
                        return Ok(there);
                    }
                }
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(busy())
    }

    /// The Appointment that is to have the place: one for the same request that has no time yet, or a new one.
    async fn bearer(&self, hold: &Hold) -> Result<Bearer, Error> {
        if let Some(instead) = &hold.instead {
            let there = tree::read(&self.platform(), instead).await?.filter(|(tree, _)| tree["status"] == "pending");
            let gone = || Error::conflict("What is to be exchanged is not held any more.");
            return there.map(|(tree, version)| Bearer { tree, version: Some(version) }).ok_or_else(gone);
        }
        if let Some(request) = &hold.request {
            let asked = [("based-on", request.clone()), ("status", "proposed,pending".to_owned())];
            if let Some(found) = tree::first(&self.platform(), "Appointment", &asked).await?.into_iter().next()
                && let Some((tree, version)) = tree::read(&self.platform(), &name(&found)).await?
                && matches!(tree["status"].as_str(), Some("proposed" | "pending"))
            {
                return Ok(Bearer { tree, version: Some(version) });
            }
        }
        let id = hold.id.clone().unwrap_or_else(|| self.new_id());
        let mut tree = json!({ "resourceType": "Appointment", "id": id });
        if let Some(request) = &hold.request {
            tree["basedOn"] = json!([reference(request)]);
        }
        Ok(Bearer { tree, version: None })
    }

    /// The Appointment as a hold until a moment, without its place.
    fn tentative(&self, caller: &Caller, hold: &Hold, mut tree: Value, until: i64) -> Value {
        without(&mut tree, &["start", "end", "slot", "cancelationReason"]);
        let ends = json!({ "url": code::HOLD_UNTIL, "valueDateTime": time::instant(until) });
        put_extension(&mut tree, ends);
        tree["status"] = json!("pending");
        tree["created"] = json!(time::instant(self.now()));
        tree["priority"] = json!(rank(hold.priority.as_deref()));
        let former = list_of(&mut tree, "participant").map(std::mem::take).unwrap_or_default();
        tree["participant"] = json!([{ "actor": reference(&hold.patient), "status": "accepted" }]);
        // Whoever the place was with before takes no part any more; who arranged it does.
        if let Some(list) = list_of(&mut tree, "participant") {
            list.extend(former.into_iter().filter(is_arranger));
        }
        if let Standing::Staff(post) = &caller.standing {
            let role = format!("PractitionerRole/{}", post.role);
            take_part(&mut tree, &role, "accepted");
            for one in list_of(&mut tree, "participant").into_iter().flatten() {
                if one["actor"]["reference"] == role.as_str() {
                    one["type"] = json!([concept(PARTICIPATION, "REF")]);
                }
            }
        }
        tree
    }

    fn until(&self, hold: &Hold, most: i64) -> i64 {
        let settings = &self.0.settings;
        let usual = match hold.wanted {
            Wanted::Slot(_) | Wanted::Next(_) => settings.hold,
            Wanted::Bed(_) | Wanted::BedOf(_) => settings.bed_hold,
        };
        let now = self.now();
        hold.until.unwrap_or(now + usual).clamp(now + 1_000_000, now + most.max(usual))
    }

    /// What is said to whoever came too late: that it is taken, and what is free.
    async fn taken(&self, caller: &Caller, slot: &Value, schedule: &Value, for_request: bool) -> Result<Error, Error> {
        let after = self.span(slot)?.0;
        let service = referred_of(&schedule["actor"], "HealthcareService").next();
        let of = service.map_or_else(|| name(schedule), str::to_owned);
        let free = self.free_slots(caller, &of, for_request, Some(after.min(self.now())), NAMED).await?;
        let named: Vec<String> =
            free.iter().map(|one| format!("{} ({})", one["start"].as_str().unwrap_or_default(), name(one))).collect();
        Ok(Error::conflict(match named.is_empty() {
            true => "This place has been taken, and nothing else is free there in the coming days.".to_owned(),
            false => format!("This place has been taken. The next free there: {}.", named.join(", ")),
        }))
    }

    /// Books what is held, so that it does not end by itself.
    pub async fn book(&self, session: &Session, id: &str) -> Result<Value, Error> {
        let id = format!("Appointment/{id}");
        let caller = session.caller();
        for _ in 0..TRIES {
            let (mut tree, version) = self.theirs(session, &id).await?;
            if tree["status"] == "booked" {
                return Ok(tree);
            }
            if tree["basedOn"].is_array() {
                return Err(Error::conflict("This place belongs to a referral. It is booked there."));
            }
            let until = extension(&tree, code::HOLD_UNTIL).and_then(|one| moment(&one["valueDateTime"], self.zone()));
            if tree["status"] != "pending" || until.is_some_and(|until| until <= self.now()) {
                return Err(Error::conflict("This is not held any more. Choose a time again."));
            }
            without_extension(&mut tree, code::HOLD_UNTIL);
            tree["status"] = json!("booked");
            for one in list_of(&mut tree, "participant").into_iter().flatten() {
                one["status"] = json!("accepted");
            }
            match self.for_caller(caller).transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => {
                    self.settle_places(&tree).await?;
                    return Ok(tree);
                }
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(busy())
    }

    /// Gives a place back, for a reason.
    ///
    /// Fails with [`Category::Conflict`] when the visit has begun, or when the place is part of a request that is under
    /// way and is given back there.
    pub async fn release(&self, session: &Session, id: &str, why: &str) -> Result<Value, Error> {
        let id = format!("Appointment/{id}");
        let (tree, _) = self.theirs(session, &id).await?;
        if tree["status"] == "cancelled" {
            return Ok(tree);
        }
        let is_carried = tree["basedOn"].is_array();
        if is_carried && tree["status"] == "booked" {
            return Err(Error::conflict("This place belongs to a referral. It is given back, or changed, there."));
        }
        if !matches!(tree["status"].as_str(), Some("pending" | "booked")) {
            return Err(Error::conflict("What has begun, or is over, cannot be given back."));
        }
        let to = if is_carried { "proposed" } else { "cancelled" };
        let reason = json!({ "text": why });
        let writer = self.for_caller(session.caller());
        let ended = self
            .end(&writer, &id, to, Some(&reason), |one| matches!(one["status"].as_str(), Some("pending" | "booked")));
        ended.await?.ok_or_else(|| Error::conflict("It has been changed meanwhile. Look again."))
    }

    /// Marks what became of a visit. For those who work where it takes place.
    pub async fn mark(&self, session: &Session, id: &str, mark: Mark) -> Result<Value, Error> {
        let id = format!("Appointment/{id}");
        for _ in 0..TRIES {
            let (mut tree, version) = self.theirs(session, &id).await?;
            if !self.works_at(session.caller(), &tree).await? {
                return Err(Error::forbidden("This is marked by those who work where the visit takes place."));
            }
            let status = tree["status"].as_str().unwrap_or_default();
            if status == mark.status() {
                return Ok(tree);
            }
            let from = match mark {
                Mark::Arrived | Mark::Missed => status == "booked",
                Mark::Seen => matches!(status, "booked" | "arrived" | "checked-in"),
            };
            self.has_begun(&tree, mark)?;
            if !from {
                return Err(Error::conflict(format!("This appointment is {status} already.")));
            }
            tree["status"] = json!(mark.status());
            match self.for_caller(session.caller()).transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => {
                    self.settle_places(&tree).await?;
                    return Ok(tree);
                }
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(busy())
    }

    /// Refuses to mark what cannot have come about yet: a visit before its day, or that somebody did not come before
    /// their time.
    fn has_begun(&self, appointment: &Value, mark: Mark) -> Result<(), Error> {
        let Some(start) = moment(&appointment["start"], self.zone()) else { return Ok(()) };
        let now = self.now();
        let begun = match mark {
            Mark::Missed => start <= now,
            Mark::Arrived | Mark::Seen => self.local_day(start) <= self.local_day(now),
        };
        if begun { Ok(()) } else { Err(Error::conflict("This visit is still to come.")) }
    }

    /// Ends an Appointment for as long as a condition holds of it, and frees its places. None when it held no more.
    pub(crate) async fn end(
        &self,
        writer: &Session,
        id: &str,
        to: &str,
        reason: Option<&Value>,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Option<Value>, Error> {
        for _ in 0..TRIES {
            let Some((mut tree, version)) = tree::read(writer, id).await? else { return Ok(None) };
            if !holds(&tree) {
                return Ok(None);
            }
            let before = tree.clone();
            without_extension(&mut tree, code::HOLD_UNTIL);
            tree["status"] = json!(to);
            match to {
                // It waits for another time (R4 app-3: what is proposed needs none).
                "proposed" => {
                    without(&mut tree, &["slot", "start", "end"]);
                    let list = list_of(&mut tree, "participant");
                    list.into_iter().for_each(|list| list.retain(|one| is_arranger(one) || is_patient(one)));
                }
                _ => tree["cancelationReason"] = reason.cloned().unwrap_or_default(),
            }
            match writer.transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => {
                    self.settle_places(&before).await?;
                    return Ok(Some(tree));
                }
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(busy())
    }

    /// From when until when a slot is.
    pub(crate) fn span(&self, slot: &Value) -> Result<(i64, i64), Error> {
        tree::span(slot, self.zone()).ok_or_else(|| Error::fault("a slot has no time"))
    }
}

/// How long somebody can wait, as `Appointment.priority`: the fewer the less. RFC 5545, 3.8.1.9.
fn rank(priority: Option<&str>) -> u64 {
    match priority {
        Some("stat") => 1,
        Some("asap") => 2,
        Some("urgent") => 3,
        _ => 5,
    }
}

/// Why the platform cancels.
pub(crate) fn reason(code: &str) -> Value {
    concept(code::CANCELLED, code)
}

pub(crate) fn is_arranger(participant: &Value) -> bool {
    is_coded(&participant["type"], PARTICIPATION, "REF")
}

fn is_patient(participant: &Value) -> bool {
    referred(&participant["actor"]).is_some_and(|actor| actor.starts_with("Patient/"))
}

/// Adds somebody or something to an Appointment, once.
fn take_part(appointment: &mut Value, actor: &str, status: &str) {
    if let Some(list) = list_of(appointment, "participant")
        && !list.iter().any(|one| one["actor"]["reference"] == actor)
    {
        list.push(json!({ "actor": reference(actor), "status": status }));
    }
}

fn busy() -> Error {
    let text = "Many want the same at the moment. Try again.";
    Error::new(Category::Busy, IssueCode::Transient, text)
}
