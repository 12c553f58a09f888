//! Every scenario of every line, played: by judgement alone, and on a record on both databases.

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

#[tokio::test]
async fn every_scenario_goes_as_it_is_told() {
    for (line, name, story) in stories() {
        let mut stage = Stage::new(folders::line(line).protocols, story.begins());
        story.play(&mut stage, &name).await;
    }
}

#[test]
fn every_scenario_goes_the_same_way_on_a_record() {
    for (line, name, story) in stories() {
        on_both(async |place| {
            let mut recorded = Recorded::new(place, folders::line(line), story.begins());
            story.play(&mut recorded, &name).await;
            recorded.rebuilt(&name).await;
        });
    }
}
