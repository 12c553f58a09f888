//! How often somebody may try to sign in.
//!
//! Failures are counted for each account, whether it exists or not, and lock it for a while; and for each address.
//! A browser that somebody has signed in with before is counted by itself and is not held to the address, so that
//! whoever fails on purpose locks out themselves and not the person they name, nor everybody behind one address.
//! <https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies>

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use fhir::Error;
use parking_lot::Mutex;
use record::Record;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::digest;
use crate::settings::SignIn;

/// The drawer that holds the failures.
const DRAWER: &str = "attempts";
/// Addresses remembered at most; above, those whose time has passed are forgotten.
const ADDRESSES: usize = 100_000;

/// The failures of one account as they are kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Failures {
    count: u32,
    locked_until: i64,
}

/// Whose attempts are counted together: an account, and the browser if it is known to have signed in to it.
pub(crate) struct Whose(String);

impl Whose {
    pub(crate) fn of(login: &str, device: Option<&str>) -> Self {
        match device {
            None => Self(digest(login)),
            Some(device) => Self(format!("{}.{}", digest(login), digest(device))),
        }
    }
}

type Gate = Arc<tokio::sync::Mutex<()>>;

/// Counts attempts.
#[derive(Default)]
pub(crate) struct Attempts {
    gates: Mutex<FxHashMap<String, Gate>>,
    addresses: Mutex<FxHashMap<IpAddr, (u32, i64)>>,
}

/// An attempt under way. While it lives, others for the same account wait, so that none escapes being counted.
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    record: &'a Record,
    settings: &'a SignIn,
    whose: Whose,
    count: u32,
    address: Option<IpAddr>,
    _gate: OwnedMutexGuard<()>,
}

/// No attempt may be made for so many seconds.
#[derive(Debug)]
pub(crate) enum Halted {
    /// Because of this account.
    Locked(i64),
    /// Because of this address.
    Address(i64),
    /// The record does not answer.
    Error(Error),
}

impl From<Error> for Halted {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Attempts {
    /// Begins an attempt. `address` is `None` where it is not to be counted.
    pub(crate) async fn begin<'a>(
        &'a self,
        record: &'a Record,
        settings: &'a SignIn,
        whose: Whose,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'a>, Halted> {
        let address = address.map(network);
        if let Some(address) = address {
            self.from(address, settings, record.surroundings().clock.now())?;
        }
        let gate = {
            let mut gates = self.gates.lock();
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            Arc::clone(gates.entry(whose.0.clone()).or_default())
        };
        let gate = gate.lock_owned().await;
        let now = record.surroundings().clock.now();
        let failures: Failures = match record.drawer(DRAWER).get(&whose.0).await? {
            Some(body) => sonic_rs::from_slice(&body).map_err(Error::fault)?,
            None => Failures::default(),
        };
        if failures.locked_until > now {
            return Err(Halted::Locked(seconds_until(failures.locked_until, now)));
        }
        Ok(Attempt { attempts: self, record, settings, whose, count: failures.count, address, _gate: gate })
    }

    /// Counts an attempt from an address before it is made, so that a thousand at once are seen as a thousand.
    fn from(&self, address: IpAddr, settings: &SignIn, now: i64) -> Result<(), Halted> {
        let window = micros(settings.address_time);
        let mut addresses = self.addresses.lock();
        if addresses.len() >= ADDRESSES {
            addresses.retain(|_, (_, until)| *until > now);
        }
        let (count, until) = addresses.entry(address).or_insert((0, now + window));
        if *until <= now {
            (*count, *until) = (0, now + window);
        }
        if *count >= settings.address_failures {
            return Err(Halted::Address(seconds_until(*until, now)));
        }
        *count += 1;
        Ok(())
    }

    /// Forgets the failures of an account, but not those of its known browsers, which end by themselves.
    pub(crate) async fn forgive(record: &Record, login: &str) -> Result<(), Error> {
        record.drawer(DRAWER).remove(&Whose::of(login, None).0).await
    }

    /// Until when an account is locked, if it is.
    pub(crate) async fn locked_until(record: &Record, login: &str) -> Result<Option<i64>, Error> {
        let Some(body) = record.drawer(DRAWER).get(&Whose::of(login, None).0).await? else { return Ok(None) };
        let failures: Failures = sonic_rs::from_slice(&body).map_err(Error::fault)?;
        Ok(Some(failures.locked_until).filter(|until| *until > record.surroundings().clock.now()))
    }
}

impl Attempt<'_> {
    /// It failed.
    pub(crate) async fn failed(self) -> Result<(), Error> {
        let until = self.record.surroundings().clock.now() + micros(self.settings.lock);
        let count = self.count + 1;
        // Once locked, an account begins again at none.
        let failures = match count >= self.settings.failures {
            true => Failures { count: 0, locked_until: until },
            false => Failures { count, locked_until: 0 },
        };
        let body = sonic_rs::to_vec(&failures).map_err(Error::fault)?;
        self.record.drawer(DRAWER).put(&self.whose.0, Bytes::from(body), Some(until)).await
    }

    /// It was neither right nor wrong.
    pub(crate) fn undecided(self) {
        self.return_to_address();
    }

    /// It succeeded: what failed before is forgotten.
    pub(crate) async fn succeeded(self) -> Result<(), Error> {
        self.return_to_address();
        if self.count == 0 { Ok(()) } else { self.record.drawer(DRAWER).remove(&self.whose.0).await }
    }

    fn return_to_address(&self) {
        if let Some(address) = self.address
            && let Some((count, _)) = self.attempts.addresses.lock().get_mut(&address)
        {
            *count = count.saturating_sub(1);
        }
    }
}

/// What one household or site is given: an IPv4 address, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

fn seconds_until(until: i64, now: i64) -> i64 {
    (until - now + 999_999) / 1_000_000
}

/// A duration in microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
