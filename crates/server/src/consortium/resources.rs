//! A consortium as FHIR resources, and back.

use std::collections::BTreeMap;

use jiff::civil::Date;
use record::DUTIES;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::codes::{
    AFFILIATION, ALLIANCE, CONSORTIUM, CREDIT_CODE, DIRECT_MANAGEMENT, DUTY, Kind, LEAD, LEVEL, LICENCE, Level, MEMBER,
    OFFICIAL_TYPE, ORGANIZATION_TYPE, PHYSICAL_TYPE, TAG,
};
use super::file::{
    Alliance, Consortium, Day, Department, Head, Institution, Location, Person, Post, Service, Weekday, Word,
    is_mobile, joint, wrong_credit_code,
};

/// The types a consortium consists of, and the elements of each that its file speaks for. Everything else in a resource
/// belongs to whoever wrote it.
pub(crate) const TYPES: &[(&str, &[&str])] = &[
    ("Organization", &["active", "type", "name", "alias", "telecom", "address", "partOf"]),
    (
        "OrganizationAffiliation",
        &["active", "period", "organization", "participatingOrganization", "network", "code", "specialty"],
    ),
    ("Location", &["status", "name", "physicalType", "managingOrganization", "partOf"]),
    ("HealthcareService", &["active", "providedBy", "specialty", "location", "name"]),
    ("Practitioner", &["active", "name", "qualification"]),
    (
        "PractitionerRole",
        &["active", "period", "practitioner", "organization", "code", "healthcareService", "availableTime"],
    ),
];

/// The resources of a consortium, each after those it refers to.
pub(crate) fn written(consortium: &Consortium) -> Vec<Value> {
    let mut writer = Writer { consortium: consortium.consortium.id.get_ref(), resources: Vec::new() };
    writer.all(consortium);
    writer.resources
}

struct Writer<'c> {
    consortium: &'c str,
    resources: Vec<Value>,
}

impl Writer<'_> {
    fn all(&mut self, consortium: &Consortium) {
        let head = &consortium.consortium;
        let type_ = concept(ORGANIZATION_TYPE, CONSORTIUM, "医联体");
        self.organization(&head.id, &head.name, head.english.as_deref(), json!([type_]), Map::new());
        for institution in &consortium.institutions {
            self.institution(institution);
        }
        for alliance in &consortium.alliances {
            let type_ = concept(ORGANIZATION_TYPE, ALLIANCE, "专科联盟");
            self.organization(&alliance.id, alliance.name.get_ref(), None, json!([type_]), Map::new());
        }
        for institution in &consortium.institutions {
            let mut codes = vec![concept(AFFILIATION, MEMBER, "成员单位")];
            if institution.id == head.lead {
                codes.push(concept(AFFILIATION, LEAD, "牵头单位"));
            }
            self.affiliation(&head.id, &head.id, &institution.id, codes, Map::new());
            for managed in &institution.manages {
                let code = concept(AFFILIATION, DIRECT_MANAGEMENT, "同一直管");
                self.affiliation(&institution.id, &institution.id, managed, vec![code], Map::new());
            }
        }
        consortium.alliances.iter().for_each(|alliance| self.alliance(alliance));
        let homes = homes(consortium);
        for location in &consortium.locations {
            self.location(location);
        }
        for service in &consortium.services {
            let locations = service.locations.iter().map(|one| reference("Location", one.get_ref())).collect();
            self.service(service.id.get_ref(), &service.name, &service.at, service.specialty.as_deref(), locations);
        }
        for person in &consortium.people {
            self.person(person, &homes);
        }
    }

    fn institution(&mut self, institution: &Institution) {
        let level = institution.level;
        let types = json!([concept(OFFICIAL_TYPE, "prov", "医疗机构"), concept(LEVEL, level.code(), level.display())]);
        let mut more = Map::new();
        if let Some(code) = &institution.code {
            more.insert("identifier".into(), json!([{ "system": CREDIT_CODE, "value": code.get_ref() }]));
        }
        if let Some(phone) = &institution.phone {
            more.insert("telecom".into(), json!([{ "system": "phone", "value": phone }]));
        }
        if let Some(address) = &institution.address {
            more.insert("address".into(), json!([{ "text": address }]));
        }
        self.organization(&institution.id, institution.name.get_ref(), institution.english.as_deref(), types, more);
        for department in &institution.departments {
            let types = json!([concept(OFFICIAL_TYPE, "dept", "科室")]);
            let part_of = reference("Organization", institution.id.get_ref());
            let more = Map::from_iter([("partOf".to_owned(), part_of)]);
            self.organization(&department.id, department.name.get_ref(), department.english.as_deref(), types, more);
            let specialty = department.specialty.as_deref();
            self.service(department.id.get_ref(), department.name.get_ref(), &department.id, specialty, Vec::new());
        }
    }

    fn organization(&mut self, id: &Word, name: &str, english: Option<&str>, types: Value, more: Map<String, Value>) {
        let mut resource = self.resource("Organization", id.get_ref());
        resource.insert("active".into(), json!(true));
        resource.insert("type".into(), types);
        resource.insert("name".into(), json!(name));
        if let Some(english) = english {
            resource.insert("alias".into(), json!([english]));
        }
        resource.extend(more);
        self.resources.push(Value::Object(resource));
    }

    fn alliance(&mut self, alliance: &Alliance) {
        for member in &alliance.members {
            let mut more = Map::new();
            more.insert("network".into(), json!([reference("Organization", alliance.id.get_ref())]));
            more.insert("specialty".into(), json!([{ "text": alliance.specialty }]));
            if let Some(period) = period(alliance.from, alliance.until) {
                more.insert("period".into(), period);
            }
            let code = concept(AFFILIATION, ALLIANCE, "专科联盟");
            self.affiliation(&alliance.id, &alliance.lead, member, vec![code], more);
        }
    }

    /// What ties `member` to `organization`, called after `within` and the member.
    fn affiliation(
        &mut self,
        within: &Word,
        organization: &Word,
        member: &Word,
        codes: Vec<Value>,
        more: Map<String, Value>,
    ) {
        let mut resource = self.resource("OrganizationAffiliation", &joint(within.get_ref(), member.get_ref()));
        resource.insert("active".into(), json!(true));
        resource.insert("organization".into(), reference("Organization", organization.get_ref()));
        resource.insert("participatingOrganization".into(), reference("Organization", member.get_ref()));
        resource.insert("code".into(), Value::Array(codes));
        resource.extend(more);
        self.resources.push(Value::Object(resource));
    }

    fn location(&mut self, location: &Location) {
        let mut resource = self.resource("Location", location.id.get_ref());
        resource.insert("status".into(), json!("active"));
        resource.insert("name".into(), json!(location.name));
        resource.insert(
            "physicalType".into(),
            json!({ "coding": [{ "system": PHYSICAL_TYPE, "code": location.kind.code() }] }),
        );
        resource.insert("managingOrganization".into(), reference("Organization", location.at.get_ref()));
        if let Some(within) = &location.within {
            resource.insert("partOf".into(), reference("Location", within.get_ref()));
        }
        self.resources.push(Value::Object(resource));
    }

    fn service(&mut self, id: &str, name: &str, at: &Word, specialty: Option<&str>, locations: Vec<Value>) {
        let mut resource = self.resource("HealthcareService", id);
        resource.insert("active".into(), json!(true));
        resource.insert("providedBy".into(), reference("Organization", at.get_ref()));
        if let Some(specialty) = specialty {
            resource.insert("specialty".into(), json!([{ "text": specialty }]));
        }
        if !locations.is_empty() {
            resource.insert("location".into(), Value::Array(locations));
        }
        resource.insert("name".into(), json!(name));
        self.resources.push(Value::Object(resource));
    }

    fn person(&mut self, person: &Person, homes: &BTreeMap<&str, &str>) {
        let mut resource = self.resource("Practitioner", person.id.get_ref());
        if let Some(licence) = &person.licence {
            resource.insert("identifier".into(), json!([{ "system": LICENCE, "value": licence.get_ref() }]));
        }
        resource.insert("active".into(), json!(true));
        resource.insert("name".into(), json!([{ "text": person.name }]));
        if let Some(mobile) = &person.mobile {
            let number = json!({ "system": "phone", "value": mobile.get_ref(), "use": "mobile" });
            resource.insert("telecom".into(), json!([number]));
        }
        if let Some(title) = &person.title {
            resource.insert("qualification".into(), json!([{ "code": { "text": title } }]));
        }
        self.resources.push(Value::Object(resource));
        for post in &person.posts {
            self.post(person, post, homes);
        }
    }

    /// A post at a department is held at its institution, by whose rights it goes; the department is the service.
    fn post(&mut self, person: &Person, post: &Post, homes: &BTreeMap<&str, &str>) {
        let mut resource = self.resource("PractitionerRole", &post.role(person.id.get_ref()));
        resource.insert("active".into(), json!(true));
        if let Some(period) = period(post.from, post.until) {
            resource.insert("period".into(), period);
        }
        let at = post.at.get_ref().as_str();
        let home = homes.get(at).copied();
        resource.insert("practitioner".into(), reference("Practitioner", person.id.get_ref()));
        resource.insert("organization".into(), reference("Organization", home.unwrap_or(at)));
        let duties = post.duties.iter().map(|duty| {
            let known = DUTIES.iter().find(|known| known.code == duty.get_ref());
            concept(DUTY, duty.get_ref(), known.map_or("", |known| known.display))
        });
        resource.insert("code".into(), duties.collect());
        if home.is_some() {
            resource.insert("healthcareService".into(), json!([reference("HealthcareService", at)]));
        }
        if !post.days.is_empty() {
            let days: Vec<&str> = post.days.iter().map(|day| day.code()).collect();
            resource.insert("availableTime".into(), json!([{ "daysOfWeek": days }]));
        }
        self.resources.push(Value::Object(resource));
    }

    fn resource(&self, type_: &str, id: &str) -> Map<String, Value> {
        Map::from_iter([
            ("resourceType".to_owned(), json!(type_)),
            ("id".to_owned(), json!(id)),
            ("meta".to_owned(), json!({ "tag": [{ "system": TAG, "code": self.consortium }] })),
        ])
    }
}

/// The institution of each department.
fn homes(consortium: &Consortium) -> BTreeMap<&str, &str> {
    let pairs = consortium.institutions.iter().flat_map(|institution| {
        let id = institution.id.get_ref().as_str();
        institution.departments.iter().map(move |department| (department.id.get_ref().as_str(), id))
    });
    pairs.collect()
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

fn reference(type_: &str, id: &str) -> Value {
    json!({ "reference": format!("{type_}/{id}") })
}

fn period(from: Option<Day>, until: Option<Day>) -> Option<Value> {
    let days = [("start", from), ("end", until)];
    let said: Map<String, Value> =
        days.into_iter().filter_map(|(name, day)| Some((name.to_owned(), json!(day?.to_string())))).collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

/// The consortium that resources tell of as of `today`; those that have ended are no part of it.
///
/// # Errors
/// A sentence that names the resource which cannot be written in a file, and why.
pub(crate) fn read(id: &str, resources: &[Value], today: Date) -> Result<Consortium, String> {
    let reader = Reader { id, resources, today: today.to_string() };
    reader.consortium()
}

struct Reader<'r> {
    id: &'r str,
    resources: &'r [Value],
    today: String,
}

impl<'r> Reader<'r> {
    fn consortium(&self) -> Result<Consortium, String> {
        let head = self
            .of("Organization")
            .find(|one| one["id"] == self.id)
            .ok_or_else(|| format!("There is no consortium {} in this record.", self.id))?;
        let lead = self.affiliations(LEAD).next().map(|one| id_of(&one["participatingOrganization"]));
        let lead = lead.flatten().ok_or_else(|| format!("The consortium {} has no leading institution.", self.id))?;
        Ok(Consortium {
            consortium: Head {
                id: word(self.id),
                name: text(&head["name"])?,
                english: english(head),
                lead: word(lead),
            },
            institutions: self.institutions()?,
            alliances: self.alliances()?,
            locations: self.of("Location").map(|one| self.location(one)).collect::<Result<_, _>>()?,
            services: self.services()?,
            people: self.people()?,
        })
    }

    fn of(&self, type_: &'r str) -> impl Iterator<Item = &'r Value> {
        self.resources.iter().filter(move |one| one["resourceType"] == type_ && is_active(one))
    }

    fn affiliations(&self, code: &'static str) -> impl Iterator<Item = &'r Value> {
        self.of("OrganizationAffiliation").filter(move |one| codes(&one["code"], AFFILIATION).any(|each| each == code))
    }

    /// Whether the last day of a tie is past: such a one would come back to life if it stood in the file without its period.
    fn is_over(&self, tie: &Value) -> bool {
        tie["period"]["end"].as_str().is_some_and(|end| end.get(..10).unwrap_or(end) < self.today.as_str())
    }

    fn institutions(&self) -> Result<Vec<Institution>, String> {
        let mut institutions = Vec::new();
        for one in self.of("Organization") {
            let level =
                codes(&one["type"], LEVEL).find_map(|code| Level::ALL.into_iter().find(|level| level.code() == code));
            let Some(level) = level else { continue };
            let id = text(&one["id"])?;
            let managed = self.affiliations(DIRECT_MANAGEMENT).filter(|tie| id_of(&tie["organization"]) == Some(&id));
            let managed = managed.filter(|tie| !self.is_over(tie));
            let departments = self.of("Organization").filter(|part| {
                id_of(&part["partOf"]) == Some(&id) && codes(&part["type"], OFFICIAL_TYPE).any(|code| code == "dept")
            });
            let code = identifier(one, CREDIT_CODE).map(word);
            institutions.push(Institution {
                name: word(&text(&one["name"])?),
                english: english(one),
                level,
                code_as_issued: code.as_ref().is_some_and(|code| wrong_credit_code(code.get_ref()).is_some()),
                code,
                manages: managed.filter_map(|tie| id_of(&tie["participatingOrganization"])).map(word).collect(),
                phone: one["telecom"][0]["value"].as_str().map(str::to_owned),
                address: one["address"][0]["text"].as_str().map(str::to_owned),
                departments: departments.map(|part| self.department(part)).collect::<Result<_, _>>()?,
                id: word(&id),
            });
        }
        Ok(institutions)
    }

    fn department(&self, part: &Value) -> Result<Department, String> {
        let service = self.of("HealthcareService").find(|service| service["id"] == part["id"]);
        Ok(Department {
            id: word(&text(&part["id"])?),
            name: word(&text(&part["name"])?),
            english: english(part),
            specialty: service.and_then(|service| service["specialty"][0]["text"].as_str()).map(str::to_owned),
        })
    }

    fn alliances(&self) -> Result<Vec<Alliance>, String> {
        let mut alliances = Vec::new();
        for one in self.of("Organization") {
            if !codes(&one["type"], ORGANIZATION_TYPE).any(|code| code == ALLIANCE) {
                continue;
            }
            let id = text(&one["id"])?;
            let mut ties: Vec<&Value> =
                self.affiliations(ALLIANCE).filter(|tie| id_of(&tie["network"][0]) == Some(&id)).collect();
            // Who has left is no member; an alliance that is over for all stands in the file with its period.
            if ties.iter().any(|tie| !self.is_over(tie)) {
                ties.retain(|tie| !self.is_over(tie));
            }
            let Some(first) = ties.first() else { continue };
            let lead = id_of(&first["organization"]).ok_or_else(|| format!("The alliance {id} has no lead."))?;
            alliances.push(Alliance {
                name: word(&text(&one["name"])?),
                specialty: text(&first["specialty"][0]["text"])?,
                lead: word(lead),
                members: ties.iter().filter_map(|tie| id_of(&tie["participatingOrganization"])).map(word).collect(),
                from: day(&first["period"]["start"])?,
                until: day(&first["period"]["end"])?,
                id: word(&id),
            });
        }
        Ok(alliances)
    }

    fn location(&self, one: &Value) -> Result<Location, String> {
        let code = codes(&json!([one["physicalType"]]), PHYSICAL_TYPE).next().map(str::to_owned);
        let kind = Kind::ALL.into_iter().find(|kind| Some(kind.code()) == code.as_deref());
        let id = text(&one["id"])?;
        Ok(Location {
            name: text(&one["name"])?,
            at: word(id_of(&one["managingOrganization"]).ok_or_else(|| format!("Location/{id} belongs to nobody."))?),
            kind: kind.ok_or_else(|| format!("Location/{id} is of a kind that the file has no word for."))?,
            within: id_of(&one["partOf"]).map(word),
            id: word(&id),
        })
    }

    fn services(&self) -> Result<Vec<Service>, String> {
        let mut services = Vec::new();
        for one in self.of("HealthcareService") {
            let id = text(&one["id"])?;
            // A department's own service goes without saying.
            let Some(at) = id_of(&one["providedBy"]).filter(|at| *at != id) else { continue };
            services.push(Service {
                name: text(&one["name"])?,
                at: word(at),
                specialty: one["specialty"][0]["text"].as_str().map(str::to_owned),
                locations: list(&one["location"]).iter().filter_map(id_of).map(word).collect(),
                id: word(&id),
            });
        }
        Ok(services)
    }

    fn people(&self) -> Result<Vec<Person>, String> {
        let mut posts: BTreeMap<&str, Vec<Post>> = BTreeMap::new();
        for role in self.of("PractitionerRole") {
            let Some(person) = id_of(&role["practitioner"]) else { continue };
            posts.entry(person).or_default().push(post(person, role)?);
        }
        let mut people = Vec::new();
        for one in self.of("Practitioner") {
            let id = text(&one["id"])?;
            people.push(Person {
                name: text(&one["name"][0]["text"])?,
                licence: identifier(one, LICENCE).map(word),
                title: one["qualification"][0]["code"]["text"].as_str().map(str::to_owned),
                mobile: mobile(one).map(word),
                posts: posts.remove(id.as_str()).unwrap_or_default(),
                id: word(&id),
            });
        }
        Ok(people)
    }
}

fn post(person: &str, role: &Value) -> Result<Post, String> {
    let id = text(&role["id"])?;
    let at = id_of(&role["healthcareService"][0]).or_else(|| id_of(&role["organization"]));
    let at = at.ok_or_else(|| format!("PractitionerRole/{id} is held nowhere."))?;
    let days = list(&role["availableTime"][0]["daysOfWeek"]);
    Ok(Post {
        at: word(at),
        duties: codes(&role["code"], DUTY).map(word).collect(),
        from: day(&role["period"]["start"])?,
        until: day(&role["period"]["end"])?,
        days: Weekday::ALL.into_iter().filter(|day| days.iter().any(|code| code == day.code())).collect(),
        id: (id != joint(person, at)).then(|| word(&id)),
    })
}

/// Whether a resource is in use, by its own word.
pub(crate) fn is_active(resource: &Value) -> bool {
    resource["active"] != json!(false) && resource["status"] != json!("inactive")
}

fn word(text: &str) -> Word {
    Spanned::new(0..0, text.to_owned())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The codes that CodeableConcepts take from one system.
fn codes<'v>(concepts: &'v Value, system: &'static str) -> impl Iterator<Item = &'v str> {
    let codings = list(concepts).iter().flat_map(|concept| list(&concept["coding"]));
    codings.filter(move |coding| coding["system"] == system).filter_map(|coding| coding["code"].as_str())
}

fn identifier<'v>(resource: &'v Value, system: &str) -> Option<&'v str> {
    list(&resource["identifier"]).iter().find(|one| one["system"] == system)?["value"].as_str()
}

/// The first number of a person that is marked as that of a mobile phone, where it is one a file can say.
fn mobile(person: &Value) -> Option<&str> {
    let mut numbers = list(&person["telecom"]).iter().filter(|one| one["use"] == "mobile");
    numbers.find_map(|one| one["value"].as_str()).filter(|number| is_mobile(number))
}

fn english(resource: &Value) -> Option<String> {
    resource["alias"][0].as_str().map(str::to_owned)
}

fn id_of(reference: &Value) -> Option<&str> {
    reference["reference"].as_str()?.split('/').nth(1)
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "A resource of the consortium lacks its id or its name.".to_owned())
}

/// A day; of a time, its day.
fn day(value: &Value) -> Result<Option<Day>, String> {
    let Some(written) = value.as_str() else { return Ok(None) };
    let day = written.get(..10).and_then(|day| day.parse::<Date>().ok());
    day.map(|day| Some(Day(day))).ok_or_else(|| format!("A period of the consortium has {written} for a day."))
}
