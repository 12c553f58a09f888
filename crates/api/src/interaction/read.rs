//! `GET /Type/id`. <http://hl7.org/fhir/R4/http.html#read>

use record::{Key, Session};

use super::{not_found, shown};
use crate::answer::Answer;
use crate::ask::Ask;
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, ask: &Ask, key: &Key) -> Result<Answer, Failure> {
    let version = session.read(key).await?.ok_or_else(|| not_found(key))?;
    shown(ask, &version)
}
