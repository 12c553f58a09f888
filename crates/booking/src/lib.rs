//! Places of a consortium: clinic slots, beds and expert sessions, as FHIR in the record.
//!
//! A place is a [`Slot`](http://hl7.org/fhir/R4/slot.html) of a Schedule, or a bed: a Location of physical type `bd`.
//! Whoever wants one *holds* it: an `Appointment` of status `pending` with a moment at which the hold ends by itself
//! ([`code::HOLD_UNTIL`]). Holding writes the Appointment and the place in one transaction on the condition that nobody
//! has changed the place meanwhile, so that of two who want the last one, one has it and the other is told what is free.
//! A hold is then *booked* or *released*.
//!
//! What a place is at any moment follows from the Appointments that name it. Whoever changes an Appointment without
//! coming here, as care processes do, is followed: [`Booking::keep`] reads the change feed and puts the place right. It
//! also ends holds; when each ends stands in the Appointment and nowhere else, so that what ended while nobody looked
//! is ended by whoever looks next.
//!
//! Who may do what is decided here by the caller's post and by whether they may read the patient; the writing itself is
//! the platform's, in the name of the caller.

mod availability;
pub mod code;
mod follow;
mod hold;
mod place;
mod rights;
mod session;

use std::sync::Arc;

use fhir::Error;
use jiff::tz::Offset;
use record::{Action, Caller, Change, Follower, Key, Record, ResourceType, Session, Standing, Target};

pub use availability::{Availability, Department, FreeSlot, Question};
pub use hold::{Hold, Mark, Wanted};
pub use session::{Count, Counted, Overview, Plan};

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a hold lasts when whoever holds does not say, in microseconds.
    pub hold: i64,
    /// How long a hold of a slot may last at most, in microseconds.
    pub hold_most: i64,
    /// How long a bed is held when nobody says until when, and at most, in microseconds.
    pub bed_hold: i64,
    /// How long before its beginning a slot of the referral pool is open to everybody, in microseconds.
    pub pool_release: i64,
    /// How many places that are still to come one patient may have booked or held by themselves.
    pub open_bookings: usize,
    /// How far ahead free slots are looked for, in microseconds.
    pub horizon: i64,
}

impl Default for Settings {
    fn default() -> Self {
        const MINUTE: i64 = 60_000_000;
        const HOUR: i64 = 60 * MINUTE;
        Self {
            hold: 10 * MINUTE,
            hold_most: 2 * HOUR,
            bed_hold: 24 * HOUR,
            pool_release: 24 * HOUR,
            open_bookings: 5,
            horizon: 14 * 24 * HOUR,
        }
    }
}

/// Places at work on a record. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Booking(Arc<Inner>);

struct Inner {
    record: Record,
    settings: Settings,
    /// Follows what is written.
    follower: Follower,
}

/// The search parameter that is brought: its id, and what it is.
const HOLD_PARAMETER: (&str, &str) = (
    "appointment-hold-until",
    r#"{"resourceType":"SearchParameter","id":"appointment-hold-until",
    "url":"https://qingshan.dev/fhir/SearchParameter/appointment-hold-until","version":"1","name":"HoldUntil",
    "status":"active","description":"When a hold of a place ends by itself.","code":"hold-until","base":["Appointment"],
    "type":"date",
    "expression":"Appointment.extension('https://qingshan.dev/fhir/StructureDefinition/hold-until').value.ofType(dateTime)"}"#,
);

impl Booking {
    /// Places on a record.
    pub fn new(record: Record, settings: Settings) -> Self {
        let follower = Follower::new(&record, "booking").of(&["Appointment", "Schedule", "Slot"]);
        Self(Arc::new(Inner { record, settings, follower }))
    }

    /// The record the places are in.
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Puts into the record what is needed there: the search parameter `hold-until` of Appointments. Doing so twice does
    /// nothing.
    pub async fn prepare(&self) -> Result<(), Error> {
        let (id, text) = HOLD_PARAMETER;
        let key = Key::new(ResourceType::parse("SearchParameter")?, id);
        if self.platform().read(&key).await?.is_some_and(|version| version.body.is_some()) {
            return Ok(());
        }
        let (target, resource) = (Target::Key(key), fhir::json::parse(text.as_bytes())?);
        let put = Action::Update { target, resource, if_match: None, if_absent: true };
        match self.platform().transact(vec![Change::new(put)]).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_overtaken() => Ok(()),
            Err(refusal) => Err(refusal.error),
        }
    }

    /// A session that sees everything: what becomes of a place does not depend on what the one who acts may see.
    fn platform(&self) -> Session {
        self.0.record.session(Caller::system("HOPERAT"))
    }

    /// The platform in the name of a caller: the trail says who it was.
    fn for_caller(&self, caller: &Caller) -> Session {
        self.0.record.session(Caller { standing: Standing::System, ..caller.clone() })
    }

    fn now(&self) -> i64 {
        self.0.record.surroundings().clock.now()
    }

    fn new_id(&self) -> String {
        self.0.record.surroundings().new_id()
    }

    fn zone(&self) -> Offset {
        self.0.record.settings().zone()
    }
}
