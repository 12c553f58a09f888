//! The one error of the platform, free of any transport.
//!
//! It is rendered in three places only: as HTTP status and `OperationOutcome`, as an HL7 v2
//! acknowledgement and as a DICOM status.

use std::fmt;

/// What kind of failure this is, for the caller to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// The input cannot be read: syntax, an unknown parameter, a malformed value.
    Invalid,
    /// The input can be read but breaks a rule of FHIR, of a profile or of the record.
    Unprocessable,
    /// The input is larger than the configured bound.
    TooLarge,
    /// The caller has not said who they are, or could not prove it.
    Unauthenticated,
    /// The caller is known and may not.
    Forbidden,
    /// There is no such thing and there never was.
    NotFound,
    /// There was such a thing; it has been deleted.
    Gone,
    /// Somebody else changed it first, or two things claim one name.
    Conflict,
    /// The condition the caller gave (If-Match, a conditional query) does not hold.
    PreconditionFailed,
    /// A part of the standard this server does not offer.
    Unsupported,
    /// Too much is going on; the same request may succeed later.
    Busy,
    /// A part this server needs (disk, database) is not there now; nothing was written.
    Unavailable,
    /// A defect of ours.
    Fault,
}

/// The `OperationOutcome.issue.code` values in use.
/// <http://hl7.org/fhir/R4/valueset-issue-type.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssueCode {
    /// Content is not well formed.
    Structure,
    /// A required element is missing.
    Required,
    /// An element's value is not allowed.
    Value,
    /// A FHIRPath invariant does not hold.
    Invariant,
    /// Content breaks the specification in another way.
    Invalid,
    /// A code is not in the value set it is bound to.
    CodeInvalid,
    /// An extension is not known.
    Extension,
    /// Sign-in is needed.
    Login,
    /// The caller may not.
    Forbidden,
    /// The interaction, operation or parameter is not offered.
    NotSupported,
    /// Two resources claim one identity.
    Duplicate,
    /// More than one resource matches a condition that allows one.
    MultipleMatches,
    /// Nothing matches.
    NotFound,
    /// It was deleted.
    Deleted,
    /// Content is too long.
    TooLong,
    /// The query would cost more than the configured bound.
    TooCostly,
    /// A rule of this record.
    BusinessRule,
    /// Edit version mismatch.
    Conflict,
    /// A lock could not be had in time.
    LockError,
    /// Only a part could be had.
    Incomplete,
    /// A store is missing.
    NoStore,
    /// Temporarily overloaded.
    Throttled,
    /// Something transient went wrong.
    Transient,
    /// An unexpected defect.
    Exception,
    /// It took longer than the configured bound.
    Timeout,
    /// Not a failure: something worth knowing.
    Informational,
    /// Processing failed for a reason given in the text.
    Processing,
}

impl IssueCode {
    /// The code as the specification spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::Invalid => "invalid",
            Self::CodeInvalid => "code-invalid",
            Self::Extension => "extension",
            Self::Login => "login",
            Self::Forbidden => "forbidden",
            Self::NotSupported => "not-supported",
            Self::Duplicate => "duplicate",
            Self::MultipleMatches => "multiple-matches",
            Self::NotFound => "not-found",
            Self::Deleted => "deleted",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::BusinessRule => "business-rule",
            Self::Conflict => "conflict",
            Self::LockError => "lock-error",
            Self::Incomplete => "incomplete",
            Self::NoStore => "no-store",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Exception => "exception",
            Self::Timeout => "timeout",
            Self::Informational => "informational",
            Self::Processing => "processing",
        }
    }
}

/// How bad one issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Information,
    /// Allowed, but probably not meant.
    Warning,
    /// Refused.
    Error,
}

impl Severity {
    /// The code as the specification spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding: what, where and what to do about it. Never holds patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind.
    pub code: IssueCode,
    /// A sentence a person can act on.
    pub text: String,
    /// FHIRPath of the element, such as `Patient.name[0].given`.
    pub expression: Option<String>,
}

impl Issue {
    /// An error-level issue.
    pub fn error(code: IssueCode, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, text: text.into(), expression: None }
    }

    /// A warning.
    pub fn warning(code: IssueCode, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, text) }
    }

    /// An information-level issue.
    pub fn information(code: IssueCode, text: impl Into<String>) -> Self {
        Self { severity: Severity::Information, ..Self::error(code, text) }
    }

    /// The same issue, located.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }
}

/// A failure: its category, its issues (at least one) and a private cause for the log.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    category: Category,
    issues: Vec<Issue>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with one issue.
    pub fn new(category: Category, code: IssueCode, text: impl Into<String>) -> Self {
        Self::with_issues(category, vec![Issue::error(code, text)])
    }

    /// A failure with the issues found.
    pub fn with_issues(category: Category, issues: Vec<Issue>) -> Self {
        debug_assert!(!issues.is_empty(), "an error says what is wrong");
        Self(Box::new(Inner { category, issues, cause: None }))
    }

    /// Input that cannot be read.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(Category::Invalid, IssueCode::Invalid, text)
    }

    /// A part of the standard that is not offered.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(Category::Unsupported, IssueCode::NotSupported, text)
    }

    /// What the caller may not do.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(Category::Forbidden, IssueCode::Forbidden, text)
    }

    /// What does not go together with how things stand.
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(Category::Conflict, IssueCode::Conflict, text)
    }

    /// Nothing of that name.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(Category::NotFound, IssueCode::NotFound, text)
    }

    /// A defect of ours, with the cause for the log.
    pub fn fault(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Category::Fault, IssueCode::Exception, "The server failed to answer; the cause is in its log.")
            .caused_by(cause)
    }

    /// The same failure with its private cause, which is logged and never sent to the caller.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same failure with its first issue located.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(issue) = self.0.issues.first_mut() {
            issue.expression = Some(expression.into());
        }
        self
    }

    /// The same failure seen from further out: `outer` is put before every location.
    /// `Bundle.entry[3].resource` turns `Patient.name` into `Bundle.entry[3].resource.ofType(Patient).name`
    /// only in words the caller chooses; this function just joins what it is given.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        for issue in &mut self.0.issues {
            issue.expression = Some(match issue.expression.take() {
                // The first step of an inner path is the resource type, which the outer path already names by position.
                Some(inner) => match inner.split_once('.') {
                    Some((_, rest)) => format!("{outer}.{rest}"),
                    None => outer.to_owned(),
                },
                None => outer.to_owned(),
            });
        }
        self
    }

    /// What kind of failure this is.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// What was found, the weightiest first.
    pub fn issues(&self) -> &[Issue] {
        &self.0.issues
    }

    /// The cause, for the log only.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, issue) in self.0.issues.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            if let Some(expression) = &issue.expression {
                write!(f, "{expression}: ")?;
            }
            f.write_str(&issue.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
