//! Who is paged, and with what.

use serde_json::json;
use testkit::place::on_both;

use crate::{HOUR, Town};

#[test]
fn one_message_pages_a_team_of_twelve_over_every_channel_they_have() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let roles = ["neurology", "imaging", "laboratory"];
        for one in 0..12 {
            let name = format!("n{one:02}");
            town.person(&name, "neurology", "doctor", Some(&format!("139000000{one:02}"))).await;
            town.on_call(roles[one % 3], &name).await;
            town.device(&name, &format!("/push/{one}")).await;
        }
        town.person("free", "neurology", "doctor", Some("13911111111")).await;
        town.tell("c1", &roles.map(|role| (role, role)), false).await;
        town.work().await;
        let expected: Vec<String> = (0..12).map(|one| format!("139000000{one:02}")).collect();
        assert_eq!(town.texted(), expected, "everybody on call is told, and nobody else");
        let pushed = town.stand_in.taken().into_iter().filter(|one| one.path.starts_with("/push/")).count();
        assert_eq!(pushed, 12);
        let pages = town.paging.reached("run").await.unwrap();
        assert_eq!(pages.len(), 24);
        assert!(pages.iter().all(|page| page.state == paging::State::Handed && page.at.is_some()));
        assert!(town.paging.troubles().await.unwrap().is_empty());
    });
}

#[test]
fn a_page_says_what_a_lock_screen_may_show_and_carries_its_key() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", Some("13900000001")).await;
        town.on_call("stroke", "lin").await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        let [message] = town.messages().try_into().unwrap();
        assert_eq!(message.body["text"], "卒中急救：团队启动，08:00，示例医院（卒中团队）。请登录平台应答。");
        assert_eq!(message.body["id"].as_str(), Some(message.key.as_str()));
        assert_eq!(message.body["channel"], "sms");
        assert_eq!(message.body["variables"]["place"], "示例医院");
        assert!(!message.body.to_string().contains("不可外传"), "nothing says who the patient is");
    });
}

#[test]
fn where_nobody_is_on_call_everybody_at_the_post_is_paged_and_it_is_said() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", Some("13900000001")).await;
        town.person("wu", "neurology", "nurse", Some("13900000002")).await;
        town.person("he", "other", "doctor", Some("13900000003")).await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        assert_eq!(town.texted(), ["13900000001"], "the duties of the role, at its house");
        let [trouble] = town.paging.troubles().await.unwrap().try_into().unwrap();
        assert_eq!(trouble.nobody[0].zh, "卒中团队");
        assert!(trouble.channels.is_empty() && trouble.unreached.is_empty());
    });
}

#[test]
fn of_many_at_a_post_only_those_with_a_device_are_paged() {
    on_both(async |place| {
        let town = Town::with(place, |settings| settings.everyone_most = 1).await;
        for (name, number) in [("lin", "13900000001"), ("wu", "13900000002"), ("he", "13900000003")] {
            town.person(name, "neurology", "doctor", Some(number)).await;
        }
        town.device("wu", "/push/wu").await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        assert!(town.texted().is_empty());
        assert_eq!(town.statuses().await, ["push completed", "screen not-done"]);
    });
}

#[test]
fn who_has_no_device_and_no_number_is_named_as_not_reached() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", None).await;
        town.on_call("stroke", "lin").await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        let [trouble] = town.paging.troubles().await.unwrap().try_into().unwrap();
        assert_eq!(trouble.unreached, ["lin"]);
    });
}

#[test]
fn who_was_called_is_told_that_it_is_over_also_after_their_shift() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", Some("13900000001")).await;
        town.person("wu", "neurology", "doctor", Some("13900000002")).await;
        town.on_call("stroke", "lin").await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        town.place.clock.pass(9 * HOUR / 1_000_000);
        town.on_call("stroke", "wu").await;
        town.tell("c2", &[], true).await;
        town.work().await;
        assert_eq!(town.texted(), ["13900000001", "13900000001"], "who was never called hears nothing");
        town.tell("c3", &[("neurology", "stroke")], false).await;
        town.work().await;
        let again: Vec<String> = town.texted().split_off(2);
        assert_eq!(again, ["13900000001", "13900000002"].map(str::to_owned)[..], "{again:?}");
    });
}

#[test]
fn a_message_that_asks_nobody_for_an_answer_pages_nobody() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", Some("13900000001")).await;
        town.on_call("stroke", "lin").await;
        town.tell("c1", &[], false).await;
        town.work().await;
        assert!(town.stand_in.taken().is_empty() && town.statuses().await.is_empty());
    });
}

#[test]
fn a_page_of_a_drill_says_that_it_is_one() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", Some("13900000001")).await;
        town.on_call("stroke", "lin").await;
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        let drill = json!({ "resourceType": "Patient", "id": "p",
            "meta": { "security": [{ "system": system, "code": "HTEST" }] } });
        town.put(&drill).await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        let [message] = town.messages().try_into().unwrap();
        assert!(message.body["text"].as_str().unwrap().starts_with("【演练】卒中急救"));
    });
}
