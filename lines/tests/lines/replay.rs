//! Half a year of a consortium's referrals, played by pure judgement and counted twice: by the indicators of the protocol
//! over the runs, and over the list of what happened.

use std::collections::BTreeMap;

use protocol::figures::{Figure, figures};
use protocol::run::{Deed, Reason, Run};
use testkit::half_year::{DAY, Entry, Legs, Size, What, list};

use crate::folders;
use crate::paths::Answer;
use crate::stage::{Ground, Opening, PLATFORM, Stage, zone};
use crate::story::owned;

/// Plays the list.
async fn play(entries: &[Entry]) -> Stage {
    let mut stage = Stage::new(folders::line("referral").protocols, entries[0].at);
    for entry in entries {
        stage.pass(entry.at).await;
        let first = format!("c{}", entry.chain);
        let at = format!("{first}, leg {}, {:?}", entry.leg, entry.what);
        if let What::Start { way, class } = &entry.what {
            let roles = [("referrer", "Organization/clinic"), ("receiver", "Organization/hospital")];
            let roles = roles.map(|(role, party)| (role.to_owned(), party.to_owned())).into();
            let (start, class) = ((*way).to_owned(), Some((*class).to_owned()));
            let opening =
                Opening { id: first, protocol: "referral".to_owned(), start, class, roles, ..Opening::default() };
            let started = stage.start("PractitionerRole/doctor", opening).await;
            started.unwrap_or_else(|error| panic!("{at}: {error}"));
            continue;
        }
        let run = stage.chain(&first).get(entry.leg - 1).map(|run| (*run).clone());
        let run = run.unwrap_or_else(|| panic!("{at}: there is no such run"));
        let (by, deed, answers) = deed(&entry.what, &run, entry.at);
        stage.act(&run.id, by, deed, &answers).await.unwrap_or_else(|error| panic!("{at}: {error}"));
        let run = stage.runs().iter().find(|one| one.id == run.id).expect("it was just acted on");
        owned(stage.protocol("referral"), run, &at);
    }
    stage
}

fn deed(what: &What, run: &Run, at: i64) -> (&'static str, Deed, BTreeMap<String, Answer>) {
    let person = "PractitionerRole/doctor";
    let latest = |step: &str| run.steps.iter().filter(|work| work.step == step).count().max(1) as u32;
    let fact = |milestone: &str| {
        let (milestone, source) = (Some(milestone.to_owned()), format!("Encounter/{}", run.id));
        (PLATFORM, Deed::Fact { step: None, milestone, source, at, said: None }, BTreeMap::new())
    };
    match what {
        What::Opens => (person, Deed::Take { step: "review".to_owned(), n: latest("review") }, BTreeMap::new()),
        What::Does { step, outcome, reason, answers } => {
            let deed = Deed::Complete {
                step: (*step).to_owned(),
                n: latest(step),
                outcome: outcome.map(str::to_owned),
                reason: reason.map(|code| Reason { code: code.to_owned(), text: None }),
                response: Some("QuestionnaireResponse/given".to_owned()),
                at: None,
                bind: BTreeMap::new(),
            };
            let answers = answers.iter().map(|(code, answer)| (code.clone(), Answer::Text(answer.clone())));
            (person, deed, answers.collect())
        }
        What::Arrives => fact("arrived"),
        What::Leaves => fact("visit-ended"),
        What::Cancels => {
            let reason = Reason { code: "improved".to_owned(), text: None };
            (person, Deed::Cancel { reason }, BTreeMap::new())
        }
        What::Start { .. } => unreachable!("a start is no deed on a run"),
    }
}

#[tokio::test]
async fn half_a_year_of_referrals_counts_the_same_from_the_runs_as_from_the_list() {
    let (seed, size) = (723, Size::WHOLE);
    let entries = list(seed, size);
    let end = entries.last().expect("the list is not empty").at + 60 * DAY;
    let legs = Legs::read(&entries, end);
    let mut stage = play(&entries).await;
    stage.pass(end).await;

    // Nobody is lost or doubled: every leg of the list is one run, and every one has come to its end.
    assert_eq!(stage.runs().len(), legs.count());
    for chain in 0..size.chains() {
        let runs = stage.chain(&format!("c{chain}"));
        assert_eq!(runs.len(), legs.of(chain), "the legs of c{chain}");
        assert!(runs.iter().all(|run| run.end.is_some()), "c{chain} has not come to its end");
    }

    let protocol = stage.protocol("referral");
    let figures = figures(protocol, stage.runs(), stage.now(), zone());
    for counted in legs.indicators() {
        let code = counted.code;
        let found: &Figure<'_> = figures.iter().find(|one| one.code == code).expect("an indicator");
        assert_eq!(found.numerator, counted.numerator, "{code}");
        if let Some(of) = counted.denominator {
            assert_eq!(found.denominator, of, "{code}");
            // Whoever arrives in this list is answered and read about, or their run would not come to its end.
            let whole = found.unit != "%" || code == "loop";
            let proves = counted.numerator > 0 && (counted.numerator < of || whole);
            assert!(proves, "{code}: {} of {of} proves little", counted.numerator);
        }
        if let Some(value) = counted.value {
            assert_eq!(found.value, Some(value), "{code}");
        }
    }
    // Behind the share of those who were managed, each half says who lacks it.
    let managed = figures.iter().find(|one| one.code == "managed-after-down").expect("an indicator");
    let lacking = |at: usize| managed.needs[at].lacking.iter().collect::<std::collections::BTreeSet<_>>();
    assert!(!lacking(0).is_empty() && !lacking(1).is_empty());
    assert_eq!(lacking(0).union(&lacking(1)).count(), managed.denominator - managed.numerator);
    let late = lacking(0).into_iter().all(|id| !managed.counted.contains(id));
    assert!(late, "who lacks one half is not among those that count");
    let ratio = figures.iter().find(|one| one.code == "down-to-up").and_then(|one| one.value);
    assert_eq!(ratio.map(|value| (value * 10.0).round()), Some(506.0), "50.6 of a hundred");
}
