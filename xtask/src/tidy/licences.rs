//! Every crate that is linked has a licence that deny.toml allows, and every one chosen has its reason written down.

use std::collections::BTreeSet;

use super::Finding;
use super::graph::Metadata;
use crate::shell::Outcome;

/// Checks the licences of the whole graph and the reasons of the direct dependencies.
pub(crate) fn check(metadata: &Metadata, deny: &str, reasons: &str) -> Outcome<Vec<Finding>> {
    let settings: toml::Table = deny.parse().map_err(|error| format!("deny.toml is not TOML: {error}"))?;
    let allowed: BTreeSet<&str> = settings
        .get("licenses")
        .and_then(|licences| licences.get("allow"))
        .and_then(|allow| allow.as_array())
        .ok_or("deny.toml allows no licence")?
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let mut findings: Vec<Finding> = metadata
        .packages()
        .filter(|package| !package.licence.is_some_and(|licence| is_allowed(licence, &allowed)))
        .map(|package| {
            let licence = package.licence.unwrap_or("none");
            format!("deny.toml: does not allow the licence of {} {}: {licence}", package.name, package.version)
        })
        .collect();

    let own: BTreeSet<String> = metadata.own().iter().map(|package| package.name.to_owned()).collect();
    let used: BTreeSet<String> = metadata
        .own()
        .iter()
        .flat_map(|package| package.uses().map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| !own.contains(name))
        .collect();
    let explained: BTreeSet<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .map(|cell| cell.trim_matches('`'))
        .collect();
    for name in used.iter().filter(|name| !explained.contains(name.as_str())) {
        findings.push(format!("docs/decisions/dependencies.md: has no line for {name}"));
    }
    // Packages of other registries, named with their registry in brackets, are none of cargo's.
    let of_cargo = |name: &&&str| !["crate", "package", "---"].contains(*name) && !name.ends_with(')');
    for name in explained.iter().filter(of_cargo).filter(|name| !used.contains(**name)) {
        findings.push(format!("docs/decisions/dependencies.md: explains {name}, which nothing uses"));
    }
    Ok(findings)
}

/// Whether one of the ways to satisfy an SPDX expression is allowed throughout.
/// <https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    // Old manifests write `MIT/Apache-2.0` for a choice.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let answer = any_of(&words, &mut at, allowed);
    answer && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut answer = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        answer |= all_of(words, at, allowed);
    }
    answer
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut answer = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        answer &= one(words, at, allowed);
    }
    answer
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let answer = any_of(words, at, allowed);
        *at += 1;
        return answer;
    }
    // `Apache-2.0 WITH LLVM-exception` is one licence with a permission added.
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_mean_what_spdx_says() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Unicode-3.0"]);
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND BUSL-1.1", ""] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
