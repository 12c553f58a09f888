//! Numbers that people know papers by.

use serde::{Deserialize, Serialize};

use super::Code;

/// Numbers of an institution, one after another, without gaps and none twice.
///
/// In what an activity sets, `%code` is the next one. It is drawn in the transaction that writes it, and stands in what is
/// written from then on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Series {
    /// Its code.
    pub code: Code,
    /// The role whose institution numbers.
    pub issuer: Code,
    /// What tells the numbers of the institution from those of others, as FHIRPath on its `Organization`; otherwise its id in
    /// capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Code>,
    /// How a number is put together: `{prefix}`, `{date}` as `20261102`, and `{serial:4}` of at least so many digits. What
    /// stands around the serial begins a series of its own, so that with a date each day begins at 1.
    pub pattern: Code,
}

impl Series {
    /// What stands before and after the serial of a number.
    pub(crate) fn around(&self, prefix: &str, date: &str) -> Option<(String, String)> {
        let (before, rest) = self.pattern.split_once("{serial:")?;
        let (_, after) = rest.split_once('}')?;
        let fill = |text: &str| text.replace("{prefix}", prefix).replace("{date}", date);
        Some((fill(before), fill(after)))
    }

    /// How many digits a serial has at least; none where the pattern has no serial, or several.
    pub(crate) fn digits(&self) -> Option<usize> {
        let (_, rest) = self.pattern.split_once("{serial:")?;
        let (digits, rest) = rest.split_once('}')?;
        digits.parse().ok().filter(|digits| (1..=12).contains(digits) && !rest.contains("{serial"))
    }
}
