//! The engine as its callers see it, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod acting;
mod birth;
mod following;
mod going_on;
mod histories;
mod numbering;
mod timing;
mod traits;

use std::collections::BTreeMap;

use fhir::Value;
use protocol::{Deed, Engine, Library, Protocol, Standing, Start};
use record::{Action, Caller, Change, Key, ResourceType, SearchRequest, Target, Version};
use sonic_rs::JsonValueTrait;
use testkit::place::Place;
use testkit::stage::{person, staff};

fn read(text: &str) -> Protocol {
    toml::from_str(text).expect("the test's protocol is one")
}

fn library() -> Library {
    let texts = [
        include_str!("referral.toml"),
        include_str!("follow-up.toml"),
        include_str!("transport.toml"),
        include_str!("check-up.toml"),
        include_str!("birth.toml"),
    ];
    Library::with(texts.map(read))
}

fn json(text: &str) -> Value {
    fhir::json::parse(text.as_bytes()).expect("the test's JSON is JSON")
}

fn key(type_: &str, id: &str) -> Key {
    Key::new(ResourceType::named(type_).expect("an R4 type"), id)
}

/// A record with two hospitals, a clinic, people in them and a patient who is referred.
struct Town {
    place: Place,
    engine: Engine,
}

impl Town {
    async fn of(place: Place) -> Self {
        let engine = Engine::with(place.record.clone(), library());
        let town = Self { place, engine };
        for (id, part) in [("clinic", None), ("hospital", None), ("medicine", Some("hospital")), ("other", None)] {
            let part = part.map(|of| format!(r#","partOf":{{"reference":"Organization/{of}"}}"#)).unwrap_or_default();
            let text = format!(r#"{{"resourceType":"Organization","id":"{id}","name":"{id}"{part}}}"#);
            town.put("Organization", id, &text).await;
        }
        for (name, organization, duty) in [
            ("lin", "clinic", "doctor"),
            ("wu", "medicine", "doctor"),
            ("he", "hospital", "referral-officer"),
            ("zhao", "other", "doctor"),
            ("qi", "hospital", "nurse"),
        ] {
            town.place.keep(&person(name, organization, duty)).await;
        }
        town.put("Patient", "p", r#"{"resourceType":"Patient","id":"p"}"#).await;
        town.request("s", "").await;
        town
    }

    async fn put(&self, type_: &str, id: &str, text: &str) {
        let target = Target::Key(key(type_, id));
        let action = Action::Update { target, resource: json(text), if_match: None, if_absent: false };
        self.place.session().transact(vec![Change::new(action)]).await.unwrap();
    }

    async fn request(&self, id: &str, more: &str) {
        let text = format!(
            r#"{{"resourceType":"ServiceRequest","id":"{id}","status":"active","intent":"order","priority":"urgent",
            "subject":{{"reference":"Patient/p"}},"requester":{{"reference":"Organization/clinic"}},
            "performer":[{{"reference":"Organization/medicine"}}]{more}}}"#
        );
        self.put("ServiceRequest", id, &text).await;
    }

    async fn start(&self) -> Standing {
        self.engine.start(&self.machine(), beginning()).await.unwrap()
    }

    fn machine(&self) -> Caller {
        self.place.session().caller().clone()
    }

    async fn act(&self, caller: &Caller, run: &str, deed: Deed) -> Result<Standing, fhir::Error> {
        self.engine.act(caller, run, deed.into()).await
    }

    /// The latest versions of all resources of a type.
    async fn all(&self, type_: &str) -> Vec<Value> {
        let type_ = ResourceType::named(type_);
        let parameters = vec![("_count".to_owned(), "1000".to_owned())];
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = self.place.session().search(&request).await.unwrap();
        page.matches.iter().map(parsed).collect()
    }

    async fn read(&self, type_: &str, id: &str) -> Option<Value> {
        self.place.session().read(&key(type_, id)).await.unwrap().as_ref().map(parsed)
    }

    /// Every run that is stored is as everything that happened to it says.
    async fn is_as_it_came_about(&self) {
        let roots = self.all("Task").await.into_iter().filter(protocol::task::is_root);
        let mut count = 0;
        for root in roots {
            let stored = protocol::task::run(&root).unwrap();
            assert_eq!(self.engine.rebuild(&stored.id).await.unwrap(), stored);
            count += 1;
        }
        assert!(count > 0, "there is no run to compare");
    }
}

fn parsed(version: &Version) -> Value {
    fhir::json::parse(version.body.as_ref().expect("it is not deleted")).unwrap()
}

fn beginning() -> Start {
    Start {
        id: Some("r1".to_owned()),
        protocol: "referral".to_owned(),
        patient: Some("Patient/p".to_owned()),
        focus: Some("ServiceRequest/s".to_owned()),
        ..Start::default()
    }
}

fn complete(step: &str, n: u32, outcome: Option<&str>) -> Deed {
    Deed::Complete {
        step: step.to_owned(),
        n,
        outcome: outcome.map(str::to_owned),
        reason: None,
        response: None,
        at: None,
        bind: BTreeMap::new(),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(|text| text.as_str()).unwrap_or_default()
}
