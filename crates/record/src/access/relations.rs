//! By which relations a caller may see a patient's record, told to people.

use fhir::Error;

use super::facts::Kind;
use super::rules::Relation;
use super::sight::{Act, Facts, Sight};
use crate::store::names::Place;
use crate::store::reads;
use crate::store::value::Rows;
use crate::{Key, Record, ResourceType};

/// How a caller stands to a patient now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// The relations that hold.
    pub held: Vec<HeldRelation>,
    /// Whether nothing opens the clinical part of the record to the caller.
    pub closed: bool,
    /// Whether the patient has closed their record to the caller or the caller's institution.
    pub refused: bool,
    /// Relations that would open it to somebody with the caller's duties.
    pub opened_by: Vec<Relation>,
    /// Whether the caller may open it in an emergency.
    pub emergency: bool,
}

/// A relation that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRelation {
    /// Which.
    pub relation: Relation,
    /// The resource that makes it hold, where the caller may see that.
    pub source: Option<Key>,
    /// When it ends, in microseconds since 1970-01-01T00:00:00Z, if that is known.
    pub until: Option<i64>,
}

/// The type whose openness stands for that of the clinical record.
const CLINICAL: &str = "Observation";

impl Record {
    /// How a caller stands to a patient; `None` when there is no such patient for them.
    pub(crate) async fn relations(&self, sight: &Sight, patient: &Key) -> Result<Option<Relations>, Error> {
        let mut rows = self.reader().await?;
        let there = reads::read_seen(&mut rows, patient, None, sight).await?;
        let there = there.map(|(version, _)| version).filter(|version| version.body.is_some());
        let Some(version) = there else { return Ok(None) };
        let Some(Place { rid, .. }) = reads::place(&mut rows, &version.key).await? else { return Ok(None) };
        let type_ = ResourceType::parse(CLINICAL)?.number();
        let facts = Facts { rid: -1, type_, subject: rid, keeper: -1, label: 0 };
        let ties = super::ties(&mut rows, &[rid], &[], sight.now).await?;
        let mut held = Vec::new();
        for (_, relation) in Relation::ALL {
            if matches!(relation, Relation::Anyone | Relation::Nobody | Relation::Keeper | Relation::Addressed) {
                continue;
            }
            if matches!(relation, Relation::Own | Relation::Proxy) {
                if sight.holds(relation, &facts, &ties) {
                    held.push(HeldRelation { relation, source: None, until: None });
                }
                continue;
            }
            for tie in &ties {
                let kinds = Kind::of(relation).is_some_and(|kind| kind == tie.kind);
                if (kinds || relation == Relation::Group) && sight.holds(relation, &facts, std::slice::from_ref(tie)) {
                    let source = readable(&mut rows, sight, tie.rid).await?;
                    let until = (tie.hi != i64::MAX).then_some(tie.hi);
                    held.push(HeldRelation { relation, source, until });
                }
            }
        }
        let refused = sight.is_refused(&facts, &ties);
        let ways = sight.ways(Act::Read, type_);
        let holds = |relation: &Relation| held.iter().any(|held| held.relation == *relation);
        let open = sight.allows(Act::Read, &facts, &ties);
        let told = |relation: &Relation| !matches!(relation, Relation::Anyone | Relation::Nobody | Relation::Keeper);
        let opened_by = ways.iter().copied().filter(|way| told(way) && !holds(way)).collect();
        let emergency = ways.contains(&Relation::Emergency) && !holds(&Relation::Emergency);
        Ok(Some(Relations { closed: !open, refused, opened_by, emergency, held }))
    }
}

/// The name of a resource, if the caller may see it.
async fn readable(rows: &mut impl Rows, sight: &Sight, rid: i64) -> Result<Option<Key>, Error> {
    let sql = "SELECT type, id, subject, keeper, label FROM resource WHERE rid = $1 AND body IS NOT NULL";
    let found = rows.rows(sql, &[rid.into()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let facts = Facts { rid, type_: row.int(0)?, subject: row.int(2)?, keeper: row.int(3)?, label: row.int(4)? };
    let Some(type_) = ResourceType::numbered(facts.type_) else { return Ok(None) };
    let seen = super::way_to_read(rows, sight, &[facts]).await?;
    Ok(if seen.is_some() { Some(Key::new(type_, row.text(1)?)) } else { None })
}
