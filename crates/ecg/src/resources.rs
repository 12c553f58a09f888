//! What the record keeps of an electrocardiogram.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::Error;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::lead::POTENTIAL;
use crate::{Absent, Lead, Samples, Stretch, Tracing};

/// The type of what keeps the file.
pub const DOCUMENT: &str = "DocumentReference";
/// The type of what tells of the electrocardiogram.
pub const REPORT: &str = "DiagnosticReport";

/// ISO/IEEE 11073-10101.
const MDC: &str = "urn:oid:2.16.840.1.113883.6.24";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const SECTION: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const SID: &str = "https://qingshan.dev/fhir/sid/ecg";
/// Whose the electrocardiogram is by its file, as far as that says: name, number, sex, day of birth.
const SUBJECT: &str = "https://qingshan.dev/fhir/StructureDefinition/ecg-subject";

/// Where an electrocardiogram came from and whom it is kept for.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The patient, such as `Patient/7`.
    pub patient: &'a str,
    /// The visit, such as `Encounter/7`.
    pub encounter: Option<&'a str>,
    /// When it was received, in microseconds since 1970.
    pub received: i64,
    /// In what zone times are written.
    pub zone: Offset,
    /// What kind of file it is said to be.
    pub content_type: &'a str,
    /// What the file is called.
    pub title: Option<&'a str>,
}

/// The id that everything kept of one file for one patient bears, so that the same file is kept once however often it is
/// sent.
pub fn id_of(patient: &str, bytes: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(patient.as_bytes());
    digest.update([0]);
    digest.update(bytes);
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What the record keeps: the DiagnosticReport first, then the file, then an Observation for each stretch. Each has an id.
pub fn resources(tracing: &Tracing, bytes: &[u8], about: &About<'_>) -> Result<Vec<Value>, Error> {
    let id = id_of(about.patient, bytes);
    let began = written(tracing.began, about.zone)?;
    let received = written(about.received, about.zone)?;
    let mut observations = Vec::new();
    for (place, stretch) in tracing.stretches.iter().enumerate() {
        observations.push(observation(tracing, stretch, place, &id, about)?);
    }
    let results: Vec<Value> = observations.iter().map(|one| json!({ "reference": name(one) })).collect();
    let mut report = json!({
        "resourceType": REPORT,
        "id": id,
        "identifier": [{ "system": SID, "value": id }],
        // Nobody has read it yet; what the device makes of it stands with the leads.
        "status": "partial",
        "category": [{ "coding": [{ "system": SECTION, "code": "EC" }] }],
        "code": code(),
        "subject": { "reference": about.patient },
        "effectiveDateTime": began,
        "issued": received,
        "result": results,
    });
    let mut attachment = json!({
        "contentType": about.content_type,
        "data": STANDARD.encode(bytes),
        "size": bytes.len(),
        "creation": began,
    });
    if let Some(title) = about.title {
        attachment["title"] = json!(title);
    }
    let mut document = json!({
        "resourceType": DOCUMENT,
        "id": id,
        "identifier": [{ "system": SID, "value": id }],
        "status": "current",
        "type": code(),
        "subject": { "reference": about.patient },
        "date": received,
        "content": [{ "attachment": attachment }],
    });
    if let Some(encounter) = about.encounter {
        report["encounter"] = json!({ "reference": encounter });
        document["context"] = json!({ "encounter": [{ "reference": encounter }] });
    }
    let mut all = vec![report, document];
    all.extend(observations);
    Ok(all)
}

fn observation(
    tracing: &Tracing,
    stretch: &Stretch,
    place: usize,
    id: &str,
    about: &About<'_>,
) -> Result<Value, Error> {
    let id = if place == 0 { id.to_owned() } else { format!("{id}.{place}") };
    let mut components: Vec<Value> = stretch.leads.iter().map(|lead| component(lead, stretch.period)).collect();
    let mut observation = json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{ "coding": [{ "system": CATEGORY, "code": "procedure" }] }],
        "code": {
            "coding": [
                { "system": MDC, "code": POTENTIAL.to_string(), "display": "MDC_ECG_ELEC_POTL" },
                { "system": LOINC, "code": "11524-6", "display": "EKG study" },
            ],
        },
        "subject": { "reference": about.patient },
        "effectiveDateTime": written(stretch.began, about.zone)?,
        "issued": written(about.received, about.zone)?,
    });
    if let Some(encounter) = about.encounter {
        observation["encounter"] = json!({ "reference": encounter });
    }
    if let Some(device) = &tracing.device {
        observation["device"] = json!({ "display": device });
    }
    // What the device made of the whole stands once, with the first stretch.
    if place == 0 {
        let measured = tracing.measured.iter().map(|one| {
            json!({
                "code": { "coding": [{ "system": LOINC, "code": one.code, "display": one.display }] },
                "valueQuantity": { "value": decimal(&one.value), "unit": one.unit, "system": UCUM, "code": one.unit },
            })
        });
        components.extend(measured);
        if !tracing.statements.is_empty() {
            let notes = tracing.statements.iter().map(|text| json!({ "text": text }));
            observation["note"] = notes.collect();
        }
        let subject = &tracing.subject;
        let known = [subject.name.as_deref(), subject.number.as_deref(), subject.sex, subject.born.as_deref()];
        let known: Vec<&str> = known.into_iter().flatten().collect();
        if !known.is_empty() {
            observation["extension"] = json!([{ "url": SUBJECT, "valueString": known.join(" · ") }]);
        }
    }
    observation["derivedFrom"] = json!([{ "reference": format!("{DOCUMENT}/{}", id_before(&id)) }]);
    observation["component"] = Value::Array(components);
    Ok(observation)
}

fn id_before(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

fn component(lead: &Lead, period: f64) -> Value {
    let mut code = json!({ "text": lead.named.name });
    if let Some(number) = lead.named.code {
        let display = format!("MDC_ECG_ELEC_POTL_{}", lead.named.name.to_uppercase());
        code["coding"] = json!([{ "system": MDC, "code": number.to_string(), "display": display }]);
    }
    match &lead.samples {
        Ok(samples) => json!({ "code": code, "valueSampledData": sampled(samples, period) }),
        Err(absent) => {
            let reason = match absent {
                Absent::NotRecorded => "not-performed",
                Absent::Unreadable => "error",
            };
            json!({ "code": code, "dataAbsentReason": { "coding": [{ "system": ABSENT, "code": reason }] } })
        }
    }
}

fn sampled(samples: &Samples, period: f64) -> Value {
    json!({
        "origin": { "value": decimal(&samples.origin), "unit": samples.unit, "system": UCUM, "code": samples.unit },
        "period": decimal(&period.to_string()),
        "factor": decimal(&samples.factor),
        "dimensions": 1,
        "data": samples.data,
    })
}

/// A number with the digits it was written with.
fn decimal(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn code() -> Value {
    json!({ "coding": [{ "system": LOINC, "code": "11524-6", "display": "EKG study" }], "text": "心电图" })
}

fn name(resource: &Value) -> String {
    let part = |name: &str| resource[name].as_str().unwrap_or_default();
    format!("{}/{}", part("resourceType"), part("id"))
}

fn written(at: i64, zone: Offset) -> Result<String, Error> {
    let at = Timestamp::from_microsecond(at).map_err(Error::fault)?;
    Ok(format!("{:.3}", at.display_with_offset(zone)))
}
