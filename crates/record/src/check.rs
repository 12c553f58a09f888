//! Whether what is stored fits together: feed, versions, names and index, each compared with the others.

use std::sync::Arc;

use fhir::json::{self, Value};
use fhir::{Error, time};
use rustc_hash::{FxHashMap, FxHashSet};
use sonic_rs::JsonValueTrait;

use crate::access::facts;
use crate::store::batch::{IndexRow, Pointer, Word};
use crate::store::names::{Address, Kind, Names};
use crate::store::value::{Dialect, Row, Rows, SqlValue};
use crate::store::{Catalog, Reader, Tools, body};
use crate::transact::commit::home_of;
use crate::transact::prepare;
use crate::{Key, Record, ResourceType};

/// What [`Record::check`] looked at, and what does not fit together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Soundness {
    /// Resources, the deleted ones included.
    pub resources: u64,
    /// Entries of the change feed.
    pub changes: u64,
    /// The first hundred things that do not fit, each a sentence without patient data. Empty when all is sound.
    pub findings: Vec<String>,
}

impl Record {
    /// Compares everything stored with everything it must agree with, as of one moment.
    ///
    /// The feed counts 1, 2, 3 … and tells of each version once, in order; a resource has all its versions and one
    /// name; its body says its own type, id, version and time; and the index holds exactly what a new extraction
    /// finds. `progress` is told how many resources are done. Reads all of the record; needs about 30 bytes of memory
    /// for each resource.
    pub async fn check(&self, progress: impl FnMut(u64)) -> Result<Soundness, Error> {
        let mut check = Check {
            complete: self.catalog().complete().into_iter().chain([TIES]).collect(),
            tools: Arc::clone(self.tools()),
            catalog: self.catalog(),
            reader: self.snapshot().await?,
            names: Names::new(),
            words: FxHashMap::default(),
            last: FxHashMap::default(),
            found: Soundness::default(),
        };
        check.learn_words().await?;
        check.feed().await?;
        check.resources(progress).await?;
        Ok(check.found)
    }
}

/// Resources or feed entries looked at together.
const CHUNK: i64 = 500;

/// Ties stand among the rows of an index under a number that no parameter has.
const TIES: i64 = 0;

/// Findings told. Whoever has more needs a backup, not a longer list.
const FINDINGS: usize = 100;

/// The tables of the index, with what identifies a row in each besides its resource, parameter and group.
const INDEX: [(&str, &str); 6] = [
    ("tok", "SELECT rid, shard, param, grp, code, system, near FROM tok t"),
    (
        "ref",
        "SELECT t.rid, t.shard, t.param, t.grp, l.type, l.id, t.ttype FROM ref t LEFT JOIN locator l ON l.rid = t.target",
    ),
    ("str", "SELECT rid, shard, param, grp, folded, exact FROM str t"),
    ("date", "SELECT rid, shard, param, grp, lo, hi FROM date t"),
    ("qty", "SELECT rid, shard, param, grp, lo, hi, code, system FROM qty t"),
    (
        "tie",
        "SELECT t.rid, t.shard, 0, t.kind, s.type, s.id, coalesce(p.type, 0), coalesce(p.id, ''), t.what, t.mask, \
         t.lo, t.hi FROM tie t JOIN locator s ON s.rid = t.subject LEFT JOIN locator p ON p.rid = t.party",
    ),
];

struct Check {
    tools: Arc<Tools>,
    catalog: Arc<Catalog>,
    /// The parameters whose rows are compared. One that is being indexed has some of them.
    complete: FxHashSet<i64>,
    reader: Reader,
    /// No names at all, so that every target and system of an extracted row comes spelled out.
    names: Names,
    /// Words by kind and number.
    words: FxHashMap<(i64, i64), Box<str>>,
    /// The last version of each resource that the feed tells of.
    last: FxHashMap<i64, i64>,
    found: Soundness,
}

/// The current row of a resource.
struct Stored {
    rid: i64,
    shard: i64,
    key: Key,
    version: i64,
    at: i64,
    body: Option<bytes::Bytes>,
    label: i64,
}

/// An index row in a form in which what was extracted and what is stored are alike: parameter, then everything else.
type Plain = (i64, String);

impl Check {
    fn find(&mut self, what: String) {
        if self.found.findings.len() < FINDINGS {
            self.found.findings.push(what);
        }
    }

    async fn learn_words(&mut self) -> Result<(), Error> {
        for row in self.reader.rows("SELECT kind, id, text FROM name", &[]).await? {
            let known = self.words.insert((row.int(0)?, row.int(1)?), row.text(2)?.into());
            if known.is_some() {
                self.find(format!("two words of kind {} have the number {}", row.int(0)?, row.int(1)?));
            }
        }
        Ok(())
    }

    async fn feed(&mut self) -> Result<(), Error> {
        let sql = "SELECT f.seq, f.rid, f.version, f.at, f.method, f.shard, \
                   coalesce(r.at, h.at), coalesce(r.method, h.method), coalesce(r.shard, h.shard) \
                   FROM (SELECT * FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2) f \
                   LEFT JOIN resource r ON r.rid = f.rid AND r.version = f.version \
                   LEFT JOIN history h ON h.rid = f.rid AND h.version = f.version ORDER BY f.seq";
        let mut position = 0;
        loop {
            let rows = self.reader.rows(sql, &[position.into(), CHUNK.into()]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (seq, rid, version) = (row.int(0)?, row.int(1)?, row.int(2)?);
                if seq != position + 1 {
                    self.find(format!("after position {position} the feed goes on with {seq}"));
                }
                position = seq;
                self.found.changes += 1;
                let before = self.last.insert(rid, version).unwrap_or_default();
                if version != before + 1 {
                    self.find(format!("position {seq} tells of version {version} after version {before}"));
                }
                if row.0[3..6] != row.0[6..9] {
                    self.find(format!("position {seq} and the version it tells of differ"));
                }
            }
        }
        if self.reader.dialect() == Dialect::Postgres {
            let head = self.reader.rows("SELECT value FROM head WHERE name = 'feed'", &[]).await?;
            if head.first().map(|row| row.int(0)).transpose()? != Some(position) {
                self.find(format!("the feed ends at {position}, but its head says otherwise"));
            }
        }
        Ok(())
    }

    async fn resources(&mut self, mut progress: impl FnMut(u64)) -> Result<(), Error> {
        let mut after = i64::MIN;
        loop {
            let stored = self.stored(after).await?;
            let until = match stored.last() {
                Some(last) if stored.len() as i64 == CHUNK => last.rid,
                _ => i64::MAX,
            };
            let mut indexed = self.indexed(after, until).await?;
            let mut earlier = self.earlier(after, until).await?;
            let mut names = self.located(after, until).await?;
            for resource in &stored {
                self.found.resources += 1;
                let wanted: Vec<i64> = (1..resource.version).collect();
                if earlier.remove(&resource.rid).unwrap_or_default() != wanted {
                    self.find(format!("{} lacks earlier versions, or has too many", resource.key));
                }
                if self.last.remove(&resource.rid) != Some(resource.version) {
                    self.find(format!("{} is at version {}, the feed is not", resource.key, resource.version));
                }
                self.name(resource, &names.remove(&resource.rid).unwrap_or_default());
                self.content(resource, indexed.remove(&resource.rid).unwrap_or_default())?;
            }
            for rid in indexed.keys().chain(earlier.keys()) {
                self.find(format!("there are rows of the number {rid}, which no resource has"));
            }
            progress(self.found.resources);
            if until == i64::MAX {
                break;
            }
            after = until;
        }
        if !self.last.is_empty() {
            self.find(format!("the feed tells of {} resources that are not there", self.last.len()));
        }
        Ok(())
    }

    async fn stored(&mut self, after: i64) -> Result<Vec<Stored>, Error> {
        let sql = "SELECT type, id, version, at, method, body, rid, shard, label FROM resource \
                   WHERE rid > $1 ORDER BY rid LIMIT $2";
        let rows = self.reader.rows(sql, &[after.into(), CHUNK.into()]).await?;
        let stored = rows.iter().map(|row| {
            let type_ = ResourceType::numbered(row.int(0)?).ok_or_else(|| Error::fault("a type that is not in R4"))?;
            let body = row.bytes_or_null(5)?.map(body::unpack).transpose()?;
            let key = Key::new(type_, row.text(1)?);
            let (version, at, label) = (row.int(2)?, row.int(3)?, row.int(8)?);
            Ok(Stored { rid: row.int(6)?, shard: row.int(7)?, key, version, at, body, label })
        });
        stored.collect()
    }

    /// Earlier versions by rid, in order.
    async fn earlier(&mut self, after: i64, until: i64) -> Result<FxHashMap<i64, Vec<i64>>, Error> {
        let sql = "SELECT rid, version FROM history WHERE rid > $1 AND rid <= $2 ORDER BY rid, version";
        let mut earlier: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
        for row in self.reader.rows(sql, &[after.into(), until.into()]).await? {
            earlier.entry(row.int(0)?).or_default().push(row.int(1)?);
        }
        Ok(earlier)
    }

    /// The names of the resources in a range: address, the shard of the name, and the home of its resource.
    async fn located(&mut self, after: i64, until: i64) -> Result<FxHashMap<i64, Vec<(Address, i64, i64)>>, Error> {
        let sql = "SELECT l.rid, l.type, l.id, l.shard, l.home FROM resource r JOIN locator l ON l.rid = r.rid \
                   WHERE r.rid > $1 AND r.rid <= $2";
        let mut names: FxHashMap<i64, Vec<_>> = FxHashMap::default();
        for row in self.reader.rows(sql, &[after.into(), until.into()]).await? {
            let address = Address { type_: row.int(1)?, id: row.text(2)?.into() };
            names.entry(row.int(0)?).or_default().push((address, row.int(3)?, row.int(4)?));
        }
        Ok(names)
    }

    fn name(&mut self, resource: &Stored, names: &[(Address, i64, i64)]) {
        let address = prepare::address_of(&resource.key);
        let shard = i64::from(home_of(&address));
        if names != [(address, shard, resource.shard)] {
            self.find(format!("{} is not where its name leads, or has several names", resource.key));
        }
    }

    /// Compares a body with its row, and the index with what a new extraction finds.
    fn content(&mut self, resource: &Stored, mut indexed: FxHashSet<Plain>) -> Result<(), Error> {
        if let Some(body) = &resource.body {
            let Ok(value) = json::parse(body) else {
                self.find(format!("{} cannot be read", resource.key));
                return Ok(());
            };
            if !says_what_it_is(&value, resource) {
                self.find(format!("{} says another name, version or time than its row", resource.key));
            }
            let prepare::Indexed { shard, rows, belongings } =
                prepare::indexed_as(&self.tools, &self.names, &self.catalog, &resource.key, &value);
            if belongings.label != resource.label {
                self.find(format!("{} does not bear the labels it should", resource.key));
            }
            if i64::from(shard) != resource.shard {
                self.find(format!("{} lies on another shard than its patient", resource.key));
            }
            for row in rows.iter().map(|row| extracted(row, resource)).collect::<FxHashSet<_>>() {
                if !indexed.remove(&row) && self.complete.contains(&row.0) {
                    let lacking = format!("{} is not indexed by {} as it should be", resource.key, self.param(row.0));
                    self.find(lacking);
                }
            }
        }
        for (param, _) in indexed {
            if self.complete.contains(&param) {
                let stale = format!("{} is indexed by {} as it should not be", resource.key, self.param(param));
                self.find(stale);
            }
        }
        Ok(())
    }

    fn param(&self, number: i64) -> &str {
        self.words.get(&(Kind::Param.number(), number)).map_or("a parameter without a name", |word| word)
    }

    /// Index rows by rid.
    async fn indexed(&mut self, after: i64, until: i64) -> Result<FxHashMap<i64, FxHashSet<Plain>>, Error> {
        let mut indexed: FxHashMap<i64, FxHashSet<Plain>> = FxHashMap::default();
        for (table, select) in INDEX {
            let sql = format!("{select} WHERE t.rid > $1 AND t.rid <= $2");
            for row in self.reader.rows(&sql, &[after.into(), until.into()]).await? {
                let plain = self.plain(table, &row)?;
                indexed.entry(row.int(0)?).or_default().insert((row.int(2)?, plain));
            }
        }
        Ok(indexed)
    }

    fn plain(&self, table: &str, row: &Row) -> Result<String, Error> {
        let (shard, group) = (row.int(1)?, row.int(3)?);
        let system = |number: i64| self.words.get(&(Kind::System.number(), number)).map(|word| &**word);
        Ok(match table {
            "tok" => token(shard, group, system(row.int(5)?), row.text(4)?, row.int(6)?),
            "ref" if row.0[4] == SqlValue::Null => "a number without a name".to_owned(),
            "ref" => reference(shard, group, row.int(4)?, row.text(5)?, row.int(6)?),
            "str" => text(shard, group, row.text(4)?, row.text(5)?),
            "tie" => {
                let end = |at: usize| -> Result<End, Error> { Ok((row.int(at)?, row.text(at + 1)?.to_owned())) };
                let about = (row.int(8)?, row.int(9)?, row.int(10)?, row.int(11)?);
                tie(shard, group, &(end(4)?, end(6)?), about)
            }
            "date" => date(shard, group, row.int(4)?, row.int(5)?),
            _ => quantity(shard, group, real(row, 4)?, real(row, 5)?, system(row.int(7)?), row.text(6)?),
        })
    }
}

fn says_what_it_is(value: &Value, resource: &Stored) -> bool {
    let says = |value: Option<&Value>, text: &str| value.and_then(|value| value.as_str()) == Some(text);
    let meta = value.get("meta");
    says(value.get("resourceType"), resource.key.type_.name())
        && says(value.get("id"), &resource.key.id)
        && says(meta.and_then(|meta| meta.get("versionId")), &resource.version.to_string())
        && says(meta.and_then(|meta| meta.get("lastUpdated")), &time::instant(resource.at))
}

fn extracted(row: &IndexRow, resource: &Stored) -> Plain {
    let shard = resource.shard;
    match row {
        IndexRow::Token { param, group, system, code, near } => {
            (*param, token(shard, *group, word(system), code, i64::from(*near)))
        }
        IndexRow::Reference { param, group, target, target_type } => {
            let (type_, id) = match target {
                Pointer::Name(address) => (address.type_, &*address.id),
                Pointer::Rid(_) => (0, ""),
            };
            (*param, reference(shard, *group, type_, id, *target_type))
        }
        IndexRow::Text { param, group, folded, exact } => (*param, text(shard, *group, folded, exact)),
        IndexRow::Date { param, group, lo, hi } => (*param, date(shard, *group, *lo, *hi)),
        IndexRow::Quantity { param, group, lo, hi, system, code } => {
            (*param, quantity(shard, *group, *lo, *hi, word(system), code))
        }
        IndexRow::Tie(tie) => {
            let named = |pointer: Option<&Pointer>| match pointer.and_then(Pointer::name) {
                Some(address) => (address.type_, address.id.to_string()),
                None => (0, String::new()),
            };
            let ends = (named(Some(&tie.subject)), named(tie.party.pointer()));
            let about = (tie.what, tie.mask, tie.lo, tie.hi.from(resource.at));
            (TIES, self::tie(shard, tie.kind.number(), &ends, about))
        }
    }
}

fn word(word: &Word) -> Option<&str> {
    match word {
        Word::Text(text) => Some(text),
        Word::Number(_) => None,
    }
}

fn token(shard: i64, group: i64, system: Option<&str>, code: &str, near: i64) -> String {
    format!("tok {shard} {group} {near} {system:?} {code:?}")
}

fn reference(shard: i64, group: i64, type_: i64, id: &str, target_type: i64) -> String {
    format!("ref {shard} {group} {type_} {target_type} {id}")
}

fn text(shard: i64, group: i64, folded: &str, exact: &str) -> String {
    format!("str {shard} {group} {folded:?} {exact:?}")
}

fn date(shard: i64, group: i64, lo: i64, hi: i64) -> String {
    format!("date {shard} {group} {lo} {hi}")
}

type End = (i64, String);

fn tie(shard: i64, kind: i64, ends: &(End, End), about: (i64, i64, i64, i64)) -> String {
    // Who referred a patient may be the keeper, whom the resource itself does not name.
    let party = if kind == facts::Kind::ReferredFrom.number() { None } else { Some(&ends.1) };
    format!("tie {shard} {kind} {:?} {party:?} {about:?}", ends.0)
}

fn quantity(shard: i64, group: i64, lo: f64, hi: f64, system: Option<&str>, code: &str) -> String {
    // Adding zero makes one zero of the two there are, as SQLite does.
    format!("qty {shard} {group} {:?} {:?} {system:?} {code:?}", lo + 0.0, hi + 0.0)
}

fn real(row: &Row, column: usize) -> Result<f64, Error> {
    match row.0.get(column) {
        Some(SqlValue::Real(value)) => Ok(*value),
        _ => Err(Error::fault(format!("column {column} of an answer holds no real number"))),
    }
}
