//! Live streams.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use testkit::place::on_both;
use tower::ServiceExt;

use crate::Door;
use crate::export::refusal;
use crate::people::{Browser, OTHER, door_with};

/// A live stream being read.
pub(crate) struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(door: &Door, topic: &str, resume: Option<u64>) -> Self {
        match resume {
            Some(resume) => Self::open_with(door, topic, &[("last-event-id", &resume.to_string())]).await,
            None => Self::open_with(door, topic, &[]).await,
        }
    }

    /// A stream that is asked for with headers.
    pub(crate) async fn open_with(door: &Door, topic: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::builder().uri(format!("/live?topic={topic}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = door.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{topic}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { body: response.into_body().into_data_stream(), text: String::new() };
        assert!(stream.block().await.starts_with("retry: "));
        stream
    }

    /// The next block of lines.
    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return block;
            }
            let bytes = self.body.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// Waits until nothing more comes.
    async fn end(mut self) {
        while self.body.next().await.is_some() {}
    }

    /// The next event: its name, id and data.
    pub(crate) async fn event(&mut self) -> (String, u64, String) {
        loop {
            let block = self.block().await;
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            if let Some(data) = field("data:") {
                return (field("event:").unwrap(), field("id:").unwrap().parse().unwrap(), data);
            }
        }
    }
}

async fn patient(door: &Door, id: &str) {
    door.put(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)).await;
}

async fn task(door: &Door, id: &str, status: &str, patient: &str) {
    door.put(&format!(
        r#"{{"resourceType":"Task","id":"{id}","status":"{status}","intent":"order","for":{{"reference":"Patient/{patient}"}}}}"#
    ))
    .await;
}

#[test]
fn a_receiver_hears_of_changes_of_its_topic_only_and_without_their_content() {
    on_both(async |place| {
        let door = Door::open(place);
        let mut stream = Stream::open(&door, "Task", None).await;
        patient(&door, "a").await;
        task(&door, "t", "requested", "a").await;
        let (event, id, data) = stream.event().await;
        assert_eq!((event.as_str(), id), ("change", 2));
        assert!(data.starts_with(r#"{"seq":2,"type":"Task","id":"t","version":1,"at":""#), "{data}");
        assert!(!data.contains("requested"));
    });
}

#[test]
fn a_receiver_that_comes_back_is_told_what_it_missed() {
    on_both(async |place| {
        let door = Door::open(place);
        for id in ["a", "b", "c"] {
            patient(&door, id).await;
        }
        let mut stream = Stream::open(&door, "*", Some(1)).await;
        assert_eq!(stream.event().await.1, 2);
        assert_eq!(stream.event().await.1, 3);
        patient(&door, "d").await;
        assert_eq!(stream.event().await.1, 4);
    });
}

#[test]
fn a_receiver_that_missed_too_much_is_told_of_the_gap() {
    on_both(async |place| {
        let door = Door::with(place, |settings| {
            settings.open = true;
            settings.live.backlog = 2;
        });
        for id in ["a", "b", "c", "d"] {
            patient(&door, id).await;
        }
        for resume in [0, 99] {
            let request = Request::builder().uri("/live?topic=*").header("last-event-id", resume.to_string());
            let response = door.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let mut stream = Stream { body: response.into_body().into_data_stream(), text: String::new() };
            let (event, id, data) = stream.event().await;
            assert_eq!((event.as_str(), id), ("gap", 4));
            assert_eq!(data, format!(r#"{{"after":{resume},"head":4}}"#));
        }
    });
}

#[test]
fn a_receiver_with_criteria_also_hears_when_they_cease_to_be_met() {
    on_both(async |place| {
        let door = Door::open(place);
        patient(&door, "a").await;
        let mut stream = Stream::open(&door, "Task?status=requested,accepted", None).await;
        task(&door, "other", "draft", "a").await;
        task(&door, "t", "requested", "a").await;
        assert_eq!(stream.event().await.1, 3);
        task(&door, "t", "completed", "a").await;
        assert_eq!(stream.event().await.1, 4);
        task(&door, "t", "failed", "a").await;
        task(&door, "u", "accepted", "a").await;
        assert_eq!(stream.event().await.1, 6);
    });
}

#[test]
fn a_receiver_follows_one_patient() {
    on_both(async |place| {
        let door = Door::open(place);
        let mut stream = Stream::open(&door, "Patient/a", None).await;
        patient(&door, "a").await;
        patient(&door, "b").await;
        door.put(r#"{"resourceType":"Encounter","id":"e","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/b"}}"#).await;
        door.put(r#"{"resourceType":"Encounter","id":"f","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/a"}}"#).await;
        assert_eq!(stream.event().await.1, 1);
        assert_eq!(stream.event().await.1, 4);
    });
}

#[test]
fn a_topic_that_cannot_be_followed_is_refused() {
    on_both(async |place| {
        let door = Door::open(place);
        for topic in ["", "Robot", "Task?status:not=draft", "Task?nothing=1", "Patient/a?x=1", "Task?status="] {
            let reply = door.get(&format!("/live?topic={topic}")).await;
            assert_eq!(reply.status, 400, "{topic}: {}", reply.text());
        }
        door.get("/live").await.refused(400, "required");
    });
}

#[test]
fn a_stream_ends_when_whoever_opened_it_acts_from_another_post() {
    on_both(async |place| {
        let door = door_with(place, |settings| settings.live.heartbeat = Duration::from_millis(10)).await;
        let mut lin = Browser::default();
        lin.sign_in(&door, "lin", OTHER).await;
        assert_eq!(lin.post(&door, "/auth/post", r#"{"role":"lin-clinic"}"#).await.status, 200);
        let cookies = lin.cookies.join("; ");
        let stream = Stream::open_with(&door, "*", &[("cookie", &cookies)]).await;
        assert_eq!(lin.post(&door, "/auth/post", r#"{"role":"lin-hospital"}"#).await.status, 200);
        stream.end().await;
    });
}

#[test]
fn a_machine_is_told_of_nothing_that_a_patient_keeps_from_its_institution() {
    on_both(async |place| {
        let mut door = Door::open(place);
        for id in ["mine", "elsewhere"] {
            door.put(&format!(r#"{{"resourceType":"Organization","id":"{id}","name":"{id}"}}"#)).await;
        }
        for id in ["a", "b"] {
            patient(&door, id).await;
        }
        door.put(&refusal("a", "mine")).await;
        door.reopen(false);
        let mut streams = Vec::new();
        for (client, institution) in [("own", None), ("mine", Some("mine")), ("other", Some("elsewhere"))] {
            let bearer = door.machine(client, institution, "system/*.rs").await;
            let proof = [("authorization", bearer.as_str())];
            let past = Stream::open_with(&door, "Consent", &[proof[0], ("last-event-id", "0")]).await;
            streams.push((client, past, Stream::open_with(&door, "Observation", &proof).await));
        }
        door.reopen(true);
        for patient in ["a", "b"] {
            door.put(&format!(
                r#"{{"resourceType":"Observation","id":"of-{patient}","status":"final","code":{{"text":"x"}},
                "subject":{{"reference":"Patient/{patient}"}}}}"#
            ))
            .await;
        }
        // What another patient decides about somebody who acts for them is open to all three.
        door.put(&refusal("b", "x").replace("Organization/x", "RelatedPerson/son")).await;
        for (client, mut decided, mut measured) in streams {
            let is_told = client == "other";
            let first = |told: (String, u64, String)| told.2.split(r#""id":""#).nth(1).unwrap()[..4].to_owned();
            assert_eq!(first(measured.event().await), if is_told { "of-a" } else { "of-b" }, "{client}");
            assert_eq!(first(decided.event().await), if is_told { "of-a" } else { "of-b" }, "{client}");
        }
    });
}
