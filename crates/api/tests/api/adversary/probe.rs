//! Questions somebody asks who looks for what they may not see, made of the very values that are hidden.

use std::collections::BTreeMap;

use axum::http::Method;
use fhir::definitions::ParamKind;
use fhir::search::{IndexValue, Registry};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use testkit::dice::Dice;
use testkit::region::name;

/// Resources that were stored at once lie in no order; where a question cuts pages, it says in which.
const IN_ORDER: &str = "_sort=_id";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: String,
}

impl Probe {
    fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: String::new() }
    }
}

/// A value of a search parameter in a hidden resource.
#[derive(Debug, Clone)]
struct Clue {
    type_: String,
    /// `Observation/7`.
    name: String,
    code: String,
    kind: ParamKind,
    value: String,
}

/// Everything that could be asked about hidden resources.
pub(super) struct Clues<'r> {
    registry: &'r Registry,
    all: Vec<Clue>,
    hidden: Vec<&'r Value>,
    /// Names of what may be seen, to ask from there.
    seen: Vec<String>,
}

impl<'r> Clues<'r> {
    pub(super) fn new(registry: &'r Registry, hidden: Vec<&'r Value>, seen: Vec<String>) -> Self {
        let mut all = Vec::new();
        for resource in &hidden {
            let parsed = fhir::json::parse(resource.to_string().as_bytes()).unwrap();
            for entry in registry.extract(&parsed) {
                let param = registry.at(entry.param);
                if let (true, Some(value)) = (param.is_public(), written(&entry.value)) {
                    all.push(Clue {
                        type_: param.type_name.to_owned(),
                        name: name(resource),
                        code: param.code.to_string(),
                        kind: param.kind,
                        value,
                    });
                }
            }
        }
        Self { registry, all, hidden, seen }
    }

    /// One search for every parameter of every type of which something is hidden, in one form or another.
    pub(super) fn each_parameter(&self, dice: &mut Dice) -> Vec<Probe> {
        let mut by_parameter: BTreeMap<(&str, &str), Vec<&Clue>> = BTreeMap::new();
        for clue in &self.all {
            by_parameter.entry((&clue.type_, &clue.code)).or_default().push(clue);
        }
        by_parameter.values().map(|clues| self.search(clues[dice.below(clues.len())], dice)).collect()
    }

    /// Some question or other.
    pub(super) fn any(&self, dice: &mut Dice) -> Probe {
        let clue = dice.pick(&self.all);
        let id = &clue.name;
        match dice.below(14) {
            0..=2 => self.chain(clue, dice),
            3 | 4 => self.backwards(clue, dice),
            5 => self.followed(dice),
            6 => self.read(id, dice),
            7 => self.compartment(clue, dice),
            // References are sorted by when their targets were first named, which is another order in another record.
            8 if clue.kind != ParamKind::Reference => {
                let (type_, code, sign) = (&clue.type_, &clue.code, dice.pick(&["", "-"]));
                Probe::get(format!("/fhir/{type_}?_sort={sign}{code},_id&_count=3"))
            }
            9 => self.batch(dice),
            10 => {
                let body = format!("{}={}&_total=accurate&{IN_ORDER}", clue.code, encoded(&clue.value));
                Probe { method: Method::POST, path: format!("/fhir/{}/_search", clue.type_), body }
            }
            11 => self.operation(clue, dice),
            12 => Probe::get(format!("/fhir?_type={},Patient&_id={}&_total=accurate", clue.type_, id_of(id))),
            _ => self.search(clue, dice),
        }
    }

    fn search(&self, clue: &Clue, dice: &mut Dice) -> Probe {
        let Clue { type_, code, value, .. } = clue;
        let value = encoded(value);
        let criterion = match (dice.below(6), clue.kind) {
            (0, _) => format!("{code}:missing=false"),
            (1, _) => format!("{code}:missing=true"),
            (2, ParamKind::Token) => format!("{code}:not={value}"),
            (2, ParamKind::String) => format!("{code}:contains={value}"),
            (2, ParamKind::Date) => format!("{code}=ge{value}"),
            (2, ParamKind::Quantity | ParamKind::Number) => format!("{code}=le{value}"),
            (3, ParamKind::String) => format!("{code}:exact={value}"),
            _ => format!("{code}={value}"),
        };
        let manner =
            dice.pick(&["_total=accurate", "_summary=count", "_total=estimate&_count=2", "_count=1", "_elements=id"]);
        Probe::get(format!("/fhir/{type_}?{criterion}&{manner}&{IN_ORDER}"))
    }

    /// From what refers to a hidden resource, through it.
    fn chain(&self, clue: &Clue, dice: &mut Dice) -> Probe {
        let from: Vec<(&str, &str)> = self
            .registry
            .all()
            .iter()
            .filter(|param| param.kind == ParamKind::Reference && param.is_public())
            .filter(|param| param.targets.contains(&clue.type_.as_str()))
            .filter(|param| self.seen.iter().any(|seen| seen.starts_with(&format!("{}/", param.type_name))))
            .map(|param| (param.type_name, &*param.code))
            .collect();
        let Some((type_, code)) = (!from.is_empty()).then(|| *dice.pick(&from)) else {
            return self.search(clue, dice);
        };
        let (inner, value) = (&clue.code, encoded(&clue.value));
        let manner = dice.pick(&["_total=accurate", "_summary=count", "_count=2"]);
        let step = format!("{code}:{}", clue.type_);
        let criterion = if clue.kind != ParamKind::Reference && dice.chance(0.2) {
            format!("_sort={step}.{inner},_id")
        } else {
            format!("{step}.{inner}={value}&{IN_ORDER}")
        };
        Probe::get(format!("/fhir/{type_}?{criterion}&{manner}"))
    }

    /// From what a hidden resource refers to, back to it.
    fn backwards(&self, clue: &Clue, dice: &mut Dice) -> Probe {
        let same = |other: &&Clue| other.name == clue.name && other.kind == ParamKind::Reference;
        let references: Vec<&Clue> = self.all.iter().filter(same).collect();
        let Some(reference) = (!references.is_empty()).then(|| *dice.pick(&references)) else {
            return self.search(clue, dice);
        };
        let Some((target, _)) = reference.value.split_once('/') else { return self.search(clue, dice) };
        let (type_, link, code, value) = (&clue.type_, &reference.code, &clue.code, encoded(&clue.value));
        if dice.chance(0.3) {
            let back = dice.pick(&["_revinclude", "_revinclude:iterate"]);
            return Probe::get(format!("/fhir/{target}?_id={}&{back}={type_}:{link}", id_of(&reference.value)));
        }
        let manner = dice.pick(&["_total=accurate", "_summary=count", "_count=2"]);
        Probe::get(format!("/fhir/{target}?_has:{type_}:{link}:{code}={value}&{manner}&{IN_ORDER}"))
    }

    /// Everything that is tied to what may be seen.
    fn followed(&self, dice: &mut Dice) -> Probe {
        let Some((type_, id)) = self.some_seen(dice) else {
            return Probe::get("/fhir/Patient?_revinclude=*".to_owned());
        };
        let also =
            dice.pick(&["_include=*", "_revinclude=*", "_include=*&_include:iterate=*", "_include=*&_revinclude=*"]);
        Probe::get(format!("/fhir/{type_}?_id={id}&{also}"))
    }

    fn some_seen(&self, dice: &mut Dice) -> Option<(&str, &str)> {
        if self.seen.is_empty() { None } else { dice.pick(&self.seen).split_once('/') }
    }

    fn read(&self, name: &str, dice: &mut Dice) -> Probe {
        let type_ = name.split('/').next().unwrap_or_default();
        let path = match dice.below(7) {
            0 => format!("/fhir/{name}/_history"),
            1 => format!("/fhir/{name}/_history/1"),
            2 => format!("/fhir/{type_}/_history?_count=5"),
            3 => "/fhir/_history?_count=7".to_owned(),
            4 => format!("/fhir/{type_}?_id={}&_total=accurate", id_of(name)),
            5 => format!("/fhir/{type_}?_security=HIV,PSY,STD&_total=accurate&{IN_ORDER}"),
            _ => format!("/fhir/{name}"),
        };
        Probe::get(path)
    }

    fn compartment(&self, clue: &Clue, dice: &mut Dice) -> Probe {
        let patients: Vec<&str> = self.of_type("Patient/").collect();
        let patient = if patients.is_empty() { "Patient/resident-00000" } else { dice.pick(&patients) };
        let Clue { type_, code, value, .. } = clue;
        Probe::get(match dice.below(3) {
            0 => format!("/fhir/{patient}/*?_total=accurate&{IN_ORDER}"),
            1 => format!("/fhir/{patient}/{type_}?_total=accurate&{IN_ORDER}"),
            _ => format!("/fhir/{patient}/{type_}?{code}={}&_total=accurate&{IN_ORDER}", encoded(value)),
        })
    }

    /// Names of patients, hidden or not.
    fn of_type(&self, start: &'r str) -> impl Iterator<Item = &str> {
        let referred = self.all.iter().map(|clue| clue.value.as_str());
        self.seen.iter().map(String::as_str).chain(referred).filter(move |name| name.starts_with(start))
    }

    fn batch(&self, dice: &mut Dice) -> Probe {
        let entries: Vec<Value> = (0..4)
            .map(|_| {
                let clue = dice.pick(&self.all);
                let url = match dice.below(3) {
                    0 => clue.name.clone(),
                    1 => format!("{}/_history/1", clue.name),
                    _ => format!("{}?{}={}&_total=accurate&{IN_ORDER}", clue.type_, clue.code, encoded(&clue.value)),
                };
                json!({"request": {"method": "GET", "url": url}})
            })
            .collect();
        let type_ = dice.pick(&["batch", "transaction"]);
        let body = json!({"resourceType": "Bundle", "type": type_, "entry": entries}).to_string();
        Probe { method: Method::POST, path: "/fhir".to_owned(), body }
    }

    fn operation(&self, clue: &Clue, dice: &mut Dice) -> Probe {
        let patients: Vec<&str> = self.of_type("Patient/").collect();
        let patient = if patients.is_empty() { "Patient/resident-00000" } else { dice.pick(&patients) };
        let name = &clue.name;
        Probe::get(match dice.below(6) {
            0 => format!("/fhir/{patient}/$everything?_count=1000"),
            1 => format!("/fhir/{patient}/$everything?_type={}", clue.type_),
            2 => format!("/fhir/{name}/$meta"),
            3 => format!("/fhir/{}/$meta", clue.type_),
            4 => format!("/fhir/{name}/$validate"),
            _ => "/fhir/Patient/$export".to_owned(),
        })
    }

    /// Every operation on a person, asked of people whom the role sees, of some whom it does not, and of nobody.
    pub(super) fn each_operation(&self, patients: &[&Value]) -> Vec<Probe> {
        let mut probes = Vec::new();
        let parameters = |parts: Value| json!({"resourceType": "Parameters", "parameter": parts}).to_string();
        let nobody = "Patient/resident-99999".to_owned();
        let hidden = |name: &String| !self.seen.contains(name);
        for patient in patients.iter().map(|one| name(one)).chain([nobody.clone()]) {
            for operation in ["relation", "person", "everything?_count=1000", "meta", "validate"] {
                // A relation to somebody whom the role sees may hold through what it does not see.
                if operation != "relation" || hidden(&patient) {
                    probes.push(Probe::get(format!("/fhir/{patient}/${operation}")));
                }
            }
            let mut post = |path: String, body: String| probes.push(Probe { method: Method::POST, path, body });
            post(format!("/fhir/{patient}/$break-glass"), parameters(json!([])));
            // What the role sees would be opened, joined or parted in one record after the other.
            if hidden(&patient) {
                let reason = json!([{"name": "reason", "valueString": "昏迷"}]);
                post(format!("/fhir/{patient}/$break-glass"), parameters(reason));
                let part = |name: &str, of: &str| json!({"name": name, "valueReference": {"reference": of}});
                let (source, target) = (part("source-patient", &patient), part("target-patient", &nobody));
                post("/fhir/Patient/$merge".to_owned(), parameters(json!([source, target])));
                post("/fhir/Patient/$unmerge".to_owned(), parameters(json!([source])));
                let add = json!([{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]);
                post(format!("/fhir/{patient}/$meta-add"), parameters(add));
            }
        }
        for patient in patients {
            let body = parameters(json!([{"name": "resource", "resource": patient}]));
            probes.push(Probe { method: Method::POST, path: "/fhir/Patient/$match".to_owned(), body });
        }
        probes
    }

    /// Attempts to write over, into or around what is hidden.
    pub(super) fn attempt(&self, dice: &mut Dice) -> Probe {
        let clue = dice.pick(&self.all);
        let hidden = dice.pick(&self.hidden);
        // Types that tie nobody to anybody, so that an attempt that is permitted opens nothing to the next one.
        let plain =
            ["Observation", "Condition", "MedicationRequest", "DiagnosticReport", "Immunization", "Composition"];
        let bodies: Vec<&&Value> =
            self.hidden.iter().filter(|one| plain.iter().any(|type_| one["resourceType"] == *type_)).collect();
        let query = format!("{}={}", clue.code, encoded(&clue.value));
        let named = name(hidden);
        let (method, path, body) = match dice.below(8) {
            0 => (Method::DELETE, format!("/fhir/{named}"), String::new()),
            1 => (Method::DELETE, format!("/fhir/{}?{query}", clue.type_), String::new()),
            2 => (Method::PUT, format!("/fhir/{named}"), hidden.to_string()),
            3 => {
                let body = r#"[{"op":"add","path":"/language","value":"zh"}]"#;
                (Method::PATCH, format!("/fhir/{named}"), body.to_owned())
            }
            4 => (
                Method::PATCH,
                format!("/fhir/{}?{query}", clue.type_),
                r#"[{"op":"remove","path":"/text"}]"#.to_owned(),
            ),
            _ if bodies.is_empty() => (Method::DELETE, format!("/fhir/{named}"), String::new()),
            5 => {
                let body = dice.pick(&bodies);
                let type_ = body["resourceType"].as_str().unwrap_or_default();
                (Method::PUT, format!("/fhir/{type_}?_id={}", id_of(&name(body))), body.to_string())
            }
            which => {
                let body = dice.pick(&bodies);
                let type_ = body["resourceType"].as_str().unwrap_or_default();
                let condition = format!("_id={}", id_of(&name(body)));
                let mut request = json!({"method": "POST", "url": type_, "ifNoneExist": condition});
                if which == 6 {
                    request = json!({"method": "PUT", "url": name(body), "ifMatch": "W/\"1\""});
                }
                let entry = json!({"resource": body, "request": request});
                let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
                (Method::POST, "/fhir".to_owned(), bundle.to_string())
            }
        };
        Probe { method, path, body }
    }
}

fn id_of(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or_default()
}

/// A value as a query asks for it; none where the index holds what no query can name.
fn written(value: &IndexValue<'_>) -> Option<String> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let instant = |micros: i64| Some(Timestamp::from_microsecond(micros).ok()?.to_string());
    Some(match value {
        IndexValue::Token { system: Some(system), code } => format!("{}|{}", escaped(system), escaped(code)),
        IndexValue::Token { system: None, code } => escaped(code),
        IndexValue::Reference { target } => target.to_string(),
        IndexValue::Text { exact, folded } if exact.is_empty() => escaped(folded),
        IndexValue::Text { exact, .. } => escaped(exact),
        IndexValue::Date { lo, .. } => instant(*lo)?,
        IndexValue::Number { lo, .. } => lo.to_string(),
        IndexValue::Quantity { lo, .. } => lo.to_string(),
    })
}

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}
