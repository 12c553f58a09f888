//! The file of a consortium against a record: what is shown, what is written, what stays.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{qingshan, said};

const EXAMPLE: &str = include_str!("../../../../docs/operating/consortium.toml");

/// A folder with a record and a file of a consortium.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn data(&self) -> String {
        self.0.path().join("data").display().to_string()
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("consortium.toml");
        fs::write(&path, text).expect("the disk takes the file");
        path
    }

    #[track_caller]
    fn apply(&self, text: &str, words: &[&str], succeeds: bool) -> String {
        let path = self.write(text).display().to_string();
        let data = self.data();
        let output = qingshan(&[&["consortium", "apply", &path, "--data", &data], words].concat());
        assert_eq!(output.status.success(), succeeds, "{}", said(&output));
        said(&output)
    }

    fn show(&self) -> String {
        let output = qingshan(&["consortium", "show", "--data", &self.data()]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("a file is UTF-8")
    }

    /// The current resources of a type.
    fn resources(&self, type_: &str) -> Vec<Value> {
        let folder = self.0.path().join("exported");
        let output = qingshan(&["export", "--data", &self.data(), &folder.display().to_string()]);
        assert!(output.status.success(), "{}", said(&output));
        lines(&folder.join(format!("{type_}.ndjson")))
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the export wrote this type");
    text.lines().map(|line| serde_json::from_str(line).expect("an export is JSON")).collect()
}

#[test]
fn a_file_is_shown_first_then_written_once_and_reads_back() {
    let ground = Ground::new();
    let told = ground.apply(EXAMPLE, &[], true);
    assert!(
        told.contains("+ Organization/first-hospital  青山市第一医院") && told.contains("Nothing was written"),
        "{told}"
    );
    let told = ground.apply(EXAMPLE, &["--yes"], true);
    assert!(told.contains("resources written."), "{told}");
    let told = ground.apply(EXAMPLE, &["--yes"], true);
    assert!(told.contains("Nothing to do"), "{told}");
    // What is shown is in order and says the same.
    let told = ground.apply(&ground.show(), &["--yes"], true);
    assert!(told.contains("Nothing to do"), "{told}");
}

#[test]
fn a_secondment_that_is_gone_from_the_file_ends_and_its_history_stays() {
    let ground = Ground::new();
    ground.apply(EXAMPLE, &["--yes"], true);
    let secondment =
        EXAMPLE.lines().find(|line| line.contains("at = \"riverside\", duties")).expect("the example has one");
    let told = ground.apply(&EXAMPLE.replace(secondment, ""), &["--yes"], true);
    assert!(
        told.contains("- PractitionerRole/shen-wanqing.riverside") && told.contains("0 to add, 0 to change, 1 to end"),
        "{told}"
    );
    assert!(!ground.show().contains("at = \"riverside\""));
    let roles = ground.resources("PractitionerRole");
    let ended = roles.iter().find(|role| role["id"] == "shen-wanqing.riverside").expect("nothing is deleted");
    assert_eq!((&ended["active"], &ended["meta"]["versionId"]), (&Value::Bool(false), &Value::from("2")));
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_line_and_nothing_is_written() {
    let ground = Ground::new();
    let wrong = EXAMPLE.replace("manages = [\"willow-station\"]", "manages = [\"south-hospital\", \"wilow-station\"]");
    let told = ground.apply(&wrong, &["--yes"], false);
    let place = |line: usize| format!("{}:{line}: ", ground.write(&wrong).display());
    let line = wrong.lines().position(|line| line.contains("wilow-station")).expect("it stands there") + 1;
    assert!(told.contains(&format!("{}there is no wilow-station", place(line))), "{told}");
    assert!(told.contains("Did you mean willow-station?") && told.contains("manages itself in the end"), "{told}");
    assert!(!Path::new(&ground.data()).exists(), "a wrong file does not even open the record");
}

#[test]
fn a_post_given_elsewhere_is_shown_and_not_ended() {
    let ground = Ground::new();
    ground.apply(EXAMPLE, &["--yes"], true);
    let post = r#"{"resourceType":"PractitionerRole","id":"by-hand","active":true,
        "practitioner":{"reference":"Practitioner/pan-xiaohe"},"organization":{"reference":"Organization/south-hospital"},
        "code":[{"coding":[{"system":"https://qingshan.dev/fhir/CodeSystem/duty","code":"quality"}]}]}"#;
    let path = ground.0.path().join("post.json");
    fs::write(&path, post).expect("the disk takes the file");
    let output = qingshan(&["import", "--data", &ground.data(), &path.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(ground.apply(EXAMPLE, &["--yes"], true).contains("Nothing to do"));
    let shown = ground.show();
    assert!(shown.contains("{ at = \"south-hospital\", duties = [\"quality\"], id = \"by-hand\" }"), "{shown}");
    // Taken as the file, it belongs to the consortium from now on.
    ground.apply(&shown, &["--yes"], true);
    assert!(ground.apply(&shown, &["--yes"], true).contains("Nothing to do"));
}

#[test]
fn sixty_institutions_and_five_thousand_people_go_in_at_once() {
    use std::fmt::Write;
    let mut text = "[consortium]\nid = \"large\"\nname = \"大医联体\"\nlead = \"i0\"\n".to_owned();
    for number in 0..60 {
        let level = ["tertiary", "secondary", "community", "village"][number.min(3)];
        write!(text, "\n[[institution]]\nid = \"i{number}\"\nname = \"机构{number}\"\nlevel = \"{level}\"\n").unwrap();
        writeln!(text, "departments = [{{ id = \"i{number}-a\", name = \"内科\" }}]").unwrap();
    }
    for number in 0..5_000 {
        let at = number % 60;
        write!(text, "\n[[person]]\nid = \"p{number}\"\nname = \"职工{number}\"\nlicence = \"{number:015}\"\n")
            .unwrap();
        writeln!(text, "posts = [{{ at = \"i{at}-a\", duties = [\"doctor\"] }}]").unwrap();
    }
    let ground = Ground::new();
    let told = ground.apply(&text, &["--yes"], true);
    assert!(told.contains("10241 to add, 0 to change, 0 to end"), "{told}");
    assert!(ground.apply(&text, &["--yes"], true).contains("Nothing to do: 10241 resources"));
}
