//! The addresses under which a service is known, so that a reference by one of them is told to be one to its own.

use std::sync::Arc;

use crate::definitions::r4;

/// The addresses under which one FHIR service is known, such as `https://record.example/fhir`.
///
/// "A relative reference resolving to the same value as a specified absolute URL, or vice versa, qualifies as a match."
/// <http://hl7.org/fhir/R4/search.html#reference>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAddresses(Arc<[Address]>);

/// An address in parts. The protocol is none of it: "The protocols http: and https: SHALL NOT be used to refer to
/// different underlying objects". <http://hl7.org/fhir/R4/http.html#general>
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// The server and its port, in small letters.
    server: Box<str>,
    /// The path, which begins with `/` and does not end so.
    path: Box<str>,
}

impl OwnAddresses {
    /// These addresses. What is none, such as an empty text, is passed over.
    pub fn new<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Self {
        let read = |address: A| {
            let rest = without_protocol(address.as_ref().trim().trim_end_matches('/'))?;
            let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (!server.is_empty()).then(|| Address { server: server.to_ascii_lowercase().into(), path: path.into() })
        };
        let mut known: Vec<Address> = Vec::new();
        for address in addresses.into_iter().filter_map(read) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
        Self(known.into())
    }

    /// Whether the service knows no address of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A reference to one of the service's own resources in its relative form, `Patient/1` or `Patient/1/_history/2`;
    /// any other as it is.
    pub fn relative<'r>(&self, reference: &'r str) -> &'r str {
        // Nearly all references are relative, and are told so by their first letters.
        let Some(rest) = without_protocol(reference) else { return reference };
        self.0.iter().find_map(|address| address.below(rest)).unwrap_or(reference)
    }
}

impl Address {
    /// What follows this address in another, when that names a resource.
    fn below<'r>(&self, rest: &'r str) -> Option<&'r str> {
        let (server, path) = rest.split_at_checked(self.server.len())?;
        let relative = path.strip_prefix(&*self.path)?.strip_prefix('/')?;
        let (name, id) = relative.split_once('/')?;
        let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
        (server.eq_ignore_ascii_case(&self.server) && r4().is_resource(name) && is_id(id)).then_some(relative)
    }
}

/// <http://hl7.org/fhir/R4/datatypes.html#id>
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn without_protocol(address: &str) -> Option<&str> {
    address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_by_an_own_address_is_told_from_a_foreign_one() {
        let own = OwnAddresses::new(["https://Record.example/fhir/", "http://127.0.0.1:8080/fhir", "", "record"]);
        for (reference, relative) in [
            ("https://record.example/fhir/Patient/1", "Patient/1"),
            ("http://RECORD.example/fhir/Patient/1", "Patient/1"),
            ("http://127.0.0.1:8080/fhir/Patient/1/_history/2", "Patient/1/_history/2"),
        ] {
            assert_eq!(own.relative(reference), relative);
        }
        for foreign in [
            "Patient/1",
            "",
            "urn:uuid:1",
            "https://record.example/FHIR/Patient/1",
            "https://record.example:8443/fhir/Patient/1",
            "https://record.example/fhir/other/Patient/1",
            "https://record.example/fhirs/Patient/1",
            "https://record.example/fhir/Patient",
            "https://record.example/fhir/Patient/",
            "https://record.example/fhir/Patient/1#part",
            "https://record.example/fhir/Patients/1",
            "https://record.example.org/fhir/Patient/1",
            "https://病.example/fhir/Patient/1",
        ] {
            assert_eq!(own.relative(foreign), foreign);
        }
        assert!(OwnAddresses::default().is_empty() && !own.is_empty());
    }

    #[test]
    fn a_service_may_be_all_of_a_server() {
        let own = OwnAddresses::new(["https://record.example"]);
        assert_eq!(own.relative("https://record.example/Patient/1"), "Patient/1");
    }
}
