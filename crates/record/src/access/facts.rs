//! What access is decided by, read off a resource when it is written: whose it is, and which ties it makes.

use fhir::Value;
use fhir::search::{Entry, IndexValue};
use fhir::time;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::rules::{Relation, Rules};
use crate::store::Catalog;
use crate::store::batch::{IndexRow, Pointer};
use crate::store::names::{Address, Names};
use crate::transact::kept::kept_by;
use crate::transact::prepare::{address, address_of};
use crate::{Key, ResourceType};

/// The subject of what belongs to several patients and so to none of them.
pub(crate) const SEVERAL: i64 = -1;

/// The beginning of time, as far as ties go, and its end.
pub(crate) const EVER: (i64, i64) = (i64::MIN, i64::MAX);

/// What joins a patient to an institution, a post or a person, or keeps them apart. The number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Treats,
    ReferredTo,
    ReferredFrom,
    ReadsFor,
    Contracted,
    Registered,
    Emergency,
    /// A post: of a practitioner at an organization.
    Post = 8,
    /// The patient refuses.
    Deny,
    /// An exception to a refusal of the same resource.
    Except,
    /// The patient opens labels.
    Opened,
    /// The resource itself is addressed to somebody.
    Addressed,
    /// A review is due of a tie that somebody made for themselves. It opens nothing.
    Reviewed,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Treats,
        Self::ReferredTo,
        Self::ReferredFrom,
        Self::ReadsFor,
        Self::Contracted,
        Self::Registered,
        Self::Emergency,
        Self::Post,
        Self::Deny,
        Self::Except,
        Self::Opened,
        Self::Addressed,
        Self::Reviewed,
    ];

    pub(crate) const fn number(self) -> i64 {
        self as i64 + 1
    }

    /// Whether it ties somebody to a patient for the patient's care. An emergency does not count: it ends by itself, and is
    /// reviewed by itself.
    pub(crate) const fn is_of_care(self) -> bool {
        use Kind::{Contracted, ReadsFor, ReferredFrom, ReferredTo, Registered, Treats};
        matches!(self, Treats | ReferredTo | ReferredFrom | ReadsFor | Contracted | Registered)
    }

    pub(crate) fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind of tie through which a relation holds, when it holds through one.
    pub(crate) fn of(relation: Relation) -> Option<Self> {
        Some(match relation {
            Relation::Treats => Self::Treats,
            Relation::ReferredTo => Self::ReferredTo,
            Relation::ReferredFrom => Self::ReferredFrom,
            Relation::ReadsFor => Self::ReadsFor,
            Relation::Contracted => Self::Contracted,
            Relation::Registered => Self::Registered,
            Relation::Emergency => Self::Emergency,
            Relation::Addressed => Self::Addressed,
            _ => return None,
        })
    }
}

/// To whom a tie leads.
#[derive(Debug, Clone)]
pub(crate) enum Party {
    Everyone,
    /// The organization whose the resource is.
    Keeper,
    One(Pointer),
}

impl Party {
    pub(crate) fn pointer(&self) -> Option<&Pointer> {
        match self {
            Self::One(pointer) => Some(pointer),
            Self::Everyone | Self::Keeper => None,
        }
    }
}

/// When a tie ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    At(i64),
    /// So long after the version was written, in microseconds.
    After(i64),
}

impl Until {
    pub(crate) fn from(self, written: i64) -> i64 {
        match self {
            Self::At(at) => at,
            Self::After(time) => written.saturating_add(time),
        }
    }
}

/// A tie a resource makes.
#[derive(Debug, Clone)]
pub(crate) struct Tie {
    pub(crate) kind: Kind,
    pub(crate) subject: Pointer,
    pub(crate) party: Party,
    /// The type of resource it is about; 0 for all.
    pub(crate) what: i64,
    /// The labels it is about; 0 for all.
    pub(crate) mask: i64,
    pub(crate) lo: i64,
    pub(crate) hi: Until,
}

/// To whom a resource belongs.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    Nobody,
    One(Pointer),
    Several,
}

/// Whose a resource is, before names are numbers.
#[derive(Debug, Clone)]
pub(crate) struct Belongings {
    pub(crate) subject: Subject,
    /// The organization that the resource itself names as its own.
    pub(crate) keeper: Option<Pointer>,
    /// A visit or a post whose keeper is that of the resource when it names none.
    pub(crate) through: Option<Pointer>,
    pub(crate) label: i64,
}

impl Belongings {
    /// The names in it that are still to be numbered.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Address> {
        let subject = match &self.subject {
            Subject::One(pointer) => Some(pointer),
            _ => None,
        };
        [subject, self.keeper.as_ref(), self.through.as_ref()].into_iter().flatten().filter_map(Pointer::name)
    }
}

/// Reads a resource.
pub(crate) struct Derivation<'d> {
    pub(crate) rules: &'d Rules,
    pub(crate) names: &'d Names,
    pub(crate) catalog: &'d Catalog,
    pub(crate) key: &'d Key,
    pub(crate) resource: &'d Value,
}

/// Elements that name the organization whose a resource is.
const KEEPERS: [&str; 8] = [
    "serviceProvider",
    "managingOrganization",
    "custodian",
    "organization",
    "requester",
    "author",
    "sender",
    "performer",
];

/// The code of a Task that asks for the review of a tie somebody made for themselves, and the label that keeps it to those
/// who review.
pub(crate) const SELF_MADE: &str = "self-made";

/// The `businessStatus` of a reviewed emergency access for which there was no reason.
const UNJUSTIFIED: (&str, &str) = ("https://qingshan.dev/fhir/CodeSystem/review", "unjustified");

/// The system of the base rules of consents. <http://terminology.hl7.org/CodeSystem/v3-ActCode>
const DIRECTIVE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Base rules by which nothing is shown but what is permitted, and by which everything is but what is refused.
const OPT_OUT: [&str; 2] = ["OPTOUT", "OPTOUTE"];
const OPT_IN: [&str; 2] = ["OPTIN", "OPTINR"];

/// Types whose performer is somebody who is asked, and not whoever made them.
const REQUESTS: [&str; 5] = ["ServiceRequest", "DeviceRequest", "Task", "SupplyRequest", "NutritionOrder"];

impl Derivation<'_> {
    /// Whose the resource is, and the ties it makes.
    pub(crate) fn run(&self, entries: &[Entry<'_>]) -> (Belongings, Vec<IndexRow>) {
        let subject = self.subject(entries);
        let label = self.label();
        let keeper = self.named_organization();
        let through = if keeper.is_none() { self.through() } else { None };
        let mut ties = Vec::new();
        self.ties(&subject, label, &mut ties);
        let rows = ties.into_iter().map(IndexRow::Tie).collect();
        (Belongings { subject, keeper, through, label }, rows)
    }

    fn pointer(&self, address: Address) -> Pointer {
        self.names.place(&address).map_or(Pointer::Name(address), |place| Pointer::Rid(place.rid))
    }

    /// The place a reference names.
    fn address(&self, reference: &str) -> Address {
        address(self.catalog.registry.own().relative(reference))
    }

    fn own(&self) -> Pointer {
        self.pointer(address_of(self.key))
    }

    fn subject(&self, entries: &[Entry<'_>]) -> Subject {
        let registry = &self.catalog.registry;
        let type_ = self.key.type_.name();
        let patient = |entry: &Entry<'_>| match &entry.value {
            IndexValue::Reference { target } if target.starts_with("Patient/") => Some(self.address(target)),
            _ => None,
        };
        match type_ {
            "Patient" => return Subject::One(self.own()),
            "Binary" => {
                let context = self.resource.get("securityContext").and_then(reference).map(|found| self.address(found));
                let patients = context.filter(|address| is(address, "Patient"));
                return self.one_of(patients.into_iter().collect());
            }
            "Bundle" => return self.one_of(self.bundled_patients()),
            _ => {}
        }
        let home = registry.home(type_).map(|param| param.id);
        let at_home = entries.iter().filter(|entry| Some(entry.param) == home).find_map(patient);
        if let Some(address) = at_home {
            return Subject::One(self.pointer(address));
        }
        let compartment = fhir::definitions::r4().compartments().iter().find(|found| found.code == "Patient");
        let params = compartment.map(|found| found.params_of(type_)).unwrap_or_default();
        // Types outside the compartment may still be about a patient, as a Task is.
        let params = if params.is_empty() { &["patient", "subject"][..] } else { params };
        let belongs = |entry: &&Entry<'_>| params.contains(&&*registry.at(entry.param).code);
        self.one_of(entries.iter().filter(belongs).filter_map(patient).collect())
    }

    fn one_of(&self, mut patients: Vec<Address>) -> Subject {
        patients.sort_unstable();
        patients.dedup();
        match patients.len() {
            0 => Subject::Nobody,
            1 => Subject::One(self.pointer(patients.remove(0))),
            _ => Subject::Several,
        }
    }

    fn bundled_patients(&self) -> Vec<Address> {
        let resources = items(self.resource, "entry").filter_map(|entry| entry.get("resource"));
        let subjects = resources.flat_map(|resource| {
            ["subject", "patient", "for", "beneficiary"].into_iter().flat_map(|name| references(resource, name))
        });
        subjects.map(|found| self.address(found)).filter(|address| is(address, "Patient")).collect()
    }

    fn label(&self) -> i64 {
        let security: Vec<(&str, &str)> =
            self.resource.get("meta").map(|meta| codings(meta, "security")).unwrap_or_default();
        let given = security.iter().fold(0, |bits, (system, code)| bits | self.rules.label_of_security(system, code));
        // Not every code can be searched by, so the index does not know them all.
        let coded = self.label_of_codes(self.resource);
        given | coded | self.rules.label_of_type(self.key.type_.number(), &security)
    }

    /// The labels that the codes anywhere in a part of the resource give.
    fn label_of_codes(&self, value: &Value) -> i64 {
        if let Some(object) = value.as_object() {
            let own = coding(value).map_or(0, |(system, code)| self.rules.label_of_code(system, code));
            return object.iter().fold(own, |bits, (_, child)| bits | self.label_of_codes(child));
        }
        let items = value.as_array().into_iter().flat_map(|list| list.iter());
        items.fold(0, |bits, item| bits | self.label_of_codes(item))
    }

    /// The organization the resource names as its own.
    fn named_organization(&self) -> Option<Pointer> {
        let asks = REQUESTS.contains(&self.key.type_.name());
        // An Account is its owner's; of a Task an owner is somebody who is asked.
        let owner = (self.key.type_.name() == "Account").then_some("owner");
        let names = owner.into_iter().chain(KEEPERS).filter(|name| !(asks && *name == "performer"));
        let mut found = names.flat_map(|name| self.actors(name)).map(|found| self.address(found));
        found.find(|address| is(address, "Organization")).map(|address| self.pointer(address))
    }

    /// References in an element, or in the `actor` or `onBehalfOf` of its items.
    fn actors<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v str> {
        let direct = references(self.resource, name);
        let inner = items(self.resource, name)
            .flat_map(|item| ["onBehalfOf", "actor"].into_iter().flat_map(move |name| references(item, name)));
        direct.chain(inner)
    }

    fn through(&self) -> Option<Pointer> {
        let context = self.resource.get("context").into_iter().flat_map(|context| references(context, "encounter"));
        let security = self.resource.get("securityContext").and_then(reference);
        let visits = references(self.resource, "encounter").chain(references(self.resource, "context")).chain(context);
        let posts = ["requester", "author", "performer", "sender"].into_iter().flat_map(|name| self.actors(name));
        let visit = visits.map(|found| self.address(found)).find(|address| is(address, "Encounter"));
        let visit = visit.or_else(|| security.map(|found| self.address(found)).filter(|address| address.type_ != 0));
        let found =
            visit.or_else(|| posts.map(|found| self.address(found)).find(|address| is(address, "PractitionerRole")));
        found.map(|address| self.pointer(address))
    }

    fn text(&self, name: &str) -> &str {
        self.resource.get(name).and_then(|text| text.as_str()).unwrap_or_default()
    }

    /// The time a period spans, half-open, and whether it ends.
    fn period(&self, holder: &Value, name: &str) -> (i64, i64) {
        let bound = |bound: &str| {
            let text = holder.get(name)?.get(bound)?.as_str()?;
            time::parse(text, self.catalog.registry.zone())
        };
        (bound("start").map_or(EVER.0, |span| span.lo), bound("end").map_or(EVER.1, |span| span.hi))
    }

    fn ties(&self, subject: &Subject, label: i64, ties: &mut Vec<Tie>) {
        let type_ = self.key.type_.name();
        let about = match subject {
            Subject::One(pointer) => Some(pointer.clone()),
            _ => None,
        };
        let addressed = match type_ {
            // Whoever takes part in a run may see that it was taken back.
            "Task" if self.text("status") == "cancelled" && kept_by(self.key.type_, self.resource).is_none() => {
                Vec::new()
            }
            "Task" if !matches!(self.text("status"), "entered-in-error" | "draft") => vec!["owner"],
            "Communication" | "CommunicationRequest" => vec!["recipient"],
            "Appointment" => vec!["participant"],
            "AppointmentResponse" => vec!["actor"],
            _ => Vec::new(),
        };
        // A Task is meant for its recipients as well as for whoever does it.
        let recipients = match (addressed.first(), self.resource.get("restriction")) {
            (Some(&"owner"), Some(restriction)) => references(restriction, "recipient").collect(),
            _ => Vec::new(),
        };
        let to =
            addressed.into_iter().flat_map(|name| self.actors(name)).chain(recipients).map(|found| self.address(found));
        let mut to: Vec<Address> = to.filter(is_party).collect();
        to.sort_unstable();
        to.dedup();
        for address in to {
            let subject = about.clone().unwrap_or_else(|| self.own());
            let party = Party::One(self.pointer(address));
            ties.push(tie(Kind::Addressed, subject, party, EVER.0, Until::At(EVER.1)));
        }
        if type_ == "PractitionerRole" {
            self.post(ties);
        }
        let Some(about) = about else { return };
        match type_ {
            "Patient" => {
                for address in ["managingOrganization", "generalPractitioner"]
                    .into_iter()
                    .flat_map(|name| references(self.resource, name))
                    .map(|found| self.address(found))
                    .filter(is_party)
                {
                    let party = Party::One(self.pointer(address));
                    ties.push(tie(Kind::Registered, about.clone(), party, EVER.0, Until::At(EVER.1)));
                }
            }
            "Encounter" => self.visit(&about, ties),
            "EpisodeOfCare" if self.text("status") == "active" => {
                let (lo, hi) = self.period(self.resource, "period");
                self.each(Kind::Registered, &about, &["managingOrganization"], lo, Until::At(hi), ties);
            }
            "ServiceRequest" | "Task" => self.request(&about, label, ties),
            "ImagingStudy" if !matches!(self.text("status"), "cancelled" | "entered-in-error") => {
                let after = Until::After(self.rules.after.reads);
                self.each(Kind::ReadsFor, &about, &["interpreter"], EVER.0, after, ties);
            }
            "CareTeam" if matches!(self.text("status"), "" | "active") && self.is_contract() => {
                let (lo, hi) = self.period(self.resource, "period");
                let names = ["managingOrganization", "participant"];
                // A contract is made from a day to a day; what has no end would open a record for ever.
                if lo != EVER.0 && hi != EVER.1 {
                    self.each(Kind::Contracted, &about, &names, lo, Until::At(hi), ties);
                }
            }
            "Consent" if self.text("status") == "active" => self.consent(&about, ties),
            _ => {}
        }
    }

    /// Whether whoever reviewed an emergency access found that there was no reason for it.
    fn is_found_unjustified(&self) -> bool {
        codings_of(self.resource, "businessStatus").any(|finding| finding == UNJUSTIFIED)
    }

    fn is_contract(&self) -> bool {
        codings_of(self.resource, "category").any(|(system, code)| self.rules.is_contract(system, code))
    }

    /// Ties to the organizations that elements name, or where they name none, to the posts and people they name.
    fn each(&self, kind: Kind, about: &Pointer, names: &[&str], lo: i64, hi: Until, ties: &mut Vec<Tie>) -> bool {
        let named = names.iter().flat_map(|name| {
            let members = items(self.resource, name)
                .flat_map(|item| ["member", "individual"].into_iter().flat_map(move |name| references(item, name)));
            self.actors(name).chain(members)
        });
        let mut parties: Vec<Address> = named.map(|found| self.address(found)).filter(is_party).collect();
        // What somebody sees follows their post: where an organization is named, they come through it.
        if parties.iter().any(|address| is(address, "Organization")) {
            parties.retain(|address| is(address, "Organization"));
        }
        parties.sort_unstable();
        parties.dedup();
        let any = !parties.is_empty();
        for address in parties {
            ties.push(tie(kind, about.clone(), Party::One(self.pointer(address)), lo, hi));
        }
        any
    }

    fn post(&self, ties: &mut Vec<Tie>) {
        let active = self.resource.get("active").and_then(|active| active.as_bool()) != Some(false);
        let end = |name: &str| {
            references(self.resource, name).next().map(|found| self.address(found)).map(|address| self.pointer(address))
        };
        if let (true, Some(practitioner), Some(organization)) = (active, end("practitioner"), end("organization")) {
            let (lo, hi) = self.period(self.resource, "period");
            ties.push(tie(Kind::Post, practitioner, Party::One(organization), lo, Until::At(hi)));
        }
    }

    fn visit(&self, about: &Pointer, ties: &mut Vec<Tie>) {
        let (lo, hi) = self.period(self.resource, "period");
        let after = self.rules.after.treats;
        let hi = match (self.text("status"), hi) {
            ("arrived" | "triaged" | "in-progress" | "onleave" | "finished", hi) if hi != EVER.1 => {
                Until::At(hi.saturating_add(after))
            }
            ("arrived" | "triaged" | "in-progress" | "onleave", _) => Until::At(EVER.1),
            ("finished", _) => Until::After(after),
            _ => return,
        };
        if !self.each(Kind::Treats, about, &["serviceProvider"], lo, hi, ties) {
            self.each(Kind::Treats, about, &["participant"], lo, hi, ties);
        }
    }

    fn request(&self, about: &Pointer, label: i64, ties: &mut Vec<Tie>) {
        let emergency = self.rules.label("emergency-access").unwrap_or_default();
        let is_task = self.key.type_.name() == "Task";
        let status = self.text("status");
        if is_task && label & self.rules.label(SELF_MADE).unwrap_or_default() != 0 {
            // Whoever writes what confirms the tie finds by these that it waits for that.
            if status == "requested" {
                let inputs = items(self.resource, "input").flat_map(|input| references(input, "valueReference"));
                let named = ["owner", "requester"].into_iter().flat_map(|name| references(self.resource, name));
                let parties = named.chain(inputs).map(|found| self.address(found)).filter(is_party);
                for party in parties.map(|address| Party::One(self.pointer(address))) {
                    ties.push(tie(Kind::Reviewed, about.clone(), party, EVER.0, Until::At(EVER.1)));
                }
            }
            return;
        }
        if is_task && label & emergency != 0 {
            let ended = matches!(status, "cancelled" | "entered-in-error" | "rejected" | "failed");
            if !ended && !self.is_found_unjustified() {
                let (lo, hi) = self.period(self.resource, "executionPeriod");
                let longest = lo.saturating_add(self.rules.after.emergency);
                // Without a beginning and an end it would not be an emergency, and it is one post that has it.
                if lo != EVER.0 && hi != EVER.1 {
                    let posts = self
                        .actors("requester")
                        .map(|found| self.address(found))
                        .filter(|found| is(found, "PractitionerRole"));
                    for post in posts {
                        let (party, until) = (Party::One(self.pointer(post)), Until::At(hi.min(longest)));
                        ties.push(tie(Kind::Emergency, about.clone(), party, lo, until));
                    }
                }
            }
            return;
        }
        let referral = ["category", "code"]
            .into_iter()
            .flat_map(|name| codings_of(self.resource, name))
            .any(|(system, code)| self.rules.is_referral(system, code));
        let after = if referral { self.rules.after.referred } else { self.rules.after.reads };
        let until = match status {
            "active" | "on-hold" | "requested" | "received" | "accepted" | "ready" | "in-progress" => Until::At(EVER.1),
            "completed" => Until::After(after),
            _ => return,
        };
        let asked = if is_task { "owner" } else { "performer" };
        if referral {
            self.each(Kind::ReferredTo, about, &[asked], EVER.0, until, ties);
            if !self.each(Kind::ReferredFrom, about, &["requester"], EVER.0, until, ties) {
                ties.push(tie(Kind::ReferredFrom, about.clone(), Party::Keeper, EVER.0, until));
            }
            return;
        }
        let focus = references(self.resource, "focus").map(|found| self.address(found)).next();
        let is_reading = |address: &Address| {
            ["ServiceRequest", "ImagingStudy", "DiagnosticReport"].iter().any(|type_| is(address, type_))
        };
        if !is_task || focus.as_ref().is_some_and(is_reading) {
            self.each(Kind::ReadsFor, about, &[asked], EVER.0, until, ties);
        }
    }

    /// A base rule, a provision, and one level of exceptions to it. <http://hl7.org/fhir/R4/consent.html>
    ///
    /// The base rule is a code of `policyRule`. R4 gives the root provision no type, since the base rule says what it is;
    /// one that has a type all the same means it. A root that nothing says to permit opens nothing by itself.
    fn consent(&self, about: &Pointer, ties: &mut Vec<Tie>) {
        let base = |codes: &[&str]| {
            codings_of(self.resource, "policyRule").any(|(system, code)| system == DIRECTIVE && codes.contains(&code))
        };
        let (shuts, opens) = (base(&OPT_OUT), base(&OPT_IN));
        let Some(root) = self.resource.get("provision") else {
            if shuts {
                ties.push(tie(Kind::Deny, about.clone(), Party::Everyone, EVER.0, Until::At(EVER.1)));
            }
            return;
        };
        let outer = self.period(root, "period");
        let kind = match type_of(root) {
            Some("deny") => Some(Kind::Deny),
            // What is permitted where everything is refused is an exception.
            Some("permit") if shuts => {
                ties.push(tie(Kind::Deny, about.clone(), Party::Everyone, EVER.0, Until::At(EVER.1)));
                Some(Kind::Except)
            }
            Some("permit") => Some(Kind::Opened),
            _ if shuts => Some(Kind::Deny),
            _ if opens => Some(Kind::Opened),
            _ => None,
        };
        if let Some(kind) = kind {
            self.provision(about, root, outer, kind, ties);
        }
        let denies = matches!(kind, Some(Kind::Deny | Kind::Except));
        for nested in items(root, "provision") {
            let (lo, hi) = self.period(nested, "period");
            let span = (lo.max(outer.0), hi.min(outer.1));
            match (denies, type_of(nested)) {
                (_, Some("deny")) => self.provision(about, nested, span, Kind::Deny, ties),
                (true, Some("permit")) => self.provision(about, nested, span, Kind::Except, ties),
                (false, Some("permit")) => self.provision(about, nested, span, Kind::Opened, ties),
                _ => {}
            }
        }
    }

    fn provision(&self, about: &Pointer, provision: &Value, (lo, hi): (i64, i64), kind: Kind, ties: &mut Vec<Tie>) {
        // A refusal of which a part cannot be told refuses the whole; such a permission permits nothing.
        let narrowed = ["purpose", "dataPeriod", "code", "data", "action"];
        let narrowed = narrowed.iter().any(|name| provision.get(*name).is_some());
        if kind != Kind::Deny && narrowed {
            return;
        }
        let security = codings(provision, "securityLabel");
        let mask = security.iter().fold(0, |bits, (system, code)| bits | self.rules.label_of_security(system, code));
        if mask == 0 && !security.is_empty() && kind != Kind::Deny {
            return;
        }
        let classes: Vec<i64> = codings(provision, "class")
            .into_iter()
            .filter_map(|(_, code)| ResourceType::named(code).map(ResourceType::number))
            .collect();
        let whats = if classes.is_empty() { vec![0] } else { classes };
        let actors: Vec<Option<Address>> = items(provision, "actor")
            .map(|actor| actor.get("reference").and_then(reference).map(|found| self.address(found)))
            .map(|found| found.filter(is_party_of_consent))
            .collect();
        let untold = actors.is_empty() || actors.iter().any(Option::is_none);
        let mut parties: Vec<Party> =
            actors.iter().flatten().map(|found| Party::One(self.pointer(found.clone()))).collect();
        // A refusal towards somebody who cannot be told, such as a team, a place or a role, holds towards everyone.
        if (kind == Kind::Deny && untold) || (kind == Kind::Except && actors.is_empty()) {
            parties.push(Party::Everyone);
        }
        for party in &parties {
            for what in &whats {
                if kind == Kind::Opened && mask == 0 {
                    continue;
                }
                let hi = Until::At(hi);
                ties.push(Tie { kind, subject: about.clone(), party: party.clone(), what: *what, mask, lo, hi });
            }
        }
    }
}

fn tie(kind: Kind, subject: Pointer, party: Party, lo: i64, hi: Until) -> Tie {
    Tie { kind, subject, party, what: 0, mask: 0, lo, hi }
}

fn type_of(provision: &Value) -> Option<&str> {
    provision.get("type").and_then(|type_| type_.as_str())
}

fn is(address: &Address, type_: &str) -> bool {
    ResourceType::named(type_).is_some_and(|type_| type_.number() == address.type_)
}

/// Whether a name is one that rights can be given to.
fn is_party(address: &Address) -> bool {
    ["Organization", "Practitioner", "PractitionerRole"].iter().any(|type_| is(address, type_))
}

/// Whether a name is one that a patient can keep from their record or let see it: also whoever acts for them.
fn is_party_of_consent(address: &Address) -> bool {
    is_party(address) || ["RelatedPerson", "Patient"].iter().any(|type_| is(address, type_))
}

/// The items of an element, which may be one or a list.
fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let found = value.get(name);
    let list = found.and_then(|found| found.as_array());
    let one = if list.is_none() { found } else { None };
    list.into_iter().flat_map(|list| list.iter()).chain(one)
}

fn reference(value: &Value) -> Option<&str> {
    value.get("reference").and_then(|reference| reference.as_str())
}

fn references<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    items(value, name).filter_map(reference)
}

/// The codings that an element of type Coding has.
fn codings<'v>(value: &'v Value, name: &str) -> Vec<(&'v str, &'v str)> {
    items(value, name).filter_map(coding).collect()
}

/// The codings of an element of type CodeableConcept.
fn codings_of<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (&'v str, &'v str)> {
    items(value, name).flat_map(|concept| items(concept, "coding")).filter_map(coding)
}

fn coding(value: &Value) -> Option<(&str, &str)> {
    let system = value.get("system").and_then(|system| system.as_str()).unwrap_or_default();
    Some((system, value.get("code")?.as_str()?))
}
