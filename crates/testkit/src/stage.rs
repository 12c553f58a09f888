//! What tests put into a record and read from it, and people by name with a post each.

use std::sync::Arc;

use record::{Caller, Post, Standing, tree};
use serde_json::{Value, json};

use crate::institutions::put;
use crate::place::Place;

/// An organization; one that is part of another is its department.
pub fn organization(id: &str, part_of: Option<&str>) -> Value {
    let mut one = json!({ "resourceType": "Organization", "id": id, "active": true, "name": id });
    if let Some(above) = part_of {
        one["partOf"] = tree::reference(&format!("Organization/{above}"));
        one["type"] = json!([tree::concept("http://terminology.hl7.org/CodeSystem/organization-type", "dept")]);
    }
    one
}

/// Somebody, and their post `{name}-role` with one duty at an organization.
pub fn person(name: &str, at: &str, duty: &str) -> [Value; 2] {
    let post = json!({
        "resourceType": "PractitionerRole", "id": format!("{name}-role"), "active": true,
        "practitioner": tree::reference(&format!("Practitioner/{name}")),
        "organization": tree::reference(&format!("Organization/{at}")),
        "code": [tree::concept("https://qingshan.dev/fhir/CodeSystem/duty", duty)],
    });
    [json!({ "resourceType": "Practitioner", "id": name, "name": [{ "text": name }] }), post]
}

/// A [`person`] at their post.
pub fn staff(name: &str, at: &str, duty: &str) -> Caller {
    let post = Post {
        practitioner: name.to_owned(),
        role: format!("{name}-role"),
        organization: at.to_owned(),
        duties: vec![duty.to_owned()],
    };
    Caller {
        actor: format!("Practitioner/{name}"),
        purpose: "TREAT".to_owned(),
        request: "test".to_owned(),
        standing: Standing::Staff(Arc::new(post)),
    }
}

impl Place {
    /// Stores resources under the names they have, all or none.
    ///
    /// # Panics
    /// If the record refuses them.
    pub async fn keep(&self, resources: &[Value]) {
        let changes = resources.iter().map(|one| put(&one.to_string())).collect();
        self.session().transact(changes).await.expect("the resources go in");
    }

    /// A resource as it is stored.
    ///
    /// # Panics
    /// If it is not there.
    pub async fn tree(&self, reference: &str) -> Value {
        let found = tree::read(&self.session(), reference).await.expect("the record can be read");
        found.expect("the resource is there").0
    }

    /// What its clock shows, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.record.surroundings().clock.now()
    }
}
