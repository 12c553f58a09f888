//! Which organizations are one institution, and which institutions are under one direct management.

use fhir::search::Registry;
use fhir::{Error, Value, json, time};
use jiff::tz::Offset;
use rustc_hash::{FxHashMap, FxHashSet};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::ResourceType;
use crate::store::body;
use crate::store::value::Rows;
use crate::transact::prepare::address;

/// The types that say which institutions belong together.
pub(super) const TYPES: [&str; 2] = ["Organization", "OrganizationAffiliation"];

/// The code of an organization type that is a part of an institution.
/// <http://terminology.hl7.org/CodeSystem/organization-type>
const DEPARTMENT: &str = "dept";

/// The code of an organization type that binds institutions without managing them.
const CONSORTIUM: &str = "medical-consortium";

/// The code of an affiliation by which one institution manages another.
const MANAGEMENT: &str = "direct-management";

/// The codes of an affiliation of an institution to its consortium, and of the one that leads it.
const MEMBER: &str = "member";
const LEAD: &str = "lead";

/// An organization that another stands to, from when until when.
type Bond = (i64, i64, i64);

fn holding(bonds: Option<&Vec<Bond>>, now: i64) -> impl Iterator<Item = i64> {
    bonds.into_iter().flatten().filter(move |(_, lo, hi)| *lo <= now && now < *hi).map(|(other, ..)| *other)
}

/// The institutions of the record.
#[derive(Debug, Default)]
pub(super) struct Institutions {
    /// The institution of each department.
    whole: FxHashMap<i64, i64>,
    /// The departments of each institution.
    parts: FxHashMap<i64, Vec<i64>>,
    /// Who manages whom, both ways, and when.
    managed: FxHashMap<i64, Vec<Bond>>,
    /// By whom each institution is managed.
    managers: FxHashMap<i64, Vec<Bond>>,
    /// To which consortia each institution belongs.
    memberships: FxHashMap<i64, Vec<Bond>>,
    /// Who leads each consortium.
    leads: FxHashMap<i64, Vec<Bond>>,
    /// Every organization, also one that is closed.
    all: Vec<i64>,
    /// The feed position up to which this is known.
    pub(super) known_to: u64,
}

impl Institutions {
    /// Reads them all; there are hundreds, not millions.
    pub(super) async fn load(rows: &mut impl Rows, registry: &Registry, known_to: u64) -> Result<Self, Error> {
        let zone = registry.zone();
        let mut all = Vec::new();
        for type_ in TYPES {
            let sql = "SELECT rid, id, body FROM resource WHERE type = $1 AND body IS NOT NULL ORDER BY rid";
            let type_ = ResourceType::parse(type_)?;
            for row in rows.rows(sql, &[type_.number().into()]).await? {
                let Some(bytes) = row.bytes_or_null(2)? else { continue };
                all.push((row.int(0)?, row.text(1)?.to_owned(), json::parse(&body::unpack(bytes)?)?));
            }
        }
        let organizations: FxHashMap<String, i64> = all
            .iter()
            .filter(|(_, _, value)| text(value, "resourceType") == "Organization")
            .map(|(rid, id, _)| (id.clone(), *rid))
            .collect();
        let named = |value: &Value, name: &str| -> Option<i64> {
            let reference = value.get(name)?.get("reference")?.as_str()?;
            let address = address(registry.own().relative(reference));
            let known = ResourceType::named("Organization").is_some_and(|type_| type_.number() == address.type_);
            organizations.get(&*address.id).copied().filter(|_| known)
        };
        let consortia: FxHashSet<i64> =
            all.iter().filter(|(_, _, value)| has_code(value, "type", CONSORTIUM)).map(|(rid, ..)| *rid).collect();
        let departments: FxHashSet<i64> =
            all.iter().filter(|(_, _, value)| has_code(value, "type", DEPARTMENT)).map(|(rid, ..)| *rid).collect();
        let mut found = Self { known_to, all: organizations.values().copied().collect(), ..Self::default() };
        let mut above: FxHashMap<i64, i64> = FxHashMap::default();
        for (rid, _, value) in &all {
            let is_active = value.get("active").and_then(|active| active.as_bool()) != Some(false);
            // What a closed department wrote is still its institution's.
            if departments.contains(rid) {
                if let Some(parent) = named(value, "partOf") {
                    above.insert(*rid, parent);
                }
                continue;
            }
            if !is_active {
                continue;
            }
            if text(value, "resourceType") == "Organization" {
                if let Some(parent) = named(value, "partOf").filter(|parent| !consortia.contains(parent)) {
                    found.manage(parent, *rid, (i64::MIN, i64::MAX));
                }
            } else if let (Some(one), Some(other)) =
                (named(value, "organization"), named(value, "participatingOrganization"))
            {
                let (lo, hi) = period(value, zone);
                if has_code(value, "code", MANAGEMENT) {
                    found.manage(one, other, (lo, hi));
                }
                if has_code(value, "code", MEMBER) {
                    found.memberships.entry(other).or_default().push((one, lo, hi));
                }
                if has_code(value, "code", LEAD) {
                    found.leads.entry(one).or_default().push((other, lo, hi));
                }
            }
        }
        for department in above.keys() {
            let (mut at, mut steps) = (*department, 0);
            // A department of itself, however far around, would never end.
            while let Some(parent) = above.get(&at).filter(|_| steps < above.len()) {
                (at, steps) = (*parent, steps + 1);
            }
            found.whole.insert(*department, at);
            found.parts.entry(at).or_default().push(*department);
        }
        Ok(found)
    }

    /// Every organization of the record.
    pub(super) fn all(&self) -> Vec<i64> {
        self.all.clone()
    }

    fn manage(&mut self, manager: i64, managed: i64, (lo, hi): (i64, i64)) {
        self.managed.entry(manager).or_default().push((managed, lo, hi));
        self.managed.entry(managed).or_default().push((manager, lo, hi));
        self.managers.entry(managed).or_default().push((manager, lo, hi));
    }

    /// The organizations that are one institution with this one, and those under the same direct management at a time.
    pub(super) fn around(&self, organization: i64, now: i64) -> (Vec<i64>, Vec<i64>) {
        let whole = self.whole.get(&organization).copied().unwrap_or(organization);
        let house = self.house(whole);
        let (mut seen, mut next) = (vec![whole], 0);
        while let Some(&at) = seen.get(next) {
            next += 1;
            for other in holding(self.managed.get(&at), now) {
                if !seen.contains(&other) {
                    seen.push(other);
                }
            }
        }
        let group = seen[1..].iter().flat_map(|other| self.house(*other)).collect();
        (house, group)
    }

    /// Who answers for what happens at an organization, the nearest first: its own house, those that manage it, level by
    /// level, and those that lead its consortia.
    pub(super) fn answerable(&self, organization: i64, now: i64) -> Vec<Vec<i64>> {
        let whole = self.whole.get(&organization).copied().unwrap_or(organization);
        let (mut levels, mut seen) = (Vec::new(), Vec::new());
        let mut level = vec![whole];
        while !level.is_empty() {
            seen.extend(level.iter().copied());
            let above = level.iter().flat_map(|at| holding(self.managers.get(at), now));
            let next: Vec<i64> = above.filter(|other| !seen.contains(other)).collect();
            levels.push(std::mem::replace(&mut level, next));
        }
        let consortia = seen.iter().flat_map(|at| holding(self.memberships.get(at), now));
        levels.push(consortia.flat_map(|consortium| holding(self.leads.get(&consortium), now)).collect());
        levels.into_iter().map(|level| level.into_iter().flat_map(|at| self.house(at)).collect()).collect()
    }

    fn house(&self, whole: i64) -> Vec<i64> {
        let mut house = vec![whole];
        house.extend(self.parts.get(&whole).into_iter().flatten());
        house
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(|text| text.as_str()).unwrap_or_default()
}

fn period(value: &Value, zone: Offset) -> (i64, i64) {
    let bound = |name: &str| time::parse(value.get("period")?.get(name)?.as_str()?, zone);
    (bound("start").map_or(i64::MIN, |span| span.lo), bound("end").map_or(i64::MAX, |span| span.hi))
}

fn has_code(value: &Value, name: &str, code: &str) -> bool {
    let concepts = value.get(name).and_then(|list| list.as_array());
    let codings = concepts.into_iter().flat_map(|list| list.iter()).filter_map(|concept| concept.get("coding"));
    let mut codings = codings.filter_map(|list| list.as_array()).flat_map(|list| list.iter());
    codings.any(|coding| text(coding, "code") == code)
}
