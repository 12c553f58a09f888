//! The rules on narrative: the XHTML a resource may show.
//!
//! <http://hl7.org/fhir/R4/narrative.html#rules>

/// Elements of chapters 7 to 11 and 15 of HTML 4.0, links, images and inline style.
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
    "area",
    "label",
    "figure",
    "figcaption",
    "nobr",
    "wbr",
];

/// Whether `text` is one well-formed `div` of allowed elements without scripts, events or outside styles, and
/// holds some text or an image.
pub(super) fn is_allowed(text: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    let (mut has_content, mut closed) = (false, false);
    while !rest.is_empty() {
        let Some(body) = rest.strip_prefix('<') else {
            let (plain, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            if open.is_empty() || !entities_are_closed(plain) {
                return false;
            }
            has_content |= !plain.trim().is_empty();
            rest = after;
            continue;
        };
        if let Some(comment) = body.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else { return false };
            rest = &comment[end + 3..];
            continue;
        }
        let Some(end) = tag_length(body) else { return false };
        let (tag, after) = (&body[..end], &body[end + 1..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) {
                return false;
            }
            closed = open.is_empty();
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(|character: char| character.is_ascii_whitespace()).next().unwrap_or_default();
        let is_root = open.is_empty();
        if closed
            || (is_root && name != "div")
            || !ELEMENTS.contains(&name)
            || !attributes_are_allowed(&tag[name.len()..])
        {
            return false;
        }
        has_content |= name == "img";
        if !is_empty {
            open.push(name);
        } else if is_root {
            return false;
        }
    }
    closed && has_content
}

/// The offset of the `>` that ends a tag, quoted attribute values skipped.
fn tag_length(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None, b'<') => return None,
            _ => {}
        }
    }
    None
}

fn attributes_are_allowed(mut text: &str) -> bool {
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return true;
        }
        let Some((name, after)) = text.split_once('=') else { return false };
        let (name, after) = (name.trim_end(), after.trim_start());
        let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { return false };
        let Some((value, after)) = after[1..].split_once(quote) else { return false };
        let name_is_plain =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte));
        let is_event = name.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("on"));
        let is_script = value.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("javascript:"));
        if !name_is_plain || is_event || is_script || value.contains('<') {
            return false;
        }
        text = after;
    }
}

/// Whether every `&` begins an entity.
fn entities_are_closed(text: &str) -> bool {
    text.split('&').skip(1).all(|after| {
        after.split_once(';').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_div_with_text_is_allowed() {
        for text in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml">text</div>"#,
            r#"<div xmlns="http://www.w3.org/1999/xhtml"><p title='a>b'>A &amp; B<br/></p><!-- - --></div>"#,
            r##"<div><img src="#a" alt="x"/></div>"##,
        ] {
            assert!(is_allowed(text), "{text}");
        }
    }

    #[test]
    fn what_could_run_or_is_broken_is_not_allowed() {
        for text in [
            "",
            "text",
            "<div></div>",
            "<div>a</div><div>b</div>",
            "<p>a</p>",
            "<div><script>a</script></div>",
            "<div><p onclick=\"x()\">a</p></div>",
            "<div><a href=\"javascript:x\">a</a></div>",
            "<div><p>a</div></p>",
            "<div>a",
            "<div>a & b</div>",
            "<div><p title=x>a</p></div>",
            "<div",
        ] {
            assert!(!is_allowed(text), "{text}");
        }
    }
}
