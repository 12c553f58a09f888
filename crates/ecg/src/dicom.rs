//! Electrocardiograms as DICOM waveforms: the 12-lead and general ECG of PS3.3 A.34.3 and A.34.4, their module C.10.9, in a
//! file of PS3.10. Read are the two transfer syntaxes without compression of PS3.5 A.1 and A.2, which is how waveforms are
//! written. <https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.10.9.html>
//!
//! Every length a file tells is held against what there is of it before anything is made of it.

mod elements;

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;

use crate::aecg::{is_zero, moment, number, unit_of, words};
use crate::lead::Named;
use crate::{Absent, Lead, MOST_LEADS, MOST_SAMPLES, Measured, Samples, Stretch, Subject, Tracing, invalid, too_large};
use elements::{Elements, Tag};

/// Statements kept at most.
const MOST_STATEMENTS: usize = 40;

const TRANSFER_SYNTAX: Tag = (0x0002, 0x0010);
const CHARACTER_SET: Tag = (0x0008, 0x0005);
const SOP_CLASS: Tag = (0x0008, 0x0016);
const CONTENT_DATE: Tag = (0x0008, 0x0023);
const ACQUISITION: Tag = (0x0008, 0x002a);
const CONTENT_TIME: Tag = (0x0008, 0x0033);
const MANUFACTURER: Tag = (0x0008, 0x0070);
const CODE: Tag = (0x0008, 0x0100);
const SCHEME: Tag = (0x0008, 0x0102);
const MEANING: Tag = (0x0008, 0x0104);
const ZONE: Tag = (0x0008, 0x0201);
const MODEL: Tag = (0x0008, 0x1090);
const NAME: Tag = (0x0010, 0x0010);
const NUMBER: Tag = (0x0010, 0x0020);
const BORN: Tag = (0x0010, 0x0030);
const SEX: Tag = (0x0010, 0x0040);
const GROUP_OFFSET: Tag = (0x0018, 0x1068);
const ORIGINALITY: Tag = (0x003a, 0x0004);
const CHANNELS: Tag = (0x003a, 0x0005);
const SAMPLES: Tag = (0x003a, 0x0010);
const FREQUENCY: Tag = (0x003a, 0x001a);
const CHANNEL: Tag = (0x003a, 0x0200);
const CHANNEL_SOURCE: Tag = (0x003a, 0x0208);
const SENSITIVITY: Tag = (0x003a, 0x0210);
const SENSITIVITY_UNITS: Tag = (0x003a, 0x0211);
const CORRECTION: Tag = (0x003a, 0x0212);
const BASELINE: Tag = (0x003a, 0x0213);
const UNITS: Tag = (0x0040, 0x08ea);
const CONCEPT: Tag = (0x0040, 0xa043);
const NUMERIC: Tag = (0x0040, 0xa30a);
const ANNOTATION: Tag = (0x0040, 0xb020);
const WAVEFORM: Tag = (0x5400, 0x0100);
const BITS: Tag = (0x5400, 0x1004);
const INTERPRETATION: Tag = (0x5400, 0x1006);
const PADDING: Tag = (0x5400, 0x100a);
const DATA: Tag = (0x5400, 0x1010);
const FREE_TEXT: Tag = (0x0070, 0x0006);

/// SOP classes of electrocardiograms: 12-lead, general and 32-bit. PS3.4 B.5.
const CLASSES: [&str; 3] =
    ["1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.9.1.2", "1.2.840.10008.5.1.4.1.1.9.1.4"];

/// What devices measure: the code of SCP-ECG (EN 1064, as PS3.16 CID 3687 has it), that of ISO/IEEE 11073, then LOINC's.
const MEASURED: &[(&str, &str, &str, &str)] = &[
    ("5.10.2.1-1", "2:16016", "8867-4", "Heart rate"),
    ("5.13.5-7", "2:15872", "8625-6", "P-R Interval"),
    ("5.13.5-9", "2:16156", "8633-0", "QRS duration"),
    ("5.13.5-11", "2:16160", "8634-8", "Q-T interval"),
    ("5.10.2.5-5", "2:15876", "8636-3", "Q-T interval corrected"),
    ("5.10.3-11", "2:16128", "8626-4", "P wave axis"),
    ("5.10.3-13", "2:16132", "8632-2", "QRS axis"),
    ("5.10.3-15", "2:16136", "8638-9", "T wave axis"),
];

/// Whether bytes are a file of PS3.10: 128 bytes of anything, then its four letters.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

pub(crate) fn read(bytes: &[u8], zone: Offset) -> Result<Tracing, Error> {
    let (meta, rest) = elements::meta(bytes.get(132..).unwrap_or_default())?;
    let is_explicit = match meta.text(TRANSFER_SYNTAX).as_deref() {
        Some("1.2.840.10008.1.2.1") => true,
        Some("1.2.840.10008.1.2") => false,
        _ => {
            let text = "Of DICOM only files without compression are read; export it as Explicit VR Little Endian.";
            return Err(unsupported(text));
        }
    };
    let whole = elements::all(rest, is_explicit)?;
    if !whole.text(SOP_CLASS).is_some_and(|class| CLASSES.contains(&&*class)) {
        return Err(unsupported("This DICOM file is no electrocardiogram; a 12-lead or general ECG waveform is read."));
    }
    let set = whole.text(CHARACTER_SET).unwrap_or_default();
    let at = began(&whole, zone).ok_or_else(|| invalid("The electrocardiogram does not say when it was recorded."))?;
    let (mut stretches, mut count) = (Vec::new(), 0);
    // A median beat is computed from what was recorded, and is no recording.
    for group in whole.items(WAVEFORM).filter(|group| group.text(ORIGINALITY).as_deref() != Some("DERIVED")) {
        let stretch = stretch_of(group, at)?;
        count += stretch.leads.len();
        if count > MOST_LEADS {
            return Err(too_large("The file holds more leads than an electrocardiogram at rest has."));
        }
        stretches.push(stretch);
    }
    let began = stretches.iter().map(|stretch| stretch.began).min();
    Ok(Tracing {
        began: began.ok_or_else(|| invalid("The file holds no lead."))?,
        stretches,
        subject: subject_of(&whole, &set),
        device: device_of(&whole, &set),
        statements: statements_of(&whole, &set),
        measured: measured_of(&whole),
    })
}

/// When the recording began: Acquisition DateTime, else date and time of the content, in the zone that the file names.
fn began(whole: &Elements<'_>, zone: Offset) -> Option<i64> {
    let joined = || Some(format!("{}{}", whole.text(CONTENT_DATE)?, whole.text(CONTENT_TIME)?));
    let text = whole.text(ACQUISITION).filter(|text| !text.is_empty()).or_else(joined)?;
    let has_zone = text.get(8..).is_some_and(|clock| clock.contains(['+', '-']));
    let zoned = whole.text(ZONE).filter(|_| !has_zone).map(|named| format!("{text}{named}"));
    zoned.and_then(|text| moment(&text, zone)).or_else(|| moment(&text, zone))
}

fn stretch_of(group: &Elements<'_>, at: i64) -> Result<Stretch, Error> {
    let many = group.short(CHANNELS).map(usize::from).filter(|many| *many > 0);
    let many = many.ok_or_else(|| invalid("A group of leads does not say how many they are."))?;
    let count = group.long(SAMPLES).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| invalid("A group of leads does not say how many samples it has."))?;
    if many > MOST_LEADS || count > MOST_SAMPLES {
        return Err(too_large("The file holds more than an electrocardiogram at rest has."));
    }
    let frequency = group.text(FREQUENCY).and_then(|text| text.parse::<f64>().ok());
    let frequency = frequency.filter(|hertz| (1.0..=1_000_000.0).contains(hertz));
    let frequency = frequency.ok_or_else(|| invalid("Leads do not say how often they were sampled."))?;
    let width = match (group.short(BITS), group.text(INTERPRETATION).as_deref()) {
        (Some(16), Some("SS")) => 2,
        (Some(32), Some("SL")) => 4,
        _ => return Err(unsupported("Samples of an electrocardiogram are signed numbers of 16 or 32 bits.")),
    };
    let data = group.bytes(DATA).unwrap_or_default();
    if data.len() < many * count * width {
        return Err(invalid("The file ends before the samples that it announces."));
    }
    let padding = group.bytes(PADDING).and_then(|bytes| sample(bytes.get(..width)?));
    let channels: Vec<&Elements<'_>> = group.items(CHANNEL).collect();
    if channels.len() != many {
        return Err(invalid("A group of leads describes more or fewer of them than it has."));
    }
    let leads = channels.into_iter().enumerate().map(|(place, channel)| {
        let own = (0..count).map(|at| data.get((at * many + place) * width..).and_then(|rest| rest.get(..width)));
        let values = own.map(|bytes| bytes.and_then(sample).filter(|value| Some(*value) != padding));
        Lead { named: named(channel), samples: samples_of(channel, values, count) }
    });
    let after = group.text(GROUP_OFFSET).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let after = if after.is_finite() && after.abs() < 86_400_000.0 { (after * 1000.0).round() as i64 } else { 0 };
    // A nanosecond is finer than any device samples; beyond it stands what binary fractions add.
    let period = (1e9 / frequency).round() / 1e6;
    Ok(Stretch { began: at.saturating_add(after), period, leads: leads.collect() })
}

fn sample(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [low, high] => Some(i16::from_le_bytes([low, high]).into()),
        [one, two, three, four] => Some(i32::from_le_bytes([one, two, three, four]).into()),
        _ => None,
    }
}

fn samples_of(
    channel: &Elements<'_>,
    values: impl Iterator<Item = Option<i64>>,
    count: usize,
) -> Result<Samples, Absent> {
    let text = |tag: Tag| channel.text(tag).and_then(|text| number(&text));
    let unit = channel.items(SENSITIVITY_UNITS).next().and_then(|unit| unit_of(&unit.text(CODE)?));
    let factor = text(SENSITIVITY).filter(|factor| !is_zero(factor)).and_then(|sensitivity| {
        // A correction of one leaves the digits as they were written.
        match text(CORRECTION).map(|text| text.parse::<f64>()) {
            None | Some(Ok(1.0)) => Some(sensitivity),
            Some(Ok(correction)) => number(&format!("{}", sensitivity.parse::<f64>().ok()? * correction)),
            Some(Err(_)) => None,
        }
    });
    let (Some(factor), Some(unit)) = (factor.filter(|factor| !is_zero(factor)), unit) else {
        return Err(Absent::Unreadable);
    };
    let (mut data, mut known) = (String::new(), 0);
    for (place, value) in values.enumerate() {
        if place > 0 {
            data.push(' ');
        }
        match value {
            Some(value) => {
                known += 1;
                data.push_str(&value.to_string());
            }
            None => data.push('E'),
        }
    }
    if known == 0 {
        return Err(Absent::NotRecorded);
    }
    Ok(Samples { origin: text(BASELINE).unwrap_or_else(|| "0".to_owned()), factor, unit, data, count })
}

/// Which lead a channel is: by the code of ISO/IEEE 11073 (PS3.16 CID 3001), by that of SCP-ECG, else by its meaning.
fn named(channel: &Elements<'_>) -> Named {
    let source = channel.items(CHANNEL_SOURCE).next();
    let text = |tag: Tag| source.and_then(|source| source.text(tag)).unwrap_or_default();
    let (code, scheme) = (text(CODE), text(SCHEME));
    let numbered = match &*scheme {
        "MDC" => code.strip_prefix("2:").and_then(|number| number.parse().ok()),
        "SCPECG" => code.strip_prefix("5.6.3-9-").and_then(|number| number.parse().ok()),
        _ => None,
    };
    let meaning = text(MEANING);
    let bare = meaning.trim_start_matches("Lead ").split(" (").next().unwrap_or_default();
    numbered.and_then(Named::numbered).unwrap_or_else(|| Named::of(bare))
}

fn subject_of(whole: &Elements<'_>, set: &str) -> Subject {
    // A name has up to three ways of being written, and parts of each; PS3.5 6.2.1.
    let name = whole.words(NAME, set).map(|name| name.replace(['^', '='], " "));
    let born = whole.text(BORN).filter(|day| day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()));
    let sex = match whole.text(SEX).as_deref() {
        Some("M") => Some("male"),
        Some("F") => Some("female"),
        _ => None,
    };
    Subject {
        name: name.as_deref().and_then(words),
        number: whole.words(NUMBER, set).as_deref().and_then(words),
        sex,
        born: born.map(|day| format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..])),
    }
}

fn device_of(whole: &Elements<'_>, set: &str) -> Option<String> {
    let known = [MANUFACTURER, MODEL].into_iter().filter_map(|tag| words(&whole.words(tag, set)?));
    let known: Vec<String> = known.collect();
    (!known.is_empty()).then(|| known.join(" "))
}

fn statements_of(whole: &Elements<'_>, set: &str) -> Vec<String> {
    let said = whole.items(ANNOTATION).filter_map(|one| words(&one.words(FREE_TEXT, set)?));
    said.take(MOST_STATEMENTS).collect()
}

fn measured_of(whole: &Elements<'_>) -> Vec<Measured> {
    let mut measured: Vec<Measured> = Vec::new();
    for one in whole.items(ANNOTATION) {
        let concept = one.items(CONCEPT).next().and_then(|concept| concept.text(CODE));
        let known = concept.and_then(|code| MEASURED.iter().find(|(scp, mdc, ..)| [*scp, *mdc].contains(&&*code)));
        let unit = one.items(UNITS).next().and_then(|unit| unit.text(CODE));
        let unit = match unit.as_deref() {
            Some("{H.B.}/min" | "{beats}/min" | "/min" | "bpm") => "/min",
            Some("ms") => "ms",
            Some("s") => "s",
            Some("deg") => "deg",
            _ => continue,
        };
        let value = one.text(NUMERIC).and_then(|value| number(&value));
        let (Some((_, _, code, display)), Some(value)) = (known, value) else { continue };
        if !measured.iter().any(|one| one.code == *code) {
            measured.push(Measured { code, display, value, unit });
        }
    }
    measured
}

fn unsupported(text: &str) -> Error {
    Error::new(Category::Unsupported, IssueCode::NotSupported, text)
}
