use fhir::Category;
use record::person::{Crowd, Field, Matching, Traits, Verdict, score};
use record::{Change, ResourceType, SearchRequest, Session, Version};
use testkit::people::{Errors, Fault, Generator, Person, Rates};
use testkit::place::{Place, on_both};

use crate::{delete, json, key, one, update};

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 5, 4);

/// The first household that is so.
fn household(fits: impl Fn(&[Person]) -> bool) -> Vec<Person> {
    Generator::new(11, TODAY).find(|home| fits(home)).expect("there is such a household")
}

fn someone() -> Person {
    household(|home| home[0].insurance.is_some() && home[0].given.chars().count() == 2 && home.len() > 1).remove(0)
}

fn registration(id: &str, person: &Person) -> Change {
    let mut patient = person.patient();
    patient["id"] = id.into();
    update("Patient", id, json(&patient.to_string()), None)
}

/// A copy with exactly these faults.
fn copy(person: &Person, faults: &[Fault]) -> Person {
    let rates = faults.iter().fold(Rates::none(), |rates, fault| rates.with(*fault, 1.0));
    Errors::with_rates(5, rates).copy(person, &[]).0
}

async fn put(place: &Place, id: &str, person: &Person) {
    one(&place.session(), registration(id, person)).await.unwrap();
}

async fn settle(place: &Place) {
    while place.record.people_due().await.unwrap() {}
}

async fn all(session: &Session, type_: &str) -> Vec<Version> {
    let type_ = Some(ResourceType::named(type_).unwrap());
    let request = SearchRequest { type_, compartment: None, parameters: Vec::new(), strict: true };
    session.search(&request).await.unwrap().matches
}

async fn same(place: &Place, id: &str) -> Vec<String> {
    let mut patients = place.session().same_person(id).await.unwrap().patients;
    patients.sort();
    patients
}

async fn text(place: &Place, type_: &str, id: &str) -> String {
    let version = place.session().read(&key(type_, id)).await.unwrap().unwrap();
    let text = String::from_utf8(version.body.unwrap().to_vec()).unwrap();
    // All but what every write changes.
    text.split_once('}').unwrap().1.to_owned()
}

async fn decide(place: &Place, task: &Version, decision: &str) {
    let text = String::from_utf8(task.body.clone().unwrap().to_vec()).unwrap();
    let output = r#""output":[{"type":{"coding":[{"system":"https://qingshan.dev/fhir/CodeSystem/person-review","code":"decision"}]},"valueCode":"#;
    let text = text.replace(r#""status":"requested""#, &format!(r#""status":"completed",{output}"{decision}"}}]"#));
    one(&place.session(), update("Task", &task.key.id, json(&text), Some(task.version))).await.unwrap();
}

/// Registrations of some households, several of each person.
fn registrations(seed: u64, homes: usize) -> Vec<Person> {
    let mut errors = Errors::new(seed);
    let homes: Vec<Vec<Person>> = Generator::new(seed, TODAY).take(homes).collect();
    let copies = homes.iter().flat_map(|home| home.iter().flat_map(move |person| [person; 3].map(|one| (one, home))));
    copies.map(|(person, home)| errors.copy(person, home).0).collect()
}

#[test]
fn which_registration_is_compared_with_which_does_not_matter() {
    let matching = Matching::default();
    let traits = |person: &Person| Traits::of(&json(&person.patient().to_string()), &matching);
    for seed in 0..8 {
        let all: Vec<Traits> = registrations(seed, 12).iter().map(traits).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let crowd = Crowd { people: 1_000, namesakes: 3 };
            let (there, back) = (score(one, other, crowd, &matching), score(other, one, crowd, &matching));
            assert_eq!(there, back, "seed {seed}");
        }
    }
}

#[test]
fn what_is_missing_counts_neither_for_nor_against() {
    let matching = Matching::default();
    let traits = |person: &Person| Traits::of(&json(&person.patient().to_string()), &matching);
    type Remove = fn(&mut Person);
    let fields: [(Field, Remove); 4] = [
        (Field::Unique, |person| person.insurance = None),
        (Field::Phone, |person| person.phone = None),
        (Field::Address, |person| person.address = None),
        (Field::Sex, |person| person.sex = None),
    ];
    for seed in 0..4 {
        let all = registrations(seed, 3);
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let whole = score(&traits(one), &traits(other), Crowd::default(), &matching);
            for (field, remove) in fields {
                let mut less = one.clone();
                remove(&mut less);
                let rest = score(&traits(&less), &traits(other), Crowd::default(), &matching).reasons;
                let expected: Vec<_> = whole.reasons.iter().copied().filter(|reason| reason.field != field).collect();
                assert_eq!(rest, expected, "seed {seed}");
            }
        }
    }
}

#[test]
fn sure_registrations_are_joined_in_one_person_and_only_once() {
    on_both(async |place| {
        let person = someone();
        put(&place, "a", &person).await;
        put(&place, "b", &copy(&person, &[Fault::OldPhone, Fault::Moved])).await;
        put(&place, "other", &household(|home| home[0].family == "欧阳")[0]).await;
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a", "b"]);
        put(&place, "c", &copy(&person, &[Fault::SoundAlike, Fault::NoInsurance])).await;
        settle(&place).await;
        assert_eq!(same(&place, "b").await, ["a", "b", "c"]);
        assert_eq!(same(&place, "other").await, ["other"]);
        let people = all(&place.session(), "Person").await;
        assert_eq!((people.len(), people[0].version), (1, 2));
        assert!(all(&place.session(), "Task").await.is_empty());
        // Written again without any difference that matters, nothing more happens.
        put(&place, "b", &person).await;
        settle(&place).await;
        assert_eq!(all(&place.session(), "Person").await[0].version, 2);
        assert_eq!(place.record.check(|_| ()).await.unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn twins_parents_and_children_are_told_apart() {
    on_both(async |place| {
        let home = household(|home| home.iter().any(|one| one.twin.is_some() && one.sex == home[1].sex));
        for (at, person) in home.iter().enumerate() {
            put(&place, &format!("p{at}"), person).await;
            put(&place, &format!("q{at}"), &copy(person, &[Fault::NoId, Fault::NoInsurance])).await;
        }
        settle(&place).await;
        for at in 0..home.len() {
            assert_eq!(same(&place, &format!("p{at}")).await, [format!("p{at}"), format!("q{at}")]);
        }
    });
}

#[test]
fn two_sound_identity_numbers_that_differ_are_never_of_one_person() {
    on_both(async |place| {
        let person = someone();
        let mut stranger = person.clone();
        stranger.resident_id = household(|home| home[0].family == "欧阳")[0].resident_id.clone();
        let birth = stranger.resident_id.as_ref().unwrap()[6..14].to_owned();
        stranger.birth = Some(jiff::civil::Date::strptime("%Y%m%d", birth).unwrap());
        put(&place, "a", &person).await;
        put(&place, "b", &stranger).await;
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a"]);
    });
}

#[test]
fn a_doubtful_pair_is_asked_about_once_and_the_answer_is_kept() {
    on_both(async |place| {
        let person = someone();
        let doubtful = copy(&person, &[Fault::NoId, Fault::NoInsurance, Fault::ShortName]);
        put(&place, "a", &person).await;
        put(&place, "b", &doubtful).await;
        settle(&place).await;
        let tasks = all(&place.session(), "Task").await;
        assert_eq!(tasks.len(), 1);
        let text = String::from_utf8(tasks[0].body.clone().unwrap().to_vec()).unwrap();
        for part in ["Patient/a", "Patient/b", r#""code":"near""#, "probability", "person-review"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        decide(&place, &tasks[0], "different").await;
        put(&place, "b", &copy(&doubtful, &[Fault::OldPhone])).await;
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a"]);
        // Whatever is written later does not undo what somebody decided.
        put(&place, "b", &person).await;
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a"]);
        assert_eq!(all(&place.session(), "Task").await.len(), 1);
    });
}

#[test]
fn a_registrar_joins_and_parts_what_was_doubtful() {
    on_both(async |place| {
        let person = someone();
        put(&place, "a", &person).await;
        put(&place, "b", &copy(&person, &[Fault::NoId, Fault::NoInsurance, Fault::ShortName])).await;
        settle(&place).await;
        let task = all(&place.session(), "Task").await.remove(0);
        decide(&place, &task, "same").await;
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a", "b"]);
        let person = all(&place.session(), "Person").await.remove(0);
        assert!(String::from_utf8_lossy(&person.body.unwrap()).contains("level4"));
        let key = task.key.clone();
        let task = place.session().read(&key).await.unwrap().unwrap();
        let text = String::from_utf8(task.body.unwrap().to_vec()).unwrap().replace(r#""same""#, r#""different""#);
        one(&place.session(), update("Task", &key.id, json(&text), None)).await.unwrap();
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a"]);
        assert!(all(&place.session(), "Person").await.is_empty());
    });
}

#[test]
fn a_merge_is_undone_exactly() {
    on_both(async |place| {
        let (one_, other) = (someone(), household(|home| home[0].family == "欧阳").remove(0));
        put(&place, "a", &one_).await;
        let link = r#"{"resourceType":"Patient","id":"b","link":[{"other":{"reference":"Patient/z"},"type":"seealso"}],"name":[{"text":"某"}]}"#;
        one(&place.session(), update("Patient", "b", json(link), None)).await.unwrap();
        put(&place, "c", &other).await;
        let before = [text(&place, "Patient", "a").await, text(&place, "Patient", "b").await];
        for (source, target) in [("b", "a"), ("a", "b")] {
            let survivor = place.session().merge(source, target).await.unwrap();
            assert_eq!(survivor.key.id, target);
            assert!(text(&place, "Patient", source).await.contains(r#""active":false"#));
            settle(&place).await;
            assert_eq!(same(&place, source).await, ["a", "b"]);
            let again = place.session().merge(source, "c").await.unwrap_err();
            assert_eq!(again.category(), Category::Conflict);
            place.session().unmerge(source).await.unwrap();
            settle(&place).await;
            assert_eq!([text(&place, "Patient", "a").await, text(&place, "Patient", "b").await], before);
            assert_eq!(same(&place, "a").await, ["a"]);
        }
        assert_eq!(place.session().unmerge("a").await.unwrap_err().category(), Category::Conflict);
        assert_eq!(place.session().merge("a", "nobody").await.unwrap_err().category(), Category::NotFound);
        assert!(place.session().vread(&key("Patient", "a"), 1).await.unwrap().is_some());
    });
}

#[test]
fn a_replaced_registration_that_is_written_anew_stays_replaced_and_keeps_what_was_written() {
    on_both(async |place| {
        let person = someone();
        put(&place, "a", &person).await;
        put(&place, "b", &copy(&person, &[Fault::NoId])).await;
        place.session().merge("b", "a").await.unwrap();
        let moved = copy(&person, &[Fault::Moved]);
        put(&place, "b", &moved).await;
        settle(&place).await;
        let text = text(&place, "Patient", "b").await;
        assert!(text.contains("replaced-by") && text.contains(r#""active":false"#), "{text}");
        assert!(text.contains(&moved.address.unwrap().text()));
        assert_eq!(same(&place, "b").await, ["a", "b"]);
    });
}

#[test]
fn someone_unknown_becomes_somebody_later_with_everything_attached() {
    on_both(async |place| {
        let person = someone();
        put(&place, "known", &person).await;
        let (nameless, _) = Errors::new(1).nameless(&person, 1);
        put(&place, "ambulance", &nameless).await;
        let visit = r#"{"resourceType":"Encounter","id":"ride","status":"finished","class":{"code":"EMER"},"subject":{"reference":"Patient/ambulance"}}"#;
        one(&place.session(), update("Encounter", "ride", json(visit), None)).await.unwrap();
        settle(&place).await;
        assert_eq!(same(&place, "ambulance").await, ["ambulance"]);
        assert!(all(&place.session(), "Task").await.is_empty());
        put(&place, "ambulance", &copy(&person, &[Fault::NoInsurance])).await;
        settle(&place).await;
        assert_eq!(same(&place, "known").await, ["ambulance", "known"]);
        assert!(text(&place, "Encounter", "ride").await.contains("Patient/ambulance"));
    });
}

#[test]
fn a_deleted_registration_leaves_the_person() {
    on_both(async |place| {
        let person = someone();
        for id in ["a", "b", "c"] {
            put(&place, id, &person).await;
        }
        settle(&place).await;
        one(&place.session(), delete("Patient", "b")).await.unwrap();
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a", "c"]);
    });
}

#[test]
fn what_a_process_that_died_left_undone_another_does() {
    on_both(async |place| {
        let person = someone();
        settle(&place).await;
        put(&place, "a", &person).await;
        put(&place, "b", &person).await;
        // A process begins to follow and is never heard of again.
        assert!(place.record.lease("person", "gone").take(60_000_000).await.unwrap());
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a"]);
        place.clock.pass(61);
        settle(&place).await;
        assert_eq!(same(&place, "a").await, ["a", "b"]);
        if place.is_shared() {
            let others = [place.again().await, place.again().await];
            put(&place, "c", &person).await;
            let (one, other) = tokio::join!(others[0].people_due(), others[1].people_due());
            assert!(one.is_ok() && other.is_ok());
            settle(&place).await;
            assert_eq!(same(&place, "a").await, ["a", "b", "c"]);
            assert_eq!(all(&place.session(), "Person").await.len(), 1);
        }
    });
}

#[test]
fn a_match_finds_the_likeliest_first_and_says_how_sure_it_is() {
    on_both(async |place| {
        let person = someone();
        put(&place, "a", &person).await;
        put(&place, "b", &copy(&person, &[Fault::NoId, Fault::NoInsurance, Fault::NoPhone, Fault::ShortName])).await;
        put(&place, "other", &household(|home| home[0].family == "欧阳")[0]).await;
        let asked = json(&copy(&person, &[Fault::OldPhone]).patient().to_string());
        let found = place.session().matches(&asked, false, 10).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|one| one.version.key.id.as_str()).collect();
        assert_eq!((ids, found[0].verdict), (vec!["a", "b"], Verdict::Same));
        assert!(found[0].score.probability > found[1].score.probability);
        assert_eq!(place.session().matches(&asked, true, 10).await.unwrap().len(), 1);
        assert_eq!(place.session().matches(&asked, false, 1).await.unwrap().len(), 1);
        let nobody = json(r#"{"resourceType":"Patient","gender":"male"}"#);
        assert!(place.session().matches(&nobody, false, 10).await.unwrap().is_empty());
    });
}
