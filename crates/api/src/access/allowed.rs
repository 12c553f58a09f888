//! What people allowed apps, and the codes and tokens that stand for it.
//!
//! A token that renews others is good for one renewal. When one is shown again it was copied, and nobody can tell by
//! whom: all that it stands for ends. <https://www.rfc-editor.org/rfc/rfc9700#section-4.14>

use std::sync::Arc;

use bytes::Bytes;
use fhir::Error;
use futures_util::FutureExt;
use parking_lot::RwLock;
use record::{Lay, Record, Standing};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::client::{Client, random};
use super::scope::Level;
use super::{Grant, Scopes, digest, post, sign_in, unauthenticated};

/// The drawer of what was allowed, by id.
const ALLOWED: &str = "allowed";
/// The drawer of codes, by digest.
const CODE: &str = "code";
/// The drawer of tokens that open something, by digest.
const TOKEN: &str = "token";
/// The drawer of tokens that renew others, by digest.
const REFRESH: &str = "refresh";
/// The drawer of those that were used.
const USED: &str = "refresh-used";
/// How long a code is good for, in microseconds: a minute, since browsers redeem it at once.
const CODE_TIME: i64 = 60_000_000;
/// How long a token is believed without looking again, in microseconds: the time it takes to lock a client out.
const BELIEVED: i64 = 10_000_000;
/// Tokens remembered at most.
const REMEMBERED: usize = 10_000;

/// What a person allowed an app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Allowed {
    pub(crate) id: String,
    pub(crate) client: String,
    /// Who allowed it.
    pub(crate) login: String,
    /// The post they acted from, by the id of its `PractitionerRole`.
    pub(crate) role: Option<String>,
    pub(crate) scope: String,
    /// The patient and the encounter it is about.
    pub(crate) patient: Option<String>,
    pub(crate) encounter: Option<String>,
    /// The sign-in it ends with, if it does.
    pub(crate) sign_in: Option<String>,
    pub(crate) began: i64,
    pub(crate) ends: i64,
}

/// A code as it is kept, until it is redeemed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) allowed: Allowed,
    pub(crate) redirect: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
}

/// A token as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paper {
    pub(crate) client: String,
    pub(crate) scope: String,
    pub(crate) expires: i64,
    /// What it stands for; a machine's stands for the machine itself.
    #[serde(default)]
    pub(crate) allowed: Option<String>,
}

/// A token that renews others, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Renewal {
    client: String,
    allowed: String,
    expires: i64,
}

/// What a token says about itself.
pub(crate) struct Known {
    pub(crate) paper: Paper,
    pub(crate) allowed: Option<Allowed>,
}

/// Tokens seen lately, so that most requests are checked without asking the record.
#[derive(Default)]
pub(crate) struct Tokens(RwLock<FxHashMap<String, (Grant, i64)>>);

impl Tokens {
    /// What a token grants.
    pub(crate) async fn grant(&self, record: &Record, token: &str) -> Result<Grant, Error> {
        let now = record.surroundings().clock.now();
        let name = digest(token);
        if let Some((grant, until)) = self.0.read().get(&name)
            && *until > now
        {
            return Ok(grant.clone());
        }
        // Boxed, as what is seldom needed, so that no request carries its state.
        self.look_anew(record, token, name).boxed().await
    }

    async fn look_anew(&self, record: &Record, token: &str, name: String) -> Result<Grant, Error> {
        let now = record.surroundings().clock.now();
        let refused = || unauthenticated("The bearer token is not known or has expired.");
        let known = look(record, token).await?.ok_or_else(refused)?;
        let expires = known.paper.expires;
        let grant = known.grant(record).await?.ok_or_else(refused)?;
        let mut seen = self.0.write();
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (_, until)| *until > now);
        }
        if seen.len() < REMEMBERED {
            seen.insert(name, (grant.clone(), expires.min(now + BELIEVED)));
        }
        Ok(grant)
    }

    /// Ends what a token of this client stands for: the token itself, or, if a person allowed it, all of that.
    pub(crate) async fn revoke(&self, record: &Record, client: &str, token: &str) -> Result<(), Error> {
        let name = digest(token);
        let allowed = match read::<Paper>(record, TOKEN, &name).await?.filter(|paper| paper.client == client) {
            Some(paper) => {
                record.drawer(TOKEN).remove(&name).await?;
                paper.allowed
            }
            None => {
                let renewal = read::<Renewal>(record, REFRESH, &name).await?;
                renewal.filter(|renewal| renewal.client == client).map(|renewal| renewal.allowed)
            }
        };
        if let Some(allowed) = allowed {
            record.drawer(ALLOWED).remove(&allowed).await?;
        }
        self.doubt();
        Ok(())
    }

    /// Looks at tokens again when they are next shown: what was remembered of those for the same is not known to be so,
    /// and looking is cheap.
    pub(crate) fn doubt(&self) {
        self.0.write().clear();
    }
}

impl Known {
    /// What it grants now; `None` if it no longer does.
    async fn grant(self, record: &Record) -> Result<Option<Grant>, Error> {
        let scopes = Arc::new(Scopes::parse(&self.paper.scope)?);
        let Some(allowed) = self.allowed else {
            let Some(client) = Client::known(record, &self.paper.client).await? else { return Ok(None) };
            let actor = format!("client/{}", self.paper.client).into();
            let name = self.paper.client.as_str().into();
            return Ok(Some(Grant {
                actor,
                name,
                scopes,
                standing: client.standing(),
                patient: None,
                in_person: false,
            }));
        };
        let Some(account) = Account::named(record, &allowed.login).await?.filter(|account| !account.disabled) else {
            return Ok(None);
        };
        let standing = match (&account.practitioner, &allowed.role) {
            (Some(practitioner), Some(role)) => {
                let posts = post::held(record, practitioner).await?;
                let Some(held) = posts.into_iter().find(|held| held.post.role == *role) else { return Ok(None) };
                Standing::Staff(held.post)
            }
            (Some(_), None) => return Ok(None),
            (None, _) => {
                let mut lay = post::lay(record, &account).await?;
                if !scopes.reach(Level::User) {
                    let the_one = |id: &String| Some(id) == allowed.patient.as_ref();
                    lay = Lay {
                        own: lay.own.into_iter().filter(the_one).collect(),
                        charges: lay.charges.into_iter().filter(the_one).collect(),
                        related: lay.related,
                    };
                }
                Standing::Lay(Arc::new(lay))
            }
        };
        let patient = allowed.patient.map(Arc::from);
        let name = account.name.as_str().into();
        Ok(Some(Grant { actor: account.actor().into(), name, scopes, standing, patient, in_person: false }))
    }
}

/// What a token says about itself, if it is in force.
pub(crate) async fn look(record: &Record, token: &str) -> Result<Option<Known>, Error> {
    let Some(paper) = read::<Paper>(record, TOKEN, &digest(token)).await? else { return Ok(None) };
    let client = Client::known(record, &paper.client).await?;
    let now = record.surroundings().clock.now();
    if paper.expires <= now || client.is_none_or(|client| client.disabled) {
        return Ok(None);
    }
    let allowed = match &paper.allowed {
        None => None,
        Some(id) => match in_force(record, id).await? {
            None => return Ok(None),
            allowed => allowed,
        },
    };
    Ok(Some(Known { paper, allowed }))
}

/// What was allowed, unless it has ended.
async fn in_force(record: &Record, id: &str) -> Result<Option<Allowed>, Error> {
    let Some(allowed) = read::<Allowed>(record, ALLOWED, id).await? else { return Ok(None) };
    let signed_in = match &allowed.sign_in {
        Some(name) => sign_in::is_kept(record, name).await?,
        None => true,
    };
    Ok(signed_in.then_some(allowed))
}

impl Code {
    /// Keeps it and returns what the app redeems.
    pub(crate) async fn keep(&self, record: &Record) -> Result<String, Error> {
        let code = random(record);
        let until = record.surroundings().clock.now() + CODE_TIME;
        write(record, CODE, &digest(&code), self, until).await?;
        Ok(code)
    }

    /// The code, once. `None` when there is none, or none any more.
    pub(crate) async fn redeem(record: &Record, code: &str) -> Result<Option<Self>, Error> {
        let Some(body) = record.drawer(CODE).take(&digest(code)).await? else { return Ok(None) };
        sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
    }
}

impl Allowed {
    /// An id that nothing has yet, by which what an account allowed is found again.
    pub(crate) fn new_id(record: &Record, login: &str) -> String {
        format!("{}.{}", sign_in::shelf(login), random(record))
    }

    /// What an account allowed apps and has not ended.
    pub(crate) async fn of_account(record: &Record, login: &str) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for id in record.drawer(ALLOWED).names_of(&format!("{}.", sign_in::shelf(login))).await? {
            all.extend(in_force(record, &id).await?.filter(|allowed| allowed.login == login));
        }
        Ok(all)
    }

    /// Ends it, in the record; processes that remember its tokens follow within seconds.
    pub(crate) async fn end(&self, record: &Record) -> Result<(), Error> {
        record.drawer(ALLOWED).remove(&self.id).await
    }

    /// Ends everything an account allowed.
    pub(crate) async fn end_all(record: &Record, login: &str) -> Result<(), Error> {
        for allowed in Self::of_account(record, login).await? {
            allowed.end(record).await?;
        }
        Ok(())
    }

    /// Keeps it, so that tokens can stand for it.
    pub(crate) async fn keep(&self, record: &Record) -> Result<(), Error> {
        write(record, ALLOWED, &self.id, self, self.ends).await
    }

    /// A token that opens what was allowed until then.
    pub(crate) async fn token(&self, record: &Record, expires: i64) -> Result<String, Error> {
        let allowed = Some(self.id.clone());
        let paper = Paper { client: self.client.clone(), scope: self.scope.clone(), expires, allowed };
        paper.token(record).await
    }

    /// A token that renews, once.
    pub(crate) async fn renewal(&self, record: &Record) -> Result<String, Error> {
        let token = random(record);
        let renewal = Renewal { client: self.client.clone(), allowed: self.id.clone(), expires: self.ends };
        write(record, REFRESH, &digest(&token), &renewal, self.ends).await?;
        Ok(token)
    }

    /// The client a token that renews was given to, also one that was used.
    pub(crate) async fn client_of(record: &Record, token: &str) -> Result<Option<String>, Error> {
        let name = digest(token);
        let kept = match read::<Renewal>(record, REFRESH, &name).await? {
            None => read::<Renewal>(record, USED, &name).await?,
            kept => kept,
        };
        Ok(kept.map(|renewal| renewal.client))
    }

    /// What such a token of this client stands for. It is used up by that; one that was used before ends everything.
    pub(crate) async fn renewed(record: &Record, client: &str, token: &str) -> Result<Option<Self>, Error> {
        let name = digest(token);
        let kept = read::<Renewal>(record, REFRESH, &name).await?;
        // Somebody else's token must not be used up by whoever shows it.
        if kept.is_some_and(|renewal| renewal.client != client) {
            return Ok(None);
        }
        let Some(body) = record.drawer(REFRESH).take(&name).await? else {
            if let Some(copied) = read::<Renewal>(record, USED, &name).await? {
                record.drawer(ALLOWED).remove(&copied.allowed).await?;
            }
            return Ok(None);
        };
        let renewal: Renewal = sonic_rs::from_slice(&body).map_err(Error::fault)?;
        write(record, USED, &name, &renewal, renewal.expires).await?;
        in_force(record, &renewal.allowed).await
    }
}

impl Paper {
    /// Keeps it and returns the token.
    pub(crate) async fn token(&self, record: &Record) -> Result<String, Error> {
        let token = random(record);
        write(record, TOKEN, &digest(&token), self, self.expires).await?;
        Ok(token)
    }
}

async fn read<T: DeserializeOwned>(record: &Record, drawer: &'static str, name: &str) -> Result<Option<T>, Error> {
    let Some(body) = record.drawer(drawer).get(name).await? else { return Ok(None) };
    sonic_rs::from_slice(&body).map(Some).map_err(Error::fault)
}

async fn write(
    record: &Record,
    drawer: &'static str,
    name: &str,
    paper: &impl Serialize,
    until: i64,
) -> Result<(), Error> {
    let body = sonic_rs::to_vec(paper).map_err(Error::fault)?;
    record.drawer(drawer).put(name, Bytes::from(body), Some(until)).await
}
