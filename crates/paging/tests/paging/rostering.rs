//! Who is on call when.

use fhir::Category;
use testkit::place::on_both;

use crate::{HOUR, Town, wanted};

#[test]
fn who_is_on_call_is_who_has_a_shift_at_that_moment() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", None).await;
        town.person("wu", "neurology", "doctor", None).await;
        let (now, paging) = (town.now(), &town.paging);
        let session = town.staff("lin", "neurology", "doctor");
        paging.set_shift(&session, &wanted("stroke", "lin", (now, now + 8 * HOUR))).await.unwrap();
        paging.set_shift(&session, &wanted("stroke", "wu", (now + 8 * HOUR, now + 24 * HOUR))).await.unwrap();
        let houses = ["neurology".to_owned(), "hospital".to_owned()];
        for (at, who) in [(now, "lin"), (now + 8 * HOUR - 1, "lin"), (now + 8 * HOUR, "wu")] {
            let on = paging.on_call("stroke", &houses, at).await.unwrap();
            assert_eq!(on, [format!("PractitionerRole/{who}-role")]);
        }
        assert!(paging.on_call("stroke", &houses, now + 24 * HOUR).await.unwrap().is_empty());
        assert!(paging.on_call("imaging", &houses, now).await.unwrap().is_empty());
        assert!(paging.on_call("stroke", &["other".to_owned()], now).await.unwrap().is_empty());
        let shifts = paging.shifts("Organization/hospital", (now, now + 24 * HOUR)).await.unwrap();
        assert_eq!(shifts.iter().map(|one| one.who.name.as_str()).collect::<Vec<_>>(), ["lin", "wu"]);
    });
}

#[test]
fn a_shift_is_set_once_under_one_name_and_not_twice_for_one_person() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", None).await;
        let (now, session) = (town.now(), town.place.session());
        let mut first = wanted("stroke", "lin", (now, now + 8 * HOUR));
        first.key = Some("k1".to_owned());
        let one = town.paging.set_shift(&session, &first).await.unwrap();
        let same = town.paging.set_shift(&session, &first).await.unwrap();
        assert_eq!(one, same);
        let twice = wanted("stroke", "lin", (now + HOUR, now + 9 * HOUR));
        let refused = town.paging.set_shift(&session, &twice).await.unwrap_err();
        assert_eq!(refused.category(), Category::Conflict);
        let mut moved = twice.clone();
        moved.instead = vec![one.id.clone()];
        town.paging.set_shift(&session, &moved).await.unwrap();
        let shifts = town.paging.shifts("Organization/hospital", (now, now + 24 * HOUR)).await.unwrap();
        assert_eq!(shifts.len(), 1, "a shift that takes the place of another is alone");
        town.paging.drop_shift(&session, &shifts[0].id).await.unwrap();
        town.paging.drop_shift(&session, &shifts[0].id).await.unwrap();
        assert!(town.paging.shifts("Organization/hospital", (now, now + 24 * HOUR)).await.unwrap().is_empty());
    });
}

#[test]
fn a_roster_is_kept_by_those_who_work_there() {
    on_both(async |place| {
        let town = Town::of(place).await;
        town.person("lin", "neurology", "doctor", None).await;
        let span = (town.now(), town.now() + 8 * HOUR);
        let stranger = town.staff("he", "other", "doctor");
        let refused = town.paging.set_shift(&stranger, &wanted("stroke", "lin", span)).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        let own = town.staff("lin", "neurology", "doctor");
        let shift = town.paging.set_shift(&own, &wanted("stroke", "lin", span)).await.unwrap();
        let refused = town.paging.drop_shift(&stranger, &shift.id).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
        for (from, to) in [(span.1, span.0), (span.0, span.0 + 8 * 24 * HOUR), (span.0 - 9 * HOUR, span.0 - HOUR)] {
            let refused = town.paging.set_shift(&own, &wanted("imaging", "lin", (from, to))).await.unwrap_err();
            assert_eq!(refused.category(), Category::Invalid);
        }
    });
}

#[test]
fn whoever_can_be_called_keeps_the_list_of_who_is() {
    on_both(async |place| {
        let town = Town::of(place).await;
        let now = town.now();
        for (at, duty) in ["technician", "radiologist", "pharmacist", "paramedic", "dispatcher"].iter().enumerate() {
            let name = format!("one-{at}");
            town.person(&name, "hospital", duty, None).await;
            let own = town.staff(&name, "hospital", duty);
            let shift = town.paging.set_shift(&own, &wanted("imaging", &name, (now, now + HOUR))).await.unwrap();
            town.paging.drop_shift(&own, &shift.id).await.unwrap();
        }
        town.person("clerk", "hospital", "quality", None).await;
        let clerk = town.staff("clerk", "hospital", "quality");
        let refused = town.paging.set_shift(&clerk, &wanted("imaging", "one-0", (now, now + HOUR))).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden);
    });
}
