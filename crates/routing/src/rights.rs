//! Who may say what a centre takes, and who edits the map.

use fhir::Error;
use record::{Caller, Post, Standing, tree};

use crate::{Routing, code};

impl Routing {
    /// Whether a caller says what the centres of an institution take: from a post there, with a duty of the policy.
    pub(crate) async fn may_tell(&self, caller: &Caller, institution: &str) -> Result<bool, Error> {
        match &caller.standing {
            Standing::System | Standing::Machine(_) => Ok(true),
            Standing::Lay(_) => Ok(false),
            Standing::Staff(post) => {
                Ok(has_duty(post, &self.policy().duty.status) && self.house_of(post).await? == institution)
            }
        }
    }

    /// Whether a caller suspends centres and publishes the map: at the institution that leads a consortium.
    pub(crate) async fn may_edit(&self, caller: &Caller) -> Result<bool, Error> {
        let Standing::Staff(post) = &caller.standing else { return Ok(caller.standing.is_no_person()) };
        if !has_duty(post, &self.policy().duty.map) {
            return Ok(false);
        }
        let asked = [
            ("participating-organization", self.house_of(post).await?),
            ("role", format!("{}|lead", code::AFFILIATION)),
            ("active", "true".to_owned()),
        ];
        Ok(!tree::every(&self.platform(), "OrganizationAffiliation", &asked).await?.is_empty())
    }

    /// Refuses whoever does not edit the map.
    pub(crate) async fn is_editor(&self, caller: &Caller) -> Result<(), Error> {
        if self.may_edit(caller).await? {
            return Ok(());
        }
        Err(Error::forbidden("The map is kept by the institution that leads the consortium."))
    }

    /// The institution of a post.
    async fn house_of(&self, post: &Post) -> Result<String, Error> {
        self.institution(format!("Organization/{}", post.organization)).await
    }

    /// The institution an organization belongs to.
    pub(crate) async fn institution(&self, organization: String) -> Result<String, Error> {
        let above = tree::up_from(&self.platform(), &organization).await?.pop();
        Ok(above.map_or(organization, |id| format!("Organization/{id}")))
    }
}

fn has_duty(post: &Post, duties: &[String]) -> bool {
    post.duties.iter().any(|duty| duties.contains(duty))
}
