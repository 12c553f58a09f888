//! What follows from the answers to a form, put where it belongs.

use std::collections::{BTreeMap, BTreeSet};

use fhir::path::{Environment, Expression, Item};
use fhir::terminology::Terminology;
use fhir::{Error, Value, json};
use sonic_rs::{JsonContainerTrait, JsonValueMutTrait, JsonValueTrait, Object};

use super::judge::{Beside, CALCULATED, ENABLED, environment, flag, formula, list, score, text};

/// The most digits behind the point that are kept of a number that was worked out.
/// <http://hl7.org/fhirpath/N1/#decimal>
const DIGITS: u32 = 8;

/// Answers by the item they answer.
type Answers = BTreeMap<String, Vec<Value>>;

/// A response with everything in it that follows from what was answered: each item that is calculated, is asked as the
/// answers stand and was not sent has its answer. Items that follow from others that follow are worked out as well. What
/// was sent is left as it is, and so is whatever is part of something that repeats; [`judge`](super::judge) looks at both.
///
/// An expression that gives nothing, as that of a total does while one of its items has no answer, leaves its item empty.
///
/// # Errors
/// When an expression of the form cannot be evaluated.
pub fn fill(questionnaire: &Value, response: &Value, beside: &Beside<'_>) -> Result<Value, Error> {
    let mut wanted = calculated(list(questionnaire, "item"));
    let sent = answered(response);
    wanted.retain(|id| !sent.contains_key(id));
    let mut filled = response.clone();
    // Each round works out at least one more item that needs no other, unless they go round in circles, and then whoever
    // judges the form says so.
    for _ in 0..=wanted.len() {
        let answers = follow(questionnaire, &filled, &wanted, beside)?;
        let mut next = response.clone();
        put(&mut next, list(questionnaire, "item"), &answers);
        if json::same(&next, &filled) {
            break;
        }
        filled = next;
    }
    if json::same(&filled, response) {
        return Ok(response.clone());
    }
    let mut text = Vec::new();
    put_in_order(&filled, &mut text)?;
    json::parse(&text)
}

/// The members of a response, of its items and of their answers as FHIR orders them; `value[x]` stands where nothing is.
/// <http://hl7.org/fhir/R4/questionnaireresponse.html>
const ORDER: [&str; 24] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "basedOn",
    "partOf",
    "questionnaire",
    "status",
    "subject",
    "encounter",
    "authored",
    "author",
    "source",
    "linkId",
    "definition",
    "text",
    "",
    "answer",
    "item",
];

/// Writes a response in the order of its members, which a tree that was changed does not keep.
fn put_in_order(part: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    let place = |name: &str| {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let other = ORDER.iter().position(|one| one.is_empty());
        ORDER.iter().position(|one| *one == plain).or(other).unwrap_or_default()
    };
    let Some(object) = part.as_object() else {
        out.extend_from_slice(&json::to_bytes(part));
        return Ok(());
    };
    let mut members: Vec<(&str, &Value)> = object.iter().collect();
    members.sort_by_key(|(name, _)| (place(name), name.trim_start_matches('_'), name.starts_with('_')));
    out.push(b'{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name).map_err(Error::fault)?;
        out.push(b':');
        match (name, value.as_array()) {
            ("item" | "answer", Some(parts)) => {
                out.push(b'[');
                for (at, one) in parts.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    put_in_order(one, out)?;
                }
                out.push(b']');
            }
            _ => out.extend_from_slice(&json::to_bytes(value)),
        }
    }
    out.push(b'}');
    Ok(())
}

/// Whether a response that is kept is one that was sent, with nothing more than what follows from it.
pub(super) fn is_filled(questionnaire: &Value, kept: &Value, sent: &Value) -> bool {
    let (given, mut following) = (answered(sent), answered(kept));
    let wanted = calculated(list(questionnaire, "item"));
    following.retain(|id, _| wanted.contains(id) && !given.contains_key(id));
    let mut whole = sent.clone();
    put(&mut whole, list(questionnaire, "item"), &following);
    match (whole.get("item"), kept.get("item")) {
        (Some(whole), Some(kept)) => json::same(whole, kept),
        (None, None) => true,
        _ => false,
    }
}

/// The items that are calculated and part of nothing that repeats.
fn calculated(asked: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in asked.iter().filter(|item| !holds_several(item)) {
        if formula(item, CALCULATED).is_some() {
            found.extend(text(item, "linkId").map(str::to_owned));
        }
        found.append(&mut calculated(list(item, "item")));
    }
    found
}

/// Whether there can be several of what stands within an item.
fn holds_several(item: &Value) -> bool {
    flag(item, "repeats") && !list(item, "item").is_empty()
}

/// The answers there are.
fn answered(response: &Value) -> Answers {
    fn walk(holder: &Value, found: &mut Answers) {
        for item in list(holder, "item") {
            let answers = list(item, "answer");
            if let (Some(id), false) = (text(item, "linkId"), answers.is_empty()) {
                found.entry(id.to_owned()).or_default().extend_from_slice(answers);
            }
            answers.iter().for_each(|answer| walk(answer, found));
            walk(item, found);
        }
    }
    let mut found = Answers::new();
    walk(response, &mut found);
    found
}

/// What follows from a response as it stands.
fn follow(
    questionnaire: &Value,
    response: &Value,
    wanted: &BTreeSet<String>,
    beside: &Beside<'_>,
) -> Result<Answers, Error> {
    let terminology = Terminology::new(beside.source);
    let mut scored = response.clone();
    // A score that is claimed wrongly is told by whoever judges the form.
    score(&mut scored, "QuestionnaireResponse", &terminology, &mut Vec::new())?;
    let env = environment(questionnaire, &scored, &terminology, beside)?;
    let mut found = Answers::new();
    Follower { response: &scored, env, wanted }.items(list(questionnaire, "item"), &mut found)?;
    Ok(found)
}

struct Follower<'a> {
    response: &'a Value,
    env: Environment<'a>,
    wanted: &'a BTreeSet<String>,
}

impl Follower<'_> {
    fn items(&self, asked: &[Value], found: &mut Answers) -> Result<(), Error> {
        for item in asked.iter().filter(|item| !holds_several(item)) {
            let asks = match formula(item, ENABLED) {
                Some(path) => self.evaluate(path, |items| matches!(items, [one] if one.as_bool() == Some(true)))?,
                None => true,
            };
            if !asks {
                continue;
            }
            let id = text(item, "linkId").unwrap_or_default();
            if let Some(path) = formula(item, CALCULATED).filter(|_| self.wanted.contains(id)) {
                let type_ = text(item, "type").unwrap_or_default();
                let answers: Vec<Value> =
                    self.evaluate(path, |items| items.iter().filter_map(|one| answer(type_, one)).collect())?;
                if !answers.is_empty() {
                    found.insert(id.to_owned(), answers);
                }
            }
            self.items(list(item, "item"), found)?;
        }
        Ok(())
    }

    fn evaluate<T>(&self, path: &str, read: impl Fn(&[Item<'_>]) -> T) -> Result<T, Error> {
        Ok(read(&Expression::parse(path)?.evaluate(self.response, &self.env)?))
    }
}

/// An answer of the kind an item asks for; none when what was found is of another kind.
fn answer(type_: &str, found: &Item<'_>) -> Option<Value> {
    let digits = |digits: &str| json::parse(digits.as_bytes()).ok();
    let words = || found.to_text().map(|words| Value::from(words.as_ref()));
    let tree = |member: &str| found.node().and_then(|node| node.value()).filter(|value| text(value, member).is_some());
    let (member, value) = match (type_, found.system()) {
        ("boolean", Some(Item::Boolean(flag))) => ("valueBoolean", Some(Value::from(flag))),
        ("integer", Some(Item::Integer(number))) => ("valueInteger", digits(&number.to_string())),
        // A score is a decimal number in FHIR, and a sum of scores is a whole one.
        ("integer", Some(Item::Decimal(number))) => {
            let whole: Option<i64> = number.normalize().to_string().parse().ok();
            ("valueInteger", whole.and_then(|whole| digits(&whole.to_string())))
        }
        ("decimal", Some(Item::Integer(number))) => ("valueDecimal", digits(&number.to_string())),
        ("decimal", Some(Item::Decimal(number))) => ("valueDecimal", digits(&number.round_dp(DIGITS).to_string())),
        ("date", Some(Item::Date(_))) => ("valueDate", words()),
        ("dateTime", Some(Item::DateTime(_) | Item::Date(_))) => ("valueDateTime", words()),
        ("time", Some(Item::Time(_))) => ("valueTime", words()),
        ("string" | "text" | "open-choice", Some(Item::String(_))) => ("valueString", words()),
        ("url", Some(Item::String(_))) => ("valueUri", words()),
        ("choice" | "open-choice", None) => ("valueCoding", tree("code").cloned()),
        ("reference", None) => ("valueReference", tree("reference").cloned()),
        _ => return None,
    };
    let mut answer = Value::new_object();
    answer.as_object_mut()?.insert(&member, value?);
    Some(answer)
}

/// Puts answers where their items stand, in the order of the form; a part of it that is not there yet is made.
fn put(holder: &mut Value, asked: &[Value], answers: &Answers) {
    for (at, item) in asked.iter().enumerate().filter(|(_, item)| !holds_several(item)) {
        let inner = list(item, "item");
        if text(item, "type") == Some("group") {
            if holds(inner, answers)
                && let Some(group) = entry(holder, asked, at)
            {
                put(group, inner, answers);
            }
            continue;
        }
        let mine = text(item, "linkId").and_then(|id| answers.get(id));
        if mine.is_none() && !holds(inner, answers) {
            continue;
        }
        if let Some(mine) = mine
            && let Some(question) = entry(holder, asked, at).and_then(|question| question.as_object_mut())
        {
            question.insert(&"answer", Value::from(mine.as_slice()));
        }
        // What stands within a question is asked once that is answered.
        if let Some(first) = first_answer(holder, item) {
            put(first, inner, answers);
        }
    }
}

/// Whether answers belong to some of the items or what stands within them.
fn holds(asked: &[Value], answers: &Answers) -> bool {
    asked.iter().filter(|item| !holds_several(item)).any(|item| {
        text(item, "linkId").is_some_and(|id| answers.contains_key(id)) || holds(list(item, "item"), answers)
    })
}

/// Where an item stands among those that are given.
fn place(holder: &Value, item: &Value) -> Option<usize> {
    list(holder, "item").iter().position(|one| text(one, "linkId") == text(item, "linkId"))
}

fn first_answer<'v>(holder: &'v mut Value, item: &Value) -> Option<&'v mut Value> {
    let at = place(holder, item)?;
    let question = holder.get_mut("item")?.as_array_mut()?.get_mut(at)?;
    question.get_mut("answer")?.as_array_mut()?.first_mut()
}

/// What is given for one of the items that are asked, made in its place when there is none.
fn entry<'v>(holder: &'v mut Value, asked: &[Value], at: usize) -> Option<&'v mut Value> {
    let item = &asked[at];
    let known = place(holder, item);
    let next = known.unwrap_or_else(|| {
        let given = list(holder, "item");
        let is_later = |one: &Value| asked[at..].iter().any(|later| text(later, "linkId") == text(one, "linkId"));
        given.iter().position(is_later).unwrap_or(given.len())
    });
    if holder.get("item").is_none() {
        holder.as_object_mut()?.insert(&"item", Value::new_array());
    }
    let given = holder.get_mut("item")?.as_array_mut()?;
    if known.is_none() {
        let mut new = Object::new();
        new.insert(&"linkId", item.get("linkId")?.clone());
        given.insert(next, new);
    }
    given.get_mut(next)
}
