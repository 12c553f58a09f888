//! Half a year of referrals, acted out by people who are signed in to a served record under a clock that is moved, and
//! counted over the list of what happened.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::cluster::Cluster;
use testkit::half_year::{Answers, DAY, Entry, Legs, ONWARD, Size, What, list};

use crate::serve::{FHIR_JSON, Server};
use crate::{qingshan, said};

const CLINIC: &str = "Organization/clinic";
const HOSPITAL: &str = "Organization/hospital";
/// Who works where, with which duty, as their login says.
const STAFF: [(&str, &str); 5] = [
    ("clinic", "family-doctor"),
    ("hospital", "doctor"),
    ("hospital", "referral-officer"),
    ("linxi", "doctor"),
    ("linxi", "referral-officer"),
];
/// People stay signed in for the half year.
const SETTINGS: [(&str, &str); 4] = [
    ("QINGSHAN__SIGN_IN__DEMO", "true"),
    ("QINGSHAN__SIGN_IN__IDLE_MINUTES", "600000"),
    ("QINGSHAN__SIGN_IN__SESSION_HOURS", "10000"),
    ("QINGSHAN__SIGN_IN__TOKEN_SECONDS", "40000000"),
];

/// A twelfth is enough to go every way; with QINGSHAN_TEST_ALL it is as many as there were.
fn size() -> Size {
    if std::env::var_os("QINGSHAN_TEST_ALL").is_some() { Size::WHOLE } else { Size::one_of(12) }
}

#[test]
fn half_a_year_of_referrals_counts_the_same_from_a_served_record_as_from_the_list_on_sqlite() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    compare(folder.path(), &["--data", &data]);
}

#[test]
fn half_a_year_of_referrals_counts_the_same_from_a_served_record_as_from_the_list_on_postgresql() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let data = folder.path().join("record").display().to_string();
    compare(folder.path(), &["--data", &data, "--database", &database.url()]);
}

fn compare(folder: &std::path::Path, place: &[&str]) {
    let size = size();
    let entries = list(723, size);
    let end = entries.last().expect("the list is not empty").at + 60 * DAY;
    let legs = Legs::read(&entries, end);
    let mut stage = Stage::open(folder, place, size.chains(), entries[0].at);
    for entry in &entries {
        stage.play(entry);
    }
    stage.server.pass(&written(end));

    // Nobody is lost or doubled: every leg of the list is one run, and every one has come to its end.
    for chain in 0..size.chains() {
        let runs = stage.chain(chain);
        assert_eq!(runs.len(), legs.of(chain), "the legs of c{chain}");
        assert!(runs.iter().all(|run| run["status"] != "in-progress"), "c{chain} has not come to its end");
    }
    let figures = stage.machine("GET", "/protocols/referral/figures", &Value::Null);
    let figures = figures.as_array().expect("figures are a list");
    for counted in legs.indicators() {
        let code = counted.code;
        let found = figures.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("no figure {code}"));
        assert_eq!(found["numerator"], counted.numerator, "{code}");
        if let Some(of) = counted.denominator {
            assert_eq!(found["denominator"], of, "{code}");
        }
        if let Some(value) = counted.value {
            assert_eq!(found["value"].as_f64(), Some(value), "{code}");
        }
    }
}

fn written(at: i64) -> String {
    Timestamp::from_microsecond(at).expect("a time of this year").to_string()
}

/// Somebody's browser.
struct Browser {
    cookie: String,
    csrf: String,
}

struct Stage {
    server: Server,
    bearer: String,
    people: BTreeMap<String, Browser>,
    protocol: Value,
    /// What forms that were filled in ask for.
    forms: BTreeMap<String, Value>,
    /// The runs by chain and leg: their ids and who takes part.
    runs: BTreeMap<(usize, usize), Run>,
    now: i64,
}

#[derive(Clone)]
struct Run {
    id: String,
    focus: String,
    referrer: String,
    receiver: String,
    class: String,
    /// How often each step was done.
    done: BTreeMap<String, u32>,
}

impl Stage {
    fn open(folder: &std::path::Path, place: &[&str], patients: usize, now: i64) -> Self {
        let people = folder.join("people.ndjson");
        let mut lines: Vec<Value> = Vec::new();
        for id in ["clinic", "hospital", "linxi"] {
            lines.push(json!({"resourceType": "Organization", "id": id, "name": id}));
        }
        for (at, duty) in STAFF {
            let id = format!("{duty}-{at}");
            lines.push(json!({"resourceType": "Practitioner", "id": id}));
            let duty = json!({"coding": [{"system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": duty}]});
            lines.push(json!({"resourceType": "PractitionerRole", "id": id, "active": true, "code": [duty],
                "practitioner": {"reference": format!("Practitioner/{id}")},
                "organization": {"reference": format!("Organization/{at}")}}));
        }
        let patient = |number| {
            json!({"resourceType": "Patient", "id": format!("p{number}"),
            "managingOrganization": {"reference": CLINIC}})
        };
        lines.extend((0..patients).map(patient));
        write(&people, &lines);
        let accounts = folder.join("accounts.ndjson");
        let logins: Vec<String> = STAFF.iter().map(|(at, duty)| format!("{duty}-{at}")).collect();
        let account = |login: &String| json!({"login": login, "name": login, "practitioner": login, "demo": true});
        write(&accounts, &logins.iter().map(account).collect::<Vec<_>>());
        let run = |words: &[&str], file: Option<&std::path::Path>| {
            let file = file.map(|file| file.display().to_string());
            let words: Vec<&str> = [words, place].concat().into_iter().chain(file.as_deref()).collect();
            let output = qingshan(&words);
            assert!(output.status.success(), "{}", said(&output));
            String::from_utf8(output.stdout).expect("it prints text").trim().to_owned()
        };
        run(&["import"], Some(&people));
        run(&["account", "import"], Some(&accounts));
        let secret = run(&["client", "add", "--id", "desk", "--scope", "system/*.cruds"], None);

        // The clock stands a day before the first that happens until that is played.
        let now = now - DAY;
        let server = Server::stepped(place, &SETTINGS, &written(now));
        let form = format!("grant_type=client_credentials&client_id=desk&client_secret={secret}");
        let form_type = "Content-Type: application/x-www-form-urlencoded";
        let (status, answer) = server.ask("POST", "/auth/token", &[form_type], form);
        assert_eq!(status, 200, "{answer}");
        let token = parsed(&answer)["access_token"].as_str().expect("a token").to_owned();
        let people = logins.into_iter().map(|login| {
            let browser = enter(&server, &login);
            (login, browser)
        });
        let people = people.collect();
        let bearer = format!("Authorization: Bearer {token}");
        let (protocol, forms, runs) = (Value::Null, BTreeMap::new(), BTreeMap::new());
        let mut stage = Self { server, bearer, people, protocol, forms, runs, now };
        stage.protocol = stage.machine("GET", "/protocols/referral", &Value::Null);
        stage
    }

    /// Asks as the hospitals' own systems do.
    fn machine(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.server.ask(method, path, &[FHIR_JSON, &self.bearer], body);
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        parsed(&answer)
    }

    fn person(&self, login: &str, path: &str, body: &Value) -> Value {
        let Browser { cookie, csrf } = &self.people[login];
        let headers = ["Content-Type: application/json", cookie, csrf];
        let (status, answer) = self.server.ask("POST", path, &headers, body.to_string());
        assert!((200..300).contains(&status), "{login}: {path} {body}: {answer}");
        parsed(&answer)
    }

    /// The runs of a chain, in the order in which they began.
    fn chain(&self, chain: usize) -> Vec<Value> {
        let path = format!(
            "/fhir/Task?_tag=https://qingshan.dev/fhir/CodeSystem/run%7Croot&group-identifier=c{chain}&_sort=authored-on"
        );
        let page = self.machine("GET", &path, &Value::Null);
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        let mut runs: Vec<Value> = entries.into_iter().map(|entry| entry["resource"].clone()).collect();
        runs.sort_by_key(|run| run["authoredOn"].as_str().unwrap_or_default().to_owned());
        runs
    }

    fn play(&mut self, entry: &Entry) {
        if entry.at > self.now {
            self.server.pass(&written(entry.at));
            self.now = entry.at;
        }
        let at = (entry.chain, entry.leg);
        if let What::Start { way, class } = entry.what {
            let (referrer, receiver) = if way == "down" { (HOSPITAL, CLINIC) } else { (CLINIC, HOSPITAL) };
            let id = format!("c{}", entry.chain);
            let form = self.protocol["start"].as_array().expect("ways to start").iter();
            let form = form.clone().find(|one| one["code"] == way).and_then(|one| one["form"].as_str());
            let form = form.expect("a referral has a form").to_owned();
            let response = self.filled(&form, &Answers::new());
            let body = json!({"id": id, "protocol": "referral", "start": way, "class": class,
                "patient": format!("Patient/p{}", entry.chain),
                "roles": {"referrer": referrer, "receiver": receiver}, "response": response});
            let duty = if way == "down" { "doctor" } else { "family-doctor" };
            self.person(&login(referrer, duty), "/runs", &body);
            self.met(at, referrer, receiver, class);
            return;
        }
        let run = self.runs.get(&at).unwrap_or_else(|| panic!("{entry:?}: there is no such run")).clone();
        let act = format!("/runs/{}/acts", run.id);
        match &entry.what {
            What::Start { .. } => {}
            What::Opens => {
                let body = json!({"deed": "take", "step": "review", "n": run.done.get("review").unwrap_or(&0) + 1});
                self.person(&doctor(&run.receiver), &act, &body);
            }
            What::Cancels => {
                let body = json!({"deed": "cancel", "reason": {"code": "improved"}});
                self.person(&doctor(&run.referrer), &act, &body);
            }
            What::Does { step, outcome, reason, answers } => {
                let who = match *step {
                    "review" | "arbitrate" | "offer-down" | "close" | "contact" | "plan-review" => {
                        doctor(&run.receiver)
                    }
                    "bed" | "reserve" | "arrive" | "follow-up" => office(&run.receiver),
                    _ => doctor(&run.referrer),
                };
                let n = run.done.get(*step).unwrap_or(&0) + 1;
                let mut body = json!({"deed": "complete", "step": step, "n": n});
                if let Some(outcome) = outcome {
                    body["outcome"] = json!(outcome);
                }
                if let Some(reason) = reason {
                    body["reason"] = json!({"code": reason});
                }
                if let Some(form) = self.form(step, *outcome) {
                    body["response"] = self.filled(&form, answers);
                }
                self.person(&who, &act, &body);
                *self.runs.get_mut(&at).expect("it was just there").done.entry((*step).to_owned()).or_default() += 1;
                let next = (entry.chain, entry.leg + 1);
                match (*step, *outcome) {
                    ("review", Some("redirect")) => self.met(next, &run.referrer, ONWARD, &run.class),
                    ("offer-down", _) => self.met(next, &run.receiver, &run.referrer, "routine"),
                    _ => {}
                }
            }
            What::Arrives | What::Leaves => {
                let (begun, id) = (matches!(entry.what, What::Arrives), format!("visit-{}", run.id));
                let mut visit = json!({"resourceType": "Encounter", "id": id, "class": {"code": "AMB"},
                    "status": if begun { "arrived" } else { "finished" }, "period": {"start": written(entry.at)},
                    "subject": {"reference": format!("Patient/p{}", entry.chain)},
                    "basedOn": [{"reference": run.focus}], "serviceProvider": {"reference": run.receiver}});
                if !begun {
                    let known = self.machine("GET", &format!("/fhir/Encounter/{id}"), &Value::Null);
                    visit["period"] = json!({"start": known["period"]["start"], "end": written(entry.at)});
                }
                self.machine("PUT", &format!("/fhir/Encounter/{id}"), &visit);
                // What is written is taken in before anything else happens.
                self.server.pass(&written(entry.at));
            }
        }
    }

    /// Learns of a run that has begun.
    fn met(&mut self, at: (usize, usize), referrer: &str, receiver: &str, class: &str) {
        let runs = self.chain(at.0);
        let new = |run: &&Value| !self.runs.values().any(|known| run["id"] == known.id.as_str());
        let task = runs.iter().find(new).unwrap_or_else(|| panic!("leg {} of c{} has not begun", at.1, at.0));
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{task}")).to_owned();
        let (id, focus) = (text(&task["id"]), text(&task["focus"]["reference"]));
        let (referrer, receiver, class) = (referrer.to_owned(), receiver.to_owned(), class.to_owned());
        self.runs.insert(at, Run { id, focus, referrer, receiver, class, done: BTreeMap::new() });
    }

    /// The form of a step, or of how it turns out.
    fn form(&self, step: &str, outcome: Option<&str>) -> Option<String> {
        let named = |list: &Value, code: &str| list.as_array()?.iter().find(|one| one["code"] == code).cloned();
        let step = named(&self.protocol["step"], step).expect("the list names steps there are");
        let of_outcome =
            outcome.and_then(|outcome| named(&step["outcome"], outcome)?["form"].as_str().map(str::to_owned));
        of_outcome.or_else(|| step["form"].as_str().map(str::to_owned))
    }

    /// A form with these answers, and something wherever an answer is required.
    fn filled(&mut self, form: &str, answers: &Answers) -> Value {
        let canonical = format!("https://qingshan.dev/fhir/Questionnaire/{form}");
        if !self.forms.contains_key(form) {
            let page = self.machine("GET", &format!("/fhir/Questionnaire?url={canonical}"), &Value::Null);
            self.forms.insert(form.to_owned(), page["entry"][0]["resource"].clone());
        }
        let items = self.given(&self.forms[form]["item"], answers);
        let mut response =
            json!({"resourceType": "QuestionnaireResponse", "questionnaire": canonical, "status": "completed"});
        if !items.is_empty() {
            response["item"] = items.into();
        }
        response
    }

    fn given(&self, items: &Value, answers: &Answers) -> Vec<Value> {
        let mut given = Vec::new();
        for item in items.as_array().into_iter().flatten() {
            let code = item["linkId"].as_str().expect("a question has a code");
            // Whatever can be is answered with yes, so what is asked after a no is not asked.
            let mut conditions = item["extension"].as_array().into_iter().flatten();
            let is_after_no = |one: &Value| {
                one["valueExpression"]["expression"].as_str().is_some_and(|when| when.ends_with("= false"))
            };
            if conditions.any(is_after_no) {
                continue;
            }
            let inner = self.given(&item["item"], answers);
            let mut entry = json!({"linkId": code});
            if !inner.is_empty() && (item["repeats"] != true || item["required"] == true) {
                entry["item"] = inner.into();
            } else if answers.contains_key(code) || (item["required"] == true && item["type"] != "group") {
                entry["answer"] = json!([self.answer(item, answers.get(code))]);
            } else {
                continue;
            }
            given.push(entry);
        }
        given
    }

    fn answer(&self, item: &Value, given: Option<&String>) -> Value {
        match item["type"].as_str().expect("a question has a type") {
            "boolean" => json!({"valueBoolean": true}),
            "integer" => json!({"valueInteger": 60}),
            "decimal" => json!({"valueDecimal": 1}),
            "quantity" => json!({"valueQuantity": {"value": 60}}),
            "date" => json!({"valueDate": &written(self.now)[..10]}),
            "dateTime" => json!({"valueDateTime": given.cloned().unwrap_or_else(|| written(self.now))}),
            "reference" => json!({"valueReference": {"reference": given.map_or(HOSPITAL, String::as_str)}}),
            "choice" | "open-choice" => {
                let set = item["answerValueSet"].as_str().expect("a choice is from a list");
                let expanded = self.machine("GET", &format!("/fhir/ValueSet/$expand?url={set}&count=1"), &Value::Null);
                let first = &expanded["expansion"]["contains"][0];
                json!({"valueCoding": {"system": first["system"], "code": first["code"]}})
            }
            _ => json!({"valueString": given.map_or("见病历", String::as_str)}),
        }
    }
}

fn login(at: &str, duty: &str) -> String {
    format!("{duty}-{}", at.trim_start_matches("Organization/"))
}

/// Who treats somebody there.
fn doctor(at: &str) -> String {
    login(at, if at == CLINIC { "family-doctor" } else { "doctor" })
}

/// Who arranges things there.
fn office(at: &str) -> String {
    login(at, if at == CLINIC { "family-doctor" } else { "referral-officer" })
}

fn enter(server: &Server, login: &str) -> Browser {
    let headers = ["Content-Type: application/json"];
    let (status, head, body) = server.whole("POST", "/auth/demo", &headers, json!({ "login": login }).to_string());
    assert_eq!(status, 200, "{login}: {body}");
    let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<&str> = set.map(|cookie| cookie.split(';').next().unwrap_or_default()).collect();
    let csrf = parsed(&body)["csrf"].as_str().expect("a session has a token").to_owned();
    Browser { cookie: format!("Cookie: {}", cookies.join("; ")), csrf: format!("X-CSRF-Token: {csrf}") }
}

fn write(file: &std::path::Path, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(file, text).expect("the disk takes a file");
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}
