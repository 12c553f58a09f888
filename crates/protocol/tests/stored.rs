//! Lines in a record, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeMap;

use protocol::{Act, Deed, Engine, Files, Line, Start, knowledge};
use record::{Caller, Session};
use testkit::place::Place;

const PROTOCOL: &str = r#"code = "visit"
version = "1"
title = { zh = "随访", en = "Visit" }

[[role]]
code = "clinic"
title = { zh = "门诊", en = "Clinic" }
party = "institution"
duties = ["doctor"]
optional = true

[[start]]
by = "hand"
duties = ["doctor"]

[[milestone]]
code = "over"
title = { zh = "已结束", en = "Over" }
ends = "completed"
make = ["note"]

[[step]]
code = "ask"
title = { zh = "询问", en = "Ask" }
who = "clinic"
form = "visit-pain"
reach = ["over"]

[[activity]]
code = "note"
create = "Communication"
set = [{ path = "status", value = "'completed'" }]

[[indicator]]
code = "visits"
title = { zh = "随访数", en = "Visits" }
kind = "count"
"#;

const FORM: &str = r#"code = "visit-pain"
title = { zh = "疼痛", en = "Pain" }

[[item]]
code = "how-much"
title = { zh = "程度", en = "How much" }
kind = "integer"
max = 10
"#;

fn line(protocol: &str, form: &str) -> Line {
    let files = [("protocol.toml", protocol), ("forms/visit-pain.toml", form)];
    let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Line::read(&files).unwrap()
}

async fn both() -> [(Place, Session); 2] {
    [Place::embedded().await, Place::postgres().await].map(|place| {
        let session = place.record.session(Caller::system("SYSADMIN"));
        (place, session)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_stored_once_and_loaded_as_it_was() {
    for (_place, session) in both().await {
        let line = line(PROTOCOL, FORM);
        assert_eq!(knowledge::install(&session, &line).await.unwrap().write.len(), 4);
        let again = knowledge::install(&session, &line).await.unwrap();
        assert_eq!((again.write.len(), again.unchanged), (0, 4));
        assert_eq!(knowledge::load(&session).await.unwrap(), line.protocols);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_stored_stays_and_a_new_one_stands_beside_it() {
    for (_place, session) in both().await {
        let first = line(PROTOCOL, FORM);
        knowledge::install(&session, &first).await.unwrap();
        let retitled = line(&PROTOCOL.replace("询问", "问诊"), &FORM.replace("max = 10", "max = 100"));
        let pending = knowledge::install(&session, &retitled).await.unwrap();
        // The form is new to everybody; the plan is what runs began with.
        assert_eq!((pending.write.len(), pending.differing.len()), (1, 1));
        assert_eq!(knowledge::load(&session).await.unwrap(), first.protocols);
        let second = line(&PROTOCOL.replace("version = \"1\"", "version = \"2\""), FORM);
        knowledge::install(&session, &second).await.unwrap();
        let loaded = knowledge::load(&session).await.unwrap();
        assert_eq!(loaded.len(), 2);
        assert!(loaded.contains(&first.protocols[0]) && loaded.contains(&second.protocols[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_install_a_line_at_once_store_it_once() {
    for (_place, session) in both().await {
        let line = line(PROTOCOL, FORM);
        let (one, other) = tokio::join!(knowledge::install(&session, &line), knowledge::install(&session, &line));
        let written = one.unwrap().write.len() + other.unwrap().write.len();
        assert_eq!(written, 4);
        assert_eq!(knowledge::load(&session).await.unwrap(), line.protocols);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_runs_what_its_record_holds_and_takes_no_answer_its_form_does_not_allow() {
    for (place, session) in both().await {
        let caller = Caller::system("HOPERAT");
        let engine = Engine::new(place.record.clone());
        let start = || Start { id: Some("r1".to_owned()), protocol: "visit".to_owned(), ..Start::default() };
        assert!(engine.start(&caller, start()).await.is_err());
        // Another process puts the line in.
        knowledge::install(&session, &line(PROTOCOL, FORM)).await.unwrap();
        assert_eq!(engine.start(&caller, start()).await.unwrap().protocol.version, "1");
        let answered = |how_much: u32| {
            let text = format!(
                r#"{{"resourceType":"QuestionnaireResponse","status":"completed",
                "item":[{{"linkId":"how-much","answer":[{{"valueInteger":{how_much}}}]}}]}}"#
            );
            let deed = Deed::Complete {
                step: "ask".to_owned(),
                n: 1,
                outcome: None,
                reason: None,
                response: None,
                at: None,
                bind: BTreeMap::new(),
            };
            Act { deed, response: Some(fhir::json::parse(text.as_bytes()).unwrap()) }
        };
        let refused = engine.act(&caller, "r1", answered(11)).await.unwrap_err();
        assert!(refused.to_string().contains("The most that can be is 10."), "{refused}");
        assert!(engine.act(&caller, "r1", answered(10)).await.unwrap().run.end.is_some());
    }
}
