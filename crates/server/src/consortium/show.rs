//! A consortium as the text of its file.

use std::fmt::Write;

use super::file::{Consortium, Day, Institution, Person, Post, Word};

/// The file, which reads back as the same consortium.
pub(crate) fn written(consortium: &Consortium) -> String {
    let mut page = Page(String::new());
    let head = &consortium.consortium;
    page.table("[consortium]");
    page.text("id", Some(head.id.get_ref()));
    page.text("name", Some(&head.name));
    page.text("english", head.english.as_ref());
    page.text("lead", Some(head.lead.get_ref()));
    consortium.institutions.iter().for_each(|institution| page.institution(institution));
    for alliance in &consortium.alliances {
        page.table("[[alliance]]");
        page.text("id", Some(alliance.id.get_ref()));
        page.text("name", Some(alliance.name.get_ref()));
        page.text("specialty", Some(&alliance.specialty));
        page.text("lead", Some(alliance.lead.get_ref()));
        page.line("members", Some(words(&alliance.members)));
        page.line("from", alliance.from);
        page.line("until", alliance.until);
    }
    for location in &consortium.locations {
        page.table("[[location]]");
        page.text("id", Some(location.id.get_ref()));
        page.text("name", Some(&location.name));
        page.text("at", Some(location.at.get_ref()));
        page.text("kind", Some(&location.kind.word().to_owned()));
        page.text("within", location.within.as_ref().map(Word::get_ref));
    }
    for service in &consortium.services {
        page.table("[[service]]");
        page.text("id", Some(service.id.get_ref()));
        page.text("name", Some(&service.name));
        page.text("at", Some(service.at.get_ref()));
        page.text("specialty", service.specialty.as_ref());
        page.line("locations", Some(&service.locations).filter(|all| !all.is_empty()).map(|all| words(all)));
    }
    consortium.people.iter().for_each(|person| page.person(person));
    page.0
}

struct Page(String);

impl Page {
    fn table(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(name);
        self.0.push('\n');
    }

    fn line(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            writeln!(self.0, "{name} = {value}").expect("a string takes text");
        }
    }

    fn text(&mut self, name: &str, value: Option<&String>) {
        self.line(name, value.map(|value| quoted(value)));
    }

    fn institution(&mut self, institution: &Institution) {
        self.table("[[institution]]");
        self.text("id", Some(institution.id.get_ref()));
        self.text("name", Some(institution.name.get_ref()));
        self.text("english", institution.english.as_ref());
        self.text("level", Some(&institution.level.code().to_owned()));
        self.text("code", institution.code.as_ref().map(Word::get_ref));
        self.line("code_as_issued", institution.code_as_issued.then_some(true));
        self.line("manages", Some(&institution.manages).filter(|all| !all.is_empty()).map(|all| words(all)));
        self.text("phone", institution.phone.as_ref());
        self.text("address", institution.address.as_ref());
        if institution.departments.is_empty() {
            return;
        }
        self.0.push_str("departments = [\n");
        for department in &institution.departments {
            let mut fields = vec![field("id", department.id.get_ref()), field("name", department.name.get_ref())];
            fields.extend(department.english.as_ref().map(|english| field("english", english)));
            fields.extend(department.specialty.as_ref().map(|specialty| field("specialty", specialty)));
            writeln!(self.0, "  {{ {} }},", fields.join(", ")).expect("a string takes text");
        }
        self.0.push_str("]\n");
    }

    fn person(&mut self, person: &Person) {
        self.table("[[person]]");
        self.text("id", Some(person.id.get_ref()));
        self.text("name", Some(&person.name));
        self.text("licence", person.licence.as_ref().map(Word::get_ref));
        self.text("title", person.title.as_ref());
        self.text("mobile", person.mobile.as_ref().map(Word::get_ref));
        self.0.push_str("posts = [\n");
        for each in &person.posts {
            writeln!(self.0, "  {{ {} }},", post(each).join(", ")).expect("a string takes text");
        }
        self.0.push_str("]\n");
    }
}

fn post(post: &Post) -> Vec<String> {
    let mut fields = vec![field("at", post.at.get_ref()), format!("duties = {}", words(&post.duties))];
    let day = |name: &str, day: Option<Day>| day.map(|day| format!("{name} = {day}"));
    fields.extend(day("from", post.from));
    fields.extend(day("until", post.until));
    if !post.days.is_empty() {
        let days: Vec<String> = post.days.iter().map(|day| quoted(day.code())).collect();
        fields.push(format!("days = [{}]", days.join(", ")));
    }
    fields.extend(post.id.as_ref().map(|id| field("id", id.get_ref())));
    fields
}

fn field(name: &str, value: &str) -> String {
    format!("{name} = {}", quoted(value))
}

fn words(words: &[Word]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word.get_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
