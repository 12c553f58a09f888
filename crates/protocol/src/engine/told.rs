//! What is told of runs besides where they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir::{Category, Error, IssueCode};
use record::{Caller, Session};

use super::authority::Authority;
use super::scene::{About, Scene};
use super::{Engine, Standing};
use crate::run::{Deed, Reason};
use crate::{Protocol, Run, knowledge};

/// The protocols a protocol says its runs can go over to.
fn named(protocol: &Protocol) -> BTreeSet<&str> {
    protocol.milestones.iter().filter_map(|one| one.switch.as_deref()).collect()
}

/// Refuses that a run goes over to a protocol to which its own does not let it. A run that went over earlier keeps its
/// history: this is asked of who acts and not of what is folded.
pub(super) fn is_target(protocol: &Protocol, other: &str) -> Result<(), Error> {
    let named = named(protocol);
    if named.contains(other) {
        return Ok(());
    }
    let to = match named.is_empty() {
        true => "Its protocol names none to which it could.".to_owned(),
        false => format!("It can go over to: {}.", named.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let text = format!("A run of \"{}\" does not go over to \"{other}\". {to}", protocol.code);
    Err(Error::new(Category::Unprocessable, IssueCode::BusinessRule, text))
}

impl Engine {
    /// The latest version of every protocol that the record holds now, by code.
    pub async fn protocols(&self) -> Result<Vec<Arc<Protocol>>, Error> {
        // Another process may have put some in since.
        let stored = knowledge::versions(&self.platform(), None).await?;
        if stored.iter().any(|(code, version)| self.0.library.get(code, Some(version)).is_none()) {
            self.learn().await?;
        }
        Ok(self.0.library.latest())
    }

    /// Whether a caller may take a run back now, as far as its protocol lets anybody.
    pub async fn may_cancel(&self, caller: &Caller, standing: &Standing) -> Result<bool, Error> {
        let Standing { protocol, run, .. } = standing;
        let too_late = |run: &Run| {
            let mut until = protocol.cancel.iter().flat_map(|cancel| &cancel.until);
            until.any(|code| run.reached(code).is_some())
        };
        if run.end.is_some() || too_late(run) {
            return Ok(false);
        }
        self.may_do(caller, standing, &Deed::Cancel { reason: Reason::default() }).await
    }

    /// Whether a caller may say that a run is more or less urgent than it was.
    pub async fn may_regrade(&self, caller: &Caller, standing: &Standing) -> Result<bool, Error> {
        let deed = Deed::Regrade { class: String::new(), reason: String::new() };
        Ok(standing.run.end.is_none() && self.may_do(caller, standing, &deed).await?)
    }

    /// The protocols under which a caller may let a run go on by hand: those its own protocol says it can go over to.
    pub async fn targets(&self, caller: &Caller, standing: &Standing) -> Result<Vec<Arc<Protocol>>, Error> {
        let named = named(&standing.protocol);
        let deed = Deed::Switch { protocol: String::new(), reason: String::new() };
        if named.is_empty() || standing.run.end.is_some() || !self.may_do(caller, standing, &deed).await? {
            return Ok(Vec::new());
        }
        let mut targets = Vec::new();
        for code in named {
            targets.extend(self.protocol(code, None).await?);
        }
        Ok(targets)
    }

    async fn may_do(&self, caller: &Caller, standing: &Standing, deed: &Deed) -> Result<bool, Error> {
        match Authority::new(&self.0.record, caller).act(&standing.protocol, &standing.run, deed).await {
            Ok(()) => Ok(true),
            Err(error) if error.category() == Category::Forbidden => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What stands under the headings of a run's summary, by code, as far as the session shows what it is made of.
    ///
    /// `names` says what those are called who take part, by reference; a role's `display` is taken from there.
    pub async fn summary(
        &self,
        session: &Session,
        standing: &Standing,
        names: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let protocol = &standing.protocol;
        let expressions: Vec<&str> = protocol.summaries.iter().map(|summary| summary.value.as_str()).collect();
        if expressions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let Some((Standing { mut run, .. }, frame)) = self.stored(&standing.run.id).await? else {
            return Ok(BTreeMap::new());
        };
        for party in run.parties.values_mut().filter(|party| party.display.is_none()) {
            party.display = names.get(&party.reference).cloned();
        }
        let about = About::default();
        let scene = Scene::gather(session, protocol, &run, &frame, about, &expressions, self.now()).await?;
        let mut summary = BTreeMap::new();
        for line in &protocol.summaries {
            let expression = self.expression(&line.value)?;
            let texts = scene.evaluate(&expression, |items| {
                Ok(items.iter().filter_map(|item| Some(item.to_text()?.into_owned())).collect::<Vec<String>>())
            })?;
            if !texts.is_empty() {
                summary.insert(line.code.to_string(), texts.join("、"));
            }
        }
        Ok(summary)
    }
}
