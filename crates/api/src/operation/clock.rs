//! How far the clocks of sources are off: `Device/$clock`, `Device/id/$clock` and `Device/$clocks`. They are ours, and told
//! in docs/decisions/emergency.md.
//!
//! A source calls `$clock` now and then with the time it has (`time`, instant) and, if it measured one, how long its last
//! call took to be answered (`round-trip`, in milliseconds). On the type, the source is the Device whose identifier is the
//! machine client that calls, made when there is none; on an instance it is that Device, for a gateway that calls for
//! others. Each call is kept as an Observation of the Device. No time that a source writes is ever changed by it.

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;
use record::tree::{self, Words, concept, items, reference};
use record::{Key, SearchRequest, Session, Standing, Version};
use serde_json::{Value, json};

use super::parameters::{Parameters, Writer};
use crate::App;
use crate::access::Grant;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::bundle::Bundle;
use crate::interaction::not_found;
use crate::outcome::Failure;
use crate::route::On;

const SYSTEM: &str = "https://qingshan.dev/fhir/CodeSystem/observation";
const CODE: &str = "clock-skew";
/// The system of identifiers that say which machine client a Device is.
const CLIENT: &str = "https://qingshan.dev/fhir/sid/client";
const NOTICE: &str = "https://qingshan.dev/fhir/CodeSystem/notice";
const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";
const UCUM: &str = "http://unitsofmeasure.org";
const MEANS: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";

/// Calls that an estimate is made of at most, and from how far back, in microseconds.
const PROBES: usize = 8;
const WINDOW: i64 = 600_000_000;
/// Two calls that are further apart than this cannot both be of one clock that runs: it was set in between.
const SET: i64 = 60_000_000;
/// A round trip that takes longer says nothing, in microseconds.
const SLOWEST: i64 = 30_000_000;
/// Officers told at most.
const TOLD: usize = 200;
/// Observations listed.
const LISTED: usize = 1_000;

/// One call: by how much the time it told is ahead of when it was received, and how long a call takes there and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    at: i64,
    offset: i64,
    trip: Option<i64>,
}

/// How far a clock is ahead, in microseconds, and how far that may be wrong. Without a bound it is at least so far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skew {
    ahead: i64,
    within: Option<i64>,
}

/// What calls say, the newest first.
///
/// What a source says when it sends is later received by as long as the message was under way, so its clock is ahead by the
/// offset and that delay. Where round trips are known, the shortest one bounds the delay closest (as NTP's clock filter
/// chooses, RFC 5905, section 10); where none is, the largest offset had the least delay.
fn estimate(probes: &[Probe]) -> Option<Skew> {
    let newest = *probes.first()?;
    let same = |probe: &&Probe| newest.at - probe.at <= WINDOW && (probe.offset - newest.offset).abs() <= SET;
    let running: Vec<Probe> = probes.iter().take_while(same).take(PROBES).copied().collect();
    let timed = running.iter().filter_map(|probe| Some((probe.trip?, probe.offset)));
    if let Some((trip, offset)) = timed.min_by_key(|(trip, _)| *trip) {
        return Some(Skew { ahead: offset + trip / 2, within: Some(trip / 2) });
    }
    running.iter().map(|probe| probe.offset).max().map(|ahead| Skew { ahead, within: None })
}

/// Takes in what time a source has, and answers how far its clock is off.
pub(crate) async fn take(app: &App, grant: &Grant, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let received = app.record.surroundings().clock.now();
    if !session.caller().standing.is_no_person() {
        return Err(Error::forbidden("A source tells its time by itself; people do not.").into());
    }
    let parameters = Parameters::of(&mut ask)?;
    let told = parameters.required("time")?;
    let zone = app.record.settings().zone();
    let malformed = |text: &str| Error::new(Category::Invalid, IssueCode::Value, text);
    let time = fhir::time::parse(&told, zone).filter(|_| told.contains('T')).map(|span| span.lo);
    let time = time.ok_or_else(|| malformed("The parameter “time” must be an instant with its zone."))?;
    let trip = parameters.text("round-trip").map(|text| text.parse::<f64>());
    let trip =
        trip.transpose().map_err(|_| malformed("The parameter “round-trip” must be a number of milliseconds."))?;
    let trip = trip.filter(|trip| trip.is_finite()).map(|trip| (trip * 1_000.0) as i64);
    let probe = Probe { at: received, offset: time - received, trip: trip.filter(|trip| (0..=SLOWEST).contains(trip)) };
    let device = source(grant, session, on).await?;
    let before = measured(session, &device, PROBES).await?;
    let mut probes = vec![probe];
    probes.extend(before.iter().filter_map(probe_of));
    let skew = estimate(&probes).ok_or_else(|| Error::fault("a call says nothing of its clock"))?;
    let most = i64::try_from(app.settings.clock_skew.as_micros()).unwrap_or(i64::MAX);
    let is_off = skew.ahead.abs() > most;
    let mut changes = vec![tree::create(&observation(&device, &told, probe, skew, most, zone), None)?];
    let was_off = before.first().is_some_and(|one| one["interpretation"][0]["coding"][0]["code"] != "N");
    if is_off && !was_off {
        let officers = officers(session).await?;
        if !officers.is_empty() {
            changes.push(tree::create(&notice(&device, skew, received, zone, &officers), None)?);
        }
    }
    session.transact(changes).await?;
    let mut answer = Writer::new();
    answer.text("received", "valueInstant", &fhir::time::instant(received));
    answer.raw("ahead", "valueQuantity", &serde_json::to_vec(&seconds(skew.ahead)).map_err(Error::fault)?);
    if let Some(within) = skew.within {
        answer.raw("within", "valueQuantity", &serde_json::to_vec(&seconds(within)).map_err(Error::fault)?);
    }
    answer.flag("good", !is_off);
    Ok(answer.answer())
}

/// Lists what was measured, the newest first, with the Devices.
pub(crate) async fn show(app: &App, session: &Session, ask: Ask) -> Result<Answer, Failure> {
    if let Standing::Lay(_) = session.caller().standing {
        return Err(Error::forbidden("The clocks of sources are looked after by those on duty.").into());
    }
    let base = ask.base.to_string();
    // What a clock shows is nobody's record: those who may not search for results see it too.
    let platform = app.record.session(record::Caller::system("HOPERAT"));
    let parameters = [("code", format!("{SYSTEM}|{CODE}")), ("_sort", "-date".to_owned())];
    let found = search(&platform, "Observation", &parameters, LISTED).await?;
    let mut bundle = Bundle::new("searchset", None, &[("self", format!("{base}/Device/$clocks"))]);
    let mut devices = Vec::new();
    for version in &found {
        let Some(body) = &version.body else { continue };
        bundle.found(&base, Some(&version.key), body, "match");
        let device = tree::of(version)?.and_then(|one| device_of(&one));
        if let Some(device) = device.filter(|device| !devices.contains(device)) {
            devices.push(device);
        }
    }
    for device in devices {
        let version = platform.read(&device).await?;
        if let Some((version, body)) = version.as_ref().and_then(|version| Some((version, version.body.as_ref()?))) {
            bundle.found(&base, Some(&version.key), body, "include");
        }
    }
    Ok(Answer::resource(bundle.end()))
}

/// The Device that a call is about.
async fn source(grant: &Grant, session: &Session, on: On) -> Result<Key, Error> {
    let client = grant.actor.strip_prefix("client/");
    if let On::Instance(key) = on {
        let version = session.read(&key).await?.ok_or_else(|| not_found(&key))?;
        let device = tree::of(&version)?.ok_or_else(|| not_found(&key))?;
        let own = items(&device["identifier"]).find(|one| one["system"] == CLIENT);
        if own.is_some_and(|own| own["value"].as_str() != client) {
            return Err(Error::forbidden("That source tells its time by itself."));
        }
        return Ok(key);
    }
    let client = client.ok_or_else(|| {
        let text = "Say which Device it is: Device/id/$clock.";
        Error::new(Category::Invalid, IssueCode::Required, text)
    })?;
    let criteria = format!("identifier={CLIENT}|{client}");
    let device = json!({
        "resourceType": "Device",
        "identifier": [{ "system": CLIENT, "value": client }],
        "status": "active",
        "deviceName": [{ "name": client, "type": "user-friendly-name" }],
    });
    let applied = session.transact(vec![tree::create(&device, Some(criteria))?]).await.map_err(Error::from)?;
    let version = applied.into_iter().next().and_then(|one| one.version);
    version.map(|version| version.key).ok_or_else(|| Error::fault("a Device was made and is not there"))
}

/// What was measured of a source before, the newest first.
async fn measured(session: &Session, device: &Key, most: usize) -> Result<Vec<Value>, Error> {
    let parameters =
        [("subject", device.to_string()), ("code", format!("{SYSTEM}|{CODE}")), ("_sort", "-date".to_owned())];
    let found = search(session, "Observation", &parameters, most).await?;
    found.iter().filter_map(|version| tree::of(version).transpose()).collect()
}

async fn search(
    session: &Session,
    type_: &str,
    parameters: &[(&str, String)],
    most: usize,
) -> Result<Vec<Version>, Error> {
    let mut request = SearchRequest::of(type_, parameters)?;
    request.parameters.push(("_count".to_owned(), most.to_string()));
    Ok(session.search(&request).await?.matches)
}

fn device_of(observation: &Value) -> Option<Key> {
    Key::of(tree::referred_of(&observation["subject"], "Device").next()?)
}

fn probe_of(observation: &Value) -> Option<Probe> {
    let micros = |code: &str, scale: f64| {
        let part = items(&observation["component"]).find(|part| part["code"]["coding"][0]["code"] == code)?;
        Some((part["valueQuantity"]["value"].as_f64()? * scale).round() as i64)
    };
    let at = tree::moment(&observation["effectiveDateTime"], Offset::UTC)?;
    Some(Probe { at, offset: micros("clock-offset", 1e6)?, trip: micros("round-trip", 1e3) })
}

fn observation(device: &Key, told: &str, probe: Probe, skew: Skew, most: i64, zone: Offset) -> Value {
    let means = match skew.ahead {
        ahead if ahead > most => "H",
        ahead if ahead < -most => "L",
        _ => "N",
    };
    let part = |code: &str, name: &str, value: Value| json!({ "code": concept(SYSTEM, code), name: value });
    let mut components = vec![
        part("clock-told", "valueString", told.into()),
        part("clock-offset", "valueQuantity", seconds(probe.offset)),
    ];
    if let Some(trip) = probe.trip {
        let value = json!({ "value": trip as f64 / 1e3, "unit": "ms", "system": UCUM, "code": "ms" });
        components.push(part("round-trip", "valueQuantity", value));
    }
    if let Some(within) = skew.within {
        components.push(part("clock-within", "valueQuantity", seconds(within)));
    }
    let at = written(probe.at, zone);
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": SYSTEM, "code": CODE }], "text": "时钟偏差" },
        "subject": reference(&device.to_string()),
        "device": reference(&device.to_string()),
        "effectiveDateTime": at,
        "issued": at,
        "valueQuantity": seconds(skew.ahead),
        "interpretation": [concept(MEANS, means)],
        "referenceRange": [{ "low": seconds(-most), "high": seconds(most) }],
        "component": components,
    })
}

/// Tells those who answer for the quality of data that a clock went wrong.
fn notice(device: &Key, skew: Skew, at: i64, zone: Offset, officers: &[String]) -> Value {
    let length = skew.ahead.abs() / 1_000_000;
    let (minutes, seconds) = (length / 60, length % 60);
    let (zh_way, en_way) = if skew.ahead > 0 { ("快", "ahead") } else { ("慢", "behind") };
    let zh = format!("{device} 的时钟{zh_way} {minutes} 分 {seconds} 秒，由它写入的时间需核对。");
    let en = format!("The clock of {device} is {minutes} min {seconds} s {en_way}; look at the times it wrote.");
    let recipients: Vec<Value> = officers.iter().map(|officer| reference(officer)).collect();
    let mut payload = json!({});
    Words { zh, en }.put(&mut payload, "contentString");
    json!({
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept(NOTICE, CODE)],
        "about": [reference(&device.to_string())],
        "sent": written(at, zone),
        "recipient": recipients,
        "payload": [payload],
    })
}

/// The posts of those who answer for quality and for privacy.
async fn officers(session: &Session) -> Result<Vec<String>, Error> {
    let duties = format!("{DUTY}|quality,{DUTY}|privacy-officer");
    let found =
        search(session, "PractitionerRole", &[("role", duties), ("active:not", "false".to_owned())], TOLD).await?;
    Ok(found.into_iter().map(|version| version.key.to_string()).collect())
}

/// A length of time of so many microseconds, in seconds with three decimals.
fn seconds(micros: i64) -> Value {
    let millis = (micros as f64 / 1e3).round() / 1e3;
    json!({ "value": millis, "unit": "s", "system": UCUM, "code": "s" })
}

fn written(at: i64, zone: Offset) -> String {
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    format!("{:.3}", at.display_with_offset(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn probe(at: i64, offset: i64, trip: Option<i64>) -> Probe {
        Probe { at, offset, trip }
    }

    #[test]
    fn the_call_that_was_quickest_says_most_about_a_clock() {
        let quick = probe(0, 7 * SECOND - 20_000, Some(40_000));
        let slow = probe(SECOND, 5 * SECOND, Some(4 * SECOND));
        assert_eq!(estimate(&[slow, quick]), Some(Skew { ahead: 7 * SECOND, within: Some(20_000) }));
    }

    #[test]
    fn without_round_trips_a_clock_is_at_least_as_far_ahead_as_any_call_says() {
        let calls = [probe(2 * SECOND, -3 * SECOND, None), probe(SECOND, -SECOND, None), probe(0, -2 * SECOND, None)];
        assert_eq!(estimate(&calls), Some(Skew { ahead: -SECOND, within: None }));
    }

    #[test]
    fn what_was_measured_before_a_clock_was_set_counts_no_more() {
        let calls = [probe(2 * SECOND, 0, None), probe(SECOND, 420 * SECOND, None)];
        assert_eq!(estimate(&calls), Some(Skew { ahead: 0, within: None }));
    }

    #[test]
    fn what_was_measured_long_ago_counts_no_more() {
        let calls = [probe(2 * WINDOW, 0, None), probe(0, 2 * SECOND, Some(1))];
        assert_eq!(estimate(&calls), Some(Skew { ahead: 0, within: None }));
    }
}
