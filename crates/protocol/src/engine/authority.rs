//! Who may act.

use fhir::{Category, Error, IssueCode, json};
use record::{Caller, Post, Record, Session, Standing as As};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::scene::key;
use crate::definition::{Protocol, Start, StartKind};
use crate::run::{Deed, Party, Run, Work};

/// How many organizations are looked through upwards; a tree of institutions is not that high.
const LEVELS: usize = 8;

/// Decides by what is stored now, whatever the caller may see of it.
pub(super) struct Authority<'a> {
    session: Session,
    caller: &'a Caller,
}

impl<'a> Authority<'a> {
    pub(super) fn new(record: &Record, caller: &'a Caller) -> Self {
        Self { session: record.session(Caller::system("HOPERAT")), caller }
    }

    /// The way in which the caller starts a protocol by hand, the first they may when none is named. Refuses whoever may
    /// not.
    pub(super) fn start<'p>(&self, protocol: &'p Protocol, way: Option<&str>) -> Result<Option<&'p Start>, Error> {
        let meant = |start: &&Start| way.is_none() || start.code.as_deref() == way;
        let by_hand = || protocol.starts.iter().filter(|start| start.by == StartKind::Hand).filter(meant);
        let permitted = match &self.caller.standing {
            // The platform starts what events, schedules and other protocols start as well.
            As::System | As::Machine(_) => return Ok(by_hand().next()),
            As::Staff(post) => by_hand().find(|start| start.duties.is_empty() || holds_any(post, &start.duties)),
            As::Lay(_) => by_hand().find(|start| start.duties.iter().any(|duty| duty.as_str() == "patient")),
        };
        match permitted {
            Some(start) => Ok(Some(start)),
            None => Err(forbidden(match by_hand().next() {
                Some(start) => format!("This is started by: {}.", start.duties.join_or("anyone on duty")),
                None => "This is not started by hand.".to_owned(),
            })),
        }
    }

    /// Refuses whoever may not do something to a run.
    pub(super) async fn act(&self, protocol: &Protocol, run: &Run, deed: &Deed) -> Result<(), Error> {
        let permitted = match deed {
            Deed::Complete { step, n, .. }
            | Deed::Take { step, n }
            | Deed::Hand { step, n, .. }
            | Deed::Skip { step, n, .. }
            | Deed::Acknowledge { step, n } => match run.work(step, *n) {
                Some(work) => self.may_do(protocol, run, work).await?,
                // That it is not to be done is said to those who could do it.
                None => match protocol.step(step) {
                    Some(definition) => self.may_as(protocol, run, &definition.who).await?,
                    None => return Err(Error::invalid(format!("There is no step \"{step}\"."))),
                },
            },
            Deed::Cancel { .. } => match protocol.cancel.as_ref().filter(|cancel| !cancel.who.is_empty()) {
                Some(cancel) => self.may_as_any(protocol, run, cancel.who.iter()).await?,
                None => self.takes_part(protocol, run).await?,
            },
            Deed::Correct { .. } | Deed::Regrade { .. } | Deed::Switch { .. } => self.takes_part(protocol, run).await?,
            _ => self.caller.standing.is_no_person(),
        };
        if permitted { Ok(()) } else { Err(forbidden(self.whose(protocol, run, deed))) }
    }

    fn whose(&self, protocol: &Protocol, run: &Run, deed: &Deed) -> String {
        let role = match deed {
            Deed::Complete { step, .. }
            | Deed::Take { step, .. }
            | Deed::Hand { step, .. }
            | Deed::Skip { step, .. }
            | Deed::Acknowledge { step, .. } => protocol.step(step).and_then(|step| protocol.role(&step.who)),
            _ => None,
        };
        let Some(role) = role else { return "Only those who take part in this run may do that.".to_owned() };
        let bound = run.party(protocol, &role.code).map_or("nobody yet", |party| &party.reference);
        format!("This is for {} ({}) at {bound}.", role.code, role.duties.join_or("any duty"))
    }

    /// Whether the caller may do a step: as whoever it was handed to, or in the role whose it is.
    pub(super) async fn may_do(&self, protocol: &Protocol, run: &Run, work: &Work) -> Result<bool, Error> {
        let who = protocol.step(&work.step).map(|step| step.who.as_str()).unwrap_or_default();
        if self.may_as(protocol, run, who).await? {
            return Ok(true);
        }
        let Some(party) = &work.party else { return Ok(false) };
        // Handed to the party of another role, it is done with the duties of that role.
        for role in protocol.roles.iter().filter(|role| run.parties.get(role.code.as_str()) == Some(party)) {
            if self.is(party, &role.duties, run).await? {
                return Ok(true);
            }
        }
        let duties = protocol.role(who).map(|role| role.duties.as_slice()).unwrap_or_default();
        self.is(party, duties, run).await
    }

    /// Whether the caller may act in a role.
    pub(super) async fn may_as(&self, protocol: &Protocol, run: &Run, role: &str) -> Result<bool, Error> {
        if self.caller.standing.is_no_person() {
            return Ok(true);
        }
        let Some(role) = protocol.role(role) else { return Ok(false) };
        let Some(party) = run.party(protocol, &role.code) else { return Ok(false) };
        self.is(party, &role.duties, run).await
    }

    /// Whether the caller acts in any role of the run, and not as the patient it is about or in their place: those do what
    /// a step asks them, and take back only what a protocol lets them.
    async fn takes_part(&self, protocol: &Protocol, run: &Run) -> Result<bool, Error> {
        if matches!(self.caller.standing, As::Lay(_)) {
            return Ok(false);
        }
        self.may_as_any(protocol, run, protocol.roles.iter().map(|role| &role.code)).await
    }

    async fn may_as_any(
        &self,
        protocol: &Protocol,
        run: &Run,
        roles: impl Iterator<Item = &crate::Code>,
    ) -> Result<bool, Error> {
        for role in roles {
            if self.may_as(protocol, run, role).await? {
                return Ok(true);
            }
        }
        Ok(self.caller.standing.is_no_person())
    }

    /// Whether the caller is a party, or holds one of the duties there.
    async fn is(&self, party: &Party, duties: &[crate::Code], run: &Run) -> Result<bool, Error> {
        let (type_, id) = party.reference.split_once('/').unwrap_or_default();
        match &self.caller.standing {
            As::System | As::Machine(_) => Ok(true),
            As::Lay(lay) => {
                let patient = run.patient.as_deref().and_then(|patient| patient.strip_prefix("Patient/"));
                let theirs = |id: &str| lay.own.iter().chain(&lay.charges).any(|own| own == id);
                let meant = matches!(type_, "Patient" | "RelatedPerson");
                Ok(meant && patient.is_some_and(theirs))
            }
            As::Staff(post) => match type_ {
                "Practitioner" => Ok(post.practitioner == id),
                "PractitionerRole" => Ok(post.role == id),
                "Organization" => Ok(holds_one(post, duties) && self.is_at(post, id).await?),
                "CareTeam" => self.is_member(post, id, duties).await,
                "HealthcareService" => match self.named(&party.reference, "providedBy").await? {
                    Some(organization) => Ok(holds_one(post, duties) && self.is_at(post, &organization).await?),
                    None => Ok(false),
                },
                _ => Ok(false),
            },
        }
    }

    /// Whether a post is at an organization, at a part of it, or at what it is a part of.
    async fn is_at(&self, post: &Post, organization: &str) -> Result<bool, Error> {
        Ok(post.organization == organization
            || self.is_above(organization, &post.organization).await?
            || self.is_above(&post.organization, organization).await?)
    }

    async fn is_above(&self, above: &str, below: &str) -> Result<bool, Error> {
        let mut at = below.to_owned();
        for _ in 0..LEVELS {
            match self.named(&format!("Organization/{at}"), "partOf").await? {
                Some(next) if next == above => return Ok(true),
                Some(next) => at = next,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The id of the organization an element of a resource names.
    async fn named(&self, reference: &str, element: &str) -> Result<Option<String>, Error> {
        let Some(value) = super::scene::read(&self.session, None, Some(reference)).await? else { return Ok(None) };
        let named = value.get(element).and_then(|to| to.get("reference")?.as_str());
        Ok(named.and_then(|to| to.strip_prefix("Organization/")).map(str::to_owned))
    }

    async fn is_member(&self, post: &Post, team: &str, duties: &[crate::Code]) -> Result<bool, Error> {
        let Some(key) = key(&format!("CareTeam/{team}")) else { return Ok(false) };
        let Some(body) = self.session.read(&key).await?.and_then(|version| version.body) else { return Ok(false) };
        let team = json::parse(&body)?;
        let participants = team.get("participant").and_then(|list| list.as_array());
        for participant in participants.into_iter().flat_map(|list| list.iter()) {
            let member = participant.get("member").and_then(|member| member.get("reference")?.as_str());
            match member.and_then(|member| member.split_once('/')) {
                Some(("Practitioner", id)) if id == post.practitioner => return Ok(true),
                Some(("PractitionerRole", id)) if id == post.role => return Ok(true),
                Some(("Organization", id)) if holds_one(post, duties) && self.is_at(post, id).await? => {
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

fn holds_any(post: &Post, duties: &[crate::Code]) -> bool {
    duties.iter().any(|duty| post.duties.iter().any(|held| held == duty.as_str()))
}

/// Whether a post has one of the duties that count; all do where none is named.
fn holds_one(post: &Post, duties: &[crate::Code]) -> bool {
    duties.is_empty() || holds_any(post, duties)
}

fn forbidden(text: String) -> Error {
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

trait JoinOr {
    fn join_or(&self, nothing: &str) -> String;
}

impl JoinOr for [crate::Code] {
    fn join_or(&self, nothing: &str) -> String {
        if self.is_empty() {
            return nothing.to_owned();
        }
        self.iter().map(crate::Code::as_str).collect::<Vec<_>>().join(", ")
    }
}
