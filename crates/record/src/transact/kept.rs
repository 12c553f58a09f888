//! What one part of the platform keeps and nobody else writes: Tasks, for what stands in them follows from what happened to
//! a run; how far the numbers it gives have come; and messages that call people, for whoever could write one could have
//! anybody's telephone ring at night.

use fhir::{Category, Error, IssueCode, Value, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::ResourceType;
use crate::store::batch::WriteTx;
use crate::store::body;
use crate::transact::Refusal;
use crate::transact::commit::Group;
use crate::transact::prepare::{Operation, address_of, refused};

/// The system of the tag of what belongs to runs of protocols.
const RUN: &str = "https://qingshan.dev/fhir/CodeSystem/run";

/// The extensions of a message that is brought to people over their telephones, and of one that is on its way there.
const CALLING: [&str; 3] = [
    "https://qingshan.dev/fhir/StructureDefinition/run-page",
    "https://qingshan.dev/fhir/StructureDefinition/run-stand-down",
    "https://qingshan.dev/fhir/StructureDefinition/page-handing",
];

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(|text| text.as_str()).map(str::to_owned)
}

/// What keeps a resource, when it is kept: of a Task of a run the id of the root Task; of a series of numbers and of a
/// message that calls people, itself.
pub(crate) fn kept_by(type_: ResourceType, resource: &Value) -> Option<String> {
    match type_.name() {
        "Task" | "Basic" => run_of(resource),
        "Communication" => {
            let extensions = resource.get("extension")?.as_array()?;
            let calls = |one: &Value| text(one, "url").is_some_and(|url| CALLING.contains(&url.as_str()));
            extensions.iter().any(calls).then(|| text(resource, "id").unwrap_or_default())
        }
        _ => None,
    }
}

fn run_of(resource: &Value) -> Option<String> {
    let tags = resource.get("meta")?.get("tag")?.as_array()?;
    let tag = tags.iter().find(|tag| text(tag, "system").as_deref() == Some(RUN))?;
    if matches!(text(tag, "code").as_deref(), Some("root" | "series")) {
        return text(resource, "id");
    }
    let whole = resource.get("partOf").and_then(|list| list.as_array()).and_then(|list| list.first());
    let whole = whole.and_then(|whole| text(whole, "reference")).unwrap_or_default();
    Some(whole.strip_prefix("Task/").unwrap_or(&whole).to_owned())
}

/// Whether resources of a type can be kept at all.
fn is_ever_kept(type_: ResourceType) -> bool {
    matches!(type_.name(), "Task" | "Basic" | "Communication")
}

fn refusal(type_: ResourceType, keeper: &str) -> Error {
    let text = match type_.name() {
        "Task" => format!(
            "This Task belongs to a run of a protocol and follows from what happens to it. Act on the run instead: POST \
             /runs/{keeper}/acts."
        ),
        "Communication" => "A message that calls people is written by the platform alone.".to_owned(),
        _ => "How far numbers have come is kept by those who give them.".to_owned(),
    };
    Error::new(Category::Forbidden, IssueCode::BusinessRule, text)
}

impl Group<'_> {
    /// Refuses to write what is kept, as it is or as it would be.
    pub(super) async fn leave_alone<T: WriteTx>(
        &mut self,
        tx: &mut T,
        operations: impl Iterator<Item = &Operation>,
    ) -> Result<Result<(), Refusal>, Error> {
        for operation in operations.filter(|operation| is_ever_kept(operation.key.type_)) {
            let will_be = operation.content.as_ref().and_then(|content| content.kept_by.clone());
            let keeper = match will_be {
                Some(keeper) => Some(keeper),
                None if self.state(operation)?.is_none_or(|state| state.deleted) => None,
                None => {
                    let rid = self.place(&address_of(&operation.key))?.rid;
                    // What earlier transactions of this group wrote must be found.
                    self.flush(tx).await?;
                    let found = tx.rows("SELECT body FROM resource WHERE rid = $1", &[rid.into()]).await?;
                    let bytes = found.first().map(|row| row.bytes_or_null(0)).transpose()?.flatten();
                    let stored = bytes.map(|bytes| json::parse(&body::unpack(bytes)?)).transpose()?;
                    stored.and_then(|stored| kept_by(operation.key.type_, &stored))
                }
            };
            if let Some(keeper) = keeper {
                return Ok(Err(refused(operation.change)(refusal(operation.key.type_, &keeper))));
            }
        }
        Ok(Ok(()))
    }
}
