//! An order's story on a terminal.

use checker::outcome::Class;
use checker::story::Story;
use harness::printable;

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
                printable::line(&moment.text),
            ]
        })
        .collect();
    let mut lines = vec![
        printable::line(&format!("order {} of {}: {told}", story.order, story.run)),
        String::new(),
        table::draw(&["AT", "WHO SAYS IT", "WHAT"], &rows),
        String::new(),
    ];
    if story.violations.is_empty() {
        lines.push("nothing is wrong with it".to_owned());
    } else {
        let violations = story.violations.iter().map(|text| printable::line(text));
        lines.push(violations.collect::<Vec<_>>().join("\n\n"));
    }
    lines.push(format!("the run's verdict is {}", story.verdict));
    lines.join("\n")
}
