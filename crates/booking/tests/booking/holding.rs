//! Who gets a place, and who is told that it is gone.

use booking::{Mark, Question, Wanted};
use fhir::Category;
use record::Record;
use serde_json::json;
use testkit::place::{Place, on_both};

use crate::{Town, hold, id, pass};

/// The record as several processes have it open, where that is possible.
async fn processes(place: &Place) -> Vec<Record> {
    match place.is_shared() {
        true => vec![place.record.clone(), place.again().await],
        false => vec![place.record.clone()],
    }
}

#[test]
fn of_many_who_want_few_places_each_place_goes_to_one_and_none_is_lost() {
    on_both(async |place| {
        let town = Town::of(place).await;
        const PLACES: usize = 6;
        for slot in 0..PLACES {
            town.slot(&format!("s{slot}"), 30 + 20 * i64::try_from(slot).unwrap(), false).await;
        }
        for patient in 0..24 {
            town.put(&json!({ "resourceType": "Patient", "id": format!("r{patient}") })).await;
        }
        let records = processes(&town.place).await;
        let racing: Vec<_> = (0..24_usize)
            .map(|number| {
                let own = records[number % records.len()].clone();
                let booking = booking::Booking::new(own.clone(), booking::Settings::default());
                let session = own.session(town.place.session().caller().clone());
                tokio::spawn(async move {
                    let mut wanted = hold(&format!("r{number}"), "");
                    wanted.wanted = Wanted::Next("HealthcareService/cardiology".to_owned());
                    loop {
                        match booking.hold(&session, &wanted).await {
                            Ok(held) => return Some(held),
                            Err(error) if error.category() == Category::Busy => {}
                            Err(error) => {
                                assert_eq!(error.category(), Category::Conflict, "{error}");
                                return None;
                            }
                        }
                    }
                })
            })
            .collect();
        let mut slots = Vec::new();
        for racer in racing {
            if let Some(held) = racer.await.unwrap() {
                slots.push(held["slot"][0]["reference"].as_str().unwrap().to_owned());
            }
        }
        slots.sort();
        slots.dedup();
        assert_eq!(slots.len(), PLACES, "each place went to one who has it alone");
        for slot in 0..PLACES {
            assert_eq!(town.status(&format!("Slot/s{slot}")).await, "busy-tentative");
        }
    });
}

#[test]
fn of_two_who_want_the_last_place_one_has_it_and_the_other_is_told_what_is_free() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("last", 60, false).await;
        town.slot("tomorrow", 24 * 60, false).await;
        let (one, other) = (town.doctor(), town.doctor());
        let (for_one, for_other) = (hold("p", "last"), hold("q", "last"));
        let (first, second) = tokio::join!(town.booking.hold(&one, &for_one), town.booking.hold(&other, &for_other));
        let refused = match (first, second) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused.category(), Category::Conflict);
        assert!(refused.to_string().contains("Slot/tomorrow"), "{refused}");
    });
}

#[test]
fn a_hold_that_is_asked_for_twice_is_held_once_and_then_booked() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 60, false).await;
        let wanted = booking::Hold { id: Some("once".to_owned()), ..hold("p", "s") };
        let first = town.booking.hold(&town.doctor(), &wanted).await.unwrap();
        let second = town.booking.hold(&town.doctor(), &wanted).await.unwrap();
        assert_eq!((first["id"].as_str(), second["id"].as_str()), (Some("once"), Some("once")));
        let booked = town.booking.book(&town.doctor(), "once").await.unwrap();
        assert_eq!(booked["status"], "booked");
        assert!(booked["extension"].is_null(), "it does not end by itself any more");
        assert_eq!(town.status("Slot/s").await, "busy");
        town.booking.book(&town.doctor(), "once").await.unwrap();
        let given_back = town.booking.release(&town.doctor(), "once", "患者改期").await.unwrap();
        assert_eq!(
            (&given_back["status"], &given_back["cancelationReason"]["text"]),
            (&json!("cancelled"), &json!("患者改期"))
        );
        assert_eq!(town.status("Slot/s").await, "free");
    });
}

#[test]
fn whoever_may_not_read_an_appointment_is_told_only_that_its_id_is_taken() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 60, false).await;
        town.slot("next", 80, false).await;
        let wanted = booking::Hold { id: Some("once".to_owned()), ..hold("p", "s") };
        town.booking.hold(&town.doctor(), &wanted).await.unwrap();
        let other = town.staff("wu", "hospital", "doctor");
        let same = town.booking.hold(&other, &wanted).await.unwrap_err();
        let another = booking::Hold { id: Some("once".to_owned()), ..hold("q", "next") };
        let different = town.booking.hold(&other, &another).await.unwrap_err();
        assert_eq!((same.category(), same.to_string()), (different.category(), different.to_string()));
        assert_eq!(same.category(), Category::Conflict);
        let twice = town.booking.hold(&other, &hold("p", "next")).await.unwrap_err();
        assert_eq!(twice.category(), Category::Conflict);
        assert!(!twice.to_string().contains("Appointment/") && !twice.to_string().contains("patient"), "{twice}");
        // Who asked for it stands on the trail, also where they were shown nothing.
        town.place.record.settle().await.unwrap();
        let officer = town
            .place
            .record
            .session(record::Caller { actor: "client/auditor".to_owned(), ..record::Caller::system("HOPERAT") });
        let asked = [("agent", "Practitioner/wu".to_owned()), ("entity", "Appointment/once".to_owned())];
        let request = record::SearchRequest::of("AuditEvent", &asked).unwrap();
        assert!(!officer.search(&request).await.unwrap().matches.is_empty());
    });
}

#[test]
fn the_referral_pool_is_for_those_who_refer_until_a_day_before() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("pooled", 25 * 60, true).await;
        let refused = town.booking.hold(&town.patient("p"), &hold("p", "pooled")).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        // The house that keeps the pool does not empty it for its own desk.
        let house = town.staff("wu", "hospital", "doctor");
        assert_eq!(town.booking.hold(&house, &hold("p", "pooled")).await.unwrap_err().category(), Category::Forbidden);
        let held = town.booking.hold(&town.doctor(), &hold("p", "pooled")).await.unwrap();
        town.booking.release(&town.doctor(), &id(&held), "换一个时间").await.unwrap();
        pass(&town.place.clock, 2 * 60);
        town.booking.hold(&town.patient("p"), &hold("p", "pooled")).await.unwrap();
    });
}

#[test]
fn nobody_books_for_somebody_they_may_not_see() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 60, false).await;
        let of_another = town.booking.hold(&town.patient("p"), &hold("q", "s")).await.unwrap_err();
        assert_eq!(of_another.category(), Category::NotFound);
        let quality = town.staff("mo", "hospital", "quality");
        let by_nobody = town.booking.hold(&quality, &hold("p", "s")).await.unwrap_err();
        assert_eq!(by_nobody.category(), Category::NotFound);
        let held = town.booking.hold(&town.patient("p"), &hold("p", "s")).await.unwrap();
        // Another patient neither books nor gives back what is not theirs.
        for refused in [
            town.booking.book(&town.patient("q"), &id(&held)).await,
            town.booking.release(&town.patient("q"), &id(&held), "").await,
        ] {
            assert_eq!(refused.unwrap_err().category(), Category::NotFound);
        }
        assert_eq!(town.status("Slot/s").await, "busy-tentative");
    });
}

#[test]
fn a_patient_has_one_place_of_a_department_in_half_a_day_and_not_more_than_some() {
    on_both(async |place| {
        let town = Town::of(place).await;
        // It is 8:00; both are in the same morning.
        town.slot("one", 60, false).await;
        town.slot("other", 90, false).await;
        town.booking.hold(&town.patient("p"), &hold("p", "one")).await.unwrap();
        let refused = town.booking.hold(&town.patient("p"), &hold("p", "other")).await.unwrap_err();
        assert_eq!(refused.category(), Category::Conflict);
        for day in 1..=5_i64 {
            town.slot(&format!("d{day}"), day * 24 * 60, false).await;
            let held = town.booking.hold(&town.patient("p"), &hold("p", &format!("d{day}"))).await;
            assert_eq!(held.is_ok(), day < 5, "the sixth is too many");
        }
    });
}

#[test]
fn a_bed_goes_to_who_can_wait_least_and_what_is_booked_stays() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.bed("b1").await;
        let bed = |patient: &str, priority: &str| booking::Hold {
            wanted: Wanted::BedOf("HealthcareService/cardiology".to_owned()),
            priority: Some(priority.to_owned()),
            ..hold(patient, "")
        };
        let routine = town.booking.hold(&town.doctor(), &bed("p", "routine")).await.unwrap();
        let same = town.booking.hold(&town.doctor(), &bed("q", "routine")).await.unwrap_err();
        assert_eq!(same.category(), Category::Conflict);
        let urgent = town.booking.hold(&town.doctor(), &bed("q", "stat")).await.unwrap();
        let routine = town.read(&format!("Appointment/{}", id(&routine))).await;
        assert_eq!(routine["status"], "cancelled");
        assert_eq!(routine["cancelationReason"]["coding"][0]["code"], "gave-way");
        town.booking.book(&town.doctor(), &id(&urgent)).await.unwrap();
        assert!(town.booking.hold(&town.doctor(), &bed("p", "stat")).await.is_err());
        town.booking.release(&town.doctor(), &id(&urgent), "不来了").await.unwrap();
        town.booking.hold(&town.doctor(), &bed("p", "routine")).await.unwrap();
    });
}

#[test]
fn what_a_department_has_is_told_as_of_now() {
    on_both(async |place| {
        let town = Town::of(place).await;
        for (slot, minutes, pooled) in [("a", 60, false), ("b", 90, true), ("c", 26 * 60, true), ("d", 27 * 60, false)]
        {
            town.slot(slot, minutes, pooled).await;
        }
        for bed in ["b1", "b2"] {
            town.bed(bed).await;
        }
        town.put(&json!({
            "resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order",
            "category": [{ "coding": [{ "system": "https://qingshan.dev/fhir/CodeSystem/request", "code": "referral" }] }],
            "subject": { "reference": "Patient/p" }, "performer": [{ "reference": "Organization/cardiology" }],
        }))
        .await;
        let question =
            Question { specialty: Some("心血管".to_owned()), pool: true, count: 3, ..Question::default() };
        let found = town.booking.availability(&town.doctor(), &question).await.unwrap();
        assert_eq!(found.at, town.now());
        let [one] = found.departments.as_slice() else { panic!("{found:?}") };
        let slots: Vec<&str> = one.free.iter().map(|slot| slot.slot.as_str()).collect();
        assert_eq!(slots, ["Slot/a", "Slot/b", "Slot/c"]);
        assert_eq!((one.pool, one.beds, one.waiting), ((1, 2), Some(2), (1, 0)));
        assert_eq!(one.institution.0, "Organization/hospital");
        // A bed that is held is not free, and for the hospital's own desk the pool is not.
        let bed = booking::Hold { wanted: Wanted::Bed("Location/b1".to_owned()), ..hold("p", "") };
        town.booking.hold(&town.doctor(), &bed).await.unwrap();
        let own = Question { pool: false, ..question.clone() };
        let found = town.booking.availability(&town.staff("wu", "hospital", "doctor"), &own).await.unwrap();
        let slots: Vec<&str> = found.departments[0].free.iter().map(|slot| slot.slot.as_str()).collect();
        assert_eq!((slots, found.departments[0].beds), (vec!["Slot/a", "Slot/b", "Slot/d"], Some(1)));
        let nothing = Question { specialty: Some("眼科".to_owned()), ..question.clone() };
        assert!(town.booking.availability(&town.doctor(), &nothing).await.unwrap().departments.is_empty());
        assert_eq!(
            town.booking.availability(&town.patient("p"), &question).await.unwrap_err().category(),
            Category::Forbidden
        );
    });
}

#[test]
fn a_place_for_a_referral_goes_into_the_appointment_that_waits_for_its_time() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 26 * 60, true).await;
        town.put(&json!({
            "resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order",
            "subject": { "reference": "Patient/p" },
        }))
        .await;
        town.put(&json!({
            "resourceType": "Appointment", "id": "waits", "status": "proposed",
            "basedOn": [{ "reference": "ServiceRequest/r" }],
            "participant": [{ "actor": { "reference": "Patient/p" }, "status": "needs-action" }],
        }))
        .await;
        let wanted = booking::Hold { request: Some("ServiceRequest/r".to_owned()), ..hold("p", "s") };
        let held = town.booking.hold(&town.place.session(), &wanted).await.unwrap();
        assert_eq!((held["id"].as_str(), &held["status"]), (Some("waits"), &json!("pending")));
        // Not booked in time, it waits for a time again; the referral is not lost with the place.
        pass(&town.place.clock, 11);
        assert_eq!(town.booking.end_holds(town.now()).await.unwrap(), 1);
        let waits = town.read("Appointment/waits").await;
        assert_eq!((&waits["status"], &waits["slot"]), (&json!("proposed"), &json!(null)));
        assert_eq!(town.status("Slot/s").await, "free");
    });
}

#[test]
fn what_became_of_a_visit_is_marked_where_it_takes_place() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 60, false).await;
        let held = town.booking.hold(&town.doctor(), &hold("p", "s")).await.unwrap();
        town.booking.book(&town.doctor(), &id(&held)).await.unwrap();
        let elsewhere = town.booking.mark(&town.doctor(), &id(&held), Mark::Arrived).await.unwrap_err();
        assert_eq!(elsewhere.category(), Category::Forbidden);
        let desk = town.staff("wu", "hospital", "doctor");
        town.booking.mark(&desk, &id(&held), Mark::Arrived).await.unwrap();
        assert_eq!(
            town.booking.mark(&desk, &id(&held), Mark::Missed).await.unwrap_err().category(),
            Category::Conflict
        );
        let seen = town.booking.mark(&desk, &id(&held), Mark::Seen).await.unwrap();
        assert_eq!(seen["status"], "fulfilled");
        assert!(town.booking.release(&town.patient("p"), &id(&held), "").await.is_err());
    });
}

#[test]
fn a_hold_is_exchanged_for_another_and_its_place_is_free_again() {
    on_both(async |place| {
        let town = Town::of(place).await;
        // Both are in the same morning, of which a patient has one.
        town.slot("one", 60, false).await;
        town.slot("other", 90, false).await;
        let held = town.booking.hold(&town.doctor(), &hold("p", "one")).await.unwrap();
        let instead = booking::Hold { instead: Some(format!("Appointment/{}", id(&held))), ..hold("p", "other") };
        let moved = town.booking.hold(&town.doctor(), &instead).await.unwrap();
        assert_eq!(id(&moved), id(&held));
        assert_eq!(
            (town.status("Slot/one").await.as_str(), town.status("Slot/other").await.as_str()),
            ("free", "busy-tentative")
        );
        assert_eq!(
            id(&town.booking.hold(&town.doctor(), &instead).await.unwrap()),
            id(&held),
            "asking twice moves once"
        );
        let anothers = booking::Hold { patient: "Patient/q".to_owned(), ..instead };
        assert_eq!(town.booking.hold(&town.doctor(), &anothers).await.unwrap_err().category(), Category::Conflict);
    });
}
