use std::sync::{Arc, LazyLock};

use fhir::search::Registry;
use rusqlite::Connection;

use super::*;
use crate::access::rules::Rules;
use crate::access::sight::{Clauses, Sight};
use crate::search::known::Known;
use crate::search::parse::{self, Reading, Scope};
use crate::settings::Limits;
use crate::store::value::SqlValue;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::numbered_in_order(Arc::new(Registry::base(jiff::tz::offset(8)))));

/// Searches of every kind of value, modifier and way of beginning.
const SEARCHES: &[&str] = &[
    "Patient",
    "Patient?_id=a,b",
    "Patient?identifier=urn:mrn|100",
    "Patient?identifier=100,urn:a|1,urn:b|2",
    "Patient?identifier:of-type=urn:type|MR|100",
    "Patient?name=zhang wei",
    "Patient?name=a,b,c",
    "Patient?name:exact=Müller",
    "Patient?name:contains=lle",
    "Patient?gender=male",
    "Patient?gender:not=male",
    "Patient?gender:missing=true",
    "Patient?organization:missing=false",
    "Patient?birthdate=1980",
    "Patient?birthdate=ge1980",
    "Patient?birthdate=ne1980",
    "Patient?birthdate=ap1980",
    "Patient?_lastUpdated=gt2026-01-01",
    "Patient?_lastUpdated=gt2026-01-01&gender=male",
    "Patient?_sort=-_lastUpdated",
    "Patient?_sort=family,-birthdate",
    "Observation?patient=p",
    "Observation?subject=Patient/p&code=http://loinc.org|1",
    "Observation?patient=p&code=1,2&_sort=-date",
    "Observation?patient=p&code=urn:a|1,urn:b|2&_sort=-date",
    "Observation?patient=p&date=ge2026&_sort=-date",
    "Observation?subject=Patient/p,Patient/q",
    "Observation?subject:identifier=urn:mrn|9",
    "Observation?code=1&date=2026-01-01",
    "Observation?code=1&_sort=-date",
    "Observation?_sort=date",
    "Observation?status=final&category=vital-signs",
    "Observation?value-quantity=gt5||mg",
    "Observation?value-quantity=5.4|http://unitsofmeasure.org|mg",
    "Observation?component-code-value-quantity=8480-6$gt130",
    "Observation?code-value-concept=1$2,3$4",
    "Observation?patient.name=zhang",
    "Observation?subject.name=zhang&status=final",
    "Observation?patient.organization.partof.identifier=urn:org|1",
    "Observation?patient.gender:not=male",
    "Patient?_has:Observation:patient:code=1",
    "Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/d",
    "Patient?_has:Observation:patient:code:missing=true",
    "QuestionnaireResponse?questionnaire.title=falls",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:subject=Patient/p",
    "Questionnaire?url=http://a/b&_has:QuestionnaireResponse:questionnaire:status:missing=true",
    "ValueSet?url=http://a/b",
    "ValueSet?url:below=http://a/",
    "ValueSet?url:above=http://a/b/c",
    "Patient/p/Observation?status=final",
    "Patient/p/*",
    "?_tag=school",
    "?_id=a",
    "?_type=Patient,Observation&_lastUpdated=gt2026",
];

fn read(text: &str) -> Query {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let named = |name: &str| {
        let types = fhir::definitions::r4().resource_types();
        types.binary_search(&name).ok().map(|at| types[at])
    };
    let scope = match parts.as_slice() {
        [] => Scope { type_name: None, compartment: None },
        [name] => Scope { type_name: named(name), compartment: None },
        [of, id, name] => Scope { type_name: named(name), compartment: Some((of, id)) },
        _ => panic!("{path}"),
    };
    let limits = Limits::default();
    let reading = Reading { registry: &CATALOG.registry, limits: &limits, now: 0, strict: true };
    parse::query(&reading, scope, &parse::pairs(query).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Every statement a search may become.
fn statements(query: &Query, dialect: Dialect) -> Vec<(String, Vec<SqlValue>)> {
    statements_for(query, dialect, None)
}

/// The same for a caller who may see this.
fn statements_for(query: &Query, dialect: Dialect, sight: Option<&Sight>) -> Vec<(String, Vec<SqlValue>)> {
    let known = Known::everything(&query.criteria);
    let chosen = Plan::new(&CATALOG, &query.types, &query.criteria);
    let mut all = Vec::new();
    // Reading the type in order is for pages only.
    for (plan, only_pages) in [(chosen.in_order(), true), (chosen, false)] {
        let mut write = |statement: &dyn Fn(&mut Writer<'_>) -> String| {
            let mut writer = Writer::new(dialect, &CATALOG, &known, sight, plan.shard);
            let text = statement(&mut writer);
            all.push((text, writer.arguments));
        };
        write(&|writer| plan.page(writer, Some(5), &[], 21));
        write(&|writer| plan.verify(writer, &[1, 2, 3]));
        if only_pages {
            continue;
        }
        write(&|writer| plan.page_of_versions(writer, None, 21));
        write(&|writer| plan.count(writer));
        write(&|writer| plan.probe(writer, 100));
        if !query.sort.is_empty() {
            write(&|writer| plan.sorted(writer, &query.sort, 100));
        }
        if let Some(stream) = Stream::of(&CATALOG, query) {
            write(&|writer| plan.stream(writer, stream, None, 100));
            write(&|writer| plan.stream(writer, stream, Some((1, 2)), 100));
        }
    }
    all
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    rusqlite::vtab::array::load_module(&connection).unwrap();
    connection.execute_batch("PRAGMA automatic_index = OFF").unwrap();
    connection.execute_batch(include_str!("../../store/sqlite/schema.sql")).unwrap();
    connection
}

fn explained(connection: &Connection, sql: &str, arguments: &[SqlValue]) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?")))
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let rows = statement.query_map(rusqlite::params_from_iter(arguments), |row| row.get(3));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn no_search_reads_a_whole_table() {
    let connection = database();
    for search in SEARCHES {
        let query = read(search);
        for (sql, arguments) in statements(&query, Dialect::Sqlite) {
            for line in explained(&connection, &sql, &arguments) {
                // Tables are named x1, x2 …; what else is scanned was made by an inner step of the same statement.
                assert!(!line.starts_with("SCAN x"), "{search}\n{sql}\n{line}");
                assert!(!line.contains("AUTOMATIC"), "{search}\n{sql}\n{line}");
            }
        }
    }
}

/// The first step of the page of a search.
fn beginning(search: &str) -> String {
    let query = read(search);
    let known = Known::everything(&query.criteria);
    let plan = Plan::new(&CATALOG, &query.types, &query.criteria);
    let mut writer = Writer::new(Dialect::Sqlite, &CATALOG, &known, None, plan.shard);
    let sql = plan.page(&mut writer, None, &[], 20);
    let lines = explained(&database(), &sql, &writer.arguments);
    lines.into_iter().find(|line| line.starts_with("SEARCH")).unwrap_or_else(|| panic!("{search}: {sql}"))
}

#[test]
fn a_search_begins_where_the_fewest_candidates_are() {
    for (search, index) in [
        ("Patient", "resource_type"),
        ("Patient?_id=a&gender=male", "PRIMARY KEY"),
        ("Patient?gender=male&identifier=1", "tok_value"),
        ("Patient?gender=male&name=zhang", "str_value"),
        ("Observation?patient=p", "ref_value"),
        ("Observation?patient=p&status=final", "ref_value"),
        ("Observation?subject=Patient/p&code=1", "tok_near"),
        ("Observation?patient=p&code=urn:a|1,urn:a|2", "tok_near"),
        ("Observation?status=final&code=1", "tok_value"),
        ("Observation?date=2026-01-01", "date_"),
        ("Patient?_lastUpdated=gt2026", "resource_at"),
        ("Patient?gender:not=male", "resource_type"),
        ("Patient/p/Observation", "ref_value"),
    ] {
        let first = beginning(search);
        assert!(first.contains(index), "{search}: {first}");
    }
}

/// The tables a statement reads, with their names in it.
fn tables(sql: &str) -> Vec<(&str, &str)> {
    let words: Vec<&str> = sql.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect();
    let named = words.windows(3).filter(|three| matches!(three[0], "FROM" | "JOIN"));
    let known = ["resource", "locator", "tok", "ref", "str", "date", "qty", "tie", "history", "feed"];
    named.filter(|three| known.contains(&three[1])).map(|three| (three[1], three[2])).collect()
}

/// Every table of every statement of a search is on the shard of the patient `p`, but for those in `besides`.
fn stays_with_the_patient(search: &str, sight: Option<&Sight>, besides: &[&str]) {
    let query = read(search);
    let plan = Plan::new(&CATALOG, &query.types, &query.criteria);
    assert_eq!(plan.shard, Some(i64::from(shard_of("Patient/p"))), "{search}");
    for (sql, _) in statements_for(&query, Dialect::Postgres, sight) {
        let tables = tables(&sql);
        assert!(!tables.is_empty(), "{search}: {sql}");
        for (table, name) in tables.into_iter().filter(|(table, _)| !besides.contains(table)) {
            let (reads, bound) = (format!("{table} {name} "), format!("{name}.shard = $"));
            assert!(sql.matches(&reads).count() <= sql.matches(&bound).count(), "{search}: {table} {name} in {sql}");
        }
    }
}

#[test]
fn a_search_within_one_patient_names_the_shard_for_every_table_of_its_resources() {
    for search in [
        "Observation?patient=p",
        "Observation?subject=Patient/p&code=1",
        "Observation?patient=p&date=ge2026&status=final&_sort=-date",
        "Condition?patient=p&code:missing=true",
        "?_type=Observation,Condition&patient=p",
    ] {
        stays_with_the_patient(search, None, &[]);
    }
    let two = read("Observation?patient=p,q");
    assert_eq!(Plan::new(&CATALOG, &two.types, &two.criteria).shard, None);
}

/// What lies in the compartment of a patient by a reference that does not decide where a resource lies: such a resource
/// may belong to another patient, or to none, and lie with them. A search in the compartment looks for it everywhere, by
/// the index of what refers to the patient; one by `patient=` does not.
const LIES_WITH_OTHERS: &[&str] = &[
    "Account: subject",
    "AllergyIntolerance: recorder asserter",
    "Appointment: actor",
    "AuditEvent: patient",
    "Basic: author",
    "CarePlan: performer",
    "CareTeam: participant",
    "Claim: payee",
    "Communication: sender recipient",
    "CommunicationRequest: sender recipient requester",
    "Composition: author attester",
    "Condition: asserter",
    "Coverage: policy-holder subscriber payor",
    "DeviceRequest: performer",
    "DocumentManifest: author recipient",
    "DocumentReference: author",
    "ExplanationOfBenefit: payee",
    "Group: member",
    "Invoice: recipient",
    "List: source",
    "MedicationAdministration: performer",
    "MedicationDispense: receiver",
    "Observation: performer",
    "Person: patient",
    "Procedure: performer",
    "Provenance: patient",
    "QuestionnaireResponse: author",
    "RequestGroup: participant",
    "Schedule: actor",
    "ServiceRequest: performer",
];

/// `$everything` asks for each type of the compartment so, for the first page and, with `_page`, for those after it.
#[test]
fn a_search_in_the_compartment_of_a_patient_stays_on_their_shard_but_for_what_lies_with_others() {
    let compartment = fhir::definitions::r4().compartments().iter().find(|found| found.code == "Patient").unwrap();
    let mut with_others = Vec::new();
    for (type_, codes) in compartment.params.iter().filter(|(name, codes)| !codes.is_empty() && *name != "Patient") {
        let params = codes.iter().filter_map(|code| CATALOG.registry.param(type_, code));
        let away: Vec<&str> =
            params.filter(|param| !CATALOG.registry.leads_home(param.id)).map(|param| &*param.code).collect();
        let searches = ["", "?_lastUpdated=ge2026&_count=500"].map(|rest| format!("Patient/p/{type_}{rest}"));
        if away.is_empty() {
            searches.iter().for_each(|search| stays_with_the_patient(search, None, &[]));
        } else {
            with_others.push(format!("{type_}: {}", away.join(" ")));
            for search in &searches {
                let query = read(search);
                let plan = Plan::new(&CATALOG, &query.types, &query.criteria);
                assert_eq!(plan.shard, None, "{search}");
                let known = Known::everything(&query.criteria);
                let mut writer = Writer::new(Dialect::Postgres, &CATALOG, &known, None, plan.shard);
                let sql = plan.page(&mut writer, None, &[], 20);
                assert!(sql.contains("FROM ref x1 WHERE") && sql.contains("x1.target = $"), "{search}: {sql}");
            }
        }
    }
    with_others.sort();
    assert_eq!(with_others, LIES_WITH_OTHERS);
}

/// Whoever may not see everything asks of each resource whose it is, which stands beside it, and which ties there are.
///
/// Ties alone are not asked for on a shard: most are made by resources of the patient and lie there with them, but a Task
/// is in no compartment, so the referral or the access in an emergency that it makes lies where the Task does. They are
/// found by the patient, by an index, whichever shard they are on.
#[test]
fn what_a_caller_may_see_is_decided_on_the_shard_of_the_patient_but_for_the_ties() {
    let rules = Rules::parse(crate::access::rules::DEFAULT).unwrap();
    for (duty, purpose) in [("doctor", "TREAT"), ("nurse", "TREAT"), ("registrar", "TREAT"), ("patient", "PATRQT")] {
        let clauses = Arc::new(Clauses::compile(&rules.grants, rules.keeper_only, &[duty], purpose));
        let (parties, house, group, own) = (vec![1, 2], vec![3], vec![4], vec![5]);
        let sight = Sight { clauses, parties, house, group, own, ..Sight::default() };
        for search in [
            "Observation?patient=p",
            "Observation?subject=Patient/p&code=1&_sort=-date",
            "Encounter?patient=p&status=finished",
            "Patient/p/Immunization",
        ] {
            stays_with_the_patient(search, Some(&sight), &["tie"]);
            for (sql, _) in statements_for(&read(search), Dialect::Postgres, Some(&sight)) {
                for (_, name) in tables(&sql).into_iter().filter(|(table, _)| *table == "tie") {
                    let found_by = ["subject = s.subject", "rid = s.rid", "rid = d.rid"];
                    let is_found = found_by.iter().any(|by| sql.contains(&format!("tie {name} WHERE {name}.{by}")));
                    assert!(is_found, "{duty} {search}: {name} in {sql}");
                }
            }
        }
    }
}

#[test]
fn the_two_databases_are_told_the_same_but_for_their_dialect() {
    for search in SEARCHES {
        let query = read(search);
        let (sqlite, postgres) = (statements(&query, Dialect::Sqlite), statements(&query, Dialect::Postgres));
        assert_eq!(sqlite.len(), postgres.len());
        for ((one, _), (other, _)) in sqlite.iter().zip(&postgres) {
            let plain = |sql: &str| {
                let sql = ["tok_value", "tok_near", "ref_value", "str_value", "resource_at"]
                    .iter()
                    .fold(sql.to_owned(), |sql, index| sql.replace(&format!(" INDEXED BY {index}"), ""));
                sql.replace("instr(", "strpos(").split(" AND ").filter(|part| !part.contains(".shard = $")).count()
            };
            assert_eq!(plain(one), plain(other), "{search}\n{one}\n{other}");
        }
    }
}

#[test]
fn every_argument_stands_in_its_statement() {
    for search in SEARCHES {
        for (sql, arguments) in statements(&read(search), Dialect::Postgres) {
            for number in 1..=arguments.len() {
                let stands = sql.split('$').skip(1).any(|rest| {
                    rest.chars().take_while(char::is_ascii_digit).collect::<String>() == number.to_string()
                });
                assert!(stands, "{search}: ${number} in {sql}");
            }
        }
    }
}
