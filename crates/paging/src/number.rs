//! The number over which somebody is called, as they keep it themselves.

use fhir::{Category, Error, IssueCode};
use record::tree::{self, items, put};
use record::{Caller, Post, Session, Standing};
use serde_json::{Value, json};

use crate::Paging;
use crate::people::{described, is_mobile};

/// How often it is tried anew when others write the same meanwhile.
const TRIES: usize = 8;

impl Paging {
    /// The number over which whoever asks is called at the post they wear.
    ///
    /// Fails with [`Category::Forbidden`] when they wear none.
    pub async fn own_number(&self, session: &Session) -> Result<Option<String>, Error> {
        let post = post_of(session)?;
        let (person, _) = self.theirs(&practitioner(post)).await?;
        let (role, _) = self.theirs(&role(post)).await?;
        Ok(described(&post.practitioner, &person, &role).mobile)
    }

    /// Gives whoever asks another number over which they are called, or none when the text is empty. Where their post has
    /// one of its own that is changed, and otherwise the person's; the trail says that it was they who did it.
    ///
    /// Fails with [`Category::Invalid`] when it is no number of a mobile phone in China (eleven digits, the first a 1;
    /// 工信部《电信网编号计划》), and with [`Category::Forbidden`] when they wear no post.
    pub async fn set_own_number(&self, session: &Session, number: &str) -> Result<Option<String>, Error> {
        let post = post_of(session)?;
        let number = digits_of(number)?;
        let named = session.caller();
        // Directories are not theirs to write: only this one thing of it is, and only of themselves.
        let theirs = self.record().session(Caller { standing: Standing::System, ..named.clone() });
        for _ in 0..TRIES {
            let at_post = self.theirs(&role(post)).await?;
            let has_own = items(&at_post.0["telecom"]).any(is_called);
            let (mut tree, version) = if has_own { at_post } else { self.theirs(&practitioner(post)).await? };
            change(&mut tree, number.as_deref());
            match theirs.transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => return self.own_number(session).await,
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::fault("somebody's number is written by others all the time"))
    }

    async fn theirs(&self, reference: &str) -> Result<(Value, u64), Error> {
        let found = tree::read(&self.platform(), reference).await?;
        found.ok_or_else(|| Error::not_found("Your post is not in the directory any more."))
    }
}

fn post_of(session: &Session) -> Result<&Post, Error> {
    match &session.caller().standing {
        Standing::Staff(post) => Ok(post),
        _ => Err(Error::forbidden("A number to be called over belongs to one person at their post.")),
    }
}

fn role(post: &Post) -> String {
    format!("PractitionerRole/{}", post.role)
}

fn practitioner(post: &Post) -> String {
    format!("Practitioner/{}", post.practitioner)
}

/// Whether a ContactPoint is one over which somebody is called. <http://hl7.org/fhir/R4/datatypes.html#ContactPoint>
fn is_called(contact: &Value) -> bool {
    let is_number = contact["system"] == "phone" || contact["system"] == "sms";
    let is_in_use = contact["use"] != "old";
    let is_theirs = contact["system"] == "sms" || contact["use"] == "mobile";
    is_number && is_in_use && contact["value"].as_str().is_some_and(|number| is_theirs || is_mobile(number))
}

/// Puts a number in place of those over which somebody was called; what else they are reached by stays.
fn change(tree: &mut Value, number: Option<&str>) {
    let new = number.map(|number| json!({ "system": "phone", "use": "mobile", "value": number }));
    let others = items(&tree["telecom"]).filter(|contact| !is_called(contact)).cloned();
    let telecom: Vec<Value> = new.into_iter().chain(others).collect();
    if telecom.is_empty() {
        tree::without(tree, &["telecom"]);
    } else {
        tree["telecom"] = telecom.into();
    }
}

/// The eleven digits of a number as people write it; none of an empty text.
fn digits_of(text: &str) -> Result<Option<String>, Error> {
    let plain: String = text.chars().filter(|sign| !sign.is_whitespace() && *sign != '-').collect();
    if plain.is_empty() {
        return Ok(None);
    }
    let own = plain.strip_prefix("+86").or_else(|| plain.strip_prefix("86").filter(|rest| rest.len() == 11));
    let own = own.unwrap_or(&plain);
    if own.bytes().all(|digit| digit.is_ascii_digit()) && is_mobile(own) {
        return Ok(Some(own.to_owned()));
    }
    let text = "A number of a mobile phone has eleven digits, the first of them a 1.";
    Err(Error::new(Category::Invalid, IssueCode::Value, text).at("number"))
}
