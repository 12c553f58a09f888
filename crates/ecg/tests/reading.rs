//! Electrocardiograms are read as devices wrote them, and nothing is added.

use ecg::{About, Absent, Tracing};
use fhir::Category;
use jiff::tz::Offset;

/// Twelve leads of ten seconds at 500 samples a second, as an electrocardiograph writes them: aVL was off.
fn file() -> String {
    let names = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"];
    let leads: String = names
        .iter()
        .map(|name| {
            let value = match *name {
                "AVL" => r#"<value nullFlavor="NA"/>"#.to_owned(),
                _ => {
                    let beats = (0..5_000).map(|at| if at % 400 < 20 { "250" } else { "-3" });
                    let digits = beats.collect::<Vec<_>>().join(" ");
                    format!(
                        r#"<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="4.88" unit="uV"/><digits>{digits}</digits></value>"#
                    )
                }
            };
            format!(r#"<component><sequence><code code="MDC_ECG_LEAD_{name}" codeSystem="2.16.840.1.113883.6.24"/>{value}</sequence></component>"#)
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <id root="1.2.3"/>
  <componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
    <id root="9.9" extension="0042"/>
    <subjectDemographicPerson><name>甲乙</name><administrativeGenderCode code="F"/><birthTime value="19500131"/></subjectDemographicPerson>
  </trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
  <component><series>
    <code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
    <effectiveTime><low value="20261122153000.250"/><high value="20261122153010.250"/></effectiveTime>
    <author><seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>E12</manufacturerModelName></manufacturedSeriesDevice>
      <manufacturerOrganization><name>心电机厂</name></manufacturerOrganization></seriesAuthor></author>
    <component><sequenceSet>
      <component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20261122153000.250"/><increment value="0.002" unit="s"/></value></sequence></component>
      {leads}
    </sequenceSet></component>
    <subjectOf><annotationSet>
      <component><annotation><code code="MDC_ECG_HEART_RATE"/><value xsi:type="PQ" value="75" unit="bpm"/></annotation></component>
      <component><annotation><code code="MDC_ECG_TIME_PD_QTc"/><value xsi:type="PQ" value="410" unit="ms"/></annotation></component>
      <component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/><value xsi:type="ST">急性下壁心肌梗死？</value></annotation></component>
    </annotationSet></subjectOf>
  </series></component>
</AnnotatedECG>"#
    )
}

fn beijing() -> Offset {
    Offset::constant(8)
}

fn read(text: &str) -> Tracing {
    ecg::read(text.as_bytes(), beijing()).expect("it is an electrocardiogram")
}

fn refused(text: &str) -> Category {
    ecg::read(text.as_bytes(), beijing()).expect_err("it is none").category()
}

#[test]
fn every_lead_keeps_the_digits_it_was_written_with() {
    let tracing = read(&file());
    let [stretch] = tracing.stretches.as_slice() else { panic!("one stretch: {}", tracing.stretches.len()) };
    assert_eq!((stretch.leads.len(), stretch.period), (12, 2.0));
    let named: Vec<(&str, Option<u32>)> =
        stretch.leads.iter().map(|lead| (&*lead.named.name, lead.named.code)).collect();
    assert_eq!(named[3], ("aVR", Some(131_390)));
    assert_eq!(named[6], ("V1", Some(131_331)));
    let samples = stretch.leads[1].samples.as_ref().expect("II was recorded");
    assert_eq!((samples.origin.as_str(), samples.factor.as_str(), samples.unit), ("0", "4.88", "uV"));
    assert_eq!(samples.count, 5_000);
    assert!(samples.data.starts_with("250 250") && samples.data.ends_with("-3"));
}

#[test]
fn a_lead_that_was_off_is_named_and_has_no_samples() {
    let tracing = read(&file());
    assert_eq!(tracing.stretches[0].leads[4].samples, Err(Absent::NotRecorded));
    let broken = file().replacen(r#"scale value="4.88" unit="uV""#, r#"scale value="4.88" unit="furlong""#, 1);
    assert_eq!(read(&broken).stretches[0].leads[0].samples, Err(Absent::Unreadable));
}

#[test]
fn a_sample_the_device_did_not_have_is_told_as_none() {
    let text = file().replacen("<digits>250 250 250", "<digits>250 -32768 NaN", 1);
    let tracing = read(&text);
    let samples = tracing.stretches[0].leads[0].samples.as_ref().expect("I was recorded");
    assert!(samples.data.starts_with("250 E E 250"), "{}", &samples.data[..20]);
    assert_eq!(samples.count, 5_000);
}

#[test]
fn the_time_is_that_of_the_recording_in_the_zone_of_the_record() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
    assert_eq!(read(&file()).began, at("2026-11-22T07:30:00.250Z"));
    let elsewhere = file().replace("20261122153000.250", "20261122153000.250+0000");
    assert_eq!(read(&elsewhere).began, at("2026-11-22T15:30:00.250Z"));
    let relative = file()
        .replace("TIME_ABSOLUTE", "TIME_RELATIVE")
        .replace(r#"<head value="20261122153000.250"/>"#, r#"<head value="500" unit="ms"/>"#);
    assert_eq!(read(&relative).began, at("2026-11-22T07:30:00.750Z"));
}

#[test]
fn what_the_device_made_of_it_and_whose_it_is_by_the_file_is_kept_apart() {
    let tracing = read(&file());
    assert_eq!(tracing.statements, ["急性下壁心肌梗死？"]);
    let measured: Vec<(&str, &str, &str)> =
        tracing.measured.iter().map(|one| (one.code, one.value.as_str(), one.unit)).collect();
    assert_eq!(measured, [("8867-4", "75", "/min"), ("8636-3", "410", "ms")]);
    assert_eq!(tracing.device.as_deref(), Some("心电机厂 E12"));
    assert_eq!((tracing.subject.sex, tracing.subject.born.as_deref()), (Some("female"), Some("1950-01-31")));
    assert_eq!((tracing.subject.name.as_deref(), tracing.subject.number.as_deref()), (Some("甲乙"), Some("0042")));
}

#[test]
fn files_in_utf_16_are_read_as_well() {
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(file().encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(ecg::read(&wide, beijing()).expect("it is read"), read(&file()));
}

#[test]
fn what_is_no_electrocardiogram_or_has_no_time_is_refused() {
    assert_eq!(refused("<ClinicalDocument/>"), Category::Unsupported);
    assert_eq!(refused("not XML"), Category::Invalid);
    assert_eq!(refused("<AnnotatedECG/>"), Category::Invalid);
    assert_eq!(refused(&file().replace("20261122153000.250", "soon")), Category::Invalid);
    assert_eq!(refused(&file().replace(r#"value="0.002" unit="s""#, r#"value="0" unit="s""#)), Category::Invalid);
    assert_eq!(refused("<!DOCTYPE a [<!ENTITY b 'c'>]><AnnotatedECG>&b;</AnnotatedECG>"), Category::Invalid);
    let long = format!("<digits>{}", "1 ".repeat(120_001));
    assert_eq!(refused(&file().replacen("<digits>", &long, 1)), Category::TooLarge);
}

#[test]
fn what_is_kept_is_fhir_and_the_file_as_it_came() {
    let text = file();
    let about = About {
        patient: "Patient/7",
        encounter: Some("Encounter/8"),
        received: 0,
        zone: beijing(),
        content_type: "application/xml",
        title: Some("a.xml"),
    };
    let kept = ecg::resources(&read(&text), text.as_bytes(), &about).expect("it is told");
    let types: Vec<&str> = kept.iter().filter_map(|one| one["resourceType"].as_str()).collect();
    assert_eq!(types, ["DiagnosticReport", "DocumentReference", "Observation"]);
    let validator = fhir::validate::Validator::new(
        fhir::definitions::r4(),
        fhir::validate::Options { invariants: true, advice: false, targets: false, most_issues: 9 },
    );
    for resource in &kept {
        let value = fhir::json::parse(resource.to_string().as_bytes()).expect("it is JSON");
        let wrong: Vec<_> = validator.check(&value).into_iter().collect();
        let wrong: Vec<_> = wrong.iter().filter(|issue| issue.severity == fhir::error::Severity::Error).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert_eq!(kept[0]["effectiveDateTime"], "2026-11-22T15:30:00.250+08:00");
    assert_eq!(kept[0]["status"], "partial", "nobody has read it");
    assert_eq!(kept[2]["component"][4]["dataAbsentReason"]["coding"][0]["code"], "not-performed");
    assert_eq!(kept[2]["component"][1]["valueSampledData"]["factor"].to_string(), "4.88");
    assert_eq!(ecg::id_of("Patient/7", text.as_bytes()), kept[0]["id"].as_str().unwrap_or_default());
    assert_ne!(ecg::id_of("Patient/9", text.as_bytes()), kept[0]["id"].as_str().unwrap_or_default());
}
