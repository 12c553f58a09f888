//! Any text as a search. The fuzz target `search` throws more of it for longer.

use fhir::search::{OwnAddresses, Registry};
use record::{ResourceType, SearchRequest};
use testkit::dice::Dice;

/// What is changed at random: every modifier, prefix and way to write a value.
const SEARCHES: [&str; 26] = [
    "Patient?identifier=urn:mrn|100&name:exact=M%C3%BCller&birthdate=ge1980&_sort=-birthdate,family&_count=5",
    "Patient?identifier:of-type=urn:type|MR|100&gender:not=male&deceased:missing=true&_total=accurate",
    "Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/d&_has:Observation:patient:code=1",
    "Patient?address:contains=%E5%B1%B1&telecom=138&general-practitioner:Practitioner.name=zhang",
    "Patient?_id=a,b&_lastUpdated=gt2026-01-01T00:00:00%2B08:00&_tag=x|y&_profile:below=http://a/&_security=|R",
    "Observation?subject:Patient=p&code:in=http://example.org/vs&date=sa2026&value-quantity=5.4|http://u|mg",
    "Observation?component-code-value-quantity=8480-6$gt130&code-value-concept=1$2,3\\$4&combo-code=a\\,b",
    "Observation?patient.organization.partof.identifier=urn:org|1&status=final,amended&value-quantity=ap1e2",
    "Observation?code:below=urn:tree|heart&code:not-in=x&category:above=a|b&value-string:contains=\\|",
    "Observation?_include=Observation:subject&_include:iterate=Patient:*&_revinclude=Provenance:target:Observation&_include=*",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed&_revinclude=QuestionnaireResponse:questionnaire",
    "QuestionnaireResponse?questionnaire.title=falls&questionnaire=http://example.org/form|1",
    "QuestionnaireResponse?questionnaire:below=http://example.org/form|1.,http://example.org/form&questionnaire:above=http://a|1",
    "Procedure?location:below=42,Location/1,http://own.example/fhir/Location/2&encounter:above=21&subject:Group:below=x",
    "ValueSet?url:above=http://a/b/c&url:below=http://a/&version=1",
    "RiskAssessment?probability=gt0.8&probability=ne1.&probability=-1e-400",
    "?_type=Patient,Observation&_summary=true&_elements=id,name&_tag=school",
    "?_id=a&_source=http://a/&_sort=_id&_summary=count",
    "Encounter?date=2026-02-30&length=ge5||min&location-period=eq2026&_page=h&_format=json&_pretty=true",
    "Slot?start=le2026-05-04T25:00&schedule.actor:Practitioner.name:exact=%E5%8D%95&_sort=start",
    "Patient?=&&a&name=&name&_count=-1&_sort=&_include=&_has:=x&_has:::=y&:=z&.=&name.=&.name=",
    "Patient?name=%&birthdate=%zz",
    "Patient?general-practitioner:identifier=urn:x|1&organization:Patient=1&link:identifier=a|b|c",
    "Patient?_has:Observation:patient:_has:Observation:patient:_has:Observation:patient:_has:Observation:patient:code=1",
    "Location?near=1|2|3&_text=x&_content=y&_filter=z&_query=q&_list=l",
    "Task?owner=Organization/o&due=lt2026-05-04&code=fulfill&_sort=-due,_lastUpdated",
];

const ROUNDS: usize = 20_000;

fn changed(dice: &mut Dice) -> String {
    let mut text: Vec<char> = SEARCHES[dice.below(SEARCHES.len())].chars().collect();
    for _ in 0..=dice.below(4) {
        let start = dice.below(text.len() + 1);
        let end = (start + dice.below(12)).min(text.len());
        let other: Vec<char> = SEARCHES[dice.below(SEARCHES.len())].chars().collect();
        let from = dice.below(other.len());
        let span = match dice.below(4) {
            0 => Vec::new(),
            1 => text[start..end].repeat(1 + dice.below(3)),
            2 => vec![['\0', '%', '\\', '|', '$', ',', ':', '.', '&', '=', '山', '\u{10ffff}'][dice.below(12)]],
            _ => other[from..(from + 1 + dice.below(24)).min(other.len())].to_vec(),
        };
        text.splice(start..end, span);
    }
    text.into_iter().collect()
}

#[test]
fn any_text_is_a_search_or_an_error_and_what_is_understood_is_understood_again() {
    let own = OwnAddresses::new(["http://own.example/fhir"]);
    let registry = Registry::base(jiff::tz::offset(8)).known_as(own);
    let mut dice = Dice::new(0x7a11);
    let own = SEARCHES.iter().map(|text| (*text).to_owned());
    let (mut read, mut refused) = (0, 0);
    for text in own.chain(std::iter::repeat_with(move || changed(&mut dice)).take(ROUNDS)) {
        let (type_, query) = text.split_once('?').unwrap_or((&text, ""));
        let Ok(parameters) = SearchRequest::parameters_of(query) else { continue };
        let type_ = ResourceType::named(type_);
        let mut request = SearchRequest { type_, compartment: None, parameters, strict: false };
        let Ok(understood) = request.understood(&registry, 0) else {
            refused += 1;
            continue;
        };
        request.parameters = SearchRequest::parameters_of(&understood).unwrap();
        request.strict = true;
        let again = request.understood(&registry, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again, understood, "{text}");
        read += 1;
    }
    assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
}
