//! A page: one message to one person over one channel, as a Communication that is part of the one it brings.

use fhir::time;
use jiff::tz::Offset;
use record::tree::{Words, codes, concept, extension, extensions, items, moment, reference, referred};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::code;

/// A way to reach somebody who is not looking at a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A notification of their browser.
    Push,
    /// A text message.
    Sms,
    /// A call that is read out.
    Voice,
    /// Nothing but the screens they may be looking at.
    Screen,
}

impl Channel {
    /// Its code in [`code::CHANNEL`].
    pub const fn code(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Screen => "screen",
        }
    }

    /// What it is called.
    pub(crate) fn words(self) -> Words {
        let (zh, en) = match self {
            Self::Push => ("推送", "push"),
            Self::Sms => ("短信", "text message"),
            Self::Voice => ("语音电话", "voice"),
            Self::Screen => ("屏幕", "screen"),
        };
        Words { zh: zh.to_owned(), en: en.to_owned() }
    }

    fn of(code: &str) -> Option<Self> {
        [Self::Push, Self::Sms, Self::Voice, Self::Screen].into_iter().find(|one| one.code() == code)
    }
}

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Decided and not tried yet. `preparation`
    Waiting,
    /// Its channel did not take it; it is tried again. `in-progress`
    Retried,
    /// Its channel has it. `completed`
    Handed,
    /// It was given up. `stopped`
    GivenUp,
    /// There is no channel over which they could be reached. `not-done`
    NoWay,
}

impl State {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Waiting, "preparation"),
        (Self::Retried, "in-progress"),
        (Self::Handed, "completed"),
        (Self::GivenUp, "stopped"),
        (Self::NoWay, "not-done"),
    ];

    /// The status of the Communication. <http://hl7.org/fhir/R4/valueset-event-status.html>
    pub(crate) fn status(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("unknown", |(_, status)| status)
    }

    fn of(status: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == status).map(|(state, _)| *state)
    }

    /// Whether it is still to be handed over.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Retried)
    }
}

/// What a page says, and nothing about the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// The pathway.
    pub(crate) pathway: Words,
    /// What happened.
    pub(crate) what: Words,
    /// At which house.
    pub(crate) place: String,
    /// When it was told, in microseconds since 1970.
    pub(crate) at: i64,
}

/// One message to one person over one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its id, by which whoever takes it over tells a repeat from a second one.
    pub(crate) id: String,
    /// The version that is stored; none before it is.
    pub(crate) version: Option<u64>,
    /// The message it brings, by id.
    pub(crate) message: String,
    /// The run it is about, by id.
    pub(crate) run: Option<String>,
    pub(crate) channel: Channel,
    pub(crate) state: State,
    /// Who: the reference of their post, or of themselves, and what they are called.
    pub(crate) who: (String, String),
    /// For which role of the run, and what that is called.
    pub(crate) role: String,
    pub(crate) title: Words,
    /// Nobody was on call, so that everybody who holds the post is paged.
    pub(crate) everyone: bool,
    /// The message says that it is over.
    pub(crate) stands_down: bool,
    pub(crate) content: Content,
    pub(crate) priority: String,
    pub(crate) attempts: u32,
    /// When it is tried next, in microseconds since 1970.
    pub(crate) next: i64,
    /// When its channel took it, or it was given up.
    pub(crate) sent: Option<i64>,
    /// Why it did not reach anybody: a code of [`code::FAILURE`], and words for whoever looks after the platform.
    pub(crate) failure: Option<(String, String)>,
}

impl Page {
    /// The Communication it is. <http://hl7.org/fhir/R4/communication.html>
    pub(crate) fn tree(&self) -> Value {
        let mut parts = vec![
            json!({ "url": "role", "valueCode": self.role }),
            worded("title", &self.title),
            worded("pathway", &self.content.pathway),
            worded("what", &self.content.what),
            json!({ "url": "at", "valueDateTime": time::instant(self.content.at) }),
            json!({ "url": "attempts", "valueInteger": self.attempts }),
            json!({ "url": "next", "valueDateTime": time::instant(self.next) }),
        ];
        if !self.content.place.is_empty() {
            parts.push(json!({ "url": "place", "valueString": self.content.place }));
        }
        for (name, is) in [("everyone", self.everyone), ("stands-down", self.stands_down)] {
            if is {
                parts.push(json!({ "url": name, "valueBoolean": true }));
            }
        }
        let run = self.run.iter().map(|run| format!("Task/{run}"));
        let about: Vec<Value> = run.clone().map(|run| reference(&run)).collect();
        let part_of = std::iter::once(format!("Communication/{}", self.message)).chain(run);
        let mut tree = json!({
            "resourceType": "Communication",
            "id": self.id,
            "extension": [{ "url": code::HANDING, "extension": parts }],
            "partOf": part_of.map(|to| reference(&to)).collect::<Vec<_>>(),
            "status": self.state.status(),
            "category": [concept(code::NOTICE, code::PAGED)],
            "priority": self.priority,
            "medium": [concept(code::CHANNEL, self.channel.code())],
            "recipient": [{ "reference": self.who.0, "display": self.who.1 }],
        });
        if !about.is_empty() {
            tree["about"] = about.into();
        }
        if let Some(sent) = self.sent {
            tree["sent"] = time::instant(sent).into();
        }
        if let Some((code, text)) = &self.failure {
            tree["statusReason"] = concept(code::FAILURE, code);
            tree["statusReason"]["text"] = text.as_str().into();
        }
        if self.who.1.is_empty() {
            tree["recipient"] = json!([reference(&self.who.0)]);
        }
        tree
    }

    /// The page that a Communication is; none when it is none.
    pub(crate) fn of(tree: &Value, version: u64, zone: Offset) -> Option<Self> {
        let handing = extension(tree, code::HANDING)?;
        let part = |name: &str| extension(handing, name);
        let text = |name: &str, element: &str| part(name).and_then(|one| one[element].as_str()).map(str::to_owned);
        let said = |name: &str| part(name).map(|one| Words::of(one, "valueString")).unwrap_or_default();
        let flag = |name: &str| part(name).is_some_and(|one| one["valueBoolean"] == true);
        let at = |name: &str| part(name).and_then(|one| moment(&one["valueDateTime"], zone));
        let within = |type_: &'static str| {
            let mut parts = items(&tree["partOf"]).filter_map(referred);
            parts.find_map(move |to| to.strip_prefix(type_)).map(str::to_owned)
        };
        let to = items(&tree["recipient"]).next()?;
        let failure = codes(&tree["statusReason"], code::FAILURE)
            .next()
            .map(|code| (code.to_owned(), tree["statusReason"]["text"].as_str().unwrap_or_default().to_owned()));
        Some(Self {
            id: tree["id"].as_str()?.to_owned(),
            version: Some(version),
            message: within("Communication/")?,
            run: within("Task/"),
            channel: codes(&tree["medium"], code::CHANNEL).find_map(Channel::of)?,
            state: State::of(tree["status"].as_str()?)?,
            who: (referred(to)?.to_owned(), to["display"].as_str().unwrap_or_default().to_owned()),
            role: text("role", "valueCode").unwrap_or_default(),
            title: said("title"),
            everyone: flag("everyone"),
            stands_down: flag("stands-down"),
            content: Content {
                pathway: said("pathway"),
                what: said("what"),
                place: text("place", "valueString").unwrap_or_default(),
                at: at("at")?,
            },
            priority: tree["priority"].as_str().unwrap_or("routine").to_owned(),
            attempts: part("attempts").and_then(|one| u32::try_from(one["valueInteger"].as_u64()?).ok()).unwrap_or(0),
            next: at("next")?,
            sent: moment(&tree["sent"], zone),
            failure,
        })
    }
}

fn worded(name: &str, words: &Words) -> Value {
    let mut part = json!({ "url": name });
    // An empty text cannot be written in FHIR.
    let words = if words.zh.is_empty() { &Words::same("–") } else { words };
    words.put(&mut part, "valueString");
    part
}

/// An id that follows from what it is made of.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message that wants paging: for which roles, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) run: Option<String>,
    pub(crate) roles: Vec<Role>,
    /// Whom it is about: `Patient/…`.
    pub(crate) patient: Option<String>,
    pub(crate) stands_down: bool,
    pub(crate) pathway: Words,
    pub(crate) what: Words,
    pub(crate) at: i64,
    pub(crate) priority: String,
}

/// A role of a message: what it is called, what its people are on call for, and to whom it is bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) code: String,
    pub(crate) title: Words,
    pub(crate) call: String,
    pub(crate) duties: Vec<String>,
    pub(crate) party: String,
}

impl Message {
    /// The message that a Communication is; none when nobody is to be paged for it.
    pub(crate) fn of(tree: &Value, zone: Offset) -> Option<Self> {
        let stands_down = extensions(tree, code::STAND_DOWN).any(|one| one["valueBoolean"] == true);
        let roles: Vec<Role> = extensions(tree, code::PAGE).filter_map(role).collect();
        if roles.is_empty() && !stands_down {
            return None;
        }
        let about = items(&tree["about"]).filter_map(referred);
        Some(Self {
            id: tree["id"].as_str()?.to_owned(),
            run: about.filter_map(|to| to.strip_prefix("Task/")).map(str::to_owned).next(),
            roles,
            patient: referred(&tree["subject"]).map(str::to_owned),
            stands_down,
            pathway: Words::of(&tree["topic"], "text"),
            what: items(&tree["payload"]).next().map(|payload| Words::of(payload, "contentString")).unwrap_or_default(),
            at: moment(&tree["sent"], zone)?,
            priority: tree["priority"].as_str().unwrap_or("routine").to_owned(),
        })
    }
}

fn role(part: &Value) -> Option<Role> {
    let text = |name: &str| extension(part, name).and_then(|one| one["valueCode"].as_str());
    let duties = extensions(part, "duty").filter_map(|one| one["valueCode"].as_str()).map(str::to_owned);
    Some(Role {
        code: text("role")?.to_owned(),
        title: extension(part, "title").map(|one| Words::of(one, "valueString")).unwrap_or_default(),
        call: text("call")?.to_owned(),
        duties: duties.collect(),
        party: referred(&extension(part, "party")?["valueReference"])?.to_owned(),
    })
}
