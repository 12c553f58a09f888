//! A protocol played through under a clock of its own: what would happen, and when. Nothing is stored.

use std::collections::BTreeMap;

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;

use crate::definition::Protocol;
use crate::run::{Party, Reason, Run};
use crate::{Deed, Effect, Event, step};

/// Things that may happen in one rehearsal, points of clocks among them. A protocol whose clocks set each other going
/// for ever ends here.
const MOST: usize = 1_000;

/// What is played.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The class of the run.
    pub class: Option<String>,
    /// What is supposed of the conditions of steps, by the codes of the steps.
    pub facts: BTreeMap<String, bool>,
    /// When it begins, in microseconds since 1970.
    pub began: i64,
    /// What happens then.
    pub events: Vec<Played>,
    /// Until when time passes.
    pub now: i64,
}

/// Something that happens in a rehearsal.
#[derive(Debug, Clone)]
pub struct Played {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who does it; otherwise the role whose step it is.
    pub by: Option<String>,
    /// What.
    pub deed: Deed,
}

/// What came of it.
#[derive(Debug)]
pub struct Rehearsal {
    /// Where the run stands in the end.
    pub run: Run,
    /// What was to be done about it besides, and when.
    pub effects: Vec<(i64, Effect)>,
    /// What was refused: the number of the event in the script, and why.
    pub refused: Vec<(usize, Error)>,
}

/// Plays a script. Points of clocks fire when they are due, between its events and until its end; what does not fit is
/// refused in its place and the rest goes on.
///
/// Every role is bound to a party of its own, `role/CODE`. Forms count as filled in, and reasons as given.
///
/// Fails with [`Category::Unprocessable`] when more happens than in any process that comes to an end.
pub fn rehearse(protocol: &Protocol, id: &str, script: &Script, zone: Offset) -> Result<Rehearsal, Error> {
    let party = |code: &str| Party { reference: format!("role/{code}"), display: None };
    let run = Run {
        id: id.to_owned(),
        protocol: protocol.code.to_string(),
        version: protocol.version.clone(),
        chain: id.to_owned(),
        class: script.class.clone(),
        parties: protocol.roles.iter().map(|role| (role.code.to_string(), party(&role.code))).collect(),
        began: script.began,
        ..Run::default()
    };
    let mut stage = Stage { protocol, zone, run, effects: Vec::new(), happened: 0 };
    let start = protocol.starts.iter().find(|start| start.class.as_deref() == script.class.as_deref());
    let start = start.or_else(|| protocol.starts.first());
    let reach = start.map(|start| start.reach.as_slice()).unwrap_or_default();
    let reach = reach.iter().map(|code| (code.to_string(), script.began).into()).collect();
    stage.happens("role/starter", Deed::Begin { reach }, script.facts.clone(), script.began)?;

    let mut refused = Vec::new();
    let mut order: Vec<(usize, &Played)> = script.events.iter().enumerate().collect();
    order.sort_by_key(|(_, played)| played.at);
    for (number, played) in order.into_iter().filter(|(_, played)| played.at <= script.now) {
        stage.passes(played.at)?;
        let deed = stage.filled_in(played.deed.clone());
        let by = played.by.clone().unwrap_or_else(|| stage.doer(&deed));
        if let Err(error) = stage.happens(&by, deed, BTreeMap::new(), played.at.max(script.began)) {
            if error.category() == Category::Unprocessable {
                return Err(error);
            }
            refused.push((number, error));
        }
    }
    stage.passes(script.now)?;
    Ok(Rehearsal { run: stage.run, effects: stage.effects, refused })
}

struct Stage<'p> {
    protocol: &'p Protocol,
    zone: Offset,
    run: Run,
    effects: Vec<(i64, Effect)>,
    happened: usize,
}

impl Stage<'_> {
    fn happens(&mut self, by: &str, deed: Deed, answers: BTreeMap<String, bool>, at: i64) -> Result<(), Error> {
        self.happened += 1;
        if self.happened > MOST {
            let text = "The clocks of this protocol set each other going for ever.";
            return Err(Error::new(Category::Unprocessable, IssueCode::BusinessRule, text));
        }
        let event = Event { by: by.to_owned(), deed, answers, instants: BTreeMap::new() };
        let (run, effects) = step(self.protocol, &self.run, &event, at)?;
        self.run = run;
        self.effects.extend(effects.into_iter().map(|effect| (at, effect)));
        Ok(())
    }

    /// Time passes, and what is due fires.
    fn passes(&mut self, until: i64) -> Result<(), Error> {
        while let Some(due) = self.run.due(self.protocol, self.zone).filter(|due| due.at <= until) {
            let tick = Deed::Tick { clock: due.clock, n: due.n, point: due.point, due: due.at };
            self.happens("Device/qingshan", tick, BTreeMap::new(), due.at)?;
        }
        Ok(())
    }

    /// The role whose step it is.
    fn doer(&self, deed: &Deed) -> String {
        let of_step = match deed {
            Deed::Complete { step, .. }
            | Deed::Take { step, .. }
            | Deed::Hand { step, .. }
            | Deed::Skip { step, .. }
            | Deed::Acknowledge { step, .. } => self.protocol.step(step),
            _ => None,
        };
        format!("role/{}", of_step.map_or("starter", |step| step.who.as_str()))
    }

    /// What a form or a list would have asked for.
    fn filled_in(&self, deed: Deed) -> Deed {
        let Deed::Complete { step, n, outcome, reason, response, at, bind } = deed else { return deed };
        let response = response.or_else(|| Some("QuestionnaireResponse/rehearsal".to_owned()));
        let reason = reason.or_else(|| Some(Reason { code: "rehearsal".to_owned(), text: None }));
        Deed::Complete { step, n, outcome, reason, response, at, bind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Clock, Limit, Rung, Span, Start, StartKind};
    use crate::run::tests::{at, complete, protocol, zone};
    use crate::run::{About, WorkStatus};

    fn referral() -> Protocol {
        let mut protocol = protocol();
        let start = Start { by: StartKind::Hand, reach: vec!["submitted".into()], ..Start::default() };
        protocol.starts.push(start);
        protocol
    }

    fn played(events: Vec<(i64, Deed)>, now: i64) -> Rehearsal {
        let events = events.into_iter().map(|(minutes, deed)| Played { at: at(minutes), by: None, deed }).collect();
        let script = Script {
            class: Some("urgent".to_owned()),
            facts: BTreeMap::from([("bed".to_owned(), true)]),
            began: at(0),
            events,
            now: at(now),
        };
        rehearse(&referral(), "rehearsal", &script, zone()).unwrap()
    }

    #[test]
    fn time_passes_and_clocks_fire_when_they_are_due() {
        let played = played(Vec::new(), 24 * 60);
        let told = played.effects.iter().filter(|(_, effect)| {
            matches!(effect, Effect::Tell { about: About::Clock { point: 0, .. }, roles } if roles == &["chief"])
        });
        assert_eq!(told.map(|(at, _)| *at).collect::<Vec<_>>(), [at(130)]);
        let work = played.run.work("review", 1).unwrap();
        assert_eq!(work.party.as_ref().unwrap().reference, "role/chief");
    }

    #[test]
    fn what_happens_before_a_point_is_due_keeps_it_from_firing() {
        let played = played(vec![(129, complete("review", 1, Some("accept")))], 24 * 60);
        let fired = &played.run.clocks[0].fired;
        assert!(!fired.is_empty() && !fired.contains(&0), "the limit had passed, the ten minutes after it had not");
        assert_eq!(played.run.work("bed", 1).unwrap().status, WorkStatus::Ready, "as was supposed of its condition");
    }

    #[test]
    fn what_is_refused_is_told_in_its_place_and_the_rest_goes_on() {
        let twice = vec![
            (10, complete("review", 1, Some("accept"))),
            (20, complete("review", 1, Some("reject"))),
            (30, complete("bed", 1, None)),
            (600, complete("team", 1, None)),
        ];
        let played = played(twice, 60);
        let numbers: Vec<usize> = played.refused.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1]);
        assert_eq!(played.refused[0].1.issues()[0].text, "role/receiver has already done this.");
        assert_eq!(played.run.work("bed", 1).unwrap().status, WorkStatus::Done);
        assert!(played.run.work("team", 1).unwrap().status.is_open(), "what lies past the end is not played");
    }

    #[test]
    fn a_rehearsal_is_the_same_every_time_it_is_played() {
        let events = || vec![(10, complete("review", 1, Some("ask"))), (90, complete("answer", 1, None))];
        assert_eq!(played(events(), 700).run, played(events(), 700).run);
    }

    #[test]
    fn clocks_that_set_each_other_going_for_ever_are_stopped() {
        let mut protocol = referral();
        let goes_on = |from: &str, to: &str| Clock {
            code: from.into(),
            from: from.into(),
            to: vec![to.into()],
            limits: vec![Limit { breach: Span::minutes(10), ..Limit::default() }],
            rungs: vec![Rung { reach: vec![to.into()], ..Rung::default() }],
            ..Clock::default()
        };
        protocol.clocks = vec![goes_on("submitted", "answered"), goes_on("answered", "submitted")];
        let script = Script { began: at(0), now: at(60 * 24 * 365 * 100), ..Script::default() };
        let error = rehearse(&protocol, "r", &script, zone()).unwrap_err();
        assert_eq!(error.category(), Category::Unprocessable);
    }
}
