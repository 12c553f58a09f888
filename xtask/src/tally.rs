//! Counting what ran, over suites of several languages.

use std::ops::AddAssign;

use crate::shell::Outcome;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// One check, passed or failed.
    pub(crate) fn of_one(passed: bool) -> Self {
        Self { passed: usize::from(passed), failed: usize::from(!passed), skipped: 0 }
    }

    /// One suite that could not run.
    pub(crate) fn of_skipped() -> Self {
        Self { passed: 0, failed: 0, skipped: 1 }
    }

    /// Prints the closing line; any failure, or nothing at all having run, is an error.
    pub(crate) fn close(self) -> Outcome<()> {
        let verdict = match self {
            Self { failed: 0, passed: 0, .. } => Err("No test ran, so nothing is known.".to_owned()),
            Self { failed: 0, .. } => Ok(()),
            _ => Err(String::new()),
        };
        // The count is the one line that programs read, so it stands alone, last, on standard output.
        #[allow(clippy::print_stdout, reason = "the closing line is this command's result")]
        {
            println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        }
        verdict
    }

    /// A suite whose program failed without naming a failed test still failed.
    pub(crate) fn or_failed(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Moves tests that returned early for want of their material from passed to skipped.
    fn with_skips(mut self, announced: usize) -> Self {
        let moved = announced.min(self.passed);
        self.passed -= moved;
        self.skipped += moved;
        self
    }

    /// Reads a JUnit report as cargo-nextest and pytest write it.
    ///
    /// A test that prints a line beginning `skipped: ` had nothing to work on and is counted as skipped.
    pub(crate) fn of_junit(report: &str) -> Self {
        let count = |what: &str| report.matches(what).count();
        let ran = count("<testcase ");
        let failed = report
            .split("<testcase ")
            .skip(1)
            .filter(|case| {
                let case = case.split("</testcase>").next().unwrap_or_default();
                case.contains("<failure") || case.contains("<error")
            })
            .count();
        let skipped = count("<skipped");
        let counted = Self { passed: ran.saturating_sub(failed + skipped), failed, skipped };
        counted.with_skips(announced_skips(report))
    }

    /// Reads the closing lines of `cargo test`.
    pub(crate) fn of_cargo_test(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
            tally += Self {
                passed: number_before(line, " passed"),
                failed: number_before(line, " failed"),
                skipped: number_before(line, " ignored"),
            };
        }
        tally.with_skips(announced_skips(output))
    }

    /// Reads the closing lines of Node's test runner (`# pass 3` or `ℹ pass 3`) or of Vitest (`Tests  3 passed (3)`).
    pub(crate) fn of_node(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["#" | "ℹ", "pass", count] => tally.passed += count.parse::<usize>().unwrap_or(0),
                ["#" | "ℹ", "fail", count] => tally.failed += count.parse::<usize>().unwrap_or(0),
                ["#" | "ℹ", "skipped", count] => tally.skipped += count.parse::<usize>().unwrap_or(0),
                ["Tests", ..] => {
                    tally.passed += number_before(line, " passed");
                    tally.failed += number_before(line, " failed");
                    tally.skipped += number_before(line, " skipped");
                }
                _ => {}
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// How many lines, or texts of a report's elements, announce a test that had nothing to work on.
fn announced_skips(output: &str) -> usize {
    output.split(['\n', '>']).filter(|text| text.trim_start().starts_with("skipped: ")).count()
}

/// The number that stands right before `what`, or nothing.
fn number_before(line: &str, what: &str) -> usize {
    let before = line.split(what).next().filter(|before| before.len() < line.len()).unwrap_or_default();
    let digits = before.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junit_report_counts_failures_errors_and_announced_skips() {
        let report = r#"<testsuites tests="4" failures="1">
            <testcase name="a"><system-err>skipped: a: no data</system-err></testcase>
            <testcase name="b"><failure>no</failure></testcase>
            <testcase name="c" time="1"/>
            <testcase name="d"><skipped/></testcase></testsuites>"#;
        assert_eq!(Tally::of_junit(report), Tally { passed: 1, failed: 1, skipped: 2 });
    }

    #[test]
    fn several_cargo_test_results_add_up() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\nskipped: x: y\n\
                      test result: FAILED. 12 passed; 2 failed; 0 ignored;";
        assert_eq!(Tally::of_cargo_test(output), Tally { passed: 14, failed: 2, skipped: 2 });
    }

    #[test]
    fn node_and_vitest_closing_lines_are_read() {
        let output = "# pass 4\n# fail 1\n# skipped 0\n      Tests  1 failed | 7 passed (8)\n";
        assert_eq!(Tally::of_node(output), Tally { passed: 11, failed: 2, skipped: 0 });
    }

    #[test]
    fn a_suite_that_fails_without_a_failed_test_still_counts_as_failed() {
        let ran = Tally { passed: 3, failed: 0, skipped: 0 };
        assert_eq!(ran.or_failed(false).failed, 1);
        assert!(Tally::default().close().is_err());
    }
}
