//! Runs as documents to be printed.

use std::collections::{BTreeMap, BTreeSet};

use fhir::path::Item;
use fhir::{Error, Value, json};
use record::{SearchRequest, Session};
use serde::Serialize;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::scene::{self, About, Scene};
use super::{Engine, Standing};
use crate::definition::{Code, Document, PaperSize, Row, Section, Words};
use crate::form::{self, Form};
use crate::knowledge;
use crate::run::Run;
use crate::task;
use crate::text::List;
use crate::view::Moment;

/// A document as it is to be printed: everything in it, in both languages where there are both.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Printed {
    /// Its code.
    pub code: String,
    /// What stands at its head.
    pub title: Words,
    /// What it is printed on.
    pub paper: PaperSize,
    /// The number people know it by.
    pub number: String,
    /// Who issues it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The class of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Words>,
    /// What it says.
    pub sections: Vec<Part>,
    /// Who signs it.
    pub signatures: Vec<Signing>,
    /// What stands small below everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Words>,
}

/// Lines that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its code.
    pub code: String,
    /// What stands above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Words>,
    /// Its lines.
    #[serde(flatten)]
    pub lines: Lines,
}

/// A line for each thing, or a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Lines {
    /// A line for each.
    List {
        /// The lines.
        lines: Vec<Line>,
    },
    /// A table.
    Table {
        /// What stands above its columns.
        columns: Vec<Words>,
        /// Row by row, column by column, what stands there.
        rows: Vec<Vec<Vec<Shown>>>,
    },
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it is called.
    pub title: Words,
    /// What it says; nothing where that is to be written in by hand.
    pub values: Vec<Shown>,
    /// It takes the whole width.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
}

/// A place to sign in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signing {
    /// Who signs.
    pub title: Words,
    /// Whose name is printed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A date is written beside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dated: bool,
}

/// One value of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// As it was written.
    Text(String),
    /// In both languages.
    Words(Words),
    /// A dateTime or instant.
    Time(String),
    /// A date, as precise as it is known.
    Date(String),
    /// A yes or no.
    Yes(bool),
    /// A number with its unit, in UCUM.
    Quantity {
        /// The number, with the digits it was written with.
        value: String,
        /// The unit.
        unit: String,
    },
    /// Something that is looked up before it is shown.
    #[serde(skip)]
    Reference(String),
}

impl Engine {
    /// The documents that a run can be printed as now, as far as the session shows what they depend on. `lay` leaves
    /// those that a patient may have.
    pub async fn documents<'s>(
        &self,
        session: &Session,
        standing: &'s Standing,
        lay: bool,
    ) -> Result<Vec<&'s Document>, Error> {
        let Standing { protocol, run, .. } = standing;
        let mut ready: Vec<&Document> = protocol.documents.iter().filter(|one| is_ready(one, run, lay)).collect();
        let conditions: Vec<&str> = ready.iter().filter_map(|one| one.when.as_deref()).collect();
        if conditions.is_empty() {
            return Ok(ready);
        }
        let Some((_, frame)) = self.stored(&run.id).await? else { return Ok(Vec::new()) };
        let scene = Scene::gather(session, protocol, run, &frame, About::default(), &conditions, self.now()).await?;
        let mut holds = Vec::new();
        for document in &ready {
            holds.push(match &document.when {
                Some(when) => scene.holds(&self.expression(when)?)? == Some(true),
                None => true,
            });
        }
        let mut holds = holds.into_iter();
        ready.retain(|_| holds.next().unwrap_or_default());
        Ok(ready)
    }

    /// What a document says of a run, as far as the session shows what it is made of. `names` are those of the people and
    /// institutions of the run, by reference.
    pub async fn print(
        &self,
        session: &Session,
        standing: &Standing,
        document: &Document,
        names: &BTreeMap<String, String>,
    ) -> Result<Printed, Error> {
        let Standing { protocol, run, .. } = standing;
        let mut run = run.clone();
        for party in run.parties.values_mut().filter(|party| party.display.is_none()) {
            party.display = names.get(&party.reference).cloned();
        }
        let Some((_, frame)) = self.stored(&run.id).await? else { return Err(super::no_such(&run.id)) };
        let expressions = expressions(document);
        let mut scene =
            Scene::gather(session, protocol, &run, &frame, About::default(), &expressions, self.now()).await?;
        let answers = self.answers(session, &run, document).await?;
        if expressions.iter().any(|path| path.contains("resolve()")) {
            for reference in answers.iter().flat_map(|(_, answer)| references(answer)) {
                if let Some(resource) = scene::read(session, None, Some(&reference)).await? {
                    scene.shelve(&reference, resource);
                }
            }
        }
        scene.put("answers", answers.iter().map(|(_, answer)| answer.clone()).collect());
        let mut desk = Desk { engine: self, session, scene, answers, forms: BTreeMap::new(), lists: BTreeMap::new() };
        let party = |role: &Code| {
            let party = run.party(protocol, role)?;
            Some(party.display.clone().unwrap_or_else(|| party.reference.clone()))
        };
        let mut sections = Vec::new();
        for section in &document.sections {
            sections.extend(desk.section(standing, &party, section).await?);
        }
        let mut signatures = Vec::new();
        for one in &document.signatures {
            let named = match &one.name {
                Some(path) => desk.values(path, None).await?.into_iter().find_map(|shown| shown.into_text()),
                None => None,
            };
            signatures.push(Signing { title: one.title.clone(), name: named, dated: one.dated });
        }
        let number = match &document.number {
            Some(path) => desk.values(path, None).await?.into_iter().find_map(|shown| shown.into_text()),
            None => None,
        };
        let class = run.class.as_deref().and_then(|class| protocol.class(class));
        Ok(Printed {
            code: document.code.to_string(),
            title: document.title.clone(),
            paper: document.paper,
            number: number.unwrap_or_else(|| run.chain.clone()),
            issuer: party(&document.issuer),
            to: document.to.as_ref().and_then(&party),
            class: class.map(|class| class.title.clone()),
            sections,
            signatures,
            note: document.note.clone(),
        })
    }

    /// The responses to forms, each with the code of its form, the latest last: those of the run, and of earlier runs of
    /// its chain where the document asks for forms that this run has not had.
    async fn answers(&self, session: &Session, run: &Run, document: &Document) -> Result<Vec<(String, Value)>, Error> {
        let own = responses(session, run).await?;
        let known = |form: &str| own.iter().any(|(code, _)| code == form);
        let asked = asked(document);
        if asked.iter().all(|form| known(form)) {
            return Ok(own);
        }
        let mut all = Vec::new();
        for earlier in chain(session, run).await? {
            let theirs = responses(session, &earlier).await?;
            all.extend(theirs.into_iter().filter(|(form, _)| !known(form)));
        }
        all.extend(own);
        Ok(all)
    }
}

/// Whether what a document requires has come about.
fn is_ready(document: &Document, run: &Run, lay: bool) -> bool {
    let met = |code: &Code| code.split('|').any(|one| run.reached(one.trim()).is_some());
    (document.patient || !lay) && document.requires.iter().all(met)
}

/// All FHIRPath of a document, besides its condition.
fn expressions(document: &Document) -> Vec<&str> {
    let sections = document.sections.iter();
    let each = sections.clone().filter_map(|section| section.each.as_deref());
    let values = sections.flat_map(|section| &section.rows).filter_map(|row| row.value.as_deref());
    let named = document.signatures.iter().filter_map(|one| one.name.as_deref());
    each.chain(values).chain(named).chain(document.number.as_deref()).collect()
}

/// The forms whose answers a document asks for.
fn asked(document: &Document) -> BTreeSet<&str> {
    let answers = document.sections.iter().filter(|section| section.group.is_none());
    let answers = answers.flat_map(|section| &section.rows).filter_map(|row| row.answer.as_deref());
    let groups = document.sections.iter().filter_map(|section| section.group.as_deref());
    answers.chain(groups).filter_map(|path| Some(path.split_once('.')?.0)).collect()
}

/// The responses that came with a run, each with the code of its form, as far as the session shows them.
async fn responses(session: &Session, run: &Run) -> Result<Vec<(String, Value)>, Error> {
    let mut found = Vec::new();
    let given = run.response.iter().chain(run.steps.iter().filter_map(|work| work.response.as_ref()));
    for reference in given {
        let Some(response) = scene::read(session, None, Some(reference)).await? else { continue };
        let form = response.get("questionnaire").and_then(|form| form.as_str());
        let form = form.and_then(|canonical| knowledge::code_of(canonical, "Questionnaire")).map(str::to_owned);
        found.extend(form.map(|form| (form, response)));
    }
    Ok(found)
}

/// The runs of a chain that began before one of them, the oldest first, as far as the session shows them.
async fn chain(session: &Session, run: &Run) -> Result<Vec<Run>, Error> {
    let parameters =
        [("group-identifier", format!("{}|{}", task::CHAIN, run.chain)), ("_tag", format!("{}|root", task::RUN))];
    let page = session.search(&SearchRequest::of("Task", &parameters)?).await?;
    let mut runs = Vec::new();
    for body in page.matches.into_iter().filter_map(|version| version.body) {
        runs.push(task::run(&json::parse(&body)?)?);
    }
    runs.retain(|other: &Run| other.id != run.id && other.began <= run.began);
    runs.sort_by_key(|one| one.began);
    Ok(runs)
}

/// Where a document is put together.
struct Desk<'a> {
    engine: &'a Engine,
    session: &'a Session,
    scene: Scene,
    answers: Vec<(String, Value)>,
    /// Forms and lists as they are stored; none where there is none.
    forms: BTreeMap<String, Option<Form>>,
    lists: BTreeMap<String, Option<List>>,
}

impl Desk<'_> {
    async fn section(
        &mut self,
        standing: &Standing,
        party: &impl Fn(&Code) -> Option<String>,
        section: &Section,
    ) -> Result<Option<Part>, Error> {
        let lines = match (&section.each, &section.group) {
            (Some(each), _) => self.table(each, section).await?,
            (None, Some(group)) => self.group(group, section).await?,
            (None, None) => {
                let mut lines = Vec::new();
                for row in &section.rows {
                    let (title, values) = self.row(standing, party, row).await?;
                    if !(row.optional && values.is_empty()) {
                        lines.push(Line { title, values, wide: row.wide });
                    }
                }
                Lines::List { lines }
            }
        };
        let is_empty = match &lines {
            Lines::List { lines } => lines.iter().all(|line| line.values.is_empty()),
            Lines::Table { rows, .. } => rows.is_empty(),
        };
        let part = Part { code: section.code.to_string(), title: section.title.clone(), lines };
        Ok((!(section.optional && is_empty)).then_some(part))
    }

    async fn row(
        &mut self,
        standing: &Standing,
        party: &impl Fn(&Code) -> Option<String>,
        row: &Row,
    ) -> Result<(Words, Vec<Shown>), Error> {
        let Standing { protocol, run, .. } = standing;
        let (title, values) = if let Some(path) = &row.value {
            (None, self.values(path, row.list.as_deref()).await?)
        } else if let Some((form, item)) = row.answer.as_deref().and_then(|path| path.split_once('.')) {
            let question = self.form(form).await?.and_then(|form| question(&form.items, item)).cloned();
            let given = self.answers.iter().rev().find(|(code, _)| code == form);
            let given: Vec<Value> = given.map(|(_, response)| answered(response, item)).unwrap_or_default();
            let values = self.told(&given, question.as_ref()).await?;
            (question.map(|question| question.title), values)
        } else if let Some(code) = &row.milestone {
            let at = run.reached(code).map(|reached| Moment { at: reached.at, zone: self.engine.zone() });
            let at = at.map(|at| sonic_rs::to_value(&at).map_err(Error::fault)).transpose()?;
            let at = at.as_ref().and_then(|at| at.as_str()).map(|at| Shown::Time(at.to_owned()));
            (protocol.milestone(code).map(|one| one.title.clone()), at.into_iter().collect())
        } else if let Some(code) = &row.role {
            let named = party(code).map(Shown::Text);
            (protocol.role(code).map(|role| role.title.clone()), named.into_iter().collect())
        } else {
            (None, Vec::new())
        };
        Ok((row.title.clone().or(title).unwrap_or_default(), values))
    }

    /// A table of what an expression finds.
    async fn table(&mut self, each: &str, section: &Section) -> Result<Lines, Error> {
        let each = self.engine.expression(each)?;
        let (mut columns, mut lists) = (Vec::new(), Vec::new());
        for row in &section.rows {
            columns.push(self.engine.expression(row.value.as_deref().unwrap_or("$this"))?);
            lists.push(self.list(row.list.as_deref()).await?.cloned());
        }
        let cell = |at: usize, items: Vec<Item<'_>>| -> Vec<Shown> {
            let list = lists.get(at).and_then(Option::as_ref);
            items.iter().filter_map(|item| shown(item, list)).collect()
        };
        let rows = self.scene.table(&each, &columns, cell)?;
        let mut looked = Vec::new();
        for row in rows {
            let mut cells = Vec::new();
            for cell in row {
                cells.push(self.looked_up(cell).await?);
            }
            looked.push(cells);
        }
        let columns = section.rows.iter().map(|row| row.title.clone().unwrap_or_default()).collect();
        Ok(Lines::Table { columns, rows: looked })
    }

    /// A table of a repeating group of a form.
    async fn group(&mut self, path: &str, section: &Section) -> Result<Lines, Error> {
        let Some((code, group)) = path.split_once('.') else { return Err(Error::invalid("A group is FORM.GROUP.")) };
        let form = self.form(code).await?.cloned();
        let items = form.map(|form| form.items).unwrap_or_default();
        let asked: Vec<_> = section.rows.iter().map(|row| row.answer.as_deref().unwrap_or_default()).collect();
        let response = self.answers.iter().rev().find(|(form, _)| form == code).map(|(_, response)| response.clone());
        let mut found = Vec::new();
        if let Some(response) = &response {
            items_of(response, group, &mut found);
        }
        let mut rows = Vec::new();
        for item in found {
            let mut cells = Vec::new();
            for code in &asked {
                cells.push(self.told(&answered(item, code), question(&items, code)).await?);
            }
            rows.push(cells);
        }
        let title = |(row, code): (&Row, &&str)| {
            let asked = || question(&items, code).map(|question| question.title.clone());
            row.title.clone().or_else(asked).unwrap_or_default()
        };
        Ok(Lines::Table { columns: section.rows.iter().zip(&asked).map(title).collect(), rows })
    }

    /// What an expression gives.
    async fn values(&mut self, path: &str, list: Option<&str>) -> Result<Vec<Shown>, Error> {
        let expression = self.engine.expression(path)?;
        let list = self.list(list).await?.cloned();
        let found = self.scene.evaluate(&expression, |items| {
            Ok(items.iter().filter_map(|item| shown(item, list.as_ref())).collect::<Vec<Shown>>())
        })?;
        self.looked_up(found).await
    }

    /// What answers say.
    async fn told(&mut self, answers: &[Value], question: Option<&form::Item>) -> Result<Vec<Shown>, Error> {
        let list = question.and_then(|question| question.list.as_deref().map(str::to_owned));
        let list = self.list(list.as_deref()).await?.cloned();
        let unit = question.and_then(|question| question.unit.as_deref());
        let found = answers.iter().filter_map(|answer| answer_shown(answer, unit, list.as_ref())).collect();
        self.looked_up(found).await
    }

    /// The same, with the names of what is only referred to. What the session does not show is left out.
    async fn looked_up(&self, values: Vec<Shown>) -> Result<Vec<Shown>, Error> {
        let mut told = Vec::new();
        for value in values {
            let Shown::Reference(reference) = &value else {
                told.push(value);
                continue;
            };
            let mut found = scene::read(self.session, None, Some(reference)).await?;
            let holder = found.as_ref().and_then(|role| role.get("practitioner")?.get("reference")?.as_str());
            if let Some(holder) = holder.map(str::to_owned) {
                found = scene::read(self.session, None, Some(&holder)).await?;
            }
            told.extend(found.as_ref().and_then(called).map(Shown::Text));
        }
        Ok(told)
    }

    async fn form(&mut self, code: &str) -> Result<Option<&Form>, Error> {
        if !self.forms.contains_key(code) {
            let stored = knowledge::latest(&self.engine.platform(), "Questionnaire", code).await?;
            let form = stored.as_ref().map(knowledge::form).transpose()?;
            self.forms.insert(code.to_owned(), form);
        }
        Ok(self.forms.get(code).and_then(Option::as_ref))
    }

    async fn list(&mut self, code: Option<&str>) -> Result<Option<&List>, Error> {
        let Some(code) = code.filter(|code| !code.contains(':')) else { return Ok(None) };
        if !self.lists.contains_key(code) {
            let stored = knowledge::latest(&self.engine.platform(), "CodeSystem", code).await?;
            let list = stored.as_ref().map(knowledge::list_of_codes).transpose()?;
            self.lists.insert(code.to_owned(), list);
        }
        Ok(self.lists.get(code).and_then(Option::as_ref))
    }
}

impl Shown {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Time(text) | Self::Date(text) => Some(text),
            Self::Words(words) => Some(words.zh),
            _ => None,
        }
    }
}

/// The question of that code.
fn question<'f>(items: &'f [form::Item], code: &str) -> Option<&'f form::Item> {
    items.iter().find_map(|item| if item.code.as_str() == code { Some(item) } else { question(&item.items, code) })
}

fn list_in<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

/// The items of a response with that link, wherever they stand.
fn items_of<'v>(value: &'v Value, link: &str, found: &mut Vec<&'v Value>) {
    for item in list_in(value, "item") {
        if item.get("linkId").and_then(|id| id.as_str()) == Some(link) {
            found.push(item);
        }
        items_of(item, link, found);
        list_in(item, "answer").iter().for_each(|answer| items_of(answer, link, found));
    }
}

/// What the answers of a response refer to.
fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for item in list_in(value, "item") {
        for answer in list_in(item, "answer") {
            let reference = answer.get("valueReference").and_then(|to| to.get("reference")?.as_str());
            found.extend(reference.map(str::to_owned));
            found.extend(references(answer));
        }
        found.extend(references(item));
    }
    found
}

/// The answers to a question, wherever it stands.
fn answered(value: &Value, link: &str) -> Vec<Value> {
    let mut found = Vec::new();
    items_of(value, link, &mut found);
    found.into_iter().flat_map(|item| list_in(item, "answer")).cloned().collect()
}

/// An answer. <http://hl7.org/fhir/R4/questionnaireresponse-definitions.html#QuestionnaireResponse.item.answer.value_x_>
fn answer_shown(answer: &Value, unit: Option<&str>, list: Option<&List>) -> Option<Shown> {
    let text = |name: &str| answer.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    if let Some(yes) = answer.get("valueBoolean").and_then(|flag| flag.as_bool()) {
        return Some(Shown::Yes(yes));
    }
    if let Some(number) = answer.get("valueDecimal").or_else(|| answer.get("valueInteger")) {
        let value = number.to_string();
        return Some(match unit {
            Some(unit) => Shown::Quantity { value, unit: unit.to_owned() },
            None => Shown::Text(value),
        });
    }
    let element = ["valueCoding", "valueQuantity", "valueReference", "valueAttachment"];
    if let Some(value) = element.into_iter().find_map(|name| answer.get(name)) {
        return element_shown(value, list);
    }
    text("valueDateTime")
        .map(Shown::Time)
        .or_else(|| text("valueDate").map(Shown::Date))
        .or_else(|| text("valueString").or_else(|| text("valueTime")).or_else(|| text("valueUri")).map(Shown::Text))
}

/// What FHIRPath gave.
fn shown(item: &Item<'_>, list: Option<&List>) -> Option<Shown> {
    if let Some(value) = item.node().and_then(|node| node.value()).filter(|value| value.is_object()) {
        return element_shown(value, list);
    }
    if let Some(flag) = item.as_bool() {
        return Some(Shown::Yes(flag));
    }
    let text = item.to_text()?.into_owned();
    Some(match &*item.type_info().name {
        "dateTime" | "instant" | "DateTime" => Shown::Time(text),
        "date" | "Date" => Shown::Date(text),
        _ => match list.and_then(|list| list.entries.iter().find(|entry| entry.code.as_str() == text)) {
            Some(entry) => Shown::Words(entry.title.clone()),
            None => Shown::Text(text),
        },
    })
}

/// An element or a resource, in the words it has itself.
fn element_shown(value: &Value, list: Option<&List>) -> Option<Shown> {
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let codings = match value.get("coding") {
        Some(_) => list_in(value, "coding"),
        None => std::slice::from_ref(value),
    };
    let codes = codings.iter().filter_map(|coding| coding.get("code")?.as_str());
    let entry = list.and_then(|list| list.entries.iter().find(|entry| codes.clone().any(|code| *entry.code == *code)));
    if let Some(entry) = entry {
        return Some(Shown::Words(entry.title.clone()));
    }
    if let Some(number) = value.get("value").filter(|number| number.is_number()) {
        let unit = text("unit").or_else(|| text("code")).unwrap_or_default();
        return Some(Shown::Quantity { value: number.to_string(), unit });
    }
    if let Some(reference) = text("reference") {
        return Some(text("display").map_or(Shown::Reference(reference), Shown::Text));
    }
    called(value).map(Shown::Text)
}

/// What a resource or an element is called, as it says itself.
fn called(value: &Value) -> Option<String> {
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    if let Some(plain) = ["text", "display", "title", "name", "url"].into_iter().find_map(text) {
        return Some(plain);
    }
    if let Some(coding) = list_in(value, "coding").first() {
        return called(coding).or_else(|| Some(coding.get("code")?.as_str()?.to_owned()));
    }
    if let Some(name) = list_in(value, "name").first() {
        return called(name);
    }
    if text("family").is_some() || value.get("given").is_some() {
        let given: Vec<&str> = list_in(value, "given").iter().filter_map(|one| one.as_str()).collect();
        let family = text("family").unwrap_or_default();
        // A Chinese name is written family first and without a space.
        let whole = if family.is_ascii() { format!("{} {family}", given.join(" ")) } else { family + &given.concat() };
        return Some(whole.trim().to_owned()).filter(|whole| !whole.is_empty());
    }
    let concepts = ["code", "medicationCodeableConcept", "vaccineCode", "type"];
    let concept = concepts.into_iter().find_map(|name| value.get(name).filter(|concept| concept.is_object()));
    concept.and_then(called).or_else(|| text("value")).or_else(|| text("code"))
}
