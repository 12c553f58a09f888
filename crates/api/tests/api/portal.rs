//! The files browsers load, beside the record they show.

use axum::http::Method;
use testkit::place::Place;

use crate::{Door, Reply};

const SCREEN: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn door() -> Door {
    let script = "export const name = 'Qingshan';\n".repeat(100);
    let files = [
        ("index.html".to_owned(), b"<!doctype html><title>Qingshan</title>".to_vec()),
        ("assets/main-1a2b3c.js".to_owned(), script.into_bytes()),
    ];
    let portal = api::Portal::new(files).unwrap();
    Door::with(Place::embedded().await, |settings| settings.portal = Some(portal))
}

async fn get(door: &Door, path: &str, headers: &[(&str, &str)]) -> Reply {
    door.ask(Method::GET, path, headers, b"").await
}

#[tokio::test]
async fn every_screen_begins_with_the_first_page_which_is_asked_for_anew_each_time() {
    let door = door().await;
    for path in ["/", "/patients/new", "/patients/1?from=list"] {
        let reply = get(&door, path, &[SCREEN]).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert!(reply.header("content-security-policy").contains("default-src 'self'"));
        let tag = reply.header("etag").to_owned();
        let again = get(&door, path, &[SCREEN, ("if-none-match", &tag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    }
}

#[tokio::test]
async fn hashed_files_are_kept_for_good_and_travel_compressed() {
    let door = door().await;
    let plain = get(&door, "/assets/main-1a2b3c.js", &[]).await;
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    let packed = get(&door, "/assets/main-1a2b3c.js", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() * 4 < plain.body.len());
    let head = door.ask(Method::HEAD, "/assets/main-1a2b3c.js", &[], b"").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn what_is_not_there_is_never_answered_with_a_page() {
    let door = door().await;
    assert_eq!(get(&door, "/assets/main-older.js", &[SCREEN]).await.status, 404);
    assert_eq!(get(&door, "/robots.txt", &[("accept", "*/*")]).await.status, 404);
    assert_eq!(get(&door, "/../../etc/passwd", &[("accept", "*/*")]).await.status, 404);
    assert_eq!(door.ask(Method::POST, "/patients/new", &[SCREEN], b"").await.status, 405);
}

#[tokio::test]
async fn the_record_is_not_hidden_behind_the_portal() {
    let door = door().await;
    get(&door, "/fhir/Robot/1", &[SCREEN]).await.refused(404, "not-supported");
    assert_eq!(get(&door, "/health", &[SCREEN]).await.body, b"ok");
}

#[test]
fn a_folder_without_a_first_page_is_no_portal() {
    let refused = api::Portal::new([("main.js".to_owned(), Vec::new())]).unwrap_err();
    assert!(refused.to_string().contains("index.html"), "{refused}");
}
