//! Figures told apart by months, institutions and traits.

use std::collections::{BTreeMap, BTreeSet};

use fhir::Error;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use protocol::definition::IndicatorKind;
use protocol::figures::{Figure, Recorded, Tally};
use protocol::{Protocol, Run, Words};
use serde::Serialize;

use super::members::Members;
use super::{Asked, Counter, Pages, own_version, zone};
use crate::App;
use crate::ask::shortened;

/// Dimensions by which figures are told apart at once.
const MOST: usize = 2;
/// Months that are told apart at once.
const MONTHS: usize = 36;
/// Cells for each of which the record is asked to count; where there are more it counts rows, columns and all.
const COUNTED: usize = 150;

/// By what runs are told apart.
enum Way {
    Month,
    Organization,
    Role(String),
    Trait(String),
}

/// A group in each dimension; none stands for all of that dimension.
type At = Vec<Option<String>>;

/// Figures on the way, told apart.
pub(super) struct Cells {
    by: String,
    ways: Vec<Way>,
}

#[derive(Serialize)]
pub(super) struct Told<'p> {
    by: Vec<String>,
    /// The groups of each dimension, in order.
    groups: Vec<Vec<Group>>,
    indicators: Vec<Row<'p>>,
}

#[derive(Serialize)]
struct Group {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

#[derive(Serialize)]
struct Row<'p> {
    code: &'p str,
    title: &'p Words,
    kind: IndicatorKind,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<u32>,
    less: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'p str>,
    /// The record counts some of it, so that runs alone do not stand behind it.
    recorded: bool,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    at: At,
    numerator: usize,
    denominator: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

impl Cells {
    pub(super) fn new(protocol: &Protocol, by: &str) -> Result<Self, Error> {
        let ways = by.split(',').map(str::trim).map(|way| match way.split_once(':') {
            None if way == "month" => Ok(Way::Month),
            None if way == "organization" => Ok(Way::Organization),
            Some(("role", role)) if protocol.role(role).is_some() => Ok(Way::Role(role.to_owned())),
            Some(("trait", code)) if protocol.trait_(code).is_some_and(|one| one.list.is_some()) => {
                Ok(Way::Trait(code.to_owned()))
            }
            _ => {
                let told = "month, organization, role:ROLE or trait:TRAIT";
                let text = format!("Figures are told apart by {told}, not by {}.", shortened(way));
                Err(Error::invalid(text))
            }
        });
        let ways = ways.collect::<Result<Vec<Way>, Error>>()?;
        if ways.len() > MOST {
            return Err(Error::invalid("Figures are told apart by two things at most."));
        }
        Ok(Self { by: by.to_owned(), ways })
    }

    pub(super) async fn count<'p>(
        &self,
        app: &App,
        counter: &Counter<'_>,
        protocol: &'p Protocol,
        asked: &Asked,
        now: i64,
    ) -> Result<Told<'p>, Error> {
        let zone = zone(app);
        let mut members = Members::new(&app.record);
        let mut keys: Vec<BTreeSet<String>> = Vec::new();
        for way in &self.ways {
            keys.push(match way {
                Way::Month => months(asked.from, asked.to.unwrap_or(now), zone),
                Way::Trait(_) => BTreeSet::new(),
                _ if protocol.indicators.iter().any(|one| one.events.is_some()) => {
                    members.all().await?.into_iter().collect()
                }
                _ => BTreeSet::new(),
            });
        }
        let mut tallies: BTreeMap<At, Tally<'p>> = BTreeMap::new();
        let mut pages = Pages::new(counter.session, protocol, asked)?;
        while let Some(runs) = pages.next().await? {
            for run in runs {
                if !asked.includes(&run, &mut members).await? {
                    continue;
                }
                let own = own_version(app, protocol, &run).await?;
                let own = own.as_deref().unwrap_or(protocol);
                let groups = self.groups(&run, &mut members, zone).await?;
                groups.iter().zip(&mut keys).for_each(|(found, known)| known.extend(found.iter().cloned()));
                for at in cells(&groups) {
                    tallies.entry(at).or_insert_with(|| Tally::new(protocol, now, zone)).add(&run, own);
                }
            }
        }
        let listed: Vec<Vec<String>> = keys.into_iter().map(|keys| keys.into_iter().collect()).collect();
        let mut rows: Vec<Row<'p>> = Vec::new();
        let whole: usize = listed.iter().map(Vec::len).product();
        for at in cells(&listed) {
            let tally = tallies.remove(&at).unwrap_or_else(|| Tally::new(protocol, now, zone));
            let is_inner = at.iter().all(Option::is_some) && self.ways.len() == MOST;
            let recorded = match is_inner && whole > COUNTED {
                true => BTreeMap::new(),
                false => {
                    let (period, place) = self.about(&at, asked, &members, zone).await?;
                    counter.all(protocol, period, place.as_deref()).await?
                }
            };
            let of_trait = self.ways.iter().zip(&at).any(|(way, key)| matches!(way, Way::Trait(_)) && key.is_some());
            let figures = tally.figures(&|one| match of_trait && one.events.is_some() {
                // What the record counts by itself has no traits of runs; what it counts below the line stays the whole.
                true => Recorded::default(),
                false => recorded.get(one.code.as_str()).copied().unwrap_or_default(),
            });
            put(&mut rows, protocol, &at, figures);
        }
        let group = |key: &String| Group { key: key.clone(), title: members.name(key).map(str::to_owned) };
        let mut groups: Vec<Vec<Group>> = listed.iter().map(|keys| keys.iter().map(group).collect()).collect();
        for (way, groups) in self.ways.iter().zip(&mut groups) {
            if matches!(way, Way::Organization | Way::Role(_)) {
                groups.sort_by(|one, other| one.title.cmp(&other.title));
            }
        }
        Ok(Told { by: self.by.split(',').map(|way| way.trim().to_owned()).collect(), groups, indicators: rows })
    }

    /// The groups a run belongs to, in each dimension.
    async fn groups(&self, run: &Run, members: &mut Members, zone: Offset) -> Result<Vec<Vec<String>>, Error> {
        let mut groups = Vec::new();
        for way in &self.ways {
            let mut found = BTreeSet::new();
            match way {
                Way::Month => drop(found.insert(month(run.began, zone))),
                Way::Organization => {
                    for party in run.parties.values() {
                        found.extend(members.of(&party.reference).await?);
                    }
                }
                Way::Role(role) => {
                    if let Some(party) = run.parties.get(role) {
                        found.extend(members.of(&party.reference).await?);
                    }
                }
                Way::Trait(code) => found.extend(run.traits.get(code).cloned()),
            }
            groups.push(found.into_iter().collect());
        }
        Ok(groups)
    }

    /// The period and the organizations that a cell is about.
    async fn about(
        &self,
        at: &At,
        asked: &Asked,
        members: &Members,
        zone: Offset,
    ) -> Result<((Option<i64>, Option<i64>), Option<Vec<String>>), Error> {
        let mut period = (asked.from, asked.to);
        let mut place = asked.organization.clone();
        for (way, key) in self.ways.iter().zip(at) {
            match (way, key) {
                (Way::Month, Some(key)) => {
                    if let Some((from, to)) = bounds(key, zone) {
                        let from = asked.from.map_or(from, |asked| asked.max(from));
                        let to = asked.to.map_or(to, |asked| asked.min(to));
                        period = (Some(from), Some(to));
                    }
                }
                (Way::Organization | Way::Role(_), Some(key)) => place = Some(key.clone()),
                (_, _) => {}
            }
        }
        let place = match place {
            Some(place) => Some(members.within(&place).await?),
            None => None,
        };
        Ok((period, place))
    }
}

/// Every combination of groups, each dimension also as a whole.
fn cells(groups: &[Vec<String>]) -> Vec<At> {
    let mut all: Vec<At> = vec![Vec::new()];
    for keys in groups {
        let choices = || std::iter::once(None).chain(keys.iter().cloned().map(Some));
        all = all.iter().flat_map(|at| choices().map(|key| [at.clone(), vec![key]].concat())).collect();
    }
    all
}

fn put<'p>(rows: &mut Vec<Row<'p>>, protocol: &'p Protocol, at: &At, figures: Vec<Figure<'p>>) {
    for (number, figure) in figures.into_iter().enumerate() {
        if rows.len() <= number {
            let indicator = &protocol.indicators[number];
            rows.push(Row {
                code: figure.code,
                title: figure.title,
                kind: figure.kind,
                unit: figure.unit,
                goal: figure.goal,
                less: figure.less,
                source: figure.source,
                recorded: indicator.events.is_some() || indicator.per.is_some(),
                cells: Vec::new(),
            });
        }
        let Figure { numerator, denominator, value, .. } = figure;
        rows[number].cells.push(Cell { at: at.clone(), numerator, denominator, value });
    }
}

fn day(at: i64, zone: Offset) -> Date {
    zone.to_datetime(Timestamp::from_microsecond(at).unwrap_or_default()).date()
}

/// The month of a moment, such as `2026-05`.
fn month(at: i64, zone: Offset) -> String {
    let day = day(at, zone);
    format!("{:04}-{:02}", day.year(), day.month())
}

/// The months of a period; those of its runs alone where it has no beginning or is too long.
fn months(from: Option<i64>, to: i64, zone: Offset) -> BTreeSet<String> {
    let Some(from) = from else { return BTreeSet::new() };
    let (mut year, mut number) = (i32::from(day(from, zone).year()), i32::from(day(from, zone).month()));
    let last = month(to.saturating_sub(1), zone);
    let mut all = BTreeSet::new();
    for _ in 0..MONTHS {
        let key = format!("{year:04}-{number:02}");
        if key > last {
            break;
        }
        all.insert(key);
        (year, number) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    }
    all
}

/// The first moment of a month and that of the next, in microseconds since 1970.
fn bounds(month: &str, zone: Offset) -> Option<(i64, i64)> {
    let (year, number) = month.split_once('-')?;
    let (year, number): (i16, i8) = (year.parse().ok()?, number.parse().ok()?);
    let first = |year: i16, number: i8| {
        let date = Date::new(year, number, 1).ok()?;
        Some(zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_microsecond())
    };
    let next = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    Some((first(year, number)?, first(next.0, next.1)?))
}
