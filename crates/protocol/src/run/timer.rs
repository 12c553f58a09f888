//! When clocks are due: a pure function of where a run stands.

use jiff::tz::Offset;

use super::{Run, Ticking};
use crate::definition::{Calendar, Clock, Limit, Protocol, RungKind, Span};

/// A point of a clock that has not fired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Which clock.
    pub clock: String,
    /// Which time it was set going.
    pub n: u32,
    /// Which of its points: the number of its rung, or the number of rungs for the limit itself.
    pub point: u32,
}

/// The instants of a clock that runs or ran, in microseconds since 1970; none while it is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// What is aimed at.
    pub target: Option<i64>,
    /// When it warns.
    pub warn: Option<i64>,
    /// Its limit.
    pub breach: Option<i64>,
}

impl Run {
    /// The next point that is due, over all clocks.
    pub fn due(&self, protocol: &Protocol, zone: Offset) -> Option<Due> {
        self.clocks.iter().filter_map(|ticking| self.next(protocol, ticking, zone)).min()
    }

    /// The instants of a clock, by the limits its institution keeps to.
    pub fn times(&self, protocol: &Protocol, ticking: &Ticking, zone: Offset) -> Times {
        let Some((reckoning, limit)) = self.reckoning(protocol, ticking, zone) else { return Times::default() };
        let at = |span: Option<Span>| span.map(|span| reckoning.after(reckoning.start, span));
        Times { target: at(limit.target), warn: at(limit.warn), breach: at(Some(limit.breach)) }
    }

    /// The instant at which a clock that runs or ran comes to a length of time of its own; none while it is held.
    pub fn point(&self, protocol: &Protocol, ticking: &Ticking, span: Span, zone: Offset) -> Option<i64> {
        let clock = protocol.clock(&ticking.clock).filter(|_| ticking.paused.is_none())?;
        let reckoning = self.pace(protocol, clock, ticking, zone);
        Some(reckoning.after(reckoning.start, span))
    }

    /// How long a clock took until it stopped, in microseconds: without what held it, and in working time where its
    /// limit counts in working time. None while it runs, and when it was cut off.
    pub fn took(&self, protocol: &Protocol, ticking: &Ticking, zone: Offset) -> Option<i64> {
        let stopped = ticking.stopped.filter(|_| !ticking.cut)?;
        let start = ticking.began.saturating_add(ticking.held);
        let calendar = self.pace(protocol, protocol.clock(&ticking.clock)?, ticking, zone).calendar;
        let plain = stopped.saturating_sub(start).max(0);
        Some(calendar.map_or(plain, |calendar| calendar.between(start, stopped, zone)))
    }

    fn pace<'p>(&self, protocol: &'p Protocol, clock: &'p Clock, ticking: &Ticking, zone: Offset) -> Reckoning<'p> {
        let start = ticking.base.unwrap_or(ticking.began).saturating_add(ticking.held);
        let always = self.limit(clock).is_some_and(|limit| limit.always);
        let calendar = clock.calendar.as_deref().filter(|_| !always);
        let calendar = calendar.and_then(|code| protocol.calendar(code));
        Reckoning { calendar, clock, start, zone }
    }

    /// When a clock comes to the limit that the protocol has for every institution; none while it is held.
    pub fn standard(&self, protocol: &Protocol, ticking: &Ticking, zone: Offset) -> Option<i64> {
        let (reckoning, _) = self.reckoning(protocol, ticking, zone)?;
        let limit = reckoning.clock.limit(self.class.as_deref())?;
        Some(reckoning.after(reckoning.start, limit.breach))
    }

    fn reckoning<'p>(
        &'p self,
        protocol: &'p Protocol,
        ticking: &Ticking,
        zone: Offset,
    ) -> Option<(Reckoning<'p>, &'p Limit)> {
        if ticking.paused.is_some() {
            return None;
        }
        let clock = protocol.clock(&ticking.clock)?;
        let limit = self.limit(clock)?;
        Some((self.pace(protocol, clock, ticking, zone), limit))
    }

    /// The next point of one clock that is due.
    pub fn next(&self, protocol: &Protocol, ticking: &Ticking, zone: Offset) -> Option<Due> {
        if self.end.is_some() || ticking.stopped.is_some() {
            return None;
        }
        let (reckoning, limit) = self.reckoning(protocol, ticking, zone)?;
        let clock = reckoning.clock;
        let limit_itself = clock.rungs.len() as u32;
        let points = (0..=limit_itself).filter(|point| !ticking.fired.contains(point));
        let happens =
            |point: &u32| clock.rungs.get(*point as usize).is_none_or(|rung| rung.is_for(self.class.as_deref()));
        let due = points.filter(happens).filter_map(|point| Some((reckoning.point(limit, point)?, point)));
        due.min().map(|(at, point)| Due { at, clock: ticking.clock.clone(), n: ticking.n, point })
    }
}

struct Reckoning<'p> {
    calendar: Option<&'p Calendar>,
    clock: &'p Clock,
    start: i64,
    zone: Offset,
}

impl Reckoning<'_> {
    fn after(&self, at: i64, span: Span) -> i64 {
        self.calendar.map_or_else(|| span.after(at, self.zone), |calendar| calendar.after(at, span, self.zone))
    }

    /// When a point is due; none for a rung that counts from what the limit does not have.
    fn point(&self, limit: &Limit, point: u32) -> Option<i64> {
        let Some(rung) = self.clock.rungs.get(point as usize) else {
            return Some(self.after(self.start, limit.breach));
        };
        let base = match rung.at {
            RungKind::Begin => self.start,
            RungKind::Target => self.after(self.start, limit.target?),
            RungKind::Warn => self.after(self.start, limit.warn?),
            RungKind::Breach => self.after(self.start, limit.breach),
        };
        Some(rung.plus.map_or(base, |plus| self.after(base, plus)))
    }
}
