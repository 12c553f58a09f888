//! Places as their callers see them, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod following;
mod holding;
mod sessions;

use booking::{Booking, Hold, Settings, Wanted};
use record::Session;
use serde_json::{Value, json};
use testkit::institutions::in_person;
use testkit::place::{Place, TestClock};
use testkit::stage::{organization, person, staff};

/// A minute and an hour, in microseconds.
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// A clinic and a hospital with a cardiology of some slots and beds, people in them, and patients.
struct Town {
    place: Place,
    booking: Booking,
}

impl Town {
    async fn of(place: Place) -> Self {
        let booking = Booking::new(place.record.clone(), Settings::default());
        booking.prepare().await.unwrap();
        place.clock.pass(10);
        while place.record.index_due().await.unwrap() {}
        let town = Self { place, booking };
        let mut all = vec![
            organization("clinic", None),
            organization("hospital", None),
            organization("cardiology", Some("hospital")),
            json!({
                "resourceType": "HealthcareService", "id": "cardiology", "active": true, "name": "心血管内科",
                "providedBy": { "reference": "Organization/cardiology" },
            }),
            json!({
                "resourceType": "Schedule", "id": "clinic-hours", "active": true,
                "actor": [{ "reference": "HealthcareService/cardiology" }],
            }),
            json!({ "resourceType": "Patient", "id": "p" }),
            json!({ "resourceType": "Patient", "id": "q" }),
        ];
        for (name, at, duty) in [
            ("lin", "clinic", "doctor"),
            ("wu", "hospital", "doctor"),
            ("he", "hospital", "referral-officer"),
            ("mo", "hospital", "quality"),
        ] {
            all.extend(person(name, at, duty));
        }
        town.place.keep(&all).await;
        town
    }

    async fn put(&self, resource: &Value) {
        self.place.keep(std::slice::from_ref(resource)).await;
    }

    /// A free slot of the cardiology that begins so many minutes from now.
    async fn slot(&self, id: &str, minutes: i64, pooled: bool) {
        let at = |minutes: i64| fhir::time::instant(self.now() + minutes * MINUTE);
        let mut slot = json!({
            "resourceType": "Slot", "id": id, "schedule": { "reference": "Schedule/clinic-hours" }, "status": "free",
            "start": at(minutes), "end": at(minutes + 20),
        });
        if pooled {
            slot["appointmentType"] =
                json!({ "coding": [{ "system": booking::code::POOL, "code": booking::code::REFERRAL_POOL }] });
        }
        self.put(&slot).await;
    }

    async fn bed(&self, id: &str) {
        self.put(&json!({
            "resourceType": "Location", "id": id, "status": "active",
            "physicalType": { "coding": [{ "code": "bd" }] },
            "operationalStatus": { "system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "U" },
            "managingOrganization": { "reference": "Organization/cardiology" },
        }))
        .await;
    }

    fn now(&self) -> i64 {
        self.place.now()
    }

    /// Somebody on duty.
    fn staff(&self, name: &str, at: &str, duty: &str) -> Session {
        self.place.record.session(staff(name, at, duty))
    }

    /// The clinic's doctor.
    fn doctor(&self) -> Session {
        self.staff("lin", "clinic", "doctor")
    }

    /// A patient on their own phone.
    fn patient(&self, id: &str) -> Session {
        in_person(&self.place.record, &[id], &[])
    }

    async fn read(&self, reference: &str) -> Value {
        self.place.tree(reference).await
    }

    async fn status(&self, reference: &str) -> String {
        self.read(reference).await["status"].as_str().unwrap().to_owned()
    }

    /// Everything that was written is followed.
    async fn follow(&self) {
        while !self.booking.caught_up().await.unwrap() {}
    }
}

/// A hold of a slot for a patient.
fn hold(patient: &str, slot: &str) -> Hold {
    Hold {
        id: None,
        patient: format!("Patient/{patient}"),
        wanted: Wanted::Slot(format!("Slot/{slot}")),
        request: None,
        instead: None,
        from: None,
        until: None,
        priority: None,
    }
}

/// The id of a resource.
fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

fn pass(clock: &TestClock, minutes: i64) {
    clock.pass(minutes * 60);
}
