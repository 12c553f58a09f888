//! DICOM waveforms are read as electrocardiographs write them. The two files hold the same twelve leads and were written with
//! pydicom 3.0.2: one explicit with lengths, one implicit with delimiters. aVR (the fourth channel) was off throughout, and
//! of lead I the second sample is missing; both are told by the padding value -32768. A median beat stands beside them.

use ecg::{Absent, Tracing};
use fhir::Category;
use jiff::tz::Offset;

const EXPLICIT: &[u8] = include_bytes!("twelve_leads.dcm");
const IMPLICIT: &[u8] = include_bytes!("twelve_leads_implicit.dcm");

fn read(bytes: &[u8]) -> Tracing {
    ecg::read(bytes, Offset::constant(8)).expect("it is an electrocardiogram")
}

fn refused(bytes: &[u8]) -> Category {
    ecg::read(bytes, Offset::constant(8)).expect_err("it is none").category()
}

/// The same file with some bytes in place of others wherever it has those.
fn with(old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "lengths stay as they are told");
    let mut file = EXPLICIT.to_vec();
    let places: Vec<usize> = (0..=file.len() - old.len()).filter(|at| file[*at..].starts_with(old)).collect();
    assert!(!places.is_empty(), "the file has it");
    places.into_iter().for_each(|at| file[at..at + new.len()].copy_from_slice(new));
    file
}

#[test]
fn every_lead_of_a_waveform_has_its_samples_and_a_median_beat_is_none() {
    let tracing = read(EXPLICIT);
    let [stretch] = tracing.stretches.as_slice() else { panic!("one stretch: {}", tracing.stretches.len()) };
    assert_eq!((stretch.leads.len(), stretch.period), (12, 2.0));
    let names: Vec<&str> = stretch.leads.iter().map(|lead| &*lead.named.name).collect();
    assert_eq!(names, ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]);
    assert_eq!(stretch.leads[6].named.code, Some(131_331));
    let samples = |place: usize| stretch.leads[place].samples.as_ref().expect("it was recorded");
    let second = samples(1);
    assert_eq!((second.origin.as_str(), second.factor.as_str(), second.unit, second.count), ("0", "4.88", "uV", 40));
    assert!(second.data.starts_with("100 -101 102 -103") && second.data.ends_with(" -139"), "{}", second.data);
    assert!(samples(0).data.starts_with("0 E 2 -3"), "a sample that is missing is told as none");
    assert_eq!(stretch.leads[3].samples, Err(Absent::NotRecorded));
}

#[test]
fn a_waveform_is_the_same_however_its_elements_are_written() {
    assert_eq!(read(IMPLICIT), read(EXPLICIT));
}

#[test]
fn whose_a_waveform_is_and_what_the_device_made_of_it_is_read_in_its_letters() {
    let tracing = read(EXPLICIT);
    let subject = &tracing.subject;
    assert_eq!((subject.name.as_deref(), subject.number.as_deref()), (Some("甲 乙"), Some("0042")));
    assert_eq!((subject.sex, subject.born.as_deref()), (Some("female"), Some("1950-01-31")));
    assert_eq!(tracing.device.as_deref(), Some("心电机厂 E12"));
    assert_eq!(tracing.statements, ["急性下壁心肌梗死？"]);
    let measured: Vec<(&str, &str, &str)> =
        tracing.measured.iter().map(|one| (one.code, one.value.as_str(), one.unit)).collect();
    assert_eq!(measured, [("8634-8", "410", "ms")]);
    // Letters of a set that is not known are not guessed at.
    let elsewhere = with(b"GB18030 ", b"ISO_IR13");
    assert_eq!((read(&elsewhere).subject.name, read(&elsewhere).statements.len()), (None, 0));
}

#[test]
fn a_waveform_began_when_it_says_after_the_offset_of_its_group() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
    assert_eq!(read(EXPLICIT).began, at("2026-11-22T07:30:00.500Z"));
    let undated = with(b"20261122153000.250", b"                  ");
    assert_eq!(read(&undated).began, at("2026-11-22T07:30:00.250Z"), "by the date and time of its content");
}

#[test]
fn what_is_no_electrocardiogram_or_is_cut_short_is_refused() {
    assert_eq!(refused(&with(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")), Category::Unsupported);
    let picture = with(b"1.2.840.10008.5.1.4.1.1.9.1.1\0", b"1.2.840.10008.5.1.4.1.1.7.1.1\0");
    assert_eq!(refused(&picture), Category::Unsupported);
    assert_eq!(refused(&with(b"SS", b"UB")), Category::Unsupported);
    assert_eq!(refused(&with(b"500 ", b"0   ")), Category::Invalid);
    for end in (132..EXPLICIT.len()).step_by(7) {
        // What is cut off is refused, or ends before anything that matters.
        let _ = ecg::read(&EXPLICIT[..end], Offset::UTC);
    }
    assert_eq!(refused(&EXPLICIT[..EXPLICIT.len() - 200]), Category::Invalid);
    // A length that is more than there is makes nothing.
    let long = with(b"\x00\x54\x00\x01SQ\x00\x00", b"\x00\x54\x00\x01OB\x00\x00");
    assert_eq!(refused(&long), Category::Invalid);
}
