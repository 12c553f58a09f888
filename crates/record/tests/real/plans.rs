//! How the databases go about searches: by an index, always.

use testkit::place::{Place, on_both};

use crate::{World, request};

/// Searches of every kind.
const SEARCHES: &[&str] = &[
    "Patient?",
    "Patient?_id=a,b",
    "Patient?identifier=urn:oid:1.2.392.100495.20.3.51.1|POP-000072",
    "Patient?identifier=urn:oid:1.2.392.100495.20.3.51.1|",
    "Patient?gender=female",
    "Patient?gender:not=female",
    "Patient?gender:missing=true",
    "Patient?gender:missing=false",
    "Patient?name=白井",
    "Patient?family:exact=Hoeger",
    "Patient?given:contains=st",
    "Patient?birthdate=ge1980&birthdate=lt1990",
    "Patient?birthdate=ne1980",
    "Patient?_sort=birthdate&_count=5",
    "Patient?_sort=-_lastUpdated&_count=5",
    "Patient?_lastUpdated=ge2026",
    "Patient?_has:Observation:patient:code=33914-3",
    "Patient?_tag=https://smarthealthit.org/tags|synthea-5-2019&_total=accurate",
    "Practitioner?_has:Encounter:participant:class=IMP",
    "Observation?code=http://loinc.org|8302-2",
    "Observation?code=8302-2,29463-7&status=final",
    "Observation?code:not=8302-2&category=vital-signs",
    "Observation?value-quantity=gt120",
    "Observation?value-quantity=ge170|http://unitsofmeasure.org|cm",
    "Observation?code-value-quantity=http://loinc.org|8302-2$gt170",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt130",
    "Observation?patient.gender=female&code=8302-2",
    "Observation?encounter.service-provider.name=beth",
    "Observation?date=2025-07&_sort=-date&_count=20",
    "Observation?_sort=-date&_count=20",
    "Observation?patient=SOMEBODY",
    "Observation?patient=SOMEBODY&code=http://loinc.org|8302-2&_sort=-date&_count=20",
    "Observation?subject=SOMEBODY&date=ge2020&_total=accurate",
    "SOMEBODY/Observation?status=final",
    "SOMEBODY/Encounter?",
    "Encounter?class=IMP&_include=Encounter:subject&_revinclude=Condition:encounter",
    "RiskAssessment?probability=gt0.05",
    "Library?url=http://example.org/nothing",
];

/// Whether a step of a plan of SQLite reads a table from end to end.
fn is_scan(plan: &str, step: &str) -> bool {
    let Some(rest) = step.trim().strip_prefix("SCAN ") else { return false };
    let of = rest.split(' ').next().unwrap_or_default();
    // Results of subqueries and lists of arguments are no tables.
    let made = ["CO-ROUTINE", "MATERIALIZE"].iter().any(|word| plan.contains(&format!("{word} {of}")));
    !made && !rest.contains("VIRTUAL TABLE") && !rest.starts_with("CONSTANT ROW") && !rest.starts_with('(')
}

/// The steps of a plan that read a table, or an index without looking anything up in it.
fn scans(plan: &str, is_shared: bool) -> Vec<String> {
    let lines: Vec<&str> = plan.lines().collect();
    let mut found = Vec::new();
    if !is_shared {
        found.extend(lines.iter().filter(|step| is_scan(plan, step)).map(|step| (*step).to_owned()));
        // What is asked once for each match must begin at that match and not at all values of a parameter.
        let asked_often = lines.windows(2).filter(|pair| pair[0].contains("CORRELATED SCALAR SUBQUERY"));
        found.extend(asked_often.map(|pair| pair[1]).filter(|step| step.contains("(param=?)")).map(str::to_owned));
        return found;
    }
    for (at, line) in lines.iter().enumerate() {
        let whole = line.contains("Seq Scan on ");
        let by_index = line.contains("Index Scan") || line.contains("Index Only Scan");
        let has_condition = lines.get(at + 1).is_some_and(|next| next.contains("Index Cond:"));
        if whole || (by_index && !has_condition) {
            found.push((*line).to_owned());
        }
    }
    found
}

#[test]
fn every_search_begins_and_goes_on_by_an_index() {
    let test = "every_search_begins_and_goes_on_by_an_index";
    on_both(async |place: Place| {
        let Some(world) = World::fill(test, &place).await else { return };
        // In tables as small as a test's, PostgreSQL would rather read everything. What it does when it would rather
        // not shows whether there is an index to go by.
        if let Some(database) = place.database() {
            let name = database.query("SELECT current_database()").remove(0);
            database.query(&format!("ALTER DATABASE {name} SET enable_seqscan = off"));
            database.query("ANALYZE");
        }
        let record = if place.is_shared() { place.again().await } else { place.record.clone() };
        let session = record.session(place.session().caller().clone());
        let somebody = world.of("Patient").map(testkit::region::name).next().expect("there are patients");
        let (mut statements, mut wrong) = (0, Vec::new());
        for query in SEARCHES {
            let query = query.replace("SOMEBODY", &somebody);
            let plans = session.explain(&request(&query)).await.unwrap_or_else(|error| panic!("{query}: {error}"));
            statements += plans.len();
            for plan in plans {
                let scans = scans(&plan, place.is_shared());
                if !scans.is_empty() {
                    wrong.push(format!("{query}: {scans:?} in\n{plan}"));
                }
            }
        }
        assert!(statements > SEARCHES.len(), "only {statements} statements were explained");
        assert!(wrong.is_empty(), "{} statements read whole tables:\n{}", wrong.len(), wrong.join("\n"));
    });
}
