//! What is supposed of a population and its hospital: read from a text, and held against the protocol it is for.

use std::collections::BTreeMap;

use protocol::Protocol;
use serde::Deserialize;

use super::chance::Lasting;
use crate::Outcome;

/// A population of cases, and who and what there is for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Plan {
    /// The protocol it is for.
    pub(super) protocol: String,
    /// The way its runs start.
    pub(super) start: String,
    /// Steps nobody does.
    #[serde(default)]
    pub(super) without: Vec<String>,
    /// What the cases are like.
    pub(super) cases: Cases,
    /// Who and what there is.
    #[serde(rename = "pool")]
    pub(super) pools: Vec<Pool>,
    /// What is done.
    #[serde(rename = "activity")]
    pub(super) activities: Vec<Activity>,
}

/// What cases are like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// Minutes between two of them, in the mean.
    pub(super) apart: f64,
    pub(super) source: String,
    pub(super) warned: Warned,
    pub(super) triage: Triage,
    pub(super) onset: Onset,
    pub(super) glucose: Glucose,
}

/// Those an ambulance announces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Warned {
    pub(super) share: f64,
    /// How long before the door the team is called.
    pub(super) ahead: Lasting,
    pub(super) source: String,
}

/// How long after the door the team is called for the others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Triage {
    pub(super) lasts: Lasting,
    pub(super) source: String,
}

/// When it began.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Onset {
    /// How long before the door.
    pub(super) before: Lasting,
    /// The share of those of whom nobody knows.
    pub(super) unknown: f64,
    pub(super) source: String,
}

/// Sugar measured on the road.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Glucose {
    /// Of those an ambulance announces.
    pub(super) share: f64,
    pub(super) source: String,
}

/// People or machines of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) code: String,
    /// What the page calls it.
    pub(super) title: String,
    /// How many there are.
    pub(super) size: usize,
    /// What they have to do besides; it waits for whoever is of the protocol, and is not broken off.
    pub(super) other: Other,
    pub(super) source: String,
}

/// Work that is not of the protocol.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Other {
    /// Minutes between two such things, in the mean.
    pub(super) apart: f64,
    pub(super) lasts: Lasting,
}

/// Something that is done and takes time: a step of the protocol, or what follows a milestone and leads to another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Activity {
    /// The step.
    #[serde(default)]
    pub(super) step: Option<String>,
    /// The milestone it follows, where it is no step.
    #[serde(default)]
    pub(super) follows: Option<String>,
    /// The milestone it leads to, where it is no step.
    #[serde(default)]
    pub(super) reach: Option<String>,
    /// Who does it; nobody who could be busy where absent.
    #[serde(default)]
    pub(super) pool: Option<String>,
    /// 1 where somebody is at the patient, who can have [`HANDS`] at once.
    #[serde(default)]
    pub(super) hands: usize,
    /// Milestones without which nobody can do it, whatever the protocol says, such as a doctor who is there.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// More of them for cases of which nobody knows when it began.
    #[serde(default)]
    pub(super) when_unknown: Vec<String>,
    /// Lower goes first where several wait for one pool.
    #[serde(default)]
    pub(super) rank: u8,
    pub(super) lasts: Lasting,
    /// How long it takes for those who were announced, where that differs.
    #[serde(default)]
    pub(super) warned: Option<Lasting>,
    /// How long it takes a second time, where that differs.
    #[serde(default)]
    pub(super) again: Option<Lasting>,
    /// How long whoever did it is not free yet.
    #[serde(default)]
    pub(super) after: Option<Lasting>,
    /// How it ends, and the shares.
    #[serde(default)]
    pub(super) outcomes: BTreeMap<String, f64>,
    /// Its outcome is called as the class of the case.
    #[serde(default)]
    pub(super) by_class: bool,
    pub(super) source: String,
}

/// How many people can be at one patient at once.
pub(super) const HANDS: usize = 3;

/// The class of a case of which somebody, or nobody, knows when it began.
pub(super) const CLASSES: [&str; 2] = ["known", "unknown"];

impl Plan {
    /// Reads it.
    ///
    /// # Errors
    /// What is no TOML, and what does not fit the protocol.
    pub(super) fn read(text: &str, protocol: &Protocol) -> Outcome<Self> {
        let plan: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        plan.fits(protocol)?;
        Ok(plan)
    }

    fn fits(&self, protocol: &Protocol) -> Outcome<()> {
        if self.protocol != protocol.code.as_str() {
            return Err(format!("This is for {}, and not for {}.", self.protocol, protocol.code));
        }
        for one in &self.activities {
            let name = one.name();
            let named = one.needs.iter().chain(&one.when_unknown).chain(&one.follows).chain(&one.reach);
            if let Some(code) = named.into_iter().find(|code| protocol.milestone(code).is_none()) {
                return Err(format!("{name} names the milestone {code}, and there is none."));
            }
            if one.step.is_some() == (one.follows.is_some() && one.reach.is_some()) {
                return Err(format!("{name} is a step, or follows one milestone and reaches another."));
            }
            if one.pool.as_ref().is_some_and(|code| self.pools.iter().all(|pool| pool.code != *code)) {
                return Err(format!("{name} is done by nobody there is."));
            }
            let Some(code) = &one.step else { continue };
            let step = protocol.step(code).ok_or_else(|| format!("There is no step {code}."))?;
            let named: Vec<&str> = match one.by_class {
                true => CLASSES.to_vec(),
                false => one.outcomes.keys().map(String::as_str).collect(),
            };
            if named.is_empty() != step.outcomes.is_empty() || named.iter().any(|code| step.outcome(code).is_none()) {
                return Err(format!("{code} does not end as is said here."));
            }
            let all: f64 = one.outcomes.values().sum();
            if !one.outcomes.is_empty() && (all - 1.0).abs() > 1e-9 {
                return Err(format!("The shares of {code} come to {all}."));
            }
        }
        let told = |code: &str| {
            let is_done = self.activities.iter().any(|one| one.step.as_deref() == Some(code));
            is_done != self.without.iter().any(|one| one == code)
        };
        let hand = protocol.steps.iter().filter(|step| !step.automatic);
        match hand.map(|step| step.code.as_str()).find(|code| !told(code)) {
            Some(code) => Err(format!("Say of the step {code} how it is done, or that it is not.")),
            None => Ok(()),
        }
    }
}

impl Activity {
    /// What it is called.
    pub(super) fn name(&self) -> &str {
        self.step.as_deref().or(self.reach.as_deref()).unwrap_or_default()
    }
}

/// What each step waits for besides, where everything is done one after another.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Besides(BTreeMap<String, Vec<String>>);

/// A protocol with more requirements, and nothing else changed.
///
/// # Errors
/// When the text names what the protocol does not have, or what it requires anyway.
pub(super) fn requiring(protocol: &Protocol, text: &str) -> Outcome<Protocol> {
    let Besides(besides) = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut changed = protocol.clone();
    for (code, requires) in besides {
        let step = changed.steps.iter_mut().find(|step| step.code.as_str() == code);
        let step = step.ok_or_else(|| format!("There is no step {code}."))?;
        for one in requires {
            if let Some(unknown) = one.split('|').find(|code| protocol.milestone(code).is_none()) {
                return Err(format!("{code} requires {unknown}, and there is no such milestone."));
            }
            if !step.requires.iter().any(|known| known.as_str() == one) {
                step.requires.push(one.into());
            }
        }
    }
    Ok(changed)
}
