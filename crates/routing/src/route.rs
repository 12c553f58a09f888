//! Where somebody is brought: a pure function of what is asked, who can treat, how far they are, the numbers and the time.
//!
//! Every site is named once in the answer: as the one chosen, as an alternative, or as rejected with every reason. Nothing
//! is judged on what is not known: a rule that lacks what it asks for does not hold, and the trace says so.

use crate::code;
use crate::policy::{Needs, Number, Policy, Unknown};
use crate::registry::{Point, Row, Site, Taking};
use crate::travel::{Leg, Travel};

/// What is asked. No patient is named.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is suspected: a code of [`code::PATHWAY`].
    pub pathway: String,
    /// Where the patient is.
    pub from: Point,
    /// Whether airway, breathing or circulation are not stable.
    pub unstable: bool,
    /// When the patient was last known well, in microseconds since 1970.
    pub last_well: Option<i64>,
    /// The first medical contact, in microseconds since 1970.
    pub contact: Option<i64>,
    /// The Los Angeles Motor Scale, 0 to 5.
    pub lams: Option<u32>,
    /// The tier of a trauma; 1 is worst.
    pub tier: Option<u32>,
    /// The colour of a pregnancy's risk or of a newborn.
    pub colour: Option<String>,
    /// Completed weeks of gestation.
    pub weeks: Option<u32>,
    /// Whether ways are long there.
    pub rural: bool,
    /// Where the patient wants to go: a `Location/…` or `Organization/…`.
    pub wish: Option<String>,
}

/// Why a site is not chosen, or what to mind about one: a code, and numbers where there are some.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// What, such as `diverted`.
    pub code: &'static str,
    /// More about it: a capability, a level, a date, or words somebody said.
    pub detail: Option<String>,
    /// What was found.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: Option<f64>,
    /// Their unit.
    pub unit: &'static str,
}

impl Reason {
    const fn of(code: &'static str) -> Self {
        Self { code, detail: None, value: None, limit: None, unit: "" }
    }

    fn about(code: &'static str, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::of(code) }
    }

    fn minutes(code: &'static str, value: f64, limit: f64) -> Self {
        Self { value: Some(value), limit: Some(limit), unit: "min", ..Self::of(code) }
    }
}

/// A site that can be gone to.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its number among the sites.
    pub site: usize,
    /// The way there.
    pub leg: Leg,
    /// From the door to the treatment, by what measure, and whether that is assumed because none was told.
    pub treatment: Option<(&'static str, f64, bool)>,
    /// From now to the treatment, in minutes; to the door where the rule goes by that alone.
    pub minutes: f64,
    /// What to mind.
    pub warnings: Vec<Reason>,
}

/// A site that is not gone to, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Its number among the sites.
    pub site: usize,
    /// The way there, where it is known.
    pub leg: Option<Leg>,
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One rule, whether it held, and by what number of which source.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The rule.
    pub rule: &'static str,
    /// Whether it held.
    pub held: bool,
    /// What was found; none where it is not known.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: Option<Number>,
    /// More about it.
    pub detail: Option<String>,
}

/// Where the patient wants to go, and what that costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Its number among the sites.
    pub site: usize,
    /// Minutes more on the way than to the one chosen.
    pub way_lost: Option<f64>,
    /// Minutes more to the treatment, where both can give it.
    pub lost: Option<f64>,
    /// Whether it was rejected.
    pub rejected: bool,
}

/// Where to, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// As of when, in microseconds since 1970.
    pub at: i64,
    /// The rule that decided.
    pub rule: &'static str,
    /// Where to; none when nobody can be recommended.
    pub chosen: Option<Place>,
    /// Where else, the best first.
    pub alternatives: Vec<Place>,
    /// Where not, the nearest first.
    pub rejected: Vec<Rejected>,
    /// What the patient wants.
    pub wish: Option<Wish>,
    /// What was gone by, in order.
    pub trace: Vec<Step>,
    /// What to mind about the whole.
    pub warnings: Vec<Reason>,
}

/// A site as the rules see it.
struct Seen<'s> {
    site: &'s Site,
    row: Option<&'s Row>,
    leg: Option<Leg>,
    reasons: Vec<Reason>,
    warnings: Vec<Reason>,
}

impl Seen<'_> {
    fn has(&self, capability: &str) -> bool {
        self.row.is_some_and(|row| row.capabilities.contains(capability))
    }

    fn eta(&self) -> f64 {
        self.leg.map_or(f64::INFINITY, |leg| leg.minutes)
    }

    fn require(&mut self, capability: &str) {
        if self.row.is_some() && !self.has(capability) {
            self.reasons.push(Reason::about("lacks", capability));
        }
    }
}

/// What a rule decides: the best first; what else it rejects is written on the sites themselves.
struct Decision {
    rule: &'static str,
    order: Vec<usize>,
    /// By which figure of a centre minutes to the treatment are counted, and what is assumed without it.
    measure: Option<(&'static str, f64)>,
}

/// Decides where to.
pub fn route(question: &Question, sites: &[Site], travel: &dyn Travel, policy: &Policy, now: i64) -> Answer {
    let points: Vec<Point> = sites.iter().filter_map(|site| site.position).collect();
    let mut legs = travel.legs(question.from, &points).into_iter();
    let seen = sites.iter().map(|site| Seen {
        site,
        row: site.rows.get(&question.pathway),
        leg: site.position.and_then(|_| legs.next()),
        reasons: Vec::new(),
        warnings: Vec::new(),
    });
    let mut router = Router { question, policy, now, seen: seen.collect(), trace: Vec::new(), warnings: Vec::new() };
    let decision = router.decide();
    router.answer(decision)
}

struct Router<'a> {
    question: &'a Question,
    policy: &'a Policy,
    now: i64,
    seen: Vec<Seen<'a>>,
    trace: Vec<Step>,
    warnings: Vec<Reason>,
}

impl Router<'_> {
    fn decide(&mut self) -> Decision {
        let unstable = self.question.unstable;
        self.step("unstable", unstable, None, None, None);
        if unstable {
            self.resuscitation();
            return self.settled("resuscitation", None);
        }
        match self.question.pathway.as_str() {
            "stroke" => self.stroke(),
            "chest-pain" => self.chest_pain(),
            "trauma" => self.trauma(),
            "obstetric" | "newborn" => self.birth(),
            _ => self.any(),
        }
    }

    /// The eligible, nearest first, or the last resort.
    fn settled(&mut self, rule: &'static str, measure: Option<(&'static str, f64)>) -> Decision {
        let mut order = self.eligible();
        let minutes: Vec<f64> = (0..self.seen.len()).map(|at| self.minutes(at, measure)).collect();
        order.sort_by(|one, other| minutes[*one].total_cmp(&minutes[*other]).then(one.cmp(other)));
        if order.is_empty() { self.last_resort() } else { Decision { rule, order, measure } }
    }

    fn eligible(&self) -> Vec<usize> {
        (0..self.seen.len()).filter(|at| self.seen[*at].reasons.is_empty()).collect()
    }

    /// From now to the treatment by a measure, or to the door.
    fn minutes(&self, at: usize, measure: Option<(&'static str, f64)>) -> f64 {
        let seen = &self.seen[at];
        seen.eta() + measure.map_or(0.0, |(code, assumed)| figure(seen.row, code).unwrap_or(assumed))
    }

    fn step(
        &mut self,
        rule: &'static str,
        held: bool,
        value: Option<f64>,
        limit: Option<&Number>,
        detail: Option<String>,
    ) {
        self.trace.push(Step { rule, held, value, limit: limit.cloned(), detail });
    }

    /// Minutes since a moment that is not in the future.
    fn since(&self, moment: Option<i64>) -> Option<f64> {
        moment.map(|moment| (self.now - moment) as f64 / 60_000_000.0).filter(|minutes| *minutes >= 0.0)
    }

    /// Rejects whoever has no row, is suspended, not certified, or takes nobody now.
    fn ask_registry(&mut self) {
        let (policy, now) = (self.policy, self.now);
        for seen in &mut self.seen {
            if seen.leg.is_none() {
                seen.reasons.push(Reason::of("no-position"));
            }
            let Some(row) = seen.row else {
                seen.reasons.push(Reason::of("no-centre"));
                continue;
            };
            if let Some(reason) = &row.suspended {
                seen.reasons.push(Reason::about("suspended", reason.clone()));
            }
            match &row.certified {
                None => seen.reasons.push(Reason::of("not-certified")),
                Some((day, end)) if *end < now => seen.reasons.push(Reason::about("certificate-expired", day.clone())),
                Some(_) => {}
            }
            live(row, policy, now, &mut seen.reasons, &mut seen.warnings);
        }
        self.step(
            "takes-patients",
            self.seen.iter().any(|seen| seen.reasons.is_empty()),
            None,
            Some(&policy.live.stale),
            None,
        );
    }

    fn require(&mut self, capability: &'static str) {
        self.seen.iter_mut().for_each(|seen| seen.require(capability));
        let any = !self.eligible().is_empty();
        self.step("capability", any, None, None, Some(capability.to_owned()));
    }

    /// Leaves those that can keep somebody alive and do not turn patients away.
    fn resuscitation(&mut self) {
        let (policy, now) = (self.policy, self.now);
        for seen in &mut self.seen {
            if seen.leg.is_none() {
                seen.reasons.push(Reason::of("no-position"));
            }
            match emergency_row(seen.site) {
                Some(row) => live(row, policy, now, &mut seen.reasons, &mut seen.warnings),
                None => seen.reasons.push(Reason::about("lacks", "resuscitation")),
            }
        }
        let any = !self.eligible().is_empty();
        self.step("capability", any, None, None, Some("resuscitation".to_owned()));
    }

    /// When nobody fits: the nearest that can keep the patient alive and has not said that it takes nobody. What speaks
    /// against it stays beside it.
    fn last_resort(&mut self) -> Decision {
        let (policy, now) = (self.policy, self.now);
        let mut candidates: Vec<usize> = (0..self.seen.len())
            .filter(|at| {
                let seen = &self.seen[*at];
                let mut against = Vec::new();
                let Some(row) = emergency_row(seen.site).filter(|_| seen.leg.is_some()) else { return false };
                live(row, policy, now, &mut against, &mut Vec::new());
                // A centre that turns such patients away is not gone to by another door.
                let diverts = seen.reasons.iter().any(|reason| reason.code == "diverted");
                against.is_empty() && !diverts
            })
            .collect();
        candidates.sort_by(|one, other| self.seen[*one].eta().total_cmp(&self.seen[*other].eta()).then(one.cmp(other)));
        let best = candidates.first().copied();
        self.step("last-resort", best.is_some(), None, None, None);
        match best {
            Some(best) => {
                let against = std::mem::take(&mut self.seen[best].reasons);
                self.seen[best].warnings.splice(0..0, against);
                Decision { rule: "last-resort", order: vec![best], measure: None }
            }
            None => {
                self.warnings.push(Reason::of("nobody"));
                Decision { rule: "nobody", order: Vec::new(), measure: None }
            }
        }
    }

    fn stroke(&mut self) -> Decision {
        let rules = &self.policy.stroke;
        self.ask_registry();
        self.require("ivt");
        let measure = Some(("dnt", rules.assumed_dnt.value));
        let eligible = self.eligible();
        let elapsed = self.since(self.question.last_well);
        if elapsed.is_none() {
            self.warnings.push(Reason::of("last-well-unknown"));
        }
        if eligible.is_empty() {
            return self.last_resort();
        }
        let quickest = eligible.iter().map(|at| self.minutes(*at, measure)).fold(f64::INFINITY, f64::min);
        let needle = elapsed.map(|elapsed| elapsed + quickest);
        let possible = needle.is_some_and(|needle| needle <= rules.needle_window.value);
        self.step("needle-window", possible, needle, Some(&rules.needle_window), None);
        let bypass = self.bypass(&eligible, elapsed, possible, measure);
        let mut decision = self.settled(if bypass.is_some() { "bypass" } else { "quickest-needle" }, measure);
        if let Some(centre) = bypass {
            decision.order.retain(|at| *at != centre);
            decision.order.insert(0, centre);
        } else {
            self.step("quickest-needle", true, Some(quickest), None, None);
        }
        decision
    }

    /// The centre for thrombectomy that is gone to past the nearest one, where a large vessel is suspected.
    fn bypass(
        &mut self,
        eligible: &[usize],
        elapsed: Option<f64>,
        possible: bool,
        measure: Option<(&'static str, f64)>,
    ) -> Option<usize> {
        let rules = &self.policy.stroke;
        let lams = self.question.lams.map(f64::from);
        let suspected = lams.is_some_and(|lams| lams >= rules.lams.value);
        self.step("large-vessel", suspected, lams, Some(&rules.lams), None);
        let elapsed = elapsed.filter(|_| suspected)?;
        let nearest = eligible.iter().map(|at| self.seen[*at].eta()).fold(f64::INFINITY, f64::min);
        let mut centres: Vec<usize> = eligible.iter().copied().filter(|at| self.seen[*at].has("evt")).collect();
        centres.sort_by(|one, other| self.seen[*one].eta().total_cmp(&self.seen[*other].eta()).then(one.cmp(other)));
        if centres.is_empty() {
            self.step("capability", false, None, None, Some("evt".to_owned()));
        }
        let most = if self.question.rural { &rules.bypass_rural } else { &rules.bypass_urban };
        for centre in centres {
            let about = || Some(self.seen[centre].site.location.clone());
            let (eta, at) = (self.seen[centre].eta(), about());
            let (door, longer) = (elapsed + eta, eta - nearest);
            let needle = elapsed + self.minutes(centre, measure);
            let in_window = door <= rules.thrombectomy_window.value;
            self.step("thrombectomy-window", in_window, Some(door), Some(&rules.thrombectomy_window), at.clone());
            let near = longer <= most.value;
            self.step("bypass", near, Some(longer), Some(most), at.clone());
            // Past the window for the needle nothing is lost by driving on.
            let keeps = !possible || needle <= rules.needle_window.value;
            if possible {
                self.step("bypass-keeps-needle", keeps, Some(needle), Some(&rules.needle_window), at);
            }
            if in_window && near && keeps {
                return Some(centre);
            }
        }
        None
    }

    fn chest_pain(&mut self) -> Decision {
        let rules = &self.policy.chest_pain;
        let limit = rules.contact_to_wire.value;
        let measure = Some(("d2w", rules.assumed_d2w.value));
        let contact = self.since(self.question.contact);
        if contact.is_none() {
            self.warnings.push(Reason::of("contact-unknown"));
        }
        // Without a first contact on record it is now.
        let elapsed = contact.unwrap_or(0.0);
        self.ask_registry();
        let open = self.eligible();
        let wires: Vec<(usize, f64)> = open
            .iter()
            .filter(|at| self.seen[**at].has("pci"))
            .map(|at| (*at, elapsed + self.minutes(*at, measure)))
            .collect();
        let in_time: Vec<usize> = wires.iter().filter(|(_, wire)| *wire <= limit).map(|(at, _)| *at).collect();
        let quickest = wires.iter().map(|(_, wire)| *wire).reduce(f64::min);
        self.step("contact-to-wire", !in_time.is_empty(), quickest, Some(&rules.contact_to_wire), None);
        if !in_time.is_empty() {
            for at in open.into_iter().filter(|at| !in_time.contains(at)) {
                match wires.iter().find(|(one, _)| *one == at) {
                    Some((_, wire)) => self.seen[at].reasons.push(Reason::minutes("too-late", *wire, limit)),
                    None => self.seen[at].reasons.push(Reason::about("lacks", "pci")),
                }
            }
            // The nearest of those in time, not the one whose figures are best.
            let mut decision = self.settled("primary-pci", None);
            decision.measure = measure;
            return decision;
        }
        for at in open {
            if !self.seen[at].has("lysis") {
                if let Some((_, wire)) = wires.iter().find(|(one, _)| *one == at) {
                    self.seen[at].reasons.push(Reason::minutes("too-late", *wire, limit));
                }
                self.seen[at].reasons.push(Reason::about("lacks", "lysis"));
            }
        }
        let any = !self.eligible().is_empty();
        self.step("capability", any, None, None, Some("lysis".to_owned()));
        if any { self.settled("lysis-first", None) } else { self.too_late_rather_than_nowhere(&wires) }
    }

    /// Where nobody can dissolve the clot either, a late wire is better than none.
    fn too_late_rather_than_nowhere(&mut self, wires: &[(usize, f64)]) -> Decision {
        for (at, _) in wires {
            let seen = &mut self.seen[*at];
            let late = seen.reasons.iter().position(|reason| reason.code == "too-late");
            let late = late.map(|place| seen.reasons.remove(place));
            seen.reasons.retain(|reason| reason.detail.as_deref() != Some("lysis"));
            seen.warnings.extend(late);
        }
        self.settled("late-pci", None)
    }

    fn trauma(&mut self) -> Decision {
        let within = &self.policy.trauma.highest_within;
        self.ask_registry();
        let tier = self.question.tier;
        self.step("tier-1", tier == Some(1), tier.map(f64::from), None, None);
        if tier != Some(1) {
            return self.settled("nearest", None);
        }
        let ranked = |router: &Self, at: usize| {
            let level = router.seen[at].row.and_then(|row| row.level.as_deref());
            level.and_then(|level| router.policy.rank("trauma", level)).unwrap_or(0)
        };
        let mut near: Vec<usize> =
            self.eligible().into_iter().filter(|at| self.seen[*at].eta() <= within.value).collect();
        let nearest = self.eligible().iter().map(|at| self.seen[*at].eta()).reduce(f64::min);
        self.step("highest-level", !near.is_empty(), nearest, Some(within), None);
        if near.is_empty() {
            return self.settled("nearest", None);
        }
        for at in self.eligible().into_iter().filter(|at| !near.contains(at)) {
            let eta = self.seen[at].eta();
            self.seen[at].reasons.push(Reason::minutes("too-far", eta, within.value));
        }
        near.sort_by(|one, other| {
            let by_level = ranked(self, *other).cmp(&ranked(self, *one));
            by_level.then(self.seen[*one].eta().total_cmp(&self.seen[*other].eta())).then(one.cmp(other))
        });
        Decision { rule: "highest-level", order: near, measure: None }
    }

    fn birth(&mut self) -> Decision {
        let policy = self.policy;
        let pathway = self.question.pathway.as_str();
        let needs: &Needs = if pathway == "obstetric" { &policy.obstetric } else { &policy.newborn };
        self.ask_registry();
        if self.question.weeks.is_none() {
            self.warnings.push(Reason::of("weeks-unknown"));
        }
        for need in &needs.need {
            let by_colour = self.question.colour.as_ref().is_some_and(|colour| need.colours.contains(colour));
            let by_weeks = need.weeks_below.zip(self.question.weeks).is_some_and(|(below, weeks)| weeks < below);
            if !by_colour && !by_weeks {
                continue;
            }
            let limit = need.weeks_below.filter(|_| by_weeks).map(|below| Number {
                value: f64::from(below),
                unit: "wk".to_owned(),
                source: need.source.clone(),
            });
            let limit =
                limit.unwrap_or_else(|| Number { value: 0.0, unit: String::new(), source: need.source.clone() });
            for seen in &mut self.seen {
                let Some(row) = seen.row else { continue };
                let rank = |level: &str| policy.rank(pathway, level).unwrap_or(0);
                if let Some(level) = &need.level
                    && row.level.as_deref().map_or(0, rank) < rank(level)
                    && !seen.reasons.iter().any(|reason| reason.code == "level-too-low")
                {
                    seen.reasons.push(Reason::about("level-too-low", level.clone()));
                }
                if let Some(capability) = &need.capability
                    && !row.capabilities.contains(capability)
                    && !seen.reasons.iter().any(|reason| reason.detail.as_ref() == Some(capability))
                {
                    seen.reasons.push(Reason::about("lacks", capability.clone()));
                }
            }
            let words = [need.level.clone(), need.capability.clone()].into_iter().flatten().collect::<Vec<_>>();
            let any = !self.eligible().is_empty();
            let value = if by_weeks { self.question.weeks.map(f64::from) } else { None };
            self.step("need", any, value, Some(&limit), Some(words.join(" ")));
        }
        self.settled("nearest", None)
    }

    /// A pathway without rules of its own: the nearest centre for it, and where there is none, whoever keeps alive.
    fn any(&mut self) -> Decision {
        if self.seen.iter().any(|seen| seen.row.is_some()) {
            self.ask_registry();
        } else {
            self.resuscitation();
        }
        self.settled("nearest", None)
    }

    fn answer(mut self, decision: Decision) -> Answer {
        let Decision { rule, order, measure } = decision;
        let mut places: Vec<Place> = Vec::new();
        for at in &order {
            let minutes = self.minutes(*at, measure);
            let seen = &mut self.seen[*at];
            let leg = seen.leg.expect("who has no position is rejected");
            let treatment = measure.map(|(code, assumed)| {
                let told = figure(seen.row, code);
                (code, told.unwrap_or(assumed), told.is_none())
            });
            let warnings = std::mem::take(&mut seen.warnings);
            places.push(Place { site: *at, leg, treatment, minutes, warnings });
        }
        let mut rejected: Vec<Rejected> = (0..self.seen.len())
            .filter(|at| !order.contains(at))
            .map(|at| Rejected {
                site: at,
                leg: self.seen[at].leg,
                reasons: std::mem::take(&mut self.seen[at].reasons),
            })
            .collect();
        let eta = |one: &Rejected| one.leg.map_or(f64::INFINITY, |leg| leg.minutes);
        rejected.sort_by(|one, other| eta(one).total_cmp(&eta(other)).then(one.site.cmp(&other.site)));
        if places.iter().map(|place| place.leg).chain(rejected.iter().filter_map(|one| one.leg)).any(|leg| !leg.by_road)
        {
            self.warnings.push(Reason::of("straight-line"));
        }
        let wish = self.wish(&places, &rejected);
        let mut places = places.into_iter();
        Answer {
            at: self.now,
            rule,
            chosen: places.next(),
            alternatives: places.collect(),
            rejected,
            wish,
            trace: self.trace,
            warnings: self.warnings,
        }
    }

    fn wish(&self, places: &[Place], rejected: &[Rejected]) -> Option<Wish> {
        let wanted = self.question.wish.as_ref()?;
        let fits = |at: &usize| {
            let site = self.seen[*at].site;
            site.location == *wanted || site.institution == *wanted
        };
        let chosen = places.first();
        let place = places.iter().find(|place| fits(&place.site));
        let turned = rejected.iter().find(|one| fits(&one.site));
        let site = place.map(|place| place.site).or(turned.map(|one| one.site))?;
        let leg = place.map(|place| place.leg).or(turned.and_then(|one| one.leg));
        let way_lost = chosen.zip(leg).map(|(chosen, leg)| leg.minutes - chosen.leg.minutes);
        let lost = chosen.zip(place).map(|(chosen, place)| place.minutes - chosen.minutes);
        Some(Wish { site, way_lost, lost, rejected: place.is_none() })
    }
}

impl Row {
    /// For what this row is to be suspended at the quarter's evaluation, or looked at: figures that were not told for the
    /// last quarter, needles that come late, patients that were refused.
    pub fn findings(&self, pathway: &str, policy: &Policy, now: i64) -> Vec<Reason> {
        /// The longest time from the end of one quarter to the end of the next, in microseconds.
        const QUARTER: i64 = 92 * 86_400_000_000;
        let mut found = Vec::new();
        let told = match pathway {
            "stroke" => Some("dnt"),
            "chest-pain" => Some("d2w"),
            _ => None,
        };
        if let Some(code) = told.filter(|code| self.figures.get(*code).is_none_or(|one| one.end < now - QUARTER)) {
            found.push(Reason::about("missing-figures", code));
        }
        let rules = &policy.maintenance;
        let compared = |code, figure: &str, limit: &Number, unit, is_bad: fn(f64, f64) -> bool| {
            let value = self.figures.get(figure).map(|one| one.value).filter(|value| is_bad(*value, limit.value))?;
            Some(Reason { value: Some(value), limit: Some(limit.value), unit, ..Reason::of(code) })
        };
        found.extend(compared("needles-late", "needles-in-time", &rules.needles_in_time, "%", |value, limit| {
            value < limit
        }));
        found.extend(compared("refused", "refusals", &rules.refusals, "1", |value, limit| value >= limit));
        found
    }
}

/// The row of a site's emergency department; where it has none of its own, another that can resuscitate.
fn emergency_row(site: &Site) -> Option<&Row> {
    let can = |row: &&Row| row.capabilities.contains("resuscitation");
    site.rows.get(code::EMERGENCY).filter(can).or_else(|| site.rows.values().find(can))
}

/// A figure of a centre.
fn figure(row: Option<&Row>, code: &str) -> Option<f64> {
    row?.figures.get(code).map(|figure| figure.value)
}

/// What a row says of whom it takes: a reason against it, or something to mind.
fn live(row: &Row, policy: &Policy, now: i64, reasons: &mut Vec<Reason>, warnings: &mut Vec<Reason>) {
    let stale = policy.live.stale.value;
    let fresh = row.live.as_ref().filter(|live| live.is_fresh(now, stale));
    let told = |code, live: &crate::registry::Live| Reason {
        detail: live.reason.clone(),
        value: Some(live.age(now) as f64),
        unit: "min",
        ..Reason::of(code)
    };
    match fresh {
        Some(live) => match live.taking {
            Taking::Open => {}
            Taking::Limited => warnings.push(told("limited", live)),
            Taking::Diverted => reasons.push(told("diverted", live)),
        },
        None => {
            let unknown = Reason {
                detail: row.live.as_ref().map(|live| live.taking.code().to_owned()),
                value: row.live.as_ref().map(|live| live.age(now) as f64),
                limit: Some(stale),
                unit: "min",
                ..Reason::of("status-unknown")
            };
            match policy.live.unknown {
                Unknown::Warn => warnings.push(unknown),
                Unknown::Reject => reasons.push(unknown),
            }
        }
    }
}
