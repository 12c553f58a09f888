//! The reasons that are asked for: each of a list is taken, and nothing else is.

use std::collections::BTreeMap;

use fhir::IssueCode;
use protocol::run::{Deed, Reason};
use testkit::place::on_both;

use crate::folders;
use crate::recorded::Recorded;
use crate::stage::{Ground, Opening};

#[test]
fn a_referral_is_refused_for_each_reason_of_the_list_and_for_none_besides() {
    let line = folders::line("referral");
    let list = line.list("referral-rejection").expect("the line has it");
    let codes: Vec<&str> = list.entries.iter().map(|entry| entry.code.as_str()).collect();
    let known = [
        "no-bed",
        "outside-scope",
        "criteria-not-met",
        "duplicate",
        "better-elsewhere",
        "incomplete",
        "patient-refused",
    ];
    assert_eq!(codes, known);
    on_both(async |place| {
        let mut ground = Recorded::new(place, folders::line("referral"), 1_793_581_200_000_000);
        ground.install().await;
        for code in codes.iter().copied().chain(["不想收", ""]) {
            let roles = [("referrer", "Organization/clinic"), ("receiver", "Organization/hospital")];
            let opening = Opening {
                id: format!("r-{}", ground.runs().len()),
                protocol: "referral".to_owned(),
                start: "up".to_owned(),
                class: Some("urgent".to_owned()),
                roles: roles.map(|(role, party)| (role.to_owned(), party.to_owned())).into(),
                ..Opening::default()
            };
            let run = ground.start("PractitionerRole/starter", opening).await.expect("a referral begins");
            let deed = Deed::Complete {
                step: "review".to_owned(),
                n: 1,
                outcome: Some("reject".to_owned()),
                reason: Some(Reason { code: code.to_owned(), text: Some("床位已满".to_owned()) }),
                response: None,
                at: None,
                bind: BTreeMap::new(),
            };
            let told = ground.act(&run, "PractitionerRole/receiver", deed, &BTreeMap::new()).await;
            let stands = ground.runs().iter().find(|one| one.id == run).expect("it is there").clone();
            let work = stands.work("review", 1).expect("it was asked for");
            match told {
                Ok(()) => {
                    assert!(codes.contains(&code), "{code} is no reason");
                    assert_eq!(work.reason.as_ref().map(|reason| reason.code.as_str()), Some(code));
                    assert_eq!(
                        (stands.status.as_deref(), stands.owner.as_deref()),
                        (Some("declined"), Some("referrer"))
                    );
                }
                Err(error) => {
                    assert!(!codes.contains(&code), "{code}: {error}");
                    let found = error.issues()[0].code;
                    assert!(matches!(found, IssueCode::CodeInvalid | IssueCode::Required), "{error}");
                    assert!(work.status.is_open() && stands.reached("rejected").is_none(), "nothing has come of it");
                }
            }
        }
    });
}
