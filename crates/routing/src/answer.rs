//! Answers as Parameters resources. <http://hl7.org/fhir/R4/parameters.html>

use fhir::time;
use record::tree::reference;
use serde_json::{Value, json};

use crate::policy::Policy;
use crate::registry::{Figure, Live, Row, Site};
use crate::route::{Answer, Place, Question, Reason, Rejected, Step, Wish};
use crate::travel::Leg;

/// Where to, with the registry it was decided by.
#[derive(Debug, Clone)]
pub struct Routed {
    /// What was asked.
    pub question: Question,
    /// The sites that the answer numbers.
    pub sites: Vec<Site>,
    /// The answer.
    pub answer: Answer,
}

/// The registry as it is at a moment.
#[derive(Debug, Clone)]
pub struct Listing {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Every site.
    pub sites: Vec<Site>,
    /// The locations of those of which the caller says what they take.
    pub own: Vec<String>,
    /// Whether the caller keeps the map.
    pub edits: bool,
}

impl Routed {
    /// As a Parameters resource: `as-of`, `pathway`, `rule`, `chosen`, each `alternative` and `rejected`, `wish`, each `step`
    /// of the trace with its numbers and sources, and each `warning`.
    pub fn parameters(&self) -> Value {
        let answer = &self.answer;
        let mut all = vec![
            json!({ "name": "as-of", "valueInstant": time::instant(answer.at) }),
            code("pathway", &self.question.pathway),
            code("rule", answer.rule),
        ];
        all.extend(answer.chosen.iter().map(|place| self.place("chosen", place)));
        all.extend(answer.alternatives.iter().map(|place| self.place("alternative", place)));
        all.extend(answer.rejected.iter().map(|one| self.rejected(one)));
        all.extend(answer.wish.iter().map(|wish| self.wish(wish)));
        all.extend(answer.trace.iter().map(|step| self.step(step)));
        all.extend(answer.warnings.iter().map(|warning| reason("warning", warning)));
        json!({ "resourceType": "Parameters", "parameter": all })
    }

    /// What stands with every site: which it is, its row of the pathway asked, and how to call it.
    fn site(&self, at: usize, leg: Option<Leg>) -> Vec<Value> {
        let site = &self.sites[at];
        let mut parts = named(site);
        if let Some(row) = site.rows.get(&self.question.pathway) {
            parts.push(
                json!({ "name": "service", "valueReference": { "reference": row.service, "display": row.name } }),
            );
            parts.extend(row.level.iter().map(|level| code("level", level)));
            parts.extend(row.hotline.iter().map(|phone| text("hotline", phone)));
        } else if let Some(phone) = site.rows.values().find_map(|row| row.hotline.as_ref()) {
            parts.push(text("hotline", phone));
        }
        if let Some(leg) = leg {
            parts.push(decimal("way", leg.minutes));
            parts.push(decimal("kilometres", leg.kilometres));
            parts.push(json!({ "name": "by-road", "valueBoolean": leg.by_road }));
        }
        parts
    }

    fn place(&self, name: &str, place: &Place) -> Value {
        let mut parts = self.site(place.site, Some(place.leg));
        parts.push(decimal("minutes", place.minutes));
        if let Some((measure, minutes, assumed)) = place.treatment {
            parts.push(json!({ "name": "treatment", "part": [
                code("code", measure),
                decimal("minutes", minutes),
                { "name": "assumed", "valueBoolean": assumed },
            ] }));
        }
        parts.extend(place.warnings.iter().map(|warning| reason("warning", warning)));
        json!({ "name": name, "part": parts })
    }

    fn rejected(&self, one: &Rejected) -> Value {
        let mut parts = self.site(one.site, one.leg);
        parts.extend(one.reasons.iter().map(|why| reason("reason", why)));
        json!({ "name": "rejected", "part": parts })
    }

    fn wish(&self, wish: &Wish) -> Value {
        let mut parts = named(&self.sites[wish.site]);
        parts.extend(wish.way_lost.map(|minutes| decimal("way-lost", minutes)));
        parts.extend(wish.lost.map(|minutes| decimal("lost", minutes)));
        parts.push(json!({ "name": "rejected", "valueBoolean": wish.rejected }));
        json!({ "name": "wish", "part": parts })
    }

    fn step(&self, step: &Step) -> Value {
        let mut parts = vec![code("rule", step.rule), json!({ "name": "held", "valueBoolean": step.held })];
        parts.extend(step.value.map(|value| decimal("value", value)));
        if let Some(limit) = &step.limit {
            if !limit.unit.is_empty() {
                parts.push(json!({ "name": "limit", "valueQuantity": {
                    "value": rounded(limit.value), "unit": limit.unit,
                    "system": "http://unitsofmeasure.org", "code": limit.unit,
                } }));
            }
            parts.push(text("source", &limit.source));
        }
        if let Some(detail) = &step.detail {
            let site = self.sites.iter().find(|site| site.location == *detail);
            parts.push(site.map_or_else(|| text("detail", detail), institution));
        }
        json!({ "name": "step", "part": parts })
    }
}

impl Listing {
    /// As a Parameters resource: `as-of`, `stale` (minutes), `edits`, and each `site` with `own` and its `row`s.
    pub fn parameters(&self, policy: &Policy) -> Value {
        let stale = policy.live.stale.value;
        let mut all = vec![
            json!({ "name": "as-of", "valueInstant": time::instant(self.at) }),
            decimal("stale", stale),
            json!({ "name": "edits", "valueBoolean": self.edits }),
        ];
        for site in &self.sites {
            let mut parts = named(site);
            if let Some(point) = site.position {
                parts.push(json!({ "name": "latitude", "valueDecimal": point.latitude }));
                parts.push(json!({ "name": "longitude", "valueDecimal": point.longitude }));
            }
            parts.push(json!({ "name": "own", "valueBoolean": self.own.contains(&site.location) }));
            parts.extend(site.rows.iter().map(|(pathway, row)| self.row(pathway, row, policy, stale)));
            all.push(json!({ "name": "site", "part": parts }));
        }
        json!({ "resourceType": "Parameters", "parameter": all })
    }

    fn row(&self, pathway: &str, row: &Row, policy: &Policy, stale: f64) -> Value {
        let mut parts = vec![
            json!({ "name": "service", "valueReference": { "reference": row.service, "display": row.name } }),
            code("pathway", pathway),
        ];
        parts.extend(row.level.iter().map(|level| code("level", level)));
        parts.extend(row.capabilities.iter().map(|one| code("capability", one)));
        parts.extend(row.hotline.iter().map(|phone| text("hotline", phone)));
        parts.extend(row.certified.iter().map(|(day, _)| json!({ "name": "certified-until", "valueDate": day })));
        parts.extend(row.suspended.iter().map(|why| code("suspended", why)));
        parts.extend(row.figures.iter().map(|(name, one)| figure(name, one)));
        parts.extend(row.live.iter().map(|live| self.live(live, stale)));
        parts.extend(row.findings(pathway, policy, self.at).iter().map(|one| reason("finding", one)));
        json!({ "name": "row", "part": parts })
    }

    fn live(&self, live: &Live, stale: f64) -> Value {
        let mut parts = vec![
            code("status", live.taking.code()),
            json!({ "name": "said", "valueInstant": time::instant(live.said) }),
            json!({ "name": "fresh", "valueBoolean": live.is_fresh(self.at, stale) }),
        ];
        parts.extend(live.by.iter().map(|by| json!({ "name": "by", "valueReference": reference(by) })));
        parts.extend(live.reason.iter().map(|why| text("reason", why)));
        parts.extend(live.resources.iter().map(|(what, count)| {
            json!({ "name": "resource", "part": [code("code", what), { "name": "count", "valueInteger": count }] })
        }));
        json!({ "name": "live", "part": parts })
    }
}

fn named(site: &Site) -> Vec<Value> {
    let mut parts = vec![
        json!({ "name": "location", "valueReference": { "reference": site.location, "display": site.name } }),
        institution(site),
    ];
    parts.extend(site.institution_name.1.iter().map(|english| text("english", english)));
    parts
}

fn institution(site: &Site) -> Value {
    json!({ "name": "institution", "valueReference": {
        "reference": site.institution, "display": site.institution_name.0,
    } })
}

fn figure(name: &str, one: &Figure) -> Value {
    json!({ "name": "figure", "part": [
        code("code", name), decimal("value", one.value),
        { "name": "quarter", "valuePeriod": { "start": one.quarter.0, "end": one.quarter.1 } },
    ] })
}

fn reason(name: &str, reason: &Reason) -> Value {
    let mut parts = vec![code("code", reason.code)];
    parts.extend(reason.detail.iter().map(|detail| text("detail", detail)));
    parts.extend(reason.value.map(|value| decimal("value", value)));
    parts.extend(reason.limit.map(|limit| decimal("limit", limit)));
    if !reason.unit.is_empty() {
        parts.push(code("unit", reason.unit));
    }
    json!({ "name": name, "part": parts })
}

fn code(name: &str, code: &str) -> Value {
    json!({ "name": name, "valueCode": code })
}

fn text(name: &str, text: &str) -> Value {
    json!({ "name": name, "valueString": text })
}

fn decimal(name: &str, value: f64) -> Value {
    json!({ "name": name, "valueDecimal": rounded(value) })
}

/// To a tenth: a way is not known better.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
