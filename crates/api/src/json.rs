//! Writing JSON by hand: what is stored is spliced into an answer as the bytes it is.

/// Adds a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => {
                out.extend_from_slice(&bytes[from..at]);
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Adds `,"name":"text"`.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    string(out, text);
}

/// The same JSON with line breaks and indentation, digits and escapes untouched.
pub(crate) fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(json.get(at + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(json[at - 1], b'{' | b'[') {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push(byte),
        }
    }
    out
}

fn line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

/// A time in microseconds since 1970 as a FHIR instant. <http://hl7.org/fhir/R4/datatypes.html#instant>
pub(crate) fn instant(micros: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(micros.div_euclid(1_000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_kind_survives_being_written() {
        let text = "青山 \"quoted\" \\ back\u{1}\n\r\t end";
        let mut out = Vec::new();
        string(&mut out, text);
        let read: String = sonic_rs::from_slice(&out).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn pretty_json_keeps_digits_and_text_and_empty_containers() {
        let json = r#"{"a":1.10,"b":["x{,}\"",{}],"c":[]}"#;
        let pretty = String::from_utf8(pretty(json.as_bytes())).unwrap();
        assert_eq!(pretty, "{\n  \"a\": 1.10,\n  \"b\": [\n    \"x{,}\\\"\",\n    {}\n  ],\n  \"c\": []\n}");
    }

    #[test]
    fn an_instant_has_milliseconds_and_a_zone() {
        assert_eq!(instant(1_700_000_000_120_000), "2023-11-14T22:13:20.120Z");
    }
}
