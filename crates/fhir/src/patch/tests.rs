use super::*;
use crate::json;

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap()
}

fn patched(target: &str, patch: &str) -> Result<String, Error> {
    json_patch(&parse(target), &parse(patch)).map(|value| String::from_utf8(json::to_bytes(&value)).unwrap())
}

#[test]
fn json_patch_keeps_order_and_digits() {
    let target = r#"{"z":1.10,"a":[1.20E-3,{"k":"v"}],"m":{"x":-0.0}}"#;
    for (patch, expected) in [
        (r#"[]"#, target),
        (r#"[{"op":"add","path":"/b","value":2.50}]"#, r#"{"z":1.10,"a":[1.20E-3,{"k":"v"}],"m":{"x":-0.0},"b":2.50}"#),
        (r#"[{"op":"replace","path":"/a/1/k","value":null}]"#, r#"{"z":1.10,"a":[1.20E-3,{"k":null}],"m":{"x":-0.0}}"#),
        (r#"[{"op":"move","from":"/z","path":"/m/z"}]"#, r#"{"a":[1.20E-3,{"k":"v"}],"m":{"x":-0.0,"z":1.10}}"#),
        (
            r#"[{"op":"copy","from":"/m","path":"/a/0"}]"#,
            r#"{"z":1.10,"a":[{"x":-0.0},1.20E-3,{"k":"v"}],"m":{"x":-0.0}}"#,
        ),
        (
            r#"[{"op":"test","path":"/z","value":1.1},{"op":"remove","path":"/a/0"}]"#,
            r#"{"z":1.10,"a":[{"k":"v"}],"m":{"x":-0.0}}"#,
        ),
        (r#"[{"op":"replace","path":"","value":{"q":1}}]"#, r#"{"q":1}"#),
    ] {
        assert_eq!(patched(target, patch).unwrap(), expected, "{patch}");
    }
}

#[test]
fn json_patch_says_which_operation_failed_and_why() {
    let target = r#"{"a":[1],"b":"text"}"#;
    for (operation, category, why) in [
        (r#"{"op":"add","path":"/a/2","value":1}"#, Category::Unprocessable, "no such position"),
        (r#"{"op":"add","path":"/a/01","value":1}"#, Category::Unprocessable, "no such position"),
        (r#"{"op":"add","path":"/b/x","value":1}"#, Category::Unprocessable, "neither object nor array"),
        (r#"{"op":"remove","path":"/c"}"#, Category::Unprocessable, "nothing at that place"),
        (r#"{"op":"remove","path":"/a/-"}"#, Category::Unprocessable, "nothing at that place"),
        (r#"{"op":"replace","path":"/c","value":1}"#, Category::Unprocessable, "nothing at that place"),
        (r#"{"op":"move","from":"/a","path":"/a/0"}"#, Category::Unprocessable, "into itself"),
        (r#"{"op":"test","path":"/b","value":"other"}"#, Category::Unprocessable, "another"),
        (r#"{"op":"add","path":"/c"}"#, Category::Invalid, "'value'"),
        (r#"{"op":"add","path":"c","value":1}"#, Category::Invalid, "begins with"),
        (r#"{"op":"add","path":"/~2","value":1}"#, Category::Invalid, "'~'"),
        (r#"{"op":"grow","path":"/c"}"#, Category::Invalid, "no such operation"),
        (r#"{"path":"/c"}"#, Category::Invalid, "'op'"),
        (r#"3"#, Category::Invalid, "no text member 'path'"),
    ] {
        let patch = format!(r#"[{{"op":"test","path":"/a/0","value":1}},{operation}]"#);
        let error = patched(target, &patch).expect_err(operation);
        assert_eq!(error.category(), category, "{operation}: {error}");
        let text = error.to_string();
        assert!(text.contains("operation 1 (") && text.contains(why), "{operation}: {text}");
    }
}

#[test]
fn a_patch_that_grows_without_end_is_refused() {
    let double = r#"{"op":"copy","from":"","path":"/a"}"#;
    let doubling = format!("[{}]", vec![double; 200].join(","));
    assert_eq!(patched("{}", &doubling).expect_err("must be refused").category(), Category::TooLarge);
    let copies = vec![r#"{"op":"copy","from":"/a","path":"/a/-"}"#; 60].join(",");
    assert_eq!(
        patched(r#"{"a":[1]}"#, &format!("[{copies}]")).expect_err("must be refused").category(),
        Category::TooLarge
    );
}

const PATIENT: &str = r#"{"resourceType":"Patient","active":true,"birthDate":"1950","_birthDate":{"id":"b"},"name":[{"given":["A","B"],"_given":[null,{"id":"g"}]}],"deceasedBoolean":false,"contact":[{"gender":"male"}]}"#;

/// Applies one operation, its parts given as name and JSON members.
fn changed(kind: &str, path: &str, parts: &[(&str, &str)]) -> Result<String, Error> {
    let mut text = format!(r#"{{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":"{path}"}}"#);
    for (name, members) in parts {
        text.push_str(&format!(r#",{{"name":"{name}",{members}}}"#));
    }
    let patch = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{text}]}}]}}"#);
    fhirpath_patch(&parse(PATIENT), &parse(&patch)).map(|value| String::from_utf8(json::to_bytes(&value)).unwrap())
}

#[test]
fn fhirpath_patch_keeps_primitives_and_their_extensions_in_step() {
    let given = |result: Result<String, Error>| {
        let value = parse(&result.unwrap());
        String::from_utf8(json::to_bytes(&value["name"])).unwrap()
    };
    assert_eq!(given(changed("delete", "Patient.name.given[0]", &[])), r#"[{"given":["B"],"_given":[{"id":"g"}]}]"#);
    assert_eq!(given(changed("delete", "Patient.name.given[1]", &[])), r#"[{"given":["A"]}]"#);
    assert_eq!(
        given(changed(
            "insert",
            "Patient.name.given",
            &[("index", r#""valueInteger":0"#), ("value", r#""valueString":"C""#)]
        )),
        r#"[{"given":["C","A","B"],"_given":[null,null,{"id":"g"}]}]"#
    );
    assert_eq!(
        given(changed(
            "move",
            "Patient.name.given",
            &[("source", r#""valueInteger":1"#), ("destination", r#""valueInteger":0"#)]
        )),
        r#"[{"given":["B","A"],"_given":[{"id":"g"},null]}]"#
    );
}

#[test]
fn fhirpath_patch_changes_the_type_of_a_choice_in_its_place() {
    let result = changed("replace", "Patient.deceased", &[("value", r#""valueDateTime":"2020""#)]).unwrap();
    assert!(result.contains(r#""deceasedDateTime":"2020","contact""#), "{result}");
    assert!(!result.contains("deceasedBoolean"), "{result}");
    let error =
        changed("replace", "Patient.deceased", &[("value", r#""valueString":"x""#)]).expect_err("must be refused");
    assert!(error.to_string().contains("Patient.deceased[x] cannot be a string"), "{error}");
}

#[test]
fn fhirpath_patch_adds_choices_lists_and_elements_without_a_type_name() {
    let add = |path: &str, name: &str, value: &str| {
        changed("add", path, &[("name", &format!(r#""valueString":"{name}""#)), ("value", value)])
    };
    let result = add("Patient", "multipleBirth", r#""valueInteger":2"#).unwrap();
    assert!(result.ends_with(r#","multipleBirthInteger":2}"#), "{result}");
    let parts = r#""part":[{"name":"gender","valueCode":"female"},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}]"#;
    let result = add("Patient", "contact", parts).unwrap();
    assert!(result.ends_with(r#"{"gender":"female","telecom":[{"value":"1"},{"value":"2"}]}]}"#), "{result}");
    let result = add(
        "Patient.birthDate",
        "extension",
        r#""part":[{"name":"url","valueUri":"u"},{"name":"value","valueCode":"c"}]"#,
    )
    .unwrap();
    assert!(result.contains(r#""_birthDate":{"id":"b","extension":[{"url":"u","valueCode":"c"}]}"#), "{result}");
    let result = changed(
        "insert",
        "Patient.link",
        &[("index", r#""valueInteger":0"#), ("value", r#""part":[{"name":"type","valueCode":"refer"}]"#)],
    );
    assert!(result.unwrap().ends_with(r#","link":[{"type":"refer"}]}"#));
}

#[test]
fn fhirpath_patch_removes_what_a_deletion_leaves_empty() {
    let result = changed("delete", "Patient.contact.gender", &[]).unwrap();
    assert!(!result.contains("contact"), "{result}");
    assert_eq!(changed("delete", "Patient.maritalStatus", &[]).unwrap(), PATIENT);
}

#[test]
fn fhirpath_patch_refuses_what_does_not_fit() {
    let value = ("value", r#""valueString":"x""#);
    let name = |name: &'static str| ("name", name);
    for (kind, path, parts, why) in [
        ("add", "Patient", vec![name(r#""valueString":"birthDate""#), value], "already"),
        (
            "add",
            "Patient",
            vec![name(r#""valueString":"deceased""#), ("value", r#""valueDateTime":"2020""#)],
            "already",
        ),
        ("add", "Patient", vec![name(r#""valueString":"colour""#), value], "has no element colour"),
        ("add", "Patient", vec![value], "no part 'name'"),
        ("add", "Patient.link", vec![name(r#""valueString":"type""#), value], "leads to nothing"),
        ("replace", "Patient.name.given", vec![value], "2 elements"),
        ("replace", "Patient", vec![value], "the resource itself"),
        ("replace", "Patient.name.count()", vec![value], "computes"),
        ("insert", "Patient.birthDate", vec![("index", r#""valueInteger":0"#), value], "one list"),
        ("insert", "Patient.name.given", vec![("index", r#""valueInteger":3"#), value], "no such position"),
        ("insert", "Patient.name.given", vec![("index", r#""valueInteger":-1"#), value], "from 0 on"),
        (
            "move",
            "Patient.name.given",
            vec![("source", r#""valueInteger":0"#), ("destination", r#""valueInteger":2"#)],
            "no such position",
        ),
        ("delete", "Patient.name.", vec![], "byte 13"),
        ("grow", "Patient", vec![], "not add, insert"),
    ] {
        let error = changed(kind, path, &parts).expect_err(path).to_string();
        assert!(error.contains("operation 0") && error.contains(why), "{kind} {path}: {error}");
    }
}
