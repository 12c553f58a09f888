//! Accounts: the people who may sign in, and who they are in the record.

use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use record::{Key, Record};
use serde::{Deserialize, Serialize};

use super::allowed::Allowed;
use super::attempts::Attempts;
use super::digest;
use super::password::Hashing;
use super::sign_in;
use super::totp::Totp;
use crate::settings::Password;

/// The drawer that holds the accounts, by login.
const DRAWER: &str = "account";
/// The drawer that names the accounts of a demonstration, which need no password there.
const DEMO: &str = "demo-account";

/// The drawer that says whose account somebody from an OpenID provider has.
const ELSEWHERE: &str = "elsewhere";

/// How often a change of an account is tried against others that change it too.
const TRIES: usize = 8;

/// An account as it is kept. It holds secrets, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The name it signs in with, in small letters.
    pub(crate) login: String,
    /// What the person is called.
    pub(crate) name: String,
    /// The id of the `Practitioner` that a member of staff is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) practitioner: Option<String>,
    /// The ids of the `Patient` resources that somebody who is not staff is.
    #[serde(default)]
    pub(crate) patients: Vec<String>,
    /// The ids of the `RelatedPerson` resources that they are.
    #[serde(default)]
    pub(crate) related: Vec<String>,
    /// The hash of the password; without one nobody signs in with a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// When the password was set, in microseconds since 1970.
    #[serde(default)]
    pub(crate) password_set: i64,
    /// Whether the password must be changed before anything else.
    #[serde(default)]
    pub(crate) must_change: bool,
    /// Whether it may no longer be used.
    #[serde(default)]
    pub(crate) disabled: bool,
    /// Whether a demonstration lets anybody in under it.
    #[serde(default)]
    pub(crate) demo: bool,
    /// The second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) totp: Option<Totp>,
    /// Who it is at OpenID providers.
    #[serde(default)]
    pub(crate) elsewhere: Vec<Elsewhere>,
    /// As it was when it was read, if it was there.
    #[serde(skip)]
    before: Option<Bytes>,
}

/// Who somebody is at an OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The provider's `iss`.
    pub issuer: String,
    /// The `sub` it gives the person.
    pub subject: String,
}

impl Elsewhere {
    /// Its name in the drawer.
    fn name(&self) -> String {
        digest(&format!("{} {}", self.issuer, self.subject))
    }
}

/// An account to be made, or to be made anew.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The name it signs in with: 1 to 64 characters without spaces; capitals do not count.
    pub login: String,
    /// What the person is called.
    pub name: String,
    /// For staff: the id of the `Practitioner`.
    #[serde(default)]
    pub practitioner: Option<String>,
    /// For patients: the ids of the `Patient` resources that are this person.
    #[serde(default)]
    pub patients: Vec<String>,
    /// For those who act for patients: the ids of the `RelatedPerson` resources that are this person.
    #[serde(default)]
    pub related: Vec<String>,
    /// A password. Without one the account keeps the one it has.
    #[serde(default)]
    pub password: Option<String>,
    /// Whether the person must replace that password at once. Unless it is said, they must.
    #[serde(default)]
    pub must_change: Option<bool>,
    /// Whether a demonstration lets anybody in under it.
    #[serde(default)]
    pub demo: bool,
    /// Who the person is at OpenID providers.
    #[serde(default)]
    pub elsewhere: Vec<Elsewhere>,
}

/// What is told of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name it signs in with.
    pub login: String,
    /// What the person is called.
    pub name: String,
    /// Who the person is in the record, such as `Practitioner/7`.
    pub person: String,
    /// Whether it may no longer be used.
    pub disabled: bool,
    /// Until when it is locked after failures, in microseconds since 1970.
    pub locked_until: Option<i64>,
}

/// The accounts of a record, for those who look after them.
pub struct Accounts {
    record: Record,
    hashing: Hashing,
}

impl Accounts {
    /// The accounts of a record; passwords are hashed as the settings say.
    pub fn new(record: Record, password: Password) -> Self {
        Self { record, hashing: Hashing::new(password) }
    }

    /// Makes an account, or makes it anew with the password, the second factor and the state it has.
    ///
    /// Fails with [`Category::Invalid`] when it says nobody, or cannot be written so.
    pub async fn put(&self, new: NewAccount) -> Result<(), Error> {
        let login = login_of(&new.login)?;
        let ids = new.practitioner.iter().chain(&new.patients).chain(&new.related);
        if ids.clone().next().is_none() || !ids.clone().all(|id| Key::is_id(id)) {
            return Err(invalid("An account names a practitioner, patients or related persons by their ids."));
        }
        let kept = Account::named(&self.record, &login).await?;
        let mut account = kept.unwrap_or_else(|| Account::empty(&login));
        account.name = new.name;
        account.practitioner = new.practitioner;
        account.patients = new.patients;
        account.related = new.related;
        account.demo = new.demo;
        let before = std::mem::replace(&mut account.elsewhere, new.elsewhere);
        if let Some(password) = new.password {
            account.password = Some(self.hashing.hash(&self.record, &password).await?);
            account.password_set = self.record.surroundings().clock.now();
            account.must_change = new.must_change.unwrap_or(true);
        }
        account.keep(&self.record).await?;
        let elsewhere = self.record.drawer(ELSEWHERE);
        for gone in before.iter().filter(|known| !account.elsewhere.contains(known)) {
            elsewhere.remove(&gone.name()).await?;
        }
        for known in &account.elsewhere {
            elsewhere.put(&known.name(), Bytes::from(login.clone()), None).await?;
        }
        let demo = self.record.drawer(DEMO);
        if account.demo { demo.put(&login, Bytes::new(), None).await } else { demo.remove(&login).await }
    }

    /// Gives an account a password made by chance, which the person must replace, and returns it. Whoever knew the old
    /// one is signed out within seconds, and so is every app they let in.
    pub async fn new_password(&self, login: &str) -> Result<String, Error> {
        self.known(login).await?;
        let password = readable(&self.record);
        let hash = self.hashing.hash(&self.record, &password).await?;
        let now = self.record.surroundings().clock.now();
        let account = self.change(login, |account| {
            account.password = Some(hash.clone());
            account.password_set = now;
            account.must_change = true;
        });
        let account = account.await?;
        Attempts::forgive(&self.record, &account.login).await?;
        sign_in::end_all(&self.record, &account.login, None).await?;
        Allowed::end_all(&self.record, &account.login).await?;
        Ok(password)
    }

    /// Says whether an account may be used. One that may not is signed out everywhere within seconds.
    pub async fn set_disabled(&self, login: &str, disabled: bool) -> Result<(), Error> {
        let account = self.change(login, |account| account.disabled = disabled).await?;
        if disabled { sign_in::end_all(&self.record, &account.login, None).await } else { Ok(()) }
    }

    /// Lets somebody try again who failed too often, and takes off a second factor that was lost if `second_factor`.
    pub async fn unlock(&self, login: &str, second_factor: bool) -> Result<(), Error> {
        let account = match second_factor {
            true => self.change(login, |account| account.totp = None).await?,
            false => self.known(login).await?,
        };
        Attempts::forgive(&self.record, &account.login).await
    }

    /// All accounts, by login.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        for login in self.record.drawer(DRAWER).names().await? {
            let Some(account) = Account::named(&self.record, &login).await? else { continue };
            let locked_until = Attempts::locked_until(&self.record, &login).await?;
            let person = account.actor();
            listed.push(Listed { login, name: account.name, person, disabled: account.disabled, locked_until });
        }
        Ok(listed)
    }

    /// Changes an account, after whoever else does so at the same time.
    async fn change(&self, login: &str, change: impl Fn(&mut Account)) -> Result<Account, Error> {
        let mut tried = 0;
        loop {
            let mut account = self.known(login).await?;
            change(&mut account);
            tried += 1;
            match account.keep(&self.record).await {
                Err(error) if error.category() == Category::Busy && tried < TRIES => {}
                kept => return kept.map(|()| account),
            }
        }
    }

    async fn known(&self, login: &str) -> Result<Account, Error> {
        let login = login_of(login)?;
        let missing = || Error::not_found("There is no such account; `qingshan account list` names them.");
        Account::named(&self.record, &login).await?.ok_or_else(missing)
    }
}

impl Account {
    fn empty(login: &str) -> Self {
        Self {
            login: login.to_owned(),
            name: String::new(),
            practitioner: None,
            patients: Vec::new(),
            related: Vec::new(),
            password: None,
            password_set: 0,
            must_change: false,
            disabled: false,
            demo: false,
            totp: None,
            elsewhere: Vec::new(),
            before: None,
        }
    }

    /// The account of that login.
    pub(crate) async fn named(record: &Record, login: &str) -> Result<Option<Self>, Error> {
        let Some(body) = record.drawer(DRAWER).get(login).await? else { return Ok(None) };
        let account: Self = sonic_rs::from_slice(&body).map_err(Error::fault)?;
        Ok(Some(Self { before: Some(body), ..account }))
    }

    /// The account of somebody at an OpenID provider.
    pub(crate) async fn known_elsewhere(record: &Record, issuer: &str, subject: &str) -> Result<Option<Self>, Error> {
        let known = Elsewhere { issuer: issuer.to_owned(), subject: subject.to_owned() };
        let Some(login) = record.drawer(ELSEWHERE).get(&known.name()).await? else { return Ok(None) };
        Self::named(record, std::str::from_utf8(&login).map_err(Error::fault)?).await
    }

    /// The accounts of a demonstration.
    pub(crate) async fn of_demo(record: &Record) -> Result<Vec<Self>, Error> {
        let mut accounts = Vec::new();
        for login in record.drawer(DEMO).names().await? {
            accounts.extend(Self::named(record, &login).await?.filter(|account| account.demo && !account.disabled));
        }
        Ok(accounts)
    }

    /// Keeps it as it is now.
    ///
    /// Fails with [`Category::Busy`] when it has been changed since it was read: whoever is signing in must not undo that
    /// they were shut out meanwhile.
    pub(crate) async fn keep(&mut self, record: &Record) -> Result<(), Error> {
        let body = Bytes::from(sonic_rs::to_vec(self).map_err(Error::fault)?);
        let drawer = record.drawer(DRAWER);
        let kept = match self.before.take() {
            Some(before) => drawer.replace(&self.login, before, body.clone()).await?,
            None => drawer.add(&self.login, body.clone(), None).await?,
        };
        if !kept {
            let text = "This account has been changed meanwhile. Try again.";
            return Err(Error::new(Category::Busy, IssueCode::Conflict, text));
        }
        self.before = Some(body);
        Ok(())
    }

    /// Who the person is in the record: [`record::Caller::actor`].
    pub(crate) fn actor(&self) -> String {
        match (&self.practitioner, self.patients.first(), self.related.first()) {
            (Some(id), _, _) => format!("Practitioner/{id}"),
            (None, Some(id), _) => format!("Patient/{id}"),
            (None, None, Some(id)) => format!("RelatedPerson/{id}"),
            (None, None, None) => "Device/qingshan".to_owned(),
        }
    }
}

/// A login as accounts are kept by.
pub(crate) fn login_of(written: &str) -> Result<String, Error> {
    let login = written.trim().to_lowercase();
    let sound = |letter: char| !letter.is_whitespace() && !letter.is_control();
    if (1..=64).contains(&login.chars().count()) && login.chars().all(sound) {
        Ok(login)
    } else {
        Err(invalid("A login has 1 to 64 characters without spaces."))
    }
}

/// A password that can be read aloud: 80 bits, in letters that are not taken for one another.
fn readable(record: &Record) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = record.surroundings().randomness.bytes();
    let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

fn invalid(text: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, text)
}

#[cfg(test)]
mod tests {
    use testkit::place::on_both;

    use super::*;

    #[test]
    fn whoever_signs_in_does_not_undo_that_they_were_shut_out_meanwhile() {
        on_both(async |place| {
            let cheap = Password { memory_kib: 64, passes: 1, ..Password::default() };
            let accounts = Accounts::new(place.record.clone(), cheap);
            let new = r#"{"login":"lin","name":"林","practitioner":"lin"}"#;
            accounts.put(sonic_rs::from_str(new).unwrap()).await.unwrap();
            let mut signing_in = Account::named(&place.record, "lin").await.unwrap().unwrap();
            accounts.set_disabled("lin", true).await.unwrap();
            assert_eq!(signing_in.keep(&place.record).await.unwrap_err().category(), Category::Busy);
            assert!(Account::named(&place.record, "lin").await.unwrap().unwrap().disabled);
        });
    }
}
