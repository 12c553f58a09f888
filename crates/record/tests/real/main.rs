//! Searches over real material on both databases, each judged by reading all of the material instead of an index.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod finding;
mod order;
mod pages;
mod plans;
mod reading;

use record::{Key, ResourceType, SearchPage, SearchRequest, Session};
use serde_json::Value;
use testkit::material;
use testkit::place::Place;
use testkit::region::{self, Resources};

/// The resources a record was filled with.
pub(crate) struct World {
    resources: Resources,
}

impl World {
    /// Fills a record with some patients of both regions and some official examples.
    ///
    /// None, said on behalf of `test`, when the material is not there.
    pub(crate) async fn fill(test: &str, place: &Place) -> Option<Self> {
        let part = |part: usize| if material::whole() { usize::MAX } else { part };
        let examples = ["RiskAssessment", "MolecularSequence", "ChargeItem", "Library", "Group"];
        let regions =
            [region::synthea(test, part(12))?, region::clinosim(test, part(60))?, region::examples(test, &examples)?];
        let session = place.session();
        let mut resources = Resources::new();
        for region in &regions {
            resources.extend(region.resources());
            for changes in region.transactions() {
                session.transact(changes).await.expect("the material is valid");
            }
        }
        Some(Self { resources })
    }

    /// The resources of a type, in the order of their names.
    pub(crate) fn of<'w>(&'w self, type_: &'w str) -> impl Iterator<Item = &'w Value> {
        self.resources.values().filter(move |resource| resource["resourceType"] == type_)
    }

    /// What a reference such as `Patient/7` points to.
    pub(crate) fn at(&self, reference: &str) -> Option<&Value> {
        self.resources.get(reference)
    }

    /// What the references at a path point to.
    pub(crate) fn behind<'w>(&'w self, resource: &'w Value, path: &str) -> Vec<&'w Value> {
        let references = reading::at(resource, path).into_iter().filter_map(|value| value["reference"].as_str());
        references.filter_map(|reference| self.at(reference)).collect()
    }

    /// Whether any resource of a type refers to this one at a path, and `holds`.
    pub(crate) fn any(&self, type_: &str, path: &str, target: &Value, holds: impl Fn(&Value) -> bool) -> bool {
        let name = region::name(target);
        self.of(type_).any(|resource| reading::refers(resource, path, &name) && holds(resource))
    }
}

/// `Type?a=b&c=d`, or `Patient/1/Type?…`.
pub(crate) fn request(query: &str) -> SearchRequest {
    let (path, query) = query.split_once('?').unwrap_or((query, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let parameters = pairs.map(|pair| pair.split_once('=').expect("a parameter has a value"));
    let type_ = |name: &str| Some(ResourceType::named(name).expect("an R4 type"));
    let (type_, compartment) = match *path.split('/').collect::<Vec<_>>() {
        [name] => (type_(name), None),
        [of, id, name] => (type_(name), Some(Key::new(type_(of).expect("a type"), id))),
        _ => panic!("{path} is no path of a search"),
    };
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    SearchRequest { type_, compartment, parameters, strict: true }
}

/// The next page of a search.
pub(crate) fn next(request: &SearchRequest, page: &SearchPage) -> Option<SearchRequest> {
    let link = page.next.as_ref()?;
    let pairs = link.split('&').map(|pair| pair.split_once('=').expect("a link is a query"));
    let parameters = pairs.map(|(name, value)| (plain(name), plain(value))).collect();
    Some(SearchRequest { parameters, ..request.clone() })
}

/// Percent-decoded text.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next().expect("two digits")).to_digit(16).expect("a digit");
                u8::try_from(digit() * 16 + digit()).expect("two digits are a byte")
            }
            other => other,
        });
    }
    String::from_utf8(bytes).expect("a link is UTF-8")
}

/// The names of all matches on all pages, in order.
pub(crate) async fn found(session: &Session, query: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut wanted = Some(request(query));
    while let Some(request) = wanted {
        let page =
            session.search(&request).await.unwrap_or_else(|error| panic!("{query}: {error} {:?}", error.cause()));
        names.extend(page.matches.iter().map(|version| version.key.to_string()));
        wanted = next(&request, &page);
    }
    names
}
