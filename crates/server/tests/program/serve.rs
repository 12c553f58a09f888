//! `qingshan serve` as a person starts it and other systems meet it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use testkit::cluster::Cluster;

use crate::{qingshan, said};

/// A running server, stopped with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// Reads the log to its end, or the server would wait for a reader.
    log: Option<JoinHandle<Vec<String>>>,
    /// Moves the clock of one that has a clock of its own, and hears that it has moved.
    clock: Option<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Server {
    /// Starts one on a port the system chooses, which its log names.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_with(words, &[])
    }

    /// Starts one with settings in its environment.
    pub(crate) fn start_with(words: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command = Self::command(words, settings);
        Self::of(command.spawn().expect("the program starts"))
    }

    /// Starts one whose clock shows a time until it is moved by [`Server::pass`].
    pub(crate) fn stepped(words: &[&str], settings: &[(&str, &str)], from: &str) -> Self {
        let mut command = Self::command(words, settings);
        command.args(["--stepped-clock", from]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let clock = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        let mut server = Self::of(child);
        server.clock = clock;
        server
    }

    /// Starts one that runs other parts than the door; it is at work when this returns.
    pub(crate) fn without_a_door(words: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut child = Self::command(words, settings).spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log is a pipe"));
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("working without a door")), "it says that it is at work");
        Self { child, address: String::new(), log: Some(std::thread::spawn(move || lines.collect())), clock: None }
    }

    fn command(words: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qingshan"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(words).envs(settings.iter().copied());
        command.stderr(Stdio::piped());
        command
    }

    fn of(mut child: Child) -> Self {
        let log = BufReader::new(child.stderr.take().expect("its log is a pipe"));
        let mut lines = log.lines().map_while(Result::ok);
        let named = |line: String| {
            let (_, rest) = line.split_once("listening at http")?;
            let (_, rest) = rest.split_once("://")?;
            Some(rest.split('/').next().unwrap_or_default().to_owned())
        };
        let address = lines.find_map(named).expect("it says where it listens");
        Self { child, address, log: Some(std::thread::spawn(move || lines.collect())), clock: None }
    }

    /// Lets time pass, and returns when all that was due by then has happened.
    pub(crate) fn pass(&mut self, to: &str) {
        let (orders, answers) = self.clock.as_mut().expect("it has a clock of its own");
        writeln!(orders, "{to}").expect("the server reads");
        let mut told = String::new();
        answers.read_line(&mut told).expect("the server answers");
        assert_eq!(told.trim(), to, "the clock has moved");
    }

    /// Ends it as the kernel does, without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// One request; the answer's status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> (u16, String) {
        let (status, _, body) = self.whole(method, path, headers, body);
        (status, body)
    }

    /// One request; the answer's status, headers and body.
    pub(crate) fn whole(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl AsRef<[u8]>,
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.as_ref().len();
        // HTTP/1.0, so that the answer simply ends with the connection.
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n")
            .expect("the server reads");
        // A server that has heard enough answers before the body has ended.
        let _ = stream.write_all(body.as_ref());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (status, headers.to_owned(), body.to_owned())
    }

    /// The most memory it has had resident, in MB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts memory");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
    }

    /// Asks it to end, as a service manager does, and says whether it ended well.
    pub(crate) fn terminate(mut self) -> bool {
        self.end()
    }

    /// Ends it and returns all it has logged since it began to listen.
    pub(crate) fn whole_log(mut self) -> String {
        assert!(self.end(), "it ends as it should");
        let log = self.log.take().expect("it is taken once");
        log.join().expect("the log can be read").join("\n")
    }

    /// Sends it a signal that it does not end of, such as `STOP`.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success());
    }

    fn end(&mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill is there").success());
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const FHIR_JSON: &str = "Content-Type: application/fhir+json";

#[test]
fn a_machine_client_signs_in_with_its_secret_and_nobody_enters_without() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let added = qingshan(&["client", "add", "--data", data, "--id", "lab", "--scope", "system/*.cruds"]);
    assert!(added.status.success(), "{}", said(&added));
    let secret = String::from_utf8(added.stdout).expect("a secret is text");
    let secret = secret.trim();

    let server = Server::start(&["--data", data]);
    let patient = r#"{"resourceType":"Patient","active":true}"#;
    assert_eq!(server.ask("POST", "/fhir/Patient", &[FHIR_JSON], patient).0, 401);

    let form = format!("grant_type=client_credentials&client_id=lab&client_secret={secret}");
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let (status, answer) = server.ask("POST", "/auth/token", &[form_type], &form);
    assert_eq!(status, 200, "{answer}");
    let token = answer.split(r#""access_token":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let bearer = format!("Authorization: Bearer {token}");
    let (status, created) = server.ask("POST", "/fhir/Patient", &[FHIR_JSON, &bearer], patient);
    assert_eq!(status, 201, "{created}");
    assert!(server.terminate(), "a server that is asked to end ends well");
}

#[test]
fn what_one_process_stores_in_postgresql_another_one_serves() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let place = ["--open", "--data", folder.path().to_str().unwrap(), "--database", &database.url()];
    let (one, other) = (Server::start(&place), Server::start(&place));
    let patient = r#"{"resourceType":"Patient","id":"shan","active":true}"#;
    assert_eq!(one.ask("PUT", "/fhir/Patient/shan", &[FHIR_JSON], patient).0, 201);
    let (status, body) = other.ask("GET", "/fhir/Patient/shan", &[], "");
    assert_eq!(status, 200);
    assert!(body.contains(r#""id":"shan""#), "{body}");
}

#[test]
fn a_server_that_stood_still_while_another_wrote_does_not_answer_from_what_it_remembers() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let place = ["--open", "--data", folder.path().to_str().unwrap(), "--database", &database.url()];
    let one = Server::start(&place);
    let patient = |active: bool| format!(r#"{{"resourceType":"Patient","id":"shan","active":{active}}}"#);
    assert_eq!(one.ask("PUT", "/fhir/Patient/shan", &[FHIR_JSON], patient(true)).0, 201);
    let alone = || database.query("SELECT writer FROM head WHERE name = 'feed' AND alone").pop();
    while alone().is_none() {
        assert_eq!(one.ask("GET", "/fhir/Patient/shan", &[], "").0, 200);
    }
    for _ in 0..3 {
        assert!(one.ask("GET", "/fhir/Patient/shan", &[], "").1.contains(r#""active":true"#));
    }

    one.signal("STOP");
    let other = Server::start(&place);
    let (status, answer) = other.ask("PUT", "/fhir/Patient/shan", &[FHIR_JSON], patient(false));
    assert_eq!(status, 200, "{answer}");
    one.signal("CONT");
    let (_, answer) = one.ask("GET", "/fhir/Patient/shan", &[], "");
    assert!(answer.contains(r#""active":false"#), "{answer}");
    assert_eq!(one.ask("PUT", "/fhir/Patient/shan", &[FHIR_JSON], patient(true)).0, 200, "it goes on");
}

#[test]
fn an_import_into_a_running_server_writes_what_one_into_its_folder_would() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--open", "--data", folder.path().join("record").to_str().unwrap()]);
    let file = folder.path().join("patients.ndjson");
    let good = r#"{"resourceType":"Patient","id":"a","active":true}"#;
    let bad = r#"{"resourceType":"Patient","id":"b","age":7}"#;
    std::fs::write(&file, format!("{good}\n{bad}\n")).unwrap();

    let to = format!("http://{}/fhir", server.address);
    let checkpoint = folder.path().join("checkpoint.json");
    let paths = ["--checkpoint", checkpoint.to_str().unwrap(), file.to_str().unwrap()];
    let output = qingshan(&[&["import", "--to", &to, "--skip-invalid"], &paths[..]].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("1 resources written"), "{}", said(&output));
    assert!(said(&output).contains("patients.ndjson:2: Patient"), "{}", said(&output));
    assert_eq!(server.ask("GET", "/fhir/Patient/a", &[], "").0, 200);
    assert_eq!(server.ask("GET", "/fhir/Patient/b", &[], "").0, 404);
}

#[test]
fn a_record_is_moved_to_postgresql_and_served_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("record");
    let file = folder.path().join("patients.ndjson");
    let first = r#"{"resourceType":"Patient","id":"a","active":true}"#;
    let second = r#"{"resourceType":"Patient","id":"a","active":false}"#;
    std::fs::write(&file, format!("{first}\n{second}\n")).unwrap();
    let data = data.to_str().unwrap();
    assert!(qingshan(&["import", "--data", data, file.to_str().unwrap()]).status.success());

    let database = Cluster::shared().database();
    let copied = qingshan(&["copy", "--from", data, "--to", &database.url()]);
    assert!(copied.status.success(), "{}", said(&copied));
    let again = qingshan(&["copy", "--from", data, "--to", &database.url()]);
    assert!(!again.status.success(), "a record is copied into an empty one only");

    let server = Server::start(&["--open", "--data", data, "--database", &database.url()]);
    let (status, body) = server.ask("GET", "/fhir/Patient/a/_history/1", &[], "");
    assert_eq!(status, 200);
    assert!(body.contains(r#""active":true"#), "{body}");
    let (_, body) = server.ask("GET", "/fhir/Patient/a", &[], "");
    assert!(body.contains(r#""active":false"#), "{body}");
}

#[test]
fn a_server_without_sign_in_does_not_listen_where_others_can_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = qingshan(&["serve", "--open", "--listen", "0.0.0.0:0", "--data", folder.path().to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(said(&output).contains("loopback"), "{}", said(&output));
}
