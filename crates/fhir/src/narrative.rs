//! Narrative: the subset of XHTML a resource may carry, and nothing a browser would run.
//!
//! <http://hl7.org/fhir/R4/narrative.html#xhtml>

/// The elements of HTML 4.0 chapters 7 to 11 (without 4 of 9) and 15, links and images.
const ELEMENTS: [&str; 67] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "area",
    "menu",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "nobr",
    "figure",
    "figcaption",
    "section",
    "article",
];

/// Elements that say something by being there.
const SHOWN: [&str; 2] = ["img", "hr"];

/// Whether text is one well-formed `<div>` of allowed elements and attributes that shows something.
pub(crate) fn is_safe(text: &str) -> bool {
    let mut rest = text.trim();
    if !rest.starts_with("<div") {
        return false;
    }
    let mut open: Vec<&str> = Vec::new();
    let mut shows_something = false;
    while !rest.is_empty() {
        if let Some(markup) = rest.strip_prefix('<') {
            if let Some(comment) = markup.strip_prefix("!--") {
                let Some(end) = comment.find("-->") else { return false };
                rest = &comment[end + 3..];
            } else if let Some(end) = markup.strip_prefix('/') {
                let Some((name, after)) = end.split_once('>') else { return false };
                if open.pop() != Some(name.trim_end()) {
                    return false;
                }
                rest = after;
            } else {
                let Some(tag) = Tag::read(markup) else { return false };
                // Text after the outermost element, and a second one, are not inside the narrative.
                if open.is_empty() && (tag.name != "div" || tag.rest.len() == rest.len()) {
                    return false;
                }
                shows_something |= SHOWN.contains(&tag.name);
                if !tag.is_closed {
                    open.push(tag.name);
                }
                rest = tag.rest;
            }
            if open.is_empty() {
                return rest.trim().is_empty() && shows_something;
            }
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            let Some(shown) = shows(&rest[..end]) else { return false };
            shows_something |= shown;
            rest = &rest[end..];
        }
    }
    false
}

/// Whether character data shows anything; none when an `&` begins nothing.
fn shows(text: &str) -> Option<bool> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';')?;
        let number = name.strip_prefix('#');
        let known = match number {
            Some(number) => match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).is_ok(),
                None => number.parse::<u32>().is_ok(),
            },
            None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        };
        if !known {
            return None;
        }
        rest = after;
    }
    Some(!text.trim().is_empty())
}

struct Tag<'a> {
    name: &'a str,
    is_closed: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads what follows `<`, up to and including `>`.
    fn read(markup: &'a str) -> Option<Self> {
        let end = markup.find(|character: char| !character.is_ascii_alphanumeric())?;
        let name = &markup[..end];
        if !ELEMENTS.contains(&name) {
            return None;
        }
        let mut rest = &markup[end..];
        loop {
            let spaced = rest.trim_start();
            if let Some(rest) = spaced.strip_prefix("/>") {
                return Some(Self { name, is_closed: true, rest });
            }
            if let Some(rest) = spaced.strip_prefix('>') {
                return Some(Self { name, is_closed: false, rest });
            }
            if spaced.len() == rest.len() {
                return None;
            }
            let (attribute, after) = spaced.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, after) = after[1..].split_once(quote)?;
            if value.contains('<') || !is_allowed(attribute.trim_end(), value) {
                return None;
            }
            rest = after;
        }
    }
}

/// Attributes run nothing, and links lead nowhere that runs something.
fn is_allowed(attribute: &str, value: &str) -> bool {
    let is_name = attribute.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_'));
    if attribute.is_empty() || !is_name || attribute.to_ascii_lowercase().starts_with("on") {
        return false;
    }
    // A browser skips white space and control characters before it reads the scheme, and decodes references.
    let scheme: String = value.chars().filter(|character| *character > ' ').take(16).collect();
    let scheme = scheme.to_ascii_lowercase();
    let runs = scheme.starts_with("javascript:") || scheme.starts_with("vbscript:") || scheme.starts_with("data:text");
    let hides = matches!(attribute, "href" | "src")
        && scheme.split(['/', '?', '#']).next().is_some_and(|head| head.contains('&'));
    !runs && !hides
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn formatting_is_accepted() {
        for text in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml">text</div>"#,
            r##"<div xmlns='http://www.w3.org/1999/xhtml'><p class="x">a &amp; b<br/><a href="#p1">c</a></p></div>"##,
            r#"<div><table><tr><td style="color: red">甲</td></tr></table></div>"#,
            "<div><!-- note --><img src=\"#photo\" alt='x' /></div>",
        ] {
            assert!(is_safe(text), "{text}");
        }
    }

    #[test]
    fn what_a_browser_would_run_is_refused() {
        for text in [
            "<div>a<script>x</script></div>",
            r#"<div onclick="x">a</div>"#,
            r#"<div><a href="javascript:x">a</a></div>"#,
            "<div><a href=\" java\nscript:x\">a</a></div>",
            r#"<div><a href="&#106;avascript:x">a</a></div>"#,
            r#"<div><iframe src="http://example.org">a</iframe></div>"#,
            r#"<div><form action="x">a</form></div>"#,
        ] {
            assert!(!is_safe(text), "{text}");
        }
    }

    #[test]
    fn text_must_be_one_well_formed_div_that_shows_something() {
        for text in [
            "text",
            "<p>a</p>",
            "<div>a",
            "<div>a</p></div>",
            "<div>a</div><div>b</div>",
            "<div>a</div>b",
            "<div> </div>",
            "<div/>",
            "<div>a & b</div>",
            "<div a=b>c</div>",
            "<div><b>a</div></b>",
            "",
        ] {
            assert!(!is_safe(text), "{text}");
        }
    }
}
