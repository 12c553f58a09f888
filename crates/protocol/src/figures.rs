//! The indicators of a protocol, counted over runs, with the runs behind each number.

mod report;

use fhir::time::SECOND;
use jiff::tz::Offset;
use serde::Serialize;

use crate::definition::{Code, Indicator, IndicatorKind, Need, Protocol, Span, Weigh, Words};
use crate::run::{Run, Ticking};

pub use report::report;

/// What an indicator comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure<'p> {
    /// Its code.
    pub code: &'p str,
    /// What it is called.
    pub title: &'p Words,
    /// What is made of the times.
    pub kind: IndicatorKind,
    /// Of a count, a share and a ratio: what counts. Of a time: the runs that have one.
    pub numerator: usize,
    /// What could have counted.
    pub denominator: usize,
    /// The number, the share or ratio, or the time in minutes; none where there is nothing to make it of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What is aimed at, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<u32>,
    /// The less of it the better.
    pub less: bool,
    /// Numerator and denominator are sums over runs and no numbers of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub weighed: bool,
    /// UCUM: `1`, `%`, `[ppth]` or `min`.
    pub unit: &'static str,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'p str>,
    /// The ids of the runs of the denominator, the oldest first; none where the record counts them.
    pub runs: Vec<String>,
    /// The ids of the runs of the numerator; of a time, the longest first.
    pub counted: Vec<String>,
    /// Of a share that asks for several things: each, with the runs of the denominator that lack it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Lacked<'p>>,
}

/// One thing that a share asks for, and who lacks it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lacked<'p> {
    /// Its code.
    pub code: &'p str,
    /// What it is called.
    pub title: &'p Words,
    /// The ids of the runs that lack it, the oldest first.
    pub lacking: Vec<String>,
}

/// Counts the indicators of a protocol over runs of it, at a time in microseconds since 1970. What the record counts is
/// not known here.
///
/// An indicator is about the runs of its classes that reached all it names under `having` and none of what it names under
/// `without`. A milestone that was superseded by its correction has still been reached.
///
/// Where it asks for several things, a run that lacks one counts against the share as soon as that is known, and one of
/// which not all is known yet says nothing and is left out.
///
/// Where it weighs, a run adds its own numbers above and below the line, and is among those that count when both are the
/// same.
///
/// Where it names a clock, a run has the longest time that clock took in it. A run whose clock never started, was cut
/// off before its limit or still runs within it says nothing yet and is left out; one whose clock has passed the limit
/// and not stopped counts against a share and has no time yet.
pub fn figures<'p>(protocol: &'p Protocol, runs: &[Run], now: i64, zone: Offset) -> Vec<Figure<'p>> {
    let mut tally = Tally::new(protocol, now, zone).naming_runs();
    runs.iter().for_each(|run| tally.add(run, protocol));
    tally.figures(&|_| Recorded::default())
}

/// What the record counts for an indicator, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Above the line.
    pub events: Option<u64>,
    /// Below the line.
    pub per: Option<u64>,
}

/// Indicators on the way: runs are added one by one and not kept.
#[derive(Debug, Clone)]
pub struct Tally<'p> {
    protocol: &'p Protocol,
    now: i64,
    zone: Offset,
    names: bool,
    parts: Vec<Part>,
}

/// One indicator on the way.
#[derive(Debug, Clone, Default)]
struct Part {
    of: usize,
    counted: usize,
    /// In microseconds.
    times: Vec<i64>,
    /// The runs of the denominator and of the numerator, each with what it is sorted by.
    runs: Vec<(i64, String)>,
    behind: Vec<(i64, String)>,
    /// Those that lack each thing that is asked for, in the order of the indicator.
    lacking: Vec<Vec<(i64, String)>>,
}

/// What one run says for one indicator.
#[derive(Default)]
struct Verdict {
    of: bool,
    counts: bool,
    time: Option<i64>,
    /// What it adds above and below the line, where that is not one.
    weights: Option<(usize, usize)>,
    /// Which of the things that are asked for it lacks, by their place.
    lacks: Vec<usize>,
}

impl<'p> Tally<'p> {
    /// Nothing yet.
    pub fn new(protocol: &'p Protocol, now: i64, zone: Offset) -> Self {
        let parts = vec![Part::default(); protocol.indicators.len()];
        Self { protocol, now, zone, names: false, parts }
    }

    /// Keeps the ids of the runs behind each number.
    #[must_use]
    pub fn naming_runs(mut self) -> Self {
        self.names = true;
        self
    }

    /// Takes a run in. Its clocks have the limits of `own`, the version of the protocol it is under.
    pub fn add(&mut self, run: &Run, own: &Protocol) {
        let judge = Judge { protocol: own, now: self.now, zone: self.zone };
        for (indicator, part) in self.protocol.indicators.iter().zip(&mut self.parts) {
            let verdict = judge.verdict(indicator, run);
            let (above, below) = verdict.weights.unwrap_or((usize::from(verdict.counts), usize::from(verdict.of)));
            part.counted += above;
            part.of += below;
            part.times.extend(verdict.time);
            if self.names && verdict.of {
                part.runs.push((run.began, run.id.clone()));
            }
            for at in verdict.lacks.iter().copied().filter(|_| self.names) {
                part.lacking.resize(indicator.needs.len(), Vec::new());
                part.lacking[at].push((run.began, run.id.clone()));
            }
            if self.names && verdict.counts {
                part.behind.push((verdict.time.map_or(run.began, |time| -time), run.id.clone()));
            }
        }
    }

    /// What the indicators come to, with what the record counts for those that ask for it.
    pub fn figures(mut self, recorded: &dyn Fn(&Indicator) -> Recorded) -> Vec<Figure<'p>> {
        let parts = std::mem::take(&mut self.parts);
        self.protocol
            .indicators
            .iter()
            .zip(parts)
            .map(|(indicator, part)| part.figure(indicator, recorded(indicator)))
            .collect()
    }
}

impl Part {
    fn figure<'p>(mut self, indicator: &'p Indicator, recorded: Recorded) -> Figure<'p> {
        self.times.sort_unstable();
        self.runs.sort();
        self.behind.sort();
        let mut runs = self.runs;
        let (mut counted, mut of) = (self.counted, self.of);
        if indicator.events.is_some() {
            counted = recorded.events.unwrap_or_default() as usize;
            self.behind.clear();
        }
        if indicator.per.is_some() {
            of = recorded.per.unwrap_or_default() as usize;
            runs.clear();
        }
        let known = (indicator.events.is_none() || recorded.events.is_some())
            && (indicator.per.is_none() || recorded.per.is_some());
        let for_each = |scale: u32| (of > 0 && known).then(|| f64::from(scale) * counted as f64 / of as f64);
        let minutes = |at: i64| at as f64 / (60 * SECOND) as f64;
        let (unit, value) = match indicator.kind {
            IndicatorKind::Count => ("1", Some(counted as f64)),
            IndicatorKind::Share => ("%", for_each(100)),
            IndicatorKind::Ratio => match indicator.scale.unwrap_or(100) {
                100 => ("%", for_each(100)),
                1_000 => ("[ppth]", for_each(1_000)),
                scale => ("1", for_each(scale)),
            },
            IndicatorKind::Median => ("min", median(&self.times.iter().copied().map(minutes).collect::<Vec<f64>>())),
            IndicatorKind::P90 => ("min", nine_in_ten(&self.times.iter().copied().map(minutes).collect::<Vec<f64>>())),
        };
        let ids = |runs: Vec<(i64, String)>| runs.into_iter().map(|(_, id)| id).collect();
        self.lacking.resize(indicator.needs.len(), Vec::new());
        let needs = indicator.needs.iter().zip(self.lacking).map(|(need, mut lacking)| {
            lacking.sort();
            Lacked { code: &need.code, title: &need.title, lacking: ids(lacking) }
        });
        Figure {
            code: &indicator.code,
            title: &indicator.title,
            kind: indicator.kind,
            numerator: counted,
            denominator: of,
            value,
            goal: indicator.goal,
            less: indicator.less || matches!(indicator.kind, IndicatorKind::Median | IndicatorKind::P90),
            weighed: indicator.weigh.is_some(),
            unit,
            source: indicator.source.as_deref(),
            runs: ids(runs),
            counted: ids(self.behind),
            needs: needs.collect(),
        }
    }
}

/// Judges a run by the version of the protocol it is under.
#[derive(Clone, Copy)]
struct Judge<'p> {
    protocol: &'p Protocol,
    now: i64,
    zone: Offset,
}

impl<'p> Judge<'p> {
    fn verdict(self, indicator: &Indicator, run: &'p Run) -> Verdict {
        let about = is_about(indicator, run);
        let reached = || indicator.reached.iter().all(|code| run.reached(code).is_some());
        match (indicator.kind, &indicator.clock) {
            (IndicatorKind::Ratio, _) if indicator.per.is_some() => {
                Verdict { counts: about && reached(), ..Verdict::default() }
            }
            (IndicatorKind::Ratio, _) => {
                let counts = is_of_class(indicator, run) && !is_left_out(indicator, run) && reached();
                Verdict { of: about, counts, ..Verdict::default() }
            }
            (IndicatorKind::Share, None) if indicator.weigh.is_some() => {
                match indicator.weigh.as_ref().and_then(|weigh| weights(weigh, run)).filter(|_| about) {
                    Some((above, below)) => {
                        let weights = Some((above, below));
                        Verdict { of: true, counts: above == below, weights, ..Verdict::default() }
                    }
                    None => Verdict::default(),
                }
            }
            (IndicatorKind::Share, _) if !indicator.needs.is_empty() => {
                let met: Vec<Option<bool>> = indicator.needs.iter().map(|need| self.met(need, run)).collect();
                match all_of(&met).filter(|_| about) {
                    Some(counts) => {
                        let lacks = (0..met.len()).filter(|at| met[*at] == Some(false)).collect();
                        Verdict { of: true, counts, lacks, ..Verdict::default() }
                    }
                    None => Verdict::default(),
                }
            }
            (IndicatorKind::Share, Some(clock)) => match self.kept(indicator.within, clock, run).filter(|_| about) {
                Some(kept) => Verdict { of: true, counts: kept && reached(), ..Verdict::default() },
                None => Verdict::default(),
            },
            (IndicatorKind::Count | IndicatorKind::Share, _) => {
                Verdict { of: about, counts: about && reached(), ..Verdict::default() }
            }
            (IndicatorKind::Median | IndicatorKind::P90, clock) => {
                let clock = clock.as_ref().filter(|_| about && reached());
                let time = clock.and_then(|clock| self.longest(clock, run));
                Verdict { of: about, counts: time.is_some(), time, ..Verdict::default() }
            }
        }
    }

    fn tickings(self, clock: &Code, run: &'p Run) -> impl Iterator<Item = &'p Ticking> {
        run.clocks.iter().filter(move |ticking| ticking.clock == clock.as_str())
    }

    /// Whether a run has one of the things that are asked for; none where that cannot be said yet.
    fn met(self, need: &Need, run: &'p Run) -> Option<bool> {
        let kept = need.clock.as_ref().map(|clock| self.kept(need.within, clock, run));
        let reached = (!need.reached.is_empty()).then(|| {
            let is_missed = || need.missed.iter().any(|code| run.reached(code).is_some());
            match need.reached.iter().all(|code| run.reached(code).is_some()) {
                true => Some(true),
                false => is_missed().then_some(false),
            }
        });
        all_of(&[kept, reached].into_iter().flatten().collect::<Vec<_>>())
    }

    /// Whether a clock kept within a time, or its limit, every time it ran; none where that cannot be said yet.
    fn kept(self, within: Option<Span>, clock: &Code, run: &'p Run) -> Option<bool> {
        let verdicts = self.tickings(clock, run).map(|ticking| {
            let limit = match within {
                Some(span) => run.point(self.protocol, ticking, span, self.zone),
                // What an institution keeps to by itself does not change by what all are counted.
                None => run.standard(self.protocol, ticking, self.zone),
            };
            let until = ticking.stopped.unwrap_or(self.now);
            match limit {
                Some(limit) if until > limit => Some(false),
                Some(_) if ticking.stopped.is_some() && !ticking.cut => Some(true),
                _ => None,
            }
        });
        all_of(&verdicts.collect::<Vec<_>>())
    }

    /// The longest time a clock took, in microseconds; none while it runs.
    fn longest(self, clock: &Code, run: &'p Run) -> Option<i64> {
        let mut running = self.tickings(clock, run).filter(|ticking| ticking.stopped.is_none());
        if running.next().is_some() {
            return None;
        }
        self.tickings(clock, run).filter_map(|ticking| run.took(self.protocol, ticking, self.zone)).max()
    }
}

/// What a run adds above and below the line; nothing where it does not have both numbers, or nothing below the line. More
/// above the line than below it is as much as below it: a share is never more than the whole.
fn weights(weigh: &Weigh, run: &Run) -> Option<(usize, usize)> {
    let number = |code: &Code| run.traits.get(code.as_str())?.parse::<usize>().ok();
    let below = number(&weigh.below).filter(|below| *below > 0)?;
    Some((number(&weigh.above)?.min(below), below))
}

/// Whether all of some things are so: not as soon as one is not, and unknown as long as one is, or where there is none.
fn all_of(said: &[Option<bool>]) -> Option<bool> {
    let all_said = !said.is_empty() && said.iter().all(Option::is_some);
    if said.contains(&Some(false)) { Some(false) } else { all_said.then_some(true) }
}

fn is_of_class(indicator: &Indicator, run: &Run) -> bool {
    let of_class = |class: &str| indicator.classes.iter().any(|one| one.as_str() == class);
    indicator.classes.is_empty() || run.class.as_deref().is_some_and(of_class)
}

fn is_left_out(indicator: &Indicator, run: &Run) -> bool {
    indicator.without.iter().any(|code| run.reached(code).is_some())
}

fn is_about(indicator: &Indicator, run: &Run) -> bool {
    indicator.having.iter().all(|code| run.reached(code).is_some())
        && !is_left_out(indicator, run)
        && is_of_class(indicator, run)
}

/// The middle of sorted numbers, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0),
    }
}

/// The smallest of sorted numbers that nine in ten of them do not exceed (nearest rank).
fn nine_in_ten(sorted: &[f64]) -> Option<f64> {
    let rank = (sorted.len() * 9).div_ceil(10);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests;
