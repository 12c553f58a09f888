//! `$expand`, `$validate-code`, `$lookup`, `$subsumes` and `$translate`, over the resources stored here and the
//! official ones. <http://hl7.org/fhir/R4/terminology-service.html>

use std::sync::Arc;

use fhir::terminology::{Code, Request, Source, Terminology, Translation, Verdict};
use fhir::{Category, Error, IssueCode, Value};
use record::{ResourceType, SearchRequest, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use tokio::runtime::Handle;

use super::Operation;
use super::parameters::{Parameters, Writer};
use crate::App;
use crate::access::random;
use crate::answer::Answer;
use crate::ask::{Ask, type_of};
use crate::json;
use crate::outcome::Failure;
use crate::route::On;

pub(crate) async fn run(
    operation: Operation,
    app: &App,
    session: &Session,
    mut ask: Ask,
    on: On,
) -> Result<Answer, Failure> {
    let parameters = Parameters::of(&mut ask)?;
    let given = match &on {
        On::Instance(key) => {
            let body = session.read(key).await?.and_then(|version| version.body);
            let body = body.ok_or_else(|| Error::not_found(format!("There is no {key}.")))?;
            Some(fhir::json::parse(&body)?)
        }
        On::System | On::Type(_) => {
            let sent = ["valueSet", "codeSystem", "conceptMap"].iter().find_map(|name| parameters.resource(name));
            sent.cloned()
        }
    };
    let shelf = Shelf::new(session, given);
    // Expanding is work for the processor, and the terminology asks for other resources as it goes: both belong off
    // the threads that serve connections.
    let (now, name) = (app.record.surroundings().clock.now(), random(&app.record));
    let work = move || Call { shelf: &shelf, parameters: &parameters, now, name }.answer(operation);
    tokio::task::spawn_blocking(work).await.map_err(Error::fault)?.map_err(Failure::Error)
}

/// Where terminology resources and profiles are looked for: what the call gave, then what is stored. It waits for the
/// record, so it is used off the threads that serve connections.
pub(super) struct Shelf {
    session: Session,
    given: Option<Arc<Value>>,
    handle: Handle,
}

impl Shelf {
    pub(super) fn new(session: &Session, given: Option<Value>) -> Self {
        Self { session: session.clone(), given: given.map(Arc::new), handle: Handle::current() }
    }
}

impl Source for Shelf {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Result<Option<Arc<Value>>, Error> {
        if let Some(given) = &self.given
            && type_of(given) == Some(resource_type)
            && text(given, "url") == Some(url)
        {
            return Ok(Some(Arc::clone(given)));
        }
        let mut parameters = vec![("url".to_owned(), escaped(url)), ("_count".to_owned(), "1".to_owned())];
        match version {
            Some(version) => parameters.push(("version".to_owned(), escaped(version))),
            None => parameters.push(("_sort".to_owned(), "-_lastUpdated".to_owned())),
        }
        let type_ = Some(ResourceType::parse(resource_type)?);
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = self.handle.block_on(self.session.search(&request))?;
        let Some(body) = page.matches.into_iter().find_map(|version| version.body) else { return Ok(None) };
        fhir::json::parse(&body).map(|value| Some(Arc::new(value)))
    }
}

/// A value as a search takes it literally. <http://hl7.org/fhir/R4/search.html#escaping>
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '$' | '|') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// A code as a call names it.
struct Named {
    system: Option<String>,
    code: String,
    display: Option<String>,
}

impl Named {
    fn as_code(&self) -> Code<'_> {
        Code { system: self.system.as_deref(), code: &self.code, display: self.display.as_deref() }
    }

    fn of_coding(coding: &Value) -> Option<Self> {
        let own = |name| text(coding, name).map(str::to_owned);
        Some(Self { system: own("system"), code: own("code")?, display: own("display") })
    }
}

/// One call of an operation.
struct Call<'c> {
    shelf: &'c Shelf,
    parameters: &'c Parameters,
    /// When it was made, in microseconds since 1970.
    now: i64,
    /// A name nothing else has.
    name: String,
}

impl Call<'_> {
    fn answer(&self, operation: Operation) -> Result<Answer, Error> {
        match operation {
            Operation::Expand => self.expand(),
            Operation::ValueSetValidateCode => {
                let value_set = self.resource("ValueSet", "valueSet")?;
                self.validate(&|terminology, code| terminology.validate_code(&value_set, code))
            }
            Operation::CodeSystemValidateCode => self.validate_in_system(),
            Operation::Lookup => self.lookup(),
            Operation::Subsumes => self.subsumes(),
            Operation::Translate => self.translate(),
            _ => Err(Error::fault("this operation is not one of terminology")),
        }
    }

    fn terminology(&self) -> Terminology<'_> {
        Terminology::new(self.shelf)
    }

    /// The resource a call is about: the one it is called on, the one it sends, or the one whose `url` it names.
    fn resource(&self, type_: &str, parameter: &str) -> Result<Arc<Value>, Error> {
        if let Some(given) = self.shelf.given.as_ref().filter(|given| type_of(given) == Some(type_)) {
            return Ok(Arc::clone(given));
        }
        let Some(mut canonical) = self.parameters.text("url") else {
            let text = format!("Name a {type_} by the parameter “url”, or send it as “{parameter}”.");
            return Err(Error::new(Category::Invalid, IssueCode::Required, text));
        };
        let version = format!("{}{}Version", type_[..1].to_ascii_lowercase(), &type_[1..]);
        if let Some(version) = self.parameters.text(&version).filter(|_| !canonical.contains('|')) {
            canonical = format!("{canonical}|{version}");
        }
        self.terminology()
            .find(type_, &canonical)?
            .ok_or_else(|| Error::not_found(format!("There is no {type_} of that url.")))
    }

    /// The codes a call names: one, or those of a CodeableConcept.
    fn codes(&self) -> Result<Vec<Named>, Error> {
        if let Some(concept) = self.parameters.value("codeableConcept") {
            let codings = concept.get("coding").and_then(|codings| codings.as_array());
            return Ok(codings.into_iter().flatten().filter_map(Named::of_coding).collect());
        }
        if let Some(coding) = self.parameters.value("coding") {
            return Ok(Named::of_coding(coding).into_iter().collect());
        }
        let system = self.parameters.text("system");
        Ok(vec![Named { system, code: self.parameters.required("code")?, display: self.parameters.text("display") }])
    }

    fn code(&self) -> Result<Named, Error> {
        self.codes()?
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(Category::Invalid, IssueCode::Required, "There is no code in what was sent."))
    }

    fn expand(&self) -> Result<Answer, Error> {
        let value_set = self.resource("ValueSet", "valueSet")?;
        let filter = self.parameters.text("filter");
        let language = self.parameters.text("displayLanguage");
        let request = Request {
            filter: filter.as_deref(),
            offset: self.parameters.number("offset")?.unwrap_or(0),
            count: self.parameters.number("count")?,
            active_only: self.parameters.flag("activeOnly")?.unwrap_or(false),
            language: language.as_deref(),
            ..Request::default()
        };
        let expansion = self.terminology().expand(&value_set, &request)?;
        let identifier = format!("urn:qingshan:expansion:{}", self.name);
        let expanded = expansion.to_value_set(&value_set, &request, &json::instant(self.now), &identifier);
        Ok(Answer::resource(fhir::json::to_bytes(&expanded)))
    }

    fn validate_in_system(&self) -> Result<Answer, Error> {
        let given = self.shelf.given.as_ref().and_then(|given| text(given, "url")).map(str::to_owned);
        let url = given.or_else(|| self.parameters.text("url"));
        self.validate(&|terminology, code| {
            terminology.validate_in_system(Code { system: code.system.or(url.as_deref()), ..code })
        })
    }

    fn validate(&self, check: &dyn Fn(&Terminology<'_>, Code<'_>) -> Result<Verdict, Error>) -> Result<Answer, Error> {
        let codes = self.codes()?;
        let mut verdict = Verdict::NotMember;
        for named in &codes {
            // One code of a concept that belongs is enough; what cannot be known must not read as “no”.
            match check(&self.terminology(), named.as_code())? {
                member @ Verdict::Member { .. } => {
                    verdict = member;
                    break;
                }
                unknown @ Verdict::Unknown(_) => verdict = unknown,
                Verdict::NotMember => {}
            }
        }
        let mut writer = Writer::new();
        match verdict {
            Verdict::Member { display, display_fits } => {
                writer.flag("result", display_fits);
                if !display_fits {
                    writer.text("message", "valueString", "The code belongs, but the display is none of its own.");
                }
                if let Some(display) = display {
                    writer.text("display", "valueString", &display);
                }
            }
            Verdict::NotMember => {
                writer.flag("result", false);
                writer.text("message", "valueString", "The code does not belong.");
            }
            Verdict::Unknown(system) => {
                let text = format!("The codes of {system} are not all here, so it cannot be said.");
                return Err(Error::new(Category::Unprocessable, IssueCode::NotFound, text));
            }
        }
        Ok(writer.answer())
    }

    fn lookup(&self) -> Result<Answer, Error> {
        let named = self.code()?;
        let system = named.system.as_deref().ok_or_else(|| {
            Error::new(Category::Invalid, IssueCode::Required, "A code is looked up in a system that is named.")
        })?;
        let language = self.parameters.text("displayLanguage");
        let found = self.terminology().lookup(system, &named.code, language.as_deref())?;
        let found = found.ok_or_else(|| Error::not_found("The code system does not have this code."))?;
        let mut writer = Writer::new();
        writer.text("name", "valueString", &found.name);
        if let Some(version) = &found.version {
            writer.text("version", "valueString", version);
        }
        writer.text("display", "valueString", found.display.as_deref().unwrap_or(&named.code));
        writer.flag("abstract", found.is_abstract);
        if let Some(definition) = &found.definition {
            property(&mut writer, "definition", |writer| writer.text("value", "valueString", definition));
        }
        for designation in &found.designations {
            writer.parts("designation", |writer| {
                if let Some(language) = text(designation, "language") {
                    writer.text("language", "valueCode", language);
                }
                if let Some(use_) = designation.get("use") {
                    writer.raw("use", "valueCoding", &fhir::json::to_bytes(use_));
                }
                writer.text("value", "valueString", text(designation, "value").unwrap_or_default());
            });
        }
        for (name, codes) in [("parent", &found.parents), ("child", &found.children)] {
            for code in codes {
                property(&mut writer, name, |writer| writer.text("value", "valueCode", code));
            }
        }
        for known in &found.properties {
            let value =
                known.as_object().and_then(|members| members.iter().find(|(name, _)| name.starts_with("value")));
            if let (Some(code), Some((member, value))) = (text(known, "code"), value) {
                property(&mut writer, code, |writer| writer.raw("value", member, &fhir::json::to_bytes(value)));
            }
        }
        Ok(writer.answer())
    }

    fn subsumes(&self) -> Result<Answer, Error> {
        let side = |code: &str, coding: &str| match self.parameters.value(coding).and_then(Named::of_coding) {
            Some(named) => Ok(named),
            None => {
                let code = self.parameters.required(code)?;
                Ok::<_, Error>(Named { system: self.parameters.text("system"), code, display: None })
            }
        };
        let (left, right) = (side("codeA", "codingA")?, side("codeB", "codingB")?);
        let own = self.shelf.given.as_ref().and_then(|given| text(given, "url"));
        let system = left.system.as_deref().or(right.system.as_deref()).or(own).ok_or_else(|| {
            Error::new(Category::Invalid, IssueCode::Required, "Name the code system by the parameter “system”.")
        })?;
        if right.system.as_deref().is_some_and(|other| other != system) {
            return Err(Error::invalid("Both codes must be of one system."));
        }
        let outcome = self.terminology().subsumes(system, &left.code, &right.code)?;
        let mut writer = Writer::new();
        writer.text("outcome", "valueCode", outcome.as_str());
        Ok(writer.answer())
    }

    fn translate(&self) -> Result<Answer, Error> {
        let map = self.resource("ConceptMap", "conceptMap")?;
        let target = self.parameters.text("targetsystem");
        let reverse = self.parameters.flag("reverse")?.unwrap_or(false);
        let mut matches = Vec::new();
        let mut succeeds = false;
        for named in self.codes()? {
            let translation = Translation::new(&map, named.as_code(), target.as_deref(), reverse);
            succeeds |= translation.succeeds();
            matches.extend(translation.matches);
        }
        let mut writer = Writer::new();
        writer.flag("result", succeeds);
        if matches.is_empty() {
            writer.text("message", "valueString", "The map says nothing of this code.");
        }
        for found in &matches {
            writer.parts("match", |writer| {
                writer.text("equivalence", "valueCode", &found.equivalence);
                if let Some(code) = &found.code {
                    let mut coding = b"{".to_vec();
                    if let Some(system) = &found.system {
                        coding.extend_from_slice(b"\"system\":");
                        json::string(&mut coding, system);
                        coding.push(b',');
                    }
                    coding.extend_from_slice(b"\"code\":");
                    json::string(&mut coding, code);
                    if let Some(display) = &found.display {
                        json::member(&mut coding, "display", display);
                    }
                    coding.push(b'}');
                    writer.raw("concept", "valueCoding", &coding);
                }
                if let Some(source) = &found.source {
                    writer.text("source", "valueUri", source);
                }
            });
        }
        Ok(writer.answer())
    }
}

fn property(writer: &mut Writer, code: &str, value: impl FnOnce(&mut Writer)) {
    writer.parts("property", |writer| {
        writer.text("code", "valueCode", code);
        value(writer);
    });
}
