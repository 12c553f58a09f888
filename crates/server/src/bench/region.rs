//! An invented region: patients and observations by number, always the same, as many as are wanted.

/// Observations each patient has.
pub(crate) const EACH: usize = 100;

/// What is observed: LOINC code, unit, lowest value, range.
const KINDS: [(&str, &str, usize, usize); 10] = [
    ("8480-6", "mm[Hg]", 95, 80),
    ("8462-4", "mm[Hg]", 55, 50),
    ("8867-4", "/min", 50, 60),
    ("8310-5", "Cel", 36, 4),
    ("29463-7", "kg", 40, 60),
    ("8302-2", "cm", 145, 45),
    ("2339-0", "mg/dL", 70, 180),
    ("2093-3", "mg/dL", 120, 160),
    ("4548-4", "%", 4, 8),
    ("2160-0", "mg/dL", 1, 3),
];

/// The id of a patient by number.
pub(crate) fn patient_id(number: usize) -> String {
    format!("bench-{number}")
}

/// A code that every patient has observations of.
pub(crate) const CODE: &str = "http://loinc.org|8480-6";

/// A patient.
pub(crate) fn patient(number: usize) -> String {
    let (id, gender) = (patient_id(number), ["female", "male"][number % 2]);
    let (year, month, day) = (1940 + number % 70, 1 + number % 12, 1 + number % 28);
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","active":true,"identifier":[{{"system":"https://qingshan.example/id/health-card","value":"B{number:08}"}}],"name":[{{"use":"official","family":"山{number}","given":["青"]}}],"gender":"{gender}","birthDate":"{year}-{month:02}-{day:02}"}}"#
    )
}

/// An observation of a patient; without an id when the server is to give one.
pub(crate) fn observation(patient: usize, number: usize, with_id: bool) -> String {
    let (code, unit, lowest, range) = KINDS[number % KINDS.len()];
    let id = if with_id { format!(r#""id":"bench-{patient}-{number}","#) } else { String::new() };
    // A different day and minute for each observation of a kind, spread over twenty years.
    let spread = patient * 7 + number * 13;
    let (year, month, day) = (2005 + spread % 20, 1 + spread / 20 % 12, 1 + spread / 240 % 28);
    let (hour, minute) = (spread % 24, number % 60);
    let value = lowest + (patient * 31 + number * 17) % range;
    let subject = patient_id(patient);
    format!(
        r#"{{"resourceType":"Observation",{id}"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"subject":{{"reference":"Patient/{subject}"}},"effectiveDateTime":"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00+08:00","valueQuantity":{{"value":{value}.0,"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}},"note":[{{"text":"Measured at rest, sitting, after five minutes; the second of two readings was taken because the first one was uncertain."}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_invented_is_valid() {
        let options = fhir::validate::Options::default();
        let validator = fhir::validate::Validator::new(fhir::definitions::r4(), options);
        for text in [patient(7), observation(7, 3, true), observation(700, 99, false)] {
            let resource = fhir::json::parse(text.as_bytes()).unwrap();
            let found = validator.check(&resource);
            assert!(found.iter().all(|issue| issue.severity != fhir::error::Severity::Error), "{found:?}");
        }
    }
}
