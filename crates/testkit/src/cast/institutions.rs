//! The institutions of the invented consortium, and who works in them.

use std::collections::HashSet;
use std::fmt::Write as _;

use jiff::civil::Date;

use crate::dice::Dice;
use crate::people::{Generator, Sex};

/// What a department of a hospital is for, and how many work there: doctors, nurses, and others with their duty.
struct Plan {
    id: &'static str,
    name: &'static str,
    english: &'static str,
    doctors: usize,
    nurses: usize,
    others: &'static [(&'static str, usize)],
}

const fn plan(
    id: &'static str,
    name: &'static str,
    english: &'static str,
    doctors: usize,
    nurses: usize,
    others: &'static [(&'static str, usize)],
) -> Plan {
    Plan { id, name, english, doctors, nurses, others }
}

const TERTIARY: &[Plan] = &[
    plan("cardiology", "心血管内科", "Cardiology", 6, 5, &[]),
    plan("neurology", "神经内科", "Neurology", 5, 4, &[]),
    plan("respiratory", "呼吸与危重症医学科", "Respiratory medicine", 4, 4, &[]),
    plan("endocrinology", "内分泌科", "Endocrinology", 4, 2, &[]),
    plan("gastroenterology", "消化内科", "Gastroenterology", 4, 2, &[]),
    plan("surgery", "普外科", "General surgery", 5, 5, &[]),
    plan("orthopaedics", "骨科", "Orthopaedics", 4, 3, &[]),
    plan("gynaecology", "妇产科", "Obstetrics and gynaecology", 4, 4, &[]),
    plan("paediatrics", "儿科", "Paediatrics", 4, 4, &[]),
    plan("emergency", "急诊科", "Emergency", 5, 6, &[("paramedic", 3), ("dispatcher", 2)]),
    plan("psychology", "精神心理科", "Psychiatry and psychology", 3, 1, &[]),
    plan("infection", "感染性疾病科", "Infectious diseases", 3, 2, &[]),
    plan("imaging", "医学影像科", "Radiology", 0, 1, &[("radiologist", 6), ("technician", 4)]),
    plan("laboratory", "检验科", "Laboratory", 0, 0, &[("technician", 6)]),
    plan("pharmacy", "药学部", "Pharmacy", 0, 0, &[("pharmacist", 5)]),
    plan("front", "门诊部", "Outpatient office", 0, 2, &[("registrar", 5)]),
    plan("referral", "双向转诊办公室", "Referral office", 0, 0, &[("referral-officer", 3)]),
    plan("quality", "质控科", "Quality office", 0, 0, &[("quality", 3)]),
    plan(
        "information",
        "信息中心",
        "Information centre",
        0,
        0,
        &[("privacy-officer", 1), ("data-officer", 1), ("security-admin", 1), ("system-admin", 2)],
    ),
];

const SECONDARY: &[Plan] = &[
    plan("medicine", "内科", "Internal medicine", 8, 7, &[]),
    plan("surgery", "外科", "Surgery", 5, 4, &[]),
    plan("gynaecology", "妇产科", "Obstetrics and gynaecology", 3, 2, &[]),
    plan("paediatrics", "儿科", "Paediatrics", 3, 2, &[]),
    plan("emergency", "急诊科", "Emergency", 3, 3, &[("paramedic", 1)]),
    plan("imaging", "放射科", "Radiology", 0, 0, &[("radiologist", 1), ("technician", 2)]),
    plan("laboratory", "检验科", "Laboratory", 0, 0, &[("technician", 2)]),
    plan("pharmacy", "药剂科", "Pharmacy", 0, 0, &[("pharmacist", 2)]),
    plan("front", "门诊收费处", "Outpatient office", 0, 0, &[("registrar", 2)]),
    plan("referral", "医联体办公室", "Referral office", 0, 0, &[("referral-officer", 1), ("quality", 1)]),
];

/// Who works at a community centre.
const COMMUNITY: &[(&str, usize)] =
    &[("family-doctor", 4), ("nurse", 2), ("public-health", 1), ("technician", 1), ("pharmacist", 1), ("registrar", 1)];

/// The centres: id, name, which hospital manages it directly if any does, the towns it looks after, and its stations by
/// town and village.
struct Centre {
    id: &'static str,
    name: &'static str,
    managed: bool,
    towns: &'static [&'static str],
    stations: &'static [(&'static str, &'static str)],
}

const CENTRES: [Centre; 9] = [
    Centre {
        id: "songtao",
        name: "松涛街道社区卫生服务中心",
        managed: true,
        towns: &["松涛街道", "云麓街道"],
        stations: &[],
    },
    Centre {
        id: "wangxi", name: "望溪街道社区卫生服务中心", managed: true, towns: &["望溪街道"], stations: &[]
    },
    Centre {
        id: "shiqiao",
        name: "石桥街道社区卫生服务中心",
        managed: false,
        towns: &["石桥街道", "稻香街道"],
        stations: &[],
    },
    Centre {
        id: "liuwan",
        name: "柳湾街道社区卫生服务中心",
        managed: false,
        towns: &["柳湾街道", "白鹭街道"],
        stations: &[],
    },
    Centre {
        id: "daoxiang",
        name: "稻香镇卫生院",
        managed: true,
        towns: &["稻香镇", "白鹭镇"],
        stations: &[
            ("稻香镇", "柳树村"),
            ("稻香镇", "石家湾村"),
            ("稻香镇", "桑木冲村"),
            ("白鹭镇", "杏家坪村"),
            ("白鹭镇", "樟树村"),
        ],
    },
    Centre {
        id: "zhuxi",
        name: "竹溪镇卫生院",
        managed: true,
        towns: &["竹溪镇"],
        stations: &[("竹溪镇", "桃家桥村"), ("竹溪镇", "李家湾村"), ("竹溪镇", "榆树村"), ("竹溪镇", "石木冲村")],
    },
    Centre {
        id: "fenglin",
        name: "枫林镇卫生院",
        managed: true,
        towns: &["枫林镇"],
        stations: &[("枫林镇", "槐树村"), ("枫林镇", "梨家垄村"), ("枫林镇", "杨家坪村"), ("枫林镇", "枣木冲村")],
    },
    Centre {
        id: "qinglan",
        name: "青岚镇卫生院",
        managed: false,
        towns: &["青岚镇"],
        stations: &[("青岚镇", "桃树村"), ("青岚镇", "杨家桥村"), ("青岚镇", "石家垄村")],
    },
    Centre {
        id: "luting",
        name: "芦汀镇卫生院",
        managed: false,
        towns: &["芦汀镇", "梅岭镇"],
        stations: &[("芦汀镇", "柳家湾村"), ("芦汀镇", "榆家坪村"), ("梅岭镇", "梨树村"), ("梅岭镇", "桑家桥村")],
    },
];

/// The tertiary hospital.
pub(super) const FIRST: &str = "chengzhou-first";
/// The secondary hospitals; the first manages its centres directly.
pub(super) const SECOND: [&str; 2] = ["linxi", "linxi-tcm"];

/// An institution as the file of the consortium says it.
pub(super) struct Institution {
    pub(super) id: String,
    pub(super) name: String,
    english: Option<&'static str>,
    level: &'static str,
    manages: Vec<String>,
    departments: Vec<(String, &'static str, &'static str)>,
}

/// Someone who works in the consortium.
pub(super) struct Worker {
    pub(super) id: String,
    pub(super) name: String,
    licence: String,
    title: Option<&'static str>,
    mobile: String,
    pub(super) posts: Vec<Post>,
}

/// What someone does somewhere.
pub(super) struct Post {
    /// The department, or the institution where there are none.
    pub(super) at: String,
    /// The institution.
    pub(super) institution: String,
    pub(super) duty: &'static str,
    from: Date,
    until: Option<Date>,
    days: &'static [&'static str],
}

/// Everyone and everything of the consortium.
pub(super) struct Institutions {
    pub(super) all: Vec<Institution>,
    pub(super) workers: Vec<Worker>,
    today: Date,
}

impl Institutions {
    /// The consortium as it is on a day, with names by chance.
    pub(super) fn new(seed: u64, today: Date) -> Self {
        let mut hiring = Hiring::new(seed, today);
        let mut all = Vec::new();
        hiring.hospital(&mut all, FIRST, ("澄州市第一医院", "Chengzhou First Hospital"), "tertiary", TERTIARY);
        hiring.hospital(&mut all, SECOND[0], ("临溪区人民医院", "Linxi District Hospital"), "secondary", SECONDARY);
        hiring.hospital(
            &mut all,
            SECOND[1],
            ("临溪区中医医院", "Linxi Hospital of Chinese Medicine"),
            "secondary",
            SECONDARY,
        );
        for centre in &CENTRES {
            if centre.managed {
                all[1].manages.push(centre.id.to_owned());
            }
            let stations = 1..=centre.stations.len();
            let stations: Vec<String> = stations.map(|number| format!("{}-station-{number}", centre.id)).collect();
            hiring.staff(centre.id, centre.id, COMMUNITY);
            for (id, (town, village)) in stations.iter().zip(centre.stations) {
                hiring.staff(id, id, &[("village-doctor", 1)]);
                let name = format!("{town}{village}卫生室");
                all.push(Institution {
                    id: id.clone(),
                    name,
                    english: None,
                    level: "village",
                    manages: Vec::new(),
                    departments: Vec::new(),
                });
            }
            let (id, name) = (centre.id.to_owned(), centre.name.to_owned());
            all.push(Institution {
                id,
                name,
                english: None,
                level: "community",
                manages: stations,
                departments: Vec::new(),
            });
        }
        // Hospitals first, then centres, then stations, as one reads them.
        all.sort_by_key(|one| {
            ["tertiary", "secondary", "community", "village"].iter().position(|level| *level == one.level)
        });
        let mut institutions = Self { all, workers: hiring.workers, today };
        institutions.lend();
        institutions
    }

    /// Secondments: a cardiologist is at a community centre on Mondays; another's time there is over, a third's to come.
    fn lend(&mut self) {
        let day = |months: i32| self.today.saturating_add(jiff::Span::new().months(months));
        let (past, begun, coming) = (day(-18), day(-10), day(1));
        let ends =
            [(past, Some(day(-6)), "wangxi"), (begun, Some(day(14)), "songtao"), (coming, Some(day(13)), "zhuxi")];
        let cardiologists: Vec<usize> = (0..self.workers.len())
            .filter(|at| {
                self.workers[*at].posts[0].at == format!("{FIRST}-cardiology")
                    && self.workers[*at].posts[0].duty == "doctor"
            })
            .collect();
        for (lent, (from, until, centre)) in cardiologists.into_iter().skip(1).zip([ends[1], ends[0], ends[2]]) {
            let worker = &mut self.workers[lent];
            worker.posts[0].days = &["tue", "wed", "thu", "fri"];
            let (at, institution) = (centre.to_owned(), centre.to_owned());
            worker.posts.push(Post { at, institution, duty: "doctor", from, until, days: &["mon"] });
        }
    }

    /// Someone with a duty at a department or an institution, the same for the same `which`.
    pub(super) fn worker(&self, at: &str, duty: &str, which: usize) -> &Worker {
        let fit: Vec<&Worker> =
            self.workers.iter().filter(|one| one.posts[0].at == at && one.posts[0].duty == duty).collect();
        assert!(!fit.is_empty(), "nobody is {duty} at {at}");
        fit[which % fit.len()]
    }

    /// What a department is called.
    pub(super) fn department(&self, at: &str) -> Option<&'static str> {
        let all = self.all.iter().flat_map(|one| &one.departments);
        all.into_iter().find(|(id, ..)| id == at).map(|(_, name, _)| *name)
    }

    /// Who has two posts today.
    pub(super) fn lent(&self) -> &Worker {
        let holds = |post: &Post| post.from <= self.today && post.until.is_none_or(|until| until >= self.today);
        let lent = self.workers.iter().find(|one| one.posts.len() == 2 && one.posts.iter().all(holds));
        lent.expect("a cardiologist is lent to a centre today")
    }

    /// The centre that looks after a town, and the station that looks after a village, where there is one.
    pub(super) fn near(town: &str, line: &str) -> (&'static str, Option<String>) {
        let centre = CENTRES.iter().find(|centre| centre.towns.contains(&town)).expect("every town has a centre");
        let of_town = || (1..).zip(centre.stations).filter(|(_, (of, _))| *of == town);
        let own = of_town().find(|(_, (_, village))| line.starts_with(village));
        // Whose village has none goes to one of the next.
        let count = of_town().count();
        let next = || of_town().nth(line.bytes().map(usize::from).sum::<usize>() % count.max(1));
        let station = own.or_else(next).map(|(number, _)| format!("{}-station-{number}", centre.id));
        (centre.id, station)
    }

    /// The file of the consortium.
    pub(super) fn file(&self) -> String {
        let mut text = format!(
            "[consortium]\nid = \"linxi-consortium\"\nname = \"临溪区紧密型医联体\"\n\
             english = \"Linxi Integrated Care Consortium\"\nlead = \"{FIRST}\"\n"
        );
        for (number, one) in self.all.iter().enumerate() {
            institution(&mut text, number, one);
        }
        for (id, name, specialty, lead, members) in [
            (
                "stroke-alliance",
                "澄州卒中专科联盟",
                "卒中",
                FIRST,
                r#"["linxi", "linxi-tcm", "daoxiang", "zhuxi", "songtao"]"#,
            ),
            ("chest-pain-alliance", "澄州胸痛专科联盟", "胸痛", FIRST, r#"["linxi", "songtao", "wangxi", "fenglin"]"#),
            (
                "rehabilitation-alliance",
                "临溪中医康复联盟",
                "康复",
                SECOND[1],
                r#"["shiqiao", "liuwan", "qinglan", "luting"]"#,
            ),
        ] {
            let from = Date::new(self.today.year() - 2, 1, 1).expect("every year has a first day");
            writeln!(
                text,
                "\n[[alliance]]\nid = \"{id}\"\nname = \"{name}\"\nspecialty = \"{specialty}\"\nlead = \"{lead}\"\n\
                 members = {members}\nfrom = {from}"
            )
            .expect("a string takes text");
        }
        for ward in ["cardiology", "neurology", "respiratory", "surgery"] {
            let department = self.all[0].departments.iter().find(|(id, ..)| id.ends_with(ward));
            let (id, name, _) = department.expect("the hospital has this ward");
            writeln!(text, "\n[[location]]\nid = \"{id}-ward\"\nname = \"{name}病区\"\nat = \"{id}\"\nkind = \"ward\"")
                .expect("a string takes text");
        }
        self.workers.iter().for_each(|worker| person(&mut text, worker));
        text
    }
}

fn institution(text: &mut String, number: usize, one: &Institution) {
    let code = credit_code(number);
    write!(text, "\n[[institution]]\nid = \"{}\"\nname = \"{}\"\n", one.id, one.name).expect("a string takes text");
    if let Some(english) = one.english {
        writeln!(text, "english = \"{english}\"").expect("a string takes text");
    }
    write!(text, "level = \"{}\"\ncode = \"{code}\"\n", one.level).expect("a string takes text");
    if !one.manages.is_empty() {
        writeln!(text, "manages = {:?}", one.manages).expect("a string takes text");
    }
    if !one.departments.is_empty() {
        text.push_str("departments = [\n");
        for (id, name, english) in &one.departments {
            writeln!(text, "  {{ id = \"{id}\", name = \"{name}\", english = \"{english}\" }},")
                .expect("a string takes text");
        }
        text.push_str("]\n");
    }
}

fn person(text: &mut String, worker: &Worker) {
    let Worker { id, name, licence, .. } = worker;
    write!(text, "\n[[person]]\nid = \"{id}\"\nname = \"{name}\"\nlicence = \"{licence}\"\n")
        .expect("a string takes text");
    if let Some(title) = worker.title {
        writeln!(text, "title = \"{title}\"").expect("a string takes text");
    }
    writeln!(text, "mobile = \"{}\"", worker.mobile).expect("a string takes text");
    text.push_str("posts = [\n");
    for post in &worker.posts {
        let Post { at, duty, from, .. } = post;
        write!(text, "  {{ at = \"{at}\", duties = [\"{duty}\"], from = {from}").expect("a string takes text");
        if let Some(until) = post.until {
            write!(text, ", until = {until}").expect("a string takes text");
        }
        if !post.days.is_empty() {
            write!(text, ", days = {:?}", post.days).expect("a string takes text");
        }
        text.push_str(" },\n");
    }
    text.push_str("]\n");
}

/// Finds people and gives them posts.
struct Hiring {
    people: Generator,
    names: HashSet<String>,
    dice: Dice,
    today: Date,
    workers: Vec<Worker>,
}

impl Hiring {
    fn new(seed: u64, today: Date) -> Self {
        // People of their own, who are not among the residents.
        let people = Generator::new(seed ^ 0x57aff, today);
        Self { people, names: HashSet::new(), dice: Dice::new(seed).apart(2), today, workers: Vec::new() }
    }

    fn hospital(
        &mut self,
        all: &mut Vec<Institution>,
        id: &str,
        (name, english): (&str, &'static str),
        level: &'static str,
        plans: &'static [Plan],
    ) {
        let mut departments = Vec::new();
        for plan in plans {
            let at = format!("{id}-{}", plan.id);
            self.staff(&at, id, &[("doctor", plan.doctors), ("nurse", plan.nurses)]);
            self.staff(&at, id, plan.others);
            departments.push((at, plan.name, plan.english));
        }
        let (id, name, english) = (id.to_owned(), name.to_owned(), Some(english));
        all.push(Institution { id, name, english, level, manages: Vec::new(), departments });
    }

    fn staff(&mut self, at: &str, institution: &str, wanted: &[(&'static str, usize)]) {
        for (duty, count) in wanted {
            for place in 0..*count {
                let number = self.workers.len() + 1;
                let months = i32::try_from(self.dice.between(8, 180)).expect("a working life is short");
                let from = self.today.saturating_sub(jiff::Span::new().months(months));
                let (at, institution) = (at.to_owned(), institution.to_owned());
                let name = self.name(*duty == "nurse");
                self.workers.push(Worker {
                    id: format!("staff-{number:03}"),
                    name,
                    licence: format!("9990999{number:08}"),
                    title: title(duty, place),
                    // No operator has numbers that begin with 154: nobody real is called, whatever this is joined to.
                    mobile: format!("1540000{number:04}"),
                    posts: vec![Post { at, institution, duty, from, until: None, days: &[] }],
                });
            }
        }
    }

    /// The name of a grown-up, which nobody else here has. Most nurses are women.
    fn name(&mut self, is_nurse: bool) -> String {
        loop {
            let home = self.people.next().expect("there is always another household");
            let fits = home.iter().find(|one| {
                let age = one.birth.map_or(0, |birth| self.today.year() - birth.year());
                (24..59).contains(&age) && !one.family.is_empty() && (!is_nurse || one.sex == Some(Sex::Female))
            });
            if let Some(one) = fits
                && self.names.insert(one.name())
            {
                return one.name();
            }
        }
    }
}

/// The higher titles go to the first of a department.
fn title(duty: &str, place: usize) -> Option<&'static str> {
    match (duty, place) {
        ("doctor" | "radiologist", 0) => Some("主任医师"),
        ("doctor" | "radiologist" | "family-doctor", 1) => Some("副主任医师"),
        ("doctor" | "radiologist" | "family-doctor", 0 | 2 | 3) => Some("主治医师"),
        ("doctor" | "radiologist" | "family-doctor", _) => Some("住院医师"),
        ("nurse", 0) => Some("主管护师"),
        ("nurse", _) => Some("护师"),
        ("technician", _) => Some("主管技师"),
        ("pharmacist", _) => Some("主管药师"),
        ("village-doctor", _) => Some("乡村医生"),
        ("public-health", _) => Some("公卫医师"),
        _ => None,
    }
}

/// A unified social credit code (GB 32100-2015) of a region that does not exist.
fn credit_code(number: usize) -> String {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let check = |text: &str, weights: &[usize], value: &dyn Fn(u8) -> usize| -> usize {
        text.bytes().zip(weights).map(|(byte, weight)| value(byte) * weight).sum()
    };
    let unit = format!("MB{number:06}");
    // Organisation codes (GB 11714) count letters from A = 10.
    let letter = |byte: u8| usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 });
    let last = match 11 - check(&unit, &[3, 7, 9, 10, 5, 8, 4, 2], &letter) % 11 {
        10 => "X".to_owned(),
        11 => "0".to_owned(),
        digit => digit.to_string(),
    };
    let code = format!("12999999{unit}{last}");
    let place = |byte: u8| ALPHABET.iter().position(|letter| *letter == byte).expect("the alphabet has it");
    let sum = check(&code, &[1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28], &place);
    format!("{code}{}", char::from(ALPHABET[(31 - sum % 31) % 31]))
}
