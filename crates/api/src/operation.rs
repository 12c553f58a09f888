//! Operations: one file each, and the table that says where each may be called.
//! <http://hl7.org/fhir/R4/operations.html>

mod booking;
mod clock;
mod ecg;
mod everything;
mod meta;
mod parameters;
mod person;
mod relation;
mod routing;
mod terminology;
mod validate;
mod who_looked;

pub(crate) use parameters::Parameters;

use record::Session;

use crate::App;
use crate::access::Grant;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::export;
use crate::outcome::Failure;
use crate::route::On;
use crate::runs;

/// An operation this server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `HealthcareService/$availability`: what departments have now.
    Availability,
    /// `Appointment/$hold`: a place is held.
    Hold,
    /// `Appointment/id/$book`: what is held is booked.
    Book,
    /// `Appointment/id/$release`: a place is given back.
    Release,
    /// `Appointment/id/$mark`: what became of the visit.
    Mark,
    /// `Schedule/$plan-session`: an expert's session in the community.
    PlanSession,
    /// `Schedule/id/$cancel-session`: it does not take place.
    CancelSession,
    /// `Schedule/$sessions`: sessions and what became of their places.
    Sessions,
    /// `Schedule/id/$bookings`: who has booked a session.
    Bookings,
    /// `HealthcareService/$registry`: who can treat what, and what they take now.
    Registry,
    /// `HealthcareService/$route`: where an emergency is brought, and why.
    Route,
    /// `HealthcareService/id/$status`: what a centre takes now.
    CentreStatus,
    /// `HealthcareService/id/$suspend`: a centre is suspended, or that is lifted.
    Suspend,
    /// `Library/$draft-map`: the registry is copied into the draft of the next edition.
    DraftMap,
    /// `Library/id/$publish-map`: the draft becomes an edition.
    PublishMap,
    /// `Library/$map-editions`: the editions there are.
    MapEditions,
    /// `Library/$map-difference`: what is different between two editions.
    MapDifference,
    /// `$break-glass` of a patient: emergency access.
    BreakGlass,
    /// `Measure/id/$evaluate-measure`
    EvaluateMeasure,
    /// `Device/$clock`, `Device/id/$clock`: what time a source has.
    Clock,
    /// `Device/$clocks`: how far the clocks of sources are off.
    Clocks,
    /// `Patient/id/$ecg`: an electrocardiogram is kept.
    Ecg,
    /// `$everything` of a patient.
    Everything,
    /// `$export`: bulk data.
    Export,
    /// `$meta`
    Meta,
    /// `$meta-add`
    MetaAdd,
    /// `$meta-delete`
    MetaDelete,
    /// `$relation` of a patient: by what the caller sees the record.
    Relation,
    /// `Patient/$match`
    Match,
    /// `Patient/$merge`
    Merge,
    /// `Patient/$unmerge`
    Unmerge,
    /// `Patient/id/$person`
    Person,
    /// `$validate`
    Validate,
    /// `ValueSet/$expand`
    Expand,
    /// `ValueSet/$validate-code`
    ValueSetValidateCode,
    /// `CodeSystem/$validate-code`
    CodeSystemValidateCode,
    /// `CodeSystem/$lookup`
    Lookup,
    /// `CodeSystem/$subsumes`
    Subsumes,
    /// `ConceptMap/$translate`
    Translate,
    /// `$who-looked` at a patient's record.
    WhoLooked,
}

/// Where an operation may be called.
pub(crate) struct Row {
    pub(crate) operation: Operation,
    /// Its name after the `$`.
    pub(crate) code: &'static str,
    /// The one type it is for; `None` for every type.
    pub(crate) type_: Option<&'static str>,
    pub(crate) system: bool,
    pub(crate) on_type: bool,
    pub(crate) instance: bool,
    /// The canonical address of its definition.
    pub(crate) definition: &'static str,
}

const BULK: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export";
const BULK_PATIENTS: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export";
const BULK_GROUP: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export";

const AVAILABILITY: &str = "https://qingshan.dev/fhir/OperationDefinition/availability";
const HOLD: &str = "https://qingshan.dev/fhir/OperationDefinition/hold";
const BOOK: &str = "https://qingshan.dev/fhir/OperationDefinition/book";
const RELEASE: &str = "https://qingshan.dev/fhir/OperationDefinition/release";
const MARK: &str = "https://qingshan.dev/fhir/OperationDefinition/mark";
const PLAN_SESSION: &str = "https://qingshan.dev/fhir/OperationDefinition/plan-session";
const CANCEL_SESSION: &str = "https://qingshan.dev/fhir/OperationDefinition/cancel-session";
const SESSIONS: &str = "https://qingshan.dev/fhir/OperationDefinition/sessions";
const BOOKINGS: &str = "https://qingshan.dev/fhir/OperationDefinition/bookings";
const REGISTRY: &str = "https://qingshan.dev/fhir/OperationDefinition/registry";
const ROUTE: &str = "https://qingshan.dev/fhir/OperationDefinition/route";
const STATUS: &str = "https://qingshan.dev/fhir/OperationDefinition/status";
const SUSPEND: &str = "https://qingshan.dev/fhir/OperationDefinition/suspend";
const DRAFT_MAP: &str = "https://qingshan.dev/fhir/OperationDefinition/draft-map";
const PUBLISH_MAP: &str = "https://qingshan.dev/fhir/OperationDefinition/publish-map";
const MAP_EDITIONS: &str = "https://qingshan.dev/fhir/OperationDefinition/map-editions";
const MAP_DIFFERENCE: &str = "https://qingshan.dev/fhir/OperationDefinition/map-difference";
const BREAK_GLASS: &str = "https://qingshan.dev/fhir/OperationDefinition/break-glass";
const CLOCK: &str = "https://qingshan.dev/fhir/OperationDefinition/clock";
const CLOCKS: &str = "https://qingshan.dev/fhir/OperationDefinition/clocks";
const ECG: &str = "https://qingshan.dev/fhir/OperationDefinition/ecg";
const RELATION: &str = "https://qingshan.dev/fhir/OperationDefinition/relation";
const UNMERGE: &str = "https://qingshan.dev/fhir/OperationDefinition/Patient-unmerge";
const PERSON: &str = "https://qingshan.dev/fhir/OperationDefinition/Patient-person";
const WHO_LOOKED: &str = "https://qingshan.dev/fhir/OperationDefinition/who-looked";

/// Every operation offered. The CapabilityStatement is written from this table.
pub(crate) const OFFERED: &[Row] = &[
    row(Operation::Availability, "availability", Some("HealthcareService"), false, true, false, AVAILABILITY),
    row(Operation::Hold, "hold", Some("Appointment"), false, true, false, HOLD),
    row(Operation::Book, "book", Some("Appointment"), false, false, true, BOOK),
    row(Operation::Release, "release", Some("Appointment"), false, false, true, RELEASE),
    row(Operation::Mark, "mark", Some("Appointment"), false, false, true, MARK),
    row(Operation::PlanSession, "plan-session", Some("Schedule"), false, true, false, PLAN_SESSION),
    row(Operation::CancelSession, "cancel-session", Some("Schedule"), false, false, true, CANCEL_SESSION),
    row(Operation::Sessions, "sessions", Some("Schedule"), false, true, false, SESSIONS),
    row(Operation::Bookings, "bookings", Some("Schedule"), false, false, true, BOOKINGS),
    row(Operation::Registry, "registry", Some("HealthcareService"), false, true, false, REGISTRY),
    row(Operation::Route, "route", Some("HealthcareService"), false, true, false, ROUTE),
    row(Operation::CentreStatus, "status", Some("HealthcareService"), false, false, true, STATUS),
    row(Operation::Suspend, "suspend", Some("HealthcareService"), false, false, true, SUSPEND),
    row(Operation::DraftMap, "draft-map", Some("Library"), false, true, false, DRAFT_MAP),
    row(Operation::PublishMap, "publish-map", Some("Library"), false, false, true, PUBLISH_MAP),
    row(Operation::MapEditions, "map-editions", Some("Library"), false, true, false, MAP_EDITIONS),
    row(Operation::MapDifference, "map-difference", Some("Library"), false, true, false, MAP_DIFFERENCE),
    row(Operation::BreakGlass, "break-glass", Some("Patient"), false, false, true, BREAK_GLASS),
    row(Operation::Relation, "relation", Some("Patient"), false, false, true, RELATION),
    row(
        Operation::EvaluateMeasure,
        "evaluate-measure",
        Some("Measure"),
        false,
        false,
        true,
        "Measure-evaluate-measure",
    ),
    row(Operation::Clock, "clock", Some("Device"), false, true, true, CLOCK),
    row(Operation::Clocks, "clocks", Some("Device"), false, true, false, CLOCKS),
    row(Operation::Ecg, "ecg", Some("Patient"), false, false, true, ECG),
    row(Operation::Everything, "everything", Some("Patient"), false, false, true, "Patient-everything"),
    row(Operation::Export, "export", None, true, false, false, BULK),
    row(Operation::Export, "export", Some("Patient"), false, true, false, BULK_PATIENTS),
    row(Operation::Export, "export", Some("Group"), false, false, true, BULK_GROUP),
    row(Operation::Meta, "meta", None, true, true, true, "Resource-meta"),
    row(Operation::MetaAdd, "meta-add", None, false, false, true, "Resource-meta-add"),
    row(Operation::MetaDelete, "meta-delete", None, false, false, true, "Resource-meta-delete"),
    row(Operation::Match, "match", Some("Patient"), false, true, false, "Patient-match"),
    row(Operation::Merge, "merge", Some("Patient"), false, true, false, "Patient-merge"),
    row(Operation::Unmerge, "unmerge", Some("Patient"), false, true, false, UNMERGE),
    row(Operation::Person, "person", Some("Patient"), false, false, true, PERSON),
    row(Operation::Validate, "validate", None, false, true, true, "Resource-validate"),
    row(Operation::Expand, "expand", Some("ValueSet"), false, true, true, "ValueSet-expand"),
    row(
        Operation::ValueSetValidateCode,
        "validate-code",
        Some("ValueSet"),
        false,
        true,
        true,
        "ValueSet-validate-code",
    ),
    row(
        Operation::CodeSystemValidateCode,
        "validate-code",
        Some("CodeSystem"),
        false,
        true,
        true,
        "CodeSystem-validate-code",
    ),
    row(Operation::Lookup, "lookup", Some("CodeSystem"), false, true, false, "CodeSystem-lookup"),
    row(Operation::Subsumes, "subsumes", Some("CodeSystem"), false, true, true, "CodeSystem-subsumes"),
    row(Operation::WhoLooked, "who-looked", Some("Patient"), false, false, true, WHO_LOOKED),
    row(Operation::Translate, "translate", Some("ConceptMap"), false, true, true, "ConceptMap-translate"),
];

const fn row(
    operation: Operation,
    code: &'static str,
    type_: Option<&'static str>,
    system: bool,
    on_type: bool,
    instance: bool,
    definition: &'static str,
) -> Row {
    Row { operation, code, type_, system, on_type, instance, definition }
}

impl Row {
    /// The canonical address of its definition.
    pub(crate) fn url(&self) -> String {
        if self.definition.starts_with("http") {
            self.definition.to_owned()
        } else {
            format!("http://hl7.org/fhir/OperationDefinition/{}", self.definition)
        }
    }

    fn suits(&self, on: &On) -> bool {
        let of_type = |name: &str| self.type_.is_none_or(|type_| type_ == name);
        match on {
            On::System => self.system,
            On::Type(type_) => self.on_type && of_type(type_.name()),
            On::Instance(key) => self.instance && of_type(key.type_.name()),
        }
    }
}

impl Operation {
    /// Whether it changes the record, and so may not be asked for with GET.
    pub(crate) const fn changes(self) -> bool {
        matches!(
            self,
            Self::BreakGlass
                | Self::MetaAdd
                | Self::MetaDelete
                | Self::Merge
                | Self::Unmerge
                | Self::Hold
                | Self::Book
                | Self::Release
                | Self::Mark
                | Self::PlanSession
                | Self::CancelSession
                | Self::CentreStatus
                | Self::Suspend
                | Self::DraftMap
                | Self::PublishMap
                | Self::Clock
                | Self::Ecg
        )
    }

    /// Does it.
    pub(crate) async fn run(
        self,
        app: &App,
        grant: &Grant,
        session: &Session,
        ask: Ask,
        on: On,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Availability
            | Self::Hold
            | Self::Book
            | Self::Release
            | Self::Mark
            | Self::PlanSession
            | Self::CancelSession
            | Self::Sessions
            | Self::Bookings => booking::run(self, app, session, ask, on).await,
            Self::Registry
            | Self::Route
            | Self::CentreStatus
            | Self::Suspend
            | Self::DraftMap
            | Self::PublishMap
            | Self::MapEditions
            | Self::MapDifference => routing::run(self, app, session, ask, on).await,
            Self::Clock => clock::take(app, grant, session, ask, on).await,
            Self::Clocks => clock::show(app, session, ask).await,
            Self::Ecg => ecg::run(app, session, ask, on).await,
            Self::EvaluateMeasure => runs::figures::measure(app, session, ask, on).await,
            Self::Everything => everything::run(app, grant, session, ask, on).await,
            Self::BreakGlass => relation::break_glass(grant, session, ask, on).await,
            Self::Relation => relation::show(session, on).await,
            Self::Export => export::take(app, grant, session, ask, on).await,
            Self::Meta => meta::show(session, on).await,
            Self::MetaAdd => meta::add(session, ask, on).await,
            Self::MetaDelete => meta::remove(session, ask, on).await,
            Self::Match => person::find(app, grant, session, ask).await,
            Self::Merge => person::merge(session, ask).await,
            Self::Unmerge => person::unmerge(session, ask).await,
            Self::Person => person::show(session, on).await,
            Self::Validate => validate::run(session, ask, on).await,
            Self::WhoLooked => who_looked::run(session, ask, on).await,
            Self::Expand
            | Self::ValueSetValidateCode
            | Self::CodeSystemValidateCode
            | Self::Lookup
            | Self::Subsumes
            | Self::Translate => terminology::run(self, app, session, ask, on).await,
        }
    }
}

/// The operation of that name that can be called there.
pub(crate) fn named(code: &str, on: &On) -> Option<Operation> {
    OFFERED.iter().find(|row| row.code == code && row.suits(on)).map(|row| row.operation)
}
