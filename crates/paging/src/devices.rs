//! The browsers on which people want to be paged, and pages handed to their push services.

use bytes::Bytes;
use fhir::{Category, Error, IssueCode, time};
use futures_util::future::join_all;
use hyper::{Request, StatusCode, Uri};
use jiff::tz::Offset;
use record::tree::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Paging;
use crate::hand::Failed;
use crate::page::{Content, Page, digest};
use crate::push::{Pair, are_keys, sealed, vapid};

/// The drawer of devices. Their names are the practitioner's id, a stroke and the device's own.
const DRAWER: &str = "page-device";
/// The drawer with the pair by which push services know this server.
const KEYS: &str = "page-key";
const PAIR: &str = "push";
/// Devices that one person can have.
const MOST: usize = 12;
/// How long a push service keeps a page for a device that is switched off, in seconds: an hour, after which other
/// pages have been sent.
const KEPT: u32 = 3_600;

/// What a browser gives out about where it is reached. <https://www.w3.org/TR/push-api/#pushsubscription-interface>
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The address at its push service.
    pub endpoint: String,
    /// Its public key, in base64url.
    pub p256dh: String,
    /// The secret it shares with this server, in base64url.
    pub auth: String,
    /// What its owner knows it by.
    pub name: String,
    /// The language of its messages: `zh-CN` or `en`.
    pub locale: String,
}

/// A browser on which somebody wants to be paged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Device {
    /// Its id, which follows from its address.
    pub id: String,
    /// What its owner knows it by.
    pub name: String,
    /// The language of its messages.
    pub locale: String,
    /// Since when it is known, as an instant.
    pub since: String,
    endpoint: String,
    p256dh: String,
    auth: String,
}

/// What became of a trial on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The id of the device.
    pub device: String,
    /// Whether its push service took it.
    pub taken: bool,
    /// Whether the device is not known there any more, and so not here either.
    pub gone: bool,
}

/// What became of a page at the push service of one device.
enum Taken {
    Yes,
    /// The browser does not want messages any more.
    Gone,
    No(Failed),
}

impl Paging {
    /// The public key that browsers need to take messages of this server, in base64url.
    pub async fn public_key(&self) -> Result<String, Error> {
        Ok(self.pair().await?.public())
    }

    /// The pair by which push services know this server: made when it is first needed, and then it stays.
    async fn pair(&self) -> Result<&Pair, Error> {
        let made = self.0.pair.get_or_try_init(async || {
            let drawer = self.record().drawer(KEYS);
            let kept = match drawer.get(PAIR).await? {
                Some(kept) => kept,
                None => {
                    let new = Bytes::from(Pair::new(&*self.record().surroundings().randomness).secret());
                    // Of several processes that make one at the same time, one is first.
                    drawer.add(PAIR, new.clone(), None).await?;
                    drawer.get(PAIR).await?.unwrap_or(new)
                }
            };
            Pair::of(&kept).ok_or_else(|| Error::fault("the key for push services cannot be used"))
        });
        made.await
    }

    /// The devices of a person, by the id of their Practitioner.
    pub async fn devices(&self, practitioner: &str) -> Result<Vec<Device>, Error> {
        let drawer = self.record().drawer(DRAWER);
        let mut devices = Vec::new();
        for name in drawer.names_of(&format!("{practitioner}/")).await? {
            if let Some(paper) = drawer.get(&name).await? {
                devices.push(serde_json::from_slice(&paper).map_err(Error::fault)?);
            }
        }
        Ok(devices)
    }

    pub(crate) async fn has_device(&self, practitioner: &str) -> Result<bool, Error> {
        Ok(!self.record().drawer(DRAWER).names_of(&format!("{practitioner}/")).await?.is_empty())
    }

    /// Pages a person on a device from now on. A browser is one person's at a time: of others it is taken off.
    ///
    /// Fails with [`Category::Invalid`] when the address may not be spoken to or the keys are none.
    pub async fn add_device(&self, practitioner: &str, told: &Subscription) -> Result<Device, Error> {
        outward::check(&told.endpoint, self.settings().allow_private).map_err(Error::invalid)?;
        if !told.endpoint.starts_with("https://") && !self.settings().allow_private {
            return Err(Error::invalid("A push service is spoken to over https."));
        }
        if told.endpoint.len() > 2_000 || !are_keys(&told.p256dh, &told.auth) {
            return Err(Error::invalid("The push subscription is none."));
        }
        let drawer = self.record().drawer(DRAWER);
        let id = digest(&[&told.endpoint]);
        let own = format!("{practitioner}/{id}");
        let names = drawer.names().await?;
        let is_others = |name: &&String| **name != own && name.rsplit_once('/').is_some_and(|(_, of)| of == id);
        for name in names.iter().filter(is_others) {
            drawer.remove(name).await?;
        }
        let of_theirs = names.iter().filter(|name| name.starts_with(&format!("{practitioner}/")));
        if of_theirs.count() >= MOST && !names.contains(&own) {
            let text = "There are many devices already. Take one off first.";
            return Err(Error::new(Category::Conflict, IssueCode::TooCostly, text));
        }
        let device = Device {
            id,
            name: told.name.chars().take(80).collect(),
            locale: if told.locale == "en" { "en".to_owned() } else { "zh-CN".to_owned() },
            since: time::instant(self.now()),
            endpoint: told.endpoint.clone(),
            p256dh: told.p256dh.clone(),
            auth: told.auth.clone(),
        };
        let paper = serde_json::to_vec(&device).map_err(Error::fault)?;
        drawer.put(&own, Bytes::from(paper), None).await?;
        Ok(device)
    }

    /// Pages a person on a device no longer. Doing so twice does nothing.
    pub async fn drop_device(&self, practitioner: &str, id: &str) -> Result<(), Error> {
        self.record().drawer(DRAWER).remove(&format!("{practitioner}/{id}")).await
    }

    /// Sends a page that says it is a trial to every device of a person.
    pub async fn try_devices(&self, practitioner: &str) -> Result<Vec<Tried>, Error> {
        let devices = self.devices(practitioner).await?;
        if devices.is_empty() {
            return Err(Error::forbidden("No device of yours takes messages."));
        }
        let mut tried = Vec::new();
        for device in devices {
            let words = if device.locale == "en" {
                ("Trial of your notifications", "This device will be told when you are called.")
            } else {
                ("通知测试", "需要您应答时，本机会收到通知。")
            };
            let shown = json!({ "title": words.0, "body": words.1, "url": "/settings", "tag": "trial" });
            let taken = self.push(&device, &shown, "trial").await?;
            let gone = matches!(taken, Taken::Gone);
            if gone {
                self.drop_device(practitioner, &device.id).await?;
            }
            tried.push(Tried { device: device.id, taken: matches!(taken, Taken::Yes), gone });
        }
        Ok(tried)
    }

    /// Hands a page to the push service of every device of a person; one that takes it is enough.
    pub(crate) async fn hand_to_devices(&self, page: &Page, practitioner: &str) -> Result<Result<(), Failed>, Error> {
        let devices = self.devices(practitioner).await?;
        let each = devices.iter().map(|device| async move {
            let shown = shown(page, &device.locale, self.zone());
            Ok::<_, Error>((device, self.push(device, &shown, &page.id).await?))
        });
        let (mut taken, mut failed) = (false, None);
        for one in join_all(each).await {
            match one? {
                (_, Taken::Yes) => taken = true,
                (device, Taken::Gone) => self.drop_device(practitioner, &device.id).await?,
                (_, Taken::No(why)) => failed = Some(why),
            }
        }
        Ok(match failed {
            _ if taken => Ok(()),
            Some(why) => Err(why),
            None => Err(Failed::never("no-device", "No device of theirs takes messages any more.")),
        })
    }

    async fn push(&self, device: &Device, shown: &Value, topic: &str) -> Result<Taken, Error> {
        let Ok(uri) = outward::check(&device.endpoint, self.settings().allow_private) else { return Ok(Taken::Gone) };
        let random = &*self.record().surroundings().randomness;
        let own = Pair::new(random);
        let body = sealed(shown.to_string().as_bytes(), &device.p256dh, &device.auth, &own, random.bytes())?;
        let token = vapid(self.pair().await?, &origin(&uri), &self.settings().contact, self.now())?;
        let request = Request::post(uri)
            .header("authorization", token)
            .header("content-type", "application/octet-stream")
            .header("content-encoding", "aes128gcm")
            .header("ttl", KEPT)
            .header("urgency", "high")
            // What was not delivered yet is replaced by a repeat of it (RFC 8030, 5.4).
            .header("topic", topic.chars().take(32).collect::<String>())
            .body(Bytes::from(body));
        let request = request.map_err(|_| Error::invalid("The address of the push service is none."))?;
        Ok(match self.0.push.send(request).await {
            Ok(status) if status.is_success() => Taken::Yes,
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Taken::Gone,
            Ok(status) if status == StatusCode::BAD_REQUEST || status == StatusCode::PAYLOAD_TOO_LARGE => {
                Taken::No(Failed::never("refused", &format!("The push service answered {}.", status.as_u16())))
            }
            Ok(status) => Taken::No(Failed::channel(&format!("The push service answered {}.", status.as_u16()))),
            Err(unanswered) => Taken::No(Failed::channel(&unanswered.to_string())),
        })
    }
}

/// Where a push service is, without its path.
fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}

/// What a lock screen shows of a page.
fn shown(page: &Page, locale: &str, zone: Offset) -> Value {
    let is_english = locale == "en";
    let say = |words: &Words| if is_english { words.en.clone() } else { words.zh.clone() };
    let Content { pathway, what, place, at } = &page.content;
    let time = clock(*at, zone);
    let (colon, role) = if is_english { (": ", say(&page.title)) } else { ("：", say(&page.title)) };
    let parts = [time.as_str(), place.as_str(), role.as_str()];
    let body: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty() && *part != "–").collect();
    let url = page.run.as_ref().map_or_else(|| "/board".to_owned(), |run| format!("/runs/{run}"));
    json!({
        "title": format!("{}{colon}{}", say(pathway), say(what)),
        "body": body.join(" · "),
        "url": url,
        "tag": page.run.as_deref().unwrap_or(&page.id),
        "page": page.id,
        "over": page.stands_down,
        "answer": if is_english { "Answer" } else { "应答" },
        "run": page.run,
    })
}

/// The hour and minute of a moment.
pub(crate) fn clock(at: i64, zone: Offset) -> String {
    const DAY: i64 = 86_400_000_000;
    let minutes = (at + i64::from(zone.seconds()) * 1_000_000).rem_euclid(DAY) / 60_000_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
