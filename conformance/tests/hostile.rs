//! Inputs made from good ones by random changes: a fixed number of them, the same in every run.
//!
//! `fuzz/` looks for more of them, for as long as it is given.

use conformance::hostile;

/// How many inputs each kind gets.
const ROUNDS: usize = 20_000;

const EXPRESSIONS: &[&str] = &[
    "Patient.name.where(use = 'official').given.first() & ' ' & name.family",
    "name.given.select($this.substring(0, 1).upper()).distinct().count() > $index",
    "(1 | 2.50 | 3 'mg' | @2020-02-29 | @T10:30 | @2020-01-01T10:00:00.000+08:00).aggregate($total | $this, {})",
    "birthDate + 1.5 months >= today() or birthDate.lowBoundary() < birthDate.highBoundary(17)",
    "descendants().ofType(FHIR.string).matches('^[a-z]{1,3}$').allTrue() implies %resource.active.not()",
    "extension('q').value.as(Quantity) ~ 12 'mg' xor iif(deceased is boolean, 1 div 0, -2.power(0.5)).exists()",
    "children().repeat(children()).trace('x').skip(1).take(2).union({}).intersect(%context).isDistinct()",
    "managingOrganization.resolve().name.replaceMatches('(.)', '$1$1').encode('base64').decode('hex').empty()",
    "`name`[0].given.join(',').split(',').toChars().sort(-$this).exclude('a').coalesce({}, 1).toQuantity('1')",
    "5 'm' / 2.0 's' * 3 'kg' - 1.round(2) mod 7 in (1.0).log(10).combine(true)",
];

const JSON: &[&str] = &[
    r#"{"a":[1,-2.50,3e10,true,false,null],"b":{"c":"\u00e9\n\"x\"","d":{}},"e":[]}"#,
    r#"[{"op":"add","path":"/name/0/given/-","value":"C"},{"op":"test","path":"/active","value":true}]"#,
    r#"[{"op":"move","from":"/name/0","path":"/name/1"},{"op":"copy","from":"/id","path":"/x~1y~0"},{"op":"remove","path":"/id"},{"op":"replace","path":"","value":{"a":1.10}}]"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"contact"},{"name":"value","part":[{"name":"gender","valueCode":"male"}]}]}]}"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"insert"},{"name":"path","valueString":"Patient.name.given"},{"name":"index","valueInteger":1},{"name":"value","valueString":"C"}]},{"name":"operation","part":[{"name":"type","valueCode":"move"},{"name":"path","valueString":"Patient.name"},{"name":"source","valueInteger":0},{"name":"destination","valueInteger":1}]}]}"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.deceased"},{"name":"value","valueDateTime":"2020"}]},{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient.name[0].given[1]"}]}]}"#,
];

const ELECTROCARDIOGRAMS: &[&str] = &[
    r#"<AnnotatedECG xmlns="urn:hl7-org:v3"><effectiveTime><low value="20261122153000.250+0800"/></effectiveTime><component><series><code code="RHYTHM"/><component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/><value><head value="20261122153000.250"/><increment value="0.002" unit="s"/></value></sequence></component><component><sequence><code code="MDC_ECG_LEAD_I"/><value><origin value="0" unit="uV"/><scale value="4.88" unit="uV"/><digits>1 -2 3 -32768 . 5</digits></value></sequence></component><component><sequence><code code="MDC_ECG_LEAD_AVR"/><value nullFlavor="NA"/></sequence></component></sequenceSet></component></series></component></AnnotatedECG>"#,
    r#"<AnnotatedECG><series><effectiveTime><center value="202611221530"/></effectiveTime><sequenceSet><component><sequence><code code="TIME_RELATIVE"/><value><head value="-1.5" unit="ms"/><increment value="4" unit="ms"/></value></sequence></component><component><sequence><code code="MDC_ECG_LEAD_V3"/><value><origin value="+.5" unit="mV"/><scale value="0.001" unit="mV"/><digits>10 20 30</digits></value></sequence></component></sequenceSet><subjectOf><annotationSet><component><annotation><code code="MDC_ECG_HEART_RATE"/><value value="72" unit="bpm"/></annotation></component></annotationSet></subjectOf></series></AnnotatedECG>"#,
];

/// The same electrocardiogram as a DICOM waveform, explicit and implicit.
const WAVEFORMS: &[&[u8]] = &[
    include_bytes!("../../crates/ecg/tests/twelve_leads.dcm"),
    include_bytes!("../../crates/ecg/tests/twelve_leads_implicit.dcm"),
];

/// A small generator of numbers that only have to be varied.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// A seed with one to four changes: bytes set, spans cut, doubled, or taken from another seed.
fn changed<S: AsRef<[u8]>>(seeds: &[S], dice: &mut Dice) -> Vec<u8> {
    const BYTES: &[u8] = b"\0\"'\\/.,:;()[]{}|&=~<>!+-*%$@`0123456789eET_azAZ \n\xc3\xa9\xff";
    let mut bytes = seeds[dice.roll(seeds.len())].as_ref().to_vec();
    for _ in 0..=dice.roll(4) {
        let start = dice.roll(bytes.len());
        let end = (start + 1 + dice.roll(16)).min(bytes.len());
        match dice.roll(5) {
            0 if start < bytes.len() => bytes[start] = BYTES[dice.roll(BYTES.len())],
            1 => bytes.insert(start, BYTES[dice.roll(BYTES.len())]),
            2 if start < end => drop(bytes.drain(start..end)),
            3 => {
                let span = bytes[start..end].to_vec();
                bytes.splice(start..start, span);
            }
            _ => {
                let other = seeds[dice.roll(seeds.len())].as_ref();
                let from = dice.roll(other.len());
                let span = other[from..(from + 1 + dice.roll(32)).min(other.len())].to_vec();
                bytes.splice(start..end, span);
            }
        }
    }
    bytes
}

fn throw<S: AsRef<[u8]>>(seeds: &[S], property: fn(&[u8])) {
    let mut dice = Dice(0x5117_ca5e_0f4a_11ed);
    for seed in seeds {
        property(seed.as_ref());
    }
    for _ in 0..ROUNDS {
        property(&changed(seeds, &mut dice));
    }
}

#[test]
fn no_text_makes_fhirpath_panic_or_run_on() {
    throw(EXPRESSIONS, hostile::fhirpath);
}

#[test]
fn no_bytes_make_json_panic_or_lose_anything() {
    throw(JSON, hostile::json);
}

#[test]
fn no_document_makes_a_patch_panic_or_lose_anything() {
    throw(JSON, hostile::patch);
}

#[test]
fn no_bytes_make_an_electrocardiogram_panic_or_add_a_sample() {
    throw(ELECTROCARDIOGRAMS, hostile::ecg);
}

#[test]
fn no_bytes_make_a_waveform_panic_or_add_a_sample() {
    throw(WAVEFORMS, hostile::ecg);
}
