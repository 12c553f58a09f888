//! Histories made by chance: whatever happens in whatever order, no run is lost, doubled or in two hands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir::Category;
use jiff::tz::Offset;
use protocol::run::{Party, Reason, WorkStatus};
use protocol::task::{self, Frame};
use protocol::{Deed, Effect, Engine, Event, Protocol, Run, Start, step};
use testkit::dice::Dice;
use testkit::place::on_both;

use crate::{Town, beginning, complete, library, read, text};

/// Histories judged without a record.
const HISTORIES: u64 = 10_000;
/// Runs that many act on at once, on each database.
const RUNS: usize = 6;
/// Who acts on them at once.
const ACTORS: u64 = 6;
/// What each of them tries.
const DEEDS: usize = 25;

const MINUTE: i64 = 60_000_000;

fn reason(dice: &mut Dice) -> Option<Reason> {
    dice.chance(0.8).then(|| Reason { code: "no-bed".to_owned(), text: None })
}

/// Something somebody might try, sensible or not.
fn attempt(dice: &mut Dice, protocol: &Protocol, run: &Run, now: i64) -> Deed {
    // Mostly a step that is open, sometimes one that is not.
    let open: Vec<(String, u32)> = run.open().map(|work| (work.step.clone(), work.n)).collect();
    let (step, n) = match open.is_empty() || dice.chance(0.2) {
        true => (dice.pick(&protocol.steps).code.to_string(), 1 + dice.below(2) as u32),
        false => dice.pick(&open).clone(),
    };
    match dice.below(16) {
        0..=5 => {
            let outcomes = protocol.step(&step).map(|step| step.outcomes.as_slice()).unwrap_or_default();
            let outcome = (!outcomes.is_empty()).then(|| dice.pick(outcomes).code.to_string());
            let reason = reason(dice);
            Deed::Complete { step, n, outcome, reason, response: None, at: None, bind: BTreeMap::new() }
        }
        6 => Deed::Take { step, n },
        7 => {
            let reference = format!("Organization/{}", dice.below(3));
            Deed::Hand { step, n, party: Party { reference, display: None } }
        }
        8 => Deed::Acknowledge { step, n },
        9 => Deed::Skip { step, n, reason: Reason { code: "x".to_owned(), text: None } },
        10..=11 => {
            let source = format!("Encounter/{}", dice.below(3));
            Deed::Fact { step: None, milestone: Some("arrived".to_owned()), source, at: now - MINUTE, said: None }
        }
        12 => {
            let source = format!("DiagnosticReport/{}", dice.below(3));
            Deed::Fact { step: Some(("report".to_owned(), 1)), milestone: None, source, at: now, said: None }
        }
        13 => {
            let milestone = dice.pick(&protocol.milestones).code.to_string();
            Deed::Correct {
                milestone,
                n: 1,
                at: now - dice.between(0, 300) * MINUTE,
                reason: "typed".to_owned(),
                signed: None,
            }
        }
        14 if dice.chance(0.5) => Deed::Regrade { class: "routine".to_owned(), reason: "calm".to_owned() },
        14 if dice.chance(0.3) => Deed::Cancel { reason: Reason { code: "patient".to_owned(), text: None } },
        _ => match run.due(protocol, Offset::UTC) {
            Some(due) => Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at },
            None => Deed::Look,
        },
    }
}

/// What must be so wherever a run stands.
fn is_whole(protocol: &Protocol, run: &Run) {
    let owner = run.owner.as_deref().expect("it is somebody's from its first milestone on");
    assert!(protocol.role(owner).is_some());
    let mut steps = BTreeSet::new();
    for work in &run.steps {
        assert!(steps.insert((&work.step, work.n)), "a step is there twice");
    }
    let done = |outcome: &str| {
        run.steps.iter().filter(|work| work.step == "review" && work.outcome.as_deref() == Some(outcome)).count()
    };
    let reached = |code: &str| run.occurrences(code) as usize;
    assert_eq!(done("accept"), reached("accepted"), "as often accepted as somebody accepted");
    assert_eq!(done("reject"), reached("rejected"));
    assert!(reached("rejected") + reached("closed") <= 1, "it ends in one way");
    for milestone in &protocol.milestones {
        let counted = run.milestones.iter().filter(|one| one.code == milestone.code.as_str() && !one.superseded);
        let mut numbers: Vec<u32> = counted.map(|one| one.n).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=run.occurrences(&milestone.code)).collect::<Vec<_>>(), "each occurrence counts once");
    }
    for ticking in &run.clocks {
        let fired: BTreeSet<u32> = ticking.fired.iter().copied().collect();
        assert_eq!(fired.len(), ticking.fired.len(), "a point fires once");
    }
    if run.end.is_some() {
        assert_eq!(run.open().count(), 0, "nothing is open after the end");
        assert!(run.clocks.iter().all(|ticking| ticking.stopped.is_some()));
        assert_eq!(run.due(protocol, Offset::UTC), None);
    }
}

fn is_once_only(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Complete { .. }
            | Deed::Take { .. }
            | Deed::Skip { .. }
            | Deed::Acknowledge { .. }
            | Deed::Fact { .. }
            | Deed::Tick { .. }
            | Deed::Cancel { .. }
            | Deed::Look
    )
}

#[test]
fn in_any_order_of_acts_timers_and_repetitions_a_run_stays_whole() {
    let protocol = read(include_str!("referral.toml"));
    let mut ends = BTreeMap::<_, u32>::new();
    for seed in 0..HISTORIES {
        let mut dice = Dice::new(seed);
        let mut now = 1_777_852_800_000_000;
        let parties = ["referrer", "receiver"]
            .map(|role| (role.to_owned(), Party { reference: format!("Organization/{role}"), display: None }));
        let first = Run {
            id: "r".to_owned(),
            protocol: "referral".to_owned(),
            version: "1".to_owned(),
            chain: "r".to_owned(),
            class: Some("urgent".to_owned()),
            parties: parties.into(),
            began: now,
            ..Run::default()
        };
        let mut run = first.clone();
        let mut taken_in: Vec<(Event, i64)> = Vec::new();
        for turn in 0..30 {
            now += dice.between(0, 40) * MINUTE;
            let deed = match turn {
                0 => Deed::Begin { reach: vec![("submitted".to_owned(), now).into()] },
                _ if dice.chance(0.15) => dice.pick(&taken_in).0.deed.clone(),
                _ => attempt(&mut dice, &protocol, &run, now),
            };
            if turn > 0 && matches!(deed, Deed::Begin { .. }) {
                continue;
            }
            let by = format!("Practitioner/{}", dice.below(3));
            let answers = if dice.chance(0.1) { BTreeMap::from([("bed".to_owned(), true)]) } else { BTreeMap::new() };
            let event = Event { by, deed, answers, instants: BTreeMap::new() };
            let before = run.clone();
            let Ok((after, effects)) = step(&protocol, &run, &event, now) else {
                assert_eq!(run, before);
                continue;
            };
            is_whole(&protocol, &after);
            let begun = effects.iter().filter(|effect| matches!(effect, Effect::Begin { step: Some(_), .. })).count();
            let asked = |run: &Run| run.steps.iter().filter(|work| work.step == "transport").count();
            assert_eq!(begun, asked(&after) - asked(&run), "each time a step asks for a run, one is begun");
            if is_once_only(&event.deed) {
                match step(&protocol, &after, &event, now) {
                    Ok((again, effects)) => {
                        assert!(again == after && effects.is_empty(), "seed {seed}: {event:?} counted twice")
                    }
                    Err(error) => assert!(matches!(error.category(), Category::Conflict | Category::Invalid)),
                }
            }
            run = after;
            taken_in.push((event, now));
        }
        let rebuilt = taken_in.iter().fold(first, |run, (event, at)| step(&protocol, &run, event, *at).unwrap().0);
        assert_eq!(rebuilt, run, "seed {seed}");
        let frame = Frame { requester: None, zone: Offset::UTC };
        assert_eq!(task::run(&task::root(&protocol, &run, &frame, &[]).unwrap()).unwrap(), run, "seed {seed}");
        *ends.entry(run.end.map(|end| format!("{end:?}"))).or_default() += 1;
    }
    assert!(ends.len() >= 4, "histories end in many ways: {ends:?}");
}

/// What is stored of a run besides its root Task says the same as the run.
async fn is_shown_as_it_is(town: &Town, run: &Run) {
    for work in &run.steps {
        let shown = town.read("Task", &task::work_id(&run.id, &work.step, work.n)).await.unwrap();
        let expected = match work.status {
            WorkStatus::Ready => "ready",
            WorkStatus::Taken => "in-progress",
            WorkStatus::Done => "completed",
            WorkStatus::Skipped => "rejected",
            WorkStatus::Cancelled => "cancelled",
        };
        assert_eq!(text(&shown, "status"), expected, "{} {}", run.id, work.step);
    }
    let mut counted = 0;
    for one in &run.milestones {
        let first = town.read("Observation", &format!("{}.m.{}.{}", run.id, one.code, one.n)).await;
        assert!(first.is_some(), "{} {}", run.id, one.code);
        counted += usize::from(!one.superseded);
    }
    let final_ones = town
        .all("Observation")
        .await
        .into_iter()
        .filter(|one| text(one, "status") == "final" && text(one, "id").starts_with(&format!("{}.m.", run.id)));
    assert_eq!(final_ones.count(), counted, "{}", run.id);
}

#[test]
fn many_who_act_at_once_in_processes_that_die_leave_every_run_whole() {
    on_both(async |place| {
        let town = Arc::new(Town::of(place).await);
        town.engine.prepare().await.unwrap();
        town.place.clock.pass(10);
        while town.place.record.index_due().await.unwrap() {}
        town.engine.caught_up().await.unwrap();
        for number in 0..RUNS {
            let start = Start { id: Some(format!("r{number}")), ..beginning() };
            town.engine.start(&town.machine(), start).await.unwrap();
        }
        // On a slow machine the crowd may come to accept nothing, and then nothing would follow that could be counted.
        town.act(&town.machine(), "r0", complete("review", 1, Some("accept"))).await.unwrap();
        let mut acting = tokio::task::JoinSet::new();
        for actor in 0..ACTORS {
            let town = Arc::clone(&town);
            acting.spawn(async move {
                let mut dice = Dice::new(actor);
                let record = if town.place.is_shared() { town.place.again().await } else { town.place.record.clone() };
                let engine = Engine::with(record, library());
                let caller = record::Caller { actor: format!("Practitioner/{actor}"), ..town.machine() };
                for _ in 0..DEEDS {
                    let id = format!("r{}", dice.below(RUNS));
                    let now = town.place.record.surroundings().clock.now();
                    let work = async {
                        match dice.below(8) {
                            0 => {
                                town.place.clock.pass(dice.between(1, 1_800));
                                engine.due(now).await.map(drop)
                            }
                            1 => engine.caught_up().await.map(drop),
                            2 => {
                                let start = Start { id: Some(id), ..beginning() };
                                engine.start(&caller, start).await.map(drop)
                            }
                            _ => {
                                let standing = engine.load(&id).await.unwrap().unwrap();
                                let deed = attempt(&mut dice, &standing.protocol, &standing.run, now);
                                engine.act(&caller, &id, deed.into()).await.map(drop)
                            }
                        }
                    };
                    // A process that dies leaves what it was at where it was: half of them are dropped on the way.
                    let done = tokio::select! {
                        biased;
                        done = work => done,
                        () = yields(actor as usize * 3 + 1), if actor % 2 == 0 => Ok(()),
                    };
                    if let Err(error) = done {
                        let expected =
                            [Category::Conflict, Category::Invalid, Category::PreconditionFailed, Category::NotFound];
                        assert!(expected.contains(&error.category()), "{error}: {:?}", error.cause());
                    }
                }
            });
        }
        while let Some(done) = acting.join_next().await {
            done.unwrap();
        }
        town.is_as_it_came_about().await;
        let roots = town.all("Task").await.into_iter().filter(task::is_root);
        let runs: Vec<Run> = roots.map(|root| task::run(&root).unwrap()).collect();
        let referral = read(include_str!("referral.toml"));
        let referrals: Vec<&Run> = runs.iter().filter(|run| run.protocol == "referral").collect();
        assert_eq!(referrals.len(), RUNS, "none is lost and none doubled");
        for run in referrals {
            is_whole(&referral, run);
            is_shown_as_it_is(&town, run).await;
            for work in run.steps.iter().filter(|work| work.step == "transport") {
                let parts = runs.iter().filter(|part| {
                    part.parent.as_ref().is_some_and(|parent| parent.run == run.id && parent.n == work.n)
                });
                let parts: Vec<&str> = parts.map(|part| part.id.as_str()).collect();
                assert_eq!(parts, [work.run.as_deref().unwrap()], "a step is one run");
            }
        }
        let appointments = town.all("Appointment").await.len();
        let accepted: u32 = runs.iter().map(|run| run.occurrences("accepted")).sum();
        assert!(accepted > 0, "what was accepted first stays accepted");
        assert_eq!(appointments, accepted as usize, "what follows from a milestone is there as often as it came about");
    });
}

/// Ready after having been asked so many times: a place to stop at that depends on no time.
async fn yields(times: usize) {
    for _ in 0..times * 20 {
        tokio::task::yield_now().await;
    }
}
