//! Bundles, written as bytes: stored resources are spliced in as they are. <http://hl7.org/fhir/R4/bundle.html>

use axum::http::StatusCode;
use record::{Effect, Key, Version};

use crate::answer::{Answer, Payload};
use crate::json;

/// A Bundle being written.
pub(crate) struct Bundle {
    out: Vec<u8>,
    entries: usize,
}

impl Bundle {
    /// Begins one of a type, with its total and links.
    pub(crate) fn new(type_: &str, total: Option<u64>, links: &[(&str, String)]) -> Self {
        let mut out = Vec::with_capacity(4 << 10);
        out.extend_from_slice(br#"{"resourceType":"Bundle""#);
        json::member(&mut out, "type", type_);
        if let Some(total) = total {
            out.extend_from_slice(format!(r#","total":{total}"#).as_bytes());
        }
        for (at, (relation, url)) in links.iter().enumerate() {
            out.extend_from_slice(if at == 0 { br#","link":[{"relation":"# } else { br#",{"relation":"# });
            json::string(&mut out, relation);
            json::member(&mut out, "url", url);
            out.push(b'}');
        }
        if !links.is_empty() {
            out.push(b']');
        }
        Self { out, entries: 0 }
    }

    fn entry(&mut self) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.entries == 0 { br#","entry":[{"# } else { b",{" });
        self.entries += 1;
        &mut self.out
    }

    /// Adds a found resource with the reason it stands here: `match`, `include` or `outcome`.
    pub(crate) fn found(&mut self, base: &str, key: Option<&Key>, resource: &[u8], mode: &str) {
        let out = self.entry();
        if let Some(key) = key {
            full_url(out, base, key);
            out.push(b',');
        }
        out.extend_from_slice(br#""resource":"#);
        out.extend_from_slice(resource);
        out.extend_from_slice(br#","search":{"mode":"#);
        json::string(out, mode);
        out.extend_from_slice(b"}}");
    }

    /// Adds a resource that may be the one asked for, with the probability that it is and what that is called.
    /// <http://hl7.org/fhir/R4/patient-operation-match.html>
    pub(crate) fn matched(&mut self, base: &str, key: &Key, resource: &[u8], probability: f64, grade: &str) {
        let out = self.entry();
        full_url(out, base, key);
        out.extend_from_slice(br#","resource":"#);
        out.extend_from_slice(resource);
        let url = "http://hl7.org/fhir/StructureDefinition/match-grade";
        let search = format!(
            r#","search":{{"extension":[{{"url":"{url}","valueCode":"{grade}"}}],"mode":"match","score":{probability:.4}}}}}"#
        );
        out.extend_from_slice(search.as_bytes());
    }

    /// Adds one version of a history; `made` says that there was no such resource before it. <http://hl7.org/fhir/R4/http.html#history>
    pub(crate) fn version(&mut self, base: &str, version: &Version, made: bool, body: Option<&[u8]>) {
        let out = self.entry();
        full_url(out, base, &version.key);
        if let Some(body) = body {
            out.extend_from_slice(br#","resource":"#);
            out.extend_from_slice(body);
        }
        let verb = version.method.verb();
        let url = if verb == "POST" { version.key.type_.name().to_owned() } else { version.key.to_string() };
        out.extend_from_slice(br#","request":{"method":"#);
        json::string(out, verb);
        json::member(out, "url", &url);
        let status = match verb {
            "POST" => "201 Created",
            "DELETE" => "204 No Content",
            _ if made => "201 Created",
            _ => "200 OK",
        };
        out.extend_from_slice(br#"},"response":{"status":"#);
        json::string(out, status);
        json::member(out, "etag", &format!("W/\"{}\"", version.version));
        json::member(out, "lastModified", &json::instant(version.at));
        out.extend_from_slice(b"}}");
    }

    /// Adds the answer to one entry of a batch or transaction. A body in it becomes the entry's resource, or its
    /// `response.outcome` when it is about a failure or about what was done.
    pub(crate) fn answer(&mut self, base: &str, answer: &Answer) {
        let out = self.entry();
        let body = match &answer.body {
            Payload::Resource(body) => Some(body),
            Payload::Nothing | Payload::Json(_) | Payload::Stream(_) => None,
        };
        let tells = answer.tells || !answer.status.is_success();
        let mut begun = false;
        if let Some((key, _)) = &answer.location {
            full_url(out, base, key);
            begun = true;
        }
        if let Some(body) = body.filter(|_| !tells) {
            out.extend_from_slice(if begun { br#","resource":"# } else { br#""resource":"# });
            out.extend_from_slice(body);
            begun = true;
        }
        out.extend_from_slice(if begun { br#","response":{"status":"# } else { br#""response":{"status":"# });
        json::string(out, &status_text(answer.status));
        if let Some((key, version)) = &answer.location {
            json::member(out, "location", &format!("{base}/{key}/_history/{version}"));
        }
        if let Some((version, at)) = answer.version {
            json::member(out, "etag", &format!("W/\"{version}\""));
            json::member(out, "lastModified", &json::instant(at));
        }
        if let Some(body) = body.filter(|_| tells) {
            out.extend_from_slice(br#","outcome":"#);
            out.extend_from_slice(body);
        }
        out.extend_from_slice(b"}}");
    }

    /// What has been written so far, leaving the Bundle open: for streams.
    pub(crate) fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// How much waits to be drained, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Ends it with one more link, which a stream knows only now.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.entries == 0 { b"}" } else { b"]}" });
        self.out
    }
}

fn full_url(out: &mut Vec<u8>, base: &str, key: &Key) {
    out.extend_from_slice(br#""fullUrl":""#);
    // Base, type name and id hold nothing that JSON would have escaped.
    out.extend_from_slice(base.as_bytes());
    out.push(b'/');
    out.extend_from_slice(key.type_.name().as_bytes());
    out.push(b'/');
    out.extend_from_slice(key.id.as_bytes());
    out.push(b'"');
}

fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

/// The status of a change that was made.
pub(crate) const fn status_of(effect: Effect) -> StatusCode {
    match effect {
        Effect::Created => StatusCode::CREATED,
        Effect::Updated | Effect::Unchanged => StatusCode::OK,
        Effect::Deleted => StatusCode::NO_CONTENT,
    }
}
