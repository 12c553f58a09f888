//! The next number of a series.
//!
//! How far a series has come stands in a resource of its own, which is written on the condition that nobody wrote it
//! meanwhile, together with what bears the number. So a number that was drawn by what failed is drawn again, and of two
//! who draw at once the second is judged anew and draws the next.

use fhir::path::{Environment, Expression, Item, Node};
use fhir::{Error, Value, definitions};
use jiff::Timestamp;
use record::tree;
use serde_json::{Value as Json, json};
use sonic_rs::JsonValueTrait;

use super::super::{id_because_of, scene};
use super::Draft;
use crate::Protocol;
use crate::definition::Series;
use crate::run::Run;
use crate::task;

/// The system of the codes of series, `PROTOCOL.SERIES`.
const SYSTEM: &str = "https://qingshan.dev/fhir/CodeSystem/number-series";
/// The last number of a series that was given out.
const LAST: &str = "https://qingshan.dev/fhir/StructureDefinition/number-series-last";
/// How far up from a department its institution is looked for.
const LEVELS: usize = 8;
/// The type of the organization that holds the institutions together and is none itself.
const CONSORTIUM: &str = "medical-consortium";

impl Draft<'_> {
    /// Draws the next number of a series for a run.
    pub(super) async fn draw(&mut self, series: &Series, protocol: &Protocol, run: &Run) -> Result<String, Error> {
        let wrong = || Error::fault("a series of a protocol has no serial");
        let digits = series.digits().ok_or_else(wrong)?;
        let prefix = self.prefix(series, protocol, run).await?;
        let now = Timestamp::from_microsecond(self.now).map_err(Error::fault)?;
        let date = self.zone.to_datetime(now).date().strftime("%Y%m%d").to_string();
        let (before, after) = series.around(&prefix, &date).ok_or_else(wrong)?;
        let name = format!("{}.{}", protocol.code, series.code);
        let reference = format!("Basic/{}", id_because_of(&["series", &name, &before, &after]));
        let stored = self.stored(reference.clone()).await?;
        let last = stored.as_ref().and_then(|(_, basic, ..)| basic.get("extension")?[0]["valuePositiveInt"].as_u64());
        let next = last.unwrap_or_default() + 1;
        let (_, id) = reference.split_once('/').ok_or_else(wrong)?;
        let basic = json!({
            "resourceType": "Basic",
            "id": id,
            "meta": { "tag": [{ "system": task::RUN, "code": "series" }] },
            "extension": [{ "url": LAST, "valuePositiveInt": next }],
            "code": { "coding": [{ "system": SYSTEM, "code": name }], "text": format!("{before}…{after}") },
        });
        let (if_match, is_new) = stored.map_or((None, true), |(_, _, if_match, is_new)| (if_match, is_new));
        self.write(&reference, tree::resource(&basic)?, if_match, is_new);
        Ok(format!("{before}{next:0digits$}{after}"))
    }

    /// What tells the numbers of a run's issuer from those of others.
    async fn prefix(&self, series: &Series, protocol: &Protocol, run: &Run) -> Result<String, Error> {
        let party = run.party(protocol, &series.issuer).map(|party| party.reference.clone());
        let Some(mut at) = party else { return Ok(String::new()) };
        let mut institution = None;
        for _ in 0..LEVELS {
            let read = scene::read(&self.session, Some(&self.pending), Some(&at)).await?;
            let Some(one) = read.filter(|one| !is_consortium(one)) else { break };
            let above = one.get("partOf").and_then(|above| above.get("reference")?.as_str()).map(str::to_owned);
            institution = Some(one);
            match above {
                Some(above) => at = above,
                None => break,
            }
        }
        let Some(institution) = institution else { return Ok(String::new()) };
        if let Some(path) = &series.prefix {
            let r4 = definitions::r4();
            let env = Environment::new(r4).of(&institution);
            let focus = Item::Node(Node::resource(r4, &institution));
            let found = Expression::parse(path)?.evaluate_on(focus, &env)?;
            if let Some(found) = found.first().and_then(|item| item.to_text()) {
                return Ok(found.into_owned());
            }
        }
        Ok(institution.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_uppercase())
    }
}

fn is_consortium(organization: &Value) -> bool {
    let read: Option<Json> = serde_json::from_slice(&fhir::json::to_bytes(organization)).ok();
    let types = read.as_ref().and_then(|one| one["type"].as_array()).map(Vec::as_slice).unwrap_or_default();
    types
        .iter()
        .any(|type_| type_["coding"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == CONSORTIUM)))
}
