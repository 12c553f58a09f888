//! Conditions on one resource, written as SQL for either database.

use super::known::Known;
use super::plan;
use super::query::{Criterion, Part, Relation, Sought, System, Table, Test};
use crate::ResourceType;
use crate::access::rules::Types;
use crate::access::sight::{Columns, Conditions, Sight};
use crate::store::Catalog;
use crate::store::names::indexed;
use crate::store::value::{Dialect, SqlValue};

/// A condition nothing fulfils.
pub(super) const NEVER: &str = "1 = 0";

/// Beyond this many, equal tests become one test against a list.
const LISTED: usize = 4;

/// The most bytes of a prefix that are compared; longer stored texts are cut there, as `indexed` does.
pub(super) const COMPARED: usize = 400;

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "tok",
            Self::Reference => "ref",
            Self::Text => "str",
            Self::Date => "date",
            Self::Quantity => "qty",
        }
    }
}

/// Writes one statement: its arguments and the names it has given to tables.
pub(super) struct Writer<'w> {
    pub(super) dialect: Dialect,
    pub(super) catalog: &'w Catalog,
    pub(super) known: &'w Known,
    /// What the caller may see; everything when there is none.
    sight: Option<&'w Sight>,
    /// The shard of every resource that can match, when that is known.
    pub(super) shard: Option<i64>,
    pub(super) arguments: Vec<SqlValue>,
    /// What ends a test of one candidate.
    each: &'static str,
    tables: usize,
}

impl<'w> Writer<'w> {
    pub(super) fn new(
        dialect: Dialect,
        catalog: &'w Catalog,
        known: &'w Known,
        sight: Option<&'w Sight>,
        shard: Option<i64>,
    ) -> Self {
        Self { dialect, catalog, known, sight, shard, arguments: Vec::new(), each: dialect.each(), tables: 0 }
    }

    /// Leaves it to the database whether it tests each candidate or joins all: every resource of a type is asked for.
    pub(super) fn of_all(&mut self) {
        self.each = "";
    }

    /// Adds an argument and answers how it is written.
    pub(super) fn argument(&mut self, value: impl Into<SqlValue>) -> String {
        self.arguments.push(value.into());
        format!("${}", self.arguments.len())
    }

    /// A new name for a table.
    pub(super) fn alias(&mut self) -> String {
        self.tables += 1;
        format!("x{}", self.tables)
    }

    /// The condition that the resource `rid` fulfils a criterion. `own` says that `rid` is the resource searched for,
    /// whose shard may be known, and not one that it refers to.
    pub(super) fn holds(&mut self, criterion: &Criterion, rid: &str, own: bool) -> String {
        let each = self.each;
        match criterion {
            Criterion::Any(either) => {
                let either = either.iter().map(|criterion| self.holds(criterion, rid, own)).collect();
                any(either)
            }
            Criterion::Not(criterion) => format!("NOT ({})", self.holds(criterion, rid, own)),
            Criterion::Ids { types, ids } => {
                let rids = self.known.ids(types, ids);
                self.among(rid, &rids)
            }
            Criterion::Updated(tests) => {
                let x = self.alias();
                let (tests, shard) = (self.updated(tests, &x), self.shard(&x, own));
                format!("EXISTS (SELECT 1 FROM resource {x} WHERE {x}.rid = {rid} AND {tests}{shard}{each})")
            }
            Criterion::Row(sought) => {
                let x = self.alias();
                let (rows, shard) = (self.rows(sought, &x), self.shard(&x, own));
                format!(
                    "EXISTS (SELECT 1 FROM {} {x} WHERE {x}.rid = {rid} AND {rows}{shard}{each})",
                    sought.table.name()
                )
            }
            Criterion::Together(parts) => {
                let (from, first, rows) = self.together(parts);
                let shard = self.shard(&first, own);
                format!("EXISTS (SELECT 1 FROM {from} WHERE {first}.rid = {rid} AND {rows}{shard}{each})")
            }
            Criterion::Chain { params, types, urls, rest } => {
                let x = self.alias();
                let (param, shard) = (self.params(params, &x), self.shard(&x, own));
                let to = self.types(types, &format!("{x}.ttype"));
                let seen = match self.and_seen(&format!("{x}.target"), types) {
                    // What may be seen is there. Where everything may be, a reference that leads nowhere is told apart.
                    none if none.is_empty() && holds_of_nothing(rest) => self.and_there(&format!("{x}.target")),
                    seen => seen,
                };
                let inner = self.holds(rest, &format!("{x}.target"), false);
                let literal = format!(
                    "EXISTS (SELECT 1 FROM ref {x} WHERE {x}.rid = {rid} AND {param} AND {to}{shard}{seen} AND {inner}{each})"
                );
                if urls.is_empty() {
                    return literal;
                }
                // A canonical reference leads to a URL, and the URL to the resource that has it.
                let (x, y, z) = (self.alias(), self.alias(), self.alias());
                let (param, shard, url) = (self.params(params, &x), self.shard(&x, own), self.params(urls, &z));
                let seen = self.and_seen(&format!("{z}.rid"), types);
                let inner = self.holds(rest, &format!("{z}.rid"), false);
                let canonical = format!(
                    "EXISTS (SELECT 1 FROM ref {x} JOIN locator {y} ON {y}.rid = {x}.target \
                     JOIN tok {z} ON {url} AND {z}.code = {y}.id \
                     WHERE {x}.rid = {rid} AND {param} AND {x}.ttype = 0{shard}{seen} AND {inner}{each})"
                );
                any(vec![literal, canonical])
            }
            Criterion::Has { params, urls, rest, .. } => {
                let x = self.alias();
                let param = self.params(params, &x);
                let seen = self.and_seen(&format!("{x}.rid"), &self.types_of(params));
                let inner = self.holds(rest, &format!("{x}.rid"), false);
                let literal = format!(
                    "EXISTS (SELECT 1 FROM ref {x} WHERE {x}.target = {rid} AND {param}{seen} AND {inner}{each})"
                );
                if urls.is_empty() {
                    return literal;
                }
                let referred = plan::referred_by_url(self, params, urls, rest);
                any(vec![literal, format!("{rid} IN ({referred})")])
            }
        }
    }

    /// The condition that the caller may see the resource `rid`, which is of one of these types; none where they may
    /// see everything. `own` says that `rid` is the resource searched for.
    pub(super) fn seen(&mut self, rid: &str, types: &[&'static str], own: bool) -> Option<String> {
        let sight = self.sight?;
        let shard = self.shard_of_own(own);
        let types: Types =
            types.iter().filter_map(|name| ResourceType::named(name)).map(ResourceType::number).collect();
        let arguments = &mut self.arguments;
        let mut argument = |value: SqlValue| {
            arguments.push(value);
            format!("${}", arguments.len())
        };
        let mut conditions = Conditions { sight, dialect: self.dialect, argument: &mut argument };
        let readable = conditions.readable(&Columns::of("s"), Some(types));
        let own = self.dialect.resource_on(rid, "s", shard.as_deref());
        let each = self.dialect.each();
        Some(format!("EXISTS (SELECT 1 FROM {own} WHERE s.rid = {rid} AND s.body IS NOT NULL AND {readable}{each})"))
    }

    /// The same as a further condition, or nothing.
    fn and_seen(&mut self, rid: &str, types: &[&'static str]) -> String {
        self.seen(rid, types, false).map_or_else(String::new, |seen| format!(" AND {seen}"))
    }

    /// The further condition that a resource is there.
    fn and_there(&mut self, rid: &str) -> String {
        let x = self.alias();
        let each = self.each;
        format!(" AND EXISTS (SELECT 1 FROM resource {x} WHERE {x}.rid = {rid} AND {x}.body IS NOT NULL{each})")
    }

    /// The condition that ties a table to the known shard. SQLite has one, so there it would only cost.
    pub(super) fn shard(&mut self, table: &str, own: bool) -> String {
        self.shard_of_own(own).map_or_else(String::new, |shard| format!(" AND {table}.shard = {shard}"))
    }

    /// The known shard as an argument, where `own` says that a resource searched for is meant.
    pub(super) fn shard_of_own(&mut self, own: bool) -> Option<String> {
        let shard = self.shard.filter(|_| own && self.dialect == Dialect::Postgres)?;
        Some(self.argument(shard))
    }

    /// `column` is one of these numbers.
    pub(super) fn among(&mut self, column: &str, numbers: &[i64]) -> String {
        match numbers {
            [] => NEVER.to_owned(),
            [one] => {
                let one = self.argument(*one);
                format!("{column} = {one}")
            }
            many => {
                let list = self.argument(SqlValue::Ints(many.to_vec()));
                self.in_list(column, &list)
            }
        }
    }

    /// `column` is one of these words.
    fn among_words(&mut self, column: &str, words: Vec<String>) -> String {
        if words.len() > LISTED {
            let list = self.argument(SqlValue::Texts(words));
            return self.in_list(column, &list);
        }
        let each = words.into_iter().map(|word| self.argument(word)).collect::<Vec<_>>();
        match each.as_slice() {
            [] => NEVER.to_owned(),
            [one] => format!("{column} = {one}"),
            many => format!("{column} IN ({})", many.join(", ")),
        }
    }

    fn in_list(&self, column: &str, list: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("{column} IN (SELECT value FROM rarray({list}))"),
            Dialect::Postgres => format!("{column} = ANY({list})"),
        }
    }

    /// The rows of one of the parameters. Their numbers are written out: they are ours, they are few, and with them
    /// the database knows how common a value is.
    pub(super) fn params(&self, params: &[fhir::search::ParamId], table: &str) -> String {
        let numbers: Vec<String> = params.iter().map(|param| self.catalog.number(*param).to_string()).collect();
        one_of(&format!("{table}.param"), &numbers)
    }

    /// The types whose parameters these are.
    pub(super) fn types_of(&self, params: &[fhir::search::ParamId]) -> Vec<&'static str> {
        params.iter().map(|param| self.catalog.registry.at(*param).type_name).collect()
    }

    /// One of these types.
    pub(super) fn types(&self, types: &[&'static str], column: &str) -> String {
        let numbers: Vec<String> =
            types.iter().filter_map(|name| ResourceType::named(name)).map(|found| found.number().to_string()).collect();
        one_of(column, &numbers)
    }

    /// The condition on a row of `table` that it is one of those sought.
    pub(super) fn rows(&mut self, sought: &Sought, table: &str) -> String {
        let params = self.params(&sought.params, table);
        if sought.tests.is_empty() {
            return params;
        }
        format!("{params} AND {}", self.tests(&sought.tests, table))
    }

    /// A composite's tables, joined; the name of the first; and the condition on their rows.
    pub(super) fn together(&mut self, parts: &[Part]) -> (String, String, String) {
        // The group is that of the first component inside the composite's element.
        let lead = parts.iter().position(|part| !part.across).unwrap_or_default();
        let (mut from, mut conditions, mut first) = (String::new(), Vec::new(), String::new());
        let order = std::iter::once(lead).chain((0..parts.len()).filter(|at| *at != lead));
        for part in order.map(|at| &parts[at]) {
            let x = self.alias();
            let table = part.sought.table.name();
            if from.is_empty() {
                from = format!("{table} {x}");
                first.clone_from(&x);
            } else {
                let group = if part.across { String::new() } else { format!(" AND {x}.grp = {first}.grp") };
                from += &format!(" JOIN {table} {x} ON {x}.rid = {first}.rid{group}");
            }
            conditions.push(self.rows(&part.sought, &x));
        }
        (from, first, conditions.join(" AND "))
    }

    /// One of the tests passes.
    fn tests(&mut self, tests: &[Test], table: &str) -> String {
        let mut either = Vec::new();
        let mut codes: Vec<(&System, Vec<String>)> = Vec::new();
        let mut targets = Vec::new();
        for test in tests {
            match test {
                Test::Token { system, code: Some(code) } => {
                    let code = indexed(code).into_owned();
                    match codes.iter_mut().find(|(known, _)| *known == system) {
                        Some((_, same)) => same.push(code),
                        None => codes.push((system, vec![code])),
                    }
                }
                Test::Target(reference) => targets.extend(self.known.target(reference)),
                other => either.push(self.test(other, table)),
            }
        }
        for (system, codes) in codes {
            let codes = self.among_words(&format!("{table}.code"), codes);
            either.push(match self.system(system, table) {
                None => codes,
                Some(system) => format!("{codes} AND {system}"),
            });
        }
        if !targets.is_empty() {
            either.push(self.among(&format!("{table}.target"), &targets));
        }
        any(either)
    }

    /// What is asked of a system; none when nothing is.
    fn system(&mut self, system: &System, table: &str) -> Option<String> {
        match system {
            System::Any => None,
            System::Absent => Some(format!("{table}.system = 0")),
            System::Is(system) => Some(match self.known.system(system) {
                Some(number) => format!("{table}.system = {}", self.argument(number)),
                None => NEVER.to_owned(),
            }),
        }
    }

    fn test(&mut self, test: &Test, table: &str) -> String {
        match test {
            Test::Token { system, .. } => self.system(system, table).unwrap_or_else(|| NEVER.to_owned()),
            Test::Beginning(text) => self.begins(&format!("{table}.code"), text),
            Test::Prefix(text) => self.begins(&format!("{table}.folded"), text),
            Test::Exact { folded, exact } => {
                let (folded, exact) = (self.argument(&*indexed(folded)), self.argument(&*indexed(exact)));
                format!("{table}.folded = {folded} AND {table}.exact = {exact}")
            }
            Test::Contains(text) => {
                let text = self.argument(text.as_str());
                let find = if self.dialect == Dialect::Sqlite { "instr" } else { "strpos" };
                // Spellings made by us are no part of what was written.
                format!("{table}.exact <> '' AND {find}({table}.folded, {text}) > 0")
            }
            Test::Time { relation, lo, hi } => self.time(*relation, (*lo, *hi), table, "lo", "hi"),
            Test::Number { relation, value, lo, hi, unit } => {
                let number = self.number(*relation, *value, (*lo, *hi), table);
                match unit {
                    None => number,
                    Some((system, code)) => {
                        let code = self.argument(&*indexed(code));
                        let unit = format!("({number}) AND {table}.code = {code}");
                        match self.system(system, table) {
                            None => unit,
                            Some(system) => format!("{unit} AND {system}"),
                        }
                    }
                }
            }
            // Settled into tokens and references before, or matching nothing.
            Test::Target(_)
            | Test::InValueSet(_)
            | Test::Below { .. }
            | Test::Above { .. }
            | Test::Branch { .. }
            | Test::Versions { .. } => NEVER.to_owned(),
        }
    }

    /// `column` begins with a text, in the order of its bytes.
    fn begins(&mut self, column: &str, text: &str) -> String {
        let cut = (0..=text.len().min(COMPARED)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let text = &text[..cut];
        let from = format!("{column} >= {}", self.argument(text));
        match successor(text) {
            Some(end) => format!("{from} AND {column} < {}", self.argument(end)),
            None => from,
        }
    }

    /// The condition that was the time of the last version in one of these spans.
    pub(super) fn updated(&mut self, tests: &[Test], table: &str) -> String {
        let each = tests.iter().map(|test| match test {
            // A version is made at an instant, so its span ends where it begins.
            Test::Time { relation, lo, hi } => self.time(*relation, (*lo, *hi), table, "at", "at"),
            _ => NEVER.to_owned(),
        });
        any(each.collect())
    }

    /// <http://hl7.org/fhir/R4/search.html#prefix>
    fn time(&mut self, relation: Relation, (lo, hi): (i64, i64), table: &str, first: &str, last: &str) -> String {
        let (first, last) = (format!("{table}.{first}"), format!("{table}.{last}"));
        let instant = first == last;
        // An instant ends just after it begins, so what must end before `hi` is one before it.
        let (within, beyond) = if instant { ("<", ">=") } else { ("<=", ">") };
        // An argument that stands nowhere has no type PostgreSQL could find out, so each is added where it is used.
        match relation {
            // The first bound on `first` from above only helps an index: what ends by `hi` began before it.
            Relation::Equal => {
                let (lo, hi) = (self.argument(lo), self.argument(hi));
                format!("{first} >= {lo} AND {first} < {hi} AND {last} {within} {hi}")
            }
            Relation::NotEqual => {
                let (lo, hi) = (self.argument(lo), self.argument(hi));
                format!("({first} < {lo} OR {last} {beyond} {hi})")
            }
            Relation::Greater => format!("{last} {beyond} {}", self.argument(hi)),
            Relation::Less => format!("{first} < {}", self.argument(lo)),
            // Here too the bound before the alternatives follows from them and is what an index can use.
            Relation::GreaterOrEqual => {
                let (lo, hi) = (self.argument(lo), self.argument(hi));
                format!("{last} >= {lo} AND ({last} {beyond} {hi} OR {first} >= {lo})")
            }
            Relation::LessOrEqual => {
                let (lo, hi) = (self.argument(lo), self.argument(hi));
                format!("{first} < {hi} AND ({first} < {lo} OR {last} {within} {hi})")
            }
            Relation::StartsAfter => format!("{first} >= {}", self.argument(hi)),
            Relation::EndsBefore => format!("{last} {} {}", if instant { "<" } else { "<=" }, self.argument(lo)),
            Relation::Near => {
                let (lo, hi) = (self.argument(lo), self.argument(hi));
                format!("({first} < {hi} AND {last} {} {lo})", if instant { ">=" } else { ">" })
            }
        }
    }

    fn number(&mut self, relation: Relation, value: f64, (lo, hi): (f64, f64), table: &str) -> String {
        let mut real = |value: f64| self.argument(SqlValue::Real(value));
        match relation {
            Relation::Equal => {
                let (lo, hi) = (real(lo), real(hi));
                format!("{table}.lo >= {lo} AND {table}.lo < {hi} AND {table}.hi < {hi}")
            }
            Relation::NotEqual => {
                let (lo, hi) = (real(lo), real(hi));
                format!("({table}.lo < {lo} OR {table}.hi >= {hi})")
            }
            Relation::Greater => format!("{table}.hi > {}", real(value)),
            Relation::Less => format!("{table}.lo < {}", real(value)),
            Relation::GreaterOrEqual => format!("{table}.hi >= {}", real(value)),
            Relation::LessOrEqual => format!("{table}.lo <= {}", real(value)),
            Relation::StartsAfter => format!("{table}.lo > {}", real(value)),
            Relation::EndsBefore => format!("{table}.hi < {}", real(value)),
            Relation::Near => {
                let (lo, hi) = (real(lo), real(hi));
                format!("({table}.lo <= {hi} AND {table}.hi >= {lo})")
            }
        }
    }
}

/// Whether a criterion as it is written may hold of a resource that is not there, which has no index rows of its own.
fn holds_of_nothing(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Any(either) => either.iter().any(holds_of_nothing),
        Criterion::Not(_) | Criterion::Ids { .. } | Criterion::Updated(_) | Criterion::Has { .. } => true,
        Criterion::Row(_) | Criterion::Together(_) | Criterion::Chain { .. } => false,
    }
}

/// `column` is one of numbers written out.
fn one_of(column: &str, numbers: &[String]) -> String {
    match numbers {
        [] => NEVER.to_owned(),
        [one] => format!("{column} = {one}"),
        many => format!("{column} IN ({})", many.join(", ")),
    }
}

/// One of these conditions, nested evenly so that a thousand of them stay shallow.
pub(super) fn any(mut conditions: Vec<String>) -> String {
    conditions.retain(|condition| condition != NEVER);
    match conditions.len() {
        0 => NEVER.to_owned(),
        1 => format!("({})", conditions.remove(0)),
        length => {
            let right = conditions.split_off(length / 2);
            format!("({} OR {})", any(conditions), any(right))
        }
    }
}

/// The least text greater than every text that begins with this one.
pub(super) fn successor(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    while let Some(last) = letters.pop() {
        let next = match u32::from(last) + 1 {
            0xd800 => Some('\u{e000}'),
            next => char::from_u32(next),
        };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_with_a_prefix_lies_before_its_successor() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("\u{10ffff}"), None);
    }

    #[test]
    fn many_conditions_nest_evenly() {
        let text = any((0..1_000).map(|at| format!("c = {at}")).collect());
        let mut depth = 0_usize;
        let deepest = text.chars().map(|letter| {
            depth = match letter {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth
        });
        assert!(deepest.max().unwrap() < 20);
        assert_eq!(any(vec![NEVER.to_owned()]), NEVER);
    }
}
