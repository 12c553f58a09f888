//! The file: what a person writes about a consortium, read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use record::DUTIES;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::codes::{Kind, Level};

/// A word of the file that remembers where it stands.
pub(crate) type Word = Spanned<String>;

/// A consortium as its file says it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consortium {
    pub(crate) consortium: Head,
    #[serde(default, rename = "institution")]
    pub(crate) institutions: Vec<Institution>,
    #[serde(default, rename = "alliance")]
    pub(crate) alliances: Vec<Alliance>,
    #[serde(default, rename = "location")]
    pub(crate) locations: Vec<Location>,
    #[serde(default, rename = "service")]
    pub(crate) services: Vec<Service>,
    #[serde(default, rename = "person")]
    pub(crate) people: Vec<Person>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) id: Word,
    pub(crate) name: String,
    pub(crate) english: Option<String>,
    pub(crate) lead: Word,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Institution {
    pub(crate) id: Word,
    pub(crate) name: Word,
    pub(crate) english: Option<String>,
    pub(crate) level: Level,
    pub(crate) code: Option<Word>,
    #[serde(default)]
    pub(crate) code_as_issued: bool,
    #[serde(default)]
    pub(crate) manages: Vec<Word>,
    pub(crate) phone: Option<String>,
    pub(crate) address: Option<String>,
    #[serde(default)]
    pub(crate) departments: Vec<Department>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Department {
    pub(crate) id: Word,
    pub(crate) name: Word,
    pub(crate) english: Option<String>,
    pub(crate) specialty: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alliance {
    pub(crate) id: Word,
    pub(crate) name: Word,
    pub(crate) specialty: String,
    pub(crate) lead: Word,
    pub(crate) members: Vec<Word>,
    pub(crate) from: Option<Day>,
    pub(crate) until: Option<Day>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Location {
    pub(crate) id: Word,
    pub(crate) name: String,
    pub(crate) at: Word,
    pub(crate) kind: Kind,
    pub(crate) within: Option<Word>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) id: Word,
    pub(crate) name: String,
    pub(crate) at: Word,
    pub(crate) specialty: Option<String>,
    #[serde(default)]
    pub(crate) locations: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) id: Word,
    pub(crate) name: String,
    pub(crate) licence: Option<Word>,
    pub(crate) title: Option<String>,
    /// The number over which they are paged.
    pub(crate) mobile: Option<Word>,
    pub(crate) posts: Vec<Post>,
}

/// One thing a person does at one place, for a time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Post {
    pub(crate) id: Option<Word>,
    pub(crate) at: Word,
    pub(crate) duties: Vec<Word>,
    pub(crate) from: Option<Day>,
    pub(crate) until: Option<Day>,
    #[serde(default)]
    pub(crate) days: Vec<Weekday>,
}

impl Consortium {
    /// The duties that somebody holds on a day or will hold later.
    pub(crate) fn duties(&self, today: Date) -> BTreeSet<String> {
        let posts = self.people.iter().flat_map(|person| &person.posts);
        let lasting = posts.filter(|post| post.until.is_none_or(|until| until.0 >= today));
        lasting.flat_map(|post| &post.duties).map(|duty| duty.get_ref().clone()).collect()
    }
}

impl Post {
    /// The id of its `PractitionerRole`: the one it is given, or person and place.
    pub(crate) fn role(&self, person: &str) -> String {
        self.id.as_ref().map_or_else(|| joint(person, self.at.get_ref()), |id| id.get_ref().clone())
    }

    fn overlaps(&self, other: &Self) -> bool {
        let begins_before_end = |one: &Self, other: &Self| match (one.from, other.until) {
            (Some(from), Some(until)) => from.0 <= until.0,
            _ => true,
        };
        begins_before_end(self, other) && begins_before_end(other, self)
    }
}

/// The id of what ties two together.
pub(crate) fn joint(one: &str, other: &str) -> String {
    format!("{one}.{other}")
}

/// A day of the week, as FHIR names it. <http://hl7.org/fhir/R4/valueset-days-of-week.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    pub(crate) const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

/// A day of the calendar, written in TOML as `2026-05-04`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Datetime")]
pub(crate) struct Day(pub(crate) Date);

impl TryFrom<Datetime> for Day {
    type Error = &'static str;

    fn try_from(written: Datetime) -> Result<Self, Self::Error> {
        let Datetime { date: Some(date), time: None, offset: None } = written else {
            return Err("write a day without a time, such as 2026-05-04");
        };
        let small = |number: u8| i8::try_from(number).ok();
        let parts = i16::try_from(date.year).ok().zip(small(date.month)).zip(small(date.day));
        let date = parts.and_then(|((year, month), day)| Date::new(year, month, day).ok());
        date.map(Self).ok_or("there is no such day")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something in the file that cannot be: where, what, and what to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Reads and checks the text of a file.
///
/// # Errors
/// Everything that is wrong with it, by line. When it is no TOML, or has unknown keys, that is all that can be said.
pub(crate) fn read(text: &str) -> Result<Consortium, Vec<Fault>> {
    let consortium: Consortium = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![Fault { line: line_of(text, at), text: format!("{}.", error.message().trim_end_matches('.')) }]
    })?;
    let mut check = Check { text, faults: Vec::new(), ids: BTreeMap::new() };
    check.all(&consortium);
    check.faults.sort();
    if check.faults.is_empty() { Ok(consortium) } else { Err(check.faults) }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What an id stands for; a reference must mean one of the kinds it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Consortium,
    Institution,
    Department,
    Alliance,
    Location,
    Service,
    Person,
}

impl Stands {
    const fn word(self) -> &'static str {
        match self {
            Self::Consortium => "the consortium",
            Self::Institution => "an institution",
            Self::Department => "a department",
            Self::Alliance => "an alliance",
            Self::Location => "a location",
            Self::Service => "a service",
            Self::Person => "a person",
        }
    }

    /// The kinds whose ids must differ because they become resources of one type. A department is also a service.
    const fn room(self) -> u8 {
        match self {
            Self::Consortium | Self::Institution | Self::Department | Self::Alliance | Self::Service => 0,
            Self::Location => 1,
            Self::Person => 2,
        }
    }
}

const PLACES: &[Stands] = &[Stands::Institution, Stands::Department];

struct Check<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    /// What each id stands for and where it is given, by room.
    ids: BTreeMap<(u8, String), (Stands, usize)>,
}

impl Check<'_> {
    fn all(&mut self, consortium: &Consortium) {
        self.name_everything(consortium);
        self.institutions(consortium);
        self.alliances(consortium);
        for location in &consortium.locations {
            self.refers(&location.at, PLACES);
            if let Some(within) = &location.within {
                self.refers(within, &[Stands::Location]);
            }
        }
        let within = consortium.locations.iter().filter_map(|one| Some((&one.id, one.within.as_ref()?)));
        self.refuse_circles(
            &within.collect::<Vec<_>>(),
            "lies within itself; take one of the places out of the circle",
        );
        for service in &consortium.services {
            self.refers(&service.at, PLACES);
            service.locations.iter().for_each(|location| self.refers(location, &[Stands::Location]));
        }
        self.people(consortium);
    }

    fn name_everything(&mut self, consortium: &Consortium) {
        self.name(&consortium.consortium.id, Stands::Consortium);
        for institution in &consortium.institutions {
            self.name(&institution.id, Stands::Institution);
            institution.departments.iter().for_each(|department| self.name(&department.id, Stands::Department));
        }
        consortium.alliances.iter().for_each(|alliance| self.name(&alliance.id, Stands::Alliance));
        consortium.locations.iter().for_each(|location| self.name(&location.id, Stands::Location));
        consortium.services.iter().for_each(|service| self.name(&service.id, Stands::Service));
        consortium.people.iter().for_each(|person| self.name(&person.id, Stands::Person));
    }

    fn institutions(&mut self, consortium: &Consortium) {
        self.refers(&consortium.consortium.lead, &[Stands::Institution]);
        self.differ(consortium.institutions.iter().map(|one| &one.name), "institution");
        for institution in &consortium.institutions {
            let id = institution.id.get_ref();
            self.shape(&institution.id, &joint(consortium.consortium.id.get_ref(), id));
        }
        let codes = consortium.institutions.iter().filter_map(|one| one.code.as_ref());
        self.differ(codes, "unified social credit code");
        let mut managers: BTreeMap<&str, &str> = BTreeMap::new();
        let mut management = Vec::new();
        for institution in &consortium.institutions {
            self.differ(institution.departments.iter().map(|one| &one.name), "department");
            if let Some(code) = institution.code.as_ref().filter(|_| !institution.code_as_issued) {
                self.credit_code(code);
            }
            for managed in &institution.manages {
                self.refers(managed, &[Stands::Institution]);
                self.shape(managed, &joint(institution.id.get_ref(), managed.get_ref()));
                let before = managers.insert(managed.get_ref(), institution.id.get_ref());
                if let Some(before) = before {
                    let text =
                        format!("{} is managed by {before} already; leave it with one of them.", managed.get_ref());
                    self.fault(managed, text);
                }
                management.push((managed, &institution.id));
            }
        }
        self.refuse_circles(&management, "manages itself in the end; take one of the institutions out of the circle");
    }

    fn alliances(&mut self, consortium: &Consortium) {
        self.differ(consortium.alliances.iter().map(|one| &one.name), "alliance");
        for alliance in &consortium.alliances {
            self.refers(&alliance.lead, &[Stands::Institution]);
            if alliance.members.is_empty() {
                self.fault(&alliance.id, "this alliance has no members; name at least one beside its lead.".to_owned());
            }
            self.differ(alliance.members.iter(), "member");
            for member in &alliance.members {
                self.refers(member, &[Stands::Institution]);
                self.shape(member, &joint(alliance.id.get_ref(), member.get_ref()));
                if member == &alliance.lead {
                    self.fault(member, format!("{} leads the alliance; leave it out of members.", member.get_ref()));
                }
            }
            self.period(&alliance.id, alliance.from, alliance.until);
        }
    }

    fn people(&mut self, consortium: &Consortium) {
        self.differ(consortium.people.iter().filter_map(|one| one.licence.as_ref()), "licence");
        let mut roles: BTreeMap<String, usize> = BTreeMap::new();
        for person in &consortium.people {
            if person.posts.is_empty() {
                self.fault(&person.id, format!("{} has no post; give one, or leave them out.", person.id.get_ref()));
            }
            if let Some(mobile) = person.mobile.as_ref().filter(|mobile| !is_mobile(mobile.get_ref())) {
                let text = format!("{} is no mobile number; write its eleven digits, the first a 1.", mobile.get_ref());
                self.fault(mobile, text);
            }
            for (at, post) in person.posts.iter().enumerate() {
                self.refers(&post.at, PLACES);
                self.period(&post.at, post.from, post.until);
                if post.duties.is_empty() {
                    self.fault(&post.at, "this post has no duties; name at least one.".to_owned());
                }
                self.differ(post.duties.iter(), "duty");
                for duty in &post.duties {
                    if !DUTIES.iter().any(|known| known.code == duty.get_ref()) {
                        let known: Vec<&str> = DUTIES.iter().map(|known| known.code).collect();
                        let text = format!("there is no duty {}; it is one of {}.", duty.get_ref(), known.join(", "));
                        self.fault(duty, text);
                    }
                }
                let same_place = person.posts[..at].iter().find(|before| before.at == post.at && before.overlaps(post));
                if same_place.is_some() {
                    let text = format!(
                        "{} has two posts at {} at the same time; say all duties in one, or end one before the other.",
                        person.id.get_ref(),
                        post.at.get_ref()
                    );
                    self.fault(&post.at, text);
                }
                let role = post.role(person.id.get_ref());
                self.shape(post.id.as_ref().unwrap_or(&post.at), &role);
                let line = self.line(&post.at);
                if let Some(before) = roles.insert(role.clone(), line)
                    && same_place.is_none()
                {
                    let text =
                        format!("this post is called {role} like the one in line {before}; give one of them an id.");
                    self.fault(&post.at, text);
                }
            }
        }
    }

    /// A dot is kept for ids made of two, so that no two pairs make the same one.
    fn name(&mut self, id: &Word, stands: Stands) {
        if id.get_ref().contains('.') {
            self.fault(id, format!("{} cannot be an id; leave the dots out.", id.get_ref()));
        }
        self.shape(id, id.get_ref());
        let line = self.line(id);
        // The first of two keeps the name, so that what refers to it is not at fault as well.
        let before = self.ids.entry((stands.room(), id.get_ref().clone())).or_insert((stands, line)).1;
        if before != line {
            self.fault(id, format!("the id {} stands in line {before} already; choose another.", id.get_ref()));
        }
    }

    /// Whether a text can be the id of a resource. <http://hl7.org/fhir/R4/datatypes.html#id>
    fn shape(&mut self, at: &Word, id: &str) {
        if !record::Key::is_id(id) {
            let text = format!("{id} cannot be an id; use at most 64 of the letters a–z and A–Z, digits and hyphens.");
            self.fault(at, text);
        }
    }

    fn refers(&mut self, word: &Word, allowed: &[Stands]) {
        let room = allowed[0].room();
        let found = self.ids.get(&(room, word.get_ref().clone())).copied();
        let wanted: Vec<&str> = allowed.iter().map(|stands| stands.word()).collect();
        let wanted = wanted.join(" or ");
        match found {
            Some((stands, _)) if allowed.contains(&stands) => {}
            Some((stands, line)) => {
                let text = format!("{} is {} (line {line}); here must stand {wanted}.", word.get_ref(), stands.word());
                self.fault(word, text);
            }
            None => {
                let near = self.ids.keys().filter(|(of, _)| *of == room).map(|(_, id)| id.as_str());
                let meant = crate::settings::meant(word.get_ref(), near);
                let text = format!("there is no {}; here must stand {wanted} of this file.{meant}", word.get_ref());
                self.fault(word, text);
            }
        }
    }

    fn differ<'w>(&mut self, words: impl Iterator<Item = &'w Word>, what: &str) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for word in words {
            let line = self.line(word);
            if let Some(before) = seen.insert(word.get_ref(), line) {
                let text =
                    format!("the {what} {} stands in line {before} already; one of them must go.", word.get_ref());
                self.fault(word, text);
            }
        }
    }

    fn period(&mut self, at: &Word, from: Option<Day>, until: Option<Day>) {
        if let Some((from, until)) = from.zip(until)
            && until < from
        {
            self.fault(at, format!("this ends ({until}) before it begins ({from}); correct one of the days."));
        }
    }

    /// Follows each child up; a walk that comes back to where it began is a circle, told once.
    fn refuse_circles(&mut self, parents: &[(&Word, &Word)], what: &str) {
        let up: BTreeMap<&str, &str> =
            parents.iter().map(|(child, parent)| (child.get_ref().as_str(), parent.get_ref().as_str())).collect();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for (child, _) in parents {
            let start = child.get_ref().as_str();
            let mut walked = BTreeSet::from([start]);
            let mut at = start;
            while let Some(next) = up.get(at) {
                at = next;
                if !walked.insert(at) {
                    break;
                }
            }
            if at == start && !told.contains(start) {
                told.extend(&walked);
                self.fault(child, format!("{start} {what}."));
            }
        }
    }

    fn credit_code(&mut self, code: &Word) {
        if let Some(wrong) = wrong_credit_code(code.get_ref()) {
            let text = format!(
                "the unified social credit code {} {wrong}; correct it, or add code_as_issued = true if the certificate \
                 says so.",
                code.get_ref()
            );
            self.fault(code, text);
        }
    }

    fn fault(&mut self, at: &Word, text: String) {
        self.faults.push(Fault { line: self.line(at), text });
    }

    fn line(&self, word: &Word) -> usize {
        line_of(self.text, word.span().start)
    }
}

/// Whether a text is a mobile number of China as it is dialled within it: eleven digits, the first a 1.
pub(crate) fn is_mobile(number: &str) -> bool {
    number.len() == 11 && number.starts_with('1') && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a unified social credit code (GB 32100-2015), if anything.
pub(crate) fn wrong_credit_code(code: &str) -> Option<&'static str> {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let values: Option<Vec<usize>> =
        code.bytes().map(|byte| ALPHABET.iter().position(|letter| *letter == byte)).collect();
    let Some(values) = values.filter(|values| values.len() == 18) else {
        return Some("does not have 18 digits and capital letters other than I, O, S, V, Z");
    };
    let sum: usize = WEIGHTS.iter().zip(&values).map(|(weight, value)| weight * value).sum();
    ((31 - sum % 31) % 31 != values[17]).then_some("has a wrong check digit")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[consortium]\nid = 'c'\nname = '医联体'\nlead = 'a'\n\n";
    const TWO: &str = "[[institution]]\nid = 'a'\nname = '甲医院'\nlevel = 'tertiary'\n\n\
                       [[institution]]\nid = 'b'\nname = '乙医院'\nlevel = 'secondary'\n";

    /// The lines and texts of what is wrong once something stands behind two institutions, whose last line is 14.
    fn faults(more: &str) -> Vec<String> {
        let faults = read(&format!("{HEAD}{TWO}{more}")).expect_err("this file is wrong");
        faults.into_iter().map(|fault| format!("{}: {}", fault.line, fault.text)).collect()
    }

    #[track_caller]
    fn check(more: &str, wanted: &str) {
        let found = faults(more);
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{found:#?}");
    }

    #[test]
    fn the_example_of_the_documentation_is_in_order() {
        let consortium = read(include_str!("../../../../docs/operating/consortium.toml")).unwrap();
        assert_eq!((consortium.institutions.len(), consortium.people.len()), (4, 3));
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line() {
        check("colour = 'red'\n", "15: unknown field `colour`");
    }

    #[test]
    fn an_unknown_member_is_told_with_the_one_that_was_probably_meant() {
        let alliance = |member: &str| {
            format!("[[alliance]]\nid = 'x'\nname = '卒中'\nspecialty = '卒中'\nlead = 'a'\nmembers = ['{member}']\n")
        };
        check(&alliance("bb"), "20: there is no bb; here must stand an institution of this file. Did you mean b?");
        check(&alliance("x"), "20: x is an alliance (line 16); here must stand an institution.");
        check(&alliance("a"), "20: a leads the alliance; leave it out of members.");
    }

    #[test]
    fn a_circle_of_management_is_refused_and_told_once() {
        let text = format!("{HEAD}{TWO}manages = ['a']\n")
            .replace("level = 'tertiary'", "level = 'tertiary'\nmanages = ['b']");
        let faults = read(&text).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].text.contains("manages itself in the end"), "{faults:#?}");
        check("manages = ['b']\n", "15: b manages itself in the end");
    }

    #[test]
    fn an_institution_has_one_manager() {
        let third = "manages = ['d']\n[[institution]]\nid = 'd'\nname = '丁'\nlevel = 'village'\n\
                     [[institution]]\nid = 'e'\nname = '戊'\nlevel = 'community'\nmanages = ['d']\n";
        check(third, "24: d is managed by b already");
    }

    #[test]
    fn a_name_or_an_id_that_stands_twice_is_refused() {
        check("[[institution]]\nid = 'b'\nname = '丙'\nlevel = 'village'\n", "16: the id b stands in line 12 already");
        check(
            "[[institution]]\nid = 'd'\nname = '乙医院'\nlevel = 'village'\n",
            "17: the institution 乙医院 stands in line 13",
        );
        check("departments = [{ id = 'a', name = '内科' }]\n", "15: the id a stands in line 7 already");
    }

    #[test]
    fn a_wrong_check_digit_is_refused_unless_the_certificate_says_so() {
        check(
            "code = '91350100M000100Y44'\n",
            "15: the unified social credit code 91350100M000100Y44 has a wrong check digit",
        );
        check(
            "code = '91350100M000100YI3'\n",
            "15: the unified social credit code 91350100M000100YI3 does not have 18",
        );
        let fine = ["code = '91350100M000100Y43'\n", "code = '91350100M000100Y44'\ncode_as_issued = true\n"];
        for code in fine {
            read(&format!("{HEAD}{TWO}{code}")).unwrap();
        }
    }

    #[test]
    fn a_post_needs_a_known_duty_at_a_known_place_for_a_time_that_can_be() {
        let person = |post: &str| format!("[[person]]\nid = 'p'\nname = '林一'\nposts = [\n  {post},\n]\n");
        check(&person("{ at = 'a', duties = ['docter'] }"), "19: there is no duty docter; it is one of doctor, nurse");
        check(&person("{ at = 'z', duties = ['doctor'] }"), "19: there is no z");
        check(&person("{ at = 'a', duties = [] }"), "19: this post has no duties");
        check(
            &person("{ at = 'a', duties = ['nurse'], from = 2026-02-01, until = 2026-01-01 }"),
            "19: this ends (2026-01-01)",
        );
        check(&person("{ at = 'a', duties = ['nurse'], from = 2026-02-30 }"), "19: ");
        check("[[person]]\nid = 'p'\nname = '林一'\nposts = []\n", "16: p has no post");
        let reached =
            "[[person]]\nid = 'p'\nname = '林一'\nmobile = '154-0000'\nposts = [{ at = 'a', duties = ['doctor'] }]\n";
        check(reached, "18: 154-0000 is no mobile number");
    }

    #[test]
    fn two_posts_at_one_place_must_not_overlap_and_need_names_of_their_own() {
        let posts = |second: &str| {
            let first = "{ at = 'a', duties = ['doctor'], until = 2026-03-31 }";
            format!("[[person]]\nid = 'p'\nname = '林一'\nposts = [\n  {first},\n  {second},\n]\n")
        };
        check(
            &posts("{ at = 'a', duties = ['nurse'], from = 2026-03-31 }"),
            "20: p has two posts at a at the same time",
        );
        check(
            &posts("{ at = 'a', duties = ['nurse'], from = 2026-04-01 }"),
            "20: this post is called p.a like the one in line 19",
        );
        let fine = posts("{ at = 'a', duties = ['nurse'], from = 2026-04-01, id = 'p.a.2' }");
        read(&format!("{HEAD}{TWO}{fine}")).unwrap();
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let more = "code = 'x'\n[[person]]\nid = 'p.q'\nname = '林一'\nposts = [{ at = 'z', duties = ['x'] }]\n";
        let lines: Vec<String> = faults(more).iter().map(|fault| fault.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(lines, ["15", "17", "19", "19"]);
    }
}
