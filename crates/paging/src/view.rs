//! What became of pages, for those who look.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, time};
use record::tree::Words;
use serde::Serialize;

use crate::Paging;
use crate::page::{Channel, Page, State};

/// One page, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Its id.
    pub id: String,
    /// The reference of whom it is for, and what they are called.
    pub who: String,
    /// What they are called.
    pub name: String,
    /// The code of the role they were paged for.
    pub role: String,
    /// What the role is called.
    pub title: Words,
    /// What they were told.
    pub what: Words,
    /// When it was told, as an instant.
    pub told: String,
    /// Over which channel.
    pub channel: Channel,
    /// Where it is.
    pub state: State,
    /// When its channel took it, or it was given up, as an instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Nobody was on call.
    pub everyone: bool,
    /// Why it reached nobody: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What stands between a run and the people it called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The id of the run.
    pub run: String,
    /// Channels that do not take its pages now.
    pub channels: BTreeSet<Channel>,
    /// Those whom no channel has reached: what they are called.
    pub unreached: Vec<String>,
    /// What the roles are called for which nobody is on call.
    pub nobody: Vec<Words>,
}

impl Paging {
    /// The pages about a run, the latest first.
    pub async fn reached(&self, run: &str) -> Result<Vec<Reached>, Error> {
        let mut pages = self.pages_of(run).await?;
        pages.sort_by(|one, other| {
            (other.content.at, &one.who, one.channel).cmp(&(one.content.at, &other.who, other.channel))
        });
        Ok(pages.into_iter().map(shown).collect())
    }
}

/// What is wrong with the pages of a run; none when everybody was reached.
pub(crate) fn trouble(run: &str, pages: &[Page]) -> Option<Trouble> {
    let mut channels = BTreeSet::new();
    for channel in [Channel::Push, Channel::Sms, Channel::Voice] {
        let of = |page: &&Page| page.channel == channel;
        let taken =
            pages.iter().filter(of).filter(|page| page.state == State::Handed).filter_map(|page| page.sent).max();
        let is_down = |page: &Page| match page.state {
            State::Retried => true,
            State::GivenUp => {
                let by_channel = page.failure.as_ref().is_some_and(|(code, _)| code == "channel-down");
                by_channel && page.sent > taken
            }
            _ => false,
        };
        if pages.iter().filter(of).any(is_down) {
            channels.insert(channel);
        }
    }
    let mut people: BTreeMap<&str, Vec<&Page>> = BTreeMap::new();
    for page in pages.iter().filter(|page| !page.who.0.starts_with("Organization/")) {
        people.entry(&page.who.0).or_default().push(page);
    }
    let is_unreached = |pages: &Vec<&Page>| {
        let latest = pages.iter().map(|page| page.content.at).max();
        let mut last = pages.iter().filter(|page| Some(page.content.at) == latest);
        last.all(|page| !matches!(page.state, State::Handed | State::Waiting))
    };
    let unreached = people.values().filter(|pages| is_unreached(pages)).filter_map(|pages| pages.first());
    let unreached: Vec<String> = unreached.map(|page| page.who.1.clone()).collect();
    let mut nobody: BTreeMap<&str, Words> = BTreeMap::new();
    for page in pages.iter().filter(|page| page.state == State::NoWay && page.everyone) {
        nobody.insert(&page.role, page.title.clone());
    }
    let nobody: Vec<Words> = nobody.into_values().collect();
    let is_well = channels.is_empty() && unreached.is_empty() && nobody.is_empty();
    (!is_well).then(|| Trouble { run: run.to_owned(), channels, unreached, nobody })
}

fn shown(page: Page) -> Reached {
    Reached {
        id: page.id,
        who: page.who.0,
        name: page.who.1,
        role: page.role,
        title: page.title,
        what: page.content.what,
        told: time::instant(page.content.at),
        channel: page.channel,
        state: page.state,
        at: page.sent.map(time::instant),
        attempts: page.attempts,
        everyone: page.everyone,
        failure: page.failure.map(|(code, _)| code),
    }
}
