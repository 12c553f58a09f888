//! Who may see what: one question, asked by every verb of a session.
//!
//! Beside every version stand the patient it belongs to, the organization whose it is and its labels ([`facts`]); ties
//! join patients to organizations, posts and people for a time and are rows like those of an index. The rules
//! ([`rules`]) say what each role may do through which relation. For one caller at one moment they become a
//! [`sight::Sight`], which is asked about one resource or written into a statement as a condition.

mod duties;
mod emergency;
pub(crate) mod facts;
mod institutions;
mod openness;
mod posts;
mod relations;
pub(crate) mod rules;
pub(crate) mod sight;
#[cfg(test)]
mod table;

use std::sync::{Arc, OnceLock};

use fhir::search::OwnAddresses;
use fhir::{Category, Error, IssueCode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

pub use duties::{DUTIES, Duty};
pub use emergency::{EmergencyAccess, Reason};
pub use openness::Openness;
pub use relations::{HeldRelation, Relations};
pub use rules::Relation;

use crate::store::value::{Dialect, Rows, SqlValue};
use crate::store::{Record, reads};
use crate::transact::Applied;
use crate::transact::prepare::address_of;
use crate::{Caller, Key, Lay, Machine, Post, ResourceType, Standing, Version};
use facts::Kind;
use institutions::Institutions;
use posts::Posts;
use rules::{PATIENT, PROXY};
use sight::{Act, Clauses, Facts, Held, Sight};

/// Compiled rules kept for roles and purposes that were met. There are few; a hostile caller may invent purposes.
const COMPILED: usize = 1_000;

/// The type whose resources are what patients decide about their record.
const DECISION: &str = "Consent";

/// What a record keeps in memory to decide who may see what.
#[derive(Default)]
pub(crate) struct Access {
    institutions: RwLock<Arc<Institutions>>,
    posts: Posts,
    compiled: Mutex<FxHashMap<String, Arc<Clauses>>>,
    /// How often what was known of patients' decisions was forgotten, and whether there are any.
    decisions: Mutex<(u64, Option<bool>)>,
    /// What machines may see.
    machines: OnceLock<Arc<Clauses>>,
}

impl Access {
    fn forget_decisions(&self) {
        let mut known = self.decisions.lock();
        *known = (known.0 + 1, None);
    }
}

impl Record {
    /// What a caller may see and do now; `None` when no rule about persons applies to them.
    ///
    /// Fails with [`Category::Forbidden`] when the post they act from is not in force.
    pub(crate) async fn sight(&self, caller: &Caller) -> Result<Option<Arc<Sight>>, Error> {
        let now = self.surroundings().clock.now();
        // Boxed, so that the future of a machine's request is no larger for what is asked only of people.
        let sight: BoxFuture<'_, Result<Sight, Error>> = match &caller.standing {
            Standing::System => return Ok(None),
            // Where no patient has ever decided anything, nothing is kept from a machine.
            Standing::Machine(_) if !self.has_decisions().await? => return Ok(None),
            Standing::Machine(machine) => self.sight_of_machine(machine, now).boxed(),
            Standing::Staff(post) => self.sight_of_post(post, &caller.purpose, now).boxed(),
            Standing::Lay(lay) => self.sight_of_lay(lay, &caller.purpose, now).boxed(),
        };
        sight.await.map(|sight| Some(Arc::new(sight)))
    }

    async fn sight_of_post(&self, post: &Post, purpose: &str, now: i64) -> Result<Sight, Error> {
        let (home, practitioner, role) = match self.post_in_memory(post, now)? {
            Some(known) => known,
            None => self.post_as_stored(post, now).await?,
        };
        let (house, group) = self.access().institutions.read().around(home, now);
        let mut parties = house.clone();
        parties.extend([practitioner, role]);
        let duties: Vec<&str> = post.duties.iter().map(String::as_str).collect();
        let clauses = self.clauses(&duties, purpose);
        Ok(Sight { clauses, now, home, house, group, parties, ..Sight::default() })
    }

    /// The numbers of the organization, the practitioner and the role of a post that is in force, as far as this process has
    /// met them: whoever is shown much asks often, and should not wait for a connection only to ask nothing.
    fn post_in_memory(&self, post: &Post, now: i64) -> Result<Option<(i64, i64, i64)>, Error> {
        let known = |type_: &str, id: &str| -> Result<Option<i64>, Error> {
            let key = Key::new(ResourceType::parse(type_)?, id);
            Ok(self.tools().names.place(&address_of(&key)).map(|place| place.rid))
        };
        let (Some(home), Some(practitioner), Some(role)) = (
            known("Organization", &post.organization)?,
            known("Practitioner", &post.practitioner)?,
            known("PractitionerRole", &post.role)?,
        ) else {
            return Ok(None);
        };
        match self.access().posts.known(role, practitioner, home, now) {
            Some(true) => Ok(Some((home, practitioner, role))),
            Some(false) => Err(not_in_force()),
            None => Ok(None),
        }
    }

    async fn post_as_stored(&self, post: &Post, now: i64) -> Result<(i64, i64, i64), Error> {
        let mut reader = self.reader_by_key().await?;
        let practitioner = self.post_part(&mut reader, "Practitioner", &post.practitioner).await?;
        let role = self.post_part(&mut reader, "PractitionerRole", &post.role).await?;
        let home = self.post_part(&mut reader, "Organization", &post.organization).await?;
        match self.access().posts.in_force(&mut reader, role, practitioner, home, now).await? {
            true => Ok((home, practitioner, role)),
            false => Err(not_in_force()),
        }
    }

    async fn post_part(&self, rows: &mut impl Rows, type_: &str, id: &str) -> Result<i64, Error> {
        let key = Key::new(ResourceType::parse(type_)?, id);
        self.rid(rows, &key).await?.ok_or_else(not_in_force)
    }

    /// Whether any patient has decided who may see their record. Kept in memory until a Consent is written, by whichever
    /// process: every request of a machine asks for it.
    async fn has_decisions(&self) -> Result<bool, Error> {
        let turn = match *self.access().decisions.lock() {
            (_, Some(known)) => return Ok(known),
            (turn, None) => turn,
        };
        // Boxed, so that no request carries the state of a question that is asked once.
        self.look_for_decisions(turn).boxed().await
    }

    async fn look_for_decisions(&self, turn: u64) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM resource WHERE type = $1 AND body IS NOT NULL LIMIT 1";
        let type_ = ResourceType::parse(DECISION)?;
        let found = !self.reader().await?.rows(sql, &[type_.number().into()]).await?.is_empty();
        let mut known = self.access().decisions.lock();
        if known.0 == turn {
            known.1 = Some(found);
        }
        Ok(found)
    }

    async fn sight_of_machine(&self, machine: &Machine, now: i64) -> Result<Sight, Error> {
        let clauses = Arc::clone(self.access().machines.get_or_init(|| Arc::new(Clauses::of_machines())));
        let open = Sight { clauses, now, is_machine: true, ..Sight::default() };
        let Some(organization) = &machine.organization else {
            // To whom it passes on what it is shown nobody knows, so what is kept from any institution is kept from it.
            let shut_out = self.access().institutions.read().all();
            return Ok(Sight { shut_out, ..open });
        };
        let key = Key::new(ResourceType::parse("Organization")?, organization.as_str());
        let home = self.rid(&mut self.reader_by_key().await?, &key).await?;
        let home = home.ok_or_else(|| {
            let text = "The institution of this client is not in the record. Register the client anew.";
            Error::new(Category::Forbidden, IssueCode::Forbidden, text)
        })?;
        let (house, _) = self.access().institutions.read().around(home, now);
        Ok(Sight { parties: house.clone(), house, ..open })
    }

    async fn sight_of_lay(&self, lay: &Lay, purpose: &str, now: i64) -> Result<Sight, Error> {
        let mut reader = self.reader_by_key().await?;
        let type_ = ResourceType::parse("Patient")?;
        let (mut own, mut charges) = (Vec::new(), Vec::new());
        for id in &lay.own {
            own.extend(self.rid(&mut reader, &Key::new(type_, id.as_str())).await?);
        }
        for id in &lay.charges {
            charges.extend(self.rid(&mut reader, &Key::new(type_, id.as_str())).await?);
        }
        let mut parties = own.clone();
        let related = ResourceType::parse("RelatedPerson")?;
        for id in &lay.related {
            parties.extend(self.rid(&mut reader, &Key::new(related, id.as_str())).await?);
        }
        let mut roles = vec![PATIENT];
        if !charges.is_empty() {
            roles.push(PROXY);
        }
        let clauses = self.clauses(&roles, purpose);
        Ok(Sight { clauses, now, parties, own, charges, ..Sight::default() })
    }

    /// Whether resources of a type that are about nobody are everybody's, by the rules: who works where, which services
    /// there are, what codes mean. What else is about nobody, such as a Binary, may hold anything.
    pub fn is_common(&self, type_: ResourceType) -> bool {
        let clauses = self.clauses(&[PATIENT], "PATRQT");
        let of = |clause: &&sight::Clause| clause.types.contains(type_.number());
        clauses.read.iter().filter(of).any(|clause| clause.relations.contains(&Relation::Nobody))
    }

    /// The closest relation by which a caller sees what they are shown, where all of it is about one patient.
    pub(crate) async fn closest(&self, sight: &Sight, shown: Option<&Key>) -> Result<Option<Relation>, Error> {
        let Some(key) = shown else { return Ok(None) };
        let mut rows = self.reader_by_key().await?;
        let Some(facts) = reads::facts(&mut rows, key).await? else { return Ok(None) };
        way_to_read(&mut rows, sight, &[facts]).await
    }

    fn clauses(&self, roles: &[&str], purpose: &str) -> Arc<Clauses> {
        let name = format!("{} {purpose}", roles.join(" "));
        let mut compiled = self.access().compiled.lock();
        if let Some(known) = compiled.get(&name) {
            return Arc::clone(known);
        }
        if compiled.len() >= COMPILED {
            compiled.clear();
        }
        let rules = &self.tools().rules;
        let made = Arc::new(Clauses::compile(&rules.grants, rules.keeper_only, roles, purpose));
        compiled.insert(name, Arc::clone(&made));
        made
    }

    /// The number of a name, asked of the database only if this process has not met it.
    async fn rid(&self, rows: &mut impl Rows, key: &Key) -> Result<Option<i64>, Error> {
        let address = address_of(key);
        if let Some(place) = self.tools().names.place(&address) {
            return Ok(Some(place.rid));
        }
        let Some(place) = reads::place(rows, key).await? else { return Ok(None) };
        if !rows.is_tentative() {
            self.tools().names.learn_place(address, place);
        }
        Ok(Some(place.rid))
    }

    /// Reads anew which institutions belong together.
    pub(crate) async fn load_institutions(&self) -> Result<(), Error> {
        let known_to = *self.head().borrow();
        let loaded = Institutions::load(&mut self.reader().await?, &self.search_parameters(), known_to).await?;
        let mut current = self.access().institutions.write();
        // Of two that load at once, the one that saw less must not have the last word.
        if known_to >= current.known_to {
            *current = Arc::new(loaded);
        }
        Ok(())
    }

    /// Keeps in step with what was written: by this process, of which the answer is given only then.
    pub(crate) async fn keep_access_in_step(&self, applied: &[Applied]) -> Result<(), Error> {
        let wrote = |types: &[&str]| {
            let written = applied.iter().filter_map(|one| one.version.as_ref());
            written.map(|version| version.key.type_.name()).any(|type_| types.contains(&type_))
        };
        if wrote(&[posts::TYPE]) {
            self.access().posts.forget();
        }
        if wrote(&[DECISION]) {
            self.access().forget_decisions();
        }
        if wrote(&institutions::TYPES) { self.load_institutions().boxed().await } else { Ok(()) }
    }

    /// Keeps in step with what other processes wrote: resources of these types, each last at this position of the feed.
    pub(crate) async fn refresh_access(&self, written: &[(ResourceType, u64)]) -> Result<(), Error> {
        if written.iter().any(|(type_, _)| type_.name() == posts::TYPE) {
            self.access().posts.forget();
        }
        if written.iter().any(|(type_, _)| type_.name() == DECISION) {
            self.access().forget_decisions();
        }
        let known_to = self.access().institutions.read().known_to;
        let is_news = |(type_, at): &(ResourceType, u64)| institutions::TYPES.contains(&type_.name()) && *at > known_to;
        if written.iter().any(is_news) { self.load_institutions().await } else { Ok(()) }
    }
}

/// Some resource of what is shown, where all of it is about one patient.
pub(crate) fn of_one_patient<'v>(own: &OwnAddresses, shown: impl Iterator<Item = &'v Version>) -> Option<&'v Key> {
    let (mut patients, mut found) = (Vec::new(), None);
    for version in shown {
        version.name_patients(own, &mut patients);
        if patients.len() > 1 {
            return None;
        }
        found = found.or_else(|| (!patients.is_empty()).then_some(&version.key));
    }
    found
}

fn not_in_force() -> Error {
    let text = "The post from which you act is not in force here now. Choose another, or ask whoever keeps the posts.";
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

/// The answer to an act that the rules do not permit on something the caller may see.
pub(crate) fn forbidden(sight: &Sight, act: Act, key_type: ResourceType) -> Error {
    let ways = sight.ways(act, key_type.number());
    let text = if ways.is_empty() {
        format!("Nothing you do here writes resources of type {key_type}.")
    } else {
        let ways: Vec<&str> = ways.into_iter().map(Relation::code).collect();
        format!("You may not write this {key_type}. It would take one of these relations: {}.", ways.join(", "))
    };
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

/// The ties that hold at a time of some patients, and of some resources themselves.
pub(crate) async fn ties(rows: &mut impl Rows, subjects: &[i64], rids: &[i64], now: i64) -> Result<Vec<Held>, Error> {
    let subjects: Vec<i64> = subjects.iter().copied().filter(|subject| *subject > 0).collect();
    let (mut parts, mut arguments) = (Vec::new(), Vec::new());
    for (column, numbers) in [("subject", subjects), ("rid", rids.to_vec())] {
        if numbers.is_empty() {
            continue;
        }
        arguments.extend([SqlValue::Ints(numbers), now.into(), now.into()]);
        let last = arguments.len();
        let (list, from, until) = (last - 2, last - 1, last);
        let among = match rows.dialect() {
            Dialect::Sqlite => format!("IN (SELECT value FROM rarray(${list}))"),
            // Put where the planner cannot see it: with it, it would think about each list anew.
            Dialect::Postgres => format!("= ANY((SELECT ${list}::int8[])::int8[])"),
        };
        let (from, until) = match rows.dialect() {
            Dialect::Sqlite => (format!("${from}"), format!("${until}")),
            Dialect::Postgres => (format!("(SELECT ${from}::int8)"), format!("(SELECT ${until}::int8)")),
        };
        parts.push(format!(
            "SELECT rid, kind, subject, party, what, mask, lo, hi FROM tie \
             WHERE {column} {among} AND lo <= {from} AND hi > {until}"
        ));
    }
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    // One statement: both are short, and each would travel to the database and back.
    let sql = parts.join(" UNION ALL ");
    let mut found = Vec::new();
    for row in rows.rows(&sql, &arguments).await? {
        let Some(kind) = Kind::numbered(row.int(1)?) else { continue };
        let (rid, subject, party) = (row.int(0)?, row.int(2)?, row.int(3)?);
        let (what, mask, lo, hi) = (row.int(4)?, row.int(5)?, row.int(6)?, row.int(7)?);
        found.push(Held { rid, kind, subject, party, what, mask, lo, hi });
    }
    Ok(found)
}

/// Whether anything may open resources about a patient, of these types, to the caller. Whoever has nothing to do with a
/// patient is so answered as quickly as if there were no such patient, however much is stored about them.
pub(crate) async fn may_concern(
    rows: &mut impl Rows,
    sight: &Sight,
    patient: i64,
    types: &[&'static str],
) -> Result<bool, Error> {
    if sight.asks_nothing(types) || sight.own.contains(&patient) || sight.charges.contains(&patient) {
        return Ok(true);
    }
    let ties = ties(rows, &[patient], &[], sight.now).await?;
    if ties.iter().any(|tie| sight.parties.contains(&tie.party) || sight.group.contains(&tie.party)) {
        return Ok(true);
    }
    let among = match rows.dialect() {
        Dialect::Sqlite => "IN (SELECT value FROM rarray($2))",
        Dialect::Postgres => "= ANY($2)",
    };
    let sql = format!("SELECT 1 FROM resource WHERE subject = $1 AND keeper {among} LIMIT 1");
    Ok(!rows.rows(&sql, &[patient.into(), SqlValue::Ints(sight.house.clone())]).await?.is_empty())
}

/// The closest relation by which one resource may be read; `None` when it may not. `facts` are those of the version that
/// is asked for and of others that must be open as well.
pub(crate) async fn way_to_read(
    rows: &mut impl Rows,
    sight: &Sight,
    facts: &[Facts],
) -> Result<Option<Relation>, Error> {
    let ties = ties_of(rows, facts, sight.now).await?;
    if !facts.iter().all(|facts| sight.allows(Act::Read, facts, &ties)) {
        return Ok(None);
    }
    Ok(facts.first().and_then(|facts| sight.way(Act::Read, facts, &ties)))
}

/// The ties that hold at a time of the patients of versions of one resource, and of the resource itself.
async fn ties_of(rows: &mut impl Rows, facts: &[Facts], now: i64) -> Result<Vec<Held>, Error> {
    let subjects: Vec<i64> = facts.iter().map(|facts| facts.subject).collect();
    let rids: Vec<i64> = facts.first().map(|facts| facts.rid).into_iter().collect();
    ties(rows, &subjects, &rids, now).await
}
