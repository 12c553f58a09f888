//! `qingshan consortium`: the institutions, their people and who works where, from one readable file into a record.
//!
//! The file is read and checked ([`file`]), turned into resources ([`resources`]), compared with what there is
//! ([`difference`]), shown, and written in transactions ([`holder`]). Doing it twice changes nothing.

mod codes;
mod difference;
mod file;
mod holder;
mod resources;
mod show;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;

use jiff::civil::Date;
use serde_json::Value;

use crate::Outcome;
use difference::Difference;
pub(crate) use difference::{Step, StepKind, key};
use file::Consortium;
pub(crate) use holder::Holder;
use resources::TYPES;

/// Ids asked for in one search.
const ASKED: usize = 200;
/// Of a long list, so many lines are shown unless all are asked for.
const SHOWN: usize = 60;

/// How a file is applied.
pub(crate) struct Manner {
    /// Write without asking.
    pub(crate) yes: bool,
    /// Show every difference, however many.
    pub(crate) full: bool,
    /// What is gone from the file ends on this day.
    pub(crate) today: Date,
    /// The most changes of one transaction.
    pub(crate) at_once: usize,
}

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it, a line each, which begins with file and line.
pub(crate) fn read(path: &Path) -> Outcome<Consortium> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    file::read(&text).map_err(|faults| {
        let lines = faults.iter().map(|fault| format!("{}:{}: {}", path.display(), fault.line, fault.text));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Makes the record say what a file says, once a person has seen the difference.
///
/// # Errors
/// A sentence for that person.
pub(crate) async fn apply(holder: &Holder, consortium: &Consortium, manner: &Manner) -> Outcome<String> {
    let difference = difference(holder, consortium, manner.today).await?;
    if difference.steps.is_empty() {
        return Ok(format!("Nothing to do: {} resources are as they should be.", difference.unchanged));
    }
    tell(&shown(&difference, manner.full))?;
    if !manner.yes && !agreed()? {
        return Ok("Nothing was written. With --yes it is, without a question.".to_owned());
    }
    for steps in difference.steps.chunks(manner.at_once.max(1)) {
        holder.take(steps).await?;
    }
    Ok(format!("{} resources written.", difference.steps.len()))
}

/// The file that would bring a consortium into an empty record as it is in this one.
///
/// # Errors
/// A sentence: there is no such consortium, or it says something a file cannot say.
pub(crate) async fn show(holder: &Holder, id: Option<&str>, today: Date) -> Outcome<String> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => only(holder).await?,
    };
    let mut found = tagged(holder, &id).await?;
    // Posts that were given in the portal belong to it as well.
    found.extend(untagged_posts(holder, &found).await?);
    resources::read(&id, &found, today).map(|consortium| show::written(&consortium))
}

async fn difference(holder: &Holder, consortium: &Consortium, today: Date) -> Outcome<Difference> {
    let wanted = resources::written(consortium);
    let mut stored = tagged(holder, consortium.consortium.id.get_ref()).await?;
    let known: BTreeSet<String> = stored.iter().map(difference::key).collect();
    for (type_, _) in TYPES {
        let of_type =
            wanted.iter().filter(|one| one["resourceType"] == *type_ && !known.contains(&difference::key(one)));
        let ids: Vec<&str> = of_type.filter_map(|one| one["id"].as_str()).collect();
        for ids in ids.chunks(ASKED) {
            stored.extend(holder.find(type_, "_id", &ids.join(",")).await?);
        }
    }
    Ok(difference::between(wanted, stored, today))
}

async fn tagged(holder: &Holder, id: &str) -> Outcome<Vec<Value>> {
    let mut found = Vec::new();
    for (type_, _) in TYPES {
        found.extend(holder.find(type_, "_tag", &difference::tag(id)).await?);
    }
    Ok(found)
}

async fn untagged_posts(holder: &Holder, tagged: &[Value]) -> Outcome<Vec<Value>> {
    let known: BTreeSet<String> = tagged.iter().map(difference::key).collect();
    let of_type = |type_: &str| -> Vec<String> {
        tagged.iter().filter(|one| one["resourceType"] == type_).map(difference::key).collect()
    };
    let mut posts = Vec::new();
    for people in of_type("Practitioner").chunks(ASKED) {
        posts.extend(holder.find("PractitionerRole", "practitioner", &people.join(",")).await?);
    }
    let institutions = of_type("Organization");
    posts.retain(|post| {
        let at = post["organization"]["reference"].as_str().unwrap_or_default();
        !known.contains(&difference::key(post)) && institutions.iter().any(|institution| institution == at)
    });
    Ok(posts)
}

/// The one consortium of a record.
async fn only(holder: &Holder) -> Outcome<String> {
    let type_ = format!("{}|{}", codes::ORGANIZATION_TYPE, codes::CONSORTIUM);
    let found = holder.find("Organization", "type", &type_).await?;
    let mut ids = found.iter().filter(|one| resources::is_active(one)).filter_map(|one| one["id"].as_str());
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (None, _) => Err("There is no consortium in this record. `qingshan consortium apply` puts one in.".to_owned()),
        (Some(one), Some(other)) => {
            Err(format!("There are several consortia, such as {one} and {other}; name one with --id."))
        }
    }
}

fn shown(difference: &Difference, full: bool) -> String {
    let text = difference.to_string();
    let lines: Vec<&str> = text.lines().collect();
    if full || lines.len() <= SHOWN {
        return text;
    }
    let (last, before) = lines.split_last().expect("a difference ends with its count");
    let left = before.len() - SHOWN;
    format!("{}\n… and {left} more lines, which --full shows.\n{last}", before[..SHOWN].join("\n"))
}

fn tell(text: &str) -> Outcome<()> {
    writeln!(std::io::stderr(), "{text}").map_err(|error| format!("The difference cannot be shown: {error}"))
}

/// Asks whoever sits at the terminal. Where nobody does, the answer is no.
fn agreed() -> Outcome<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "Write this? [y/N] ").map_err(|error| error.to_string())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| format!("No answer can be read: {error}"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
