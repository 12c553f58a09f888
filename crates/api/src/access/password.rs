//! Passwords: what they must be like, and how they are kept.
//!
//! They are kept as argon2id hashes in PHC strings, which name the parameters they were made with, so that the
//! parameters can be raised without locking anybody out. <https://www.rfc-editor.org/rfc/rfc9106>

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use fhir::{Category, Error, IssueCode};
use record::Record;
use tokio::sync::Semaphore;

use crate::settings::Password;

/// No password is longer; hashing more would only cost time.
const LONGEST: usize = 256;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// It is too short, or longer than anybody types.
    Length,
    /// It is made of too few kinds of characters.
    Classes,
    /// It holds the login name.
    Login,
    /// It is the one that is to be replaced.
    Same,
}

impl Weakness {
    /// A word for it that programs can read.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Classes => "classes",
            Self::Login => "login",
            Self::Same => "same",
        }
    }
}

impl Password {
    /// What is wrong with a password for an account, if anything is.
    pub(crate) fn weakness(&self, login: &str, password: &str) -> Option<Weakness> {
        let length = password.chars().count();
        if length < self.length || length > LONGEST {
            return Some(Weakness::Length);
        }
        let kinds: [fn(char) -> bool; 4] = [
            char::is_lowercase,
            char::is_uppercase,
            |letter| letter.is_ascii_digit(),
            |letter| !letter.is_alphanumeric(),
        ];
        if kinds.iter().filter(|kind| password.chars().any(**kind)).count() < self.classes {
            return Some(Weakness::Classes);
        }
        password.to_lowercase().contains(login).then_some(Weakness::Login)
    }
}

/// Hashes passwords, a bounded number at a time: whoever sends many of them cannot take the processor from others.
pub(crate) struct Hashing {
    settings: Password,
    /// A place for each that is hashed or waits to be.
    queue: Semaphore,
    /// A place for each that is hashed.
    turns: Semaphore,
}

impl Hashing {
    pub(crate) fn new(settings: Password) -> Self {
        let (queue, turns) = (settings.at_once + settings.waiting, settings.at_once);
        Self { queue: Semaphore::new(queue), turns: Semaphore::new(turns.max(1)), settings }
    }

    /// The hash of a password, as it is kept.
    pub(crate) async fn hash(&self, record: &Record, password: &str) -> Result<String, Error> {
        let (argon, salt) = (self.argon()?, record.surroundings().randomness.bytes());
        let password = password.to_owned();
        self.in_turn(move || {
            let hash = argon.hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| Error::fault(error.to_string()))
        })
        .await?
    }

    /// Whether a password has this hash. Without a hash the same work is done for nothing, so that an account that
    /// does not exist answers as late as one that does.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let known = hash.is_some();
        let (argon, hash) = (self.argon()?, hash.map_or_else(|| self.decoy(), str::to_owned));
        let password: String = password.chars().take(LONGEST + 1).collect();
        let right = self.in_turn(move || argon.verify_password(password.as_bytes(), hash.as_str()).is_ok()).await?;
        Ok(right && known)
    }

    fn argon(&self) -> Result<Argon2<'static>, Error> {
        let Password { memory_kib, passes, lanes, .. } = self.settings;
        let params = Params::new(memory_kib, passes, lanes, None).map_err(|error| Error::fault(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// A hash of nothing known, made with the parameters in force.
    fn decoy(&self) -> String {
        let Password { memory_kib, passes, lanes, .. } = self.settings;
        let (salt, output) = (STANDARD_NO_PAD.encode([0; 16]), STANDARD_NO_PAD.encode([0; 32]));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let busy = |_| Error::new(Category::Busy, IssueCode::Throttled, "Too many people sign in at this moment.");
        let _place = self.queue.try_acquire().map_err(busy)?;
        let _turn = self.turns.acquire().await.map_err(Error::fault)?;
        tokio::task::spawn_blocking(work).await.map_err(Error::fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_its_length_three_kinds_of_characters_and_not_the_login_name() {
        let settings = Password::default();
        assert_eq!(settings.weakness("lin", "Short1!"), Some(Weakness::Length));
        assert_eq!(settings.weakness("lin", &"Aa1".repeat(100)), Some(Weakness::Length));
        assert_eq!(settings.weakness("lin", "onlylettersHERE"), Some(Weakness::Classes));
        assert_eq!(settings.weakness("lin", "LIN-2026-pine"), Some(Weakness::Login));
        assert_eq!(settings.weakness("lin", "青山-Pine-7"), None);
    }

    #[tokio::test]
    async fn an_unknown_account_is_verified_at_the_same_cost_and_is_never_right() {
        let hashing = Hashing::new(Password { memory_kib: 64, passes: 1, ..Password::default() });
        assert!(!hashing.verify("Pine-needle-7", None).await.unwrap());
        assert!(argon2::password_hash::phc::PasswordHash::new(&hashing.decoy()).is_ok(), "the work is really done");
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_still_verifies() {
        let place = testkit::place::Place::embedded().await;
        let weak = Hashing::new(Password { memory_kib: 64, passes: 1, ..Password::default() });
        let hash = weak.hash(&place.record, "Pine-needle-7").await.unwrap();
        let strong = Hashing::new(Password { memory_kib: 128, passes: 2, ..Password::default() });
        assert!(strong.verify("Pine-needle-7", Some(&hash)).await.unwrap());
        assert!(!strong.verify("Pine-needle-8", Some(&hash)).await.unwrap());
    }
}
