//! TOML as a person would write it: short tables in one line, the main ones under headings.

use serde::Serialize;
use toml::{Table, Value};

/// No line is longer, unless a text is.
const WIDTH: usize = 120;

/// Prints a value whose fields are those of a file.
pub(super) fn print(value: &impl Serialize) -> String {
    let table = Table::try_from(value).expect("what was read from TOML can be written as TOML");
    let mut out = String::new();
    body(&mut out, "", &table);
    out
}

/// A table's own keys, then the tables below it that have headings.
fn body(out: &mut String, heading: &str, table: &Table) {
    for (name, value) in table.iter().filter(|(_, value)| !has_headings(heading, value)) {
        let mut text = format!("{} = {}", key(name), inline(value));
        if let Value::Array(items) = value
            && text.lines().next().is_some_and(|line| line.chars().count() > WIDTH)
        {
            let items: Vec<String> = items.iter().map(|item| format!("    {},\n", inline(item))).collect();
            text = format!("{} = [\n{}]", key(name), items.concat());
        }
        out.push_str(&text);
        out.push('\n');
    }
    for (name, value) in table.iter().filter(|(_, value)| has_headings(heading, value)) {
        let inner = if heading.is_empty() { key(name) } else { format!("{heading}.{}", key(name)) };
        for item in value.as_array().into_iter().flatten().filter_map(Value::as_table) {
            out.push_str(&format!("\n[[{inner}]]\n"));
            body(out, &inner, item);
        }
    }
}

/// Whether each of a value's tables has a heading: on the outermost level, and where a line would be too long.
fn has_headings(heading: &str, value: &Value) -> bool {
    let Value::Array(items) = value else { return false };
    let tables = !items.is_empty() && items.iter().all(Value::is_table);
    let long = |item: &Value| inline(item).chars().count() > WIDTH - 20;
    tables && (heading.is_empty() || items.iter().any(long))
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let members: Vec<String> =
                table.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(bare) {
        return name.to_owned();
    }
    let escaped = name.chars().flat_map(|letter| match letter {
        '"' | '\\' => vec!['\\', letter],
        letter if letter.is_control() => format!("\\u{:04X}", u32::from(letter)).chars().collect(),
        letter => vec![letter],
    });
    format!("\"{}\"", escaped.collect::<String>())
}
