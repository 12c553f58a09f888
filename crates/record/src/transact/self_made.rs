//! Ties that clinicians make for themselves. Whoever opens a visit or writes a referral for their institution ties the patient
//! to it, and so opens the record. A doctor alone at night must be able to, so nobody is stopped: the trail says so, and a
//! `Task` waits for the privacy officers until somebody else does what confirms it, or they judge it.
//!
//! The Task is written with what it is about. Whoever writes something that leads the same patient to the same institution,
//! and is the desk, the patient or another house, completes it in the same transaction: that it waits is a tie, and the ties
//! of a patient are read for every write anyway.

use std::sync::Arc;

use fhir::{Error, json, time};
use sonic_rs::JsonValueTrait;

use crate::access::facts::{Kind, SELF_MADE};
use crate::access::sight::{Act, Facts, Held, Sight};
use crate::store::batch::WriteTx;
use crate::store::body;
use crate::store::value::{Dialect, SqlValue};
use crate::transact::commit::{Group, Work, WorkContent};
use crate::transact::links::Links;
use crate::transact::prepare::{Operation, decided, prepare};
use crate::transact::{Action, Change, Target};
use crate::{Caller, Key, Post, ResourceType, Standing};

/// The codes of tasks of ours, and of their inputs and outputs.
const TASKS: &str = "https://qingshan.dev/fhir/CodeSystem/task";

/// What a review finds.
const REVIEW: &str = "https://qingshan.dev/fhir/CodeSystem/review";

/// An Appointment for which somebody is expected, or was. <http://hl7.org/fhir/R4/valueset-appointmentstatus.html>
const EXPECTED: [&str; 5] = ["pending", "booked", "arrived", "fulfilled", "checked-in"];

/// What a transaction leaves to be reviewed, and what it confirms.
#[derive(Debug, Default)]
pub(crate) struct Reviews {
    /// Patients whom the caller tied to themselves or to their institution, each with what did.
    asked: Vec<(i64, Key)>,
    /// Tasks that wait, each with what confirms the tie they are about.
    confirmed: Vec<(i64, Key)>,
}

impl Reviews {
    /// Whether the caller made themselves a relation by it.
    pub(crate) fn is_self_made(&self) -> bool {
        !self.asked.is_empty()
    }
}

impl Group<'_> {
    /// What the ties that a permitted transaction makes leave to be reviewed. `known` are those that held before.
    pub(super) async fn reviews_of<T: WriteTx>(
        &self,
        tx: &mut T,
        sight: &Sight,
        operations: &[Operation],
        beside: &[Facts],
        known: &[Held],
        made: &[Held],
    ) -> Result<Reviews, Error> {
        let mut reviews = Reviews::default();
        if made.is_empty() {
            return Ok(reviews);
        }
        let appointment = ResourceType::parse("Appointment")?.number();
        let observation = ResourceType::parse("Observation")?.number();
        let through_care = |way: &crate::Relation| Kind::of(*way).is_some_and(Kind::is_of_care);
        // Only to somebody with such a duty a tie opens a record. The desk makes ties for others.
        let is_clinical = sight.home != 0 && sight.ways(Act::Read, observation).iter().any(through_care);
        for tie in made.iter().filter(|tie| tie.subject > 0) {
            let of = |rid: i64| operations.iter().zip(beside).find(move |(_, facts)| facts.rid == rid);
            let Some((operation, facts)) = of(tie.rid) else { continue };
            let is_booking = tie.kind == Kind::Addressed && facts.type_ == appointment;
            if !(tie.kind.is_of_care() || is_booking) {
                continue;
            }
            for task in confirmed(sight, is_clinical, known, tie) {
                if !reviews.confirmed.iter().any(|(known, _)| *known == task) {
                    reviews.confirmed.push((task, operation.key.clone()));
                }
            }
            let is_mine = is_clinical && sight.parties.contains(&tie.party);
            // Of somebody who is registered just now there is nothing to see yet.
            let is_new = of(tie.subject).is_some_and(|(operation, _)| operation.fresh);
            if !is_mine || is_new || reviews.asked.iter().any(|(patient, _)| *patient == tie.subject) {
                continue;
            }
            let mine = known.iter().filter(|held| held.subject == tie.subject && sight.parties.contains(&held.party));
            let is_tied = mine.clone().any(|held| held.kind.is_of_care());
            let addressed: Vec<i64> = mine.filter(|held| held.kind == Kind::Addressed).map(|held| held.rid).collect();
            if !is_tied && !self.is_expected(tx, appointment, addressed, sight.now).await? {
                reviews.asked.push((tie.subject, operation.key.clone()));
            }
        }
        Ok(reviews)
    }

    /// Whether one of these is an appointment of about now.
    async fn is_expected<T: WriteTx>(
        &self,
        tx: &mut T,
        appointment: i64,
        rids: Vec<i64>,
        now: i64,
    ) -> Result<bool, Error> {
        if rids.is_empty() {
            return Ok(false);
        }
        let among = match tx.dialect() {
            Dialect::Sqlite => "IN (SELECT value FROM rarray($1))",
            Dialect::Postgres => "= ANY($1)",
        };
        let sql = format!("SELECT body FROM resource WHERE rid {among} AND type = $2 AND body IS NOT NULL");
        let around = self.tools.rules.after.booked;
        for row in tx.rows(&sql, &[SqlValue::Ints(rids), appointment.into()]).await? {
            let Some(bytes) = row.bytes_or_null(0)? else { continue };
            let value = json::parse(&body::unpack(bytes)?)?;
            let text = |name: &str| value.get(name).and_then(|text| text.as_str());
            let start = text("start").and_then(|start| time::parse(start, self.catalog.registry.zone()));
            let is_expected = text("status").is_some_and(|status| EXPECTED.contains(&status));
            if is_expected && start.is_some_and(|start| (start.lo - now).abs() <= around) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what waits for review, and completes what is confirmed. To be asked before the transaction is witnessed.
    pub(super) async fn put_reviews<T: WriteTx>(&mut self, tx: &mut T, work: &Work) -> Result<(), Error> {
        if self.reviews.asked.is_empty() && self.reviews.confirmed.is_empty() {
            return Ok(());
        }
        let reviews = std::mem::take(&mut self.reviews);
        let mut changes = Vec::new();
        // Without the label everybody would see who is reviewed; then the trail alone tells of it.
        let is_labelled = self.tools.rules.label(SELF_MADE).is_some();
        if let (Standing::Staff(post), true) = (&work.caller.standing, is_labelled) {
            for (patient, by) in &reviews.asked {
                let sql = "SELECT id FROM resource WHERE rid = $1 AND body IS NOT NULL";
                let found = tx.rows(sql, &[(*patient).into()]).await?;
                if let Some(row) = found.first() {
                    changes.push(asking(post, row.text(0)?, by, self.at)?);
                }
            }
        }
        for (task, by) in &reviews.confirmed {
            changes.extend(confirming(tx, *task, by).await?);
        }
        // The rules let nobody write these.
        let caller = Arc::new(Caller { standing: Standing::System, ..Caller::clone(&work.caller) });
        let (origin, content) = (work.origin.clone(), WorkContent::Late(Vec::new()));
        let work = Work { caller, sight: None, keeps_runs: false, origin, content };
        for change in changes {
            let operations =
                prepare(self.tools, self.catalog, vec![decided(self.tools, 0, change)?], &Links::default());
            let operations = operations.map_err(|refusal| refusal.error)?;
            self.locate(tx, &operations.iter().collect::<Vec<_>>()).await?;
            if let Err(refusal) = self.apply(tx, &work, &operations, &mut [None]).await?
                && !refusal.is_overtaken()
            {
                return Err(refusal.error);
            }
        }
        self.reviews = reviews;
        Ok(())
    }
}

/// The Tasks about ties of the same patient that somebody else confirms by making a tie.
fn confirmed<'k>(
    sight: &'k Sight,
    is_clinical: bool,
    known: &'k [Held],
    tie: &'k Held,
) -> impl Iterator<Item = i64> + 'k {
    let waiting = known.iter().filter(|held| held.kind == Kind::Reviewed && held.subject == tie.subject);
    let confirmed = waiting.filter(move |task| {
        let is_meant = |party: &i64| known.iter().any(|held| held.rid == task.rid && held.party == *party);
        let is_of_house = sight.house.iter().any(is_meant);
        let is_own = sight.parties.iter().any(|party| !sight.house.contains(party) && is_meant(party));
        let leads_there = is_meant(&tie.party) || (is_of_house && sight.house.contains(&tie.party));
        !is_own && leads_there && !(is_clinical && is_of_house)
    });
    confirmed.map(|task| task.rid)
}

/// The Task that asks for a review.
fn asking(post: &Post, patient: &str, by: &Key, at: i64) -> Result<Change, Error> {
    let (role, organization, practitioner) = (&post.role, &post.organization, &post.practitioner);
    let authored = time::instant(at);
    let coded = |code: &str| format!(r#"{{"coding":[{{"system":"{TASKS}","code":"{code}"}}]}}"#);
    let (code, who) = (coded(SELF_MADE), coded("practitioner"));
    let task = format!(
        r#"{{"resourceType":"Task","status":"requested","intent":"order","code":{code},
        "for":{{"reference":"Patient/{patient}"}},"focus":{{"reference":"{by}"}},"authoredOn":"{authored}",
        "requester":{{"reference":"PractitionerRole/{role}"}},"owner":{{"reference":"Organization/{organization}"}},
        "input":[{{"type":{who},"valueReference":{{"reference":"Practitioner/{practitioner}"}}}}]}}"#
    );
    Ok(Change::new(Action::Create { resource: json::parse(task.as_bytes())?, if_none_exist: None }))
}

/// The Task that waits, completed with what confirms the tie.
async fn confirming<T: WriteTx>(tx: &mut T, task: i64, by: &Key) -> Result<Option<Change>, Error> {
    let sql = "SELECT id, version, body FROM resource WHERE rid = $1 AND body IS NOT NULL";
    let found = tx.rows(sql, &[task.into()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let key = Key::new(ResourceType::parse("Task")?, row.text(0)?);
    let version = u64::try_from(row.int(1)?).map_err(Error::fault)?;
    let Some(bytes) = row.bytes_or_null(2)? else { return Ok(None) };
    let stored = json::parse(&body::unpack(bytes)?)?;
    let patch = format!(
        r#"[{{"op":"add","path":"/status","value":"completed"}},
        {{"op":"add","path":"/businessStatus","value":{{"coding":[{{"system":"{REVIEW}","code":"confirmed"}}]}}}},
        {{"op":"add","path":"/output","value":[{{"type":{{"coding":[{{"system":"{TASKS}","code":"confirmed-by"}}]}},
        "valueReference":{{"reference":"{by}"}}}}]}}]"#
    );
    let resource = fhir::patch::json_patch(&stored, &json::parse(patch.as_bytes())?)?;
    let target = Target::Key(key);
    Ok(Some(Change::new(Action::Update { target, resource, if_match: Some(version), if_absent: false })))
}
