//! Official cases, run as data.
//!
//! Each test names its cases to a [`Suite`], which compares what failed with `expected_failures.txt`. The list may
//! only shrink: a failure that is not listed fails the test, and so does a listed case that passes or is gone.

pub mod hostile;
pub mod xml;

use std::collections::BTreeMap;

/// `suite | case | reason`, one a line; empty lines and lines that begin with `#` are prose.
const EXPECTED: &str = include_str!("../expected_failures.txt");

/// The cases of one test, and how each ended.
#[derive(Debug)]
pub struct Suite {
    name: &'static str,
    outcomes: BTreeMap<String, Result<(), String>>,
}

impl Suite {
    /// A suite without cases.
    pub fn new(name: &'static str) -> Self {
        Self { name, outcomes: BTreeMap::new() }
    }

    /// Adds a case and how it ended; an error says why it failed.
    pub fn case(&mut self, case: impl Into<String>, outcome: Result<(), String>) {
        self.outcomes.insert(case.into(), outcome);
    }

    /// Compares the outcomes with the list.
    ///
    /// # Panics
    ///
    /// When the two differ, with every difference, and when there were no cases at all.
    pub fn finish(self) {
        assert!(!self.outcomes.is_empty(), "{} has no cases", self.name);
        let expected = expected(self.name);
        let mut differences = Vec::new();
        for (case, outcome) in &self.outcomes {
            match (outcome, expected.contains_key(case.as_str())) {
                (Err(why), false) => differences.push(format!("{case} fails: {why}")),
                (Ok(()), true) => differences.push(format!("{case} passes, so its line must go")),
                _ => {}
            }
        }
        let gone = expected.keys().filter(|case| !self.outcomes.contains_key(**case));
        differences.extend(gone.map(|case| format!("{case} is listed, but there is no such case")));
        let total = self.outcomes.len();
        assert!(
            differences.is_empty(),
            "{} of {total} cases of {}:\n{}",
            differences.len(),
            self.name,
            differences.join("\n")
        );
        eprintln!("{}: {} of {total} cases pass", self.name, total - expected.len());
    }
}

/// The listed cases of a suite, each with its reason.
fn expected(suite: &str) -> BTreeMap<&'static str, &'static str> {
    EXPECTED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.splitn(3, " | ");
            let mut next = || fields.next().map(str::trim).filter(|field| !field.is_empty());
            let (listed, case, reason) = (next(), next(), next());
            listed.zip(case).zip(reason).unwrap_or_else(|| panic!("a line lacks suite, case or reason: {line}"))
        })
        .filter(|((listed, _), _)| *listed == suite)
        .map(|((_, case), reason)| (case, reason))
        .collect()
}
