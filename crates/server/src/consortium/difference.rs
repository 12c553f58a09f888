//! What must be done to a record so that it says what a file says.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::codes::TAG;
use super::resources::{TYPES, is_active};

/// One resource to write.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// As it will be.
    pub(crate) resource: Value,
    /// The version it replaces; none when it is new.
    pub(crate) version: Option<u64>,
    /// What becomes different, an element a line.
    pub(crate) details: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    Add,
    Change,
    End,
}

/// Everything to be done, and how much is as it should be.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Difference {
    pub(crate) steps: Vec<Step>,
    pub(crate) unchanged: usize,
}

impl Difference {
    fn count(&self, kind: StepKind) -> usize {
        self.steps.iter().filter(|step| step.kind == kind).count()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let sign = match step.kind {
                StepKind::Add => '+',
                StepKind::Change => '~',
                StepKind::End => '-',
            };
            let name = step.resource["name"][0]["text"].as_str().or_else(|| step.resource["name"].as_str());
            writeln!(f, "{sign} {}  {}", key(&step.resource), name.unwrap_or_default())?;
            for detail in &step.details {
                writeln!(f, "    {detail}")?;
            }
        }
        let [added, changed, ended] = [StepKind::Add, StepKind::Change, StepKind::End].map(|kind| self.count(kind));
        write!(f, "{added} to add, {changed} to change, {ended} to end, {} as they should be.", self.unchanged)
    }
}

/// Compares what should be with what is. `stored` holds everything that carries the tag of the consortium, and what is
/// called as something that should be. What is gone from the file is ended as of `today`; nothing is deleted.
pub(crate) fn between(wanted: Vec<Value>, stored: Vec<Value>, today: Date) -> Difference {
    let mut stored: BTreeMap<String, Value> = stored.into_iter().map(|one| (key(&one), one)).collect();
    let mut difference = Difference::default();
    for resource in wanted {
        let Some(before) = stored.remove(&key(&resource)) else {
            difference.steps.push(Step { kind: StepKind::Add, resource, version: None, details: Vec::new() });
            continue;
        };
        let after = laid_over(&before, resource);
        difference.note(StepKind::Change, &before, after);
    }
    for before in stored.into_values() {
        if is_active(&before) {
            let after = ended(&before, today);
            difference.note(StepKind::End, &before, after);
        }
    }
    difference
}

impl Difference {
    fn note(&mut self, kind: StepKind, before: &Value, after: Value) {
        let mut details = Vec::new();
        compare("", before, &after, &mut details);
        if details.is_empty() {
            self.unchanged += 1;
            return;
        }
        let version = before["meta"]["versionId"].as_str().and_then(|version| version.parse().ok());
        self.steps.push(Step { kind, resource: after, version, details });
    }
}

/// `Organization/first`.
pub(crate) fn key(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap_or_default(), resource["id"].as_str().unwrap_or_default())
}

/// The stored resource with the elements the file speaks for as it has them. Of identifiers and tags it speaks only for
/// those of the systems it uses, and of a person's numbers only for that of their mobile phone, if it says one.
fn laid_over(before: &Value, mut wanted: Value) -> Value {
    let mut after = before.clone();
    let owned = TYPES.iter().find(|(type_, _)| before["resourceType"] == *type_).map_or(&[][..], |(_, owned)| owned);
    let members = after.as_object_mut().expect("a stored resource is an object");
    for name in owned {
        match wanted.get_mut(*name).map(Value::take) {
            Some(value) => drop(members.insert((*name).to_owned(), value)),
            None => drop(members.shift_remove(*name)),
        }
    }
    let identifiers = merged(&before["identifier"], &wanted["identifier"], "system");
    if !identifiers.is_empty() {
        members.insert("identifier".to_owned(), Value::Array(identifiers));
    }
    if !owned.contains(&"telecom") {
        let numbers = merged(&before["telecom"], &wanted["telecom"], "use");
        if !numbers.is_empty() {
            members.insert("telecom".to_owned(), Value::Array(numbers));
        }
    }
    let tags = merged(&before["meta"]["tag"], &wanted["meta"]["tag"], "system");
    let meta = members.entry("meta").or_insert_with(|| json!({}));
    meta["tag"] = Value::Array(tags);
    after
}

/// The items there were, each replaced by the wanted one of its system, and the wanted ones that are new.
fn merged(before: &Value, wanted: &Value, by: &str) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut wanted = list(wanted);
    let mut items = list(before);
    for item in &mut items {
        if let Some(at) = wanted.iter().position(|one| one[by] == item[by]) {
            *item = wanted.remove(at);
        }
    }
    items.append(&mut wanted);
    items
}

/// The resource out of use. A tie between two that was to last longer lasts until today.
fn ended(before: &Value, today: Date) -> Value {
    let mut after = before.clone();
    let type_ = before["resourceType"].as_str().unwrap_or_default();
    let members = after.as_object_mut().expect("a stored resource is an object");
    if type_ == "Location" {
        members.insert("status".to_owned(), json!("inactive"));
    } else {
        members.insert("active".to_owned(), json!(false));
    }
    if matches!(type_, "PractitionerRole" | "OrganizationAffiliation") {
        let today = today.to_string();
        let begun = before["period"]["start"].as_str().is_none_or(|start| start <= today.as_str());
        let open = before["period"]["end"].as_str().is_none_or(|end| end > today.as_str());
        if begun && open {
            let period = members.entry("period").or_insert_with(|| json!({}));
            period["end"] = json!(today);
        }
    }
    after
}

/// Lists where two trees differ, and how.
fn compare(path: &str, before: &Value, after: &Value, details: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, &before[name], &after[name], details);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}[{at}]"), old, new, details);
            }
        }
        _ if before == after => {}
        _ => details.push(format!("{path}: {} → {}", shown(before), shown(after))),
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { value.to_string() }
}

/// The search parameter value that finds everything of a consortium by its tag.
pub(crate) fn tag(consortium: &str) -> String {
    format!("{TAG}|{consortium}")
}

#[cfg(test)]
mod tests {
    use super::super::{file, resources, show};
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../docs/operating/consortium.toml");
    const TODAY: Date = jiff::civil::date(2026, 5, 4);

    fn wanted(text: &str) -> Vec<Value> {
        resources::written(&file::read(text).unwrap())
    }

    /// As a record would give the resources back.
    fn stored(mut resources: Vec<Value>) -> Vec<Value> {
        for resource in &mut resources {
            resource["meta"]["versionId"] = json!("1");
            resource["meta"]["lastUpdated"] = json!("2026-05-04T08:00:00+08:00");
        }
        resources
    }

    fn told(difference: &Difference) -> Vec<String> {
        difference.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn into_an_empty_record_everything_is_added_and_then_nothing_is_left_to_do() {
        let first = between(wanted(EXAMPLE), Vec::new(), TODAY);
        assert!(first.steps.iter().all(|step| step.kind == StepKind::Add && step.version.is_none()));
        let resources = stored(first.steps.into_iter().map(|step| step.resource).collect());
        let count = resources.len();
        assert_eq!(between(wanted(EXAMPLE), resources, TODAY), Difference { steps: Vec::new(), unchanged: count });
    }

    #[test]
    fn resources_come_after_what_they_refer_to() {
        let resources = wanted(EXAMPLE);
        let mut seen: Vec<String> = Vec::new();
        for resource in &resources {
            let text = resource.to_string();
            let references = text.split("\"reference\":\"").skip(1).filter_map(|rest| rest.split('"').next());
            for reference in references {
                assert!(seen.iter().any(|key| key == reference), "{} before {reference}", key(resource));
            }
            seen.push(key(resource));
        }
    }

    #[test]
    fn a_change_is_told_element_by_element() {
        let changed =
            EXAMPLE.replace("0990-5550100", "0990-5550199").replace("until = 2026-12-31", "until = 2027-06-30");
        let difference = between(wanted(&changed), stored(wanted(EXAMPLE)), TODAY);
        let lines = told(&difference);
        assert_eq!(lines[0], "~ Organization/first-hospital  青山市第一医院");
        assert_eq!(lines[1], "    telecom[0].value: \"0990-5550100\" → \"0990-5550199\"");
        assert_eq!(lines[2], "~ PractitionerRole/shen-wanqing.riverside");
        assert_eq!(lines[3], "    period.end: \"2026-12-31\" → \"2027-06-30\"");
        assert!(lines[4].starts_with("0 to add, 2 to change, 0 to end"), "{lines:#?}");
        assert_eq!(difference.steps[0].version, Some(1));
    }

    #[test]
    fn what_is_gone_from_the_file_ends_today_and_only_once() {
        let person = EXAMPLE.find("[[person]]\nid = \"pan-xiaohe\"").unwrap();
        let next = EXAMPLE.find("[[person]]\nid = \"miao-yuntian\"").unwrap();
        let without = format!("{}{}", &EXAMPLE[..person], &EXAMPLE[next..]);
        let difference = between(wanted(&without), stored(wanted(EXAMPLE)), TODAY);
        let ended: Vec<&Step> = difference.steps.iter().collect();
        assert!(ended.len() == 2 && ended.iter().all(|step| step.kind == StepKind::End), "{difference}");
        assert_eq!(ended[0].resource["active"], json!(false));
        assert_eq!(ended[1].resource["period"]["end"], "2026-05-04");

        let mut after = stored(wanted(&without));
        after.extend(difference.steps.iter().map(|step| step.resource.clone()));
        assert!(between(wanted(&without), after.clone(), TODAY).steps.is_empty());
        // Whoever comes back is in use again.
        let back = between(wanted(EXAMPLE), after, TODAY);
        assert!(back.steps.iter().all(|step| step.kind == StepKind::Change && is_active(&step.resource)), "{back}");
        assert_eq!(back.steps.len(), 2);
    }

    #[test]
    fn what_a_file_cannot_say_is_left_as_it_is() {
        let mut resources = stored(wanted(EXAMPLE));
        let person = resources.iter_mut().find(|one| one["id"] == "shen-wanqing").unwrap();
        person["gender"] = json!("female");
        let desk = json!({ "system": "phone", "value": "0990-5550107", "use": "work" });
        person["telecom"].as_array_mut().unwrap().insert(0, desk);
        person["identifier"].as_array_mut().unwrap().insert(0, json!({ "system": "urn:other", "value": "7" }));
        person["meta"]["tag"].as_array_mut().unwrap().push(json!({ "system": "urn:other", "code": "t" }));
        assert!(between(wanted(EXAMPLE), resources.clone(), TODAY).steps.is_empty());

        let renamed = between(wanted(&EXAMPLE.replace("沈晚晴", "沈晚青")), resources, TODAY);
        let [step] = &renamed.steps[..] else { panic!("one change: {renamed}") };
        assert_eq!(step.resource["gender"], "female");
        assert_eq!(step.resource["telecom"].as_array().unwrap().len(), 2);
        assert_eq!(step.resource["identifier"].as_array().unwrap().len(), 2);
        assert_eq!(step.resource["meta"]["tag"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_consortium_reads_back_from_its_resources_as_the_file_it_came_from() {
        let consortium = file::read(EXAMPLE).unwrap();
        let back = resources::read("qingshan", &stored(wanted(EXAMPLE)), TODAY).unwrap();
        assert_eq!(back, consortium);
        assert_eq!(file::read(&show::written(&back)).unwrap(), consortium);
    }

    #[test]
    fn a_tie_that_was_ended_in_the_portal_does_not_come_back_with_the_file_of_the_record() {
        let consortium = file::read(EXAMPLE).unwrap();
        let count =
            |consortium: &file::Consortium| consortium.institutions.iter().map(|one| one.manages.len()).sum::<usize>();
        let mut resources = stored(wanted(EXAMPLE));
        let managed = |one: &&mut Value| one["code"][0]["coding"][0]["code"] == "direct-management";
        let tie = resources.iter_mut().find(managed).unwrap();
        tie["period"] = json!({ "end": "2026-05-03" });
        let back = resources::read("qingshan", &resources, TODAY).unwrap();
        assert_eq!(count(&back), count(&consortium) - 1);
        // Through its last day it holds.
        let tie = resources.iter_mut().find(managed).unwrap();
        tie["period"] = json!({ "end": "2026-05-04" });
        assert_eq!(count(&resources::read("qingshan", &resources, TODAY).unwrap()), count(&consortium));
    }
}
