//! Prints what validation costs: microseconds per resource, with and without invariants.
//!
//! Run with `cargo run --release -p fhir --example validate_speed`.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use fhir::definitions::r4;
use fhir::json;
use fhir::validate::{Options, Validator};

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"bp-1","meta":{"profile":["http://example.org/fhir/StructureDefinition/bp"]},
"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure"}],"text":"Blood pressure"},
"subject":{"reference":"Patient/0190163f"},"encounter":{"reference":"Encounter/0190163e"},
"effectiveDateTime":"2026-03-01T08:30:00+08:00","issued":"2026-03-01T08:30:00.123+08:00",
"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic"}],"text":"Diastolic"},
"valueQuantity":{"value":88.5,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic"}],"text":"Systolic"},
"valueQuantity":{"value":138.2,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;

#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let start = now();
    let definitions = r4();
    writeln!(out, "{:>9.1} ms  decode the definitions", start.elapsed().as_secs_f64() * 1e3)?;

    let resource = json::parse(OBSERVATION.as_bytes()).expect("the sample is JSON");
    for invariants in [false, true] {
        let start = now();
        let validator = Validator::new(definitions, Options { invariants, ..Options::default() });
        let issues = validator.check(&resource);
        assert!(issues.is_empty(), "the sample is valid: {issues:?}");
        writeln!(
            out,
            "{:>9.1} ms  make a validator and check once, invariants {invariants}",
            start.elapsed().as_secs_f64() * 1e3
        )?;
        let mut best = f64::MAX;
        for _ in 0..20 {
            let (start, rounds) = (now(), 2_000);
            for _ in 0..rounds {
                black_box(validator.check(black_box(&resource)));
            }
            best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
        }
        writeln!(out, "{best:>9.2} µs  check an Observation of {} bytes, invariants {invariants}", OBSERVATION.len())?;
    }
    Ok(())
}
