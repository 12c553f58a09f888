//! Those who are paged: what they are called, and over which numbers they are reached.

use std::collections::BTreeMap;

use fhir::{Error, time};
use record::tree::{self, codes, items, name, referred};
use serde_json::Value;

use crate::page::Channel;
use crate::{Paging, code};

/// Somebody at their post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The id of the PractitionerRole; none where only the person is named.
    pub role: Option<String>,
    /// The id of the Practitioner.
    pub practitioner: String,
    /// The id of the Organization the post is held at.
    pub organization: String,
    /// What they are called.
    pub name: String,
    /// The number for text messages.
    pub mobile: Option<String>,
    /// The number for calls.
    pub phone: Option<String>,
}

impl Person {
    /// The reference by which they are told: their post, or themselves.
    pub fn reference(&self) -> String {
        match &self.role {
            Some(role) => format!("PractitionerRole/{role}"),
            None => format!("Practitioner/{}", self.practitioner),
        }
    }
}

impl Paging {
    /// Somebody by the reference of their post or of themselves; none when they are not there, or not any more.
    pub(crate) async fn person(&self, named: &str) -> Result<Option<Person>, Error> {
        let Some((tree, _)) = tree::read(&self.platform(), named).await? else { return Ok(None) };
        match named.split_once('/') {
            Some(("PractitionerRole", _)) if self.is_in_force(&tree) => self.holder(&tree).await,
            Some(("Practitioner", id)) if tree["active"] != false => Ok(Some(described(id, &tree, &Value::Null))),
            _ => Ok(None),
        }
    }

    async fn holder(&self, role: &Value) -> Result<Option<Person>, Error> {
        let Some(practitioner) = referred(&role["practitioner"]) else { return Ok(None) };
        let Some((person, _)) = tree::read(&self.platform(), practitioner).await? else { return Ok(None) };
        if person["active"] == false {
            return Ok(None);
        }
        Ok(Some(described(practitioner.trim_start_matches("Practitioner/"), &person, role)))
    }

    /// Who holds a post with one of these duties at one of these houses; at the first at which anybody does.
    pub(crate) async fn holders(&self, houses: &[String], duties: &[String]) -> Result<Vec<Person>, Error> {
        if duties.is_empty() {
            return Ok(Vec::new());
        }
        for house in houses {
            let mut found: Vec<Person> = Vec::new();
            for role in self.posts_at(house).await? {
                let holds = codes(&role["code"], code::DUTY).any(|held| duties.iter().any(|duty| duty == held));
                if holds && self.is_in_force(&role) {
                    found.extend(self.holder(&role).await?);
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// The posts at an organization: those held there and, of a department, those that work in what it offers.
    async fn posts_at(&self, house: &str) -> Result<Vec<Value>, Error> {
        let house = format!("Organization/{house}");
        let offered = [("organization", house.clone()), ("_count", "100".to_owned())];
        let services = tree::every(&self.platform(), "HealthcareService", &offered).await?;
        let services: Vec<String> = services.iter().map(name).collect();
        let mut asked = vec![vec![("organization", house), ("_count", "200".to_owned())]];
        if !services.is_empty() {
            asked.push(vec![("service", services.join(",")), ("_count", "200".to_owned())]);
        }
        let mut posts: BTreeMap<String, Value> = BTreeMap::new();
        for one in asked {
            posts.extend(
                tree::every(&self.platform(), "PractitionerRole", &one)
                    .await?
                    .into_iter()
                    .map(|tree| (name(&tree), tree)),
            );
        }
        Ok(posts.into_values().collect())
    }

    /// Who could be on call at an institution (`Organization/…`): whoever holds one of these duties there or in one of its
    /// departments, each with what the house is called.
    pub async fn candidates(&self, institution: &str, duties: &[String]) -> Result<Vec<(Person, String)>, Error> {
        let parts = [("partof", institution.to_owned()), ("_count", "200".to_owned())];
        let mut houses = vec![institution.trim_start_matches("Organization/").to_owned()];
        for part in tree::every(&self.platform(), "Organization", &parts).await? {
            if tree::is_department(&part) {
                houses.extend(part["id"].as_str().map(str::to_owned));
            }
        }
        // Somebody who works in a department is named with it, though their post is held at the institution.
        let mut found: BTreeMap<String, (Person, String)> = BTreeMap::new();
        for house in houses {
            let name = self.house_name(&format!("Organization/{house}")).await?;
            for who in self.holders(std::slice::from_ref(&house), duties).await? {
                found.insert(who.reference(), (who, name.clone()));
            }
        }
        let mut found: Vec<(Person, String)> = found.into_values().collect();
        found.sort_by(|(one, here), (other, there)| (here, &one.name).cmp(&(there, &other.name)));
        Ok(found)
    }

    /// The channels over which somebody is reached besides screens, by the reference of their post or of themselves.
    pub async fn reach(&self, named: &str) -> Result<Vec<Channel>, Error> {
        match self.person(named).await? {
            Some(who) => self.channels_of(&who).await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether a post is held now.
    fn is_in_force(&self, role: &Value) -> bool {
        let side = |name: &str| role["period"][name].as_str().map(|text| time::parse(text, self.zone()));
        let began = side("start").is_none_or(|start| start.is_some_and(|start| start.lo <= self.now()));
        let lasts = side("end").is_none_or(|end| end.is_some_and(|end| self.now() < end.hi));
        role["active"] != false && began && lasts
    }
}

pub(crate) fn described(practitioner: &str, person: &Value, role: &Value) -> Person {
    let organization = referred(&role["organization"]).unwrap_or_default().trim_start_matches("Organization/");
    let numbers: Vec<(&Value, &str)> = items(&role["telecom"])
        .chain(items(&person["telecom"]))
        .filter(|one| one["use"] != "old" && (one["system"] == "phone" || one["system"] == "sms"))
        .filter_map(|one| Some((one, one["value"].as_str()?)))
        .collect();
    let mobile = numbers
        .iter()
        .find(|(one, _)| one["system"] == "sms")
        .or_else(|| numbers.iter().find(|(one, number)| one["use"] == "mobile" || is_mobile(number)));
    let phone = numbers.iter().filter(|(one, _)| one["system"] == "phone");
    let phone =
        phone.clone().find(|(one, number)| one["use"] == "mobile" || is_mobile(number)).or(phone.clone().next());
    let named = items(&person["name"]).next().unwrap_or(&Value::Null);
    let family = named["family"].as_str().unwrap_or_default();
    let given: String = items(&named["given"]).filter_map(Value::as_str).collect();
    let text = named["text"].as_str().map_or_else(|| format!("{family}{given}"), str::to_owned);
    Person {
        role: role["id"].as_str().map(str::to_owned),
        practitioner: practitioner.to_owned(),
        organization: organization.to_owned(),
        name: text,
        mobile: mobile.map(|(_, number)| (*number).to_owned()),
        phone: phone.map(|(_, number)| (*number).to_owned()),
    }
}

/// Whether a number is that of a mobile phone in China: eleven digits, the first a 1.
pub(crate) fn is_mobile(number: &str) -> bool {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let own = digits.strip_prefix("86").filter(|rest| rest.len() == 11).unwrap_or(&digits);
    own.len() == 11 && own.starts_with('1')
}
