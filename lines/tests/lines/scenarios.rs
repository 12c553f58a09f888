//! Every scenario of every line, played.

use crate::story::Story;

#[test]
fn every_scenario_goes_as_it_is_told() {
    let mut played = 0;
    for (line, files) in lines::all() {
        for (path, text) in files.iter().filter(|(path, _)| path.starts_with("scenarios/")) {
            let name = format!("{line}/{path}");
            Story::read(&name, text).play(line, &name);
            played += 1;
        }
    }
    assert!(played > 0);
}
