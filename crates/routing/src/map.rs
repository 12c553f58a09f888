//! The map as everybody may read it: an edition, what its centres take now, and the larger roads. No patient is in it, and
//! no words that somebody typed about today.

use fhir::{Error, time};
use serde_json::{Value, json};

use crate::edition::Edition;
use crate::registry::{Row, Site};
use crate::{Routing, code};

/// The most points of roads that are drawn.
const MOST_POINTS: usize = 6_000;

impl Routing {
    /// An edition for the public page: the one in force, or one that was published before. Nothing when there is none.
    ///
    /// `as-of`, `stale` (minutes), `edition` (`number`, `from`, `note`), `editions` (those published), `sites` (`location`,
    /// `name`, `institution`, `english`, `latitude`, `longitude`, `rows` of `pathway`, `name`, `level`, `capabilities`,
    /// `hotline`, `certified`, `suspended`, and `live` of `status` and `said`), `roads` (`class`, `points` of longitude and
    /// latitude).
    pub async fn map(&self, number: Option<u32>) -> Result<Option<Value>, Error> {
        let now = self.now();
        let published: Vec<Edition> =
            self.editions().await?.into_iter().filter(|edition| edition.from.is_some()).collect();
        let today = time::instant(now + i64::from(self.zone().seconds()) * 1_000_000)[..10].to_owned();
        let in_force = published.iter().rfind(|one| one.from.as_ref().is_some_and(|from| *from <= today));
        let edition = match number {
            None => in_force,
            Some(number) => published.iter().find(|one| one.number == number),
        };
        let Some(edition) = edition else { return Ok(None) };
        let current = self.sites().await?;
        let sites: Vec<Value> = edition.sites.iter().map(|site| shown(site, &current)).collect();
        let list: Vec<Value> = published.iter().map(|one| json!({ "number": one.number, "from": one.from })).collect();
        Ok(Some(json!({
            "as-of": time::instant(now),
            "stale": self.policy().live.stale.value,
            "edition": {
                "number": edition.number, "from": edition.from, "note": edition.note,
                "inForce": in_force.is_some_and(|one| one.number == edition.number),
            },
            "editions": list,
            "sites": sites,
            "roads": self.roads_drawn(),
        })))
    }

    fn roads_drawn(&self) -> Vec<Value> {
        let Some(roads) = &self.0.settings.roads else { return Vec::new() };
        let mut left = MOST_POINTS;
        let mut drawn = Vec::new();
        for class in ["motorway", "trunk", "primary", "secondary", "tertiary"] {
            for road in roads.drawn().iter().filter(|road| road.class == class) {
                if road.points.len() > left {
                    return drawn;
                }
                left -= road.points.len();
                let fine = |degrees: f64| (degrees * 1e5).round() / 1e5;
                let points: Vec<[f64; 2]> =
                    road.points.iter().map(|point| [fine(point.longitude), fine(point.latitude)]).collect();
                drawn.push(json!({ "class": class, "points": points }));
            }
        }
        drawn
    }
}

fn shown(site: &Site, current: &[Site]) -> Value {
    let now = current.iter().find(|one| one.location == site.location);
    let rows: Vec<Value> = site
        .rows
        .iter()
        .filter(|(pathway, _)| pathway.as_str() != code::EMERGENCY || site.rows.len() == 1)
        .map(|(pathway, row)| {
            let today = now.and_then(|site| site.rows.get(pathway));
            row_shown(pathway, row, today)
        })
        .collect();
    json!({
        "location": site.location, "name": site.name,
        "institution": site.institution_name.0, "english": site.institution_name.1,
        "latitude": site.position.map(|point| point.latitude), "longitude": site.position.map(|point| point.longitude),
        "rows": rows,
    })
}

fn row_shown(pathway: &str, row: &Row, today: Option<&Row>) -> Value {
    let live = today.and_then(|today| today.live.as_ref());
    json!({
        "pathway": pathway, "name": row.name, "level": row.level, "capabilities": row.capabilities,
        "hotline": row.hotline, "certified": row.certified.as_ref().map(|(day, _)| day),
        // Who was suspended after the edition went out is not gone to because it still stands on paper.
        "suspended": row.suspended.is_some() || today.is_none_or(|today| today.suspended.is_some()),
        "live": live.map(|live| json!({ "status": live.taking.code(), "said": time::instant(live.said) })),
    })
}
