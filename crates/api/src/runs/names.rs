//! What those are called whom a run names by reference.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, Value, json};
use protocol::Run;
use record::{Caller, Key, Record, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

/// The names, by reference; whoever has none, or is not there, is left out.
///
/// Whoever may see a run may know what the people and institutions in it are called. What the patient is called is
/// shown to those who may read the patient.
pub(super) async fn of(record: &Record, own: &Session, run: &Run) -> Result<BTreeMap<String, String>, Error> {
    let patient = patient(own, run).await?;
    beside(record, own, run, patient.as_ref()).await
}

/// The patient of a run, for whoever may read them.
pub(super) async fn patient(own: &Session, run: &Run) -> Result<Option<Value>, Error> {
    match &run.patient {
        Some(reference) => read(own, reference).await,
        None => Ok(None),
    }
}

/// The names, where the patient has been read already.
pub(super) async fn beside(
    record: &Record,
    own: &Session,
    run: &Run,
    patient: Option<&Value>,
) -> Result<BTreeMap<String, String>, Error> {
    let platform = record.session(Caller::system("HOPERAT"));
    let handed = run.steps.iter().filter_map(|work| work.party.as_ref());
    let unnamed = run.parties.values().chain(handed).filter(|party| party.display.is_none());
    let mut named: BTreeSet<&str> = unnamed.map(|party| party.reference.as_str()).collect();
    named.extend(run.milestones.iter().map(|one| one.by.as_str()));
    named.extend(run.steps.iter().filter_map(|work| work.by.as_deref()));
    named.extend(run.steps.iter().flat_map(|work| &work.acknowledged).map(|(by, _)| by.as_str()));
    // At the same time, so that they travel to the database together.
    let others = named.into_iter().filter(|reference| run.patient.as_deref() != Some(*reference));
    let names = others.map(|reference| {
        let session = if reference.starts_with("Patient/") { own } else { &platform };
        async move { Ok::<_, Error>((reference.to_owned(), name(session, reference).await?)) }
    });
    let names = futures_util::future::try_join_all(names).await?;
    let mut names: BTreeMap<String, String> =
        names.into_iter().filter_map(|(reference, name)| Some((reference, name?))).collect();
    if let (Some(reference), Some(name)) = (&run.patient, patient.and_then(written)) {
        names.insert(reference.clone(), name);
    }
    Ok(names)
}

/// The name of one.
pub(super) async fn one(record: &Record, own: &Session, reference: &str) -> Result<Option<String>, Error> {
    let platform = record.session(Caller::system("HOPERAT"));
    name(if reference.starts_with("Patient/") { own } else { &platform }, reference).await
}

async fn name(session: &Session, reference: &str) -> Result<Option<String>, Error> {
    let Some(mut resource) = read(session, reference).await? else { return Ok(None) };
    let holder = resource.get("practitioner").and_then(|holder| holder.get("reference")?.as_str()).map(str::to_owned);
    if let Some(holder) = holder {
        match read(session, &holder).await? {
            Some(person) => resource = person,
            None => return Ok(None),
        }
    }
    let Some(own) = written(&resource) else { return Ok(None) };
    // There is a department of internal medicine in every hospital: it is called with the house it is in.
    let house = resource.get("partOf").and_then(|house| house.get("reference")?.as_str());
    let house = match house.filter(|_| is_department(&resource)) {
        Some(house) => read(session, house).await?,
        None => None,
    };
    Ok(Some(match house.as_ref().and_then(written).filter(|house| !own.starts_with(house.as_str())) {
        Some(house) if own.is_ascii() => format!("{house}, {own}"),
        Some(house) => format!("{house}{own}"),
        None => own,
    }))
}

/// Whether an organization is a department of another. <http://hl7.org/fhir/R4/valueset-organization-type.html>
fn is_department(resource: &Value) -> bool {
    let types = resource.get("type").and_then(|types| types.as_array());
    let codings = types.into_iter().flat_map(|types| types.iter()).filter_map(|one| one.get("coding")?.as_array());
    codings.flat_map(|codings| codings.iter()).any(|one| one.get("code").and_then(|code| code.as_str()) == Some("dept"))
}

async fn read(session: &Session, reference: &str) -> Result<Option<Value>, Error> {
    let Some(key) = Key::of(reference) else { return Ok(None) };
    let body = session.read(&key).await?.and_then(|version| version.body);
    body.map(|body| json::parse(&body)).transpose()
}

/// What a resource is called: its own name, or the first HumanName. <http://hl7.org/fhir/R4/datatypes.html#HumanName>
fn written(resource: &Value) -> Option<String> {
    let name = resource.get("name")?;
    if let Some(name) = name.as_str() {
        return Some(name.to_owned());
    }
    let name = name.as_array()?.first()?;
    if let Some(text) = name.get("text").and_then(|text| text.as_str()) {
        return Some(text.to_owned());
    }
    let family = name.get("family").and_then(|family| family.as_str()).unwrap_or_default();
    let given = name.get("given").and_then(|given| given.as_array());
    let given: Vec<&str> = given.into_iter().flat_map(|list| list.iter()).filter_map(|one| one.as_str()).collect();
    // A Chinese name is written family first and without a space.
    let whole = match family.is_ascii() {
        true => format!("{} {family}", given.join(" ")),
        false => format!("{family}{}", given.concat()),
    };
    Some(whole.trim().to_owned()).filter(|whole| !whole.is_empty())
}
