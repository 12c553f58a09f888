//! What many of these tests begin with: the invented institutions, everybody's accounts, and somebody at a browser.

use axum::http::Method;
use protocol::Library;
use record::DUTIES;
use serde_json::{Value, json};
use testkit::institutions::found;
use testkit::place::Place;

use crate::adversary::region::Browser;
use crate::{Door, Reply};

/// The door of a place where the invented institutions are, with accounts for every duty at two of them and for the
/// patients `p` and `q`, who are not there yet.
pub(crate) async fn stage(place: Place, library: Library, change: impl FnOnce(&mut api::Settings)) -> Door {
    let door = Door::knowing(place, library, |settings| {
        settings.sign_in.demo = true;
        // Time passes in these tests, and nobody leaves their screen meanwhile.
        settings.sign_in.idle = settings.sign_in.length;
        change(settings);
    });
    found(&door.place.record).await;
    let accounts = api::Accounts::new(door.place.record.clone(), api::Password::default());
    let staff = DUTIES.iter().flat_map(|duty| ["hospital", "other"].map(|at| format!("{}-{at}", duty.code)));
    let staff = staff.map(|login| json!({"login": login, "name": login, "demo": true, "practitioner": login}));
    let patients = ["p", "q"].map(|login| json!({"login": login, "name": login, "demo": true, "patients": [login]}));
    for account in staff.chain(patients) {
        accounts.put(sonic_rs::from_str(&account.to_string()).unwrap()).await.unwrap();
    }
    door
}

impl Door {
    /// Puts resources in, past everybody's rights.
    pub(crate) async fn keep(&self, resources: &[Value]) {
        self.place.keep(resources).await;
    }
}

/// Somebody who has signed in.
pub(crate) struct Someone<'d> {
    door: &'d Door,
    pub(crate) browser: Browser,
}

impl<'d> Someone<'d> {
    pub(crate) async fn enter(door: &'d Door, login: &str) -> Self {
        Self { door, browser: Browser::enter(door, login).await }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.browser.ask(self.door, Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.browser.ask(self.door, Method::POST, path, &body.to_string()).await
    }

    /// Has an operation done with parameters: texts, numbers, flags, and References.
    pub(crate) async fn operate(&self, path: &str, parameters: &[(&str, Value)]) -> Reply {
        let parameter = parameters.iter().map(|(name, value)| match value {
            Value::String(text) => json!({"name": name, "valueString": text}),
            Value::Bool(flag) => json!({"name": name, "valueBoolean": flag}),
            Value::Object(_) => json!({"name": name, "valueReference": value}),
            number => json!({"name": name, "valueDecimal": number}),
        });
        let body = json!({"resourceType": "Parameters", "parameter": parameter.collect::<Vec<_>>()});
        self.post(&format!("/fhir/{path}"), &body).await
    }
}

/// What is answered when it is done.
pub(crate) fn read(reply: &Reply) -> Value {
    assert!(reply.status.is_success(), "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

/// A part of a Parameters resource, or of one that consists of several.
pub(crate) fn part<'v>(of: &'v Value, name: &str) -> &'v Value {
    let all = of["parameter"].as_array().or_else(|| of["part"].as_array()).unwrap();
    all.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("{name} in {of}"))
}
