//! Who is on call at the hospitals: every day from eight in the morning, one after another.

use jiff::civil::Date;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::institutions::{FIRST, Institutions, SECOND};

/// How many days there are shifts for: yesterday's, which lasts until this morning, and the week from today on.
pub(super) const DAYS: usize = 8;

/// What there is to be on call for, in which department, who is, and with whom of them it begins today: one person of each
/// duty. Those who can sign in are among those it begins with.
type Call = (&'static str, &'static str, &'static [&'static str], usize);

const CALLS: &[Call] = &[
    ("anaesthesia", "surgery", &["doctor"], 3),
    ("aortic", "surgery", &["doctor"], 4),
    ("blood-bank", "laboratory", &["technician"], 1),
    ("cardiology", "cardiology", &["doctor"], 3),
    ("cath-lab", "cardiology", &["doctor", "nurse"], 2),
    ("chest-pain", "cardiology", &["doctor"], 1),
    ("chief", "emergency", &["doctor"], 1),
    ("emergency", "emergency", &["doctor", "nurse"], 0),
    ("gastroenterology", "gastroenterology", &["doctor"], 0),
    ("imaging", "imaging", &["radiologist", "technician"], 0),
    ("laboratory", "laboratory", &["technician"], 0),
    ("neonatology", "paediatrics", &["doctor", "nurse"], 0),
    ("neurointervention", "neurology", &["doctor"], 1),
    ("neurosurgery", "surgery", &["doctor"], 2),
    ("obstetrics", "gynaecology", &["doctor", "nurse"], 0),
    ("poisoning", "emergency", &["doctor"], 2),
    ("respiratory", "respiratory", &["doctor"], 0),
    ("stroke", "neurology", &["doctor", "nurse"], 0),
    ("surgery", "surgery", &["doctor"], 0),
    ("surgical-specialties", "orthopaedics", &["doctor"], 0),
    ("trauma", "surgery", &["doctor", "nurse"], 1),
];

/// What the district hospitals have somebody on call for; whatever else is wanted there, whoever holds the post is paged.
const SMALL: &[Call] = &[
    ("chief", "medicine", &["doctor"], 0),
    ("emergency", "emergency", &["doctor", "nurse"], 0),
    ("imaging", "imaging", &["technician"], 0),
    ("laboratory", "laboratory", &["technician"], 0),
];

/// The Schedules and Slots of the rosters, as `paging` keeps them.
pub(super) fn roster(institutions: &Institutions, today: Date) -> Vec<Value> {
    let mut written = Vec::new();
    let small = SECOND.iter().flat_map(|hospital| SMALL.iter().map(move |call| (*hospital, call)));
    for (hospital, (call, department, duties, first)) in CALLS.iter().map(|call| (FIRST, call)).chain(small) {
        let at = format!("{hospital}-{department}");
        for duty in *duties {
            let mut posts: Vec<(String, Vec<usize>)> = Vec::new();
            for day in 0..DAYS {
                let worker = institutions.worker(&at, duty, if day == 0 { first + DAYS } else { first + day - 1 });
                let post = format!("{}.{at}", worker.id);
                match posts.iter_mut().find(|(known, _)| *known == post) {
                    Some((_, days)) => days.push(day),
                    None => posts.push((post, vec![day])),
                }
            }
            for (post, days) in posts {
                shifts(&mut written, (hospital, *call, post.as_str()), &days, today);
            }
        }
    }
    written
}

/// The Schedule of a post, and a Slot for each day from eight to eight.
fn shifts(written: &mut Vec<Value>, (hospital, call, post): (&str, &str, &str), days: &[usize], today: Date) {
    const IDENTIFIER: &str = "https://qingshan.dev/fhir/sid/on-call";
    let place = format!("Organization/{hospital}");
    let who = format!("PractitionerRole/{post}");
    // Whoever sets a shift later finds the Schedule by this name.
    let name = digest(&[&place, call, &who]);
    let id = format!("on-call-{name}");
    let category =
        json!([{ "coding": [{ "system": "https://qingshan.dev/fhir/CodeSystem/session", "code": "on-call" }] }]);
    let kind = json!([{ "coding": [{ "system": "https://qingshan.dev/fhir/CodeSystem/on-call", "code": call }] }]);
    written.push(json!({
        "resourceType": "Schedule",
        "id": id,
        "identifier": [{ "system": IDENTIFIER, "value": name }],
        "extension": [{
            "url": "https://qingshan.dev/fhir/StructureDefinition/session-place",
            "valueReference": { "reference": place },
        }],
        "active": true,
        "serviceCategory": category,
        "serviceType": kind,
        "actor": [{ "reference": who }],
    }));
    for day in days {
        let eight = |days: usize| {
            let days = i64::try_from(days).expect("a roster is short") - 1;
            let day = today.saturating_add(jiff::Span::new().days(days));
            format!("{day}T08:00:00+08:00")
        };
        let slot = format!("{id}-{day}");
        written.push(json!({
            "resourceType": "Slot",
            "id": slot,
            "identifier": [{ "system": IDENTIFIER, "value": slot }],
            "serviceCategory": category,
            "serviceType": kind,
            "schedule": { "reference": format!("Schedule/{id}") },
            "status": "busy",
            "start": eight(*day),
            "end": eight(day + 1),
        }));
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
