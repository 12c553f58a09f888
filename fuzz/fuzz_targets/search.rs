#![no_main]

use std::sync::LazyLock;

use fhir::search::Registry;
use record::{ResourceType, SearchRequest};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::base(jiff::tz::offset(8)));

// The first line names a type, the second is a query string. Any text is a search or an error, and what is understood of
// it is understood again in the same way.
libfuzzer_sys::fuzz_target!(|text: &str| {
    let (type_, query) = text.split_once('\n').unwrap_or(("Patient", text));
    let Ok(parameters) = SearchRequest::parameters_of(query) else { return };
    let mut request = SearchRequest { type_: ResourceType::named(type_), compartment: None, parameters, strict: false };
    let Ok(understood) = request.understood(&REGISTRY, 0) else { return };
    request.parameters = SearchRequest::parameters_of(&understood).expect("a self link can be read");
    request.strict = true;
    assert_eq!(request.understood(&REGISTRY, 0).expect("what was understood is known"), understood);
});
