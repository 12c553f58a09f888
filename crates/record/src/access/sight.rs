//! What one caller may see and do: the rules as they apply to them, asked of one resource or written as a condition
//! in SQL on many.

use rustc_hash::FxHashSet;

use super::facts::Kind;
use super::rules::{Grant, Relation, Types};
use crate::ResourceType;
use crate::store::value::{Dialect, SqlValue};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Read,
    Write,
}

/// What stands beside a stored version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) rid: i64,
    pub(crate) type_: i64,
    pub(crate) subject: i64,
    pub(crate) keeper: i64,
    pub(crate) label: i64,
}

/// A tie that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) rid: i64,
    pub(crate) kind: Kind,
    pub(crate) subject: i64,
    /// 0 for everyone.
    pub(crate) party: i64,
    pub(crate) what: i64,
    pub(crate) mask: i64,
    pub(crate) lo: i64,
    pub(crate) hi: i64,
}

/// A grant as it applies to one kind of act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) relations: Vec<Relation>,
    pub(crate) types: Types,
    labels: i64,
    /// Labels it lets take off a resource.
    takes_off: i64,
    only: i64,
    /// It is for what no institution keeps.
    unkept: bool,
    despite_refusal: bool,
}

/// The rules for certain roles and a purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clauses {
    pub(crate) read: Vec<Clause>,
    pub(crate) write: Vec<Clause>,
    /// Labels that nobody but the keeper may open.
    keeper_only: i64,
}

impl Clauses {
    /// What the grants permit to any of the roles for a purpose.
    pub(crate) fn compile(grants: &[Grant], keeper_only: i64, roles: &[&str], purpose: &str) -> Self {
        let of = |types: fn(&Grant) -> Types| {
            let grants = grants.iter().filter(|grant| {
                grant.to.iter().any(|role| roles.contains(role))
                    && (grant.purposes.is_empty() || grant.purposes.iter().any(|known| known == purpose))
                    && !types(grant).is_empty()
            });
            grants
                .map(|grant| Clause {
                    relations: grant.through.clone(),
                    types: types(grant),
                    labels: grant.labels,
                    takes_off: grant.takes_off,
                    only: grant.only,
                    unkept: grant.unkept,
                    despite_refusal: grant.despite_refusal,
                })
                .collect()
        };
        Self { read: of(|grant| grant.read), write: of(|grant| grant.write), keeper_only }
    }

    /// What machines are shown: everything but what a patient keeps from them. That a person exists is kept from nobody who
    /// registers people, and no machine of an institution could.
    pub(crate) fn of_machines() -> Self {
        let named = |types: &[&'static str]| {
            types.iter().filter_map(|name| ResourceType::named(name)).map(ResourceType::number).collect()
        };
        let clause = |types: Types, despite_refusal: bool| Clause {
            relations: vec![Relation::Anyone],
            types,
            labels: 0x7fff_ffff,
            takes_off: 0x7fff_ffff,
            only: 0,
            unkept: false,
            despite_refusal,
        };
        let all = ResourceType::all().map(ResourceType::number).collect();
        let read = vec![clause(all, false), clause(named(&["Patient", "RelatedPerson", "Person"]), true)];
        Self { write: read.clone(), read, keeper_only: 0 }
    }

    fn of(&self, act: Act) -> &[Clause] {
        match act {
            Act::Read => &self.read,
            Act::Write => &self.write,
        }
    }
}

/// From the closest relation to none at all.
const CLOSEST: [Relation; 14] = [
    Relation::Own,
    Relation::Proxy,
    Relation::Treats,
    Relation::Contracted,
    Relation::ReferredTo,
    Relation::ReferredFrom,
    Relation::ReadsFor,
    Relation::Addressed,
    Relation::Registered,
    Relation::Keeper,
    Relation::Group,
    Relation::Emergency,
    Relation::Nobody,
    Relation::Anyone,
];

/// What one caller may see and do at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    pub(crate) clauses: std::sync::Arc<Clauses>,
    /// The time of asking.
    pub(crate) now: i64,
    /// The organization of the post, which keeps what is made from it; 0 for people who are not staff.
    pub(crate) home: i64,
    /// The organizations that are one institution with it, itself included.
    pub(crate) house: Vec<i64>,
    /// The institutions under the same direct management, other than this one.
    pub(crate) group: Vec<i64>,
    /// Everything that may be meant by a tie to the caller: the house, the practitioner, the post, or the person.
    pub(crate) parties: Vec<i64>,
    /// Others from whom what a patient keeps is kept from the caller as well, though nothing opened to them is opened.
    pub(crate) shut_out: Vec<i64>,
    /// Whether it is a machine client's. It writes as the platform does; what a patient keeps from it, it is not shown.
    pub(crate) is_machine: bool,
    /// The patients the caller is.
    pub(crate) own: Vec<i64>,
    /// The patients the caller acts for.
    pub(crate) charges: Vec<i64>,
}

impl Sight {
    fn mine(&self, party: i64) -> bool {
        party == 0 || self.parties.contains(&party)
    }

    /// Whether an act is permitted. `ties` are those that hold of the resource's subject and of the resource itself.
    pub(crate) fn allows(&self, act: Act, facts: &Facts, ties: &[Held]) -> bool {
        self.openings(act, facts, ties).next().is_some()
    }

    /// The closest relation through which an act is permitted; `None` when it is not. Where nothing is asked of the
    /// relation, the closest that holds all the same.
    pub(crate) fn way(&self, act: Act, facts: &Facts, ties: &[Held]) -> Option<Relation> {
        let open: Vec<Relation> = self.openings(act, facts, ties).map(|(_, relation)| relation).collect();
        match CLOSEST.into_iter().find(|relation| open.contains(relation))? {
            Relation::Anyone => CLOSEST.into_iter().find(|relation| self.holds(*relation, facts, ties)),
            way => Some(way),
        }
    }

    /// Whether somebody who may write a resource may take labels off it. What an institution keeps to itself it may
    /// share whenever it writes it.
    pub(crate) fn may_take_off(&self, labels: i64, facts: &Facts, ties: &[Held]) -> bool {
        let judged = labels & !self.clauses.keeper_only;
        let openings = || self.openings(Act::Write, facts, ties);
        judged == 0 || judged & !openings().fold(0, |labels, (clause, _)| labels | clause.takes_off) == 0
    }

    /// The grants that permit an act, with each relation through which they do.
    fn openings(&self, act: Act, facts: &Facts, ties: &[Held]) -> impl Iterator<Item = (&Clause, Relation)> {
        let keeper_only = self.clauses.keeper_only;
        let shut = facts.label & keeper_only != 0 && !self.house.contains(&facts.keeper);
        let clauses = if shut { &[][..] } else { self.clauses.of(act) };
        let refused = self.is_refused(facts, ties);
        let opened = self.opened(facts, ties);
        let permits = move |clause: &Clause| {
            clause.types.contains(facts.type_)
                && (clause.despite_refusal || !refused)
                && (clause.only == 0 || facts.label & clause.only != 0)
                && (!clause.unkept || facts.keeper == 0)
                && opened.iter().any(|opened| facts.label & !(clause.labels | opened | keeper_only) == 0)
        };
        let permitting = clauses.iter().filter(move |clause| permits(clause));
        permitting.flat_map(move |clause| {
            let holding = clause.relations.iter().filter(|relation| self.holds(**relation, facts, ties));
            holding.map(move |relation| (clause, *relation))
        })
    }

    /// The labels each permission of the patient opens to the caller, and none.
    fn opened(&self, facts: &Facts, ties: &[Held]) -> Vec<i64> {
        let opening = ties.iter().filter(|tie| {
            tie.kind == Kind::Opened
                && tie.subject == facts.subject
                && self.mine(tie.party)
                && (tie.what == 0 || tie.what == facts.type_)
        });
        std::iter::once(0).chain(opening.map(|tie| tie.mask)).collect()
    }

    /// Whether the patient keeps the caller from this resource.
    pub(crate) fn is_refused(&self, facts: &Facts, ties: &[Held]) -> bool {
        let concerns = |tie: &Held| {
            tie.subject == facts.subject
                && (tie.what == 0 || tie.what == facts.type_)
                && (tie.mask == 0 || tie.mask & facts.label != 0)
        };
        let about = |tie: &Held| self.mine(tie.party) && concerns(tie);
        let excepted = |rid: i64| ties.iter().any(|tie| tie.kind == Kind::Except && tie.rid == rid && about(tie));
        let denies = |tie: &Held| {
            tie.kind == Kind::Deny && (about(tie) || (self.shut_out.contains(&tie.party) && concerns(tie)))
        };
        ties.iter().any(|tie| denies(tie) && !excepted(tie.rid))
    }

    /// Whether a relation joins the caller and a resource.
    pub(crate) fn holds(&self, relation: Relation, facts: &Facts, ties: &[Held]) -> bool {
        let of_subject = |tie: &&Held| facts.subject > 0 && tie.subject == facts.subject;
        match relation {
            Relation::Anyone => true,
            Relation::Nobody => facts.subject == 0,
            Relation::Keeper => self.house.contains(&facts.keeper),
            Relation::Own => self.own.contains(&facts.subject),
            Relation::Proxy => self.charges.contains(&facts.subject),
            Relation::Group => ties
                .iter()
                .filter(of_subject)
                .any(|tie| matches!(tie.kind, Kind::Treats | Kind::Contracted) && self.group.contains(&tie.party)),
            Relation::Addressed => ties
                .iter()
                .any(|tie| tie.kind == Kind::Addressed && tie.rid == facts.rid && self.parties.contains(&tie.party)),
            other => {
                let kind = Kind::of(other);
                ties.iter().filter(of_subject).any(|tie| Some(tie.kind) == kind && self.parties.contains(&tie.party))
            }
        }
    }

    /// Labels that nobody but the keeper may open.
    pub(crate) fn keeper_only(&self) -> i64 {
        self.clauses.keeper_only
    }

    /// Whether a grant on one of these types asks nothing of the relation.
    pub(crate) fn asks_nothing(&self, types: &[&'static str]) -> bool {
        let numbers: Vec<i64> =
            types.iter().filter_map(|name| ResourceType::named(name)).map(ResourceType::number).collect();
        let of = |clause: &&Clause| numbers.iter().any(|number| clause.types.contains(*number));
        self.clauses.read.iter().filter(of).any(|clause| clause.relations.contains(&Relation::Anyone))
    }

    /// Whether anything is open to the caller's role through a relation.
    pub(crate) fn goes_by(&self, relation: Relation) -> bool {
        self.clauses.read.iter().any(|clause| clause.relations.contains(&relation))
    }

    /// The relations through which the caller's role may do something to resources of a type.
    pub(crate) fn ways(&self, act: Act, type_: i64) -> Vec<Relation> {
        let clauses = self.clauses.of(act).iter().filter(|clause| clause.types.contains(type_));
        let mut ways: Vec<Relation> = clauses.flat_map(|clause| clause.relations.iter().copied()).collect();
        ways.sort_unstable();
        ways.dedup();
        ways
    }
}

/// The columns a condition is on, as they are written.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) rid: String,
    pub(crate) type_: String,
    pub(crate) subject: String,
    pub(crate) keeper: String,
    pub(crate) label: String,
}

impl Columns {
    /// Those of a table that has them all.
    pub(crate) fn of(table: &str) -> Self {
        let column = |name: &str| format!("{table}.{name}");
        Self {
            rid: column("rid"),
            type_: column("type"),
            subject: column("subject"),
            keeper: column("keeper"),
            label: column("label"),
        }
    }
}

/// A condition nothing fulfils.
const NEVER: &str = "1 = 0";

/// Writes conditions for one statement.
pub(crate) struct Conditions<'c> {
    pub(crate) sight: &'c Sight,
    pub(crate) dialect: Dialect,
    /// Adds an argument and answers how it is written.
    pub(crate) argument: &'c mut dyn FnMut(SqlValue) -> String,
}

impl Conditions<'_> {
    /// The condition that a resource may be read, given that it is of one of the types; of any when none are given.
    pub(crate) fn readable(&mut self, columns: &Columns, types: Option<Types>) -> String {
        let clauses = pruned(&self.sight.clauses.read, types);
        if clauses.is_empty() {
            return NEVER.to_owned();
        }
        let (despite, else_): (Vec<Clause>, Vec<Clause>) =
            clauses.into_iter().partition(|clause| clause.despite_refusal);
        let mut either = Vec::new();
        for clause in &despite {
            either.push(self.clause(clause, columns, types));
        }
        if !else_.is_empty() {
            let permitted: Vec<String> = else_.iter().map(|clause| self.clause(clause, columns, types)).collect();
            let refused = self.refused(columns);
            either.push(format!("(({}) AND NOT {refused})", permitted.join(" OR ")));
        }
        let either = either.join(" OR ");
        let keeper_only = self.sight.clauses.keeper_only;
        if keeper_only == 0 {
            return format!("({either})");
        }
        let kept = self.among(&columns.keeper, &self.sight.house);
        format!("(({} & {keeper_only} = 0 OR {kept}) AND ({either}))", columns.label)
    }

    fn clause(&mut self, clause: &Clause, columns: &Columns, types: Option<Types>) -> String {
        let mut all = Vec::new();
        if types.is_none_or(|types| types.common(clause.types) != types) {
            let types = types.map_or(clause.types, |types| types.common(clause.types));
            let numbers: Vec<String> = types.numbers().map(|number| number.to_string()).collect();
            all.push(format!("{} IN ({})", columns.type_, numbers.join(", ")));
        }
        let label = &columns.label;
        if clause.only != 0 {
            all.push(format!("{label} & {} <> 0", clause.only));
        }
        // The bits above the lowest 31 are never set.
        let closed = !(clause.labels | self.sight.clauses.keeper_only) & 0x7fff_ffff;
        let opened = self.opened(columns, closed);
        all.push(format!("({label} & {closed} = 0 OR {opened})"));
        all.push(self.related(&clause.relations, columns));
        format!("({})", all.join(" AND "))
    }

    fn related(&mut self, relations: &[Relation], columns: &Columns) -> String {
        if relations.contains(&Relation::Anyone) {
            return "1 = 1".to_owned();
        }
        let mut either = Vec::new();
        let mut kinds = Vec::new();
        for relation in relations {
            match relation {
                Relation::Nobody => either.push(format!("{} = 0", columns.subject)),
                Relation::Keeper => either.push(self.among(&columns.keeper, &self.sight.house)),
                Relation::Own => either.push(self.among(&columns.subject, &self.sight.own)),
                Relation::Proxy => either.push(self.among(&columns.subject, &self.sight.charges)),
                Relation::Group => {
                    let kinds = [Kind::Treats, Kind::Contracted];
                    either.push(self.tied(&columns.subject, &kinds, &self.sight.group));
                }
                Relation::Addressed => {
                    let party = self.among("t.party", &self.sight.parties);
                    let (kind, now) = (Kind::Addressed.number(), self.now("t"));
                    either.push(format!(
                        "EXISTS (SELECT 1 FROM tie t WHERE t.rid = {} AND t.kind = {kind} AND {party} AND {now}{})",
                        columns.rid,
                        self.dialect.each()
                    ));
                }
                other => kinds.extend(Kind::of(*other)),
            }
        }
        if !kinds.is_empty() {
            either.push(self.tied(&columns.subject, &kinds, &self.sight.parties));
        }
        either.retain(|condition| condition != NEVER);
        if either.is_empty() { NEVER.to_owned() } else { format!("({})", either.join(" OR ")) }
    }

    fn tied(&mut self, subject: &str, kinds: &[Kind], parties: &[i64]) -> String {
        if parties.is_empty() {
            return NEVER.to_owned();
        }
        let kinds: Vec<String> = kinds.iter().map(|kind| kind.number().to_string()).collect();
        let (party, now) = (self.among("t.party", parties), self.now("t"));
        format!(
            "({subject} > 0 AND EXISTS (SELECT 1 FROM tie t WHERE t.subject = {subject} AND t.kind IN ({}) \
             AND {party} AND {now}{}))",
            kinds.join(", "),
            self.dialect.each()
        )
    }

    fn refused(&mut self, columns: &Columns) -> String {
        let (deny, except) = (self.about("d", columns, true), self.about("e", columns, false));
        let (kind, other, each) = (Kind::Deny.number(), Kind::Except.number(), self.dialect.each());
        format!(
            "EXISTS (SELECT 1 FROM tie d WHERE d.subject = {} AND d.kind = {kind} AND {deny} AND NOT EXISTS \
             (SELECT 1 FROM tie e WHERE e.rid = d.rid AND e.kind = {other} AND e.subject = d.subject AND {except}{each}){each})",
            columns.subject
        )
    }

    /// A provision of the patient's that concerns the caller and the resource.
    fn about(&mut self, table: &str, columns: &Columns, shuts: bool) -> String {
        let mut parties = self.sight.parties.clone();
        parties.push(0);
        if shuts {
            parties.extend(&self.sight.shut_out);
        }
        let (party, now) = (self.among(&format!("{table}.party"), &parties), self.now(table));
        format!(
            "{party} AND {now} AND ({table}.what = 0 OR {table}.what = {}) \
             AND ({table}.mask = 0 OR {table}.mask & {} <> 0)",
            columns.type_, columns.label
        )
    }

    fn opened(&mut self, columns: &Columns, closed: i64) -> String {
        let (party, now, kind) = (self.mine("o"), self.now("o"), Kind::Opened.number());
        format!(
            "EXISTS (SELECT 1 FROM tie o WHERE o.subject = {} AND o.kind = {kind} AND {party} AND {now} \
             AND (o.what = 0 OR o.what = {}) AND {} & {closed} & ~o.mask = 0{})",
            columns.subject,
            columns.type_,
            columns.label,
            self.dialect.each()
        )
    }

    /// A tie to the caller or to everyone.
    fn mine(&mut self, table: &str) -> String {
        let mut parties = self.sight.parties.clone();
        parties.push(0);
        self.among(&format!("{table}.party"), &parties)
    }

    fn now(&mut self, table: &str) -> String {
        let now = (self.argument)(self.sight.now.into());
        let again = (self.argument)(self.sight.now.into());
        format!("{table}.lo <= {now} AND {table}.hi > {again}")
    }

    fn among(&mut self, column: &str, numbers: &[i64]) -> String {
        match numbers {
            [] => NEVER.to_owned(),
            [one] => format!("{column} = {one}"),
            many => {
                let list = (self.argument)(SqlValue::Ints(many.to_vec()));
                match self.dialect {
                    Dialect::Sqlite => format!("{column} IN (SELECT value FROM rarray({list}))"),
                    Dialect::Postgres => format!("{column} = ANY({list})"),
                }
            }
        }
    }
}

/// The clauses that matter for some types, without those that another one of them covers.
fn pruned(clauses: &[Clause], types: Option<Types>) -> Vec<Clause> {
    let mut kept: Vec<Clause> = Vec::new();
    for clause in clauses {
        let mut clause = clause.clone();
        if let Some(types) = types {
            clause.types = clause.types.common(types);
        }
        if clause.types.is_empty() || kept.iter().any(|other| covers(other, &clause)) {
            continue;
        }
        kept.retain(|other| !covers(&clause, other));
        kept.push(clause);
    }
    kept
}

/// Whether everything one clause permits is permitted by another.
fn covers(wide: &Clause, narrow: &Clause) -> bool {
    let relations: FxHashSet<Relation> = wide.relations.iter().copied().collect();
    let reaches = relations.contains(&Relation::Anyone) || narrow.relations.iter().all(|one| relations.contains(one));
    reaches
        && narrow.types.common(wide.types) == narrow.types
        && narrow.labels & !wide.labels == 0
        && (wide.only == 0 || wide.only == narrow.only)
        && (wide.despite_refusal || !narrow.despite_refusal)
}
