//! Places: what there is (`$availability`, `$sessions`, `$bookings`), what is held, booked and given back (`$hold`,
//! `$book`, `$release`, `$mark`), and expert sessions (`$plan-session`, `$cancel-session`). All are ours, and told in
//! docs/decisions/booking.md.

use booking::{Hold, Mark, Plan, Question, Wanted};
use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;
use record::{Key, Session};

use super::Operation;
use super::parameters::{Parameters, malformed, needed};
use crate::App;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::outcome::Failure;
use crate::route::On;

/// Free slots that are named of each department when the caller does not say, and at most.
const SLOTS: (usize, usize) = (3, 20);
/// How far ahead sessions are listed when the caller does not say, in microseconds: four weeks.
const AHEAD: i64 = 28 * 86_400_000_000;

/// Does one of these operations.
pub(crate) async fn run(
    operation: Operation,
    app: &App,
    session: &Session,
    mut ask: Ask,
    on: On,
) -> Result<Answer, Failure> {
    let asked = Asked { parameters: Parameters::of(&mut ask)?, zone: app.record.settings().zone() };
    let booking = &app.booking;
    let done = match operation {
        Operation::Availability => booking.availability(session, &asked.question()?).await?.parameters(),
        Operation::Hold => booking.hold(session, &asked.hold()?).await?,
        Operation::Book => booking.book(session, &id_of(on)?).await?,
        Operation::Release => booking.release(session, &id_of(on)?, &asked.parameters.required("reason")?).await?,
        Operation::Mark => {
            let status = asked.parameters.required("status")?;
            let mark = Mark::of(&status).ok_or_else(|| malformed("status", "arrived, fulfilled or noshow"))?;
            booking.mark(session, &id_of(on)?, mark).await?
        }
        Operation::PlanSession => booking.plan(session, &asked.plan()?).await?,
        Operation::CancelSession => {
            booking.cancel_session(session, &id_of(on)?, &asked.parameters.required("reason")?).await?
        }
        Operation::Bookings => booking.bookings(session, &id_of(on)?).await?,
        _ => {
            let now = app.record.surroundings().clock.now();
            let from = asked.moment("from")?.unwrap_or(now - AHEAD / 28);
            let span = (from, asked.moment("to")?.unwrap_or(from + AHEAD));
            let place = asked.reference("place", "Organization")?;
            booking.sessions(session, span, place.as_deref()).await?.parameters()
        }
    };
    Ok(Answer::resource(serde_json::to_vec(&done).map_err(Error::fault)?))
}

/// What was asked, read by the shape each part has.
struct Asked {
    parameters: Parameters,
    zone: Offset,
}

impl Asked {
    fn question(&self) -> Result<Question, Error> {
        let pool = self.parameters.text("pool").map(|pool| match pool.as_str() {
            booking::code::REFERRAL_POOL => Ok(true),
            _ => Err(malformed("pool", "referral")),
        });
        Ok(Question {
            specialty: self.parameters.text("specialty"),
            service: self.reference("service", "HealthcareService")?,
            organization: self.reference("organization", "Organization")?,
            pool: pool.transpose()?.unwrap_or(false),
            from: self.moment("from")?,
            count: self.parameters.number("count")?.unwrap_or(SLOTS.0).min(SLOTS.1),
        })
    }

    fn hold(&self) -> Result<Hold, Error> {
        let slot = self.reference("slot", "Slot")?;
        let service = self.reference("service", "HealthcareService")?;
        let schedule = self.reference("schedule", "Schedule")?;
        let bed = self.reference("bed", "Location")?;
        let any_bed = self.parameters.flag("any-bed")?.unwrap_or(false);
        let wanted = match (slot, service, schedule, bed) {
            (Some(slot), _, _, None) => Wanted::Slot(slot),
            (None, None, None, Some(bed)) => Wanted::Bed(bed),
            (None, Some(service), None, None) if any_bed => Wanted::BedOf(service),
            (None, Some(service), None, None) => Wanted::Next(service),
            (None, None, Some(schedule), None) => Wanted::Next(schedule),
            _ => {
                let text =
                    "Say what is to be held: a “slot”, a “bed”, or a “service” or “schedule” with something free.";
                return Err(Error::new(Category::Invalid, IssueCode::Required, text));
            }
        };
        let id = self.parameters.text("id");
        if id.as_deref().is_some_and(|id| !Key::is_id(id)) {
            return Err(malformed("id", "an id of letters, digits, hyphens and full stops"));
        }
        let priority = self.parameters.text("priority");
        if priority.as_deref().is_some_and(|code| !["routine", "urgent", "asap", "stat"].contains(&code)) {
            return Err(malformed("priority", "routine, urgent, asap or stat"));
        }
        Ok(Hold {
            id,
            patient: self.reference("patient", "Patient")?.ok_or_else(|| needed("patient"))?,
            wanted,
            request: self.reference("request", "ServiceRequest")?,
            instead: self.reference("instead", "Appointment")?,
            from: self.moment("from")?,
            until: self.moment("until")?,
            priority,
        })
    }

    fn plan(&self) -> Result<Plan, Error> {
        let person = self.reference("who", "PractitionerRole").or_else(|_| self.reference("who", "Practitioner"))?;
        let moment = |name: &str| self.moment(name)?.ok_or_else(|| needed(name));
        let minutes = self.parameters.number("minutes")?;
        let text = |name: &str| self.parameters.text(name).filter(|text| !text.trim().is_empty());
        Ok(Plan {
            key: text("key"),
            who: person.ok_or_else(|| needed("who"))?,
            place: self.reference("place", "Organization")?.ok_or_else(|| needed("place"))?,
            location: self.reference("location", "Location")?,
            about: text("about"),
            span: (moment("from")?, moment("to")?),
            minutes: minutes.map(|minutes| i64::try_from(minutes).unwrap_or(i64::MAX)),
            places: self.parameters.number("places")?,
            pool: self.parameters.flag("pool")?.unwrap_or(false),
            note: (text("note"), text("note-en")),
        })
    }

    fn reference(&self, name: &str, type_: &str) -> Result<Option<String>, Error> {
        self.parameters.reference(name, &[type_])
    }

    fn moment(&self, name: &str) -> Result<Option<i64>, Error> {
        self.parameters.moment(name, self.zone)
    }
}

/// The id of what an operation is called on.
fn id_of(on: On) -> Result<String, Error> {
    match on {
        On::Instance(key) => Ok(key.id),
        _ => Err(Error::not_found("This operation is called on one resource.")),
    }
}
