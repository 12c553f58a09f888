use std::collections::BTreeMap;

use jiff::tz::Offset;
use testkit::dice::Dice;

use super::*;
use crate::run::{Brought, Deed, Event, Grounds, MovedPoint, Party, Reason};

fn text(dice: &mut Dice) -> String {
    let all = ["bed", "review", "no-bed", "转诊", "a b", "x\"y", "Practitioner/7", "client/lab", "ü.1"];
    (*dice.pick(&all)).to_owned()
}

fn code(dice: &mut Dice) -> String {
    (*dice.pick(&["bed", "review", "no-bed", "ct", "accepted"])).to_owned()
}

fn maybe<T>(dice: &mut Dice, value: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    if dice.chance(0.5) { Some(value(dice)) } else { None }
}

fn some<T>(dice: &mut Dice, value: impl Fn(&mut Dice) -> T) -> Vec<T> {
    (0..dice.below(4)).map(|_| value(dice)).collect()
}

fn time(dice: &mut Dice) -> i64 {
    dice.between(1_000_000_000_000_000, 2_000_000_000_000_000)
}

fn number(dice: &mut Dice) -> u32 {
    dice.below(9) as u32
}

fn party(dice: &mut Dice) -> Party {
    let reference = format!("Organization/{}", dice.below(9));
    Party { reference, display: maybe(dice, text) }
}

fn reason(dice: &mut Dice) -> Reason {
    Reason { code: code(dice), text: maybe(dice, text) }
}

fn end(dice: &mut Dice) -> End {
    *dice.pick(&[End::Completed, End::Rejected, End::Cancelled, End::Failed])
}

fn pairs<T>(dice: &mut Dice, value: impl Fn(&mut Dice) -> T) -> BTreeMap<String, T> {
    some(dice, |dice| (code(dice), value(dice))).into_iter().collect()
}

fn reached(dice: &mut Dice) -> Reached {
    Reached {
        code: code(dice),
        n: number(dice),
        at: time(dice),
        recorded: time(dice),
        source: maybe(dice, text),
        by: text(dice),
        reason: maybe(dice, text),
        signed: maybe(dice, text),
        said: maybe(dice, time),
        superseded: dice.chance(0.3),
    }
}

fn step(dice: &mut Dice) -> Work {
    let all = [WorkStatus::Ready, WorkStatus::Taken, WorkStatus::Done, WorkStatus::Skipped, WorkStatus::Cancelled];
    Work {
        step: code(dice),
        n: number(dice),
        status: *dice.pick(&all),
        since: time(dice),
        ended: maybe(dice, time),
        outcome: maybe(dice, code),
        reason: maybe(dice, reason),
        response: maybe(dice, text),
        party: maybe(dice, party),
        by: maybe(dice, text),
        acknowledged: some(dice, |dice| (text(dice), time(dice))),
        run: maybe(dice, code),
        asked: number(dice),
    }
}

fn ticking(dice: &mut Dice) -> Ticking {
    Ticking {
        clock: code(dice),
        n: number(dice),
        began: time(dice),
        base: maybe(dice, time),
        stopped: maybe(dice, time),
        cut: dice.chance(0.3),
        paused: maybe(dice, time),
        held: if dice.chance(0.5) { 0 } else { time(dice) },
        fired: some(dice, number),
    }
}

fn any_run(dice: &mut Dice) -> Run {
    Run {
        id: format!("r{}", dice.below(9)),
        protocol: "referral".to_owned(),
        version: "1.2".to_owned(),
        patient: maybe(dice, |dice| format!("Patient/{}", dice.below(9))),
        focus: maybe(dice, |dice| format!("ServiceRequest/{}", dice.below(9))),
        chain: text(dice),
        parent: maybe(dice, |dice| Parent { run: "a.b-1".to_owned(), step: code(dice), n: number(dice) }),
        class: maybe(dice, code),
        end: maybe(dice, end),
        status: maybe(dice, code),
        owner: maybe(dice, code),
        parties: pairs(dice, party),
        response: maybe(dice, |dice| format!("QuestionnaireResponse/{}", dice.below(9))),
        grounds: maybe(dice, |dice| Grounds {
            rule: format!("{}.{}", code(dice), code(dice)),
            evidence: some(dice, evidence),
        }),
        traits: pairs(dice, text),
        own: some(dice, own),
        began: time(dice),
        milestones: some(dice, reached),
        steps: some(dice, step),
        clocks: some(dice, ticking),
        answers: pairs(dice, |dice| dice.chance(0.5)),
        made: pairs(dice, |dice| format!("Appointment/{}", dice.below(9))),
    }
}

fn own(dice: &mut Dice) -> Own {
    let span = |dice: &mut Dice| Span::minutes(1 + dice.below(90) as u32);
    Own {
        clock: code(dice),
        of: format!("Organization/{}", dice.below(9)),
        limit: Limit {
            class: maybe(dice, code).map(Into::into),
            target: maybe(dice, span),
            warn: maybe(dice, span),
            breach: span(dice),
            always: dice.chance(0.5),
            source: maybe(dice, |dice| format!("规定{}", dice.below(9))),
        },
    }
}

fn evidence(dice: &mut Dice) -> Evidence {
    if dice.chance(0.5) {
        Evidence::Value(text(dice))
    } else {
        Evidence::Resource(format!("Observation/{}", dice.below(9)))
    }
}

fn brought(dice: &mut Dice) -> Brought {
    let (code, at, source) = (code(dice), time(dice), maybe(dice, text));
    Brought { code, at, source, by: maybe(dice, text), said: maybe(dice, time) }
}

fn deed(dice: &mut Dice) -> Deed {
    let (step, n) = (code(dice), number(dice));
    match dice.below(14) {
        0 => Deed::Begin { reach: some(dice, brought) },
        1 => Deed::Complete {
            step,
            n,
            outcome: maybe(dice, code),
            reason: maybe(dice, reason),
            response: maybe(dice, text),
            at: maybe(dice, time),
            bind: pairs(dice, party),
        },
        2 => Deed::Take { step, n },
        3 => Deed::Hand { step, n, party: party(dice) },
        4 => Deed::Skip { step, n, reason: reason(dice) },
        5 => Deed::Acknowledge { step, n },
        6 => Deed::Fact {
            step: maybe(dice, |dice| (code(dice), number(dice))),
            milestone: maybe(dice, code),
            source: text(dice),
            at: time(dice),
            said: maybe(dice, time),
        },
        7 => {
            let (milestone, at, reason) = (code(dice), time(dice), text(dice));
            Deed::Correct { milestone, n, at, reason, signed: maybe(dice, text) }
        }
        8 => Deed::Tick { clock: code(dice), n, point: number(dice), due: time(dice) },
        9 => Deed::Ended { run: code(dice), end: end(dice) },
        10 => Deed::Regrade { class: code(dice), reason: String::new() },
        11 => Deed::Switch { protocol: code(dice), reason: text(dice) },
        12 => Deed::Cancel { reason: Reason { code: String::new(), text: maybe(dice, text) } },
        _ if dice.chance(0.5) => Deed::Look,
        _ => Deed::Migrate {
            from: "1.1".to_owned(),
            points: vec![MovedPoint { clock: "decide".to_owned(), before: 1, after: 2 }],
        },
    }
}

fn any_event(dice: &mut Dice) -> Happened {
    let answers = pairs(dice, |dice| dice.chance(0.5));
    let event = Event { by: text(dice), deed: deed(dice), answers, instants: pairs(dice, time) };
    let begun = some(dice, |dice| (code(dice), number(dice), code(dice)));
    Happened { at: time(dice), event, made: pairs(dice, |dice| format!("Appointment/{}", dice.below(9))), begun }
}

#[test]
fn a_run_and_what_happened_to_it_come_back_from_its_task_as_they_were() {
    let validator = fhir::validate::Validator::new(
        fhir::definitions::r4(),
        fhir::validate::Options { invariants: true, advice: false, targets: false, most_issues: 9 },
    );
    let protocol = Protocol { code: "referral".into(), ..Protocol::default() };
    for seed in 0..1_000 {
        let mut dice = Dice::new(seed);
        let run = any_run(&mut dice);
        let events = some(&mut dice, any_event);
        let frame = Frame {
            requester: maybe(&mut dice, |dice| format!("PractitionerRole/{}", number(dice))),
            zone: Offset::UTC,
        };
        let task = root(&protocol, &run, &frame, &events).unwrap();
        let wrong = validator.check(&task);
        let wrong: Vec<_> = wrong.iter().filter(|issue| issue.severity == fhir::error::Severity::Error).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        assert_eq!(super::run(&task).unwrap(), run, "seed {seed}");
        assert_eq!(happened(&task).unwrap(), events, "seed {seed}");
        assert_eq!(super::frame(&task, Offset::UTC), frame, "seed {seed}");
    }
}
