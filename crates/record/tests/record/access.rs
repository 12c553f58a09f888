//! Who sees what, compared with a reading of the default rules by hand over a region made by chance.

use std::collections::BTreeSet;

use fhir::Category;
use record::{HistoryRequest, HistoryScope, Reason, Relation, SearchRequest, Session};
use testkit::dice::Dice;
use testkit::institutions::{found, in_person, on_duty, post, put};
use testkit::place::{Place, on_both, on_both_with};

use crate::{create, delete, json, key, one, update};

const ICD: &str = "http://hl7.org/fhir/sid/icd-10";
const PATIENTS: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];
const PLACES: [&str; 5] = ["hospital", "ward", "centre", "other", "station"];

/// The family name of a patient.
fn family(patient: &str) -> &'static str {
    let at = PATIENTS.iter().position(|known| *known == patient).unwrap();
    ["Alder", "Birch", "Cedar", "Dogwood", "Elm"][at]
}

/// The institution a place belongs to.
fn institution(place: &str) -> &str {
    if place == "ward" { "hospital" } else { place }
}

/// The institutions under one management with this one, without it.
fn group(place: &str) -> &'static str {
    match institution(place) {
        "hospital" => "centre",
        "centre" => "hospital",
        "other" => "station",
        _ => "other",
    }
}

/// One resource of the region, as the reading by hand needs it.
#[derive(Debug, Clone)]
struct Thing {
    type_: &'static str,
    id: String,
    patient: &'static str,
    /// Whose it is; empty when it is nobody's.
    keeper: &'static str,
    sensitive: bool,
    /// The visit it was found on.
    visit: Option<String>,
    /// Whether, as a visit or a referral, it is going on.
    open: bool,
    /// To whom a referral leads, or against whom a refusal is; empty for everyone.
    other: &'static str,
    text: String,
}

/// A region of visits, referrals, contracts, refusals and findings.
fn region(seed: u64) -> Vec<Thing> {
    let mut dice = Dice::new(seed);
    let mut things: Vec<Thing> = Vec::new();
    let thing = |type_, id: String, patient, keeper| Thing {
        type_,
        id,
        patient,
        keeper,
        sensitive: false,
        visit: None,
        open: true,
        other: "",
        text: String::new(),
    };
    for patient in PATIENTS {
        let mut made = thing("Patient", patient.to_owned(), patient, "");
        made.text =
            format!(r#"{{"resourceType":"Patient","id":"{patient}","name":[{{"family":"{}"}}]}}"#, family(patient));
        things.push(made);
    }
    for at in 0..9 {
        let (patient, keeper) = (*dice.pick(&PATIENTS), *dice.pick(&PLACES));
        let mut made = thing("Encounter", format!("e{at}"), patient, keeper);
        made.open = dice.chance(0.5);
        let status = if made.open { "in-progress" } else { "finished" };
        let end = if made.open { "" } else { r#","end":"2026-02-02""# };
        made.text = format!(
            r#"{{"resourceType":"Encounter","id":"e{at}","status":"{status}","class":{{"code":"IMP"}},
            "subject":{{"reference":"Patient/{patient}"}},"serviceProvider":{{"reference":"Organization/{keeper}"}},
            "period":{{"start":"2026-02-01"{end}}}}}"#
        );
        things.push(made);
    }
    for at in 0..3 {
        let (patient, keeper, other) = (*dice.pick(&PATIENTS), *dice.pick(&PLACES), *dice.pick(&PLACES));
        let mut made = thing("ServiceRequest", format!("r{at}"), patient, keeper);
        (made.open, made.other) = (dice.chance(0.7), other);
        let status = if made.open { "active" } else { "revoked" };
        made.text = format!(
            r#"{{"resourceType":"ServiceRequest","id":"r{at}","status":"{status}","intent":"order",
            "category":[{{"coding":[{{"system":"http://snomed.info/sct","code":"3457005"}}]}}],
            "subject":{{"reference":"Patient/{patient}"}},"requester":{{"reference":"Organization/{keeper}"}},
            "performer":[{{"reference":"Organization/{other}"}}]}}"#
        );
        things.push(made);
    }
    for at in 0..2 {
        let (patient, keeper) = (*dice.pick(&PATIENTS), *dice.pick(&PLACES));
        let mut made = thing("CareTeam", format!("t{at}"), patient, keeper);
        made.open = dice.chance(0.7);
        let end = if made.open { r#","end":"2026-12-31""# } else { r#","end":"2026-05-01""# };
        made.text = format!(
            r#"{{"resourceType":"CareTeam","id":"t{at}","status":"active",
            "category":[{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/care-team","code":"family-doctor"}}]}}],
            "subject":{{"reference":"Patient/{patient}"}},"managingOrganization":[{{"reference":"Organization/{keeper}"}}],
            "period":{{"start":"2026-01-01"{end}}}}}"#
        );
        things.push(made);
    }
    for at in 0..2 {
        let (patient, other) = (*dice.pick(&PATIENTS), *dice.pick(&["", "hospital", "other", "station"]));
        let mut made = thing("Consent", format!("c{at}"), patient, "");
        made.other = other;
        let actor = format!(
            r#","actor":[{{"role":{{"text":"closed to"}},"reference":{{"reference":"Organization/{other}"}}}}]"#
        );
        let actor = if other.is_empty() { String::new() } else { actor };
        made.text = format!(
            r#"{{"resourceType":"Consent","id":"c{at}","status":"active","scope":{{"text":"privacy"}},
            "category":[{{"text":"privacy"}}],"patient":{{"reference":"Patient/{patient}"}},
            "policyRule":{{"text":"the patient's word"}},"provision":{{"type":"deny"{actor}}}}}"#
        );
        things.push(made);
    }
    for at in 0..24 {
        let own_note = at % 6 == 0;
        let type_ = if own_note { "ClinicalImpression" } else { "Observation" };
        let visits: Vec<Thing> = things.iter().filter(|thing| thing.type_ == "Encounter").cloned().collect();
        let visit = dice.pick(&visits);
        let mut made = thing(type_, format!("o{at}"), visit.patient, visit.keeper);
        made.visit = Some(visit.id.clone());
        made.sensitive = dice.chance(0.3);
        let code = if made.sensitive { "F32.1" } else { "I63.9" };
        // Some name whose they are, others are of their visit's institution.
        let performer = if !own_note && dice.chance(0.5) {
            made.keeper = *dice.pick(&PLACES);
            format!(r#","performer":[{{"reference":"Organization/{}"}}]"#, made.keeper)
        } else {
            String::new()
        };
        let effective = if own_note { "" } else { r#","effectiveDateTime":"2026-02-01""# };
        made.text = format!(
            r#"{{"resourceType":"{type_}","id":"o{at}","status":"{}","code":{{"coding":[{{"system":"{ICD}","code":"{code}"}}]}},
            "subject":{{"reference":"Patient/{}"}},"encounter":{{"reference":"Encounter/{}"}}{performer}{effective}}}"#,
            if own_note { "completed" } else { "final" },
            made.patient,
            visit.id,
        );
        things.push(made);
    }
    things
}

/// Whoever asks: a duty at a place, or a patient.
#[derive(Debug, Clone, Copy)]
enum Asker {
    OnDuty(&'static str, &'static str, &'static str),
    Patient(&'static str),
}

impl Asker {
    fn session(self, place: &Place) -> Session {
        match self {
            Self::OnDuty(duty, at, purpose) => on_duty(&place.record, duty, at, purpose),
            Self::Patient(id) => in_person(&place.record, &[id], &[]),
        }
    }

    /// The default rules, read by hand.
    fn sees(self, thing: &Thing, all: &[Thing]) -> bool {
        let of = |type_: &'static str| {
            all.iter().filter(move |other| other.type_ == type_ && other.patient == thing.patient && other.open)
        };
        match self {
            Self::Patient(id) => thing.patient == id && thing.type_ != "ClinicalImpression",
            Self::OnDuty(duty, at, _) => {
                let here = institution(at);
                let kept = !thing.keeper.is_empty() && institution(thing.keeper) == here;
                if thing.type_ == "Patient" {
                    return matches!(duty, "doctor" | "radiologist" | "public-health" | "registrar");
                }
                if thing.type_ == "ClinicalImpression" && !kept {
                    return false;
                }
                if of("Consent").any(|consent| consent.other.is_empty() || consent.other == here) {
                    return false;
                }
                let treats = of("Encounter").any(|visit| institution(visit.keeper) == here);
                let contracted = of("CareTeam").any(|team| institution(team.keeper) == here);
                let referred = of("ServiceRequest")
                    .any(|request| institution(request.keeper) == here || institution(request.other) == here);
                let grouped = of("Encounter").chain(of("CareTeam")).any(|one| institution(one.keeper) == group(at));
                let is = |types: &[&str]| types.contains(&thing.type_);
                match duty {
                    "doctor" if thing.type_ == "Consent" => treats || contracted,
                    "doctor" if thing.sensitive => treats,
                    "doctor" => treats || kept || contracted || referred || grouped,
                    "radiologist" if thing.type_ == "Consent" => treats,
                    "radiologist" => !thing.sensitive && (treats || kept || referred || grouped),
                    "registrar" => is(&["Encounter", "CareTeam", "Consent"]) && (treats || kept),
                    "public-health" => is(&["Observation", "Encounter"]) && !thing.sensitive && contracted,
                    "quality" => !thing.sensitive && kept && thing.type_ != "Consent",
                    _ => false,
                }
            }
        }
    }
}

fn askers() -> Vec<Asker> {
    let mut askers = vec![Asker::OnDuty("doctor", "ward", "TREAT")];
    for at in ["hospital", "centre", "other", "station"] {
        for (duty, purpose) in [
            ("doctor", "TREAT"),
            ("radiologist", "TREAT"),
            ("registrar", "TREAT"),
            ("public-health", "TREAT"),
            ("quality", "HOPERAT"),
            ("system-admin", "SYSADMIN"),
        ] {
            askers.push(Asker::OnDuty(duty, at, purpose));
        }
    }
    askers.extend(PATIENTS.map(Asker::Patient));
    askers
}

fn request(query: &str) -> SearchRequest {
    let (type_, query) = query.split_once('?').unwrap();
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    SearchRequest {
        type_: Some(key(type_, "any").type_),
        compartment: None,
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        strict: true,
    }
}

/// The ids of what matches and of what is included.
async fn found_by(session: &Session, query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut matches, mut included) = (BTreeSet::new(), BTreeSet::new());
    let mut asked = request(&format!("{query}&_total=accurate&_count=7"));
    loop {
        let page = session.search(&asked).await.unwrap();
        let ids = |versions: &[record::Version]| versions.iter().map(|found| found.key.id.clone()).collect::<Vec<_>>();
        matches.extend(ids(&page.matches));
        included.extend(ids(&page.included));
        match page.next {
            Some(next) => asked = request(&format!("{}?{}", asked.type_.unwrap(), next.replace("%3A", ":"))),
            None => {
                assert_eq!(page.total, Some(matches.len() as u64), "{query}");
                return (matches, included);
            }
        }
    }
}

/// An address of the record, by which every third thing of a region refers to others.
const OWN: &str = "https://own.example/fhir";

async fn settle(place: &Place, things: &[Thing]) {
    found(&place.record).await;
    let spelled = |(at, thing): (usize, &Thing)| match at % 3 {
        0 => put(&thing.text.replace(r#""reference":""#, &format!(r#""reference":"{OWN}/"#))),
        _ => put(&thing.text),
    };
    place.session().transact(things.iter().enumerate().map(spelled).collect()).await.unwrap();
}

/// Every way of asking agrees with the reading by hand.
async fn compare(place: &Place, things: &[Thing], asker: Asker) {
    let session = asker.session(place);
    let sees = |thing: &Thing| asker.sees(thing, things);
    let ids = |keep: &dyn Fn(&Thing) -> bool| -> BTreeSet<String> {
        things.iter().filter(|thing| sees(thing) && keep(thing)).map(|thing| thing.id.clone()).collect()
    };
    let visit = |thing: &Thing| things.iter().find(|other| Some(&other.id) == thing.visit.as_ref()).unwrap();
    for thing in things {
        let name = key(thing.type_, &thing.id);
        let read = session.read(&name).await.unwrap();
        assert_eq!(read.is_some(), sees(thing), "{asker:?} reads {thing:?}");
        assert_eq!(session.vread(&name, 1).await.unwrap().is_some(), sees(thing), "{asker:?} {thing:?}");
        let scope = HistoryScope::Instance(name);
        let history = session.history(&HistoryRequest { scope, since: None, at: None, count: 9, before: None }).await;
        assert_eq!(history.unwrap().total, u64::from(sees(thing)), "{asker:?} {thing:?}");
    }
    for type_ in ["Patient", "Encounter", "ServiceRequest", "CareTeam", "Consent", "Observation", "ClinicalImpression"]
    {
        let expected = ids(&|thing| thing.type_ == type_);
        for order in ["", "_sort=_id", "_sort=-_lastUpdated"] {
            assert_eq!(found_by(&session, &format!("{type_}?{order}")).await.0, expected, "{asker:?} {type_} {order}");
        }
        let scope = HistoryScope::Type(key(type_, "x").type_);
        let history = HistoryRequest { scope, since: None, at: None, count: 99, before: None };
        assert_eq!(session.history(&history).await.unwrap().total, expected.len() as u64, "{asker:?} {type_}");
        if type_ != "Patient" {
            let mine = ids(&|thing| thing.type_ == type_ && thing.patient == "p1");
            assert_eq!(found_by(&session, &format!("{type_}?patient=Patient/p1")).await.0, mine, "{asker:?} {type_}");
        }
    }
    let observation = |keep: &dyn Fn(&Thing) -> bool| ids(&|thing| thing.type_ == "Observation" && keep(thing));
    let patient = |id: &str| things.iter().find(|thing| thing.id == id).unwrap();
    for (query, expected) in [
        (format!("Observation?code={ICD}|F32.1"), observation(&|thing| thing.sensitive)),
        ("Observation?code:not=F32.1".to_owned(), observation(&|thing| !thing.sensitive)),
        (
            "Observation?patient=Patient/p1&code=F32.1".to_owned(),
            observation(&|thing| thing.sensitive && thing.patient == "p1"),
        ),
        ("Observation?date=2026-02-01&_sort=date".to_owned(), observation(&|_| true)),
        (
            "Observation?encounter:Encounter.status=in-progress".to_owned(),
            observation(&|thing| visit(thing).open && sees(visit(thing))),
        ),
        (
            "Observation?encounter:Encounter._id=e0,e1,e2,e3".to_owned(),
            observation(&|thing| sees(visit(thing)) && ["e0", "e1", "e2", "e3"].contains(&&*visit(thing).id)),
        ),
        (
            "Observation?subject:Patient.family=Cedar".to_owned(),
            observation(&|thing| thing.patient == "p2" && sees(patient("p2"))),
        ),
        (
            "Patient?_has:Observation:patient:code=F32.1".to_owned(),
            ids(&|one| {
                let found = |thing: &Thing| thing.type_ == "Observation" && thing.sensitive && sees(thing);
                one.type_ == "Patient" && things.iter().any(|thing| found(thing) && thing.patient == one.patient)
            }),
        ),
        (
            "Encounter?_has:Observation:encounter:_lastUpdated=gt2000".to_owned(),
            ids(&|one| {
                let found = |thing: &Thing| thing.type_ == "Observation" && sees(thing);
                one.type_ == "Encounter" && things.iter().any(|thing| found(thing) && visit(thing).id == one.id)
            }),
        ),
    ] {
        assert_eq!(found_by(&session, &query).await.0, expected, "{asker:?} {query}");
    }
    let (matches, included) =
        found_by(&session, "Observation?_include=Observation:encounter&_include=Observation:subject").await;
    let led: BTreeSet<String> = things
        .iter()
        .filter(|thing| matches.contains(&thing.id))
        .flat_map(|thing| [visit(thing), patient(thing.patient)])
        .filter(|led| sees(led))
        .map(|led| led.id.clone())
        .collect();
    assert_eq!(included, led, "{asker:?}");
    let (matches, included) = found_by(&session, "Encounter?_revinclude=Observation:encounter").await;
    let led = observation(&|thing| matches.contains(&visit(thing).id));
    assert_eq!(included, led, "{asker:?}");
    let changes = session.changes(0, 1_000).await.unwrap();
    let told = changes.iter().filter(|entry| things.iter().any(|thing| thing.id == entry.key.id)).count();
    assert_eq!(told, ids(&|_| true).len(), "{asker:?}");
}

#[test]
fn every_way_of_asking_shows_what_the_rules_open_and_nothing_else() {
    let known = |settings: &mut record::Settings| settings.own = fhir::search::OwnAddresses::new([OWN]);
    on_both_with(known, async |place| {
        let seed = 20_260_504 + u64::from(place.is_shared());
        let things = region(seed);
        settle(&place, &things).await;
        println!("seed {seed}");
        for asker in askers() {
            compare(&place, &things, asker).await;
        }
        assert_eq!(place.record.check(|_| {}).await.unwrap().findings, Vec::<String>::new());
    });
}

fn visit(id: &str, patient: &str, at: &str, status: &str) -> String {
    format!(
        r#"{{"resourceType":"Encounter","id":"{id}","status":"{status}","class":{{"code":"IMP"}},
        "subject":{{"reference":"Patient/{patient}"}},"serviceProvider":{{"reference":"Organization/{at}"}},
        "period":{{"start":"2026-05-01"}}}}"#
    )
}

fn finding(patient: &str, more: &str) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"pulse"}},
        "subject":{{"reference":"Patient/{patient}"}}{more}}}"#
    ))
}

async fn region_of_one(place: &Place) {
    found(&place.record).await;
    let patient = r#"{"resourceType":"Patient","id":"p","name":[{"family":"Lin"}]}"#;
    let observation = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"pulse"},
        "subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/hospital"}]}"#;
    let changes = vec![put(patient), put(&visit("e", "p", "hospital", "in-progress")), put(observation)];
    place.session().transact(changes).await.unwrap();
}

#[test]
fn a_secondment_begins_and_ends_by_itself() {
    on_both(async |place| {
        region_of_one(&place).await;
        let period = r#","period":{"start":"2026-05-05","end":"2026-05-06"}"#;
        place.session().transact(vec![put(&post("doctor-other", "doctor", "other", period))]).await.unwrap();
        let session = on_duty(&place.record, "doctor", "other", "TREAT");
        let patient = key("Patient", "p");
        assert_eq!(session.read(&patient).await.unwrap_err().category(), Category::Forbidden);
        place.clock.pass(86_400);
        assert!(session.read(&patient).await.unwrap().is_some());
        place.clock.pass(2 * 86_400);
        assert_eq!(session.read(&patient).await.unwrap_err().category(), Category::Forbidden);
        let misled = on_duty(&place.record, "doctor", "nowhere", "TREAT");
        assert_eq!(misled.read(&patient).await.unwrap_err().category(), Category::Forbidden);
    });
}

#[test]
fn what_is_hidden_is_written_to_as_if_it_were_not_there() {
    on_both(async |place| {
        region_of_one(&place).await;
        let session = on_duty(&place.record, "doctor", "other", "TREAT");
        for id in ["o", "absent"] {
            let put = format!(r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}}}}"#);
            let refused = one(&session, update("Observation", id, json(&put), None)).await.unwrap_err().error;
            assert_eq!(refused.category(), Category::NotFound);
            assert_eq!(
                refused.to_string().replace(&format!("/{id} "), "/? "),
                "There is no Observation/? that you can change. Create it with POST, which gives it an id."
            );
            let deleted = one(&session, delete("Observation", id)).await.unwrap();
            assert!(deleted.version.is_none());
        }
        assert!(place.session().read(&key("Observation", "o")).await.unwrap().unwrap().body.is_some());
        // Only the treating institution sees the pulse, so only there is it a match.
        let again = |session: Session| async move {
            let resource = finding("p", r#","performer":[{"reference":"Organization/other"}]"#);
            let action = record::Action::Create { resource, if_none_exist: Some("patient=Patient/p".to_owned()) };
            one(&session, record::Change::new(action)).await.unwrap().effect
        };
        assert_eq!(again(on_duty(&place.record, "doctor", "hospital", "TREAT")).await, record::Effect::Unchanged);
        assert_eq!(again(session).await, record::Effect::Created);
    });
}

#[test]
fn a_post_writes_what_its_rules_permit_and_its_institution_keeps_it() {
    on_both(async |place| {
        region_of_one(&place).await;
        let doctor = on_duty(&place.record, "doctor", "centre", "TREAT");
        // A visit and what is found on it go in together.
        let opened = json(&visit("x", "p", "centre", "in-progress"));
        let mut changes = vec![create(opened), create(finding("p", ""))];
        changes[0].full_url = Some("urn:uuid:0190a5f0-0000-7000-8000-000000000001".to_owned());
        let applied = doctor.transact(changes).await.unwrap();
        let found = applied[1].version.clone().unwrap().key;
        assert!(on_duty(&place.record, "quality", "centre", "HOPERAT").read(&found).await.unwrap().is_some());
        assert!(on_duty(&place.record, "quality", "hospital", "HOPERAT").read(&found).await.unwrap().is_none());
        let quality = on_duty(&place.record, "quality", "centre", "HOPERAT");
        let refused = one(
            &quality,
            update(
                "Observation",
                &found.id,
                json(&format!(
                    r#"{{"resourceType":"Observation","id":"{}","status":"final","code":{{"text":"x"}}}}"#,
                    found.id
                )),
                None,
            ),
        )
        .await
        .unwrap_err()
        .error;
        assert_eq!(refused.category(), Category::Forbidden);
        let dispatcher = on_duty(&place.record, "system-admin", "centre", "SYSADMIN");
        assert_eq!(one(&dispatcher, create(finding("p", ""))).await.unwrap_err().error.category(), Category::Forbidden);
        let organization = json(r#"{"resourceType":"Organization","name":"new"}"#);
        assert!(one(&dispatcher, create(organization)).await.is_ok());
    });
}

#[test]
fn a_label_put_on_later_covers_what_was_before() {
    on_both(async |place| {
        region_of_one(&place).await;
        let session = on_duty(&place.record, "radiologist", "hospital", "TREAT");
        let name = key("Observation", "o");
        assert!(session.read(&name).await.unwrap().is_some());
        let labelled = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"pulse"},
            "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]},
            "subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/hospital"}]}"#;
        place.session().transact(vec![put(labelled)]).await.unwrap();
        for version in [1, 2] {
            assert!(session.vread(&name, version).await.unwrap().is_none());
        }
        let scope = HistoryScope::Type(name.type_);
        let history = HistoryRequest { scope, since: None, at: None, count: 9, before: None };
        assert_eq!(session.history(&history).await.unwrap().total, 0);
        let doctor = on_duty(&place.record, "doctor", "hospital", "TREAT");
        assert_eq!(doctor.history(&history).await.unwrap().total, 2);
    });
}

#[test]
fn a_proxy_acts_for_their_charges_and_does_not_open_the_minors_mailbox() {
    on_both(async |place| {
        region_of_one(&place).await;
        let confided = r#"{"resourceType":"Observation","id":"m","status":"final","code":{"text":"confided"},
            "meta":{"security":[{"system":"https://qingshan.dev/fhir/CodeSystem/sensitive","code":"minors-mailbox"}]},
            "subject":{"reference":"Patient/p"}}"#;
        let parent = r#"{"resourceType":"Patient","id":"parent"}"#;
        place.session().transact(vec![put(confided), put(parent)]).await.unwrap();
        let proxy = in_person(&place.record, &["parent"], &["p"]);
        assert_eq!(found_by(&proxy, "Observation?").await.0, BTreeSet::from(["o".to_owned()]));
        let own = in_person(&place.record, &["p"], &[]);
        assert_eq!(found_by(&own, "Observation?").await.0, BTreeSet::from(["o".to_owned(), "m".to_owned()]));
        let stranger = in_person(&place.record, &["parent"], &[]);
        assert_eq!(found_by(&stranger, "Observation?").await.0, BTreeSet::new());
    });
}

#[test]
fn an_emergency_opens_the_record_to_one_post_for_a_time_and_tells_everyone() {
    on_both(async |place| {
        region_of_one(&place).await;
        let (patient, name) = (key("Patient", "p"), key("Observation", "o"));
        let doctor = on_duty(&place.record, "doctor", "other", "ETREAT");
        assert!(doctor.read(&name).await.unwrap().is_none());
        let before = doctor.relations(&patient).await.unwrap().unwrap();
        assert!(before.closed && before.emergency && before.held.is_empty());
        assert!(before.opened_by.contains(&Relation::Treats));
        let reason = Reason { code: None, text: Some("unconscious, no \"papers\"".to_owned()) };
        let without = doctor.break_glass(&patient, &Reason::default()).await.unwrap_err();
        assert_eq!(without.category(), Category::Unprocessable);
        let opened = doctor.break_glass(&patient, &reason).await.unwrap();
        assert_eq!(doctor.break_glass(&patient, &reason).await.unwrap(), opened);
        assert!(doctor.read(&name).await.unwrap().is_some());
        let held = doctor.relations(&patient).await.unwrap().unwrap().held;
        assert_eq!((held[0].relation, held[0].until), (Relation::Emergency, Some(opened.until)));
        let nurse = on_duty(&place.record, "nurse", "other", "ETREAT");
        assert!(nurse.read(&name).await.unwrap().is_none());
        // The patient and the privacy officer are told; the review is nobody else's.
        let officer = on_duty(&place.record, "privacy-officer", "other", "HOPERAT");
        let list = "Task?code=emergency-access&status=requested";
        assert_eq!(found_by(&officer, list).await.0, BTreeSet::from([opened.task.id.clone()]));
        assert_eq!(found_by(&nurse, list).await.0, BTreeSet::new());
        assert_eq!(found_by(&in_person(&place.record, &["p"], &[]), "Communication?").await.0.len(), 1);
        assert_eq!(
            found_by(&officer, "Communication?recipient=PractitionerRole/privacy-officer-other").await.0.len(),
            1
        );
        assert!(officer.read(&name).await.unwrap().is_none());
        let task = officer.read(&opened.task).await.unwrap().unwrap();
        let text = String::from_utf8(task.body.unwrap().to_vec()).unwrap();
        let reviewed = json(&text.replace("\"status\":\"requested\"", "\"status\":\"completed\""));
        one(&officer, update("Task", &opened.task.id, reviewed, None)).await.unwrap();
        assert!(doctor.read(&name).await.unwrap().is_some());
        place.clock.pass(4 * 3_600);
        assert!(doctor.read(&name).await.unwrap().is_none());
        for duty in ["registrar", "quality", "system-admin"] {
            let session = on_duty(&place.record, duty, "other", "ETREAT");
            assert_eq!(session.break_glass(&patient, &reason).await.unwrap_err().category(), Category::Forbidden);
        }
        let nobody = doctor.break_glass(&key("Patient", "absent"), &reason).await.unwrap_err();
        assert_eq!(nobody.category(), Category::NotFound);
    });
}

fn consent(id: &str, provision: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"text":"privacy"}},"category":[{{"text":"privacy"}}],
        "patient":{{"reference":"Patient/p"}},"policyRule":{{"text":"the patient's word"}},"provision":{provision}}}"#
    )
}

#[test]
fn a_patient_closes_their_record_and_makes_exceptions() {
    on_both(async |place| {
        region_of_one(&place).await;
        let name = key("Observation", "o");
        let labelled = r#"{"resourceType":"Observation","id":"s","status":"final","code":{"text":"PHQ"},
            "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]},
            "subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/hospital"}]}"#;
        place.session().transact(vec![put(labelled)]).await.unwrap();
        let actor = |organization: &str| {
            format!(r#""actor":[{{"role":{{"text":"x"}},"reference":{{"reference":"Organization/{organization}"}}}}]"#)
        };
        let label = r#""securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]"#;
        let class = r#""class":[{"system":"http://hl7.org/fhir/resource-types","code":"Encounter"}]"#;
        let (doctor, radiologist) = ("doctor", "radiologist");
        // Duty, and whether they then see the visit, the plain finding and the sensitive one at the hospital.
        for (provision, duty, expected) in [
            (r#"{"type":"permit"}"#.to_owned(), doctor, [true, true, true]),
            (r#"{"type":"permit"}"#.to_owned(), radiologist, [true, true, false]),
            (r#"{"type":"deny"}"#.to_owned(), doctor, [false, false, false]),
            (format!(r#"{{"type":"deny",{}}}"#, actor("hospital")), doctor, [false, false, false]),
            (format!(r#"{{"type":"deny",{}}}"#, actor("other")), doctor, [true, true, true]),
            (format!(r#"{{"type":"deny",{class}}}"#), doctor, [false, true, true]),
            (format!(r#"{{"type":"deny",{label}}}"#), doctor, [true, true, false]),
            (
                format!(r#"{{"type":"deny","provision":[{{"type":"permit",{}}}]}}"#, actor("hospital")),
                doctor,
                [true, true, true],
            ),
            (format!(r#"{{"type":"permit","provision":[{{"type":"deny",{class}}}]}}"#), doctor, [false, true, true]),
            (format!(r#"{{"type":"permit",{label},{}}}"#, actor("hospital")), radiologist, [true, true, true]),
            (r#"{"type":"deny","period":{"end":"2026-01-01"}}"#.to_owned(), doctor, [true, true, true]),
            (r#"{"type":"deny","purpose":[{"code":"HMARKT"}]}"#.to_owned(), doctor, [false, false, false]),
            // Of two refusals that begin alike the longer holds.
            (
                r#"{"type":"permit","provision":[{"type":"deny","period":{"end":"2026-01-01"}},{"type":"deny"}]}"#
                    .to_owned(),
                doctor,
                [false, false, false],
            ),
        ] {
            place.session().transact(vec![put(&consent("c", &provision))]).await.unwrap();
            let session = on_duty(&place.record, duty, "hospital", "TREAT");
            let mut seen = Vec::new();
            for name in [key("Encounter", "e"), name.clone(), key("Observation", "s")] {
                seen.push(session.read(&name).await.unwrap().is_some());
                let found = found_by(&session, &format!("{}?_id={}", name.type_, name.id)).await.0;
                assert_eq!(!found.is_empty(), seen[seen.len() - 1], "{provision} {name}");
            }
            assert_eq!(seen, expected, "{provision} {duty}");
        }
        // An emergency outweighs a refusal, and the patient sees their own record.
        place.session().transact(vec![put(&consent("c", r#"{"type":"deny"}"#))]).await.unwrap();
        let session = on_duty(&place.record, "doctor", "hospital", "ETREAT");
        assert!(session.relations(&key("Patient", "p")).await.unwrap().unwrap().refused);
        let reason = Reason { code: Some("unconscious".to_owned()), text: None };
        session.break_glass(&key("Patient", "p"), &reason).await.unwrap();
        assert!(session.read(&name).await.unwrap().is_some());
        assert!(in_person(&place.record, &["p"], &[]).read(&name).await.unwrap().is_some());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_on_duty_goes_by_indexes_like_any_other() {
    let place = Place::embedded().await;
    region_of_one(&place).await;
    let session = on_duty(&place.record, "doctor", "hospital", "TREAT");
    for query in [
        "Observation?patient=Patient/p&_total=accurate",
        "Observation?code=85354-9&_sort=-date",
        "Observation?encounter.status=in-progress&patient=Patient/p",
        "Patient?_has:Condition:patient:code=I63.9&family=Lin",
        "Encounter?patient=Patient/p&_revinclude=Observation:encounter",
    ] {
        for plan in session.explain(&request(query)).await.unwrap() {
            let scans: Vec<&str> = plan
                .lines()
                .filter(|step| step.contains("SCAN") && !step.contains("rarray") && !step.contains("CONSTANT"))
                .collect();
            let allowed = |step: &&str| step.contains("SCAN p") || step.contains("SCAN m") || step.contains("USING");
            assert!(scans.iter().all(allowed), "{query}\n{plan}");
        }
    }
}
