//! Forms and lists.

use std::collections::BTreeSet;

use fhir::definitions::r4;

use super::{Desk, ID, RESERVED};
use crate::definition::{Code, Protocol, Words};
use crate::form::{Form, Item, Kind};
use crate::text::Reading;

impl<'a> Desk<'a> {
    pub(super) fn lists(&mut self, reading: &'a Reading) {
        let used = self.used_lists();
        self.path = "codes.toml";
        self.differ(reading.lists.iter().map(|(_, list)| &list.code), "list");
        for (_, list) in &reading.lists {
            self.name(&list.code, "list", ID);
            self.words(&list.code, &list.title, "title");
            if RESERVED.contains(&list.code.as_str()) {
                let told = "is a code system of the platform's own; give the list another code";
                self.error(&list.code, format!("`{}` {told}.", list.code));
            }
            if self.known.others.iter().any(|line| line.list(&list.code).is_some()) {
                self.error(&list.code, format!("Another line has a list `{}`; give this one another code.", list.code));
            }
            if list.entries.is_empty() {
                self.error(&list.code, format!("The list `{}` has no entries, so nothing can be chosen.", list.code));
            }
            self.differ(list.entries.iter().map(|entry| &entry.code), "code in this list");
            for entry in &list.entries {
                self.words(&entry.code, &entry.title, "title");
                let bare = entry.code.trim() == entry.code.as_str() && !entry.code.contains("  ");
                if entry.code.is_empty() || !bare {
                    self.error(&entry.code, "A code has no spaces around it and is not empty.");
                }
            }
            if !used.contains(list.code.as_str()) {
                self.warning(&list.code, format!("Nothing asks for a code of `{}`; take the list out.", list.code));
            }
        }
    }

    fn used_lists(&self) -> BTreeSet<&'a str> {
        let mut used = BTreeSet::new();
        for protocol in &self.line.protocols {
            used.extend(protocol.steps.iter().filter_map(|step| step.skip.as_deref()));
            let outcomes = protocol.steps.iter().flat_map(|step| &step.outcomes);
            used.extend(outcomes.filter_map(|outcome| outcome.reasons.as_deref()));
            used.extend(protocol.cancel.iter().filter_map(|cancel| cancel.reasons.as_deref()));
            let rows = protocol.documents.iter().flat_map(|one| &one.sections).flat_map(|section| &section.rows);
            used.extend(rows.filter_map(|row| row.list.as_deref()));
        }
        for form in &self.line.forms {
            used.extend(form.all().into_iter().filter_map(|item| item.list.as_deref()));
        }
        // The states of a run are codes of a list that is called for its protocol.
        let states = self.line.lists.iter().map(|list| list.code.as_str());
        used.extend(states.filter(|code| {
            let named = code.strip_suffix("-status");
            named.is_some_and(|named| self.line.protocols.iter().any(|one| one.code.as_str() == named))
        }));
        // Activities write codes and facts are told by codes by the address of their system.
        let values: Vec<&str> = self.line.protocols.iter().flat_map(super::protocol::expressions).collect();
        used.extend(
            self.lists_of_line()
                .filter(|code| values.iter().any(|value| value.contains(&format!("/CodeSystem/{code}'")))),
        );
        used
    }

    pub(super) fn forms(&mut self, reading: &'a Reading) {
        for (path, form) in &reading.forms {
            self.path = path;
            self.name(&form.code, "form", ID);
            self.words(&form.code, &form.title, "title");
            if let Some(purpose) = &form.purpose {
                self.words(&form.code, purpose, "purpose");
            }
            if self.known.others.iter().any(|line| line.form(&form.code).is_some()) {
                self.error(&form.code, format!("Another line has a form `{}`; give this one another code.", form.code));
            }
            let asking: Vec<&Protocol> = self.line.protocols.iter().filter(|one| asks(one, &form.code)).collect();
            if asking.is_empty() {
                let told = "No step and no start asks for this form, so nobody fills it in and nobody reads its answers; \
                            name it in a protocol or take it out.";
                self.warning(&form.code, told);
            }
            let all = form.all();
            self.differ(all.iter().map(|item| &item.code), "item");
            let mut variables: Vec<(&str, &str)> = vec![
                ("patient", "Patient"),
                ("run", "Task"),
                ("questionnaire", "Questionnaire"),
                ("resource", RESPONSE),
            ];
            variables.push(("focus", one_type(asking.iter().map(|one| one.focus.as_deref()))));
            variables.extend(asking.iter().flat_map(|one| &one.data).map(|data| (data.code.as_str(), "Element")));
            variables.extend(asking.iter().flat_map(|one| &one.roles).map(|role| (role.code.as_str(), "Reference")));
            for variable in &form.variables {
                self.expression(&variable.value, RESPONSE, &variables);
                variables.push((&variable.code, "Element"));
            }
            for item in all {
                self.item(form, item, &variables);
            }
        }
    }

    fn item(&mut self, form: &'a Form, item: &'a Item, variables: &[(&str, &str)]) {
        let code = &item.code;
        if code.is_empty() || code.contains(char::is_whitespace) {
            self.error(code, "The code of an item is not empty and has no spaces.");
        }
        let unseen = item.hidden && item.title == Words::default();
        if !unseen {
            self.words(code, &item.title, "title");
        }
        if let Some(help) = &item.help {
            self.words(code, help, "help");
        }
        for path in [&item.when, &item.calculated].into_iter().flatten() {
            self.expression(path, RESPONSE, variables);
        }
        if let Some(initial) = &item.initial {
            self.expression(initial, "Element", variables);
        }
        for rule in &item.rules {
            self.expression(&rule.holds, RESPONSE, variables);
            self.words(&rule.holds, &rule.told, "text of the rule");
        }
        self.kind(item);
        for name in &item.types {
            self.refers(name, "type of resource", r4().resource_types().iter().copied());
        }
        if let Some(list) = item.list.as_ref().filter(|list| !list.contains(':')) {
            self.refers(list, "list", self.lists_of_line());
        }
        for part in &item.total {
            let known = form.all().into_iter().map(|other| other.code.as_str());
            if self.refers(part, "item", known.filter(|other| *other != code.as_str())) {
                self.adds_up(form, item, part);
            }
        }
    }

    /// What its kind asks of an item, and forbids it.
    fn kind(&mut self, item: &Item) {
        let code = &item.code;
        let answered = !matches!(item.kind, Kind::Group | Kind::Display);
        let is_number = matches!(item.kind, Kind::Number | Kind::Integer);
        let kinds: &[(bool, &str)] = &[
            (item.kind == Kind::Choice && item.list.is_none(), "is a choice and needs a `list`"),
            (item.kind != Kind::Choice && item.list.is_some(), "has a `list` and must be a choice"),
            (item.kind != Kind::Choice && item.other, "can take something else only as a choice"),
            (item.kind != Kind::Reference && !item.types.is_empty(), "has `types` and must be a reference"),
            (item.kind == Kind::Group && item.items.is_empty(), "is a group and needs items"),
            (item.kind == Kind::Display && !item.items.is_empty(), "is only read and cannot have items"),
            (item.kind == Kind::Display && (item.required || item.repeats), "is only read and cannot be required"),
            (!is_number && (item.min.is_some() || item.max.is_some()), "has limits and must be a number"),
            (!is_number && item.unit.is_some(), "has a unit and must be a number"),
            (!is_number && !item.total.is_empty(), "is a total and must be a number"),
            (
                item.length.is_some() && !matches!(item.kind, Kind::String | Kind::Text),
                "has a length and must be a string or text",
            ),
            (!answered && (item.initial.is_some() || item.calculated.is_some()), "takes no answer and cannot have one"),
            (!answered && !item.rules.is_empty(), "takes no answer of which something must hold"),
            (item.calculated.is_some() && !item.total.is_empty(), "is a total; take `calculated` out"),
        ];
        for (wrong, told) in kinds {
            if *wrong {
                self.error(code, format!("`{code}` {told}."));
            }
        }
        let number = |limit: &Option<crate::form::Number>| limit.as_ref()?.as_str().parse::<f64>().ok();
        if let (Some(min), Some(max)) = (number(&item.min), number(&item.max))
            && min > max
        {
            self.error(code, format!("The least that `{code}` can be is more than the most; exchange them."));
        }
    }

    /// A part of a total has a number, or a score for at least one of its codes.
    fn adds_up(&mut self, form: &Form, total: &Item, part: &Code) {
        let Some(item) = form.all().into_iter().find(|one| one.code == *part) else { return };
        let scored = item.list.as_deref().is_none_or(|code| {
            self.line.list(code).is_none_or(|list| list.entries.iter().any(|entry| entry.score.is_some()))
        });
        if !matches!(item.kind, Kind::Number | Kind::Integer | Kind::Choice) || !scored {
            let told = "has neither a number nor a score; give the entries of its list scores";
            self.error(part, format!("`{part}` cannot be added up in `{}`: it {told}.", total.code));
        }
    }
}

const RESPONSE: &str = "QuestionnaireResponse";

/// Whether a protocol asks for a form.
fn asks(protocol: &Protocol, form: &str) -> bool {
    let outcomes = protocol.steps.iter().flat_map(|step| &step.outcomes);
    let steps = protocol.steps.iter().filter_map(|step| step.form.as_deref());
    let starts = protocol.starts.iter().filter_map(|start| start.form.as_deref());
    steps.chain(outcomes.filter_map(|outcome| outcome.form.as_deref())).chain(starts).any(|asked| asked == form)
}

/// The type all agree on, or any.
fn one_type<'t>(mut types: impl Iterator<Item = Option<&'t str>>) -> &'t str {
    let first = types.next().flatten();
    if types.all(|other| other == first) { first.unwrap_or("Element") } else { "Element" }
}
