//! What a parsed expression is made of.

use std::sync::Arc;

use regex::Regex;

use super::function::Function;
use super::item::Item;

/// One expression. Left-associative operators nest to the left; a chain of `.` and `[]` is flat.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// `{}`
    Empty,
    /// A literal, ready to hand out.
    Literal(Item<'static>),
    /// Where to begin and the steps from there.
    Path(Start, Vec<Step>),
    /// `-x`; `+x` is not kept, because it changes nothing but refuses what is no number.
    Polarity { negative: bool, operand: Box<Expr> },
    /// Two operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `x is T`, `x as T`.
    TypeTest { keep: bool, operand: Box<Expr>, type_name: TypeName },
}

/// Where a path begins.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// The focus, unsaid: the first step applies to it.
    Focus,
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    Variable(Arc<str>),
    /// A parenthesised expression or a literal.
    Inner(Box<Expr>),
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `.name`
    Member(Arc<str>),
    /// `.name(arguments)`
    Call(Call),
    /// `[index]`
    At(Expr),
}

/// A function call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Expr>,
    /// The type named by the argument of `is`, `as` and `ofType`.
    pub(super) type_name: Option<TypeName>,
    /// The compiled pattern, when the pattern is a literal.
    pub(super) pattern: Option<Regex>,
}

/// A type specifier: `Patient`, `FHIR.Patient`, `System.String`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) namespace: Option<Arc<str>>,
    pub(super) name: Arc<str>,
}

/// The operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    LessOrEqual,
    Less,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Operator {
    /// How tightly it binds: the higher, the tighter.
    pub(super) const fn precedence(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Div | Self::Mod => 10,
            Self::Add | Self::Subtract | Self::Concatenate => 9,
            Self::Union => TYPE_PRECEDENCE - 1,
            Self::LessOrEqual | Self::Less | Self::Greater | Self::GreaterOrEqual => 6,
            Self::Equal | Self::Equivalent | Self::NotEqual | Self::NotEquivalent => 5,
            Self::In | Self::Contains => 4,
            Self::And => 3,
            Self::Or | Self::Xor => 2,
            Self::Implies => 1,
        }
    }
}

/// How tightly `is` and `as` bind: between addition and union.
pub(super) const TYPE_PRECEDENCE: u8 = 8;
