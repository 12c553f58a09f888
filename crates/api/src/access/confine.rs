//! Apps that were given one patient: what their scopes permit is held to that patient.
//!
//! What the person may see is decided in the record, as for everybody; this narrows it further, to the patient's
//! compartment and to what belongs to no patient at all and is of a kind that everybody may see.
//! <http://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources>

use std::sync::Arc;

use fhir::definitions::{Compartment, r4};
use fhir::search::{IndexValue, Registry};
use fhir::{Category, Error, IssueCode, Value};
use record::{HistoryScope, Key, Record, ResourceType, Session, Version};
use sonic_rs::JsonValueTrait;

use crate::ask::{Ask, Content, type_of};
use crate::interaction::not_found;
use crate::operation::Operation;
use crate::route::{Interaction, On};

/// One patient, and what is theirs.
pub(crate) struct OnePatient {
    record: Record,
    registry: Arc<Registry>,
    patient: Key,
}

impl OnePatient {
    pub(crate) fn new(record: &Record, id: &str) -> Self {
        let type_ = ResourceType::named("Patient").expect("Patient is a resource type");
        Self { record: record.clone(), registry: record.search_parameters(), patient: Key::new(type_, id) }
    }

    /// The interaction, narrowed to the patient; a refusal where that cannot be done.
    pub(crate) async fn confine(
        &self,
        session: &Session,
        interaction: Interaction,
        ask: &mut Ask,
    ) -> Result<Interaction, Error> {
        match &interaction {
            Interaction::Capabilities | Interaction::Bundle => {}
            Interaction::Read(key) | Interaction::Vread(key, _) | Interaction::Delete(key) => {
                self.holds_now(session, key).await?;
            }
            Interaction::History(HistoryScope::Instance(key)) => self.holds_now(session, key).await?,
            Interaction::Create(_) if ask.conditions.if_none_exist.is_none() => self.holds_sent(ask)?,
            Interaction::Update(key) => {
                self.holds_now(session, key).await?;
                self.holds_sent(ask)?;
            }
            Interaction::Search { type_: Some(type_), compartment } => {
                let compartment = self.narrow(*type_, compartment.as_ref(), ask)?;
                return Ok(Interaction::Search { type_: Some(*type_), compartment });
            }
            Interaction::Search { type_: None, compartment: Some(compartment) } if *compartment == self.patient => {}
            Interaction::Operation(Operation::Everything, On::Instance(key)) if *key == self.patient => {}
            Interaction::Operation(Operation::Validate, _) => {}
            _ => return Err(refused()),
        }
        Ok(interaction)
    }

    /// Whether a version may be shown besides what was asked for.
    pub(crate) fn holds_version(&self, version: &Version) -> bool {
        let resource = version.body.as_ref().and_then(|body| fhir::json::parse(body).ok());
        resource.is_some_and(|resource| self.holds(&version.key, &resource))
    }

    /// Whether a resource is the patient's, or nobody's and of a kind that is everybody's. What holds other resources or
    /// bytes is about nobody as far as search goes, and about anybody as it stands.
    fn holds(&self, key: &Key, resource: &Value) -> bool {
        if key.type_ == self.patient.type_ {
            return *key == self.patient;
        }
        let own = self.patient.to_string();
        if key.type_.name() == "Binary" {
            let context = resource.get("securityContext").and_then(|context| context.get("reference"));
            let context = context.and_then(|reference| reference.as_str());
            return context.map(|context| self.registry.own().relative(context)) == Some(&*own);
        }
        let belongs = params(key.type_);
        let (mut theirs, mut anothers) = (false, false);
        for entry in self.registry.extract(resource) {
            let IndexValue::Reference { target } = &entry.value else { continue };
            let decides = belongs.is_empty() || belongs.contains(&&*self.registry.at(entry.param).code);
            if decides && target.starts_with("Patient/") {
                if **target == *own { theirs = true } else { anothers = true }
            }
        }
        !anothers && (theirs || (belongs.is_empty() && self.record.is_common(key.type_)))
    }

    /// Refuses a resource that is another's as if it was not there.
    async fn holds_now(&self, session: &Session, key: &Key) -> Result<(), Error> {
        let Some(version) = session.read(key).await? else { return Ok(()) };
        if version.body.is_none() || self.holds_version(&version) {
            return Ok(());
        }
        Err(not_found(key))
    }

    /// Refuses to write what would not be the patient's.
    fn holds_sent(&self, ask: &Ask) -> Result<(), Error> {
        let Content::Resource(resource) = &ask.content else { return Err(refused()) };
        let type_ = type_of(resource).and_then(ResourceType::named).ok_or_else(refused)?;
        let id = resource.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        let theirs = type_ == self.patient.type_ || self.is_narrowed(type_);
        if theirs && self.holds(&Key::new(type_, id), resource) { Ok(()) } else { Err(refused()) }
    }

    /// Narrows a search, and returns the compartment it is made in.
    fn narrow(&self, type_: ResourceType, asked: Option<&Key>, ask: &mut Ask) -> Result<Option<Key>, Error> {
        if asked.is_some_and(|asked| *asked != self.patient) {
            return Err(refused());
        }
        if type_ == self.patient.type_ {
            ask.query.require("_id", &self.patient.id);
            return Ok(None);
        }
        if !params(type_).is_empty() {
            return Ok(Some(self.patient.clone()));
        }
        // Of what belongs to nobody, a search backwards would ask about everybody's.
        if ask.query.pairs().iter().any(|(name, _)| name.starts_with("_has")) {
            return Err(refused());
        }
        if self.is_narrowed(type_) {
            ask.query.require("patient", &self.patient.to_string());
        } else if !self.record.is_common(type_) {
            return Err(refused());
        }
        Ok(None)
    }

    /// Whether resources of a type are somebody's.
    fn is_narrowed(&self, type_: ResourceType) -> bool {
        !params(type_).is_empty() || self.registry.param(type_.name(), "patient").is_some()
    }
}

/// The search parameters by which a resource of a type belongs to a patient.
fn params(type_: ResourceType) -> &'static [&'static str] {
    let patients: Option<&Compartment> = r4().compartments().iter().find(|compartment| compartment.code == "Patient");
    patients.map(|compartment| compartment.params_of(type_.name())).unwrap_or_default()
}

fn refused() -> Error {
    let text = "This app was given one patient, and this goes beyond that patient.";
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}
