//! HL7 annotated ECG, ANSI/HL7 V3 ECG, R1-2004, as its implementation guide explains it:
//! <https://www.hl7.org/documentcenter/public/wg/rcrim/annecg/aECG%20Implementation%20Guide%202005-03-21%20final%203.pdf>

use fhir::{Category, Error, IssueCode};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use roxmltree::{Document, Node, ParsingOptions};

use crate::lead::Named;
use crate::{Absent, Lead, MOST_LEADS, MOST_SAMPLES, Measured, Samples, Stretch, Subject, Tracing, invalid, too_large};

/// Elements and texts of a file at most.
const MOST_NODES: u32 = 500_000;
/// What devices write for a sample they do not have: the least number of 16 bits.
const NONE: &str = "-32768";
/// Statements kept at most, and letters of each.
const MOST_STATEMENTS: (usize, usize) = (40, 400);

/// What devices measure: the code in the file, then LOINC's.
const MEASURED: &[(&str, &str, &str)] = &[
    ("MDC_ECG_HEART_RATE", "8867-4", "Heart rate"),
    ("MDC_ECG_TIME_PD_PR", "8625-6", "P-R Interval"),
    ("MDC_ECG_TIME_PD_QRS", "8633-0", "QRS duration"),
    ("MDC_ECG_TIME_PD_QT", "8634-8", "Q-T interval"),
    ("MDC_ECG_TIME_PD_QTc", "8636-3", "Q-T interval corrected"),
    ("MDC_ECG_ANGLE_P_FRONT", "8626-4", "P wave axis"),
    ("MDC_ECG_ANGLE_QRS_FRONT", "8632-2", "QRS axis"),
    ("MDC_ECG_ANGLE_T_FRONT", "8638-9", "T wave axis"),
];

pub(crate) fn read(text: &str, zone: Offset) -> Result<Tracing, Error> {
    // Without document types there are no entities, and what is read is never more than what was sent.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|_| invalid("The file is not well-formed XML."))?;
    let root = document.root_element();
    if !is(root, "AnnotatedECG") {
        let text = "This is no electrocardiogram that is read here: HL7 aECG begins with AnnotatedECG.";
        return Err(Error::new(Category::Unsupported, IssueCode::NotSupported, text));
    }
    let series = series_of(root).ok_or_else(|| invalid("The file holds no series of leads."))?;
    let low = child(series, "effectiveTime").or_else(|| child(root, "effectiveTime")).and_then(|time| {
        let at = child(time, "low").or_else(|| child(time, "center")).unwrap_or(time);
        moment(at.attribute("value")?, zone)
    });
    let sets = series.descendants().filter(|node| is(*node, "sequenceSet") && !is_derived(*node));
    let mut stretches = Vec::new();
    let mut count = 0;
    for set in sets {
        let stretch = stretch_of(set, low, zone)?;
        count += stretch.leads.len();
        if count > MOST_LEADS {
            return Err(too_large("The file holds more leads than an electrocardiogram at rest has."));
        }
        if !stretch.leads.is_empty() {
            stretches.push(stretch);
        }
    }
    let Some(began) = stretches.iter().map(|stretch| stretch.began).min() else {
        return Err(invalid("The file holds no lead."));
    };
    Ok(Tracing {
        began,
        stretches,
        subject: subject_of(root),
        device: device_of(series),
        statements: statements_of(series),
        measured: measured_of(series),
    })
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| is(*child, name))
}

fn first<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.descendants().find(|inner| is(*inner, name))
}

/// Whether something is computed from the leads, such as a median beat, and so is no recording.
fn is_derived(node: Node<'_, '_>) -> bool {
    node.ancestors().any(|outer| is(outer, "derivedSeries"))
}

/// The series that was recorded: the first that says so, else the first there is.
fn series_of<'a, 'i>(root: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    let all = || root.descendants().filter(|node| is(*node, "series"));
    let says = |node: &Node<'_, '_>| child(*node, "code").and_then(|code| code.attribute("code")) == Some("RHYTHM");
    all().find(says).or_else(|| all().next())
}

fn stretch_of(set: Node<'_, '_>, low: Option<i64>, zone: Offset) -> Result<Stretch, Error> {
    let sequences = || set.children().filter(|node| is(*node, "component")).filter_map(|one| child(one, "sequence"));
    let code =
        |node: Node<'_, '_>| child(node, "code").and_then(|code| code.attribute("code")).unwrap_or_default().to_owned();
    let time = sequences().find(|one| code(*one).starts_with("TIME_"));
    let time = time.and_then(|one| Some((code(one), child(one, "value")?)));
    let (kind, value) = time.ok_or_else(|| invalid("Leads do not say at which times they were sampled."))?;
    let period = child(value, "increment").and_then(milliseconds).filter(|period| *period > 0.0 && *period <= 1000.0);
    let period = period.ok_or_else(|| invalid("Leads do not say how often they were sampled."))?;
    let head = child(value, "head");
    let began = match (kind.as_str(), low) {
        ("TIME_ABSOLUTE", _) => head.and_then(|head| moment(head.attribute("value")?, zone)).or(low),
        (_, Some(low)) => {
            let after = head.and_then(milliseconds).unwrap_or_default();
            // A distance that no recording has is not one.
            (after.abs() < 86_400_000.0).then(|| low + (after * 1000.0).round() as i64)
        }
        _ => None,
    };
    let began = began.ok_or_else(|| invalid("The electrocardiogram does not say when it was recorded."))?;
    let mut leads = Vec::new();
    for sequence in sequences() {
        let code = code(sequence);
        if !code.starts_with("TIME_") && !code.is_empty() {
            leads.push(Lead { named: Named::of(&code), samples: samples_of(sequence)? });
        }
    }
    Ok(Stretch { began, period, leads })
}

fn samples_of(sequence: Node<'_, '_>) -> Result<Result<Samples, Absent>, Error> {
    let Some(value) = child(sequence, "value") else { return Ok(Err(Absent::NotRecorded)) };
    if value.attribute("nullFlavor").is_some() {
        return Ok(Err(Absent::NotRecorded));
    }
    let (origin, scale, digits) = (child(value, "origin"), child(value, "scale"), child(value, "digits"));
    let factor = scale.and_then(|scale| number(scale.attribute("value")?)).filter(|factor| !is_zero(factor));
    let unit = scale.and_then(|scale| unit_of(scale.attribute("unit")?));
    // What zero stands for is told in the same unit; where it is not, only zero itself is the same in both.
    let zero = origin.and_then(|origin| number(origin.attribute("value")?)).unwrap_or_else(|| "0".to_owned());
    let same = is_zero(&zero) || origin.and_then(|origin| unit_of(origin.attribute("unit")?)) == unit;
    let (Some(factor), Some(unit), true, Some(digits)) = (factor, unit, same, digits) else {
        return Ok(Err(Absent::Unreadable));
    };
    let (mut data, mut count, mut known) = (String::new(), 0, 0);
    let texts = digits.descendants().filter(|node| node.is_text()).filter_map(|node| node.text());
    for token in texts.flat_map(str::split_ascii_whitespace) {
        count += 1;
        if count > MOST_SAMPLES {
            return Err(too_large("A lead is longer than an electrocardiogram at rest is."));
        }
        if count > 1 {
            data.push(' ');
        }
        match number(token).filter(|_| token != NONE) {
            Some(sample) => {
                known += 1;
                data.push_str(&sample);
            }
            None => data.push('E'),
        }
    }
    Ok(if known == 0 {
        Err(if count == 0 { Absent::NotRecorded } else { Absent::Unreadable })
    } else {
        Ok(Samples { origin: zero, factor, unit, data, count })
    })
}

/// A number as it was written, in the letters that FHIR and JSON write it in.
pub(crate) fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || digits.len() > 18 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let bare = whole.trim_start_matches('0');
    let whole = if bare.is_empty() { "0" } else { bare };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

pub(crate) fn is_zero(number: &str) -> bool {
    number.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
}

pub(crate) fn unit_of(unit: &str) -> Option<&'static str> {
    Some(match unit.trim() {
        "uV" | "µV" | "μV" => "uV",
        "mV" => "mV",
        "nV" => "nV",
        "V" => "V",
        _ => return None,
    })
}

/// A length of time, in milliseconds.
fn milliseconds(node: Node<'_, '_>) -> Option<f64> {
    let value: f64 = number(node.attribute("value")?)?.parse().ok()?;
    let times = match node.attribute("unit").unwrap_or("s").trim() {
        "s" => 1e3,
        "ms" => 1.0,
        "us" => 1e-3,
        "min" => 6e4,
        _ => return None,
    };
    // A nanosecond is finer than any device samples; beyond it stands what binary fractions add.
    Some((value * times * 1e6).round() / 1e6)
}

/// A point in time as HL7 writes it, `20261122153000.250+0800`, in microseconds since 1970.
pub(crate) fn moment(text: &str, zone: Offset) -> Option<i64> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (clock, zone) = match text.rfind(['+', '-']) {
        Some(at) => (&text[..at], offset(&text[at..])?),
        None => (text.strip_suffix('Z').unwrap_or(text), if text.ends_with('Z') { Offset::UTC } else { zone }),
    };
    let (digits, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(digits.len(), 12 | 14) || !are_digits(digits) || !are_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i8>().ok());
    let year: i16 = digits.get(..4)?.parse().ok()?;
    let second = part(12, 14).unwrap_or(0);
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let time =
        DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, second.min(59), nanos).ok()?;
    Some(zone.to_timestamp(time).ok()?.as_microsecond())
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let minutes = match digits.len() {
        4 => digits.get(..2)?.parse::<i32>().ok()? * 60 + digits.get(2..)?.parse::<i32>().ok()?,
        2 => digits.parse::<i32>().ok()? * 60,
        _ => return None,
    };
    Offset::from_seconds(if sign == "-" { -minutes * 60 } else { minutes * 60 }).ok()
}

pub(crate) fn words(text: &str) -> Option<String> {
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST_STATEMENTS.1).collect();
    (!words.is_empty()).then_some(words)
}

/// Everything written in an element, however deep.
fn text_in(node: Node<'_, '_>) -> Option<String> {
    let texts: Vec<&str> =
        node.descendants().filter(|inner| inner.is_text()).filter_map(|inner| inner.text()).collect();
    words(&texts.join(" "))
}

fn subject_of(root: Node<'_, '_>) -> Subject {
    let Some(trial) = first(root, "trialSubject") else { return Subject::default() };
    let id = child(trial, "id");
    let number = id.and_then(|id| id.attribute("extension").or_else(|| id.attribute("root"))).and_then(words);
    let person = first(trial, "subjectDemographicPerson");
    let of = |name: &str| person.and_then(|person| child(person, name));
    let sex = of("administrativeGenderCode").and_then(|code| match code.attribute("code")?.trim() {
        "M" | "m" => Some("male"),
        "F" | "f" => Some("female"),
        _ => None,
    });
    let born = of("birthTime").and_then(|time| {
        let text = time.attribute("value")?.trim();
        let day = text.get(..8).filter(|day| day.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]))
    });
    Subject { name: of("name").and_then(text_in), number, sex, born }
}

fn device_of(series: Node<'_, '_>) -> Option<String> {
    let model = first(series, "manufacturerModelName").and_then(text_in);
    let maker = first(series, "manufacturerOrganization").and_then(|one| child(one, "name")).and_then(text_in);
    let known: Vec<String> = maker.into_iter().chain(model).collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// Annotations of the recording itself, with their codes.
fn annotations<'a, 'i>(series: Node<'a, 'i>) -> impl Iterator<Item = (&'a str, Node<'a, 'i>)> {
    let all = series.descendants().filter(|node| is(*node, "annotation") && !is_derived(*node));
    all.filter_map(|one| Some((child(one, "code")?.attribute("code")?, child(one, "value")?)))
}

fn statements_of(series: Node<'_, '_>) -> Vec<String> {
    let said = annotations(series).filter(|(code, _)| code.starts_with("MDC_ECG_INTERPRETATION"));
    said.filter_map(|(_, value)| text_in(value)).take(MOST_STATEMENTS.0).collect()
}

fn measured_of(series: Node<'_, '_>) -> Vec<Measured> {
    let mut measured: Vec<Measured> = Vec::new();
    for (written, value) in annotations(series) {
        let Some((_, code, display)) = MEASURED.iter().find(|(name, ..)| name.eq_ignore_ascii_case(written)) else {
            continue;
        };
        let unit = match value.attribute("unit").unwrap_or_default().trim() {
            "bpm" | "/min" | "{beats}/min" => "/min",
            "ms" => "ms",
            "s" => "s",
            "deg" | "°" => "deg",
            _ => continue,
        };
        let Some(value) = value.attribute("value").and_then(number) else { continue };
        if !measured.iter().any(|one| one.code == *code) {
            measured.push(Measured { code, display, value, unit });
        }
    }
    measured
}
