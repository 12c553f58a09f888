//! By which relations a caller may see a patient's record, told to people.

use fhir::Error;

use super::facts::Kind;
use super::rules::Relation;
use super::sight::{Act, Columns, Conditions, Facts, Sight};
use crate::store::names::Place;
use crate::store::reads;
use crate::store::value::{Dialect, Rows, SqlValue};
use crate::{Key, Record, ResourceType};

/// How a caller stands to a patient now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// The relations that hold, as far as they open something to the caller or follow from what the caller may see.
    pub held: Vec<HeldRelation>,
    /// Whether nothing opens the clinical part of the record to the caller, but for what their own institution keeps.
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
                    // What neither opens anything to the caller nor follows from what they see is none of their business.
                    if source.is_none() && !sight.goes_by(relation) {
                        continue;
                    }
                    let until = (tie.hi != i64::MAX).then_some(tie.hi);
                    held.push(HeldRelation { relation, source, until });
                }
            }
        }
        if keeps_something(&mut rows, sight, rid).await? {
            held.push(HeldRelation { relation: Relation::Keeper, source: None, until: None });
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

/// Whether the caller's institution keeps anything about a patient that the caller may see. The registration itself says
/// nothing of care.
async fn keeps_something(rows: &mut impl Rows, sight: &Sight, patient: i64) -> Result<bool, Error> {
    if sight.house.is_empty() {
        return Ok(false);
    }
    let (sql, arguments) = kept_and_readable(rows.dialect(), sight, patient);
    Ok(!rows.rows(&sql, &arguments).await?.is_empty())
}

fn kept_and_readable(dialect: Dialect, sight: &Sight, patient: i64) -> (String, Vec<SqlValue>) {
    let among = match dialect {
        Dialect::Sqlite => "IN (SELECT value FROM rarray($2))",
        Dialect::Postgres => "= ANY($2)",
    };
    let mut arguments = vec![patient.into(), SqlValue::Ints(sight.house.clone())];
    let mut argument = |value: SqlValue| {
        arguments.push(value);
        format!("${}", arguments.len())
    };
    let mut conditions = Conditions { sight, dialect, argument: &mut argument };
    let readable = conditions.readable(&Columns::of("r"), None);
    let sql = format!(
        "SELECT 1 FROM resource r WHERE r.subject = $1 AND r.keeper {among} AND r.rid <> r.subject \
         AND r.body IS NOT NULL AND {readable} LIMIT 1"
    );
    (sql, arguments)
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
