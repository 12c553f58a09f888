//! Being signed in: what a browser holds as a cookie, and what it stands for.
//!
//! The cookie is a name nobody can guess. What it names is kept in the record by its digest, so it outlives the
//! process and is known to all of them, and a copy of the record lets nobody in.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use futures_util::FutureExt;
use parking_lot::RwLock;
use record::{Lay, Record, Standing};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::attempts::micros;
use super::client::random;
use super::post::{self, Held};
use super::{Grant, Scopes, digest, same, unauthenticated};
use crate::App;
use crate::settings::SignIn;

/// The drawer that holds who is signed in: by a digest of the login, a point, and the digest of the cookie.
const DRAWER: &str = "sign-in";
/// The drawer that holds the browsers somebody has signed in with, by digest.
const DEVICE: &str = "device";
/// How long a browser is remembered, in microseconds: half a year.
const DEVICE_TIME: i64 = 183 * 86_400_000_000;
/// How long what was read is believed, in microseconds: the time in which a post that ends is left.
const BELIEVED: i64 = 10_000_000;
/// Sign-ins remembered at most.
const REMEMBERED: usize = 50_000;
/// The longest description of a browser that is kept.
const AGENT: usize = 200;

/// A sign-in as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Paper {
    pub(crate) login: String,
    /// The id of the `PractitionerRole` that was chosen.
    pub(crate) post: Option<String>,
    /// What every change must bring along besides the cookie, which a foreign page cannot read.
    pub(crate) csrf: String,
    pub(crate) began: i64,
    pub(crate) seen: i64,
    pub(crate) ends: i64,
    pub(crate) address: String,
    pub(crate) agent: String,
}

/// Somebody who is signed in, as far as it was looked up.
pub(crate) struct SignedIn {
    /// Its name in the drawer.
    pub(crate) name: String,
    pub(crate) paper: Paper,
    pub(crate) account: Account,
    /// The posts they hold now.
    pub(crate) posts: Vec<Held>,
    /// The post they act from.
    pub(crate) post: Option<Held>,
    pub(crate) lay: Option<Arc<Lay>>,
    /// When they were last seen, and when that was last written down.
    seen: AtomicI64,
    kept: AtomicI64,
    believed_until: i64,
}

/// Sign-ins seen lately, so that most requests are answered without asking the record.
#[derive(Default)]
pub(crate) struct SignIns {
    known: RwLock<FxHashMap<String, Arc<SignedIn>>>,
    posts: post::Kept,
}

/// What a browser is told to keep.
pub(crate) struct Cookies {
    pub(crate) sign_in: String,
    pub(crate) device: Option<String>,
}

impl SignIns {
    /// Signs somebody in and returns what their browser keeps.
    pub(crate) async fn begin(
        &self,
        app: &App,
        account: &Account,
        address: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<(Arc<SignedIn>, String), Error> {
        let record = &app.record;
        let now = record.surroundings().clock.now();
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let token = format!("{}.{}", shelf(&account.login), random(record));
        let paper = Paper {
            login: account.login.clone(),
            post: None,
            csrf: random(record),
            began: now,
            seen: now,
            ends: now + micros(app.settings.sign_in.length),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
            agent: agent.chars().take(AGENT).collect(),
        };
        let name = name_of(&token).expect("the token was just made in this form");
        paper.keep(record, &app.settings.sign_in, &name).await?;
        let signed_in = self.look(app, name, paper).await?.ok_or_else(|| Error::fault("an account went away"))?;
        Ok((signed_in, token))
    }

    /// Who the cookie among the headers stands for. `touch` when it is the person who acts, and not their browser by
    /// itself: then their time begins anew.
    pub(crate) async fn find(
        &self,
        app: &App,
        headers: &HeaderMap,
        touch: bool,
    ) -> Result<Option<Arc<SignedIn>>, Error> {
        let Some(name) = cookie(headers, sign_in_cookie(&app.settings.sign_in)).and_then(name_of) else {
            return Ok(None);
        };
        let now = app.record.surroundings().clock.now();
        let believed = self.known.read().get(&name).filter(|known| now < known.believed_until).cloned();
        let found = match believed {
            Some(known) => Some(known),
            // Boxed, as what is seldom needed, so that no request carries its state.
            None => self.look_anew(app, name.clone()).boxed().await?,
        };
        let idle = micros(app.settings.sign_in.idle);
        let Some(found) = found.filter(|found| now < found.paper.ends && now < found.seen() + idle) else {
            self.known.write().remove(&name);
            return Ok(None);
        };
        if touch {
            found.touch(&app.record, &app.settings.sign_in, now).await?;
        }
        Ok(Some(found))
    }

    async fn look_anew(&self, app: &App, name: String) -> Result<Option<Arc<SignedIn>>, Error> {
        match Paper::read(&app.record, &name).await? {
            Some(paper) => self.look(app, name, paper).await,
            None => Ok(None),
        }
    }

    /// Looks up who it is and what they may act as, and remembers it for some seconds. `None` if they may not enter.
    async fn look(&self, app: &App, name: String, paper: Paper) -> Result<Option<Arc<SignedIn>>, Error> {
        let record = &app.record;
        let Some(account) = Account::named(record, &paper.login).await?.filter(|account| !account.disabled) else {
            return Ok(None);
        };
        let posts = match &account.practitioner {
            Some(practitioner) => self.posts.held(record, practitioner).await?,
            None => Vec::new(),
        };
        let chosen = posts.iter().find(|held| Some(&held.post.role) == paper.post.as_ref());
        let post = chosen.or(match posts.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let post = post.cloned();
        let lay = match account.practitioner {
            Some(_) => None,
            None => Some(Arc::new(post::lay(record, &account).await?)),
        };
        let now = record.surroundings().clock.now();
        // Between two looks somebody may have been seen later than was written down.
        let seen = self.known.read().get(&name).map_or(paper.seen, |known| known.seen().max(paper.seen));
        // A post that ends sooner than the look is repeated ends on time nevertheless.
        let ends = posts.iter().filter_map(|held| held.until).min().unwrap_or(i64::MAX);
        let signed_in = Arc::new(SignedIn {
            name: name.clone(),
            kept: AtomicI64::new(paper.seen),
            seen: AtomicI64::new(seen),
            believed_until: ends.min(now + BELIEVED),
            paper,
            account,
            posts,
            post,
            lay,
        });
        let mut known = self.known.write();
        if known.len() >= REMEMBERED {
            known.retain(|_, known| now < known.believed_until);
        }
        if known.len() < REMEMBERED {
            known.insert(name, Arc::clone(&signed_in));
        }
        Ok(Some(signed_in))
    }

    /// Chooses the post somebody acts from.
    pub(crate) async fn choose(&self, app: &App, signed_in: &SignedIn, role: &str) -> Result<Arc<SignedIn>, Error> {
        let paper = Paper { post: Some(role.to_owned()), seen: signed_in.seen(), ..signed_in.paper.clone() };
        paper.keep(&app.record, &app.settings.sign_in, &signed_in.name).await?;
        let found = self.look(app, signed_in.name.clone(), paper).await?;
        found.ok_or_else(|| unauthenticated("The account may no longer be used."))
    }

    /// Ends one sign-in.
    pub(crate) async fn end(&self, record: &Record, name: &str) -> Result<(), Error> {
        self.known.write().remove(name);
        record.drawer(DRAWER).remove(name).await
    }

    /// Looks an account up again when it next asks, because it has changed.
    pub(crate) fn doubt(&self, login: &str) {
        self.known.write().retain(|_, known| known.account.login != login);
    }

    /// Ends all sign-ins of an account but one.
    pub(crate) async fn end_others(&self, record: &Record, login: &str, spared: Option<&str>) -> Result<(), Error> {
        end_all(record, login, spared).await?;
        self.known.write().retain(|name, known| known.account.login != login || Some(name.as_str()) == spared);
        Ok(())
    }
}

impl SignedIn {
    /// When they were last seen, in microseconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.seen.load(Ordering::Relaxed)
    }

    async fn touch(&self, record: &Record, settings: &SignIn, now: i64) -> Result<(), Error> {
        self.seen.fetch_max(now, Ordering::Relaxed);
        // Written down rarely: whoever is idle elsewhere or after a restart is signed out a little early at worst.
        let seldom = (micros(settings.idle) / 10).min(60_000_000);
        let kept = self.kept.load(Ordering::Relaxed);
        let due = now - kept >= seldom;
        if due && self.kept.compare_exchange(kept, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.keep_seen(record, settings, now).boxed().await?;
        }
        Ok(())
    }

    async fn keep_seen(&self, record: &Record, settings: &SignIn, now: i64) -> Result<(), Error> {
        // It may have been ended elsewhere in the meantime, and must not come back.
        match Paper::read(record, &self.name).await? {
            Some(paper) => Paper { seen: now, ..paper }.keep(record, settings, &self.name).await,
            None => Ok(()),
        }
    }

    /// Whether a request with this cookie was sent by a page of ours: reading changes nothing, and only such a page
    /// knows the token.
    pub(crate) fn is_ours(&self, method: &Method, headers: &HeaderMap) -> bool {
        method.is_safe()
            || headers
                .get("x-csrf-token")
                .and_then(|token| token.to_str().ok())
                .is_some_and(|token| same(token, &self.paper.csrf))
    }

    /// What they may do.
    pub(crate) fn grant(&self) -> Result<Grant, Error> {
        let standing = match (&self.post, &self.lay) {
            (Some(held), _) => Standing::Staff(Arc::clone(&held.post)),
            (None, Some(lay)) => Standing::Lay(Arc::clone(lay)),
            (None, None) => {
                let text = match self.posts.is_empty() {
                    true => "You hold no post now. Whoever looks after the staff of your institution can say why.",
                    false => "Choose the work centre you act from first.",
                };
                return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text));
            }
        };
        Ok(Grant {
            actor: self.account.actor().into(),
            name: self.account.name.as_str().into(),
            scopes: Arc::new(Scopes::of_a_person()),
            standing,
            patient: None,
            in_person: true,
        })
    }
}

impl Paper {
    async fn read(record: &Record, name: &str) -> Result<Option<Self>, Error> {
        let Some(body) = record.drawer(DRAWER).get(name).await? else { return Ok(None) };
        sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
    }

    async fn keep(&self, record: &Record, settings: &SignIn, name: &str) -> Result<(), Error> {
        let body = sonic_rs::to_vec(self).map_err(Error::fault)?;
        let until = self.ends.min(self.seen + micros(settings.idle));
        record.drawer(DRAWER).put(name, Bytes::from(body), Some(until)).await
    }
}

/// Whether somebody is still signed in under this name.
pub(crate) async fn is_kept(record: &Record, name: &str) -> Result<bool, Error> {
    Ok(record.drawer(DRAWER).get(name).await?.is_some())
}

/// The sign-ins of an account, each with its name.
pub(crate) async fn of_account(record: &Record, login: &str) -> Result<Vec<(String, Paper)>, Error> {
    let mut papers = Vec::new();
    for name in record.drawer(DRAWER).names_of(&format!("{}.", shelf(login))).await? {
        papers
            .extend(Paper::read(record, &name).await?.filter(|paper| paper.login == login).map(|paper| (name, paper)));
    }
    Ok(papers)
}

/// Ends all sign-ins of an account but one, in the record; processes that remember them follow within seconds.
pub(crate) async fn end_all(record: &Record, login: &str, spared: Option<&str>) -> Result<(), Error> {
    for (name, _) in of_account(record, login).await? {
        if Some(name.as_str()) != spared {
            record.drawer(DRAWER).remove(&name).await?;
        }
    }
    Ok(())
}

/// The id by which a person names one of their sign-ins: it says nothing about the cookie.
pub(crate) fn public_id(name: &str) -> &str {
    let (_, digest) = name.split_once('.').unwrap_or_default();
    digest.get(..16).unwrap_or_default()
}

/// The device among the headers, if somebody has signed in to this account with it.
pub(crate) async fn known_device(app: &App, headers: &HeaderMap, login: &str) -> Result<Option<String>, Error> {
    let Some(token) = cookie(headers, DEVICE_COOKIE) else { return Ok(None) };
    let found = app.record.drawer(DEVICE).get(&device_name(login, token)).await?;
    Ok(found.map(|_| token.to_owned()))
}

/// Remembers that somebody signed in with this browser, which keeps what is returned.
pub(crate) async fn remember_device(app: &App, headers: &HeaderMap, login: &str) -> Result<String, Error> {
    let token = cookie(headers, DEVICE_COOKIE).filter(|token| token.len() == 64);
    let token = token.map_or_else(|| random(&app.record), str::to_owned);
    let until = app.record.surroundings().clock.now() + DEVICE_TIME;
    app.record.drawer(DEVICE).put(&device_name(login, &token), Bytes::new(), Some(until)).await?;
    Ok(token)
}

fn device_name(login: &str, token: &str) -> String {
    digest(&format!("{login} {token}"))
}

const DEVICE_COOKIE: &str = "qingshan-device";

/// The name of the cookie. Browsers hold one with the prefix `__Host-` to this host and to TLS.
/// <https://www.rfc-editor.org/rfc/rfc6265#section-4.1>
fn sign_in_cookie(settings: &SignIn) -> &'static str {
    if settings.secure { "__Host-qingshan" } else { "qingshan" }
}

impl Cookies {
    /// The headers that set them.
    pub(crate) fn set(&self, settings: &SignIn) -> Vec<HeaderValue> {
        let secure = if settings.secure { "; Secure" } else { "" };
        let common = format!("; Path=/; HttpOnly; SameSite=Lax{secure}");
        let mut cookies = vec![format!("{}={}{common}", sign_in_cookie(settings), self.sign_in)];
        let age = DEVICE_TIME / 1_000_000;
        cookies.extend(self.device.iter().map(|token| format!("{DEVICE_COOKIE}={token}; Max-Age={age}{common}")));
        cookies.into_iter().filter_map(|cookie| HeaderValue::from_str(&cookie).ok()).collect()
    }

    /// The header that takes the sign-in back.
    pub(crate) fn unset(settings: &SignIn) -> Vec<HeaderValue> {
        let secure = if settings.secure { "; Secure" } else { "" };
        let cookie = format!("{}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax{secure}", sign_in_cookie(settings));
        HeaderValue::from_str(&cookie).into_iter().collect()
    }
}

/// The value of a cookie among the headers.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Where the sign-ins of an account are: the beginning of their names.
pub(crate) fn shelf(login: &str) -> String {
    digest(login)[..16].to_owned()
}

/// The name in the drawer of what a cookie holds.
fn name_of(token: &str) -> Option<String> {
    let (shelf, secret) = token.split_once('.')?;
    let sound = shelf.len() == 16 && secret.len() == 64 && token.is_ascii();
    sound.then(|| format!("{shelf}.{}", digest(secret)))
}
