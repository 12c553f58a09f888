//! `qingshan account …`: the people who sign in with a password.

use std::fmt::Write;
use std::path::Path;

use api::{Accounts, NewAccount};
use serde::Deserialize;

use crate::arguments::{Account, OneAccount};
use crate::place::{choose, describe};
use crate::settings::Settings;
use crate::{Outcome, open, serve};

/// Obeys, and returns what standard output shows: a password and nothing else where there is one.
pub(crate) async fn obey(command: Account, settings: &mut Settings) -> Outcome<String> {
    match command {
        Account::Add { place, login, name, practitioner, patient, related } => {
            choose(settings, place);
            let accounts = accounts(settings).await?;
            let new = NewAccount {
                login: login.clone(),
                name,
                practitioner,
                patients: patient,
                related,
                password: None,
                must_change: None,
                demo: false,
                elsewhere: Vec::new(),
            };
            accounts.put(new).await.map_err(|error| describe(&error))?;
            password(&accounts, &login).await
        }
        Account::Password(one) => {
            let login = one.login.clone();
            password(&of(one, settings).await?, &login).await
        }
        Account::Disable(one) => set_disabled(one, settings, true).await,
        Account::Enable(one) => set_disabled(one, settings, false).await,
        Account::Unlock { account, second_factor } => {
            let login = account.login.clone();
            let accounts = of(account, settings).await?;
            accounts.unlock(&login, second_factor).await.map_err(|error| describe(&error))?;
            Ok(format!("{login} may try again."))
        }
        Account::List(place) => {
            choose(settings, place);
            list(&accounts(settings).await?).await
        }
        Account::Import { place, file } => {
            choose(settings, place);
            let new = read(&file)?;
            let (accounts, count) = (accounts(settings).await?, new.len());
            for account in new {
                let login = account.login.clone();
                accounts.put(account).await.map_err(|error| format!("{login}: {}", describe(&error)))?;
            }
            Ok(format!("{count} accounts imported"))
        }
    }
}

async fn accounts(settings: &Settings) -> Outcome<Accounts> {
    Ok(Accounts::new(open(settings).await?, serve::password(settings)))
}

async fn of(one: OneAccount, settings: &mut Settings) -> Outcome<Accounts> {
    choose(settings, one.place);
    accounts(settings).await
}

async fn password(accounts: &Accounts, login: &str) -> Outcome<String> {
    let password = accounts.new_password(login).await.map_err(|error| describe(&error))?;
    eprintln!("{login} signs in with this password and replaces it at once. It cannot be shown again.");
    Ok(password)
}

async fn set_disabled(one: OneAccount, settings: &mut Settings, disabled: bool) -> Outcome<String> {
    let login = one.login.clone();
    of(one, settings).await?.set_disabled(&login, disabled).await.map_err(|error| describe(&error))?;
    Ok(format!("{login} may {} sign in.", if disabled { "no longer" } else { "now" }))
}

async fn list(accounts: &Accounts) -> Outcome<String> {
    let mut text = String::new();
    for account in accounts.list().await.map_err(|error| describe(&error))? {
        let state = match (account.disabled, account.locked_until) {
            (true, _) => "disabled",
            (false, Some(_)) => "locked",
            (false, None) => "",
        };
        let line = format!("{}\t{}\t{}\t{state}", account.login, account.name, account.person);
        writeln!(text, "{}", line.trim_end()).expect("a text can be written to");
    }
    Ok(text.trim_end().to_owned())
}

#[derive(Deserialize)]
struct Listing {
    account: Vec<NewAccount>,
}

/// The accounts of a file. What cannot be read is named by its line and never repeated: it may be a password.
fn read(file: &Path) -> Outcome<Vec<NewAccount>> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
    if file.extension().is_some_and(|extension| extension == "toml") {
        let listing: Listing = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("{place}:{line}: this is not an [[account]] with a login, a name and who it is")
        })?;
        return Ok(listing.account);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let account = |(at, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|_| format!("{place}:{}: this is not an account with a login, a name and who it is", at + 1))
    };
    lines.map(account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_toml_and_from_lines_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let toml = folder.path().join("accounts.toml");
        std::fs::write(&toml, "[[account]]\nlogin = 'lin'\nname = '林'\npractitioner = 'p1'\ndemo = true\n").unwrap();
        let lines = folder.path().join("accounts.ndjson");
        std::fs::write(&lines, "{\"login\":\"lin\",\"name\":\"林\",\"practitioner\":\"p1\"}\n\n").unwrap();
        for (file, demo) in [(toml, true), (lines, false)] {
            let accounts = read(&file).unwrap();
            assert_eq!((accounts.len(), accounts[0].login.as_str(), accounts[0].demo), (1, "lin", demo));
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.toml", "[[account]]\nlogin = 'lin'\npassword = 7\nname = 'Pine-needle-7'\n"),
            ("a.ndjson", "\n{\"login\":\"lin\",\"password\":[\"Pine-needle-7\"]}"),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let Err(refusal) = read(&file) else { panic!("{name} is refused") };
            assert!(refusal.contains(&format!("{name}:")) && !refusal.contains("Pine"), "{refusal}");
        }
    }
}
