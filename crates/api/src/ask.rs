//! One FHIR request, whether it came by HTTP or stands in a Bundle.

use axum::http::{HeaderMap, HeaderValue, header};
use fhir::{Category, Error, Issue, IssueCode, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};
use record::{Key, Session};

use crate::answer::Format;
use crate::outcome::Failure;

/// A request in the words of FHIR.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The path below the base, without a leading slash, still percent-encoded.
    pub(crate) path: String,
    /// The parameters of the query, percent-decoded, in the order given.
    pub(crate) query: Query,
    /// What must hold for it to be done.
    pub(crate) conditions: Conditions,
    /// What the caller would like.
    pub(crate) prefer: Prefer,
    /// What came with it.
    pub(crate) content: Content,
    /// The address of the service, such as `http://localhost:8080/fhir`.
    pub(crate) base: Base,
}

impl Ask {
    /// The resource sent, which must be of the type the address names.
    pub(crate) fn resource(&mut self, type_: &str) -> Result<Value, Failure> {
        let resource = self.any_resource()?;
        let found = type_of(&resource).unwrap_or_default();
        if found != type_ {
            return Err(Error::new(
                Category::Invalid,
                IssueCode::Invalid,
                format!("The address is for a {type_}, but the body is a {}.", shortened(found)),
            )
            .at("resourceType")
            .into());
        }
        Ok(resource)
    }

    /// The criteria of a conditional interaction: the query, percent-encoded. Without any, everything would match.
    pub(crate) fn criteria(&self) -> Result<String, Error> {
        if self.query.is_empty() {
            let text = "An address without an id needs criteria, such as ?identifier=…";
            return Err(Error::new(Category::Invalid, IssueCode::Required, text));
        }
        Ok(self.query.encoded())
    }

    /// The resource sent, of whatever type.
    pub(crate) fn any_resource(&mut self) -> Result<Value, Failure> {
        match std::mem::replace(&mut self.content, Content::None) {
            Content::Resource(resource) => match type_of(&resource) {
                Some(name) if fhir::definitions::r4().is_resource(name) => Ok(resource),
                Some(name) => {
                    let text = format!("“{}” is not an R4 resource type.", shortened(name));
                    Err(Error::new(Category::Invalid, IssueCode::Value, text).at("resourceType").into())
                }
                None => Err(Error::new(Category::Invalid, IssueCode::Structure, "The body has no resourceType.")
                    .at("resourceType")
                    .into()),
            },
            Content::None => {
                Err(Error::new(Category::Invalid, IssueCode::Required, "The body must be a resource.").into())
            }
            Content::JsonPatch(_) => Err(Failure::MediaType),
        }
    }
}

/// The `resourceType` of a resource.
pub(crate) fn type_of(resource: &Value) -> Option<&str> {
    use sonic_rs::JsonValueTrait;
    resource.get("resourceType")?.as_str()
}

/// Text of a caller, short enough to be repeated to them.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// What came with a request.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing.
    None,
    /// `application/fhir+json`.
    Resource(Value),
    /// `application/json-patch+json`.
    JsonPatch(Value),
}

/// The parameters of a query or a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, those joined by commas taken apart.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
    }

    /// Takes the values of a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.0.remove(at);
        self.0.retain(|(key, _)| key != name);
        Some(value)
    }

    /// Adds a parameter, unless it stands there with this value.
    pub(crate) fn require(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(key, given)| key == name && given == value) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A whole number of a parameter.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Error> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Error::new(Category::Invalid, IssueCode::Value, format!("{name} must be a whole number."))
                })
            })
            .transpose()
    }

    /// Adds the parameters of another one.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Written out again.
    pub(crate) fn encoded(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.join("&")
    }

    /// All pairs.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// All pairs.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Decodes one name or value of a query, in which `+` stands for a space.
fn decode(text: &str) -> Result<String, Error> {
    let text = text.replace('+', " ");
    percent_decode_str(&text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::new(Category::Invalid, IssueCode::Value, "The query is not UTF-8 once percent-decoded."))
}

/// What is escaped in a query: everything but what RFC 3986 leaves plain and what FHIR's own syntax uses.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b',').remove(b'/');

/// Percent-encodes a name or a value for a query.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, ESCAPED).to_string()
}

/// What must hold for a request to be done. <http://hl7.org/fhir/R4/http.html#concurrency>
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// `If-Match`: the version that must be current.
    pub(crate) if_match: Option<u64>,
    /// `If-Match: *`, or with several versions: what may be current, not looked up yet.
    pub(crate) if_match_any: Option<AnyOf>,
    /// `If-None-Match: W/"3"`: the versions the caller has.
    pub(crate) if_none_match: Vec<u64>,
    /// `If-None-Match: *`: there must be no such resource.
    pub(crate) if_absent: bool,
    /// `If-Modified-Since`, in microseconds since 1970.
    pub(crate) if_modified_since: Option<i64>,
    /// `If-None-Exist`: a query nothing may match.
    pub(crate) if_none_exist: Option<String>,
}

/// Versions of which any will do.
#[derive(Debug, Clone)]
pub(crate) enum AnyOf {
    /// Whichever there is.
    Whatever,
    /// These.
    Versions(Vec<u64>),
}

impl Conditions {
    /// Reads the headers.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut conditions = Self::default();
        if let Some(tag) = text(headers, &header::IF_MATCH)? {
            conditions.matches(tag)?;
        }
        if let Some(tag) = text(headers, &header::IF_NONE_MATCH)? {
            conditions.none_match(tag)?;
        }
        if let Some(date) = text(headers, &header::IF_MODIFIED_SINCE)? {
            // RFC 9110 wants an unreadable date ignored, not refused.
            conditions.if_modified_since = httpdate::parse_http_date(date)
                .ok()
                .and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_micros()).ok());
        }
        if let Some(query) = headers.get("if-none-exist") {
            let query = query.to_str().map_err(|_| Error::invalid("If-None-Exist must be percent-encoded."))?;
            conditions.if_none_exist = Some(query.to_owned());
        }
        Ok(conditions)
    }

    /// Takes up an `If-None-Match`.
    pub(crate) fn none_match(&mut self, tags: &str) -> Result<(), Error> {
        if tags.trim() == "*" {
            self.if_absent = true;
        } else {
            self.if_none_match = version_tags(tags)?;
        }
        Ok(())
    }

    /// Takes up an `If-Match`.
    pub(crate) fn matches(&mut self, tags: &str) -> Result<(), Error> {
        if tags.trim() == "*" {
            self.if_match_any = Some(AnyOf::Whatever);
            return Ok(());
        }
        match version_tags(tags)?.as_slice() {
            [version] => self.if_match = Some(*version),
            several => self.if_match_any = Some(AnyOf::Versions(several.to_vec())),
        }
        Ok(())
    }

    /// Looks up which of several versions is current, so that the change is made on that one.
    pub(crate) async fn look_up(&mut self, session: &Session, key: &Key) -> Result<(), Error> {
        let Some(any) = self.if_match_any.take() else { return Ok(()) };
        let current = session.read(key).await?.filter(|version| version.body.is_some()).map(|version| version.version);
        let fits = |version: &u64| match &any {
            AnyOf::Whatever => true,
            AnyOf::Versions(versions) => versions.contains(version),
        };
        self.if_match = current.filter(fits);
        if self.if_match.is_none() {
            let text = format!("{key} is not there in a version that If-Match names.");
            return Err(Error::new(Category::PreconditionFailed, IssueCode::Conflict, text));
        }
        Ok(())
    }

    /// Refuses what needs the name of a resource to be looked up.
    pub(crate) fn need_no_name(&self) -> Result<(), Error> {
        if self.if_match_any.is_none() {
            return Ok(());
        }
        let text = "If-Match names one version where the resource is named by criteria.";
        Err(Error::new(Category::Invalid, IssueCode::NotSupported, text))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Error> {
    headers
        .get(name)
        .map(|value| value.to_str().map_err(|_| Error::invalid(format!("The header {name} is not text."))))
        .transpose()
}

fn version_tags(tags: &str) -> Result<Vec<u64>, Error> {
    tags.split(',').map(version_tag).collect()
}

/// The version in `W/"3"` or `"3"`. A version this server cannot have made matches nothing, so it reads as 0.
pub(crate) fn version_tag(tag: &str) -> Result<u64, Error> {
    let tag = tag.trim();
    let inner = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(inner);
    if inner.is_empty() || inner.contains('"') {
        return Err(Error::new(Category::Invalid, IssueCode::Value, "A version tag looks like W/\"3\"."));
    }
    Ok(inner.parse().unwrap_or(0))
}

/// What the answer to a change should carry. <http://hl7.org/fhir/R4/http.html#ops>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    /// No body.
    Minimal,
    /// The resource as stored.
    Representation,
    /// An `OperationOutcome`.
    Outcome,
}

/// What the caller would like: the `Prefer` header.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prefer {
    /// `return=…`.
    pub(crate) returns: Option<Return>,
    /// `handling=strict`.
    pub(crate) strict: bool,
    /// `respond-async`.
    pub(crate) respond_async: bool,
}

impl Prefer {
    /// Reads the headers; what is not known is passed over, as RFC 7240 wants.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        for word in headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
        {
            match word.trim() {
                "return=minimal" => prefer.returns = Some(Return::Minimal),
                "return=representation" => prefer.returns = Some(Return::Representation),
                "return=OperationOutcome" => prefer.returns = Some(Return::Outcome),
                "handling=strict" => prefer.strict = true,
                "respond-async" => prefer.respond_async = true,
                _ => {}
            }
        }
        prefer
    }
}

/// The address of the service as the caller knows it. Put together only when an answer needs it.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    /// As configured.
    Fixed(String),
    /// From the `Host` of the request.
    Host {
        /// Whether it came by TLS.
        secure: bool,
        /// The header, if it had one.
        host: Option<HeaderValue>,
    },
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(base) => f.write_str(base),
            Self::Host { secure, host } => {
                let host = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| is_authority(host));
                let scheme = if *secure { "https" } else { "http" };
                write!(f, "{scheme}://{}/fhir", host.unwrap_or("localhost"))
            }
        }
    }
}

/// Whether a `Host` is nothing but a name and a port, so that it can stand in a link.
fn is_authority(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

/// Which form the answer shall have: `_format`, then `Accept`. <http://hl7.org/fhir/R4/http.html#mime-type>
pub(crate) fn negotiate(headers: &HeaderMap, query: &mut Query) -> Result<Format, Failure> {
    let pretty = match query.take("_pretty").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            let issue = Issue::error(IssueCode::Value, "_pretty is true or false.");
            return Err(Error::with_issues(Category::Invalid, vec![issue]).into());
        }
    };
    if let Some(format) = query.take("_format") {
        let format = format.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A plus sign that was not escaped arrives as a space.
        return match format.as_str() {
            "json" | "application/json" | "application/fhir+json" | "application/fhir json" | "text/json" => {
                Ok(Format { pretty })
            }
            _ => Err(Failure::NotAcceptable),
        };
    }
    let mut named = headers.get_all(header::ACCEPT).iter().peekable();
    let acceptable = named.peek().is_none()
        || named.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            matches!(
                range,
                "" | "*/*"
                    | "application/*"
                    | "application/fhir+json"
                    | "application/json"
                    | "text/json"
                    | "application/fhir+ndjson"
                    | "application/fhir+ndjson+gzip"
                    | "application/ndjson"
            )
        });
    if acceptable { Ok(Format { pretty }) } else { Err(Failure::NotAcceptable) }
}
