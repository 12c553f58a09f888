//! What must hold for any input at all: one function per kind of input, shared by the fuzz targets in `fuzz/` and
//! by the bounded test beside the official cases.
//!
//! Each panics when its property does not hold; an error is an answer.

use std::sync::LazyLock;

use fhir::definitions::r4;
use fhir::path::{Environment, Expression};
use fhir::{Value, json, patch};
use jiff::tz::Offset;
use sonic_rs::JsonValueTrait;

/// Few enough for a fuzzer to try thousands of expressions in a second.
const STEPS: u64 = 5_000;

/// A resource with a bit of everything: choices, extensions of primitives, contained resources, numbers.
const SAMPLE: &str = r##"{"resourceType":"Patient","id":"p","active":true,
    "contained":[{"resourceType":"Organization","id":"o","name":"O"}],
    "name":[{"use":"official","family":"F","given":["A",null],"_given":[null,{"id":"g"}]},{"given":["B"]}],
    "birthDate":"1974-12","_birthDate":{"extension":[{"url":"u","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
    "deceasedBoolean":false,"multipleBirthInteger":2,"managingOrganization":{"reference":"#o"},
    "extension":[{"url":"q","valueQuantity":{"value":1.20E1,"system":"http://unitsofmeasure.org","code":"mg"}}]}"##;

static PATIENT: LazyLock<Value> = LazyLock::new(|| json::parse(SAMPLE.as_bytes()).expect("the sample is JSON"));

/// What is read is written as it was, and nothing is read that other parsers refuse.
pub fn json(bytes: &[u8]) {
    let Ok(value) = json::parse(bytes) else { return };
    let written = json::to_bytes(&value);
    let again = json::parse(&written).expect("what was written can be read");
    assert_eq!(json::to_bytes(&again), written, "writing is stable");
    assert!(json::same(&value, &again), "nothing is lost");
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).expect("another parser reads it too");
}

/// Any text is an expression or an error, and evaluating it ends.
pub fn fhirpath(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    let _refusal = expression.check(r4(), "Patient");
    let env = Environment::new(r4()).of(&PATIENT).limited_to(STEPS);
    for item in expression.evaluate(&PATIENT, &env).unwrap_or_default() {
        let _text = item.to_text();
    }
}

/// Any JSON is a patch or an error, and a patched tree can be written and read.
pub fn patch(bytes: &[u8]) {
    let Ok(document) = json::parse(bytes) else { return };
    let patched = match document.is_array() {
        true => patch::json_patch(&PATIENT, &document),
        false => patch::fhirpath_patch(&PATIENT, &document),
    };
    if let Ok(patched) = patched {
        let written = json::to_bytes(&patched);
        let again = json::parse(&written).expect("a patched tree can be read");
        assert!(json::same(&patched, &again), "nothing is lost");
    }
}

/// Any bytes are an electrocardiogram or an error; what is read tells as many samples as it counts, and each is a number
/// of the file or none.
pub fn ecg(bytes: &[u8]) {
    let Ok(tracing) = ecg::read(bytes, Offset::UTC) else { return };
    for lead in tracing.stretches.iter().flat_map(|stretch| &stretch.leads) {
        let Ok(samples) = &lead.samples else { continue };
        assert_eq!(samples.data.split(' ').count(), samples.count, "every sample is told");
        for sample in samples.data.split(' ') {
            assert!(sample == "E" || sample.parse::<f64>().is_ok_and(f64::is_finite), "{sample} is a number");
        }
        let factor: f64 = samples.factor.parse().expect("a factor is a number");
        assert!(factor != 0.0 && factor.is_finite(), "a sample stands for something");
    }
    let about = ecg::About {
        patient: "Patient/p",
        encounter: None,
        received: 0,
        zone: Offset::UTC,
        content_type: "application/xml",
        title: None,
    };
    for resource in ecg::resources(&tracing, bytes, &about).unwrap_or_default() {
        let written = serde_json::to_vec(&resource).expect("a tree can be written");
        json::parse(&written).expect("what is kept can be read");
    }
}
