//! Pages while others write.

use std::collections::BTreeSet;

use fhir::Value;
use record::{Action, Change, Key, ResourceType, Session, Target};
use testkit::place::{Place, on_both};

use crate::{next, request};

/// Observations there are at first.
const FIRST: usize = 120;

fn name(number: usize) -> String {
    format!("o{number:04}")
}

fn observation(number: usize, day: usize, status: &str) -> Value {
    let text = format!(
        r#"{{"resourceType":"Observation","id":"{}","status":"{status}","code":{{"text":"体温"}},
            "effectiveDateTime":"2026-{:02}-{:02}"}}"#,
        name(number),
        day / 28 % 12 + 1,
        day % 28 + 1,
    );
    fhir::json::parse(text.as_bytes()).unwrap()
}

fn put(number: usize, day: usize, status: &str) -> Change {
    let key = Key::new(ResourceType::named("Observation").unwrap(), name(number));
    let resource = observation(number, day, status);
    Change::new(Action::Update { target: Target::Key(key), resource, if_match: None, if_absent: false })
}

fn remove(number: usize) -> Change {
    let key = Key::new(ResourceType::named("Observation").unwrap(), name(number));
    Change::new(Action::Delete { target: Target::Key(key), if_match: None })
}

/// What others do between two pages: of every ten, one is deleted, one no longer matches, two move to another place
/// in the order, and new ones come that match.
async fn meddle(session: &Session, page: usize) {
    let group = page % (FIRST / 10) * 10;
    let changes = vec![
        remove(group + 1),
        put(group + 3, group + 3, "cancelled"),
        put(group + 5, FIRST * 2 - group, "final"),
        put(group + 7, 0, "final"),
        put(FIRST + page * 2, page, "final"),
        put(FIRST + page * 2 + 1, FIRST - page, "final"),
    ];
    session.transact(changes).await.unwrap();
}

async fn page_through(place: &Place, query: &str) {
    let session = place.session();
    session.transact((0..FIRST).map(|number| put(number, number, "final")).collect()).await.unwrap();
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut wanted = Some(request(query));
    while let Some(request) = wanted {
        let page = session.search(&request).await.unwrap();
        seen.extend(page.matches.iter().map(|version| version.key.id.clone()));
        wanted = next(&request, &page);
        // New ones keep coming, and a search in the order of storage sees them, so at some point they must stop.
        if pages < FIRST / 10 {
            meddle(&session, pages).await;
        }
        pages += 1;
    }
    assert!(pages > FIRST / 20, "{query} has {pages} pages");
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "{query}: something comes twice");
    let throughout = (0..FIRST).filter(|number| !matches!(number % 10, 1 | 3)).map(name);
    let missed: Vec<String> = throughout.filter(|name| !once.contains(name)).collect();
    assert!(missed.is_empty(), "{query} misses {missed:?}, which matched throughout");
}

#[test]
fn a_page_repeats_nothing_and_misses_nothing_that_matched_throughout() {
    for query in [
        "Observation?status=final&_count=10",
        "Observation?status=final&_sort=date&_count=10",
        "Observation?status=final&_sort=-date&_count=10",
        "Observation?status=final&_sort=-_lastUpdated&_count=10",
        "Observation?status=final&_sort=_id&_count=10",
        "Observation?date=ge2026&status:not=cancelled&_count=10",
    ] {
        on_both(async |place| page_through(&place, query).await);
    }
}
