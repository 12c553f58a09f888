//! What people do not write, whatever the rules open to them: what would give somebody a right that nobody gave them.

use fhir::{Category, Error, IssueCode, Value, json};
use sonic_rs::JsonValueTrait;

use crate::access::facts::SELF_MADE;
use crate::access::sight::Facts;
use crate::store::batch::{Current, WriteTx};
use crate::store::body;
use crate::transact::commit::Group;
use crate::transact::prepare::{Operation, address_of};

/// What an emergency access consists of: whose record, to whom, for how long, and that it is one.
const ACCESS: [&str; 4] = ["for", "requester", "executionPeriod", "code"];

/// What the review of a relation that somebody made for themselves is about.
const MADE: [&str; 7] = ["for", "requester", "owner", "focus", "input", "code", "authoredOn"];

fn refusal(text: &str) -> Error {
    Error::new(Category::Forbidden, IssueCode::BusinessRule, text)
}

impl Group<'_> {
    /// Why somebody who is no machine may not write a resource so, over what they see of it; none when they may.
    ///
    /// A Subscription would send what its writer may read anywhere, also after their post has ended. An emergency access
    /// is opened, and announced, by `$break-glass`; whoever reviews it decides about it and does not make another of it.
    /// A Task opens the record it is for, so it stays with the patient it was written for.
    pub(super) async fn barred<T: WriteTx>(
        &self,
        tx: &mut T,
        operation: &Operation,
        was: Option<&Current>,
        will_be: &Facts,
    ) -> Result<Option<Error>, Error> {
        let type_ = operation.key.type_.name();
        if type_ == "Subscription" {
            let text = "A Subscription is written by the machine that is to be notified, as far as that may read.";
            return Ok(Some(refusal(text)));
        }
        let self_made = self.tools.rules.label(SELF_MADE).unwrap_or_default();
        let was_label = was.filter(|was| !was.deleted).map_or(0, |was| was.facts.label);
        if (will_be.label | was_label) & self_made != 0 {
            let is_one = will_be.label & was_label & self_made != 0;
            if !is_one || !self.keeps(tx, operation, &MADE).await? {
                let text = "That somebody made a relation for themselves is put down by the record; it is judged, and not \
                            written or changed.";
                return Ok(Some(refusal(text)));
            }
        }
        let emergency = self.tools.rules.label("emergency-access").unwrap_or_default();
        if will_be.label & emergency != 0 {
            let opened = was.filter(|was| !was.deleted && was.facts.label & emergency != 0);
            if opened.is_none() {
                let text = "An emergency access is opened by Patient/[id]/$break-glass, which tells those concerned.";
                return Ok(Some(refusal(text)));
            }
            if !self.keeps(tx, operation, &ACCESS).await? {
                let text = "Whose record an emergency access opens, to whom and for how long, stays as it was announced. \
                            It is ended by its status, or by finding it unjustified.";
                return Ok(Some(refusal(text)));
            }
        }
        if type_ == "Task" && was.is_some_and(|was| was.facts.subject != will_be.subject) {
            let text = "A Task stays with the patient it was written for. Write another for somebody else.";
            return Ok(Some(refusal(text)));
        }
        Ok(None)
    }

    /// Whether these elements of a resource stay what they are.
    async fn keeps<T: WriteTx>(&self, tx: &mut T, operation: &Operation, elements: &[&str]) -> Result<bool, Error> {
        let rid = self.place(&address_of(&operation.key))?.rid;
        let found = tx.rows("SELECT body FROM resource WHERE rid = $1", &[rid.into()]).await?;
        let bytes = found.first().map(|row| row.bytes_or_null(0)).transpose()?.flatten();
        let stored = bytes.map(|bytes| json::parse(&body::unpack(bytes)?)).transpose()?;
        let (Some(stored), Some(content)) = (stored, &operation.content) else { return Ok(false) };
        let sent = json::parse(&content.json(1, self.at))?;
        let part = |of: &Value, name: &str| of.get(name).map(json::to_bytes);
        Ok(elements.iter().all(|name| part(&stored, name) == part(&sent, name)))
    }
}
