//! Which open runs concern whom, kept in memory while one process follows what is written: nearly everything that is
//! written is about somebody for whom there is no run, or about whom something was written a moment ago.
//!
//! What was found is forgotten as the feed comes by what changes it: a run's own Task, a registration, a person. Nothing is
//! missed by that: whatever comes in the feed after a run began is gone over after the run's Task has been.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir::{Category, Error};
use parking_lot::Mutex;
use record::{FeedEntry, Key, Method, SearchRequest};
use rustc_hash::FxHashMap;

use super::Engine;
use super::draft::Draft;
use crate::task;

/// Registrations kept in mind. With more, all are forgotten: whoever comes again is asked for again.
const MOST: usize = 20_000;

/// Names of registrations or of runs, of which many are the same.
type Names = Arc<BTreeSet<String>>;

/// What is known of registrations by now.
#[derive(Default)]
pub(super) struct Concerned(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The change of the feed that was gone over last.
    seq: u64,
    /// How often something was forgotten. What was asked for before that is not kept.
    turn: u64,
    /// The open runs for a registration.
    runs: FxHashMap<String, Names>,
    /// All registrations of the person of a registration, itself among them.
    persons: FxHashMap<String, Names>,
    /// Under which registrations another one is known to be of the same person.
    others: FxHashMap<String, Vec<String>>,
}

impl Known {
    fn forget(&mut self, what: impl FnOnce(&mut Self)) {
        self.turn += 1;
        what(self);
    }

    fn forget_all(&mut self) {
        self.forget(|known| {
            known.runs.clear();
            known.forget_persons();
        });
    }

    fn forget_persons(&mut self) {
        self.persons.clear();
        self.others.clear();
    }

    fn forget_person(&mut self, patient: &str) {
        self.persons.remove(patient);
        for other in self.others.remove(patient).unwrap_or_default() {
            self.persons.remove(&other);
        }
    }
}

impl Concerned {
    /// Takes note of the next change of the feed, before it is gone over.
    pub(super) fn comes(&self, entry: &FeedEntry) {
        let mut known = self.0.lock();
        // Somebody else may have followed meanwhile, or one change is gone over again.
        if entry.seq != known.seq + 1 {
            known.forget_all();
        }
        known.seq = entry.seq;
        match entry.key.type_.name() {
            "Patient" => known.forget(|known| known.forget_person(&entry.key.id)),
            "Person" => known.forget(Known::forget_persons),
            // Whose it was does not stand there any more.
            "Task" if entry.method == Method::Delete => known.forget_all(),
            _ => {}
        }
    }

    /// Forgets which runs there are for some patients.
    pub(super) fn forget_runs<'p>(&self, patients: impl IntoIterator<Item = &'p str>) {
        self.0.lock().forget(|known| {
            for patient in patients {
                known.runs.remove(patient);
            }
        });
    }

    /// The registrations of the person of a registration, or the turn in which they are asked for.
    fn same(&self, patient: &str) -> Result<Names, u64> {
        let known = self.0.lock();
        known.persons.get(patient).cloned().ok_or(known.turn)
    }

    /// The open runs for a registration, or the turn in which they are asked for.
    fn runs(&self, patient: &str) -> Result<Names, u64> {
        let known = self.0.lock();
        known.runs.get(patient).cloned().ok_or(known.turn)
    }

    fn learn_same(&self, turn: u64, patient: &str, found: &Names) {
        let mut known = self.0.lock();
        if known.turn != turn {
            return;
        }
        if known.persons.len() >= MOST {
            known.forget_persons();
        }
        for other in found.iter().filter(|other| *other != patient) {
            known.others.entry(other.clone()).or_default().push(patient.to_owned());
        }
        known.persons.insert(patient.to_owned(), Arc::clone(found));
    }

    fn learn_runs(&self, turn: u64, patient: &str, found: &Names) {
        let mut known = self.0.lock();
        if known.turn != turn {
            return;
        }
        if known.runs.len() >= MOST {
            known.runs.clear();
        }
        known.runs.insert(patient.to_owned(), Arc::clone(found));
    }
}

impl Engine {
    /// The open runs for some patients, under any of their registrations, and those that are about a resource.
    pub(super) async fn concerned(&self, patients: &BTreeSet<String>, about: &Key) -> Result<BTreeSet<String>, Error> {
        let mut same = BTreeSet::new();
        for patient in patients {
            same.extend(self.registrations(patient).await?.iter().cloned());
        }
        let mut runs = BTreeSet::new();
        for patient in &same {
            runs.extend(self.runs_for(patient).await?.iter().cloned());
        }
        if self.library().concerns().focus.contains(about.type_.name()) {
            runs.extend(self.open_runs("focus", about.to_string()).await?);
        }
        Ok(runs)
    }

    async fn registrations(&self, patient: &str) -> Result<Names, Error> {
        let turn = match self.0.concerned.same(patient) {
            Ok(found) => return Ok(found),
            Err(turn) => turn,
        };
        let mut same = BTreeSet::from([patient.to_owned()]);
        match self.platform().same_person(patient).await {
            Ok(person) => same.extend(person.patients),
            // What is written may be about somebody who is not registered here, or no longer.
            Err(error) if matches!(error.category(), Category::NotFound | Category::Gone) => {}
            Err(error) => return Err(error),
        }
        let found = Arc::new(same);
        self.0.concerned.learn_same(turn, patient, &found);
        Ok(found)
    }

    async fn runs_for(&self, patient: &str) -> Result<Names, Error> {
        let turn = match self.0.concerned.runs(patient) {
            Ok(found) => return Ok(found),
            Err(turn) => turn,
        };
        let found = Arc::new(self.open_runs("patient", format!("Patient/{patient}")).await?);
        self.0.concerned.learn_runs(turn, patient, &found);
        Ok(found)
    }

    async fn open_runs(&self, parameter: &str, value: String) -> Result<BTreeSet<String>, Error> {
        let asked = [
            ("_tag", format!("{}|root", task::RUN)),
            ("status", "in-progress".to_owned()),
            (parameter, value),
            ("_count", "200".to_owned()),
        ];
        let found = self.platform().pages(SearchRequest::of("Task", &asked)?).matches().await?;
        Ok(found.into_iter().map(|version| version.key.id).collect())
    }

    /// Forgets what this process has just changed itself, of which it may be told long before the feed comes by it.
    pub(super) fn moved(&self, draft: &Draft<'_>) {
        self.0.concerned.forget_runs(draft.patients());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::ResourceType;

    fn entry(seq: u64, type_: &str, id: &str, method: Method) -> FeedEntry {
        let key = Key::new(ResourceType::parse(type_).unwrap(), id);
        FeedEntry { seq, key, version: 1, at: 0, method, actor: String::new(), purpose: String::new() }
    }

    fn names(names: &[&str]) -> Names {
        Arc::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// What is known of p, q and r after these changes, where p and q are one person.
    fn left(changes: &[FeedEntry]) -> (Vec<String>, Vec<String>) {
        let concerned = Concerned::default();
        concerned.comes(&entry(7, "Observation", "o", Method::Create));
        let turn = concerned.0.lock().turn;
        for (patient, person) in [("p", names(&["p", "q"])), ("q", names(&["p", "q"])), ("r", names(&["r"]))] {
            concerned.learn_same(turn, patient, &person);
            concerned.learn_runs(turn, patient, &names(&[]));
        }
        changes.iter().for_each(|change| concerned.comes(change));
        let known = concerned.0.lock();
        let sorted = |map: &FxHashMap<String, Names>| {
            let mut names: Vec<String> = map.keys().cloned().collect();
            names.sort();
            names
        };
        (sorted(&known.runs), sorted(&known.persons))
    }

    #[test]
    fn what_is_known_is_forgotten_as_the_feed_comes_by_what_changes_it() {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = owned(&["p", "q", "r"]);
        assert_eq!(left(&[entry(8, "Observation", "p", Method::Update)]), (all.clone(), all.clone()));
        assert_eq!(left(&[entry(8, "Patient", "q", Method::Update)]), (all.clone(), owned(&["r"])));
        assert_eq!(left(&[entry(8, "Patient", "q", Method::Delete)]), (all.clone(), owned(&["r"])));
        assert_eq!(left(&[entry(8, "Person", "x", Method::Create)]), (all.clone(), owned(&[])));
        assert_eq!(left(&[entry(8, "Task", "t", Method::Delete)]), (owned(&[]), owned(&[])));
        assert_eq!(left(&[entry(9, "Observation", "o", Method::Create)]), (owned(&[]), owned(&[])), "8 was not seen");
        assert_eq!(left(&[entry(7, "Observation", "o", Method::Create)]), (owned(&[]), owned(&[])), "7 comes again");
    }

    #[test]
    fn what_was_asked_for_before_something_was_forgotten_is_not_kept() {
        let concerned = Concerned::default();
        let Err(turn) = concerned.runs("p") else { panic!("nothing is known yet") };
        concerned.forget_runs(["p"]);
        concerned.learn_runs(turn, "p", &names(&[]));
        assert!(concerned.runs("p").is_err());
    }
}
