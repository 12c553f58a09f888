//! What a place is, by the Appointments that name it.

use fhir::Error;
use record::tree::{self, extension, is_coded, is_of, items, put, referred, referred_of, without_extension};
use serde_json::{Value, json};

use crate::{Booking, code};

/// How often a place is looked at anew when others change it meanwhile.
const TRIES: usize = 16;

impl Booking {
    /// Puts the places right that an Appointment names, or named before.
    pub(crate) async fn settle_places(&self, appointment: &Value) -> Result<(), Error> {
        for slot in referred_of(&appointment["slot"], "Slot") {
            self.settle_slot(slot).await?;
        }
        for bed in actors(appointment, "Location") {
            self.settle_bed(bed).await?;
        }
        Ok(())
    }

    /// Makes a slot what the Appointments that name it say. Cancels them when the slot is not to be had.
    pub(crate) async fn settle_slot(&self, slot: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some((mut tree, version)) = tree::read(&self.platform(), slot).await? else { return Ok(()) };
            // Whoever takes the slot after this changes its version, so that what is written below is refused.
            let live = self.live(slot).await?;
            let status = tree["status"].as_str().unwrap_or_default().to_owned();
            let wanted = match status.as_str() {
                "busy-unavailable" => {
                    return self.call_off(&live, &json!({ "reference": slot }), None).await;
                }
                "entered-in-error" => return Ok(()),
                _ if live.is_empty() => "free",
                _ if live.iter().all(|one| one["status"] == "pending") => "busy-tentative",
                _ => "busy",
            };
            if status == wanted {
                return Ok(());
            }
            tree["status"] = json!(wanted);
            match self.platform().transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Ok(())
    }

    /// The Appointments that a slot is taken by.
    pub(crate) async fn live(&self, slot: &str) -> Result<Vec<Value>, Error> {
        let asked = [("slot", slot.to_owned()), ("status", code::LIVE.to_owned())];
        tree::first(&self.platform(), "Appointment", &asked).await
    }

    /// Frees a bed whose hold is over.
    async fn settle_bed(&self, bed: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some((mut tree, version)) = tree::read(&self.platform(), bed).await? else { return Ok(()) };
            let held = extension(&tree, code::HELD_BY).and_then(|one| referred(&one["valueReference"]));
            let Some(held) = held.map(str::to_owned) else { return Ok(()) };
            let by = tree::read(&self.platform(), &held).await?;
            let holds = |(one, _): &(Value, u64)| {
                matches!(one["status"].as_str(), Some("pending" | "booked"))
                    && actors(one, "Location").any(|to| to == bed)
            };
            if by.as_ref().is_some_and(holds) {
                return Ok(());
            }
            without_extension(&mut tree, code::HELD_BY);
            match self.platform().transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Ok(())
    }
}

/// The actors of an Appointment, of one type.
pub(crate) fn actors<'v>(appointment: &'v Value, type_: &str) -> impl Iterator<Item = &'v str> {
    let actors = items(&appointment["participant"]).filter_map(|participant| referred(&participant["actor"]));
    actors.filter(move |to| is_of(to, type_))
}

/// Whether a slot is kept for referrals.
pub(crate) fn is_pooled(slot: &Value) -> bool {
    is_coded(&slot["appointmentType"], code::POOL, code::REFERRAL_POOL)
}

/// Whether a Location is a bed that nobody lies in and nobody holds.
pub(crate) fn is_free_bed(location: &Value) -> bool {
    is_bed(location)
        && location["operationalStatus"]["code"] == code::UNOCCUPIED
        && location["status"].as_str().is_none_or(|status| status == "active")
        && extension(location, code::HELD_BY).is_none()
}

/// Whether a Location is a bed.
pub(crate) fn is_bed(location: &Value) -> bool {
    items(&location["physicalType"]["coding"]).any(|coding| coding["code"] == code::BED)
}
