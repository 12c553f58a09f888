//! Paging as those who are paged and those who wait for them see it, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod calling;
mod rostering;
mod troubles;

use paging::roster::Wanted;
use paging::stand_in::{StandIn, Taken};
use paging::{Channel, Paging, Settings, Subscription, code};
use record::{Session, tree};
use serde_json::{Value, json};
use testkit::institutions::put;
use testkit::place::Place;
use testkit::stage::{organization, person, staff};

/// A minute and an hour, in microseconds.
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// The public key and the secret of a browser: those of the example of RFC 8291.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// A hospital with a department, people with mobile phones, and a gateway that is stood in for over real HTTP.
struct Town {
    place: Place,
    paging: Paging,
    stand_in: StandIn,
    /// Where the stand-in listens.
    outside: String,
}

impl Town {
    async fn of(place: Place) -> Self {
        Self::with(place, |_| {}).await
    }

    async fn with(place: Place, change: impl FnOnce(&mut Settings)) -> Self {
        let stand_in = StandIn::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outside = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(stand_in.clone().serve(listener));
        let mut settings = Settings {
            gateway: Some(format!("{outside}/messages")),
            token: "secret".to_owned(),
            channels: vec![Channel::Sms],
            allow_private: true,
            ..Settings::default()
        };
        change(&mut settings);
        let paging = Paging::new(place.record.clone(), settings);
        // What is written from here on is followed.
        assert!(paging.caught_up().await.unwrap());
        let town = Self { place, paging, stand_in, outside };
        let called = |id: &str, part_of: Option<&str>, name: &str| {
            let mut one = organization(id, part_of);
            one["name"] = json!(name);
            one
        };
        town.place
            .keep(&[
                called("hospital", None, "示例医院"),
                called("neurology", Some("hospital"), "神经内科"),
                called("other", None, "别的医院"),
                json!({ "resourceType": "Patient", "id": "p", "name": [{ "text": "不可外传" }] }),
            ])
            .await;
        town
    }

    /// Another process on the same record.
    fn again(&self) -> Paging {
        Paging::new(self.place.record.clone(), self.paging.settings().clone())
    }

    async fn put(&self, resource: &Value) {
        self.place.session().keeping_runs().transact(vec![put(&resource.to_string())]).await.unwrap();
    }

    /// Somebody with a post and, if one is given, a mobile number.
    async fn person(&self, name: &str, at: &str, duty: &str, mobile: Option<&str>) {
        let [mut who, post] = person(name, at, duty);
        if let Some(mobile) = mobile {
            who["telecom"] = json!([{ "system": "phone", "use": "mobile", "value": mobile }]);
        }
        self.place.keep(&[who, post]).await;
    }

    /// Puts somebody on call from an hour ago to in eight hours.
    async fn on_call(&self, call: &str, who: &str) {
        let span = (self.now() - HOUR, self.now() + 8 * HOUR);
        self.paging.set_shift(&self.place.session(), &wanted(call, who, span)).await.unwrap();
    }

    fn now(&self) -> i64 {
        self.place.now()
    }

    /// A member of staff, in a session of theirs.
    fn staff(&self, name: &str, at: &str, duty: &str) -> Session {
        self.place.record.session(staff(name, at, duty))
    }

    /// A browser of somebody's that takes messages at the stand-in.
    async fn device(&self, practitioner: &str, path: &str) {
        let told = Subscription {
            endpoint: format!("{}{path}", self.outside),
            p256dh: P256DH.to_owned(),
            auth: AUTH.to_owned(),
            name: "Firefox".to_owned(),
            locale: "zh-CN".to_owned(),
        };
        self.paging.add_device(practitioner, &told).await.unwrap();
    }

    /// A message about a run for some roles, each with what its people are on call for, as a care process writes it.
    async fn tell(&self, id: &str, roles: &[(&str, &str)], stands_down: bool) {
        let mut extensions: Vec<Value> = roles
            .iter()
            .map(|(role, call)| {
                json!({ "url": code::PAGE, "extension": [
                    { "url": "role", "valueCode": role }, { "url": "call", "valueCode": call },
                    { "url": "title", "valueString": "卒中团队" }, { "url": "duty", "valueCode": "doctor" },
                    { "url": "party", "valueReference": { "reference": "Organization/neurology" } },
                ] })
            })
            .collect();
        if stands_down {
            extensions.push(json!({ "url": code::STAND_DOWN, "valueBoolean": true }));
        }
        let mut message = json!({
            "resourceType": "Communication", "id": id, "status": "in-progress", "priority": "stat",
            "extension": extensions,
            "category": [{ "coding": [{ "system": code::NOTICE, "code": "milestone" }] }],
            "topic": { "text": "卒中急救" },
            "subject": { "reference": "Patient/p" },
            "about": [{ "reference": "Task/run" }],
            "sent": fhir::time::instant(self.now()),
            "recipient": [{ "reference": "Organization/neurology" }],
            "payload": [{ "contentString": "团队启动" }],
        });
        if extensions.is_empty() {
            message.as_object_mut().unwrap().remove("extension");
        }
        self.put(&message).await;
    }

    /// Everything that was told is decided about, and everything that is due is tried once.
    async fn work(&self) {
        while !self.paging.caught_up().await.unwrap() {}
        self.paging.hand_due().await;
    }

    /// The numbers to which text messages went, in order.
    fn texted(&self) -> Vec<String> {
        let mut numbers: Vec<String> =
            self.messages().iter().map(|one| one.body["to"].as_str().unwrap().to_owned()).collect();
        numbers.sort();
        numbers
    }

    fn messages(&self) -> Vec<Taken> {
        self.stand_in.taken().into_iter().filter(|one| one.path == "/messages").collect()
    }

    /// How many pages have each status.
    async fn statuses(&self) -> Vec<String> {
        let parameters = [("category", format!("{}|{}", code::NOTICE, code::PAGED)), ("_count", "500".to_owned())];
        let pages = tree::every(&self.place.session(), "Communication", &parameters).await.unwrap();
        let mut statuses: Vec<String> = pages
            .iter()
            .map(|tree| {
                let medium = tree["medium"][0]["coding"][0]["code"].as_str().unwrap().to_owned();
                format!("{medium} {}", tree["status"].as_str().unwrap())
            })
            .collect();
        statuses.sort();
        statuses
    }
}

fn wanted(call: &str, who: &str, span: (i64, i64)) -> Wanted {
    Wanted {
        key: None,
        institution: "Organization/hospital".to_owned(),
        call: call.to_owned(),
        who: format!("PractitionerRole/{who}-role"),
        span,
        instead: Vec::new(),
    }
}
