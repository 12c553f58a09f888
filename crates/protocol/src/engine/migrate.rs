//! Runs of an earlier version that go on under the latest.

use fhir::{Error, json};
use record::{Caller, SearchRequest};

use super::Engine;
use crate::run::Deed;
use crate::task;

/// Runs read at a time.
const PAGE: usize = 200;

/// What became of the runs of a version.
#[derive(Debug, Default)]
pub struct Migrated {
    /// How many go on under the latest version.
    pub moved: usize,
    /// Those that stay under the version they have, each with the reason.
    pub stayed: Vec<(String, Error)>,
}

impl Engine {
    /// Lets every open run of an earlier version of a protocol go on under the latest, by the mapping that one declares. A
    /// run that would lose something stays as it is. Doing it twice changes nothing, and so does stopping on the way.
    ///
    /// # Errors
    /// As [`Error::not_found`] when there is no such protocol, as unsupported when its latest version does not say how runs
    /// of that version go on, and when the record fails.
    pub async fn migrate(&self, caller: &Caller, code: &str, from: &str) -> Result<Migrated, Error> {
        let latest = self.protocol(code, None).await?.ok_or_else(|| super::no_protocol(code))?;
        if !latest.migrations.iter().any(|migration| migration.from == from) {
            let text = format!("Version {} does not say how runs of version {from} go on.", latest.version);
            return Err(Error::unsupported(text));
        }
        let asked = [
            ("_tag", format!("{}|root", task::RUN)),
            ("code", format!("{}|{code}", task::PROTOCOL)),
            ("status", "in-progress".to_owned()),
            ("_count", PAGE.to_string()),
        ];
        let mut pages = self.platform().pages(SearchRequest::of("Task", &asked)?);
        let mut found = Vec::new();
        while let Some(page) = pages.next().await? {
            for body in page.matches.into_iter().filter_map(|version| version.body) {
                let run = task::run(&json::parse(&body)?)?;
                if run.version == from && run.end.is_none() {
                    found.push(run.id);
                }
            }
        }
        let mut done = Migrated::default();
        for run in found {
            let deed = Deed::Migrate { from: from.to_owned(), points: Vec::new() };
            match self.act(caller, &run, deed.into()).await {
                Ok(_) => done.moved += 1,
                Err(error) => done.stayed.push((run, error)),
            }
        }
        Ok(done)
    }
}
