//! Codes of our own that the registry and the map bear.

/// `HealthcareService.category`: what makes a HealthcareService a row of the registry.
pub const CATEGORY: &str = "https://qingshan.dev/fhir/CodeSystem/service-category";

/// The code of [`CATEGORY`] for a centre of one pathway at one site.
pub const CENTRE: &str = "emergency-centre";

/// `HealthcareService.type`: the pathway, as the emergency line calls it, or [`EMERGENCY`].
pub const PATHWAY: &str = "https://qingshan.dev/fhir/CodeSystem/emergency-pathway";

/// The pathway of an emergency department as such: whoever is unstable goes there.
pub const EMERGENCY: &str = "emergency";

/// `HealthcareService.characteristic`: what there is day and night: `ct`, `cta`, `mr`, `ivt`, `evt`, `pci`, `lysis`, `ecmo`,
/// `or`, `blood`, `nicu`, `resuscitation`.
pub const CAPABILITY: &str = "https://qingshan.dev/fhir/CodeSystem/centre-capability";

/// `HealthcareService.characteristic`: how a centre is certified.
pub const LEVEL: &str = "https://qingshan.dev/fhir/CodeSystem/centre-level";

/// The extension of a row with the last day of its certificate: a `valueDate`.
pub const CERTIFIED_UNTIL: &str = "https://qingshan.dev/fhir/StructureDefinition/centre-certified-until";

/// The extension of a row that is suspended: `reason` (`valueCode`), `since` (`valueInstant`), `by` (`valueReference`).
pub const SUSPENDED: &str = "https://qingshan.dev/fhir/StructureDefinition/centre-suspended";

/// The extension of a row with a figure of a quarter: `code` (`dnt`, `dpt`, `d2w` in minutes, `needles-in-time` in percent,
/// `refusals`), `value` (`valueDecimal`), `quarter` (`valuePeriod`).
pub const FIGURE: &str = "https://qingshan.dev/fhir/StructureDefinition/centre-figure";

/// The extension of a row with what it takes now: `status` (`valueCode`: `open`, `limited`, `diverted`), `said`
/// (`valueInstant`), `by` (`valueReference`), `reason` (`valueString`), and `resource` for each count, with `code`
/// (`valueCode`) and `count` (`valueInteger`).
pub const LIVE: &str = "https://qingshan.dev/fhir/StructureDefinition/centre-live";

/// The canonical address of the map; its editions are versions of it.
pub const MAP: &str = "https://qingshan.dev/fhir/Library/capability-map";

/// In which way one organisation belongs to another.
pub(crate) const AFFILIATION: &str = "https://qingshan.dev/fhir/CodeSystem/affiliation";

/// What can stand beside a pathway as a reason to suspend a centre.
pub const SUSPENSIONS: [&str; 4] = ["missing-figures", "needles-late", "refused", "other"];

/// `Observation.code` of what is told from the road: [`POSITION`], [`ETA`], [`ARRIVED`].
pub const OBSERVATION: &str = "https://qingshan.dev/fhir/CodeSystem/observation";

/// The code of [`OBSERVATION`] for where a vehicle is: components `latitude` and `longitude`, in degrees of WGS 84, and
/// `accuracy` in metres where the vehicle knows it.
pub const POSITION: &str = "vehicle-position";

/// The code of [`OBSERVATION`] for when somebody is expected at the door: a `valueDateTime`.
pub const ETA: &str = "eta";

/// The code of [`OBSERVATION`] for a vehicle that has come to the door of the house in `focus`, at `effectiveDateTime`.
pub const ARRIVED: &str = "vehicle-arrived";

/// `Observation.method` of an [`ETA`]: [`BY_ROAD`] or [`BY_LINE`] when it was reckoned, `crew` when the crew said so.
pub const ETA_METHOD: &str = "https://qingshan.dev/fhir/CodeSystem/eta-method";

/// The code of [`ETA_METHOD`] for a way along roads.
pub const BY_ROAD: &str = "by-road";

/// The code of [`ETA_METHOD`] for a straight line with a factor for the detour.
pub const BY_LINE: &str = "straight-line";
