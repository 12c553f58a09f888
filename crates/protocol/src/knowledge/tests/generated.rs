//! Lines made by chance: what each says makes no sense, and every key is used.

use std::collections::BTreeMap;

use crate::criteria::{Criteria, Criterion};
use crate::definition::*;
use crate::form::{Form, Item, Kind, Number, Rule, Variable};
use crate::text::{Entry, Line, List};

/// A sequence of numbers that a seed decides (the generator of Knuth's MMIX).
pub(super) struct Chance(u64);

const WORDS: &[&str] = &["一", "二 三", "to \"quote\"", "back\\slash", "a\nb", "’", "x", "{}", "#", "0"];
const PATHS: &[&str] = &["true", "%focus.code.exists()", "status = 'a'", "code.coding.where(code = \"\\\\\").exists()"];

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.below(2);
        chance
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len());
        from[at].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.flag() { Some(make(self)) } else { None }
    }

    /// None to two.
    fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(3)).map(|_| make(self)).collect()
    }

    /// So many, each with a code of its own.
    fn each<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self, Code) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        let first = self.below(20);
        (0..count).map(|at| make(self, format!("c{}-{at}", first + at).as_str().into())).collect()
    }

    fn code(&mut self) -> Code {
        self.of(&["a", "each", "item", "zh", "x-1", "form", "role"]).into()
    }

    fn text(&mut self) -> String {
        format!("{}{}", self.of(WORDS), self.below(10))
    }

    fn path(&mut self) -> Code {
        self.of(PATHS).into()
    }

    fn words(&mut self) -> Words {
        Words { zh: self.text(), en: self.text() }
    }

    fn span(&mut self) -> Span {
        let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year];
        Span { amount: self.below(100) as u32 + 1, unit: self.of(&units) }
    }

    fn number(&mut self) -> Number {
        self.of(&["0", "-3", "2.5", "0.001", "100000"]).parse().unwrap()
    }

    fn map(&mut self) -> BTreeMap<String, Code> {
        self.some(|c| (c.code().to_string(), c.path())).into_iter().collect()
    }

    fn next(&mut self) -> Next {
        Next {
            protocol: self.code(),
            start: self.maybe(Self::code),
            class: self.maybe(Self::code),
            keep: self.some(Self::code),
            roles: self.map(),
            patient: self.maybe(Self::path),
            focus: self.maybe(Self::path),
        }
    }

    fn fact(&mut self) -> Fact {
        Fact {
            on: self.of(&["Encounter", "Observation"]).into(),
            when: self.maybe(Self::path),
            at: self.maybe(Self::path),
            until: self.some(Self::code),
            back: self.maybe(Self::span),
        }
    }

    fn start(&mut self) -> Start {
        let by = self.of(&[StartKind::Hand, StartKind::Event, StartKind::Schedule, StartKind::Protocol]);
        Start {
            code: self.maybe(Self::code),
            title: self.maybe(Self::words),
            by,
            form: self.maybe(Self::code),
            make: self.maybe(Self::code),
            duties: self.some(Self::code),
            on: self.maybe(|_| "Encounter".into()),
            when: self.maybe(Self::path),
            every: self.maybe(Self::span),
            query: self.maybe(Self::path),
            criterion: self.maybe(Self::code),
            class: self.maybe(Self::code),
            reach: self.some(Self::code),
        }
    }

    fn milestone(&mut self, code: Code) -> Milestone {
        Milestone {
            code,
            title: self.words(),
            patient: self.maybe(Self::words),
            facts: self.some(Self::fact),
            after: self.some(Self::code),
            status: self.maybe(Self::code),
            owner: self.maybe(Self::code),
            ends: self.maybe(|c| c.of(&[End::Completed, End::Rejected, End::Cancelled, End::Failed])),
            tell: self.some(Self::code),
            make: self.some(Self::code),
            begin: self.some(Self::next),
            switch: self.maybe(Self::code),
        }
    }

    fn step(&mut self, code: Code) -> Step {
        Step {
            code,
            title: self.words(),
            who: self.code(),
            classes: self.some(Self::code),
            requires: self.some(Self::code),
            again: self.some(Self::code),
            until: self.some(Self::code),
            when: self.maybe(Self::path),
            optional: self.flag(),
            skip: self.maybe(Self::code),
            form: self.maybe(Self::code),
            fact: self.maybe(Self::fact),
            acknowledgements: self.below(3) as u32,
            page: self.maybe(Self::flag),
            protocol: self.maybe(Self::next),
            automatic: self.flag(),
            begins: self.some(Self::code),
            reach: self.some(Self::code),
            outcomes: self.each(2, |c, code| Outcome {
                code,
                title: c.words(),
                classes: c.some(Self::code),
                reach: c.some(Self::code),
                reasons: c.maybe(Self::code),
                form: c.maybe(Self::code),
                when: c.maybe(Self::path),
                most: c.below(3) as u32,
                bind: c.map(),
                class: c.maybe(Self::code),
            }),
        }
    }

    fn clock(&mut self, code: Code) -> Clock {
        Clock {
            code,
            title: self.words(),
            from: self.code(),
            to: vec![self.code()],
            base: self.maybe(Self::path),
            calendar: self.maybe(Self::code),
            pauses: self.some(|c| Pause { from: c.code(), to: c.code() }),
            limits: self.some(|c| Limit {
                class: c.maybe(Self::code),
                target: c.maybe(Self::span),
                warn: c.maybe(Self::span),
                breach: c.span(),
                always: c.flag(),
                source: c.maybe(Self::text),
            }),
            rungs: self.some(|c| Rung {
                at: c.of(&[RungKind::Begin, RungKind::Target, RungKind::Warn, RungKind::Breach]),
                classes: c.some(Self::code),
                plus: c.maybe(Self::span),
                tell: c.some(Self::code),
                hand: c.maybe(Self::code),
                reach: c.some(Self::code),
            }),
        }
    }

    fn indicator(&mut self, code: Code) -> Indicator {
        let kinds = [
            IndicatorKind::Count,
            IndicatorKind::Share,
            IndicatorKind::Ratio,
            IndicatorKind::Median,
            IndicatorKind::P90,
        ];
        Indicator {
            code,
            title: self.words(),
            kind: self.of(&kinds),
            having: self.some(Self::code),
            without: self.some(Self::code),
            classes: self.some(Self::code),
            reached: self.some(Self::code),
            clock: self.maybe(Self::code),
            within: self.maybe(Self::span),
            needs: self.each(2, |c, code| Need {
                code,
                title: c.words(),
                clock: c.maybe(Self::code),
                within: c.maybe(Self::span),
                reached: c.some(Self::code),
                missed: c.some(Self::code),
            }),
            weigh: self.maybe(|c| Weigh { above: c.code(), below: c.code() }),
            events: self.maybe(Self::counted),
            per: self.maybe(Self::counted),
            scale: self.maybe(|c| c.below(1_000) as u32),
            goal: self.maybe(|c| c.below(100) as u32),
            less: self.flag(),
            source: self.maybe(Self::text),
        }
    }

    fn counted(&mut self) -> Counted {
        Counted { query: self.path(), date: self.code(), organization: self.maybe(Self::code) }
    }

    fn calendar(&mut self, code: Code) -> Calendar {
        Calendar {
            code,
            days: vec![Weekday::Mon, self.of(&[Weekday::Tue, Weekday::Sun])],
            from: TimeOfDay("08:00".parse().unwrap()),
            until: TimeOfDay("17:30".parse().unwrap()),
            holidays: self.some(|c| Day(c.of(&["2026-10-01", "2027-02-06"]).parse().unwrap())),
            worked: self.some(|_| Day("2026-10-10".parse().unwrap())),
        }
    }

    fn document(&mut self, code: Code) -> Document {
        Document {
            code,
            title: self.words(),
            paper: self.of(&[PaperSize::A4, PaperSize::A5]),
            issuer: self.code(),
            to: self.maybe(Self::code),
            requires: self.some(Self::code),
            when: self.maybe(Self::path),
            number: self.maybe(Self::path),
            patient: self.flag(),
            sections: self.each(3, |c, code| Section {
                code,
                title: c.maybe(Self::words),
                each: c.maybe(Self::path),
                group: c.maybe(Self::code),
                optional: c.flag(),
                rows: c.some(|c| Row {
                    title: c.maybe(Self::words),
                    value: Some(c.path()),
                    answer: c.maybe(Self::code),
                    milestone: c.maybe(Self::code),
                    role: c.maybe(Self::code),
                    list: c.maybe(Self::code),
                    wide: c.flag(),
                    optional: c.flag(),
                }),
            }),
            signatures: self.each(2, |c, code| Signature {
                code,
                title: c.words(),
                name: c.maybe(Self::path),
                dated: c.flag(),
            }),
            note: self.maybe(Self::words),
        }
    }

    fn protocol(&mut self, code: Code) -> Protocol {
        Protocol {
            code,
            version: self.of(&["1", "1.2", "10"]).to_owned(),
            title: self.words(),
            purpose: self.maybe(Self::words),
            sources: self.some(Self::text),
            focus: self.maybe(|_| "ServiceRequest".into()),
            classes: self.each(2, |c, code| Class {
                code,
                title: c.words(),
                priority: "stat".into(),
                make: c.some(Self::code),
            }),
            class_from: self.maybe(Self::path),
            roles: self.each(3, |c, code| Role {
                code,
                title: c.words(),
                party: c.of(&[PartyKind::Institution, PartyKind::Person, PartyKind::Patient, PartyKind::System]),
                duties: c.some(Self::code),
                bind: c.maybe(Self::path),
                otherwise: c.maybe(Self::code),
                optional: c.flag(),
                call: c.maybe(Self::code),
            }),
            calendars: self.each(1, Self::calendar),
            starts: self.some(Self::start),
            cancel: self.maybe(|c| Cancel {
                who: vec![c.code()],
                reasons: c.maybe(Self::code),
                until: c.some(Self::code),
                reach: c.some(Self::code),
            }),
            traits: self.each(2, |c, code| Trait {
                code,
                title: c.words(),
                list: c.maybe(Self::code),
                value: c.path(),
            }),
            data: self.each(2, |c, code| Data { code, query: c.path() }),
            milestones: self.each(4, Self::milestone),
            steps: self.each(4, Self::step),
            clocks: self.each(2, Self::clock),
            series: self.each(1, |c, code| Series {
                code,
                issuer: c.code(),
                prefix: c.maybe(Self::path),
                pattern: "{prefix}-{serial:4}".into(),
            }),
            activities: self.each(2, |c, code| Activity {
                code,
                title: c.maybe(Self::words),
                create: c.maybe(|c| c.of(&["ServiceRequest", "Communication"]).into()),
                change: c.maybe(Self::code),
                adopt: c.maybe(|c| Adopt { from: c.path(), when: c.maybe(Self::path) }),
                when: c.maybe(Self::path),
                set: c.some(|c| Assignment {
                    path: "status".into(),
                    value: c.path(),
                    set: c.some(|c| Element { path: "detail.status".into(), value: c.path() }),
                }),
            }),
            indicators: self.each(3, Self::indicator),
            summaries: self.each(1, |c, code| Summary { code, title: c.words(), value: c.path() }),
            documents: self.each(2, Self::document),
            migrations: self.some(|c| Migration {
                from: c.text(),
                steps: c.map(),
                milestones: c.map(),
                clocks: c.map(),
                activities: c.map(),
            }),
        }
    }

    fn item(&mut self, code: Code, depth: usize) -> Item {
        let kinds = [Kind::String, Kind::Text, Kind::Number, Kind::Integer, Kind::Date, Kind::Choice, Kind::YesNo];
        let is_group = depth == 0 && self.below(4) == 0;
        let kind = if is_group { Kind::Group } else { self.of(&kinds) };
        let choice = kind == Kind::Choice;
        let outer = code.clone();
        let mut item = Item {
            code,
            title: self.words(),
            kind,
            required: self.flag(),
            repeats: self.flag(),
            read_only: self.flag(),
            hidden: self.flag(),
            list: if choice { Some(self.of(&["places", "http://example.org/a"]).into()) } else { None },
            other: choice && self.flag(),
            types: self.some(|c| c.of(&["Patient", "Practitioner"]).into()),
            unit: self.maybe(|_| "mm[Hg]".to_owned()),
            min: self.maybe(Self::number),
            max: self.maybe(Self::number),
            length: if kind == Kind::Text { Some(200) } else { None },
            when: self.maybe(Self::path),
            initial: self.maybe(Self::path),
            calculated: self.maybe(Self::path),
            total: self.some(Self::code),
            rules: self.some(|c| Rule { holds: c.path(), told: c.words() }),
            help: self.maybe(Self::words),
            source: self.maybe(Self::text),
            ..Item::default()
        };
        if depth < 2 && (is_group || self.below(4) == 0) {
            item.items = vec![self.item(format!("{outer}-in").as_str().into(), depth + 1)];
        }
        item
    }

    pub(super) fn line(&mut self) -> Line {
        Line {
            protocols: self.each(2, Self::protocol),
            forms: self.each(2, |c, code| Form {
                code,
                title: c.words(),
                purpose: c.maybe(Self::words),
                sources: c.some(Self::text),
                variables: c.each(2, |c, code| Variable { code, value: c.path() }),
                items: c.each(4, |c, code| c.item(code, 0)),
            }),
            lists: self.each(2, |c, code| List {
                code,
                title: c.words(),
                source: c.maybe(Self::text),
                entries: c.each(3, |c, code| Entry { code, title: c.words(), score: c.maybe(Self::number) }),
            }),
            criteria: self.each(2, |c, code| Criteria {
                protocol: format!("rules-{code}").as_str().into(),
                into: c.maybe(Self::code),
                data: c.each(2, |c, code| Data { code, query: c.path() }),
                rules: c.each(3, |c, code| Criterion {
                    code,
                    title: c.words(),
                    start: c.code(),
                    class: c.code(),
                    when: c.path(),
                    evidence: c.some(Self::path),
                    sensitive: c.maybe(Self::code),
                    source: c.text(),
                }),
            }),
        }
        .in_order()
    }
}
