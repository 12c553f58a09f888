//! Places follow their Appointments, and holds end by themselves.

use booking::Booking;
use fhir::Category;
use serde_json::json;
use testkit::place::on_both;

use crate::{Town, hold, id, pass};

#[test]
fn a_hold_that_nobody_books_ends_also_after_an_outage() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.slot("s", 24 * 60, false).await;
        let held = town.booking.hold(&town.doctor(), &hold("p", "s")).await.unwrap();
        assert_eq!(town.booking.end_holds(town.now()).await.unwrap(), 0, "it is not over yet");
        // Whatever held it is gone; somebody else begins hours later, and knows of it from the record alone.
        pass(&town.place.clock, 3 * 60);
        let booked = town.booking.book(&town.doctor(), &id(&held)).await.unwrap_err();
        assert_eq!(booked.category(), Category::Conflict, "what is over cannot be booked, even before it was ended");
        let after = Booking::new(town.place.record.clone(), *town.booking.settings());
        assert_eq!(after.end_holds(town.now()).await.unwrap(), 1);
        assert_eq!(after.end_holds(town.now()).await.unwrap(), 0);
        let ended = town.read(&format!("Appointment/{}", id(&held))).await;
        assert_eq!(
            (&ended["status"], &ended["cancelationReason"]["coding"][0]["code"]),
            (&json!("cancelled"), &json!("hold-ended"))
        );
        assert_eq!(town.status("Slot/s").await, "free");
    });
}

#[test]
fn a_place_is_free_again_whoever_cancels_the_appointment() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.follow().await;
        for (slot, minutes) in [("s", 60), ("other", 26 * 60)] {
            town.slot(slot, minutes, false).await;
        }
        let held = town.booking.hold(&town.doctor(), &hold("p", "s")).await.unwrap();
        town.booking.book(&town.doctor(), &id(&held)).await.unwrap();
        // As a care process does: straight into the record.
        let mut cancelled = town.read(&format!("Appointment/{}", id(&held))).await;
        cancelled["status"] = json!("noshow");
        town.put(&cancelled).await;
        assert_eq!(town.status("Slot/s").await, "busy");
        town.follow().await;
        assert_eq!(town.status("Slot/s").await, "free");
        // One that names another place frees the first and takes the second, as it stands in the record.
        let mut moved = town.read(&format!("Appointment/{}", id(&held))).await;
        moved["status"] = json!("booked");
        town.put(&moved).await;
        town.follow().await;
        assert_eq!(town.status("Slot/s").await, "busy");
        moved["slot"] = json!([{ "reference": "Slot/other" }]);
        town.put(&moved).await;
        town.follow().await;
        assert_eq!((town.status("Slot/s").await.as_str(), town.status("Slot/other").await.as_str()), ("free", "busy"));
    });
}

#[test]
fn a_bed_is_free_again_when_the_patient_does_not_come() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.follow().await;
        town.bed("b1").await;
        let bed = booking::Hold { wanted: booking::Wanted::Bed("Location/b1".to_owned()), ..hold("p", "") };
        let held = town.booking.hold(&town.doctor(), &bed).await.unwrap();
        assert!(town.read("Location/b1").await["extension"].is_array());
        let mut missed = town.read(&format!("Appointment/{}", id(&held))).await;
        missed["status"] = json!("cancelled");
        town.put(&missed).await;
        town.follow().await;
        assert!(town.read("Location/b1").await["extension"].is_null());
    });
}
