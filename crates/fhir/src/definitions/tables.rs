//! Decodes the embedded tables. Their text is kept for the life of the process, so names are slices of it.

use rustc_hash::FxHashMap;

use super::{
    Binding, Compartment, Constraint, Definitions, ElementDef, Kind, Library, Operation, ParamKind, SearchParameter,
    Slot, Strength, TypeDef, TypeId, TypeRef, order,
};

/// A table is written together with this reader, so every lack in it is a defect of the build.
const WELL_FORMED: &str = "the embedded table is well formed";

pub(super) fn decode() -> Definitions {
    let mut elements = Elements::default();
    for line in text(include_bytes!("../../definitions/elements.tsv.zst")).lines() {
        elements.read(line);
    }
    let (types, by_name) = elements.finish();
    let mut resource_types: Vec<_> = types
        .iter()
        .filter(|found| found.kind == Kind::Resource && !found.is_abstract)
        .map(|found| found.name)
        .collect();
    resource_types.sort_unstable();

    let mut definitions = Definitions {
        types,
        by_name,
        resource_types,
        search_parameters: Vec::new(),
        compartments: Vec::new(),
        operations: Vec::new(),
        library: Library::default(),
    };
    for line in text(include_bytes!("../../definitions/search.tsv.zst")).lines() {
        read_search(line, &mut definitions);
    }
    definitions
}

/// The text of an embedded table.
pub(super) fn text(compressed: &[u8]) -> &'static str {
    let bytes = zstd::stream::decode_all(compressed).expect(WELL_FORMED);
    String::leak(String::from_utf8(bytes).expect(WELL_FORMED))
}

/// The fields of one line; a missing one is a defect of the table.
struct Fields(std::str::Split<'static, char>);

impl Fields {
    fn of(line: &'static str) -> Self {
        Self(line.split('\t'))
    }

    fn next(&mut self) -> &'static str {
        self.0.next().expect(WELL_FORMED)
    }

    fn some(&mut self) -> Option<&'static str> {
        Some(self.next()).filter(|field| !field.is_empty())
    }

    fn words(&mut self) -> Vec<&'static str> {
        self.next().split_ascii_whitespace().collect()
    }

    fn flag(&mut self) -> bool {
        self.next() == "1"
    }
}

#[derive(Default)]
struct Elements {
    constraints: Vec<&'static Constraint>,
    /// Most elements share a few lists of constraints.
    lists: FxHashMap<&'static str, &'static [&'static Constraint]>,
    types: Vec<TypeDef>,
}

impl Elements {
    fn read(&mut self, line: &'static str) {
        let mut fields = Fields::of(line);
        match fields.next() {
            "K" => self.constraints.push(Box::leak(Box::new(Constraint {
                key: fields.next(),
                is_error: fields.next() == "error",
                human: fields.next(),
                expression: fields.next(),
            }))),
            "T" => {
                let found = TypeDef {
                    name: fields.next(),
                    kind: match fields.next() {
                        "p" => Kind::Primitive,
                        "c" => Kind::Complex,
                        "b" => Kind::Backbone,
                        _ => Kind::Resource,
                    },
                    is_abstract: fields.flag(),
                    base: fields.some(),
                    constraints: self.list(fields.next()),
                    elements: Vec::new(),
                    slots: Vec::new(),
                };
                self.types.push(found);
            }
            _ => {
                let element = self.element(fields);
                self.types.last_mut().expect(WELL_FORMED).elements.push(element);
            }
        }
    }

    fn element(&mut self, mut fields: Fields) -> ElementDef {
        let name = fields.next();
        let min = fields.next().parse().expect(WELL_FORMED);
        let max = Some(fields.next()).filter(|max| *max != "*").map(|max| max.parse().expect(WELL_FORMED));
        let flags = fields.next();
        let is_choice = flags.contains('c');
        let types = fields.next().split_ascii_whitespace().map(type_ref).collect();
        let binding = fields.some().and_then(|binding| binding.split_once(' ')).map(|(strength, value_set)| Binding {
            strength: Strength::parse(strength).expect(WELL_FORMED),
            value_set,
        });
        let owner = self.types.last().expect(WELL_FORMED).name;
        ElementDef {
            name,
            path: format!("{owner}.{name}{}", if is_choice { "[x]" } else { "" }).into(),
            min,
            max,
            types,
            is_choice,
            is_summary: flags.contains('s'),
            is_modifier: flags.contains('m'),
            binding,
            constraints: self.list(fields.next()),
        }
    }

    fn list(&mut self, numbers: &'static str) -> &'static [&'static Constraint] {
        let constraints = &self.constraints;
        self.lists.entry(numbers).or_insert_with(|| {
            numbers
                .split_ascii_whitespace()
                .map(|number| constraints[number.parse::<usize>().expect(WELL_FORMED)])
                .collect::<Vec<_>>()
                .leak()
        })
    }

    fn finish(mut self) -> (Vec<TypeDef>, FxHashMap<&'static str, TypeId>) {
        let by_name: FxHashMap<_, _> = self
            .types
            .iter()
            .enumerate()
            .map(|(at, found)| (found.name, TypeId(u16::try_from(at).expect("there are about a thousand types"))))
            .collect();
        for found in &mut self.types {
            found.slots = slots(&found.elements, &by_name);
        }
        (self.types, by_name)
    }
}

/// `code`, then `>Target` for each type a reference may point at, then `^Profile`.
fn type_ref(field: &'static str) -> TypeRef {
    let (field, profile) = field.split_once('^').map_or((field, None), |(field, profile)| (field, Some(profile)));
    let mut parts = field.split('>');
    TypeRef { code: parts.next().unwrap_or_default(), targets: parts.collect(), profile }
}

fn slots(elements: &[ElementDef], by_name: &FxHashMap<&'static str, TypeId>) -> Vec<Slot> {
    let position = |at: usize| u16::try_from(at).expect("a type has fewer than a hundred elements");
    let mut slots = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        for (alternative, kind) in element.types.iter().enumerate() {
            let json_name = if element.is_choice {
                let (head, tail) = kind.code.split_at(1);
                format!("{}{}{tail}", element.name, head.to_ascii_uppercase())
            } else {
                element.name.to_owned()
            };
            slots.push(Slot {
                json_name: json_name.into(),
                element: position(at),
                alternative: position(alternative),
                type_id: by_name[kind.code],
            });
        }
    }
    slots.sort_by(|left, right| order(&left.json_name, &right.json_name));
    slots
}

fn read_search(line: &'static str, definitions: &mut Definitions) {
    let mut fields = Fields::of(line);
    match fields.next() {
        "S" => definitions.search_parameters.push(SearchParameter {
            url: fields.next(),
            code: fields.next(),
            kind: ParamKind::parse(fields.next()).expect(WELL_FORMED),
            bases: fields.words(),
            expression: fields.some(),
            targets: fields.words(),
            multiple_or: fields.flag(),
            multiple_and: fields.flag(),
            comparators: fields.words(),
            modifiers: fields.words(),
            components: Vec::new(),
        }),
        "X" => {
            let parameter = definitions.search_parameters.last_mut().expect(WELL_FORMED);
            parameter.components.push((fields.next(), fields.next()));
        }
        "C" => {
            definitions.compartments.push(Compartment { code: fields.next(), url: fields.next(), params: Vec::new() })
        }
        "M" => {
            let compartment = definitions.compartments.last_mut().expect(WELL_FORMED);
            compartment.params.push((fields.next(), fields.words()));
        }
        _ => definitions.operations.push(Operation {
            url: fields.next(),
            name: fields.next(),
            code: fields.next(),
            affects_state: fields.flag(),
            system: fields.flag(),
            type_level: fields.flag(),
            instance: fields.flag(),
            resources: fields.words(),
        }),
    }
}
