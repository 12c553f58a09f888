//! What happened to people: visits, results, prescriptions, contracts, as the resources their institutions wrote.

use jiff::Span;
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use super::illness::{
    ACUTE, ALLERGIES, CHRONIC, Chronic, Drug, Imaging, PRIVATE, Panel, Private, SEVERE, Test, VACCINES,
};
use super::institutions::{FIRST, Institutions, SECOND, Worker};
use crate::dice::Dice;
use crate::people::{Person, Sex};

const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
const LOINC: &str = "http://loinc.org";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const REQUEST: &str = "https://qingshan.dev/fhir/CodeSystem/request";
const CARE_TEAM: &str = "https://qingshan.dev/fhir/CodeSystem/care-team";

/// A resident whose life is told.
pub(super) struct Life<'p> {
    /// The id of the Patient.
    pub(super) id: String,
    pub(super) person: &'p Person,
    /// In whole years.
    pub(super) age: i64,
    /// The centre that looks after where they live, and the village's station.
    pub(super) centre: &'static str,
    pub(super) station: Option<String>,
    /// The places in the list of chronic illnesses of those they have.
    pub(super) chronic: Vec<usize>,
}

/// Where and by whom somebody is seen.
#[derive(Clone, Copy)]
pub(super) struct Office<'i> {
    pub(super) institution: &'i str,
    pub(super) worker: &'i Worker,
}

impl Office<'_> {
    fn organization(self) -> Value {
        reference("Organization", self.institution)
    }

    fn practitioner(self) -> Value {
        reference("Practitioner", &self.worker.id)
    }

    /// The post from which they act there.
    fn role(self) -> Value {
        let post = self.worker.posts.iter().find(|post| post.institution == self.institution);
        let at = post.map_or(self.institution, |post| post.at.as_str());
        reference("PractitionerRole", &format!("{}.{at}", self.worker.id))
    }
}

/// A visit under way: what its resources refer to, and the label they all bear.
pub(super) struct Visit<'i> {
    patient: String,
    encounter: String,
    office: Office<'i>,
    at: DateTime,
    label: Option<&'static str>,
}

/// Writes down what happened, in the order in which it is told.
pub(super) struct Teller<'i> {
    pub(super) institutions: &'i Institutions,
    pub(super) dice: Dice,
    pub(super) now: DateTime,
    pub(super) written: Vec<Value>,
}

impl<'i> Teller<'i> {
    /// Stores a resource of a patient and returns its id. Ids are counted, so that the same seed gives the same ones.
    pub(super) fn write(&mut self, type_: &str, mut resource: Value) -> String {
        let id = format!("c{:06}", self.written.len());
        resource["resourceType"] = json!(type_);
        resource["id"] = json!(id);
        self.written.push(resource);
        id
    }

    /// Stores a resource of a visit.
    fn note(&mut self, type_: &str, visit: &Visit<'_>, mut resource: Value) -> String {
        let member = if type_ == "AllergyIntolerance" || type_ == "Immunization" { "patient" } else { "subject" };
        resource[member] = reference("Patient", &visit.patient);
        resource["encounter"] = reference("Encounter", &visit.encounter);
        if let Some(label) = visit.label {
            resource["meta"] = json!({"security": [{"system": ACT, "code": label}]});
        }
        self.write(type_, resource)
    }

    /// Everything that happened to somebody until now.
    pub(super) fn life(&mut self, life: &Life<'i>) {
        self.childhood(life);
        if self.dice.chance(0.08) {
            self.allergy(life);
        }
        for at in &life.chronic {
            self.years(life, &CHRONIC[*at]);
        }
        let often = if life.age < 12 || life.age > 60 { 4 } else { 3 };
        for _ in 0..self.dice.below(often) {
            let at = self.past(1_300);
            self.illness(life, at);
        }
        if self.dice.chance(if life.age > 60 { 0.09 } else { 0.02 }) {
            let at = self.past(1_000);
            self.stay(life, at, false);
        }
        if (16..70).contains(&life.age) {
            for private in PRIVATE {
                if self.dice.chance(private.rate) {
                    self.in_private(life, private);
                }
            }
        }
        if self.dice.chance(if life.age > 60 || !life.chronic.is_empty() { 0.8 } else { 0.3 }) {
            self.contract(life);
        }
    }

    /// A time of a working day, at most `days` ago and not today.
    fn past(&mut self, days: i64) -> DateTime {
        let day = self.now.date().saturating_sub(Span::new().days(self.dice.between(1, days)));
        self.in_hours(day)
    }

    fn in_hours(&mut self, day: Date) -> DateTime {
        let minutes = self.dice.between(0, 530);
        day.at(8, 0, 0, 0).saturating_add(Span::new().minutes(minutes))
    }

    fn doctor(&mut self, at: &str, duty: &str) -> &'i Worker {
        let which = self.dice.below(1_000);
        self.institutions.worker(at, duty, which)
    }

    /// Where somebody goes with a small illness: mostly near home.
    fn office(&mut self, life: &Life<'_>, department: [&str; 2]) -> Office<'i> {
        if let Some(station) = &life.station
            && self.dice.chance(0.35)
        {
            let worker = self.doctor(station, "village-doctor");
            return Office { institution: &worker.posts[0].institution, worker };
        }
        if self.dice.chance(0.5) {
            let worker = self.doctor(life.centre, "family-doctor");
            return Office { institution: life.centre, worker };
        }
        self.hospital(department)
    }

    fn hospital(&mut self, department: [&str; 2]) -> Office<'i> {
        let (hospital, department) = match self.dice.below(5) {
            0 | 1 => (FIRST, department[0]),
            2 | 3 => (SECOND[0], department[1]),
            _ => (SECOND[1], department[1]),
        };
        let worker = self.doctor(&format!("{hospital}-{department}"), "doctor");
        Office { institution: hospital, worker }
    }

    /// Begins a visit. Without an end it is still open.
    fn visit(
        &mut self,
        life: &Life<'_>,
        office: Office<'i>,
        class: &str,
        (at, end): (DateTime, Option<DateTime>),
        complaint: &str,
        label: Option<&'static str>,
    ) -> Visit<'i> {
        let mut period = json!({"start": time(at)});
        if let Some(end) = end {
            period["end"] = json!(time(end));
        }
        let display = match class {
            "IMP" => "住院",
            "EMER" => "急诊",
            _ => "门诊",
        };
        let mut encounter = json!({
            "status": if end.is_some() { "finished" } else { "in-progress" },
            "class": {"system": ACT, "code": class, "display": display},
            "subject": reference("Patient", &life.id),
            "participant": [{"individual": office.practitioner()}],
            "period": period,
            "reasonCode": [{"text": complaint}],
            "serviceProvider": office.organization(),
        });
        if let Some(label) = label {
            encounter["meta"] = json!({"security": [{"system": ACT, "code": label}]});
        }
        let encounter = self.write("Encounter", encounter);
        Visit { patient: life.id.clone(), encounter, office, at, label }
    }

    /// One small illness, from the complaint to the prescription.
    pub(super) fn illness(&mut self, life: &Life<'i>, at: DateTime) {
        let fit: Vec<_> = ACUTE.iter().filter(|one| (one.ages.0..one.ages.1).contains(&life.age)).collect();
        if fit.is_empty() {
            return;
        }
        let illness = *self.dice.pick(&fit);
        let office = self.office(life, illness.department);
        let end = at.saturating_add(Span::new().minutes(self.dice.between(8, 25)));
        let visit = self.visit(life, office, "AMB", (at, Some(end)), illness.complaint, None);
        self.diagnosis(&visit, illness.code, illness.name, false);
        self.vitals(&visit, life, 120.0);
        for panel in illness.panels {
            if self.dice.chance(0.6) {
                self.laboratory(&visit, panel, 0.35);
            }
        }
        if let Some(imaging) =
            illness.imaging.filter(|_| office.institution == FIRST || SECOND.contains(&office.institution))
        {
            self.imaging(&visit, imaging);
        }
        illness.drugs.iter().for_each(|drug| self.prescription(&visit, drug, false));
        if self.dice.chance(0.35) {
            let parts = [
                ("主诉", illness.complaint),
                ("现病史", illness.story),
                ("诊断", illness.name),
                ("处理", illness.plan),
            ];
            self.paper(&visit, ("34108-1", "门诊病历"), &parts);
        }
    }

    /// A stay in hospital; an open one has not ended yet.
    pub(super) fn stay(&mut self, life: &Life<'i>, at: DateTime, is_open: bool) {
        let fit: Vec<_> = SEVERE.iter().filter(|one| (one.ages.0..one.ages.1).contains(&life.age)).collect();
        if fit.is_empty() {
            return;
        }
        let illness = *self.dice.pick(&fit);
        let office = self.hospital(illness.department);
        let end = at.saturating_add(Span::new().days(self.dice.between(4, 12)));
        let end = (!is_open && end < self.now).then_some(end);
        let visit = self.visit(life, office, "IMP", (at, end), illness.complaint, None);
        self.diagnosis(&visit, illness.code, illness.name, false);
        self.vitals(&visit, life, 135.0);
        illness.panels.iter().for_each(|panel| self.laboratory(&visit, panel, 0.5));
        if let Some(imaging) = illness.imaging {
            self.imaging(&visit, imaging);
        }
        illness.drugs.iter().for_each(|drug| self.prescription(&visit, drug, end.is_none()));
        if end.is_some() {
            let parts = [
                ("入院情况", illness.complaint),
                ("诊疗经过", illness.story),
                ("出院诊断", illness.name),
                ("出院医嘱", illness.plan),
            ];
            self.paper(&visit, ("18842-5", "出院记录"), &parts);
        }
    }

    /// A visit that goes on now: at an office, or at an emergency department.
    pub(super) fn open(&mut self, life: &Life<'i>, is_emergency: bool) {
        let minutes = self.dice.between(5, 50);
        let at = self.now.saturating_sub(Span::new().minutes(minutes));
        let office = if is_emergency {
            self.hospital(["emergency", "emergency"])
        } else {
            self.office(life, ["cardiology", "medicine"])
        };
        let (class, complaint) =
            if is_emergency { ("EMER", "突发胸闷、心悸1小时") } else { ("AMB", "头晕3天") };
        let visit = self.visit(life, office, class, (at, None), complaint, None);
        self.vitals(&visit, life, 145.0);
    }

    /// The regular visits of somebody with a chronic illness.
    fn years(&mut self, life: &Life<'i>, chronic: &'static Chronic) {
        let family = self.doctor(life.centre, "family-doctor");
        let office = Office { institution: life.centre, worker: family };
        let visits = self.dice.between(2, 7);
        let mut day = self.now.date().saturating_sub(Span::new().days(self.dice.between(3, 80)));
        let mut days: Vec<Date> = Vec::new();
        for _ in 0..visits {
            days.push(day);
            day = day.saturating_sub(Span::new().days(self.dice.between(80, 100)));
        }
        days.reverse();
        for (number, day) in days.iter().enumerate() {
            let at = self.in_hours(*day);
            let end = at.saturating_add(Span::new().minutes(12));
            let visit = self.visit(life, office, "AMB", (at, Some(end)), chronic.visit, None);
            if number == 0 {
                self.diagnosis(&visit, chronic.code, chronic.name, true);
            }
            self.vitals(&visit, life, if chronic.code == "I10" { 148.0 - 2.0 * number as f64 } else { 130.0 });
            if number % 4 == 1 {
                self.laboratory(&visit, chronic.panel, if chronic.code == "E11.9" { 0.9 } else { 0.3 });
            }
            if number + 1 == days.len() {
                chronic.drugs.iter().for_each(|drug| self.prescription(&visit, drug, true));
            }
        }
    }

    /// What bears a sensitive label, in everything that is written of it.
    pub(super) fn in_private(&mut self, life: &Life<'i>, private: &'static Private) {
        let worker = self.doctor(&format!("{FIRST}-{}", private.department), "doctor");
        let office = Office { institution: FIRST, worker };
        let label = Some(private.label);
        for again in 0..self.dice.between(1, 3) {
            let at = self.past(400);
            let end = at.saturating_add(Span::new().minutes(30));
            let visit = self.visit(life, office, "AMB", (at, Some(end)), private.complaint, label);
            if again == 0 {
                self.diagnosis(&visit, private.code, private.name, true);
                let parts = [("主诉", private.complaint), ("现病史", private.story), ("诊断", private.name)];
                self.paper(&visit, ("34108-1", "门诊病历"), &parts);
            }
            private.drugs.iter().for_each(|drug| self.prescription(&visit, drug, again == 0));
            if let Some(panel) = private.panel {
                self.laboratory(&visit, panel, 0.4);
            }
        }
    }

    fn childhood(&mut self, life: &Life<'i>) {
        let Some(birth) = life.person.birth.filter(|_| life.age < 7) else { return };
        let nurse = self.doctor(life.centre, "nurse");
        for (name, months) in VACCINES {
            let due = birth.saturating_add(Span::new().months(*months).days(self.dice.between(0, 20)));
            if due >= self.now.date() {
                continue;
            }
            self.write(
                "Immunization",
                json!({
                    "status": "completed",
                    "vaccineCode": {"text": name},
                    "patient": reference("Patient", &life.id),
                    "occurrenceDateTime": due.to_string(),
                    "performer": [
                        {"actor": reference("Practitioner", &nurse.id)},
                        {"actor": reference("Organization", life.centre)},
                    ],
                }),
            );
        }
    }

    fn allergy(&mut self, life: &Life<'i>) {
        let (substance, reaction) = self.dice.pick(ALLERGIES);
        let doctor = self.doctor(life.centre, "family-doctor");
        let office = Office { institution: life.centre, worker: doctor };
        let day = self.past(1_500).date();
        self.write(
            "AllergyIntolerance",
            json!({
                "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
                "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "confirmed"}]},
                "category": [if matches!(*substance, "海鲜" | "花生") { "food" } else { "medication" }],
                "criticality": if *substance == "青霉素" { "high" } else { "low" },
                "code": {"text": substance},
                "patient": reference("Patient", &life.id),
                "recordedDate": day.to_string(),
                "recorder": office.role(),
                "reaction": [{"manifestation": [{"text": reaction}]}],
            }),
        );
    }

    /// A family doctor's contract for a year; some have run out.
    fn contract(&mut self, life: &Life<'i>) {
        let doctor = self.doctor(life.centre, "family-doctor");
        let mut participants = vec![
            json!({"role": [{"text": "家庭医生"}], "member": reference("Practitioner", &doctor.id)}),
            json!({"role": [{"text": "签约机构"}], "member": reference("Organization", life.centre)}),
        ];
        if let Some(station) = &life.station {
            let village = self.doctor(station, "village-doctor");
            participants
                .push(json!({"role": [{"text": "乡村医生"}], "member": reference("Practitioner", &village.id)}));
            participants.push(json!({"role": [{"text": "村卫生室"}], "member": reference("Organization", station)}));
        }
        let has_run_out = self.dice.chance(0.12);
        let ago = if has_run_out { self.dice.between(380, 600) } else { self.dice.between(5, 330) };
        let start = self.now.date().saturating_sub(Span::new().days(ago));
        let end = start.saturating_add(Span::new().years(1)).saturating_sub(Span::new().days(1));
        self.write(
            "CareTeam",
            json!({
                "status": if has_run_out { "inactive" } else { "active" },
                "category": [{"coding": [{"system": CARE_TEAM, "code": "family-doctor", "display": "家庭医生签约"}]}],
                "name": format!("{}家庭医生团队", doctor.name),
                "subject": reference("Patient", &life.id),
                "period": {"start": start.to_string(), "end": end.to_string()},
                "participant": participants,
                "managingOrganization": [reference("Organization", life.centre)],
            }),
        );
    }

    fn diagnosis(&mut self, visit: &Visit<'_>, code: &str, name: &str, is_lasting: bool) {
        let (category, status) =
            if is_lasting { ("problem-list-item", "active") } else { ("encounter-diagnosis", "resolved") };
        self.note(
            "Condition",
            visit,
            json!({
                "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": status}]},
                "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
                "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": category}]}],
                "code": {"coding": [{"system": ICD_10, "code": code, "display": name}], "text": name},
                "recordedDate": time(visit.at),
                "recorder": visit.office.role(),
            }),
        );
    }

    fn vitals(&mut self, visit: &Visit<'_>, life: &Life<'_>, pressure: f64) {
        if life.age < 14 {
            let temperature = 36.5 + self.dice.below(25) as f64 / 10.0;
            let value = quantity(temperature, 1, "Cel", "℃");
            self.observation(visit, "vital-signs", ("8310-5", "体温"), json!({ "valueQuantity": value }));
            return;
        }
        let upper = (pressure + self.dice.between(-14, 16) as f64).round();
        let lower = (upper * 0.6 + self.dice.between(-4, 8) as f64).round();
        let part = |code: &str, name: &str, value: f64| json!({"code": code_of(LOINC, code, name), "valueQuantity": quantity(value, 0, "mm[Hg]", "mmHg")});
        let parts = [part("8480-6", "收缩压", upper), part("8462-4", "舒张压", lower)];
        self.observation(visit, "vital-signs", ("85354-9", "血压"), json!({ "component": parts }));
    }

    fn observation(
        &mut self,
        visit: &Visit<'_>,
        category: &str,
        (code, name): (&str, &str),
        mut more: Value,
    ) -> String {
        more["status"] = json!("final");
        let system = "http://terminology.hl7.org/CodeSystem/observation-category";
        more["category"] = json!([{"coding": [{"system": system, "code": category}]}]);
        more["code"] = code_of(LOINC, code, name);
        more["effectiveDateTime"] = json!(time(visit.at));
        more["performer"] = json!([visit.office.practitioner(), visit.office.organization()]);
        self.note("Observation", visit, more)
    }

    /// A panel of tests, of which some are out of range.
    fn laboratory(&mut self, visit: &Visit<'_>, panel: &Panel, ill: f64) {
        let mut results = Vec::new();
        for test in panel.tests {
            let more = self.result(test, ill);
            results
                .push(reference("Observation", &self.observation(visit, "laboratory", (test.loinc, test.name), more)));
        }
        self.report(visit, ("LAB", panel.loinc, panel.name), json!({ "result": results }));
    }

    fn result(&mut self, test: &Test, ill: f64) -> Value {
        let share = self.dice.below(1_000) as f64 / 1_000.0;
        let span = test.high - test.low;
        let is_high = self.dice.chance(ill);
        let value = if is_high { test.high + span * 0.4 * share } else { test.low + span * share };
        let mut result = json!({
            "valueQuantity": quantity(value, test.digits, test.unit, test.unit),
            "referenceRange": [{
                "low": quantity(test.low, test.digits, test.unit, test.unit),
                "high": quantity(test.high, test.digits, test.unit, test.unit),
            }],
        });
        if is_high {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
            result["interpretation"] = json!([{"coding": [{"system": system, "code": "H", "display": "偏高"}]}]);
        }
        result
    }

    fn report(&mut self, visit: &Visit<'_>, (section, code, name): (&str, &str, &str), mut more: Value) {
        let system = "http://terminology.hl7.org/CodeSystem/v2-0074";
        let issued = visit.at.saturating_add(Span::new().minutes(self.dice.between(30, 150)));
        more["status"] = json!("final");
        more["category"] = json!([{"coding": [{"system": system, "code": section}]}]);
        more["code"] = code_of(LOINC, code, name);
        more["effectiveDateTime"] = json!(time(visit.at));
        more["issued"] = json!(time(issued));
        more["performer"] = json!([visit.office.organization()]);
        self.note("DiagnosticReport", visit, more);
    }

    fn imaging(&mut self, visit: &Visit<'_>, imaging: &Imaging) {
        let modality = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": imaging.modality});
        let study = self.note(
            "ImagingStudy",
            visit,
            json!({"status": "available", "started": time(visit.at), "modality": [modality], "description": imaging.name}),
        );
        let conclusion = format!("影像所见：{}\n诊断意见：{}", imaging.seen, imaging.opinion);
        let more = json!({"imagingStudy": [reference("ImagingStudy", &study)], "conclusion": conclusion});
        self.report(visit, ("RAD", imaging.loinc, imaging.name), more);
    }

    fn prescription(&mut self, visit: &Visit<'_>, drug: &Drug, is_active: bool) {
        self.note(
            "MedicationRequest",
            visit,
            json!({
                "status": if is_active { "active" } else { "completed" },
                "intent": "order",
                "medicationCodeableConcept": {"text": drug.name},
                "authoredOn": time(visit.at),
                "requester": visit.office.role(),
                "dosageInstruction": [{"text": drug.dosage}],
            }),
        );
    }

    /// What a doctor writes about a visit.
    fn paper(&mut self, visit: &Visit<'_>, (code, title): (&str, &str), parts: &[(&str, &str)]) {
        let sections: Vec<Value> = parts
            .iter()
            .map(|(title, text)| {
                let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{text}</p></div>");
                json!({"title": title, "text": {"status": "generated", "div": div}})
            })
            .collect();
        self.note(
            "Composition",
            visit,
            json!({
                "status": "final",
                "type": code_of(LOINC, code, title),
                "date": time(visit.at),
                "author": [visit.office.practitioner()],
                "title": title,
                "custodian": visit.office.organization(),
                "section": sections,
            }),
        );
    }

    /// A referral between institutions: upward from a centre, or down from a hospital.
    pub(super) fn referral(&mut self, life: &Life<'i>, is_open: bool) {
        let is_up = self.dice.chance(0.7);
        let hospital = *self.dice.pick(&[FIRST, SECOND[0], SECOND[1]]);
        let (from, to) = if is_up { (life.centre, hospital) } else { (hospital, life.centre) };
        let at = if is_open { self.past(5) } else { self.past(500) };
        let reason = if is_up {
            "血压控制不佳，伴头晕，请上级医院专科评估"
        } else {
            "病情稳定，转回基层继续康复及随访"
        };
        let worker = if is_up {
            self.doctor(from, "family-doctor")
        } else {
            let department = if hospital == FIRST { "neurology" } else { "medicine" };
            self.doctor(&format!("{hospital}-{department}"), "doctor")
        };
        let office = Office { institution: from, worker };
        let name = if is_up { "上转" } else { "下转" };
        let status = if is_open { "active" } else { "completed" };
        let priority = if self.dice.chance(0.2) { "urgent" } else { "routine" };
        let request = self.write(
            "ServiceRequest",
            json!({
                "status": status,
                "intent": "order",
                "category": [
                    {"coding": [{"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}]},
                    {"coding": [{"system": REQUEST, "code": "referral", "display": "双向转诊"}]},
                ],
                "priority": priority,
                "code": {"text": name},
                "subject": reference("Patient", &life.id),
                "authoredOn": time(at),
                "requester": office.role(),
                "performer": [reference("Organization", to)],
                "reasonCode": [{"text": reason}],
            }),
        );
        let state = if is_open { *self.dice.pick(&["requested", "received", "accepted"]) } else { "completed" };
        self.task(life, &request, "referral", name, state, (at, office, to));
    }

    /// Images taken at a centre and read at the tertiary hospital.
    pub(super) fn reading(&mut self, life: &Life<'i>, is_open: bool) {
        let worker = self.doctor(life.centre, "family-doctor");
        let office = Office { institution: life.centre, worker };
        let at = if is_open {
            self.now.saturating_sub(Span::new().minutes(self.dice.between(10, 90)))
        } else {
            self.past(300)
        };
        let end = (!is_open).then(|| at.saturating_add(Span::new().minutes(20)));
        let visit = self.visit(life, office, "AMB", (at, end), "咳嗽、咳痰半月", None);
        let modality = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DX"});
        let study = self.note(
            "ImagingStudy",
            &visit,
            json!({"status": "available", "started": time(at), "modality": [modality], "description": "胸部正位片"}),
        );
        let request = self.note(
            "ServiceRequest",
            &visit,
            json!({
                "status": if is_open { "active" } else { "completed" },
                "intent": "order",
                "category": [{"coding": [{"system": REQUEST, "code": "reading", "display": "远程影像诊断"}]}],
                "code": {"text": "胸部正位片远程诊断"},
                "authoredOn": time(at),
                "requester": office.role(),
                "performer": [reference("Organization", FIRST)],
                "supportingInfo": [reference("ImagingStudy", &study)],
                "reasonCode": [{"text": "咳嗽、咳痰半月，请排除肺部感染及占位"}],
            }),
        );
        let state = if is_open { "requested" } else { "completed" };
        self.task(life, &request, "reading", "远程影像诊断", state, (at, office, FIRST));
        if !is_open {
            let reader = self.doctor(&format!("{FIRST}-imaging"), "radiologist");
            let office = Office { institution: FIRST, worker: reader };
            let read = Visit { office, ..visit };
            let conclusion = "影像所见：双肺野清晰，纹理走行自然，心影不大，膈面光整。\n诊断意见：心肺膈未见明显异常。";
            let more = json!({
                "imagingStudy": [reference("ImagingStudy", &study)],
                "basedOn": [reference("ServiceRequest", &request)],
                "conclusion": conclusion,
            });
            self.report(&read, ("RAD", "36554-4", "胸部正位片"), more);
        }
    }

    fn task(
        &mut self,
        life: &Life<'_>,
        request: &str,
        code: &str,
        name: &str,
        status: &str,
        (at, from, to): (DateTime, Office<'_>, &str),
    ) {
        self.write(
            "Task",
            json!({
                "status": status,
                "intent": "order",
                "code": code_of(REQUEST, code, name),
                "focus": reference("ServiceRequest", request),
                "for": reference("Patient", &life.id),
                "authoredOn": time(at),
                "requester": from.organization(),
                "owner": reference("Organization", to),
            }),
        );
    }

    /// Somebody closes their record to an institution.
    pub(super) fn refusal(&mut self, life: &Life<'i>, institution: &str) {
        let day = self.past(200).date();
        self.consent(
            life,
            day,
            json!({"type": "deny", "actor": [{
                "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]},
                "reference": reference("Organization", institution),
            }]}),
        );
    }

    /// Somebody lets a relative act for them; returns the id of the RelatedPerson.
    pub(super) fn proxy(&mut self, life: &Life<'i>, relative: &Person, kin: (&str, &str)) -> String {
        let start = self.past(300).date();
        let end = start.saturating_add(Span::new().years(3));
        let period = json!({"start": start.to_string(), "end": end.to_string()});
        let related = self.write(
            "RelatedPerson",
            json!({
                "active": true,
                "identifier": [{"system": crate::people::RESIDENT_ID, "value": relative.resident_id}],
                "patient": reference("Patient", &life.id),
                "relationship": [{"coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": kin.0, "display": kin.1},
                ]}],
                "name": [{"text": relative.name()}],
                "gender": relative.sex.map_or("unknown", Sex::code),
                "period": period,
            }),
        );
        self.consent(
            life,
            start,
            json!({"type": "permit", "period": period, "actor": [{
                "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "HPOWATT"}]},
                "reference": reference("RelatedPerson", &related),
            }]}),
        );
        related
    }

    fn consent(&mut self, life: &Life<'_>, day: Date, provision: Value) {
        self.write(
            "Consent",
            json!({
                "status": "active",
                "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
                "category": [{"coding": [{"system": LOINC, "code": "59284-0", "display": "知情同意"}]}],
                "patient": reference("Patient", &life.id),
                "dateTime": day.to_string(),
                "performer": [reference("Patient", &life.id)],
                "organization": [reference("Organization", life.centre)],
                "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
                "provision": provision,
            }),
        );
    }
}

/// Which chronic illnesses somebody of an age has.
pub(super) fn chronic(dice: &mut Dice, age: i64) -> Vec<usize> {
    if age < 35 {
        return Vec::new();
    }
    let decades = (age - 40) as f64 / 10.0;
    (0..CHRONIC.len())
        .filter(|at| {
            let (begin, more) = CHRONIC[*at].rate;
            dice.chance((begin + more * decades.max(0.0)).min(0.7))
        })
        .collect()
}

pub(super) fn reference(type_: &str, id: &str) -> Value {
    json!({ "reference": format!("{type_}/{id}") })
}

fn code_of(system: &str, code: &str, name: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": name}], "text": name})
}

fn quantity(value: f64, digits: usize, code: &str, unit: &str) -> Value {
    let value: Value = serde_json::from_str(&format!("{value:.digits$}")).expect("a decimal is JSON");
    json!({"value": value, "unit": unit, "system": UCUM, "code": code})
}

/// A time in China.
fn time(at: DateTime) -> String {
    format!("{}+08:00", at.strftime("%Y-%m-%dT%H:%M:%S"))
}
