//! The default rules as a table, which is kept beside this file so that every change of who may see what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::duties::DUTIES;
use super::rules::{DEFAULT, Grant, PATIENT, PROXY, Relation, Rules, Types};
use crate::ResourceType;

/// Pairs of a role and a type that are open through no relation at all. Others may not join them.
const OPEN_TO_A_ROLE: usize = 48;

/// One line for each role, act, relation and what is asked besides: the kinds it opens, and types of other kinds.
fn table(rules: &Rules, kinds: &BTreeMap<String, Types>) -> String {
    let mut lines: BTreeMap<(usize, String), Types> = BTreeMap::new();
    let roles: Vec<&str> = DUTIES.iter().map(|duty| duty.code).chain([PATIENT, PROXY]).collect();
    for (at, role) in roles.iter().enumerate() {
        for grant in rules.grants.iter().filter(|grant| grant.to.contains(role)) {
            for (act, types) in [("read", grant.read), ("write", grant.write)] {
                for relation in grant.through.iter().filter(|_| !types.is_empty()) {
                    let takes_off = if act == "write" { grant.takes_off } else { 0 };
                    let line = format!("{role} {act} {}{}", relation.code(), asked(rules, grant, takes_off));
                    let open = lines.entry((at, line)).or_default();
                    *open = open.union(types);
                }
            }
        }
    }
    let mut text = String::new();
    for ((_, line), types) in lines {
        let whole: Vec<&str> =
            kinds.iter().filter(|(_, kind)| types.common(**kind) == **kind).map(|(name, _)| name.as_str()).collect();
        let covered = whole.iter().fold(Types::default(), |covered, name| covered.union(kinds[*name]));
        let single: BTreeSet<&str> = types
            .numbers()
            .filter(|number| !covered.contains(*number))
            .filter_map(ResourceType::numbered)
            .map(ResourceType::name)
            .collect();
        let opened: Vec<&str> = whole.into_iter().chain(single).collect();
        writeln!(text, "{line}: {}", opened.join(" ")).unwrap();
    }
    text
}

/// What a grant asks and gives besides.
fn asked(rules: &Rules, grant: &Grant, takes_off: i64) -> String {
    let names = |bits: i64, sign: char| {
        let named = rules.labels.iter().filter(move |label| label.bit & bits != 0);
        named.map(move |label| format!(" {sign}{}", label.name)).collect::<String>()
    };
    let purposes: String = grant.purposes.iter().map(|purpose| format!(" for {purpose}")).collect();
    let unkept = if grant.unkept { " unkept" } else { "" };
    let despite = if grant.despite_refusal { " despite refusal" } else { "" };
    let (opens, only, takes_off) =
        (names(grant.labels & !grant.only, '+'), names(grant.only, '='), names(takes_off, '-'));
    format!("{opens}{only}{takes_off}{unkept}{purposes}{despite}")
}

#[test]
fn the_default_rules_open_what_the_table_says_and_no_more() {
    let rules = Rules::parse(DEFAULT).unwrap();
    let kinds = super::rules::kinds(DEFAULT).unwrap();
    let table = table(&rules, &kinds);
    assert!(table == include_str!("table.txt"), "crates/record/src/access/table.txt should be:\n{table}");
}

#[test]
fn fewer_and_fewer_types_are_open_to_a_role_through_no_relation() {
    let rules = Rules::parse(DEFAULT).unwrap();
    let mut open = BTreeSet::new();
    for grant in rules.grants.iter().filter(|grant| grant.through.contains(&Relation::Anyone)) {
        let types: Vec<i64> = grant.read.union(grant.write).numbers().collect();
        open.extend(grant.to.iter().flat_map(|role| types.iter().map(move |type_| (*role, *type_))));
    }
    assert!(open.len() <= OPEN_TO_A_ROLE, "{} pairs of a role and a type are open to everyone in it", open.len());
}
