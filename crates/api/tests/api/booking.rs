//! Places over HTTP: what there is, who takes it, and who is refused.

use protocol::Library;
use serde_json::{Value, json};
use testkit::place::{Place, on_both};

use crate::stage::{Someone, part, read, stage};
use crate::{Door, Reply};

/// A hospital's ward with three slots and a bed, people of two institutions, and two patients.
async fn door(place: Place) -> Door {
    let door = stage(place, Library::default(), |_| {}).await;
    booking::Booking::new(door.place.record.clone(), booking::Settings::default()).prepare().await.unwrap();
    let mut all = vec![
        json!({"resourceType": "Patient", "id": "p"}),
        json!({"resourceType": "Patient", "id": "q"}),
        json!({"resourceType": "HealthcareService", "id": "ward", "active": true, "name": "内科",
            "providedBy": {"reference": "Organization/ward"}}),
        json!({"resourceType": "Schedule", "id": "ward", "active": true,
            "actor": [{"reference": "HealthcareService/ward"}]}),
        json!({"resourceType": "Location", "id": "bed", "status": "active",
            "physicalType": {"coding": [{"code": "bd"}]}, "operationalStatus": {"code": "U"},
            "managingOrganization": {"reference": "Organization/ward"}}),
    ];
    let start = door.place.record.surroundings().clock.now();
    for (number, hours) in [2_i64, 26, 50].into_iter().enumerate() {
        let at = |minutes: i64| fhir::time::instant(start + (hours * 60 + minutes) * 60_000_000);
        all.push(json!({"resourceType": "Slot", "id": format!("s{number}"), "status": "free",
            "schedule": {"reference": "Schedule/ward"}, "start": at(0), "end": at(20)}));
    }
    door.keep(&all).await;
    door
}

impl Someone<'_> {
    /// Has an operation done with parameters, each a reference or a text.
    async fn told(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        let parameters: Vec<(&str, Value)> = parameters
            .iter()
            .map(|(name, value)| (*name, if value.contains('/') { json!({"reference": value}) } else { json!(value) }))
            .collect();
        self.operate(path, &parameters).await
    }
}

#[test]
fn a_slot_is_found_held_booked_and_given_back() {
    on_both(async |place| {
        let door = door(place).await;
        let (doctor, patient) = (Someone::enter(&door, "doctor-other").await, Someone::enter(&door, "p").await);
        let found =
            read(&doctor.get("/fhir/HealthcareService/$availability?specialty=%E5%86%85%E7%A7%91&count=2").await);
        let department = part(&found, "department");
        assert_eq!(part(department, "institution")["valueReference"]["display"], "hospital");
        assert_eq!(part(part(department, "slot"), "slot")["valueReference"]["reference"], "Slot/s0");
        assert_eq!(part(department, "beds")["valueInteger"], 1);
        assert!(part(&found, "as-of")["valueInstant"].is_string());

        let wanted = [("slot", "Slot/s0"), ("patient", "Patient/p"), ("id", "once")];
        let held = read(&doctor.told("Appointment/$hold", &wanted).await);
        assert_eq!((&held["id"], &held["status"]), (&json!("once"), &json!("pending")));
        assert_eq!(read(&doctor.told("Appointment/$hold", &wanted).await)["id"], "once");
        let late = doctor.told("Appointment/$hold", &[("slot", "Slot/s0"), ("patient", "Patient/q")]).await;
        late.refused(409, "conflict");
        assert!(late.text().contains("Slot/s1"), "{}", late.text());
        // The one who holds it sees it, and so does the patient; somebody else is told that it is not there.
        assert_eq!(read(&doctor.get("/fhir/Appointment/once").await)["status"], "pending");
        assert_eq!(read(&patient.told("Appointment/once/$book", &[]).await)["status"], "booked");
        let other = Someone::enter(&door, "q").await;
        other.told("Appointment/once/$release", &[("reason", "x")]).await.refused(404, "not-found");
        let given_back = read(&patient.told("Appointment/once/$release", &[("reason", "不去了")]).await);
        assert_eq!(given_back["status"], "cancelled");
        assert_eq!(read(&patient.get("/fhir/Slot/s0").await)["status"], "free");
    });
}

#[test]
fn what_is_asked_wrongly_or_by_somebody_who_may_not_is_refused() {
    on_both(async |place| {
        let door = door(place).await;
        let (doctor, patient) = (Someone::enter(&door, "doctor-other").await, Someone::enter(&door, "p").await);
        patient.get("/fhir/HealthcareService/$availability").await.refused(403, "forbidden");
        patient
            .told("Appointment/$hold", &[("slot", "Slot/s0"), ("patient", "Patient/q")])
            .await
            .refused(404, "not-found");
        patient
            .told("Appointment/$hold", &[("bed", "Location/bed"), ("patient", "Patient/p")])
            .await
            .refused(403, "forbidden");
        let quality = Someone::enter(&door, "quality-other").await;
        quality
            .told("Appointment/$hold", &[("slot", "Slot/s0"), ("patient", "Patient/p")])
            .await
            .refused(404, "not-found");
        doctor.told("Appointment/$hold", &[("patient", "Patient/p")]).await.refused(400, "required");
        doctor.told("Appointment/$hold", &[("slot", "Slot/s0")]).await.refused(400, "required");
        doctor
            .told("Appointment/$hold", &[("slot", "Patient/p"), ("patient", "Patient/p")])
            .await
            .refused(400, "value");
        let urgency = [("slot", "Slot/s0"), ("patient", "Patient/p"), ("priority", "high")];
        doctor.told("Appointment/$hold", &urgency).await.refused(400, "value");
        doctor.get("/fhir/Appointment/$hold?slot=Slot/s0").await.refused(405, "not-supported");
        doctor.get("/fhir/HealthcareService/$availability?from=soon").await.refused(400, "value");
        let held = read(&doctor.told("Appointment/$hold", &[("slot", "Slot/s0"), ("patient", "Patient/p")]).await);
        let id = held["id"].as_str().unwrap().to_owned();
        read(&doctor.told(&format!("Appointment/{id}/$book"), &[]).await);
        // What became of a visit is marked where it takes place.
        doctor.told(&format!("Appointment/{id}/$mark"), &[("status", "arrived")]).await.refused(403, "forbidden");
        let house = Someone::enter(&door, "doctor-hospital").await;
        house.told(&format!("Appointment/{id}/$mark"), &[("status", "late")]).await.refused(400, "value");
        assert_eq!(
            read(&house.told(&format!("Appointment/{id}/$mark"), &[("status", "arrived")]).await)["status"],
            "arrived"
        );
    });
}

#[test]
fn a_session_is_planned_announced_booked_by_a_resident_and_called_off() {
    on_both(async |place| {
        let door = door(place).await;
        let office = Someone::enter(&door, "referral-officer-hospital").await;
        let (patient, quality) = (Someone::enter(&door, "p").await, Someone::enter(&door, "quality-other").await);
        let plan = [
            ("who", "PractitionerRole/doctor-hospital"),
            ("place", "Organization/other"),
            ("from", "2026-05-06T09:00:00+08:00"),
            ("to", "2026-05-06T10:00:00+08:00"),
            ("minutes", "20"),
            ("about", "冠心病"),
            ("key", "one"),
        ];
        quality.told("Schedule/$plan-session", &plan).await.refused(403, "forbidden");
        patient.told("Schedule/$plan-session", &plan).await.refused(403, "forbidden");
        let planned = read(&office.told("Schedule/$plan-session", &plan).await);
        let id = planned["id"].as_str().unwrap().to_owned();
        assert_eq!(read(&office.told("Schedule/$plan-session", &plan).await)["id"], id.as_str());
        let mut twice = plan;
        twice[6].1 = "another";
        office.told("Schedule/$plan-session", &twice).await.refused(409, "conflict");

        let listed = read(&patient.get("/fhir/Schedule/$sessions?from=2026-05-04&to=2026-05-10").await);
        let session = part(&listed, "session");
        assert_eq!(part(session, "free")["valueInteger"], 3);
        assert!(!listed.to_string().contains("booked"), "a resident is not told how many come");
        let schedule = format!("Schedule/{id}");
        let held = read(&patient.told("Appointment/$hold", &[("schedule", &schedule), ("patient", "Patient/p")]).await);
        let visit = held["id"].as_str().unwrap().to_owned();
        read(&patient.told(&format!("Appointment/{visit}/$book"), &[]).await);
        patient.get(&format!("/fhir/Schedule/{id}/$bookings")).await.refused(403, "forbidden");
        let host = Someone::enter(&door, "doctor-other").await;
        assert_eq!(read(&host.get(&format!("/fhir/Schedule/{id}/$bookings")).await)["total"], 1);
        office.told(&format!("Schedule/{id}/$cancel-session"), &[]).await.refused(400, "required");
        read(&office.told(&format!("Schedule/{id}/$cancel-session"), &[("reason", "专家出诊")]).await);
        let called_off = read(&patient.get(&format!("/fhir/Appointment/{visit}")).await);
        assert_eq!(
            (&called_off["status"], &called_off["cancelationReason"]["text"]),
            (&json!("cancelled"), &json!("专家出诊"))
        );
        let messages = read(&patient.get("/fhir/Communication?subject=Patient/p").await);
        assert_eq!(messages["entry"].as_array().unwrap().len(), 1);
    });
}
