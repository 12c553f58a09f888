//! Functions on collections: existence, filtering, subsets, combinations.
//!
//! <http://hl7.org/fhirpath/N1/#existence>

use std::cmp::Ordering;

use super::compare;
use super::evaluator::{Evaluator, Outcome, Scope, maybe, one, truth};
use super::function::Function;
use super::item::{Item, Items};
use super::syntax::{Call, Expr};
use crate::Error;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn on_collection(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use Function as F;
        let argument = call.arguments.first();
        match (call.function, argument) {
            (F::Empty, _) => Ok(truth(input.is_empty())),
            (F::Exists, None) => Ok(truth(!input.is_empty())),
            (F::Exists, Some(criterion)) => {
                Ok(truth(self.position(&input, criterion, scope, |value| value == Some(true))?.is_some()))
            }
            (F::All, Some(criterion)) => {
                Ok(truth(self.position(&input, criterion, scope, |value| value != Some(true))?.is_none()))
            }
            (F::AllTrue | F::AnyTrue | F::AllFalse | F::AnyFalse, _) => self.quantify(call.function, &input),
            (F::Count, _) => Ok(one(Item::Integer(input.len() as i64))),
            (F::Distinct, _) => self.distinct(input),
            (F::IsDistinct, _) => {
                let count = input.len();
                Ok(truth(self.distinct(input)?.len() == count))
            }
            (F::Where, Some(criterion)) => self.filter(input, criterion, scope),
            (F::Select, Some(projection)) => self.select(input, projection, scope),
            (F::Repeat, Some(projection)) => self.repeat(input, projection, scope),
            (F::Single, _) => Ok(maybe(self.single(&input)?.cloned())),
            (F::First, _) => Ok(input.into_iter().next().into_iter().collect()),
            (F::Last, _) => Ok(input.into_iter().next_back().into_iter().collect()),
            (F::Tail, _) => Ok(input.into_iter().skip(1).collect()),
            (F::Sort, _) => self.sort(call, input, scope),
            (F::Aggregate, Some(step)) => {
                let mut total = match call.arguments.get(1) {
                    Some(start) => self.eval(start, scope)?,
                    None => Items::new(),
                };
                for (index, item) in input.into_iter().enumerate() {
                    let inner = Scope { this: one(item), index: Some(index), total: Some(total) };
                    total = self.eval(step, &inner)?;
                    self.charge(total.len())?;
                }
                Ok(total)
            }
            (F::Coalesce, _) => {
                for argument in &call.arguments {
                    let found = self.eval(argument, scope)?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(Items::new())
            }
            (function, Some(argument)) => {
                let other = self.eval(argument, scope)?;
                self.combined(function, input, other)
            }
            (function, None) => Err(Error::invalid(format!("{}() wants an argument.", function.name()))),
        }
    }

    /// The functions of two collections.
    fn combined(&mut self, function: Function, mut input: Items<'a>, other: Items<'a>) -> Outcome<'a> {
        use Function as F;
        match function {
            F::SubsetOf => self.is_subset(&input, &other),
            F::SupersetOf => self.is_subset(&other, &input),
            F::Skip | F::Take => {
                let Some(count) = self.integer(&other)? else { return Ok(Items::new()) };
                let count = usize::try_from(count).unwrap_or(0);
                Ok(match function {
                    F::Skip => input.into_iter().skip(count).collect(),
                    _ => input.into_iter().take(count).collect(),
                })
            }
            F::Intersect => {
                self.charge_pairs(&input, &other)?;
                input.retain(|item| self.has(&other, item));
                self.distinct(input)
            }
            F::Exclude => {
                self.charge_pairs(&input, &other)?;
                input.retain(|item| !self.has(&other, item));
                Ok(input)
            }
            F::Union => self.union(input, other),
            F::Combine => {
                self.charge(input.len() + other.len())?;
                input.extend(other);
                Ok(input)
            }
            _ => Err(Error::unsupported(format!("{}() is not available here.", function.name()))),
        }
    }

    fn charge_pairs(&mut self, left: &[Item<'a>], right: &[Item<'a>]) -> Result<(), Error> {
        self.charge(left.len().saturating_mul(right.len()))
    }

    fn has(&self, collection: &[Item<'a>], wanted: &Item<'a>) -> bool {
        collection.iter().any(|item| compare::equal(self.definitions, item, wanted) == Some(true))
    }

    fn is_subset(&mut self, part: &[Item<'a>], whole: &[Item<'a>]) -> Outcome<'a> {
        self.charge_pairs(part, whole)?;
        Ok(truth(part.iter().all(|item| self.has(whole, item))))
    }

    pub(super) fn distinct(&mut self, input: Items<'a>) -> Outcome<'a> {
        self.union(Items::new(), input)
    }

    /// Both collections without repetitions, in the order of their first appearance.
    pub(super) fn union(&mut self, left: Items<'a>, right: Items<'a>) -> Outcome<'a> {
        let mut found = Items::new();
        for item in left.into_iter().chain(right) {
            self.charge(found.len())?;
            if !self.has(&found, &item) {
                found.push(item);
            }
        }
        Ok(found)
    }

    /// Evaluates `criterion` on each item until its truth value is what is looked for.
    fn position(
        &mut self,
        input: &[Item<'a>],
        criterion: &Expr,
        scope: &Scope<'a>,
        wanted: impl Fn(Option<bool>) -> bool,
    ) -> Result<Option<usize>, Error> {
        for (index, item) in input.iter().enumerate() {
            let inner = Scope { this: one(item.clone()), index: Some(index), total: scope.total.clone() };
            let value = self.eval(criterion, &inner)?;
            if wanted(self.truth(&value)?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn quantify(&mut self, function: Function, input: &[Item<'a>]) -> Outcome<'a> {
        let mut values = Vec::with_capacity(input.len());
        for item in input {
            let value = item.as_bool();
            values.push(value.ok_or_else(|| Error::invalid(format!("{}() wants booleans.", function.name())))?);
        }
        Ok(truth(match function {
            Function::AllTrue => values.iter().all(|value| *value),
            Function::AnyTrue => values.iter().any(|value| *value),
            Function::AllFalse => values.iter().all(|value| !*value),
            _ => values.iter().any(|value| !*value),
        }))
    }

    fn filter(&mut self, input: Items<'a>, criterion: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let mut found = Items::new();
        for (index, item) in input.into_iter().enumerate() {
            let inner = Scope { this: one(item), index: Some(index), total: scope.total.clone() };
            let value = self.eval(criterion, &inner)?;
            if self.truth(&value)? == Some(true) {
                found.extend(inner.this);
            }
        }
        Ok(found)
    }

    fn select(&mut self, input: Items<'a>, projection: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let mut found = Items::new();
        for (index, item) in input.into_iter().enumerate() {
            let inner = Scope { this: one(item), index: Some(index), total: scope.total.clone() };
            let values = self.eval(projection, &inner)?;
            self.charge(values.len())?;
            found.extend(values);
        }
        Ok(found)
    }

    /// Applies the projection to what it gave until nothing new comes.
    fn repeat(&mut self, input: Items<'a>, projection: &Expr, scope: &Scope<'a>) -> Outcome<'a> {
        let mut found = Items::new();
        let mut next = input;
        while !next.is_empty() {
            let values = self.select(std::mem::take(&mut next), projection, scope)?;
            for value in values {
                self.charge(found.len())?;
                if !self.has(&found, &value) {
                    found.push(value.clone());
                    next.push(value);
                }
            }
        }
        Ok(found)
    }

    /// By the keys given, or by the items themselves. `-key` means descending; what has no key comes first.
    fn sort(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        let mut sorted: Vec<(Vec<Key<'a>>, Item<'a>)> = Vec::with_capacity(input.len());
        for (index, item) in input.into_iter().enumerate() {
            let mut keys = Vec::with_capacity(call.arguments.len().max(1));
            if call.arguments.is_empty() {
                keys.push((self.operand(std::slice::from_ref(&item))?, false));
            }
            for argument in &call.arguments {
                let (expr, descending) = match argument {
                    Expr::Polarity { negative: true, operand } => (&**operand, true),
                    other => (other, false),
                };
                let inner = Scope { this: one(item.clone()), index: Some(index), total: scope.total.clone() };
                let key = self.eval(expr, &inner)?;
                keys.push((self.operand(&key)?, descending));
            }
            // Insertion, because partial dates have no total order and the library's sort may panic without one.
            let mut at = sorted.len();
            while at > 0 && key_order(&sorted[at - 1].0, &keys)? == Ordering::Greater {
                at -= 1;
            }
            self.charge(sorted.len() - at)?;
            sorted.insert(at, (keys, item));
        }
        Ok(sorted.into_iter().map(|(_, item)| item).collect())
    }
}

/// A sort key and whether it descends.
type Key<'a> = (Option<Item<'a>>, bool);

fn key_order(left: &[Key<'_>], right: &[Key<'_>]) -> Result<Ordering, Error> {
    for ((left, descending), (right, _)) in left.iter().zip(right) {
        let order = match (left, right) {
            (Some(left), Some(right)) => {
                let order = compare::order(left, right)
                    .map_err(|_| Error::invalid("sort() cannot order values of different types."))?;
                let order = order.unwrap_or(Ordering::Equal);
                if *descending { order.reverse() } else { order }
            }
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}
