//! Which departments may be asked, and what they have at the moment of asking.

use fhir::{Error, time};
use record::tree::{self, extension, items, name, reference, referred, referred_of};
use record::{Caller, SearchRequest, Session, Standing};
use serde_json::{Value, json};

use crate::place::{is_free_bed, is_pooled};
use crate::{Booking, code};

/// Slots read at a time while those that are open to the caller are looked for.
const PAGE: usize = 50;
/// Departments answered at most.
const MOST: usize = 50;
/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// A specialty: a token `system|code`, or part of a department's name.
    pub specialty: Option<String>,
    /// One department, such as `HealthcareService/cardiology`.
    pub service: Option<String>,
    /// Departments of an institution, such as `Organization/hospital`.
    pub organization: Option<String>,
    /// Whether slots of the referral pool count as free for the caller, as they do for whoever refers.
    pub pool: bool,
    /// From when on, in microseconds since 1970; otherwise from now.
    pub from: Option<i64>,
    /// How many free slots are named of each department.
    pub count: usize,
}

/// What there was at a moment.
#[derive(Debug, Clone)]
pub struct Availability {
    /// The moment, in microseconds since 1970.
    pub at: i64,
    /// Departments, those that are free first first.
    pub departments: Vec<Department>,
}

/// What one department has.
#[derive(Debug, Clone)]
pub struct Department {
    /// `HealthcareService/…`
    pub service: String,
    /// What it is called.
    pub name: String,
    /// The department's Organization.
    pub organization: String,
    /// The institution it is part of, and what that is called.
    pub institution: (String, String),
    /// Whether it sees people by appointment at all.
    pub clinic: bool,
    /// The next free slots.
    pub free: Vec<FreeSlot>,
    /// Free slots of the referral pool today and in the seven days from now.
    pub pool: (usize, usize),
    /// Beds nobody lies in and nobody holds; none where it has no beds.
    pub beds: Option<usize>,
    /// Referrals that wait at this department, and those that wait at its institution for a department.
    pub waiting: (u64, u64),
}

/// A slot that can be had.
#[derive(Debug, Clone)]
pub struct FreeSlot {
    /// `Slot/…`
    pub slot: String,
    /// When it begins and ends, as it is written there.
    pub span: (String, String),
    /// Whether it is kept for referrals.
    pub pooled: bool,
}

impl Booking {
    /// What departments have now. For whoever is on duty; nobody's data are in it.
    pub async fn availability(&self, session: &Session, question: &Question) -> Result<Availability, Error> {
        if let Standing::Lay(_) = session.caller().standing {
            return Err(Error::forbidden("This is asked by those who refer patients."));
        }
        let at = self.now();
        let services = self.services(question).await?;
        let ids: Vec<String> = services.iter().map(name).collect();
        let mut schedules: Vec<Value> = Vec::new();
        for some in ids.chunks(PAGE) {
            let asked = [("actor", some.join(",")), ("active", "true".to_owned()), ("_count", "200".to_owned())];
            schedules.extend(tree::every(&self.platform(), "Schedule", &asked).await?);
        }
        let mut departments = Vec::new();
        for service in services {
            let id = name(&service);
            let own: Vec<&Value> = schedules
                .iter()
                .filter(|schedule| referred_of(&schedule["actor"], "HealthcareService").any(|actor| actor == id))
                .collect();
            let department = self.department(session.caller(), question, &service, &own, at).await?;
            departments.extend(department);
            if departments.len() == MOST {
                break;
            }
        }
        let first = |one: &Department| one.free.first().map_or("9999".to_owned(), |slot| slot.span.0.clone());
        departments.sort_by_cached_key(|one| (first(one), one.service.clone()));
        Ok(Availability { at, departments })
    }

    async fn services(&self, question: &Question) -> Result<Vec<Value>, Error> {
        let mut asked = vec![("active", "true".to_owned()), ("_count", "200".to_owned())];
        if let Some(service) = &question.service {
            asked.push(("_id", service.trim_start_matches("HealthcareService/").to_owned()));
        }
        match question.specialty.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(token) if token.contains('|') => asked.push(("specialty", token.to_owned())),
            Some(text) => asked.push(("name:contains", text.replace(['\\', ',', '$', '|'], " "))),
            None => {}
        }
        if let Some(organization) = &question.organization {
            let parts = [("partof", organization.clone()), ("_count", "500".to_owned())];
            let mut houses = vec![organization.clone()];
            houses.extend(tree::first(&self.platform(), "Organization", &parts).await?.iter().map(name));
            asked.push(("organization", houses.join(",")));
        }
        tree::every(&self.platform(), "HealthcareService", &asked).await
    }

    /// What one department has; none when it has neither a Schedule nor a bed.
    async fn department(
        &self,
        caller: &Caller,
        question: &Question,
        service: &Value,
        schedules: &[&Value],
        at: i64,
    ) -> Result<Option<Department>, Error> {
        let organization = referred(&service["providedBy"]).unwrap_or_default().to_owned();
        let beds = self.beds_of(&organization).await?;
        if schedules.is_empty() && beds.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = schedules.iter().map(|schedule| name(schedule)).collect();
        let (mut free, mut pool) = (Vec::new(), (0, 0));
        if let Some(schedule) = schedules.first() {
            let uses_pool = self.may_use_pool(caller, schedule, question.pool).await?;
            let from = question.from.unwrap_or(at).max(at);
            free = self.free_among(&names, uses_pool, from, question.count).await?;
            pool = self.pool(&names, at).await?;
        }
        let above = tree::up_from(&self.platform(), &organization).await?;
        let institution = above.last().map_or_else(|| organization.clone(), |id| format!("Organization/{id}"));
        let called = tree::read(&self.platform(), &institution).await?;
        let called = called.and_then(|(tree, _)| tree["name"].as_str().map(str::to_owned)).unwrap_or_default();
        let unassigned = if institution == organization { 0 } else { self.waiting(&institution).await? };
        Ok(Some(Department {
            service: name(service),
            name: service["name"].as_str().unwrap_or_default().to_owned(),
            institution: (institution, called),
            clinic: !schedules.is_empty(),
            free: free.iter().map(FreeSlot::of).collect(),
            pool,
            beds: (!beds.is_empty()).then(|| beds.iter().filter(|bed| is_free_bed(bed)).count()),
            waiting: (self.waiting(&organization).await?, unassigned),
            organization,
        }))
    }

    /// Referrals that an organization has been asked for and whose patients have not come yet.
    async fn waiting(&self, organization: &str) -> Result<u64, Error> {
        let asked = [
            ("performer", organization.to_owned()),
            ("category", "https://qingshan.dev/fhir/CodeSystem/request|referral".to_owned()),
            ("status", "active".to_owned()),
        ];
        let come = [
            ("based-on:ServiceRequest.performer", organization.to_owned()),
            ("based-on:ServiceRequest.status", "active".to_owned()),
            ("status", "arrived,checked-in,fulfilled".to_owned()),
        ];
        let asked = tree::count(&self.platform(), "ServiceRequest", &asked).await?;
        Ok(asked.saturating_sub(tree::count(&self.platform(), "Appointment", &come).await?))
    }

    /// Free slots of the referral pool: today, and in the seven days from now.
    async fn pool(&self, schedules: &[String], at: i64) -> Result<(usize, usize), Error> {
        let asked = [
            ("schedule", schedules.join(",")),
            ("status", "free".to_owned()),
            ("appointment-type", format!("{}|{}", code::POOL, code::REFERRAL_POOL)),
            ("start", format!("ge{}", time::instant(at))),
            ("start", format!("lt{}", time::instant(at + 7 * DAY))),
            ("_count", "500".to_owned()),
        ];
        let found = tree::every(&self.platform(), "Slot", &asked).await?;
        let today = self.local_day(at);
        let is_today = |slot: &&Value| self.span(slot).is_ok_and(|(start, _)| self.local_day(start) == today);
        Ok((found.iter().filter(is_today).count(), found.len()))
    }

    /// The number of the local day a moment is in.
    pub(crate) fn local_day(&self, at: i64) -> i64 {
        (at + i64::from(self.zone().seconds()) * 1_000_000).div_euclid(DAY)
    }

    /// The next free slots of a department, or of one Schedule, that are open to a caller.
    pub(crate) async fn free_slots(
        &self,
        caller: &Caller,
        of: &str,
        for_request: bool,
        from: Option<i64>,
        count: usize,
    ) -> Result<Vec<Value>, Error> {
        let schedules = match of.starts_with("Schedule/") {
            true => tree::read(&self.platform(), of).await?.map(|(tree, _)| tree).into_iter().collect(),
            false => {
                let asked = [("actor", of.to_owned()), ("active", "true".to_owned()), ("_count", "200".to_owned())];
                tree::every(&self.platform(), "Schedule", &asked).await?
            }
        };
        let Some(first) = schedules.first() else { return Ok(Vec::new()) };
        let uses_pool = self.may_use_pool(caller, first, for_request).await?;
        let names: Vec<String> = schedules.iter().map(name).collect();
        self.free_among(&names, uses_pool, from.unwrap_or_else(|| self.now()).max(self.now()), count).await
    }

    async fn free_among(
        &self,
        schedules: &[String],
        uses_pool: bool,
        from: i64,
        count: usize,
    ) -> Result<Vec<Value>, Error> {
        let asked = [
            ("schedule", schedules.join(",")),
            ("status", "free".to_owned()),
            ("start", format!("ge{}", time::instant(from))),
            ("start", format!("lt{}", time::instant(from + self.settings().horizon))),
            ("_sort", "start".to_owned()),
            ("_count", if uses_pool { count.max(1) } else { PAGE }.to_string()),
        ];
        let mut pages = self.platform().pages(SearchRequest::of("Slot", &asked)?);
        let released = self.now() + self.settings().pool_release;
        let mut free = Vec::new();
        while let Some(page) = pages.next().await? {
            for slot in tree::on(&page)? {
                if uses_pool || !is_pooled(&slot) || self.span(&slot)?.0 <= released {
                    free.push(slot);
                }
                if free.len() >= count {
                    return Ok(free);
                }
            }
        }
        Ok(free)
    }
}

impl FreeSlot {
    fn of(slot: &Value) -> Self {
        let at = |element: &str| slot[element].as_str().unwrap_or_default().to_owned();
        Self { slot: name(slot), span: (at("start"), at("end")), pooled: is_pooled(slot) }
    }

    fn part(&self) -> Value {
        json!({ "name": "slot", "part": [
            { "name": "slot", "valueReference": reference(&self.slot) },
            { "name": "start", "valueInstant": self.span.0 },
            { "name": "end", "valueInstant": self.span.1 },
            { "name": "pool", "valueBoolean": self.pooled },
        ] })
    }
}

impl Availability {
    /// As a Parameters resource: `as-of` (instant) and a `department` for each, with the parts `service`, `organization`,
    /// `institution` (references with their names), `clinic` (whether it sees people by appointment), `slot` (its parts `slot`, `start`, `end`, `pool`), `pool-today`,
    /// `pool-week`, `beds` (left out where there are none), `waiting` and `waiting-institution`.
    /// <http://hl7.org/fhir/R4/parameters.html>
    pub fn parameters(&self) -> Value {
        let mut parameters = vec![json!({ "name": "as-of", "valueInstant": time::instant(self.at) })];
        for one in &self.departments {
            let named = |part: &str, to: &str, name: &str| json!({ "name": part, "valueReference": { "reference": to, "display": name } });
            let number = |part: &str, count: u64| json!({ "name": part, "valueInteger": count });
            let mut parts = vec![
                named("service", &one.service, &one.name),
                named("organization", &one.organization, &one.name),
                named("institution", &one.institution.0, &one.institution.1),
                number("pool-today", one.pool.0 as u64),
                number("pool-week", one.pool.1 as u64),
                number("waiting", one.waiting.0),
                number("waiting-institution", one.waiting.1),
            ];
            parts.push(json!({ "name": "clinic", "valueBoolean": one.clinic }));
            parts.extend(one.beds.map(|beds| number("beds", beds as u64)));
            parts.extend(one.free.iter().map(FreeSlot::part));
            parameters.push(json!({ "name": "department", "part": parts }));
        }
        json!({ "resourceType": "Parameters", "parameter": parameters })
    }
}

/// What a Schedule's session is called by the institution it takes place at.
pub(crate) fn place_of(schedule: &Value) -> Option<&str> {
    extension(schedule, code::SESSION_PLACE).and_then(|one| referred(&one["valueReference"]))
}

/// Who gives a session.
pub(crate) fn expert_of(schedule: &Value) -> Option<&str> {
    let actors = items(&schedule["actor"]).filter_map(referred);
    actors.into_iter().find(|actor| actor.starts_with("Practitioner/") || actor.starts_with("PractitionerRole/"))
}
