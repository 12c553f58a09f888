//! A running server as the place an import goes to.

use bytes::Bytes;
use fhir::error::Severity;
use fhir::{Category, Error, Issue, IssueCode, Value, json};
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use record::{Action, Change, Effect, Key, Patch, Refusal, Target};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, json as tree};

/// The FHIR service of a running server.
pub(crate) struct Remote {
    base: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Remote {
    /// A server whose FHIR service is at `base`, such as `http://127.0.0.1:8080/fhir`.
    pub(crate) fn new(base: &str, token: Option<String>) -> Result<Self, String> {
        if !base.starts_with("http://") {
            return Err(format!(
                "{base} is not an http:// address. For a server behind TLS, import on its own machine."
            ));
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token, client })
    }

    /// Sends changes as one transaction.
    pub(crate) async fn transact(&self, changes: &[Change]) -> Result<Vec<Effect>, Refusal> {
        let body = Bytes::from(json::to_bytes(&bundle(changes)));
        let (status, answer) = self.send(Method::POST, &self.base, Some(body)).await?;
        let answer = json::parse(&answer);
        if !status.is_success() {
            return Err(refusal(status, answer.ok().as_ref(), changes));
        }
        let answer = answer?;
        let entries = answer.get("entry").and_then(|entries| entries.as_array());
        let effects: Vec<Effect> = entries.into_iter().flatten().map(effect).collect();
        if effects.len() == changes.len() {
            return Ok(effects);
        }
        Err(Error::fault("the server answered with another number of entries than it was sent").into())
    }

    /// The current version of a resource.
    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let (status, body) = self.send(Method::GET, &format!("{}/{key}", self.base), None).await?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(refusal(status, json::parse(&body).ok().as_ref(), &[]).error),
        }
    }

    /// The resources on all pages of a search.
    pub(crate) async fn find(&self, type_: &str, parameters: &[(String, String)]) -> Result<Vec<Bytes>, Error> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut next = Some(format!("{}/{type_}?{}", self.base, query.join("&")));
        let mut found = Vec::new();
        while let Some(url) = next {
            let (status, body) = self.send(Method::GET, &url, None).await?;
            let page = json::parse(&body);
            if !status.is_success() {
                return Err(refusal(status, page.ok().as_ref(), &[]).error);
            }
            let page = page?;
            let entries = page.get("entry").and_then(|entries| entries.as_array());
            let resources = entries.into_iter().flatten().filter_map(|entry| entry.get("resource"));
            found.extend(resources.map(|resource| Bytes::from(json::to_bytes(resource))));
            let mut links = page.get("link").and_then(|links| links.as_array()).into_iter().flatten();
            let link = links.find(|link| link.get("relation").is_some_and(|relation| relation == "next"));
            next = link.and_then(|link| link.get("url")?.as_str().map(str::to_owned));
        }
        Ok(found)
    }

    async fn send(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<(StatusCode, Bytes), Error> {
        let away = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Category::Unavailable, IssueCode::Transient, format!("{url} does not answer: {error}"))
        };
        let mut request = Request::builder().method(method).uri(url).header(CONTENT_TYPE, "application/fhir+json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| Error::invalid(format!("{url} is not an address: {error}")))?;
        let answer = self.client.request(request).await.map_err(|error| away(error.into()))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| away(error.into()))?;
        Ok((status, body.to_bytes()))
    }
}

/// A value as it stands in a query.
fn encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The transaction that asks a server for the changes. <http://hl7.org/fhir/R4/http.html#transaction>
fn bundle(changes: &[Change]) -> Value {
    let entries: Vec<Value> = changes.iter().map(entry).collect();
    tree!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

fn entry(change: &Change) -> Value {
    let mut request = sonic_rs::Object::new();
    let (method, url, resource, if_match) = match &change.action {
        Action::Create { resource, if_none_exist } => {
            if let Some(query) = if_none_exist {
                request.insert("ifNoneExist", Value::from(query.as_str()));
            }
            let type_ = resource.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default();
            ("POST", type_.to_owned(), Some(resource.clone()), None)
        }
        Action::Update { target, resource, if_match, if_absent } => {
            if *if_absent {
                request.insert("ifNoneMatch", Value::from("*"));
            }
            ("PUT", url(target), Some(resource.clone()), *if_match)
        }
        Action::Patch { target, patch, if_match } => {
            let resource = match patch {
                Patch::FhirPath(parameters) => parameters.clone(),
                Patch::Json(steps) => {
                    let engine = &base64::engine::general_purpose::STANDARD;
                    let data = base64::Engine::encode(engine, json::to_bytes(steps));
                    tree!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data })
                }
            };
            ("PATCH", url(target), Some(resource), *if_match)
        }
        Action::Delete { target, if_match } => ("DELETE", url(target), None, *if_match),
    };
    request.insert("method", Value::from(method));
    request.insert("url", Value::from(url.as_str()));
    if let Some(version) = if_match {
        request.insert("ifMatch", Value::from(format!("W/\"{version}\"").as_str()));
    }
    let mut entry = sonic_rs::Object::new();
    if let Some(full_url) = &change.full_url {
        entry.insert("fullUrl", Value::from(full_url.as_str()));
    }
    if let Some(resource) = resource {
        entry.insert("resource", resource);
    }
    entry.insert("request", Value::from(request));
    Value::from(entry)
}

fn url(target: &Target) -> String {
    match target {
        Target::Key(key) => key.to_string(),
        Target::Query(type_, query) => format!("{type_}?{query}"),
    }
}

fn effect(entry: &Value) -> Effect {
    let response = entry.get("response");
    let status = response.and_then(|response| response.get("status")).and_then(|status| status.as_str());
    match status.unwrap_or_default().split(' ').next() {
        Some("201") => Effect::Created,
        Some("204") => Effect::Deleted,
        _ => Effect::Updated,
    }
}

/// What a server's answer says about the changes: which was refused, if it says so, and why.
fn refusal(status: StatusCode, answer: Option<&Value>, changes: &[Change]) -> Refusal {
    let category = match status.as_u16() {
        400 => Category::Invalid,
        401 => Category::Unauthenticated,
        403 => Category::Forbidden,
        404 => Category::NotFound,
        409 => Category::Conflict,
        410 => Category::Gone,
        412 => Category::PreconditionFailed,
        413 => Category::TooLarge,
        422 => Category::Unprocessable,
        429 => Category::Busy,
        502..=504 => Category::Unavailable,
        _ => Category::Fault,
    };
    let told = answer.and_then(|answer| answer.get("issue")).and_then(|issues| issues.as_array());
    let mut change = None;
    let mut issues: Vec<Issue> = Vec::new();
    for told in told.into_iter().flatten() {
        let text = |name: &str| told.get(name).and_then(|value| value.as_str());
        if text("severity").is_some_and(|severity| severity != "error" && severity != "fatal") {
            continue;
        }
        let says = text("diagnostics").or_else(|| told.get("details")?.get("text")?.as_str()).unwrap_or("refused");
        let mut issue = Issue { severity: Severity::Error, ..Issue::error(IssueCode::Processing, says) };
        if let Some(path) = told.get("expression").and_then(|paths| paths.as_array()?.first()?.as_str()) {
            let (position, inner) = split_path(path);
            let type_ = position.and_then(|position| type_of(changes.get(position)?));
            issue.expression = inner.map(|inner| match (inner.strip_prefix("Resource."), type_) {
                (Some(rest), Some(type_)) => format!("{type_}.{rest}"),
                _ => inner,
            });
            change = change.or(position);
        }
        issues.push(issue);
    }
    if issues.is_empty() {
        issues.push(Issue::error(IssueCode::Processing, format!("The server answered with {status}.")));
    }
    Refusal { change, error: Error::with_issues(category, issues) }
}

/// The type of the resource that a change holds.
fn type_of(change: &Change) -> Option<&str> {
    match &change.action {
        Action::Create { resource, .. } | Action::Update { resource, .. } => resource.get("resourceType")?.as_str(),
        Action::Patch { .. } | Action::Delete { .. } => None,
    }
}

/// `Bundle.entry[3].resource.ofType(Patient).name` as 3 and `Patient.name`.
fn split_path(path: &str) -> (Option<usize>, Option<String>) {
    let Some((position, rest)) = path.strip_prefix("Bundle.entry[").and_then(|rest| rest.split_once(']')) else {
        return (None, Some(path.to_owned()));
    };
    let inner = rest.trim_start_matches('.').strip_prefix("resource").unwrap_or_default().trim_start_matches('.');
    let inner = match inner.strip_prefix("ofType(").and_then(|rest| rest.split_once(')')) {
        Some((type_, rest)) => format!("{type_}{rest}"),
        None if inner.is_empty() => return (position.parse().ok(), None),
        None => format!("Resource.{inner}"),
    };
    (position.parse().ok(), Some(inner))
}

#[cfg(test)]
mod tests {
    use record::ResourceType;

    use super::*;

    #[test]
    fn changes_become_the_entries_of_a_transaction() {
        let patient = ResourceType::named("Patient").unwrap();
        let update = Action::Update {
            target: Target::Key(Key::new(patient, "a")),
            resource: json::parse(br#"{"resourceType":"Patient","id":"a"}"#).unwrap(),
            if_match: Some(2),
            if_absent: false,
        };
        let delete = Action::Delete { target: Target::Query(patient, "active=false".to_owned()), if_match: None };
        let sent = bundle(&[Change { full_url: Some("urn:uuid:1".to_owned()), action: update }, Change::new(delete)]);
        let first = &sent["entry"][0];
        assert_eq!(first["request"]["method"], "PUT");
        assert_eq!(first["request"]["url"], "Patient/a");
        assert_eq!(first["request"]["ifMatch"], "W/\"2\"");
        assert_eq!(first["fullUrl"], "urn:uuid:1");
        assert_eq!(sent["entry"][1]["request"]["url"], "Patient?active=false");
    }

    #[test]
    fn a_refused_entry_is_found_by_its_path() {
        let outcome = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value",
            "diagnostics":"no","expression":["Bundle.entry[3].resource.ofType(Patient).name[0]"]}]}"#;
        let refusal = refusal(StatusCode::UNPROCESSABLE_ENTITY, json::parse(outcome).ok().as_ref(), &[]);
        assert_eq!(refusal.change, Some(3));
        assert_eq!(refusal.error.issues()[0].expression.as_deref(), Some("Patient.name[0]"));
        assert_eq!(split_path("Bundle.entry[1]"), (Some(1), None));
        assert_eq!(split_path("Bundle.entry[1].resource.name"), (Some(1), Some("Resource.name".to_owned())));
    }

    #[test]
    fn a_server_that_is_busy_is_not_a_fault_of_the_resources() {
        assert_eq!(refusal(StatusCode::SERVICE_UNAVAILABLE, None, &[]).error.category(), Category::Unavailable);
        assert_eq!(refusal(StatusCode::TOO_MANY_REQUESTS, None, &[]).error.category(), Category::Busy);
    }
}
