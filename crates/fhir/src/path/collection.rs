//! Functions on collections: existence, filtering, subsets, combinations.
//!
//! <http://hl7.org/fhirpath/N1/#existence>

use std::cmp::Ordering;

use rustc_hash::FxHashSet;

use super::compare;
use super::evaluator::{Evaluator, Outcome, Scope, maybe, one, truth};
use super::function::Function;
use super::item::{Item, Items, Text};
use super::syntax::{Call, Expr};
use crate::Error;
use crate::definitions::Definitions;

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
                let other = self.lookup(&other, input.len())?;
                input.retain(|item| other.has(item));
                self.distinct(input)
            }
            F::Exclude => {
                let other = self.lookup(&other, input.len())?;
                input.retain(|item| !other.has(item));
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

    fn is_among(&self, items: &[Item<'a>], wanted: &Item<'a>) -> bool {
        Lookup { definitions: self.definitions, items, texts: None }.has(wanted)
    }

    fn is_subset(&mut self, part: &[Item<'a>], whole: &[Item<'a>]) -> Outcome<'a> {
        let whole = self.lookup(whole, part.len())?;
        Ok(truth(part.iter().all(|item| whole.has(item))))
    }

    /// Makes a collection ready to be asked `times` times, which is paid for.
    fn lookup<'i>(&mut self, items: &'i [Item<'a>], times: usize) -> Result<Lookup<'i, 'a>, Error> {
        let texts = if items.len() > FEW { items.iter().map(plain).collect() } else { None };
        let lookup = Lookup { definitions: self.definitions, items, texts };
        match &lookup.texts {
            Some(texts) => self.charge(texts.len() + times)?,
            None => self.charge(items.len().saturating_mul(times))?,
        }
        Ok(lookup)
    }

    pub(super) fn distinct(&mut self, input: Items<'a>) -> Outcome<'a> {
        self.union(Items::new(), input)
    }

    /// Both collections without repetitions, in the order of their first appearance.
    pub(super) fn union(&mut self, left: Items<'a>, right: Items<'a>) -> Outcome<'a> {
        let count = left.len() + right.len();
        if count > FEW
            && let Some(texts) = left.iter().chain(&right).map(plain).collect::<Option<Vec<_>>>()
        {
            self.charge(count)?;
            let mut seen = FxHashSet::default();
            let items = left.into_iter().chain(right).zip(texts);
            return Ok(items.filter_map(|(item, text)| seen.insert(text).then_some(item)).collect());
        }
        let mut found = Items::new();
        for item in left.into_iter().chain(right) {
            self.charge(found.len().saturating_mul(weight(&item)))?;
            if !self.is_among(&found, &item) {
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
                self.charge(found.len().saturating_mul(weight(&value)))?;
                if !self.is_among(&found, &value) {
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

/// Collections up to this size are searched one by one.
const FEW: usize = 16;

/// A collection to look things up in: by hash when it is all text, else one by one.
struct Lookup<'i, 'a> {
    definitions: &'a Definitions,
    items: &'i [Item<'a>],
    texts: Option<FxHashSet<Text<'a>>>,
}

impl<'a> Lookup<'_, 'a> {
    fn has(&self, wanted: &Item<'a>) -> bool {
        match &self.texts {
            // Nothing but text equals text.
            Some(texts) => plain(wanted).is_some_and(|text| texts.contains(&text)),
            None => self.items.iter().any(|item| compare::equal(self.definitions, item, wanted) == Some(true)),
        }
    }
}

/// How many steps one comparison with an item is worth: an object is compared member by member.
fn weight(item: &Item<'_>) -> usize {
    if item.node().is_some_and(|node| !node.is_primitive()) { 8 } else { 1 }
}

/// The text of what is compared as text.
fn plain<'a>(item: &Item<'a>) -> Option<Text<'a>> {
    match item.system() {
        Some(Item::String(text)) => Some(text),
        _ => None,
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
