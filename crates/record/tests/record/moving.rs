use fhir::Category;
use record::{HistoryRequest, HistoryScope, Record};
use testkit::place::Place;

use crate::{delete, key, one, patient, update};

async fn everything(record: &Record) -> Vec<String> {
    let session = record.session(record::Caller::system("HOPERAT"));
    let request = HistoryRequest { scope: HistoryScope::System, since: None, at: None, count: 1_000, before: None };
    let history = session.history(&request).await.unwrap().versions;
    let feed = session.changes(0, 1_000).await.unwrap();
    let versions = history.iter().map(|version| format!("{version:?}"));
    versions.chain(feed.iter().map(|entry| format!("{entry:?}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_moved_to_postgres_keeps_history_and_feed_and_goes_on_from_there() {
    let (from, to) = (Place::embedded().await, Place::postgres().await);
    let session = from.session();
    for (id, family) in [("a", "韩"), ("b", "杨"), ("a", "朱")] {
        one(&session, update("Patient", id, patient(id, family), None)).await.unwrap();
        from.clock.pass(1);
    }
    one(&session, delete("Patient", "b")).await.unwrap();
    from.record.drawer("client").put("lab", "1".into(), None).await.unwrap();
    let mut told = Vec::new();
    from.record.copy_to(&to.record, |table, rows| told.push((table, rows))).await.unwrap();
    assert!(told.contains(&("feed", 4)), "{told:?}");

    let moved = to.again().await;
    assert_eq!(everything(&moved).await, everything(&from.record).await);
    assert_eq!(moved.drawer("client").get("lab").await.unwrap().as_deref(), Some(&b"1"[..]));

    let session = moved.session(from.session().caller().clone());
    let next = one(&session, update("Patient", "a", patient("a", "秦"), Some(2))).await.unwrap();
    assert_eq!(next.version.unwrap().version, 3);
    one(&session, update("Patient", "c", patient("c", "尤"), None)).await.unwrap();
    let feed: Vec<u64> = session.changes(0, 100).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(feed, [1, 2, 3, 4, 5, 6]);
    assert!(session.read(&key("Patient", "c")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_not_copied_over_another() {
    let (from, to) = (Place::embedded().await, Place::postgres().await);
    one(&to.session(), update("Patient", "a", patient("a", "许"), None)).await.unwrap();
    let error = from.record.copy_to(&to.record, |_, _| {}).await.unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
    assert!(to.session().read(&key("Patient", "a")).await.unwrap().is_some());
}
