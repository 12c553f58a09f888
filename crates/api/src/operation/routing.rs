//! Where an emergency is brought (`$route`), by whom it can be treated (`$registry`, `$status`, `$suspend`), and the editions
//! of the map (`$draft-map`, `$publish-map`, `$map-editions`, `$map-difference`). All are ours, and told in
//! docs/decisions/routing.md.

use fhir::{Category, Error, IssueCode, time};
use jiff::tz::Offset;
use record::{Key, Session, Standing};
use routing::{Point, Question, Suspension, Taking, Told};
use serde_json::{Value, json};
use sonic_rs::JsonValueTrait;

use super::Operation;
use super::parameters::Parameters;
use crate::App;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::outcome::Failure;
use crate::route::On;

/// Does one of these operations.
pub(crate) async fn run(
    operation: Operation,
    app: &App,
    session: &Session,
    mut ask: Ask,
    on: On,
) -> Result<Answer, Failure> {
    let zone = Offset::from_seconds(app.record.settings().zone_offset).unwrap_or(Offset::UTC);
    let asked = Asked { parameters: Parameters::of(&mut ask)?, zone };
    let routing = &app.routing;
    let done = match operation {
        Operation::Route => routing.decide(session, asked.question()?).await?.parameters(),
        Operation::CentreStatus => routing.tell(session, &named(on)?, &asked.told()?).await?,
        Operation::Suspend => routing.suspend(session, &named(on)?, &asked.suspension()?).await?,
        Operation::DraftMap => routing.draft(session, asked.parameters.text("note")).await?,
        Operation::PublishMap => {
            routing.publish(session, &named(on)?, asked.parameters.text("date").as_deref()).await?
        }
        Operation::MapEditions => editions(app, session).await?,
        Operation::MapDifference => {
            let (from, to) = (asked.edition("from")?, asked.edition("to")?);
            routing.difference(session, from, to).await?.parameters()
        }
        _ => routing.listing(session).await?.parameters(routing.policy()),
    };
    Ok(Answer::resource(serde_json::to_vec(&done).map_err(Error::fault)?))
}

/// The editions, a draft among them: `edition` with `number`, `from`, `note`, `sites`, `draft`.
async fn editions(app: &App, session: &Session) -> Result<Value, Error> {
    if let Standing::Lay(_) = session.caller().standing {
        let text = "Drafts are for those on duty. The map is open to everybody at /map.";
        return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text));
    }
    let all = app.routing.editions().await?;
    let edition = all.iter().map(|one| {
        let mut parts = vec![
            json!({ "name": "number", "valueInteger": one.number }),
            json!({ "name": "draft", "valueBoolean": one.from.is_none() }),
            json!({ "name": "sites", "valueInteger": one.sites.len() }),
        ];
        parts.extend(one.from.iter().map(|from| json!({ "name": "from", "valueDate": from })));
        parts.extend(one.note.iter().map(|note| json!({ "name": "note", "valueString": note })));
        json!({ "name": "edition", "part": parts })
    });
    Ok(json!({ "resourceType": "Parameters", "parameter": edition.collect::<Vec<_>>() }))
}

/// What was asked, read by the shape each part has.
struct Asked {
    parameters: Parameters,
    zone: Offset,
}

impl Asked {
    fn question(&self) -> Result<Question, Error> {
        let needed = |name: &str| {
            Error::new(Category::Invalid, IssueCode::Required, format!("The parameter “{name}” is needed."))
        };
        let degrees = |name: &str| self.decimal(name)?.ok_or_else(|| needed(name));
        let from = Point::new(degrees("latitude")?, degrees("longitude")?)
            .ok_or_else(|| malformed("latitude", "degrees from -90 to 90, and “longitude” from -180 to 180"))?;
        let lams = self.number("lams")?;
        if lams.is_some_and(|lams| lams > 5) {
            return Err(malformed("lams", "a total from 0 to 5"));
        }
        let text = |name: &str| self.parameters.text(name).filter(|text| !text.trim().is_empty());
        Ok(Question {
            pathway: self.parameters.required("pathway")?,
            from,
            unstable: self.parameters.flag("unstable")?.unwrap_or(false),
            last_well: self.moment("last-well")?,
            contact: self.moment("contact")?,
            lams,
            tier: self.number("tier")?,
            colour: text("colour"),
            weeks: self.number("weeks")?,
            rural: self.parameters.flag("rural")?.unwrap_or(false),
            wish: self.wish()?,
        })
    }

    fn told(&self) -> Result<Told, Error> {
        let taking = Taking::of(&self.parameters.required("status")?);
        let mut resources = Vec::new();
        for parts in self.parameters.lists("resource") {
            let part = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, text)| text.clone());
            let count = part("count").and_then(|text| text.parse().ok());
            let wrong = || malformed("resource", "a “code” and a whole “count”");
            resources.push((part("code").ok_or_else(wrong)?, count.ok_or_else(wrong)?));
        }
        Ok(Told {
            taking: taking.ok_or_else(|| malformed("status", "open, limited or diverted"))?,
            reason: self.parameters.text("reason"),
            resources,
        })
    }

    fn suspension(&self) -> Result<Suspension, Error> {
        match self.parameters.flag("lift")? {
            Some(true) => Ok(Suspension::Lifted),
            _ => Ok(Suspension::For(self.parameters.required("reason")?)),
        }
    }

    fn wish(&self) -> Result<Option<String>, Error> {
        let value = self.parameters.value("wish").and_then(|value| value.get("reference"));
        let given = value.and_then(|text| text.as_str()).map(str::to_owned).or_else(|| self.parameters.text("wish"));
        let Some(given) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
        let is_one = given
            .split_once('/')
            .is_some_and(|(kind, id)| matches!(kind, "Location" | "Organization") && Key::is_id(id));
        if is_one { Ok(Some(given)) } else { Err(malformed("wish", "a reference to a Location or an Organization")) }
    }

    fn edition(&self, name: &str) -> Result<u32, Error> {
        let needed =
            || Error::new(Category::Invalid, IssueCode::Required, format!("The parameter “{name}” is needed."));
        self.number(name)?.ok_or_else(needed)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, Error> {
        let number = self.parameters.number(name)?;
        number.map(|number| u32::try_from(number).map_err(|_| malformed(name, "a smaller number"))).transpose()
    }

    fn decimal(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some(text) = self.parameters.text(name) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| malformed(name, "a number"))
    }

    /// A moment, in microseconds since 1970.
    fn moment(&self, name: &str) -> Result<Option<i64>, Error> {
        let Some(text) = self.parameters.text(name) else { return Ok(None) };
        let read = time::parse(&text, self.zone).map(|span| span.lo);
        read.map(Some).ok_or_else(|| malformed(name, "a date or a time such as 2026-05-04T08:00:00+08:00"))
    }
}

/// The reference of what an operation is called on.
fn named(on: On) -> Result<String, Error> {
    match on {
        On::Instance(key) => Ok(key.to_string()),
        _ => Err(Error::not_found("This operation is called on one resource.")),
    }
}

fn malformed(name: &str, wanted: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, format!("The parameter “{name}” must be {wanted}."))
}
