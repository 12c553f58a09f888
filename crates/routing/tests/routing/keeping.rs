//! What centres take is said, centres are suspended, and editions of the map are published: on both databases.

use routing::{Edition, Question, Routing, Settings, Suspension, Taking, Told};
use serde_json::{Value, json};
use testkit::institutions::{found, in_person, on_duty};
use testkit::place::{Place, on_both};

use crate::question;

const CODES: &str = "https://qingshan.dev/fhir/CodeSystem";

/// A row of a stroke centre.
fn centre(id: &str, at: &str, level: &str) -> Value {
    json!({
        "resourceType": "HealthcareService", "id": id, "active": true, "name": "卒中中心",
        "extension": [{ "url": routing::code::CERTIFIED_UNTIL, "valueDate": "2027-12-31" }],
        "providedBy": { "reference": format!("Organization/{at}") },
        "location": [{ "reference": format!("Location/site-{at}") }],
        "category": [{ "coding": [{ "system": routing::code::CATEGORY, "code": routing::code::CENTRE }] }],
        "type": [{ "coding": [{ "system": routing::code::PATHWAY, "code": "stroke" }] }],
        "characteristic": [
            { "coding": [{ "system": routing::code::LEVEL, "code": level }] },
            { "coding": [{ "system": routing::code::CAPABILITY, "code": "ivt" }] },
        ],
        "telecom": [{ "system": "phone", "value": "0730-5550100" }],
    })
}

/// A hospital that leads a consortium, another, and a stroke centre at each; the one of the hospital is its ward's.
pub(crate) async fn region(place: &Place) -> Routing {
    found(&place.record).await;
    let mut all = vec![
        json!({
            "resourceType": "OrganizationAffiliation", "id": "lead", "active": true,
            "organization": { "reference": "Organization/other" },
            "participatingOrganization": { "reference": "Organization/hospital" },
            "code": [{ "coding": [{ "system": format!("{CODES}/affiliation"), "code": "lead" }] }],
        }),
        centre("a", "hospital", "advanced"),
        centre("b", "other", "prevention"),
    ];
    all[1]["providedBy"]["reference"] = json!("Organization/ward");
    for (number, at) in ["hospital", "other"].into_iter().enumerate() {
        all.push(json!({
            "resourceType": "Location", "id": format!("site-{at}"), "status": "active", "name": "本部",
            "position": { "longitude": 113.2 + number as f64 * 0.1, "latitude": 28.4 },
        }));
    }
    place.keep(&all).await;
    Routing::new(place.record.clone(), Settings::default())
}

fn told(taking: Taking, reason: Option<&str>) -> Told {
    Told { taking, reason: reason.map(str::to_owned), resources: vec![("bed".to_owned(), 2)] }
}

fn stroke() -> Question {
    question("stroke")
}

#[test]
fn who_is_on_duty_there_says_what_a_centre_takes_and_nobody_else() {
    on_both(async |place| {
        let routing = region(&place).await;
        let record = &place.record;
        for (duty, at, may) in [
            ("doctor", "hospital", true),
            ("registrar", "hospital", true),
            ("doctor", "ward", true),
            ("pharmacist", "hospital", false),
            ("doctor", "other", false),
            ("dispatcher", "other", false),
        ] {
            let session = on_duty(record, duty, at, "TREAT");
            let said = routing.tell(&session, "HealthcareService/a", &told(Taking::Diverted, Some("CT故障"))).await;
            assert_eq!(said.is_ok(), may, "{duty} at {at}: {said:?}");
        }
        let patient = in_person(record, &["p"], &[]);
        assert!(routing.tell(&patient, "HealthcareService/a", &told(Taking::Open, None)).await.is_err());
        let doctor = on_duty(record, "doctor", "hospital", "TREAT");
        let sites = routing.decide(&doctor, stroke()).await.unwrap();
        let live = sites.sites[0].rows["stroke"].live.clone().unwrap();
        assert_eq!((live.taking, live.reason.as_deref()), (Taking::Diverted, Some("CT故障")));
        assert_eq!(
            (live.by.as_deref(), live.resources),
            (Some("PractitionerRole/doctor-ward"), vec![("bed".to_owned(), 2)])
        );
        assert_eq!(sites.answer.rejected[0].reasons[0].code, "diverted");
        // A quarter of an hour later nobody knows any more.
        place.clock.pass(15 * 60 + 1);
        let later = routing.decide(&doctor, stroke()).await.unwrap().answer;
        assert!(later.rejected.is_empty(), "{later:?}");
        assert!(later.alternatives.iter().chain(&later.chosen).all(|one| one.warnings[0].code == "status-unknown"));

        let wrong = |told: Told| async {
            let told = told;
            routing.tell(&doctor, "HealthcareService/a", &told).await.unwrap_err().to_string()
        };
        assert!(wrong(told(Taking::Limited, Some(" "))).await.contains("says why"));
        assert!(wrong(told(Taking::Limited, Some(&"长".repeat(201)))).await.contains("200"));
        let many = Told { resources: vec![("bed".to_owned(), -1)], ..told(Taking::Open, None) };
        assert!(wrong(many).await.contains("counted"));
        assert!(routing.tell(&doctor, "HealthcareService/none", &told(Taking::Open, None)).await.is_err());
        assert!(routing.decide(&patient, stroke()).await.is_err());
    });
}

#[test]
fn what_two_say_of_one_centre_at_once_is_both_kept_in_its_history() {
    on_both(async |place| {
        let routing = region(&place).await;
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        let say = |taking: Taking| {
            let (routing, doctor) = (&routing, &doctor);
            async move { routing.tell(doctor, "HealthcareService/a", &told(taking, Some("x"))).await }
        };
        let (one, other) = tokio::join!(say(Taking::Limited), say(Taking::Diverted));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    });
}

#[test]
fn the_institution_that_leads_suspends_a_centre_and_lifts_it() {
    on_both(async |place| {
        let routing = region(&place).await;
        let suspension = Suspension::For("refused".to_owned());
        let other = on_duty(&place.record, "quality", "other", "HOPERAT");
        assert!(routing.suspend(&other, "HealthcareService/b", &suspension).await.is_err());
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        assert!(routing.suspend(&doctor, "HealthcareService/b", &suspension).await.is_err());
        let keeper = on_duty(&place.record, "quality", "hospital", "HOPERAT");
        routing.suspend(&keeper, "HealthcareService/b", &suspension).await.unwrap();
        let answer = routing.decide(&doctor, stroke()).await.unwrap().answer;
        assert_eq!(answer.rejected[0].reasons[0].detail.as_deref(), Some("refused"));
        assert!(routing.suspend(&keeper, "HealthcareService/b", &Suspension::For("mood".to_owned())).await.is_err());
        routing.suspend(&keeper, "HealthcareService/b", &Suspension::Lifted).await.unwrap();
        assert!(routing.decide(&doctor, stroke()).await.unwrap().answer.rejected.is_empty());
    });
}

#[test]
fn an_edition_is_published_on_a_day_and_nothing_changes_it_afterwards() {
    on_both(async |place| {
        let routing = region(&place).await;
        let keeper = on_duty(&place.record, "quality", "hospital", "HOPERAT");
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        assert!(routing.draft(&doctor, None).await.is_err());
        let draft = routing.draft(&keeper, Some("首版".to_owned())).await.unwrap();
        assert_eq!((&draft["version"], &draft["status"]), (&json!("1"), &json!("draft")));
        assert!(routing.map(None).await.unwrap().is_none(), "a draft is shown to nobody outside");
        // A draft that is made again is the same draft.
        assert_eq!(routing.draft(&keeper, None).await.unwrap()["id"], draft["id"]);
        let library = "Library/capability-map-1";
        assert!(routing.publish(&keeper, library, Some("2026-05-03")).await.is_err(), "not for yesterday");
        assert!(routing.publish(&doctor, library, None).await.is_err());
        routing.publish(&keeper, library, None).await.unwrap();
        assert!(routing.publish(&keeper, library, None).await.is_err(), "not twice");
        let shown = routing.map(None).await.unwrap().unwrap();
        assert_eq!((&shown["edition"]["number"], &shown["edition"]["from"]), (&json!(1), &json!("2026-05-04")));
        assert_eq!(shown["sites"].as_array().unwrap().len(), 2);

        // Whoever runs the platform writes over it; what was published is still what is shown.
        let mut forged = draft.clone();
        forged["status"] = json!("active");
        forged["effectivePeriod"] = json!({ "start": "2020-01-01" });
        forged["content"][0]["data"] = json!("e30=");
        place.keep(&[forged]).await;
        let again = routing.map(None).await.unwrap().unwrap();
        assert_eq!((&again["edition"], &again["sites"]), (&shown["edition"], &shown["sites"]));

        // The registry moves on: another hospital joins, one leaves, one rises and has another telephone.
        let mut risen = centre("a", "hospital", "advanced");
        risen["telecom"][0]["value"] = json!("0730-5550199");
        risen["characteristic"][0] = json!({ "coding": [{ "system": routing::code::LEVEL, "code": "comprehensive" }] });
        let mut left = centre("b", "other", "prevention");
        left["active"] = json!(false);
        place.keep(&[risen, left, centre("c", "other", "prevention")]).await;
        routing.suspend(&keeper, "HealthcareService/c", &Suspension::For("needles-late".to_owned())).await.unwrap();
        assert_eq!(routing.draft(&keeper, None).await.unwrap()["version"], "2");
        let difference = routing.difference(&keeper, 1, 2).await.unwrap();
        assert_eq!((difference.joined.len(), difference.left.len()), (1, 1));
        let what: Vec<&str> = difference.changed.iter().map(|one| one.what).collect();
        assert_eq!(what, ["level", "hotline"]);
        assert_eq!(difference.changed[1].after.as_deref(), Some("0730-5550199"));
        assert!(routing.difference(&keeper, 1, 9).await.is_err());
        assert!(routing.difference(&in_person(&place.record, &["p"], &[]), 1, 2).await.is_err());

        // From a day to come on; until then the one before is in force.
        routing.publish(&keeper, "Library/capability-map-2", Some("2026-05-06")).await.unwrap();
        assert_eq!(routing.map(None).await.unwrap().unwrap()["edition"]["number"], 1);
        assert_eq!(routing.map(Some(2)).await.unwrap().unwrap()["edition"]["inForce"], false);
        place.clock.pass(2 * 86_400);
        let shown = routing.map(None).await.unwrap().unwrap();
        assert_eq!(shown["edition"]["number"], 2);
        let suspended: Vec<bool> =
            shown["sites"].as_array().unwrap().iter().map(|site| site["rows"][0]["suspended"] == true).collect();
        assert_eq!(suspended, [false, true]);
        let numbers: Vec<u32> = routing.editions().await.unwrap().iter().map(|one: &Edition| one.number).collect();
        assert_eq!(numbers, [1, 2]);
    });
}

#[test]
fn the_public_map_has_no_words_that_somebody_typed_about_today() {
    on_both(async |place| {
        let routing = region(&place).await;
        let keeper = on_duty(&place.record, "quality", "hospital", "HOPERAT");
        routing.draft(&keeper, None).await.unwrap();
        routing.publish(&keeper, "Library/capability-map-1", None).await.unwrap();
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        routing.tell(&doctor, "HealthcareService/a", &told(Taking::Diverted, Some("抢救张三"))).await.unwrap();
        let shown = routing.map(None).await.unwrap().unwrap();
        assert_eq!(shown["sites"][0]["rows"][0]["live"]["status"], "diverted");
        let text = shown.to_string();
        assert!(!text.contains("张三") && !text.contains("PractitionerRole"), "{text}");
    });
}
