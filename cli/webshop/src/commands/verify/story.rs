//! An order's story on a terminal.

use checker::outcome::Class;
use checker::story::Story;

use crate::table;

pub(super) fn text(story: &Story) -> String {
    let told = match story.told {
        Some(Class::Ok) => "acknowledged",
        Some(Class::Info) => "of unknown outcome to its client",
        Some(Class::Fail) => "rejected",
        None => "never checked out",
    };
    let rows: Vec<Vec<String>> = story
        .moments
        .iter()
        .map(|moment| {
            vec![
                moment.time(),
                moment.witness.to_string(),
                moment.text.clone(),
            ]
        })
        .collect();
    let mut lines = vec![
        format!("order {} of {}: {told}", story.order, story.run),
        String::new(),
        table::draw(&["AT", "WHO SAYS IT", "WHAT"], &rows),
        String::new(),
    ];
    if story.violations.is_empty() {
        lines.push("nothing is wrong with it".to_owned());
    } else {
        lines.push(story.violations.join("\n\n"));
    }
    lines.push(format!("the run's verdict is {}", story.verdict));
    lines.join("\n")
}
