//! What a search finds, on both databases.

use record::{Key, ResourceType, SearchPage, SearchRequest, Session};
use testkit::place::{Place, on_both, on_both_with};

use crate::{delete, json, one, update};

/// A small district. Ids tell what a resource is there for.
pub(crate) const DISTRICT: &[&str] = &[
    r#"{"resourceType":"Organization","id":"hospital","name":"Green Hill Hospital","identifier":[{"system":"urn:org","value":"H1"}]}"#,
    r#"{"resourceType":"Organization","id":"ward","name":"Ward","partOf":{"reference":"Organization/hospital"}}"#,
    r#"{"resourceType":"Practitioner","id":"doctor","name":[{"text":"单志远"}]}"#,
    r#"{"resourceType":"Patient","id":"zhang","identifier":[{"system":"urn:mrn","value":"100","type":{"coding":[{"system":"urn:type","code":"MR"}]}}],
        "name":[{"family":"张","given":["伟"]}],"gender":"male","birthDate":"1980-05","active":true,
        "managingOrganization":{"reference":"Organization/ward"},"generalPractitioner":[{"reference":"Practitioner/doctor"}],
        "telecom":[{"system":"phone","value":"138 0000 0001"}]}"#,
    r#"{"resourceType":"Patient","id":"muller","identifier":[{"system":"urn:mrn","value":"200"}],"name":[{"family":"Müller","given":["Anna"]}],
        "gender":"female","birthDate":"1990-01-02","address":[{"city":"Hangzhou"}],"deceasedBoolean":true,"managingOrganization":{"reference":"Organization/hospital"}}"#,
    r#"{"resourceType":"Patient","id":"nobody"}"#,
    r#"{"resourceType":"Encounter","id":"visit","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/zhang"},
        "period":{"start":"2026-03-01T08:00:00+08:00","end":"2026-03-01T10:00:00+08:00"}}"#,
    r#"{"resourceType":"Observation","id":"pressure","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
        "subject":{"reference":"Patient/zhang"},"encounter":{"reference":"Encounter/visit"},"effectiveDateTime":"2026-03-01T09:00:00+08:00",
        "performer":[{"reference":"Practitioner/doctor"}],
        "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":140,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
                     {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":90,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#,
    r#"{"resourceType":"Observation","id":"weight","status":"preliminary","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},
        "subject":{"reference":"Patient/zhang"},"effectiveDateTime":"2026-04-01","valueQuantity":{"value":70.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}"#,
    r#"{"resourceType":"Observation","id":"smoker","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"72166-2"},{"code":"local"}]},
        "subject":{"reference":"Patient/muller"},"effectivePeriod":{"start":"2025-01-01"},"valueCodeableConcept":{"coding":[{"system":"urn:s","code":"yes"}],"text":"Smokes"}}"#,
    r#"{"resourceType":"Observation","id":"guest","status":"final","code":{"text":"no code"},"subject":{"identifier":{"system":"urn:mrn","value":"999"}}}"#,
    r#"{"resourceType":"RiskAssessment","id":"risk","status":"final","subject":{"reference":"Patient/zhang"},"prediction":[{"probabilityDecimal":0.25}]}"#,
    r#"{"resourceType":"ValueSet","id":"pressures","url":"http://example.org/pressures","status":"active",
        "compose":{"include":[{"system":"http://loinc.org","concept":[{"code":"85354-9"},{"code":"8480-6"}]}]}}"#,
    r#"{"resourceType":"CodeSystem","id":"tree","url":"urn:tree","status":"active","content":"complete","concept":[
        {"code":"heart","concept":[{"code":"valve","concept":[{"code":"mitral"}]}]}]}"#,
    r#"{"resourceType":"Condition","id":"mitral","subject":{"reference":"Patient/zhang"},"code":{"coding":[{"system":"urn:tree","code":"mitral"}]},
        "meta":{"tag":[{"system":"urn:tag","code":"school"}],"profile":["http://example.org/profile|1.0"]}}"#,
    r#"{"resourceType":"Condition","id":"heart","subject":{"reference":"Patient/muller"},"code":{"coding":[{"system":"urn:tree","code":"heart"}]}}"#,
    r#"{"resourceType":"Provenance","id":"source","target":[{"reference":"Observation/pressure"}],"recorded":"2026-03-01T09:00:00+08:00",
        "agent":[{"who":{"reference":"Practitioner/doctor"}}]}"#,
];

/// A form and an answer to it, which names the form by its URL and version.
const FORM: &[&str] = &[
    r#"{"resourceType":"Questionnaire","id":"form","url":"http://example.org/form","version":"1","status":"active","title":"Falls"}"#,
    r#"{"resourceType":"QuestionnaireResponse","id":"answer","status":"completed","questionnaire":"http://example.org/form|1"}"#,
    r#"{"resourceType":"QuestionnaireResponse","id":"other","status":"completed","questionnaire":"http://example.org/none"}"#,
];

#[test]
fn canonical_references_are_followed_too() {
    on_both(async |place| {
        let session = settle(&place, FORM).await;
        check(
            &session,
            &[
                ("QuestionnaireResponse?questionnaire=http://example.org/form", &["answer"]),
                ("QuestionnaireResponse?questionnaire=http://example.org/form|1", &["answer"]),
                ("QuestionnaireResponse?questionnaire=http://example.org/form|2", &[]),
                ("QuestionnaireResponse?questionnaire.title=falls", &["answer"]),
                ("QuestionnaireResponse?questionnaire.title=else", &[]),
            ],
        )
        .await;
        let found = page(&session, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire").await;
        let included: Vec<_> = found.included.iter().map(|version| version.key.id.as_str()).collect();
        assert_eq!((found.matches.len(), included), (2, vec!["form"]));
    });
}

#[test]
fn canonical_references_are_followed_backwards() {
    on_both(async |place| {
        let session = settle(&place, FORM).await;
        check(
            &session,
            &[
                ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed", &["form"]),
                ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=amended", &[]),
                ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=answer", &["form"]),
                ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=other", &[]),
                ("Questionnaire?_id=form&_has:QuestionnaireResponse:questionnaire:status:not=amended", &["form"]),
                ("Questionnaire?title=falls&_has:QuestionnaireResponse:questionnaire:authored:missing=true", &["form"]),
                ("Questionnaire?title=falls&_has:QuestionnaireResponse:questionnaire:authored:missing=false", &[]),
            ],
        )
        .await;
        for target in ["", ":Questionnaire"] {
            let query = format!("Questionnaire?_id=form&_revinclude=QuestionnaireResponse:questionnaire{target}");
            let found = page(&session, &query).await;
            let included: Vec<_> = found.included.iter().map(|version| version.key.id.as_str()).collect();
            assert_eq!((found.matches.len(), included), (1, vec!["answer"]), "{query}");
        }
    });
}

#[test]
fn includes_that_are_cut_short_say_so() {
    for narrow in [false, true] {
        on_both_with(
            |settings| {
                if narrow {
                    settings.limits.included_max = 2;
                } else {
                    settings.limits.include_depth = 1;
                }
            },
            async move |place| {
                let session = settle(&place, DISTRICT).await;
                let cut = |page: &SearchPage| page.warnings.iter().map(|issue| issue.code).collect::<Vec<_>>();
                let query = "Observation?_id=pressure&_include=Observation:subject&_include:iterate=Patient:organization\
                             &_include:iterate=Organization:partof";
                let found = page(&session, query).await;
                assert_eq!((found.included.len(), cut(&found)), (2, vec![fhir::IssueCode::Incomplete]));
                let found = page(&session, "Observation?_id=pressure&_include=Observation:subject").await;
                assert_eq!((found.included.len(), cut(&found)), (1, vec![]));
            },
        );
    }
}

pub(crate) async fn settle(place: &Place, resources: &[&str]) -> Session {
    let session = place.session();
    for resource in resources {
        let resource = json(resource);
        let text = |name: &str| sonic_rs::JsonValueTrait::as_str(&resource[name]).unwrap().to_owned();
        let (type_, id) = (text("resourceType"), text("id"));
        place.clock.pass(60);
        one(&session, update(&type_, &id, resource.clone(), None))
            .await
            .unwrap_or_else(|refusal| panic!("{id}: {refusal:?}"));
    }
    session
}

/// `Type?a=b&c=d`, `?…` for all types, or `Patient/1/Type?…`.
fn request(query: &str) -> SearchRequest {
    let (path, query) = query.split_once('?').unwrap_or((query, ""));
    let parameters =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let type_ = |name: &str| (name != "*").then(|| ResourceType::named(name).unwrap());
    let (type_, compartment) = match parts.as_slice() {
        [] => (None, None),
        [name] => (type_(name), None),
        [of, id, name] => (type_(name), Some(Key::new(ResourceType::named(of).unwrap(), *id))),
        _ => panic!("{path}"),
    };
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.replace("%26", "&"))).collect();
    SearchRequest { type_, compartment, parameters, strict: true }
}

pub(crate) async fn page(session: &Session, query: &str) -> SearchPage {
    session.search(&request(query)).await.unwrap_or_else(|error| panic!("{:.80}: {error} {:?}", query, error.cause()))
}

async fn ids(session: &Session, query: &str) -> Vec<String> {
    page(session, query).await.matches.into_iter().map(|version| version.key.id).collect()
}

pub(crate) async fn refusal(session: &Session, query: &str) -> fhir::Error {
    session.search(&request(query)).await.expect_err(query)
}

/// Whether each search finds these, whatever their order.
pub(crate) async fn check(session: &Session, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        let mut found = ids(session, query).await;
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn every_type_of_value_finds_what_it_should() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        let all = ["zhang", "muller", "nobody"];
        check(
            &session,
            &[
                ("Patient", &all),
                ("Patient?_id=zhang,muller,missing", &["zhang", "muller"]),
                ("Patient?name=张", &["zhang"]),
                ("Patient?name=zhangwei", &["zhang"]),
                ("Patient?name=Zhāng Wěi", &["zhang"]),
                ("Patient?name=zw", &["zhang"]),
                ("Practitioner?name=shan zhiyuan", &["doctor"]),
                ("Practitioner?name=danzhiyuan", &[]),
                ("Patient?name=MUL", &["muller"]),
                ("Patient?family:exact=Müller", &["muller"]),
                ("Patient?family:exact=Muller", &[]),
                ("Patient?family:contains=lle", &["muller"]),
                ("Patient?name=anna,张", &["muller", "zhang"]),
                ("Patient?identifier=100", &["zhang"]),
                ("Patient?identifier=urn:mrn|100,urn:mrn|200", &["zhang", "muller"]),
                ("Patient?identifier=urn:other|100", &[]),
                ("Patient?identifier=|100", &[]),
                ("Patient?identifier=urn:mrn|", &["zhang", "muller"]),
                ("Patient?identifier:of-type=urn:type|MR|100", &["zhang"]),
                ("Patient?identifier:of-type=urn:type|MR|200", &[]),
                ("Patient?phone=13800000001", &["zhang"]),
                ("Patient?gender=female", &["muller"]),
                ("Patient?gender=http://hl7.org/fhir/administrative-gender|female", &["muller"]),
                ("Patient?gender:not=female", &["zhang", "nobody"]),
                ("Patient?gender:missing=true", &["nobody"]),
                ("Patient?gender:missing=false", &["zhang", "muller"]),
                ("Patient?active=true", &["zhang"]),
                ("Patient?deceased=false", &["zhang", "nobody"]),
                ("Patient?birthdate=1980", &["zhang"]),
                ("Patient?birthdate=1980-05-03", &[]),
                ("Patient?birthdate=ap1983-05-03", &["zhang"]),
                ("Patient?birthdate=ge1985", &["muller"]),
                ("Patient?birthdate=lt1985", &["zhang"]),
                ("Patient?birthdate=ne1980-05", &["muller"]),
                ("Patient?birthdate=sa1980-05&birthdate=eb1991", &["muller"]),
                ("Patient?address-city=hang", &["muller"]),
                ("Encounter?date=2026-03-01", &["visit"]),
                ("Encounter?date=gt2026-03-01T09:30:00+08:00", &["visit"]),
                ("Encounter?date=sa2026-03-01T09:30:00+08:00", &[]),
                ("Observation?date=ge2026-03", &["pressure", "weight", "smoker"]),
                ("Observation?date=2026-04", &["weight"]),
                ("Observation?code=http://loinc.org|85354-9", &["pressure"]),
                ("Observation?code=local", &["smoker"]),
                ("Observation?code=|local", &["smoker"]),
                ("Observation?code=http://loinc.org|85354-9,|local,urn:none|x", &["pressure", "smoker"]),
                ("Observation?status=final&code=local", &["smoker"]),
                ("Observation?value-quantity=70.5", &["weight"]),
                ("Observation?value-quantity=71", &["weight"]),
                ("Observation?value-quantity=70", &[]),
                ("Observation?value-quantity=7e1", &["weight"]),
                ("Observation?value-quantity=gt70|http://unitsofmeasure.org|kg", &["weight"]),
                ("Observation?value-quantity=gt70||kg", &["weight"]),
                ("Observation?value-quantity=gt70||g", &[]),
                ("Observation?component-value-quantity=le90||mmHg", &["pressure"]),
                ("Observation?value-concept=urn:s|yes", &["smoker"]),
                ("Observation?value-string=smok", &["smoker"]),
                ("RiskAssessment?probability=gt0.2", &["risk"]),
                ("RiskAssessment?probability=lt0.2", &[]),
                ("ValueSet?url=http://example.org/pressures", &["pressures"]),
                ("ValueSet?url:below=http://example.org/", &["pressures"]),
                ("ValueSet?url:above=http://example.org/pressures/high", &["pressures"]),
                ("Condition?_tag=urn:tag|school", &["mitral"]),
                ("Condition?_profile=http://example.org/profile", &["mitral"]),
                ("Condition?_profile=http://example.org/profile|1.0", &["mitral"]),
                ("Condition?_profile=http://example.org/profile|2.0", &[]),
            ],
        )
        .await;
    });
}

/// Searches along references of the district.
pub(crate) const ALONG_REFERENCES: &[(&str, &[&str])] = &[
    ("Observation?subject=Patient/zhang", &["pressure", "weight"]),
    ("Observation?patient=zhang", &["pressure", "weight"]),
    ("Observation?subject:Patient=zhang", &["pressure", "weight"]),
    ("Observation?subject:Group=zhang", &[]),
    ("Observation?subject:Group=Patient/zhang", &[]),
    ("Observation?patient=zhang&code=85354-9", &["pressure"]),
    (
        "Observation?subject=Patient/zhang&code=http://loinc.org|85354-9,http://loinc.org|29463-7",
        &["pressure", "weight"],
    ),
    ("Observation?subject:identifier=urn:mrn|999", &["guest"]),
    ("Observation?patient.name=zhang", &["pressure", "weight"]),
    ("Observation?subject:Patient.name=zhang&status=final", &["pressure"]),
    ("Observation?subject.identifier=urn:mrn|200", &["smoker"]),
    ("Observation?patient.organization.name=green", &["smoker"]),
    ("Observation?patient.organization.partof.name=green", &["pressure", "weight"]),
    ("Observation?patient.general-practitioner:Practitioner.name=shan", &["pressure", "weight"]),
    ("Observation?encounter._id=visit", &["pressure"]),
    ("Patient?_has:Observation:patient:code=local", &["muller"]),
    ("Patient?_has:Observation:patient:status=final", &["zhang", "muller"]),
    ("Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/doctor", &["zhang"]),
    ("Patient?organization._has:Patient:organization:gender=female", &["muller"]),
    ("Observation?patient.gender:not=male", &["smoker"]),
    ("Patient?organization:missing=true", &["nobody"]),
    ("Practitioner?_has:Patient:general-practitioner:_id=zhang", &["doctor"]),
];

#[test]
fn references_are_followed_in_both_directions() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        check(&session, ALONG_REFERENCES).await;
    });
}

#[test]
fn composites_need_their_components_in_one_element() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        check(
            &session,
            &[
                ("Observation?component-code-value-quantity=8480-6$gt130", &["pressure"]),
                ("Observation?component-code-value-quantity=8462-4$gt130", &[]),
                (
                    "Observation?component-code-value-quantity=8462-4$gt130,http://loinc.org|8480-6$140||mmHg",
                    &["pressure"],
                ),
                ("Observation?code-value-quantity=29463-7$70.5", &["weight"]),
                ("Observation?combo-code-value-quantity=8480-6$140", &["pressure"]),
                ("Observation?combo-code-value-quantity=29463-7$lt71", &["weight"]),
                ("Observation?code-value-concept=72166-2$urn:s|yes", &["smoker"]),
                ("Observation?code-value-string=72166-2$Smokes", &[]),
            ],
        )
        .await;
    });
}

#[test]
fn value_sets_and_hierarchies_of_the_record_are_asked() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        check(
            &session,
            &[
                ("Observation?code:in=http://example.org/pressures", &["pressure"]),
                ("Observation?code:not-in=http://example.org/pressures", &["weight", "smoker", "guest"]),
                ("Condition?code:below=urn:tree|heart", &["mitral", "heart"]),
                ("Condition?code:below=urn:tree|valve", &["mitral"]),
                ("Condition?code:above=urn:tree|valve", &["heart"]),
                ("Condition?code:below=urn:tree|unknown", &[]),
                ("Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", &["zhang", "muller"]),
            ],
        )
        .await;
        assert_eq!(refusal(&session, "Condition?code:in=urn:no-such-set").await.category(), fhir::Category::NotFound);
    });
}

#[test]
fn compartments_and_searches_of_all_types_stay_in_their_bounds() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        check(
            &session,
            &[
                ("Patient/zhang/Observation", &["pressure", "weight"]),
                ("Patient/zhang/Observation?status=final", &["pressure"]),
                ("Patient/zhang/*", &["zhang", "visit", "pressure", "weight", "risk", "mitral"]),
                ("Patient/zhang/*?_type=Condition,Encounter", &["mitral", "visit"]),
                ("Patient/nobody/Observation", &[]),
                ("Practitioner/doctor/Observation", &["pressure"]),
                ("?_type=Patient,Practitioner&_id=zhang,doctor", &["zhang", "doctor"]),
                ("?_tag=school", &["mitral"]),
                ("?_id=zhang", &["zhang"]),
            ],
        )
        .await;
    });
}

#[test]
fn versions_are_found_by_when_they_were_written() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        // The resources are written a minute apart, from 08:01 on.
        check(
            &session,
            &[
                ("Patient?_lastUpdated=lt2026-05-04T08:05:00+08:00", &["zhang"]),
                ("Patient?_lastUpdated=gt2026-05-04T08:05:30+08:00", &["nobody"]),
                ("Patient?_lastUpdated=2026-05-04", &["zhang", "muller", "nobody"]),
                ("Patient?_lastUpdated=2026-05-04T08:04:00+08:00", &["zhang"]),
                ("Patient?_lastUpdated=ne2026-05-04T08:04:00+08:00", &["muller", "nobody"]),
                ("Patient?_lastUpdated=2026-05-04&gender=male", &["zhang"]),
                ("Observation?_lastUpdated=sa2026-05-05", &[]),
            ],
        )
        .await;
    });
}

#[test]
fn what_is_deleted_or_changed_is_no_longer_found() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        one(&session, delete("Observation", "weight")).await.unwrap();
        one(&session, delete("Patient", "muller")).await.unwrap();
        let other = r#"{"resourceType":"Patient","id":"zhang","name":[{"family":"李"}]}"#;
        one(&session, update("Patient", "zhang", json(other), None)).await.unwrap();
        check(
            &session,
            &[
                ("Patient", &["zhang", "nobody"]),
                ("Patient?name=zhang", &[]),
                ("Patient?name=li", &["zhang"]),
                ("Patient?_id=muller", &[]),
                ("Observation?patient=zhang", &["pressure"]),
                ("Patient?_has:Observation:patient:code=local", &[]),
                ("Observation?patient.name=li", &["pressure"]),
            ],
        )
        .await;
    });
}

#[test]
fn the_order_asked_for_is_the_order_given() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        for (query, expected) in [
            ("Observation?_sort=date", "smoker pressure weight guest"),
            ("Observation?_sort=-date", "weight pressure smoker guest"),
            ("Observation?_sort=status,-date", "pressure smoker guest weight"),
            ("Patient?_sort=family", "muller zhang nobody"),
            ("Patient?_sort=-birthdate", "muller zhang nobody"),
            ("Patient?_sort=-_lastUpdated", "nobody muller zhang"),
            ("Patient?_sort=_id", "muller nobody zhang"),
            ("Observation?patient=zhang&_sort=-date", "weight pressure"),
            ("Observation?patient=zhang&code=85354-9&_sort=-date", "pressure"),
        ] {
            assert_eq!(ids(&session, query).await.join(" "), expected, "{query}");
        }
        assert!(refusal(&session, "Patient?_sort=colour").await.to_string().contains("_sort"));
    });
}

#[test]
fn included_resources_come_once_and_not_among_the_matches() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        for (query, expected) in [
            ("Observation?code=85354-9&_include=Observation:patient", "zhang"),
            ("Observation?patient=zhang&_include=Observation:patient", "zhang"),
            ("Observation?code=85354-9&_include=Observation:subject:Group", ""),
            ("Observation?code=85354-9&_include=Observation:*", "doctor visit zhang"),
            (
                "Observation?code=85354-9&_include=Observation:patient&_include:iterate=Patient:organization",
                "ward zhang",
            ),
            (
                "Observation?code=85354-9&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
                "hospital ward zhang",
            ),
            ("Organization?_id=ward&_include:iterate=Organization:partof", "hospital"),
            ("Patient?_id=zhang&_revinclude=Observation:patient", "pressure weight"),
            (
                "Patient?_id=zhang&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
                "pressure source weight",
            ),
            ("Patient?_id=zhang&_revinclude=*", "mitral pressure risk visit weight"),
        ] {
            let mut found: Vec<_> =
                page(&session, query).await.included.into_iter().map(|version| version.key.id).collect();
            found.sort();
            assert_eq!(found.join(" "), expected, "{query}");
        }
    });
}

#[test]
fn totals_and_links_tell_what_was_understood() {
    on_both(async |place| {
        let session = settle(&place, DISTRICT).await;
        let counted = page(&session, "Patient?gender:missing=false&_summary=count").await;
        assert_eq!((counted.total, counted.matches.len()), (Some(2), 0));
        let first = page(&session, "Patient?_total=accurate&_count=2").await;
        assert_eq!((first.total, first.matches.len()), (Some(3), 2));
        assert!(first.next.unwrap().starts_with("_total=accurate&_count=2&_page="));
        assert_eq!(page(&session, "Patient?name=Zhāng").await.understood, "name=Zh%C4%81ng");
        assert_eq!(page(&session, "Patient").await.total, None);

        let mut lenient = request("Patient?colour=red&gender=male&_text=x&name=");
        lenient.strict = false;
        let found = session.search(&lenient).await.unwrap();
        assert_eq!(found.understood, "gender=male");
        assert_eq!(found.matches.len(), 1);
        assert_eq!(found.warnings.len(), 3);
        assert!(found.warnings[0].text.contains("colour"));
    });
}

#[test]
fn a_search_that_cannot_be_understood_is_refused_by_name_and_without_its_value() {
    on_both(async |place| {
        let session = settle(&place, &[]).await;
        for query in [
            "Patient?colour=red",
            "Patient?name:colour=red",
            "Patient?birthdate=yesterday",
            "Patient?birthdate:exact=2020",
            "Patient?gender:above=male",
            "Patient?gender:missing=perhaps",
            "Patient?_lastUpdated=red",
            "Patient?_count=-1",
            "Patient?_sort=",
            "Patient?_total=all",
            "Patient?_summary=all",
            "Patient?_include=Patient",
            "Patient?_include=Patient:name",
            "Patient?_include=Visit:patient",
            "Patient?_has:Observation:patient=1",
            "Patient?_has:Observation:code:status=final",
            "Patient?_has:Observation:patient:colour=1",
            "Patient?name.given=x",
            "Patient?organization.colour=x",
            "Patient?organization:Visit.name=x",
            "Patient?_id:exact=x",
            "Observation?value-quantity=5|kg",
            "Observation?value-quantity=much",
            "Observation?code-value-quantity=a",
            "Observation?code-value-quantity=a$b$c",
            "Observation?code=|",
            "Patient?name=,",
            "?_type=Visit",
            "?gender=male",
            "Patient?_page=x1",
            "Patient?_page=h",
        ] {
            let error = refusal(&session, query).await;
            assert_eq!(error.category(), fhir::Category::Invalid, "{query}: {error}");
            assert!(
                !error.to_string().contains("yesterday") && !error.to_string().contains("perhaps"),
                "{query}: {error}"
            );
        }
    });
}

#[test]
fn a_search_that_asks_for_too_much_is_refused_as_too_costly() {
    on_both(async |place| {
        let session = settle(&place, &[]).await;
        let many = (0..10_000).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
        let chain = "organization.partof.partof.partof.partof.partof.partof.partof.name";
        let hundred = (0..100).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
        for query in [
            format!("Patient?identifier={many}"),
            format!("Patient?{chain}=x"),
            format!("?_id={hundred}"),
            format!("Provenance?target={hundred}"),
        ] {
            let error = refusal(&session, &query).await;
            assert_eq!(error.issues()[0].code, fhir::IssueCode::TooCostly, "{error}");
        }
        // What is just within the bound is answered.
        let codes = (0..1_000).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
        let systems = (0..1_000).map(|at| format!("urn:{at}|x")).collect::<Vec<_>>().join(",");
        let names = (0..1_000).map(|at| format!("n{at}")).collect::<Vec<_>>().join(",");
        let dates = (0..1_000).map(|at| format!("ge{}", 1_000 + at)).collect::<Vec<_>>().join(",");
        let pairs = (0..300).map(|at| format!("c{at}$gt{at}")).collect::<Vec<_>>().join(",");
        for query in [
            format!("Patient?identifier={codes}"),
            format!("Patient?identifier={systems}"),
            format!("Patient?name={names}"),
            format!("Patient?birthdate={dates}"),
            format!("Patient?_id={codes}"),
            format!("Observation?subject={codes}"),
            format!("Observation?code-value-quantity={pairs}"),
        ] {
            assert_eq!(ids(&session, &query).await, Vec::<String>::new());
        }
    });
}

/// Walks all pages and returns the ids in the order they came.
async fn walk(session: &Session, query: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let path = query.split('?').next().unwrap().to_owned();
    let (mut seen, mut next, mut turn) = (Vec::new(), Some(query.to_owned()), 0);
    while let Some(query) = next {
        let page = page(session, &query).await;
        assert!(!page.matches.is_empty() || page.next.is_none(), "an empty page leads nowhere");
        seen.extend(page.matches.into_iter().map(|version| version.key.id));
        next = page.next.map(|query| format!("{path}?{query}"));
        between(turn).await;
        turn += 1;
        assert!(turn < 200, "paging comes to an end");
    }
    seen
}

fn numbered(at: usize, minute: usize) -> fhir::Value {
    json(&format!(
        r#"{{"resourceType":"Observation","id":"o{at}","status":"final","code":{{"coding":[{{"code":"c"}}]}},
            "subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2026-01-01T{:02}:{:02}:00Z"}}"#,
        minute / 60,
        minute % 60
    ))
}

#[test]
fn paging_repeats_nothing_and_misses_nothing_while_others_write() {
    on_both(async |place| {
        let session = place.session();
        for at in 0..60 {
            one(&session, update("Observation", &format!("o{at}"), numbered(at, at), None)).await.unwrap();
        }
        for query in [
            "Observation?code=c&_count=7",
            "Observation?code=c&_count=7&_sort=-date",
            "Observation?patient=p&code=c&_count=7&_sort=date",
            "Observation?_count=7&_sort=-_lastUpdated",
            "Observation?_count=7&_sort=_id",
        ] {
            let mut fresh = 1_000;
            let seen = walk(&session, query, async |turn| {
                // Every page, one resource already seen and one still to come change their place in the order, and one is new.
                for at in [turn * 5 % 60, 59 - turn * 5 % 60] {
                    let moved = numbered(at, 700 + turn);
                    place.clock.pass(1);
                    one(&session, update("Observation", &format!("o{at}"), moved, None)).await.unwrap();
                }
                one(&session, update("Observation", &format!("o{fresh}"), numbered(fresh, turn), None)).await.unwrap();
                fresh += 1;
            })
            .await;
            for at in 0..60 {
                let id = format!("o{at}");
                assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{id} in {query}");
            }
            let distinct: std::collections::HashSet<&String> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "{query}");
            for at in 1_000..fresh {
                one(&session, delete("Observation", &format!("o{at}"))).await.unwrap();
            }
        }
    });
}

#[test]
fn a_page_leaves_out_what_no_longer_matches() {
    on_both(async |place| {
        let session = place.session();
        for at in 0..20 {
            one(&session, update("Observation", &format!("o{at}"), numbered(at, at), None)).await.unwrap();
        }
        let mut gone = false;
        let seen = walk(&session, "Observation?code=c&_sort=date&_count=5", async |_| {
            if !gone {
                one(&session, delete("Observation", "o12")).await.unwrap();
                let other = r#"{"resourceType":"Observation","id":"o13","status":"final","code":{"coding":[{"code":"other"}]}}"#;
                one(&session, update("Observation", "o13", json(other), None)).await.unwrap();
                gone = true;
            }
        })
        .await;
        let expected: Vec<String> = (0..20).filter(|at| ![12, 13].contains(at)).map(|at| format!("o{at}")).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn long_orders_are_kept_between_pages_without_growing_the_link() {
    on_both(async |place| {
        let session = place.session();
        let changes = (0..1_300).map(|at| update("Observation", &format!("o{at}"), numbered(at, at % 1_440), None));
        session.transact(changes.collect()).await.unwrap();
        let first = page(&session, "Observation?code=c&_sort=-date&_count=100").await;
        assert!(first.next.unwrap().len() < 200);
        for query in [
            "Observation?code=c&_sort=-date&_count=100",
            "Observation?_sort=_lastUpdated&_count=100",
            "Observation?_count=100",
        ] {
            let seen = walk(&session, query, async |_| {}).await;
            let distinct: std::collections::HashSet<&String> = seen.iter().collect();
            assert_eq!((seen.len(), distinct.len()), (1_300, 1_300), "{query}");
        }
    });
}

#[test]
fn what_is_open_is_looked_for_among_what_is_open_and_not_among_all_that_was_ever_done() {
    on_both(async |place| {
        let session = settle(&place, &[r#"{"resourceType":"Organization","id":"ward","name":"Ward"}"#]).await;
        let task = |number: usize, status: &str| {
            let due = format!("2026-03-01T08:{:02}:{:02}+08:00", number / 60 % 60, number % 60);
            let text = format!(
                r#"{{"resourceType":"Task","id":"t{number}","status":"{status}","intent":"order",
                    "owner":{{"reference":"Organization/ward"}},"authoredOn":"{due}"}}"#
            );
            update("Task", &format!("t{number}"), json(&text), None)
        };
        let done: Vec<_> = (0..2_100).map(|number| task(number, "completed")).collect();
        session.transact(done).await.unwrap();
        session.transact([5, 3, 4].map(|number| task(9_000 + number, "ready")).into()).await.unwrap();
        let open = "Task?owner=Organization/ward&status=ready,in-progress";
        check(&session, &[(open, &["t9003", "t9004", "t9005"])]).await;
        assert_eq!(ids(&session, &format!("{open}&_sort=authored-on")).await, ["t9003", "t9004", "t9005"]);
        let kept = ids(&session, "Task?owner=Organization/ward&status=completed&_sort=-authored-on&_count=3").await;
        assert_eq!(kept, ["t2099", "t2098", "t2097"]);
        for query in [open.to_owned(), format!("{open}&_sort=authored-on")] {
            let plans = session.explain(&request(&query)).await.unwrap();
            // Before it come the questions where to begin, after it may come the reading of what was found.
            let begins = |plan: &String| plan.lines().find(|step| step.contains("SEARCH x")).map(str::to_owned);
            let first = plans.iter().rev().find_map(begins).unwrap_or_default();
            assert!(place.is_shared() || first.contains("INDEX tok_value"), "{query} begins by {first} in {plans:#?}");
        }
    });
}
