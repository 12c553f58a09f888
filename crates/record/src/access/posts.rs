//! The times at which posts are in force, kept in memory: every request of a member of staff asks for them.

use fhir::Error;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::facts::Kind;
use crate::store::value::Rows;

/// The type whose resources are posts.
pub(super) const TYPE: &str = "PractitionerRole";

/// Posts kept. More than a city has at work at once.
const KEPT: usize = 50_000;

/// What was read of posts since one was last written.
#[derive(Debug, Default)]
pub(super) struct Posts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How often everything was forgotten: what was read before the last time is not kept after it.
    turn: u64,
    terms: FxHashMap<i64, Vec<Term>>,
}

/// Who holds a post where, and when: from `lo` until before `hi`.
#[derive(Debug, Clone, Copy)]
struct Term {
    practitioner: i64,
    home: i64,
    lo: i64,
    hi: i64,
}

impl Posts {
    /// Whether a practitioner holds a post at an organization at a time.
    pub(super) async fn in_force(
        &self,
        rows: &mut impl Rows,
        role: i64,
        practitioner: i64,
        home: i64,
        now: i64,
    ) -> Result<bool, Error> {
        let turn = {
            let known = self.0.lock();
            if let Some(terms) = known.terms.get(&role) {
                return Ok(holds(terms, practitioner, home, now));
            }
            known.turn
        };
        let sql = "SELECT subject, party, lo, hi FROM tie WHERE rid = $1 AND kind = $2";
        let found = rows.rows(sql, &[role.into(), Kind::Post.number().into()]).await?;
        let term = |row: &crate::store::value::Row| -> Result<Term, Error> {
            Ok(Term { practitioner: row.int(0)?, home: row.int(1)?, lo: row.int(2)?, hi: row.int(3)? })
        };
        let terms: Vec<Term> = found.iter().map(term).collect::<Result<_, _>>()?;
        let answer = holds(&terms, practitioner, home, now);
        let mut known = self.0.lock();
        if known.turn == turn {
            if known.terms.len() >= KEPT {
                known.terms.clear();
            }
            known.terms.insert(role, terms);
        }
        Ok(answer)
    }

    /// The same, where it is known.
    pub(super) fn known(&self, role: i64, practitioner: i64, home: i64, now: i64) -> Option<bool> {
        self.0.lock().terms.get(&role).map(|terms| holds(terms, practitioner, home, now))
    }

    /// Forgets everything, since a post was written.
    pub(super) fn forget(&self) {
        let mut known = self.0.lock();
        known.turn += 1;
        known.terms.clear();
    }
}

fn holds(terms: &[Term], practitioner: i64, home: i64, now: i64) -> bool {
    let of_both = |term: &&Term| (term.practitioner, term.home) == (practitioner, home);
    terms.iter().filter(of_both).any(|term| (term.lo..term.hi).contains(&now))
}
