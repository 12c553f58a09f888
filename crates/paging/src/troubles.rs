//! The runs whose pages do not all go out. Every board asks for them every few seconds, so they are found once and then kept
//! in step with the change feed: what nobody paged about costs nothing to ask for again.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, time};
use record::tree;

use crate::page::Page;
use crate::view::{Trouble, trouble};
use crate::{Paging, code};

/// How long a page that reached nobody is looked for, in microseconds: longer than a case lasts at the door.
const LOOKED: i64 = 24 * 3_600_000_000;

/// How long what is kept is gone on with, in microseconds: by then some pages are too old to be told of.
const KEPT: i64 = 60_000_000;

/// Changes looked through. After more of them everything is looked for anew.
const CHANGES: usize = 1_000;

/// Runs whose pages are read by one search.
const TOGETHER: usize = 50;

/// What was found, and up to where in the feed it holds.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// When everything was looked for, in microseconds since 1970; none before it was.
    since: Option<i64>,
    position: u64,
    runs: BTreeMap<String, Trouble>,
}

impl Paging {
    /// The runs whose pages do not all go out, each with what is wrong.
    pub async fn troubles(&self) -> Result<Vec<Trouble>, Error> {
        // Of several who ask at once one looks, and the others find what it found.
        let mut kept = self.0.troubles.lock().await;
        let now = self.now();
        let is_kept = kept.since.is_some_and(|since| (since..since + KEPT).contains(&now));
        if !(is_kept && self.keep_up(&mut kept).await?) {
            *kept = self.look_anew(now).await?;
        }
        Ok(kept.runs.values().cloned().collect())
    }

    /// Goes on from what is kept, if what was written since then tells how.
    async fn keep_up(&self, kept: &mut Kept) -> Result<bool, Error> {
        let platform = self.platform();
        let changes = platform.changes(kept.position, CHANGES).await?;
        let Some(last) = changes.last().map(|change| change.seq) else { return Ok(true) };
        if changes.len() == CHANGES {
            return Ok(false);
        }
        let mut runs = BTreeSet::new();
        for change in changes.iter().filter(|change| change.key.type_.name() == "Communication") {
            // Of which run a page was that is there no more, nothing tells.
            let Some((tree, version)) = tree::read(&platform, &change.key.to_string()).await? else { return Ok(false) };
            runs.extend(Page::of(&tree, version, self.zone()).and_then(|page| page.run));
        }
        for (run, pages) in self.pages_of_all(&runs).await? {
            match trouble(&run, &pages) {
                Some(trouble) => kept.runs.insert(run, trouble),
                None => kept.runs.remove(&run),
            };
        }
        kept.position = last;
        Ok(true)
    }

    async fn look_anew(&self, now: i64) -> Result<Kept, Error> {
        let position = *self.0.record.head().borrow();
        let asked = [
            ("category", format!("{}|{}", code::NOTICE, code::PAGED)),
            ("status", "in-progress,stopped,not-done".to_owned()),
            ("_lastUpdated", format!("ge{}", time::instant(now - LOOKED))),
            ("_count", "500".to_owned()),
        ];
        let zone = self.zone();
        let found = tree::every_version(&self.platform(), "Communication", &asked).await?;
        let pages = found.iter().filter_map(|(tree, version)| Page::of(tree, *version, zone));
        let runs: BTreeSet<String> = pages.filter_map(|page| page.run).collect();
        let all = self.pages_of_all(&runs).await?;
        let runs = all.into_iter().filter_map(|(run, pages)| Some((run.clone(), trouble(&run, &pages)?))).collect();
        Ok(Kept { since: Some(now), position, runs })
    }

    /// All pages about some runs, by run; a run without any is there as well.
    async fn pages_of_all(&self, runs: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<Page>>, Error> {
        let mut all: BTreeMap<String, Vec<Page>> = runs.iter().map(|run| (run.clone(), Vec::new())).collect();
        let runs: Vec<&String> = runs.iter().collect();
        for some in runs.chunks(TOGETHER) {
            let wholes: Vec<String> = some.iter().map(|run| format!("Task/{run}")).collect();
            for page in self.pages_in(&wholes.join(",")).await? {
                if let Some(own) = page.run.as_ref().and_then(|run| all.get_mut(run)) {
                    own.push(page);
                }
            }
        }
        Ok(all)
    }
}
