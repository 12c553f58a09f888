//! What stands beside each version that is written, and whether the caller may write it.

use fhir::{Category, Error, IssueCode};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::access::facts::{Party, SEVERAL, Subject, Tie};
use crate::access::sight::{Act, Facts, Held, Sight};
use crate::access::{self, forbidden};
use crate::store::batch::{IndexRow, Pointer, TieRow, WriteTx};
use crate::transact::Refusal;
use crate::transact::commit::Group;
use crate::transact::prepare::{Operation, address_of, refused};

fn keeps_its_labels(operation: &Operation) -> Error {
    let text = format!(
        "You may change this {}, but not take a label off it that others need a grant for. It takes whoever judges that.",
        operation.key.type_
    );
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

impl Group<'_> {
    fn numbered(&self, pointer: &Pointer) -> Result<i64, Error> {
        match pointer {
            Pointer::Rid(rid) => Ok(*rid),
            Pointer::Name(address) => self.place(address).map(|place| place.rid),
        }
    }

    /// The facts of each operation's resource as it will be; of one that is deleted, as it was.
    ///
    /// A resource stays with the organization whose it is. What a post makes is its organization's; what the platform
    /// or a machine makes is that of the organization it names, or of the visit it belongs to.
    pub(super) async fn facts_beside<T: WriteTx>(
        &mut self,
        tx: &mut T,
        sight: Option<&Sight>,
        operations: &[Operation],
    ) -> Result<Vec<Facts>, Error> {
        let mut beside = Vec::with_capacity(operations.len());
        let mut borrowing = Vec::new();
        for (at, operation) in operations.iter().enumerate() {
            let rid = self.place(&address_of(&operation.key))?.rid;
            let was = self.state(operation)?.map(|state| state.facts).unwrap_or_default();
            let type_ = operation.key.type_.number();
            let Some(content) = &operation.content else {
                beside.push(Facts { rid, type_, ..was });
                continue;
            };
            let belongings = &content.belongings;
            let subject = match &belongings.subject {
                Subject::Nobody => 0,
                Subject::Several => SEVERAL,
                Subject::One(pointer) => self.numbered(pointer)?,
            };
            let named = belongings.keeper.as_ref().map(|pointer| self.numbered(pointer)).transpose()?;
            let keeper = match sight {
                None => named.unwrap_or(was.keeper),
                Some(_) if was.keeper != 0 => was.keeper,
                Some(sight) => sight.home,
            };
            if let (None, 0, Some(through)) = (sight, keeper, &belongings.through) {
                borrowing.push((at, self.numbered(through)?));
            }
            beside.push(Facts { rid, type_, subject, keeper, label: belongings.label });
        }
        self.borrow(tx, &mut beside, &borrowing).await?;
        Ok(beside)
    }

    /// Gives resources the keeper of others: of this transaction, of this group, or stored before.
    async fn borrow<T: WriteTx>(
        &mut self,
        tx: &mut T,
        beside: &mut [Facts],
        borrowing: &[(usize, i64)],
    ) -> Result<(), Error> {
        if borrowing.is_empty() {
            return Ok(());
        }
        let here: FxHashMap<i64, i64> = beside.iter().map(|facts| (facts.rid, facts.keeper)).collect();
        let known = |group: &Self, rid: i64| {
            let written = group.states.get(&rid).map(|state| state.map_or(0, |state| state.facts.keeper));
            here.get(&rid).copied().or(written).or_else(|| group.keepers.get(&rid).copied())
        };
        let lenders = borrowing.iter().map(|(_, rid)| *rid).filter(|rid| known(self, *rid).is_none());
        let lenders: Vec<i64> = lenders.collect::<FxHashSet<_>>().into_iter().collect();
        if !lenders.is_empty() {
            let states = tx.current(&lenders).await?;
            let keepers = states.into_iter().map(|state| state.map_or(0, |state| state.facts.keeper));
            self.keepers.extend(lenders.into_iter().zip(keepers));
        }
        for (at, rid) in borrowing {
            beside[*at].keeper = known(self, *rid).unwrap_or_default();
        }
        Ok(())
    }

    /// A tie as it is stored.
    pub(super) fn tie(&self, facts: &Facts, shard: i64, tie: &Tie) -> Result<TieRow, Error> {
        let party = match &tie.party {
            Party::Everyone => 0,
            // Nobody has the number -1, so that what nobody keeps leads to nobody.
            Party::Keeper if facts.keeper == 0 => -1,
            Party::Keeper => facts.keeper,
            Party::One(pointer) => self.numbered(pointer)?,
        };
        let (kind, subject, hi) = (tie.kind.number(), self.numbered(&tie.subject)?, tie.hi.from(self.at));
        Ok(TieRow { rid: facts.rid, kind, subject, party, what: tie.what, mask: tie.mask, lo: tie.lo, hi, shard })
    }

    /// Whether the caller may do all of this. Answers with the changes whose resource is not there for the caller.
    ///
    /// What is hidden is as if it were absent. So that its absence cannot be told from its presence, people store only
    /// under ids the record makes, or where they see that something is.
    pub(super) async fn permit<T: WriteTx>(
        &mut self,
        tx: &mut T,
        sight: &Sight,
        operations: &[Operation],
        beside: &[Facts],
    ) -> Result<Result<FxHashSet<usize>, Refusal>, Error> {
        // Ties that earlier transactions of this group make must be found.
        self.flush(tx).await?;
        let mut facts = beside.to_vec();
        for operation in operations {
            facts.extend(self.state(operation)?.map(|state| state.facts));
        }
        let subjects: Vec<i64> = facts.iter().map(|facts| facts.subject).collect();
        let rids: Vec<i64> = beside.iter().map(|facts| facts.rid).collect();
        let before = access::ties(tx, &subjects, &rids, sight.now).await?;
        let mut hidden = FxHashSet::default();
        let mut open = Vec::new();
        for (operation, will_be) in operations.iter().zip(beside) {
            let was = self.state(operation)?;
            let seen = was.filter(|state| sight.allows(Act::Read, &state.facts, &before));
            let refuse = refused(operation.change);
            match (seen, &operation.content) {
                (None, None) => drop(hidden.insert(operation.change)),
                (None, Some(_)) if !operation.fresh => {
                    let text = format!(
                        "There is no {} that you can change. Create it with POST, which gives it an id.",
                        operation.key
                    );
                    return Ok(Err(refuse(Error::not_found(text))));
                }
                (None, Some(_)) => {
                    if let Some(error) = self.barred(tx, operation, None, will_be).await? {
                        return Ok(Err(refuse(error)));
                    }
                    open.push((operation, will_be));
                }
                (Some(state), content) => {
                    if !sight.allows(Act::Write, &state.facts, &before) {
                        return Ok(Err(refuse(forbidden(sight, Act::Write, operation.key.type_))));
                    }
                    if content.is_some() {
                        let lost = state.facts.label & !will_be.label;
                        if !sight.may_take_off(lost, &state.facts, &before) {
                            return Ok(Err(refuse(keeps_its_labels(operation))));
                        }
                        if let Some(error) = self.barred(tx, operation, Some(&state), will_be).await? {
                            return Ok(Err(refuse(error)));
                        }
                        open.push((operation, will_be));
                    }
                }
            }
        }
        // What one resource of a transaction makes possible another of it may use: a visit and what is found on it.
        let held_before = before.len();
        let mut ties = before;
        while !open.is_empty() {
            let (permitted, left): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, facts)| sight.allows(Act::Write, facts, &ties));
            if let (true, Some((operation, _))) = (permitted.is_empty(), left.first()) {
                return Ok(Err(refused(operation.change)(forbidden(sight, Act::Write, operation.key.type_))));
            }
            for (operation, facts) in permitted {
                let made = self.held(operation, facts)?;
                ties.extend(made.into_iter().filter(|tie| tie.lo <= sight.now && sight.now < tie.hi));
            }
            open = left;
        }
        let mut patients: Vec<i64> = beside.iter().map(|facts| facts.subject).filter(|subject| *subject > 0).collect();
        patients.sort_unstable();
        patients.dedup();
        if let [patient] = patients[..] {
            let of_patient = beside.iter().filter(|facts| facts.subject == patient);
            self.relation = of_patient.filter_map(|facts| sight.way(Act::Write, facts, &ties)).next();
        }
        let (known, made) = ties.split_at(held_before);
        self.reviews = self.reviews_of(tx, sight, operations, beside, known, made).await?;
        Ok(Ok(hidden))
    }

    /// The ties an operation makes.
    fn held(&self, operation: &Operation, facts: &Facts) -> Result<Vec<Held>, Error> {
        let rows = operation.content.iter().flat_map(|content| &content.rows);
        let ties = rows.filter_map(|row| match row {
            IndexRow::Tie(tie) => Some(tie),
            _ => None,
        });
        ties.map(|tie| {
            let row = self.tie(facts, 0, tie)?;
            let (rid, subject, party, what, mask) = (row.rid, row.subject, row.party, row.what, row.mask);
            Ok(Held { rid, kind: tie.kind, subject, party, what, mask, lo: row.lo, hi: row.hi })
        })
        .collect()
    }
}
