//! A served record and callers who mean no good, or send nonsense: each is answered, in bounds, and told what is wrong.

use record::{Randomness, SystemRandomness};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};
use testkit::cluster::Cluster;

use crate::serve::{FHIR_JSON, Server};
use crate::{qingshan, said};

/// The most memory the server may ever have had resident while it dealt with these tests, in MB.
const MEMORY: u64 = 600;

/// An outcome's first issue: its code and, if it has one, its expression.
fn issue(body: &str) -> (String, String) {
    let outcome: Value = sonic_rs::from_str(body).unwrap_or_else(|_| panic!("not JSON: {}", start(body)));
    assert_eq!(outcome["resourceType"].as_str(), Some("OperationOutcome"), "{}", start(body));
    let issue = &outcome["issue"][0];
    assert!(issue["diagnostics"].as_str().is_some_and(|text| !text.is_empty()), "{}", start(body));
    let expression = issue["expression"][0].as_str().unwrap_or_default();
    (issue["code"].as_str().expect("an issue has a code").to_owned(), expression.to_owned())
}

/// As much of a text as is worth showing.
fn start(text: &str) -> String {
    text.chars().take(600).collect()
}

fn serve(place: &[&str]) -> Server {
    Server::start(&[&["--open"], place].concat())
}

/// Asks the server something it knows, to see that no worker is stuck.
fn still_works(server: &Server) {
    let (status, body) = server.ask("POST", "/fhir/Patient", &[FHIR_JSON], r#"{"resourceType":"Patient"}"#);
    assert_eq!(status, 201, "{body}");
    assert_eq!(server.ask("GET", "/fhir/Patient?_count=1", &[], "").0, 200);
}

#[test]
fn bodies_that_are_no_resource_are_refused_with_a_code_and_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&["--data", folder.path().to_str().unwrap()]);
    let deep = format!("{}[]{}", "[{\"extension\":".repeat(40), "}]".repeat(40));
    let nested = format!(r#"{{"resourceType":"Patient","extension":{deep}}}"#);
    let with = |member: &str| format!(r#"{{"resourceType":"Patient",{member}}}"#).into_bytes();
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        ("nothing", vec![], 400, "required", ""),
        ("half an object", b"{\"resourceType\":\"Patient\"".to_vec(), 400, "structure", ""),
        ("an array", b"[]".to_vec(), 400, "structure", ""),
        ("null", b"null".to_vec(), 400, "structure", ""),
        ("a hundred thousand brackets", vec![b'['; 100_000], 400, "structure", ""),
        ("extensions within extensions", nested.into_bytes(), 400, "structure", "Patient.extension[0].extension[0]"),
        ("bytes that are not UTF-8", with("\"id\":\"\u{0}\"").iter().map(|b| b | 0x80).collect(), 400, "structure", ""),
        ("half a surrogate pair", with(r#""name":[{"family":"\ud800"}]"#), 400, "structure", ""),
        ("a member twice", with(r#""active":true,"active":false"#), 400, "structure", "Patient.active"),
        ("an unknown member", with(r#""age":7"#), 400, "structure", "Patient.age"),
        ("text for a boolean", with(r#""active":"yes""#), 422, "value", "Patient.active"),
        ("an object for a list", with(r#""name":{"family":"x"}"#), 400, "structure", "Patient.name"),
        ("a control character", with(r#""name":[{"family":"a\u0000b"}]"#), 422, "value", "Patient.name[0].family"),
        ("a day that is none", with(r#""birthDate":"2026-02-30""#), 422, "value", "Patient.birthDate"),
        ("another type", br#"{"resourceType":"Person"}"#.to_vec(), 400, "invalid", "resourceType"),
        ("no type of R4", br#"{"resourceType":"Pacient"}"#.to_vec(), 400, "value", "resourceType"),
    ];
    for (what, body, status, code, place) in cases {
        let (told, answer) = server.ask("POST", "/fhir/Patient", &[FHIR_JSON], &body);
        let (found, expression) = issue(&answer);
        assert_eq!((told, found.as_str()), (status, code), "{what}: {}", start(&answer));
        assert!(expression.starts_with(place), "{what}: {expression}");
    }
    still_works(&server);
}

#[test]
fn searches_that_ask_too_much_are_refused_before_they_cost_anything() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&["--data", folder.path().to_str().unwrap()]);
    let many = |text: &str, separator: &str| vec![text; 10_000].join(separator);
    let chain = format!("Organization?{}name=x", "partof:Organization.".repeat(30));
    let has = format!("Patient?_has:Observation:patient:{}code=x", "_has:Observation:has-member:".repeat(30));
    let cases = [
        (format!("Patient?name={}", many("a", ",")), 422, "too-costly", "http.name"),
        (format!("Patient?{}", many("name=a", "&")), 422, "too-costly", "http.name"),
        (chain, 422, "too-costly", "http.partof"),
        (has, 422, "too-costly", "http._has"),
        (format!("Patient?_sort={}", many("birthdate", ",")), 422, "too-costly", "http._sort"),
        (format!("Patient?_include={}", many("Patient:*", "&_include=")), 422, "too-costly", "http._include"),
        ("Patient?_count=-1".to_owned(), 400, "value", "http._count"),
        ("Patient?birthdate=yesterday".to_owned(), 400, "value", "http.birthdate"),
        ("Observation?value-quantity=ge1|2|3|4|5".to_owned(), 400, "value", "http.value-quantity"),
        ("Patient?name=a%00b".to_owned(), 400, "value", "http.name"),
        ("Patient?name=%FF".to_owned(), 400, "value", ""),
    ];
    for (query, status, code, place) in cases {
        // As a form, because no address is that long.
        let (path, form) = query.split_once('?').unwrap();
        let form_type = "Content-Type: application/x-www-form-urlencoded";
        let (told, answer) = server.ask("POST", &format!("/fhir/{path}/_search"), &[form_type], form);
        let query = start(&query);
        assert!(told >= 400, "{query}: {}", start(&answer));
        let (found, expression) = issue(&answer);
        assert_eq!((told, found.as_str()), (status, code), "{query}: {}", start(&answer));
        assert!(expression.starts_with(place), "{query}: {expression}");
    }
    // A page is never longer than the server allows, however long a page is asked for.
    let (status, answer) = server.ask("GET", "/fhir/Patient?_count=99999999999999999999", &[], "");
    assert!(status == 200 || issue(&answer).1 == "http._count", "{answer}");
    still_works(&server);
    assert!(server.peak_memory() < MEMORY, "{} MB", server.peak_memory());
}

#[test]
fn fifty_megabytes_of_anything_are_answered_within_bounded_memory() {
    const SIZE: usize = 50 << 20;
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&["--data", folder.path().to_str().unwrap()]);
    let filled = |head: &str, fill: &str, tail: &str| {
        let mut body = head.as_bytes().to_vec();
        body.extend(fill.bytes().cycle().take(SIZE / fill.len() * fill.len()));
        body.extend(tail.as_bytes());
        body
    };
    let cases = [
        ("one string", filled(r#"{"resourceType":"Patient","name":[{"family":""#, "x", r#""}]}"#)),
        ("a list of numbers", filled(r#"{"resourceType":"Patient","extension":["#, "1,", "1]}")),
        ("a list of empty objects", filled(r#"{"resourceType":"Patient","name":["#, "{},", "{}]}")),
        ("white space", filled("", " ", r#"{"resourceType":"Patient"}"#)),
        ("brackets", filled("", "[", "")),
        ("zeros", filled("", "\0", "")),
        (
            "one long number",
            filled(r#"{"resourceType":"Basic","extension":[{"url":"urn:x","valueDecimal":"#, "1", "}]}"),
        ),
    ];
    for (what, body) in cases {
        let (status, answer) = server.ask("POST", "/fhir/Patient", &[FHIR_JSON], &body);
        eprintln!("{what}: {status} {} MB: {}", server.peak_memory(), start(&answer));
        assert!(status == 201 || matches!(status, 400 | 413 | 422) && !issue(&answer).0.is_empty(), "{what}: {status}");
    }
    let (status, answer) = server.ask("POST", "/fhir/Patient", &[FHIR_JSON], vec![b' '; 65 << 20]);
    assert_eq!((status, issue(&answer).0.as_str()), (413, "too-long"));
    still_works(&server);
    assert!(server.peak_memory() < MEMORY, "{} MB", server.peak_memory());
}

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn thrown(test: &str) -> Self {
        let bytes = SystemRandomness.bytes();
        let fresh = u64::from_le_bytes(std::array::from_fn(|at| bytes[at])) >> 16;
        let given = std::env::var_os("QINGSHAN_FAULT_SEED").and_then(|seed| seed.to_str()?.parse().ok());
        let seed = given.unwrap_or(fresh);
        eprintln!("{test}: QINGSHAN_FAULT_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("smaller than the bound")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Values nobody should search by, and some that are in order.
const VALUES: [&str; 40] = [
    "",
    "x",
    "单",
    "%00",
    "a%00b",
    "%F0%9F%A9%BA",
    "%",
    "%zz",
    "%FF",
    "|",
    "||",
    "a|b|c|d",
    ",",
    ",,,,",
    "\\,",
    "$",
    "1$2$3",
    "ge",
    "ge2026",
    "2026-02-30",
    "0000",
    "9999-12-31T23:59:60Z",
    "lt2026-05-04T08:00:00%2B99:99",
    "1e999",
    "-1e-999",
    "NaN",
    "99999999999999999999999999",
    "ap0",
    "5.4|http://unitsofmeasure.org|kg",
    "Patient/p",
    "Patient/",
    "/",
    "http://x/fhir/Patient/p/_history/1",
    "urn:uuid:0",
    "*",
    "'%20OR%201=1--",
    "%22;DROP%20TABLE%20tok",
    "true",
    "Patient?name=x",
    "%25%27_",
];

const MODIFIERS: [&str; 16] = [
    "",
    "",
    "",
    "",
    ":exact",
    ":contains",
    ":missing",
    ":not",
    ":identifier",
    ":Patient",
    ":above",
    ":below",
    ":in",
    ":not-in",
    ":of-type",
    ":nonsense",
];

/// Parameters that are not of any one type.
const GENERAL: [&str; 18] = [
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_count",
    "_sort",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_total",
    "_summary",
    "_elements",
    "_has:Observation:patient:code",
    "_type",
    "_text",
    "page",
];

/// JSON that stands in the wrong place almost everywhere.
const WRONG: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1.50e+400",
    "\"\"",
    "\"\\u0000\"",
    "\"x\"",
    "[]",
    "[null]",
    "[[]]",
    "{}",
    "{\"a\":{}}",
    "\"Patient?name=x\"",
    "\"2026-13-41\"",
];

/// Resources to be altered.
const RESOURCES: [&str; 5] = [
    r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:x","value":"1"}],"active":true,
        "name":[{"family":"单","given":["青山"]}],"birthDate":"1961-02-03","contact":[{"name":{"text":"x"}}]}"#,
    r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:x","code":"w"}]},
        "subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-05-04T08:00:00+08:00",
        "valueQuantity":{"value":1.10,"unit":"kg"},"component":[{"code":{"text":"c"},"valueString":"v"}]}"#,
    r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
        "resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}},
        {"request":{"method":"DELETE","url":"Patient/q"}}]}"#,
    r#"{"resourceType":"SearchParameter","status":"active","url":"urn:x:sp","name":"x","description":"x","code":"zzz",
        "base":["Patient"],"type":"token","expression":"Patient.identifier"}"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},
        {"name":"path","valueString":"Patient.active"},{"name":"value","valueBoolean":false}]}]}"#,
];

/// A JSON text with one thing wrong, or nothing.
fn altered(dice: &mut Dice) -> Vec<u8> {
    let mut text = (*dice.one(&RESOURCES)).to_owned();
    match dice.below(4) {
        0 => {}
        1 => {
            // The value of some member becomes another one.
            let colons: Vec<usize> = text.match_indices("\":").map(|(at, _)| at + 2).collect();
            let from = *dice.one(&colons);
            let length = text[from..].find([',', '}']).unwrap_or_default();
            text.replace_range(from..from + length, dice.one::<&str>(&WRONG));
        }
        2 => {
            let names: Vec<usize> = text.match_indices("\":").map(|(at, _)| at).collect();
            text.insert_str(*dice.one(&names), dice.one::<&str>(&["x", "_", "[x]", "é"]));
        }
        _ => {
            let mut bytes = text.into_bytes();
            for _ in 0..=dice.below(3) {
                let at = dice.below(bytes.len());
                bytes[at] = u8::try_from(dice.below(256)).expect("a byte");
            }
            return bytes;
        }
    }
    text.into_bytes()
}

/// What the server says it can do: types with their search parameters.
fn capabilities(server: &Server) -> Vec<(String, Vec<String>)> {
    let (status, body) = server.ask("GET", "/fhir/metadata", &[], "");
    assert_eq!(status, 200);
    let statement: Value = sonic_rs::from_str(&body).expect("the statement is JSON");
    let names = |list: &Value| -> Vec<String> {
        let names = list.as_array().into_iter().flatten();
        names.filter_map(|param| Some(param["name"].as_str()?.to_owned())).collect()
    };
    let types = statement["rest"][0]["resource"].as_array().expect("the statement lists types");
    types
        .iter()
        .map(|type_| (type_["type"].as_str().expect("a type has a name").to_owned(), names(&type_["searchParam"])))
        .collect()
}

/// A request: verb, path with query, headers and body.
type Request = (&'static str, String, Vec<&'static str>, Vec<u8>);

fn request(dice: &mut Dice, types: &[(String, Vec<String>)]) -> Request {
    let (type_, params) = dice.one(types).clone();
    let id = *dice.one(&["p", "q", "..", "%00", "%2e%2e%2f", "%E5%8D%95", "a_b", "_history", "$validate", "x/y/z/w/v"]);
    let verb = *dice.one(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]);
    let kind = *dice.one(&[
        FHIR_JSON,
        "Content-Type: application/json-patch+json",
        "Content-Type: text/plain",
        "Content-Type: application/fhir+xml",
        "Content-Encoding: gzip",
    ]);
    let condition = *dice.one(&[
        "If-Match: W/\"1\"",
        "If-Match: x",
        "If-None-Exist: name=x",
        "If-None-Exist: %00",
        "If-None-Match: *",
        "If-Modified-Since: yesterday",
        "Prefer: handling=strict",
        "Accept: application/fhir+xml",
    ]);
    match dice.below(8) {
        0..4 => {
            let mut query = String::new();
            for _ in 0..=dice.below(3) {
                let name = match dice.below(5) {
                    0 => (*dice.one(&GENERAL)).to_owned(),
                    1 => {
                        let (_, further) = dice.one(types).clone();
                        format!("{}.{}", one_of(dice, &params), one_of(dice, &further))
                    }
                    _ => one_of(dice, &params),
                };
                query += &format!("&{name}{}={}", dice.one(&MODIFIERS), dice.one(&VALUES));
            }
            ("GET", format!("/fhir/{type_}?{}", &query[1..]), vec![condition], Vec::new())
        }
        4 => (
            verb,
            format!("/fhir/{}", dice.one(&["Patient", "Observation", "", "Parameters"])),
            vec![kind, condition],
            altered(dice),
        ),
        5 => (verb, format!("/fhir/{type_}/{id}"), vec![kind, condition], altered(dice)),
        6 => {
            let operation =
                *dice.one(&["$everything", "$validate", "$meta", "$expand", "$lookup", "$translate", "$nothing"]);
            let path = format!("/fhir/{type_}/p/{operation}?_count={}", dice.one(&VALUES));
            (*dice.one(&["GET", "POST"]), path, vec![kind], altered(dice))
        }
        _ => {
            let query = format!("_count={}&_since={}&_at={}", dice.one(&VALUES), dice.one(&VALUES), dice.one(&VALUES));
            ("GET", format!("/fhir/{type_}/{id}/_history?{query}"), vec![condition], Vec::new())
        }
    }
}

fn one_of(dice: &mut Dice, names: &[String]) -> String {
    if names.is_empty() { "_id".to_owned() } else { dice.one(names).clone() }
}

/// Requests of this many kinds of nonsense; `QINGSHAN_FUZZ_REQUESTS` asks for another number.
const REQUESTS: usize = 600;

fn survives_nonsense(test: &str, place: &[&str]) {
    let mut dice = Dice::thrown(test);
    let server = serve(place);
    let types = capabilities(&server);
    assert!(types.len() > 100, "the server offers {} types", types.len());
    assert_eq!(server.ask("PUT", "/fhir/Patient/p", &[FHIR_JSON], r#"{"resourceType":"Patient","id":"p"}"#).0, 201);
    let asked = std::env::var_os("QINGSHAN_FUZZ_REQUESTS").and_then(|count| count.to_str()?.parse().ok());
    let (mut done, mut refused) = (0, 0);
    for _ in 0..asked.unwrap_or(REQUESTS) {
        let (verb, path, headers, body) = request(&mut dice, &types);
        let (status, answer) = server.ask(verb, &path, &headers, &body);
        let what =
            || format!("{verb} {path} {headers:?} {}: {status} {}", String::from_utf8_lossy(&body), start(&answer));
        // 501 says that a part of the standard is not offered, which is an answer.
        assert!(status < 500 || status == 501, "{}", what());
        if status < 400 {
            done += 1;
        } else if verb != "HEAD" && status != 404 || !answer.is_empty() {
            refused += 1;
            assert!(!answer.is_empty(), "{}", what());
            issue(&answer);
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    still_works(&server);
    assert!(server.peak_memory() < MEMORY, "{} MB", server.peak_memory());
    assert!(server.terminate(), "a server that is asked to end ends well");
    let checked = qingshan(&[&["check"], place].concat());
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn nonsense_is_answered_and_leaves_a_sound_record_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    survives_nonsense("nonsense on SQLite", &["--data", folder.path().to_str().unwrap()]);
}

#[test]
fn nonsense_is_answered_and_leaves_a_sound_record_on_postgresql() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let place = ["--data", folder.path().to_str().unwrap(), "--database", &database.url()];
    survives_nonsense("nonsense on PostgreSQL", &place);
}
