//! Who may have, change and see a place.

use fhir::{Category, Error, IssueCode, time};
use record::tree::{self, extension, items, name, referred, referred_of};
use record::{Act, Caller, Key, Note, Session, Standing};
use serde_json::Value;

use crate::hold::{Hold, is_arranger};
use crate::place::{actors, is_pooled};
use crate::{Booking, code};

impl Booking {
    /// An Appointment that the caller may change: a patient's own, one they can read, or one where they work.
    pub(crate) async fn theirs(&self, session: &Session, id: &str) -> Result<(Value, u64), Error> {
        let absent = || Error::not_found(format!("There is no {id}."));
        // The caller's own reading stands on the trail, whether it shows them the Appointment or not.
        let shown = tree::read(session, id).await?;
        let (tree, version) = tree::read(&self.platform(), id).await?.ok_or_else(absent)?;
        let permitted = match &session.caller().standing {
            _ if shown.is_some() => true,
            Standing::System | Standing::Machine(_) => false,
            Standing::Lay(lay) => actors(&tree, "Patient").any(|patient| {
                let id = patient.trim_start_matches("Patient/");
                lay.own.iter().chain(&lay.charges).any(|own| own == id)
            }),
            Standing::Staff(_) => self.works_at(session.caller(), &tree).await?,
        };
        if !permitted {
            return Err(absent());
        }
        if shown.is_none() {
            let ids = actors(&tree, "Patient").filter_map(|patient| patient.strip_prefix("Patient/"));
            let patients = ids.map(str::to_owned).collect();
            session.note(Note { patients, detail: id.to_owned(), ..Note::new(Act::Request) }).await?;
        }
        Ok((tree, version))
    }

    /// Whether a caller works where an Appointment takes place.
    pub(crate) async fn works_at(&self, caller: &Caller, appointment: &Value) -> Result<bool, Error> {
        let Standing::Staff(post) = &caller.standing else { return Ok(caller.standing.is_no_person()) };
        let role = format!("PractitionerRole/{}", post.role);
        let practitioner = format!("Practitioner/{}", post.practitioner);
        let takes_part = items(&appointment["participant"])
            .filter(|one| !is_arranger(one))
            .any(|one| referred(&one["actor"]).is_some_and(|actor| actor == role || actor == practitioner));
        if takes_part {
            return Ok(true);
        }
        for slot in referred_of(&appointment["slot"], "Slot") {
            if let Some((slot, _)) = tree::read(&self.platform(), slot).await?
                && self.houses(&self.schedule_of(&slot).await?).await?.contains(&post.organization)
            {
                return Ok(true);
            }
        }
        for bed in actors(appointment, "Location") {
            if let Some((bed, _)) = tree::read(&self.platform(), bed).await?
                && let Some(department) = referred(&bed["managingOrganization"])
                && tree::up_from(&self.platform(), department).await?.contains(&post.organization)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses whoever may not book for a patient.
    pub(crate) async fn may_book_for(&self, session: &Session, patient: &str) -> Result<(), Error> {
        let absent = || Error::not_found(format!("There is no {patient} for whom you may book."));
        let key = Key::of(patient).filter(|key| key.type_.name() == "Patient").ok_or_else(absent)?;
        if let Standing::Lay(lay) = &session.caller().standing
            && !lay.own.iter().chain(&lay.charges).any(|own| *own == key.id)
        {
            return Err(absent());
        }
        let there = session.read(&key).await?.and_then(|version| version.body);
        there.map(drop).ok_or_else(absent)
    }

    /// The Schedule of a slot.
    pub(crate) async fn schedule_of(&self, slot: &Value) -> Result<Value, Error> {
        let schedule = referred(&slot["schedule"]).unwrap_or_default();
        let found = tree::read(&self.platform(), schedule).await?;
        found.map(|(tree, _)| tree).ok_or_else(|| Error::not_found(format!("There is no {schedule}.")))
    }

    /// The ids of the organizations in whose house a Schedule is worked: the department and what it is part of.
    pub(crate) async fn houses(&self, schedule: &Value) -> Result<Vec<String>, Error> {
        let mut houses = Vec::new();
        let place = extension(schedule, code::SESSION_PLACE).and_then(|one| referred(&one["valueReference"]));
        if let Some(place) = place {
            houses.extend(tree::up_from(&self.platform(), place).await?);
        }
        for service in referred_of(&schedule["actor"], "HealthcareService") {
            if let Some((service, _)) = tree::read(&self.platform(), service).await?
                && let Some(department) = referred(&service["providedBy"])
            {
                houses.extend(tree::up_from(&self.platform(), department).await?);
            }
        }
        Ok(houses)
    }

    /// Refuses whoever a slot is not open to.
    pub(crate) async fn is_open_to(
        &self,
        caller: &Caller,
        slot: &Value,
        schedule: &Value,
        for_request: bool,
    ) -> Result<(), Error> {
        let released = self.span(slot)?.0 - self.0.settings.pool_release;
        if !is_pooled(slot) || released <= self.now() {
            return Ok(());
        }
        let permitted = match &caller.standing {
            Standing::System | Standing::Machine(_) => true,
            Standing::Lay(_) => false,
            // The house keeps its own pool free for those who refer to it.
            Standing::Staff(post) => for_request || !self.houses(schedule).await?.contains(&post.organization),
        };
        if permitted {
            return Ok(());
        }
        let text = format!("This place is kept for referrals until {}.", time::instant(released));
        Err(Error::forbidden(text))
    }

    /// Whether a caller may have a slot of the referral pool before it is open to everybody.
    pub(crate) async fn may_use_pool(
        &self,
        caller: &Caller,
        schedule: &Value,
        for_request: bool,
    ) -> Result<bool, Error> {
        Ok(match &caller.standing {
            Standing::System | Standing::Machine(_) => true,
            Standing::Lay(_) => false,
            Standing::Staff(post) => for_request || !self.houses(schedule).await?.contains(&post.organization),
        })
    }

    /// Refuses a second place of one department in the same half of a day, and more places than one patient may have.
    pub(crate) async fn is_within_limits(
        &self,
        caller: &Caller,
        hold: &Hold,
        schedule: &Value,
        start: i64,
    ) -> Result<(), Error> {
        let asked = [
            ("patient", hold.patient.clone()),
            ("status", "pending,booked".to_owned()),
            ("date", format!("ge{}", time::instant(self.now()))),
        ];
        let open = tree::first(&self.platform(), "Appointment", &asked).await?;
        // What the same request has already is moved, not added to.
        let is_moved = |one: &Value| {
            let request = hold.request.as_deref();
            let is_same = |request| items(&one["basedOn"]).filter_map(referred).any(|to| to == request);
            request.is_some_and(is_same) || hold.instead.as_deref() == Some(name(one).as_str())
        };
        let others: Vec<&Value> = open.iter().filter(|one| !is_moved(one)).collect();
        if matches!(caller.standing, Standing::Lay(_)) && others.len() >= self.0.settings.open_bookings {
            let text = format!("There are {} places booked already. Give one back first.", others.len());
            return Err(Error::conflict(text));
        }
        for one in others {
            for slot in referred_of(&one["slot"], "Slot") {
                let Some((slot, _)) = tree::read(&self.platform(), slot).await? else { continue };
                let same = referred(&slot["schedule"]) == Some(name(schedule).as_str());
                if same && self.half_day(self.span(&slot)?.0) == self.half_day(start) {
                    // Which place that is, and with whom, is told where Appointments are read.
                    let text = "Nobody can have two places of one department in the same half-day.";
                    return Err(Error::new(Category::Conflict, IssueCode::Duplicate, text));
                }
            }
        }
        Ok(())
    }

    /// The half of a local day a moment is in.
    fn half_day(&self, at: i64) -> i64 {
        const HALF: i64 = 12 * 3_600_000_000;
        (at + i64::from(self.zone().seconds()) * 1_000_000).div_euclid(HALF)
    }
}
