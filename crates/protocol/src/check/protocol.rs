//! What a protocol names, and whether it is there.

use std::collections::{BTreeMap, BTreeSet};

use fhir::definitions::r4;
use jiff::tz::Offset;
use record::DUTIES;

use super::path::made_by;
use super::{Desk, ID, MILESTONE, STEP};
use crate::definition::{
    Clock, Code, Fact, Indicator, IndicatorKind, Limit, Migration, Next, PartyKind, Protocol, Role, RungKind, Span,
    Start, StartKind, Step,
};
use crate::text::Reading;

/// The priorities of a Task. <http://hl7.org/fhir/R4/valueset-request-priority.html>
const PRIORITIES: &[&str] = &["routine", "urgent", "asap", "stat"];

impl<'a> Desk<'a> {
    pub(super) fn protocol(&mut self, protocol: &'a Protocol) {
        self.names(protocol);
        self.beginning(protocol);
        self.roles(protocol);
        for milestone in &protocol.milestones {
            self.milestone(protocol, milestone);
        }
        for step in &protocol.steps {
            self.step(protocol, step);
        }
        for clock in &protocol.clocks {
            self.clock(protocol, clock);
        }
        for activity in &protocol.activities {
            self.activity(protocol, activity);
        }
        for indicator in &protocol.indicators {
            self.indicator(protocol, indicator);
        }
        let variables = self.variables(protocol);
        for summary in &protocol.summaries {
            self.words(&summary.code, &summary.title, "title");
            self.expression(&summary.value, "Element", &variables);
        }
        self.documents(protocol);
        self.held(protocol);
        self.reach(protocol);
        self.circles(protocol);
        self.migrations(protocol);
    }

    /// Codes, and what things are called.
    fn names(&mut self, protocol: &Protocol) {
        // Parts are stored under `PROTOCOL-PART-VERSION`.
        let room = ID.saturating_sub(protocol.version.len() + "-".len());
        self.name(&protocol.code, "protocol", room);
        let version = &protocol.version;
        if version.is_empty()
            || !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        {
            self.error(&protocol.code, "The version is made of digits, letters, points and hyphens, such as 1.2.");
        }
        self.words(&protocol.code, &protocol.title, "title");
        if let Some(purpose) = &protocol.purpose {
            self.words(&protocol.code, purpose, "purpose");
        }
        let part = room.saturating_sub(protocol.code.len() + "-".len());
        let codes: [(&str, usize, Vec<&Code>); 11] = [
            ("class", ID, protocol.classes.iter().map(|one| &one.code).collect()),
            ("role", ID, protocol.roles.iter().map(|one| &one.code).collect()),
            ("calendar", ID, protocol.calendars.iter().map(|one| &one.code).collect()),
            ("variable", ID, protocol.data.iter().map(|one| &one.code).collect()),
            ("milestone", MILESTONE, protocol.milestones.iter().map(|one| &one.code).collect()),
            ("step", STEP, protocol.steps.iter().map(|one| &one.code).collect()),
            ("clock", ID, protocol.clocks.iter().map(|one| &one.code).collect()),
            ("activity", part, protocol.activities.iter().map(|one| &one.code).collect()),
            ("indicator", part, protocol.indicators.iter().map(|one| &one.code).collect()),
            ("trait", ID, protocol.traits.iter().map(|one| &one.code).collect()),
            ("series", ID, protocol.series.iter().map(|one| &one.code).collect()),
        ];
        for (what, most, codes) in codes {
            for code in &codes {
                self.name(code, what, most);
            }
            self.differ(codes, what);
        }
        if let Some(focus) = &protocol.focus {
            self.refers(focus, "type of resource", r4().resource_types().iter().copied());
        }
        for series in &protocol.series {
            self.role(protocol, &series.issuer);
            if let Some(prefix) = &series.prefix {
                self.expression(prefix, "Organization", &[]);
            }
            if series.digits().is_none() {
                self.error(&series.pattern, "A number has one serial of 1 to 12 digits; write {serial:4}.");
            }
        }
        for class in &protocol.classes {
            self.words(&class.code, &class.title, "title");
            self.refers(&class.priority, "priority", PRIORITIES.iter().copied());
            class.make.iter().for_each(|make| self.activity_named(protocol, make));
        }
    }

    /// How runs begin and how they are taken back, and what conditions look up.
    fn beginning(&mut self, protocol: &'a Protocol) {
        let focus = protocol.focus.as_deref().unwrap_or("Element");
        let variables = self.variables(protocol);
        if let Some(class) = &protocol.class_from {
            self.expression(class, focus, &variables);
        }
        for data in &protocol.data {
            self.query(&data.query);
        }
        for one in &protocol.traits {
            self.words(&one.code, &one.title, "title");
            self.expression(&one.value, "Element", &variables);
            self.reasons(one.list.as_ref());
        }
        let begun = self.protocols().any(|other| nexts(other).any(|next| next.protocol == protocol.code));
        if protocol.starts.is_empty() && !begun {
            self.warning(
                &protocol.code,
                "Nothing starts a run of this; write a [[start]], or begin it in another protocol.",
            );
        }
        for start in &protocol.starts {
            self.start(protocol, start, &variables);
        }
        if let Some(cancel) = &protocol.cancel {
            cancel.who.iter().for_each(|role| self.role(protocol, role));
            cancel.until.iter().chain(&cancel.reach).for_each(|code| self.reaches(protocol, code));
            self.reasons(cancel.reasons.as_ref());
        }
    }

    fn start(&mut self, protocol: &Protocol, start: &Start, variables: &[(&str, &str)]) {
        let at = start.code.as_ref().or(start.on.as_ref()).or(start.duties.first()).unwrap_or(&protocol.code);
        if let Some(title) = &start.title {
            self.words(at, title, "title of a start");
        }
        match start.by {
            StartKind::Hand if start.duties.is_empty() => {
                self.warning(at, "Nobody may start this by hand; name the `duties` that may.");
            }
            StartKind::Event if start.on.is_none() => {
                self.error(at, "A start by an event says `on` which type of resource.");
            }
            StartKind::Schedule if start.every.is_none() || start.query.is_none() => {
                self.error(at, "A start by a schedule says `every` how long, and for what by a `query`.");
            }
            _ => {}
        }
        start.duties.iter().for_each(|duty| self.duty(duty));
        if let Some(on) = &start.on {
            self.refers(on, "type of resource", r4().resource_types().iter().copied());
        }
        if let Some(when) = &start.when {
            self.expression(when, start.on.as_deref().unwrap_or("Element"), variables);
        }
        if let Some(query) = &start.query {
            self.query(query);
        }
        if let Some(criterion) = &start.criterion {
            self.criterion_named(start, criterion);
        }
        self.form_named(start.form.as_ref());
        self.class(protocol, start.class.as_ref());
        start.make.iter().for_each(|make| self.activity_named(protocol, make));
        start.reach.iter().for_each(|code| self.reaches(protocol, code));
        if matches!(start.by, StartKind::Event | StartKind::Schedule) {
            for role in protocol.roles.iter().filter(|role| !role.optional && !is_bound(protocol, role)) {
                let told =
                    "nobody is there to say who that is; give it a `bind`, an `otherwise`, or make it `optional`";
                self.error(
                    at,
                    format!("This begins by itself, and its role `{}` is bound to nobody: {told}.", role.code),
                );
            }
        }
    }

    /// The rule by which something begins.
    fn criterion_named(&mut self, start: &Start, criterion: &Code) {
        if !matches!(start.by, StartKind::Event | StartKind::Schedule) {
            self.error(criterion, "Only what begins by an event or a schedule has a `criterion`.");
        }
        let all = std::iter::once(self.line).chain(self.known.others).flat_map(|line| &line.criteria);
        let rules = all.flat_map(|one| one.rules.iter().map(|rule| (format!("{}.{}", one.protocol, rule.code), rule)));
        let rules: Vec<_> = rules.collect();
        if !self.refers(criterion, "criterion", rules.iter().map(|(name, _)| name.as_str())) {
            return;
        }
        if rules.iter().any(|(name, rule)| name == criterion.as_str() && rule.sensitive.is_some()) {
            let told = "everybody who takes part sees the run, and not everybody may see its evidence";
            self.error(criterion, format!("`{criterion}` is sensitive and begins nothing: {told}."));
        }
    }

    fn roles(&mut self, protocol: &Protocol) {
        let mut used: BTreeSet<&str> = protocol.steps.iter().map(|step| step.who.as_str()).collect();
        let tells = protocol.milestones.iter().flat_map(|one| one.tell.iter().chain(&one.owner));
        used.extend(tells.map(Code::as_str));
        let rungs = protocol.clocks.iter().flat_map(|clock| &clock.rungs);
        used.extend(rungs.flat_map(|rung| rung.tell.iter().chain(&rung.hand)).map(Code::as_str));
        used.extend(protocol.roles.iter().filter_map(|role| role.otherwise.as_deref()));
        used.extend(protocol.cancel.iter().flat_map(|cancel| &cancel.who).map(Code::as_str));
        used.extend(nexts(protocol).flat_map(|next| next.roles.values()).map(Code::as_str));
        used.extend(
            protocol.documents.iter().flat_map(|one| [Some(&one.issuer), one.to.as_ref()]).flatten().map(Code::as_str),
        );
        let named = expressions(protocol);
        used.extend(protocol.roles.iter().map(|role| role.code.as_str()).filter(|code| {
            named.iter().any(|path| path.contains(&format!("%{code}")) || path.contains(&format!("%`{code}`")))
        }));
        let focus = protocol.focus.as_deref().unwrap_or("Element");
        let variables = self.variables(protocol);
        for role in &protocol.roles {
            self.words(&role.code, &role.title, "title");
            role.duties.iter().for_each(|duty| self.duty(duty));
            let does = protocol.steps.iter().any(|step| step.who == role.code && !step.automatic);
            let many = matches!(role.party, PartyKind::Institution | PartyKind::Team);
            if does && many && role.duties.is_empty() && role.otherwise.is_none() {
                let told = "has no `duties`, so nobody there may do its steps; name those who may";
                self.error(&role.code, format!("The role `{}` {told}.", role.code));
            }
            if !used.contains(role.code.as_str()) {
                let told = "does nothing, is told nothing and owns nothing; take it out";
                self.warning(&role.code, format!("The role `{}` {told}.", role.code));
            }
            if let Some(bind) = &role.bind {
                self.expression(bind, focus, &variables);
            }
            if let Some(otherwise) = &role.otherwise {
                self.role(protocol, otherwise);
                let next = |code: &str| protocol.role(code).and_then(|role| role.otherwise.as_deref());
                let steps = std::iter::successors(Some(otherwise.as_str()), |code| next(code));
                if steps.take(protocol.roles.len() + 1).any(|code| code == role.code.as_str()) {
                    self.error(otherwise, format!("`{}` falls back to itself; end the circle at one role.", role.code));
                }
            }
        }
    }

    fn milestone(&mut self, protocol: &'a Protocol, milestone: &'a crate::definition::Milestone) {
        self.words(&milestone.code, &milestone.title, "title");
        if let Some(patient) = &milestone.patient {
            self.words(&milestone.code, patient, "text for the patient");
        }
        milestone.facts.iter().for_each(|fact| self.fact(protocol, fact));
        milestone.after.iter().for_each(|code| self.reaches(protocol, code));
        milestone.tell.iter().chain(&milestone.owner).for_each(|role| self.role(protocol, role));
        milestone.make.iter().for_each(|make| self.activity_named(protocol, make));
        milestone.begin.iter().for_each(|next| self.next(protocol, next));
        if let Some(switch) = &milestone.switch {
            self.protocol_is_there(switch);
        }
        let states = format!("{}-status", protocol.code);
        if let (Some(status), Some(list)) = (&milestone.status, self.line.list(&states)) {
            self.refers(status, &format!("entry of `{states}`"), list.entries.iter().map(|entry| entry.code.as_str()));
        }
    }

    fn step(&mut self, protocol: &'a Protocol, step: &'a Step) {
        let variables = self.variables(protocol);
        self.words(&step.code, &step.title, "title");
        self.role(protocol, &step.who);
        step.classes.iter().for_each(|class| self.class(protocol, Some(class)));
        for any in &step.requires {
            let known = protocol.milestones.iter().map(|one| one.code.as_str());
            if any.contains('|') {
                let wrong = any.split('|').map(str::trim).filter(|code| protocol.milestone(code).is_none());
                for code in wrong.collect::<Vec<_>>() {
                    self.error(any, format!("There is no milestone `{code}`; write one, or take it out."));
                }
            } else {
                self.refers(any, "milestone", known);
            }
        }
        for any in &step.requires {
            if any.split('|').all(|code| step.until.iter().any(|until| until.as_str() == code.trim())) {
                let told = "which makes it unnecessary; take one of the two out";
                self.error(
                    any,
                    format!("The step `{}` can never be done, because it needs `{any}`, {told}.", step.code),
                );
            }
        }
        let milestones = step.again.iter().chain(&step.until).chain(&step.begins).chain(&step.reach);
        milestones.for_each(|code| self.reaches(protocol, code));
        if let Some(when) = &step.when {
            self.expression(when, "Element", &variables);
        }
        self.reasons(step.skip.as_ref());
        self.form_named(step.form.as_ref());
        if let Some(fact) = &step.fact {
            self.fact(protocol, fact);
        }
        if let Some(next) = &step.protocol {
            self.next(protocol, next);
        }
        if step.automatic && (step.form.is_some() || !step.outcomes.is_empty()) {
            let told = "The platform does this step by itself, so nobody fills in a form or chooses an outcome.";
            self.error(&step.code, told);
        }
        self.differ(step.outcomes.iter().map(|one| &one.code), "outcome");
        for outcome in &step.outcomes {
            self.name(&outcome.code, "outcome", ID);
            self.words(&outcome.code, &outcome.title, "title");
            outcome.classes.iter().chain(&outcome.class).for_each(|class| self.class(protocol, Some(class)));
            outcome.reach.iter().for_each(|code| self.reaches(protocol, code));
            if let Some(when) = &outcome.when {
                self.expression(when, "Element", &variables);
            }
            self.reasons(outcome.reasons.as_ref());
            self.form_named(outcome.form.as_ref());
            for (role, path) in &outcome.bind {
                if protocol.role(role).is_none() {
                    self.error(path, format!("There is no role `{role}` to bind."));
                }
                self.expression(path, "Element", &variables);
            }
        }
    }

    fn clock(&mut self, protocol: &Protocol, clock: &Clock) {
        self.words(&clock.code, &clock.title, "title");
        clock.to.iter().chain([&clock.from]).for_each(|code| self.reaches(protocol, code));
        if clock.to.is_empty() {
            self.error(
                &clock.code,
                format!("The clock `{}` never stops; say `to` which milestone it runs.", clock.code),
            );
        }
        clock.pauses.iter().flat_map(|pause| [&pause.from, &pause.to]).for_each(|code| self.reaches(protocol, code));
        if let Some(calendar) = &clock.calendar {
            self.refers(calendar, "calendar", protocol.calendars.iter().map(|one| one.code.as_str()));
        }
        if let Some(base) = &clock.base {
            let variables = self.variables(protocol);
            self.expression(base, "Element", &variables);
        }
        let mut classes = BTreeSet::new();
        for limit in &clock.limits {
            self.class(protocol, limit.class.as_ref());
            if !classes.insert(limit.class.as_deref()) {
                let at = limit.class.as_ref().unwrap_or(&clock.code);
                self.error(at, format!("The clock `{}` has two limits for the same runs; take one out.", clock.code));
            }
            self.limit(clock, limit);
        }
        for rung in &clock.rungs {
            rung.tell.iter().chain(&rung.hand).for_each(|role| self.role(protocol, role));
            rung.classes.iter().for_each(|class| self.class(protocol, Some(class)));
            rung.reach.iter().for_each(|code| self.reaches(protocol, code));
            let has = |limit: &Limit| match rung.at {
                RungKind::Begin => true,
                RungKind::Target => limit.target.is_some(),
                RungKind::Warn => limit.warn.is_some(),
                RungKind::Breach => true,
            };
            if rung.at != RungKind::Begin && !clock.limits.iter().any(has) {
                let word = format!("{:?}", rung.at).to_lowercase();
                let told = format!("A rung of `{}` counts from the {word}, and no limit has one.", clock.code);
                self.error(rung.tell.first().or(rung.hand.as_ref()).unwrap_or(&clock.code), told);
            }
        }
    }

    fn limit(&mut self, clock: &Clock, limit: &Limit) {
        let length = |span: Span| span.after(0, Offset::UTC);
        let all = [("target", limit.target), ("warn", limit.warn), ("breach", Some(limit.breach))];
        let there: Vec<(&str, Span)> = all.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
        for pair in there.windows(2) {
            let [(before, shorter), (after, longer)] = pair else { continue };
            if length(*shorter) > length(*longer) {
                let at = limit.class.as_ref().unwrap_or(&clock.code);
                let told = format!("the {before} of {shorter} comes after the {after} of {longer}; put them in order");
                self.error(at, format!("In a limit of `{}`, {told}.", clock.code));
            }
        }
    }

    fn activity(&mut self, protocol: &Protocol, activity: &crate::definition::Activity) {
        if let Some(title) = &activity.title {
            self.words(&activity.code, title, "title");
        }
        match (&activity.create, &activity.change) {
            (Some(create), None) => {
                self.refers(create, "type of resource", r4().resource_types().iter().copied());
            }
            (None, Some(change)) if change.as_str() != "focus" => {
                self.activity_named(protocol, change);
            }
            (None, Some(_)) => {}
            _ => {
                let told = "either creates a type of resource or changes something that is there";
                self.error(&activity.code, format!("The activity `{}` {told}; say which.", activity.code));
            }
        }
        let variables = self.variables(protocol);
        if let Some(adopt) = &activity.adopt {
            self.expression(&adopt.from, "Element", &variables);
            if let Some(when) = &adopt.when {
                self.expression(when, made_by(protocol, activity), &variables);
            }
            if activity.create.is_none() {
                let told = "takes something over, which stands in for what is created; say what it creates";
                self.error(&adopt.from, format!("The activity `{}` {told}.", activity.code));
            }
        }
        if let Some(when) = &activity.when {
            self.expression(when, "Element", &variables);
        }
        for set in &activity.set {
            let made = made_by(protocol, activity);
            self.expression(&set.value, "Element", &variables);
            let Some(item) = self.place(&set.path, made) else { continue };
            for inner in &set.set {
                self.expression(&inner.value, "Element", &variables);
                self.place(&inner.path, item);
            }
            if !set.set.is_empty() && set.path.ends_with(']') {
                let told = "is one item of a list, and what has elements of its own becomes the whole list; leave the number out";
                self.error(&set.path, format!("`{}` {told}.", set.path));
            }
        }
    }

    fn indicator(&mut self, protocol: &Protocol, indicator: &Indicator) {
        self.words(&indicator.code, &indicator.title, "title");
        let milestones = indicator.having.iter().chain(&indicator.without).chain(&indicator.reached);
        milestones.for_each(|code| self.reaches(protocol, code));
        indicator.classes.iter().for_each(|class| self.class(protocol, Some(class)));
        if let Some(clock) = &indicator.clock {
            self.refers(clock, "clock", protocol.clocks.iter().map(|one| one.code.as_str()));
        }
        for number in indicator.weigh.iter().flat_map(|weigh| [&weigh.above, &weigh.below]) {
            self.refers(number, "trait", protocol.traits.iter().map(|one| one.code.as_str()));
        }
        self.differ(indicator.needs.iter().map(|need| &need.code), "need of this indicator");
        for need in &indicator.needs {
            self.words(&need.code, &need.title, "title");
            need.reached.iter().chain(&need.missed).for_each(|code| self.reaches(protocol, code));
            if let Some(clock) = &need.clock {
                self.refers(clock, "clock", protocol.clocks.iter().map(|one| one.code.as_str()));
            }
            if need.clock.is_none() && need.reached.is_empty() {
                let told = "asks for nothing; name a clock, or milestones that are reached";
                self.error(&need.code, format!("The need `{}` {told}.", need.code));
            }
        }
        if !indicator.needs.is_empty()
            && (indicator.kind != IndicatorKind::Share
                || indicator.clock.is_some()
                || !indicator.reached.is_empty()
                || indicator.weigh.is_some())
        {
            let told = "asks for several things, which only a share does, and says them all as needs";
            return self.error(&indicator.code, format!("The indicator `{}` {told}.", indicator.code));
        }
        if indicator.weigh.is_some()
            && (indicator.kind != IndicatorKind::Share || indicator.clock.is_some() || !indicator.reached.is_empty())
        {
            let told = "weighs numbers of runs, which only a share does that counts no runs";
            return self.error(&indicator.code, format!("The indicator `{}` {told}.", indicator.code));
        }
        for counted in indicator.events.iter().chain(&indicator.per) {
            self.query(&counted.query);
            let type_ = counted.query.split('?').next().unwrap_or_default();
            for parameter in std::iter::once(&counted.date).chain(&counted.organization) {
                self.parameter(parameter, type_);
            }
        }
        if indicator.kind != IndicatorKind::Ratio
            && (indicator.events.is_some() || indicator.per.is_some() || indicator.scale.is_some())
        {
            let told = "counts in the record or for so many, which only a ratio does";
            return self.error(&indicator.code, format!("The indicator `{}` {told}.", indicator.code));
        }
        let told = match indicator.kind {
            IndicatorKind::Ratio if indicator.events.is_some() && indicator.per.is_none() => {
                "counts in the record above the line only; say below it too what `per` is"
            }
            IndicatorKind::Ratio if indicator.per.is_some() => return,
            IndicatorKind::Share
                if indicator.reached.is_empty()
                    && indicator.clock.is_none()
                    && indicator.weigh.is_none()
                    && indicator.needs.is_empty() =>
            {
                "is a share; say by `reached`, `clock`, `need` or `weigh` what counts"
            }
            IndicatorKind::Ratio if indicator.reached.is_empty() => {
                "is a ratio; say by `reached` what stands above the line"
            }
            IndicatorKind::Median | IndicatorKind::P90 if indicator.clock.is_none() => {
                "is a time; say by `clock` which"
            }
            _ => return,
        };
        self.error(&indicator.code, format!("The indicator `{}` {told}.", indicator.code));
    }

    fn fact(&mut self, protocol: &Protocol, fact: &Fact) {
        self.refers(&fact.on, "type of resource", r4().resource_types().iter().copied());
        let variables = self.variables(protocol);
        for path in fact.when.iter().chain(&fact.at) {
            self.expression(path, &fact.on, &variables);
        }
        fact.until.iter().for_each(|code| self.reaches(protocol, code));
    }

    fn next(&mut self, protocol: &Protocol, next: &Next) {
        for path in next.focus.iter().chain(&next.patient) {
            let variables = self.variables(protocol);
            self.expression(path, "Element", &variables);
        }
        next.roles.values().for_each(|role| self.role(protocol, role));
        next.keep.iter().for_each(|code| self.reaches(protocol, code));
        if !self.protocol_is_there(&next.protocol) {
            return;
        }
        let Some(other) = self.protocol_named(&next.protocol) else { return };
        for (role, at) in &next.roles {
            if other.role(role).is_none() {
                self.error(at, format!("The protocol `{}` has no role `{role}`.", other.code));
            }
        }
        next.keep.iter().for_each(|code| self.reaches(other, code));
        self.class(other, next.class.as_ref());
        if let Some(start) = &next.start {
            self.refers(start, "start", other.starts.iter().filter_map(|one| one.code.as_deref()));
        }
        for role in other.roles.iter().filter(|role| !role.optional && role.bind.is_none() && role.otherwise.is_none())
        {
            let bound = next.roles.contains_key(role.code.as_str()) || protocol.role(&role.code).is_some();
            if !bound && !matches!(role.party, PartyKind::Patient | PartyKind::System) {
                let told = format!("its role `{}` is bound to nobody; name it in `roles`", role.code);
                self.error(&next.protocol, format!("When `{}` begins, {told}.", other.code));
            }
        }
    }

    fn protocol_is_there(&mut self, code: &Code) -> bool {
        self.refers(code, "protocol", self.protocols().map(|one| one.code.as_str()))
    }

    pub(super) fn reaches(&mut self, protocol: &Protocol, code: &Code) {
        self.refers(code, "milestone", protocol.milestones.iter().map(|one| one.code.as_str()));
    }

    pub(super) fn role(&mut self, protocol: &Protocol, code: &Code) {
        self.refers(code, "role", protocol.roles.iter().map(|one| one.code.as_str()));
    }

    pub(super) fn class(&mut self, protocol: &Protocol, code: Option<&Code>) {
        if let Some(code) = code {
            self.refers(code, "class", protocol.classes.iter().map(|one| one.code.as_str()));
        }
    }

    fn activity_named(&mut self, protocol: &Protocol, code: &Code) {
        self.refers(code, "activity", protocol.activities.iter().map(|one| one.code.as_str()));
    }

    fn form_named(&mut self, code: Option<&Code>) {
        if let Some(code) = code {
            self.refers(code, "form", self.forms_of_line());
        }
    }

    fn reasons(&mut self, list: Option<&Code>) {
        if let Some(list) = list {
            self.refers(list, "list", self.lists_of_line());
        }
    }

    fn duty(&mut self, duty: &Code) {
        self.refers(duty, "duty", DUTIES.iter().map(|duty| duty.code));
    }

    /// Each version of a protocol is there once.
    pub(super) fn versions(&mut self, reading: &'a Reading) {
        let mut seen = BTreeSet::new();
        for (path, protocol) in &reading.protocols {
            self.path = path;
            if !seen.insert((protocol.code.as_str(), protocol.version.as_str())) {
                let told = format!("Version {} of `{}` is there already.", protocol.version, protocol.code);
                self.error(&protocol.code, told);
            }
            let elsewhere = self.known.others.iter().any(|line| line.protocol(&protocol.code).is_some());
            if elsewhere {
                let told = format!("Another line has a protocol `{}`; give this one another code.", protocol.code);
                self.error(&protocol.code, told);
            }
        }
    }

    /// A run that goes on under a later version finds its steps, milestones and clocks there.
    fn migrations(&mut self, protocol: &Protocol) {
        for migration in &protocol.migrations {
            let earlier = self.protocols().find(|one| one.code == protocol.code && one.version == migration.from);
            let Some(earlier) = earlier else {
                let told = format!("Version {} is not in this folder", migration.from);
                self.warning(
                    &protocol.code,
                    format!("{told}, so nobody can tell whether its runs all find their steps."),
                );
                continue;
            };
            let (before, after) = (earlier, protocol);
            self.renamed(protocol, migration, "step", &migration.steps, codes(&before.steps), codes(&after.steps));
            let milestones = (codes(&before.milestones), codes(&after.milestones));
            self.renamed(protocol, migration, "milestone", &migration.milestones, milestones.0, milestones.1);
            self.renamed(protocol, migration, "clock", &migration.clocks, codes(&before.clocks), codes(&after.clocks));
            self.made(protocol, migration, earlier);
        }
    }

    /// What activities made is found under the names they have now. One that is gone may have been left out for good.
    fn made(&mut self, protocol: &Protocol, migration: &Migration, earlier: &Protocol) {
        let from = &migration.from;
        for (old, new) in &migration.activities {
            if earlier.activity(old).is_none() {
                self.error(new, format!("Version {from} has no activity `{old}`."));
            }
            self.activity_named(protocol, new);
        }
        let creates = earlier.activities.iter().filter(|one| one.create.is_some());
        let gone = creates.map(|one| one.code.as_str()).filter(|code| protocol.activity(code).is_none());
        for code in gone.filter(|code| !migration.activities.contains_key(*code)) {
            let told = format!("what the activity `{code}` of version {from} made is found by nothing here");
            let told = format!("When a run goes on under this version, {told}; say what it is called now, if it is.");
            self.warning(&protocol.code, told);
        }
    }

    /// Everything of one kind that there was is there, by its name or by the one it has now.
    fn renamed(
        &mut self,
        protocol: &Protocol,
        migration: &Migration,
        what: &str,
        renamed: &BTreeMap<String, Code>,
        before: Vec<&str>,
        after: Vec<&str>,
    ) {
        let from = &migration.from;
        for (old, new) in renamed {
            if !before.contains(&old.as_str()) {
                self.error(new, format!("Version {from} has no {what} `{old}`."));
            }
            self.refers(new, what, after.iter().copied());
        }
        for lost in before.iter().filter(|old| !after.contains(old) && !renamed.contains_key(**old)) {
            let told = format!("the {what} `{lost}` of version {from} is not here");
            let told = format!("When a run goes on under this version, {told}; say in the migration what it is now.");
            self.error(&protocol.code, told);
        }
    }
}

/// Something with a code.
trait Coded {
    fn code(&self) -> &str;
}

macro_rules! coded {
    ($($type_:ty),*) => {
        $(impl Coded for $type_ {
            fn code(&self) -> &str {
                &self.code
            }
        })*
    };
}

coded!(Step, Clock, crate::definition::Milestone);

fn codes<T: Coded>(all: &[T]) -> Vec<&str> {
    all.iter().map(Coded::code).collect()
}

/// Whether somebody takes a role, or the one it falls back to, by what the protocol itself says.
fn is_bound(protocol: &Protocol, role: &Role) -> bool {
    let next = |role: &&'_ Role| role.otherwise.as_deref().and_then(|code| protocol.role(code));
    let mut roles = std::iter::successors(Some(role), next).take(protocol.roles.len() + 1);
    roles.any(|role| role.bind.is_some() || matches!(role.party, PartyKind::Patient | PartyKind::System))
}

/// The protocols a protocol begins.
pub(super) fn nexts(protocol: &Protocol) -> impl Iterator<Item = &Next> {
    let steps = protocol.steps.iter().filter_map(|step| step.protocol.as_ref());
    protocol.milestones.iter().flat_map(|milestone| &milestone.begin).chain(steps)
}

/// All FHIRPath of a protocol.
pub(super) fn expressions(protocol: &Protocol) -> Vec<&str> {
    let mut all: Vec<&Code> = protocol.activities.iter().flat_map(crate::definition::Activity::values).collect();
    let adopted = protocol.activities.iter().filter_map(|one| one.adopt.as_ref());
    all.extend(adopted.flat_map(|adopt| adopt.when.iter().chain([&adopt.from])));
    all.extend(protocol.steps.iter().filter_map(|step| step.when.as_ref()));
    all.extend(protocol.summaries.iter().map(|one| &one.value));
    all.extend(protocol.traits.iter().map(|one| &one.value));
    all.extend(protocol.clocks.iter().filter_map(|clock| clock.base.as_ref()));
    let facts = protocol.milestones.iter().flat_map(|one| &one.facts);
    let facts = facts.chain(protocol.steps.iter().filter_map(|step| step.fact.as_ref()));
    all.extend(facts.flat_map(|fact| fact.when.iter().chain(&fact.at)));
    all.into_iter().map(Code::as_str).collect()
}
