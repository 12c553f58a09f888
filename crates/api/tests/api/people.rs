//! People who sign in with a password: their sessions, posts, failures.

use axum::http::Method;
use fhir::Value;
use record::{Action, Caller, Change, Key, Target};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use testkit::place::{Place, on_both};

use crate::{Door, Reply, text_at};

const PASSWORD: &str = "Pine-needle-7";
pub(crate) const OTHER: &str = "Larch-cone-8";
const JSON: (&str, &str) = ("content-type", "application/json");

/// What somebody's browser holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: Vec<String>,
    pub(crate) csrf: String,
}

impl Browser {
    /// Asks as this browser, and keeps what it is told to keep.
    async fn ask(&mut self, door: &Door, method: Method, path: &str, body: &str) -> Reply {
        let cookies = self.cookies.join("; ");
        let headers = [JSON, ("cookie", &cookies), ("x-csrf-token", &self.csrf)];
        let reply = door.ask(method, path, &headers, body.as_bytes()).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let name = pair.split('=').next().unwrap();
            self.cookies.retain(|kept| kept.split('=').next() != Some(name));
            self.cookies.push(pair.to_owned());
        }
        if reply.status == 200
            && let Some(csrf) = text_at(&reply.json(), "csrf")
        {
            self.csrf = csrf;
        }
        reply
    }

    pub(crate) async fn get(&mut self, door: &Door, path: &str) -> Reply {
        self.ask(door, Method::GET, path, "").await
    }

    pub(crate) async fn delete(&mut self, door: &Door, path: &str) -> Reply {
        self.ask(door, Method::DELETE, path, "").await
    }

    pub(crate) async fn post(&mut self, door: &Door, path: &str, body: &str) -> Reply {
        self.ask(door, Method::POST, path, body).await
    }

    pub(crate) async fn sign_in(&mut self, door: &Door, login: &str, password: &str) -> Reply {
        let body = format!(r#"{{"login":"{login}","password":"{password}"}}"#);
        self.post(door, "/auth/sign-in", &body).await
    }
}

fn code(reply: &Reply) -> String {
    text_at(&reply.json(), "code").unwrap_or_default()
}

/// A door with cheap hashes, behind which 林 holds a post at a clinic and one at a hospital, 周 one at the clinic, and
/// 何 is a patient who also acts for her father.
pub(crate) async fn door(place: Place) -> Door {
    door_with(place, |_| {}).await
}

pub(crate) async fn door_with(place: Place, change: impl FnOnce(&mut api::Settings)) -> Door {
    let door = Door::with(place, |settings| {
        settings.sign_in.password.memory_kib = 64;
        settings.sign_in.password.passes = 1;
        change(settings);
    });
    let resources = [
        r#"{"resourceType":"Organization","id":"clinic","name":"柳巷社区卫生服务中心"}"#.to_owned(),
        r#"{"resourceType":"Organization","id":"hospital","name":"云岭医院"}"#.to_owned(),
        r#"{"resourceType":"Practitioner","id":"lin"}"#.to_owned(),
        r#"{"resourceType":"Practitioner","id":"zhou"}"#.to_owned(),
        role("lin-clinic", "lin", "clinic", "family-doctor", ""),
        role("lin-hospital", "lin", "hospital", "doctor", r#""period":{"start":"2026-01-01","end":"2026-05-04"}"#),
        role("zhou-clinic", "zhou", "clinic", "nurse", ""),
        role("zhou-past", "zhou", "hospital", "nurse", r#""period":{"end":"2026-05-03"}"#),
        role("zhou-off", "zhou", "hospital", "nurse", r#""active":false"#),
        r#"{"resourceType":"Patient","id":"he"}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"father"}"#.to_owned(),
        r#"{"resourceType":"RelatedPerson","id":"daughter","active":true,"patient":{"reference":"Patient/father"}}"#
            .to_owned(),
        r#"{"resourceType":"RelatedPerson","id":"former","active":true,"patient":{"reference":"Patient/x"},
            "period":{"end":"2026-05-01"}}"#
            .to_owned(),
        encounter("he"),
        encounter("father"),
    ];
    for resource in resources {
        store(&door, &resource).await;
    }
    let people = [
        r#"{"login":"Lin","name":"林","practitioner":"lin","demo":true}"#,
        r#"{"login":"zhou","name":"周","practitioner":"zhou"}"#,
        r#"{"login":"he","name":"何","patients":["he"],"related":["daughter","former"],"demo":true}"#,
    ];
    let accounts = accounts(&door);
    for person in people {
        let mut new: api::NewAccount = sonic_rs::from_str(person).unwrap();
        new.password = Some(PASSWORD.to_owned());
        new.must_change = Some(true);
        accounts.put(new).await.unwrap();
        // Everybody has been here before and has a password of their own.
        let login = text_at(&fhir::json::parse(person.as_bytes()).unwrap(), "login").unwrap();
        let body = format!(r#"{{"login":"{login}","old":"{PASSWORD}","new":"{OTHER}"}}"#);
        let reply = Browser::default().post(&door, "/auth/password", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    door
}

pub(crate) fn accounts(door: &Door) -> api::Accounts {
    let cheap = api::Password { memory_kib: 64, passes: 1, ..api::Password::default() };
    api::Accounts::new(door.place.record.clone(), cheap)
}

/// The clinic treats a patient.
fn encounter(patient: &str) -> String {
    format!(
        r#"{{"resourceType":"Encounter","id":"of-{patient}","status":"in-progress",
        "class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},
        "subject":{{"reference":"Patient/{patient}"}},"serviceProvider":{{"reference":"Organization/clinic"}}}}"#
    )
}

fn role(id: &str, practitioner: &str, organization: &str, duty: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"resourceType":"PractitionerRole","id":"{id}","practitioner":{{"reference":"Practitioner/{practitioner}"}},
        "organization":{{"reference":"Organization/{organization}"}},
        "code":[{{"coding":[{{"system":"https://qingshan.dev/fhir/CodeSystem/duty","code":"{duty}"}}]}}]{comma}{more}}}"#
    )
}

pub(crate) async fn store(door: &Door, resource: &str) {
    let value = fhir::json::parse(resource.as_bytes()).unwrap();
    let key = record::Key::new(
        record::ResourceType::named(value.get("resourceType").as_str().unwrap()).unwrap(),
        value.get("id").as_str().unwrap(),
    );
    let action =
        record::Action::Update { target: record::Target::Key(key), resource: value, if_match: None, if_absent: false };
    let session = door.place.record.session(record::Caller::system("SYSADMIN"));
    session.transact(vec![record::Change::new(action)]).await.unwrap();
}

fn roles(me: &Value) -> Vec<String> {
    let posts = me.get("posts").and_then(|posts| posts.as_array()).unwrap();
    posts.iter().map(|post| post.get("role").as_str().unwrap().to_owned()).collect()
}

#[test]
fn somebody_signs_in_reads_changes_and_signs_out() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        assert_eq!(code(&browser.get(&door, "/auth/session").await), "signed-out");
        let me = browser.sign_in(&door, "ZHOU", OTHER).await;
        assert_eq!(me.status, 200, "{}", me.text());
        let cookie = me.header("set-cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let me = me.json();
        assert_eq!(roles(&me), ["zhou-clinic"], "what is past or switched off is no post");
        assert_eq!(text_at(&me, "post").as_deref(), Some("zhou-clinic"), "the only post need not be chosen");
        assert_eq!(text_at(&me, "posts.0.organizationName").as_deref(), Some("柳巷社区卫生服务中心"));
        assert_eq!(text_at(&me, "posts.0.duties.0").as_deref(), Some("nurse"));
        browser.get(&door, "/fhir/Patient/none").await.refused(404, "not-found");
        let patient = r#"{"resourceType":"Patient"}"#;
        let foreign = Browser { csrf: "guessed".to_owned(), ..browser.clone() };
        foreign.clone().post(&door, "/fhir/Patient", patient).await.refused(403, "forbidden");
        assert_eq!(code(&foreign.clone().post(&door, "/auth/sign-out", "").await), "csrf");
        let mut before = browser.clone();
        assert_eq!(browser.post(&door, "/auth/sign-out", "").await.status, 204);
        assert_eq!(before.get(&door, "/auth/session").await.status, 401, "a cookie that was kept opens nothing");
        before.get(&door, "/fhir/Patient/none").await.refused(401, "login");
    });
}

#[test]
fn who_holds_two_posts_chooses_one_and_a_secondment_ends_by_itself() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        let me = browser.sign_in(&door, "lin", OTHER).await.json();
        assert_eq!(roles(&me), ["lin-clinic", "lin-hospital"]);
        assert_eq!(text_at(&me, "post"), None);
        assert_eq!(text_at(&me, "posts.1.until").as_deref(), Some("2026-05-04T16:00:00.000Z"));
        browser.get(&door, "/fhir/Patient/he").await.refused(403, "forbidden");
        assert_eq!(code(&browser.post(&door, "/auth/post", r#"{"role":"zhou-clinic"}"#).await), "no-post");
        let me = browser.post(&door, "/auth/post", r#"{"role":"lin-hospital"}"#).await.json();
        assert_eq!(text_at(&me, "post").as_deref(), Some("lin-hospital"));
        assert_ne!(browser.get(&door, "/fhir/Patient/none").await.status, 403);
        // Ten minutes before midnight, when the secondment ends, and a minute after.
        door.place.clock.pass(15 * 3_600 + 50 * 60);
        browser.sign_in(&door, "lin", OTHER).await;
        browser.post(&door, "/auth/post", r#"{"role":"lin-hospital"}"#).await;
        door.place.clock.pass(11 * 60);
        let me = browser.get(&door, "/auth/session").await.json();
        assert_eq!(roles(&me), ["lin-clinic"]);
        assert_eq!(text_at(&me, "post").as_deref(), Some("lin-clinic"));
    });
}

#[test]
fn a_post_that_is_ended_is_left_within_seconds() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        assert_eq!(browser.get(&door, "/fhir/Patient/none").await.status, 404);
        store(&door, &role("zhou-clinic", "zhou", "clinic", "nurse", r#""active":false"#)).await;
        door.place.clock.pass(11);
        browser.get(&door, "/fhir/Patient/none").await.refused(403, "forbidden");
        assert_eq!(roles(&browser.get(&door, "/auth/session").await.json()), Vec::<String>::new());
    });
}

#[test]
fn a_post_that_another_process_ends_is_left_as_well() {
    on_both(async |place| {
        let other = if place.is_shared() { place.again().await } else { place.record.clone() };
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        assert_eq!(browser.get(&door, "/fhir/Patient/none").await.status, 404);
        let ended = role("zhou-clinic", "zhou", "clinic", "nurse", r#""active":false"#);
        let (target, resource) = (
            Target::Key(Key::of("PractitionerRole/zhou-clinic").unwrap()),
            fhir::json::parse(ended.as_bytes()).unwrap(),
        );
        let put = Action::Update { target, resource, if_match: None, if_absent: false };
        other.session(Caller::system("SYSADMIN")).transact(vec![Change::new(put)]).await.unwrap();
        while browser.get(&door, "/fhir/Patient/none").await.status != 403 {
            tokio::task::yield_now().await;
        }
        door.place.clock.pass(11);
        assert_eq!(roles(&browser.get(&door, "/auth/session").await.json()), Vec::<String>::new());
    });
}

#[test]
fn a_patient_is_told_whose_records_are_theirs() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        let me = browser.sign_in(&door, "he", OTHER).await.json();
        assert_eq!(text_at(&me, "patients.own.0").as_deref(), Some("he"));
        assert_eq!(text_at(&me, "patients.charges").as_deref(), Some(r#"["father"]"#));
    });
}

#[test]
fn an_unknown_login_and_a_wrong_password_are_told_apart_by_nothing() {
    on_both(async |place| {
        let door = door(place).await;
        let mut answers = Vec::new();
        for login in ["zhou", "nobody"] {
            let mut told = Vec::new();
            for _ in 0..7 {
                let reply = Browser::default().sign_in(&door, login, "Wrong-needle-1").await;
                told.push((reply.status.as_u16(), code(&reply), text_at(&reply.json(), "retryAfter")));
            }
            answers.push(told);
        }
        assert_eq!(answers[0], answers[1]);
        let wrong = (401, "wrong".to_owned(), None);
        let locked = (423, "locked".to_owned(), Some("900".to_owned()));
        assert_eq!(answers[0][4..], [wrong, locked.clone(), locked]);
        let right = Browser::default().sign_in(&door, "zhou", OTHER).await;
        assert_eq!(code(&right), "locked", "the right password opens nothing while it is locked");
        door.place.clock.pass(901);
        assert_eq!(Browser::default().sign_in(&door, "zhou", OTHER).await.status, 200);
    });
}

#[test]
fn whoever_fails_in_somebodys_name_does_not_lock_them_out_of_their_own_browser() {
    on_both(async |place| {
        let door = door(place).await;
        let mut own = Browser::default();
        own.sign_in(&door, "zhou", OTHER).await;
        own.post(&door, "/auth/sign-out", "").await;
        for _ in 0..6 {
            Browser::default().sign_in(&door, "zhou", "Wrong-needle-1").await;
        }
        assert_eq!(code(&Browser::default().sign_in(&door, "zhou", OTHER).await), "locked");
        assert_eq!(own.sign_in(&door, "zhou", OTHER).await.status, 200);
        for _ in 0..5 {
            own.sign_in(&door, "zhou", "Wrong-needle-1").await;
        }
        assert_eq!(code(&own.sign_in(&door, "zhou", OTHER).await), "locked", "but they are counted as well");
    });
}

#[test]
fn two_hundred_guesses_at_once_lock_one_account_and_nothing_else() {
    on_both(async |place| {
        let door = door(place).await;
        let guesses = (0..200).map(|at| {
            let door = &door;
            async move {
                let reply = Browser::default().sign_in(door, "zhou", &format!("Guess-number-{at}")).await;
                reply.status.as_u16()
            }
        });
        let answers = futures_util::future::join_all(guesses).await;
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5, "five were looked at");
        assert_eq!(answers.iter().filter(|status| **status == 423).count(), 195);
        assert_eq!(door.get("/health").await.status, 200);
        assert_eq!(Browser::default().sign_in(&door, "he", OTHER).await.status, 200, "others sign in");
    });
}

#[test]
fn guesses_at_many_accounts_from_one_address_are_bounded() {
    on_both(async |place| {
        let door = door_with(place, |settings| {
            settings.behind_proxy = true;
            settings.sign_in.address_failures = 10;
        })
        .await;
        let from = async |address: &str, login: &str, password: &str| {
            let body = format!(r#"{{"login":"{login}","password":"{password}"}}"#);
            let headers = [JSON, ("x-forwarded-for", address)];
            door.ask(Method::POST, "/auth/sign-in", &headers, body.as_bytes()).await
        };
        for at in 0..10 {
            assert_eq!(from("192.0.2.1", &format!("person{at}"), "Wrong-needle-1").await.status, 401);
        }
        let halted = from("203.0.113.9, 192.0.2.1", "zhou", OTHER).await;
        assert_eq!((halted.status.as_u16(), code(&halted).as_str()), (429, "busy"));
        assert_eq!(from("192.0.2.2", "zhou", OTHER).await.status, 200, "other addresses are not held to it");
        door.place.clock.pass(301);
        assert_eq!(from("192.0.2.1", "zhou", OTHER).await.status, 200);
    });
}

#[test]
fn a_session_ends_when_nobody_acts_and_at_its_time_in_any_case() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        door.place.clock.pass(14 * 60);
        assert_eq!(browser.get(&door, "/auth/session?peek=1").await.status, 200, "looking is not acting");
        door.place.clock.pass(2 * 60);
        assert_eq!(browser.get(&door, "/auth/session").await.status, 401);
        browser.sign_in(&door, "zhou", OTHER).await;
        for _ in 0..51 {
            door.place.clock.pass(14 * 60);
            assert_eq!(browser.get(&door, "/auth/session").await.status, 200);
        }
        door.place.clock.pass(7 * 60);
        assert_eq!(browser.get(&door, "/auth/session").await.status, 401, "twelve hours are over");
    });
}

#[test]
fn a_session_outlives_the_process() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        let restarted = Door::with(door.place, |_| {});
        assert_eq!(browser.get(&restarted, "/auth/session").await.status, 200);
        restarted.place.clock.pass(14 * 60);
        assert_eq!(browser.get(&restarted, "/fhir/Patient/none").await.status, 404);
    });
}

#[test]
fn ones_sessions_are_listed_and_ended() {
    on_both(async |place| {
        let door = door(place).await;
        let (mut ward, mut home) = (Browser::default(), Browser::default());
        door.place.clock.pass(60);
        ward.sign_in(&door, "zhou", OTHER).await;
        door.place.clock.pass(60);
        home.sign_in(&door, "zhou", OTHER).await;
        let mut stranger = Browser::default();
        stranger.sign_in(&door, "he", OTHER).await;
        let listed = home.get(&door, "/auth/sessions").await.json();
        // The third is the one in which the first password was replaced.
        assert_eq!(listed.get("sessions").and_then(|list| list.as_array()).unwrap().len(), 3);
        assert_eq!(text_at(&listed, "sessions.0.current").as_deref(), Some("true"));
        let id = text_at(&listed, "sessions.1.id").unwrap();
        let path = format!("/auth/sessions/{id}");
        assert_eq!(stranger.ask(&door, Method::DELETE, &path, "").await.status, 404);
        assert_eq!(home.ask(&door, Method::DELETE, &path, "").await.status, 204);
        assert_eq!(ward.get(&door, "/auth/session").await.status, 401);
        assert_eq!(home.get(&door, "/auth/session").await.status, 200);
    });
}

#[test]
fn a_password_is_changed_by_who_knows_it_and_ends_all_other_sessions() {
    on_both(async |place| {
        let door = door(place).await;
        let (mut own, mut other) = (Browser::default(), Browser::default());
        own.sign_in(&door, "zhou", OTHER).await;
        other.sign_in(&door, "zhou", OTHER).await;
        let change = |old: &str, new: &str| format!(r#"{{"old":"{old}","new":"{new}"}}"#);
        let wrong = own.post(&door, "/auth/password", &change("Wrong-needle-1", PASSWORD)).await;
        assert_eq!(code(&wrong), "wrong");
        let weak = own.post(&door, "/auth/password", &change(OTHER, "simple")).await;
        assert_eq!((weak.status.as_u16(), text_at(&weak.json(), "problem").as_deref()), (422, Some("length")));
        let same = own.post(&door, "/auth/password", &change(OTHER, OTHER)).await;
        assert_eq!(text_at(&same.json(), "problem").as_deref(), Some("same"));
        assert_eq!(own.post(&door, "/auth/password", &change(OTHER, PASSWORD)).await.status, 200);
        assert_eq!(own.get(&door, "/auth/session").await.status, 200);
        assert_eq!(other.get(&door, "/auth/session").await.status, 401);
        assert_eq!(Browser::default().sign_in(&door, "zhou", OTHER).await.status, 401);
    });
}

#[test]
fn a_password_given_by_others_or_too_old_must_be_changed_first() {
    on_both(async |place| {
        let door = door(place).await;
        let given = accounts(&door).new_password("zhou").await.unwrap();
        let mut browser = Browser::default();
        let refused = browser.sign_in(&door, "zhou", &given).await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (409, "change-password"));
        assert_eq!(browser.get(&door, "/auth/session").await.status, 401);
        let change = format!(r#"{{"login":"zhou","old":"{given}","new":"{PASSWORD}"}}"#);
        assert_eq!(browser.post(&door, "/auth/password", &change).await.status, 200);
        door.place.clock.pass(91 * 86_400);
        assert_eq!(code(&browser.sign_in(&door, "zhou", PASSWORD).await), "change-password");
    });
}

#[test]
fn a_disabled_account_is_signed_out_and_let_in_no_more() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        accounts(&door).set_disabled("zhou", true).await.unwrap();
        door.place.clock.pass(11);
        assert_eq!(browser.get(&door, "/auth/session").await.status, 401);
        assert_eq!(code(&browser.sign_in(&door, "zhou", OTHER).await), "wrong");
    });
}

#[test]
fn a_demonstration_lets_anybody_in_under_its_own_accounts_and_nothing_else_does() {
    on_both(async |place| {
        let door = door_with(place, |settings| settings.sign_in.demo = true).await;
        let cast = door.get("/auth/demo").await.json();
        assert_eq!(text_at(&cast, "accounts.0.login").as_deref(), Some("he"));
        assert_eq!(text_at(&cast, "accounts.1.posts.1.duties").as_deref(), Some(r#"["doctor"]"#));
        let mut browser = Browser::default();
        assert_eq!(browser.post(&door, "/auth/demo", r#"{"login":"zhou"}"#).await.status, 404);
        assert_eq!(browser.post(&door, "/auth/demo", r#"{"login":"lin"}"#).await.status, 200);
        assert_eq!(browser.get(&door, "/auth/session").await.status, 200);
        let earnest = Door::with(door.place, |_| {});
        assert_eq!(earnest.get("/auth/demo").await.status, 404);
        assert_eq!(browser.post(&earnest, "/auth/demo", r#"{"login":"lin"}"#).await.status, 404);
    });
}

#[test]
fn a_form_of_a_foreign_page_signs_nobody_in() {
    on_both(async |place| {
        let door = door(place).await;
        let form = [("content-type", "text/plain")];
        let body = format!(r#"{{"login":"zhou","password":"{OTHER}"}}"#);
        assert_eq!(door.ask(Method::POST, "/auth/sign-in", &form, body.as_bytes()).await.status, 400);
    });
}

#[test]
fn a_second_factor_is_asked_for_once_it_has_been_confirmed() {
    on_both(async |place| {
        let door = door(place).await;
        let mut browser = Browser::default();
        browser.sign_in(&door, "zhou", OTHER).await;
        let begin = |password: &str| format!(r#"{{"step":"begin","password":"{password}"}}"#);
        assert_eq!(
            browser.post(&door, "/auth/totp", &begin(PASSWORD)).await.status,
            401,
            "the password is asked again"
        );
        let begun = browser.post(&door, "/auth/totp", &begin(OTHER)).await.json();
        let secret = text_at(&begun, "secret").unwrap();
        assert!(text_at(&begun, "uri").unwrap().contains(&secret));
        assert_eq!(Browser::default().sign_in(&door, "zhou", OTHER).await.status, 200, "it is not confirmed yet");
        let confirm = |code: &str| format!(r#"{{"step":"confirm","code":"{code}"}}"#);
        let first = code_at(&secret, testkit::place::TestClock::START);
        assert_eq!(browser.post(&door, "/auth/totp", &confirm(&first)).await.status, 204);

        let mut other = Browser::default();
        assert_eq!(code(&other.sign_in(&door, "zhou", OTHER).await), "totp-needed");
        let with = |code: &str| format!(r#"{{"login":"zhou","password":"{OTHER}","totp":"{code}"}}"#);
        assert_eq!(code(&other.post(&door, "/auth/sign-in", &with(&first)).await), "wrong", "a code is taken once");
        door.place.clock.pass(30);
        let next = code_at(&secret, testkit::place::TestClock::START + 30_000_000);
        assert_eq!(other.post(&door, "/auth/sign-in", &with(&next)).await.status, 200);
        let remove = format!(r#"{{"step":"remove","password":"{OTHER}"}}"#);
        assert_eq!(other.post(&door, "/auth/totp", &remove).await.status, 204);
        assert_eq!(Browser::default().sign_in(&door, "zhou", OTHER).await.status, 200);
    });
}

/// The code an authenticator app shows.
fn code_at(secret: &str, micros: i64) -> String {
    let bits: String = secret
        .bytes()
        .map(|letter| match letter {
            b'A'..=b'Z' => letter - b'A',
            _ => letter - b'2' + 26,
        })
        .map(|value| format!("{value:05b}"))
        .collect();
    let key: Vec<u8> =
        (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap()).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = ring::hmac::sign(&key, &(micros / 30_000_000).to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[test]
fn what_happens_at_the_door_stands_on_the_trail() {
    on_both(async |place| {
        let door = door(place).await;
        let mut lin = Browser::default();
        lin.sign_in(&door, "lin", OTHER).await;
        assert_eq!(lin.post(&door, "/auth/post", r#"{"role":"lin-clinic"}"#).await.status, 200);
        let change = format!(r#"{{"old":"{PASSWORD}","new":"Spruce-bark-9"}}"#);
        assert_eq!(code(&lin.post(&door, "/auth/password", &change).await), "wrong");
        let begin = format!(r#"{{"step":"begin","password":"{PASSWORD}"}}"#);
        assert_eq!(code(&lin.post(&door, "/auth/totp", &begin).await), "wrong");
        while code(&Browser::default().sign_in(&door, "he", PASSWORD).await) != "locked" {}
        let secret = api::add_client(&door.place.record, "lab", "system/*.rs").await.unwrap();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        for secret in [secret.as_str(), "guessed"] {
            let form = format!("grant_type=client_credentials&client_id=lab&client_secret={secret}");
            door.ask(Method::POST, "/auth/token", &kind, form.as_bytes()).await;
        }
        door.place.record.settle().await.unwrap();
        let auditor = record::Caller { actor: "client/auditor".to_owned(), ..record::Caller::system("HOPERAT") };
        let session = door.place.record.session(auditor);
        let told = async |agent: &str| {
            let asked = [("agent", agent.to_owned()), ("_count", "200".to_owned())];
            let request = record::SearchRequest::of("AuditEvent", &asked).unwrap();
            let found = session.search(&request).await.unwrap().matches;
            let bodies = found.into_iter().map(|event| String::from_utf8(event.body.unwrap().to_vec()).unwrap());
            bodies.collect::<Vec<_>>()
        };
        let lin = told("Practitioner/lin").await;
        for expected in ["acts from PractitionerRole/lin-clinic", "password not changed", "second factor not changed"] {
            assert!(lin.iter().any(|event| event.contains(expected)), "{expected} in {lin:?}");
        }
        assert!(told("account/unknown").await.iter().any(|event| event.contains(r#""name":"locked""#)));
        let signed_in = |event: &String| event.contains("110122");
        assert_eq!(told("client/lab").await.iter().filter(|event| signed_in(event)).count(), 1);
        assert_eq!(told("client/unknown").await.iter().filter(|event| signed_in(event)).count(), 1);
    });
}
