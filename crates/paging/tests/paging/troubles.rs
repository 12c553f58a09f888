//! Channels that are down, processes that die, browsers that are gone.

use paging::{Channel, State};
use testkit::place::on_both;

use crate::Town;

async fn lin_on_call(town: &Town) {
    town.person("lin", "neurology", "doctor", Some("13900000001")).await;
    town.on_call("stroke", "lin").await;
}

#[test]
fn no_page_is_lost_while_a_channel_is_down_and_the_duty_chief_hears_of_it() {
    on_both(async |place| {
        let town = Town::of(place).await;
        lin_on_call(&town).await;
        town.person("zong", "hospital", "doctor", None).await;
        town.device("zong", "/push/zong").await;
        town.on_call("chief", "zong").await;
        town.stand_in.set_down(true);
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        assert_eq!(town.statuses().await, ["sms in-progress"]);
        let [trouble] = town.paging.troubles().await.unwrap().try_into().unwrap();
        assert_eq!(trouble.channels.into_iter().collect::<Vec<_>>(), [Channel::Sms]);
        assert_eq!(trouble.unreached, ["lin"]);
        // The chief is told of each channel once, however often it fails, and over whatever is left.
        for _ in 0..4 {
            town.work().await;
            town.place.clock.pass(10);
        }
        assert_eq!(town.statuses().await, ["push in-progress", "push in-progress", "sms in-progress"]);
        town.stand_in.set_down(false);
        town.place.clock.pass(60);
        town.work().await;
        assert_eq!(town.statuses().await, ["push completed", "push completed", "sms completed"]);
        assert_eq!(town.texted(), ["13900000001"], "what was tried again and again went out once");
        assert!(town.paging.troubles().await.unwrap().is_empty());
    });
}

#[test]
fn what_is_kept_of_troubles_is_what_whoever_looks_anew_finds() {
    on_both(async |place| {
        let town = Town::of(place).await;
        lin_on_call(&town).await;
        let same = async || {
            let kept = town.paging.troubles().await.unwrap();
            assert_eq!(kept, town.again().troubles().await.unwrap());
            kept.len()
        };
        assert_eq!(same().await, 0);
        town.stand_in.set_down(true);
        town.tell("c1", &[("neurology", "stroke")], false).await;
        assert_eq!(same().await, 0, "nothing was tried yet");
        town.work().await;
        assert_eq!(same().await, 1);
        town.tell("c2", &[("neurology", "nobody")], false).await;
        town.work().await;
        assert_eq!(same().await, 1);
        town.stand_in.set_down(false);
        town.place.clock.pass(5);
        town.work().await;
        same().await;
        // Within a minute it was gone on with; after that all of it is looked for again.
        town.place.clock.pass(3_600 * 25);
        assert_eq!(same().await, 0);
    });
}

#[test]
fn a_page_that_nobody_takes_is_given_up_and_shown() {
    on_both(async |place| {
        let town = Town::with(place, |settings| settings.tries = 2).await;
        lin_on_call(&town).await;
        town.stand_in.set_down(true);
        town.tell("c1", &[("neurology", "stroke")], false).await;
        for _ in 0..3 {
            town.work().await;
            town.place.clock.pass(60);
        }
        assert_eq!(town.statuses().await, ["screen not-done", "sms stopped"], "and nobody is the duty chief");
        let trouble = &town.paging.troubles().await.unwrap()[0];
        assert!(trouble.channels.contains(&Channel::Sms));
        assert_eq!(trouble.unreached, ["lin"]);
    });
}

#[test]
fn what_a_process_decided_before_it_died_is_handed_over_by_the_next_one() {
    on_both(async |place| {
        let town = Town::of(place).await;
        lin_on_call(&town).await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        while !town.paging.caught_up().await.unwrap() {}
        assert_eq!(town.statuses().await, ["sms preparation"]);
        let next = town.again();
        assert_eq!(next.gather().await.unwrap(), 1);
        assert!(next.caught_up().await.unwrap());
        assert_eq!(next.hand_due().await, 1);
        assert_eq!(town.texted(), ["13900000001"]);
        // The first was only slow, not dead: what it does then is the same page.
        assert_eq!(town.paging.hand_due().await, 1);
        let [message] = town.messages().try_into().unwrap();
        assert_eq!(message.repeats, 1, "a repeat carries the same key");
        assert_eq!(town.statuses().await, ["sms completed"]);
    });
}

#[test]
fn going_over_a_message_twice_pages_once() {
    on_both(async |place| {
        let town = Town::of(place).await;
        lin_on_call(&town).await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        // How far was followed is written down after it was done, so a process that dies in between goes over it again.
        let drawer = town.place.record.drawer("paging");
        drawer.put("position", "0".into(), None).await.unwrap();
        town.work().await;
        let [message] = town.messages().try_into().unwrap();
        assert_eq!((message.repeats, town.statuses().await), (0, vec!["sms completed".to_owned()]));
    });
}

#[test]
fn a_browser_that_wants_nothing_any_more_is_forgotten() {
    on_both(async |place| {
        let town = Town::with(place, |settings| settings.gateway = None).await;
        lin_on_call(&town).await;
        town.device("lin", "/push/gone").await;
        town.tell("c1", &[("neurology", "stroke")], false).await;
        town.work().await;
        assert!(town.paging.devices("lin").await.unwrap().is_empty());
        let [page] = town.paging.reached("run").await.unwrap().try_into().unwrap();
        assert_eq!((page.state, page.failure.as_deref()), (State::GivenUp, Some("no-device")));
        assert_eq!(town.paging.troubles().await.unwrap()[0].unreached, ["lin"]);
    });
}

#[test]
fn a_browser_is_one_persons_at_a_time() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.device("lin", "/push/ward").await;
        town.device("wu", "/push/ward").await;
        assert!(town.paging.devices("lin").await.unwrap().is_empty());
        let [device] = town.paging.devices("wu").await.unwrap().try_into().unwrap();
        let [tried] = town.paging.try_devices("wu").await.unwrap().try_into().unwrap();
        assert!(tried.taken && tried.device == device.id);
        town.paging.drop_device("wu", &device.id).await.unwrap();
        assert!(town.paging.try_devices("wu").await.is_err());
    });
}
