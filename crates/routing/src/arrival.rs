//! When a patient on the road is expected, worked out from where the vehicle is.
//!
//! Whoever tells where a vehicle is, a tablet or a dispatch system, writes an Observation [`code::POSITION`] of the patient.
//! Each of them is followed by one [`code::ETA`] of every open case of that patient, reckoned to the house that has the
//! case: how long the way takes, and whether it follows roads or is a straight line. What a crew says itself is another
//! Observation and is left alone; which of the two is shown is for whoever shows it.
//!
//! A vehicle that comes from elsewhere and stays at the door of that house has come: one [`code::ARRIVED`] of the case says
//! so, at the time of the first position there. It is a fact like a registration, and protocols take whichever is told
//! first.

use std::sync::Arc;
use std::time::Duration;

use fhir::{Category, Error, time};
use record::tree::{self, Words, concept, is_coded, items, put, reference, referred};
use record::{FeedEntry, Method};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::policy::Arrival;
use crate::travel::{Leg, Lines, Travel};
use crate::{Point, Routing, Site, code};

/// Changes looked at before it is written down how far that was.
const PAGE: usize = 500;
/// How long following rests when there is nothing to follow.
const REST: Duration = Duration::from_secs(1);
/// Positions older than this are history that is brought in later, in microseconds.
const OLD: i64 = 3_600_000_000;
/// How long before a position others of the same journey are looked for, in microseconds.
const JOURNEY: i64 = 12 * 3_600_000_000;
/// How long the registry is not read again, in microseconds: where houses are changes seldom, vehicles tell all the time.
const KEPT: i64 = 60_000_000;
/// How often it is tried anew when another process writes the same meanwhile.
const TRIES: usize = 4;

const RUN: &str = "https://qingshan.dev/fhir/CodeSystem/run";
const ROLE: &str = "https://qingshan.dev/fhir/CodeSystem/role";
const MILESTONE: &str = "https://qingshan.dev/fhir/CodeSystem/milestone";

/// The sites as they were read last, and when that was, in microseconds since 1970.
pub(crate) type Kept = tokio::sync::Mutex<Option<(i64, Arc<Vec<Site>>)>>;

/// Where a vehicle was.
struct Seen {
    /// The `Observation/…` that says so.
    name: String,
    patient: String,
    point: Point,
    /// Within how many metres it is so, where the vehicle says that.
    accuracy: Option<f64>,
    /// When, as written, and in microseconds since 1970.
    written: String,
    at: i64,
}

impl Routing {
    /// Works out when vehicles arrive for as long as it is polled. Any number of processes may do so on one record; one of
    /// them does. Failures are logged and tried again.
    pub async fn keep(self) {
        let mut head = self.0.record.head();
        loop {
            let followed = match self.0.follower.is_on().await {
                Ok(true) => self.caught_up().await,
                Ok(false) => {
                    sleep(REST).await;
                    continue;
                }
                Err(error) => Err(error),
            };
            match followed {
                Ok(false) => {}
                Ok(true) => drop(timeout(REST, head.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "where vehicles are cannot be followed; it is tried again");
                    sleep(REST).await;
                }
            }
        }
    }

    /// Looks at some of what was written since the last time, and says whether that was all there is. What was written
    /// before the first call is not looked at.
    pub async fn caught_up(&self) -> Result<bool, Error> {
        let consider = |change: FeedEntry| async move {
            match self.consider(&change).await {
                // What one position says wrongly must not keep others from being followed.
                Err(error) if !matches!(error.category(), Category::Busy | Category::Unavailable | Category::Fault) => {
                    tracing::error!(%error, change = change.seq, "an arrival cannot be worked out");
                    Ok(())
                }
                done => done,
            }
        };
        self.0.follower.follow(PAGE, consider).await
    }

    async fn consider(&self, entry: &FeedEntry) -> Result<(), Error> {
        if entry.method == Method::Delete {
            return Ok(());
        }
        let Some(version) = self.platform().vread(&entry.key, entry.version).await? else { return Ok(()) };
        let Some(seen) = tree::of(&version)?.and_then(|tree| self.seen(&tree)) else { return Ok(()) };
        if self.now() - seen.at > OLD {
            return Ok(());
        }
        let asked = [
            ("patient", seen.patient.clone()),
            ("_tag", format!("{RUN}|root")),
            ("status", "in-progress".to_owned()),
            ("_count", "50".to_owned()),
        ];
        for run in tree::every(&self.platform(), "Task", &asked).await? {
            if is_on_the_road(&run) {
                let Some(owner) = referred(&run["owner"]).filter(|to| tree::is_of(to, "Organization")) else {
                    continue;
                };
                let house = self.institution(owner.to_owned()).await?;
                let doors = self.doors(&house).await?;
                self.reckon(&run, &seen, &house, &doors).await?;
                self.has_come(&run, &seen, &house, &doors).await?;
            }
        }
        Ok(())
    }

    /// A position that an Observation tells; nothing when it tells none.
    fn seen(&self, tree: &Value) -> Option<Seen> {
        if !is_coded(&tree["code"], code::OBSERVATION, code::POSITION) || tree["status"] == "entered-in-error" {
            return None;
        }
        let told = |what: &str| {
            let part = items(&tree["component"]).find(|part| is_coded(&part["code"], code::OBSERVATION, what));
            part.and_then(|part| part["valueQuantity"]["value"].as_f64())
        };
        let patient = referred(&tree["subject"]).filter(|to| tree::is_of(to, "Patient"))?;
        Some(Seen {
            name: tree::name(tree),
            patient: patient.to_owned(),
            point: Point::new(told("latitude")?, told("longitude")?)?,
            accuracy: told("accuracy"),
            written: tree["effectiveDateTime"].as_str()?.to_owned(),
            at: tree::moment(&tree["effectiveDateTime"], self.zone())?,
        })
    }

    /// Writes when a run's patient is expected, as reckoned from a position; nothing where nobody knows where the house is.
    async fn reckon(&self, run: &Value, seen: &Seen, house: &str, doors: &[Point]) -> Result<(), Error> {
        let Some(leg) = self.way_to(doors, seen.point).await? else { return Ok(()) };
        let id = format!("{}.eta", run["id"].as_str().unwrap_or_default());
        for _ in 0..TRIES {
            let there = tree::read(&self.platform(), &format!("Observation/{id}")).await?;
            let is_older = |tree: &Value| {
                tree::moment(&tree["effectiveDateTime"], self.zone()).is_some_and(|known| seen.at <= known)
            };
            // Positions of a vehicle that was in a tunnel need not come in their order.
            if there.as_ref().is_some_and(|(tree, _)| is_older(tree)) {
                return Ok(());
            }
            let tree = expected(&id, run, seen, house, leg);
            match self.platform().transact(vec![put(&tree, there.map(|(_, version)| version))?]).await {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::fault("when somebody arrives is written by others all the time"))
    }

    /// Writes that a run's patient has come, once the vehicle has stayed at one of the doors after it was elsewhere.
    async fn has_come(&self, run: &Value, seen: &Seen, house: &str, doors: &[Point]) -> Result<(), Error> {
        let fence = &self.policy().arrival;
        if place_of(seen, doors, fence.within.value) != Some(true) {
            return Ok(());
        }
        let id = format!("{}.arrived", run["id"].as_str().unwrap_or_default());
        let asked = [
            ("patient", seen.patient.clone()),
            ("code", format!("{}|{}", code::OBSERVATION, code::POSITION)),
            ("date", format!("ge{}", time::instant(seen.at.saturating_sub(JOURNEY)))),
            ("_count", "200".to_owned()),
        ];
        let found = tree::every(&self.platform(), "Observation", &asked).await?;
        let mut journey: Vec<Seen> = found.iter().filter_map(|tree| self.seen(tree)).collect();
        journey.sort_by_key(|one| one.at);
        let Some((first, last)) = stayed(&journey, doors, fence) else { return Ok(()) };
        for _ in 0..TRIES {
            let there = tree::read(&self.platform(), &format!("Observation/{id}")).await?;
            let is_told = |tree: &Value| items(&tree["focus"]).filter_map(referred).any(|to| to == house);
            if there.as_ref().is_some_and(|(tree, _)| is_told(tree)) {
                return Ok(());
            }
            let tree = arrived(&id, run, (first, last), house, fence);
            match self.platform().transact(vec![put(&tree, there.map(|(_, version)| version))?]).await {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::fault("when somebody has come is written by others all the time"))
    }

    /// Where one comes to a house: at its emergency department where the registry names one, and otherwise at each of its
    /// sites.
    async fn doors(&self, house: &str) -> Result<Vec<Point>, Error> {
        let sites = self.kept_sites().await?;
        let own: Vec<&Site> =
            sites.iter().filter(|site| site.institution == house && site.position.is_some()).collect();
        let is_emergency = |site: &&&Site| site.rows.contains_key(code::EMERGENCY);
        let doors: Vec<&Site> = match own.iter().any(|site| is_emergency(&site)) {
            true => own.iter().filter(is_emergency).copied().collect(),
            false => own,
        };
        Ok(doors.iter().filter_map(|site| site.position).collect())
    }

    /// The way to the nearest of some doors.
    async fn way_to(&self, doors: &[Point], from: Point) -> Result<Option<Leg>, Error> {
        if doors.is_empty() {
            return Ok(None);
        }
        let (settings, to) = (self.0.settings.clone(), doors.to_vec());
        // A shortest way through the roads of a city takes some ten milliseconds.
        let legs = tokio::task::spawn_blocking(move || match &settings.roads {
            Some(roads) => roads.legs(from, &to),
            None => Lines::new(&settings.policy).legs(from, &to),
        });
        let legs = legs.await.map_err(Error::fault)?;
        Ok(legs.into_iter().min_by(|one, other| one.minutes.total_cmp(&other.minutes)))
    }

    async fn kept_sites(&self) -> Result<Arc<Vec<Site>>, Error> {
        let now = self.now();
        let mut kept = self.0.sites.lock().await;
        if let Some((since, sites)) = kept.as_ref()
            && (*since..*since + KEPT).contains(&now)
        {
            return Ok(Arc::clone(sites));
        }
        let sites = Arc::new(self.sites().await?);
        *kept = Some((now, Arc::clone(&sites)));
        Ok(sites)
    }
}

/// Whether a run is a case by itself, and its patient has not come to a house yet.
fn is_on_the_road(run: &Value) -> bool {
    let reached = items(&run["output"]).flat_map(|output| tree::codes(&output["type"], MILESTONE));
    let has_come = reached.filter_map(|code| code.rsplit_once('.')).any(|(_, at)| at == "arrived" || at == "door");
    items(&run["partOf"]).next().is_none() && !has_come
}

/// Whether a position is at one of some doors; nothing of one too inexact to tell.
fn place_of(seen: &Seen, doors: &[Point], within: f64) -> Option<bool> {
    let is_exact = seen.accuracy.is_none_or(|metres| metres <= within);
    is_exact.then(|| doors.iter().any(|door| door.metres_to(seen.point) <= within))
}

/// From which position to which a vehicle stayed at one of some doors, the first time it did; `journey` is in the order of
/// time. One that begins at a door, as a vehicle of that house does, has not come to it.
fn stayed<'s>(journey: &'s [Seen], doors: &[Point], fence: &Arrival) -> Option<(&'s Seen, &'s Seen)> {
    let stay = (fence.stay.value * 1_000_000.0) as i64;
    let mut was_elsewhere = false;
    let mut first: Option<&Seen> = None;
    for seen in journey {
        match place_of(seen, doors, fence.within.value) {
            None => {}
            Some(false) => (was_elsewhere, first) = (true, None),
            Some(true) if was_elsewhere => {
                let first = *first.get_or_insert(seen);
                if seen.at - first.at >= stay {
                    return Some((first, seen));
                }
            }
            Some(true) => {}
        }
    }
    None
}

/// That somebody has come, as the positions say it.
fn arrived(id: &str, run: &Value, (first, last): (&Seen, &Seen), house: &str, fence: &Arrival) -> Value {
    let (within, stay) = (fence.within.value, fence.stay.value);
    let mut method = json!({});
    let words = Words {
        zh: format!("车辆进入医院{within}米范围并停留{stay}秒以上"),
        en: format!("the vehicle came within {within} m of the hospital and stayed for {stay} s"),
    };
    words.put(&mut method, "text");
    let mut tree = json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": concept(code::OBSERVATION, code::ARRIVED),
        "subject": reference(&first.patient),
        "focus": [reference(house)],
        "effectiveDateTime": first.written,
        "method": method,
        "derivedFrom": [reference(&first.name), reference(&last.name)],
    });
    put_crew(&mut tree, run);
    tree
}

fn expected(id: &str, run: &Value, seen: &Seen, house: &str, leg: Leg) -> Value {
    let (by, words) = match leg.by_road {
        true => (code::BY_ROAD, Words { zh: "按路网推算".to_owned(), en: "reckoned by road".to_owned() }),
        false => (code::BY_LINE, Words { zh: "按直线估算".to_owned(), en: "reckoned in a straight line".to_owned() }),
    };
    let mut method = concept(code::ETA_METHOD, by);
    words.put(&mut method, "text");
    let until = seen.at.saturating_add((leg.minutes * 60.0).ceil() as i64 * 1_000_000);
    let mut tree = json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": concept(code::OBSERVATION, code::ETA),
        "subject": reference(&seen.patient),
        "focus": [reference(house)],
        "effectiveDateTime": seen.written,
        "valueDateTime": time::instant(until),
        "method": method,
        "derivedFrom": [reference(&seen.name)],
    });
    put_crew(&mut tree, run);
    tree
}

/// What is made of positions is theirs whose positions they are, so that they see it as they see those.
fn put_crew(tree: &mut Value, run: &Value) {
    let crew = items(&run["input"]).find(|input| is_coded(&input["type"], ROLE, "crew"));
    let crew = crew.and_then(|input| referred(&input["valueReference"])).or_else(|| referred(&run["requester"]));
    if let Some(crew) = crew {
        tree["performer"] = json!([reference(crew)]);
    }
}
