//! Conditions and patches, decided inside the database transaction that acts on them.
//! <http://hl7.org/fhir/R4/http.html#cond-update>

use fhir::json::{self, Value};
use fhir::{Category, Error, IssueCode};
use rustc_hash::{FxHashMap, FxHashSet};
use sonic_rs::JsonValueTrait;

use crate::access::sight::Sight;
use crate::search::{self, Condition};
use crate::store::batch::{Wanted, WriteTx};
use crate::store::{Catalog, Tools, reads};
use crate::transact::commit::home_of;
use crate::transact::links::{Links, conditional_reference, each_reference, with_id};
use crate::transact::prepare::{Decided, address_of, decided, refused, twice, type_of};
use crate::transact::written::Written;
use crate::transact::{Action, Applied, Change, Effect, Patch, Refusal, Target};
use crate::{Key, Method, ResourceType, Version};

/// A transaction without conditions.
#[derive(Default)]
pub(crate) struct Resolved {
    /// The changes left to do.
    pub(crate) changes: Vec<Decided>,
    /// What they call each other.
    pub(crate) links: Links,
    /// Answers that are known already, by position.
    pub(crate) found: Vec<(usize, Applied)>,
    /// Positions of conditional creations that found what an earlier one, at the position beside, makes.
    pub(crate) same: Vec<(usize, usize)>,
}

/// Decides the conditions of a transaction. The outer error ends the group, the inner one only this transaction.
///
/// A condition is asked of the record as the changes before it leave it: deletions come first, creations then, updates
/// and patches then, conditional references last. <http://hl7.org/fhir/R4/http.html#trules>
pub(crate) async fn resolve<T: WriteTx>(
    tx: &mut T,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    changes: &[Change],
) -> Result<Result<Resolved, Refusal>, Error> {
    let asked = conditional_types(changes);
    for type_ in &asked {
        tx.lock_type(type_.number()).await?;
    }
    let mut resolver = Resolver { tx, tools, catalog, sight, asked, deleted: FxHashSet::default(), broken: None };
    let mut written = Written::default();
    let mut resolved = Resolved::default();
    let mut turns: Vec<(u8, usize)> = changes.iter().map(turn).zip(0..).collect();
    turns.sort_unstable();
    for (_, position) in turns {
        let change = &changes[position];
        let step = resolver.step(&mut written, position, change).await;
        if let Some(error) = resolver.broken.take() {
            return Err(error);
        }
        let (full_url, links) = (change.full_url.as_deref(), &mut resolved.links);
        let mut named = |key: &Key| full_url.map_or((), |full_url| links.entry(full_url, key));
        match step {
            Err(error) => return Ok(Err(refused(position)(error))),
            Ok(Step::Found(applied)) => {
                applied.version.iter().for_each(|version| named(&version.key));
                resolved.found.push((position, applied));
            }
            Ok(Step::Same(earlier, key)) => {
                named(&key);
                resolved.same.push((position, earlier));
            }
            Ok(Step::Do(decided)) => {
                named(&decided.key);
                resolved.changes.push(decided);
            }
        }
    }
    resolved.changes.sort_unstable_by_key(|decided| decided.change);
    let outcome = resolver.references(&mut resolved).await;
    if let Some(error) = resolver.broken.take() {
        return Err(error);
    }
    Ok(outcome.map(|()| resolved))
}

/// When a change has its turn.
fn turn(change: &Change) -> u8 {
    match change.action {
        Action::Delete { .. } => 0,
        Action::Create { .. } => 1,
        Action::Update { .. } | Action::Patch { .. } => 2,
    }
}

/// The types whose conditions are evaluated, in one order for all processes.
fn conditional_types(changes: &[Change]) -> Vec<ResourceType> {
    let mut types: Vec<ResourceType> = changes
        .iter()
        .filter_map(|change| match &change.action {
            Action::Create { resource, if_none_exist: Some(_) } => type_of(resource).ok(),
            Action::Update { target: Target::Query(type_, _), .. }
            | Action::Patch { target: Target::Query(type_, _), .. }
            | Action::Delete { target: Target::Query(type_, _), .. } => Some(*type_),
            _ => None,
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

enum Step {
    Found(Applied),
    /// A creation that is made by an earlier one, at this position and under this name.
    Same(usize, Key),
    Do(Decided),
}

/// What a condition is fulfilled by.
enum Match {
    Nothing,
    /// A resource of the record.
    Stored(Key),
    /// What the change at this position stores.
    Own(usize, Key),
}

struct Resolver<'a, T> {
    tx: &'a mut T,
    tools: &'a Tools,
    catalog: &'a Catalog,
    /// Conditions are decided over what the caller may see.
    sight: Option<&'a Sight>,
    /// The types of which conditions are asked.
    asked: Vec<ResourceType>,
    /// What the transaction deletes.
    deleted: FxHashSet<Key>,
    /// A failure of the database rather than of the request.
    broken: Option<Error>,
}

impl<'a, T: WriteTx> Resolver<'a, T> {
    async fn step<'c>(
        &mut self,
        written: &mut Written<'c>,
        position: usize,
        change: &'c Change,
    ) -> Result<Step, Error> {
        let again = |action| Change { full_url: change.full_url.clone(), action };
        let decide = |tools: &Tools, action| decided(tools, position, again(action));
        match &change.action {
            Action::Create { resource, if_none_exist } => {
                let type_ = type_of(resource)?;
                if let Some(query) = if_none_exist {
                    match self.only_match(written, type_, query).await? {
                        Match::Nothing => {}
                        Match::Own(earlier, key) => return Ok(Step::Same(earlier, key)),
                        Match::Stored(key) => {
                            let version = self.found(&key).await?;
                            return Ok(Step::Found(Applied { effect: Effect::Unchanged, version }));
                        }
                    }
                }
                let action = Action::Create { resource: resource.clone(), if_none_exist: None };
                let decided = decide(self.tools, action)?;
                self.writes(written, &decided, resource, if_none_exist.as_deref());
                Ok(Step::Do(decided))
            }
            Action::Update { target: Target::Key(_), resource, .. } => {
                let decided = decide(self.tools, change.action.clone())?;
                self.writes(written, &decided, resource, None);
                Ok(Step::Do(decided))
            }
            Action::Delete { target: Target::Key(key), .. } => {
                self.deleted.insert(key.clone());
                Ok(Step::Do(decide(self.tools, change.action.clone())?))
            }
            Action::Update { target: Target::Query(type_, query), resource, if_match, if_absent } => {
                let sent = resource.get("id").and_then(|id| id.as_str()).map(str::to_owned);
                let action = match (self.only_match(written, *type_, query).await?, sent) {
                    (Match::Own(..), _) => return Err(twice()),
                    (Match::Stored(key), Some(sent)) if sent != key.id => {
                        let text = format!("The query matches {key}, but the resource has another id.");
                        return Err(Error::invalid(text).at(format!("{type_}.id")));
                    }
                    (Match::Stored(key), _) => update(key, resource, *if_match, *if_absent)?,
                    (Match::Nothing, Some(sent)) => update(Key::new(*type_, sent), resource, *if_match, true)?,
                    (Match::Nothing, None) => Action::Create { resource: resource.clone(), if_none_exist: None },
                };
                let decided = decide(self.tools, action)?;
                self.writes(written, &decided, resource, Some(query));
                Ok(Step::Do(decided))
            }
            Action::Patch { target, patch, if_match } => {
                let key = match target {
                    Target::Key(key) => key.clone(),
                    Target::Query(type_, query) => match self.only_match(written, *type_, query).await? {
                        Match::Stored(key) => key,
                        Match::Own(..) => return Err(twice()),
                        Match::Nothing => {
                            let text = format!("No {type_} matches the query, so there is nothing to change.");
                            return Err(Error::not_found(text));
                        }
                    },
                };
                self.lock(&key).await?;
                let there = self.current(&key).await?;
                let there = there.ok_or_else(|| Error::not_found(format!("There is no {key}.")))?;
                let Some(body) = &there.body else {
                    let text = format!("{key} was deleted.");
                    return Err(Error::new(Category::Gone, IssueCode::Deleted, text));
                };
                let before = json::parse(body)?;
                let after = patched(&before, patch)?;
                if after.get("id").and_then(|id| id.as_str()) != Some(&key.id) || type_of(&after)? != key.type_ {
                    let text = "A patch cannot change the type or the id of a resource.";
                    return Err(Error::new(Category::Unprocessable, IssueCode::BusinessRule, text));
                }
                let if_match = if_match.or(Some(there.version));
                let target = Target::Key(key);
                let action = Action::Update { target, resource: after, if_match, if_absent: false };
                let mut decided = decide(self.tools, action)?;
                decided.method = Method::Patch;
                Ok(Step::Do(decided))
            }
            Action::Delete { target: Target::Query(type_, query), if_match } => {
                let condition = self.condition(*type_, query).await?;
                match single(self.keys(&condition, query, 2).await?, *type_)? {
                    Some(key) => {
                        self.deleted.insert(key.clone());
                        let action = Action::Delete { target: Target::Key(key), if_match: *if_match };
                        Ok(Step::Do(decide(self.tools, action)?))
                    }
                    None => Ok(Step::Found(Applied { effect: Effect::Unchanged, version: None })),
                }
            }
        }
    }

    fn writes<'c>(&self, written: &mut Written<'c>, decided: &Decided, resource: &'c Value, query: Option<&'c str>) {
        if self.asked.contains(&decided.key.type_) {
            written.add(decided.change, &decided.key, self.catalog.registry.extract(resource), query);
        }
    }

    /// How far a condition sees. A machine that names its own number for something finds that also where it is kept from
    /// it: what it delivers twice is stored once. Anything else it could ask would tell what it may not see.
    fn sight_for(&self, query: &str) -> Option<&'a Sight> {
        self.sight.filter(|sight| !(sight.is_machine && is_number(query)))
    }

    async fn condition(&mut self, type_: ResourceType, query: &str) -> Result<Condition, Error> {
        if query.trim().is_empty() {
            let text = "A condition names at least one search parameter.";
            return Err(Error::new(Category::PreconditionFailed, IssueCode::Required, text));
        }
        let condition = search::condition(self.tx, self.tools, self.catalog, self.sight_for(query), type_, query).await;
        condition.map_err(|error| self.fails(error))
    }

    /// The one resource that matches, if any, when the transaction has deleted what it deletes and stored this much.
    async fn only_match(
        &mut self,
        written: &mut Written<'_>,
        type_: ResourceType,
        query: &str,
    ) -> Result<Match, Error> {
        let condition = self.condition(type_, query).await?;
        let own = written.matching(&condition, type_, query)?;
        let mut left = self.keys(&condition, query, self.deleted.len() + written.of(type_) + 2).await?;
        left.retain(|key| {
            let is_own = own.iter().any(|(_, own)| own == key);
            !is_own && !self.deleted.contains(key) && !written.ends(&condition, key)
        });
        match (own.as_slice(), single(left, type_)?) {
            ([], None) => Ok(Match::Nothing),
            ([], Some(key)) => Ok(Match::Stored(key)),
            ([(position, key)], None) => Ok(Match::Own(*position, key.clone())),
            _ => Err(several(type_)),
        }
    }

    async fn keys(&mut self, condition: &Condition, query: &str, most: usize) -> Result<Vec<Key>, Error> {
        let keys = condition.keys(self.tx, self.tools, self.catalog, self.sight_for(query), most).await;
        keys.map_err(|error| self.fails(error))
    }

    /// Keeps everybody else from changing a resource that is read in order to be changed.
    async fn lock(&mut self, key: &Key) -> Result<(), Error> {
        let address = address_of(key);
        let home = home_of(&address);
        match self.tx.locate(&[Wanted { address, home, lock: true, fresh: false }]).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fails(error)),
        }
    }

    /// The version that a condition found, without its body where that is kept from the caller.
    async fn found(&mut self, key: &Key) -> Result<Option<Version>, Error> {
        let seen = self.current(key).await?;
        if seen.is_some() || !self.sight.is_some_and(|sight| sight.is_machine) {
            return Ok(seen);
        }
        match reads::read(self.tx, key).await {
            Ok(version) => Ok(version.map(|version| Version { body: None, ..version })),
            Err(error) => Err(self.fails(error)),
        }
    }

    async fn current(&mut self, key: &Key) -> Result<Option<Version>, Error> {
        let read = match self.sight {
            Some(sight) => Ok(reads::read_seen(self.tx, key, None, sight).await?.map(|(version, _)| version)),
            None => reads::read(self.tx, key).await,
        };
        match read {
            Ok(version) => Ok(version),
            Err(error) => Err(self.fails(error)),
        }
    }

    /// Tells a failing database, which ends the group, from a request that cannot be done.
    fn fails(&mut self, error: Error) -> Error {
        if matches!(error.category(), Category::Fault | Category::Unavailable | Category::Conflict | Category::Busy) {
            self.broken = Some(error);
            return Error::unsupported("The transaction was given up.");
        }
        error
    }

    /// Finds what the conditional references mean, once everything else is decided: resources of the record, or those
    /// that the transaction itself stores.
    async fn references(&mut self, resolved: &mut Resolved) -> Result<(), Refusal> {
        let mut asked: FxHashMap<String, usize> = FxHashMap::default();
        for decided in &resolved.changes {
            let Some(resource) = &decided.resource else { continue };
            each_reference(resource, &mut |reference| {
                if conditional_reference(reference).is_some() {
                    asked.entry(reference.to_owned()).or_insert(decided.change);
                }
            });
        }
        if asked.is_empty() {
            return Ok(());
        }
        let mut asked: Vec<(String, usize)> = asked.into_iter().collect();
        asked.sort_unstable_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let types: FxHashSet<ResourceType> =
            asked.iter().filter_map(|(reference, _)| Some(conditional_reference(reference)?.0)).collect();
        let mut own = Vec::new();
        for decided in resolved.changes.iter().filter(|decided| types.contains(&decided.key.type_)) {
            let Some(resource) = decided.resource.clone() else { continue };
            let linked = resolved.links.applied(resource, decided.full_url.as_deref());
            own.push((decided.change, &decided.key, linked.map_err(refused(decided.change))?));
        }
        let mut written = Written::default();
        for (position, key, resource) in &own {
            written.add(*position, key, self.catalog.registry.extract(resource), None);
        }
        for (reference, at) in asked {
            let Some((type_, query)) = conditional_reference(&reference) else { continue };
            let key = match self.only_match(&mut written, type_, query).await.map_err(refused(at))? {
                Match::Stored(key) | Match::Own(_, key) => key,
                Match::Nothing => {
                    let text = format!("No {type_} matches the conditional reference.");
                    return Err(refused(at)(Error::new(Category::PreconditionFailed, IssueCode::NotFound, text)));
                }
            };
            resolved.links.condition(reference, &key);
        }
        Ok(())
    }
}

/// Whether a query asks for one identifier, whole, and for nothing else.
fn is_number(query: &str) -> bool {
    let Ok(asked) = search::pairs(query) else { return false };
    let [(name, value)] = asked.as_slice() else { return false };
    let whole = value.split_once('|').is_some_and(|(system, value)| !system.is_empty() && !value.is_empty());
    name == "identifier" && whole && !value.contains(',')
}

fn several(type_: ResourceType) -> Error {
    let text = format!("More than one {type_} matches the query; a condition must single out one.");
    Error::new(Category::PreconditionFailed, IssueCode::MultipleMatches, text)
}

fn single(mut keys: Vec<Key>, type_: ResourceType) -> Result<Option<Key>, Error> {
    if keys.len() > 1 { Err(several(type_)) } else { Ok(keys.pop()) }
}

fn update(key: Key, resource: &Value, if_match: Option<u64>, if_absent: bool) -> Result<Action, Error> {
    let resource = with_id(resource, &key.id)?;
    Ok(Action::Update { target: Target::Key(key), resource, if_match, if_absent })
}

fn patched(before: &Value, patch: &Patch) -> Result<Value, Error> {
    match patch {
        Patch::Json(patch) => fhir::patch::json_patch(before, patch),
        Patch::FhirPath(parameters) => fhir::patch::fhirpath_patch(before, parameters),
    }
}
