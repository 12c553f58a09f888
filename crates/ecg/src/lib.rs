//! Electrocardiograms as devices write them, read into leads and told in FHIR. No IO.
//!
//! [`read`] takes the bytes of a file apart; [`resources`] makes of it what the record keeps: the file as it came, one
//! Observation with [SampledData](http://hl7.org/fhir/R4/datatypes.html#SampledData) for each stretch of time that was
//! recorded, and a DiagnosticReport about them. No sample is made up: what a file does not hold is not there afterwards,
//! and a sample that a device marks as none is told as `E`.

mod aecg;
mod dicom;
mod lead;
mod resources;

use fhir::{Category, Error, IssueCode};
use jiff::tz::Offset;

pub use lead::Named;
pub use resources::{About, DOCUMENT, REPORT, id_of, resources};

/// The largest file that is read, in bytes. Twelve leads of ten seconds come to less than one million.
pub const LARGEST: usize = 8 << 20;
/// Samples of one lead at most: two minutes at a thousand a second. What runs longer is no tracing at rest.
const MOST_SAMPLES: usize = 120_000;
/// Leads at most.
const MOST_LEADS: usize = 32;

/// One electrocardiogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// When its recording began, in microseconds since 1970, by the clock of the device.
    pub began: i64,
    /// What was recorded, a stretch of time each. Most devices record all leads at once, in one.
    pub stretches: Vec<Stretch>,
    /// Whose it is, by the file.
    pub subject: Subject,
    /// What recorded it: maker and model.
    pub device: Option<String>,
    /// What the device made of it, in its words. No physician has read it.
    pub statements: Vec<String>,
    /// What the device measured.
    pub measured: Vec<Measured>,
}

/// Leads that were recorded at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// When it began, in microseconds since 1970.
    pub began: i64,
    /// From one sample to the next, in milliseconds.
    pub period: f64,
    /// The leads.
    pub leads: Vec<Lead>,
}

/// What one lead recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Which lead.
    pub named: Named,
    /// The samples, or why there are none.
    pub samples: Result<Samples, Absent>,
}

/// The samples of a lead. A sample `s` stands for `origin + s × factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// What zero stands for.
    pub origin: String,
    /// What one stands for.
    pub factor: String,
    /// In what, by UCUM.
    pub unit: &'static str,
    /// Numbers as they were written, or `E` where there is none, with a space between.
    pub data: String,
    /// How many they are.
    pub count: usize,
}

/// Why a lead has no samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The file names the lead and says that it was not recorded, such as because its electrode was off.
    NotRecorded,
    /// What the file holds of it cannot be read.
    Unreadable,
}

/// Whose an electrocardiogram is, by its file. People type it into a device, or leave what was there before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// What the person is called.
    pub name: Option<String>,
    /// Their number.
    pub number: Option<String>,
    /// `male` or `female`.
    pub sex: Option<&'static str>,
    /// When they were born, as `1950-01-31`.
    pub born: Option<String>,
}

/// Something a device measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its LOINC code.
    pub code: &'static str,
    /// What it is called there.
    pub display: &'static str,
    /// The number as it was written.
    pub value: String,
    /// In what, by UCUM.
    pub unit: &'static str,
}

/// Reads an electrocardiogram: HL7 annotated ECG (ANSI/HL7 V3 ECG, R1) in UTF-8 or UTF-16, or a DICOM waveform without
/// compression (PS3.3 A.34.3).
///
/// `zone` is where times are from that do not say. Fails with [`Category::TooLarge`] when there is more than a tracing at
/// rest has, with [`Category::Unsupported`] when it is no format that is read here, and with [`Category::Invalid`] when it
/// cannot be read or does not say when it was recorded.
pub fn read(bytes: &[u8], zone: Offset) -> Result<Tracing, Error> {
    if bytes.len() > LARGEST {
        return Err(too_large("The file is larger than an electrocardiogram at rest can be."));
    }
    if dicom::is_one(bytes) {
        return dicom::read(bytes, zone);
    }
    aecg::read(&text_of(bytes)?, zone)
}

/// The text of an XML file by its byte order mark; without one it is UTF-8.
fn text_of(bytes: &[u8]) -> Result<String, Error> {
    let wide = |pair: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|two| pair([two[0], two[1]]));
        char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| invalid("The file is not UTF-16."))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let text = std::str::from_utf8(bytes).map_err(|_| invalid("The file is neither UTF-8 nor UTF-16."))?;
            Ok(text.to_owned())
        }
    }
}

fn invalid(text: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Structure, text)
}

fn too_large(text: &str) -> Error {
    Error::new(Category::TooLarge, IssueCode::TooLong, text)
}
