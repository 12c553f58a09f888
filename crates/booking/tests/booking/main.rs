//! Places as their callers see them, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod following;
mod holding;
mod sessions;

use std::sync::Arc;

use booking::{Booking, Hold, Settings, Wanted};
use record::{Caller, Key, Lay, Post, ResourceType, Session, Standing};
use serde_json::{Value, json};
use testkit::institutions::put;
use testkit::place::{Place, TestClock};

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
        for (id, part) in [("clinic", None), ("hospital", None), ("cardiology", Some("hospital"))] {
            let mut one = json!({ "resourceType": "Organization", "id": id, "active": true, "name": id });
            if let Some(part) = part {
                one["partOf"] = json!({ "reference": format!("Organization/{part}") });
                let system = "http://terminology.hl7.org/CodeSystem/organization-type";
                one["type"] = json!([{ "coding": [{ "system": system, "code": "dept" }] }]);
            }
            town.put(&one).await;
        }
        for (person, at, duty) in [
            ("lin", "clinic", "doctor"),
            ("wu", "hospital", "doctor"),
            ("he", "hospital", "referral-officer"),
            ("mo", "hospital", "quality"),
        ] {
            town.put(&json!({ "resourceType": "Practitioner", "id": person, "name": [{ "text": person }] })).await;
            town.put(&json!({
                "resourceType": "PractitionerRole", "id": format!("{person}-role"), "active": true,
                "practitioner": { "reference": format!("Practitioner/{person}") },
                "organization": { "reference": format!("Organization/{at}") },
                "code": [{ "coding": [{ "system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": duty }] }],
            }))
            .await;
        }
        town.put(&json!({
            "resourceType": "HealthcareService", "id": "cardiology", "active": true, "name": "心血管内科",
            "providedBy": { "reference": "Organization/cardiology" },
        }))
        .await;
        town.put(&json!({
            "resourceType": "Schedule", "id": "clinic-hours", "active": true,
            "actor": [{ "reference": "HealthcareService/cardiology" }],
        }))
        .await;
        for patient in ["p", "q"] {
            town.put(&json!({ "resourceType": "Patient", "id": patient })).await;
        }
        town
    }

    async fn put(&self, resource: &Value) {
        self.place.session().transact(vec![put(&resource.to_string())]).await.unwrap();
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
        self.place.record.surroundings().clock.now()
    }

    /// Somebody on duty.
    fn staff(&self, person: &str, at: &str, duty: &str) -> Session {
        let post = Post {
            practitioner: person.to_owned(),
            role: format!("{person}-role"),
            organization: at.to_owned(),
            duties: vec![duty.to_owned()],
        };
        self.caller(&format!("Practitioner/{person}"), Standing::Staff(Arc::new(post)))
    }

    /// The clinic's doctor.
    fn doctor(&self) -> Session {
        self.staff("lin", "clinic", "doctor")
    }

    /// A patient on their own phone.
    fn patient(&self, id: &str) -> Session {
        let lay = Lay { own: vec![id.to_owned()], charges: Vec::new() };
        self.caller(&format!("Patient/{id}"), Standing::Lay(Arc::new(lay)))
    }

    fn caller(&self, actor: &str, standing: Standing) -> Session {
        let (actor, purpose) = (actor.to_owned(), "TREAT".to_owned());
        self.place.record.session(Caller { actor, purpose, request: "test".to_owned(), standing })
    }

    async fn read(&self, reference: &str) -> Value {
        let (type_, id) = reference.split_once('/').unwrap();
        let key = Key::new(ResourceType::parse(type_).unwrap(), id);
        let body = self.place.session().read(&key).await.unwrap().unwrap().body.unwrap();
        serde_json::from_slice(&body).unwrap()
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
