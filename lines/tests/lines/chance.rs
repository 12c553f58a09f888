//! Referrals made by chance: whoever does whatever in whatever order, nobody is lost, doubled or in two hands.

use std::collections::{BTreeMap, BTreeSet};

use fhir::Category;
use protocol::run::{Brought, Deed, Party, Reason};
use protocol::task::{self, Frame};
use protocol::{Effect, Event, Protocol, Run, step};
use testkit::dice::Dice;

use crate::folders;
use crate::stage::{PLATFORM, zone};
use crate::story::owned;

/// Chains of referrals that are played.
const HISTORIES: u64 = 10_000;
/// What happens in each.
const TURNS: usize = 28;
/// 2026-11-02T09:00:00+08:00, a Monday.
const START: i64 = 1_793_581_200_000_000;
const MINUTE: i64 = 60_000_000;
/// The milestones after each of which another referral of the chain follows.
const FOLLOWED: [&str; 2] = ["redirected", "down-offered"];

/// The referrals of one patient that follow from one another, with what happened to each.
struct Chain<'p> {
    protocol: &'p Protocol,
    runs: Vec<Leg>,
}

struct Leg {
    /// As it was before anything happened.
    first: Run,
    run: Run,
    taken_in: Vec<(Event, i64)>,
}

fn organization(id: &str) -> Party {
    Party { reference: format!("Organization/{id}"), display: None }
}

fn event(by: &str, deed: Deed) -> Event {
    Event { by: by.to_owned(), deed, answers: BTreeMap::new(), instants: BTreeMap::new() }
}

impl<'p> Chain<'p> {
    fn begin(protocol: &'p Protocol, dice: &mut Dice) -> Self {
        let mut chain = Self { protocol, runs: Vec::new() };
        let by_hand: Vec<_> = protocol.starts.iter().filter(|start| !start.duties.is_empty()).collect();
        let start = *dice.pick(&by_hand);
        let parties = ["referrer", "receiver", "office", "chief"];
        let mut parties: BTreeMap<String, Party> =
            parties.map(|role| (role.to_owned(), organization(role))).into_iter().collect();
        parties.insert("family".to_owned(), Party { reference: "Patient/p".to_owned(), display: None });
        parties.insert("platform".to_owned(), Party { reference: PLATFORM.to_owned(), display: None });
        // Nobody need be named for these: they fall back to others.
        parties.retain(|role, _| !matches!(role.as_str(), "office" | "chief") || dice.chance(0.5));
        let class = dice.pick(&protocol.classes).code.to_string();
        let reach = start.reach.iter().map(|code| Brought::from((code.to_string(), START))).collect();
        chain.enter(parties, Some(class), reach, START);
        chain
    }

    fn enter(&mut self, parties: BTreeMap<String, Party>, class: Option<String>, reach: Vec<Brought>, now: i64) {
        let first = Run {
            id: format!("r{}", self.runs.len()),
            protocol: self.protocol.code.to_string(),
            version: self.protocol.version.clone(),
            chain: "r0".to_owned(),
            class,
            parties,
            began: now,
            ..Run::default()
        };
        self.runs.push(Leg { run: first.clone(), first, taken_in: Vec::new() });
        let last = self.runs.len() - 1;
        self.happens(last, event("Practitioner/1", Deed::Begin { reach }), now).expect("a referral can begin");
    }

    /// What happens to one referral, and the referrals that follow from it.
    fn happens(&mut self, at: usize, event: Event, now: i64) -> Result<(), fhir::Error> {
        let (after, effects) = step(self.protocol, &self.runs[at].run, &event, now)?;
        if is_once_only(&event.deed) {
            match step(self.protocol, &after, &event, now) {
                Ok((again, effects)) => assert!(again == after && effects.is_empty(), "{event:?} counted twice"),
                Err(error) => assert!(matches!(error.category(), Category::Conflict | Category::Invalid), "{error}"),
            }
        }
        self.runs[at].run = after;
        self.runs[at].taken_in.push((event, now));
        for effect in effects {
            let Effect::Begin { next, .. } = effect else { continue };
            let from = self.runs[at].run.clone();
            let bound = self.protocol.roles.iter().filter_map(|role| {
                let source = next.roles.get(role.code.as_str()).unwrap_or(&role.code);
                Some((role.code.to_string(), from.party(self.protocol, source)?.clone()))
            });
            let start = self.protocol.starts.iter().find(|start| start.code == next.start);
            let start = start.expect("what follows begins in a way there is");
            let kept: Vec<Brought> = next.keep.iter().filter_map(|code| Some(from.reached(code)?.into())).collect();
            let own = start.reach.iter().map(|code| Brought::from((code.to_string(), now)));
            let class = next.class.as_ref().map(ToString::to_string).or(from.class.clone());
            let (parties, reach) = (bound.collect(), kept.into_iter().chain(own).collect());
            self.enter(parties, class, reach, now);
        }
        Ok(())
    }

    /// Something somebody might try on one of the referrals, sensible or not.
    fn attempt(&self, dice: &mut Dice, at: usize, now: i64) -> Event {
        let (protocol, run) = (self.protocol, &self.runs[at].run);
        let open: Vec<(String, u32)> = run.open().map(|work| (work.step.clone(), work.n)).collect();
        let (code, n) = match open.is_empty() || dice.chance(0.1) {
            true => (dice.pick(&protocol.steps).code.to_string(), 1 + dice.below(2) as u32),
            false => dice.pick(&open).clone(),
        };
        let coded = |dice: &mut Dice, code: &str| Reason {
            code: if dice.chance(0.9) { code.to_owned() } else { String::new() },
            text: None,
        };
        let deed = match dice.below(20) {
            0..=9 => {
                let outcomes = protocol.step(&code).map(|step| step.outcomes.as_slice()).unwrap_or_default();
                let outcome = (!outcomes.is_empty()).then(|| dice.pick(outcomes));
                let bind = outcome.into_iter().flat_map(|outcome| outcome.bind.keys());
                let bind = bind.map(|role| (role.clone(), organization(&format!("other-{}", dice.below(3))))).collect();
                Deed::Complete {
                    step: code,
                    n,
                    outcome: outcome.map(|outcome| outcome.code.to_string()),
                    reason: dice.chance(0.9).then(|| coded(dice, "no-bed")),
                    response: Some("QuestionnaireResponse/given".to_owned()),
                    at: None,
                    bind,
                }
            }
            10 => Deed::Take { step: code, n },
            11 => Deed::Hand { step: code, n, party: organization("other-0") },
            12 => Deed::Acknowledge { step: code, n },
            13..=14 => {
                let facts: Vec<_> = protocol.milestones.iter().filter(|one| !one.facts.is_empty()).collect();
                let milestone = Some(dice.pick(&facts).code.to_string());
                let source = format!("Encounter/{}", dice.below(4));
                Deed::Fact { step: None, milestone, source, at: now - MINUTE, said: None }
            }
            15 => {
                let milestone = dice.pick(&protocol.milestones).code.to_string();
                let at = now - dice.between(0, 300) * MINUTE;
                Deed::Correct { milestone, n: 1, at, reason: "记录有误".to_owned(), signed: None }
            }
            16 if dice.chance(0.4) => {
                let class = dice.pick(&protocol.classes).code.to_string();
                Deed::Regrade { class, reason: "病情变化".to_owned() }
            }
            17 if dice.chance(0.2) => Deed::Cancel { reason: coded(dice, "patient") },
            _ => match run.due(protocol, zone()) {
                Some(due) => Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at },
                None => Deed::Look,
            },
        };
        let by = format!("Practitioner/{}", dice.below(4));
        let held = dice.chance(0.1).then(|| ("hold".to_owned(), now + dice.between(-60, 4_000) * MINUTE));
        Event { instants: held.into_iter().collect(), ..event(&by, deed) }
    }

    /// What must be so wherever the referrals of a patient stand.
    fn is_whole(&self, at: &str) {
        let mut expected = 1;
        for Leg { run, .. } in &self.runs {
            owned(self.protocol, run, at);
            let reached = |code: &str| run.occurrences(code);
            assert!(reached("accepted") <= 1, "{at}: {} was accepted by two", run.id);
            assert!(reached("accepted") + reached("rejected") <= 1, "{at}: {} was accepted and refused", run.id);
            let ends = self.protocol.milestones.iter().filter(|one| one.ends.is_some());
            let ended: Vec<&str> = ends.map(|one| one.code.as_str()).filter(|code| reached(code) > 0).collect();
            assert!(ended.len() <= 1 && ended.is_empty() == run.end.is_none(), "{at}: {} ended by {ended:?}", run.id);
            expected += FOLLOWED.iter().map(|code| reached(code) as usize).sum::<usize>();
            let mut steps = BTreeSet::new();
            assert!(run.steps.iter().all(|work| steps.insert((&work.step, work.n))), "{at}: a step is there twice");
            for ticking in &run.clocks {
                let fired: BTreeSet<u32> = ticking.fired.iter().copied().collect();
                assert_eq!(fired.len(), ticking.fired.len(), "{at}: a point of {} fired twice", ticking.clock);
                assert!(run.end.is_none() || ticking.stopped.is_some(), "{at}: {} runs on", ticking.clock);
            }
            assert!(run.end.is_none() || run.open().count() == 0, "{at}: something is open after the end");
        }
        assert_eq!(self.runs.len(), expected, "{at}: of those passed on one is lost or doubled");
        // Who is sent one way is sent so by one referral at a time.
        for way in ["up", "down", "lateral", "alliance"] {
            let open = self.runs.iter().filter(|leg| leg.run.end.is_none() && leg.run.reached(way).is_some());
            let open: Vec<&str> = open.map(|leg| leg.run.id.as_str()).collect();
            assert!(open.len() <= 1, "{at}: {open:?} are open {way} at once");
        }
    }
}

fn is_once_only(deed: &Deed) -> bool {
    !matches!(deed, Deed::Begin { .. } | Deed::Correct { .. } | Deed::Regrade { .. } | Deed::Hand { .. })
}

#[test]
fn in_any_order_of_acts_timers_and_repetitions_no_referral_is_lost_doubled_or_in_two_hands() {
    let line = folders::line("referral");
    let protocol = line.protocol("referral").expect("the line has it");
    let mut ends = BTreeMap::<_, u32>::new();
    let mut longest = 0;
    for seed in 0..HISTORIES {
        let (mut dice, at) = (Dice::new(seed), format!("seed {seed}"));
        let mut chain = Chain::begin(protocol, &mut dice);
        let mut now = START;
        for _ in 0..TURNS {
            now += dice.between(0, 90) * MINUTE;
            // Mostly on the referral that came last, sometimes on one that is over.
            let leg = if dice.chance(0.7) { chain.runs.len() - 1 } else { dice.below(chain.runs.len()) };
            let event = match dice.chance(0.1) {
                true => dice.pick(&chain.runs[leg].taken_in).0.clone(),
                false => chain.attempt(&mut dice, leg, now),
            };
            if !matches!(event.deed, Deed::Begin { .. }) && chain.happens(leg, event, now).is_ok() {
                chain.is_whole(&at);
            }
        }
        longest = longest.max(chain.runs.len());
        let frame = Frame { requester: None, zone: zone() };
        for Leg { first, run, taken_in } in &chain.runs {
            let fold = |run: Run, (event, at): &(Event, i64)| {
                step(protocol, &run, event, *at).expect("what was taken in is taken in again").0
            };
            assert_eq!(&taken_in.iter().fold(first.clone(), fold), run, "{at}: folded from its history");
            let stored = task::root(protocol, run, &frame, &[]).expect("a run is a Task");
            assert_eq!(&task::run(&stored).expect("and comes back"), run, "{at}: as a Task");
            *ends.entry(run.end.map(|end| format!("{end:?}"))).or_default() += 1;
        }
    }
    assert!(
        ends.len() == 5 && longest >= 4,
        "referrals go and end in every way: {ends:?}, at most {longest} in a chain"
    );
}
