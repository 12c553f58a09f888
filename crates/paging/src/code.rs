//! Codes of our own that rosters and pages bear.

/// The extension of a message of a care process that says which of its recipients are to be paged. Its parts: `role` and
/// `call` (codes), `title` (words), `duty` (codes, any number) and `party` (a Reference).
pub const PAGE: &str = "https://qingshan.dev/fhir/StructureDefinition/run-page";

/// The extension of a message by which everybody who was paged about a run is told that it is over: a `valueBoolean`.
pub const STAND_DOWN: &str = "https://qingshan.dev/fhir/StructureDefinition/run-stand-down";

/// `Communication.category` of what a care process tells, of which one page is [`PAGED`].
pub const NOTICE: &str = "https://qingshan.dev/fhir/CodeSystem/notice";

/// The code of [`NOTICE`] for one page: to one person over one channel.
pub const PAGED: &str = "page";

/// The code of [`NOTICE`] for a channel that is down.
pub const TROUBLE: &str = "channel";

/// `Communication.medium` of a page.
pub const CHANNEL: &str = "https://qingshan.dev/fhir/CodeSystem/page-channel";

/// `Communication.statusReason` of a page that did not reach anybody.
pub const FAILURE: &str = "https://qingshan.dev/fhir/CodeSystem/page-failure";

/// The extension of a page that says for which role it is and how it goes on. Its parts: `role`, `call` (codes),
/// `title` (words), `everyone` (a boolean: nobody was on call), `attempts` (an integer), `next` (a dateTime).
pub const HANDING: &str = "https://qingshan.dev/fhir/StructureDefinition/page-handing";

/// `Schedule.serviceCategory` and `Slot.serviceCategory`: what a Schedule is, apart from a department's clinic.
pub const SESSION: &str = "https://qingshan.dev/fhir/CodeSystem/session";

/// The code of [`SESSION`] for the hours in which somebody is on call.
pub const ON_CALL: &str = "on-call";

/// `Schedule.serviceType`: for what somebody is on call.
pub const CALL: &str = "https://qingshan.dev/fhir/CodeSystem/on-call";

/// The extension of a Schedule that names the institution somebody is on call for: a `valueReference`.
pub const PLACE: &str = "https://qingshan.dev/fhir/StructureDefinition/session-place";

/// The codes of what people are on duty for.
pub const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";

/// The system of the security label of people who were made up for a drill, and the label.
/// <http://hl7.org/fhir/R4/v3/ActReason/cs.html#v3-ActReason-HTEST>
pub(crate) const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
pub(crate) const DRILL: &str = "HTEST";
