//! Where an emergency is brought: who can treat it now, how far it is, and why one and not another.
//!
//! - The *registry* is plain FHIR: a row is a `HealthcareService` of one pathway at one site ([`code`]), with what it has day
//!   and night, how it is certified, its figures of the last quarter, and what it takes now.
//! - [`route()`] is a pure function of a question, the registry, the ways, the numbers ([`Policy`]) and the time. Its answer
//!   names every site once.
//! - [`Roads`] are read from an OpenStreetMap file; without one, ways are straight lines and say so.
//! - When a vehicle arrives is worked out from where it is ([`Routing::keep`]), as an Observation that says by which way.
//! - The *map* is published in editions: versions of one `Library` whose content is a copy of the registry.
//!
//! Who may do what is decided here by the caller's post; the writing itself is the platform's, in the name of the caller.

mod answer;
mod arrival;
pub mod code;
mod edition;
mod map;
mod policy;
mod registry;
mod rights;
mod route;
mod status;
mod travel;

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;
use record::{Caller, Follower, Record, Session, Standing, tree};
use serde_json::Value;

pub use answer::{Listing, Routed};
pub use edition::{Difference, Edition};
pub use policy::{Number, Policy};
pub use registry::{Figure, Live, Point, Row, Site, Taking};
pub use route::{Answer, Place, Question, Reason, Rejected, Step, Wish, route};
pub use status::{Suspension, Told};
pub use travel::{Drawn, Leg, Lines, Roads, Travel};

/// What can be set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The numbers the rules go by.
    pub policy: Arc<Policy>,
    /// Roads; without them ways are straight lines.
    pub roads: Option<Arc<Roads>>,
}

/// The registry at work on a record. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Routing(Arc<Inner>);

struct Inner {
    record: Record,
    settings: Settings,
    /// Follows where vehicles are.
    follower: Follower,
    sites: arrival::Kept,
}

impl Routing {
    /// The registry of a record.
    pub fn new(record: Record, settings: Settings) -> Self {
        let follower = Follower::new(&record, "arrivals").of(&["Observation"]);
        Self(Arc::new(Inner { record, settings, follower, sites: arrival::Kept::default() }))
    }

    /// The numbers the rules go by.
    pub fn policy(&self) -> &Policy {
        &self.0.settings.policy
    }

    /// Decides where to, by what the registry says now.
    ///
    /// Fails with [`Category::Forbidden`] when the caller is not on duty.
    pub async fn decide(&self, session: &Session, question: Question) -> Result<Routed, Error> {
        if let Standing::Lay(_) = session.caller().standing {
            return Err(Error::forbidden("Where an emergency is brought is asked by those on duty. Call 120."));
        }
        let sites = self.sites().await?;
        let (settings, now) = (self.0.settings.clone(), self.now());
        // A shortest way through the roads of a city takes some ten milliseconds.
        let decided = tokio::task::spawn_blocking(move || {
            let lines = Lines::new(&settings.policy);
            let travel: &dyn Travel = match &settings.roads {
                Some(roads) => roads.as_ref(),
                None => &lines,
            };
            let answer = route(&question, &sites, travel, &settings.policy, now);
            Routed { question, sites, answer }
        });
        decided.await.map_err(Error::fault)
    }

    /// The registry as it is now.
    ///
    /// Fails with [`Category::Forbidden`] when the caller is not on duty.
    pub async fn listing(&self, session: &Session) -> Result<Listing, Error> {
        if let Standing::Lay(_) = session.caller().standing {
            return Err(Error::forbidden("The registry is for those on duty. The map is open to everybody at /map."));
        }
        let sites = self.sites().await?;
        let mut own = Vec::new();
        for site in &sites {
            if self.may_tell(session.caller(), &site.institution).await? {
                own.push(site.location.clone());
            }
        }
        let edits = self.may_edit(session.caller()).await?;
        Ok(Listing { at: self.now(), sites, own, edits })
    }

    /// Every site of the registry.
    pub async fn sites(&self) -> Result<Vec<Site>, Error> {
        Ok(self.registry().await?.sites(self.zone()))
    }

    /// The resources the registry consists of.
    async fn registry(&self) -> Result<Registry, Error> {
        let asked = [
            ("service-category", format!("{}|{}", code::CATEGORY, code::CENTRE)),
            ("active", "true".to_owned()),
            ("_count", "200".to_owned()),
        ];
        let services = tree::every(&self.platform(), "HealthcareService", &asked).await?;
        let mut others = BTreeMap::new();
        let referred = |service: &Value| {
            let places = tree::items(&service["location"]).filter_map(tree::referred);
            places.chain(tree::referred(&service["providedBy"])).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut wanted: Vec<String> = services.iter().flat_map(referred).collect();
        while let Some(one) = wanted.pop() {
            if others.contains_key(&one) {
                continue;
            }
            let Some((found, _)) = tree::read(&self.platform(), &one).await? else { continue };
            // A centre of a department is its institution's.
            if tree::is_department(&found) {
                wanted.extend(tree::referred(&found["partOf"]).map(str::to_owned));
            }
            others.insert(one, found);
        }
        Ok(Registry { services, others })
    }

    /// A session that sees everything: what the registry says does not depend on who asks.
    fn platform(&self) -> Session {
        self.0.record.session(Caller::system("HOPERAT"))
    }

    /// The platform in the name of a caller: the trail says who it was.
    fn for_caller(&self, caller: &Caller) -> Session {
        self.0.record.session(Caller { standing: Standing::System, ..caller.clone() })
    }

    fn now(&self) -> i64 {
        self.0.record.surroundings().clock.now()
    }

    fn zone(&self) -> Offset {
        self.0.record.settings().zone()
    }
}

/// The resources the registry consists of: its rows, and the Locations and Organizations they name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    pub(crate) services: Vec<Value>,
    pub(crate) others: BTreeMap<String, Value>,
}

impl Registry {
    /// The sites that the rows stand for.
    pub(crate) fn sites(&self, zone: Offset) -> Vec<Site> {
        registry::sites(&self.services, zone, |service, location| {
            let place = self.others.get(location);
            let institution = self.institution(tree::referred(&service["providedBy"]).unwrap_or_default());
            let house = self.others.get(&institution);
            let text = |tree: Option<&Value>, member: &str| {
                tree.and_then(|tree| tree[member].as_str()).unwrap_or_default().to_owned()
            };
            let english = house.and_then(|house| house["alias"][0].as_str()).map(str::to_owned);
            Site {
                location: location.to_owned(),
                name: text(place, "name"),
                institution_name: (text(house, "name"), english),
                institution,
                position: place.and_then(registry::position),
                rows: BTreeMap::new(),
            }
        })
    }

    /// The institution an organization belongs to.
    fn institution(&self, organization: &str) -> String {
        /// A tree of institutions is not higher.
        const LEVELS: usize = 8;
        let mut at = organization.to_owned();
        for _ in 0..LEVELS {
            let above = self.others.get(&at).filter(|tree| tree::is_department(tree));
            let Some(above) = above.and_then(|tree| tree::referred(&tree["partOf"])) else { break };
            at = above.to_owned();
        }
        at
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, text)
}
