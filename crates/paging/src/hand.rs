//! Pages handed over: tried until their channel takes them, and given up loudly.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, time};
use futures_util::future::join_all;
use record::tree::{self, Words, concept, put, reference};
use serde_json::json;

use crate::page::{Channel, Page, State, digest};
use crate::{Paging, code};

/// The longest wait between two attempts, in microseconds.
const LONGEST: i64 = 60_000_000;
/// How many pages are on their way at the same time.
const AT_ONCE: usize = 128;
/// How often what became of a page is written anew when others wrote the same meanwhile.
const TRIES: usize = 8;

/// Why a channel did not take a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    code: &'static str,
    /// Words for whoever looks after the platform, without a number or a name.
    text: String,
    /// It may be taken later: the channel is at fault, and not this page.
    is_channel: bool,
}

impl Failed {
    /// The channel is down.
    pub(crate) fn channel(text: &str) -> Self {
        Self { code: "channel-down", text: text.to_owned(), is_channel: true }
    }

    /// It will never be taken.
    pub(crate) fn never(code: &'static str, text: &str) -> Self {
        Self { code, text: text.to_owned(), is_channel: false }
    }
}

/// Pages that are to be handed over, and those on their way.
#[derive(Default)]
pub(crate) struct Waiting {
    pages: BTreeMap<String, Page>,
    flying: BTreeSet<String>,
}

impl Paging {
    /// Takes up pages that are to be handed over.
    pub(crate) fn take_up(&self, pages: impl IntoIterator<Item = Page>) {
        let mut waiting = self.0.waiting.lock();
        let open = pages.into_iter().filter(|page| page.state.is_open());
        waiting.pages.extend(open.map(|page| (page.id.clone(), page)));
    }

    /// Forgets all pages, because another process looks after them.
    pub(crate) fn let_go(&self) {
        *self.0.waiting.lock() = Waiting::default();
    }

    /// Takes up everything the record says is still to be handed over, whoever decided it.
    pub async fn gather(&self) -> Result<usize, Error> {
        let asked = [
            ("category", format!("{}|{}", code::NOTICE, code::PAGED)),
            ("status", "preparation,in-progress".to_owned()),
            ("_count", "500".to_owned()),
        ];
        let zone = self.zone();
        let found = tree::every_version(&self.platform(), "Communication", &asked).await?;
        let pages: Vec<Page> = found.iter().filter_map(|(tree, version)| Page::of(tree, *version, zone)).collect();
        let count = pages.len();
        self.take_up(pages);
        Ok(count)
    }

    /// The pages that are due at a time and not on their way; they are then.
    pub(crate) fn take_due(&self, now: i64) -> Vec<Page> {
        let mut waiting = self.0.waiting.lock();
        let room = AT_ONCE.saturating_sub(waiting.flying.len());
        let due = waiting.pages.values().filter(|page| page.next <= now && !waiting.flying.contains(&page.id));
        let due: Vec<Page> = due.take(room).cloned().collect();
        waiting.flying.extend(due.iter().map(|page| page.id.clone()));
        due
    }

    /// When the next page is due that is not on its way, in microseconds since 1970.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let waiting = self.0.waiting.lock();
        let resting = waiting.pages.values().filter(|page| !waiting.flying.contains(&page.id));
        resting.map(|page| page.next).min()
    }

    /// Hands everything over that is due now, each once, and says how many pages that were.
    pub async fn hand_due(&self) -> usize {
        let due = self.take_due(self.now());
        let count = due.len();
        join_all(due.into_iter().map(|page| self.hand_over(page))).await;
        count
    }

    /// Tries a page once and writes down what became of it.
    pub(crate) async fn hand_over(&self, page: Page) {
        let id = page.id.clone();
        let mut after = page.clone();
        let done = match self.attempt(&page).await {
            Ok(outcome) => self.settle(&mut after, outcome).await,
            Err(error) => Err(error),
        };
        let mut waiting = self.0.waiting.lock();
        waiting.flying.remove(&id);
        match done {
            Ok(()) if after.state.is_open() => drop(waiting.pages.insert(id, after)),
            Ok(()) => drop(waiting.pages.remove(&id)),
            // The record could not be asked or told. It is tried again under the same id.
            Err(error) => {
                tracing::warn!(%error, page = id, "what became of a page cannot be written down; it is tried again");
                let again = self.now() + self.wait(page.attempts + 1);
                if let Some(page) = waiting.pages.get_mut(&id) {
                    page.next = again;
                }
            }
        }
    }

    /// How long to wait after so many failures, in microseconds.
    fn wait(&self, attempts: u32) -> i64 {
        let first = i64::try_from(self.settings().first_wait.as_micros()).unwrap_or(LONGEST);
        first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST)
    }

    async fn attempt(&self, page: &Page) -> Result<Result<(), Failed>, Error> {
        let Some(who) = self.person(&page.who.0).await? else {
            return Ok(Err(Failed::never("gone", "They hold this post no longer.")));
        };
        let none = || Failed::never("no-channel", "No number is known of them any more.");
        match page.channel {
            Channel::Push => self.hand_to_devices(page, &who.practitioner).await,
            Channel::Sms => match &who.mobile {
                Some(number) => self.hand_to_gateway(page, number).await,
                None => Ok(Err(none())),
            },
            Channel::Voice => match &who.phone {
                Some(number) => self.hand_to_gateway(page, number).await,
                None => Ok(Err(none())),
            },
            Channel::Screen => Ok(Ok(())),
        }
    }

    async fn settle(&self, page: &mut Page, outcome: Result<(), Failed>) -> Result<(), Error> {
        let now = self.now();
        page.attempts += 1;
        match &outcome {
            Ok(()) => (page.state, page.sent, page.failure) = (State::Handed, Some(now), None),
            Err(failed) if failed.is_channel && page.attempts < self.settings().tries => {
                page.state = State::Retried;
                page.next = now + self.wait(page.attempts);
                page.failure = Some((failed.code.to_owned(), failed.text.clone()));
            }
            Err(failed) => {
                (page.state, page.sent) = (State::GivenUp, Some(now));
                page.failure = Some((failed.code.to_owned(), failed.text.clone()));
                tracing::error!(page = page.id, channel = page.channel.code(), why = failed.text, "a page is given up");
            }
        }
        self.write(page).await?;
        match outcome {
            Err(failed) if failed.is_channel => self.tell_of_trouble(page, &failed).await,
            _ => Ok(()),
        }
    }

    async fn write(&self, page: &mut Page) -> Result<(), Error> {
        for _ in 0..TRIES {
            match self.platform().transact(vec![put(&page.tree(), page.version)?]).await {
                Ok(applied) => {
                    page.version = applied.into_iter().next().and_then(|one| Some(one.version?.version));
                    return Ok(());
                }
                Err(refusal) if refusal.is_overtaken() => {
                    let there = tree::read(&self.platform(), &format!("Communication/{}", page.id)).await?;
                    let there = there.and_then(|(tree, version)| Page::of(&tree, version, self.zone()));
                    match there {
                        Some(there) if there.state.is_open() => page.version = there.version,
                        // Another process has come to an end with it, under the same id.
                        Some(there) => {
                            *page = there;
                            return Ok(());
                        }
                        None => return Err(Error::fault("a page that was decided is not there")),
                    }
                }
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::fault("a page is written by others all the time"))
    }

    /// Tells the duty chief that a channel is down, once for each run, over whatever channels are left.
    async fn tell_of_trouble(&self, page: &Page, failed: &Failed) -> Result<(), Error> {
        let about = page.run.as_ref().unwrap_or(&page.message);
        let id = digest(&["channel", about, page.channel.code()]);
        if tree::read(&self.platform(), &format!("Communication/{id}")).await?.is_some() {
            return Ok(());
        }
        tracing::error!(channel = page.channel.code(), why = failed.text, "a channel does not take pages");
        let Some(who) = self.person(&page.who.0).await? else { return Ok(()) };
        let houses = tree::up_from(&self.platform(), &format!("Organization/{}", who.organization)).await?;
        let Some(house) = houses.last().map(|house| format!("Organization/{house}")) else { return Ok(()) };
        let chief = &self.settings().chief;
        let mut to = vec![reference(&house)];
        to.extend(self.on_call(chief, &houses, self.now()).await?.iter().map(|post| reference(post)));
        let name = page.channel.words();
        let mut topic = concept("https://qingshan.dev/fhir/CodeSystem/notice-topic", "page.channel");
        Words { zh: "呼叫通道".to_owned(), en: "Paging".to_owned() }.put(&mut topic, "text");
        let mut payload = json!({});
        let says = Words {
            zh: format!("{}通道故障，正在重试，请改用其他方式联系", name.zh),
            en: format!("no {} goes out; it is tried again, reach people another way", name.en),
        };
        says.put(&mut payload, "contentString");
        let mut title = json!({ "url": "title" });
        Words { zh: "总值班".to_owned(), en: "Duty chief".to_owned() }.put(&mut title, "valueString");
        let parts = json!([
            { "url": "role", "valueCode": chief },
            { "url": "call", "valueCode": chief },
            title,
            { "url": "party", "valueReference": reference(&house) },
        ]);
        let mut tree = json!({
            "resourceType": "Communication",
            "id": id,
            "extension": [{ "url": code::PAGE, "extension": parts }],
            "status": "completed",
            "category": [concept(code::NOTICE, code::TROUBLE)],
            "priority": "stat",
            "topic": topic,
            "sent": time::instant(self.now()),
            "recipient": to,
            "payload": [payload],
        });
        if let Some(run) = &page.run {
            tree["about"] = json!([reference(&format!("Task/{run}"))]);
        }
        match self.platform().transact(vec![put(&tree, None)?]).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_overtaken() => Ok(()),
            Err(refusal) => Err(refusal.error),
        }
    }
}
