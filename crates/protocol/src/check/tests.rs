use super::*;

const PROTOCOL: &str = r#"code = "visit"
version = "2"
title = { zh = "随访", en = "Visit" }
focus = "ServiceRequest"

[[class]]
code = "urgent"
title = { zh = "紧急", en = "Urgent" }
priority = "urgent"

[[role]]
code = "ward"
title = { zh = "病房", en = "Ward" }
party = "institution"
duties = ["nurse"]

[[start]]
by = "hand"
duties = ["doctor"]
reach = ["begun"]

[[data]]
code = "visits"
query = "Encounter?patient={patient}&status=finished"

[[milestone]]
code = "begun"
title = { zh = "已开始", en = "Begun" }

[[milestone]]
code = "asked"
title = { zh = "已询问", en = "Asked" }
make = ["note"]

[[milestone]]
code = "over"
title = { zh = "已结束", en = "Over" }
ends = "completed"

[[step]]
code = "ask"
title = { zh = "询问", en = "Ask" }
who = "ward"
requires = ["begun"]
form = "pain"
reach = ["asked"]

[[step]]
code = "close"
title = { zh = "结束", en = "Close" }
who = "ward"
requires = ["asked"]
when = "%visits.exists() and %focus.subject.exists()"

[[step.outcome]]
code = "done"
title = { zh = "完成", en = "Done" }
reasons = "why"
reach = ["over"]

[[clock]]
code = "length"
title = { zh = "时长", en = "Length" }
from = "begun"
to = ["over"]

[[clock.limit]]
target = "1 h"
warn = "2 h"
breach = "3 h"

[[clock.rung]]
at = "warn"
tell = ["ward"]

[[activity]]
code = "note"
create = "Communication"

[[activity.set]]
path = "payload[0].contentString"
value = "%response.item.answer.value"

[[indicator]]
code = "in-time"
title = { zh = "及时率", en = "In time" }
kind = "share"
clock = "length"
"#;

const FORM: &str = r#"code = "pain"
title = { zh = "疼痛", en = "Pain" }

[[item]]
code = "where"
title = { zh = "部位", en = "Where" }
kind = "choice"
list = "why"

[[item]]
code = "how-much"
title = { zh = "程度", en = "How much" }
kind = "integer"
when = "item.where(linkId = 'where').answer.exists()"
"#;

const CODES: &str = r#"[[list]]
code = "why"
title = { zh = "原因", en = "Why" }
entry = [{ code = "wish", title = { zh = "患者要求", en = "Wish" }, score = 1 }]
"#;

fn folder(protocol: &str, form: &str, codes: &str) -> Files {
    [("protocol.toml", protocol), ("forms/pain.toml", form), ("codes.toml", codes)]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

fn found(files: &Files) -> Vec<String> {
    check(files, &Known::default()).iter().map(ToString::to_string).collect()
}

/// The folder with one text put in another's place has exactly one finding.
#[track_caller]
fn changed(from: &str, to: &str, told: &str) {
    let change = |text: &str| text.replacen(from, to, 1);
    assert!([PROTOCOL, FORM, CODES].iter().any(|text| text.contains(from)), "{from} stands nowhere");
    let found = found(&folder(&change(PROTOCOL), &change(FORM), &change(CODES)));
    assert!(found.len() == 1 && found[0].contains(told), "{told}\n{found:#?}");
}

/// The folder with something written below the protocol has a finding that says this, and no other.
#[track_caller]
fn added(text: &str, told: &str) {
    let found = found(&folder(&format!("{PROTOCOL}\n{text}"), FORM, CODES));
    assert!(found.len() == 1 && found[0].contains(told), "{told}\n{found:#?}");
}

#[test]
fn a_sound_folder_has_no_findings() {
    assert_eq!(found(&folder(PROTOCOL, FORM, CODES)), Vec::<String>::new());
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding_at_its_place() {
    let found = found(&folder(&PROTOCOL.replace("requires", "requries"), FORM, CODES));
    assert_eq!(found, ["protocol.toml:44:1: There is no key `requries` here; did you mean `requires`?"]);
}

#[test]
fn a_step_that_can_never_be_done_is_found() {
    let found = found(&folder(&PROTOCOL.replace("reach = [\"asked\"]\n", ""), FORM, CODES));
    assert!(found.iter().any(|one| one.contains("Nothing reaches the milestone `asked`")), "{found:#?}");
    let step = "The step `close` can never be done, because it needs `asked`, which never comes about.";
    assert!(found.iter().any(|one| one.starts_with("protocol.toml:") && one.contains(step)), "{found:#?}");
}

#[test]
fn steps_that_wait_for_each_other_are_found() {
    let found = found(&folder(&PROTOCOL.replace("requires = [\"begun\"]", "requires = [\"over\"]"), FORM, CODES));
    assert!(
        found.iter().any(|one| one.contains("ask → close → ask") || one.contains("close → ask → close")),
        "{found:#?}"
    );
}

/// A fork after the question: it ends in one of two ways, and what follows needs one of them, or both.
fn forked(requires: &str) -> String {
    let fork = "\n[[step.outcome]]\ncode = \"mild\"\ntitle = { zh = \"轻\", en = \"Mild\" }\nreach = [\"asked\"]\n\
                \n[[step.outcome]]\ncode = \"bad\"\ntitle = { zh = \"重\", en = \"Bad\" }\nreach = [\"worse\"]\n";
    let text = PROTOCOL.replacen("form = \"pain\"\nreach = [\"asked\"]\n", &format!("form = \"pain\"\n{fork}"), 1);
    let text = text.replacen("requires = [\"asked\"]", &format!("requires = [{requires}]"), 1);
    format!("{text}\n[[milestone]]\ncode = \"worse\"\ntitle = {{ zh = \"加重\", en = \"Worse\" }}\n")
}

#[test]
fn a_step_that_needs_two_ends_of_one_step_is_found_unless_that_is_done_again() {
    let of = |text: &str| found(&folder(text, FORM, CODES));
    assert_eq!(of(&forked("\"asked|worse\"")), Vec::<String>::new());
    let both = forked("\"asked\", \"worse\"");
    let told = "The step `close` can never be done: it needs `asked`, `worse`, and `ask`, which is done once, ends in one way.";
    assert!(of(&both).iter().any(|one| one.starts_with("protocol.toml:") && one.contains(told)), "{:#?}", of(&both));
    // Only the step itself is told of, and not what follows from it.
    let after = "\n[[step]]\ncode = \"after\"\ntitle = { zh = \"之后\", en = \"After\" }\nwho = \"ward\"\nrequires = [\"over\"]\n";
    assert!(!of(&format!("{both}{after}")).iter().any(|one| one.contains("The step `after`")));
    let again = both.replacen("requires = [\"begun\"]", "requires = [\"begun\"]\nagain = [\"worse\"]", 1);
    assert_eq!(of(&again), Vec::<String>::new());
    // What the record may say besides does not hang on how the step ends.
    let fact = both.replacen("en = \"Worse\" }", "en = \"Worse\" }\nfact = { on = \"Flag\" }", 1);
    assert_eq!(of(&fact), Vec::<String>::new());
}

#[test]
fn a_step_that_needs_two_ways_to_begin_is_found() {
    let other = "\n[[start]]\nby = \"hand\"\ncode = \"other\"\nduties = [\"nurse\"]\nreach = [\"worse\"]\n\
                 \n[[milestone]]\ncode = \"worse\"\ntitle = { zh = \"加重\", en = \"Worse\" }\n";
    let text = |requires: &str| {
        let text = PROTOCOL.replacen("requires = [\"begun\"]", &format!("requires = [{requires}]"), 1);
        found(&folder(&format!("{text}{other}"), FORM, CODES))
    };
    assert_eq!(text("\"begun|worse\""), Vec::<String>::new());
    let both = text("\"begun\", \"worse\"").join("\n");
    assert!(both.contains("it needs `begun`, `worse`, and a run begins in one way"), "{both}");
}

#[test]
fn what_its_classes_or_its_condition_rule_out_is_found() {
    let calm =
        "[[class]]\ncode = \"calm\"\ntitle = { zh = \"普通\", en = \"Calm\" }\npriority = \"routine\"\n\n[[role]]";
    let text = PROTOCOL.replacen("[[role]]", calm, 1);
    let text = text.replacen("requires = [\"asked\"]", "classes = [\"urgent\"]\nrequires = [\"asked\"]", 1);
    let of = |class: &str| {
        let outcome = format!("code = \"done\"\nclasses = [\"{class}\"]");
        found(&folder(&text.replacen("code = \"done\"", &outcome, 1), FORM, CODES)).join("\n")
    };
    assert_eq!(of("urgent"), "");
    assert!(of("calm").contains("The outcome `done` can never be chosen: it is for no class that `close` is for."));
    assert!(of("calm").contains("so no run can end"), "{}", of("calm"));
    changed(
        "%visits.exists() and %focus.subject.exists()",
        "false",
        "The step `close` can never be done, because this never holds.",
    );
}

#[test]
fn a_role_whose_duties_nobody_in_the_consortium_holds_is_found() {
    let of = |held: &[&str]| {
        let held = held.iter().map(|duty| (*duty).to_owned()).collect();
        let known = Known { duties: Some(&held), ..Known::default() };
        check(&folder(PROTOCOL, FORM, CODES), &known).iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    assert_eq!(of(&["doctor", "nurse"]), Vec::<String>::new());
    let nobody = of(&["doctor"]);
    let told = "protocol.toml:15:11: Nobody in the consortium holds any duty of the role `ward` (nurse), so nobody can do `ask`";
    assert!(nobody.len() == 1 && nobody[0].starts_with(told), "{nobody:#?}");
    assert!(of(&["nurse"]).join("\n").contains("Nobody in the consortium holds a duty that may start this (doctor)"));
}

#[test]
fn a_step_that_what_it_needs_makes_unnecessary_is_found() {
    changed(
        "requires = [\"asked\"]",
        "requires = [\"asked\"]\nuntil = [\"asked\"]",
        "needs `asked`, which makes it unnecessary",
    );
    let either = "requires = [\"asked|begun\"]\nuntil = [\"asked\"]";
    assert_eq!(found(&folder(&PROTOCOL.replace("requires = [\"asked\"]", either), FORM, CODES)), Vec::<String>::new());
}

#[test]
fn protocols_that_would_begin_one_another_for_ever_are_found() {
    let itself = PROTOCOL.replace(
        "code = \"begun\"\ntitle = { zh = \"已开始\", en = \"Begun\" }",
        "code = \"begun\"\ntitle = { zh = \"已开始\", en = \"Begun\" }\nbegin = [{ protocol = \"visit\" }]",
    );
    let itself = format!("{itself}\n[[start]]\nby = \"protocol\"\nreach = [\"begun\"]\n");
    let found = found(&folder(&itself, FORM, CODES));
    assert!(found.len() == 1 && found[0].starts_with("protocol.toml:"), "{found:#?}");
    assert!(found[0].contains("the same again at once, for ever: visit → visit"), "{found:#?}");

    // Where somebody has to do something in between, the same is a chain of visits.
    let later = itself
        .replace("begin = [{ protocol = \"visit\" }]\n", "")
        .replace("code = \"over\"\n", "code = \"over\"\nbegin = [{ protocol = \"visit\" }]\n");
    assert_eq!(self::found(&folder(&later, FORM, CODES)), Vec::<String>::new());
}

#[test]
fn what_begins_by_itself_and_would_be_for_nobody_is_found() {
    let by_event = PROTOCOL.replace("by = \"hand\"\nduties = [\"doctor\"]", "by = \"event\"\non = \"Encounter\"");
    let told = found(&folder(&by_event, FORM, CODES));
    assert!(told.len() == 1 && told[0].contains("its role `ward` is bound to nobody"), "{told:#?}");
    let bound = by_event.replace("party = \"institution\"", "party = \"institution\"\nbind = \"performer.first()\"");
    assert_eq!(found(&folder(&bound, FORM, CODES)), Vec::<String>::new());
}

#[test]
fn a_milestone_nobody_reaches_is_found() {
    let milestone = "[[milestone]]\ncode = \"lost\"\ntitle = { zh = \"失访\", en = \"Lost\" }\n";
    added(milestone, "Nothing reaches the milestone `lost`");
}

#[test]
fn a_clock_that_never_starts_or_never_stops_is_found() {
    let lost = "[[milestone]]\ncode = \"lost\"\ntitle = { zh = \"失访\", en = \"Lost\" }\n";
    let clock = |from: &str, to: &str| {
        let text = format!(
            "{lost}[[clock]]\ncode = \"c\"\ntitle = {{ zh = \"钟\", en = \"C\" }}\nfrom = \"{from}\"\nto = {to}\n"
        );
        found(&folder(&format!("{PROTOCOL}\n{text}"), FORM, CODES)).join("\n")
    };
    assert!(clock("lost", "[\"over\"]").contains("the clock `c` can never start"));
    assert!(clock("begun", "[\"lost\"]").contains("the clock `c` can never stop"));
    assert!(clock("begun", "[]").contains("The clock `c` never stops"));
}

#[test]
fn a_clock_that_is_held_for_ever_is_found() {
    let lost = "[[milestone]]\ncode = \"lost\"\ntitle = { zh = \"失访\", en = \"Lost\" }\n";
    let text =
        PROTOCOL.replace("to = [\"over\"]\n", "to = [\"over\"]\npauses = [{ from = \"asked\", to = \"lost\" }]\n");
    let found = found(&folder(&format!("{text}\n{lost}"), FORM, CODES)).join("\n");
    assert!(found.contains("once held, never goes on"), "{found}");
}

#[test]
fn limits_out_of_order_and_rungs_without_a_limit_are_found() {
    changed("warn = \"2 h\"", "warn = \"30 min\"", "the target of 1 h comes after the warn of 30 min");
    changed("breach = \"3 h\"", "breach = \"90 min\"", "the warn of 2 h comes after the breach of 90 min");
    changed("warn = \"2 h\"\n", "", "counts from the warn, and no limit has one");
    changed("[[clock.rung]]", "[[clock.limit]]\nbreach = \"5 h\"\n[[clock.rung]]", "two limits for the same runs");
}

#[test]
fn roles_nobody_holds_and_roles_that_are_not_used_are_found() {
    changed(
        "duties = [\"nurse\"]",
        "duties = [\"nruse\"]",
        "protocol.toml:15:11: There is no duty `nruse`; did you mean `nurse`?",
    );
    changed("duties = [\"nurse\"]\n", "", "The role `ward` has no `duties`");
    added(
        "[[role]]\ncode = \"office\"\ntitle = { zh = \"办公室\", en = \"Office\" }\nparty = \"institution\"\nduties = [\"nurse\"]\n",
        "warning: The role `office` does nothing",
    );
    changed("duties = [\"nurse\"]", "duties = [\"nurse\"]\notherwise = \"ward\"", "falls back to itself");
    changed("duties = [\"doctor\"]\n", "", "warning: Nobody may start this by hand");
}

#[test]
fn codes_that_are_not_there_are_found() {
    changed("requires = [\"asked\"]", "requires = [\"aksed\"]", "There is no milestone `aksed`; did you mean `asked`?");
    changed("requires = [\"asked\"]", "requires = [\"asked|lost\"]", "There is no milestone `lost`");
    changed("make = [\"note\"]", "make = [\"notes\"]", "There is no activity `notes`; did you mean `note`?");
    changed("reasons = \"why\"", "reasons = \"whys\"", "There is no list `whys`");
    let adopting = |from: &str| format!("create = \"Communication\"\nadopt = {{ from = \"{from}\" }}");
    changed("create = \"Communication\"", &adopting("%nothing"), "%nothing");
    let listing =
        |path: &str, inner: &str| format!("path = \"{path}\"\nset = [{{ path = \"{inner}\", value = \"$this\" }}]");
    let content = "path = \"payload[0].contentString\"";
    changed(content, &listing("payload", "contentText"), "has no element `contentText`");
    changed(content, &listing("payload[0]", "contentString"), "leave the number out");
    assert!(found(&folder(&PROTOCOL.replace(content, &listing("payload", "contentString")), FORM, CODES)).is_empty());
    changed("clock = \"length\"", "clock = \"lenght\"", "There is no clock `lenght`");
    changed("ends = \"completed\"", "ends = \"completed\"\nswitch = \"other\"", "There is no protocol `other`");
    changed("tell = [\"ward\"]", "tell = [\"chief\"]", "There is no role `chief`");
    changed("create = \"Communication\"", "create = \"Comunication\"", "There is no type of resource `Comunication`");
    changed("priority = \"urgent\"", "priority = \"high\"", "There is no priority `high`");
    changed("requires = [\"asked\"]", "requires = [\"asked\"]\nclasses = [\"calm\"]", "There is no class `calm`");
    let instead = adopting("%focus").replace("create = \"Communication\"", "change = \"focus\"");
    let instead = folder(&PROTOCOL.replace("create = \"Communication\"", &instead), FORM, CODES);
    assert!(found(&instead).join("\n").contains("say what it creates"));
    let found = found(&folder(&PROTOCOL.replace("form = \"pain\"", "form = \"pian\""), FORM, CODES)).join("\n");
    assert!(found.contains("There is no form `pian`; did you mean `pain`?"), "{found}");
}

#[test]
fn expressions_that_do_not_parse_or_name_what_is_not_there_are_found() {
    changed("%visits.exists() and", "%visits.exists( and", "FHIRPath");
    changed("%focus.subject", "%focus.patient", "ServiceRequest has no element patient");
    changed("%visits.exists()", "%visist.exists()", "There is no variable %visist here. Did you mean %visits?");
    changed("%visits.exists()", "%visits.colour.exists()", "Encounter has no element colour");
    changed(
        "item.where(linkId",
        "items.where(linkId",
        "forms/pain.toml:14:8: QuestionnaireResponse has no element items",
    );
    changed("contentString", "contentText", "has no element `contentText`");
}

#[test]
fn searches_that_do_not_parse_are_found() {
    changed("status=finished", "stauts=finished", "Encounter has no search parameter `stauts`. Did you mean `status`?");
    changed("Encounter?", "Encouter?", "Did you mean Encounter?");
    changed("{patient}", "{person}", "Nothing stands for {person}");
    changed("status=finished", "status", "`status` has no value");
}

#[test]
fn missing_translations_are_found() {
    changed("{ zh = \"已结束\", en = \"Over\" }", "{ zh = \"已结束\" }", "The title of `over` is missing in en.");
    changed("{ zh = \"部位\", en = \"Where\" }", "{ en = \"Where\" }", "The title of `where` is missing in zh.");
    changed("{ zh = \"患者要求\", en = \"Wish\" }", "{ zh = \"患者要求\" }", "codes.toml:4:");
}

#[test]
fn a_form_nobody_asks_for_and_a_list_nobody_chooses_from_are_found() {
    let found = found(&folder(&PROTOCOL.replace("form = \"pain\"\n", ""), FORM, CODES));
    assert!(found.len() == 1 && found[0].contains("nobody reads its answers"), "{found:#?}");
    let more = "\n[[list]]\ncode = \"more\"\ntitle = { zh = \"其他\", en = \"More\" }\nentry = [{ code = \"a\", title = { zh = \"甲\", en = \"A\" } }]\n";
    let found = super::check(&folder(PROTOCOL, FORM, &format!("{CODES}{more}")), &Known::default());
    assert!(found.len() == 1 && found[0].severity == Severity::Warning, "{found:#?}");
}

#[test]
fn a_run_that_cannot_end_is_found() {
    changed("ends = \"completed\"\n", "", "No milestone ends a run");
    let lost = "[[milestone]]\ncode = \"lost\"\ntitle = { zh = \"失访\", en = \"Lost\" }\nends = \"failed\"\n";
    let text = format!("{}\n{lost}", PROTOCOL.replace("ends = \"completed\"\n", ""));
    let found = found(&folder(&text, FORM, CODES)).join("\n");
    assert!(found.contains("Nothing ever reaches `lost`, so no run can end."), "{found}");
}

#[test]
fn codes_too_long_for_an_id_or_not_made_for_one_are_found() {
    let text = PROTOCOL.replace("code = \"close\"", "code = \"close-what-was-begun-long-ago\"");
    let found = found(&folder(&text, FORM, CODES)).join("\n");
    assert!(found.contains("has 29 characters"), "{found}");
    changed("code = \"ask\"", "code = \"Ask\"", "`Ask` cannot name a step");
    changed("code = \"done\"", "code = \"is done\"", "`is done` cannot name a outcome");
}

#[test]
fn what_is_there_twice_is_found() {
    changed("code = \"close\"", "code = \"ask\"", "There is a step `ask` already");
    changed("code = \"how-much\"", "code = \"where\"", "There is a item `where` already");
}

#[test]
fn a_migration_that_forgets_something_is_found() {
    let earlier =
        PROTOCOL.replace("version = \"2\"", "version = \"1\"").replace("code = \"close\"", "code = \"finish\"");
    let with = |migration: &str| {
        let mut files = folder(&format!("{PROTOCOL}\n[[migration]]\nfrom = \"1\"\n{migration}"), FORM, CODES);
        files.insert("visit-1.protocol.toml".to_owned(), earlier.clone());
        found(&files)
    };
    let forgotten = with("");
    assert!(
        forgotten.len() == 1 && forgotten[0].contains("the step `finish` of version 1 is not here"),
        "{forgotten:#?}"
    );
    assert_eq!(with("steps = { finish = \"close\" }\n"), Vec::<String>::new());
    assert!(with("steps = { finish = \"clsoe\" }\n").join("\n").contains("There is no step `clsoe`"));
    let told = |migration: &str, after: &str| {
        let renamed = PROTOCOL.replace("code = \"note\"", "code = \"remark\"").replace("[\"note\"]", "[\"remark\"]");
        let text = format!("{renamed}\n[[migration]]\nfrom = \"1\"\nsteps = {{ finish = \"close\" }}\n{migration}");
        let mut files = folder(&text, FORM, CODES);
        files.insert("visit-1.protocol.toml".to_owned(), earlier.clone());
        let found = found(&files).join("\n");
        assert!(if after.is_empty() { found.is_empty() } else { found.contains(after) }, "{found}");
    };
    told("", "warning: When a run goes on under this version, what the activity `note` of version 1 made");
    told("activities = { note = \"remark\" }\n", "");
    told("activities = { remark = \"remark\" }\n", "Version 1 has no activity `remark`");
    added("[[migration]]\nfrom = \"0\"\n", "warning: Version 0 is not in this folder");
}

#[test]
fn a_trait_or_a_share_of_traits_that_cannot_be_is_found() {
    let given = "[[trait]]\ncode = \"given\"\ntitle = { zh = \"已填\", en = \"Given\" }\nvalue = \"1\"\n";
    let share = |more: &str| {
        format!(
            "{given}[[indicator]]\ncode = \"complete\"\ntitle = {{ zh = \"全\", en = \"All\" }}\nkind = \"share\"\n{more}"
        )
    };
    let weigh = "weigh = { above = \"given\", below = \"given\" }\n";
    let sound = format!("{PROTOCOL}\n{}", share(weigh));
    assert_eq!(found(&folder(&sound, FORM, CODES)), Vec::<String>::new());
    added(
        &share("weigh = { above = \"givn\", below = \"given\" }\n"),
        "There is no trait `givn`; did you mean `given`?",
    );
    added(&share(&format!("{weigh}reached = [\"over\"]\n")), "which only a share does that counts no runs");
    added(&given.replace("\"1\"", "\"%visit.id\""), "visit");
    added(&format!("{given}list = \"whyy\"\n"), "There is no list `whyy`");
}

#[test]
fn what_the_kind_of_an_item_forbids_is_found() {
    changed("list = \"why\"\n", "", "is a choice and needs a `list`");
    changed("kind = \"integer\"", "kind = \"integer\"\nmin = 3\nmax = 2", "The least that `how-much` can be");
    changed("kind = \"integer\"", "kind = \"string\"\nunit = \"kg\"", "has a unit and must be a number");
    changed(
        "kind = \"integer\"",
        "kind = \"integer\"\ntotal = [\"were\"]",
        "There is no item `were`; did you mean `where`?",
    );
}

#[test]
fn a_rule_of_a_form_that_names_what_is_not_there_or_tells_nothing_is_found() {
    let rule = |holds: &str, en: &str| {
        let told = format!("told = {{ zh = \"请填写部位\", en = \"{en}\" }}");
        let form = format!("{FORM}\n[[item.must]]\nholds = \"{holds}\"\n{told}\n");
        found(&folder(PROTOCOL, &form, CODES))
    };
    assert_eq!(rule("item.where(linkId = 'where').answer.exists()", "Say where"), Vec::<String>::new());
    let told = rule("items.exists()", "Say where");
    assert!(told.len() == 1 && told[0].starts_with("forms/pain.toml:17:9: QuestionnaireResponse has no"), "{told:#?}");
    assert!(rule("item.exists()", "").join("\n").contains("is missing in en."));
}

#[test]
fn a_total_of_what_has_no_score_is_found() {
    let form = FORM.replace("kind = \"integer\"", "kind = \"integer\"\ntotal = [\"where\"]");
    assert_eq!(found(&folder(PROTOCOL, &form, CODES)), Vec::<String>::new());
    let found = found(&folder(PROTOCOL, &form, &CODES.replace(", score = 1", "")));
    assert!(found.len() == 1 && found[0].contains("`where` cannot be added up in `how-much`"), "{found:#?}");
}

#[test]
fn what_another_line_has_is_not_named_again_and_can_be_begun() {
    let other = PROTOCOL
        .replace("code = \"visit\"", "code = \"call\"")
        .replace("form = \"pain\"\n", "")
        .replace("reasons = \"why\"\n", "");
    let other = Line::read(&[("protocol.toml".to_owned(), other)].into()).unwrap();
    let others = [other];
    let known = Known { others: &others, ..Known::default() };
    let begins = PROTOCOL
        .replace("make = [\"note\"]", "make = [\"note\"]\nbegin = [{ protocol = \"call\", keep = [\"begun\"] }]");
    assert_eq!(check(&folder(&begins, FORM, CODES), &known), []);
    let again = folder(&PROTOCOL.replace("code = \"visit\"", "code = \"call\""), FORM, CODES);
    let told = check(&again, &known);
    assert!(told.len() == 1 && told[0].text.contains("Another line has a protocol `call`"), "{told:#?}");
}

const DOCUMENT: &str = r#"[[document]]
code = "slip"
title = { zh = "随访单", en = "Slip" }
issuer = "ward"
requires = ["asked"]

[[document.section]]
code = "pain"
row = [
    { answer = "pain.where" },
    { title = { zh = "姓名", en = "Name" }, value = "%patient.name.first()" },
    { milestone = "asked" },
    { role = "ward" },
]
"#;

#[test]
fn what_a_document_names_and_is_not_there_is_found_in_the_file_it_stands_in() {
    let found = |text: &str| -> Vec<String> {
        let mut files = folder(PROTOCOL, FORM, CODES);
        files.insert("views/slip.toml".to_owned(), text.to_owned());
        self::found(&files)
    };
    let text = DOCUMENT;
    assert_eq!(found(text), Vec::<String>::new());
    for (from, to, told) in [
        (
            "issuer = \"ward\"",
            "issuer = \"wards\"",
            "views/slip.toml:4:10: There is no role `wards`; did you mean `ward`?",
        ),
        (
            "requires = [\"asked\"]",
            "requires = [\"asked|aksed\"]",
            "views/slip.toml:5:13: There is no milestone `aksed`",
        ),
        ("%patient.name", "%patient.nane", "views/slip.toml:11:"),
        ("en = \"Name\"", "en = \"\"", "The title of the line of `%patient.name.first()` is missing in en."),
        ("answer = \"pain.", "answer = \"pian.", "There is no form `pian`. Did you mean `pain`?"),
        ("answer = \"pain.", "answer = \"pain.not-", "has no item `not-"),
        ("{ role = \"ward\" }", "{ role = \"ward\", milestone = \"asked\" }", "A line says one of"),
        ("title = { zh = \"姓名\", en = \"Name\" }, ", "", "A line with a `value` needs a `title`."),
        ("code = \"pain\"", "code = \"pain\"\ngroup = \"pain\"", "names no question; write FORM.ITEM"),
    ] {
        assert!(text.contains(from), "{from} stands nowhere");
        let found = found(&text.replacen(from, to, 1));
        assert!(found.iter().any(|one| one.contains(told)), "{told}\n{found:#?}");
    }
    let unknown = found(&text.replace("issuer =", "isuer ="));
    assert_eq!(unknown, ["views/slip.toml:4:1: There is no key `isuer` here; did you mean `issuer`?"]);
}

const CRITERIA: &str = r#"protocol = "visit"
into = "where"

[[data]]
code = "pressures"
query = "Observation?patient={patient}&_count=1"

[[criterion]]
code = "high"
title = { zh = "血压高", en = "High" }
start = "by-rule"
class = "urgent"
when = "%pressures.value.value >= 180"
evidence = ["%pressures.first()"]
source = "an invented guideline"
"#;

#[test]
fn what_criteria_name_and_is_not_there_is_found() {
    let started = PROTOCOL.replace("by = \"hand\"", "code = \"by-rule\"\nform = \"pain\"\nby = \"hand\"");
    let found = |text: &str| -> Vec<String> {
        let mut files = folder(&started, FORM, CODES);
        files.insert("criteria.toml".to_owned(), text.to_owned());
        self::found(&files)
    };
    assert_eq!(found(CRITERIA), Vec::<String>::new());
    for (from, to, told) in [
        ("protocol = \"visit\"", "protocol = \"vist\"", "criteria.toml:1:12: There is no protocol `vist`"),
        ("into = \"where\"", "into = \"were\"", "did you mean `where`?"),
        ("start = \"by-rule\"", "start = \"by-role\"", "There is no way to start `by-role`"),
        ("class = \"urgent\"", "class = \"urgend\"", "There is no class `urgend`"),
        ("%pressures.value", "%pressure.value", "criteria.toml:13:"),
        ("Observation?", "Observations?", "Did you mean Observation?"),
        ("evidence = [\"%pressures.first()\"]\n", "", "say its `evidence`"),
        ("en = \"High\"", "en = \"\"", "The title of `high` is missing in en."),
        ("source = \"an invented guideline\"", "source = \"\"", "Say in `source` where"),
    ] {
        assert!(CRITERIA.contains(from), "{from} stands nowhere");
        let found = found(&CRITERIA.replacen(from, to, 1));
        assert!(found.iter().any(|one| one.contains(told)), "{told}\n{found:#?}");
    }
}

#[test]
fn what_an_indicator_counts_in_the_record_can_be_counted() {
    let rate = |counted: &str| {
        format!(
            "[[indicator]]\ncode = \"rate\"\ntitle = {{ zh = \"率\", en = \"Rate\" }}\nkind = \"ratio\"\n{counted}\n"
        )
    };
    let sound = rate("per = { query = \"Encounter?class=AMB\", date = \"date\", organization = \"service-provider\" }");
    assert_eq!(found(&folder(&format!("{PROTOCOL}\n{sound}"), FORM, CODES)), Vec::<String>::new());
    added(
        &rate("per = { query = \"Encounter?class=AMB\", date = \"dat\" }"),
        "Encounter has no search parameter `dat`.",
    );
    added(&rate("events = { query = \"Encounter?class=AMB\", date = \"date\" }"), "say below it too what `per` is");
    added(&sound.replace("ratio", "count"), "which only a ratio does");
}
