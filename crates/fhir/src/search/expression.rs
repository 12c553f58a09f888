//! The small language in which search parameters say where their values are, compiled to JSON member names.
//!
//! It is the part of FHIRPath that the official parameters use: steps, `|`, `ofType(T)`, `as(T)`, `as T`,
//! `where(member='text')`, `where(resolve() is T)`, `where(hasExtension('url'))`, `extension('url')`, `[n]`,
//! parentheses, and `X.exists() and X != false`. Other expressions are refused, and the caller says so.

use crate::definitions::{Definitions, ElementDef, TypeDef};

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The values are the nodes at any of these paths.
    Nodes(Vec<Vec<Step>>),
    /// The value is `true` when a node at the path exists and is not `false`, and `false` otherwise.
    Truth(Vec<Step>),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A child, or as the first step the type of the resource.
    Child(String),
    /// Only values of this type.
    OfType(String),
    /// Only values for which this holds.
    Where(Condition),
}

/// What a value must fulfil to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A member equals a text: `system='phone'`.
    Equals(String, String),
    /// It is a reference to this type of resource: `resolve() is Patient`.
    Refers(String),
    /// It has an extension of this URL.
    Extension(String),
    /// It stands at this position of its list.
    Position(usize),
}

/// One way from a resource of a concrete type to values of one type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    /// JSON members and conditions, from the resource.
    pub moves: Vec<Move>,
    /// The type of the values: `CodeableConcept`, `date`.
    pub leaf: &'static str,
    /// The type that has the last member, if it is a data type: `HumanName` for `name.family`.
    pub parent: &'static str,
    /// The value set a leaf that is a plain code must come from.
    pub codes: Option<&'static str>,
    /// Whether one resource has at most one such value.
    pub single: bool,
}

impl Way {
    /// The only type its references may be to, when a condition says so.
    pub(crate) fn refers(&self) -> Option<&str> {
        self.moves.iter().find_map(|step| match step {
            Move::If(Condition::Refers(name)) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// One move of a [`Way`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Into a JSON member, which is an array when the flag is set.
    Member(String, bool),
    /// On, if this holds.
    If(Condition),
}

/// Parses an expression; the error says what is not understood.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let paths = parser.union()?;
    if parser.take_word("and") {
        return parser.truth(paths).ok_or_else(|| format!("`{text}` goes beyond `X.exists() and X != false`"));
    }
    match parser.tokens.get(parser.at) {
        None => Ok(Parsed::Nodes(paths)),
        Some(token) => Err(format!("{} is not understood in `{text}`", token.shown())),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Number(usize),
    Sign(char),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => number.to_string(),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            first if first.is_whitespace() => first.len_utf8(),
            '\'' => {
                let end = rest[1..].find('\'').ok_or_else(|| format!("a text does not end in `{text}`"))?;
                found.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '0'..='9' => {
                let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
                let number = rest[..end].parse().map_err(|_| format!("`{}` is too large", &rest[..end]))?;
                found.push(Token::Number(number));
                end
            }
            'a'..='z' | 'A'..='Z' | '_' | '%' => {
                let inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '%';
                let end = rest.find(|letter: char| !inside(letter)).unwrap_or(rest.len());
                found.push(Token::Word(rest[..end].to_owned()));
                end
            }
            '.' | '|' | '(' | ')' | '[' | ']' | '=' | '!' => {
                found.push(Token::Sign(first));
                1
            }
            other => return Err(format!("`{other}` is not understood in `{text}`")),
        };
        rest = &rest[taken..];
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

type Paths = Vec<Vec<Step>>;

impl Parser {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.lack(&format!("`{sign}`"))) }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.take() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.lack_before("a name")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.take() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(self.lack_before("a text in quotes")),
        }
    }

    fn lack(&self, wanted: &str) -> String {
        let found = self.tokens.get(self.at).map_or("the end".to_owned(), Token::shown);
        format!("{wanted} is expected where {found} stands")
    }

    fn lack_before(&mut self, wanted: &str) -> String {
        self.at -= 1;
        self.lack(wanted)
    }

    fn union(&mut self) -> Result<Paths, String> {
        let mut paths = self.typed()?;
        while self.take_sign('|') {
            paths.append(&mut self.typed()?);
        }
        Ok(paths)
    }

    /// A path, with or without ` as T`.
    fn typed(&mut self) -> Result<Paths, String> {
        let mut paths = self.path()?;
        while self.take_word("as") {
            let name = self.word()?;
            extend(&mut paths, &Step::OfType(name));
        }
        Ok(paths)
    }

    fn path(&mut self) -> Result<Paths, String> {
        let mut paths = if self.take_sign('(') {
            let inner = self.union()?;
            self.sign(')')?;
            inner
        } else {
            vec![vec![Step::Child(self.word()?)]]
        };
        loop {
            if self.take_sign('[') {
                let Some(Token::Number(position)) = self.take() else { return Err(self.lack_before("a position")) };
                self.sign(']')?;
                extend(&mut paths, &Step::Where(Condition::Position(position)));
            } else if self.take_sign('.') {
                let name = self.word()?;
                for step in self.step(name)? {
                    extend(&mut paths, &step);
                }
            } else {
                return Ok(paths);
            }
        }
    }

    fn step(&mut self, name: String) -> Result<Vec<Step>, String> {
        if !self.take_sign('(') {
            return Ok(vec![Step::Child(name)]);
        }
        let steps = match name.as_str() {
            "ofType" | "as" => vec![Step::OfType(self.word()?)],
            "where" => vec![Step::Where(self.condition()?)],
            "extension" => {
                let url = self.text()?;
                vec![Step::Child("extension".to_owned()), Step::Where(Condition::Equals("url".to_owned(), url))]
            }
            // Only the form `X.exists() and X != false` uses it; what follows decides.
            "exists" => Vec::new(),
            "first" => vec![Step::Where(Condition::Position(0))],
            _ => return Err(format!("`{name}()` is not understood")),
        };
        self.sign(')')?;
        Ok(steps)
    }

    fn condition(&mut self) -> Result<Condition, String> {
        let name = self.word()?;
        if !self.take_sign('(') {
            self.sign('=')?;
            return Ok(Condition::Equals(name, self.text()?));
        }
        match name.as_str() {
            "resolve" => {
                self.sign(')')?;
                if !self.take_word("is") {
                    return Err(self.lack("`is`"));
                }
                Ok(Condition::Refers(self.word()?))
            }
            "hasExtension" => {
                let url = self.text()?;
                self.sign(')')?;
                Ok(Condition::Extension(url))
            }
            _ => Err(format!("`{name}()` is not understood")),
        }
    }

    /// The rest of `X.exists() and X != false`, of which `first` is the beginning.
    fn truth(&mut self, first: Paths) -> Option<Parsed> {
        let again = self.path().ok()?;
        let negated = self.take_sign('!') && self.take_sign('=') && self.take_word("false");
        let [path] = first.as_slice() else { return None };
        (negated && again == first && self.at == self.tokens.len()).then(|| Parsed::Truth(path.clone()))
    }
}

fn extend(paths: &mut Paths, step: &Step) {
    for path in paths {
        path.push(step.clone());
    }
}

/// Where a path stands while it is compiled: at values of a type, or at a choice of which no type is picked yet.
#[derive(Clone)]
struct Front<'d> {
    moves: Vec<Move>,
    at: At<'d>,
    parent: &'static str,
    codes: Option<&'static str>,
    single: bool,
}

#[derive(Clone, Copy)]
enum At<'d> {
    Type(&'static str),
    Choice(&'d ElementDef),
}

/// Compiles one path for a concrete resource type; none when the path is about another type.
/// A path that begins with no type is seen from the resource.
pub(crate) fn compile(definitions: &Definitions, resource_type: &'static str, steps: &[Step]) -> Vec<Way> {
    let rest = match steps.first() {
        Some(Step::Child(name)) if starts_upper(name) => {
            if !definitions.is_subtype(resource_type, name) {
                return Vec::new();
            }
            &steps[1..]
        }
        _ => steps,
    };
    let start =
        Front { moves: Vec::new(), at: At::Type(resource_type), parent: resource_type, codes: None, single: true };
    let mut fronts = vec![start];
    for step in rest {
        fronts = match step {
            Step::Child(name) => {
                resolve(fronts).into_iter().flat_map(|front| child(definitions, front, name)).collect()
            }
            Step::OfType(name) => fronts.into_iter().filter_map(|front| of_type(definitions, front, name)).collect(),
            Step::Where(condition) => resolve(fronts)
                .into_iter()
                .map(|mut front| {
                    front.moves.push(Move::If(condition.clone()));
                    front
                })
                .collect(),
        };
    }
    resolve(fronts)
        .into_iter()
        .filter_map(|front| {
            let At::Type(leaf) = front.at else { return None };
            Some(Way { moves: front.moves, leaf, parent: front.parent, codes: front.codes, single: front.single })
        })
        .collect()
}

pub(crate) fn starts_upper(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Every choice becomes all its types.
fn resolve(fronts: Vec<Front<'_>>) -> Vec<Front<'_>> {
    fronts
        .into_iter()
        .flat_map(|front| match front.at {
            At::Type(_) => vec![front],
            At::Choice(element) => element.types.iter().map(|kind| pick(front.clone(), element, kind.code)).collect(),
        })
        .collect()
}

/// Settles a choice: `value` becomes the member `valueQuantity`.
fn pick<'d>(mut front: Front<'d>, element: &ElementDef, type_name: &'static str) -> Front<'d> {
    let (head, tail) = type_name.split_at(1);
    let name = format!("{}{}{tail}", element.name, head.to_ascii_uppercase());
    front.moves.push(Move::Member(name, element.is_list()));
    front.at = At::Type(type_name);
    front
}

fn child<'d>(definitions: &'d Definitions, mut front: Front<'d>, name: &str) -> Option<Front<'d>> {
    let At::Type(type_name) = front.at else { return None };
    let found: &TypeDef = definitions.type_(type_name)?;
    let element = found.element(name)?;
    front.parent = found.name;
    front.single &= !element.is_list();
    front.codes = element
        .binding
        .filter(|binding| binding.strength == crate::definitions::Strength::Required)
        .map(|binding| binding.value_set);
    if element.is_choice {
        front.at = At::Choice(element);
    } else {
        front.moves.push(Move::Member(element.name.to_owned(), element.is_list()));
        front.at = At::Type(element.types.first()?.code);
    }
    Some(front)
}

fn of_type<'d>(definitions: &Definitions, front: Front<'d>, name: &str) -> Option<Front<'d>> {
    match front.at {
        At::Type(found) => definitions.is_subtype(found, name).then_some(front),
        // The specification writes both `dateTime` and `DateTime`.
        At::Choice(element) => {
            let kind = element.types.iter().find(|kind| kind.code.eq_ignore_ascii_case(name))?;
            Some(pick(front, element, kind.code))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::r4;

    fn paths(resource_type: &'static str, text: &str) -> Vec<String> {
        let Ok(Parsed::Nodes(paths)) = parse(text) else { panic!("{text}: {:?}", parse(text)) };
        paths
            .iter()
            .flat_map(|path| compile(r4(), resource_type, path))
            .map(|way| {
                let moves = way.moves.iter().map(|step| match step {
                    Move::Member(name, false) => name.clone(),
                    Move::Member(name, true) => format!("{name}*"),
                    Move::If(condition) => format!("{condition:?}"),
                });
                format!("{}: {}", moves.collect::<Vec<_>>().join("."), way.leaf)
            })
            .collect()
    }

    #[test]
    fn each_spelling_of_a_choice_becomes_the_json_member() {
        for text in [
            "Observation.value as Quantity",
            "(Observation.value as Quantity)",
            "Observation.value.as(Quantity)",
            "Observation.value.ofType(Quantity)",
        ] {
            assert_eq!(paths("Observation", text), ["valueQuantity: Quantity"], "{text}");
        }
        assert_eq!(paths("Observation", "Observation.value.as(DateTime)"), ["valueDateTime: dateTime"]);
        assert_eq!(
            paths("Observation", "(Observation.value as CodeableConcept).text"),
            ["valueCodeableConcept.text: string"]
        );
        assert_eq!(paths("Group", "Group.characteristic.value").len(), 5);
    }

    #[test]
    fn a_union_serves_each_type_its_own_part() {
        let text = "AllergyIntolerance.code | Condition.code | Observation.code";
        assert_eq!(paths("Condition", text), ["code: CodeableConcept"]);
        assert_eq!(paths("Patient", text), Vec::<String>::new());
        assert_eq!(paths("Patient", "Resource.meta.tag"), ["meta.tag*: Coding"]);
    }

    #[test]
    fn conditions_stay_where_they_stand() {
        assert_eq!(
            paths("Patient", "Patient.telecom.where(system='phone')"),
            ["telecom*.Equals(\"system\", \"phone\"): ContactPoint"]
        );
        assert_eq!(
            paths("Account", "Account.subject.where(resolve() is Patient)"),
            ["subject*.Refers(\"Patient\"): Reference"]
        );
        assert_eq!(paths("Bundle", "Bundle.entry[0].resource"), ["entry*.Position(0).resource: Resource"]);
    }

    #[test]
    fn every_official_expression_compiles_for_every_type_it_names() {
        let mut ways = 0;
        for parameter in r4().search_parameters() {
            let Some(text) = parameter.expression else { continue };
            let parsed = parse(text).unwrap_or_else(|error| panic!("{}: {error}", parameter.url));
            let found = match &parsed {
                Parsed::Nodes(paths) => paths.as_slice(),
                Parsed::Truth(path) => std::slice::from_ref(path),
            };
            for base in &parameter.bases {
                let concrete = r4().resource_types().iter().filter(|name| r4().is_subtype(name, base));
                for resource_type in concrete {
                    let compiled = found.iter().flat_map(|path| compile(r4(), resource_type, path)).count();
                    assert!(compiled > 0, "{} on {resource_type}: `{text}`", parameter.url);
                    ways += compiled;
                }
            }
        }
        assert!(ways > 1_800, "{ways}");
    }

    #[test]
    fn what_goes_beyond_the_language_is_refused_with_its_place() {
        for text in
            ["Patient.name.select(given)", "Patient.name.given +", "Patient..name", "", "Patient.name[x]", "a and b"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("Patient.name.trace('x')").unwrap_err().contains("trace"));
    }
}
