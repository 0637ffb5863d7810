//! Where nodes were to be written to straight, every one of them was, all the time that it was there.

use crate::{
    evidence::{GapCause, WriterGap},
    explain::seconds,
    judge::Run,
};

/// What nobody can say of the nodes' own acknowledgements.
pub(super) fn gaps(run: &Run<'_>) -> Vec<String> {
    let Some(direct) = &run.evidence.direct_writes else {
        let missing = "direct writes were planned, and there is no evidence of them";
        let planned = run.planned.direct_writes;
        return planned.then(|| missing.to_owned()).into_iter().collect();
    };
    let nodes = run.planned.nodes.values().flatten();
    let unwritten = nodes.filter(|node| !direct.begun.contains(node));
    let unwritten = unwritten.map(|node| format!("no direct writer ever began beside {node}"));
    unwritten.chain(direct.gaps.iter().map(told)).collect()
}

fn told(gap: &WriterGap) -> String {
    let (node, from) = (&gap.node, seconds(gap.from_us));
    let until = seconds(gap.until_us);
    let why = match &gap.cause {
        GapCause::NotPlaced(why) => format!("none could be put beside it: {why}"),
        GapCause::Silent => "it was not heard".to_owned(),
        GapCause::Unread(lines) => format!("{lines} of its lines could not be read"),
        GapCause::NotFollowed(why) => format!("the engine did not say where the nodes are: {why}"),
    };
    format!("the direct writer of {node}, from {from} to {until}: {why}")
}
