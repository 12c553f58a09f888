//! What an operation is given and gives back: a Parameters resource, or the query of a GET.
//! <http://hl7.org/fhir/R4/parameters.html>

use fhir::Value;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::answer::Answer;
use crate::ask::{Ask, Content, type_of};
use crate::json;
use crate::outcome::Failure;

/// The parameters of a call.
pub(crate) struct Parameters {
    body: Option<Value>,
}

impl Parameters {
    /// Takes them out of a request. A resource that is not a Parameters stands for the parameter `resource`.
    pub(crate) fn of(ask: &mut Ask) -> Result<Self, Failure> {
        let body = match ask.content {
            Content::None => None,
            _ => Some(ask.any_resource()?),
        };
        Ok(Self { body })
    }

    fn part(&self, name: &str) -> Option<&Value> {
        let body = self.body.as_ref().filter(|body| type_of(body) == Some("Parameters"))?;
        let list = body.get("parameter")?.as_array()?;
        list.iter().find(|part| part.get("name").and_then(|name| name.as_str()) == Some(name))
    }

    /// The `value[x]` of a parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let part = self.part(name)?.as_object()?;
        part.iter().find(|(member, _)| member.starts_with("value")).map(|(_, value)| value)
    }
}

/// A Parameters resource being written.
pub(crate) struct Writer {
    out: Vec<u8>,
    first: bool,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { out: br#"{"resourceType":"Parameters","parameter":["#.to_vec(), first: true }
    }

    fn begin(&mut self, name: &str) {
        self.out.extend_from_slice(if self.first { br#"{"name":"# } else { br#",{"name":"# });
        self.first = false;
        json::string(&mut self.out, name);
    }

    /// Adds a parameter whose value is written already; `member` is its name, such as `valueMeta`.
    pub(crate) fn raw(&mut self, name: &str, member: &str, value: &[u8]) {
        self.begin(name);
        self.out.extend_from_slice(format!(",\"{member}\":").as_bytes());
        self.out.extend_from_slice(value);
        self.out.push(b'}');
    }

    /// Ends it.
    pub(crate) fn answer(mut self) -> Answer {
        self.out.extend_from_slice(b"]}");
        Answer::resource(self.out)
    }
}
