//! What a centre takes is said, and centres are suspended.

use fhir::{Error, time};
use record::tree::{self, is_coded, put, reference, referred};
use record::{Session, Standing};
use serde_json::{Value, json};

use crate::registry::Taking;
use crate::{Routing, code, invalid};

/// How often it is tried anew when others change the row meanwhile.
const TRIES: usize = 16;
/// The longest reason, in characters.
const LONGEST: usize = 200;
/// The largest count of what is free.
const MOST: i64 = 10_000;

/// What somebody says of a centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it takes now.
    pub taking: Taking,
    /// Why it is not open; needed when it is not.
    pub reason: Option<String>,
    /// How many of what is free.
    pub resources: Vec<(String, i64)>,
}

/// A centre is suspended for a reason of [`code::SUSPENSIONS`], or none is in force any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspension {
    /// For this.
    For(String),
    /// Lifted.
    Lifted,
}

impl Routing {
    /// Says what a centre takes now, and answers its row.
    ///
    /// Fails as [`Error::not_found`] when there is no such row, and with [`fhir::Category::Forbidden`] when the caller has no
    /// post at that institution that says so.
    pub async fn tell(&self, session: &Session, service: &str, told: &Told) -> Result<Value, Error> {
        let reason = told.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        if told.taking != Taking::Open && reason.is_none() {
            return Err(invalid("A centre that is not open says why.").at("reason"));
        }
        if reason.is_some_and(|reason| reason.chars().count() > LONGEST) {
            return Err(invalid(format!("A reason has at most {LONGEST} characters.")).at("reason"));
        }
        if told.resources.iter().any(|(code, count)| code.is_empty() || !(0..=MOST).contains(count)) {
            return Err(invalid(format!("What is free is counted from 0 to {MOST}.")).at("resource"));
        }
        let caller = session.caller();
        self.change(session, service, true, |tree: &mut Value| {
            let mut parts = vec![
                json!({ "url": "status", "valueCode": told.taking.code() }),
                json!({ "url": "said", "valueInstant": time::instant(self.now()) }),
            ];
            if let Standing::Staff(post) = &caller.standing {
                let by = reference(&format!("PractitionerRole/{}", post.role));
                parts.push(json!({ "url": "by", "valueReference": by }));
            }
            parts.extend(reason.map(|reason| json!({ "url": "reason", "valueString": reason })));
            parts.extend(told.resources.iter().map(|(code, count)| {
                json!({ "url": "resource", "extension": [
                    { "url": "code", "valueCode": code }, { "url": "count", "valueInteger": count },
                ] })
            }));
            tree::put_extension(tree, json!({ "url": code::LIVE, "extension": parts }));
        })
        .await
    }

    /// Suspends a centre, or lifts that, and answers its row.
    ///
    /// Fails as [`Error::not_found`] when there is no such row, and with [`fhir::Category::Forbidden`] when the caller does
    /// not keep the map.
    pub async fn suspend(&self, session: &Session, service: &str, suspension: &Suspension) -> Result<Value, Error> {
        self.is_editor(session.caller()).await?;
        if let Suspension::For(reason) = suspension
            && !code::SUSPENSIONS.contains(&reason.as_str())
        {
            return Err(
                invalid(format!("A centre is suspended for one of {}.", code::SUSPENSIONS.join(", "))).at("reason")
            );
        }
        self.change(session, service, false, |tree: &mut Value| match suspension {
            Suspension::Lifted => tree::without_extension(tree, code::SUSPENDED),
            Suspension::For(reason) => {
                let parts = json!([
                    { "url": "reason", "valueCode": reason },
                    { "url": "since", "valueInstant": time::instant(self.now()) },
                ]);
                tree::put_extension(tree, json!({ "url": code::SUSPENDED, "extension": parts }));
            }
        })
        .await
    }

    /// Changes a row as it is at that moment. What is told of a centre is told there.
    async fn change(
        &self,
        session: &Session,
        service: &str,
        is_told: bool,
        change: impl Fn(&mut Value),
    ) -> Result<Value, Error> {
        for _ in 0..TRIES {
            let there = tree::read(&self.platform(), service).await?.filter(|(tree, _)| is_row(tree));
            let absent = || Error::not_found(format!("There is no row {service} in the registry."));
            let (mut tree, version) = there.ok_or_else(absent)?;
            let institution = self.institution(referred(&tree["providedBy"]).unwrap_or_default().to_owned()).await?;
            if is_told && !self.may_tell(session.caller(), &institution).await? {
                return Err(Error::forbidden("What a centre takes is said by those on duty there."));
            }
            change(&mut tree);
            match self.for_caller(session.caller()).transact(vec![put(&tree, Some(version))?]).await {
                Ok(_) => return Ok(tree),
                Err(refusal) if refusal.is_overtaken() => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        Err(Error::conflict("Others change this row all the time. Try again in a moment."))
    }
}

fn is_row(tree: &Value) -> bool {
    is_coded(&tree["category"], code::CATEGORY, code::CENTRE)
}
