//! What a protocol's documents name, and whether it is there.

use super::{Desk, ID};
use crate::definition::{Code, Document, Protocol, Row, Section};
use crate::form::{Form, Kind};

impl<'a> Desk<'a> {
    pub(super) fn documents(&mut self, protocol: &'a Protocol) {
        for document in &protocol.documents {
            self.name(&document.code, "document", ID);
            self.document(protocol, document);
        }
        self.differ(protocol.documents.iter().map(|one| &one.code), "document");
    }

    fn document(&mut self, protocol: &'a Protocol, document: &'a Document) {
        let code = &document.code;
        let mut variables = self.variables(protocol);
        self.words(code, &document.title, "title");
        if let Some(note) = &document.note {
            self.words(code, note, "note");
        }
        [Some(&document.issuer), document.to.as_ref()].into_iter().flatten().for_each(|role| self.role(protocol, role));
        for any in &document.requires {
            for code in any.split('|').map(str::trim).filter(|code| protocol.milestone(code).is_none()) {
                self.error(any, format!("There is no milestone `{code}`; write one, or take it out."));
            }
        }
        if let Some(when) = &document.when {
            self.expression(when, "Element", &variables);
        }
        variables.push(("answers", "QuestionnaireResponse"));
        if let Some(number) = &document.number {
            self.expression(number, "Element", &variables);
        }
        if document.sections.is_empty() {
            self.error(code, format!("The document `{code}` says nothing; write a [[document.section]]."));
        }
        self.differ(document.sections.iter().map(|one| &one.code), "section of this document");
        for section in &document.sections {
            self.section(protocol, section, &variables);
        }
        self.differ(document.signatures.iter().map(|one| &one.code), "signature on this document");
        for signature in &document.signatures {
            self.words(&signature.code, &signature.title, "title");
            if let Some(name) = &signature.name {
                self.expression(name, "Element", &variables);
            }
        }
    }

    fn section(&mut self, protocol: &'a Protocol, section: &'a Section, variables: &[(&str, &str)]) {
        let code = &section.code;
        if let Some(title) = &section.title {
            self.words(code, title, "title");
        }
        if section.rows.is_empty() {
            self.error(code, format!("The section `{code}` has no lines; write a [[document.section.row]]."));
        }
        if let (Some(_), Some(group)) = (&section.each, &section.group) {
            self.error(group, "A table is made of what an expression finds or of a group of a form, not of both.");
        }
        if let Some(each) = &section.each {
            self.expression(each, "Element", variables);
        }
        let group = section.group.as_ref().and_then(|group| self.asked(group));
        if let (Some(at), Some((_, item))) = (&section.group, &group)
            && item.kind != Kind::Group
        {
            self.error(at, format!("`{}` is no group; a table needs one that holds its columns.", item.code));
        }
        for row in &section.rows {
            self.row(protocol, section, group.map(|(form, _)| form), row, variables);
        }
    }

    fn row(
        &mut self,
        protocol: &'a Protocol,
        section: &'a Section,
        group: Option<&'a Form>,
        row: &'a Row,
        variables: &[(&str, &str)],
    ) {
        let said = [&row.value, &row.answer, &row.milestone, &row.role];
        let at = said.iter().find_map(|one| one.as_ref()).unwrap_or(&section.code);
        if said.iter().filter(|one| one.is_some()).count() != 1 {
            return self.error(at, "A line says one of `value`, `answer`, `milestone` and `role`.");
        }
        match &row.title {
            Some(title) => self.words(at, title, "title of the line"),
            None if row.value.is_some() => self.error(at, "A line with a `value` needs a `title`."),
            None => {}
        }
        let fits = match (&section.each, &section.group) {
            (Some(_), _) => row.value.is_some(),
            (None, Some(_)) => row.answer.is_some(),
            (None, None) => true,
        };
        if !fits {
            let told = "has columns by `value`, one of a group of a form by `answer`";
            return self.error(at, format!("A table of what an expression finds {told}."));
        }
        if let Some(path) = &row.value {
            // What the rows of a table are is known only when it is printed.
            self.expression(path, "Element", variables);
        }
        match (&row.answer, &section.group) {
            (Some(item), Some(_)) => {
                let known = group.into_iter().flat_map(Form::all).map(|item| item.code.as_str());
                if group.is_some() {
                    self.refers(item, "item of this form", known);
                }
            }
            (Some(path), None) => drop(self.asked(path)),
            (None, _) => {}
        }
        if let Some(code) = &row.milestone {
            self.refers(code, "milestone", protocol.milestones.iter().map(|one| one.code.as_str()));
        }
        if let Some(role) = &row.role {
            self.role(protocol, role);
        }
        if let Some(list) = &row.list {
            self.refers(list, "list", self.lists_of_line());
        }
    }

    /// The item of a form that `FORM.ITEM` names.
    fn asked(&mut self, path: &Code) -> Option<(&'a Form, &'a crate::form::Item)> {
        let Some((form, item)) = path.split_once('.') else {
            self.error(path, format!("`{path}` names no question; write FORM.ITEM."));
            return None;
        };
        let forms = self.line.forms.iter().chain(self.known.others.iter().flat_map(|line| &line.forms));
        let Some(form) = forms.clone().find(|one| one.code.as_str() == form) else {
            let near = crate::text::nearest(form, forms.map(|one| one.code.as_str()));
            let near = near.map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
            self.error(path, format!("There is no form `{form}`.{near}"));
            return None;
        };
        let all = form.all();
        let found = all.iter().find(|one| one.code.as_str() == item).copied();
        if found.is_none() {
            let near = crate::text::nearest(item, all.iter().map(|one| one.code.as_str()));
            let near = near.map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
            self.error(path, format!("The form `{}` has no item `{item}`.{near}", form.code));
        }
        found.map(|item| (form, item))
    }
}
