//! Codes of our own that places bear.

/// The extension of an Appointment that says when its hold ends by itself: a `valueDateTime`.
pub const HOLD_UNTIL: &str = "https://qingshan.dev/fhir/StructureDefinition/hold-until";

/// The extension of a bed's Location that names the Appointment it is held by: a `valueReference`.
pub const HELD_BY: &str = "https://qingshan.dev/fhir/StructureDefinition/held-by";

/// The extension of a Schedule that names the institution at which a session takes place: a `valueReference`.
pub const SESSION_PLACE: &str = "https://qingshan.dev/fhir/StructureDefinition/session-place";

/// `Slot.appointmentType`: for whom a slot is kept.
pub const POOL: &str = "https://qingshan.dev/fhir/CodeSystem/slot-pool";

/// The code of [`POOL`] for slots that are kept for referrals.
pub const REFERRAL_POOL: &str = "referral";

/// `Schedule.serviceCategory`: what a Schedule is, apart from a department's clinic.
pub const SESSION: &str = "https://qingshan.dev/fhir/CodeSystem/session";

/// The code of [`SESSION`] for an expert's session in the community.
pub const EXPERT_SESSION: &str = "expert-session";

/// `Appointment.cancelationReason`: what the platform cancels for.
pub const CANCELLED: &str = "https://qingshan.dev/fhir/CodeSystem/booking-cancelled";

/// The code of [`CANCELLED`] for a hold that was not booked in time.
pub const HOLD_ENDED: &str = "hold-ended";

/// The code of [`CANCELLED`] for a session that does not take place.
pub const SESSION_CANCELLED: &str = "session-cancelled";

/// The code of [`CANCELLED`] for a hold that gave way to somebody who could wait less.
pub const GAVE_WAY: &str = "gave-way";

/// The physical type of a bed. <http://terminology.hl7.org/CodeSystem/location-physical-type>
pub const BED: &str = "bd";

/// The operational status of a bed nobody lies in, of HL7 v2 table 0116.
pub const UNOCCUPIED: &str = "U";

/// The statuses of an Appointment that a place is taken by.
pub const LIVE: &str = "pending,booked,arrived,checked-in,fulfilled";
