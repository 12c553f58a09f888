use bytes::Bytes;
use record::Clock;
use testkit::place::on_both;

#[test]
fn a_paper_is_found_until_it_is_taken_out_or_expires() {
    on_both(async |place| {
        let drawer = place.record.drawer("client");
        drawer.put("lab", Bytes::from_static(b"1"), None).await.unwrap();
        drawer.put("lab", Bytes::from_static(b"2"), None).await.unwrap();
        drawer.put("short", Bytes::from_static(b"3"), Some(place.clock.now() + 1_000_000)).await.unwrap();
        assert_eq!(drawer.get("lab").await.unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(drawer.names().await.unwrap(), ["lab", "short"]);
        place.clock.pass(2);
        assert_eq!(drawer.get("short").await.unwrap(), None);
        drawer.remove("lab").await.unwrap();
        assert_eq!(drawer.names().await.unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_paper_is_added_and_taken_by_one_of_all_who_try_and_names_are_found_by_their_beginning() {
    on_both(async |place| {
        let drawer = place.record.drawer("code");
        for name in ["a.1", "a.2", "ab", "b.1"] {
            drawer.put(name, Bytes::from_static(b"x"), Some(place.clock.now() + 1_000_000)).await.unwrap();
        }
        assert_eq!(drawer.names_of("a.").await.unwrap(), ["a.1", "a.2"]);
        let (one, other) = tokio::join!(drawer.take("a.1"), drawer.take("a.1"));
        let taken = [one.unwrap(), other.unwrap()];
        assert_eq!(taken.iter().flatten().count(), 1);
        place.clock.pass(2);
        assert_eq!(drawer.take("a.2").await.unwrap(), None, "it has expired");
        let until = Some(place.clock.now() + 1_000_000);
        assert!(drawer.add("ab", Bytes::from_static(b"1"), until).await.unwrap(), "what has expired is not there");
        assert!(!drawer.add("ab", Bytes::from_static(b"2"), until).await.unwrap());
        assert_eq!(drawer.get("ab").await.unwrap().as_deref(), Some(&b"1"[..]));
    });
}

#[test]
fn a_due_job_is_given_to_one_claimant_and_again_when_its_lease_ends() {
    on_both(async |place| {
        let jobs = place.record.jobs("letter");
        let now = place.clock.now();
        jobs.add(now - 5, Bytes::from_static(b"early")).await.unwrap();
        jobs.add(now + 60_000_000, Bytes::from_static(b"late")).await.unwrap();
        let first = jobs.claim(now, 10_000_000, 10).await.unwrap();
        assert_eq!(first.iter().map(|job| (&job.body[..], job.attempts)).collect::<Vec<_>>(), [(&b"early"[..], 0)]);
        assert_eq!(jobs.claim(now, 10_000_000, 10).await.unwrap(), []);
        let second = jobs.claim(now + 10_000_000, 10_000_000, 10).await.unwrap();
        assert_eq!(second.iter().map(|job| job.attempts).collect::<Vec<_>>(), [1]);
        jobs.done(&second[0]).await.unwrap();
        let last = jobs.claim(now + 120_000_000, 10_000_000, 10).await.unwrap();
        assert_eq!(last.iter().map(|job| &job.body[..]).collect::<Vec<_>>(), [&b"late"[..]]);
    });
}

#[test]
fn of_two_who_replace_one_paper_the_second_is_told_that_it_is_another_now() {
    on_both(async |place| {
        let drawer = place.record.drawer("account");
        let paper = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert!(!drawer.replace("lin", paper("one"), paper("two")).await.unwrap(), "there is none");
        drawer.put("lin", paper("one"), None).await.unwrap();
        assert!(drawer.replace("lin", paper("one"), paper("two")).await.unwrap());
        assert!(!drawer.replace("lin", paper("one"), paper("three")).await.unwrap());
        assert_eq!(drawer.get("lin").await.unwrap(), Some(paper("two")));
    });
}
