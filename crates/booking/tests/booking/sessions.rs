//! Expert sessions in the community.

use booking::{Mark, Plan};
use fhir::Category;
use serde_json::json;
use testkit::place::on_both;

use crate::{HOUR, MINUTE, Town, hold, id, pass};

impl Town {
    /// 吴 at the clinic, so many hours from now, for so many hours.
    fn plan(&self, hours: i64, length: i64) -> Plan {
        let from = self.now() + hours * HOUR;
        Plan {
            key: None,
            who: "PractitionerRole/wu-role".to_owned(),
            place: "Organization/clinic".to_owned(),
            location: None,
            about: Some("冠心病".to_owned()),
            span: (from, from + length * HOUR),
            minutes: Some(20),
            places: None,
            pool: false,
            note: (Some("请带近期心电图".to_owned()), Some("Bring a recent tracing".to_owned())),
        }
    }
}

#[test]
fn a_session_is_planned_booked_and_counted() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let desk = town.staff("he", "hospital", "referral-officer");
        let planned = town.booking.plan(&desk, &town.plan(48, 2)).await.unwrap();
        let span = (town.now(), town.now() + 30 * 24 * HOUR);
        let slots = |count: usize| count;
        let overview = town.booking.sessions(&town.patient("p"), span, None).await.unwrap();
        assert_eq!((overview.sessions.len(), overview.sessions[0].count.places), (1, slots(6)));
        assert!(!overview.whole, "a resident is told what is free, not who comes");
        assert_eq!((overview.sessions[0].expert.0.as_str(), overview.sessions[0].place.as_str()), ("wu", "clinic"));
        let mut first = None;
        for patient in ["p", "q"] {
            let mut wanted = hold(patient, "");
            wanted.wanted = booking::Wanted::Next(format!("Schedule/{}", id(&planned)));
            let held = town.booking.hold(&town.patient(patient), &wanted).await.unwrap();
            let booked = town.booking.book(&town.patient(patient), &id(&held)).await.unwrap();
            first.get_or_insert(id(&booked));
        }
        let bookings = town.booking.bookings(&town.doctor(), &id(&planned)).await.unwrap();
        assert_eq!((bookings["total"].as_u64(), bookings["entry"].as_array().unwrap().len()), (Some(2), 4));
        let outsider = town.patient("p");
        assert_eq!(town.booking.bookings(&outsider, &id(&planned)).await.unwrap_err().category(), Category::Forbidden);
        let first = first.unwrap();
        let early = town.booking.mark(&town.doctor(), &first, Mark::Seen).await.unwrap_err();
        assert_eq!(early.category(), Category::Conflict, "nobody has been seen before the day");
        pass(&town.place.clock, 49 * 60);
        town.booking.mark(&town.doctor(), &first, Mark::Seen).await.unwrap();
        let count = town.booking.sessions(&desk, span, Some("Organization/clinic")).await.unwrap().sessions[0].count;
        assert_eq!((count.booked, count.seen, count.missed), (1, 1, 0));
        assert!(town.booking.sessions(&desk, span, Some("Organization/hospital")).await.unwrap().sessions.is_empty());
    });
}

#[test]
fn an_expert_is_in_one_place_at_a_time() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let desk = town.staff("he", "hospital", "referral-officer");
        let keyed = Plan { key: Some("once".to_owned()), ..town.plan(48, 2) };
        let planned = town.booking.plan(&desk, &keyed).await.unwrap();
        // Asking twice plans once.
        assert_eq!(id(&town.booking.plan(&desk, &keyed).await.unwrap()), id(&planned));
        // The same person under another name of theirs.
        let other = Plan { who: "Practitioner/wu".to_owned(), ..town.plan(49, 2) };
        assert_eq!(town.booking.plan(&desk, &other).await.unwrap_err().category(), Category::Conflict);
        town.booking.plan(&desk, &town.plan(50, 1)).await.unwrap();
        for refused in [town.staff("mo", "hospital", "quality"), town.patient("p")] {
            assert_eq!(
                town.booking.plan(&refused, &town.plan(72, 2)).await.unwrap_err().category(),
                Category::Forbidden
            );
        }
        let past = Plan { span: (town.now() - HOUR, town.now() - MINUTE), ..town.plan(0, 1) };
        assert_eq!(town.booking.plan(&desk, &past).await.unwrap_err().category(), Category::Invalid);
    });
}

#[test]
fn whoever_booked_a_session_that_is_called_off_is_told_and_nobody_can_book_it_any_more() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.follow().await;
        let desk = town.staff("he", "hospital", "referral-officer");
        let planned = id(&town.booking.plan(&desk, &town.plan(48, 2)).await.unwrap());
        let mut wanted = hold("p", "");
        wanted.wanted = booking::Wanted::Next(format!("Schedule/{planned}"));
        let held = town.booking.hold(&town.patient("p"), &wanted).await.unwrap();
        town.booking.book(&town.patient("p"), &id(&held)).await.unwrap();
        let slot = held["slot"][0]["reference"].as_str().unwrap().to_owned();
        town.booking.cancel_session(&desk, &planned, "专家外出").await.unwrap();
        let called_off = town.read(&format!("Appointment/{}", id(&held))).await;
        assert_eq!(
            (&called_off["status"], &called_off["cancelationReason"]["text"]),
            (&json!("cancelled"), &json!("专家外出"))
        );
        assert_eq!(town.status(&slot).await, "busy-unavailable");
        wanted.patient = "Patient/q".to_owned();
        assert_eq!(town.booking.hold(&town.patient("q"), &wanted).await.unwrap_err().category(), Category::Conflict);
        let told = async || {
            let parameters = vec![("recipient".to_owned(), "Patient/p".to_owned())];
            let type_ = Some(record::ResourceType::parse("Communication").unwrap());
            let request = record::SearchRequest { type_, compartment: None, parameters, strict: true };
            town.place.session().search(&request).await.unwrap().matches.len()
        };
        assert_eq!(told().await, 1);
        // Whoever goes over it again tells nobody twice.
        town.follow().await;
        town.booking.cancel_session(&desk, &planned, "专家外出").await.unwrap();
        assert_eq!(told().await, 1);
        pass(&town.place.clock, 1);
    });
}

#[test]
fn a_session_that_somebody_puts_out_of_use_in_the_record_is_called_off_all_the_same() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.follow().await;
        let desk = town.staff("he", "hospital", "referral-officer");
        let planned = id(&town.booking.plan(&desk, &town.plan(48, 1)).await.unwrap());
        let mut wanted = hold("p", "");
        wanted.wanted = booking::Wanted::Next(format!("Schedule/{planned}"));
        let held = town.booking.hold(&town.patient("p"), &wanted).await.unwrap();
        let mut schedule = town.read(&format!("Schedule/{planned}")).await;
        schedule["active"] = json!(false);
        town.put(&schedule).await;
        town.follow().await;
        assert_eq!(town.status(&format!("Appointment/{}", id(&held))).await, "cancelled");
    });
}
