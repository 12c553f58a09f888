//! Sign-in as people and machines meet it at the port: TLS, restarts, and a log that keeps secrets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

use crate::serve::Server;
use crate::{qingshan, said};

const JSON: &str = "Content-Type: application/json";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const PASSWORD: &str = "Cedar-root-41";

/// What a program prints when it ends well.
fn printed(words: &[&str]) -> String {
    let output = qingshan(words);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).expect("it prints text").trim().to_owned()
}

/// The value of a member of a JSON text.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("no {name} in {json}"));
    rest.split('"').next().unwrap_or_default()
}

/// A record with a practitioner at a clinic, whose account has this password; and the password before it.
fn record(folder: &Path) -> (String, String) {
    let data = folder.join("record").to_str().expect("a path is text").to_owned();
    let file = folder.join("people.ndjson");
    let people = [
        r#"{"resourceType":"Organization","id":"clinic","name":"柳巷社区卫生服务中心"}"#,
        r#"{"resourceType":"Practitioner","id":"wen"}"#,
        r#"{"resourceType":"PractitionerRole","id":"wen","practitioner":{"reference":"Practitioner/wen"},"organization":{"reference":"Organization/clinic"}}"#,
    ];
    std::fs::write(&file, people.join("\n")).expect("a file is written");
    printed(&["import", "--data", &data, file.to_str().expect("a path is text")]);
    let add = ["account", "add", "--data", &data, "--login", "wen", "--name", "文", "--practitioner", "wen"];
    let given = printed(&add);
    (data, given)
}

#[test]
fn what_people_and_machines_prove_themselves_with_is_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, given) = record(folder.path());
    let secret = printed(&["client", "add", "--data", &data, "--id", "lab", "--scope", "system/*.rs"]);
    let server = Server::start_with(&["--data", &data], &[("QINGSHAN__LOG__FILTER", "trace")]);
    let change = format!(r#"{{"login":"wen","old":"{given}","new":"{PASSWORD}"}}"#);
    let (status, headers, body) = server.whole("POST", "/auth/password", &[JSON], &change);
    assert_eq!(status, 200, "{body}");
    let csrf = member(&body, "csrf").to_owned();
    let cookies = cookies(&headers);
    let wrong = r#"{"login":"13900000000","password":"Wrong-root-42"}"#;
    assert_eq!(server.ask("POST", "/auth/sign-in", &[JSON], wrong).0, 401);
    let form = format!("grant_type=client_credentials&client_id=lab&client_secret={secret}");
    let token = server.ask("POST", "/auth/token", &[FORM], &form).1;
    let token = member(&token, "access_token").to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(server.ask("GET", "/fhir/Patient?_count=1", &[&bearer], "").0, 200);
    assert_eq!(server.ask("GET", "/fhir/Patient", &["Authorization: Bearer 0123456789abcdef"], "").0, 401);
    let cookie = format!("Cookie: {}", cookies.join("; "));
    assert_eq!(server.ask("GET", "/auth/session", &[&cookie], "").0, 200);
    let log = server.whole_log();
    assert!(log.contains("stopped"), "the log is whole: {log}");
    let values = cookies.iter().map(|cookie| cookie.split('=').nth(1).unwrap());
    let secrets = [&given, PASSWORD, "Wrong-root-42", "13900000000", &secret, &token, "0123456789abcdef", &csrf];
    for secret in secrets.into_iter().chain(values) {
        assert!(!secret.is_empty() && !log.contains(secret), "a secret is logged");
    }
}

#[test]
fn a_session_outlives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (data, given) = record(folder.path());
    let server = Server::start(&["--data", &data]);
    let change = format!(r#"{{"login":"wen","old":"{given}","new":"{PASSWORD}"}}"#);
    let (status, headers, body) = server.whole("POST", "/auth/password", &[JSON], &change);
    assert_eq!(status, 200, "{body}");
    assert!(server.terminate());
    let server = Server::start(&["--data", &data]);
    let cookie = format!("Cookie: {}", cookies(&headers).join("; "));
    let (status, body) = server.ask("GET", "/auth/session", &[&cookie], "");
    assert_eq!((status, member(&body, "post")), (200, "wen"));
}

#[test]
fn the_port_speaks_tls_and_plain_http_only_where_nobody_else_can_listen() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let settings = folder.path().join("settings.toml");
    let files = [("certificate", &certificate), ("key", &key)].map(|(name, path)| format!("{name} = {path:?}"));
    std::fs::write(&settings, format!("[tls]\n{}\n", files.join("\n"))).unwrap();
    let data = folder.path().join("record");
    let server = Server::start(&["--settings", settings.to_str().unwrap(), "--data", data.to_str().unwrap()]);

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certified.cert.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    // Somebody who connects and says nothing holds up nobody.
    let _silent = TcpStream::connect(&server.address).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(&server.address).unwrap());
    stream.write_all(b"GET /.well-known/smart-configuration HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    // Some end the connection without ending TLS first; the answer is whole all the same.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.contains("200 OK") && answer.contains("https://localhost/auth/token"), "{answer}");

    let open = qingshan(&["serve", "--listen", "0.0.0.0:0", "--data", data.to_str().unwrap()]);
    assert!(!open.status.success() && said(&open).contains("[tls]"), "{}", said(&open));
    let mismatched = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&key, mismatched.signing_key.serialize_pem()).unwrap();
    let refused = qingshan(&["--settings", settings.to_str().unwrap(), "serve", "--data", data.to_str().unwrap()]);
    assert!(!refused.status.success() && said(&refused).contains("belong together"), "{}", said(&refused));
}

/// The cookies that an answer sets.
fn cookies(headers: &str) -> Vec<String> {
    let set = headers.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    set.map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned()).collect()
}
