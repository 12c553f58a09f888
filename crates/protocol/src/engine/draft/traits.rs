//! What is told of a run as it begins.

use std::collections::BTreeMap;

use fhir::Error;

use super::Draft;
use crate::definition::Protocol;
use crate::run::Run;
use crate::task::Frame;

impl Draft<'_> {
    /// The traits of a run that begins, as far as they can be told.
    pub(super) async fn traits(
        &self,
        protocol: &Protocol,
        run: &Run,
        frame: &Frame,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut told = BTreeMap::new();
        let texts: Vec<&str> = protocol.traits.iter().map(|one| one.value.as_str()).collect();
        if texts.is_empty() {
            return Ok(told);
        }
        let Some(scene) = self.looked(protocol, run, frame, &texts).await? else { return Ok(told) };
        for one in &protocol.traits {
            let value = self.engine.expression(&one.value).and_then(|expression| {
                scene.evaluate(&expression, |items| {
                    Ok(items.first().and_then(|item| Some(item.to_text()?.into_owned())))
                })
            });
            match value {
                Ok(value) => told.extend(value.map(|value| (one.code.to_string(), value))),
                // What is counted later must not keep anybody from what they do now.
                Err(error) => {
                    tracing::warn!(%error, protocol = %protocol.code, code = %one.code, "a trait cannot be told");
                }
            }
        }
        Ok(told)
    }
}
