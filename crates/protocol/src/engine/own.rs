//! Limits that an institution keeps to in place of those of a protocol, without a version of its own.
//!
//! What is configured applies when a run begins: the limits are written into its root Task and stay with it, whatever is
//! configured later, so that its history gives the same run again. Indicators go by what the protocol says, for every
//! institution is counted by one standard.

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;
use record::tree;

use super::Engine;
use crate::definition::{Code, Limit, PartyKind, Protocol};
use crate::run::{Own, Run};

/// A limit of a clock as one institution keeps to it, in place of the protocol's limit for the same class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLimit {
    /// The id of the institution.
    pub institution: String,
    /// The protocol.
    pub protocol: Code,
    /// The role that the institution, or a department of it, has in the run; the first institution of the protocol otherwise.
    pub role: Option<Code>,
    /// The clock.
    pub clock: Code,
    /// The limit, with where it comes from.
    pub limit: Limit,
}

impl OwnLimit {
    /// The role by which it is told whose a run is.
    fn role<'p>(&'p self, protocol: &'p Protocol) -> Option<&'p str> {
        let first = protocol.roles.iter().find(|role| role.party == PartyKind::Institution);
        self.role.as_ref().or(first.map(|role| &role.code)).map(Code::as_str)
    }

    /// What is wrong with it under a version of its protocol.
    fn fault(&self, protocol: &Protocol) -> Option<String> {
        let Some(clock) = protocol.clock(&self.clock) else {
            return Some(format!("there is no clock \"{}\"", self.clock));
        };
        if self.role.as_ref().is_some_and(|role| protocol.role(role).is_none()) {
            return Some("there is no such role".to_owned());
        }
        if self.limit.class.as_ref().is_some_and(|class| protocol.class(class).is_none()) {
            return Some("there is no such class".to_owned());
        }
        if !clock.limits.iter().any(|limit| limit.class == self.limit.class) {
            return Some("the protocol has no limit for that class that it could take the place of".to_owned());
        }
        if self.limit.source.as_ref().is_none_or(|source| source.trim().is_empty()) {
            return Some("it says where it comes from (source)".to_owned());
        }
        let length = |span: crate::definition::Span| span.after(0, Offset::UTC);
        let points = [self.limit.target, self.limit.warn, Some(self.limit.breach)];
        let lengths: Vec<i64> = points.into_iter().flatten().map(length).collect();
        (!lengths.is_sorted()).then(|| "target, warn and breach come in that order".to_owned())
    }
}

impl Engine {
    /// Has institutions keep to limits of their own in runs that begin from now on, in place of those set before.
    ///
    /// Fails as [`Category::Invalid`] when one of them is for a protocol, clock, class or role that is not there, has no
    /// source, or takes the place of nothing.
    pub async fn keep_to(&self, limits: Vec<OwnLimit>) -> Result<(), Error> {
        for own in &limits {
            let wrong = |why: String| {
                let text =
                    format!("The limit of {} for \"{}\" of {}: {why}.", own.institution, own.clock, own.protocol);
                Error::new(Category::Invalid, IssueCode::Value, text)
            };
            let protocol = self.protocol(&own.protocol, None).await?;
            let protocol = protocol.ok_or_else(|| wrong("there is no such protocol".to_owned()))?;
            if let Some(fault) = own.fault(&protocol) {
                return Err(wrong(fault));
            }
        }
        *self.0.own.write() = limits.into();
        Ok(())
    }

    /// The limits of its own that the institution has whose run this is.
    pub(super) async fn own_limits(&self, protocol: &Protocol, run: &Run) -> Result<Vec<Own>, Error> {
        let all = self.0.own.read().clone();
        let mut found: Vec<Own> = Vec::new();
        for own in all.iter().filter(|own| own.protocol == protocol.code) {
            // A later version may have other clocks than the one that was looked at when the limits were set.
            if let Some(fault) = own.fault(protocol) {
                tracing::warn!(protocol = %own.protocol, clock = %own.clock, fault, "a limit of an institution does not apply");
                continue;
            }
            let Some(party) = own.role(protocol).and_then(|role| run.party(protocol, role)) else { continue };
            if tree::is_of(&party.reference, "Organization")
                && tree::up_from(&self.platform(), &party.reference).await?.contains(&own.institution)
            {
                let of = format!("Organization/{}", own.institution);
                found.push(Own { clock: own.clock.to_string(), of, limit: own.limit.clone() });
            }
        }
        Ok(found)
    }
}
