//! Who calls: people who are signed in, and clients with their tokens and scopes.
//! <http://hl7.org/fhir/smart-app-launch/STU2/>

mod account;
mod allowed;
mod attempts;
mod authorize;
mod client;
mod confine;
mod fetch;
mod jwt;
mod oidc;
mod password;
mod people;
mod post;
mod scope;
mod sign_in;
mod token;
mod totp;

use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::routing::{get, post};
use fhir::{Category, Error, IssueCode};
use record::{Act, Caller, Note, Outcome, ResourceType, Standing};
use sha2::{Digest, Sha256};

pub use account::{Accounts, Elsewhere, Listed, NewAccount};
pub(crate) use allowed::Tokens;
pub(crate) use attempts::Attempts;
pub(crate) use authorize::cross_origin;
pub(crate) use client::{Client, random};
pub use client::{NewClient, add_client, register_client};
pub(crate) use confine::OnePatient;
pub(crate) use fetch::Fetcher;
pub(crate) use jwt::Signer;
pub(crate) use password::Hashing;
pub(crate) use people::address;
pub(crate) use scope::{Level, Permission, Scopes, WORDS};
pub(crate) use sign_in::SignIns;

use crate::App;
use crate::operation::Operation;
use crate::route::{Interaction, On};

/// What a caller has been granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Who it is, as [`Caller::actor`] has it.
    pub(crate) actor: Arc<str>,
    /// What they are called, as they are shown themselves.
    pub(crate) name: Arc<str>,
    /// What they may do.
    pub(crate) scopes: Arc<Scopes>,
    /// As what they act.
    pub(crate) standing: Standing,
    /// The patient that the scopes of the level `patient/` are about.
    pub(crate) patient: Option<Arc<str>>,
    /// Whether it is a person's own sign-in, and no app or machine that acts for them.
    pub(crate) in_person: bool,
}

/// How far a grant covers an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// As far as the one who acts may.
    Whole,
    /// As far as it is about one patient.
    OnePatient,
}

impl Grant {
    /// The grant of an anonymous caller where no sign-in is asked for.
    pub(crate) fn open() -> Self {
        Self {
            actor: "client/anyone".into(),
            name: "anyone".into(),
            scopes: Arc::new(Scopes::everything()),
            standing: Standing::System,
            patient: None,
            in_person: false,
        }
    }

    /// The grant that a bearer token or a sign-in among the headers proves. `Ok(None)` when they hold neither.
    ///
    /// `by_hand` says that a person acts and not their browser by itself, so that they are not signed out as idle.
    pub(crate) async fn of(
        app: &App,
        method: &Method,
        headers: &HeaderMap,
        by_hand: bool,
    ) -> Result<Option<Self>, Error> {
        if let Some(value) = headers.get(header::AUTHORIZATION).filter(|_| !app.settings.open) {
            let value = value.to_str().unwrap_or_default();
            return match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    app.tokens.grant(&app.record, token.trim()).await.map(Some)
                }
                _ => Err(unauthenticated("Sign in with a bearer token.")),
            };
        }
        match app.sign_ins.find(app, headers, by_hand).await? {
            Some(who) if who.is_ours(method, headers) => who.grant().map(Some),
            Some(_) => {
                let text = "A change made with a cookie brings the token of its session along, in X-CSRF-Token.";
                Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text))
            }
            None => Ok(app.settings.open.then(Self::open)),
        }
    }

    /// The caller of a session: who it is by the token, why by `X-Purpose-Of-Use`.
    pub(crate) fn caller(&self, headers: &HeaderMap, request: &str) -> Result<Caller, Error> {
        let purpose = match headers.get("x-purpose-of-use") {
            // Whoever asks for their own record asks as its subject.
            None if matches!(self.standing, Standing::Lay(_)) => "PATRQT",
            None => "TREAT",
            Some(value) => value
                .to_str()
                .ok()
                .filter(|value| (1..=32).contains(&value.len()))
                .filter(|value| value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'))
                .ok_or_else(|| Error::invalid("X-Purpose-Of-Use is a code of v3-ActReason, such as TREAT."))?,
        };
        Ok(Caller {
            actor: self.actor.to_string(),
            purpose: purpose.to_owned(),
            request: request.to_owned(),
            standing: self.standing.clone(),
        })
    }

    /// How far the scopes cover an interaction; a refusal if they do not.
    pub(crate) fn allow(&self, interaction: &Interaction, named_types: &[ResourceType]) -> Result<Extent, Error> {
        let mut extent = Extent::Whole;
        for (permission, type_) in needs(interaction, named_types) {
            let Some(covered) = self.covers(permission, type_) else {
                let (level, over) = (self.level().word(), type_.map_or("*", ResourceType::name));
                let text = format!("This needs the scope {level}/{over}.{}.", permission.letter());
                return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text));
            };
            extent = extent.max(covered);
        }
        Ok(extent)
    }

    fn covers(&self, permission: Permission, type_: Option<ResourceType>) -> Option<Extent> {
        if self.scopes.allow(self.level(), permission, type_) {
            return Some(Extent::Whole);
        }
        let one = self.patient.is_some() && self.scopes.allow(Level::Patient, permission, type_);
        one.then_some(Extent::OnePatient)
    }

    /// The level of the scopes that are not about one patient.
    fn level(&self) -> Level {
        if self.standing.is_no_person() { Level::System } else { Level::User }
    }

    /// How far the caller may see resources of this type, besides what they asked for.
    pub(crate) fn extent_of(&self, type_: ResourceType) -> Option<Extent> {
        let ways = [Permission::Read, Permission::Search].map(|permission| self.covers(permission, Some(type_)));
        ways.into_iter().flatten().min()
    }

    /// Whether the caller may see resources of this type at all.
    pub(crate) fn may_read(&self, type_: ResourceType) -> bool {
        self.extent_of(type_).is_some()
    }

    /// The patient that narrow scopes are about.
    pub(crate) fn one_patient(&self, app: &App) -> Option<OnePatient> {
        self.patient.as_deref().map(|id| OnePatient::new(&app.record, id))
    }
}

/// What an interaction needs, each for one type or, where it is `None`, for every type. Total over all interactions,
/// so that none can be added without deciding it.
pub(crate) fn needs(
    interaction: &Interaction,
    named_types: &[ResourceType],
) -> Vec<(Permission, Option<ResourceType>)> {
    use Permission::{Create, Delete, Read, Search, Update};
    match interaction {
        // What is in a Bundle is decided entry by entry; the CapabilityStatement is public.
        Interaction::Capabilities | Interaction::Bundle => Vec::new(),
        Interaction::Read(key) | Interaction::Vread(key, _) => vec![(Read, Some(key.type_))],
        Interaction::Create(type_) => vec![(Create, Some(*type_))],
        Interaction::Update(key) | Interaction::Patch(key) => vec![(Update, Some(key.type_))],
        Interaction::ConditionalUpdate(type_) | Interaction::ConditionalPatch(type_) => {
            vec![(Update, Some(*type_)), (Search, Some(*type_))]
        }
        Interaction::Delete(key) => vec![(Delete, Some(key.type_))],
        Interaction::ConditionalDelete(type_) => vec![(Delete, Some(*type_)), (Search, Some(*type_))],
        Interaction::History(scope) => match scope {
            record::HistoryScope::System => vec![(Search, None)],
            record::HistoryScope::Type(type_) => vec![(Search, Some(*type_))],
            record::HistoryScope::Instance(key) => vec![(Read, Some(key.type_))],
        },
        Interaction::Search { type_: Some(type_), .. } => vec![(Search, Some(*type_))],
        Interaction::Search { type_: None, .. } if named_types.is_empty() => vec![(Search, None)],
        Interaction::Search { type_: None, .. } => named_types.iter().map(|type_| (Search, Some(*type_))).collect(),
        Interaction::Operation(operation, on) => {
            let type_ = match on {
                On::System => None,
                On::Type(type_) => Some(*type_),
                On::Instance(key) => Some(key.type_),
            };
            operation_needs(*operation, type_, named_types)
        }
        // An export answers only to the client that ordered it.
        Interaction::Export(_) => Vec::new(),
    }
}

/// What an operation on resources of a type needs. Total as well.
fn operation_needs(
    operation: Operation,
    type_: Option<ResourceType>,
    named_types: &[ResourceType],
) -> Vec<(Permission, Option<ResourceType>)> {
    use Permission::{Create, Read, Search, Update};
    match operation {
        Operation::MetaAdd
        | Operation::MetaDelete
        | Operation::Merge
        | Operation::Unmerge
        | Operation::Book
        | Operation::Release
        | Operation::Mark
        | Operation::CancelSession
        | Operation::CentreStatus
        | Operation::Suspend
        | Operation::PublishMap
        | Operation::Clock => vec![(Update, type_)],
        Operation::Hold | Operation::PlanSession | Operation::DraftMap => vec![(Create, type_)],
        Operation::Clocks => vec![(Search, type_)],
        // What is written is what a result consists of.
        Operation::Ecg => {
            let written = ["DiagnosticReport", "DocumentReference", "Observation"];
            let written = written.into_iter().map(|name| (Create, ResourceType::named(name)));
            std::iter::once((Read, type_)).chain(written).collect()
        }
        // So is what an emergency access consists of.
        Operation::BreakGlass => {
            let written = ["Task", "Communication"].into_iter().map(|name| (Create, ResourceType::named(name)));
            std::iter::once((Read, type_)).chain(written).collect()
        }
        Operation::Availability | Operation::Sessions => {
            vec![(Search, type_), (Search, ResourceType::named("Slot"))]
        }
        Operation::Bookings => vec![(Read, type_), (Search, ResourceType::named("Appointment"))],
        Operation::Match
        | Operation::Route
        | Operation::Registry
        | Operation::MapEditions
        | Operation::MapDifference => vec![(Search, type_)],
        Operation::EvaluateMeasure => vec![(Read, type_), (Search, ResourceType::named("Task"))],
        Operation::WhoLooked => vec![(Read, ResourceType::named("AuditEvent"))],
        // Bulk data holds many types; which of them are given out is decided type by type when it is made.
        Operation::Export if named_types.is_empty() => vec![(Read, None), (Search, None)],
        Operation::Export => named_types.iter().map(|type_| (Read, Some(*type_))).collect(),
        // What is shown besides the resource itself is held to the scopes where it is gathered.
        Operation::Everything
        | Operation::Meta
        | Operation::Relation
        | Operation::Person
        | Operation::Validate
        | Operation::Expand
        | Operation::ValueSetValidateCode
        | Operation::CodeSystemValidateCode
        | Operation::Lookup
        | Operation::Subsumes
        | Operation::Translate => vec![(Read, type_)],
    }
}

/// What happens at the door and is worth remembering.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening<'h> {
    SignedIn,
    SignedOut,
    Refused,
    /// Nobody may try for a while: under this name, or from this address.
    Halted(&'static str),
    PasswordChanged,
    SecondFactorChanged,
    /// Whoever is signed in could not prove it is them, when they wanted to change this.
    Unproven(&'static str),
    /// The post they act from, by the id of its `PractitionerRole`.
    PostChosen(&'h str),
    /// A client was let in, for one patient or without.
    AppLetIn(&'h str, Option<&'h str>),
    /// A client was given a token for what a person allowed it.
    TokenGiven(&'h str, Option<&'h str>),
    AppShutOut(&'h str, Option<&'h str>),
    /// A token was given back by the client that had it.
    TokenRevoked,
}

impl Happening<'_> {
    fn note(self) -> Note {
        let request = |detail: String| Note { detail, ..Note::new(Act::Request) };
        let refused = |note: Note| Note { outcome: Outcome::Refused, ..note };
        let of = |patient: Option<&str>| patient.map(str::to_owned).into_iter().collect();
        match self {
            Self::SignedIn => Note::new(Act::SignIn),
            Self::SignedOut => Note::new(Act::SignOut),
            Self::Refused => refused(Note::new(Act::SignIn)),
            Self::Halted(why) => refused(Note { detail: why.to_owned(), ..Note::new(Act::SignIn) }),
            Self::PasswordChanged => request("password changed".to_owned()),
            Self::SecondFactorChanged => request("second factor changed".to_owned()),
            Self::Unproven(what) => refused(request(what.to_owned())),
            Self::PostChosen(role) => request(format!("acts from PractitionerRole/{role}")),
            Self::AppLetIn(client, patient) => {
                Note { patients: of(patient), ..request(format!("let in client/{client}")) }
            }
            Self::TokenGiven(client, patient) => {
                Note { patients: of(patient), ..request(format!("a token for client/{client}")) }
            }
            Self::AppShutOut(client, patient) => {
                Note { patients: of(patient), ..request(format!("shut out client/{client}")) }
            }
            Self::TokenRevoked => request("a token given back".to_owned()),
        }
    }
}

/// Writes down what happened at the door. The name somebody failed to sign in with may be a phone number or a
/// password in the wrong field, so it is not written.
pub(crate) async fn note(app: &App, parts: &Parts, happening: Happening<'_>, actor: &str) -> Result<(), Error> {
    let origin = people::address(app, parts).map(|address| address.to_string()).unwrap_or_default();
    let actor = if actor.is_empty() { "account/unknown" } else { actor };
    note_from(app, origin, happening, actor, Standing::Lay(Arc::default())).await
}

/// The same of somebody, or of a machine, that asks from an address.
async fn note_from(
    app: &App,
    origin: String,
    happening: Happening<'_>,
    actor: &str,
    standing: Standing,
) -> Result<(), Error> {
    // Nobody acts for a purpose before they are in.
    let caller = Caller { actor: actor.to_owned(), purpose: String::new(), request: String::new(), standing };
    app.record.note(&caller, Note { origin, ..happening.note() }).await
}

/// The routes of sign-in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/token", post(token::token))
        .route("/auth/introspect", post(token::introspect))
        .route("/auth/revoke", post(token::revoke))
        .route("/auth/keys", get(token::keys))
        .merge(authorize::routes())
        .merge(oidc::routes())
        .merge(people::routes())
}

/// The address of this server as the caller knows it, such as `https://record.example`.
pub(crate) fn root(app: &App, headers: &HeaderMap) -> String {
    let base = crate::door::base(app, headers).to_string();
    base.strip_suffix("/fhir").unwrap_or(&base).to_owned()
}

/// A failure to prove who one is.
pub(crate) fn unauthenticated(text: &str) -> Error {
    Error::new(Category::Unauthenticated, IssueCode::Login, text)
}

/// The SHA-256 of a secret, in hexadecimal.
///
/// A slow hash protects passwords people choose. What is hashed here are 256 random bits, which no one can try
/// through, so a fast hash is as safe and lets every request be checked at no cost.
pub(crate) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
