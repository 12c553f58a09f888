//! From the parameters of a request to a query. <http://hl7.org/fhir/R4/search.html>

use fhir::definitions::{ParamKind, r4};
use fhir::search::{OwnAddresses, Param, ParamId, Registry, fold, key};
use fhir::{Category, Error, Issue, IssueCode};

use super::query::*;
use super::sql::COMPARED;
use super::value::{self, plain, split};
use crate::settings::Limits;

/// The parameter that carries the place of a page.
pub(super) const CURSOR: &str = "_page";

/// The most resources that the bare ids in one parameter may mean, each id being one of every type it may be of.
const MEANINGS: usize = 5_000;

/// What a search is read against.
pub(crate) struct Reading<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) limits: &'r Limits,
    /// Microseconds since 1970, for "about this date".
    pub(crate) now: i64,
    /// Refuse what is not known rather than leave it out.
    pub(crate) strict: bool,
}

/// Keys in one `_sort`. More than a few change nothing about the order, and each is a look-up for every match.
const SORT_KEYS: usize = 10;

/// `_include` and `_revinclude` in one search.
const INCLUDES: usize = 50;

/// Where a search looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// One type, or all.
    pub(crate) type_name: Option<&'static str>,
    /// The type and id of the resource whose compartment it stays in.
    pub(crate) compartment: Option<(&'s str, &'s str)>,
}

/// Reads the parameters of a search, percent-decoded and in the order given.
pub(crate) fn query(reading: &Reading<'_>, scope: Scope<'_>, parameters: &[(String, String)]) -> Result<Query, Error> {
    let types = types(reading, scope, parameters)?;
    let mut parser = Parser { reading, terms: 0 };
    let mut query = Query {
        types,
        criteria: Vec::new(),
        sort: Vec::new(),
        count: reading.limits.page,
        total: false,
        count_only: false,
        includes: Vec::new(),
        summary: None,
        elements: Vec::new(),
        cursor: None,
        understood: String::new(),
        warnings: Vec::new(),
    };
    if let Some((code, id)) = scope.compartment {
        query.criteria.push(compartment(reading, &query.types, code, id)?);
    }
    for (name, value) in parameters {
        if matches!(name.as_str(), "_format" | "_pretty") {
            continue;
        }
        if name.contains('\0') || value.contains('\0') {
            // No FHIR text holds one, and PostgreSQL's cannot.
            return Err(invalid(&name.replace('\0', ""), "holds a character that no text may hold"));
        }
        let known = if value.is_empty() { Known::No } else { parser.parameter(&mut query, name, value)? };
        match known {
            Known::Yes => {
                let separator = if query.understood.is_empty() { "" } else { "&" };
                query.understood += &format!("{separator}{}={}", encode(name), encode(value));
            }
            Known::Unseen => {}
            Known::No => {
                let what = if value.is_empty() { "has no value" } else { "is not known here" };
                let text = format!("The search parameter “{}” {what}.", shown(name));
                if reading.strict {
                    return Err(Error::new(Category::Invalid, IssueCode::NotSupported, text).at(place(name)));
                }
                let text = format!("{text} It was left out.");
                query.warnings.push(Issue::warning(IssueCode::NotSupported, text).at(place(name)));
            }
        }
    }
    Ok(query)
}

/// Whether a parameter was understood, and whether the self link shows it.
enum Known {
    Yes,
    Unseen,
    No,
}

/// The parameters of a query string, percent-decoded.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Error> {
    let decode = |text: &str| -> Result<String, Error> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                    let digits = digit(rest.next()).zip(digit(rest.next()));
                    let code = digits.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                    code.ok_or_else(|| Error::invalid("A query has a % that two hexadecimal digits do not follow."))?
                }
                other => other,
            });
        }
        String::from_utf8(bytes).map_err(|_| Error::invalid("A query is not UTF-8."))
    };
    let pairs = query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Percent-encodes everything but what is plain in a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b',' | b'/' | b'*' | b'$' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// A name that came from outside, short enough to be shown. Values are never shown: they may be a patient's.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Where an issue about a parameter of a request is.
/// <http://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression>
fn place(name: &str) -> String {
    format!("http.{}", shown(name))
}

fn invalid(name: &str, what: &str) -> Error {
    let text = format!("The search parameter “{}” {what}.", shown(name));
    Error::new(Category::Invalid, IssueCode::Value, text).at(place(name))
}

fn too_costly(name: &str, what: &str) -> Error {
    let text = format!("The search asks for too much: {what}.");
    Error::new(Category::Unprocessable, IssueCode::TooCostly, text).at(place(name))
}

/// The types searched: that of the path, those of `_type`, or all.
fn types(reading: &Reading<'_>, scope: Scope<'_>, parameters: &[(String, String)]) -> Result<Vec<&'static str>, Error> {
    let all = || r4().resource_types().to_vec();
    let mut types = match scope.type_name {
        Some(one) => vec![one],
        None => all(),
    };
    for (_, value) in parameters.iter().filter(|(name, value)| name == "_type" && !value.is_empty()) {
        let named = value.split(',').map(|name| type_named("_type", name)).collect::<Result<Vec<_>, _>>()?;
        if scope.type_name.is_none() {
            types.retain(|known| named.contains(known));
        } else if reading.strict {
            return Err(invalid("_type", "is only for searches of several types"));
        }
    }
    if types.is_empty() {
        return Err(invalid("_type", "leaves no type to search"));
    }
    if let (None, Some((code, _))) = (scope.type_name, scope.compartment) {
        let compartment = r4().compartments().iter().find(|compartment| compartment.code == code);
        types.retain(|name| compartment.is_some_and(|found| !found.params_of(name).is_empty()));
    }
    Ok(types)
}

fn type_named(parameter: &str, name: &str) -> Result<&'static str, Error> {
    let known = r4().resource_types().binary_search(&name).map(|at| r4().resource_types()[at]);
    known.map_err(|_| invalid(parameter, &format!("names “{}”, which is not an R4 resource type", shown(name))))
}

/// What puts a resource into a compartment. <http://hl7.org/fhir/R4/compartmentdefinition.html>
fn compartment(reading: &Reading<'_>, types: &[&'static str], code: &str, id: &str) -> Result<Criterion, Error> {
    let found = r4().compartments().iter().find(|compartment| compartment.code == code).ok_or_else(|| {
        let text = format!("There is no {} compartment.", shown(code));
        Error::new(Category::NotFound, IssueCode::NotSupported, text)
    })?;
    let mut params = Vec::new();
    let mut either = Vec::new();
    for type_name in types {
        for param in found.params_of(type_name).iter().filter_map(|name| reading.registry.param(type_name, name)) {
            params.push(param.id);
        }
        if *type_name == code {
            either.push(Criterion::Ids { types: vec![*type_name], ids: vec![id.to_owned()] });
        }
    }
    if !params.is_empty() {
        either.push(Criterion::Row(Sought {
            table: Table::Reference,
            params,
            tests: vec![Test::Target(format!("{code}/{id}"))],
            power: Power::Distinct,
        }));
    }
    Ok(Criterion::Any(either))
}

struct Parser<'p, 'r> {
    reading: &'p Reading<'r>,
    terms: usize,
}

impl Parser<'_, '_> {
    fn parameter(&mut self, query: &mut Query, name: &str, value: &str) -> Result<Known, Error> {
        let (plain_name, modifier) = name.split_once(':').map_or((name, None), |(name, rest)| (name, Some(rest)));
        match (plain_name, modifier) {
            ("_sort", None) => {
                if value.split(',').count() > SORT_KEYS {
                    return Err(too_costly(name, &format!("matches may be ordered by {SORT_KEYS} things")));
                }
                query.sort = self.sort(&query.types, value)?;
            }
            ("_count", None) => {
                let count: usize = value.parse().map_err(|_| invalid(name, "is not a whole number of at least 0"))?;
                query.count = count.min(self.reading.limits.page_max);
                // No matches are wanted, only their number.
                query.count_only |= count == 0;
            }
            ("_total", None) => match value {
                "none" => query.total = false,
                "accurate" | "estimate" => query.total = true,
                _ => return Err(invalid(name, "is one of none, estimate, accurate")),
            },
            ("_summary", None) => {
                if !matches!(value, "true" | "false" | "text" | "data" | "count") {
                    return Err(invalid(name, "is one of true, false, text, data, count"));
                }
                query.count_only |= value == "count";
                query.summary = Some(value.to_owned());
            }
            ("_elements", None) => query.elements = value.split(',').map(|name| name.trim().to_owned()).collect(),
            ("_include" | "_revinclude", None | Some("iterate" | "recurse")) => {
                if query.includes.len() == INCLUDES {
                    return Err(too_costly(name, &format!("a page may include by {INCLUDES} paths")));
                }
                let include = self.include(name, plain_name == "_revinclude", modifier.is_some(), value)?;
                query.includes.push(include);
            }
            // Settled before.
            ("_type", None) => {}
            (CURSOR, None) => {
                query.cursor = Some(value.to_owned());
                return Ok(Known::Unseen);
            }
            _ => match self.criterion(&query.types, name, name, value, 0)? {
                Some(criterion) => query.criteria.push(criterion),
                None => return Ok(Known::No),
            },
        }
        Ok(Known::Yes)
    }

    fn sort(&self, types: &[&'static str], value: &str) -> Result<Vec<SortKey>, Error> {
        let key = |field: &str| {
            let (name, descending) = field.strip_prefix('-').map_or((field, false), |name| (name, true));
            let by = match name {
                "_id" => SortBy::Id,
                "_lastUpdated" => SortBy::Updated,
                _ => {
                    let lacks = || invalid("_sort", &format!("cannot order by “{}”", shown(name)));
                    let params = self.params(types, name).ok_or_else(lacks)?;
                    SortBy::Param { table: table(params[0]).ok_or_else(lacks)?, params: ids(&params) }
                }
            };
            Ok(SortKey { by, descending })
        };
        value.split(',').map(|field| key(field.trim())).collect()
    }

    fn include(&self, name: &str, reverse: bool, iterate: bool, value: &str) -> Result<Include, Error> {
        let mut parts = value.splitn(3, ':');
        let (source, code, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let target = target.map(|target| type_named(name, target)).transpose()?;
        let registry = self.reading.registry;
        let is_reference = |param: &&Param| param.kind == ParamKind::Reference && param.is_public();
        let params: Vec<ParamId> = match (source, code) {
            ("*", None | Some("*")) => registry.all().iter().filter(is_reference).map(|param| param.id).collect(),
            (source, Some("*")) => {
                let source = type_named(name, source)?;
                registry.params(source).filter(is_reference).map(|param| param.id).collect()
            }
            (source, Some(code)) => {
                let source = type_named(name, source)?;
                let param = registry.param(source, code).filter(is_reference);
                let text = format!("names “{}”, which is not a reference of {source}", shown(code));
                vec![param.ok_or_else(|| invalid(name, &text))?.id]
            }
            _ => return Err(invalid(name, "is written Type:parameter, Type:parameter:Target, Type:* or *")),
        };
        let types = r4().resource_types();
        let types: Vec<&'static str> =
            types.iter().copied().filter(|name| target.is_none_or(|only| *name == only)).collect();
        let urls = self.urls(params.iter().map(|param| registry.at(*param)), &types);
        Ok(Include { reverse, iterate, params, urls, target })
    }

    /// The parameters under which these types have their canonical URL, when one of the references is canonical.
    fn urls<'q>(&self, mut references: impl Iterator<Item = &'q Param>, types: &[&'static str]) -> Vec<ParamId> {
        if !references.any(|param| param.canonical) {
            return Vec::new();
        }
        let url = |name: &&str| self.reading.registry.param(name, "url").filter(|param| param.kind == ParamKind::Uri);
        types.iter().filter_map(url).map(|param| param.id).collect()
    }

    /// The public parameter of this name on every one of the types; none when one of them lacks it.
    fn params(&self, types: &[&'static str], code: &str) -> Option<Vec<&Param>> {
        let params: Option<Vec<&Param>> = types
            .iter()
            .map(|name| self.reading.registry.param(name, code).filter(|param| param.is_public()))
            .collect();
        params.filter(|params| params.windows(2).all(|pair| pair[0].kind == pair[1].kind))
    }

    /// One condition; none when a name in it is not known. `name` is the rest of `whole` that is read here.
    fn criterion(
        &mut self,
        types: &[&'static str],
        whole: &str,
        name: &str,
        value: &str,
        depth: usize,
    ) -> Result<Option<Criterion>, Error> {
        if depth > self.reading.limits.chain_depth {
            let most = self.reading.limits.chain_depth;
            return Err(too_costly(whole, &format!("a chain may have {most} links")));
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(types, whole, rest, value, depth);
        }
        if let Some((head, rest)) = chain(name) {
            return self.chain(types, whole, (head, rest), value, depth);
        }
        let (code, modifier) = name.split_once(':').map_or((name, None), |(code, modifier)| (code, Some(modifier)));
        match code {
            "_id" => return self.own_id(types, whole, modifier, value).map(Some),
            "_lastUpdated" => {
                if modifier.is_some() {
                    return Err(unfit(whole));
                }
                let tests = self.each(whole, value, |piece, parser| parser.date(piece))?;
                return Ok(Some(Criterion::Updated(tests)));
            }
            _ => {}
        }
        let Some(params) = self.params(types, code) else { return Ok(None) };
        let (first, ids) = (params[0].clone(), ids(&params));
        if first.kind == ParamKind::Composite {
            return if modifier.is_none() {
                self.composite(whole, &params_of(&params), value).map(Some)
            } else {
                Err(unfit(whole))
            };
        }
        let Some(table) = table(&first) else { return Ok(None) };
        let rows = Sought { table, params: ids, tests: Vec::new(), power: power(&first) };
        if modifier == Some("missing") {
            return match value {
                "true" => Ok(Some(Criterion::Not(Box::new(Criterion::Row(rows))))),
                "false" => Ok(Some(Criterion::Row(rows))),
                _ => Err(invalid(whole, "is true or false when it ends in :missing")),
            };
        }
        self.values(types, whole, (code, modifier), &first, rows, value).map(Some)
    }

    /// A value, or several of which any will do.
    fn values(
        &mut self,
        types: &[&'static str],
        whole: &str,
        (code, modifier): (&str, Option<&str>),
        param: &Param,
        mut rows: Sought,
        value: &str,
    ) -> Result<Criterion, Error> {
        let one = |test: Option<Test>| test.map(|test| vec![test]);
        match (param.kind, modifier) {
            (ParamKind::String, None) => {
                rows.tests = self.each(whole, value, |piece, _| {
                    Some(value::prefixes(piece, param.of_names)).filter(|tests| !tests.is_empty())
                })?;
            }
            (ParamKind::String, Some("exact")) => {
                rows.tests = self.each(whole, value, |piece, _| {
                    let exact = plain(piece);
                    one(Some(Test::Exact { folded: fold(&exact), exact }))
                })?;
            }
            (ParamKind::String, Some("contains")) => {
                rows.power = Power::Flag;
                rows.tests = self.each(whole, value, |piece, _| {
                    one(Some(fold(&plain(piece))).filter(|folded| !folded.is_empty()).map(Test::Contains))
                })?;
            }
            (ParamKind::Token, None) => rows.tests = self.each(whole, value, |piece, _| one(value::token(piece)))?,
            (ParamKind::Token, Some("not")) => {
                rows.tests = self.each(whole, value, |piece, _| one(value::token(piece)))?;
                return Ok(Criterion::Not(Box::new(Criterion::Row(rows))));
            }
            (ParamKind::Token, Some(modifier @ ("in" | "not-in"))) => {
                rows.tests = self.each(whole, value, |piece, _| one(Some(Test::InValueSet(plain(piece)))))?;
                let inside = Criterion::Row(rows);
                return Ok(if modifier == "in" { inside } else { Criterion::Not(Box::new(inside)) });
            }
            (ParamKind::Token, Some(modifier @ ("above" | "below"))) => {
                rows.tests = self.each(whole, value, |piece, _| {
                    let (system, code) = value::coded(piece)?;
                    one(Some(match modifier {
                        "above" => Test::Above { system, code },
                        _ => Test::Below { system, code },
                    }))
                })?;
            }
            (ParamKind::Token, Some("of-type")) => {
                rows = self.derived(types, whole, code, "of-type")?;
                rows.tests = self.each(whole, value, |piece, _| one(value::of_type(piece)))?;
            }
            (ParamKind::Reference, Some("identifier")) => {
                rows = self.derived(types, whole, code, "identifier")?;
                rows.tests = self.each(whole, value, |piece, _| one(value::token(piece)))?;
            }
            (ParamKind::Reference, Some(modifier @ ("above" | "below"))) => {
                let above = modifier == "above";
                if !self.reading.registry.is_hierarchical(param) && (above || !param.canonical) {
                    return Err(unfit(whole));
                }
                rows.tests = self.each(whole, value, |piece, parser| parser.branch(param, above, &plain(piece)))?;
            }
            (ParamKind::Reference, modifier) => {
                let only = modifier.map(|name| type_named(whole, name)).transpose().map_err(|_| unfit(whole))?;
                rows.tests = self.each(whole, value, |piece, parser| {
                    targets(parser.reading.registry.own(), param, only, &plain(piece))
                })?;
                if rows.tests.is_empty() {
                    return Ok(Criterion::Any(Vec::new()));
                }
            }
            (ParamKind::Uri, None) => {
                rows.tests = self.each(whole, value, |piece, _| one(Some(uri(key(&plain(piece)).to_owned()))))?;
            }
            (ParamKind::Uri, Some("below")) => {
                rows.tests = self.each(whole, value, |piece, _| one(Some(Test::Beginning(plain(piece)))))?;
            }
            (ParamKind::Uri, Some("above")) => {
                rows.tests = self.each(whole, value, |piece, _| Some(above(&plain(piece))))?;
            }
            (ParamKind::Date, None) => rows.tests = self.each(whole, value, |piece, parser| parser.date(piece))?,
            (ParamKind::Number, None) => {
                rows.tests = self.each(whole, value, |piece, _| one(value::number(piece, false)))?;
            }
            (ParamKind::Quantity, None) => {
                rows.tests = self.each(whole, value, |piece, _| one(value::number(piece, true)))?;
            }
            _ => return Err(unfit(whole)),
        }
        Ok(Criterion::Row(rows))
    }

    /// The tests of every comma-separated piece, of which there may not be too many.
    fn each(
        &mut self,
        whole: &str,
        value: &str,
        mut test: impl FnMut(&str, &Self) -> Option<Vec<Test>>,
    ) -> Result<Vec<Test>, Error> {
        let pieces = self.pieces(whole, value)?;
        let mut tests = Vec::with_capacity(pieces.len());
        for piece in pieces {
            tests.extend(test(piece, self).ok_or_else(|| invalid(whole, "has a value that is not of its kind"))?);
            if tests.len() > MEANINGS {
                return Err(too_costly(whole, "its values may mean too many resources; write Type/id"));
            }
        }
        Ok(tests)
    }

    fn pieces<'v>(&mut self, whole: &str, value: &'v str) -> Result<Vec<&'v str>, Error> {
        let pieces = split(value, ',');
        self.terms += pieces.len();
        let most = self.reading.limits.search_terms;
        if self.terms > most {
            return Err(too_costly(whole, &format!("one search may have {most} values in all")));
        }
        Ok(pieces)
    }

    /// What a reference value with `:above` or `:below` asks for: a branch of a hierarchy, from a resource of a type that
    /// has one, or versions of a canonical URL. <http://hl7.org/fhir/R4/search.html#recursive>
    fn branch(&self, param: &Param, above: bool, value: &str) -> Option<Vec<Test>> {
        let registry = self.reading.registry;
        let bare = value.split_once("/_history/").map_or(value, |(bare, _)| bare);
        let bare = registry.own().relative(bare);
        let test = |type_name: &str, root: String| {
            registry.hierarchy(type_name).map(|by| Test::Branch { root, by: by.id, above })
        };
        if bare.contains([':', '/', '|']) {
            if let Some(test) = fhir::search::reference_type(bare).and_then(|name| test(name, key(bare).to_owned())) {
                return Some(vec![test]);
            }
            return match bare.split_once('|') {
                _ if !param.canonical || above => None,
                Some((url, version)) if !version.is_empty() && bare.len() <= COMPARED => {
                    Some(vec![Test::Versions { url: url.to_owned(), version: version.to_owned() }])
                }
                // A reference to a version is found by its URL alone as well.
                _ => Some(vec![Test::Target(key(bare).to_owned())]),
            };
        }
        let tests: Vec<Test> =
            param.targets.iter().filter_map(|target| test(target, format!("{target}/{bare}"))).collect();
        Some(tests).filter(|tests| !tests.is_empty() && !bare.is_empty())
    }

    fn date(&self, piece: &str) -> Option<Vec<Test>> {
        value::date(piece, self.reading.registry.zone(), self.reading.now).map(|test| vec![test])
    }

    fn own_id(
        &mut self,
        types: &[&'static str],
        whole: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Criterion, Error> {
        let ids: Vec<String> = self.pieces(whole, value)?.into_iter().map(plain).collect();
        if types.len() * ids.len() > MEANINGS {
            return Err(too_costly(whole, "so many ids are for a search of one type, or of few with _type"));
        }
        match modifier {
            None => Ok(Criterion::Ids { types: types.to_vec(), ids }),
            Some("not") => Ok(Criterion::Not(Box::new(Criterion::Ids { types: types.to_vec(), ids }))),
            Some(_) => Err(unfit(whole)),
        }
    }

    /// The rows that exist for one modifier only.
    fn derived(&self, types: &[&'static str], whole: &str, code: &str, modifier: &str) -> Result<Sought, Error> {
        let code = format!("{code}:{modifier}");
        let params: Option<Vec<ParamId>> =
            types.iter().map(|name| self.reading.registry.param(name, &code).map(|param| param.id)).collect();
        let params = params.ok_or_else(|| unfit(whole))?;
        Ok(Sought { table: Table::Token, params, tests: Vec::new(), power: Power::Distinct })
    }

    fn composite(&mut self, whole: &str, params: &[Param], value: &str) -> Result<Criterion, Error> {
        let registry = self.reading.registry;
        let mut either = Vec::new();
        for piece in self.pieces(whole, value)? {
            let values = split(piece, '$');
            for param in params {
                if values.len() != param.components.len() {
                    let text = format!("has {} values joined by $", param.components.len());
                    return Err(invalid(whole, &text));
                }
                let mut parts = Vec::with_capacity(values.len());
                for (component, value) in param.components.iter().zip(&values) {
                    let of = registry.at(component.param).clone();
                    let table = table(&of).ok_or_else(|| unfit(whole))?;
                    let rows = Sought { table, params: vec![of.id], tests: Vec::new(), power: power(&of) };
                    let types = [param.type_name];
                    match self.values(&types, whole, (&of.code, None), &of, rows, value)? {
                        Criterion::Row(rows) => parts.push(Part { sought: rows, across: component.across }),
                        _ => return Err(unfit(whole)),
                    }
                }
                either.push(Criterion::Together(parts));
            }
        }
        Ok(Criterion::Any(either))
    }

    /// `reference[:Type].rest`
    fn chain(
        &mut self,
        types: &[&'static str],
        whole: &str,
        (head, rest): (&str, &str),
        value: &str,
        depth: usize,
    ) -> Result<Option<Criterion>, Error> {
        let (code, only) = head.split_once(':').map_or((head, None), |(code, only)| (code, Some(only)));
        let only = only.map(|name| type_named(whole, name)).transpose()?;
        let Some(params) = self.params(types, code) else { return Ok(None) };
        if params[0].kind != ParamKind::Reference {
            return Err(invalid(whole, &format!("goes on after “{}”, which is not a reference", shown(code))));
        }
        let mut targets: Vec<&'static str> = params.iter().flat_map(|param| param.targets.iter().copied()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets.retain(|target| only.is_none_or(|only| *target == only));
        let references: Vec<Param> = params_of(&params);
        let params = ids(&params);
        let mut either = Vec::new();
        for types in self.alike(&targets, rest) {
            // Every way on is a search of its own.
            self.terms += 1;
            if let Some(rest) = self.criterion(&types, whole, rest, value, depth + 1)? {
                let urls = self.urls(references.iter(), &types);
                either.push(Criterion::Chain { params: params.clone(), types, urls, rest: Box::new(rest) });
            }
        }
        if either.is_empty() {
            return Err(invalid(whole, "leads nowhere: what follows is not known on any type it points at"));
        }
        Ok(Some(Criterion::Any(either)))
    }

    /// The types that know the first name of `rest`, those together to which it means the same kind of value.
    fn alike(&self, types: &[&'static str], rest: &str) -> Vec<Vec<&'static str>> {
        if rest.starts_with("_has:") {
            return types.iter().map(|name| vec![*name]).collect();
        }
        let code = rest.split([':', '.']).next().unwrap_or(rest);
        if matches!(code, "_id" | "_lastUpdated") {
            return vec![types.to_vec()];
        }
        let mut groups: Vec<(ParamKind, Vec<&'static str>)> = Vec::new();
        for type_name in types {
            let Some(param) = self.reading.registry.param(type_name, code).filter(|param| param.is_public()) else {
                continue;
            };
            // What a reference may point at differs from type to type.
            let alone = param.kind == ParamKind::Reference;
            match groups.iter_mut().find(|(kind, _)| *kind == param.kind && !alone) {
                Some((_, types)) => types.push(type_name),
                None => groups.push((param.kind, vec![type_name])),
            }
        }
        groups.into_iter().map(|(_, types)| types).collect()
    }

    /// `_has:Type:reference:rest`
    fn has(
        &mut self,
        types: &[&'static str],
        whole: &str,
        name: &str,
        value: &str,
        depth: usize,
    ) -> Result<Option<Criterion>, Error> {
        let mut parts = name.splitn(3, ':');
        let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid(whole, "is written _has:Type:reference:parameter"));
        };
        let source = type_named(whole, source)?;
        let param = self.reading.registry.param(source, code).filter(|param| param.kind == ParamKind::Reference);
        let Some(param) = param.filter(|param| types.iter().any(|name| param.targets.contains(name))) else {
            let text = format!("names “{}”, which is not a reference of {source} to what is searched", shown(code));
            return Err(invalid(whole, &text));
        };
        let params = vec![param.id];
        let targets: Vec<&'static str> = types.iter().copied().filter(|name| param.targets.contains(name)).collect();
        let urls = self.urls(std::iter::once(param), &targets);
        let rest = self.criterion(&[source], whole, rest, value, depth + 1)?;
        let rest = rest.ok_or_else(|| invalid(whole, &format!("ends in a parameter that {source} does not have")))?;
        Ok(Some(Criterion::Has { types: types.to_vec(), params, urls, rest: Box::new(rest) }))
    }
}

/// A modifier that the parameter does not take.
fn unfit(name: &str) -> Error {
    let text = format!("The search parameter “{}” has a modifier that it does not take.", shown(name));
    Error::new(Category::Invalid, IssueCode::NotSupported, text).at(place(name))
}

/// The head and the rest of a chain. A dot may also stand in a code, as in `_id.x`, which no parameter has.
fn chain(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(head, rest)| !head.is_empty() && !rest.is_empty())
}

fn ids(params: &[&Param]) -> Vec<ParamId> {
    params.iter().map(|param| param.id).collect()
}

fn params_of(params: &[&Param]) -> Vec<Param> {
    params.iter().map(|param| (*param).clone()).collect()
}

/// Where a parameter's rows are; none when it has no rows.
fn table(param: &Param) -> Option<Table> {
    param.is_indexed().then_some(())?;
    Some(match param.kind {
        ParamKind::Token | ParamKind::Uri => Table::Token,
        ParamKind::Reference => Table::Reference,
        ParamKind::String => Table::Text,
        ParamKind::Date => Table::Date,
        ParamKind::Number | ParamKind::Quantity => Table::Quantity,
        ParamKind::Composite | ParamKind::Special => return None,
    })
}

fn power(param: &Param) -> Power {
    match param.kind {
        _ if param.identifying => Power::Distinct,
        _ if param.coarse => Power::Flag,
        ParamKind::Reference => Power::Reference,
        ParamKind::Date | ParamKind::Number | ParamKind::Quantity => Power::Span,
        _ => Power::Code,
    }
}

fn uri(code: String) -> Test {
    Test::Token { system: System::Any, code: Some(code) }
}

/// The uri itself and every uri that is a beginning of it, cut where a path or a fragment is.
fn above(text: &str) -> Vec<Test> {
    let cuts =
        text.char_indices().filter(|(at, letter)| *at > 0 && matches!(letter, '/' | '#' | '|')).map(|(at, _)| at);
    // Twenty levels are deeper than any published hierarchy; a hostile one ends there.
    let mut tests: Vec<Test> = cuts.take(20).map(|at| uri(key(&text[..at]).to_owned())).collect();
    tests.push(uri(key(text).to_owned()));
    tests
}

/// What a reference value may mean: `Type/id`, a URL, or an id of any type the parameter points at.
fn targets(own: &OwnAddresses, param: &Param, only: Option<&'static str>, value: &str) -> Option<Vec<Test>> {
    if value.is_empty() {
        return None;
    }
    let written = value.split_once("/_history/").map_or(value, |(bare, _)| bare);
    let bare = own.relative(written);
    if bare.contains([':', '/', '|']) {
        let fits = only.is_none_or(|only| fhir::search::reference_type(bare) == Some(only));
        // A reference to another type than the modifier says is one nothing has.
        if !fits {
            return Some(Vec::new());
        }
        let mut tests = vec![Test::Target(key(bare).to_owned())];
        // A canonical URL is a name and no place: one that looks like an address of ours stands in the index as written.
        if param.canonical && bare != written {
            tests.push(Test::Target(key(written).to_owned()));
        }
        return Some(tests);
    }
    let types = param.targets.iter().filter(|target| only.is_none_or(|only| **target == only));
    Some(types.map(|target| Test::Target(format!("{target}/{bare}"))).collect())
}
