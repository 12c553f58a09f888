//! What a run can be printed as.

use serde::{Deserialize, Serialize};

use super::{Code, Words};

/// A document that a run can be printed as, such as a referral slip or a reply. It is made anew from the record each
/// time, under the version of the protocol the run has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    /// Its code.
    pub code: Code,
    /// What stands at its head.
    pub title: Words,
    /// What it is printed on.
    #[serde(default, skip_serializing_if = "PaperSize::is_a4")]
    pub paper: PaperSize,
    /// The role whose institution issues it.
    pub issuer: Code,
    /// The role it is addressed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Code>,
    /// What must have come about: each a milestone, or several of which one is enough, `closed|interim`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Code>,
    /// Whether there is such a document at all, as FHIRPath on what the run knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Code>,
    /// The number people know it by, as FHIRPath; otherwise the id of the run's chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Code>,
    /// The patient may have it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub patient: bool,
    /// What it says, in order.
    #[serde(default, rename = "section", skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
    /// Who signs it, in order.
    #[serde(default, rename = "signature", skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// What stands small below everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Words>,
}

/// What a document is printed on. <https://www.iso.org/standard/36631.html>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaperSize {
    /// 210 by 297 mm.
    #[default]
    A4,
    /// 148 by 210 mm.
    A5,
}

impl PaperSize {
    fn is_a4(&self) -> bool {
        *self == Self::A4
    }
}

/// Lines of a document that belong together: a line each, or a table with a row for each of several things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Section {
    /// Its code.
    pub code: Code,
    /// What stands above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Words>,
    /// Of a table: what has a row, as FHIRPath. The lines are its columns, and their values FHIRPath on one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Code>,
    /// Of a table: the repeating group of a form that has a row each time, `FORM.GROUP`. The lines are its columns, and
    /// their answers items of that group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Code>,
    /// Without anything in it the section is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Its lines.
    #[serde(default, rename = "row", skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
}

/// A line of a document: what it is called and what it says. It says one of `value`, `answer`, `milestone` and `role`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Row {
    /// What it is called; otherwise as the question, the milestone or the role is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Words>,
    /// FHIRPath on what the run knows; `%answers` are the responses to its forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Code>,
    /// The answer to a question of a form, `FORM.ITEM`; in a table of a group `ITEM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Code>,
    /// The time of a milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<Code>,
    /// The name of whom a role is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Code>,
    /// The list of the line that says what codes are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Code>,
    /// It takes the whole width, for texts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
    /// Without a value it is left out; otherwise it stands there empty, to be written in by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A place to sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Signature {
    /// Its code.
    pub code: Code,
    /// Who signs.
    pub title: Words,
    /// Whose name is printed there, as FHIRPath that gives a name or a Reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Code>,
    /// A date is written beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dated: bool,
}
