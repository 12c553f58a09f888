use super::*;
use crate::form::Kind;

const PROTOCOL: &str = r#"code = "visit"
version = "1"
title = { zh = "随访", en = "Visit" }

[[milestone]]
code = "begun"
title = { zh = "已开始", en = "Begun" }

[[milestone]]
code = "over"
title = { zh = "已结束", en = "Over" }
ends = "completed"

[[step]]
code = "ask"
title = { zh = "询问", en = "Ask" }
who = "nurse"
requires = ["begun"]
form = "pain"
reach = ["over"]
"#;

const FORM: &str = r#"code = "pain"
title = { zh = "疼痛评估", en = "Pain" }

[[item]]
code = "where"
title = { zh = "部位", en = "Where" }
kind = "choice"
list = "places"

[[item]]
code = "how-much"
title = { zh = "程度", en = "How much" }
kind = "number"
min = 0
max = 10.5
"#;

const CODES: &str = r#"
[[list]]
code = "places"
title = { zh = "部位", en = "Places" }
entry = [
    { code = "head", title = { zh = "头部", en = "Head" }, score = 1 },
    { code = "back", title = { zh = "背部", en = "Back" } },
]
"#;

fn folder(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[track_caller]
fn refused(path: &str, text: &str, told: &str) {
    let error = Line::read(&folder(&[(path, text)])).unwrap_err().to_string();
    assert_eq!(error, told);
}

#[test]
fn a_folder_is_read_as_one_line() {
    let files = folder(&[
        ("protocol.toml", PROTOCOL),
        ("forms/pain.toml", FORM),
        ("codes.toml", CODES),
        ("scenarios/story.toml", "not even TOML"),
    ]);
    let line = Line::read(&files).unwrap();
    assert_eq!(line.protocol("visit").unwrap().steps[0].form.as_deref(), Some("pain"));
    let form = line.form("pain").unwrap();
    assert_eq!(form.items[0].kind, Kind::Choice);
    assert_eq!(form.items[1].max.as_ref().map(Number::as_str), Some("10.5"));
    assert_eq!(line.list("places").unwrap().entries[0].score.as_ref().map(Number::as_str), Some("1"));
}

#[test]
fn a_line_reads_as_it_is_printed() {
    let older = PROTOCOL.replace("version = \"1\"", "version = \"0.10\"");
    let oldest = PROTOCOL.replace("version = \"1\"", "version = \"0.9\"");
    let other = PROTOCOL.replace("code = \"visit\"", "code = \"call\"");
    let files = folder(&[
        ("protocol.toml", PROTOCOL),
        ("a.protocol.toml", &older),
        ("b.protocol.toml", &oldest),
        ("c.protocol.toml", &other),
        ("forms/pain.toml", FORM),
        ("codes.toml", CODES),
    ]);
    let line = Line::read(&files).unwrap();
    let versions: Vec<&str> = line.protocols.iter().map(|one| one.version.as_str()).collect();
    assert_eq!(versions, ["1", "0.9", "0.10", "1"]);
    let printed = line.print();
    assert!(printed.contains_key("call.protocol.toml") && printed.contains_key("visit-0.10.protocol.toml"));
    assert_eq!(Line::read(&printed).unwrap(), line);
    assert_eq!(Line::read(&printed).unwrap().print(), printed);
}

#[test]
fn what_is_printed_is_what_one_would_have_written() {
    let line = Line::read(&folder(&[("protocol.toml", PROTOCOL), ("forms/pain.toml", FORM)])).unwrap();
    assert_eq!(line.print()["protocol.toml"], PROTOCOL);
    assert_eq!(line.print()["forms/pain.toml"], FORM);
}

#[test]
fn an_unknown_key_is_refused_where_it_stands_with_the_one_that_was_meant() {
    let text = PROTOCOL.replace("requires", "requries");
    refused("protocol.toml", &text, "protocol.toml:18:1: There is no key `requries` here; did you mean `requires`?");
    let text = FORM.replace("\"choice\"", "\"chioce\"");
    refused("forms/pain.toml", &text, "forms/pain.toml:7:8: There is no word `chioce` here; did you mean `choice`?");
}

#[test]
fn what_is_missing_and_what_is_no_toml_is_said_with_its_place() {
    refused("protocol.toml", "code = \"a\"\nversion = \"1\"\n", "protocol.toml:1:1: `title` is missing here.");
    let error = Line::read(&folder(&[("codes.toml", "[[list]\n")])).unwrap_err().to_string();
    assert!(error.starts_with("codes.toml:1:"), "{error}");
}

#[test]
fn a_form_is_named_as_its_file_is_and_a_line_has_no_other_files() {
    refused("forms/ache.toml", FORM, "forms/ache.toml:1:8: The form is called `pain`, so its file is forms/pain.toml.");
    assert!(Line::read(&folder(&[("protocols.toml", PROTOCOL)])).is_err());
}

#[test]
fn a_long_protocol_goes_on_in_a_folder_and_faults_are_told_where_they_stand() {
    let (head, steps) = PROTOCOL.split_at(PROTOCOL.find("[[step]]").unwrap());
    let files = |steps: &str| {
        let files = [("protocol.toml", head), ("protocol/steps.toml", steps), ("forms/pain.toml", FORM)];
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    };
    let whole = Line::read(
        &[("protocol.toml", PROTOCOL), ("forms/pain.toml", FORM)]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    );
    assert_eq!(Line::read(&files(steps)).unwrap(), whole.unwrap());
    let told = |files: &Files| Line::read(files).unwrap_err().issues()[0].text.clone();
    let wrong = told(&files(&steps.replace("requires", "requries")));
    assert!(wrong.starts_with("protocol/steps.toml:5:1: There is no key `requries`"), "{wrong}");
    let mut alone = files(steps);
    alone.remove("protocol.toml");
    assert!(told(&alone).contains("goes on with protocol.toml, which is not there"), "{}", told(&alone));
}

#[test]
fn documents_stand_in_a_folder_of_their_own_and_come_back_from_print() {
    let view = r#"[[document]]
code = "slip"
title = { zh = "单", en = "Slip" }
issuer = "ward"

[[document.section]]
code = "all"
title = { zh = "全部", en = "All" }
row = [{ title = { zh = "姓名", en = "Name" }, value = "%patient.name.first()", wide = true }]
"#;
    let head = "code = \"a\"\nversion = \"1\"\ntitle = { zh = \"甲\", en = \"A\" }\n";
    let files: Files = [("protocol.toml", head), ("views/slip.toml", view)]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    let line = Line::read(&files).unwrap();
    let document = line.protocols[0].document("slip").unwrap();
    assert!(document.sections[0].rows[0].wide);
    assert_eq!(Line::read(&line.print()).unwrap(), line);
    let alone: Files = [("views/slip.toml".to_owned(), view.to_owned())].into_iter().collect();
    let told = Line::read(&alone).unwrap_err().to_string();
    assert!(told.contains("goes on with protocol.toml, which is not there"), "{told}");
}

#[test]
fn the_lists_go_on_in_a_folder_of_their_own() {
    let more = CODES.replace("\"places\"", "\"sides\"");
    let files = folder(&[("codes.toml", CODES), ("codes/sides.toml", &more)]);
    let line = Line::read(&files).unwrap();
    assert!(line.list("places").is_some() && line.list("sides").is_some());
    let wrong = folder(&[("codes.toml", CODES), ("codes/sides.toml", "[[list]]\ncoed = \"a\"\n")]);
    let told = Line::read(&wrong).unwrap_err().to_string();
    assert!(told.starts_with("codes/sides.toml:"), "{told}");
}
