//! A search as it is understood: which resources, in which order, with what around them.

use fhir::Issue;
use fhir::search::ParamId;

/// A search, checked against the registry of parameters and still free of any database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    /// The types searched, at least one.
    pub(crate) types: Vec<&'static str>,
    /// Every one of these must hold.
    pub(crate) criteria: Vec<Criterion>,
    /// The order; by position of storage when empty.
    pub(crate) sort: Vec<SortKey>,
    /// Matches on a page.
    pub(crate) count: usize,
    /// Whether all matches are counted.
    pub(crate) total: bool,
    /// Whether only the count is wanted.
    pub(crate) count_only: bool,
    /// What is added to the matches.
    pub(crate) includes: Vec<Include>,
    /// `_summary` as asked.
    pub(crate) summary: Option<String>,
    /// `_elements` as asked.
    pub(crate) elements: Vec<String>,
    /// Where the page begins, as an earlier page said.
    pub(crate) cursor: Option<String>,
    /// The parameters understood, without the cursor, percent-encoded.
    pub(crate) understood: String,
    /// What was left out.
    pub(crate) warnings: Vec<Issue>,
}

impl Query {
    /// Every parameter whose rows the search and its order look at.
    pub(crate) fn params(&self) -> Vec<ParamId> {
        let mut params = Vec::new();
        self.criteria.iter().for_each(|criterion| criterion.collect_params(&mut params));
        for key in &self.sort {
            if let SortBy::Param { params: of, .. } = &key.by {
                params.extend(of);
            }
        }
        params
    }
}

impl Criterion {
    fn collect_params(&self, params: &mut Vec<ParamId>) {
        match self {
            Self::Any(either) => either.iter().for_each(|criterion| criterion.collect_params(params)),
            Self::Not(rest) => rest.collect_params(params),
            Self::Ids { .. } | Self::Updated(_) => {}
            Self::Row(sought) => params.extend(&sought.params),
            Self::Together(parts) => parts.iter().for_each(|part| params.extend(&part.sought.params)),
            Self::Chain { params: of, rest, .. } | Self::Has { params: of, rest, .. } => {
                params.extend(of);
                rest.collect_params(params);
            }
        }
    }
}

/// A condition on one resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Criterion {
    /// Any of these holds; with none of them, nothing matches.
    Any(Vec<Criterion>),
    /// This does not hold.
    Not(Box<Criterion>),
    /// It is of one of these types and its id is one of these.
    Ids { types: Vec<&'static str>, ids: Vec<String> },
    /// It was last written within one of these spans.
    Updated(Vec<Test>),
    /// It has an index row of one of these parameters that passes one of the tests; with no tests, any row at all.
    Row(Sought),
    /// It has rows of one group, one for each component.
    Together(Vec<Part>),
    /// A reference of one of these parameters leads to a resource of one of these types for which the rest holds.
    /// Where the reference is canonical, `urls` are the parameters under which those types have theirs.
    Chain { params: Vec<ParamId>, types: Vec<&'static str>, urls: Vec<ParamId>, rest: Box<Criterion> },
    /// It is of one of these types, and a resource for which the rest holds refers to it by one of these parameters.
    /// Where the reference is canonical, `urls` are the parameters under which those types have theirs.
    Has { types: Vec<&'static str>, params: Vec<ParamId>, urls: Vec<ParamId>, rest: Box<Criterion> },
}

/// A component of a composite.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) sought: Sought,
    /// Whether a row of any group will do.
    pub(crate) across: bool,
}

/// Rows of the index that are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sought {
    /// Where the rows are.
    pub(crate) table: Table,
    /// One parameter for each type searched.
    pub(crate) params: Vec<ParamId>,
    /// One of these must pass; any row does when there are none.
    pub(crate) tests: Vec<Test>,
    /// How few resources a value singles out.
    pub(crate) power: Power,
}

/// The index tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Token,
    Reference,
    Text,
    Date,
    Quantity,
}

/// How few resources a value of a parameter usually singles out, the fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Power {
    /// An identifier, a telephone number, a name.
    Distinct,
    /// A reference.
    Reference,
    /// A code of a large terminology.
    Code,
    /// A span of time or of numbers.
    Span,
    /// One of a handful of codes, such as a status.
    Flag,
}

/// A test of one index row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// A token; with no code, any of the system.
    Token { system: System, code: Option<String> },
    /// A uri that begins so.
    Beginning(String),
    /// A literal reference: `Patient/1` or a URL.
    Target(String),
    /// A folded text begins so.
    Prefix(String),
    /// The text is exactly this.
    Exact { folded: String, exact: String },
    /// The folded text contains this.
    Contains(String),
    /// A span of time that relates so to this one, half-open in microseconds.
    Time { relation: Relation, lo: i64, hi: i64 },
    /// A number that relates so to a value, of which `lo` to `hi` is what its precision leaves open.
    Number { relation: Relation, value: f64, lo: f64, hi: f64, unit: Option<(System, String)> },
    /// A code in a value set, by its canonical URL; settled before the search runs.
    InValueSet(String),
    /// A code of which this one is an ancestor or itself; settled before the search runs.
    Below { system: Option<String>, code: String },
    /// A code that is an ancestor of this one or itself; settled before the search runs.
    Above { system: Option<String>, code: String },
    /// A reference to a resource or to one that stands below it in the hierarchy of its type, or above it; `by` is the
    /// reference that leads up. Settled before the search runs.
    Branch { root: String, by: ParamId, above: bool },
    /// A canonical reference to a version that begins so; settled before the search runs.
    Versions { url: String, version: String },
}

/// What is asked of a token's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum System {
    /// Nothing.
    Any,
    /// That there is none.
    Absent,
    /// That it is this one.
    Is(String),
}

/// The prefixes of ordered values. <http://hl7.org/fhir/R4/search.html#prefix>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    StartsAfter,
    EndsBefore,
    /// About the same; the span is widened already.
    Near,
}

/// One key of the order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SortKey {
    pub(crate) by: SortBy,
    pub(crate) descending: bool,
}

/// What a key of the order is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SortBy {
    Id,
    Updated,
    /// The values of a parameter.
    Param {
        table: Table,
        params: Vec<ParamId>,
    },
}

/// Resources to be added to the matches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Include {
    /// Whether it goes from the referred to the referring (`_revinclude`).
    pub(crate) reverse: bool,
    /// Whether it is repeated on what was included.
    pub(crate) iterate: bool,
    /// The reference parameters followed.
    pub(crate) params: Vec<ParamId>,
    /// Where some of them are canonical, the parameters under which resources have their canonical URL.
    pub(crate) urls: Vec<ParamId>,
    /// Only to targets of this type.
    pub(crate) target: Option<&'static str>,
}
