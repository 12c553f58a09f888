//! `GET /Type/id/_history/n`. <http://hl7.org/fhir/R4/http.html#vread>

use fhir::Error;
use record::{Key, Session};

use super::shown;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, ask: &Ask, key: &Key, version: u64) -> Result<Answer, Failure> {
    let found = session.vread(key, version).await?;
    let found = found.ok_or_else(|| Error::not_found(format!("There is no version {version} of {key}.")))?;
    shown(ask, &found)
}
