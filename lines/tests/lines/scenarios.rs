//! Every scenario of every line, played: by judgement alone, and on a record on both databases.

use std::panic::{AssertUnwindSafe, catch_unwind};

use testkit::place::on_both;

use crate::folders;
use crate::recorded::Recorded;
use crate::stage::Stage;
use crate::story::Story;

/// Every scenario with the line it is of and its name.
fn stories() -> Vec<(&'static str, String, Story)> {
    let mut stories = Vec::new();
    for (line, files) in lines::all() {
        for (path, text) in files.iter().filter(|(path, _)| path.starts_with("scenarios/")) {
            let name = format!("{line}/{path}");
            let story = Story::read(&name, text);
            stories.push((line, name, story));
        }
    }
    assert!(!stories.is_empty());
    stories
}

/// Plays every scenario, and fails at the end with the names of those that went otherwise than they are told.
fn each(play: impl Fn(&'static str, &str, &Story)) {
    let went_otherwise = stories().into_iter().filter_map(|(line, name, story)| {
        let played = catch_unwind(AssertUnwindSafe(|| play(line, &name, &story)));
        played.is_err().then_some(name)
    });
    let names: Vec<String> = went_otherwise.collect();
    assert!(names.is_empty(), "{}", names.join(", "));
}

#[test]
fn every_scenario_goes_as_it_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers is there");
    each(|line, name, story| {
        if story.needs_a_record() {
            return;
        }
        let mut stage = Stage::new(folders::line(line).protocols, story.begins());
        runtime.block_on(story.play(&mut stage, name));
    });
}

#[test]
fn every_scenario_goes_the_same_way_on_a_record() {
    each(|line, name, story| {
        on_both(async |place| {
            let mut recorded = Recorded::new(place, folders::line(line), story.begins());
            story.play(&mut recorded, name).await;
            recorded.rebuilt(name).await;
        });
    });
}
