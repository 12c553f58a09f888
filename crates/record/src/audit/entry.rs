//! One act on the trail, and its bytes. The bytes are what is hashed, so their form never changes; a new form gets a
//! new number at the beginning.

use std::sync::LazyLock;

use fhir::search::OwnAddresses;
use fhir::{Category, Error};
use memchr::memmem::Finder;

use crate::access::facts::SELF_MADE;
use crate::store::names::shard_of_parts;
use crate::{Caller, Key, Method, Relation, ResourceType, Standing, Version};

/// What was done or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A current version was read.
    Read,
    /// One certain version was read.
    Vread,
    /// Versions were listed.
    History,
    /// A search.
    Search,
    /// The change feed was followed.
    Follow,
    /// A transaction: everything that is written.
    Transact,
    /// A sign-in.
    SignIn,
    /// A sign-out.
    SignOut,
    /// Data left in bulk.
    Export,
    /// Access in an emergency was taken.
    Emergency,
    /// Something else was asked for at a door.
    Request,
}

impl Act {
    const ALL: [Self; 11] = [
        Self::Read,
        Self::Vread,
        Self::History,
        Self::Search,
        Self::Follow,
        Self::Transact,
        Self::SignIn,
        Self::SignOut,
        Self::Export,
        Self::Emergency,
        Self::Request,
    ];
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, or could not be understood.
    Refused,
    /// It failed for a reason that lies with the platform.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    pub(crate) fn of(error: &Error) -> Self {
        match error.category() {
            Category::Fault | Category::Busy | Category::Unavailable => Self::Failed,
            _ => Self::Refused,
        }
    }
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) at: i64,
    pub(crate) act: Act,
    pub(crate) outcome: Outcome,
    pub(crate) actor: String,
    pub(crate) purpose: String,
    pub(crate) request: String,
    /// From where on the network, if the door said.
    pub(crate) origin: String,
    pub(crate) post: AsWhat,
    /// The relation to the patient by which it was allowed, if it was known; behind it, after a space, that the act itself
    /// made it.
    pub(crate) relation: String,
    /// The query of a search, or what else a door had to say.
    pub(crate) detail: String,
    /// Resources shown, or changes tried.
    pub(crate) count: u64,
    /// Ids of the patients whose data was shown; of what was written, see the items.
    pub(crate) patients: Vec<String>,
    /// What was read by name or written.
    pub(crate) items: Vec<Item>,
}

/// As what the actor acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AsWhat {
    System,
    /// A machine of an organization's.
    Machine {
        organization: String,
    },
    Staff {
        organization: String,
        role: String,
        duties: Vec<String>,
    },
    Lay,
}

/// One resource of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) key: Key,
    /// Which version; 0 where there was none.
    pub(crate) version: u64,
    /// How it was written; `None` when it was only shown.
    pub(crate) method: Option<Method>,
    /// SM3 of the JSON that was stored.
    pub(crate) digest: Option<[u8; 32]>,
    /// Ids of the patients a written resource is about.
    pub(crate) patients: Vec<String>,
}

/// The form of the bytes below.
const FORM: u8 = 1;

impl Entry {
    pub(crate) fn new(caller: &Caller, act: Act, at: i64) -> Self {
        let post = match &caller.standing {
            Standing::System => AsWhat::System,
            Standing::Machine(machine) => match &machine.organization {
                Some(organization) => AsWhat::Machine { organization: organization.clone() },
                None => AsWhat::System,
            },
            Standing::Staff(post) => AsWhat::Staff {
                organization: post.organization.clone(),
                role: post.role.clone(),
                duties: post.duties.clone(),
            },
            Standing::Lay(_) => AsWhat::Lay,
        };
        Self {
            at,
            act,
            outcome: Outcome::Done,
            actor: caller.actor.clone(),
            purpose: caller.purpose.clone(),
            request: caller.request.clone(),
            origin: String::new(),
            post,
            relation: String::new(),
            detail: String::new(),
            count: 0,
            patients: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Says from where it was asked for.
    pub(crate) fn came_from(&mut self, origin: Option<&str>) {
        self.origin = origin.unwrap_or_default().to_owned();
    }

    /// Says by which relation to the patient it was allowed.
    pub(crate) fn allowed_by(&mut self, relation: Option<Relation>) {
        self.relation = relation.map(Relation::code).unwrap_or_default().to_owned();
    }

    /// Says that the act itself made the relation, where there was none before.
    pub(crate) fn made_its_own_relation(&mut self) {
        if !self.relation.is_empty() {
            self.relation.push(' ');
        }
        self.relation.push_str(SELF_MADE);
    }

    /// Adds the patients of something that was shown.
    pub(crate) fn saw(&mut self, version: &Version, own: &OwnAddresses) {
        version.name_patients(own, &mut self.patients);
    }

    /// Whether it is about a patient, be it that nothing was shown.
    pub(crate) fn is_about(&self, patient: &str) -> bool {
        self.about().any(|id| id == patient)
    }

    /// Ids of the patients it is about, as often as it names them.
    pub(crate) fn about(&self) -> impl Iterator<Item = &str> {
        let named = self.items.iter().filter(|item| item.key.type_.name() == "Patient").map(|item| &item.key.id);
        let all = self.patients.iter().chain(self.items.iter().flat_map(|item| &item.patients)).chain(named);
        all.map(String::as_str)
    }

    /// The organization from whose post it was done, or whose machine did it, as a reference.
    pub(crate) fn organization(&self) -> Option<String> {
        match &self.post {
            AsWhat::Staff { organization, .. } | AsWhat::Machine { organization } => {
                Some(format!("Organization/{organization}"))
            }
            AsWhat::System | AsWhat::Lay => None,
        }
    }

    /// Its bytes, in its place.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.to_bytes()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.push(FORM);
        out.push(Act::ALL.iter().position(|act| *act == self.act).unwrap_or_default() as u8);
        out.push(Outcome::ALL.iter().position(|outcome| *outcome == self.outcome).unwrap_or_default() as u8);
        out.extend_from_slice(&self.at.to_be_bytes());
        for text in [&self.actor, &self.purpose, &self.request, &self.origin, &self.relation, &self.detail] {
            put_text(&mut out, text);
        }
        match &self.post {
            AsWhat::System => out.push(0),
            AsWhat::Staff { organization, role, duties } => {
                out.push(1);
                put_text(&mut out, organization);
                put_text(&mut out, role);
                put_texts(&mut out, duties);
            }
            AsWhat::Lay => out.push(2),
            AsWhat::Machine { organization } => {
                out.push(3);
                put_text(&mut out, organization);
            }
        }
        put_number(&mut out, self.count);
        put_texts(&mut out, &self.patients);
        put_number(&mut out, self.items.len() as u64);
        for item in &self.items {
            put_number(&mut out, u64::try_from(item.key.type_.number()).unwrap_or_default());
            put_text(&mut out, &item.key.id);
            put_number(&mut out, item.version);
            out.push(item.method.map_or(0, |method| method.number() as u8));
            match &item.digest {
                Some(digest) => {
                    out.push(1);
                    out.extend_from_slice(digest);
                }
                None => out.push(0),
            }
            put_texts(&mut out, &item.patients);
        }
        out
    }

    /// The entry of these bytes; `None` when they are not those of one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes;
        let from = &mut bytes;
        if take(from, 1)? != [FORM] {
            return None;
        }
        let act = *Act::ALL.get(usize::from(take(from, 1)?[0]))?;
        let outcome = *Outcome::ALL.get(usize::from(take(from, 1)?[0]))?;
        let at = i64::from_be_bytes(take(from, 8)?.try_into().ok()?);
        let [actor, purpose, request, origin, relation, detail] = [(); 6].map(|()| text(from));
        let post = match take(from, 1)? {
            [0] => AsWhat::System,
            [1] => AsWhat::Staff { organization: text(from)?, role: text(from)?, duties: texts(from)? },
            [2] => AsWhat::Lay,
            [3] => AsWhat::Machine { organization: text(from)? },
            _ => return None,
        };
        let count = number(from)?;
        let patients = texts(from)?;
        let mut items = Vec::new();
        for _ in 0..number(from)? {
            items.push(item(from)?);
        }
        from.is_empty().then_some(Self {
            at,
            act,
            outcome,
            actor: actor?,
            purpose: purpose?,
            request: request?,
            origin: origin?,
            post,
            relation: relation?,
            detail: detail?,
            count,
            patients,
            items,
        })
    }
}

/// What of an entry says where it is found, told from its bytes without making an [`Entry`] of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gist {
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) at: i64,
    /// The shard of the first patient it is about.
    pub(crate) first: Option<i32>,
}

impl Gist {
    /// Adds to `under` the shards of all names under which the entry is to be found: patients, the actor and the actor's
    /// organization, and what belongs to no patient. `None` when the bytes are not those of an entry.
    pub(crate) fn of(bytes: &[u8], under: &mut Vec<i32>) -> Option<Self> {
        let mut bytes = bytes;
        let from = &mut bytes;
        if take(from, 1)? != [FORM] {
            return None;
        }
        take(from, 2)?;
        let at = i64::from_be_bytes(take(from, 8)?.try_into().ok()?);
        under.push(shard_of_parts([words(from)?]));
        // Purpose, request, origin, relation and detail.
        for _ in 0..5 {
            words(from)?;
        }
        match take(from, 1)? {
            [1] => {
                under.push(shard_of_parts([b"Organization/", words(from)?]));
                words(from)?;
                for _ in 0..number(from)? {
                    words(from)?;
                }
            }
            [3] => under.push(shard_of_parts([b"Organization/", words(from)?])),
            [0 | 2] => {}
            _ => return None,
        }
        number(from)?;
        let mut first = None;
        let mut add = |from: &mut &[u8], under: &mut Vec<i32>| {
            let shard = shard_of_parts([b"Patient/", words(from)?]);
            under.push(shard);
            first = first.or(Some(shard));
            Some(())
        };
        let shown = number(from)?;
        for _ in 0..shown {
            add(from, under)?;
        }
        for _ in 0..number(from)? {
            let type_ = ResourceType::numbered(i64::try_from(number(from)?).ok()?)?;
            let id = words(from)?;
            number(from)?;
            take(from, 1)?;
            if take(from, 1)? != [0] {
                take(from, 32)?;
            }
            let patients = number(from)?;
            for _ in 0..patients {
                add(from, under)?;
            }
            if shown == 0 && patients == 0 {
                under.push(shard_of_parts([type_.name().as_bytes(), b"/", id]));
            }
        }
        from.is_empty().then_some(Self { at, first })
    }
}

/// The bytes of a text.
fn words<'b>(from: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(number(from)?).ok()?;
    take(from, length)
}

fn item(from: &mut &[u8]) -> Option<Item> {
    let type_ = ResourceType::numbered(i64::try_from(number(from)?).ok()?)?;
    let key = Key::new(type_, text(from)?);
    let version = number(from)?;
    let method = match take(from, 1)?[0] {
        0 => None,
        method => Some(Method::numbered(i64::from(method))),
    };
    let digest = match take(from, 1)? {
        [0] => None,
        _ => Some(take(from, 32)?.try_into().ok()?),
    };
    Some(Item { key, version, method, digest, patients: texts(from)? })
}

/// Whole numbers in groups of seven bits, the lowest first; the eighth bit says that more follow.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_texts(out: &mut Vec<u8>, texts: &[String]) {
    put_number(out, texts.len() as u64);
    texts.iter().for_each(|text| put_text(out, text));
}

pub(crate) fn take<'b>(from: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

pub(crate) fn number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in (0..64).step_by(7) {
        let byte = take(from, 1)?[0];
        number |= u64::from(byte & 0x7f) << place;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(words(from)?.to_vec()).ok()
}

fn texts(from: &mut &[u8]) -> Option<Vec<String>> {
    (0..number(from)?).map(|_| text(from)).collect()
}

/// Adds the ids of the patients that a stored resource is, or names by a reference into this record.
///
/// Stored JSON has no white space, and a quotation mark inside text is escaped, so that references are found without
/// parsing, which would cost a read more than everything else about its entry.
pub(crate) fn patients(own: &OwnAddresses, key: &Key, body: &[u8], into: &mut Vec<String>) {
    // Every body that is shown goes through here, so the search for it is one that looks at many bytes at once.
    static REFERENCE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"reference\":\"Patient/"));
    static WHOLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"reference\":\"http"));
    const PROTOCOL: usize = "http".len();
    let mut add = |id: &str| {
        // Pages are mostly about one patient, or a few one after another.
        if !into.iter().rev().any(|known| known == id) {
            into.push(id.to_owned());
        }
    };
    if key.type_.name() == "Patient" {
        add(&key.id);
    }
    for at in REFERENCE.find_iter(body) {
        let rest = &body[at + REFERENCE.needle().len()..];
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'/')).unwrap_or(rest.len());
        if let Some(id) = std::str::from_utf8(&rest[..end]).ok().filter(|id| Key::is_id(id)) {
            add(id);
        }
    }
    if own.is_empty() {
        return;
    }
    for at in WHOLE.find_iter(body) {
        let rest = &body[at + WHOLE.needle().len() - PROTOCOL..];
        let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
        let relative = std::str::from_utf8(&rest[..end]).ok().map(|reference| own.relative(reference));
        if let Some(id) = relative.and_then(|relative| relative.strip_prefix("Patient/")) {
            add(id.split('/').next().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::names::shard_of;

    fn key(type_: &str, id: &str) -> Key {
        Key::new(ResourceType::named(type_).unwrap(), id)
    }

    fn entry() -> Entry {
        let mut entry = Entry::new(&Caller::system("TREAT"), Act::Transact, 1_777_852_800_000_123);
        entry.outcome = Outcome::Refused;
        entry.post =
            AsWhat::Staff { organization: "o".into(), role: "r".into(), duties: vec!["doctor".into(), "nurse".into()] };
        entry.detail = "Patient?name=青".into();
        entry.count = 300;
        entry.patients = vec!["p".into()];
        entry.items = vec![
            Item {
                version: 200,
                method: Some(Method::Patch),
                digest: Some([7; 32]),
                patients: vec!["q".into()],
                ..Item::of(&key("Observation", "x"))
            },
            Item::of(&key("Patient", "p")),
        ];
        entry
    }

    #[test]
    fn an_entry_comes_back_from_its_bytes() {
        let mut entry = entry();
        assert_eq!(Entry::parse(&entry.to_bytes()), Some(entry.clone()));
        entry.post = AsWhat::Machine { organization: "o".into() };
        assert_eq!(Entry::parse(&entry.to_bytes()), Some(entry));
    }

    #[test]
    fn where_an_entry_is_found_is_told_from_its_bytes() {
        let found = |entry: &Entry| {
            let mut under = Vec::new();
            (Gist::of(&entry.to_bytes(), &mut under), under)
        };
        let shards = |names: &[&str]| names.iter().map(|name| shard_of(name)).collect::<Vec<_>>();
        let mut entry = entry();
        let (gist, under) = found(&entry);
        assert_eq!(gist, Some(Gist { at: entry.at, first: Some(shard_of("Patient/p")) }));
        let here = shards(&[&entry.actor, "Organization/o", "Patient/p", "Patient/q"]);
        assert_eq!(under, here);
        entry.post = AsWhat::Machine { organization: "o".into() };
        assert_eq!(found(&entry).1, here);
        entry.post = AsWhat::Lay;
        entry.patients.clear();
        entry.items.push(Item::of(&key("Device", "d")));
        let (gist, under) = found(&entry);
        assert_eq!(gist.unwrap().first, Some(shard_of("Patient/q")));
        assert_eq!(under, shards(&[&entry.actor, "Patient/q", "Patient/p", "Device/d"]));
        let bytes = entry.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Gist::of(&bytes[..length], &mut Vec::new()), None, "{length} bytes");
        }
    }

    #[test]
    fn bytes_that_are_cut_or_too_long_or_of_another_form_are_no_entry() {
        let bytes = entry().to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Entry::parse(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(Entry::parse(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Entry::parse(&[&[FORM + 1], &bytes[1..]].concat()), None);
    }

    #[test]
    fn the_patients_of_a_resource_are_itself_and_those_it_refers_to() {
        let mut found = Vec::new();
        let body = br##"{"subject":{"reference":"Patient/a"},"x":[{"reference":"Patient/b/_history/3"},{"reference":"Patient/a"},{"reference":"http://x.example/Patient/c"},{"reference":"Encounter/d"}],"text":"\"reference\":\"Patient/e\""}"##;
        let strange = OwnAddresses::default();
        patients(&strange, &key("Observation", "o"), body, &mut found);
        patients(&strange, &key("Patient", "p"), b"{}", &mut found);
        assert_eq!(found, ["a", "b", "p"]);
        found.clear();
        let own = OwnAddresses::new(["https://x.example"]);
        patients(&own, &key("Observation", "o"), body, &mut found);
        patients(
            &own,
            &key("Observation", "o"),
            br#"{"reference":"https://x.example/Patient/f/_history/1"}"#,
            &mut found,
        );
        assert_eq!(found, ["a", "b", "c", "f"]);
    }
}
