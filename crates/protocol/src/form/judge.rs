//! Whether a form is filled in as it asks to be.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use fhir::definitions::r4;
use fhir::path::{Environment, Expression, Item, Node, Terminology as _};
use fhir::terminology::{Source, Terminology};
use fhir::{Category, Error, Issue, IssueCode, Value};
use jiff::Timestamp;
use jiff::tz::Offset;
use sonic_rs::{JsonContainerTrait, JsonValueMutTrait, JsonValueTrait, json};

const VARIABLE: &str = "http://hl7.org/fhir/StructureDefinition/variable";
const SCORE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
const MIN: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
const MAX: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";
const TARGET: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource";
const CONSTRAINT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-constraint";
pub(super) const ENABLED: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression";
pub(super) const CALCULATED: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";

/// What a form is judged with besides itself.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Where its lists of codes are; a list that is not there is not held against an answer.
    pub source: &'a dyn Source,
    /// What its expressions may name: `patient`, `focus`, `run`, and the data of the protocol.
    pub variables: &'a [(&'a str, &'a Value)],
    /// The time, and where.
    pub now: (Timestamp, Offset),
}

/// Resources at hand as a source of lists.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Vec<Arc<Value>>);

impl Shelf {
    /// A shelf of `ValueSet` and `CodeSystem` resources.
    pub fn new(resources: impl IntoIterator<Item = Value>) -> Self {
        Self(resources.into_iter().map(Arc::new).collect())
    }
}

impl Source for Shelf {
    fn find(&self, resource_type: &str, url: &str, _: Option<&str>) -> Result<Option<Arc<Value>>, Error> {
        let is = |one: &&Arc<Value>| text(one, "resourceType") == Some(resource_type) && text(one, "url") == Some(url);
        Ok(self.0.iter().find(is).cloned())
    }
}

/// The canonicals of the value sets from which a form's answers are chosen.
pub fn lists(questionnaire: &Value) -> Vec<String> {
    fn walk(item: &Value, out: &mut BTreeSet<String>) {
        out.extend(text(item, "answerValueSet").map(str::to_owned));
        list(item, "item").iter().for_each(|inner| walk(inner, out));
    }
    let mut found = BTreeSet::new();
    walk(questionnaire, &mut found);
    found.into_iter().collect()
}

/// Judges a response to a form.
///
/// Whatever is answered must be asked, of the kind asked for, within its limits and of its list; a question that is not
/// asked has no answer. A response that is `completed` or `amended` also answers every required question that is asked,
/// and what is calculated says what follows from the rest: a total of what is not all answered is empty.
///
/// # Errors
/// Unprocessable, with everything that is wrong, each located; never with what was answered. An expression of the form
/// that cannot be evaluated is an error of the form.
pub fn judge(questionnaire: &Value, response: &Value, beside: &Beside<'_>) -> Result<(), Error> {
    let terminology = Terminology::new(beside.source);
    let mut issues = Vec::new();
    let mut scored = response.clone();
    score(&mut scored, "QuestionnaireResponse", &terminology, &mut issues)?;
    let env = environment(questionnaire, &scored, &terminology, beside)?;
    let is_whole = matches!(text(response, "status"), Some("completed" | "amended"));
    let mut judgement = Judgement { response: &scored, env, terminology, is_whole, issues };
    let (asked, given) = (text(questionnaire, "url"), text(response, "questionnaire"));
    if given.is_some_and(|given| given.split('|').next() != asked) {
        judgement.wrong(IssueCode::Value, "QuestionnaireResponse.questionnaire", "The response is to another form.");
    }
    judgement.items(list(questionnaire, "item"), list(&scored, "item"), "QuestionnaireResponse", true)?;
    if judgement.issues.is_empty() {
        return Ok(());
    }
    Err(Error::with_issues(Category::Unprocessable, judgement.issues))
}

/// What the expressions of a form may name, over a response whose coded answers have their scores.
pub(super) fn environment<'a>(
    questionnaire: &'a Value,
    scored: &'a Value,
    terminology: &'a Terminology<'a>,
    beside: &Beside<'a>,
) -> Result<Environment<'a>, Error> {
    let definitions = r4();
    let mut env = Environment::new(definitions).of(scored).knowing(terminology).at(beside.now.0, beside.now.1);
    for (name, value) in beside.variables {
        env = env.with(name, vec![Item::Node(Node::resource(definitions, value))]);
    }
    env = env.with("questionnaire", vec![Item::Node(Node::resource(definitions, questionnaire))]);
    for variable in extensions(questionnaire, VARIABLE).filter_map(|one| one.get("valueExpression")) {
        let (Some(name), Some(path)) = (text(variable, "name"), text(variable, "expression")) else { continue };
        let value = Expression::parse(path)?.evaluate(scored, &env)?;
        env = env.with(name, value);
    }
    Ok(env)
}

struct Judgement<'a> {
    response: &'a Value,
    env: Environment<'a>,
    terminology: Terminology<'a>,
    /// Whether it claims to be filled in; otherwise what is missing may still come.
    is_whole: bool,
    issues: Vec<Issue>,
}

impl Judgement<'_> {
    fn wrong(&mut self, code: IssueCode, place: &str, told: impl Into<String>) {
        self.issues.push(Issue::error(code, told).at(place));
    }

    /// The answers to some items. `enabled` is whether what they stand in is asked at all.
    fn items(&mut self, asked: &[Value], given: &[Value], place: &str, enabled: bool) -> Result<(), Error> {
        for (at, one) in given.iter().enumerate() {
            let known = text(one, "linkId").is_some_and(|id| asked.iter().any(|item| text(item, "linkId") == Some(id)));
            if !known {
                self.wrong(IssueCode::NotFound, &format!("{place}.item[{at}]"), "The form does not ask for this here.");
            }
        }
        for item in asked {
            let id = text(item, "linkId").unwrap_or_default();
            let mine = given.iter().enumerate().filter(|(_, one)| text(one, "linkId") == Some(id));
            let mine: Vec<(String, &Value)> = mine.map(|(at, one)| (format!("{place}.item[{at}]"), one)).collect();
            let enabled = enabled && self.is_enabled(item)?;
            if text(item, "type") == Some("group") {
                self.group(item, &mine, place, enabled)?;
            } else {
                self.question(item, &mine, place, enabled)?;
            }
        }
        Ok(())
    }

    fn is_enabled(&self, item: &Value) -> Result<bool, Error> {
        let Some(path) = formula(item, ENABLED) else { return Ok(true) };
        let found = Expression::parse(path)?.evaluate(self.response, &self.env)?;
        Ok(matches!(found.as_slice(), [one] if one.as_bool() == Some(true)))
    }

    fn group(&mut self, item: &Value, mine: &[(String, &Value)], place: &str, enabled: bool) -> Result<(), Error> {
        let repeats = flag(item, "repeats");
        if let Some((second, _)) = mine.get(1).filter(|_| !repeats) {
            self.wrong(IssueCode::Value, second, "This part of the form is there once.");
        }
        if mine.is_empty() && enabled {
            if flag(item, "required") {
                self.missing(item, place);
            }
            // A part that repeats may be there no time at all; any other is there even when nothing in it is answered.
            if !repeats {
                self.items(list(item, "item"), &[], place, enabled)?;
            }
        }
        for (inner, one) in mine {
            self.items(list(item, "item"), list(one, "item"), inner, enabled)?;
        }
        Ok(())
    }

    fn question(&mut self, item: &Value, mine: &[(String, &Value)], place: &str, enabled: bool) -> Result<(), Error> {
        let answers = mine.iter().flat_map(|(inner, one)| {
            list(one, "answer").iter().enumerate().map(move |(at, answer)| (format!("{inner}.answer[{at}]"), answer))
        });
        let answers: Vec<(String, &Value)> = answers.collect();
        if !enabled {
            if let Some((inner, _)) = answers.first() {
                self.wrong(IssueCode::BusinessRule, inner, "This is not asked as the other answers stand.");
            }
            return Ok(());
        }
        if answers.is_empty() && flag(item, "required") {
            self.missing(item, place);
        }
        if let Some((second, _)) = answers.get(1).filter(|_| !flag(item, "repeats")) {
            self.wrong(IssueCode::Value, second, "One answer is asked for here.");
        }
        for (inner, answer) in &answers {
            self.answer(item, answer, inner)?;
            self.items(list(item, "item"), list(answer, "item"), inner, enabled)?;
        }
        if self.is_whole
            && let Some(path) = formula(item, CALCULATED)
        {
            let place = answers.first().map_or(place, |(inner, _)| inner.as_str());
            self.calculated(item, path, place)?;
        }
        if let Some((inner, _)) = answers.first().filter(|_| self.is_whole) {
            self.rules(item, inner)?;
        }
        Ok(())
    }

    /// What must hold once a question is answered.
    fn rules(&mut self, item: &Value, place: &str) -> Result<(), Error> {
        for rule in extensions(item, CONSTRAINT) {
            let part = |name: &str| list(rule, "extension").iter().find(|part| text(part, "url") == Some(name));
            let severity = part("severity").and_then(|part| text(part, "valueCode"));
            let Some(path) = part("expression").and_then(|part| text(part, "valueString")) else { continue };
            let found = Expression::parse(path)?.evaluate(self.response, &self.env)?;
            let holds = matches!(found.as_slice(), [one] if one.as_bool() == Some(true));
            if !holds && severity != Some("warning") {
                let told = part("human").and_then(|part| text(part, "valueString")).unwrap_or(path);
                self.wrong(IssueCode::BusinessRule, place, told);
            }
        }
        Ok(())
    }

    fn missing(&mut self, item: &Value, place: &str) {
        if self.is_whole {
            let id = text(item, "linkId").unwrap_or_default();
            self.wrong(IssueCode::Required, place, format!("An answer to `{id}` is missing."));
        }
    }

    fn answer(&mut self, item: &Value, answer: &Value, place: &str) -> Result<(), Error> {
        let type_ = text(item, "type").unwrap_or_default();
        let Some(value) = members(type_).iter().find_map(|name| answer.get(name)) else {
            self.wrong(IssueCode::Value, place, format!("An answer of kind {type_} is asked for here."));
            return Ok(());
        };
        if let Some(most) = item.get("maxLength").and_then(|most| most.as_u64())
            && value.as_str().is_some_and(|text| text.chars().count() as u64 > most)
        {
            self.wrong(IssueCode::TooLong, place, format!("There is room for {most} characters here."));
        }
        for (url, word, beyond) in [(MIN, "least", Ordering::Less), (MAX, "most", Ordering::Greater)] {
            let limit = extensions(item, url).next();
            let limit = limit.and_then(|one| one.get("valueInteger").or_else(|| one.get("valueDecimal")));
            let order = limit.and_then(|limit| number(value)?.partial_cmp(&number(limit)?));
            if let Some(limit) = limit.filter(|_| order == Some(beyond)) {
                self.wrong(IssueCode::Value, place, format!("The {word} that can be is {limit}."));
            }
        }
        if let Some(reference) = text(value, "reference") {
            let mut targets = extensions(item, TARGET).filter_map(|one| text(one, "valueCode")).peekable();
            let type_ = reference.rsplit('/').nth(1).or_else(|| text(value, "type"));
            if targets.peek().is_some() && !targets.any(|target| type_ == Some(target)) {
                self.wrong(IssueCode::Value, place, "Another type of resource is asked for here.");
            }
        }
        if answer.get("valueCoding").is_some() {
            self.choice(item, value, place)?;
        }
        Ok(())
    }

    fn choice(&mut self, item: &Value, coding: &Value, place: &str) -> Result<(), Error> {
        let code = text(coding, "code").unwrap_or_default();
        let offered = list(item, "answerOption");
        let is_offered = |option: &Value| {
            let option = option.get("valueCoding");
            let is = |member| option.and_then(|option| text(option, member)) == text(coding, member);
            is("code") && is("system")
        };
        let fits = match text(item, "answerValueSet") {
            Some(set) => self.terminology.member_of(set, text(coding, "system"), code)?.unwrap_or(true),
            None => offered.is_empty() || offered.iter().any(is_offered),
        };
        if !fits {
            self.wrong(IssueCode::CodeInvalid, place, "The code is not one of those to choose from.");
        }
        Ok(())
    }

    /// What is calculated must be what follows. A number is that when it is the same to the digits that are kept.
    fn calculated(&mut self, item: &Value, path: &str, place: &str) -> Result<(), Error> {
        let id = text(item, "linkId").unwrap_or_default();
        let expected = Expression::parse(path)?.evaluate(self.response, &self.env)?;
        let given = Expression::parse("%resource.repeat(item | answer.item).where(linkId = %asked).answer.value")?;
        let asked = vec![Item::String(id.to_owned().into())];
        let given = given.evaluate(self.response, &self.env.clone().with("asked", asked))?;
        let is_none = expected.is_empty();
        let same = if given.is_empty() || is_none {
            given.is_empty() && is_none
        } else {
            let are_numbers =
                [&given, &expected].into_iter().all(|items| matches!(items.as_slice(), [one] if is_number(one)));
            let path = if are_numbers { "(%given - %expected).abs() <= 0.00000001" } else { "%given = %expected" };
            let env = self.env.clone().with("given", given).with("expected", expected);
            let same = Expression::parse(path)?.evaluate(self.response, &env)?;
            matches!(same.as_slice(), [one] if one.as_bool() == Some(true))
        };
        if !same {
            let told = if is_none {
                format!("`{id}` follows from other answers, and one of them is missing; it must be empty.")
            } else {
                format!("`{id}` is not what follows from the other answers.")
            };
            self.wrong(IssueCode::BusinessRule, place, told);
        }
        Ok(())
    }
}

/// The members of an answer in which a type of item may be answered.
/// <http://hl7.org/fhir/R4/valueset-item-type.html>
fn members(type_: &str) -> &'static [&'static str] {
    match type_ {
        "decimal" => &["valueDecimal"],
        "integer" => &["valueInteger"],
        "date" => &["valueDate"],
        "dateTime" => &["valueDateTime"],
        "time" => &["valueTime"],
        "boolean" => &["valueBoolean"],
        "choice" => &["valueCoding"],
        "open-choice" => &["valueCoding", "valueString"],
        "reference" => &["valueReference"],
        "attachment" => &["valueAttachment"],
        "quantity" => &["valueQuantity"],
        "url" => &["valueUri"],
        "display" | "group" => &[],
        _ => &["valueString"],
    }
}

/// Gives every coded answer the score its code has in its system. A score that a sender claims must be that one.
pub(super) fn score(
    value: &mut Value,
    place: &str,
    terminology: &Terminology<'_>,
    issues: &mut Vec<Issue>,
) -> Result<(), Error> {
    for name in ["item", "answer"] {
        let inner = value.get_mut(name).and_then(|list| list.as_array_mut());
        for (at, one) in inner.into_iter().flat_map(|list| list.iter_mut()).enumerate() {
            score(one, &format!("{place}.{name}[{at}]"), terminology, issues)?;
        }
    }
    let Some(coding) = value.get_mut("valueCoding") else { return Ok(()) };
    let (Some(system), Some(code)) = (text(coding, "system"), text(coding, "code")) else { return Ok(()) };
    let Some(resource) = terminology.find("CodeSystem", system)? else { return Ok(()) };
    let known = concept(list(&resource, "concept"), code);
    let known = known.and_then(|concept| extensions(concept, SCORE).next()?.get("valueDecimal"));
    if let Some(claimed) = extensions(coding, SCORE).next().map(|one| one.get("valueDecimal")) {
        let same = known.zip(claimed).is_some_and(|(known, claimed)| fhir::json::same(known, claimed));
        if !same {
            let told = "The code does not have the score that is given with it.";
            issues.push(Issue::error(IssueCode::Value, told).at(place));
        }
    } else if let Some(known) = known {
        let mut extensions = list(coding, "extension").to_vec();
        extensions.push(json!({ "url": SCORE, "valueDecimal": known.clone() }));
        if let Some(members) = coding.as_object_mut() {
            members.insert(&"extension", json!(extensions));
        }
    }
    Ok(())
}

fn concept<'v>(concepts: &'v [Value], code: &str) -> Option<&'v Value> {
    concepts
        .iter()
        .find_map(|one| if text(one, "code") == Some(code) { Some(one) } else { concept(list(one, "concept"), code) })
}

pub(super) fn formula<'v>(item: &'v Value, url: &str) -> Option<&'v str> {
    text(extensions(item, url).next()?.get("valueExpression")?, "expression")
}

fn is_number(item: &Item<'_>) -> bool {
    matches!(item.system(), Some(Item::Integer(_) | Item::Decimal(_)))
}

/// A number, to compare it with a limit.
fn number(value: &Value) -> Option<f64> {
    value.is_number().then(|| value.to_string().parse().ok()).flatten()
}

fn extensions<'v>(value: &'v Value, url: &str) -> impl Iterator<Item = &'v Value> {
    list(value, "extension").iter().filter(move |one| text(one, "url") == Some(url))
}

pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(|flag| flag.as_bool()) == Some(true)
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}
