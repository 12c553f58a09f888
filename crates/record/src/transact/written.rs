//! What a transaction stores, asked as the record is asked, before it is stored.

use fhir::search::{Entry, IndexValue, ParamId};
use fhir::{Category, Error, IssueCode};
use rustc_hash::FxHashMap;

use crate::search::Condition;
use crate::store::names::indexed;
use crate::{Key, ResourceType};

/// Resources looked at for all conditions of a transaction together. It keeps everybody else waiting meanwhile.
const LOOKED_AT: usize = 2_000_000;

/// A resource that a change stores.
struct One<'c> {
    /// The position of the change.
    position: usize,
    key: Key,
    rows: Vec<Entry<'c>>,
}

/// The resources that changes of a transaction store, as far as it has been read.
#[derive(Default)]
pub(super) struct Written<'c> {
    all: Vec<One<'c>>,
    by_type: FxHashMap<ResourceType, Vec<usize>>,
    by_key: FxHashMap<Key, usize>,
    by_code: FxHashMap<(ParamId, Box<str>), Vec<usize>>,
    /// Those that were stored because nothing fulfilled this query.
    by_query: FxHashMap<(ResourceType, &'c str), usize>,
    looked_at: usize,
}

impl<'c> Written<'c> {
    /// Takes up a resource; `query` is the condition it is stored on.
    pub(super) fn add(&mut self, position: usize, key: &Key, rows: Vec<Entry<'c>>, query: Option<&'c str>) {
        let at = self.all.len();
        for row in &rows {
            if let IndexValue::Token { code, .. } = &row.value {
                let same = self.by_code.entry((row.param, indexed(code).into())).or_default();
                if same.last() != Some(&at) {
                    same.push(at);
                }
            }
        }
        self.by_type.entry(key.type_).or_default().push(at);
        self.by_key.insert(key.clone(), at);
        if let Some(query) = query {
            self.by_query.insert((key.type_, query), at);
        }
        self.all.push(One { position, key: key.clone(), rows });
    }

    /// How many of a type there are.
    pub(super) fn of(&self, type_: ResourceType) -> usize {
        self.by_type.get(&type_).map_or(0, Vec::len)
    }

    /// Those that fulfil a condition, or were stored on the same one: positions and names.
    pub(super) fn matching(
        &mut self,
        condition: &Condition,
        type_: ResourceType,
        query: &str,
    ) -> Result<Vec<(usize, Key)>, Error> {
        let mut candidates = match condition.codes() {
            Some((params, codes)) => {
                let pairs = params.iter().flat_map(|param| codes.iter().map(|code| (*param, Box::from(&**code))));
                pairs.filter_map(|pair| self.by_code.get(&pair)).flatten().copied().collect()
            }
            None => self.by_type.get(&type_).cloned().unwrap_or_default(),
        };
        candidates.sort_unstable();
        candidates.dedup();
        self.looked_at += candidates.len();
        if self.looked_at > LOOKED_AT {
            let text = "The conditions of this transaction ask too much of each other; send it in parts.";
            return Err(Error::new(Category::Unprocessable, IssueCode::TooCostly, text));
        }
        candidates.retain(|at| condition.holds(&self.all[*at].key, &self.all[*at].rows) == Some(true));
        if let Some(same) = self.by_query.get(&(type_, query)).filter(|same| !candidates.contains(same)) {
            candidates.push(*same);
        }
        Ok(candidates.into_iter().map(|at| (self.all[at].position, self.all[at].key.clone())).collect())
    }

    /// Whether a resource of the record is written anew so that a condition does not hold for it any more.
    pub(super) fn ends(&self, condition: &Condition, key: &Key) -> bool {
        let written = self.by_key.get(key).map(|at| &self.all[*at]);
        written.is_some_and(|one| condition.holds(&one.key, &one.rows) == Some(false))
    }
}
