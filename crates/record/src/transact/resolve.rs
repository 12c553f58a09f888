//! Conditions and patches, decided inside the database transaction that acts on them.
//! <http://hl7.org/fhir/R4/http.html#cond-update>

use fhir::json::{self, Value};
use fhir::{Category, Error, IssueCode};
use rustc_hash::FxHashMap;
use sonic_rs::JsonValueTrait;

use crate::access::sight::Sight;
use crate::search;
use crate::store::batch::{Wanted, WriteTx};
use crate::store::{Catalog, Tools, reads};
use crate::transact::commit::home_of;
use crate::transact::prepare::{address_of, conditional_reference, each_reference, refused, rename, type_of, with_id};
use crate::transact::{Action, Applied, Change, Effect, Patch, Refusal, Target};
use crate::{Key, Method, ResourceType, Version};

/// A transaction without conditions.
pub(crate) struct Resolved {
    /// The changes left to do.
    pub(crate) changes: Vec<Change>,
    /// The position each of them had.
    pub(crate) positions: Vec<usize>,
    /// Answers that are known already, by position.
    pub(crate) found: Vec<(usize, Applied)>,
    /// How a change is to be recorded where its action no longer says so.
    pub(crate) methods: Vec<Option<Method>>,
}

/// Decides the conditions of a transaction. The outer error ends the group, the inner one only this transaction.
pub(crate) async fn resolve<T: WriteTx>(
    tx: &mut T,
    tools: &Tools,
    catalog: &Catalog,
    sight: Option<&Sight>,
    changes: &[Change],
) -> Result<Result<Resolved, Refusal>, Error> {
    for type_ in conditional_types(changes) {
        tx.lock_type(type_.number()).await?;
    }
    let mut resolver = Resolver { tx, tools, catalog, sight, renamed: FxHashMap::default(), broken: None };
    let mut resolved = Resolved { changes: Vec::new(), positions: Vec::new(), found: Vec::new(), methods: Vec::new() };
    for (position, change) in changes.iter().enumerate() {
        let step = resolver.step(change).await;
        if let Some(error) = resolver.broken.take() {
            return Err(error);
        }
        match step {
            Err(error) => return Ok(Err(refused(position)(error))),
            Ok(Step::Found(applied)) => resolved.found.push((position, applied)),
            Ok(Step::Do(change, method)) => {
                resolved.changes.push(change);
                resolved.positions.push(position);
                resolved.methods.push(method);
            }
        }
    }
    let renamed = std::mem::take(&mut resolver.renamed);
    for (change, position) in resolved.changes.iter_mut().zip(&resolved.positions) {
        let (Action::Create { resource, .. } | Action::Update { resource, .. }) = &mut change.action else { continue };
        let outcome = resolver.references(resource, &renamed).await;
        if let Some(error) = resolver.broken.take() {
            return Err(error);
        }
        if let Err(error) = outcome {
            return Ok(Err(refused(*position)(error)));
        }
    }
    Ok(Ok(resolved))
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
    Do(Change, Option<Method>),
}

struct Resolver<'a, T> {
    tx: &'a mut T,
    tools: &'a Tools,
    catalog: &'a Catalog,
    /// Conditions are decided over what the caller may see.
    sight: Option<&'a Sight>,
    /// The names of entries whose resource was there already.
    renamed: FxHashMap<String, String>,
    /// A failure of the database rather than of the request.
    broken: Option<Error>,
}

impl<T: WriteTx> Resolver<'_, T> {
    async fn step(&mut self, change: &Change) -> Result<Step, Error> {
        let again = |action| Change { full_url: change.full_url.clone(), action };
        match &change.action {
            Action::Create { resource, if_none_exist } => {
                if let Some(query) = if_none_exist
                    && let Some(key) = self.only_match(type_of(resource)?, query).await?
                {
                    let version = self.current(&key).await?;
                    if let Some(full_url) = &change.full_url {
                        self.renamed.insert(full_url.clone(), key.to_string());
                    }
                    return Ok(Step::Found(Applied { effect: Effect::Unchanged, version }));
                }
                let action = Action::Create { resource: resource.clone(), if_none_exist: None };
                Ok(Step::Do(again(action), None))
            }
            Action::Update { target: Target::Key(_), .. } | Action::Delete { target: Target::Key(_), .. } => {
                Ok(Step::Do(change.clone(), None))
            }
            Action::Update { target: Target::Query(type_, query), resource, if_match, if_absent } => {
                let sent = resource.get("id").and_then(|id| id.as_str()).map(str::to_owned);
                let action = match (self.only_match(*type_, query).await?, sent) {
                    (Some(key), Some(sent)) if sent != key.id => {
                        let text = format!("The query matches {key}, but the resource has another id.");
                        return Err(Error::invalid(text).at(format!("{type_}.id")));
                    }
                    (Some(key), _) => update(key, resource, *if_match, *if_absent)?,
                    (None, Some(sent)) => update(Key::new(*type_, sent), resource, *if_match, true)?,
                    (None, None) => Action::Create { resource: resource.clone(), if_none_exist: None },
                };
                Ok(Step::Do(again(action), None))
            }
            Action::Patch { target, patch, if_match } => {
                let key = match target {
                    Target::Key(key) => key.clone(),
                    Target::Query(type_, query) => self.only_match(*type_, query).await?.ok_or_else(|| {
                        Error::not_found(format!("No {type_} matches the query, so there is nothing to change."))
                    })?,
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
                Ok(Step::Do(again(action), Some(Method::Patch)))
            }
            Action::Delete { target: Target::Query(type_, query), if_match } => {
                match self.only_match(*type_, query).await? {
                    Some(key) => {
                        Ok(Step::Do(again(Action::Delete { target: Target::Key(key), if_match: *if_match }), None))
                    }
                    None => Ok(Step::Found(Applied { effect: Effect::Unchanged, version: None })),
                }
            }
        }
    }

    /// The one resource that matches, if any.
    async fn only_match(&mut self, type_: ResourceType, query: &str) -> Result<Option<Key>, Error> {
        if query.trim().is_empty() {
            let text = "A condition names at least one search parameter.";
            return Err(Error::new(Category::PreconditionFailed, IssueCode::Required, text));
        }
        let criteria = search::criteria(self.tools, self.catalog, type_, query)?;
        let mut keys = match search::keys(self.tx, self.tools, self.catalog, self.sight, &criteria, 2).await {
            Ok(keys) => keys,
            Err(error) => return Err(self.fails(error)),
        };
        match keys.len() {
            0 => Ok(None),
            1 => Ok(keys.pop()),
            _ => {
                let text = format!("More than one {type_} matches the query; a condition must single out one.");
                Err(Error::new(Category::PreconditionFailed, IssueCode::MultipleMatches, text))
            }
        }
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

    /// Turns conditional references, and references to entries that were there already, into plain ones.
    async fn references(&mut self, resource: &mut Value, renamed: &FxHashMap<String, String>) -> Result<(), Error> {
        let mut conditions = Vec::new();
        each_reference(resource, &mut |reference| {
            if conditional_reference(reference).is_some() {
                conditions.push(reference.to_owned());
            }
        });
        let mut plain = renamed.clone();
        for reference in conditions {
            let Some((type_, query)) = conditional_reference(&reference) else { continue };
            let key = self.only_match(type_, query).await?.ok_or_else(|| {
                let text = format!("No {type_} matches the conditional reference.");
                Error::new(Category::PreconditionFailed, IssueCode::NotFound, text)
            })?;
            plain.insert(reference, key.to_string());
        }
        if !plain.is_empty() {
            *resource = rename(resource, &plain)?;
        }
        Ok(())
    }
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
