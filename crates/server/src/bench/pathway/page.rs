//! What came of it, as a part of a page.

use std::fmt::Write as _;

use fhir::time::SECOND;
use protocol::definition::Step;

use super::Comparison;
use super::chance::Lasting;
use super::world::{Fate, History};

const MINUTE: f64 = (60 * SECOND) as f64;
/// The limits of door to needle: national, of the hospital, and what is striven for.
const LIMITS: [f64; 3] = [60.0, 45.0, 30.0];
/// Minutes of one row of the histogram, and how many rows there are; the last takes all beyond.
const ROW: f64 = 10.0;
const ROWS: usize = 18;
/// Letters of the longest bar.
const BAR: f64 = 34.0;

/// Minutes from the door to a milestone, in order.
pub(super) fn times(fates: &[Fate], asked: usize) -> Vec<f64> {
    let found = fates.iter().filter_map(|fate| Some((fate.reached[asked]? - fate.door) as f64 / MINUTE));
    let mut times: Vec<f64> = found.collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The smallest of sorted numbers that this share of them does not exceed (nearest rank).
pub(super) fn rank(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

pub(super) fn write(comparison: &Comparison, seed: u64, histories: &[History; 2], alone: &[History; 2]) -> String {
    let cases = histories[0].fates.len();
    let mut text = format!(
        "{cases} cases of suspected stroke, seed {seed}, go through the stroke protocol as it stands in `lines/emergency` \
         (*parallel*) and\nthrough the same text in which most steps also wait for the one before (*serial*). Which step is \
         open at which moment is\nthe judgement of the engine itself (`protocol::step`), its clocks included; the hospital \
         around it is supposed. Both meet the\nsame patients, the same lengths of time and the same other work, thrown by \
         the same dice, and have the same people.\n\n"
    );
    text += "| minutes | serial | parallel |\n| --- | --- | --- |\n";
    for (asked, name) in ["door to needle", "door to puncture"].into_iter().enumerate() {
        let times = histories.each_ref().map(|history| times(&history.fates, asked));
        let row = |what: &str, of: &dyn Fn(&[f64]) -> String| {
            format!("| {name}: {what} | {} | {} |\n", of(&times[0]), of(&times[1]))
        };
        text += &row("treated", &|times| times.len().to_string());
        for (what, share) in [("one in ten within", 0.1), ("**half within**", 0.5), ("nine in ten within", 0.9)] {
            text += &row(what, &|times| format!("{:.0}", rank(times, share)));
        }
        for limit in LIMITS.into_iter().filter(|_| asked == 0) {
            text += &row(&format!("within {limit:.0}"), &|times| {
                let kept = times.iter().filter(|time| **time <= limit).count();
                format!("{:.1} %", share(kept, times.len()))
            });
        }
    }
    let count = |of: &dyn Fn(&History) -> String| format!("{} | {} |\n", of(&histories[0]), of(&histories[1]));
    let told = |history: &History| {
        let told: usize = history.fates.iter().map(|fate| fate.told).sum();
        format!("{:.1}", told as f64 / cases as f64)
    };
    text += &format!("| points of clocks that fired, a case | {}", count(&told));
    text += &format!(
        "| runs that ended | {}",
        count(&|history| { history.fates.iter().filter(|fate| fate.end.is_some()).count().to_string() })
    );
    text += &format!(
        "| given the drug while something it requires was missing | {}",
        count(&|history| { history.fates.iter().filter(|fate| fate.is_unfounded).count().to_string() })
    );
    text += &format!("| events judged by the engine | {}\n", count(&|history| history.judged.to_string()));
    text += &histogram(histories);
    text += &contrast(histories, alone);
    text += &supposed(comparison, histories);
    text
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Door to needle of both, side by side.
fn histogram(histories: &[History; 2]) -> String {
    let rows = histories.each_ref().map(|history| {
        let mut rows = [0_usize; ROWS];
        for time in times(&history.fates, 0) {
            rows[((time / ROW) as usize).min(ROWS - 1)] += 1;
        }
        rows
    });
    let most = rows.iter().flatten().copied().max().unwrap_or(1).max(1);
    let last = (0..ROWS).rev().find(|row| rows.iter().any(|own| own[*row] > 0)).unwrap_or(0);
    let width = BAR as usize;
    let mut text = format!("```text\nminutes from door to needle\n             {:<width$} parallel\n", "serial");
    let [serial, parallel] = &rows;
    for (row, (serial, parallel)) in serial.iter().zip(parallel).enumerate().take(last + 1) {
        let from = row as f64 * ROW;
        let upto = if row + 1 == ROWS { " up  ".to_owned() } else { format!("–{:<4.0}", from + ROW) };
        let bar = |count: usize| {
            let whole = "█".repeat((count as f64 / most as f64 * BAR).round() as usize);
            if whole.is_empty() && count > 0 { "▏".to_owned() } else { whole }
        };
        let line = format!("{from:>6.0}{upto}  {:<width$} {}", bar(*serial), bar(*parallel));
        writeln!(text, "{}", line.trim_end()).expect("a string takes text");
    }
    text + "```\n\n"
}

/// Case by case: whom the parallel protocol served later.
fn contrast(histories: &[History; 2], alone: &[History; 2]) -> String {
    let later = |[serial, parallel]: &[History; 2]| {
        let both = serial.fates.iter().zip(&parallel.fates);
        let pairs: Vec<(i64, i64)> =
            both.filter_map(|(one, other)| Some((one.reached[0]?, other.reached[0]?))).collect();
        (pairs.iter().filter(|(serial, parallel)| parallel > serial).count(), pairs.len())
    };
    let ((later_here, all), (later_alone, all_alone)) = (later(histories), later(alone));
    let median = alone.each_ref().map(|history| rank(&times(&history.fates, 0), 0.5));
    format!(
        "Of {all} who were given the drug in both, {later_here} got it later in the parallel protocol: somebody else's case \
         had the scanner or\nthe doctor just then. Were nobody ever busy, {later_alone} of {all_alone} would, and half would \
         have it within {:.0} and {:.0} minutes.\n\n",
        median[0], median[1]
    )
}

/// What is supposed, each with where it comes from.
fn supposed(comparison: &Comparison, histories: &[History; 2]) -> String {
    let plan = &comparison.plan;
    let mut text = String::from(
        "What is supposed stands in `crates/server/src/bench/pathway/stroke.toml`; `1.4 S5` is a row of the domain rules. \
         Lengths are\nlog-normal: half / nine in ten take no longer, in minutes. At most three people are at one patient at \
         once.\n\n| who and what there is | how many | other work | waited a minute or more, serial | parallel | source \
         |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (number, pool) in plan.pools.iter().enumerate() {
        let waited = |history: &History| {
            let waits = &history.waits[number];
            let mut long: Vec<f64> = waits.long.iter().map(|wait| *wait as f64 / MINUTE).collect();
            long.sort_by(f64::total_cmp);
            match long.is_empty() {
                true => "never".to_owned(),
                false => format!("{:.1} %, half of them {:.0} min", share(long.len(), waits.asked), rank(&long, 0.5)),
            }
        };
        let [serial, parallel] = histories.each_ref().map(waited);
        let other = format!("every {} min, {}", pool.other.apart, lasting(pool.other.lasts));
        let (title, size, source) = (&pool.title, pool.size, &pool.source);
        writeln!(text, "| {title} | {size} | {other} | {serial} | {parallel} | {source} |")
            .expect("a string takes text");
    }
    text += "\n| what is done | by | minutes | how it ends | waits in the serial one also for | source |\n\
             | --- | --- | --- | --- | --- | --- |\n";
    for one in &plan.activities {
        let title = |step: &Step| step.title.en.clone();
        let step = one.step.as_deref();
        let what = match step.and_then(|code| comparison.parallel.step(code)) {
            Some(step) => title(step),
            None => {
                let milestone = one.reach.as_deref().and_then(|code| comparison.parallel.milestone(code));
                milestone.map(|milestone| milestone.title.en.clone()).unwrap_or_default()
            }
        };
        let by = one.pool.as_deref().and_then(|code| plan.pools.iter().find(|pool| pool.code == code));
        let by = by.map_or("–", |pool| pool.title.as_str());
        let more = [("warned", one.warned), ("again", one.again), ("and then busy", one.after)];
        let more = more.into_iter().filter_map(|(when, lasts)| Some(format!("; {when} {}", lasting(lasts?))));
        let minutes = format!("{}{}", lasting(one.lasts), more.collect::<String>());
        let ends = one.outcomes.iter().map(|(code, share)| format!("{code} {:.1} %", share * 100.0));
        let ends = ends.collect::<Vec<_>>().join(", ");
        let waits = step.map(|code| besides(comparison, code)).unwrap_or_default();
        writeln!(text, "| {what} | {by} | {minutes} | {ends} | {waits} | {} |", one.source)
            .expect("a string takes text");
    }
    let cases = &plan.cases;
    writeln!(
        text,
        "\nA case comes every {} minutes in the mean, by chance ({}). {:.1} % are announced, {} minutes ahead ({}); of \
         these the sugar\nis known on arrival in {:.0} % ({}). For the others the team is called {} minutes after the door \
         ({}). It began {} minutes\nbefore the door, which nobody knows of {:.0} % ({}).",
        cases.apart,
        cases.source,
        cases.warned.share * 100.0,
        lasting(cases.warned.ahead),
        cases.warned.source,
        cases.glucose.share * 100.0,
        cases.glucose.source,
        lasting(cases.triage.lasts),
        cases.triage.source,
        lasting(cases.onset.before),
        cases.onset.unknown * 100.0,
        cases.onset.source,
    )
    .expect("a string takes text");
    text
}

fn lasting(lasting: Lasting) -> String {
    format!("{} / {}", lasting.half, lasting.nine)
}

/// What a step requires only where everything is done one after another, in the protocol's own words.
fn besides(comparison: &Comparison, code: &str) -> String {
    let requires =
        |protocol: &protocol::Protocol| protocol.step(code).map(|step| step.requires.clone()).unwrap_or_default();
    let own = requires(&comparison.parallel);
    let more = requires(&comparison.serial).into_iter().filter(|one| !own.contains(one));
    let named = more.map(|one| {
        let titles =
            one.split('|').filter_map(|code| comparison.parallel.milestone(code)).map(|one| one.title.en.clone());
        titles.collect::<Vec<_>>().join(" or ")
    });
    named.collect::<Vec<_>>().join(", ")
}
