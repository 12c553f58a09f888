//! The search table: search parameters, compartments and operations.

use std::fmt::Write;

use serde_json::Value;

use super::{Failure, Source, field, joined, list, text};

/// Lines of tab-separated fields:
/// `S url code type bases expression targets multipleOr multipleAnd comparators modifiers` a search parameter;
/// `X definition expression` a component of the parameter above it;
/// `C code url` a compartment; `M type params` a member of the compartment above it;
/// `O url name code affectsState system type instance resources` an operation.
pub(super) fn table(source: &Source) -> Result<String, Failure> {
    let mut out = String::new();
    let mut parameters: Vec<&Value> = source.resources("SearchParameter", |name| name == "search-parameters").collect();
    // What every resource has stands first, so a reader that goes by position meets it before anything narrower.
    parameters.sort_by_key(|parameter| match list(parameter, "base").first().and_then(Value::as_str) {
        Some("Resource") => 0,
        Some("DomainResource") => 1,
        _ => 2,
    });
    for parameter in parameters {
        writeln!(
            out,
            "S\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            text(parameter, "url"),
            text(parameter, "code"),
            text(parameter, "type"),
            joined(parameter, "base", " "),
            field(text(parameter, "expression")),
            joined(parameter, "target", " "),
            // Both are taken as allowed when the definition is silent, as servers of this release do.
            u8::from(parameter["multipleOr"] != false),
            u8::from(parameter["multipleAnd"] != false),
            joined(parameter, "comparator", " "),
            joined(parameter, "modifier", " "),
        )?;
        for component in list(parameter, "component") {
            writeln!(out, "X\t{}\t{}", text(component, "definition"), field(text(component, "expression")))?;
        }
    }
    for compartment in source.resources("CompartmentDefinition", |_| true) {
        writeln!(out, "C\t{}\t{}", text(compartment, "code"), text(compartment, "url"))?;
        for member in list(compartment, "resource").iter().filter(|member| !list(member, "param").is_empty()) {
            writeln!(out, "M\t{}\t{}", text(member, "code"), joined(member, "param", " "))?;
        }
    }
    for operation in source.resources("OperationDefinition", |_| true) {
        let flag = |member: &str| u8::from(operation[member] == true);
        writeln!(
            out,
            "O\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            text(operation, "url"),
            field(text(operation, "name")),
            text(operation, "code"),
            flag("affectsState"),
            flag("system"),
            flag("type"),
            flag("instance"),
            joined(operation, "resource", " "),
        )?;
    }
    Ok(out)
}
