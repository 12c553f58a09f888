//! What a Subscription asks for.

use axum::http::{HeaderName, HeaderValue, header};
use fhir::Value;
use record::ResourceType;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::ask::{Query, shortened};

/// `Subscription.status`. <http://hl7.org/fhir/R4/valueset-subscription-status.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It asks to be served.
    Requested,
    /// It is served.
    Active,
    /// It is not served, or not any more.
    Off,
}

impl Status {
    /// The status of a Subscription.
    pub(super) fn of(subscription: &Value) -> Self {
        match subscription.get("status").and_then(|status| status.as_str()) {
            Some("requested") => Self::Requested,
            Some("active") => Self::Active,
            _ => Self::Off,
        }
    }
}

/// What a Subscription asks for, read.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The type of the resources it is about.
    pub(super) type_: ResourceType,
    /// The criteria they must meet.
    pub(super) criteria: Vec<(String, String)>,
    /// Where notifications go.
    pub(super) endpoint: String,
    /// Whether the resource itself is sent.
    pub(super) with_content: bool,
    /// Headers sent along.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// When it ends.
    pub(super) end: Option<String>,
}

impl Wish {
    /// Reads a Subscription; the error is a sentence for its author.
    pub(super) fn of(subscription: &Value) -> Result<Self, String> {
        let text = |value: Option<&Value>| value.and_then(|value| value.as_str()).map(str::to_owned);
        let channel = subscription.get("channel").ok_or("There is no channel.")?;
        match text(channel.get("type")).as_deref() {
            Some("rest-hook") => {}
            other => return Err(format!("The channel offered is rest-hook, not {}.", shortened(other.unwrap_or("")))),
        }
        let criteria = text(subscription.get("criteria")).ok_or("There are no criteria.")?;
        let (name, query) = criteria.split_once('?').unwrap_or((&criteria, ""));
        let type_ = ResourceType::named(name.trim_start_matches('/'))
            .ok_or_else(|| "The criteria must begin with a resource type, such as Observation?code=…".to_owned())?;
        let criteria = Query::parse(query).map_err(|error| error.to_string())?.into_pairs();
        let with_content = match text(channel.get("payload")).as_deref() {
            None | Some("") => false,
            Some("application/fhir+json" | "application/json") => true,
            Some(_) => return Err("The payload offered is application/fhir+json, or none.".to_owned()),
        };
        let mut headers = Vec::new();
        let lines = channel.get("header").and_then(|lines| lines.as_array());
        for line in lines.into_iter().flatten().filter_map(|line| line.as_str()) {
            headers.push(header(line).ok_or("A channel header must look like “Name: value” and may not steer HTTP.")?);
        }
        Ok(Self {
            type_,
            criteria,
            endpoint: text(channel.get("endpoint")).ok_or("The channel has no endpoint.")?,
            with_content,
            headers,
            end: text(subscription.get("end")),
        })
    }
}

/// A header of a channel, unless it would change how the message is read.
fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let steering = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ];
    let value = HeaderValue::from_str(value.trim()).ok()?;
    (!steering.contains(&name)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(change: impl Fn(String) -> String) -> Result<Wish, String> {
        let text = r#"{"resourceType":"Subscription","status":"requested","criteria":"Observation?code=a%7Cb,c","channel":{"type":"rest-hook","endpoint":"https://lab.example/hook","payload":"application/fhir+json","header":["Authorization: Bearer x"]}}"#;
        Wish::of(&fhir::json::parse(change(text.to_owned()).as_bytes()).unwrap())
    }

    #[test]
    fn a_sound_subscription_is_read() {
        let wish = wish(|text| text).unwrap();
        assert_eq!(wish.type_.name(), "Observation");
        assert_eq!(wish.criteria, [("code".to_owned(), "a|b,c".to_owned())]);
        assert!(wish.with_content);
        assert_eq!(wish.headers[0].0, header::AUTHORIZATION);
    }

    #[test]
    fn what_cannot_be_served_is_refused_in_words() {
        for (from, to) in [
            ("rest-hook", "email"),
            ("Observation?", "Robot?"),
            ("application/fhir+json", "application/fhir+xml"),
            ("Authorization: Bearer x", "Host: elsewhere.example"),
            ("Authorization: Bearer x", "no colon"),
        ] {
            assert!(wish(|text| text.replace(from, to)).is_err(), "{to}");
        }
    }
}
