//! Where people can be seen and lie: clinic slots of the coming two weeks, wards with beds, and expert sessions in the
//! community, those of last month with who came.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time, Weekday, time};
use serde_json::{Value, json};

use super::history::{Life, reference};
use super::institutions::{FIRST, Institutions, SECOND};
use crate::dice::Dice;

const CATEGORY: &str = "https://qingshan.dev/fhir/CodeSystem/session";
const POOL: &str = "https://qingshan.dev/fhir/CodeSystem/slot-pool";
const PLACE: &str = "https://qingshan.dev/fhir/StructureDefinition/session-place";

/// The share of slots that is kept for referrals: policy asks leading hospitals for 20 to 50 % of expert slots.
const POOL_SHARE: f64 = 0.3;
/// Working days for which there are slots; what a consortium shows a week or two ahead.
const DAYS: i64 = 14;
/// One visit, in minutes, within the 30-minute bands that hospitals book by.
const VISIT: i64 = 30;
/// One visit of an expert's session, in minutes.
const SESSION_VISIT: i64 = 20;

/// Departments that see outpatients and have beds, and how many beds.
const TERTIARY: [(&str, usize); 12] = [
    ("cardiology", 6),
    ("neurology", 5),
    ("respiratory", 5),
    ("endocrinology", 3),
    ("gastroenterology", 4),
    ("surgery", 5),
    ("orthopaedics", 5),
    ("gynaecology", 4),
    ("paediatrics", 4),
    ("emergency", 6),
    ("psychology", 0),
    ("infection", 3),
];
const SECONDARY: [(&str, usize); 5] =
    [("medicine", 5), ("surgery", 4), ("gynaecology", 3), ("paediatrics", 3), ("emergency", 4)];

/// Who goes where for a half-day: department, which of its doctors, centre, days from today, from when, about what.
const SESSIONS: [(&str, usize, &str, i64, Time, &str); 7] = [
    ("cardiology", 0, "songtao", 3, time(9, 0, 0, 0), "冠心病、高血压"),
    ("endocrinology", 1, "songtao", 9, time(14, 0, 0, 0), "糖尿病、甲状腺"),
    ("neurology", 0, "wangxi", 5, time(9, 0, 0, 0), "头晕、卒中康复"),
    ("respiratory", 1, "zhuxi", 6, time(9, 0, 0, 0), "慢阻肺、哮喘"),
    ("paediatrics", 0, "fenglin", 11, time(9, 0, 0, 0), "儿童生长发育"),
    ("cardiology", 0, "songtao", -11, time(9, 0, 0, 0), "冠心病、高血压"),
    ("orthopaedics", 1, "daoxiang", -6, time(14, 0, 0, 0), "腰腿痛"),
];

/// Everything there is to be booked at a moment.
pub(super) fn places(institutions: &Institutions, lives: &[Life<'_>], dice: Dice, now: DateTime) -> Vec<Value> {
    let mut writer = Writer { institutions, dice, now, written: Vec::new() };
    let houses = [(FIRST, &TERTIARY[..]), (SECOND[0], &SECONDARY[..]), (SECOND[1], &SECONDARY[..])];
    for (house, departments) in houses {
        for (department, beds) in departments {
            let at = format!("{house}-{department}");
            writer.ward(&at, *beds);
            // Whoever needs an emergency department does not book it.
            if *department != "emergency" {
                writer.clinic(&at);
            }
        }
    }
    for (number, session) in SESSIONS.into_iter().enumerate() {
        writer.session(number, session, lives);
    }
    writer.written
}

struct Writer<'i> {
    institutions: &'i Institutions,
    dice: Dice,
    now: DateTime,
    written: Vec<Value>,
}

impl Writer<'_> {
    /// A ward with its beds: most are lain in, some are free, now and then one is being cleaned.
    fn ward(&mut self, at: &str, beds: usize) {
        if beds == 0 {
            return;
        }
        let ward = format!("ward-{at}");
        let name = self.institutions.department(at).unwrap_or_default();
        let kind = |code: &str| json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": code }] });
        self.written.push(json!({
            "resourceType": "Location", "id": ward, "status": "active", "name": format!("{name}病区"),
            "physicalType": kind("wa"), "managingOrganization": reference("Organization", at),
        }));
        for number in 1..=beds {
            let state = match self.dice.below(10) {
                0..=5 => "O",
                6 => "H",
                _ => "U",
            };
            self.written.push(json!({
                "resourceType": "Location", "id": format!("bed-{at}-{number}"), "status": "active",
                "name": format!("{name} {number:02} 床"), "physicalType": kind("bd"),
                "operationalStatus": { "system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": state },
                "managingOrganization": reference("Organization", at), "partOf": reference("Location", &ward),
            }));
        }
    }

    /// The slots of a department on the working days to come. The nearer a day, the fewer are left.
    fn clinic(&mut self, at: &str) {
        let schedule = format!("clinic-{at}");
        let last = self.now.date().saturating_add(Span::new().days(DAYS));
        self.written.push(json!({
            "resourceType": "Schedule", "id": schedule, "active": true,
            "actor": [reference("HealthcareService", at)],
            "planningHorizon": { "start": instant(self.now.date().at(0, 0, 0, 0)), "end": instant(last.at(23, 59, 0, 0)) },
        }));
        for day in 0..DAYS {
            let date = self.now.date().saturating_add(Span::new().days(day));
            if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
                continue;
            }
            let taken = 0.9 - 0.05 * day as f64;
            for start in halves(date) {
                if start <= self.now {
                    continue;
                }
                let is_pooled = self.dice.chance(POOL_SHARE);
                // What is kept for referrals fills up later.
                let is_taken = self.dice.chance(if is_pooled { taken / 2.0 } else { taken });
                let id = format!("{at}-{}", start.strftime("%m%d-%H%M"));
                let mut slot = slot(&id, &schedule, start, VISIT, if is_taken { "busy" } else { "free" });
                if is_pooled {
                    slot["appointmentType"] = json!({ "coding": [{ "system": POOL, "code": "referral" }] });
                }
                self.written.push(slot);
            }
        }
    }

    /// An expert's half-day at a centre. Of one that is over, most who booked came.
    fn session(
        &mut self,
        number: usize,
        (department, which, centre, days, from, about): (&str, usize, &str, i64, Time, &str),
        lives: &[Life<'_>],
    ) {
        let at = format!("{FIRST}-{department}");
        let expert = self.institutions.worker(&at, "doctor", which);
        let role = reference("PractitionerRole", &format!("{}.{at}", expert.id));
        let id = format!("session-{number}");
        let mut date = self.now.date().saturating_add(Span::new().days(days));
        while matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            date = date.saturating_add(Span::new().days(days.signum()));
        }
        let (start, places) = (date.to_datetime(from), 9);
        let category = json!([{ "coding": [{ "system": CATEGORY, "code": "expert-session" }] }]);
        self.written.push(json!({
            "resourceType": "Schedule", "id": id, "active": true, "serviceCategory": category,
            "extension": [{ "url": PLACE, "valueReference": reference("Organization", centre) }],
            "specialty": [{ "text": about }], "actor": [role],
            "planningHorizon": { "start": instant(start), "end": instant(minutes(start, places * SESSION_VISIT)) },
            "comment": "请带身份证、医保卡和近期检查资料",
        }));
        for place in 0..places {
            let begins = minutes(start, place * SESSION_VISIT);
            let name = format!("{id}-{place}");
            let is_taken = self.dice.chance(if days < 0 { 0.85 } else { 0.4 });
            let mut slot = slot(&name, &id, begins, SESSION_VISIT, if is_taken { "busy" } else { "free" });
            slot["serviceCategory"] = category.clone();
            self.written.push(slot);
            if is_taken {
                let life = &lives[self.dice.below(lives.len())];
                let status = match (days < 0, self.dice.chance(0.9)) {
                    (false, _) => "booked",
                    (true, true) => "fulfilled",
                    (true, false) => "noshow",
                };
                self.written.push(json!({
                    "resourceType": "Appointment", "id": format!("visit-{name}"), "status": status,
                    "serviceCategory": category, "slot": [reference("Slot", &format!("slot-{name}"))],
                    "start": instant(begins), "end": instant(minutes(begins, SESSION_VISIT)),
                    "created": instant(self.now.min(start).saturating_sub(Span::new().days(2))),
                    "participant": [
                        { "actor": reference("Patient", &life.id), "status": "accepted" },
                        { "actor": role, "status": "accepted" },
                    ],
                }));
            }
        }
    }
}

/// When the visits of a day begin.
fn halves(date: Date) -> impl Iterator<Item = DateTime> {
    let half =
        move |from: Time, visits: i64| (0..visits).map(move |visit| minutes(date.to_datetime(from), visit * VISIT));
    half(time(8, 30, 0, 0), 6).chain(half(time(14, 0, 0, 0), 5))
}

fn slot(id: &str, schedule: &str, start: DateTime, length: i64, status: &str) -> Value {
    json!({
        "resourceType": "Slot", "id": format!("slot-{id}"), "schedule": reference("Schedule", schedule), "status": status,
        "start": instant(start), "end": instant(minutes(start, length)),
    })
}

fn minutes(from: DateTime, count: i64) -> DateTime {
    from.saturating_add(Span::new().minutes(count))
}

fn instant(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string()
}
