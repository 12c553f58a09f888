//! What is done to a run, as it is told in JSON.

use std::collections::BTreeMap;

use fhir::{Category, Error, IssueCode};
use protocol::Deed;
use protocol::run::{Party, Reason};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::App;
use crate::interaction::moment;

/// Something that is done to a run: which deed, and what it needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    deed: String,
    step: Option<String>,
    n: Option<u32>,
    outcome: Option<String>,
    reason: Option<Why>,
    at: Option<String>,
    party: Option<Whom>,
    milestone: Option<String>,
    class: Option<String>,
    protocol: Option<String>,
    /// The version of the protocol that a run has which is to go on under the latest. Machines alone do that.
    from: Option<String>,
    /// The name of whoever corrects a time, written by themselves.
    signature: Option<String>,
    #[serde(rename = "response")]
    _response: Option<IgnoredAny>,
    /// In a rehearsal only.
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Why {
    Words(String),
    Coded { code: String, text: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    reference: String,
    display: Option<String>,
}

impl Told {
    /// The deed of whoever sends it.
    pub(super) fn deed(self, app: &App) -> Result<Deed, Error> {
        if self.by.is_some() {
            return Err(Error::invalid("Who acts is who signed in; “by” is for rehearsals."));
        }
        let at = self.at.as_deref().map(|at| moment(app, at)).transpose()?;
        self.at_time(at)
    }

    /// The deed in a rehearsal: when, by whom, what.
    pub(super) fn rehearsed(mut self, app: &App) -> Result<(i64, Option<String>, Deed), Error> {
        if self.deed == "correct" {
            return Err(Error::unsupported("A correction cannot be rehearsed."));
        }
        let at = moment(app, &needed(self.at.take(), &self.deed, "at")?)?;
        let by = self.by.take();
        Ok((at, by, self.at_time(None)?))
    }

    fn at_time(self, at: Option<i64>) -> Result<Deed, Error> {
        let Self { deed, n, outcome, reason, .. } = self;
        let n = n.unwrap_or(1);
        let step = || needed(self.step, &deed, "step");
        let reason = reason.map(|why| match why {
            Why::Words(text) => Reason { code: String::new(), text: Some(text) },
            Why::Coded { code, text } => Reason { code, text },
        });
        let words = |reason: Option<Reason>| reason.map(|one| one.text.unwrap_or(one.code)).unwrap_or_default();
        Ok(match deed.as_str() {
            "complete" => {
                let (response, bind) = (None, BTreeMap::new());
                Deed::Complete { step: step()?, n, outcome, reason, response, at, bind }
            }
            "take" => Deed::Take { step: step()?, n },
            "hand" => {
                let Whom { reference, display } = needed(self.party, &deed, "party")?;
                Deed::Hand { step: step()?, n, party: Party { reference, display } }
            }
            "skip" => Deed::Skip { step: step()?, n, reason: needed(reason, &deed, "reason")? },
            "acknowledge" => Deed::Acknowledge { step: step()?, n },
            "correct" => {
                let (milestone, at) = (needed(self.milestone, &deed, "milestone")?, needed(at, &deed, "at")?);
                let signed = self.signature.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
                Deed::Correct { milestone, n, at, reason: words(reason), signed }
            }
            "regrade" => Deed::Regrade { class: needed(self.class, &deed, "class")?, reason: words(reason) },
            "switch" => Deed::Switch { protocol: needed(self.protocol, &deed, "protocol")?, reason: words(reason) },
            "cancel" => Deed::Cancel { reason: reason.unwrap_or_default() },
            "migrate" => Deed::Migrate { from: needed(self.from, &deed, "from")?, points: Vec::new() },
            _ => {
                let text = "There is no such deed; one of complete, take, hand, skip, acknowledge, correct, regrade, \
                            switch, cancel, migrate.";
                return Err(Error::new(Category::Invalid, IssueCode::Value, text));
            }
        })
    }
}

fn needed<T>(value: Option<T>, deed: &str, name: &str) -> Result<T, Error> {
    value.ok_or_else(|| {
        let text = format!("The deed “{}” needs “{name}”.", crate::ask::shortened(deed));
        Error::new(Category::Invalid, IssueCode::Required, text)
    })
}
