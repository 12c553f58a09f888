//! Whether there is anybody who could do what a protocol asks for.

use super::Desk;
use crate::definition::{Code, PartyKind, Protocol, StartKind};

/// The duty of those who start something for themselves; no post holds it.
const PATIENT: &str = "patient";

impl Desk<'_> {
    /// Roles that do something and starts by hand, none of whose duties anybody in the consortium holds.
    pub(super) fn held(&mut self, protocol: &Protocol) {
        let Some(held) = self.known.duties else { return };
        let nobody = |duties: &[Code]| {
            !duties.is_empty() && !duties.iter().any(|duty| duty.as_str() == PATIENT || held.contains(duty.as_str()))
        };
        let names = |duties: &[Code]| duties.iter().map(Code::as_str).collect::<Vec<_>>().join(", ");
        for role in protocol.roles.iter().filter(|role| nobody(&role.duties)) {
            let works = matches!(role.party, PartyKind::Institution | PartyKind::Team);
            let mut theirs = protocol.steps.iter().filter(|step| step.who == role.code && !step.automatic);
            if let (true, Some(step)) = (works, theirs.next()) {
                let told = format!("Nobody in the consortium holds any duty of the role `{}`", role.code);
                let told = format!("{told} ({}), so nobody can do `{}`", names(&role.duties), step.code);
                self.error(&role.duties[0], format!("{told}; give somebody a post with one, or name another duty."));
            }
        }
        for start in protocol.starts.iter().filter(|start| start.by == StartKind::Hand && nobody(&start.duties)) {
            let told = format!("Nobody in the consortium holds a duty that may start this ({})", names(&start.duties));
            self.error(&start.duties[0], format!("{told}; give somebody a post with one, or name another duty."));
        }
    }
}
