//! Care processes from folders: what is wrong with them, and what becomes of them in a record.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{qingshan, said};

const PROTOCOL: &str = r#"code = "visit"
version = "1"
title = { zh = "随访", en = "Visit" }

[[role]]
code = "clinic"
title = { zh = "门诊", en = "Clinic" }
party = "institution"
duties = ["doctor"]

[[start]]
by = "hand"
duties = ["doctor"]
reach = ["begun"]

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
who = "clinic"
requires = ["begun"]
form = "visit-pain"
reach = ["over"]

[[indicator]]
code = "visits"
title = { zh = "随访数", en = "Visits" }
kind = "count"
having = ["over"]
"#;

const FORM: &str = r#"code = "visit-pain"
title = { zh = "疼痛", en = "Pain" }

[[item]]
code = "how-much"
title = { zh = "程度", en = "How much" }
kind = "integer"
"#;

/// A folder of a line, and a record beside it.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempfile::tempdir().expect("a temporary directory can be made"));
        fs::create_dir_all(ground.0.path().join("visit/forms")).expect("the disk takes a folder");
        ground.write("protocol.toml", PROTOCOL);
        ground.write("forms/visit-pain.toml", FORM);
        ground
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.path().join("visit").join(path), text).expect("the disk takes the file");
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    #[track_caller]
    fn check(&self, succeeds: bool) -> String {
        let output = qingshan(&["protocol", "check", &self.path("visit")]);
        assert_eq!(output.status.success(), succeeds, "{}", said(&output));
        said(&output)
    }

    #[track_caller]
    fn install(&self, words: &[&str], succeeds: bool) -> String {
        let (folder, data) = (self.path("visit"), self.path("data"));
        let output = qingshan(&[&["protocol", "install", &folder, "--data", &data], words].concat());
        assert_eq!(output.status.success(), succeeds, "{}", said(&output));
        said(&output)
    }

    /// The ids of the stored resources of a type.
    fn stored(&self, type_: &str) -> Vec<String> {
        let folder = self.path("exported");
        let output = qingshan(&["export", "--data", &self.path("data"), &folder]);
        assert!(output.status.success(), "{}", said(&output));
        let text = fs::read_to_string(Path::new(&folder).join(format!("{type_}.ndjson"))).expect("the type is stored");
        let id = |line: &str| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned);
        let mut ids: Vec<String> = text.lines().filter_map(id).collect();
        ids.sort();
        ids
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said_by_file_and_line() {
    let ground = Ground::new();
    assert!(ground.check(true).contains("1 folders checked: 0 errors, 0 warnings."));
    ground.write("protocol.toml", &PROTOCOL.replace("duties = [\"doctor\"]\nreach", "duties = [\"docter\"]\nreach"));
    let told = ground.check(false);
    let place =
        format!("{}:13:11: There is no duty `docter`; did you mean `doctor`?", ground.path("visit/protocol.toml"));
    assert!(told.contains(&place), "{told}");
    assert!(ground.install(&[], false).contains("Nothing was written."));
    let empty = qingshan(&["protocol", "check", &ground.path("visit/forms")]);
    assert!(!empty.status.success() && said(&empty).contains("holds no line"));
}

#[test]
fn a_role_whose_duties_nobody_in_the_consortium_holds_is_said_by_file_and_line() {
    let ground = Ground::new();
    let consortium = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/consortium.toml");
    let check = |succeeds: bool| {
        let output = qingshan(&["protocol", "check", "--consortium", consortium, &ground.path("visit")]);
        assert_eq!(output.status.success(), succeeds, "{}", said(&output));
        said(&output)
    };
    assert!(check(true).contains("1 folders checked: 0 errors, 0 warnings."));
    ground.write("protocol.toml", &PROTOCOL.replacen("duties = [\"doctor\"]", "duties = [\"pharmacist\"]", 1));
    let told = check(false);
    let place =
        format!("{}:9:11: Nobody in the consortium holds any duty of the role", ground.path("visit/protocol.toml"));
    assert!(told.contains(&place), "{told}");
}

#[test]
fn runs_go_on_under_a_later_version_only_where_that_says_how() {
    let ground = Ground::new();
    let migrate = |succeeds: bool| {
        let output = qingshan(&["protocol", "migrate", "--data", &ground.path("data"), "--from", "1", "visit"]);
        assert_eq!(output.status.success(), succeeds, "{}", said(&output));
        said(&output)
    };
    ground.install(&[], true);
    assert!(migrate(false).contains("Version 1 does not say how runs of version 1 go on."));
    let later = PROTOCOL.replace("version = \"1\"", "version = \"2\"");
    ground.write("protocol.toml", &format!("{later}\n[[migration]]\nfrom = \"1\"\n"));
    ground.install(&[], true);
    assert!(migrate(true).contains("0 runs go on under the latest version, 0 stay."));
}

#[test]
fn a_folder_is_stored_once_and_every_version_stays() {
    let ground = Ground::new();
    assert!(ground.install(&[], true).contains("3 resources written, 0 as they should be."));
    assert!(ground.install(&[], true).contains("0 resources written, 3 as they should be."));
    // What a version says stays as it is for the runs that began with it.
    let retitled = PROTOCOL.replace("\"询问\"", "\"问诊\"");
    ground.write("protocol.toml", &retitled);
    assert!(ground.install(&[], false).contains("PlanDefinition/visit-1 is in the record and says otherwise"));
    ground.write("protocol.toml", &retitled.replace("version = \"1\"", "version = \"2\""));
    assert!(ground.install(&[], true).contains("2 resources written, 1 as they should be."));
    assert_eq!(ground.stored("PlanDefinition"), ["visit-1", "visit-2"]);
    assert_eq!(ground.stored("Questionnaire"), ["visit-pain"]);
    ground.write("protocol.toml", &retitled);
    assert!(ground.install(&["--replace"], true).contains("1 resources written, 2 as they should be."));
}
