//! What searches find.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::place::{Place, on_both};
use testkit::region::name;

use crate::reading::{at, begins, coded, compares, folded, measures, refers, says, texts, timed};
use crate::{World, found, next, request};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

type Holds<'w> = Box<dyn Fn(&Value) -> bool + 'w>;

/// What is to be included with a match, by name.
type Around<'w> = Box<dyn Fn(&Value) -> Vec<String> + 'w>;

/// Searches, each with what must hold for what it finds and for nothing else.
#[derive(Default)]
struct Cases<'w>(Vec<(String, Holds<'w>)>);

impl<'w> Cases<'w> {
    fn add(&mut self, query: impl Into<String>, holds: impl Fn(&Value) -> bool + 'w) {
        self.0.push((query.into(), Box::new(holds)));
    }

    /// Runs all of them. Each must find something and leave something out, or it would show nothing.
    async fn check(self, place: &Place, world: &World) {
        let (session, mut wrong) = (place.session(), Vec::new());
        for (query, holds) in self.0 {
            let type_ = query.split('?').next().and_then(|path| path.rsplit('/').next()).expect("a query has a type");
            let all = world.of(type_).count();
            let expected: BTreeSet<String> = world.of(type_).filter(|resource| holds(resource)).map(name).collect();
            if expected.is_empty() || expected.len() == all {
                wrong.push(format!("{query}: {} of {all} match, which shows nothing", expected.len()));
                continue;
            }
            let list = found(&session, &format!("{query}&_count=1000")).await;
            let once: BTreeSet<String> = list.iter().cloned().collect();
            if once.len() != list.len() {
                wrong.push(format!("{query}: something is found twice"));
            }
            if once != expected {
                let (more, less) = (once.difference(&expected), expected.difference(&once));
                wrong.push(format!(
                    "{query}: finds {} instead of {}; only it finds {:?}; it misses {:?}",
                    once.len(),
                    expected.len(),
                    more.take(3).collect::<Vec<_>>(),
                    less.take(3).collect::<Vec<_>>(),
                ));
            }
        }
        assert!(wrong.is_empty(), "{} searches are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// A world and the searches over it, on both databases.
fn on_world(test: &'static str, cases: impl for<'w> Fn(&mut Cases<'w>, &'w World)) {
    on_both(async |place| {
        let Some(world) = World::fill(test, &place).await else { return };
        let mut all = Cases::default();
        cases(&mut all, &world);
        all.check(&place, &world).await;
    });
}

#[test]
fn tokens_are_found_by_code_system_and_both() {
    on_world("tokens_are_found_by_code_system_and_both", |cases, world| {
        cases.add("Patient?gender=female", |one| coded(one, "gender", None, "female"));
        cases.add("Patient?gender:not=female", |one| !coded(one, "gender", None, "female"));
        let identifiers: Vec<&str> =
            world.of("Patient").filter_map(|one| one["identifier"][0]["value"].as_str()).take(2).collect();
        cases.add(format!("Patient?identifier={}", identifiers.join(",")), move |one| {
            identifiers.iter().any(|code| coded(one, "identifier", None, code))
        });
        let mrn = "urn:oid:1.2.392.100495.20.3.51.1";
        cases.add(format!("Patient?identifier={mrn}|"), move |one| {
            at(one, "identifier").iter().any(|identifier| identifier["system"] == mrn)
        });
        cases.add("Patient?active=true", |one| coded(one, "active", None, "true"));
        cases.add("Patient?active:missing=true", |one| !says(one, "active"));
        cases.add("Patient?active:missing=false", |one| says(one, "active"));
        cases.add("Patient?deceased=true", |one| one["deceasedBoolean"] == true || says(one, "deceasedDateTime"));
        cases.add("Patient?deceased=false", |one| !(one["deceasedBoolean"] == true || says(one, "deceasedDateTime")));
        cases.add("Patient?language=urn:ietf:bcp:47|en-US", |one| {
            coded(one, "communication.language", Some("urn:ietf:bcp:47"), "en-US")
        });
        cases.add("Observation?code=http://loinc.org|8302-2", |one| coded(one, "code", Some(LOINC), "8302-2"));
        cases.add("Observation?code=8302-2,29463-7", |one| {
            coded(one, "code", None, "8302-2") || coded(one, "code", None, "29463-7")
        });
        cases.add("Observation?code:not=8302-2", |one| !coded(one, "code", None, "8302-2"));
        cases.add("Observation?category=vital-signs&status=final", |one| {
            coded(one, "category", None, "vital-signs") && one["status"] == "final"
        });
        cases.add("Observation?combo-code=http://loinc.org|8480-6", |one| {
            coded(one, "code", Some(LOINC), "8480-6") || coded(one, "component.code", Some(LOINC), "8480-6")
        });
        cases.add("Observation?component-code=8462-4", |one| coded(one, "component.code", None, "8462-4"));
        cases.add("Observation?value-concept:missing=false", |one| says(one, "valueCodeableConcept"));
        cases.add("Observation?value-concept=http://snomed.info/sct|266919005", |one| {
            coded(one, "valueCodeableConcept", Some(SNOMED), "266919005")
        });
        cases.add("Condition?clinical-status=resolved", |one| coded(one, "clinicalStatus", None, "resolved"));
        cases.add("Condition?code=http://snomed.info/sct|", |one| {
            at(one, "code.coding").iter().any(|coding| coding["system"] == SNOMED)
        });
        cases.add("Encounter?class=AMB", |one| coded(one, "class", None, "AMB"));
        cases.add("Encounter?class:not=AMB&status=finished", |one| {
            !coded(one, "class", None, "AMB") && one["status"] == "finished"
        });
        cases.add("Immunization?vaccine-code=http://hl7.org/fhir/sid/cvx|140", |one| {
            coded(one, "vaccineCode", Some("http://hl7.org/fhir/sid/cvx"), "140")
        });
        cases.add("Practitioner?_tag=https://smarthealthit.org/tags|synthea-5-2019", |one| {
            coded(one, "meta.tag", None, "synthea-5-2019")
        });
        cases.add("Patient?_tag:missing=true", |one| !says(one, "meta.tag"));
        let profile = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient";
        cases.add(format!("Patient?_profile={profile}"), move |one| texts(one, &["meta.profile"]).contains(&profile));
        cases.add("Patient?phone=555-866-2259", |one| {
            at(one, "telecom").iter().any(|point| point["value"] == "555-866-2259")
        });
    });
}

#[test]
fn references_are_found_and_lead_on_and_back() {
    on_world("references_are_found_and_lead_on_and_back", |cases, world| {
        let somebody = world.of("Patient").map(name).next().expect("there are patients");
        let visit = world.of("Observation").find_map(|one| one["encounter"]["reference"].as_str()).expect("a visit");
        let id = somebody.split('/').nth(1).expect("a name has an id").to_owned();
        let target = somebody.clone();
        cases.add(format!("Observation?subject={somebody}"), move |one| refers(one, "subject", &target));
        let target = somebody.clone();
        cases.add(format!("Observation?patient={id}"), move |one| refers(one, "subject", &target));
        let target = somebody.clone();
        cases.add(format!("Observation?subject:Patient={id}&code:not=8302-2"), move |one| {
            refers(one, "subject", &target) && !coded(one, "code", None, "8302-2")
        });
        let target = somebody.clone();
        cases.add(format!("{somebody}/Observation?status=final"), move |one| {
            one["status"] == "final" && (refers(one, "subject", &target) || refers(one, "performer", &target))
        });
        cases.add(format!("Observation?encounter={visit}"), |one| refers(one, "encounter", visit));
        cases.add("Observation?encounter:missing=true", |one| !says(one, "encounter"));
        cases.add(format!("Patient?_id={id},nobody-has-this"), move |one| one["id"] == id.as_str());

        cases.add("Observation?patient.gender=female&code=8302-2", |one| {
            coded(one, "code", None, "8302-2")
                && world.behind(one, "subject").iter().any(|patient| patient["gender"] == "female")
        });
        cases.add("Observation?subject:Patient.birthdate=ge1990", |one| {
            world.behind(one, "subject").iter().any(|patient| timed(patient, &["birthDate"], "ge", "1990"))
        });
        cases.add("Observation?encounter.class=EMER", |one| {
            world.behind(one, "encounter").iter().any(|visit| coded(visit, "class", None, "EMER"))
        });
        cases.add("Encounter?service-provider.name=beth", |one| {
            world.behind(one, "serviceProvider").iter().any(|place| begins(&texts(place, &["name"]), "beth"))
        });
        cases.add("DiagnosticReport?result.code=http://loinc.org|2093-3", |one| {
            world.behind(one, "result").iter().any(|result| coded(result, "code", Some(LOINC), "2093-3"))
        });
        cases.add("DiagnosticReport?encounter.service-provider.address-city=boston", |one| {
            let visits = world.behind(one, "encounter");
            let places = visits.iter().flat_map(|visit| world.behind(visit, "serviceProvider"));
            places.into_iter().any(|place| begins(&texts(place, &["address.city"]), "boston"))
        });
        cases.add("Patient?_has:Observation:patient:code=http://loinc.org|33914-3", |one| {
            world.any("Observation", "subject", one, |other| coded(other, "code", Some(LOINC), "33914-3"))
        });
        cases.add("Patient?gender=male&_has:Condition:subject:code=444814009", |one| {
            one["gender"] == "male"
                && world.any("Condition", "subject", one, |other| coded(other, "code", None, "444814009"))
        });
        cases.add("Patient?_has:Encounter:subject:_has:Observation:encounter:code=2708-6", |one| {
            world.any("Encounter", "subject", one, |visit| {
                world.any("Observation", "encounter", visit, |other| coded(other, "code", None, "2708-6"))
            })
        });
        cases.add("Practitioner?_has:Encounter:participant:class=EMER", |one| {
            world.any("Encounter", "participant.individual", one, |visit| coded(visit, "class", None, "EMER"))
        });
    });
}

#[test]
fn texts_are_found_by_their_beginning_their_inside_and_exactly() {
    on_world("texts_are_found_by_their_beginning_their_inside_and_exactly", |cases, _| {
        let parts = ["name.family", "name.given", "name.text", "name.prefix", "name.suffix"];
        cases.add("Patient?family=青木,伊藤", |one| {
            let names = texts(one, &["name.family"]);
            begins(&names, "青木") || begins(&names, "伊藤")
        });
        cases.add("Patient?name=イトウ", move |one| begins(&texts(one, &parts), "イトウ"));
        cases.add("Patient?name=HOE", move |one| begins(&texts(one, &parts), "hoe"));
        cases.add("Patient?family:exact=Hoeger", |one| texts(one, &["name.family"]).contains(&"Hoeger"));
        cases.add("Patient?given:contains=st", |one| {
            texts(one, &["name.given"]).iter().any(|text| folded(text).contains("st"))
        });
        cases.add("Patient?family:missing=false&given=chauncey", |one| {
            says(one, "name.family") && begins(&texts(one, &["name.given"]), "chauncey")
        });
        let address =
            ["address.line", "address.city", "address.state", "address.country", "address.postalCode", "address.text"];
        cases.add("Patient?address:contains=江戸川", move |one| {
            texts(one, &address).iter().any(|text| text.contains("江戸川"))
        });
        cases.add("Patient?address-country=JP", |one| begins(&texts(one, &["address.country"]), "jp"));
        cases.add("Organization?address-city=boston,worcester", |one| {
            let cities = texts(one, &["address.city"]);
            begins(&cities, "boston") || begins(&cities, "worcester")
        });
        cases.add("Organization?name=mount&address-state=ma", |one| {
            begins(&texts(one, &["name", "alias"]), "mount") && begins(&texts(one, &["address.state"]), "ma")
        });
        cases.add("Library?title:contains=zika", |one| {
            texts(one, &["title"]).iter().any(|text| folded(text).contains("zika"))
        });
    });
}

#[test]
fn dates_of_any_precision_are_compared_as_spans() {
    on_world("dates_of_any_precision_are_compared_as_spans", |cases, _| {
        for prefix in ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"] {
            for born in ["1988", "1975-10", "1991-06-08"] {
                if prefix != "eq" || born != "1988" {
                    cases.add(format!("Patient?birthdate={prefix}{born}"), move |one| {
                        timed(one, &["birthDate"], prefix, born)
                    });
                }
            }
            let observed = ["effectiveDateTime", "effectivePeriod", "effectiveInstant"];
            for when in ["2018", "2025-07-09", "2025-07"] {
                cases.add(format!("Observation?date={prefix}{when}"), move |one| timed(one, &observed, prefix, when));
            }
            for when in ["2025-06-16T10:15:00+09:00", "2025-06-16", "2025-06"] {
                // No visit took just that second, so none is equal to it.
                if !matches!(prefix, "eq" | "ne") || !when.contains('T') {
                    cases.add(format!("Encounter?date={prefix}{when}"), move |one| {
                        timed(one, &["period"], prefix, when)
                    });
                }
            }
        }
        cases.add("Patient?birthdate=1988", |one| timed(one, &["birthDate"], "eq", "1988"));
        cases.add("Encounter?date=ge2025-03&date=lt2025-05&class=AMB", |one| {
            timed(one, &["period"], "ge", "2025-03")
                && timed(one, &["period"], "lt", "2025-05")
                && coded(one, "class", None, "AMB")
        });
        cases.add("Observation?date=2018,2019-01", |one| {
            timed(one, &["effectiveDateTime"], "eq", "2018") || timed(one, &["effectiveDateTime"], "eq", "2019-01")
        });
        cases.add("Condition?abatement-date:missing=true", |one| {
            !["abatementDateTime", "abatementPeriod"].iter().any(|path| says(one, path))
        });
        cases.add("Condition?onset-date=gt2010", |one| timed(one, &["onsetDateTime", "onsetPeriod"], "gt", "2010"));
        cases.add("Immunization?date=2023-12-01", |one| timed(one, &["occurrenceDateTime"], "eq", "2023-12-01"));
    });
}

#[test]
fn quantities_numbers_and_composites_are_compared_with_their_digits() {
    on_world("quantities_numbers_and_composites_are_compared_with_their_digits", |cases, _| {
        let measured = |one: &Value, prefix: &str, searched: &str, unit: Option<&str>| {
            measures(&one["valueQuantity"], prefix, searched, unit)
        };
        for prefix in ["eq", "ne", "gt", "lt", "ge", "le"] {
            cases.add(format!("Observation?value-quantity={prefix}72"), move |one| measured(one, prefix, "72", None));
            cases.add(format!("Observation?value-quantity={prefix}36.5||Cel"), move |one| {
                measured(one, prefix, "36.5", Some("Cel"))
            });
        }
        cases.add("Observation?value-quantity=ge170|http://unitsofmeasure.org|cm", move |one| {
            one["valueQuantity"]["system"] == "http://unitsofmeasure.org" && measured(one, "ge", "170", Some("cm"))
        });
        cases.add("Observation?component-value-quantity=gt130|http://unitsofmeasure.org|mm[Hg]", |one| {
            at(one, "component.valueQuantity").iter().any(|value| measures(value, "gt", "130", Some("mm[Hg]")))
        });
        cases.add("Observation?combo-value-quantity=le70", |one| {
            let values = [at(one, "valueQuantity"), at(one, "component.valueQuantity")].concat();
            values.iter().any(|value| measures(value, "le", "70", None))
        });
        cases.add("Observation?code-value-quantity=http://loinc.org|8302-2$gt170", move |one| {
            coded(one, "code", Some(LOINC), "8302-2") && measured(one, "gt", "170", None)
        });
        let component = |one: &Value, code: &str, prefix: &str, searched: &str| {
            let parts = at(one, "component");
            parts.iter().any(|part| {
                coded(part, "code", Some(LOINC), code) && measures(&part["valueQuantity"], prefix, searched, None)
            })
        };
        // Where systolic pressures of that height are common and diastolic ones are not, only the pair tells them apart.
        cases.add("Observation?component-code-value-quantity=http://loinc.org|8462-4$ge85", move |one| {
            component(one, "8462-4", "ge", "85")
        });
        cases.add("Observation?combo-code-value-quantity=http://loinc.org|8480-6$lt110", move |one| {
            component(one, "8480-6", "lt", "110")
                || (coded(one, "code", Some(LOINC), "8480-6") && measured(one, "lt", "110", None))
        });
        cases.add("Observation?code-value-concept=http://loinc.org|72166-2$266919005", |one| {
            coded(one, "code", Some(LOINC), "72166-2") && coded(one, "valueCodeableConcept", None, "266919005")
        });
        cases.add("Encounter?length=gt15||min", |one| measures(&one["length"], "gt", "15", Some("min")));
        cases.add("RiskAssessment?probability=gt0.001", |one| {
            let decimals = at(one, "prediction.probabilityDecimal");
            let ranges = at(one, "prediction.probabilityRange.high.value");
            [decimals, ranges]
                .concat()
                .into_iter()
                .filter_map(crate::reading::number)
                .any(|own| compares(own, "gt", "0.001"))
        });
    });
}

#[test]
fn what_is_included_is_what_the_matches_refer_to_or_are_referred_to_by() {
    let test = "what_is_included_is_what_the_matches_refer_to_or_are_referred_to_by";
    on_both(async |place| {
        let Some(world) = World::fill(test, &place).await else { return };
        let behind =
            |one: &Value, path: &str| -> Vec<String> { world.behind(one, path).into_iter().map(name).collect() };
        let referring = |one: &Value, type_: &str, path: &str| -> Vec<String> {
            let own = name(one);
            world.of(type_).filter(|other| refers(other, path, &own)).map(name).collect()
        };
        let reports = "DiagnosticReport?code=http://loinc.org|57698-3";
        let is_report = |one: &Value| coded(one, "code", Some(LOINC), "57698-3");
        let cases: Vec<(String, &str, Holds<'_>, Around<'_>)> = vec![
            (
                format!("{reports}&_include=DiagnosticReport:result"),
                "DiagnosticReport",
                Box::new(is_report),
                Box::new(|one| behind(one, "result")),
            ),
            (
                format!("{reports}&_include=DiagnosticReport:subject:Patient&_include=DiagnosticReport:encounter"),
                "DiagnosticReport",
                Box::new(is_report),
                Box::new(|one| [behind(one, "subject"), behind(one, "encounter")].concat()),
            ),
            (
                format!("{reports}&_include=DiagnosticReport:encounter&_include:iterate=Encounter:service-provider"),
                "DiagnosticReport",
                Box::new(is_report),
                Box::new(|one| {
                    let visits = world.behind(one, "encounter");
                    let places = visits.iter().flat_map(|visit| behind(visit, "serviceProvider"));
                    visits.iter().map(|visit| name(visit)).chain(places).collect()
                }),
            ),
            (
                "Encounter?class=EMER&_revinclude=Condition:encounter".to_owned(),
                "Encounter",
                Box::new(|one| coded(one, "class", None, "EMER")),
                Box::new(|one| referring(one, "Condition", "encounter")),
            ),
        ];
        let session = place.session();
        for (query, type_, holds, around) in cases {
            let matching: Vec<&Value> = world.of(type_).filter(|one| holds(one)).collect();
            let expected: BTreeSet<String> = matching.iter().flat_map(|one| around(one)).collect();
            assert!(!expected.is_empty(), "{query} would show nothing");
            let (mut matches, mut included) = (0, BTreeSet::new());
            let mut wanted = Some(request(&format!("{query}&_count=7")));
            while let Some(request) = wanted {
                let page = session.search(&request).await.unwrap();
                matches += page.matches.len();
                let names: Vec<String> = page.included.iter().map(|version| version.key.to_string()).collect();
                let once: BTreeSet<String> = names.iter().cloned().collect();
                assert_eq!(names.len(), once.len(), "{query}: a page includes something twice");
                included.extend(once);
                wanted = next(&request, &page);
            }
            assert_eq!(matches, matching.len(), "{query}");
            assert_eq!(included, expected, "{query}");
        }
    });
}
