//! How long a rule of the specification takes, on every node of an Observation.
//!
//! `cargo run --release -p fhir --example fhirpath_speed`

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and says so")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use fhir::definitions::r4;
use fhir::json;
use fhir::path::{Environment, Expression, Item, Node};

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","meta":{"profile":["http://example.org/p"]},
    "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Blood pressure 120/80</div>"},
    "status":"final","category":[{"coding":[{"system":"http://example.org/c","code":"vital-signs","display":"Vital"}]}],
    "code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}],"text":"Blood pressure"},
    "subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-01-05T08:30:00+08:00",
    "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
        "valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
      {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
        "valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;

const ROUNDS: u32 = 2_000;

fn main() {
    let observation = json::parse(OBSERVATION.as_bytes()).expect("the sample is JSON");
    let env = Environment::new(r4()).of(&observation);
    let all = Expression::parse("descendants()").expect("it is FHIRPath");
    let mut nodes = vec![Item::Node(Node::resource(r4(), &observation))];
    nodes.extend(all.evaluate(&observation, &env).expect("a small tree is within bounds"));

    let mut parsed: HashMap<&str, Expression> = HashMap::new();
    let mut work = Vec::new();
    for item in &nodes {
        for rule in item.node().and_then(Node::type_def).map_or(&[][..], |type_def| type_def.constraints) {
            let expression = parsed
                .entry(rule.expression)
                .or_insert_with(|| Expression::parse(rule.expression).expect("the specification's rules are FHIRPath"));
            work.push((rule.key, expression.clone(), item.clone()));
        }
    }

    let mut spent: HashMap<&str, (u128, u32)> = HashMap::new();
    for (key, expression, item) in &work {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(expression.holds(item.clone(), &env).expect("the rules can be evaluated"));
        }
        let entry = spent.entry(key).or_default();
        entry.0 += start.elapsed().as_nanos();
        entry.1 += 1;
    }
    let mut lines: Vec<_> = spent.into_iter().collect();
    lines.sort_by_key(|(key, _)| *key);
    let total: u128 = lines.iter().map(|(_, (nanos, _))| nanos).sum();
    for (key, (nanos, count)) in &lines {
        let each = *nanos as f64 / f64::from(*count * ROUNDS) / 1_000.0;
        println!("{key:8} {count:4} times, {each:7.3} µs each");
    }
    let evaluations = work.len() as f64;
    let micros = total as f64 / f64::from(ROUNDS) / 1_000.0;
    println!("{evaluations} rules on {} nodes: {micros:.1} µs, {:.3} µs each", nodes.len(), micros / evaluations);
}
