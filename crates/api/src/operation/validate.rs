//! `$validate`. <http://hl7.org/fhir/R4/resource-operation-validate.html>

use std::sync::LazyLock;

use fhir::validate::{Options, Profiles, Validator};
use fhir::{Category, Error, Issue, IssueCode, Value};
use record::{Key, Session};

use super::parameters::Parameters;
use super::terminology::Shelf;
use crate::answer::Answer;
use crate::ask::{Ask, shortened, type_of};
use crate::outcome::{self, Failure};
use crate::route::On;

/// Looks at everything, advice included.
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(fhir::definitions::r4(), Options { advice: true, ..Options::default() }));

pub(crate) async fn run(session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let parameters = Parameters::of(&mut ask)?;
    let mode = parameters.text("mode");
    if !matches!(mode.as_deref(), None | Some("create" | "update" | "delete" | "profile")) {
        let text =
            format!("“{}” is not a mode: create, update, delete or profile.", shortened(&mode.unwrap_or_default()));
        return Err(Error::new(Category::Invalid, IssueCode::Value, text).into());
    }
    let type_ = match &on {
        On::System => None,
        On::Type(type_) => Some(*type_),
        On::Instance(key) => Some(key.type_),
    };
    let mut issues = Vec::new();
    if mode.as_deref() == Some("delete") {
        if let On::Instance(key) = &on {
            stored(session, key).await?;
        }
        return Ok(told(issues));
    }
    let resource = match (parameters.resource("resource"), &on) {
        (Some(resource), _) => resource.clone(),
        (None, On::Instance(key)) => stored(session, key).await?,
        (None, _) => return Err(Error::invalid("There is no resource to validate.").into()),
    };
    let found = type_of(&resource).unwrap_or_default();
    if let Some(type_) = type_.filter(|type_| type_.name() != found) {
        let text = format!("This validates a {type_}, but the resource is a {}.", shortened(found));
        return Err(Error::new(Category::Invalid, IssueCode::Invalid, text).at("resourceType").into());
    }
    if let (Some("update"), On::Instance(key)) = (mode.as_deref(), &on)
        && let Err(error) = crate::interaction::update::same_id(&resource, key)
    {
        issues.extend(error.issues().iter().cloned());
    }
    let profile = parameters.text("profile");
    issues.extend(checked(resource, profile, Shelf::new(session, None)).await?);
    Ok(told(issues))
}

/// What the specification, the profile asked for and those the resource claims find wrong.
async fn checked(resource: Value, profile: Option<String>, shelf: Shelf) -> Result<Vec<Issue>, Error> {
    // A large resource with many invariants takes long enough to hold up other requests, and profiles are looked for
    // as they are met. They are compiled anew for each call, so that a changed one counts at once.
    let check = move || {
        let asked: Vec<&str> = profile.as_deref().into_iter().collect();
        VALIDATOR.check_against(&resource, &asked, &Profiles::new(), &shelf)
    };
    tokio::task::spawn_blocking(check).await.map_err(Error::fault)?
}

async fn stored(session: &Session, key: &Key) -> Result<Value, Error> {
    let version = session.read(key).await?.and_then(|version| version.body);
    let body = version.ok_or_else(|| Error::not_found(format!("There is no {key}.")))?;
    fhir::json::parse(&body)
}

/// What was found, or that nothing was.
fn told(mut issues: Vec<Issue>) -> Answer {
    if issues.is_empty() {
        issues.push(Issue::information(IssueCode::Informational, "Nothing is wrong."));
    }
    Answer::resource(outcome::outcome(&issues))
}
