//! The numbers that stand for the names in a query.

use fhir::Error;
use rustc_hash::{FxHashMap, FxHashSet};

use super::query::{Criterion, Sought, System, Test};
use crate::store::Tools;
use crate::store::names::{Address, Kind, Place, indexed, shard_of};
use crate::store::value::{Rows, SqlValue};
use crate::transact::commit::home_of;
use crate::transact::prepare::address;
use crate::{Key, ResourceType};

/// How many names one statement looks up.
const BATCH: usize = 200;

/// What the names in a query stand for. A name that is not here stands in no row, so nothing can match it.
#[derive(Debug, Default)]
pub(super) struct Known {
    systems: FxHashMap<String, i64>,
    places: FxHashMap<Address, i64>,
}

impl Known {
    /// Looks up every name in the criteria, in this process's memory first.
    pub(super) async fn gather(rows: &mut impl Rows, tools: &Tools, criteria: &[Criterion]) -> Result<Self, Error> {
        let mut names = Names::default();
        criteria.iter().for_each(|criterion| names.collect(criterion));
        let mut known = Self::default();
        let mut words: Vec<String> = names.systems.into_iter().collect();
        words.retain(|word| match tools.names.word(Kind::System, word) {
            Some(number) => known.systems.insert(word.clone(), number).is_some(),
            None => true,
        });
        words.sort_unstable();
        for batch in words.chunks(BATCH) {
            let mut arguments = Vec::new();
            let each = batch.iter().map(|word| {
                arguments.push(i64::from(shard_of(word)).into());
                arguments.push(word.as_str().into());
                format!("(shard = ${} AND kind = 2 AND text = ${})", arguments.len() - 1, arguments.len())
            });
            let sql = format!("SELECT text, id FROM name WHERE {}", each.collect::<Vec<_>>().join(" OR "));
            for row in rows.rows(&sql, &arguments).await? {
                let (word, number) = (row.text(0)?, row.int(1)?);
                if !rows.is_tentative() {
                    tools.names.learn_word(Kind::System, word, number);
                }
                known.systems.insert(word.to_owned(), number);
            }
        }
        let mut places: Vec<Address> = names.places.into_iter().collect();
        places.retain(|address| match tools.names.place(address) {
            Some(place) => known.places.insert(address.clone(), place.rid).is_some(),
            None => true,
        });
        places.sort_unstable();
        for batch in places.chunks(BATCH) {
            known.places(rows, tools, batch).await?;
        }
        Ok(known)
    }

    async fn places(&mut self, rows: &mut impl Rows, tools: &Tools, batch: &[Address]) -> Result<(), Error> {
        let mut arguments: Vec<SqlValue> = Vec::new();
        let each = batch.iter().map(|address| {
            arguments.push(i64::from(home_of(address)).into());
            arguments.push(address.type_.into());
            arguments.push(address.id.as_ref().into());
            let last = arguments.len();
            format!("(shard = ${} AND type = ${} AND id = ${last})", last - 2, last - 1)
        });
        let sql = format!("SELECT type, id, rid, home FROM locator WHERE {}", each.collect::<Vec<_>>().join(" OR "));
        for row in rows.rows(&sql, &arguments).await? {
            let address = Address { type_: row.int(0)?, id: row.text(1)?.into() };
            let (rid, home) = (row.int(2)?, i32::try_from(row.int(3)?).map_err(Error::fault)?);
            if !rows.is_tentative() {
                tools.names.learn_place(address.clone(), Place { rid, home });
            }
            self.places.insert(address, rid);
        }
        Ok(())
    }

    /// The rids under which URLs are referred to.
    pub(super) async fn urls(rows: &mut impl Rows, tools: &Tools, urls: &[&str]) -> Result<Vec<i64>, Error> {
        let mut known = Self::default();
        for batch in urls.chunks(BATCH) {
            let batch: Vec<Address> = batch.iter().map(|url| Address { type_: 0, id: indexed(url).into() }).collect();
            known.places(rows, tools, &batch).await?;
        }
        let mut rids: Vec<i64> = known.places.into_values().collect();
        rids.sort_unstable();
        Ok(rids)
    }

    /// As if every name in the criteria were known, for looking at statements without a database.
    #[cfg(test)]
    pub(super) fn everything(criteria: &[Criterion]) -> Self {
        let mut names = Names::default();
        criteria.iter().for_each(|criterion| names.collect(criterion));
        Self {
            systems: names.systems.into_iter().zip(1..).collect(),
            places: names.places.into_iter().zip(1..).collect(),
        }
    }

    /// The number of a code system or identifier system.
    pub(super) fn system(&self, system: &str) -> Option<i64> {
        self.systems.get(indexed(system).as_ref()).copied()
    }

    /// The rid of what a reference names.
    pub(super) fn target(&self, reference: &str) -> Option<i64> {
        self.places.get(&address(reference)).copied()
    }

    /// The rids of the resources of these types with these ids.
    pub(super) fn ids(&self, types: &[&'static str], ids: &[String]) -> Vec<i64> {
        let mut found: Vec<i64> = own(types, ids).filter_map(|address| self.places.get(&address).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn own<'c>(types: &'c [&'static str], ids: &'c [String]) -> impl Iterator<Item = Address> + 'c {
    let types = types.iter().filter_map(|name| ResourceType::named(name));
    types.flat_map(move |type_| {
        let ids = ids.iter().filter(|id| Key::is_id(id));
        ids.map(move |id| Address { type_: type_.number(), id: id.as_str().into() })
    })
}

#[derive(Default)]
struct Names {
    systems: FxHashSet<String>,
    places: FxHashSet<Address>,
}

impl Names {
    fn collect(&mut self, criterion: &Criterion) {
        match criterion {
            Criterion::Any(either) => either.iter().for_each(|criterion| self.collect(criterion)),
            Criterion::Not(criterion) => self.collect(criterion),
            Criterion::Ids { types, ids } => self.places.extend(own(types, ids)),
            Criterion::Updated(_) => {}
            Criterion::Row(sought) => self.sought(sought),
            Criterion::Together(parts) => parts.iter().for_each(|part| self.sought(&part.sought)),
            Criterion::Chain { rest, .. } | Criterion::Has { rest, .. } => self.collect(rest),
        }
    }

    fn sought(&mut self, sought: &Sought) {
        for test in &sought.tests {
            match test {
                Test::Token { system: System::Is(system), .. }
                | Test::Number { unit: Some((System::Is(system), _)), .. } => {
                    self.systems.insert(indexed(system).into_owned());
                }
                Test::Target(reference) => {
                    self.places.insert(address(reference));
                }
                _ => {}
            }
        }
    }
}
