//! SMART App Launch: apps that people let in, and machines that sign.
//! <http://hl7.org/fhir/smart-app-launch/STU2/>

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha256};
use testkit::place::{Place, on_both};

use crate::people::{Browser, OTHER, accounts, door, door_with, store};
use crate::{Door, Reply, text_at};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BACK: &str = "https://app.example/back";
const VERIFIER: &str = "a-verifier-of-some-length-that-only-the-app-knows-0123";
const SCOPE: &str = "launch/patient patient/*.rs openid fhirUser offline_access";

async fn app(door: &Door, scope: &str) {
    let new = api::NewClient {
        id: "chart".to_owned(),
        name: "生长曲线".to_owned(),
        scope: scope.to_owned(),
        redirects: vec![BACK.to_owned()],
        public: true,
        launch: Some("https://app.example/launch".to_owned()),
        ..api::NewClient::default()
    };
    assert_eq!(api::register_client(&door.place.record, new).await.unwrap(), None, "it could keep no secret");
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn request(scope: &str, more: &str) -> String {
    let (scope, challenge) = (scope.replace(' ', "%20"), challenge());
    format!(
        "/auth/authorize?response_type=code&client_id=chart&redirect_uri={BACK}&scope={scope}&state=s1&nonce=n1\
         &aud=http://qingshan.example/fhir&code_challenge={challenge}&code_challenge_method=S256{more}"
    )
}

/// The parameter of an address.
fn of_address(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.replace("%20", " "))
}

/// What the person is asked: the name of the request.
async fn asked(door: &Door, address: &str) -> String {
    let reply = door.get(address).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    of_address(reply.header("location"), "request").unwrap_or_else(|| panic!("{}", reply.header("location")))
}

/// The person lets the app in; the code it is told.
async fn code(door: &Door, browser: &mut Browser, address: &str, patient: &str) -> String {
    let id = asked(door, address).await;
    let decision = format!(r#"{{"allow":true,"patient":"{patient}"}}"#);
    let reply = browser.post(door, &format!("/auth/authorize/{id}"), &decision).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let to = text_at(&reply.json(), "to").unwrap();
    assert!(to.starts_with(BACK) && of_address(&to, "state").as_deref() == Some("s1"), "{to}");
    of_address(&to, "code").unwrap()
}

async fn form(door: &Door, path: &str, form: &str) -> Reply {
    door.ask(Method::POST, path, &[FORM], form.as_bytes()).await
}

async fn redeem(door: &Door, code: &str, verifier: &str) -> Reply {
    let text = format!(
        "grant_type=authorization_code&client_id=chart&code={code}&redirect_uri={BACK}&code_verifier={verifier}"
    );
    form(door, "/auth/token", &text).await
}

async fn renew(door: &Door, token: &str) -> Reply {
    form(door, "/auth/token", &format!("grant_type=refresh_token&client_id=chart&refresh_token={token}")).await
}

async fn read(door: &Door, token: &str, path: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    door.ask(Method::GET, path, &[("authorization", &bearer)], b"").await
}

fn told(reply: &Reply, name: &str) -> String {
    text_at(&reply.json(), name).unwrap_or_else(|| panic!("no {name} in {}", reply.text()))
}

async fn signed_in(door: &Door, login: &str) -> Browser {
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(door, login, OTHER).await.status, 200);
    browser
}

/// Observations of 何 and of her father, and one of a stranger.
async fn observations(door: &Door) {
    store(door, r#"{"resourceType":"Patient","id":"stranger"}"#).await;
    for patient in ["he", "father", "stranger"] {
        let observation = format!(
            r#"{{"resourceType":"Observation","id":"of-{patient}","status":"final","code":{{"text":"x"}},
            "subject":{{"reference":"Patient/{patient}"}}}}"#
        );
        store(door, &observation).await;
    }
}

#[test]
fn a_person_lets_an_app_in_for_one_patient_and_it_sees_nobody_else() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        observations(&door).await;
        let mut browser = signed_in(&door, "he").await;
        let id = asked(&door, &request(SCOPE, "")).await;
        let question = browser.get(&door, &format!("/auth/authorize/{id}")).await;
        assert_eq!((told(&question, "name"), told(&question, "needsPatient")), ("生长曲线".into(), "true".into()));
        assert_eq!(told(&question, "patients"), r#"["he","father"]"#);
        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let given = redeem(&door, &code, VERIFIER).await;
        assert_eq!(given.status, 200, "{}", given.text());
        assert_eq!((told(&given, "patient"), told(&given, "scope")), ("he".to_owned(), SCOPE.to_owned()));
        let token = told(&given, "access_token");
        assert_eq!(read(&door, &token, "/fhir/Patient/he").await.status, 200);
        assert_eq!(read(&door, &token, "/fhir/Observation/of-he").await.status, 200);
        for hidden in ["Patient/father", "Observation/of-father", "Observation/of-stranger", "Patient/stranger"] {
            read(&door, &token, &format!("/fhir/{hidden}")).await.refused(404, "not-found");
        }
        let count = async |query: &str| {
            let reply = read(&door, &token, &format!("/fhir/{query}")).await;
            assert_eq!(reply.status, 200, "{query}: {}", reply.text());
            told(&reply, "total")
        };
        assert_eq!(count("Observation?_total=accurate").await, "1");
        assert_eq!(count("Patient?_total=accurate").await, "1");
        assert_eq!(count("Observation?patient=father&_total=accurate").await, "0");
        for wide in ["_history", "Patient/father/Observation", "Practitioner?_has:Observation:performer:status=final"] {
            let reply = read(&door, &token, &format!("/fhir/{wide}")).await;
            assert_eq!(reply.status, 403, "{wide}: {}", reply.text());
        }
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/fhir+json")];
        let body = br#"{"resourceType":"Patient","id":"he"}"#;
        door.ask(Method::PUT, "/fhir/Patient/he", &headers, body).await.refused(403, "forbidden");
    });
}

#[test]
fn an_app_for_one_patient_is_shown_no_bytes_or_bundles_of_another() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        observations(&door).await;
        let binary = |id: &str, context: &str| {
            format!(
                r#"{{"resourceType":"Binary","id":"{id}","contentType":"text/plain","data":"eA==",
                "securityContext":{{"reference":"{context}"}}}}"#
            )
        };
        let bundle = r#"{"resourceType":"Bundle","id":"of-father","type":"collection","entry":[{"resource":
            {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/father"}}}]}"#;
        store(&door, bundle).await;
        for (id, context) in [("own", "Patient/he"), ("father", "Patient/father"), ("visit", "Encounter/of-father")] {
            store(&door, &binary(id, context)).await;
        }
        // The nurse who let it in treats both, and reads all of it.
        let mut browser = signed_in(&door, "zhou").await;
        for theirs in ["Binary/own", "Binary/father", "Bundle/of-father"] {
            assert_eq!(browser.get(&door, &format!("/fhir/{theirs}")).await.status, 200, "{theirs}");
        }
        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let token = told(&redeem(&door, &code, VERIFIER).await, "access_token");
        assert_eq!(read(&door, &token, "/fhir/Binary/own").await.status, 200);
        assert_eq!(read(&door, &token, "/fhir/Organization/clinic").await.status, 200);
        for hidden in ["Binary/father", "Binary/visit", "Bundle/of-father"] {
            read(&door, &token, &format!("/fhir/{hidden}")).await.refused(404, "not-found");
        }
        for wide in ["Binary?_count=10", "Bundle?_count=10"] {
            read(&door, &token, &format!("/fhir/{wide}")).await.refused(403, "forbidden");
        }
    });
}

#[test]
fn an_app_opens_no_record_in_an_emergency() {
    on_both(async |place| {
        let door = door(place).await;
        observations(&door).await;
        let mut browser = signed_in(&door, "zhou").await;
        let body = r#"{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"昏迷"}]}"#;
        for scope in ["user/*.rs", "user/*.cruds"] {
            app(&door, scope).await;
            let code = code(&door, &mut browser, &request(scope, ""), "he").await;
            let token = told(&redeem(&door, &code, VERIFIER).await, "access_token");
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/fhir+json")];
            let path = "/fhir/Patient/stranger/$break-glass";
            door.ask(Method::POST, path, &headers, body.as_bytes()).await.refused(403, "forbidden");
            read(&door, &token, "/fhir/Observation/of-stranger").await.refused(404, "not-found");
        }
        let opened = browser.post(&door, "/fhir/Patient/stranger/$break-glass", body).await;
        assert_eq!(opened.status, 200, "{}", opened.text());
        assert_eq!(browser.get(&door, "/fhir/Observation/of-stranger").await.status, 200);
    });
}

#[test]
fn an_app_that_was_let_in_for_long_ends_with_the_password_and_when_it_is_shut_out() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        let let_in = async || {
            let mut browser = signed_in(&door, "he").await;
            let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
            (browser, redeem(&door, &code, VERIFIER).await)
        };
        let ended = async |given: &Reply| {
            read(&door, &told(given, "access_token"), "/fhir/Patient/he").await.refused(401, "login");
            assert_eq!(renew(&door, &told(given, "refresh_token")).await.status, 400);
        };
        let (mut browser, given) = let_in().await;
        assert_eq!(read(&door, &told(&given, "access_token"), "/fhir/Patient/he").await.status, 200);
        let listed = browser.get(&door, "/auth/sessions").await;
        assert_eq!((told(&listed, "apps.0.client"), told(&listed, "apps.0.name")), ("chart".into(), "生长曲线".into()));
        let path = format!("/auth/allowed/{}", told(&listed, "apps.0.id"));
        assert_eq!(browser.delete(&door, &path).await.status, 204);
        ended(&given).await;
        assert_eq!(browser.delete(&door, &path).await.status, 404);

        let (mut browser, given) = let_in().await;
        door.place.clock.pass(1);
        let late = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        door.place.clock.pass(1);
        let change = format!(r#"{{"old":"{OTHER}","new":"Spruce-bark-9"}}"#);
        assert_eq!(browser.post(&door, "/auth/password", &change).await.status, 200);
        ended(&given).await;
        assert_eq!(redeem(&door, &late, VERIFIER).await.status, 400, "a code from before is good for nothing");

        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let given = redeem(&door, &code, VERIFIER).await;
        accounts(&door).new_password("he").await.unwrap();
        door.place.clock.pass(11);
        ended(&given).await;
    });
}

#[test]
fn an_app_that_may_write_for_one_patient_writes_for_no_other() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, "launch/patient patient/Observation.crus").await;
        let mut browser = signed_in(&door, "zhou").await;
        let scope = "launch/patient patient/Observation.crus";
        let code = code(&door, &mut browser, &request(scope, ""), "he").await;
        let token = told(&redeem(&door, &code, VERIFIER).await, "access_token");
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/fhir+json")];
        let of = |patient: &str| {
            format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                "subject":{{"reference":"Patient/{patient}"}}}}"#
            )
        };
        let write = async |body: String| door.ask(Method::POST, "/fhir/Observation", &headers, body.as_bytes()).await;
        assert_eq!(write(of("he")).await.status, 201);
        write(of("father")).await.refused(403, "forbidden");
        let entry = format!(r#"{{"resource":{},"request":{{"method":"POST","url":"Observation"}}}}"#, of("father"));
        for kind in ["batch", "transaction"] {
            let bundle = format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}"#);
            let reply = door.ask(Method::POST, "/fhir", &headers, bundle.as_bytes()).await;
            assert!(!reply.text().contains("201"), "{kind}: {}", reply.text());
        }
    });
}

#[test]
fn the_identity_token_says_who_let_the_app_in_and_is_signed() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        let mut browser = signed_in(&door, "zhou").await;
        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let token = told(&redeem(&door, &code, VERIFIER).await, "id_token");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let part = |text: &str| fhir::json::parse(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
        let claims = part(signed.split('.').nth(1).unwrap());
        let claim = |name: &str| text_at(&claims, name).unwrap();
        assert_eq!(claim("fhirUser"), "http://qingshan.example/fhir/Practitioner/zhou");
        assert_eq!((claim("aud"), claim("nonce")), ("chart".to_owned(), "n1".to_owned()));
        let configuration = door.get("/fhir/.well-known/openid-configuration").await.json();
        assert_eq!(text_at(&configuration, "issuer"), text_at(&claims, "iss"));
        let keys = door.get("/auth/keys").await.json();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text_at(&keys, &format!("keys.0.{name}")).unwrap()).unwrap();
        let point = [vec![4], number("x"), number("y")].concat();
        let key = ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    });
}

#[test]
fn a_code_is_redeemed_once_by_the_app_that_asked_for_it_and_soon() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        let mut browser = signed_in(&door, "zhou").await;
        let first = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let wrong = redeem(&door, &first, "another-verifier-that-somebody-made-up-0123456789").await;
        assert_eq!((wrong.status.as_u16(), told(&wrong, "error").as_str()), (400, "invalid_grant"));
        assert_eq!(redeem(&door, &first, VERIFIER).await.status, 400, "a guess uses it up");
        let second = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        assert_eq!(redeem(&door, &second, VERIFIER).await.status, 200);
        assert_eq!(redeem(&door, &second, VERIFIER).await.status, 400);
        let third = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        door.place.clock.pass(61);
        assert_eq!(redeem(&door, &third, VERIFIER).await.status, 400);
    });
}

#[test]
fn a_refresh_token_renews_once_and_shown_again_ends_everything() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        let mut browser = signed_in(&door, "zhou").await;
        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let first = told(&redeem(&door, &code, VERIFIER).await, "refresh_token");
        door.place.clock.pass(30 * 86_400);
        // Some apps that can prove nothing do not name themselves.
        let nameless = format!("grant_type=refresh_token&refresh_token={first}");
        let renewed = form(&door, "/auth/token", &nameless).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text());
        let token = told(&renewed, "access_token");
        assert_eq!(read(&door, &token, "/fhir/Patient/he").await.status, 200);
        assert_eq!(form(&door, "/auth/token", &nameless).await.status, 400);
        door.place.clock.pass(11);
        read(&door, &token, "/fhir/Patient/he").await.refused(401, "login");
        assert_eq!(renew(&door, &told(&renewed, "refresh_token")).await.status, 400);
    });
}

#[test]
fn an_app_that_may_stay_while_somebody_is_there_leaves_with_them() {
    on_both(async |place| {
        let door = door(place).await;
        let scope = "launch/patient patient/*.rs online_access";
        app(&door, scope).await;
        let mut browser = signed_in(&door, "zhou").await;
        let code = code(&door, &mut browser, &request(scope, ""), "he").await;
        let given = redeem(&door, &code, VERIFIER).await;
        assert_eq!(browser.post(&door, "/auth/sign-out", "").await.status, 204);
        assert_eq!(renew(&door, &told(&given, "refresh_token")).await.status, 400);
        read(&door, &told(&given, "access_token"), "/fhir/Patient/he").await.refused(401, "login");
    });
}

#[test]
fn what_was_given_is_revoked_and_introspected() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        let secret = api::add_client(&door.place.record, "gate", "system/*.rs").await.unwrap();
        let mut browser = signed_in(&door, "zhou").await;
        let code = code(&door, &mut browser, &request(SCOPE, ""), "he").await;
        let given = redeem(&door, &code, VERIFIER).await;
        let token = told(&given, "access_token");
        let introspect = async || {
            form(&door, "/auth/introspect", &format!("client_id=gate&client_secret={secret}&token={token}")).await
        };
        let known = introspect().await;
        assert_eq!((told(&known, "active"), told(&known, "patient")), ("true".to_owned(), "he".to_owned()));
        assert_eq!(told(&known, "fhirUser"), "http://qingshan.example/fhir/Practitioner/zhou");
        let stranger = form(&door, "/auth/introspect", &format!("client_id=chart&token={token}")).await;
        assert_eq!(stranger.status, 401, "whoever cannot prove who they are is told nothing");

        let refresh = told(&given, "refresh_token");
        let by_another = format!("client_id=gate&client_secret={secret}&token={refresh}");
        assert_eq!(form(&door, "/auth/revoke", &by_another).await.status, 200);
        assert_eq!(read(&door, &token, "/fhir/Patient/he").await.status, 200, "another's is not theirs to end");
        assert_eq!(form(&door, "/auth/revoke", &format!("client_id=chart&token={refresh}")).await.status, 200);
        read(&door, &token, "/fhir/Patient/he").await.refused(401, "login");
        assert_eq!(introspect().await.text(), r#"{"active":false}"#);
        assert_eq!(renew(&door, &refresh).await.status, 400);
    });
}

#[test]
fn an_app_is_started_from_a_patients_record() {
    on_both(async |place| {
        let door = door(place).await;
        let scope = "launch patient/*.rs";
        app(&door, scope).await;
        let mut browser = signed_in(&door, "zhou").await;
        assert_eq!(told(&browser.get(&door, "/auth/apps").await, "apps.0.client"), "chart");
        let start = r#"{"client":"chart","patient":"he","encounter":"e1"}"#;
        let to = told(&browser.post(&door, "/auth/launch", start).await, "to");
        let launch = of_address(&to, "launch").unwrap();
        assert!(to.starts_with("https://app.example/launch?iss=http"), "{to}");
        let address = request(scope, &format!("&launch={launch}"));
        let id = asked(&door, &address).await;
        let mut other = signed_in(&door, "he").await;
        assert_eq!(other.get(&door, &format!("/auth/authorize/{id}")).await.status, 404, "another started it");
        assert_eq!(told(&browser.get(&door, &format!("/auth/authorize/{id}")).await, "patient"), "he");
        let reply = browser.post(&door, &format!("/auth/authorize/{id}"), r#"{"allow":true}"#).await;
        let code = of_address(&told(&reply, "to"), "code").unwrap();
        let given = redeem(&door, &code, VERIFIER).await;
        assert_eq!((told(&given, "patient"), told(&given, "encounter")), ("he".to_owned(), "e1".to_owned()));
        let again = door.get(&address).await;
        assert_eq!(of_address(again.header("location"), "error").as_deref(), Some("invalid_request"));
    });
}

#[test]
fn an_app_is_refused_what_it_may_not_have_and_nobody_is_sent_to_a_stranger() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, "launch/patient patient/Observation.rs").await;
        let sound = request("patient/Observation.rs", "");
        let error = async |address: String| {
            let reply = door.get(&address).await;
            let location = reply.header("location").to_owned();
            of_address(&location, "error").unwrap_or(location)
        };
        assert_eq!(error(sound.replace("app.example", "evil.example")).await, "/authorize");
        assert_eq!(error(sound.replace("client_id=chart", "client_id=other")).await, "/authorize");
        assert_eq!(error(sound.replace("S256", "plain")).await, "invalid_request");
        assert_eq!(error(sound.replace("aud=http://qingshan", "aud=http://other")).await, "invalid_request");
        assert_eq!(
            error(sound.replace("response_type=code", "response_type=token")).await,
            "unsupported_response_type"
        );
        assert_eq!(error(request("user/*.rs", "")).await, "invalid_scope");
        assert_eq!(error(request("patient/Observation.rs?code=1", "")).await, "invalid_scope");
        let id = asked(&door, &sound).await;
        let mut browser = signed_in(&door, "zhou").await;
        let foreign = Browser { csrf: String::new(), ..browser.clone() };
        let path = format!("/auth/authorize/{id}");
        assert_eq!(foreign.clone().post(&door, &path, r#"{"allow":true,"patient":"he"}"#).await.status, 403);
        let no = browser.post(&door, &path, r#"{"allow":false}"#).await;
        assert_eq!(of_address(&told(&no, "to"), "error").as_deref(), Some("access_denied"));
    });
}

#[test]
fn a_patient_gives_an_app_nobody_but_themselves_and_their_charges() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, SCOPE).await;
        store(&door, r#"{"resourceType":"Patient","id":"stranger"}"#).await;
        let mut browser = signed_in(&door, "he").await;
        let id = asked(&door, &request(SCOPE, "")).await;
        let path = format!("/auth/authorize/{id}");
        let reply = browser.post(&door, &path, r#"{"allow":true,"patient":"stranger"}"#).await;
        assert_eq!(reply.status, 404);
        let code = code(&door, &mut browser, &request(SCOPE, ""), "father").await;
        assert_eq!(told(&redeem(&door, &code, VERIFIER).await, "patient"), "father");
    });
}

#[test]
fn an_app_ends_with_the_post_of_whoever_let_it_in() {
    on_both(async |place| {
        let door = door(place).await;
        app(&door, "user/*.rs offline_access").await;
        let mut browser = signed_in(&door, "lin").await;
        browser.post(&door, "/auth/post", r#"{"role":"lin-hospital"}"#).await;
        let code = code(&door, &mut browser, &request("user/*.rs offline_access", ""), "he").await;
        let given = redeem(&door, &code, VERIFIER).await;
        let token = told(&given, "access_token");
        assert_eq!(read(&door, &token, "/fhir/Patient/none").await.status, 404);
        door.place.clock.pass(16 * 3_600);
        let renewed = renew(&door, &told(&given, "refresh_token")).await;
        read(&door, &told(&renewed, "access_token"), "/fhir/Patient/none").await.refused(401, "login");
    });
}

#[test]
fn a_page_of_another_origin_may_ask_with_a_token_and_without_sign_in_never() {
    on_both(async |place| {
        let door = door_with(place, |_| {}).await;
        let headers = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
        let preflight = door.ask(Method::OPTIONS, "/fhir/Patient", &headers, b"").await;
        assert_eq!(preflight.status, 204);
        assert!(preflight.header("access-control-allow-headers").contains("Authorization"));
        assert!(!preflight.headers.contains_key("access-control-allow-credentials"));
        let open = Door::open(door.place);
        let reply = open.ask(Method::GET, "/fhir/Patient", &[("origin", "https://app.example")], b"").await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    });
}

/// A machine with a key of its own.
struct Machine {
    pair: EcdsaKeyPair,
}

impl Machine {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.as_ref(), &random).unwrap() }
    }

    fn keys(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(48);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-384","kid":"k1","x":"{x}","y":"{y}"}}]}}"#)
    }

    fn assertion(&self, claims: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES384","kid":"k1","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn a_machine_proves_itself_by_a_signature_once_and_for_this_server() {
    on_both(async |place| {
        let door = Door::with(place, |_| {});
        let (machine, stranger) = (Machine::new(), Machine::new());
        let new = api::NewClient {
            id: "warehouse".to_owned(),
            scope: "system/Patient.rs".to_owned(),
            keys: Some(machine.keys()),
            ..api::NewClient::default()
        };
        assert_eq!(api::register_client(&door.place.record, new).await.unwrap(), None);
        let now = testkit::place::TestClock::START / 1_000_000;
        let claims = |jti: &str, seconds: i64, aud: &str| {
            let exp = now + seconds;
            format!(r#"{{"iss":"warehouse","sub":"warehouse","aud":"{aud}","exp":{exp},"jti":"{jti}"}}"#)
        };
        let here = "http://qingshan.example/auth/token";
        let ask = async |assertion: &str| {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let text = format!(
                "grant_type=client_credentials&scope=system/Patient.rs\
                 &client_assertion_type={kind}&client_assertion={assertion}"
            );
            form(&door, "/auth/token", &text).await
        };
        let sound = machine.assertion(&claims("1", 300, here));
        let given = ask(&sound).await;
        assert_eq!(given.status, 200, "{}", given.text());
        read(&door, &told(&given, "access_token"), "/fhir/Patient/none").await.refused(404, "not-found");
        for (refused, why) in [
            (sound.clone(), "it was taken before"),
            (stranger.assertion(&claims("2", 300, here)), "another signed it"),
            (machine.assertion(&claims("3", -120, here)), "it has ended"),
            (machine.assertion(&claims("4", 3_600, here)), "it would be good for too long"),
            (machine.assertion(&claims("5", 300, "http://other.example/auth/token")), "it was meant for another"),
            ("no.token.atall".to_owned(), "it is none"),
        ] {
            let reply = ask(&refused).await;
            assert_eq!((reply.status.as_u16(), told(&reply, "error").as_str()), (401, "invalid_client"), "{why}");
        }
    });
}

#[tokio::test]
async fn the_smart_configuration_tells_apps_all_they_need() {
    let door = Door::with(Place::embedded().await, |_| {});
    for path in ["/fhir/.well-known/smart-configuration", "/.well-known/smart-configuration"] {
        let told = door.get(path).await.json();
        assert_eq!(text_at(&told, "authorization_endpoint").as_deref(), Some("http://qingshan.example/auth/authorize"));
        assert_eq!(text_at(&told, "code_challenge_methods_supported").as_deref(), Some(r#"["S256"]"#));
        assert!(text_at(&told, "capabilities").unwrap().contains("launch-ehr"));
    }
    let statement = door.get("/fhir/metadata").await.text();
    assert!(statement.contains(r#""url":"authorize","valueUri":"http://qingshan.example/auth/authorize""#));
}
