//! `qingshan audit …`: whether the trail is whole, and the seals other members keep.

use std::fs;
use std::path::Path;

use record::Seal;

use crate::arguments::Audit;
use crate::place::{choose, describe};
use crate::settings::Settings;
use crate::{Outcome, open};

/// Obeys, and returns what standard output shows. A trail that is not whole is an error that says where it is not.
pub(crate) async fn obey(command: Audit, settings: &mut Settings) -> Outcome<String> {
    match command {
        Audit::Verify { place, heads } => {
            choose(settings, place);
            let kept = heads.map_or(Ok(Vec::new()), |path| read(&path))?;
            verify(settings, &kept).await
        }
        Audit::Heads { place, after } => {
            choose(settings, place);
            let record = open(settings).await?;
            record.seal().await.map_err(|error| describe(&error))?;
            let seals = record.seals(after).await.map_err(|error| describe(&error))?;
            Ok(written(&seals))
        }
        Audit::Key(place) => {
            choose(settings, place);
            let key = open(settings).await?.seal_public_key().map_err(|error| describe(&error))?;
            Ok(key.to_string())
        }
        Audit::Countersign { place, keep, heads } => {
            choose(settings, place);
            countersign(settings, &keep, &heads).await
        }
    }
}

async fn verify(settings: &Settings, kept: &[Seal]) -> Outcome<String> {
    let record = open(settings).await?;
    let found = record.verify(kept, |_| {}).await.map_err(|error| describe(&error))?;
    let (entries, versions, seals) = (found.entries, found.versions, found.seals);
    let looked_at = format!("{entries} entries, {versions} versions of resources, {seals} seals");
    if found.findings.is_empty() {
        return Ok(format!("trail: whole; {looked_at}"));
    }
    Err(format!("The trail ({looked_at}) is not whole:\n  {}", found.findings.join("\n  ")))
}

async fn countersign(settings: &Settings, keep: &Path, heads: &Path) -> Outcome<String> {
    let given = read(heads)?;
    let mut kept = if keep.exists() { read(keep)? } else { Vec::new() };
    for seal in &given {
        let number = seal.number;
        if !seal.is_signed() {
            return Err(format!("Seal {number} is not signed by the key it names. Nothing was countersigned."));
        }
        if kept.iter().any(|other| other.number == number) {
            if kept.iter().any(|other| other.number == number && other.text != seal.text) {
                return Err(format!("Seal {number} is not the one that was kept. Nothing was countersigned."));
            }
            continue;
        }
        if kept.last().is_some_and(|last| !seal.follows(last)) {
            return Err(format!("Seal {number} does not follow what was kept. Nothing was countersigned."));
        }
        kept.push(seal.clone());
    }
    let newest = kept.last().ok_or("There are no seals.")?;
    let beside = keep.with_extension("part");
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", keep.display());
    fs::write(&beside, written(&kept)).and_then(|()| fs::rename(&beside, keep)).map_err(failed)?;
    let signed = open(settings).await?.countersignature(newest).map_err(|error| describe(&error))?;
    let signature: String = signed.signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let member = sonic_rs::to_string(&signed.member).map_err(|error| error.to_string())?;
    Ok(format!(r#"{{"member":{member},"number":{},"signature":"{signature}"}}"#, newest.number))
}

fn read(path: &Path) -> Outcome<Vec<Seal>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Seal::parse_all(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn written(seals: &[Seal]) -> String {
    seals.iter().map(|seal| format!("{seal}\n")).collect()
}
