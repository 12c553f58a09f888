//! The indicators of a protocol, counted over runs, with the runs behind each number.

mod report;

use fhir::time::SECOND;
use jiff::tz::Offset;
use serde::Serialize;

use crate::definition::{Code, Indicator, IndicatorKind, Protocol, Words};
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
    /// Of a count, a share and a ratio: the runs that count. Of a time: the runs that have one.
    pub numerator: usize,
    /// The runs that could have counted.
    pub denominator: usize,
    /// The number, the share or ratio in percent, or the time in minutes; none where there is nothing to make it of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What is aimed at, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<u32>,
    /// UCUM: `1`, `%` or `min`.
    pub unit: &'static str,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'p str>,
    /// The ids of the runs of the denominator, in the order given.
    pub runs: Vec<&'p str>,
    /// The ids of the runs of the numerator; of a time, the longest first.
    pub counted: Vec<&'p str>,
}

/// Counts the indicators of a protocol over runs of it, at a time in microseconds since 1970.
///
/// An indicator is about the runs of its classes that reached all it names under `having` and none of what it names under
/// `without`. A milestone that was superseded by its correction has still been reached.
///
/// Where it names a clock, a run has the longest time that clock took in it. A run whose clock never started, was cut
/// off before its limit or still runs within it says nothing yet and is left out; one whose clock has passed the limit
/// and not stopped counts against a share and has no time yet.
pub fn figures<'p>(protocol: &'p Protocol, runs: &'p [Run], now: i64, zone: Offset) -> Vec<Figure<'p>> {
    let count = Count { protocol, now, zone };
    protocol.indicators.iter().map(|indicator| count.figure(indicator, runs)).collect()
}

#[derive(Clone, Copy)]
struct Count<'p> {
    protocol: &'p Protocol,
    now: i64,
    zone: Offset,
}

impl<'p> Count<'p> {
    fn figure(self, indicator: &'p Indicator, runs: &'p [Run]) -> Figure<'p> {
        let about: Vec<&Run> = runs.iter().filter(|run| is_about(indicator, run)).collect();
        let all_reached = |run: &&Run| indicator.reached.iter().all(|code| run.reached(code).is_some());
        let (unit, counted, of, value) = match (indicator.kind, indicator.clock.as_ref()) {
            (IndicatorKind::Count, _) => {
                let counted: Vec<&Run> = about.iter().copied().filter(all_reached).collect();
                let value = Some(counted.len() as f64);
                ("1", counted, about, value)
            }
            (IndicatorKind::Ratio, _) => {
                let meant = |run: &&Run| is_of_class(indicator, run) && !is_left_out(indicator, run);
                let counted: Vec<&Run> = runs.iter().filter(meant).filter(all_reached).collect();
                let value = (!about.is_empty()).then(|| 100.0 * counted.len() as f64 / about.len() as f64);
                ("%", counted, about, value)
            }
            (IndicatorKind::Share, clock) => {
                let judged: Vec<(&Run, bool)> = match clock {
                    Some(clock) => {
                        about.into_iter().filter_map(|run| Some((run, self.kept(indicator, clock, run)?))).collect()
                    }
                    None => about.into_iter().map(|run| (run, true)).collect(),
                };
                let of: Vec<&Run> = judged.iter().map(|(run, _)| *run).collect();
                let kept = judged.into_iter().filter_map(|(run, kept)| kept.then_some(run));
                let counted: Vec<&Run> = kept.filter(all_reached).collect();
                let value = (!of.is_empty()).then(|| 100.0 * counted.len() as f64 / of.len() as f64);
                ("%", counted, of, value)
            }
            (IndicatorKind::Median | IndicatorKind::P90, clock) => {
                let time = |run: &'p Run| Some((self.longest(clock?, run)?, run));
                let mut times: Vec<(i64, &Run)> = about.iter().copied().filter(all_reached).filter_map(time).collect();
                times.sort_by_key(|(time, _)| *time);
                let minutes: Vec<f64> = times.iter().map(|(time, _)| *time as f64 / (60 * SECOND) as f64).collect();
                let value = if indicator.kind == IndicatorKind::P90 { nine_in_ten(&minutes) } else { median(&minutes) };
                ("min", times.into_iter().rev().map(|(_, run)| run).collect(), about, value)
            }
        };
        Figure {
            code: &indicator.code,
            title: &indicator.title,
            kind: indicator.kind,
            numerator: counted.len(),
            denominator: of.len(),
            value,
            goal: indicator.goal,
            unit,
            source: indicator.source.as_deref(),
            runs: of.into_iter().map(|run| run.id.as_str()).collect(),
            counted: counted.into_iter().map(|run| run.id.as_str()).collect(),
        }
    }

    fn tickings(self, clock: &Code, run: &'p Run) -> impl Iterator<Item = &'p Ticking> {
        run.clocks.iter().filter(move |ticking| ticking.clock == clock.as_str())
    }

    /// Whether a clock kept within its limit every time it ran; none where that cannot be said yet.
    fn kept(self, indicator: &Indicator, clock: &Code, run: &'p Run) -> Option<bool> {
        let verdicts = self.tickings(clock, run).map(|ticking| {
            let limit = match indicator.within {
                Some(span) => run.point(self.protocol, ticking, span, self.zone),
                None => run.times(self.protocol, ticking, self.zone).breach,
            };
            let until = ticking.stopped.unwrap_or(self.now);
            match limit {
                Some(limit) if until > limit => Some(false),
                Some(_) if ticking.stopped.is_some() && !ticking.cut => Some(true),
                _ => None,
            }
        });
        let verdicts: Vec<Option<bool>> = verdicts.collect();
        let broken = verdicts.contains(&Some(false));
        let all_said = !verdicts.is_empty() && verdicts.iter().all(Option::is_some);
        if broken { Some(false) } else { all_said.then_some(true) }
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
