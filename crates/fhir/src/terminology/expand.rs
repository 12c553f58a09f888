//! Value sets: their codes, and whether a code is one of them.
//!
//! <http://hl7.org/fhir/R4/valueset.html#composition>

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sonic_rs::{JsonValueMutTrait, JsonValueTrait, json};

use super::system::Filter;
use super::{Code, Content, System, Terminology, Verdict, display, member, unprocessable};
use crate::json::{list, text};
use crate::{Error, IssueCode, Value};

/// The extension that says what a code counts in a score.
const SCORE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";

/// How deep value sets may include one another.
const DEEPEST: usize = 16;

/// What an expansion shall contain.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Words that must all stand in the code or the display.
    pub filter: Option<&'a str>,
    /// The number of codes to leave out from the beginning.
    pub offset: usize,
    /// The most codes to give; all when none.
    pub count: Option<usize>,
    /// Whether codes no longer to be used are left out.
    pub active_only: bool,
    /// The language displays are wanted in.
    pub language: Option<&'a str>,
    /// The number of codes above which an expansion is refused as too costly.
    pub most: usize,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { filter: None, offset: 0, count: None, active_only: false, language: None, most: 50_000 }
    }
}

/// The codes of a value set.
#[derive(Debug, Clone, Default)]
pub struct Expansion {
    /// Those asked for.
    pub concepts: Vec<Concept>,
    /// How many there are before offset and count.
    pub total: usize,
    /// The systems of which only a part is here.
    pub partial: Vec<String>,
}

/// A code of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concept {
    /// The canonical URL of its system.
    pub system: Arc<str>,
    /// The code.
    pub code: String,
    /// What to show.
    pub display: Option<String>,
    /// Whether it may not be chosen itself.
    pub is_abstract: bool,
    /// Whether it is no longer to be used.
    pub is_inactive: bool,
    /// What it counts in a score, in the digits it is written with.
    /// <http://hl7.org/fhir/R4/extension-ordinalvalue.html>
    pub score: Option<String>,
}

impl Expansion {
    /// The value set with this expansion instead of its composition. `timestamp` is a FHIR dateTime and `identifier`
    /// a URI of this expansion.
    pub fn to_value_set(&self, value_set: &Value, request: &Request<'_>, timestamp: &str, identifier: &str) -> Value {
        let contains: Vec<Value> = self.concepts.iter().map(Concept::to_value).collect();
        let mut expansion = json!({ "identifier": identifier, "timestamp": timestamp, "total": self.total });
        if request.offset > 0 || request.count.is_some() {
            expansion["offset"] = json!(request.offset);
        }
        if !self.partial.is_empty() {
            let parameters: Vec<Value> = self
                .partial
                .iter()
                .map(|system| json!({ "name": "limitedExpansion", "valueUri": system.as_str() }))
                .collect();
            expansion["parameter"] = json!(parameters);
        }
        if !contains.is_empty() {
            expansion["contains"] = json!(contains);
        }
        let mut expanded = value_set.clone();
        if let Some(members) = expanded.as_object_mut() {
            members.remove(&"compose");
            members.remove(&"text");
        }
        expanded["expansion"] = expansion;
        expanded
    }
}

impl Concept {
    fn to_value(&self) -> Value {
        let mut value = json!({ "system": &*self.system, "code": self.code.as_str() });
        if self.is_abstract {
            value["abstract"] = json!(true);
        }
        if self.is_inactive {
            value["inactive"] = json!(true);
        }
        if let Some(display) = &self.display {
            value["display"] = json!(display.as_str());
        }
        if let Some(Ok(score)) = self.score.as_deref().map(sonic_rs::from_str::<Value>) {
            value["extension"] = json!([{ "url": SCORE, "valueDecimal": score }]);
        }
        value
    }
}

/// The score of a concept of a code system or value set.
fn score(concept: &Value) -> Option<String> {
    let found = list(concept, "extension").iter().find(|one| text(one, "url") == Some(SCORE))?;
    found.get("valueDecimal").filter(|score| score.is_number()).map(ToString::to_string)
}

/// Codes in the order found, without repetition.
#[derive(Default)]
struct Codes {
    concepts: Vec<Concept>,
    places: FxHashMap<(Arc<str>, String), usize>,
    partial: Vec<String>,
}

impl Codes {
    fn add(&mut self, concept: Concept, most: usize) -> Result<(), Error> {
        let key = (concept.system.clone(), concept.code.clone());
        if self.places.contains_key(&key) {
            return Ok(());
        }
        if self.concepts.len() >= most {
            let text = format!("The value set has more than {most} codes; ask with a narrower one.");
            return Err(unprocessable(IssueCode::TooCostly, text));
        }
        self.places.insert(key, self.concepts.len());
        self.concepts.push(concept);
        Ok(())
    }

    fn has(&self, concept: &Concept) -> bool {
        // The keys own their text, so a look-up clones; expansions are rare and bounded.
        self.places.contains_key(&(concept.system.clone(), concept.code.clone()))
    }
}

impl Terminology<'_> {
    /// The codes of a value set.
    ///
    /// # Errors
    ///
    /// Not found, when it needs a system or value set that is not here; unprocessable, when it includes itself, is
    /// larger than the bound, or says what has no meaning.
    pub fn expand(&self, value_set: &Value, request: &Request<'_>) -> Result<Expansion, Error> {
        let codes = self.codes(value_set, request, &mut Vec::new())?;
        let words: Vec<String> = request.filter.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
        let wanted = |concept: &Concept| {
            let (code, display) =
                (concept.code.to_lowercase(), concept.display.as_deref().unwrap_or_default().to_lowercase());
            words.iter().all(|word| code.contains(word) || display.contains(word))
                && !(request.active_only && concept.is_inactive)
        };
        let found: Vec<Concept> = codes.concepts.into_iter().filter(wanted).collect();
        let total = found.len();
        let count = request.count.unwrap_or(usize::MAX);
        let concepts = found.into_iter().skip(request.offset).take(count).collect();
        Ok(Expansion { concepts, total, partial: codes.partial })
    }

    fn codes(&self, value_set: &Value, request: &Request<'_>, within: &mut Vec<String>) -> Result<Codes, Error> {
        enter(value_set, within)?;
        let mut codes = Codes::default();
        match value_set.get("compose") {
            Some(compose) => {
                for include in list(compose, "include") {
                    self.include(include, request, within, &mut codes)?;
                }
                let mut excluded = Codes::default();
                for exclude in list(compose, "exclude") {
                    self.include(exclude, request, within, &mut excluded)?;
                }
                if !excluded.concepts.is_empty() {
                    codes.concepts.retain(|concept| !excluded.has(concept));
                }
            }
            None => expanded(list(&value_set["expansion"], "contains"), request, &mut codes)?,
        }
        within.pop();
        Ok(codes)
    }

    fn include(
        &self,
        include: &Value,
        request: &Request<'_>,
        within: &mut Vec<String>,
        out: &mut Codes,
    ) -> Result<(), Error> {
        let mut imports = Vec::new();
        for canonical in list(include, "valueSet").iter().filter_map(|canonical| canonical.as_str()) {
            let codes = self.codes(&*self.value_set(canonical)?, request, within)?;
            out.partial.extend(
                codes.partial.iter().filter(|system| !out.partial.contains(system)).cloned().collect::<Vec<_>>(),
            );
            imports.push(codes);
        }
        // A code must be in every value set named, and in the system when one is named too.
        let admits = |imports: &[Codes], concept: &Concept| imports.iter().all(|codes| codes.has(concept));
        let Some(url) = text(include, "system") else {
            let Some((first, others)) = imports.split_first() else { return Ok(()) };
            for concept in first.concepts.iter().filter(|concept| admits(others, concept)) {
                out.add(concept.clone(), request.most)?;
            }
            return Ok(());
        };
        let canonical = canonical(url, text(include, "version"));
        let resource = self.find("CodeSystem", &canonical)?;
        let system = resource.as_deref().map(System::new);
        let url: Arc<str> = Arc::from(url);
        let listed = list(include, "concept");
        if !listed.is_empty() {
            for concept in listed {
                let Some(code) = text(concept, "code") else { continue };
                let at = system.as_ref().and_then(|system| Some((system, system.find(code)?)));
                let known = at.and_then(|(system, at)| display(system.concept(at), request.language));
                let concept = Concept {
                    system: url.clone(),
                    code: code.to_owned(),
                    display: match request.language {
                        // The value set's own words come first, but not before the language asked for.
                        Some(_) if !list(concept, "designation").is_empty() => display(concept, request.language),
                        Some(_) => known.or_else(|| text(concept, "display")),
                        None => text(concept, "display").or(known),
                    }
                    .map(str::to_owned),
                    is_abstract: at.is_some_and(|(system, at)| system.is_abstract(at)),
                    is_inactive: at.is_some_and(|(system, at)| system.is_inactive(at)),
                    score: score(concept).or_else(|| at.and_then(|(system, at)| score(system.concept(at)))),
                };
                if admits(&imports, &concept) {
                    out.add(concept, request.most)?;
                }
            }
            return Ok(());
        }
        let Some(system) = system.filter(|system| system.content() != Content::NotPresent) else {
            return Err(absent(&url));
        };
        if system.content() == Content::Partial && !out.partial.iter().any(|known| **known == *url) {
            out.partial.push(url.to_string());
        }
        let filters = filters(include)?;
        for at in (0..system.len()).filter(|at| filters.iter().all(|filter| system.passes(*at, filter))) {
            let concept = Concept {
                system: url.clone(),
                code: system.code(at).to_owned(),
                display: display(system.concept(at), request.language).map(str::to_owned),
                is_abstract: system.is_abstract(at),
                is_inactive: system.is_inactive(at),
                score: score(system.concept(at)),
            };
            if admits(&imports, &concept) {
                out.add(concept, request.most)?;
            }
        }
        Ok(())
    }

    /// Whether a code is in a value set, without expanding more of it than is needed.
    ///
    /// # Errors
    ///
    /// Not found, when it imports a value set that is not here; unprocessable, when it includes itself or says what
    /// has no meaning.
    pub fn validate_code(&self, value_set: &Value, code: Code<'_>) -> Result<Verdict, Error> {
        self.member(value_set, code, &mut Vec::new())
    }

    fn member(&self, value_set: &Value, code: Code<'_>, within: &mut Vec<String>) -> Result<Verdict, Error> {
        enter(value_set, within)?;
        let verdict = match value_set.get("compose") {
            Some(compose) => {
                let included = self.any(list(compose, "include"), code, within)?;
                match included {
                    Verdict::Member { .. } => match self.any(list(compose, "exclude"), code, within)? {
                        Verdict::Member { .. } => Verdict::NotMember,
                        Verdict::NotMember => included,
                        unknown @ Verdict::Unknown(_) => unknown,
                    },
                    other => other,
                }
            }
            None => listed(list(&value_set["expansion"], "contains"), code),
        };
        within.pop();
        Ok(verdict)
    }

    fn any(&self, includes: &[Value], code: Code<'_>, within: &mut Vec<String>) -> Result<Verdict, Error> {
        let mut best = Verdict::NotMember;
        for include in includes {
            match self.in_include(include, code, within)? {
                found @ Verdict::Member { .. } => return Ok(found),
                unknown @ Verdict::Unknown(_) => best = unknown,
                Verdict::NotMember => {}
            }
        }
        Ok(best)
    }

    fn in_include(&self, include: &Value, code: Code<'_>, within: &mut Vec<String>) -> Result<Verdict, Error> {
        let imports = list(include, "valueSet");
        let mut verdict = match text(include, "system") {
            Some(url) => self.in_system(include, url, code)?,
            None if imports.is_empty() => Verdict::NotMember,
            None => Verdict::Member { display: None, display_fits: true },
        };
        for import in imports.iter().filter_map(|canonical| canonical.as_str()) {
            if verdict == Verdict::NotMember {
                break;
            }
            match self.member(&*self.value_set(import)?, code, within)? {
                Verdict::NotMember => verdict = Verdict::NotMember,
                unknown @ Verdict::Unknown(_) => verdict = unknown,
                found @ Verdict::Member { .. } if matches!(verdict, Verdict::Member { display: None, .. }) => {
                    verdict = found
                }
                Verdict::Member { .. } => {}
            }
        }
        Ok(verdict)
    }

    fn in_system(&self, include: &Value, url: &str, code: Code<'_>) -> Result<Verdict, Error> {
        // The code's own system may carry the version after a bar.
        if code.system.is_some_and(|system| system.split('|').next() != url.split('|').next()) {
            return Ok(Verdict::NotMember);
        }
        let listed = list(include, "concept");
        if !listed.is_empty() {
            let Some(found) = listed.iter().find(|concept| text(concept, "code") == Some(code.code)) else {
                return Ok(Verdict::NotMember);
            };
            if text(found, "display").is_some() && code.display.is_none() {
                return Ok(member(found, None));
            }
            let named = Code { system: Some(url), ..code };
            return Ok(match self.validate_in_system(named)? {
                known @ Verdict::Member { .. } => known,
                _ => member(found, code.display),
            });
        }
        let resource = self.find("CodeSystem", &canonical(url, text(include, "version")))?;
        let Some(system) = resource.as_deref().map(System::new) else {
            return Ok(Verdict::Unknown(url.to_owned()));
        };
        let filters = filters(include)?;
        Ok(match system.find(code.code) {
            Some(at) if filters.iter().all(|filter| system.passes(at, filter)) => {
                member(system.concept(at), code.display)
            }
            None if system.content() != Content::Complete => Verdict::Unknown(url.to_owned()),
            _ => Verdict::NotMember,
        })
    }
}

/// Notes the value set being read, so that one which includes itself is found out.
fn enter(value_set: &Value, within: &mut Vec<String>) -> Result<(), Error> {
    let url = text(value_set, "url").unwrap_or_default();
    if !url.is_empty() && within.iter().any(|outer| outer == url) {
        return Err(unprocessable(IssueCode::Processing, "The value set includes itself."));
    }
    if within.len() >= DEEPEST {
        return Err(unprocessable(IssueCode::TooCostly, "Value sets include one another too deeply."));
    }
    within.push(url.to_owned());
    Ok(())
}

fn absent(system: &str) -> Error {
    Error::not_found(format!("The codes of {system} are not here, so the value set cannot be expanded."))
}

fn canonical(url: &str, version: Option<&str>) -> String {
    version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
}

fn filters(include: &Value) -> Result<Vec<Filter<'_>>, Error> {
    list(include, "filter").iter().map(Filter::read).collect()
}

/// The codes of an expansion that came with the value set, nested ones too.
fn expanded(contains: &[Value], request: &Request<'_>, out: &mut Codes) -> Result<(), Error> {
    let flag = |concept: &Value, member: &str| concept.get(member).and_then(|flag| flag.as_bool()).unwrap_or_default();
    let mut waiting: Vec<&Value> = contains.iter().rev().collect();
    while let Some(next) = waiting.pop() {
        if let (Some(system), Some(code)) = (text(next, "system"), text(next, "code")) {
            let concept = Concept {
                system: Arc::from(system),
                code: code.to_owned(),
                display: display(next, request.language).map(str::to_owned),
                is_abstract: flag(next, "abstract"),
                is_inactive: flag(next, "inactive"),
                score: score(next),
            };
            out.add(concept, request.most)?;
        }
        waiting.extend(list(next, "contains").iter().rev());
    }
    Ok(())
}

fn listed(contains: &[Value], code: Code<'_>) -> Verdict {
    let mut waiting: Vec<&Value> = contains.iter().collect();
    while let Some(next) = waiting.pop() {
        let fits = code.system.is_none_or(|system| text(next, "system") == Some(system));
        if fits && text(next, "code") == Some(code.code) {
            return member(next, code.display);
        }
        waiting.extend(list(next, "contains"));
    }
    Verdict::NotMember
}
