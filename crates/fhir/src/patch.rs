//! Changing a resource by saying what changes: JSON Patch and FHIRPath Patch.
//!
//! Both are all or nothing, leave what they do not name as it was written, digits of numbers included, and never
//! change their input. <http://hl7.org/fhir/R4/http.html#patch>

mod fhirpath;
mod pointer;
mod tree;

use crate::{Category, Error, IssueCode, Value};

/// Applies a JSON Patch document. <https://www.rfc-editor.org/rfc/rfc6902>
///
/// The category of a failure is [`Category::Invalid`] when the document is no patch and
/// [`Category::Unprocessable`] when it does not fit the target or a `test` fails. The text names the position of
/// the operation, from 0, and its pointer.
pub fn json_patch(target: &Value, patch: &Value) -> Result<Value, Error> {
    pointer::apply(target, patch)
}

/// Applies a FHIRPath Patch, a `Parameters` resource. <http://hl7.org/fhir/R4/fhirpatch.html>
///
/// The categories are those of [`json_patch`]; the text names the position of the operation, from 0, and its type.
/// What a deletion leaves empty is removed too, since FHIR has no empty objects and lists.
pub fn fhirpath_patch(target: &Value, parameters: &Value) -> Result<Value, Error> {
    fhirpath::apply(target, parameters)
}

/// The patch cannot be read.
fn malformed(text: impl Into<String>) -> Error {
    Error::invalid(text)
}

/// The patch can be read and does not fit the target.
fn unfit(text: impl Into<String>) -> Error {
    Error::new(Category::Unprocessable, IssueCode::Processing, text)
}

/// The same failure, its text led by the operation it came from.
fn during(error: Error, operation: &str) -> Error {
    let category = error.category();
    let mut issues = error.issues().to_vec();
    for issue in &mut issues {
        issue.text = format!("{operation}: {}", issue.text);
    }
    Error::with_issues(category, issues)
}

#[cfg(test)]
mod tests;
