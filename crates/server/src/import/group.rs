//! From JSON texts to groups of changes: what must be written together, and what may be.

use std::sync::Arc;

use fhir::{Error, Value, json};
use record::{Action, Change, Key, Patch, ResourceType, Target};
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};
use sonic_rs::{JsonValueMutTrait, JsonValueTrait};

use super::source::Text;

/// Changes that are written in one transaction.
pub(crate) struct Group {
    pub(crate) members: Vec<Member>,
    /// Whether they stand or fall together; otherwise a refused one may be left out and the others written.
    pub(crate) atomic: bool,
}

/// One change and where it was read.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) change: Change,
    pub(crate) place: Place,
}

/// Where something was read.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    /// From 1.
    pub(crate) line: u64,
    /// The resource within a Bundle, such as `Bundle.entry[3].resource`; empty for a resource that stands alone.
    pub(crate) within: String,
}

/// Something that was not written, and why.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) place: Place,
    pub(crate) issues: Vec<(Option<String>, String)>,
}

impl Refused {
    pub(crate) fn new(place: &Place, error: &Error) -> Self {
        let located = |expression: &Option<String>| match (expression, place.within.as_str()) {
            (Some(inner), "") => Some(inner.clone()),
            // The first step of the inner path is the type, which the outer path leaves open.
            (Some(inner), outer) => Some(match inner.split_once('.') {
                Some((type_, rest)) => format!("{outer}.ofType({type_}).{rest}"),
                None => outer.to_owned(),
            }),
            (None, "") => None,
            (None, outer) => Some(outer.to_owned()),
        };
        let issues = error.issues().iter().map(|issue| (located(&issue.expression), issue.text.clone()));
        Self { place: place.clone(), issues: issues.collect() }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, (expression, text)) in self.issues.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: ", self.place.file, self.place.line)?;
            if let Some(expression) = expression {
                write!(f, "{expression}: ")?;
            }
            f.write_str(text)?;
        }
        Ok(())
    }
}

/// Groups the resources of some texts. What cannot be read is refused; everything else stands in the groups in order.
pub(crate) fn group(texts: &[Text]) -> (Vec<Group>, Vec<Refused>) {
    let mut grouped = Grouped::default();
    for text in texts {
        let place = Place { file: Arc::clone(&text.file), line: text.line, within: String::new() };
        match json::parse(&text.bytes) {
            Ok(value) if is_bundle_of_changes(&value) => grouped.bundle(text, &place, value),
            Ok(value) => grouped.resource(text, place, None, value),
            Err(error) => grouped.refused.push(Refused::new(&place, &error)),
        }
    }
    grouped.close();
    (grouped.groups, grouped.refused)
}

/// Bundles that carry resources to be kept one by one. A document or a message is kept as the one thing it is, and an
/// answer to an earlier request as well.
fn is_bundle_of_changes(value: &Value) -> bool {
    let text = |name: &str| value.get(name).and_then(|value| value.as_str());
    text("resourceType") == Some("Bundle")
        && matches!(text("type"), Some("transaction" | "batch" | "collection" | "searchset" | "history"))
}

#[derive(Default)]
struct Grouped {
    groups: Vec<Group>,
    refused: Vec<Refused>,
    /// Resources that may be written together, whichever text they come from.
    loose: Vec<Member>,
    /// The resources named in `loose`: a transaction may change each once.
    named: FxHashSet<Key>,
}

impl Grouped {
    fn resource(&mut self, text: &Text, place: Place, full_url: Option<String>, resource: Value) {
        match stored(text, &place, full_url.as_deref(), resource) {
            Ok((key, resource)) => {
                if !self.named.insert(key.clone()) {
                    self.close();
                    self.named.insert(key.clone());
                }
                let action = Action::Update { target: Target::Key(key), resource, if_match: None, if_absent: false };
                self.loose.push(Member { change: Change { full_url, action }, place });
            }
            Err(error) => self.refused.push(Refused::new(&place, &error)),
        }
    }

    /// Ends the group of loose resources.
    fn close(&mut self) {
        if !self.loose.is_empty() {
            self.groups.push(Group { members: std::mem::take(&mut self.loose), atomic: false });
        }
        self.named.clear();
    }

    fn bundle(&mut self, text: &Text, place: &Place, mut bundle: Value) {
        // Earlier resources come first, so that a later word on one of them stays the last.
        self.close();
        let kind = bundle.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
        let entries: Vec<Value> = bundle
            .get_mut("entry")
            .and_then(|entries| entries.as_array_mut())
            .map(|entries| entries.iter_mut().map(std::mem::take).collect())
            .unwrap_or_default();
        let lines = entry_lines(&text.bytes, text.line);
        let placed = entries.into_iter().enumerate().map(|(position, entry)| {
            let within = format!("Bundle.entry[{position}].resource");
            let line = lines.get(position).copied().unwrap_or(place.line);
            (Place { file: Arc::clone(&place.file), line, within }, entry)
        });
        match kind.as_str() {
            "transaction" | "batch" => {
                let changes = placed.filter_map(|(place, entry)| match requested(text, &place, entry) {
                    Ok(change) => change.map(|change| Ok(Member { change, place })),
                    Err(error) => Some(Err(Refused::new(&place, &error))),
                });
                if kind == "transaction" {
                    match changes.collect::<Result<Vec<Member>, Refused>>() {
                        Ok(members) if members.is_empty() => {}
                        Ok(members) => self.groups.push(Group { members, atomic: true }),
                        Err(refused) => self.refused.push(refused),
                    }
                    return;
                }
                for change in changes {
                    match change {
                        Ok(member) => self.groups.push(Group { members: vec![member], atomic: true }),
                        Err(refused) => self.refused.push(refused),
                    }
                }
            }
            // A history tells the newest first, and the newest must be written last.
            "history" => {
                let entries: Vec<(Place, Value)> = placed.collect();
                entries.into_iter().rev().for_each(|(place, entry)| self.entry(text, place, entry));
            }
            _ => placed.for_each(|(place, entry)| self.entry(text, place, entry)),
        }
        self.close();
    }

    /// An entry of a Bundle that only lists resources.
    fn entry(&mut self, text: &Text, place: Place, mut entry: Value) {
        let is_outcome =
            entry.get("search").and_then(|search| search.get("mode")).is_some_and(|mode| mode == "outcome");
        let full_url = entry.get("fullUrl").and_then(|url| url.as_str()).map(str::to_owned);
        if let Some(resource) = entry.get_mut("resource").map(std::mem::take)
            && !is_outcome
        {
            self.resource(text, place, full_url, resource);
        }
    }
}

/// The change that an entry of a transaction or batch asks for; `None` for one that only asks a question.
fn requested(text: &Text, place: &Place, mut entry: Value) -> Result<Option<Change>, Error> {
    let full_url = entry.get("fullUrl").and_then(|url| url.as_str()).map(str::to_owned);
    let resource = entry.get_mut("resource").map(std::mem::take);
    let said = |name: &str| entry.get("request").and_then(|request| request.get(name)).and_then(|value| value.as_str());
    let missing = || Error::invalid("An entry that writes holds a resource.");
    let url = said("url").unwrap_or_default();
    let names_operation = url.split('?').next().is_some_and(|path| path.contains('$'));
    // If-Match guards against other writers by the version numbers of the server the file was meant for.
    // They say nothing about this record.
    let if_match = None;
    let action = match said("method") {
        Some("POST") if names_operation => return Ok(None),
        Some("POST") if said("ifNoneExist").is_some() => Action::Create {
            resource: resource.ok_or_else(missing)?,
            if_none_exist: said("ifNoneExist").map(str::to_owned),
        },
        // A resource keeps the name the file gives it, so that an import that is repeated finds its own work.
        Some("POST") => {
            let (key, resource) = stored(text, place, full_url.as_deref(), resource.ok_or_else(missing)?)?;
            Action::Update { target: Target::Key(key), resource, if_match: None, if_absent: false }
        }
        Some("PUT") => {
            let if_absent = said("ifNoneMatch").is_some();
            Action::Update { target: target(url)?, resource: resource.ok_or_else(missing)?, if_match, if_absent }
        }
        Some("PATCH") => Action::Patch { target: target(url)?, patch: patch(resource.ok_or_else(missing)?)?, if_match },
        Some("DELETE") => Action::Delete { target: target(url)?, if_match },
        Some("GET" | "HEAD") => return Ok(None),
        _ => return Err(Error::invalid("An entry of a transaction says its request's method.")),
    };
    Ok(Some(Change { full_url, action }))
}

/// What a request's url names. An absolute one names a resource by its last two parts.
fn target(url: &str) -> Result<Target, Error> {
    let wrong = || Error::invalid("The request's url names neither a resource nor a query of one type.");
    let named = |type_: &str| ResourceType::named(type_).ok_or_else(wrong);
    if let Some((path, query)) = url.split_once('?') {
        let type_ = path.rsplit('/').next().unwrap_or_default();
        return Ok(Target::Query(named(type_)?, query.to_owned()));
    }
    let mut parts = url.rsplit('/');
    let (id, type_) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
    Ok(Target::Key(Key::new(named(type_)?, id)))
}

fn patch(resource: Value) -> Result<Patch, Error> {
    if resource.get("resourceType").is_some_and(|type_| type_ == "Parameters") {
        return Ok(Patch::FhirPath(resource));
    }
    let data = resource.get("data").and_then(|data| data.as_str()).unwrap_or_default();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data)
        .map_err(|_| Error::invalid("A patch is a Parameters or a Binary holding a JSON Patch.").at("Binary.data"))?;
    json::parse(&bytes).map(Patch::Json)
}

/// The name under which a resource is kept, and the resource with that name in it.
fn stored(text: &Text, place: &Place, full_url: Option<&str>, mut resource: Value) -> Result<(Key, Value), Error> {
    let type_ = resource.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default();
    let type_ = ResourceType::named(type_).ok_or_else(|| {
        Error::invalid("“resourceType” does not name an R4 resource type.").at("Resource.resourceType")
    })?;
    let own = resource.get("id").and_then(|id| id.as_str()).map(str::to_owned);
    let id = own.clone().or_else(|| full_url?.strip_prefix("urn:uuid:").map(str::to_owned));
    let id = id.unwrap_or_else(|| name_by_place(text, place));
    if own.is_none()
        && let Some(object) = resource.as_object_mut()
    {
        object.insert(&"id", Value::from(id.as_str()));
    }
    Ok((Key::new(type_, id), resource))
}

/// An id for a resource that has none: the same whenever the same text is read at the same place.
fn name_by_place(text: &Text, place: &Place) -> String {
    let file = text.file.rsplit('/').next().unwrap_or_default();
    let mut digest = Sha256::new();
    digest.update(format!("{file}\n{}\n{}\n", text.item, place.within));
    digest.update(&text.bytes);
    let half: [u8; 16] = std::array::from_fn({
        let digest = digest.finalize();
        move |at| digest[at]
    });
    uuid::Builder::from_custom_bytes(half).into_uuid().to_string()
}

/// The lines in which the entries of a Bundle begin. Only for messages, so a text that is not a Bundle has just none.
fn entry_lines(bytes: &[u8], first_line: u64) -> Vec<u64> {
    let (mut lines, mut line) = (Vec::new(), first_line);
    let (mut depth, mut in_string, mut string_start, mut in_entries) = (0_usize, false, 0, false);
    let mut last_name: &[u8] = b"";
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => line += 1,
            b'\\' if in_string => at += 1,
            b'"' => {
                if in_string && depth == 1 {
                    last_name = &bytes[string_start..at];
                }
                in_string = !in_string;
                string_start = at + 1;
            }
            _ if in_string => {}
            b'[' | b'{' => {
                if depth == 1 {
                    in_entries = bytes[at] == b'[' && last_name == b"entry";
                } else if depth == 2 && in_entries {
                    lines.push(line);
                }
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Text {
        Text { file: "folder/a.json".into(), identity: "a".into(), item: 1, line: 1, bytes: json.as_bytes().to_vec() }
    }

    fn keys(group: &Group) -> Vec<String> {
        let name = |member: &Member| match &member.change.action {
            Action::Update { target: Target::Key(key), .. } => key.to_string(),
            other => format!("{other:?}"),
        };
        group.members.iter().map(name).collect()
    }

    #[test]
    fn lines_are_written_together_until_one_resource_comes_again() {
        let texts = [
            text(r#"{"resourceType":"Patient","id":"a"}"#),
            text(r#"{"resourceType":"Patient","id":"b"}"#),
            text(r#"{"resourceType":"Patient","id":"a","active":true}"#),
        ];
        let (groups, refused) = group(&texts);
        assert!(refused.is_empty());
        assert_eq!(groups.iter().map(keys).collect::<Vec<_>>(), [vec!["Patient/a", "Patient/b"], vec!["Patient/a"]]);
        assert!(groups.iter().all(|group| !group.atomic));
    }

    #[test]
    fn a_transaction_is_one_group_and_its_new_resources_keep_their_names() {
        let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":{"resourceType":"Patient"},
             "request":{"method":"POST","url":"Patient"}},
            {"resource":{"resourceType":"Patient","id":"b"},"request":{"method":"PUT","url":"Patient/b"}},
            {"request":{"method":"GET","url":"Patient/c"}}]}"#;
        let (groups, refused) = group(&[text(bundle)]);
        assert!(refused.is_empty() && groups.len() == 1 && groups[0].atomic);
        assert_eq!(keys(&groups[0]), ["Patient/61ebe359-bfdc-4613-8bf2-c5e300945f0a", "Patient/b"]);
    }

    #[test]
    fn a_request_may_name_its_resource_by_an_absolute_url() {
        let Ok(Target::Key(key)) = target("http://example.org/fhir/Patient/123") else { panic!("a resource") };
        assert_eq!(key.to_string(), "Patient/123");
        assert!(matches!(target("/Patient?active=true"), Ok(Target::Query(_, query)) if query == "active=true"));
        assert!(target("Robot/1").is_err() && target("Patient").is_err());
    }

    #[test]
    fn a_resource_without_a_name_gets_the_same_one_every_time() {
        let nameless = r#"{"resourceType":"Patient","active":true}"#;
        let named = |texts: &[Text]| keys(&group(texts).0[0]);
        let (first, again) = (named(&[text(nameless)]), named(&[text(nameless)]));
        assert_eq!(first, again);
        let elsewhere = Text { item: 2, ..text(nameless) };
        assert_ne!(first, named(&[elsewhere]));
    }

    #[test]
    fn a_history_ends_with_the_newest_version() {
        let bundle = r#"{"resourceType":"Bundle","type":"history","entry":[
            {"resource":{"resourceType":"Patient","id":"a","active":true}},
            {"resource":{"resourceType":"Patient","id":"a"}}]}"#;
        let (groups, _) = group(&[text(bundle)]);
        let last = groups.last().unwrap().members.last().unwrap();
        let Action::Update { resource, .. } = &last.change.action else { panic!("an update") };
        assert!(resource.get("active").is_some());
    }

    #[test]
    fn a_document_is_kept_as_one_resource() {
        let (groups, _) = group(&[text(r#"{"resourceType":"Bundle","id":"d","type":"document","entry":[]}"#)]);
        assert_eq!(keys(&groups[0]), ["Bundle/d"]);
    }

    #[test]
    fn what_is_refused_is_told_by_file_line_and_path() {
        let bundle = "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\n \"entry\":[\n  {\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a\"}},\n  {\"resource\":{\"resourceType\":\"Robot\"}}]}";
        let (groups, refused) = group(&[text(bundle)]);
        assert_eq!(keys(&groups[0]), ["Patient/a"]);
        let told = refused[0].to_string();
        assert!(
            told.starts_with("folder/a.json:4: Bundle.entry[1].resource.ofType(Resource).resourceType: "),
            "{told}"
        );
        let (_, refused) = group(&[text("{\"resourceType\":")]);
        assert!(refused[0].to_string().starts_with("folder/a.json:1: "));
    }
}
