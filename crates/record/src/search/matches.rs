//! A condition asked of a resource that no index holds yet. It answers as the statements of [`super::sql`] would.

use fhir::search::{Entry, IndexValue};

use super::query::{Criterion, Relation, Sought, System, Test};
use crate::Key;
use crate::store::names::indexed;
use crate::transact::prepare::address;

/// Whether a resource with these index rows fulfils a criterion; none where that depends on other resources or on
/// when it was written.
pub(super) fn holds(criterion: &Criterion, key: &Key, rows: &[Entry<'_>]) -> Option<bool> {
    match criterion {
        Criterion::Any(either) => {
            let each = || either.iter().map(|criterion| holds(criterion, key, rows));
            if each().any(|held| held == Some(true)) { Some(true) } else { each().try_fold(false, |_, held| held) }
        }
        Criterion::Not(rest) => holds(rest, key, rows).map(|held| !held),
        Criterion::Ids { types, ids } => Some(types.contains(&key.type_.name()) && ids.contains(&key.id)),
        Criterion::Row(sought) => Some(rows.iter().any(|row| is_sought(row, sought))),
        Criterion::Together(parts) => {
            let lead = parts.iter().find(|part| !part.across).or(parts.first());
            let groups = rows.iter().filter(|row| lead.is_some_and(|lead| is_sought(row, &lead.sought)));
            let fits = |group: u16| {
                parts.iter().all(|part| {
                    rows.iter().any(|row| (part.across || row.group == group) && is_sought(row, &part.sought))
                })
            };
            Some(groups.map(|row| row.group).any(fits))
        }
        Criterion::Updated(_) | Criterion::Chain { .. } | Criterion::Has { .. } => None,
    }
}

fn is_sought(row: &Entry<'_>, sought: &Sought) -> bool {
    sought.params.contains(&row.param)
        && (sought.tests.is_empty() || sought.tests.iter().any(|test| passes(&row.value, test)))
}

fn same(one: &str, other: &str) -> bool {
    indexed(one) == indexed(other)
}

fn is_of(system: &System, found: Option<&str>) -> bool {
    match system {
        System::Any => true,
        System::Absent => found.is_none(),
        System::Is(system) => found.is_some_and(|found| same(found, system)),
    }
}

fn passes(value: &IndexValue<'_>, test: &Test) -> bool {
    match (value, test) {
        (IndexValue::Token { system: found, code: written }, Test::Token { system, code }) => match code {
            Some(code) => same(written, code) && is_of(system, found.as_deref()),
            None => *system != System::Any && is_of(system, found.as_deref()),
        },
        (IndexValue::Token { code, .. }, Test::Beginning(text)) => code.starts_with(text.as_str()),
        (IndexValue::Reference { target }, Test::Target(wanted)) => address(target) == address(wanted),
        (IndexValue::Text { folded, .. }, Test::Prefix(text)) => folded.starts_with(text.as_str()),
        (IndexValue::Text { folded: found, exact: written }, Test::Exact { folded, exact }) => {
            same(found, folded) && same(written, exact)
        }
        (IndexValue::Text { folded, exact }, Test::Contains(text)) => {
            !exact.is_empty() && folded.contains(text.as_str())
        }
        (IndexValue::Date { lo: first, hi: last }, Test::Time { relation, lo, hi }) => match relation {
            Relation::Equal => first >= lo && first < hi && last <= hi,
            Relation::NotEqual => first < lo || last > hi,
            Relation::Greater => last > hi,
            Relation::Less => first < lo,
            Relation::GreaterOrEqual => last >= lo && (last > hi || first >= lo),
            Relation::LessOrEqual => first < hi && (first < lo || last <= hi),
            Relation::StartsAfter => first >= hi,
            Relation::EndsBefore => last <= lo,
            Relation::Near => first < hi && last > lo,
        },
        (IndexValue::Number { lo: least, hi: most }, Test::Number { unit: None, .. }) => is_number(*least, *most, test),
        (IndexValue::Quantity { lo: least, hi: most, system: found, code: written }, Test::Number { unit, .. }) => {
            let unit = unit.as_ref().is_none_or(|(system, code)| {
                same(written.as_deref().unwrap_or_default(), code) && is_of(system, found.as_deref())
            });
            unit && is_number(*least, *most, test)
        }
        _ => false,
    }
}

fn is_number(least: f64, most: f64, test: &Test) -> bool {
    let Test::Number { relation, value, lo, hi, .. } = test else { return false };
    match relation {
        Relation::Equal => least >= *lo && least < *hi && most < *hi,
        Relation::NotEqual => least < *lo || most >= *hi,
        Relation::Greater => most > *value,
        Relation::Less => least < *value,
        Relation::GreaterOrEqual => most >= *value,
        Relation::LessOrEqual => least <= *value,
        Relation::StartsAfter => least > *value,
        Relation::EndsBefore => most < *value,
        Relation::Near => least <= *hi && most >= *lo,
    }
}
