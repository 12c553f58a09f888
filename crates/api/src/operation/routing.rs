//! Where an emergency is brought (`$route`), by whom it can be treated (`$registry`, `$status`, `$suspend`), and the editions
//! of the map (`$draft-map`, `$publish-map`, `$map-editions`, `$map-difference`). All are ours, and told in
//! docs/decisions/routing.md.

use fhir::Error;
use jiff::tz::Offset;
use record::{Session, Standing};
use routing::{Point, Question, Suspension, Taking, Told};
use serde_json::{Value, json};

use super::Operation;
use super::parameters::{Parameters, malformed, needed};
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
    let asked = Asked { parameters: Parameters::of(&mut ask)?, zone: app.record.settings().zone() };
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
        return Err(Error::forbidden("Drafts are for those on duty. The map is open to everybody at /map."));
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
        if self.parameters.text("wish").is_some_and(|text| text.is_empty()) {
            return Ok(None);
        }
        self.parameters.reference("wish", &["Location", "Organization"])
    }

    fn edition(&self, name: &str) -> Result<u32, Error> {
        self.number(name)?.ok_or_else(|| needed(name))
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

    fn moment(&self, name: &str) -> Result<Option<i64>, Error> {
        self.parameters.moment(name, self.zone)
    }
}

/// The reference of what an operation is called on.
fn named(on: On) -> Result<String, Error> {
    match on {
        On::Instance(key) => Ok(key.to_string()),
        _ => Err(Error::not_found("This operation is called on one resource.")),
    }
}
