//! A figure as a FHIR MeasureReport. <http://hl7.org/fhir/R4/measurereport.html>

use fhir::Value;
use fhir::time::instant;
use sonic_rs::json;

use super::Figure;
use crate::definition::{IndicatorKind, Protocol};

/// The code system of the kinds of populations.
const POPULATIONS: &str = "http://terminology.hl7.org/CodeSystem/measure-population";
/// Units. <https://ucum.org/ucum>
const UNITS: &str = "http://unitsofmeasure.org";

/// The summary of a figure over a period: from one instant until before another, in microseconds since 1970.
pub fn report(protocol: &Protocol, figure: &Figure<'_>, (from, to): (i64, i64), now: i64) -> Value {
    let population = |code: &str, count: usize| json!({ "code": { "coding": [{ "system": POPULATIONS, "code": code }] }, "count": count });
    let populations = match figure.kind {
        IndicatorKind::Count => vec![population("initial-population", figure.numerator)],
        IndicatorKind::Share | IndicatorKind::Ratio => {
            vec![population("denominator", figure.denominator), population("numerator", figure.numerator)]
        }
        IndicatorKind::Median | IndicatorKind::P90 => vec![
            population("measure-population", figure.denominator),
            population("measure-observation", figure.numerator),
        ],
    };
    let mut group = json!({
        "code": { "coding": [{ "code": figure.code }], "text": figure.title.zh.as_str() },
        "population": populations,
    });
    if let Some(value) = figure.value {
        group["measureScore"] = json!({ "value": value, "system": UNITS, "code": figure.unit });
    }
    json!({
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": format!("https://qingshan.dev/fhir/Measure/{}-{}|{}", protocol.code, figure.code, protocol.version),
        "date": instant(now),
        "period": { "start": instant(from), "end": instant(to - 1_000) },
        "group": [group],
    })
}
