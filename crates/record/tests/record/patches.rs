use fhir::Category;
use record::{Action, Change, Method, Patch, Target};
use testkit::place::on_both;

use crate::{body, delete, json, key, one, patient, update};

fn patch(id: &str, patch: &str, if_match: Option<u64>) -> Change {
    Change::new(Action::Patch { target: Target::Key(key("Patient", id)), patch: Patch::Json(json(patch)), if_match })
}

#[test]
fn a_patch_changes_what_it_names_and_keeps_the_rest() {
    on_both(async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", patient("p", "何"), None)).await.unwrap();
        let change = patch("p", r#"[{"op":"add","path":"/gender","value":"female"}]"#, Some(1));
        let applied = one(&session, change).await.unwrap();
        let version = applied.version.as_ref().unwrap();
        assert_eq!((version.version, version.method), (2, Method::Patch));
        assert!(body(&applied).contains(r#""name":[{"family":"何"}],"gender":"female""#), "{}", body(&applied));
        assert_eq!(session.changes(1, 1).await.unwrap()[0].method, Method::Patch);
    });
}

#[test]
fn a_patch_is_refused_when_its_result_is_not_valid_or_its_target_is_not_there() {
    on_both(async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", patient("p", "吕"), None)).await.unwrap();
        let robot = one(&session, patch("p", r#"[{"op":"add","path":"/gender","value":"robot"}]"#, None)).await;
        let robot = robot.unwrap_err().error;
        assert_eq!(robot.category(), Category::Unprocessable);
        assert_eq!(robot.issues()[0].expression.as_deref(), Some("Patient.gender"));
        let renamed = one(&session, patch("p", r#"[{"op":"replace","path":"/id","value":"q"}]"#, None)).await;
        assert_eq!(renamed.unwrap_err().error.category(), Category::Unprocessable);
        let stale = one(&session, patch("p", r#"[{"op":"add","path":"/active","value":true}]"#, Some(9))).await;
        assert_eq!(stale.unwrap_err().error.category(), Category::PreconditionFailed);
        let absent = one(&session, patch("q", r#"[{"op":"add","path":"/active","value":true}]"#, None)).await;
        assert_eq!(absent.unwrap_err().error.category(), Category::NotFound);
        one(&session, delete("Patient", "p")).await.unwrap();
        let gone = one(&session, patch("p", r#"[{"op":"add","path":"/active","value":true}]"#, None)).await;
        assert_eq!(gone.unwrap_err().error.category(), Category::Gone);
    });
}

#[test]
fn many_patches_at_once_are_all_kept() {
    on_both(async |place| {
        let session = place.session();
        one(&session, update("Patient", "p", patient("p", "施"), None)).await.unwrap();
        let patching = (0..40).map(|number| {
            let session = session.clone();
            let text = format!(r#"[{{"op":"add","path":"/name/-","value":{{"text":"别名{number}"}}}}]"#);
            tokio::spawn(async move { one(&session, patch("p", &text, None)).await.unwrap() })
        });
        for patching in patching.collect::<Vec<_>>() {
            patching.await.unwrap();
        }
        let last = session.read(&key("Patient", "p")).await.unwrap().unwrap();
        let text = String::from_utf8(last.body.unwrap().to_vec()).unwrap();
        assert_eq!((last.version, text.matches("别名").count()), (41, 40));
    });
}
