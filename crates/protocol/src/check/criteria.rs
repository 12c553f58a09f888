//! What criteria name, and whether it is there.

use super::{Desk, ID};
use crate::criteria::{Criteria, Criterion};
use crate::definition::Protocol;
use crate::text::Reading;

impl<'a> Desk<'a> {
    pub(super) fn criteria(&mut self, reading: &'a Reading) {
        for (path, criteria) in &reading.criteria {
            self.path = path;
            self.rules(criteria);
        }
        self.differ(reading.criteria.iter().map(|(_, one)| &one.protocol), "file of criteria for");
    }

    fn rules(&mut self, criteria: &'a Criteria) {
        let known: Vec<&str> = self.protocols().map(|one| one.code.as_str()).collect();
        if !self.refers(&criteria.protocol, "protocol", known) {
            return;
        }
        let Some(protocol) = self.protocol_named(&criteria.protocol) else { return };
        self.differ(criteria.data.iter().map(|one| &one.code), "variable");
        for data in &criteria.data {
            self.name(&data.code, "variable", ID);
            self.query(&data.query);
        }
        if let Some(into) = &criteria.into {
            let forms = protocol.starts.iter().filter_map(|start| self.line.form(start.form.as_deref()?));
            let items: Vec<&str> = forms.flat_map(|form| form.all()).map(|item| item.code.as_str()).collect();
            self.refers(into, "item of a form that starts the protocol", items);
        }
        let mut variables = vec![("patient", "Patient")];
        variables.extend(criteria.data.iter().map(|data| (data.code.as_str(), super::path::found_by(&data.query))));
        self.differ(criteria.rules.iter().map(|one| &one.code), "criterion");
        for rule in &criteria.rules {
            self.rule(protocol, rule, &variables);
        }
    }

    fn rule(&mut self, protocol: &'a Protocol, rule: &'a Criterion, variables: &[(&str, &str)]) {
        self.name(&rule.code, "criterion", ID);
        self.words(&rule.code, &rule.title, "title");
        self.class(protocol, Some(&rule.class));
        let starts = protocol.starts.iter().filter_map(|start| start.code.as_deref());
        self.refers(&rule.start, "way to start", starts);
        self.expression(&rule.when, "Patient", variables);
        for path in &rule.evidence {
            self.expression(path, "Patient", variables);
        }
        if rule.evidence.is_empty() {
            self.error(&rule.code, format!("The criterion `{}` shows nothing; say its `evidence`.", rule.code));
        }
        if rule.source.trim().is_empty() {
            self.error(&rule.code, format!("Say in `source` where the criterion `{}` comes from.", rule.code));
        }
    }
}
