//! A group of transactions inside one database transaction: what each finds, decides and writes.
//!
//! Grouping changes nothing a caller can see. Each transaction is decided after those before it, is refused alone,
//! and is answered only when the whole group is durable.

use std::collections::hash_map;
use std::sync::Arc;

use bytes::Bytes;
use fhir::search::ParamId;
use fhir::{Category, Error, IssueCode};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::access::sight::Facts;
use crate::access::sight::Sight;
use crate::audit::chain::digest;
use crate::audit::entry::{Entry, Item, patients};
use crate::audit::{self, Act};
use crate::store::batch::*;
use crate::store::names::{Address, Kind, Place, shard_of};
use crate::store::value::{Dialect, SqlValue};
use crate::store::{Catalog, Tools, body};
use crate::transact::prepare::{Operation, address_of, index_rows, prepare, refused};
use crate::transact::resolve::{self, Resolved};
use crate::transact::self_made::Reviews;
use crate::transact::{Applied, Change, Effect, Refusal};
use crate::{Caller, Relation, Version};

/// One transaction on its way to the database.
pub(crate) struct Work {
    pub(crate) caller: Arc<Caller>,
    /// What the caller may see and do; none where no rule about persons applies.
    pub(crate) sight: Option<Arc<Sight>>,
    /// Whether it is a part of the platform that keeps the Tasks of runs or calls people.
    pub(crate) keeps_runs: bool,
    /// From where on the network it was asked for.
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) content: WorkContent,
}

/// How far a transaction has come.
pub(crate) enum WorkContent {
    /// Prepared by the caller's own thread.
    Ready { operations: Vec<Operation>, changes: usize },
    /// Holds conditions or patches, which are decided inside the database transaction.
    Late(Vec<Change>),
    /// No transaction of a caller's: old resources are indexed for a new search parameter.
    Reindex(Arc<Slice>),
    /// Nothing is changed: what was shown and noted goes on the trail.
    Noted(Noted),
}

/// Entries of the trail that were noted outside any transaction.
pub(crate) struct Noted {
    /// The bytes of entries by their number in the journal, in order.
    pub(crate) entries: Vec<(i64, Bytes)>,
    /// The journal they come from, which says in the database how far it has got, so that none goes there twice.
    pub(crate) journal: Option<String>,
}

/// Some resources of a type, to be indexed for one search parameter.
pub(crate) struct Slice {
    pub(crate) type_: crate::ResourceType,
    pub(crate) param: ParamId,
    /// Those with greater rids.
    pub(crate) after: i64,
    /// At most so many.
    pub(crate) most: i64,
    /// The last rid and how many there were; `None` when there were none left.
    pub(crate) reached: Mutex<Option<(i64, u64)>>,
}

/// What a group did, to be announced once it is durable.
pub(crate) struct Done {
    /// An answer to each transaction, in order.
    pub(crate) answers: Vec<Result<Vec<Applied>, Refusal>>,
    /// The last feed position, if anything was written.
    pub(crate) head: Option<u64>,
    /// Words and places made here, to be remembered once they are committed.
    pub(crate) words: Vec<(Kind, Box<str>, i64)>,
    pub(crate) places: Vec<(Address, Place)>,
    /// Whether a search parameter was written, so that the catalog is to be read again.
    pub(crate) catalog_changed: bool,
}

/// Decides and writes a group. An error means that nothing of it may be committed.
pub(crate) async fn commit_group<T: WriteTx>(
    tx: &mut T,
    tools: &Tools,
    catalog: &Catalog,
    works: &[Work],
    at: i64,
) -> Result<Done, Error> {
    let mut group = Group {
        tools,
        catalog,
        at,
        batch: Batch::default(),
        feed: Vec::new(),
        states: FxHashMap::default(),
        pending: FxHashSet::default(),
        places: FxHashMap::default(),
        words: FxHashMap::default(),
        keepers: FxHashMap::default(),
        learned: Vec::new(),
        catalog_changed: false,
        written: Vec::new(),
        relation: None,
        reviews: Reviews::default(),
        trail: Vec::new(),
    };
    let mut ready = Vec::new();
    for work in works {
        if let WorkContent::Ready { operations, .. } = &work.content {
            ready.extend(operations.iter());
        }
    }
    group.locate(tx, &ready).await?;
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        answers.push(group.decide(tx, work).await?);
    }
    let (batch, feed) = (std::mem::take(&mut group.batch), std::mem::take(&mut group.feed));
    let head = tx.finish(batch, &group.trail, feed).await?;
    Ok(Done {
        answers,
        head,
        words: group.words.into_iter().map(|((kind, text), number)| (kind, text, number)).collect(),
        places: group.learned,
        catalog_changed: group.catalog_changed,
    })
}

pub(super) struct Group<'a> {
    pub(super) tools: &'a Tools,
    pub(super) catalog: &'a Catalog,
    pub(super) at: i64,
    batch: Batch,
    feed: Vec<FeedRow>,
    /// What is known of resources, as of the changes decided so far.
    pub(super) states: FxHashMap<i64, Option<Current>>,
    /// Resources that have a row in the batch.
    pending: FxHashSet<i64>,
    places: FxHashMap<Address, Place>,
    words: FxHashMap<(Kind, Box<str>), i64>,
    /// The keepers of resources that others of this group take theirs from.
    pub(super) keepers: FxHashMap<i64, i64>,
    learned: Vec<(Address, Place)>,
    catalog_changed: bool,
    /// What the transaction being decided has written or found, for its entry on the trail.
    written: Vec<Item>,
    /// The relation to its one patient by which the transaction being decided is permitted.
    pub(super) relation: Option<Relation>,
    /// What the transaction being decided leaves to be reviewed, or confirms of it.
    pub(super) reviews: Reviews,
    /// The entries of the trail that are committed with this group.
    trail: Vec<Bytes>,
}

/// Resources named by one entry of the trail. A larger transaction makes several.
const NAMED: usize = 200;

impl Group<'_> {
    /// One transaction. The outer error ends the group, the inner one only this transaction.
    async fn decide<T: WriteTx>(&mut self, tx: &mut T, work: &Work) -> Result<Result<Vec<Applied>, Refusal>, Error> {
        self.relation = None;
        self.reviews = Reviews::default();
        match &work.content {
            WorkContent::Ready { operations, changes } => {
                let mut answers = vec![None; *changes];
                match self.apply(tx, work, operations, &mut answers).await? {
                    Ok(()) => {
                        self.put_reviews(tx, work).await?;
                        self.witness(work);
                        Ok(Ok(complete(answers)?))
                    }
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
            WorkContent::Noted(noted) => {
                self.put_down(tx, noted).await?;
                Ok(Ok(Vec::new()))
            }
            WorkContent::Reindex(slice) => {
                self.flush(tx).await?;
                let reached = self.reindex(tx, slice).await?;
                *slice.reached.lock() = reached;
                Ok(Ok(Vec::new()))
            }
            WorkContent::Late(changes) => {
                // Conditions must see what earlier transactions of this group wrote.
                self.flush(tx).await?;
                let mut answers = vec![None; changes.len()];
                let resolved =
                    match resolve::resolve(tx, self.tools, self.catalog, work.sight.as_deref(), changes).await? {
                        Ok(resolved) => resolved,
                        Err(refusal) => return Ok(Err(refusal)),
                    };
                let Resolved { changes, links, found, same } = resolved;
                for (position, applied) in found {
                    if let Some(version) = &applied.version {
                        self.written.push(Item::shown(version, &self.tools.settings.own));
                    }
                    answers[position] = Some(applied);
                }
                let operations = match prepare(self.tools, self.catalog, changes, &links) {
                    Ok(operations) => operations,
                    Err(refusal) => {
                        self.written.clear();
                        return Ok(Err(refusal));
                    }
                };
                self.locate(tx, &operations.iter().collect::<Vec<_>>()).await?;
                match self.apply(tx, work, &operations, &mut answers).await? {
                    Ok(()) => {
                        for (position, earlier) in same {
                            let made = answers[earlier].clone();
                            answers[position] = made.map(|made| Applied { effect: Effect::Unchanged, ..made });
                        }
                        self.put_reviews(tx, work).await?;
                        self.witness(work);
                        Ok(Ok(complete(answers)?))
                    }
                    Err(refusal) => {
                        self.written.clear();
                        Ok(Err(refusal))
                    }
                }
            }
        }
    }

    /// Puts what a transaction did on the trail.
    fn witness(&mut self, work: &Work) {
        let written = std::mem::take(&mut self.written);
        if self.tools.settings.audit.unaudited {
            return;
        }
        let parts = if written.is_empty() { vec![&[][..]] } else { written.chunks(NAMED).collect() };
        for part in parts {
            let mut entry = Entry::new(&work.caller, Act::Transact, self.at);
            entry.came_from(work.origin.as_deref());
            entry.allowed_by(self.relation);
            if self.reviews.is_self_made() {
                entry.made_its_own_relation();
            }
            entry.count = written.len() as u64;
            entry.items = part.to_vec();
            self.trail.push(entry.to_bytes().into());
        }
    }

    /// Puts noted entries on the trail, without those that are there already.
    async fn put_down<T: WriteTx>(&mut self, tx: &mut T, noted: &Noted) -> Result<(), Error> {
        let reached = match &noted.journal {
            Some(journal) => audit::reached(tx, journal).await?,
            None => i64::MIN,
        };
        let fresh = noted.entries.iter().filter(|(number, _)| *number > reached);
        self.trail.extend(fresh.map(|(_, entry)| entry.clone()));
        match (&noted.journal, noted.entries.last()) {
            (Some(journal), Some((last, _))) if *last > reached => audit::reach(tx, journal, *last).await,
            _ => Ok(()),
        }
    }

    /// Finds or makes the rids of everything the operations write or refer to, and the state of what they write.
    pub(super) async fn locate<T: WriteTx>(&mut self, tx: &mut T, operations: &[&Operation]) -> Result<(), Error> {
        let mut wanted: FxHashMap<Address, Wanted> = FxHashMap::default();
        for operation in operations {
            let address = address_of(&operation.key);
            let home = operation.content.as_ref().map_or_else(|| shard_of(&operation.key.to_string()), |c| c.shard);
            let want = Wanted { address: address.clone(), home, lock: true, fresh: operation.fresh };
            wanted.insert(address, want);
        }
        let contents = || operations.iter().filter_map(|operation| operation.content.as_ref());
        for address in contents().flat_map(|content| content.belongings.names()) {
            if let hash_map::Entry::Vacant(vacant) = wanted.entry(address.clone()) {
                let home = home_of(address);
                vacant.insert(Wanted { address: address.clone(), home, lock: false, fresh: false });
            }
        }
        let rows: Vec<&IndexRow> = contents().flat_map(|content| &content.rows).collect();
        self.make_known(tx, wanted, &rows).await
    }

    /// Finds or makes what is wanted and whatever the rows point at, and numbers their words.
    async fn make_known<T: WriteTx>(
        &mut self,
        tx: &mut T,
        mut wanted: FxHashMap<Address, Wanted>,
        rows: &[&IndexRow],
    ) -> Result<(), Error> {
        let mut words: FxHashSet<(Kind, Box<str>)> = FxHashSet::default();
        for row in rows {
            for address in row.names() {
                if let hash_map::Entry::Vacant(vacant) = wanted.entry(address.clone()) {
                    let home = home_of(address);
                    vacant.insert(Wanted { address: address.clone(), home, lock: false, fresh: false });
                }
            }
            match row {
                IndexRow::Token { system: Word::Text(text), .. }
                | IndexRow::Quantity { system: Word::Text(text), .. } => {
                    words.insert((Kind::System, text.clone()));
                }
                _ => {}
            }
        }
        wanted.retain(|address, want| want.lock || !self.places.contains_key(address));
        // One order for all processes, so that two groups that want the same names wait instead of dead-locking.
        let mut wanted: Vec<Wanted> = wanted.into_values().collect();
        wanted.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        let places = tx.locate(&wanted).await?;
        let mut locked = Vec::new();
        for (want, place) in wanted.into_iter().zip(places) {
            if want.lock {
                if want.fresh {
                    self.states.insert(place.rid, None);
                } else if !self.states.contains_key(&place.rid) {
                    locked.push(place.rid);
                }
            }
            self.learned.push((want.address.clone(), place));
            self.places.insert(want.address, place);
        }
        let states = tx.current(&locked).await?;
        self.states.extend(locked.into_iter().zip(states));
        self.number(tx, words).await
    }

    /// Indexes some stored resources for one parameter, anew if they were indexed for it before.
    async fn reindex<T: WriteTx>(&mut self, tx: &mut T, slice: &Slice) -> Result<Option<(i64, u64)>, Error> {
        let (lock, among) = match tx.dialect() {
            Dialect::Sqlite => ("", "IN (SELECT value FROM rarray($1))"),
            Dialect::Postgres => ("FOR UPDATE", "= ANY($1)"),
        };
        let sql = format!(
            "SELECT rid, shard, body FROM resource WHERE type = $1 AND rid > $2 AND body IS NOT NULL \
             ORDER BY rid LIMIT $3 {lock}"
        );
        let found = tx.rows(&sql, &[slice.type_.number().into(), slice.after.into(), slice.most.into()]).await?;
        let Some(last) = found.last() else { return Ok(None) };
        let mut indexed = Vec::with_capacity(found.len());
        for row in &found {
            let Some(bytes) = row.bytes_or_null(2)? else { continue };
            let resource = fhir::json::parse(&body::unpack(bytes)?)?;
            let rows = index_rows(self.tools, self.catalog, &resource, slice.param);
            indexed.push((row.int(0)?, row.int(1)?, rows));
        }
        let rids = SqlValue::Ints(indexed.iter().map(|(rid, ..)| *rid).collect());
        let param = SqlValue::Int(self.catalog.number(slice.param));
        for table in INDEX_TABLES {
            let sql = format!("DELETE FROM {table} WHERE rid {among} AND param = $2");
            tx.rows(&sql, &[rids.clone(), param.clone()]).await?;
        }
        let rows: Vec<&IndexRow> = indexed.iter().flat_map(|(_, _, rows)| rows).collect();
        self.make_known(tx, FxHashMap::default(), &rows).await?;
        for (rid, shard, rows) in &indexed {
            for row in rows {
                self.index(*rid, *shard, row)?;
            }
        }
        let count = u64::try_from(found.len()).map_err(Error::fault)?;
        Ok(Some((last.int(0)?, count)))
    }

    async fn number<T: WriteTx>(&mut self, tx: &mut T, words: FxHashSet<(Kind, Box<str>)>) -> Result<(), Error> {
        for kind in [Kind::System, Kind::Actor] {
            let mut missing: Vec<Box<str>> = words
                .iter()
                .filter(|word| word.0 == kind && !self.words.contains_key(*word))
                .map(|(_, text)| text.clone())
                .collect();
            if missing.is_empty() {
                continue;
            }
            missing.sort_unstable();
            let numbers = tx.number(kind, &missing).await?;
            self.words.extend(missing.into_iter().map(|text| (kind, text)).zip(numbers));
        }
        Ok(())
    }

    /// Checks every operation of a transaction, then puts all of them into the batch.
    pub(super) async fn apply<T: WriteTx>(
        &mut self,
        tx: &mut T,
        work: &Work,
        operations: &[Operation],
        answers: &mut [Option<Applied>],
    ) -> Result<Result<(), Refusal>, Error> {
        // What a machine writes, no rule about persons decides.
        let sight = work.sight.as_deref().filter(|sight| !sight.is_machine);
        let beside = self.facts_beside(tx, sight, operations).await?;
        let hidden = match sight {
            None => FxHashSet::default(),
            Some(sight) => match self.permit(tx, sight, operations, &beside).await? {
                Ok(hidden) => hidden,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        if !work.keeps_runs {
            let seen = operations.iter().filter(|operation| !hidden.contains(&operation.change));
            if let Err(refusal) = self.leave_alone(tx, seen).await? {
                return Ok(Err(refusal));
            }
        }
        for operation in operations {
            let state = self.state(operation)?.filter(|_| !hidden.contains(&operation.change));
            if let Err(error) = check(operation, state) {
                return Ok(Err(refused(operation.change)(error)));
            }
        }
        let caller = &work.caller;
        let actor = self.actor(tx, &caller.actor).await?;
        let purpose = self.actor(tx, &caller.purpose).await?;
        for (operation, facts) in operations.iter().zip(beside) {
            if hidden.contains(&operation.change) {
                // Only a deletion comes here: what is not there for the caller need not be deleted.
                answers[operation.change] = Some(Applied { effect: Effect::Unchanged, version: None });
                continue;
            }
            let rid = self.place(&address_of(&operation.key))?.rid;
            if self.pending.contains(&rid) {
                self.flush(tx).await?;
            }
            let applied = self.plan(operation, facts, caller, actor, purpose)?;
            self.name(tx, operation, rid, &applied).await?;
            answers[operation.change] = Some(applied);
        }
        Ok(Ok(()))
    }

    /// Names what was written, for the trail.
    async fn name<T: WriteTx>(
        &mut self,
        tx: &mut T,
        operation: &Operation,
        rid: i64,
        applied: &Applied,
    ) -> Result<(), Error> {
        let Some(version) = &applied.version else { return Ok(()) };
        let own = &self.tools.settings.own;
        let mut item = Item::shown(version, own);
        item.method = Some(operation.method);
        match &version.body {
            Some(json) => item.digest = Some(digest(json)),
            None => {
                // Whose it was stands in what is deleted; it is not written over before this batch is flushed.
                let found = tx.rows("SELECT body FROM resource WHERE rid = $1", &[rid.into()]).await?;
                if let Some(stored) = found.first().map(|row| row.bytes_or_null(0)).transpose()?.flatten() {
                    patients(own, &version.key, &body::unpack(stored)?, &mut item.patients);
                }
            }
        }
        self.written.push(item);
        Ok(())
    }

    async fn actor<T: WriteTx>(&mut self, tx: &mut T, text: &str) -> Result<i64, Error> {
        if let Some(number) = self.tools.names.word(Kind::Actor, text) {
            return Ok(number);
        }
        let word = (Kind::Actor, Box::from(text));
        if !self.words.contains_key(&word) {
            self.number(tx, FxHashSet::from_iter([word.clone()])).await?;
        }
        Ok(self.words[&word])
    }

    pub(super) fn place(&self, address: &Address) -> Result<Place, Error> {
        self.places.get(address).copied().ok_or_else(|| Error::fault("a name was not located before it was written"))
    }

    pub(super) fn state(&self, operation: &Operation) -> Result<Option<Current>, Error> {
        let place = self.place(&address_of(&operation.key))?;
        Ok(self.states.get(&place.rid).copied().flatten())
    }

    fn plan(
        &mut self,
        operation: &Operation,
        facts: Facts,
        caller: &Caller,
        actor: i64,
        purpose: i64,
    ) -> Result<Applied, Error> {
        let (state, rid) = (self.state(operation)?, facts.rid);
        let absent = state.is_none_or(|state| state.deleted);
        if operation.content.is_none() && absent {
            return Ok(Applied { effect: Effect::Unchanged, version: None });
        }
        let number = state.map_or(1, |state| state.version + 1);
        let shard = match (&operation.content, state) {
            (Some(content), _) => i64::from(content.shard),
            (None, Some(state)) => state.shard,
            (None, None) => i64::from(shard_of(&operation.key.to_string())),
        };
        let json = operation.content.as_ref().map(|content| Bytes::from(content.json(number, self.at)));
        let effect = match (&operation.content, absent) {
            (None, _) => Effect::Deleted,
            (Some(_), true) => Effect::Created,
            (Some(_), false) => Effect::Updated,
        };
        let address = address_of(&operation.key);
        let known_home = self.place(&address)?.home;
        if i64::from(known_home) != shard {
            let home = i32::try_from(shard).map_err(Error::fault)?;
            self.batch.moved.push((address.clone(), shard));
            self.places.insert(address.clone(), Place { rid, home });
            self.learned.push((address, Place { rid, home }));
        }
        if state.is_some_and(|state| !state.deleted) {
            self.batch.unindex.push(rid);
        }
        if let Some(content) = &operation.content {
            for row in &content.rows {
                match row {
                    IndexRow::Tie(tie) => {
                        let row = self.tie(&facts, shard, tie)?;
                        // Two that differ in their end alone are one that ends with the later.
                        let mut own = self.batch.ties.iter_mut().rev().take_while(|other| other.rid == rid);
                        match own.find(|other| other.is_but_for_its_end(&row)) {
                            Some(other) => other.hi = other.hi.max(row.hi),
                            None => self.batch.ties.push(row),
                        }
                    }
                    row => self.index(rid, shard, row)?,
                }
            }
        }
        let (type_, method) = (operation.key.type_.number(), operation.method.number());
        self.batch.resources.push(ResourceRow {
            rid,
            shard,
            type_,
            id: operation.key.id.as_str().into(),
            version: number,
            at: self.at,
            method,
            body: json.as_deref().map(body::pack),
            facts,
            replaces: state.is_some(),
        });
        self.feed.push(FeedRow {
            shard,
            rid,
            type_,
            version: number,
            at: self.at,
            method,
            actor,
            purpose,
            request: caller.request.as_str().into(),
        });
        self.pending.insert(rid);
        self.states.insert(rid, Some(Current { version: number, shard, deleted: json.is_none(), facts }));
        // A new one that is not in force changes nothing; one that was there may have been.
        let in_force = operation.content.as_ref().is_some_and(|content| content.in_force);
        self.catalog_changed |= operation.key.type_.name() == "SearchParameter" && (in_force || !absent);
        let version = u64::try_from(number).map_err(Error::fault)?;
        let key = operation.key.clone();
        Ok(Applied {
            effect,
            version: Some(Version { key, version, at: self.at, method: operation.method, body: json }),
        })
    }

    fn index(&mut self, rid: i64, shard: i64, row: &IndexRow) -> Result<(), Error> {
        match row {
            IndexRow::Token { param, group, system, code, near } => {
                let system = self.word(system)?;
                let (code, near) = (code.clone(), i64::from(*near));
                self.batch.tokens.push(TokenRow { rid, param: *param, group: *group, code, system, shard, near });
            }
            IndexRow::Reference { param, group, target, target_type } => {
                let target = match target {
                    Pointer::Rid(rid) => *rid,
                    Pointer::Name(address) => self.place(address)?.rid,
                };
                let (param, group, target_type) = (*param, *group, *target_type);
                self.batch.references.push(ReferenceRow { rid, param, group, target, target_type, shard });
            }
            IndexRow::Text { param, group, folded, exact } => {
                let (folded, exact) = (folded.clone(), exact.clone());
                self.batch.texts.push(TextRow { rid, param: *param, group: *group, folded, exact, shard });
            }
            IndexRow::Date { param, group, lo, hi } => {
                self.batch.dates.push(DateRow { rid, param: *param, group: *group, lo: *lo, hi: *hi, shard });
            }
            IndexRow::Quantity { param, group, lo, hi, system, code } => {
                let system = self.word(system)?;
                let (param, group, code) = (*param, *group, code.clone());
                self.batch.quantities.push(QuantityRow { rid, param, group, lo: *lo, hi: *hi, system, code, shard });
            }
            IndexRow::Tie(_) => return Err(Error::fault("a tie is no value of a search parameter")),
        }
        Ok(())
    }

    fn word(&self, word: &Word) -> Result<i64, Error> {
        match word {
            Word::Number(number) => Ok(*number),
            Word::Text(text) => {
                let number = self.words.get(&(Kind::System, text.clone())).copied();
                number.ok_or_else(|| Error::fault("a word was not numbered before it was written"))
            }
        }
    }

    pub(super) async fn flush<T: WriteTx>(&mut self, tx: &mut T) -> Result<(), Error> {
        self.pending.clear();
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { tx.write(batch).await }
    }
}

/// The shard of a name nothing is stored under yet.
pub(crate) fn home_of(address: &Address) -> i32 {
    match crate::ResourceType::numbered(address.type_) {
        Some(type_) => shard_of(&format!("{type_}/{}", address.id)),
        None => shard_of(&address.id),
    }
}

fn complete(answers: Vec<Option<Applied>>) -> Result<Vec<Applied>, Error> {
    let answers: Option<Vec<Applied>> = answers.into_iter().collect();
    answers.ok_or_else(|| Error::fault("a change was left without an answer"))
}

/// Whether an operation may be done on what is there.
fn check(operation: &Operation, state: Option<Current>) -> Result<(), Error> {
    let present = state.filter(|state| !state.deleted);
    if operation.if_absent && present.is_some() {
        let text = format!("{} is there already.", operation.key);
        return Err(Error::new(Category::PreconditionFailed, IssueCode::Duplicate, text));
    }
    let Some(expected) = operation.if_match else { return Ok(()) };
    match state.map(|state| state.version) {
        Some(version) if u64::try_from(version) == Ok(expected) => Ok(()),
        Some(version) => {
            let text = format!(
                "{} is at version {version}, not {expected}. Read it again and repeat the change on what is there now.",
                operation.key
            );
            Err(Error::new(Category::PreconditionFailed, IssueCode::Conflict, text))
        }
        None => {
            let text = format!("There is no {} whose version could match.", operation.key);
            Err(Error::new(Category::PreconditionFailed, IssueCode::NotFound, text))
        }
    }
}
