//! The service lines: one folder each, with its protocols, forms, codes, criteria and scenarios as text.
//!
//! A build script embeds every folder beside `src/` that holds a protocol. Adding a line is adding a folder.

/// Every line by the name of its folder, with its texts by their path below it, both in order.
const ALL: &[(&str, &[(&str, &str)])] = include!(concat!(env!("OUT_DIR"), "/lines.rs"));

/// The texts of every line.
pub fn all() -> impl Iterator<Item = (&'static str, &'static [(&'static str, &'static str)])> {
    ALL.iter().map(|(name, files)| (*name, *files))
}

/// The texts of one line.
pub fn line(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    all().find(|(other, _)| *other == name).map(|(_, files)| files)
}

/// One text of a line.
pub fn text(name: &str, path: &str) -> Option<&'static str> {
    line(name)?.iter().find(|(other, _)| *other == path).map(|(_, text)| *text)
}
